/* SPDX-License-Identifier: MIT */
/* Leases that many threads wait for: which thread takes one over, and what happens if the key is
 * invalidated meanwhile. */
#include <semaphore.h>

#include "key_calls.h"
#include "stage.h"

/* ---- Leases --------------------------------------------------------------------------------- */

static void *fulfil(void *user_data) {
  caller *self = user_data;
  self->status = ct_lease_fulfil(self->lease, "brought", 7, NULL, &self->value);
  return NULL;
}

STAGE_TEST(lease_is_fulfilled_on_another_thread, 8) {
  ct_lease *lease = take_lease(s);
  caller callers[kCallers] = {0};
  for (size_t i = 0; i < kCallers; i++) {
    callers[i].wait_ns = kForever;
    start(&callers[i], s, i % 2 == 0 ? call_to_load : call_to_lease);
  }
  await_readings(s, kCallers);
  caller bringer = {.stage = s, .lease = lease};
  assert_int_equal(0, pthread_create(&bringer.thread, NULL, fulfil, &bringer));
  join_all(&bringer, 1);
  join_all(callers, kCallers);
  assert_has(&bringer, "brought");
  for (size_t i = 0; i < kCallers; i++) assert_null(callers[i].lease);
  assert_all_have(callers, kCallers, "brought");
  assert_int_equal(0, s->loads);
  assert_loading_counted(s, 1, 1, 0, kCallers);
}

STAGE_TEST(impatient_waiter_is_told_busy, 8) {
  ct_lease *lease = take_lease(s);
  caller patient = {.wait_ns = kForever};
  caller impatient = {.wait_ns = 1000000};
  start(&patient, s, call_to_lease);
  start(&impatient, s, call_to_lease);
  join_all(&impatient, 1);
  assert_status(CT_BUSY, impatient.status);
  assert_has_nothing(&impatient);
  assert_null(impatient.lease);
  await_readings(s, 2);
  assert_status(CT_OK, ct_lease_fulfil(lease, "brought", 7, NULL, NULL));
  join_all(&patient, 1);
  assert_has(&patient, "brought");
  assert_loading_counted(s, 1, 1, 0, 1);
}

TEST(waiter_takes_an_abandoned_lease) {
  for (int round = 0; round < rounds(20); round++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = bring;
    caller callers[kCallers] = {0};
    ct_lease *lease = let_wait(&stage, callers, kCallers, call_to_load);
    ct_lease_abandon(lease);
    join_all(callers, kCallers);
    assert_int_equal(1, count_loaded(callers, kCallers));
    assert_all_have(callers, kCallers, "loaded");
    assert_loading_counted(&stage, 2, 1, 1, kCallers - 1);
    close_stage(&stage);
  }
}

STAGE_TEST(waiter_for_a_lease_takes_an_abandoned_one, 8) {
  ct_lease *lease = take_lease(s);
  caller caller = {.wait_ns = kForever};
  start(&caller, s, call_to_lease);
  await_readings(s, 1);
  ct_lease_abandon(lease);
  join_all(&caller, 1);
  assert_status(CT_LEASED, caller.status);
  assert_has_nothing(&caller);
  ct_bytes key = {NULL, 0};
  ct_lease_key(caller.lease, &key);
  assert_int_equal(1, key.size);
  assert_memory_equal("k", key.data, 1);
  assert_status(CT_OK, ct_lease_fulfil(caller.lease, "brought", 7, NULL, NULL));
  assert_loading_counted(s, 2, 1, 1, 0);
}

STAGE_TEST(fulfilment_that_fails_hands_the_lease_over, 8) {
  s->script = bring;
  caller callers[kCallers] = {0};
  ct_lease *lease = let_wait(s, callers, kCallers, call_to_load);
  assert_status(CT_ERR_INVALID, ct_lease_fulfil(lease, NULL, 1, NULL, NULL));
  join_all(callers, kCallers);
  assert_int_equal(1, count_loaded(callers, kCallers));
  assert_all_have(callers, kCallers, "loaded");
}

