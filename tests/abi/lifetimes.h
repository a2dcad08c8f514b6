/* SPDX-License-Identifier: MIT */
/* What the tests of lifetimes share: a cache that begins at 100 ticks, and actions on it. */
#ifndef LIFETIMES_H
#define LIFETIMES_H

#include "fixture.h"

/* Opens a cache that begins at 100 ticks. */
void open_at_100(fixture *f, uint64_t ttl, uint64_t tti);

/* Asserts that the entry lives at the last tick before a deadline, and no longer at the
 * deadline, where the clock then stays. */
void assert_expires_at(fixture *f, const char *key, uint64_t deadline);

/* A ttu that takes the deadline from the value: "+5" from now, "=120" absolute, "-" none. */
uint64_t ttu_by_value(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size, uint64_t now);

/* Stores "a", "b" and "c". */
void fill_abc(ct_cache *cache);

typedef void (*action)(ct_cache *cache);

/* Actions on "a", which holds "1". */
void by_get(ct_cache *cache);
void by_get_copy(ct_cache *cache);
void by_setdefault(ct_cache *cache);
void by_get_many(ct_cache *cache);
void by_get_many_copy(ct_cache *cache);
void by_peek(ct_cache *cache);
void by_contains(ct_cache *cache);
void by_inspect(ct_cache *cache);
void by_get_copy_too_small(ct_cache *cache);
void by_get_many_copy_too_small(ct_cache *cache);
void by_set_if_absent(ct_cache *cache);
void by_set_too_large(ct_cache *cache);

#endif
