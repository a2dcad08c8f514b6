/* SPDX-License-Identifier: MIT */
/* What is peculiar to each policy of the library: which entry goes next, and what changes that.
 * tests/contract tests what all policies have in common. */
#include "orders.h"

/* Uses the key in every way in which an entry can be used without being written. */
static void use_in_every_way(ct_cache *cache, const char *key) {
  const size_t size = strlen(key);
  char buffer[8];
  assert_status(CT_OK, ct_get(cache, key, size, NULL));
  assert_status(CT_OK, ct_get_copy(cache, key, size, buffer, sizeof buffer, NULL));
  assert_status(CT_OK, ct_setdefault(cache, key, size, "other", 5, NULL));
  const ct_bytes keys[] = {{key, size}};
  ct_value value = CT_VALUE_INIT;
  ct_status status;
  assert_status(CT_OK, ct_get_many(cache, keys, 1, &value, &status));
  assert_status(CT_OK, status);
  ct_value_release(&value);
  size_t value_end;
  assert_status(CT_OK,
                ct_get_many_copy(cache, key, &size, 1, buffer, sizeof buffer, &value_end, &status));
  assert_status(CT_OK, status);
}

/* Makes every call for the key that does not use the entry and changes nothing. */
static void touch_quietly(ct_cache *cache, const char *key) {
  const size_t size = strlen(key);
  assert_true(ct_contains(cache, key, size));
  assert_status(CT_OK, ct_peek(cache, key, size, NULL));
  (void)info_of(cache, key);
  assert_status(CT_ERR_BUFFER, ct_get_copy(cache, key, size, NULL, 0, NULL));
  assert_status(CT_OK, ct_set_lifetime(cache, key, size, CT_NEVER));
  ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_ABSENT);
  assert_status(CT_EXISTS, set_text_with(cache, key, "2", &options));
  assert_status(CT_ERR_TOO_LARGE, set_text_weight(cache, key, "2", ct_maxsize(cache) + 1));
  assert_status(CT_ERR_INVALID, ct_set(cache, key, size, NULL, 1));
  char order[kMaxOrder];
  walk(cache, CT_ORDER_ANY, order);
}

/* ---- LRU ------------------------------------------------------------------------------------ */

FIXTURE_TEST(lru_evicts_the_least_recently_used, open_filled(f, CT_POLICY_LRU, 3, "a b c")) {
  use_each(f->cache, "a c");
  set_each(f->cache, "d e");
  assert_told(f, "EVICTED b=1, EVICTED a=1");
  assert_goes("c d e", f->cache);
}

FIXTURE_TEST(lru_every_use_makes_recent, open_filled(f, CT_POLICY_LRU, 4, "a b c d")) {
  use_in_every_way(f->cache, "b");
  use_in_every_way(f->cache, "a");
  assert_goes("c d b a", f->cache);
}

TEST(lru_each_way_of_use_alone_makes_recent) {
  for (unsigned way = 0; way < 6; way++) {
    fixture f;
    ct_cache *cache = open_filled(&f, CT_POLICY_LRU, 3, "a b c");
    char buffer[8];
    size_t value_end;
    const size_t key_end = 1;
    const ct_bytes key = {"a", 1};
    ct_value value = CT_VALUE_INIT;
    ct_status status = CT_OK;
    switch (way) {
      case 0:
        assert_status(CT_OK, ct_get(cache, "a", 1, &value));
        break;
      case 1:
        assert_status(CT_OK, ct_get_copy(cache, "a", 1, buffer, sizeof buffer, NULL));
        break;
      case 2:
        assert_status(CT_OK, ct_setdefault(cache, "a", 1, "2", 1, &value));
        break;
      case 3:
        assert_status(CT_OK, ct_get_many(cache, &key, 1, &value, &status));
        break;
      case 4:
        assert_status(CT_OK, ct_get_many_copy(cache, "a", &key_end, 1, buffer, sizeof buffer,
                                              &value_end, &status));
        break;
      case 5:
        assert_status(CT_OK, ct_set(cache, "a", 1, "2", 1));
        break;
    }
    assert_status(CT_OK, status);
    ct_value_release(&value);
    assert_goes("b c a", cache);
    fixture_close(&f);
  }
}

FIXTURE_TEST(lru_quiet_calls_make_nothing_recent, open_filled(f, CT_POLICY_LRU, 3, "a b c")) {
  touch_quietly(f->cache, "a");
  touch_quietly(f->cache, "b");
  assert_goes("a b c", f->cache);
}