TEST(waiters_outlast_a_fulfilment_without_memory) {
  static const char zeros[300];
  for (int64_t fault = 0;; fault++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = bring;
    caller callers[kCallers] = {0};
    ct_lease *lease = let_wait(&stage, callers, kCallers, call_to_load);
    stage.allocator.fail_at = stage.allocator.calls + fault;
    ct_value out = {zeros, 77, 77};
    const ct_status status = ct_lease_fulfil(lease, zeros, sizeof(zeros), NULL, &out);
    const bool failed = stage.allocator.failed != 0;
    stage.allocator.fail_at = -1;
    join_all(callers, kCallers);
    assert_int_equal(failed ? 1 : 0, count_loaded(callers, kCallers));
    if (failed) {
      assert_status(CT_ERR_NOMEM, status);
      assert_null(out.data);
      assert_all_have(callers, kCallers, "loaded");
    } else {
      assert_status(CT_OK, status);
      for (size_t i = 0; i < kCallers; i++) ct_value_release(&callers[i].value);
    }
    ct_value_release(&out);
    close_stage(&stage);
    if (!failed) break;
  }
}

TEST(one_call_without_memory_fails_alone_or_with_all_who_wait) {
  for (int64_t fault = 0;; fault++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = bring;
    stage.expected = kCallers;
    stage.allocator.fail_at = stage.allocator.calls + fault;
    caller callers[kCallers] = {0};
    start_all(callers, kCallers, &stage, call_to_load);
    join_all(callers, kCallers);
    const bool failed = stage.allocator.failed != 0;
    size_t without = 0;
    for (size_t i = 0; i < kCallers; i++) {
      if (callers[i].status == CT_ERR_NOMEM) {
        without++;
        assert_has_nothing(&callers[i]);
      } else {
        assert_has(&callers[i], "loaded");
      }
    }
    /* The load has failed, for all who wait; or a call that did not get as far as that. */
    if (!failed) assert_int_equal(0, without);
    if (failed) assert_true(without == 1 || without == kCallers);
    close_stage(&stage);
    if (!failed) break;
  }
}

/* Gives its lease up, if it gets one. */
static void *call_and_abandon(void *user_data) {
  caller *self = user_data;
  call_to_lease(self);
  ct_lease_abandon(self->lease);
  return NULL;
}

TEST(abandoned_lease_is_not_lost_to_who_stops_waiting) {
  uint64_t random = test_seed();
  for (int round = 0; round < rounds(300); round++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = bring;
    ct_lease *lease = take_lease(&stage);
    caller impatient[4] = {0};
    caller patient[2] = {0};
    for (size_t i = 0; i < COUNT_OF(impatient); i++) {
      impatient[i].wait_ns = 1 + test_random_below(&random, 200000);
      start(&impatient[i], &stage, call_and_abandon);
    }
    start_all(patient, COUNT_OF(patient), &stage, call_to_load);
    await_readings(&stage, COUNT_OF(impatient) + COUNT_OF(patient));
    ct_lease_abandon(lease);
    join_all(impatient, COUNT_OF(impatient));
    join_all(patient, COUNT_OF(patient));
    assert_all_have(patient, COUNT_OF(patient), "loaded");
    assert_int_equal(1, stage.loads);
    uint64_t leased = 0;
    for (size_t i = 0; i < COUNT_OF(impatient); i++) {
      leased += impatient[i].status == CT_LEASED;
      if (impatient[i].status == CT_OK) {
        assert_has(&impatient[i], "loaded");
      } else if (impatient[i].status != CT_LEASED) {
        assert_status(CT_BUSY, impatient[i].status);
      }
    }
    const ct_stats stats = stats_of(stage.cache);
    assert_int_equal(1, stats.loads);
    assert_int_equal(1 + leased, stats.load_failures);
    assert_int_equal(2 + leased, stats.misses);
    close_stage(&stage);
  }
}

/* ---- While others wait ---------------------------------------------------------------------- */

enum { kSet, kDelete, kPop, kClear, kWays };

