/* SPDX-License-Identifier: MIT */
/* Tags, and the entries that an invalidated tag ends. One thread; the clock stands still. */
#include "plan.h"
#include "snapshots.h"

static void open_usual(fixture *f) {
  open_fixture(f, .maxsize = 8, .ttl = 100);
}
static void open_stale(fixture *f) {
  open_fixture(f, .maxsize = 8, .ttl = 100, .refresh_ahead = 20, .stale = 50, .retry = 10);
}

#define TAGS_TEST(name) FIXTURE_TEST(name, open_usual(f))
#define STALE_TEST(name) FIXTURE_TEST(name, open_stale(f))

/* Options with tags, one for each word of a text: "red blue". */
typedef struct tagged {
  char text[64];
  ct_bytes tags[16];
  ct_entry_options options;
} tagged;

static const ct_entry_options *with_tags(tagged *self, const char *words) {
  snprintf(self->text, sizeof(self->text), "%s", words);
  self->options = entry_with(.flags = CT_ENTRY_TAGS, .tags = self->tags);
  for (char *word = strtok(self->text, " "); word != NULL; word = strtok(NULL, " "))
    self->tags[self->options.tag_count++] = (ct_bytes){word, strlen(word)};
  return &self->options;
}

static ct_status set_tagged(ct_cache *cache, const char *key, const char *value,
                            const char *words) {
  tagged it;
  return set_text_with(cache, key, value, with_tags(&it, words));
}

static ct_status invalidate(ct_cache *cache, const char *tag) {
  return ct_invalidate_tag(cache, tag, strlen(tag), 0);
}

/* ---- Invalidating --------------------------------------------------------------------------- */

TAGS_TEST(invalidation_ends_all_that_carry_the_tag_and_nothing_else) {
  assert_status(CT_OK, set_tagged(f->cache, "a", "1", "red"));
  assert_status(CT_OK, set_tagged(f->cache, "b", "2", "blue red"));
  assert_status(CT_OK, set_tagged(f->cache, "c", "3", "blue"));
  assert_status(CT_OK, set_text(f->cache, "d", "4"));
  assert_text(f->cache, "b", "2");
  assert_status(CT_OK, invalidate(f->cache, "red"));
  assert_text(f->cache, "a", NULL);
  assert_text(f->cache, "b", NULL);
  assert_text(f->cache, "c", "3");
  assert_text(f->cache, "d", "4");
  assert_told(f, "");
  assert_int_equal(2, ct_len(f->cache));
  assert_true(f->told == 2);
  assert_non_null(strstr(f->log, "REMOVED a=1"));
  assert_non_null(strstr(f->log, "REMOVED b=2"));
  assert_counted(f->cache, .hits = 3, .misses = 2, .inserts = 4, .removals = 2);
}

TAGS_TEST(what_is_stored_after_an_invalidation_stays) {
  set_tagged(f->cache, "a", "1", "red");
  invalidate(f->cache, "red");
  set_tagged(f->cache, "a", "2", "red");
  assert_told(f, "REMOVED a=1");
  assert_text(f->cache, "a", "2");
  assert_int_equal(1, ct_len(f->cache));
  invalidate(f->cache, "red");
  assert_text(f->cache, "a", NULL);
  assert_int_equal(0, ct_len(f->cache));
  assert_told(f, "REMOVED a=2");
  assert_counted(f->cache, .hits = 1, .misses = 1, .inserts = 2, .removals = 2);
}

TAGS_TEST(tag_that_nothing_carries_is_invalidated_in_vain) {
  assert_status(CT_OK, invalidate(f->cache, "red"));
  set_tagged(f->cache, "a", "1", "blue");
  assert_status(CT_OK, invalidate(f->cache, "red"));
  assert_text(f->cache, "a", "1");
}

TAGS_TEST(tags_are_any_bytes) {
  const char kZeros[300] = {0};
  const ct_bytes tags[] = {{NULL, 0}, {kZeros, 1}, {kZeros, 2}, {kZeros, sizeof(kZeros)}};
  for (size_t i = 0; i < COUNT_OF(tags); i++) {
    for (size_t j = 0; j < COUNT_OF(tags); j++) {
      const ct_entry_options options =
          entry_with(.flags = CT_ENTRY_TAGS, .tags = &tags[j], .tag_count = 1);
      const char key[] = {(char)('a' + j), 0};
      assert_true(set_text_with(f->cache, key, "1", &options) == CT_OK);
    }
    assert_status(CT_OK, ct_invalidate_tag(f->cache, tags[i].data, tags[i].size, 0));
    for (size_t j = 0; j < COUNT_OF(tags); j++) {
      const char key[] = {(char)('a' + j), 0};
      assert_text_quietly(f->cache, key, i == j ? NULL : "1");
    }
  }
}

TAGS_TEST(equal_tags_count_once) {
  const char *const eight = "1 2 3 4 5 6 7 8";
  assert_status(CT_OK, set_tagged(f->cache, "a", "1", eight));
  assert_status(CT_OK, set_tagged(f->cache, "b", "1", "1 1 1 1 1 1 1 1"));
  invalidate(f->cache, "8");
  assert_text(f->cache, "a", NULL);
  assert_text(f->cache, "b", "1");
  invalidate(f->cache, "1");
  assert_text(f->cache, "b", NULL);
}

TAGS_TEST(large_and_heavy_and_mortal_entries_carry_tags) {
  char *large = calloc(1, kLarge);
  assert_non_null(large);
  for (int i = 0; i < 16; i++) {
    tagged it;
    ct_entry_options options = *with_tags(&it, "red");
    if ((i & 1) != 0) options.flags |= CT_ENTRY_WEIGHT, options.weight = 2;
    if ((i & 2) != 0) options.flags |= CT_ENTRY_TTL, options.ttl = CT_NEVER;
    const size_t size = (i & 4) != 0 ? kLarge : 5;
    const size_t key_size = (i & 8) != 0 ? 1000 : 3;
    assert_status(CT_OK, ct_set_with(f->cache, large, key_size, large, size, &options));
    ct_value value = CT_VALUE_INIT;
    assert_status(CT_OK, ct_get(f->cache, large, key_size, &value));
    assert_int_equal(size, value.size);
    assert_memory_equal(large, value.data, size);
    assert_status(CT_OK, invalidate(f->cache, "red"));
    assert_status(CT_MISS, ct_get(f->cache, large, key_size, NULL));
    /* What was handed out stays. */
    assert_memory_equal(large, value.data, size);
    ct_value_release(&value);
  }
  free(large);
}

