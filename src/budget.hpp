// SPDX-License-Identifier: MIT
// The one limit on weight, for all shards: exact, and never exceeded.
//
// Weight is in one of three places: in entries, reserved by a call for what it is about to store, or
// free. What is free stands in one number, the pool. Whoever stores takes from the pool first and
// evicts for the rest: at the limit each store is paid for by its own victims, and nothing that the
// shards share is written.
//
// A lower limit makes a debt, which is paid by whatever is given back until it is gone. So
//   entries + reserved + pool = maxsize + debt.
#ifndef CT_BUDGET_HPP
#define CT_BUDGET_HPP

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "lock.hpp"

namespace ct {

class Budget {
 public:
  explicit Budget(uint64_t maxsize) noexcept : maxsize_(maxsize), pool_(maxsize) {}

  uint64_t maxsize() const { return maxsize_.load(std::memory_order_relaxed); }
  uint64_t debt() const { return debt_.load(std::memory_order_relaxed); }

  // Entries and reservations; while a lower limit is being reached, at most that.
  uint64_t in_use() const {
    for (;;) {
      const uint32_t before = changes_.load(std::memory_order_acquire);
      const uint64_t limit = maxsize_.load(std::memory_order_acquire);
      const uint64_t free = pool_.load(std::memory_order_acquire);
      const uint64_t owed = debt_.load(std::memory_order_acquire);
      // They are of one moment if the limit was not being changed: whoever sees a part of a change
      // sees that it has begun, as each part is released after that and acquired here.
      if (before % 2 != 0 || changes_.load(std::memory_order_relaxed) != before) continue;
      return std::min(limit, limit - free + owed);
    }
  }

  // Takes at most that much out of the pool; answers how much it was.
  uint64_t take(uint64_t wanted) noexcept {
    uint64_t free = pool_.load(std::memory_order_relaxed);
    for (;;) {
      const uint64_t taken = std::min(free, wanted);
      if (taken == 0) return 0;
      if (pool_.compare_exchange_weak(free, free - taken, std::memory_order_relaxed)) return taken;
    }
  }

  void give(uint64_t weight) noexcept {
    weight -= pay(weight);
    if (weight != 0) pool_.fetch_add(weight, std::memory_order_release);
  }

  // Pays as much of the debt as the weight is worth; answers how much that was.
  uint64_t pay(uint64_t weight) noexcept {
    uint64_t owed = debt_.load(std::memory_order_relaxed);
    for (;;) {
      const uint64_t paid = std::min(owed, weight);
      if (paid == 0) return 0;
      if (debt_.compare_exchange_weak(owed, owed - paid, std::memory_order_release,
                                      std::memory_order_relaxed)) {
        return paid;
      }
    }
  }

  // Under gathering(). After it the debt may have to be paid by evictions.
  void set_maxsize(uint64_t maxsize) noexcept {
    const uint64_t before = this->maxsize();
    changes_.fetch_add(1, std::memory_order_relaxed);
    if (maxsize >= before) {
      give(maxsize - before);
    } else {
      debt_.fetch_add(before - maxsize, std::memory_order_release);
    }
    maxsize_.store(maxsize, std::memory_order_release);
    changes_.fetch_add(1, std::memory_order_release);
  }

  // Held by the one call at a time that takes room from more than one shard: two that each hold
  // half of what they need would wait for each other.
  Lock &gathering() { return gathering_; }

 private:
  std::atomic<uint64_t> maxsize_;
  std::atomic<uint64_t> debt_{0};
  std::atomic<uint64_t> pool_;
  std::atomic<uint32_t> changes_{0};  // of the limit, begun and ended: odd within one
  Lock gathering_;
};

// What a call has reserved. It gives back what is left when it ends.
class Reservation {
 public:
  explicit Reservation(Budget &budget) noexcept : budget_(budget) {}
  ~Reservation() { give_back(); }
  Reservation(const Reservation &) = delete;
  Reservation &operator=(const Reservation &) = delete;

  // Tries to hold that much, by the pool.
  bool cover(uint64_t weight) noexcept {
    if (held_ < weight) held_ += budget_.take(weight - held_);
    return held_ >= weight;
  }
  // The same, taking nothing if that is not enough.
  bool cover_whole(uint64_t weight) noexcept {
    const uint64_t before = held_;
    if (cover(weight)) return true;
    budget_.give(held_ - before);
    held_ = before;
    return false;
  }
  // Keeps the weight of an entry that left, but for what is owed.
  void keep(uint64_t weight) noexcept { held_ += weight - budget_.pay(weight); }
  // That much of it is in an entry now.
  void spend(uint64_t weight) noexcept { held_ -= weight; }
  void give_back() noexcept {
    if (held_ != 0) budget_.give(held_);
    held_ = 0;
  }

 private:
  Budget &budget_;
  uint64_t held_ = 0;
};

}  // namespace ct

#endif
