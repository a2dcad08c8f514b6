// SPDX-License-Identifier: MIT
// What the library asks of the operating system: memory, sleep, randomness, a last word. Its clocks
// are in system_clock.hpp, its files in file.hpp. Each system has a file of its own, and each of them is empty elsewhere:
//
//   system_linux.cpp, system_darwin.cpp, system_freebsd.cpp   what only that system does
//   system_generic.cpp                                        any other system that is like POSIX
//   system_posix.cpp                                          what these four have in common
//   system_windows.cpp                                        all for Windows
//
// Only these, system_clock.hpp, system_posix.hpp and parking.cpp include headers of a system.
#ifndef CT_SYSTEM_HPP
#define CT_SYSTEM_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ct {

// Identifies a thread for as long as it is inside a call. 0 stands for no thread.
using Thread = uintptr_t;

namespace system {

// ---- Memory -----------------------------------------------------------------------------------

// Whether a part of a mapping can be unmapped. Otherwise only whole mappings can.
#ifdef _WIN32
constexpr bool kUnmapsParts = false;
#else
constexpr bool kUnmapsParts = true;
#endif

// Returns the ordinary page size.
size_t page_bytes() noexcept;

// Returns zeroed memory that can be written, or nullptr if there is none.
void *map(size_t bytes) noexcept;
// Returns such memory at a multiple of align, or nullptr. Only where parts cannot be unmapped.
void *map_aligned(size_t bytes, size_t align) noexcept;
// Returns false if the system refuses to, because the process has too many mappings.
bool unmap(void *ptr, size_t bytes) noexcept;
// Asks for huge pages, or for ordinary ones only, where there is a choice.
void prefer_huge_pages(void *ptr, size_t bytes, bool huge) noexcept;
// Asks for all of these pages at once, where that is possible.
void populate(void *ptr, size_t bytes) noexcept;
// Gives whole pages back; they stay mapped, and read as zeros from then on. Other threads may read
// them meanwhile, and get what was there or zeros. Returns false if the pages are locked in memory,
// and stay; what they read as is then unknown.
bool discard(void *ptr, size_t bytes) noexcept;

// As malloc, for an alignment, a power of two, that malloc does not promise. bytes is a multiple.
void *allocate_aligned(size_t align, size_t bytes) noexcept;
void release_aligned(void *ptr) noexcept;
// Whether free() takes what allocate_aligned returns.
#ifdef _WIN32
constexpr bool kFreesAligned = false;
#else
constexpr bool kFreesAligned = true;
#endif

// ---- Threads ----------------------------------------------------------------------------------

// In the ABI of ELF this is a register.
#if defined(__ELF__) && __has_builtin(__builtin_thread_pointer)
inline Thread this_thread() noexcept {
  return reinterpret_cast<Thread>(__builtin_thread_pointer());
}
#else
Thread this_thread() noexcept;
#endif

// Lets other threads run first.
void yield() noexcept;

// Sleeps while the word is equal to expected, for at most ns. May also wake early for no reason.
void sleep_while(const std::atomic<uint32_t> &word, uint32_t expected, uint64_t ns) noexcept;
// Does the same without a time limit. Only a wake whose mask shares a bit with this mask has to end
// it. Systems without masks wake more threads than necessary.
void sleep_while_masked(const std::atomic<uint32_t> &word, uint32_t expected,
                        uint32_t mask) noexcept;
// Wakes count of the threads that sleep on the word, or all. The word itself may already be gone.
// Threads that sleep without a mask share a bit with every mask. If there is a mask, count is
// INT_MAX.
void wake(const std::atomic<uint32_t> &word, int count, uint32_t mask = UINT32_MAX) noexcept;

// ---- The rest ---------------------------------------------------------------------------------

// Returns false if the system has no random bytes to give. At most 256 bytes.
bool fill_randomly(void *bytes, size_t size) noexcept;

// Writes to the standard error, if it can be written to.
void say(const char *text) noexcept;

}  // namespace system
}  // namespace ct

#endif
