/* SPDX-License-Identifier: MIT */
/* When entries expire: by ttl, tti, ttu, deadlines and set_lifetime, to the tick; how the clock is
 * read; and that expired entries go before live ones. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <time.h>

#include "fixture.h"

/* A cache that begins at 100 ticks. */
static void open_at_100(fixture *f, uint64_t ttl, uint64_t tti) {
  ct_options options = fixture_options(f, CT_POLICY_LRU, 8);
  options.ttl = ttl;
  options.tti = tti;
  set_now(f, 100);
  fixture_open(f, &options);
}

/* Asserts that the entry lives at the last tick before a deadline, and no longer at it. The clock
 * stays at the deadline. */
static void assert_expires_at(fixture *f, const char *key, uint64_t deadline) {
  set_now(f, deadline - 1);
  assert_true(has_text(f->cache, key));
  set_now(f, deadline);
  assert_false(has_text(f->cache, key));
}

/* ---- Time to live --------------------------------------------------------------------------- */

FIXTURE_TEST(ttl_expires_at_the_tick, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  set_now(f, 109);
  assert_text(f->cache, "a", "1");
  set_now(f, 110);
  assert_text(f->cache, "a", NULL);
  assert_int_equal(0, ct_len(f->cache));
  assert_told(f, "EXPIRED a=1");
}

FIXTURE_TEST(ttl_of_one_tick_lives_until_the_next, open_at_100(f, 1, 0)) {
  set_text(f->cache, "a", "1");
  assert_text(f->cache, "a", "1");
  assert_expires_at(f, "a", 101);
}

FIXTURE_TEST(ttl_is_not_renewed_by_use, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  set_now(f, 105);
  assert_text(f->cache, "a", "1");
  assert_status(CT_OK, ct_setdefault(f->cache, "a", 1, "2", 1, NULL));
  assert_expires_at(f, "a", 110);
}

FIXTURE_TEST(ttl_is_renewed_by_a_write, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  set_now(f, 105);
  set_text(f->cache, "a", "2");
  assert_expires_at(f, "a", 115);
}

FIXTURE_TEST(set_ttl_counts_instead_of_ttl, open_at_100(f, 10, 0)) {
  set_text_ttl(f->cache, "short", "1", 5);
  set_text_ttl(f->cache, "long", "2", 50);
  set_text_ttl(f->cache, "always", "3", CT_NEVER);
  assert_expires_at(f, "short", 105);
  assert_expires_at(f, "long", 150);
  set_now(f, CT_NEVER - 1);
  assert_text(f->cache, "always", "3");
}

FIXTURE_TEST(set_ttl_works_in_a_cache_without_lifetimes, open_at_100(f, 0, 0)) {
  set_text(f->cache, "always", "1");
  set_text_ttl(f->cache, "a", "2", 5);
  assert_expires_at(f, "a", 105);
  set_now(f, CT_NEVER - 1);
  assert_text(f->cache, "always", "1");
}

FIXTURE_TEST(set_without_lifetime_replaces_one_with, open_at_100(f, 0, 0)) {
  set_text_ttl(f->cache, "a", "1", 5);
  set_text(f->cache, "a", "2");
  set_now(f, CT_NEVER - 1);
  assert_text(f->cache, "a", "2");
}

FIXTURE_TEST(set_ttl_of_zero_is_not_stored, open_at_100(f, 10, 0)) {
  assert_status(CT_NOT_STORED, set_text_ttl(f->cache, "a", "1", 0));
  assert_text(f->cache, "a", NULL);
  assert_int_equal(0, ct_len(f->cache));
}

FIXTURE_TEST(not_stored_comes_before_too_large, open_at_100(f, 0, 0)) {
  set_text(f->cache, "a", "1");
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  options.flags = CT_ENTRY_TTL | CT_ENTRY_WEIGHT;
  options.ttl = 0;
  options.weight = 1000;
  assert_status(CT_NOT_STORED, set_text_with(f->cache, "a", "2", &options));
  assert_text(f->cache, "a", NULL);
}

FIXTURE_TEST(condition_comes_before_lifetime, open_at_100(f, 0, 0)) {
  set_text(f->cache, "a", "1");
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  options.flags = CT_ENTRY_TTL | CT_ENTRY_IF_ABSENT;
  options.ttl = 0;
  assert_status(CT_EXISTS, set_text_with(f->cache, "a", "2", &options));
  options.flags = CT_ENTRY_TTL | CT_ENTRY_IF_PRESENT;
  assert_status(CT_MISS, set_text_with(f->cache, "b", "2", &options));
  assert_text(f->cache, "a", "1");
}

/* ---- Deadlines ------------------------------------------------------------------------------ */

FIXTURE_TEST(deadline_is_absolute, open_at_100(f, 10, 0)) {
  set_text_deadline(f->cache, "a", "1", 103);
  set_text_deadline(f->cache, "b", "2", 200);
  assert_expires_at(f, "a", 103);
  assert_expires_at(f, "b", 200);
}

FIXTURE_TEST(deadline_not_after_now_is_not_stored, open_at_100(f, 10, 0)) {
  assert_status(CT_NOT_STORED, set_text_deadline(f->cache, "a", "1", 100));
  assert_status(CT_NOT_STORED, set_text_deadline(f->cache, "a", "1", 99));
  assert_status(CT_NOT_STORED, set_text_deadline(f->cache, "a", "1", 0));
  assert_int_equal(0, ct_len(f->cache));
  assert_status(CT_OK, set_text_deadline(f->cache, "a", "1", 101));
  assert_text(f->cache, "a", "1");
}

FIXTURE_TEST(deadline_never_stays, open_at_100(f, 10, 0)) {
  set_text_deadline(f->cache, "a", "1", CT_NEVER);
  set_now(f, CT_NEVER);
  assert_text(f->cache, "a", "1");
}

/* ---- Time to use ---------------------------------------------------------------------------- */

