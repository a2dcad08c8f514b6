/* SPDX-License-Identifier: MIT */
/* Loading many keys by one call of the loader, as one thread sees it. */
#include "plan.h"

enum { kKeys = 8, kMany = 5000 };

/* A loader of many keys: what it is to do, and what it saw. The value of a key is the key in
 * capitals; there is none of "none", and "fail" fails alone. */
typedef struct bulk {
  fixture *f;
  int calls;
  char asked[256]; /* "a b, c": keys of two calls */
  ct_status answer;
  void (*act)(struct bulk *self, const ct_bytes *keys, size_t count, ct_result *const *results);
  ct_status seen; /* by act */
} bulk;

static ct_status load_all(void *user_data, const ct_bytes *keys, size_t count,
                          ct_result *const *results) {
  bulk *self = user_data;
  if (self->calls++ > 0) strcat(self->asked, ",");
  for (size_t i = 0; i < count; i++) {
    const size_t used = strlen(self->asked);
    snprintf(self->asked + used, sizeof(self->asked) - used, "%s%.*s", used == 0 ? "" : " ",
             (int)keys[i].size, (const char *)keys[i].data);
    char value[16] = {0};
    for (size_t c = 0; c < keys[i].size && c < sizeof(value); c++)
      value[c] = (char)(((const char *)keys[i].data)[c] - 'a' + 'A');
    if (strcmp(value, "FAIL") == 0)
      ct_result_fail(results[i], CT_ERR_IO);
    else if (strcmp(value, "NONE") != 0)
      ct_result_set(results[i], value, keys[i].size);
  }
  if (self->act != NULL) self->act(self, keys, count, results);
  return self->answer;
}

typedef struct answers {
  ct_status status; /* of the call */
  size_t count;
  ct_value values[kKeys];
  ct_status statuses[kKeys];
} answers;

/* Asks for keys that a text names: "a b c". */
static answers ask_with(fixture *f, const char *keys, bulk *self, const ct_load_options *how) {
  answers a = {0};
  char bytes[256];
  size_t ends[kKeys], end = 0;
  self->f = f;
  while (*keys != '\0') {
    const size_t size = strcspn(keys, " ");
    memcpy(bytes + end, keys, size);
    ends[a.count] = end += size;
    a.values[a.count] = poisoned_value();
    a.statuses[a.count++] = CT_ERR_INTERNAL;
    keys += size + (keys[size] == ' ');
  }
  a.status = ct_get_or_load_many(f->cache, bytes, ends, a.count, load_all, self, how, a.values,
                                 a.statuses);
  return a;
}

static answers ask(fixture *f, const char *keys, bulk *self) {
  return ask_with(f, keys, self, NULL);
}

/* Asserts the statuses and values: "CT_OK A, CT_MISS". Releases the values. */
static void assert_are(const char *expected, answers *a) {
  char text[512] = "";
  assert_status(CT_OK, a->status);
  for (size_t i = 0; i < a->count; i++) {
    const size_t used = strlen(text);
    snprintf(text + used, sizeof(text) - used, "%s%s%s%.*s", i == 0 ? "" : ", ",
             ct_status_name(a->statuses[i]), a->values[i].data == NULL ? "" : " ",
             (int)a->values[i].size,
             a->values[i].data == NULL ? "" : (const char *)a->values[i].data);
    ct_value_release(&a->values[i]);
  }
  assert_string_equal(expected, text);
}

#define MANY_TEST(name) FIXTURE_TEST(name, open_lru(f, kKeys))

/* ---- One call ------------------------------------------------------------------------------- */

MANY_TEST(absent_keys_are_loaded_by_one_call) {
  bulk self = {0};
  set_text(f->cache, "b", "there");
  answers a = ask(f, "a b c", &self);
  assert_are("CT_OK A, CT_OK there, CT_OK C", &a);
  assert_string_equal("a c", self.asked);
  assert_int_equal(1, self.calls);
  assert_text_quietly(f->cache, "a", "A");
  assert_counted(f->cache, .hits = 1, .misses = 2, .inserts = 3, .loads = 2);
  a = ask(f, "a b c", &self);
  assert_are("CT_OK A, CT_OK there, CT_OK C", &a);
  assert_int_equal(1, self.calls);
}

