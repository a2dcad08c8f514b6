// SPDX-License-Identifier: MIT
// cachetools-sim: which policy and which size suit recorded requests? It reads a whole trace
// (trace), replays it through a cache for each policy and size (replay), and shows the miss ratios
// as text (report) and as a picture (plot).
#include <cstdio>
#include <exception>

#include "failure.hpp"
#include "file.hpp"
#include "input.hpp"
#include "options.hpp"
#include "plot.hpp"
#include "progress.hpp"
#include "replay.hpp"
#include "report.hpp"
#include "trace.hpp"

namespace sim {
namespace {

void simulate(const Options &options) {
  if (!options.plot.empty()) require_gnuplot();
  Trace trace;
  std::vector<Column> columns;
  {
    Progress progress(options.quiet);
    trace = read_trace(options, &progress);
    columns = replay(trace, options, &progress);
  }
  report(options, trace, columns);
  if (!options.plot.empty()) plot(options, trace, columns);
}

void run(int argc, char **argv) {
  const Options options = parse_options(argc, argv);
  switch (options.action) {
    case Action::kSimulate:
      simulate(options);
      break;
    case Action::kHelp:
      fputs(kUsage, stdout);
      break;
    case Action::kVersion:
      printf("cachetools-sim %s (unpacks %s)\n", ct_version_string(), kUnpacks);
      break;
  }
  finish_output();
}

int fail(ExitStatus status, const char *reason) {
  fprintf(stderr, "cachetools-sim: %s\n", reason);
  return status;
}

}  // namespace
}  // namespace sim

int main(int argc, char **argv) {
  try {
    sim::run(argc, argv);
    return sim::kDone;
  } catch (const sim::Failure &failure) {
    return sim::fail(failure.status, failure.message.c_str());
  } catch (const std::bad_alloc &) {
    return sim::fail(sim::kSystemFailed, "there is no memory left");
  } catch (const std::exception &problem) {
    return sim::fail(sim::kSystemFailed, problem.what());
  }
}