static const char *write_key(ct_cache *cache, int way) {
  switch (way) {
    case kSet:
      ct_set(cache, "k", 1, "written", 7);
      return "written";
    case kDelete:
      ct_delete(cache, "k", 1);
      return NULL;
    case kPop:
      ct_pop(cache, "k", 1, NULL);
      return NULL;
    default:
      ct_clear(cache);
      return NULL;
  }
}

TEST(waiters_get_a_value_that_was_overtaken) {
  for (int way = 0; way < kWays; way++) {
    stage stage;
    open_stage(&stage, 8);
    caller callers[kCallers] = {0};
    ct_lease *lease = let_wait(&stage, callers, kCallers, call_to_load);
    const char *written = write_key(stage.cache, way);
    ct_value out = CT_VALUE_INIT;
    assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "brought", 7, NULL, &out));
    ct_value_release(&out);
    join_all(callers, kCallers);
    assert_all_have(callers, kCallers, way == kSet ? "written" : "brought");
    assert_text_quietly(stage.cache, "k", written);
    assert_loading_counted(&stage, 1, 1, 0, kCallers);
    close_stage(&stage);
  }
}

STAGE_TEST(who_comes_after_overtaking_does_not_wait, 8) {
  s->script = bring;
  ct_lease *lease = take_lease(s);
  caller before = {0};
  start(&before, s, call_to_load);
  await_readings(s, 1);
  ct_delete(s->cache, "k", 1);
  caller after = {0};
  start(&after, s, call_to_load);
  join_all(&after, 1);
  assert_true(after.loaded);
  assert_has(&after, "loaded");
  assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "brought", 7, NULL, NULL));
  join_all(&before, 1);
  assert_false(before.loaded);
  assert_has(&before, "loaded");
  assert_text_quietly(s->cache, "k", "loaded");
}

static ct_status store_computed(void *user_data, const void *key, size_t key_size,
                                const ct_bytes *old, ct_result *result) {
  (void)user_data, (void)key, (void)key_size, (void)old;
  return ct_result_set(result, "written", 7);
}

enum { kBySet, kBySetdefault, kByCompute, kByLoad, kStores };

/* Stores a value while a load of the key is running. Only one that was overtaken leaves room for
 * another load. */
static void store_meanwhile(ct_cache *cache, int way) {
  ct_lease *lease = NULL;
  switch (way) {
    case kBySet:
      assert_status(CT_OK, ct_set(cache, "k", 1, "written", 7));
      break;
    case kBySetdefault:
      assert_status(CT_OK, ct_setdefault(cache, "k", 1, "written", 7, NULL));
      break;
    case kByCompute:
      assert_status(CT_OK, ct_compute(cache, "k", 1, store_computed, NULL, NULL));
      break;
    default:
      assert_status(CT_LEASED, ct_get_or_lease(cache, "k", 1, 0, NULL, &lease));
      assert_status(CT_OK, ct_lease_fulfil(lease, "written", 7, NULL, NULL));
  }
}

TEST(waiters_get_what_is_stored_meanwhile) {
  for (int i = 0; i < 4 * kStores; i++) {
    const int way = i % kStores;
    const bool overtaken = i / kStores % 2 != 0 || way == kByLoad;
    stage stage;
    open_stage(&stage, 8);
    caller callers[kCallers] = {0};
    ct_lease *lease = let_wait(&stage, callers, kCallers, call_to_load);
    if (overtaken) ct_delete(stage.cache, "k", 1);
    store_meanwhile(stage.cache, way);
    ct_delete(stage.cache, "k", 1);
    join_all(callers, kCallers);
    assert_all_have(callers, kCallers, "written");
    assert_int_equal(0, stage.loads);
    assert_int_equal(kCallers, stats_of(stage.cache).waits);
    if (i / kStores < 2)
      ct_lease_abandon(lease);
    else
      assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "brought", 7, NULL, NULL));
    assert_text_quietly(stage.cache, "k", NULL);
    close_stage(&stage);
  }
}

