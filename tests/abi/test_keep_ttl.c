/* SPDX-License-Identifier: MIT */
/* CT_ENTRY_KEEP_TTL and ct_result_keep_ttl: a new value lives as long as the old one would have. */
#include "plan.h"

static ct_status set_keeping(ct_cache *cache, const char *key, const char *value) {
  const ct_entry_options options = entry_with(.flags = CT_ENTRY_KEEP_TTL);
  return set_text_with(cache, key, value, &options);
}

static void assert_deadline(fixture *f, const char *key, uint64_t expected) {
  assert_int_equal(expected, info_of(f->cache, key).deadline);
}

FIXTURE_TEST(deadline_is_kept, open_fixture(f, .maxsize = 8, .ttl = 100)) {
  assert_status(CT_OK, set_keeping(f->cache, "a", "1"));
  assert_deadline(f, "a", 100);
  set_now(f, 60);
  assert_status(CT_OK, set_keeping(f->cache, "a", "2"));
  assert_text_quietly(f->cache, "a", "2");
  assert_told(f, "REPLACED a=1");
  assert_deadline(f, "a", 100);
  ct_set_lifetime(f->cache, "a", 1, 7);
  assert_status(CT_OK, set_keeping(f->cache, "a", "3"));
  assert_deadline(f, "a", 67);
  ct_set_lifetime(f->cache, "a", 1, CT_NEVER);
  assert_status(CT_OK, set_keeping(f->cache, "a", "4"));
  assert_deadline(f, "a", CT_NEVER);
  assert_counted(f->cache, .inserts = 1, .updates = 3);
}

TEST(deadline_is_kept_in_place_and_in_another_block) {
  static char large[kLarge + 1];
  memset(large, 'x', kLarge);
  const char *const values[] = {"1", "22", large, "a text that is longer by far", "1"};
  for (int listens = 0; listens < 2; listens++) {
    fixture f;
    ct_options options = fixture_options(&f, CT_POLICY_LRU, 8);
    if (listens == 0) options.listener = NULL;
    fixture_open(&f, &options);
    set_text_ttl(f.cache, "a", "1", 50);
    set_text(f.cache, "b", "1");
    for (int round = 0; round < 2; round++) {
      for (size_t i = 0; i < COUNT_OF(values); i++) {
        set_now(&f, f.clock.now + 1);
        assert_status(CT_OK, set_keeping(f.cache, "a", values[i]));
        assert_status(CT_OK, set_keeping(f.cache, "b", values[i]));
        assert_text_quietly(f.cache, "a", values[i]);
        assert_text_quietly(f.cache, "b", values[i]);
        assert_deadline(&f, "a", 50);
        assert_deadline(&f, "b", CT_NEVER);
      }
    }
    assert_int_equal(2, ct_currsize(f.cache));
    set_now(&f, 50);
    assert_false(has_text(f.cache, "a"));
    assert_true(has_text(f.cache, "b"));
    /* A plain set ends it. */
    set_text(f.cache, "b", "1");
    assert_deadline(&f, "b", CT_NEVER);
    fixture_close(&f);
  }
}

FIXTURE_TEST(given_lifetime_counts_only_for_an_absent_key,
             open_fixture(f, .maxsize = 8, .ttl = 100)) {
  const ct_entry_options ttl = entry_with(.flags = CT_ENTRY_KEEP_TTL | CT_ENTRY_TTL, .ttl = 5);
  const ct_entry_options deadline =
      entry_with(.flags = CT_ENTRY_KEEP_TTL | CT_ENTRY_DEADLINE, .deadline = 77);
  assert_status(CT_OK, set_text_with(f->cache, "a", "1", &ttl));
  assert_deadline(f, "a", 5);
  assert_status(CT_OK, set_text_with(f->cache, "a", "2", &deadline));
  assert_deadline(f, "a", 5);
  set_now(f, 5);
  assert_status(CT_OK, set_text_with(f->cache, "a", "3", &deadline));
  assert_told(f, "REPLACED a=1, EXPIRED a=2");
  assert_deadline(f, "a", 77);
  assert_status(CT_OK, set_text_with(f->cache, "a", "4", &ttl));
  assert_deadline(f, "a", 77);
}

