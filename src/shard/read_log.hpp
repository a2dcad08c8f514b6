// SPDX-License-Identifier: MIT
// The read log: what reads without the lock leave behind. That is how many of them hit and missed,
// and which entries they used, for a policy that wants to know the order of uses (BP-Wrapper).
// Read policy/policy.hpp (Uses) and the top of table/index.hpp first.
//
// In the beginning, and for as long as one thread reads, there is only one stripe. When a second
// thread reads, the log is spread: from then on a thread writes into the stripe that its name, the
// number of the thread (system::this_thread), selects. Two threads may select the same one. Other
// threads read a stripe only under the shard's lock.
//
// Counts are exact. The first thread to use a stripe owns it, and adds without a locked
// instruction, since a locked one would hold up the look-ups behind it. Other threads in the stripe
// add with a locked instruction.
//
// Uses are in order. A thread that has a stripe to itself loses no use; of threads that share a
// stripe, some uses may be lost. A use names the cell of the index where its entry stands, and the
// policy is told of the entry that stands there then. That is the same entry, since the policy is
// told before any entry leaves or moves. Only a use that another thread logs just then may go to
// the entry that has taken the cell, or to none.
#ifndef CT_READ_LOG_HPP
#define CT_READ_LOG_HPP

#include <atomic>
#include <cstdint>
#include <new>

#include "base/memory.hpp"
#include "base/system.hpp"
#include "table/index.hpp"

namespace ct {

class ReadLog {
 public:
  // At most this many uses wait in a stripe. Their cache misses overlap when the policy is told of
  // them. With more uses the lock would be held for long.
  static constexpr uint32_t kUses = 16;
  // From one stripe to the next, so that no two threads write into a cache line.
  static constexpr size_t kStripeBytes = 192;
  // Stands in the first cell until the stripe takes uses: so the stripe looks full, and its first
  // use comes to UseRecorder::record_in, under the lock.
  static constexpr Cell<Ref> kNoUse{kNone};
  // Owners that no thread is: a thread may become the owner, or none may.
  static constexpr Thread kNobody = 0;
  static constexpr Thread kNobodyEver = ~Thread{0};

  struct Count {
    std::atomic<uint64_t> by_owner{0};   // written only by the owner of the stripe
    std::atomic<uint64_t> by_others{0};  // written by all other threads
  };

  struct Stripe {
    std::atomic<Thread> owner{kNobody};
    Count hits;
    Count misses;
    // A ring in the manner of FastForward (Giacomoni and others, 2008). The stripe's threads write
    // into cells that are nullptr. Whoever has the lock takes what stands in the others, and makes
    // them nullptr. So a writer learns from the cell itself whether there is room, and never reads
    // `told`.
    std::atomic<const Cell<Ref> *> cells[kUses] = {&kNoUse};
    std::atomic<uint32_t> logged{0};  // how many uses so far; written by the stripe's threads
    uint32_t told = 0;                // how many the policy was told of

    // Counts one more of `hits` or `misses`. Only the owner may call this.
    [[gnu::always_inline]] static void add(Count &count) {
      const uint64_t before = count.by_owner.load(std::memory_order_relaxed);
      count.by_owner.store(before + 1, std::memory_order_relaxed);
    }
    // Adds to `hits` or `misses`. Any thread may call this, and the first one becomes the owner.
    void add_for_any(Count &count, uint64_t n) {
      Thread nobody = kNobody;
      const bool owns =
          owner.load(std::memory_order_relaxed) == kNobody &&
          owner.compare_exchange_strong(nobody, system::this_thread(), std::memory_order_relaxed);
      if (n != 0) (owns ? count.by_owner : count.by_others).fetch_add(n, std::memory_order_relaxed);
    }

    // Logs a use. Returns false if the stripe is full, and the policy must be told of its uses
    // first.
    [[gnu::always_inline]] bool log(Slot slot) {
      const uint32_t at = logged.load(std::memory_order_relaxed);
      std::atomic<const Cell<Ref> *> &cell = cells[at % kUses];
      if (cell.load(std::memory_order_relaxed) != nullptr) return false;
      cell.store(slot.cell, std::memory_order_release);
      logged.store(at + 1, std::memory_order_release);
      return true;
    }

    // Empties the cell of the next use, whatever stands there. Called by one of the stripe's
    // threads. Needs the lock.
    void make_room() {
      const uint32_t at = logged.load(std::memory_order_relaxed);
      cells[at % kUses].store(nullptr, std::memory_order_relaxed);
    }

    // Writes the entries that were used to out, in order. Returns how many they are, at most kUses.
    // Needs the lock.
    uint32_t take_uses(Ref *out) {
      const uint32_t end = logged.load(std::memory_order_acquire);
      // Two threads that share the stripe may have set `logged` back.
      uint32_t at = end - told > kUses ? end - kUses : told;
      told = end;
      uint32_t count = 0;
      for (; at != end; at++) {
        std::atomic<const Cell<Ref> *> &cell = cells[at % kUses];
        const Cell<Ref> *used = cell.load(std::memory_order_acquire);
        if (used == nullptr) continue;
        cell.store(nullptr, std::memory_order_relaxed);
        out[count] = *used;
        count += out[count] != kNone;
      }
      return count;
    }
  };
  static_assert(sizeof(Stripe) <= kStripeBytes, "three cache lines");

