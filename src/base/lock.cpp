// SPDX-License-Identifier: MIT
#include "base/lock.hpp"

#include <climits>

#include "base/futex.hpp"

namespace ct {
namespace {

// About as long as the longest critical section without an eviction.
constexpr int kSpins = 100;
constexpr uint64_t kNapNs = 1000000;

// What call_ says: nothing; or to a ticket's owner that the lock is being given back, so that it should
// try; or that it has been handed over.
constexpr uint32_t kNothing = 0;
constexpr uint32_t called(uint32_t ticket) { return ticket * 4 + 1; }
constexpr uint32_t handed(uint32_t ticket) { return ticket * 4 + 2; }

// All in line sleep on one word. With up to 32 of them, a call wakes the one it is for and no other.
constexpr uint32_t mask_of(uint32_t ticket) { return 1u << ticket % 32; }

void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

bool Lock::spin() noexcept {
  for (int i = 0; i < kSpins; i++) {
    pause_briefly();
    if (held_.load(std::memory_order_relaxed) == 0 &&
        held_.exchange(1, std::memory_order_acquire) == 0) {
      return true;
    }
  }
  return false;
}

void Lock::lock_slowly() noexcept {
  if (spin()) return;
  const uint32_t own = next_ticket_.fetch_add(1);
  for (;;) {
    // Before it looks whether it is first: a call after that is another one, and lets nobody sleep.
    const uint32_t call = call_.load(std::memory_order_acquire);
    if (first_ticket_.load() == own) break;
    sleep_while_masked(call_, call, mask_of(own));
  }
  while (!compete(own)) sleep_while(call_, kNothing, kNapNs);
  call_.store(kNothing, std::memory_order_relaxed);
  if (due_ != 0) due_--;
  // Who joins the line sees this, or is seen when the lock is given back: both are in the one order of
  // all that is sequentially consistent.
  first_ticket_.store(own + 1);
}

// For the first in line: whether the lock is its own.
bool Lock::compete(uint32_t own) noexcept {
  if (call_.load(std::memory_order_acquire) == handed(own) || spin()) return true;
  // From now on it must be called again.
  uint32_t call = called(own);
  call_.compare_exchange_strong(call, kNothing);
  return call == handed(own) || held_.exchange(1, std::memory_order_acquire) == 0;
}

void Lock::unlock_slowly() noexcept {
  const uint32_t first = first_ticket_.load(std::memory_order_relaxed);
  if (due_ == 0 && ++passed_ == kMostOvertaken) {
    passed_ = 0;
    due_ = next_ticket_.load() - first;
  }
  bool sleeps = true;
  if (due_ != 0) {
    call_.store(handed(first), std::memory_order_release);
  } else {
    sleeps = call_.load(std::memory_order_relaxed) != called(first);
    if (sleeps) call_.store(called(first), std::memory_order_relaxed);
    held_.store(0, std::memory_order_release);
  }
  if (sleeps) wake(call_, INT_MAX, mask_of(first));
}

}  // namespace ct
