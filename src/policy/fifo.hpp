// SPDX-License-Identifier: MIT
// First in, first out: a list, last stored first. An update is storing.
#ifndef CT_POLICY_FIFO_HPP
#define CT_POLICY_FIFO_HPP

#include "lru.hpp"

namespace ct {

class Fifo : public Lru {
 public:
  using Lru::Lru;
  void hit(Ref, uint64_t, Now &) override {}
};

}  // namespace ct

#endif
