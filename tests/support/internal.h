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

#ifdef __cplusplus
}
#endif

#endif
