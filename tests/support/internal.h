/* SPDX-License-Identifier: MIT */
/* What only the internal static build offers to tests. */
#ifndef INTERNAL_H
#define INTERNAL_H

#include <cachetools.h>

#include "test.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Walks all structures of an idle cache and checks every invariant. Returns NULL, or what is
 * broken. */
const char *ct_validate(ct_cache *cache);

/* Since the last call: how often shards' locks were taken, and the most entries that were worked
 * on before one was given back. */
void ct_take_work(ct_cache *cache, uint64_t *holds, uint64_t *most);

/* How many nodes of the tree of deadlines were looked at for an entry that is due. */
uint64_t ct_due_tree_looks(ct_cache *cache);

/* The weight of all entries, including those that have expired and are still there. */
uint64_t ct_weight(ct_cache *cache);

/* How many buckets of the index, of one cache line each, it takes to find every entry once, and
 * what the longest search takes, whether its key is there or not. */
void ct_measure_searches(ct_cache *cache, uint64_t *total, uint64_t *longest);

/* From now on, the entries of a shard lie in at most so many chunks of memory, instead of 2,047.
 * The cache must be empty. */
void ct_limit_chunks(ct_cache *cache, uint32_t count);

/* From now on, shards do what otherwise only large ones do: they are read without the lock from
 * a few entries on, and memory that is counted comes in small chunks. The cache must be empty. */
void ct_act_large(ct_cache *cache);

#ifdef __cplusplus
}
#endif

#endif
