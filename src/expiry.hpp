// SPDX-License-Identifier: MIT
// Which entries are due. An axis of its own beside the policy; knows no cache; its owner locks.
//
// A wheel of 13 levels of 32 slots, exact to the tick. An entry stands at the level of the highest
// group of 5 bits in which its deadline differs from time_, in the slot of that group's value. So
// every slot of a level lies after time_ and before the next level, and the first slots of the
// levels are all that has to be looked at. A slot of the lowest level is one tick.
//
// A slot's list is in order of arrival. As long as that is the order of the deadlines too, the slot
// is sorted: what is due stands at its front, and is taken from there. That is always so with one
// lifetime for all. A slot out of order is split over lower levels when its time begins. So an entry
// is filed once, or once a level, a sorted slot costs nothing however full it is, and entries come
// due in the order of their deadlines.
//
// Deadlines grow with use in caches with a tti (they never shrink), without being filed anew: an
// entry is then found too early, and filed where it belongs. There no slot counts as sorted.
//
// An entry may be due before the wheel's time: the clock has gone back, or ct_expire was given a time
// ahead of it. Such early entries stand in a digital search tree (after Coffman and Eve, "File
// structures using hashing functions", 1970), which goes by the bits of the deadline, then by those of
// the reference, and has two links in each entry. So no call takes more than a step for each bit,
// however the clock swings and however many entries there are. When as many have come early as there
// are entries, the wheel is turned back: some of its slots are joined, in a step for each slot, and
// the tree runs dry. An entry of a joined slot is filed once more when the time of that slot begins.
#ifndef CT_EXPIRY_HPP
#define CT_EXPIRY_HPP

#include <cstdint>

#include "due_tree.hpp"
#include "entry.hpp"
#include "memory.hpp"
#include "store.hpp"

namespace ct {

class Expiry {
 public:
  // The earliest deadline also stands in due_tree, as that of the shard of that number.
  Expiry(Memory &memory, const Store &store, const Layout &layout, DueTree &due_tree,
         uint32_t number) noexcept
      : memory_(memory), store_(store), layout_(layout), due_tree_(due_tree), number_(number) {}
  ~Expiry() { clear(); }
  Expiry(const Expiry &) = delete;
  Expiry &operator=(const Expiry &) = delete;

  // What insert needs: false: no memory.
  bool reserve() noexcept;

  // ref has a Lifetime and is not linked. One without a deadline is not filed.
  void insert(Ref ref, uint64_t now);
  // Does nothing if it is not linked.
  void remove(Ref ref);
  // The entry is now at to, its Lifetime copied.
  void moved(Ref from, Ref to);
  // Of an entry that is linked: whether its deadline may not even grow.
  bool is_early(Ref ref) const { return tree_ != kNoChild && is_in_tree(ref); }
  void clear() noexcept;

  // No deadline is before it; CT_NEVER if there is none.
  uint64_t earliest() const { return earliest_; }

  // The entry with the earliest deadline, still linked, if it is due; else kNone.
  Ref due(uint64_t now);

#ifdef CT_VALIDATE
  // NULL, or the invariant that is broken. linked: how many entries there should be.
  const char *problem(uint64_t linked) const;
  // How often it looked at an entry.
  uint64_t touched() const { return touched_; }
#endif

 private:
  static constexpr uint32_t kLevels = 13;
  static constexpr uint32_t kDigitBits = 5;
  static constexpr uint32_t kDigits = 1u << kDigitBits;
  static constexpr uint32_t kSlotCount = kLevels * kDigits;
  static constexpr Ref kNoChild = kFirstMark + kSlotCount;

  struct Slot {
    Ref head;
    Ref tail;
  };

  // At the ends of a list stands the slot.
  static Ref mark(uint32_t slot) { return kFirstMark + slot; }
  static bool is_mark(Ref ref) { return ref >= kFirstMark; }

  Lifetime &life(Ref ref) const {
    count_touch();
    return *layout_.lifetime(store_.at(ref));
  }
  uint64_t deadline(Ref ref) const {
    count_touch();
    return layout_.deadline(store_.at(ref));
  }
  void count_touch() const {
#ifdef CT_VALIDATE
    touched_++;
#endif
  }
  // One bit a slot, a word a level.
  static bool has(const uint32_t *bits, uint32_t slot) {
    return (bits[slot / kDigits] >> (slot % kDigits) & 1) != 0;
  }
  static void add(uint32_t *bits, uint32_t slot) { bits[slot / kDigits] |= 1u << (slot % kDigits); }
  static void drop(uint32_t *bits, uint32_t slot) {
    bits[slot / kDigits] &= ~(1u << (slot % kDigits));
  }
  void set_earliest(uint64_t time) {
    if (time == earliest_) return;
    earliest_ = time;
    due_tree_.set(number_, time);
  }

  // What stands behind prev, or at the head of that slot; and before next, or at its tail.
  void set_next(Ref prev, Ref next) {
    if (is_mark(prev)) {
      slots_[prev - kFirstMark].head = next;
    } else {
      life(prev).next = next;
    }
  }
  void set_prev(Ref next, Ref prev) {
    if (is_mark(next)) {
      slots_[next - kFirstMark].tail = prev;
    } else {
      life(next).prev = prev;
    }
  }

  uint32_t slot_of(uint64_t deadline) const;
  uint64_t begin_of(uint32_t slot) const;
  uint64_t bound_of(uint32_t slot) const;
  void append(uint32_t slot, Ref ref, uint64_t deadline);
  uint32_t first_slot(uint64_t *bound) const;
  void split(uint32_t slot);
  void turn_back(uint64_t time);
  void join(uint32_t slot, uint32_t from);

  Cell<Ref> &child(Ref ref, uint32_t which) const {
    return which == 0 ? life(ref).prev : life(ref).next;
  }
  bool is_in_tree(Ref ref) const;
  Cell<Ref> *link_in_tree(Ref ref);
  void insert_in_tree(Ref ref);
  void remove_from_tree(Ref ref);
  Ref first_in_tree() const;
#ifdef CT_VALIDATE
  const char *problem_in_tree(Ref ref, uint32_t depth, uint64_t *count) const;
#endif

  Memory &memory_;
  const Store &store_;
  const Layout &layout_;
  Slot *slots_ = nullptr;  // kSlotCount, once there was a deadline
  DueTree &due_tree_;
  const uint32_t number_;
  uint64_t earliest_ = CT_NEVER;
  uint64_t time_ = 0;          // no deadline in the wheel is before it
  Cell<Ref> tree_ = kNoChild;  // its root
  uint32_t filed_ = 0;         // entries in wheel and tree
  uint32_t early_ = 0;         // how many came early since the wheel was turned back
  uint32_t occupied_[kLevels] = {};
  uint32_t sorted_[kLevels] = {};
#ifdef CT_VALIDATE
  mutable uint64_t touched_ = 0;
#endif
};

}  // namespace ct

#endif
