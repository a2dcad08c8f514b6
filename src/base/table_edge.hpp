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
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "base/memory.hpp"

namespace ct {

class TableEdge {
 public:
  // Puts the edge at a multiple of the table's step. All positions are in bytes, and multiples of
  // kUnit, as the sizes of tables are.
  void begin(size_t at = 0) { set(at); }

  // Moves the edge right of end, by whole steps: all that lies left of the edge may be touched. The
  // table is from Memory::allocate_untouched, or a kTable of zeros.
  void use_up_to(Memory &memory, void *table, size_t bytes, size_t end) {
    if (end <= at()) return;
    const size_t step = memory.step_of(bytes);
    const size_t to = step == 0 ? bytes : std::min(bytes, (end + step - 1) / step * step);
    memory.use(static_cast<char *>(table) + at(), to - at(), bytes, Memory::kTable);
    set(to);
  }

  // Moves the edge to end, or to the step before end. What lies left of the edge goes back.
  void discard_up_to(Memory &memory, void *table, size_t bytes, size_t end) {
    const size_t step = memory.step_of(bytes);
    if (step == 0 || end < at() + step) return;
    const size_t to = end / step * step;
    memory.discard(static_cast<char *>(table) + at(), to - at(), bytes, Memory::kTable);
    set(to);
  }

 private:
  static constexpr size_t kUnit = 64;

  size_t at() const { return size_t{units_} * kUnit; }
  void set(size_t at) {
    assert(at % kUnit == 0);
    units_ = static_cast<uint32_t>(at / kUnit);
  }

  uint32_t units_ = 0;  // small, because an index has two edges
};

}  // namespace ct

#endif
