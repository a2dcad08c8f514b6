// SPDX-License-Identifier: MIT
#include "snapshot/collection.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "shard/shard_walk.hpp"

namespace ct {

bool Collection::add_rank(const Ranked &ranked) {
  if (!ranks_.reserve(1)) return false;
  ranks_.push({ranked.id, 0, ranked.rank});
  return true;
}

bool Collection::add_entry(const Record &record) {
  const uint64_t bytes =
      sizeof(Cache::Restored) + uint64_t{record.key.size} + record.value.size + record.tags.size;
  char *where = arena_.allocate(bytes);
  if (where == nullptr || !entries_.reserve(1) || !orders_.reserve(1)) return false;
  char *key = where + sizeof(Cache::Restored);
  char *value = key + record.key.size;
  if (record.key.size > 0) std::memcpy(key, record.key.data, record.key.size);
  if (record.value.size > 0) std::memcpy(value, record.value.data, record.value.size);
  char *tags = value + record.value.size;
  if (record.tags.size > 0) std::memcpy(tags, record.tags.data, record.tags.size);
  auto *entry = new (where) Cache::Restored{record, kNone};
  entry->record.key.data = key;
  entry->record.value.data = value;
  entry->record.tags.data = tags;
  orders_.push({ShardWalk::id_of(entry->record.key), 0, entries_.size()});
  entries_.push(entry);
  return true;
}

void Collection::age(uint64_t elapsed) {
  for (Cache::Restored *entry : entries_) {
    Record &record = entry->record;
    record.ttl = remaining_after(record.ttl, elapsed);
    record.idle = remaining_after(record.idle, elapsed);
  }
}

ct_status Collection::restore(Cache &cache, Now &now) {
  return sort() ? cache.restore(sorted_.begin(), sorted_.size(), now) : CT_ERR_NOMEM;
}

// ---- Sorting ----------------------------------------------------------------------------------

// Sets the distance of each entry of the shard: the number of entries that do not leave before
// it. These are the entries of higher ranks, the later ones of its own rank, and the entry
// itself.
void Collection::measure_shard() {
  uint32_t left[Policy::kRanks + 1] = {};
  for (uint32_t i = shard_begin_; i < ranks_.size(); i++) left[ranks_[i].rank]++;
  for (uint32_t rank = Policy::kRanks; rank > 0; rank--) left[rank - 1] += left[rank];
  for (uint32_t i = shard_begin_; i < ranks_.size(); i++) {
    Rank &rank = ranks_[i];
    rank.distance = left[rank.rank]--;
  }
  shard_begin_ = ranks_.size();
}

// Sorts the entries, the coldest first: by count, then by how many entries of their shard are
// hotter. So shards are laid side by side, however many there were. Returns false if there is no
// memory.
bool Collection::sort() {
  if (!sorted_.reserve(entries_.size())) return false;
  measure_shard();
  hand_out_distances();
  for (Order &order : orders_) order.first = entries_[order.number]->record.uses;
  std::sort(orders_.begin(), orders_.end(), [](const Order &a, const Order &b) {
    if (a.first != b.first) return a.first < b.first;
    return a.distance != b.distance ? a.distance > b.distance : a.number < b.number;
  });
  for (const Order &order : orders_) sorted_.push(entries_[order.number]);
  orders_.clear();
  entries_.clear();
  return true;
}

// Gives each entry the distance that has its id, by merging the two sorted lists. Where keys
// share an id, each of them gets one of their distances.
void Collection::hand_out_distances() {
  std::sort(ranks_.begin(), ranks_.end(), [](const Rank &a, const Rank &b) {
    return a.id != b.id ? a.id < b.id : a.distance > b.distance;
  });
  std::sort(orders_.begin(), orders_.end(), [](const Order &a, const Order &b) {
    return a.first != b.first ? a.first < b.first : a.number < b.number;
  });
  uint32_t next = 0;
  for (Order &order : orders_) {
    while (next < ranks_.size() && ranks_[next].id < order.first) next++;
    if (next == ranks_.size()) break;
    if (ranks_[next].id == order.first) order.distance = ranks_[next++].distance;
  }
  ranks_.clear();
}

}  // namespace ct
