// SPDX-License-Identifier: MIT
// Most recently used goes first: the order of LRU from its other end.
#ifndef CT_POLICY_MRU_HPP
#define CT_POLICY_MRU_HPP

#include "lru.hpp"

namespace ct {

class Mru : public Lru {
 public:
  static constexpr bool kTakesNewest = true;

  using Lru::Lru;
  Ref victim() override { return list_.front(); }
  Ref next_victim() const override { return list_.front(); }

  bool step(Walk &walk, uint32_t *rank) const override {
    walk.ref = walk.ref == kNone ? list_.front() : list_.towards_back(walk.ref);
    *rank = 0;
    return walk.ref != kNone;
  }
};

}  // namespace ct

#endif
