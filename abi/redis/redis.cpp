// SPDX-License-Identifier: MIT
// The boundary of libcachetools-redis. Exported functions check arguments, call src/redis/, and
// translate the result.
#include <cachetools-redis.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

#include "redis/link.hpp"

using ct::redis::Bytes;
using ct::redis::CoarseTime;
using ct::redis::Link;
using ct::redis::Settings;
using ct::redis::Tier;

namespace {

// A child of fork may only close the tier; it leaves its memory, and locks that may be held, alone.
struct Handle {
  Link link;
  pid_t pid = getpid();
};

Tier &tier_of(ct_redis *tier) { return reinterpret_cast<Handle *>(tier)->link.tier(); }

Bytes bytes(const void *data, size_t size) {
  return {data == nullptr ? "" : static_cast<const char *>(data), size};
}

ct_status check_bytes(const void *data, size_t size) {
  if (size > UINT32_MAX) return CT_ERR_TOO_LARGE;
  return data == nullptr && size > 0 ? CT_ERR_INVALID : CT_OK;
}

ct_status check_key(const ct_redis *tier, const void *key, size_t key_size) {
  return tier == nullptr ? CT_ERR_INVALID : check_bytes(key, key_size);
}

void zero(ct_value *value) {
  if (value != nullptr) *value = ct_value CT_VALUE_INIT;
}

// The function form of an initializer.
template <class T>
void init_struct(T *to, size_t size, T from) {
  if (to == nullptr) return;
  std::memset(static_cast<void *>(to), 0, size);
  from.struct_size = size;
  std::memcpy(static_cast<void *>(to), &from, size < sizeof(T) ? size : sizeof(T));
}

void destroy(Handle *handle) {
  handle->~Handle();
  std::free(handle);
}

}  // namespace

void ct_redis_options_init(ct_redis_options *options, size_t struct_size) {
  init_struct(options, struct_size, ct_redis_options CT_REDIS_OPTIONS_INIT);
}

void ct_redis_counters_init(ct_redis_counters *counters, size_t struct_size) {
  init_struct(counters, struct_size, ct_redis_counters CT_REDIS_COUNTERS_INIT);
}

const char *ct_redis_problem(const ct_redis_options *options) {
  Settings settings;
  return settings.read(options);
}

ct_status ct_redis_open(const ct_redis_options *options, ct_redis **out) {
  if (out == nullptr) return CT_ERR_INVALID;
  *out = nullptr;
  void *memory = std::aligned_alloc(alignof(Handle), sizeof(Handle));
  if (memory == nullptr) return CT_ERR_NOMEM;
  auto *handle = new (memory) Handle;
  const char *problem = handle->link.tier().settings().read(options);
  ct_status status = CT_OK;
  if (problem != nullptr) {
    status = problem == ct::redis::kNoMemory ? CT_ERR_NOMEM
             : problem == ct::redis::kNoTls  ? CT_ERR_UNSUPPORTED
                                             : CT_ERR_INVALID;
  } else {
    status = handle->link.open();
  }
  if (status == CT_OK) {
    *out = reinterpret_cast<ct_redis *>(handle);
  } else {
    destroy(handle);
  }
  return status;
}

void ct_redis_close(ct_redis *tier) {
  if (tier == nullptr) return;
  auto *handle = reinterpret_cast<Handle *>(tier);
  const bool is_child = handle->pid != getpid();
  handle->link.close(is_child);
  if (!is_child) destroy(handle);
}

ct_status ct_redis_wait(ct_redis *tier, uint64_t wait_ns) {
  return tier == nullptr ? CT_ERR_INVALID : tier_of(tier).wait_until_online(wait_ns);
}

ct_status ct_redis_sync(ct_redis *tier) {
  return tier == nullptr ? CT_ERR_INVALID : tier_of(tier).sync();
}

// Reads look into near before they check anything, as near checks the same. A hit costs the gate.
// Their arguments lie in memory meanwhile: to keep one in a register, a hit would have to save, set,
// use and restore that.
ct_status ct_redis_get(ct_redis *tier, const void *key, size_t key_size, ct_value *out) {
  const volatile struct {
    ct_redis *tier;
    const void *key;
    size_t size;
    ct_value *out;
  } its = {tier, key, key_size, out};
  const CoarseTime now;
  ct_redis *const it = its.tier;
  if (it != nullptr && tier_of(it).gate_is_open(now)) {
    const ct_status near = ct_get(tier_of(it).near(), its.key, its.size, its.out);
    if (near != CT_MISS) return near;
  }
  zero(its.out);
  const ct_status status = check_key(its.tier, its.key, its.size);
  if (status != CT_OK) return status;
  return tier_of(its.tier).get(bytes(its.key, its.size), its.out);
}