MANY_TEST(no_keys_need_no_call) {
  bulk self = {0};
  answers a = ask(f, "", &self);
  assert_are("", &a);
  assert_status(CT_OK,
                ct_get_or_load_many(f->cache, NULL, NULL, 0, load_all, &self, NULL, NULL, NULL));
  assert_int_equal(0, self.calls);
}

MANY_TEST(key_that_is_there_twice_is_asked_for_once) {
  bulk self = {0};
  answers a = ask(f, "a b a a none b none", &self);
  assert_are("CT_OK A, CT_OK B, CT_OK A, CT_OK A, CT_MISS, CT_OK B, CT_MISS", &a);
  assert_string_equal("a b none", self.asked);
  assert_counted(f->cache, .misses = 3, .inserts = 2, .loads = 2, .load_failures = 1);
}

MANY_TEST(each_key_may_fail_alone) {
  bulk self = {0};
  answers a = ask(f, "a fail none b", &self);
  assert_are("CT_OK A, CT_ERR_IO, CT_MISS, CT_OK B", &a);
  assert_false(ct_contains(f->cache, "fail", 4) || ct_contains(f->cache, "none", 4));
  assert_counted(f->cache, .misses = 4, .inserts = 2, .loads = 2, .load_failures = 2);
}

MANY_TEST(loader_that_fails_fails_every_key_that_it_was_asked_for) {
  const ct_status failures[] = {CT_ERR_IO, CT_MISS, CT_BUSY, (ct_status)-1000, CT_EXISTS};
  const char *const expected[] = {"CT_OK there, CT_ERR_IO, CT_ERR_IO",
                                  "CT_OK there, CT_MISS, CT_MISS", "CT_OK there, CT_BUSY, CT_BUSY",
                                  NULL, "CT_OK there, CT_ERR_CALLBACK, CT_ERR_CALLBACK"};
  set_text(f->cache, "b", "there");
  for (size_t i = 0; i < COUNT_OF(failures); i++) {
    bulk self = {.answer = failures[i]};
    answers a = ask(f, "b a c", &self);
    assert_int_equal(1, self.calls);
    if (expected[i] != NULL) {
      assert_are(expected[i], &a);
    } else {
      assert_int_equal(-1000, a.statuses[1]);
      assert_int_equal(-1000, a.statuses[2]);
      ct_value_release(&a.values[0]);
    }
    assert_int_equal(1, ct_len(f->cache));
  }
}

MANY_TEST(values_need_not_be_wanted) {
  bulk self = {0};
  const size_t ends[] = {1, 2, 3};
  ct_status statuses[3];
  assert_status(
      CT_OK, ct_get_or_load_many(f->cache, "aba", ends, 3, load_all, &self, NULL, NULL, statuses));
  for (int i = 0; i < 3; i++) assert_status(CT_OK, statuses[i]);
  assert_int_equal(2, ct_len(f->cache));
  assert_int_equal(0, stats_of(f->cache).pinned);
}

MANY_TEST(more_keys_than_there_is_room_for_are_all_answered) {
  bulk self = {0};
  ct_resize(f->cache, 2);
  answers a = ask(f, "a b c d", &self);
  assert_are("CT_OK A, CT_OK B, CT_OK C, CT_OK D", &a);
  assert_int_equal(2, ct_len(f->cache));
}

static ct_status load_numbers(void *user_data, const ct_bytes *keys, size_t count,
                              ct_result *const *results) {
  ++*(int *)user_data;
  for (size_t i = 0; i < count; i++) ct_result_set(results[i], keys[i].data, keys[i].size);
  return CT_OK;
}

