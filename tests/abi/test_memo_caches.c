/* SPDX-License-Identifier: MIT */
/* Where memos keep results: in shared caches, in caches of objects, or nowhere; under which
 * keys; and how single results are removed. */
#include "memo.h"

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

/* Methods without a prefix once stored bare keys. A prefix of the right length, here the code of
 * the letter that begins an integer, made the keys of another memo equal to them. */
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

MEMO_TEST(object_without_cache_is_the_callbacks_fault) {
  object none = {NULL};
  ct_memo *memo = method_memo(0);
  assert_call_fails(CT_ERR_CALLBACK, memo, &none, INT(1));
  assert_status(CT_ERR_CALLBACK, ct_memo_invalidate(memo, &none, INT(1)));
  assert_status(CT_ERR_CALLBACK, ct_memo_clear(memo, &none));
  ct_cache_info info = CT_CACHE_INFO_INIT;
  info.hits = info.misses = info.maxsize = info.currsize = 77;
  assert_status(CT_ERR_CALLBACK, ct_memo_info(memo, &none, &info));
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
  ct_memo_forget(memo, &w); /* never called on this object */
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

/* The type of the caller's builder does not count either: it takes the memo's. */
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
    ct_memo *memo = pass_through(flags);
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

/* A result of no weight would fit even where there is no room. */
MEMO_TEST_OF(pass_through_result_of_no_weight_is_not_kept, pass_through(0)) {
  w.weightless = true;
  assert_call("0", memo, NULL, INT(1));
  assert_call("1", memo, NULL, INT(1));
}

MEMO_TEST_OF(pass_through_hands_failures_on, pass_through(0)) {
  w.answer = (ct_status)-2000;
  assert_call_fails(w.answer, memo, NULL, INT(1));
  assert_info(memo, NULL, 0, 1, 0, 0);
}

MEMO_TEST_OF(pass_through_may_call_itself, pass_through(0)) {
  w.inside = call_again;
  assert_call("0", memo, NULL, INT(1));
  assert_status(CT_OK, w.noted);
  assert_info(memo, NULL, 0, 2, 0, 0);
}

MEMO_TEST(pass_through_result_outlives_its_memo) {
  ct_memo *memo = pass_through(0);
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
  ct_key_tuple_end(key); /* a mistake that the call forgets */
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

MEMO_TEST_OF(own_cache_without_prefix_stores_the_bare_key, usual_memo(CT_MEMO_TYPED)) {
  assert_call("0", memo, NULL, INT(5));
  static const char kExpected[] = "Ii\x05\0\0\0\0\0\0\0";
  assert_true(ct_contains(ct_memo_cache(memo, NULL), kExpected, sizeof(kExpected) - 1));
}

MEMO_TEST_OF(result_set_by_hand_answers_a_call, usual_memo(0)) {
  ct_key *key = ct_key_new(0);
  ct_bytes bytes;
  assert_status(CT_OK, ct_memo_key(memo, NULL, INT(5), key));
  assert_status(CT_OK, ct_key_data(key, &bytes.data, &bytes.size));
  assert_status(CT_OK, ct_set(ct_memo_cache(memo, NULL), bytes.data, bytes.size, "set", 3));
  assert_call("set", memo, NULL, INT(5));
  assert_int_equal(0, w.calls);
  ct_key_free(key);
}

MEMO_TEST_OF(invalidated_result_is_computed_again, usual_memo(0)) {
  assert_status(CT_MISS, ct_memo_invalidate(memo, NULL, INT(1)));
  assert_call("0", memo, NULL, INT(1));
  assert_call("1", memo, NULL, INT(2));
  assert_status(CT_OK, ct_memo_invalidate(memo, NULL, REAL(1.0)));
  assert_status(CT_MISS, ct_memo_invalidate(memo, NULL, INT(1)));
  assert_call("2", memo, NULL, INT(1));
  assert_call("1", memo, NULL, INT(2));
  assert_info(memo, NULL, 1, 3, 128, 2);
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
