/* SPDX-License-Identifier: MIT */
/* Callers that wait for a load without a thread, as one thread sees it. */
#include "plan.h"

enum { kCrowd = 10000 };

/* What a callback was told, and what it is to do. */
typedef struct told {
  fixture *f;
  int calls;
  ct_status status;
  char value[16];
  ct_lease *lease;
  ct_lease *lease_of_b; /* for act */
  ct_wait *wait;
  bool cancelled; /* by the callback itself */
  void (*act)(struct told *self);
  int *order; /* counts the callbacks of several */
  int place;  /* in that order */
} told;

static void on_done(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  told *self = user_data;
  self->calls++;
  self->status = status;
  self->lease = lease;
  self->value[0] = '\0';
  if (value != NULL)
    snprintf(self->value, sizeof(self->value), "%.*s", (int)value->size, (const char *)value->data);
  if (self->order != NULL) self->place = ++*self->order;
  if (self->act != NULL) self->act(self);
}

static ct_status ask(fixture *f, const char *key, told *self) {
  ct_value out = poisoned_value();
  self->f = f;
  const ct_status status = ct_get_or_lease_async(f->cache, key, strlen(key), NULL, on_done, self,
                                                 &out, &self->lease, &self->wait);
  if (status != CT_OK && status != CT_STALE && status != CT_RENEW) assert_holds_nothing(out);
  assert_int_equal(status == CT_PENDING, self->wait != NULL);
  ct_value_release(&out);
  return status;
}

static void assert_waits(fixture *f, const char *key, told *self) {
  assert_status(CT_PENDING, ask(f, key, self));
  assert_null(self->lease);
  assert_int_equal(0, self->calls);
}

/* Asserts what the callback was told, and gives its handle back. */
static void assert_was_told(ct_status status, const char *value, told *self) {
  assert_int_equal(1, self->calls);
  assert_int_equal(status, self->status);
  assert_string_equal(value, self->value);
  assert_int_equal(status == CT_LEASED || status == CT_RENEW, self->lease != NULL);
  assert_false(ct_wait_cancel(self->wait));
}

#define ASYNC_TEST(name) FIXTURE_TEST(name, open_lru(f, 8))

/* ---- Answers -------------------------------------------------------------------------------- */

ASYNC_TEST(hit_and_lease_are_answered_at_once) {
  told hit = {0}, miss = {0};
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, ask(f, "a", &hit));
  assert_status(CT_LEASED, ask(f, "b", &miss));
  assert_non_null(miss.lease);
  ct_lease_abandon(miss.lease);
  assert_int_equal(0, hit.calls + miss.calls);
  assert_counted(f->cache, .hits = 1, .misses = 1, .inserts = 1, .load_failures = 1);
}

ASYNC_TEST(all_who_wait_are_told_the_value_in_their_order) {
  told waiters[3] = {{0}};
  int order = 0;
  ct_lease *lease = lease_text(f, "a");
  for (int i = 0; i < 3; i++) {
    waiters[i].order = &order;
    assert_waits(f, "a", &waiters[i]);
  }
  assert_fulfils(CT_OK, lease, "1", NULL);
  for (int i = 0; i < 3; i++) {
    assert_was_told(CT_OK, "1", &waiters[i]);
    assert_int_equal(i + 1, waiters[i].place);
  }
  assert_counted(f->cache, .hits = 3, .misses = 1, .inserts = 1, .loads = 1, .waits = 3);
}

ASYNC_TEST(value_that_is_not_kept_is_told) {
  told waiter = {0};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &waiter);
  const ct_entry_options dead = entry_with(.flags = CT_ENTRY_TTL);
  assert_fulfils(CT_NOT_STORED, lease, "1", &dead);
  assert_was_told(CT_OK, "1", &waiter);
}

ASYNC_TEST(empty_value_is_told) {
  told waiter = {0};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &waiter);
  assert_fulfils(CT_OK, lease, "", NULL);
  assert_was_told(CT_OK, "", &waiter);
}

ASYNC_TEST(failure_is_told) {
  const ct_status failures[] = {CT_ERR_IO, CT_MISS, (ct_status)1000};
  for (size_t i = 0; i < COUNT_OF(failures); i++) {
    told waiter = {0};
    ct_lease *lease = lease_text(f, "a");
    assert_waits(f, "a", &waiter);
    ct_lease_fail(lease, failures[i]);
    assert_was_told(failures[i], "", &waiter);
  }
  assert_counted(f->cache, .misses = 6, .load_failures = 3, .shared_failures = 3);
}

