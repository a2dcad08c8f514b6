/* SPDX-License-Identifier: MIT */
/* Threads that copy values out of a cache while others replace, evict, delete and clear what they
 * are reading: every copy must be a whole value of the key that was asked for, not older than one
 * that its writer had finished before, and every read must be counted. */
#include <pthread.h>

#include "support.h"

enum {
  kReaders = 3,
  kWriters = 2,
  kKeys = 1600,
  kMaxsize = 1200, /* of which each shard has enough to be read without its lock */
  kLargest = 1500, /* some are longer than what is copied without the lock */
  kBatch = 20,
};

/* Sanitizers check each access, which takes long. */
static const int kReads = kSanitized ? 16000 : 40000;
static const int kWrites = kSanitized ? 8000 : 20000;

/* The beginning of a value; all bytes behind it follow from it. */
typedef struct head {
  uint64_t key;
  uint64_t number; /* of the write, rising for each key */
} head;

/* What writers do beside replacing and deleting. */
typedef enum trouble {
  kNone,
  kClears, /* and resizes */
  kShifts  /* the sizes of values, where memory is limited, so that entries are moved */
} trouble;

typedef struct shared {
  ct_cache *cache;
  trouble trouble;
  _Atomic uint64_t finished[kKeys]; /* the last write of each key that is complete */
  _Atomic uint64_t reads;
  _Atomic(const char *) complaint;
} shared;

typedef struct worker {
  shared *shared;
  uint64_t seed;
  uint64_t number;
} worker;

static unsigned char byte_of(const head *h, size_t i) {
  return (unsigned char)(h->number * 31 + h->key * 7 + i);
}

static size_t write_value(unsigned char *to, const head *h, size_t size) {
  memcpy(to, h, sizeof(*h));
  for (size_t i = sizeof(*h); i < size; i++) to[i] = byte_of(h, i);
  return size;
}

static const char *problem_of(const unsigned char *value, size_t size, uint64_t key,
                              uint64_t least) {
  head h;
  if (size < sizeof(h)) return "a value is too short";
  memcpy(&h, value, sizeof(h));
  if (h.key != key) return "a value is another key's";
  if (h.number < least) return "a value is older than one that was there before";
  for (size_t i = sizeof(h); i < size; i++)
    if (value[i] != byte_of(&h, i)) return "a value is torn";
  return NULL;
}

/* Returns how many keys it read. */
static uint64_t read_batch(shared *s, uint64_t *seed) {
  uint64_t keys[kBatch];
  uint64_t least[kBatch];
  size_t key_ends[kBatch];
  size_t value_ends[kBatch];
  ct_status statuses[kBatch];
  unsigned char buffer[kBatch * kLargest];
  for (size_t i = 0; i < kBatch; i++) {
    keys[i] = test_random_below(seed, kKeys);
    least[i] = atomic_load(&s->finished[keys[i]]);
    key_ends[i] = (i + 1) * sizeof(keys[i]);
  }
  const size_t capacity = test_random_below(seed, 4) == 0 ? 500 : sizeof(buffer);
  const ct_status status =
      ct_get_many_copy(s->cache, keys, key_ends, kBatch, buffer, capacity, value_ends, statuses);
  if (status == CT_ERR_BUFFER) return 0;
  if (status != CT_OK) atomic_store(&s->complaint, "a batch failed");
  for (size_t i = 0, begin = 0; i < kBatch; begin = value_ends[i++]) {
    if (statuses[i] == CT_MISS) continue;
    const char *problem = problem_of(buffer + begin, value_ends[i] - begin, keys[i], least[i]);
    if (problem != NULL) atomic_store(&s->complaint, problem);
  }
  return kBatch;
}

static void *read_values(void *argument) {
  worker *w = argument;
  shared *s = w->shared;
  unsigned char buffer[kLargest];
  uint64_t reads = 0;
  for (int i = 0; i < kReads; i++) {
    if (i % 8 == 0) reads += read_batch(s, &w->seed);
    const uint64_t key = test_random_below(&w->seed, kKeys);
    const size_t capacity = test_random_below(&w->seed, 20) == 0 ? 20 : sizeof(buffer);
    const uint64_t least = atomic_load(&s->finished[key]);
    size_t size;
    const ct_status status = ct_get_copy(s->cache, &key, sizeof(key), buffer, capacity, &size);
    const char *problem = NULL;
    if (status == CT_OK) {
      problem = size > capacity ? "it says more than it copied" : NULL;
      if (problem == NULL) problem = problem_of(buffer, size, key, least);
    } else if (status == CT_ERR_BUFFER) {
      if (size <= capacity) problem = "a buffer was said to be too small";
    } else if (status != CT_MISS || size != 0) {
      problem = "a miss is not as it should be";
    }
    if (problem != NULL) atomic_store(&s->complaint, problem);
    reads += status != CT_ERR_BUFFER;
  }
  atomic_fetch_add(&s->reads, reads);
  return NULL;
}

