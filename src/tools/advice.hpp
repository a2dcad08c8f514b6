// SPDX-License-Identifier: MIT
// Judges the results of replays: which policy misses least, and from which size on more room spares
// little.
#ifndef SIM_ADVICE_HPP
#define SIM_ADVICE_HPP

#include <cstddef>
#include <string>
#include <vector>

#include "options.hpp"
#include "replay.hpp"
#include "report.hpp"
#include "trace.hpp"

namespace sim {

// Returns whether no policy misses less at that size.
bool is_least(const Measure &measure, const Column &column, const Result &result);

// Returns the number of the policy that is best over all sizes: at each size its misses are compared
// with the fewest there.
size_t best_policy(const Measure &measure, const std::vector<Column> &columns);

// Returns one sentence.
std::string advise(const Options &options, const Trace &trace, const std::vector<Column> &columns);

}  // namespace sim

#endif
