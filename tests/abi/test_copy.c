/* SPDX-License-Identifier: MIT */
/* Copies of a cache: what is the same, what is not copied, what nobody is told of, and that every
 * allocation may fail. */
#include "orders.h"

static ct_cache *copy_of(ct_cache *cache) {
  ct_cache *copy = NULL;
  assert_status(CT_OK, ct_cache_copy(cache, &copy));
  assert_non_null(copy);
  assert_ptr_not_equal(cache, copy);
  return copy;
}

static void assert_same_order(ct_cache *cache, ct_cache *copy) {
  char expected[kMaxOrder], order[kMaxOrder];
  drain(cache, expected);
  drain(copy, order);
  assert_string_equal(expected, order);
}

/* ---- What is the same ----------------------------------------------------------------------- */

FIXTURE_TEST(copy_has_the_same_entries, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  set_text_weight(f->cache, "b", "2", 3);
  set_text_weight(f->cache, "c", "", 0);
  set_text_ttl(f->cache, "d", "4", 50);
  set_now(f, 7);
  ct_cache *copy = copy_of(f->cache);
  assert_text_quietly(copy, "a", "1");
  assert_int_equal(3, info_of(copy, "b").weight);
  assert_int_equal(0, info_of(copy, "c").weight);
  assert_int_equal(info_of(f->cache, "d").deadline, info_of(copy, "d").deadline);
  assert_true(info_of(copy, "a").deadline == CT_NEVER);
  assert_int_equal(4, ct_len(copy));
  assert_int_equal(ct_currsize(f->cache), ct_currsize(copy));
  ct_cache_free(copy);
}

TEST(copy_has_the_same_order) {
  static const ct_policy policies[] = {CT_POLICY_LRU, CT_POLICY_FIFO, CT_POLICY_LFU,
                                       CT_POLICY_MRU, CT_POLICY_ANY,  CT_POLICY_TTL};
  for (size_t i = 0; i < COUNT_OF(policies); i++) {
    fixture f;
    ct_options options = fixture_options(&f, policies[i], 8);
    options.ttl = 100;
    options.listener = NULL;
    fixture_open(&f, &options);
    set_each(f.cache, "a b c d e f g h");
    use_each(f.cache, "c a c e a c");
    ct_cache *copy = copy_of(f.cache);
    set_each(f.cache, "i");
    set_each(copy, "i");
    use_each(f.cache, "e h");
    use_each(copy, "e h");
    assert_same_order(f.cache, copy);
    ct_cache_free(copy);
    fixture_close(&f);
  }
}

TEST(copy_of_every_policy_has_all_entries) {
  for (int policy = 0; policy <= CT_POLICY_ADAPTIVE; policy++) {
    if (policy == CT_POLICY_TLRU) continue; /* this one needs a ttu */
    ct_cache *cache =
        cache_of(.policy = policy, .maxsize = 4000, .ttl = CT_SECONDS(1000), .shards = 4);
    for (uint64_t key = 0; key < 3000; key++) set_number(cache, key, &key, sizeof(key));
    for (uint64_t key = 0; key < 1000; key++) ct_get(cache, &key, sizeof(key), NULL);
    ct_cache *copy = copy_of(cache);
    assert_int_equal(ct_len(cache), ct_len(copy));
    for (uint64_t key = 0; key < 3000; key++) {
      ct_value value;
      const ct_status status = ct_peek(cache, &key, sizeof(key), NULL);
      assert_status(status, ct_peek(copy, &key, sizeof(key), &value));
      if (status == CT_OK) assert_memory_equal(&key, value.data, sizeof(key));
      ct_value_release(&value);
    }
    ct_cache_free(copy);
    ct_cache_free(cache);
  }
}

FIXTURE_TEST(copy_has_the_counts_of_lfu, open_policy(f, CT_POLICY_LFU, 8)) {
  set_each(f->cache, "a b c");
  use_each(f->cache, "b b c b");
  ct_cache *copy = copy_of(f->cache);
  for (char key[] = "a"; key[0] <= 'c'; key[0]++)
    assert_int_equal(info_of(f->cache, key).frequency, info_of(copy, key).frequency);
  ct_cache_free(copy);
}

