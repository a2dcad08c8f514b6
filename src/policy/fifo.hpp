// SPDX-License-Identifier: MIT
// First in, first out: a list, last stored first. An update is storing.
#ifndef CT_POLICY_FIFO_HPP
#define CT_POLICY_FIFO_HPP

#include "lru.hpp"

namespace ct {

class Fifo : public Lru {
 public:
  static constexpr Uses kUses = Uses::kIgnored;
  using Lru::Lru;
};

}  // namespace ct

#endif
