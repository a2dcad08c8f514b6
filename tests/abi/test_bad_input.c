/* SPDX-License-Identifier: MIT */
/* Arguments that are not allowed: each is refused with its status and changes nothing, and every
 * [out] argument is written whatever the status. */
#include <sys/mman.h>

#include "fixture.h"

enum { kPoison = 0xa5 };

static bool all_bytes_are(const void *bytes, size_t size, unsigned char byte) {
  for (size_t i = 0; i < size; i++)
    if (((const unsigned char *)bytes)[i] != byte) return false;
  return true;
}

/* Asserts that all but the leading struct_size is zero. */
#define assert_zero_but_size(object)                                                \
  assert_true(all_bytes_are((const char *)&(object) + sizeof((object).struct_size), \
                            sizeof(object) - sizeof((object).struct_size), 0))

/* The cache of each test, which holds a=1 and nothing else. */
static fixture f;

static int open_cache(void **state) {
  (void)state;
  open_lru(&f, 8);
  assert_status(CT_OK, set_text(f.cache, "a", "1"));
  return 0;
}

static int close_cache(void **state) {
  (void)state;
  /* The mistakes of the test left the entry alone. */
  assert_text_quietly(f.cache, "a", "1");
  assert_int_equal(1, ct_len(f.cache));
  assert_told(&f, "");
  fixture_close(&f);
  return 0;
}

#define CACHE_TEST(name) TEST_WITH(name, open_cache, close_cache)

/* ---- NULL as the cache ---------------------------------------------------------------------- */

TEST(reading_null_cache_is_invalid) {
  ct_value value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_get(NULL, "a", 1, &value));
  assert_holds_nothing(value);
  value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_peek(NULL, "a", 1, &value));
  assert_holds_nothing(value);
  char byte = 'x';
  size_t size = 77;
  assert_status(CT_ERR_INVALID, ct_get_copy(NULL, "a", 1, &byte, 1, &size));
  assert_int_equal(0, size);
  assert_int_equal('x', byte);
  assert_false(ct_contains(NULL, "a", 1));
}

TEST(writing_null_cache_is_invalid) {
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  ct_value value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_set(NULL, "a", 1, "2", 1));
  assert_status(CT_ERR_INVALID, ct_set_ttl(NULL, "a", 1, "2", 1, 5));
  assert_status(CT_ERR_INVALID, ct_set_with(NULL, "a", 1, "2", 1, &options));
  assert_status(CT_ERR_INVALID, ct_set_lifetime(NULL, "a", 1, 5));
  assert_status(CT_ERR_INVALID, ct_setdefault(NULL, "a", 1, "2", 1, &value));
  assert_holds_nothing(value);
}

static bool match_all(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return true;
}

TEST(removing_from_null_cache_is_invalid) {
  ct_value key = poisoned_value();
  ct_value value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_pop(NULL, "a", 1, &value));
  assert_holds_nothing(value);
  value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_popitem(NULL, &key, &value));
  assert_holds_nothing(key);
  assert_holds_nothing(value);
  assert_status(CT_ERR_INVALID, ct_delete(NULL, "a", 1));
  assert_status(CT_ERR_INVALID, ct_clear(NULL));
  assert_int_equal(0, ct_remove_if(NULL, match_all, NULL));
  assert_int_equal(0, ct_expire(NULL, CT_NOW, NULL, NULL));
}

TEST(batch_on_null_cache_is_invalid) {
  const ct_bytes key = {"a", 1};
  const size_t ends[] = {1, 2};
  ct_value value = poisoned_value();
  ct_status status = CT_BUSY;
  assert_status(CT_ERR_INVALID, ct_get_many(NULL, &key, 1, &value, &status));
  assert_holds_nothing(value);
  assert_int_equal(0, status);

  char buffer[4];
  size_t value_end = 77;
  status = CT_BUSY;
  assert_status(CT_ERR_INVALID,
                ct_get_many_copy(NULL, "a", ends, 1, buffer, sizeof(buffer), &value_end, &status));
  assert_int_equal(0, value_end);
  assert_int_equal(0, status);

  status = CT_BUSY;
  assert_status(CT_ERR_INVALID, ct_set_many(NULL, "a1", ends, 1, NULL, &status));
  assert_int_equal(0, status);
}

TEST(size_of_null_cache_is_zero) {
  assert_int_equal(0, ct_len(NULL));
  assert_int_equal(0, ct_currsize(NULL));
  assert_int_equal(0, ct_maxsize(NULL));
  assert_int_equal(0, ct_memory(NULL));
  assert_status(CT_ERR_INVALID, ct_resize(NULL, 5));
}

