/* SPDX-License-Identifier: MIT */
/* Renewals on many threads: one thread renews, the others are served at once, or wait as long as
 * they like. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <time.h>

#include "support.h"

enum { kAskers = 64, kTtl = 100, kStale = 50 };

typedef struct scene {
  _Atomic uint64_t now; /* first, for manual_clock_read */
  ct_cache *cache;
  _Atomic uint64_t readings;
  _Atomic int loads;
  _Atomic int served;
  sem_t go_on;
  ct_status answer; /* of the loader */
  ct_status old;    /* what the loader has found of the old value */
  uint64_t begun;   /* by the monotonic clock, when the loader was called */
  uint64_t ended;
} scene;

typedef struct asker {
  scene *scene;
  pthread_t thread;
  ct_load_options options;
  ct_status status;
  ct_value value;
} asker;

static uint64_t read_scene(void *user_data) {
  scene *self = user_data;
  atomic_fetch_add(&self->readings, 1);
  return self->now;
}

/* The key k is there, and past its deadline. */
static void open_scene(scene *self) {
  memset(self, 0, sizeof(*self));
  sem_init(&self->go_on, 0, 0);
  self->cache =
      cache_of(.maxsize = 8, .ttl = kTtl, .stale = kStale, .timer = read_scene, .user_data = self);
  set_text(self->cache, "k", "old");
  self->now = kTtl;
}

static void close_scene(scene *self) {
  ct_cache_free(self->cache);
  sem_destroy(&self->go_on);
}

#define SCENE_TEST(name) TEST_IN(scene, s, name, open_scene(s), close_scene(s))

static ct_status load_when_told(void *user_data, const void *key, size_t key_size,
                                ct_result *result) {
  (void)key, (void)key_size;
  scene *self = user_data;
  atomic_fetch_add(&self->loads, 1);
  sem_wait(&self->go_on);
  if (self->answer != CT_OK) return self->answer;
  return ct_result_set(result, "new", 3);
}

static void *ask(void *user_data) {
  asker *self = user_data;
  scene *scene = self->scene;
  self->status = ct_get_or_load_with(scene->cache, "k", 1, load_when_told, scene, &self->options,
                                     &self->value);
  atomic_fetch_add(&scene->served, 1);
  return NULL;
}

static void start(asker *self, scene *scene) {
  self->scene = scene;
  self->options.struct_size = sizeof(self->options);
  assert_int_equal(0, pthread_create(&self->thread, NULL, ask, self));
}

static void assert_given(asker *self, ct_status status, const char *value) {
  assert_status(status, self->status);
  assert_value(value, self->value);
  ct_value_release(&self->value);
}

static void await_at_least(const _Atomic int *count, int expected) {
  while (*count < expected) sched_yield();
}

/* Starts all askers, and waits until all but the one that loads are back. Returns that one. */
static asker *let_all_but_one_through(scene *s, asker *askers) {
  for (size_t i = 0; i < kAskers; i++) start(&askers[i], s);
  await_at_least(&s->served, kAskers - 1);
  assert_int_equal(1, s->loads);
  sem_post(&s->go_on);
  asker *loader = NULL;
  for (size_t i = 0; i < kAskers; i++) pthread_join(askers[i].thread, NULL);
  for (size_t i = 0; i < kAskers; i++) {
    if (askers[i].status != CT_STALE) {
      assert_null(loader);
      loader = &askers[i];
    } else {
      assert_given(&askers[i], CT_STALE, "old");
    }
  }
  return loader;
}

SCENE_TEST(one_of_many_renews_and_the_others_are_served_at_once) {
  static asker askers[kAskers];
  memset(askers, 0, sizeof(askers));
  asker *loader = let_all_but_one_through(s, askers);
  assert_non_null(loader);
  assert_given(loader, CT_OK, "new");
  const ct_stats stats = stats_of(s->cache);
  assert_int_equal(1, stats.renewals);
  assert_int_equal(1, stats.loads);
  assert_int_equal(kAskers, stats.hits);
  assert_int_equal(kAskers, stats.stale_served);
}

