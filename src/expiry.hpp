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
// What is filed when the clock has gone back stands in a list of its own, which is searched; if that
// grows long, the wheel is turned back and all is filed anew.
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
  // The entry that was elsewhere is now at to, its Lifetime copied.
  void moved(Ref to);
  void clear() noexcept;

  // No deadline is before it; CT_NEVER if there is none.
  uint64_t earliest() const { return earliest_; }

  // The entry with the earliest deadline, still linked, if it is due; else kNone. Or kAskAgain.
  Ref due(uint64_t now);

#ifdef CT_VALIDATE
  // NULL, or the invariant that is broken. linked: how many entries there should be.
  const char *problem(uint64_t linked) const;
  // How many entries were filed anew, ever.
  uint64_t refiled() const { return refiled_; }
#endif

 private:
  static constexpr uint32_t kLevels = 13;
  static constexpr uint32_t kDigitBits = 5;
  static constexpr uint32_t kDigits = 1u << kDigitBits;
  static constexpr uint32_t kPast = kLevels * kDigits;  // the slot of what is before time_
  static constexpr uint32_t kSlotCount = kPast + 1;
  // With so many entries in the past, the wheel is turned back.
  static constexpr uint32_t kPatience = 64;

  struct Slot {
    Ref head;
    Ref tail;
  };

  // At the ends of a list stands the slot.
  static Ref mark(uint32_t slot) { return kFirstMark + slot; }
  static bool is_mark(Ref ref) { return ref >= kFirstMark; }

  Lifetime &life(Ref ref) const { return *layout_.lifetime(store_.at(ref)); }
  uint64_t deadline(Ref ref) const { return layout_.deadline(store_.at(ref)); }
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
  Ref due_in_past(uint64_t now);
  uint32_t first_slot(uint64_t *bound) const;
  bool split(uint32_t slot, uint32_t *left);
  Ref take_all(uint32_t slot);
  void turn_back(uint64_t time);

  Memory &memory_;
  const Store &store_;
  const Layout &layout_;
  Slot *slots_ = nullptr;  // kSlotCount, once there was a deadline
  DueTree &due_tree_;
  const uint32_t number_;
  uint64_t earliest_ = CT_NEVER;
  uint64_t time_ = 0;
  uint64_t past_earliest_ = CT_NEVER;  // no deadline in the past's list is before it
  uint32_t occupied_[kLevels] = {};
  uint32_t sorted_[kLevels] = {};
#ifdef CT_VALIDATE
  uint64_t refiled_ = 0;
#endif
};

}  // namespace ct

#endif
