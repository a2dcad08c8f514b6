/* SPDX-License-Identifier: MIT */
/* The behaviour that the tests of Python's cachetools 7.0.6 demand of decorators and key functions,
 * test by test.
 *
 *   their test                       here
 *   test_cached.py
 *     decorator, _typed              test_cached_..., with a bounded and an unbounded cache
 *     decorator_wrapped              test_cached_function_called_directly_...
 *     decorator_attributes           test_cached_memo_tells_cache_and_key
 *     decorator_clear, _info         test_cached_clear_..., test_cached_info_...
 *     zero_size_cache_decorator*     test_cached_without_room_...
 *     dict: decorator_info           test_cached_info_..., unbounded
 *     None: decorator, _clear, _info test_memo_caches.c: test_pass_through_...
 *     *_lock*, *_condition*          left out where they count uses of a lock, as there is none;
 *                                    for its purpose: test_memo_calls.c: test_threads_...
 *   test_cachedmethod.py
 *     decorator, _typed              test_method_...
 *     decorator_info, _clear         test_method_info_..., test_method_clear_...
 *     decorator_wrapped, _attributes as for cached
 *     decorator_cond_error           test_memo_calls.c: test_failure_...: the second call fails as the
 *                                    first, and ends
 *     nospace, *_nospace             test_method_without_room_...
 *     shared_cache                   test_method_objects_that_share_a_cache_...
 *     value_too_large                test_method_result_too_large_...
 *     None: none_info                test_memo_caches.c: test_object_without_cache_is_invalid
 *     decorator_unhashable           test_method_..., whose objects are mere addresses
 *     _slots, _immutable_dict, _different_names, _no_set_name, autospec
 *                                    left out: about Python's attributes
 *     weakref                        left out: no garbage collector takes results away
 *   test_func.py, for fifo, lfu, lru, rr, ttl and here mru as well
 *     decorator, _clear, _nocache, _unbound, _typed
 *                                    test_func_...
 *     decorator_user_function        test_func_default_...
 *     decorator_needs_rlock          left out: keys are bytes, comparing them calls nobody
 *     cache_parameters               maxsize is ct_memo_info's; typed is what the caller said
 *   test_keys.py
 *     hashkey, typedkey              test_keys.c
 *     methodkey, typedmethodkey      test_memo_caches.c: test_object_is_no_part_of_the_key
 *     unhashable arguments           left out: there are none
 *     addkeys                        left out: keys are no tuples
 *     pickle                         test_keys.c: the bytes, which may be kept, never change */
#include "memo.h"

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

/* The function itself can still be called, but only with a result to fill in, which only a
 * loader has. */
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

enum { kPolicyCount = COUNT_OF(kPolicies) };

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