/* ---- Tags belong to the value --------------------------------------------------------------- */

TAGS_TEST(set_drops_the_tags_of_the_value_before) {
  set_tagged(f->cache, "a", "1", "red");
  set_text(f->cache, "a", "2");
  set_tagged(f->cache, "b", "1", "red");
  set_tagged(f->cache, "b", "2", "blue");
  invalidate(f->cache, "red");
  assert_text(f->cache, "a", "2");
  assert_text(f->cache, "b", "2");
  assert_told(f, "REPLACED a=1, REPLACED b=1");
}

/* In the second cache, only an entry that gets a lifetime has a place for it. */
TEST(new_lifetime_leaves_the_tags) {
  for (int has_ttl = 0; has_ttl < 2; has_ttl++) {
    fixture it;
    open_fixture(&it, .maxsize = 8, .ttl = has_ttl != 0 ? 100 : 0);
    for (int pinned = 0; pinned < 2; pinned++) {
      ct_value value = CT_VALUE_INIT;
      set_tagged(it.cache, "a", "1", "red blue");
      if (pinned != 0) assert_status(CT_OK, ct_get(it.cache, "a", 1, &value));
      assert_status(CT_OK, ct_set_lifetime(it.cache, "a", 1, 50));
      assert_text(it.cache, "a", "1");
      invalidate(it.cache, pinned != 0 ? "red" : "blue");
      assert_text(it.cache, "a", NULL);
      assert_status(CT_MISS, ct_set_lifetime(it.cache, "a", 1, 50));
      ct_value_release(&value);
    }
    fixture_close(&it);
  }
}

TAGS_TEST(set_many_gives_each_entry_the_tags) {
  const size_t ends[] = {1, 2, 3, 4};
  tagged it;
  ct_status statuses[2];
  assert_status(CT_OK, ct_set_many(f->cache, "a1b2", ends, 2, with_tags(&it, "red"), statuses));
  assert_text(f->cache, "b", "2");
  invalidate(f->cache, "red");
  assert_text(f->cache, "a", NULL);
  assert_text(f->cache, "b", NULL);
}

TAGS_TEST(value_that_keeps_the_lifetime_keeps_no_tags) {
  set_tagged(f->cache, "a", "1", "red");
  set_now(f, 50);
  const ct_entry_options keep = entry_with(.flags = CT_ENTRY_KEEP_TTL);
  assert_status(CT_OK, set_text_with(f->cache, "a", "2", &keep));
  tagged it;
  ct_entry_options options = *with_tags(&it, "blue");
  options.flags |= CT_ENTRY_KEEP_TTL;
  assert_status(CT_OK, set_text_with(f->cache, "b", "1", &options));
  assert_status(CT_OK, set_text_with(f->cache, "b", "2", &options));
  invalidate(f->cache, "red");
  assert_text(f->cache, "a", "2");
  assert_int_equal(100, info_of(f->cache, "a").deadline);
  assert_text(f->cache, "b", "2");
  invalidate(f->cache, "blue");
  assert_text(f->cache, "b", NULL);
}

/* The listener is told of the old number, so each sum has a block of its own. */
TAGS_TEST(counter_keeps_its_tags) {
  for (int large = 0; large < 2; large++) {
    char *key = calloc(1, kLarge);
    assert_non_null(key);
    const size_t size = large != 0 ? kLarge : 3;
    tagged it, other;
    int64_t sum = 0;
    assert_status(CT_OK, ct_add(f->cache, key, size, 1, 41, with_tags(&it, "red green"), &sum));
    assert_int_equal(42, sum);
    assert_status(CT_OK, ct_add(f->cache, key, size, 1, 0, with_tags(&other, "blue"), &sum));
    assert_status(CT_OK, ct_add(f->cache, key, size, 1, 0, NULL, &sum));
    assert_int_equal(44, sum);
    invalidate(f->cache, "blue");
    assert_status(CT_OK, ct_add(f->cache, key, size, 1, 0, NULL, &sum));
    assert_int_equal(45, sum);
    invalidate(f->cache, "green");
    assert_status(CT_OK, ct_add(f->cache, key, size, 1, 0, NULL, &sum));
    assert_int_equal(1, sum);
    invalidate(f->cache, "red");
    assert_status(CT_OK, ct_add(f->cache, key, size, 1, 0, NULL, &sum));
    assert_int_equal(2, sum);
    free(key);
  }
}

TEST(counter_in_its_place_keeps_its_tags) {
  ct_cache *cache = cache_of(.maxsize = 8);
  tagged it;
  int64_t sum = 0;
  assert_status(CT_OK, ct_add(cache, "a", 1, 1, 0, with_tags(&it, "red"), &sum));
  assert_status(CT_OK, ct_add(cache, "a", 1, 1, 0, NULL, &sum));
  assert_int_equal(2, sum);
  invalidate(cache, "red");
  assert_status(CT_OK, ct_add(cache, "a", 1, 1, 0, NULL, &sum));
  assert_int_equal(1, sum);
  ct_cache_free(cache);
}

TAGS_TEST(invalidated_value_is_not_the_one_that_was_seen) {
  ct_value seen = CT_VALUE_INIT;
  set_tagged(f->cache, "a", "1", "red");
  assert_status(CT_OK, ct_get(f->cache, "a", 1, &seen));
  const ct_entry_options same = entry_with(.flags = CT_ENTRY_IF_SAME, .same = &seen);
  invalidate(f->cache, "red");
  assert_status(CT_MISS, set_text_with(f->cache, "a", "2", &same));
  set_tagged(f->cache, "a", "1", "red");
  assert_status(CT_EXISTS, set_text_with(f->cache, "a", "2", &same));
  invalidate(f->cache, "red");
  assert_status(CT_MISS, ct_delete_if(f->cache, "a", 1, &seen));
  ct_value_release(&seen);
  assert_int_equal(0, ct_len(f->cache));
  assert_told(f, "REMOVED a=1, REMOVED a=1");
}

TAGS_TEST(copy_carries_tags_and_leaves_out_what_was_invalidated) {
  set_tagged(f->cache, "a", "1", "red");
  set_tagged(f->cache, "b", "2", "blue");
  set_tagged(f->cache, "c", "3", "green");
  invalidate(f->cache, "red");
  ct_cache *copy = NULL;
  assert_status(CT_OK, ct_cache_copy(f->cache, &copy));
  assert_told(f, "REMOVED a=1");
  assert_int_equal(2, ct_len(copy));
  invalidate(f->cache, "green");
  invalidate(copy, "blue");
  assert_text(f->cache, "b", "2");
  assert_text(f->cache, "c", NULL);
  assert_text(copy, "b", NULL);
  assert_text(copy, "c", "3");
  ct_cache_free(copy);
}

