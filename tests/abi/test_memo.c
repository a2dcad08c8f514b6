/* SPDX-License-Identifier: MIT */
/* Memoized functions: first what the header says of each call, then the behaviour that the test
 * suite of Python's cachetools 7.0.6 asks of decorators and key functions, one by one.
 *
 *   their test                       here
 *   test_cached.py
 *     decorator, _typed              test_cached_..., with a bounded and an unbounded cache
 *     decorator_wrapped              test_cached_function_called_directly_...
 *     decorator_attributes           test_cached_memo_tells_cache_and_key
 *     decorator_clear, _info         test_cached_clear_..., test_cached_info_...
 *     zero_size_cache_decorator*     test_cached_without_room_...
 *     dict: decorator_info           test_cached_info_..., unbounded
 *     None: decorator, _clear, _info test_pass_through_...
 *     *_lock*, *_condition*          left out where they count uses of a lock object, which there
 * is none of; what such a lock is for is test_threads_... test_cachedmethod.py decorator, _typed
 * test_method_... decorator_info, _clear         test_method_info_..., test_method_clear_...
 *     decorator_wrapped, _attributes as for cached
 *     decorator_cond_error           test_failure_... : the second call fails as the first, and
 * ends nospace, *_nospace             test_method_without_room_... shared_cache
 * test_method_objects_that_share_a_cache_... value_too_large test_method_result_too_large_... None:
 * none_info                test_object_without_cache_is_invalid decorator_unhashable
 * test_method_..., whose objects are mere addresses _slots, _immutable_dict, _different_names,
 * _no_set_name, autospec left out: about Python's attributes weakref                        left
 * out: no garbage collector takes results away test_func.py, for fifo, lfu, lru, rr, ttl and here
 * mru as well decorator, _clear, _nocache, _unbound, _typed test_func_... decorator_user_function
 * test_func_default_... decorator_needs_rlock          left out: keys are bytes, comparing them
 * calls nobody cache_parameters               maxsize is ct_memo_info's; typed is what the caller
 * said test_keys.py hashkey, typedkey              test_keys.c methodkey, typedmethodkey
 * test_object_is_no_part_of_the_key unhashable arguments           left out: there are none addkeys
 * left out: keys are no tuples pickle                         test_keys.c: the bytes, which may be
 * kept, never change
 */
#include <pthread.h>
#include <sched.h>

#include "fixture.h"

/* ---- What is memoized ----------------------------------------------------------------------- */

/* The one argument of a call. */
typedef struct argument {
  bool is_real;
  int64_t integer;
  double real;
} argument;

#define INT(value) (&(const argument){.integer = (value)})
#define REAL(value) (&(const argument){.is_real = true, .real = (value)})

typedef struct world {
  fixture f; /* first, so that its callbacks accept the whole */
  unsigned calls;
  unsigned keys;
  unsigned lookups;     /* of an object's cache */
  ct_status answer;     /* the function's */
  ct_status key_answer; /* the key function's */
  uint64_t ttl;         /* of results; 0: the cache's */
  size_t size;          /* of results; 0: as long as they need to be */
  bool discard;
  bool weightless;
  ct_memo *memo;
  /* What the function does besides, if anything; its answer is noted. */
  ct_status (*inside)(struct world *world, void *self, const argument *args);
  ct_status noted;
} world;

/* The n-th call answers n, from 0 on, as text. */
static ct_status count_calls(void *user_data, void *self, const void *args, ct_result *result) {
  world *w = user_data;
  char text[600];
  memset(text, '.', sizeof(text));
  const int length = sprintf(text, "%u", w->calls++);
  text[length] = '.';
  if (w->inside != NULL) {
    ct_status (*inside)(world *, void *, const argument *) = w->inside;
    w->inside = NULL;
    w->noted = inside(w, self, args);
  }
  if (w->answer != CT_OK) return w->answer;
  if (w->ttl != 0) ct_result_ttl(result, w->ttl);
  if (w->discard) ct_result_discard(result);
  if (w->weightless) ct_result_weight(result, 0);
  return ct_result_set(result, text, w->size != 0 ? w->size : (size_t)length);
}

static ct_status add_argument(void *user_data, void *self, const void *args, ct_key *key) {
  (void)self;
  world *w = user_data;
  const argument *it = args;
  w->keys++;
  if (it->is_real)
    ct_key_double(key, it->real);
  else
    ct_key_int(key, it->integer);
  return w->key_answer;
}

/* An object with a cache of its own, or none. */
typedef struct object {
  ct_cache *cache;
} object;

static ct_cache *cache_of_object(void *user_data, void *self) {
  world *w = user_data;
  w->lookups++;
  return ((object *)self)->cache;
}

/* ---- Making and asking ---------------------------------------------------------------------- */

static world w;

static void begin_anew(void) {
  memset(&w, 0, sizeof(w));
}

static int set_up(void **state) {
  (void)state;
  begin_anew();
  return 0;
}

#define MEMO_TEST(name) TEST_WITH(name, set_up, NULL)

static ct_memo_options memo_options(void) {
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.user_data = &w;
  options.fn = count_calls;
  options.key = add_argument;
  return options;
}

static ct_memo *new_memo(const ct_memo_options *options) {
  ct_memo *memo = NULL;
  assert_status(CT_OK, ct_memo_new(options, &memo));
  assert_non_null(memo);
  w.memo = memo;
  return memo;
}

static ct_options own_options(ct_policy policy, uint64_t maxsize) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = maxsize;
  options.user_data = &w;
  options.timer = manual_clock_read;
  if (policy == CT_POLICY_TTL) options.ttl = 600;
  return options;
}

static ct_memo *memo_with_own(const ct_options *own, uint32_t flags) {
  ct_memo_options options = memo_options();
  options.own = own;
  options.flags = flags;
  return new_memo(&options);
}

static ct_memo *memo_of_policy(ct_policy policy, uint64_t maxsize, uint32_t flags) {
  const ct_options own = own_options(policy, maxsize);
  return memo_with_own(&own, flags);
}

static ct_memo *usual_memo(uint32_t flags) {
  return memo_of_policy(CT_POLICY_LRU, 128, flags);
}

static ct_memo *memo_in(ct_cache *cache, const char *prefix) {
  ct_memo_options options = memo_options();
  options.cache = cache;
  options.prefix = prefix;
  options.prefix_size = strlen(prefix);
  return new_memo(&options);
}

static ct_memo *method_memo(uint32_t flags) {
  ct_memo_options options = memo_options();
  options.cache_of = cache_of_object;
  options.flags = flags;
  return new_memo(&options);
}

static ct_cache *any_cache(uint64_t maxsize) {
  ct_cache *cache = ct_cache_new(CT_POLICY_ANY, maxsize);
  assert_non_null(cache);
  return cache;
}

#define assert_call(expected, memo, self, args)                           \
  do {                                                                    \
    ct_value answer_ = poisoned_value();                                  \
    assert_status(CT_OK, ct_memo_call((memo), (self), (args), &answer_)); \
    assert_value((expected), answer_);                                    \
    ct_value_release(&answer_);                                           \
  } while (0)

#define assert_call_fails(expected, memo, self, args)                          \
  do {                                                                         \
    ct_value answer_ = poisoned_value();                                       \
    assert_status((expected), ct_memo_call((memo), (self), (args), &answer_)); \
    assert_holds_nothing(answer_);                                             \
  } while (0)

static ct_cache_info info_from(ct_memo *memo, void *self) {
  ct_cache_info info = CT_CACHE_INFO_INIT;
  assert_status(CT_OK, ct_memo_info(memo, self, &info));
  assert_int_equal(0, info.reserved);
  return info;
}

#define assert_info(memo, self, hits_, misses_, maxsize_, currsize_) \
  do {                                                               \
    const ct_cache_info info_ = info_from((memo), (self));           \
    assert_int_equal((hits_), info_.hits);                           \
    assert_int_equal((misses_), info_.misses);                       \
    assert_int_equal((maxsize_), info_.maxsize);                     \
    assert_int_equal((currsize_), info_.currsize);                   \
  } while (0)

