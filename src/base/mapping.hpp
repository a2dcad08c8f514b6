// SPDX-License-Identifier: MIT
// Pages of the system's: mapped, unmapped and discarded. A mapping is advised about huge pages as a
// whole and unmapped as a whole, so that a cache has few of them, whatever it does.
//
// The system may refuse to unmap, where that would leave a process with more mappings than it may
// have. Then the pages are discarded, and their addresses are kept for whoever maps next.
#ifndef CT_MAPPING_HPP
#define CT_MAPPING_HPP

#include <cstddef>
#include <cstdint>

namespace ct {

constexpr uint8_t kHugePageShift = 21;
constexpr size_t kHugePageBytes = size_t{1} << kHugePageShift;
// Whatever the system's usual pages are, this is a multiple of them.
constexpr size_t kLargestPageBytes = 64 * 1024;

// Of the system's usual pages.
size_t page_bytes() noexcept;

// bytes, a multiple of kLargestPageBytes, all zeros; nullptr: there are none. huge: in huge pages,
// if the system has them to give, and aligned to one; else in none.
void *map_pages(size_t bytes, bool huge) noexcept;
void unmap_pages(void *ptr, size_t bytes) noexcept;

// Gives whole pages back; they are zeros then. False: they are locked in memory (mlock), and so are
// all others of their mapping.
bool discard_pages(void *ptr, size_t bytes) noexcept;

}  // namespace ct

#endif
