// SPDX-License-Identifier: MIT
// The counters of ct_stats that only loading changes. All shards of a cache share them, because a
// load takes so much longer than to count it. In a cache without statistics all of them stay 0. They
// are made for the first load, as most caches load nothing.
//
// How long a load took is measured by the monotonic clock: steps of the coarse clock are longer
// than most loads. A cache with a timer of its own also counts that timer's ticks.
#ifndef CT_LOAD_COUNTERS_HPP
#define CT_LOAD_COUNTERS_HPP

#include <cachetools.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>

#include "base/clock.hpp"
#include "base/memory.hpp"

namespace ct {

// A histogram of durations. Bucket i is for those of at most 4^i microseconds that are in no bucket
// before it, and the last bucket for all that are longer.
struct LoadBuckets {
  static constexpr uint32_t kCount = sizeof(ct_stats::load_buckets) / sizeof(uint64_t);

  static uint32_t of(uint64_t ns) {
    const uint64_t whole_us = ns == 0 ? 0 : (ns - 1) / 1000;
    const uint32_t bits = whole_us == 0 ? 0 : 64 - static_cast<uint32_t>(__builtin_clzll(whole_us));
    return std::min((bits + 1) / 2, kCount - 1);
  }
  // The longest duration of a bucket but the last.
  static constexpr uint64_t limit_us(uint32_t bucket) { return uint64_t{1} << (2 * bucket); }
};

class LoadCounters {
 public:
  // When a load began.
  struct Start {
    uint64_t ticks = 0;  // of the timer, if it is the caller's
    uint64_t ns = 0;
  };

  LoadCounters(Memory &memory, const ct_options &options, bool has_own_timer) noexcept
      : memory_(memory),
        keeps_((options.flags & CT_FLAG_NO_STATS) == 0),
        prices_((options.flags & CT_FLAG_COST_BY_TIME) != 0),
        has_own_timer_(has_own_timer) {}
  ~LoadCounters() { memory_.release(all(), sizeof(All), alignof(All)); }
  LoadCounters(const LoadCounters &) = delete;
  LoadCounters &operator=(const LoadCounters &) = delete;

  bool keeps() const { return keeps_; }

  // Must be called before a load begins. Returns false if there is no memory.
  bool prepare() { return !keeps_ || all() != nullptr || make(); }

  Start start(Now &now) const {
    if (!keeps_ && !prices_) return {};
    return {has_own_timer_ ? now() : 0, Clock::read_monotonic()};
  }
  void load(const Start &start, Now &now) {
    if (!keeps_) return;
    const uint64_t ns = elapsed(start.ns, Clock::read_monotonic());
    all()->buckets[LoadBuckets::of(ns)].fetch_add(1, std::memory_order_relaxed);
    all()->ns.fetch_add(ns, std::memory_order_relaxed);
    if (!has_own_timer_) return;
    all()->ticks.fetch_add(elapsed(start.ticks, now()), std::memory_order_relaxed);
  }
  // Returns what the time of a load that ends now costs, if it is the time that counts, or else 1.
  uint64_t cost(const Start &start, Now &now) const {
    if (!prices_) return 1;
    const uint64_t time = has_own_timer_ ? elapsed(start.ticks, now())
                                         : elapsed(start.ns, Clock::read_monotonic());
    return std::max<uint64_t>(1, time);
  }
  void failure() { count(&All::failures); }
  void wait() { count(&All::waits); }
  void shared_failure() { count(&All::shared_failures); }
  // Needs no prepare().
  void stale_served() {
    if (keeps_) stale_served_.fetch_add(1, std::memory_order_relaxed);
  }
  void renewal() { count(&All::renewals); }
  void renewal_failure() { count(&All::renewal_failures); }

  void add_to(ct_stats *stats) const {
    stats->stale_served += stale_served_;
    const All *counts = all();
    if (counts == nullptr) return;
    for (uint32_t i = 0; i < LoadBuckets::kCount; i++) {
      const uint64_t loads = counts->buckets[i].load(std::memory_order_relaxed);
      stats->load_buckets[i] += loads;
      stats->loads += loads;
    }
    stats->load_ticks += has_own_timer_ ? counts->ticks : counts->ns;
    stats->load_failures += counts->failures;
    stats->waits += counts->waits;
    stats->shared_failures += counts->shared_failures;
    stats->renewals += counts->renewals;
    stats->renewal_failures += counts->renewal_failures;
  }
  // How long all loads took together, in nanoseconds.
  uint64_t total_ns() const {
    const All *counts = all();
    return counts == nullptr ? 0 : counts->ns.load();
  }
  void reset() {
    stale_served_.store(0, std::memory_order_relaxed);
    All *counts = all();
    if (counts == nullptr) return;
    for (Count &bucket : counts->buckets) bucket.store(0, std::memory_order_relaxed);
    for (Count *count : {&counts->ns, &counts->ticks, &counts->failures, &counts->waits,
                         &counts->shared_failures, &counts->renewals, &counts->renewal_failures}) {
      count->store(0, std::memory_order_relaxed);
    }
  }

 private:
  using Count = std::atomic<uint64_t>;
  struct All {
    Count buckets[LoadBuckets::kCount];
    Count ns, ticks, failures, waits, shared_failures, renewals, renewal_failures;
  };

  static uint64_t elapsed(uint64_t from, uint64_t to) { return to > from ? to - from : 0; }
  All *all() const { return all_.load(std::memory_order_acquire); }
  void count(Count All::*count) {
    if (keeps_) (all()->*count).fetch_add(1, std::memory_order_relaxed);
  }
  // Several shards may do so at once. The first wins.
  [[gnu::noinline, gnu::cold]] bool make() {
    void *where = memory_.allocate(sizeof(All), alignof(All));
    if (where == nullptr) return false;
    All *none = nullptr;
    if (!all_.compare_exchange_strong(none, new (where) All{}, std::memory_order_acq_rel)) {
      memory_.release(where, sizeof(All), alignof(All));
    }
    return true;
  }

  Memory &memory_;
  std::atomic<All *> all_{nullptr};
  // Apart from the others, since old values are served without memory, too.
  Count stale_served_{0};
  const bool keeps_;
  const bool prices_;  // the time of a load is what its value costs
  const bool has_own_timer_;
};

}  // namespace ct

#endif
