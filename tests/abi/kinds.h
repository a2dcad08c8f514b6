/* SPDX-License-Identifier: MIT */
/* Kinds of cache for tests of failing memory and hostile callbacks: how to make one, how to
 * record what it holds, and how to call it at random. kinds.c has the main of the programs that
 * share it. */
#ifndef KINDS_H
#define KINDS_H

#include "support.h"

enum {
  kFilled = 24,     /* entries stored before an operation, if the cache has room for them */
  kSmall = 40,      /* bytes of a value */
  kApart = 20000,   /* bytes of a value above 16 KiB */
  kLarge = 100000,  /* bytes of a value above 64 KiB */
  kLongKey = 70000, /* bytes of a key above 64 KiB */
  kDeepest = 3,     /* depth of calls within callbacks */
  kKeys = 32        /* keys of a random run */
};

/* Random letters, for keys and values. */
extern unsigned char bytes[kLarge];

/* The value that begins at ramp + n has n in its first byte. */
extern unsigned char ramp[kKeys + kLarge];

/* ---- Kinds of cache ------------------------------------------------------------------------- */

typedef struct kind {
  const char *name;
  ct_policy policy;
  ct_weight_kind weight_kind;
  uint64_t maxsize;
  uint32_t shards;
  uint64_t ttl, tti;
  bool has_ttu, has_weigher, has_listener, has_drop;
} kind;

enum { kKindCount = 30 };
extern const kind kKinds[kKindCount];

typedef struct fixture {
  const kind *kind;
  ct_options options;
  test_allocator allocator;
  manual_clock clock;
  ct_cache *cache;
  uint64_t events, drops;
} fixture;

/* A value that begins with a D is dead on arrival. */
uint64_t ttu(void *user_data, const void *key, size_t key_size, const void *value,
             size_t value_size, uint64_t now);

/* Sets up options, allocator and clock, but makes no cache yet. */
void prepare(fixture *f, const kind *k);

typedef struct name {
  char text[8];
  size_t size;
} name;

/* Key number n is "key" and n. */
name name_of(int number);

/* Stores the first count keys, and uses some of them. */
void fill(fixture *f, int count);

/* Prepares, makes and fills a cache. */
void make(fixture *f, const kind *k, int count);

/* Frees the cache, and asserts that all memory came back. */
void unmake(fixture *f);

/* ---- What a cache holds --------------------------------------------------------------------- */

typedef struct holdings {
  uint64_t len, currsize, events, drops;
  ct_stats stats;
  size_t size;
  char *held; /* keys, values and what ct_inspect reports, coldest first if there is an order */
} holdings;

/* The caller frees held. */
holdings take_down(fixture *f);

/* Asserts that the cache holds what it held before. Without an order, the index decides how
 * entries are listed, and it may have grown in vain; then only their total size is compared. */
void assert_unchanged(fixture *f, const holdings *before);

/* ---- Anything at all ------------------------------------------------------------------------ */

bool match_odd(void *user_data, const void *key, size_t key_size, const void *value,
               size_t value_size);

/* Makes a random call for one of kKeys keys. Each value begins with its key's number; the rest
 * does not matter. */
void do_anything(ct_cache *cache, uint64_t *random);

/* Asserts what must hold for any cache at rest after do_anything. */
void assert_whole(ct_cache *cache);

#endif
