// SPDX-License-Identifier: MIT
// Clock, or second chance: whoever was used since the hand came by last is spared. A newcomer enters
// where it comes by last (F. J. Corbató, "A Paging Experiment with the Multics System", 1968).
//
// A mark is 0 or 1: not used or used since.
#ifndef CT_POLICY_CLOCK_HPP
#define CT_POLICY_CLOCK_HPP

#include "hand.hpp"

namespace ct {

class SecondChance : public Policy {
 public:
  static constexpr Uses kUses = Uses::kMarked;
  static constexpr uint8_t kMostUses = 1;

  explicit SecondChance(const PolicyContext &context) : context_(context), hand_(context_) {}

  void insert(Ref ref, uint64_t, Now &) override { hand_.insert_behind(ref); }
  void update(Ref ref, uint64_t hash, uint64_t, Now &) override {
    context_.index.place_of(hash, ref).count_use(kMostUses);
  }
  void remove(Ref ref, uint64_t, ct_cause) override { hand_.remove(ref); }
  void moved(Ref from, Ref to) override { hand_.moved(from, to); }
  void clear() override { hand_.clear(); }
  Ref victim() override { return hand_.stop(kMostUses); }
  Ref next_victim() const override { return hand_.next(); }
  bool step(Walk &walk, uint32_t *rank) const override { return hand_.step(walk, 0, rank); }

#ifdef CT_VALIDATE
  const char *problem() const override {
    return hand_.problem(kMostUses, [](Ref) { return nullptr; });
  }
#endif

 protected:
  PolicyContext context_;
  Hand hand_;
};

}  // namespace ct

#endif
