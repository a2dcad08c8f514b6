// SPDX-License-Identifier: MIT
// Where a cache's memory comes from, and how much of it is held. Every byte that a cache owns goes
// through one Memory. If the caller gave an allocator, that is used; else malloc serves small
// pieces, page heaps serve larger pieces, and very large pieces get mappings of their own.
//
// Held memory is what the system has given. Of page heaps and mappings, only the resident pages
// count.
#ifndef CT_MEMORY_HPP
#define CT_MEMORY_HPP

#include <cachetools.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/mapping.hpp"
#include "base/page_heap.hpp"

namespace ct {

// The page heaps of one cache, made when one is first needed.
class PageHeaps {
 private:
  struct Group {
    PageHeap heaps[3];
  };

 public:
  // tight: the cache's limit is on memory, so only little may lie free. unlocked: tables are read
  // without a lock.
  PageHeaps(bool tight, bool unlocked) noexcept : tight_(tight), unlocked_(unlocked) {}
  ~PageHeaps();
  PageHeaps(const PageHeaps &) = delete;
  PageHeaps &operator=(const PageHeaps &) = delete;

  enum Which { kPlain, kTables, kHugeTables, kNone };

  // Returns nullptr if there is no memory. After the first heap, no call returns nullptr.
  PageHeap *get(Which which) noexcept;
  // Calls visit(heap) for each heap, if they have been made.
  template <class Visit>
  void visit(Visit visit) const {
    Group *group = group_.load(std::memory_order_acquire);
    for (int i = 0; group != nullptr && i < kNone; i++) visit(group->heaps[i]);
  }
  uint64_t held() const { return held_.load(std::memory_order_relaxed); }
  // The size of the heaps' own structs, once they have been made.
  static constexpr size_t bytes() { return sizeof(Group); }

  // Returns how many bytes a plain piece takes, including a share of the memory that lies free
  // between such pieces.
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
    kTable,  // may be touched bit by bit, or read without a lock: it stays mapped until the end
    kChunk   // a table that is filled as a whole
  };

  // heaps serves what belongs to a cache, and outlives all pieces. It is not used if there are
  // hooks.
  explicit Memory(const ct_allocator *hooks, PageHeaps *heaps = nullptr) noexcept;
  // Copies the hooks, and uses other heaps. Counts what the other Memory holds as its own. The two
  // exist together only for a moment.
  Memory(const Memory &other, PageHeaps *heaps = nullptr) noexcept;
  Memory &operator=(const Memory &) = delete;

  // Returns size bytes, uninitialized and aligned to align, a power of two. Returns nullptr if
  // there is no memory.
  void *allocate(size_t size, size_t align, Kind kind = kPlain) noexcept;
  void *allocate_zeroed(size_t size, size_t align, Kind kind = kPlain) noexcept;
  // Does the same as allocate, for a piece that is written as a whole at once, with no lock held.
  void *allocate_written(size_t size, size_t align) noexcept;
  // Does the same as allocate for a table, but what lies in a page heap counts only from use() on.
  void *allocate_untouched(size_t size, size_t align) noexcept;
  // size, align and kind are those of the allocation. nullptr is allowed and does nothing.
  void release(void *ptr, size_t size, size_t align, Kind kind = kPlain) noexcept;

  // Returns whether such a piece lies in a page heap, so that parts of it can be given back while
  // it is in use. In a page heap a table of zeros counts as held only from use() on.
  bool is_paged(size_t size, Kind kind) const noexcept {
    return place_of(size, kind) != PageHeaps::kNone;
  }
  // These work on parts of such a piece, as those of PageHeap do.
  void use(void *part, size_t bytes, size_t size, Kind kind) noexcept;
  bool discard(void *part, size_t bytes, size_t size, Kind kind) noexcept;
  // Returns in what steps parts of a table of this size are used and discarded: whole pages, but
  // not more than the system takes back in a short time. Returns 0 if the table lies in no page
  // heap, so that all of it is held from the beginning.
  size_t step_of(size_t size) const noexcept;
  // Gives all free memory back to the system.
  void trim() noexcept;

  uint64_t held() const noexcept;
  bool hooked() const noexcept { return hooks_.alloc != nullptr; }
  const ct_allocator &hooks() const noexcept { return hooks_; }
#ifdef CT_VALIDATE
  // Returns nullptr, or the invariant that is broken. No other call may run meanwhile.
  const char *problem() const;
  // Returns how many bytes are allocated and not released.
  uint64_t used() const;
#endif

 private:
  PageHeaps::Which place_of(size_t size, Kind kind) const noexcept;
  PageHeap *heap_of(size_t size, Kind kind) const noexcept;
  bool is_mapped(size_t size) const noexcept;
  void *allocate_beside(size_t size, size_t align) noexcept;

  ct_allocator hooks_;
  PageHeaps *const heaps_;
  std::atomic<uint64_t> held_;  // without what lies in page heaps
};

}  // namespace ct

#endif
