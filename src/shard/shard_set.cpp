// SPDX-License-Identifier: MIT
// The usual set, in one pass. Most caches count their entries, have no lifetimes, and tell nobody
// of what leaves. Once such a cache is full, a set of a new key evicts one entry and takes its
// place, nearly always in the same block, and changes neither the shard's share nor the budget.
//
// Whatever is not as usual is left to ShardStore, which knows everything. Both do the same: a set
// that could go either way leaves the same shard behind. The checks come before the first change.
#include <cstdint>

#include "shard/shard.hpp"
#include "shard/shard_inline.hpp"

namespace ct {

// Returns whether a set has nothing to do but to store: no entry can become due, no load is to be
// overtaken, room is nowhere but in entries, and neither entries nor references are moving.
inline bool Shard::is_calm() const {
  return share_.all_live_for_ever() && flights_.empty() && waiting_ == 0 && budget_.is_used_up() &&
         !map_.entries.store().is_sparse() && !map_.index.migrating();
}

[[gnu::flatten]] bool Shard::set_as_usual(const Probe &probe, Bytes value) {
  Settled settled(*this);
  if (!is_calm()) return false;
  const Ref old = map_.find(probe).ref;
  return old != kNone ? overwrite_as_usual(old, probe, value) : replace_victim(probe, value);
}

inline bool Shard::overwrite_as_usual(Ref ref, const Probe &probe, Bytes value) {
  const Layout &layout = map_.entries.layout();
  Entry *e = at(ref);
  const size_t bytes = layout.block_bytes(0, probe.key.size, value.size);
  if (!is_usual(e) || layout.block_bytes(e) != bytes) return false;
  {
    Index::WriteSection section(map_.index);
    e->value_size = static_cast<uint16_t>(value.size);
    layout.fill(layout.value(e), value);
  }
  Now now(clock_);
  policy_->update(ref, probe.hash, 1, now);
  counters_.update();
  return true;
}

// The victim is asked for once, as a policy may learn from the question. If its block cannot be
// taken over, another one is allocated before the victim leaves.
inline bool Shard::replace_victim(const Probe &probe, Bytes value) {
  // A full shard is as large as it will be.
  if (reads_unlocked_ && !map_.index.is_shown()) open();
  if (map_.index.size() == 0 || !policy_->reserve(1)) return false;
  policy_->prefetch(probe.hash);
  const Ref victim = policy_->victim_for(probe.hash);
  Entry *e = victim == kNone || victim == kAskAgain ? nullptr : at(victim);
  const Ref ref =
      e == nullptr || (e->flags & kWeight) != 0 ? kNone : block_for(probe, value, victim, e);
  if (ref == kNone) {
    uses_.order_changed();
    return false;
  }
  const uint64_t hash = hash_of(e);
  map_.index.erase(hash, victim);
  if ((e->flags & kLifetime) != 0) expiry_.remove(victim);
  policy_->remove(victim, hash, true);
  counters_.departure(CT_CAUSE_EVICTED, 1);
  if (ref == victim) {
    map_.entries.refill(ref, e, probe.key, value);
  } else {
    bury_victim(victim);
  }
  uses_.order_changed();
  map_.index.insert(probe.hash, ref);
  Now now(clock_);
  policy_->insert(ref, probe.hash, now);
  counters_.insert();
  if (!map_.entries.store().is_near()) prefetch_next_victim();
  return true;
}

// e: the victim. Returns its own block, if the pair fits in there, or else another one that holds
// the pair. Returns kNone if there is no memory.
inline Ref Shard::block_for(const Probe &probe, Bytes value, Ref victim, const Entry *e) {
  const Layout &layout = map_.entries.layout();
  const size_t bytes = layout.block_bytes(0, probe.key.size, value.size);
  return is_usual(e) && layout.block_bytes(e) == bytes ? victim : make_usual(probe.key, value);
}

// These two are apart, since the usual set keeps more of its own in registers then.
[[gnu::noinline]] Ref Shard::make_usual(Bytes key, Bytes value) {
  ApartCopy nothing_apart(map_.entries.store().memory());
  const Ref ref = map_.entries.make(0, key.size, value.size, nothing_apart);
  if (ref != kNone) map_.entries.fill(at(ref), key, value);
  return ref;
}

[[gnu::noinline]] void Shard::bury_victim(Ref victim) { bury_quietly(victim); }

}  // namespace ct
