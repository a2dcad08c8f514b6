/* SPDX-License-Identifier: MIT */
/* CT_ENTRY_IF_SAME and ct_delete_if: what counts as the same value, and what each status does. */
#include "plan.h"

static ct_value value_of(ct_cache *cache, const char *key) {
  ct_value value = CT_VALUE_INIT;
  assert_status(CT_OK, ct_peek(cache, key, strlen(key), &value));
  return value;
}

static ct_status swap_text(ct_cache *cache, const char *key, const char *value,
                           const ct_value *same) {
  const ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_SAME, .same = same);
  return set_text_with(cache, key, value, &options);
}

static ct_status delete_same(ct_cache *cache, const char *key, const ct_value *same) {
  return ct_delete_if(cache, key, strlen(key), same);
}

/* Asserts that the value is the key's: both calls take it for that, and the second one ends it. */
static void assert_is_same(ct_cache *cache, const char *key, ct_value *value) {
  assert_status(CT_OK, swap_text(cache, key, "swapped", value));
  assert_text_quietly(cache, key, "swapped");
  assert_status(CT_EXISTS, delete_same(cache, key, value));
  ct_value_release(value);
  *value = value_of(cache, key);
  assert_status(CT_OK, delete_same(cache, key, value));
  assert_false(has_text(cache, key));
  ct_value_release(value);
}

/* Asserts that it is not, and that nothing changes. expected: the key's text; NULL: none. */
static void assert_is_other(ct_cache *cache, const char *key, ct_value *value,
                            const char *expected) {
  const ct_status status = expected == NULL ? CT_MISS : CT_EXISTS;
  assert_status(status, swap_text(cache, key, "swapped", value));
  assert_status(status, delete_same(cache, key, value));
  if (expected == NULL) assert_false(has_text(cache, key));
  if (expected != NULL) assert_text_quietly(cache, key, expected);
  ct_value_release(value);
}

/* ---- Which value it is ---------------------------------------------------------------------- */

FIXTURE_TEST(same_value_is_replaced, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  ct_value seen = value_of(f->cache, "a");
  assert_status(CT_OK, swap_text(f->cache, "a", "2", &seen));
  assert_value("1", seen);
  assert_text_quietly(f->cache, "a", "2");
  assert_told(f, "REPLACED a=1");
  assert_status(CT_EXISTS, swap_text(f->cache, "a", "3", &seen));
  assert_text_quietly(f->cache, "a", "2");
  assert_counted(f->cache, .inserts = 1, .updates = 1, .pinned = 1);
  ct_value_release(&seen);
}

FIXTURE_TEST(same_value_is_deleted, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  ct_value seen = value_of(f->cache, "a");
  assert_status(CT_OK, delete_same(f->cache, "a", &seen));
  assert_told(f, "REMOVED a=1");
  assert_status(CT_MISS, delete_same(f->cache, "a", &seen));
  assert_counted(f->cache, .inserts = 1, .removals = 1, .pinned = 1);
  ct_value_release(&seen);
}

TEST(equal_bytes_stored_later_are_another_value) {
  for (int listens = 0; listens < 2; listens++) {
    fixture f;
    ct_options options = fixture_options(&f, CT_POLICY_LRU, 8);
    if (listens == 0) options.listener = NULL;
    fixture_open(&f, &options);
    set_text(f.cache, "a", "1");
    ct_value seen = value_of(f.cache, "a");
    set_text(f.cache, "a", "1");
    assert_is_other(f.cache, "a", &seen, "1");
    seen = value_of(f.cache, "a");
    delete_text(f.cache, "a");
    set_text(f.cache, "a", "1");
    assert_is_other(f.cache, "a", &seen, "1");
    seen = value_of(f.cache, "a");
    ct_clear(f.cache);
    assert_is_other(f.cache, "a", &seen, NULL);
    fixture_close(&f);
  }
}

