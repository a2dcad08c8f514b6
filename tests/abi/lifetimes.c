/* SPDX-License-Identifier: MIT */
/* See lifetimes.h. */
#include "lifetimes.h"

void open_at_100(fixture *f, uint64_t ttl, uint64_t tti) {
  ct_options options = fixture_options(f, CT_POLICY_LRU, 8);
  options.ttl = ttl;
  options.tti = tti;
  set_now(f, 100);
  fixture_open(f, &options);
}

void assert_expires_at(fixture *f, const char *key, uint64_t deadline) {
  set_now(f, deadline - 1);
  assert_true(has_text(f->cache, key));
  set_now(f, deadline);
  assert_false(has_text(f->cache, key));
}

uint64_t ttu_by_value(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size;
  char text[16] = {0};
  memcpy(text, value, value_size < 15 ? value_size : 15);
  uint64_t number = strtoull(text + 1, NULL, 10);
  return text[0] == '+' ? now + number : text[0] == '=' ? number : CT_NEVER;
}

void fill_abc(ct_cache *cache) {
  set_text(cache, "a", "1");
  set_text(cache, "b", "2");
  set_text(cache, "c", "3");
}

void by_get(ct_cache *cache) {
  assert_text(cache, "a", "1");
}

void by_get_copy(ct_cache *cache) {
  char byte;
  assert_status(CT_OK, ct_get_copy(cache, "a", 1, &byte, 1, NULL));
}

void by_setdefault(ct_cache *cache) {
  assert_status(CT_OK, ct_setdefault(cache, "a", 1, "2", 1, NULL));
}

void by_get_many(ct_cache *cache) {
  const ct_bytes key = {"a", 1};
  ct_value value;
  ct_status status;
  assert_status(CT_OK, ct_get_many(cache, &key, 1, &value, &status));
  assert_status(CT_OK, status);
  ct_value_release(&value);
}

static void get_many_copy(ct_cache *cache, size_t capacity, ct_status expected) {
  const size_t end = 1;
  char byte;
  size_t value_end;
  ct_status status;
  assert_status(expected,
                ct_get_many_copy(cache, "a", &end, 1, &byte, capacity, &value_end, &status));
}

void by_get_many_copy(ct_cache *cache) {
  get_many_copy(cache, 1, CT_OK);
}

void by_peek(ct_cache *cache) {
  assert_text_quietly(cache, "a", "1");
}

void by_contains(ct_cache *cache) {
  assert_true(has_text(cache, "a"));
}

void by_inspect(ct_cache *cache) {
  info_of(cache, "a");
}

void by_get_copy_too_small(ct_cache *cache) {
  assert_status(CT_ERR_BUFFER, ct_get_copy(cache, "a", 1, NULL, 0, NULL));
}

void by_get_many_copy_too_small(ct_cache *cache) {
  get_many_copy(cache, 0, CT_ERR_BUFFER);
}

void by_set_if_absent(ct_cache *cache) {
  ct_entry_options absent = entry_with(.flags = CT_ENTRY_IF_ABSENT);
  assert_status(CT_EXISTS, set_text_with(cache, "a", "2", &absent));
}

void by_set_too_large(ct_cache *cache) {
  assert_status(CT_ERR_TOO_LARGE, set_text_weight(cache, "a", "2", 1000));
}
