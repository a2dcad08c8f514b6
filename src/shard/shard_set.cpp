// SPDX-License-Identifier: MIT
// The usual set, in one pass. Most caches count their entries, have no lifetimes, and tell nobody of
// what leaves. Once such a cache is full, a set of a new key evicts one entry and takes its place,
// nearly always in the same block, and changes neither the shard's share nor the budget.
//
// Whatever is not as usual is left to ShardStore, which knows everything. Both do the same: a set
// that could go either way leaves the same shard behind. The checks come before the first change,
// except that a policy may be asked for its victim twice.
#include <cassert>
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

inline bool Shard::replace_victim(const Probe &probe, Bytes value) {
  const Layout &layout = map_.entries.layout();
  if (map_.index.size() == 0 || !policy_->reserve(1)) return false;
  policy_->prefetch(probe.hash);
  const Ref victim = policy_->victim_for(probe.hash);
  if (victim == kNone || victim == kAskAgain) return false;
  Entry *e = at(victim);
  const size_t bytes = layout.block_bytes(0, probe.key.size, value.size);
  if (!is_usual(e) || layout.block_bytes(e) != bytes) return false;

  const uint64_t hash = hash_of(victim);
  map_.index.erase(hash, victim);
  policy_->remove(victim, hash, true);
  counters_.departure(CT_CAUSE_EVICTED, 1);

  map_.entries.refill(victim, probe.key, value);
  uses_.order_changed();
  map_.index.insert(probe.hash, victim);
  Now now(clock_);
  policy_->insert(victim, probe.hash, now);
  counters_.insert();
  if (!map_.entries.store().is_near()) prefetch_next_victim();
  return true;
}

}  // namespace ct
