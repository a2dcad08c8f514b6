// SPDX-License-Identifier: MIT
// Where a cache's memory comes from, and how much of it is held. Every byte that a cache owns goes
// through one Memory: the caller's allocator if there is one, else malloc for small pieces, page heaps
// for larger ones, and mappings of their own for the very large.
//
// What is held is what the system has given: of page heaps and mappings, the pages that are resident.
#ifndef CT_MEMORY_HPP
#define CT_MEMORY_HPP

#include <cachetools.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/mapping.hpp"
#include "base/page_heap.hpp"

namespace ct {

// Those of a cache, made when one is needed.
class PageHeaps {
 private:
  struct Group {
    PageHeap heaps[3];
  };

 public:
  // tight: memory is what is limited, so that little may lie free. unlocked: tables are read without
  // a lock.
  PageHeaps(bool tight, bool unlocked) noexcept : tight_(tight), unlocked_(unlocked) {}
  ~PageHeaps();
  PageHeaps(const PageHeaps &) = delete;
  PageHeaps &operator=(const PageHeaps &) = delete;

  enum Which { kPlain, kTables, kHugeTables, kNone };

  // nullptr: no memory. Never so once there was one.
  PageHeap *get(Which which) noexcept;
  // Calls visit(heap) for those that there are.
  template <class Visit>
  void visit(Visit visit) const {
    Group *group = group_.load(std::memory_order_acquire);
    for (int i = 0; group != nullptr && i < kNone; i++) visit(group->heaps[i]);
  }
  uint64_t held() const { return held_.load(std::memory_order_relaxed); }
  // Of the heaps themselves, once there is one.
  static constexpr size_t bytes() { return sizeof(Group); }

  // What a plain piece takes, with a share of what lies free between such pieces.
  static constexpr uint64_t weigh(uint64_t bytes) {
    return ((bytes + bytes / 32 - 1) >> kGrainShift << kGrainShift) + (1u << kGrainShift);
  }

 private:
  static constexpr uint8_t kGrainShift = 10;  // of plain pieces

  Group *make() noexcept;

  const bool tight_;
  const bool unlocked_;
  std::atomic<uint64_t> held_{0};
  std::atomic<Group *> group_{nullptr};
};

class Memory {
 public:
  enum Kind {
    kPlain,
    kTable,  // may be read without a lock: its memory stays mapped until the end
    kChunk   // a table that is filled as a whole
  };

  // heaps: for what is a cache's; it outlives the pieces. With hooks it is not used.
  explicit Memory(const ct_allocator *hooks, PageHeaps *heaps = nullptr) noexcept;
  // With the same hooks and other heaps. Counts what the other has taken, which is brief.
  Memory(const Memory &other, PageHeaps *heaps = nullptr) noexcept;
  Memory &operator=(const Memory &) = delete;

  // size bytes aligned to align, a power of two, uninitialized; nullptr if there are none.
  void *allocate(size_t size, size_t align, Kind kind = kPlain) noexcept;
  void *allocate_zeroed(size_t size, size_t align, Kind kind = kPlain) noexcept;
  // As it was allocated. nullptr does nothing.
  void release(void *ptr, size_t size, size_t align, Kind kind = kPlain) noexcept;

  // Whether it lies in a page heap: parts of it can go back while it is in use. A table of zeros is
  // held there only from use() on.
  bool is_paged(size_t size, Kind kind) const noexcept {
    return place_of(size, kind) != PageHeaps::kNone;
  }
  // Parts of such a piece, as of PageHeap.
  void use(void *part, size_t bytes, size_t size, Kind kind) noexcept;
  bool discard(void *part, size_t bytes, size_t size, Kind kind) noexcept;
  // Gives back what is free.
  void trim() noexcept;

  uint64_t held() const noexcept;
  bool hooked() const noexcept { return hooks_.alloc != nullptr; }
  const ct_allocator &hooks() const noexcept { return hooks_; }
#ifdef CT_VALIDATE
  // NULL, or the invariant that is broken. At rest.
  const char *problem() const;
  // What was allocated and not released.
  uint64_t used() const;
#endif

 private:
  PageHeaps::Which place_of(size_t size, Kind kind) const noexcept;
  PageHeap *heap_of(size_t size, Kind kind) const noexcept;
  bool is_mapped(size_t size) const noexcept;
  void *allocate_beside(size_t size, size_t align) noexcept;

  ct_allocator hooks_;
  PageHeaps *const heaps_;
  std::atomic<uint64_t> held_;  // but for what lies in page heaps
};

}  // namespace ct

#endif
