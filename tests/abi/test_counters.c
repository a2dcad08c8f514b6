/* SPDX-License-Identifier: MIT */
/* ct_add, as one thread sees it. */
#include "plan.h"

/* Asserts status and sum. */
static void assert_adds_with(ct_status expected, int64_t sum, ct_cache *cache, const char *key,
                             int64_t delta, int64_t initial, const ct_entry_options *options) {
  int64_t out = 77;
  assert_status(expected, ct_add(cache, key, strlen(key), delta, initial, options, &out));
  assert_true(out == sum);
}

static void assert_adds(int64_t sum, ct_cache *cache, const char *key, int64_t delta) {
  assert_adds_with(CT_OK, sum, cache, key, delta, 0, NULL);
}

static void assert_counter(ct_cache *cache, const char *key, int64_t expected) {
  ct_value value = CT_VALUE_INIT;
  assert_status(CT_OK, ct_peek(cache, key, strlen(key), &value));
  assert_int_equal(8, value.size);
  assert_true(*(const int64_t *)value.data == expected);
  ct_value_release(&value);
}

static ct_status set_counter(ct_cache *cache, const char *key, int64_t value) {
  return ct_set(cache, key, strlen(key), &value, sizeof value);
}

static uint64_t deadline_of(fixture *f, const char *key) {
  return info_of(f->cache, key).deadline;
}

static void log_number(void *user_data, const ct_event *event) {
  fixture *f = user_data;
  const size_t used = strlen(f->log);
  int64_t number = 0;
  if (event->value.size == 8) memcpy(&number, event->value.data, 8);
  snprintf(f->log + used, sizeof f->log - used, "%s%s %.*s=%lld", used == 0 ? "" : ", ",
           cause_name(event->cause), (int)event->key.size, (const char *)event->key.data,
           (long long)number);
}

static void open_quiet(fixture *f, ct_options options) {
  memset(f, 0, sizeof *f);
  options.struct_size = sizeof options;
  options.user_data = f;
  options.timer = manual_clock_read;
  fixture_open(f, &options);
}

#define QUIET(...) open_quiet(f, (ct_options){.maxsize = 8, __VA_ARGS__})

/* ---- Sums ----------------------------------------------------------------------------------- */

TEST(absent_key_begins_with_initial_and_delta) {
  for (int listens = 0; listens < 2; listens++) {
    fixture f;
    open_quiet(&f, (ct_options){.maxsize = 8, .listener = listens != 0 ? log_number : NULL});
    assert_adds_with(CT_OK, 7, f.cache, "a", -3, 10, NULL);
    assert_counter(f.cache, "a", 7);
    assert_adds_with(CT_OK, 9, f.cache, "a", 2, 10, NULL);
    assert_adds_with(CT_OK, 9, f.cache, "a", 0, 10, NULL);
    assert_counter(f.cache, "a", 9);
    assert_status(CT_OK, ct_add(f.cache, "a", 1, 1, 0, NULL, NULL));
    assert_counter(f.cache, "a", 10);
    assert_counted(f.cache, .hits = 3, .misses = 1, .inserts = 1, .updates = 3);
    assert_string_equal(listens != 0 ? "REPLACED a=7, REPLACED a=9, REPLACED a=9" : "", f.log);
    fixture_close(&f);
  }
}

TEST(sums_saturate) {
  static const struct {
    int64_t base, delta, sum;
  } rows[] = {
      {INT64_MAX, 1, INT64_MAX},      {INT64_MAX, INT64_MAX, INT64_MAX},
      {INT64_MAX - 1, 1, INT64_MAX},  {1, INT64_MAX, INT64_MAX},
      {INT64_MIN, -1, INT64_MIN},     {INT64_MIN, INT64_MIN, INT64_MIN},
      {INT64_MIN + 1, -1, INT64_MIN}, {-1, INT64_MIN, INT64_MIN},
      {INT64_MIN, INT64_MAX, -1},     {INT64_MAX, INT64_MIN, -1},
      {INT64_MAX, -1, INT64_MAX - 1}, {INT64_MIN, 1, INT64_MIN + 1},
      {0, INT64_MIN, INT64_MIN},      {0, INT64_MAX, INT64_MAX},
  };
  for (int listens = 0; listens < 2; listens++) {
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
      fixture f;
      open_quiet(&f, (ct_options){.maxsize = 8, .listener = listens != 0 ? log_number : NULL});
      assert_adds_with(CT_OK, rows[i].sum, f.cache, "a", rows[i].delta, rows[i].base, NULL);
      set_counter(f.cache, "b", rows[i].base);
      assert_adds_with(CT_OK, rows[i].sum, f.cache, "b", rows[i].delta, 5, NULL);
      assert_counter(f.cache, "a", rows[i].sum);
      assert_counter(f.cache, "b", rows[i].sum);
      fixture_close(&f);
    }
  }
}

