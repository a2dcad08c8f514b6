// SPDX-License-Identifier: MIT
// A system of which no more is known than that it is like POSIX. With CT_GENERIC_SYSTEM, any that
// is: so the tests can run this, and parking.cpp, on Linux.
#if defined(CT_GENERIC_SYSTEM) || \
    !(defined(_WIN32) || defined(__linux__) || defined(__APPLE__) || defined(__FreeBSD__))
#include "base/parking.hpp"
#include "base/system.hpp"

namespace ct::system {

void sleep_while(const std::atomic<uint32_t> &word, uint32_t expected, uint64_t ns) noexcept {
  park_while(word, expected, ns);
}

void sleep_while_masked(const std::atomic<uint32_t> &word, uint32_t expected, uint32_t) noexcept {
  park_while(word, expected, UINT64_MAX);
}

void wake(const std::atomic<uint32_t> &word, int, uint32_t) noexcept { unpark(word); }

}  // namespace ct::system

#endif
