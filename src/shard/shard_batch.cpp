// SPDX-License-Identifier: MIT
// Reading many keys in one go, so that the cache misses of a group overlap.
#include "shard/shard_batch.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace ct {

// Finds the place where each key of a group is looked for first, and prefetches its entry, so that
// the cache misses of the group overlap. Returns false if there is no such place, or if the version
// has changed. The caller holds the lock, or may read without it.
bool ShardBatch::approach(Asked *keys, uint32_t count, uint32_t version) const {
  for (uint32_t i = 0; i < count; i++) {
    Bucket *home = shard_.unlocked().home(keys[i].probe.hash);
    if (home == nullptr) return false;
    keys[i].found.place.slot = {home->refs};
  }
  if (!shard_.unlocked().unchanged_since(version)) return false;
  for (uint32_t i = 0; i < count; i++) {
    Place &place = keys[i].found.place;
    place = place.slot.bucket()->first(hash_tag(keys[i].probe.hash));
    if (place.ref == kNone) continue;
    const char *entry = Layout::at(shard_.at(place.ref), 0);
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 64);
  }
  return true;
}

ct_status ShardBatch::get_some(Asked *keys, uint32_t count, Now &now, ct_value *values,
                               ct_status *statuses) {
  Shard::Locked locked(shard_);
  approach(keys, count, shard_.map_.index.version());
  for (uint32_t i = 0; i < count; i++) {
    statuses[i] = shard_.get_locked(keys[i].probe, now, &values[i], true);
    if (statuses[i] < 0) return statuses[i];
  }
  return CT_OK;
}

void ShardBatch::find_some(Asked *keys, uint32_t count, Now &now, ct_status *statuses) {
  uint32_t left;
  if (shard_.unlocked().is_open()) {
    left = find_run<Access::kOptimistic>(keys, count, now, statuses);
  } else {
    Shard::Locked locked(shard_);
    left = find_run<Access::kLocked>(keys, count, now, statuses);
  }
  for (; left != 0; left &= left - 1) {
    const auto i = static_cast<uint32_t>(__builtin_ctz(left));
    statuses[i] = find_under_lock(keys[i].probe, now, &keys[i].found);
  }
}

// Looks for each key of a group only where it is looked for first. Returns a bit for each key that
// needs more than that.
template <Access kAccess>
uint32_t ShardBatch::find_run(Asked *keys, uint32_t count, Now &now, ct_status *statuses) const {
  assert(count < 32);
  const uint32_t version = shard_.unlocked().version();
  uint32_t left = (1u << count) - 1;
  if (!approach(keys, count, version)) return left;
  for (uint32_t i = 0; i < count; i++) {
    const Probe &probe = keys[i].probe;
    if (probe.key.size > EntryMap::kNearKeyBytes) continue;
    Found &found = keys[i].found;
    const Seek seek = shard_.unlocked().seek_at<kAccess>(found.place, probe, version, &found);
    if (seek != Seek::kHit && seek != Seek::kMiss) continue;
    bool is_hit = seek == Seek::kHit;
    if (is_hit) {
      if (found.size > EntryMap::kCopiedInside) continue;
      const uint64_t deadline =
          found.is_mortal() ? shard_.unlocked().deadline<kAccess>(found) : CT_NEVER;
      // The caller is told the size before the value is copied, so the size must be certain now.
      if (kAccess == Access::kOptimistic && !shard_.unlocked().holds(found)) continue;
      is_hit = deadline == CT_NEVER || now() < deadline;
    }
    statuses[i] = is_hit ? CT_OK : CT_MISS;
    left &= ~(1u << i);
  }
  return left;
}

ct_status ShardBatch::find_under_lock(const Probe &probe, Now &now, Found *found) {
  Shard::Locked locked(shard_);
  const Place place = shard_.map_.find_live(probe, now);
  if (place.ref == kNone) return CT_MISS;
  const size_t size = shard_.map_.entries.value(shard_.at(place.ref)).size;
  *found = {place,
            nullptr,
            nullptr,
            static_cast<uint32_t>(size),
            shard_.map_.index.version(),
            shard_.at(place.ref)->flags,
            shard_.map_.index.is_shown()};
  return CT_OK;
}

