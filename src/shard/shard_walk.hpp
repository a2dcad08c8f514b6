// SPDX-License-Identifier: MIT
// Walks over the entries of a shard: in the order of the index, or of the policy. They lock the
// shard for a stretch at a time.
#ifndef CT_SHARD_WALK_HPP
#define CT_SHARD_WALK_HPP

#include <cachetools.h>

#include <cstdint>

#include "base/array.hpp"
#include "base/hash.hpp"
#include "shard/order_walk.hpp"
#include "shard/record.hpp"
#include "shard/shard.hpp"

namespace ct {

class ShardWalk {
 public:
  explicit ShardWalk(Shard &shard) noexcept : shard_(shard) {}

  // Pins the entries in a stretch of the index from position *from on, and appends them. Sets *from
  // to where it stopped: Index::kEnd at the end.
  ct_status list_some(uint64_t *from, Array<Held> &out);
  // Sets *key and *value to those of a pinned entry. Returns false if the entry is dead or has
  // expired. stale_too: not if it may still be served.
  bool view(Entry *entry, bool stale_too, Now &now, Bytes *key, Bytes *value);
  static uint64_t id_of(Bytes key) { return hash_key(key.data, key.size, 0); }
  // Begins a walk over the order.
  OrderWalk begin();
  // Appends the next kAtOnce entries of the walk, or as many as are left, to `out`, which has room
  // for them. Returns CT_OK or CT_ERR_NOMEM.
  ct_status list_ranks(OrderWalk &walk, Array<Ranked> &out);
  // The same with the entries themselves, which it pins. It makes the room in `out` itself.
  ct_status list_order(OrderWalk &walk, Array<Ordered> &out);
  void end(OrderWalk &walk);
  // Sets *out for a pinned entry. The names of its tags are in `names`. Returns CT_OK, CT_MISS if the
  // entry is gone, or CT_ERR_NOMEM.
  ct_status describe(Entry *entry, Now &now, Array<char> &names, Record *out);

 private:
  bool resume(const OrderWalk &walk, Policy::Walk *at) const
      CT_REQUIRES(shard_.lock_, shard_.settled_);
  bool pin_places(OrderWalk &walk) CT_REQUIRES(shard_.lock_);
  template <class Visit>
  ct_status walk_some(OrderWalk &walk, Visit visit);

  Shard &shard_;
};

}  // namespace ct

#endif
