// SPDX-License-Identifier: MIT
// A lock that spins briefly, then sleeps. Taking it costs one exchange, giving it back a plain store,
// half of what a compare-and-exchange pair costs and a tenth of a mutex that stops look-ups from
// overlapping.
//
// Threads that wait draw tickets and stand in line. The first of them competes with threads that come
// by: who is running already gets the lock before a sleeper has woken up, and that is what makes it
// fast where threads outnumber cores. But once it was given back kMostOvertaken times past a line, it
// is handed over from one to the next, until all who stood in line then have had it. So no thread in
// line is overtaken more often than that.
//
// The owner looks for a line before it gives the lock back. After the store that lets the next owner
// in, it does not touch the lock: the next owner may destroy it. A thread that joins an empty line
// between the two is not seen, and may fall asleep at a lock that is free. So the first in line never
// sleeps for more than a millisecond. Such a meeting costs that, once, instead of a fence on every
// unlock. No other thread is missed.
#ifndef CT_LOCK_HPP
#define CT_LOCK_HPP

#include <atomic>
#include <cstdint>

#include "base/annotations.hpp"

namespace ct {

class CT_CAPABILITY("lock") Lock {
 public:
  // How often others, who came later, may get the lock before a thread in line does. That is a fraction
  // of a millisecond if critical sections are short.
  static constexpr uint32_t kMostOvertaken = 1000;

  void lock() noexcept CT_ACQUIRE() {
    if (held_.exchange(1, std::memory_order_acquire) != 0) lock_slowly();
  }

  void unlock() noexcept CT_RELEASE() {
    if (next_ticket_.load() == first_ticket_.load(std::memory_order_relaxed)) {
      held_.store(0, std::memory_order_release);
    } else {
      unlock_slowly();
    }
  }

  // The caller has the lock, and will want it again at once. All who stand in line have it before.
  void let_line_pass() noexcept {
    if (due_ != 0) return;
    passed_ = 0;
    due_ = next_ticket_.load() - first_ticket_.load(std::memory_order_relaxed);
  }

  // Whether anyone holds it.
  bool is_held() const noexcept { return held_.load(std::memory_order_relaxed) != 0; }

#ifdef CT_VALIDATE
  // How many stand in line.
  uint32_t waiting() const { return next_ticket_.load() - first_ticket_.load(); }
  // As if so many tickets had been taken, and it had been given back so often past someone in line.
  // Before it is first taken.
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

  std::atomic<uint32_t> held_{0};          // 1 while someone holds the lock
  std::atomic<uint32_t> next_ticket_{0};   // the next to be drawn
  std::atomic<uint32_t> first_ticket_{0};  // of the first in line; the next one if nobody waits
  std::atomic<uint32_t> call_{0};          // what the first in line is told: see lock.cpp
  // Guarded by the lock itself.
  uint32_t passed_ = 0;  // how often it was given back past a line since it was last handed over
  uint32_t due_ = 0;     // how many in line it is still to be handed to
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