TEST(inspecting_null_cache_is_invalid) {
  ct_entry_info info;
  memset(&info, kPoison, sizeof(info));
  info.struct_size = sizeof(info);
  assert_status(CT_ERR_INVALID, ct_inspect(NULL, "a", 1, &info));
  assert_int_equal(sizeof(info), info.struct_size);
  assert_zero_but_size(info);

  ct_stats stats;
  memset(&stats, kPoison, sizeof(stats));
  stats.struct_size = sizeof(stats);
  assert_status(CT_ERR_INVALID, ct_cache_stats(NULL, &stats));
  assert_int_equal(sizeof(stats), stats.struct_size);
  assert_zero_but_size(stats);
  assert_status(CT_ERR_INVALID, ct_cache_stats_reset(NULL));

  ct_options options;
  memset(&options, kPoison, sizeof(options));
  options.struct_size = sizeof(options);
  assert_status(CT_ERR_INVALID, ct_cache_options(NULL, &options));
  assert_int_equal(sizeof(options), options.struct_size);
  assert_zero_but_size(options);
}

TEST(iterating_null_is_invalid) {
  ct_iter *iter = (ct_iter *)(uintptr_t)8;
  assert_status(CT_ERR_INVALID, ct_iter_new(NULL, CT_ORDER_ANY, &iter));
  assert_null(iter);
  ct_bytes key = {"x", 77};
  ct_bytes value = {"x", 77};
  assert_status(CT_ERR_INVALID, ct_iter_next(NULL, &key, &value));
  assert_null(key.data);
  assert_int_equal(0, key.size);
  assert_null(value.data);
  assert_int_equal(0, value.size);
}

TEST(freeing_null_does_nothing) {
  ct_cache_free(NULL);
  ct_iter_free(NULL);
  ct_value_release(NULL);
}

/* ---- NULL where a result is needed ---------------------------------------------------------- */

CACHE_TEST(null_for_a_needed_result_is_invalid) {
  const ct_options options = CT_OPTIONS_INIT;
  assert_status(CT_ERR_INVALID, ct_cache_new_with(&options, NULL));
  assert_status(CT_ERR_INVALID, ct_cache_options(f.cache, NULL));
  assert_status(CT_ERR_INVALID, ct_policy_from_name("LRU", NULL));
  assert_status(CT_ERR_INVALID, ct_inspect(f.cache, "a", 1, NULL));
  assert_status(CT_ERR_INVALID, ct_cache_stats(f.cache, NULL));
  assert_status(CT_ERR_INVALID, ct_iter_new(f.cache, CT_ORDER_ANY, NULL));
}

CACHE_TEST(value_ref_without_value_or_result_is_invalid) {
  ct_value value = CT_VALUE_INIT;
  ct_value second = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_value_ref(NULL, &second));
  assert_holds_nothing(second);
  assert_status(CT_OK, ct_get(f.cache, "a", 1, &value));
  assert_status(CT_ERR_INVALID, ct_value_ref(&value, NULL));
  assert_value("1", value);
  ct_value_release(&value);
}

TEST(policy_from_name_without_name_is_invalid) {
  ct_policy policy = CT_POLICY_MRU;
  assert_status(CT_ERR_INVALID, ct_policy_from_name(NULL, &policy));
  assert_int_equal(0, policy);
}

CACHE_TEST(null_for_an_unwanted_result_is_allowed) {
  assert_status(CT_OK, ct_get(f.cache, "a", 1, NULL));
  assert_status(CT_OK, ct_peek(f.cache, "a", 1, NULL));
  char byte;
  assert_status(CT_OK, ct_get_copy(f.cache, "a", 1, &byte, 1, NULL));
  assert_status(CT_OK, ct_setdefault(f.cache, "a", 1, "2", 1, NULL));
  const size_t ends[] = {1, 2};
  ct_entry_options absent = entry_with(.flags = CT_ENTRY_IF_ABSENT);
  assert_status(CT_OK, ct_set_many(f.cache, "a2", ends, 1, &absent, NULL));
  ct_iter *iter;
  assert_status(CT_OK, ct_iter_new(f.cache, CT_ORDER_ANY, &iter));
  assert_status(CT_OK, ct_iter_next(iter, NULL, NULL));
  ct_iter_free(iter);
}

CACHE_TEST(remove_if_without_match_removes_nothing) {
  assert_int_equal(0, ct_remove_if(f.cache, NULL, NULL));
}

