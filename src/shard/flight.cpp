// SPDX-License-Identifier: MIT
#include "shard/flight.hpp"

#include <algorithm>
#include <cassert>
#include <climits>
#include <cstring>
#include <new>

namespace ct {

// ---- Flights ----------------------------------------------------------------------------------

ct_status Flights::join(Flight::Kind kind, Bytes key, uint64_t hash, Thread loader, Hold *hold) {
  Flight *flight = find(kind, key, hash);
  if (flight == nullptr) {
    if (kind == Flight::kLoad && is_loading(key, hash, loader)) return CT_ERR_RECURSION;
    flight = add(kind, key, hash);
    if (flight == nullptr) return CT_ERR_NOMEM;
  }
  flight->holders++;
  *hold = {flight, flight->news.load(std::memory_order_relaxed)};
  if (flight->state != Flight::kVacant || flight->reserved) return CT_BUSY;
  give_lease(*flight, loader);
  return CT_LEASED;
}

bool Flights::take_lease(Flight &flight, Thread loader) {
  if (flight.state != Flight::kVacant) {
    flight.reserved = true;
    return false;
  }
  give_lease(flight, loader);
  return true;
}

void Flights::give_lease(Flight &flight, Thread loader) {
  flight.state = Flight::kLeased;
  flight.reserved = false;
  flight.loader.store(loader, std::memory_order_relaxed);
}

int Flights::leave(Flight &flight, bool had_lease, ct_value *left) {
  if (had_lease) {
    flight.state = Flight::kVacant;
    flight.loader.store(0, std::memory_order_relaxed);
  }
  if (--flight.holders == 0) {
    *left = flight.value;
    destroy(flight);
    return 0;
  }
  if (flight.state != Flight::kVacant) return 0;
  flight.news.fetch_add(1, std::memory_order_release);
  return flight.overtaken ? INT_MAX : 1;
}

bool Flights::land(Flight &flight, const ct_value &value) {
  unlist(flight);
  if (--flight.holders == 0) {
    destroy(flight);
    return false;
  }
  flight.value = value;
  flight.state = Flight::kLanded;
  flight.loader.store(0, std::memory_order_relaxed);
  flight.news.fetch_add(1, std::memory_order_release);
  return true;
}

// One that is not overtaken.
Flight *Flights::find(Flight::Kind kind, Bytes key, uint64_t hash) {
  if (count_ == 0) return nullptr;
  for (Flight *flight = *bucket(hash); flight != nullptr; flight = flight->next) {
    if (!flight->overtaken && is_of(*flight, kind, key, hash)) return flight;
  }
  return nullptr;
}

// Whether a thread is loading the key, overtaken or not.
bool Flights::is_loading(Bytes key, uint64_t hash, Thread loader) {
  if (count_ == 0 || loader == 0) return false;
  for (Flight *flight = *bucket(hash); flight != nullptr; flight = flight->next) {
    const bool own = flight->loader.load(std::memory_order_relaxed) == loader;
    if (own && is_of(*flight, Flight::kLoad, key, hash)) return true;
  }
  return false;
}

// A new one, vacant, that nobody holds yet; nullptr: no memory.
Flight *Flights::add(Flight::Kind kind, Bytes key, uint64_t hash) {
  if (count_ >= kFew && count_ >= buckets_.size() && !grow()) return nullptr;
  const size_t bytes = bytes_of(key.size);
  void *where = bytes == kSpareBytes ? std::exchange(spare_, nullptr) : nullptr;
  if (where == nullptr) where = memory_.allocate(bytes, alignof(Flight));
  if (where == nullptr) return nullptr;
  Flight *flight = new (where) Flight{};
  flight->shard = shard_;
  flight->hash = hash;
  flight->key_size = static_cast<uint32_t>(key.size);
  flight->kind = kind;
  flight->state = Flight::kVacant;
  if (key.size > 0) std::memcpy(flight->key_data(), key.data, key.size);
  Flight **head = bucket(hash);
  flight->next = *head;
  *head = flight;
  flight->listed = true;
  count_++;
  return flight;
}

bool Flights::grow() {
  const uint32_t size = buckets_.empty() ? 2 * kFew : 2 * buckets_.size();
  Array<Flight *> old(memory_);
  if (!old.reserve(size)) return false;
  for (uint32_t i = 0; i < size; i++) old.push(nullptr);
  old.swap(buckets_);
  for (Flight *list : old) rehash(list);
  rehash(few_);
  few_ = nullptr;
  return true;
}

void Flights::rehash(Flight *list) {
  while (list != nullptr) {
    Flight *flight = list;
    list = flight->next;
    Flight **head = bucket(flight->hash);
    flight->next = *head;
    *head = flight;
  }
}

void Flights::unlist(Flight &flight) {
  if (!flight.listed) return;
  Flight **link = bucket(flight.hash);
  while (*link != &flight) link = &(*link)->next;
  *link = flight.next;
  flight.listed = false;
  if (--count_ == 0) buckets_.clear();
}

void Flights::overtake(Bytes key, uint64_t hash) {
  if (Flight *flight = find(Flight::kLoad, key, hash)) flight->overtaken = true;
}

void Flights::overtake_all() {
  visit_all([](Flight &flight) { flight.overtaken = flight.kind == Flight::kLoad; });
}

void Flights::destroy(Flight &flight) {
  unlist(flight);
  const size_t bytes = bytes_of(flight.key_size);
  flight.~Flight();
  void *block = &flight;
  if (bytes == kSpareBytes) std::swap(spare_, block);
  memory_.release(block, bytes, alignof(Flight));
}

#ifdef CT_VALIDATE
const char *Flights::problem() {
  const char *problem = nullptr;
  uint32_t count = 0;
  visit_all([&](Flight &flight) {
    count++;
    if (!flight.listed || flight.state == Flight::kLanded) {
      problem = "flight: one that has landed is in the table";
    }
    if (flight.holders == 0) problem = "flight: nobody holds it";
    if (flight.overtaken && flight.kind == Flight::kTurn) problem = "flight: a turn is overtaken";
    if (!flight.overtaken && find(flight.kind, flight.key(), flight.hash) != &flight) {
      problem = "flight: there are two of a key, or it is in another's bucket";
    }
  });
  if (count != count_) problem = "flight: their number is wrong";
  return problem;
}
#endif

// ---- Waits ------------------------------------------------------------------------------------

// Where the thread's wait is linked, or would be.
Waits::Wait **Waits::place_of(Thread thread) {
  // An odd factor keeps different threads different.
  uint64_t path = uint64_t{thread} * 0x9E3779B97F4A7C15u;
  Wait **place = &root_;
  for (; *place != nullptr && (*place)->thread != thread; path <<= 1) {
    place = &(*place)->below[path >> 63];
#ifdef CT_VALIDATE
    looks_.all++;
    looks_.most = std::max(looks_.most, ++looks_.held);
#endif
  }
  return place;
}

bool Waits::begin(Wait &wait, Thread thread, const Flight &flight) {
  {
    Locked locked(*this);
    wait = {thread, &flight, ++begun_, {nullptr, nullptr}};
    *place_of(thread) = &wait;
    count_++;
  }
  // What is seen in more than one hold need never have been a ring: then it is seen again, in one.
  if (!leads_back(wait, kLoadersAtOnce) || !leads_back(wait, UINT32_MAX)) return true;
  end(wait);
  return false;
}

// Any node from below can take the place of one that goes: all that it is searched by up to there is
// the same.
void Waits::end(Wait &wait) {
  Locked locked(*this);
  Wait **place = place_of(wait.thread);
  assert(*place == &wait);
  Wait **last = place;
  while ((*last)->below[0] != nullptr || (*last)->below[1] != nullptr) {
    last = &(*last)->below[(*last)->below[0] == nullptr];
  }
  Wait *leaf = *last;
  *last = nullptr;
  if (leaf != &wait) {
    leaf->below[0] = wait.below[0];
    leaf->below[1] = wait.below[1];
    *place = leaf;
  }
  count_--;
}

// Whether the loaders that wait for each other lead back to who waits here. A ring of them stays until
// the wait that closed it, the last one to have begun, ends again: so that one finds it, and no other
// need. A flight that changes hands meanwhile closes no ring: its new loader waits for nothing, and
// asks here before it does.
bool Waits::leads_back(const Wait &wait, uint32_t at_once) {
  Thread loader = wait.flight->loader.load(std::memory_order_relaxed);
  for (uint32_t followed = 0;;) {
    Locked locked(*this);
    do {
      if (loader == wait.thread) return true;
      const Wait *own = *place_of(loader);
      if (own == nullptr || own->number > wait.number || followed >= count_) return false;
      const Thread next = own->flight->loader.load(std::memory_order_relaxed);
      if (next == loader) return false;
      loader = next;
    } while (++followed % at_once != 0);
  }
}

}  // namespace ct
