// SPDX-License-Identifier: MIT
#include "flight.hpp"

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
  if (count_ >= buckets_.size() && !grow()) return nullptr;
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
  const uint32_t size = buckets_.empty() ? 4 : buckets_.size() * 2;
  Array<Flight *> old(memory_);
  if (!old.reserve(size)) return false;
  for (uint32_t i = 0; i < size; i++) old.push(nullptr);
  old.swap(buckets_);
  for (Flight *flight : old) {
    while (flight != nullptr) {
      Flight *next = flight->next;
      Flight **head = bucket(flight->hash);
      flight->next = *head;
      *head = flight;
      flight = next;
    }
  }
  return true;
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
  for (Flight *flight : buckets_) {
    for (; flight != nullptr; flight = flight->next) flight->overtaken = true;
  }
}

void Flights::destroy(Flight &flight) {
  unlist(flight);
  const size_t bytes = sizeof(Flight) + flight.key_size;
  flight.~Flight();
  memory_.release(&flight, bytes, alignof(Flight));
}

// ---- Waits ------------------------------------------------------------------------------------

bool Waits::begin(Wait &wait, const Flight &flight) {
  wait.thread = this_thread();
  wait.flight = &flight;
  Guard guard(&lock_);
  if (closes_ring(wait.thread, flight)) return false;
  wait.next = first_;
  first_ = &wait;
  return true;
}

void Waits::end(Wait &wait) {
  Guard guard(&lock_);
  Wait **link = &first_;
  while (*link != &wait) link = &(*link)->next;
  *link = wait.next;
}

// Follows from loader to loader. A flight that changes hands meanwhile closes no ring: its new
// loader waits for nothing, and asks here before it does.
bool Waits::closes_ring(Thread thread, const Flight &flight) const {
  Thread loader = flight.loader.load(std::memory_order_relaxed);
  for (const Wait *wait = first_; wait != nullptr && loader != 0 && loader != thread;) {
    if (wait->thread != loader) {
      wait = wait->next;
      continue;
    }
    const Thread next = wait->flight->loader.load(std::memory_order_relaxed);
    if (next == loader) return false;
    loader = next;
    wait = first_;
  }
  return loader == thread;
}

}  // namespace ct