/* ---- NULL as bytes -------------------------------------------------------------------------- */

CACHE_TEST(reading_null_key_with_a_length_is_invalid) {
  ct_value value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_get(f.cache, NULL, 1, &value));
  assert_holds_nothing(value);
  value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_peek(f.cache, NULL, 1, &value));
  assert_holds_nothing(value);
  size_t size = 77;
  char byte;
  assert_status(CT_ERR_INVALID, ct_get_copy(f.cache, NULL, 1, &byte, 1, &size));
  assert_int_equal(0, size);
  assert_false(ct_contains(f.cache, NULL, 1));
  ct_entry_info info;
  memset(&info, kPoison, sizeof(info));
  info.struct_size = sizeof(info);
  assert_status(CT_ERR_INVALID, ct_inspect(f.cache, NULL, 1, &info));
  assert_zero_but_size(info);
}

CACHE_TEST(writing_null_key_with_a_length_is_invalid) {
  ct_value value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_set(f.cache, NULL, 1, "2", 1));
  assert_status(CT_ERR_INVALID, ct_set_ttl(f.cache, NULL, 1, "2", 1, 5));
  assert_status(CT_ERR_INVALID, ct_set_with(f.cache, NULL, 1, "2", 1, NULL));
  assert_status(CT_ERR_INVALID, ct_set_lifetime(f.cache, NULL, 1, 5));
  assert_status(CT_ERR_INVALID, ct_setdefault(f.cache, NULL, 1, "2", 1, &value));
  assert_holds_nothing(value);
  value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_pop(f.cache, NULL, 1, &value));
  assert_holds_nothing(value);
  assert_status(CT_ERR_INVALID, ct_delete(f.cache, NULL, 1));
}

CACHE_TEST(writing_null_value_with_a_length_is_invalid) {
  ct_value value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_set(f.cache, "a", 1, NULL, 1));
  assert_status(CT_ERR_INVALID, ct_set_ttl(f.cache, "a", 1, NULL, 1, 5));
  assert_status(CT_ERR_INVALID, ct_set_with(f.cache, "a", 1, NULL, 1, NULL));
  assert_status(CT_ERR_INVALID, ct_setdefault(f.cache, "b", 1, NULL, 1, &value));
  assert_holds_nothing(value);
}

CACHE_TEST(get_copy_into_null_with_a_capacity_is_invalid) {
  size_t size = 77;
  assert_status(CT_ERR_INVALID, ct_get_copy(f.cache, "a", 1, NULL, 1, &size));
  assert_int_equal(0, size);
}

CACHE_TEST(get_many_of_null_key_with_a_length_is_invalid) {
  const ct_bytes keys[] = {{"a", 1}, {NULL, 1}};
  ct_value values[] = {poisoned_value(), poisoned_value()};
  ct_status statuses[] = {CT_BUSY, CT_BUSY};
  assert_status(CT_ERR_INVALID, ct_get_many(f.cache, keys, 2, values, statuses));
  for (size_t i = 0; i < 2; i++) {
    assert_holds_nothing(values[i]);
    assert_int_equal(0, statuses[i]);
  }
}

CACHE_TEST(batch_with_null_arrays_is_invalid) {
  const ct_bytes key = {"a", 1};
  const size_t ends[] = {1, 2};
  ct_value value = poisoned_value();
  ct_status status = CT_BUSY;
  assert_status(CT_ERR_INVALID, ct_get_many(f.cache, NULL, 1, &value, &status));
  assert_holds_nothing(value);
  assert_int_equal(0, status);
  assert_status(CT_ERR_INVALID, ct_get_many(f.cache, &key, 1, NULL, &status));
  value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_get_many(f.cache, &key, 1, &value, NULL));
  assert_holds_nothing(value);

  char buffer[4];
  size_t value_end = 77;
  status = CT_BUSY;
  assert_status(CT_ERR_INVALID,
                ct_get_many_copy(f.cache, NULL, ends, 1, buffer, 4, &value_end, &status));
  assert_int_equal(0, value_end);
  assert_int_equal(0, status);
  assert_status(CT_ERR_INVALID,
                ct_get_many_copy(f.cache, "a", NULL, 1, buffer, 4, &value_end, &status));
  assert_status(CT_ERR_INVALID,
                ct_get_many_copy(f.cache, "a", ends, 1, NULL, 4, &value_end, &status));
  assert_status(CT_ERR_INVALID, ct_get_many_copy(f.cache, "a", ends, 1, buffer, 4, NULL, &status));
  assert_status(CT_ERR_INVALID,
                ct_get_many_copy(f.cache, "a", ends, 1, buffer, 4, &value_end, NULL));

  status = CT_BUSY;
  assert_status(CT_ERR_INVALID, ct_set_many(f.cache, NULL, ends, 1, NULL, &status));
  assert_int_equal(0, status);
  assert_status(CT_ERR_INVALID, ct_set_many(f.cache, "a2", NULL, 1, NULL, &status));
}

