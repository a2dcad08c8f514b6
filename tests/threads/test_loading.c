/* SPDX-License-Identifier: MIT */
/* Loading once, from many threads: who loads, who waits, what each of them gets, and what is
 * counted.
 *
 * How many threads are inside a call is told by the timer: the key that they ask for is there, but
 * expired, so each call reads the time once while it looks the key up. That is inside the critical
 * section, so after the next look-up they all hold what they wait for.
 *
 * CT_ROUNDS of the environment says how often each test of chance is repeated, in per cent.
 *
 * Threads only write down what they met; the main thread asserts it. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "key_calls.h"
#include "support.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { kCallers = 16 };

static const uint64_t kForever = UINT64_MAX;

static int rounds(int usual) {
  const char *given = getenv("CT_ROUNDS");
  return given == NULL ? usual : 1 + (int)(usual * strtoll(given, NULL, 0) / 100);
}

/* ---- A stage, and callers on it ------------------------------------------------------------- */

typedef struct stage stage;
struct stage {
  _Atomic uint64_t now;
  _Atomic uint64_t readings; /* of the timer */
  _Atomic int loads;         /* calls of the loader */
  _Atomic uintptr_t frame;   /* of the last reading */
  ct_cache *cache;
  test_allocator allocator;
  uint64_t expected; /* readings that the loader waits for before it answers */
  /* What the loader answers to its call of that number, from 0. */
  ct_status (*script)(stage *self, int call, ct_result *result);
};

typedef struct caller {
  stage *stage;
  pthread_t thread;
  uint64_t wait_ns; /* of ct_get_or_lease */
  bool loaded;      /* the loader ran here */
  ct_status status;
  ct_value value;
  ct_lease *lease;
} caller;

static uint64_t read_time(void *user_data) {
  stage *self = user_data;
  atomic_store(&self->frame, (uintptr_t)__builtin_frame_address(0));
  atomic_fetch_add(&self->readings, 1);
  return atomic_load(&self->now);
}

/* The key of all callers is k. */
static void open_stage(stage *self, uint64_t maxsize) {
  memset(self, 0, sizeof(*self));
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = maxsize;
  options.timer = read_time;
  options.user_data = self;
  test_allocator_init(&self->allocator);
  options.allocator = &self->allocator.hooks;
  assert_status(CT_OK, ct_cache_new_with(&options, &self->cache));
  assert_status(CT_OK, ct_set_ttl(self->cache, "k", 1, "old", 3, 1));
  self->now = 1;
  ct_cache_stats_reset(self->cache);
  self->readings = 0;
}

static void close_stage(stage *self) {
  ct_cache_free(self->cache);
}

/* Tells from how deep in the stack the last one came. */
static uintptr_t await_readings(stage *self, uint64_t count) {
  while (atomic_load(&self->readings) < count) sched_yield();
  const uintptr_t frame = atomic_load(&self->frame);
  ct_contains(self->cache, "k", 1);
  return frame;
}

static ct_lease *take_lease(stage *self) {
  ct_lease *lease = NULL;
  assert_status(CT_LEASED, ct_get_or_lease(self->cache, "k", 1, 0, NULL, &lease));
  self->readings = 0;
  return lease;
}

static ct_status follow_script(void *user_data, const void *key, size_t key_size,
                               ct_result *result) {
  (void)key, (void)key_size;
  caller *self = user_data;
  self->loaded = true;
  const int call = atomic_fetch_add(&self->stage->loads, 1);
  if (call == 0) await_readings(self->stage, self->stage->expected);
  return self->stage->script(self->stage, call, result);
}

static void *call_to_load(void *user_data) {
  caller *self = user_data;
  self->status = ct_get_or_load(self->stage->cache, "k", 1, follow_script, self, &self->value);
  return NULL;
}

static void *call_to_lease(void *user_data) {
  caller *self = user_data;
  self->status =
      ct_get_or_lease(self->stage->cache, "k", 1, self->wait_ns, &self->value, &self->lease);
  return NULL;
}

static void start(caller *self, stage *stage, void *(*run)(void *)) {
  const uint64_t wait_ns = self->wait_ns;
  *self = (caller){.stage = stage, .wait_ns = wait_ns};
  assert_int_equal(0, pthread_create(&self->thread, NULL, run, self));
}

static void start_all(caller *callers, size_t count, stage *stage, void *(*run)(void *)) {
  for (size_t i = 0; i < count; i++) start(&callers[i], stage, run);
}

static void join_all(caller *callers, size_t count) {
  for (size_t i = 0; i < count; i++) pthread_join(callers[i].thread, NULL);
}

static void assert_has(caller *self, const char *value) {
  assert_status(CT_OK, self->status);
  assert_int_equal(strlen(value), self->value.size);
  assert_memory_equal(value, self->value.data, self->value.size);
  ct_value_release(&self->value);
}

static void assert_has_nothing(const caller *self) {
  assert_null(self->value.data);
  assert_int_equal(0, self->value.pin);
}

static void assert_all_have(caller *callers, size_t count, const char *value) {
  for (size_t i = 0; i < count; i++) assert_has(&callers[i], value);
}

static size_t count_loaded(const caller *callers, size_t count) {
  size_t loaded = 0;
  for (size_t i = 0; i < count; i++) loaded += callers[i].loaded;
  return loaded;
}

static ct_stats stats_of(const ct_cache *cache) {
  ct_stats stats = CT_STATS_INIT;
  assert_status(CT_OK, ct_cache_stats(cache, &stats));
  return stats;
}

static void assert_loading_counted(const stage *self, uint64_t misses, uint64_t loads,
                                   uint64_t failures, uint64_t waits) {
  const ct_stats stats = stats_of(self->cache);
  assert_int_equal(misses, stats.misses);
  assert_int_equal(loads, stats.loads);
  assert_int_equal(failures, stats.load_failures);
  assert_int_equal(waits, stats.waits);
  assert_int_equal(waits, stats.hits);
}

/* ---- Loaders -------------------------------------------------------------------------------- */

static ct_status bring(stage *self, int call, ct_result *result) {
  (void)self, (void)call;
  return ct_result_set(result, "loaded", 6);
}

TEST(one_of_many_callers_loads) {
  for (int round = 0; round < rounds(20); round++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = bring;
    stage.expected = kCallers;
    caller callers[kCallers] = {0};
    start_all(callers, kCallers, &stage, call_to_load);
    join_all(callers, kCallers);
    assert_int_equal(1, stage.loads);
    assert_int_equal(1, count_loaded(callers, kCallers));
    assert_all_have(callers, kCallers, "loaded");
    assert_loading_counted(&stage, 1, 1, 0, kCallers - 1);
    assert_text_quietly(stage.cache, "k", "loaded");
    close_stage(&stage);
  }
}

static ct_status fail_thrice(stage *self, int call, ct_result *result) {
  return call < 3 ? (ct_status)(-1000 - call) : bring(self, call, result);
}

