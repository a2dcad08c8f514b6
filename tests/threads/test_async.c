/* SPDX-License-Identifier: MIT */
/* Callers that wait for loads without a thread, beside threads that load, write and wait. Each of
 * them is told once, or never if it was cancelled in time. */
#include "internal.h"
#include "stage.h"

enum { kCrowd = 10000, kThreads = 6, kKeys = 6, kSteps = 3000, kMany = 4 };

static const ct_status kFailure = (ct_status)-1000;

/* ---- One crowd ------------------------------------------------------------------------------ */

typedef struct crowd crowd;

typedef struct member {
  crowd *crowd;
  ct_wait *wait;
  _Atomic int calls;
  bool is_told_rightly;
} member;

struct crowd {
  ct_cache *cache;
  ct_lease *lease;
  pthread_t teller;
  pthread_barrier_t begin;
  member members[kCrowd];
};

static void note(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  member *self = user_data;
  self->is_told_rightly = status == CT_OK && lease == NULL && value->size == 5 &&
                          memcmp(value->data, "value", 5) == 0 &&
                          pthread_equal(pthread_self(), self->crowd->teller);
  atomic_fetch_add(&self->calls, 1);
}

static void *bring_value(void *user_data) {
  crowd *self = user_data;
  self->teller = pthread_self();
  pthread_barrier_wait(&self->begin);
  return ct_lease_fulfil(self->lease, "value", 5, NULL, NULL) == CT_OK ? self : NULL;
}

/* One thread waits for all; another ends the load. With cancels, every second one gives up at the
 * same time. */
static void assert_crowd_is_told(bool cancels) {
  static crowd self;
  memset(&self, 0, sizeof(self));
  self.cache = ct_cache_new(CT_POLICY_LRU, 10);
  pthread_t thread;
  void *result = NULL;
  pthread_barrier_init(&self.begin, NULL, 2);
  assert_status(CT_LEASED, ct_get_or_lease(self.cache, "k", 1, 0, NULL, &self.lease));
  for (int i = 0; i < kCrowd; i++) {
    member *it = &self.members[i];
    ct_lease *lease;
    it->crowd = &self;
    assert_status(CT_PENDING, ct_get_or_lease_async(self.cache, "k", 1, NULL, note, it, NULL,
                                                    &lease, &it->wait));
  }
  assert_int_equal(0, pthread_create(&thread, NULL, bring_value, &self));
  pthread_barrier_wait(&self.begin);
  bool in_time[kCrowd] = {false};
  for (int i = 0; i < kCrowd && cancels; i += 2) in_time[i] = ct_wait_cancel(self.members[i].wait);
  assert_int_equal(0, pthread_join(thread, &result));
  assert_ptr_equal(&self, result);
  uint64_t told = 0;
  for (int i = 0; i < kCrowd; i++) {
    member *it = &self.members[i];
    if (!cancels || i % 2 != 0) assert_false(ct_wait_cancel(it->wait));
    assert_int_equal(in_time[i] ? 0 : 1, it->calls);
    assert_int_equal(!in_time[i], it->is_told_rightly);
    told += !in_time[i];
  }
  assert_int_equal(told, stats_of(self.cache).waits);
  assert_int_equal(0, stats_of(self.cache).pinned);
  ct_cache_free(self.cache);
  pthread_barrier_destroy(&self.begin);
}

TEST(thread_waits_ten_thousand_times_at_once) {
  assert_crowd_is_told(false);
}

TEST(callers_who_give_up_while_others_are_told) {
  for (int i = 0; i < rounds(10); i++) assert_crowd_is_told(true);
}

/* ---- A handle that is given back while its callback runs ------------------------------------- */

typedef struct encounter {
  ct_lease *lease;
  ct_wait *wait;
  pthread_barrier_t inside;
  pthread_barrier_t may_end;
} encounter;

static void linger(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  (void)status, (void)value, (void)lease;
  encounter *self = user_data;
  pthread_barrier_wait(&self->inside);
  pthread_barrier_wait(&self->may_end);
}

static void *fail_lease(void *user_data) {
  encounter *self = user_data;
  ct_lease_fail(self->lease, kFailure);
  return NULL;
}

