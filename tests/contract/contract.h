/* SPDX-License-Identifier: MIT */
/* What every cache promises, whatever its policy, shards, weights, locks and callbacks.
 *
 * A check is a function of a subject: one configuration, with a clock, an allocator and a record
 * of events. CONTRACT() makes a CMocka test of a check. The test runs the check in every
 * configuration, and names the configuration if it fails. Afterwards it balances the books: each
 * stored value was counted, reported and dropped exactly once, and all memory came back. */
#ifndef CONTRACT_H
#define CONTRACT_H

#include "support.h"

typedef enum weighing { BY_COUNT, BY_VALUE, BY_MEMORY, BY_WEIGHER } weighing;

/* Parts that many caches do without. Without them, calls take other paths inside. */
typedef struct mode {
  const char *name;
  uint32_t flags;
  bool listener;
  bool drop;
  bool allocator;
} mode;

typedef struct configuration {
  ct_policy policy;
  const mode *mode;
  uint32_t shards;
  weighing weighing;
} configuration;

typedef struct subject {
  configuration config;
  ct_cache *cache;
  test_allocator allocator;
  manual_clock clock;
  uint64_t seed;      /* of hashing, and of what a check draws itself */
  uint64_t readings;  /* of the clock */
  uint64_t ttu_ticks; /* the lifetime that the ttu callback gives */
  uint64_t told[5];   /* events by cause */
  uint64_t dropped;   /* values */
  bool uncounted;     /* the books cannot be balanced: counters are off or were reset */
} subject;

enum { kValueSize = 8, kLongTime = 1000000 };

/* ---- Opening and closing -------------------------------------------------------------------- */

/* The configuration's options, without a limit; TTL and TLRU give a long lifetime. */
ct_options options_of(subject *s);

/* Opens s->cache, closing the one before. */
void open_with(subject *s, ct_options options);

/* The same with room for exactly so many numbered entries. */
void open_room(subject *s, ct_options options, uint64_t entries);

/* The same without a limit. */
void open_unbounded(subject *s);

/* Balances the books and frees the cache. Release pinned values before, as they are in the
 * books. */
void close_subject(subject *s);

/* ---- Numbered entries ----------------------------------------------------------------------- */

/* Entry number i has the key key-000i and the value val-000i. With several units, its value is
 * as many times as long, and unless memory is weighed, it weighs as many times as much. */

enum { kKeySize = 8 };

typedef struct number_key {
  char text[kKeySize + 1];
} number_key;

number_key key_of(unsigned i);
/* The number of such a key. */
unsigned number_in(const void *key, size_t key_size);
ct_status put(subject *s, unsigned i);
ct_status put_units(subject *s, unsigned i, unsigned units);
/* Stores more than the whole cache may weigh. */
ct_status put_oversized(subject *s, unsigned i);
/* Stores the numbers from begin to end - 1, each with success. */
void put_range(subject *s, unsigned begin, unsigned end);
/* Asks ct_contains. */
bool is_there(subject *s, unsigned i);
unsigned count_there(subject *s, unsigned begin, unsigned end);
/* Asserts that the key is there with a value of that many units, without using the entry. */
void assert_units(subject *s, unsigned i, unsigned units);
/* What an entry of that many units weighs in a cache of these options. */
uint64_t weight_of(subject *s, ct_options options, unsigned units);

/* ---- Other helpers -------------------------------------------------------------------------- */

/* Gives every entry that lifetime from its write on, in every policy. */
void give_lifetime(subject *s, ct_options *options, uint64_t ticks);

void set_now(subject *s, uint64_t now);
ct_entry_info inspect(subject *s, unsigned i);

/* How many entries have left so far, by the counters. If there is a listener, it must have been
 * told of as many. departed() counts replaced values too. */
uint64_t evicted(subject *s);
uint64_t expired(subject *s);
uint64_t departed(subject *s);
/* If there is a listener, asserts how many events had that cause. */
void assert_told(const subject *s, ct_cause cause, uint64_t count);
/* If there is a drop callback, asserts how many values it got. */
void assert_dropped(const subject *s, uint64_t count);

/* Asserts that nothing was counted since. */
void assert_same_stats(subject *s, ct_stats before);

/* ---- Running -------------------------------------------------------------------------------- */

/* As in CONTRACT(set_evicts) { ... s->cache ... }: a test that runs everywhere. */
#define CONTRACT(name)                               \
  static void check_##name(subject *s);              \
  TEST_WITH(name, NULL, name_failed_configuration) { \
    run_everywhere(check_##name);                    \
  }                                                  \
  static void check_##name(subject *s)

/* Runs the check in every configuration. */
void run_everywhere(void (*check)(subject *s));
int name_failed_configuration(void **state);

#endif
