// SPDX-License-Identifier: MIT
// A ghost queue holds the keys that were evicted last, for policies that learn from keys that come
// back. It keeps 32 bits of a key's hash. So in a queue of n ghosts, a key that is not there is
// found by mistake once in 2^32 / n times.
//
// The queue has no links. As the authors of S3-FIFO propose (s3fifo.cpp), each ghost holds the time
// at which it came, counted in arrivals, and the queue holds the time since which ghosts are there.
// So the oldest ghosts leave without a search, and their slots are free. The queue also counts the
// ghosts of each tick, so that a ghost that comes back leaves its room to others.
//
// A bucket is a cache line of ten ghosts. A ghost may be in either of two buckets (Azar, Broder,
// Karlin, Upfal, "Balanced Allocations", 1999), and enters the less crowded one. A look-up or an
// addition causes two cache misses at once, and both lines can be prefetched. A ghost takes 7.5
// bytes. At that load a ghost hardly ever leaves early because both buckets are full.
//
// The queue reaches back a number of ticks. In a queue of up to kExact ghosts a tick is one
// arrival, and the table is half empty. So the queue is exact, except that a ghost leaves after
// kExactTicks arrivals at the latest. In a larger queue several ghosts come in one tick, and leave
// together.
//
// When the queue changes its size, each call moves a few buckets, so that no call pays for all.
// Until that is done a ghost may be in either table; both tables count by the ticks of the new one.
// If the limit is on memory, all buckets move at once, because both tables together take more
// memory than the weights of entries include.
//
// Ghosts are optional: without memory there are fewer of them.
#ifndef CT_POLICY_GHOSTS_HPP
#define CT_POLICY_GHOSTS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/hash.hpp"
#include "base/memory.hpp"

namespace ct {

class Ghosts {
 public:
  // Bytes for each ghost, on average, as the table grows by steps.
  static constexpr size_t kBytesEach = 10;

  explicit Ghosts(Memory &memory) noexcept : memory_(memory) {}
  ~Ghosts() { clear(); }
  Ghosts(const Ghosts &) = delete;
  Ghosts &operator=(const Ghosts &) = delete;

  uint64_t size() const { return size_; }

  // Makes room for count ghosts, but not for four times as many or, if tight, for half as many
  // again. It is called before each add. Returns false if that is not done yet: there are more
  // ghosts, or there is no memory, or the queue is still changing its size.
  bool reserve(uint64_t count, bool tight) noexcept;
  // Adds the key as the newest. If there is no room, the oldest leave.
  void add(uint64_t hash);
  // Removes the key. Returns false if the key was not there.
  bool remove(uint64_t hash);
  // Drops the oldest ghost, and those that came in the same tick.
  void drop_oldest();
  // Drops all ghosts, and gives the memory back.
  void clear() noexcept;

  // Prefetches what add and remove of that key will read.
  void prefetch(uint64_t hash) const {
    for (const Table *table : {&table_, &old_}) {
      if (table->buckets == nullptr) break;
      for (const Bucket *home : table->homes_of(hash_position(hash))) __builtin_prefetch(home, 1);
    }
  }

#ifdef CT_VALIDATE
  // Returns nullptr, or the invariant that is broken.
  const char *problem() const;
#endif

 private:
  using Tick = uint16_t;
  using Count = uint16_t;