TEST(handle_is_given_back_while_its_callback_runs) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  encounter self;
  pthread_t thread;
  ct_lease *lease;
  pthread_barrier_init(&self.inside, NULL, 2);
  pthread_barrier_init(&self.may_end, NULL, 2);
  assert_status(CT_LEASED, ct_get_or_lease(cache, "k", 1, 0, NULL, &self.lease));
  assert_status(CT_PENDING, ct_get_or_lease_async(cache, "k", 1, NULL, linger, &self, NULL, &lease,
                                                  &self.wait));
  assert_int_equal(0, pthread_create(&thread, NULL, fail_lease, &self));
  pthread_barrier_wait(&self.inside);
  assert_false(ct_wait_cancel(self.wait));
  pthread_barrier_wait(&self.may_end);
  assert_int_equal(0, pthread_join(thread, NULL));
  pthread_barrier_destroy(&self.inside);
  pthread_barrier_destroy(&self.may_end);
  ct_cache_free(cache);
}

/* ---- Everything at once --------------------------------------------------------------------- */

/* When the handle of a wait is given back. */
typedef enum way { kNoHandle, kByItsThread, kInside, kInTheEnd, kWays } way;

typedef struct mix mix;

typedef struct waiting {
  mix *mix;
  ct_wait *wait;
  uint64_t key;
  uint64_t random;
  way way;
  bool pending;
  bool in_time; /* it was cancelled in time */
  _Atomic int calls;
} waiting;

/* What all threads share. Leases that are open wait for whichever thread ends them. */
struct mix {
  ct_cache *cache;
  pthread_mutex_t lock;
  ct_lease *leases[kKeys * 64];
  size_t open;
  _Atomic uint64_t now;
  _Atomic uint64_t reads;   /* that count a hit or a miss */
  _Atomic uint64_t leased;  /* leases taken */
  _Atomic uint64_t loads;   /* of these, fulfilled */
  _Atomic uint64_t unnamed; /* answers that may not occur */
};

typedef struct mixer {
  mix *mix;
  pthread_t thread;
  uint64_t random;
  waiting *waits; /* one a step */
  int steps;
} mixer;

static uint64_t read_mix_time(void *user_data) {
  return ((mix *)user_data)->now;
}

/* Returns NULL if no lease is open. */
static ct_lease *take_open(mix *self, uint64_t *random) {
  ct_lease *lease = NULL;
  pthread_mutex_lock(&self->lock);
  if (self->open > 0) {
    const size_t i = test_random_below(random, self->open);
    lease = self->leases[i];
    self->leases[i] = self->leases[--self->open];
  }
  pthread_mutex_unlock(&self->lock);
  return lease;
}

static bool put_open(mix *self, ct_lease *lease) {
  pthread_mutex_lock(&self->lock);
  const bool fits = self->open < COUNT_OF(self->leases);
  if (fits) self->leases[self->open++] = lease;
  pthread_mutex_unlock(&self->lock);
  return fits;
}

/* Each value is its key. */
static void fulfil(mix *self, ct_lease *lease, uint64_t key, const ct_entry_options *options) {
  const ct_status status = ct_lease_fulfil(lease, &key, sizeof(key), options, NULL);
  self->unnamed += status != CT_OK && status != CT_NOT_STORED;
  self->loads++;
}

static void end_lease(mix *self, ct_lease *lease, uint64_t *random) {
  ct_bytes bytes;
  uint64_t key;
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  ct_lease_key(lease, &bytes);
  memcpy(&key, bytes.data, sizeof(key));
  switch (test_random_below(random, 10)) {
    case 0:
      return ct_lease_abandon(lease);
    case 1:
      ct_delete(self->cache, &key, sizeof(key));
      return ct_lease_abandon(lease);
    case 2:
      return ct_lease_fail(lease, CT_MISS);
    case 3:
      return ct_lease_fail(lease, kFailure);
    case 4: /* refused, and so given up */
      self->unnamed += ct_lease_fulfil(lease, NULL, 1, NULL, NULL) != CT_ERR_INVALID;
      return;
    case 5: /* dead on arrival */
      options.flags = CT_ENTRY_TTL;
      return fulfil(self, lease, key, &options);
    case 6: /* too large */
      options.flags = CT_ENTRY_WEIGHT;
      options.weight = UINT64_MAX;
      return fulfil(self, lease, key, &options);
    case 7:
      ct_set(self->cache, &key, sizeof(key), &key, sizeof(key));
      return fulfil(self, lease, key, NULL);
    default:
      return fulfil(self, lease, key, NULL);
  }
}

/* Ends the lease now, or leaves that to another thread. */
static void keep_open(mix *self, ct_lease *lease, uint64_t *random) {
  self->leased++;
  if (test_random_below(random, 2) == 0 || !put_open(self, lease)) end_lease(self, lease, random);
}

