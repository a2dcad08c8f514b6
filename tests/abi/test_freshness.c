/* SPDX-License-Identifier: MIT */
/* Values that are renewed while they are there, and values that are served past their deadline, as
 * one thread sees it. The clock stands still between calls. */
#include <unistd.h>

#include "plan.h"

enum { kTtl = 100, kAhead = 20, kStale = 50, kRetry = 10 };

/* A cache of which every knob is set. */
static void open_fresh(fixture *f) {
  open_fixture(f, .maxsize = 8, .ttl = kTtl, .refresh_ahead = kAhead, .stale = kStale,
               .retry = kRetry);
}

#define FRESH_TEST(name) FIXTURE_TEST(name, open_fresh(f))

static void pass(fixture *f, uint64_t ticks) {
  f->clock.now += ticks;
}

static void assert_answer(ct_status expected, fixture *f, const char *key, plan *plan,
                          const char *value) {
  assert_answers(load_text, expected, value, f, key, plan);
}

/* ---- Before the deadline -------------------------------------------------------------------- */

FRESH_TEST(young_value_is_not_renewed) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2"};
  pass(f, kTtl - kAhead);
  assert_answer(CT_OK, f, "a", &plan, "1");
  assert_int_equal(0, plan.calls);
}

FRESH_TEST(value_that_is_soon_to_expire_is_renewed) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2"};
  pass(f, kTtl - kAhead + 1);
  assert_answer(CT_OK, f, "a", &plan, "2");
  assert_int_equal(1, plan.calls);
  assert_told(f, "REPLACED a=1");
  assert_counted(f->cache, .hits = 1, .inserts = 1, .updates = 1, .loads = 1, .renewals = 1);
  /* Its lifetime has begun anew. */
  pass(f, kTtl - kAhead);
  assert_answer(CT_OK, f, "a", &plan, "2");
  assert_int_equal(1, plan.calls);
}

FRESH_TEST(failed_renewal_leaves_the_value_and_is_not_tried_at_once) {
  set_text(f->cache, "a", "1");
  plan fails = {.answer = CT_ERR_IO};
  pass(f, kTtl - kAhead + 1);
  assert_answer(CT_OK, f, "a", &fails, "1");
  for (int i = 0; i < kRetry - 1; i++) {
    pass(f, 1);
    assert_answer(CT_OK, f, "a", &fails, "1");
  }
  assert_int_equal(1, fails.calls);
  pass(f, 1);
  assert_answer(CT_OK, f, "a", &fails, "1");
  assert_int_equal(2, fails.calls);
  assert_counted(f->cache, .hits = kRetry + 1, .inserts = 1, .load_failures = 2, .renewals = 2,
                 .renewal_failures = 2);
}

FRESH_TEST(cancelled_renewal_answers_busy_and_does_not_pause) {
  set_text(f->cache, "a", "1");
  plan cancelled = {.answer = CT_BUSY};
  pass(f, kTtl - 1);
  for (int i = 1; i <= 3; i++) {
    assert_answer(CT_BUSY, f, "a", &cancelled, NULL);
    assert_int_equal(i, cancelled.calls);
  }
  assert_text_quietly(f->cache, "a", "1");
}

FRESH_TEST(renewal_that_finds_nothing_removes_the_value) {
  set_text(f->cache, "a", "1");
  plan finds_none = {.answer = CT_MISS};
  pass(f, kTtl - 1);
  assert_answer(CT_MISS, f, "a", &finds_none, NULL);
  assert_told(f, "REMOVED a=1");
}

FRESH_TEST(renewal_that_is_not_kept_removes_the_value) {
  void (*const acts[])(plan *, ct_result *) = {discard, set_deadline, set_weight};
  for (size_t i = 0; i < 3; i++) {
    set_text(f->cache, "a", "1");
    plan plan = {.value = "2", .act = acts[i], .number = i == 2 ? 9 : 1};
    pass(f, kTtl - 1);
    assert_answer(CT_OK, f, "a", &plan, "2");
    assert_told(f, "REMOVED a=1");
    assert_text_quietly(f->cache, "a", NULL);
  }
}

FIXTURE_TEST(without_refresh_ahead_nothing_is_renewed_before_its_deadline,
             open_fixture(f, .maxsize = 8, .ttl = kTtl, .stale = kStale)) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2"};
  pass(f, kTtl - 1);
  assert_answer(CT_OK, f, "a", &plan, "1");
  assert_int_equal(0, plan.calls);
}

