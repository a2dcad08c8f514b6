// SPDX-License-Identifier: MIT
#include "table/due_heap.hpp"

namespace ct {

DueHeap::~DueHeap() {
  for (uint32_t piece = 0; piece < kPieces; piece++) release(piece);
}

bool DueHeap::push(Ref ref, uint64_t deadline) noexcept {
  const uint32_t piece = piece_of(count_);
  if (pieces_[piece] == nullptr) {
    const size_t bytes = nodes_of(piece) * sizeof(Node);
    pieces_[piece] = static_cast<Node *>(memory_.allocate(bytes, alignof(Node)));
    if (pieces_[piece] == nullptr) return false;
  }
  life(ref).prev = sentinel_;
  rise(count_++, {deadline, arrivals_++, ref});
  return true;
}

// The last node takes the place of the removed one. A piece that has become empty is kept until the
// piece before it is empty, too.
void DueHeap::remove(Ref ref) noexcept {
  const uint32_t at = life(ref).next;
  const Node last = node(--count_);
  if (at != count_) {
    if (at != 0 && last.is_before(node((at - 1) / 2))) {
      rise(at, last);
    } else {
      sink(at, last);
    }
  }
  const uint32_t piece = piece_of(count_);
  if (count_ == begin_of(piece) && piece + 1 < kPieces) release(piece + 1);
}

void DueHeap::release(uint32_t piece) noexcept {
  memory_.release(pieces_[piece], nodes_of(piece) * sizeof(Node), alignof(Node));
  pieces_[piece] = nullptr;
}

// Moves `what` from the free place `at` up to where it belongs.
void DueHeap::rise(uint32_t at, const Node &what) {
  for (; at != 0; at = (at - 1) / 2) {
    const Node &parent = node((at - 1) / 2);
    if (!what.is_before(parent)) break;
    put(at, parent);
  }
  put(at, what);
}

// Moves `what` from the free place `at` down to where it belongs.
void DueHeap::sink(uint32_t at, const Node &what) {
  for (uint32_t child; (child = 2 * at + 1) < count_; at = child) {
    if (child + 1 < count_ && node(child + 1).is_before(node(child))) child++;
    if (!node(child).is_before(what)) break;
    put(at, node(child));
  }
  put(at, what);
}

#ifdef CT_VALIDATE
const char *DueHeap::problem() const {
  for (uint32_t at = 0; at < count_; at++) {
    const Node &own = node(at);
    if (at != 0 && own.is_before(node((at - 1) / 2))) {
      return "due_heap: an entry is due before the one above it";
    }
    if (life(own.ref).prev != sentinel_ || life(own.ref).next != at) {
      return "due_heap: an entry does not know its place";
    }
    if (layout_.leaves_at(life(own.ref)) < own.deadline) {
      return "due_heap: a deadline has shrunk";
    }
    if (own.arrival >= arrivals_) return "due_heap: an entry is yet to arrive";
  }
  return nullptr;
}
#endif

}  // namespace ct
