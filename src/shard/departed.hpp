// SPDX-License-Identifier: MIT
// What a call has to tell once it holds no lock: entries that have left one or more shards, in
// order, on their way to the listener; and callers that were waiting for a load. Entries are
// chained through the dead entries themselves, so that leaving needs no memory.
#ifndef CT_DEPARTED_HPP
#define CT_DEPARTED_HPP

#include <cachetools.h>

#include <cstdint>

#include "shard/shards.hpp"
#include "shard/waiter.hpp"
#include "table/entry.hpp"

namespace ct {

class Departed {
 public:
  // watched: a visitor is told of the entries. So they are collected even if the cache has neither
  // listener nor drop.
  explicit Departed(const Shards &shards, bool watched = false) noexcept
      : shards_(shards), watched_(watched) {}
  Departed(const Departed &) = delete;
  Departed &operator=(const Departed &) = delete;

  bool empty() const { return head_.ref == kNone; }
  bool watched() const { return watched_; }
  Answers &answers() { return answers_; }
  // Needs the lock of the shard that the entry is from.
  void add(uint32_t shard, Ref ref, Entry *e, ct_cause cause);
  // Sorts by deadline. Entries with equal deadlines stay in order.
  void sort();
  // Tells `listener` and `visit` of each entry, and lets the entry go. Either of them may be NULL.
  // The caller holds no lock.
  void tell(ct_listener_fn listener, void *user_data, ct_visit_fn visit, void *visit_data);

 private:
  struct Place {
    uint32_t shard;
    Ref ref;
  };
  Entry *at(Place place) const;
  uint64_t deadline(Place place) const;
  static Place next(const Entry *e) { return {e->next & 0xFFFF, e->prev}; }
  static void set_next(Entry *e, Place place) {
    e->prev = place.ref;
    e->next = (e->next & ~0xFFFFu) | place.shard;
  }
  static int32_t cause(const Entry *e) { return static_cast<int32_t>(e->next >> 16); }
  Place merge(Place a, Place b);

  const Shards &shards_;
  const bool watched_;
  Place head_ = {0, kNone};
  Place tail_ = {0, kNone};
  Answers answers_;
};

}  // namespace ct

#endif
