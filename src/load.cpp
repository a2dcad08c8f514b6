// SPDX-License-Identifier: MIT
// Loading: leases, loaders and compute. One call a key loads, the others wait for it (flight.hpp).
#include <time.h>

#include <climits>

#include "cache.hpp"
#include "futex.hpp"
#include "result.hpp"

namespace ct {
namespace {

uint64_t monotonic_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

// Waits for the lease of a flight that the caller holds, or for what comes of it, as check_in tells.
// CT_BUSY: the time is over; CT_ERR_RECURSION: the wait would never end.
ct_status Cache::await(Flight &flight, uint64_t until, Thread loader, ct_value *out) {
  Waits::Wait wait;
  if (!waits_.begin(wait, this_thread(), flight)) return CT_ERR_RECURSION;
  const bool single = (options_.flags & CT_FLAG_SINGLE_THREADED) != 0;
  ct_status status;
  for (;;) {
    const uint32_t news = flight.news.load(std::memory_order_acquire);
    status = flight.shard->check_in(flight, loader, out);
    if (status != CT_BUSY || single) break;
    const uint64_t time = monotonic_ns();
    if (time >= until) break;
    sleep_while(flight.news, news, until - time);
  }
  waits_.end(wait);
  return status;
}

// Looks again whenever a flight that it waited for was overtaken and then given up, however often that
// comes to pass: in a loop, as others decide how often.
ct_status Cache::join(Bytes key, uint64_t wait_ns, Thread loader, ct_value *out, Flight **flight) {
  const Probe probe = probe_of(key);
  Shard &shard = shard_of(probe);
  uint64_t until = 0;
  for (;;) {
    Now now(clock_);
    Flight *joined = nullptr;
    ct_status status = shard.join(probe, now, loader, out, &joined);
    if (status == CT_LEASED) joined->started = now();
    if (status == CT_BUSY) {
      if (wait_ns != 0) {
        if (until == 0) until = saturating_add(monotonic_ns(), wait_ns);
        status = await(*joined, until, loader, out);
      }
      if (status == CT_LEASED) {
        joined->started = clock_.read();
      } else {
        // Whoever else waits for a flight that was overtaken and given up must look again, too.
        if (status == kChanged) wake(joined->news, INT_MAX);
        shard.unhold(*joined);
      }
    }
    if (status == kChanged) continue;
    if (status == CT_LEASED) *flight = joined;
    return status;
  }
}

ct_status Cache::fulfil(Flight &flight, Bytes value, const ct_entry_options &entry, bool discarded,
                        ct_value *out) {
  Shard &shard = *flight.shard;
  Now now(clock_);
  Draft draft(memory_);
  draft.flight = &flight;
  draft.hands_back = true;
  draft.discarded = discarded;
  ct_value own = CT_VALUE_INIT;
  ct_status status = make_draft({flight.key(), flight.hash}, value, entry, now, &draft);
  if (status == CT_OK) status = store(draft, now, &own);
  if (status < 0) {
    shard.vacate(flight);
  } else if (out != nullptr) {
    *out = own;
  } else {
    shard.release(&own);
  }
  return status;
}

ct_status Cache::get_or_load(Bytes key, ct_loader_fn load, void *user_data, ct_value *out) {
  Flight *flight = nullptr;
  ct_status status = join(key, UINT64_MAX, this_thread(), out, &flight);
  if (status != CT_LEASED) return status;
  Result result(memory_);
  status =
      result.judge(load(user_data, key.data, key.size, reinterpret_cast<ct_result *>(&result)));
  ct_entry_options entry;
  if (status == CT_OK && !check(&result.entry(), &entry)) status = CT_ERR_INVALID;
  if (status != CT_OK) {
    flight->shard->vacate(*flight);
    return status;
  }
  status = fulfil(*flight, result.value(), entry, result.discarded(), out);
  return status == CT_NOT_STORED ? CT_OK : status;
}

ct_status Cache::compute(Bytes key, ct_compute_fn compute, void *user_data, ct_value *out) {
  const Probe probe = probe_of(key);
  Shard &shard = shard_of(probe);
  for (;;) {
    ct_value old = CT_VALUE_INIT;
    Now before(clock_);
    const ct_status peeked = shard.peek(probe, before, &old);
    if (peeked < 0) return peeked;
    const bool found = peeked == CT_OK;
    const ct_bytes seen = {old.data, old.size};
    Result result(memory_);
    ct_status status = compute(user_data, key.data, key.size, found ? &seen : nullptr,
                               reinterpret_cast<ct_result *>(&result));
    if (status != CT_NOT_STORED) status = result.judge(status);
    if (status == CT_OK) {
      status = store_computed(probe, result, found ? shard.entry_of(old) : nullptr, out);
    } else if (status == CT_MISS) {
      Departed gone(family_);
      Now after(clock_);
      Entry *seen = found ? shard.entry_of(old) : nullptr;
      if (!shard.remove_seen(probe, seen, after, gone)) status = kChanged;
      tell(gone);
    } else if (status == CT_NOT_STORED && found && out != nullptr) {
      *out = old;
      old = CT_VALUE_INIT;
    }
    if (old.pin != 0) shard.release(&old);
    if (status == kChanged) continue;
    if (!Result::is_failure(status)) shard.count_reads(found, !found);
    return status;
  }
}

// Stores a result, if nothing else was stored meanwhile; either way hands over what is there then,
// or the result itself if it is not kept. CT_OK, or a failure.
ct_status Cache::keep_first(Bytes key, const Result &result, bool keep, ct_value *out) {
  ct_entry_options entry;
  if (!check(&result.entry(), &entry)) return CT_ERR_INVALID;
  Now now(clock_);
  Draft draft(memory_);
  draft.takes = draft.hands_back = true;
  draft.discarded = result.discarded() || !keep;
  ct_status status = make_draft(probe_of(key), result.value(), entry, now, &draft);
  if (status == CT_OK) status = store(draft, now, out);
  return status == CT_NOT_STORED ? CT_OK : status;
}

// If what is there is what was seen.
ct_status Cache::store_computed(const Probe &probe, Result &result, const Entry *seen,
                                ct_value *out) {
  ct_entry_options entry;
  if (!check(&result.entry(), &entry)) return CT_ERR_INVALID;
  Now now(clock_);
  Draft draft(memory_);
  draft.checked = true;
  draft.seen = seen;
  draft.discarded = result.discarded();
  const ct_status status = make_draft(probe, result.value(), entry, now, &draft);
  return status == CT_OK ? store(draft, now, out) : status;
}

}  // namespace ct
