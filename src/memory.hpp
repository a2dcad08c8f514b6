// SPDX-License-Identifier: MIT
// Where a cache's memory comes from, and how much of it is held. Every byte that a cache owns goes
// through one Memory: the caller's allocator if there is one, else malloc for small pieces and the
// kernel for large ones, which then go back to it at once when they are released.
#ifndef CT_MEMORY_HPP
#define CT_MEMORY_HPP

#include <cachetools.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ct {

class Memory {
 public:
  // keeps: much of it will become idle, so that pieces are mapped that the system has back at once.
  explicit Memory(const ct_allocator *hooks, bool keeps = false) noexcept;
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
  void reuse(size_t size, size_t align) noexcept;

  // How much of such a piece can be discarded at once, quickly, at any multiple of that from its
  // beginning; 0: nothing. It is all zeros then, or as it was, and still counts as held.
  size_t discard_bytes(size_t size, size_t align) const noexcept;
  void discard(void *ptr, size_t size) noexcept;

  uint64_t held() const noexcept { return held_.load(std::memory_order_relaxed); }
  bool hooked() const noexcept { return hooks_.alloc != nullptr; }
  const ct_allocator &hooks() const noexcept { return hooks_; }

 private:
  bool is_mapped(size_t size, size_t align) const;

  ct_allocator hooks_;
  size_t map_bytes_;  // from here on a piece is mapped by itself
  std::atomic<uint64_t> held_;
};

}  // namespace ct

#endif
