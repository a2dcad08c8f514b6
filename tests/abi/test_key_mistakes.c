/* SPDX-License-Identifier: MIT */
/* Key builders: mistakes. */
#include "key_builders.h"

static const char kUnnamed[] = "value: it has no name, but follows a named one.";
static const char kTwice[] = "name: it was given twice.";
static const char kNoValue[] = "name: it has no value.";
static const char kInside[] = "name: it is within a tuple.";
static const char kNameBytes[] = "name: it is not UTF-8.";
static const char kTextBytes[] = "text: it is not UTF-8.";
static const char kNotBegun[] = "tuple: it ends, but was not begun.";
static const char kNotEnded[] = "tuple: it was begun, but does not end.";
static const char kNull[] = "data: it is NULL, but has a size.";
static const char kTooLarge[] = "size: it is 2^32 or more.";

/* A mistake sticks: what is added later changes nothing, and reset forgets it. */
static void assert_mistake(ct_status expected, const char *problem, ct_key *key) {
  const call later = parse("i:1 ( ) k:q n");
  for (int i = 0; i < 2; i++) {
    assert_string_equal(problem, ct_key_problem(key));
    const void *data = &later;
    size_t size = 77;
    assert_status(expected, ct_key_data(key, &data, &size));
    assert_null(data);
    assert_int_equal(0, size);
    add_call(key, &later);
  }
  ct_key_reset(key);
  assert_null(ct_key_problem(key));
  ct_key_int(key, 1);
  assert_null(ct_key_problem(key));
  assert_int_equal(key == builders[1][0] ? 10 : 9, bytes_of(key).size);
}

KEY_TEST(malformed_call_is_invalid) {
  static const struct {
    const char *call, *problem;
  } kMalformed[] = {
      {"k:a n k:a n", kTwice}, {"k:a n k:b n k:a i:1", kTwice}, /* and not at once */
      {"k: n k: n", kTwice},                                    /* the empty one too */
      {"k:a", kNoValue},       {"k:a k:b n", kNoValue},
      {"k:a n i:1", kUnnamed}, {"k:a n ( )", kUnnamed},
      {"(", kNotEnded},        {"( ( )", kNotEnded},
      {"k:a (", kNotEnded},    {")", kNotBegun},
      {"( ) )", kNotBegun},    {") (", kNotBegun},         /* as many, but */
      {"( k:a n )", kInside},  {"k:a ( k:b n )", kInside}, /* in a named one too */
      {"k:a )", kNotBegun},                                /* an end in place of a value */
      {"( k:a )", kInside},                                /* two mistakes at once */
  };
  for (int typed = 0; typed < 2; typed++)
    for (size_t i = 0; i < COUNT_OF(kMalformed); i++) {
      const call it = parse(kMalformed[i].call);
      ct_key *key = builders[typed][0];
      ct_key_reset(key);
      add_call(key, &it);
      if (status_of(key) == CT_OK) print_error("%s\n", kMalformed[i].call);
      assert_mistake(CT_ERR_INVALID, kMalformed[i].problem, key);
    }
}

KEY_TEST(text_that_is_not_utf8_is_invalid) {
  static const char *const kBroken[] = {
      "\x80",             /* a continuation at the beginning */
      "a\xbf",            /* or later */
      "\xc3",             /* cut short */
      "\xe2\x82",         /* after two of three */
      "\xf0\x9f\x98",     /* after three of four */
      "\xc3(",            /* no continuation */
      "\xe2(\xac",        /* nor here */
      "\xe2\x82(",        /* nor here */
      "\xf0\x9f\x98(",    /* nor here */
      "\xc0\x80",         /* NUL in two bytes */
      "\xc1\xbf",         /* overlong, two bytes */
      "\xe0\x80\xaf",     /* three */
      "\xe0\x9f\xbf",     /* the last of them */
      "\xf0\x80\x80\xaf", /* four */
      "\xf0\x8f\xbf\xbf", /* the last of them */
      "\xed\xa0\x80",     /* the first surrogate */
      "\xed\xbf\xbf",     /* the last one */
      "\xf4\x90\x80\x80", /* beyond U+10FFFF */
      "\xf5\x80\x80\x80", /* far beyond */
      "\xf8\x88\x80\x80\x80",
      "\xfe",
      "\xff",
  };
  ct_key *key = builders[0][0];
  for (size_t i = 0; i < COUNT_OF(kBroken); i++) {
    const size_t size = strlen(kBroken[i]);
    ct_key_reset(key);
    ct_key_text(key, kBroken[i], size);
    assert_mistake(CT_ERR_INVALID, kTextBytes, key);
    ct_key_reset(key);
    ct_key_name(key, kBroken[i], size);
    ct_key_null(key);
    assert_mistake(CT_ERR_INVALID, kNameBytes, key);
    ct_key_reset(key);
    ct_key_bytes(key, kBroken[i], size);
    assert_int_equal(5 + size, bytes_of(key).size);
  }
}

