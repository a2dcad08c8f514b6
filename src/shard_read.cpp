// SPDX-License-Identifier: MIT
// What reads a shard: one key, or many in one go.
#include <algorithm>
#include <cstring>

#include "shard.hpp"

namespace ct {

// ---- Uses -------------------------------------------------------------------------------------

void Shard::count_use(Place place, uint64_t hash, Now &now) {
  if (tti_ != 0) renew_idle(store_.at(place.ref), now);
  switch (uses_) {
    case Uses::kIgnored:
      break;
    case Uses::kMarked:
      place.count_use(most_uses_);
      break;
    case Uses::kGathered:
      gather_use(place);
      break;
    case Uses::kTold:
      policy_->hit(place.ref, hash, now);
      break;
  }
}

// A thread's uses are in one place, that they stay in order: its stripe once there is one.
void Shard::gather_use(Place place) {
  if (ReadLog::Stripe *stripes = log_.stripes()) {
    ReadLog::Stripe &own = ReadLog::own(stripes);
    if (own.use(place)) return;
    tell_uses();
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
  own.use(place);
}

void Shard::tell_uses() {
  if (used_count_ != 0) policy_->used(used_, used_count_);
  used_count_ = 0;
  log_.tell_uses([this](const Ref *refs, uint32_t count) { policy_->used(refs, count); });
}

// False: no memory for the pin.
bool Shard::take(const Place &place, uint64_t hash, bool use, Now &now, ct_value *out) {
  Entry *e = store_.at(place.ref);
  if (out != nullptr && !hand_out(e, layout_.value(e), out)) return false;
  if (!use) return true;
  counters_.hits += counting_;
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
    if (count_miss) counters_.misses += counting_;
    return CT_MISS;
  }
  return take(place, probe.hash, true, now, out) ? CT_OK : CT_ERR_NOMEM;
}

// Finds a value, and copies it if kCopies, unless it is better pinned or better found under the lock
// (kUnsuited), or something changed meanwhile (kChanged).
template <bool kLocked, bool kCopies>
ct_status Shard::look(const Probe &probe, Now &now, char *buffer, size_t capacity,
                      Sighted *seen) const {
  if (probe.key.size > kNearKeyBytes || (kLocked && tti_ != 0)) return kUnsuited;
  const uint32_t moment = index_.moment();
  const auto is_still = [&] { return kLocked || index_.is_still(moment); };
  const Index::Sight sight = index_.look(probe.hash);
  if (!is_still()) return kChanged;
  ct_status status = CT_MISS;
  Head head;
  const Place place = sight.find([&](Ref ref) {
    status = examine<kLocked, kCopies>(ref, probe, moment, buffer, capacity, &head);
    return status != CT_MISS;
  });
  if (status < 0) return status;
  uint64_t deadline = CT_NEVER;
  if (status == CT_OK && (head.flags & kLifetime) != 0) {
    deadline = layout_.deadline_of_write(store_.at(place.ref), head.flags);
  }
  if (!is_still()) return kChanged;
  if (deadline != CT_NEVER && now() >= deadline) return CT_MISS;
  if (status == CT_OK) *seen = {place, moment, !kLocked, head.value_size};
  return status;
}

ct_status Shard::get_copy(const Probe &probe, Now &now, char *buffer, size_t capacity,
                          size_t *size) {
  ReadLog::Stripe *stripes = log_.stripes();
  ct_status status = kChanged;
  for (int i = 0; i < kAttempts && stripes != nullptr && status == kChanged; i++) {
    Sighted seen;
    status = look<false, true>(probe, now, buffer, capacity, &seen);
    if (status == CT_OK) {
      *size = seen.size;
      note_hit(stripes, seen.place);
    } else if (status == CT_MISS) {
      note_miss(stripes);
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
    const ct_status status = look_home<true, true>(probe, now, buffer, capacity, &seen);
    const Place place = status == CT_OK ? seen.place : status < 0 ? find_live(probe, now) : Place{};
    if (place.ref == kNone) {
      counters_.misses += counting_;
      return CT_MISS;
    }
    if (status == CT_OK) {
      *size = seen.size;
      counters_.hits += counting_;
      count_use(place, probe.hash, now);
      return CT_OK;
    }
    e = store_.at(place.ref);
    value = layout_.value(e);
    *size = value.size;
    if (value.size > capacity) return CT_ERR_BUFFER;
    counters_.hits += counting_;
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

// So that the misses of a group overlap. Under the lock, or where that is not needed.
void Shard::prefetch_entries(const Look *looks, uint32_t count) const {
  const uint32_t moment = index_.moment();
  for (uint32_t i = 0; i < count; i++) {
    const Bucket *home = index_.home(looks[i].probe.hash);
    if (home == nullptr || !index_.is_still(moment)) return;
    const uint32_t found = home->match(hash_tag(looks[i].probe.hash));
    if (found == 0) continue;
    const char *entry = Layout::at(store_.at(home->refs[__builtin_ctz(found)].acquire()), 0);
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 64);
  }
}

ct_status Shard::get_some(const Look *looks, uint32_t count, Now &now, ct_value *values,
                          ct_status *statuses) {
  Guard guard(lock());
  prefetch_entries(looks, count);
  for (uint32_t i = 0; i < count; i++) {
    statuses[i] = get_inside(looks[i].probe, now, &values[i], true);
    if (statuses[i] < 0) return statuses[i];
  }
  return CT_OK;
}

void Shard::sight_some(Look *looks, uint32_t count, Now &now, ct_status *statuses) {
  const bool unlocked = log_.stripes() != nullptr;
  for (uint32_t i = 0; i < count; i++) {
    {
      Guard guard(unlocked ? nullptr : lock());
      prefetch_entries(looks + i, count - i);
      for (; i < count; i++) {
        const Probe &probe = looks[i].probe;
        statuses[i] =
            unlocked ? look_home<false, false>(probe, now, nullptr, kCopiedInside, &looks[i].seen)
                     : look_home<true, false>(probe, now, nullptr, kCopiedInside, &looks[i].seen);
        if (statuses[i] < 0) break;
      }
    }
    if (i < count) statuses[i] = sight(looks[i].probe, now, &looks[i].seen);
  }
}

// What look_home does not.
ct_status Shard::sight(const Probe &probe, Now &now, Sighted *seen) {
  Guard guard(lock());
  const Place place = find_live(probe, now);
  if (place.ref == kNone) return CT_MISS;
  *seen = {place, index_.moment(), log_.stripes() != nullptr,
           layout_.value(store_.at(place.ref)).size};
  return CT_OK;
}

bool Shard::copy_some(const Look *looks, uint32_t count, Now &now, char *buffer,
                      const ct_status *statuses) {
  const bool unlocked = log_.stripes() != nullptr;
  for (uint32_t i = 0; i < count; i++) {
    {
      Guard guard(unlocked ? nullptr : lock());
      for (; i < count; i++) {
        if (statuses[i] != CT_OK) continue;
        const Sighted &seen = looks[i].seen;
        if (seen.size > kCopiedInside || !index_.is_still(seen.moment)) break;
        const Entry *e = store_.at(seen.place.ref);
        const uint8_t flags = Head::of(e).flags;
        if ((flags & kApart) != 0 || !index_.is_still(seen.moment)) break;
        const size_t offset = layout_.value_offset(flags, looks[i].probe.key.size);
        load_bytes(buffer, Layout::at(e, offset), seen.size);
        if (!index_.is_still(seen.moment)) break;
        buffer += seen.size;
      }
    }
    if (i == count) break;
    if (!copy_again(looks[i].probe, now, buffer, looks[i].seen.size)) return false;
    buffer += looks[i].seen.size;
  }
  return true;
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
  ReadLog::Stripe *stripes = log_.stripes();
  for (uint32_t i = 0; i < count; i++) {
    const Sighted &seen = looks[i].seen;
    if (stripes != nullptr && statuses[i] != CT_OK) {
      note_miss(stripes);
    } else if (stripes != nullptr && seen.lasting) {
      note_hit(stripes, seen.place);
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
      counters_.misses += counting_;
      continue;
    }
    counters_.hits += counting_;
    // It may have left, or another may have come, since.
    const bool same = seen.place.ref != kNone && index_.is_still(seen.moment);
    const Place place = same ? seen.place : find_live(looks[i].probe, now);
    if (place.ref != kNone) count_use(place, looks[i].probe.hash, now);
  } while (++i < count && !(statuses[i] == CT_OK && looks[i].seen.lasting));
  return i;
}

}  // namespace ct
