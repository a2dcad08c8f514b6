// SPDX-License-Identifier: MIT
#include "shard/waits.hpp"

#include <algorithm>
#include <cassert>

namespace ct {

// Returns the link at which the thread's wait is, or would be.
Waits::Wait **Waits::place_of(Thread thread) {
  // Multiplication by an odd factor keeps different threads different.
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
    Guard guard(lock_);
    begin_hold();
    wait = {thread, &flight, ++begun_, {nullptr, nullptr}};
    *place_of(thread) = &wait;
    count_++;
  }
  // A ring that is seen in more than one hold of the lock may never have existed at one time. So it
  // is looked for again in one hold.
  if (!leads_back(wait, kLoadersAtOnce) || !leads_back(wait, UINT32_MAX)) return true;
  end(wait);
  return false;
}

// Removes a node of a digital search tree. Any node below can take its place, because the bits that
// lead to that place are the same for both.
void Waits::end(Wait &wait) {
  Guard guard(lock_);
  begin_hold();
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

Waits::Telling *Waits::begin_telling(Telling &own) {
  Guard guard(lock_);
  for (Telling *other = telling_; other != nullptr; other = other->next) {
    if (other->thread == own.thread) return other;
  }
  own.next = telling_;
  telling_ = &own;
  return nullptr;
}

void Waits::end_telling(const Telling &own) {
  Guard guard(lock_);
  Telling **link = &telling_;
  while (*link != &own) link = &(*link)->next;
  *link = own.next;
}

// Returns whether the loaders that wait for each other lead back to the thread that waits here. A
// ring of waits lasts until the wait that closed it ends, which is the last of them to begin. So
// that wait finds the ring, and no other wait needs to. A flight that gets another loader meanwhile
// closes no ring: the new loader waits for nothing, and asks here before it does.
bool Waits::leads_back(const Wait &wait, uint32_t at_once) {
  Thread loader = wait.flight->loader.load(std::memory_order_relaxed);
  for (uint32_t followed = 0;;) {
    Guard guard(lock_);
    begin_hold();
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
