// SPDX-License-Identifier: MIT
// Counts hits and misses of reads that take no lock: exactly, and without a word that threads share.
//
// A thread counts in the stripe of its name. The first one there owns the stripe and adds without a
// locked instruction, which would hold up the look-ups behind it; others who meet there add by one.
#ifndef CT_READ_COUNTS_HPP
#define CT_READ_COUNTS_HPP

#include <atomic>
#include <cstdint>

#include "thread.hpp"

namespace ct {

class ReadCounts {
 public:
  void count(bool hit) { add(hit ? kHits : kMisses, 1); }
  void count(uint64_t hits, uint64_t misses) {
    if (hits != 0) add(kHits, hits);
    if (misses != 0) add(kMisses, misses);
  }

  uint64_t hits() const { return since_reset(kHits); }
  uint64_t misses() const { return since_reset(kMisses); }
  // From now on. Owners go on counting where they are.
  void reset() {
    before_[kHits].store(sum(kHits), std::memory_order_release);
    before_[kMisses].store(sum(kMisses), std::memory_order_release);
  }

 private:
  enum Kind { kHits, kMisses, kKinds };
  static constexpr uint32_t kStripes = 8;

  struct alignas(64) Stripe {
    std::atomic<Thread> owner{0};
    std::atomic<uint64_t> own[kKinds] = {};     // written by the owner only
    std::atomic<uint64_t> others[kKinds] = {};  // by anyone else
  };

  void add(Kind kind, uint64_t n) {
    const Thread self = this_thread();
    // Threads' names are addresses far apart, alike in their low bits.
    Stripe &stripe = stripes_[(self ^ self >> 12 ^ self >> 21) % kStripes];
    if (stripe.owner.load(std::memory_order_relaxed) == self) {
      const uint64_t count = stripe.own[kind].load(std::memory_order_relaxed);
      stripe.own[kind].store(count + n, std::memory_order_relaxed);
    } else {
      add_elsewhere(stripe, kind, n, self);
    }
  }
  [[gnu::noinline]] static void add_elsewhere(Stripe &stripe, Kind kind, uint64_t n, Thread self) {
    Thread nobody = 0;
    const bool owns = stripe.owner.compare_exchange_strong(nobody, self, std::memory_order_relaxed);
    (owns ? stripe.own : stripe.others)[kind].fetch_add(n, std::memory_order_relaxed);
  }
  // What a reset has seen is seen after it, too: the sum is not below the one before.
  uint64_t since_reset(Kind kind) const {
    const uint64_t before = before_[kind].load(std::memory_order_acquire);
    return sum(kind) - before;
  }
  uint64_t sum(Kind kind) const {
    uint64_t sum = 0;
    for (const Stripe &stripe : stripes_) {
      sum += stripe.own[kind].load(std::memory_order_relaxed);
      sum += stripe.others[kind].load(std::memory_order_relaxed);
    }
    return sum;
  }

  Stripe stripes_[kStripes];
  std::atomic<uint64_t> before_[kKinds] = {};
};

}  // namespace ct

#endif