SCENE_TEST(failed_renewal_is_one_call_of_the_backend) {
  static asker askers[kAskers];
  memset(askers, 0, sizeof(askers));
  s->answer = CT_ERR_IO;
  assert_null(let_all_but_one_through(s, askers));
  assert_int_equal(1, stats_of(s->cache).renewal_failures);
  /* Nobody tries again before the pause is over. */
  asker later = {0};
  start(&later, s);
  pthread_join(later.thread, NULL);
  assert_given(&later, CT_STALE, "old");
  assert_int_equal(1, s->loads);
}

/* Takes the lease of the renewal. */
static ct_lease *renew(scene *s) {
  ct_lease *lease = NULL;
  assert_status(CT_RENEW, ct_get_or_lease(s->cache, "k", 1, 0, NULL, &lease));
  s->readings = 0;
  return lease;
}

/* Starts a caller that would rather wait for the renewal. When another look-up is over, it waits. */
static void start_patient(scene *s, asker *patient) {
  patient->options.stale_after_ns = UINT64_MAX;
  start(patient, s);
  while (s->readings == 0) sched_yield();
  ct_contains(s->cache, "k", 1);
}

SCENE_TEST(who_waits_for_a_renewal_gets_the_new_value) {
  ct_lease *lease = renew(s);
  asker patient = {0};
  start_patient(s, &patient);
  assert_status(CT_OK, ct_lease_fulfil(lease, "new", 3, NULL, NULL));
  pthread_join(patient.thread, NULL);
  assert_given(&patient, CT_OK, "new");
  assert_int_equal(0, s->loads);
}

SCENE_TEST(who_waits_for_a_renewal_that_fails_gets_the_old_value) {
  ct_lease *lease = renew(s);
  asker patient = {0};
  start_patient(s, &patient);
  ct_lease_fail(lease, CT_ERR_IO);
  pthread_join(patient.thread, NULL);
  assert_given(&patient, CT_STALE, "old");
  assert_int_equal(0, s->loads);
  assert_int_equal(0, stats_of(s->cache).misses);
}

SCENE_TEST(who_takes_over_a_renewal_has_the_old_value) {
  ct_lease *lease = renew(s);
  asker patient = {0};
  start_patient(s, &patient);
  s->answer = CT_ERR_IO;
  sem_post(&s->go_on);
  ct_lease_abandon(lease);
  pthread_join(patient.thread, NULL);
  assert_given(&patient, CT_STALE, "old");
  assert_int_equal(1, s->loads);
  const ct_stats stats = stats_of(s->cache);
  assert_int_equal(2, stats.renewals);
  assert_int_equal(1, stats.renewal_failures);
  assert_int_equal(0, stats.misses);
}

/* All who wait take over in turns, whichever of them a wake-up reaches. */
SCENE_TEST(all_who_wait_for_a_renewal_outlast_cancelled_ones) {
  static asker askers[kAskers];
  memset(askers, 0, sizeof(askers));
  ct_lease *lease = renew(s);
  s->answer = CT_BUSY;
  for (size_t i = 0; i < kAskers; i++) {
    askers[i].options.stale_after_ns = UINT64_MAX;
    start(&askers[i], s);
    sem_post(&s->go_on);
  }
  ct_lease_abandon(lease);
  for (size_t i = 0; i < kAskers; i++) {
    pthread_join(askers[i].thread, NULL);
    assert_status(CT_BUSY, askers[i].status);
    assert_holds_nothing(askers[i].value);
  }
  assert_int_equal(kAskers, s->loads);
}

SCENE_TEST(who_waits_for_a_renewal_that_finds_nothing_is_told_so) {
  ct_lease *lease = renew(s);
  asker patient = {0};
  start_patient(s, &patient);
  ct_lease_fail(lease, CT_MISS);
  pthread_join(patient.thread, NULL);
  assert_status(CT_MISS, patient.status);
  assert_int_equal(0, s->loads);
  assert_int_equal(1, stats_of(s->cache).shared_failures);
}

SCENE_TEST(timeout_ends_the_wait_for_a_renewal_too) {
  ct_lease *lease = renew(s);
  asker impatient = {.options.timeout_ns = 1000000, .options.stale_after_ns = UINT64_MAX};
  start(&impatient, s);
  pthread_join(impatient.thread, NULL);
  assert_given(&impatient, CT_STALE, "old");
  ct_lease_abandon(lease);
}