TEST(lease_that_fails_fails_all_who_wait) {
  static const struct {
    int32_t status, expected;
  } kCases[] = {{CT_MISS, CT_MISS},    {CT_ERR_IO, CT_ERR_IO},   {1000, 1000},
                {-1000, -1000},        {CT_OK, CT_ERR_INVALID},  {CT_LEASED, CT_ERR_INVALID},
                {-11, CT_ERR_INVALID}, {CT_BUSY, CT_ERR_INVALID}};
  for (size_t i = 0; i < COUNT_OF(kCases); i++) {
    stage stage;
    open_stage(&stage, 8);
    caller callers[kCallers] = {0};
    ct_lease *lease = let_wait(&stage, callers, kCallers, call_to_load);
    ct_lease_fail(lease, (ct_status)kCases[i].status);
    join_all(callers, kCallers);
    for (size_t j = 0; j < kCallers; j++) {
      assert_status((ct_status)kCases[i].expected, callers[j].status);
      assert_has_nothing(&callers[j]);
    }
    assert_loading_counted(&stage, 1 + kCallers, 0, 1, 0);
    assert_int_equal(kCallers, stats_of(stage.cache).shared_failures);
    close_stage(&stage);
  }
  ct_lease_fail(NULL, CT_MISS);
}

STAGE_TEST(lease_that_fails_by_recursion_goes_to_a_waiter, 8) {
  s->script = bring;
  caller callers[kCallers] = {0};
  ct_lease *lease = let_wait(s, callers, kCallers, call_to_load);
  ct_lease_fail(lease, CT_ERR_RECURSION);
  join_all(callers, kCallers);
  assert_int_equal(1, count_loaded(callers, kCallers));
  assert_all_have(callers, kCallers, "loaded");
}

/* The waiting threads have been given what was written. */
STAGE_TEST(waiters_of_an_overtaken_lease_that_is_abandoned_look_again, 8) {
  s->script = bring;
  caller callers[kCallers] = {0};
  ct_lease *lease = let_wait(s, callers, kCallers, call_to_load);
  ct_set(s->cache, "k", 1, "written", 7);
  ct_lease_abandon(lease);
  join_all(callers, kCallers);
  assert_int_equal(0, count_loaded(callers, kCallers));
  assert_all_have(callers, kCallers, "written");
  const ct_stats stats = stats_of(s->cache);
  assert_int_equal(kCallers, stats.hits);
  assert_int_equal(1, stats.misses);
  assert_int_equal(0, stats.loads);
  assert_int_equal(1, stats.load_failures);
}

STAGE_TEST(a_waiter_of_an_abandoned_lease_loads_what_was_deleted, 8) {
  s->script = bring;
  caller callers[kCallers] = {0};
  ct_lease *lease = let_wait(s, callers, kCallers, call_to_load);
  ct_delete(s->cache, "k", 1);
  ct_lease_abandon(lease);
  join_all(callers, kCallers);
  assert_int_equal(1, count_loaded(callers, kCallers));
  assert_all_have(callers, kCallers, "loaded");
  assert_text_quietly(s->cache, "k", "loaded");
}

/* A loader on a thread of its own. It stands still until it is told to go on. */
typedef struct slow_load {
  ct_cache *cache;
  pthread_t thread;
  sem_t begun;
  sem_t go_on;
  ct_value value;
  ct_status status;
} slow_load;

static ct_status load_slowly(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)key, (void)key_size;
  slow_load *self = user_data;
  sem_post(&self->begun);
  sem_wait(&self->go_on);
  return ct_result_set(result, "loaded", 6);
}

static void *run_slow_load(void *user_data) {
  slow_load *self = user_data;
  self->status = ct_get_or_load(self->cache, "k", 1, load_slowly, self, &self->value);
  return NULL;
}

static void begin_slow_load(slow_load *self) {
  memset(self, 0, sizeof(*self));
  self->cache = ct_cache_new(CT_POLICY_LRU, 8);
  sem_init(&self->begun, 0, 0);
  sem_init(&self->go_on, 0, 0);
  assert_int_equal(0, pthread_create(&self->thread, NULL, run_slow_load, self));
  sem_wait(&self->begun);
}

