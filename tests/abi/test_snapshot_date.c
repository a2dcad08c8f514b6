/* SPDX-License-Identifier: MIT */
/* The date of a snapshot. The system's clocks are replaced in this program, and by that in the
 * library. */
#include <time.h>

#include "fixture.h"
#include "snapshots.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { kSecond = 1000000000 };

static const struct timespec kToday = {1700000000, 123456789};
static const uint64_t kTodayNs = UINT64_C(1700000000123456789);

static uint64_t monotonic;   /* in nanoseconds */
static struct timespec wall; /* since 1970 */
static int dates_read;
static uint64_t step; /* by which each reading moves both on */

static struct timespec time_of(uint64_t ns) {
  return (struct timespec){(time_t)(ns / kSecond), (long)(ns % kSecond)};
}

static void pass(uint64_t ns) {
  monotonic += ns;
  const struct timespec more = time_of(ns);
  wall.tv_sec += more.tv_sec + (wall.tv_nsec + more.tv_nsec) / kSecond;
  wall.tv_nsec = (wall.tv_nsec + more.tv_nsec) % kSecond;
}

int clock_gettime(clockid_t id, struct timespec *out) {
  pass(step);
  dates_read += id == CLOCK_REALTIME;
  *out = id == CLOCK_REALTIME ? wall : time_of(monotonic);
  return 0;
}

static int begin(void **state) {
  (void)state;
  monotonic = 5000 * (uint64_t)kSecond;
  wall = kToday;
  step = 0;
  return 0;
}

/* Its lifetimes end to the nanosecond. */
static ct_options precise_options(ct_policy policy) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = 1000;
  options.seed = 1;
  options.flags = CT_FLAG_PRECISE_CLOCK;
  return options;
}

/* ---- What is written ------------------------------------------------------------------------ */

/* Of a snapshot of an empty cache, or 0. */
static uint64_t date_of(const tape *snapshot) {
  tape content = {0};
  assert_true(get_frames(snapshot, &content));
  const bool is_dated = (content.bytes[1] & 2) != 0;
  const uint64_t date = is_dated ? number_at(content.bytes + 4, 8) : 0;
  assert_true(content.size == (is_dated ? 4 + 8 : 4) + 1 + 1);
  tape_free(&content);
  return date;
}

static uint64_t date_saved(const ct_options *options) {
  ct_cache *cache = new_cache(options);
  tape t = {0};
  assert_status(CT_OK, save_tape(cache, &t));
  const uint64_t date = date_of(&t);
  tape_free(&t);
  ct_cache_free(cache);
  return date;
}

static void test_snapshots_by_the_default_timer_have_a_date(void **state) {
  (void)state;
  ct_options options = precise_options(CT_POLICY_LRU);
  assert_true(date_saved(&options) == kTodayNs);
  options.flags = 0;
  assert_true(date_saved(&options) == kTodayNs);
}

static void test_snapshots_by_another_timer_have_none(void **state) {
  (void)state;
  fixture f;
  const ct_options options = fixture_options(&f, CT_POLICY_LRU, 10);
  dates_read = 0;
  assert_true(date_saved(&options) == 0);
  assert_int_equal(0, dates_read);
}

static void test_dates_beyond_what_can_be_counted_stay_at_its_ends(void **state) {
  (void)state;
  static const struct {
    struct timespec wall;
    uint64_t date;
  } kDates[] = {
      {{0, 0}, 0},
      {{0, 1}, 1},
      {{-1, 999999999}, 0},
      {{INT64_MIN, 0}, 0},
      {{18446744073, 709551614}, UINT64_MAX - 1},
      {{18446744073, 709551615}, UINT64_MAX},
      {{18446744073, 709551616}, UINT64_MAX},
      {{18446744074, 0}, UINT64_MAX},
      {{INT64_MAX, 999999999}, UINT64_MAX},
  };
  const ct_options options = precise_options(CT_POLICY_LRU);
  for (size_t i = 0; i < COUNT_OF(kDates); i++) {
    wall = kDates[i].wall;
    assert_true(date_saved(&options) == kDates[i].date);
  }
}

/* Then what is left and the date are of one moment, or the date is the later one. */
static void test_date_is_not_before_the_time_by_which_lifetimes_are_left(void **state) {
  (void)state;
  const ct_options options = precise_options(CT_POLICY_LRU);
  ct_cache *cache = new_cache(&options);
  assert_status(CT_OK, set_text_ttl(cache, "a", "1", 100));
  const uint64_t end = kTodayNs + 100;
  step = 1;
  dates_read = 0;
  tape t = {0}, content = {0};
  assert_status(CT_OK, save_tape(cache, &t));
  assert_int_equal(1, dates_read);
  assert_true(get_frames(&t, &content));
  const uint64_t date = number_at(content.bytes + 4, 8);
  const uint64_t left = number_at(content.bytes + content.size - 1 - 2 - 8, 8);
  assert_in_range(left, 90, 99);
  assert_in_range(date + left, end, end + 10);
  tape_free(&t);
  tape_free(&content);
  ct_cache_free(cache);
}

