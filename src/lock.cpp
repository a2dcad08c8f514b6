// SPDX-License-Identifier: MIT
#include "lock.hpp"

#include "futex.hpp"

namespace ct {
namespace {

// About as long as the longest critical section without an eviction.
constexpr int kSpins = 100;
constexpr uint64_t kSleepNs = 1000000;

void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void Lock::lock_slowly() noexcept {
  for (int spin = 0; spin < kSpins; spin++) {
    pause_briefly();
    if (held_.load(std::memory_order_relaxed) == 0 &&
        held_.exchange(1, std::memory_order_acquire) == 0) {
      return;
    }
  }
  sleepers_.fetch_add(1);
  while (held_.exchange(1, std::memory_order_acquire) != 0) sleep_while(held_, 1, kSleepNs);
  sleepers_.fetch_sub(1);
}

void Lock::wake_one() noexcept { wake(held_, 1); }

}  // namespace ct
