/* SPDX-License-Identifier: MIT */
/* See plan.h. */
#include "plan.h"

const size_t kTooLong = (size_t)UINT32_MAX + 1;

static ct_status follow(plan *self, const void *key, size_t key_size, ct_result *result) {
  self->calls++;
  snprintf(self->key, sizeof(self->key), "%.*s", (int)key_size, (const char *)key);
  if (self->act != NULL) self->act(self, result);
  if (self->value != NULL) ct_result_set(result, self->value, strlen(self->value));
  return self->answer;
}

ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  return follow(user_data, key, key_size, result);
}

ct_status compute(void *user_data, const void *key, size_t key_size, const ct_bytes *old,
                  ct_result *result) {
  plan *self = user_data;
  const size_t used = strlen(self->old);
  snprintf(self->old + used, sizeof(self->old) - used, "%s%.*s", used == 0 ? "" : ", ",
           old == NULL ? 4 : (int)old->size, old == NULL ? "none" : (const char *)old->data);
  return follow(self, key, key_size, result);
}

ct_status load_text(fixture *f, const char *key, plan *plan, ct_value *out) {
  plan->f = f;
  return ct_get_or_load(f->cache, key, strlen(key), load, plan, out);
}

ct_status compute_text(fixture *f, const char *key, plan *plan, ct_value *out) {
  plan->f = f;
  return ct_compute(f->cache, key, strlen(key), compute, plan, out);
}

void assert_answers(ask_fn ask, ct_status expected, const char *value, fixture *f, const char *key,
                    plan *plan) {
  ct_value out = poisoned_value();
  const ct_status status = ask(f, key, plan, &out);
  assert_int_equal(expected, status);
  if (value == NULL) {
    assert_holds_nothing(out);
  } else {
    assert_value(value, out);
  }
  ct_value_release(&out);
}

void assert_computes(ct_status expected, const char *value, fixture *f, const char *key,
                     plan *plan) {
  assert_answers(compute_text, expected, value, f, key, plan);
}

void assert_loads(fixture *f, const char *key, plan *plan, const char *expected) {
  assert_answers(load_text, CT_OK, expected, f, key, plan);
}

void assert_load_fails(ct_status expected, fixture *f, const char *key, plan *plan) {
  assert_answers(load_text, expected, NULL, f, key, plan);
}

ct_lease *lease_text(fixture *f, const char *key) {
  ct_lease *lease = NULL;
  ct_value out = poisoned_value();
  assert_status(CT_LEASED, ct_get_or_lease(f->cache, key, strlen(key), 0, &out, &lease));
  assert_holds_nothing(out);
  assert_non_null(lease);
  return lease;
}

void assert_fulfils(ct_status expected, ct_lease *lease, const char *value,
                    const ct_entry_options *options) {
  ct_value out = poisoned_value();
  assert_status(expected, ct_lease_fulfil(lease, value, strlen(value), options, &out));
  assert_value(value, out);
  ct_value_release(&out);
}

void assert_text_after(fixture *f, const key_call *way, const char *expected) {
  ct_value value = CT_VALUE_INIT;
  ct_peek(f->cache, "a", 1, &value);
  const char *actual = value.data == NULL ? "nothing" : value.data;
  const size_t size = value.data == NULL ? strlen(actual) : value.size;
  if (expected == NULL) expected = "nothing";
  if (size != strlen(expected) || memcmp(expected, actual, size) != 0)
    fail_msg("after %s there is %.*s, not %s", way->name, (int)size, actual, expected);
  ct_value_release(&value);
}

/* ---- What a plan may do --------------------------------------------------------------------- */

void take_time(plan *self, ct_result *result) {
  (void)result;
  set_now(self->f, self->f->clock.now + 10);
}

void take_time_and_set_ttl(plan *self, ct_result *result) {
  ct_result_ttl(result, self->number);
  take_time(self, result);
}

void set_deadline(plan *self, ct_result *result) {
  ct_result_deadline(result, self->number);
}

void set_weight(plan *self, ct_result *result) {
  ct_result_weight(result, self->number);
}

void discard(plan *self, ct_result *result) {
  (void)self;
  ct_result_discard(result);
}
