// SPDX-License-Identifier: MIT
// Walks over all entries of a shard, and what a snapshot keeps of an entry.
#include "shard/shard_walk.hpp"

#include <cstring>

namespace ct {

// ---- By position in the index -----------------------------------------------------------------

ct_status ShardWalk::list_some(uint64_t *from, Array<Held> &out) {
  // How many entries are pinned in one go, and how many more the last home may have. To make room
  // may mean to move all that was listed, so room is made before the lock is taken.
  constexpr uint32_t kEntries = 32;
  constexpr uint32_t kOfHome = 2 * kSlots;
  if (!out.reserve(kEntries + kOfHome)) return CT_ERR_NOMEM;
  Shard::Locked locked(shard_);
  const uint32_t before = out.size();
  bool pinned = true;
  uint64_t end = *from;
  const auto pin = [&](Ref ref, uint64_t) CT_REQUIRES(shard_.lock_) {
    Entry *e = shard_.at(ref);
    if (pinned && (pinned = out.reserve(1) && shard_.pins_.pin(e))) out.push({&shard_, e});
  };
  for (uint32_t i = 0;
       i < Shard::kHomesAtOnce && out.size() - before < kEntries && end != Index::kEnd; i++) {
    end = shard_.map_.index.visit_from(end, shard_.hasher(), shard_.under_lock(pin));
  }
  if (!pinned) {
    for (; out.size() != before; out.pop()) shard_.pins_.unpin(out.back().entry);
    return CT_ERR_NOMEM;
  }
  *from = end;
  shard_.lock_.let_others_in();
  return CT_OK;
}

// ---- By the policy's order --------------------------------------------------------------------

OrderWalk ShardWalk::begin() {
  OrderWalk walk;
  walk.left = 2 * shard_.size() + Shard::kAtOnce;
  return walk;
}

void ShardWalk::end(OrderWalk &walk) {
  for (OrderWalk::Place &place : walk.places) {
    for (Entry **entry : {&place.entry, &place.next_entry}) {
      if (*entry != nullptr) shard_.release(*entry);
      *entry = nullptr;
    }
  }
}

// Sets *at to where the walk goes on: behind the latest place at which the same entry still
// follows. Returns false if other threads have changed all places meanwhile.
bool ShardWalk::resume(const OrderWalk &walk, Policy::Walk *at) const {
  if (!walk.has_begun) return true;
  if (walk.version == shard_.order_version()) {
    *at = walk.places[0].next;
    return true;
  }
  for (const OrderWalk::Place &place : walk.places) {
    if (place.entry == nullptr || place.next_entry == nullptr) continue;
    if (place.entry->is_dead() || place.next_entry->is_dead()) continue;
    Policy::Walk again = place.at;
    uint32_t rank;
    if (!shard_.policy_->step(again, &rank)) continue;
    if (again.ref != place.next.ref || again.part != place.next.part) continue;
    *at = place.next;
    return true;
  }
  return false;
}

// Returns false if there is no memory for a pin.
bool ShardWalk::pin_places(OrderWalk &walk) {
  for (OrderWalk::Place &place : walk.places) {
    if (place.at.ref == kNone) continue;
    Entry *entry = shard_.at(place.at.ref);
    Entry *next = shard_.at(place.next.ref);
    if (!shard_.pins_.pin(entry)) return false;
    place.entry = entry;
    if (!shard_.pins_.pin(next)) return false;
    place.next_entry = next;
  }
  return true;
}

// Calls visit(ref, rank) for the next Shard::kAtOnce entries, or for as many as are left. If visit
// returns false, for want of memory, the walk ends. Returns CT_OK or CT_ERR_NOMEM.
template <class Visit>
ct_status ShardWalk::walk_some(OrderWalk &walk, Visit visit) {
  OrderWalk until_now = walk;
  ct_status status = CT_OK;
  {
    Shard::Settled settled(shard_);
    Policy::Walk at;
    if (!resume(walk, &at)) walk.left = 0;
    if (walk.has_begun && walk.version != shard_.order_version()) walk.is_disturbed = true;
    walk.has_begun = true;
    walk.version = shard_.order_version();
    for (OrderWalk::Place &place : walk.places) place = {};
    for (uint64_t steps = Shard::kAtOnce; steps != 0 && walk.left != 0; steps--) {
      const Policy::Walk before = at;
      uint32_t rank;
      if (!shard_.policy_->step(at, &rank)) {
        walk.left = 0;
        break;
      }
      shard_.map_.entries.count_work();
      if (!visit(at.ref, rank)) {
        walk.left = 0;
        status = CT_ERR_NOMEM;
        break;
      }
      walk.left--;
      walk.remember(steps - 1, before, at);
    }
    if (walk.left != 0 && !pin_places(walk)) status = CT_ERR_NOMEM;
    shard_.lock_.let_others_in();
  }
  end(until_now);
  return status;
}

ct_status ShardWalk::list_ranks(OrderWalk &walk, Array<Ranked> &out) {
  return walk_some(walk, [&](Ref ref, uint32_t rank) CT_REQUIRES(shard_.lock_) {
    out.push({id_of(shard_.map_.entries.key(ref)), rank});
    return true;
  });
}

ct_status ShardWalk::list_order(OrderWalk &walk, Array<Ordered> &out) {
  if (!out.reserve(Shard::kAtOnce)) return CT_ERR_NOMEM;
  return walk_some(walk, [&](Ref ref, uint32_t rank) CT_REQUIRES(shard_.lock_) {
    Entry *e = shard_.at(ref);
    if (!shard_.pins_.pin(e)) return false;
    out.push({e, rank, out.size()});
    return true;
  });
}

bool ShardWalk::view(Entry *e, bool stale_too, Now &now, Bytes *key, Bytes *value) {
  Shard::Locked locked(shard_);
  *key = shard_.map_.entries.key(e);
  *value = shard_.map_.entries.value(e);
  if (e->is_dead()) return shard_.current(e, stale_too, now) != kNone;
  if (!shard_.map_.is_gone(e, now)) return true;
  return stale_too && shard_.is_served_stale(e, now);
}

// ---- Saving -----------------------------------------------------------------------------------

ct_status ShardWalk::describe(Entry *e, Now &now, Array<char> &names, Record *out) {
  Shard::Locked locked(shard_);
  e = shard_.home_of(e);
  if (shard_.map_.is_gone(e, now)) return CT_MISS;
  *out = {shard_.map_.entries.key(e),
          shard_.map_.entries.value(e),
          0,
          CT_NEVER,
          CT_NEVER,
          0,
          (e->flags & kWeight) != 0,
          shard_.map_.entries.layout().tag_count(e),
          {nullptr, 0}};
  names.truncate();
  if (out->tag_count != 0) {
    const TagSlot *slots = shard_.map_.entries.layout().tags(e);
    const ct_status status = shard_.map_.entries.tags().list_names(slots, names);
    if (status != CT_OK) return status;
    out->tags = {names.begin(), names.size()};
  }
  if (out->weighed) out->weight = *shard_.map_.entries.layout().weight(e);
  if (shard_.has_frequency_) {
    shard_.uses_.settle();
    const Ref ref = shard_.current(e, false, now);
    if (ref != kNone) out->uses = shard_.policy_->keepsake(ref);
  }
  if ((e->flags & kLifetime) == 0) return CT_OK;
  const Lifetime *life = shard_.map_.entries.layout().lifetime(e);
  if (life->write != CT_NEVER) out->ttl = life->write - now();
  if (shard_.map_.entries.layout().keeps_idle && life->idle != CT_NEVER)
    out->idle = life->idle - now();
  return CT_OK;
}

}  // namespace ct
