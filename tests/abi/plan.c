/* SPDX-License-Identifier: MIT */
/* See plan.h. */
#include "plan.h"

const size_t kTooLong = (size_t)UINT32_MAX + 1;

ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  plan *self = user_data;
  self->calls++;
  snprintf(self->key, sizeof(self->key), "%.*s", (int)key_size, (const char *)key);
  if (self->act != NULL) self->act(self, result);
  if (self->value != NULL) ct_result_set(result, self->value, strlen(self->value));
  return self->answer;
}

ct_status load_text(fixture *f, const char *key, plan *plan, ct_value *out) {
  plan->f = f;
  return ct_get_or_load(f->cache, key, strlen(key), load, plan, out);
}

void assert_loads(fixture *f, const char *key, plan *plan, const char *expected) {
  ct_value out = poisoned_value();
  assert_status(CT_OK, load_text(f, key, plan, &out));
  assert_value(expected, out);
  ct_value_release(&out);
}

void assert_load_fails(ct_status expected, fixture *f, const char *key, plan *plan) {
  ct_value out = poisoned_value();
  ct_status status = load_text(f, key, plan, &out);
  assert_int_equal(expected, status);
  assert_holds_nothing(out);
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
