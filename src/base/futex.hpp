// SPDX-License-Identifier: MIT
// Sleeping until a word changes. On systems without futexes, naps.
#ifndef CT_FUTEX_HPP
#define CT_FUTEX_HPP

#include <atomic>
#include <cstdint>

namespace ct {

// Sleeps at most that long while the word is expected; wakes early now and then for no reason.
void sleep_while(const std::atomic<uint32_t> &word, uint32_t expected, uint64_t ns) noexcept;
// The same without a limit; a wake must share a bit with the mask.
void sleep_while_masked(const std::atomic<uint32_t> &word, uint32_t expected,
                        uint32_t mask) noexcept;

// Wakes at most that many of those who sleep on the word, which may be gone already. Those who sleep
// without a mask share all bits.
void wake(const std::atomic<uint32_t> &word, int count, uint32_t mask = UINT32_MAX) noexcept;

}  // namespace ct

#endif