/* ---- Lengths of 2^32 and more --------------------------------------------------------------- */

#if SIZE_MAX > UINT32_MAX

static const size_t kTooLong[] = {(size_t)1 << 32, ((size_t)1 << 32) + 1, SIZE_MAX / 2 + 2,
                                  SIZE_MAX - 7, SIZE_MAX};

CACHE_TEST(reading_key_too_long_reads_nothing) {
  for (size_t i = 0; i < COUNT_OF(kTooLong); i++) {
    ct_value value = poisoned_value();
    assert_status(CT_ERR_TOO_LARGE, ct_get(f.cache, unreadable(), kTooLong[i], &value));
    assert_holds_nothing(value);
    value = poisoned_value();
    assert_status(CT_ERR_TOO_LARGE, ct_peek(f.cache, unreadable(), kTooLong[i], &value));
    assert_holds_nothing(value);
    size_t size = 77;
    char byte;
    assert_status(CT_ERR_TOO_LARGE,
                  ct_get_copy(f.cache, unreadable(), kTooLong[i], &byte, 1, &size));
    assert_int_equal(0, size);
    assert_false(ct_contains(f.cache, unreadable(), kTooLong[i]));
    ct_entry_info info;
    memset(&info, kPoison, sizeof(info));
    info.struct_size = sizeof(info);
    assert_status(CT_ERR_TOO_LARGE, ct_inspect(f.cache, unreadable(), kTooLong[i], &info));
    assert_zero_but_size(info);
  }
}

CACHE_TEST(writing_key_too_long_reads_nothing) {
  for (size_t i = 0; i < COUNT_OF(kTooLong); i++) {
    ct_value value = poisoned_value();
    assert_status(CT_ERR_TOO_LARGE, ct_set(f.cache, unreadable(), kTooLong[i], "2", 1));
    assert_status(CT_ERR_TOO_LARGE, ct_set_ttl(f.cache, unreadable(), kTooLong[i], "2", 1, 5));
    assert_status(CT_ERR_TOO_LARGE, ct_set_with(f.cache, unreadable(), kTooLong[i], "2", 1, NULL));
    assert_status(CT_ERR_TOO_LARGE,
                  ct_setdefault(f.cache, unreadable(), kTooLong[i], "2", 1, &value));
    assert_holds_nothing(value);
    value = poisoned_value();
    assert_status(CT_ERR_TOO_LARGE, ct_pop(f.cache, unreadable(), kTooLong[i], &value));
    assert_holds_nothing(value);
    assert_status(CT_ERR_TOO_LARGE, ct_delete(f.cache, unreadable(), kTooLong[i]));
    assert_status(CT_ERR_TOO_LARGE, ct_set_lifetime(f.cache, unreadable(), kTooLong[i], 5));
  }
}

CACHE_TEST(writing_value_too_long_reads_nothing) {
  for (size_t i = 0; i < COUNT_OF(kTooLong); i++) {
    ct_value value = poisoned_value();
    const void *none = unreadable();
    assert_status(CT_ERR_TOO_LARGE, ct_set(f.cache, none, 1, none, kTooLong[i]));
    assert_status(CT_ERR_TOO_LARGE, ct_set_ttl(f.cache, none, 1, none, kTooLong[i], 5));
    assert_status(CT_ERR_TOO_LARGE, ct_set_with(f.cache, none, 1, none, kTooLong[i], NULL));
    assert_status(CT_ERR_TOO_LARGE, ct_setdefault(f.cache, none, 1, none, kTooLong[i], &value));
    assert_holds_nothing(value);
  }
}

CACHE_TEST(get_many_of_key_too_long_pins_nothing) {
  for (size_t i = 0; i < COUNT_OF(kTooLong); i++) {
    const ct_bytes keys[] = {{"a", 1}, {unreadable(), kTooLong[i]}};
    ct_value values[] = {poisoned_value(), poisoned_value()};
    ct_status statuses[] = {CT_BUSY, CT_BUSY};
    assert_status(CT_ERR_TOO_LARGE, ct_get_many(f.cache, keys, 2, values, statuses));
    for (size_t j = 0; j < 2; j++) {
      assert_holds_nothing(values[j]);
      assert_int_equal(0, statuses[j]);
    }
  }
}