TEST(next_waiter_loads_after_a_failure) {
  for (int round = 0; round < rounds(20); round++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = fail_thrice;
    stage.expected = kCallers;
    caller callers[kCallers] = {0};
    start_all(callers, kCallers, &stage, call_to_load);
    join_all(callers, kCallers);
    int failures[3] = {0};
    for (size_t i = 0; i < kCallers; i++) {
      const int32_t status = callers[i].status;
      if (status == CT_OK) {
        assert_has(&callers[i], "loaded");
        continue;
      }
      assert_in_range(-1000 - status, 0, 2);
      failures[-1000 - status]++;
      assert_true(callers[i].loaded);
      assert_has_nothing(&callers[i]);
    }
    for (size_t i = 0; i < 3; i++) assert_int_equal(1, failures[i]);
    assert_int_equal(4, stage.loads);
    assert_loading_counted(&stage, 4, 1, 3, kCallers - 4);
    close_stage(&stage);
  }
}

static ct_status find_none(stage *self, int call, ct_result *result) {
  (void)self, (void)call, (void)result;
  return CT_MISS;
}

TEST(each_caller_fails_by_its_own_loader) {
  stage stage;
  open_stage(&stage, 8);
  stage.script = find_none;
  stage.expected = kCallers;
  caller callers[kCallers] = {0};
  start_all(callers, kCallers, &stage, call_to_load);
  join_all(callers, kCallers);
  for (size_t i = 0; i < kCallers; i++) {
    assert_status(CT_MISS, callers[i].status);
    assert_true(callers[i].loaded);
    assert_has_nothing(&callers[i]);
  }
  assert_loading_counted(&stage, kCallers, 0, kCallers, 0);
  close_stage(&stage);
}

static ct_status bring_too_large(stage *self, int call, ct_result *result) {
  ct_result_weight(result, 9);
  return bring(self, call, result);
}

static ct_status bring_dead(stage *self, int call, ct_result *result) {
  ct_result_ttl(result, 0);
  return bring(self, call, result);
}

static ct_status bring_and_discard(stage *self, int call, ct_result *result) {
  ct_result_discard(result);
  return bring(self, call, result);
}

static ct_status bring_and_delete(stage *self, int call, ct_result *result) {
  ct_delete(self->cache, "k", 1);
  return bring(self, call, result);
}

TEST(all_waiters_get_a_value_that_is_not_kept) {
  ct_status (*const scripts[])(struct stage *, int, ct_result *) = {
      bring_too_large, bring_dead, bring_and_discard, bring_and_delete};
  for (size_t s = 0; s < COUNT_OF(scripts); s++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = scripts[s];
    stage.expected = kCallers;
    caller callers[kCallers] = {0};
    start_all(callers, kCallers, &stage, call_to_load);
    join_all(callers, kCallers);
    assert_int_equal(0, ct_len(stage.cache));
    assert_loading_counted(&stage, 1, 1, 0, kCallers - 1);
    assert_all_have(callers, kCallers, "loaded");
    close_stage(&stage);
  }
}

/* ---- 64 threads, 8 keys --------------------------------------------------------------------- */

enum { kThreads = 64, kKeys = 8 };

typedef struct stampede {
  ct_cache *cache;
  pthread_barrier_t barrier;
  _Atomic int loads;
  _Atomic int wrong;
  int rounds;
} stampede;

typedef struct runner {
  stampede *stampede;
  size_t number;
  pthread_t thread;
} runner;

static ct_status load_square(void *user_data, const void *key, size_t key_size, ct_result *result) {
  stampede *self = user_data;
  atomic_fetch_add(&self->loads, 1);
  size_t number;
  memcpy(&number, key, key_size);
  number *= number;
  sched_yield();
  return ct_result_set(result, &number, sizeof(number));
}

static void *run_with_all(void *user_data) {
  runner *self = user_data;
  stampede *stampede = self->stampede;
  for (int round = 0; round < stampede->rounds; round++) {
    pthread_barrier_wait(&stampede->barrier);
    for (size_t i = 0; i < kKeys; i++) {
      const size_t key = (self->number + i) % kKeys;
      ct_value value = CT_VALUE_INIT;
      const ct_status status =
          ct_get_or_load(stampede->cache, &key, sizeof(key), load_square, stampede, &value);
      if (status != CT_OK || *(const size_t *)value.data != key * key)
        atomic_fetch_add(&stampede->wrong, 1);
      ct_value_release(&value);
    }
    pthread_barrier_wait(&stampede->barrier);
  }
  return NULL;
}

TEST(each_key_of_a_stampede_is_loaded_once) {
  static runner runners[kThreads];
  static stampede stampede;
  memset(&stampede, 0, sizeof(stampede));
  stampede.rounds = rounds(100);
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 100;
  options.shards = 2;
  assert_status(CT_OK, ct_cache_new_with(&options, &stampede.cache));
  pthread_barrier_init(&stampede.barrier, NULL, kThreads + 1);
  for (size_t i = 0; i < kThreads; i++) {
    runners[i] = (runner){.stampede = &stampede, .number = i};
    assert_int_equal(0, pthread_create(&runners[i].thread, NULL, run_with_all, &runners[i]));
  }
  for (int round = 0; round < stampede.rounds; round++) {
    pthread_barrier_wait(&stampede.barrier);
    pthread_barrier_wait(&stampede.barrier);
    const ct_stats stats = stats_of(stampede.cache);
    assert_int_equal(kKeys, stampede.loads);
    assert_int_equal(kKeys, stats.loads);
    assert_int_equal(kKeys, stats.misses);
    assert_int_equal(kKeys, stats.inserts);
    assert_int_equal(kThreads * kKeys - kKeys, stats.hits);
    assert_in_range(stats.waits, 0, stats.hits);
    assert_int_equal(0, stats.load_failures);
    assert_int_equal(0, stampede.wrong);
    stampede.loads = 0;
    ct_clear(stampede.cache);
    ct_cache_stats_reset(stampede.cache);
  }
  for (size_t i = 0; i < kThreads; i++) pthread_join(runners[i].thread, NULL);
  pthread_barrier_destroy(&stampede.barrier);
  ct_cache_free(stampede.cache);
}

/* ---- Rings ---------------------------------------------------------------------------------- */

/* Each of them loads its own key, or computes it, and meanwhile asks for the key of the next as that
 * one does. */
typedef struct ring {
  ct_cache *cache;
  pthread_barrier_t barrier;
  size_t size;
  bool gives_in;     /* who would close the ring brings a value all the same */
  bool leases;       /* the first of them asks by ct_get_or_lease, unless the second computes */
  unsigned computes; /* a bit for each of them: 1, it computes */
} ring;

typedef struct member {
  ring *ring;
  size_t number;
  pthread_t thread;
  int runs; /* of its own callback */
  ct_status inner;
  ct_status outer;
} member;

static ct_status load_simply(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)user_data;
  return ct_result_set(result, key, key_size);
}

static ct_status lease_simply(ct_cache *cache, const void *key, size_t key_size) {
  ct_lease *lease = NULL;
  const ct_status status = ct_get_or_lease(cache, key, key_size, kForever, NULL, &lease);
  return status == CT_LEASED ? ct_lease_fulfil(lease, key, key_size, NULL, NULL) : status;
}

static bool computes(const ring *ring, size_t number) {
  return (ring->computes >> number & 1) != 0;
}

static ct_status compute_simply(void *user_data, const void *key, size_t key_size,
                                const ct_bytes *old, ct_result *result) {
  (void)old;
  return load_simply(user_data, key, key_size, result);
}

static ct_status ask_next(member *self, size_t next) {
  ring *ring = self->ring;
  if (computes(ring, next))
    return ct_compute(ring->cache, &next, sizeof(next), compute_simply, NULL, NULL);
  if (ring->leases && self->number == 0) return lease_simply(ring->cache, &next, sizeof(next));
  return ct_get_or_load(ring->cache, &next, sizeof(next), load_simply, NULL, NULL);
}

