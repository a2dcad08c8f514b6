// SPDX-License-Identifier: MIT
// The one limit on weight, for all shards: exact, and never exceeded.
//
// Weight is in one of three places: in entries, reserved by a call for what it is about to store, or
// free. What is free stands in one number, the pool. A lower limit makes a debt, which is paid by
// whatever is given back until it is gone. So
//   entries + reserved + pool = maxsize + debt.
//
// Who pays for the room of a store, in this order (Shard::make_room, Cache::with_room):
//   1. the pool;
//   2. an entry that is due, in whichever shard it is;
//   3. a shard with noticeably more entries than the store's own;
//   4. the store's own shard. At the limit, where weights are equal, that is every store, and nothing
//      that shards share is written.
// Why 3: keys are spread by their hash, so each shard of one large cache would hold about as many
// entries, whatever they weigh. Without it the room that a heavy victim leaves over goes to whoever
// stores next. Where weights differ each shard's share is then a random walk, and some starve.
//
// Who pays a debt: ct_resize, by victims of each shard in proportion to what it holds, some at a time.
// A store meanwhile makes its own room first, then pays with a few victims of its shard, if that has
// not done its share.
#ifndef CT_BUDGET_HPP
#define CT_BUDGET_HPP

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstdint>

#include "base/lock.hpp"

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

  // Takes that much out of the pool, or nothing.
  bool take_whole(uint64_t wanted) noexcept {
    uint64_t free = pool_.load(std::memory_order_relaxed);
    while (free >= wanted) {
      if (pool_.compare_exchange_weak(free, free - wanted, std::memory_order_relaxed)) return true;
    }
    return false;
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

  // One call at a time. After it the debt may have to be paid by evictions.
  void set_maxsize(uint64_t maxsize) noexcept {
    Guard guard(limit_);
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

 private:
  friend class GatheringTurn;

  std::atomic<uint64_t> maxsize_;
  std::atomic<uint64_t> debt_{0};
  std::atomic<uint64_t> pool_;
  std::atomic<uint32_t> changes_{0};  // of the limit, begun and ended: odd within one
  Lock limit_;                        // one such change at a time
  Lock gathering_;
};

// The turn of the one call at a time that takes room from more than one shard: two that each hold half of
// what they need would wait for each other. In a cache of one thread it is always one's own.
class GatheringTurn {
 public:
  GatheringTurn(Budget &budget, bool shared) noexcept : lock_(budget.gathering_), shared_(shared) {}
  ~GatheringTurn() { give_back(); }
  GatheringTurn(const GatheringTurn &) = delete;
  GatheringTurn &operator=(const GatheringTurn &) = delete;

  bool is_own() const { return held_ || !shared_; }
  // Unchecked, both: whether it is held is known at run time only.
  void wait() noexcept CT_UNCHECKED {
    lock_.lock();
    held_ = true;
  }
  void give_back() noexcept CT_UNCHECKED {
    if (held_) lock_.unlock();
    held_ = false;
  }

 private:
  Lock &lock_;
  const bool shared_;
  bool held_ = false;
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
  // The same, taking nothing if that is not enough: not even for a moment, in which others would
  // evict for what is there.
  bool cover_whole(uint64_t weight) noexcept {
    if (held_ < weight) {
      if (!budget_.take_whole(weight - held_)) return false;
      held_ = weight;
    }
    return true;
  }
  // Keeps the weight of an entry that left. What is owed is paid by what is left over.
  void keep(uint64_t weight) noexcept { held_ += weight; }
  uint64_t held() const noexcept { return held_; }
  // That much of it is in an entry now.
  void spend(uint64_t weight) noexcept {
    assert(weight <= held_);
    held_ -= weight;
  }
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