CACHE_TEST(get_many_copy_of_key_too_long_reads_nothing) {
  for (size_t i = 0; i < COUNT_OF(kTooLong); i++) {
    const size_t ends[] = {kTooLong[i], kTooLong[i]};
    char buffer[4];
    size_t value_ends[] = {77, 77};
    ct_status statuses[] = {CT_BUSY, CT_BUSY};
    assert_status(CT_ERR_TOO_LARGE, ct_get_many_copy(f.cache, unreadable(), ends, 2, buffer,
                                                     sizeof(buffer), value_ends, statuses));
    for (size_t j = 0; j < 2; j++) {
      assert_int_equal(0, value_ends[j]);
      assert_int_equal(0, statuses[j]);
    }
  }
}

CACHE_TEST(set_many_refuses_only_the_pair_too_long) {
  /* Three pairs: an unreadable key of 2^32 bytes, an unreadable value of 2^32 bytes, and a=1. */
  const size_t long_size = (size_t)1 << 32;
  char *data = mmap(NULL, 2 * long_size + 4096, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  assert_ptr_not_equal(MAP_FAILED, data);
  assert_int_equal(0, mprotect(data + 2 * long_size, 4096, PROT_READ | PROT_WRITE));
  memcpy(data + 2 * long_size, "a1", 2);
  const size_t ends[] = {long_size,     long_size,         long_size,
                         2 * long_size, 2 * long_size + 1, 2 * long_size + 2};
  ct_status statuses[] = {CT_BUSY, CT_BUSY, CT_BUSY};
  ct_entry_options present = entry_with(.flags = CT_ENTRY_IF_ABSENT);
  assert_status(CT_ERR_TOO_LARGE, ct_set_many(f.cache, data, ends, 3, &present, statuses));
  assert_status(CT_ERR_TOO_LARGE, statuses[0]);
  assert_status(CT_ERR_TOO_LARGE, statuses[1]);
  assert_status(CT_EXISTS, statuses[2]);
  munmap(data, 2 * long_size + 4096);
}

#endif

/* ---- Batches -------------------------------------------------------------------------------- */

CACHE_TEST(get_many_copy_with_falling_ends_is_invalid) {
  const size_t ends[] = {1, 2, 1};
  char buffer[4];
  size_t value_ends[] = {77, 77, 77};
  ct_status statuses[] = {CT_BUSY, CT_BUSY, CT_BUSY};
  assert_status(CT_ERR_INVALID,
                ct_get_many_copy(f.cache, "aa", ends, 3, buffer, 4, value_ends, statuses));
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(0, value_ends[i]);
    assert_int_equal(0, statuses[i]);
  }
  assert_int_equal(0, stats_of(f.cache).hits);
}

CACHE_TEST(set_many_with_falling_ends_tries_nothing) {
  const size_t ends[] = {1, 2, 3, 2};
  ct_status statuses[] = {CT_BUSY, CT_BUSY};
  assert_status(CT_ERR_INVALID, ct_set_many(f.cache, "b2c3", ends, 2, NULL, statuses));
  assert_int_equal(0, statuses[0]);
  assert_int_equal(0, statuses[1]);
  assert_false(has_text(f.cache, "b"));
}

CACHE_TEST(set_many_with_bad_options_tries_nothing) {
  const size_t ends[] = {1, 2};
  ct_status status = CT_BUSY;
  ct_entry_options options = entry_with(.flags = 0x40000000u);
  assert_status(CT_ERR_INVALID, ct_set_many(f.cache, "b2", ends, 1, &options, &status));
  assert_int_equal(0, status);
  assert_false(has_text(f.cache, "b"));
}

/* ---- Options of an entry -------------------------------------------------------------------- */

CACHE_TEST(entry_options_that_contradict_are_invalid) {
  const uint32_t flags[] = {
      CT_ENTRY_TTL | CT_ENTRY_DEADLINE,
      CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT,
      0x8000u,
      0x80000000u,
      UINT32_MAX,
  };
  for (size_t i = 0; i < COUNT_OF(flags); i++) {
    ct_entry_options options = entry_with(.flags = flags[i]);
    if ((flags[i] & CT_ENTRY_TTL) != 0) options.ttl = 5;
    if ((flags[i] & CT_ENTRY_DEADLINE) != 0) options.deadline = 5;
    assert_status(CT_ERR_INVALID, set_text_with(f.cache, "a", "2", &options));
    assert_status(CT_ERR_INVALID, set_text_with(f.cache, "b", "2", &options));
  }
}

