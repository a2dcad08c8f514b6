/* SPDX-License-Identifier: MIT */
/* Four threads do everything at once to two caches, for as long as they are told to. One cache
 * counts 1,000,000 entries, the other weighs by CT_WEIGHT_MEMORY.
 *
 * Every value that comes out is checked from its first byte to its last. Once a minute the threads
 * pause. Then the counters, the events, what a walk finds and the answers that the threads got must
 * agree exactly, and the limit in bytes must hold. The caches are filled up, so that memory can be
 * compared: from the fifth minute on (or a sixth of the time, if that is less), the process may
 * grow by a twentieth. At the end, each copy of a value must have been dropped once.
 *
 * Usage: soak MINUTES [SEED [ENTRIES]]; the seed also chooses the policy. */
#include <cachetools.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  kThreads = 4,
  kHeld = 64,  /* pins that a thread keeps */
  kBatch = 16, /* keys of a call for many */
  kSmallest = 16,
  kLargest = 40000,
  kSnapshotEntries = 2000
};

static const uint64_t kSecond = 1000000000;

/* ThreadSanitizer remembers more and more of what threads did, so its process grows. */
#if defined(__SANITIZE_THREAD__)
static const bool kGrows = true;
#else
static const bool kGrows = false;
#endif

/* ---- What is common ------------------------------------------------------------------------- */

/* A cache and what must be true of its counters. */
typedef struct subject {
  const char *name;
  ct_cache *cache;
  uint64_t full; /* its limit, to which it is resized again */
  _Atomic uint64_t causes[5];
  _Atomic uint64_t evicted_weight;
  _Atomic uint64_t drops;
  _Atomic uint64_t reads; /* keys read, each of which is a hit or a miss */
  _Atomic uint64_t hits;
  _Atomic uint64_t rejections;
  _Atomic uint64_t loads;
  _Atomic uint64_t failed_loads;
} subject;

typedef struct worker {
  pthread_t thread;
  uint64_t random;
  ct_value held[kHeld];
  uint32_t held_keys[kHeld];
  uint64_t operations;
} worker;

static subject subjects[2];
static worker workers[kThreads];
static uint32_t entries; /* that the first cache may have */
static uint64_t seed;
static _Atomic bool is_pausing, is_over;
static _Atomic uint64_t stands_at; /* the time, while it stands still; else 0 */
static pthread_barrier_t paused, goes_on;

static void require_at(int line, bool condition, const char *what) {
  if (condition) return;
  fprintf(stderr, "soak: not so in line %d, with seed %" PRIu64 ": %s\n", line, seed, what);
  abort();
}

#define require(condition) require_at(__LINE__, condition, #condition)

static void require_equal_at(int line, const char *what, uint64_t expected, uint64_t actual) {
  if (expected == actual) return;
  fprintf(stderr, "soak: line %d, with seed %" PRIu64 ": %s is %" PRIu64 ", not %" PRIu64 "\n",
          line, seed, what, actual, expected);
  abort();
}

#define require_equal(expected, actual) require_equal_at(__LINE__, #actual, expected, actual)

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * kSecond + (uint64_t)time.tv_nsec;
}