TEST(value_of_another_size_is_no_counter) {
  static const size_t sizes[] = {0, 1, 4, 7, 9, 16, kLarge};
  static char bytes[kLarge];
  for (int listens = 0; listens < 2; listens++) {
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
      fixture f;
      open_quiet(&f, (ct_options){.maxsize = 8, .listener = listens != 0 ? log_number : NULL});
      ct_set(f.cache, "a", 1, bytes, sizes[i]);
      assert_adds_with(CT_ERR_UNSUPPORTED, 0, f.cache, "a", 1, 0, NULL);
      assert_int_equal(sizes[i], info_of(f.cache, "a").value_size);
      assert_counted(f.cache, .inserts = 1);
      /* Once it is gone, there is nothing in the way. */
      ct_set_lifetime(f.cache, "a", 1, 5);
      set_now(&f, 5);
      assert_adds(1, f.cache, "a", 1);
      fixture_close(&f);
    }
  }
}

TEST(any_key_may_count) {
  static char large[70000], zeros[3];
  const struct {
    const void *key;
    size_t size;
  } rows[] = {{NULL, 0}, {zeros, 3}, {zeros, 1}, {large, 300}, {large, kLarge}, {large, 70000}};
  for (uint32_t flags = 0; flags <= CT_FLAG_SINGLE_THREADED; flags++) {
    for (int listens = 0; listens < 2; listens++) {
      fixture f;
      open_quiet(
          &f,
          (ct_options){.maxsize = 8, .flags = flags, .listener = listens != 0 ? log_event : NULL});
      for (int64_t round = 1; round <= 3; round++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
          int64_t sum = 0;
          assert_status(CT_OK, ct_add(f.cache, rows[i].key, rows[i].size, 1, 0, NULL, &sum));
          assert_int_equal(round, sum);
          size_t size = 0;
          assert_status(CT_OK,
                        ct_get_copy(f.cache, rows[i].key, rows[i].size, &sum, sizeof sum, &size));
          assert_int_equal(8, size);
          assert_int_equal(round, sum);
        }
      }
      fixture_close(&f);
    }
  }
}

/* ---- In place, or in another block ---------------------------------------------------------- */

FIXTURE_TEST(pinned_value_does_not_change, QUIET()) {
  assert_adds(1, f->cache, "a", 1);
  ct_value first = CT_VALUE_INIT;
  assert_status(CT_OK, ct_get(f->cache, "a", 1, &first));
  assert_adds(3, f->cache, "a", 2);
  assert_true(*(const int64_t *)first.data == 1);
  assert_counter(f->cache, "a", 3);
  const ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_SAME, .same = &first);
  assert_status(CT_EXISTS, ct_set_with(f->cache, "a", 1, "x", 1, &options));
  ct_value_release(&first);
}

static uint64_t dropped;

static void count_drop(void *user_data, const void *value, size_t value_size) {
  (void)user_data, (void)value, (void)value_size;
  dropped++;
}

TEST(each_sum_is_dropped_once) {
  dropped = 0;
  fixture f;
  open_quiet(&f, (ct_options){.maxsize = 8, .drop = count_drop});
  for (int i = 0; i < 10; i++) assert_adds(i + 1, f.cache, "a", 1);
  assert_int_equal(9, dropped);
  fixture_close(&f);
  assert_int_equal(10, dropped);
}

/* ---- What a counter keeps ------------------------------------------------------------------- */

