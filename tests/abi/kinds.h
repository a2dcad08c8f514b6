/* SPDX-License-Identifier: MIT */
/* Kinds of cache that things go wrong in, what they hold, and how to do anything to one. kinds.c has
 * the main of the programs that share it. */
#ifndef KINDS_H
#define KINDS_H

#include "support.h"

enum {
  kFilled = 24,     /* entries stored before an operation, if the cache has room for them */
  kSmall = 40,      /* bytes of a value */
  kApart = 20000,   /* of one above 16 KiB */
  kLarge = 100000,  /* of one above 64 KiB */
  kLongKey = 70000, /* of a key above 64 KiB */
  kDeepest = 3,     /* calls within callbacks within calls */
  kKeys = 32        /* of a mixed run */
};

/* Letters at random, for keys and values. */
extern unsigned char bytes[kLarge];

/* What begins at n has n in its first byte. */
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

enum { kKindCount = 28 };
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

/* Its options, allocator and clock, and no cache yet. */
void prepare(fixture *f, const kind *k);

typedef struct name {
  char text[8];
  size_t size;
} name;

/* Key number n is keyn. */
name name_of(int number);

/* Stores the first so many keys, and uses some. */
void fill(fixture *f, int count);

/* The same in a cache made anew. */
void make(fixture *f, const kind *k, int count);

/* Frees it; all memory came back. */
void unmake(fixture *f);

/* ---- What a cache holds --------------------------------------------------------------------- */

typedef struct holdings {
  uint64_t len, currsize, events, drops;
  ct_stats stats;
  size_t size;
  char *held; /* keys, values and what ct_inspect tells, coldest first if there is an order */
} holdings;

/* To be given back by free(held). */
holdings take_down(fixture *f);

/* Without an order the index decides, and it may have grown for nothing. */
void assert_unchanged(fixture *f, const holdings *before);

/* ---- Anything at all ------------------------------------------------------------------------ */

bool match_odd(void *user_data, const void *key, size_t key_size, const void *value,
               size_t value_size);

/* A value under one of kKeys keys begins with the key's number; the rest does not matter. */
void do_anything(ct_cache *cache, uint64_t *random);

/* What must hold of any cache at rest that do_anything was done to. */
void assert_whole(ct_cache *cache);

#endif