/* The deadline is what the value says: "+5" from now, "=120" absolute, "-" none. */
static uint64_t ttu_by_value(void *user_data, const void *key, size_t key_size, const void *value,
                             size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size;
  char text[16] = {0};
  memcpy(text, value, value_size < 15 ? value_size : 15);
  uint64_t number = strtoull(text + 1, NULL, 10);
  return text[0] == '+' ? now + number : text[0] == '=' ? number : CT_NEVER;
}

static void open_ttu(fixture *f, ct_policy policy) {
  ct_options options = fixture_options(f, policy, 8);
  options.ttu = ttu_by_value;
  options.ttl = 3;
  set_now(f, 100);
  fixture_open(f, &options);
}

TEST(ttu_counts_instead_of_ttl) {
  static const ct_policy policies[] = {CT_POLICY_TLRU, CT_POLICY_LRU, CT_POLICY_RR};
  for (size_t i = 0; i < COUNT_OF(policies); i++) {
    fixture f;
    open_ttu(&f, policies[i]);
    set_text(f.cache, "a", "+5");
    set_text(f.cache, "b", "=120");
    set_text(f.cache, "c", "-");
    assert_expires_at(&f, "a", 105);
    assert_expires_at(&f, "b", 120);
    set_now(&f, CT_NEVER - 1);
    assert_text(f.cache, "c", "-");
    fixture_close(&f);
  }
}

FIXTURE_TEST(ttu_not_after_now_is_not_stored, open_ttu(f, CT_POLICY_TLRU)) {
  assert_status(CT_NOT_STORED, set_text(f->cache, "a", "+0"));
  assert_status(CT_NOT_STORED, set_text(f->cache, "a", "=99"));
  assert_status(CT_NOT_STORED, ct_setdefault(f->cache, "a", 1, "=100", 4, NULL));
  assert_int_equal(0, ct_len(f->cache));
}

FIXTURE_TEST(options_of_the_entry_count_instead_of_ttu, open_ttu(f, CT_POLICY_TLRU)) {
  set_text_ttl(f->cache, "a", "=99", 7);
  assert_expires_at(f, "a", 107);
  set_text_deadline(f->cache, "b", "=99", 150);
  assert_expires_at(f, "b", 150);
}

/* ---- Time to idle --------------------------------------------------------------------------- */

FIXTURE_TEST(tti_counts_from_the_write, open_at_100(f, 0, 10)) {
  set_text(f->cache, "a", "1");
  assert_expires_at(f, "a", 110);
}

FIXTURE_TEST(tti_counts_from_each_use, open_at_100(f, 0, 10)) {
  set_text(f->cache, "a", "1");
  for (uint64_t now = 105; now < 1000; now += 9) {
    set_now(f, now);
    assert_text(f->cache, "a", "1");
  }
  uint64_t last = f->clock.now;
  assert_expires_at(f, "a", last + 10);
}

FIXTURE_TEST(earlier_of_ttl_and_tti_counts, open_at_100(f, 15, 10)) {
  set_text(f->cache, "idle", "1");
  set_text(f->cache, "busy", "2");
  set_now(f, 109);
  assert_text(f->cache, "busy", "2");
  assert_expires_at(f, "idle", 110);
  assert_expires_at(f, "busy", 115);
}

FIXTURE_TEST(tti_counts_for_entries_with_a_lifetime_of_their_own, open_at_100(f, 0, 10)) {
  set_text_ttl(f->cache, "a", "1", CT_NEVER);
  set_text_deadline(f->cache, "b", "2", 1000);
  set_text_deadline(f->cache, "c", "3", 104);
  assert_expires_at(f, "c", 104);
  assert_expires_at(f, "a", 110);
  assert_false(has_text(f->cache, "b"));
}

/* Each of these is done to "a", which holds "1". */
static void by_get(ct_cache *cache) {
  assert_text(cache, "a", "1");
}
static void by_get_of_no_value(ct_cache *cache) {
  assert_status(CT_OK, use_text(cache, "a"));
}
static void by_get_copy(ct_cache *cache) {
  char byte;
  assert_status(CT_OK, ct_get_copy(cache, "a", 1, &byte, 1, NULL));
}
static void by_setdefault(ct_cache *cache) {
  assert_status(CT_OK, ct_setdefault(cache, "a", 1, "2", 1, NULL));
}
static void by_get_many(ct_cache *cache) {
  const ct_bytes key = {"a", 1};
  ct_value value;
  ct_status status;
  assert_status(CT_OK, ct_get_many(cache, &key, 1, &value, &status));
  assert_status(CT_OK, status);
  ct_value_release(&value);
}
static void get_many_copy(ct_cache *cache, size_t capacity, ct_status expected) {
  const size_t end = 1;
  char byte;
  size_t value_end;
  ct_status status;
  assert_status(expected,
                ct_get_many_copy(cache, "a", &end, 1, &byte, capacity, &value_end, &status));
}
static void by_get_many_copy(ct_cache *cache) {
  get_many_copy(cache, 1, CT_OK);
}