CACHE_TEST(entry_options_with_reserved_set_are_invalid) {
  ct_entry_options options = entry_with(.reserved = 1);
  assert_status(CT_ERR_INVALID, set_text_with(f.cache, "b", "2", &options));
}

/* It would be ignored, though someone set it. */
CACHE_TEST(entry_options_fields_without_their_flag_are_invalid) {
  const ct_entry_options rows[] = {
      entry_with(.ttl = 5),
      entry_with(.deadline = CT_NEVER),
      entry_with(.weight = 1),
      entry_with(.flags = CT_ENTRY_TTL, .ttl = 5, .deadline = 5),
      entry_with(.flags = CT_ENTRY_DEADLINE, .deadline = 5, .ttl = 5),
      entry_with(.flags = CT_ENTRY_TTL | CT_ENTRY_IF_ABSENT, .ttl = 5, .weight = 1),
  };
  for (size_t i = 0; i < COUNT_OF(rows); i++) {
    assert_status(CT_ERR_INVALID, set_text_with(f.cache, "b", "2", &rows[i]));
    const size_t ends[] = {1, 2};
    assert_status(CT_ERR_INVALID, ct_set_many(f.cache, "b2", ends, 1, &rows[i], NULL));
    ct_lease *lease;
    assert_status(CT_LEASED, ct_get_or_lease(f.cache, "b", 1, 0, NULL, &lease));
    assert_status(CT_ERR_INVALID, ct_lease_fulfil(lease, "2", 1, &rows[i], NULL));
    assert_false(has_text(f.cache, "b"));
  }
}

CACHE_TEST(entry_options_that_are_wrong_are_explained) {
  static const ct_value none = CT_VALUE_INIT;
  static const ct_bytes tags[] = {{"a", 1}, {NULL, 1}, {"b", (size_t)1 << 31 << 1}};
  ct_bytes nine[9];
  for (size_t i = 0; i < COUNT_OF(nine); i++) nine[i] = tags[0];
  const struct {
    const char *problem;
    ct_entry_options options;
  } rows[] = {
    {NULL, entry_with(.flags = CT_ENTRY_TTL, .ttl = 5)},
    {NULL, entry_with(.flags = CT_ENTRY_IF_SAME, .same = &none)},
    {"struct_size: it is not one that this library knows; set it by CT_ENTRY_OPTIONS_INIT.",
     {.struct_size = 1}},
    {"flags: one of them is not known.", entry_with(.flags = 0x8000u)},
    {"reserved: it is not 0.", entry_with(.reserved = 1)},
    {"ttl: it is set without CT_ENTRY_TTL.", entry_with(.ttl = 5)},
    {"deadline: it is set without CT_ENTRY_DEADLINE.", entry_with(.deadline = 5)},
    {"weight: it is set without CT_ENTRY_WEIGHT.", entry_with(.weight = 5)},
    {"tags: they are set without CT_ENTRY_TAGS.", entry_with(.tags = tags)},
    {"tags: they are set without CT_ENTRY_TAGS.", entry_with(.tag_count = 1)},
    {"cost: it is set without CT_ENTRY_COST.", entry_with(.cost = 5)},
    {"same: it is set without CT_ENTRY_IF_SAME.", entry_with(.same = &none)},
    {"same: CT_ENTRY_IF_SAME requires it.", entry_with(.flags = CT_ENTRY_IF_SAME)},
    {"cost: it is 0.", entry_with(.flags = CT_ENTRY_COST)},
    {"tags: there are more than 8.",
     entry_with(.flags = CT_ENTRY_TAGS, .tags = nine, .tag_count = 9)},
    {"tags: they are NULL.", entry_with(.flags = CT_ENTRY_TAGS, .tag_count = 1)},
    {"tags: one is NULL, but has a size.",
     entry_with(.flags = CT_ENTRY_TAGS, .tags = tags, .tag_count = 2)},
    {"deadline: there is a ttl as well.",
     entry_with(.flags = CT_ENTRY_TTL | CT_ENTRY_DEADLINE, .ttl = 5, .deadline = 5)},
    {"flags: there is more than one condition.",
     entry_with(.flags = CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT)},
#if SIZE_MAX > UINT32_MAX
    {"tags: one has 2^32 bytes or more.",
     entry_with(.flags = CT_ENTRY_TAGS, .tags = tags + 2, .tag_count = 1)},
#endif
  };
  for (size_t i = 0; i < COUNT_OF(rows); i++) {
    const char *problem = ct_entry_options_problem(f.cache, &rows[i].options);
    if (rows[i].problem == NULL) {
      assert_null(problem);
      assert_status(CT_OK, set_text_with(f.cache, "b", "2", &rows[i].options));
      assert_status(CT_OK, ct_delete(f.cache, "b", 1));
      assert_told(&f, "REMOVED b=2");
    } else {
      assert_non_null(problem);
      assert_string_equal(rows[i].problem, problem);
      assert_status(CT_ERR_INVALID, set_text_with(f.cache, "b", "2", &rows[i].options));
    }
  }
  assert_null(ct_entry_options_problem(f.cache, NULL));
  const ct_entry_options plain = entry_with(.flags = 0);
  assert_string_equal("cache: it is NULL.", ct_entry_options_problem(NULL, &plain));
}