static ct_status load_by_next(void *user_data, const void *key, size_t key_size,
                              ct_result *result) {
  member *self = user_data;
  ring *ring = self->ring;
  self->runs++;
  pthread_barrier_wait(&ring->barrier);
  self->inner = ask_next(self, (self->number + 1) % ring->size);
  if (self->inner != CT_OK && !ring->gives_in) return self->inner;
  return ct_result_set(result, key, key_size);
}

static ct_status compute_by_next(void *user_data, const void *key, size_t key_size,
                                 const ct_bytes *old, ct_result *result) {
  (void)old;
  return load_by_next(user_data, key, key_size, result);
}

static void *join_ring(void *user_data) {
  member *self = user_data;
  const size_t key = self->number;
  self->outer =
      computes(self->ring, key)
          ? ct_compute(self->ring->cache, &key, sizeof(key), compute_by_next, self, NULL)
          : ct_get_or_load(self->ring->cache, &key, sizeof(key), load_by_next, self, NULL);
  return NULL;
}

static void assert_ring_is_never_closed(ring ring) {
  const size_t size = ring.size;
  ring.cache = ct_cache_new(CT_POLICY_LRU, 100);
  pthread_barrier_init(&ring.barrier, NULL, (unsigned)size);
  member members[8];
  for (size_t i = 0; i < size; i++) {
    members[i] = (member){.ring = &ring, .number = i};
    assert_int_equal(0, pthread_create(&members[i].thread, NULL, join_ring, &members[i]));
  }
  for (size_t i = 0; i < size; i++) pthread_join(members[i].thread, NULL);
  size_t recursions = 0;
  for (size_t i = 0; i < size; i++) {
    const bool closes = members[i].inner == CT_ERR_RECURSION;
    recursions += closes;
    assert_int_equal(1, members[i].runs);
    if (!closes) assert_status(CT_OK, members[i].inner);
    assert_status(closes && !ring.gives_in ? CT_ERR_RECURSION : CT_OK, members[i].outer);
    assert_true(ct_contains(ring.cache, &i, sizeof(i)));
  }
  assert_int_equal(1, recursions);
  if (ring.computes == 0) {
    const ct_stats stats = stats_of(ring.cache);
    assert_int_equal(size, stats.loads);
    assert_int_equal(ring.gives_in ? 0 : 1, stats.load_failures);
    assert_int_equal(stats.loads + stats.load_failures, stats.misses);
  }
  pthread_barrier_destroy(&ring.barrier);
  ct_cache_free(ring.cache);
}

/* All of them load, or compute, or every second one does. */
static void assert_rings_are_never_closed(size_t size) {
  static const unsigned computes[] = {0, ~0u, 0x55, 0xaa};
  for (int round = 0; round < rounds(20); round++)
    for (size_t i = 0; i < COUNT_OF(computes); i++)
      for (int way = 0; way < 4; way++)
        assert_ring_is_never_closed((ring){.size = size,
                                           .gives_in = way % 2 != 0,
                                           .leases = way / 2 != 0,
                                           .computes = computes[i]});
}

TEST(ring_of_two_is_recursion_for_one) {
  assert_rings_are_never_closed(2);
}

TEST(ring_of_three_is_recursion_for_one) {
  assert_rings_are_never_closed(3);
}

TEST(ring_of_eight_is_recursion_for_one) {
  assert_rings_are_never_closed(8);
}

/* ---- Leases --------------------------------------------------------------------------------- */

static void *fulfil(void *user_data) {
  caller *self = user_data;
  self->status = ct_lease_fulfil(self->lease, "brought", 7, NULL, &self->value);
  return NULL;
}

TEST(lease_is_fulfilled_on_another_thread) {
  stage stage;
  open_stage(&stage, 8);
  ct_lease *lease = take_lease(&stage);
  caller callers[kCallers] = {0};
  for (size_t i = 0; i < kCallers; i++) {
    callers[i].wait_ns = kForever;
    start(&callers[i], &stage, i % 2 == 0 ? call_to_load : call_to_lease);
  }
  await_readings(&stage, kCallers);
  caller bringer = {.stage = &stage, .lease = lease};
  assert_int_equal(0, pthread_create(&bringer.thread, NULL, fulfil, &bringer));
  join_all(&bringer, 1);
  join_all(callers, kCallers);
  assert_has(&bringer, "brought");
  for (size_t i = 0; i < kCallers; i++) assert_null(callers[i].lease);
  assert_all_have(callers, kCallers, "brought");
  assert_int_equal(0, stage.loads);
  assert_loading_counted(&stage, 1, 1, 0, kCallers);
  close_stage(&stage);
}

TEST(impatient_waiter_is_told_busy) {
  stage stage;
  open_stage(&stage, 8);
  ct_lease *lease = take_lease(&stage);
  caller patient = {.wait_ns = kForever};
  caller impatient = {.wait_ns = 1000000};
  start(&patient, &stage, call_to_lease);
  start(&impatient, &stage, call_to_lease);
  join_all(&impatient, 1);
  assert_status(CT_BUSY, impatient.status);
  assert_has_nothing(&impatient);
  assert_null(impatient.lease);
  await_readings(&stage, 2);
  assert_status(CT_OK, ct_lease_fulfil(lease, "brought", 7, NULL, NULL));
  join_all(&patient, 1);
  assert_has(&patient, "brought");
  assert_loading_counted(&stage, 1, 1, 0, 1);
  close_stage(&stage);
}

TEST(waiter_takes_an_abandoned_lease) {
  for (int round = 0; round < rounds(20); round++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = bring;
    ct_lease *lease = take_lease(&stage);
    caller callers[kCallers] = {0};
    start_all(callers, kCallers, &stage, call_to_load);
    await_readings(&stage, kCallers);
    ct_lease_abandon(lease);
    join_all(callers, kCallers);
    assert_int_equal(1, count_loaded(callers, kCallers));
    assert_all_have(callers, kCallers, "loaded");
    assert_loading_counted(&stage, 2, 1, 1, kCallers - 1);
    close_stage(&stage);
  }
}

TEST(waiter_for_a_lease_takes_an_abandoned_one) {
  stage stage;
  open_stage(&stage, 8);
  ct_lease *lease = take_lease(&stage);
  caller caller = {.wait_ns = kForever};
  start(&caller, &stage, call_to_lease);
  await_readings(&stage, 1);
  ct_lease_abandon(lease);
  join_all(&caller, 1);
  assert_status(CT_LEASED, caller.status);
  assert_has_nothing(&caller);
  ct_bytes key = {NULL, 0};
  ct_lease_key(caller.lease, &key);
  assert_int_equal(1, key.size);
  assert_memory_equal("k", key.data, 1);
  assert_status(CT_OK, ct_lease_fulfil(caller.lease, "brought", 7, NULL, NULL));
  assert_loading_counted(&stage, 2, 1, 1, 0);
  close_stage(&stage);
}

