// SPDX-License-Identifier: MIT
#include "shard/waits.hpp"

#include <algorithm>
#include <cassert>

namespace ct {

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
    Guard guard(lock_);
    begin_hold();
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

// Whether the loaders that wait for each other lead back to who waits here. A ring of them stays until
// the wait that closed it, the last one to have begun, ends again: so that one finds it, and no other
// need. A flight that changes hands meanwhile closes no ring: its new loader waits for nothing, and
// asks here before it does.
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
