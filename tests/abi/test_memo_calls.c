/* SPDX-License-Identifier: MIT */
/* Calls of memoized functions: what is returned and kept, failures, calls within calls, and
 * calls from many threads. */
#include <pthread.h>
#include <sched.h>

#include "memo.h"

/* ---- Calls ---------------------------------------------------------------------------------- */

MEMO_TEST_OF(second_call_is_answered_from_the_cache, usual_memo(0)) {
  assert_call("0", memo, NULL, INT(7));
  assert_call("0", memo, NULL, INT(7));
  assert_call("1", memo, NULL, INT(8));
  assert_int_equal(2, w.calls);
  assert_info(memo, NULL, 1, 2, 128, 2);
}

MEMO_TEST_OF(call_without_out_computes_and_keeps, usual_memo(0)) {
  assert_status(CT_OK, ct_memo_call(memo, NULL, INT(7), NULL));
  assert_status(CT_OK, ct_memo_call(memo, NULL, INT(7), NULL));
  assert_call("0", memo, NULL, INT(7));
  assert_info(memo, NULL, 2, 1, 128, 1);
}

MEMO_TEST(result_outlives_its_memo) {
  ct_memo *memo = usual_memo(0);
  ct_value value;
  assert_status(CT_OK, ct_memo_call(memo, NULL, INT(7), &value));
  ct_memo_free(memo);
  assert_value("0", value);
  ct_value_release(&value);
}

MEMO_TEST_OF(result_evicted_is_computed_again, memo_of_policy(CT_POLICY_LRU, 2, 0)) {
  assert_call("0", memo, NULL, INT(1));
  assert_call("1", memo, NULL, INT(2));
  assert_call("0", memo, NULL, INT(1));
  assert_call("2", memo, NULL, INT(3));
  assert_call("3", memo, NULL, INT(2));
  assert_info(memo, NULL, 1, 4, 2, 2);
}

MEMO_TEST_OF(result_lives_as_long_as_the_cache_says, memo_of_policy(CT_POLICY_TTL, 8, 0)) {
  assert_call("0", memo, NULL, INT(1));
  set_now(&w.f, 599);
  assert_call("0", memo, NULL, INT(1));
  set_now(&w.f, 600);
  assert_call("1", memo, NULL, INT(1));
  assert_info(memo, NULL, 1, 2, 8, 1);
}

MEMO_TEST_OF(result_lives_as_long_as_the_function_says, memo_of_policy(CT_POLICY_TTL, 8, 0)) {
  w.ttl = 5;
  assert_call("0", memo, NULL, INT(1));
  set_now(&w.f, 4);
  assert_call("0", memo, NULL, INT(1));
  set_now(&w.f, 5);
  w.ttl = CT_NEVER;
  assert_call("1", memo, NULL, INT(1));
  set_now(&w.f, 100000);
  assert_call("1", memo, NULL, INT(1));
}

static ct_status pass_time(world *it, void *self, const argument *args) {
  (void)self, (void)args;
  set_now(&it->f, 1000);
  return CT_OK;
}