TEST(lifetime_and_weight_are_kept) {
  for (int listens = 0; listens < 2; listens++) {
    fixture f;
    open_quiet(
        &f, (ct_options){.maxsize = 100, .ttl = 50, .listener = listens != 0 ? log_number : NULL});
    const ct_entry_options heavy =
        entry_with(.flags = CT_ENTRY_WEIGHT | CT_ENTRY_TTL, .weight = 5, .ttl = 7);
    const ct_entry_options later =
        entry_with(.flags = CT_ENTRY_WEIGHT | CT_ENTRY_DEADLINE, .weight = 9, .deadline = 99);
    const ct_entry_options heaviest =
        entry_with(.flags = CT_ENTRY_WEIGHT | CT_ENTRY_TTL, .weight = 101, .ttl = 0);
    assert_adds(1, f.cache, "plain", 1);
    assert_adds_with(CT_OK, 1, f.cache, "heavy", 1, 0, &heavy);
    assert_adds_with(CT_OK, 1, f.cache, "later", 1, 0, &later);
    for (int64_t round = 2; round < 5; round++) {
      set_now(&f, (uint64_t)round);
      const ct_entry_options *const options[] = {NULL, &heaviest, &later};
      assert_adds_with(CT_OK, round, f.cache, "plain", 1, 0, options[round % 3]);
      assert_adds_with(CT_OK, round, f.cache, "heavy", 1, 0, options[round % 3]);
      assert_adds_with(CT_OK, round, f.cache, "later", 1, 0, options[round % 3]);
      assert_int_equal(50, deadline_of(&f, "plain"));
      assert_int_equal(7, deadline_of(&f, "heavy"));
      assert_int_equal(99, deadline_of(&f, "later"));
      assert_int_equal(15, ct_currsize(f.cache));
    }
    /* A window ends, and the next one begins. */
    set_now(&f, 7);
    assert_adds_with(CT_OK, 1, f.cache, "heavy", 1, 0, &heavy);
    assert_int_equal(14, deadline_of(&f, "heavy"));
    fixture_close(&f);
  }
}

TEST(first_lifetime_of_a_counter_is_kept) {
  for (int listens = 0; listens < 2; listens++) {
    fixture f;
    open_quiet(&f, (ct_options){.maxsize = 4096,
                                .weight_kind = CT_WEIGHT_MEMORY,
                                .listener = listens != 0 ? log_number : NULL});
    assert_adds(1, f.cache, "a", 1);
    uint64_t weight = ct_currsize(f.cache);
    assert_adds(2, f.cache, "a", 1);
    assert_int_equal(weight, ct_currsize(f.cache));
    ct_set_lifetime(f.cache, "a", 1, 9);
    weight = ct_currsize(f.cache);
    assert_adds(3, f.cache, "a", 1);
    assert_int_equal(9, deadline_of(&f, "a"));
    assert_int_equal(weight, ct_currsize(f.cache));
    assert_int_equal(weight, info_of(f.cache, "a").weight);
    fixture_close(&f);
  }
}

TEST(tti_begins_anew_with_each_sum) {
  for (int listens = 0; listens < 2; listens++) {
    fixture f;
    open_quiet(
        &f, (ct_options){
                .maxsize = 8, .ttl = 100, .tti = 30, .listener = listens != 0 ? log_number : NULL});
    for (int64_t round = 1; round < 5; round++) {
      assert_adds(round, f.cache, "a", 1);
      assert_int_equal(f.clock.now + 30 < 100 ? f.clock.now + 30 : 100, deadline_of(&f, "a"));
      set_now(&f, f.clock.now + 25);
    }
    set_now(&f, 100);
    assert_adds(1, f.cache, "a", 1);
    assert_int_equal(130, deadline_of(&f, "a"));
    fixture_close(&f);
  }
}

static uint64_t asked;

static uint64_t weigh_two(void *user_data, const void *key, size_t key_size, const void *value,
                          size_t value_size) {
  (void)user_data, (void)key, (void)key_size;
  int64_t number = 0;
  memcpy(&number, value, value_size);
  asked += (uint64_t)number;
  return 2;
}

static uint64_t in_ten_ticks(void *user_data, const void *key, size_t key_size, const void *value,
                             size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size;
  int64_t number = 0;
  memcpy(&number, value, value_size);
  asked += 1000 * (uint64_t)number;
  return now + 10;
}

