// SPDX-License-Identifier: MIT
// Walks over all entries of a shard, and the shard's part of saving entries in a snapshot and of
// restoring them.
#include <cstring>

#include "shard/shard.hpp"

namespace ct {

// ---- By position in the index -----------------------------------------------------------------

ct_status Shard::list_some(uint64_t *from, Array<Held> &out) {
  // How many entries are pinned in one go, and how many homes are looked at, since homes may be
  // empty.
  constexpr uint32_t kEntries = 32;
  constexpr uint32_t kHomes = 256;
  Locked locked(*this);
  const uint32_t before = out.size();
  bool pinned = true;
  uint64_t end = *from;
  for (uint32_t i = 0; i < kHomes && out.size() - before < kEntries && end != Index::kEnd; i++) {
    end = map_.index.visit_from(end, hasher(), [&](Ref ref) {
      lock_.assert_held();
      Entry *e = at(ref);
      if (pinned && (pinned = out.reserve(1) && pins_.pin(e))) out.push({this, e});
    });
  }
  if (!pinned) {
    for (; out.size() != before; out.pop()) pins_.unpin(out.back().entry);
    return CT_ERR_NOMEM;
  }
  *from = end;
  lock_.let_others_in();
  return CT_OK;
}

// ---- By the policy's order --------------------------------------------------------------------

OrderWalk Shard::begin_walk() {
  OrderWalk walk;
  walk.left = 2 * size() + kAtOnce;
  return walk;
}

void Shard::end_walk(OrderWalk &walk) {
  for (OrderWalk::Place &place : walk.places) {
    for (Entry **entry : {&place.entry, &place.next_entry}) {
      if (*entry != nullptr) release(*entry);
      *entry = nullptr;
    }
  }
}

// Sets *at to where the walk goes on: behind the latest place at which the same entry still
// follows. Returns false if other threads have changed all places meanwhile.
bool Shard::resume(const OrderWalk &walk, Policy::Walk *at) const {
  if (!walk.has_begun) return true;
  if (walk.version == order_version()) {
    *at = walk.places[0].next;
    return true;
  }
  for (const OrderWalk::Place &place : walk.places) {
    if (place.entry == nullptr || place.next_entry == nullptr) continue;
    if (((place.entry->flags | place.next_entry->flags) & kDead) != 0) continue;
    Policy::Walk again = place.at;
    uint32_t rank;
    if (!policy_->step(again, &rank)) continue;
    if (again.ref != place.next.ref || again.part != place.next.part) continue;
    *at = place.next;
    return true;
  }
  return false;
}

// Returns false if there is no memory for a pin.
bool Shard::pin_places(OrderWalk &walk) {
  for (OrderWalk::Place &place : walk.places) {
    if (place.at.ref == kNone) continue;
    Entry *entry = at(place.at.ref);
    Entry *next = at(place.next.ref);
    if (!pins_.pin(entry)) return false;
    place.entry = entry;
    if (!pins_.pin(next)) return false;
    place.next_entry = next;
  }
  return true;
}

// Calls visit(ref, rank) for the next kAtOnce entries, or for as many as are left. If visit returns
// false, for want of memory, the walk ends. Returns CT_OK or CT_ERR_NOMEM.
template <class Visit>
ct_status Shard::walk_some(OrderWalk &walk, Visit visit) {
  OrderWalk until_now = walk;
  ct_status status = CT_OK;
  {
    Settled settled(*this);
    Policy::Walk at;
    if (!resume(walk, &at)) walk.left = 0;
    if (walk.has_begun && walk.version != order_version()) walk.is_disturbed = true;
    walk.has_begun = true;
    walk.version = order_version();
    for (OrderWalk::Place &place : walk.places) place = {};
    for (uint64_t steps = kAtOnce; steps != 0 && walk.left != 0; steps--) {
      const Policy::Walk before = at;
      uint32_t rank;
      if (!policy_->step(at, &rank)) {
        walk.left = 0;
        break;
      }
      map_.entries.count_work();
      if (!visit(at.ref, rank)) {
        walk.left = 0;
        status = CT_ERR_NOMEM;
        break;
      }
      walk.left--;
      walk.remember(steps - 1, before, at);
    }
    if (walk.left != 0 && !pin_places(walk)) status = CT_ERR_NOMEM;
    lock_.let_others_in();
  }
  end_walk(until_now);
  return status;
}

ct_status Shard::list_ranks(OrderWalk &walk, Array<Ranked> &out) {
  return walk_some(walk, [&](Ref ref, uint32_t rank) {
    out.push({id_of(unlocked().entries.key(at(ref))), rank});
    return true;
  });
}

ct_status Shard::list_order(OrderWalk &walk, Array<Ordered> &out) {
  if (!out.reserve(kAtOnce)) return CT_ERR_NOMEM;
  return walk_some(walk, [&](Ref ref, uint32_t rank) {
    lock_.assert_held();
    Entry *e = at(ref);
    if (!pins_.pin(e)) return false;
    out.push({e, rank, out.size()});
    return true;
  });
}

Ref Shard::current(Entry *e, Now &now) const {
  const bool moved = (e->flags & kNoDrop) != 0;
  if ((e->flags & kDead) != 0 && !moved) return kNone;
  const Bytes key = map_.entries.key(e);
  const Ref ref = map_.find_live({key, map_.entries.hash_of(key)}, now).ref;
  if (ref == kNone || !moved) return ref;
  // The entry has moved to a longer block, which has a place for its deadline. Its key may have
  // been written since.
  const Bytes here = map_.entries.value(e);
  const Bytes there = map_.entries.value(at(ref));
  const bool same = here.size == there.size && std::memcmp(here.data, there.data, here.size) == 0;
  return same ? ref : kNone;
}

bool Shard::view(Entry *e, Now &now, Bytes *key, Bytes *value) {
  Locked locked(*this);
  *key = map_.entries.key(e);
  *value = map_.entries.value(e);
  return (e->flags & kDead) == 0 ? !map_.is_expired(e, now) : current(e, now) != kNone;
}

// ---- Saving -----------------------------------------------------------------------------------

bool Shard::describe(Entry *e, Now &now, Record *out) {
  Locked locked(*this);
  if (map_.is_expired(e, now)) return false;
  *out = {map_.entries.key(e),      map_.entries.value(e), 0, CT_NEVER, CT_NEVER, 0,
          (e->flags & kWeight) != 0};
  if (out->weighed) out->weight = *map_.entries.layout().weight(e);
  if (has_frequency_) {
    uses_.settle();
    const Ref ref = current(e, now);
    if (ref != kNone) out->uses = policy_->frequency(ref);
  }
  if ((e->flags & kLifetime) == 0) return true;
  const Lifetime *life = map_.entries.layout().lifetime(e);
  if (life->write != CT_NEVER) out->ttl = life->write - now();
  if (map_.entries.layout().keeps_idle() && life->idle != CT_NEVER) out->idle = life->idle - now();
  return true;
}

// ---- Restoring --------------------------------------------------------------------------------

ct_status Shard::stage(StoreRequest &request, Reservation &room, Now &now, Departed &gone) {
  Settled settled(*this);
  const Ref old = map_.find(request.probe).ref;
  if (old != kNone) {
    if (!map_.is_expired(at(old), now)) return CT_EXISTS;
    room.keep(leave(old, request.probe.hash, CT_CAUSE_EXPIRED, gone));
  }
  // No entry leaves for a restored one. So without a free reference it is not let in.
  if (!prepare(request)) return request.lacks_reference ? CT_EXISTS : CT_ERR_NOMEM;
  fill(request.ref, request, now);
  return CT_OK;
}

void Shard::admit(Ref ref, uint64_t uses, Reservation &room, Now &now) {
  Settled settled(*this);
  Entry *e = at(ref);
  const uint64_t hash = hash_of(ref);
  const bool has_deadline = map_.entries.deadline(e) != CT_NEVER;
  // Only ct_clear can have undone the reservation. Then the entry may be left out, as if ct_clear
  // had come after it.
  const bool is_absent = map_.find({map_.entries.key(e), hash}).ref == kNone;
  const bool is_let_in = is_absent && reserve(waiting_, has_deadline);
  waiting_--;
  if (!is_let_in) {
    map_.entries.free(ref, e);
    return;
  }
  uses_.order_changed();
  map_.index.insert(hash, ref);
  policy_->restore(ref, hash, uses, now);
  share_.reweigh(room, 0, map_.entries.weight_of(e));
  if (has_deadline) expiry_.insert(ref, now());
}

void Shard::dismiss(Ref ref) {
  Locked locked(*this);
  waiting_--;
  map_.entries.free(ref, at(ref));
}

}  // namespace ct