TEST(fulfilment_that_fails_hands_the_lease_over) {
  stage stage;
  open_stage(&stage, 8);
  stage.script = bring;
  ct_lease *lease = take_lease(&stage);
  caller callers[kCallers] = {0};
  start_all(callers, kCallers, &stage, call_to_load);
  await_readings(&stage, kCallers);
  assert_status(CT_ERR_INVALID, ct_lease_fulfil(lease, NULL, 1, NULL, NULL));
  join_all(callers, kCallers);
  assert_int_equal(1, count_loaded(callers, kCallers));
  assert_all_have(callers, kCallers, "loaded");
  close_stage(&stage);
}

TEST(waiters_outlast_a_fulfilment_without_memory) {
  static const char zeros[300];
  for (int64_t fault = 0;; fault++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = bring;
    ct_lease *lease = take_lease(&stage);
    caller callers[kCallers] = {0};
    start_all(callers, kCallers, &stage, call_to_load);
    await_readings(&stage, kCallers);
    stage.allocator.fail_at = stage.allocator.calls + fault;
    ct_value out = {zeros, 77, 77};
    const ct_status status = ct_lease_fulfil(lease, zeros, sizeof(zeros), NULL, &out);
    const bool failed = stage.allocator.failed != 0;
    stage.allocator.fail_at = -1;
    join_all(callers, kCallers);
    assert_int_equal(failed ? 1 : 0, count_loaded(callers, kCallers));
    if (failed) {
      assert_status(CT_ERR_NOMEM, status);
      assert_null(out.data);
      assert_all_have(callers, kCallers, "loaded");
    } else {
      assert_status(CT_OK, status);
      for (size_t i = 0; i < kCallers; i++) ct_value_release(&callers[i].value);
    }
    ct_value_release(&out);
    close_stage(&stage);
    if (!failed) break;
  }
}

TEST(one_load_without_memory_fails_one_caller) {
  for (int64_t fault = 0;; fault++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = bring;
    stage.expected = kCallers;
    stage.allocator.fail_at = stage.allocator.calls + fault;
    caller callers[kCallers] = {0};
    start_all(callers, kCallers, &stage, call_to_load);
    join_all(callers, kCallers);
    const bool failed = stage.allocator.failed != 0;
    size_t without = 0;
    for (size_t i = 0; i < kCallers; i++) {
      if (callers[i].status == CT_ERR_NOMEM) {
        without++;
        assert_has_nothing(&callers[i]);
      } else {
        assert_has(&callers[i], "loaded");
      }
    }
    assert_int_equal(failed ? 1 : 0, without);
    close_stage(&stage);
    if (!failed) break;
  }
}

/* Gives up what it gets, if it gets a lease. */
static void *call_and_abandon(void *user_data) {
  caller *self = user_data;
  call_to_lease(self);
  ct_lease_abandon(self->lease);
  return NULL;
}

TEST(abandoned_lease_is_not_lost_to_who_stops_waiting) {
  uint64_t random = test_seed();
  for (int round = 0; round < rounds(300); round++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = bring;
    ct_lease *lease = take_lease(&stage);
    caller impatient[4] = {0};
    caller patient[2] = {0};
    for (size_t i = 0; i < COUNT_OF(impatient); i++) {
      impatient[i].wait_ns = 1 + test_random_below(&random, 200000);
      start(&impatient[i], &stage, call_and_abandon);
    }
    start_all(patient, COUNT_OF(patient), &stage, call_to_load);
    await_readings(&stage, COUNT_OF(impatient) + COUNT_OF(patient));
    ct_lease_abandon(lease);
    join_all(impatient, COUNT_OF(impatient));
    join_all(patient, COUNT_OF(patient));
    assert_all_have(patient, COUNT_OF(patient), "loaded");
    assert_int_equal(1, stage.loads);
    uint64_t leased = 0;
    for (size_t i = 0; i < COUNT_OF(impatient); i++) {
      leased += impatient[i].status == CT_LEASED;
      if (impatient[i].status == CT_OK) {
        assert_has(&impatient[i], "loaded");
      } else if (impatient[i].status != CT_LEASED) {
        assert_status(CT_BUSY, impatient[i].status);
      }
    }
    const ct_stats stats = stats_of(stage.cache);
    assert_int_equal(1, stats.loads);
    assert_int_equal(1 + leased, stats.load_failures);
    assert_int_equal(2 + leased, stats.misses);
    close_stage(&stage);
  }
}

/* ---- While others wait ---------------------------------------------------------------------- */

enum { kSet, kDelete, kPop, kClear, kWays };

static const char *write_key(ct_cache *cache, int way) {
  switch (way) {
    case kSet:
      ct_set(cache, "k", 1, "written", 7);
      return "written";
    case kDelete:
      ct_delete(cache, "k", 1);
      return NULL;
    case kPop:
      ct_pop(cache, "k", 1, NULL);
      return NULL;
    default:
      ct_clear(cache);
      return NULL;
  }
}

TEST(waiters_get_a_value_that_was_overtaken) {
  for (int way = 0; way < kWays; way++) {
    stage stage;
    open_stage(&stage, 8);
    ct_lease *lease = take_lease(&stage);
    caller callers[kCallers] = {0};
    start_all(callers, kCallers, &stage, call_to_load);
    await_readings(&stage, kCallers);
    const char *written = write_key(stage.cache, way);
    ct_value out = CT_VALUE_INIT;
    assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "brought", 7, NULL, &out));
    ct_value_release(&out);
    join_all(callers, kCallers);
    assert_all_have(callers, kCallers, "brought");
    assert_text_quietly(stage.cache, "k", written);
    assert_loading_counted(&stage, 1, 1, 0, kCallers);
    close_stage(&stage);
  }
}

TEST(who_comes_after_overtaking_does_not_wait) {
  stage stage;
  open_stage(&stage, 8);
  stage.script = bring;
  ct_lease *lease = take_lease(&stage);
  caller before = {0};
  start(&before, &stage, call_to_load);
  await_readings(&stage, 1);
  ct_delete(stage.cache, "k", 1);
  caller after = {0};
  start(&after, &stage, call_to_load);
  join_all(&after, 1);
  assert_true(after.loaded);
  assert_has(&after, "loaded");
  assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "brought", 7, NULL, NULL));
  join_all(&before, 1);
  assert_false(before.loaded);
  assert_has(&before, "brought");
  assert_text_quietly(stage.cache, "k", "loaded");
  close_stage(&stage);
}

/* Nothing is brought to those who wait, so they look again: what was written is there. */
TEST(waiters_of_an_overtaken_lease_that_is_abandoned_look_again) {
  stage stage;
  open_stage(&stage, 8);
  stage.script = bring;
  ct_lease *lease = take_lease(&stage);
  caller callers[kCallers] = {0};
  start_all(callers, kCallers, &stage, call_to_load);
  await_readings(&stage, kCallers);
  ct_set(stage.cache, "k", 1, "written", 7);
  ct_lease_abandon(lease);
  join_all(callers, kCallers);
  assert_int_equal(0, count_loaded(callers, kCallers));
  assert_all_have(callers, kCallers, "written");
  const ct_stats stats = stats_of(stage.cache);
  assert_int_equal(kCallers, stats.hits);
  assert_int_equal(1, stats.misses);
  assert_int_equal(0, stats.loads);
  assert_int_equal(1, stats.load_failures);
  close_stage(&stage);
}