/* The value's entry counts some pins itself. Beyond these, a pin takes memory. */
TEST(kept_value_is_pinned_for_those_who_wait_or_one_of_them_loads) {
  enum { kPins = 65536 };
  static ct_value pins[kPins];
  for (int count = kPins - 5; count < kPins; count++) {
    scene s = {.now = 0};
    test_allocator allocator;
    test_allocator_init(&allocator);
    sem_init(&s.go_on, 0, 1);
    s.cache = cache_of(.maxsize = 8, .ttl = kTtl, .stale = kStale, .timer = read_scene,
                       .user_data = &s, .allocator = &allocator.hooks);
    set_text(s.cache, "k", "old");
    s.now = kTtl - 1;
    for (int i = 0; i < count; i++) assert_status(CT_OK, ct_get(s.cache, "k", 1, &pins[i]));
    s.now = kTtl;
    ct_lease *lease = renew(&s);
    asker patient = {0};
    start_patient(&s, &patient);
    allocator.fail_at = allocator.calls;
    const ct_status status = ct_lease_keep(lease, NULL);
    allocator.fail_at = -1;
    assert_true(status == CT_OK || status == CT_ERR_NOMEM);
    pthread_join(patient.thread, NULL);
    assert_true(patient.status == CT_OK || patient.status == CT_ERR_NOMEM);
    ct_value_release(&patient.value);
    assert_int_equal(count, stats_of(s.cache).pinned);
    for (int i = 0; i < count; i++) ct_value_release(&pins[i]);
    assert_int_equal(0, stats_of(s.cache).pinned);
    ct_cache_free(s.cache);
    sem_destroy(&s.go_on);
  }
}

/* Patience is for those who have something to fall back on. */
SCENE_TEST(patience_does_not_keep_a_failure_from_who_has_no_old_value) {
  for (int forced = 0; forced < 2; forced++) {
    ct_lease *lease = NULL;
    if (forced == 0) s->now += kStale; /* it is there still, and has left for all */
    if (forced == 0) assert_status(CT_LEASED, ct_get_or_lease(s->cache, "k", 1, 0, NULL, &lease));
    if (forced != 0) lease = renew(s);
    s->readings = 0;
    asker patient = {.options.flags = forced != 0 ? CT_LOAD_FORCE : 0};
    start_patient(s, &patient);
    sem_post(&s->go_on);
    ct_lease_fail(lease, CT_ERR_IO);
    pthread_join(patient.thread, NULL);
    assert_status(CT_ERR_IO, patient.status);
    assert_int_equal(0, s->loads);
    set_text(s->cache, "k", "old");
    s->now += kTtl;
  }
}

SCENE_TEST(who_waits_too_long_for_a_renewal_gets_the_old_value) {
  ct_lease *lease = renew(s);
  asker impatient = {.options.stale_after_ns = 1000000};
  start(&impatient, s);
  pthread_join(impatient.thread, NULL);
  assert_given(&impatient, CT_STALE, "old");
  assert_status(CT_OK, ct_lease_fulfil(lease, "new", 3, NULL, NULL));
}

SCENE_TEST(waiting_for_a_load_has_an_end) {
  ct_delete(s->cache, "k", 1);
  ct_lease *lease = NULL;
  assert_status(CT_LEASED, ct_get_or_lease(s->cache, "k", 1, 0, NULL, &lease));
  asker impatient = {.options.timeout_ns = 1000000};
  start(&impatient, s);
  pthread_join(impatient.thread, NULL);
  assert_status(CT_BUSY, impatient.status);
  assert_holds_nothing(impatient.value);
  ct_lease_abandon(lease);
}

/* A forced load does not take the old value for an answer. */
SCENE_TEST(forced_load_waits_for_a_renewal_and_shares_its_failure) {
  ct_lease *lease = renew(s);
  asker forced = {.options.flags = CT_LOAD_FORCE};
  start(&forced, s);
  while (s->readings == 0) sched_yield();
  ct_contains(s->cache, "k", 1);
  ct_lease_fail(lease, CT_ERR_IO);
  pthread_join(forced.thread, NULL);
  assert_status(CT_ERR_IO, forced.status);
  assert_holds_nothing(forced.value);
  asker later = {0};
  start(&later, s);
  pthread_join(later.thread, NULL);
  assert_given(&later, CT_STALE, "old");
}

