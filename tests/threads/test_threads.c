/* SPDX-License-Identifier: MIT */
/* Many threads on one cache, with ThreadSanitizer and without.
 *
 * Every value carries a checksum of its key and content, which every reader verifies, so a torn,
 * freed or foreign value is noticed. Afterwards the books must balance: reads, entries,
 * departures by cause, stored copies and drops. */
#include <pthread.h>
#include <sched.h>

#include "support.h"

enum {
  kThreads = 8,
  kKeys = 300,
  kSteps = 3000, /* of each thread in a mixed run */
  kMaxsize = 200,
  kHeaviest = 400, /* no limit is ever above it */
  kHeld = 4,       /* values that a thread keeps pinned over other calls */
  kSlots = 16,     /* values on their way from thread to thread */
  kLargest = 20000,
  kBatch = 4
};

/* ---- Complaints, which threads cannot assert ------------------------------------------------ */

static _Atomic(const char *) complaint;

static void expect(bool condition, const char *what) {
  if (!condition) atomic_store(&complaint, what);
}

static void assert_no_complaint(void) {
  const char *what = atomic_exchange(&complaint, NULL);
  if (what != NULL) fail_msg("%s", what);
}

/* ---- Values that can be verified ------------------------------------------------------------ */

typedef struct head {
  uint64_t sum; /* of all that follows, and of the size */
  uint32_t key;
  uint32_t weight;
} head;

static uint64_t checksum(const unsigned char *data, size_t size) {
  uint64_t sum = size;
  for (size_t i = sizeof(uint64_t); i < size; i++) sum = sum * 31 + data[i];
  return sum;
}

/* Returns the size. */
static size_t write_value(unsigned char *to, uint32_t key, uint64_t *random) {
  const size_t most = test_random_below(random, 200) == 0 ? kLargest : 120;
  const size_t size = sizeof(head) + test_random_below(random, most - sizeof(head));
  const uint64_t content = test_random(random);
  for (size_t i = sizeof(head); i < size; i++) to[i] = (unsigned char)(content >> (i % 57));
  head h = {0, key, 1 + (uint32_t)test_random_below(random, 5)};
  memcpy(to, &h, sizeof h);
  h.sum = checksum(to, size);
  memcpy(to, &h, sizeof h);
  return size;
}

static bool is_sound(const void *data, size_t size) {
  head h;
  if (data == NULL || size < sizeof h) return false;
  memcpy(&h, data, sizeof h);
  return h.sum == checksum(data, size);
}

static bool is_value_of(const void *key, size_t key_size, const void *value, size_t size) {
  head h;
  if (key_size != sizeof h.key || !is_sound(value, size)) return false;
  memcpy(&h, value, sizeof h);
  return memcmp(&h.key, key, sizeof h.key) == 0;
}

/* ---- The cache and its callbacks ------------------------------------------------------------ */

typedef struct shared {
  manual_clock clock;
  test_allocator allocator;
  ct_cache *cache;
  _Atomic uint64_t causes[5];
  _Atomic uint64_t drops;
  _Atomic uint64_t reads; /* that count as a hit or as a miss */
  _Atomic(ct_value *) slots[kSlots];
  uint64_t seed;
  bool lifetimes;
  bool resizes;
  pthread_barrier_t barrier;
} shared;

static uint64_t read_clock(void *user_data) {
  return manual_clock_read(&((shared *)user_data)->clock);
}

static uint64_t ttu(void *user_data, const void *key, size_t key_size, const void *value,
                    size_t value_size, uint64_t now) {
  (void)user_data;
  expect(is_value_of(key, key_size, value, value_size), "ttu was shown a broken value");
  return now + 20 + value_size % 50;
}

static uint64_t weigh(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  (void)user_data;
  expect(is_value_of(key, key_size, value, value_size), "weigher was shown a broken value");
  head h;
  memcpy(&h, value, sizeof h);
  return h.weight;
}

