// SPDX-License-Identifier: MIT
// Least recently used: a list, most recently used first.
#ifndef CT_POLICY_LRU_HPP
#define CT_POLICY_LRU_HPP

#include "../list.hpp"
#include "../policy.hpp"

namespace ct {

class Lru : public Policy {
 public:
  static constexpr Uses kUses = Uses::kGathered;

  explicit Lru(const PolicyContext &context) : list_(context.store) {}

  void insert(Ref ref, uint64_t, Now &) override { list_.push_front(ref); }
  void update(Ref ref, uint64_t, uint64_t, Now &) override { list_.move_to_front(ref); }
  void used(const Ref *refs, uint32_t count) override {
    list_.prefetch_neighbours(refs, count);
    for (uint32_t i = 0; i < count; i++) list_.move_to_front(refs[i]);
  }
  void remove(Ref ref, uint64_t, ct_cause) override { list_.remove(ref); }
  void moved(Ref, Ref to) override { list_.moved(to); }
  void clear() override { list_.clear(); }
  Ref victim() override { return list_.back(); }
  Ref next_victim() const override { return list_.next_back(); }

  bool step(Walk &walk, uint32_t *rank) const override {
    walk.ref = list_.after(walk.ref);
    *rank = 0;
    return walk.ref != kNone;
  }

#ifdef CT_VALIDATE
  const char *problem() const override {
    return list_.problem([](Ref) { return nullptr; });
  }
#endif

 protected:
  List list_;
};

}  // namespace ct

#endif