CACHE_TEST(entry_options_of_wrong_size_are_invalid) {
  const size_t sizes[] = {0, 1, 8, sizeof(ct_entry_options) - 8, sizeof(ct_entry_options) - 1};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
    options.struct_size = sizes[i];
    assert_status(CT_ERR_INVALID, set_text_with(f.cache, "b", "2", &options));
  }
}

CACHE_TEST(entry_options_of_later_release_are_accepted_if_unused) {
  NEWER(ct_entry_options) options = {.known = CT_ENTRY_OPTIONS_INIT};
  options.known.flags = CT_ENTRY_IF_ABSENT;
  options.known.struct_size = sizeof(options);
  assert_status(CT_EXISTS, set_text_with(f.cache, "a", "2", &options.known));
  options.known.struct_size = sizeof(options.known) + 1;
  assert_status(CT_EXISTS, set_text_with(f.cache, "a", "2", &options.known));
}

CACHE_TEST(entry_options_of_later_release_are_invalid_if_used) {
  for (size_t i = 0; i < kTail; i++) {
    NEWER(ct_entry_options) options = {.known = CT_ENTRY_OPTIONS_INIT};
    options.known.struct_size = sizeof(options);
    options.tail[i] = 1;
    assert_status(CT_ERR_INVALID, set_text_with(f.cache, "a", "2", &options.known));
  }
}

TEST(entry_weight_with_memory_weights_is_invalid) {
  ct_cache *cache = cache_of(.maxsize = 100000, .weight_kind = CT_WEIGHT_MEMORY);
  assert_status(CT_ERR_INVALID, set_text_weight(cache, "b", "2", 5));
  const ct_entry_options weight = entry_with(.flags = CT_ENTRY_WEIGHT, .weight = 5);
  assert_string_equal("weight: entries of this cache weigh the memory that they take.",
                      ct_entry_options_problem(cache, &weight));
  assert_int_equal(0, ct_len(cache));
  ct_cache_free(cache);
}

/* ---- Other arguments ------------------------------------------------------------------------ */

CACHE_TEST(unknown_order_is_invalid) {
  const int32_t orders[] = {-1, 100, INT32_MIN, INT32_MAX};
  for (size_t i = 0; i < COUNT_OF(orders); i++) {
    ct_iter *iter = (ct_iter *)(uintptr_t)8;
    assert_status(CT_ERR_INVALID, ct_iter_new(f.cache, orders[i], &iter));
    assert_null(iter);
  }
}

CACHE_TEST(info_of_wrong_size_is_invalid) {
  const size_t sizes[] = {0, 8, sizeof(ct_entry_info) - 1};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    ct_entry_info info = CT_ENTRY_INFO_INIT;
    info.struct_size = sizes[i];
    assert_status(CT_ERR_INVALID, ct_inspect(f.cache, "a", 1, &info));
  }
}

CACHE_TEST(info_of_later_release_is_filled_as_far_as_known) {
  NEWER(ct_entry_info) info = {.known = CT_ENTRY_INFO_INIT};
  info.known.struct_size = sizeof(info);
  assert_status(CT_OK, ct_inspect(f.cache, "a", 1, &info.known));
  assert_int_equal(sizeof(info), info.known.struct_size);
  assert_int_equal(1, info.known.weight);
  assert_true(all_bytes_are(info.tail, kTail, 0));
  info.tail[kTail - 1] = 1;
  assert_status(CT_ERR_INVALID, ct_inspect(f.cache, "a", 1, &info.known));
}

CACHE_TEST(options_in_force_of_wrong_size_are_invalid) {
  const size_t sizes[] = {0, 8, sizeof(ct_options) - 1};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    ct_options options = CT_OPTIONS_INIT;
    options.struct_size = sizes[i];
    assert_status(CT_ERR_INVALID, ct_cache_options(f.cache, &options));
  }
}

