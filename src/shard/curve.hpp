// SPDX-License-Identifier: MIT
// The live miss-ratio curve: what a cache would miss at other sizes. Caches of those sizes in
// miniature run beside it, under the same policy (miniature simulation: Waldspurger, Saemundsson,
// Ahmad, Park, "Cache Modeling and Optimization using Miniature Simulations", ATC 2017).
//
// A miniature of a rate of 1/16 takes the keys whose hash is in the lowest sixteenth, and has a
// sixteenth of the size that it stands for (spatial sampling: Waldspurger, Park, Garthwaite, Ahmad,
// "Efficient MRC Construction with SHARDS", FAST 2015). It keeps the hashes instead of the keys, and
// no values. Once it has too many entries, it takes only half of the keys from then on.
//
// A few hot keys that are in the sample by chance, or not, would spoil a plain estimate. But what
// happened to all requests is known: A of them missed. So the curve counts apart, among the keys of
// each miniature, what missed in the cache and what hit:
//
//   misses at that size = A * (misses of both / misses of the cache) + hits that missed there / rate
//
// This is post-stratification. The first term counts for larger sizes and is a ratio, in which the
// hot keys cancel; the second counts for smaller sizes, where the hot keys do not miss.
//
// A miniature is told what the cache is told: uses, stores, removals, lifetimes. A store after a
// miss belongs to that miss. If a miniature has the key already, a cache of its size would have hit,
// and its caller would not have stored. So the curve remembers for a while which keys have missed.
//
// Shards tell it under their locks, or with none. Its own lock is the innermost. Where several
// threads hit at once, some hits are not told, whatever their keys, and the rest counts for them.
#ifndef CT_CURVE_HPP
#define CT_CURVE_HPP

#include <cachetools.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/annotations.hpp"
#include "base/clock.hpp"
#include "base/memory.hpp"
#include "shard/shard_lock.hpp"

namespace ct {

class Cache;

// Defined in cache/curve.cpp, as its miniatures are caches.
class Curve {
 public:
  // Returns nullptr if there is no memory. All arguments live longer than the curve.
  [[gnu::cold]] static Curve *make(Memory &memory, const ct_options &options,
                                   const Clock &clock) noexcept;
  [[gnu::cold]] void free(Memory &memory) noexcept;

  // ---- For shards ---------------------------------------------------------------------------

  // Returns whether a miniature takes the key. Its entry is then marked (kSampled).
  bool samples(uint64_t hash) const { return hash < below_.load(std::memory_order_relaxed); }
  // Whether a read that hits is a use. That of a compute is none.
  enum Looks : uint8_t { kUses, kPeeks };
  // The key hit, missed, or was stored or removed. Those that no miniature takes are passed over.
  // deadline: until when the entry can be read.
  [[gnu::cold]] void hit(uint64_t hash, uint64_t weight, uint64_t deadline,
                         Looks how = kUses) noexcept;
  [[gnu::cold]] void miss(uint64_t hash, Looks how = kUses) noexcept;
  [[gnu::cold]] void store(uint64_t hash, uint64_t weight, uint64_t deadline) noexcept;
  [[gnu::cold]] void remove(uint64_t hash) noexcept;
  // The key's entry has another deadline.
  [[gnu::cold]] void extend(uint64_t hash, uint64_t deadline) noexcept;

  // ---- For the cache ------------------------------------------------------------------------

  struct Totals {
    uint64_t hits, misses;
  };
  // All entries of the cache have left.
  [[gnu::cold]] void clear() noexcept;
  // The limit of the cache is another one. Returns whether keys are sampled from now on that were not
  // before: then `store` is to be told of all entries.
  [[gnu::cold]] bool resize(uint64_t maxsize) noexcept;
  // Counts anew. so_far: what the cache has counted until now.
  [[gnu::cold]] void restart(const Totals &so_far) noexcept;
  // Returns the miss ratio at a multiple of the size; NaN if it is not known.
  [[gnu::cold]] double miss_ratio(double scale, const Totals &counted) noexcept;
  [[gnu::cold]] uint64_t held() noexcept;

 private:
  // In logarithms to base 2. A rate of a sixteenth at most: more would cost small caches too much.
  static constexpr uint32_t kLeastThinned = 4;
  static constexpr uint32_t kMostThinned = 60;

  struct Miniature {
    Cache *cache = nullptr;            // of hashes
    double scale = 1;                  // of the size that it stands for
    uint32_t thinned = kLeastThinned;  // its rate is 1 in 2^thinned
    // These count each request of its keys as as many as the rate says.
    uint64_t misses = 0;  // of the cache
    uint64_t both = 0;    // of the cache and the miniature
    uint64_t extra = 0;   // of the miniature alone

    bool takes(uint64_t hash) const { return hash >> (64 - thinned) == 0; }
    [[gnu::cold]] uint64_t size(uint64_t maxsize) const;
    [[gnu::noinline]] bool look(uint64_t hash, Looks how) noexcept;
    [[gnu::cold]] void put(uint64_t hash, uint64_t weight, uint64_t deadline) noexcept;
    [[gnu::cold]] void thin(uint64_t maxsize) noexcept;
  };
  static constexpr double kScales[] = {0.5, 2, 4};
  static constexpr size_t kMiniatures = sizeof kScales / sizeof kScales[0];
  static constexpr size_t kMissed = 64;

  [[gnu::cold]] Curve(const ct_options &options, const Clock &clock) noexcept;
  ~Curve() = default;
  Curve(const Curve &) = delete;
  Curve &operator=(const Curve &) = delete;

  static uint64_t read_clock(void *curve) { return static_cast<Curve *>(curve)->clock_.read(); }
  [[gnu::cold]] bool make_miniatures(const ct_options &options) noexcept;
  [[gnu::cold]] void insert(Miniature &mini, uint64_t hash, uint64_t weight,
                            uint64_t deadline) noexcept CT_REQUIRES(lock_);
  void show_rate() noexcept CT_REQUIRES(lock_);
  uint64_t &missed(uint64_t hash) CT_REQUIRES(lock_) { return missed_[hash % kMissed]; }
  [[gnu::cold]] double ratio_of(const Miniature &mini, const Totals &since) const
      CT_REQUIRES(lock_);

  const Clock &clock_;
  std::atomic<uint64_t> below_;    // hashes below it are sampled
  std::atomic<uint64_t> lost_{0};  // hits that were not told
  ShardLock lock_;
  const uint64_t most_;  // entries that a miniature may have
  uint64_t maxsize_ CT_GUARDED_BY(lock_);
  uint64_t told_ CT_GUARDED_BY(lock_) = 0;  // hits
  Totals before_ CT_GUARDED_BY(lock_) = {0, 0};
  std::array<Miniature, kMiniatures> miniatures_ CT_GUARDED_BY(lock_);
  std::array<uint64_t, kMissed> missed_ CT_GUARDED_BY(lock_) = {};  // hashes, until their stores
};

}  // namespace ct

#endif