ASYNC_TEST(lease_that_is_given_up_goes_to_the_oldest_who_waits) {
  told first = {0}, second = {0};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &first);
  assert_waits(f, "a", &second);
  ct_lease_abandon(lease);
  assert_was_told(CT_LEASED, "", &first);
  assert_int_equal(0, second.calls);
  assert_fulfils(CT_OK, first.lease, "1", NULL);
  assert_was_told(CT_OK, "1", &second);
  assert_counted(f->cache, .hits = 1, .misses = 2, .inserts = 1, .loads = 1, .load_failures = 1,
                 .waits = 1);
}

ASYNC_TEST(load_by_a_loader_tells_those_who_ask_meanwhile) {
  told waiter = {0};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &waiter);
  ct_lease_abandon(lease);
  told another = {0};
  assert_waits(f, "a", &another);
  ct_lease_fail(waiter.lease, CT_ERR_IO);
  assert_was_told(CT_LEASED, "", &waiter);
  assert_was_told(CT_ERR_IO, "", &another);
}

/* ---- Overtaken loads ------------------------------------------------------------------------ */

ASYNC_TEST(value_that_is_set_meanwhile_is_told_at_once) {
  told waiter = {0};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &waiter);
  set_text(f->cache, "a", "set");
  assert_was_told(CT_OK, "set", &waiter);
  assert_fulfils(CT_NOT_STORED, lease, "1", NULL);
  assert_text_quietly(f->cache, "a", "set");
}

ASYNC_TEST(who_waits_for_an_overtaken_load_gets_its_value) {
  told waiter = {0};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &waiter);
  delete_text(f->cache, "a");
  assert_int_equal(0, waiter.calls);
  assert_fulfils(CT_NOT_STORED, lease, "1", NULL);
  assert_was_told(CT_OK, "1", &waiter);
}

ASYNC_TEST(who_waits_for_an_overtaken_load_starts_anew_if_it_is_given_up) {
  told waiters[3] = {{0}};
  ct_lease *lease = lease_text(f, "a");
  for (int i = 0; i < 3; i++) assert_waits(f, "a", &waiters[i]);
  delete_text(f->cache, "a");
  ct_lease_abandon(lease);
  assert_was_told(CT_LEASED, "", &waiters[0]);
  assert_int_equal(0, waiters[1].calls + waiters[2].calls);
  assert_fulfils(CT_OK, waiters[0].lease, "1", NULL);
  assert_was_told(CT_OK, "1", &waiters[1]);
  assert_was_told(CT_OK, "1", &waiters[2]);
}

ASYNC_TEST(who_starts_anew_may_join_a_load_that_runs) {
  told waiter = {0};
  ct_lease *old = lease_text(f, "a");
  assert_waits(f, "a", &waiter);
  delete_text(f->cache, "a");
  ct_lease *lease = lease_text(f, "a");
  ct_lease_abandon(old);
  assert_int_equal(0, waiter.calls);
  assert_fulfils(CT_OK, lease, "1", NULL);
  assert_was_told(CT_OK, "1", &waiter);
}

ASYNC_TEST(value_of_a_later_load_is_told_at_once) {
  told waiter = {0};
  ct_lease *old = lease_text(f, "a");
  assert_waits(f, "a", &waiter);
  delete_text(f->cache, "a");
  assert_fulfils(CT_OK, lease_text(f, "a"), "1", NULL);
  assert_was_told(CT_OK, "1", &waiter);
  ct_lease_abandon(old);
}

/* The later load's own memory holds its key, and is gone once it has landed. */
TEST(value_of_a_later_load_of_a_long_key_is_told_at_once) {
  static char key[1000];
  memset(key, 'k', sizeof(key) - 1);
  fixture f;
  told waiter = {0};
  test_allocator allocator;
  test_allocator_init(&allocator);
  open_fixture(&f, .maxsize = 8, .allocator = &allocator.hooks);
  ct_lease *old = lease_text(&f, key);
  assert_waits(&f, key, &waiter);
  delete_text(f.cache, key);
  assert_fulfils(CT_OK, lease_text(&f, key), "1", NULL);
  assert_was_told(CT_OK, "1", &waiter);
  ct_lease_abandon(old);
  fixture_close(&f);
  assert_int_equal(0, allocator.blocks);
}