FIXTURE_TEST(lru_growing_entry_evicts_others_in_order,
             open_filled(f, CT_POLICY_LRU, 4, "a b c d")) {
  assert_status(CT_OK, set_text_weight(f->cache, "c", "2", 3));
  assert_told(f, "EVICTED a=1, EVICTED b=1, REPLACED c=1");
  assert_goes("d c", f->cache);
}

FIXTURE_TEST(lru_growing_entry_goes_itself_if_its_turn_comes,
             open_filled(f, CT_POLICY_LRU, 3, "a b c")) {
  assert_status(CT_OK, set_text_weight(f->cache, "a", "2", 2));
  assert_told(f, "EVICTED a=1, EVICTED b=1");
  assert_int_equal(4, stats_of(f->cache).inserts);
  assert_int_equal(0, stats_of(f->cache).updates);
  assert_goes("c a", f->cache);
}

/* ---- FIFO ----------------------------------------------------------------------------------- */

FIXTURE_TEST(fifo_evicts_the_first_stored, open_filled(f, CT_POLICY_FIFO, 3, "a b c")) {
  use_in_every_way(f->cache, "a");
  set_each(f->cache, "d");
  assert_told(f, "EVICTED a=1");
  assert_goes("b c d", f->cache);
}

FIXTURE_TEST(fifo_update_moves_to_the_back, open_filled(f, CT_POLICY_FIFO, 3, "a b c")) {
  set_each(f->cache, "a");
  touch_quietly(f->cache, "b");
  assert_goes("b c a", f->cache);
}

/* ---- LFU ------------------------------------------------------------------------------------ */

FIXTURE_TEST(lfu_evicts_the_least_often_used, open_filled(f, CT_POLICY_LFU, 4, "a b c d")) {
  use_each(f->cache, "a a a b d d");
  set_each(f->cache, "e");
  assert_told(f, "EVICTED c=1");
  assert_goes("e b d a", f->cache);
}

FIXTURE_TEST(lfu_tie_goes_to_the_first_that_reached_its_count,
             open_filled(f, CT_POLICY_LFU, 9, "a b c d")) {
  use_each(f->cache, "c a d b");
  assert_goes("c a d b", f->cache);
  set_each(f->cache, "a b c d");
  use_each(f->cache, "b a a b d");
  assert_goes("c d a b", f->cache);
}

FIXTURE_TEST(lfu_update_is_a_use, open_filled(f, CT_POLICY_LFU, 3, "a b c")) {
  set_each(f->cache, "a");
  use_each(f->cache, "b b");
  assert_goes("c a b", f->cache);
}

FIXTURE_TEST(lfu_quiet_calls_are_no_use, open_filled(f, CT_POLICY_LFU, 3, "a b c")) {
  for (unsigned i = 0; i < 3; i++) touch_quietly(f->cache, "a");
  use_each(f->cache, "b");
  assert_goes("a c b", f->cache);
}

FIXTURE_TEST(lfu_counts_from_the_start_after_leaving, open_filled(f, CT_POLICY_LFU, 3, "a b")) {
  use_each(f->cache, "a a a b");
  assert_status(CT_OK, delete_text(f->cache, "a"));
  set_each(f->cache, "a");
  assert_goes("a b", f->cache);
}

FIXTURE_TEST(lfu_inspect_tells_the_count, open_filled(f, CT_POLICY_LFU, 3, "a b")) {
  const uint64_t first = info_of(f->cache, "a").frequency;
  assert_in_range(first, 0, 1);
  for (unsigned i = 1; i <= 50; i++) {
    use_each(f->cache, "a");
    assert_int_equal(first + i, info_of(f->cache, "a").frequency);
  }
  set_each(f->cache, "a");
  assert_int_equal(first + 51, info_of(f->cache, "a").frequency);
  use_in_every_way(f->cache, "b");
  assert_int_equal(first + 5, info_of(f->cache, "b").frequency);
}

TEST(only_lfu_tells_a_count) {
  const ct_policy kUncounted[] = {CT_POLICY_LRU,   CT_POLICY_FIFO,   CT_POLICY_RR,
                                  CT_POLICY_ANY,   CT_POLICY_MRU,    CT_POLICY_CLOCK,
                                  CT_POLICY_SIEVE, CT_POLICY_S3FIFO, CT_POLICY_ARC};
  for (size_t i = 0; i < COUNT_OF(kUncounted); i++) {
    fixture f;
    open_filled(&f, kUncounted[i], 3, "a");
    use_each(f.cache, "a a");
    assert_int_equal(0, info_of(f.cache, "a").frequency);
    fixture_close(&f);
  }
}