static void by_peek(ct_cache *cache) {
  assert_text_quietly(cache, "a", "1");
}
static void by_contains(ct_cache *cache) {
  assert_true(has_text(cache, "a"));
}
static void by_inspect(ct_cache *cache) {
  info_of(cache, "a");
}
static void by_get_copy_too_small(ct_cache *cache) {
  assert_status(CT_ERR_BUFFER, ct_get_copy(cache, "a", 1, NULL, 0, NULL));
}
static void by_get_many_copy_too_small(ct_cache *cache) {
  get_many_copy(cache, 0, CT_ERR_BUFFER);
}
static void iterate(ct_cache *cache, int32_t order) {
  ct_iter *iter;
  assert_status(CT_OK, ct_iter_new(cache, order, &iter));
  assert_status(CT_OK, ct_iter_next(iter, NULL, NULL));
  ct_iter_free(iter);
}
static void by_iteration(ct_cache *cache) {
  iterate(cache, CT_ORDER_ANY);
}
static void by_iteration_from_the_coldest(ct_cache *cache) {
  iterate(cache, CT_ORDER_COLDEST);
}
static void by_iteration_from_the_hottest(ct_cache *cache) {
  iterate(cache, CT_ORDER_HOTTEST);
}
static void by_set_if_absent(ct_cache *cache) {
  ct_entry_options absent = CT_ENTRY_OPTIONS_INIT;
  absent.flags = CT_ENTRY_IF_ABSENT;
  assert_status(CT_EXISTS, set_text_with(cache, "a", "2", &absent));
}
static void by_set_lifetime(ct_cache *cache) {
  assert_status(CT_OK, ct_set_lifetime(cache, "a", 1, CT_NEVER));
}
static void by_set_too_large(ct_cache *cache) {
  assert_status(CT_ERR_TOO_LARGE, set_text_weight(cache, "a", "2", 1000));
}
static bool match_nothing(void *user_data, const void *key, size_t key_size, const void *value,
                          size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return false;
}
static void by_remove_if(ct_cache *cache) {
  assert_int_equal(0, ct_remove_if(cache, match_nothing, NULL));
}
static void by_len(ct_cache *cache) {
  assert_int_equal(1, ct_len(cache));
}

typedef void (*action)(ct_cache *cache);

/* When "a", stored at 100 with a tti of 10, expires after an action at 106. */
static void assert_deadline_after(action act, uint64_t deadline) {
  fixture f;
  open_at_100(&f, 0, 10);
  assert_status(CT_OK, set_text(f.cache, "a", "1"));
  set_now(&f, 106);
  act(f.cache);
  assert_int_equal(deadline, info_of(f.cache, "a").deadline);
  assert_expires_at(&f, "a", deadline);
  fixture_close(&f);
}

TEST(uses_renew_tti) {
  static const action actions[] = {by_get,        by_get_of_no_value, by_get_copy,
                                   by_setdefault, by_get_many,        by_get_many_copy};
  for (size_t i = 0; i < COUNT_OF(actions); i++) assert_deadline_after(actions[i], 116);
}

TEST(what_is_no_use_does_not_renew_tti) {
  static const action actions[] = {
      by_peek,
      by_contains,
      by_inspect,
      by_get_copy_too_small,
      by_get_many_copy_too_small,
      by_iteration,
      by_iteration_from_the_coldest,
      by_iteration_from_the_hottest,
      by_set_if_absent,
      by_set_lifetime,
      by_set_too_large,
      by_remove_if,
      by_len,
  };
  for (size_t i = 0; i < COUNT_OF(actions); i++) assert_deadline_after(actions[i], 110);
}

/* ---- set_lifetime --------------------------------------------------------------------------- */

FIXTURE_TEST(set_lifetime_counts_from_now, open_at_100(f, 10, 0)) {
  set_text(f->cache, "shorter", "1");
  set_text(f->cache, "longer", "2");
  set_now(f, 104);
  assert_status(CT_OK, ct_set_lifetime(f->cache, "shorter", 7, 2));
  assert_status(CT_OK, ct_set_lifetime(f->cache, "longer", 6, 20));
  assert_expires_at(f, "shorter", 106);
  assert_expires_at(f, "longer", 124);
}

FIXTURE_TEST(set_lifetime_of_zero_expires_now, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, ct_set_lifetime(f->cache, "a", 1, 0));
  assert_text(f->cache, "a", NULL);
  assert_status(CT_MISS, ct_set_lifetime(f->cache, "a", 1, 10));
  assert_int_equal(1, stats_of(f->cache).expirations);
}

FIXTURE_TEST(set_lifetime_never_ends_age, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, ct_set_lifetime(f->cache, "a", 1, CT_NEVER));
  assert_true(info_of(f->cache, "a").deadline == CT_NEVER);
  set_now(f, CT_NEVER - 1);
  assert_text(f->cache, "a", "1");
}

FIXTURE_TEST(set_lifetime_of_absent_or_expired_is_miss, open_at_100(f, 10, 0)) {
  assert_status(CT_MISS, ct_set_lifetime(f->cache, "a", 1, 10));
  set_text(f->cache, "a", "1");
  set_now(f, 110);
  assert_status(CT_MISS, ct_set_lifetime(f->cache, "a", 1, 10));
  assert_text(f->cache, "a", NULL);
}

FIXTURE_TEST(first_lifetime_of_an_entry_stored_without, open_at_100(f, 0, 0)) {
  set_text(f->cache, "a", "first");
  set_text(f->cache, "b", "second");
  assert_status(CT_OK, ct_set_lifetime(f->cache, "a", 1, 10));
  assert_text_quietly(f->cache, "a", "first");
  assert_text_quietly(f->cache, "b", "second");
  assert_int_equal(2, ct_len(f->cache));
  assert_int_equal(2, ct_currsize(f->cache));
  assert_expires_at(f, "a", 110);
  assert_text(f->cache, "b", "second");
}

TEST(first_lifetimes_of_many_entries_stored_without) {
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LFU, 1000);
  options.shards = 4;
  fixture_open(&f, &options);
  for (uint64_t key = 0; key < 1000; key++) set_number(f.cache, key, &key, sizeof(key));
  for (uint64_t key = 0; key < 1000; key += 2)
    assert_status(CT_OK, ct_set_lifetime(f.cache, &key, sizeof(key), 1 + key));
  f.log[0] = '\0';
  for (uint64_t now = 1; now < 1000; now += 2) {
    set_now(&f, now);
    assert_int_equal(1, ct_expire(f.cache, CT_NOW, NULL, NULL));
  }
  assert_int_equal(500, ct_len(f.cache));
  for (uint64_t key = 0; key < 1000; key++)
    assert_int_equal(key % 2 == 1, ct_contains(f.cache, &key, sizeof(key)));
  fixture_close(&f);
}