FIXTURE_TEST(remembered_miss_is_answered_at_once,
             open_fixture(f, .maxsize = 32, .negative_ttl = 5)) {
  told waiter = {0}, later = {0};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &waiter);
  ct_lease_fail(lease, CT_MISS);
  assert_was_told(CT_MISS, "", &waiter);
  assert_status(CT_MISS, ask(f, "a", &later));
}

FIXTURE_TEST(old_value_is_answered_at_once_while_it_is_renewed,
             open_fixture(f, .maxsize = 8, .ttl = 10, .stale = 10)) {
  told renews = {0}, other = {0}, forced = {0};
  set_text(f->cache, "a", "1");
  f->clock.now = 10;
  assert_status(CT_RENEW, ask(f, "a", &renews));
  assert_status(CT_STALE, ask(f, "a", &other));
  ct_load_options how = CT_LOAD_OPTIONS_INIT;
  how.flags = CT_LOAD_FORCE;
  assert_status(CT_PENDING, ct_get_or_lease_async(f->cache, "a", 1, &how, on_done, &forced, NULL,
                                                  &forced.lease, &forced.wait));
  assert_fulfils(CT_OK, renews.lease, "2", NULL);
  assert_was_told(CT_OK, "2", &forced);
}

/* ---- Cancelling ----------------------------------------------------------------------------- */

ASYNC_TEST(who_is_cancelled_is_not_told) {
  told waiters[3] = {{0}};
  ct_lease *lease = lease_text(f, "a");
  for (int i = 0; i < 3; i++) assert_waits(f, "a", &waiters[i]);
  assert_true(ct_wait_cancel(waiters[1].wait));
  assert_fulfils(CT_OK, lease, "1", NULL);
  assert_was_told(CT_OK, "1", &waiters[0]);
  assert_int_equal(0, waiters[1].calls);
  assert_was_told(CT_OK, "1", &waiters[2]);
}

ASYNC_TEST(lease_passes_over_who_is_cancelled) {
  told first = {0}, second = {0};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &first);
  assert_waits(f, "a", &second);
  assert_true(ct_wait_cancel(first.wait));
  ct_lease_abandon(lease);
  assert_was_told(CT_LEASED, "", &second);
  ct_lease_abandon(second.lease);
}

ASYNC_TEST(nobody_is_left_after_all_were_cancelled) {
  told waiter = {0};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &waiter);
  assert_true(ct_wait_cancel(waiter.wait));
  ct_lease_abandon(lease);
  assert_int_equal(0, waiter.calls);
  ct_lease_abandon(lease_text(f, "a"));
}

static void cancel_self(told *self) {
  self->cancelled = ct_wait_cancel(self->wait);
}

ASYNC_TEST(callback_that_cancels_itself_is_too_late) {
  told waiter = {.act = cancel_self};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &waiter);
  assert_fulfils(CT_OK, lease, "1", NULL);
  assert_int_equal(1, waiter.calls);
  assert_false(waiter.cancelled);
}

ASYNC_TEST(call_may_give_no_handle) {
  told waiter = {0};
  ct_lease *lease = lease_text(f, "a");
  assert_status(CT_PENDING, ct_get_or_lease_async(f->cache, "a", 1, NULL, on_done, &waiter, NULL,
                                                  &waiter.lease, NULL));
  assert_fulfils(CT_OK, lease, "1", NULL);
  assert_int_equal(1, waiter.calls);
  assert_false(ct_wait_cancel(NULL));
}

/* ---- Callbacks that call back ---------------------------------------------------------------- */

static void abandon(told *self) {
  if (self->lease != NULL) ct_lease_abandon(self->lease);
}

static void fulfil(told *self) {
  if (self->lease != NULL) ct_lease_fulfil(self->lease, "1", 1, NULL, NULL);
}

static void delete_and_abandon(told *self) {
  if (self->lease == NULL) return;
  ct_delete(self->f->cache, "a", 1);
  ct_lease_abandon(self->lease);
}

/* If each callback ran inside the one before, the stack would overflow. */
ASYNC_TEST(leases_that_callbacks_give_up_pass_through_all_who_wait) {
  void (*const acts[])(told *) = {abandon, delete_and_abandon};
  told *waiters = calloc(kCrowd, sizeof(*waiters));
  for (size_t act = 0; act < COUNT_OF(acts); act++) {
    memset(waiters, 0, kCrowd * sizeof(*waiters));
    int order = 0;
    ct_lease *lease = lease_text(f, "a");
    for (int i = 0; i < kCrowd; i++) {
      waiters[i].act = acts[act];
      waiters[i].order = &order;
      assert_waits(f, "a", &waiters[i]);
    }
    ct_lease_abandon(lease);
    for (int i = 0; i < kCrowd; i++) {
      assert_was_told(CT_LEASED, "", &waiters[i]);
      assert_int_equal(i + 1, waiters[i].place);
    }
  }
  free(waiters);
}

