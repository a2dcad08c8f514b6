// SPDX-License-Identifier: MIT
#include "expiry.hpp"

#include <algorithm>
#include <cstring>

namespace ct {

bool Expiry::reserve() noexcept {
  if (slots_ == nullptr) {
    slots_ = static_cast<Slot *>(memory_.allocate_zeroed(kSlotCount * sizeof(Slot), alignof(Slot)));
  }
  return slots_ != nullptr;
}

uint32_t Expiry::slot_of(uint64_t deadline) const {
  if (deadline < time_) return kPast;
  const uint64_t differs = deadline ^ time_;
  const uint32_t highest = differs == 0 ? 0 : 63 - static_cast<uint32_t>(__builtin_clzll(differs));
  const uint32_t level = highest / kDigitBits;
  return level * kDigits + static_cast<uint32_t>(deadline >> (level * kDigitBits)) % kDigits;
}

// The first tick of a slot: time_ with that digit, and zeros below.
uint64_t Expiry::begin_of(uint32_t slot) const {
  const uint32_t shift = slot / kDigits * kDigitBits;
  const uint32_t above = shift + kDigitBits;
  const uint64_t prefix = above >= 64 ? 0 : time_ >> above << above;
  return prefix | static_cast<uint64_t>(slot % kDigits) << shift;
}

// No deadline in the slot is before it.
uint64_t Expiry::bound_of(uint32_t slot) const {
  return has(sorted_, slot) ? deadline(slots_[slot].head) : begin_of(slot);
}

void Expiry::append(uint32_t slot, Ref ref, uint64_t at) {
  Slot &list = slots_[slot];
  Lifetime &own = life(ref);
  own.next = mark(slot);
  if (list.head == kNone) {
    own.prev = mark(slot);
    list.head = list.tail = ref;
    if (slot != kPast) {
      add(occupied_, slot);
      if (!layout_.keeps_idle()) add(sorted_, slot);
    }
  } else {
    if (slot != kPast && deadline(list.tail) > at) drop(sorted_, slot);
    own.prev = list.tail;
    life(list.tail).next = ref;
    list.tail = ref;
  }
  if (slot == kPast) past_earliest_ = std::min(past_earliest_, at);
}

void Expiry::insert(Ref ref, uint64_t now) {
  const uint64_t at = deadline(ref);
  if (at == CT_NEVER) return;
  // Everything filed lies after now, and so stays where it belongs.
  if (now < earliest()) time_ = std::max(time_, now);
  append(slot_of(at), ref, at);
  set_earliest(std::min(at, earliest()));
}

void Expiry::remove(Ref ref) {
  Lifetime &own = life(ref);
  if (own.prev == kNone) return;
  const Ref prev = own.prev;
  const Ref next = own.next;
  const bool alone = is_mark(prev) && is_mark(next);
  set_next(prev, alone ? kNone : next);
  set_prev(next, alone ? kNone : prev);
  if (alone) {
    const uint32_t slot = prev - kFirstMark;
    if (slot != kPast) drop(occupied_, slot);
  }
  own.prev = own.next = kNone;
}

void Expiry::moved(Ref to) {
  const Lifetime &own = life(to);
  if (own.prev == kNone) return;
  set_next(own.prev, to);
  set_prev(own.next, to);
}

void Expiry::clear() noexcept {
  memory_.release(slots_, kSlotCount * sizeof(Slot), alignof(Slot));
  slots_ = nullptr;
  set_earliest(CT_NEVER);
  time_ = 0;
  past_earliest_ = CT_NEVER;
  std::memset(occupied_, 0, sizeof occupied_);
  std::memset(sorted_, 0, sizeof sorted_);
}

Ref Expiry::due(uint64_t now) {
  uint32_t left = kLooksAtOnce;
  while (earliest() <= now) {
    uint64_t bound;
    const uint32_t slot = first_slot(&bound);
    if (past_earliest_ <= std::min(now, bound)) {
      const Ref ref = due_in_past(std::min(now, bound));
      if (ref != kNone) return ref;
      continue;
    }
    if (bound > now) {
      set_earliest(std::min(bound, past_earliest_));
      time_ = std::max(time_, now);
      return kNone;
    }
    const Ref head = slots_[slot].head;
    if (deadline(head) == bound) return head;
    time_ = std::max(time_, bound);
    if (!split(slot, &left)) return kAskAgain;
  }
  return kNone;
}

// The levels' first slots lie one after the other, but for sorted ones that time_ has entered.
uint32_t Expiry::first_slot(uint64_t *bound) const {
  uint32_t first = kPast;
  *bound = CT_NEVER;
  for (uint32_t level = 0; level < kLevels; level++) {
    if (occupied_[level] == 0) continue;
    const uint32_t slot = level * kDigits + static_cast<uint32_t>(__builtin_ctz(occupied_[level]));
    const uint64_t own = bound_of(slot);
    if (own < *bound) {
      *bound = own;
      first = slot;
    }
  }
  return first;
}

// The first entry of the past, if it is due; if it is not, learns when it will be.
Ref Expiry::due_in_past(uint64_t now) {
  Ref first = kNone;
  uint64_t first_at = CT_NEVER;
  uint32_t count = 0;
  for (Ref ref = slots_[kPast].head; ref != kNone && !is_mark(ref); ref = life(ref).next) {
    const uint64_t at = deadline(ref);
    if (at < first_at) {
      first = ref;
      first_at = at;
    }
    count++;
  }
  past_earliest_ = first_at;
  if (count >= kPatience) {
    turn_back(std::min(first_at, now));
    return kNone;
  }
  return first_at <= now ? first : kNone;
}

// Files the entries of a slot whose time has begun anew, up to *left of them. False: there are more,
// which stay where they are until then: nothing that was filed anew is due before the slot's time.
bool Expiry::split(uint32_t slot, uint32_t *left) {
  for (Ref ref; (ref = slots_[slot].head) != kNone; --*left) {
    if (*left == 0) return false;
    const uint64_t at = deadline(ref);
    remove(ref);
    append(slot_of(at), ref, at);
#ifdef CT_VALIDATE
    refiled_++;
#endif
  }
  return true;
}

// Empties a slot: its entries, chained by next up to kNone.
Ref Expiry::take_all(uint32_t slot) {
  Slot &list = slots_[slot];
  const Ref head = list.head;
  if (head == kNone) return kNone;
  life(list.tail).next = kNone;
  list = {kNone, kNone};
  if (slot != kPast) drop(occupied_, slot);
  return head;
}

// The clock went back: makes it the wheel's time again, and files all anew.
void Expiry::turn_back(uint64_t time) {
  Ref all = kNone;
  for (uint32_t slot = 0; slot < kSlotCount; slot++) {
    for (Ref ref = take_all(slot); ref != kNone;) {
      const Ref next = life(ref).next;
      life(ref).next = all;
      all = ref;
      ref = next;
    }
  }
  time_ = time;
  past_earliest_ = CT_NEVER;
  for (Ref ref = all; ref != kNone;) {
    const Ref next = life(ref).next;
    const uint64_t at = deadline(ref);
    append(slot_of(at), ref, at);
    ref = next;
  }
}

#ifdef CT_VALIDATE
const char *Expiry::problem(uint64_t linked) const {
  uint64_t count = 0;
  for (uint32_t slot = 0; slots_ != nullptr && slot < kSlotCount; slot++) {
    const Slot &list = slots_[slot];
    const bool sorted = slot != kPast && has(sorted_, slot);
    if (slot != kPast && has(occupied_, slot) != (list.head != kNone)) {
      return "expiry: a slot's bit is wrong";
    }
    uint64_t before = 0;
    Ref prev = mark(slot);
    for (Ref ref = list.head; ref != kNone && !is_mark(ref); ref = life(ref).next) {
      const uint64_t at = deadline(ref);
      count++;
      if (life(ref).prev != prev) return "expiry: a slot's links are broken";
      if (sorted && at < before) return "expiry: a slot is not sorted";
      if (at < earliest()) return "expiry: a deadline is before the earliest";
      if (slot == kPast && at < past_earliest_) return "expiry: a deadline is before the past's";
      if (slot != kPast && at < begin_of(slot)) return "expiry: a deadline is before its slot";
      before = at;
      prev = ref;
    }
    if (list.head != kNone && list.tail != prev) return "expiry: a slot has lost its tail";
  }
  return count == linked ? nullptr : "expiry: what it holds are not the entries with a deadline";
}
#endif

}  // namespace ct