/* ---- RR ------------------------------------------------------------------------------------- */

/* Answers a choice with a number, and records the entries that it is among. */
typedef struct chooser {
  fixture f; /* first: the other callbacks take it for a fixture */
  uint64_t answer;
  uint64_t count;
  unsigned asked;
} chooser;

static uint64_t choose(void *user_data, uint64_t count) {
  chooser *it = user_data;
  it->asked++;
  it->count = count;
  return it->answer;
}

static void open_chooser(chooser *it, uint64_t maxsize) {
  ct_options options = fixture_options(&it->f, CT_POLICY_RR, maxsize);
  options.choice = choose;
  options.user_data = it;
  it->asked = 0;
  fixture_open(&it->f, &options);
}

#define CHOOSER_TEST(name, maxsize) \
  TEST_IN(chooser, it, name, open_chooser(it, maxsize), fixture_close(&it->f))

static void assert_chosen(chooser *it, uint64_t answer, const char *expected) {
  ct_value key = CT_VALUE_INIT;
  it->answer = answer;
  assert_status(CT_OK, ct_popitem(it->f.cache, &key, NULL));
  assert_int_equal(strlen(expected), key.size);
  assert_memory_equal(expected, key.data, key.size);
  ct_value_release(&key);
}

CHOOSER_TEST(rr_last_entry_takes_the_place_of_a_leaver, 5) {
  set_each(it->f.cache, "a b c d e");
  assert_chosen(it, 1, "b"); /* a e c d */
  assert_int_equal(5, it->count);
  assert_chosen(it, 1, "e"); /* a d c */
  assert_int_equal(4, it->count);
  assert_status(CT_OK, delete_text(it->f.cache, "a")); /* c d */
  set_each(it->f.cache, "f");                          /* c d f */
  assert_chosen(it, 0, "c");                           /* f d */
  assert_chosen(it, 0, "f");
  assert_chosen(it, 0, "d");
  assert_int_equal(5, it->asked);
  assert_int_equal(1, it->count);
}

CHOOSER_TEST(rr_choice_is_taken_modulo_count, 5) {
  set_each(it->f.cache, "a b c d e");
  assert_chosen(it, 5 * 1000 + 3, "d");          /* a b c e */
  assert_chosen(it, UINT64_MAX, "e");            /* 2^64 - 1 is 3 modulo 4 */
  assert_chosen(it, (uint64_t)3 << 40 | 1, "b"); /* 3 × 2^40 + 1 is 1 modulo 3 */
}

CHOOSER_TEST(rr_uses_and_updates_keep_numbers, 3) {
  set_each(it->f.cache, "a b c");
  use_in_every_way(it->f.cache, "a");
  set_each(it->f.cache, "a");
  touch_quietly(it->f.cache, "b");
  assert_int_equal(0, it->asked);
  assert_chosen(it, 0, "a");
}

CHOOSER_TEST(rr_full_cache_asks_once_a_victim, 4) {
  set_each(it->f.cache, "a b c d");
  it->answer = 2;
  set_each(it->f.cache, "e"); /* a b d e */
  assert_told(&it->f, "EVICTED c=1");
  assert_int_equal(1, it->asked);
  assert_int_equal(4, it->count);
  assert_status(CT_OK, set_text_weight(it->f.cache, "f", "1", 2)); /* a b f */
  assert_told(&it->f, "EVICTED d=1, EVICTED e=1");
  assert_int_equal(3, it->asked);
  assert_int_equal(3, it->count);
}

/* The array of entries takes several pieces of memory. It grows, shrinks and grows again, and
 * each entry still has its number. */
