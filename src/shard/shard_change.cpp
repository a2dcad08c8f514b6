// SPDX-License-Identifier: MIT
// What changes a shard: storing, removing, and the order of both.
//
// A call that stores is compiled as one function with all that it nearly always comes to. What it
// seldom comes to is kept out of it.
#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>

#include "shard/shard.hpp"

namespace ct {
namespace {

// How many due entries a write takes along at most, and how many it evicts for a lower limit.
constexpr uint64_t kTidied = 8;
constexpr uint64_t kPaid = 2;

// For so many evicting stores after one whose victims weighed more than it needed, the shard looks
// whether another one should pay.
constexpr uint32_t kLooks = 16;

// Of a table with few entries so many homes, and so many entries of one, in one go.
constexpr uint64_t kHomesAtOnce = 1024;
constexpr uint32_t kAtOnceOfHome = 64;

// How often trim goes on with moving entries: each is moved a few times at most.
constexpr uint64_t kTrims = 16;
constexpr uint64_t kTrimmedEntries = 64;

}  // namespace

// ---- Entries ----------------------------------------------------------------------------------

uint64_t Shard::weigh(int32_t kind, const Layout &layout, uint8_t flags, size_t key_size,
                      size_t value_size) {
  if (kind == CT_WEIGHT_COUNT) return 1;
  if (kind == CT_WEIGHT_VALUE) return value_size;
  const size_t block = layout.block_bytes(flags, key_size, value_size);
  const uint64_t inside = block + Store::free_share(block) + layout.bytes_beside;
  if ((flags & kApart) == 0) return inside;
  return inside + PageHeaps::weigh(Layout::apart_bytes(key_size, value_size));
}

uint64_t Shard::weight_of(Entry *e) const {
  if ((e->flags & kWeight) != 0) return *layout_.weight(e);
  if (weight_kind_ == CT_WEIGHT_COUNT) return 1;
  return weigh(weight_kind_, layout_, e->flags, layout_.key(e).size, layout_.value(e).size);
}

// A block with lengths and flags as of the request. What lies apart is the block's from then on.
Ref Shard::make_block(StoreRequest &request) {
  const size_t key_size = request.probe.key.size;
  const size_t value_size = request.value.size;
  const Ref ref = store_.allocate(layout_.block_bytes(request.flags, key_size, value_size));
  if (ref == kNone) {
    request.lacks_reference = store_.is_full();
    return kNone;
  }
  Entry *e = store_.at(ref);
  e->flags = request.flags;
  if ((request.flags & kApart) != 0) {
    e->key_size = kApartKeySize;
    Apart *apart = layout_.apart(e);
    apart->data = request.apart;
    request.apart = nullptr;
    apart->key_size = static_cast<uint32_t>(key_size);
    apart->value_size = static_cast<uint32_t>(value_size);
    apart_++;
  } else {
    e->key_size = static_cast<uint16_t>(key_size);
    e->value_size = static_cast<uint16_t>(value_size);
  }
  layout_.write_ways_back(e, ref);
  return ref;
}

// Takes back what make_block did, if it was.
void Shard::release_block(StoreRequest &request) {
  if (request.ref == kNone) return;
  free_block(request.ref, store_.at(request.ref));
  request.ref = kNone;
  waiting_--;
}

void Shard::abandon(StoreRequest &request) {
  Guard guard(lock());
  release_block(request);
}

// Writes what make_block left open.
void Shard::fill(Ref ref, const StoreRequest &request, Now &now) {
  Entry *e = store_.at(ref);
  if ((e->flags & kWeight) != 0) *layout_.weight(e) = request.weight;
  if ((e->flags & kLifetime) != 0) {
    Lifetime *life = layout_.lifetime(e);
    life->write = request.deadline;
    life->prev = life->next = kNone;
    if (tti_ != 0) life->idle = clock_.deadline_after(now(), std::min(tti_, request.idle));
  }
  if ((e->flags & kApart) != 0) return;
  layout_.fill(layout_.key(e), request.probe.key);
  layout_.fill(layout_.value(e), request.value);
}

// Never shortens, whatever the clock does: the expiry relies on it.
void Shard::renew_idle(Entry *e, Now &now) {
  Lifetime *life = layout_.lifetime(e);
  life->idle = std::max<uint64_t>(life->idle, clock_.deadline_after(now(), tti_));
}

// A copy of an entry with other flags, for a request, but for links, hook and lifetime; kNone: no memory.
Ref Shard::copy_entry(const Entry *from, uint8_t flags, StoreRequest &request) {
  const Bytes key = layout_.key(from);
  const Bytes value = layout_.value(from);
  StoreRequest copy(memory_);
  copy.probe.key = key;
  copy.value = value;
  copy.flags = flags;
  if ((flags & kApart) != 0 && !copy.set_apart()) return kNone;
  const Ref ref = make_block(copy);
  request.lacks_reference = copy.lacks_reference;
  if (ref == kNone) return kNone;
  Entry *to = store_.at(ref);
  if ((flags & kWeight) != 0) {
    *layout_.weight(to) =
        *reinterpret_cast<const Cell<uint64_t> *>(Layout::at(from, layout_.weight_offset()));
  }
  if ((flags & kApart) == 0) {
    layout_.fill(layout_.key(to), key);
    layout_.fill(layout_.value(to), value);
  }
  return ref;
}

// An entry that is in no structure any more.
void Shard::bury(Ref ref, ct_cause cause, Departed &gone) {
  Entry *e = store_.at(ref);
  e->flags |= kDead;
  if (!quiet_ || gone.watched()) {
    telling_++;
    gone.add(*this, ref, cause);
  } else if (e->pins != 0) {
    e->prev = ref;
  } else {
    free_block(ref, e);
  }
}

// An entry that lives on elsewhere, its value copied: nobody is told, nothing is dropped.
void Shard::bury_copy(Ref ref, Entry *e) {
  e->flags |= kDead | kNoDrop;
  e->prev = ref;
  if (e->pins == 0) free_block(ref, e);
}

void Shard::free_dead(Entry *e) { free_block(e->prev, e); }

void Shard::free_block(Ref ref, Entry *e) {
  if ((e->flags & kApart) != 0) {
    const Apart *apart = layout_.apart(e);
    memory_.release(apart->data, Layout::apart_bytes(apart->key_size, apart->value_size), 8);
    apart_--;
  }
  store_.release(ref, layout_.block_bytes(e));
}

void Shard::count_departure(ct_cause cause, uint64_t weight) {
  if (cause == CT_CAUSE_EVICTED) {
    counters_.evictions += keeps_stats_;
    if (keeps_stats_ != 0) counters_.evicted_weight += weight;
  } else if (cause == CT_CAUSE_EXPIRED) {
    counters_.expirations += keeps_stats_;
  } else if (cause == CT_CAUSE_REPLACED) {
    counters_.updates += keeps_stats_;
  } else {
    counters_.removals += keeps_stats_;
  }
}

// ---- Storing ----------------------------------------------------------------------------------

[[gnu::flatten, gnu::noinline]] bool Shard::store(StoreRequest &request, Reservation &room,
                                                  Now &now, Departed &gone, ct_value *out,
                                                  ct_status *status) {
  // What lands is handed over.
  assert(request.flight == nullptr || out != nullptr);
  Guard guard(lock());
  settle_uses();
  tidy(room, now, gone);
  if (store_.is_sparse()) compact_for(request);
  Ref old = find(request.probe).ref;
  if (old != kNone && is_expired(store_.at(old), now)) {
    room.keep(leave(old, request.probe.hash, CT_CAUSE_EXPIRED, gone));
    old = kNone;
  }
  if (judge(request, old, room, now, gone, out, status)) {
    if (*status == CT_ERR_NOMEM && evict_for_block(request, old, room, now, gone)) return false;
    if (request.flight != nullptr && *status >= 0) land(*request.flight, *out, now);
    return finish(request, room, *status, now, gone);
  }
  if (old != kNone && request.flight == nullptr && overwrite(request, old, room, now)) {
    *status = CT_OK;
    return finish(request, room, *status, now, gone);
  }
  if (!prepare(request)) {
    if (evict_for_block(request, old, room, now, gone)) return false;
    *status = CT_ERR_NOMEM;
    return finish(request, room, *status, now, gone);
  }
  const Room made = make_room(request, &old, room, now, gone);
  if (made == Room::kElsewhere) return false;
  if (made == Room::kBroken) {
    *status = CT_ERR_INTERNAL;
    return finish(request, room, *status, now, gone);
  }
  Entry *e = commit(request, old, room, now, gone);
  // An entry's first pin needs no memory.
  if (out != nullptr) hand_out(e, layout_.value(e), out);
  if (request.as_read) counters_.misses += keeps_stats_;
  if (request.flight != nullptr) land(*request.flight, *out, now);
  *status = CT_OK;
  return finish(request, room, *status, now, gone);
}

// Settles what needs no block. Unless the request gives way to what is there, or was never to be kept, it
// is a write of the key: that overtakes a load of it, even if it is refused.
bool Shard::judge(StoreRequest &request, Ref old, Reservation &room, Now &now, Departed &gone,
                  ct_value *out, ct_status *status) {
  if (request.checked && (old == kNone ? nullptr : store_.at(old)) != request.seen) {
    *status = kChanged;
  } else if (request.discarded || (request.flight != nullptr && request.flight->overtaken)) {
    *status = give_back(request, out) ? CT_NOT_STORED : CT_ERR_NOMEM;
  } else if (old != kNone && request.takes) {
    const Place place = index_.place_of(request.probe.hash, old);
    *status =
        hand_over(place, request.probe.hash, request.as_read, now, out) ? CT_OK : CT_ERR_NOMEM;
  } else if (old != kNone && (request.conditions & CT_ENTRY_IF_ABSENT) != 0) {
    *status = CT_EXISTS;
  } else {
    if (request.flight == nullptr) overtake_load(request.probe);
    return refuse(request, old, room, gone, out, status);
  }
  return true;
}

// The condition comes first, then the lifetime, then the weight.
bool Shard::refuse(StoreRequest &request, Ref old, Reservation &room, Departed &gone, ct_value *out,
                   ct_status *status) {
  if (old == kNone && (request.conditions & CT_ENTRY_IF_PRESENT) != 0) {
    *status = CT_MISS;
  } else if (request.dead) {
    *status = CT_ERR_NOMEM;
    if (!give_back(request, out)) return true;
    if (old != kNone) room.keep(leave(old, request.probe.hash, CT_CAUSE_REMOVED, gone));
    reject(request);
    *status = CT_NOT_STORED;
  } else if (request.too_large || request.weight > budget_.maxsize()) {
    *status = CT_ERR_TOO_LARGE;
    if (request.hands_back) {
      *status = give_back(request, out) ? CT_NOT_STORED : CT_ERR_NOMEM;
    }
    if (*status != CT_ERR_NOMEM) reject(request);
  } else {
    return false;
  }
  return true;
}

void Shard::reject(const StoreRequest &request) {
  counters_.rejections += keeps_stats_;
  if (request.as_read) counters_.misses += keeps_stats_;
}

// The memory that so many more entries take, but for their blocks.
bool Shard::reserve(uint64_t count, bool has_deadline) {
  if (!weighs_one_ && index_.grows_for(count)) expect_by_weight();
  if (!index_.reserve(count, hasher()) || !policy_->reserve(count)) return false;
  if (unlocked_ && !log_.is_open() && index_.size() >= kLogged) open_log();
  return !has_deadline || reserve_deadline();
}

// All the memory that storing will take.
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

// From then on reads go without the lock, so that what they may look at stays.
void Shard::open_log() {
  if (!index_.keep()) return;
  store_.keep();
  log_.open();
}

// Makes room hold what the request weighs beyond the entry that it replaces, which may go for it:
// then *own is kNone. budget.hpp tells who pays.
Shard::Room Shard::make_room(StoreRequest &request, Ref *own, Reservation &room, Now &now,
                             Departed &gone) {
  for (uint64_t evicted = 0;; evicted++) {
    const uint64_t have = *own == kNone ? 0 : weight_of(store_.at(*own));
    request.need = request.weight > have ? request.weight - have : 0;
    if (room.cover(request.need)) {
      if (evicted != 0) {
        if (room.held() != request.need) {
          looks_ = kLooks;
        } else if (looks_ != 0) {
          looks_--;
        }
      }
      return Room::kMade;
    }
    request.payer = StoreRequest::kAnyShard;
    const Ref due = first_due(now);
    if (due == kNone) {
      const bool looks = evicted != 0 || looks_ != 0;
      if (due_elsewhere(request, now) || index_.size() == 0 ||
          (looks && is_smaller_than_next(request))) {
        return Room::kElsewhere;
      }
    }
    uint64_t weight;
    const Ref before = *own;
    const Eviction eviction =
        evicted < kAtOnce ? evict(&request, own, now, gone, &weight) : Eviction::kPaused;
    if (eviction == Eviction::kBroken) return Room::kBroken;
    if (eviction == Eviction::kPaused) {
      request.payer = number_;
      let_others_in();
      return Room::kElsewhere;
    }
    room.keep(weight);
    if (*own != before) forget_own(request);
  }
}

// The condition was met by the entry that has just gone for it: it is not asked again.
void Shard::forget_own(StoreRequest &request) {
  request.conditions &= ~CT_ENTRY_IF_PRESENT;
  request.seen = nullptr;
}

// An entry leaves because references go no further, and the call is to be made again. False: that is not
// why, or nothing is left that could leave.
bool Shard::evict_for_block(StoreRequest &request, Ref own, Reservation &room, Now &now,
                            Departed &gone) {
  if (!request.lacks_reference || index_.size() == 0) return false;
  request.lacks_reference = false;
  uint64_t weight;
  Ref watched = own;
  const Eviction eviction = evict(&request, &watched, now, gone, &weight);
  if (eviction == Eviction::kBroken) return false;
  if (watched != own) forget_own(request);
  request.payer = eviction == Eviction::kPaused ? number_ : StoreRequest::kTellFirst;
  if (eviction == Eviction::kDone) room.keep(weight);
  return true;
}

// Stores into the block that is there, if nobody can tell the difference.
bool Shard::overwrite(StoreRequest &request, Ref ref, Reservation &room, Now &now) {
  Entry *e = store_.at(ref);
  if (!quiet_ || e->pins != 0 || (e->flags & ~kPolicyFlags) != request.flags ||
      (e->flags & kApart) != 0)
    return false;
  if (layout_.block_bytes(e) !=
      layout_.block_bytes(request.flags, request.probe.key.size, request.value.size)) {
    return false;
  }
  const uint64_t before = weight_of(e);
  if (request.weight > before && !room.cover(request.weight - before)) return false;
  if (has_deadline(request) && !reserve_deadline()) return false;
  if ((e->flags & kLifetime) != 0) expiry_.remove(ref);
  {
    Index::WriteSection section(index_);
    e->value_size = static_cast<uint16_t>(request.value.size);
    fill(ref, request, now);
  }
  policy_->update(ref, request.probe.hash, before, now);
  if (layout_.deadline(e) != CT_NEVER) expiry_.insert(ref, now());
  counters_.updates += keeps_stats_;
  settle(room, before, request.weight);
  return true;
}

// Puts the request's block in the place of old, or in a new one.
Entry *Shard::commit(StoreRequest &request, Ref old, Reservation &room, Now &now, Departed &gone) {
  const Ref ref = request.ref;
  Entry *e = store_.at(ref);
  request.ref = kNone;
  waiting_--;
  fill(ref, request, now);
  if (old == kNone) {
    order_changes_++;
    index_.insert(request.probe.hash, ref);
    policy_->insert(ref, request.probe.hash, now);
    counters_.inserts += keeps_stats_;
    settle(room, 0, request.weight);
  } else {
    Entry *replaced = store_.at(old);
    const uint64_t before = weight_of(replaced);
    if ((replaced->flags & kLifetime) != 0) expiry_.remove(old);
    change_place(old, ref, request.probe.hash);
    policy_->update(ref, request.probe.hash, before, now);
    count_departure(CT_CAUSE_REPLACED, before);
    bury(old, CT_CAUSE_REPLACED, gone);
    settle(room, before, request.weight);
  }
  if (layout_.deadline(e) != CT_NEVER) expiry_.insert(ref, now());
  return e;
}

// What index and policy know as from is now at to.
void Shard::change_place(Ref from, Ref to, uint64_t hash) {
  const Entry *old = store_.at(from);
  Entry *e = store_.at(to);
  e->prev = old->prev;
  e->next = old->next;
  e->flags = static_cast<uint8_t>((e->flags & ~kPolicyFlags) | (old->flags & kPolicyFlags));
  store_bytes(Layout::at(e, sizeof(Entry)), Layout::at(old, sizeof(Entry)), layout_.hook_bytes);
  index_.replace(hash, from, to);
  policy_->moved(from, to);
}

// Moves an entry to another block, where the store wants to be rid of its own; false: it has to stay.
// Nobody can tell the difference.
bool Shard::move(Ref from) {
  const Entry *old = store_.at(from);
  if (old->pins != 0 || (old->flags & (kDead | kNoDrop)) != 0) return false;
  const size_t bytes = layout_.block_bytes(old);
  const Ref to = store_.allocate_elsewhere(bytes);
  if (to == kNone) return false;
  Entry *e = store_.at(to);
  e->key_size = old->key_size;
  e->value_size = old->value_size;
  e->flags = old->flags;
  layout_.fill({Layout::at(e, sizeof *e), 0}, {Layout::at(old, sizeof *e), bytes - sizeof *e});
  layout_.write_ways_back(e, to);
  change_place(from, to, hash_of(from));
  if ((e->flags & kLifetime) != 0) expiry_.moved(to);
  store_.release(from, bytes);
  return true;
}

// Entries make way before another one comes, for as many bytes as it brings, wherever they lie. A request
// that waits for room is not one yet.
void Shard::compact_for(const StoreRequest &request) {
  if (waiting_ != 0) return;
  const size_t bytes =
      layout_.block_bytes(request.flags, request.probe.key.size, request.value.size);
  compact(std::max(bytes, request.probe.key.size + request.value.size));
}

bool Shard::compact(size_t bytes) {
  return store_.compact(bytes, index_.size(), [this](Ref ref) { return move(ref); });
}

void Shard::settle(Reservation &room, uint64_t before, uint64_t after) {
  if (after > before) {
    room.spend(after - before);
  } else {
    room.keep(before - after);
  }
  weight_ += after - before;
}

bool Shard::set_deadline(StoreRequest &request, Reservation &room, Now &now, Departed &gone,
                         ct_status *status) {
  Guard guard(lock());
  settle_uses();
  if (request.dead) overtake_load(request.probe);
  const Ref ref = find_live(request.probe, now).ref;
  *status = CT_OK;
  if (ref == kNone) {
    *status = CT_MISS;
  } else if (request.dead) {
    room.keep(leave(ref, request.probe.hash, CT_CAUSE_EXPIRED, gone));
  } else if ((store_.at(ref)->flags & kLifetime) == 0) {
    if (request.deadline != CT_NEVER && !extend(request, ref, room, now, gone, status))
      return false;
  } else if (request.deadline != CT_NEVER && !reserve_deadline()) {
    *status = CT_ERR_NOMEM;
  } else {
    expiry_.remove(ref);
    layout_.lifetime(store_.at(ref))->write = request.deadline;
    expiry_.insert(ref, now());
  }
  return finish(request, room, *status, now, gone);
}

// Moves an entry that has no place for a deadline to a block that has, and sets it. False as of
// store.
bool Shard::extend(StoreRequest &request, Ref ref, Reservation &room, Now &now, Departed &gone,
                   ct_status *status) {
  Entry *old = store_.at(ref);
  const uint8_t flags = old->flags | kLifetime;
  const uint64_t before = weight_of(old);
  request.weight = (flags & kWeight) != 0 ? before
                                          : weigh(weight_kind_, layout_, flags,
                                                  layout_.key(old).size, layout_.value(old).size);
  *status = CT_ERR_TOO_LARGE;
  if (request.weight > budget_.maxsize()) return true;
  *status = CT_ERR_NOMEM;
  if (!reserve_deadline()) return true;
  const Ref to = copy_entry(old, flags, request);
  if (to == kNone) return !evict_for_block(request, ref, room, now, gone);
  Entry *e = store_.at(to);
  Ref own = ref;
  const Room made = make_room(request, &own, room, now, gone);
  if (made != Room::kMade || own == kNone) {
    free_block(to, e);
    *status = made == Room::kBroken ? CT_ERR_INTERNAL : CT_MISS;
    return made != Room::kElsewhere;
  }
  // All of it is there before it can be found.
  Lifetime *life = layout_.lifetime(e);
  life->write = request.deadline;
  life->prev = life->next = kNone;
  change_place(ref, to, request.probe.hash);
  if (request.weight != before) policy_->reweigh(to, before, now);
  bury_copy(ref, old);
  expiry_.insert(to, now());
  settle(room, before, request.weight);
  *status = CT_OK;
  return true;
}

// Ends a call that stored, or did not: what it has left over goes back.
bool Shard::finish(StoreRequest &request, Reservation &room, ct_status status, Now &now,
                   Departed &gone) {
  release_block(request);
  room.give_back();
  // A call that fails leaves the cache as it was.
  if (__builtin_expect(budget_.debt() != 0, 0) && status == CT_OK) pay_a_little(now, gone);
  return true;
}

// ---- Removing ---------------------------------------------------------------------------------

// Takes an entry out of everything; answers its weight, which is the caller's now.
uint64_t Shard::leave(Ref ref, uint64_t hash, ct_cause cause, Departed &gone, bool displaced) {
  // The policy is told of uses before an entry that was used may leave.
  assert(used_count_ == 0);
  Entry *e = store_.at(ref);
  const uint64_t weight = weight_of(e);
  index_.erase(hash, ref);
  if ((e->flags & kLifetime) != 0) expiry_.remove(ref);
  policy_->remove(ref, hash, displaced);
  weight_ -= weight;
  count_departure(cause, weight);
  bury(ref, cause, gone);
  return weight;
}

Ref Shard::first_due(Now &now) {
  if (expiry_.earliest() == CT_NEVER) return kNone;
#ifdef CT_VALIDATE
  const uint64_t before = expiry_.refiled();
#endif
  const Ref due = expiry_.due(now());
#ifdef CT_VALIDATE
  for (uint64_t i = before; i < expiry_.refiled(); i++) work_on_entry();
#endif
  return due;
}

// Nothing is due here.
bool Shard::due_elsewhere(StoreRequest &request, Now &now) const {
  if (shards_.due_tree.earliest() == CT_NEVER) return false;
  const uint32_t shard = shards_.due_tree.due(now());
  if (shard == DueTree::kNobody || shard == number_) return false;
  request.payer = shard;
  request.payer_keeps = UINT64_MAX;
  return true;
}

// Whether another shard, each time the next one, has noticeably more entries.
bool Shard::is_smaller_than_next(StoreRequest &request) {
  const uint32_t last = shards_.count - 1;
  looked_at_ = (looked_at_ + 1) & last;
  if (looked_at_ == number_) looked_at_ = (looked_at_ + 1) & last;
  const uint64_t own = index_.size();
  if (shards_[looked_at_].entries() <= own + own / 16 + 1) return false;
  request.payer = looked_at_;
  request.payer_keeps = own;
  return true;
}

// Removes an entry that is due, else the policy's victim, for the request if there is one; *watched
// becomes kNone if that was it. There is an entry. kBroken: the policy named none.
Shard::Eviction Shard::evict(const StoreRequest *request, Ref *watched, Now &now, Departed &gone,
                             uint64_t *weight) {
  const Ref due = first_due(now);
  if (due == kAskAgain) return Eviction::kPaused;
  const Ref victim = due != kNone         ? due
                     : request != nullptr ? policy_->victim_for(request->probe.hash)
                                          : policy_->victim();
  if (victim == kNone) return Eviction::kBroken;
  if (victim == kAskAgain) return Eviction::kPaused;
  if (watched != nullptr && victim == *watched) *watched = kNone;
  const ct_cause cause = due != kNone ? CT_CAUSE_EXPIRED : CT_CAUSE_EVICTED;
  const bool displaced = due == kNone && request != nullptr;
  *weight = leave(victim, hash_of(victim), cause, gone, displaced);
  if (!store_.is_near()) prefetch_next_victim();
  return Eviction::kDone;
}

void Shard::prefetch_next_victim() const {
  const Ref next = policy_->next_victim();
  if (next == kNone) return;
  const uint64_t hash = hash_of(next);
  index_.prefetch(hash);
  policy_->prefetch(hash);
}

// Up to kAtOnce, which are added to *count; answers whether there may be more.
bool Shard::expire_due(Now &now, Departed &gone, uint64_t *count) {
  for (uint64_t left = kAtOnce; left != 0; left--) {
    const Ref ref = first_due(now);
    if (ref == kNone) return false;
    if (ref == kAskAgain) break;
    budget_.give(leave(ref, hash_of(ref), CT_CAUSE_EXPIRED, gone));
    ++*count;
  }
  let_others_in();
  return true;
}

// A write reclaims a few entries that are due, so that a cache far from its limit sheds them too.
void Shard::tidy(Reservation &room, Now &now, Departed &gone) {
  // It ends with a look, so that nobody else comes to see what is due here when nothing is.
  for (uint64_t i = 0;; i++) {
    const Ref ref = first_due(now);
    if (ref == kNone || ref == kAskAgain || i == kTidied) break;
    room.keep(leave(ref, hash_of(ref), CT_CAUSE_EXPIRED, gone));
  }
}

ct_status Shard::remove(const Probe &probe, Now &now, Departed &gone, ct_value *out) {
  Guard guard(lock());
  settle_uses();
  overtake_load(probe);
  const Ref ref = find(probe).ref;
  if (ref == kNone) return CT_MISS;
  Entry *e = store_.at(ref);
  const bool expired = is_expired(e, now);
  if (!expired && out != nullptr && !hand_out(e, layout_.value(e), out)) return CT_ERR_NOMEM;
  const ct_cause cause = expired ? CT_CAUSE_EXPIRED : CT_CAUSE_REMOVED;
  budget_.give(leave(ref, probe.hash, cause, gone));
  return expired ? CT_MISS : CT_OK;
}

bool Shard::remove_seen(const Probe &probe, Entry *seen, Now &now, Departed &gone) {
  Guard guard(lock());
  settle_uses();
  const Ref ref = seen != nullptr ? current(seen, now) : find_live(probe, now).ref;
  if ((ref != kNone) != (seen != nullptr)) return false;
  overtake_load(probe);
  if (ref != kNone) budget_.give(leave(ref, probe.hash, CT_CAUSE_REMOVED, gone));
  return true;
}

ct_status Shard::popitem(Now &now, Departed &gone, ct_value *key, ct_value *value) {
  Guard guard(lock());
  settle_uses();
  uint64_t expired = 0;
  if (expire_due(now, gone, &expired)) return CT_BUSY;
  if (index_.size() == 0) return CT_MISS;
  const Ref ref = policy_->victim();
  if (ref == kNone) return CT_ERR_INTERNAL;
  if (ref == kAskAgain) {
    let_others_in();
    return CT_BUSY;
  }
  Entry *e = store_.at(ref);
  if (key != nullptr && !hand_out(e, layout_.key(e), key)) return CT_ERR_NOMEM;
  if (value != nullptr && !hand_out(e, layout_.value(e), value)) {
    if (key != nullptr) {
      unpin(e);
      *key = ct_value CT_VALUE_INIT;
    }
    return CT_ERR_NOMEM;
  }
  budget_.give(leave(ref, hash_of(ref), CT_CAUSE_EVICTED, gone));
  return CT_OK;
}

ct_status Shard::evict_for(uint64_t need, uint64_t down_to, Reservation &room, Now &now,
                           Departed &gone) {
  Guard guard(lock());
  settle_uses();
  for (uint64_t i = 0; i < kAtOnce; i++) {
    if (room.cover(need) || (first_due(now) == kNone && index_.size() <= down_to)) return CT_OK;
    uint64_t weight;
    const Eviction eviction = evict(nullptr, nullptr, now, gone, &weight);
    if (eviction == Eviction::kBroken) return CT_ERR_INTERNAL;
    if (eviction == Eviction::kPaused) break;
    room.keep(weight);
  }
  let_others_in();
  return CT_OK;
}

ct_status Shard::pay_debt(Now &now, Departed &gone, bool *progress) {
  Guard guard(lock());
  settle_uses();
  return pay_debt_inside(kAtOnce, now, gone, progress);
}

ct_status Shard::pay_debt_inside(uint64_t entries, Now &now, Departed &gone, bool *progress) {
  for (; entries != 0 && weight_ > part_ && budget_.debt() != 0; entries--) {
    uint64_t weight;
    const Eviction eviction = evict(nullptr, nullptr, now, gone, &weight);
    if (eviction == Eviction::kBroken) return CT_ERR_INTERNAL;
    *progress = true;
    if (eviction == Eviction::kPaused) break;
    budget_.give(weight);
  }
  if (*progress) let_others_in();
  return CT_OK;
}

ct_status Shard::pay_rest(Now &now, Departed &gone, bool *progress) {
  Guard guard(lock());
  settle_uses();
  if (index_.size() == 0) return CT_OK;
  part_ = 0;
  return pay_debt_inside(1, now, gone, progress);
}

// A policy that names no victim has no part in it: whoever set the limit is told.
void Shard::pay_a_little(Now &now, Departed &gone) {
  // The call may have used an entry that goes now.
  settle_uses();
  bool progress = false;
  pay_debt_inside(kPaid, now, gone, &progress);
}

bool Shard::expire(Now &now, Departed &gone, uint64_t *count) {
  Guard guard(lock());
  settle_uses();
  return expire_due(now, gone, count);
}

void Shard::clear_some(uint64_t *from, Now &now, Departed &gone) {
  Guard guard(lock());
  settle_uses();
  if (*from == 0) flights_.overtake_all();
  uint64_t expired = 0;
  if (expire_due(now, gone, &expired)) return;
  const bool drops = quiet_ && pinned_ == 0 && telling_ == 0 && apart_ == 0 && waiting_ == 0;
  if (drops || (*from == 0 && index_.size() <= kAtOnce)) {
    clear_at_once(drops, gone);
    *from = Index::kEnd;
    return;
  }
  for (uint64_t entries = 0, homes = 0; entries < kAtOnce && homes < kHomesAtOnce; homes++) {
    // As many of a home as there is room for: if it is filled, there may be more.
    Ref refs[kAtOnceOfHome];
    uint32_t count = 0;
    const uint64_t end = index_.visit_from(*from, hasher(), [&](Ref ref) {
      if (count < kAtOnceOfHome) refs[count++] = ref;
    });
    for (uint32_t i = 0; i < count; i++) {
      budget_.give(leave(refs[i], hash_of(refs[i]), CT_CAUSE_CLEARED, gone));
    }
    entries += count;
    if (count == kAtOnceOfHome) continue;
    *from = end;
    if (end != Index::kEnd) continue;
    if (index_.size() == 0) clear_at_once(drops, gone);
    return;
  }
  let_others_in();
}

// drops: nobody needs to know of a single entry.
void Shard::clear_at_once(bool drops, Departed &gone) {
  Index::WriteSection section(index_);
  if (drops) {
    if (keeps_stats_ != 0) counters_.removals += index_.size();
    store_.clear();
  } else {
    index_.visit_all([&](Ref ref) {
      work_on_entry();
      count_departure(CT_CAUSE_CLEARED, 0);
      bury(ref, CT_CAUSE_CLEARED, gone);
    });
  }
  index_.clear();
  policy_->clear();
  expiry_.clear();
  budget_.give(weight_);
  weight_ = 0;
}

void Shard::resize(uint64_t maxsize, double part) {
  Guard guard(lock());
  settle_uses();
  // That is to empty it.
  if (maxsize == 0) flights_.overtake_all();
  policy_->resize(maxsize);
  expect(maxsize);
  // Rounded, it may be all of it, which as a number of that kind may be too large.
  const double all = static_cast<double>(weight_);
  part_ = all * part < all ? static_cast<uint64_t>(all * part) : weight_;
}

// In goes, between which others come in. An entry that is pinned stays, however often it is tried. The
// chunk that was being filled is spared until nothing else is to be gained.
void Shard::trim() {
  bool spared = true;
  {
    Guard guard(lock());
    store_.set_thrifty(true);
  }
  for (uint64_t goes = kTrims + size() / kTrimmedEntries; goes > 0; goes--) {
    Guard guard(lock());
    settle_uses();
    if (waiting_ != 0 || !store_.is_sparse()) break;
    let_others_in();
    if (compact(SIZE_MAX)) continue;
    if (!spared) break;
    spared = false;
  }
  for (bool shrinks = true; shrinks;) {
    Guard guard(lock());
    settle_uses();
    shrinks = index_.shrink(waiting_, hasher());
    let_others_in();
  }
  Guard guard(lock());
  store_.set_thrifty(false);
  flights_.trim();
}

}  // namespace ct
