// SPDX-License-Identifier: MIT
// Loading and computing, as far as a shard is concerned: its flights, under its lock (flight.hpp).
#include "base/futex.hpp"
#include "shard/shard.hpp"

namespace ct {

ct_status Shard::join(const Probe &probe, Now &now, Thread loader, ct_value *out, Hold *hold) {
  Locked locked(*this);
  const Place place = map_.find_live(probe, now);
  if (place.ref == kNone) return flights_.join(Flight::kLoad, probe, loader, hold);
  return hand_out_hit(place, probe.hash, now, out) ? CT_OK : CT_ERR_NOMEM;
}

ct_status Shard::take_turn(const Probe &probe, Thread thread, Hold *hold) {
  Locked locked(*this);
  return flights_.join(Flight::kTurn, probe, thread, hold);
}

Landing Shard::check_in(Flight &flight, Thread loader, ct_value *out) {
  Locked locked(*this);
  return flights_.check_in(flight, loader, out);
}

// In the next three functions the flight may be gone when wake() is called, and so may the threads
// that slept on it. wake() allows that.

void Shard::leave(Flight &flight) {
  Entry *left;
  int others;
  {
    Locked locked(*this);
    others = flights_.leave(flight, &left);
  }
  if (others != 0) wake(flight.news, others);
  if (left != nullptr) release(left);
}

void Shard::give_up_lease(Flight &flight) {
  int others;
  {
    Locked locked(*this);
    others = flights_.give_up(flight);
  }
  if (others != 0) wake(flight.news, others);
}

void Shard::fail_lease(Flight &flight, ct_status failure) {
  int others;
  {
    Locked locked(*this);
    others = flights_.fail_all(flight, failure);
  }
  if (others != 0) wake(flight.news, others);
}

void Shard::release_waiting(const Probe &probe, Entry *e) {
  if (flights_.empty()) return;
  const Bytes bytes = map_.entries.value(e);
  ct_value value;
  if (!hand_out(e, bytes, &value)) return;
  flights_.release_waiting(probe, value, e);
  pins_.unpin(e);
}

void Shard::overtake(const Probe &probe) {
  Locked locked(*this);
  overtake_load(probe);
}

void Shard::overtake_all() {
  Locked locked(*this);
  flights_.overtake_all();
}

}  // namespace ct
