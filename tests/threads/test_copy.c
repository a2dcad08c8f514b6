/* SPDX-License-Identifier: MIT */
/* Copies that are made while other threads write. Every value repeats its key and a number, so that
 * an entry that is mixed up is noticed. Entries that nobody touches must be in every copy, in their
 * order. */
#include <pthread.h>

#include "support.h"

enum {
  kWriters = 4,
  kFixed = 1500,    /* entries that nobody touches after they were stored */
  kChanging = 2000, /* keys beside those */
  kWords = 12,
  kCopies = 12
};

static _Atomic(const char *) complaint;

static void expect(bool condition, const char *what) {
  if (!condition) atomic_store(&complaint, what);
}

typedef struct shared {
  ct_cache *cache;
  uint64_t seed;
  atomic_uint number; /* of the next thread */
  atomic_bool stop;
} shared;

static size_t write_value(uint64_t *to, uint64_t key, uint64_t *random) {
  const size_t words = 2 + test_random_below(random, kWords - 2);
  to[0] = key;
  to[1] = test_random(random);
  for (size_t i = 2; i < words; i++) to[i] = to[1];
  return words * 8;
}

static bool is_whole(ct_bytes key, ct_bytes value) {
  if (key.size != 8 || value.size < 16 || memcmp(key.data, value.data, 8) != 0) return false;
  const char *words = value.data;
  for (size_t at = 16; at < value.size; at += 8)
    if (memcmp(words + 8, words + at, 8) != 0) return false;
  return true;
}

static void *write_on(void *data) {
  shared *s = data;
  uint64_t random = s->seed + atomic_fetch_add(&s->number, 1) * UINT64_C(0x51ed2701);
  while (!atomic_load(&s->stop)) {
    const uint64_t key = kFixed + test_random_below(&random, kChanging);
    if (test_random_below(&random, 4) == 0) {
      ct_delete(s->cache, &key, 8);
      continue;
    }
    uint64_t value[kWords];
    const size_t size = write_value(value, key, &random);
    expect(ct_set(s->cache, &key, 8, value, size) == CT_OK, "a store failed");
  }
  return NULL;
}

static void check_copy(ct_cache *copy, bool is_ordered) {
  static bool seen[kFixed + kChanging];
  memset(seen, 0, sizeof(seen));
  ct_iter *iter;
  assert_status(CT_OK, ct_iter_new(copy, CT_ORDER_COLDEST, &iter));
  uint64_t fixed = 0, last = 0;
  for (ct_bytes key, value; ct_iter_next(iter, &key, &value) == CT_OK;) {
    assert_true(is_whole(key, value));
    uint64_t number;
    memcpy(&number, key.data, 8);
    assert_in_range(number, 0, kFixed + kChanging - 1);
    assert_false(seen[number]);
    seen[number] = true;
    if (number >= kFixed) continue;
    if (is_ordered && fixed > 0) assert_true(number > last);
    last = number;
    fixed++;
  }
  ct_iter_free(iter);
  assert_int_equal(kFixed, fixed);
  assert_in_range(ct_currsize(copy), kFixed, ct_maxsize(copy));
  const ct_stats stats = stats_of(copy);
  assert_int_equal(0, stats.inserts + stats.hits + stats.misses + stats.evictions + stats.pinned);
}

static void copy_beside_writers(ct_policy policy, uint32_t shards) {
  shared s = {.seed = test_seed()};
  s.cache = cache_of(.policy = policy, .maxsize = 2 * (kFixed + kChanging), .shards = shards);
  uint64_t random = s.seed;
  for (uint64_t key = 0; key < kFixed; key++) {
    uint64_t value[kWords];
    const size_t size = write_value(value, key, &random);
    assert_status(CT_OK, ct_set(s.cache, &key, 8, value, size));
  }
  pthread_t threads[kWriters];
  for (int i = 0; i < kWriters; i++)
    assert_int_equal(0, pthread_create(&threads[i], NULL, write_on, &s));
  for (int i = 0; i < kCopies; i++) {
    ct_cache *copy;
    assert_status(CT_OK, ct_cache_copy(s.cache, &copy));
    check_copy(copy, shards == 1);
    ct_cache_free(copy);
  }
  atomic_store(&s.stop, true);
  for (int i = 0; i < kWriters; i++) pthread_join(threads[i], NULL);
  if (complaint != NULL) fail_msg("%s", complaint);
  assert_int_equal(0, stats_of(s.cache).pinned);
  ct_cache_free(s.cache);
}

TEST(copies_beside_writers_are_whole) {
  copy_beside_writers(CT_POLICY_FIFO, 1);
}

TEST(copies_of_shards_beside_writers_are_whole) {
  copy_beside_writers(CT_POLICY_LRU, 4);
}
