/* SPDX-License-Identifier: MIT */
#ifndef CACHETOOLS_H
#define CACHETOOLS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if defined(__GNUC__)
#define CT_API __attribute__((visibility("default")))
#else
#define CT_API
#endif
#ifdef __cplusplus
#define CT_NULL_ nullptr
#define CT_U64_(number) static_cast<uint64_t>(number)
extern "C" {
#else
#define CT_NULL_ NULL
#define CT_U64_(number) ((uint64_t)(number))
#endif
typedef enum ct_status {
  CT_STATUS_RANGE_MIN_ = -0x7fffffff - 1,
  CT_ERR_CALLBACK = -10,
  CT_ERR_UNSUPPORTED = -9,
  CT_ERR_INTERNAL = -8,
  CT_ERR_IO = -7,
  CT_ERR_CORRUPT = -6,
  CT_ERR_RECURSION = -5,
  CT_ERR_BUFFER = -4,
  CT_ERR_TOO_LARGE = -3,
  CT_ERR_NOMEM = -2,
  CT_ERR_INVALID = -1,
  CT_OK = 0,
  CT_MISS = 1,
  CT_EXISTS = 2,
  CT_NOT_STORED = 3,
  CT_LEASED = 4,
  CT_BUSY = 5,
  CT_END = 6,
  CT_STALE = 7,
  CT_RENEW = 8,
  CT_PENDING = 9,
  CT_STATUS_RANGE_MAX_ = 0x7fffffff
} ct_status;
typedef enum ct_policy {
  CT_POLICY_LRU = 0,
  CT_POLICY_FIFO = 1,
  CT_POLICY_LFU = 2,
  CT_POLICY_RR = 3,
  CT_POLICY_TTL = 4,
  CT_POLICY_TLRU = 5,
  CT_POLICY_ANY = 6,
  CT_POLICY_MRU = 7,
  CT_POLICY_CLOCK = 8,
  CT_POLICY_SIEVE = 9,
  CT_POLICY_S3FIFO = 10,
  CT_POLICY_WTINYLFU = 11,
  CT_POLICY_ARC = 12,
  CT_POLICY_ADAPTIVE = 13,
  CT_POLICY_CUSTOM = 63,
  CT_POLICY_RANGE_MAX_ = 0x7fffffff
} ct_policy;
typedef struct ct_cache ct_cache;
CT_API ct_cache *ct_cache_new(ct_policy policy, uint64_t maxsize);
CT_API ct_status ct_set(ct_cache *cache, const void *key, size_t key_size, const void *value,
                        size_t value_size);
typedef struct ct_value {
  const void *data;
  size_t size;
  uint64_t pin;
} ct_value;
CT_API ct_status ct_get(ct_cache *cache, const void *key, size_t key_size, ct_value *out);
CT_API void ct_value_release(ct_value *value);
CT_API ct_status ct_delete(ct_cache *cache, const void *key, size_t key_size);
CT_API void ct_cache_free(ct_cache *cache);
CT_API ct_status ct_get_copy(ct_cache *cache, const void *key, size_t key_size, void *buffer,
                             size_t capacity, size_t *size);
CT_API ct_status ct_peek(ct_cache *cache, const void *key, size_t key_size, ct_value *out);
CT_API bool ct_contains(ct_cache *cache, const void *key, size_t key_size);
#define CT_VALUE_INIT \
  { CT_NULL_, 0, 0 }
CT_API ct_status ct_value_ref(const ct_value *value, ct_value *out);
#define CT_NEVER UINT64_MAX
#define CT_TICKS_(number,each) \
  (((number) | 0) > 0 \
       ? (CT_U64_(number) * (each) / (each) == CT_U64_(number) ? CT_U64_(number) * (each) \
                                                               : CT_NEVER) \
       : CT_U64_(0))
#define CT_NANOSECONDS(number) CT_TICKS_(number, CT_U64_(1))
#define CT_MICROSECONDS(number) CT_TICKS_(number, CT_U64_(1000))
#define CT_MILLISECONDS(number) CT_TICKS_(number, CT_U64_(1000000))
#define CT_SECONDS(number) CT_TICKS_(number, CT_U64_(1000000000))
#define CT_MINUTES(number) CT_TICKS_(number, CT_U64_(60) * 1000000000)
#define CT_HOURS(number) CT_TICKS_(number, CT_U64_(3600) * 1000000000)
CT_API ct_status ct_set_ttl(ct_cache *cache, const void *key, size_t key_size, const void *value,
                            size_t value_size, uint64_t ttl);
#define CT_ENTRY_TTL 0x1u
#define CT_ENTRY_DEADLINE 0x2u
#define CT_ENTRY_WEIGHT 0x4u
#define CT_ENTRY_IF_ABSENT 0x8u
#define CT_ENTRY_IF_PRESENT 0x10u
#define CT_ENTRY_IF_SAME 0x20u
#define CT_ENTRY_KEEP_TTL 0x40u
#define CT_ENTRY_TAGS 0x80u
#define CT_ENTRY_COST 0x100u
typedef struct ct_bytes {
  const void *data;
  size_t size;
} ct_bytes;
typedef struct ct_entry_options {
  size_t struct_size;
  uint32_t flags;
  uint32_t reserved;
  uint64_t ttl;
  uint64_t deadline;
  uint64_t weight;
  const ct_value *same;
  const ct_bytes *tags;
  size_t tag_count;
  uint64_t cost;
} ct_entry_options;
#define CT_ENTRY_OPTIONS_INIT \
  { sizeof(ct_entry_options), 0, 0, 0, 0, 0, CT_NULL_, CT_NULL_, 0, 0 }
CT_API void ct_entry_options_init(ct_entry_options *options, size_t struct_size);
CT_API const char *ct_entry_options_problem(const ct_cache *cache, const ct_entry_options *options);
CT_API ct_status ct_set_with(ct_cache *cache, const void *key, size_t key_size, const void *value,
                             size_t value_size, const ct_entry_options *options);
CT_API ct_status ct_add(ct_cache *cache, const void *key, size_t key_size, int64_t delta,
                        int64_t initial, const ct_entry_options *options, int64_t *out);
CT_API ct_status ct_setdefault(ct_cache *cache, const void *key, size_t key_size, const void *value,
                               size_t value_size, ct_value *out);
CT_API ct_status ct_pop(ct_cache *cache, const void *key, size_t key_size, ct_value *out);
CT_API ct_status ct_delete_if(ct_cache *cache, const void *key, size_t key_size,
                              const ct_value *same);
CT_API ct_status ct_popitem(ct_cache *cache, ct_value *key, ct_value *value);
CT_API ct_status ct_clear(ct_cache *cache);
typedef bool (*ct_match_fn)(void *user_data, const void *key, size_t key_size, const void *value,
                            size_t value_size);
CT_API uint64_t ct_remove_if(ct_cache *cache, ct_match_fn match, void *user_data);
CT_API ct_status ct_invalidate_tag(ct_cache *cache, const void *tag, size_t tag_size,
                                   uint32_t flags);
CT_API ct_status ct_get_many(ct_cache *cache, const ct_bytes *keys, size_t count, ct_value *values,
                             ct_status *statuses);
CT_API ct_status ct_get_many_copy(ct_cache *cache, const void *keys, const size_t *key_ends,
                                  size_t count, void *buffer, size_t capacity, size_t *value_ends,
                                  ct_status *statuses);
CT_API ct_status ct_set_many(ct_cache *cache, const void *data, const size_t *ends, size_t count,
                             const ct_entry_options *options, ct_status *statuses);
typedef uint64_t (*ct_timer_fn)(void *user_data);
typedef uint64_t (*ct_ttu_fn)(void *user_data, const void *key, size_t key_size, const void *value,
                              size_t value_size, uint64_t now);
typedef uint64_t (*ct_weigher_fn)(void *user_data, const void *key, size_t key_size,
                                  const void *value, size_t value_size);
typedef uint64_t (*ct_choice_fn)(void *user_data, uint64_t count);
typedef enum ct_cause {
  CT_CAUSE_EVICTED = 0,
  CT_CAUSE_EXPIRED = 1,
  CT_CAUSE_REPLACED = 2,
  CT_CAUSE_REMOVED = 3,
  CT_CAUSE_CLEARED = 4
} ct_cause;
typedef struct ct_event {
  ct_bytes key;
  ct_bytes value;
  uint64_t weight;
  int32_t cause;
  uint32_t reserved;
} ct_event;
typedef void (*ct_listener_fn)(void *user_data, const ct_event *event);
typedef void (*ct_drop_fn)(void *user_data, const void *value, size_t value_size);
typedef void (*ct_visit_fn)(void *user_data, const ct_event *event);
typedef struct ct_policy_ops ct_policy_ops;
typedef struct ct_allocator ct_allocator;
typedef enum ct_weight_kind {
  CT_WEIGHT_COUNT = 0,
  CT_WEIGHT_VALUE = 1,
  CT_WEIGHT_MEMORY = 2
} ct_weight_kind;
#define CT_UNBOUNDED UINT64_MAX
#define CT_FLAG_SINGLE_THREADED 0x1u
#define CT_FLAG_NO_STATS 0x2u
#define CT_FLAG_PRECISE_CLOCK 0x4u
#define CT_FLAG_KEEP_NOTHING 0x8u
#define CT_FLAG_DROP_LOADED 0x10u
#define CT_FLAG_COST_BY_TIME 0x20u
#define CT_FLAG_CURVE 0x40u
typedef struct ct_options {
  size_t struct_size;
  int32_t policy;
  int32_t weight_kind;
  uint64_t maxsize;
  uint32_t shards;
  uint32_t flags;
  uint64_t ttl;
  uint64_t tti;
  uint64_t seed;
  void *user_data;
  ct_timer_fn timer;
  ct_ttu_fn ttu;
  ct_weigher_fn weigher;
  ct_choice_fn choice;
  ct_listener_fn listener;
  ct_drop_fn drop;
  const ct_policy_ops *custom;
  const ct_allocator *allocator;
  uint64_t refresh_ahead;
  uint64_t stale;
  uint64_t retry;
  uint64_t negative_ttl;
  uint64_t jitter;
} ct_options;
#define CT_OPTIONS_INIT \
  { \
    sizeof(ct_options), 0, 0, 0, 0, 0, 0, 0, 0, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, \
        CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, 0, 0, 0, 0, 0 \
  }
CT_API void ct_options_init(ct_options *options, size_t struct_size);
CT_API const char *ct_options_problem(const ct_options *options);
CT_API ct_status ct_cache_new_with(const ct_options *options, ct_cache **out);
CT_API ct_status ct_cache_copy(ct_cache *cache, ct_cache **out);
CT_API ct_status ct_cache_options(const ct_cache *cache, ct_options *out);
CT_API ct_status ct_set_lifetime(ct_cache *cache, const void *key, size_t key_size, uint64_t ttl);
typedef struct ct_entry_info {
  size_t struct_size;
  uint64_t weight;
  uint64_t deadline;
  uint64_t remaining;
  uint64_t frequency;
  uint64_t key_size;
  uint64_t value_size;
} ct_entry_info;
#define CT_ENTRY_INFO_INIT \
  { sizeof(ct_entry_info), 0, 0, 0, 0, 0, 0 }
CT_API void ct_entry_info_init(ct_entry_info *info, size_t struct_size);
CT_API ct_status ct_inspect(ct_cache *cache, const void *key, size_t key_size, ct_entry_info *out);
#define CT_NOW UINT64_MAX
CT_API uint64_t ct_expire(ct_cache *cache, uint64_t now, ct_visit_fn visit, void *user_data);
CT_API uint64_t ct_len(ct_cache *cache);
CT_API uint64_t ct_currsize(ct_cache *cache);
CT_API uint64_t ct_maxsize(const ct_cache *cache);
CT_API uint64_t ct_memory(const ct_cache *cache);
CT_API ct_status ct_resize(ct_cache *cache, uint64_t maxsize);
typedef struct ct_iter ct_iter;
#define CT_ORDER_ANY 0
#define CT_ORDER_COLDEST 1
#define CT_ORDER_HOTTEST 2
CT_API ct_status ct_iter_new(ct_cache *cache, int32_t order, ct_iter **out);
CT_API ct_status ct_iter_next(ct_iter *iter, ct_bytes *key, ct_bytes *value);
CT_API void ct_iter_free(ct_iter *iter);
typedef struct ct_result ct_result;
CT_API ct_status ct_result_set(ct_result *result, const void *data, size_t size);
CT_API void ct_result_ttl(ct_result *result, uint64_t ttl);
CT_API void ct_result_deadline(ct_result *result, uint64_t deadline);
CT_API void ct_result_keep_ttl(ct_result *result);
CT_API void ct_result_weight(ct_result *result, uint64_t weight);
CT_API void ct_result_tag(ct_result *result, const void *tag, size_t tag_size);
CT_API void ct_result_discard(ct_result *result);
CT_API void ct_result_fail(ct_result *result, ct_status status);
CT_API void ct_result_not_modified(ct_result *result);
CT_API ct_status ct_result_old(const ct_result *result, ct_bytes *out);
CT_API ct_status ct_result_value(const ct_result *result, ct_bytes *out);
typedef ct_status (*ct_loader_fn)(void *user_data, const void *key, size_t key_size,
                                  ct_result *result);
CT_API ct_status ct_get_or_load(ct_cache *cache, const void *key, size_t key_size,
                                ct_loader_fn load, void *user_data, ct_value *out);
#define CT_LOAD_FORCE 0x1u
typedef struct ct_load_options {
  size_t struct_size;
  uint32_t flags;
  uint32_t reserved;
  uint64_t timeout_ns;
  uint64_t stale_after_ns;
} ct_load_options;
#define CT_LOAD_OPTIONS_INIT \
  { sizeof(ct_load_options), 0, 0, 0, 0 }
CT_API void ct_load_options_init(ct_load_options *options, size_t struct_size);
CT_API ct_status ct_get_or_load_with(ct_cache *cache, const void *key, size_t key_size,
                                     ct_loader_fn load, void *user_data,
                                     const ct_load_options *options, ct_value *out);
typedef ct_status (*ct_load_many_fn)(void *user_data, const ct_bytes *keys, size_t count,
                                     ct_result *const *results);
CT_API ct_status ct_get_or_load_many(ct_cache *cache, const void *keys, const size_t *key_ends,
                                     size_t count, ct_load_many_fn load, void *user_data,
                                     const ct_load_options *options, ct_value *values,
                                     ct_status *statuses);
typedef struct ct_lease ct_lease;
CT_API ct_status ct_get_or_lease(ct_cache *cache, const void *key, size_t key_size,
                                 uint64_t wait_ns, ct_value *out, ct_lease **lease);
typedef struct ct_wait ct_wait;
typedef void (*ct_done_fn)(void *user_data, ct_status status, const ct_value *value,
                           ct_lease *lease);
CT_API ct_status ct_get_or_lease_async(ct_cache *cache, const void *key, size_t key_size,
                                       const ct_load_options *options, ct_done_fn done,
                                       void *user_data, ct_value *out, ct_lease **lease,
                                       ct_wait **wait);
CT_API bool ct_wait_cancel(ct_wait *wait);
CT_API ct_status ct_lease_fulfil(ct_lease *lease, const void *value, size_t value_size,
                                 const ct_entry_options *options, ct_value *out);
CT_API void ct_lease_abandon(ct_lease *lease);
CT_API void ct_lease_fail(ct_lease *lease, ct_status status);
CT_API ct_status ct_lease_keep(ct_lease *lease, const ct_entry_options *options);
CT_API void ct_lease_key(const ct_lease *lease, ct_bytes *out);
typedef ct_status (*ct_compute_fn)(void *user_data, const void *key, size_t key_size,
                                   const ct_bytes *old, ct_result *result);
CT_API ct_status ct_compute(ct_cache *cache, const void *key, size_t key_size,
                            ct_compute_fn compute, void *user_data, ct_value *out);
typedef struct ct_key ct_key;
#define CT_KEY_TYPED 0x1u
CT_API ct_key *ct_key_new(uint32_t flags);
CT_API void ct_key_reset(ct_key *key);
CT_API void ct_key_free(ct_key *key);
CT_API void ct_key_null(ct_key *key);
CT_API void ct_key_bool(ct_key *key, bool value);
CT_API void ct_key_int(ct_key *key, int64_t value);
CT_API void ct_key_uint(ct_key *key, uint64_t value);
CT_API void ct_key_double(ct_key *key, double value);
CT_API void ct_key_text(ct_key *key, const char *text, size_t size);
CT_API void ct_key_bytes(ct_key *key, const void *data, size_t size);
CT_API void ct_key_tuple_begin(ct_key *key);
CT_API void ct_key_tuple_end(ct_key *key);
CT_API void ct_key_name(ct_key *key, const char *name, size_t size);
CT_API ct_status ct_key_data(ct_key *key, const void **data, size_t *size);
CT_API const char *ct_key_problem(const ct_key *key);
typedef struct ct_memo ct_memo;
typedef ct_status (*ct_memo_fn)(void *user_data, void *self, const void *args, ct_result *result);
typedef ct_status (*ct_memo_key_fn)(void *user_data, void *self, const void *args, ct_key *key);
typedef ct_cache *(*ct_memo_cache_fn)(void *user_data, void *self);
#define CT_MEMO_TYPED 0x1u
#define CT_MEMO_RACE 0x2u
typedef struct ct_memo_options {
  size_t struct_size;
  uint32_t flags;
  uint32_t reserved;
  void *user_data;
  ct_memo_fn fn;
  ct_memo_key_fn key;
  ct_cache *cache;
  ct_memo_cache_fn cache_of;
  const ct_options *own;
  const void *prefix;
  size_t prefix_size;
} ct_memo_options;
#define CT_MEMO_OPTIONS_INIT \
  { \
    sizeof(ct_memo_options), 0, 0, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, \
        CT_NULL_, 0 \
  }
CT_API void ct_memo_options_init(ct_memo_options *options, size_t struct_size);
CT_API void ct_memo_own_default(ct_options *options, size_t struct_size);
CT_API const char *ct_memo_problem(const ct_memo_options *options);
CT_API ct_status ct_memo_new(const ct_memo_options *options, ct_memo **out);
CT_API void ct_memo_free(ct_memo *memo);
CT_API ct_status ct_memo_call(ct_memo *memo, void *self, const void *args, ct_value *out);
CT_API ct_status ct_memo_key(ct_memo *memo, void *self, const void *args, ct_key *key);
CT_API ct_cache *ct_memo_cache(ct_memo *memo, void *self);
CT_API ct_status ct_memo_invalidate(ct_memo *memo, void *self, const void *args);
#define CT_INFO_NO_CACHE 0x1u
typedef struct ct_cache_info {
  size_t struct_size;
  uint64_t hits;
  uint64_t misses;
  uint64_t maxsize;
  uint64_t currsize;
  uint32_t flags;
  uint32_t reserved;
} ct_cache_info;
#define CT_CACHE_INFO_INIT \
  { sizeof(ct_cache_info), 0, 0, 0, 0, 0, 0 }
CT_API void ct_cache_info_init(ct_cache_info *info, size_t struct_size);
CT_API ct_status ct_memo_info(ct_memo *memo, void *self, ct_cache_info *out);
CT_API ct_status ct_memo_clear(ct_memo *memo, void *self);
CT_API void ct_memo_forget(ct_memo *memo, void *self);
typedef ct_status (*ct_write_fn)(void *user_data, const void *data, size_t size);
typedef ct_status (*ct_read_fn)(void *user_data, void *buffer, size_t capacity, size_t *got);
CT_API ct_status ct_snapshot_save(ct_cache *cache, ct_write_fn write, void *user_data);
CT_API ct_status ct_snapshot_load(ct_cache *cache, ct_read_fn read, void *user_data);
#define CT_SNAPSHOT_AGED 0x1u
CT_API ct_status ct_snapshot_load_with(ct_cache *cache, ct_read_fn read, void *user_data,
                                       uint32_t flags);
CT_API ct_status ct_snapshot_save_file(ct_cache *cache, const char *path);
CT_API ct_status ct_snapshot_load_file(ct_cache *cache, const char *path);
CT_API ct_status ct_snapshot_load_file_with(ct_cache *cache, const char *path, uint32_t flags);
typedef struct ct_stats {
  size_t struct_size;
  uint64_t hits;
  uint64_t misses;
  uint64_t inserts;
  uint64_t updates;
  uint64_t evictions;
  uint64_t evicted_weight;
  uint64_t expirations;
  uint64_t removals;
  uint64_t rejections;
  uint64_t loads;
  uint64_t load_failures;
  uint64_t load_ticks;
  uint64_t waits;
  uint64_t pinned;
  uint64_t shared_failures;
  uint64_t stale_served;
  uint64_t renewals;
  uint64_t renewal_failures;
  uint64_t negative_hits;
  uint64_t load_buckets[12];
} ct_stats;
#define CT_STATS_INIT \
  { \
    sizeof(ct_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 } \
  }
CT_API void ct_stats_init(ct_stats *stats, size_t struct_size);
CT_API ct_status ct_cache_stats(const ct_cache *cache, ct_stats *out);
CT_API ct_status ct_cache_stats_reset(ct_cache *cache);
CT_API ct_status ct_cache_curve(ct_cache *cache, const double *scales, size_t count,
                                double *miss_ratios);
CT_API ct_status ct_stats_write(ct_cache *const *caches, const char *const *names, size_t count,
                                ct_write_fn write, void *user_data);
CT_API const char *ct_status_name(ct_status status);
CT_API const char *ct_status_message(ct_status status);
CT_API const char *ct_policy_name(ct_policy policy);
CT_API ct_status ct_policy_from_name(const char *name, ct_policy *out);
#define CT_VERSION_MAJOR 0
#define CT_VERSION_MINOR 1
#define CT_VERSION_PATCH 0
CT_API uint32_t ct_version(void);
CT_API const char *ct_version_string(void);
struct ct_policy_ops {
  size_t struct_size;
  void *(*state_new)(void *user_data, uint64_t maxsize);
  void (*state_free)(void *state);
  void (*on_insert)(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                    uint64_t now);
  void (*on_update)(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                    uint64_t now);
  void (*on_hit)(void *state, uint32_t id, uint64_t now);
  void (*on_remove)(void *state, uint32_t id);
  void (*on_clear)(void *state);
  void (*on_resize)(void *state, uint64_t maxsize);
  uint32_t (*victim)(void *state);
  void (*on_reweigh)(void *state, uint32_t id, uint64_t weight);
};
#define CT_POLICY_OPS_INIT \
  { \
    sizeof(ct_policy_ops), CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, \
        CT_NULL_, CT_NULL_, CT_NULL_ \
  }
CT_API void ct_policy_ops_init(ct_policy_ops *ops, size_t struct_size);
struct ct_allocator {
  size_t struct_size;
  void *(*alloc)(void *ctx, size_t size, size_t align);
  void (*free)(void *ctx, void *ptr, size_t size, size_t align);
  void *ctx;
};
#define CT_ALLOCATOR_INIT \
  { sizeof(ct_allocator), CT_NULL_, CT_NULL_, CT_NULL_ }
CT_API void ct_allocator_init(ct_allocator *allocator, size_t struct_size);
#ifdef __cplusplus
}
#endif
#endif