/* splitmix64 */
static uint64_t next(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

static uint64_t below(worker *w, uint64_t n) {
  return next(&w->random) % n;
}

/* Returns the resident bytes; 0: unknown. */
static uint64_t resident(void) {
  unsigned long long size, pages;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL) return 0;
  const bool known = fscanf(file, "%llu %llu", &size, &pages) == 2;
  fclose(file);
  return known ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/* ---- Values --------------------------------------------------------------------------------- */

/* Key, salt, and then numbers that follow from both. Sizes are multiples of 8. */
static size_t make_value(uint64_t *to, uint32_t key, uint64_t random) {
  const uint64_t salt = random >> 32;
  size_t size = kSmallest << random % 6;
  size += (random >> 8) % size;
  if ((random >> 16) % 2000 == 0) size = kLargest - (random >> 24) % 8192;
  const size_t words = size / 8;
  uint64_t state = to[0] = salt << 32 | key;
  for (size_t i = 1; i < words; i++) to[i] = next(&state);
  return words * 8;
}

static void check_value(uint32_t key, const void *data, size_t size) {
  require(data != NULL && size >= kSmallest && size <= kLargest && size % 8 == 0);
  uint64_t word;
  memcpy(&word, data, 8);
  require_equal(key, word & UINT32_MAX);
  uint64_t state = word;
  for (size_t i = 1; i < size / 8; i++) {
    memcpy(&word, (const char *)data + i * 8, 8);
    require_equal(next(&state), word);
  }
}

static uint32_t key_of(const void *key, size_t size) {
  uint32_t number;
  require_equal(sizeof number, size);
  memcpy(&number, key, sizeof number);
  return number;
}

/* ---- Callbacks ------------------------------------------------------------------------------ */

/* The timer stands still while the threads pause, so that nothing expires between two looks. */
static uint64_t on_timer(void *user_data) {
  (void)user_data;
  const uint64_t still = atomic_load(&stands_at);
  return still != 0 ? still : now();
}

static void on_event(void *user_data, const ct_event *event) {
  subject *s = user_data;
  check_value(key_of(event->key.data, event->key.size), event->value.data, event->value.size);
  require(event->cause >= CT_CAUSE_EVICTED && event->cause <= CT_CAUSE_CLEARED);
  atomic_fetch_add(&s->causes[event->cause], 1);
  if (event->cause == CT_CAUSE_EVICTED) atomic_fetch_add(&s->evicted_weight, event->weight);
}

static void on_drop(void *user_data, const void *value, size_t size) {
  subject *s = user_data;
  require(value != NULL && size >= kSmallest);
  atomic_fetch_add(&s->drops, 1);
}

typedef struct job {
  worker *w;
  subject *s;
} job;

static ct_status on_load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  job *j = user_data;
  uint64_t value[kLargest / 8];
  if (below(j->w, 50) == 0) {
    atomic_fetch_add(&j->s->failed_loads, 1);
    return CT_MISS;
  }
  const size_t size = make_value(value, key_of(key, key_size), next(&j->w->random));
  atomic_fetch_add(&j->s->loads, 1);
  sched_yield(); /* so that others come to wait */
  return ct_result_set(result, value, size);
}

static ct_status on_compute(void *user_data, const void *key, size_t key_size, const ct_bytes *old,
                            ct_result *result) {
  job *j = user_data;
  const uint32_t number = key_of(key, key_size);
  if (old != NULL) check_value(number, old->data, old->size);
  if (below(j->w, 8) == 0) return CT_NOT_STORED;
  if (below(j->w, 8) == 0) return CT_MISS;
  uint64_t value[kLargest / 8];
  return ct_result_set(result, value, make_value(value, number, next(&j->w->random)));
}

static bool match_few(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  const uint32_t number = key_of(key, key_size);
  check_value(number, value, value_size);
  return number % 4096 == *(const uint32_t *)user_data;
}

/* ---- Snapshots ------------------------------------------------------------------------------ */

typedef struct tape {
  unsigned char *bytes;
  size_t size, capacity, at;
} tape;

static ct_status tape_write(void *user_data, const void *data, size_t size) {
  tape *t = user_data;
  if (t->size + size > t->capacity) {
    t->capacity = (t->size + size) * 2;
    t->bytes = realloc(t->bytes, t->capacity);
    require(t->bytes != NULL);
  }
  memcpy(t->bytes + t->size, data, size);
  t->size += size;
  return CT_OK;
}

static ct_status tape_read(void *user_data, void *buffer, size_t capacity, size_t *got) {
  tape *t = user_data;
  *got = t->size - t->at < capacity ? t->size - t->at : capacity;
  memcpy(buffer, t->bytes + t->at, *got);
  t->at += *got;
  return CT_OK;
}

static ct_status write_nowhere(void *user_data, const void *data, size_t size) {
  (void)data;
  *(uint64_t *)user_data += size;
  return CT_OK;
}

static uint64_t walk(ct_cache *cache, int32_t order, uint64_t most, uint64_t *weight) {
  ct_iter *iter;
  require(ct_iter_new(cache, order, &iter) == CT_OK);
  uint64_t count = 0;
  for (ct_bytes key, value; count < most && ct_iter_next(iter, &key, &value) == CT_OK; count++) {
    check_value(key_of(key.data, key.size), value.data, value.size);
    if (weight == NULL) continue;
    ct_entry_info info = CT_ENTRY_INFO_INIT;
    require(ct_inspect(cache, key.data, key.size, &info) == CT_OK);
    *weight += info.weight;
  }
  ct_iter_free(iter);
  return count;
}

