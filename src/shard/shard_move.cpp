// SPDX-License-Identifier: MIT
// Moves entries to other blocks, so that the store can free a chunk. No caller can tell the
// difference.
#include "shard/shard_inline.hpp"

namespace ct {

// Moves an entry out of a block that the store wants to be rid of. Returns false if the entry has
// to stay.
bool Shard::move(Ref from) {
  const Entry *old = at(from);
  if (old->pins != 0 || old->is_dead()) return false;
  const Ref to = map_.entries.copy_elsewhere(old);
  if (to == kNone) return false;
  change_place(from, to, hash_of(from));
  if ((old->flags & kLifetime) != 0) expiry_.moved(to);
  map_.entries.free_moved(from, old);
  return true;
}

// Moves entries of about this many bytes out of sparse chunks. Returns whether there may be more to
// gain.
bool Shard::compact(size_t bytes) {
  const auto move_out = [this](Ref ref) CT_REQUIRES(lock_) { return move(ref); };
  return map_.entries.store().compact(bytes, map_.index.size(), under_lock(move_out));
}

// Moves nothing while a request waits for room, because its block cannot be moved before it is an
// entry.
void Shard::compact_for(size_t bytes) {
  if (waiting_ == 0) compact(bytes);
}

}  // namespace ct
