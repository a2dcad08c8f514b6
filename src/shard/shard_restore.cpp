// SPDX-License-Identifier: MIT
// The shard's part of restoring entries that a snapshot has kept.
#include <cassert>
#include <cstdint>

#include "shard/shard.hpp"

namespace ct {

ct_status Shard::stage(StoreRequest &request, Reservation &room, Now &now, Departed &gone) {
  Settled settled(*this);
  const Ref old = map_.find(request.probe).ref;
  if (old != kNone) {
    if (!map_.is_expired(at(old), now)) return CT_EXISTS;
    room.keep(leave(old, request.probe.hash, CT_CAUSE_EXPIRED, gone));
  }
  // No entry leaves for a restored one. So without a free reference it is not let in.
  if (!prepare(request)) return request.lacks_reference ? CT_EXISTS : CT_ERR_NOMEM;
  fill(request.ref, request, now);
  return CT_OK;
}

void Shard::admit(Ref ref, uint64_t uses, Reservation &room, Now &now) {
  Settled settled(*this);
  Entry *e = at(ref);
  const uint64_t hash = hash_of(ref);
  const bool has_deadline = map_.entries.deadline(e) != CT_NEVER;
  // Only ct_clear can have undone the reservation. Then the entry may be left out, as if ct_clear
  // had come after it.
  const bool is_absent = map_.find({map_.entries.key(e), hash}).ref == kNone;
  const bool is_let_in = is_absent && reserve(waiting_, has_deadline);
  waiting_--;
  if (!is_let_in) {
    map_.entries.free(ref, e);
    return;
  }
  uses_.order_changed();
  map_.index.insert(hash, ref);
  policy_->restore(ref, hash, uses, now);
  share_.reweigh(room, 0, map_.entries.weight_of(e));
  if (has_deadline) expiry_.insert(ref, now());
}

void Shard::dismiss(Ref ref) {
  Locked locked(*this);
  waiting_--;
  map_.entries.free(ref, at(ref));
}

}  // namespace ct