/* Saves a cache of the thread's own and loads it into another one, while other threads go on. */
static void copy_by_snapshot(worker *w) {
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, kSnapshotEntries);
  ct_cache *to = ct_cache_new(CT_POLICY_SIEVE, kSnapshotEntries / 2);
  require(from != NULL && to != NULL);
  uint64_t value[kLargest / 8];
  for (uint32_t i = 0; i < 2 * kSnapshotEntries; i++)
    require(ct_set(from, &i, sizeof i, value, make_value(value, i, next(&w->random))) == CT_OK);
  tape t = {0};
  require(ct_snapshot_save(from, tape_write, &t) == CT_OK);
  require(ct_snapshot_load(to, tape_read, &t) == CT_OK);
  require_equal(kSnapshotEntries, walk(from, CT_ORDER_COLDEST, UINT64_MAX, NULL));
  require_equal(kSnapshotEntries / 2, walk(to, CT_ORDER_ANY, UINT64_MAX, NULL));
  free(t.bytes);
  ct_cache_free(from);
  ct_cache_free(to);
}

/* ---- Operations ----------------------------------------------------------------------------- */

/* Half of the keys come from the first twentieth, the others from all, which are twice as many
 * as fit. */
static uint32_t draw_key(worker *w) {
  const uint64_t range = (uint64_t)entries * 2;
  return (uint32_t)(below(w, 2) == 0 ? below(w, range / 20 + 1) : below(w, range));
}

/* Checks what a store may answer that is not forced to fail. */
static void stored(subject *s, ct_status status) {
  if (status == CT_NOT_STORED || status == CT_ERR_TOO_LARGE)
    atomic_fetch_add(&s->rejections, 1);
  else
    require(status == CT_OK);
}

static void was_read(subject *s, ct_status status) {
  require(status == CT_OK || status == CT_MISS);
  atomic_fetch_add(&s->reads, 1);
  if (status == CT_OK) atomic_fetch_add(&s->hits, 1);
}

static void release(worker *w, uint64_t at) {
  if (w->held[at].data != NULL) check_value(w->held_keys[at], w->held[at].data, w->held[at].size);
  ct_value_release(&w->held[at]);
}

/* Keeps a value for a while, or releases it at once. */
static void receive(worker *w, uint32_t key, ct_value *value) {
  if (value->data == NULL) return;
  check_value(key, value->data, value->size);
  if (below(w, 4) != 0) {
    ct_value_release(value);
    return;
  }
  const uint64_t at = below(w, kHeld);
  release(w, at);
  w->held[at] = *value;
  w->held_keys[at] = key;
}

static void get_many(worker *w, subject *s) {
  uint32_t numbers[kBatch];
  ct_bytes keys[kBatch];
  ct_value values[kBatch];
  ct_status statuses[kBatch];
  for (int i = 0; i < kBatch; i++) {
    numbers[i] = draw_key(w);
    keys[i] = (ct_bytes){&numbers[i], sizeof numbers[i]};
  }
  require(ct_get_many(s->cache, keys, kBatch, values, statuses) == CT_OK);
  for (int i = 0; i < kBatch; i++) {
    was_read(s, statuses[i]);
    receive(w, numbers[i], &values[i]);
  }
}

static void get_many_copy(worker *w, subject *s) {
  uint32_t numbers[kBatch];
  size_t key_ends[kBatch], value_ends[kBatch];
  ct_status statuses[kBatch];
  static _Thread_local char buffer[kBatch * kLargest];
  for (int i = 0; i < kBatch; i++) {
    numbers[i] = draw_key(w);
    key_ends[i] = sizeof numbers[0] * (size_t)(i + 1);
  }
  require(ct_get_many_copy(s->cache, numbers, key_ends, kBatch, buffer, sizeof buffer, value_ends,
                           statuses) == CT_OK);
  size_t at = 0;
  for (int i = 0; i < kBatch; i++) {
    was_read(s, statuses[i]);
    if (statuses[i] == CT_OK) check_value(numbers[i], buffer + at, value_ends[i] - at);
    at = value_ends[i];
  }
}

static void set_many(worker *w, subject *s) {
  static _Thread_local char data[kBatch * (kLargest + 8)];
  size_t ends[2 * kBatch], end = 0;
  ct_status statuses[kBatch];
  uint64_t value[kLargest / 8];
  for (int i = 0; i < kBatch; i++) {
    const uint32_t key = draw_key(w);
    memcpy(data + end, &key, sizeof key);
    end = ends[2 * i] = end + sizeof key;
    const size_t size = make_value(value, key, next(&w->random));
    memcpy(data + end, value, size);
    end = ends[2 * i + 1] = end + size;
  }
  ct_set_many(s->cache, data, ends, kBatch, NULL, statuses);
  for (int i = 0; i < kBatch; i++) stored(s, statuses[i]);
}

