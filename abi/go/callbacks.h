/* SPDX-License-Identifier: MIT */
/* The functions of callbacks.c, which the Go files call. Go's handles are integers. They become
* void * only in C, because Go's runtime must never see an integer in a pointer. */
#ifndef CALLBACKS_H
#define CALLBACKS_H

#include <cachetools.h>

/* Which callbacks of a cache are set. */
enum {
  CT_GO_TIMER = 1,
  CT_GO_TTU = 2,
  CT_GO_WEIGHER = 4,
  CT_GO_CHOICE = 8,
  CT_GO_LISTENER = 16,
  CT_GO_DROP = 32,
  CT_GO_CUSTOM = 64,
  CT_GO_ALLOCATOR = 128
};

/* A status and a value, returned together, so that C needs no pointer into Go's memory. */
typedef struct ct_go_value {
  ct_value value;
  ct_status status;
} ct_go_value;

/* What a call of a cache of numbers found. */
typedef struct ct_go_number {
  uint64_t number;
  ct_lease *lease;
  ct_status status;
} ct_go_number;

/* The numbers that a call of a cache of numbers dropped, as far as there is room, for Go to take
 * when the call has returned. A call from C into Go for each would take longer than the call. */
typedef struct ct_go_dropped {
  uintptr_t callbacks; /* of the cache */
  size_t count;
  uint64_t numbers[3];
} ct_go_dropped;

/* Of the innermost such call of this thread. */
extern _Thread_local ct_go_dropped *ct_go_dropping;

/* Lets options have a value and tags, which end where ends say, in a block to be freed. More than
 * nine tags are nine, which the library refuses; so it does options that there is no memory for. */
void *ct_go_options_lend(ct_entry_options *options, bool has_same, ct_value same, const void *tags,
                         const size_t *ends, size_t count);

const char *ct_go_options_problem(const ct_options *plain, uint32_t set);
ct_status ct_go_cache_new(const ct_options *plain, uint32_t set, uintptr_t callbacks,
                          ct_cache **out);
uint64_t ct_go_remove_if(ct_cache *cache, uintptr_t call);
uint64_t ct_go_expire(ct_cache *cache, uintptr_t call);
/* The loader of calls that get a handle of Go's. */
ct_status ct_go_load(void *call, const void *key, size_t key_size, ct_result *result);
ct_go_value ct_go_get_or_load(ct_cache *cache, const char *key, size_t key_size, uintptr_t call,
                              const ct_load_options *options);
/* Waits for no other caller: keys that others load are CT_BUSY. */
ct_status ct_go_get_or_load_many(ct_cache *cache, const void *keys, const size_t *key_ends,
                                 size_t count, uintptr_t call, ct_value *values,
                                 ct_status *statuses);
ct_status ct_go_snapshot_save(ct_cache *cache, uintptr_t call);
ct_status ct_go_stats_write(ct_cache *const *caches, const char *const *names, size_t count,
                            uintptr_t call);
ct_status ct_go_snapshot_load(ct_cache *cache, uintptr_t call, uint32_t flags);
void ct_go_done(void *waiter, ct_status status, const ct_value *value, ct_lease *lease);
ct_go_value ct_go_compute(ct_cache *cache, const char *key, size_t key_size, uintptr_t call);

/* The memo uses shared, or if that is NULL a cache of its own, made from plain. */
ct_status ct_go_memo_new(const ct_options *plain, uint32_t set, uintptr_t callbacks,
                         ct_cache *shared, const char *prefix, size_t prefix_size,
                         uintptr_t functions, ct_memo **out);
ct_go_value ct_go_memo_call(ct_memo *memo, uintptr_t call);
ct_status ct_go_memo_key(ct_memo *memo, uintptr_t call, ct_key *key);
ct_status ct_go_memo_invalidate(ct_memo *memo, uintptr_t call);

#endif