/* Even one that is dead on arrival, or a weigher that is asked about it. */
TEST(dead_on_arrival_lives_on_the_old_lifetime) {
  for (int weighs = 0; weighs < 2; weighs++) {
    fixture f;
    open_fixture(&f, .maxsize = 8, .weigher = weighs != 0 ? weigh_by_value : NULL);
    const ct_entry_options dead = entry_with(.flags = CT_ENTRY_KEEP_TTL | CT_ENTRY_TTL);
    const char *const light = "\3\0\0\0\0\0\0", *const heavy = "\11\0\0\0\0\0\0";
    assert_status(CT_NOT_STORED, ct_set_with(f.cache, "a", 1, light, 8, &dead));
    assert_status(CT_OK, ct_set_ttl(f.cache, "a", 1, light, 8, 50));
    assert_status(CT_OK, ct_set_with(f.cache, "a", 1, light, 8, &dead));
    assert_deadline(&f, "a", 50);
    assert_int_equal(weighs != 0 ? 3 : 1, ct_currsize(f.cache));
    if (weighs != 0) {
      assert_status(CT_ERR_TOO_LARGE, ct_set_with(f.cache, "a", 1, heavy, 8, &dead));
      assert_status(CT_NOT_STORED, ct_set_with(f.cache, "b", 1, heavy, 8, &dead));
      assert_int_equal(3, ct_currsize(f.cache));
    }
    set_now(&f, 50);
    assert_status(CT_NOT_STORED, ct_set_with(f.cache, "a", 1, light, 8, &dead));
    fixture_close(&f);
  }
}

/* A large value that is dead on arrival has its copy when it turns out to live. */
FIXTURE_TEST(large_value_lives_on_the_old_lifetime, open_lru(f, 8)) {
  static char large[kLarge + 1];
  memset(large, 'x', kLarge);
  const ct_entry_options dead = entry_with(.flags = CT_ENTRY_KEEP_TTL | CT_ENTRY_TTL);
  set_text_ttl(f->cache, "a", "1", 50);
  assert_status(CT_OK, set_text_with(f->cache, "a", large, &dead));
  assert_text_quietly(f->cache, "a", large);
  assert_deadline(f, "a", 50);
}

static uint64_t asked;

static uint64_t in_ten_ticks(void *user_data, const void *key, size_t key_size, const void *value,
                             size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  asked++;
  return now + 10;
}

FIXTURE_TEST(ttu_is_asked_only_about_an_absent_key,
             open_fixture(f, .maxsize = 8, .ttu = in_ten_ticks)) {
  const ct_entry_options present = entry_with(.flags = CT_ENTRY_KEEP_TTL | CT_ENTRY_IF_PRESENT);
  asked = 0;
  assert_status(CT_MISS, set_text_with(f->cache, "a", "1", &present));
  assert_int_equal(0, asked);
  assert_status(CT_OK, set_keeping(f->cache, "a", "1"));
  assert_int_equal(1, asked);
  set_now(f, 5);
  assert_status(CT_OK, set_keeping(f->cache, "a", "2"));
  assert_status(CT_OK, set_text_with(f->cache, "a", "3", &present));
  ct_value seen = CT_VALUE_INIT;
  assert_status(CT_OK, ct_peek(f->cache, "a", 1, &seen));
  const ct_entry_options same =
      entry_with(.flags = CT_ENTRY_KEEP_TTL | CT_ENTRY_IF_SAME, .same = &seen);
  assert_status(CT_OK, set_text_with(f->cache, "a", "4", &same));
  assert_status(CT_EXISTS, set_text_with(f->cache, "a", "5", &same));
  assert_int_equal(1, asked);
  assert_deadline(f, "a", 10);
  set_now(f, 10);
  assert_status(CT_MISS, set_text_with(f->cache, "a", "6", &same));
  assert_int_equal(1, asked);
  assert_status(CT_OK, set_keeping(f->cache, "a", "7"));
  assert_int_equal(2, asked);
  assert_deadline(f, "a", 20);
  ct_value_release(&seen);
}