FIXTURE_TEST(every_hand_out_is_the_same_value, open_lru(f, 8)) {
  for (int way = 0; way < 4; way++) {
    set_text(f->cache, "a", "1");
    ct_value first = value_of(f->cache, "a"), value = CT_VALUE_INIT;
    plan plan = {.answer = CT_NOT_STORED, .value = "2"};
    if (way == 0) assert_status(CT_OK, ct_get(f->cache, "a", 1, &value));
    if (way == 1) assert_status(CT_OK, ct_value_ref(&first, &value));
    if (way == 2) assert_status(CT_OK, load_text(f, "a", &plan, &value));
    if (way == 3) assert_status(CT_NOT_STORED, compute_text(f, "a", &plan, &value));
    ct_value_release(&first);
    assert_is_same(f->cache, "a", &value);
  }
}

FIXTURE_TEST(stored_values_that_are_handed_out_are_the_same, open_lru(f, 8)) {
  ct_value value;
  assert_status(CT_OK, ct_setdefault(f->cache, "a", 1, "1", 1, &value));
  assert_is_same(f->cache, "a", &value);
  plan plan = {.value = "1"};
  assert_status(CT_OK, load_text(f, "a", &plan, &value));
  assert_is_same(f->cache, "a", &value);
  assert_status(CT_OK, compute_text(f, "a", &plan, &value));
  assert_is_same(f->cache, "a", &value);
  assert_status(CT_OK, ct_lease_fulfil(lease_text(f, "a"), "1", 1, NULL, &value));
  assert_is_same(f->cache, "a", &value);
}

/* Values that were handed back and are in no cache. */
FIXTURE_TEST(value_that_was_never_stored_is_another, open_lru(f, 8)) {
  for (int present = 0; present < 2; present++) {
    for (int way = 0; way < 5; way++) {
      ct_value value = CT_VALUE_INIT;
      plan plan = {.act = discard, .value = "1"};
      const ct_entry_options dead = entry_with(.flags = CT_ENTRY_TTL);
      const ct_entry_options heavy = entry_with(.flags = CT_ENTRY_WEIGHT, .weight = 9);
      if (way == 0) assert_status(CT_OK, load_text(f, "a", &plan, &value));
      if (way == 1) assert_status(CT_NOT_STORED, compute_text(f, "a", &plan, &value));
      if (way > 1) {
        ct_lease *lease = lease_text(f, "a");
        const ct_entry_options *options = way == 2 ? &dead : way == 3 ? &heavy : NULL;
        if (way == 4) delete_text(f->cache, "a");
        assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "1", 1, options, &value));
      }
      if (present != 0) set_text(f->cache, "a", "1");
      assert_is_other(f->cache, "a", &value, present != 0 ? "1" : NULL);
      delete_text(f->cache, "a");
    }
  }
}

TEST(value_of_another_key_or_cache_is_another) {
  for (uint32_t shards = 1; shards <= 16; shards *= 16) {
    ct_cache *cache = cache_of(.maxsize = 1000, .shards = shards);
    ct_cache *other = cache_of(.maxsize = 1000, .shards = shards);
    for (int i = 0; i < 20; i++) {
      char key[8];
      snprintf(key, sizeof key, "key%d", i);
      set_text(cache, key, "1");
      set_text(cache, "b", "1");
      ct_value value = value_of(cache, "b");
      assert_is_other(cache, key, &value, "1");
      value = value_of(cache, "b");
      assert_is_other(cache, "absent", &value, NULL);
      set_text(other, key, "1");
      value = value_of(other, key);
      assert_is_other(cache, key, &value, "1");
      value = value_of(other, key);
      assert_is_other(cache, "absent", &value, NULL);
    }
    /* Such a value may outlive its cache. */
    ct_value value = value_of(other, "key1");
    ct_cache_free(other);
    assert_is_other(cache, "key1", &value, "1");
    ct_cache_free(cache);
  }
}

