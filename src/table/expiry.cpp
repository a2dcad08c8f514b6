// SPDX-License-Identifier: MIT
#include "table/expiry.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

namespace ct {

bool Expiry::reserve() noexcept {
  if (slots_ == nullptr) {
    slots_ = static_cast<Slot *>(memory_.allocate_zeroed(kSlotCount * sizeof(Slot), alignof(Slot)));
  }
  return slots_ != nullptr;
}

uint32_t Expiry::slot_of(uint64_t deadline) const {
  const uint64_t differs = deadline ^ time_;
  const uint32_t highest = differs == 0 ? 0 : 63 - static_cast<uint32_t>(__builtin_clzll(differs));
  return slot_at(highest / kDigitBits, deadline);
}

// Returns the first tick of a slot: time_ with the slot's digit, and zeros below that.
uint64_t Expiry::begin_of(uint32_t slot) const {
  const uint32_t shift = slot / kDigits * kDigitBits;
  const uint32_t above = shift + kDigitBits;
  const uint64_t prefix = above >= 64 ? 0 : time_ >> above << above;
  return prefix | static_cast<uint64_t>(slot % kDigits) << shift;
}

// Returns a lower bound of the deadlines in the slot.
uint64_t Expiry::bound_of(uint32_t slot) const {
  return has(sorted_, slot) ? deadline(slots_[slot].head) : begin_of(slot);
}

// Files an entry as the only one of a slot, whose sentinel stands on both sides.
inline void Expiry::occupy(uint32_t slot, Ref ref, Lifetime &own) {
  own.prev = own.next = sentinel(slot);
  slots_[slot] = {ref, ref};
  add(occupied_, slot);
  if (!layout_.keeps_idle) add(sorted_, slot);
}

inline void Expiry::append(uint32_t slot, Ref ref, Lifetime &own) {
  in_wheel_++;
  Slot &list = slots_[slot];
  if (list.head == kNone) return occupy(slot, ref, own);
  Lifetime &tail = life(list.tail);
  if (layout_.deadline(tail) > layout_.deadline(own)) drop(sorted_, slot);
  own.prev = list.tail;
  own.next = sentinel(slot);
  tail.next = ref;
  list.tail = ref;
}

inline void Expiry::prepend(uint32_t slot, Ref ref, Lifetime &own) {
  in_wheel_++;
  Slot &list = slots_[slot];
  if (list.head == kNone) return occupy(slot, ref, own);
  Lifetime &head = life(list.head);
  if (layout_.deadline(head) < layout_.deadline(own)) drop(sorted_, slot);
  own.prev = sentinel(slot);
  own.next = list.head;
  head.prev = ref;
  list.head = ref;
}

// Files an entry that is due before the wheel's time. Returns false if the wheel had to be turned
// back, so that the entry is not early any more.
bool Expiry::push_early(Ref ref, uint64_t at, uint64_t now) {
  const uint32_t most = in_wheel_ / kEarlyShare + kSomeEarly;
  if (early_ == nullptr || early_->count() < most) {
    if (early_ == nullptr) {
      void *memory = memory_.allocate(sizeof(DueHeap), alignof(DueHeap));
      if (memory != nullptr) early_ = new (memory) DueHeap(memory_, store_, layout_, kEarly);
    }
    if (early_ != nullptr && early_->push(ref, at)) return true;
  }
  turn_back(std::min(at, now));
  return false;
}

void Expiry::insert(Ref ref, uint64_t now) {
  Lifetime &own = life(ref);
  const uint64_t at = deadline(own);
  if (at == CT_NEVER) return;
  assert(slots_ != nullptr && own.prev == kNone);
  // All filed deadlines are after now, so all entries stay where they belong; a sorted slot that
  // time_ enters stays as it is.
  if (now < earliest()) time_ = std::max(time_, now);
  if (at >= time_ || !push_early(ref, at, now)) append(slot_of(at), ref, own);
  set_earliest(std::min(at, earliest()));
}

void Expiry::remove(Ref ref) {
  Lifetime &own = life(ref);
  if (own.prev == kNone) return;
  const Ref prev = own.prev;
  if (prev == kEarly) {
    early_->remove(ref);
  } else {
    const Ref next = own.next;
    if (is_sentinel(prev) && is_sentinel(next)) {
      slots_[prev - kFirstSentinel] = {kNone, kNone};
      drop(occupied_, prev - kFirstSentinel);
    } else {
      set_next(prev, next);
      set_prev(next, prev);
    }
    in_wheel_--;
  }
  own.prev = own.next = kNone;
}

void Expiry::moved(Ref to) {
  const Lifetime &own = life(to);
  if (own.prev == kNone) return;
  if (own.prev == kEarly) {
    early_->moved(to);
  } else {
    set_next(own.prev, to);
    set_prev(own.next, to);
  }
}

void Expiry::clear() noexcept {
  memory_.release(slots_, kSlotCount * sizeof(Slot), alignof(Slot));
  slots_ = nullptr;
  set_earliest(CT_NEVER);
  if (early_ != nullptr) {
    early_->~DueHeap();
    memory_.release(early_, sizeof(DueHeap), alignof(DueHeap));
    early_ = nullptr;
  }
  time_ = 0;
  in_wheel_ = 0;
  std::memset(occupied_, 0, sizeof occupied_);
  std::memset(sorted_, 0, sizeof sorted_);
}

Ref Expiry::due(uint64_t now) {
  uint32_t left = kLooksAtOnce;
  while (earliest() <= now) {
    uint64_t bound;
    const uint32_t slot = first_slot(&bound);
    const uint64_t early = earliest_early();
    const uint64_t first = std::min(early, bound);
    // The wheel's time does not advance to now, because now may be ahead of the clock.
    if (first > now) {
      set_earliest(first);
      return kNone;
    }
    // Of entries with one deadline, those in the heap are the older ones: no entry with so early a
    // deadline is filed in the wheel before it is turned back.
    const Ref head = early == first ? early_->first() : slots_[slot].head;
    if (deadline(head) == first) return head;
    if (early == first) {
      if (left-- == 0) return kAskAgain;
      file_grown(head, now);
    } else if (!split(slot, &left)) {
      return kAskAgain;
    }
  }
  return kNone;
}

// Files an early entry whose deadline has grown since it was pushed.
void Expiry::file_grown(Ref ref, uint64_t now) {
  remove(ref);
  insert(ref, now);
#ifdef CT_VALIDATE
  refiled_++;
#endif
}

// Files anew the entries of a slot whose time has begun, up to *left of them. Returns false if
// there are more. These stay in the slot until the next call. That is safe, because no entry that
// was filed anew is due before the slot's time.
bool Expiry::split(uint32_t slot, uint32_t *left) {
  const Slot &list = slots_[slot];
  time_ = std::max(time_, begin_of(slot));
  // Entries are taken from the tail, so the head is the last to go. An entry that is due at this
  // tick comes back as the head.
  for (const Ref head = list.head; list.head == head; --*left) {
    if (*left == 0) return false;
    file_below(slot, list.tail);
  }
  return true;
}

// Files an entry of a slot whose time has begun. The entry is older than all entries below that
// slot.
void Expiry::file_below(uint32_t slot, Ref ref) {
  Lifetime &own = life(ref);
  const uint64_t at = deadline(own);
  remove(ref);
  uint32_t to = slot_of(at);
  // Between the two there may be slots that time_ has entered, and that hold the same deadline.
  for (uint32_t level = slot / kDigits; level > to / kDigits + 1;) {
    const uint32_t entered = slot_at(--level, time_);
    if (has(occupied_, entered)) to = entered;
  }
  prepend(to, ref, own);
#ifdef CT_VALIDATE
  refiled_++;
#endif
}

// The first slots of the levels lie one after the other, except for sorted slots that time_ has
// entered. Of entries with one deadline, those of the highest level are the oldest.
uint32_t Expiry::first_slot(uint64_t *bound) const {
  uint32_t first = 0;
  *bound = CT_NEVER;
  for (uint32_t level = 0; level < kLevels; level++) {
    if (occupied_[level] == 0) continue;
    const uint32_t slot = level * kDigits + static_cast<uint32_t>(__builtin_ctz(occupied_[level]));
    const uint64_t own = bound_of(slot);
    if (own <= *bound) {
      *bound = own;
      first = slot;
    }
  }
  return first;
}

// Turns the wheel back to an earlier time. The old and the new time differ at some level. All
// entries below that level differ from the new time as the old time does, so all of them belong in
// one slot of that level. Entries of other levels stay where they are.
void Expiry::turn_back(uint64_t time) {
  assert(time < time_);
  const uint64_t before = time_;
  time_ = time;
  const uint32_t slot = slot_of(before);
  // Of entries with one deadline, those of the highest level are the oldest.
  for (uint32_t level = slot / kDigits; level-- != 0;) {
    while (occupied_[level] != 0) {
      join(slot, level * kDigits + static_cast<uint32_t>(__builtin_ctz(occupied_[level])));
    }
  }
}

// Appends the entries of slot from to those of another slot.
void Expiry::join(uint32_t slot, uint32_t from) {
  Slot &list = slots_[slot];
  Slot &other = slots_[from];
  bool sorted = has(sorted_, from);
  Ref prev = sentinel(slot);
  if (list.head != kNone) {
    sorted = sorted && has(sorted_, slot) && deadline(list.tail) <= deadline(other.head);
    prev = list.tail;
  }
  set_next(prev, other.head);
  set_prev(other.head, prev);
  set_next(other.tail, sentinel(slot));
  list.tail = other.tail;
  other = {kNone, kNone};
  drop(occupied_, from);
  add(occupied_, slot);
  drop(sorted_, slot);
  if (sorted) add(sorted_, slot);
}

#ifdef CT_VALIDATE
const char *Expiry::problem(uint64_t linked) const {
  uint64_t count = 0;
  for (uint32_t slot = 0; slots_ != nullptr && slot < kSlotCount; slot++) {
    const Slot &list = slots_[slot];
    if (has(occupied_, slot) != (list.head != kNone)) return "expiry: a slot's bit is wrong";
    uint64_t before = 0;
    Ref prev = sentinel(slot);
    for (Ref ref = list.head; ref != kNone && !is_sentinel(ref); ref = life(ref).next) {
      const uint64_t at = deadline(ref);
      count++;
      if (life(ref).prev != prev) return "expiry: a slot's links are broken";
      if (has(sorted_, slot) && at < before) return "expiry: a slot is not sorted";
      if (at < earliest()) return "expiry: a deadline is before the earliest";
      if (at < time_) return "expiry: a deadline is before the wheel's time";
      if (at < begin_of(slot)) return "expiry: a deadline is before its slot";
      before = at;
      prev = ref;
    }
    if (list.head != kNone && list.tail != prev) return "expiry: a slot has lost its tail";
  }
  if (count != in_wheel_) return "expiry: the wheel has lost count";
  if (earliest_early() < earliest()) return "expiry: an early deadline is before the earliest";
  if (early_ != nullptr) {
    if (const char *problem = early_->problem()) return problem;
    count += early_->count();
  }
  return count == linked ? nullptr : "expiry: what it holds are not the entries with a deadline";
}
#endif

}  // namespace ct