static void count_event(void *user_data, const ct_event *event) {
  shared *s = user_data;
  expect(is_value_of(event->key.data, event->key.size, event->value.data, event->value.size),
         "listener was told of a broken value");
  atomic_fetch_add_explicit(&s->causes[event->cause], 1, memory_order_relaxed);
}

static void count_drop(void *user_data, const void *value, size_t value_size) {
  shared *s = user_data;
  expect(is_sound(value, value_size), "drop was given a broken value");
  atomic_fetch_add_explicit(&s->drops, 1, memory_order_relaxed);
}

static bool match_some(void *user_data, const void *key, size_t key_size, const void *value,
                       size_t value_size) {
  expect(is_value_of(key, key_size, value, value_size), "match was shown a broken value");
  return *(const unsigned char *)key % 16 == *(const unsigned char *)user_data;
}

static void visit(void *user_data, const ct_event *event) {
  (void)user_data;
  expect(event->cause == CT_CAUSE_EXPIRED, "visit was shown what did not expire");
  expect(is_value_of(event->key.data, event->key.size, event->value.data, event->value.size),
         "visit was shown a broken value");
}

static uint64_t seed;

/* hooked: with a weigher and an allocator. Without them, the library takes other paths. */
static void make(shared *s, ct_policy policy, uint32_t shards, bool hooked) {
  memset(s, 0, sizeof *s);
  s->seed = test_random(&seed);
  ct_options o = CT_OPTIONS_INIT;
  o.policy = (int32_t)policy;
  o.maxsize = kMaxsize;
  o.shards = shards;
  o.user_data = s;
  o.timer = read_clock;
  o.listener = count_event;
  o.drop = count_drop;
  if (hooked) o.weigher = weigh;
  if (policy == CT_POLICY_TTL) o.ttl = 60;
  if (policy == CT_POLICY_TLRU) o.ttu = ttu;
  if (policy == CT_POLICY_LFU || policy == CT_POLICY_MRU) o.tti = 40;
  if (policy == CT_POLICY_CUSTOM) o.custom = &kQueue;
  test_allocator_init(&s->allocator);
  if (hooked) o.allocator = &s->allocator.hooks;
  assert_status(CT_OK, ct_cache_new_with(&o, &s->cache));
}

/* ---- Threads -------------------------------------------------------------------------------- */

typedef struct worker {
  shared *s;
  int number;
  uint64_t random;
  uint64_t reads;
  ct_value held[kHeld];
} worker;

static void run_threads(shared *s, void *(*body)(void *)) {
  pthread_t threads[kThreads];
  static worker workers[kThreads];
  assert_int_equal(0, pthread_barrier_init(&s->barrier, NULL, kThreads));
  for (int i = 0; i < kThreads; i++) {
    workers[i] = (worker){.s = s, .number = i, .random = s->seed + (uint64_t)i};
    assert_int_equal(0, pthread_create(&threads[i], NULL, body, &workers[i]));
  }
  for (int i = 0; i < kThreads; i++) assert_int_equal(0, pthread_join(threads[i], NULL));
  pthread_barrier_destroy(&s->barrier);
  assert_no_complaint();
}

static void release_verified(ct_value *value) {
  expect(value->pin == 0 || is_sound(value->data, value->size), "a pinned value changed");
  ct_value_release(value);
}

/* Leaves a pin for another thread, and releases the one that was there. */
static void pass_on(worker *w, ct_value *value) {
  ct_value *left = malloc(sizeof *left);
  if (left == NULL || ct_value_ref(value, left) != CT_OK) {
    free(left);
    return;
  }
  _Atomic(ct_value *) *slot = &w->s->slots[test_random_below(&w->random, kSlots)];
  ct_value *found = atomic_exchange(slot, left);
  if (found == NULL) return;
  release_verified(found);
  free(found);
}

static void keep_or_release(worker *w, ct_value *value) {
  if (test_random_below(&w->random, 4) == 0) pass_on(w, value);
  ct_value *held = &w->held[test_random_below(&w->random, kHeld)];
  release_verified(held);
  expect(ct_value_ref(value, held) == CT_OK, "a pin could not be taken twice");
  release_verified(value);
}

