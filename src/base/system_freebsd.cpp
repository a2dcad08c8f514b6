// SPDX-License-Identifier: MIT
// FreeBSD: the system call under its threads' locks, which does as a futex does but for masks.
#if defined(__FreeBSD__) && !defined(CT_GENERIC_SYSTEM)
#include <sys/types.h>
// This comes behind.
#include <sys/umtx.h>

#include <algorithm>

#include "base/system.hpp"
#include "base/system_posix.hpp"

namespace ct::system {
namespace {

void *address_of(const std::atomic<uint32_t> &word) {
  return const_cast<std::atomic<uint32_t> *>(&word);
}

}  // namespace

void sleep_while(const std::atomic<uint32_t> &word, uint32_t expected, uint64_t ns) noexcept {
  constexpr uint64_t kHour = 3600 * uint64_t{1000000000};
  _umtx_time limit = {timespec_of(std::min(ns, kHour)), 0, CLOCK_MONOTONIC};
  _umtx_op(address_of(word), UMTX_OP_WAIT_UINT_PRIVATE, expected,
           reinterpret_cast<void *>(sizeof limit), &limit);
}

void sleep_while_masked(const std::atomic<uint32_t> &word, uint32_t expected, uint32_t) noexcept {
  _umtx_op(address_of(word), UMTX_OP_WAIT_UINT_PRIVATE, expected, nullptr, nullptr);
}

void wake(const std::atomic<uint32_t> &word, int count, uint32_t) noexcept {
  _umtx_op(address_of(word), UMTX_OP_WAKE_PRIVATE, static_cast<unsigned long>(count), nullptr,
           nullptr);
}

}  // namespace ct::system

#endif