MEMO_TEST_OF(lifetime_counts_from_the_functions_return, memo_of_policy(CT_POLICY_TTL, 8, 0)) {
  w.inside = pass_time;
  assert_call("0", memo, NULL, INT(1));
  set_now(&w.f, 1599);
  assert_call("0", memo, NULL, INT(1));
  set_now(&w.f, 1600);
  assert_call("1", memo, NULL, INT(1));
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
    for (size_t i = 0; i < COUNT_OF(kAnswers); i++) {
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

/* The function may not return statuses that mean something to the library. */
MEMO_TEST(status_that_is_not_the_functions_is_the_callbacks_fault) {
  for (uint32_t flags = 0; flags <= CT_MEMO_RACE; flags += CT_MEMO_RACE)
    for (size_t i = 0; i <= kReservedForLoaders; i++) {
      const ct_status answer = i < kReservedForLoaders ? kReserved[i] : CT_NOT_STORED;
      ct_memo *memo = usual_memo(flags);
      w.answer = answer;
      assert_call_fails(CT_ERR_CALLBACK, memo, NULL, INT(1));
      assert_info(memo, NULL, 0, 1, 128, 0);
      w.answer = CT_OK;
      w.key_answer = answer;
      assert_call_fails(CT_ERR_CALLBACK, memo, NULL, INT(1));
      w.key_answer = CT_OK;
      ct_memo_free(memo);
    }
}

static ct_status set_nothing(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self, (void)args, (void)result;
  return CT_OK;
}

MEMO_TEST(function_without_result_is_the_callbacks_fault) {
  const ct_options own = own_options(CT_POLICY_LRU, 8);
  ct_memo_options options = memo_options();
  options.own = &own;
  options.fn = set_nothing;
  ct_memo *memo = new_memo(&options);
  assert_call_fails(CT_ERR_CALLBACK, memo, NULL, INT(1));
  assert_info(memo, NULL, 0, 1, 8, 0);
  ct_memo_free(memo);
}

static ct_status not_modified(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self, (void)args;
  ct_result_not_modified(result);
  return CT_OK;
}

/* Where there is nothing that could be renewed, whatever way the memo keeps results. */
MEMO_TEST(nothing_is_not_modified_where_nothing_was_remembered) {
  const ct_options own = own_options(CT_POLICY_LRU, 8);
  const ct_options nothing = own_options(CT_POLICY_LRU, 0);
  for (uint32_t flags = 0; flags <= CT_MEMO_RACE; flags += CT_MEMO_RACE) {
    for (int keeps = 0; keeps < 2; keeps++) {
      ct_memo_options options = memo_options();
      options.own = keeps != 0 ? &own : &nothing;
      options.flags |= flags;
      options.fn = not_modified;
      ct_memo *memo = new_memo(&options);
      assert_call_fails(CT_ERR_CALLBACK, memo, NULL, INT(1));
      ct_memo_free(memo);
    }
  }
}

/* ---- Freshness: the knobs of the memo's own cache -------------------------------------------- */

static void assert_stale(ct_memo *memo, const char *expected) {
  ct_value value = poisoned_value();
  assert_status(CT_STALE, ct_memo_call(memo, NULL, INT(1), &value));
  assert_value(expected, value);
  ct_value_release(&value);
}

/* A call that does not call the function is a hit, also if the result is past its lifetime. */
MEMO_TEST(stale_result_is_a_hit) {
  ct_options own = own_options(CT_POLICY_LRU, 8);
  own.ttl = 100;
  own.stale = 50;
  own.refresh_ahead = 20;
  ct_memo *memo = memo_with_own(&own, 0);
  assert_call("0", memo, NULL, INT(1));
  assert_info(memo, NULL, 0, 1, 8, 1);
  w.answer = CT_ERR_IO;
  set_now(&w.f, 90);
  assert_call("0", memo, NULL, INT(1)); /* its renewal fails */
  assert_info(memo, NULL, 0, 2, 8, 1);
  set_now(&w.f, 99);
  assert_call("0", memo, NULL, INT(1)); /* which pauses renewals */
  assert_info(memo, NULL, 1, 2, 8, 1);
  set_now(&w.f, 120);
  assert_stale(memo, "0");
  assert_info(memo, NULL, 1, 3, 8, 1);
  set_now(&w.f, 129);
  assert_stale(memo, "0");
  assert_info(memo, NULL, 2, 3, 8, 1);
  set_now(&w.f, 150);
  assert_call_fails(CT_ERR_IO, memo, NULL, INT(1));
  assert_info(memo, NULL, 2, 4, 8, 0);
  ct_memo_free(memo);
}

/* That there is no result is remembered, and then a hit. */
MEMO_TEST(remembered_miss_is_a_hit) {
  ct_options own = own_options(CT_POLICY_LRU, 8);
  own.negative_ttl = 10;
  ct_memo *memo = memo_with_own(&own, 0);
  w.answer = CT_MISS;
  assert_call_fails(CT_MISS, memo, NULL, INT(1));
  assert_int_equal(1, w.calls);
  assert_call_fails(CT_MISS, memo, NULL, INT(1));
  assert_int_equal(1, w.calls);
  set_now(&w.f, 10);
  assert_call_fails(CT_MISS, memo, NULL, INT(1));
  assert_int_equal(2, w.calls);
  ct_cache_info info = CT_CACHE_INFO_INIT;
  assert_status(CT_OK, ct_memo_info(memo, NULL, &info));
  assert_int_equal(1, info.hits);
  assert_int_equal(2, info.misses);
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

MEMO_TEST_OF(failing_key_calls_nothing, usual_memo(0)) {
  static const ct_status kAnswers[] = {CT_MISS, CT_ERR_UNSUPPORTED, (ct_status)1234,
                                       (ct_status)-1234};
  ct_key *key = ct_key_new(0);
  assert_non_null(key);
  for (size_t i = 0; i < COUNT_OF(kAnswers); i++) {
    w.key_answer = kAnswers[i];
    ct_value value = poisoned_value();
    assert_int_equal(kAnswers[i], ct_memo_call(memo, NULL, INT(1), &value));
    assert_holds_nothing(value);
    assert_int_equal(kAnswers[i], ct_memo_invalidate(memo, NULL, INT(1)));
    assert_int_equal(kAnswers[i], ct_memo_key(memo, NULL, INT(1), key));
    assert_string_equal("key: the function that adds arguments failed.", ct_key_problem(key));
  }
  assert_int_equal(0, w.calls);
  assert_info(memo, NULL, 0, 0, 128, 0);
  ct_key_free(key);
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

MEMO_TEST_OF(function_that_needs_its_own_result_is_recursion, usual_memo(0)) {
  w.inside = call_again;
  assert_call("0", memo, NULL, INT(1));
  assert_status(CT_ERR_RECURSION, w.noted);
  assert_int_equal(1, w.calls);
  assert_info(memo, NULL, 0, 1, 128, 1);
}

static ct_status call_for_another(world *it, void *self, const argument *args) {
  (void)args;
  return call_again(it, self, INT(99));
}

MEMO_TEST_OF(function_may_call_the_memo_for_others, usual_memo(0)) {
  w.inside = call_for_another;
  assert_call("0", memo, NULL, INT(1));
  assert_status(CT_OK, w.noted);
  assert_call("1", memo, NULL, INT(99));
  assert_info(memo, NULL, 1, 2, 128, 2);
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
MEMO_TEST_OF(race_hands_over_what_was_stored_first, usual_memo(CT_MEMO_RACE)) {
  w.inside = call_again;
  assert_call("1", memo, NULL, INT(1));
  assert_status(CT_OK, w.noted);
  assert_int_equal(2, w.calls);
  assert_call("1", memo, NULL, INT(1));
  assert_info(memo, NULL, 1, 2, 128, 1);
}

static ct_status invalidate_now(world *it, void *self, const argument *args) {
  return ct_memo_invalidate(it->memo, self, args);
}

MEMO_TEST_OF(result_invalidated_while_computed_is_not_kept, usual_memo(0)) {
  w.inside = invalidate_now;
  assert_call("0", memo, NULL, INT(1));
  assert_status(CT_MISS, w.noted);
  assert_false(keeps(memo, NULL, INT(1)));
  assert_call("1", memo, NULL, INT(1));
}

static ct_status clear_now(world *it, void *self, const argument *args) {
  (void)args;
  return ct_memo_clear(it->memo, self);
}

MEMO_TEST_OF(result_cleared_while_computed_is_not_kept, usual_memo(0)) {
  w.inside = clear_now;
  assert_call("0", memo, NULL, INT(1));
  assert_status(CT_OK, w.noted);
  assert_call("1", memo, NULL, INT(1));
}

/* ---- Threads -------------------------------------------------------------------------------- */

enum { kThreads = 8 };

typedef struct crowd {
  ct_memo *memo;
  pthread_barrier_t together;
  atomic_uint arrived;
  atomic_uint computed;
  unsigned expected; /* how many calls must have begun before the function returns */
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

/* The function returns only when all threads are in it at once. */
MEMO_TEST(racing_threads_all_call_and_agree) {
  crowd it = {.expected = 0};
  run_crowd(&it, CT_MEMO_RACE);
  assert_int_equal(kThreads, it.computed);
  assert_info(it.memo, NULL, 0, kThreads, 8, 1);
  ct_memo_free(it.memo);
}
