// SPDX-License-Identifier: MIT
// How the program ends early: it throws a Failure, and main says it.
#ifndef SIM_FAILURE_HPP
#define SIM_FAILURE_HPP

#include <string>
#include <system_error>

namespace sim {

// What the program exits with.
enum ExitStatus {
  kDone = 0,
  kSystemFailed = 1,  // a file, memory or gnuplot
  kRefused = 2,       // the command line or the trace
};

struct Failure {
  ExitStatus status;
  std::string message;
};

// What errno says, in words.
inline std::string reason_of(int error) { return std::generic_category().message(error); }

}  // namespace sim

#endif
