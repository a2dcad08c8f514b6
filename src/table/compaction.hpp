// SPDX-License-Identifier: MIT
// How far a store has come with emptying a sparse chunk. The store passes over the blocks of the
// chunk, from left to right; the cursor is the next block. Read store.hpp first.
//
// A pass moves each block elsewhere. If all of them went, a second pass follows, for blocks that
// came behind the cursor meanwhile. If a block has to stay, or is still there after the second
// pass, the chunk is opened again: a last pass puts its free blocks into their bins.
#ifndef CT_COMPACTION_HPP
#define CT_COMPACTION_HPP

#include <cassert>
#include <cstdint>

#include "table/entry.hpp"

namespace ct {

class Compaction {
 public:
  static constexpr uint32_t kNoChunk = UINT32_MAX;

  bool is_idle() const { return cursor_ == kNone; }
  Ref cursor() const { return cursor_; }
  bool is_emptying() const { return emptied_ != kNoChunk; }
  // Returns whether the chunk is being emptied, so that its free blocks are loose.
  bool empties(uint32_t chunk) const { return chunk == emptied_; }
  // Returns whether the chunk was the last that could not be emptied.
  bool is_stuck(uint32_t chunk) const { return chunk == stuck_; }

  // first: the chunk's first block.
  void begin(uint32_t chunk, Ref first) {
    assert(is_idle() && !is_emptying());
    emptied_ = chunk;
    cursor_ = first;
    is_last_pass_ = false;
  }
  // Moves the cursor over a block.
  void pass(uint32_t units) { cursor_ += units; }
  // A block has to stay.
  void stay() { is_last_pass_ = true; }
  // The cursor has come to the end of the chunk.
  void end_pass(uint32_t chunk, Ref first) {
    if (!is_emptying()) {
      cursor_ = kNone;
      return;
    }
    cursor_ = first;
    if (is_last_pass_) {
      stuck_ = chunk;
      emptied_ = kNoChunk;
    }
    is_last_pass_ = true;
  }
  // Blocks were joined to one. The cursor always stands at the beginning of a block.
  void join(Ref ref, uint32_t units) {
    if (cursor_ - ref < units) cursor_ = ref;
  }
  // The chunk that the cursor may be in has become free. Returns whether it was being emptied.
  bool end(uint32_t chunk, bool has_cursor) {
    if (has_cursor) cursor_ = kNone;
    if (!empties(chunk)) return false;
    emptied_ = kNoChunk;
    return true;
  }
  void forget_stuck() { stuck_ = kNoChunk; }
  void clear() {
    emptied_ = stuck_ = kNoChunk;
    cursor_ = kNone;
  }

  // After an attempt, units are allocated before the next one.
  void pause(uint64_t units) { pause_units_ = units; }
  // Returns whether the pause goes on after an allocation of that many units.
  bool pauses(uint64_t units) {
    if (pause_units_ > units) {
      pause_units_ -= units;
      return true;
    }
    pause_units_ = 0;
    return false;
  }

 private:
  uint32_t emptied_ = kNoChunk;
  uint32_t stuck_ = kNoChunk;
  Ref cursor_ = kNone;  // in the emptied chunk, or in one that is being opened again
  bool is_last_pass_ = false;
  uint64_t pause_units_ = 0;
};

}  // namespace ct

#endif