TEST(many_keys_are_loaded_in_many_shards) {
  ct_cache *cache = cache_of(.maxsize = kMany, .shards = 16);
  static uint64_t keys[kMany];
  static size_t ends[kMany];
  static ct_value values[kMany];
  static ct_status statuses[kMany];
  int calls = 0;
  for (uint64_t i = 0; i < kMany; i++) {
    keys[i] = i % (kMany / 2); /* each is there twice */
    ends[i] = (i + 1) * sizeof(keys[0]);
  }
  assert_status(CT_OK, ct_get_or_load_many(cache, keys, ends, kMany, load_numbers, &calls, NULL,
                                           values, statuses));
  assert_int_equal(1, calls);
  for (int i = 0; i < kMany; i++) {
    assert_status(CT_OK, statuses[i]);
    assert_int_equal(sizeof(keys[0]), values[i].size);
    assert_memory_equal(&keys[i], values[i].data, sizeof(keys[0]));
    ct_value_release(&values[i]);
  }
  assert_int_equal(kMany / 2, ct_len(cache));
  ct_cache_free(cache);
}

/* ---- Beside other loads --------------------------------------------------------------------- */

MANY_TEST(key_that_another_loads_is_waited_for_until_the_time_is_over) {
  bulk self = {0};
  ct_load_options how = CT_LOAD_OPTIONS_INIT;
  how.timeout_ns = 1;
  ct_lease *lease = lease_text(f, "b");
  answers a = ask_with(f, "a b c", &self, &how);
  assert_are("CT_OK A, CT_BUSY, CT_OK C", &a);
  assert_string_equal("a c", self.asked);
  ct_lease_abandon(lease);
}

static void fulfil_b(bulk *self, const ct_bytes *keys, size_t count, ct_result *const *results) {
  (void)keys, (void)count, (void)results;
  ct_lease *lease;
  ct_get_or_lease(self->f->cache, "b", 1, 0, NULL, &lease);
  if (lease != NULL) ct_lease_fulfil(lease, "other", 5, NULL, NULL);
}

static ct_lease *lease_of_b;

static void end_lease_of_b(bulk *self, const ct_bytes *keys, size_t count,
                           ct_result *const *results) {
  (void)keys, (void)count, (void)results;
  if (lease_of_b == NULL) return;
  ct_lease *lease = lease_of_b;
  lease_of_b = NULL;
  if (self->seen == CT_OK)
    ct_lease_fulfil(lease, "other", 5, NULL, NULL);
  else
    ct_lease_abandon(lease);
}

MANY_TEST(value_that_another_brings_meanwhile_is_handed_out) {
  bulk self = {.act = end_lease_of_b};
  lease_of_b = lease_text(f, "b");
  answers a = ask(f, "a b c", &self);
  assert_are("CT_OK A, CT_OK other, CT_OK C", &a);
  assert_string_equal("a c", self.asked);
}

MANY_TEST(load_that_another_gives_up_costs_one_more_call) {
  bulk self = {.act = end_lease_of_b, .seen = CT_MISS};
  lease_of_b = lease_text(f, "b");
  answers a = ask(f, "a b c", &self);
  assert_are("CT_OK A, CT_OK B, CT_OK C", &a);
  assert_string_equal("a c, b", self.asked);
}

static void ask_inside(bulk *self, const ct_bytes *keys, size_t count, ct_result *const *results) {
  (void)count, (void)results;
  plan plan = {.value = "inside"};
  self->act = NULL;
  self->seen = ct_get_or_load(self->f->cache, keys[0].data, keys[0].size, load, &plan, NULL);
}

static void ask_many_inside(bulk *self, const ct_bytes *keys, size_t count,
                            ct_result *const *results) {
  (void)count, (void)results;
  const size_t end = keys[0].size;
  ct_status status;
  self->act = NULL;
  self->seen = ct_get_or_load_many(self->f->cache, keys[0].data, &end, 1, load_all, self, NULL,
                                   NULL, &status);
  if (self->seen == CT_OK) self->seen = status;
}

MANY_TEST(loading_a_key_of_ones_own_is_a_recursion) {
  bulk one = {.act = ask_inside}, many = {.act = ask_many_inside};
  answers a = ask(f, "a b", &one);
  assert_are("CT_OK A, CT_OK B", &a);
  assert_status(CT_ERR_RECURSION, one.seen);
  a = ask(f, "c d", &many);
  assert_are("CT_OK C, CT_OK D", &a);
  assert_status(CT_ERR_RECURSION, many.seen);
}

MANY_TEST(loader_may_load_other_keys) {
  bulk self = {.act = fulfil_b};
  answers a = ask(f, "a c", &self);
  assert_are("CT_OK A, CT_OK C", &a);
  assert_text_quietly(f->cache, "b", "other");
}