KEY_TEST(ends_of_the_utf8_ranges_are_text) {
  static const char kText[] =
      "\0\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xec\xbf\xbf\xed\x80\x80\xed\x9f\xbf\xee\x80\x80"
      "\xef\xbf\xbf\xf0\x90\x80\x80\xf1\x80\x80\x80\xf3\xbf\xbf\xbf\xf4\x8f\xbf\xbf";
  ct_key *key = builders[0][0];
  ct_key_reset(key);
  ct_key_text(key, kText, sizeof(kText) - 1);
  ct_key_name(key, kText, sizeof(kText) - 1);
  ct_key_null(key);
  assert_status(CT_OK, status_of(key));
}

KEY_TEST(null_with_a_length_is_invalid) {
  ct_key *key = builders[0][0];
  ct_key_reset(key);
  ct_key_text(key, NULL, 1);
  assert_mistake(CT_ERR_INVALID, kNull, key);
  ct_key_reset(key);
  ct_key_bytes(key, NULL, 1);
  assert_mistake(CT_ERR_INVALID, kNull, key);
  ct_key_reset(key);
  ct_key_name(key, NULL, 1);
  ct_key_null(key);
  assert_mistake(CT_ERR_INVALID, kNull, key);
}

#if SIZE_MAX > UINT32_MAX
KEY_TEST(length_of_4_gib_is_too_large_and_not_read) {
  const size_t size = (size_t)UINT32_MAX + 1;
  ct_key *key = builders[0][0];
  ct_key_reset(key);
  ct_key_text(key, unreadable(), size);
  assert_mistake(CT_ERR_TOO_LARGE, kTooLarge, key);
  ct_key_reset(key);
  ct_key_bytes(key, unreadable(), SIZE_MAX);
  assert_mistake(CT_ERR_TOO_LARGE, kTooLarge, key);
  ct_key_reset(key);
  ct_key_name(key, unreadable(), size);
  ct_key_null(key);
  assert_mistake(CT_ERR_TOO_LARGE, kTooLarge, key);
}
#endif

KEY_TEST(first_of_two_mistakes_is_told) {
  ct_key *key = builders[0][0];
  ct_key_reset(key);
  ct_key_tuple_end(key);
  ct_key_bytes(key, "", SIZE_MAX);
  assert_mistake(CT_ERR_INVALID, kNotBegun, key);
  ct_key_reset(key);
  ct_key_bytes(key, "", SIZE_MAX);
  ct_key_tuple_end(key);
  if (SIZE_MAX > UINT32_MAX)
    assert_mistake(CT_ERR_TOO_LARGE, kTooLarge, key);
  else
    assert_mistake(CT_ERR_INVALID, kNotBegun, key);
}

KEY_TEST(unknown_flag_makes_no_builder) {
  assert_null(ct_key_new(2));
  assert_null(ct_key_new(0x80000000u | CT_KEY_TYPED));
}

KEY_TEST(null_builder_is_harmless) {
  const call all = parse("n b:1 i:1 u:1 f:1 s:61 x:61 ( ) k:a n");
  ct_key_reset(NULL);
  add_call(NULL, &all);
  ct_key_free(NULL);
  assert_string_equal("key: it is NULL.", ct_key_problem(NULL));
  const void *data = &all;
  size_t size = 77;
  assert_status(CT_ERR_INVALID, ct_key_data(NULL, &data, &size));
  assert_null(data);
  assert_int_equal(0, size);
}

KEY_TEST(data_without_where_to_is_invalid) {
  ct_key *key = builders[0][0];
  ct_key_reset(key);
  ct_key_int(key, 1);
  const void *data = key;
  size_t size = 77;
  assert_status(CT_ERR_INVALID, ct_key_data(key, NULL, &size));
  assert_int_equal(0, size);
  assert_status(CT_ERR_INVALID, ct_key_data(key, &data, NULL));
  assert_null(data);
  assert_int_equal(9, bytes_of(key).size);
}
