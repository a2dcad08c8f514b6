// SPDX-License-Identifier: MIT
// Least recently used: a list, most recently used first.
#ifndef CT_POLICY_LRU_HPP
#define CT_POLICY_LRU_HPP

#include "../list.hpp"
#include "../policy.hpp"

namespace ct {

class Lru : public PolicyDefaults {
 public:
  explicit Lru(const PolicyContext &context) : list_(context.store) {}

  void insert(Ref ref, uint64_t, Now &) { list_.push_front(ref); }
  void update(Ref ref, uint64_t, Now &) { list_.move_to_front(ref); }
  void hit(Ref ref, uint64_t, Now &) { list_.move_to_front(ref); }
  void remove(Ref ref, uint64_t, ct_cause) { list_.remove(ref); }
  void moved(Ref, Ref to) { list_.moved(to); }
  void clear() { list_.clear(); }
  Ref victim() { return list_.back(); }

  template <class Visit>
  void coldest_first(Visit visit) const {
    for (Ref ref = list_.back(); ref != kNone; ref = list_.towards_front(ref)) visit(ref);
  }

 protected:
  List list_;
};

}  // namespace ct

#endif