TEST(rr_numbers_are_right_in_a_large_cache) {
  enum { kMaxsize = 20000, kFew = 50 };
  static uint64_t numbered[kMaxsize];
  uint64_t random = test_seed();
  chooser it = {.asked = 0};
  ct_cache *cache =
      cache_of(.policy = CT_POLICY_RR, .maxsize = kMaxsize, .choice = choose, .user_data = &it);
  uint64_t next = 0;
  for (int round = 0; round < 3; round++) {
    uint64_t count = 0;
    ct_clear(cache);
    for (; count < kMaxsize; count++) {
      numbered[count] = next;
      assert_status(CT_OK, ct_set(cache, &next, sizeof next, NULL, 0));
      next++;
    }
    const uint64_t half = ct_memory(cache) / 2;
    while (count > kFew) {
      it.answer = test_random_below(&random, count);
      ct_value key = CT_VALUE_INIT;
      assert_status(CT_OK, ct_popitem(cache, &key, NULL));
      assert_memory_equal(&numbered[it.answer], key.data, sizeof next);
      ct_value_release(&key);
      numbered[it.answer] = numbered[--count];
    }
    for (uint64_t i = 0; i < 500; i++) {
      assert_status(CT_OK, ct_delete(cache, &numbered[0], sizeof next));
      numbered[0] = numbered[--count];
      numbered[count++] = next;
      assert_status(CT_OK, ct_set(cache, &next, sizeof next, NULL, 0));
      next++;
    }
    assert_true(ct_memory(cache) < half);
    it.answer = kFew - 1;
    ct_value key = CT_VALUE_INIT;
    assert_status(CT_OK, ct_popitem(cache, &key, NULL));
    assert_memory_equal(&numbered[kFew - 1], key.data, sizeof next);
    ct_value_release(&key);
  }
  ct_cache_free(cache);
}

CHOOSER_TEST(rr_clear_numbers_anew, 5) {
  set_each(it->f.cache, "a b c");
  assert_status(CT_OK, ct_clear(it->f.cache));
  set_each(it->f.cache, "c b a");
  assert_chosen(it, 0, "c");
  assert_int_equal(3, it->count);
}

/* The order in which RR drains a full alphabet. */
static void drain_by_seed(uint64_t seed, char *order) {
  fixture f;
  open_fixture(&f, .policy = CT_POLICY_RR, .maxsize = 26, .seed = seed);
  set_each(f.cache, "a b c d e f g h i j k l m n o p q r s t u v w x y z");
  drain(f.cache, order);
  fixture_close(&f);
}

TEST(rr_seed_decides_the_order) {
  char first[kMaxOrder], again[kMaxOrder], other[kMaxOrder];
  drain_by_seed(1, first);
  drain_by_seed(1, again);
  drain_by_seed(2, other);
  assert_string_equal(first, again);
  assert_string_not_equal(first, other);
}

static uint64_t count_choices(void *user_data, uint64_t count) {
  return ++*(uint64_t *)user_data % count;
}

/* A choice that is made and not kept would favour some entries, those of the new entry's size say. */
TEST(rr_chooses_once_for_each_entry_that_leaves) {
  uint64_t choices = 0;
  ct_options options = CT_OPTIONS_INIT;
  options.policy = CT_POLICY_RR;
  options.maxsize = 20;
  options.choice = count_choices;
  options.user_data = &choices;
  ct_cache *cache = new_cache(&options);
  const char bytes[200] = {0};
  for (uint32_t i = 0; i < 500; i++) {
    assert_status(CT_OK, ct_set(cache, &i, sizeof i, bytes, i * 7 % sizeof bytes));
    ct_value pinned = CT_VALUE_INIT;
    if (i % 3 == 0) assert_status(CT_OK, ct_get(cache, &i, sizeof i, &pinned));
    const uint32_t next = i + 1000;
    assert_status(CT_OK, ct_set(cache, &next, sizeof next, bytes, i * 11 % sizeof bytes));
    ct_value_release(&pinned);
  }
  assert_int_equal(1000 - 20, choices);
  ct_cache_free(cache);
}

TEST(rr_chooses_every_entry_sometimes) {
  enum { kPlaces = 8, kRounds = 4000 };
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_RR, kPlaces);
  options.seed = 1;
  options.listener = NULL;
  fixture_open(&f, &options);
  unsigned ages[kPlaces] = {0};
  for (uint64_t i = 0; i < kRounds; i++) {
    assert_status(CT_OK, set_number(f.cache, i, "1", 1));
    for (uint64_t age = 0; age < kPlaces && age <= i; age++) {
      const uint64_t key = i - age;
      ages[age] += ct_contains(f.cache, &key, sizeof key);
    }
  }
  /* An entry stays with probability 7/8 each time another comes. */
  assert_int_equal(kRounds, ages[0]);
  assert_in_range(ages[1], kRounds * 80 / 100, kRounds * 95 / 100);
  assert_in_range(ages[7], kRounds * 33 / 100, kRounds * 46 / 100);
  fixture_close(&f);
}

/* ---- ANY and MRU ---------------------------------------------------------------------------- */

