/* SPDX-License-Identifier: MIT */
/* The one limit, with many threads: which calls pay when it falls, and which do not when a
 * snapshot is loaded; and what is free after a clear. */
#include <pthread.h>
#include <sched.h>

#include "snapshots.h"
#include "support.h"

/* ---- A store beside ct_resize --------------------------------------------------------------- */

/* The resize is held in the first shard, in its policy's choice of a victim, until another thread
 * has stored in the second one. */
enum { kEntries = 4000, kStores = 5, kShards = 2 };

typedef struct queue {
  void *state;    /* kQueue's */
  int number;     /* of the shard */
  int64_t length; /* entries */
} queue;

static struct {
  queue *queues[kShards];
  int made;
  int last_insert; /* into which shard */
  atomic_int stage;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
} resizing = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

enum { kIdle, kArmed, kHeld, kStored };

static void enter_stage(int stage) {
  pthread_mutex_lock(&resizing.mutex);
  resizing.stage = stage;
  pthread_cond_broadcast(&resizing.changed);
  pthread_mutex_unlock(&resizing.mutex);
}

static void wait_for_stage(int stage) {
  pthread_mutex_lock(&resizing.mutex);
  while (resizing.stage != stage) pthread_cond_wait(&resizing.changed, &resizing.mutex);
  pthread_mutex_unlock(&resizing.mutex);
}

static void *held_new(void *user_data, uint64_t maxsize) {
  queue *q = calloc(1, sizeof *q);
  q->state = kQueue.state_new(user_data, maxsize);
  q->number = resizing.made++;
  resizing.queues[q->number] = q;
  return q;
}
static void held_free(void *state) {
  queue *q = state;
  kQueue.state_free(q->state);
  free(q);
}
static void held_insert(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                        uint64_t now) {
  queue *q = state;
  q->length++;
  resizing.last_insert = q->number;
  kQueue.on_insert(q->state, id, weight, key, key_size, now);
}
static void held_remove(void *state, uint32_t id) {
  queue *q = state;
  q->length--;
  kQueue.on_remove(q->state, id);
}
static uint32_t held_victim(void *state) {
  queue *q = state;
  if (q->number == 0 && resizing.stage == kArmed) {
    enter_stage(kHeld);
    wait_for_stage(kStored);
  }
  return kQueue.victim(q->state);
}
static const ct_policy_ops kHeldQueue = {
    .struct_size = sizeof(ct_policy_ops),
    .state_new = held_new,
    .state_free = held_free,
    .on_insert = held_insert,
    .on_remove = held_remove,
    .victim = held_victim,
};

static _Thread_local int evicted;
static void count_evicted(void *user_data, const ct_event *event) {
  (void)user_data;
  evicted += event->cause == CT_CAUSE_EVICTED;
}

typedef struct storer {
  ct_cache *cache;
  uint64_t keys[kStores]; /* absent keys of the second shard */
  int most;               /* evicted by one store */
} storer;

static void *store_beside(void *arg) {
  storer *it = arg;
  wait_for_stage(kHeld);
  for (int i = 0; i < kStores; i++) {
    evicted = 0;
    if (ct_set(it->cache, &it->keys[i], sizeof(uint64_t), "", 0) != CT_OK) it->most = 1000;
    if (evicted > it->most) it->most = evicted;
  }
  enter_stage(kStored);
  return NULL;
}

/* A store that met a resize used to pay all of the debt out of its own shard, and to wait for
 * the whole. */
TEST(store_beside_resize_pays_for_itself_and_little_more) {
  resizing.made = 0;
  resizing.stage = kIdle;
  storer it = {0};
  it.cache = cache_of(.policy = CT_POLICY_CUSTOM, .custom = &kHeldQueue, .maxsize = kEntries,
                      .shards = kShards, .listener = count_evicted);
  int known = 0;
  for (uint64_t key = kEntries; known < kStores; key++) {
    ct_set(it.cache, &key, sizeof key, "", 0);
    if (resizing.last_insert == 1) it.keys[known++] = key;
    ct_delete(it.cache, &key, sizeof key);
  }
  for (uint64_t key = 0; key < kEntries; key++) ct_set(it.cache, &key, sizeof key, "", 0);
  const int64_t before[] = {resizing.queues[0]->length, resizing.queues[1]->length};

  pthread_t thread;
  assert_int_equal(0, pthread_create(&thread, NULL, store_beside, &it));
  resizing.stage = kArmed;
  assert_status(CT_OK, ct_resize(it.cache, kEntries / 4));
  pthread_join(thread, NULL);

  assert_in_range(it.most, 1, 3);
  assert_int_equal(kEntries / 4, ct_currsize(it.cache));
  for (int i = 0; i < kShards; i++) {
    assert_in_range(resizing.queues[i]->length, before[i] / 4 - 2 * kStores,
                    before[i] / 4 + 2 * kStores);
  }
  ct_cache_free(it.cache);
}

