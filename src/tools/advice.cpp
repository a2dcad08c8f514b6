// SPDX-License-Identifier: MIT
#include "advice.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace sim {
namespace {

// Returns the number of the column at the knee of the curve, which is farthest below the straight
// line between its ends, over the logarithm of the size (Kneedle: Satopää and others, "Finding a
// 'Kneedle' in a Haystack", 2011). The last one, if no size is below the line.
size_t knee(const Measure &measure, const std::vector<Column> &columns, size_t policy) {
  const auto place = [&](size_t i) { return std::log(static_cast<double>(columns[i].maxsize)); };
  const auto ratio = [&](size_t i) { return measure.ratio(columns[i].results[policy]); };
  const size_t last = columns.size() - 1;
  size_t best = last;
  double depth = 0;
  for (size_t i = 1; i < last; ++i) {
    const double way = (place(i) - place(0)) / (place(last) - place(0));
    const double line = ratio(0) + (ratio(last) - ratio(0)) * way;
    if (line - ratio(i) <= depth + 1e-9) continue;
    depth = line - ratio(i);
    best = i;
  }
  return best;
}

std::string percent(double ratio) {
  char text[32];
  snprintf(text, sizeof text, "%.1f %%", 100 * ratio);
  return text;
}

// "688 entries (5%)", or "688 entries" if that is how it was given.
std::string size_of(const Options &options, const Column &column) {
  const char *unit = options.weighs_bytes ? "byte" : "entr";
  const char *one = options.weighs_bytes ? "" : "y";
  const char *many = options.weighs_bytes ? "s" : "ies";
  const std::string amount =
      std::to_string(column.maxsize) + " " + unit + (column.maxsize == 1 ? one : many);
  return column.size.percent == 0 ? amount : amount + " (" + column.size.label + ")";
}

}  // namespace

bool is_least(const Measure &measure, const Column &column, const Result &result) {
  return std::none_of(column.results.begin(), column.results.end(), [&](const Result &other) {
    return other.*measure.part < result.*measure.part;
  });
}

size_t best_policy(const Measure &measure, const std::vector<Column> &columns) {
  std::vector<double> excess(columns.front().results.size(), 0);
  for (const Column &column : columns) {
    uint64_t least = UINT64_MAX;
    for (const Result &it : column.results) least = std::min(least, it.*measure.part);
    for (size_t i = 0; i < excess.size(); ++i) {
      const double misses = static_cast<double>(column.results[i].*measure.part);
      excess[i] += std::log((misses + 1) / (static_cast<double>(least) + 1));
    }
  }
  return static_cast<size_t>(std::min_element(excess.begin(), excess.end()) - excess.begin());
}

std::string advise(const Options &options, const Trace &trace, const std::vector<Column> &columns) {
  const Measure measure = measures(options, trace).back();
  const size_t policy = best_policy(measure, columns);
  const size_t at = knee(measure, columns, policy);
  const Column &column = columns[at];
  std::string text = std::string("Take ") + ct_policy_name(options.policies[policy]) + " with " +
                     size_of(options, column) + ": " +
                     percent(measure.ratio(column.results[policy])) + " of the " +
                     (options.weighs_bytes ? "bytes" : "requests") + " miss";
  const auto lru = std::find(options.policies.begin(), options.policies.end(), CT_POLICY_LRU);
  if (lru != options.policies.end() && options.policies[policy] != CT_POLICY_LRU) {
    const Result &other = column.results[static_cast<size_t>(lru - options.policies.begin())];
    text += ", " + percent(measure.ratio(other)) + " with LRU";
  }
  if (at + 1 < columns.size()) {
    text += ", and still " + percent(measure.ratio(columns[at + 1].results[policy])) + " with " +
            size_of(options, columns[at + 1]);
  }
  return text + ".";
}

}  // namespace sim
