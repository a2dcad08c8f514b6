/* SPDX-License-Identifier: MIT */
/* Computes on many threads: no result is lost, computes of one key take turns, and each gets its
 * turn in the end. */
#include <semaphore.h>

#include "stage.h"

enum { kCounters = 3, kCounting = 4 };

typedef struct counting {
  ct_cache *cache;
  pthread_t thread;
  uint64_t times;
  uint64_t failures;
} counting;

static ct_status add_one(void *user_data, const void *key, size_t key_size, const ct_bytes *old,
                         ct_result *result) {
  (void)user_data, (void)key, (void)key_size;
  uint64_t count = 0;
  if (old != NULL) memcpy(&count, old->data, sizeof(count));
  count++;
  return ct_result_set(result, &count, sizeof(count));
}

static void *count_up(void *user_data) {
  counting *self = user_data;
  for (uint64_t i = 0; i < self->times; i++) {
    const uint64_t key = i % kCounters;
    self->failures += ct_compute(self->cache, &key, sizeof(key), add_one, NULL, NULL) != CT_OK;
  }
  return NULL;
}

TEST(counting_by_compute_loses_nothing) {
  const uint64_t times = kCounters * (uint64_t)rounds(5000);
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, kCounters);
  counting countings[kCounting];
  for (size_t i = 0; i < kCounting; i++) {
    countings[i] = (counting){.cache = cache, .times = times};
    assert_int_equal(0, pthread_create(&countings[i].thread, NULL, count_up, &countings[i]));
  }
  for (size_t i = 0; i < kCounting; i++) {
    pthread_join(countings[i].thread, NULL);
    assert_int_equal(0, countings[i].failures);
  }
  for (uint64_t key = 0; key < kCounters; key++) {
    ct_value value = CT_VALUE_INIT;
    assert_status(CT_OK, ct_peek(cache, &key, sizeof(key), &value));
    assert_int_equal(times / kCounters * kCounting, *(const uint64_t *)value.data);
    ct_value_release(&value);
  }
  const ct_stats stats = stats_of(cache);
  assert_int_equal(kCounters, stats.misses);
  assert_int_equal(times * kCounting - kCounters, stats.hits);
  assert_int_equal(times * kCounting - kCounters, stats.updates);
  ct_cache_free(cache);
}

/* Many threads that compute one key at once. */
typedef struct crowd {
  ct_cache *cache;
  pthread_barrier_t barrier;
  _Atomic int inside; /* callbacks of the key that run */
  _Atomic int runs;
  _Atomic bool crowded;
} crowd;

static ct_status add_one_slowly(void *user_data, const void *key, size_t key_size,
                                const ct_bytes *old, ct_result *result) {
  crowd *self = user_data;
  if (atomic_fetch_add(&self->inside, 1) != 0) self->crowded = true;
  atomic_fetch_add(&self->runs, 1);
  /* Others come meanwhile. */
  for (int i = 0; i < 20; i++) sched_yield();
  const ct_status status = add_one(NULL, key, key_size, old, result);
  atomic_fetch_sub(&self->inside, 1);
  return status;
}

static void *compute_with_all(void *user_data) {
  crowd *self = user_data;
  pthread_barrier_wait(&self->barrier);
  return ct_compute(self->cache, "k", 1, add_one_slowly, self, NULL) == CT_OK ? NULL : self;
}

TEST(computes_of_a_key_take_turns) {
  enum { kCrowd = 8 };
  for (int round = 0; round < rounds(50); round++) {
    crowd crowd = {.cache = ct_cache_new(CT_POLICY_LRU, 10)};
    pthread_barrier_init(&crowd.barrier, NULL, kCrowd);
    pthread_t threads[kCrowd];
    for (size_t i = 0; i < kCrowd; i++)
      assert_int_equal(0, pthread_create(&threads[i], NULL, compute_with_all, &crowd));
    for (size_t i = 0; i < kCrowd; i++) {
      void *failed;
      pthread_join(threads[i], &failed);
      assert_null(failed);
    }
    assert_int_equal(kCrowd, crowd.runs);
    assert_false(crowd.crowded);
    ct_value value = CT_VALUE_INIT;
    assert_status(CT_OK, ct_peek(crowd.cache, "k", 1, &value));
    assert_int_equal(kCrowd, *(const uint64_t *)value.data);
    ct_value_release(&value);
    pthread_barrier_destroy(&crowd.barrier);
    ct_cache_free(crowd.cache);
  }
}

/* A compute on a thread of its own. Each run stands still until it is told to go on. */
typedef struct slow_compute {
  ct_cache *cache;
  const char *key;
  pthread_t thread;
  sem_t begun;
  sem_t go_on;
  int runs;
  ct_status answer;
  ct_status status;
} slow_compute;