FIXTURE_TEST(value_that_holds_nothing_is_an_absent_key, open_lru(f, 8)) {
  ct_value nothing = CT_VALUE_INIT;
  assert_status(CT_MISS, ct_get(f->cache, "a", 1, &nothing));
  assert_status(CT_MISS, delete_same(f->cache, "a", &nothing));
  assert_status(CT_OK, swap_text(f->cache, "a", "1", &nothing));
  assert_status(CT_EXISTS, swap_text(f->cache, "a", "2", &nothing));
  assert_status(CT_EXISTS, delete_same(f->cache, "a", &nothing));
  assert_text_quietly(f->cache, "a", "1");
  set_text_ttl(f->cache, "a", "1", 5);
  set_now(f, 5);
  assert_status(CT_OK, swap_text(f->cache, "a", "3", &nothing));
  assert_told(f, "REPLACED a=1, EXPIRED a=1");
}

FIXTURE_TEST(key_that_is_popped_out_is_no_value, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  ct_value key = CT_VALUE_INIT;
  assert_status(CT_OK, ct_popitem(f->cache, &key, NULL));
  set_text(f->cache, "a", "1");
  assert_is_other(f->cache, "a", &key, "1");
}

TEST(any_bytes_are_conditional) {
  static char large[kLarge], zeros[3];
  const struct {
    const void *key;
    size_t key_size, value_size;
  } rows[] = {{NULL, 0, 0},
              {zeros, 3, 8},
              {zeros, 2, 0},
              {"a", 1, sizeof large},
              {large, 300, 1},
              {large, sizeof large, 8},
              {large, 9000, sizeof large}};
  for (uint32_t flags = 0; flags <= CT_FLAG_SINGLE_THREADED; flags++) {
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
      ct_cache *cache = cache_of(.maxsize = 8, .flags = flags);
      const size_t size = rows[i].value_size;
      assert_status(CT_OK, ct_set(cache, rows[i].key, rows[i].key_size, large, size));
      ct_value seen = CT_VALUE_INIT;
      assert_status(CT_OK, ct_get(cache, rows[i].key, rows[i].key_size, &seen));
      ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_SAME, .same = &seen);
      for (int round = 0; round < 3; round++) {
        const ct_status expected = round == 0 ? CT_OK : CT_EXISTS;
        assert_status(expected, ct_set_with(cache, rows[i].key, rows[i].key_size, large,
                                            round == 1 ? 0 : size, &options));
      }
      assert_status(CT_EXISTS, ct_delete_if(cache, rows[i].key, rows[i].key_size, &seen));
      ct_value_release(&seen);
      assert_status(CT_OK, ct_get(cache, rows[i].key, rows[i].key_size, &seen));
      assert_int_equal(size, seen.size);
      assert_status(CT_OK, ct_delete_if(cache, rows[i].key, rows[i].key_size, &seen));
      ct_value_release(&seen);
      assert_int_equal(0, ct_len(cache));
      ct_cache_free(cache);
    }
  }
}

/* ---- What a value stays the same through ---------------------------------------------------- */

/* In a cache without lifetimes, the first lifetime of an entry moves it. */
TEST(value_stays_the_same_with_another_lifetime) {
  static char large[kLarge + 1];
  memset(large, 'x', kLarge);
  const char *const values[] = {"1", large};
  for (size_t i = 0; i < COUNT_OF(values); i++) {
    for (uint64_t ttl = 0; ttl < 2; ttl++) {
      test_allocator allocator;
      test_allocator_init(&allocator);
      fixture f;
      open_fixture(&f, .maxsize = 8, .ttl = ttl * 1000, .allocator = &allocator.hooks);
      set_text(f.cache, "a", values[i]);
      ct_value seen = value_of(f.cache, "a");
      assert_status(CT_OK, ct_set_lifetime(f.cache, "a", 1, 100));
      assert_status(CT_OK, ct_set_lifetime(f.cache, "a", 1, 50));
      assert_value(values[i], seen);
      assert_int_equal(1, stats_of(f.cache).pinned);
      assert_is_same(f.cache, "a", &seen);
      fixture_close(&f);
      assert_int_equal(0, allocator.blocks);
    }
  }
}