/* ---- Told of once ---------------------------------------------------------------------------- */

TAGS_TEST(expiry_neither_counts_nor_shows_what_was_invalidated) {
  set_tagged(f->cache, "a", "1", "red");
  set_tagged(f->cache, "b", "2", "blue");
  invalidate(f->cache, "red");
  fixture visited = {0};
  assert_int_equal(1, ct_expire(f->cache, 100, log_event, &visited));
  assert_string_equal("EXPIRED b=2", visited.log);
  assert_told(f, "REMOVED a=1, EXPIRED b=2");
}

TAGS_TEST(eviction_tells_of_an_invalidated_entry_as_removed) {
  set_tagged(f->cache, "a", "1", "red");
  for (char key[] = "b"; key[0] <= 'h'; key[0]++) set_text(f->cache, key, "2");
  ct_value pin = CT_VALUE_INIT;
  assert_status(CT_OK, ct_peek(f->cache, "a", 1, &pin));
  invalidate(f->cache, "red");
  set_text(f->cache, "i", "2");
  assert_told(f, "REMOVED a=1");
  set_text(f->cache, "j", "2");
  assert_told(f, "EVICTED b=2");
  ct_value_release(&pin);
}

/* ---- Writing sweeps ------------------------------------------------------------------------- */

TEST(writes_sweep_a_few_invalidated_entries_each) {
  enum { kEntries = 10000 };
  fixture f;
  open_fixture(&f, .maxsize = 2 * kEntries);
  for (uint64_t i = 0; i < kEntries; i++) {
    tagged it;
    assert_status(CT_OK, ct_set_with(f.cache, &i, sizeof(i), "1", 1, with_tags(&it, "red")));
  }
  invalidate(f.cache, "red");
  size_t writes = 0;
  for (size_t before = 0; f.told < kEntries; before = f.told) {
    set_text(f.cache, "a", "1");
    assert_true(f.told - before < 1000);
    if (++writes > kEntries) fail_msg("entries are left behind");
  }
  assert_in_range(writes, kEntries / 1000, kEntries);
  set_text(f.cache, "b", "1");
  assert_int_equal(2, ct_len(f.cache));
  fixture_close(&f);
}

TEST(million_entries_are_invalidated_beside_another_million) {
  enum { kEach = kSanitized ? 50000 : 1000000 };
  fixture f;
  open_fixture(&f, .maxsize = 2 * kEach, .shards = 4);
  tagged red, blue;
  with_tags(&red, "red");
  with_tags(&blue, "blue");
  for (uint64_t i = 0; i < 2 * kEach; i++) {
    const ct_entry_options *options = i % 2 == 0 ? &red.options : &blue.options;
    assert_true(ct_set_with(f.cache, &i, sizeof(i), "1", 1, options) == CT_OK);
  }
  assert_status(CT_OK, invalidate(f.cache, "red"));
  assert_int_equal(0, f.told);
  for (uint64_t i = 0; i < 2 * kEach; i++)
    assert_true(ct_contains(f.cache, &i, sizeof(i)) == (i % 2 != 0));
  assert_int_equal(kEach, ct_len(f.cache));
  assert_int_equal(kEach, f.told);
  assert_int_equal(kEach, ct_currsize(f.cache));
  ct_stats stats = stats_of(f.cache);
  assert_int_equal(kEach, stats.removals);
  assert_int_equal(0, stats.evictions);
  assert_int_equal(kEach, ct_len(f.cache));
  assert_int_equal(kEach, f.told);
  fixture_close(&f);
}

/* ---- Loads ---------------------------------------------------------------------------------- */

static void tag_red(plan *self, ct_result *result) {
  (void)self;
  ct_result_tag(result, "red", 3);
}

static void tag_and_invalidate(plan *self, ct_result *result) {
  ct_result_tag(result, "red", 3);
  if (self->calls <= (int)self->number) invalidate(self->f->cache, "red");
}

TAGS_TEST(loader_and_compute_give_tags) {
  const ask_fn asks[] = {load_text, compute_text};
  for (size_t i = 0; i < COUNT_OF(asks); i++) {
    plan plan = {.value = "1", .act = tag_red};
    assert_answers(asks[i], CT_OK, "1", f, "a", &plan);
    assert_text(f->cache, "a", "1");
    invalidate(f->cache, "red");
    assert_text(f->cache, "a", NULL);
  }
}

TAGS_TEST(load_that_began_before_the_invalidation_is_not_kept) {
  const ask_fn asks[] = {load_text, compute_text};
  const ct_status answers[] = {CT_OK, CT_NOT_STORED};
  for (int used = 0; used < 2; used++) {
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
      plan plan = {.value = "1", .act = tag_and_invalidate, .number = 1};
      assert_answers(asks[i], answers[i], "1", f, "a", &plan);
      assert_text_quietly(f->cache, "a", NULL);
      /* The next one begins after it. */
      assert_answers(asks[i], CT_OK, "1", f, "a", &plan);
      assert_int_equal(2, plan.calls);
      assert_text_quietly(f->cache, "a", "1");
      delete_text(f->cache, "a");
    }
    /* From now on the cache has known a tag. */
    set_tagged(f->cache, "b", "1", "blue");
  }
}

static void tag_blue_and_invalidate_red(plan *self, ct_result *result) {
  ct_result_tag(result, "blue", 4);
  invalidate(self->f->cache, "red");
}

TAGS_TEST(load_without_the_tag_is_kept) {
  set_tagged(f->cache, "b", "1", "red");
  plan plan = {.value = "1", .act = tag_blue_and_invalidate_red};
  assert_loads(f, "a", &plan, "1");
  assert_text(f->cache, "a", "1");
}

static void invalidate_only(plan *self, ct_result *result) {
  (void)result;
  invalidate(self->f->cache, "red");
}

TAGS_TEST(load_without_tags_is_kept) {
  plan plan = {.value = "1", .act = invalidate_only};
  assert_loads(f, "a", &plan, "1");
  assert_text(f->cache, "a", "1");
}

TAGS_TEST(lease_that_was_taken_before_the_invalidation_is_not_kept) {
  set_tagged(f->cache, "x", "1", "blue");
  for (int i = 0; i < 3; i++) {
    ct_lease *lease = lease_text(f, "a");
    if (i != 0) invalidate(f->cache, "red");
    /* Whether or not the tag is in use again by then. */
    if (i == 2) set_tagged(f->cache, "b", "2", "red");
    tagged it;
    const ct_entry_options *options = with_tags(&it, "red");
    assert_fulfils(i == 0 ? CT_OK : CT_NOT_STORED, lease, "1", options);
    assert_text_quietly(f->cache, "a", i == 0 ? "1" : NULL);
    delete_text(f->cache, "a");
  }
  assert_text(f->cache, "b", "2");
}

