/* SPDX-License-Identifier: MIT */
/* Eight threads on one cache, of every policy, with 1 and 16 shards. Values say which key they
 * belong to and carry a checksum, so that a torn or misplaced one is seen by whoever reads it. At
 * the end the counters of the cache, of its listener and of the threads must agree to the last one.
 *
 * CT_THREAD_OPS operations a thread (default 20000, few enough for ThreadSanitizer). */
#include <pthread.h>

#include "support.h"

enum { kThreads = 8, kKeys = 300, kMaxSize = 200, kHeld = 4 };

static const ct_policy kPolicies[] = {CT_POLICY_LRU, CT_POLICY_FIFO, CT_POLICY_LFU,
                                      CT_POLICY_RR,  CT_POLICY_TTL,  CT_POLICY_TLRU,
                                      CT_POLICY_ANY, CT_POLICY_MRU,  CT_POLICY_CUSTOM};

/* ---- A policy of our own: first in, first out, by a ring of ids ---------------------------------
 */

typedef struct ring {
  uint32_t next[kKeys + kThreads];
  uint32_t previous[kKeys + kThreads];
  uint32_t oldest, newest;
} ring;

enum { kNobody = UINT32_MAX };

static void *ring_new(void *user_data, uint64_t maxsize) {
  (void)user_data, (void)maxsize;
  ring *self = malloc(sizeof(ring));
  if (self != NULL) self->oldest = self->newest = kNobody;
  return self;
}

static void ring_insert(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                        uint64_t now) {
  (void)weight, (void)key, (void)key_size, (void)now;
  ring *self = state;
  self->next[id] = kNobody;
  self->previous[id] = self->newest;
  if (self->newest == kNobody)
    self->oldest = id;
  else
    self->next[self->newest] = id;
  self->newest = id;
}

static void ring_remove(void *state, uint32_t id) {
  ring *self = state;
  uint32_t before = self->previous[id], after = self->next[id];
  if (before == kNobody)
    self->oldest = after;
  else
    self->next[before] = after;
  if (after == kNobody)
    self->newest = before;
  else
    self->previous[after] = before;
}

static uint32_t ring_victim(void *state) {
  return ((ring *)state)->oldest;
}

static const ct_policy_ops kRing = {.struct_size = sizeof(ct_policy_ops),
                                    .state_new = ring_new,
                                    .state_free = free,
                                    .on_insert = ring_insert,
                                    .on_remove = ring_remove,
                                    .victim = ring_victim};

/* ---- Values -------------------------------------------------------------------------------------
 */

typedef struct value_head {
  uint64_t key;
  uint64_t size;
  uint64_t sum;
} value_head;

static uint64_t checksum(const value_head *head, const unsigned char *rest) {
  uint64_t sum = head->key * 31 + head->size;
  for (size_t i = sizeof(value_head); i < head->size; i++) sum = sum * 31 + *rest++;
  return sum;
}

static size_t make_value(unsigned char *bytes, uint64_t key, uint64_t *random) {
  size_t size = sizeof(value_head) + test_random_below(random, 200);
  if (test_random_below(random, 200) == 0) size += 20000;
  value_head head = {.key = key, .size = size};
  memset(bytes + sizeof(head), (int)test_random_below(random, 256), size - sizeof(head));
  head.sum = checksum(&head, bytes + sizeof(head));
  memcpy(bytes, &head, sizeof(head));
  return size;
}

/* ---- What the threads share ---------------------------------------------------------------------
 */

typedef struct shared {
  ct_cache *cache;
  manual_clock clock;
  _Atomic uint64_t told[5];
  _Atomic uint64_t dropped;
  _Atomic uint64_t reads;
  _Atomic uint64_t broken;
  _Atomic uint64_t above_limit;
  uint64_t seed;
  uint64_t ops;
  uint64_t weight_limit;
} shared;

static bool is_whole(const void *data, size_t size) {
  value_head head;
  if (size < sizeof(head)) return false;
  memcpy(&head, data, sizeof(head));
  return head.size == size &&
         head.sum == checksum(&head, (const unsigned char *)data + sizeof(head));
}

static void check_value(shared *s, uint64_t key, const void *data, size_t size) {
  value_head head = {0};
  if (size >= sizeof(head)) memcpy(&head, data, sizeof(head));
  if (!is_whole(data, size) || head.key != key) s->broken++;
}

static uint64_t read_clock(void *user_data) {
  return manual_clock_read(&((shared *)user_data)->clock);
}

