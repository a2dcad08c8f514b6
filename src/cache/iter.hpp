// SPDX-License-Identifier: MIT
// A walk over a cache's entries. It takes a few entries at a time, by their positions in the index,
// or all at once in the policy's order. An entry is pinned from when it is taken until the walk has
// passed it.
#ifndef CT_ITER_HPP
#define CT_ITER_HPP

#include <cachetools.h>

#include <cstdint>

#include "base/array.hpp"
#include "base/clock.hpp"
#include "base/handle.hpp"
#include "shard/shard_walk.hpp"
#include "table/entry.hpp"

namespace ct {

class Cache;

class Iter {
 public:
  // stale_too: the walk also meets entries past their deadline that may still be served.
  explicit Iter(Cache &cache, bool stale_too = false) noexcept;
  ~Iter();
  Iter(const Iter &) = delete;
  Iter &operator=(const Iter &) = delete;

  // Takes all entries in the policy's order, the hottest first or the coldest first. Returns CT_OK
  // or CT_ERR_NOMEM.
  ct_status take_order(bool hottest_first);

  // Goes on to the next entry. Returns CT_OK, CT_END or CT_ERR_NOMEM. Key and value stay until the
  // next call.
  ct_status next(Now &now, Bytes *key, Bytes *value);
  // The entry that next has gone on to.
  const Held &current() const { return current_; }

  Cache &cache() const { return cache_; }
  Mark<Handle::kIter> &mark() { return mark_; }

 private:
  ct_status pin_in_order(Shard &shard, Array<Ordered> &entries);
  ct_status pin_the_rest(Shard &shard, Array<Ordered> &entries);
  ct_status take_more();
  void pass();

  Cache &cache_;
  Array<Held> taken_;
  uint32_t next_ = 0;  // a position in taken_, counted in the direction of the walk
  Mark<Handle::kIter> mark_;
  const bool stale_too_;
  bool backwards_ = false;
  uint32_t shard_ = 0;     // the shard to take more from; the number of shards: none is left
  uint64_t position_ = 0;  // in its index
  Held current_ = {nullptr, nullptr};
};

}  // namespace ct

#endif
