/* SPDX-License-Identifier: MIT */
/* What only the internal static build offers to tests. */
#ifndef INTERNAL_H
#define INTERNAL_H

#include <cachetools.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Walks all structures of an idle cache and checks every invariant: NULL, or what is broken. */
const char *ct_validate(ct_cache *cache);

/* How many buckets of the index, of one cache line each, it takes to find every entry once, and what
 * the longest search takes, whether what it looks for is there or not. */
void ct_measure_searches(ct_cache *cache, uint64_t *total, uint64_t *longest);

#ifdef __cplusplus
}
#endif

#endif
