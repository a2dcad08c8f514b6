/* SPDX-License-Identifier: MIT */
/* Children made by fork. They may use the caches of their parent if no other thread was inside a
 * call at that moment. This is not for ThreadSanitizer, under which such a child cannot make
 * threads. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

enum { kEntries = 5000, kThreads = 4 };

static const ct_policy kPolicies[] = {
    CT_POLICY_LRU,    CT_POLICY_FIFO,     CT_POLICY_LFU,   CT_POLICY_RR,
    CT_POLICY_ANY,    CT_POLICY_MRU,      CT_POLICY_CLOCK, CT_POLICY_SIEVE,
    CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU, CT_POLICY_ARC,   CT_POLICY_ADAPTIVE,
};
enum { kPolicyCount = COUNT_OF(kPolicies) };

typedef struct world {
  ct_cache *caches[kPolicyCount];
  pthread_barrier_t idle;    /* all threads have used the caches */
  pthread_barrier_t may_end; /* until then they are idle */
} world;

static ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)user_data;
  return ct_result_set(result, key, key_size);
}

/* A value equals its key. Returns whether everything was as it should be. */
static bool use(ct_cache *cache, uint32_t from, uint32_t count) {
  bool good = true;
  for (uint32_t i = from; i < from + count; i++) {
    ct_value value = CT_VALUE_INIT;
    uint32_t copy = 0;
    size_t size = 0;
    good = good && ct_set(cache, &i, sizeof i, &i, sizeof i) == CT_OK;
    const ct_status status = ct_get_or_load(cache, &i, sizeof i, load, NULL, &value);
    good = good && status == CT_OK && value.size == sizeof i;
    good = good && memcmp(value.data, &i, sizeof i) == 0;
    ct_value_release(&value);
    if (ct_get_copy(cache, &i, sizeof i, &copy, sizeof copy, &size) == CT_OK)
      good = good && size == sizeof i && copy == i;
  }
  return good;
}

static bool counts_add_up(ct_cache *cache) {
  ct_stats stats = CT_STATS_INIT;
  const uint64_t len = ct_len(cache);
  return ct_cache_stats(cache, &stats) == CT_OK && len <= ct_maxsize(cache) &&
         stats.inserts == len + stats.evictions + stats.expirations + stats.removals;
}

static void *use_all_and_idle(void *data) {
  world *it = data;
  bool good = true;
  for (int i = 0; i < kPolicyCount; i++) good = use(it->caches[i], 0, kEntries) && good;
  pthread_barrier_wait(&it->idle);
  pthread_barrier_wait(&it->may_end);
  return good ? it : NULL;
}

static void *use_one(void *cache) {
  return use(cache, kEntries / 2, kEntries) ? cache : NULL;
}

/* The child does everything, beside a thread of its own, and then frees the caches. */
static int be_child(world *it) {
  for (int i = 0; i < kPolicyCount; i++) {
    pthread_t thread;
    void *result = NULL;
    if (pthread_create(&thread, NULL, use_one, it->caches[i]) != 0) return 2;
    const bool good = use(it->caches[i], 0, kEntries);
    if (pthread_join(thread, &result) != 0 || result == NULL || !good) return 3;
    if (!counts_add_up(it->caches[i])) return 4;
    if (ct_resize(it->caches[i], 10) != CT_OK || ct_len(it->caches[i]) > 10) return 5;
    ct_cache_free(it->caches[i]);
  }
  ct_cache *another = ct_cache_new(CT_POLICY_LRU, 100);
  if (another == NULL || !use(another, 0, 1000)) return 6;
  ct_cache_free(another);
  return 0;
}

static void assert_child_succeeds(pid_t child) {
  int status;
  assert_true(child > 0);
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_true(WIFEXITED(status));
  assert_int_equal(0, WEXITSTATUS(status));
}

/* The parent's other threads are there, but idle. */
TEST(child_uses_the_caches_of_idle_threads) {
  world it;
  pthread_t threads[kThreads];
  pthread_barrier_init(&it.idle, NULL, kThreads + 1);
  pthread_barrier_init(&it.may_end, NULL, kThreads + 1);
  for (int i = 0; i < kPolicyCount; i++) {
    ct_options options = CT_OPTIONS_INIT;
    options.policy = (int32_t)kPolicies[i];
    options.maxsize = kEntries / 2;
    options.shards = i % 2 == 0 ? 1 : 4;
    options.ttl = i % 3 == 0 ? UINT64_C(1) << 60 : 0;
    assert_status(CT_OK, ct_cache_new_with(&options, &it.caches[i]));
  }
  for (int i = 0; i < kThreads; i++)
    assert_int_equal(0, pthread_create(&threads[i], NULL, use_all_and_idle, &it));
  pthread_barrier_wait(&it.idle);

  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) _exit(be_child(&it));
  bool good = true;
  for (int i = 0; i < kPolicyCount; i++) good = use(it.caches[i], 0, kEntries) && good;
  assert_child_succeeds(child);

  pthread_barrier_wait(&it.may_end);
  for (int i = 0; i < kThreads; i++) {
    void *result;
    assert_int_equal(0, pthread_join(threads[i], &result));
    good = good && result != NULL;
  }
  assert_true(good);
  for (int i = 0; i < kPolicyCount; i++) {
    assert_true(counts_add_up(it.caches[i]));
    ct_cache_free(it.caches[i]);
  }
  pthread_barrier_destroy(&it.idle);
  pthread_barrier_destroy(&it.may_end);
}