ASYNC_TEST(callback_that_fulfils_tells_the_others) {
  told first = {.act = fulfil}, second = {.act = fulfil};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &first);
  assert_waits(f, "a", &second);
  ct_lease_abandon(lease);
  assert_was_told(CT_LEASED, "", &first);
  assert_was_told(CT_OK, "1", &second);
}

/* Waits again, for another key, whose lease the test has. */
static void ask_for_b(told *self) {
  self->act = NULL;
  ct_lease *lease;
  ct_wait_cancel(self->wait);
  ct_get_or_lease_async(self->f->cache, "b", 1, NULL, on_done, self, NULL, &lease, &self->wait);
}

ASYNC_TEST(callback_may_wait_again) {
  told waiter = {.act = ask_for_b};
  ct_lease *a = lease_text(f, "a");
  ct_lease *b = lease_text(f, "b");
  assert_waits(f, "a", &waiter);
  assert_fulfils(CT_OK, a, "1", NULL);
  assert_int_equal(1, waiter.calls);
  assert_fulfils(CT_OK, b, "2", NULL);
  assert_int_equal(2, waiter.calls);
  assert_string_equal("2", waiter.value);
  assert_false(ct_wait_cancel(waiter.wait));
}

static void clear_and_set(told *self) {
  ct_clear(self->f->cache);
  ct_set(self->f->cache, "a", 1, "2", 1);
}

ASYNC_TEST(told_value_outlives_its_entry) {
  told waiters[2] = {{.act = clear_and_set}, {.act = clear_and_set}};
  ct_lease *lease = lease_text(f, "a");
  for (int i = 0; i < 2; i++) assert_waits(f, "a", &waiters[i]);
  assert_fulfils(CT_OK, lease, "1", NULL);
  for (int i = 0; i < 2; i++) assert_was_told(CT_OK, "1", &waiters[i]);
}

/* Ends a load of another cache, which tells who waits for it, and frees that cache. */
static void use_another_cache(told *self) {
  fixture f;
  told waiter = {0};
  open_lru(&f, 8);
  ct_lease *lease = lease_text(&f, "a");
  assert_waits(&f, "a", &waiter);
  assert_fulfils(CT_OK, lease, "2", NULL);
  assert_was_told(CT_OK, "2", &waiter);
  fixture_close(&f);
  self->order[0]++;
}

ASYNC_TEST(callback_may_free_another_cache) {
  int uses = 0;
  told waiter = {.act = use_another_cache, .order = &uses};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &waiter);
  assert_fulfils(CT_OK, lease, "1", NULL);
  assert_was_told(CT_OK, "1", &waiter);
  assert_int_equal(2, uses);
}

/* Gives up the lease of b, which the test has put there. Somebody waits for it, and has the lease
 * now, but is told only after this. */
static void give_up_and_load_b(told *self) {
  plan plan = {.value = "3"};
  ct_lease *lease;
  ct_value out = poisoned_value();
  ct_lease_abandon(self->lease_of_b);
  assert_status(CT_ERR_RECURSION, load_text(self->f, "b", &plan, &out));
  assert_holds_nothing(out);
  assert_status(CT_ERR_RECURSION,
                ct_get_or_lease(self->f->cache, "b", 1, UINT64_MAX, NULL, &lease));
  assert_status(CT_BUSY, ct_get_or_lease(self->f->cache, "b", 1, 0, NULL, &lease));
  assert_int_equal(0, plan.calls);
}

ASYNC_TEST(callback_does_not_wait_for_a_lease_that_is_told_after_it) {
  told first = {.act = give_up_and_load_b}, second = {0};
  ct_lease *a = lease_text(f, "a");
  first.lease_of_b = lease_text(f, "b");
  assert_waits(f, "a", &first);
  assert_waits(f, "b", &second);
  assert_fulfils(CT_OK, a, "1", NULL);
  assert_was_told(CT_OK, "1", &first);
  assert_was_told(CT_LEASED, "", &second);
  ct_lease_abandon(second.lease);
}