FIXTURE_TEST(any_evicts_the_first_inserted, open_filled(f, CT_POLICY_ANY, 3, "a b c")) {
  use_in_every_way(f->cache, "a");
  set_each(f->cache, "a d");
  assert_told(f, "REPLACED a=1, EVICTED a=1");
  assert_goes("b c d", f->cache);
}

FIXTURE_TEST(any_update_moves_nothing, open_filled(f, CT_POLICY_ANY, 5, "a b c")) {
  assert_status(CT_OK, set_text_weight(f->cache, "b", "2", 3));
  set_each(f->cache, "a");
  touch_quietly(f->cache, "c");
  assert_goes("a b c", f->cache);
}

FIXTURE_TEST(mru_evicts_the_most_recently_used, open_filled(f, CT_POLICY_MRU, 3, "a b c")) {
  set_each(f->cache, "d");
  assert_told(f, "EVICTED c=1");
  use_in_every_way(f->cache, "a");
  set_each(f->cache, "e");
  assert_told(f, "EVICTED a=1");
  set_each(f->cache, "b");
  assert_told(f, "REPLACED b=1");
  assert_goes("b e d", f->cache);
}

FIXTURE_TEST(mru_quiet_calls_make_nothing_recent, open_filled(f, CT_POLICY_MRU, 3, "a b c")) {
  touch_quietly(f->cache, "a");
  assert_goes("c b a", f->cache);
}

/* ---- TTL and TLRU --------------------------------------------------------------------------- */

FIXTURE_TEST(ttl_is_lru_with_a_lifetime,
             open_fixture(f, .policy = CT_POLICY_TTL, .maxsize = 3, .ttl = 10)) {
  set_each(f->cache, "a b c");
  set_now(f, 5);
  use_each(f->cache, "a");
  set_each(f->cache, "d");
  assert_told(f, "EVICTED b=1");
  set_now(f, 10);
  set_each(f->cache, "e");
  assert_int_equal(2, ct_len(f->cache)); /* both of the age of 10 went, used or not */
  assert_goes("d e", f->cache);
}

TEST(ttl_without_a_ttl_is_invalid) {
  fixture f;
  const ct_options options = fixture_options(&f, CT_POLICY_TTL, 3);
  ct_cache *cache = (ct_cache *)&f;
  assert_non_null(ct_options_problem(&options));
  assert_non_null(strstr(ct_options_problem(&options), "ttl"));
  assert_status(CT_ERR_INVALID, ct_cache_new_with(&options, &cache));
  assert_null(cache);
  assert_null(ct_cache_new(CT_POLICY_TTL, 3));
}

static uint64_t ttu_by_value(void *user_data, const void *key, size_t key_size, const void *value,
                             size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size;
  return value_size == 0 ? CT_NEVER : now + (uint64_t)(*(const char *)value - '0');
}

FIXTURE_TEST(tlru_is_lru_with_lifetimes_of_its_callers_choice,
             open_fixture(f, .policy = CT_POLICY_TLRU, .maxsize = 3, .ttu = ttu_by_value)) {
  assert_status(CT_OK, set_text(f->cache, "a", "9"));
  assert_status(CT_OK, set_text(f->cache, "b", "2"));
  assert_status(CT_OK, set_text(f->cache, "c", ""));
  assert_status(CT_NOT_STORED, set_text(f->cache, "d", "0"));
  assert_told(f, "");
  set_now(f, 1);
  use_each(f->cache, "a");
  set_now(f, 2);
  assert_status(CT_OK, set_text(f->cache, "e", "9"));
  assert_told(f, "EXPIRED b=2");
  assert_status(CT_OK, set_text(f->cache, "f", "9"));
  assert_told(f, "EVICTED c=");
  assert_status(CT_NOT_STORED, set_text(f->cache, "e", "0"));
  assert_goes("a f", f->cache);
}

TEST(tlru_without_a_ttu_is_invalid) {
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_TLRU, 3);
  options.ttl = 10;
  ct_cache *cache = (ct_cache *)&f;
  assert_non_null(ct_options_problem(&options));
  assert_non_null(strstr(ct_options_problem(&options), "ttu"));
  assert_status(CT_ERR_INVALID, ct_cache_new_with(&options, &cache));
  assert_null(cache);
  assert_null(ct_cache_new(CT_POLICY_TLRU, 3));
}

/* ---- Walks in order ------------------------------------------------------------------------- */