/* Each writer has keys of its own, so that the numbers of a key rise. */
static void *write_values(void *argument) {
  worker *w = argument;
  shared *s = w->shared;
  unsigned char value[kLargest];
  for (int i = 0; i < kWrites; i++) {
    const uint64_t key = test_random_below(&w->seed, kKeys / kWriters) * kWriters + w->number;
    const uint64_t what = test_random_below(&w->seed, 100);
    if (what < 5) {
      ct_delete(s->cache, &key, sizeof(key));
      continue;
    }
    if (what < 8) {
      ct_set_lifetime(s->cache, &key, sizeof(key), what == 5 ? CT_NEVER : UINT64_C(1) << 40);
      continue;
    }
    if (s->trouble == kClears && what == 8) ct_clear(s->cache);
    if (s->trouble == kClears && what == 9)
      ct_resize(s->cache, kMaxsize / 2 + test_random_below(&w->seed, kMaxsize));
    const head h = {key, (uint64_t)i + 1};
    /* Lengths are often the same, so that values are written in place. */
    const size_t usual = s->trouble != kShifts ? 200 : i / (kWrites / 8) % 2 == 0 ? 30 : 900;
    const size_t most = what < 40 ? sizeof(head) + 48 : what < 98 ? usual : kLargest;
    const bool is_fixed = what < 40 && s->trouble != kShifts;
    const size_t size = is_fixed ? most : sizeof(h) + test_random_below(&w->seed, most - sizeof(h));
    write_value(value, &h, size);
    if (ct_set(s->cache, &key, sizeof(key), value, size) != CT_OK)
      atomic_store(&s->complaint, "a set failed");
    atomic_store(&s->finished[key], h.number);
  }
  return NULL;
}

static void run(ct_policy policy, uint32_t shards, trouble trouble) {
  static shared s;
  memset(&s, 0, sizeof(s));
  s.trouble = trouble;
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = kMaxsize;
  options.shards = shards;
  if (trouble == kShifts) {
    options.weight_kind = CT_WEIGHT_MEMORY;
    options.maxsize = 300 * kMaxsize;
  }
  if (policy == CT_POLICY_S3FIFO) options.ttl = UINT64_C(1) << 50;
  assert_status(CT_OK, ct_cache_new_with(&options, &s.cache));

  uint64_t seed = test_seed();
  pthread_t threads[kReaders + kWriters];
  worker workers[kReaders + kWriters];
  for (int i = 0; i < kReaders + kWriters; i++) {
    workers[i] = (worker){&s, test_random(&seed), (uint64_t)i};
    void *(*work)(void *) = i < kWriters ? write_values : read_values;
    assert_int_equal(0, pthread_create(&threads[i], NULL, work, &workers[i]));
  }
  for (int i = 0; i < kReaders + kWriters; i++) pthread_join(threads[i], NULL);

  if (s.complaint != NULL) fail_msg("%s", s.complaint);
  const ct_stats stats = stats_of(s.cache);
  assert_int_equal(s.reads, stats.hits + stats.misses);
  ct_cache_free(s.cache);
}

static void run_all(ct_policy policy) {
  for (uint32_t shards = 1; shards <= 4; shards *= 4) {
    run(policy, shards, kNone);
    run(policy, shards, kClears);
    run(policy, shards, kShifts);
  }
}

/* These policies read use bits. */
TEST(clock_sieve_s3fifo_copy_whole_values) {
  run_all(CT_POLICY_CLOCK);
  run_all(CT_POLICY_SIEVE);
  run_all(CT_POLICY_S3FIFO);
}

/* These policies read the log of uses. */
TEST(lru_copies_whole_values) {
  run_all(CT_POLICY_LRU);
}

TEST(mru_lfu_arc_wtinylfu_copy_whole_values) {
  run(CT_POLICY_MRU, 1, kClears);
  run(CT_POLICY_LFU, 1, kClears);
  run(CT_POLICY_ARC, 1, kClears);
  run(CT_POLICY_ADAPTIVE, 1, kClears);
  run(CT_POLICY_WTINYLFU, 1, kClears);
}

/* These policies ignore uses. */
TEST(fifo_rr_copy_whole_values) {
  run(CT_POLICY_FIFO, 1, kClears);
  run(CT_POLICY_RR, 1, kClears);
}

/* ---- Lifetimes and counts ------------------------------------------------------------------- */

typedef struct pair {
  ct_cache *cache;
  atomic_bool over;
  uint64_t wrong;
} pair;

static const uint64_t kLong = UINT64_C(1) << 50;

