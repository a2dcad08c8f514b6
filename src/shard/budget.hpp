// SPDX-License-Identifier: MIT
// The budget: one limit on weight for all shards. It is exact, and exceeded only while a
// debt is paid.
//
// Weight is in one of three places: in entries and negatives, reserved by a call for what it is
// about to store, or free. One number, the pool, is the free weight. Lowering the limit makes a debt.
// Whatever weight is given back pays the debt first, until it is gone. So
//   entries + negatives + reserved + pool = maxsize + debt.
//
// The room for a store is paid for, in this order (ShardStore::make_room, Cache::make_room):
//   1. by the pool;
//   2. by an entry that is due, in any shard;
//   3. by another shard: once the store's own shard has evicted in vain, by one that has more
//      entries; before, if the pool has paid a part, by one that has noticeably more;
//   4. now and then, if the store's own shard has not evicted for it, by another shard whose stores
//      ask for room less than half as often, for each of its entries;
//   5. by the store's own shard. At the limit, if all weights are equal, nearly every store comes
//      to this, and writes nothing that shards share.
// The reason for rule 3: keys are spread by hash. In one large cache, the keys that fall to each
// shard would therefore number about the same, whatever they weigh. Without the rule, the room that
// a heavy victim leaves over goes to the next store, in whichever shard that is. If weights differ,
// the share of each shard is then a random walk, and some shards starve.
//
// The room for a heavy entry has to come from all shards evenly. When only shards with noticeably
// more entries paid, too many heavy entries stayed: in 16 shards of about 500 entries, of which a
// few weighed a quarter of an even part, MRU lost 5 points of hit ratio, and SIEVE 1.5. A store
// that the pool has paid in part mostly needs one victim more. It bears differences, because equal
// weights that do not divide the limit leave such a part in the pool all the time.
//
// The reason for rule 4: the keys that are in use number about the same in all shards, but not
// quite. Of a working set that takes 95 % of 16 shards of 500 entries, some shards have more keys
// than their share has room for. In one large cache, entries make room in the order of their last
// uses, whatever shard they would be in. So here shards give entries to each other until all turn
// over about equally fast (Share::compare). A shard counts the stores that ask for room. Each time
// that a quarter of its entries could have been replaced, it compares the number with what another
// shard has counted meanwhile. If that one, for its size, has counted less than half as many, it
// gives some entries, one to each of the next stores. Half is so far from even that chance does not
// come to it: while requests are alike for all shards, nothing moves. Rule 3 leaves to a shard what
// it was given.
//
// A debt is paid by ct_resize: it evicts from each shard in proportion to what the shard holds,
// some entries at a time. A store that runs meanwhile makes its own room first. Then it pays with a
// few victims of its shard, if the shard has not done its part yet.
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

  // Returns the weight of entries and reservations. While a lower limit is being reached, it
  // returns at most that limit.
  uint64_t in_use() const {
    for (;;) {
      const uint32_t before = changes_.load(std::memory_order_acquire);
      const uint64_t limit = maxsize_.load(std::memory_order_acquire);
      const uint64_t free = pool_.load(std::memory_order_acquire);
      const uint64_t owed = debt_.load(std::memory_order_acquire);
      // The three values belong together if the limit was not changed meanwhile. A reader that sees
      // a part of a change also sees that the change has begun: each part is stored with release
      // after that, and loaded here with acquire.
      if (before % 2 != 0 || changes_.load(std::memory_order_relaxed) != before) continue;
      return std::min(limit, limit - free + owed);
    }
  }

  // Returns whether nothing is free, and nothing is owed.
  bool is_used_up() const { return (pool_.load(std::memory_order_relaxed) | debt()) == 0; }

  // Takes `wanted` out of the pool. Returns false, and takes nothing, if the pool holds less.
  bool take_whole(uint64_t wanted) noexcept {
    uint64_t free = pool_.load(std::memory_order_relaxed);
    while (free >= wanted) {
      if (pool_.compare_exchange_weak(free, free - wanted, std::memory_order_relaxed)) return true;
    }
    return false;
  }

  // Takes at most `wanted` out of the pool. Returns how much it took.
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

  // Pays as much of the debt as `weight` covers. Returns how much it paid.
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

  // One call at a time changes the limit. Afterwards evictions may have to pay a debt.
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
  std::atomic<uint32_t> changes_{0};  // limit changes begun plus ended: odd during a change
  Lock limit_;                        // held while the limit is changed
  Lock gathering_;
};

// The turn to collect room from several shards. One call at a time has it: two calls that each hold
// half of the room that they need would wait for each other. In a cache of one thread, a call
// always has the turn.
class GatheringTurn {
 public:
  GatheringTurn(Budget &budget, bool shared) noexcept : lock_(budget.gathering_), shared_(shared) {}
  ~GatheringTurn() { give_back(); }
  GatheringTurn(const GatheringTurn &) = delete;
  GatheringTurn &operator=(const GatheringTurn &) = delete;

  bool is_own() const { return held_ || !shared_; }
  // Unchecked: only at run time is it known whether the lock is held.
  void wait() noexcept CT_UNCHECKED {
    lock_.lock();
    held_ = true;
  }
  // Unchecked, as wait is.
  void give_back() noexcept CT_UNCHECKED {
    if (held_) lock_.unlock();
    held_ = false;
  }

 private:
  Lock &lock_;
  const bool shared_;
  bool held_ = false;
};

// The room that a call has reserved. The destructor gives back what is left of it.
class Reservation {
 public:
  explicit Reservation(Budget &budget) noexcept : budget_(budget) {}
  ~Reservation() { give_back(); }
  Reservation(const Reservation &) = delete;
  Reservation &operator=(const Reservation &) = delete;

  // Tries to hold `weight`, taking what is missing from the pool. Returns whether it holds that
  // much.
  bool cover(uint64_t weight) noexcept {
    if (held_ < weight) held_ += budget_.take(weight - held_);
    return held_ >= weight;
  }
  // The same, but takes nothing if the pool has too little. It does not take a part even for a
  // moment, since other calls would then evict to make up for it.
  bool cover_whole(uint64_t weight) noexcept {
    if (held_ < weight) {
      if (!budget_.take_whole(weight - held_)) return false;
      held_ = weight;
    }
    return true;
  }
  // Keeps the weight of an entry that left. What is left over in the end goes back, and pays a
  // debt.
  void keep(uint64_t weight) noexcept { held_ += weight; }
  uint64_t held() const noexcept { return held_; }
  // An entry has taken over `weight` of the reservation.
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