/* Until then, no load is counted. */
TEST(lease_from_before_the_first_tag_is_kept_with_no_tag_after_an_invalidation) {
  for (int i = 0; i < 2; i++) {
    fixture it;
    open_usual(&it);
    ct_lease *lease = lease_text(&it, "a");
    if (i != 0) invalidate(it.cache, "blue");
    tagged red;
    assert_fulfils(i == 0 ? CT_OK : CT_NOT_STORED, lease, "1", with_tags(&red, "red"));
    lease = lease_text(&it, "b");
    invalidate(it.cache, "blue");
    assert_fulfils(CT_OK, lease, "1", with_tags(&red, "red"));
    fixture_close(&it);
  }
}

/* Neither a lifetime that is over nor a weight that is too large comes first. */
TAGS_TEST(invalidation_comes_before_lifetime_and_weight) {
  const uint32_t kFlags[] = {CT_ENTRY_TTL, CT_ENTRY_WEIGHT};
  set_tagged(f->cache, "x", "1", "blue");
  for (size_t i = 0; i < COUNT_OF(kFlags); i++) {
    ct_lease *lease = lease_text(f, "a");
    invalidate(f->cache, "red");
    tagged it;
    ct_entry_options options = *with_tags(&it, "red");
    options.flags |= kFlags[i];
    if (i == 1) options.weight = 9;
    assert_fulfils(CT_NOT_STORED, lease, "1", &options);
  }
  assert_counted(f->cache, .misses = 2, .inserts = 1, .loads = 2);
}

/* Many leases begin and end between invalidations, none of them at the same time as the next but
 * one. */
TAGS_TEST(leases_that_overlap_know_what_was_invalidated_since_they_began) {
  set_tagged(f->cache, "x", "1", "blue");
  ct_lease *before = lease_text(f, "a");
  for (int i = 0; i < 100; i++) {
    char tag[8];
    snprintf(tag, sizeof(tag), "t%d", i);
    invalidate(f->cache, tag);
    ct_lease *lease = lease_text(f, i % 2 == 0 ? "b" : "a");
    tagged it;
    assert_fulfils(CT_NOT_STORED, before, "1", with_tags(&it, tag));
    before = lease;
    tagged none;
    ct_lease *third = lease_text(f, "c");
    assert_fulfils(CT_OK, third, "1", with_tags(&none, tag));
    assert_text(f->cache, "c", "1");
    delete_text(f->cache, "c");
  }
  ct_lease_abandon(before);
}

TAGS_TEST(renewal_by_an_invalidated_tag_leaves_the_old_value_and_is_not_kept) {
  set_tagged(f->cache, "a", "1", "blue");
  ct_load_options force = CT_LOAD_OPTIONS_INIT;
  force.flags = CT_LOAD_FORCE;
  plan plan = {.f = f, .value = "2", .act = tag_and_invalidate, .number = 1};
  ct_value out = CT_VALUE_INIT;
  assert_status(CT_OK, ct_get_or_load_with(f->cache, "a", 1, load, &plan, &force, &out));
  assert_value("2", out);
  ct_value_release(&out);
  assert_text(f->cache, "a", "1");
  assert_told(f, "");
}

/* ---- Renewals ------------------------------------------------------------------------------- */

static void not_modified(plan *self, ct_result *result) {
  if (self->number == 1) invalidate(self->f->cache, "red");
  if (self->number == 2) ct_result_tag(result, "blue", 4);
  ct_result_not_modified(result);
}

STALE_TEST(value_that_is_not_modified_keeps_its_tags) {
  set_tagged(f->cache, "a", "1", "red");
  set_now(f, 120);
  plan plan = {.act = not_modified, .number = 2};
  assert_loads(f, "a", &plan, "1");
  assert_text(f->cache, "a", "1");
  invalidate(f->cache, "blue");
  assert_text(f->cache, "a", "1");
  invalidate(f->cache, "red");
  assert_text(f->cache, "a", NULL);
}

STALE_TEST(value_invalidated_during_its_renewal_cannot_be_kept_as_not_modified) {
  set_tagged(f->cache, "a", "1", "red");
  set_now(f, 120);
  plan plan = {.act = not_modified, .number = 1};
  assert_loads(f, "a", &plan, "1");
  assert_text(f->cache, "a", NULL);
  assert_int_equal(0, ct_len(f->cache));
  assert_told(f, "REMOVED a=1");
}

/* A cache without drop stores the value anew. */
FIXTURE_TEST(value_that_left_during_its_renewal_comes_back_with_its_tags,
             open_fixture(f, .maxsize = 2, .ttl = 100, .stale = 50, .retry = 10)) {
  for (int invalidated = 0; invalidated < 2; invalidated++) {
    set_now(f, 0);
    set_tagged(f->cache, "a", "1", "red");
    set_now(f, 120);
    ct_value old = CT_VALUE_INIT;
    ct_lease *lease = NULL;
    assert_status(CT_RENEW, ct_get_or_lease(f->cache, "a", 1, 0, &old, &lease));
    ct_value_release(&old);
    set_text(f->cache, "b", "2");
    set_text(f->cache, "c", "3");
    assert_text_quietly(f->cache, "c", "3");
    if (invalidated != 0) invalidate(f->cache, "red");
    assert_status(invalidated != 0 ? CT_NOT_STORED : CT_OK, ct_lease_keep(lease, NULL));
    assert_text(f->cache, "a", invalidated != 0 ? NULL : "1");
    invalidate(f->cache, "red");
    assert_text(f->cache, "a", NULL);
    ct_clear(f->cache);
  }
}

STALE_TEST(failed_renewal_serves_nothing_that_was_invalidated_meanwhile) {
  set_tagged(f->cache, "a", "1", "red");
  set_now(f, 120);
  plan plan = {.answer = CT_ERR_IO, .act = invalidate_only};
  assert_answers(load_text, CT_ERR_IO, NULL, f, "a", &plan);
  assert_text(f->cache, "a", NULL);
}