bool ShardBatch::copy_some(const Asked *keys, uint32_t count, Now &now, char *buffer,
                           const ct_status *statuses) {
  for (uint32_t i = 0, done; i < count; i += done) {
    size_t size = 0;
    const auto slice = static_cast<uint32_t>(std::min<uint64_t>(count - i, Shard::kAtOnce));
    if (shard_.unlocked().is_open()) {
      done = copy_run(keys + i, slice, buffer, statuses + i, &size);
    } else {
      Shard::Locked locked(shard_);
      done = copy_run(keys + i, slice, buffer, statuses + i, &size);
      shard_.lock_.let_others_in();
    }
    if (done == 0) {
      size = keys[i].found.size;
      if (!copy_pinned(keys[i].probe, now, buffer, size)) return false;
      done = 1;
    }
    buffer += size;
  }
  return true;
}

// Copies values that were found at the same version as the first one, if that is still the version.
// Returns how many keys it has passed, misses included. Returns 0 if the first key is a hit whose
// value is better pinned, or if the version has changed.
uint32_t ShardBatch::copy_run(const Asked *keys, uint32_t count, char *buffer,
                              const ct_status *statuses, size_t *size) const {
  uint32_t i = 0;
  while (i < count && statuses[i] != CT_OK) i++;
  if (i != 0) return i;
  const uint32_t version = keys[0].found.version;
  // In a small shard, what was found may be gone from memory if the version has changed.
  if (!shard_.unlocked().unchanged_since(version)) return 0;
  size_t copied = 0;
  for (; i < count; i++) {
    if (statuses[i] != CT_OK) continue;
    const Found &found = keys[i].found;
    if (found.value == nullptr || found.version != version) break;
    shard_.unlocked().count_work();
    load_bytes(buffer + copied, found.value, found.size);
    copied += found.size;
  }
  *size = copied;
  return shard_.unlocked().unchanged_since(version) ? i : 0;
}

// Copies the value while it is pinned. Returns false if there is none of that size.
bool ShardBatch::copy_pinned(const Probe &probe, Now &now, char *buffer, size_t size) {
  ct_value value = CT_VALUE_INIT;
  const bool same = shard_.peek(probe, now, &value) == CT_OK && value.size == size;
  if (same && size > 0) std::memcpy(buffer, value.data, size);
  if (value.pin != 0) shard_.release(&value);
  return same;
}

void ShardBatch::use_some(const Asked *keys, uint32_t count, Now &now, const ct_status *statuses) {
  const bool unlocked = shard_.unlocked().is_open();
  for (uint32_t i = 0; i < count; i++) {
    const Found &found = keys[i].found;
    if (unlocked && statuses[i] != CT_OK) {
      shard_.note_miss(keys[i].probe.key.data, keys[i].probe.key.size);
    } else if (unlocked && found.is_lasting && !found.is_sampled()) {
      shard_.note_hit(found.place.slot);
    } else {
      const auto slice = static_cast<uint32_t>(std::min<uint64_t>(count - i, Shard::kAtOnce));
      i += use_run(keys + i, slice, now, statuses + i) - 1;
    }
  }
}

// Counts uses under the lock, up to the first key that needs no lock. Returns how many keys it has
// counted, which is at least 1.
uint32_t ShardBatch::use_run(const Asked *keys, uint32_t count, Now &now,
                             const ct_status *statuses) {
  Shard::Locked locked(shard_);
  uint32_t i = 0;
  do {
    const Found &found = keys[i].found;
    if (statuses[i] != CT_OK) {
      shard_.count_miss(keys[i].probe.hash);
      continue;
    }
    shard_.counters_.hit();
    // The entry may have left since, or another entry may have come.
    const bool same = found.place.ref != kNone && shard_.map_.index.unchanged_since(found.version);
    const Place place = same ? found.place : shard_.map_.find_live(keys[i].probe, now);
    if (place.ref != kNone) shard_.count_use(place, keys[i].probe.hash, now);
  } while (++i < count && !(statuses[i] == CT_OK && keys[i].found.is_lasting));
  if (i == Shard::kAtOnce) shard_.lock_.let_others_in();
  return i;
}

}  // namespace ct
