// SPDX-License-Identifier: MIT
// Loading: leases, loaders and compute, by single flight (flight.hpp). One call loads a key, and
// the others wait for it. Calls that compute a key take turns.

#include <algorithm>
#include <utility>

#include "base/system.hpp"
#include "cache/cache.hpp"
#include "cache/result.hpp"

namespace ct {
namespace {

// How often a compute runs again after it has lost against plain writes of its key.
constexpr int kRetries = 16;

// Releases what is there before.
void replace(ct_value *out, const ct_value &value) {
  if (out == nullptr) return;
  if (out->pin != 0) Shard::of_pin(out->pin).release(out);
  *out = value;
}

}  // namespace

// Waits for the lease of a flight that the caller holds, or for the result of the flight.
Landing Cache::await(const Hold &hold, uint64_t until, Thread loader, ct_value *out) {
  Flight &flight = *hold.flight;
  Waits::Wait wait;
  if (!waits_.begin(wait, system::this_thread(), flight)) return Landing::kRing;
  Landing landing = Landing::kNotYet;
  uint32_t news = hold.news;
  while (landing == Landing::kNotYet && !is_single_threaded()) {
    const uint64_t time = Clock::read_monotonic();
    if (time >= until) break;
    system::sleep_while(flight.news, news, until - time);
    news = flight.news.load(std::memory_order_acquire);
    landing = flight.shard->check_in(flight, loader, hold.falls_back, out);
  }
  waits_.end(wait);
  return landing;
}

// Looks the key up again whenever the load that it waited for was given up for others. It does so
// in a loop, because other threads decide how often that happens.
ct_status Cache::join(Bytes key, Patience &patience, Thread loader, ct_value *out,
                      Flight **flight) {
  const Probe probe = probe_of(key);
  Shard &shard = shard_of(probe);
  Joining joining = {loader, patience.forces, patience.stale_ns != 0};
  for (;;) {
    Now now(clock_);
    Hold hold;
    const ct_status status = shard.join(probe, now, joining, out, &hold);
    if (status == CT_LEASED || status == CT_RENEW) {
      hold.flight->start = loads_.start(now);
      *flight = hold.flight;
    }
    if (status != CT_BUSY) return status;
    const uint64_t wait_ns =
        hold.falls_back ? std::min(patience.stale_ns, patience.wait_ns) : patience.wait_ns;
    Landing landing = Landing::kNotYet;
    if (wait_ns != 0 && !patience.only_looks) {
      if (patience.begun == 0) patience.begun = Clock::read_monotonic();
      landing = await(hold, saturating_add(patience.begun, wait_ns), loader, out);
    }
    if (landing == Landing::kLeased) {
      Now later(clock_);
      if (joining.forces) shard.find_old(*hold.flight, later);
      hold.flight->start = loads_.start(later);
      *flight = hold.flight;
      return CT_LEASED;
    }
    // Once there is an answer, it does not change any more.
    const ct_status answer = status_of(landing, *hold.flight);
    Departed gone(shards_);
    shard.leave(*hold.flight, gone.answers());
    tell(gone);
    if (landing == Landing::kGivenUp) continue;
    if (patience.only_looks) return CT_BUSY;
    if (!hold.falls_back || landing == Landing::kLanded || answer == CT_MISS) return answer;
    // The stale value serves, unless it has left meanwhile.
    joining.waits_first = false;
  }
}

ct_status Cache::fulfil(Flight &flight, Bytes value, const ct_entry_options &entry, bool discarded,
                        Entry *old, ct_value *out) {
  StoreRequest request(memory_);
  request.renews = old;
  request.refusal = discarded ? Refusal::kNeverKept : Refusal::kHandsBack;
  return fulfil(request, flight, value, entry, out);
}

ct_status Cache::fulfil(StoreRequest &request, Flight &flight, Bytes value,
                        const ct_entry_options &entry, ct_value *out) {
  Shard &shard = *flight.shard;
  Now now(clock_);
  request.flight = &flight;
  request.run = &flight.run;
  request.cost = loads_.cost(flight.start, now);
  ct_value own = CT_VALUE_INIT;
  ct_status status = make_request({flight.key(), flight.hash}, value, entry, now, &request);
  if (status == CT_OK) status = store(request, now, &own);
  if (status < 0) return status;
  if (out != nullptr) {
    *out = own;
  } else {
    shard.release(&own);
  }
  return status;
}

// The value that a lease was to renew is still as it should be.
ct_status Cache::keep(Flight &flight, const ct_entry_options &entry, Entry *old, ct_value *out) {
  Shard &shard = *flight.shard;
  const Bytes value = shard.value_of(old);
  Now now(clock_);
  const uint64_t deadline = deadline_of({flight.key(), flight.hash}, value, entry, now);
  Departed gone(shards_);
  ct_status status;
  while ((status = shard.keep(flight, old, deadline, now, gone, out)) == CT_EXISTS) {
    status = give_lifetime(flight, old, deadline, now, gone);
    if (status < 0) break;
  }
  // With a lifetime, the value is too large for the cache. It is handed out and not kept, as one that
  // is dead on arrival.
  if (status == CT_ERR_TOO_LARGE) status = shard.keep(flight, old, 0, now, gone, out);
  tell(gone);
  if (status != CT_MISS) return status;
  StoreRequest request(memory_);
  request.refusal = Refusal::kHandsBack;
  shard.hold_tags_of(old, &request.tags);
  ct_entry_options own = entry;
  own.tag_count = 0;
  own.flags &= ~CT_ENTRY_WEIGHT;
  if (shard.has_own_weight(old, &own.weight)) own.flags |= CT_ENTRY_WEIGHT;
  return fulfil(request, flight, value, own, out);
}

ct_status Cache::end_load(Flight &flight, Result &result, ct_status answered, Entry *old,
                          ct_value *out) {
  if (answered != CT_OK) return answered;
  ct_entry_options entry;
  if (!check(&result.entry(), &entry) || result.keeps_ttl()) return CT_ERR_CALLBACK;
  if (result.is_not_modified()) {
    return old == nullptr ? CT_ERR_CALLBACK : keep(flight, entry, old, out);
  }
  return fulfil(flight, result.value(), entry, result.discarded(), old, out);
}

// Takes the room out of what negatives may weigh. Returns false if others have it.
bool Cache::take_negative_room(const Shard &own, uint64_t weight, Reservation &room) {
  for (uint32_t i = 0; !negatives()->take(weight, maxsize());) {
    if (shards_[(own.number() + i) & (shards_.count - 1)].forget_oldest(room)) continue;
    if (++i == shards_.count) return false;
  }
  return true;
}

// Remembers that there is no value of the key, for a while. If that cannot be, nothing is lost but
// a load.
void Cache::remember_miss(Flight &flight, Departed &gone) {
  Shard &shard = *flight.shard;
  Now now(clock_);
  const Probe probe = {flight.key(), flight.hash};
  const uint64_t weight = Negative::weigh(options_, probe.key.size);
  const uint64_t ttl = options_.negative_ttl;
  Reservation room(budget_);
  // No entry makes room for what is not remembered anyway.
  if (weight > maxsize() || !shard.may_remember(flight, now)) return;
  if (!take_negative_room(shard, weight, room)) return;
  ct_status status = CT_OK;
  while (status == CT_OK && !room.cover(weight) && shard.entries() != 0) {
    status = shard.evict_for(weight, 0, room, now, gone);
  }
  if (status == CT_OK && !room.cover(weight)) status = gather(shard, weight, room, now, gone);
  Negative *negative = nullptr;
  if (status == CT_OK && room.cover(weight)) {
    const uint64_t deadline = ttl == CT_NEVER ? CT_NEVER : clock_.deadline_after(now(), ttl);
    negative = Negatives::make(memory_, probe, deadline, weight);
  }
  if (negative != nullptr && shard.remember(flight, negative, room, now)) return;
  if (negative != nullptr) Negatives::destroy(memory_, negative);
  negatives()->give(weight);
}

// All who wait fail with it, unless the failure is its caller's alone: then one of them loads.
ct_status Cache::end_in_failure(Flight &flight, ct_status failure, Entry *old) {
  Shard &shard = *flight.shard;
  Departed gone(shards_);
  const bool concerns_all = failure != CT_BUSY && failure != CT_ERR_RECURSION;
  ct_status old_status = CT_MISS;
  if (concerns_all && old != nullptr) {
    Now now(clock_);
    old_status = shard.fail_to_renew(flight, old, failure, now, gone);
  }
  if (failure == CT_MISS && remembers_misses()) remember_miss(flight, gone);
  if (concerns_all) {
    shard.fail_lease(flight, failure, gone.answers());
  } else {
    shard.give_up_lease(flight, gone.answers());
  }
  tell(gone);
  return old_status;
}

void Cache::give_up(Flight &flight) {
  Departed gone(shards_);
  flight.shard->give_up_lease(flight, gone.answers());
  tell(gone);
}

// Ends the load by what the loader answered. Returns what its caller is told.
ct_status Cache::end_loading(const Loading &loading, Result &result, ct_status answered,
                             ct_value *out) {
  Flight &flight = *loading.flight;
  Shard &shard = *flight.shard;
  ct_value loaded = CT_VALUE_INIT;
  ct_status status =
      end_load(flight, result, answered, loading.old, out == nullptr ? nullptr : &loaded);
  bool serves = false;
  if (status == CT_OK || status == CT_NOT_STORED) {
    status = CT_OK;
  } else {
    const ct_status old_status = end_in_failure(flight, status, loading.old);
    serves = loading.has_old && Result::is_failure(status) && old_status != CT_MISS;
    if (serves) status = old_status;
  }
  if (!serves) replace(out, loaded);
  if (loading.old != nullptr) shard.release(loading.old);
  return status;
}

ct_status Cache::get_or_load(Bytes key, Patience patience, ct_loader_fn load, void *user_data,
                             ct_value *out) {
  Flight *flight = nullptr;
  const ct_status joined = join(key, patience, system::this_thread(), out, &flight);
  return flight == nullptr ? joined : load_in(*flight, joined, key, load, user_data, out);
}

// Ends the lease with what the loader answers. Apart, as most calls find a value.
ct_status Cache::load_in(Flight &flight, ct_status joined, Bytes key, ct_loader_fn load,
                         void *user_data, ct_value *out) {
  const Loading loading = begin_loading(flight, joined);
  Result result(memory_, old_value(loading));
  const ct_status answered = result.judge_load(
      load(user_data, key.data, key.size, reinterpret_cast<ct_result *>(&result)));
  return end_loading(loading, result, answered, out);
}

// A run can be in vain only because of a plain write. As such writes need never end, the number of
// runs is limited.
ct_status Cache::compute(Bytes key, ct_compute_fn compute, void *user_data, ct_value *out) {
  const Probe probe = probe_of(key);
  for (int run = 0; run <= kRetries; run++) {
    ct_status status;
    if (compute_in_turn(probe, compute, user_data, out, &status)) return status;
  }
  return CT_BUSY;
}

// Makes one run, while no other run is going on for the key. Returns false if it was in vain,
// because the key was written meanwhile.
bool Cache::compute_in_turn(const Probe &probe, ct_compute_fn compute, void *user_data,
                            ct_value *out, ct_status *status) {
  Shard &shard = shard_of(probe);
  const Thread thread = system::this_thread();
  Hold turn;
  Departed gone(shards_);
  *status = shard.take_turn(probe, thread, &turn);
  if (*status == CT_BUSY) {
    *status = status_of(await(turn, CT_NEVER, thread, nullptr), *turn.flight);
    if (*status != CT_LEASED) shard.leave(*turn.flight, gone.answers());
  }
  if (*status != CT_LEASED) return true;
  ct_value old = CT_VALUE_INIT;
  const bool done =
      compute_once(probe, compute, user_data, turn.flight->run, &old, gone, out, status);
  // The turn ends first, since listener and drop may compute the same key.
  shard.give_up_lease(*turn.flight, gone.answers());
  tell(gone);
  if (old.pin != 0) shard.release(&old);
  return done;
}

// Does the same without a turn. Sets *old to the value that it saw, which the caller has to
// release.
bool Cache::compute_once(const Probe &probe, ct_compute_fn compute, void *user_data,
                         const TagRun &run, ct_value *old, Departed &gone, ct_value *out,
                         ct_status *status) {
  Shard &shard = shard_of(probe);
  Now before(clock_);
  *status = shard.peek(probe, before, old);
  if (*status < 0) return true;
  const bool found = *status == CT_OK;
  const Entry *seen = shard.seen_by(*old);
  shard.tell_peek(probe, found);
  const ct_bytes bytes = {old->data, old->size};
  Result result(memory_);
  *status = compute(user_data, probe.key.data, probe.key.size, found ? &bytes : nullptr,
                    reinterpret_cast<ct_result *>(&result));
  if (*status != CT_NOT_STORED) *status = result.judge(*status);
  if (*status == CT_OK) {
    *status = store_computed(probe, result, run, seen, gone, out);
    if (*status == CT_EXISTS) return false;
  } else if (*status == CT_MISS) {
    Now after(clock_);
    constexpr Condition kUnchanged = Condition::kIfUnchanged;
    if (shard.remove_seen(probe, kUnchanged, seen, after, gone) == CT_EXISTS) return false;
  } else if (*status == CT_NOT_STORED && found && out != nullptr) {
    *out = *old;
    *old = ct_value CT_VALUE_INIT;
  }
  if (!Result::is_failure(*status)) shard.count_read(found);
  return true;
}

// Stores a result if the key is still absent. Hands out the value that is there then, or the result
// itself if it is not kept. Returns CT_OK or a failure.
ct_status Cache::keep_first(Bytes key, const Result &result, const TagRun &run, bool keep,
                            ct_value *out) {
  ct_entry_options entry;
  if (!check(&result.entry(), &entry) || result.keeps_ttl() || result.is_not_modified())
    return CT_ERR_CALLBACK;
  Now now(clock_);
  StoreRequest request(memory_);
  request.condition = Condition::kElsePeek;
  request.run = &run;
  const bool is_kept = keep && !result.discarded();
  request.refusal = is_kept ? Refusal::kHandsBack : Refusal::kNeverKept;
  ct_status status = make_request(probe_of(key), result.value(), entry, now, &request);
  if (status == CT_OK) status = store(request, now, out);
  return status == CT_NOT_STORED ? CT_OK : status;
}

// Stores a result if the entry that is there is still `seen`. Returns CT_EXISTS if it is not.
ct_status Cache::store_computed(const Probe &probe, Result &result, const TagRun &run,
                                const Entry *seen, Departed &gone, ct_value *out) {
  ct_entry_options entry;
  if (!check(&result.entry(), &entry) || result.is_not_modified()) return CT_ERR_CALLBACK;
  Now now(clock_);
  StoreRequest request(memory_);
  request.condition = Condition::kIfUnchanged;
  request.seen = seen;
  Inheritance inheritance;
  if (result.keeps_ttl()) request.inherits = &inheritance;
  request.run = &run;
  if (result.discarded()) request.refusal = Refusal::kNeverKept;
  const ct_status status = make_request(probe, result.value(), entry, now, &request);
  return status == CT_OK ? store(request, now, gone, out) : status;
}

}  // namespace ct