FIXTURE_TEST(set_lifetime_of_a_pinned_entry, open_at_100(f, 0, 0)) {
  set_text(f->cache, "a", "pinned");
  ct_value value;
  assert_status(CT_OK, ct_get(f->cache, "a", 1, &value));
  assert_status(CT_OK, ct_set_lifetime(f->cache, "a", 1, 10));
  assert_text(f->cache, "a", "pinned");
  assert_status(CT_OK, ct_set_lifetime(f->cache, "a", 1, 20));
  assert_expires_at(f, "a", 120);
  assert_int_equal(1, ct_expire(f->cache, CT_NOW, NULL, NULL));
  assert_value("pinned", value);
  ct_value_release(&value);
}

TEST(set_lifetime_of_pinned_entries_of_any_size) {
  static const size_t key_sizes[] = {1, 500, 600, 20000};
  static const size_t value_sizes[] = {0, 100, 17000, 300000};
  static char bytes[300000];
  for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (char)(i * 31 + i / 100);
  for (size_t k = 0; k < COUNT_OF(key_sizes); k++) {
    for (size_t v = 0; v < COUNT_OF(value_sizes); v++) {
      test_allocator allocator;
      test_allocator_init(&allocator);
      fixture f;
      ct_options options = fixture_options(&f, CT_POLICY_LRU, 8);
      options.allocator = &allocator.hooks;
      options.listener = NULL;
      fixture_open(&f, &options);
      ct_value before;
      ct_value after;
      assert_status(CT_OK, ct_set(f.cache, bytes, key_sizes[k], bytes, value_sizes[v]));
      assert_status(CT_OK, ct_get(f.cache, bytes, key_sizes[k], &before));
      assert_status(CT_OK, ct_set_lifetime(f.cache, bytes, key_sizes[k], 10));
      assert_status(CT_OK, ct_get(f.cache, bytes, key_sizes[k], &after));
      set_now(&f, 10);
      assert_int_equal(0, ct_len(f.cache));
      assert_int_equal(value_sizes[v], before.size);
      assert_memory_equal(bytes, before.data, before.size);
      ct_value_release(&before);
      assert_int_equal(value_sizes[v], after.size);
      assert_memory_equal(bytes, after.data, after.size);
      fixture_close(&f);
      assert_memory_equal(bytes, after.data, after.size);
      ct_value_release(&after);
      assert_int_equal(0, allocator.blocks);
    }
  }
}

TEST(set_lifetime_leaves_the_order_alone) {
  static const ct_policy policies[] = {CT_POLICY_LRU, CT_POLICY_FIFO, CT_POLICY_LFU, CT_POLICY_ANY};
  for (size_t i = 0; i < COUNT_OF(policies); i++) {
    fixture f;
    ct_options options = fixture_options(&f, policies[i], 3);
    fixture_open(&f, &options);
    set_text(f.cache, "a", "1");
    set_text(f.cache, "b", "2");
    set_text(f.cache, "c", "3");
    assert_status(CT_OK, ct_set_lifetime(f.cache, "b", 1, 100));
    assert_status(CT_OK, ct_set_lifetime(f.cache, "a", 1, 100));
    set_text(f.cache, "d", "4");
    ct_popitem(f.cache, NULL, NULL);
    ct_popitem(f.cache, NULL, NULL);
    assert_told(&f, "EVICTED a=1, EVICTED b=2, EVICTED c=3");
    fixture_close(&f);
  }
}

FIXTURE_TEST(set_lifetime_lets_tti_go_on, open_at_100(f, 0, 10)) {
  set_text(f->cache, "a", "1");
  set_now(f, 105);
  assert_status(CT_OK, ct_set_lifetime(f->cache, "a", 1, 50));
  assert_text(f->cache, "a", "1");
  assert_int_equal(115, info_of(f->cache, "a").deadline);
  assert_expires_at(f, "a", 115);
}

FIXTURE_TEST(set_lifetime_is_gone_after_the_next_write, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, ct_set_lifetime(f->cache, "a", 1, 50));
  set_text(f->cache, "a", "2");
  assert_expires_at(f, "a", 110);
}

/* ---- What inspect says ---------------------------------------------------------------------- */

FIXTURE_TEST(inspect_tells_deadline_and_rest, open_at_100(f, 10, 0)) {
  set_text(f->cache, "key", "value");
  set_now(f, 103);
  ct_entry_info info = info_of(f->cache, "key");
  assert_int_equal(sizeof(info), info.struct_size);
  assert_int_equal(110, info.deadline);
  assert_int_equal(7, info.remaining);
  assert_int_equal(1, info.weight);
  assert_int_equal(3, info.key_size);
  assert_int_equal(5, info.value_size);
}

FIXTURE_TEST(inspect_of_endless_entry_tells_never, open_at_100(f, 0, 0)) {
  set_text(f->cache, "a", "1");
  set_text_ttl(f->cache, "b", "2", CT_NEVER);
  assert_true(info_of(f->cache, "a").deadline == CT_NEVER);
  assert_true(info_of(f->cache, "a").remaining == CT_NEVER);
  assert_true(info_of(f->cache, "b").deadline == CT_NEVER);
  assert_true(info_of(f->cache, "b").remaining == CT_NEVER);
}

FIXTURE_TEST(inspect_of_expired_is_miss, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  set_now(f, 110);
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  info.deadline = 77;
  assert_status(CT_MISS, ct_inspect(f->cache, "a", 1, &info));
  assert_int_equal(0, info.deadline);
}

/* ---- Sums that reach the end of time -------------------------------------------------------- */

FIXTURE_TEST(ttl_saturates_at_never, open_at_100(f, 100, 0)) {
  set_now(f, CT_NEVER - 50);
  set_text(f->cache, "a", "1");
  set_text_ttl(f->cache, "b", "2", CT_NEVER - 1);
  set_text_ttl(f->cache, "c", "3", 49);
  assert_true(info_of(f->cache, "a").deadline == CT_NEVER);
  assert_true(info_of(f->cache, "b").deadline == CT_NEVER);
  assert_true(info_of(f->cache, "c").deadline == CT_NEVER - 1);
  set_now(f, CT_NEVER - 2);
  assert_text(f->cache, "c", "3");
  set_now(f, CT_NEVER - 1);
  assert_text(f->cache, "a", "1");
  assert_text(f->cache, "b", "2");
  assert_text(f->cache, "c", NULL);
  assert_int_equal(2, ct_len(f->cache));
}

