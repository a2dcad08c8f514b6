// SPDX-License-Identifier: MIT
#include "shard/flight.hpp"

#include <algorithm>
#include <cassert>
#include <climits>
#include <cstring>
#include <new>

#include "base/system.hpp"
#include "shard/shard.hpp"

namespace ct {

ct_status status_of(Landing landing, const Flight &flight) {
  switch (landing) {
    case Landing::kLanded:
      return CT_OK;
    case Landing::kFailed:
      return flight.failure;
    case Landing::kLeased:
      return CT_LEASED;
    case Landing::kRing:
      return CT_ERR_RECURSION;
    case Landing::kNoMemory:
      return CT_ERR_NOMEM;
    case Landing::kGivenUp:
    case Landing::kNotYet:
      break;
  }
  return CT_BUSY;
}

ct_status Flights::join(Flight::Kind kind, const Probe &probe, Thread loader, Hold *hold) {
  Flight *flight = find(kind, probe);
  if (flight == nullptr) {
    if (kind == Flight::kLoad && is_loading(probe, loader)) return CT_ERR_RECURSION;
    flight = add(kind, probe);
    if (flight == nullptr) return CT_ERR_NOMEM;
  }
  flight->holders++;
  *hold = {flight, flight->news.load(std::memory_order_relaxed), false};
  if (flight->leased || flight->reserved) return CT_BUSY;
  give_lease(*flight, loader);
  if (kind == Flight::kLoad) count_miss(*flight);
  return CT_LEASED;
}

Flight *Flights::join_to_renew(const Probe &probe, Thread loader, Entry *old) {
  Flight *flight = find(Flight::kLoad, probe);
  if (flight == nullptr && !is_loading(probe, loader)) flight = add(Flight::kLoad, probe);
  if (flight == nullptr || flight->leased || flight->reserved) return nullptr;
  flight->holders++;
  flight->old = old;
  give_lease(*flight, loader);
  flight->renews = true;
  loads_.renewal();
  return flight;
}

Landing Flights::check_in(Flight &flight, Thread loader, bool falls_back, ct_value *out,
                          Waiter *waiter) {
  assert(flight.holders > 0);
  if (flight.answer == Flight::kNone) {
    if (flight.leased) {
      flight.reserved = true;
      if (waiter == nullptr) return Landing::kNotYet;
      waiter->flight = &flight;
      waiter->state = Waiter::kWaits;
      flight.waiters.add(*waiter);
      return Landing::kNotYet;
    }
    if (falls_back) flight.reserved = false;
    if (falls_back || is_overtaken(flight)) return Landing::kGivenUp;
    give_lease(flight, loader);
    if (flight.kind == Flight::kLoad) count_miss(flight);
    return Landing::kLeased;
  }
  if (flight.answer == Flight::kFailure) {
    // A load that finds nothing has removed the stale value.
    if (!falls_back || flight.failure == CT_MISS) count_answer(flight);
    return Landing::kFailed;
  }
  if (out != nullptr) {
    if (!pins_.pin(flight.entry)) return Landing::kNoMemory;
    *out = flight.value;
  }
  count_answer(flight);
  return Landing::kLanded;
}

void Flights::count_miss(const Flight &flight) {
  counters_.miss();
  shard_->tell_miss(flight.hash);
}

// Counts for a caller that has waited.
void Flights::count_answer(const Flight &flight) {
  if (flight.answer == Flight::kValue) {
    counters_.hit();
    loads_.wait();
  } else {
    count_miss(flight);
    loads_.shared_failure();
  }
}

void Flights::give_lease(Flight &flight, Thread loader) {
  assert(!flight.leased && flight.answer == Flight::kNone);
  flight.leased = true;
  flight.reserved = false;
  flight.renews = false;
  flight.run = tags_.begin_run();
  flight.loader.store(loader, std::memory_order_relaxed);
  if (flight.kind == Flight::kLoad) counters_.probe_load_begin(flight.key_data(), flight.key_size);
}

// A flight that was answered while it was leased stays in the table until now, so that its loader
// is still found to be loading the key.
void Flights::end_lease(Flight &flight) {
  assert(flight.leased && flight.holders > 0);
  flight.leased = false;
  tags_.end_run(flight.run);
  flight.loader.store(0, std::memory_order_relaxed);
  if (flight.kind == Flight::kLoad) counters_.probe_load_end(flight.key_data(), flight.key_size);
  if (flight.answer != Flight::kNone) unlist(flight);
}

// Returns how many of the threads that hold the flight are to be woken. If it has no other holder,
// the flight is gone.
int Flights::end_hold(Flight &flight, Answers &answers) {
  if (--flight.holders == 0) {
    destroy(flight);
    return 0;
  }
  if (flight.leased || flight.answer != Flight::kNone) return 0;
  const bool overtaken = is_overtaken(flight);
  while (!flight.waiters.empty()) {
    Waiter &waiter = flight.waiters.take_first();
    waiter.state = overtaken ? Waiter::kAnew : Waiter::kLeased;
    answers.add(waiter);
    if (overtaken) continue;
    // Until the waiter is told, it is this thread that the lease waits for. So a callback that is
    // told before it does not wait for the lease: that would close a ring.
    give_lease(flight, system::this_thread());
    count_miss(flight);
    return 0;
  }
  flight.news.fetch_add(1, std::memory_order_release);
  return overtaken ? INT_MAX : 1;
}

int Flights::leave(Flight &flight, Entry **left, Answers &answers) {
  assert(flight.waiting() > 0);
  *left = flight.waiting() == 1 ? std::exchange(flight.entry, nullptr) : nullptr;
  return end_hold(flight, answers);
}

int Flights::give_up(Flight &flight, Answers &answers) {
  if (flight.kind == Flight::kLoad) loads_.failure();
  end_lease(flight);
  return end_hold(flight, answers);
}

int Flights::fail_all(Flight &flight, ct_status failure, Answers &answers) {
  assert(flight.kind == Flight::kLoad);
  const bool is_answer = flight.waiting() > 0 && flight.answer == Flight::kNone;
  if (is_answer) {
    flight.failure = failure;
    answer(flight, Flight::kFailure, answers);
  }
  give_up(flight, answers);
  return is_answer ? INT_MAX : 0;
}

void Flights::land(Flight &flight, const ct_value &value, Entry *entry, bool outdated, Now &now,
                   Answers &answers) {
  assert(flight.kind == Flight::kLoad);
  loads_.load(flight.start, now);
  if (outdated) flight.epoch = Flight::kOvertaken;
  const bool is_answer = !outdated && answer_by_value(flight, value, entry, answers);
  end_lease(flight);
  const int next = end_hold(flight, answers);
  const int others = is_answer ? INT_MAX : next;
  // The flight may be gone by now, if a waiting caller has left early. wake() allows that.
  if (others != 0) system::wake(flight.news, others);
}

void Flights::release_waiting(const Probe &probe, const ct_value &value, Entry *entry,
                              Answers &answers) {
  table_.visit(probe.hash, [&](Flight &flight) {
    if (!is_overtaken(flight) || !is_of(flight, Flight::kLoad, probe)) return;
    if (!answer_by_value(flight, value, entry, answers)) return;
    if (!flight.leased) unlist(flight);
    system::wake(flight.news, INT_MAX);
  });
}

void Flights::answer(Flight &flight, Flight::Answer answer, Answers &answers) {
  flight.answer = answer;
  while (!flight.waiters.empty()) {
    Waiter &waiter = flight.waiters.take_first();
    waiter.state = Waiter::kAnswered;
    count_answer(flight);
    answers.add(waiter);
  }
  flight.news.fetch_add(1, std::memory_order_release);
}

// Returns false if nobody waits without an answer, or if there is no memory to pin the entry for
// those who wait, because others have pinned it so often.
bool Flights::answer_by_value(Flight &flight, const ct_value &value, Entry *entry,
                              Answers &answers) {
  if (flight.waiting() == 0 || flight.answer != Flight::kNone) return false;
  if (!pins_.pin(entry)) return false;
  flight.value = value;
  flight.entry = entry;
  answer(flight, Flight::kValue, answers);
  return true;
}

// Returns the key's flight of that kind that is not overtaken, or nullptr.
Flight *Flights::find(Flight::Kind kind, const Probe &probe) {
  return table_.find(probe.hash, [&](Flight &flight) {
    return !is_overtaken(flight) && is_of(flight, kind, probe);
  });
}

// Returns whether the thread is loading the key, even if the load was overtaken.
bool Flights::is_loading(const Probe &probe, Thread loader) {
  if (loader == 0) return false;
  return table_.find(probe.hash, [&](Flight &flight) {
    const bool own = flight.loader.load(std::memory_order_relaxed) == loader;
    return own && is_of(flight, Flight::kLoad, probe);
  }) != nullptr;
}

// Adds a vacant flight, which nobody holds yet. Returns nullptr if there is no memory.
Flight *Flights::add(Flight::Kind kind, const Probe &probe) {
  if (kind == Flight::kLoad && !loads_.prepare()) return nullptr;
  if (!table_.reserve()) return nullptr;
  const Bytes key = probe.key;
  const size_t bytes = bytes_of(key.size);
  void *where = bytes == kSpareBytes ? std::exchange(spare_, nullptr) : nullptr;
  if (where == nullptr) where = memory().allocate(bytes, alignof(Flight));
  if (where == nullptr) return nullptr;
  const auto key_size = static_cast<uint32_t>(key.size);
  const uint64_t epoch = kind == Flight::kTurn ? Flight::kNever : epoch_;
  auto *flight = new (where) Flight{shard_, nullptr, probe.hash, epoch, key_size, kind};
  if (key.size > 0) std::memcpy(flight->key_data(), key.data, key.size);
  table_.add(*flight);
  return flight;
}

void Flights::unlist(Flight &flight) {
  if (std::exchange(flight.listed, false)) table_.remove(flight);
}

void Flights::overtake(const Probe &probe) {
  if (Flight *flight = find(Flight::kLoad, probe)) flight->epoch = Flight::kOvertaken;
}

void Flights::destroy(Flight &flight) {
  assert(flight.entry == nullptr && flight.old == nullptr);
  unlist(flight);
  const size_t bytes = bytes_of(flight.key_size);
  flight.~Flight();
  void *block = &flight;
  if (bytes == kSpareBytes) std::swap(spare_, block);
  memory().release(block, bytes, alignof(Flight));
}

#ifdef CT_VALIDATE
const char *Flights::problem() {
  const char *problem = nullptr;
  uint32_t count = 0;
  table_.visit_all([&](Flight &flight) {
    count++;
    if (!flight.listed || (!flight.leased && flight.answer != Flight::kNone)) {
      problem = "flight: one that is over is in the table";
    }
    if (flight.answer != Flight::kNone && !is_overtaken(flight)) {
      problem = "flight: callers may still join one that has been answered";
    }
    if (flight.holders == 0) problem = "flight: nobody holds it";
    if (!flight.waiters.empty() && (!flight.leased || flight.answer != Flight::kNone)) {
      problem = "flight: a waiter was forgotten";
    }
    if (is_overtaken(flight) && flight.kind == Flight::kTurn)
      problem = "flight: a turn is overtaken";
    if (!is_overtaken(flight) && find(flight.kind, {flight.key(), flight.hash}) != &flight) {
      problem = "flight: there are two of a key, or it is in another's bucket";
    }
  });
  if (count != table_.size()) problem = "flight: their number is wrong";
  return problem;
}
#endif

}  // namespace ct
