// SPDX-License-Identifier: MIT
#include "expiry.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

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
    add(occupied_, slot);
    if (!layout_.keeps_idle()) add(sorted_, slot);
  } else {
    if (deadline(list.tail) > at) drop(sorted_, slot);
    own.prev = list.tail;
    life(list.tail).next = ref;
    list.tail = ref;
  }
}

void Expiry::insert(Ref ref, uint64_t now) {
  const uint64_t at = deadline(ref);
  if (at == CT_NEVER) return;
  // Everything filed lies after now, and so stays where it belongs.
  if (now < earliest()) time_ = std::max(time_, now);
  if (at < time_ && ++early_ > filed_) turn_back(std::min(at, now));
  if (at < time_) {
    insert_in_tree(ref);
  } else {
    append(slot_of(at), ref, at);
  }
  filed_++;
  set_earliest(std::min(at, earliest()));
}

void Expiry::remove(Ref ref) {
  Lifetime &own = life(ref);
  if (own.prev == kNone) return;
  filed_--;
  if (is_early(ref)) {
    remove_from_tree(ref);
    return;
  }
  const Ref prev = own.prev;
  const Ref next = own.next;
  const bool alone = is_mark(prev) && is_mark(next);
  set_next(prev, alone ? kNone : next);
  set_prev(next, alone ? kNone : prev);
  if (alone) drop(occupied_, prev - kFirstMark);
  own.prev = own.next = kNone;
}

void Expiry::moved(Ref from, Ref to) {
  const Lifetime &own = life(to);
  if (own.prev == kNone) return;
  if (is_early(from)) {
    remove_from_tree(from);
    insert_in_tree(to);
    return;
  }
  set_next(own.prev, to);
  set_prev(own.next, to);
}

void Expiry::clear() noexcept {
  memory_.release(slots_, kSlotCount * sizeof(Slot), alignof(Slot));
  slots_ = nullptr;
  set_earliest(CT_NEVER);
  time_ = 0;
  tree_ = kNoChild;
  filed_ = early_ = 0;
  std::memset(occupied_, 0, sizeof occupied_);
  std::memset(sorted_, 0, sizeof sorted_);
}

Ref Expiry::due(uint64_t now) {
  while (earliest() <= now) {
    uint64_t bound;
    const uint32_t slot = first_slot(&bound);
    const Ref early = tree_ == kNoChild ? kNone : first_in_tree();
    if (early != kNone && deadline(early) <= bound) {
      set_earliest(deadline(early));
      return earliest() <= now ? early : kNone;
    }
    if (bound > now) {
      set_earliest(bound);
      return kNone;
    }
    const Ref head = slots_[slot].head;
    if (deadline(head) == bound) return head;
    time_ = std::max(time_, bound);
    split(slot);
  }
  return kNone;
}

