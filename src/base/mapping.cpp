// SPDX-License-Identifier: MIT
#include "base/mapping.hpp"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/lock.hpp"

#ifdef CT_VALGRIND
#include <valgrind/memcheck.h>
#endif

namespace ct {
namespace {

// Addresses that could not be unmapped, sorted. No two of them are neighbours.
struct Leftover {
  Leftover *next;
  char *ptr;
  size_t bytes;

  char *end() const { return ptr + bytes; }
};

Lock leftover_lock;
Leftover *leftovers CT_GUARDED_BY(leftover_lock) = nullptr;
std::atomic<bool> any_leftovers{false};

// Joins a leftover with the next one if they touch.
void join_with_next(Leftover *leftover) {
  Leftover *next = leftover->next;
  if (next == nullptr || leftover->end() != next->ptr) return;
  leftover->bytes += next->bytes;
  leftover->next = next->next;
  std::free(next);
}

// If there is no memory to note the addresses, they stay mapped. The pages at them have been given
// back in any case.
void keep_addresses(char *ptr, size_t bytes) {
  auto *leftover = static_cast<Leftover *>(std::malloc(sizeof(Leftover)));
  if (leftover == nullptr) return;
  const Guard guard(leftover_lock);
  Leftover *before = nullptr;
  Leftover **link = &leftovers;
  for (; *link != nullptr && (*link)->ptr < ptr; link = &before->next) before = *link;
  *leftover = {*link, ptr, bytes};
  *link = leftover;
  join_with_next(leftover);
  if (before != nullptr) join_with_next(before);
  any_leftovers.store(true, std::memory_order_relaxed);
}

// Returns nullptr if no leftover is large enough.
char *take_addresses(size_t bytes) {
  if (!any_leftovers.load(std::memory_order_relaxed)) return nullptr;
  const Guard guard(leftover_lock);
  Leftover **link = &leftovers;
  while (*link != nullptr && (*link)->bytes < bytes) link = &(*link)->next;
  Leftover *found = *link;
  if (found == nullptr) return nullptr;
  char *ptr = found->ptr;
  found->ptr += bytes;
  found->bytes -= bytes;
  if (found->bytes == 0) {
    *link = found->next;
    std::free(found);
    any_leftovers.store(leftovers != nullptr, std::memory_order_relaxed);
  }
  return ptr;
}

char *map_any(size_t bytes) { return static_cast<char *>(system::map(bytes)); }

// Maps more than is needed, so that the result can begin with a huge page, and unmaps the surplus
// at once.
char *map_huge(size_t bytes) {
  if constexpr (!system::kUnmapsParts) {
    return static_cast<char *>(system::map_aligned(bytes, kHugePageBytes));
  }
  char *first = take_addresses(bytes + kHugePageBytes);
  if (first == nullptr) first = map_any(bytes + kHugePageBytes);
  if (first == nullptr) return nullptr;
  const size_t before = -reinterpret_cast<uintptr_t>(first) & (kHugePageBytes - 1);
  if (before != 0) unmap_pages(first, before);
  if (before != kHugePageBytes) unmap_pages(first + before + bytes, kHugePageBytes - before);
  return first + before;
}

}  // namespace

void *map_pages(size_t bytes, bool huge) noexcept {
  char *ptr = huge ? map_huge(bytes) : take_addresses(bytes);
  if (ptr == nullptr) ptr = map_any(bytes);
  if (ptr != nullptr) system::prefer_huge_pages(ptr, bytes, huge);
  return ptr;
}

void unmap_pages(void *ptr, size_t bytes) noexcept {
  if (system::unmap(ptr, bytes)) return;
  if (!discard_pages(ptr, bytes)) std::memset(ptr, 0, bytes);
  keep_addresses(static_cast<char *>(ptr), bytes);
}

void populate_pages(void *ptr, size_t bytes) noexcept { system::populate(ptr, bytes); }

bool discard_pages(void *ptr, size_t bytes) noexcept {
  if (!system::discard(ptr, bytes)) return false;
#ifdef CT_VALGRIND
  // Valgrind does not know that these pages are zeros now. If the bytes that were there before were
  // undefined, as padding is, Valgrind would report every use of the zeros.
  VALGRIND_MAKE_MEM_DEFINED(ptr, bytes);
#endif
  return true;
}

}  // namespace ct
