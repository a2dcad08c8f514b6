/* SPDX-License-Identifier: MIT */
/* Tags beside other threads: no thread reads what was invalidated before its call began. */
#include <pthread.h>

#include "support.h"

enum { kThreads = 4, kKeys = 64, kTags = 4, kRounds = kSanitized ? 2000 : 10000 };

/* A value is the version of its tag, read before the value was made. An invalidation first raises
 * the version: so no value with an older version may be read after it. */
typedef struct scene {
  ct_cache *cache;
  _Atomic uint64_t versions[kTags];    /* that values are made of */
  _Atomic uint64_t invalidated[kTags]; /* versions below this one are not to be seen any more */
  _Atomic uint64_t told;
  _Atomic bool failed;
  uint64_t seed;
} scene;

typedef struct worker {
  scene *scene;
  uint64_t random;
  pthread_t thread;
} worker;

static void count_event(void *user_data, const ct_event *event) {
  scene *self = user_data;
  (void)event;
  self->told++;
}

static ct_bytes tag_of(uint64_t key) {
  static const char kNames[kTags][2] = {"a", "b", "c", "d"};
  return (ct_bytes){kNames[key % kTags], 1};
}

static void check_version(scene *self, uint64_t key, uint64_t least, uint64_t version) {
  (void)key;
  if (version < least) self->failed = true;
}

static ct_status make(void *user_data, const void *data, size_t size, ct_result *result) {
  scene *self = user_data;
  uint64_t key;
  memcpy(&key, data, size);
  const uint64_t version = self->versions[key % kTags];
  const ct_bytes tag = tag_of(key);
  ct_result_tag(result, tag.data, tag.size);
  return ct_result_set(result, &version, sizeof(version));
}

static void read_one(worker *w, uint64_t key) {
  scene *self = w->scene;
  const uint64_t least = self->invalidated[key % kTags];
  uint64_t version;
  size_t size;
  ct_value value = CT_VALUE_INIT;
  if (test_random_below(&w->random, 2) == 0) {
    if (ct_get_copy(self->cache, &key, sizeof(key), &version, sizeof(version), &size) == CT_OK)
      check_version(self, key, least, version);
  } else if (ct_get(self->cache, &key, sizeof(key), &value) == CT_OK) {
    memcpy(&version, value.data, sizeof(version));
    check_version(self, key, least, version);
    ct_value_release(&value);
  }
}

/* What a load hands out may be as old as its caller's call, and is not kept if it is older than the
 * invalidation. Those who waited start anew. */
static void load_one(worker *w, uint64_t key) {
  scene *self = w->scene;
  const uint64_t least = self->invalidated[key % kTags];
  ct_value value = CT_VALUE_INIT;
  if (ct_get_or_load(self->cache, &key, sizeof(key), make, self, &value) == CT_OK) {
    uint64_t version;
    memcpy(&version, value.data, sizeof(version));
    check_version(self, key, least, version);
    ct_value_release(&value);
  }
}

static void invalidate_one(worker *w, uint64_t key) {
  scene *self = w->scene;
  const ct_bytes tag = tag_of(key);
  const uint64_t version = self->versions[key % kTags]++ + 1;
  ct_invalidate_tag(self->cache, tag.data, tag.size, 0);
  /* Values that were made after the version was raised may be gone as well, but none before it may
   * be left. */
  uint64_t seen = self->invalidated[key % kTags];
  while (seen < version &&
         !atomic_compare_exchange_weak(&self->invalidated[key % kTags], &seen, version)) {
  }
}

static void *work(void *data) {
  worker *w = data;
  for (int i = 0; i < kRounds; i++) {
    const uint64_t key = test_random_below(&w->random, kKeys);
    const uint64_t drawn = test_random_below(&w->random, 100);
    if (drawn < 3)
      invalidate_one(w, key);
    else if (drawn < 40)
      load_one(w, key);
    else if (drawn < 42)
      ct_delete(w->scene->cache, &key, sizeof(key));
    else if (drawn < 43)
      ct_len(w->scene->cache);
    else if (drawn < 44)
      ct_set_lifetime(w->scene->cache, &key, sizeof(key), CT_SECONDS(1000));
    else
      read_one(w, key);
  }
  return NULL;
}

static void run_scene(const ct_options *given) {
  scene it = {.seed = test_seed()};
  ct_options options = *given;
  options.user_data = &it;
  it.cache = new_cache(&options);
  worker workers[kThreads];
  for (size_t i = 0; i < COUNT_OF(workers); i++) {
    workers[i] = (worker){.scene = &it, .random = it.seed + i};
    assert_int_equal(0, pthread_create(&workers[i].thread, NULL, work, &workers[i]));
  }
  for (size_t i = 0; i < COUNT_OF(workers); i++) pthread_join(workers[i].thread, NULL);
  assert_false(it.failed);
  /* Each departure is told of once. */
  const uint64_t left = ct_len(it.cache);
  const ct_stats stats = stats_of(it.cache);
  const uint64_t gone = stats.evictions + stats.expirations + stats.removals;
  assert_int_equal(stats.inserts, gone + left);
  if (options.listener != NULL) assert_int_equal(it.told, gone + stats.updates);
  for (uint64_t key = 0; key < kTags; key++)
    ct_invalidate_tag(it.cache, tag_of(key).data, tag_of(key).size, 0);
  assert_int_equal(0, ct_len(it.cache));
  ct_cache_free(it.cache);
}

TEST(nothing_that_was_invalidated_is_read) {
  for (uint32_t shards = 1; shards <= 4; shards *= 4) {
    run_scene(&(ct_options){
        .struct_size = sizeof(ct_options), .maxsize = kKeys, .shards = shards, .seed = 1});
    run_scene(&(ct_options){.struct_size = sizeof(ct_options),
                            .maxsize = kKeys / 2,
                            .policy = CT_POLICY_SIEVE,
                            .ttl = CT_SECONDS(1000),
                            .shards = shards,
                            .listener = count_event});
  }
}
