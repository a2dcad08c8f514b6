// SPDX-License-Identifier: MIT
#include "growth.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <numeric>

namespace bench {
namespace {

/// Negative if unknown.
double resident_bytes() {
  FILE *file = fopen("/proc/self/smaps_rollup", "r");
  if (file == nullptr) return -1;
  char line[256];
  double kibibytes = -1;
  while (kibibytes < 0 && fgets(line, sizeof(line), file) != nullptr)
    if (sscanf(line, "Rss: %lf kB", &kibibytes) != 1) kibibytes = -1;
  fclose(file);
  return kibibytes < 0 ? -1 : kibibytes * 1024;
}

void store(Cache &cache, uint64_t id, std::vector<char> &value) {
  memcpy(value.data(), &id, sizeof(id));
  cache.set(Key::of(id), value.data());
}

using Clock = std::chrono::steady_clock;

uint32_t nanoseconds(Clock::duration time) {
  const auto count = std::chrono::nanoseconds(time).count();
  return static_cast<uint32_t>(std::min<int64_t>(count, UINT32_MAX));
}

Latency summary(std::vector<uint32_t> &times) {
  const double mean =
      std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
  const auto high = times.begin() + static_cast<ptrdiff_t>(times.size() * 9998 / 10000);
  std::nth_element(times.begin(), high, times.end());
  const double worst = *std::max_element(high, times.end());
  return {mean, static_cast<double>(*high), worst};
}

}  // namespace

double memory_beyond(const Kind &kind, const Setup &setup) {
  std::vector<char> value(setup.value_size, 'v');
  const double before = resident_bytes();
  const auto cache = kind.make(kind, setup);
  for (uint64_t id = 0; id < setup.entries; id++) store(*cache, id, value);
  const double after = resident_bytes();
  if (before < 0 || after < 0) return -1;
  const double content = static_cast<double>(Key::size() + setup.value_size);
  return std::max(0.0, (after - before) / static_cast<double>(setup.entries) - content);
}

Growth grow(const Kind &kind, const Setup &setup) {
  std::vector<char> value(setup.value_size, 'v');
  std::vector<uint32_t> cache_times(setup.entries, 1);  // touched, too
  std::vector<uint32_t> table_times(setup.entries, 1);
  const Kind &table_kind = *find_kind("table");
  const auto table = table_kind.make(table_kind, setup);
  const auto cache = kind.make(kind, setup);
  for (uint64_t id = 0; id < setup.entries; id++) {
    const auto begin = Clock::now();
    store(*cache, id, value);
    const auto middle = Clock::now();
    store(*table, id, value);
    const auto end = Clock::now();
    cache_times[id] = nanoseconds(middle - begin);
    table_times[id] = nanoseconds(end - middle);
  }
  return {summary(cache_times), summary(table_times)};
}

}  // namespace bench
