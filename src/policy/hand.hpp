// SPDX-License-Identifier: MIT
// The hand of CLOCK: a queue of entries by age, and a hand that goes over it from the oldest entry
// to the youngest, and then from the oldest again. The hand spares an entry whose use bits are not
// 0, and lowers them by one.
//
// Readers without the lock may raise use bits meanwhile. So the hand goes round at most as often as
// the highest value of use bits says, and then spares no entry: an entry that would be spared after
// that has been used since. After kLooksAtOnce entries the hand pauses, so that other calls get the
// lock.
//
// The hand is at an entry of the queue, or at none. If it is at none, it begins at the oldest
// entry.
#ifndef CT_POLICY_HAND_HPP
#define CT_POLICY_HAND_HPP

#include "policy/policy.hpp"
#include "table/list.hpp"

namespace ct {

class Hand {
 public:
  // The context lives as long as the hand.
  explicit Hand(const PolicyContext &context) noexcept
      : context_(context), list_(context.store()) {}

  bool empty() const { return list_.empty(); }
  // Inserts the entry as the youngest.
  void insert_youngest(Ref ref) {
    list_.push_front(ref);
    size_++;
  }
  // Inserts the entry where the hand comes by last.
  void insert_behind(Ref ref) {
    list_.insert_behind(under_, ref);
    size_++;
  }
  void remove(Ref ref) {
    if (ref == under_) under_ = list_.towards_front(ref);
    list_.remove(ref);
    size_--;
  }
  void moved(Ref from, Ref to) {
    if (under_ == from) under_ = to;
    list_.moved(to);
  }
  void clear() {
    list_.clear();
    under_ = kNone;
    size_ = spared_ = 0;
  }

  // Returns the next entry that is not spared, and stays at it. Returns kNone if the queue is
  // empty, or kAskAgain to pause. No use bits are higher than most.
  Ref stop(uint32_t most) {
    for (uint32_t left = kLooksAtOnce; left != 0; left--) {
      if (under_ == kNone) under_ = list_.back();
      if (under_ == kNone) return kNone;
      const Ref next = list_.towards_front(under_);
      if (next != kNone) __builtin_prefetch(context_.store().at(next));
      const Slot slot = context_.place(under_).slot;
      const uint32_t uses = slot.use_bits();
      if (uses == 0 || spared_ >= size_ * most) {
        spared_ = 0;
        return under_;
      }
      slot.set_use_bits(uses - 1);
      spared_++;
      under_ = next;
    }
    return kAskAgain;
  }

  // Returns the entry that is looked at next.
  Ref next() const { return under_ != kNone ? under_ : list_.back(); }

  // Does what Policy::step does. The part `first` holds the entries that the hand meets before it
  // begins at the oldest again, and the next part those that it has passed. The rank is the use
  // bits.
  bool step(Policy::Walk &walk, uint32_t first, uint32_t *rank) const {
    if (walk.part == first) {
      walk.ref = walk.ref == kNone ? next() : list_.towards_front(walk.ref);
      if (walk.ref == kNone) walk.part++;
    }
    if (walk.part != first) {
      if (under_ == kNone) return false;
      walk.ref = list_.after(walk.ref);
      if (walk.ref == under_ || walk.ref == kNone) return false;
    }
    *rank = context_.place(walk.ref).slot.use_bits();
    return true;
  }

#ifdef CT_VALIDATE
  // Returns what List::problem returns.
  template <class Visit>
  const char *problem(uint32_t most, Visit visit) const {
    uint64_t size = 0;
    bool met = under_ == kNone;
    const char *problem = list_.problem([&](Ref ref) {
      size++;
      met = met || ref == under_;
      return context_.place(ref).slot.use_bits() > most ? "hand: use bits are too high"
                                                        : visit(ref);
    });
    if (problem != nullptr) return problem;
    if (size != size_) return "hand: it has miscounted";
    return met ? nullptr : "hand: it is at an entry that is not in the queue";
  }
#endif

 private:
  const PolicyContext &context_;
  List list_;
  Ref under_ = kNone;  // kNone: the hand begins at the oldest entry
  uint64_t size_ = 0;
  uint64_t spared_ = 0;  // entries spared since the hand last stopped
};

}  // namespace ct

#endif