FIXTURE_TEST(both_hand_outs_of_a_value_that_moved_are_the_same, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  ct_value before = value_of(f->cache, "a");
  ct_set_lifetime(f->cache, "a", 1, 50);
  ct_value after = value_of(f->cache, "a");
  ct_value again = CT_VALUE_INIT;
  assert_status(CT_OK, ct_value_ref(&before, &again));
  assert_status(CT_OK, swap_text(f->cache, "a", "2", &after));
  assert_status(CT_EXISTS, swap_text(f->cache, "a", "3", &before));
  assert_status(CT_EXISTS, delete_same(f->cache, "a", &again));
  ct_value_release(&after);
  ct_value_release(&again);
  assert_is_other(f->cache, "a", &before, "2");
}

/* After the value has moved, equal bytes are stored in its place. */
TEST(equal_bytes_are_another_value_after_a_move) {
  for (int listens = 0; listens < 2; listens++) {
    for (int way = 0; way < 4; way++) {
      fixture f;
      ct_options options = fixture_options(&f, CT_POLICY_LRU, 8);
      if (listens == 0) options.listener = NULL;
      fixture_open(&f, &options);
      set_text(f.cache, "a", "1");
      ct_value seen = value_of(f.cache, "a");
      ct_set_lifetime(f.cache, "a", 1, 50);
      if (way == 0) set_text(f.cache, "a", "1");
      if (way == 1) set_text_ttl(f.cache, "a", "1", 50);
      if (way == 2) delete_text(f.cache, "a");
      if (way == 3) set_now(&f, 50);
      if (way >= 2) set_text_ttl(f.cache, "a", "1", 60);
      assert_is_other(f.cache, "a", &seen, "1");
      fixture_close(&f);
    }
  }
}

/* The block in which a value lives on stays as long as the value is held. */
TEST(value_that_moved_may_be_held_for_long) {
  for (int order = 0; order < 3; order++) {
    test_allocator allocator;
    test_allocator_init(&allocator);
    ct_cache *cache = cache_of(.maxsize = 64, .allocator = &allocator.hooks);
    ct_value seen[64];
    for (uint64_t i = 0; i < 64; i++) {
      ct_set(cache, &i, 8, "value of some size", 18);
      assert_status(CT_OK, ct_get(cache, &i, 8, &seen[i]));
      assert_status(CT_OK, ct_set_lifetime(cache, &i, 8, CT_HOURS(1)));
      if (i % 3 == 0) ct_delete(cache, &i, 8);
    }
    if (order == 1) ct_clear(cache);
    if (order == 2) ct_cache_free(cache);
    for (uint64_t i = 0; i < 64; i++) {
      assert_value("value of some size", seen[i]);
      const ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_SAME, .same = &seen[i]);
      const ct_status expected = order == 1 || i % 3 == 0 ? CT_MISS : CT_OK;
      if (order < 2) assert_status(expected, ct_set_with(cache, &i, 8, "new", 3, &options));
      ct_value_release(&seen[i]);
    }
    if (order < 2) assert_int_equal(0, stats_of(cache).pinned);
    if (order < 2) ct_cache_free(cache);
    assert_int_equal(0, allocator.blocks);
  }
}

