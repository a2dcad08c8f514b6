// SPDX-License-Identifier: MIT
// What storing shares with removing and moving. It is in a header so that a store, which nearly
// always evicts, is compiled as one function. All other callers use leave, which is a function of
// its own.
#ifndef CT_SHARD_INLINE_HPP
#define CT_SHARD_INLINE_HPP

#include <algorithm>
#include <cassert>
#include <cstdint>

#include "shard/shard.hpp"

namespace ct {

// Ends an entry that is in no structure any more. It is put into `gone`, stays for its pins, or is
// freed.
inline void Shard::bury(Ref ref, ct_cause cause, Departed &gone) {
  if (quiet_ && !gone.watched()) return bury_quietly(ref);
  Entry *e = at(ref);
  e->die();
  telling_++;
  gone.add(number_, ref, e, cause);
}

// Does the same if nobody is to be told.
inline void Shard::bury_quietly(Ref ref) {
  Entry *e = at(ref);
  e->die();
  if (e->pins != 0) {
    e->prev = ref;
  } else {
    map_.entries.free(ref, e);
  }
}

// Takes an entry out of all structures. Returns its weight, which is the caller's now.
inline uint64_t Shard::leave_now(Ref ref, uint64_t hash, ct_cause cause, Departed &gone,
                                 bool displaced) {
  Entry *e = at(ref);
  assert(!e->is_dead());
  const uint64_t weight = map_.entries.weight_of(e);
  map_.index.erase(hash, ref);
  if ((e->flags & kLifetime) != 0) expiry_.remove(ref);
  policy_->remove(ref, hash, displaced);
  share_.leave(weight);
  counters_.departure(cause, weight);
  bury(ref, cause, gone);
  return weight;
}

inline Ref Shard::first_due(Now &now) {
  if (expiry_.earliest() == CT_NEVER) return kNone;
#ifdef CT_VALIDATE
  const uint64_t before = expiry_.refiled();
#endif
  const Ref due = expiry_.due(now());
#ifdef CT_VALIDATE
  for (uint64_t i = before; i < expiry_.refiled(); i++) map_.entries.count_work();
#endif
  return due;
}

// Removes an entry that is due, or else a negative that is over, or else the policy's victim: its
// victim for the request, if there is one. Sets *watched to kNone if it has removed that entry. The
// shard must have an entry. Returns kBroken if the policy named no victim.
inline Shard::Eviction Shard::evict(const StoreRequest *request, Ref *watched, Now &now,
                                    Departed &gone, uint64_t *weight) {
  const Ref due = first_due(now);
  if (due == kAskAgain) return Eviction::kPaused;
  if (due == kNone && has_negatives() && (*weight = negatives_->tidy(now)) != 0) {
    return Eviction::kDone;
  }
  const uint64_t *coming = request != nullptr ? &request->probe.hash : nullptr;
  const Ref victim = due != kNone ? due : policy_->victim(coming);
  if (victim == kNone) return Eviction::kBroken;
  if (victim == kAskAgain) {
    uses_.order_changed();
    return Eviction::kPaused;
  }
  if (watched != nullptr && victim == *watched) *watched = kNone;
  const bool is_gone = due != kNone || is_gone_early(at(victim), now);
  const ct_cause cause = is_gone ? cause_of_due(at(victim)) : CT_CAUSE_EVICTED;
  const bool displaced = due == kNone && request != nullptr;
  *weight = leave_now(victim, hash_of(victim), cause, gone, displaced);
  if (!map_.entries.store().fits_near_core()) prefetch_next_victim();
  return Eviction::kDone;
}

inline void Shard::prefetch_next_victim() const {
  const Ref next = policy_->next_victim();
  if (next == kNone) return;
  const uint64_t hash = hash_of(next);
  map_.index.prefetch(hash);
  policy_->prefetch(hash);
}

inline void Shard::begin_life(Entry *e, uint64_t deadline, uint64_t idle, Now &now) {
  const Layout &layout = map_.entries.layout();
  Lifetime *life = layout.lifetime(e);
  life->write = deadline;
  life->prev = life->next = kNone;
  if (layout.keeps_retry) *layout.retry_at(life) = 0;
  if (idles_) life->idle = clock_.deadline_after(now(), std::min(options_.tti, idle));
}

// Makes index and policy refer to block `to` instead of `from`, after copying what the policy keeps
// in the entry.
inline void Shard::change_place(Ref from, Ref to, uint64_t hash) {
  const Entry *old = at(from);
  Entry *e = at(to);
  e->prev = old->prev;
  e->next = old->next;
  e->flags = static_cast<uint8_t>((e->flags & ~kPolicyFlags) | (old->flags & kPolicyFlags));
  store_bytes(Layout::at(e, sizeof(Entry)), Layout::at(old, sizeof(Entry)),
              map_.entries.layout().hook_bytes);
  map_.index.replace(hash, from, to);
  policy_->moved(from, to);
}

}  // namespace ct

#endif