/* Calls that go through a whole cache, or take much of it away. */
static void rarely(worker *w, subject *s) {
  uint64_t bytes = 0;
  uint32_t rest;
  switch (below(w, 40)) {
    case 0:
      if (below(w, 4) == 0) require(ct_clear(s->cache) == CT_OK);
      break;
    case 1:
      rest = (uint32_t)below(w, 4096);
      ct_remove_if(s->cache, match_few, &rest);
      break;
    case 2:
      require(ct_snapshot_save(s->cache, write_nowhere, &bytes) == CT_OK && bytes > 0);
      break;
    case 3:
      require(ct_resize(s->cache, s->full - below(w, s->full / 2)) == CT_OK);
      require(ct_resize(s->cache, s->full) == CT_OK);
      break;
    case 4:
      walk(s->cache, CT_ORDER_HOTTEST, 1000, NULL);
      break;
    case 5:
      copy_by_snapshot(w);
      break;
    default:
      walk(s->cache, CT_ORDER_ANY, 500, NULL);
      break;
  }
}

/* Few keys, which are absent now and then. */
static void load(worker *w, subject *s) {
  const uint32_t key = below(w, 2) == 0 ? (uint32_t)below(w, 4) : draw_key(w);
  job j = {w, s};
  ct_value value;
  if (key < 4 && below(w, 4) == 0) ct_delete(s->cache, &key, sizeof key);
  const ct_status status = ct_get_or_load(s->cache, &key, sizeof key, on_load, &j, &value);
  require(status == CT_OK || status == CT_MISS);
  require((status == CT_OK) == (value.data != NULL));
  atomic_fetch_add(&s->reads, 1);
  receive(w, key, &value);
}

static void operate(worker *w) {
  subject *s = &subjects[below(w, 4) == 0];
  const uint32_t key = draw_key(w);
  const uint64_t random = next(&w->random);
  uint64_t buffer[kLargest / 8];
  ct_value value = CT_VALUE_INIT, other = CT_VALUE_INIT;
  job j = {w, s};
  size_t size;
  ct_status status;
  switch (below(w, 64)) {
    case 0:
      get_many(w, s);
      break;
    case 1:
      get_many_copy(w, s);
      break;
    case 2:
    case 3:
      set_many(w, s);
      break;
    case 4:
    case 5:
      size = make_value(buffer, key, random);
      stored(s, ct_set_ttl(s->cache, &key, sizeof key, buffer, size,
                           below(w, 20) == 0 ? 0 : below(w, 20 * kSecond)));
      break;
    case 6:
      status = ct_delete(s->cache, &key, sizeof key);
      require(status == CT_OK || status == CT_MISS);
      break;
    case 7:
      status = ct_pop(s->cache, &key, sizeof key, &value);
      require((status == CT_OK || status == CT_MISS) && (status == CT_OK) == (value.data != NULL));
      receive(w, key, &value);
      break;
    case 8:
      status = ct_popitem(s->cache, &other, &value);
      require(status == CT_OK || status == CT_MISS);
      if (status == CT_OK) receive(w, key_of(other.data, other.size), &value);
      ct_value_release(&other);
      break;
    case 9:
    case 10:
      status = ct_compute(s->cache, &key, sizeof key, on_compute, &j, &value);
      require(status == CT_OK || status == CT_MISS || status == CT_NOT_STORED ||
              (status == CT_BUSY && value.data == NULL));
      if (status != CT_BUSY) atomic_fetch_add(&s->reads, 1);
      receive(w, key, &value);
      break;
    case 11:
    case 12:
    case 13:
    case 14:
      load(w, s);
      break;
    case 15:
      size = make_value(buffer, key, random);
      require(ct_setdefault(s->cache, &key, sizeof key, buffer, size, &value) == CT_OK);
      atomic_fetch_add(&s->reads, 1);
      receive(w, key, &value);
      break;
    case 16:
      status = ct_set_lifetime(s->cache, &key, sizeof key, below(w, 30 * kSecond));
      require(status == CT_OK || status == CT_MISS);
      break;
    case 17:
      ct_peek(s->cache, &key, sizeof key, &value);
      receive(w, key, &value);
      break;
    case 18:
      ct_contains(s->cache, &key, sizeof key);
      require(ct_currsize(s->cache) <= s->full);
      break;
    case 19:
      release(w, below(w, kHeld));
      break;
    case 20:
      if (below(w, 2000) == 0) rarely(w, s);
      break;
    case 21:
      if (below(w, 100) == 0) ct_expire(s->cache, CT_NOW, NULL, NULL);
      break;
    default:
      if (random % 3 == 0) {
        size = make_value(buffer, key, random);
        stored(s, ct_set(s->cache, &key, sizeof key, buffer, size));
      } else if (random % 3 == 1) {
        status = ct_get_copy(s->cache, &key, sizeof key, buffer, sizeof buffer, &size);
        was_read(s, status);
        if (status == CT_OK) check_value(key, buffer, size);
      } else {
        was_read(s, ct_get(s->cache, &key, sizeof key, &value));
        receive(w, key, &value);
      }
      break;
  }
  w->operations++;
}