static void test_same_entries_at_the_same_date_make_the_same_bytes(void **state) {
  (void)state;
  const ct_options options = precise_options(CT_POLICY_LFU);
  tape tapes[3] = {{0}};
  for (int i = 0; i < 3; i++) {
    ct_cache *cache = new_cache(&options);
    for (uint64_t key = 0; key < 50; key++)
      assert_status(CT_OK, ct_set_ttl(cache, &key, sizeof key, "value", key % 6, 100 + key));
    wall.tv_sec += i / 2;
    assert_status(CT_OK, save_tape(cache, &tapes[i]));
    assert_int_equal(tapes[0].size, tapes[i].size);
    ct_cache_free(cache);
  }
  assert_memory_equal(tapes[0].bytes, tapes[1].bytes, tapes[0].size);
  assert_memory_not_equal(tapes[0].bytes, tapes[2].bytes, tapes[0].size);
  for (int i = 0; i < 3; i++) tape_free(&tapes[i]);
}

/* ---- The recorded one ----------------------------------------------------------------------- */

static ct_cache *make_golden_cache(void) {
  ct_options options = precise_options(CT_POLICY_LRU);
  options.tti = 7200 * (uint64_t)kSecond;
  ct_cache *cache = new_cache(&options);
  set_text(cache, "idle", "for two hours");
  set_text_ttl(cache, "token", "for an hour", 3600 * (uint64_t)kSecond);
  set_text_ttl(cache, "short", "for a minute", 60 * (uint64_t)kSecond);
  pass(10 * (uint64_t)kSecond);
  use_text(cache, "short");
  return cache;
}

static const char kGolden[] =
    "weighing 0, flags 2\n"
    "date 1700000010123456789\n"
    "shard\n"
    "rank 0: 41e143b02b99d0d4\n"
    "rank 0: ae23c8ed1a12e619\n"
    "rank 0: b42ad57460d20d0a\n"
    "idle = for two hours, count 0, weight 0, ttl 0, idle 7190000000000\n"
    "short = for a minute, count 0, weight 0, ttl 50000000000, idle 7200000000000\n"
    "token = for an hour, count 0, weight 0, ttl 3590000000000, idle 7190000000000\n";

/* What is written today says the same as the recorded snapshot of version 2. */
static void test_format_is_the_recorded_one(void **state) {
  (void)state;
  char text[4096];
  ct_cache *cache = make_golden_cache();
  tape t = {0};
  assert_status(CT_OK, save_tape(cache, &t));
  record_snapshot(&t);
  describe_snapshot(&t, text, sizeof text);
  assert_string_equal(kGolden, text);
  tape_free(&t);
  t = read_recorded("dated.ctsnap");
  describe_snapshot(&t, text, sizeof text);
  assert_string_equal(kGolden, text);
  tape_free(&t);
  ct_cache_free(cache);
}

static void test_recorded_snapshot_can_be_loaded(void **state) {
  (void)state;
  ct_cache *expected = make_golden_cache();
  ct_options options = precise_options(CT_POLICY_LRU);
  options.tti = 7200 * (uint64_t)kSecond;
  ct_cache *cache = new_cache(&options);
  tape t = read_recorded("dated.ctsnap");
  assert_status(CT_OK, load_tape(cache, &t));
  assert_int_equal(3, ct_len(cache));
  static const char *const kKeys[] = {"idle", "token", "short"};
  for (size_t i = 0; i < COUNT_OF(kKeys); i++)
    assert_true(info_of(expected, kKeys[i]).deadline == info_of(cache, kKeys[i]).deadline);
  tape_free(&t);
  ct_cache_free(cache);
  ct_cache_free(expected);
}

static void test_recorded_snapshot_altered_or_truncated_is_corrupt(void **state) {
  (void)state;
  const ct_options options = precise_options(CT_POLICY_LRU);
  ct_cache *cache = new_cache(&options);
  tape t = read_recorded("dated.ctsnap");
  for (size_t at = 0; at < t.size; at++) {
    for (unsigned other = 1; other < 256; other++) {
      t.bytes[at] ^= (unsigned char)other;
      assert_status(CT_ERR_CORRUPT, load_tape(cache, &t));
      t.bytes[at] ^= (unsigned char)other;
    }
  }
  while (t.size-- > 0) assert_status(CT_ERR_CORRUPT, load_tape(cache, &t));
  assert_int_equal(0, ct_len(cache));
  tape_free(&t);
  ct_cache_free(cache);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_snapshots_by_the_default_timer_have_a_date, begin),
      cmocka_unit_test_setup(test_snapshots_by_another_timer_have_none, begin),
      cmocka_unit_test_setup(test_dates_beyond_what_can_be_counted_stay_at_its_ends, begin),
      cmocka_unit_test_setup(test_date_is_not_before_the_time_by_which_lifetimes_are_left, begin),
      cmocka_unit_test_setup(test_same_entries_at_the_same_date_make_the_same_bytes, begin),
      cmocka_unit_test_setup(test_format_is_the_recorded_one, begin),
      cmocka_unit_test_setup(test_recorded_snapshot_can_be_loaded, begin),
      cmocka_unit_test_setup(test_recorded_snapshot_altered_or_truncated_is_corrupt, begin),
  };
  return cmocka_run_group_tests_name("snapshots: dates", tests, NULL, NULL);
}
