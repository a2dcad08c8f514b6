/* SPDX-License-Identifier: MIT */
#ifndef CACHETOOLS_REDIS_H
#define CACHETOOLS_REDIS_H
#include <cachetools.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct ct_redis ct_redis;
#define CT_REDIS_NO_THREAD 0x1u
#define CT_REDIS_RAW 0x2u
typedef enum ct_redis_event_kind {
  CT_REDIS_ONLINE = 0,
  CT_REDIS_OFFLINE = 1,
  CT_REDIS_OVERFLOW = 2,
  CT_REDIS_UNKNOWN_TRAILER =
      3
} ct_redis_event_kind;
typedef struct ct_redis_event {
  int32_t kind;
  uint32_t reserved;
  ct_bytes key;
  ct_bytes text;
} ct_redis_event;
typedef void (*ct_redis_listener_fn)(void *user_data, const ct_redis_event *event);
typedef struct ct_redis_options {
  size_t struct_size;
  uint32_t flags;
  uint32_t reserved;
  const char *url;
  ct_cache *near;
  const void *prefix;
  size_t prefix_size;
  uint64_t ttl;
  uint64_t near_ttl;
  uint64_t offline_ttl;
  uint64_t max_stale;
  uint64_t timeout;
  uint64_t lease;
  uint64_t max_value;
  uint64_t max_pending;
  void *user_data;
  ct_redis_listener_fn listener;
} ct_redis_options;
#define CT_REDIS_OPTIONS_INIT \
  { \
    sizeof(ct_redis_options), 0, 0, CT_NULL_, CT_NULL_, CT_NULL_, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        CT_NULL_, CT_NULL_ \
  }
CT_API void ct_redis_options_init(ct_redis_options *options, size_t struct_size);
CT_API const char *ct_redis_problem(const ct_redis_options *options);
CT_API ct_status ct_redis_open(const ct_redis_options *options, ct_redis **out);
CT_API void ct_redis_close(ct_redis *tier);
CT_API ct_status ct_redis_wait(ct_redis *tier, uint64_t wait_ns);
CT_API ct_status ct_redis_sync(ct_redis *tier);
CT_API ct_status ct_redis_get(ct_redis *tier, const void *key, size_t key_size, ct_value *out);
CT_API ct_status ct_redis_get_copy(ct_redis *tier, const void *key, size_t key_size, void *buffer,
                                   size_t capacity, size_t *size);
CT_API ct_status ct_redis_get_many(ct_redis *tier, const ct_bytes *keys, size_t count,
                                   ct_value *values, ct_status *statuses);
CT_API ct_status ct_redis_get_or_load(ct_redis *tier, const void *key, size_t key_size,
                                      uint64_t ttl, ct_loader_fn load, void *user_data,
                                      ct_value *out);
CT_API bool ct_redis_is_fresh(const ct_redis *tier);
CT_API ct_status ct_redis_set(ct_redis *tier, const void *key, size_t key_size, const void *value,
                              size_t value_size, uint64_t ttl);
CT_API ct_status ct_redis_delete(ct_redis *tier, const void *key, size_t key_size);
CT_API int ct_redis_fd(const ct_redis *tier);
CT_API ct_status ct_redis_step(ct_redis *tier);
typedef struct ct_redis_counters {
  size_t struct_size;
  uint64_t server_hits;
  uint64_t server_misses;
  uint64_t loads;
  uint64_t fills;
  uint64_t fills_refused;
  uint64_t unkept_loads;
  uint64_t offline_loads;
  uint64_t lease_waits;
  uint64_t writes;
  uint64_t invalidations;
  uint64_t flushes;
  uint64_t connects;
  uint64_t disconnects;
  uint64_t timeouts;
  uint64_t unknown_trailers;
  uint64_t overflows;
  uint64_t remembered;
  uint64_t pending_bytes;
  uint64_t online;
  uint64_t proof_age_ns;
} ct_redis_counters;
#define CT_REDIS_COUNTERS_INIT \
  { sizeof(ct_redis_counters), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
CT_API void ct_redis_counters_init(ct_redis_counters *counters, size_t struct_size);
CT_API ct_status ct_redis_stats(ct_redis *tier, ct_redis_counters *out);
#ifdef __cplusplus
}
#endif
#endif
