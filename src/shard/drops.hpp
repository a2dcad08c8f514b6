// SPDX-License-Identifier: MIT
// The values of a cache whose drop is to be called. A drop may release or remove other values, the
// last pins of which then go, and so on, along a chain as long as the caller likes. A thread that
// is in a drop of the cache already adds such values to a list, and calls drop for them once it is
// back. So no chain takes more of the stack than one value.
//
// Only a cache with a drop has these lists. They lie behind its shards. Threads are spread over
// them by their names, so that they rarely wait for each other.
#ifndef CT_DROPS_HPP
#define CT_DROPS_HPP

#include <cstdint>

#include "base/annotations.hpp"
#include "base/lock.hpp"
#include "base/system.hpp"
#include "table/entry.hpp"

namespace ct {

class Drops {
 public:
  struct Place {
    uint32_t shard;
    Ref ref;
  };

  // What a thread has to drop. Only the thread itself changes the list, which is chained through
  // the dead entries.
  class Dropping {
   public:
    explicit Dropping(Thread thread) noexcept : thread_(thread) {}
    Dropping(const Dropping &) = delete;
    Dropping &operator=(const Dropping &) = delete;

    bool empty() const { return first_.ref == kNone; }
    Place first() const { return first_; }
    void add(Place place, Entry *e) {
      link(e, {0, kNone});
      if (empty()) {
        first_ = place;
      } else {
        link(last_, place);
      }
      last_ = e;
    }
    // Takes the first one off the list.
    void pop(Entry *e) {
      const Place next = {e->next, e->prev};
      link(e, {kNone, first_.ref});
      first_ = next;
    }

   private:
    friend class Drops;

    static void link(Entry *e, Place place) {
      e->next = place.shard;
      e->prev = place.ref;
    }

    const Thread thread_;
    Place first_ = {0, kNone};
    Entry *last_ = nullptr;
    Dropping *next_ = nullptr;
  };

  // Returns what this thread is dropping already. If it is dropping nothing, it begins with `own`,
  // and nullptr is returned.
  Dropping *begin(Dropping &own) noexcept {
    List &list = list_of(own);
    Guard guard(list.lock);
    for (Dropping *at = list.first; at != nullptr; at = at->next_) {
      if (at->thread_ == own.thread_) return at;
    }
    own.next_ = list.first;
    list.first = &own;
    return nullptr;
  }
  void end(const Dropping &own) noexcept {
    List &list = list_of(own);
    Guard guard(list.lock);
    Dropping **at = &list.first;
    while (*at != &own) at = &(*at)->next_;
    *at = own.next_;
  }

 private:
  struct alignas(64) List {
    Lock lock;
    Dropping *first CT_GUARDED_BY(lock) = nullptr;
  };
  static constexpr uint32_t kListBits = 3;

  List &list_of(const Dropping &own) {
    const uint64_t mixed = own.thread_ * UINT64_C(0x9E3779B97F4A7C15);
    return lists_[mixed >> (64 - kListBits)];
  }

  List lists_[1 << kListBits];
};

}  // namespace ct

#endif
