/* SPDX-License-Identifier: MIT */
/* The date of a snapshot, and loads that count the time since the save. This program replaces
 * the system's clocks, for the library too. */
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "snapshots.h"

enum { kSecond = 1000000000 };

static const uint64_t kHour = UINT64_C(3600) * kSecond;

static const struct timespec kToday = {1700000000, 123456789};
static const uint64_t kTodayNs = UINT64_C(1700000000123456789);

static const uint64_t kTick = 4000000;

static uint64_t monotonic;   /* in nanoseconds */
static uint64_t lag;         /* of the coarse clock, below two ticks */
static struct timespec wall; /* since 1970 */
static int dates_read;
static uint64_t step; /* by which each reading moves all clocks on */

static struct timespec time_of(uint64_t ns) {
  return (struct timespec){(time_t)(ns / kSecond), (long)(ns % kSecond)};
}

static void pass(uint64_t ns) {
  monotonic += ns;
  const struct timespec more = time_of(ns);
  const time_t seconds = more.tv_sec + (wall.tv_nsec + more.tv_nsec) / kSecond;
  /* The wall clock stops at the last second that it can represent. */
  if (__builtin_add_overflow(wall.tv_sec, seconds, &wall.tv_sec)) wall.tv_sec = INT64_MAX;
  wall.tv_nsec = (wall.tv_nsec + more.tv_nsec) % kSecond;
}

int clock_gettime(clockid_t id, struct timespec *out) {
  pass(step);
  dates_read += id == CLOCK_REALTIME;
  if (id == CLOCK_REALTIME)
    *out = wall;
  else
    *out = time_of(id == CLOCK_MONOTONIC_COARSE ? monotonic - lag : monotonic);
  return 0;
}

int clock_getres(clockid_t id, struct timespec *out) {
  *out = time_of(id == CLOCK_MONOTONIC_COARSE ? kTick : 1);
  return 0;
}

static int begin(void **state) {
  (void)state;
  monotonic = 5000 * (uint64_t)kSecond;
  wall = kToday;
  lag = step = 0;
  return 0;
}

#define DATE_TEST(name) TEST_WITH(name, begin, NULL)

/* With these options, lifetimes end to the nanosecond. */
static ct_options precise_options(ct_policy policy) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = 1000;
  options.seed = 1;
  options.flags = CT_FLAG_PRECISE_CLOCK;
  return options;
}

/* ---- What is written ------------------------------------------------------------------------ */

/* Returns the date of a snapshot of an empty cache, or 0. */
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

DATE_TEST(snapshots_by_the_default_timer_have_a_date) {
  ct_options options = precise_options(CT_POLICY_LRU);
  assert_true(date_saved(&options) == kTodayNs);
  options.flags = 0;
  assert_true(date_saved(&options) == kTodayNs);
}

DATE_TEST(snapshots_by_another_timer_have_none) {
  fixture f;
  const ct_options options = fixture_options(&f, CT_POLICY_LRU, 10);
  dates_read = 0;
  assert_true(date_saved(&options) == 0);
  assert_int_equal(0, dates_read);
}

