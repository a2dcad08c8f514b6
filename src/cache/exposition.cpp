// SPDX-License-Identifier: MIT
#include "cache/exposition.hpp"

#include "cache/result.hpp"
#include "shard/load_counters.hpp"

namespace ct {
namespace {

constexpr char kLoads[] = "cachetools_load_duration_seconds";

}  // namespace

// A metric with one sample of each cache: a counter, which caches without statistics do not have,
// or a gauge.
struct Exposition::Metric {
  const char *name;
  const char *help;
  uint64_t ct_stats::*counter;
  uint64_t (*gauge)(const Cache &cache, const ct_stats &stats);
};

const Exposition::Metric Exposition::kMetrics[] = {
    {"cachetools_hits_total", "Keys read and found.", &ct_stats::hits, nullptr},
    {"cachetools_misses_total", "Keys read, absent or expired.", &ct_stats::misses, nullptr},
    {"cachetools_inserts_total", "Entries stored under a key that was absent or expired.",
     &ct_stats::inserts, nullptr},
    {"cachetools_updates_total", "Entries stored in place of a live one.", &ct_stats::updates,
     nullptr},
    {"cachetools_evictions_total", "Entries that left for want of room.", &ct_stats::evictions,
     nullptr},
    {"cachetools_evicted_weight_total", "Weight of the entries that left for want of room.",
     &ct_stats::evicted_weight, nullptr},
    {"cachetools_expirations_total", "Entries that left past their deadline.",
     &ct_stats::expirations, nullptr},
    {"cachetools_removals_total", "Entries deleted, popped or cleared, or replaced by a dead one.",
     &ct_stats::removals, nullptr},
    {"cachetools_rejections_total", "Stores refused: too large, or dead on arrival.",
     &ct_stats::rejections, nullptr},
    {"cachetools_load_failures_total", "Loads that brought no value.", &ct_stats::load_failures,
     nullptr},
    {"cachetools_waits_total", "Values received from another caller's load.", &ct_stats::waits,
     nullptr},
    {"cachetools_shared_failures_total", "Failures received from another caller's load.",
     &ct_stats::shared_failures, nullptr},
    {"cachetools_stale_served_total", "Values handed out past their deadline.",
     &ct_stats::stale_served, nullptr},
    {"cachetools_renewals_total", "Loads begun to renew a value.", &ct_stats::renewals,
     nullptr},
    {"cachetools_renewal_failures_total", "Renewals that failed and left the old value.",
     &ct_stats::renewal_failures, nullptr},
    {"cachetools_negative_hits_total", "Loading calls that were told of a remembered miss.",
     &ct_stats::negative_hits, nullptr},
    {"cachetools_entries", "Entries held.", nullptr,
     [](const Cache &cache, const ct_stats &) { return cache.entries(); }},
    {"cachetools_currsize", "Weight of what is held.", nullptr,
     [](const Cache &cache, const ct_stats &) { return cache.weight(); }},
    {"cachetools_maxsize", "Limit on the weight.", nullptr,
     [](const Cache &cache, const ct_stats &) { return cache.maxsize(); }},
    {"cachetools_memory_bytes", "Memory held in all.", nullptr,
     [](const Cache &cache, const ct_stats &) { return cache.held(); }},
    {"cachetools_pinned", "Values that callers have not released.", nullptr,
     [](const Cache &, const ct_stats &stats) { return stats.pinned; }},
};

// Puts a metric with the samples of all caches that have it, in any case or only with statistics.
// If no cache has it, its name is not written either.
template <class Visit>
void Exposition::put_metric(const char *name, const char *type, const char *help, bool counts,
                            Visit put_samples) {
  bool is_begun = false;
  for (size_t i = 0; i < count_ && status_ == CT_OK; i++) {
    if (counts && !cache(i).keeps_stats()) continue;
    if (!is_begun) {
      put("# HELP "), put(name), put(' '), put(help);
      put("\n# TYPE "), put(name), put(' '), put(type), put('\n');
    }
    is_begun = true;
    ct_stats stats = CT_STATS_INIT;
    cache(i).stats(&stats);
    put_samples(i, stats);
  }
}

ct_status Exposition::write() {
  for (const Metric &metric : kMetrics) {
    const bool counts = metric.counter != nullptr;
    put_metric(metric.name, counts ? "counter" : "gauge", metric.help, counts,
               [&](size_t i, const ct_stats &stats) {
                 put_sample(metric.name, "", i);
                 put("} ");
                 put_decimal(counts ? stats.*metric.counter : metric.gauge(cache(i), stats), 0);
                 put('\n');
               });
  }
  put_metric(kLoads, "histogram", "How long loads took, from lease to fulfilment.", true,
             [&](size_t i, const ct_stats &stats) { put_loads(i, stats); });
  flush();
  return status_;
}

// Prometheus' buckets are cumulative: each also counts all that took less.
void Exposition::put_loads(size_t i, const ct_stats &stats) {
  uint64_t loads = 0;
  for (uint32_t bucket = 0; bucket < LoadBuckets::kCount; bucket++) {
    loads += stats.load_buckets[bucket];
    put_sample(kLoads, "_bucket", i);
    put(",le=\"");
    if (bucket < LoadBuckets::kCount - 1) {
      put_decimal(LoadBuckets::limit_us(bucket), 6);
    } else {
      put("+Inf");
    }
    put("\"} ");
    put_decimal(loads, 0);
    put('\n');
  }
  put_sample(kLoads, "_sum", i);
  put("} ");
  put_decimal(cache(i).load_ns(), 9);
  put('\n');
  put_sample(kLoads, "_count", i);
  put("} ");
  put_decimal(loads, 0);
  put('\n');
}

// Leaves the braces open.
void Exposition::put_sample(const char *metric, const char *suffix, size_t i) {
  put(metric), put(suffix), put("{cache=\"");
  for (const char *c = names_[i]; *c != '\0'; c++) {
    if (*c == '\\' || *c == '"' || *c == '\n') put('\\');
    put(*c == '\n' ? 'n' : *c);
  }
  put('"');
}

void Exposition::put(char c) {
  if (status_ != CT_OK) return;
  text_[size_++] = c;
  if (size_ == sizeof text_) flush();
}

void Exposition::put(const char *text) {
  for (; *text != '\0'; text++) put(*text);
}

// Puts number / 10^digits.
void Exposition::put_decimal(uint64_t number, uint32_t digits) {
  while (digits > 0 && number % 10 == 0) {
    number /= 10;
    digits--;
  }
  char text[24];
  uint32_t length = 0;
  for (uint32_t i = 0; i <= digits || number != 0; i++) {
    if (i == digits && digits != 0) text[length++] = '.';
    text[length++] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
  while (length > 0) put(text[--length]);
}

void Exposition::flush() {
  if (status_ != CT_OK || size_ == 0) return;
  const ct_status answered = write_(user_data_, text_, size_);
  if (answered != CT_OK) status_ = Result::judge_stream(answered);
  size_ = 0;
}

}  // namespace ct
