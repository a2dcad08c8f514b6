/* SPDX-License-Identifier: MIT */
/* Fixed data: initialisers and their functions, names of statuses and policies, the version; and
 * the options that a cache reports as in force. */
#include "fixture.h"

enum { kPoison = 0xa5, kMore = 24 };

static size_t count_bytes(const void *bytes, size_t size, unsigned char byte) {
  size_t count = 0;
  for (size_t i = 0; i < size; i++) count += ((const unsigned char *)bytes)[i] == byte;
  return count;
}

/* Every struct with a size has an initialiser macro and an equal function. */
#define STRUCT_TESTS(type, macro)                                                     \
  TEST(type##_init_equals_its_macro) {                                                \
    type expected = macro;                                                            \
    type actual;                                                                      \
    memset(&actual, kPoison, sizeof(actual));                                         \
    type##_init(&actual, sizeof(actual));                                             \
    assert_memory_equal(&expected, &actual, sizeof(expected));                        \
  }                                                                                   \
  TEST(type##_init_of_older_size_writes_no_more) {                                    \
    for (size_t size = 0; size < sizeof(type); size++) {                              \
      type actual;                                                                    \
      memset(&actual, kPoison, sizeof(actual));                                       \
      type##_init(&actual, size);                                                     \
      size_t rest = sizeof(actual) - size;                                            \
      assert_int_equal(rest, count_bytes((char *)&actual + size, rest, kPoison));     \
      if (size < sizeof(size_t)) continue;                                            \
      assert_int_equal(size, actual.struct_size);                                     \
      rest = size - sizeof(size_t);                                                   \
      assert_int_equal(rest, count_bytes((char *)&actual + sizeof(size_t), rest, 0)); \
    }                                                                                 \
  }                                                                                   \
  TEST(type##_init_of_newer_size_zeroes_all_of_it) {                                  \
    _Alignas(type) unsigned char bytes[sizeof(type) + kMore + 1];                     \
    memset(bytes, kPoison, sizeof(bytes));                                            \
    type *actual = (type *)(void *)bytes;                                             \
    type##_init(actual, sizeof(type) + kMore);                                        \
    assert_int_equal(sizeof(type) + kMore, actual->struct_size);                      \
    size_t rest = sizeof(type) + kMore - sizeof(size_t);                              \
    assert_int_equal(rest, count_bytes(bytes + sizeof(size_t), rest, 0));             \
    assert_int_equal(kPoison, bytes[sizeof(type) + kMore]);                           \
  }

STRUCT_TESTS(ct_options, CT_OPTIONS_INIT)
STRUCT_TESTS(ct_allocator, CT_ALLOCATOR_INIT)
STRUCT_TESTS(ct_policy_ops, CT_POLICY_OPS_INIT)
STRUCT_TESTS(ct_entry_options, CT_ENTRY_OPTIONS_INIT)
STRUCT_TESTS(ct_entry_info, CT_ENTRY_INFO_INIT)
STRUCT_TESTS(ct_stats, CT_STATS_INIT)
STRUCT_TESTS(ct_load_options, CT_LOAD_OPTIONS_INIT)
STRUCT_TESTS(ct_memo_options, CT_MEMO_OPTIONS_INIT)
STRUCT_TESTS(ct_cache_info, CT_CACHE_INFO_INIT)

TEST(init_of_null_does_nothing) {
  ct_options_init(NULL, sizeof(ct_options));
  ct_allocator_init(NULL, sizeof(ct_allocator));
  ct_policy_ops_init(NULL, sizeof(ct_policy_ops));
  ct_entry_options_init(NULL, sizeof(ct_entry_options));
  ct_entry_info_init(NULL, sizeof(ct_entry_info));
  ct_stats_init(NULL, sizeof(ct_stats));
  ct_load_options_init(NULL, sizeof(ct_load_options));
  ct_memo_options_init(NULL, sizeof(ct_memo_options));
  ct_cache_info_init(NULL, sizeof(ct_cache_info));
  ct_memo_own_default(NULL, sizeof(ct_options));
}

TEST(memo_own_default_is_lru_of_128) {
  ct_options expected = CT_OPTIONS_INIT;
  expected.policy = CT_POLICY_LRU;
  expected.maxsize = 128;
  ct_options actual;
  memset(&actual, kPoison, sizeof(actual));
  ct_memo_own_default(&actual, sizeof(actual));
  assert_memory_equal(&expected, &actual, sizeof(expected));
}

TEST(value_init_holds_nothing) {
  ct_value value = CT_VALUE_INIT;
  assert_holds_nothing(value);
}

