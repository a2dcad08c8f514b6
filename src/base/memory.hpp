// SPDX-License-Identifier: MIT
// Where a cache's memory comes from, and how much of it is held. Every byte that a cache owns goes
// through one Memory: the caller's allocator if there is one, else malloc for small pieces and the
// kernel for large ones, which then go back to it at once when they are released.
//
// What is held is what the system has given: mapped pieces count by whole pages, and those of their
// pages that are idle do not.
#ifndef CT_MEMORY_HPP
#define CT_MEMORY_HPP

#include <cachetools.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ct {

class Memory {
 public:
  // returns: much of it will become idle, or has to go back at once. So tables, which is what is
  // aligned to cache lines, are mapped from a page on.
  explicit Memory(const ct_allocator *hooks, bool returns = false) noexcept;
  // Only before the first allocation is shared: counts as the source's.
  Memory(const Memory &other) noexcept;
  Memory &operator=(const Memory &) = delete;

  // size bytes aligned to align, a power of two, uninitialized; nullptr if there are none.
  void *allocate(size_t size, size_t align) noexcept;
  void *allocate_zeroed(size_t size, size_t align) noexcept;
  // size and align as they were allocated. nullptr does nothing.
  void release(void *ptr, size_t size, size_t align) noexcept;

  // What lies there is not needed any more, but its addresses are, until it is reused or released,
  // and reuse comes before release. True: it is all zeros now; else it is as it was.
  bool idle(void *ptr, size_t size, size_t align) noexcept;
  void reuse(void *ptr, size_t size, size_t align) noexcept;

  // How much of such a piece can be discarded at once, quickly, at any multiple of that from its
  // beginning; 0: nothing. True: it is all zeros then; else it is as it was. It still counts as held.
  size_t discard_bytes(size_t size, size_t align) const noexcept;
  bool discard(void *ptr, size_t size) noexcept;
  // So many bytes, of whole pages of a mapped piece, are idle, or not any more.
  void count_idle(size_t size) noexcept { held_.fetch_sub(size, std::memory_order_relaxed); }
  void count_used(size_t size) noexcept { held_.fetch_add(size, std::memory_order_relaxed); }

  uint64_t held() const noexcept { return held_.load(std::memory_order_relaxed); }
  bool hooked() const noexcept { return hooks_.alloc != nullptr; }
  const ct_allocator &hooks() const noexcept { return hooks_; }

 private:
  bool is_mapped(size_t size, size_t align) const;
  size_t bytes_of(size_t size, size_t align) const;

  ct_allocator hooks_;
  size_t map_bytes_;  // from here on a table is mapped by itself
  std::atomic<uint64_t> held_;
};

}  // namespace ct

#endif
