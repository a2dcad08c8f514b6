// SPDX-License-Identifier: MIT
#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace sim {
namespace {

constexpr std::chrono::milliseconds kPause{100};

}  // namespace

Progress::Progress(bool quiet)
    : is_shown_(!quiet && isatty(STDERR_FILENO) != 0), next_(Clock::now() + kPause) {}

Progress::~Progress() {
  if (width_ != 0) fprintf(stderr, "\r%*s\r", static_cast<int>(width_), "");
}

void Progress::show(const std::string &line) {
  if (!is_shown_) return;
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + kPause;
  width_ = std::max(width_, line.size());
  fprintf(stderr, "\r%-*s", static_cast<int>(width_), line.c_str());
}

}  // namespace sim
