// SPDX-License-Identifier: MIT
// macOS and its kin. From macOS 14.4 on, threads sleep on addresses; before, in the parking lot.
#if defined(__APPLE__) && !defined(CT_GENERIC_SYSTEM)
#include <dlfcn.h>

#include <algorithm>

#include "base/parking.hpp"
#include "base/system.hpp"

namespace ct::system {
namespace {

// As <os/os_sync_wait_on_address.h> declares them and <os/clock.h> numbers the clock; older kits
// have neither. A program that is built on a new system may run on an old one, so they are looked
// up when it runs.
using Wait = int (*)(void *address, uint64_t value, size_t size, uint32_t flags);
using TimedWait = int (*)(void *address, uint64_t value, size_t size, uint32_t flags,
                          uint32_t clock, uint64_t ns);
using Wake = int (*)(void *address, size_t size, uint32_t flags);
constexpr uint32_t kAbsoluteTime = 32;

// Looks a function up once. Returns nullptr if this system has none of that name.
template <class Function>
Function look_up(std::atomic<void *> &known, const char *name) noexcept {
  void *function = known.load(std::memory_order_acquire);
  if (function == nullptr) {
    function = dlsym(RTLD_DEFAULT, name);
    if (function == nullptr) function = &known;
    known.store(function, std::memory_order_release);
  }
  return function == &known ? nullptr : reinterpret_cast<Function>(function);
}

std::atomic<void *> wait_function, timed_wait_function, wake_one_function, wake_all_function;

void *address_of(const std::atomic<uint32_t> &word) {
  return const_cast<std::atomic<uint32_t> *>(&word);
}

}  // namespace

void sleep_while(const std::atomic<uint32_t> &word, uint32_t expected, uint64_t ns) noexcept {
  const auto wait = look_up<TimedWait>(timed_wait_function, "os_sync_wait_on_address_with_timeout");
  if (wait == nullptr) return park_while(word, expected, ns);
  constexpr uint64_t kHour = 3600 * uint64_t{1000000000};
  // A limit of 0 is an error.
  wait(address_of(word), expected, sizeof word, 0, kAbsoluteTime,
       std::clamp(ns, uint64_t{1}, kHour));
}

void sleep_while_masked(const std::atomic<uint32_t> &word, uint32_t expected, uint32_t) noexcept {
  const auto wait = look_up<Wait>(wait_function, "os_sync_wait_on_address");
  if (wait == nullptr) return park_while(word, expected, UINT64_MAX);
  wait(address_of(word), expected, sizeof word, 0);
}

void wake(const std::atomic<uint32_t> &word, int count, uint32_t) noexcept {
  const auto wake_function = count == 1
                                 ? look_up<Wake>(wake_one_function, "os_sync_wake_by_address_any")
                                 : look_up<Wake>(wake_all_function, "os_sync_wake_by_address_all");
  if (wake_function == nullptr) return unpark(word);
  wake_function(address_of(word), sizeof word, 0);
}

}  // namespace ct::system

#endif
