// SPDX-License-Identifier: MIT
// What reads a shard: one key, or many in one go.
#include <algorithm>
#include <cstring>

#include "shard/shard.hpp"

namespace ct {

// ---- Uses -------------------------------------------------------------------------------------

void Shard::count_use(Place place, uint64_t hash, Now &now) {
  if (tti_ != 0) renew_idle(store_.at(place.ref), now);
  switch (uses_) {
    case Uses::kIgnored:
      break;
    case Uses::kUseBits:
      place.count_use(most_uses_);
      break;
    case Uses::kBatched:
      gather_use(place);
      break;
    case Uses::kImmediate:
      order_changes_++;
      policy_->hit(place.ref, hash, now);
      break;
  }
}

// A thread's uses are in one place, that they stay in order: its stripe once there is one.
void Shard::gather_use(Place place) {
  if (log_.is_open()) {
    ReadLog::Stripe &own = log_.own();
    if (own.use(place)) return;
    tell_uses();
    log_.use(own);
    own.use(place);
  } else {
    if (used_count_ == ReadLog::kUses) tell_uses();
    used_[used_count_++] = place.ref;
  }
}

// Without the lock, when the stripe is full.
void Shard::gather_use_unlocked(ReadLog::Stripe &own, Place place) {
  Guard guard(lock());
  tell_uses();
  log_.use(own);
  own.use(place);
}

void Shard::tell_uses() {
  const auto tell = [this](const Ref *refs, uint32_t count) {
    order_changes_++;
    policy_->used(refs, count);
  };
  if (used_count_ != 0) tell(used_, used_count_);
  used_count_ = 0;
  log_.tell_uses(tell);
}

// False: no memory for the pin.
bool Shard::hand_over(const Place &place, uint64_t hash, bool use, Now &now, ct_value *out) {
  Entry *e = store_.at(place.ref);
  if (out != nullptr && !hand_out(e, layout_.value(e), out)) return false;
  if (!use) return true;
  counters_.hits += keeps_stats_;
  count_use(place, hash, now);
  return true;
}

// ---- One key ----------------------------------------------------------------------------------

ct_status Shard::get(const Probe &probe, Now &now, ct_value *out, bool count_miss) {
  Guard guard(lock());
  return get_inside(probe, now, out, count_miss);
}

ct_status Shard::get_inside(const Probe &probe, Now &now, ct_value *out, bool count_miss) {
  const Place place = find_live(probe, now);
  if (place.ref == kNone) {
    if (count_miss) counters_.misses += keeps_stats_;
    return CT_MISS;
  }
  return hand_over(place, probe.hash, true, now, out) ? CT_OK : CT_ERR_NOMEM;
}

// Finds a value without the lock, and copies it, unless it is better pinned or better found under the
// lock (kUnsuited), or something changed meanwhile (kChanged).
ct_status Shard::look(const Probe &probe, Now &now, char *buffer, size_t capacity,
                      Sighted *seen) const {
  if (probe.key.size > kNearKeyBytes) return kUnsuited;
  const uint32_t version = index_.version();
  const Index::Sight sight = index_.look(probe.hash);
  if (!index_.unchanged_since(version)) return kChanged;
  ct_status status = CT_MISS;
  const Lifetime *life = nullptr;
  seen->place = sight.find([&](Ref ref) {
    // Of a table that has just been put away; nothing need lie where no reference leads.
    status = ref == kNone ? kChanged : examine<false>(ref, probe, version, seen, &life);
    return status != CT_MISS;
  });
  if (status < 0) return status;
  if (status == CT_OK) {
    if (seen->size > capacity) return kUnsuited;
    load_bytes(buffer, seen->value, seen->size);
  }
  const uint64_t deadline = life == nullptr ? CT_NEVER : life->write.acquire();
  if (!index_.unchanged_since(version)) return kChanged;
  return deadline != CT_NEVER && now() >= deadline ? CT_MISS : status;
}

ct_status Shard::get_copy_again(const char *key, size_t key_size, uint64_t hash, char *buffer,
                                size_t capacity, size_t *size) {
  const Probe probe = {{key, key_size}, hash};
  Now now(clock_);
  ct_status status = kChanged;
  for (int i = 0; i < kAttempts && log_.is_open() && status == kChanged; i++) {
    Sighted seen;
    status = look(probe, now, buffer, capacity, &seen);
    if (status == CT_OK) {
      *size = seen.size;
      note_hit(seen.place);
    } else if (status == CT_MISS) {
      note_miss();
    }
  }
  if (status >= 0) return status;
  prefetch(probe.hash);
  return get_copy_locked(probe, now, buffer, capacity, size);
}

ct_status Shard::get_copy_locked(const Probe &probe, Now &now, char *buffer, size_t capacity,
                                 size_t *size) {
  Entry *e;
  Bytes value;
  {
    Guard guard(lock());
    Sighted seen;
    const ct_status status = look_home<true>(probe, now, buffer, capacity, &seen);
    const Place place = status == CT_OK ? seen.place : status < 0 ? find_live(probe, now) : Place{};
    if (place.ref == kNone) {
      counters_.misses += keeps_stats_;
      return CT_MISS;
    }
    if (status == CT_OK) {
      *size = seen.size;
      counters_.hits += keeps_stats_;
      count_use(place, probe.hash, now);
      return CT_OK;
    }
    e = store_.at(place.ref);
    value = layout_.value(e);
    *size = value.size;
    if (value.size > capacity) return CT_ERR_BUFFER;
    counters_.hits += keeps_stats_;
    count_use(place, probe.hash, now);
    if (value.size <= kCopiedInside || !shared_ || !pin(e)) {
      if (value.size > 0) std::memcpy(buffer, value.data, value.size);
      return CT_OK;
    }
  }
  std::memcpy(buffer, value.data, value.size);
  release(e);
  return CT_OK;
}

ct_status Shard::inspect(const Probe &probe, Now &now, ct_entry_info *out) {
  Guard guard(lock());
  settle_uses();
  const Ref ref = find_live(probe, now).ref;
  if (ref == kNone) return CT_MISS;
  Entry *e = store_.at(ref);
  out->weight = weight_of(e);
  out->deadline = layout_.deadline(e);
  out->remaining = out->deadline == CT_NEVER ? CT_NEVER : out->deadline - now();
  out->frequency = policy_->frequency(ref);
  out->key_size = layout_.key(e).size;
  out->value_size = layout_.value(e).size;
  return CT_OK;
}

ct_status Shard::peek(const Probe &probe, Now &now, ct_value *out) {
  Guard guard(lock());
  const Ref ref = find_live(probe, now).ref;
  if (ref == kNone) return CT_MISS;
  if (out == nullptr) return CT_OK;
  Entry *e = store_.at(ref);
  return hand_out(e, layout_.value(e), out) ? CT_OK : CT_ERR_NOMEM;
}

// ---- Many keys --------------------------------------------------------------------------------

// Goes to where each of a group is looked for first, so that their cache misses overlap; false: there
// is no such place, or the version is over. Under the lock, or where that is not needed.
bool Shard::approach(Look *looks, uint32_t count, uint32_t version) const {
  for (uint32_t i = 0; i < count; i++) {
    Bucket *home = index_.home(looks[i].probe.hash);
    if (home == nullptr) return false;
    looks[i].seen.place.bucket = home;
  }
  if (!index_.unchanged_since(version)) return false;
  for (uint32_t i = 0; i < count; i++) {
    Place &place = looks[i].seen.place;
    place = place.bucket->first(hash_tag(looks[i].probe.hash));
    if (place.ref == kNone) continue;
    const char *entry = Layout::at(store_.at(place.ref), 0);
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 64);
  }
  return true;
}

