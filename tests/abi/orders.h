/* SPDX-License-Identifier: MIT */
/* Orders of eviction as text: "a b c", the next victim first. */
#ifndef ORDERS_H
#define ORDERS_H

#include "fixture.h"

enum { kMaxOrder = 1024 };

/* Write the order of a walk, and the order in which ct_popitem empties the cache. */
void walk(ct_cache *cache, int32_t how, char *order);
void drain(ct_cache *cache, char *order);

/* Build an expected order: append a key, reverse the order. */
void append_key(char *order, const void *key, size_t key_size);
void reverse_order(const char *order, char *reversed);

/* Asserts the order of eviction, by walks and then by draining the cache. */
void assert_goes(const char *expected, ct_cache *cache);

/* Asserts the order of eviction by a walk alone, so that the cache stays as it is. */
void assert_order(const char *expected, ct_cache *cache);

/* Store, with value 1, or use each key of a text like "a b c". */
void set_each(ct_cache *cache, const char *keys);
void use_each(ct_cache *cache, const char *keys);

/* Opens a cache that holds those keys and has evicted none. */
ct_cache *open_filled(fixture *f, ct_policy policy, uint64_t maxsize, const char *keys);

#endif