STALE_TEST(renewal_of_an_invalidated_value_is_an_insert) {
  set_tagged(f->cache, "a", "1", "red");
  set_now(f, 120);
  ct_value old = CT_VALUE_INIT;
  ct_lease *lease = NULL;
  assert_status(CT_RENEW, ct_get_or_lease(f->cache, "a", 1, 0, &old, &lease));
  ct_value_release(&old);
  invalidate(f->cache, "red");
  assert_fulfils(CT_OK, lease, "2", NULL);
  assert_told(f, "REMOVED a=1");
  assert_text(f->cache, "a", "2");
  assert_counted(f->cache, .hits = 2, .inserts = 2, .removals = 1, .loads = 1, .stale_served = 1,
                 .renewals = 1);
}

TAGS_TEST(lease_is_not_kept_with_other_tags) {
  set_tagged(f->cache, "a", "1", "red");
  tagged it;
  ct_lease *lease = lease_text(f, "b");
  assert_status(CT_ERR_INVALID, ct_lease_keep(lease, with_tags(&it, "blue")));
}

/* ---- Callers that wait without a thread ------------------------------------------------------ */

static void note_done(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  plan *self = user_data;
  self->calls++;
  self->answer = status;
  if (value != NULL) self->number = value->size;
  ct_lease_abandon(lease);
}

/* It may have come after the invalidation. */
TAGS_TEST(caller_that_waits_for_an_outdated_load_starts_anew) {
  set_tagged(f->cache, "x", "1", "blue");
  for (int outdated = 0; outdated < 2; outdated++) {
    ct_lease *lease = lease_text(f, "a"), *none = NULL;
    if (outdated != 0) invalidate(f->cache, "red");
    plan waits = {0};
    assert_status(CT_PENDING, ct_get_or_lease_async(f->cache, "a", 1, NULL, note_done, &waits, NULL,
                                                    &none, NULL));
    tagged it;
    assert_fulfils(outdated != 0 ? CT_NOT_STORED : CT_OK, lease, "1", with_tags(&it, "red"));
    assert_int_equal(1, waits.calls);
    assert_status(outdated != 0 ? CT_LEASED : CT_OK, waits.answer);
    assert_text(f->cache, "a", outdated != 0 ? NULL : "1");
    delete_text(f->cache, "a");
  }
}

static ct_status load_both(void *user_data, const ct_bytes *keys, size_t count,
                           ct_result *const *results) {
  (void)keys;
  for (size_t i = 0; i < count; i++) {
    ct_result_tag(results[i], i == 0 ? "red" : "blue", i == 0 ? 3 : 4);
    ct_result_set(results[i], "1", 1);
  }
  invalidate(user_data, "red");
  return CT_OK;
}

TAGS_TEST(each_key_of_a_bulk_load_has_its_tags) {
  set_tagged(f->cache, "x", "1", "blue");
  const size_t ends[] = {1, 2};
  ct_status statuses[2];
  assert_status(CT_OK, ct_get_or_load_many(f->cache, "ab", ends, 2, load_both, f->cache, NULL, NULL,
                                           statuses));
  assert_status(CT_OK, statuses[0]);
  assert_status(CT_OK, statuses[1]);
  assert_text(f->cache, "a", NULL);
  assert_text(f->cache, "b", "1");
  invalidate(f->cache, "blue");
  assert_text(f->cache, "b", NULL);
}

/* ---- Memos ---------------------------------------------------------------------------------- */

typedef struct memo_scene {
  ct_cache *cache;
  bool invalidates;
} memo_scene;

static ct_status answer_tagged(void *user_data, void *self, const void *args, ct_result *result) {
  (void)self, (void)args;
  memo_scene *scene = user_data;
  ct_result_tag(result, "red", 3);
  if (scene->invalidates) invalidate(scene->cache, "red");
  return ct_result_set(result, "1", 1);
}
static ct_status key_of_args(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  ct_key_int(key, *(const int *)args);
  return CT_OK;
}

TEST(memo_keeps_no_result_of_a_call_before_the_invalidation) {
  for (uint32_t i = 0; i < 4; i++) {
    memo_scene scene = {.cache = cache_of(.maxsize = 8)};
    if ((i & 2) != 0) set_tagged(scene.cache, "x", "1", "blue");
    ct_memo_options options = CT_MEMO_OPTIONS_INIT;
    options.fn = answer_tagged;
    options.key = key_of_args;
    options.user_data = &scene;
    options.cache = scene.cache;
    if ((i & 1) != 0) options.flags = CT_MEMO_RACE;
    ct_memo *memo = NULL;
    assert_status(CT_OK, ct_memo_new(&options, &memo));
    const uint64_t before = ct_len(scene.cache);
    const int arg = 1;
    ct_value out = CT_VALUE_INIT;
    for (int call = 0; call < 2; call++) {
      scene.invalidates = call == 0;
      assert_status(CT_OK, ct_memo_call(memo, NULL, &arg, &out));
      assert_value("1", out);
      ct_value_release(&out);
      assert_int_equal(before + (uint64_t)call, ct_len(scene.cache));
    }
    invalidate(scene.cache, "red");
    assert_int_equal(before, ct_len(scene.cache));
    ct_memo_free(memo);
    ct_cache_free(scene.cache);
  }
}

/* ---- Snapshots ------------------------------------------------------------------------------ */

TAGS_TEST(snapshot_carries_tags) {
  char *large = calloc(1, 70000);
  assert_non_null(large);
  const ct_bytes huge[] = {{large, 70000}, {NULL, 0}};
  ct_entry_options options = entry_with(.flags = CT_ENTRY_TAGS, .tags = huge, .tag_count = 2);
  set_tagged(f->cache, "a", "1", "red");
  set_tagged(f->cache, "b", "2", "1 2 3 4 5 6 7 red");
  set_text(f->cache, "c", "3");
  assert_status(CT_OK, set_text_with(f->cache, "d", "4", &options));
  set_tagged(f->cache, "e", "5", "gone");
  invalidate(f->cache, "gone");
  tape t = {0};
  assert_status(CT_OK, save_tape(f->cache, &t));
  const char *const tags[] = {"red", "7", "gone"};
  const char *const left[][4] = {
      {NULL, NULL, "3", "4"}, {"1", NULL, "3", "4"}, {"1", "2", "3", "4"}};
  for (size_t i = 0; i < COUNT_OF(tags); i++) {
    fixture other;
    open_usual(&other);
    assert_status(CT_OK, load_tape(other.cache, &t));
    assert_int_equal(4, ct_len(other.cache));
    invalidate(other.cache, tags[i]);
    for (int j = 0; j < 4; j++) {
      const char key[] = {(char)('a' + j), 0};
      assert_text(other.cache, key, left[i][j]);
    }
    ct_invalidate_tag(other.cache, i == 0 ? large : NULL, i == 0 ? 70000 : 0, 0);
    assert_text(other.cache, "d", NULL);
    fixture_close(&other);
  }
  tape_free(&t);
  free(large);
}

