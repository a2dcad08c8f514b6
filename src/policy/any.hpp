// SPDX-License-Identifier: MIT
// First inserted, first out: a list, last inserted first. Neither use nor update moves an entry.
#ifndef CT_POLICY_ANY_HPP
#define CT_POLICY_ANY_HPP

#include "fifo.hpp"

namespace ct {

class Any : public Fifo {
 public:
  using Fifo::Fifo;
  void update(Ref, uint64_t, uint64_t, Now &) override {}
};

}  // namespace ct

#endif
