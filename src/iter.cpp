// SPDX-License-Identifier: MIT
#include "iter.hpp"

#include "cache.hpp"

namespace ct {

Iter::Iter(Cache &cache) noexcept : cache_(cache), taken_(cache.memory()) {}

Iter::~Iter() {
  pass();
  for (; next_ < taken_.size(); next_++) {
    const Held &held = taken_[backwards_ ? taken_.size() - 1 - next_ : next_];
    held.shard->release(held.entry);
  }
}

ct_status Iter::take_order(bool hottest_first) {
  backwards_ = hottest_first;
  const Family &shards = cache_.shards();
  for (; shard_ < shards.count; shard_++) {
    const ct_status status = shards[shard_].list_coldest(taken_);
    if (status != CT_OK) return status;
  }
  return CT_OK;
}

ct_status Iter::take_more() {
  const Family &shards = cache_.shards();
  taken_.truncate();
  next_ = 0;
  while (taken_.empty() && shard_ < shards.count) {
    const ct_status status = shards[shard_].list_some(&position_, taken_);
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
    if (held.shard->view(held.entry, now, key, value)) {
      current_ = held;
      return CT_OK;
    }
    held.shard->release(held.entry);
  }
}

}  // namespace ct
