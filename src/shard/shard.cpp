// SPDX-License-Identifier: MIT
#include "shard/shard.hpp"

#include <algorithm>
#include <climits>
#include <cstring>

#include "base/futex.hpp"

namespace ct {

Shard::Shard(const ShardContext &context) noexcept
    : shared_((context.options.flags & CT_FLAG_SINGLE_THREADED) == 0),
      keeps_stats_((context.options.flags & CT_FLAG_NO_STATS) == 0),
      number_(context.number),
      uses_(context.kind.uses),
      most_uses_(context.kind.most_uses),
      unlocked_(context.layout.read_unlocked),
      log_(context.memory, shared_),
      layout_(context.layout),
      seed_(context.options.seed),
      clock_(context.clock),
      index_(context.memory, counts_memory(context.options)),
      store_(context.memory, layout_, counts_memory(context.options)),
      expiry_(context.memory, store_, context.layout, context.shards.due_tree, context.number),
      flights_(context.memory, this),
      tti_(context.options.tti),
      weight_kind_(context.options.weight_kind),
      weighs_one_(context.options.weigher == nullptr && weight_kind_ == CT_WEIGHT_COUNT),
      looked_at_(context.number),
      drop_(context.options.drop),
      user_data_(context.options.user_data),
      quiet_(context.options.listener == nullptr && context.options.drop == nullptr),
      shards_(context.shards),
      budget_(context.budget),
      memory_(context.memory),
      owner_(context.owner),
      many_pins_(context.memory),
      ordered_(context.kind.ordered),
      has_frequency_(context.kind.has_frequency),
      destroy_policy_(context.kind.destroy) {
  expect(context.options.maxsize);
  const PolicyContext policy = {
      context.memory,
      store_,
      index_,
      layout_,
      context.options,
      hash_key(&context.number, sizeof context.number, context.options.seed),
      [](const Shard *shard, Ref ref) { return shard->weight_of(shard->store_.at(ref)); },
      this};
  policy_ = context.kind.make(this + 1, policy);
}

void Shard::close(Departed &gone) {
  close_entries(gone);
  destroy_policy_(policy_);
  policy_ = nullptr;
}

// Tells the index how many entries to expect of a full cache, if that can be known.
void Shard::expect(uint64_t maxsize) {
  const uint64_t share = maxsize / shards_.count;
  const uint64_t spread = shards_.count == 1 ? 0 : share / 16;
  index_.expect(!weighs_one_ || share > UINT32_MAX ? 0 : share + spread + 16);
}

// The same where entries differ in weight: as many as there will be if those to come are as those
// that are there. Of a cache that is nearly empty that is no more than a guess.
void Shard::expect_by_weight() {
  const uint64_t share = budget_.maxsize() / shards_.count;
  const uint64_t entries = index_.size();
  const bool known = weight_ != 0 && share / 8 <= weight_ && entries <= UINT32_MAX;
  const double more = known ? static_cast<double>(share) / static_cast<double>(weight_) : 0;
  index_.expect(static_cast<uint64_t>(static_cast<double>(entries) * more * 17 / 16));
}

ct_event Shard::event_of(Entry *e, int32_t cause) const {
  const Bytes key = layout_.key(e);
  const Bytes value = layout_.value(e);
  return {{key.data, key.size}, {value.data, value.size}, weight_of(e), cause, 0};
}

// ---- Pins -------------------------------------------------------------------------------------

bool Shard::pin(Entry *e) {
  if (e->pins == kManyPins) {
    for (ManyPins &many : many_pins_) {
      if (many.entry == e) {
        many.more++;
        pinned_++;
        return true;
      }
    }
    if (!many_pins_.reserve(1)) return false;
    many_pins_.push({e, 1});
  } else {
    ++e->pins;
  }
  pinned_++;
  return true;
}

void Shard::unpin(Entry *e) {
  pinned_--;
  if (e->pins == kManyPins) {
    for (ManyPins &many : many_pins_) {
      if (many.entry != e) continue;
      if (--many.more == 0) {
        many = many_pins_.back();
        many_pins_.pop();
      }
      return;
    }
  }
  --e->pins;
}

bool Shard::hand_out(Entry *e, Bytes bytes, ct_value *out) {
  if (!pin(e)) return false;
  out->data = bytes.data;
  out->size = bytes.size;
  out->pin = reinterpret_cast<uintptr_t>(this) | Layout::pin_distance(e, bytes.data);
  return true;
}

// Hands back a value that was not stored, if it is wanted: an entry that never was in the cache. It
// takes the block that the request may have from an attempt to store it.
bool Shard::give_back(StoreRequest &request, ct_value *out) {
  if (out == nullptr) return true;
  Ref ref = request.ref;
  if (ref != kNone) {
    request.ref = kNone;
    waiting_--;
  } else if ((ref = make_block(request)) == kNone) {
    return false;
  }
  Entry *e = store_.at(ref);
  e->flags |= kDead | kNoDrop;
  e->prev = ref;
  const Bytes value = layout_.value(e);
  if ((e->flags & kApart) == 0) layout_.fill(value, request.value);
  return hand_out(e, value, out);
}

Entry *Shard::entry_of(const ct_value &value) const {
  const uint64_t distance = value.pin & kFar;
  if (distance == kFar) return at(Layout::way_back(value.data));
  return reinterpret_cast<Entry *>(
      reinterpret_cast<uintptr_t>(static_cast<const char *>(value.data) - distance * 8));
}

ct_status Shard::repin(const ct_value &value, ct_value *out) {
  Guard guard(lock());
  if (!pin(entry_of(value))) return CT_ERR_NOMEM;
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
  {
    Guard guard(lock());
    const bool last = e->pins == 1 && (e->flags & (kDead | kTelling)) == kDead;
    dropping = last && drop_ != nullptr && (e->flags & kNoDrop) == 0;
    if (!dropping) closed = let_loose(e, last);
  }
  if (dropping) closed = drop_last(e);
  // Each pin that outlived ct_cache_free refers to the cache, and lets go when nothing of it is
  // touched any more.
  if (closed) owner_.unrefer();
}

bool Shard::drop_last(Entry *e) {
  const Bytes bytes = layout_.value(e);
  drop_(user_data_, bytes.data, bytes.size);
  Guard guard(lock());
  return let_loose(e, true);
}

// Takes a pin away, and the entry with the last one; tells whether the cache was closed.
bool Shard::let_loose(Entry *e, bool last) {
  unpin(e);
  if (last) free_dead(e);
  return closed_;
}

void Shard::let_go(Ref ref, Entry *e) {
  bool last;
  {
    Guard guard(lock());
    telling_--;
    e->flags &= static_cast<uint8_t>(~kTelling);
    e->prev = ref;
    last = e->pins == 0;
    if (last && drop_ == nullptr) free_dead(e);
  }
  if (last && drop_ != nullptr) {
    const Bytes bytes = layout_.value(e);
    drop_(user_data_, bytes.data, bytes.size);
    Guard guard(lock());
    free_dead(e);
  }
}

// ---- Listing ----------------------------------------------------------------------------------

uint64_t Shard::size() {
  Guard guard(lock());
  return index_.size();
}

Ref Shard::current(Entry *e, Now &now) const {
  const bool moved = (e->flags & kNoDrop) != 0;
  if ((e->flags & kDead) != 0 && !moved) return kNone;
  const Bytes key = layout_.key(e);
  const Ref ref = find_live({key, hash_key(key.data, key.size, seed_)}, now).ref;
  if (ref == kNone || !moved) return ref;
  // It moved to a longer block, for its lifetime, and may have been written since.
  const Bytes here = layout_.value(e);
  const Bytes there = layout_.value(store_.at(ref));
  const bool same = here.size == there.size && std::memcmp(here.data, there.data, here.size) == 0;
  return same ? ref : kNone;
}

// ---- Flights ----------------------------------------------------------------------------------

ct_status Shard::join(const Probe &probe, Now &now, Thread loader, ct_value *out, Hold *hold) {
  Guard guard(lock());
  const Place place = find_live(probe, now);
  if (place.ref != kNone)
    return hand_over(place, probe.hash, true, now, out) ? CT_OK : CT_ERR_NOMEM;
  const ct_status status = flights_.join(Flight::kLoad, probe.key, probe.hash, loader, hold);
  if (status == CT_LEASED) counters_.misses += keeps_stats_;
  return status;
}

ct_status Shard::take_turn(const Probe &probe, Thread thread, Hold *hold) {
  Guard guard(lock());
  return flights_.join(Flight::kTurn, probe.key, probe.hash, thread, hold);
}

ct_status Shard::check_in(Flight &flight, Thread loader, ct_value *out) {
  Guard guard(lock());
  if (flight.state == Flight::kVacant && flight.overtaken) return kChanged;
  if (flight.state != Flight::kLanded) {
    if (!flights_.take_lease(flight, loader)) return CT_BUSY;
    if (flight.kind == Flight::kLoad) counters_.misses += keeps_stats_;
    return CT_LEASED;
  }
  if (out != nullptr) {
    if (!pin(entry_of(flight.value))) return CT_ERR_NOMEM;
    *out = flight.value;
  }
  counters_.hits += keeps_stats_;
  counters_.waits += keeps_stats_;
  return CT_OK;
}

void Shard::leave_flight(Flight &flight, bool had_lease) {
  ct_value left = CT_VALUE_INIT;
  int others;
  {
    Guard guard(lock());
    if (had_lease && flight.kind == Flight::kLoad) counters_.load_failures += keeps_stats_;
    others = flights_.leave(flight, had_lease, &left);
  }
  // The flight may be gone by then, and with it who slept on it.
  if (others != 0) wake(flight.news, others);
  if (left.pin != 0) release(&left);
}

void Shard::land(Flight &flight, const ct_value &value, Now &now) {
  if (keeps_stats_ != 0) {
    counters_.loads++;
    counters_.load_ticks += now() > flight.started ? now() - flight.started : 0;
  }
  if (!flights_.land(flight, value)) return;
  // A pin beside the caller's own: these are the first ones of its entry, which need no memory.
  pin(entry_of(value));
  wake(flight.news, INT_MAX);
}

void Shard::overtake(const Probe &probe) {
  Guard guard(lock());
  overtake_load(probe);
}

void Shard::overtake_all() {
  Guard guard(lock());
  flights_.overtake_all();
}

// ---- Statistics -------------------------------------------------------------------------------

void Shard::count_reads(uint64_t hits, uint64_t misses) {
  if (keeps_stats_ == 0) return;
  Guard guard(lock());
  counters_.hits += hits;
  counters_.misses += misses;
}

void Shard::add_stats(ct_stats *stats) {
  Guard guard(lock());
  stats->hits += counters_.hits + log_.hits();
  stats->misses += counters_.misses + log_.misses();
  stats->inserts += counters_.inserts;
  stats->updates += counters_.updates;
  stats->evictions += counters_.evictions;
  stats->evicted_weight += counters_.evicted_weight;
  stats->expirations += counters_.expirations;
  stats->removals += counters_.removals;
  stats->rejections += counters_.rejections;
  stats->loads += counters_.loads;
  stats->load_failures += counters_.load_failures;
  stats->load_ticks += counters_.load_ticks;
  stats->waits += counters_.waits;
}

void Shard::reset_stats() {
  Guard guard(lock());
  counters_ = {};
  log_.reset();
}

// ---- The end ----------------------------------------------------------------------------------

void Shard::close_entries(Departed &gone) {
  Guard guard(lock());
  settle_uses();
  if (pinned_ == 0 && apart_ == 0 && drop_ == nullptr) {
    store_.clear();
  } else {
    index_.visit_all([&](Ref ref) {
      Entry *e = store_.at(ref);
      e->flags |= kDead;
      if (e->pins != 0) {
        e->prev = ref;
      } else if (drop_ == nullptr) {
        free_block(ref, e);
      } else {
        telling_++;
        gone.add(*this, ref, CT_CAUSE_CLEARED);
      }
    });
  }
  index_.clear();
  expiry_.clear();
  flights_.trim();
  closed_ = true;
  owner_.refer(pinned_);
}

#ifdef CT_VALIDATE
// NULL, or the invariant that is broken. For a cache at rest.
const char *Shard::problem() {
  Guard guard(lock());
  settle_uses();
  if (const char *problem = policy_->problem()) return problem;
  uint64_t known = 0;
  uint32_t rank;
  for (Policy::Walk walk; policy_->step(walk, &rank); known++) {
    const Ref ref = walk.ref;
    if (rank >= Policy::kRanks) return "policy: a rank is too high";
    if (find({layout_.key(store_.at(ref)), hash_of(ref)}).ref != ref) {
      return "policy: it knows an entry that is not in the index";
    }
  }
  if (ordered_ && known != index_.size()) return "policy: it does not know every entry";
  return problem_of_entries();
}

void Shard::measure_searches(uint64_t *total, uint64_t *longest) {
  Guard guard(lock());
  index_.measure_searches(hasher(), total, longest);
}

const char *Shard::problem_of_entries() {
  uint64_t weight = 0;
  uint64_t linked = 0;
  uint64_t live = 0;
  uint64_t live_pins = 0;
  const char *problem = index_.problem(hasher());
  index_.visit_all([&](Ref ref) {
    Entry *e = store_.at(ref);
    weight += weight_of(e);
    live += layout_.block_bytes(e);
    live_pins += e->pins;
    // A use may have moved a deadline to CT_NEVER since it was filed.
    const bool filed = (e->flags & kLifetime) != 0 && layout_.lifetime(e)->prev != kNone;
    linked += filed;
    if (!filed && layout_.deadline(e) != CT_NEVER) problem = "shard: a deadline is not filed";
    if ((e->flags & (kDead | kTelling | kNoDrop)) != 0)
      problem = "shard: a dead entry is in the index";
    if ((e->block & kFree) != 0) problem = "shard: a free block is in the index";
  });
  if (problem != nullptr) return problem;
  if (weight != weight_) return "shard: its weight is not the sum of its entries'";
  if (telling_ != 0) return "shard: an entry was not told of";
  if (waiting_ != 0) return "shard: a request was forgotten";
  if (live_pins > pinned_) return "shard: there are more pins than it knows";
  problem = expiry_.problem(linked);
  if (problem != nullptr) return problem;
  problem = flights_.problem();
  if (problem != nullptr) return problem;
  return store_.problem(live, live_pins == pinned_ && many_pins_.empty());
}
#endif

}  // namespace ct