/* ---- Past the deadline ---------------------------------------------------------------------- */

FRESH_TEST(expired_value_is_renewed) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2"};
  pass(f, kTtl);
  assert_answer(CT_OK, f, "a", &plan, "2");
  assert_told(f, "EXPIRED a=1");
  assert_counted(f->cache, .hits = 1, .inserts = 2, .expirations = 1, .loads = 1, .renewals = 1,
                 .stale_served = 1);
}

FRESH_TEST(expired_value_serves_while_renewals_fail_but_not_for_longer) {
  set_text(f->cache, "a", "1");
  plan fails = {.answer = (ct_status)-1000};
  for (uint64_t age = kTtl; age < kTtl + kStale; age++) {
    f->clock.now = age;
    assert_answer(CT_STALE, f, "a", &fails, "1");
  }
  assert_int_equal(kStale / kRetry, fails.calls);
  f->clock.now = kTtl + kStale;
  assert_answer((ct_status)-1000, f, "a", &fails, NULL);
  assert_int_equal(kStale / kRetry + 1, fails.calls);
  assert_int_equal(0, ct_len(f->cache));
  assert_told(f, "EXPIRED a=1");
}

/* The loader itself takes so long that the old value may not be served any more. */
static void take_long(plan *self, ct_result *result) {
  (void)result;
  self->f->clock.now += kStale;
}

FRESH_TEST(value_is_not_served_if_it_went_stale_while_its_renewal_failed) {
  set_text(f->cache, "a", "1");
  plan fails = {.answer = CT_ERR_IO, .act = take_long};
  pass(f, kTtl);
  assert_answer(CT_ERR_IO, f, "a", &fails, NULL);
}

FRESH_TEST(expired_value_that_nothing_renews_leaves_at_once) {
  set_text(f->cache, "a", "1");
  plan finds_none = {.answer = CT_MISS};
  pass(f, kTtl);
  assert_answer(CT_MISS, f, "a", &finds_none, NULL);
  assert_told(f, "EXPIRED a=1");
  assert_int_equal(0, ct_len(f->cache));
}

TEST(expired_values_are_cleared_as_expired_where_nobody_is_told) {
  manual_clock clock = {0};
  ct_cache *cache = cache_of(.maxsize = 8, .ttl = kTtl, .stale = kStale, .timer = manual_clock_read,
                             .user_data = &clock);
  set_text(cache, "a", "1");
  clock.now += kTtl;
  set_text(cache, "b", "2");
  assert_status(CT_OK, ct_clear(cache));
  assert_counted(cache, .inserts = 2, .expirations = 1, .removals = 1);
  ct_cache_free(cache);
}

FRESH_TEST(what_is_not_kept_leaves_an_expired_value_alone) {
  ct_lease *lease = lease_text(f, "a");
  set_text(f->cache, "a", "1");
  pass(f, kTtl);
  assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "2", 1, NULL, NULL));
  plan discards = {.value = "2", .act = discard};
  assert_computes(CT_NOT_STORED, "2", f, "a", &discards);
  assert_told(f, "");
  plan fails = {.answer = CT_ERR_IO};
  assert_answer(CT_STALE, f, "a", &fails, "1");
}

FIXTURE_TEST(expired_value_keeps_its_place_in_the_order,
             open_fixture(f, .maxsize = 2, .ttl = kTtl, .stale = kStale)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  pass(f, kTtl);
  plan fails = {.answer = CT_ERR_IO};
  assert_answer(CT_STALE, f, "a", &fails, "1"); /* a use */
  set_text(f->cache, "c", "3");
  assert_told(f, "EXPIRED b=2");
}

FIXTURE_TEST(past_stale_a_value_goes_first,
             open_fixture(f, .maxsize = 2, .ttl = kTtl, .stale = kStale)) {
  set_text(f->cache, "a", "1");
  pass(f, kStale);
  set_text(f->cache, "b", "2");
  plan fails = {.answer = CT_ERR_IO};
  pass(f, kTtl - 1);
  assert_answer(CT_STALE, f, "a", &fails, "1");
  pass(f, 1);
  set_text(f->cache, "c", "3");
  assert_told(f, "EXPIRED a=1");
}

