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
// lifetime for all. A slot out of order is split over lower levels when its time begins, from its end
// on: what it holds is older than what was filed below it, and goes to the front there. So an entry
// is filed once, or once a level, a sorted slot costs nothing however full it is, and entries come
// due in the order of their deadlines, those of one deadline in the order of their arrival.
//
// Deadlines grow with use in caches with a tti (they never shrink), without being filed anew: an
// entry is then found too early, and filed where it belongs. There no slot counts as sorted.
//
// An entry may be due before the wheel's time: the clock has gone back, or ct_expire was given a time
// ahead of it. Such early entries stand in a heap. When as many have come early as a part of the entries
// in the wheel, or are in the heap, or the heap gets no memory, the wheel is turned back: slots are joined, which touches no
// entry but those at their ends. An entry of a joined slot is filed anew when the time of that slot
// begins, as when it first came; the early ones have paid for that. So no call takes many steps, nor
// do many calls, however the clock swings. Were it turned back for each early one, a ct_expire up to a
// time ahead would split the same slot for ever, beside others' writes.
#ifndef CT_EXPIRY_HPP
#define CT_EXPIRY_HPP

#include <cstdint>

#include "base/memory.hpp"
#include "table/due_heap.hpp"
#include "table/due_tree.hpp"
#include "table/entry.hpp"
#include "table/store.hpp"

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
  // How many entries were filed anew, ever; and, since it was cleared, how often it looked at one.
  uint64_t refiled() const { return refiled_; }
  uint64_t touched() const { return touched_ + (early_ == nullptr ? 0 : early_->touched()); }
#endif

 private:
  static constexpr uint32_t kLevels = 13;
  static constexpr uint32_t kDigitBits = 5;
  static constexpr uint32_t kDigits = 1u << kDigitBits;
  static constexpr uint32_t kSlotCount = kLevels * kDigits;
  // A thirty-second of the entries, and a few: the heap's nodes are memory that no entry is weighed for.
  static constexpr uint32_t kEarlyShare = 32;
  static constexpr uint32_t kSomeEarly = 64;
  static constexpr Ref kEarly = kFirstSentinel + kSlotCount;  // in the link prev of an early entry

  struct Slot {
    Ref head;
    Ref tail;
  };

  // At the ends of a list stands the slot.
  static Ref sentinel(uint32_t slot) { return kFirstSentinel + slot; }
  static bool is_sentinel(Ref ref) { return ref >= kFirstSentinel; }

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
    if (is_sentinel(prev)) {
      slots_[prev - kFirstSentinel].head = next;
    } else {
      life(prev).next = next;
    }
  }
  void set_prev(Ref next, Ref prev) {
    if (is_sentinel(next)) {
      slots_[next - kFirstSentinel].tail = prev;
    } else {
      life(next).prev = prev;
    }
  }

  static uint32_t slot_at(uint32_t level, uint64_t time) {
    return level * kDigits + static_cast<uint32_t>(time >> (level * kDigitBits)) % kDigits;
  }
  uint32_t slot_of(uint64_t deadline) const;
  uint64_t begin_of(uint32_t slot) const;
  uint64_t bound_of(uint32_t slot) const;
  void append(uint32_t slot, Ref ref, uint64_t deadline);
  void prepend(uint32_t slot, Ref ref, uint64_t deadline);
  void link(Ref prev, Ref ref, Ref next);
  void occupy(uint32_t slot, Ref ref);
  uint64_t earliest_early() const { return early_ == nullptr ? CT_NEVER : early_->earliest(); }
  [[gnu::noinline, gnu::cold]] bool push_early(Ref ref, uint64_t deadline, uint64_t now);
  uint32_t first_slot(uint64_t *bound) const;
  bool split(uint32_t slot, uint32_t *left);
  void file_below(uint32_t slot, Ref ref);
  void file_grown(Ref ref, uint64_t now);
  void turn_back(uint64_t time);
  void join(uint32_t slot, uint32_t from);

  Memory &memory_;
  const Store &store_;
  const Layout &layout_;
  Slot *slots_ = nullptr;  // kSlotCount, once there was a deadline
  DueTree &due_tree_;
  const uint32_t number_;
  uint64_t earliest_ = CT_NEVER;
  DueHeap *early_ = nullptr;  // once an entry came early
  uint64_t time_ = 0;         // no deadline in the wheel is before it
  uint32_t in_wheel_ = 0;     // entries
  uint32_t came_early_ = 0;   // since the wheel was turned back
  uint32_t occupied_[kLevels] = {};
  uint32_t sorted_[kLevels] = {};
#ifdef CT_VALIDATE
  uint64_t refiled_ = 0;
  mutable uint64_t touched_ = 0;
#endif
};

}  // namespace ct

#endif
