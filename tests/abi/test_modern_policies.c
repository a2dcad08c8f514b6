/* SPDX-License-Identifier: MIT */
/* CLOCK, SIEVE, S3FIFO and ARC by example: which entries each spares, and which it evicts. The
 * model test covers all orders of events, and the trace test the miss ratios. */
#include "orders.h"

static const ct_policy kModern[] = {CT_POLICY_CLOCK, CT_POLICY_SIEVE, CT_POLICY_S3FIFO,
                                    CT_POLICY_ARC};

/* ---- Numbers, used and not ------------------------------------------------------------------ */

/* A cache with the numbers below count. */
static ct_cache *new_filled(ct_policy policy, uint64_t count) {
  ct_cache *cache = ct_cache_new(policy, count);
  assert_non_null(cache);
  for (uint64_t key = 0; key < count; key++) assert_status(CT_OK, set_number(cache, key, "", 0));
  return cache;
}

static void use_below(ct_cache *cache, uint64_t end) {
  for (uint64_t key = 0; key < end; key++)
    assert_status(CT_OK, ct_get(cache, &key, sizeof(key), NULL));
}

/* Stores many keys that are never asked for. */
static void scan(ct_cache *cache, uint64_t count) {
  for (uint64_t key = 1000000; key < 1000000 + count; key++)
    assert_status(CT_OK, set_number(cache, key, "", 0));
}

static bool has_number(const ct_cache *cache, uint64_t key) {
  return ct_contains((ct_cache *)cache, &key, sizeof(key));
}

static uint64_t count_below(const ct_cache *cache, uint64_t end) {
  uint64_t count = 0;
  for (uint64_t key = 0; key < end; key++) count += has_number(cache, key);
  return count;
}

/* A FIXTURE_TEST for each policy. */
#define MODERN_TEST(name, open)                      \
  static void check_##name(fixture *f);              \
  TEST(name) {                                       \
    for (size_t i = 0; i < COUNT_OF(kModern); i++) { \
      const ct_policy policy = kModern[i];           \
      fixture storage;                               \
      fixture *const f = &storage;                   \
      open;                                          \
      check_##name(f);                               \
      fixture_close(f);                              \
    }                                                \
  }                                                  \
  static void check_##name(fixture *f)

/* ---- All ------------------------------------------------------------------------------------ */

MODERN_TEST(unused_go_in_order_of_insertion, open_filled(f, policy, 3, "a b c")) {
  assert_order("a b c", f->cache);
  set_each(f->cache, "d e");
  assert_told(f, "EVICTED a=1, EVICTED b=1");
}

MODERN_TEST(quiet_reads_are_no_use, open_filled(f, policy, 3, "a b c")) {
  for (int n = 0; n < 3; n++) {
    assert_status(CT_OK, ct_peek(f->cache, "a", 1, NULL));
    assert_true(ct_contains(f->cache, "a", 1));
    (void)info_of(f->cache, "a");
  }
  set_each(f->cache, "d");
  assert_told(f, "EVICTED a=1");
}

MODERN_TEST(updates_are_uses, open_filled(f, policy, 3, "a b c")) {
  set_each(f->cache, "a a");
  assert_told(f, "REPLACED a=1, REPLACED a=1");
  set_each(f->cache, "d");
  assert_told(f, "EVICTED b=1");
}

/* Entries that are used now and then survive a scan a hundred times as long as the cache: the
 * reason to have these policies. LRU keeps none of them, and CLOCK only those that are used in
 * each round. */
TEST(scan_does_not_flush_what_is_used) {
  static const struct {
    ct_policy policy;
    uint64_t left; /* of those used */
  } kRows[] = {
      {CT_POLICY_SIEVE, 50}, {CT_POLICY_S3FIFO, 50}, {CT_POLICY_ARC, 50},
      {CT_POLICY_LRU, 0},    {CT_POLICY_CLOCK, 0},
  };
  for (size_t i = 0; i < COUNT_OF(kRows); i++) {
    ct_cache *cache = new_filled(kRows[i].policy, 100);
    use_below(cache, 50);
    use_below(cache, 50);
    scan(cache, 10000);
    assert_int_equal(kRows[i].left, count_below(cache, 100));
    ct_cache_free(cache);
  }
}

