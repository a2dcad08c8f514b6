// SPDX-License-Identifier: MIT
// How far a table is held that is filled, or emptied, from left to right.
//
// A table that replaces another one takes over its content in small steps (incremental rehashing),
// from left to right in both tables. The new table is held up to its edge, and the old table from
// its edge on. So both together take hardly more memory than the larger one alone, and no call
// takes, zeros or gives back more than a step (Memory::step_of).
#ifndef CT_TABLE_EDGE_HPP
#define CT_TABLE_EDGE_HPP

#include <algorithm>
#include <cstddef>

#include "base/memory.hpp"

namespace ct {

class TableEdge {
 public:
  // Puts the edge of this table, from Memory::allocate_untouched or as a kTable of zeros, at a
  // multiple of its step. Positions are in bytes.
  void begin(void *table, size_t bytes, size_t at = 0) {
    table_ = static_cast<char *>(table);
    bytes_ = bytes;
    at_ = at;
  }

  // Moves the edge right of end, by whole steps: all that lies left of the edge may be touched.
  void use_up_to(Memory &memory, size_t end) {
    if (end <= at_) return;
    const size_t step = memory.step_of(bytes_);
    const size_t to = step == 0 ? bytes_ : std::min(bytes_, (end + step - 1) / step * step);
    memory.use(table_ + at_, to - at_, bytes_, Memory::kTable);
    at_ = to;
  }

  // Moves the edge to end, or to the step before end. What lies left of the edge goes back.
  void discard_up_to(Memory &memory, size_t end) {
    const size_t step = memory.step_of(bytes_);
    if (step == 0 || end < at_ + step) return;
    const size_t to = end / step * step;
    memory.discard(table_ + at_, to - at_, bytes_, Memory::kTable);
    at_ = to;
  }

 private:
  char *table_ = nullptr;
  size_t bytes_ = 0;
  size_t at_ = 0;
};

}  // namespace ct

#endif
