// SPDX-License-Identifier: MIT
// The time of a cache: that of its timer, or of the system.
#ifndef CT_CLOCK_HPP
#define CT_CLOCK_HPP

#include <cachetools.h>

#include <cstdint>

#include "base/system_clock.hpp"

namespace ct {

// Returns a + b, or CT_NEVER if the sum is larger.
inline uint64_t saturating_add(uint64_t a, uint64_t b) {
  uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? CT_NEVER : sum;
}

// Returns what remains of a lifetime after that much time, or 0 if the lifetime is over. CT_NEVER
// stays CT_NEVER.
inline uint64_t remaining_after(uint64_t lifetime, uint64_t time) {
  if (lifetime == CT_NEVER) return CT_NEVER;
  return lifetime > time ? lifetime - time : 0;
}

// Returns the shortest time that a cache's options may ask a clock to measure, in its ticks. The
// coarse clock moves on in steps of 1 ms at least; on a system without one, programs find the same.
constexpr uint64_t shortest_lifetime(ct_timer_fn timer, bool precise) {
  return timer == nullptr && !precise ? 1000000 : 1;
}

class Clock {
 public:
  Clock(ct_timer_fn timer, void *user_data, bool precise) noexcept
      : timer_(timer),
        user_data_(user_data),
        id_(precise ? system::kPreciseClock : system::kCoarseClock),
        lag_(timer == nullptr ? system::lag_of(id_) : 0) {}

  // Returns a time below CT_NEVER, so that an entry that never expires is never due.
  uint64_t read() const noexcept {
    const uint64_t now = timer_ != nullptr ? timer_(user_data_) : system::read_clock(id_);
    return now == CT_NEVER ? CT_NEVER - 1 : now;
  }

  // Returns whether this is the system's clock, which counts nanoseconds.
  bool is_systems() const noexcept { return timer_ == nullptr; }

  // Reads the system's monotonic clock, in nanoseconds.
  static uint64_t read_monotonic() noexcept { return system::read_clock(system::kPreciseClock); }

  // Returns the same clock without its lag, which takes longer to read.
  Clock precise() const noexcept {
    Clock clock = *this;
    clock.id_ = system::kPreciseClock;
    clock.lag_ = 0;
    return clock;
  }

  // Returns the latest time at which the clock can have shown this reading.
  uint64_t latest(uint64_t now) const noexcept { return saturating_add(now, lag_); }

  // Returns when a lifetime that begins at a reading ends. It never ends early, even if the reading
  // was old. A lifetime of 0 lasts for no time at all.
  uint64_t deadline_after(uint64_t now, uint64_t lifetime) const noexcept {
    return lifetime == 0 ? now : saturating_add(saturating_add(now, lifetime), lag_);
  }

 private:
  ct_timer_fn timer_;
  void *user_data_;
  system::ClockId id_;
  uint64_t lag_;  // in ticks of the timer
};

// The time of one call: a single reading, made when the call first needs the time.
class Now {
 public:
  explicit Now(const Clock &clock) noexcept : clock_(&clock), time_(0) {}
  explicit Now(uint64_t time) noexcept : clock_(nullptr), time_(time) {}

  uint64_t operator()() noexcept {
    if (clock_ != nullptr) {
      time_ = clock_->read();
      clock_ = nullptr;
    }
    return time_;
  }

 private:
  const Clock *clock_;  // nullptr once read
  uint64_t time_;
};

}  // namespace ct

#endif
