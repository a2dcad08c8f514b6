// SPDX-License-Identifier: MIT
#include "base/memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace ct {
namespace {

// Smaller pieces come from malloc. Of larger pieces, malloc may keep half as much again as is in
// use, as free memory between pieces that were allocated later.
constexpr size_t kPlainBytes = 8 * 1024;

// A piece of this size or more lies in huge pages, if the system has any to give. Random reads then
// cause fewer TLB misses, and a page that is not filled yet counts for little beside so large a
// piece. The first touch of a huge page takes some tenths of a millisecond, and several
// milliseconds where a virtual machine is given that memory only then: too long for caches that are
// not very large.
constexpr size_t kHugeBytes = 16 * 1024 * 1024;

// The system takes this much back in some ten microseconds.
constexpr size_t kStepBytes = 128 * 1024;

size_t mapped_bytes(size_t size) {
  return (size + kLargestPageBytes - 1) & ~(kLargestPageBytes - 1);
}

size_t whole_pages(size_t size) { return (size + page_bytes() - 1) & ~(page_bytes() - 1); }

}  // namespace

// ---- Page heaps -------------------------------------------------------------------------------

PageHeap *PageHeaps::get(Which which) noexcept {
  Group *group = group_.load(std::memory_order_acquire);
  if (group == nullptr) group = make();
  return group == nullptr ? nullptr : &group->heaps[which];
}

PageHeaps::Group *PageHeaps::make() noexcept {
  void *where = std::malloc(sizeof(Group));
  if (where == nullptr) return nullptr;
  // Entries that lie apart are of all sizes. More memory lies free between them than between
  // chunks, and free memory within chunks counts as well. An entry's weight includes a share of
  // both; what a tight heap keeps beyond that stays within what CT_WEIGHT_MEMORY allows. Where
  // values of up to 500 kB filled 32 MiB, half of this slack cost 1.3 times the page faults. Where
  // values of up to 20 kB filled 64 MiB, no slack for chunks cost 1.8 times as many.
  PageHeap::Options plain = {};
  plain.grain_shift = kGrainShift;
  plain.range_runs = 16;
  plain.slack_shift = tight_ ? 4 : 2;
  plain.few_shift = tight_ ? 6 : 5;
  PageHeap::Options tables = {};
  tables.kept = unlocked_;
  tables.grain_shift = PageHeap::kMinShift;
  tables.range_shift = 2;
  tables.range_runs = 1;
  tables.slack_shift = tight_ ? 7 : 4;
  tables.few_shift = plain.few_shift;
  PageHeap::Options huge_tables = tables;
  huge_tables.huge = true;
  huge_tables.grain_shift = kHugePageShift;
  Group *group = new (where) Group{{{held_, plain}, {held_, tables}, {held_, huge_tables}}};
  Group *other = nullptr;
  if (!group_.compare_exchange_strong(other, group, std::memory_order_acq_rel)) {
    group->~Group();
    std::free(group);
    return other;
  }
  held_.fetch_add(sizeof(Group), std::memory_order_relaxed);
  return group;
}

PageHeaps::~PageHeaps() {
  Group *group = group_.load(std::memory_order_relaxed);
  if (group == nullptr) return;
  group->~Group();
  std::free(group);
}

// ---- Memory -----------------------------------------------------------------------------------

Memory::Memory(const ct_allocator *hooks, PageHeaps *heaps) noexcept
    : hooks_{}, heaps_(hooks == nullptr ? heaps : nullptr), held_{0} {
  if (hooks != nullptr) hooks_ = *hooks;
}

Memory::Memory(const Memory &other, PageHeaps *heaps) noexcept
    : hooks_(other.hooks_), heaps_(other.hooked() ? nullptr : heaps), held_(other.held_.load()) {}

PageHeaps::Which Memory::place_of(size_t size, Kind kind) const noexcept {
  if (heaps_ == nullptr || size < (kind == kPlain ? kPlainBytes : PageHeap::kMinBytes)) {
    return PageHeaps::kNone;
  }
  if (kind == kTable || kind == kChunk) {
    const size_t huge = kind == kTable ? kHugeBytes : kHugePageBytes;
    return size < huge ? PageHeaps::kTables : PageHeaps::kHugeTables;
  }
  return size < kHugeBytes ? PageHeaps::kPlain : PageHeaps::kNone;
}

PageHeap *Memory::heap_of(size_t size, Kind kind) const noexcept {
  const PageHeaps::Which which = place_of(size, kind);
  return which == PageHeaps::kNone ? nullptr : heaps_->get(which);
}

// For pieces that lie in no page heap.
bool Memory::is_mapped(size_t size) const noexcept {
  return heaps_ != nullptr && size >= kHugeBytes;
}

