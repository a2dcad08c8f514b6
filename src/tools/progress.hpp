// SPDX-License-Identifier: MIT
// How far the program has come, in one line of the terminal that is written over and over.
#ifndef SIM_PROGRESS_HPP
#define SIM_PROGRESS_HPP

#include <chrono>
#include <string>

namespace sim {

class Progress {
 public:
  // Quiet, or where the standard error is no terminal, it shows nothing.
  explicit Progress(bool quiet);
  ~Progress();  // takes the line away
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  // May be called as often as is convenient: it shows a few lines a second.
  void show(const std::string &line);

 private:
  using Clock = std::chrono::steady_clock;

  bool is_shown_;
  size_t width_ = 0;  // of the line that is there
  Clock::time_point next_;
};

}  // namespace sim

#endif
