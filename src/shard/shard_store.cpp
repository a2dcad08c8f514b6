// SPDX-License-Identifier: MIT
// Storing: allocate first, commit after.
//
// A call that stores is compiled as one function, with all code that nearly every store runs. Code
// that few stores run is kept out of that function.
#include <algorithm>
#include <cassert>
#include <cstdint>

#include "shard/shard.hpp"
#include "shard/shard_leave.hpp"

namespace ct {
namespace {

// How many due entries a write removes at most, and how many entries it evicts for a lower limit.
constexpr uint64_t kTidied = 8;
constexpr uint64_t kPaid = 2;

}  // namespace

[[gnu::flatten, gnu::noinline]] Next Shard::store(StoreRequest &request, Reservation &room,
                                                  Now &now, Departed &gone, ct_value *out) {
  Settled settled(*this);
  tidy(room, now, gone);
  if (map_.entries.store().is_sparse()) compact_for(request);
  const Next next = store_locked(request, room, now, gone, out);
  if (next == Next::kDone) finish(request, room, now, gone);
  return next;
}

Next Shard::store_locked(StoreRequest &request, Reservation &room, Now &now, Departed &gone,
                         ct_value *out) {
  // A request that ends a load hands out its value.
  assert(request.flight == nullptr || out != nullptr);
  Ref old = map_.find(request.probe).ref;
  if (old != kNone && map_.is_expired(at(old), now)) {
    room.keep(leave(old, request.probe.hash, CT_CAUSE_EXPIRED, gone));
    old = kNone;
  }
  const Verdict verdict = judge(request, old);
  if (verdict != Verdict::kStore) {
    const ct_status status = turn_down(verdict, request, old, room, now, gone, out);
    if (status == CT_ERR_NOMEM) return evict_for_block(request, old, room, now, gone);
    if (request.flight != nullptr && status >= 0) land(request, *out, now);
    return request.end(status);
  }
  if (request.flight == nullptr) {
    overtake_load(request.probe);
    if (old != kNone && overwrite(request, old, room, now)) return request.end(CT_OK);
  }
  if (!prepare(request)) return evict_for_block(request, old, room, now, gone);
  const Next next = make_room(request, &old, room, now, gone);
  if (next != Next::kDone || request.status != CT_OK) return next;
  Entry *e = commit(request, old, room, now, gone);
  // An entry's first pin needs no memory.
  if (out != nullptr) hand_out(e, map_.entries.value(e), out);
  if (request.condition == Condition::kElseUse) counters_.miss();
  if (request.flight != nullptr) land(request, *out, now);
  return request.end(CT_OK);
}

// ---- Judging ----------------------------------------------------------------------------------

// The condition comes first, then the lifetime, then the weight.
Shard::Verdict Shard::judge(const StoreRequest &request, Ref old) const {
  const bool never_kept = request.refusal == Refusal::kNeverKept;
  switch (request.condition) {
    case Condition::kAlways:
      break;
    case Condition::kIfAbsent:
      if (old != kNone) return Verdict::kExists;
      break;
    case Condition::kIfPresent:
      if (old == kNone) return Verdict::kAbsent;
      break;
    case Condition::kIfSame:
      if ((old == kNone ? nullptr : at(old)) != request.seen) return Verdict::kExists;
      break;
    case Condition::kElseUse:
    case Condition::kElsePeek:
      if (old != kNone && !never_kept) return Verdict::kHandOut;
      break;
  }
  const bool is_overtaken = request.flight != nullptr && flights_.is_overtaken(*request.flight);
  if (never_kept || is_overtaken) return Verdict::kHandBack;
  if (request.fitness == Fitness::kDead) return Verdict::kDead;
  const bool is_too_large =
      request.fitness == Fitness::kTooLarge || request.weight > budget_.maxsize();
  return is_too_large ? Verdict::kTooLarge : Verdict::kStore;
}

// Ends a request that stores nothing. The request is a write of the key all the same, and overtakes
// a load of it, unless it gives way to the entry that is there, or its value was never to be kept.
ct_status Shard::turn_down(Verdict verdict, StoreRequest &request, Ref old, Reservation &room,
                           Now &now, Departed &gone, ct_value *out) {
  const bool is_write =
      verdict == Verdict::kAbsent || verdict == Verdict::kDead || verdict == Verdict::kTooLarge;
  if (is_write && request.flight == nullptr) overtake_load(request.probe);
  switch (verdict) {
    case Verdict::kExists:
      return CT_EXISTS;
    case Verdict::kAbsent:
      return CT_MISS;
    case Verdict::kHandOut: {
      Entry *e = at(old);
      if (request.condition == Condition::kElsePeek) {
        return out == nullptr || hand_out(e, map_.entries.value(e), out) ? CT_OK : CT_ERR_NOMEM;
      }
      const Place place = map_.index.place_of(request.probe.hash, old);
      return hand_out_hit(place, request.probe.hash, now, out) ? CT_OK : CT_ERR_NOMEM;
    }
    case Verdict::kTooLarge:
      if (request.refusal == Refusal::kFails) {
        reject(request);
        return CT_ERR_TOO_LARGE;
      }
      if (!give_back(request, out)) return CT_ERR_NOMEM;
      reject(request);
      return CT_NOT_STORED;
    case Verdict::kDead:
      if (!give_back(request, out)) return CT_ERR_NOMEM;
      if (old != kNone) room.keep(leave(old, request.probe.hash, CT_CAUSE_REMOVED, gone));
      reject(request);
      return CT_NOT_STORED;
    case Verdict::kHandBack:
    case Verdict::kStore:
      break;
  }
  assert(verdict == Verdict::kHandBack);
  return give_back(request, out) ? CT_NOT_STORED : CT_ERR_NOMEM;
}

void Shard::reject(const StoreRequest &request) {
  counters_.reject();
  if (request.condition == Condition::kElseUse) counters_.miss();
}

// Hands back a value that is not stored, if the caller wants it. The value is in an entry that was
// never in the cache. Its block is the one that the request may have from an attempt to store.
// Returns false if there is no memory.
bool Shard::give_back(StoreRequest &request, ct_value *out) {
  if (out == nullptr) return true;
  Ref ref = request.ref;
  if (ref != kNone) {
    request.ref = kNone;
    waiting_--;
  } else if ((ref = make_block(request)) == kNone) {
    return false;
  }
  Entry *e = at(ref);
  e->flags |= kDead | kNoDrop;
  e->prev = ref;
  map_.entries.fill(e, request.probe.key, request.value);
  return hand_out(e, map_.entries.value(e), out);
}

void Shard::land(StoreRequest &request, const ct_value &value, Now &now) {
  flights_.land(*request.flight, value, entry_of(value), now);
}

// ---- Reserving --------------------------------------------------------------------------------

// Reserves all the memory that storing will take. Returns false if there is not enough.
bool Shard::prepare(StoreRequest &request) {
  policy_->prefetch(request.probe.hash);
  const uint64_t count = waiting_ + (request.ref == kNone ? 1 : 0);
  if (!reserve(count, has_deadline(request))) return false;
  if (request.ref != kNone) return true;
  request.ref = make_block(request);
  if (request.ref == kNone) return false;
  waiting_++;
  return true;
}

// Reserves the memory that `count` more entries take, except for their blocks.
bool Shard::reserve(uint64_t count, bool has_deadline) {
  if (!weighs_one_ && map_.index.grows_for(count)) expect_by_weight();
  if (!map_.index.reserve(count, hasher()) || !policy_->reserve(count)) return false;
  if (reads_unlocked_ && !uses_.has_log() && map_.index.size() >= logged_from_) open_log();
  return !has_deadline || expiry_.reserve();
}

// From then on reads go without the lock. So the memory that they may look at is kept.
void Shard::open_log() {
  if (!map_.index.keep()) return;
  map_.entries.store().keep();
  uses_.open_log();
}

// Makes a block with the request's lengths and flags. The block takes over the copy that lies
// apart.
Ref Shard::make_block(StoreRequest &request) {
  const Ref ref =
      map_.entries.make(request.flags, request.probe.key.size, request.value.size, request.apart);
  if (ref == kNone) request.lacks_reference = map_.entries.store().is_full();
  return ref;
}

// Frees the block of the request, if it has one.
void Shard::release_block(StoreRequest &request) {
  if (request.ref == kNone) return;
  assert(waiting_ > 0);
  map_.entries.free(request.ref, at(request.ref));
  request.ref = kNone;
  waiting_--;
}

void Shard::abandon(StoreRequest &request) {
  Locked locked(*this);
  release_block(request);
}

// ---- Making room ------------------------------------------------------------------------------

// Each write removes a few entries that are due, so that a cache far from its limit sheds them,
// too.
void Shard::tidy(Reservation &room, Now &now, Departed &gone) {
  // The last step of the loop is a call of first_due, which brings the shard's earliest deadline up
  // to date. Otherwise other shards might come to look for due entries when there are none.
  for (uint64_t i = 0;; i++) {
    const Ref ref = first_due(now);
    if (ref == kNone || ref == kAskAgain || i == kTidied) break;
    room.keep(leave(ref, hash_of(ref), CT_CAUSE_EXPIRED, gone));
  }
}

// Makes `room` hold what the request weighs beyond the entry that it replaces, *own. That entry may
// be evicted as well: then *own becomes kNone. budget.hpp tells which shard pays. With kDone, the
// status is CT_ERR_INTERNAL if the policy named no victim.
Next Shard::make_room(StoreRequest &request, Ref *own, Reservation &room, Now &now,
                      Departed &gone) {
  for (uint64_t evicted = 0;; evicted++) {
    const uint64_t have = *own == kNone ? 0 : map_.entries.weight_of(at(*own));
    request.need = request.weight > have ? request.weight - have : 0;
    if (room.cover(request.need)) {
      if (evicted != 0) share_.count_look(room.held() != request.need);
      return Next::kDone;
    }
    if (first_due(now) == kNone) {
      if (share_.find_due_payer(request, now)) return Next::kEvictThere;
      if (map_.index.size() == 0) return Next::kGather;
      if (share_.looks(evicted != 0) && share_.find_larger_payer(request, map_.index.size())) {
        return Next::kEvictThere;
      }
    }
    uint64_t weight;
    const Ref before = *own;
    const Eviction eviction =
        evicted < kAtOnce ? evict(&request, own, now, gone, &weight) : Eviction::kPaused;
    if (eviction == Eviction::kBroken) {
      return request.end(CT_ERR_INTERNAL);
    }
    if (eviction == Eviction::kPaused) {
      lock_.let_others_in();
      return Next::kAgain;
    }
    room.keep(weight);
    if (*own != before) forget_own(request);
  }
}

// The entry that the request replaces has just been evicted for it. So kIfPresent is met for good, and
// kIfSame means from now on that nothing is there.
void Shard::forget_own(StoreRequest &request) {
  if (request.condition == Condition::kIfPresent) request.condition = Condition::kAlways;
  request.seen = nullptr;
}

// Goes on with a request for which there was no memory. If only a reference is lacking, it evicts
// an entry, and the call is made again until a reference is free. Such a request fails only if no
// entry is left to evict. Then chunks hold nothing but pinned and dead entries, as an empty store
// has a number for any chunk.
Next Shard::evict_for_block(StoreRequest &request, Ref own, Reservation &room, Now &now,
                            Departed &gone) {
  if (!request.lacks_reference || map_.index.size() == 0) return request.end(CT_ERR_NOMEM);
  request.lacks_reference = false;
  uint64_t weight;
  Ref watched = own;
  const Eviction eviction = evict(&request, &watched, now, gone, &weight);
  if (eviction == Eviction::kBroken) return request.end(CT_ERR_INTERNAL);
  if (watched != own) forget_own(request);
  if (eviction == Eviction::kDone) room.keep(weight);
  return Next::kTellFirst;
}

// ---- Committing -------------------------------------------------------------------------------

// Writes the parts of an entry that make_block left open.
void Shard::fill(Ref ref, const StoreRequest &request, Now &now) {
  const Layout &layout = map_.entries.layout();
  Entry *e = at(ref);
  if ((e->flags & kWeight) != 0) *layout.weight(e) = request.weight;
  if ((e->flags & kLifetime) != 0) {
    Lifetime *life = layout.lifetime(e);
    life->write = request.deadline;
    life->prev = life->next = kNone;
    if (tti_ != 0) life->idle = clock_.deadline_after(now(), std::min(tti_, request.idle));
  }
  map_.entries.fill(e, request.probe.key, request.value);
}

// Stores into the block of the present entry, if no caller can tell the difference. Returns false
// if it has not stored.
bool Shard::overwrite(StoreRequest &request, Ref ref, Reservation &room, Now &now) {
  const Layout &layout = map_.entries.layout();
  Entry *e = at(ref);
  if (!quiet_ || e->pins != 0 || (e->flags & ~kPolicyFlags) != request.flags ||
      (e->flags & kApart) != 0)
    return false;
  if (layout.block_bytes(e) !=
      layout.block_bytes(request.flags, request.probe.key.size, request.value.size)) {
    return false;
  }
  const uint64_t before = map_.entries.weight_of(e);
  if (request.weight > before && !room.cover(request.weight - before)) return false;
  if (has_deadline(request) && !expiry_.reserve()) return false;
  if ((e->flags & kLifetime) != 0) expiry_.remove(ref);
  {
    Index::WriteSection section(map_.index);
    e->value_size = static_cast<uint16_t>(request.value.size);
    fill(ref, request, now);
  }
  policy_->update(ref, request.probe.hash, before, now);
  if (layout.deadline(e) != CT_NEVER) expiry_.insert(ref, now());
  counters_.update();
  share_.reweigh(room, before, request.weight);
  return true;
}

// Puts the request's block into the structures: in the place of `old`, or in a new place if that is
// kNone.
Entry *Shard::commit(StoreRequest &request, Ref old, Reservation &room, Now &now, Departed &gone) {
  const Ref ref = request.ref;
  assert(ref != kNone && waiting_ > 0);
  Entry *e = at(ref);
  request.ref = kNone;
  waiting_--;
  fill(ref, request, now);
  if (old == kNone) {
    uses_.order_changed();
    map_.index.insert(request.probe.hash, ref);
    policy_->insert(ref, request.probe.hash, now);
    counters_.insert();
    share_.reweigh(room, 0, request.weight);
  } else {
    Entry *replaced = at(old);
    const uint64_t before = map_.entries.weight_of(replaced);
    if ((replaced->flags & kLifetime) != 0) expiry_.remove(old);
    change_place(old, ref, request.probe.hash);
    policy_->update(ref, request.probe.hash, before, now);
    counters_.departure(CT_CAUSE_REPLACED, before);
    bury(old, CT_CAUSE_REPLACED, gone);
    share_.reweigh(room, before, request.weight);
  }
  if (map_.entries.deadline(e) != CT_NEVER) expiry_.insert(ref, now());
  return e;
}

// Ends a call, whether it has stored or not: the block and the room that are left over go back.
void Shard::finish(StoreRequest &request, Reservation &room, Now &now, Departed &gone) {
  release_block(request);
  room.give_back();
  // A call that fails pays no debt.
  if (__builtin_expect(budget_.debt() != 0, 0) && request.status == CT_OK) pay_a_little(now, gone);
}

// The result is ignored: if the policy names no victim, the call that lowered the limit returns
// that failure, not this one.
void Shard::pay_a_little(Now &now, Departed &gone) {
  // This call may have used an entry that is evicted now.
  uses_.settle();
  bool progress = false;
  pay_debt_locked(kPaid, now, gone, &progress);
}

// ---- Entries that change their block ----------------------------------------------------------

// Makes index and policy refer to block `to` instead of `from`, after copying what the policy keeps
// in the entry.
void Shard::change_place(Ref from, Ref to, uint64_t hash) {
  const Entry *old = at(from);
  Entry *e = at(to);
  e->prev = old->prev;
  e->next = old->next;
  e->flags = static_cast<uint8_t>((e->flags & ~kPolicyFlags) | (old->flags & kPolicyFlags));
  store_bytes(Layout::at(e, sizeof(Entry)), Layout::at(old, sizeof(Entry)),
              map_.entries.layout().hook_bytes);
  map_.index.replace(hash, from, to);
  policy_->moved(from, to);
}

// Moves an entry out of a block that the store wants to be rid of. No caller can tell the
// difference. Returns false if the entry has to stay.
bool Shard::move(Ref from) {
  const Entry *old = at(from);
  if (old->pins != 0 || (old->flags & (kDead | kNoDrop)) != 0) return false;
  const Ref to = map_.entries.copy_elsewhere(old);
  if (to == kNone) return false;
  change_place(from, to, hash_of(from));
  if ((old->flags & kLifetime) != 0) expiry_.moved(to);
  map_.entries.free_moved(from, old);
  return true;
}

// Before a new entry comes, moves entries out of a sparse chunk: as many bytes as the new entry
// brings, in its block or apart. Moves nothing while a request waits for room, because its block
// cannot be moved before it is an entry.
void Shard::compact_for(const StoreRequest &request) {
  if (waiting_ != 0) return;
  const size_t bytes =
      map_.entries.layout().block_bytes(request.flags, request.probe.key.size, request.value.size);
  compact(std::max(bytes, request.probe.key.size + request.value.size));
}

bool Shard::compact(size_t bytes) {
  return map_.entries.store().compact(bytes, map_.index.size(), [this](Ref ref) {
    lock_.assert_held();
    return move(ref);
  });
}

// ---- Lifetimes --------------------------------------------------------------------------------

Next Shard::set_deadline(StoreRequest &request, Reservation &room, Now &now, Departed &gone) {
  Settled settled(*this);
  const Next next = set_deadline_locked(request, room, now, gone);
  if (next == Next::kDone) finish(request, room, now, gone);
  return next;
}

Next Shard::set_deadline_locked(StoreRequest &request, Reservation &room, Now &now,
                                Departed &gone) {
  const bool dead = request.fitness == Fitness::kDead;
  if (dead) overtake_load(request.probe);
  const Ref ref = map_.find_live(request.probe, now).ref;
  if (ref == kNone) return request.end(CT_MISS);
  if (dead) {
    room.keep(leave(ref, request.probe.hash, CT_CAUSE_EXPIRED, gone));
    return request.end(CT_OK);
  }
  if ((at(ref)->flags & kLifetime) == 0) {
    if (request.deadline == CT_NEVER) return request.end(CT_OK);
    return extend(request, ref, room, now, gone);
  }
  if (request.deadline != CT_NEVER && !expiry_.reserve()) return request.end(CT_ERR_NOMEM);
  expiry_.remove(ref);
  map_.entries.layout().lifetime(at(ref))->write = request.deadline;
  expiry_.insert(ref, now());
  return request.end(CT_OK);
}

// Moves an entry without a place for a deadline to a block that has one, and sets it.
Next Shard::extend(StoreRequest &request, Ref ref, Reservation &room, Now &now, Departed &gone) {
  Entries &entries = map_.entries;
  Entry *old = at(ref);
  const uint8_t flags = old->flags | kLifetime;
  const uint64_t before = entries.weight_of(old);
  request.weight = (flags & kWeight) != 0
                       ? before
                       : entries.weigh(flags, entries.key(old).size, entries.value(old).size);
  if (request.weight > budget_.maxsize()) return request.end(CT_ERR_TOO_LARGE);
  if (!expiry_.reserve()) return request.end(CT_ERR_NOMEM);
  // Made anew by each attempt, as the value may be another one then.
  ApartCopy apart(entries.store().memory());
  if ((flags & kApart) != 0 && !apart.make(entries.key(old), entries.value(old))) {
    return request.end(CT_ERR_NOMEM);
  }
  const Ref to = entries.copy(old, flags, apart);
  if (to == kNone) {
    request.lacks_reference = entries.store().is_full();
    return evict_for_block(request, ref, room, now, gone);
  }
  Entry *e = at(to);
  Ref own = ref;
  const Next next = make_room(request, &own, room, now, gone);
  if (next != Next::kDone || request.status != CT_OK || own == kNone) {
    entries.free(to, e);
    if (next != Next::kDone || request.status != CT_OK) return next;
    return request.end(CT_MISS);
  }
  // The entry is complete before readers can find it.
  Lifetime *life = entries.layout().lifetime(e);
  life->write = request.deadline;
  life->prev = life->next = kNone;
  change_place(ref, to, request.probe.hash);
  if (request.weight != before) policy_->reweigh(to, before, now);
  bury_copy(ref, old);
  expiry_.insert(to, now());
  share_.reweigh(room, before, request.weight);
  return request.end(CT_OK);
}

// Ends a block whose entry lives on elsewhere, with a copy of the value. The listener is not told,
// and the value is not dropped.
void Shard::bury_copy(Ref ref, Entry *e) {
  e->flags |= kDead | kNoDrop;
  e->prev = ref;
  if (e->pins == 0) map_.entries.free_dead(e);
}

}  // namespace ct
