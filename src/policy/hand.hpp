// SPDX-License-Identifier: MIT
// A queue of entries by age, and a hand that goes over it from the oldest to the youngest, and then
// from the oldest again. It spares entries whose mark is not 0, and takes one off that.
//
// Marks may be set meanwhile by readers without the lock. So the hand goes round as often as a mark
// can be high, and no more: where it began nobody was spared then but for a use since. After some it
// pauses, so that others come in where very many are to be spared.
//
// The hand is at an entry of the queue, or at none: then it begins anew.
#ifndef CT_POLICY_HAND_HPP
#define CT_POLICY_HAND_HPP

#include "../list.hpp"
#include "../policy.hpp"

namespace ct {

class Hand {
 public:
  // context lives as long.
  explicit Hand(const PolicyContext &context) noexcept : context_(context), list_(context.store) {}

  bool empty() const { return list_.empty(); }
  // As the youngest.
  void insert_youngest(Ref ref) {
    list_.push_front(ref);
    size_++;
  }
  // Where the hand comes by last.
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

  // The entry that is not spared, under the hand then; kNone if there is none; kAskAgain
  // after a pause. most: no mark is higher.
  Ref stop(uint32_t most) {
    for (uint32_t left = kLooksAtOnce; left != 0; left--) {
      if (under_ == kNone) under_ = list_.back();
      if (under_ == kNone) return kNone;
      const Ref next = list_.towards_front(under_);
      if (next != kNone) __builtin_prefetch(context_.store.at(next));
      const Place place = context_.place(under_);
      const uint32_t mark = place.mark();
      if (mark == 0 || spared_ >= size_ * most) {
        spared_ = 0;
        return under_;
      }
      place.set_mark(mark - 1);
      spared_++;
      under_ = next;
    }
    return kAskAgain;
  }

  // Who is looked at next.
  Ref next() const { return under_ != kNone ? under_ : list_.back(); }

  // A policy's step. Its part first is what the hand will come by before it begins anew, the next
  // one what it has passed; the rank is the mark.
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
    *rank = context_.place(walk.ref).mark();
    return true;
  }

#ifdef CT_VALIDATE
  // As List's.
  template <class Visit>
  const char *problem(uint32_t most, Visit visit) const {
    uint64_t size = 0;
    bool met = under_ == kNone;
    const char *problem = list_.problem([&](Ref ref) {
      size++;
      met = met || ref == under_;
      return context_.place(ref).mark() > most ? "hand: a mark is too high" : visit(ref);
    });
    if (problem != nullptr) return problem;
    if (size != size_) return "hand: it has miscounted";
    return met ? nullptr : "hand: it is at an entry that is not in the queue";
  }
#endif

 private:
  const PolicyContext &context_;
  List list_;
  Ref under_ = kNone;  // kNone: it begins anew, at the oldest
  uint64_t size_ = 0;
  uint64_t spared_ = 0;  // since somebody was not
};

}  // namespace ct

#endif
