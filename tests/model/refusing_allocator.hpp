// SPDX-License-Identifier: MIT
// An allocator that gives no memory while it refuses.
#ifndef REFUSING_ALLOCATOR_HPP
#define REFUSING_ALLOCATOR_HPP

#include <cachetools.h>

#include <cstdlib>

inline ct_allocator refusing_allocator(bool *refuses) {
  ct_allocator hooks = CT_ALLOCATOR_INIT;
  hooks.ctx = refuses;
  hooks.alloc = [](void *ctx, size_t size, size_t align) -> void * {
    return *static_cast<bool *>(ctx) ? nullptr : std::aligned_alloc(align, size);
  };
  hooks.free = [](void *, void *ptr, size_t, size_t) { std::free(ptr); };
  return hooks;
}

#endif