FIXTURE_TEST(tti_begins_anew, open_fixture(f, .maxsize = 8, .ttl = 100, .tti = 30)) {
  set_text(f->cache, "a", "1");
  set_now(f, 20);
  assert_status(CT_OK, set_keeping(f->cache, "a", "2"));
  assert_deadline(f, "a", 50);
  set_now(f, 49);
  use_text(f->cache, "a");
  set_now(f, 78);
  assert_status(CT_OK, set_keeping(f->cache, "a", "3"));
  assert_deadline(f, "a", 100);
}

FIXTURE_TEST(jitter_is_not_taken_off_again,
             open_fixture(f, .maxsize = 100, .ttl = 1000, .jitter = 900)) {
  for (int i = 0; i < 50; i++) {
    char key[8];
    snprintf(key, sizeof key, "k%d", i);
    set_text(f->cache, key, "1");
    const uint64_t deadline = info_of(f->cache, key).deadline;
    assert_status(CT_OK, set_keeping(f->cache, key, "2"));
    assert_deadline(f, key, deadline);
  }
}

FIXTURE_TEST(set_many_keeps_each_lifetime, open_fixture(f, .maxsize = 8, .ttl = 100)) {
  set_text_ttl(f->cache, "a", "1", 5);
  set_text_ttl(f->cache, "b", "1", 6);
  set_now(f, 1);
  const ct_entry_options options = entry_with(.flags = CT_ENTRY_KEEP_TTL);
  const size_t ends[] = {1, 2, 3, 4, 5, 6};
  assert_status(CT_OK, ct_set_many(f->cache, "a2b2c2", ends, 3, &options, NULL));
  assert_deadline(f, "a", 5);
  assert_deadline(f, "b", 6);
  assert_deadline(f, "c", 101);
}

/* An entry that is evicted for its own heavier value leaves its lifetime to that. */
FIXTURE_TEST(lifetime_is_kept_when_the_entry_is_its_own_victim, open_lru(f, 8)) {
  ct_entry_options options =
      entry_with(.flags = CT_ENTRY_WEIGHT | CT_ENTRY_TTL, .weight = 2, .ttl = 50);
  set_text_with(f->cache, "a", "1", &options);
  set_text_weight(f->cache, "b", "1", 6);
  set_now(f, 5);
  for (int i = 0; i < 2; i++) {
    const uint32_t condition = i == 0 ? 0 : CT_ENTRY_IF_PRESENT;
    options = entry_with(.flags = CT_ENTRY_WEIGHT | CT_ENTRY_KEEP_TTL | condition, .weight = 8);
    assert_status(CT_OK, set_text_with(f->cache, "a", "2", &options));
    assert_told(f, i == 0 ? "EVICTED a=1, EVICTED b=1" : "REPLACED a=2");
    assert_deadline(f, "a", 50);
  }
}

FIXTURE_TEST(place_for_the_lifetime_weighs,
             open_fixture(f, .maxsize = 4096, .weight_kind = CT_WEIGHT_MEMORY)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, set_keeping(f->cache, "a", "2"));
  const uint64_t weight = info_of(f->cache, "a").weight;
  assert_int_equal(weight, ct_currsize(f->cache));
  ct_set_lifetime(f->cache, "a", 1, 50);
  assert_int_equal(weight, ct_currsize(f->cache));
  assert_status(CT_OK, set_keeping(f->cache, "a", "3"));
  assert_int_equal(weight, ct_currsize(f->cache));
  assert_deadline(f, "a", 50);
}