/* Whether the result of a call is kept, looked up under the key that the memo tells. */
static bool keeps(ct_memo *memo, void *self, const argument *args) {
  ct_key *key = ct_key_new(0);
  assert_non_null(key);
  assert_status(CT_OK, ct_memo_key(memo, self, args, key));
  ct_bytes bytes;
  assert_status(CT_OK, ct_key_data(key, &bytes.data, &bytes.size));
  ct_cache *cache = ct_memo_cache(memo, self);
  assert_non_null(cache);
  ct_value value;
  const ct_status status = ct_peek(cache, bytes.data, bytes.size, &value);
  ct_value_release(&value);
  ct_key_free(key);
  assert_true(status == CT_OK || status == CT_MISS);
  return status == CT_OK;
}

/* ---- Calls ---------------------------------------------------------------------------------- */

MEMO_TEST(second_call_is_answered_from_the_cache) {
  ct_memo *memo = usual_memo(0);
  assert_call("0", memo, NULL, INT(7));
  assert_call("0", memo, NULL, INT(7));
  assert_call("1", memo, NULL, INT(8));
  assert_int_equal(2, w.calls);
  assert_info(memo, NULL, 1, 2, 128, 2);
  ct_memo_free(memo);
}

MEMO_TEST(call_without_out_computes_and_keeps) {
  ct_memo *memo = usual_memo(0);
  assert_status(CT_OK, ct_memo_call(memo, NULL, INT(7), NULL));
  assert_status(CT_OK, ct_memo_call(memo, NULL, INT(7), NULL));
  assert_call("0", memo, NULL, INT(7));
  assert_info(memo, NULL, 2, 1, 128, 1);
  ct_memo_free(memo);
}

MEMO_TEST(result_outlives_its_memo) {
  ct_memo *memo = usual_memo(0);
  ct_value value;
  assert_status(CT_OK, ct_memo_call(memo, NULL, INT(7), &value));
  ct_memo_free(memo);
  assert_value("0", value);
  ct_value_release(&value);
}

MEMO_TEST(result_evicted_is_computed_again) {
  ct_memo *memo = memo_of_policy(CT_POLICY_LRU, 2, 0);
  assert_call("0", memo, NULL, INT(1));
  assert_call("1", memo, NULL, INT(2));
  assert_call("0", memo, NULL, INT(1));
  assert_call("2", memo, NULL, INT(3));
  assert_call("3", memo, NULL, INT(2));
  assert_info(memo, NULL, 1, 4, 2, 2);
  ct_memo_free(memo);
}

MEMO_TEST(result_lives_as_long_as_the_cache_says) {
  ct_memo *memo = memo_of_policy(CT_POLICY_TTL, 8, 0);
  assert_call("0", memo, NULL, INT(1));
  set_now(&w.f, 599);
  assert_call("0", memo, NULL, INT(1));
  set_now(&w.f, 600);
  assert_call("1", memo, NULL, INT(1));
  assert_info(memo, NULL, 1, 2, 8, 1);
  ct_memo_free(memo);
}

MEMO_TEST(result_lives_as_long_as_the_function_says) {
  ct_memo *memo = memo_of_policy(CT_POLICY_TTL, 8, 0);
  w.ttl = 5;
  assert_call("0", memo, NULL, INT(1));
  set_now(&w.f, 4);
  assert_call("0", memo, NULL, INT(1));
  set_now(&w.f, 5);
  w.ttl = CT_NEVER;
  assert_call("1", memo, NULL, INT(1));
  set_now(&w.f, 100000);
  assert_call("1", memo, NULL, INT(1));
  ct_memo_free(memo);
}

static ct_status pass_time(world *it, void *self, const argument *args) {
  (void)self, (void)args;
  set_now(&it->f, 1000);
  return CT_OK;
}

MEMO_TEST(lifetime_counts_from_the_functions_return) {
  ct_memo *memo = memo_of_policy(CT_POLICY_TTL, 8, 0);
  w.inside = pass_time;
  assert_call("0", memo, NULL, INT(1));
  set_now(&w.f, 1599);
  assert_call("0", memo, NULL, INT(1));
  set_now(&w.f, 1600);
  assert_call("1", memo, NULL, INT(1));
  ct_memo_free(memo);
}

MEMO_TEST(discarded_result_is_handed_over_and_not_kept) {
  for (uint32_t flags = 0; flags <= CT_MEMO_RACE; flags += CT_MEMO_RACE) {
    begin_anew();
    ct_memo *memo = usual_memo(flags);
    w.discard = true;
    assert_call("0", memo, NULL, INT(1));
    assert_call("1", memo, NULL, INT(1));
    assert_info(memo, NULL, 0, 2, 128, 0);
    ct_memo_free(memo);
  }
}

MEMO_TEST(result_too_large_is_handed_over_and_not_kept) {
  for (uint32_t flags = 0; flags <= CT_MEMO_RACE; flags += CT_MEMO_RACE) {
    begin_anew();
    ct_options own = own_options(CT_POLICY_LRU, 500);
    own.weight_kind = CT_WEIGHT_VALUE;
    ct_memo *memo = memo_with_own(&own, flags);
    assert_call("0", memo, NULL, INT(1));
    w.size = 501;
    ct_value value;
    assert_status(CT_OK, ct_memo_call(memo, NULL, INT(2), &value));
    assert_int_equal(501, value.size);
    assert_memory_equal("1...", value.data, 4);
    assert_false(keeps(memo, NULL, INT(2)));
    assert_true(keeps(memo, NULL, INT(1)));
    ct_memo_free(memo);
    assert_memory_equal("1...", value.data, 4);
    ct_value_release(&value);
  }
}

MEMO_TEST(cache_of_no_size_calls_every_time) {
  for (uint32_t flags = 0; flags <= CT_MEMO_RACE; flags += CT_MEMO_RACE) {
    begin_anew();
    ct_memo *memo = memo_of_policy(CT_POLICY_LRU, 0, flags);
    assert_call("0", memo, NULL, INT(1));
    assert_call("1", memo, NULL, INT(1));
    assert_info(memo, NULL, 0, 2, 0, 0);
    assert_int_equal(0, info_from(memo, NULL).flags);
    ct_memo_free(memo);
  }
}

/* ---- Failures ------------------------------------------------------------------------------- */

MEMO_TEST(failure_reaches_the_caller_and_is_not_kept) {
  static const ct_status kAnswers[] = {CT_MISS,         CT_ERR_IO,        CT_ERR_NOMEM,
                                       (ct_status)1000, (ct_status)-1000, (ct_status)INT32_MAX};
  for (uint32_t flags = 0; flags <= CT_MEMO_RACE; flags += CT_MEMO_RACE)
    for (size_t i = 0; i < sizeof(kAnswers) / sizeof(kAnswers[0]); i++) {
      begin_anew();
      ct_memo *memo = usual_memo(flags);
      w.answer = kAnswers[i];
      ct_value value = poisoned_value();
      assert_int_equal(kAnswers[i], ct_memo_call(memo, NULL, INT(1), &value));
      assert_holds_nothing(value);
      assert_int_equal(kAnswers[i], ct_memo_call(memo, NULL, INT(1), &value));
      assert_info(memo, NULL, 0, 2, 128, 0);
      w.answer = CT_OK;
      assert_call("2", memo, NULL, INT(1));
      assert_call("2", memo, NULL, INT(1));
      assert_info(memo, NULL, 1, 3, 128, 1);
      ct_memo_free(memo);
    }
}

/* Statuses that mean something to the library are not the function's to answer. */
MEMO_TEST(status_that_is_not_the_functions_is_invalid) {
  static const int32_t kAnswers[] = {CT_EXISTS, CT_NOT_STORED, CT_LEASED, CT_BUSY, CT_END,
                                     7,         999,           -10,       -999};
  for (uint32_t flags = 0; flags <= CT_MEMO_RACE; flags += CT_MEMO_RACE)
    for (size_t i = 0; i < sizeof(kAnswers) / sizeof(kAnswers[0]); i++) {
      ct_memo *memo = usual_memo(flags);
      w.answer = (ct_status)kAnswers[i];
      assert_call_fails(CT_ERR_INVALID, memo, NULL, INT(1));
      assert_info(memo, NULL, 0, 1, 128, 0);
      w.answer = CT_OK;
      w.key_answer = (ct_status)kAnswers[i];
      assert_call_fails(CT_ERR_INVALID, memo, NULL, INT(1));
      w.key_answer = CT_OK;
      ct_memo_free(memo);
    }
}

static ct_status set_nothing(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self, (void)args, (void)result;
  return CT_OK;
}