TEST(a_waiter_of_an_abandoned_lease_loads_what_was_deleted) {
  stage stage;
  open_stage(&stage, 8);
  stage.script = bring;
  ct_lease *lease = take_lease(&stage);
  caller callers[kCallers] = {0};
  start_all(callers, kCallers, &stage, call_to_load);
  await_readings(&stage, kCallers);
  ct_delete(stage.cache, "k", 1);
  ct_lease_abandon(lease);
  join_all(callers, kCallers);
  assert_int_equal(1, count_loaded(callers, kCallers));
  assert_all_have(callers, kCallers, "loaded");
  assert_text_quietly(stage.cache, "k", "loaded");
  close_stage(&stage);
}

/* A loader on a thread of its own, which stands still until it is told to go on. */
typedef struct slow_load {
  ct_cache *cache;
  pthread_t thread;
  sem_t begun;
  sem_t go_on;
  ct_value value;
  ct_status status;
} slow_load;

static ct_status load_slowly(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)key, (void)key_size;
  slow_load *self = user_data;
  sem_post(&self->begun);
  sem_wait(&self->go_on);
  return ct_result_set(result, "loaded", 6);
}

static void *run_slow_load(void *user_data) {
  slow_load *self = user_data;
  self->status = ct_get_or_load(self->cache, "k", 1, load_slowly, self, &self->value);
  return NULL;
}

static void begin_slow_load(slow_load *self) {
  memset(self, 0, sizeof(*self));
  self->cache = ct_cache_new(CT_POLICY_LRU, 8);
  sem_init(&self->begun, 0, 0);
  sem_init(&self->go_on, 0, 0);
  assert_int_equal(0, pthread_create(&self->thread, NULL, run_slow_load, self));
  sem_wait(&self->begun);
}

/* Whoever called the loader gets what it brought; expected is what the cache has then. */
static void end_slow_load(slow_load *self, const char *expected) {
  sem_post(&self->go_on);
  pthread_join(self->thread, NULL);
  assert_status(CT_OK, self->status);
  assert_int_equal(6, self->value.size);
  assert_memory_equal("loaded", self->value.data, 6);
  ct_value_release(&self->value);
  assert_text_quietly(self->cache, "k", expected);
  ct_cache_free(self->cache);
  sem_destroy(&self->begun);
  sem_destroy(&self->go_on);
}

TEST(load_is_not_kept_if_another_thread_invalidates_its_key) {
  for (size_t i = 0; i < 2 * kInvalidationCount; i++) {
    const key_call *way = &kInvalidations[i / 2];
    slow_load load;
    begin_slow_load(&load);
    assert_status(way->answer, way->run(load.cache, "k"));
    const char *expected = way->leaves;
    if (i % 2 == 0 && expected == NULL) {
      /* Who comes after it waits for nobody, and what it loads is kept. */
      ct_lease *lease = NULL;
      assert_status(CT_LEASED, ct_get_or_lease(load.cache, "k", 1, 0, NULL, &lease));
      assert_status(CT_OK, ct_lease_fulfil(lease, "newer", 5, NULL, NULL));
      expected = "newer";
    }
    end_slow_load(&load, expected);
  }
}

TEST(load_is_kept_whatever_else_another_thread_calls) {
  for (size_t i = 0; i < kOtherCallCount; i++) {
    const key_call *way = &kOtherCalls[i];
    slow_load load;
    begin_slow_load(&load);
    assert_status(way->answer, way->run(load.cache, "k"));
    ct_lease *lease = NULL;
    assert_status(CT_BUSY, ct_get_or_lease(load.cache, "k", 1, 0, NULL, &lease));
    end_slow_load(&load, "loaded");
  }
}

/* Whoever waits looks again as often as what it waits for is overtaken and then given up. It once did
 * so by calling itself, until its stack was full. */
TEST(waiting_again_and_again_takes_no_stack) {
  stage stage;
  open_stage(&stage, 8);
  ct_lease *lease = take_lease(&stage);
  caller caller = {.wait_ns = kForever};
  start(&caller, &stage, call_to_lease);
  const uintptr_t frame = await_readings(&stage, 1);
  for (int round = 0; round < 100; round++) {
    /* It is written, and has expired again. */
    assert_status(CT_OK, ct_set_ttl(stage.cache, "k", 1, "newer", 5, 1));
    stage.now++;
    ct_lease *next = take_lease(&stage);
    ct_lease_abandon(lease);
    lease = next;
    assert_int_equal(frame, await_readings(&stage, 1));
  }
  assert_status(CT_OK, ct_lease_fulfil(lease, "brought", 7, NULL, NULL));
  join_all(&caller, 1);
  assert_has(&caller, "brought");
  assert_loading_counted(&stage, 101, 1, 100, 1);
  close_stage(&stage);
}

TEST(waiters_get_a_value_that_is_gone_before_they_wake) {
  for (int way = 0; way < kWays + 2; way++) {
    stage stage;
    open_stage(&stage, 1);
    ct_lease *lease = take_lease(&stage);
    caller callers[kCallers] = {0};
    start_all(callers, kCallers, &stage, call_to_load);
    await_readings(&stage, kCallers);
    ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
    options.flags = CT_ENTRY_TTL;
    options.ttl = 10;
    assert_status(CT_OK, ct_lease_fulfil(lease, "brought", 7, &options, NULL));
    if (way < kWays) {
      write_key(stage.cache, way);
    } else if (way == kWays) {
      ct_set(stage.cache, "other", 5, "evicts it", 9);
    } else {
      stage.now = 100;
      ct_expire(stage.cache, CT_NOW, NULL, NULL);
    }
    join_all(callers, kCallers);
    assert_all_have(callers, kCallers, "brought");
    assert_int_equal(0, stage.loads);
    assert_loading_counted(&stage, 1, 1, 0, kCallers);
    close_stage(&stage);
  }
}

/* ---- A mix of everything -------------------------------------------------------------------- */

enum { kMixers = 6, kMixedKeys = 12, kMixedSteps = 4000, kLargeValue = 20000 };

typedef struct mixer {
  ct_cache *cache;
  pthread_t thread;
  uint64_t random;
  int steps;
  int depth;        /* of loaders in loaders */
  uint64_t reads;   /* that count a hit or a miss */
  uint64_t missed;  /* leases taken, by loaders too */
  uint64_t loads;   /* of these, fulfilled */
  uint64_t unnamed; /* statuses that should not be */
  uint64_t damaged; /* values that are not what anyone stored under their key */
} mixer;

/* A value tells its key, and is of one byte throughout from there on. */
static size_t make_value(mixer *self, uint64_t key, char *value) {
  const size_t size = test_random_below(&self->random, 16) == 0
                          ? kLargeValue
                          : 9 + test_random_below(&self->random, 300);
  memset(value, (int)test_random_below(&self->random, 256), size);
  memcpy(value, &key, sizeof(key));
  return size;
}

static void check_value(mixer *self, uint64_t key, const void *data, size_t size) {
  const char *value = data;
  bool whole = size >= 9 && memcmp(value, &key, sizeof(key)) == 0;
  for (size_t i = 9; i < size && whole; i++) whole = value[i] == value[8];
  self->damaged += !whole;
}

static void mix_load(mixer *self, uint64_t key);

