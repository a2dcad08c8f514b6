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
  explicit Memory(const ct_allocator *hooks) noexcept;
  // Only before the first allocation is shared: counts as the source's.
  Memory(const Memory &other) noexcept;
  Memory &operator=(const Memory &) = delete;

  // size bytes aligned to align, a power of two, uninitialized; nullptr if there are none.
  void *allocate(size_t size, size_t align) noexcept;
  void *allocate_zeroed(size_t size, size_t align) noexcept;
  // size and align as they were allocated. nullptr does nothing.
  void release(void *ptr, size_t size, size_t align) noexcept;

  // What lies there is not needed any more, but its addresses are: it reads as zeros or as it was.
  // Whether the system took it back, reuse must know by size and align.
  void idle(void *ptr, size_t size, size_t align) noexcept;
  void reuse(size_t size, size_t align) noexcept;
  // Makes it zeros by giving it back to the system; false: it is too small for that.
  bool zero(void *ptr, size_t size, size_t align) noexcept;

  uint64_t held() const noexcept { return held_.load(std::memory_order_relaxed); }
  bool hooked() const noexcept { return hooks_.alloc != nullptr; }
  const ct_allocator &hooks() const noexcept { return hooks_; }

 private:
  ct_allocator hooks_;
  std::atomic<uint64_t> held_;
};

}  // namespace ct

#endif