  // shared: several threads read at a time. If not, there is always one stripe, so that all uses
  // are in order, whichever thread's turn it is.
  ReadLog(Memory &memory, bool shared) noexcept : memory_(memory), shared_(shared) {}
  ~ReadLog() {
    if (is_spread()) memory_.release(memory_of(stripes()), kBytes, kLine);
  }
  ReadLog(const ReadLog &) = delete;
  ReadLog &operator=(const ReadLog &) = delete;

  // Allows the log to have a stripe for each thread, once there is a second one. Needs the lock.
  void allow_spread() { may_spread_.store(shared_, std::memory_order_relaxed); }
  // Returns whether spread() should be called, because another thread owns the only stripe.
  bool should_spread() const {
    if (!may_spread_.load(std::memory_order_relaxed)) return false;
    const Thread owner = one_.first.owner.load(std::memory_order_relaxed);
    return owner != kNobody && owner != system::this_thread();
  }
  // Gives the threads several stripes. It is tried once: if there is no memory, the threads go on
  // sharing one. Needs the lock.
  void spread() noexcept {
    may_spread_.store(false, std::memory_order_relaxed);
    if (!shared_ || is_spread()) return;
    void *memory = memory_.allocate(kBytes, kLine);
    if (memory == nullptr) return;
    // The first stripe begins with a cache line.
    auto *stripes =
        new (static_cast<char *>(memory) + kLine - sizeof(uint64_t)) Stripes{kSpread, {}};
    for (uint32_t i = 1; i < kStripes; i++) new (&stripes->at(i)) Stripe;
    stripes_.store(stripes, std::memory_order_release);
    // It shares cache lines with what all threads read.
    one_.first.owner.store(kNobodyEver, std::memory_order_relaxed);
  }
  // Returns the stripe that the calling thread owns, or nullptr.
  [[gnu::always_inline]] Stripe *owned_by_caller() const {
    const Thread self = system::this_thread();
    if (one_.first.owner.load(std::memory_order_relaxed) == self) return &one_.first;
    Stripe &stripe = stripe_of(self);
    return stripe.owner.load(std::memory_order_relaxed) == self ? &stripe : nullptr;
  }
  // Returns the calling thread's stripe, whoever owns it.
  Stripe &stripe_of_caller() const {
    Stripe *stripe = owned_by_caller();
    return stripe != nullptr ? *stripe : stripe_of(system::this_thread());
  }

  // Calls tell(refs, count) for each stripe that has uses. After that, the stripe takes uses again.
  // Needs the lock.
  template <class Tell>
  void tell_uses(Tell tell) {
    for (uint32_t left = in_use_; left != 0; left &= left - 1) {
      Ref refs[kUses];
      const uint32_t count = at(static_cast<uint32_t>(__builtin_ctz(left))).take_uses(refs);
      if (count != 0) tell(refs, count);
    }
  }
  // Returns whether any stripe takes uses. Needs the lock.
  bool is_in_use() const { return in_use_ != 0; }
  // Makes the stripe take uses. In the beginning it takes none, so that tell_uses need not look at
  // stripes that no thread uses. It also takes none while a late write, by one of two threads that
  // share it, stands in its next cell. Called after tell_uses. Needs the lock.
  void enlist(Stripe &stripe) {
    uint32_t number = 0;
    while (&at(number) != &stripe) number++;
    in_use_ |= 1u << number;
    stripe.make_room();
  }

  uint64_t hits() { return sum(&Stripe::hits); }
  uint64_t misses() { return sum(&Stripe::misses); }

 private:
  static constexpr uint32_t kStripes = 8;
  static constexpr uint32_t kStripeShift = 61;
  static constexpr uint64_t kSpread = 0x9E3779B97F4A7C15;
  static constexpr size_t kLine = 64;
  static constexpr size_t kBytes = kLine + kStripes * kStripeBytes;

  struct Stripes {
    const uint64_t factor;  // 0: all threads use the first stripe, and there is no other
    Stripe first;

    Stripe &at(uint64_t number) {
      return *reinterpret_cast<Stripe *>(reinterpret_cast<char *>(&first) + number * kStripeBytes);
    }
  };

  Stripes *stripes() const { return stripes_.load(std::memory_order_acquire); }
  // Names of threads are addresses far apart that are alike in their low bits, so they are spread by
  // multiplication.
  [[gnu::always_inline]] Stripe &stripe_of(Thread thread) const {
    Stripes *all = stripes();
    return all->at(thread * all->factor >> kStripeShift);
  }
  bool is_spread() const { return stripes() != &one_; }
  static void *memory_of(Stripes *stripes) {
    return reinterpret_cast<char *>(&stripes->first) - kLine;
  }
  // Returns a stripe by number. The one of the beginning stays in use when others come, because a
  // thread may have found it before.
  Stripe &at(uint32_t number) { return number == 0 ? one_.first : stripes()->at(number - 1); }
  uint64_t sum(Count Stripe::*which) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < (is_spread() ? 1 + kStripes : 1); i++) {
      const Count &count = at(i).*which;
      sum += count.by_owner.load(std::memory_order_relaxed);
      sum += count.by_others.load(std::memory_order_relaxed);
    }
    return sum;
  }

  Memory &memory_;
  const bool shared_;
  std::atomic<bool> may_spread_{false};
  uint32_t in_use_ = 0;  // a bit for each stripe that takes uses, by its number
  std::atomic<Stripes *> stripes_{&one_};
  mutable Stripes one_{0, {}};
};

}  // namespace ct

#endif