TEST(callbacks_are_asked_only_about_a_new_counter) {
  for (int listens = 0; listens < 2; listens++) {
    fixture f;
    open_quiet(&f, (ct_options){.maxsize = 8,
                                .weigher = weigh_two,
                                .ttu = in_ten_ticks,
                                .listener = listens != 0 ? log_number : NULL});
    asked = 0;
    const ct_entry_options present = entry_with(.flags = CT_ENTRY_IF_PRESENT);
    assert_adds_with(CT_MISS, 0, f.cache, "a", 1, 0, &present);
    assert_int_equal(0, asked);
    assert_adds_with(CT_OK, 8, f.cache, "a", 1, 7, NULL);
    assert_int_equal(8008, asked);
    set_now(&f, 3);
    assert_adds(9, f.cache, "a", 1);
    assert_adds_with(CT_OK, 10, f.cache, "a", 1, 0, &present);
    assert_int_equal(8008, asked);
    assert_int_equal(10, deadline_of(&f, "a"));
    assert_int_equal(2, ct_currsize(f.cache));
    assert_counted(f.cache, .hits = 2, .misses = 2, .inserts = 1, .updates = 2);
    fixture_close(&f);
  }
}

FIXTURE_TEST(stale_counter_is_absent, QUIET(.ttl = 10, .stale = 50)) {
  assert_adds(1, f->cache, "a", 1);
  set_now(f, 9);
  assert_adds(2, f->cache, "a", 1);
  set_now(f, 10);
  assert_adds(1, f->cache, "a", 1);
  assert_int_equal(20, deadline_of(f, "a"));
  assert_counted(f->cache, .hits = 1, .misses = 2, .inserts = 2, .updates = 1, .expirations = 1);
}

/* ---- What is not stored --------------------------------------------------------------------- */

FIXTURE_TEST(new_counter_may_be_refused, QUIET()) {
  const ct_entry_options dead = entry_with(.flags = CT_ENTRY_TTL);
  const ct_entry_options heavy = entry_with(.flags = CT_ENTRY_WEIGHT, .weight = 9);
  const ct_entry_options present = entry_with(.flags = CT_ENTRY_IF_PRESENT);
  assert_adds_with(CT_NOT_STORED, 3, f->cache, "a", 1, 2, &dead);
  assert_adds_with(CT_ERR_TOO_LARGE, 0, f->cache, "a", 1, 2, &heavy);
  assert_adds_with(CT_MISS, 0, f->cache, "a", 1, 2, &present);
  assert_false(has_text(f->cache, "a"));
  assert_counted(f->cache, .misses = 2, .rejections = 2);
  assert_adds(1, f->cache, "a", 1);
  assert_adds_with(CT_OK, 2, f->cache, "a", 1, 2, &dead);
  assert_adds_with(CT_OK, 3, f->cache, "a", 1, 2, &heavy);
  assert_adds_with(CT_OK, 4, f->cache, "a", 1, 2, &present);
}

TEST(wrong_arguments_are_invalid) {
  fixture f;
  open_quiet(&f, (ct_options){.maxsize = 4096, .weight_kind = CT_WEIGHT_MEMORY});
  assert_adds(1, f.cache, "a", 1);
  ct_value seen = CT_VALUE_INIT;
  assert_status(CT_OK, ct_peek(f.cache, "a", 1, &seen));
  const ct_entry_options rows[] = {
      entry_with(.flags = CT_ENTRY_IF_ABSENT),
      entry_with(.flags = CT_ENTRY_KEEP_TTL),
      entry_with(.flags = CT_ENTRY_IF_SAME, .same = &seen),
      entry_with(.flags = CT_ENTRY_TTL | CT_ENTRY_DEADLINE),
      entry_with(.flags = CT_ENTRY_WEIGHT, .weight = 1),
      entry_with(.ttl = 1),
      entry_with(.flags = 0x200),
  };
  ct_value_release(&seen);
  for (size_t i = 0; i < COUNT_OF(rows); i++)
    assert_adds_with(CT_ERR_INVALID, 0, f.cache, "a", 1, 0, &rows[i]);
  int64_t out = 77;
  assert_status(CT_ERR_INVALID, ct_add(NULL, "a", 1, 1, 0, NULL, &out));
  assert_int_equal(0, out);
  assert_status(CT_ERR_INVALID, ct_add(f.cache, NULL, 1, 1, 0, NULL, NULL));
  assert_status(CT_ERR_TOO_LARGE, ct_add(f.cache, unreadable(), kTooLong, 1, 0, NULL, &out));
  assert_counter(f.cache, "a", 1);
  fixture_close(&f);
}