/* ---- Leases that are taken over ------------------------------------------------------------- */

static void done_at_once(void *user_data, ct_status status, const ct_value *value,
                         ct_lease *lease) {
  (void)user_data, (void)status, (void)value, (void)lease;
}

/* Takes a lease although there is a value. */
static ct_lease *force_lease(scene *s, const char *key) {
  ct_load_options how = CT_LOAD_OPTIONS_INIT;
  how.flags = CT_LOAD_FORCE;
  ct_lease *lease = NULL;
  assert_status(CT_LEASED, ct_get_or_lease_async(s->cache, key, 1, &how, done_at_once, NULL, NULL,
                                                 &lease, NULL));
  return lease;
}

/* A call has joined a flight once it has read the time, and another one has had the lock. */
static void await_readings(scene *s, uint64_t count) {
  while (s->readings < count) sched_yield();
  ct_contains(s->cache, "none", 4);
}

static ct_status look_for_old(void *user_data, const void *key, size_t key_size,
                              ct_result *result) {
  (void)key, (void)key_size;
  scene *self = user_data;
  ct_bytes old;
  self->old = ct_result_old(result, &old);
  return ct_result_set(result, "new", 3);
}

static void *force_load(void *user_data) {
  asker *self = user_data;
  self->options = (ct_load_options)CT_LOAD_OPTIONS_INIT;
  self->options.flags = CT_LOAD_FORCE;
  self->status = ct_get_or_load_with(self->scene->cache, "k", 1, look_for_old, self->scene,
                                     &self->options, &self->value);
  return NULL;
}

SCENE_TEST(forced_load_that_takes_a_lease_over_knows_the_old_value) {
  asker asker = {.scene = s};
  ct_lease *lease = force_lease(s, "k");
  const uint64_t readings = s->readings;
  s->old = CT_ERR_INTERNAL;
  assert_int_equal(0, pthread_create(&asker.thread, NULL, force_load, &asker));
  await_readings(s, readings + 1);
  ct_lease_abandon(lease);
  pthread_join(asker.thread, NULL);
  assert_given(&asker, CT_OK, "new");
  assert_status(CT_OK, s->old);
}

/* ---- The time that waiting takes ------------------------------------------------------------ */

enum { kWaitMs = 200 };

static uint64_t milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* Takes as long as the whole call may wait. */
static ct_status load_slowly(void *user_data, const ct_bytes *keys, size_t count,
                             ct_result *const *results) {
  (void)keys;
  scene *self = user_data;
  self->begun = milliseconds();
  while (milliseconds() <= self->begun + kWaitMs) sched_yield();
  for (size_t i = 0; i < count; i++) ct_result_set(results[i], "new", 3);
  self->ended = milliseconds();
  return CT_OK;
}

static void *load_two(void *user_data) {
  asker *self = user_data;
  const size_t ends[] = {1, 2};
  ct_status statuses[2];
  self->options = (ct_load_options)CT_LOAD_OPTIONS_INIT;
  self->options.flags = CT_LOAD_FORCE;
  self->options.timeout_ns = kWaitMs * UINT64_C(1000000);
  ct_get_or_load_many(self->scene->cache, "jk", ends, 2, load_slowly, self->scene, &self->options,
                      NULL, statuses);
  self->status = statuses[1];
  return NULL;
}

/* Nobody ends the load of the second key, so that all the time that is left is waited. */
SCENE_TEST(own_loader_takes_none_of_the_time_to_wait) {
  asker asker = {.scene = s};
  set_text(s->cache, "j", "old");
  ct_lease *first = force_lease(s, "j");
  ct_lease *second = force_lease(s, "k");
  const uint64_t begun = milliseconds();
  const uint64_t readings = s->readings;
  assert_int_equal(0, pthread_create(&asker.thread, NULL, load_two, &asker));
  await_readings(s, readings + 2);
  ct_lease_abandon(first);
  pthread_join(asker.thread, NULL);
  const uint64_t ended = milliseconds();
  assert_status(CT_BUSY, asker.status);
  if (s->begun != 0 && s->begun < begun + kWaitMs)
    assert_true(ended + 2 >= s->ended + kWaitMs - (s->begun - begun));
  ct_lease_abandon(second);
}