MODERN_TEST(heavy_newcomer_takes_as_many_as_it_needs, open_policy(f, policy, 10)) {
  assert_status(CT_OK, set_text_weight(f->cache, "a", "1", 3));
  assert_status(CT_OK, set_text_weight(f->cache, "b", "1", 0));
  assert_status(CT_OK, set_text_weight(f->cache, "c", "1", 3));
  assert_status(CT_OK, set_text_weight(f->cache, "d", "1", 4));
  use_each(f->cache, "d d");
  assert_status(CT_OK, set_text_weight(f->cache, "e", "1", 6));
  assert_told(f, "EVICTED a=1, EVICTED b=1, EVICTED c=1");
  assert_int_equal(10, ct_currsize(f->cache));
}

MODERN_TEST(lower_limit_evicts_at_once, open_filled(f, policy, 4, "a b c d")) {
  use_each(f->cache, "a a");
  assert_status(CT_OK, ct_resize(f->cache, 2));
  assert_told(f, "EVICTED b=1, EVICTED c=1");
  assert_status(CT_OK, ct_resize(f->cache, 3));
  set_each(f->cache, "e");
  assert_told(f, "");
}

/* ---- CLOCK ---------------------------------------------------------------------------------- */

FIXTURE_TEST(clock_gives_a_second_chance_once, open_filled(f, CT_POLICY_CLOCK, 3, "a b c")) {
  use_each(f->cache, "a a a");
  set_each(f->cache, "d");
  assert_told(f, "EVICTED b=1");
  set_each(f->cache, "e");
  assert_told(f, "EVICTED c=1");
  set_each(f->cache, "f");
  assert_told(f, "EVICTED a=1");
}

FIXTURE_TEST(clock_takes_the_first_when_all_were_used,
             open_filled(f, CT_POLICY_CLOCK, 3, "a b c")) {
  use_each(f->cache, "c b a");
  assert_order("a b c", f->cache);
  set_each(f->cache, "d");
  assert_told(f, "EVICTED a=1");
}

FIXTURE_TEST(clock_comes_by_newcomers_last, open_filled(f, CT_POLICY_CLOCK, 3, "a b c")) {
  use_each(f->cache, "a");
  set_each(f->cache, "d"); /* a is spared, b goes, and the hand is at c */
  assert_order("c a d", f->cache);
}

FIXTURE_TEST(clock_goes_on_when_who_is_under_the_hand_is_deleted,
             open_filled(f, CT_POLICY_CLOCK, 4, "a b c d")) {
  use_each(f->cache, "a");
  set_each(f->cache, "e"); /* the hand is at c */
  assert_told(f, "EVICTED b=1");
  assert_status(CT_OK, delete_text(f->cache, "c"));
  assert_order("d a e", f->cache);
}

/* ---- SIEVE ---------------------------------------------------------------------------------- */

FIXTURE_TEST(sieve_looks_at_newcomers_before_those_who_stayed,
             open_filled(f, CT_POLICY_SIEVE, 3, "a b c")) {
  use_each(f->cache, "a");
  set_each(f->cache, "d"); /* a is spared, b goes, and the hand is at c */
  assert_told(f, "EVICTED b=1");
  assert_order("c d a", f->cache);
  set_each(f->cache, "e f g");
  assert_told(f, "EVICTED c=1, EVICTED d=1, EVICTED e=1");
  assert_true(ct_contains(f->cache, "a", 1));
}

FIXTURE_TEST(sieve_begins_anew_at_the_oldest, open_filled(f, CT_POLICY_SIEVE, 3, "a b c")) {
  use_each(f->cache, "a b");
  set_each(f->cache, "d"); /* a and b are spared, c goes, and the hand is past the youngest */
  assert_told(f, "EVICTED c=1");
  assert_order("a b d", f->cache);
}

FIXTURE_TEST(sieve_goes_on_when_who_is_under_the_hand_is_deleted,
             open_filled(f, CT_POLICY_SIEVE, 4, "a b c d")) {
  use_each(f->cache, "a");
  set_each(f->cache, "e"); /* the hand is at c */
  assert_told(f, "EVICTED b=1");
  assert_status(CT_OK, delete_text(f->cache, "c"));
  assert_order("d e a", f->cache);
}

/* ---- S3FIFO --------------------------------------------------------------------------------- */

/* Newcomers that are used twice stay; one use is not enough. */
TEST(s3fifo_keeps_who_was_used_twice) {
  ct_cache *cache = new_filled(CT_POLICY_S3FIFO, 20);
  use_below(cache, 2);
  use_below(cache, 1);
  scan(cache, 2);
  assert_true(has_number(cache, 0));
  assert_false(has_number(cache, 1));
  ct_cache_free(cache);
}

