// SPDX-License-Identifier: MIT
// A record: what a snapshot keeps of an entry.
#ifndef CT_RECORD_HPP
#define CT_RECORD_HPP

#include <cstdint>

#include "table/entry.hpp"

namespace ct {

struct Record {
  Bytes key;
  Bytes value;
  uint64_t uses;    // 0 if the policy does not count them
  uint64_t ttl;     // left of the lifetime from the write on; 0: over, CT_NEVER: there is none
  uint64_t idle;    // the same for the lifetime from the last use on
  uint64_t weight;  // if weighed
  bool weighed;     // the entry has a weight of its own
};

}  // namespace ct

#endif
