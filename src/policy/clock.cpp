// SPDX-License-Identifier: MIT
// CLOCK, and SIEVE, which differs from it by a line. In both, a hand goes over the entries. It
// spares an entry that was used since the hand last came by, and clears the entry's use bit.
#include "policy/hand.hpp"

namespace ct {
namespace {

// CLOCK, or second chance (Corbató, "A Paging Experiment with the Multics System", 1968). A new
// entry enters where the hand comes by last.
class SecondChance : public Policy {
 public:
  static constexpr Uses kUses = Uses::kUseBits;
  static constexpr uint8_t kMostUses = 1;

  explicit SecondChance(const PolicyContext &context) : context_(context), hand_(context_) {}

  void insert(Ref ref, uint64_t, Now &) override { hand_.insert_behind(ref); }
  void update(Ref ref, uint64_t hash, uint64_t, Now &) override {
    context_.index.place_of(hash, ref).slot.count_use(kMostUses);
  }
  void remove(Ref ref, uint64_t, bool) override { hand_.remove(ref); }
  void moved(Ref from, Ref to) override { hand_.moved(from, to); }
  void clear() override { hand_.clear(); }
  Ref victim(const uint64_t *) override { return hand_.stop(kMostUses); }
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

// SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE is Simpler than LRU: an Efficient Turn-Key
// Eviction Algorithm for Web Caches", NSDI 2024). A new entry joins as the youngest, wherever the
// hand is, and stays in that place. So the hand meets entries that came lately more often than
// those that stayed.
class Sieve : public SecondChance {
 public:
  using SecondChance::SecondChance;
  void insert(Ref ref, uint64_t, Now &) override { hand_.insert_youngest(ref); }
};

}  // namespace

const PolicyKind kClockKind = kind_of<SecondChance>();
const PolicyKind kSieveKind = kind_of<Sieve>();

}  // namespace ct
