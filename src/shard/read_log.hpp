// SPDX-License-Identifier: MIT
// What reads leave behind that take no lock: how many hit and missed, and which entries they used,
// for a policy that wants to know the order of uses.
//
// A thread writes into the stripe of its name, which nobody else reads but under the shard's lock.
// Counts are exact: the first thread to come owns the stripe and adds without a locked instruction,
// which would hold up the look-ups behind it; others who meet there add by one. Uses are in order,
// and none of a thread's is lost that has a stripe to itself. Of threads that meet in one some may
// be. A use tells where its entry stood in the index: who is told of it looks there whether it still
// does, since it may have left or moved meanwhile, and its place be another's.
#ifndef CT_READ_LOG_HPP
#define CT_READ_LOG_HPP

#include <atomic>
#include <cstdint>
#include <new>

#include "base/memory.hpp"
#include "base/thread.hpp"
#include "table/index.hpp"

namespace ct {

class ReadLog {
 public:
  // So many uses wait in a stripe at most: their cache misses overlap when they are told, and with
  // more of them the lock would be held for long.
  static constexpr uint32_t kUses = 16;
  // Told of before there is one: then the stripe is full.
  static constexpr uint32_t kUnused = 0 - kUses;

  struct Count {
    std::atomic<uint64_t> own{0};     // written by the owner only
    std::atomic<uint64_t> others{0};  // by anyone else
  };

  struct alignas(64) Stripe {
    std::atomic<Thread> owner{0};
    Count hits;
    Count misses;
    std::atomic<uint32_t> logged{0};      // uses, ever; written by the stripe's threads
    std::atomic<uint32_t> told{kUnused};  // of these; written under the lock
    std::atomic<uintptr_t> places[kUses] = {};
    std::atomic<Ref> refs[kUses] = {};

    // One of its counts.
    [[gnu::always_inline]] void add(Count &count, uint64_t n) {
      const Thread self = this_thread();
      if (__builtin_expect(owner.load(std::memory_order_relaxed) == self, 1)) {
        const uint64_t before = count.own.load(std::memory_order_relaxed);
        count.own.store(before + n, std::memory_order_relaxed);
      } else {
        add_elsewhere(count, n, self);
      }
    }

    // False: it is full, and the policy must be told first.
    [[gnu::always_inline]] bool use(Place place) {
      // Whoever takes this use takes those before it, too, which another thread may have written.
      const uint32_t at = logged.load(std::memory_order_acquire);
      if (at - told.load(std::memory_order_acquire) >= kUses) return false;
      const auto bucket = reinterpret_cast<uintptr_t>(place.bucket);
      places[at % kUses].store(bucket | place.slot, std::memory_order_relaxed);
      refs[at % kUses].store(place.ref, std::memory_order_relaxed);
      logged.store(at + 1, std::memory_order_release);
      return true;
    }

    // Hands out the uses of what is still there, in order, at most kUses. Under the lock.
    uint32_t take_uses(Ref *out) {
      const uint32_t end = logged.load(std::memory_order_acquire);
      uint32_t at = told.load(std::memory_order_relaxed);
      if (at == end) return 0;
      // Two threads that met here may have set it back.
      if (end - at > kUses) at = end;
      uint32_t count = 0;
      for (; at != end; at++) {
        const uintptr_t place = places[at % kUses].load(std::memory_order_relaxed);
        const Ref ref = refs[at % kUses].load(std::memory_order_relaxed);
        const auto *bucket = reinterpret_cast<const Bucket *>(place & ~kSlotBits);
        const auto slot = static_cast<uint32_t>(place & kSlotBits);
        if (bucket->refs[slot] == ref && bucket->tags[slot] != 0) out[count++] = ref;
      }
      told.store(end, std::memory_order_release);
      return count;
    }

   private:
    static constexpr uintptr_t kSlotBits = sizeof(Bucket) - 1;

    [[gnu::noinline]] void add_elsewhere(Count &count, uint64_t n, Thread self) {
      Thread nobody = 0;
      const bool owns = owner.compare_exchange_strong(nobody, self, std::memory_order_relaxed);
      (owns ? count.own : count.others).fetch_add(n, std::memory_order_relaxed);
    }
  };
  static_assert(sizeof(Stripe) <= 256, "four cache lines");

  // shared: by threads at a time. Else there is one stripe, so that all uses are in order, whichever
  // thread's turn it is.
  ReadLog(Memory &memory, bool shared) noexcept
      : memory_(memory), count_(shared ? kStripes : 1), spread_(shared ? kSpread : 0) {}
  ~ReadLog() { memory_.release(stripes(), bytes(), alignof(Stripe)); }
  ReadLog(const ReadLog &) = delete;
  ReadLog &operator=(const ReadLog &) = delete;

  // Until it is open no read may go without the lock. Without memory it stays closed.
  void open() noexcept {
    void *memory = memory_.allocate(bytes(), alignof(Stripe));
    if (memory == nullptr) return;
    auto *stripes = static_cast<Stripe *>(memory);
    for (uint32_t i = 0; i < count_; i++) new (&stripes[i]) Stripe;
    stripes_.store(stripes, std::memory_order_release);
  }
  bool is_open() const { return stripes() != nullptr; }
  // The thread's, once it is open. Threads' names are addresses far apart, alike in their low bits.
  [[gnu::always_inline]] Stripe &own() const {
    return stripes()[this_thread() * spread_ >> kStripeShift];
  }

  // Calls tell(refs, count) for each stripe with uses, after which it takes uses. Under the lock.
  template <class Tell>
  void tell_uses(Tell tell) {
    for (uint32_t left = in_use_; left != 0; left &= left - 1) {
      Ref refs[kUses];
      const uint32_t count = stripes()[__builtin_ctz(left)].take_uses(refs);
      if (count != 0) tell(refs, count);
    }
  }
  // A stripe takes uses only after this, so that those that nobody uses are not asked for any. Under
  // the lock.
  void use(Stripe &stripe) {
    const uint32_t bit = 1u << (&stripe - stripes());
    if ((in_use_ & bit) != 0) return;
    in_use_ |= bit;
    stripe.told.store(0, std::memory_order_release);
  }

  uint64_t hits() const { return sum(&Stripe::hits) - hits_before_; }
  uint64_t misses() const { return sum(&Stripe::misses) - misses_before_; }
  // From now on. Owners go on counting where they are.
  void reset() {
    hits_before_ = sum(&Stripe::hits);
    misses_before_ = sum(&Stripe::misses);
  }

 private:
  static constexpr uint32_t kStripes = 8;
  static constexpr uint32_t kStripeShift = 61;
  static constexpr uint64_t kSpread = 0x9E3779B97F4A7C15;
  size_t bytes() const { return count_ * sizeof(Stripe); }
  Stripe *stripes() const { return stripes_.load(std::memory_order_acquire); }
  uint64_t sum(Count Stripe::*which) const {
    const Stripe *all = stripes();
    uint64_t sum = 0;
    for (uint32_t i = 0; all != nullptr && i < count_; i++) {
      const Count &count = all[i].*which;
      sum += count.own.load(std::memory_order_relaxed);
      sum += count.others.load(std::memory_order_relaxed);
    }
    return sum;
  }

  Memory &memory_;
  const uint32_t count_;
  const uint64_t spread_;  // 0: all threads have the first
  std::atomic<Stripe *> stripes_{nullptr};
  uint32_t in_use_ = 0;       // a bit for each stripe that takes uses
  uint64_t hits_before_ = 0;  // the last reset
  uint64_t misses_before_ = 0;
};

}  // namespace ct

#endif
