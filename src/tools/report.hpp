// SPDX-License-Identifier: MIT
// Prints the results of replays.
#ifndef SIM_REPORT_HPP
#define SIM_REPORT_HPP

#include <string>
#include <vector>

#include "options.hpp"
#include "replay.hpp"
#include "trace.hpp"

namespace sim {

// A figure of each result: a part of a whole.
struct Measure {
  const char *title;
  const char *part_name;
  const char *ratio_name;
  uint64_t Result::*part;
  uint64_t whole;

  double ratio(const Result &result) const {
    return whole == 0 ? 0 : static_cast<double>(result.*part) / static_cast<double>(whole);
  }
};

std::vector<Measure> measures(const Options &options, const Trace &trace);

// Describes the trace in one line.
std::string describe(const Options &options, const Trace &trace);

// Prints to the standard output. Throws a Failure if that fails.
void report(const Options &options, const Trace &trace, const std::vector<Column> &columns);

}  // namespace sim

#endif
