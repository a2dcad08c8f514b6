// SPDX-License-Identifier: MIT
// Most recently used goes first: the order of LRU from its other end.
#ifndef CT_POLICY_MRU_HPP
#define CT_POLICY_MRU_HPP

#include "lru.hpp"

namespace ct {

class Mru : public Lru {
 public:
  using Lru::Lru;
  Ref victim() { return list_.front(); }

  template <class Visit>
  void coldest_first(Visit visit) const {
    for (Ref ref = list_.front(); ref != kNone; ref = list_.towards_back(ref)) visit(ref);
  }
};

}  // namespace ct

#endif
