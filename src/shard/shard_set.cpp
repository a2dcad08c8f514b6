// SPDX-License-Identifier: MIT
// The usual set, in one pass. Most caches count their entries and tell nobody of what leaves. Once
// such a cache is full, a set of a new key evicts one entry and takes its place, nearly always in
// the same block, and changes neither the shard's share nor the budget.
//
// Whatever is not as usual is left to ShardStore, which knows everything. Both do the same: a set
// that could go either way leaves the same shard behind. The checks come before the first change.
#include <cstdint>

#include "shard/shard.hpp"
#include "shard/shard_inline.hpp"

namespace ct {

// Returns whether a set has nothing to do but to store: no entry is due or invalidated, no load is to
// be overtaken, room is nowhere but in entries, and neither entries nor references are moving.
inline bool Shard::is_calm(Now &now) const {
  return flights_.empty() && !has_negatives() && waiting_ == 0 && budget_.is_used_up() &&
         share_.none_due(now) && !map_.entries.store().is_sparse() && !map_.index.migrating() &&
         !needs_sweep();
}

template <bool kMortal>
[[gnu::flatten]] bool Shard::set_as_usual(const UsualSet &set, Now &now) {
  Settled settled(*this);
  if (!is_calm(now) || (kMortal && !expiry_.reserve())) return false;
  const Ref old = map_.find(set.probe).ref;
  return old != kNone ? overwrite_as_usual<kMortal>(old, set, now)
                      : replace_victim<kMortal>(set, now);
}

// Returns whether the pair fits exactly into the block of an entry, which nobody holds.
inline bool Shard::fits_block_of(const Entry *e, uint8_t flags, const UsualSet &set) const {
  const Layout &layout = map_.entries.layout();
  const size_t bytes = layout.block_bytes(flags, set.probe.key.size, set.value.size, 0);
  return e->pins == 0 && (e->flags & ~kPolicyFlags) == flags && layout.block_bytes(e) == bytes;
}

template <bool kMortal>
inline bool Shard::overwrite_as_usual(Ref ref, const UsualSet &set, Now &now) {
  Entry *e = at(ref);
  if (!fits_block_of(e, kMortal ? kLifetime : 0, set)) return false;
  if (kMortal) expiry_.remove(ref);
  {
    const Layout &layout = map_.entries.layout();
    Index::WriteSection section(map_.index);
    e->value_size = static_cast<uint16_t>(set.value.size);
    layout.fill(layout.value(e), set.value);
    if (kMortal) begin_life(e, set.deadline, CT_NEVER, now);
  }
  policy_->update(ref, set.probe.hash, 1, now);
  if (kMortal && has_deadline(set.deadline)) expiry_.insert(ref, now());
  counters_.update();
  return true;
}

// The victim is asked for once, as a policy may learn from the question. If its block cannot be
// taken over, another one is allocated before the victim leaves.
template <bool kMortal>
inline bool Shard::replace_victim(const UsualSet &set, Now &now) {
  constexpr uint8_t flags = kMortal ? kLifetime : 0;
  // A full shard is as large as it will be.
  if (reads_unlocked_ && !map_.index.is_shown()) open();
  if (map_.index.size() == 0 || !policy_->reserve(1)) return false;
  policy_->prefetch(set.probe.hash);
  const Ref victim = policy_->victim_for(set.probe.hash);
  Entry *e = victim == kNone || victim == kAskAgain ? nullptr : at(victim);
  Ref ref = kNone;
  if (e != nullptr && (e->flags & (kWeight | kTags)) == 0)
    ref = fits_block_of(e, flags, set) ? victim : make_usual(flags, set);
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
    map_.entries.refill(ref, e, flags, set.probe.key, set.value);
  } else {
    bury_victim(victim);
    e = at(ref);
  }
  if (kMortal) begin_life(e, set.deadline, CT_NEVER, now);
  uses_.order_changed();
  map_.index.insert(set.probe.hash, ref);
  policy_->insert(ref, set.probe.hash, now);
  if (kMortal && has_deadline(set.deadline)) expiry_.insert(ref, now());
  counters_.insert();
  if (!map_.entries.store().is_near()) prefetch_next_victim();
  return true;
}

template bool Shard::set_as_usual<false>(const UsualSet &set, Now &now);
template bool Shard::set_as_usual<true>(const UsualSet &set, Now &now);

// These two are apart, since the usual set keeps more of its own in registers then.
[[gnu::noinline]] Ref Shard::make_usual(uint8_t flags, const UsualSet &set) {
  ApartCopy nothing_apart(map_.entries.store().memory());
  const Bytes key = set.probe.key;
  const Ref ref = map_.entries.make(flags, key.size, set.value.size, 0, nothing_apart);
  if (ref != kNone) map_.entries.fill(at(ref), key, set.value);
  return ref;
}

[[gnu::noinline]] void Shard::bury_victim(Ref victim) { bury_quietly(victim); }

}  // namespace ct
