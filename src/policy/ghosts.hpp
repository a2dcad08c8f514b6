// SPDX-License-Identifier: MIT
// A ghost queue holds the keys that were evicted last, for policies that learn from keys that come
// back. It keeps 32 bits of a key's hash. So in a queue of n ghosts, a key that is not there is
// found by mistake once in 2^32 / n times.
//
// The queue has no links. As the authors of S3-FIFO propose (s3fifo.cpp), it is a hash table in
// which each ghost holds the time at which it came (ghost_ticks.hpp). The oldest ghosts leave as
// their time passes out of reach, without a search, and their slots are free. A ghost that comes
// back leaves its room to others.
//
// A bucket is a cache line of ten ghosts. A ghost may be in either of two buckets (Azar, Broder,
// Karlin, Upfal, "Balanced Allocations", 1999), and enters the less crowded one. A look-up or an
// addition causes two cache misses at once, and both lines can be prefetched. A ghost takes 7.5
// bytes. At that load a ghost hardly ever leaves early because both buckets are full.
//
// Up to kExact ghosts are an exact queue, except that a ghost leaves after kExactTicks arrivals at
// the latest: a tick is one arrival, and the table is half empty. In a larger queue several ghosts
// come in one tick, and leave together.
//
// A page of the table is made ready when its first ghost comes, and counts as held memory from then
// on. So a queue with room for many ghosts that has few is small.
//
// When a large queue changes its size, each call moves a few buckets to another table, from the
// lowest hashes on (incremental rehashing). The two buckets of a ghost lie in one block of the
// table, and how far that block has moved tells in which table the ghost is. What has moved goes
// back, so that both tables are held by as much as the larger one takes (table_edge.hpp). Both have
// one time, so a ghost that moves stays as old as it is.
//
// Ghosts are optional: without memory there are fewer of them.
#ifndef CT_POLICY_GHOSTS_HPP
#define CT_POLICY_GHOSTS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/cell.hpp"
#include "base/hash.hpp"
#include "base/memory.hpp"
#include "base/table_edge.hpp"
#include "policy/ghost_ticks.hpp"

namespace ct {

class Ghosts {
 public:
  // Bytes for each ghost, on average, as the table grows by steps.
  static constexpr size_t kBytesEach = 10;

  explicit Ghosts(Memory &memory) noexcept : memory_(memory), ticks_(memory) {}
  ~Ghosts() { clear(); }
  Ghosts(const Ghosts &) = delete;
  Ghosts &operator=(const Ghosts &) = delete;

  uint64_t size() const { return ticks_.ghosts(); }

  // Makes room for count ghosts, but not for four times as many or, if tight, for half as many
  // again. It is called before each add. Returns false if that is not done yet: there are more
  // ghosts, or there is no memory, or the queue is still changing its size.
  bool reserve(uint64_t count, bool tight) noexcept;
  // Goes on, by a few buckets, with a change of size. It is called for each key that comes, however
  // many ghosts are added for it.
  void go_on() noexcept {
    if (moving()) move_some(kBucketsAStep, kGhostsAStep);
  }
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
      for (uint32_t home : table->homes_of(hash_position(hash))) {
        __builtin_prefetch(&table->buckets[home], 1);
      }
    }
  }

#ifdef CT_VALIDATE
  // Returns nullptr, or the invariant that is broken.
  const char *problem() const;
  // Returns how many buckets have been moved since the previous call.
  uint64_t take_work() { return std::exchange(work_, 0); }
#else
  uint64_t take_work() { return 0; }
