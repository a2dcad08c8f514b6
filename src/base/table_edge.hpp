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
  // Puts the edge at a multiple of the table's step. All positions are in bytes.
  void begin(size_t at = 0) { at_ = at; }

  // Moves the edge right of end, by whole steps: all that lies left of the edge may be touched. The
  // table is from Memory::allocate_untouched, or a kTable of zeros.
  void use_up_to(Memory &memory, void *table, size_t bytes, size_t end) {
    if (end <= at_) return;
    const size_t step = memory.step_of(bytes);
    const size_t to = step == 0 ? bytes : std::min(bytes, (end + step - 1) / step * step);
    memory.use(static_cast<char *>(table) + at_, to - at_, bytes, Memory::kTable);
    at_ = to;
  }

  // Moves the edge to end, or to the step before end. What lies left of the edge goes back.
  void discard_up_to(Memory &memory, void *table, size_t bytes, size_t end) {
    const size_t step = memory.step_of(bytes);
    if (step == 0 || end < at_ + step) return;
    const size_t to = end / step * step;
    memory.discard(static_cast<char *>(table) + at_, to - at_, bytes, Memory::kTable);
    at_ = to;
  }

 private:
  size_t at_ = 0;
};

}  // namespace ct

#endif