static void read_one(worker *w, uint32_t key) {
  ct_value value;
  w->reads++;
  if (ct_get(w->s->cache, &key, sizeof key, &value) != CT_OK) return;
  expect(is_value_of(&key, sizeof key, value.data, value.size), "ct_get answered a broken value");
  keep_or_release(w, &value);
}

static void read_copy(worker *w, uint32_t key) {
  unsigned char buffer[kLargest];
  const size_t capacity = test_random_below(&w->random, 10) == 0 ? 60 : sizeof buffer;
  size_t size;
  const ct_status status = ct_get_copy(w->s->cache, &key, sizeof key, buffer, capacity, &size);
  if (status == CT_ERR_BUFFER) {
    expect(size > capacity, "CT_ERR_BUFFER told a size that would have fitted");
    return;
  }
  w->reads++;
  if (status == CT_OK)
    expect(is_value_of(&key, sizeof key, buffer, size), "ct_get_copy answered a broken value");
}

static void read_many(worker *w, bool copies) {
  uint32_t keys[kBatch];
  ct_bytes views[kBatch];
  size_t key_ends[kBatch], value_ends[kBatch];
  ct_status statuses[kBatch];
  for (size_t i = 0; i < kBatch; i++) {
    keys[i] = (uint32_t)test_random_below(&w->random, kKeys);
    views[i] = (ct_bytes){&keys[i], sizeof keys[i]};
    key_ends[i] = (i + 1) * sizeof keys[i];
  }
  if (!copies) {
    ct_value values[kBatch];
    expect(ct_get_many(w->s->cache, views, kBatch, values, statuses) == CT_OK,
           "ct_get_many failed");
    w->reads += kBatch;
    for (size_t i = 0; i < kBatch; i++) {
      if (statuses[i] != CT_OK) continue;
      expect(is_value_of(&keys[i], sizeof keys[i], values[i].data, values[i].size),
             "ct_get_many answered a broken value");
      ct_value_release(&values[i]);
    }
    return;
  }
  unsigned char buffer[2 * kLargest];
  const ct_status status = ct_get_many_copy(w->s->cache, keys, key_ends, kBatch, buffer,
                                            sizeof buffer, value_ends, statuses);
  if (status != CT_OK) {
    expect(status == CT_ERR_BUFFER, "ct_get_many_copy failed");
    return;
  }
  w->reads += kBatch;
  for (size_t i = 0; i < kBatch; i++) {
    const size_t begin = i == 0 ? 0 : value_ends[i - 1];
    if (statuses[i] == CT_OK)
      expect(is_value_of(&keys[i], sizeof keys[i], buffer + begin, value_ends[i] - begin),
             "ct_get_many_copy answered a broken value");
  }
}

static void write_one(worker *w, uint32_t key) {
  unsigned char value[kLargest];
  const size_t size = write_value(value, key, &w->random);
  ct_status status;
  if (w->s->lifetimes && test_random_below(&w->random, 4) == 0)
    status =
        ct_set_ttl(w->s->cache, &key, sizeof key, value, size, test_random_below(&w->random, 50));
  else
    status = ct_set(w->s->cache, &key, sizeof key, value, size);
  expect(status == CT_OK || status == CT_NOT_STORED || w->s->resizes, "a store failed");
}

static void write_default(worker *w, uint32_t key) {
  unsigned char given[kLargest];
  const size_t size = write_value(given, key, &w->random);
  ct_value value;
  const ct_status status = ct_setdefault(w->s->cache, &key, sizeof key, given, size, &value);
  w->reads++;
  if (status != CT_OK) return;
  expect(is_value_of(&key, sizeof key, value.data, value.size),
         "ct_setdefault answered a broken value");
  keep_or_release(w, &value);
}