static uint64_t until(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size, (void)value;
  return now + 1 + value_size % 50;
}

static void count_event(void *user_data, const ct_event *event) {
  shared *s = user_data;
  if (!is_whole(event->value.data, event->value.size)) s->broken++;
  s->told[event->cause]++;
}

static void count_drop(void *user_data, const void *value, size_t value_size) {
  shared *s = user_data;
  if (!is_whole(value, value_size)) s->broken++;
  s->dropped++;
}

static bool is_odd_and_seldom(void *user_data, const void *key, size_t key_size, const void *value,
                              size_t value_size) {
  (void)user_data, (void)value;
  uint64_t number;
  memcpy(&number, key, key_size);
  return number % 7 == value_size % 7;
}

/* ---- One thread ---------------------------------------------------------------------------------
 */

typedef struct worker {
  shared *s;
  uint64_t random;
  struct {
    ct_value value;
    uint64_t key;
  } held[kHeld];
  unsigned char bytes[sizeof(value_head) + 21000];
} worker;

/* Keeps a value pinned over some of the operations to come. */
static void hold(worker *w, uint64_t key, ct_value *value) {
  size_t at = test_random_below(&w->random, kHeld);
  if (w->held[at].value.pin != 0)
    check_value(w->s, w->held[at].key, w->held[at].value.data, w->held[at].value.size);
  ct_value_release(&w->held[at].value);
  w->held[at].value = *value;
  w->held[at].key = key;
  check_value(w->s, key, value->data, value->size);
}

static void walk(worker *w) {
  ct_iter *iter;
  if (ct_iter_new(w->s->cache, CT_ORDER_ANY, &iter) != CT_OK) return;
  ct_bytes key, value;
  while (ct_iter_next(iter, &key, &value) == CT_OK) {
    uint64_t number;
    memcpy(&number, key.data, sizeof(number));
    check_value(w->s, number, value.data, value.size);
  }
  ct_iter_free(iter);
}

static void read_many(worker *w) {
  uint64_t numbers[8];
  ct_bytes keys[8];
  ct_value values[8];
  ct_status statuses[8];
  for (int i = 0; i < 8; i++) {
    numbers[i] = test_random_below(&w->random, kKeys);
    keys[i] = (ct_bytes){&numbers[i], sizeof(numbers[i])};
  }
  if (ct_get_many(w->s->cache, keys, 8, values, statuses) != CT_OK) w->s->broken++;
  w->s->reads += 8;
  for (int i = 0; i < 8; i++) {
    if (statuses[i] == CT_OK) check_value(w->s, numbers[i], values[i].data, values[i].size);
    ct_value_release(&values[i]);
  }
}

static void step(worker *w) {
  shared *s = w->s;
  ct_cache *cache = s->cache;
  uint64_t key = test_random_below(&w->random, kKeys);
  ct_value value = CT_VALUE_INIT;
  size_t size;
  uint64_t dice = test_random_below(&w->random, 1000);
  if (dice < 300) {
    s->reads++;
    if (ct_get(cache, &key, sizeof(key), &value) == CT_OK) hold(w, key, &value);
  } else if (dice < 450) {
    s->reads++;
    ct_status status = ct_get_copy(cache, &key, sizeof(key), w->bytes, sizeof(w->bytes), &size);
    if (status == CT_OK) check_value(s, key, w->bytes, size);
  } else if (dice < 750) {
    size = make_value(w->bytes, key, &w->random);
    ct_status status = ct_set(cache, &key, sizeof(key), w->bytes, size);
    if (status < 0 && status != CT_ERR_TOO_LARGE) s->broken++;
  } else if (dice < 800) {
    size = make_value(w->bytes, key, &w->random);
    ct_set_ttl(cache, &key, sizeof(key), w->bytes, size, test_random_below(&w->random, 30));
  } else if (dice < 850) {
    s->reads++;
    size = make_value(w->bytes, key, &w->random);
    ct_status status = ct_setdefault(cache, &key, sizeof(key), w->bytes, size, &value);
    if (status == CT_OK) hold(w, key, &value);
    ct_value_release(status == CT_OK ? NULL : &value);
  } else if (dice < 900) {
    if (ct_pop(cache, &key, sizeof(key), &value) == CT_OK) hold(w, key, &value);
  } else if (dice < 940) {
    ct_delete(cache, &key, sizeof(key));
  } else if (dice < 955) {
    ct_value popped;
    if (ct_popitem(cache, &popped, &value) == CT_OK) {
      memcpy(&key, popped.data, sizeof(key));
      ct_value_release(&popped);
      hold(w, key, &value);
    }
  } else if (dice < 965) {
    read_many(w);
  } else if (dice < 975) {
    ct_set_lifetime(cache, &key, sizeof(key), test_random_below(&w->random, 40));
  } else if (dice < 980) {
    walk(w);
  } else if (dice < 985) {
    ct_remove_if(cache, is_odd_and_seldom, NULL);
  } else if (dice < 990) {
    ct_expire(cache, CT_NOW, NULL, NULL);
    s->clock.now += test_random_below(&w->random, 3);
  } else if (dice < 993) {
    ct_resize(cache, s->weight_limit / 2 + test_random_below(&w->random, s->weight_limit / 2 + 1));
  } else if (dice < 994) {
    ct_clear(cache);
  } else if (ct_currsize(cache) > s->weight_limit) {
    s->above_limit++;
  }
}