MEMO_TEST(function_without_result_is_invalid) {
  const ct_options own = own_options(CT_POLICY_LRU, 8);
  ct_memo_options options = memo_options();
  options.own = &own;
  options.fn = set_nothing;
  ct_memo *memo = new_memo(&options);
  assert_call_fails(CT_ERR_INVALID, memo, NULL, INT(1));
  assert_info(memo, NULL, 0, 1, 8, 0);
  ct_memo_free(memo);
}

static ct_status set_twice(void *user_data, void *self, const void *args, ct_result *result) {
  static const char large[1000];
  ct_result_set(result, large, sizeof(large));
  return count_calls(user_data, self, args, result);
}

MEMO_TEST(last_result_set_counts) {
  const ct_options own = own_options(CT_POLICY_LRU, 8);
  ct_memo_options options = memo_options();
  options.own = &own;
  options.fn = set_twice;
  ct_memo *memo = new_memo(&options);
  assert_call("0", memo, NULL, INT(1));
  assert_call("0", memo, NULL, INT(1));
  ct_memo_free(memo);
}

MEMO_TEST(failing_key_calls_nothing) {
  static const ct_status kAnswers[] = {CT_MISS, CT_ERR_UNSUPPORTED, (ct_status)1234,
                                       (ct_status)-1234};
  ct_memo *memo = usual_memo(0);
  ct_key *key = ct_key_new(0);
  assert_non_null(key);
  for (size_t i = 0; i < sizeof(kAnswers) / sizeof(kAnswers[0]); i++) {
    w.key_answer = kAnswers[i];
    ct_value value = poisoned_value();
    assert_int_equal(kAnswers[i], ct_memo_call(memo, NULL, INT(1), &value));
    assert_holds_nothing(value);
    assert_int_equal(kAnswers[i], ct_memo_invalidate(memo, NULL, INT(1)));
    assert_int_equal(kAnswers[i], ct_memo_key(memo, NULL, INT(1), key));
  }
  assert_int_equal(0, w.calls);
  assert_info(memo, NULL, 0, 0, 128, 0);
  ct_key_free(key);
  ct_memo_free(memo);
}

static ct_status add_half_a_tuple(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self, (void)args;
  ct_key_tuple_begin(key);
  return CT_OK;
}

MEMO_TEST(mistake_in_the_key_calls_nothing) {
  const ct_options own = own_options(CT_POLICY_LRU, 8);
  ct_memo_options options = memo_options();
  options.own = &own;
  options.key = add_half_a_tuple;
  ct_memo *memo = new_memo(&options);
  assert_call_fails(CT_ERR_INVALID, memo, NULL, INT(1));
  assert_status(CT_ERR_INVALID, ct_memo_invalidate(memo, NULL, INT(1)));
  assert_int_equal(0, w.calls);
  ct_memo_free(memo);
}

/* ---- Calls within calls --------------------------------------------------------------------- */

static ct_status call_again(world *it, void *self, const argument *args) {
  ct_value value;
  const ct_status status = ct_memo_call(it->memo, self, args, &value);
  ct_value_release(&value);
  return status;
}

MEMO_TEST(function_that_needs_its_own_result_is_recursion) {
  ct_memo *memo = usual_memo(0);
  w.inside = call_again;
  assert_call("0", memo, NULL, INT(1));
  assert_status(CT_ERR_RECURSION, w.noted);
  assert_int_equal(1, w.calls);
  assert_info(memo, NULL, 0, 1, 128, 1);
  ct_memo_free(memo);
}

static ct_status call_for_another(world *it, void *self, const argument *args) {
  (void)args;
  return call_again(it, self, INT(99));
}

MEMO_TEST(function_may_call_the_memo_for_others) {
  ct_memo *memo = usual_memo(0);
  w.inside = call_for_another;
  assert_call("0", memo, NULL, INT(1));
  assert_status(CT_OK, w.noted);
  assert_call("1", memo, NULL, INT(99));
  assert_info(memo, NULL, 1, 2, 128, 2);
  ct_memo_free(memo);
}

MEMO_TEST(single_threaded_cache_takes_nested_calls) {
  ct_options own = own_options(CT_POLICY_LRU, 8);
  own.flags = CT_FLAG_SINGLE_THREADED;
  ct_memo *memo = memo_with_own(&own, 0);
  w.inside = call_for_another;
  assert_call("0", memo, NULL, INT(1));
  assert_status(CT_OK, w.noted);
  w.inside = call_again;
  assert_call("2", memo, NULL, INT(2));
  assert_status(CT_ERR_RECURSION, w.noted);
  ct_memo_free(memo);
}

/* The inner call stores first. */
MEMO_TEST(race_hands_over_what_was_stored_first) {
  ct_memo *memo = usual_memo(CT_MEMO_RACE);
  w.inside = call_again;
  assert_call("1", memo, NULL, INT(1));
  assert_status(CT_OK, w.noted);
  assert_int_equal(2, w.calls);
  assert_call("1", memo, NULL, INT(1));
  assert_info(memo, NULL, 1, 2, 128, 1);
  ct_memo_free(memo);
}

static ct_status invalidate_now(world *it, void *self, const argument *args) {
  return ct_memo_invalidate(it->memo, self, args);
}

MEMO_TEST(result_invalidated_while_computed_is_not_kept) {
  ct_memo *memo = usual_memo(0);
  w.inside = invalidate_now;
  assert_call("0", memo, NULL, INT(1));
  assert_status(CT_MISS, w.noted);
  assert_false(keeps(memo, NULL, INT(1)));
  assert_call("1", memo, NULL, INT(1));
  ct_memo_free(memo);
}

static ct_status clear_now(world *it, void *self, const argument *args) {
  (void)args;
  return ct_memo_clear(it->memo, self);
}

MEMO_TEST(result_cleared_while_computed_is_not_kept) {
  ct_memo *memo = usual_memo(0);
  w.inside = clear_now;
  assert_call("0", memo, NULL, INT(1));
  assert_status(CT_OK, w.noted);
  assert_call("1", memo, NULL, INT(1));
  ct_memo_free(memo);
}

/* ---- Threads -------------------------------------------------------------------------------- */

enum { kThreads = 8 };

typedef struct crowd {
  ct_memo *memo;
  pthread_barrier_t together;
  atomic_uint arrived;
  atomic_uint computed;
  unsigned expected; /* who must have arrived before the function returns */
  char answers[kThreads][8];
  ct_status statuses[kThreads];
  atomic_uint next;
} crowd;

static ct_status compute_in_crowd(void *user_data, void *self, const void *args,
                                  ct_result *result) {
  (void)self, (void)args;
  crowd *it = user_data;
  char text[8];
  const unsigned number = atomic_fetch_add(&it->computed, 1);
  if (it->expected > 0)
    while (atomic_load(&it->arrived) < it->expected) sched_yield();
  else
    pthread_barrier_wait(&it->together);
  return ct_result_set(result, text, (size_t)sprintf(text, "%u", number));
}

static ct_status add_seven(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self, (void)args;
  ct_key_int(key, 7);
  return CT_OK;
}

static void *call_in_crowd(void *user_data) {
  crowd *it = user_data;
  const unsigned me = atomic_fetch_add(&it->next, 1);
  atomic_fetch_add(&it->arrived, 1);
  ct_value value;
  it->statuses[me] = ct_memo_call(it->memo, NULL, NULL, &value);
  if (value.size < sizeof(it->answers[me])) memcpy(it->answers[me], value.data, value.size);
  ct_value_release(&value);
  return NULL;
}

static void run_crowd(crowd *it, uint32_t flags) {
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  const ct_options own = own_options(CT_POLICY_LRU, 8);
  options.user_data = it;
  options.fn = compute_in_crowd;
  options.key = add_seven;
  options.own = &own;
  options.flags = flags;
  assert_status(CT_OK, ct_memo_new(&options, &it->memo));
  assert_int_equal(0, pthread_barrier_init(&it->together, NULL, kThreads));
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; i++)
    assert_int_equal(0, pthread_create(&threads[i], NULL, call_in_crowd, it));
  for (int i = 0; i < kThreads; i++) assert_int_equal(0, pthread_join(threads[i], NULL));
  pthread_barrier_destroy(&it->together);
  for (int i = 0; i < kThreads; i++) {
    assert_status(CT_OK, it->statuses[i]);
    assert_string_equal(it->answers[0], it->answers[i]);
  }
}

MEMO_TEST(threads_that_ask_at_once_call_the_function_once) {
  crowd it = {.expected = kThreads};
  run_crowd(&it, 0);
  assert_int_equal(1, it.computed);
  assert_string_equal("0", it.answers[0]);
  assert_info(it.memo, NULL, kThreads - 1, 1, 8, 1);
  ct_memo_free(it.memo);
}

