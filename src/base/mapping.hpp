// SPDX-License-Identifier: MIT
// The system's pages: mapped, unmapped and discarded. Each mapping is advised about huge pages as a
// whole and unmapped as a whole, so that a cache has few mappings, whatever it does.
//
// The system may refuse to unmap if the process would then have more mappings than it may have.
// Then the pages are discarded, and their addresses are kept for the next call that maps.
#ifndef CT_MAPPING_HPP
#define CT_MAPPING_HPP

#include <cstddef>
#include <cstdint>

#include "base/system.hpp"

namespace ct {

constexpr uint8_t kHugePageShift = 21;
constexpr size_t kHugePageBytes = size_t{1} << kHugePageShift;
// A multiple of the system's ordinary page size on every system.
constexpr size_t kLargestPageBytes = 64 * 1024;

using system::page_bytes;

// Returns zeroed memory, or nullptr if there is none. bytes is a multiple of kLargestPageBytes. If
// huge, the memory is aligned to a huge page, and in huge pages if the system has any to give;
// otherwise it is in ordinary pages only.
void *map_pages(size_t bytes, bool huge) noexcept;
void unmap_pages(void *ptr, size_t bytes) noexcept;

// Asks the system for all of these pages at once. That costs a third of as many page faults. Where
// the system does not know of this, or has no memory, the pages come when they are touched.
void populate_pages(void *ptr, size_t bytes) noexcept;

// Gives whole pages back to the system; they are zeros afterwards. Returns false if they are locked
// in memory (mlock), which then holds for all pages of their mapping.
bool discard_pages(void *ptr, size_t bytes) noexcept;

}  // namespace ct

#endif
