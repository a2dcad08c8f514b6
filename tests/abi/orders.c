/* SPDX-License-Identifier: MIT */
/* See orders.h. */
#include "orders.h"

void append_key(char *order, const void *key, size_t key_size) {
  const size_t used = strlen(order);
  assert_true(used + key_size + 2 < kMaxOrder);
  snprintf(order + used, kMaxOrder - used, "%s%.*s", used == 0 ? "" : " ", (int)key_size,
           (const char *)key);
}

void walk(ct_cache *cache, int32_t how, char *order) {
  order[0] = '\0';
  ct_iter *iter = NULL;
  assert_status(CT_OK, ct_iter_new(cache, how, &iter));
  ct_bytes key;
  ct_status status;
  while ((status = ct_iter_next(iter, &key, NULL)) == CT_OK) append_key(order, key.data, key.size);
  assert_status(CT_END, status);
  ct_iter_free(iter);
}

void drain(ct_cache *cache, char *order) {
  order[0] = '\0';
  ct_value key = CT_VALUE_INIT;
  ct_status status;
  while ((status = ct_popitem(cache, &key, NULL)) == CT_OK) {
    append_key(order, key.data, key.size);
    ct_value_release(&key);
  }
  assert_status(CT_MISS, status);
}

void reverse_order(const char *order, char *reversed) {
  char copy[kMaxOrder];
  snprintf(copy, sizeof copy, "%s", order);
  reversed[0] = '\0';
  char *space;
  while ((space = strrchr(copy, ' ')) != NULL) {
    append_key(reversed, space + 1, strlen(space + 1));
    *space = '\0';
  }
  append_key(reversed, copy, strlen(copy));
}

void assert_goes(const char *expected, ct_cache *cache) {
  char order[kMaxOrder], reversed[kMaxOrder];
  walk(cache, CT_ORDER_COLDEST, order);
  assert_string_equal(expected, order);
  walk(cache, CT_ORDER_HOTTEST, order);
  reverse_order(order, reversed);
  assert_string_equal(expected, reversed);
  drain(cache, order);
  assert_string_equal(expected, order);
}

void assert_order(const char *expected, ct_cache *cache) {
  char order[kMaxOrder];
  walk(cache, CT_ORDER_COLDEST, order);
  assert_string_equal(expected, order);
}

void set_each(ct_cache *cache, const char *keys) {
  for (; *keys != '\0'; keys += keys[1] == ' ' ? 2 : 1) {
    assert_status(CT_OK, ct_set(cache, keys, 1, "1", 1));
  }
}

void use_each(ct_cache *cache, const char *keys) {
  for (; *keys != '\0'; keys += keys[1] == ' ' ? 2 : 1) {
    assert_status(CT_OK, ct_get(cache, keys, 1, NULL));
  }
}

ct_cache *open_filled(fixture *f, ct_policy policy, uint64_t maxsize, const char *keys) {
  open_policy(f, policy, maxsize);
  set_each(f->cache, keys);
  assert_told(f, "");
  return f->cache;
}
