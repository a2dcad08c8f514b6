// SPDX-License-Identifier: MIT
#include "cache/cache.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "cache/iter.hpp"
#include "shard/shard_store.hpp"

namespace ct {
namespace {

uint64_t random_seed(const void *address) {
  uint64_t seed = 0;
  if (!system::fill_randomly(&seed, sizeof seed) || seed == 0) {
    // The system gives no randomness: the seed is made of values that differ from process to
    // process anyway.
    const uint64_t words[] = {Clock::read_monotonic(), reinterpret_cast<uintptr_t>(address)};
    seed = hash_key(words, sizeof words, 0) | 1;
  }
  return seed;
}

// Returns whether ct_get_copy may look without a lock. That has three conditions. A use may write
// to nothing but use bits or a log. The memory must stay mapped, which a caller's allocator does
// not promise. Words of 64 bits must be read at once.
bool can_read_unlocked(const ct_options &options) {
  return policy_kind(options.policy)->uses != Uses::kImmediate && options.tti == 0 &&
         options.allocator == nullptr && sizeof(void *) == 8;
}

Layout layout_of(const ct_options &options) {
  const PolicyKind &kind = *policy_kind(options.policy);
  return {kind.hook_bytes,
          Index::kBytesAnEntry + kind.bytes_beside,
          options.tti != 0,
          can_read_unlocked(options),
          options.refresh_ahead != 0 || options.stale != 0,
          options.stale};
}

// Returns whether Shard::set_as_usual may be tried: every entry weighs 1, nobody is told of an
// entry that leaves, no callback of the caller's is asked twice if it is tried in vain, and nothing
// is kept beside entries.
bool stores_as_usual(const ct_options &options) {
  return options.weight_kind == CT_WEIGHT_COUNT && options.weigher == nullptr &&
         options.stale == 0 && options.negative_ttl == 0 && options.ttu == nullptr &&
         options.listener == nullptr && options.drop == nullptr &&
         options.policy != CT_POLICY_CUSTOM;
}

// Where the parts of a cache begin in its block, in bytes, and where it ends.
struct Plan {
  explicit Plan(const ct_options &options)
      : drops(shards + Shard::bytes_of(*policy_kind(options.policy), options) * options.shards),
        tree(drops + (options.drop != nullptr ? sizeof(Drops) : 0)),
        negatives(tree + DueTree::bytes_for(options.shards)),
        custom(negatives + (options.negative_ttl != 0 ? sizeof(NegativeRoom) : 0)),
        common(custom + (options.custom != nullptr ? sizeof(ct_policy_ops) : 0)),
        end(common + policy_kind(options.policy)->common_bytes) {}

