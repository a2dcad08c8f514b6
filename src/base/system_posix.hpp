// SPDX-License-Identifier: MIT
// For the files of systems that are like POSIX.
#ifndef CT_SYSTEM_POSIX_HPP
#define CT_SYSTEM_POSIX_HPP

#include <time.h>

#include <cstddef>
#include <cstdint>

namespace ct::system {

inline timespec timespec_of(uint64_t ns) noexcept {
  constexpr uint64_t kSecond = 1000000000;
  return {static_cast<time_t>(ns / kSecond), static_cast<long>(ns % kSecond)};
}

}  // namespace ct::system

#endif
