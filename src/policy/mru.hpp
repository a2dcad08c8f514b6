// SPDX-License-Identifier: MIT
// Most recently used goes first: the order of LRU from its other end.
#ifndef CT_POLICY_MRU_HPP
#define CT_POLICY_MRU_HPP

#include "lru.hpp"

namespace ct {

class Mru : public Lru {
 public:
  using Lru::Lru;
  Ref victim() override { return list_.front(); }
  Ref next_victim() const override { return list_.front(); }

  void coldest_first(Visitor visit, void *data) const override {
    for (Ref ref = list_.front(); ref != kNone; ref = list_.towards_back(ref)) visit(data, ref, 0);
  }
};

}  // namespace ct

#endif