static void delete_a(bulk *self, const ct_bytes *keys, size_t count, ct_result *const *results) {
  (void)keys, (void)count, (void)results;
  ct_delete(self->f->cache, "a", 1);
}

MANY_TEST(key_that_is_invalidated_meanwhile_is_not_kept) {
  bulk self = {.act = delete_a};
  answers a = ask(f, "a b", &self);
  assert_are("CT_OK A, CT_OK B", &a);
  assert_false(ct_contains(f->cache, "a", 1));
  assert_true(ct_contains(f->cache, "b", 1));
}

/* ---- Freshness ------------------------------------------------------------------------------ */

static void open_fresh(fixture *f) {
  open_fixture(f, .maxsize = 32, .ttl = 10, .stale = 10, .retry = 5, .negative_ttl = 5);
}

FIXTURE_TEST(old_values_serve_where_their_renewal_fails, open_fresh(f)) {
  bulk self = {0};
  set_text(f->cache, "fail", "old");
  set_text(f->cache, "a", "old");
  set_text(f->cache, "none", "old");
  f->clock.now = 10;
  answers a = ask(f, "fail a none b", &self);
  assert_are("CT_STALE old, CT_OK A, CT_MISS, CT_OK B", &a);
  assert_string_equal("fail a none b", self.asked);
  a = ask(f, "fail a none b", &self);
  assert_are("CT_STALE old, CT_OK A, CT_MISS, CT_OK B", &a);
  assert_int_equal(1, self.calls);
}

static void not_modified(bulk *self, const ct_bytes *keys, size_t count,
                         ct_result *const *results) {
  (void)self, (void)keys, (void)count;
  ct_bytes old;
  if (ct_result_old(results[0], &old) == CT_OK) ct_result_not_modified(results[0]);
}

FIXTURE_TEST(old_value_may_be_kept, open_fresh(f)) {
  bulk self = {.act = not_modified};
  set_text(f->cache, "a", "old");
  f->clock.now = 10;
  answers a = ask(f, "a b", &self);
  assert_are("CT_OK old, CT_OK B", &a);
}

FIXTURE_TEST(forced_keys_are_all_loaded, open_fresh(f)) {
  bulk self = {0};
  ct_load_options how = CT_LOAD_OPTIONS_INIT;
  how.flags = CT_LOAD_FORCE;
  set_text(f->cache, "a", "old");
  answers a = ask_with(f, "a b", &self, &how);
  assert_are("CT_OK A, CT_OK B", &a);
  assert_string_equal("a b", self.asked);
}

FIXTURE_TEST(old_value_serves_when_the_time_is_over, open_fresh(f)) {
  bulk self = {0};
  ct_load_options how = CT_LOAD_OPTIONS_INIT;
  ct_lease *lease;
  how.stale_after_ns = 1;
  set_text(f->cache, "a", "old");
  f->clock.now = 10;
  assert_status(CT_RENEW, ct_get_or_lease(f->cache, "a", 1, 0, NULL, &lease));
  answers a = ask_with(f, "a b", &self, &how);
  assert_are("CT_STALE old, CT_OK B", &a);
  assert_string_equal("b", self.asked);
  ct_lease_abandon(lease);
}

/* ---- Bad input ------------------------------------------------------------------------------ */