static atomic_bool stop_defaults;

static void *set_defaults(void *cache) {
  while (!atomic_load(&stop_defaults))
    for (uint64_t key = 0; key < 16; key++) ct_setdefault(cache, &key, sizeof key, "x", 1, NULL);
  return NULL;
}

/* A hit of ct_setdefault is a use. The policy is told of it before the same call evicts that entry
 * for a lower limit. */
TEST(setdefault_beside_resize_may_evict_what_it_has_used) {
  const ct_policy policies[] = {CT_POLICY_LRU, CT_POLICY_LFU, CT_POLICY_ARC, CT_POLICY_WTINYLFU,
                                CT_POLICY_ADAPTIVE};
  for (size_t i = 0; i < COUNT_OF(policies); i++) {
    ct_cache *cache = ct_cache_new(policies[i], 16);
    assert_non_null(cache);
    pthread_t threads[2];
    atomic_store(&stop_defaults, false);
    for (int t = 0; t < 2; t++)
      assert_int_equal(0, pthread_create(&threads[t], NULL, set_defaults, cache));
    for (int round = 0; round < (kSanitized ? 1000 : 5000); round++) {
      assert_status(CT_OK, ct_resize(cache, 1 + round % 3));
      assert_status(CT_OK, ct_resize(cache, 16));
    }
    atomic_store(&stop_defaults, true);
    for (int t = 0; t < 2; t++) pthread_join(threads[t], NULL);
    assert_true(ct_len(cache) <= 16);
    ct_cache_free(cache);
  }
}

/* ---- A snapshot beside writers -------------------------------------------------------------- */

enum { kLive = 40, kLoads = 40, kSaved = 20000 };

static uint64_t weigh_by_size(void *user_data, const void *key, size_t key_size, const void *value,
                              size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value;
  return value_size == 1 ? 1 : 900;
}

static atomic_bool stop_writing;

static void *write_lightly(void *cache) {
  while (!atomic_load(&stop_writing)) {
    for (uint64_t key = kSaved; key < kSaved + kLive; key++) {
      ct_delete(cache, &key, sizeof key);
      ct_set(cache, &key, sizeof key, "x", 1);
    }
  }
  return NULL;
}

/* What did not fit used to take all room for a moment, and others evicted to store theirs. */
TEST(loading_what_does_not_fit_makes_nobody_evict) {
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = CT_UNBOUNDED;
  options.weigher = weigh_by_size;
  ct_cache *saved;
  assert_status(CT_OK, ct_cache_new_with(&options, &saved));
  for (uint64_t key = 0; key < kSaved; key++) ct_set(saved, &key, sizeof key, "xy", 2);
  tape t = {0};
  assert_status(CT_OK, save_tape(saved, &t));
  ct_cache_free(saved);

  options.maxsize = 1000;
  ct_cache *cache;
  assert_status(CT_OK, ct_cache_new_with(&options, &cache));
  pthread_t thread;
  atomic_store(&stop_writing, false);
  assert_int_equal(0, pthread_create(&thread, NULL, write_lightly, cache));
  for (int i = 0; i < kLoads; i++) assert_status(CT_OK, load_tape(cache, &t));
  atomic_store(&stop_writing, true);
  pthread_join(thread, NULL);
  ct_stats stats = CT_STATS_INIT;
  ct_cache_stats(cache, &stats);
  assert_int_equal(0, stats.evictions);
  assert_int_equal(900 + kLive, ct_currsize(cache));
  ct_cache_free(cache);
  tape_free(&t);
}

/* ---- Sets beside ct_clear ------------------------------------------------------------------- */

enum { kValueBytes = 10000 };
static const uint64_t kMemory = UINT64_C(64) << 20;

typedef struct storing {
  ct_cache *cache;
  atomic_bool ends;
  uint64_t most; /* of what ct_memory told after a set */
} storing;

static void *store_on(void *arg) {
  static const char value[kValueBytes];
  storing *self = arg;
  for (uint64_t key = 0; !self->ends; key++) {
    ct_set(self->cache, &key, sizeof key, value, sizeof value);
    const uint64_t memory = ct_memory(self->cache);
    if (memory > self->most) self->most = memory;
  }
  return NULL;
}

/* What a clear gives back to the budget is free memory by then. */
TEST(memory_keeps_its_limit_beside_clears) {
  storing self = {.cache = cache_of(.weight_kind = CT_WEIGHT_MEMORY, .maxsize = kMemory)};
  pthread_t thread;
  pthread_create(&thread, NULL, store_on, &self);
  for (int i = 0; i < (kSanitized ? 2 : 10); i++) {
    while (ct_currsize(self.cache) < kMemory / 10 * 9) sched_yield();
    ct_clear(self.cache);
  }
  self.ends = true;
  pthread_join(thread, NULL);
  assert_in_range(self.most, kMemory / 2, kMemory / 20 * 21);
  ct_cache_free(self.cache);
}
