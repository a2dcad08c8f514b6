// SPDX-License-Identifier: MIT
#include "base/futex.hpp"

#include <time.h>

#include <algorithm>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace ct {
namespace {

constexpr uint64_t kSecond = 1000000000;

timespec time_of(uint64_t ns) {
  return {static_cast<time_t>(ns / kSecond), static_cast<long>(ns % kSecond)};
}

}  // namespace

#ifdef __linux__

void sleep_while(const std::atomic<uint32_t> &word, uint32_t expected, uint64_t ns) noexcept {
  const timespec limit = time_of(std::min(ns, 3600 * kSecond));
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, &limit, nullptr, 0);
}

void sleep_while_masked(const std::atomic<uint32_t> &word, uint32_t expected,
                        uint32_t mask) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected, nullptr, nullptr, mask);
}

void wake(const std::atomic<uint32_t> &word, int count, uint32_t mask) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_BITSET_PRIVATE, count, nullptr, nullptr, mask);
}

#else

void sleep_while(const std::atomic<uint32_t> &word, uint32_t expected, uint64_t ns) noexcept {
  constexpr uint64_t kNapNs = 50000;
  if (word.load(std::memory_order_relaxed) != expected) return;
  const timespec nap = time_of(std::min(ns, kNapNs));
  nanosleep(&nap, nullptr);
}

void sleep_while_masked(const std::atomic<uint32_t> &word, uint32_t expected, uint32_t) noexcept {
  sleep_while(word, expected, UINT64_MAX);
}

void wake(const std::atomic<uint32_t> &, int, uint32_t) noexcept {}

#endif

}  // namespace ct