static void take_one(worker *w, uint32_t key) {
  ct_value taken, taken_key;
  switch (test_random_below(&w->random, 3)) {
    case 0:
      ct_delete(w->s->cache, &key, sizeof key);
      break;
    case 1:
      if (ct_pop(w->s->cache, &key, sizeof key, &taken) != CT_OK) break;
      expect(is_value_of(&key, sizeof key, taken.data, taken.size),
             "ct_pop answered a broken value");
      keep_or_release(w, &taken);
      break;
    default:
      if (ct_popitem(w->s->cache, &taken_key, &taken) != CT_OK) break;
      expect(is_value_of(taken_key.data, taken_key.size, taken.data, taken.size),
             "ct_popitem answered a broken entry");
      ct_value_release(&taken_key);
      keep_or_release(w, &taken);
  }
}

static void iterate(worker *w) {
  ct_iter *iter;
  const ct_status status =
      ct_iter_new(w->s->cache, (int32_t)test_random_below(&w->random, 3), &iter);
  if (status == CT_ERR_UNSUPPORTED) return;
  expect(status == CT_OK, "an iteration did not begin");
  const uint64_t passed = test_random_below(&w->random, 2 * kMaxsize);
  ct_bytes key, value;
  for (uint64_t i = 0; i < passed && ct_iter_next(iter, &key, &value) == CT_OK; i++)
    expect(is_value_of(key.data, key.size, value.data, value.size),
           "an iteration showed a broken entry");
  ct_iter_free(iter);
}

static void do_seldom(worker *w) {
  ct_cache *cache = w->s->cache;
  unsigned char rest = (unsigned char)test_random_below(&w->random, 16);
  switch (test_random_below(&w->random, 6)) {
    case 0:
      if (test_random_below(&w->random, 4) == 0) ct_clear(cache);
      break;
    case 1:
      ct_remove_if(cache, match_some, &rest);
      break;
    case 2:
      if (w->s->resizes) ct_resize(cache, 1 + test_random_below(&w->random, kHeaviest));
      break;
    case 3:
      ct_expire(cache, CT_NOW, visit, NULL);
      break;
    default:
      iterate(w);
  }
}

static void do_anything(worker *w) {
  const uint32_t key = (uint32_t)test_random_below(&w->random, kKeys);
  const uint64_t drawn = test_random_below(&w->random, 100);
  if (drawn < 30)
    read_one(w, key);
  else if (drawn < 40)
    read_copy(w, key);
  else if (drawn < 68)
    write_one(w, key);
  else if (drawn < 76)
    write_default(w, key);
  else if (drawn < 84)
    take_one(w, key);
  else if (drawn < 90)
    read_many(w, drawn % 2 == 0);
  else if (drawn < 93)
    atomic_fetch_add_explicit(&w->s->clock.now, 1, memory_order_relaxed);
  else if (drawn < 95 && w->s->lifetimes)
    ct_set_lifetime(w->s->cache, &key, sizeof key, test_random_below(&w->random, 60));
  else if (drawn < 97)
    ct_contains(w->s->cache, &key, sizeof key);
  else
    do_seldom(w);
}

static void *mix(void *data) {
  worker *w = data;
  const uint64_t limit = w->s->resizes ? kHeaviest : kMaxsize;
  pthread_barrier_wait(&w->s->barrier);
  for (int i = 0; i < kSteps; i++) {
    do_anything(w);
    if (i % 8 == 0) expect(ct_currsize(w->s->cache) <= limit, "currsize exceeded maxsize");
  }
  for (int i = 0; i < kHeld; i++) release_verified(&w->held[i]);
  atomic_fetch_add(&w->s->reads, w->reads);
  return NULL;
}

/* ---- The books ------------------------------------------------------------------------------ */

static uint64_t cause(const shared *s, ct_cause which) {
  return atomic_load(&s->causes[which]);
}

