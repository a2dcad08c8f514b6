// SPDX-License-Identifier: MIT
// What a snapshot takes from a shard, and what it brings back.
#include "shard.hpp"

namespace ct {

// ---- Saving -----------------------------------------------------------------------------------

OrderWalk Shard::begin_walk() {
  OrderWalk walk;
  walk.left = size();
  return walk;
}

// An entry that was used or left meanwhile is not where the walk came to it.
bool Shard::is_there_still(const OrderWalk &walk) const {
  for (const Entry *e : {walk.last_entry, walk.before_entry}) {
    if (e != nullptr && (e->flags & kDead) != 0) return false;
  }
  Policy::Walk again = walk.before;
  uint32_t rank;
  return policy_->step(again, &rank) && again.ref == walk.last.ref && again.part == walk.last.part;
}

// From the beginning as many as were passed: most of them are the same ones.
void Shard::pass_again(OrderWalk &walk) {
  walk.last = {};
  uint32_t rank;
  for (uint64_t i = 0; i < walk.passed && walk.left != 0; i++) {
    walk.before = walk.last;
    if (!policy_->step(walk.last, &rank)) walk.left = 0;
  }
}

ct_status Shard::list_ranks(OrderWalk &walk, Array<Ranked> &out) {
  OrderWalk until_now = walk;
  ct_status status = CT_OK;
  {
    Guard guard(lock());
    settle_uses();
    if (walk.passed != 0 && !is_there_still(walk)) pass_again(walk);
    walk.last_entry = walk.before_entry = nullptr;
    for (uint32_t i = 0; i < kRankedAtOnce && walk.left != 0; i++) {
      walk.before = walk.last;
      uint32_t rank;
      if (!policy_->step(walk.last, &rank)) {
        walk.left = 0;
        break;
      }
      out.push({id_of(layout_.key(store_.at(walk.last.ref))), rank});
      walk.left--;
      walk.passed++;
    }
    if (walk.left != 0) status = pin_walk(walk);
  }
  end_walk(until_now);
  return status;
}

// Where it goes on from.
ct_status Shard::pin_walk(OrderWalk &walk) {
  Entry *last = store_.at(walk.last.ref);
  if (!pin(last)) return CT_ERR_NOMEM;
  walk.last_entry = last;
  if (walk.before.ref == kNone) return CT_OK;
  Entry *before = store_.at(walk.before.ref);
  if (!pin(before)) return CT_ERR_NOMEM;
  walk.before_entry = before;
  return CT_OK;
}

void Shard::end_walk(OrderWalk &walk) {
  for (Entry **entry : {&walk.last_entry, &walk.before_entry}) {
    if (*entry != nullptr) release(*entry);
    *entry = nullptr;
  }
}

bool Shard::describe(Entry *e, Now &now, Record *out) {
  Guard guard(lock());
  if (is_expired(e, now)) return false;
  *out = {layout_.key(e), layout_.value(e), 0, CT_NEVER, CT_NEVER, 0, (e->flags & kWeight) != 0};
  if (out->weighed) out->weight = *layout_.weight(e);
  if (counts_) {
    settle_uses();
    const Ref ref = current(e, now);
    if (ref != kNone) out->uses = policy_->frequency(ref);
  }
  if ((e->flags & kLifetime) == 0) return true;
  const Lifetime *life = layout_.lifetime(e);
  if (life->write != CT_NEVER) out->ttl = life->write - now();
  if (layout_.keeps_idle() && life->idle != CT_NEVER) out->idle = life->idle - now();
  return true;
}

// ---- Restoring --------------------------------------------------------------------------------

ct_status Shard::stage(Draft &draft, Reservation &room, Now &now, Departed &gone) {
  Guard guard(lock());
  settle_uses();
  const Ref old = find(draft.probe).ref;
  if (old != kNone) {
    if (!is_expired(store_.at(old), now)) return CT_EXISTS;
    room.keep(leave(old, draft.probe.hash, CT_CAUSE_EXPIRED, gone));
  }
  if (!prepare(draft)) return CT_ERR_NOMEM;
  fill(draft.ref, draft, now);
  return CT_OK;
}

void Shard::admit(Ref ref, uint64_t uses, Reservation &room, Now &now) {
  Guard guard(lock());
  settle_uses();
  Entry *e = store_.at(ref);
  const uint64_t hash = hash_of(ref);
  const bool has_deadline = layout_.deadline(e) != CT_NEVER;
  // What was reserved can be gone only by ct_clear, which may as well have come after.
  const bool is_absent = find({layout_.key(e), hash}).ref == kNone;
  const bool is_let_in = is_absent && reserve(waiting_, has_deadline);
  waiting_--;
  if (!is_let_in) {
    free_block(ref, e);
    return;
  }
  index_.insert(hash, ref);
  policy_->restore(ref, hash, uses, now);
  settle(room, 0, weight_of(e));
  if (has_deadline) expiry_.insert(ref, now());
}

void Shard::dismiss(Ref ref) {
  Guard guard(lock());
  waiting_--;
  free_block(ref, store_.at(ref));
}

}  // namespace ct