/* ---- Loads ---------------------------------------------------------------------------------- */

FIXTURE_TEST(load_is_overtaken_by_a_sum, QUIET()) {
  ct_lease *lease = lease_text(f, "a");
  assert_adds(1, f->cache, "a", 1);
  assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "loaded", 6, NULL, NULL));
  assert_counter(f->cache, "a", 1);
  const ct_entry_options present = entry_with(.flags = CT_ENTRY_IF_PRESENT);
  lease = lease_text(f, "b");
  assert_adds_with(CT_MISS, 0, f->cache, "b", 1, 0, &present);
  assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "loaded", 6, NULL, NULL));
}

FIXTURE_TEST(renewal_is_overtaken_by_a_sum, QUIET(.ttl = 100, .refresh_ahead = 50)) {
  for (int is_counter = 0; is_counter < 2; is_counter++) {
    set_counter(f->cache, "a", 1);
    if (is_counter == 0) set_text(f->cache, "a", "1");
    set_now(f, f->clock.now + 60);
    ct_lease *lease = NULL;
    assert_status(CT_RENEW, ct_get_or_lease(f->cache, "a", 1, 0, NULL, &lease));
    if (is_counter != 0) assert_adds(2, f->cache, "a", 1);
    if (is_counter == 0) assert_adds_with(CT_ERR_UNSUPPORTED, 0, f->cache, "a", 1, 0, NULL);
    assert_status(is_counter != 0 ? CT_NOT_STORED : CT_OK,
                  ct_lease_fulfil(lease, "loaded", 6, NULL, NULL));
  }
  assert_counter(f->cache, "a", 2);
}

/* A counter that had expired when the load began has come back, as time may run backwards. */
FIXTURE_TEST(load_is_overtaken_by_a_sum_in_place, QUIET(.ttl = 10)) {
  set_now(f, 1);
  assert_adds(1, f->cache, "a", 1);
  set_now(f, 11);
  ct_lease *lease = lease_text(f, "a");
  set_now(f, 1);
  assert_adds(2, f->cache, "a", 1);
  assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "loaded", 6, NULL, NULL));
  assert_counter(f->cache, "a", 2);
}

FIXTURE_TEST(sum_ends_the_pause_after_a_failed_renewal,
             QUIET(.ttl = 100, .refresh_ahead = 50, .retry = 20)) {
  assert_adds(1, f->cache, "a", 1);
  set_now(f, 60);
  plan fails = {.answer = CT_ERR_IO};
  for (int i = 0; i < 2; i++) assert_status(CT_OK, load_text(f, "a", &fails, NULL));
  assert_int_equal(1, fails.calls);
  assert_adds(2, f->cache, "a", 1);
  assert_int_equal(100, deadline_of(f, "a"));
  assert_status(CT_OK, load_text(f, "a", &fails, NULL));
  assert_int_equal(2, fails.calls);
}

/* As any write does. */
FIXTURE_TEST(sum_in_place_removes_what_is_due, QUIET()) {
  assert_adds(1, f->cache, "a", 1);
  set_text_ttl(f->cache, "b", "1", 5);
  set_now(f, 5);
  assert_adds(2, f->cache, "a", 1);
  assert_int_equal(1, stats_of(f->cache).expirations);
}

/* ---- Policies, memory ----------------------------------------------------------------------- */