static void assert_books_balance(shared *s) {
  const uint64_t len = ct_len(s->cache);
  const ct_stats stats = stats_of(s->cache);
  assert_int_equal(s->reads, stats.hits + stats.misses);
  assert_int_equal(stats.inserts, len + stats.evictions + stats.expirations + stats.removals);
  assert_int_equal(stats.evictions, cause(s, CT_CAUSE_EVICTED));
  assert_int_equal(stats.expirations, cause(s, CT_CAUSE_EXPIRED));
  assert_int_equal(stats.updates, cause(s, CT_CAUSE_REPLACED));
  assert_int_equal(stats.removals, cause(s, CT_CAUSE_REMOVED) + cause(s, CT_CAUSE_CLEARED));

  uint64_t count = 0, weight = 0;
  ct_iter *iter;
  assert_status(CT_OK, ct_iter_new(s->cache, CT_ORDER_ANY, &iter));
  for (ct_bytes key, value; ct_iter_next(iter, &key, &value) == CT_OK; count++) {
    ct_entry_info info = CT_ENTRY_INFO_INIT;
    assert_true(is_value_of(key.data, key.size, value.data, value.size));
    assert_status(CT_OK, ct_inspect(s->cache, key.data, key.size, &info));
    weight += info.weight;
  }
  ct_iter_free(iter);
  assert_int_equal(len, count);
  assert_int_equal(ct_currsize(s->cache), weight);
  assert_true(weight <= ct_maxsize(s->cache));
}

/* Frees the cache while values in the slots are pinned, then releases those. */
static void unmake(shared *s) {
  const ct_stats stats = stats_of(s->cache);
  ct_cache_free(s->cache);
  for (int i = 0; i < kSlots; i++) {
    ct_value *left = atomic_exchange(&s->slots[i], NULL);
    if (left == NULL) continue;
    release_verified(left);
    free(left);
  }
  assert_no_complaint();
  assert_int_equal(stats.inserts + stats.updates, s->drops);
  assert_int_equal(0, s->allocator.blocks);
}

static void run_mixed(ct_policy policy) {
  static shared s;
  for (uint32_t shards = 1; shards <= 16; shards *= 16) {
    for (int variant = 0; variant < 2; variant++) {
      make(&s, policy, shards, variant == 1);
      s.lifetimes = variant == 0;
      s.resizes = variant == 1;
      run_threads(&s, mix);
      assert_books_balance(&s);
      unmake(&s);
    }
  }
}

TEST(threads_on_lru) {
  run_mixed(CT_POLICY_LRU);
}

TEST(threads_on_fifo) {
  run_mixed(CT_POLICY_FIFO);
}

TEST(threads_on_lfu) {
  run_mixed(CT_POLICY_LFU);
}

TEST(threads_on_rr) {
  run_mixed(CT_POLICY_RR);
}

TEST(threads_on_ttl) {
  run_mixed(CT_POLICY_TTL);
}

TEST(threads_on_tlru) {
  run_mixed(CT_POLICY_TLRU);
}

TEST(threads_on_any) {
  run_mixed(CT_POLICY_ANY);
}

TEST(threads_on_mru) {
  run_mixed(CT_POLICY_MRU);
}

TEST(threads_on_clock) {
  run_mixed(CT_POLICY_CLOCK);
}

TEST(threads_on_sieve) {
  run_mixed(CT_POLICY_SIEVE);
}

TEST(threads_on_s3fifo) {
  run_mixed(CT_POLICY_S3FIFO);
}

TEST(threads_on_arc) {
  run_mixed(CT_POLICY_ARC);
}

TEST(threads_on_wtinylfu) {
  run_mixed(CT_POLICY_WTINYLFU);
}

TEST(threads_on_adaptive) {
  run_mixed(CT_POLICY_ADAPTIVE);
}

TEST(threads_on_custom) {
  run_mixed(CT_POLICY_CUSTOM);
}

/* ---- Weights with shards -------------------------------------------------------------------- */

static ct_status set_weighing(ct_cache *cache, uint32_t key, uint64_t weight) {
  ct_entry_options options = entry_with(.flags = CT_ENTRY_WEIGHT, .weight = weight);
  unsigned char value[kLargest];
  uint64_t random = key;
  const size_t size = write_value(value, key, &random);
  return ct_set_with(cache, &key, sizeof key, value, size, &options);
}

