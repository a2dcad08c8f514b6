// SPDX-License-Identifier: MIT
// Removes entries: by key, by the policy's order, by deadline, or all. A call that may remove many
// works on kAtOnce entries, then lets others at the lock.
#include <cstdint>

#include "shard/shard.hpp"
#include "shard/shard_inline.hpp"

namespace ct {
namespace {

// How many entries of one home a walk removes in one go.
constexpr uint32_t kAtOnceOfHome = 64;
struct Leaving {
  Ref ref;
  uint64_t hash;
};
// How many entries a store evicts for a lower limit.
constexpr uint64_t kPaid = 2;

}  // namespace

[[gnu::noinline]] uint64_t Shard::leave(Ref ref, uint64_t hash, ct_cause cause, Departed &gone) {
  if (cause == CT_CAUSE_REMOVED) tell_removed(hash);
  return leave_now(ref, hash, cause, gone, false);
}

ct_status Shard::remove(const Probe &probe, Now &now, Departed &gone, ct_value *out) {
  Settled settled(*this);
  invalidate_key(probe);
  const Ref ref = map_.find(probe).ref;
  if (ref == kNone) {
    tell_removed(probe.hash);
    return CT_MISS;
  }
  Entry *e = at(ref);
  const bool is_gone = map_.is_gone(e, now);
  if (!is_gone && out != nullptr && !hand_out(e, map_.entries.value(e), out)) return CT_ERR_NOMEM;
  budget_.give(leave(ref, probe.hash, cause_of(e, CT_CAUSE_REMOVED, now), gone));
  return is_gone ? CT_MISS : CT_OK;
}

Ref Shard::current(Entry *e, bool stale_too, Now &now) const {
  const Entry *home = home_of(e);
  if (home->is_dead() || (!stale_too && map_.is_gone(home, now))) return kNone;
  const Bytes key = map_.entries.key(home);
  return map_.find({key, map_.entries.hash_of(key)}).ref;
}

ct_status Shard::compare(Condition condition, const Entry *seen, Ref live) const {
  const bool same = live == kNone ? seen == nullptr : seen != nullptr && home_of(seen) == at(live);
  if (same) return CT_OK;
  return live == kNone && condition == Condition::kIfSame ? CT_MISS : CT_EXISTS;
}

// A value of another shard is the value of no entry here.
const Entry *Shard::seen_by(const ct_value &value) const {
  static constexpr Entry kStranger = {0, 0, 0, 0, 0, 0, 0};
  if (value.pin == 0) return nullptr;
  return &of_pin(value.pin) == this ? entry_of(value) : &kStranger;
}

ct_status Shard::remove_seen(const Probe &probe, Condition condition, const Entry *seen, Now &now,
                             Departed &gone) {
  Settled settled(*this);
  const Ref ref = map_.find(probe).ref;
  const Ref live = ref == kNone || map_.is_gone(at(ref), now) ? kNone : ref;
  if (compare(condition, seen, live) == CT_EXISTS) return CT_EXISTS;
  invalidate_key(probe);
  // An entry that was gone was not seen, and leaves all the same: the key is invalidated.
  if (ref == kNone) tell_removed(probe.hash);
  if (ref != kNone)
    budget_.give(leave(ref, probe.hash, cause_of(at(ref), CT_CAUSE_REMOVED, now), gone));
  return live == kNone ? CT_MISS : CT_OK;
}

bool Shard::remove_matched(const Probe &probe, Entry *matched, Now &now, Departed &gone) {
  Settled settled(*this);
  const Ref ref = current(matched, true, now);
  if (ref == kNone) return false;
  invalidate_key(probe);
  budget_.give(leave(ref, probe.hash, cause_of(at(ref), CT_CAUSE_REMOVED, now), gone));
  return true;
}

bool Shard::popitem(Now &now, Departed &gone, ct_value *key, ct_value *value, ct_status *status) {
  Settled settled(*this);
  uint64_t expired = 0;
  if (expire_due(now, gone, &expired)) return false;
  const Ref ref = map_.index.size() == 0 ? kNone : policy_->victim(nullptr);
  if (ref == kAskAgain) {
    uses_.order_changed();
    lock_.let_others_in();
    return false;
  }
  if (ref != kNone && is_gone_early(at(ref), now)) {
    budget_.give(leave(ref, hash_of(ref), cause_of_due(at(ref)), gone));
    return false;
  }
  if (ref == kNone) {
    *status = map_.index.size() == 0 ? CT_MISS : CT_ERR_CALLBACK;
  } else {
    *status = pop(ref, gone, key, value);
  }
  return true;
}

// Removes an entry, and hands it out.
ct_status Shard::pop(Ref ref, Departed &gone, ct_value *key, ct_value *value) {
  Entry *e = at(ref);
  if (key != nullptr && !hand_out(e, map_.entries.key(e), key)) return CT_ERR_NOMEM;
  if (value != nullptr && !hand_out(e, map_.entries.value(e), value)) {
    if (key != nullptr) {
      pins_.unpin(e);
      *key = ct_value CT_VALUE_INIT;
    }
    return CT_ERR_NOMEM;
  }
  budget_.give(leave(ref, hash_of(ref), CT_CAUSE_EVICTED, gone));
  return CT_OK;
}

ct_status Shard::evict_for(uint64_t need, uint64_t down_to, Reservation &room, Now &now,
                           Departed &gone) {
  Settled settled(*this);
  for (uint64_t i = 0; i < kAtOnce; i++) {
    if (room.cover(need) || (first_due(now) == kNone && map_.index.size() <= down_to)) return CT_OK;
    uint64_t weight;
    const Eviction eviction = evict(nullptr, nullptr, now, gone, &weight);
    if (eviction == Eviction::kBroken) return CT_ERR_CALLBACK;
    if (eviction == Eviction::kPaused) break;
    room.keep(weight);
  }
  lock_.let_others_in();
  return CT_OK;
}

ct_status Shard::pay_debt(Now &now, Departed &gone, bool *progress) {
  Settled settled(*this);
  return pay_debt_locked(kAtOnce, now, gone, progress);
}

ct_status Shard::pay_debt_locked(uint64_t entries, Now &now, Departed &gone, bool *progress) {
  for (; entries != 0 && share_.owes() && budget_.debt() != 0; entries--) {
    uint64_t weight;
    const Eviction eviction = evict(nullptr, nullptr, now, gone, &weight);
    if (eviction == Eviction::kBroken) return CT_ERR_CALLBACK;
    *progress = true;
    if (eviction == Eviction::kPaused) break;
    budget_.give(weight);
  }
  if (*progress) lock_.let_others_in();
  return CT_OK;
}

// The result is ignored: if the policy names no victim, the call that lowered the limit returns
// that failure, not the store.
void Shard::pay_a_little(Now &now, Departed &gone) {
  // The store may have used an entry that is evicted now.
  uses_.settle();
  bool progress = false;
  pay_debt_locked(kPaid, now, gone, &progress);
}

ct_status Shard::pay_rest(Now &now, Departed &gone, bool *progress) {
  Settled settled(*this);
  if (map_.index.size() == 0) return CT_OK;
  share_.set_no_part();
  return pay_debt_locked(1, now, gone, progress);
}

// Removes up to kAtOnce entries that are due, and adds their number to *count. Returns whether more
// may be due.
bool Shard::expire_due(Now &now, Departed &gone, uint64_t *count) {
  for (uint64_t left = kAtOnce; left != 0; left--) {
    const Ref ref = first_due(now);
    if (ref == kNone) return false;
    if (ref == kAskAgain) break;
    budget_.give(leave(ref, hash_of(ref), cause_of_due(at(ref)), gone));
    ++*count;
  }
  lock_.let_others_in();
  return true;
}

bool Shard::expire(Now &now, Departed &gone, uint64_t *count) {
  Settled settled(*this);
  return expire_due(now, gone, count);
}

void Shard::clear_some(uint64_t *from, Now &now, Departed &gone) {
  Settled settled(*this);
  if (*from == 0) invalidate_keys();
  uint64_t expired = 0;
  if (expire_due(now, gone, &expired)) return;
  const bool wholesale = quiet_ && options_.stale == 0 && policy_->clears_at_once() &&
                         pins_.count() == 0 && telling_ == 0 && !map_.entries.own_more() &&
                         waiting_ == 0;
  if (wholesale || (*from == 0 && map_.index.size() <= kAtOnce)) {
    clear_at_once(wholesale, now, gone);
    *from = Index::kEnd;
    return;
  }
  for (uint64_t asked = 0, homes = 0; asked < kAtOnce && homes < kHomesAtOnce; homes++) {
    // Takes as many entries of a home as `leaving` has room for. If that is full, the home may have
    // more.
    Leaving leaving[kAtOnceOfHome];
    uint32_t count = 0;
    const uint64_t end = map_.index.visit_from(*from, hasher(&asked), [&](Ref ref, uint64_t hash) {
      if (count < kAtOnceOfHome) leaving[count++] = {ref, hash};
    });
    for (uint32_t i = 0; i < count; i++) {
      const auto [ref, hash] = leaving[i];
      budget_.give(leave(ref, hash, cause_of(at(ref), CT_CAUSE_CLEARED, now), gone));
    }
    if (count == kAtOnceOfHome) continue;
    *from = end;
    if (end != Index::kEnd) continue;
    if (map_.index.size() == 0) clear_at_once(wholesale, now, gone);
    return;
  }
  lock_.let_others_in();
}

bool Shard::release_dropped() {
  Store::Numberless *chunk;
  Memory *memory;
  {
    Settled settled(*this);
    chunk = map_.entries.store().take_dropped();
    memory = &map_.entries.store().memory();
  }
  if (chunk == nullptr) return false;
  Store::release_dropped(chunk, *memory);
  return true;
}

bool Shard::sweep(uint64_t invalidation, Departed &gone) {
  Settled settled(*this);
  if (!needs_sweep() || map_.entries.tags().sweep_of(number_).done >= invalidation) return false;
  sweep_some(kAtOnce, gone);
  lock_.let_others_in();
  return true;
}

void Shard::sweep_some(uint64_t looks, Departed &gone) {
  TagSweep &sweep = map_.entries.tags().sweep_of(number_);
  if (!sweep.goes_on) sweep = {true, 0, map_.entries.tags().sweeps(), sweep.done};
  for (uint64_t asked = 0, homes = 0; asked < looks && homes < kHomesAtOnce; homes++) {
    Leaving leaving[kAtOnceOfHome];
    uint32_t count = 0;
    const auto look = [&](Ref ref, uint64_t hash) CT_REQUIRES(lock_) {
      if (count < kAtOnceOfHome && map_.entries.is_invalidated(at(ref)))
        leaving[count++] = {ref, hash};
    };
    const uint64_t end = map_.index.visit_from(sweep.from, hasher(&asked), under_lock(look));
    for (uint32_t i = 0; i < count; i++) {
      budget_.give(leave(leaving[i].ref, leaving[i].hash, CT_CAUSE_REMOVED, gone));
    }
    if (count == kAtOnceOfHome) continue;
    sweep.from = end;
    if (end != Index::kEnd) continue;
    sweep.goes_on = false;
    sweep.done = sweep.begun;
    return;
  }
}

// wholesale: no entry needs attention of its own, so the store can drop all blocks at once.
void Shard::clear_at_once(bool wholesale, Now &now, Departed &gone) {
  Index::WriteSection section(map_.index);
  if (wholesale) {
    counters_.cleared(map_.index.size());
    map_.entries.store().clear();
    // What is given to the budget must be free.
    if (counts_memory(options_)) map_.entries.store().release_all_dropped();
  } else {
    map_.index.visit_all(under_lock([&](Ref ref) CT_REQUIRES(lock_) {
      map_.entries.count_work();
      const ct_cause cause = cause_of(at(ref), CT_CAUSE_CLEARED, now);
      counters_.departure(cause, 0);
      bury(ref, cause, gone);
    }));
  }
  map_.index.clear();
  policy_->clear();
  expiry_.clear();
  budget_.give(share_.weight());
  share_.leave(share_.weight());
}

}  // namespace ct
