/* SPDX-License-Identifier: MIT */
/* Memos that run out of memory, and arguments that are not allowed. */
#include "memo.h"

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

/* A hit of an object that is new to the memo needs room for the object's counts. */
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

static void assert_no_memo(const char *problem, const ct_memo_options *options) {
  ct_memo *memo = (ct_memo *)&w;
  assert_string_equal(problem, ct_memo_problem(options));
  assert_status(CT_ERR_INVALID, ct_memo_new(options, &memo));
  assert_null(memo);
}

MEMO_TEST(memo_without_function_or_key_is_invalid) {
  ct_memo_options options = memo_options();
  options.fn = NULL;
  assert_no_memo("fn: it is required.", &options);
  options = memo_options();
  options.key = NULL;
  assert_no_memo("key: it is required.", &options);
  assert_no_memo("options: they are NULL.", NULL);
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
    if (which == 3 || which >= 5)
      assert_no_memo("cache, cache_of, own: there is more than one of them.", &options);
    else
      assert_null(ct_memo_problem(&options));
  }
  ct_cache_free(cache);
}

MEMO_TEST(memo_with_bad_own_options_is_invalid) {
  ct_memo_options options = memo_options();
  ct_options own = own_options(CT_POLICY_LRU, 8);
  options.own = &own;
  own.policy = 60;
  assert_no_memo(ct_options_problem(&own), &options);
  own = own_options(CT_POLICY_LRU, 8);
  own.shards = 3;
  assert_no_memo("shards: it is not 0 or a power of two up to 4096.", &options);
  own = own_options(CT_POLICY_LRU, 8);
  own.struct_size = 8;
  assert_no_memo(ct_options_problem(&own), &options);
  own = own_options(CT_POLICY_TTL, 8);
  own.ttl = 0;
  assert_no_memo("ttl: CT_POLICY_TTL requires one above 0.", &options);
}

MEMO_TEST(memo_with_unknown_flag_or_reserved_field_is_invalid) {
  ct_memo_options options = memo_options();
  options.flags = 4;
  assert_no_memo("flags: one of them is not known.", &options);
  options.flags = 0x80000000u | CT_MEMO_TYPED;
  assert_no_memo("flags: one of them is not known.", &options);
  options = memo_options();
  options.reserved = 1;
  assert_no_memo("reserved: it is not 0.", &options);
}

MEMO_TEST(memo_with_prefix_that_cannot_be_read_is_invalid) {
  ct_memo_options options = memo_options();
  options.prefix_size = 1;
  assert_no_memo("prefix: it is NULL, but has a size.", &options);
  if (SIZE_MAX == UINT32_MAX) return;
  options.prefix = unreadable();
  options.prefix_size = SIZE_MAX;
  assert_no_memo("prefix_size: it is 2^32 or more.", &options);
}

MEMO_TEST(memo_options_of_other_sizes) {
  static const char kProblem[] =
      "struct_size: it is not one that this library knows; set it by CT_MEMO_OPTIONS_INIT.";
  NEWER(ct_memo_options) newer;
  memset(&newer, 0, sizeof(newer));
  newer.known = memo_options();
  newer.known.struct_size = sizeof(newer);
  ct_memo_free(new_memo(&newer.known));
  newer.tail[15] = 1;
  assert_no_memo(kProblem, &newer.known);
  ct_memo_options options = memo_options();
  options.struct_size = sizeof(options) - 1;
  assert_no_memo(kProblem, &options);
  options.struct_size = 0;
  assert_no_memo(kProblem, &options);
}

MEMO_TEST_OF(info_of_other_sizes, usual_memo(0)) {
  assert_call("0", memo, NULL, INT(1));
  NEWER(ct_cache_info) newer;
  memset(&newer, 0, sizeof(newer));
  newer.known.struct_size = sizeof(newer);
  assert_status(CT_OK, ct_memo_info(memo, NULL, &newer.known));
  assert_int_equal(sizeof(newer), newer.known.struct_size);
  assert_int_equal(1, newer.known.misses);
  ct_cache_info info = CT_CACHE_INFO_INIT;
  info.struct_size = sizeof(info) - 1;
  assert_status(CT_ERR_INVALID, ct_memo_info(memo, NULL, &info));
  assert_status(CT_ERR_INVALID, ct_memo_info(memo, NULL, NULL));
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