static void *work(void *data) {
  worker *w = data;
  while (!atomic_load(&is_over)) {
    for (int i = 0; i < 64; i++) operate(w);
    if (!atomic_load(&is_pausing)) continue;
    for (uint64_t i = 0; i < kHeld; i++) release(w, i);
    pthread_barrier_wait(&paused);
    pthread_barrier_wait(&goes_on);
  }
  return NULL;
}

/* ---- At rest -------------------------------------------------------------------------------- */

/* Fills each cache to its limit, so that two moments can be compared. */
static void fill_up(subject *s) {
  uint64_t random = seed;
  uint64_t value[kLargest / 8];
  ct_stats stats = CT_STATS_INIT;
  require(ct_cache_stats(s->cache, &stats) == CT_OK);
  const uint64_t evictions = stats.evictions;
  for (uint32_t key = entries * 2; stats.evictions == evictions; key++) {
    for (int i = 0; i < 100; i++, key++)
      stored(s, ct_set(s->cache, &key, sizeof key, value, make_value(value, key, next(&random))));
    require(ct_cache_stats(s->cache, &stats) == CT_OK);
  }
}

static void check(subject *s) {
  uint64_t weight = 0;
  ct_stats stats = CT_STATS_INIT;
  const uint64_t len = ct_len(s->cache);
  require_equal(len, walk(s->cache, CT_ORDER_ANY, UINT64_MAX, &weight));
  require_equal(ct_currsize(s->cache), weight);
  require(weight <= s->full);
  require_equal(s->full, ct_maxsize(s->cache));
  require(ct_cache_stats(s->cache, &stats) == CT_OK);
  require_equal(stats.inserts, len + stats.evictions + stats.expirations + stats.removals);
  require_equal(s->causes[CT_CAUSE_EVICTED], stats.evictions);
  require_equal(s->evicted_weight, stats.evicted_weight);
  require_equal(s->causes[CT_CAUSE_EXPIRED], stats.expirations);
  require_equal(s->causes[CT_CAUSE_REPLACED], stats.updates);
  require_equal(s->causes[CT_CAUSE_REMOVED] + s->causes[CT_CAUSE_CLEARED], stats.removals);
  require_equal(s->reads, stats.hits + stats.misses);
  require_equal(s->rejections, stats.rejections);
  require_equal(s->loads, stats.loads);
  require_equal(s->failed_loads, stats.load_failures);
}

static ct_cache *make(subject *s, int32_t policy, ct_weight_kind kind, uint64_t maxsize) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.weight_kind = (int32_t)kind;
  options.maxsize = maxsize;
  options.shards = 16;
  options.user_data = s;
  options.timer = on_timer;
  options.listener = on_event;
  options.drop = on_drop;
  require(ct_cache_new_with(&options, &s->cache) == CT_OK);
  s->full = maxsize;
  return s->cache;
}

/* The bytes of pinned values, which may have left the cache. */
static uint64_t pinned_bytes(void) {
  uint64_t bytes = 0;
  for (int i = 0; i < kThreads; i++)
    for (int j = 0; j < kHeld; j++) bytes += workers[i].held[j].size;
  return bytes;
}

