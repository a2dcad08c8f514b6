// SPDX-License-Identifier: MIT
// The counters of ct_stats that only loading changes. All shards of a cache share them, because a
// load takes so much longer than to count it. In a cache without statistics all of them stay 0.
#ifndef CT_LOAD_COUNTERS_HPP
#define CT_LOAD_COUNTERS_HPP

#include <cachetools.h>

#include <atomic>
#include <cstdint>

namespace ct {

class LoadCounters {
 public:
  explicit LoadCounters(bool keeps) noexcept : keeps_(keeps ? 1 : 0) {}
  LoadCounters(const LoadCounters &) = delete;
  LoadCounters &operator=(const LoadCounters &) = delete;

  bool keeps() const { return keeps_ != 0; }

  void load(uint64_t ticks) {
    add(loads_, 1);
    add(ticks_, ticks);
  }
  void failure() { add(failures_, 1); }
  void wait() { add(waits_, 1); }
  void shared_failure() { add(shared_failures_, 1); }
  void stale_served() { add(stale_served_, 1); }
  void renewal() { add(renewals_, 1); }
  void renewal_failure() { add(renewal_failures_, 1); }

  void add_to(ct_stats *stats) const {
    stats->loads += read(loads_);
    stats->load_ticks += read(ticks_);
    stats->load_failures += read(failures_);
    stats->waits += read(waits_);
    stats->shared_failures += read(shared_failures_);
    stats->stale_served += read(stale_served_);
    stats->renewals += read(renewals_);
    stats->renewal_failures += read(renewal_failures_);
  }
  void reset() {
    for (Count *count : {&loads_, &ticks_, &failures_, &waits_, &shared_failures_, &stale_served_,
                         &renewals_, &renewal_failures_}) {
      count->store(0, std::memory_order_relaxed);
    }
  }

 private:
  using Count = std::atomic<uint64_t>;

  void add(Count &count, uint64_t number) {
    count.fetch_add(keeps_ * number, std::memory_order_relaxed);
  }
  static uint64_t read(const Count &count) { return count.load(std::memory_order_relaxed); }

  const uint64_t keeps_;
  Count loads_{0}, ticks_{0}, failures_{0}, waits_{0}, shared_failures_{0}, stale_served_{0},
      renewals_{0}, renewal_failures_{0};
};

}  // namespace ct

#endif