/* Each thread takes all the room there is, or what others have left. */
static void *store_heavy(void *data) {
  worker *w = data;
  pthread_barrier_wait(&w->s->barrier);
  for (int i = 0; i < 400; i++) {
    const uint32_t key = (uint32_t)test_random_below(&w->random, kKeys);
    const uint64_t weight = i % 3 == 0 ? kMaxsize - test_random_below(&w->random, 3)
                                       : test_random_below(&w->random, 40);
    expect(set_weighing(w->s->cache, key, weight) == CT_OK, "a heavy entry was refused");
    expect(ct_currsize(w->s->cache) <= kMaxsize, "currsize exceeded maxsize");
  }
  return NULL;
}

TEST(entries_as_heavy_as_maxsize_are_all_stored) {
  static shared s;
  for (uint32_t shards = 1; shards <= 16; shards *= 4) {
    make(&s, CT_POLICY_LRU, shards, false);
    run_threads(&s, store_heavy);
    assert_books_balance(&s);
    const uint32_t last = kKeys;
    assert_status(CT_OK, set_weighing(s.cache, last, kMaxsize));
    assert_int_equal(kMaxsize, ct_currsize(s.cache));
    assert_true(ct_contains(s.cache, &last, sizeof last));
    unmake(&s);
  }
}

/* The limit goes up and down under the writers; what is too heavy for the moment is refused. */
static void *store_while_resizing(void *data) {
  worker *w = data;
  pthread_barrier_wait(&w->s->barrier);
  for (int i = 0; i < 800; i++) {
    const uint32_t key = (uint32_t)test_random_below(&w->random, kKeys);
    if (w->number % 4 == 0) {
      expect(ct_resize(w->s->cache, test_random_below(&w->random, kHeaviest + 1)) == CT_OK,
             "a resize failed");
    } else {
      const ct_status status =
          set_weighing(w->s->cache, key, test_random_below(&w->random, kHeaviest));
      expect(status == CT_OK || status == CT_ERR_TOO_LARGE, "a store failed");
    }
    expect(ct_currsize(w->s->cache) <= kHeaviest, "currsize exceeded every maxsize");
  }
  return NULL;
}

TEST(resize_beside_writers_ends_within_the_limit) {
  static shared s;
  for (uint32_t shards = 1; shards <= 16; shards *= 16) {
    make(&s, CT_POLICY_LFU, shards, false);
    run_threads(&s, store_while_resizing);
    assert_true(ct_currsize(s.cache) <= ct_maxsize(s.cache));
    assert_books_balance(&s);
    assert_status(CT_OK, ct_resize(s.cache, 0));
    assert_int_equal(0, ct_currsize(s.cache));
    unmake(&s);
  }
}

/* ---- One of many ---------------------------------------------------------------------------- */

enum { kRaces = 300 };

static _Atomic uint64_t winners[kRaces];

static void *race_for_default(void *data) {
  worker *w = data;
  for (uint32_t key = 0; key < kRaces; key++) {
    unsigned char given[kLargest];
    const size_t size = write_value(given, key, &w->random);
    if (key % 16 == 0) pthread_barrier_wait(&w->s->barrier);
    ct_value value;
    const ct_status status = ct_setdefault(w->s->cache, &key, sizeof key, given, size, &value);
    w->reads++;
    expect(status == CT_OK && is_value_of(&key, sizeof key, value.data, value.size),
           "ct_setdefault failed");
    head h = {0};
    if (status == CT_OK) memcpy(&h, value.data, sizeof h);
    ct_value_release(&value);
    uint64_t first = 0;
    if (!atomic_compare_exchange_strong(&winners[key], &first, h.sum))
      expect(first == h.sum, "two callers of ct_setdefault got two values");
  }
  atomic_fetch_add(&w->s->reads, w->reads);
  return NULL;
}