/* ---- Callers that wait without a thread ------------------------------------------------------ */

typedef struct teller {
  ct_cache *cache;
  uint32_t key;
  int calls;
  pthread_t thread;
  pthread_barrier_t *inside; /* the callback has begun; NULL: it does not linger */
  pthread_barrier_t *may_end;
} teller;

static void linger(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  (void)status, (void)value, (void)lease;
  teller *self = user_data;
  self->calls++;
  if (self->inside == NULL) return;
  pthread_barrier_wait(self->inside);
  pthread_barrier_wait(self->may_end);
}

/* Lets a callback wait for a load, and ends the load. */
static void *tell(void *user_data) {
  teller *self = user_data;
  const uint32_t key = self->key;
  ct_lease *lease, *none;
  const bool good = ct_get_or_lease(self->cache, &key, sizeof key, 0, NULL, &lease) == CT_LEASED &&
                    ct_get_or_lease_async(self->cache, &key, sizeof key, NULL, linger, self, NULL,
                                          &none, NULL) == CT_PENDING &&
                    ct_lease_fulfil(lease, "1", 1, NULL, NULL) == CT_OK;
  return good && self->calls == 1 ? self : NULL;
}

static bool start_to_tell(teller *self) {
  return pthread_create(&self->thread, NULL, tell, self) == 0;
}

static bool has_told(teller *self) {
  void *result;
  return pthread_join(self->thread, &result) == 0 && result == self;
}

/* A thread of the parent is inside a callback of another cache. The child has no such thread, but
 * makes so many that one of them has the place of its stack. */
TEST(child_tells_who_waits_in_a_cache_that_was_idle) {
  pthread_barrier_t inside, may_end;
  pthread_barrier_init(&inside, NULL, 2);
  pthread_barrier_init(&may_end, NULL, 2);
  teller lingering = {.cache = ct_cache_new(CT_POLICY_LRU, 10)};
  lingering.inside = &inside;
  lingering.may_end = &may_end;
  ct_cache *idle = ct_cache_new(CT_POLICY_LRU, 10);
  assert_true(start_to_tell(&lingering));
  pthread_barrier_wait(&inside);
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    teller tellers[3 * kThreads];
    pthread_barrier_t begun;
    bool good = true;
    pthread_barrier_init(&begun, NULL, COUNT_OF(tellers));
    for (uint32_t i = 0; i < COUNT_OF(tellers); i++) {
      tellers[i] = (teller){.cache = idle, .key = i, .inside = &begun, .may_end = &begun};
      good = good && start_to_tell(&tellers[i]);
    }
    for (uint32_t i = 0; i < COUNT_OF(tellers); i++) good = good && has_told(&tellers[i]);
    _exit(good ? 0 : 1);
  }
  assert_child_succeeds(child);
  pthread_barrier_wait(&may_end);
  assert_true(has_told(&lingering));
  pthread_barrier_destroy(&inside);
  pthread_barrier_destroy(&may_end);
  ct_cache_free(lingering.cache);
  ct_cache_free(idle);
}

/* A pinned value, a walk and a lease go on in the child as in the parent. */
TEST(child_goes_on_with_what_was_begun) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 100);
  for (uint32_t i = 0; i < 50; i++) ct_set(cache, &i, sizeof i, &i, sizeof i);
  const uint32_t key = 7;
  ct_value value;
  ct_iter *iter;
  ct_lease *lease;
  assert_status(CT_OK, ct_get(cache, &key, sizeof key, &value));
  assert_status(CT_OK, ct_iter_new(cache, CT_ORDER_COLDEST, &iter));
  assert_status(CT_OK, ct_iter_next(iter, NULL, NULL));
  assert_status(CT_LEASED, ct_get_or_lease(cache, "leased", 6, 0, NULL, &lease));
  fflush(NULL);
  const pid_t child = fork();
  int count = 1;
  while (ct_iter_next(iter, NULL, NULL) == CT_OK) count++;
  ct_iter_free(iter);
  const ct_status fulfilled = ct_lease_fulfil(lease, "value", 5, NULL, NULL);
  const bool same = memcmp(value.data, &key, sizeof key) == 0;
  const uint64_t len = ct_len(cache);
  ct_cache_free(cache);
  ct_value_release(&value);
  const bool good = count == 50 && fulfilled == CT_OK && same && len == 51;
  if (child == 0) _exit(good ? 0 : 1);
  assert_child_succeeds(child);
  assert_true(good);
}
