// SPDX-License-Identifier: MIT
// A queue of keys that were evicted, for policies that learn from those that come back. Of a key only
// 32 bits of its hash are kept, so that in n ghosts a key is found that is not there once in
// 2^32 / n times.
//
// Nothing is linked. A ghost knows when it came, counted in arrivals, as the authors of S3-FIFO
// propose (s3fifo.hpp), and the queue since when they count. So the oldest leave without being looked
// for, and their slots are free for others. How many of each time are there still is counted beside,
// so that those that come back leave their room to others.
//
// A bucket is a cache line of ten ghosts, and each ghost may be in either of two buckets (Azar,
// Broder, Karlin, Upfal, "Balanced Allocations", 1999): it goes to the less crowded one. To look one
// up, or to add one, takes two cache misses at once, which can be fetched ahead. At its load a ghost
// takes 7.5 bytes, and hardly ever has the oldest of both buckets to leave before its time.
//
// The queue reaches back some ticks; who came before leaves. Up to kExact ghosts a tick is one
// arrival, and the table is half empty, so that the queue is exact but for those that stay until
// kExactTicks came after them. Where there is room for more, several come in one tick, and leave
// together.
//
// A larger or smaller table takes over a few buckets at a time, so that no call pays for all. Until
// it has, a ghost may be in either; all of them count by the new one's ticks. Where memory is what is
// limited, it does at once, as both together are more than their entries are weighed for.
//
// Ghosts are optional: where there is no memory, there are fewer of them.
#ifndef CT_POLICY_GHOSTS_HPP
#define CT_POLICY_GHOSTS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "../hash.hpp"
#include "../memory.hpp"

namespace ct {

class Ghosts {
 public:
  // On average, as it grows by steps.
  static constexpr size_t kBytesEach = 10;

  explicit Ghosts(Memory &memory) noexcept : memory_(memory) {}
  ~Ghosts() { clear(); }
  Ghosts(const Ghosts &) = delete;
  Ghosts &operator=(const Ghosts &) = delete;

  uint64_t size() const { return size_; }

  // Goes on to a table with room for that many, and not much more; tight: nor half as much again.
  // Called before each add. False: there is no such room, as there are more, or no memory, or a table
  // of another size has not taken over yet.
  bool reserve(uint64_t count, bool tight) noexcept;
  // As the newest. Where there is no room, the oldest go for it.
  void add(uint64_t hash);
  // False: it was not there.
  bool remove(uint64_t hash);
  // And those that came with it, if there are any.
  void drop_oldest();
  // And gives the memory back.
  void clear() noexcept;

  // For who is about to add or remove it.
  void prefetch(uint64_t hash) const {
    for (const Table *table : {&table_, &old_}) {
      if (table->buckets == nullptr) break;
      for (const Bucket *home : table->homes_of(hash_position(hash))) __builtin_prefetch(home, 1);
    }
  }

#ifdef CT_VALIDATE
  // NULL, or the invariant that is broken.
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
  // Of a larger table; a quarter of them for as many as there is room for, or less.
  static constexpr uint32_t kTicks = 2048;
  // So that those of a tick can be counted. With room for more than 16 million it takes more than a
  // quarter, and there are never more than 67 million.
  static constexpr uint32_t kMaxShift = 15;
  static constexpr Count kMostOfTick = UINT16_MAX;
  // Who has left is made to look as old as kLongAgo, before its tick comes round again: in
  // kTicksASweep all buckets are visited, however few came in each of them.
  static constexpr Tick kLongAgo = 1u << 15;
  static constexpr uint64_t kTicksASweep = 1u << 14;
  static_assert(kLongAgo + kTicksASweep + kTicks < 1u << 16, "younger than a round of ticks");
  // A step is enough for the table to have taken over before the next one is due, if each has an
  // eighth more, and visits no more than so many buckets of one that is nearly empty.
  static constexpr uint32_t kGhostsAStep = 12;
  static constexpr uint32_t kBucketsAStep = 64;

  struct alignas(64) Bucket {
    uint32_t positions[kSlots];  // of their hashes: their homes, and all that is known of them
    Tick came[kSlots];
  };
  static_assert(sizeof(Bucket) == 64, "one cache line");

  using Homes = std::array<Bucket *, 2>;

  // And how it counts time.
  struct Table {
    Bucket *buckets = nullptr;
    Count *of_tick = nullptr;  // behind them: how many are there that came in it
    uint32_t count = 0;        // of buckets
    uint32_t ticks = 0;        // that it reaches back
    uint32_t shift = 0;        // 2^shift come in a tick
    uint32_t fresh = 0;        // arrivals in this tick
    Tick now = kLongAgo;
    Tick ages = 0;  // in ticks: who came before has left

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
  bool take(const Table &table, uint32_t position);
  void begin_tick();
  void drop_tick();
  void put(uint32_t position, Tick came);
  void forget(Tick came);

  Memory &memory_;
  Table table_;
  Table old_;           // while table_ takes over from it; its time stands still
  uint32_t moved_ = 0;  // buckets of old_ left of it have been
  Tick since_ = 0;      // when that began, by table_
  uint64_t size_ = 0;   // in both
};

}  // namespace ct

#endif