/* The thread that called the loader gets its value; expected is what the cache has then. */
static void end_slow_load(slow_load *self, const char *expected) {
  sem_post(&self->go_on);
  pthread_join(self->thread, NULL);
  assert_status(CT_OK, self->status);
  assert_int_equal(6, self->value.size);
  assert_memory_equal("loaded", self->value.data, 6);
  ct_value_release(&self->value);
  assert_text_quietly(self->cache, "k", expected);
  ct_cache_free(self->cache);
  sem_destroy(&self->begun);
  sem_destroy(&self->go_on);
}

TEST(load_is_not_kept_if_another_thread_invalidates_its_key) {
  for (size_t i = 0; i < 2 * kInvalidationCount; i++) {
    const key_call *way = &kInvalidations[i / 2];
    slow_load load;
    begin_slow_load(&load);
    assert_status(way->answer, way->run(load.cache, "k"));
    const char *expected = way->leaves;
    if (i % 2 == 0 && expected == NULL) {
      /* A call that comes later waits for nobody, and what it loads is kept. */
      ct_lease *lease = NULL;
      assert_status(CT_LEASED, ct_get_or_lease(load.cache, "k", 1, 0, NULL, &lease));
      assert_status(CT_OK, ct_lease_fulfil(lease, "newer", 5, NULL, NULL));
      expected = "newer";
    }
    end_slow_load(&load, expected);
  }
}

TEST(load_is_kept_whatever_else_another_thread_calls) {
  for (size_t i = 0; i < kOtherCallCount; i++) {
    const key_call *way = &kOtherCalls[i];
    slow_load load;
    begin_slow_load(&load);
    assert_status(way->answer, way->run(load.cache, "k"));
    ct_lease *lease = NULL;
    assert_status(CT_BUSY, ct_get_or_lease(load.cache, "k", 1, 0, NULL, &lease));
    end_slow_load(&load, "loaded");
  }
}

static bool match_none(void *user_data, const void *key, size_t key_size, const void *value,
                       size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return false;
}

/* A waiting call looks again as often as the lease is overtaken and then given up. It once did
 * so by calling itself, until its stack was full. */
STAGE_TEST(waiting_again_and_again_takes_no_stack, 8) {
  ct_lease *lease = take_lease(s);
  caller caller = {.wait_ns = kForever};
  start(&caller, s, call_to_lease);
  const uintptr_t frame = await_readings(s, 1);
  for (int round = 0; round < 100; round++) {
    /* It is there still, and has expired. */
    assert_int_equal(0, ct_remove_if(s->cache, match_none, NULL));
    ct_lease *next = take_lease(s);
    ct_lease_abandon(lease);
    lease = next;
    assert_int_equal(frame, await_readings(s, 1));
  }
  assert_status(CT_OK, ct_lease_fulfil(lease, "brought", 7, NULL, NULL));
  join_all(&caller, 1);
  assert_has(&caller, "brought");
  assert_loading_counted(s, 101, 1, 100, 1);
}

TEST(waiters_get_a_value_that_is_gone_before_they_wake) {
  for (int way = 0; way < kWays + 2; way++) {
    stage stage;
    open_stage(&stage, 1);
    caller callers[kCallers] = {0};
    ct_lease *lease = let_wait(&stage, callers, kCallers, call_to_load);
    ct_entry_options options = entry_with(.flags = CT_ENTRY_TTL, .ttl = 10);
    assert_status(CT_OK, ct_lease_fulfil(lease, "brought", 7, &options, NULL));
    if (way < kWays) {
      write_key(stage.cache, way);
    } else if (way == kWays) {
      ct_set(stage.cache, "other", 5, "evicts it", 9);
    } else {
      stage.now = 100;
      ct_expire(stage.cache, CT_NOW, NULL, NULL);
    }
    join_all(callers, kCallers);
    assert_all_have(callers, kCallers, "brought");
    assert_int_equal(0, stage.loads);
    assert_loading_counted(&stage, 1, 1, 0, kCallers);
    close_stage(&stage);
  }
}