FIXTURE_TEST(tti_saturates_at_never, open_at_100(f, 0, 100)) {
  set_now(f, CT_NEVER - 50);
  set_text(f->cache, "a", "1");
  set_now(f, CT_NEVER - 1);
  assert_text(f->cache, "a", "1");
  assert_int_equal(1, ct_len(f->cache));
}

FIXTURE_TEST(set_lifetime_saturates_at_never, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, ct_set_lifetime(f->cache, "a", 1, CT_NEVER - 1));
  assert_true(info_of(f->cache, "a").deadline == CT_NEVER);
  set_now(f, CT_NEVER - 1);
  assert_text(f->cache, "a", "1");
}

/* ---- Before any live one -------------------------------------------------------------------- */

TEST(no_live_entry_is_evicted_while_an_expired_one_remains) {
  for (uint32_t shards = 1; shards <= 64; shards *= 4) {
    fixture f;
    ct_options options = fixture_options(&f, CT_POLICY_LRU, 256);
    options.shards = shards;
    fixture_open(&f, &options);
    uint64_t random = test_seed();
    /* Half of them will have expired, here and there. */
    size_t dying = 0;
    for (uint64_t key = 0; key < 256; key++) {
      bool dies = test_random_below(&random, 2) == 0;
      uint64_t ttl = dies ? 1 + test_random_below(&random, 100) : 1000;
      assert_status(CT_OK, ct_set_ttl(f.cache, &key, sizeof(key), "v", 1, ttl));
      dying += dies;
    }
    set_now(&f, 101);
    for (uint64_t key = 1000; key < 1000 + dying; key++)
      assert_status(CT_OK, set_number(f.cache, key, "w", 1));
    assert_int_equal(0, stats_of(f.cache).evictions);
    assert_int_equal(dying, stats_of(f.cache).expirations);
    assert_int_equal(256, ct_len(f.cache));
    assert_status(CT_OK, set_number(f.cache, 5000, "w", 1));
    assert_int_equal(1, stats_of(f.cache).evictions);
    fixture_close(&f);
  }
}

TEST(heavy_entry_takes_the_room_of_expired_ones_in_all_shards) {
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, 64);
  options.shards = 16;
  fixture_open(&f, &options);
  for (uint64_t key = 0; key < 64; key++)
    assert_status(CT_OK, ct_set_ttl(f.cache, &key, sizeof(key), "v", 1, key < 32 ? 5 : 50));
  set_now(&f, 5);
  assert_status(CT_OK, set_text_weight(f.cache, "heavy", "w", 32));
  assert_int_equal(0, stats_of(f.cache).evictions);
  assert_int_equal(32, stats_of(f.cache).expirations);
  assert_int_equal(33, ct_len(f.cache));
  fixture_close(&f);
}

TEST(popitem_never_takes_an_expired_entry) {
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, 64);
  options.shards = 4;
  fixture_open(&f, &options);
  for (uint64_t key = 0; key < 64; key++)
    assert_status(CT_OK,
                  ct_set_ttl(f.cache, &key, sizeof(key), &key, sizeof(key), key % 2 == 0 ? 5 : 50));
  set_now(&f, 5);
  ct_value value;
  for (int i = 0; i < 32; i++) {
    assert_status(CT_OK, ct_popitem(f.cache, NULL, &value));
    assert_int_equal(1, *(const uint64_t *)value.data % 2);
    ct_value_release(&value);
  }
  assert_status(CT_MISS, ct_popitem(f.cache, NULL, NULL));
  fixture_close(&f);
}

/* ---- Clocks that go back -------------------------------------------------------------------- */

/* Counts those whose key is the number of those before. */
static void visit_in_order(void *user_data, const ct_event *event) {
  uint64_t *next = user_data;
  *next += memcmp(event->key.data, next, sizeof *next) == 0;
}

FIXTURE_TEST(clock_that_goes_back_hides_nothing, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  set_now(f, 50);
  assert_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  assert_int_equal(2, ct_len(f->cache));
  set_now(f, 59);
  assert_text(f->cache, "b", "2");
  assert_int_equal(0, ct_expire(f->cache, CT_NOW, NULL, NULL));
  set_now(f, 60);
  assert_text(f->cache, "b", NULL);
  assert_text(f->cache, "a", "1");
  assert_int_equal(1, ct_len(f->cache));
  assert_told(f, "EXPIRED b=2");
  set_now(f, 110);
  assert_text(f->cache, "a", NULL);
  assert_int_equal(0, ct_len(f->cache));
  assert_told(f, "EXPIRED a=1");
}

FIXTURE_TEST(entry_hidden_by_a_late_reading_comes_back, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  set_now(f, 1000);
  assert_text(f->cache, "a", NULL);
  assert_false(has_text(f->cache, "a"));
  set_now(f, 105);
  assert_text(f->cache, "a", "1");
  assert_expires_at(f, "a", 110);
}