TEST(setdefault_gives_all_callers_one_value) {
  static shared s;
  for (uint32_t shards = 1; shards <= 16; shards *= 16) {
    make(&s, CT_POLICY_LRU, shards, false);
    assert_status(CT_OK, ct_resize(s.cache, CT_UNBOUNDED));
    for (int i = 0; i < kRaces; i++) atomic_store(&winners[i], 0);
    run_threads(&s, race_for_default);
    const ct_stats stats = stats_of(s.cache);
    assert_int_equal(kRaces, stats.inserts);
    assert_int_equal(kRaces, stats.misses);
    assert_books_balance(&s);
    unmake(&s);
  }
}

static _Atomic uint64_t taken_times[kKeys];

static void *race_for_entries(void *data) {
  worker *w = data;
  pthread_barrier_wait(&w->s->barrier);
  for (uint32_t key = 0; key < kKeys; key++) {
    uint32_t got = key;
    ct_value taken_key;
    if (w->number % 2 == 0) {
      if (ct_pop(w->s->cache, &key, sizeof key, NULL) != CT_OK) continue;
    } else {
      if (ct_popitem(w->s->cache, &taken_key, NULL) != CT_OK) continue;
      memcpy(&got, taken_key.data, sizeof got);
      ct_value_release(&taken_key);
    }
    atomic_fetch_add(&taken_times[got], 1);
  }
  return NULL;
}

TEST(entry_is_taken_by_one_thread_only) {
  static shared s;
  for (uint32_t shards = 1; shards <= 16; shards *= 16) {
    make(&s, CT_POLICY_FIFO, shards, false);
    assert_status(CT_OK, ct_resize(s.cache, kKeys));
    for (uint32_t key = 0; key < kKeys; key++) {
      assert_status(CT_OK, set_weighing(s.cache, key, 1));
      atomic_store(&taken_times[key], 0);
    }
    run_threads(&s, race_for_entries);
    for (uint32_t key = 0; key < kKeys; key++) assert_int_equal(1, taken_times[key]);
    assert_int_equal(0, ct_len(s.cache));
    assert_books_balance(&s);
    unmake(&s);
  }
}

/* ---- The end, with pins --------------------------------------------------------------------- */

enum { kPinned = 40 };

static ct_value pinned[kThreads][kPinned];

/* Each thread has keys of its own, all of them present. Every fourth value leaves the cache
 * before its end. */
static void *pin_over_the_end(void *data) {
  worker *w = data;
  for (uint32_t i = 0; i < kPinned; i++) {
    const uint32_t key = (uint32_t)w->number + kThreads * i;
    expect(set_weighing(w->s->cache, key, 1) == CT_OK, "a store failed");
    expect(ct_get(w->s->cache, &key, sizeof key, &pinned[w->number][i]) == CT_OK,
           "an entry is not there");
    if (i % 4 == 0) expect(ct_delete(w->s->cache, &key, sizeof key) == CT_OK, "it is not there");
  }
  if (pthread_barrier_wait(&w->s->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
    ct_cache_free(w->s->cache);
  pthread_barrier_wait(&w->s->barrier);
  /* Half of the values are those of another thread. */
  for (uint32_t i = 0; i < kPinned; i++) {
    ct_value *value = &pinned[(w->number + (int)(i % 2)) % kThreads][i];
    ct_value second;
    expect(ct_value_ref(value, &second) == CT_OK, "a pin could not be taken twice");
    release_verified(value);
    sched_yield();
    release_verified(&second);
  }
  return NULL;
}

TEST(pins_outlive_the_cache_on_other_threads) {
  static shared s;
  for (uint32_t shards = 1; shards <= 16; shards *= 16) {
    for (int round = 0; round < 6; round++) {
      make(&s, CT_POLICY_LRU, shards, round % 2 == 0);
      assert_status(CT_OK, ct_resize(s.cache, CT_UNBOUNDED));
      run_threads(&s, pin_over_the_end);
      assert_int_equal(kThreads * kPinned, s.drops);
      assert_int_equal(kThreads * kPinned / 4, cause(&s, CT_CAUSE_REMOVED));
      assert_int_equal(0, s.allocator.blocks);
    }
  }
}

int main(void) {
  seed = test_seed();
  return run_registered_tests();
}
