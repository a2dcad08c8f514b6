// SPDX-License-Identifier: MIT
// Reading one key.
#include <algorithm>
#include <cstring>

#include "shard/shard.hpp"

namespace ct {

// ---- Uses -------------------------------------------------------------------------------------

void Shard::count_use(Place place, uint64_t hash, Now &now) {
  map_.entries.count_work();
  if (__builtin_expect(attends_, 0)) attend(at(place.ref), hash, now);
  uses_.record(place, hash, now);
}

// Never shortens the idle lifetime, whatever the clock does: the expiry relies on that.
void Shard::renew_idle(Entry *e, Now &now) {
  Lifetime *life = map_.entries.layout().lifetime(e);
  life->idle = std::max<uint64_t>(life->idle, clock_.deadline_after(now(), options_.tti));
}

// Returns the stripe of a thread that owns none, or none yet. A thread that finds the only stripe
// taken first has the log spread.
ReadLog::Stripe &Shard::stripe_of_any() {
  if (unlocked().should_spread_log()) {
    Locked locked(*this);
    uses_.log().spread();
  }
  return unlocked().stripe_of_caller();
}

ct_status Shard::note_miss_elsewhere() {
  ReadLog::Stripe &own = stripe_of_any();
  own.add_for_any(own.misses, 1);
  return CT_MISS;
}
ct_status Shard::note_hit_elsewhere(Slot slot) {
  ReadLog::Stripe &own = stripe_of_any();
  own.add_for_any(own.hits, keeps_stats() ? 1 : 0);
  return unlocked().try_record(own, slot) ? CT_OK : record_late(own, slot);
}

// An entry that is due counts as a miss, of which the curve is not told: get_copy passes over the
// entries of the keys that the curve samples.
ct_status Shard::note_hit_unless_due(Slot slot, uint64_t deadline, size_t *size) {
  if (clock_.read() < deadline) return note_hit(slot);
  *size = 0;
  return note_miss();
}

// Records a use that takes more than try_record does: use bits are raised; or the stripe is full,
// and the policy is told of all uses under the lock.
ct_status Shard::record_late(ReadLog::Stripe &own, Slot slot) {
  if (unlocked().finish_record(slot)) return CT_OK;
  Locked locked(*this);
  uses_.record_in(own, slot);
  return CT_OK;
}

bool Shard::hand_out_hit(Place place, uint64_t hash, Now &now, ct_value *out) {
  Entry *e = at(place.ref);
  if (out != nullptr && !hand_out(e, map_.entries.value(e), out)) return false;
  counters_.hit();
  count_use(place, hash, now);
  return true;
}

// ---- One key ----------------------------------------------------------------------------------

ct_status Shard::get(const Probe &probe, Now &now, ct_value *out, bool counts_miss) {
  Locked locked(*this);
  return get_locked(probe, now, out, counts_miss);
}

ct_status Shard::get_locked(const Probe &probe, Now &now, ct_value *out, bool counts_miss) {
  const Place place = map_.find_live(probe, now);
  if (place.ref == kNone) {
    if (counts_miss) count_miss(probe.hash);
    return CT_MISS;
  }
  return hand_out_hit(place, probe.hash, now, out) ? CT_OK : CT_ERR_NOMEM;
}

// Looks everywhere: without the lock a few times, if the shard is open, and then with it.
ct_status Shard::get_copy_again(const char *key, size_t key_size, char *buffer, size_t capacity,
                                size_t *size) {
  const Probe probe = {{key, key_size}, unlocked().hash_of({key, key_size})};
  Now now(clock_);
  const OptimisticReader reader = unlocked();
  Seek seek = Seek::kRetry;
  const int attempts = reader.is_open() ? kAttempts : 0;
  for (int i = 0; i < attempts && seek == Seek::kRetry; i++) {
    *size = 0;
    Found found;
    seek = reader.seek(probe, &found);
    if (seek == Seek::kMiss) return note_miss(key, key_size);
    if (seek != Seek::kHit) continue;
    if (found.size > capacity) break;
    if (reader.is_invalidated(found) && reader.holds(found)) return note_miss(key, key_size);
    uint64_t deadline;
    seek = Seek::kRetry;
    if (!copy_found(found, buffer, size, &deadline)) continue;
    if (deadline != CT_NEVER && now() >= deadline) {
      *size = 0;
      return note_miss(key, key_size);
    }
    if (found.is_sampled()) tell_hit(found, probe);
    return note_hit(found.place.slot);
  }
  prefetch(probe.hash);
  return get_copy_under_lock(probe, now, buffer, capacity, size);
}

ct_status Shard::get_copy_under_lock(const Probe &probe, Now &now, char *buffer, size_t capacity,
                                     size_t *size) {
  *size = 0;
  Entry *e;
  Bytes value;
  {
    Locked locked(*this);
    Found found;
    Seek seek = map_.seek_home<Access::kLocked>(probe, &found);
    if (seek == Seek::kHit && map_.is_gone(at(found.place.ref), now)) seek = Seek::kMiss;
    if (seek == Seek::kHit && found.size <= capacity) {
      if (found.size > 0) std::memcpy(buffer, found.value, found.size);
      *size = found.size;
      counters_.hit();
      count_use(found.place, probe.hash, now);
      return CT_OK;
    }
    const Place place = seek == Seek::kMiss ? Place{} : map_.find_live(probe, now);
    if (place.ref == kNone) {
      count_miss(probe.hash);
      return CT_MISS;
    }
    e = at(place.ref);
    value = map_.entries.value(e);
    *size = value.size;
    if (value.size > capacity) return CT_ERR_BUFFER;
    counters_.hit();
    count_use(place, probe.hash, now);
    if (value.size <= EntryMap::kCopiedInside || !lock_.is_shared() || !pins_.pin(e)) {
      if (value.size > 0) std::memcpy(buffer, value.data, value.size);
      return CT_OK;
    }
  }
  std::memcpy(buffer, value.data, value.size);
  release(e);
  return CT_OK;
}

ct_status Shard::inspect(const Probe &probe, Now &now, ct_entry_info *out) {
  Settled settled(*this);
  const Ref ref = map_.find_live(probe, now).ref;
  if (ref == kNone) return CT_MISS;
  Entry *e = at(ref);
  out->weight = map_.entries.weight_of(e);
  out->deadline = map_.entries.deadline(e);
  out->remaining = out->deadline == CT_NEVER ? CT_NEVER : out->deadline - now();
  out->frequency = policy_->frequency(ref);
  out->key_size = map_.entries.key(e).size;
  out->value_size = map_.entries.value(e).size;
  return CT_OK;
}

ct_status Shard::peek(const Probe &probe, Now &now, ct_value *out) {
  Locked locked(*this);
  const Ref ref = map_.find_live(probe, now).ref;
  if (ref == kNone) return CT_MISS;
  if (out == nullptr) return CT_OK;
  Entry *e = at(ref);
  return hand_out(e, map_.entries.value(e), out) ? CT_OK : CT_ERR_NOMEM;
}

}  // namespace ct