ct_status ct_redis_get_copy(ct_redis *tier, const void *key, size_t key_size, void *buffer,
                            size_t capacity, size_t *size) {
  const volatile struct {
    ct_redis *tier;
    const void *key;
    size_t size;
    void *buffer;
    size_t capacity;
    size_t *out;
  } its = {tier, key, key_size, buffer, capacity, size};
  const CoarseTime now;
  ct_redis *const it = its.tier;
  if (it != nullptr && tier_of(it).gate_is_open(now)) {
    const ct_status near =
        ct_get_copy(tier_of(it).near(), its.key, its.size, its.buffer, its.capacity, its.out);
    if (near != CT_MISS) return near;
  }
  if (its.out != nullptr) *its.out = 0;
  const ct_status status = check_key(its.tier, its.key, its.size);
  if (status != CT_OK) return status;
  if (its.buffer == nullptr && its.capacity > 0) return CT_ERR_INVALID;
  return tier_of(its.tier).get_copy(bytes(its.key, its.size), its.buffer, its.capacity, its.out);
}

ct_status ct_redis_get_many(ct_redis *tier, const ct_bytes *keys, size_t count, ct_value *values,
                            ct_status *statuses) {
  for (size_t i = 0; i < count && values != nullptr; i++) zero(&values[i]);
  for (size_t i = 0; i < count && statuses != nullptr; i++) statuses[i] = CT_OK;
  if (tier == nullptr) return CT_ERR_INVALID;
  if (count > 0 && (keys == nullptr || values == nullptr || statuses == nullptr)) {
    return CT_ERR_INVALID;
  }
  if (count > UINT32_MAX) return CT_ERR_TOO_LARGE;
  for (size_t i = 0; i < count; i++) {
    const ct_status status = check_bytes(keys[i].data, keys[i].size);
    if (status != CT_OK) return status;
  }
  return tier_of(tier).get_many(keys, count, values, statuses);
}

ct_status ct_redis_get_or_load(ct_redis *tier, const void *key, size_t key_size, uint64_t ttl,
                               ct_loader_fn load, void *user_data, ct_value *out) {
  if (tier != nullptr && load != nullptr && tier_of(tier).gate_is_open()) {
    const ct_status near = ct_get(tier_of(tier).near(), key, key_size, out);
    if (near != CT_MISS) return near;
  }
  zero(out);
  const ct_status status = check_key(tier, key, key_size);
  if (status != CT_OK) return status;
  if (load == nullptr) return CT_ERR_INVALID;
  return tier_of(tier).get_or_load(bytes(key, key_size), ttl, load, user_data, out);
}

bool ct_redis_is_fresh(const ct_redis *tier) {
  return tier != nullptr && reinterpret_cast<const Handle *>(tier)->link.tier().gate_is_open();
}

ct_status ct_redis_set(ct_redis *tier, const void *key, size_t key_size, const void *value,
                       size_t value_size, uint64_t ttl) {
  ct_status status = check_key(tier, key, key_size);
  if (status == CT_OK) status = check_bytes(value, value_size);
  if (status != CT_OK) return status;
  return tier_of(tier).set(bytes(key, key_size), bytes(value, value_size), ttl);
}

ct_status ct_redis_delete(ct_redis *tier, const void *key, size_t key_size) {
  const ct_status status = check_key(tier, key, key_size);
  return status != CT_OK ? status : tier_of(tier).remove(bytes(key, key_size));
}

int ct_redis_fd(const ct_redis *tier) {
  if (tier == nullptr) return -1;
  const Link &link = reinterpret_cast<const Handle *>(tier)->link;
  return link.tier().settings().has_thread ? -1 : link.descriptor();
}

ct_status ct_redis_step(ct_redis *tier) {
  return tier == nullptr ? CT_ERR_INVALID : tier_of(tier).step();
}

ct_status ct_redis_stats(ct_redis *tier, ct_redis_counters *out) {
  if (tier == nullptr || out == nullptr) return CT_ERR_INVALID;
  if (!ct::redis::is_known_struct(out)) return CT_ERR_INVALID;
  // In a child of fork a lock may be held for ever.
  if (reinterpret_cast<Handle *>(tier)->pid != getpid()) return CT_ERR_UNSUPPORTED;
  ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
  tier_of(tier).add_stats(&counters);
  counters.struct_size = out->struct_size;
  *out = counters;
  return CT_OK;
}