TAGS_TEST(snapshot_of_a_cache_without_tags_is_what_it_was) {
  set_text(f->cache, "a", "1");
  tape t = {0};
  assert_status(CT_OK, save_tape(f->cache, &t));
  assert_memory_equal(kSnapshotPrefix, t.bytes, kPrefix);
  tape_free(&t);
  invalidate(f->cache, "red");
  t = (tape){0};
  assert_status(CT_OK, save_tape(f->cache, &t));
  assert_memory_equal(kSnapshotPrefix, t.bytes, kPrefix);
  tape_free(&t);
}

/* Everything that an entry may have, beside tags. */
static ct_cache *open_golden(fixture *f) {
  open_fixture(f, .policy = CT_POLICY_LFU, .maxsize = 1000, .ttl = 100, .tti = 70);
  tagged it;
  set_text(f->cache, "plain", "no tag");
  set_tagged(f->cache, "one", "tag", "red");
  set_tagged(f->cache, "eight", "tags", "1 2 3 4 5 6 7 red");
  const ct_bytes empty = {NULL, 0};
  ct_entry_options options = entry_with(.flags = CT_ENTRY_TAGS, .tags = &empty, .tag_count = 1);
  set_text_with(f->cache, "empty", "tag", &options);
  options = *with_tags(&it, "blue");
  options.flags |= CT_ENTRY_TTL | CT_ENTRY_WEIGHT;
  options.ttl = 60;
  options.weight = 7;
  set_text_with(f->cache, "heavy", "and mortal", &options);
  set_tagged(f->cache, "gone", "invalidated", "green");
  invalidate(f->cache, "green");
  assert_int_equal(5, ct_len(f->cache));
  set_now(f, 10);
  use_text(f->cache, "one");
  return f->cache;
}

static const char kGolden[] =
    "weighing 0, flags 5\n"
    "shard\n"
    "rank 0: 6b9653d41b66c850\n"
    "rank 0: b1f9b0b9f6c49c6f\n"
    "rank 0: 8f8952eab4c14116\n"
    "rank 0: 82547fe87d41c918\n"
    "rank 0: 911faba7321fe1a0\n"
    "eight ="
    " tags, count 1, weight 0, ttl 90, idle 60, tag \"1\", tag \"2\", tag \"3\", tag \"4\", tag "
    "\"5\", tag \"6\", tag \"7\", tag \"red\"\n"
    "empty = tag, count 1, weight 0, ttl 90, idle 60, tag \"\"\n"
    "heavy = and mortal, count 1, weight 7, ttl 50, idle 60, tag \"blue\"\n"
    "one = tag, count 2, weight 0, ttl 90, idle 70, tag \"red\"\n"
    "plain = no tag, count 1, weight 0, ttl 90, idle 60\n";

/* A snapshot that is written today says the same as the recorded one of version 3. */
TEST(format_is_the_recorded_one) {
  char text[4096];
  fixture f;
  tape t = {0};
  assert_status(CT_OK, save_tape(open_golden(&f), &t));
  assert_memory_equal(kTaggedPrefix, t.bytes, kPrefix);
  record_snapshot(&t);
  describe_snapshot(&t, text, sizeof(text));
  assert_string_equal(kGolden, text);
  tape_free(&t);
  fixture_close(&f);
  t = read_recorded("tagged.ctsnap");
  describe_snapshot(&t, text, sizeof(text));
  assert_string_equal(kGolden, text);
  tape_free(&t);
}

TEST(recorded_snapshot_can_be_loaded) {
  const char *const keys[] = {"plain", "one", "eight", "empty", "heavy"};
  fixture f, g;
  ct_cache *expected = open_golden(&f);
  open_fixture(&g, .policy = CT_POLICY_LFU, .maxsize = 1000, .ttl = 100, .tti = 70);
  set_now(&g, 10);
  tape t = read_recorded("tagged.ctsnap");
  assert_status(CT_OK, load_tape(g.cache, &t));
  assert_int_equal(COUNT_OF(keys), ct_len(g.cache));
  for (size_t i = 0; i < COUNT_OF(keys); i++) {
    const ct_entry_info here = info_of(expected, keys[i]), there = info_of(g.cache, keys[i]);
    assert_int_equal(here.deadline, there.deadline);
    assert_int_equal(here.frequency, there.frequency);
    assert_int_equal(here.weight, there.weight);
  }
  const char *const tags[] = {"green", "red", "", "blue"};
  const uint64_t left[] = {5, 3, 2, 1};
  for (size_t i = 0; i < COUNT_OF(tags); i++) {
    invalidate(g.cache, tags[i]);
    assert_int_equal(left[i], ct_len(g.cache));
  }
  assert_text(g.cache, "plain", "no tag");
  tape_free(&t);
  fixture_close(&f);
  fixture_close(&g);
}

TEST(recorded_snapshot_altered_or_truncated_is_corrupt) {
  ct_cache *cache = cache_of(.maxsize = 10);
  assert_altered_is_corrupt(cache, "tagged.ctsnap");
  ct_cache_free(cache);
}

/* A snapshot's entry is no load that began before: it comes with the tags as they are now. */
TAGS_TEST(snapshot_brings_back_what_was_invalidated_after_it) {
  set_tagged(f->cache, "a", "1", "red");
  tape t = {0};
  assert_status(CT_OK, save_tape(f->cache, &t));
  invalidate(f->cache, "red");
  assert_text(f->cache, "a", NULL);
  assert_status(CT_OK, load_tape(f->cache, &t));
  assert_text(f->cache, "a", "1");
  tape_free(&t);
}

/* ---- Weight, memory ------------------------------------------------------------------------- */

TEST(each_tag_weighs_8_bytes) {
  ct_cache *cache = cache_of(.maxsize = 1000000, .weight_kind = CT_WEIGHT_MEMORY);
  uint64_t weights[3];
  const char *const tags[] = {"", "red", "1 2 3 4 5 6 7 8"};
  for (size_t i = 0; i < COUNT_OF(tags); i++) {
    set_tagged(cache, "a", "12345678", tags[i]);
    weights[i] = ct_currsize(cache);
    assert_status(CT_OK, ct_set_lifetime(cache, "a", 1, CT_NEVER));
  }
  /* The store keeps a part of each block free. */
  assert_in_range(weights[1] - weights[0], 8, 10);
  assert_in_range(weights[2] - weights[0], 64, 72);
  ct_cache_free(cache);
}