/* The function returns only when all are in it at once. */
MEMO_TEST(racing_threads_all_call_and_agree) {
  crowd it = {.expected = 0};
  run_crowd(&it, CT_MEMO_RACE);
  assert_int_equal(kThreads, it.computed);
  assert_info(it.memo, NULL, 0, kThreads, 8, 1);
  ct_memo_free(it.memo);
}

/* ---- Shared caches -------------------------------------------------------------------------- */

MEMO_TEST(prefixes_set_memos_apart) {
  static const char *const kPrefixes[] = {"", "a", "ab", "b"};
  enum { kMemos = 4 };
  ct_cache *cache = any_cache(100);
  ct_memo *memos[kMemos];
  for (int i = 0; i < kMemos; i++) memos[i] = memo_in(cache, kPrefixes[i]);
  char expected[2] = "0";
  for (int i = 0; i < kMemos; i++, expected[0]++) assert_call(expected, memos[i], NULL, INT(1));
  expected[0] = '0';
  for (int i = 0; i < kMemos; i++, expected[0]++) assert_call(expected, memos[i], NULL, INT(1));
  for (int i = 0; i < kMemos; i++) {
    assert_info(memos[i], NULL, 1, 1, 100, kMemos);
    assert_ptr_equal(cache, ct_memo_cache(memos[i], NULL));
  }
  assert_status(CT_OK, ct_memo_invalidate(memos[1], NULL, INT(1)));
  for (int i = 0; i < kMemos; i++) assert_int_equal(i != 1, keeps(memos[i], NULL, INT(1)));
  for (int i = 0; i < kMemos; i++) ct_memo_free(memos[i]);
  assert_int_equal(kMemos - 1, ct_len(cache));
  ct_cache_free(cache);
}

MEMO_TEST(memos_of_one_prefix_share_results) {
  ct_cache *cache = any_cache(100);
  ct_memo *one = memo_in(cache, "p");
  ct_memo *other = memo_in(cache, "p");
  assert_call("0", one, NULL, INT(1));
  assert_call("0", other, NULL, INT(1));
  assert_info(one, NULL, 0, 1, 100, 1);
  assert_info(other, NULL, 1, 0, 100, 1);
  ct_memo_free(one);
  ct_memo_free(other);
  ct_cache_free(cache);
}

MEMO_TEST(clear_empties_others_too_and_zeroes_only_its_own_counts) {
  ct_cache *cache = any_cache(100);
  ct_memo *one = memo_in(cache, "1");
  ct_memo *other = memo_in(cache, "2");
  assert_call("0", one, NULL, INT(1));
  assert_call("1", other, NULL, INT(1));
  assert_status(CT_OK, ct_memo_clear(one, NULL));
  assert_info(one, NULL, 0, 0, 100, 0);
  assert_info(other, NULL, 0, 1, 100, 0);
  ct_memo_free(one);
  ct_memo_free(other);
  ct_cache_free(cache);
}

MEMO_TEST(prefix_and_options_are_copied) {
  ct_cache *cache = any_cache(100);
  char prefix[] = "p";
  ct_memo_options options = memo_options();
  options.cache = cache;
  options.prefix = prefix;
  options.prefix_size = 1;
  ct_memo *one = new_memo(&options);
  prefix[0] = 'q';
  memset(&options, 0xa5, sizeof(options));
  ct_memo *other = memo_in(cache, "p");
  assert_call("0", one, NULL, INT(1));
  assert_call("0", other, NULL, INT(1));
  ct_memo_free(one);
  ct_memo_free(other);
  ct_cache_free(cache);
}

static const char kZeros[95];

static ct_status imitate_prefix(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  ct_key_int(key, 0);
  ct_key_bytes(key, kZeros, sizeof(kZeros));
  ct_key_int(key, ((const argument *)args)->integer);
  return CT_OK;
}

/* Once, methods without a prefix stored bare keys, and a prefix of the right length, here that of
 * the letter that begins an integer, made another memo's keys equal to them. */
MEMO_TEST(no_prefix_beside_one_that_looks_like_a_key) {
  char prefix['i'] = {0, 0, 0, 0, 0, 'x', (char)sizeof(kZeros)};
  object both = {any_cache(8)};
  ct_memo_options options = memo_options();
  options.cache_of = cache_of_object;
  options.key = imitate_prefix;
  ct_memo *without = new_memo(&options);
  options.key = add_argument;
  options.prefix = prefix;
  options.prefix_size = sizeof(prefix);
  ct_memo *with = new_memo(&options);
  assert_call("0", without, &both, INT(1));
  assert_call("1", with, &both, INT(1));
  ct_memo_free(without);
  ct_memo_free(with);
  ct_cache_free(both.cache);
}

/* ---- Objects -------------------------------------------------------------------------------- */

MEMO_TEST(each_object_has_its_results) {
  object one = {any_cache(2)};
  object other = {any_cache(3)};
  ct_memo *memo = method_memo(0);
  assert_call("0", memo, &one, INT(1));
  assert_call("1", memo, &other, INT(1));
  assert_call("0", memo, &one, INT(1));
  assert_ptr_equal(one.cache, ct_memo_cache(memo, &one));
  assert_ptr_equal(other.cache, ct_memo_cache(memo, &other));
  assert_info(memo, &one, 1, 1, 2, 1);
  assert_info(memo, &other, 0, 1, 3, 1);
  assert_status(CT_OK, ct_memo_clear(memo, &one));
  assert_info(memo, &one, 0, 0, 2, 0);
  assert_info(memo, &other, 0, 1, 3, 1);
  assert_status(CT_OK, ct_memo_invalidate(memo, &other, INT(1)));
  assert_info(memo, &other, 0, 1, 3, 0);
  ct_memo_free(memo);
  ct_cache_free(one.cache);
  ct_cache_free(other.cache);
}

MEMO_TEST(object_without_cache_is_invalid) {
  object none = {NULL};
  ct_memo *memo = method_memo(0);
  assert_call_fails(CT_ERR_INVALID, memo, &none, INT(1));
  assert_status(CT_ERR_INVALID, ct_memo_invalidate(memo, &none, INT(1)));
  assert_status(CT_ERR_INVALID, ct_memo_clear(memo, &none));
  ct_cache_info info = CT_CACHE_INFO_INIT;
  info.hits = info.misses = info.maxsize = info.currsize = 77;
  assert_status(CT_ERR_INVALID, ct_memo_info(memo, &none, &info));
  const ct_cache_info empty = CT_CACHE_INFO_INIT;
  assert_memory_equal(&empty, &info, sizeof(info));
  assert_null(ct_memo_cache(memo, &none));
  assert_int_equal(0, w.calls);
  assert_int_equal(0, w.keys);
  assert_true(w.lookups >= 5);
  ct_memo_free(memo);
}

MEMO_TEST(forgotten_object_keeps_its_results) {
  object one = {any_cache(2)};
  ct_memo *memo = method_memo(0);
  assert_call("0", memo, &one, INT(1));
  ct_memo_forget(memo, &one);
  assert_info(memo, &one, 0, 0, 2, 1);
  assert_call("0", memo, &one, INT(1));
  assert_info(memo, &one, 1, 0, 2, 1);
  ct_memo_forget(memo, &w); /* never called on */
  ct_memo_free(memo);
  ct_cache_free(one.cache);
}

MEMO_TEST(counts_of_many_objects_stay_apart) {
  enum { kObjects = 500, kSteps = 20000 };
  static object objects[kObjects];
  static uint64_t hits[kObjects];
  static uint64_t misses[kObjects];
  memset(hits, 0, sizeof(hits));
  memset(misses, 0, sizeof(misses));
  ct_cache *cache = any_cache(CT_UNBOUNDED);
  for (int i = 0; i < kObjects; i++) objects[i].cache = cache;
  ct_memo *memo = method_memo(0);
  uint64_t random = test_seed();
  for (int step = 0; step < kSteps; step++) {
    const uint64_t i = test_random_below(&random, kObjects);
    const int64_t number = (int64_t)test_random_below(&random, kSteps / 2);
    switch (test_random_below(&random, 5)) {
      case 0:
        ct_memo_forget(memo, &objects[i]);
        hits[i] = misses[i] = 0;
        break;
      default: {
        const bool kept = keeps(memo, &objects[i], INT(number));
        (kept ? hits : misses)[i]++;
        assert_status(CT_OK, ct_memo_call(memo, &objects[i], INT(number), NULL));
      }
    }
  }
  for (int i = 0; i < kObjects; i++)
    assert_info(memo, &objects[i], hits[i], misses[i], CT_UNBOUNDED, ct_len(cache));
  ct_memo_free(memo);
  ct_cache_free(cache);
}

