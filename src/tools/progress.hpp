// SPDX-License-Identifier: MIT
// Shows how far the program has come, in one line of the terminal that is rewritten.
#ifndef SIM_PROGRESS_HPP
#define SIM_PROGRESS_HPP

#include <chrono>
#include <string>

namespace sim {

class Progress {
 public:
  // Shows nothing if quiet, or if the standard error is no terminal.
  explicit Progress(bool quiet);
  ~Progress();  // erases the line
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  // May be called at any rate; shows at most ten lines a second.
  void show(const std::string &line);

 private:
  using Clock = std::chrono::steady_clock;

  bool is_shown_;
  size_t width_ = 0;  // of the line that is shown
  Clock::time_point next_;
};

}  // namespace sim

#endif
