/* SPDX-License-Identifier: MIT */
/* Snapshots that are saved and loaded while other threads read and write.
 *
 * Every value carries its key and a checksum, so that an entry that is mixed up is noticed when
 * it has been loaded. Entries that nobody touches must be in every snapshot. Where reads do not
 * change the order, they must be in the order in which they were stored. */
#include <pthread.h>

#include "snapshots.h"
#include "support.h"

enum {
  kWriters = 2,
  kReaders = 1,
  kFixed = 1500,    /* entries that nobody touches after they were stored */
  kChanging = 1000, /* keys beside those */
  kSnapshots = 2,
  kLargest = 3000
};

static _Atomic(const char *) complaint;

static void expect(bool condition, const char *what) {
  if (!condition) atomic_store(&complaint, what);
}

/* ---- Values --------------------------------------------------------------------------------- */

static uint64_t checksum(const unsigned char *data, size_t size) {
  uint64_t sum = size;
  for (size_t i = 16; i < size; i++) sum = sum * 31 + data[i];
  return sum;
}

static size_t write_value(unsigned char *to, uint64_t key, uint64_t *random) {
  const size_t most = test_random_below(random, 50) == 0 ? kLargest : 100;
  const size_t size = 16 + test_random_below(random, most - 16);
  const uint64_t content = test_random(random);
  for (size_t i = 16; i < size; i++) to[i] = (unsigned char)(content >> (i % 57));
  const uint64_t sum = checksum(to, size);
  memcpy(to, &key, 8);
  memcpy(to + 8, &sum, 8);
  return size;
}

static bool is_whole(ct_bytes key, ct_bytes value) {
  if (key.size != 8 || value.size < 16 || memcmp(key.data, value.data, 8) != 0) return false;
  uint64_t sum;
  memcpy(&sum, (const char *)value.data + 8, 8);
  return sum == checksum(value.data, value.size);
}

/* ---- Threads -------------------------------------------------------------------------------- */

typedef struct shared {
  ct_cache *cache;
  uint64_t seed;
  atomic_uint number; /* of the next thread */
  atomic_bool stop;
} shared;

static uint64_t begin_thread(shared *s) {
  return s->seed + atomic_fetch_add(&s->number, 1) * UINT64_C(0x51ed2701);
}

static void *write_on(void *data) {
  shared *s = data;
  uint64_t random = begin_thread(s);
  unsigned char value[kLargest];
  while (!atomic_load(&s->stop)) {
    const uint64_t key = kFixed + test_random_below(&random, kChanging);
    if (test_random_below(&random, 4) == 0) {
      ct_delete(s->cache, &key, 8);
      continue;
    }
    const size_t size = write_value(value, key, &random);
    const uint64_t ttl = test_random_below(&random, 3) == 0 ? 1000000000 : CT_NEVER;
    expect(ct_set_ttl(s->cache, &key, 8, value, size, ttl) == CT_OK, "a store failed");
  }
  return NULL;
}

static void *read_on(void *data) {
  shared *s = data;
  uint64_t random = begin_thread(s);
  while (!atomic_load(&s->stop)) {
    const uint64_t key = kFixed + test_random_below(&random, kChanging);
    ct_value value;
    if (ct_get(s->cache, &key, 8, &value) == CT_OK)
      expect(is_whole((ct_bytes){&key, 8}, (ct_bytes){value.data, value.size}), "a value is torn");
    ct_value_release(&value);
  }
  return NULL;
}

/* Loads into the cache that the others change. Fixed entries are there already. */
static void *save_and_load_on(void *data) {
  shared *s = data;
  begin_thread(s);
  tape t = {0};
  while (!atomic_load(&s->stop)) {
    expect(save_tape(s->cache, &t) == CT_OK, "a save beside another failed");
    expect(load_tape(s->cache, &t) == CT_OK, "a load beside others failed");
    expect(load_tape_with(s->cache, &t, CT_SNAPSHOT_AGED) == CT_OK, "an aged load failed");
  }
  tape_free(&t);
  return NULL;
}

static void check_snapshot(tape *t, bool is_ordered) {
  ct_cache *to = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
  assert_status(CT_OK, load_tape(to, t));
  ct_iter *iter;
  assert_status(CT_OK, ct_iter_new(to, CT_ORDER_COLDEST, &iter));
  uint64_t fixed = 0;
  for (ct_bytes key, value; ct_iter_next(iter, &key, &value) == CT_OK;) {
    assert_true(is_whole(key, value));
    uint64_t number;
    memcpy(&number, key.data, 8);
    if (number >= kFixed) continue;
    if (is_ordered) assert_int_equal(fixed, number);
    fixed++;
  }
  assert_int_equal(kFixed, fixed);
  ct_iter_free(iter);
  ct_cache_free(to);
}

static void run(ct_policy policy, uint32_t shards) {
  static shared s;
  memset(&s, 0, sizeof s);
  s.seed = test_seed();
  s.cache = cache_of(.policy = policy, .maxsize = CT_UNBOUNDED, .shards = shards);
  uint64_t random = s.seed;
  unsigned char value[kLargest];
  for (uint64_t key = 0; key < kFixed; key++)
    assert_status(CT_OK, ct_set(s.cache, &key, 8, value, write_value(value, key, &random)));

  pthread_t threads[kWriters + kReaders + 1];
  size_t count = 0;
  for (int i = 0; i < kWriters; i++)
    assert_int_equal(0, pthread_create(&threads[count++], NULL, write_on, &s));
  for (int i = 0; i < kReaders; i++)
    assert_int_equal(0, pthread_create(&threads[count++], NULL, read_on, &s));
  assert_int_equal(0, pthread_create(&threads[count++], NULL, save_and_load_on, &s));

  const bool is_ordered = policy == CT_POLICY_ANY && shards == 1;
  tape t = {0};
  for (int i = 0; i < kSnapshots; i++) {
    assert_status(CT_OK, save_tape(s.cache, &t));
    check_snapshot(&t, is_ordered);
  }
  tape_free(&t);
  atomic_store(&s.stop, true);
  for (size_t i = 0; i < count; i++) assert_int_equal(0, pthread_join(threads[i], NULL));
  const char *what = atomic_exchange(&complaint, NULL);
  if (what != NULL) fail_msg("%s", what);
  ct_cache_free(s.cache);
}

