// SPDX-License-Identifier: MIT
// A record: what a snapshot keeps of an entry.
#ifndef CT_RECORD_HPP
#define CT_RECORD_HPP

#include <cstdint>
#include <cstring>

#include "table/entry.hpp"

namespace ct {

struct Record {
  Bytes key;
  Bytes value;
  uint64_t uses;    // the policy's keepsake; 0 if it does not count them
  uint64_t ttl;     // left of the lifetime from the write on; 0: over, CT_NEVER: there is none
  uint64_t idle;    // the same for the lifetime from the last use on
  uint64_t weight;  // if weighed
  bool weighed;     // the entry has a weight of its own
  // How many tags the entry has, and their names: for each the size, 4 bytes in the machine's order,
  // and its bytes.
  uint32_t tag_count;
  Bytes tags;

  template <class Visit>
  void each_tag(Visit visit) const {
    const char *at = tags.data;
    for (uint32_t i = 0; i < tag_count; i++) {
      uint32_t size;
      std::memcpy(&size, at, sizeof size);
      visit(Bytes{at + sizeof size, size});
      at += sizeof size + size;
    }
  }
};

}  // namespace ct

#endif