/* Entries around it move together; one that is pinned stays where it is. */
FIXTURE_TEST(value_stays_the_same_when_entries_move_together,
             open_fixture(f, .maxsize = 1 << 20, .weight_kind = CT_WEIGHT_MEMORY)) {
  char text[200];
  memset(text, 'x', sizeof text);
  for (uint64_t i = 0; i < 3000; i++) ct_set(f->cache, &i, 8, text, sizeof text);
  ct_value seen[30];
  for (uint64_t i = 0; i < 30; i++) {
    const uint64_t key = i * 100;
    assert_status(CT_OK, ct_get(f->cache, &key, 8, &seen[i]));
  }
  for (uint64_t i = 0; i < 3000; i++)
    if (i % 50 != 0) ct_delete(f->cache, &i, 8);
  const uint64_t before = ct_memory(f->cache);
  for (uint64_t i = 0; i < 3000; i++) ct_set(f->cache, &i, 8, text, sizeof text / 4);
  ct_resize(f->cache, 1 << 19);
  assert_true(ct_memory(f->cache) < before);
  for (uint64_t i = 0; i < 30; i++) {
    const uint64_t key = i * 100;
    ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_SAME, .same = &seen[i]);
    assert_status(CT_EXISTS, ct_set_with(f->cache, &key, 8, "new", 3, &options));
    ct_value_release(&seen[i]);
    assert_status(CT_OK, ct_get(f->cache, &key, 8, &seen[i]));
  }
  for (uint64_t i = 0; i < 3000; i++)
    if (i % 100 != 0) ct_delete(f->cache, &i, 8);
  ct_resize(f->cache, 1 << 18);
  for (uint64_t i = 0; i < 30; i++) {
    const uint64_t key = i * 100;
    ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_SAME, .same = &seen[i]);
    assert_status(CT_OK, ct_set_with(f->cache, &key, 8, "new", 3, &options));
    ct_value_release(&seen[i]);
  }
}

enum { kTtl = 100, kAhead = 20, kStale = 50 };

static void open_fresh(fixture *f) {
  open_fixture(f, .maxsize = 8, .ttl = kTtl, .refresh_ahead = kAhead, .stale = kStale);
}

static void not_modified(plan *self, ct_result *result) {
  (void)self;
  ct_result_not_modified(result);
}

static void not_modified_for_a_while(plan *self, ct_result *result) {
  not_modified(self, result);
  ct_result_ttl(result, 10);
}

static void count_done(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  (void)user_data, (void)status, (void)value, (void)lease;
}

FIXTURE_TEST(value_stays_the_same_when_it_was_not_modified, open_fresh(f)) {
  set_text(f->cache, "a", "1");
  ct_value seen = value_of(f->cache, "a");
  set_now(f, kTtl - 1);
  plan plan = {.act = not_modified};
  assert_status(CT_OK, load_text(f, "a", &plan, NULL));
  assert_int_equal(1, plan.calls);
  set_now(f, kTtl + kTtl - 2);
  ct_lease *lease = NULL;
  assert_status(CT_RENEW, ct_get_or_lease(f->cache, "a", 1, 0, NULL, &lease));
  assert_status(CT_OK, ct_lease_keep(lease, NULL));
  set_now(f, kTtl + kTtl + 1);
  assert_is_same(f->cache, "a", &seen);
}

/* The entry needs a place for its lifetime first. Its weight stays, too. */
FIXTURE_TEST(value_stays_the_same_when_it_is_given_its_first_lifetime, open_lru(f, 8)) {
  for (int lease = 0; lease < 2; lease++) {
    set_text_weight(f->cache, "a", "1", 3);
    ct_value seen = value_of(f->cache, "a");
    ct_load_options force = CT_LOAD_OPTIONS_INIT;
    force.flags = CT_LOAD_FORCE;
    f->log[0] = '\0';
    if (lease != 0) {
      const ct_entry_options options =
          entry_with(.flags = CT_ENTRY_TTL | CT_ENTRY_WEIGHT, .ttl = 10, .weight = 5);
      ct_lease *taken = NULL;
      assert_status(CT_LEASED, ct_get_or_lease_async(f->cache, "a", 1, &force, count_done, NULL,
                                                     NULL, &taken, NULL));
      assert_status(CT_OK, ct_lease_keep(taken, &options));
    } else {
      plan plan = {.act = not_modified_for_a_while, .f = f};
      assert_status(CT_OK, ct_get_or_load_with(f->cache, "a", 1, load, &plan, &force, NULL));
    }
    assert_told(f, "");
    assert_int_equal(3, ct_currsize(f->cache));
    ct_entry_info info = CT_ENTRY_INFO_INIT;
    assert_status(CT_OK, ct_inspect(f->cache, "a", 1, &info));
    assert_int_equal(10, info.remaining);
    assert_is_same(f->cache, "a", &seen);
    ct_clear(f->cache);
  }
}