static const ct_policy kOrdered[] = {
    CT_POLICY_LRU, CT_POLICY_FIFO, CT_POLICY_LFU,   CT_POLICY_TTL,   CT_POLICY_TLRU,
    CT_POLICY_ANY, CT_POLICY_MRU,  CT_POLICY_CLOCK, CT_POLICY_SIEVE, CT_POLICY_ARC};

static uint64_t ttu_long(void *user_data, const void *key, size_t key_size, const void *value,
                         size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return now + 1000;
}

/* A cache after random writes and uses of a hundred keys, some of them expired. */
static void open_random(fixture *f, ct_policy policy, uint32_t shards, uint64_t *random) {
  ct_options options = fixture_options(f, policy, 60);
  options.shards = shards;
  options.listener = NULL;
  if (policy == CT_POLICY_TTL) options.ttl = 1000;
  if (policy == CT_POLICY_TLRU) options.ttu = ttu_long;
  fixture_open(f, &options);
  for (unsigned step = 0; step < 600; step++) {
    char key[8];
    snprintf(key, sizeof key, "%u", (unsigned)test_random_below(random, 100));
    switch (test_random_below(random, 8)) {
      case 0:
        (void)delete_text(f->cache, key);
        break;
      case 1:
        assert_status(CT_OK, set_text_ttl(f->cache, key, "1", 1 + test_random_below(random, 900)));
        break;
      case 2:
      case 3:
        assert_status(CT_OK, set_text(f->cache, key, "1"));
        break;
      case 4:
        assert_status(CT_OK, set_text_weight(f->cache, key, "1", test_random_below(random, 4)));
        break;
      default:
        (void)use_text(f->cache, key);
        break;
    }
    if (step % 2 == 0) set_now(f, f->clock.now + 1);
  }
  /* ARC chooses by the sizes of its lists, and entries that are due count until they are removed. */
  assert_true(ct_len(f->cache) > 0);
}

TEST(walks_follow_the_order_of_popitem) {
  uint64_t random = test_seed();
  for (unsigned round = 0; round < 20; round++) {
    for (size_t i = 0; i < COUNT_OF(kOrdered); i++) {
      fixture f;
      open_random(&f, kOrdered[i], 1, &random);
      char order[kMaxOrder];
      walk(f.cache, CT_ORDER_COLDEST, order);
      assert_true(strlen(order) > 0);
      assert_goes(order, f.cache);
      fixture_close(&f);
    }
  }
}

TEST(walks_with_shards_pass_every_entry_once) {
  uint64_t random = test_seed();
  for (size_t i = 0; i < COUNT_OF(kOrdered); i++) {
    fixture f;
    open_random(&f, kOrdered[i], 8, &random);
    char coldest[kMaxOrder], hottest[kMaxOrder], reversed[kMaxOrder];
    walk(f.cache, CT_ORDER_COLDEST, coldest);
    walk(f.cache, CT_ORDER_HOTTEST, hottest);
    reverse_order(hottest, reversed);
    assert_string_equal(coldest, reversed);
    uint64_t passed = 0;
    for (char *key = strtok(coldest, " "); key != NULL; key = strtok(NULL, " ")) {
      assert_status(CT_OK, delete_text(f.cache, key));
      passed++;
    }
    assert_true(passed > 0);
    assert_int_equal(0, ct_len(f.cache));
    fixture_close(&f);
  }
}

FIXTURE_TEST(walk_in_order_keeps_the_order_it_began_with,
             open_filled(f, CT_POLICY_LRU, 9, "a b c d")) {
  ct_iter *iter = NULL;
  assert_status(CT_OK, ct_iter_new(f->cache, CT_ORDER_COLDEST, &iter));
  use_each(f->cache, "a b");
  set_each(f->cache, "e");
  char order[kMaxOrder] = "";
  ct_bytes key;
  while (ct_iter_next(iter, &key, NULL) == CT_OK) append_key(order, key.data, key.size);
  ct_iter_free(iter);
  assert_string_equal("a b c d", order);
}

FIXTURE_TEST(rr_has_no_order_to_walk_in, open_filled(f, CT_POLICY_RR, 3, "a b c")) {
  for (int32_t order = CT_ORDER_COLDEST; order <= CT_ORDER_HOTTEST; order++) {
    ct_iter *iter = (ct_iter *)f;
    assert_status(CT_ERR_UNSUPPORTED, ct_iter_new(f->cache, order, &iter));
    assert_null(iter);
  }
}
