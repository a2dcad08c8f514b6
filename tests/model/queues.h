/* SPDX-License-Identifier: MIT */
/* The part of the model for policies that one order cannot describe. It is written from the
 * papers, with arrays that are searched from end to end. To tell which keys would go next, a
 * copy of the queues evicts. */
#ifndef QUEUES_H
#define QUEUES_H

#include <cachetools.h>
#include <stdbool.h>
#include <stdint.h>

enum {
  QUEUES_KEYS = 256,
  QUEUES_GHOSTS_LAST = 512 /* a ghost is forgotten when as many have come to its queue since */
};

/* Keys, the oldest first. */
typedef struct queue {
  int keys[QUEUES_KEYS];
  int count;
} queue;

typedef struct queues {
  ct_policy policy;
  /* CLOCK: what the hand comes by, in that order. SIEVE: what was inserted. S3FIFO: the small queue,
   * the main one as CLOCK's, and ghosts. ARC: T1, T2 and their ghosts B1, B2. */
  queue queue[4];
  uint64_t came[4];                  /* to a queue of ghosts, in all */
  uint64_t came_before[QUEUES_KEYS]; /* a ghost: how many had come to its queue then */
  uint64_t weights[QUEUES_KEYS];     /* S3FIFO: to be kept up to date by the owner */
  int uses[QUEUES_KEYS];             /* CLOCK, SIEVE, S3FIFO: those that will spare it */
  int hand;                          /* SIEVE: the key under it; -1: it begins anew */
  int coming;     /* the key that room is made for; -1: none, victims are no ghosts */
  double target;  /* ARC: p */
  int full;       /* ARC: c */
  int adapted_to; /* ARC: the last key to come */
  int returns;    /* ARC: the ghosts that held it, 2 or 3; 0: none */
} queues;

bool queues_know(ct_policy policy);
void queues_init(queues *q, ct_policy policy);
void queues_insert(queues *q, int key);
void queues_use(queues *q, int key);
/* Takes out the next victim, and returns it. */
int queues_evict(queues *q);
void queues_remove(queues *q, int key);
/* Returns the next victim. */
int queues_victim(const queues *q);
/* Lists all keys, coldest first: in the order in which they would go if nothing else happened,
 * but for S3FIFO the small queue, then the main one. Returns how many there are. */
int queues_list(const queues *q, int *keys);

#endif
