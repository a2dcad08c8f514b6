// SPDX-License-Identifier: MIT
// The shards of a cache, as shards and the cache know them.
#ifndef CT_SHARDS_HPP
#define CT_SHARDS_HPP

#include <cstddef>
#include <cstdint>

#include "table/due_tree.hpp"
#include "table/entry.hpp"

namespace ct {

class Shard;

// The shards lie one behind the other in memory.
struct Shards {
  char *first = nullptr;
  size_t stride = 0;
  uint32_t count = 0;  // a power of two
  DueTree due_tree;

  Shard &operator[](uint32_t number) const {
    return *reinterpret_cast<Shard *>(first + number * stride);
  }
};

// An entry that a walk has pinned.
struct Held {
  Shard *shard;
  Entry *entry;
};

}  // namespace ct

#endif
