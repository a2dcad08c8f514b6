// SPDX-License-Identifier: MIT
// A walk over the order of a shard that lets other threads work in between (ShardWalk::list_ranks,
// list_order).
#ifndef CT_ORDER_WALK_HPP
#define CT_ORDER_WALK_HPP

#include <cstdint>

#include "policy/policy.hpp"
#include "table/entry.hpp"

namespace ct {

// An entry's place in the order, as a snapshot keeps it.
struct Ranked {
  uint64_t id;  // of the key: ShardWalk::id_of
  uint32_t rank;
};

// An entry that is pinned, and its place in the order.
struct Ordered {
  Entry *entry;
  uint32_t rank;
  uint32_t number;  // in its rank
};

// The walk goes on behind a place that it remembers: an entry and the entry that followed it, both
// pinned. It remembers several places, since other threads may use or remove these entries
// meanwhile. When all places have changed, the walk is over, and the entries that it did not meet
// count as hotter.
struct OrderWalk {
  static constexpr uint32_t kPlaces = 4;
  static constexpr uint64_t kStepsBack[kPlaces] = {0, 8, 64, 192};

  struct Place {
    Policy::Walk at;
    Policy::Walk next;
    Entry *entry = nullptr;
    Entry *next_entry = nullptr;
  };

  // Remembers a place if steps_left is one of kStepsBack. steps_left: how many steps are left of
  // this stretch of the walk.
  void remember(uint64_t steps_left, const Policy::Walk &at, const Policy::Walk &next) {
    for (uint32_t i = 0; i < kPlaces; i++) {
      if (kStepsBack[i] == steps_left) places[i] = {at, next, nullptr, nullptr};
    }
  }

  Place places[kPlaces];  // the latest first
  uint64_t left = 0;      // steps, at most: the walk ends whatever other threads do
  uint64_t version = 0;   // of the order, at the latest stretch
  bool has_begun = false;
  bool is_disturbed = false;  // the order has changed since the walk began
};

}  // namespace ct

#endif
