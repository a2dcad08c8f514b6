// SPDX-License-Identifier: MIT
// Values that depend on the one that they replace: counters, and values that take over a lifetime.
// What they take over is known only under the lock, so each attempt to store finds it out anew.
#include <cstring>

#include "shard/shard.hpp"
#include "shard/shard_inline.hpp"

namespace ct {

// This leaves behind what ShardStore would, but moves no entries together: nothing is allocated.
bool Shard::add_as_usual(const Probe &probe, int64_t delta, Now &now, int64_t *sum) {
  Settled settled(*this);
  const Layout &layout = map_.entries.layout();
  if (!quiet_ || !flights_.empty() || has_negatives()) return false;
  if (!share_.none_due(now) || budget_.debt() != 0) return false;
  // Where a write begins an idle lifetime or ends a pause, it has more to do.
  if (layout.keeps_idle || layout.keeps_retry) return false;
  const Ref ref = map_.find_live(probe, now).ref;
  if (ref == kNone || at(ref)->pins != 0) return false;
  Entry *e = at(ref);
  const Bytes value = map_.entries.value(e);
  if ((e->flags & kApart) != 0 || value.size != sizeof *sum) return false;
  Inheritance counter;
  counter.delta = delta;
  int64_t base;
  std::memcpy(&base, value.data, sizeof base);
  counter.add_to(base);
  {
    Index::WriteSection section(map_.index);
    layout.fill(value, counter.value());
  }
  policy_->update(ref, probe.hash, map_.entries.weight_of(e), now);
  counters_.hit();
  if ((e->flags & kSampled) != 0) tell_hit(e, probe.hash);
  counters_.update();
  *sum = counter.sum;
  return true;
}

bool Shard::inherit(StoreRequest &request, Ref old) const {
  Inheritance &from = *request.inherits;
  Terms &terms = request;
  terms = from.own;
  const Entry *e = old == kNone ? nullptr : at(old);
  if (!from.keeps_tags) request.carried = &request.tags;
  if (e != nullptr) {
    from.was_there = true;
    const Layout &layout = map_.entries.layout();
    const bool is_mortal = (e->flags & kLifetime) != 0;
    terms.deadline = is_mortal ? uint64_t{layout.lifetime(e, e->flags)->write} : CT_NEVER;
    if (terms.fitness == Fitness::kDead) terms.fitness = Fitness::kFits;
  }
  if (!from.is_sum) return true;
  int64_t base = from.initial;
  if (e != nullptr) {
    const Bytes value = map_.entries.value(e);
    if (value.size != sizeof base) return false;
    std::memcpy(&base, value.data, sizeof base);
    terms.weight = map_.entries.weight_of(e);
    terms.flags = e->flags & static_cast<uint8_t>(~kNoteFlags);
    terms.fitness = Fitness::kFits;
    from.tags.clear();
    from.keeps_tags = false;
    request.carried = &from.tags;
    if ((e->flags & kTags) != 0)
      map_.entries.tags().hold_again(map_.entries.layout().tags(e), &from.tags);
  }
  from.add_to(base);
  return true;
}

// What lies apart could not be copied before the sum was known.
Ref Shard::make_sum(StoreRequest &request) {
  ApartCopy apart(map_.entries.store().memory());
  const Bytes key = request.probe.key;
  if ((request.flags & kApart) != 0 && !apart.make(key, request.value)) return kNone;
  const Ref ref = map_.entries.make(request.flags, key.size, request.value.size,
                                    request.carried->count(), apart);
  if (ref == kNone) request.lacks_reference = map_.entries.store().is_full();
  return ref;
}

// The block must not be given back without need: for its sake entries may have been evicted.
bool Shard::renew_sum(StoreRequest &request) const {
  const Entry *e = at(request.ref);
  if (e->flags != request.flags) return false;
  if (map_.entries.layout().tag_count(e) != request.carried->count()) return false;
  const Bytes value = map_.entries.value(e);
  if ((e->flags & kApart) != 0)
    std::memcpy(const_cast<char *>(value.data), request.value.data, value.size);
  return true;
}

}  // namespace ct