/* Many of them are filed anew, by the time that it is now. */
TEST(clock_that_went_far_back_expires_many_in_order) {
  enum { kPast = 100, kFuture = 10, kLater = 1000000 };
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, CT_UNBOUNDED);
  fixture_open(&f, &options);
  set_now(&f, kLater);
  for (uint64_t i = 0; i < kFuture; i++) {
    const uint64_t key = kPast + i;
    assert_status(CT_OK, ct_set_ttl(f.cache, &key, sizeof key, &key, sizeof key, 10 + i));
  }
  set_now(&f, 5);
  for (uint64_t i = 0; i < kPast; i++) {
    const uint64_t key = i * 7 % kPast;
    assert_status(CT_OK, ct_set_ttl(f.cache, &key, sizeof key, &key, sizeof key, 1 + key));
  }
  uint64_t next = 0;
  set_now(&f, 55);
  assert_int_equal(50, ct_expire(f.cache, CT_NOW, visit_in_order, &next));
  assert_int_equal(50, next);
  set_now(&f, 5 + kPast);
  assert_int_equal(50, ct_expire(f.cache, CT_NOW, visit_in_order, &next));
  assert_int_equal(kPast, next);
  assert_int_equal(kFuture, ct_len(f.cache));
  set_now(&f, kLater + 10 + kFuture);
  assert_int_equal(kFuture, ct_expire(f.cache, CT_NOW, visit_in_order, &next));
  assert_int_equal(kPast + kFuture, next);
  assert_int_equal(0, ct_len(f.cache));
  fixture_close(&f);
}

FIXTURE_TEST(tti_is_not_shortened_by_an_early_reading, open_at_100(f, 0, 10)) {
  set_text(f->cache, "a", "1");
  set_now(f, 20);
  assert_text(f->cache, "a", "1");
  assert_expires_at(f, "a", 110);
}

TEST(readings_out_of_order_expire_each_entry_at_its_deadline) {
  enum { kKeys = 500 };
  uint64_t deadlines[kKeys];
  uint64_t random = test_seed();
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, kKeys);
  options.shards = 4;
  options.listener = NULL;
  fixture_open(&f, &options);
  bool there[kKeys] = {false};
  for (int step = 0; step < 20000; step++) {
    uint64_t now = test_random_below(&random, (uint64_t)1 << (1 + test_random_below(&random, 40)));
    set_now(&f, now);
    uint64_t key = test_random_below(&random, kKeys);
    switch (test_random_below(&random, 4)) {
      case 0:
        /* Reclaims all that is due. */
        ct_expire(f.cache, CT_NOW, NULL, NULL);
        for (size_t i = 0; i < kKeys; i++) there[i] = there[i] && deadlines[i] > now;
        break;
      case 1: {
        uint64_t ttl = 1 + test_random_below(&random, (uint64_t)1 << 40);
        ct_set_ttl(f.cache, &key, sizeof(key), "v", 1, ttl);
        /* A write may reclaim what is due. */
        ct_expire(f.cache, CT_NOW, NULL, NULL);
        for (size_t i = 0; i < kKeys; i++) there[i] = there[i] && deadlines[i] > now;
        there[key] = true;
        deadlines[key] = now + ttl;
        break;
      }
      default:
        assert_int_equal(there[key] && deadlines[key] > now,
                         ct_contains(f.cache, &key, sizeof(key)));
    }
  }
  fixture_close(&f);
}

/* ---- How often the clock is read ------------------------------------------------------------ */

static uint64_t weigh_one(void *user_data, const void *key, size_t key_size, const void *value,
                          size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return 1;
}

static void by_set(ct_cache *cache) {
  set_text(cache, "a", "1");
}
static void by_set_another(ct_cache *cache) {
  set_text(cache, "another", "1");
}
static void by_set_with(ct_cache *cache) {
  set_text_with(cache, "a", "1", NULL);
}
static void by_set_many(ct_cache *cache) {
  const size_t ends[] = {1, 2, 3, 4, 5, 6};
  ct_set_many(cache, "a1b2c3", ends, 3, NULL, NULL);
}
static void by_get_many_keys(ct_cache *cache) {
  const ct_bytes keys[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"x", 1}};
  ct_value values[4];
  ct_status statuses[4];
  ct_get_many(cache, keys, 4, values, statuses);
  for (int i = 0; i < 4; i++) ct_value_release(&values[i]);
}
static void by_get_many_copied_keys(ct_cache *cache) {
  const size_t ends[] = {1, 2, 3, 4};
  char buffer[64];
  size_t value_ends[4];
  ct_status statuses[4];
  ct_get_many_copy(cache, "abcx", ends, 4, buffer, sizeof(buffer), value_ends, statuses);
}
static void by_setdefault_of_another(ct_cache *cache) {
  ct_setdefault(cache, "new", 3, "1", 1, NULL);
}
static void by_miss(ct_cache *cache) {
  use_text(cache, "x");
}
static void by_pop(ct_cache *cache) {
  ct_pop(cache, "b", 1, NULL);
}
static void by_delete(ct_cache *cache) {
  delete_text(cache, "c");
}
static void by_popitem(ct_cache *cache) {
  ct_popitem(cache, NULL, NULL);
}
static void by_clear(ct_cache *cache) {
  ct_clear(cache);
}
static void by_currsize(ct_cache *cache) {
  ct_currsize(cache);
}
static void by_maxsize(ct_cache *cache) {
  ct_maxsize(cache);
}
static void by_memory(ct_cache *cache) {
  ct_memory(cache);
}
static void by_shrinking(ct_cache *cache) {
  ct_resize(cache, 2);
}
static void by_growing(ct_cache *cache) {
  ct_resize(cache, 8);
}
static void by_stats(ct_cache *cache) {
  stats_of(cache);
}
static void by_stats_reset(ct_cache *cache) {
  ct_cache_stats_reset(cache);
}
static void by_expire(ct_cache *cache) {
  ct_expire(cache, CT_NOW, NULL, NULL);
}
static bool match_c(void *user_data, const void *key, size_t key_size, const void *value,
                    size_t value_size) {
  (void)user_data, (void)value, (void)value_size;
  return key_size == 1 && *(const char *)key == 'c';
}
static void by_removing_some(ct_cache *cache) {
  ct_remove_if(cache, match_c, NULL);
}
static void by_set_ttl(ct_cache *cache) {
  set_text_ttl(cache, "a", "1", 50);
}
static void by_set_dead(ct_cache *cache) {
  set_text_ttl(cache, "b", "1", 0);
}
static void by_set_deadline(ct_cache *cache) {
  set_text_deadline(cache, "a", "1", 500);
}
static void by_short_lifetime(ct_cache *cache) {
  ct_set_lifetime(cache, "a", 1, 7);
}
static void by_no_lifetime(ct_cache *cache) {
  ct_set_lifetime(cache, "c", 1, 0);
}