  static constexpr uint32_t kSlots = 10;
  static constexpr uint64_t kMaxBuckets = UINT32_MAX / kSlots;
  static constexpr uint64_t kExactBuckets = 64;
  static constexpr uint64_t kExact = kExactBuckets * kSlots / 2;
  static constexpr uint32_t kExactTicks = 512;
  // How many ticks a larger table has. As many ghosts as there is room for come within a quarter of
  // them, at most.
  static constexpr uint32_t kTicks = 2048;
  // Limits the arrivals in a tick, so that 16 bits count its ghosts. If there is room for more than
  // 16 million ghosts, these take more than a quarter of the ticks. There are never more than 67
  // million.
  static constexpr uint32_t kMaxShift = 15;
  static constexpr Count kMostOfTick = UINT16_MAX;
  // Ticks have 16 bits and wrap around. Before they do, a ghost that has left is given the age
  // kLongAgo: each tick visits some buckets, and kTicksASweep ticks visit all of them.
  static constexpr Tick kLongAgo = 1u << 15;
  static constexpr uint64_t kTicksASweep = 1u << 14;
  static_assert(kLongAgo + kTicksASweep + kTicks < 1u << 16, "younger than a round of ticks");
  // A step moves kGhostsAStep ghosts, but visits at most kBucketsAStep buckets if few are filled.
  // So the move ends before the next one is due, if each table has room for an eighth more.
  static constexpr uint32_t kGhostsAStep = 12;
  static constexpr uint32_t kBucketsAStep = 64;

  struct alignas(64) Bucket {
    uint32_t positions[kSlots];  // 32 bits of each hash; they lead to its two buckets
    Tick came[kSlots];
  };
  static_assert(sizeof(Bucket) == 64, "one cache line");

  using Homes = std::array<Bucket *, 2>;

  // The buckets, and the time by which their ghosts are counted.
  struct Table {
    Bucket *buckets = nullptr;
    Count *of_tick = nullptr;  // behind the buckets: how many ghosts of each tick are there
    uint32_t count = 0;        // of buckets
    uint32_t ticks = 0;        // how many the table can reach back
    uint32_t shift = 0;        // 2^shift arrivals make a tick
    uint32_t fresh = 0;        // arrivals in this tick
    Tick now = kLongAgo;
    Tick ages = 0;  // in ticks; ghosts that are older have left

    uint64_t capacity() const { return capacity_of(count); }
    Bucket *home_of(uint32_t position) const {
      return &buckets[(uint64_t{position} * count) >> 32];
    }
    Homes homes_of(uint32_t position) const {
      return {home_of(position), home_of(position * 0x9E3779B9u)};
    }
    Tick age(Tick came) const { return static_cast<Tick>(now - came); }
    bool is_there(Tick came) const { return age(came) < ages; }
    Tick long_ago() const { return static_cast<Tick>(now - kLongAgo); }
    Count &counted(Tick tick) const { return of_tick[tick & (ticks - 1)]; }
    uint32_t crowd(const Bucket &bucket) const;
    uint32_t oldest(const Bucket &bucket) const;
    void sweep();
  };

  static bool is_exact(uint64_t buckets) { return buckets <= kExactBuckets; }
  static uint32_t ticks_of(uint64_t buckets) { return is_exact(buckets) ? kExactTicks : kTicks; }
  static uint64_t capacity_of(uint64_t buckets) {
    return is_exact(buckets) ? buckets * kSlots / 2 : buckets * kSlots * 17 / 20;
  }
  static uint64_t buckets_for(uint64_t count) {
    return count <= kExact ? count * 2 / kSlots + 1
                           : std::max(count * 20 / (17 * kSlots), kExactBuckets) + 1;
  }
  static size_t bytes_of(uint64_t buckets) {
    return static_cast<size_t>(buckets) * sizeof(Bucket) + ticks_of(buckets) * sizeof(Count);
  }

  bool moving() const { return old_.buckets != nullptr; }
  Table allocate(uint64_t buckets) noexcept;
  void release(Table &table) noexcept;
  bool replace_table(uint64_t buckets, bool at_once) noexcept;
  void recount();
  void move_some();
  bool translate(const Table &table, Tick *came) const;
  bool erase(const Table &table, uint32_t position);
  void begin_tick();
  void drop_tick();
  void put(uint32_t position, Tick came);
  void forget(Tick came);

  Memory &memory_;
  Table table_;
  Table old_;           // while the queue changes its size; its time stands still
  uint32_t moved_ = 0;  // buckets of old_ below this have moved
  Tick since_ = 0;      // the tick of table_ at which the move began
  uint64_t size_ = 0;   // ghosts in both tables
};

}  // namespace ct

#endif
