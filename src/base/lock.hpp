// SPDX-License-Identifier: MIT
// A lock that spins briefly, then sleeps. Taking it costs one exchange, and releasing it a plain
// store. That is half the cost of a pair of compare-and-exchanges, and a tenth of the cost of a
// mutex that keeps look-ups from overlapping.
//
// Threads that wait draw tickets and stand in line. The first in line competes with threads that
// arrive later: a thread that is already running gets the lock before a sleeping one has woken up,
// which makes the lock fast where threads outnumber cores. But after kMostOvertaken releases that
// passed a line, the lock is handed from each thread in line to the next, until all that stood in
// line at that time have had it. So no thread in line is overtaken more often than kMostOvertaken
// times.
//
// The owner looks for a line before it releases the lock. The owner does not touch the lock after
// the store that lets the next owner in, because the next owner may destroy the lock. If a thread
// joins an empty line between that look and that store, the owner does not see it, and the thread
// may fall asleep at a free lock. So the first in line never sleeps for more than a millisecond.
// This race costs a millisecond when it happens, instead of a fence at every unlock. No other
// thread is missed.
#ifndef CT_LOCK_HPP
#define CT_LOCK_HPP

#include <atomic>
#include <cstdint>

#include "base/annotations.hpp"

namespace ct {

class CT_CAPABILITY("lock") Lock {
 public:
  // How often threads that came later may get the lock before a thread in line does. If critical
  // sections are short, that takes a fraction of a millisecond.
  static constexpr uint32_t kMostOvertaken = 1000;

  void lock() noexcept CT_ACQUIRE() {
    if (held_.exchange(1, std::memory_order_acquire) != 0) lock_slowly();
  }

  // Takes the lock if it is free now.
  bool try_lock() noexcept CT_TRY_ACQUIRE(true) {
    return held_.load(std::memory_order_relaxed) == 0 &&
           held_.exchange(1, std::memory_order_acquire) == 0;
  }

  void unlock() noexcept CT_RELEASE() {
    if (next_ticket_.load() == first_ticket_.load(std::memory_order_relaxed)) {
      held_.store(0, std::memory_order_release);
    } else {
      unlock_slowly();
    }
  }

  // Called by an owner that will take the lock again right after releasing it. All threads in line
  // get the lock before that.
  void let_line_pass() noexcept {
    if (due_ != 0) return;
    passed_ = 0;
    due_ = next_ticket_.load() - first_ticket_.load(std::memory_order_relaxed);
  }

#ifdef CT_VALIDATE
  // Returns how many threads stand in line.
  uint32_t waiting() const { return next_ticket_.load() - first_ticket_.load(); }
  // Sets the state as if this many tickets had been drawn, and the lock had been released past a
  // line this often. Called before the lock is first taken.
  void begin_at(uint32_t ticket, uint32_t passed) {
    next_ticket_.store(ticket);
    first_ticket_.store(ticket);
    passed_ = passed;
  }
#endif

 private:
  bool spin() noexcept;
  bool compete(uint32_t ticket) noexcept;
  [[gnu::noinline, gnu::cold]] void lock_slowly() noexcept;
  [[gnu::noinline, gnu::cold]] void unlock_slowly() noexcept;

  std::atomic<uint32_t> held_{0};          // 1 while a thread holds the lock
  std::atomic<uint32_t> next_ticket_{0};   // the next ticket to be drawn
  std::atomic<uint32_t> first_ticket_{0};  // of the first in line; next_ticket_ if no thread waits
  std::atomic<uint32_t> call_{0};          // what the first in line is told; see lock.cpp
  // These two are guarded by the lock itself.
  uint32_t passed_ = 0;  // releases past a line since the lock was last handed over
  uint32_t due_ = 0;     // how many threads in line are still to be handed the lock
};

// Holds a lock for a scope.
class CT_SCOPED_CAPABILITY Guard {
 public:
  explicit Guard(Lock &lock) noexcept CT_ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
  ~Guard() CT_RELEASE() { lock_.unlock(); }
  Guard(const Guard &) = delete;
  Guard &operator=(const Guard &) = delete;

 private:
  Lock &lock_;
};

}  // namespace ct

#endif
