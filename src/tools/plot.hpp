// SPDX-License-Identifier: MIT
// Draws miss-ratio curves by gnuplot.
#ifndef SIM_PLOT_HPP
#define SIM_PLOT_HPP

#include <vector>

#include "options.hpp"
#include "replay.hpp"
#include "trace.hpp"

namespace sim {

// Throws a Failure if there is no gnuplot. Call it before the work, not after.
void require_gnuplot();

// Throws a Failure if gnuplot fails or the file cannot be written.
void plot(const Options &options, const Trace &trace, const std::vector<Column> &columns);

}  // namespace sim

#endif