static void *work(void *argument) {
  worker *w = argument;
  for (uint64_t i = 0; i < w->s->ops; i++) step(w);
  return NULL;
}

/* ---- The tests ----------------------------------------------------------------------------------
 */

static uint64_t ops_a_thread(void) {
  const char *given = getenv("CT_THREAD_OPS");
  return given == NULL ? 20000 : strtoull(given, NULL, 10);
}

static void run_threads(ct_policy policy, uint32_t shards, int32_t weight_kind) {
  static shared s;
  static worker workers[kThreads];
  memset(&s, 0, sizeof(s));
  memset(workers, 0, sizeof(workers));
  s.seed = test_seed();
  s.ops = ops_a_thread();
  s.weight_limit = weight_kind == CT_WEIGHT_COUNT ? kMaxSize : kMaxSize * 100;

  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.weight_kind = weight_kind;
  options.maxsize = s.weight_limit;
  options.shards = shards;
  options.ttl = policy == CT_POLICY_TTL ? 40 : 0;
  options.ttu = policy == CT_POLICY_TLRU ? until : NULL;
  options.tti = policy == CT_POLICY_FIFO ? 30 : 0;
  options.custom = policy == CT_POLICY_CUSTOM ? &kRing : NULL;
  options.user_data = &s;
  options.timer = read_clock;
  options.listener = count_event;
  options.drop = count_drop;
  test_allocator allocator;
  test_allocator_init(&allocator);
  options.allocator = &allocator.hooks;
  assert_status(CT_OK, ct_cache_new_with(&options, &s.cache));

  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; i++) {
    workers[i].s = &s;
    workers[i].random = s.seed + (uint64_t)i;
    assert_int_equal(0, pthread_create(&threads[i], NULL, work, &workers[i]));
  }
  for (int i = 0; i < kThreads; i++) pthread_join(threads[i], NULL);

  assert_int_equal(0, s.broken);
  assert_int_equal(0, s.above_limit);
  uint64_t entries = ct_len(s.cache);
  ct_stats stats = CT_STATS_INIT;
  assert_status(CT_OK, ct_cache_stats(s.cache, &stats));
  assert_int_equal(s.reads, stats.hits + stats.misses);
  assert_int_equal(stats.inserts, entries + stats.evictions + stats.expirations + stats.removals);
  assert_int_equal(s.told[CT_CAUSE_EVICTED], stats.evictions);
  assert_int_equal(s.told[CT_CAUSE_EXPIRED], stats.expirations);
  assert_int_equal(s.told[CT_CAUSE_REPLACED], stats.updates);
  assert_int_equal(s.told[CT_CAUSE_REMOVED] + s.told[CT_CAUSE_CLEARED], stats.removals);

  ct_cache_free(s.cache);
  for (int i = 0; i < kThreads; i++) {
    for (int k = 0; k < kHeld; k++) ct_value_release(&workers[i].held[k].value);
  }
  assert_int_equal(0, s.broken);
  /* Every copy that was stored has been dropped, each once. */
  assert_int_equal(stats.inserts + stats.updates, s.dropped);
  assert_int_equal(0, allocator.blocks);
}

static void run_policies(uint32_t shards, int32_t weight_kind) {
  for (size_t i = 0; i < sizeof(kPolicies) / sizeof(kPolicies[0]); i++)
    run_threads(kPolicies[i], shards, weight_kind);
}

