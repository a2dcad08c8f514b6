// SPDX-License-Identifier: MIT
// The counters of ct_stats that a shard keeps under its lock. In a cache without statistics all of
// them stay 0.
#ifndef CT_COUNTERS_HPP
#define CT_COUNTERS_HPP

#include <cachetools.h>

#include <cstdint>

#include "base/probes.hpp"

namespace ct {

class Counters : public Probes {
 public:
  // cache: for the probes.
  Counters(bool keeps, const void *cache) noexcept : Probes(cache), keeps_(keeps ? 1 : 0) {}

  bool keeps() const { return keeps_ != 0; }

  void hit() {
    probe_hit();
    add(all_.hits);
  }
  void miss() {
    probe_miss();
    add(all_.misses);
  }
  void insert() { add(all_.inserts); }
  void update() { add(all_.updates); }
  void reject() { add(all_.rejections); }
  // The same where the probe was passed already.
  void read(bool is_hit) { add(is_hit ? all_.hits : all_.misses); }
  // Counts an entry that has left.
  void departure(ct_cause cause, uint64_t weight) {
    if (cause == CT_CAUSE_EVICTED) {
      probe_eviction(weight);
      add(all_.evictions);
      if (keeps()) all_.evicted_weight += weight;
    } else if (cause == CT_CAUSE_EXPIRED) {
      add(all_.expirations);
    } else if (cause == CT_CAUSE_REPLACED) {
      add(all_.updates);
    } else {
      add(all_.removals);
    }
  }
  // Counts entries that ct_clear has dropped all at once.
  void cleared(uint64_t count) {
    if (keeps()) all_.removals += count;
  }

  void add_to(ct_stats *stats) const {
    stats->hits += all_.hits;
    stats->misses += all_.misses;
    stats->inserts += all_.inserts;
    stats->updates += all_.updates;
    stats->evictions += all_.evictions;
    stats->evicted_weight += all_.evicted_weight;
    stats->expirations += all_.expirations;
    stats->removals += all_.removals;
    stats->rejections += all_.rejections;
  }
  // Counts from 0 again. What the read log has counted stays there, as only readers may write it.
  // So as much is taken off here; the sum is right, since unsigned numbers wrap around.
  void reset(uint64_t hits_in_log, uint64_t misses_in_log) {
    all_ = {};
    all_.hits -= hits_in_log;
    all_.misses -= misses_in_log;
  }

 private:
  struct All {
    uint64_t hits, misses, inserts, updates, evictions, evicted_weight, expirations, removals,
        rejections;
  };

  // Adds 0 or 1, so that no branch is needed.
  void add(uint64_t &count) { count += keeps_; }

  const uint8_t keeps_;
  All all_ = {};
};

}  // namespace ct

#endif
