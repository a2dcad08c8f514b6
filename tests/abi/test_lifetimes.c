/* SPDX-License-Identifier: MIT */
/* When entries expire: by ttl, tti, ttu, deadlines and set_lifetime, to the tick. */
#include "lifetimes.h"

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

FIXTURE_TEST(units_are_those_of_the_default_timer, open_at_100(f, 0, 0)) {
  const int minute = 60;
  assert_status(CT_OK, set_text_ttl(f->cache, "a", "1", CT_SECONDS(minute)));
  assert_true(info_of(f->cache, "a").deadline == 100 + 60000000000u);
  assert_status(CT_OK, set_text_ttl(f->cache, "b", "1", CT_HOURS(INT32_MAX)));
  assert_true(info_of(f->cache, "b").deadline == CT_NEVER);
  const int over = -minute;
  assert_status(CT_NOT_STORED, set_text_ttl(f->cache, "c", "1", CT_SECONDS(over)));
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
  ct_entry_options options =
      entry_with(.flags = CT_ENTRY_TTL | CT_ENTRY_WEIGHT, .ttl = 0, .weight = 1000);
  assert_status(CT_NOT_STORED, set_text_with(f->cache, "a", "2", &options));
  assert_text(f->cache, "a", NULL);
}

FIXTURE_TEST(condition_comes_before_lifetime, open_at_100(f, 0, 0)) {
  set_text(f->cache, "a", "1");
  ct_entry_options options = entry_with(.flags = CT_ENTRY_TTL | CT_ENTRY_IF_ABSENT, .ttl = 0);
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

static void by_get_of_no_value(ct_cache *cache) {
  assert_status(CT_OK, use_text(cache, "a"));
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

static void by_set_lifetime(ct_cache *cache) {
  assert_status(CT_OK, ct_set_lifetime(cache, "a", 1, CT_NEVER));
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

/* Asserts when "a", stored at 100 with a tti of 10, expires after an action at 106. */
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

FIXTURE_TEST(first_lifetimes_of_many_entries_stored_without,
             open_fixture(f, .policy = CT_POLICY_LFU, .maxsize = 1000, .shards = 4)) {
  for (uint64_t key = 0; key < 1000; key++) set_number(f->cache, key, &key, sizeof(key));
  for (uint64_t key = 0; key < 1000; key += 2)
    assert_status(CT_OK, ct_set_lifetime(f->cache, &key, sizeof(key), 1 + key));
  f->log[0] = '\0';
  for (uint64_t now = 1; now < 1000; now += 2) {
    set_now(f, now);
    assert_int_equal(1, ct_expire(f->cache, CT_NOW, NULL, NULL));
  }
  assert_int_equal(500, ct_len(f->cache));
  for (uint64_t key = 0; key < 1000; key++)
    assert_int_equal(key % 2 == 1, ct_contains(f->cache, &key, sizeof(key)));
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
    open_policy(&f, policies[i], 3);
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