#endif

 private:
  using Tick = GhostTicks::Tick;

  static constexpr uint32_t kSlots = 10;
  static constexpr uint32_t kExactBuckets = 64;
  static constexpr uint32_t kPage = 64;  // buckets
  // Buckets. In far smaller blocks, some would be overcrowded. Of a larger block, more is held twice
  // while it moves, which counts where memory is the limit.
  static constexpr uint32_t kBlock = 1024;
  static constexpr uint64_t kMaxBuckets = UINT32_MAX / kSlots;
  static constexpr uint64_t kExact = kExactBuckets * kSlots / 2;
  static constexpr uint32_t kExactTicks = 512;
  // How many ticks a larger table has. As many ghosts as there is room for come within an eighth of
  // them, so that a queue that grows still reaches back to the ghosts that came when ticks were
  // shorter. If there is room for more than 8 million ghosts, these take more ticks, as a tick has
  // only so many arrivals. There are never more than 67 million.
  static constexpr uint32_t kTicks = 2048;
  // Ticks wrap around. Before they do, slots whose ghost has left are given the age kLongAgo: each
  // tick sweeps some buckets, and kTicksASweep ticks sweep all of them.
  static constexpr uint32_t kTicksASweep = 1u << 14;
  static_assert(GhostTicks::kLongAgo + kTicksASweep + kTicks < 1u << 16,
                "no slot is older than a round of ticks");
  // A step moves kGhostsAStep ghosts, but visits at most kBucketsAStep buckets if few are filled.
  // So the move ends before the next one is due, as each table has room for an eighth more.
  static constexpr uint32_t kGhostsAStep = 20;
  static constexpr uint32_t kBucketsAStep = 64;
  // A tight queue of no more buckets than this moves at once, in a few milliseconds at the most: it
  // belongs to so small a cache that two tables would take too large a part of the limit.
  static constexpr uint32_t kTightBuckets = 4096;
  // A tight queue that becomes smaller goes on for each ghost that comes, too: where entries have
  // become larger, many of them leave for each key.
  static constexpr uint32_t kGhostsAGhost = 4;
  static constexpr uint32_t kBucketsAGhost = 2;

  // Consists of cells, because the memory may have been a chunk that late readers still look at.
  struct alignas(64) Bucket {
    Cell<uint32_t> positions[kSlots];  // 32 bits of each hash; they lead to its two buckets
    Cell<Tick> came[kSlots];           // an age of kLongAgo, or any out of reach: the slot is free

    // Returns whether a slot has this position. The ghost may have left. Compilers do not make
    // vectors of the plain loop.
    bool may_hold(uint32_t position) const {
      typedef uint32_t Four [[gnu::vector_size(16)]];
      Four some[2];
      std::memcpy(some, positions, sizeof some);
      const auto found = (some[0] == position) | (some[1] == position);
      uint64_t halves[2];
      std::memcpy(halves, &found, sizeof halves);
      static_assert(kSlots == 10, "two are left");
      return (halves[0] | halves[1]) != 0 || positions[8] == position || positions[9] == position;
    }
  };
  static_assert(sizeof(Bucket) == 64, "one cache line");

  using Homes = std::array<uint32_t, 2>;

  struct Table {
    Bucket *buckets = nullptr;
    uint32_t count = 0;  // of buckets
    // Behind the buckets: a bit for each page that is ready. What is in others is undefined.
    Cell<uint64_t> *ready = nullptr;

    uint64_t capacity() const { return capacity_of(count); }
    uint32_t home_of(uint32_t position) const {
      return static_cast<uint32_t>((uint64_t{position} * count) >> 32);
    }
    // Returns the first bucket of the position's block.
    uint32_t block_of(uint32_t position) const { return home_of(position) / kBlock * kBlock; }
    Homes homes_of(uint32_t position) const {
      const uint32_t block = block_of(position);
      const uint64_t size = std::min(kBlock, count - block);
      const uint64_t other = uint64_t{position * 0x9E3779B9u} * size >> 32;
      return {home_of(position), static_cast<uint32_t>(block + other)};
    }
    bool is_ready(uint32_t bucket) const {
      const uint32_t page = bucket / kPage;
      return (ready[page / 64] >> (page % 64) & 1) != 0;
    }
    uint32_t next_ready(uint32_t bucket) const;
  };

  static bool is_exact(uint64_t buckets) { return buckets <= kExactBuckets; }
  static uint32_t ticks_of(uint64_t buckets) { return is_exact(buckets) ? kExactTicks : kTicks; }
  static uint64_t capacity_of(uint64_t buckets) {
    return is_exact(buckets) ? buckets * kSlots / 2 : buckets * kSlots * 17 / 20;
  }
  static uint64_t buckets_for(uint64_t count) {
    return count <= kExact ? count * 2 / kSlots + 1
                           : std::max<uint64_t>(count * 20 / (17 * kSlots), kExactBuckets) + 1;
  }
  // Returns how many arrivals make a tick.
  static uint32_t tick_length(uint64_t buckets) {
    if (is_exact(buckets)) return 1;
    return static_cast<uint32_t>(
        std::min<uint64_t>(capacity_of(buckets) / (kTicks / 8) + 1, GhostTicks::kMostArrivals));
  }
  static size_t bucket_bytes(uint64_t buckets) {
    return static_cast<size_t>(buckets) * sizeof(Bucket);
  }
  // Returns the bytes of the bits that tell which pages are ready, in whole lines.
  static size_t ready_bytes(uint64_t buckets) {
    constexpr uint64_t kBits = 8 * sizeof(Bucket);
    return bucket_bytes(buckets / (kBits * kPage) + 1);
  }
  static size_t bytes_of(uint64_t buckets) { return bucket_bytes(buckets) + ready_bytes(buckets); }

  bool moving() const { return old_.buckets != nullptr; }
  // The table in charge of a position is the new one once the position's block in the old table has
  // begun to move. Until all of the block has moved, some ghosts are still in the old table, too.
  bool is_in_new(uint32_t position) const { return !moving() || old_.block_of(position) < moved_; }
  bool may_be_in_old(uint32_t position) const {
    return moving() && old_.block_of(position) + kBlock > moved_;
  }

  Table allocate(uint64_t buckets) noexcept;
  void release(Table &table) noexcept;
  bool replace_table(uint64_t buckets, bool tight) noexcept;
  [[gnu::noinline, gnu::cold]] void move_some(uint32_t buckets, uint32_t ghosts);
  uint32_t move_bucket(Bucket &bucket);
  [[gnu::noinline, gnu::cold]] void make_ready(const Table &table, uint32_t bucket);
  bool erase(const Table &table, uint32_t position);
  [[gnu::noinline]] bool erase_from(Bucket &bucket, uint32_t position);
  void put(const Table &table, uint32_t position, Tick came);
  uint32_t crowd(const Bucket &bucket) const;
  uint32_t oldest(const Bucket &bucket) const;
  void sweep(const Table &table, uint32_t from);

  Memory &memory_;
  GhostTicks ticks_;  // of the ghosts in both tables
  uint32_t tick_length_ = 1;
  Table table_;
  Table old_;           // while the queue changes its size
  uint32_t moved_ = 0;  // buckets of old_ below this have moved
  TableEdge emptied_;   // of old_
#ifdef CT_VALIDATE
  uint64_t work_ = 0;
#endif
};

}  // namespace ct

#endif
