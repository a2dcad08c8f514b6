// SPDX-License-Identifier: MIT
// A tree of minima over the shards' earliest deadlines. It tells which shard of a cache has an
// entry that is due. A node is one cache line with eight numbers; each number of an upper level is
// the least number of one node below. So one load tells whether any entry is due, and one cache
// line per level tells in which shard. There are at most four levels.
//
// A shard writes its own number under its lock; the numbers of the upper levels are shared. A call
// that has written one of these looks at the node below once more, and begins again if the least
// number of that node has changed meanwhile. So each number is the least of those below it whenever
// no call is at work: if two calls meet, the one that writes last sees the other's number. This
// needs a single order of all stores and loads, on both sides (sequential consistency). Numbers
// change so seldom that the cost is acceptable.
#ifndef CT_DUE_TREE_HPP
#define CT_DUE_TREE_HPP

#include <cachetools.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

namespace ct {

class DueTree {
 public:
  static constexpr uint32_t kNobody = UINT32_MAX;

  // The nodes are aligned to cache lines and lie in the same memory as the shards. A single shard
  // needs no node.
  static size_t bytes_for(uint32_t shards) { return nodes_for(shards) * sizeof(Node); }
  void make(void *memory, uint32_t shards) noexcept {
    shards_ = shards;
    nodes_ = static_cast<Node *>(memory);
    for (size_t i = 0; i < nodes_for(shards); i++) new (&nodes_[i]) Node;
  }

  // Returns a lower bound of the deadlines in all shards, or CT_NEVER if there is no deadline.
  uint64_t earliest() const { return top_.load(std::memory_order_relaxed); }
  uint64_t earliest_of(uint32_t shard) const {
    if (shards_ == 1) return earliest();
    return nodes_[shard / kWidth].earliest[shard % kWidth].load(std::memory_order_relaxed);
  }
  // Called under the shard's lock.
  void set(uint32_t shard, uint64_t time) noexcept {
    if (shards_ == 1) {
      top_.store(time, std::memory_order_relaxed);
      return;
    }
    nodes_[shard / kWidth].earliest[shard % kWidth].store(time);
    const Node *level = nodes_;
    for (uint32_t at = shard / kWidth, count = nodes_of(shards_);; at /= kWidth) {
      Node *above = const_cast<Node *>(level) + count;
      std::atomic<uint64_t> &up = count == 1 ? top_ : above[at / kWidth].earliest[at % kWidth];
      for (uint64_t least = level[at].least(); up.load() != least; least = level[at].least()) {
        up.store(least);
      }
      if (count == 1) return;
      level = above;
      count = nodes_of(count);
    }
  }

  // Returns a shard that had a deadline at now or before when this call looked at it, or kNobody if
  // no shard has.
  uint32_t due(uint64_t now) const noexcept {
    if (earliest() > now) return kNobody;
    return shards_ == 1 ? 0 : due_below(now);
  }

#ifdef CT_VALIDATE
  // Returns how many nodes due() has looked at.
  uint64_t looks() const { return looks_.load(std::memory_order_relaxed); }
  // Returns nullptr, or the invariant that is broken. No call may be at work.
  const char *problem() const {
    if (shards_ == 1) return nullptr;
    const Node *level = nodes_;
    for (uint32_t count = nodes_of(shards_);; count = nodes_of(count)) {
      const Node *above = level + count;
      for (uint32_t at = 0; at < count; at++) {
        const uint64_t up =
            count == 1 ? earliest() : above[at / kWidth].earliest[at % kWidth].load();
        if (up != level[at].least()) return "due_tree: a number is not the least of those below it";
      }
      if (count == 1) return nullptr;
      level = above;
    }
  }
#endif

 private:
  static constexpr uint32_t kWidth = 8;

  struct alignas(64) Node {
    std::atomic<uint64_t> earliest[kWidth];

    Node() {
      for (std::atomic<uint64_t> &time : earliest) time.store(CT_NEVER, std::memory_order_relaxed);
    }
    uint64_t least() const {
      uint64_t least = CT_NEVER;
      for (const std::atomic<uint64_t> &time : earliest) least = std::min(least, time.load());
      return least;
    }
  };

  static uint32_t nodes_of(uint32_t below) { return (below + kWidth - 1) / kWidth; }
  static size_t nodes_for(uint32_t shards) {
    if (shards == 1) return 0;
    size_t all = 0;
    for (uint32_t count = nodes_of(shards);; count = nodes_of(count)) {
      all += count;
      if (count == 1) return all;
    }
  }

  [[gnu::noinline, gnu::cold]] uint32_t due_below(uint64_t now) const noexcept {
    // The walk goes from the root, which is the last node, down to the shards' own numbers, which
    // come first.
    uint32_t counts[5];
    uint32_t levels = 0;
    for (uint32_t count = shards_; levels == 0 || counts[levels - 1] != 1;) {
      counts[levels++] = count = nodes_of(count);
    }
    const Node *level = nodes_ + nodes_for(shards_) - 1;
    for (uint32_t at = 0;; level -= counts[--levels - 1]) {
#ifdef CT_VALIDATE
      looks_.fetch_add(1, std::memory_order_relaxed);
#endif
      uint32_t first = 0;
      uint64_t least = CT_NEVER;
      for (uint32_t i = 0; i < kWidth; i++) {
        const uint64_t time = level[at].earliest[i].load(std::memory_order_relaxed);
        if (time < least) {
          least = time;
          first = i;
        }
      }
      if (least > now) return kNobody;
      at = at * kWidth + first;
      if (levels == 1) return at;
    }
  }

  std::atomic<uint64_t> top_{CT_NEVER};
  Node *nodes_ = nullptr;
  uint32_t shards_ = 0;
#ifdef CT_VALIDATE
  mutable std::atomic<uint64_t> looks_{0};
#endif
};

}  // namespace ct

#endif
