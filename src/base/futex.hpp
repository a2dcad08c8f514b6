// SPDX-License-Identifier: MIT
// Sleeping until a word changes, by futexes. On systems without futexes, by naps.
#ifndef CT_FUTEX_HPP
#define CT_FUTEX_HPP

#include <atomic>
#include <cstdint>

namespace ct {

// Sleeps while the word is equal to expected, for at most ns. May also wake early for no reason.
void sleep_while(const std::atomic<uint32_t> &word, uint32_t expected, uint64_t ns) noexcept;
// Does the same without a time limit. Only a wake whose mask shares a bit with this mask counts.
void sleep_while_masked(const std::atomic<uint32_t> &word, uint32_t expected,
                        uint32_t mask) noexcept;

// Wakes at most count of the threads that sleep on the word. The word itself may already be gone.
// Threads that sleep without a mask share a bit with every mask.
void wake(const std::atomic<uint32_t> &word, int count, uint32_t mask = UINT32_MAX) noexcept;

}  // namespace ct

#endif