// The levels' first slots lie one after the other, but for sorted ones that time_ has entered.
uint32_t Expiry::first_slot(uint64_t *bound) const {
  uint32_t first = 0;
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

// Files the entries of a slot whose time has begun anew.
void Expiry::split(uint32_t slot) {
  Slot &list = slots_[slot];
  Ref ref = list.head;
  life(list.tail).next = kNone;
  list = {kNone, kNone};
  drop(occupied_, slot);
  while (ref != kNone) {
    const Ref next = life(ref).next;
    const uint64_t at = deadline(ref);
    append(slot_of(at), ref, at);
    ref = next;
  }
}

// Of levels below the one where the two times differ, all entries differ from the new time as the old
// time does: they belong in that one's slot. Entries of other levels stay where they are.
void Expiry::turn_back(uint64_t time) {
  assert(time < time_);
  const uint64_t before = time_;
  time_ = time;
  const uint32_t slot = slot_of(before);
  for (uint32_t level = 0; level < slot / kDigits; level++) {
    while (occupied_[level] != 0) {
      join(slot, level * kDigits + static_cast<uint32_t>(__builtin_ctz(occupied_[level])));
    }
  }
  early_ = 0;
}

// Appends the entries of a slot to another one.
void Expiry::join(uint32_t slot, uint32_t from) {
  Slot &list = slots_[slot];
  Slot &other = slots_[from];
  bool sorted = has(sorted_, from);
  if (list.head == kNone) {
    list.head = other.head;
    life(other.head).prev = mark(slot);
    add(occupied_, slot);
    add(sorted_, slot);
  } else {
    sorted = sorted && deadline(list.tail) <= deadline(other.head);
    life(list.tail).next = other.head;
    life(other.head).prev = list.tail;
  }
  if (!sorted) drop(sorted_, slot);
  list.tail = other.tail;
  life(list.tail).next = mark(slot);
  other = {kNone, kNone};
  drop(occupied_, from);
}

// ---- The tree ---------------------------------------------------------------------------------

// In a list the one behind an entry leads back to it. In the tree nothing below it does.
bool Expiry::is_in_tree(Ref ref) const {
  const Ref next = life(ref).next;
  return is_mark(next) ? next == kNoChild : life(next).prev != ref;
}

// The link that leads to an entry, or would if it were there.
Cell<Ref> *Expiry::link_in_tree(Ref ref) {
  const uint64_t at = deadline(ref);
  Cell<Ref> *link = &tree_;
  for (uint32_t depth = 0; *link != ref && *link != kNoChild; depth++) {
    assert(depth < 64 + 32);
    const uint64_t bits = depth < 64 ? at >> (63 - depth) : ref >> (95 - depth);
    link = &child(*link, bits & 1);
  }
  return link;
}

void Expiry::insert_in_tree(Ref ref) {
  *link_in_tree(ref) = ref;
  child(ref, 0) = child(ref, 1) = kNoChild;
}

// One below it that has no children takes its place, as it begins with the same bits.
void Expiry::remove_from_tree(Ref ref) {
  Cell<Ref> *link = link_in_tree(ref);
  Cell<Ref> *last = link;
  for (Cell<Ref> *next = last; *next != kNoChild;) {
    last = next;
    next = &child(*last, 0);
    if (*next == kNoChild) next = &child(*last, 1);
  }
  const Ref leaf = *last;
  *last = kNoChild;
  if (leaf != ref) {
    child(leaf, 0) = child(ref, 0);
    child(leaf, 1) = child(ref, 1);
    *link = leaf;
  }
  child(ref, 0) = child(ref, 1) = kNone;
}

// What is below a 0 comes before what is below a 1; what they hang on may come anywhere.
Ref Expiry::first_in_tree() const {
  Ref first = tree_;
  for (Ref ref = tree_; ref != kNoChild;) {
    if (deadline(ref) < deadline(first)) first = ref;
    const Ref lower = child(ref, 0);
    const Ref upper = child(ref, 1);
    ref = lower != kNoChild ? lower : upper;
  }
  return first;
}

#ifdef CT_VALIDATE
const char *Expiry::problem(uint64_t linked) const {
  uint64_t count = 0;
  for (uint32_t slot = 0; slots_ != nullptr && slot < kSlotCount; slot++) {
    const Slot &list = slots_[slot];
    const bool sorted = has(sorted_, slot);
    if (has(occupied_, slot) != (list.head != kNone)) return "expiry: a slot's bit is wrong";
    uint64_t before = 0;
    Ref prev = mark(slot);
    for (Ref ref = list.head; ref != kNone && !is_mark(ref); ref = life(ref).next) {
      const uint64_t at = deadline(ref);
      count++;
      if (life(ref).prev != prev || is_early(ref)) return "expiry: a slot's links are broken";
      if (sorted && at < before) return "expiry: a slot is not sorted";
      if (at < earliest()) return "expiry: a deadline is before the earliest";
      if (at < time_) return "expiry: a deadline is before the wheel";
      if (at < begin_of(slot)) return "expiry: a deadline is before its slot";
      before = at;
      prev = ref;
    }
    if (list.head != kNone && list.tail != prev) return "expiry: a slot has lost its tail";
  }
  if (const char *problem = problem_in_tree(tree_, 0, &count)) return problem;
  if (count != filed_) return "expiry: it has lost count";
  return count == linked ? nullptr : "expiry: what it holds are not the entries with a deadline";
}

// Of an entry and what is below it: each is where it is looked for.
const char *Expiry::problem_in_tree(Ref ref, uint32_t depth, uint64_t *count) const {
  if (ref == kNoChild) return nullptr;
  ++*count;
  if (depth > 64 + 32) return "expiry: the tree is too deep";
  if (deadline(ref) < earliest()) return "expiry: a deadline is before the earliest";
  if (!is_early(ref)) return "expiry: an entry of the tree looks like one of a list";
  if (*const_cast<Expiry *>(this)->link_in_tree(ref) != ref) return "expiry: the tree is broken";
  for (const uint32_t which : {0, 1}) {
    if (const char *problem = problem_in_tree(child(ref, which), depth + 1, count)) return problem;
  }
  return nullptr;
}
#endif

}  // namespace ct