/* A sum is to the policy what a set in the same place would be. */
TEST(sum_is_an_update_to_every_policy) {
  static const ct_policy policies[] = {
      CT_POLICY_LRU,   CT_POLICY_FIFO,  CT_POLICY_LFU,    CT_POLICY_ANY, CT_POLICY_MRU,
      CT_POLICY_CLOCK, CT_POLICY_SIEVE, CT_POLICY_S3FIFO, CT_POLICY_ARC, CT_POLICY_WTINYLFU};
  uint64_t random = test_seed();
  for (size_t p = 0; p < COUNT_OF(policies); p++) {
    for (int listens = 0; listens < 2; listens++) {
      fixture f, other;
      const ct_options options = {.policy = policies[p],
                                  .maxsize = 20,
                                  .seed = 1,
                                  .listener = listens != 0 ? log_event : NULL};
      open_quiet(&f, options);
      open_quiet(&other, options);
      for (int i = 0; i < 2000; i++) {
        const uint64_t key = test_random_below(&random, 40);
        f.log[0] = other.log[0] = '\0';
        ct_value value = CT_VALUE_INIT;
        int64_t expected = 1, sum = 0;
        if (ct_peek(other.cache, &key, 8, &value) == CT_OK)
          expected += *(const int64_t *)value.data;
        ct_value_release(&value);
        assert_status(CT_OK, ct_set(other.cache, &key, 8, &expected, 8));
        assert_status(CT_OK, ct_add(f.cache, &key, 8, 1, 0, NULL, &sum));
        assert_true(sum == expected);
        assert_string_equal(other.log, f.log);
        const uint64_t used = test_random_below(&random, 40);
        assert_status(ct_get(other.cache, &used, 8, NULL), ct_get(f.cache, &used, 8, NULL));
      }
      fixture_close(&f);
      fixture_close(&other);
    }
  }
}

TEST(counters_in_place_take_no_memory) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  fixture own;
  open_quiet(&own, (ct_options){.maxsize = 8, .ttl = 100, .allocator = &allocator.hooks});
  assert_adds(1, own.cache, "a", 1);
  const int64_t calls = allocator.calls;
  allocator.fail_at = allocator.calls;
  allocator.fail_on = true;
  for (int64_t i = 2; i < 100; i++) assert_adds(i, own.cache, "a", 1);
  assert_int_equal(calls, allocator.calls);
  allocator.fail_at = -1;
  fixture_close(&own);
  assert_int_equal(0, allocator.blocks);
}

/* Where a sum needs another block and there is no memory for that, the old one stays. */
TEST(sum_without_memory_changes_nothing) {
  static char large[70000];
  const size_t sizes[] = {1, kLarge, sizeof large};
  enum { kListens, kDrops, kPinned, kWays };
  for (int way = 0; way < kWays * (int)COUNT_OF(sizes); way++) {
    const size_t size = sizes[way / kWays];
    bool failed = true, mattered = false;
    for (int64_t fail = 0; failed; fail++) {
      test_allocator allocator;
      test_allocator_init(&allocator);
      fixture f;
      open_quiet(&f, (ct_options){.maxsize = 8,
                                  .allocator = &allocator.hooks,
                                  .listener = way % kWays == kListens ? log_event : NULL,
                                  .drop = way % kWays == kDrops ? count_drop : NULL});
      assert_status(CT_OK, ct_add(f.cache, large, size, 1, 0, NULL, NULL));
      ct_value pinned = CT_VALUE_INIT;
      if (way % kWays == kPinned) assert_status(CT_OK, ct_get(f.cache, large, size, &pinned));
      dropped = 0;
      allocator.fail_at = allocator.calls + fail;
      int64_t sum = 77;
      ct_status status = ct_add(f.cache, large, size, 1, 0, NULL, &sum);
      failed = allocator.failed != 0;
      allocator.fail_at = -1;
      if (status != CT_OK) {
        mattered = true;
        assert_status(CT_ERR_NOMEM, status);
        assert_int_equal(0, sum);
        assert_int_equal(0, dropped + f.told);
        status = ct_add(f.cache, large, size, 1, 0, NULL, &sum);
      }
      assert_status(CT_OK, status);
      assert_int_equal(2, sum);
      assert_int_equal(way % kWays == kPinned ? 0 : 1, dropped + f.told);
      if (pinned.data != NULL) assert_true(*(const int64_t *)pinned.data == 1);
      ct_value_release(&pinned);
      fixture_close(&f);
      assert_int_equal(0, allocator.blocks);
    }
    assert_true(mattered || size == 1);
  }
}