FIXTURE_TEST(stale_value_leaves_no_lifetime,
             open_fixture(f, .maxsize = 8, .ttl = 100, .stale = 50)) {
  set_text_ttl(f->cache, "a", "1", 10);
  set_now(f, 10);
  assert_status(CT_OK, set_keeping(f->cache, "a", "2"));
  assert_told(f, "EXPIRED a=1");
  assert_deadline(f, "a", 110);
}

/* ---- Results -------------------------------------------------------------------------------- */

static void keep_ttl(plan *self, ct_result *result) {
  if (self->number != 0) ct_result_ttl(result, self->number);
  ct_result_keep_ttl(result);
  set_now(self->f, self->f->clock.now + 1);
}

TEST(compute_keeps_the_lifetime) {
  for (int asks = 0; asks < 2; asks++) {
    fixture f;
    open_fixture(&f, .maxsize = 8, .ttl = 100, .ttu = asks != 0 ? in_ten_ticks : NULL);
    asked = 0;
    plan plan = {.act = keep_ttl, .value = "1"};
    assert_computes(CT_OK, "1", &f, "a", &plan);
    assert_deadline(&f, "a", asks != 0 ? 11 : 101);
    assert_computes(CT_OK, "1", &f, "a", &plan);
    assert_deadline(&f, "a", asks != 0 ? 11 : 101);
    plan.number = 5;
    assert_computes(CT_OK, "1", &f, "a", &plan);
    assert_deadline(&f, "a", asks != 0 ? 11 : 101);
    assert_computes(CT_OK, "1", &f, "b", &plan);
    assert_deadline(&f, "b", 9);
    assert_int_equal(asks, asked);
    ct_set_lifetime(f.cache, "a", 1, CT_NEVER);
    assert_computes(CT_OK, "1", &f, "a", &plan);
    assert_deadline(&f, "a", CT_NEVER);
    fixture_close(&f);
  }
}

static void lengthen_and_keep(plan *self, ct_result *result) {
  ct_set_lifetime(self->f->cache, "a", 1, 50);
  ct_result_keep_ttl(result);
}

FIXTURE_TEST(compute_keeps_the_lifetime_that_the_value_has_got_meanwhile, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  plan plan = {.act = lengthen_and_keep, .value = "2"};
  assert_computes(CT_OK, "2", f, "a", &plan);
  assert_int_equal(1, plan.calls);
  assert_deadline(f, "a", 50);
}

FIXTURE_TEST(load_has_no_lifetime_to_keep,
             open_fixture(f, .maxsize = 8, .ttl = 100, .refresh_ahead = 50)) {
  plan plan = {.act = keep_ttl, .value = "1"};
  assert_load_fails(CT_ERR_CALLBACK, f, "a", &plan);
  assert_false(has_text(f->cache, "a"));
  set_text(f->cache, "a", "1");
  set_now(f, 99);
  assert_answers(load_text, CT_OK, "1", f, "a", &plan);
  assert_int_equal(1, stats_of(f->cache).renewal_failures);
  ct_result_keep_ttl(NULL);
}

static ct_status keep_in_a_memo(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self, (void)args;
  ct_result_keep_ttl(result);
  return ct_result_set(result, "1", 1);
}

static ct_status add_nothing(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self, (void)args, (void)key;
  return CT_OK;
}

TEST(memo_has_no_lifetime_to_keep) {
  static const uint32_t kFlags[] = {0, CT_MEMO_RACE};
  for (size_t i = 0; i < COUNT_OF(kFlags); i++) {
    ct_options own = CT_OPTIONS_INIT;
    own.maxsize = 8;
    ct_memo_options options = CT_MEMO_OPTIONS_INIT;
    options.fn = keep_in_a_memo;
    options.key = add_nothing;
    options.own = &own;
    options.flags = kFlags[i];
    ct_memo *memo = NULL;
    assert_status(CT_OK, ct_memo_new(&options, &memo));
    ct_value out = poisoned_value();
    assert_status(CT_ERR_CALLBACK, ct_memo_call(memo, NULL, NULL, &out));
    assert_holds_nothing(out);
    ct_memo_free(memo);
  }
}
