/* SPDX-License-Identifier: MIT */
/* Pins the numbers of the ABI: every enumerator, every macro, and where each field of a struct lies
 * in LP64. Programs and bindings have them compiled in, so a change here is a change of the ABI.
 * There is nothing to run: if this compiles, it passes. */
#include <cachetools.h>

#define PIN(constant, number) _Static_assert((constant) == (number), #constant)

/* Where pointers have another size, structs have another layout. */
#define PIN_SIZE(type, size) \
  _Static_assert(sizeof(void *) != 8 || sizeof(type) == (size), "sizeof(" #type ")")
#define PIN_FIELD(type, field, offset) \
  _Static_assert(sizeof(void *) != 8 || offsetof(type, field) == (offset), #type "." #field)
#define PIN_TYPE(type, field, of) \
  _Static_assert(_Generic(((type *)0)->field, of : 1, default : 0), #type "." #field " is " #of)

PIN(sizeof(ct_status), 4);
PIN(CT_STATUS_RANGE_MIN_, -0x7fffffff - 1);
PIN(CT_ERR_CALLBACK, -10);
PIN(CT_ERR_UNSUPPORTED, -9);
PIN(CT_ERR_INTERNAL, -8);
PIN(CT_ERR_IO, -7);
PIN(CT_ERR_CORRUPT, -6);
PIN(CT_ERR_RECURSION, -5);
PIN(CT_ERR_BUFFER, -4);
PIN(CT_ERR_TOO_LARGE, -3);
PIN(CT_ERR_NOMEM, -2);
PIN(CT_ERR_INVALID, -1);
PIN(CT_OK, 0);
PIN(CT_MISS, 1);
PIN(CT_EXISTS, 2);
PIN(CT_NOT_STORED, 3);
PIN(CT_LEASED, 4);
PIN(CT_BUSY, 5);
PIN(CT_END, 6);
PIN(CT_STATUS_RANGE_MAX_, 0x7fffffff);

PIN(sizeof(ct_policy), 4);
PIN(CT_POLICY_LRU, 0);
PIN(CT_POLICY_FIFO, 1);
PIN(CT_POLICY_LFU, 2);
PIN(CT_POLICY_RR, 3);
PIN(CT_POLICY_TTL, 4);
PIN(CT_POLICY_TLRU, 5);
PIN(CT_POLICY_ANY, 6);
PIN(CT_POLICY_MRU, 7);
PIN(CT_POLICY_CLOCK, 8);
PIN(CT_POLICY_SIEVE, 9);
PIN(CT_POLICY_S3FIFO, 10);
PIN(CT_POLICY_WTINYLFU, 11);
PIN(CT_POLICY_ARC, 12);
PIN(CT_POLICY_ADAPTIVE, 13);
PIN(CT_POLICY_CUSTOM, 63);
PIN(CT_POLICY_RANGE_MAX_, 0x7fffffff);

PIN(CT_CAUSE_EVICTED, 0);
PIN(CT_CAUSE_EXPIRED, 1);
PIN(CT_CAUSE_REPLACED, 2);
PIN(CT_CAUSE_REMOVED, 3);
PIN(CT_CAUSE_CLEARED, 4);

PIN(CT_WEIGHT_COUNT, 0);
PIN(CT_WEIGHT_VALUE, 1);
PIN(CT_WEIGHT_MEMORY, 2);

PIN(CT_NEVER, UINT64_MAX);
PIN(CT_NANOSECONDS(7), 7);
PIN(CT_MICROSECONDS(7), 7000);
PIN(CT_MILLISECONDS(7), 7000000);
PIN(CT_SECONDS(7), 7000000000);
PIN(CT_MINUTES(7), 420000000000);
PIN(CT_HOURS(7), 25200000000000);
PIN(CT_NANOSECONDS(0), 0);
PIN(CT_HOURS(0), 0);
PIN(CT_NANOSECONDS(-1), 0);
PIN(CT_SECONDS(INT64_MIN), 0);
PIN(CT_NANOSECONDS(CT_NEVER), CT_NEVER);
PIN(CT_MICROSECONDS(UINT64_MAX / 1000), UINT64_MAX / 1000 * 1000);
PIN(CT_MICROSECONDS(UINT64_MAX / 1000 + 1), CT_NEVER);
PIN(CT_SECONDS(18446744073), 18446744073000000000u);
PIN(CT_SECONDS(18446744074), CT_NEVER);
PIN(CT_HOURS(5124095), 18446742000000000000u);
PIN(CT_HOURS(5124096), CT_NEVER);
PIN(CT_HOURS(UINT64_MAX), CT_NEVER);
_Static_assert(sizeof CT_SECONDS(1) == 8 && _Generic(CT_SECONDS(1), uint64_t : 1, default : 0),
               "a uint64_t");
PIN(CT_UNBOUNDED, UINT64_MAX);
PIN(CT_NOW, UINT64_MAX);

PIN(CT_FLAG_SINGLE_THREADED, 1u);
PIN(CT_FLAG_NO_STATS, 2u);
PIN(CT_FLAG_PRECISE_CLOCK, 4u);
PIN(CT_FLAG_KEEP_NOTHING, 8u);
PIN(CT_FLAG_DROP_LOADED, 16u);
PIN(CT_FLAG_COST_BY_TIME, 32u);
PIN(CT_FLAG_CURVE, 64u);

PIN(CT_ENTRY_TTL, 1u);
PIN(CT_ENTRY_DEADLINE, 2u);
PIN(CT_ENTRY_WEIGHT, 4u);
PIN(CT_ENTRY_IF_ABSENT, 8u);
PIN(CT_ENTRY_IF_PRESENT, 16u);
PIN(CT_ENTRY_IF_SAME, 32u);
PIN(CT_ENTRY_KEEP_TTL, 64u);
PIN(CT_ENTRY_TAGS, 128u);
PIN(CT_ENTRY_COST, 256u);

PIN(CT_ORDER_ANY, 0);
PIN(CT_ORDER_COLDEST, 1);
PIN(CT_ORDER_HOTTEST, 2);

PIN(CT_KEY_TYPED, 1u);
PIN(CT_MEMO_TYPED, 1u);
PIN(CT_MEMO_RACE, 2u);
PIN(CT_INFO_NO_CACHE, 1u);
PIN(CT_SNAPSHOT_AGED, 1u);

PIN_SIZE(ct_bytes, 16);
PIN_FIELD(ct_bytes, data, 0);
PIN_FIELD(ct_bytes, size, 8);

PIN_SIZE(ct_value, 24);
PIN_FIELD(ct_value, data, 0);
PIN_FIELD(ct_value, size, 8);
PIN_FIELD(ct_value, pin, 16);
PIN_TYPE(ct_value, pin, uint64_t);

PIN_SIZE(ct_event, 48);
PIN_FIELD(ct_event, key, 0);
PIN_FIELD(ct_event, value, 16);
PIN_FIELD(ct_event, weight, 32);
PIN_FIELD(ct_event, cause, 40);
PIN_FIELD(ct_event, reserved, 44);
PIN_TYPE(ct_event, cause, int32_t);

PIN_SIZE(ct_allocator, 32);
PIN_FIELD(ct_allocator, struct_size, 0);
PIN_FIELD(ct_allocator, alloc, 8);
PIN_FIELD(ct_allocator, free, 16);
PIN_FIELD(ct_allocator, ctx, 24);

PIN_SIZE(ct_policy_ops, 88);
PIN_FIELD(ct_policy_ops, struct_size, 0);
PIN_FIELD(ct_policy_ops, state_new, 8);
PIN_FIELD(ct_policy_ops, state_free, 16);
PIN_FIELD(ct_policy_ops, on_insert, 24);
PIN_FIELD(ct_policy_ops, on_update, 32);
PIN_FIELD(ct_policy_ops, on_hit, 40);
PIN_FIELD(ct_policy_ops, on_remove, 48);
PIN_FIELD(ct_policy_ops, on_clear, 56);
PIN_FIELD(ct_policy_ops, on_resize, 64);
PIN_FIELD(ct_policy_ops, victim, 72);
PIN_FIELD(ct_policy_ops, on_reweigh, 80);

PIN_SIZE(ct_options, 168);
PIN_FIELD(ct_options, struct_size, 0);
PIN_FIELD(ct_options, policy, 8);
PIN_FIELD(ct_options, weight_kind, 12);
PIN_FIELD(ct_options, maxsize, 16);
PIN_FIELD(ct_options, shards, 24);
PIN_FIELD(ct_options, flags, 28);
PIN_FIELD(ct_options, ttl, 32);
PIN_FIELD(ct_options, tti, 40);
PIN_FIELD(ct_options, seed, 48);
PIN_FIELD(ct_options, user_data, 56);
PIN_FIELD(ct_options, timer, 64);
PIN_FIELD(ct_options, ttu, 72);
PIN_FIELD(ct_options, weigher, 80);
PIN_FIELD(ct_options, choice, 88);
PIN_FIELD(ct_options, listener, 96);
PIN_FIELD(ct_options, drop, 104);
PIN_FIELD(ct_options, custom, 112);
PIN_FIELD(ct_options, allocator, 120);
PIN_FIELD(ct_options, refresh_ahead, 128);
PIN_FIELD(ct_options, stale, 136);
PIN_FIELD(ct_options, retry, 144);
PIN_FIELD(ct_options, negative_ttl, 152);
PIN_FIELD(ct_options, jitter, 160);
PIN_TYPE(ct_options, policy, int32_t);
PIN_TYPE(ct_options, weight_kind, int32_t);

PIN_SIZE(ct_entry_options, 72);
PIN_FIELD(ct_entry_options, struct_size, 0);
PIN_FIELD(ct_entry_options, flags, 8);
PIN_FIELD(ct_entry_options, reserved, 12);
PIN_FIELD(ct_entry_options, ttl, 16);
PIN_FIELD(ct_entry_options, deadline, 24);
PIN_FIELD(ct_entry_options, weight, 32);
PIN_FIELD(ct_entry_options, same, 40);
PIN_FIELD(ct_entry_options, tags, 48);
PIN_FIELD(ct_entry_options, tag_count, 56);
PIN_FIELD(ct_entry_options, cost, 64);

PIN_SIZE(ct_entry_info, 56);
PIN_FIELD(ct_entry_info, struct_size, 0);
PIN_FIELD(ct_entry_info, weight, 8);
PIN_FIELD(ct_entry_info, deadline, 16);
PIN_FIELD(ct_entry_info, remaining, 24);
PIN_FIELD(ct_entry_info, frequency, 32);
PIN_FIELD(ct_entry_info, key_size, 40);
PIN_FIELD(ct_entry_info, value_size, 48);

PIN_SIZE(ct_stats, 256);
PIN_FIELD(ct_stats, struct_size, 0);
PIN_FIELD(ct_stats, hits, 8);
PIN_FIELD(ct_stats, misses, 16);
PIN_FIELD(ct_stats, inserts, 24);
PIN_FIELD(ct_stats, updates, 32);
PIN_FIELD(ct_stats, evictions, 40);
PIN_FIELD(ct_stats, evicted_weight, 48);
PIN_FIELD(ct_stats, expirations, 56);
PIN_FIELD(ct_stats, removals, 64);
PIN_FIELD(ct_stats, rejections, 72);
PIN_FIELD(ct_stats, loads, 80);
PIN_FIELD(ct_stats, load_failures, 88);
PIN_FIELD(ct_stats, load_ticks, 96);
PIN_FIELD(ct_stats, waits, 104);
PIN_FIELD(ct_stats, pinned, 112);
PIN_FIELD(ct_stats, shared_failures, 120);
PIN_FIELD(ct_stats, stale_served, 128);
PIN_FIELD(ct_stats, renewals, 136);
PIN_FIELD(ct_stats, renewal_failures, 144);
PIN_FIELD(ct_stats, negative_hits, 152);
PIN_FIELD(ct_stats, load_buckets, 160);
PIN(sizeof((ct_stats){0}.load_buckets), 12 * 8);

PIN_SIZE(ct_load_options, 32);
PIN_FIELD(ct_load_options, struct_size, 0);
PIN_FIELD(ct_load_options, flags, 8);
PIN_FIELD(ct_load_options, reserved, 12);
PIN_FIELD(ct_load_options, timeout_ns, 16);
PIN_FIELD(ct_load_options, stale_after_ns, 24);

PIN_SIZE(ct_memo_options, 80);
PIN_FIELD(ct_memo_options, struct_size, 0);
PIN_FIELD(ct_memo_options, flags, 8);
PIN_FIELD(ct_memo_options, reserved, 12);
PIN_FIELD(ct_memo_options, user_data, 16);
PIN_FIELD(ct_memo_options, fn, 24);
PIN_FIELD(ct_memo_options, key, 32);
PIN_FIELD(ct_memo_options, cache, 40);
PIN_FIELD(ct_memo_options, cache_of, 48);
PIN_FIELD(ct_memo_options, own, 56);
PIN_FIELD(ct_memo_options, prefix, 64);
PIN_FIELD(ct_memo_options, prefix_size, 72);

PIN_SIZE(ct_cache_info, 48);
PIN_FIELD(ct_cache_info, struct_size, 0);
PIN_FIELD(ct_cache_info, hits, 8);
PIN_FIELD(ct_cache_info, misses, 16);
PIN_FIELD(ct_cache_info, maxsize, 24);
PIN_FIELD(ct_cache_info, currsize, 32);
PIN_FIELD(ct_cache_info, flags, 40);
PIN_FIELD(ct_cache_info, reserved, 44);

int main(void) {
  return 0;
}
