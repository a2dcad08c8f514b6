// SPDX-License-Identifier: MIT
// A hash table of nodes, which are chained through the nodes themselves. A node has a hash and a
// link `next`. Adding takes no memory beside the buckets.
//
// This is linear hashing (Litwin, 1980): each new node adds a bucket, which takes over its part of
// one other bucket's nodes. So no call pays for moving all of them. The first few nodes are in one
// list, and then there are no buckets.
#ifndef CT_CHAIN_TABLE_HPP
#define CT_CHAIN_TABLE_HPP

#include <cstdint>
#include <utility>

#include "base/long_array.hpp"

namespace ct {

template <class Node>
class ChainTable {
 public:
  explicit ChainTable(Memory &memory) noexcept : buckets_(memory) {}
  ChainTable(const ChainTable &) = delete;
  ChainTable &operator=(const ChainTable &) = delete;

  Memory &memory() const { return buckets_.memory(); }
  uint32_t size() const { return count_; }
  bool empty() const { return count_ == 0; }

  // Returns a node of that hash for which is_it(node) is true, or nullptr.
  template <class IsIt>
  Node *find(uint64_t hash, IsIt is_it) {
    if (count_ == 0) return nullptr;
    for (Node *node = *bucket(hash); node != nullptr; node = node->next) {
      look();
      if (node->hash == hash && is_it(*node)) return node;
    }
    return nullptr;
  }
  // Calls visit(node) for all nodes of that hash. It may remove the node.
  template <class Visit>
  void visit(uint64_t hash, Visit visit) {
    for (Node *node = *bucket(hash), *next; node != nullptr; node = next) {
      look();
      next = node->next;
      if (node->hash == hash) visit(*node);
    }
  }
  // Makes room for one more node. Returns false if there is no memory.
  bool reserve() { return count_ < kFew || count_ < buckets_.size() || grow(); }
  // The caller has reserved room.
  void add(Node &node) {
    Node **head = bucket(node.hash);
    node.next = *head;
    *head = &node;
    count_++;
  }
  void remove(Node &node) {
    Node **link = bucket(node.hash);
    for (; *link != &node; link = &(*link)->next) look();
    *link = node.next;
    if (--count_ == 0 && !buckets_.empty()) buckets_.clear();
  }
#ifdef CT_VALIDATE
  template <class Visit>
  void visit_all(Visit visit) {
    for (Node *node = few_; node != nullptr; node = node->next) visit(*node);
    for (uint32_t i = 0; i < buckets_.size(); i++) {
      for (Node *node = buckets_[i]; node != nullptr; node = node->next) visit(*node);
    }
  }
  // How many nodes were looked at.
  uint64_t looks() const { return looks_; }
#endif

 private:
  static constexpr uint32_t kFew = 4;

#ifdef CT_VALIDATE
  void look() { looks_++; }
#else
  void look() {}
#endif
  Node **bucket(uint64_t hash) { return buckets_.empty() ? &few_ : bucket_of_many(hash); }
  [[gnu::noinline]] Node **bucket_of_many(uint64_t hash) {
    const uint32_t size = buckets_.size();
    const uint32_t mask = UINT32_MAX >> __builtin_clz(size);
    const uint32_t place = static_cast<uint32_t>(hash) & mask;
    return &buckets_[place < size ? place : place & (mask >> 1)];
  }
  // The new bucket shares the nodes of one other bucket. That is where the new bucket's number,
  // taken as a hash, belongs so far.
  bool grow() {
    if (!buckets_.reserve(1)) return false;
    Node *list = std::exchange(*bucket(buckets_.size()), nullptr);
    buckets_.push(nullptr);
    while (list != nullptr) {
      look();
      Node *node = list;
      list = node->next;
      Node **head = bucket(node->hash);
      node->next = *head;
      *head = node;
    }
    return true;
  }

  Node *few_ = nullptr;
  LongArray<Node *> buckets_;
  uint32_t count_ = 0;
#ifdef CT_VALIDATE
  uint64_t looks_ = 0;
#endif
};

}  // namespace ct

#endif
