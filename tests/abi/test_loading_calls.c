/* SPDX-License-Identifier: MIT */
/* Calls into the cache from a loader. */
#include "plan.h"

static void call_on_own_key(plan *self, ct_result *result) {
  (void)result;
  self->seen = self->key_call->run(self->f->cache, self->key);
}

TEST(load_is_not_kept_if_the_loader_invalidates_its_key) {
  for (size_t i = 0; i < kInvalidationCount; i++) {
    const key_call *way = &kInvalidations[i];
    fixture f;
    open_lru(&f, 8);
    plan plan = {.act = call_on_own_key, .key_call = way, .value = "loaded"};
    assert_loads(&f, "a", &plan, "loaded");
    assert_status(way->answer, plan.seen);
    assert_text_after(&f, way, way->leaves);
    assert_int_equal(1, stats_of(f.cache).loads);
    if (way->leaves == NULL) {
      plan.act = NULL;
      assert_loads(&f, "a", &plan, "loaded");
      assert_text_quietly(f.cache, "a", "loaded");
    }
    fixture_close(&f);
  }
}

TEST(load_is_kept_whatever_else_the_loader_calls) {
  for (size_t i = 0; i < kOtherCallCount; i++) {
    const key_call *way = &kOtherCalls[i];
    fixture f;
    open_lru(&f, 8);
    plan plan = {.act = call_on_own_key, .key_call = way, .value = "loaded"};
    assert_loads(&f, "a", &plan, "loaded");
    assert_status(way->answer, plan.seen);
    assert_text_after(&f, way, "loaded");
    fixture_close(&f);
  }
}

static void set_own_key(plan *self, ct_result *result) {
  (void)result;
  self->seen = set_text(self->f->cache, self->key, "set");
}

FIXTURE_TEST(value_set_by_the_loader_stays, open_lru(f, 8)) {
  plan plan = {.act = set_own_key, .value = "loaded"};
  assert_loads(f, "a", &plan, "loaded");
  assert_status(CT_OK, plan.seen);
  assert_text_quietly(f->cache, "a", "set");
  assert_told(f, "");
  assert_counted(f->cache, .misses = 1, .loads = 1, .inserts = 1);
}

FIXTURE_TEST(value_set_by_a_loader_that_fails_stays, open_lru(f, 8)) {
  plan plan = {.act = set_own_key, .answer = CT_ERR_IO};
  assert_load_fails(CT_ERR_IO, f, "a", &plan);
  assert_text_quietly(f->cache, "a", "set");
  assert_counted(f->cache, .misses = 1, .load_failures = 1, .inserts = 1);
}

static void empty_the_cache(plan *self, ct_result *result) {
  (void)result;
  delete_text(self->f->cache, "b");
  ct_popitem(self->f->cache, NULL, NULL);
  set_text(self->f->cache, "d", "4");
  ct_expire(self->f->cache, CT_NOW, NULL, NULL);
  ct_cache_stats_reset(self->f->cache);
}

