// SPDX-License-Identifier: MIT
// How the program ends early: it throws a Failure, and main prints the message.
#ifndef SIM_FAILURE_HPP
#define SIM_FAILURE_HPP

#include <string>
#include <system_error>

namespace sim {

// The exit status of the program.
enum ExitStatus {
  kDone = 0,
  kSystemFailed = 1,  // a file, memory or gnuplot
  kRefused = 2,       // the command line or the trace
};

struct Failure {
  ExitStatus status;
  std::string message;
};

// Returns the message of an errno.
inline std::string reason_of(int error) { return std::generic_category().message(error); }

}  // namespace sim

#endif
