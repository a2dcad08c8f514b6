// SPDX-License-Identifier: MIT
// Many keys in one call: they are hashed and their buckets fetched some ahead, then their entries, so
// that the cache misses of a group overlap.
#include <algorithm>
#include <cstring>

#include "cache.hpp"

namespace ct {
namespace {

// As many cache misses as a processor has in flight, about.
constexpr size_t kGroup = 16;
// So many sightings lie on the stack.
constexpr size_t kFew = 64;

}  // namespace

// Calls visit(shard, probes, first, count) for runs of keys that are in one shard, in order.
template <class KeyOf, class Visit>
void Cache::visit_runs(size_t count, KeyOf key_of, Visit visit) {
  Probe probes[kGroup];
  for (size_t first = 0; first < count; first += kGroup) {
    const size_t size = std::min(kGroup, count - first);
    for (size_t i = 0; i < size; i++) {
      probes[i] = probe_of(key_of(first + i));
      shard_of(probes[i]);
    }
    for (size_t begin = 0, end; begin < size; begin = end) {
      Shard &shard = shard_of(probes[begin]);
      end = begin + 1;
      while (end < size && &shard_of(probes[end]) == &shard) end++;
      visit(shard, probes + begin, first + begin, static_cast<uint32_t>(end - begin));
    }
  }
}

ct_status Cache::get_many(const ct_bytes *keys, size_t count, ct_value *values,
                          ct_status *statuses) {
  Now now(clock_);
  ct_status failure = CT_OK;
  const auto key_of = [&](size_t i) {
    return Bytes{static_cast<const char *>(keys[i].data), keys[i].size};
  };
  visit_runs(count, key_of, [&](Shard &shard, const Probe *probes, size_t first, uint32_t run) {
    if (failure == CT_OK) {
      failure = shard.get_some(probes, run, now, values + first, statuses + first);
    }
  });
  if (failure == CT_OK) return CT_OK;
  for (size_t i = 0; i < count; i++) {
    if (values[i].pin != 0) Shard::of_pin(values[i].pin).release(&values[i]);
  }
  std::fill_n(statuses, count, CT_OK);
  return failure;
}

// Nothing may be copied, used or counted before it is known that all values fit. So they are seen
// first; should one have changed when it is to be copied, all are pinned.
ct_status Cache::get_many_copy(const char *keys, const size_t *key_ends, size_t count, char *buffer,
                               size_t capacity, size_t *value_ends, ct_status *statuses) {
  Now now(clock_);
  Sighted few[kFew];
  Array<Sighted> many(memory_);
  if (count > kFew && !many.reserve(count)) return CT_ERR_NOMEM;
  Sighted *seen = count > kFew ? many.begin() : few;
  const auto key_of = [&](size_t i) {
    const size_t begin = i == 0 ? 0 : key_ends[i - 1];
    return Bytes{keys + begin, key_ends[i] - begin};
  };
  const auto begin_of = [&](size_t i) { return i == 0 ? 0 : value_ends[i - 1]; };
  const auto note = [&](size_t i, size_t size) { value_ends[i] = begin_of(i) + size; };

  visit_runs(count, key_of, [&](Shard &shard, const Probe *probes, size_t first, uint32_t run) {
    shard.sight_some(probes, run, now, statuses + first, seen + first);
    for (size_t i = first; i < first + run; i++) note(i, statuses[i] == CT_OK ? seen[i].size : 0);
  });
  if (begin_of(count) > capacity) return CT_ERR_BUFFER;
  bool copied = true;
  visit_runs(count, key_of, [&](Shard &shard, const Probe *probes, size_t first, uint32_t run) {
    copied = copied && shard.copy_some(probes, run, now, buffer + begin_of(first), statuses + first,
                                       seen + first);
  });
  if (!copied) {
    Array<ct_value> values(memory_);
    if (!values.reserve(count)) return CT_ERR_NOMEM;
    ct_status status = CT_OK;
    for (size_t i = 0; i < count && status >= 0; i++) {
      const Probe probe = probe_of(key_of(i));
      values.push(ct_value CT_VALUE_INIT);
      status = statuses[i] = shard_of(probe).peek(probe, now, &values.back());
      note(i, values.back().size);
      seen[i] = {};
    }
    if (status >= 0) status = begin_of(count) > capacity ? CT_ERR_BUFFER : CT_OK;
    for (uint32_t i = 0; i < values.size(); i++) {
      ct_value &value = values[i];
      if (value.pin == 0) continue;
      if (status == CT_OK && value.size > 0)
        std::memcpy(buffer + begin_of(i), value.data, value.size);
      Shard::of_pin(value.pin).release(&value);
    }
    if (status != CT_OK) return status;
  }
  visit_runs(count, key_of, [&](Shard &shard, const Probe *probes, size_t first, uint32_t run) {
    shard.use_some(probes, run, now, statuses + first, seen + first);
  });
  return CT_OK;
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
  visit_runs(count, key_of, [&](Shard &, const Probe *probes, size_t first, uint32_t run) {
    for (size_t i = 0; i < run; i++) {
      const size_t *pair = ends + 2 * (first + i);
      const Bytes value = {data + pair[0], pair[1] - pair[0]};
      const bool too_long =
          is_too_long(static_cast<uint64_t>(data + pair[0] - probes[i].key.data)) ||
          is_too_long(value.size);
      const ct_status status = too_long ? CT_ERR_TOO_LARGE : set(probes[i], value, entry, now);
      if (statuses != nullptr) statuses[first + i] = status;
      if (status < 0 && first_failure == CT_OK) first_failure = status;
    }
  });
  return first_failure;
}

}  // namespace ct