static void check_answer(mix *self, ct_status status, const ct_value *value, ct_lease *lease,
                         uint64_t key) {
  const bool has_value = status == CT_OK;
  self->reads++;
  self->unnamed += !has_value && status != CT_LEASED && status != CT_MISS && status != kFailure;
  self->unnamed += has_value != (value != NULL && value->pin != 0);
  self->unnamed += (status == CT_LEASED) != (lease != NULL);
  if (has_value)
    self->unnamed += value->size != sizeof(key) || memcmp(value->data, &key, sizeof(key)) != 0;
}

static void on_done(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  waiting *self = user_data;
  mix *mix = self->mix;
  check_answer(mix, status, value, lease, self->key);
  if (self->way == kInside) mix->unnamed += ct_wait_cancel(self->wait);
  switch (test_random_below(&self->random, 6)) {
    case 0: {
      ct_lease *other = take_open(mix, &self->random);
      if (other != NULL) end_lease(mix, other, &self->random);
      break;
    }
    case 1:
      ct_delete(mix->cache, &self->key, sizeof(self->key));
      break;
    case 2:
      if (value != NULL) {
        ct_value kept;
        mix->unnamed += ct_value_ref(value, &kept) != CT_OK;
        ct_value_release(&kept);
      }
      break;
    default:
      break;
  }
  if (lease != NULL) keep_open(mix, lease, &self->random);
  self->calls++;
}

static void mix_async(mixer *self, waiting *it, uint64_t key) {
  *it = (waiting){.mix = self->mix, .key = key, .random = self->random ^ (key << 32)};
  it->way = (way)test_random_below(&self->random, kWays);
  ct_load_options options = CT_LOAD_OPTIONS_INIT;
  if (test_random_below(&self->random, 8) == 0) options.flags = CT_LOAD_FORCE;
  ct_value value;
  ct_lease *lease;
  const ct_status status =
      ct_get_or_lease_async(self->mix->cache, &key, sizeof(key), &options, on_done, it, &value,
                            &lease, it->way == kNoHandle ? NULL : &it->wait);
  if (status == CT_PENDING) {
    it->pending = true;
    return;
  }
  check_answer(self->mix, status, &value, lease, key);
  ct_value_release(&value);
  if (lease != NULL) keep_open(self->mix, lease, &self->random);
}

static void cancel(waiting *it) {
  it->in_time = ct_wait_cancel(it->wait);
}

static ct_status load_many(void *user_data, const ct_bytes *keys, size_t count,
                           ct_result *const *results) {
  mixer *self = user_data;
  self->mix->leased += count;
  if (test_random_below(&self->random, 8) == 0)
    ct_delete(self->mix->cache, keys[0].data, keys[0].size);
  if (test_random_below(&self->random, 8) == 0) return kFailure;
  for (size_t i = 0; i < count; i++) {
    switch (test_random_below(&self->random, 6)) {
      case 0: /* there is no such value */
        break;
      case 1:
        ct_result_fail(results[i], kFailure);
        break;
      default:
        ct_result_set(results[i], keys[i].data, keys[i].size);
        self->mix->loads++;
    }
  }
  return CT_OK;
}

static void mix_many(mixer *self) {
  uint64_t keys[kMany];
  size_t ends[kMany];
  ct_value values[kMany];
  ct_status statuses[kMany];
  const uint64_t first = test_random_below(&self->random, kKeys);
  for (size_t i = 0; i < kMany; i++) {
    keys[i] = (first + i) % kKeys;
    ends[i] = (i + 1) * sizeof(keys[0]);
  }
  ct_load_options options = CT_LOAD_OPTIONS_INIT;
  options.timeout_ns = 1 + test_random_below(&self->random, 20000);
  self->mix->unnamed += ct_get_or_load_many(self->mix->cache, keys, ends, kMany, load_many, self,
                                            &options, values, statuses) != CT_OK;
  for (size_t i = 0; i < kMany; i++) {
    if (statuses[i] != CT_BUSY) check_answer(self->mix, statuses[i], &values[i], NULL, keys[i]);
    ct_value_release(&values[i]);
  }
}

static void mix_lease(mixer *self, uint64_t key) {
  ct_value value;
  ct_lease *lease;
  const uint64_t wait_ns = test_random_below(&self->random, 2) * 20000;
  const ct_status status =
      ct_get_or_lease(self->mix->cache, &key, sizeof(key), wait_ns, &value, &lease);
  if (status != CT_BUSY) check_answer(self->mix, status, &value, lease, key);
  ct_value_release(&value);
  if (lease != NULL) keep_open(self->mix, lease, &self->random);
}