static pair new_pair(void) {
  pair p = {NULL, false, 0};
  p.cache = cache_of(.policy = CT_POLICY_SIEVE, .maxsize = 1000);
  /* A smaller cache is read under the lock. */
  for (uint64_t key = 1; key < 500; key++)
    assert_status(CT_OK, ct_set(p.cache, &key, sizeof(key), &key, sizeof(key)));
  return p;
}

static void *count_misses(void *argument) {
  pair *p = argument;
  const char key[8] = {0};
  char buffer[64];
  size_t size;
  while (!p->over) {
    p->wrong += ct_get_copy(p->cache, key, sizeof(key), buffer, sizeof(buffer), &size) != CT_OK;
  }
  return NULL;
}

/* An entry that had no place for a deadline could be seen in its new block before the deadline
 * was written. If the block held zeros until then, the entry seemed to have expired long ago. */
TEST(entry_never_misses_while_it_gets_a_lifetime) {
  pair p = new_pair();
  const char zeros[32] = {0};
  assert_status(CT_OK, ct_set(p.cache, zeros, 8, zeros, 16));
  pthread_t reader;
  assert_int_equal(0, pthread_create(&reader, NULL, count_misses, &p));
  for (size_t i = 0; i < 200000; i++) {
    assert_status(CT_OK, ct_set(p.cache, zeros, 8, zeros, 16 + i % 2 * 8));
    assert_status(CT_OK, ct_set_lifetime(p.cache, zeros, 8, kLong));
  }
  p.over = true;
  pthread_join(reader, NULL);
  assert_int_equal(0, p.wrong);
  ct_cache_free(p.cache);
}

static void *reset_stats(void *argument) {
  pair *p = argument;
  while (!p->over) ct_cache_stats_reset(p->cache);
  return NULL;
}

/* The baseline could be read after a reset, and the counts before it. Then fewer than 0 reads
 * had hit. */
TEST(stats_beside_resets_are_never_negative) {
  pair p = new_pair();
  const char zeros[8] = {0};
  assert_status(CT_OK, ct_set(p.cache, zeros, sizeof(zeros), zeros, sizeof(zeros)));
  pthread_t reader, resetter;
  assert_int_equal(0, pthread_create(&reader, NULL, count_misses, &p));
  assert_int_equal(0, pthread_create(&resetter, NULL, reset_stats, &p));
  uint64_t most = 0;
  for (int i = 0; i < 500000; i++) {
    const ct_stats stats = stats_of(p.cache);
    if (stats.hits > most) most = stats.hits;
  }
  p.over = true;
  pthread_join(reader, NULL);
  pthread_join(resetter, NULL);
  assert_true(most < kLong);
  ct_cache_free(p.cache);
}

/* ---- One thread after the other ------------------------------------------------------------- */

typedef struct turns {
  ct_cache *cache;
  _Atomic uint64_t next;
  uint64_t threads;
  uint64_t end;
} turns;

typedef struct player {
  turns *turns;
  uint64_t number;
} player;

/* Uses each key when it is its own turn. */
static void *take_turns(void *argument) {
  player *p = argument;
  turns *t = p->turns;
  for (uint64_t key; (key = t->next) < t->end;) {
    char buffer[16];
    size_t size;
    if (key % t->threads != p->number) {
      sched_yield();
    } else if (ct_get_copy(t->cache, &key, sizeof(key), buffer, sizeof(buffer), &size) == CT_OK) {
      t->next = key + 1;
    } else {
      t->next = t->end + 1;
    }
  }
  return NULL;
}

/* The order is that of the uses, whichever thread has the cache at a time. */
TEST(cache_of_one_thread_at_a_time_knows_the_order_of_all) {
  enum { kCount = 500, kThreads = 4 };
  turns t = {.threads = kThreads, .end = kCount};
  t.cache = cache_of(.maxsize = kCount, .flags = CT_FLAG_SINGLE_THREADED);
  for (uint64_t key = kCount; key-- > 0;)
    assert_status(CT_OK, ct_set(t.cache, &key, sizeof(key), &key, sizeof(key)));
  pthread_t threads[kThreads];
  player players[kThreads];
  for (uint64_t i = 0; i < kThreads; i++) {
    players[i] = (player){&t, i};
    assert_int_equal(0, pthread_create(&threads[i], NULL, take_turns, &players[i]));
  }
  for (int i = 0; i < kThreads; i++) pthread_join(threads[i], NULL);
  assert_int_equal(kCount, t.next);
  for (uint64_t key = 0; key < kCount; key++) {
    ct_value oldest;
    assert_status(CT_OK, ct_popitem(t.cache, &oldest, NULL));
    assert_memory_equal(&key, oldest.data, sizeof(key));
    ct_value_release(&oldest);
  }
  ct_cache_free(t.cache);
}