FIXTURE_TEST(loader_may_change_other_keys, open_lru(f, 8)) {
  set_text(f->cache, "b", "2");
  set_text(f->cache, "c", "3");
  plan plan = {.act = empty_the_cache, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_told(f, "REMOVED b=2, EVICTED c=3");
  assert_text_quietly(f->cache, "a", "1");
  assert_text_quietly(f->cache, "d", "4");
}

static void resize_cache(plan *self, ct_result *result) {
  (void)result;
  self->seen = ct_resize(self->f->cache, self->number);
}

FIXTURE_TEST(loader_may_shrink_the_cache, open_lru(f, 8)) {
  set_text(f->cache, "b", "2");
  set_text(f->cache, "c", "3");
  plan plan = {.act = resize_cache, .number = 1, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_told(f, "EVICTED b=2, EVICTED c=3");
  assert_text_quietly(f->cache, "a", "1");
  plan.number = 0;
  assert_loads(f, "d", &plan, "1");
  assert_int_equal(0, ct_len(f->cache));
}

FIXTURE_TEST(loader_may_grow_the_cache, open_lru(f, 1)) {
  set_text(f->cache, "b", "2");
  plan plan = {.act = resize_cache, .number = 2, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_told(f, "");
  assert_int_equal(2, ct_len(f->cache));
}

static void look_around(plan *self, ct_result *result) {
  (void)result;
  ct_cache *cache = self->f->cache;
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  self->number = (uint64_t)has_text(cache, self->key) + ct_len(cache) + ct_currsize(cache);
  self->number += use_text(cache, self->key) != CT_MISS;
  self->number += ct_peek(cache, self->key, strlen(self->key), NULL) != CT_MISS;
  self->number += ct_inspect(cache, self->key, strlen(self->key), &info) != CT_MISS;
}

FIXTURE_TEST(key_is_absent_while_it_is_loaded, open_lru(f, 8)) {
  plan plan = {.act = look_around, .number = 99, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(0, plan.number);
}

static ct_status load_fibonacci(void *user_data, const void *key, size_t key_size,
                                ct_result *result) {
  plan *self = user_data;
  self->calls++;
  uint64_t n, fib;
  memcpy(&n, key, key_size);
  fib = n;
  if (n >= 2) {
    fib = 0;
    for (uint64_t i = 1; i <= 2; i++) {
      const uint64_t before = n - i;
      ct_value value = CT_VALUE_INIT;
      ct_status status =
          ct_get_or_load(self->f->cache, &before, sizeof(before), load_fibonacci, self, &value);
      if (status != CT_OK) return status;
      fib += *(const uint64_t *)value.data;
      ct_value_release(&value);
    }
  }
  return ct_result_set(result, &fib, sizeof(fib));
}

FIXTURE_TEST(loader_may_load_other_keys, open_lru(f, 200)) {
  plan plan = {.f = f};
  const uint64_t n = 90;
  ct_value out = CT_VALUE_INIT;
  assert_status(CT_OK, ct_get_or_load(f->cache, &n, sizeof(n), load_fibonacci, &plan, &out));
  assert_int_equal(2880067194370816120, *(const uint64_t *)out.data);
  ct_value_release(&out);
  assert_int_equal(91, plan.calls);
  assert_counted(f->cache, .inserts = 91, .misses = 91, .loads = 91, .hits = 88);
}

static void load_own_key(plan *self, ct_result *result) {
  (void)result;
  plan inner = {.value = "inner"};
  ct_value out = poisoned_value();
  self->seen = load_text(self->f, self->key, &inner, &out);
  self->number = (uint64_t)inner.calls + (out.data != NULL);
}

TEST(loading_a_key_in_its_own_loader_is_recursion) {
  for (uint32_t flags = 0; flags <= CT_FLAG_SINGLE_THREADED; flags++) {
    fixture f;
    open_fixture(&f, .maxsize = 8, .flags = flags);
    plan plan = {.act = load_own_key, .number = 99, .value = "1"};
    assert_loads(&f, "a", &plan, "1");
    assert_status(CT_ERR_RECURSION, plan.seen);
    assert_int_equal(0, plan.number);
    assert_text_quietly(f.cache, "a", "1");
    assert_counted(f.cache, .inserts = 1, .misses = 1, .loads = 1);
    fixture_close(&f);
  }
}

/* Each loader loads the next key, and the last one the first key. */
static void load_next(plan *self, ct_result *result) {
  (void)result;
  const char *const keys[] = {"first", "b", "c", "d", "e"};
  plan next = {.act = load_next, .number = (self->number + 1) % COUNT_OF(keys)};
  self->answer = load_text(self->f, keys[next.number], &next, NULL);
}

FIXTURE_TEST(recursion_through_other_keys_fails_them_all, open_lru(f, 8)) {
  plan plan = {.act = load_next, .number = 0};
  assert_load_fails(CT_ERR_RECURSION, f, "first", &plan);
  assert_int_equal(0, ct_len(f->cache));
  assert_counted(f->cache, .misses = 5, .load_failures = 5);
}

static void lease_own_key(plan *self, ct_result *result) {
  (void)result;
  ct_value out = poisoned_value();
  ct_lease *lease = (ct_lease *)&out;
  self->seen =
      ct_get_or_lease(self->f->cache, self->key, strlen(self->key), UINT64_MAX, &out, &lease);
  self->number = (out.data != NULL) + (lease != NULL);
}

FIXTURE_TEST(waiting_for_a_lease_of_the_own_key_is_recursion, open_lru(f, 8)) {
  plan plan = {.act = lease_own_key, .number = 99, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_status(CT_ERR_RECURSION, plan.seen);
  assert_int_equal(0, plan.number);
}

static uint64_t weigh_by_loading(void *user_data, const void *key, size_t key_size,
                                 const void *value, size_t value_size) {
  (void)value, (void)value_size;
  fixture *f = user_data;
  plan plan = {.f = f, .value = "1"};
  f->readings = ct_get_or_load(f->cache, key, key_size, load, &plan, NULL) == CT_ERR_RECURSION;
  return 1;
}

FIXTURE_TEST(loading_a_key_while_it_is_weighed_is_recursion,
             open_fixture(f, .maxsize = 8, .weigher = weigh_by_loading)) {
  plan plan = {.value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(1, f->readings);
}

static void load_what_left(void *user_data, const ct_event *event) {
  fixture *f = user_data;
  if (f->told++ != 0) return;
  plan plan = {.f = f, .value = "again"};
  ct_get_or_load(f->cache, event->key.data, event->key.size, load, &plan, NULL);
}

FIXTURE_TEST(listener_may_load, open_fixture(f, .maxsize = 1, .listener = load_what_left)) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2"};
  assert_loads(f, "b", &plan, "2");
  assert_text_quietly(f->cache, "a", "again");
  assert_int_equal(2, f->told);
}
