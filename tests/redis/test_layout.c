/* SPDX-License-Identifier: MIT */
/* Pins the numbers of the ABI of libcachetools-redis, as ../abi/test_layout.c does. */
#include <cachetools-redis.h>

#define PIN(constant, number) _Static_assert((constant) == (number), #constant)
#define PIN_SIZE(type, size) \
  _Static_assert(sizeof(void *) != 8 || sizeof(type) == (size), "sizeof(" #type ")")
#define PIN_FIELD(type, field, offset) \
  _Static_assert(sizeof(void *) != 8 || offsetof(type, field) == (offset), #type "." #field)

PIN(CT_REDIS_NO_THREAD, 1);
PIN(CT_REDIS_RAW, 2);
PIN(CT_REDIS_ONLINE, 0);
PIN(CT_REDIS_OFFLINE, 1);
PIN(CT_REDIS_OVERFLOW, 2);
PIN(CT_REDIS_UNKNOWN_TRAILER, 3);

PIN_SIZE(ct_redis_event, 40);
PIN_FIELD(ct_redis_event, kind, 0);
PIN_FIELD(ct_redis_event, reserved, 4);
PIN_FIELD(ct_redis_event, key, 8);
PIN_FIELD(ct_redis_event, text, 24);

PIN_SIZE(ct_redis_options, 128);
PIN_FIELD(ct_redis_options, struct_size, 0);
PIN_FIELD(ct_redis_options, flags, 8);
PIN_FIELD(ct_redis_options, reserved, 12);
PIN_FIELD(ct_redis_options, url, 16);
PIN_FIELD(ct_redis_options, near, 24);
PIN_FIELD(ct_redis_options, prefix, 32);
PIN_FIELD(ct_redis_options, prefix_size, 40);
PIN_FIELD(ct_redis_options, ttl, 48);
PIN_FIELD(ct_redis_options, near_ttl, 56);
PIN_FIELD(ct_redis_options, offline_ttl, 64);
PIN_FIELD(ct_redis_options, max_stale, 72);
PIN_FIELD(ct_redis_options, timeout, 80);
PIN_FIELD(ct_redis_options, lease, 88);
PIN_FIELD(ct_redis_options, max_value, 96);
PIN_FIELD(ct_redis_options, max_pending, 104);
PIN_FIELD(ct_redis_options, user_data, 112);
PIN_FIELD(ct_redis_options, listener, 120);

PIN_SIZE(ct_redis_counters, 168);
PIN_FIELD(ct_redis_counters, struct_size, 0);
PIN_FIELD(ct_redis_counters, server_hits, 8);
PIN_FIELD(ct_redis_counters, server_misses, 16);
PIN_FIELD(ct_redis_counters, loads, 24);
PIN_FIELD(ct_redis_counters, fills, 32);
PIN_FIELD(ct_redis_counters, fills_refused, 40);
PIN_FIELD(ct_redis_counters, unkept_loads, 48);
PIN_FIELD(ct_redis_counters, offline_loads, 56);
PIN_FIELD(ct_redis_counters, lease_waits, 64);
PIN_FIELD(ct_redis_counters, writes, 72);
PIN_FIELD(ct_redis_counters, invalidations, 80);
PIN_FIELD(ct_redis_counters, flushes, 88);
PIN_FIELD(ct_redis_counters, connects, 96);
PIN_FIELD(ct_redis_counters, disconnects, 104);
PIN_FIELD(ct_redis_counters, timeouts, 112);
PIN_FIELD(ct_redis_counters, unknown_trailers, 120);
PIN_FIELD(ct_redis_counters, overflows, 128);
PIN_FIELD(ct_redis_counters, remembered, 136);
PIN_FIELD(ct_redis_counters, pending_bytes, 144);
PIN_FIELD(ct_redis_counters, online, 152);
PIN_FIELD(ct_redis_counters, proof_age_ns, 160);

int main(void) {
  return 0;
}