/* Returns what is resident when all threads pause and all caches are full. */
static uint64_t inspect(double minutes) {
  uint64_t operations = 0;
  atomic_store(&is_pausing, true);
  pthread_barrier_wait(&paused);
  atomic_store(&stands_at, now());
  for (int i = 0; i < kThreads; i++) operations += workers[i].operations;
  for (int i = 0; i < 2; i++) {
    check(&subjects[i]);
    fill_up(&subjects[i]);
    check(&subjects[i]);
  }
  const uint64_t bytes = resident();
  const uint64_t memory = ct_memory(subjects[1].cache);
  printf("%6.2f min: %" PRIu64 " operations, %" PRIu64 " entries, %.1f MB resident; ", minutes,
         operations, ct_len(subjects[0].cache), (double)bytes / 1e6);
  printf("by memory %.1f MB, %.1f held\n", (double)ct_currsize(subjects[1].cache) / 1e6,
         (double)memory / 1e6);
  fflush(stdout);
  /* A small cache may hold more. */
  const uint64_t full = subjects[1].full;
  if (full > 32000000) require(memory <= full + full / 10 + pinned_bytes());
  atomic_store(&stands_at, 0);
  atomic_store(&is_pausing, false);
  pthread_barrier_wait(&goes_on);
  return bytes;
}

static void wait_until(uint64_t time) {
  while (now() < time) {
    const struct timespec pause = {0, 10000000};
    nanosleep(&pause, NULL);
  }
}

int main(int argc, char **argv) {
  static const int32_t kPolicies[] = {CT_POLICY_LRU,   CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU,
                                      CT_POLICY_SIEVE, CT_POLICY_ARC,    CT_POLICY_CLOCK,
                                      CT_POLICY_LFU,   CT_POLICY_FIFO};
  const double minutes = argc > 1 ? atof(argv[1]) : 0;
  seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
  entries = argc > 3 ? (uint32_t)atol(argv[3]) : 1000000;
  if (minutes <= 0 || entries == 0 || argc > 4) {
    fprintf(stderr, "Usage: %s MINUTES [SEED [ENTRIES]]\n", argv[0]);
    return 2;
  }
  const int32_t policy = kPolicies[seed % (sizeof kPolicies / sizeof kPolicies[0])];
  printf("%g minutes, seed %" PRIu64 ", %s, %" PRIu32 " entries\n", minutes, seed,
         ct_policy_name((ct_policy)policy), entries);
  subjects[0].name = "by count";
  subjects[1].name = "by memory";
  make(&subjects[0], policy, CT_WEIGHT_COUNT, entries);
  make(&subjects[1], policy, CT_WEIGHT_MEMORY, (uint64_t)entries * 64 + 2000000);

  pthread_barrier_init(&paused, NULL, kThreads + 1);
  pthread_barrier_init(&goes_on, NULL, kThreads + 1);
  const uint64_t begin = now();
  for (int i = 0; i < kThreads; i++) {
    workers[i].random = seed + (uint64_t)i * 1000003;
    require(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
  }
  const double settled = minutes / 6 < 5 ? minutes / 6 : 5;
  const double interval = settled < 1 ? settled : 1;
  uint64_t first = 0, last = 0;
  for (double at = interval; at <= minutes * 1.001; at += interval) {
    wait_until(begin + (uint64_t)(at * 60 * (double)kSecond));
    last = inspect(at);
    if (first == 0 && at >= settled * 0.999) first = last;
  }
  /* In less than a minute, too few entries are replaced to say anything. */
  if (minutes >= 1 && !kGrows) require(last <= first + first / 20);
  if (minutes >= 1 && !kGrows) require(first <= last + last / 20);

  atomic_store(&is_over, true);
  for (int i = 0; i < kThreads; i++) require(pthread_join(workers[i].thread, NULL) == 0);
  for (int i = 0; i < kThreads; i++)
    for (uint64_t at = 0; at < kHeld; at++) release(&workers[i], at);
  atomic_store(&stands_at, now());
  for (int i = 0; i < 2; i++) {
    ct_stats stats = CT_STATS_INIT;
    check(&subjects[i]);
    require(ct_cache_stats(subjects[i].cache, &stats) == CT_OK);
    ct_cache_free(subjects[i].cache);
    require_equal(stats.inserts + stats.updates, subjects[i].drops);
    printf("%s: %" PRIu64 " hits, %" PRIu64 " misses, %" PRIu64 " stored, %" PRIu64 " evicted, ",
           subjects[i].name, stats.hits, stats.misses, stats.inserts + stats.updates,
           stats.evictions);
    printf("%" PRIu64 " expired, %" PRIu64 " loaded, %" PRIu64 " waited\n", stats.expirations,
           stats.loads, stats.waits);
  }
  printf("resident: %.1f MB at %.2f min, %.1f at the end; all was as it should be\n",
         (double)first / 1e6, settled, (double)last / 1e6);
  return 0;
}
