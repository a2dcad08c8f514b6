// SPDX-License-Identifier: MIT
#include "base/memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace ct {
namespace {

constexpr size_t kPageBytes = 4096;
// Above malloc's own usual threshold, so that what malloc would map anyway is mapped by us, and goes
// back when released whatever malloc has learnt.
constexpr size_t kMapBytes = 256 * 1024;
constexpr size_t kMapReturnedBytes = kPageBytes;
constexpr size_t kTableAlign = 64;

// From here on a piece lies in huge pages, if the system has them to give, and begins with one. What
// is read at random then misses fewer addresses, and a page not filled yet counts for little beside so
// much. The first touch of one takes some tenths of a millisecond, and several milliseconds where a
// virtual machine is only then given that memory: too long for caches that are not very large.
constexpr size_t kHugeBytes = 16 * 1024 * 1024;
constexpr size_t kHugePageBytes = 2 * 1024 * 1024;
// Whatever the system's usual pages are, this is a multiple of them.
constexpr size_t kLargestPage = 64 * 1024;

// As many go back to the system in some ten microseconds. Of a smaller piece a sixteenth.
constexpr size_t kDiscardBytes = 128 * 1024;

void advise(void *ptr, size_t size) {
  if (size >= kHugeBytes) madvise(ptr, size, MADV_HUGEPAGE);
}

constexpr size_t whole_pages(size_t size) { return (size + kPageBytes - 1) & ~(kPageBytes - 1); }

void *map_plain(size_t size) {
  void *ptr = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return ptr == MAP_FAILED ? nullptr : ptr;
}

size_t mapped_bytes(size_t size) {
  return size < kHugeBytes ? size : (size + kLargestPage - 1) & ~(kLargestPage - 1);
}

// What is mapped beyond a large piece, for it to begin with a huge page, goes back at once.
void *map(size_t size) {
  const size_t bytes = mapped_bytes(size);
  if (size < kHugeBytes) return map_plain(bytes);
  auto *first = static_cast<char *>(map_plain(bytes + kHugePageBytes));
  if (first == nullptr) return map_plain(bytes);
  const size_t before = -reinterpret_cast<uintptr_t>(first) & (kHugePageBytes - 1);
  if (before != 0) munmap(first, before);
  if (before != kHugePageBytes) munmap(first + before + bytes, kHugePageBytes - before);
  advise(first + before, bytes);
  return first + before;
}

}  // namespace

Memory::Memory(const ct_allocator *hooks, bool returns) noexcept
    : hooks_{}, map_bytes_(returns ? kMapReturnedBytes : kMapBytes), held_{0} {
  if (hooks != nullptr) hooks_ = *hooks;
}

Memory::Memory(const Memory &other) noexcept
    : hooks_(other.hooks_), map_bytes_(other.map_bytes_), held_(other.held()) {}

bool Memory::is_mapped(size_t size, size_t align) const {
  const size_t least = align >= kTableAlign ? map_bytes_ : kMapBytes;
  return !hooked() && size >= least && align <= kPageBytes;
}

// As they count.
size_t Memory::bytes_of(size_t size, size_t align) const {
  return is_mapped(size, align) ? whole_pages(size) : size;
}

void *Memory::allocate(size_t size, size_t align) noexcept {
  void *ptr;
  if (hooked()) {
    ptr = hooks_.alloc(hooks_.ctx, size, align);
  } else if (is_mapped(size, align)) {
    ptr = map(size);
  } else if (align <= alignof(std::max_align_t)) {
    ptr = std::malloc(size);
  } else {
    ptr = std::aligned_alloc(align, (size + align - 1) & ~(align - 1));
  }
  if (ptr != nullptr) held_.fetch_add(bytes_of(size, align), std::memory_order_relaxed);
  return ptr;
}

void *Memory::allocate_zeroed(size_t size, size_t align) noexcept {
  void *ptr = allocate(size, align);
  // A fresh mapping is zero; touching it would only make it resident.
  if (ptr != nullptr && !is_mapped(size, align)) std::memset(ptr, 0, size);
  return ptr;
}

// Small pieces are the system allocator's, and stay held.
bool Memory::idle(void *ptr, size_t size, size_t align) noexcept {
  if (!is_mapped(size, align)) return false;
  count_idle(whole_pages(size));
  return madvise(ptr, size, MADV_DONTNEED) == 0;
}

void Memory::reuse(void *ptr, size_t size, size_t align) noexcept {
  if (!is_mapped(size, align)) return;
  count_used(whole_pages(size));
  advise(ptr, size);
}

size_t Memory::discard_bytes(size_t size, size_t align) const noexcept {
  return is_mapped(size, align) ? std::min(kDiscardBytes, whole_pages(size / 16)) : 0;
}

bool Memory::discard(void *ptr, size_t size) noexcept {
  // Else a huge page may come back for what is left beside it.
  madvise(ptr, size, MADV_NOHUGEPAGE);
  return madvise(ptr, size, MADV_DONTNEED) == 0;
}

void Memory::release(void *ptr, size_t size, size_t align) noexcept {
  if (ptr == nullptr) return;
  held_.fetch_sub(bytes_of(size, align), std::memory_order_relaxed);
  if (hooked()) {
    hooks_.free(hooks_.ctx, ptr, size, align);
  } else if (is_mapped(size, align)) {
    munmap(ptr, mapped_bytes(size));
  } else {
    std::free(ptr);
  }
}

}  // namespace ct