FIXTURE_TEST(copy_has_the_options_in_force,
             open_fixture(f, .maxsize = 8, .ttl = 10, .tti = 5, .shards = 4, .stale = 3,
                          .flags = CT_FLAG_SINGLE_THREADED | CT_FLAG_PRECISE_CLOCK)) {
  assert_status(CT_OK, ct_resize(f->cache, 20));
  ct_cache *copy = copy_of(f->cache);
  ct_options options = CT_OPTIONS_INIT, copied = CT_OPTIONS_INIT;
  assert_status(CT_OK, ct_cache_options(f->cache, &options));
  assert_status(CT_OK, ct_cache_options(copy, &copied));
  assert_memory_equal(&options, &copied, sizeof(options));
  assert_int_equal(20, copied.maxsize);
  ct_cache_free(copy);
}

FIXTURE_TEST(time_to_idle_goes_on, open_fixture(f, .maxsize = 8, .tti = 10)) {
  set_text(f->cache, "a", "1");
  set_now(f, 4);
  ct_cache *copy = copy_of(f->cache);
  assert_int_equal(6, info_of(copy, "a").remaining);
  ct_cache_free(copy);
}

FIXTURE_TEST(lowered_limit_holds_for_the_copy, open_lru(f, 8)) {
  set_each(f->cache, "a b c d e");
  ct_resize(f->cache, 2);
  ct_cache *copy = copy_of(f->cache);
  assert_int_equal(2, ct_maxsize(copy));
  set_each(f->cache, "f");
  set_each(copy, "f");
  assert_same_order(f->cache, copy);
  ct_cache_free(copy);
}

TEST(cache_that_keeps_nothing_has_a_copy) {
  ct_cache *cache = cache_of(.maxsize = 0, .flags = CT_FLAG_KEEP_NOTHING);
  ct_cache *copy = copy_of(cache);
  assert_int_equal(0, ct_maxsize(copy));
  ct_cache_free(copy);
  ct_cache_free(cache);
}

TEST(copy_by_memory_fits) {
  ct_cache *cache = cache_of(.maxsize = 1 << 20, .weight_kind = CT_WEIGHT_MEMORY);
  static char value[30000];
  for (uint64_t key = 0; key < 2000; key++)
    set_number(cache, key, value, key % 7 == 0 ? 30000 : 90);
  ct_cache *copy = copy_of(cache);
  assert_int_equal(ct_len(cache), ct_len(copy));
  assert_int_equal(ct_currsize(cache), ct_currsize(copy));
  ct_cache_free(copy);
  ct_cache_free(cache);
}

/* ---- What is not copied --------------------------------------------------------------------- */

FIXTURE_TEST(expired_and_stale_entries_are_left_out,
             open_fixture(f, .maxsize = 8, .ttl = 10, .stale = 100)) {
  set_text(f->cache, "a", "1");
  set_now(f, 5);
  set_text(f->cache, "b", "2");
  set_now(f, 12);
  ct_cache *copy = copy_of(f->cache);
  assert_int_equal(1, ct_len(copy));
  assert_text_quietly(copy, "b", "2");
  ct_cache_free(copy);
}

FIXTURE_TEST(nothing_is_told_used_or_counted, open_lru(f, 3)) {
  set_each(f->cache, "a b c");
  const ct_stats before = stats_of(f->cache);
  ct_cache *copy = copy_of(f->cache);
  const ct_stats after = stats_of(f->cache);
  assert_memory_equal(&before, &after, sizeof(before));
  assert_counted(copy, .hits = 0);
  assert_told(f, "");
  ct_cache_free(copy);
  assert_told(f, "");
  assert_goes("a b c", f->cache);
}

FIXTURE_TEST(leases_are_not_copied, open_lru(f, 3)) {
  ct_lease *lease, *other;
  assert_status(CT_LEASED, ct_get_or_lease(f->cache, "a", 1, 0, NULL, &lease));
  ct_cache *copy = copy_of(f->cache);
  assert_status(CT_LEASED, ct_get_or_lease(copy, "a", 1, 0, NULL, &other));
  assert_status(CT_OK, ct_lease_fulfil(lease, "1", 1, NULL, NULL));
  assert_text_quietly(copy, "a", NULL);
  ct_lease_abandon(other);
  ct_cache_free(copy);
}

/* ---- Apart from each other ------------------------------------------------------------------ */

FIXTURE_TEST(neither_knows_of_the_others_changes, open_lru(f, 3)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  ct_value pinned;
  assert_status(CT_OK, ct_get(f->cache, "a", 1, &pinned));
  ct_cache *copy = copy_of(f->cache);
  assert_int_equal(0, stats_of(copy).pinned);
  set_text(f->cache, "a", "3");
  delete_text(copy, "b");
  assert_text_quietly(copy, "a", "1");
  assert_text_quietly(f->cache, "b", "2");
  assert_int_equal('1', *(const char *)pinned.data);
  ct_value_release(&pinned);
  ct_cache_free(f->cache);
  f->cache = copy; /* it outlives the original */
  assert_text_quietly(copy, "a", "1");
}