/* ---- Lifetimes, weights, loads -------------------------------------------------------------- */

FIXTURE_TEST(value_that_has_expired_is_absent, open_lru(f, 8)) {
  for (int deletes = 0; deletes < 2; deletes++) {
    set_text_ttl(f->cache, "a", "1", 5);
    ct_value seen = value_of(f->cache, "a");
    set_now(f, f->clock.now + 5);
    assert_status(CT_MISS, deletes != 0 ? delete_same(f->cache, "a", &seen)
                                        : swap_text(f->cache, "a", "2", &seen));
    assert_told(f, "EXPIRED a=1");
    ct_value_release(&seen);
  }
  assert_int_equal(0, ct_len(f->cache));
}

FIXTURE_TEST(value_that_is_stale_is_absent, open_fresh(f)) {
  for (int way = 0; way < 3; way++) {
    ct_value seen = CT_VALUE_INIT;
    set_text(f->cache, "a", "1");
    if (way < 2) seen = value_of(f->cache, "a");
    set_now(f, f->clock.now + kTtl);
    assert_status(way == 2 ? CT_OK : CT_MISS, way == 1 ? delete_same(f->cache, "a", &seen)
                                                       : swap_text(f->cache, "a", "2", &seen));
    assert_told(f, "EXPIRED a=1");
    ct_value_release(&seen);
  }
  assert_text_quietly(f->cache, "a", "2");
}

FIXTURE_TEST(condition_comes_before_lifetime_and_weight, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  ct_value seen = value_of(f->cache, "a");
  const ct_entry_options dead = entry_with(.flags = CT_ENTRY_IF_SAME | CT_ENTRY_TTL, .same = &seen);
  const ct_entry_options heavy =
      entry_with(.flags = CT_ENTRY_IF_SAME | CT_ENTRY_WEIGHT, .weight = 9, .same = &seen);
  assert_status(CT_ERR_TOO_LARGE, set_text_with(f->cache, "a", "2", &heavy));
  assert_text_quietly(f->cache, "a", "1");
  assert_status(CT_NOT_STORED, set_text_with(f->cache, "a", "2", &dead));
  assert_told(f, "REMOVED a=1");
  assert_status(CT_MISS, set_text_with(f->cache, "a", "2", &dead));
  assert_status(CT_MISS, set_text_with(f->cache, "a", "2", &heavy));
  set_text(f->cache, "a", "3");
  assert_status(CT_EXISTS, set_text_with(f->cache, "a", "2", &dead));
  assert_status(CT_EXISTS, set_text_with(f->cache, "a", "2", &heavy));
  assert_counted(f->cache, .inserts = 2, .removals = 1, .rejections = 2, .pinned = 1);
  ct_value_release(&seen);
}

/* The entry makes the room for its own new value. */
FIXTURE_TEST(same_value_may_be_evicted_for_what_replaces_it, open_lru(f, 8)) {
  set_text_weight(f->cache, "a", "1", 2);
  set_text_weight(f->cache, "b", "1", 6);
  ct_value seen = value_of(f->cache, "a");
  const ct_entry_options heavy =
      entry_with(.flags = CT_ENTRY_IF_SAME | CT_ENTRY_WEIGHT, .weight = 8, .same = &seen);
  assert_status(CT_OK, set_text_with(f->cache, "a", "2", &heavy));
  assert_told(f, "EVICTED a=1, EVICTED b=1");
  assert_text_quietly(f->cache, "a", "2");
  ct_value_release(&seen);
}

