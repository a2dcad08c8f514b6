// SPDX-License-Identifier: MIT
// The usual set, in one pass. Most caches count their entries and tell nobody of what leaves. Once
// such a cache is full, a set of a new key evicts one entry and takes its place, nearly always in
// the same block, and changes neither the weight of the shard nor the budget.
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
  return (flights_.count() | waiting_) == 0 && budget_.is_used_up() && share_.none_due(now) &&
         !map_.entries.store().is_sparse() && !map_.index.migrating() && !needs_sweep();
}

template <bool kMortal>
[[gnu::flatten]] bool Shard::set_as_usual(const UsualSet &set, Now &now) {
  Settled settled(*this);
  if (!is_calm(now) || (kMortal && !expiry_.reserve())) return false;
  const Ref old = map_.find_inline(set.probe).ref;
  return old != kNone ? overwrite_as_usual<kMortal>(old, set, now)
                      : replace_victim<kMortal>(set, now);
}

// Returns whether the pair fits exactly into the block of an entry, which nobody holds.
[[gnu::noinline]] bool Shard::fits_block_of(const Entry *e, uint8_t flags,
                                            const UsualSet &set) const {
  const Layout &layout = map_.entries.layout();
  const size_t bytes = layout.block_bytes(flags, set.probe.key.size, set.value.size, 0);
  return e->pins == 0 && (e->flags & ~kNoteFlags) == flags && layout.block_bytes(e) == bytes;
}

// Nearly always the lengths are those of the entry, too, which is one comparison.
inline bool Shard::is_alike(const Entry *e, uint8_t flags, const UsualSet &set) const {
  return Head::of(e).is_free_with(flags, set.probe.key.size, set.value.size);
}

template <bool kMortal>
inline bool Shard::overwrite_as_usual(Ref ref, const UsualSet &set, Now &now) {
  constexpr uint8_t flags = kMortal ? kLifetime : 0;
  Entry *e = at(ref);
  if (!is_alike(e, flags, set) && !fits_block_of(e, flags, set)) return false;
  if (kMortal) expiry_.remove(ref);
  {
    const Layout &layout = map_.entries.layout();
    Index::WriteSection section(map_.index);
    e->value_size = static_cast<uint16_t>(set.value.size);
    const size_t offset = layout.value_offset(flags, set.probe.key.size);
    layout.fill({Layout::at(e, offset), set.value.size}, set.value);
    if (kMortal) begin_life(e, set.deadline, CT_NEVER, now);
  }
  policy_->update(ref, set.probe.hash, 1, now);
  if (kMortal && has_deadline(set.deadline)) expiry_.insert(ref, now());
  counters_.update();
  tell_stored(e, set.probe.hash);
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
  if (__builtin_expect(share_.count_demand(), 0) && share_.compare(map_.index.size())) return false;
  const bool is_far = !map_.entries.store().fits_near_core();
  if (is_far) policy_->prefetch(set.probe.hash);
  const Ref victim = policy_->victim(&set.probe.hash);
  Entry *e = victim == kNone || victim == kAskAgain ? nullptr : at(victim);
  const bool alike = e != nullptr && is_alike(e, flags, set);
  const Ref ref = alike ? victim : block_beside(e, victim, flags, set);
  if (ref == kNone) {
    uses_.order_changed();
    return false;
  }
  const Bytes key =
      alike ? Bytes{Layout::at(e, map_.entries.layout().key_offset(flags)), set.probe.key.size}
            : map_.entries.key(e);
  map_.entries.count_work();
  const uint64_t hash = map_.entries.hash_of(key);
  map_.index.erase(hash, victim);
  if ((e->flags & kLifetime) != 0) expiry_.remove(victim);
  policy_->remove(victim, hash, true);
  counters_.departure(CT_CAUSE_EVICTED, 1);
  if (alike) {
    map_.entries.refill_alike(e, flags, set.probe.key, set.value);
  } else {
    e = end_victim(victim, ref, flags, set);
  }
  if (kMortal) begin_life(e, set.deadline, CT_NEVER, now);
  map_.index.insert(set.probe.hash, ref);
  policy_->insert(ref, set.probe.hash, now);
  if (kMortal && has_deadline(set.deadline)) expiry_.insert(ref, now());
  counters_.insert();
  tell_stored(e, set.probe.hash);
  if (is_far) prefetch_next_victim();
  return true;
}

// Returns the block for the pair if the victim, if any, is not alike: the victim's if it fits
// exactly, or else another one. Returns kNone if the victim cannot leave here, or for want of memory.
[[gnu::noinline]] Ref Shard::block_beside(const Entry *e, Ref victim, uint8_t flags,
                                          const UsualSet &set) {
  if (e == nullptr || (e->flags & (kWeight | kTags)) != 0) return kNone;
  if (fits_block_of(e, flags, set)) return victim;
  ApartCopy nothing_apart(map_.entries.store().memory());
  const Bytes key = set.probe.key;
  const Ref ref = map_.entries.make(flags, key.size, set.value.size, 0, nothing_apart);
  if (ref != kNone) map_.entries.fill(at(ref), key, set.value);
  return ref;
}

// Ends a victim whose block was taken over, or another one was made. Returns the entry of the pair.
[[gnu::noinline]] Entry *Shard::end_victim(Ref victim, Ref ref, uint8_t flags,
                                           const UsualSet &set) {
  if (ref == victim) {
    map_.entries.refill(ref, at(ref), flags, set.probe.key, set.value);
  } else {
    bury_quietly(victim);
  }
  return at(ref);
}

template bool Shard::set_as_usual<false>(const UsualSet &set, Now &now);
template bool Shard::set_as_usual<true>(const UsualSet &set, Now &now);

}  // namespace ct
