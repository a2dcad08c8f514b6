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

// Does what discard() has to, by new pages in the place of these. No thread ever finds the place
// empty.
bool map_over(void *ptr, size_t bytes) noexcept;

}  // namespace ct::system

#endif