#define NAMED(constant) \
  { constant, #constant }

static const struct {
  ct_status status;
  const char *name;
} kStatuses[] = {
    NAMED(CT_OK),           NAMED(CT_MISS),          NAMED(CT_EXISTS),
    NAMED(CT_NOT_STORED),   NAMED(CT_LEASED),        NAMED(CT_BUSY),
    NAMED(CT_END),          NAMED(CT_STALE),         NAMED(CT_RENEW),
    NAMED(CT_ERR_INVALID),  NAMED(CT_ERR_NOMEM),     NAMED(CT_ERR_TOO_LARGE),
    NAMED(CT_ERR_BUFFER),   NAMED(CT_ERR_RECURSION), NAMED(CT_ERR_CORRUPT),
    NAMED(CT_ERR_IO),       NAMED(CT_ERR_INTERNAL),  NAMED(CT_ERR_UNSUPPORTED),
    NAMED(CT_ERR_CALLBACK),
};
enum { kStatusCount = COUNT_OF(kStatuses) };

TEST(status_name_is_that_of_the_constant) {
  for (size_t i = 0; i < kStatusCount; i++)
    assert_string_equal(kStatuses[i].name, ct_status_name(kStatuses[i].status));
}

TEST(status_name_of_unassigned_number_is_unknown) {
  const int32_t numbers[] = {-999, -100, 100, 999};
  for (size_t i = 0; i < COUNT_OF(numbers); i++)
    assert_string_equal("CT_STATUS_UNKNOWN", ct_status_name((ct_status)numbers[i]));
}

TEST(status_name_of_callbacks_number_is_callback) {
  const int32_t numbers[] = {-2000000000, -1001, -1000, 1000, 1001, 2000000000};
  for (size_t i = 0; i < COUNT_OF(numbers); i++)
    assert_string_equal("CT_STATUS_CALLBACK", ct_status_name((ct_status)numbers[i]));
}

TEST(status_message_is_one_of_its_own) {
  for (size_t i = 0; i < kStatusCount; i++) {
    const char *message = ct_status_message(kStatuses[i].status);
    assert_non_null(message);
    assert_true(strlen(message) > 0);
    for (size_t j = 0; j < i; j++)
      assert_string_not_equal(message, ct_status_message(kStatuses[j].status));
  }
}

TEST(status_message_of_any_number_is_not_null) {
  const int64_t numbers[] = {INT32_MIN, -1000, -999, -10, 7, 999, 1000, INT32_MAX};
  for (size_t i = 0; i < COUNT_OF(numbers); i++) {
    assert_non_null(ct_status_message((ct_status)numbers[i]));
    assert_non_null(ct_status_name((ct_status)numbers[i]));
  }
}

static const struct {
  ct_policy policy;
  const char *name;
} kPolicies[] = {
    {CT_POLICY_LRU, "LRU"},     {CT_POLICY_FIFO, "FIFO"},         {CT_POLICY_LFU, "LFU"},
    {CT_POLICY_RR, "RR"},       {CT_POLICY_TTL, "TTL"},           {CT_POLICY_TLRU, "TLRU"},
    {CT_POLICY_ANY, "ANY"},     {CT_POLICY_MRU, "MRU"},           {CT_POLICY_CLOCK, "CLOCK"},
    {CT_POLICY_SIEVE, "SIEVE"}, {CT_POLICY_S3FIFO, "S3FIFO"},     {CT_POLICY_WTINYLFU, "WTINYLFU"},
    {CT_POLICY_ARC, "ARC"},     {CT_POLICY_ADAPTIVE, "ADAPTIVE"}, {CT_POLICY_CUSTOM, "CUSTOM"},
};
enum { kPolicyCount = COUNT_OF(kPolicies) };

TEST(policy_name_is_that_of_the_constant) {
  for (size_t i = 0; i < kPolicyCount; i++)
    assert_string_equal(kPolicies[i].name, ct_policy_name(kPolicies[i].policy));
}

TEST(policy_name_of_no_policy_is_null) {
  const int32_t numbers[] = {-1, 62, 64, 1000, INT32_MAX};
  for (size_t i = 0; i < COUNT_OF(numbers); i++) assert_null(ct_policy_name((ct_policy)numbers[i]));
}

TEST(policy_from_name_takes_any_case) {
  for (size_t i = 0; i < kPolicyCount; i++) {
    /* Upper, lower and mixed case. */
    for (size_t lowered = 0; lowered < 3; lowered++) {
      char name[16] = {0};
      for (size_t j = 0; kPolicies[i].name[j] != '\0'; j++) {
        char upper = kPolicies[i].name[j];
        const bool letter = upper >= 'A' && upper <= 'Z';
        bool lower = lowered == 1 || (lowered == 2 && j % 2 == 1);
        name[j] = lower && letter ? (char)(upper - 'A' + 'a') : upper;
      }
      ct_policy policy = CT_POLICY_RANGE_MAX_;
      assert_status(CT_OK, ct_policy_from_name(name, &policy));
      assert_int_equal(kPolicies[i].policy, policy);
    }
  }
}

TEST(policy_from_name_refuses_other_names) {
  const char *const names[] = {"", "L", "LR", "LRUU", " LRU", "LRU ", "CT_POLICY_LRU", "\xffLRU"};
  for (size_t i = 0; i < COUNT_OF(names); i++) {
    ct_policy policy = CT_POLICY_RANGE_MAX_;
    assert_status(CT_ERR_INVALID, ct_policy_from_name(names[i], &policy));
    assert_int_equal(0, policy);
  }
}

TEST(version_is_that_of_the_header) {
  assert_int_equal(CT_VERSION_MAJOR * 1000000 + CT_VERSION_MINOR * 1000 + CT_VERSION_PATCH,
                   ct_version());
}

TEST(version_string_is_that_of_the_header) {
  char expected[64];
  snprintf(expected, sizeof(expected), "%d.%d.%d", CT_VERSION_MAJOR, CT_VERSION_MINOR,
           CT_VERSION_PATCH);
  assert_string_equal(expected, ct_version_string());
}

/* ---- Options in force ---- */

TEST(options_in_force_are_those_given) {
  fixture f;
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_options given = fixture_options(&f, CT_POLICY_LFU, 1000);
  given.weight_kind = CT_WEIGHT_VALUE;
  given.shards = 4;
  given.flags = CT_FLAG_NO_STATS | CT_FLAG_PRECISE_CLOCK;
  given.ttl = 50;
  given.tti = 20;
  given.seed = 12345;
  given.allocator = &allocator.hooks;
  fixture_open(&f, &given);
  ct_options inforce;
  memset(&inforce, kPoison, sizeof(inforce));
  inforce.struct_size = sizeof(inforce);
  assert_status(CT_OK, ct_cache_options(f.cache, &inforce));
  /* The allocator was copied. */
  assert_non_null(inforce.allocator);
  assert_ptr_not_equal(given.allocator, inforce.allocator);
  assert_ptr_equal(given.allocator->alloc, inforce.allocator->alloc);
  assert_ptr_equal(given.allocator->ctx, inforce.allocator->ctx);
  inforce.allocator = given.allocator;
  assert_memory_equal(&given, &inforce, sizeof(given));
  fixture_close(&f);
}

TEST(options_in_force_tell_defaults) {
  ct_cache *cache = ct_cache_new(CT_POLICY_MRU, 7);
  ct_options options = CT_OPTIONS_INIT;
  assert_status(CT_OK, ct_cache_options(cache, &options));
  assert_int_equal(sizeof(options), options.struct_size);
  assert_int_equal(CT_POLICY_MRU, options.policy);
  assert_int_equal(7, options.maxsize);
  assert_int_equal(1, options.shards);
  assert_int_equal(0, options.flags);
  assert_int_equal(0, options.ttl);
  assert_true(options.seed != 0);
  ct_cache_free(cache);
}

TEST(options_in_force_tell_what_resize_set) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 7);
  assert_status(CT_OK, ct_resize(cache, 12));
  ct_options options = CT_OPTIONS_INIT;
  assert_status(CT_OK, ct_cache_options(cache, &options));
  assert_int_equal(12, options.maxsize);
  ct_cache_free(cache);
}

TEST(options_in_force_make_an_equal_cache) {
  ct_cache *first = ct_cache_new(CT_POLICY_RR, 7);
  ct_options options = CT_OPTIONS_INIT;
  assert_status(CT_OK, ct_cache_options(first, &options));
  ct_cache *second = new_cache(&options);
  ct_options again = CT_OPTIONS_INIT;
  assert_status(CT_OK, ct_cache_options(second, &again));
  assert_int_equal(options.seed, again.seed);
  assert_int_equal(options.policy, again.policy);
  ct_cache_free(first);
  ct_cache_free(second);
}

#define STRUCT_TEST_ROWS(type)                                           \
  cmocka_unit_test(test_##type##_init_equals_its_macro),                 \
      cmocka_unit_test(test_##type##_init_of_older_size_writes_no_more), \
      cmocka_unit_test(test_##type##_init_of_newer_size_zeroes_all_of_it)
