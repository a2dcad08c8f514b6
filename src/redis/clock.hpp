// SPDX-License-Identifier: MIT
// The monotonic clock, in nanoseconds: the exact one, and the coarse one, which is cheaper and up to
// two of its steps behind. Both have one origin, which is that of the near cache's default timer.
#ifndef CT_REDIS_CLOCK_HPP
#define CT_REDIS_CLOCK_HPP

#include <cachetools.h>

#include <cstdint>
#include <ctime>

namespace ct::redis {

#ifdef CLOCK_MONOTONIC_COARSE
constexpr clockid_t kCoarseClock = CLOCK_MONOTONIC_COARSE;
#else
constexpr clockid_t kCoarseClock = CLOCK_MONOTONIC;
#endif

constexpr uint64_t kMillisecond = 1000000;
constexpr uint64_t kSecond = 1000 * kMillisecond;

inline uint64_t nanoseconds(const timespec &time) {
  return static_cast<uint64_t>(time.tv_sec) * kSecond + static_cast<uint64_t>(time.tv_nsec);
}

inline uint64_t read_clock(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return nanoseconds(time);
}

inline uint64_t exact_now() { return read_clock(CLOCK_MONOTONIC); }

// A reading that lies where the clock has put it until it is asked for.
class CoarseTime {
 public:
  CoarseTime() { clock_gettime(kCoarseClock, &time_); }
  uint64_t ns() const { return nanoseconds(time_); }

 private:
  timespec time_;
};

inline uint64_t coarse_now() { return CoarseTime().ns(); }

// How far the coarse clock may be behind.
inline uint64_t coarse_lag() {
  timespec step;
  return clock_getres(kCoarseClock, &step) == 0 ? 2 * nanoseconds(step) : 20 * kMillisecond;
}

// Time that is added up stops at CT_NEVER.
inline uint64_t later(uint64_t time, uint64_t by) {
  return by > CT_NEVER - time ? CT_NEVER : time + by;
}

inline uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

// Milliseconds, for servers. A lifetime never becomes 0, which they refuse, nor more than they take.
inline uint64_t milliseconds(uint64_t ns) {
  constexpr uint64_t kMost = uint64_t{1} << 52;
  const uint64_t ms = ns / kMillisecond;
  return ms == 0 ? 1 : ms > kMost ? kMost : ms;
}

inline uint64_t from_milliseconds(uint64_t ms) {
  return ms > CT_NEVER / kMillisecond ? CT_NEVER : ms * kMillisecond;
}

}  // namespace ct::redis

#endif
