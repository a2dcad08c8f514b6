// SPDX-License-Identifier: MIT
// An entry outside of any cache: what a snapshot keeps of it.
#ifndef CT_RECORD_HPP
#define CT_RECORD_HPP

#include <cstdint>

#include "table/entry.hpp"

namespace ct {

struct Record {
  Bytes key;
  Bytes value;
  uint64_t uses;    // if its policy counts them, else 0
  uint64_t ttl;     // what remains of the lifetime from the write on; 0: over, CT_NEVER: has none
  uint64_t idle;    // what remains of the one from the last use on; likewise
  uint64_t weight;  // if it has one of its own
  bool weighed;     // it has
};

}  // namespace ct

#endif
