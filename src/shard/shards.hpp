// SPDX-License-Identifier: MIT
// The shards of a cache, as shards and the cache know them.
#ifndef CT_SHARDS_HPP
#define CT_SHARDS_HPP

#include <cstddef>
#include <cstdint>

#include "base/cell.hpp"
#include "table/due_tree.hpp"
#include "table/entry.hpp"

namespace ct {

class Shard;

// What a shard compares with others, if there are any (Share). The shard's lock guards it; cells
// are also read without.
struct alignas(64) Demand {
  explicit Demand(uint32_t number) : rival(number) {}

  uint32_t rival;             // the shard whose stores are compared with this one's
  uint32_t gifts = 0;         // how many entries the rival is still to give
  uint32_t window = 0;        // how many stores ask from one comparison to the next
  uint32_t before = 0;        // the rival's demand when the window began
  Cell<uint32_t> planned{1};  // how many stores will have asked at the next comparison
  Cell<uint32_t> given{0};    // how many entries this shard was given
};

// The shards lie one behind the other in memory. If there are several, each ends with its demand.
struct Shards {
  char *first = nullptr;
  size_t stride = 0;
  uint32_t count = 0;  // a power of two
  DueTree due_tree;

  Shard &operator[](uint32_t number) const {
    return *reinterpret_cast<Shard *>(first + number * stride);
  }
  Demand &demand_of(uint32_t number) const {
    return *reinterpret_cast<Demand *>(first + (number + 1) * stride - sizeof(Demand));
  }
};

// An entry that a walk has pinned.
struct Held {
  Shard *shard;
  Entry *entry;
};

}  // namespace ct

#endif