ct_status Shard::get_some(Look *looks, uint32_t count, Now &now, ct_value *values,
                          ct_status *statuses) {
  Guard guard(lock());
  approach(looks, count, index_.version());
  for (uint32_t i = 0; i < count; i++) {
    statuses[i] = get_inside(looks[i].probe, now, &values[i], true);
    if (statuses[i] < 0) return statuses[i];
  }
  return CT_OK;
}

void Shard::sight_some(Look *looks, uint32_t count, Now &now, ct_status *statuses) {
  if (log_.is_open()) {
    sight_run<false>(looks, count, now, statuses);
  } else {
    Guard guard(lock());
    sight_run<true>(looks, count, now, statuses);
  }
  for (uint32_t i = 0; i < count; i++) {
    if (statuses[i] < 0) statuses[i] = sight(looks[i].probe, now, &looks[i].seen);
  }
}

// Leaves a negative status where that is not enough.
template <bool kLocked>
void Shard::sight_run(Look *looks, uint32_t count, Now &now, ct_status *statuses) const {
  const uint32_t version = index_.version();
  if (!approach(looks, count, version) || (kLocked && tti_ != 0)) {
    std::fill_n(statuses, count, kChanged);
    return;
  }
  for (uint32_t i = 0; i < count; i++) {
    const Probe &probe = looks[i].probe;
    Sighted &seen = looks[i].seen;
    statuses[i] = probe.key.size > kNearKeyBytes
                      ? kUnsuited
                      : confirm<kLocked, false>(seen.place, probe, version, now, nullptr,
                                                kCopiedInside, &seen);
  }
}