static ct_status load_mixed(void *user_data, const void *key, size_t key_size, ct_result *result) {
  mixer *self = user_data;
  self->missed++;
  char value[kLargeValue];
  uint64_t number;
  memcpy(&number, key, key_size);
  const size_t size = make_value(self, number, value);
  ct_result_set(result, value, size);
  if (test_random_below(&self->random, 4) == 0) sched_yield();
  switch (test_random_below(&self->random, 12)) {
    case 0:
      return CT_MISS;
    case 1:
      return (ct_status)-1000;
    case 2:
      ct_result_discard(result);
      break;
    case 3:
      ct_result_weight(result, UINT64_MAX);
      break;
    case 4:
      ct_result_ttl(result, test_random_below(&self->random, 2));
      break;
    case 5:
      ct_delete(self->cache, key, key_size);
      break;
    case 6:
    case 7: {
      /* Any other key: rings are to be noticed. */
      if (self->depth >= 3) break;
      self->depth++;
      mix_load(self, test_random_below(&self->random, kMixedKeys));
      self->depth--;
      break;
    }
  }
  self->loads++;
  return CT_OK;
}

static void mix_load(mixer *self, uint64_t key) {
  ct_value value = CT_VALUE_INIT;
  const ct_status status = ct_get_or_load(self->cache, &key, sizeof(key), load_mixed, self, &value);
  self->reads += status != CT_ERR_RECURSION;
  if (status == CT_OK) {
    check_value(self, key, value.data, value.size);
  } else {
    self->unnamed += status != CT_MISS && status != (ct_status)-1000 &&
                     (status != CT_ERR_RECURSION || self->depth == 0);
    self->unnamed += value.pin != 0;
  }
  ct_value_release(&value);
}

static void mix_lease(mixer *self, uint64_t key) {
  const uint64_t waits[] = {0, test_random_below(&self->random, 100000), kForever};
  ct_value value = CT_VALUE_INIT;
  ct_lease *lease = NULL;
  const ct_status status = ct_get_or_lease(
      self->cache, &key, sizeof(key), waits[test_random_below(&self->random, 3)], &value, &lease);
  self->reads += status == CT_OK || status == CT_LEASED;
  if (status == CT_OK) {
    check_value(self, key, value.data, value.size);
  } else if (status == CT_LEASED) {
    self->missed++;
    if (test_random_below(&self->random, 3) == 0) {
      ct_lease_abandon(lease);
      return;
    }
    char brought[kLargeValue];
    const size_t size = make_value(self, key, brought);
    const ct_status kept = ct_lease_fulfil(lease, brought, size, NULL, &value);
    self->unnamed += kept != CT_OK && kept != CT_NOT_STORED;
    check_value(self, key, value.data, value.size);
    self->loads++;
  } else {
    self->unnamed += status != CT_BUSY;
  }
  ct_value_release(&value);
}

static ct_status compute_mixed(void *user_data, const void *key, size_t key_size,
                               const ct_bytes *old, ct_result *result) {
  mixer *self = user_data;
  uint64_t number;
  memcpy(&number, key, key_size);
  if (old != NULL) check_value(self, number, old->data, old->size);
  char value[kLargeValue];
  const size_t size = make_value(self, number, value);
  ct_result_set(result, value, size);
  static const ct_status answers[] = {CT_OK, CT_OK, CT_MISS, CT_NOT_STORED};
  return answers[test_random_below(&self->random, COUNT_OF(answers))];
}

static void *mix(void *user_data) {
  mixer *self = user_data;
  for (int step = 0; step < self->steps; step++) {
    const uint64_t key = test_random_below(&self->random, kMixedKeys);
    ct_value value = CT_VALUE_INIT;
    ct_status status;
    switch (test_random_below(&self->random, 20)) {
      case 0: {
        char given[kLargeValue];
        const size_t size = make_value(self, key, given);
        ct_set(self->cache, &key, sizeof(key), given, size);
        break;
      }
      case 1:
      case 2:
      case 3:
        ct_delete(self->cache, &key, sizeof(key));
        break;
      case 4:
        if (ct_pop(self->cache, &key, sizeof(key), &value) == CT_OK)
          check_value(self, key, value.data, value.size);
        break;
      case 5:
        ct_popitem(self->cache, NULL, NULL);
        break;
      case 6:
        if (step % 8 == 0) ct_clear(self->cache);
        break;
      case 7:
        self->reads++;
        if (ct_get(self->cache, &key, sizeof(key), &value) == CT_OK)
          check_value(self, key, value.data, value.size);
        break;
      case 8:
      case 9:
        /* One that fails, because the value is too large, or gives up counts nothing. */
        status = ct_compute(self->cache, &key, sizeof(key), compute_mixed, self, &value);
        self->reads += status >= 0 && status != CT_BUSY;
        if (value.pin != 0) check_value(self, key, value.data, value.size);
        break;
      case 10:
        ct_resize(self->cache, 1000 + test_random_below(&self->random, 50000));
        break;
      case 11:
      case 12:
      case 13:
      case 14:
        mix_lease(self, key);
        break;
      default:
        mix_load(self, key);
    }
    ct_value_release(&value);
  }
  return NULL;
}

/* Runs threads of mix, and asserts what must hold whatever came to pass. */
static void assert_mix_adds_up(uint32_t shards, int steps, uint64_t seed) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_options options = CT_OPTIONS_INIT;
  options.weight_kind = CT_WEIGHT_VALUE;
  options.maxsize = 45000;
  options.shards = shards;
  options.allocator = &allocator.hooks;
  ct_cache *cache = NULL;
  assert_status(CT_OK, ct_cache_new_with(&options, &cache));
  mixer mixers[kMixers];
  for (size_t i = 0; i < kMixers; i++) {
    mixers[i] = (mixer){.cache = cache, .random = seed + i * 1000003, .steps = steps};
    assert_int_equal(0, pthread_create(&mixers[i].thread, NULL, mix, &mixers[i]));
  }
  mixer sum = {0};
  for (size_t i = 0; i < kMixers; i++) {
    pthread_join(mixers[i].thread, NULL);
    sum.reads += mixers[i].reads;
    sum.missed += mixers[i].missed;
    sum.loads += mixers[i].loads;
    sum.unnamed += mixers[i].unnamed;
    sum.damaged += mixers[i].damaged;
  }
  assert_int_equal(0, sum.damaged);
  assert_int_equal(0, sum.unnamed);
  const uint64_t entries = ct_len(cache);
  const ct_stats stats = stats_of(cache);
  assert_int_equal(sum.loads, stats.loads);
  assert_int_equal(sum.missed, stats.loads + stats.load_failures);
  assert_in_range(stats.waits, 0, stats.hits);
  assert_int_equal(stats.inserts, entries + stats.evictions + stats.expirations + stats.removals);
  assert_int_equal(sum.reads, stats.hits + stats.misses);
  ct_cache_free(cache);
  assert_int_equal(0, allocator.blocks);
}

TEST(mix_of_everything_adds_up) {
  const uint64_t seed = test_seed();
  for (uint32_t shards = 1; shards <= 4; shards *= 2)
    assert_mix_adds_up(shards, rounds(kMixedSteps), seed + shards);
}

/* ---- Room in other shards ------------------------------------------------------------------- */

/* A value too long to lie in its entry looks for room in another shard; meanwhile its load is
 * overtaken, or the limit sinks below its weight, and it is handed back after all. It once was
 * given back from a block that had already been given away. */
typedef struct pressure {
  ct_cache *cache;
  pthread_t thread;
  _Atomic bool *over;
  int way;
} pressure;

