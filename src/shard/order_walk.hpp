// SPDX-License-Identifier: MIT
// A walk over the order of a shard that lets others work in between (Shard::list_ranks, list_order).
#ifndef CT_ORDER_WALK_HPP
#define CT_ORDER_WALK_HPP

#include <cstdint>

#include "policy/policy.hpp"
#include "table/entry.hpp"

namespace ct {

// What a snapshot keeps of an entry's place in the order.
struct Ranked {
  uint64_t id;  // of the key: Shard::id_of
  uint32_t rank;
};

// An entry that is pinned, and its place in the order.
struct Ordered {
  Entry *entry;
  uint32_t rank;
  uint32_t number;  // in its rank
};

// It goes on behind a place that it remembers: an entry and the one that followed it, both pinned. It
// remembers some, since others may use or remove these meanwhile. When all have changed the walk is
// over, and what it did not meet counts as hotter.
struct OrderWalk {
  static constexpr uint32_t kPlaces = 4;
  static constexpr uint64_t kStepsBack[kPlaces] = {0, 8, 64, 192};

  struct Place {
    Policy::Walk at;
    Policy::Walk next;
    Entry *entry = nullptr;
    Entry *next_entry = nullptr;
  };

  // steps_left: of this stretch.
  void remember(uint64_t steps_left, const Policy::Walk &at, const Policy::Walk &next) {
    for (uint32_t i = 0; i < kPlaces; i++) {
      if (kStepsBack[i] == steps_left) places[i] = {at, next, nullptr, nullptr};
    }
  }

  Place places[kPlaces];  // the latest first
  uint64_t left = 0;      // at most, so that it ends whatever others do meanwhile
  uint64_t version = 0;   // of the order
  bool has_begun = false;
  bool is_disturbed = false;  // the order has changed since
};

}  // namespace ct

#endif