/* ---- Callbacks ------------------------------------------------------------------------------ */

static void drop(void *user_data, const void *value, size_t value_size) {
  (void)user_data, (void)value, (void)value_size;
}

TEST(cache_with_a_drop_has_no_copy) {
  ct_cache *cache = cache_of(.maxsize = 3, .drop = drop);
  ct_cache *copy = cache;
  assert_status(CT_ERR_UNSUPPORTED, ct_cache_copy(cache, &copy));
  assert_null(copy);
  ct_cache_free(cache);
}

TEST(policy_with_one_state_has_no_copy) {
  ct_policy_ops ops = kQueue;
  ct_cache *cache = cache_of(.policy = CT_POLICY_CUSTOM, .maxsize = 3, .custom = &ops, .shards = 4);
  for (uint64_t key = 0; key < 3; key++) set_number(cache, key, "1", 1);
  ct_cache *copy = copy_of(cache);
  assert_int_equal(ct_len(cache), ct_len(copy));
  ct_cache_free(copy);
  ct_cache_free(cache);
  ops.state_new = NULL;
  ops.state_free = NULL;
  cache = cache_of(.policy = CT_POLICY_CUSTOM, .maxsize = 3, .custom = &ops);
  assert_status(CT_ERR_UNSUPPORTED, ct_cache_copy(cache, &copy));
  assert_null(copy);
  ct_cache_free(cache);
}

static uint64_t asked;

static uint64_t weigh_two(void *user_data, const void *key, size_t key_size, const void *value,
                          size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  asked++;
  return 2;
}

TEST(weigher_is_not_asked_again) {
  ct_cache *cache = cache_of(.maxsize = 8, .weigher = weigh_two);
  set_text(cache, "a", "1");
  set_text_weight(cache, "b", "2", 5);
  const uint64_t before = asked;
  ct_cache *copy = copy_of(cache);
  assert_int_equal(before, asked);
  assert_int_equal(7, ct_currsize(copy));
  ct_cache_free(copy);
  ct_cache_free(cache);
}

TEST(wrong_arguments_make_no_copy) {
  ct_cache *copy = (ct_cache *)&copy;
  assert_status(CT_ERR_INVALID, ct_cache_copy(NULL, &copy));
  assert_null(copy);
  ct_cache *cache = cache_of(.maxsize = 3);
  assert_status(CT_ERR_INVALID, ct_cache_copy(cache, NULL));
  ct_cache_free(cache);
}

/* ---- Faults --------------------------------------------------------------------------------- */

TEST(copy_survives_faults) {
  static char large[40000];
  int64_t faults = 0;
  for (int policy = 0; policy <= CT_POLICY_ADAPTIVE; policy++) {
    if (policy == CT_POLICY_TLRU) continue; /* this one needs a ttu */
    test_allocator allocator;
    test_allocator_init(&allocator);
    ct_cache *cache = cache_of(.policy = policy, .maxsize = 50, .ttl = CT_SECONDS(1000),
                               .shards = 2, .allocator = &allocator.hooks);
    for (uint64_t key = 0; key < 40; key++)
      set_number(cache, key, large, key % 8 == 0 ? sizeof(large) : key);
    const uint64_t len = ct_len(cache);
    const int64_t blocks = allocator.blocks;
    for (int64_t fault = 0;; fault++) {
      allocator.fail_at = allocator.calls + fault;
      const int64_t failed = allocator.failed;
      ct_cache *copy = NULL;
      const ct_status status = ct_cache_copy(cache, &copy);
      allocator.fail_at = -1;
      const bool is_over = allocator.failed == failed;
      /* Some memory is only good to have. */
      if (is_over || status != CT_ERR_NOMEM) assert_status(CT_OK, status);
      assert_int_equal(status == CT_OK, copy != NULL);
      if (copy != NULL) assert_int_equal(len, ct_len(copy));
      assert_int_equal(0, stats_of(cache).pinned);
      ct_cache_free(copy);
      assert_int_equal(blocks, allocator.blocks);
      if (is_over) break;
      faults += status == CT_ERR_NOMEM;
    }
    ct_cache_free(cache);
    assert_int_equal(0, allocator.blocks);
  }
  assert_true(faults > 200); /* else it tested nothing */
}