CACHE_TEST(options_in_force_of_later_release_are_filled_as_far_as_known) {
  NEWER(ct_options) options = {.known = CT_OPTIONS_INIT};
  options.known.struct_size = sizeof(options);
  assert_status(CT_OK, ct_cache_options(f.cache, &options.known));
  assert_int_equal(sizeof(options), options.known.struct_size);
  assert_int_equal(8, options.known.maxsize);
  assert_true(all_bytes_are(options.tail, kTail, 0));
  options.tail[kTail - 1] = 1;
  assert_status(CT_ERR_INVALID, ct_cache_options(f.cache, &options.known));
}

/* ---- [out] arguments ------------------------------------------------------------------------ */

CACHE_TEST(miss_zeroes_results) {
  ct_value value = poisoned_value();
  assert_status(CT_MISS, ct_get(f.cache, "b", 1, &value));
  assert_holds_nothing(value);
  value = poisoned_value();
  assert_status(CT_MISS, ct_peek(f.cache, "b", 1, &value));
  assert_holds_nothing(value);
  value = poisoned_value();
  assert_status(CT_MISS, ct_pop(f.cache, "b", 1, &value));
  assert_holds_nothing(value);
  char byte;
  size_t size = 77;
  assert_status(CT_MISS, ct_get_copy(f.cache, "b", 1, &byte, 1, &size));
  assert_int_equal(0, size);
  ct_entry_info info;
  memset(&info, kPoison, sizeof(info));
  info.struct_size = sizeof(info);
  assert_status(CT_MISS, ct_inspect(f.cache, "b", 1, &info));
  assert_int_equal(sizeof(info), info.struct_size);
  assert_zero_but_size(info);
}

CACHE_TEST(hit_overwrites_results) {
  ct_value value = poisoned_value();
  assert_status(CT_OK, ct_get(f.cache, "a", 1, &value));
  assert_value("1", value);
  ct_value_release(&value);
  value = poisoned_value();
  assert_status(CT_OK, ct_peek(f.cache, "a", 1, &value));
  assert_value("1", value);
  ct_value_release(&value);
  value = poisoned_value();
  assert_status(CT_OK, ct_setdefault(f.cache, "a", 1, "2", 1, &value));
  assert_value("1", value);
  ct_value second = poisoned_value();
  assert_status(CT_OK, ct_value_ref(&value, &second));
  assert_value("1", second);
  ct_value_release(&second);
  ct_value_release(&value);
}

TEST(popitem_of_empty_cache_zeroes_results) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 8);
  ct_value key = poisoned_value();
  ct_value value = poisoned_value();
  assert_status(CT_MISS, ct_popitem(cache, &key, &value));
  assert_holds_nothing(key);
  assert_holds_nothing(value);
  ct_cache_free(cache);
}

TEST(get_copy_too_small_tells_the_size_alone) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 8);
  assert_status(CT_OK, set_text(cache, "k", "12345"));
  char buffer[5] = "xxxxx";
  size_t size = 77;
  assert_status(CT_ERR_BUFFER, ct_get_copy(cache, "k", 1, buffer, 4, &size));
  assert_int_equal(5, size);
  assert_memory_equal("xxxxx", buffer, 5);
  size = 77;
  assert_status(CT_ERR_BUFFER, ct_get_copy(cache, "k", 1, NULL, 0, &size));
  assert_int_equal(5, size);
  assert_status(CT_OK, ct_get_copy(cache, "k", 1, buffer, 5, &size));
  assert_int_equal(5, size);
  assert_memory_equal("12345", buffer, 5);
  ct_cache_free(cache);
}

TEST(setdefault_too_large_zeroes_result) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 0);
  ct_value value = poisoned_value();
  assert_status(CT_ERR_TOO_LARGE, ct_setdefault(cache, "k", 1, "v", 1, &value));
  assert_holds_nothing(value);
  ct_cache_free(cache);
}

TEST(setdefault_not_stored_hands_the_value_back) {
  fixture dying;
  open_fixture(&dying, .policy = CT_POLICY_TLRU, .maxsize = 8, .ttu = dead_on_arrival);
  ct_value value = poisoned_value();
  assert_status(CT_NOT_STORED, ct_setdefault(dying.cache, "k", 1, "v", 1, &value));
  assert_value("v", value);
  assert_int_equal(0, ct_len(dying.cache));
  fixture_close(&dying);
  assert_value("v", value);
  ct_value_release(&value);
}