static ct_status compute_slowly(void *user_data, const void *key, size_t key_size,
                                const ct_bytes *old, ct_result *result) {
  (void)key, (void)key_size, (void)old;
  slow_compute *self = user_data;
  self->runs++;
  sem_post(&self->begun);
  sem_wait(&self->go_on);
  ct_result_set(result, "computed", 8);
  return self->answer;
}

static void *run_slow_compute(void *user_data) {
  slow_compute *self = user_data;
  self->status = ct_compute(self->cache, self->key, strlen(self->key), compute_slowly, self, NULL);
  sem_post(&self->begun);
  return NULL;
}

static void begin_slow_compute(slow_compute *self, ct_cache *cache, const char *key) {
  memset(self, 0, sizeof(*self));
  self->cache = cache;
  self->key = key;
  sem_init(&self->begun, 0, 0);
  sem_init(&self->go_on, 0, 0);
  assert_int_equal(0, pthread_create(&self->thread, NULL, run_slow_compute, self));
  sem_wait(&self->begun);
}

static void end_slow_compute(slow_compute *self) {
  pthread_join(self->thread, NULL);
  sem_destroy(&self->begun);
  sem_destroy(&self->go_on);
}

/* A compute beside a quicker writer once never came to an end. */
TEST(compute_beside_a_quick_writer_is_busy_in_the_end) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  slow_compute slow;
  begin_slow_compute(&slow, cache, "k");
  int writes = 0;
  for (int runs = 0; runs != slow.runs; writes++) {
    runs = slow.runs;
    set_text(cache, "k", "written");
    sem_post(&slow.go_on);
    sem_wait(&slow.begun);
  }
  end_slow_compute(&slow);
  assert_int_equal(17, writes);
  assert_int_equal(17, slow.runs);
  assert_status(CT_BUSY, slow.status);
  assert_text_quietly(cache, "k", "written");
  ct_cache_free(cache);
}

TEST(computes_of_different_keys_do_not_wait_for_each_other) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  slow_compute one, other;
  begin_slow_compute(&one, cache, "one");
  begin_slow_compute(&other, cache, "other");
  /* Other calls do not wait for them either. */
  assert_status(CT_MISS, ct_get(cache, "one", 3, NULL));
  ct_lease *lease = NULL;
  assert_status(CT_LEASED, ct_get_or_lease(cache, "one", 3, 0, NULL, &lease));
  ct_lease_abandon(lease);
  sem_post(&other.go_on);
  end_slow_compute(&other);
  assert_text_quietly(cache, "other", "computed");
  sem_post(&one.go_on);
  end_slow_compute(&one);
  assert_text_quietly(cache, "one", "computed");
  ct_cache_free(cache);
}

/* The answer of the compute before does not matter. */
TEST(turn_passes_on_after_any_answer) {
  static const int32_t answers[] = {CT_OK, CT_MISS, CT_NOT_STORED, CT_ERR_IO, -1000, CT_BUSY};
  for (size_t i = 0; i < COUNT_OF(answers); i++) {
    ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
    slow_compute slow;
    begin_slow_compute(&slow, cache, "k");
    slow.answer = (ct_status)answers[i];
    crowd crowd = {.cache = cache};
    pthread_barrier_init(&crowd.barrier, NULL, 1);
    pthread_t thread;
    assert_int_equal(0, pthread_create(&thread, NULL, compute_with_all, &crowd));
    for (int yields = 0; yields < 20; yields++) sched_yield();
    assert_int_equal(0, crowd.runs);
    sem_post(&slow.go_on);
    end_slow_compute(&slow);
    pthread_join(thread, NULL);
    assert_int_equal(1, crowd.runs);
    pthread_barrier_destroy(&crowd.barrier);
    ct_cache_free(cache);
  }
}

/* A thread that computes a key again and again does not keep others from their turn. */
static void *compute_until_over(void *user_data) {
  slow_compute *self = user_data;
  while (sem_trywait(&self->go_on) != 0)
    ct_compute(self->cache, self->key, strlen(self->key), add_one, NULL, NULL);
  return NULL;
}

TEST(turn_comes_beside_one_who_computes_all_the_time) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  slow_compute busy = {.cache = cache, .key = "k"};
  sem_init(&busy.go_on, 0, 0);
  assert_int_equal(0, pthread_create(&busy.thread, NULL, compute_until_over, &busy));
  crowd crowd = {.cache = cache};
  pthread_barrier_init(&crowd.barrier, NULL, 1);
  for (int i = 0; i < rounds(200); i++) assert_null(compute_with_all(&crowd));
  assert_int_equal(rounds(200), crowd.runs);
  sem_post(&busy.go_on);
  pthread_join(busy.thread, NULL);
  pthread_barrier_destroy(&crowd.barrier);
  sem_destroy(&busy.go_on);
  ct_cache_free(cache);
}