MANY_TEST(wrong_arguments_look_nothing_up) {
  bulk self = {0};
  const size_t ends[] = {2, 1}, long_ends[] = {1, kTooLong + 1};
  ct_value values[2];
  ct_status statuses[2] = {CT_BUSY, CT_BUSY};
  ct_load_options how = CT_LOAD_OPTIONS_INIT;
  how.flags = 2;
  ct_cache *c = f->cache;
  const size_t *right = (const size_t[]){1, 2};
  assert_status(CT_ERR_INVALID,
                ct_get_or_load_many(NULL, "ab", right, 2, load_all, &self, NULL, values, statuses));
  assert_status(CT_ERR_INVALID,
                ct_get_or_load_many(c, "ab", right, 2, NULL, &self, NULL, values, statuses));
  assert_status(CT_ERR_INVALID,
                ct_get_or_load_many(c, "ab", right, 2, load_all, &self, NULL, values, NULL));
  assert_status(CT_ERR_INVALID,
                ct_get_or_load_many(c, "ab", NULL, 2, load_all, &self, NULL, values, statuses));
  assert_status(CT_ERR_INVALID,
                ct_get_or_load_many(c, NULL, right, 2, load_all, &self, NULL, values, statuses));
  assert_status(CT_ERR_INVALID,
                ct_get_or_load_many(c, "ab", ends, 2, load_all, &self, NULL, values, statuses));
  assert_status(CT_ERR_INVALID,
                ct_get_or_load_many(c, "ab", right, 2, load_all, &self, &how, values, statuses));
  assert_status(CT_ERR_TOO_LARGE, ct_get_or_load_many(c, "ab", long_ends, 2, load_all, &self, NULL,
                                                      values, statuses));
  assert_int_equal(0, self.calls);
  assert_int_equal(0, statuses[0]);
  assert_holds_nothing(values[1]);
  assert_counted(c, .hits = 0);
}

static ct_status answer_by_result(void *user_data, const void *key, size_t key_size,
                                  ct_result *result) {
  (void)key, (void)key_size;
  ct_result_fail(result, *(ct_status *)user_data);
  return CT_OK;
}

MANY_TEST(result_may_fail_in_place_of_its_loader) {
  const ct_status given[] = {CT_MISS, CT_ERR_IO, CT_BUSY, (ct_status)1000, CT_OK, CT_EXISTS};
  const ct_status told[] = {CT_MISS,         CT_ERR_IO,      CT_BUSY,
                            (ct_status)1000, CT_ERR_INVALID, CT_ERR_INVALID};
  for (size_t i = 0; i < COUNT_OF(given); i++) {
    ct_status status = given[i];
    assert_status(told[i], ct_get_or_load(f->cache, "a", 1, answer_by_result, &status, NULL));
  }
  ct_result_fail(NULL, CT_MISS);
}

static void fail_then_set(plan *self, ct_result *result) {
  (void)self;
  ct_result_fail(result, CT_ERR_IO);
}

static void set_then_fail(plan *self, ct_result *result) {
  self->seen = ct_result_set(result, "1", 1);
  ct_result_fail(result, CT_ERR_IO);
}

MANY_TEST(last_of_set_and_fail_counts) {
  plan sets = {.act = fail_then_set, .value = "1"};
  assert_loads(f, "a", &sets, "1");
  plan fails = {.act = set_then_fail};
  assert_load_fails(CT_ERR_IO, f, "b", &fails);
}

/* ---- Memory --------------------------------------------------------------------------------- */

TEST(each_key_has_an_answer_whatever_allocation_fails) {
  for (int64_t fault = 0;; fault++) {
    fixture f;
    test_allocator allocator;
    test_allocator_init(&allocator);
    open_fixture(&f, .maxsize = kKeys, .allocator = &allocator.hooks);
    set_text(f.cache, "b", "there");
    bulk self = {0};
    allocator.fail_at = allocator.calls + fault;
    answers a = ask(&f, "a b c a fail", &self);
    const bool failed = allocator.failed != 0;
    allocator.fail_at = -1;
    for (size_t i = 0; i < a.count; i++) {
      const ct_status status = a.statuses[i];
      if (a.status != CT_OK)
        assert_int_equal(0, status);
      else if (status != CT_OK && (i != 4 || status != CT_ERR_IO))
        assert_status(CT_ERR_NOMEM, status);
      assert_int_equal(a.status == CT_OK && status == CT_OK, a.values[i].data != NULL);
      ct_value_release(&a.values[i]);
    }
    if (a.status != CT_OK) {
      assert_status(CT_ERR_NOMEM, a.status);
      assert_int_equal(0, self.calls);
    }
    a = ask(&f, "a b c a fail", &self);
    assert_are("CT_OK A, CT_OK there, CT_OK C, CT_OK A, CT_ERR_IO", &a);
    assert_int_equal(0, stats_of(f.cache).pinned);
    fixture_close(&f);
    assert_int_equal(0, allocator.blocks);
    if (!failed) break;
  }
}