static ct_status add_reference_call(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  const bool real = *(const bool *)args;
  for (int64_t i = 1; i <= 3; i++) {
    if (real)
      ct_key_double(key, (double)i);
    else
      ct_key_int(key, i);
  }
  ct_key_name(key, "x", 1);
  ct_key_int(key, 0);
  return CT_OK;
}

static bool one_key(ct_memo *memo, void *self, bool real, void *other_self, bool other_real) {
  ct_key *keys[2] = {ct_key_new(0), ct_key_new(CT_KEY_TYPED)};
  ct_bytes bytes[2];
  assert_status(CT_OK, ct_memo_key(memo, self, &real, keys[0]));
  assert_status(CT_OK, ct_memo_key(memo, other_self, &other_real, keys[1]));
  for (int i = 0; i < 2; i++)
    assert_status(CT_OK, ct_key_data(keys[i], &bytes[i].data, &bytes[i].size));
  const bool equal =
      bytes[0].size == bytes[1].size && memcmp(bytes[0].data, bytes[1].data, bytes[0].size) == 0;
  ct_key_free(keys[0]);
  ct_key_free(keys[1]);
  return equal;
}

/* The builder's own type does not count either, it takes the memo's. */
MEMO_TEST(object_is_no_part_of_the_key) {
  const ct_options own = own_options(CT_POLICY_LRU, 8);
  object x;
  object y;
  for (int typed = 0; typed < 2; typed++) {
    ct_memo_options options = memo_options();
    options.own = &own;
    options.key = add_reference_call;
    options.flags = typed ? CT_MEMO_TYPED : 0;
    ct_memo *memo = new_memo(&options);
    assert_true(one_key(memo, &x, false, &y, false));
    assert_true(one_key(memo, &x, true, &y, true));
    assert_int_equal(!typed, one_key(memo, &x, false, &y, true));
    ct_memo_free(memo);
  }
}

/* ---- No cache ------------------------------------------------------------------------------- */

MEMO_TEST(pass_through_calls_every_time) {
  for (uint32_t flags = 0; flags <= CT_MEMO_RACE; flags += CT_MEMO_RACE) {
    begin_anew();
    ct_memo_options options = memo_options();
    options.flags = flags;
    ct_memo *memo = new_memo(&options);
    ct_cache_info info = info_from(memo, NULL);
    assert_int_equal(CT_INFO_NO_CACHE, info.flags);
    assert_info(memo, NULL, 0, 0, 0, 0);
    assert_call("0", memo, NULL, INT(1));
    assert_call("1", memo, NULL, INT(1));
    assert_info(memo, NULL, 0, 2, 0, 0);
    assert_null(ct_memo_cache(memo, NULL));
    assert_status(CT_MISS, ct_memo_invalidate(memo, NULL, INT(1)));
    assert_status(CT_OK, ct_memo_clear(memo, NULL));
    assert_info(memo, NULL, 0, 0, 0, 0);
    ct_memo_free(memo);
  }
}

/* It would fit into no room at all. */
MEMO_TEST(pass_through_result_of_no_weight_is_not_kept) {
  const ct_memo_options options = memo_options();
  ct_memo *memo = new_memo(&options);
  w.weightless = true;
  assert_call("0", memo, NULL, INT(1));
  assert_call("1", memo, NULL, INT(1));
  ct_memo_free(memo);
}

MEMO_TEST(pass_through_hands_failures_on) {
  const ct_memo_options options = memo_options();
  ct_memo *memo = new_memo(&options);
  w.answer = (ct_status)-2000;
  assert_call_fails(w.answer, memo, NULL, INT(1));
  assert_info(memo, NULL, 0, 1, 0, 0);
  ct_memo_free(memo);
}

MEMO_TEST(pass_through_may_call_itself) {
  const ct_memo_options options = memo_options();
  ct_memo *memo = new_memo(&options);
  w.inside = call_again;
  assert_call("0", memo, NULL, INT(1));
  assert_status(CT_OK, w.noted);
  assert_info(memo, NULL, 0, 2, 0, 0);
  ct_memo_free(memo);
}

MEMO_TEST(pass_through_result_outlives_its_memo) {
  const ct_memo_options options = memo_options();
  ct_memo *memo = new_memo(&options);
  w.size = 500;
  ct_value value;
  assert_status(CT_OK, ct_memo_call(memo, NULL, INT(1), &value));
  ct_memo_free(memo);
  assert_int_equal(500, value.size);
  assert_memory_equal("0...", value.data, 4);
  ct_value_release(&value);
}

/* ---- Keys and single results ---------------------------------------------------------------- */

MEMO_TEST(key_tells_what_a_result_is_stored_under) {
  ct_cache *cache = any_cache(8);
  ct_memo *memo = memo_in(cache, "name");
  ct_key *key = ct_key_new(0);
  assert_non_null(key);
  ct_key_tuple_end(key); /* a mistake before it is forgotten */
  assert_call("0", memo, NULL, INT(5));
  assert_status(CT_OK, ct_memo_key(memo, NULL, INT(5), key));
  ct_bytes bytes;
  assert_status(CT_OK, ct_key_data(key, &bytes.data, &bytes.size));
  static const char kExpected[] =
      "\x04\0\0\0name"
      "i\x05\0\0\0\0\0\0\0";
  assert_int_equal(sizeof(kExpected) - 1, bytes.size);
  assert_memory_equal(kExpected, bytes.data, bytes.size);
  ct_value value;
  assert_status(CT_OK, ct_peek(cache, bytes.data, bytes.size, &value));
  assert_value("0", value);
  ct_value_release(&value);
  ct_key_free(key);
  ct_memo_free(memo);
  ct_cache_free(cache);
}

MEMO_TEST(own_cache_without_prefix_stores_the_bare_key) {
  ct_memo *memo = usual_memo(CT_MEMO_TYPED);
  assert_call("0", memo, NULL, INT(5));
  static const char kExpected[] = "Ii\x05\0\0\0\0\0\0\0";
  assert_true(ct_contains(ct_memo_cache(memo, NULL), kExpected, sizeof(kExpected) - 1));
  ct_memo_free(memo);
}

MEMO_TEST(result_set_by_hand_answers_a_call) {
  ct_memo *memo = usual_memo(0);
  ct_key *key = ct_key_new(0);
  ct_bytes bytes;
  assert_status(CT_OK, ct_memo_key(memo, NULL, INT(5), key));
  assert_status(CT_OK, ct_key_data(key, &bytes.data, &bytes.size));
  assert_status(CT_OK, ct_set(ct_memo_cache(memo, NULL), bytes.data, bytes.size, "set", 3));
  assert_call("set", memo, NULL, INT(5));
  assert_int_equal(0, w.calls);
  ct_key_free(key);
  ct_memo_free(memo);
}

MEMO_TEST(invalidated_result_is_computed_again) {
  ct_memo *memo = usual_memo(0);
  assert_status(CT_MISS, ct_memo_invalidate(memo, NULL, INT(1)));
  assert_call("0", memo, NULL, INT(1));
  assert_call("1", memo, NULL, INT(2));
  assert_status(CT_OK, ct_memo_invalidate(memo, NULL, REAL(1.0)));
  assert_status(CT_MISS, ct_memo_invalidate(memo, NULL, INT(1)));
  assert_call("2", memo, NULL, INT(1));
  assert_call("1", memo, NULL, INT(2));
  assert_info(memo, NULL, 1, 3, 128, 2);
  ct_memo_free(memo);
}

static ct_status add_long_key(void *user_data, void *self, const void *args, ct_key *key) {
  char text[1000];
  memset(text, 'x', sizeof(text));
  ct_key_text(key, text, sizeof(text));
  return add_argument(user_data, self, args, key);
}

MEMO_TEST(long_keys_are_told_apart_to_the_end) {
  const ct_options own = own_options(CT_POLICY_LRU, 8);
  ct_memo_options options = memo_options();
  options.own = &own;
  options.key = add_long_key;
  ct_memo *memo = new_memo(&options);
  assert_call("0", memo, NULL, INT(1));
  assert_call("1", memo, NULL, INT(2));
  assert_call("0", memo, NULL, INT(1));
  ct_memo_free(memo);
}