static void *press(void *user_data) {
  pressure *self = user_data;
  static const char zeros[kLargeValue];
  for (uint64_t i = 0; !atomic_load(self->over); i++) {
    const uint64_t key = i % 8;
    if (self->way == 0) {
      ct_delete(self->cache, &key, sizeof(key));
    } else if (self->way == 1) {
      ct_resize(self->cache, i % 2 == 0 ? kLargeValue - 1 : kLargeValue * 2);
    } else {
      ct_set(self->cache, &key, sizeof(key), zeros, sizeof(zeros));
    }
  }
  return NULL;
}

TEST(value_is_handed_back_after_room_was_sought_elsewhere) {
  static const char zeros[kLargeValue];
  ct_options options = CT_OPTIONS_INIT;
  options.weight_kind = CT_WEIGHT_VALUE;
  options.maxsize = kLargeValue * 2;
  options.shards = 4;
  test_allocator allocator;
  test_allocator_init(&allocator);
  options.allocator = &allocator.hooks;
  ct_cache *cache = NULL;
  assert_status(CT_OK, ct_cache_new_with(&options, &cache));
  _Atomic bool over = false;
  pressure presses[3];
  for (int i = 0; i < 3; i++) {
    presses[i] = (pressure){.cache = cache, .over = &over, .way = i};
    assert_int_equal(0, pthread_create(&presses[i].thread, NULL, press, &presses[i]));
  }
  uint64_t wrong = 0;
  for (int i = 0; i < rounds(5000); i++) {
    const uint64_t key = (uint64_t)i % 8;
    ct_lease *lease = NULL;
    ct_value value = CT_VALUE_INIT;
    const ct_status status = ct_get_or_lease(cache, &key, sizeof(key), 0, &value, &lease);
    if (status == CT_LEASED) {
      const ct_status kept = ct_lease_fulfil(lease, zeros, sizeof(zeros), NULL, &value);
      wrong += kept != CT_OK && kept != CT_NOT_STORED;
    }
    wrong += value.size != kLargeValue || memcmp(zeros, value.data, kLargeValue) != 0;
    ct_value_release(&value);
  }
  over = true;
  for (int i = 0; i < 3; i++) pthread_join(presses[i].thread, NULL);
  assert_int_equal(0, wrong);
  ct_cache_free(cache);
  assert_int_equal(0, allocator.blocks);
}

/* The same, not by chance: while another shard is asked for a victim, another thread deletes the
 * key. */
enum { kRivals = 16 };

typedef struct rivalry {
  ct_cache *cache;
  unsigned states; /* that were made; each shard's is a char of names */
  char names[2];
  const void *home[kRivals]; /* the state of a key's shard */
  uint32_t id;               /* of the last entry */
  uint64_t loading;          /* a key */
  ct_status deleting;        /* it, meanwhile */
} rivalry;

static rivalry rivals;

static void *name_shard(void *user_data, uint64_t maxsize) {
  (void)user_data, (void)maxsize;
  return &rivals.names[rivals.states++ % 2];
}

static void note_home(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                      uint64_t now) {
  (void)weight, (void)key_size, (void)now;
  uint64_t number;
  memcpy(&number, key, sizeof(number));
  rivals.home[number] = state;
  rivals.id = id;
}

static void ignore_removal(void *state, uint32_t id) {
  (void)state, (void)id;
}

static void *delete_loading(void *unused) {
  (void)unused;
  rivals.deleting = ct_delete(rivals.cache, &rivals.loading, sizeof(rivals.loading));
  return NULL;
}

/* This thread has the lock of the victim's shard alone. */
static uint32_t choose_after_delete(void *state) {
  (void)state;
  pthread_t thread;
  if (pthread_create(&thread, NULL, delete_loading, NULL) == 0) pthread_join(thread, NULL);
  return rivals.id;
}

static ct_cache *cache_of_rivals(uint64_t maxsize, uint64_t entries) {
  ct_policy_ops ops = CT_POLICY_OPS_INIT;
  ops.state_new = name_shard;
  ops.on_insert = note_home;
  ops.on_remove = ignore_removal;
  ops.victim = choose_after_delete;
  ct_options options = CT_OPTIONS_INIT;
  options.policy = CT_POLICY_CUSTOM;
  options.custom = &ops;
  options.maxsize = maxsize;
  options.shards = 2;
  options.seed = 1;
  ct_cache *cache = NULL;
  rivals.states = 0;
  assert_status(CT_OK, ct_cache_new_with(&options, &cache));
  for (uint64_t key = 0; key < entries; key++)
    assert_status(CT_OK, ct_set(cache, &key, sizeof(key), "other", 5));
  return cache;
}

TEST(value_deleted_while_room_is_made_is_handed_back) {
  ct_cache_free(cache_of_rivals(kRivals, kRivals));
  rivals.loading = 1;
  while (rivals.home[rivals.loading] == rivals.home[0]) rivals.loading++;
  rivals.cache = cache_of_rivals(1, 1);
  rivals.deleting = CT_END;
  const uint64_t *key = &rivals.loading;
  ct_value value;
  ct_lease *lease;
  assert_status(CT_LEASED, ct_get_or_lease(rivals.cache, key, sizeof(*key), 0, &value, &lease));
  assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "value", 5, NULL, &value));
  assert_status(CT_MISS, rivals.deleting);
  assert_int_equal(5, value.size);
  assert_memory_equal("value", value.data, 5);
  ct_value_release(&value);
  assert_int_equal(0, ct_len(rivals.cache));
  ct_cache_free(rivals.cache);
}

/* ---- Compute -------------------------------------------------------------------------------- */

enum { kCounters = 3, kCounting = 4 };

typedef struct counting {
  ct_cache *cache;
  pthread_t thread;
  uint64_t times;
  uint64_t failures;
} counting;

static ct_status add_one(void *user_data, const void *key, size_t key_size, const ct_bytes *old,
                         ct_result *result) {
  (void)user_data, (void)key, (void)key_size;
  uint64_t count = 0;
  if (old != NULL) memcpy(&count, old->data, sizeof(count));
  count++;
  return ct_result_set(result, &count, sizeof(count));
}

static void *count_up(void *user_data) {
  counting *self = user_data;
  for (uint64_t i = 0; i < self->times; i++) {
    const uint64_t key = i % kCounters;
    self->failures += ct_compute(self->cache, &key, sizeof(key), add_one, NULL, NULL) != CT_OK;
  }
  return NULL;
}

TEST(counting_by_compute_loses_nothing) {
  const uint64_t times = kCounters * (uint64_t)rounds(5000);
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, kCounters);
  counting countings[kCounting];
  for (size_t i = 0; i < kCounting; i++) {
    countings[i] = (counting){.cache = cache, .times = times};
    assert_int_equal(0, pthread_create(&countings[i].thread, NULL, count_up, &countings[i]));
  }
  for (size_t i = 0; i < kCounting; i++) {
    pthread_join(countings[i].thread, NULL);
    assert_int_equal(0, countings[i].failures);
  }
  for (uint64_t key = 0; key < kCounters; key++) {
    ct_value value = CT_VALUE_INIT;
    assert_status(CT_OK, ct_peek(cache, &key, sizeof(key), &value));
    assert_int_equal(times / kCounters * kCounting, *(const uint64_t *)value.data);
    ct_value_release(&value);
  }
  const ct_stats stats = stats_of(cache);
  assert_int_equal(kCounters, stats.misses);
  assert_int_equal(times * kCounting - kCounters, stats.hits);
  assert_int_equal(times * kCounting - kCounters, stats.updates);
  ct_cache_free(cache);
}

