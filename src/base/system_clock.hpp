// SPDX-License-Identifier: MIT
// Clocks of the system. Reading one takes as long as a look-up does, so this is compiled into the
// functions that do so.
#ifndef CT_SYSTEM_CLOCK_HPP
#define CT_SYSTEM_CLOCK_HPP

#ifndef _WIN32
#include <time.h>
#endif

#include <cstdint>

namespace ct::system {

// Two clocks that count the same nanoseconds and never go back. The coarse one is faster to read,
// and lags behind. Where there is none, both are one. On other systems than Linux, nothing tells
// how far a coarse clock may lag: its resolution is that of the precise one.
#ifdef _WIN32
using ClockId = int;
constexpr ClockId kPreciseClock = 0, kCoarseClock = 0;

uint64_t read_clock(ClockId id) noexcept;
#else
using ClockId = clockid_t;
#ifdef __APPLE__  // where CLOCK_MONOTONIC counts microseconds
constexpr ClockId kPreciseClock = CLOCK_MONOTONIC_RAW;
#else
constexpr ClockId kPreciseClock = CLOCK_MONOTONIC;
#endif
#ifdef __linux__
constexpr ClockId kCoarseClock = CLOCK_MONOTONIC_COARSE;
#else
constexpr ClockId kCoarseClock = kPreciseClock;
#endif

inline uint64_t ns_of(const timespec &time) noexcept {
  return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_nsec);
}

inline uint64_t read_clock(ClockId id) noexcept {
  timespec time;
  clock_gettime(id, &time);
  return ns_of(time);
}
#endif

// Returns by how much a clock may be behind, at most.
uint64_t lag_of(ClockId id) noexcept;

// Reads the wall clock, in nanoseconds since 1970. Returns 0 before 1970, and UINT64_MAX from 2554
// on.
uint64_t read_date() noexcept;

}  // namespace ct::system

#endif