FIXTURE_TEST(serving_an_expired_value_renews_no_idle_lifetime,
             open_fixture(f, .maxsize = 8, .tti = kTtl, .stale = kStale, .retry = kRetry)) {
  set_text(f->cache, "a", "1");
  plan fails = {.answer = CT_ERR_IO};
  pass(f, kTtl);
  assert_answer(CT_STALE, f, "a", &fails, "1");
  pass(f, kStale - 1);
  assert_answer(CT_STALE, f, "a", &fails, "1");
  assert_int_equal(2, fails.calls);
  pass(f, 1);
  assert_answer(CT_ERR_IO, f, "a", &fails, NULL);
}

/* ---- Invalidated meanwhile ------------------------------------------------------------------ */

static void call_other(plan *self, ct_result *result) {
  (void)result;
  self->seen = self->key_call->run(self->f->cache, "a");
}

/* For all but loading calls the key is absent. */
FRESH_TEST(overtaken_renewal_serves_nothing_that_was_invalidated) {
  for (size_t i = 0; i < kInvalidationCount; i++) {
    const key_call *way = &kInvalidations[i];
    plan fails = {.answer = CT_ERR_IO, .act = call_other, .key_call = way};
    plan brings = {.value = "2", .act = call_other, .key_call = way};
    for (plan *plan = &fails; plan != NULL; plan = plan == &fails ? &brings : NULL) {
      ct_resize(f->cache, 8);
      ct_clear(f->cache);
      set_text(f->cache, "a", "1");
      pass(f, kTtl);
      if (plan == &fails) assert_answer(CT_ERR_IO, f, "a", plan, NULL);
      if (plan == &brings) assert_answer(CT_OK, f, "a", plan, "2");
      assert_status(way->answer, plan->seen);
      assert_text_quietly(f->cache, "a", way->leaves);
    }
  }
}

static void evict_by_others(plan *self, ct_result *result) {
  (void)result;
  char key[] = "0";
  for (; key[0] < '8'; key[0]++) set_text(self->f->cache, key, "x");
}

FRESH_TEST(evicted_value_may_be_served_and_is_not_invalidated) {
  set_text(f->cache, "a", "1");
  pass(f, kTtl - 1);
  plan fails = {.answer = CT_ERR_IO, .act = evict_by_others};
  assert_answer(CT_OK, f, "a", &fails, "1");
  assert_text_quietly(f->cache, "a", NULL);
}

/* ---- Old values ----------------------------------------------------------------------------- */

static void look_at_old(plan *self, ct_result *result) {
  ct_bytes old = {self, 7};
  self->seen = ct_result_old(result, &old);
  snprintf(self->old, sizeof(self->old), "%.*s", (int)old.size, (const char *)old.data);
}

FRESH_TEST(loader_sees_the_value_that_it_renews) {
  plan plan = {.value = "1", .act = look_at_old};
  assert_answer(CT_OK, f, "a", &plan, "1");
  assert_status(CT_MISS, plan.seen);
  pass(f, kTtl);
  plan.value = "2";
  assert_answer(CT_OK, f, "a", &plan, "2");
  assert_status(CT_OK, plan.seen);
  assert_string_equal("1", plan.old);
}

static void not_modified(plan *self, ct_result *result) {
  ct_bytes value;
  (void)self;
  ct_result_set(result, "other", 5);
  assert_status(CT_OK, ct_result_value(result, &value));
  ct_result_not_modified(result);
  self->seen = ct_result_value(result, &value);
}

FRESH_TEST(value_that_is_not_modified_begins_its_lifetime_anew) {
  for (int stale = 0; stale < 2; stale++) {
    set_text(f->cache, "a", "1");
    ct_value before, after;
    assert_status(CT_OK, ct_get(f->cache, "a", 1, &before));
    pass(f, stale ? kTtl : kTtl - 1);
    plan keeps = {.act = not_modified};
    assert_answer(CT_OK, f, "a", &keeps, "1");
    assert_status(CT_MISS, keeps.seen);
    assert_told(f, "");
    pass(f, kTtl - kAhead);
    plan unused = {.value = "2"};
    assert_status(CT_OK, load_text(f, "a", &unused, &after));
    assert_int_equal(0, unused.calls);
    assert_ptr_equal(before.data, after.data);
    ct_value_release(&before);
    ct_value_release(&after);
    ct_delete(f->cache, "a", 1);
    f->log[0] = '\0';
  }
  assert_int_equal(2, stats_of(f->cache).inserts);
}

static void take_room_and_keep(plan *self, ct_result *result) {
  evict_by_others(self, result);
  ct_result_not_modified(result);
}

