// SPDX-License-Identifier: MIT
#include "flight.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace ct {

// ---- Flights ----------------------------------------------------------------------------------

Flight *Flights::find(Bytes key, uint64_t hash) {
  if (count_ == 0) return nullptr;
  for (Flight *flight = *bucket(hash); flight != nullptr; flight = flight->next) {
    if (!flight->overtaken && is_of(*flight, key, hash)) return flight;
  }
  return nullptr;
}

bool Flights::is_loading(Bytes key, uint64_t hash, Thread loader) {
  if (count_ == 0 || loader == 0) return false;
  for (Flight *flight = *bucket(hash); flight != nullptr; flight = flight->next) {
    const bool own = flight->loader.load(std::memory_order_relaxed) == loader;
    if (own && is_of(*flight, key, hash)) return true;
  }
  return false;
}

Flight *Flights::add(Shard &shard, Bytes key, uint64_t hash) {
  if (count_ >= kFew && count_ >= buckets_.size() && !grow()) return nullptr;
  void *where = memory_.allocate(sizeof(Flight) + key.size, alignof(Flight));
  if (where == nullptr) return nullptr;
  Flight *flight = new (where) Flight{};
  flight->shard = &shard;
  flight->hash = hash;
  flight->key_size = static_cast<uint32_t>(key.size);
  flight->holders = 1;
  flight->state = Flight::kLoading;
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
  if (Flight *flight = find(key, hash)) flight->overtaken = true;
}

void Flights::overtake_all() {
  const auto overtake_list = [](Flight *flight) {
    for (; flight != nullptr; flight = flight->next) flight->overtaken = true;
  };
  overtake_list(few_);
  for (Flight *list : buckets_) overtake_list(list);
}

void Flights::destroy(Flight &flight) {
  unlist(flight);
  const size_t bytes = sizeof(Flight) + flight.key_size;
  flight.~Flight();
  memory_.release(&flight, bytes, alignof(Flight));
}

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
    Hold hold(*this);
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
  Hold hold(*this);
  Wait **place = place_of(wait.thread);
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
    Hold hold(*this);
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