// The rest of them.
ct_status Shard::sight(const Probe &probe, Now &now, Sighted *seen) {
  Guard guard(lock());
  const Place place = find_live(probe, now);
  if (place.ref == kNone) return CT_MISS;
  const size_t size = layout_.value(store_.at(place.ref)).size;
  *seen = {place, nullptr, size, index_.version(), log_.is_open()};
  return CT_OK;
}

bool Shard::copy_some(const Look *looks, uint32_t count, Now &now, char *buffer,
                      const ct_status *statuses) {
  for (uint32_t i = 0, done; i < count; i += done) {
    size_t size = 0;
    done = copy_run(looks + i, count - i, buffer, statuses + i, &size);
    if (done == 0) {
      size = looks[i].seen.size;
      if (!copy_again(looks[i].probe, now, buffer, size)) return false;
      done = 1;
    }
    buffer += size;
  }
  return true;
}

// Those that were seen in the version of the first, if it is still that; answers how many, with misses
// among them. 0: the first is a hit that is better pinned, or nothing is certain any more.
uint32_t Shard::copy_run(const Look *looks, uint32_t count, char *buffer, const ct_status *statuses,
                         size_t *size) {
  uint32_t i = 0;
  while (i < count && statuses[i] != CT_OK) i++;
  if (i != 0) return i;
  Guard guard(log_.is_open() ? nullptr : lock());
  const uint32_t version = looks[0].seen.version;
  // Without the log, what was seen is gone if it is not still that version.
  if (!index_.unchanged_since(version)) return 0;
  size_t copied = 0;
  for (; i < count; i++) {
    if (statuses[i] != CT_OK) continue;
    const Sighted &seen = looks[i].seen;
    if (seen.value == nullptr || seen.version != version) break;
    load_bytes(buffer + copied, seen.value, seen.size);
    copied += seen.size;
  }
  *size = copied;
  return index_.unchanged_since(version) ? i : 0;
}

// A value of that size, if there is one.
bool Shard::copy_again(const Probe &probe, Now &now, char *buffer, size_t size) {
  ct_value value = CT_VALUE_INIT;
  const bool same = peek(probe, now, &value) == CT_OK && value.size == size;
  if (same && size > 0) std::memcpy(buffer, value.data, size);
  if (value.pin != 0) release(&value);
  return same;
}

void Shard::use_some(const Look *looks, uint32_t count, Now &now, const ct_status *statuses) {
  const bool unlocked = log_.is_open();
  for (uint32_t i = 0; i < count; i++) {
    const Sighted &seen = looks[i].seen;
    if (unlocked && statuses[i] != CT_OK) {
      note_miss();
    } else if (unlocked && seen.lasting) {
      note_hit(seen.place);
    } else {
      i += use_run(looks + i, count - i, now, statuses + i) - 1;
    }
  }
}

// Under the lock, up to one that needs no lock; answers how many. There is at least one.
uint32_t Shard::use_run(const Look *looks, uint32_t count, Now &now, const ct_status *statuses) {
  Guard guard(lock());
  uint32_t i = 0;
  do {
    const Sighted &seen = looks[i].seen;
    if (statuses[i] != CT_OK) {
      counters_.misses += keeps_stats_;
      continue;
    }
    counters_.hits += keeps_stats_;
    // It may have left, or another may have come, since.
    const bool same = seen.place.ref != kNone && index_.unchanged_since(seen.version);
    const Place place = same ? seen.place : find_live(looks[i].probe, now);
    if (place.ref != kNone) count_use(place, looks[i].probe.hash, now);
  } while (++i < count && !(statuses[i] == CT_OK && looks[i].seen.lasting));
  return i;
}

}  // namespace ct
