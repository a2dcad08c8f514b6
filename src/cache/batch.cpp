// SPDX-License-Identifier: MIT
// Many keys in one call, a group of them at a time. The keys of a group are hashed and their
// buckets fetched, then their entries, so that the cache misses of the group overlap.
#include <algorithm>
#include <cstring>

#include "cache/cache.hpp"

namespace ct {
namespace {

// About as many cache misses as a processor has in flight.
constexpr size_t kGroup = 16;
// Up to this many keys, the state of a call lies on the stack.
constexpr size_t kFew = 64;

}  // namespace

// Hashes a group of keys, and fetches their buckets ahead.
template <class KeyOf>
void Cache::look_ahead(size_t count, KeyOf key_of, Asked *asked) {
  for (size_t i = 0; i < count; i++) {
    asked[i].probe = probe_of(key_of(i));
    shard_of(asked[i].probe);
  }
}

// Calls visit(shard, first, count) for each run of successive keys that are in one shard, in order.
template <class Visit>
void Cache::visit_runs(const Asked *asked, size_t count, Visit visit) {
  for (size_t first = 0, end; first < count; first = end) {
    const uint32_t number = hash_shard(asked[first].probe.hash, shards_.count);
    end = first + 1;
    while (end < count && hash_shard(asked[end].probe.hash, shards_.count) == number) end++;
    visit(shards_[number], first, static_cast<uint32_t>(end - first));
  }
}

ct_status Cache::get_many(const ct_bytes *keys, size_t count, ct_value *values,
                          ct_status *statuses) {
  Now now(clock_);
  ct_status failure = CT_OK;
  Asked asked[kGroup];
  for (size_t first = 0; first < count && failure == CT_OK; first += kGroup) {
    const size_t size = std::min(kGroup, count - first);
    const auto key_of = [&](size_t i) {
      return Bytes{static_cast<const char *>(keys[first + i].data), keys[first + i].size};
    };
    look_ahead(size, key_of, asked);
    visit_runs(asked, size, [&](Shard &shard, size_t from, uint32_t run) {
      if (failure != CT_OK) return;
      failure = ShardBatch(shard).get_some(asked + from, run, now, values + first + from,
                                           statuses + first + from);
    });
  }
  if (failure == CT_OK) return CT_OK;
  for (size_t i = 0; i < count; i++) {
    if (values[i].pin != 0) Shard::of_pin(values[i].pin).release(&values[i]);
  }
  std::fill_n(statuses, count, CT_OK);
  return failure;
}

// Nothing may be copied, used or counted before it is known that all values fit. So all values are
// found first. If one of them has changed before it is copied, all values are pinned instead.
ct_status Cache::get_many_copy(const char *keys, const size_t *key_ends, size_t count, char *buffer,
                               size_t capacity, size_t *value_ends, ct_status *statuses) {
  Now now(clock_);
  Asked few[kFew];
  Array<Asked> many(memory_);
  if (count > kFew && !many.reserve(count)) return CT_ERR_NOMEM;
  Asked *asked = count > kFew ? many.begin() : few;
  const auto begin_of = [&](size_t i) { return i == 0 ? 0 : value_ends[i - 1]; };

  for (size_t first = 0; first < count; first += kGroup) {
    const size_t size = std::min(kGroup, count - first);
    const auto key_of = [&](size_t i) {
      const size_t begin = first + i == 0 ? 0 : key_ends[first + i - 1];
      return Bytes{keys + begin, key_ends[first + i] - begin};
    };
    look_ahead(size, key_of, asked + first);
    visit_runs(asked + first, size, [&](Shard &shard, size_t from, uint32_t run) {
      ShardBatch(shard).find_some(asked + first + from, run, now, statuses + first + from);
    });
  }
  for (size_t i = 0; i < count; i++) {
    value_ends[i] = begin_of(i) + (statuses[i] == CT_OK ? asked[i].found.size : 0);
  }
  if (begin_of(count) > capacity) return CT_ERR_BUFFER;
  bool copied = true;
  visit_runs(asked, count, [&](Shard &shard, size_t first, uint32_t run) {
    copied = copied && ShardBatch(shard).copy_some(asked + first, run, now,
                                                   buffer + begin_of(first), statuses + first);
  });
  if (!copied) {
    const ct_status status = copy_pinned(asked, count, now, buffer, capacity, value_ends, statuses);
    if (status != CT_OK) return status;
  }
  visit_runs(asked, count, [&](Shard &shard, size_t first, uint32_t run) {
    ShardBatch(shard).use_some(asked + first, run, now, statuses + first);
  });
  return CT_OK;
}

// Pins all values that are there now, and copies these.
ct_status Cache::copy_pinned(Asked *asked, size_t count, Now &now, char *buffer, size_t capacity,
                             size_t *value_ends, ct_status *statuses) {
  Array<ct_value> values(memory_);
  if (!values.reserve(count)) return CT_ERR_NOMEM;
  ct_status status = CT_OK;
  size_t end = 0;
  for (size_t i = 0; i < count && status >= 0; i++) {
    const Probe &probe = asked[i].probe;
    values.push(ct_value CT_VALUE_INIT);
    status = statuses[i] = shard_of(probe).peek(probe, now, &values.back());
    value_ends[i] = end += values.back().size;
    asked[i].found = {};
  }
  if (status >= 0) status = end > capacity ? CT_ERR_BUFFER : CT_OK;
  for (uint32_t i = 0; i < values.size(); i++) {
    ct_value &value = values[i];
    if (value.pin == 0) continue;
    if (status == CT_OK && value.size > 0) {
      std::memcpy(buffer + value_ends[i] - value.size, value.data, value.size);
    }
    Shard::of_pin(value.pin).release(&value);
  }
  return status;
}

ct_status Cache::set_many(const char *data, const size_t *ends, size_t count,
                          const ct_entry_options &entry, ct_status *statuses) {
  Now now(clock_);
  ct_status first_failure = CT_OK;
  const auto key_of = [&](size_t i) {
    const size_t begin = i == 0 ? 0 : ends[2 * i - 1];
    const size_t size = ends[2 * i] - begin;
    return Bytes{data + begin, is_too_long(size) ? 0 : size};
  };
  Asked asked[kGroup];
  for (size_t first = 0; first < count; first += kGroup) {
    const size_t size = std::min(kGroup, count - first);
    look_ahead(
        size, [&](size_t i) { return key_of(first + i); }, asked);
    for (size_t i = first; i < first + size; i++) {
      const Probe &probe = asked[i - first].probe;
      const size_t *pair = ends + 2 * i;
      const Bytes value = {data + pair[0], pair[1] - pair[0]};
      const bool too_long = is_too_long(static_cast<uint64_t>(data + pair[0] - probe.key.data)) ||
                            is_too_long(value.size);
      const ct_status status = too_long ? CT_ERR_TOO_LARGE : set(probe, value, entry, now);
      if (statuses != nullptr) statuses[i] = status;
      if (status < 0 && first_failure == CT_OK) first_failure = status;
    }
  }
  return first_failure;
}

}  // namespace ct
