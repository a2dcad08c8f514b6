/* SPDX-License-Identifier: MIT */
/* Loading on many threads: which of them load, which wait, what each of them gets, and what is
 * counted. */
#include "stage.h"

/* ---- Loaders -------------------------------------------------------------------------------- */

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

static ct_status be_cancelled_thrice(stage *self, int call, ct_result *result) {
  return call < 2 ? CT_BUSY : call == 2 ? CT_ERR_RECURSION : bring(self, call, result);
}

TEST(next_waiter_loads_after_a_caller_was_cancelled) {
  for (int round = 0; round < rounds(20); round++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = be_cancelled_thrice;
    stage.expected = kCallers;
    caller callers[kCallers] = {0};
    start_all(callers, kCallers, &stage, call_to_load);
    join_all(callers, kCallers);
    size_t cancelled = 0;
    for (size_t i = 0; i < kCallers; i++) {
      if (callers[i].status == CT_OK) {
        assert_has(&callers[i], "loaded");
        continue;
      }
      cancelled++;
      assert_true(callers[i].status == CT_BUSY || callers[i].status == CT_ERR_RECURSION);
      assert_true(callers[i].loaded);
      assert_has_nothing(&callers[i]);
    }
    assert_int_equal(3, cancelled);
    assert_int_equal(4, stage.loads);
    assert_loading_counted(&stage, 4, 1, 3, kCallers - 4);
    close_stage(&stage);
  }
}

static ct_status find_none(stage *self, int call, ct_result *result) {
  (void)self, (void)call, (void)result;
  return CT_MISS;
}

static ct_status fail_by_itself(stage *self, int call, ct_result *result) {
  (void)self, (void)result;
  return (ct_status)(-1000 - call);
}

static ct_status delete_and_fail(stage *self, int call, ct_result *result) {
  ct_delete(self->cache, "k", 1);
  return find_none(self, call, result);
}

/* Asserts that all have failed with a status that one of them was given by its loader. */
static void assert_failure_is_shared(stage *s, const caller *callers, ct_status expected) {
  assert_int_equal(1, s->loads);
  assert_int_equal(1, count_loaded(callers, kCallers));
  for (size_t i = 0; i < kCallers; i++) {
    assert_status(expected, callers[i].status);
    assert_has_nothing(&callers[i]);
  }
  assert_loading_counted(s, kCallers, 0, 1, 0);
  assert_int_equal(kCallers - 1, stats_of(s->cache).shared_failures);
}

TEST(load_that_fails_fails_all_who_wait) {
  static const struct {
    ct_status (*script)(struct stage *, int, ct_result *);
    int32_t expected;
  } kCases[] = {{find_none, CT_MISS}, {fail_by_itself, -1000}, {delete_and_fail, CT_MISS}};
  for (size_t i = 0; i < COUNT_OF(kCases); i++) {
    stage stage;
    open_stage(&stage, 8);
    stage.script = kCases[i].script;
    stage.expected = kCallers;
    caller callers[kCallers] = {0};
    start_all(callers, kCallers, &stage, call_to_load);
    join_all(callers, kCallers);
    assert_failure_is_shared(&stage, callers, (ct_status)kCases[i].expected);
    /* Who comes later starts anew. */
    stage.script = bring;
    caller later = {0};
    start(&later, &stage, call_to_load);
    join_all(&later, 1);
    assert_true(later.loaded);
    assert_has(&later, "loaded");
    close_stage(&stage);
  }
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
  stampede.cache = cache_of(.maxsize = 100, .shards = 2);
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

/* Each thread loads its own key, or computes it. Meanwhile it asks for the key of the next
 * thread, in the way in which that thread does. */
typedef struct ring {
  ct_cache *cache;
  pthread_barrier_t barrier;
  size_t size;
  bool gives_in;     /* the thread that would close the ring brings a value all the same */
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

/* All threads load, or all compute, or every second one does. */
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