FRESH_TEST(value_that_is_not_modified_and_was_evicted_is_stored_anew) {
  set_text(f->cache, "a", "1");
  pass(f, kTtl - 1);
  plan keeps = {.act = take_room_and_keep};
  assert_answer(CT_OK, f, "a", &keeps, "1");
  assert_text_quietly(f->cache, "a", "1");
}

FRESH_TEST(nothing_is_not_modified_where_there_was_nothing) {
  plan keeps = {.act = not_modified};
  assert_answer(CT_ERR_CALLBACK, f, "a", &keeps, NULL);
}

/* ---- Forced loads --------------------------------------------------------------------------- */

static ct_status force(fixture *f, const char *key, plan *plan, ct_value *out) {
  ct_load_options options = CT_LOAD_OPTIONS_INIT;
  options.flags = CT_LOAD_FORCE;
  plan->f = f;
  return ct_get_or_load_with(f->cache, key, strlen(key), load, plan, &options, out);
}

FIXTURE_TEST(forced_load_replaces_the_value_in_any_cache, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2"};
  assert_answers(force, CT_OK, "2", f, "a", &plan);
  assert_told(f, "REPLACED a=1");
  assert_counted(f->cache, .misses = 1, .inserts = 1, .updates = 1, .loads = 1);
  struct plan keeps = {.act = not_modified};
  assert_answers(force, CT_OK, "2", f, "a", &keeps);
  struct plan fails = {.answer = CT_ERR_IO};
  assert_answers(force, CT_ERR_IO, NULL, f, "a", &fails);
  assert_text_quietly(f->cache, "a", "2");
  struct plan finds_none = {.answer = CT_MISS};
  assert_answers(force, CT_MISS, NULL, f, "a", &finds_none);
  assert_told(f, "REMOVED a=2");
}

static void move_and_find_none(plan *self, ct_result *result) {
  (void)result;
  self->seen = ct_set_lifetime(self->f->cache, "a", 1, 1000);
}

/* A lifetime makes the entry longer. */
FIXTURE_TEST(forced_load_that_finds_nothing_removes_a_value_that_has_moved, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  plan moves = {.act = move_and_find_none, .answer = CT_MISS};
  assert_answers(force, CT_MISS, NULL, f, "a", &moves);
  assert_status(CT_OK, moves.seen);
  assert_told(f, "REMOVED a=1");
}

FRESH_TEST(forced_load_counts_as_no_renewal) {
  set_text(f->cache, "a", "1");
  plan fails = {.answer = CT_ERR_IO};
  assert_answers(force, CT_ERR_IO, NULL, f, "a", &fails);
  assert_counted(f->cache, .misses = 1, .inserts = 1, .load_failures = 1);
}

/* Asks for the key that is being loaded, with those options. */
static void ask_again(plan *self, ct_result *result) {
  ct_load_options options = CT_LOAD_OPTIONS_INIT;
  options.flags = self->number == 0 ? CT_LOAD_FORCE : 0;
  options.stale_after_ns = UINT64_MAX;
  ct_value out = poisoned_value();
  self->seen = ct_get_or_load_with(self->f->cache, "a", 1, load, self, &options, &out);
  ct_value_release(&out);
  ct_result_set(result, "2", 1);
}

FRESH_TEST(loader_waits_for_no_renewal_of_its_own) {
  set_text(f->cache, "a", "1");
  pass(f, kTtl);
  plan patient = {.act = ask_again, .number = 1};
  assert_answer(CT_OK, f, "a", &patient, "2");
  assert_status(CT_STALE, patient.seen);
  pass(f, kTtl);
  plan forces = {.act = ask_again};
  assert_answer(CT_OK, f, "a", &forces, "2");
  assert_status(CT_ERR_RECURSION, forces.seen);
  assert_int_equal(1, forces.calls);
}

/* ---- Leases --------------------------------------------------------------------------------- */

/* Takes the lease of a value that is to be renewed. */
static ct_lease *renew(fixture *f, const char *expected) {
  ct_value value;
  ct_lease *lease = NULL;
  assert_status(CT_RENEW, ct_get_or_lease(f->cache, "a", 1, 0, &value, &lease));
  assert_value(expected, value);
  assert_non_null(lease);
  ct_value_release(&value);
  return lease;
}

static void assert_serves(fixture *f, ct_status expected, const char *value) {
  ct_value out;
  ct_lease *lease;
  assert_status(expected, ct_get_or_lease(f->cache, "a", 1, 0, &out, &lease));
  assert_null(lease);
  assert_value(value, out);
  ct_value_release(&out);
}

