/* SPDX-License-Identifier: MIT */
/* What the C tests share: CMocka with its prerequisites, a clock that moves by hand, an allocator
 * that counts and can be told to fail, random numbers with a seed that is printed and accepted. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <cachetools.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

/* Whether a sanitizer is at work that takes memory of its own. */
#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
enum { kSanitized = 1 };
#else
enum { kSanitized = 0 };
#endif

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Failures that a callback may answer, statuses of its own among them. */
enum { kFailureCount = 16 };
extern const ct_status kFailures[kFailureCount];

/* Statuses that no callback may answer; nor CT_NOT_STORED, unless it computes. The last one is
 * CT_BUSY, which a loader may answer. */
enum { kReservedCount = 9, kReservedForLoaders = kReservedCount - 1 };
extern const ct_status kReserved[kReservedCount];

/* A timer that stands still until it is set. */
typedef struct manual_clock {
  _Atomic uint64_t now;
} manual_clock;

uint64_t manual_clock_read(void *clock);

/* An allocator that counts blocks and bytes, and checks that each block is freed with the size
 * and alignment that it was allocated with. It fails allocation number fail_at, counted from 0
 * (-1: none), and if fail_on is set, all after it. Thread-safe. */
typedef struct test_allocator {
  ct_allocator hooks; /* options.allocator = &it.hooks */
  _Atomic int64_t calls;
  _Atomic int64_t blocks;
  _Atomic int64_t bytes;
  _Atomic int64_t peak; /* of bytes, since it was last set */
  _Atomic int64_t failed;
  _Atomic int64_t fail_at;
  bool fail_on;
} test_allocator;

void test_allocator_init(test_allocator *allocator);

/* A policy of the caller's: first in, first out. A shard may hold 4096 entries. The policy has
 * no lock, as its shard's lock protects it. */
extern const ct_policy_ops kQueue;

/* Prints and returns the seed of a random test: CT_SEED of the environment, or the time. */
uint64_t test_seed(void);

/* splitmix64. */
uint64_t test_random(uint64_t *state);

/* A number below n. */
uint64_t test_random_below(uint64_t *state, uint64_t n);

/* The private memory of the process that is resident. It is exact, unlike the counters of statm. */
double resident_bytes(void);

/* Makes a cache, and asserts that there is one. */
ct_cache *new_cache(const ct_options *options);

/* Makes a cache with the options named, as in cache_of(.maxsize = 100, .shards = 4). The others
 * are 0. */
#define cache_of(...) new_cache(&(const ct_options){.struct_size = sizeof(ct_options), __VA_ARGS__})

/* Options of an entry, named in the same way. */
#define entry_with(...) ((ct_entry_options){.struct_size = sizeof(ct_entry_options), __VA_ARGS__})

ct_stats stats_of(const ct_cache *cache);

/* A value whose old content must be overwritten. */
ct_value poisoned_value(void);

#define assert_holds_nothing(value)    \
  do {                                 \
    assert_null((value).data);         \
    assert_int_equal(0, (value).size); \
    assert_int_equal(0, (value).pin);  \
  } while (0)

#define assert_value(expected, value)                                \
  do {                                                               \
    assert_non_null((value).data);                                   \
    assert_int_equal(strlen(expected), (value).size);                \
    assert_memory_equal((expected), (value).data, strlen(expected)); \
  } while (0)

/* Bytes that end the program if they are read. */
const void *unreadable(void);

/* ct_set, ct_get and friends for zero-terminated strings. */
ct_status set_text(ct_cache *cache, const char *key, const char *value);
bool has_text(ct_cache *cache, const char *key);
/* Asserts that key is there with that value, or (NULL) is not there; a use, as ct_get. */
void assert_text(ct_cache *cache, const char *key, const char *value);
/* The same by ct_peek. */
void assert_text_quietly(ct_cache *cache, const char *key, const char *value);

#define assert_status(expected, call) \
  assert_string_equal(ct_status_name(expected), ct_status_name(call))

#endif
