// SPDX-License-Identifier: MIT
// Loading and computing, as far as a shard is concerned: its flights, under its lock (flight.hpp).
#include "base/system.hpp"
#include "shard/shard.hpp"
#include "shard/shard_inline.hpp"

namespace ct {

ct_status Shard::join(const Probe &probe, Now &now, const Joining &joining, ct_value *out,
                      Hold *hold) {
  Locked locked(*this);
  const Place place = map_.find_inline(probe);
  Entry *e = place.ref == kNone ? nullptr : at(place.ref);
  const bool stale = e != nullptr && map_.is_gone(e, now);
  if (stale && !is_served_stale(e, now)) e = nullptr;
  if (e == nullptr || joining.forces) {
    if (is_remembered(probe, now) && !joining.forces) {
      count_miss(probe.hash);
      negatives_->room().hit();
      return CT_MISS;
    }
    // Whoever loads knows better soon.
    if (has_negatives()) budget_.give(negatives_->forget(probe));
    const ct_status status = flights_.join(Flight::kLoad, probe, joining.loader, hold);
    if (status == CT_LEASED && e != nullptr && pins_.pin(e)) hold->flight->old = e;
    return status;
  }
  const bool renews = wants_renewal(e, stale, now);
  if (renews && stale && joining.waits_first && flights_.is_leased(probe)) {
    const ct_status status = flights_.join(Flight::kLoad, probe, joining.loader, hold);
    hold->falls_back = true;
    return status;
  }
  const bool is_out = stale ? hand_out_stale(place, probe.hash, now, out)
                            : hand_out_hit(place, probe.hash, now, out);
  if (!is_out) return CT_ERR_NOMEM;
  if (renews && pins_.pin(e)) {
    hold->flight = flights_.join_to_renew(probe, joining.loader, e);
    if (hold->flight != nullptr) return CT_RENEW;
    pins_.unpin(e);
  }
  return stale ? CT_STALE : CT_OK;
}

void Shard::find_old(Flight &flight, Now &now) {
  Locked locked(*this);
  const Ref ref = map_.find({flight.key(), flight.hash}).ref;
  if (ref != kNone && may_serve(at(ref), now) && pins_.pin(at(ref))) flight.old = at(ref);
}

// Returns whether the value is soon to expire, or has expired, and is to be loaded anew: not if
// that has just failed.
bool Shard::wants_renewal(Entry *e, bool stale, Now &now) const {
  const Layout &layout = map_.entries.layout();
  if (!layout.keeps_retry) return false;
  Lifetime *life = layout.lifetime(e);
  const uint64_t soon = saturating_add(now(), options_.refresh_ahead);
  return (stale || life->write < soon) && now() >= *layout.retry_at(life);
}

// This is a use, but begins no idle lifetime anew.
bool Shard::hand_out_stale(Place place, uint64_t hash, Now &now, ct_value *out) {
  Entry *e = at(place.ref);
  if (out != nullptr && !hand_out(e, map_.entries.value(e), out)) return false;
  counters_.hit();
  flights_.loads().stale_served();
  if ((e->flags & kSampled) != 0) tell_hit(e, hash);
  uses_.record(place, hash, now);
  return true;
}

ct_status Shard::fail_to_renew(const Flight &flight, Entry *old, ct_status failure, Now &now,
                               Departed &gone) {
  Settled settled(*this);
  if (flights_.is_overtaken(flight) || map_.entries.is_invalidated(old)) return CT_MISS;
  const Layout &layout = map_.entries.layout();
  if (failure == CT_MISS) {
    const Ref ref = current(old, true, now);
    if (ref != kNone)
      budget_.give(leave(ref, flight.hash, cause_of(at(ref), CT_CAUSE_REMOVED, now), gone));
    return CT_MISS;
  }
  if (flight.renews) flights_.loads().renewal_failure();
  if ((old->flags & kLifetime) == 0) return CT_OK;
  Lifetime *life = layout.lifetime(old);
  if (layout.keeps_retry) *layout.retry_at(life) = saturating_add(now(), options_.retry);
  if (now() >= layout.leaves_at(*life)) return CT_MISS;
  return map_.is_gone(old, now) ? CT_STALE : CT_OK;
}

ct_status Shard::keep(Flight &flight, Entry *old, uint64_t deadline, Now &now, Departed &gone,
                      ct_value *out) {
  Settled settled(*this);
  const bool outdated = map_.entries.is_invalidated(old);
  const bool overtaken = flights_.is_overtaken(flight) || outdated;
  const Ref ref = current(old, true, now);
  const bool is_there = ref != kNone;
  const bool has_lifetime = is_there && (at(ref)->flags & kLifetime) != 0;
  const bool dead = !overtaken && deadline != CT_NEVER && deadline <= now();
  const bool lasts = !overtaken && !dead;
  const bool kept = lasts && is_there;
  if (kept && !has_lifetime && deadline != CT_NEVER) return CT_EXISTS;
  if (lasts && !is_there && options_.drop == nullptr) return CT_MISS;
  if (kept && deadline != CT_NEVER && !expiry_.reserve()) return CT_ERR_NOMEM;
  ct_value value;
  if (!hand_out(old, map_.entries.value(old), &value)) return CT_ERR_NOMEM;
  if (dead) {
    counters_.reject();
    if (is_there)
      budget_.give(leave(ref, flight.hash, cause_of(at(ref), CT_CAUSE_REMOVED, now), gone));
  }
  if (kept && has_lifetime) {
    expiry_.remove(ref);
    begin_life(at(ref), deadline, CT_NEVER, now);
    if (has_deadline(deadline)) expiry_.insert(ref, now());
    tell_deadline(at(ref), flight.hash);
  }
  flights_.land(flight, value, old, outdated, now, gone.answers());
  if (out != nullptr) {
    *out = value;
  } else {
    pins_.unpin(old);
  }
  return kept ? CT_OK : CT_NOT_STORED;
}

ct_status Shard::take_turn(const Probe &probe, Thread thread, Hold *hold) {
  Locked locked(*this);
  return flights_.join(Flight::kTurn, probe, thread, hold);
}

Landing Shard::check_in(Flight &flight, Thread loader, bool falls_back, ct_value *out,
                        Waiter *waiter) {
  Locked locked(*this);
  return flights_.check_in(flight, loader, falls_back, out, waiter);
}

// Ends a hold, then wakes as many of the other holders as `end`, which has the lock, returns. The
// flight may be gone by then, and so may the threads that slept on it. wake() allows that.
template <class End>
void Shard::end_hold(Flight &flight, End end) {
  int others;
  {
    Locked locked(*this);
    others = under_lock(end)();
  }
  if (others != 0) system::wake(flight.news, others);
}

void Shard::leave(Flight &flight, Answers &answers) {
  Entry *left;
  end_hold(flight, [&]() CT_REQUIRES(lock_) { return flights_.leave(flight, &left, answers); });
  if (left != nullptr) release(left);
}

void Shard::give_up_lease(Flight &flight, Answers &answers) {
  end_hold(flight, [&]() CT_REQUIRES(lock_) { return flights_.give_up(flight, answers); });
}

void Shard::fail_lease(Flight &flight, ct_status failure, Answers &answers) {
  end_hold(flight,
           [&]() CT_REQUIRES(lock_) { return flights_.fail_all(flight, failure, answers); });
}

bool Shard::cancel(Waiter &waiter, bool *over) {
  Locked locked(*this);
  const bool waits = waiter.state == Waiter::kWaits;
  if (waits) {
    waiter.flight->waiters.remove(waiter);
    waiter.state = Waiter::kOver;
  }
  waiter.has_handle = false;
  *over = waiter.state == Waiter::kOver;
  return waits;
}

bool Shard::end_wait(Waiter &waiter) {
  Locked locked(*this);
  waiter.state = Waiter::kOver;
  return !waiter.has_handle;
}

// The key is the entry's: that of the request may have been in the memory of the load that it ended.
void Shard::release_waiting(uint64_t hash, Entry *e, Answers &answers) {
  if (flights_.empty()) return;
  const Bytes bytes = map_.entries.value(e);
  ct_value value;
  if (!hand_out(e, bytes, &value)) return;
  flights_.release_waiting({map_.entries.key(e), hash}, value, e, answers);
  pins_.unpin(e);
}

void Shard::invalidate(const Probe &probe) {
  Locked locked(*this);
  invalidate_key(probe);
}

bool Shard::may_remember(const Flight &flight, Now &now) {
  Locked locked(*this);
  return has_found_none(flight, now);
}

// Returns whether it is true that there is no value, after a load has found none: if a value was
// stored meanwhile, the load was overtaken, and if a snapshot has brought one, that is there.
bool Shard::has_found_none(const Flight &flight, Now &now) {
  if (flights_.is_overtaken(flight)) return false;
  const Ref ref = map_.find({flight.key(), flight.hash}).ref;
  return ref == kNone || !may_serve(at(ref), now);
}

bool Shard::remember(const Flight &flight, Negative *negative, Reservation &room, Now &now) {
  Locked locked(*this);
  if (!has_found_none(flight, now)) return false;
  const uint64_t weight = negative->weight;
  room.keep(negatives_->forget({flight.key(), flight.hash}));
  // The limit may have been lowered since the room was taken. ct_resize has let go of what is
  // above it, and would wait for ever for what came to be remembered after that.
  if (!NegativeRoom::may_hold(negatives_->room().held(), weight, budget_.maxsize())) return false;
  if (!negatives_->add(negative)) return false;
  room.spend(weight);
  return true;
}

bool Shard::forget_oldest(Reservation &room) {
  Locked locked(*this);
  if (!has_negatives()) return false;
  room.keep(negatives_->forget_oldest());
  return true;
}

bool Shard::tidy_negatives(Now &now) {
  Locked locked(*this);
  if (!has_negatives()) return false;
  for (uint64_t i = 0; i < kAtOnce; i++) {
    const uint64_t weight = negatives_->tidy(now);
    if (weight == 0) return false;
    budget_.give(weight);
  }
  lock_.let_others_in();
  return true;
}

void Shard::invalidate_all() {
  Locked locked(*this);
  invalidate_keys();
}

}  // namespace ct
