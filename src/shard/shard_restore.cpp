// SPDX-License-Identifier: MIT
// The shard's part of restoring entries that a snapshot has kept.
#include <cstdint>

#include "shard/shard_store.hpp"

namespace ct {

ct_status ShardStore::stage() {
  Shard::Settled settled(shard_);
  const Ref old = map().find(request_.probe).ref;
  if (old != kNone) {
    if (!map().is_gone(shard_.at(old), now_)) return CT_NOT_STORED;
    const ct_cause cause = shard_.cause_of_due(shard_.at(old));
    room_.keep(shard_.leave(old, request_.probe.hash, cause, gone_));
  }
  // No entry leaves for a restored one. So without a free reference it is not let in.
  if (!prepare()) return request_.lacks_reference ? CT_NOT_STORED : CT_ERR_NOMEM;
  fill(request_.ref);
  return CT_OK;
}

void ShardStore::admit(uint64_t uses) {
  Shard::Settled settled(shard_);
  const Ref ref = request_.ref;
  Entry *e = shard_.at(ref);
  const uint64_t hash = shard_.hash_of(ref);
  const bool has_deadline = map().entries.deadline(e) != CT_NEVER;
  // Only ct_clear can have undone the reservation. Then the entry may be left out, as if ct_clear
  // had come after it.
  const bool is_absent = map().find({map().entries.key(e), hash}).ref == kNone;
  if (!is_absent || map().entries.is_invalidated(e) || !reserve(shard_.waiting_, has_deadline))
    return release_block();
  if (shard_.has_negatives()) room_.keep(shard_.negatives_->forget({map().entries.key(e), hash}));
  request_.ref = kNone;
  shard_.waiting_--;
  shard_.uses_.order_changed();
  map().index.insert(hash, ref);
  shard_.policy_->restore(ref, hash, uses, now_);
  shard_.share_.reweigh(room_, 0, map().entries.weight_of(e));
  if (has_deadline) shard_.expiry_.insert(ref, now_());
  shard_.tell_stored(e, hash);
}

}  // namespace ct
