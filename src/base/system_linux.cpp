// SPDX-License-Identifier: MIT
// Linux: futexes, and advice about pages.
#if defined(__linux__) && !defined(CT_GENERIC_SYSTEM)
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/system.hpp"
#include "base/system_posix.hpp"

#ifndef MADV_POPULATE_WRITE  // glibc before 2.35
#define MADV_POPULATE_WRITE 23
#endif

namespace ct::system {

void prefer_huge_pages(void *ptr, size_t bytes, bool huge) noexcept {
  madvise(ptr, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

// Linux before 5.14 does not know of this.
void populate(void *ptr, size_t bytes) noexcept { madvise(ptr, bytes, MADV_POPULATE_WRITE); }

bool discard(void *ptr, size_t bytes) noexcept { return madvise(ptr, bytes, MADV_DONTNEED) == 0; }

void sleep_while(const std::atomic<uint32_t> &word, uint32_t expected, uint64_t ns) noexcept {
  constexpr uint64_t kHour = 3600 * uint64_t{1000000000};
  const timespec limit = timespec_of(std::min(ns, kHour));
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, &limit, nullptr, 0);
}

void sleep_while_masked(const std::atomic<uint32_t> &word, uint32_t expected,
                        uint32_t mask) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected, nullptr, nullptr, mask);
}

void wake(const std::atomic<uint32_t> &word, int count, uint32_t mask) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_BITSET_PRIVATE, count, nullptr, nullptr, mask);
}

}  // namespace ct::system

#endif