static void test_every_policy_with_one_shard_adds_up(void **state) {
  (void)state;
  run_policies(1, CT_WEIGHT_COUNT);
}

static void test_every_policy_with_shards_adds_up(void **state) {
  (void)state;
  run_policies(16, CT_WEIGHT_COUNT);
}

static void test_bytes_over_shards_add_up(void **state) {
  (void)state;
  run_threads(CT_POLICY_LRU, 16, CT_WEIGHT_VALUE);
  run_threads(CT_POLICY_LFU, 16, CT_WEIGHT_MEMORY);
}

/* ---- Entries as heavy as the limit
 * ---------------------------------------------------------------- */

typedef struct heavy {
  ct_cache *cache;
  uint64_t key;
  uint64_t above_limit;
  uint64_t refused;
  uint64_t rounds;
} heavy;

static void *store_heavy(void *argument) {
  heavy *h = argument;
  ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
  entry.flags = CT_ENTRY_WEIGHT;
  for (uint64_t i = 0; i < h->rounds; i++) {
    uint64_t key = h->key + i * kThreads;
    /* Every other one takes the whole cache, the rest a third each. */
    entry.weight = i % 2 == 0 ? 1000 : 333;
    if (ct_set_with(h->cache, &key, sizeof(key), "v", 1, &entry) != CT_OK) h->refused++;
    if (ct_currsize(h->cache) > 1000) h->above_limit++;
  }
  return NULL;
}

static void test_entries_as_heavy_as_the_limit_get_room_in_turn(void **state) {
  (void)state;
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 1000;
  options.shards = 16;
  ct_cache *cache;
  assert_status(CT_OK, ct_cache_new_with(&options, &cache));
  heavy all[kThreads];
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; i++) {
    all[i] = (heavy){.cache = cache, .key = (uint64_t)i, .rounds = ops_a_thread() / 40};
    assert_int_equal(0, pthread_create(&threads[i], NULL, store_heavy, &all[i]));
  }
  for (int i = 0; i < kThreads; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(0, all[i].refused);
    assert_int_equal(0, all[i].above_limit);
  }
  assert_true(ct_currsize(cache) <= 1000);
  ct_cache_free(cache);
}

/* ---- Values that outlive the cache
 * ---------------------------------------------------------------- */

typedef struct release {
  ct_value values[100];
  uint64_t broken;
} release;

static void *release_all(void *argument) {
  release *r = argument;
  for (int i = 0; i < 100; i++) {
    if (!is_whole(r->values[i].data, r->values[i].size)) r->broken++;
    ct_value_release(&r->values[i]);
  }
  return NULL;
}

static void test_values_are_released_on_any_thread_after_the_cache(void **state) {
  (void)state;
  uint64_t random = test_seed();
  for (uint32_t shards = 1; shards <= 16; shards *= 16) {
    test_allocator allocator;
    test_allocator_init(&allocator);
    ct_options options = CT_OPTIONS_INIT;
    options.maxsize = kThreads * 100;
    options.shards = shards;
    options.allocator = &allocator.hooks;
    ct_cache *cache;
    assert_status(CT_OK, ct_cache_new_with(&options, &cache));
    static release all[kThreads];
    memset(all, 0, sizeof(all));
    static unsigned char bytes[sizeof(value_head) + 21000];
    for (uint64_t key = 0; key < kThreads * 100; key++) {
      size_t size = make_value(bytes, key, &random);
      assert_status(CT_OK, ct_set(cache, &key, sizeof(key), bytes, size));
      assert_status(CT_OK,
                    ct_get(cache, &key, sizeof(key), &all[key % kThreads].values[key / kThreads]));
    }
    ct_cache_free(cache);
    pthread_t threads[kThreads];
    for (int i = 0; i < kThreads; i++)
      assert_int_equal(0, pthread_create(&threads[i], NULL, release_all, &all[i]));
    for (int i = 0; i < kThreads; i++) {
      pthread_join(threads[i], NULL);
      assert_int_equal(0, all[i].broken);
    }
    assert_int_equal(0, allocator.blocks);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_policy_with_one_shard_adds_up),
      cmocka_unit_test(test_every_policy_with_shards_adds_up),
      cmocka_unit_test(test_bytes_over_shards_add_up),
      cmocka_unit_test(test_entries_as_heavy_as_the_limit_get_room_in_turn),
      cmocka_unit_test(test_values_are_released_on_any_thread_after_the_cache),
  };
  return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