/* Those that give no entry a lifetime. */
static const action kPlainActions[] = {
    by_set,
    by_set_another,
    by_set_with,
    by_set_many,
    by_get,
    by_get_copy,
    by_get_copy_too_small,
    by_get_many,
    by_get_many_keys,
    by_get_many_copied_keys,
    by_get_many_copy_too_small,
    by_miss,
    by_peek,
    by_contains,
    by_inspect,
    by_setdefault,
    by_setdefault_of_another,
    by_set_if_absent,
    by_set_too_large,
    by_removing_some,
    by_pop,
    by_delete,
    by_expire,
    by_currsize,
    by_maxsize,
    by_memory,
    by_shrinking,
    by_growing,
    by_stats,
    by_stats_reset,
    by_popitem,
    by_clear,
};

static const action kLifetimeActions[] = {by_set_ttl, by_set_deadline, by_set_dead,
                                          by_short_lifetime, by_no_lifetime};

static void act_reading_at_most(fixture *f, action act, uint64_t most) {
  f->readings = 0;
  act(f->cache);
  if (f->readings > most)
    fail_msg("the clock was read %llu times", (unsigned long long)f->readings);
}

static void count_in_iteration(fixture *f, int32_t order, uint64_t most) {
  ct_iter *iter;
  f->readings = 0;
  assert_status(CT_OK, ct_iter_new(f->cache, order, &iter));
  assert_true(f->readings <= most);
  ct_status status;
  do {
    f->readings = 0;
    status = ct_iter_next(iter, NULL, NULL);
    assert_true(f->readings <= most);
  } while (status == CT_OK);
  assert_status(CT_END, status);
  f->readings = 0;
  ct_iter_free(iter);
  assert_int_equal(0, f->readings);
}

static const ct_policy kOrderedPolicies[] = {CT_POLICY_LRU, CT_POLICY_FIFO, CT_POLICY_LFU,
                                             CT_POLICY_ANY, CT_POLICY_MRU};

static void fill_abc(ct_cache *cache) {
  set_text(cache, "a", "1");
  set_text(cache, "b", "2");
  set_text(cache, "c", "3");
}

TEST(cache_without_lifetimes_never_reads_the_clock) {
  for (size_t p = 0; p < COUNT_OF(kOrderedPolicies); p++) {
    for (uint32_t shards = 1; shards <= 4; shards *= 4) {
      fixture f;
      ct_options options = fixture_options(&f, kOrderedPolicies[p], 8);
      options.timer = count_readings;
      options.weigher = weigh_one;
      options.shards = shards;
      fixture_open(&f, &options);
      for (size_t i = 0; i < COUNT_OF(kPlainActions); i++) {
        fill_abc(f.cache);
        act_reading_at_most(&f, kPlainActions[i], 0);
        f.log[0] = '\0';
      }
      fill_abc(f.cache);
      for (int32_t order = CT_ORDER_ANY; order <= CT_ORDER_HOTTEST; order++)
        count_in_iteration(&f, order, 0);
      fixture_close(&f);
      assert_int_equal(0, f.readings);
    }
  }
}

TEST(a_call_reads_the_clock_at_most_once) {
  for (size_t p = 0; p < COUNT_OF(kOrderedPolicies); p++) {
    for (int kind = 0; kind < 4; kind++) {
      fixture f;
      ct_options options = fixture_options(&f, kOrderedPolicies[p], 8);
      options.timer = count_readings;
      options.ttl = kind == 0 || kind == 2 ? 20 : 0;
      options.tti = kind == 1 || kind == 2 ? 10 : 0;
      options.shards = kind == 2 ? 4 : 1;
      options.ttu = kind == 3 ? ttu_by_value : NULL;
      fixture_open(&f, &options);
      for (int live = 0; live < 2; live++) {
        for (size_t i = 0; i < COUNT_OF(kPlainActions) + COUNT_OF(kLifetimeActions); i++) {
          fill_abc(f.cache);
          set_text_ttl(f.cache, "soon", "1", 1);
          f.log[0] = '\0';
          /* In the second round something always has expired. */
          set_now(&f, f.clock.now + (uint64_t)live);
          act_reading_at_most(&f,
                              i < COUNT_OF(kPlainActions)
                                  ? kPlainActions[i]
                                  : kLifetimeActions[i - COUNT_OF(kPlainActions)],
                              1);
        }
        fill_abc(f.cache);
        for (int32_t order = CT_ORDER_ANY; order <= CT_ORDER_HOTTEST; order++)
          count_in_iteration(&f, order, 1);
      }
      fixture_close(&f);
    }
  }
}

/* ---- The default timer ---------------------------------------------------------------------- */

static uint64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void assert_default_timer_moves(uint32_t flags) {
  const uint64_t second = 1000000000u;
  ct_cache *cache = cache_of(.maxsize = 8, .flags = flags);
  assert_status(CT_OK, set_text_ttl(cache, "long", "1", 3600 * second));
  assert_status(CT_OK, set_text_ttl(cache, "short", "2", second / 20));
  uint64_t began = monotonic_ns();
  while (has_text(cache, "short") && monotonic_ns() - began < 20 * second) continue;
  assert_false(has_text(cache, "short"));
  /* Nanoseconds: the coarse clock may be late by some milliseconds, not by more. */
  assert_true(monotonic_ns() - began >= second / 20 - second / 50);
  uint64_t remaining = info_of(cache, "long").remaining;
  assert_true(remaining < 3600 * second);
  assert_true(remaining > 3000 * second);
  assert_text(cache, "long", "1");
  ct_cache_free(cache);
}

TEST(coarse_timer_moves) {
  assert_default_timer_moves(0);
}

TEST(precise_timer_moves) {
  assert_default_timer_moves(CT_FLAG_PRECISE_CLOCK);
}

/* ---- ct_expire ------------------------------------------------------------------------------ */