TEST(tags_that_are_gone_leave_their_memory_to_others) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_cache *cache = cache_of(.maxsize = 100, .allocator = &allocator.hooks);
  set_text(cache, "a", "1");
  invalidate(cache, "red");
  const int64_t before = allocator.blocks;
  invalidate(cache, "red");
  assert_int_equal(before, allocator.blocks);
  int64_t most = 0;
  for (int i = 0; i < 20000; i++) {
    char tag[16];
    snprintf(tag, sizeof(tag), "tag %d", i);
    const ct_bytes tags = {tag, strlen(tag)};
    const ct_entry_options options =
        entry_with(.flags = CT_ENTRY_TAGS, .tags = &tags, .tag_count = 1);
    const char key[] = {(char)(i % 90), 0};
    assert_status(CT_OK, ct_set_with(cache, key, 1, "1", 1, &options));
    if (i % 3 == 0) ct_invalidate_tag(cache, tags.data, tags.size, 0);
    if (i == 1000) most = allocator.bytes;
  }
  assert_true(allocator.bytes <= most + most / 8);
  ct_cache_free(cache);
  assert_int_equal(0, allocator.blocks);
}

TEST(pinned_value_outlives_tag_and_cache) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  for (int i = 0; i < 2; i++) {
    ct_cache *cache = cache_of(.maxsize = 100, .allocator = &allocator.hooks);
    set_tagged(cache, "a", "1", "red blue");
    ct_value value = CT_VALUE_INIT;
    assert_status(CT_OK, ct_get(cache, "a", 1, &value));
    if (i == 0) {
      invalidate(cache, "red");
      assert_int_equal(0, ct_len(cache));
      set_tagged(cache, "b", "1", "red");
      assert_text(cache, "b", "1");
    }
    ct_cache_free(cache);
    assert_value("1", value);
    ct_value_release(&value);
    assert_int_equal(0, allocator.blocks);
  }
}

/* ---- Want of memory ------------------------------------------------------------------------- */

TEST(store_with_tags_fails_as_a_whole) {
  for (int kind = 0; kind < 4; kind++) {
    bool failed = true;
    for (int64_t at = 0; failed; at++) {
      test_allocator allocator;
      test_allocator_init(&allocator);
      ct_cache *cache = cache_of(.maxsize = 100, .allocator = &allocator.hooks);
      set_text(cache, "x", "1");
      if (kind == 1) set_tagged(cache, "y", "1", "1 2");
      allocator.calls = 0;
      allocator.fail_at = at;
      allocator.fail_on = kind == 2;
      const ct_status status = set_tagged(cache, "a", "1", "1 2 3 4 5 6 7 8");
      failed = allocator.failed != 0;
      allocator.fail_at = -1;
      allocator.fail_on = false;
      assert_status(failed ? CT_ERR_NOMEM : CT_OK, status);
      assert_text(cache, "a", failed ? NULL : "1");
      assert_text(cache, "x", "1");
      assert_status(CT_OK, set_tagged(cache, "a", "2", "1 9"));
      invalidate(cache, "9");
      assert_text(cache, "a", NULL);
      ct_cache_free(cache);
      assert_int_equal(0, allocator.blocks);
      assert_true(at < 100);
    }
  }
}

static ct_status load_tagged(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)key, (void)key_size;
  test_allocator *allocator = user_data;
  if (allocator != NULL) allocator->calls = 0;
  for (int i = 0; i < 8; i++) ct_result_tag(result, &"0123456789"[i], 2);
  ct_result_set(result, "1", 1);
  return CT_OK;
}

TEST(load_with_tags_fails_as_a_whole) {
  bool failed = true;
  for (int64_t at = 0; failed; at++) {
    test_allocator allocator;
    test_allocator_init(&allocator);
    ct_cache *cache = cache_of(.maxsize = 100, .allocator = &allocator.hooks);
    allocator.fail_at = at;
    const ct_status status = ct_get_or_load(cache, "a", 1, load_tagged, &allocator, NULL);
    failed = allocator.failed != 0;
    allocator.fail_at = -1;
    assert_status(failed ? CT_ERR_NOMEM : CT_OK, status);
    assert_text(cache, "a", failed ? NULL : "1");
    ct_cache_free(cache);
    assert_int_equal(0, allocator.blocks);
    assert_true(at < 100);
  }
}

/* Without memory to remember it, no tagged value of a load that runs is kept, and none of a later
 * one is lost. */
TEST(invalidation_needs_no_memory) {
  for (int64_t at = 0; at < 4; at++) {
    test_allocator allocator;
    test_allocator_init(&allocator);
    fixture f;
    open_fixture(&f, .maxsize = 100, .allocator = &allocator.hooks);
    set_tagged(f.cache, "a", "1", "red");
    set_tagged(f.cache, "x", "1", "blue");
    ct_lease *lease = lease_text(&f, "b");
    allocator.calls = 0;
    allocator.fail_at = at;
    allocator.fail_on = true;
    assert_status(CT_OK, invalidate(f.cache, "red"));
    assert_status(CT_OK, invalidate(f.cache, "green"));
    allocator.fail_at = -1;
    allocator.fail_on = false;
    assert_text(f.cache, "a", NULL);
    assert_text(f.cache, "x", "1");
    tagged it;
    assert_fulfils(CT_NOT_STORED, lease, "1", with_tags(&it, at % 2 == 0 ? "red" : "green"));
    assert_text(f.cache, "b", NULL);
    lease = lease_text(&f, "b");
    assert_fulfils(CT_OK, lease, "1", with_tags(&it, "red green"));
    assert_text(f.cache, "b", "1");
    fixture_close(&f);
    assert_int_equal(0, allocator.blocks);
  }
}

