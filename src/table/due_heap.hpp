// SPDX-License-Identifier: MIT
// A binary heap (after Williams, "Algorithm 232: Heapsort", 1964) of entries in the order of their
// deadlines, and of entries with one deadline in the order of their arrival. No call takes more
// than one step per level. The heap knows nothing of caches, and its owner locks.
//
// Nodes lie in pieces, each twice as large as the one before, so that no node is copied when the
// heap grows. An entry's link prev says that the entry is in the heap, and its link next says
// where.
#ifndef CT_DUE_HEAP_HPP
#define CT_DUE_HEAP_HPP

#include <cstddef>
#include <cstdint>

#include "base/memory.hpp"
#include "table/entry.hpp"
#include "table/store.hpp"

namespace ct {

class DueHeap {
 public:
  // sentinel stands in the link prev of all entries in the heap.
  DueHeap(Memory &memory, const Store &store, const Layout &layout, Ref sentinel) noexcept
      : memory_(memory), store_(store), layout_(layout), sentinel_(sentinel) {}
  ~DueHeap();
  DueHeap(const DueHeap &) = delete;
  DueHeap &operator=(const DueHeap &) = delete;

  // Returns the deadline with which the first entry was pushed, or CT_NEVER if the heap is empty.
  uint64_t earliest() const { return count_ == 0 ? CT_NEVER : node(0).deadline; }
  // The heap is not empty.
  Ref first() const { return node(0).ref; }

  // Returns false if there is no memory.
  bool push(Ref ref, uint64_t deadline) noexcept;
  // Leaves the entry's links as they are.
  void remove(Ref ref) noexcept;
  // Tells the heap that an entry has moved to `to`. Its Lifetime has been copied.
  void moved(Ref to) { node(life(to).next).ref = to; }

  uint32_t count() const { return count_; }

#ifdef CT_VALIDATE
  // Returns nullptr, or the invariant that is broken.
  const char *problem() const;
  // Returns how often the heap has looked at an entry.
  uint64_t touched() const { return touched_; }
#endif

 private:
  struct Node {
    uint64_t deadline;
    uint64_t arrival;
    Ref ref;

    bool is_before(const Node &other) const {
      return deadline != other.deadline ? deadline < other.deadline : arrival < other.arrival;
    }
  };
  // The first piece has 64 nodes, and the last one reaches as far as references do.
  static constexpr uint32_t kFirstBits = 6;
  static constexpr uint32_t kPieces = 32 - kFirstBits;

  static uint32_t piece_of(uint32_t at) {
    return 31 - kFirstBits - static_cast<uint32_t>(__builtin_clz(at + (1u << kFirstBits)));
  }
  static uint32_t nodes_of(uint32_t piece) { return 1u << (kFirstBits + piece); }
  static uint32_t begin_of(uint32_t piece) { return nodes_of(piece) - nodes_of(0); }

  Node &node(uint32_t at) const {
    const uint32_t piece = piece_of(at);
    return pieces_[piece][at - begin_of(piece)];
  }
  Lifetime &life(Ref ref) const {
#ifdef CT_VALIDATE
    touched_++;
#endif
    return *layout_.lifetime(store_.at(ref));
  }
  void put(uint32_t at, const Node &what) {
    node(at) = what;
    life(what.ref).next = at;
  }
  void rise(uint32_t at, const Node &what);
  void sink(uint32_t at, const Node &what);
  void release(uint32_t piece) noexcept;

  Memory &memory_;
  const Store &store_;
  const Layout &layout_;
  const Ref sentinel_;
  uint32_t count_ = 0;
  uint64_t arrivals_ = 0;
  Node *pieces_[kPieces] = {};
#ifdef CT_VALIDATE
  mutable uint64_t touched_ = 0;
#endif
};

}  // namespace ct

#endif
