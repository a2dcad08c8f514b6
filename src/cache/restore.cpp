// SPDX-License-Identifier: MIT
// Restores entries that a snapshot has kept. All that can fail comes first.
#include "cache/cache.hpp"
#include "shard/shard_store.hpp"

namespace ct {

// An entry is dead on arrival if one of its lifetimes is over. Where the cache has no tti, the
// entry has no idle lifetime.
void Cache::begin_restored(const Record &record, Now &now, StoreRequest *request) {
  begin_request(probe_of(record.key), record.value, request);
  const uint64_t ttl = record.ttl;
  give_deadline(ttl == CT_NEVER ? CT_NEVER : clock_.precise().deadline_after(now(), ttl), now,
                request);
  request->idle = options_.tti == 0 ? CT_NEVER : record.idle;
  if (request->idle == 0) request->fitness = Fitness::kDead;
}

// Asks the weigher for an entry's weight. The weigher may call the cache, so it is asked before
// anything is reserved.
void Cache::ask_weight(Record &record, Now &now) {
  const Probe probe = probe_of(record.key);
  if (record.weighed || shard_of(probe).peek(probe, now, nullptr) == CT_OK) return;
  StoreRequest request(memory_);
  begin_restored(record, now, &request);
  weigh(false, 0, &request);
  record.weighed = true;
  record.weight = request.weight;
}

// If the entry may be restored, makes a block for it, and reserves its weight in addition to what
// is reserved already.
ct_status Cache::stage(Restored &entry, uint64_t *reserved, Reservation &room, Now &now,
                       Departed &gone) {
  const Record &record = entry.record;
  const Probe probe = probe_of(record.key);
  Shard &shard = shard_of(probe);
  if (shard.peek(probe, now, nullptr) == CT_OK) return CT_OK;

  StoreRequest request(memory_);
  begin_restored(record, now, &request);
  ct_bytes tags[kMostTags];
  uint32_t count = 0;
  record.each_tag([&](Bytes tag) { tags[count++] = {tag.data, tag.size}; });
  if (!hold_tags(tags, count, &request)) return CT_ERR_NOMEM;
  weigh(record.weighed, record.weight, &request);
  if (request.fitness != Fitness::kFits) return CT_OK;
  if (request.weight > UINT64_MAX - *reserved) return CT_OK;
  const uint64_t needed = *reserved + request.weight;
  if (!room.cover_whole(needed)) return CT_OK;
  if ((request.flags & kApart) != 0 && !request.apart.make(record.key, record.value)) {
    return CT_ERR_NOMEM;
  }
  const ct_status status = ShardStore(shard, request, room, now, gone).stage();
  if (status != CT_OK) return status == CT_NOT_STORED ? CT_OK : status;
  *reserved = needed;
  entry.ref = request.ref;
  return CT_OK;
}

ct_status Cache::restore(Restored *const *coldest_first, uint32_t count, Now &now) {
  Departed gone(shards_);
  Reservation room(budget_);
  ct_status status = CT_OK;
  const auto each_staged = [&](bool backwards, auto visit) {
    for (uint32_t i = 0; i < count; i++) {
      Restored &entry = *coldest_first[backwards ? count - 1 - i : i];
      if (entry.ref == kNone) continue;
      StoreRequest request(memory_);
      request.ref = entry.ref;
      Shard &shard = shard_of(probe_of(entry.record.key));
      visit(ShardStore(shard, request, room, now, gone), entry);
    }
  };

  if (options_.weigher != nullptr) {
    for (uint32_t i = count; i > 0; i--) ask_weight(coldest_first[i - 1]->record, now);
  }
  sweep(gone);
  expire_all(now, gone);
  uint64_t reserved = 0;
  for (uint32_t i = count; i > 0 && status == CT_OK; i--) {
    status = stage(*coldest_first[i - 1], &reserved, room, now, gone);
  }
  if (status == CT_OK) {
    each_staged(policy_kind(options_.policy)->takes_newest,
                [](ShardStore store, Restored &entry) { store.admit(entry.record.uses); });
  } else {
    each_staged(false, [](ShardStore store, Restored &) { store.abandon(); });
  }
  room.give_back();
  tell(gone);
  return status;
}

}  // namespace ct
