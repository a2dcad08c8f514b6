/* SPDX-License-Identifier: MIT */
/* Orders as text: "a b c", the next victim first. */
#ifndef ORDERS_H
#define ORDERS_H

#include "fixture.h"

enum { kMaxOrder = 1024 };

/* The order of a walk, and that in which ct_popitem empties the cache. */
void walk(ct_cache *cache, int32_t how, char *order);
void drain(ct_cache *cache, char *order);

/* What is expected may be made of keys, and turned round. */
void append_key(char *order, const void *key, size_t key_size);
void reverse_order(const char *order, char *reversed);

/* Asserts the order in which entries would go, by walks and by draining the cache. */
void assert_goes(const char *expected, ct_cache *cache);

/* The same by a walk alone: the cache stays as it is. */
void assert_order(const char *expected, ct_cache *cache);

/* Stores each key of a text like "a b c", with value 1. */
void set_each(ct_cache *cache, const char *keys);
void use_each(ct_cache *cache, const char *keys);

/* A cache that holds those keys; it evicted none. */
ct_cache *open_filled(fixture *f, ct_policy policy, uint64_t maxsize, const char *keys);

#endif
