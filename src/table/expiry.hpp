// SPDX-License-Identifier: MIT
// A hierarchical timing wheel, which tells which entries are due. Expiry is an axis of its own
// beside the policy. The class knows nothing of caches, and its owner locks.
//
// The wheel has 13 levels of 32 slots (16 on the last) and is exact to the tick. The level of an
// entry is the highest group of 5 bits in which its deadline differs from time_, and its slot is
// the value of that group. So every slot of a level lies after time_ and before the next level, and
// only the first slot of each level has to be looked at. A slot of the lowest level is one tick.
//
// A slot's list is in order of arrival. As long as that is also the order of the deadlines, the
// slot is sorted: due entries stand at its front and are taken from there. This is always so if all
// entries have the same lifetime. When the time of an unsorted slot begins, the slot is split over
// lower levels, from its end on: its entries are older than those that were filed below it, and go
// to the front there. So an entry is filed once, or once per level, and a sorted slot costs nothing
// however full it is. Entries come due in the order of their deadlines, and those with one deadline
// in the order of their arrival.
//
// In caches with a tti, deadlines grow with use (they never shrink), and the entry is not filed
// anew. The wheel then finds the entry too early, and files it where it belongs. No slot counts as
// sorted there.
//
// An entry may be due before the wheel's time: the clock has gone back, or ct_expire was given a
// time ahead of the clock. Such early entries stand in a heap. The wheel is turned back only if the
// heap gets no memory, or holds too many entries beside those in the wheel. Turning back joins
// slots, which touches only the entries at their ends. But when the time of a joined slot begins,
// its entries are filed anew, as when they first came, and one call may have to wait for all of
// them: before a live entry is evicted, it must be known that none is due. So early entries that
// come and go, as while a clock swings, do not turn the wheel. If every early entry did, a
// ct_expire up to a time ahead would split the same slot for ever while other calls write.
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
  // due_tree also holds the earliest deadline, as that of the shard with this number.
  Expiry(Memory &memory, const Store &store, const Layout &layout, DueTree &due_tree,
         uint32_t number) noexcept
      : memory_(memory), store_(store), layout_(layout), due_tree_(due_tree), number_(number) {}
  ~Expiry() { clear(); }
  Expiry(const Expiry &) = delete;
  Expiry &operator=(const Expiry &) = delete;

  // Allocates what insert needs. Returns false if there is no memory.
  bool reserve() noexcept;

  // ref has a Lifetime and is not linked. An entry without a deadline is not filed.
  void insert(Ref ref, uint64_t now);
  // Does nothing if the entry is not linked.
  void remove(Ref ref);
  // Tells the wheel that an entry has moved to `to`. Its Lifetime has been copied.
  void moved(Ref to);
  void clear() noexcept;

  // Returns a lower bound of all deadlines, or CT_NEVER if there is no deadline.
  uint64_t earliest() const { return earliest_; }

  // Returns the entry with the earliest deadline, still linked, if it is due. Otherwise returns
  // kNone, or kAskAgain.
  Ref due(uint64_t now);

#ifdef CT_VALIDATE
  // Returns nullptr, or the invariant that is broken. linked: how many entries there should be.
  const char *problem(uint64_t linked) const;
  // refiled tells how many entries were ever filed anew; touched tells how often the wheel has
  // looked at an entry.
  uint64_t refiled() const { return refiled_; }
  uint64_t touched() const { return touched_ + (early_ == nullptr ? 0 : early_->touched()); }
#endif

 private:
  static constexpr uint32_t kLevels = 13;
  static constexpr uint32_t kDigitBits = 5;
  static constexpr uint32_t kDigits = 1u << kDigitBits;
  // The last level has the 4 bits that are left.
  static constexpr uint32_t kSlotCount = (kLevels - 1) * kDigits + 16;
  // The heap is limited to a thirty-second of the entries in the wheel, and a few more, because its
  // nodes are memory that no entry's weight includes.
  static constexpr uint32_t kEarlyShare = 32;
  static constexpr uint32_t kSomeEarly = 64;
  static constexpr Ref kEarly = kFirstSentinel + kSlotCount;  // in the link prev of an early entry

  struct Slot {
    Ref head;
    Ref tail;
  };

  // The slot's sentinel stands at both ends of its list.
  static Ref sentinel(uint32_t slot) { return kFirstSentinel + slot; }
  static bool is_sentinel(Ref ref) { return ref >= kFirstSentinel; }

  Lifetime &life(Ref ref) const {
    count_touch();
    return *layout_.lifetime(store_.at(ref));
  }
  // In a cache that serves stale entries, an entry is due that much later than its deadline.
  uint64_t deadline(const Lifetime &life) const { return layout_.leaves_at(life); }
  uint64_t deadline(Ref ref) const { return deadline(life(ref)); }
  void count_touch() const {
#ifdef CT_VALIDATE
    touched_++;
#endif
  }
  // Sets of slots have one bit per slot and one word per level.
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

  // set_next sets what stands behind prev, or at the head of that slot. set_prev sets what stands
  // before next, or at the tail of that slot.
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
  void append(uint32_t slot, Ref ref, Lifetime &own);
  void prepend(uint32_t slot, Ref ref, Lifetime &own);
  void occupy(uint32_t slot, Ref ref, Lifetime &own);
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
  Slot *slots_ = nullptr;  // kSlotCount of them; nullptr before the first deadline
  DueTree &due_tree_;
  const uint32_t number_;
  uint32_t in_wheel_ = 0;  // entries in the wheel
  uint64_t earliest_ = CT_NEVER;
  DueHeap *early_ = nullptr;  // nullptr before the first early entry
  uint64_t time_ = 0;         // no deadline in the wheel is before this time
  uint32_t occupied_[kLevels] = {};
  uint32_t sorted_[kLevels] = {};
#ifdef CT_VALIDATE
  uint64_t refiled_ = 0;
  mutable uint64_t touched_ = 0;
#endif
};

}  // namespace ct

#endif