TEST(load_is_overtaken_unless_another_value_is_there) {
  for (int deletes = 0; deletes < 2; deletes++) {
    for (int held = 0; held < 2; held++) {
      fixture f;
      open_lru(&f, 8);
      set_text(f.cache, "b", "1");
      ct_value seen = CT_VALUE_INIT;
      if (held != 0) seen = value_of(f.cache, "b");
      ct_lease *lease = lease_text(&f, "a");
      const ct_status expected = held == 0 && deletes == 0 ? CT_OK : CT_MISS;
      assert_status(expected, deletes != 0 ? delete_same(f.cache, "a", &seen)
                                           : swap_text(f.cache, "a", "2", &seen));
      assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "loaded", 6, NULL, NULL));
      ct_value_release(&seen);
      fixture_close(&f);
    }
  }
  fixture f;
  open_fresh(&f);
  set_text(f.cache, "a", "1");
  set_now(&f, kTtl - 1);
  ct_lease *lease = NULL;
  assert_status(CT_RENEW, ct_get_or_lease(f.cache, "a", 1, 0, NULL, &lease));
  ct_value nothing = CT_VALUE_INIT;
  assert_is_other(f.cache, "a", &nothing, "1");
  assert_status(CT_OK, ct_lease_fulfil(lease, "loaded", 6, NULL, NULL));
  assert_text_quietly(f.cache, "a", "loaded");
  fixture_close(&f);
}

/* ---- What is refused ------------------------------------------------------------------------ */

FIXTURE_TEST(condition_that_makes_no_sense_is_invalid, open_fresh(f)) {
  set_text(f->cache, "a", "1");
  ct_value seen = value_of(f->cache, "a");
  const ct_entry_options rows[] = {
      entry_with(.flags = CT_ENTRY_IF_SAME),
      entry_with(.same = &seen),
      entry_with(.flags = CT_ENTRY_IF_PRESENT, .same = &seen),
      entry_with(.flags = CT_ENTRY_IF_SAME | CT_ENTRY_IF_ABSENT, .same = &seen),
      entry_with(.flags = CT_ENTRY_IF_SAME | CT_ENTRY_IF_PRESENT, .same = &seen),
      entry_with(.flags = CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT),
      entry_with(.flags = 0x200),
  };
  for (size_t i = 0; i < COUNT_OF(rows); i++)
    assert_status(CT_ERR_INVALID, set_text_with(f->cache, "a", "2", &rows[i]));
  const ct_entry_options same = entry_with(.flags = CT_ENTRY_IF_SAME, .same = &seen);
  const size_t ends[] = {1, 2};
  ct_status status = CT_END;
  assert_status(CT_ERR_INVALID, ct_set_many(f->cache, "a2", ends, 1, &same, &status));
  assert_status(CT_OK, status);
  const ct_entry_options keeps = entry_with(.flags = CT_ENTRY_KEEP_TTL);
  const ct_entry_options *const refused[] = {&same, &keeps};
  for (size_t i = 0; i < COUNT_OF(refused); i++) {
    ct_value out = poisoned_value();
    assert_status(CT_ERR_INVALID, ct_lease_fulfil(lease_text(f, "b"), "2", 1, refused[i], &out));
    assert_holds_nothing(out);
    set_now(f, kTtl - 1);
    ct_lease *lease = NULL;
    assert_status(CT_RENEW, ct_get_or_lease(f->cache, "a", 1, 0, NULL, &lease));
    assert_status(CT_ERR_INVALID, ct_lease_keep(lease, refused[i]));
  }
  assert_status(CT_ERR_INVALID, delete_same(f->cache, "a", NULL));
  assert_status(CT_ERR_INVALID, ct_delete_if(NULL, "a", 1, &seen));
  assert_status(CT_ERR_INVALID, ct_delete_if(f->cache, NULL, 1, &seen));
  assert_status(CT_ERR_TOO_LARGE, ct_delete_if(f->cache, unreadable(), kTooLong, &seen));
  assert_text_quietly(f->cache, "a", "1");
  assert_told(f, "");
  assert_is_same(f->cache, "a", &seen);
}