/* ---- Caches of one thread, arguments, memory ------------------------------------------------- */

FIXTURE_TEST(cache_of_one_thread_tells_as_well,
             open_fixture(f, .maxsize = 8, .flags = CT_FLAG_SINGLE_THREADED)) {
  told first = {0}, second = {0};
  ct_lease *lease = lease_text(f, "a");
  assert_waits(f, "a", &first);
  assert_waits(f, "a", &second);
  ct_lease_abandon(lease);
  assert_was_told(CT_LEASED, "", &first);
  assert_fulfils(CT_OK, first.lease, "1", NULL);
  assert_was_told(CT_OK, "1", &second);
}

ASYNC_TEST(wrong_arguments_are_refused) {
  ct_lease *lease = (ct_lease *)f;
  ct_wait *wait = (ct_wait *)f;
  ct_load_options how = CT_LOAD_OPTIONS_INIT;
  const ct_status no_done =
      ct_get_or_lease_async(f->cache, "a", 1, NULL, NULL, NULL, NULL, &lease, &wait);
  assert_status(CT_ERR_INVALID, no_done);
  assert_null(lease);
  assert_null(wait);
  assert_status(CT_ERR_INVALID,
                ct_get_or_lease_async(f->cache, "a", 1, NULL, on_done, NULL, NULL, NULL, &wait));
  assert_status(CT_ERR_INVALID,
                ct_get_or_lease_async(NULL, "a", 1, NULL, on_done, NULL, NULL, &lease, &wait));
  assert_status(CT_ERR_INVALID,
                ct_get_or_lease_async(f->cache, NULL, 1, NULL, on_done, NULL, NULL, &lease, &wait));
  assert_status(CT_ERR_TOO_LARGE, ct_get_or_lease_async(f->cache, "a", kTooLong, NULL, on_done,
                                                        NULL, NULL, &lease, &wait));
  for (int i = 0; i < 4; i++) {
    ct_load_options_init(&how, sizeof(how));
    if (i == 0) how.timeout_ns = 1;
    if (i == 1) how.stale_after_ns = 1;
    if (i == 2) how.flags = 2;
    if (i == 3) how.struct_size = 1;
    assert_status(CT_ERR_INVALID, ct_get_or_lease_async(f->cache, "a", 1, &how, on_done, NULL, NULL,
                                                        &lease, &wait));
  }
  assert_counted(f->cache, .hits = 0);
}

TEST(without_memory_nobody_waits) {
  fixture f;
  test_allocator allocator;
  test_allocator_init(&allocator);
  open_fixture(&f, .maxsize = 8, .allocator = &allocator.hooks);
  ct_lease *lease = lease_text(&f, "a");
  told waiter = {0};
  allocator.fail_at = allocator.calls;
  assert_status(CT_ERR_NOMEM, ask(&f, "a", &waiter));
  allocator.fail_at = -1;
  ct_lease_abandon(lease);
  assert_int_equal(0, waiter.calls);
  lease = lease_text(&f, "a");
  assert_waits(&f, "a", &waiter);
  assert_fulfils(CT_OK, lease, "1", NULL);
  assert_was_told(CT_OK, "1", &waiter);
  fixture_close(&f);
  assert_int_equal(0, allocator.blocks);
}

/* What it takes over was to renew a value, so it is told of that as if it had come first. */
ASYNC_TEST(forced_waiter_that_takes_a_lease_over_knows_the_old_value) {
  for (int misses = 0; misses < 2; misses++) {
    told first = {0}, second = {0};
    ct_load_options how = CT_LOAD_OPTIONS_INIT;
    how.flags = CT_LOAD_FORCE;
    set_text(f->cache, "a", "1");
    assert_status(CT_LEASED, ct_get_or_lease_async(f->cache, "a", 1, &how, on_done, &first, NULL,
                                                   &first.lease, NULL));
    assert_status(CT_PENDING, ct_get_or_lease_async(f->cache, "a", 1, &how, on_done, &second, NULL,
                                                    &second.lease, &second.wait));
    ct_lease_abandon(first.lease);
    assert_was_told(CT_LEASED, "", &second);
    if (misses != 0) {
      ct_lease_fail(second.lease, CT_MISS);
    } else {
      assert_status(CT_OK, ct_lease_keep(second.lease, NULL));
    }
    assert_text_quietly(f->cache, "a", misses != 0 ? NULL : "1");
  }
}