FRESH_TEST(lease_renews_while_others_are_served) {
  set_text(f->cache, "a", "1");
  pass(f, kTtl - 1);
  ct_lease *lease = renew(f, "1");
  assert_serves(f, CT_OK, "1");
  pass(f, 1);
  assert_serves(f, CT_STALE, "1");
  assert_status(CT_OK, ct_lease_fulfil(lease, "2", 1, NULL, NULL));
  assert_serves(f, CT_OK, "2");
}

FRESH_TEST(lease_that_fails_pauses_and_one_that_is_abandoned_does_not) {
  set_text(f->cache, "a", "1");
  pass(f, kTtl);
  ct_lease_abandon(renew(f, "1"));
  ct_lease_fail(renew(f, "1"), CT_ERR_IO);
  assert_serves(f, CT_STALE, "1");
  pass(f, kRetry);
  ct_lease_fail(renew(f, "1"), CT_MISS);
  assert_told(f, "EXPIRED a=1");
}

FRESH_TEST(lease_keeps_the_value) {
  set_text(f->cache, "a", "1");
  pass(f, kTtl);
  assert_status(CT_OK, ct_lease_keep(renew(f, "1"), NULL));
  assert_text_quietly(f->cache, "a", "1");
  pass(f, kTtl);
  const ct_entry_options longer = entry_with(.flags = CT_ENTRY_TTL, .ttl = 1000);
  assert_status(CT_OK, ct_lease_keep(renew(f, "1"), &longer));
  pass(f, 999);
  assert_text_quietly(f->cache, "a", "1");
  pass(f, 1);
  ct_lease *lease = renew(f, "1");
  ct_delete(f->cache, "a", 1);
  assert_status(CT_NOT_STORED, ct_lease_keep(lease, NULL));
  assert_text_quietly(f->cache, "a", NULL);
}

FRESH_TEST(value_that_is_kept_for_no_time_leaves) {
  for (int stale = 0; stale < 2; stale++) {
    set_text(f->cache, "a", "1");
    pass(f, stale ? kTtl : kTtl - 1);
    const ct_entry_options dead = entry_with(.flags = CT_ENTRY_TTL, .ttl = 0);
    assert_status(CT_NOT_STORED, ct_lease_keep(renew(f, "1"), &dead));
    assert_told(f, stale ? "EXPIRED a=1" : "REMOVED a=1");
    assert_int_equal(0, ct_len(f->cache));
  }
  assert_int_equal(2, stats_of(f->cache).rejections);
}

FRESH_TEST(lease_of_an_absent_key_cannot_be_kept) {
  ct_lease *lease = lease_text(f, "a");
  assert_status(CT_ERR_INVALID, ct_lease_keep(lease, NULL));
  assert_status(CT_ERR_INVALID, ct_lease_keep(NULL, NULL));
  lease = lease_text(f, "a"); /* it was given up */
  ct_lease_abandon(lease);
}

FRESH_TEST(renewed_value_that_leaves_meanwhile_is_loaded_as_usual) {
  set_text(f->cache, "a", "1");
  pass(f, kTtl);
  ct_lease *lease = renew(f, "1");
  pass(f, kStale);
  ct_value out;
  ct_lease *other;
  assert_status(CT_BUSY, ct_get_or_lease(f->cache, "a", 1, 0, &out, &other));
  assert_int_equal(0, ct_len(f->cache));
  assert_status(CT_OK, ct_lease_fulfil(lease, "2", 1, NULL, NULL));
  assert_text_quietly(f->cache, "a", "2");
}

/* ---- Values that hold pointers -------------------------------------------------------------- */

static void count_drop(void *user_data, const void *value, size_t size) {
  (void)value, (void)size;
  ((fixture *)user_data)->readings++;
}

FIXTURE_TEST(each_stored_value_is_dropped_once,
             open_fixture(f, .maxsize = 8, .ttl = kTtl, .refresh_ahead = kAhead, .stale = kStale,
                          .drop = count_drop)) {
  set_text(f->cache, "a", "1");
  pass(f, kTtl);
  plan keeps = {.act = not_modified};
  assert_answer(CT_OK, f, "a", &keeps, "1");
  assert_int_equal(0, f->readings);
  pass(f, kTtl);
  plan brings = {.value = "2"};
  assert_answer(CT_OK, f, "a", &brings, "2");
  assert_int_equal(1, f->readings);
  pass(f, kTtl - 1);
  plan evicted = {.act = take_room_and_keep};
  assert_answer(CT_OK, f, "a", &evicted, "2");
  assert_text_quietly(f->cache, "a", NULL);
  assert_int_equal(2, f->readings);
}

