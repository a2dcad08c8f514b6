// SPDX-License-Identifier: MIT
// Releases pinned values, and frees the dead entries that stayed for them or for the listener.
// `drop` is called with no lock held.
#include "shard/shard.hpp"

namespace ct {

ct_status Shard::repin(const ct_value &value, ct_value *out) {
  Locked locked(*this);
  Entry *e = entry_of(value);
  if (kDebugHandles && e->pins == 0) abort_for("a ct_value", "was used after it was released");
  if (!pins_.pin(e)) return CT_ERR_NOMEM;
  if (closed_) owner_.refer(1);
  *out = value;
  return CT_OK;
}

void Shard::release(ct_value *value) {
  Entry *e = entry_of(*value);
  *value = ct_value CT_VALUE_INIT;
  release(e);
}

void Shard::release(Entry *e) {
  bool closed = false;
  bool dropping;
  Ref ref = kNone;
  {
    Locked locked(*this);
    const bool last = e->pins == 1 && e->is_dead() && !e->is_telling();
    dropping = last && options_.drop != nullptr && !e->is_not_dropped();
    if (dropping) {
      ref = e->prev;
    } else {
      closed = let_loose(e, last);
    }
  }
  if (dropping) return drop(ref, e);
  // A pin that outlived ct_cache_free refers to the cache. That reference ends here, when nothing
  // of the cache is touched any more.
  if (closed) owner_.unrefer();
}

// The value has left, and its last pin, if there still is one, goes now. Whatever is released from
// within a drop of the same cache is dropped behind it.
void Shard::drop(Ref ref, Entry *e) {
  Drops::Dropping own(system::this_thread());
  if (Drops::Dropping *outer = owner_.drops().begin(own)) return outer->add({number_, ref}, e);
  uint64_t closed = 0;
  own.add({number_, ref}, e);
  while (!own.empty()) {
    const Drops::Place place = own.first();
    Shard &shard = owner_.shards_of_all()[place.shard];
    Entry *dropped = shard.at(place.ref);
    own.pop(dropped);
    closed += shard.drop_now(dropped) ? 1 : 0;
  }
  owner_.drops().end(own);
  for (Owner &owner = owner_; closed != 0; closed--) owner.unrefer();
}

// Returns whether the entry had a pin that refers to the cache.
bool Shard::drop_now(Entry *e) {
  const Bytes bytes = unlocked().value(e);
  options_.drop(options_.user_data, bytes.data, bytes.size);
  Locked locked(*this);
  if (e->pins != 0) return let_loose(e, true);
  map_.entries.free_dead(e);
  return false;
}

// Removes a pin, and frees the entry if that was its last pin. Returns whether the cache was
// closed.
bool Shard::let_loose(Entry *e, bool last) {
  pins_.unpin(e);
  if (last) free_dead(e);
  return closed_;
}

// Frees a dead entry. A block that was kept because the value lives on there is let go of; there
// is no drop then.
void Shard::free_dead(Entry *e) {
  Entry *home = home_of(e);
  map_.entries.free_dead(e);
  if (home == e) return;
  pins_.let_go_of(home);
  const bool last = home->pins == 0 && home->is_dead() && !home->is_telling();
  if (last) map_.entries.free_dead(home);
}

ct_event Shard::event_of(const Entry *e, int32_t cause) const {
  const Bytes key = unlocked().key(e);
  const Bytes value = unlocked().value(e);
  return {{key.data, key.size}, {value.data, value.size}, unlocked().weight_of(e), cause, 0};
}

void Shard::let_go(Ref ref, Entry *e) {
  bool last;
  {
    Locked locked(*this);
    assert(telling_ > 0);
    telling_--;
    e->flags &= static_cast<uint8_t>(~kTelling);
    e->prev = ref;
    last = e->pins == 0;
    if (last && options_.drop == nullptr) map_.entries.free_dead(e);
  }
  if (last && options_.drop != nullptr) drop(ref, e);
}

}  // namespace ct