/* ---- Memory --------------------------------------------------------------------------------- */

MEMO_TEST(all_memory_comes_from_the_own_caches_allocator) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_options own = own_options(CT_POLICY_LRU, 8);
  own.allocator = &allocator.hooks;
  ct_memo_options options = memo_options();
  options.own = &own;
  options.key = add_long_key;
  ct_memo *memo = new_memo(&options);
  const int64_t before = allocator.calls;
  w.size = 600;
  ct_value value;
  assert_status(CT_OK, ct_memo_call(memo, NULL, INT(1), &value));
  assert_true(allocator.calls > before);
  ct_memo_free(memo);
  assert_true(allocator.blocks > 0);
  ct_value_release(&value);
  assert_int_equal(0, allocator.blocks);
  assert_int_equal(0, allocator.bytes);
}

/* Each allocation fails in turn, until none is left to fail. */
MEMO_TEST(failed_allocation_is_told_and_leaves_nothing_behind) {
  for (uint32_t flags = 0; flags <= CT_MEMO_RACE; flags += CT_MEMO_RACE) {
    bool failed = true;
    for (int64_t fail_at = 0; failed; fail_at++) {
      assert_true(fail_at < 1000);
      begin_anew();
      test_allocator allocator;
      test_allocator_init(&allocator);
      allocator.fail_at = fail_at;
      ct_options own = own_options(CT_POLICY_LRU, 8);
      own.allocator = &allocator.hooks;
      ct_memo_options options = memo_options();
      options.own = &own;
      options.key = add_long_key;
      options.flags = flags;
      w.size = 600;
      ct_memo *memo = (ct_memo *)&w;
      ct_status status = ct_memo_new(&options, &memo);
      if (status != CT_OK) {
        assert_status(CT_ERR_NOMEM, status);
        assert_null(memo);
      }
      for (int i = 0; memo != NULL && i < 3; i++) {
        ct_value value = poisoned_value();
        status = ct_memo_call(memo, NULL, INT(i), &value);
        if (status != CT_OK) {
          assert_status(CT_ERR_NOMEM, status);
          assert_holds_nothing(value);
          assert_false(keeps(memo, NULL, INT(i)));
          assert_status(CT_OK, ct_memo_call(memo, NULL, INT(i), &value));
        }
        assert_int_equal(600, value.size);
        ct_value_release(&value);
        assert_true(keeps(memo, NULL, INT(i)));
      }
      failed = allocator.failed > 0;
      ct_memo_free(memo);
      assert_int_equal(0, allocator.blocks);
    }
  }
}

/* A hit of an object that was not seen before needs room for its counts. */
MEMO_TEST(hit_that_cannot_be_counted_is_no_memory) {
  enum { kObjects = 40 };
  object objects[kObjects];
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_options own = own_options(CT_POLICY_LRU, 8);
  own.allocator = &allocator.hooks;
  ct_memo *memo = memo_with_own(&own, 0);
  assert_call("0", memo, NULL, INT(1));
  allocator.fail_on = true;
  for (int i = 0; i < kObjects; i++) {
    allocator.fail_at = allocator.calls;
    ct_value value = poisoned_value();
    const ct_status status = ct_memo_call(memo, &objects[i], INT(1), &value);
    allocator.fail_at = -1;
    if (status == CT_OK) {
      ct_value_release(&value);
    } else {
      assert_status(CT_ERR_NOMEM, status);
      assert_holds_nothing(value);
      assert_call("0", memo, &objects[i], INT(1));
    }
    assert_info(memo, &objects[i], 1, 0, 8, 1);
  }
  assert_true(allocator.failed > 0);
  ct_memo_free(memo);
  assert_int_equal(0, allocator.blocks);
}

/* ---- Bad input ------------------------------------------------------------------------------ */

static void assert_no_memo(const ct_memo_options *options) {
  ct_memo *memo = (ct_memo *)&w;
  assert_status(CT_ERR_INVALID, ct_memo_new(options, &memo));
  assert_null(memo);
}

MEMO_TEST(memo_without_function_or_key_is_invalid) {
  ct_memo_options options = memo_options();
  options.fn = NULL;
  assert_no_memo(&options);
  options = memo_options();
  options.key = NULL;
  assert_no_memo(&options);
  assert_no_memo(NULL);
  options = memo_options();
  assert_status(CT_ERR_INVALID, ct_memo_new(&options, NULL));
}

MEMO_TEST(memo_with_two_caches_is_invalid) {
  ct_cache *cache = any_cache(8);
  const ct_options own = own_options(CT_POLICY_LRU, 8);
  for (int which = 0; which < 8; which++) {
    ct_memo_options options = memo_options();
    if (which & 1) options.cache = cache;
    if (which & 2) options.cache_of = cache_of_object;
    if (which & 4) options.own = &own;
    if (which == 3 || which >= 5) assert_no_memo(&options);
  }
  ct_cache_free(cache);
}

MEMO_TEST(memo_with_bad_own_options_is_invalid) {
  ct_memo_options options = memo_options();
  ct_options own = own_options(CT_POLICY_LRU, 8);
  options.own = &own;
  own.policy = 60;
  assert_no_memo(&options);
  own = own_options(CT_POLICY_LRU, 8);
  own.shards = 3;
  assert_no_memo(&options);
  own = own_options(CT_POLICY_LRU, 8);
  own.struct_size = 8;
  assert_no_memo(&options);
  own = own_options(CT_POLICY_TTL, 8);
  own.ttl = 0;
  assert_no_memo(&options);
}

MEMO_TEST(memo_with_unknown_flag_or_reserved_field_is_invalid) {
  ct_memo_options options = memo_options();
  options.flags = 4;
  assert_no_memo(&options);
  options.flags = 0x80000000u | CT_MEMO_TYPED;
  assert_no_memo(&options);
  options = memo_options();
  options.reserved = 1;
  assert_no_memo(&options);
}

MEMO_TEST(memo_with_prefix_that_cannot_be_read_is_invalid) {
  ct_memo_options options = memo_options();
  options.prefix_size = 1;
  assert_no_memo(&options);
}

MEMO_TEST(memo_options_of_other_sizes) {
  struct {
    ct_memo_options known;
    unsigned char tail[16];
  } newer;
  memset(&newer, 0, sizeof(newer));
  newer.known = memo_options();
  newer.known.struct_size = sizeof(newer);
  ct_memo_free(new_memo(&newer.known));
  newer.tail[15] = 1;
  assert_no_memo(&newer.known);
  ct_memo_options options = memo_options();
  options.struct_size = sizeof(options) - 1;
  assert_no_memo(&options);
  options.struct_size = 0;
  assert_no_memo(&options);
}

MEMO_TEST(info_of_other_sizes) {
  ct_memo *memo = usual_memo(0);
  assert_call("0", memo, NULL, INT(1));
  struct {
    ct_cache_info known;
    unsigned char tail[16];
  } newer;
  memset(&newer, 0, sizeof(newer));
  newer.known.struct_size = sizeof(newer);
  assert_status(CT_OK, ct_memo_info(memo, NULL, &newer.known));
  assert_int_equal(sizeof(newer), newer.known.struct_size);
  assert_int_equal(1, newer.known.misses);
  ct_cache_info info = CT_CACHE_INFO_INIT;
  info.struct_size = sizeof(info) - 1;
  assert_status(CT_ERR_INVALID, ct_memo_info(memo, NULL, &info));
  assert_status(CT_ERR_INVALID, ct_memo_info(memo, NULL, NULL));
  ct_memo_free(memo);
}

MEMO_TEST(initializers_equal_their_functions) {
  const ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  ct_memo_options options_set;
  memset(&options_set, 0xa5, sizeof(options_set));
  ct_memo_options_init(&options_set, sizeof(options_set));
  assert_memory_equal(&options, &options_set, sizeof(options));
  const ct_cache_info info = CT_CACHE_INFO_INIT;
  ct_cache_info info_set;
  memset(&info_set, 0xa5, sizeof(info_set));
  ct_cache_info_init(&info_set, sizeof(info_set));
  assert_memory_equal(&info, &info_set, sizeof(info));
  ct_options own = CT_OPTIONS_INIT;
  own.maxsize = 128;
  ct_options own_set;
  memset(&own_set, 0xa5, sizeof(own_set));
  ct_memo_own_default(&own_set, sizeof(own_set));
  assert_memory_equal(&own, &own_set, sizeof(own));
  ct_memo_options_init(NULL, sizeof(options));
  ct_cache_info_init(NULL, sizeof(info));
  ct_memo_own_default(NULL, sizeof(own));
}

