// SPDX-License-Identifier: MIT
// The only source of time.
#ifndef CT_CLOCK_HPP
#define CT_CLOCK_HPP

#include <cachetools.h>
#include <time.h>

#include <cstdint>

namespace ct {

// a + b, CT_NEVER if that is beyond it.
inline uint64_t saturating_add(uint64_t a, uint64_t b) {
  uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? CT_NEVER : sum;
}

// What remains of a lifetime after that time, 0 if it is over. What never ends stays so.
inline uint64_t remaining_after(uint64_t lifetime, uint64_t time) {
  if (lifetime == CT_NEVER) return CT_NEVER;
  return lifetime > time ? lifetime - time : 0;
}

class Clock {
 public:
  Clock(ct_timer_fn timer, void *user_data, bool precise) noexcept
      : timer_(timer),
        user_data_(user_data),
        id_(precise ? CLOCK_MONOTONIC : kCoarse),
        lag_(timer == nullptr && id_ != CLOCK_MONOTONIC ? lag_of(id_) : 0) {}

  // Below CT_NEVER, so that nothing that never expires is ever due.
  uint64_t read() const noexcept {
    uint64_t now;
    if (timer_ != nullptr) {
      now = timer_(user_data_);
    } else {
      timespec time;
      clock_gettime(id_, &time);
      now = ns_of(time);
    }
    return now == CT_NEVER ? CT_NEVER - 1 : now;
  }

  // Whether it is the system's, which counts nanoseconds.
  bool is_systems() const noexcept { return timer_ == nullptr; }

  // By the wall clock: nanoseconds since 1970; 0 before that, UINT64_MAX from 2554 on.
  static uint64_t read_date() noexcept {
    timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    if (time.tv_sec < 0) return 0;
    uint64_t seconds;
    if (__builtin_mul_overflow(time.tv_sec, uint64_t{1000000000}, &seconds)) return UINT64_MAX;
    return saturating_add(seconds, static_cast<uint64_t>(time.tv_nsec));
  }

  // The latest time at which such a reading can have been made.
  uint64_t latest(uint64_t now) const noexcept { return saturating_add(now, lag_); }

  // When a lifetime is over that begins at a reading: never early, though the reading may be old.
  // None lasts for no time at all.
  uint64_t deadline_after(uint64_t now, uint64_t lifetime) const noexcept {
    return lifetime == 0 ? now : saturating_add(saturating_add(now, lifetime), lag_);
  }

 private:
  // How far the coarse clock may be behind. The system's tick moves it on by whole ticks, and leaves
  // the rest to the next one: two ticks (measured at ticks of 4 ms: 3.2 to 7.2 ms). Lifetimes that are
  // longer by one tick alone can end early.
  static uint64_t lag_of(clockid_t id) noexcept {
    timespec tick;
    return clock_getres(id, &tick) == 0 ? 2 * ns_of(tick) : 0;
  }
  static uint64_t ns_of(const timespec &time) noexcept {
    return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_nsec);
  }

#ifdef CLOCK_MONOTONIC_COARSE
  static constexpr clockid_t kCoarse = CLOCK_MONOTONIC_COARSE;
#else
  static constexpr clockid_t kCoarse = CLOCK_MONOTONIC;
#endif

  ct_timer_fn timer_;
  void *user_data_;
  clockid_t id_;
  uint64_t lag_;  // in ticks of the timer
};

// What one call takes for now: a single reading, made when it is first needed.
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
