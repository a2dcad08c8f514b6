// SPDX-License-Identifier: MIT
// Waiting for a load without a thread (waiter.hpp). Whichever call ends the load tells those who
// wait, once it holds no lock.
#include <new>

#include "base/thread.hpp"
#include "cache/cache.hpp"

namespace ct {

// Waiters are told in a loop. So a callback that ends the next load, and so on, makes the stack no
// deeper: what it has to tell is told after it has returned. That is so within one cache alone: a
// callback may end loads of another cache, and then free that.
void Cache::answer(Answers &answers) {
  Waits::Telling own = {this_thread(), answers, nullptr};
  if (Waits::Telling *outer = waits_.begin_telling(own)) {
    while (!answers.empty()) outer->answers.add(answers.take_first());
    return;
  }
  while (!answers.empty()) answer(answers.take_first());
  waits_.end_telling(own);
}

void Cache::answer(Waiter &waiter) {
  Shard &shard = *waiter.shard;
  Flight &flight = *waiter.flight;
  Departed gone(shards_);
  if (waiter.state == Waiter::kLeased) {
    // From now on, the lease belongs to no thread.
    flight.loader.store(0, std::memory_order_relaxed);
    Now now(clock_);
    flight.start = loads_.start(now);
    waiter.done(waiter.user_data, CT_LEASED, nullptr, reinterpret_cast<ct_lease *>(&flight));
  } else if (waiter.state == Waiter::kAnswered) {
    const bool has_value = flight.answer == Flight::kValue;
    waiter.done(waiter.user_data, has_value ? CT_OK : flight.failure,
                has_value ? &flight.value : nullptr, nullptr);
    shard.leave(flight, gone.answers());
  } else {
    Patience patience;
    patience.forces = waiter.forces;
    patience.waiter = &waiter;
    Flight *lease = nullptr;
    ct_value value = CT_VALUE_INIT;
    const ct_status status = join(flight.key(), patience, 0, &value, &lease);
    shard.leave(flight, gone.answers());
    tell(gone);
    if (status == CT_PENDING) return;
    waiter.done(waiter.user_data, status, value.pin != 0 ? &value : nullptr,
                reinterpret_cast<ct_lease *>(lease));
    if (value.pin != 0) shard.release(&value);
  }
  tell(gone);
  if (shard.end_wait(waiter)) destroy(waiter);
}

ct_status Cache::join_async(Bytes key, bool forces, ct_done_fn done, void *user_data, ct_value *out,
                            Flight **flight, ct_wait **wait) {
  Patience patience;
  patience.wait_ns = 0;
  patience.forces = forces;
  const ct_status at_once = join(key, patience, 0, out, flight);
  if (at_once != CT_BUSY) return at_once;
  void *where = memory_.allocate(sizeof(Waiter), alignof(Waiter));
  if (where == nullptr) return CT_ERR_NOMEM;
  Shard &shard = shard_of(probe_of(key));
  auto *waiter = new (where) Waiter{&shard, done, user_data, forces, wait != nullptr};
  if (wait != nullptr) *wait = reinterpret_cast<ct_wait *>(waiter);
  patience.waiter = waiter;
  const ct_status status = join(key, patience, 0, out, flight);
  if (status == CT_PENDING) return status;
  if (wait != nullptr) *wait = nullptr;
  destroy(*waiter);
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
