// SPDX-License-Identifier: MIT
// Waiting for a load without a thread (waiter.hpp). Whichever call ends the load tells those who
// wait, once it holds no lock.
#include <new>

#include "base/system.hpp"
#include "cache/cache.hpp"

namespace ct {

// Waiters are told in a loop. So a callback that ends the next load, and so on, makes the stack no
// deeper: what it has to tell is told after it has returned. That is so within one cache alone: a
// callback may end loads of another cache, and then free that.
void Cache::answer(Answers &answers) {
  Waits::Telling own = {system::this_thread(), answers, nullptr};
  if (Waits::Telling *outer = waits_.begin_telling(own)) {
    while (!answers.empty()) outer->answers.add(answers.take_first());
    return;
  }
  while (!answers.empty()) answer(answers.take_first(), answers);
  waits_.end_telling(own);
}

// Tells one waiter. Adds to `answers` who is to be told because of that.
void Cache::answer(Waiter &waiter, Answers &answers) {
  Shard &shard = *waiter.shard;
  Flight &flight = *waiter.flight;
  if (waiter.state == Waiter::kLeased) {
    // From now on, the lease belongs to no thread.
    flight.loader.store(0, std::memory_order_relaxed);
    Now now(clock_);
    if (waiter.forces) shard.find_old(flight, now);
    flight.start = loads_.start(now);
    waiter.done(waiter.user_data, CT_LEASED, nullptr, reinterpret_cast<ct_lease *>(&flight));
  } else if (waiter.state == Waiter::kAnswered) {
    const bool has_value = flight.answer == Flight::kValue;
    waiter.done(waiter.user_data, has_value ? CT_OK : flight.failure,
                has_value ? &flight.value : nullptr, nullptr);
    shard.leave(flight, answers);
  } else {
    Flight *lease = nullptr;
    ct_value value = CT_VALUE_INIT;
    const ct_status status =
        join_at_once({flight.key(), flight.hash}, waiter.forces, &waiter, &value, &lease, answers);
    shard.leave(flight, answers);
    if (status == CT_PENDING) return;
    waiter.done(waiter.user_data, status, value.pin != 0 ? &value : nullptr,
                reinterpret_cast<ct_lease *>(lease));
    if (value.pin != 0) shard.release(&value);
  }
  if (shard.end_wait(waiter)) destroy(waiter);
}

// Returns as join does, but never waits: CT_PENDING if the waiter waits, which may be gone by then;
// CT_BUSY if there is no waiter.
ct_status Cache::join_at_once(const Probe &probe, bool forces, Waiter *waiter, ct_value *out,
                              Flight **flight, Answers &answers) {
  Shard &shard = shard_of(probe);
  for (;;) {
    Now now(clock_);
    Hold hold;
    ct_status status = shard.join(probe, now, {0, forces, false}, out, &hold);
    if (status == CT_BUSY) {
      const Landing landing = shard.check_in(*hold.flight, 0, false, out, waiter);
      if (landing == Landing::kNotYet && waiter != nullptr) return CT_PENDING;
      status = status_of(landing, *hold.flight);
      if (landing == Landing::kLeased && forces) shard.find_old(*hold.flight, now);
      if (landing != Landing::kLeased) shard.leave(*hold.flight, answers);
      if (landing == Landing::kGivenUp) continue;
    }
    if (status == CT_LEASED || status == CT_RENEW) {
      hold.flight->start = loads_.start(now);
      *flight = hold.flight;
    }
    return status;
  }
}

ct_status Cache::join_async(Bytes key, bool forces, ct_done_fn done, void *user_data, ct_value *out,
                            Flight **flight, ct_wait **wait) {
  const Probe probe = probe_of(key);
  Departed gone(shards_);
  ct_status status = join_at_once(probe, forces, nullptr, out, flight, gone.answers());
  if (status == CT_BUSY) {
    void *where = memory_.allocate(sizeof(Waiter), alignof(Waiter));
    status = CT_ERR_NOMEM;
    if (where != nullptr) {
      auto *waiter = new (where) Waiter{&shard_of(probe), done, user_data, forces, wait != nullptr};
      if (wait != nullptr) *wait = reinterpret_cast<ct_wait *>(waiter);
      status = join_at_once(probe, forces, waiter, out, flight, gone.answers());
      if (status != CT_PENDING) destroy(*waiter);
    }
    if (wait != nullptr && status != CT_PENDING) *wait = nullptr;
  }
  tell(gone);
  return status;
}

bool Cache::cancel(Waiter &waiter) {
  Shard &shard = *waiter.shard;
  bool over;
  const bool waited = shard.cancel(waiter, &over);
  if (waited) {
    Departed gone(shards_);
    shard.leave(*waiter.flight, gone.answers());
    tell(gone);
  }
  if (over) destroy(waiter);
  return waited;
}

void Cache::destroy(Waiter &waiter) {
  waiter.~Waiter();
  memory_.release(&waiter, sizeof(Waiter), alignof(Waiter));
}

}  // namespace ct
