// SPDX-License-Identifier: MIT
// Most recently used goes first: the order of LRU from its other end.
#ifndef CT_POLICY_MRU_HPP
#define CT_POLICY_MRU_HPP

#include "../list.hpp"
#include "../policy.hpp"

namespace ct {

class Mru : public PolicyDefaults {
 public:
  explicit Mru(const PolicyContext &context) : list_(context.store) {}

  void insert(Ref ref, Now &) { list_.push_front(ref); }
  void update(Ref ref, Now &) { list_.move_to_front(ref); }
  void hit(Ref ref, Now &) { list_.move_to_front(ref); }
  void remove(Ref ref) { list_.remove(ref); }
  void moved(Ref, Ref to) { list_.moved(to); }
  void clear() { list_.clear(); }
  Ref victim() { return list_.front(); }

  template <class Visit>
  void coldest_first(Visit visit) const {
    for (Ref ref = list_.front(); ref != kNone; ref = list_.towards_back(ref)) visit(ref);
  }

 private:
  List list_;
};

}  // namespace ct

#endif