FIXTURE_TEST(expire_up_to_a_time_of_the_callers, open_at_100(f, 0, 0)) {
  set_text_deadline(f->cache, "a", "1", 200);
  set_text_deadline(f->cache, "b", "2", 300);
  set_text(f->cache, "c", "3");
  assert_int_equal(0, ct_expire(f->cache, 199, NULL, NULL));
  assert_int_equal(1, ct_expire(f->cache, 200, NULL, NULL));
  assert_told(f, "EXPIRED a=1");
  assert_int_equal(1, ct_expire(f->cache, CT_NEVER - 1, NULL, NULL));
  assert_told(f, "EXPIRED b=2");
  assert_text(f->cache, "c", "3");
  assert_int_equal(1, ct_len(f->cache));
}

FIXTURE_TEST(expire_far_ahead_leaves_later_lifetimes_whole, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  assert_int_equal(1, ct_expire(f->cache, (uint64_t)1 << 60, NULL, NULL));
  assert_told(f, "EXPIRED a=1");
  set_text(f->cache, "b", "2");
  set_text_ttl(f->cache, "c", "3", 1000);
  assert_int_equal(2, ct_len(f->cache));
  assert_expires_at(f, "b", 110);
  assert_int_equal(1, ct_len(f->cache));
  assert_expires_at(f, "c", 1100);
  assert_int_equal(0, ct_len(f->cache));
  assert_told(f, "EXPIRED b=2, EXPIRED c=3");
}

FIXTURE_TEST(expire_in_a_cache_without_lifetimes_removes_nothing, open_at_100(f, 0, 0)) {
  set_text(f->cache, "a", "1");
  assert_int_equal(0, ct_expire(f->cache, CT_NOW, NULL, NULL));
  assert_int_equal(0, ct_expire(f->cache, 1000, NULL, NULL));
  assert_int_equal(1, ct_len(f->cache));
}

FIXTURE_TEST(expire_by_tti_follows_the_last_use, open_at_100(f, 0, 10)) {
  fill_abc(f->cache);
  set_now(f, 105);
  use_text(f->cache, "a");
  set_now(f, 107);
  use_text(f->cache, "b");
  set_now(f, 109);
  use_text(f->cache, "a");
  set_now(f, 130);
  assert_int_equal(3, ct_expire(f->cache, CT_NOW, NULL, NULL));
  assert_told(f, "EXPIRED c=3, EXPIRED b=2, EXPIRED a=1");
}

enum { kManyEntries = 100000 };

/* Checks what ct_expire shows against the deadlines that the entries were given. */
typedef struct expectation {
  manual_clock clock;
  uint64_t deadlines[kManyEntries];
  bool gone[kManyEntries];
  uint64_t after;    /* all up to it have gone */
  uint64_t now;      /* up to it they may go */
  uint64_t previous; /* the deadline shown last */
  uint64_t shown;
  uint64_t wrong;
} expectation;

static void expect_in_order(void *user_data, const ct_event *event) {
  expectation *self = user_data;
  uint64_t key;
  memcpy(&key, event->key.data, sizeof(key));
  if (key >= kManyEntries || self->gone[key]) {
    self->wrong++;
    return;
  }
  uint64_t deadline = self->deadlines[key];
  self->wrong += deadline <= self->after || deadline > self->now || deadline < self->previous;
  self->gone[key] = true;
  self->previous = deadline;
  self->shown++;
}

static int compare_numbers(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left;
  uint64_t b = *(const uint64_t *)right;
  return a < b ? -1 : a > b;
}

static void assert_entries_expire_in_order(uint32_t shards, bool by_timer) {
  static expectation e;
  static uint64_t sorted[kManyEntries];
  memset(&e, 0, sizeof(e));
  uint64_t random = test_seed();
  ct_cache *cache = cache_of(.maxsize = CT_UNBOUNDED, .shards = shards, .timer = manual_clock_read,
                             .user_data = &e);
  for (uint64_t key = 0; key < kManyEntries; key++) {
    /* Of every magnitude from 1 to 2^62, many of the small ones equal. */
    uint64_t magnitude = (uint64_t)1 << test_random_below(&random, 62);
    e.deadlines[key] = sorted[key] = magnitude + test_random_below(&random, magnitude);
    assert_status(CT_OK, ct_set_ttl(cache, &key, sizeof(key), "v", 1, e.deadlines[key]));
  }
  assert_int_equal(kManyEntries, ct_len(cache));
  qsort(sorted, kManyEntries, sizeof(sorted[0]), compare_numbers);
  size_t at = 0;
  while (at < kManyEntries) {
    /* To a deadline further on, first to right before it. */
    size_t last = at + test_random_below(&random, 200);
    if (last >= kManyEntries) last = kManyEntries - 1;
    for (int exactly = 0; exactly < 2; exactly++) {
      uint64_t now = sorted[last] - (exactly ? 0 : 1);
      size_t expected = at;
      while (expected < kManyEntries && sorted[expected] <= now) expected++;
      e.now = now;
      e.previous = 0;
      e.shown = 0;
      e.clock.now = by_timer ? now : 0;
      uint64_t count = ct_expire(cache, by_timer ? CT_NOW : now, expect_in_order, &e);
      assert_int_equal(expected - at, count);
      assert_int_equal(expected - at, e.shown);
      assert_int_equal(0, e.wrong);
      e.after = now;
      at = expected;
    }
  }
  assert_int_equal(0, ct_len(cache));
  ct_cache_free(cache);
}

TEST(random_deadlines_expire_in_order) {
  assert_entries_expire_in_order(1, false);
}

TEST(random_deadlines_expire_in_order_over_shards) {
  assert_entries_expire_in_order(16, false);
}

TEST(random_deadlines_expire_in_order_by_the_timer) {
  assert_entries_expire_in_order(1, true);
}

TEST(random_deadlines_expire_in_order_by_the_timer_over_shards) {
  assert_entries_expire_in_order(16, true);
}