MEMO_TEST(null_memo_is_invalid) {
  assert_call_fails(CT_ERR_INVALID, NULL, NULL, INT(1));
  ct_key *key = ct_key_new(0);
  assert_status(CT_ERR_INVALID, ct_memo_key(NULL, NULL, INT(1), key));
  assert_status(CT_ERR_INVALID, ct_memo_invalidate(NULL, NULL, INT(1)));
  assert_status(CT_ERR_INVALID, ct_memo_clear(NULL, NULL));
  assert_null(ct_memo_cache(NULL, NULL));
  ct_cache_info info = CT_CACHE_INFO_INIT;
  info.hits = 77;
  assert_status(CT_ERR_INVALID, ct_memo_info(NULL, NULL, &info));
  assert_int_equal(0, info.hits);
  ct_memo_forget(NULL, NULL);
  ct_memo_free(NULL);
  ct_memo *memo = usual_memo(0);
  assert_status(CT_ERR_INVALID, ct_memo_key(memo, NULL, INT(1), NULL));
  ct_memo_free(memo);
  ct_key_free(key);
}

/* ---- As the reference's cached -------------------------------------------------------------- */

/* A cache of two entries, and one without limit. */
static const uint64_t kLimits[] = {2, CT_UNBOUNDED};

MEMO_TEST(cached_call_keeps_one_result_for_equal_arguments) {
  for (int i = 0; i < 2; i++) {
    begin_anew();
    ct_cache *cache = any_cache(kLimits[i]);
    ct_memo *memo = memo_in(cache, "");
    assert_int_equal(0, ct_len(cache));
    assert_call("0", memo, NULL, INT(0));
    assert_int_equal(1, ct_len(cache));
    assert_true(keeps(memo, NULL, INT(0)));
    assert_false(keeps(memo, NULL, INT(1)));
    assert_false(keeps(memo, NULL, REAL(1.0)));
    assert_call("1", memo, NULL, INT(1));
    assert_true(keeps(memo, NULL, INT(0)));
    assert_true(keeps(memo, NULL, INT(1)));
    assert_true(keeps(memo, NULL, REAL(1.0)));
    assert_call("1", memo, NULL, INT(1));
    assert_call("1", memo, NULL, REAL(1.0));
    assert_call("1", memo, NULL, REAL(1.0));
    assert_int_equal(2, ct_len(cache));
    ct_memo_free(memo);
    ct_cache_free(cache);
  }
}

MEMO_TEST(cached_typed_call_keeps_types_apart) {
  static const uint64_t kTypedLimits[] = {3, CT_UNBOUNDED};
  for (int i = 0; i < 2; i++) {
    begin_anew();
    ct_cache *cache = any_cache(kTypedLimits[i]);
    ct_memo_options options = memo_options();
    options.cache = cache;
    options.flags = CT_MEMO_TYPED;
    ct_memo *memo = new_memo(&options);
    assert_call("0", memo, NULL, INT(0));
    assert_true(keeps(memo, NULL, INT(0)));
    assert_false(keeps(memo, NULL, INT(1)));
    assert_call("1", memo, NULL, INT(1));
    assert_true(keeps(memo, NULL, INT(1)));
    assert_false(keeps(memo, NULL, REAL(1.0)));
    assert_call("1", memo, NULL, INT(1));
    assert_int_equal(2, ct_len(cache));
    assert_call("2", memo, NULL, REAL(1.0));
    assert_int_equal(3, ct_len(cache));
    assert_call("2", memo, NULL, REAL(1.0));
    assert_call("1", memo, NULL, INT(1));
    assert_int_equal(3, ct_len(cache));
    ct_memo_free(memo);
    ct_cache_free(cache);
  }
}

/* The function itself is still there to be called: only with a result of its own to fill in, which
 * a loader has. */
static ct_status call_directly(void *user_data, const void *key, size_t key_size,
                               ct_result *result) {
  (void)key, (void)key_size;
  ct_result_discard(result);
  return count_calls(user_data, NULL, INT(0), result);
}

MEMO_TEST(cached_function_called_directly_leaves_the_cache_alone) {
  ct_cache *cache = any_cache(2);
  ct_memo *memo = memo_in(cache, "");
  ct_value value;
  assert_status(CT_OK, ct_get_or_load(cache, "x", 1, call_directly, &w, &value));
  assert_value("0", value);
  ct_value_release(&value);
  assert_int_equal(0, ct_len(cache));
  assert_call("1", memo, NULL, INT(0));
  assert_call("1", memo, NULL, INT(0));
  assert_int_equal(1, ct_len(cache));
  ct_memo_free(memo);
  ct_cache_free(cache);
}

MEMO_TEST(cached_memo_tells_cache_and_key) {
  ct_cache *cache = any_cache(2);
  ct_memo *memo = memo_in(cache, "");
  assert_ptr_equal(cache, ct_memo_cache(memo, NULL));
  assert_call("0", memo, NULL, INT(42));
  assert_true(keeps(memo, NULL, INT(42)));
  ct_memo_free(memo);
  ct_cache_free(cache);
}

MEMO_TEST(cached_clear_empties_the_cache) {
  for (int i = 0; i < 2; i++) {
    begin_anew();
    ct_cache *cache = any_cache(kLimits[i]);
    ct_memo *memo = memo_in(cache, "");
    assert_call("0", memo, NULL, INT(0));
    assert_int_equal(1, ct_len(cache));
    assert_status(CT_OK, ct_memo_clear(memo, NULL));
    assert_int_equal(0, ct_len(cache));
    ct_memo_free(memo);
    ct_cache_free(cache);
  }
}

MEMO_TEST(cached_info_counts_hits_and_misses) {
  for (int i = 0; i < 2; i++) {
    begin_anew();
    ct_cache *cache = any_cache(kLimits[i]);
    ct_memo *memo = memo_in(cache, "");
    assert_info(memo, NULL, 0, 0, kLimits[i], 0);
    assert_call("0", memo, NULL, INT(0));
    assert_info(memo, NULL, 0, 1, kLimits[i], 1);
    assert_call("1", memo, NULL, INT(1));
    assert_info(memo, NULL, 0, 2, kLimits[i], 2);
    assert_call("0", memo, NULL, INT(0));
    assert_info(memo, NULL, 1, 2, kLimits[i], 2);
    assert_status(CT_OK, ct_memo_clear(memo, NULL));
    assert_int_equal(0, ct_len(cache));
    assert_info(memo, NULL, 0, 0, kLimits[i], 0);
    ct_memo_free(memo);
    ct_cache_free(cache);
  }
}

MEMO_TEST(cached_without_room_counts_misses) {
  ct_cache *cache = any_cache(0);
  ct_memo *memo = memo_in(cache, "");
  assert_info(memo, NULL, 0, 0, 0, 0);
  assert_call("0", memo, NULL, INT(0));
  assert_int_equal(0, ct_len(cache));
  assert_info(memo, NULL, 0, 1, 0, 0);
  ct_memo_free(memo);
  ct_cache_free(cache);
}

/* ---- As the reference's cachedmethod -------------------------------------------------------- */

MEMO_TEST(method_keeps_one_result_for_equal_arguments) {
  for (int i = 0; i < 2; i++) {
    begin_anew();
    object self = {any_cache(kLimits[i])};
    ct_memo *memo = method_memo(0);
    assert_call("0", memo, &self, INT(0));
    assert_call("1", memo, &self, INT(1));
    assert_call("1", memo, &self, INT(1));
    assert_call("1", memo, &self, REAL(1.0));
    assert_call("1", memo, &self, REAL(1.0));
    assert_status(CT_OK, ct_clear(self.cache));
    assert_call("2", memo, &self, INT(1));
    ct_memo_free(memo);
    ct_cache_free(self.cache);
  }
}

MEMO_TEST(method_typed_keeps_types_apart) {
  object self = {any_cache(3)};
  ct_memo *memo = method_memo(CT_MEMO_TYPED);
  assert_call("0", memo, &self, INT(0));
  assert_call("1", memo, &self, INT(1));
  assert_call("1", memo, &self, INT(1));
  assert_call("2", memo, &self, REAL(1.0));
  assert_call("2", memo, &self, REAL(1.0));
  assert_call("3", memo, &self, REAL(0.0));
  ct_memo_free(memo);
  ct_cache_free(self.cache);
}

