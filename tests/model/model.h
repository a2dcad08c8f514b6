/* SPDX-License-Identifier: MIT */
/* A naive reference model of a cache: plain arrays, searched from one end to the other.
 *
 * It knows the order of each policy, lifetimes, weights and counters. It does not decide when
 * expired entries are reclaimed: they stay until model_leave takes them out. Keys are small
 * numbers. A value is known by its stamp, the number of the store that brought it. */
#ifndef MODEL_H
#define MODEL_H

#include "queues.h"

enum { MODEL_KEYS = QUEUES_KEYS };

typedef struct model_entry {
  bool present; /* live, or expired and not yet reclaimed */
  uint64_t stamp;
  size_t size;
  uint64_t weight;
  uint64_t age_deadline;  /* from the write; CT_NEVER: none */
  uint64_t idle_deadline; /* from the last use; CT_NEVER: none */
  uint64_t retry_at;      /* no renewal is tried before */
  uint64_t jitter;        /* age_deadline is this much too late at most; 0: it is known */
  uint64_t frequency;     /* 0 unless the policy counts */
  unsigned tags;          /* a bit for each */
} model_entry;

/* What is remembered of a key that has no value. */
typedef struct model_negative {
  uint64_t number; /* in order of age; 0: nothing is remembered */
  uint64_t deadline;
  uint64_t weight;
} model_negative;

typedef struct model {
  ct_policy policy; /* for CUSTOM the built-in one that it resembles */
  uint64_t maxsize;
  uint64_t tti;   /* 0: none */
  uint64_t stale; /* how long entries stay past their deadline */
  uint64_t now;
  model_entry entries[MODEL_KEYS];
  queues queues;         /* of policies that have some: order follows from them */
  int order[MODEL_KEYS]; /* the keys present, coldest first; RR: as they are numbered */
  int count;             /* keys in order */
  model_negative negatives[MODEL_KEYS];
  uint64_t remembered; /* so far */
  ct_stats stats;
} model;

/* Sets up the model of an empty cache. */
void model_init(model *m, ct_policy policy, uint64_t maxsize, uint64_t tti);

/* The sum, or CT_NEVER if it is larger. */
uint64_t model_sum(uint64_t a, uint64_t b);

uint64_t model_deadline(const model *m, int key);
bool model_is_live(const model *m, int key);
int model_live_count(const model *m);

/* When an entry is due, and whether it is there and is not. Past its deadline, it is stale then. */
uint64_t model_leaves_at(const model *m, int key);
bool model_is_kept(const model *m, int key);
int model_kept_count(const model *m);
uint64_t model_kept_weight(const model *m);

/* The next victim if no entry is due; -1: there is none. */
int model_victim(const model *m);

/* A key that is due at that time, or -1. */
int model_find_due(const model *m, uint64_t now);

/* Entries that leave from now on make room for that key; -1: for none. */
void model_make_room_for(model *m, int key);
void model_insert(model *m, int key, uint64_t stamp, size_t size, uint64_t weight,
                  uint64_t age_deadline);
/* The same for a key that is live. */
void model_update(model *m, int key, uint64_t stamp, size_t size, uint64_t weight,
                  uint64_t age_deadline);
void model_use(model *m, int key);
/* The same, but its idle lifetime stays what it is. */
void model_use_stale(model *m, int key);
void model_leave(model *m, int key, ct_cause cause);
/* The same for the policy's victim. */
void model_evict(model *m, int key, ct_cause cause);
/* Negative caching. Those that are over weigh nothing, wherever they are. */
bool model_remembers(const model *m, int key);
uint64_t model_negative_weight(const model *m);
void model_remember(model *m, int key, uint64_t deadline, uint64_t weight);
/* Forgets that key, or all keys if it is -1. */
void model_forget_negative(model *m, int key);
/* Returns whether there was one. */
bool model_forget_oldest_negative(model *m);

/* All entries have left by ct_clear. */
void model_forget(model *m);

#endif