  const size_t shards = sizeof(Cache);
  const size_t drops, tree, negatives, custom, common, end;
};

}  // namespace

// ---- Life -------------------------------------------------------------------------------------

Cache::Cache(const Memory &memory, const CheckedOptions &checked) noexcept
    : heaps_(counts_memory(checked.options), can_read_unlocked(checked.options)),
      memory_(memory, &heaps_),
      options_(checked.options),
      layout_(layout_of(checked.options)),
      clock_(checked.options.timer, checked.options.user_data,
             (checked.options.flags & CT_FLAG_PRECISE_CLOCK) != 0),
      loads_(memory_, checked.options, !clock_.is_systems()),
      tags_(memory_, options_),
      always_lifetime_(options_.ttl != 0 || options_.tti != 0 || options_.ttu != nullptr ||
                       options_.drop != nullptr || layout_.keeps_retry),
      stores_as_usual_(stores_as_usual(options_)),
      budget_(checked.options.maxsize) {
  if (options_.seed == 0) options_.seed = random_seed(this);
  options_.allocator = memory_.hooked() ? &memory_.hooks() : nullptr;
}

ct_status Cache::make(const CheckedOptions &checked, Cache **out) {
  const ct_options &options = checked.options;
  const PolicyKind &kind = *policy_kind(options.policy);
  const Plan plan(options);
  Memory memory(options.allocator != nullptr ? &checked.allocator : nullptr);
  char *block = static_cast<char *>(memory.allocate(plan.end, alignof(Cache)));
  if (block == nullptr) return CT_ERR_NOMEM;

  Cache *cache = new (block) Cache(memory, checked);
  cache->shards_.first = block + plan.shards;
  cache->shards_.stride = Shard::bytes_of(kind, options);
  cache->shards_.count = options.shards;
  if (options.drop != nullptr) new (block + plan.drops) Drops;
  cache->shards_.due_tree.make(block + plan.tree, options.shards);
  if (options.negative_ttl != 0) {
    new (block + plan.negatives) NegativeRoom(cache->loads_.keeps());
  }
  if (options.custom != nullptr) {
    cache->options_.custom = new (block + plan.custom) ct_policy_ops(checked.custom);
  }
  kind.make_common(block + plan.common, cache->memory_);
  bool ready = true;
  if ((options.flags & CT_FLAG_CURVE) != 0) {
    cache->curve_ = Curve::make(cache->memory_, cache->options_, cache->clock_);
    ready = cache->curve_ != nullptr;
  }
  uint32_t made = 0;
  for (; ready && made < options.shards; made++) {
    const ShardContext context = {kind,
                                  *cache,
                                  cache->memory_,
                                  cache->layout_,
                                  cache->options_,
                                  cache->clock_,
                                  cache->budget_,
                                  cache->loads_,
                                  cache->tags_,
                                  cache->shards_,
                                  cache->negatives(),
                                  block + plan.common,
                                  made};
    ready = Shard::make(&cache->shards_[made], context)->ready();
  }
  if (ready) {
    *out = cache;
    return CT_OK;
  }
  cache->shards_.count = made;
  cache->free();
  return CT_ERR_NOMEM;
}

NegativeRoom *Cache::negatives() const {
  if (options_.negative_ttl == 0) return nullptr;
  char *block = shards_.first - Plan(options_).shards;
  return reinterpret_cast<NegativeRoom *>(block + Plan(options_).negatives);
}

void Cache::free() {
  mark_.take_back();
  Departed gone(shards_);
  for (uint32_t i = 0; i < shards_.count; i++) shards_[i].close(gone);
  // The listener is not told, but values are dropped.
  gone.tell(nullptr, nullptr, nullptr, nullptr);
  Curve *curve = std::exchange(curve_, nullptr);
  if (curve != nullptr) curve->free(memory_);
  // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): that was the curve's block, not the cache's
  unrefer();
}

Drops &Owner::drops() noexcept {
  auto *cache = static_cast<Cache *>(this);
  return *reinterpret_cast<Drops *>(reinterpret_cast<char *>(cache) + Plan(cache->options_).drops);
}

const Shards &Owner::shards_of_all() const noexcept {
  return static_cast<const Cache *>(this)->shards_;
}

void Owner::destroy() noexcept {
  auto *cache = static_cast<Cache *>(this);
  for (uint32_t i = 0; i < cache->shards_.count; i++) cache->shards_[i].destroy();
  Memory memory(cache->memory_);
  const size_t bytes = Plan(cache->options_).end;
  cache->~Cache();
  memory.release(cache, bytes, alignof(Cache));
}

// ---- Storing ----------------------------------------------------------------------------------

void Cache::begin_request(const Probe &probe, Bytes value, StoreRequest *request) {
  request->probe = probe;
  request->value = value;
  request->flags = always_lifetime_ ? kLifetime : 0;
  if (!fits_inside(probe.key, value)) request->flags |= kApart;
}

void Cache::give_deadline(uint64_t deadline, Now &now, StoreRequest *request) {
  request->deadline = deadline;
  if (deadline == CT_NEVER) return;
  request->flags |= kLifetime;
  if (deadline <= now()) request->fitness = Fitness::kDead;
}

// Returns when the lifetime of an entry ends that is written now.
uint64_t Cache::deadline_of(const Probe &probe, Bytes value, const ct_entry_options &entry,
                            Now &now) const {
  if ((entry.flags & CT_ENTRY_TTL) != 0)
    return entry.ttl == CT_NEVER ? CT_NEVER : clock_.deadline_after(now(), entry.ttl);
  if ((entry.flags & CT_ENTRY_DEADLINE) != 0) return entry.deadline;
  if (options_.ttu != nullptr) {
    // ttu counts from the latest time that it can be now, because the reading of the clock may lag.
    const uint64_t latest = clock_.latest(now());
    const Bytes key = probe.key;
    const uint64_t deadline =
        options_.ttu(options_.user_data, key.data, key.size, value.data, value.size, latest);
    return deadline <= latest ? now() : deadline;
  }
  if (options_.ttl == 0) return CT_NEVER;
  return clock_.deadline_after(now(), options_.ttl - jitter(probe, now));
}

// Returns up to options_.jitter ticks, at random. Keys that were stored at once draw by their
// hashes, and one key draws anew at another time.
uint64_t Cache::jitter(const Probe &probe, Now &now) const {
  if (options_.jitter == 0) return 0;
  const uint64_t seed = probe.hash ^ now();
  const uint64_t drawn = hash_key(&seed, sizeof seed, options_.seed);
  return drawn % (options_.jitter + 1);
}

// Does a set that has no option but a lifetime, if all else is as usual.
bool Cache::set_mortal(const Probe &probe, Bytes value, const ct_entry_options &entry, Now &now) {
  if ((entry.flags & ~(CT_ENTRY_TTL | CT_ENTRY_DEADLINE)) != 0) return false;
  const uint64_t deadline = deadline_of(probe, value, entry, now);
  if (deadline != CT_NEVER && deadline <= now()) return false;
  const bool has_lifetime = always_lifetime_ || deadline != CT_NEVER;
  const UsualSet set = {probe, value, deadline};
  Shard &shard = shard_of(probe);
  return has_lifetime ? shard.set_as_usual<true>(set, now) : shard.set_as_usual<false>(set, now);
}

// Gives the request these tags, unless it has tags already. Returns false if there is no memory.
bool Cache::hold_tags(const ct_bytes *tags, size_t count, StoreRequest *request) {
  if (request->tags.count() == 0 && count != 0 &&
      !tags_.hold(tags, count, request->run, &request->tags, &request->outdated)) {
    return false;
  }
  if (request->tags.count() != 0) request->flags |= kTags;
  return true;
}

// Sets the weight: the given one, or else the weigher's, or else the one by weight_kind. The
// weigher is not asked about a value that is known to be dead on arrival.
void Cache::weigh(bool given, uint64_t weight, StoreRequest *request) {
  const Bytes key = request->probe.key;
  const Bytes value = request->value;
  if (given || options_.weigher != nullptr) request->flags |= kWeight;
  if (given) {
    request->weight = weight;
  } else if (options_.weigher == nullptr) {
    request->weight = Entries::weigh(options_.weight_kind, layout_, request->flags, key.size,
                                     value.size, request->tags.count());
  } else if (request->fitness != Fitness::kDead) {
    request->weight =
        options_.weigher(options_.user_data, key.data, key.size, value.data, value.size);
  }
  if (request->fitness == Fitness::kFits && request->weight > maxsize()) {
    request->fitness = Fitness::kTooLarge;
  }
}

// Makes the request: everything about a store that can be known without a lock.
ct_status Cache::make_request(const Probe &probe, Bytes value, const ct_entry_options &entry,
                              Now &now, StoreRequest *request) {
  begin_request(probe, value, request);
  if ((entry.flags & CT_ENTRY_COST) != 0) request->cost = entry.cost;
  if ((entry.flags & kConditions) != 0) give_condition(entry, request);
  if (!hold_tags(entry.tags, entry.tag_count, request)) return lack_memory(*request);
  if (__builtin_expect(request->inherits != nullptr, 0)) return make_heir(entry, now, request);
  give_deadline(deadline_of(probe, value, entry, now), now, request);
  weigh((entry.flags & CT_ENTRY_WEIGHT) != 0, entry.weight, request);
  return (request->flags & kApart) == 0 ? CT_OK : copy_apart(request);
}

void Cache::give_condition(const ct_entry_options &entry, StoreRequest *request) {
  if ((entry.flags & CT_ENTRY_IF_ABSENT) != 0) request->condition = Condition::kIfAbsent;
  if ((entry.flags & CT_ENTRY_IF_PRESENT) != 0) request->condition = Condition::kIfPresent;
  if ((entry.flags & CT_ENTRY_IF_SAME) == 0) return;
  request->condition = Condition::kIfSame;
  request->seen = shard_of(request->probe).seen_by(*entry.same);
}

// Does the same for a request that inherits. What it inherits in any case is not asked for. A value
// that may live on another's lifetime is weighed even if it would be dead on arrival.
ct_status Cache::make_heir(const ct_entry_options &entry, Now &now, StoreRequest *request) {
  Inheritance &from = *request->inherits;
  const bool given = (entry.flags & CT_ENTRY_WEIGHT) != 0;
  const bool may_create = !request->needs_entry();
  if (!from.is_sum) {
    request->flags |= kLifetime;  // a place for the one that is inherited
    weigh(given, entry.weight, request);
  }
  if (may_create)
    give_deadline(deadline_of(request->probe, request->value, entry, now), now, request);
  if (from.is_sum && may_create) weigh(given, entry.weight, request);
  from.own = *request;
  const bool copies = (request->flags & kApart) != 0 && !from.is_sum;
  return copies ? copy_apart(request) : CT_OK;
}

// Copies what lies apart. A value that is too large is not even copied, unless it is handed back.
ct_status Cache::copy_apart(StoreRequest *request) {
  const bool fails = request->refusal == Refusal::kFails;
  if (request->fitness == Fitness::kTooLarge && fails) return CT_OK;
  return request->apart.make(request->probe.key, request->value) ? CT_OK : lack_memory(*request);
}

// A write for which there is no memory is a write all the same, and overtakes a load of its key.
ct_status Cache::lack_memory(const StoreRequest &request) {
  const bool is_write = request.flight == nullptr && request.refusal != Refusal::kNeverKept;
  if (is_write) shard_of(request.probe).invalidate(request.probe);
  return CT_ERR_NOMEM;
}

// Makes room in the other shards, one lock at a time, for a shard that has no entry left. Negatives
// go first. Then each shard gives a part of its entries.
ct_status Cache::gather(const Shard &own, uint64_t need, Reservation &room, Now &now,
                        Departed &gone) {
  for (uint32_t i = 0; i < shards_.count && negative_weight() != 0; i++) {
    Shard &shard = shards_[(own.number() + i) & (shards_.count - 1)];
    while (!room.cover(need) && shard.forget_oldest(room)) continue;
  }
  for (uint32_t i = 1; i < shards_.count && !room.cover(need); i++) {
    Shard &shard = shards_[(own.number() + i) & (shards_.count - 1)];
    const uint64_t entries = shard.entries();
    if (entries == 0) continue;
    const uint64_t left = entries - 1 - (entries - 1) / shards_.count;
    const ct_status status = shard.evict_for(need, left, room, now, gone);
    if (status != CT_OK) return status;
  }
  // The room that is missing is reserved by other calls, which are about to store or to give it
  // back.
  if (!room.cover(need)) system::yield();
  return CT_OK;
}

// Calls attempt(store) until the request is done.
template <class Attempt>
ct_status Cache::with_room(StoreRequest &request, Now &now, Departed &gone, Attempt attempt) {
  Reservation room(budget_);
  const Next next = attempt(ShardStore(shard_of(request.probe), request, room, now, gone));
  if (__builtin_expect(next != Next::kDone, 0)) make_room(next, request, room, now, gone, attempt);
  return request.status;
}

// Goes on after an attempt that was not the last. A shard that has entries needs no room of other
// shards. Of the calls whose shards have none, one at a time takes room from other shards.
template <class Attempt>
void Cache::make_room(Next next, StoreRequest &request, Reservation &room, Now &now, Departed &gone,
                      Attempt attempt) {
  Shard &shard = shard_of(request.probe);
  GatheringTurn turn(budget_, !is_single_threaded());
  for (; next != Next::kDone; next = attempt(ShardStore(shard, request, room, now, gone))) {
    ct_status status = CT_OK;
    switch (next) {
      case Next::kDone:
      case Next::kAgain:
        break;
      case Next::kEvictThere:
        status =
            shards_[request.payer].evict_for(request.need, request.payer_keeps, room, now, gone);
        break;
      case Next::kGather:
        if (turn.is_own()) {
          status = gather(shard, request.need, room, now, gone);
        } else {
          room.give_back();
          turn.wait();
        }
        break;
      case Next::kTellFirst:
        room.give_back();
        turn.give_back();
        tell(gone);
        break;
    }
    if (status == CT_OK) continue;
    ShardStore(shard, request, room, now, gone).abandon();
    request.status = status;
    return;
  }
}

ct_status Cache::store(StoreRequest &request, Now &now, Departed &gone, ct_value *out) {
  return with_room(request, now, gone, [&](ShardStore store) { return store.store(out); });
}

ct_status Cache::store(StoreRequest &request, Now &now, ct_value *out) {
  Departed gone(shards_);
  const ct_status status = store(request, now, gone, out);
  tell(gone);
  return status;
}

[[gnu::flatten]] ct_status Cache::set(const Probe &probe, Bytes value,
                                      const ct_entry_options &entry, Now &now) {
  if (__builtin_expect((entry.flags & CT_ENTRY_KEEP_TTL) != 0, 0))
    return set_keeping_ttl(probe, value, entry, now);
  StoreRequest request(memory_);
  const ct_status status = make_request(probe, value, entry, now, &request);
  return status == CT_OK ? store(request, now, nullptr) : status;
}

// A ttu is not to be asked if the key is there. So the value is first stored on condition that it
// is.
ct_status Cache::set_keeping_ttl(const Probe &probe, Bytes value, const ct_entry_options &entry,
                                 Now &now) {
  constexpr uint32_t kSaid = CT_ENTRY_TTL | CT_ENTRY_DEADLINE | kConditions;
  const bool asks = options_.ttu != nullptr && (entry.flags & kSaid) == 0;
  if (asks && shard_of(probe).peek(probe, now, nullptr) == CT_OK) {
    ct_entry_options over = entry;
    over.flags |= CT_ENTRY_IF_PRESENT;
    const ct_status status = set_inheriting(probe, value, over, now);
    if (status != CT_MISS) return status;
  }
  return set_inheriting(probe, value, entry, now);
}

ct_status Cache::set_inheriting(const Probe &probe, Bytes value, const ct_entry_options &entry,
                                Now &now) {
  Inheritance inheritance;
  return store_heir(probe, value, entry, now, inheritance);
}

ct_status Cache::store_heir(const Probe &probe, Bytes value, const ct_entry_options &entry,
                            Now &now, Inheritance &inheritance) {
  StoreRequest request(memory_);
  request.inherits = &inheritance;
  const ct_status status = make_request(probe, value, entry, now, &request);
  return status == CT_OK ? store(request, now, nullptr) : status;
}

// Neither weigher nor ttu is asked about a counter that is there.
ct_status Cache::add(Bytes key, int64_t delta, int64_t initial, const ct_entry_options &entry,
                     int64_t *sum) {
  Now now(clock_);
  const Probe probe = probe_of(key);
  Shard &shard = shard_of(probe);
  if (shard.add_as_usual(probe, delta, now, sum)) return CT_OK;
  Inheritance counter;
  counter.is_sum = true;
  counter.delta = delta;
  counter.initial = initial;
  const bool asks = options_.ttu != nullptr || options_.weigher != nullptr;
  ct_status status = CT_MISS;
  if (asks && shard.peek(probe, now, nullptr) == CT_OK) {
    ct_entry_options over = entry;
    over.flags |= CT_ENTRY_IF_PRESENT;
    status = store_sum(probe, over, now, counter);
  }
  if (status == CT_MISS) status = store_sum(probe, entry, now, counter);
  if (status >= 0) shard.count_read(counter.was_there);
  if (status == CT_OK || status == CT_NOT_STORED) *sum = counter.sum;
  return status;
}

ct_status Cache::store_sum(const Probe &probe, const ct_entry_options &entry, Now &now,
                           Inheritance &counter) {
  counter.add_to(counter.initial);
  return store_heir(probe, counter.value(), entry, now, counter);
}

ct_status Cache::setdefault(Bytes key, Bytes value, ct_value *out) {
  Now now(clock_);
  // Most often the key is there, and then neither the weigher nor ttu need be asked about the
  // value.
  const Probe probe = probe_of(key);
  const ct_status found = shard_of(probe).get(probe, now, out, false);
  if (found != CT_MISS) return found;
  StoreRequest request(memory_);
  const ct_status status = make_request(probe, value, kNoEntryOptions, now, &request);
  request.condition = Condition::kElseUse;
  return status == CT_OK ? store(request, now, out) : status;
}

ct_status Cache::set_deadline(Bytes key, uint64_t ttl) {
  Now now(clock_);
  Departed gone(shards_);
  StoreRequest request(memory_);
  request.probe = probe_of(key);
  request.deadline = ttl == CT_NEVER ? CT_NEVER : clock_.deadline_after(now(), ttl);
  if (ttl == 0) request.fitness = Fitness::kDead;
  const ct_status status =
      with_room(request, now, gone, [](ShardStore store) { return store.set_deadline(); });
  tell(gone);
  return status;
}

// Makes room for a lifetime in an entry that has none, and sets it, unless the entry has left
// meanwhile. It stays the same value.
ct_status Cache::give_lifetime(const Flight &flight, const Entry *old, uint64_t deadline, Now &now,
                               Departed &gone) {
  StoreRequest request(memory_);
  request.probe = {flight.key(), flight.hash};
  request.condition = Condition::kIfUnchanged;
  request.seen = old;
  request.deadline = deadline;
  return with_room(request, now, gone, [](ShardStore store) { return store.set_deadline(); });
}

// ---- Removing ---------------------------------------------------------------------------------

ct_status Cache::remove(Bytes key, ct_value *out) {
  Now now(clock_);
  Departed gone(shards_);
  const Probe probe = probe_of(key);
  const ct_status status = shard_of(probe).remove(probe, now, gone, out);
  tell(gone);
  return status;
}

ct_status Cache::remove_same(Bytes key, const ct_value &same) {
  Now now(clock_);
  Departed gone(shards_);
  const Probe probe = probe_of(key);
  Shard &shard = shard_of(probe);
  const Entry *seen = shard.seen_by(same);
  const ct_status status = shard.remove_seen(probe, Condition::kIfSame, seen, now, gone);
  tell(gone);
  return status;
}

ct_status Cache::popitem(ct_value *key, ct_value *value) {
  Now now(clock_);
  Departed gone(shards_);
  sweep(gone);
  expire_all(now, gone);
  const uint32_t turn = turn_.fetch_add(1, std::memory_order_relaxed);
  ct_status status = CT_MISS;
  for (uint32_t i = 0; i < shards_.count && status == CT_MISS; i++) {
    Shard &shard = shards_[(turn + i) & (shards_.count - 1)];
    while (!shard.popitem(now, gone, key, value, &status)) continue;
  }
  tell(gone);
  return status;
}

void Cache::clear() {
  Now now(clock_);
  Departed gone(shards_);
  for (uint32_t i = 0; i < shards_.count; i++) {
    for (uint64_t from = 0; from != Index::kEnd;) shards_[i].clear_some(&from, now, gone);
    while (shards_[i].release_dropped()) continue;
  }
  tidy_negatives(now);
  if (curve_ != nullptr) curve_->clear();
  tell(gone);
  memory_.trim();
}

// No call can tell whether a value that is being loaded would match. So loads are overtaken first.
// A value that lands before that is met by the walk.
uint64_t Cache::remove_if(ct_match_fn match, void *user_data) {
  for (uint32_t i = 0; i < shards_.count; i++) shards_[i].invalidate_all();
  Now now(clock_);
  tidy_negatives(now);
  uint64_t count = 0;
  Iter iter(*this, true);
  Bytes key, value;
  while (iter.next(now, &key, &value) == CT_OK) {
    if (!match(user_data, key.data, key.size, value.data, value.size)) continue;
    Departed gone(shards_);
    count += iter.current().shard->remove_matched(probe_of(key), iter.current().entry, now, gone);
    tell(gone);
  }
  return count;
}

ct_status Cache::resize(uint64_t maxsize) {
  Now now(clock_);
  Departed gone(shards_);
  const uint64_t before = budget_.in_use();
  const bool lowers = maxsize < this->maxsize();
  const double part =
      before <= maxsize ? 1 : static_cast<double>(maxsize) / static_cast<double>(before);
  budget_.set_maxsize(maxsize);
  for (uint32_t i = 0; i < shards_.count; i++) shards_[i].resize(maxsize, part);
  for (uint32_t i = 0; lowers && i < shards_.count; i++) {
    Reservation room(budget_);
    while (negative_weight() > NegativeRoom::part_of(maxsize) && shards_[i].forget_oldest(room))
      continue;
  }
  if (budget_.debt() != 0) expire_all(now, gone);
  const ct_status status = pay_debt(now, gone);
  for (uint32_t i = 0; i < shards_.count; i++) shards_[i].trim();
  memory_.trim();
  if (curve_ != nullptr) resize_curve(maxsize);
  tell(gone);
  return status;
}

void Cache::resize_curve(uint64_t maxsize) {
  if (curve_->resize(maxsize)) {
    for (uint32_t i = 0; i < shards_.count; i++) {
      for (uint64_t from = 0; from != Index::kEnd;) shards_[i].tell_entries(&from);
    }
  }
  curve_->restart(totals());
}

// The pool pays first. Then the shards evict, each its share, some entries at a time. In the end
// each shard evicts one entry at a time, until the debt is paid. If no shard has an entry left
// meanwhile, the missing weight is reserved by other calls, which are waited for.
ct_status Cache::pay_debt(Now &now, Departed &gone) {
  const auto pay = [&](ct_status (Shard::*from)(Now &, Departed &, bool *), bool *progress) {
    *progress = false;
    ct_status status = CT_OK;
    for (uint32_t i = 0; i < shards_.count && status == CT_OK && budget_.debt() != 0; i++) {
      budget_.give(budget_.take(budget_.debt()));
      status = (shards_[i].*from)(now, gone, progress);
    }
    return status;
  };
  ct_status status = CT_OK;
  bool progress;
  do status = pay(&Shard::pay_debt, &progress);
  while (status == CT_OK && progress);
  while (status == CT_OK && budget_.debt() != 0) {
    status = pay(&Shard::pay_rest, &progress);
    if (!progress) system::yield();
  }
  return status;
}

// Removes the entries of all shards that are due now. Returns how many they were.
uint64_t Cache::expire_all(Now &now, Departed &gone) {
  uint64_t count = 0;
  tidy_negatives(now);
  for (uint32_t i = 0; i < shards_.count; i++) {
    const uint64_t earliest = shards_.due_tree.earliest_of(i);
    if (earliest == CT_NEVER || earliest > now()) continue;
    while (shards_[i].expire(now, gone, &count)) continue;
  }
  return count;
}

void Cache::tidy_negatives(Now &now) {
  for (uint32_t i = 0; i < shards_.count && negative_weight() != 0; i++) {
    while (shards_[i].tidy_negatives(now)) continue;
  }
}

void Cache::sweep() {
  Departed gone(shards_);
  sweep(gone);
  tell(gone);
}

// Removes the entries that invalidated tags have left behind so far.
void Cache::sweep(Departed &gone) {
  if (!tags_.has_unswept()) return;
  const uint64_t invalidation = tags_.sweeps();
  for (uint32_t i = 0; i < shards_.count; i++) {
    while (shards_[i].sweep(invalidation, gone)) continue;
  }
}

uint64_t Cache::expire(uint64_t time, ct_visit_fn visit, void *user_data) {
  // Invalidated entries have been removed. So they are neither counted nor shown.
  sweep();
  Now now = time == CT_NOW ? Now(clock_) : Now(time);
  Departed gone(shards_, visit != nullptr);
  const uint64_t count = expire_all(now, gone);
  // The entries of each shard are in order already.
  if (shards_.count > 1) gone.sort();
  gone.tell(options_.listener, options_.user_data, visit, user_data);
  return count;
}

// ---- Telling ----------------------------------------------------------------------------------

uint64_t Cache::size() {
  expire(CT_NOW, nullptr, nullptr);
  uint64_t size = 0;
  for (uint32_t i = 0; i < shards_.count; i++) size += shards_[i].size();
  return size;
}

uint64_t Cache::currsize() {
  expire(CT_NOW, nullptr, nullptr);
  return budget_.in_use();
}

uint64_t Cache::entries() const {
  uint64_t entries = 0;
  for (uint32_t i = 0; i < shards_.count; i++) entries += shards_[i].entries();
  return entries;
}

ct_options Cache::options() const {
  ct_options options = options_;
  options.maxsize = maxsize();
  // So that another cache can be made of them, also after a resize.
  options.flags &= ~CT_FLAG_KEEP_NOTHING;
  if (options.maxsize == 0) options.flags |= CT_FLAG_KEEP_NOTHING;
  return options;
}

void Cache::stats(ct_stats *out) {
  loads_.add_to(out);
  if (negatives() != nullptr) out->negative_hits += negatives()->hits();
  for (uint32_t i = 0; i < shards_.count; i++) shards_[i].add_stats(out);
}

Curve::Totals Cache::totals() {
  ct_stats stats = CT_STATS_INIT;
  for (uint32_t i = 0; i < shards_.count; i++) shards_[i].add_stats(&stats);
  return {stats.hits, stats.misses};
}

ct_status Cache::miss_ratios(const double *scales, size_t count, double *ratios) {
  const Curve::Totals counted = totals();
  ct_status status = CT_OK;
  for (size_t i = 0; i < count; i++) {
    ratios[i] = curve_->miss_ratio(scales[i], counted);
    if (std::isnan(ratios[i])) status = CT_MISS;
  }
  return status;
}

void Cache::reset_stats() {
  loads_.reset();
  if (negatives() != nullptr) negatives()->reset_hits();
  for (uint32_t i = 0; i < shards_.count; i++) shards_[i].reset_stats();
  if (curve_ != nullptr) curve_->restart({0, 0});
}

#ifdef CT_VALIDATE
const char *Cache::problem() {
  uint64_t weight = 0;
  uint64_t count = 0, negatives = 0, tags = 0;
  for (uint32_t i = 0; i < shards_.count; i++) {
    if (const char *problem = shards_[i].problem()) return problem;
    weight += shards_[i].weight();
    shards_[i].add_negatives(&count, &negatives);
    tags += shards_[i].tags();
  }
  if (const char *problem = tags_.problem(tags)) return problem;
  if (const char *problem = shards_.due_tree.problem()) return problem;
  if (budget_.debt() != 0) return "budget: a debt is left";
  weight += negatives;
  if (weight != budget_.in_use()) return "budget: its use is not what entries and negatives weigh";
  if (weight > maxsize()) return "budget: the limit is exceeded";
  if (negatives > NegativeRoom::part_of(maxsize()) && count > 1) {
    return "negatives: there are too many";
  }
  if (negatives != negative_weight()) return "negatives: their room is not what they weigh";
  return memory_.problem();
}
#endif

}  // namespace ct