TEST(snapshot_with_tags_is_saved_and_loaded_as_a_whole_or_fails) {
  test_allocator source;
  test_allocator_init(&source);
  ct_cache *cache = cache_of(.maxsize = 100, .allocator = &source.hooks);
  for (char key[] = "a"; key[0] <= 'z'; key[0]++) set_tagged(cache, key, "1", "1 2 3");
  bool failed = true;
  for (int64_t at = 0; failed; at++) {
    tape t = {0};
    source.calls = source.failed = 0;
    source.fail_at = at;
    const ct_status status = save_tape(cache, &t);
    assert_status(source.failed != 0 ? CT_ERR_NOMEM : CT_OK, status);
    failed = source.failed != 0;
    source.fail_at = -1;
    tape_free(&t);
  }
  tape t = {0};
  assert_status(CT_OK, save_tape(cache, &t));
  failed = true;
  for (int64_t at = 0; failed; at++) {
    test_allocator allocator;
    test_allocator_init(&allocator);
    ct_cache *other = cache_of(.maxsize = 100, .allocator = &allocator.hooks);
    allocator.calls = 0;
    allocator.fail_at = at;
    const ct_status status = load_tape(other, &t);
    failed = allocator.failed != 0;
    allocator.fail_at = -1;
    /* Not every allocation is needed. */
    if (status != CT_OK) assert_status(CT_ERR_NOMEM, status);
    if (!failed) assert_status(CT_OK, status);
    assert_int_equal(status == CT_OK ? 26 : 0, ct_len(other));
    ct_cache_free(other);
    assert_int_equal(0, allocator.blocks);
  }
  tape_free(&t);
  ct_cache_free(cache);
}

/* ---- Bad input ------------------------------------------------------------------------------ */

TAGS_TEST(arguments_that_are_not_allowed_are_refused) {
  const void *nowhere = unreadable();
  assert_status(CT_ERR_INVALID, ct_invalidate_tag(NULL, "red", 3, 0));
  assert_status(CT_ERR_INVALID, ct_invalidate_tag(f->cache, NULL, 3, 0));
  assert_status(CT_ERR_INVALID, ct_invalidate_tag(f->cache, "red", 3, 1));
  assert_status(CT_ERR_INVALID, ct_invalidate_tag(f->cache, "red", 3, 0x80000000u));
  if (kTooLong != 0)
    assert_status(CT_ERR_TOO_LARGE, ct_invalidate_tag(f->cache, nowhere, kTooLong, 0));
  tagged it;
  ct_entry_options bad[7];
  for (size_t i = 0; i < COUNT_OF(bad); i++) bad[i] = *with_tags(&it, "1 2 3 4 5 6 7 8 9");
  const ct_bytes null = {NULL, 1}, too_long = {nowhere, kTooLong};
  bad[1].tag_count = SIZE_MAX;
  bad[2].flags = 0;
  bad[3].flags = bad[3].tag_count = 0;
  bad[4].tags = NULL;
  bad[4].tag_count = 1;
  bad[5].tags = &null;
  bad[5].tag_count = 1;
  bad[6].tags = kTooLong != 0 ? &too_long : &null;
  bad[6].tag_count = 1;
  const size_t ends[] = {1, 2};
  for (size_t i = 0; i < COUNT_OF(bad); i++) {
    assert_status(CT_ERR_INVALID, set_text_with(f->cache, "a", "1", &bad[i]));
    assert_status(CT_ERR_INVALID, ct_set_many(f->cache, "a1", ends, 1, &bad[i], NULL));
    ct_lease *lease = lease_text(f, "a");
    assert_status(CT_ERR_INVALID, ct_lease_fulfil(lease, "1", 1, &bad[i], NULL));
  }
  assert_int_equal(0, ct_len(f->cache));
  ct_entry_options none = entry_with(.flags = CT_ENTRY_TAGS);
  assert_status(CT_OK, set_text_with(f->cache, "a", "1", &none));
  assert_text(f->cache, "a", "1");
}

static void tag_nine_times(plan *self, ct_result *result) {
  static const char kDigits[] = "123456789";
  for (uint64_t i = 0; i < self->number; i++) ct_result_tag(result, kDigits + i % 9, 1);
}
static void tag_null(plan *self, ct_result *result) {
  ct_result_tag(result, NULL, self->number);
}
static void tag_twice_as_often(plan *self, ct_result *result) {
  (void)self;
  for (int i = 0; i < 16; i++) ct_result_tag(result, &"12345678"[i % 8], 1);
}

TAGS_TEST(tag_that_a_result_may_not_have_fails_the_call) {
  const ask_fn asks[] = {load_text, compute_text};
  for (size_t i = 0; i < COUNT_OF(asks); i++) {
    plan nine = {.value = "1", .act = tag_nine_times, .number = 9};
    assert_answers(asks[i], CT_ERR_INVALID, NULL, f, "a", &nine);
    plan null = {.value = "1", .act = tag_null, .number = 1};
    assert_answers(asks[i], CT_ERR_INVALID, NULL, f, "a", &null);
    plan fails = {.answer = CT_MISS, .act = tag_null, .number = 1};
    assert_answers(asks[i], CT_MISS, NULL, f, "a", &fails);
    if (kTooLong != 0) {
      plan too_long = {.value = "1", .act = tag_null, .number = kTooLong};
      assert_answers(asks[i], CT_ERR_TOO_LARGE, NULL, f, "a", &too_long);
    }
    plan often = {.value = "1", .act = tag_twice_as_often};
    assert_answers(asks[i], CT_OK, "1", f, "a", &often);
    invalidate(f->cache, "8");
    assert_text(f->cache, "a", NULL);
    plan empty = {.value = "1", .act = tag_null, .number = 0};
    assert_answers(asks[i], CT_OK, "1", f, "a", &empty);
    ct_invalidate_tag(f->cache, NULL, 0, 0);
    assert_text(f->cache, "a", NULL);
  }
  ct_result_tag(NULL, "red", 3);
}

/* Restoring evicts nothing, but what is gone is no entry. */
TEST(restoring_takes_the_room_of_invalidated_entries) {
  fixture f;
  open_usual(&f);
  set_text(f.cache, "a", "1");
  set_text(f.cache, "b", "2");
  tape t = {0};
  assert_status(CT_OK, save_tape(f.cache, &t));
  fixture_close(&f);
  open_fixture(&f, .maxsize = 2);
  set_tagged(f.cache, "c", "3", "red");
  set_tagged(f.cache, "d", "4", "red");
  invalidate(f.cache, "red");
  assert_status(CT_OK, load_tape(f.cache, &t));
  assert_text(f.cache, "a", "1");
  assert_text(f.cache, "b", "2");
  assert_int_equal(2, f.told);
  fixture_close(&f);
  tape_free(&t);
}

/* It is as if the invalidation had come right after the store. */
static void invalidate_own_tag(plan *self, ct_result *result) {
  ct_result_tag(result, "red", 3);
  invalidate(self->f->cache, "red");
}

TAGS_TEST(outdated_compute_leaves_nothing) {
  set_tagged(f->cache, "x", "0", "red");
  set_text(f->cache, "a", "1");
  plan outdated = {.value = "2", .act = invalidate_own_tag};
  assert_computes(CT_NOT_STORED, "2", f, "a", &outdated);
  assert_text_quietly(f->cache, "a", NULL);
}
