/* SPDX-License-Identifier: MIT */
/* A stage: a cache whose key k many threads ask for at once, and what each of them gets.
 *
 * The timer tells how many threads are inside a call. The key is there but expired, so each call
 * reads the time once while it looks the key up. It does so under the lock, so once another look-up
 * is over, all these calls have joined what they wait for.
 *
 * The threads only write down what they met; the main thread asserts it. */
#ifndef STAGE_H
#define STAGE_H

#include <pthread.h>
#include <sched.h>

#include "support.h"

enum { kCallers = 16 };

extern const uint64_t kForever;

/* How often to repeat what is usually done that often: CT_ROUNDS in the environment is a
 * percentage. */
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
  /* What the loader answers when it is called for the call-th time, counted from 0. */
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

/* All callers ask for the key k. */
void open_stage(stage *self, uint64_t maxsize);

void close_stage(stage *self);

/* Defines a test with a stage s. */
#define STAGE_TEST(name, maxsize) TEST_IN(stage, s, name, open_stage(s, maxsize), close_stage(s))

/* Waits for so many readings of the timer. Returns how deep in the stack the last one was. */
uintptr_t await_readings(stage *self, uint64_t count);

/* Takes the lease of the key, before anybody else asks for it. */
ct_lease *take_lease(stage *self);
void *call_to_load(void *user_data);
void *call_to_lease(void *user_data);
void start(caller *self, stage *stage, void *(*run)(void *));
void start_all(caller *callers, size_t count, stage *stage, void *(*run)(void *));

/* Takes the lease, and starts callers that all wait for it. */
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