void *Memory::allocate(size_t size, size_t align, Kind kind) noexcept {
  if (!is_paged(size, kind)) return allocate_beside(size, align);
  PageHeap *heap = heap_of(size, kind);
  return heap == nullptr ? nullptr : heap->allocate(size);
}

void *Memory::allocate_zeroed(size_t size, size_t align, Kind kind) noexcept {
  if (is_paged(size, kind)) {
    PageHeap *heap = heap_of(size, kind);
    void *zeros = heap == nullptr ? nullptr : heap->allocate_zeroed(size);
    if (zeros != nullptr && kind != kTable) heap->use(zeros, size);
    return zeros;
  }
  void *ptr = allocate_beside(size, align);
  // A fresh mapping is zero already; writing zeros would only make it resident.
  if (ptr != nullptr && !is_mapped(size)) std::memset(ptr, 0, size);
  return ptr;
}

void *Memory::allocate_written(size_t size, size_t align) noexcept {
  if (!is_paged(size, kPlain)) return allocate_beside(size, align);
  PageHeap *heap = heap_of(size, kPlain);
  return heap == nullptr ? nullptr : heap->allocate_written(size);
}

void *Memory::allocate_untouched(size_t size, size_t align) noexcept {
  if (!is_paged(size, kTable)) return allocate_beside(size, align);
  PageHeap *heap = heap_of(size, kTable);
  return heap == nullptr ? nullptr : heap->allocate_untouched(size);
}

size_t Memory::step_of(size_t size) const noexcept {
  switch (place_of(size, kTable)) {
    case PageHeaps::kHugeTables:
      return kHugePageBytes;
    case PageHeaps::kTables:
      return std::min(kStepBytes, size / 16 + page_bytes()) / page_bytes() * page_bytes();
    default:
      return 0;
  }
}

void *Memory::allocate_beside(size_t size, size_t align) noexcept {
  void *ptr;
  if (hooked()) {
    ptr = hooks_.alloc(hooks_.ctx, size, align);
  } else if (is_mapped(size)) {
    ptr = map_pages(mapped_bytes(size), true);
  } else if (align <= alignof(std::max_align_t)) {
    ptr = std::malloc(size);
  } else {
    ptr = system::allocate_aligned(align, (size + align - 1) & ~(align - 1));
  }
  if (ptr != nullptr) {
    held_.fetch_add(is_mapped(size) ? whole_pages(size) : size, std::memory_order_relaxed);
  }
  return ptr;
}

void Memory::release(void *ptr, size_t size, size_t align, Kind kind) noexcept {
  if (ptr == nullptr) return;
  if (PageHeap *heap = heap_of(size, kind)) {
    heap->release(ptr, size);
    return;
  }
  held_.fetch_sub(is_mapped(size) ? whole_pages(size) : size, std::memory_order_relaxed);
  if (hooked()) {
    hooks_.free(hooks_.ctx, ptr, size, align);
  } else if (is_mapped(size)) {
    unmap_pages(ptr, mapped_bytes(size));
  } else if (!system::kFreesAligned && align > alignof(std::max_align_t)) {
    system::release_aligned(ptr);
  } else {
    std::free(ptr);
  }
}

void Memory::use(void *part, size_t bytes, size_t size, Kind kind) noexcept {
  if (PageHeap *heap = heap_of(size, kind)) heap->use(part, bytes);
}

bool Memory::discard(void *part, size_t bytes, size_t size, Kind kind) noexcept {
  PageHeap *heap = heap_of(size, kind);
  if (heap == nullptr) return false;
  return heap->discard(part, bytes == size ? heap->run_bytes(size) : bytes);
}

void Memory::trim() noexcept {
  if (heaps_ != nullptr) heaps_->visit([](PageHeap &heap) { heap.trim(); });
}

uint64_t Memory::held() const noexcept {
  return held_.load(std::memory_order_relaxed) + (heaps_ == nullptr ? 0 : heaps_->held());
}

#ifdef CT_VALIDATE
uint64_t Memory::used() const {
  uint64_t used = held_;
  if (heaps_ != nullptr) heaps_->visit([&](const PageHeap &heap) { used += heap.used_bytes(); });
  return used;
}

const char *Memory::problem() const {
  const char *problem = nullptr;
  uint64_t held = 0;
  const auto look = [&](const PageHeap &heap) {
    if (problem == nullptr) problem = heap.problem();
    held += heap.held_bytes();
  };
  if (heaps_ != nullptr) heaps_->visit(look);
  if (problem != nullptr || held == 0) return problem;
  return held + PageHeaps::bytes() == heaps_->held() ? nullptr
                                                     : "memory: it holds not what its heaps do";
}
#endif

}  // namespace ct
