// SPDX-License-Identifier: MIT
// A call that stores is compiled as one function. No other function gets the address of its
// ShardStore, so the compiler keeps the members in registers: what few stores run is either inlined
// as well, or a function of the shard. Functions that this file alone calls are inline, so that no
// second copy of them stays.
#include "shard/shard_store.hpp"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <utility>

#include "shard/shard_inline.hpp"

namespace ct {
namespace {

// How many due entries a write removes at most, and at about how many it looks for invalidated ones.
constexpr uint64_t kTidied = 8;
constexpr uint64_t kSwept = 16;

}  // namespace

[[gnu::flatten, gnu::noinline]] Next ShardStore::store(ct_value *out) {
  return ShardStore(*this).run(out);
}

inline Next ShardStore::run(ct_value *out) {
  Shard::Settled settled(shard_);
  tidy();
  if (map().entries.store().is_sparse()) shard_.compact_for(bytes_to_come());
  const Next next = store_locked(out);
  if (next == Next::kDone) finish();
  return next;
}

inline Next ShardStore::store_locked(ct_value *out) {
  // A request that ends a load hands out its value.
  assert(request_.flight == nullptr || out != nullptr);
  Ref old = map().find_inline(request_.probe).ref;
  Ref over = kNone;
  if (old != kNone && !is_renewed(old) && map().is_gone(shard_.at(old), now_)) std::swap(old, over);
  if (__builtin_expect(request_.inherits != nullptr, 0)) {
    if (!shard_.inherit(request_, old)) return request_.end(CT_ERR_UNSUPPORTED);
    if (request_.is_sum()) shard_.tell_read_of(old, request_.probe.hash);
    if (request_.is_sum() && request_.ref != kNone && !shard_.renew_sum(request_)) release_block();
  }
  const Verdict verdict = judge(old);
  // A value that is not to be kept leaves alone what may still be served.
  if (over != kNone && verdict != Verdict::kHandBack && verdict != Verdict::kExists) {
    const ct_cause cause = shard_.cause_of_due(shard_.at(over));
    room_.keep(shard_.leave(over, request_.probe.hash, cause, gone_));
  }
  if (verdict != Verdict::kStore) {
    const bool outdated = is_outdated();
    const ct_status status = on_copy(&ShardStore::turn_down, verdict, old, out);
    if (status == CT_ERR_NOMEM) return on_copy(&ShardStore::evict_for_block, old);
    if (request_.flight != nullptr && status >= 0) land(*out, outdated);
    return request_.end(status);
  }
  if (request_.flight == nullptr) {
    invalidate();
    if (old != kNone && overwrite(old)) {
      shard_.release_waiting(request_.probe.hash, shard_.at(old), gone_.answers());
      return request_.end(CT_OK);
    }
  }
  if (!prepare()) return on_copy(&ShardStore::evict_for_block, old);
  const Next next = make_room(&old);
  if (next != Next::kDone || request_.status != CT_OK) return next;
  Entry *e = commit(old);
  // An entry's first pin needs no memory.
  if (out != nullptr) shard_.hand_out(e, map().entries.value(e), out);
  if (request_.condition == Condition::kElseUse) shard_.count_miss(request_.probe.hash);
  shard_.tell_stored(e, request_.probe.hash);
  if (request_.flight != nullptr) land(*out, false);
  shard_.release_waiting(request_.probe.hash, e, gone_.answers());
  return request_.end(CT_OK);
}

// ---- Judging ----------------------------------------------------------------------------------

// The condition comes first, then the lifetime, then the weight.
inline ShardStore::Verdict ShardStore::judge(Ref old) const {
  const bool never_kept = request_.refusal == Refusal::kNeverKept;
  switch (request_.condition) {
    case Condition::kAlways:
      break;
    case Condition::kIfAbsent:
      if (old != kNone) return Verdict::kExists;
      break;
    case Condition::kIfPresent:
      if (old == kNone) return Verdict::kAbsent;
      break;
    case Condition::kIfSame:
    case Condition::kIfUnchanged: {
      const ct_status status = shard_.compare(request_.condition, request_.seen, old);
      if (status != CT_OK) return status == CT_MISS ? Verdict::kAbsent : Verdict::kExists;
      break;
    }
    case Condition::kElseUse:
    case Condition::kElsePeek:
      if (old != kNone && !never_kept) return Verdict::kHandOut;
      break;
  }
  if (never_kept || is_overtaken()) return Verdict::kHandBack;
  if (request_.fitness == Fitness::kDead || is_outdated()) return Verdict::kDead;
  const bool is_too_large =
      request_.fitness == Fitness::kTooLarge || request_.weight > shard_.budget_.maxsize();
  return is_too_large ? Verdict::kTooLarge : Verdict::kStore;
}

// Ends a request that stores nothing. The request is a write of the key all the same, and overtakes
// a load of it, unless it gives way to the entry that is there, or its value was never to be kept.
ct_status ShardStore::turn_down(Verdict verdict, Ref old, ct_value *out) {
  const bool is_write =
      verdict == Verdict::kAbsent || verdict == Verdict::kDead || verdict == Verdict::kTooLarge;
  if (is_write && request_.flight == nullptr) invalidate();
  switch (verdict) {
    case Verdict::kExists:
      return CT_EXISTS;
    case Verdict::kAbsent:
      return CT_MISS;
    case Verdict::kHandOut: {
      Entry *e = shard_.at(old);
      if (request_.condition == Condition::kElsePeek) {
        return out == nullptr || shard_.hand_out(e, map().entries.value(e), out) ? CT_OK
                                                                                 : CT_ERR_NOMEM;
      }
      const Place place = map().index.place_of(request_.probe.hash, old);
      return shard_.hand_out_hit(place, request_.probe.hash, now_, out) ? CT_OK : CT_ERR_NOMEM;
    }
    case Verdict::kTooLarge:
      if (request_.refusal == Refusal::kFails) {
        reject();
        return CT_ERR_TOO_LARGE;
      }
      if (!give_back(out)) return CT_ERR_NOMEM;
      if (old != kNone && is_renewed(old)) remove(old);
      reject();
      return CT_NOT_STORED;
    case Verdict::kDead:
      if (!give_back(out)) return CT_ERR_NOMEM;
      if (old != kNone) remove(old);
      reject();
      return CT_NOT_STORED;
    case Verdict::kHandBack:
    case Verdict::kStore:
      break;
  }
  assert(verdict == Verdict::kHandBack);
  if (!give_back(out)) return CT_ERR_NOMEM;
  if (old != kNone && is_renewed(old) && !is_overtaken()) remove(old);
  return CT_NOT_STORED;
}

// Removes an entry in whose place nothing is kept.
void ShardStore::remove(Ref old) {
  const ct_cause cause = shard_.cause_of(shard_.at(old), CT_CAUSE_REMOVED, now_);
  room_.keep(shard_.leave(old, request_.probe.hash, cause, gone_));
}

inline void ShardStore::reject() {
  shard_.counters_.reject();
  if (request_.condition == Condition::kElseUse) shard_.count_miss(request_.probe.hash);
}

// Hands back a value that is not stored, if the caller wants it. The value is in an entry that was
// never in the cache. Its block is the one that the request may have from an attempt to store.
// Returns false if there is no memory.
inline bool ShardStore::give_back(ct_value *out) {
  if (out == nullptr) return true;
  Ref ref = request_.ref;
  if (ref != kNone) {
    request_.ref = kNone;
    shard_.waiting_--;
  } else if ((ref = make_block()) == kNone) {
    return false;
  }
  Entry *e = shard_.at(ref);
  const bool is_ours =
      request_.flight != nullptr && (shard_.options_.flags & CT_FLAG_DROP_LOADED) != 0;
  e->die(is_ours ? 0 : kNoDrop);
  e->prev = ref;
  e->next = kNone;
  map().entries.fill(e, request_.probe.key, request_.value);
  if ((e->flags & kTags) != 0) request_.carried->give(map().entries.layout().tags(e));
  return shard_.hand_out(e, map().entries.value(e), out);
}

inline void ShardStore::land(const ct_value &value, bool outdated) {
  shard_.flights_.land(*request_.flight, value, shard_.entry_of(value), outdated, now_,
                       gone_.answers());
}

// ---- Reserving --------------------------------------------------------------------------------

// Reserves all the memory that storing will take. Returns false if there is not enough.
bool ShardStore::prepare() {
  shard_.policy_->prefetch(request_.probe.hash);
  const uint64_t count = shard_.waiting_ + (request_.ref == kNone ? 1 : 0);
  if (!reserve(count, has_deadline())) return false;
  if (request_.ref != kNone) return true;
  request_.ref = make_block();
  if (request_.ref == kNone) return false;
  shard_.waiting_++;
  return true;
}

// Reserves the memory that `count` more entries take, except for their blocks.
bool ShardStore::reserve(uint64_t count, bool has_deadline) {
  if (!shard_.weighs_one_ && map().index.grows_for(count)) shard_.expect_by_weight();
  if (!map().index.reserve(count, shard_.hasher()) || !shard_.policy_->reserve(count)) return false;
  if (map().index.size() >= shard_.opens_at_) shard_.open();
  return !has_deadline || shard_.expiry_.reserve();
}

// Makes a block with the request's lengths and flags. The block takes over the copy that lies
// apart.
inline Ref ShardStore::make_block() {
  if (__builtin_expect(request_.is_sum(), 0)) return shard_.make_sum(request_);
  const Ref ref = map().entries.make(request_.flags, request_.probe.key.size, request_.value.size,
                                     request_.carried->count(), request_.apart);
  if (ref == kNone) request_.lacks_reference = map().entries.store().is_full();
  return ref;
}

// Frees the block of the request, if it has one.
void ShardStore::release_block() {
  if (request_.ref == kNone) return;
  assert(shard_.waiting_ > 0);
  map().entries.free(request_.ref, shard_.at(request_.ref));
  request_.ref = kNone;
  shard_.waiting_--;
}

void ShardStore::abandon() {
  Shard::Locked locked(shard_);
  release_block();
}

// ---- Making room ------------------------------------------------------------------------------

// Each write removes a few entries that are due, so that a cache far from its limit sheds them,
// too.
inline void ShardStore::tidy() {
  if (shard_.has_negatives()) tidy_negatives();
  // The last step of the loop is a call of first_due, which brings the shard's earliest deadline up
  // to date. Otherwise other shards might come to look for due entries when there are none.
  for (uint64_t i = 0;; i++) {
    const Ref ref = shard_.first_due(now_);
    if (ref == kNone || ref == kAskAgain || i == kTidied) break;
    const ct_cause cause = shard_.cause_of_due(shard_.at(ref));
    room_.keep(shard_.leave(ref, shard_.hash_of(ref), cause, gone_));
  }
  if (shard_.needs_sweep()) shard_.sweep_some(kSwept, gone_);
}

inline void ShardStore::tidy_negatives() {
  for (uint64_t i = 0; i < kTidied; i++) {
    const uint64_t weight = shard_.negatives_->tidy(now_);
    if (weight == 0) break;
    room_.keep(weight);
  }
}

// Makes `room` hold what the request weighs beyond the entry that it replaces, *own. That entry may
// be evicted as well: then *own becomes kNone. budget.hpp tells which shard pays. With kDone, the
// status is CT_ERR_CALLBACK if the policy named no victim.
inline Next ShardStore::make_room(Ref *own) {
  for (uint64_t evicted = 0;; evicted++) {
    const uint64_t have = *own == kNone ? 0 : map().entries.weight_of(shard_.at(*own));
    request_.need = request_.weight > have ? request_.weight - have : 0;
    if (room_.cover(request_.need)) return Next::kDone;
    if (shard_.first_due(now_) == kNone) {
      if (shard_.share_.find_due_payer(request_, now_)) return Next::kEvictThere;
      if (map().index.size() == 0) return Next::kGather;
      if ((request_.own_paid || room_.held() != 0) &&
          shard_.share_.find_larger_payer(request_, map().index.size())) {
        return Next::kEvictThere;
      }
      if (!request_.own_paid && shard_.share_.count_demand() && on_copy(&ShardStore::take_gift)) {
        return Next::kEvictThere;
      }
    }
    uint64_t weight;
    const Ref before = *own;
    const Shard::Eviction eviction = evicted < Shard::kAtOnce
                                         ? shard_.evict(&request_, own, now_, gone_, &weight)
                                         : Shard::Eviction::kPaused;
    if (eviction == Shard::Eviction::kBroken) {
      return request_.end(CT_ERR_CALLBACK);
    }
    if (eviction == Shard::Eviction::kPaused) {
      shard_.lock_.let_others_in();
      return Next::kAgain;
    }
    room_.keep(weight);
    request_.own_paid = true;
    if (*own != before) forget_own();
  }
}

bool ShardStore::take_gift() {
  return shard_.share_.take_gift(request_, map().index.size(), room_.held());
}

// The entry that the request replaces has just been evicted for it. So kIfPresent is met for good,
// and the conditions with `seen` mean from now on that nothing is there.
inline void ShardStore::forget_own() {
  if (request_.condition == Condition::kIfPresent) request_.condition = Condition::kAlways;
  request_.seen = nullptr;
  if (request_.inherits != nullptr) request_.inherits->lose_entry(request_);
}

// Goes on with a request for which there was no memory. If only a reference is lacking, it evicts
// an entry, and the call is made again until a reference is free. Such a request fails only if no
// entry is left to evict. Then chunks hold nothing but pinned and dead entries, as an empty store
// has a number for any chunk.
Next ShardStore::evict_for_block(Ref own) {
  if (!request_.lacks_reference || map().index.size() == 0) return request_.end(CT_ERR_NOMEM);
  request_.lacks_reference = false;
  uint64_t weight;
  Ref watched = own;
  const Shard::Eviction eviction = shard_.evict(&request_, &watched, now_, gone_, &weight);
  if (eviction == Shard::Eviction::kBroken) return request_.end(CT_ERR_CALLBACK);
  if (watched != own) forget_own();
  if (eviction == Shard::Eviction::kDone) room_.keep(weight);
  return Next::kTellFirst;
}

// ---- Committing -------------------------------------------------------------------------------

// Writes the parts of an entry that make_block left open.
void ShardStore::fill(Ref ref) {
  const Layout &layout = map().entries.layout();
  Entry *e = shard_.at(ref);
  if ((e->flags & kWeight) != 0) *layout.weight(e) = request_.weight;
  if ((e->flags & kLifetime) != 0) shard_.begin_life(e, request_.deadline, request_.idle, now_);
  map().entries.fill(e, request_.probe.key, request_.value);
  if ((e->flags & kTags) != 0) request_.carried->give(layout.tags(e));
}

// Stores into the block of the present entry, if no caller can tell the difference. Returns false
// if it has not stored.
inline bool ShardStore::overwrite(Ref ref) {
  const Layout &layout = map().entries.layout();
  Entry *e = shard_.at(ref);
  if (!shard_.quiet_ || e->pins != 0 || (e->flags & ~kNoteFlags) != request_.flags ||
      (e->flags & (kApart | kTags)) != 0)
    return false;
  if (layout.block_bytes(e) !=
      layout.block_bytes(request_.flags, request_.probe.key.size, request_.value.size, 0)) {
    return false;
  }
  const uint64_t before = map().entries.weight_of(e);
  if (request_.weight > before && !room_.cover(request_.weight - before)) return false;
  if (has_deadline() && !shard_.expiry_.reserve()) return false;
  if ((e->flags & kLifetime) != 0) shard_.expiry_.remove(ref);
  {
    Index::WriteSection section(map().index);
    e->value_size = static_cast<uint16_t>(request_.value.size);
    fill(ref);
  }
  shard_.policy_->update(ref, request_.probe.hash, before, now_);
  price(ref);
  if (layout.deadline(e) != CT_NEVER) shard_.expiry_.insert(ref, now_());
  shard_.counters_.update();
  shard_.share_.reweigh(room_, before, request_.weight);
  shard_.tell_stored(e, request_.probe.hash);
  return true;
}

inline void ShardStore::price(Ref ref) {
  if (__builtin_expect(request_.cost != 1, 0)) shard_.policy_->price(ref, request_.cost);
}

// Puts the request's block into the structures: in the place of `old`, or in a new place if that is
// kNone.
inline Entry *ShardStore::commit(Ref old) {
  const Ref ref = request_.ref;
  assert(ref != kNone && shard_.waiting_ > 0);
  Entry *e = shard_.at(ref);
  request_.ref = kNone;
  shard_.waiting_--;
  fill(ref);
  if (old == kNone) {
    shard_.uses_.order_changed();
    map().index.insert(request_.probe.hash, ref);
    shard_.policy_->insert(ref, request_.probe.hash, now_);
    shard_.counters_.insert();
    shard_.share_.reweigh(room_, 0, request_.weight);
  } else {
    Entry *replaced = shard_.at(old);
    const uint64_t before = map().entries.weight_of(replaced);
    if ((replaced->flags & kLifetime) != 0) shard_.expiry_.remove(old);
    shard_.change_place(old, ref, request_.probe.hash);
    shard_.policy_->update(ref, request_.probe.hash, before, now_);
    // Only a value that a load renews may be gone.
    const ct_cause cause =
        is_renewed(old) ? shard_.cause_of(replaced, CT_CAUSE_REPLACED, now_) : CT_CAUSE_REPLACED;
    if (cause != CT_CAUSE_REPLACED) shard_.counters_.insert();
    shard_.counters_.departure(cause, before);
    shard_.bury(old, cause, gone_);
    shard_.share_.reweigh(room_, before, request_.weight);
  }
  price(ref);
  if (map().entries.deadline(e) != CT_NEVER) shard_.expiry_.insert(ref, now_());
  return e;
}

// Ends a call, whether it has stored or not: the block and the room that are left over go back.
void ShardStore::finish() {
  release_block();
  room_.give_back();
  // A call that fails pays no debt.
  if (__builtin_expect(shard_.budget_.debt() != 0, 0) && request_.status == CT_OK)
    shard_.pay_a_little(now_, gone_);
}

// ---- Lifetimes --------------------------------------------------------------------------------

Next ShardStore::set_deadline() {
  Shard::Settled settled(shard_);
  const Next next = set_deadline_locked();
  if (next == Next::kDone) finish();
  return next;
}

inline Next ShardStore::set_deadline_locked() {
  const bool dead = request_.fitness == Fitness::kDead;
  if (dead) invalidate();
  const Ref ref = map().find(request_.probe).ref;
  const bool is_live = ref != kNone && !map().is_gone(shard_.at(ref), now_);
  if (dead && ref != kNone) {
    const ct_cause cause = shard_.cause_of_due(shard_.at(ref));
    room_.keep(shard_.leave(ref, request_.probe.hash, cause, gone_));
  }
  if (dead) shard_.tell_removed(request_.probe.hash);
  if (dead || !is_live) return request_.end(is_live ? CT_OK : CT_MISS);
  if (request_.condition != Condition::kAlways &&
      shard_.compare(request_.condition, request_.seen, ref) != CT_OK) {
    return request_.end(CT_MISS);
  }
  if ((shard_.at(ref)->flags & kLifetime) == 0) {
    if (request_.deadline == CT_NEVER) return request_.end(CT_OK);
    return extend(ref);
  }
  if (request_.deadline != CT_NEVER && !shard_.expiry_.reserve()) return request_.end(CT_ERR_NOMEM);
  shard_.expiry_.remove(ref);
  map().entries.layout().lifetime(shard_.at(ref))->write = request_.deadline;
  shard_.expiry_.insert(ref, now_());
  shard_.tell_deadline(shard_.at(ref), request_.probe.hash);
  return request_.end(CT_OK);
}

// Moves an entry without a place for a deadline to a block that has one, and sets it.
inline Next ShardStore::extend(Ref ref) {
  Entries &entries = map().entries;
  Entry *old = shard_.at(ref);
  const uint8_t flags = old->flags | kLifetime;
  const uint64_t before = entries.weight_of(old);
  request_.weight = (flags & kWeight) != 0
                        ? before
                        : entries.weigh(flags, entries.key(old).size, entries.value(old).size,
                                        entries.layout().tag_count(old));
  if (request_.weight > shard_.budget_.maxsize()) return request_.end(CT_ERR_TOO_LARGE);
  if (!shard_.expiry_.reserve()) return request_.end(CT_ERR_NOMEM);
  // Made anew by each attempt, as the value may be another one then.
  ApartCopy apart(entries.store().memory());
  if ((flags & kApart) != 0 && !apart.make(entries.key(old), entries.value(old))) {
    return request_.end(CT_ERR_NOMEM);
  }
  const Ref to = entries.copy(old, flags, apart);
  if (to == kNone) {
    request_.lacks_reference = entries.store().is_full();
    return evict_for_block(ref);
  }
  Entry *e = shard_.at(to);
  Ref own = ref;
  const Next next = make_room(&own);
  if (next != Next::kDone || request_.status != CT_OK || own == kNone) {
    entries.free(to, e);
    if (next != Next::kDone || request_.status != CT_OK) return next;
    return request_.end(CT_MISS);
  }
  // The entry is complete before readers can find it.
  Lifetime *life = entries.layout().lifetime(e);
  life->write = request_.deadline;
  life->prev = life->next = kNone;
  shard_.change_place(ref, to, request_.probe.hash);
  if (request_.weight != before) shard_.policy_->reweigh(to, before, now_);
  bury_copy(ref, old, to);
  shard_.expiry_.insert(to, now_());
  shard_.share_.reweigh(room_, before, request_.weight);
  shard_.tell_deadline(e, request_.probe.hash);
  return request_.end(CT_OK);
}

// Ends a block whose entry lives on in block `to`, with a copy of the value. The listener is not
// told, and the value is not dropped. While the old block has pins, the new one stays that value's:
// it is not overwritten, not moved, and not freed. It has a place for a deadline, so there is never
// a third block.
inline void ShardStore::bury_copy(Ref ref, Entry *e, Ref to) {
  const bool pinned = e->pins != 0;
  e->die(kNoDrop);
  e->prev = ref;
  e->next = pinned ? to : kNone;
  if (pinned) {
    shard_.pins_.keep(shard_.at(to));
  } else {
    map().entries.free_dead(e);
  }
}

}  // namespace ct
