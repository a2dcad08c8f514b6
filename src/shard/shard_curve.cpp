// SPDX-License-Identifier: MIT
// What a shard tells the cache's miss-ratio curve (curve.hpp).
#include "shard/shard.hpp"

namespace ct {

void Shard::attend(Entry *e, uint64_t hash, Now &now) {
  if (idles_) renew_idle(e, now);
  if ((e->flags & kSampled) != 0) tell_hit(e, hash);
}

ct_status Shard::tell_and_note_miss(const char *key, size_t key_size) {
  owner_.curve()->miss(unlocked().hash_of({key, key_size}));
  return note_miss();
}

void Shard::tell_curve_stored(Entry *e, uint64_t hash) const {
  if (!owner_.curve()->samples(hash)) return;
  e->flags = e->flags | kSampled;
  owner_.curve()->store(hash, map_.entries.weight_of(e), map_.entries.layout().write_deadline(e));
}

void Shard::tell_hit(const Entry *e, uint64_t hash) const {
  owner_.curve()->hit(hash, map_.entries.weight_of(e), map_.entries.layout().write_deadline(e));
}

// Called without the lock. If the entry has gone since the read, the curve is not told.
void Shard::tell_hit(const Found &found, const Probe &probe) const {
  uint64_t weight, deadline;
  unlocked().terms(found, probe.key.size, &weight, &deadline);
  if (unlocked().holds(found)) owner_.curve()->hit(probe.hash, weight, deadline);
}

void Shard::tell_read_of(Ref ref, uint64_t hash) const {
  if (ref == kNone) return tell_miss(hash);
  if ((at(ref)->flags & kSampled) != 0) tell_hit(at(ref), hash);
}

void Shard::tell_peek(const Probe &probe, bool is_hit) {
  if (owner_.curve() == nullptr || !owner_.curve()->samples(probe.hash)) return;
  if (!is_hit) return owner_.curve()->miss(probe.hash, Curve::kPeeks);
  Now now(clock_);
  ct_entry_info info;
  if (inspect(probe, now, &info) == CT_OK)
    owner_.curve()->hit(probe.hash, info.weight, info.deadline, Curve::kPeeks);
}

void Shard::tell_curve_deadline(const Entry *e, uint64_t hash) const {
  owner_.curve()->extend(hash, map_.entries.layout().write_deadline(e));
}

void Shard::tell_entries(uint64_t *from) {
  Locked locked(*this);
  const auto tell = [&](Ref ref, uint64_t hash) CT_REQUIRES(lock_) { tell_stored(at(ref), hash); };
  for (uint64_t asked = 0, homes = 0;
       asked < kAtOnce && homes < kHomesAtOnce && *from != Index::kEnd; homes++) {
    *from = map_.index.visit_from(*from, hasher(&asked), under_lock(tell));
  }
  lock_.let_others_in();
}

}  // namespace ct
