// SPDX-License-Identifier: MIT
#include "shard/departed.hpp"

#include <cassert>

#include "shard/shard.hpp"

namespace ct {

Entry *Departed::at(Place place) const { return shards_[place.shard].at(place.ref); }

uint64_t Departed::deadline(Place place) const { return shards_[place.shard].deadline(at(place)); }

void Departed::add(uint32_t shard, Ref ref, Entry *e, ct_cause cause) {
  assert(e->is_dead() && !e->is_telling());
  const Place place = {shard, ref};
  e->flags |= kTelling;
  e->prev = kNone;
  e->next = static_cast<uint32_t>(cause) << 16;
  if (empty()) {
    head_ = place;
  } else {
    set_next(at(tail_), place);
  }
  tail_ = place;
}

Departed::Place Departed::merge(Place a, Place b) {
  Place head = {0, kNone};
  Entry *last = nullptr;
  while (a.ref != kNone || b.ref != kNone) {
    const bool take_a = b.ref == kNone || (a.ref != kNone && deadline(a) <= deadline(b));
    Place &from = take_a ? a : b;
    if (last == nullptr) {
      head = from;
    } else {
      set_next(last, from);
    }
    last = at(from);
    from = next(last);
  }
  return head;
}

// Bottom-up merge sort: runs[i] is a sorted run of 2^i entries, or empty.
void Departed::sort() {
  constexpr int kRuns = 40;
  Place runs[kRuns];
  for (Place &run : runs) run = {0, kNone};
  while (!empty()) {
    Place run = head_;
    head_ = next(at(run));
    set_next(at(run), {0, kNone});
    int i = 0;
    for (; i < kRuns - 1 && runs[i].ref != kNone; i++) {
      run = merge(runs[i], run);
      runs[i] = {0, kNone};
    }
    runs[i] = merge(runs[i], run);
  }
  Place sorted = {0, kNone};
  for (const Place &run : runs) sorted = merge(run, sorted);
  head_ = sorted;
  // tail_ no longer names the last entry, but nothing is added after a sort.
}

void Departed::tell(ct_listener_fn listener, void *user_data, ct_visit_fn visit, void *visit_data) {
  while (!empty()) {
    Shard &shard = shards_[head_.shard];
    const Ref ref = head_.ref;
    Entry *e = shard.at(ref);
    const ct_event event = shard.event_of(e, cause(e));
    head_ = next(e);
    if (visit != nullptr) visit(visit_data, &event);
    if (listener != nullptr) listener(user_data, &event);
    shard.let_go(ref, e);
  }
}

}  // namespace ct