static bool is_even(void *user_data, const void *key, size_t key_size, const void *value,
                    size_t value_size) {
  (void)user_data, (void)key_size, (void)value, (void)value_size;
  return *(const char *)key % 2 == 0;
}

static void *run_mix(void *user_data) {
  mixer *self = user_data;
  ct_cache *cache = self->mix->cache;
  int given_back = 0;
  for (int step = 0; step < self->steps; step++) {
    const uint64_t key = test_random_below(&self->random, kKeys);
    ct_lease *lease;
    switch (test_random_below(&self->random, 16)) {
      case 0:
        ct_set(cache, &key, sizeof(key), &key, sizeof(key));
        break;
      case 1:
        ct_delete(cache, &key, sizeof(key));
        break;
      case 2:
        if (step % 4 == 0) ct_clear(cache);
        if (step % 4 == 1) ct_remove_if(cache, is_even, NULL);
        if (step % 4 == 2) ct_resize(cache, 1 + test_random_below(&self->random, 64));
        if (step % 4 == 3) self->mix->now++;
        break;
      case 3:
        mix_many(self);
        break;
      case 4:
        mix_lease(self, key);
        break;
      case 5:
      case 6:
      case 7:
      case 8:
        lease = take_open(self->mix, &self->random);
        if (lease != NULL) end_lease(self->mix, lease, &self->random);
        break;
      default:
        mix_async(self, &self->waits[step], key);
    }
    for (; given_back < step; given_back++) {
      waiting *it = &self->waits[given_back];
      if (it->pending && it->way == kByItsThread) {
        if (test_random_below(&self->random, 4) != 0) break;
        cancel(it);
      }
    }
  }
  for (; given_back < self->steps; given_back++) {
    waiting *it = &self->waits[given_back];
    if (it->pending && it->way == kByItsThread) cancel(it);
  }
  return NULL;
}

static void assert_mix_adds_up(ct_options options, int steps, uint64_t seed) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  mix mix = {.lock = PTHREAD_MUTEX_INITIALIZER};
  mixer mixers[kThreads];
  options.struct_size = sizeof(options);
  options.maxsize = 64;
  options.timer = read_mix_time;
  options.user_data = &mix;
  options.allocator = &allocator.hooks;
  mix.cache = new_cache(&options);
  for (size_t i = 0; i < kThreads; i++) {
    mixers[i] = (mixer){.mix = &mix, .random = seed + i * 1000003, .steps = steps};
    mixers[i].waits = calloc((size_t)steps, sizeof(waiting));
    assert_int_equal(0, pthread_create(&mixers[i].thread, NULL, run_mix, &mixers[i]));
  }
  for (size_t i = 0; i < kThreads; i++) pthread_join(mixers[i].thread, NULL);
  for (ct_lease *lease; (lease = take_open(&mix, &seed)) != NULL;) end_lease(&mix, lease, &seed);

  for (size_t i = 0; i < kThreads; i++) {
    for (int step = 0; step < steps; step++) {
      waiting *it = &mixers[i].waits[step];
      if (!it->pending) continue;
      assert_int_equal(it->in_time ? 0 : 1, it->calls);
      if (it->way == kInTheEnd) assert_false(ct_wait_cancel(it->wait));
    }
    free(mixers[i].waits);
  }
  const ct_stats stats = stats_of(mix.cache);
  assert_int_equal(0, mix.unnamed);
  assert_int_equal(mix.reads, stats.hits + stats.misses);
  assert_int_equal(mix.loads, stats.loads);
  assert_int_equal(mix.leased, stats.loads + stats.load_failures);
  assert_int_equal(0, stats.pinned);
  assert_null(ct_validate(mix.cache));
  ct_clear(mix.cache);
  assert_int_equal(0, ct_currsize(mix.cache));
  ct_cache_free(mix.cache);
  assert_int_equal(0, allocator.blocks);
}

TEST(who_waits_is_told_once_or_was_cancelled) {
  const uint64_t seed = test_seed();
  for (uint32_t shards = 1; shards <= 4; shards *= 4)
    assert_mix_adds_up((ct_options){.shards = shards}, rounds(kSteps), seed + shards);
}

TEST(who_waits_is_told_once_where_misses_are_remembered) {
  const uint64_t seed = test_seed();
  for (uint32_t shards = 1; shards <= 4; shards *= 4)
    assert_mix_adds_up((ct_options){.shards = shards, .negative_ttl = 5}, rounds(kSteps),
                       seed + shards);
}