MEMO_TEST(method_info_is_per_object) {
  object self = {any_cache(2)};
  object another = {any_cache(2)};
  ct_memo *memo = method_memo(0);
  assert_info(memo, &self, 0, 0, 2, 0);
  assert_call("0", memo, &self, INT(0));
  assert_info(memo, &self, 0, 1, 2, 1);
  assert_call("1", memo, &self, INT(1));
  assert_call("0", memo, &self, INT(0));
  assert_info(memo, &self, 1, 2, 2, 2);
  assert_status(CT_OK, ct_memo_clear(memo, &self));
  assert_int_equal(0, ct_len(self.cache));
  assert_info(memo, &self, 0, 0, 2, 0);
  assert_call("2", memo, &self, INT(0));
  assert_call("2", memo, &self, INT(0));
  assert_info(memo, &self, 1, 1, 2, 1);
  assert_call("3", memo, &another, INT(0));
  assert_info(memo, &another, 0, 1, 2, 1);
  assert_info(memo, &self, 1, 1, 2, 1);
  ct_memo_free(memo);
  ct_cache_free(self.cache);
  ct_cache_free(another.cache);
}

MEMO_TEST(method_clear_empties_the_objects_cache) {
  object self = {any_cache(2)};
  ct_memo *memo = method_memo(0);
  assert_call("0", memo, &self, INT(0));
  assert_int_equal(1, ct_len(self.cache));
  assert_status(CT_OK, ct_memo_clear(memo, &self));
  assert_int_equal(0, ct_len(self.cache));
  ct_memo_free(memo);
  ct_cache_free(self.cache);
}

MEMO_TEST(method_without_room_calls_every_time) {
  object self = {any_cache(0)};
  ct_memo *untyped = method_memo(0);
  ct_memo *typed = method_memo(CT_MEMO_TYPED);
  assert_call("0", untyped, &self, INT(0));
  assert_call("1", untyped, &self, INT(1));
  assert_call("2", untyped, &self, INT(1));
  assert_call("3", untyped, &self, REAL(1.0));
  assert_call("4", untyped, &self, REAL(1.0));
  assert_call("5", typed, &self, INT(0));
  assert_call("6", typed, &self, INT(1));
  assert_call("7", typed, &self, REAL(1.0));
  ct_memo_free(untyped);
  ct_memo_free(typed);
  ct_cache_free(self.cache);
}

MEMO_TEST(method_objects_that_share_a_cache_share_results_not_counts) {
  ct_cache *cache = any_cache(2);
  object one = {cache};
  object other = {cache};
  ct_memo *memo = method_memo(0);
  assert_call("0", memo, &one, INT(0));
  assert_info(memo, &one, 0, 1, 2, 1);
  assert_info(memo, &other, 0, 0, 2, 1);
  assert_call("0", memo, &other, INT(0));
  assert_info(memo, &one, 0, 1, 2, 1);
  assert_info(memo, &other, 1, 0, 2, 1);
  assert_call("0", memo, &one, INT(0));
  assert_info(memo, &one, 1, 1, 2, 1);
  assert_info(memo, &other, 1, 0, 2, 1);
  assert_call("1", memo, &one, INT(1));
  assert_info(memo, &one, 1, 2, 2, 2);
  assert_call("1", memo, &other, INT(1));
  assert_info(memo, &one, 1, 2, 2, 2);
  assert_info(memo, &other, 2, 0, 2, 2);
  ct_memo_free(memo);
  ct_cache_free(cache);
}

/* A weigher: a result weighs what it says. */
static uint64_t weigh_as_told(void *user_data, const void *key, size_t key_size, const void *value,
                              size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value_size;
  return (uint64_t)(*(const char *)value - '0');
}

MEMO_TEST(method_result_too_large_is_not_kept) {
  ct_options options = own_options(CT_POLICY_ANY, 1);
  options.weigher = weigh_as_told;
  object self = {new_cache(&options)};
  ct_memo *memo = method_memo(0);
  assert_call("0", memo, &self, INT(0));
  assert_true(keeps(memo, &self, INT(0)));
  assert_call("1", memo, &self, INT(1));
  assert_true(keeps(memo, &self, INT(1)));
  assert_call("2", memo, &self, INT(2));
  assert_false(keeps(memo, &self, INT(2)));
  assert_true(keeps(memo, &self, INT(1)));
  ct_memo_free(memo);
  ct_cache_free(self.cache);
}

/* ---- As the reference's func ---------------------------------------------------------------- */

static const ct_policy kPolicies[] = {CT_POLICY_FIFO, CT_POLICY_LFU, CT_POLICY_LRU,
                                      CT_POLICY_MRU,  CT_POLICY_RR,  CT_POLICY_TTL};

enum { kPolicyCount = sizeof(kPolicies) / sizeof(kPolicies[0]) };

MEMO_TEST(func_counts_equal_arguments_as_one) {
  static const uint64_t kSizes[] = {2, CT_UNBOUNDED};
  for (int i = 0; i < kPolicyCount; i++)
    for (int j = 0; j < 2; j++) {
      begin_anew();
      ct_memo *memo = memo_of_policy(kPolicies[i], kSizes[j], 0);
      assert_info(memo, NULL, 0, 0, kSizes[j], 0);
      assert_call("0", memo, NULL, INT(1));
      assert_info(memo, NULL, 0, 1, kSizes[j], 1);
      assert_call("0", memo, NULL, INT(1));
      assert_info(memo, NULL, 1, 1, kSizes[j], 1);
      assert_call("0", memo, NULL, REAL(1.0));
      assert_info(memo, NULL, 2, 1, kSizes[j], 1);
      ct_memo_free(memo);
    }
}

MEMO_TEST(func_clear_begins_anew) {
  for (int i = 0; i < kPolicyCount; i++) {
    begin_anew();
    ct_memo *memo = memo_of_policy(kPolicies[i], 2, 0);
    assert_call("0", memo, NULL, INT(1));
    assert_info(memo, NULL, 0, 1, 2, 1);
    assert_status(CT_OK, ct_memo_clear(memo, NULL));
    assert_info(memo, NULL, 0, 0, 2, 0);
    assert_call("1", memo, NULL, INT(1));
    assert_info(memo, NULL, 0, 1, 2, 1);
    ct_memo_free(memo);
  }
}

MEMO_TEST(func_of_no_size_misses_every_time) {
  for (int i = 0; i < kPolicyCount; i++) {
    begin_anew();
    ct_memo *memo = memo_of_policy(kPolicies[i], 0, 0);
    assert_info(memo, NULL, 0, 0, 0, 0);
    assert_call("0", memo, NULL, INT(1));
    assert_call("1", memo, NULL, INT(1));
    assert_call("2", memo, NULL, REAL(1.0));
    assert_info(memo, NULL, 0, 3, 0, 0);
    ct_memo_free(memo);
  }
}

MEMO_TEST(func_typed_counts_types_apart) {
  for (int i = 0; i < kPolicyCount; i++) {
    begin_anew();
    ct_memo *memo = memo_of_policy(kPolicies[i], 2, CT_MEMO_TYPED);
    assert_call("0", memo, NULL, INT(1));
    assert_call("0", memo, NULL, INT(1));
    assert_info(memo, NULL, 1, 1, 2, 1);
    assert_call("1", memo, NULL, REAL(1.0));
    assert_info(memo, NULL, 1, 2, 2, 2);
    assert_call("1", memo, NULL, REAL(1.0));
    assert_info(memo, NULL, 2, 2, 2, 2);
    ct_memo_free(memo);
  }
}

MEMO_TEST(func_default_is_lru_of_128) {
  ct_options own;
  ct_memo_own_default(&own, sizeof(own));
  ct_memo *memo = memo_with_own(&own, 0);
  assert_info(memo, NULL, 0, 0, 128, 0);
  for (int64_t i = 0; i < 128; i++) assert_status(CT_OK, ct_memo_call(memo, NULL, INT(i), NULL));
  assert_call("0", memo, NULL, REAL(0.0));
  assert_call("128", memo, NULL, INT(128));
  assert_info(memo, NULL, 1, 129, 128, 128);
  assert_true(keeps(memo, NULL, INT(0)));
  assert_false(keeps(memo, NULL, INT(1)));
  ct_memo_free(memo);
}