TEST(s3fifo_keeps_who_comes_back) {
  ct_cache *cache = new_filled(CT_POLICY_S3FIFO, 20);
  scan(cache, 1);
  assert_false(has_number(cache, 0));
  assert_status(CT_OK, set_number(cache, 0, "", 0));
  scan(cache, 1000);
  assert_true(has_number(cache, 0));
  ct_cache_free(cache);
}

TEST(s3fifo_forgets_ghosts_in_time) {
  ct_cache *cache = new_filled(CT_POLICY_S3FIFO, 20);
  scan(cache, 100);
  assert_status(CT_OK, set_number(cache, 0, "", 0));
  scan(cache, 1000);
  assert_false(has_number(cache, 0));
  ct_cache_free(cache);
}

/* ---- ARC ------------------------------------------------------------------------------------ */

FIXTURE_TEST(arc_takes_those_used_once_first, open_filled(f, CT_POLICY_ARC, 4, "a b c d")) {
  use_each(f->cache, "b a");
  assert_order("c d b a", f->cache);
}

/* A key that comes back counts as used again, and shows that such keys leave too early. */
FIXTURE_TEST(arc_learns_from_who_comes_back, open_filled(f, CT_POLICY_ARC, 4, "a b c d")) {
  use_each(f->cache, "a b");
  set_each(f->cache, "e");
  assert_told(f, "EVICTED c=1");
  assert_order("d e a b", f->cache);
  set_each(f->cache, "c");
  assert_told(f, "EVICTED d=1");
  assert_order("a b c e", f->cache);
  /* The other way round. */
  set_each(f->cache, "f");
  assert_told(f, "EVICTED a=1");
  set_each(f->cache, "a");
  assert_told(f, "EVICTED e=1");
  assert_order("f b c a", f->cache);
}

FIXTURE_TEST(arc_keeps_a_ghost_of_each_that_made_room, open_policy(f, CT_POLICY_ARC, 4)) {
  set_each(f->cache, "a b c d");
  use_each(f->cache, "a b");
  assert_status(CT_OK, set_text_weight(f->cache, "e", "1", 2));
  assert_told(f, "EVICTED c=1, EVICTED d=1");
  set_each(f->cache, "c");
  assert_told(f, "EVICTED a=1");
  set_each(f->cache, "d");
  assert_told(f, "EVICTED b=1");
  assert_order("c d e", f->cache);
}

/* ---- Ghosts --------------------------------------------------------------------------------- */

/* Asserts that b is no ghost: as a newcomer it goes before a, which was used. */
static void assert_b_is_new(fixture *f) {
  set_each(f->cache, "a b c");
  use_each(f->cache, "a a");
  set_each(f->cache, "d e");
  assert_false(ct_contains(f->cache, "b", 1));
  assert_true(ct_contains(f->cache, "a", 1));
  fixture_close(f);
}

static const ct_policy kHaunted[] = {CT_POLICY_S3FIFO, CT_POLICY_ARC};

TEST(clear_forgets_ghosts) {
  for (size_t i = 0; i < COUNT_OF(kHaunted); i++) {
    fixture f;
    open_filled(&f, kHaunted[i], 3, "b c d");
    set_each(f.cache, "e");
    assert_told(&f, "EVICTED b=1");
    assert_status(CT_OK, ct_clear(f.cache));
    assert_b_is_new(&f);
  }
}

TEST(who_was_removed_leaves_no_ghost) {
  for (size_t i = 0; i < COUNT_OF(kHaunted); i++) {
    fixture f;
    open_filled(&f, kHaunted[i], 3, "b");
    assert_status(CT_OK, delete_text(f.cache, "b"));
    assert_b_is_new(&f);
  }
}

/* The entry was taken out, and nobody needed its room. */
TEST(who_was_taken_leaves_no_ghost) {
  for (size_t i = 0; i < COUNT_OF(kHaunted); i++) {
    fixture f;
    open_filled(&f, kHaunted[i], 3, "x y z");
    set_each(f.cache, "v"); /* from here on there is room for ghosts */
    assert_told(&f, "EVICTED x=1");
    while (ct_popitem(f.cache, NULL, NULL) == CT_OK) continue;
    set_each(f.cache, "b");
    assert_status(CT_OK, ct_popitem(f.cache, NULL, NULL));
    assert_b_is_new(&f);
  }
}