TEST(snapshots_beside_others_are_of_whole_entries) {
  for (ct_policy policy = CT_POLICY_LRU; policy <= CT_POLICY_ADAPTIVE; policy++)
    if (policy != CT_POLICY_TTL && policy != CT_POLICY_TLRU) run(policy, 1);
}

TEST(snapshots_of_many_shards_are_too) {
  run(CT_POLICY_LRU, 16);
  run(CT_POLICY_SIEVE, 16);
  run(CT_POLICY_LFU, 4);
}

/* ---- A limit that is never exceeded --------------------------------------------------------- */

enum { kLimit = 500 };

static void *load_often(void *data) {
  shared *s = data;
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
  uint64_t random = begin_thread(s);
  unsigned char value[kLargest];
  for (uint64_t i = 0; i < 800; i++) {
    const uint64_t key = kFixed + test_random_below(&random, kChanging);
    ct_set(from, &key, 8, value, write_value(value, key, &random));
  }
  tape t = {0};
  expect(save_tape(from, &t) == CT_OK, "a save failed");
  ct_cache_free(from);
  while (!atomic_load(&s->stop)) expect(load_tape(s->cache, &t) == CT_OK, "a load failed");
  tape_free(&t);
  return NULL;
}

static void *empty_often(void *data) {
  shared *s = data;
  uint64_t random = begin_thread(s);
  for (int i = 0; i < 300; i++) {
    if (i % 3 == 0)
      ct_clear(s->cache);
    else if (i % 3 == 1)
      ct_resize(s->cache, 1 + test_random_below(&random, kLimit)); /* 0 would refuse all stores */
    for (int j = 0; j < 50; j++) ct_popitem(s->cache, NULL, NULL);
    expect(ct_currsize(s->cache) <= kLimit, "the limit is exceeded");
  }
  atomic_store(&s->stop, true);
  return NULL;
}

TEST(loads_beside_clear_and_resize_keep_the_limit) {
  for (uint32_t shards = 1; shards <= 4; shards += 3) {
    static shared s;
    memset(&s, 0, sizeof s);
    s.seed = test_seed();
    s.cache = cache_of(.maxsize = kLimit, .shards = shards);
    void *(*const kBodies[])(void *) = {load_often, load_often, write_on, read_on, empty_often};
    pthread_t threads[5];
    for (int i = 0; i < 5; i++)
      assert_int_equal(0, pthread_create(&threads[i], NULL, kBodies[i], &s));
    for (int i = 0; i < 5; i++) assert_int_equal(0, pthread_join(threads[i], NULL));
    const char *what = atomic_exchange(&complaint, NULL);
    if (what != NULL) fail_msg("%s", what);
    assert_in_range(ct_currsize(s.cache), 0, ct_maxsize(s.cache));
    assert_int_equal(ct_len(s.cache), ct_currsize(s.cache));
    assert_status(CT_OK, ct_clear(s.cache));
    assert_int_equal(0, ct_currsize(s.cache));
    ct_cache_free(s.cache);
  }
}

/* ---- An entry that expired when it was stored ----------------------------------------------- */

/* A load reads the time while nothing is locked. Meanwhile another thread, whose clock is
 * behind, stores an entry under a key of the snapshot; by the load's time, that entry has
 * expired. */
typedef struct late_clock {
  ct_cache *cache;
  bool armed;
  ct_status stored;
} late_clock;

static void *store_expired(void *data) {
  late_clock *self = data;
  ct_entry_options entry = entry_with(.flags = CT_ENTRY_DEADLINE, .deadline = 500);
  self->stored = ct_set_with(self->cache, "key", 3, "expired", 7, &entry);
  return NULL;
}

static uint64_t late_time(void *data) {
  late_clock *self = data;
  if (!self->armed) return 100;
  self->armed = false;
  pthread_t thread;
  if (pthread_create(&thread, NULL, store_expired, self) == 0) pthread_join(thread, NULL);
  return 1000;
}

TEST(entry_that_expires_while_a_snapshot_is_loaded_gives_way) {
  late_clock self = {.stored = CT_END};
  ct_options options = CT_OPTIONS_INIT;
  options.policy = CT_POLICY_LRU;
  options.maxsize = 10;
  options.user_data = &self;
  options.timer = late_time;
  ct_cache *from;
  assert_status(CT_OK, ct_cache_new_with(&options, &from));
  assert_status(CT_OK, ct_set_ttl(from, "key", 3, "value", 5, 50));
  tape t = {0};
  assert_status(CT_OK, save_tape(from, &t));
  assert_status(CT_OK, ct_cache_new_with(&options, &self.cache));
  self.armed = true;
  assert_status(CT_OK, load_tape(self.cache, &t));
  assert_status(CT_OK, self.stored);
  assert_text(self.cache, "key", "value");
  assert_int_equal(1, ct_currsize(self.cache));
  const ct_stats stats = stats_of(self.cache);
  assert_int_equal(1, stats.expirations);
  tape_free(&t);
  ct_cache_free(from);
  ct_cache_free(self.cache);
}
