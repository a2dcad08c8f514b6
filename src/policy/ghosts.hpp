// SPDX-License-Identifier: MIT
// Keys that were evicted, for policies that learn from those that come back. Of a key only 32 bits
// of its hash are kept, so that in n ghosts a key is found that is not there once in 2^32 / n times.
//
// There are two queues, each in the order of arrival, and one table over both. A bucket is a cache
// line of five ghosts with their links; from a full home a ghost moves on to the next bucket, and
// each bucket counts those that passed over it, as in the index. Ghosts come and go all the time, so
// a gap is filled by one that passed over it: else searches would become ever longer. Links are
// numbers of slots. At its load a ghost takes 15 bytes.
//
// Ghosts are optional: where there is no memory, there are fewer of them.
#ifndef CT_POLICY_GHOSTS_HPP
#define CT_POLICY_GHOSTS_HPP

#include <cstdint>

#include "../hash.hpp"
#include "../memory.hpp"

namespace ct {

class Ghosts {
 public:
  static constexpr uint32_t kQueues = 2;
  static constexpr uint32_t kNowhere = kQueues;
  static constexpr size_t kBytesEach = 16;

  explicit Ghosts(Memory &memory) noexcept : memory_(memory) {}
  ~Ghosts() { clear(); }
  Ghosts(const Ghosts &) = delete;
  Ghosts &operator=(const Ghosts &) = delete;

  uint64_t size(uint32_t queue = 0) const { return queues_[queue].size; }

  // Room for that many in all, and not much more; tight: nor half as much again. False: there are
  // more, or no memory; all is as before.
  bool reserve(uint64_t count, bool tight) noexcept;
  // As the newest. Where there is no room, the oldest of that queue goes for it, else of the other.
  void add(uint64_t hash, uint32_t queue = 0);
  // The queue that it was in, or kNowhere.
  uint32_t remove(uint64_t hash);
  // If there is one.
  void drop_oldest(uint32_t queue = 0);
  // And gives the memory back.
  void clear() noexcept;

#ifdef CT_VALIDATE
  // NULL, or the invariant that is broken.
  const char *problem() const;
#endif

 private:
  static constexpr uint32_t kSlots = 5;
  static constexpr uint32_t kNoSlot = UINT32_MAX;
  static constexpr uint32_t kMaxBuckets = kNoSlot / kSlots;
  static constexpr uint16_t kManyPassed = UINT16_MAX;

  struct Ghost {
    uint32_t position;  // of its hash: its home, and all that is known of it
    uint32_t older;
    uint32_t newer;
  };
  struct alignas(64) Bucket {
    Ghost ghosts[kSlots];
    uint16_t passed;  // how many went on to later buckets; kManyPassed: that many or more, for ever
    uint8_t used;     // a bit for each slot
    uint8_t second;   // likewise: in queue 1
  };
  static_assert(sizeof(Bucket) == 64, "one cache line");

  struct Queue {
    uint32_t oldest = kNoSlot;
    uint32_t newest = kNoSlot;
    uint32_t size = 0;
  };

  // Beyond 85 % a search that finds nothing takes more than two cache lines.
  static uint64_t capacity_of(uint64_t buckets) { return buckets * kSlots * 17 / 20; }
  uint64_t capacity() const { return capacity_of(count_); }
  uint64_t total() const { return uint64_t{queues_[0].size} + queues_[1].size; }

  uint32_t home_of(uint32_t position) const {
    return static_cast<uint32_t>((uint64_t{position} * count_) >> 32);
  }
  uint32_t next(uint32_t bucket) const { return bucket + 1 == count_ ? 0 : bucket + 1; }
  uint32_t distance(uint32_t from, uint32_t to) const {
    return to >= from ? to - from : to + count_ - from;
  }
  Ghost &at(uint32_t slot) const { return buckets_[slot / kSlots].ghosts[slot % kSlots]; }
  uint32_t queue_of(uint32_t slot) const {
    return buckets_[slot / kSlots].second >> slot % kSlots & 1;
  }
  uint32_t locate(uint32_t position) const;
  void put(uint32_t position, uint32_t queue);
  void take(uint32_t slot);
  void pass_no_more(uint32_t from, uint32_t to);
  void occupy(uint32_t slot, uint32_t queue);
  void vacate(uint32_t slot);
  void fill_gap(uint32_t slot);
  void move(uint32_t from, uint32_t to);

  Memory &memory_;
  Bucket *buckets_ = nullptr;
  uint32_t count_ = 0;  // of buckets
  Queue queues_[kQueues];
};

}  // namespace ct

#endif