/* One of many who compute a key at once. */
typedef struct crowd {
  ct_cache *cache;
  pthread_barrier_t barrier;
  _Atomic int inside; /* callbacks of the key that run */
  _Atomic int runs;
  _Atomic bool crowded;
} crowd;

static ct_status add_one_slowly(void *user_data, const void *key, size_t key_size,
                                const ct_bytes *old, ct_result *result) {
  crowd *self = user_data;
  if (atomic_fetch_add(&self->inside, 1) != 0) self->crowded = true;
  atomic_fetch_add(&self->runs, 1);
  /* So that others come. */
  for (int i = 0; i < 20; i++) sched_yield();
  const ct_status status = add_one(NULL, key, key_size, old, result);
  atomic_fetch_sub(&self->inside, 1);
  return status;
}

static void *compute_with_all(void *user_data) {
  crowd *self = user_data;
  pthread_barrier_wait(&self->barrier);
  return ct_compute(self->cache, "k", 1, add_one_slowly, self, NULL) == CT_OK ? NULL : self;
}

TEST(computes_of_a_key_take_turns) {
  enum { kCrowd = 8 };
  for (int round = 0; round < rounds(50); round++) {
    crowd crowd = {.cache = ct_cache_new(CT_POLICY_LRU, 10)};
    pthread_barrier_init(&crowd.barrier, NULL, kCrowd);
    pthread_t threads[kCrowd];
    for (size_t i = 0; i < kCrowd; i++)
      assert_int_equal(0, pthread_create(&threads[i], NULL, compute_with_all, &crowd));
    for (size_t i = 0; i < kCrowd; i++) {
      void *failed;
      pthread_join(threads[i], &failed);
      assert_null(failed);
    }
    assert_int_equal(kCrowd, crowd.runs);
    assert_false(crowd.crowded);
    ct_value value = CT_VALUE_INIT;
    assert_status(CT_OK, ct_peek(crowd.cache, "k", 1, &value));
    assert_int_equal(kCrowd, *(const uint64_t *)value.data);
    ct_value_release(&value);
    pthread_barrier_destroy(&crowd.barrier);
    ct_cache_free(crowd.cache);
  }
}

/* A compute on a thread of its own, each run of which stands still until it is told to go on. */
typedef struct slow_compute {
  ct_cache *cache;
  const char *key;
  pthread_t thread;
  sem_t begun;
  sem_t go_on;
  int runs;
  ct_status answer;
  ct_status status;
} slow_compute;

static ct_status compute_slowly(void *user_data, const void *key, size_t key_size,
                                const ct_bytes *old, ct_result *result) {
  (void)key, (void)key_size, (void)old;
  slow_compute *self = user_data;
  self->runs++;
  sem_post(&self->begun);
  sem_wait(&self->go_on);
  ct_result_set(result, "computed", 8);
  return self->answer;
}

static void *run_slow_compute(void *user_data) {
  slow_compute *self = user_data;
  self->status = ct_compute(self->cache, self->key, strlen(self->key), compute_slowly, self, NULL);
  sem_post(&self->begun);
  return NULL;
}

static void begin_slow_compute(slow_compute *self, ct_cache *cache, const char *key) {
  memset(self, 0, sizeof(*self));
  self->cache = cache;
  self->key = key;
  sem_init(&self->begun, 0, 0);
  sem_init(&self->go_on, 0, 0);
  assert_int_equal(0, pthread_create(&self->thread, NULL, run_slow_compute, self));
  sem_wait(&self->begun);
}

static void end_slow_compute(slow_compute *self) {
  pthread_join(self->thread, NULL);
  sem_destroy(&self->begun);
  sem_destroy(&self->go_on);
}

/* It never came to an end beside a writer that was quicker. */
TEST(compute_beside_a_quick_writer_is_busy_in_the_end) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  slow_compute slow;
  begin_slow_compute(&slow, cache, "k");
  int writes = 0;
  for (int runs = 0; runs != slow.runs; writes++) {
    runs = slow.runs;
    set_text(cache, "k", "written");
    sem_post(&slow.go_on);
    sem_wait(&slow.begun);
  }
  end_slow_compute(&slow);
  assert_int_equal(17, writes);
  assert_int_equal(17, slow.runs);
  assert_status(CT_BUSY, slow.status);
  assert_text_quietly(cache, "k", "written");
  ct_cache_free(cache);
}

TEST(computes_of_different_keys_do_not_wait_for_each_other) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  slow_compute one, other;
  begin_slow_compute(&one, cache, "one");
  begin_slow_compute(&other, cache, "other");
  /* Nor does anything else wait for them. */
  assert_status(CT_MISS, ct_get(cache, "one", 3, NULL));
  ct_lease *lease = NULL;
  assert_status(CT_LEASED, ct_get_or_lease(cache, "one", 3, 0, NULL, &lease));
  ct_lease_abandon(lease);
  sem_post(&other.go_on);
  end_slow_compute(&other);
  assert_text_quietly(cache, "other", "computed");
  sem_post(&one.go_on);
  end_slow_compute(&one);
  assert_text_quietly(cache, "one", "computed");
  ct_cache_free(cache);
}

/* Whatever the one before has answered. */
TEST(turn_passes_on_after_any_answer) {
  static const int32_t answers[] = {CT_OK, CT_MISS, CT_NOT_STORED, CT_ERR_IO, -1000, CT_BUSY};
  for (size_t i = 0; i < COUNT_OF(answers); i++) {
    ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
    slow_compute slow;
    begin_slow_compute(&slow, cache, "k");
    slow.answer = (ct_status)answers[i];
    crowd crowd = {.cache = cache};
    pthread_barrier_init(&crowd.barrier, NULL, 1);
    pthread_t thread;
    assert_int_equal(0, pthread_create(&thread, NULL, compute_with_all, &crowd));
    for (int yields = 0; yields < 20; yields++) sched_yield();
    assert_int_equal(0, crowd.runs);
    sem_post(&slow.go_on);
    end_slow_compute(&slow);
    pthread_join(thread, NULL);
    assert_int_equal(1, crowd.runs);
    pthread_barrier_destroy(&crowd.barrier);
    ct_cache_free(cache);
  }
}

/* Whoever computes a key again and again does not keep others from their turn. */
static void *compute_until_over(void *user_data) {
  slow_compute *self = user_data;
  while (sem_trywait(&self->go_on) != 0)
    ct_compute(self->cache, self->key, strlen(self->key), add_one, NULL, NULL);
  return NULL;
}

TEST(turn_comes_beside_one_who_computes_all_the_time) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  slow_compute busy = {.cache = cache, .key = "k"};
  sem_init(&busy.go_on, 0, 0);
  assert_int_equal(0, pthread_create(&busy.thread, NULL, compute_until_over, &busy));
  crowd crowd = {.cache = cache};
  pthread_barrier_init(&crowd.barrier, NULL, 1);
  for (int i = 0; i < rounds(200); i++) assert_null(compute_with_all(&crowd));
  assert_int_equal(rounds(200), crowd.runs);
  sem_post(&busy.go_on);
  pthread_join(busy.thread, NULL);
  pthread_barrier_destroy(&crowd.barrier);
  sem_destroy(&busy.go_on);
  ct_cache_free(cache);
}
