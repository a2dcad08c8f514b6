// SPDX-License-Identifier: MIT
// A walk over what a snapshot keeps of a cache, in little memory: a stretch of the order at a time,
// then a few entries at a time.
#ifndef CT_CONTENTS_HPP
#define CT_CONTENTS_HPP

#include <cachetools.h>

#include <cstdint>

#include "base/array.hpp"
#include "cache/cache.hpp"
#include "cache/iter.hpp"
#include "shard/shard_walk.hpp"

namespace ct {

// Shows the parts that snapshot.hpp lists to a sink: begin_shard(), add_rank(ranked) and
// add_entry(record). The walk ends when one of these returns false. Returns CT_OK or CT_ERR_NOMEM.
template <class Sink>
class Contents {
 public:
  Contents(Cache &cache, Now &now, Sink &sink) noexcept
      : cache_(cache), now_(now), sink_(sink), names_(cache.memory()) {}

  ct_status show() {
    const ct_status status = show_order();
    return status == CT_OK && goes_on_ ? show_entries() : status;
  }
  // Returns whether the sink has taken all so far.
  bool goes_on() const { return goes_on_; }

 private:
  ct_status show_order() {
    const Shards &shards = cache_.shards();
    if (!shards[0].is_ordered()) return CT_OK;
    Array<Ranked> ranks(cache_.memory());
    if (!ranks.reserve(Shard::kAtOnce)) return CT_ERR_NOMEM;
    ct_status status = CT_OK;
    for (uint32_t i = 0; i < shards.count && status == CT_OK && goes_on_; i++) {
      goes_on_ = sink_.begin_shard();
      OrderWalk walk = ShardWalk(shards[i]).begin();
      while (walk.left != 0 && status == CT_OK && goes_on_) {
        ranks.truncate();
        status = ShardWalk(shards[i]).list_ranks(walk, ranks);
        for (const Ranked &ranked : ranks) goes_on_ = goes_on_ && sink_.add_rank(ranked);
      }
      ShardWalk(shards[i]).end(walk);
    }
    return status;
  }

  ct_status show_entries() {
    Iter iter(cache_);
    Bytes key, value;
    while (goes_on_) {
      const ct_status status = iter.next(now_, &key, &value);
      if (status != CT_OK) return status == CT_END ? CT_OK : status;
      const Held &held = iter.current();
      Record record;
      const ct_status described =
          ShardWalk(*held.shard).describe(held.entry, now_, names_, &record);
      if (described < 0) return described;
      if (described == CT_OK) goes_on_ = sink_.add_entry(record);
    }
    return CT_OK;
  }

  Cache &cache_;
  Now &now_;
  Sink &sink_;
  Array<char> names_;  // of an entry's tags
  bool goes_on_ = true;
};

}  // namespace ct

#endif