DATE_TEST(dates_beyond_what_can_be_counted_stay_at_its_ends) {
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

/* The date is taken at the same moment as the remaining lifetimes, or later. */
DATE_TEST(date_is_not_before_the_time_by_which_lifetimes_are_left) {
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

DATE_TEST(same_entries_at_the_same_date_make_the_same_bytes) {
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

/* A snapshot that is written today says the same as the recorded one of version 2. */
DATE_TEST(format_is_the_recorded_one) {
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

DATE_TEST(recorded_snapshot_can_be_loaded) {
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

DATE_TEST(recorded_snapshot_altered_or_truncated_is_corrupt) {
  const ct_options options = precise_options(CT_POLICY_LRU);
  ct_cache *cache = new_cache(&options);
  assert_altered_is_corrupt(cache, "dated.ctsnap");
  ct_cache_free(cache);
}

/* ---- Which flags suit which snapshot and cache ---------------------------------------------- */

typedef struct place {
  char path[32];
} place;

static place make_file(const tape *t) {
  place it = {"/tmp/cachetools-XXXXXX"};
  const int number = mkstemp(it.path);
  assert_true(number >= 0);
  assert_int_equal(t->size, write(number, t->bytes, t->size));
  close(number);
  return it;
}

static ct_status by_callback(ct_cache *cache, tape *t, uint32_t flags) {
  return load_tape_with(cache, t, flags);
}

static ct_status by_file(ct_cache *cache, tape *t, uint32_t flags) {
  const place it = make_file(t);
  const ct_status status = ct_snapshot_load_file_with(cache, it.path, flags);
  assert_int_equal(0, unlink(it.path));
  return status;
}

static const struct {
  const char *name;
  ct_status (*load)(ct_cache *cache, tape *t, uint32_t flags);
} kFunctions[] = {{"ct_snapshot_load_with", by_callback}, {"ct_snapshot_load_file_with", by_file}};

/* A snapshot of an entry "a" with two hours to live. */
static tape make_snapshot(bool by_default_timer) {
  fixture f;
  ct_options options =
      by_default_timer ? precise_options(CT_POLICY_LRU) : fixture_options(&f, CT_POLICY_LRU, 1000);
  ct_cache *cache = new_cache(&options);
  assert_status(CT_OK, set_text_ttl(cache, "a", "1", 2 * kHour));
  tape t = {0};
  assert_status(CT_OK, save_tape(cache, &t));
  ct_cache_free(cache);
  return t;
}

DATE_TEST(each_function_answers_as_snapshot_timer_and_flags_demand) {
  enum { kNone = 0 };
  static const struct {
    bool is_dated, by_default_timer;
    uint32_t flags;
    ct_status status;
    uint64_t left; /* of the entry after an hour; kNone: it is not there */
  } kCases[] = {
      {true, true, 0, CT_OK, 2},
      {true, true, CT_SNAPSHOT_AGED, CT_OK, 1},
      {true, true, 2, CT_ERR_INVALID, kNone},
      {true, true, CT_SNAPSHOT_AGED | 2, CT_ERR_INVALID, kNone},
      {true, true, 0x80000000, CT_ERR_INVALID, kNone},
      {true, true, UINT32_MAX, CT_ERR_INVALID, kNone},
      {true, false, 0, CT_OK, 2},
      {true, false, CT_SNAPSHOT_AGED, CT_ERR_UNSUPPORTED, kNone},
      {true, false, 2, CT_ERR_INVALID, kNone},
      {false, true, 0, CT_OK, 2},
      {false, true, CT_SNAPSHOT_AGED, CT_ERR_UNSUPPORTED, kNone},
      {false, true, CT_SNAPSHOT_AGED | 4, CT_ERR_INVALID, kNone},
      {false, false, 0, CT_OK, 2},
      {false, false, CT_SNAPSHOT_AGED, CT_ERR_UNSUPPORTED, kNone},
      {false, false, 4, CT_ERR_INVALID, kNone},
  };
  for (size_t i = 0; i < COUNT_OF(kCases); i++) {
    for (size_t j = 0; j < COUNT_OF(kFunctions); j++) {
      print_message("# %s, case %zu\n", kFunctions[j].name, i);
      wall = kToday;
      tape t = make_snapshot(kCases[i].is_dated);
      wall.tv_sec += 3600;
      fixture f;
      ct_options options = kCases[i].by_default_timer ? precise_options(CT_POLICY_LRU)
                                                      : fixture_options(&f, CT_POLICY_LRU, 1000);
      ct_cache *cache = new_cache(&options);
      assert_status(CT_OK, set_text(cache, "here", "before"));
      /* Memory that a cache keeps once it has read anything does not count, so this one reads
       * first. */
      tape nothing = {0};
      assert_status(CT_ERR_CORRUPT, kFunctions[j].load(cache, &nothing, 0));
      const ct_stats before = stats_of(cache);
      const uint64_t memory = ct_memory(cache);
      assert_status(kCases[i].status, kFunctions[j].load(cache, &t, kCases[i].flags));
      assert_stats(&before, cache, __LINE__);
      assert_text_quietly(cache, "here", "before");
      if (kCases[i].left == kNone) {
        assert_int_equal(1, ct_len(cache));
        assert_true(ct_memory(cache) == memory);
      } else {
        assert_int_equal(2, ct_len(cache));
        assert_true(info_of(cache, "a").remaining == kCases[i].left * kHour);
      }
      ct_cache_free(cache);
      tape_free(&t);
    }
  }
}

DATE_TEST(no_flags_are_the_plain_call_and_read_no_date) {
  tape t = make_snapshot(true);
  const place it = make_file(&t);
  wall.tv_sec += 3 * 3600;
  const ct_options options = precise_options(CT_POLICY_LRU);
  for (int way = 0; way < 4; way++) {
    ct_cache *cache = new_cache(&options);
    dates_read = 0;
    assert_status(CT_OK, way == 0   ? load_tape(cache, &t)
                         : way == 1 ? load_tape_with(cache, &t, 0)
                         : way == 2 ? ct_snapshot_load_file(cache, it.path)
                                    : ct_snapshot_load_file_with(cache, it.path, 0));
    assert_int_equal(0, dates_read);
    assert_true(info_of(cache, "a").remaining == 2 * kHour);
    ct_cache_free(cache);
  }
  assert_int_equal(0, unlink(it.path));
  tape_free(&t);
}

DATE_TEST(what_cannot_be_is_said_early) {
  tape t = make_snapshot(false);
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, 10);
  fixture_open(&f, &options);
  t.calls = 0;
  assert_status(CT_ERR_UNSUPPORTED, load_tape_with(f.cache, &t, CT_SNAPSHOT_AGED));
  assert_status(CT_ERR_INVALID, load_tape_with(f.cache, &t, 2));
  assert_int_equal(0, t.calls);
  fixture_close(&f);
  options = precise_options(CT_POLICY_LRU);
  ct_cache *cache = new_cache(&options);
  assert_status(CT_ERR_UNSUPPORTED, load_tape_with(cache, &t, CT_SNAPSHOT_AGED));
  /* Without the flag, it can be loaded. */
  assert_status(CT_OK, load_tape(cache, &t));
  assert_int_equal(1, ct_len(cache));
  ct_cache_free(cache);
  tape_free(&t);
}

DATE_TEST(arguments_that_are_not_allowed) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  tape t = {0};
  for (uint32_t flags = 0; flags < 3; flags++) {
    assert_status(CT_ERR_INVALID, ct_snapshot_load_with(NULL, tape_read, &t, flags));
    assert_status(CT_ERR_INVALID, ct_snapshot_load_with(cache, NULL, &t, flags));
    assert_status(CT_ERR_INVALID, ct_snapshot_load_file_with(NULL, "x", flags));
    assert_status(CT_ERR_INVALID, ct_snapshot_load_file_with(cache, NULL, flags));
  }
  assert_status(CT_ERR_IO, ct_snapshot_load_file_with(cache, "/none/there", CT_SNAPSHOT_AGED));
  assert_int_equal(0, t.calls);
  ct_cache_free(cache);
}

/* ---- Each way to a lifetime ----------------------------------------------------------------- */

static uint64_t ends_in_two_hours(void *user_data, const void *key, size_t key_size,
                                  const void *value, size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return now + 2 * kHour;
}

static void by_cache(ct_cache *cache) {
  assert_status(CT_OK, set_text(cache, "a", "1"));
}

static void by_ttl(ct_cache *cache) {
  assert_status(CT_OK, set_text_ttl(cache, "a", "1", 2 * kHour));
}

static void by_deadline(ct_cache *cache) {
  assert_status(CT_OK, set_text_deadline(cache, "a", "1", monotonic + 2 * kHour));
}

static void by_set_lifetime(ct_cache *cache) {
  assert_status(CT_OK, set_text_ttl(cache, "a", "1", CT_NEVER));
  assert_status(CT_OK, ct_set_lifetime(cache, "a", 1, 2 * kHour));
}

static void by_use(ct_cache *cache) {
  assert_status(CT_OK, set_text(cache, "a", "1"));
  pass(kHour);
  assert_status(CT_OK, use_text(cache, "a"));
}

static ct_status load_value(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)user_data, (void)key, (void)key_size;
  ct_result_ttl(result, 2 * kHour);
  return ct_result_set(result, "1", 1);
}

static void by_loader(ct_cache *cache) {
  assert_status(CT_OK, ct_get_or_load(cache, "a", 1, load_value, NULL, NULL));
}

static ct_status load_deadline(void *user_data, const void *key, size_t key_size,
                               const ct_bytes *old, ct_result *result) {
  (void)user_data, (void)key, (void)key_size, (void)old;
  ct_result_deadline(result, monotonic + 2 * kHour);
  return ct_result_set(result, "1", 1);
}

static void by_compute(ct_cache *cache) {
  assert_status(CT_OK, ct_compute(cache, "a", 1, load_deadline, NULL, NULL));
}

static const struct {
  const char *name;
  void (*store)(ct_cache *cache); /* stores "a", which lives for two hours from the call's end on */
  ct_policy policy;
  uint64_t ttl, tti; /* of the cache, in hours */
} kWays[] = {
    {"ttl", by_cache, CT_POLICY_LRU, 2, 0},
    {"TTL", by_cache, CT_POLICY_TTL, 2, 0},
    {"TLRU", by_cache, CT_POLICY_TLRU, 0, 0},
    {"TLRU, tti", by_cache, CT_POLICY_TLRU, 0, 5},
    {"tti", by_cache, CT_POLICY_LRU, 0, 2},
    {"tti before ttl", by_cache, CT_POLICY_SIEVE, 3, 2},
    {"ttl before tti", by_cache, CT_POLICY_SIEVE, 2, 3},
    {"use", by_use, CT_POLICY_LRU, 0, 2},
    {"set_ttl", by_ttl, CT_POLICY_FIFO, 0, 0},
    {"set_ttl beside a ttl", by_ttl, CT_POLICY_LRU, 100, 0},
    {"deadline", by_deadline, CT_POLICY_WTINYLFU, 0, 0},
    {"deadline beside a ttl and a tti", by_deadline, CT_POLICY_LFU, 7, 6},
    {"set_lifetime", by_set_lifetime, CT_POLICY_ARC, 0, 0},
    {"loader", by_loader, CT_POLICY_S3FIFO, 0, 0},
    {"compute", by_compute, CT_POLICY_CLOCK, 0, 0},
};

static ct_options options_of_way(size_t way) {
  ct_options options = precise_options(kWays[way].policy);
  options.ttl = kWays[way].ttl * kHour;
  options.tti = kWays[way].tti * kHour;
  if (kWays[way].policy == CT_POLICY_TLRU) options.ttu = ends_in_two_hours;
  return options;
}

/* How far the wall clock goes on after the save, and how much of two hours that takes. */
static const struct {
  const char *name;
  int64_t seconds, ns;
  uint64_t taken; /* CT_NEVER: all */
} kTimes[] = {
    {"none", 0, 0, 0},
    {"a nanosecond", 0, 1, 1},
    {"an hour", 3600, 0, UINT64_C(3600) * kSecond},
    {"all but a nanosecond", 7199, 999999999, UINT64_C(7200) * kSecond - 1},
    {"two hours", 7200, 0, CT_NEVER},
    {"a nanosecond more", 7200, 1, CT_NEVER},
    {"years", 100000000, 0, CT_NEVER},
    {"beyond what can be counted", INT64_MAX - 1700000000, 0, CT_NEVER},
    {"a nanosecond back", 0, -1, 0},
    {"an hour back", -3600, 0, 0},
    {"back to 1970", -1700000000, 0, 0},
    {"back before 1970", -1800000000, 0, 0},
};

static void move_wall(size_t time) {
  wall = kToday;
  wall.tv_sec += (time_t)kTimes[time].seconds;
  wall.tv_nsec += (long)kTimes[time].ns;
  wall.tv_sec += wall.tv_nsec / kSecond;
  wall.tv_nsec %= kSecond;
}

/* The monotonic clock starts anew, as after a restart of the machine. */
DATE_TEST(lifetimes_of_each_kind_age_by_the_wall_clock) {
  for (size_t way = 0; way < COUNT_OF(kWays); way++) {
    for (size_t time = 0; time < COUNT_OF(kTimes); time++) {
      print_message("# %s, %s\n", kWays[way].name, kTimes[time].name);
      const ct_options options = options_of_way(way);
      monotonic = 5000 * kHour;
      ct_cache *from = new_cache(&options);
      kWays[way].store(from);
      wall = kToday;
      tape t = {0};
      assert_status(CT_OK, save_tape(from, &t));
      ct_cache_free(from);

      monotonic = kSecond;
      move_wall(time);
      ct_cache *to = new_cache(&options);
      assert_status(CT_OK, load_tape_with(to, &t, CT_SNAPSHOT_AGED));
      tape_free(&t);
      if (kTimes[time].taken == CT_NEVER) {
        assert_int_equal(0, ct_expire(to, CT_NEVER - 1, NULL, NULL)); /* it is not even stored */
        assert_int_equal(0, ct_len(to));
        assert_int_equal(0, ct_currsize(to));
      } else {
        const uint64_t left = 2 * kHour - kTimes[time].taken;
        assert_int_equal(1, ct_len(to));
        assert_true(info_of(to, "a").remaining == left);
        monotonic += left - 1;
        assert_true(has_text(to, "a"));
        monotonic++;
        assert_false(has_text(to, "a"));
      }
      ct_cache_free(to);
    }
  }
}

DATE_TEST(what_has_no_lifetime_does_not_age) {
  const ct_options options = precise_options(CT_POLICY_LRU);
  ct_cache *from = new_cache(&options);
  assert_status(CT_OK, set_text(from, "a", "1"));
  assert_status(CT_OK, set_text_deadline(from, "last moment", "2", CT_NEVER - 1));
  const uint64_t left = CT_NEVER - 1 - monotonic;
  tape t = {0};
  assert_status(CT_OK, save_tape(from, &t));
  ct_cache_free(from);
  monotonic = 0;
  wall.tv_sec = INT64_MAX;
  ct_cache *to = new_cache(&options);
  assert_status(CT_OK, load_tape_with(to, &t, CT_SNAPSHOT_AGED));
  assert_int_equal(2, ct_len(to));
  assert_true(info_of(to, "a").remaining == CT_NEVER);
  assert_true(info_of(to, "last moment").remaining == left - (UINT64_MAX - kTodayNs));
  ct_cache_free(to);
  tape_free(&t);
}

DATE_TEST(idle_times_age_only_where_there_are_any) {
  ct_options options = precise_options(CT_POLICY_LRU);
  options.tti = 2 * kHour;
  ct_cache *from = new_cache(&options);
  assert_status(CT_OK, set_text(from, "idle", "1"));
  assert_status(CT_OK, set_text_ttl(from, "both", "2", 3 * kHour));
  tape t = {0};
  assert_status(CT_OK, save_tape(from, &t));
  ct_cache_free(from);
  wall.tv_sec += 9000; /* two hours and a half */
  ct_cache *idle = new_cache(&options);
  assert_status(CT_OK, load_tape_with(idle, &t, CT_SNAPSHOT_AGED));
  assert_int_equal(0, ct_len(idle));
  ct_cache_free(idle);
  options.tti = 0;
  ct_cache *without = new_cache(&options);
  assert_status(CT_OK, load_tape_with(without, &t, CT_SNAPSHOT_AGED));
  assert_int_equal(2, ct_len(without));
  assert_true(info_of(without, "idle").remaining == CT_NEVER);
  assert_true(info_of(without, "both").remaining == kHour / 2);
  ct_cache_free(without);
  tape_free(&t);
}

/* All clocks move on with each reading, and the coarse one is more or less behind. */
DATE_TEST(no_lifetime_ends_early_for_having_been_in_a_snapshot) {
  static const uint64_t kSteps[] = {0, 1, 1000, 700000};
  for (unsigned i = 0; i < COUNT_OF(kSteps) * 8 * COUNT_OF(kWays); i++) {
    const size_t way = i / 8 % COUNT_OF(kWays);
    ct_options options = options_of_way(way);
    if (i % 8 != 0) options.flags = 0;
    step = 0;
    lag = (i & 1) != 0 ? 2 * kTick - 1 : 0;
    ct_cache *from = new_cache(&options);
    kWays[way].store(from);
    const uint64_t end = monotonic + 2 * kHour - (options.ttu != NULL ? lag : 0);
    step = kSteps[i / 8 / COUNT_OF(kWays)];
    lag = (i & 2) != 0 ? 2 * kTick - 1 : 0;
    tape t = {0};
    assert_status(CT_OK, save_tape(from, &t));
    ct_cache_free(from);
    pass(kHour);
    lag = (i & 4) != 0 ? 2 * kTick - 1 : 0;
    ct_cache *to = new_cache(&options);
    assert_status(CT_OK, load_tape_with(to, &t, CT_SNAPSHOT_AGED));
    const uint64_t late = options.flags == 0 ? 6 * kTick : 0;
    assert_in_range(info_of(to, "a").deadline, end, end + late + 10 * step);
    ct_cache_free(to);
    tape_free(&t);
  }
}

static ct_status read_slowly(void *user_data, void *buffer, size_t capacity, size_t *got) {
  tape *t = user_data;
  if (t->at > 0) pass(kHour / 2);
  t->most = 100;
  return tape_read(t, buffer, capacity, got);
}

DATE_TEST(time_that_reading_takes_counts_too) {
  const ct_options options = precise_options(CT_POLICY_LRU);
  ct_cache *cache = new_cache(&options);
  tape t = read_recorded("dated.ctsnap"); /* read in four pieces */
  assert_int_equal(kPrefix + kFrameHead + 164, t.size);
  wall.tv_sec += 10;
  assert_status(CT_OK, ct_snapshot_load_with(cache, read_slowly, &t, CT_SNAPSHOT_AGED));
  assert_int_equal(1, ct_len(cache));
  assert_true(has_text(cache, "idle"));
  ct_cache_free(cache);
  tape_free(&t);
}

/* ---- What is not kept ----------------------------------------------------------------------- */

static uint64_t asked, dropped;

static uint64_t weigh_and_count(void *user_data, const void *key, size_t key_size,
                                const void *value, size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  asked++;
  return 1;
}

static void count_drop(void *user_data, const void *value, size_t value_size) {
  (void)user_data, (void)value, (void)value_size;
  dropped++;
}

DATE_TEST(what_is_over_takes_no_room_and_nobody_hears_of_it) {
  ct_options options = precise_options(CT_POLICY_LRU);
  ct_cache *from = new_cache(&options);
  set_text(from, "coldest", "snapshot");
  set_text(from, "cold", "snapshot");
  set_text_ttl(from, "present", "snapshot", 1);
  set_text_ttl(from, "over", "snapshot", kHour);
  set_text_ttl(from, "over too", "snapshot", kHour / 2);
  set_text_ttl(from, "hottest", "snapshot", kHour + 1);
  tape t = {0};
  assert_status(CT_OK, save_tape(from, &t));
  ct_cache_free(from);

  fixture f = {0};
  options.maxsize = 3;
  options.user_data = &f;
  options.listener = log_event;
  options.drop = count_drop;
  options.weigher = weigh_and_count;
  ct_cache *to = new_cache(&options);
  set_text(to, "present", "here");
  const ct_stats before = stats_of(to);
  asked = dropped = 0;
  wall.tv_sec += 3600;
  assert_status(CT_OK, load_tape_with(to, &t, CT_SNAPSHOT_AGED));
  assert_int_equal(3, asked);
  assert_int_equal(0, dropped);
  assert_told(&f, "");
  assert_stats(&before, to, __LINE__);
  assert_text_quietly(to, "present", "here");
  assert_true(has_text(to, "hottest"));
  assert_true(has_text(to, "cold"));
  assert_int_equal(3, ct_len(to));
  ct_cache_free(to);
  tape_free(&t);
}

/* ---- Against a reference -------------------------------------------------------------------- */

typedef struct reference {
  uint64_t ttl, idle; /* that were left at the save */
} reference;

/* Draws a number of any magnitude. */
static uint64_t draw(uint64_t *random) {
  const uint64_t number = test_random(random);
  return 1 + (number >> (1 + test_random_below(random, 63)));
}

static uint64_t reference_left(uint64_t left, uint64_t elapsed) {
  if (left == CT_NEVER) return CT_NEVER;
  return left <= elapsed ? 0 : left - elapsed;
}

DATE_TEST(random_lifetimes_age_as_a_reference_says) {
  enum { kKeys = 60, kRounds = 400 };
  uint64_t random = test_seed();
  uint64_t kept = 0, gone = 0;
  for (int round = 0; round < kRounds; round++) {
    static const ct_policy kPolicies[] = {
        CT_POLICY_LRU, CT_POLICY_FIFO,   CT_POLICY_LFU,      CT_POLICY_RR,  CT_POLICY_SIEVE,
        CT_POLICY_MRU, CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU, CT_POLICY_ARC, CT_POLICY_ADAPTIVE};
    ct_options options = precise_options(kPolicies[test_random_below(&random, 9)]);
    options.shards = test_random_below(&random, 2) == 0 ? 1 : 4;
    options.tti = test_random_below(&random, 2) == 0 ? 0 : draw(&random);
    monotonic = 1 + test_random_below(&random, UINT64_C(1) << 50);
    ct_cache *from = new_cache(&options);
    reference all[kKeys];
    for (uint64_t key = 0; key < kKeys; key++) {
      all[key].idle = options.tti == 0 ? CT_NEVER : options.tti;
      all[key].ttl = test_random_below(&random, 4) == 0 ? CT_NEVER : draw(&random);
      assert_status(CT_OK, ct_set_ttl(from, &key, sizeof key, &key, sizeof key, all[key].ttl));
    }
    wall.tv_sec = (time_t)test_random_below(&random, UINT64_C(20000000000));
    wall.tv_nsec = (long)test_random_below(&random, kSecond);
    tape t = {0};
    assert_status(CT_OK, save_tape(from, &t));
    ct_cache_free(from);

    /* One clock in five is set back. None goes on beyond what can be counted. */
    uint64_t elapsed = draw(&random) >> 1;
    if (test_random_below(&random, 5) == 0) {
      wall.tv_sec = (time_t)test_random_below(&random, (uint64_t)wall.tv_sec + 1);
      wall.tv_nsec = 0;
      elapsed = 0;
    } else {
      const uint64_t saved = (uint64_t)wall.tv_sec * kSecond + (uint64_t)wall.tv_nsec;
      const bool ends = elapsed > UINT64_MAX - saved;
      if (ends || (uint64_t)wall.tv_sec > UINT64_MAX / kSecond) elapsed = 0;
      pass(elapsed);
    }
    monotonic = test_random_below(&random, UINT64_C(1) << 50);
    options.policy = kPolicies[test_random_below(&random, 9)];
    ct_cache *to = new_cache(&options);
    assert_status(CT_OK, load_tape_with(to, &t, CT_SNAPSHOT_AGED));
    tape_free(&t);
    for (uint64_t key = 0; key < kKeys; key++) {
      const uint64_t ttl = reference_left(all[key].ttl, elapsed);
      const uint64_t idle = reference_left(all[key].idle, elapsed);
      const uint64_t left = ttl < idle ? ttl : idle;
      ct_entry_info info = CT_ENTRY_INFO_INIT;
      const ct_status status = ct_inspect(to, &key, sizeof key, &info);
      assert_status(left == 0 ? CT_MISS : CT_OK, status);
      if (left != 0) assert_true(info.remaining == left || info.deadline == CT_NEVER);
      if (left < CT_NEVER - monotonic && left != 0) assert_true(info.remaining == left);
      kept += left != 0;
      gone += left == 0;
    }
    ct_cache_free(to);
  }
  assert_true(kept > kRounds * kKeys / 10 && gone > kRounds * kKeys / 10);
}

/* ---- Failures ------------------------------------------------------------------------------- */

DATE_TEST(load_without_memory_keeps_nothing) {
  tape t = read_recorded("dated.ctsnap");
  for (int64_t fail = 0;; fail++) {
    test_allocator allocator;
    test_allocator_init(&allocator);
    ct_options options = precise_options(CT_POLICY_LRU);
    options.tti = 7200 * (uint64_t)kSecond;
    options.allocator = &allocator.hooks;
    ct_cache *cache = new_cache(&options);
    assert_status(CT_OK, set_text(cache, "here", "before"));
    wall.tv_sec = kToday.tv_sec + 10 + 3000; /* "short" is over */
    allocator.fail_at = allocator.calls + fail;
    const ct_status status = load_tape_with(cache, &t, CT_SNAPSHOT_AGED);
    const bool failed = allocator.failed != 0;
    allocator.fail_at = -1;
    assert_status(failed ? CT_ERR_NOMEM : CT_OK, status);
    assert_int_equal(failed ? 1 : 3, ct_len(cache));
    if (failed) assert_status(CT_OK, load_tape_with(cache, &t, CT_SNAPSHOT_AGED));
    assert_true(info_of(cache, "token").remaining == UINT64_C(590) * kSecond);
    assert_true(info_of(cache, "idle").remaining == UINT64_C(4190) * kSecond);
    assert_false(has_text(cache, "short"));
    ct_cache_free(cache);
    assert_int_equal(0, allocator.blocks);
    if (!failed) {
      assert_true(fail > 3);
      break;
    }
  }
  tape_free(&t);
}

DATE_TEST(aged_loads_of_damaged_snapshots_keep_nothing) {
  const ct_options options = precise_options(CT_POLICY_LRU);
  ct_cache *cache = new_cache(&options);
  assert_status(CT_OK, set_text(cache, "here", "before"));
  tape t = read_recorded("dated.ctsnap");
  for (size_t at = 0; at < t.size; at++) {
    for (unsigned bit = 0; bit < 8; bit++) {
      t.bytes[at] ^= (unsigned char)(1u << bit);
      assert_status(CT_ERR_CORRUPT, load_tape_with(cache, &t, CT_SNAPSHOT_AGED));
      t.bytes[at] ^= (unsigned char)(1u << bit);
    }
  }
  while (t.size-- > 0) assert_status(CT_ERR_CORRUPT, load_tape_with(cache, &t, CT_SNAPSHOT_AGED));
  tape_free(&t);
  /* A missing date is reported only after the frame with the head has been checked. */
  t = read_recorded("lfu.ctsnap");
  assert_status(CT_ERR_UNSUPPORTED, load_tape_with(cache, &t, CT_SNAPSHOT_AGED));
  while (t.size-- > 0) assert_status(CT_ERR_CORRUPT, load_tape_with(cache, &t, CT_SNAPSHOT_AGED));
  tape_free(&t);
  assert_int_equal(1, ct_len(cache));
  ct_cache_free(cache);
}
