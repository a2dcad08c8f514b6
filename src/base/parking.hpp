// SPDX-License-Identifier: MIT
// Sleeping until a word changes, where the system has nothing for it: a parking lot, that is a few
// condition variables that words share by their address. A wake wakes all that sleep in the same
// place, whichever their word.
//
// A process that forks while another thread parks or wakes may find the place locked in the child.
#ifndef CT_PARKING_HPP
#define CT_PARKING_HPP

#include <atomic>
#include <cstdint>

namespace ct::system {

// Sleeps while the word is equal to expected, for at most ns; UINT64_MAX stands for no limit.
void park_while(const std::atomic<uint32_t> &word, uint32_t expected, uint64_t ns) noexcept;
void unpark(const std::atomic<uint32_t> &word) noexcept;

}  // namespace ct::system

#endif