/* drop is called for the value once nobody holds it. A copy would outlive that. */
FIXTURE_TEST(value_that_is_dropped_is_not_copied,
             open_fixture(f, .maxsize = 8, .ttl = kTtl, .refresh_ahead = kAhead, .stale = kStale,
                          .drop = count_drop)) {
  set_text(f->cache, "a", "1");
  pass(f, kTtl - 1);
  plan evicted = {.act = take_room_and_keep};
  ct_value out;
  assert_status(CT_OK, load_text(f, "a", &evicted, &out));
  assert_int_equal(0, f->readings);
  ct_value_release(&out);
  assert_int_equal(1, f->readings);
}

/* ---- Options -------------------------------------------------------------------------------- */

static void assert_retry(uint64_t expected, ct_options options) {
  options.struct_size = sizeof(options);
  options.maxsize = 8;
  options.flags = CT_FLAG_PRECISE_CLOCK; /* which takes times as short as these */
  ct_cache *cache = new_cache(&options);
  ct_options in_force = CT_OPTIONS_INIT;
  assert_status(CT_OK, ct_cache_options(cache, &in_force));
  assert_int_equal(expected, in_force.retry);
  ct_cache_free(cache);
}

TEST(retry_is_a_tenth_by_default) {
  assert_retry(0, (ct_options){.ttl = 100});
  assert_retry(10, (ct_options){.ttl = 100, .stale = 1});
  assert_retry(1, (ct_options){.ttl = 5, .refresh_ahead = 1});
  assert_retry(3, (ct_options){.refresh_ahead = 30, .stale = 1});
  assert_retry(7, (ct_options){.ttl = 100, .stale = 1, .retry = 7});
}

TEST(jitter_shortens_the_lifetimes_of_the_cache_alone) {
  enum { kKeys = 1000 };
  manual_clock clock = {0};
  ct_cache *cache = cache_of(.maxsize = kKeys, .ttl = 1000, .jitter = 400, .user_data = &clock,
                             .timer = manual_clock_read, .seed = 7);
  uint64_t least = UINT64_MAX, most = 0, sum = 0;
  for (uint32_t key = 0; key < kKeys; key++) {
    ct_entry_info info = CT_ENTRY_INFO_INIT;
    ct_set(cache, &key, sizeof(key), "1", 1);
    assert_status(CT_OK, ct_inspect(cache, &key, sizeof(key), &info));
    if (info.remaining < least) least = info.remaining;
    if (info.remaining > most) most = info.remaining;
    sum += info.remaining;
    assert_status(CT_OK, ct_set_ttl(cache, &key, sizeof(key), "1", 1, 1000));
    assert_status(CT_OK, ct_inspect(cache, &key, sizeof(key), &info));
    assert_int_equal(1000, info.remaining);
  }
  assert_in_range(least, 600, 610);
  assert_in_range(most, 990, 1000);
  assert_in_range(sum / kKeys, 780, 820);
  ct_cache_free(cache);
}

static ct_status keep_for_a_while(void *user_data, const void *key, size_t key_size,
                                  ct_result *result) {
  (void)user_data, (void)key, (void)key_size;
  ct_result_ttl(result, CT_SECONDS(60));
  ct_result_not_modified(result);
  return CT_OK;
}

/* The lifetime takes room that the entry has not had so far. */
TEST(value_that_is_too_large_with_a_lifetime_is_handed_out_and_not_kept) {
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 1 << 20;
  options.weight_kind = CT_WEIGHT_MEMORY;
  ct_cache *cache;
  assert_status(CT_OK, ct_cache_new_with(&options, &cache));
  assert_status(CT_OK, ct_set(cache, "a", 1, "A", 1));
  assert_status(CT_OK, ct_resize(cache, ct_currsize(cache)));
  assert_int_equal(1, ct_len(cache));
  ct_load_options force = CT_LOAD_OPTIONS_INIT;
  force.flags = CT_LOAD_FORCE;
  ct_value value;
  assert_status(CT_OK, ct_get_or_load_with(cache, "a", 1, keep_for_a_while, NULL, &force, &value));
  assert_memory_equal("A", value.data, 1);
  ct_value_release(&value);
  assert_int_equal(0, ct_len(cache));
  assert_int_equal(0, ct_currsize(cache));
  ct_cache_free(cache);
}
