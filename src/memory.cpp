// SPDX-License-Identifier: MIT
#include "memory.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace ct {
namespace {

// From here on a piece is mapped by itself. Above malloc's own usual threshold, so that what malloc
// would map anyway is mapped by us, and goes back when released whatever malloc has learnt.
constexpr size_t kMapBytes = 256 * 1024;
constexpr size_t kPageBytes = 4096;

bool is_mapped(size_t size, size_t align) { return size >= kMapBytes && align <= kPageBytes; }

void *system_allocate(size_t size, size_t align) {
  if (is_mapped(size, align)) {
    void *ptr = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return ptr == MAP_FAILED ? nullptr : ptr;
  }
  if (align <= alignof(std::max_align_t)) return std::malloc(size);
  return std::aligned_alloc(align, (size + align - 1) & ~(align - 1));
}

void system_release(void *ptr, size_t size, size_t align) {
  if (is_mapped(size, align)) {
    munmap(ptr, size);
  } else {
    std::free(ptr);
  }
}

}  // namespace

Memory::Memory(const ct_allocator *hooks) noexcept : hooks_{}, held_{0} {
  if (hooks != nullptr) hooks_ = *hooks;
}

Memory::Memory(const Memory &other) noexcept : hooks_(other.hooks_), held_(other.held()) {}

void *Memory::allocate(size_t size, size_t align) noexcept {
  void *ptr = hooked() ? hooks_.alloc(hooks_.ctx, size, align) : system_allocate(size, align);
  if (ptr != nullptr) held_.fetch_add(size, std::memory_order_relaxed);
  return ptr;
}

void *Memory::allocate_zeroed(size_t size, size_t align) noexcept {
  void *ptr = allocate(size, align);
  // A fresh mapping is zero; touching it would only make it resident.
  if (ptr != nullptr && (hooked() || !is_mapped(size, align))) std::memset(ptr, 0, size);
  return ptr;
}

// Small pieces are the system allocator's, and stay held.
void Memory::idle(void *ptr, size_t size, size_t align) noexcept {
  if (hooked() || !is_mapped(size, align)) return;
  madvise(ptr, size, MADV_DONTNEED);
  held_.fetch_sub(size, std::memory_order_relaxed);
}

void Memory::reuse(size_t size, size_t align) noexcept {
  if (!hooked() && is_mapped(size, align)) held_.fetch_add(size, std::memory_order_relaxed);
}

bool Memory::zero(void *ptr, size_t size, size_t align) noexcept {
  return !hooked() && is_mapped(size, align) && madvise(ptr, size, MADV_DONTNEED) == 0;
}

void Memory::release(void *ptr, size_t size, size_t align) noexcept {
  if (ptr == nullptr) return;
  held_.fetch_sub(size, std::memory_order_relaxed);
  if (hooked()) {
    hooks_.free(hooks_.ctx, ptr, size, align);
  } else {
    system_release(ptr, size, align);
  }
}

}  // namespace ct
