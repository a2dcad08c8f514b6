// SPDX-License-Identifier: MIT
#include "cache/iter.hpp"

#include <algorithm>
#include <functional>

#include "cache/cache.hpp"

namespace ct {

Iter::Iter(Cache &cache, bool stale_too) noexcept
    : cache_(cache), taken_(cache.memory()), stale_too_(stale_too) {}

Iter::~Iter() {
  pass();
  for (; next_ < taken_.size(); next_++) {
    const Held &held = taken_[backwards_ ? taken_.size() - 1 - next_ : next_];
    held.shard->release(held.entry);
  }
}

ct_status Iter::take_order(bool hottest_first) {
  backwards_ = hottest_first;
  const Shards &shards = cache_.shards();
  for (; shard_ < shards.count; shard_++) {
    Array<Ordered> entries(cache_.memory());
    ct_status status = pin_in_order(shards[shard_], entries);
    if (status == CT_OK && !taken_.reserve(entries.size())) status = CT_ERR_NOMEM;
    for (const Ordered &ordered : entries) {
      if (status == CT_OK) {
        taken_.push({&shards[shard_], ordered.entry});
      } else {
        shards[shard_].release(ordered.entry);
      }
    }
    if (status != CT_OK) return status;
  }
  return CT_OK;
}

ct_status Iter::pin_in_order(Shard &shard, Array<Ordered> &entries) {
  OrderWalk walk = ShardWalk(shard).begin();
  ct_status status = CT_OK;
  do status = ShardWalk(shard).list_order(walk, entries);
  while (status == CT_OK && walk.left != 0);
  ShardWalk(shard).end(walk);
  if (status == CT_OK && walk.is_disturbed) status = pin_the_rest(shard, entries);
  std::sort(entries.begin(), entries.end(), [](const Ordered &a, const Ordered &b) {
    return a.rank != b.rank ? a.rank < b.rank : a.number < b.number;
  });
  return status;
}

// The walk over the order may have met an entry twice, or not at all, if other threads used entries
// meanwhile. The walk over the index meets each entry once. An entry that is met only there counts
// as the hottest.
ct_status Iter::pin_the_rest(Shard &shard, Array<Ordered> &entries) {
  Array<Held> all(cache_.memory());
  ct_status status = CT_OK;
  for (uint64_t position = 0; position != Index::kEnd && status == CT_OK;) {
    status = ShardWalk(shard).list_some(&position, all);
  }
  if (!entries.reserve(all.size())) status = CT_ERR_NOMEM;
  for (const Held &held : all) {
    if (status == CT_OK) {
      entries.push({held.entry, Policy::kRanks, entries.size()});
    } else {
      shard.release(held.entry);
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Ordered &a, const Ordered &b) {
    return a.entry != b.entry ? std::less<>()(a.entry, b.entry) : a.number < b.number;
  });
  uint32_t count = 0;
  for (const Ordered &ordered : entries) {
    if (count != 0 && ordered.entry == entries[count - 1].entry) {
      shard.release(ordered.entry);
    } else {
      entries[count++] = ordered;
    }
  }
  entries.truncate(count);
  return status;
}

ct_status Iter::take_more() {
  const Shards &shards = cache_.shards();
  taken_.truncate();
  next_ = 0;
  while (taken_.empty() && shard_ < shards.count) {
    const ct_status status = ShardWalk(shards[shard_]).list_some(&position_, taken_);
    if (status != CT_OK) return status;
    if (position_ == Index::kEnd) {
      shard_++;
      position_ = 0;
    }
  }
  return taken_.empty() ? CT_END : CT_OK;
}

void Iter::pass() {
  if (current_.entry != nullptr) current_.shard->release(current_.entry);
  current_ = {nullptr, nullptr};
}

ct_status Iter::next(Now &now, Bytes *key, Bytes *value) {
  pass();
  for (;;) {
    if (next_ == taken_.size()) {
      const ct_status status = take_more();
      if (status != CT_OK) return status;
    }
    const Held held = taken_[backwards_ ? taken_.size() - 1 - next_ : next_];
    next_++;
    if (ShardWalk(*held.shard).view(held.entry, stale_too_, now, key, value)) {
      current_ = held;
      return CT_OK;
    }
    held.shard->release(held.entry);
  }
}

}  // namespace ct
