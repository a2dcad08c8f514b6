/* SPDX-License-Identifier: MIT */
/* A stage: a cache whose key k many threads ask for at once, and what each of them gets.
 *
 * How many threads are inside a call is told by the timer: the key that they ask for is there, but
 * expired, so each call reads the time once while it looks the key up. That is inside the critical
 * section, so after the next look-up they all hold what they wait for.
 *
 * Threads only write down what they met; the main thread asserts it. */
#ifndef STAGE_H
#define STAGE_H

#include <pthread.h>
#include <sched.h>

#include "support.h"

enum { kCallers = 16 };

extern const uint64_t kForever;

/* How often to do what is done so often usually: CT_ROUNDS of the environment says so in per cent. */
int rounds(int usual);

typedef struct stage stage;
struct stage {
  _Atomic uint64_t now;
  _Atomic uint64_t readings; /* of the timer */
  _Atomic int loads;         /* calls of the loader */
  _Atomic uintptr_t frame;   /* of the last reading */
  ct_cache *cache;
  test_allocator allocator;
  uint64_t expected; /* readings that the loader waits for before it answers */
  /* What the loader answers to its call of that number, from 0. */
  ct_status (*script)(stage *self, int call, ct_result *result);
};

typedef struct caller {
  stage *stage;
  pthread_t thread;
  uint64_t wait_ns; /* of ct_get_or_lease */
  bool loaded;      /* the loader ran here */
  ct_status status;
  ct_value value;
  ct_lease *lease;
} caller;

/* The key of all callers is k. */
void open_stage(stage *self, uint64_t maxsize);

void close_stage(stage *self);

/* A test of a stage s. */
#define STAGE_TEST(name, maxsize) TEST_IN(stage, s, name, open_stage(s, maxsize), close_stage(s))

/* Tells from how deep in the stack the last one came. */
uintptr_t await_readings(stage *self, uint64_t count);

/* Of the key, before anybody else asks for it. */
ct_lease *take_lease(stage *self);
void *call_to_load(void *user_data);
void *call_to_lease(void *user_data);
void start(caller *self, stage *stage, void *(*run)(void *));
void start_all(caller *callers, size_t count, stage *stage, void *(*run)(void *));

/* All of them wait for a lease, this one. */
ct_lease *let_wait(stage *self, caller *callers, size_t count, void *(*run)(void *));

void join_all(caller *callers, size_t count);
void assert_has(caller *self, const char *value);
void assert_has_nothing(const caller *self);
void assert_all_have(caller *callers, size_t count, const char *value);
size_t count_loaded(const caller *callers, size_t count);
void assert_loading_counted(const stage *self, uint64_t misses, uint64_t loads, uint64_t failures,
                            uint64_t waits);

/* A script: loads the value "loaded". */
ct_status bring(stage *self, int call, ct_result *result);

#endif
