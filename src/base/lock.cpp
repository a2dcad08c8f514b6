// SPDX-License-Identifier: MIT
#include "base/lock.hpp"

#include <climits>

#include "base/system.hpp"

namespace ct {
namespace {

// About as long as the longest critical section without an eviction.
constexpr int kSpins = 100;
constexpr uint64_t kNapNs = 1000000;

// The values of call_. kNothing says nothing. called() tells a ticket's owner that the lock is
// being released, so that this thread should try to take it. handed() tells the ticket's owner that
// the lock is now its own.
constexpr uint32_t kNothing = 0;
constexpr uint32_t called(uint32_t ticket) { return ticket * 4 + 1; }
constexpr uint32_t handed(uint32_t ticket) { return ticket * 4 + 2; }

// All threads in line sleep on one word. As long as there are at most 32, a call wakes only the
// thread that it is meant for.
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
    // This load comes before the check whether this thread is first. A call that comes later
    // changes the word, so the thread does not fall asleep.
    const uint32_t call = call_.load(std::memory_order_acquire);
    if (first_ticket_.load() == own) break;
    system::sleep_while_masked(call_, call, mask_of(own));
  }
  while (!compete(own)) system::sleep_while(call_, kNothing, kNapNs);
  call_.store(kNothing, std::memory_order_relaxed);
  if (due_ != 0) due_--;
  // A thread that joins the line either sees this store, or is seen when the lock is next released:
  // both accesses are in the single order of all sequentially consistent operations.
  first_ticket_.store(own + 1);
}

// Called by the first thread in line. Returns whether this thread now has the lock.
bool Lock::compete(uint32_t own) noexcept {
  if (call_.load(std::memory_order_acquire) == handed(own) || spin()) return true;
  // From here on this thread has to be called again.
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
  if (sleeps) system::wake(call_, INT_MAX, mask_of(first));
}

}  // namespace ct
