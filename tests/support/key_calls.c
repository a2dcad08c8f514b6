/* SPDX-License-Identifier: MIT */
/* See key_calls.h. */
#include "key_calls.h"

#include "support.h"

static const char kWritten[] = "written";
static const char kCounted[] = "8 bytes."; /* of a counter */
enum { kSize = sizeof kWritten - 1 };

/* ---- Sets ----------------------------------------------------------------------------------- */

static ct_status set(ct_cache *cache, const char *key) {
  return ct_set(cache, key, strlen(key), kWritten, kSize);
}

static ct_status set_with(ct_cache *cache, const char *key, ct_entry_options options) {
  return ct_set_with(cache, key, strlen(key), kWritten, kSize, &options);
}

static ct_status set_if_absent(ct_cache *cache, const char *key) {
  return set_with(cache, key, entry_with(.flags = CT_ENTRY_IF_ABSENT));
}

static ct_status set_if_present(ct_cache *cache, const char *key) {
  return set_with(cache, key, entry_with(.flags = CT_ENTRY_IF_PRESENT));
}

static ct_status set_without_life(ct_cache *cache, const char *key) {
  return ct_set_ttl(cache, key, strlen(key), kWritten, kSize, 0);
}

static ct_status set_until_the_beginning(ct_cache *cache, const char *key) {
  return set_with(cache, key, entry_with(.flags = CT_ENTRY_DEADLINE));
}

static ct_status set_too_large(ct_cache *cache, const char *key) {
  ct_entry_options options = entry_with(.flags = CT_ENTRY_WEIGHT);
  options.weight = ct_maxsize(cache) + 1;
  return set_with(cache, key, options);
}

static ct_status set_by_many(ct_cache *cache, const char *key, const ct_entry_options *options) {
  char data[64];
  const size_t key_size = strlen(key);
  memcpy(data, key, key_size);
  memcpy(data + key_size, kWritten, kSize);
  const size_t ends[] = {key_size, key_size + kSize};
  ct_status status;
  ct_set_many(cache, data, ends, 1, options, &status);
  return status;
}

static ct_status set_many(ct_cache *cache, const char *key) {
  return set_by_many(cache, key, NULL);
}

static ct_status set_many_if_present(ct_cache *cache, const char *key) {
  const ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_PRESENT);
  return set_by_many(cache, key, &options);
}

/* A value of another cache, which is none of this one's. */
static ct_value value_of_another(void) {
  ct_cache *other = cache_of(.maxsize = 1);
  ct_value value = CT_VALUE_INIT;
  ct_setdefault(other, "k", 1, kWritten, kSize, &value);
  ct_cache_free(other);
  return value;
}

static ct_status set_if_same(ct_cache *cache, const char *key) {
  ct_value value = value_of_another();
  const ct_status status =
      set_with(cache, key, entry_with(.flags = CT_ENTRY_IF_SAME, .same = &value));
  ct_value_release(&value);
  return status;
}

static ct_status set_keeping_ttl(ct_cache *cache, const char *key) {
  return set_with(cache, key, entry_with(.flags = CT_ENTRY_KEEP_TTL));
}

static ct_status set_keeping_none(ct_cache *cache, const char *key) {
  return set_with(cache, key, entry_with(.flags = CT_ENTRY_KEEP_TTL | CT_ENTRY_TTL));
}

static ct_status add(ct_cache *cache, const char *key) {
  int64_t initial;
  memcpy(&initial, kCounted, sizeof initial);
  return ct_add(cache, key, strlen(key), 0, initial, NULL, NULL);
}

static ct_status add_if_present(ct_cache *cache, const char *key) {
  const ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_PRESENT);
  return ct_add(cache, key, strlen(key), 1, 0, &options, NULL);
}

static ct_status setdefault(ct_cache *cache, const char *key) {
  return ct_setdefault(cache, key, strlen(key), kWritten, kSize, NULL);
}

/* ---- Computes ------------------------------------------------------------------------------- */

typedef void result_fn(ct_cache *cache, ct_result *result);

typedef struct answer {
  ct_cache *cache;
  ct_status status;
  result_fn *adjust; /* may be NULL */
} answer;

static ct_status give_answer(void *user_data, const void *key, size_t key_size, const ct_bytes *old,
                             ct_result *result) {
  (void)key, (void)key_size, (void)old;
  const answer *self = user_data;
  if (self->adjust != NULL) self->adjust(self->cache, result);
  ct_result_set(result, kWritten, kSize);
  return self->status;
}

static ct_status compute(ct_cache *cache, const char *key, ct_status status, result_fn *adjust) {
  answer self = {cache, status, adjust};
  return ct_compute(cache, key, strlen(key), give_answer, &self, NULL);
}

static void make_dead(ct_cache *cache, ct_result *result) {
  (void)cache;
  ct_result_ttl(result, 0);
}

static void make_too_large(ct_cache *cache, ct_result *result) {
  ct_result_weight(result, ct_maxsize(cache) + 1);
}

static void make_discarded(ct_cache *cache, ct_result *result) {
  (void)cache;
  ct_result_discard(result);
}

static ct_status compute_a_value(ct_cache *cache, const char *key) {
  return compute(cache, key, CT_OK, NULL);
}

static ct_status compute_a_dead_value(ct_cache *cache, const char *key) {
  return compute(cache, key, CT_OK, make_dead);
}

static ct_status compute_a_large_value(ct_cache *cache, const char *key) {
  return compute(cache, key, CT_OK, make_too_large);
}

static ct_status compute_removal(ct_cache *cache, const char *key) {
  return compute(cache, key, CT_MISS, NULL);
}

static ct_status compute_and_discard(ct_cache *cache, const char *key) {
  return compute(cache, key, CT_OK, make_discarded);
}

static ct_status compute_nothing(ct_cache *cache, const char *key) {
  return compute(cache, key, CT_NOT_STORED, NULL);
}

static ct_status compute_a_failure(ct_cache *cache, const char *key) {
  return compute(cache, key, CT_ERR_IO, NULL);
}

/* ---- Removals ------------------------------------------------------------------------------- */

static ct_status delete_it(ct_cache *cache, const char *key) {
  return ct_delete(cache, key, strlen(key));
}

static ct_status delete_if_same(ct_cache *cache, const char *key) {
  ct_value value = value_of_another();
  const ct_status status = ct_delete_if(cache, key, strlen(key), &value);
  ct_value_release(&value);
  return status;
}

static ct_status pop(ct_cache *cache, const char *key) {
  return ct_pop(cache, key, strlen(key), NULL);
}

static ct_status clear(ct_cache *cache, const char *key) {
  (void)key;
  return ct_clear(cache);
}

static bool match_all(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return true;
}

static bool match_none(void *user_data, const void *key, size_t key_size, const void *value,
                       size_t value_size) {
  return !match_all(user_data, key, key_size, value, value_size);
}

static ct_status remove_all(ct_cache *cache, const char *key) {
  (void)key;
  ct_remove_if(cache, match_all, NULL);
  return CT_OK;
}

/* It cannot be known whether match would have accepted the value that is being loaded. */
static ct_status remove_none(ct_cache *cache, const char *key) {
  (void)key;
  ct_remove_if(cache, match_none, NULL);
  return CT_OK;
}

static ct_status end_lifetime(ct_cache *cache, const char *key) {
  return ct_set_lifetime(cache, key, strlen(key), 0);
}

/* Leaves room for nothing, then for as much as before. */
static ct_status resize_to_none(ct_cache *cache, const char *key) {
  (void)key;
  const uint64_t maxsize = ct_maxsize(cache);
  const ct_status status = ct_resize(cache, 0);
  return status == CT_OK ? ct_resize(cache, maxsize) : status;
}

const key_call kInvalidations[] = {
    {"ct_set", set, CT_OK, kWritten, kOneKey},
    {"ct_set_with(IF_ABSENT)", set_if_absent, CT_OK, kWritten, kAbsentKey},
    {"ct_set_with(IF_PRESENT)", set_if_present, CT_MISS, NULL, kOneKey},
    {"ct_set_ttl(0)", set_without_life, CT_NOT_STORED, NULL, kOneKey},
    {"ct_set_with(DEADLINE)", set_until_the_beginning, CT_NOT_STORED, NULL, kOneKey},
    {"ct_set_with(WEIGHT)", set_too_large, CT_ERR_TOO_LARGE, NULL, kOneKey},
    {"ct_set_many", set_many, CT_OK, kWritten, kOneKey},
    {"ct_set_many(IF_PRESENT)", set_many_if_present, CT_MISS, NULL, kOneKey},
    {"ct_set_with(IF_SAME)", set_if_same, CT_MISS, NULL, kAbsentKey},
    {"ct_set_with(KEEP_TTL)", set_keeping_ttl, CT_OK, kWritten, kOneKey},
    {"ct_set_with(KEEP_TTL), dead", set_keeping_none, CT_NOT_STORED, NULL, kOneKey},
    {"ct_add", add, CT_OK, kCounted, kAbsentKey},
    {"ct_add(IF_PRESENT)", add_if_present, CT_MISS, NULL, kAbsentKey},
    {"ct_setdefault", setdefault, CT_OK, kWritten, kAbsentKey},
    {"ct_compute, stored", compute_a_value, CT_OK, kWritten, kOneKey},
    {"ct_compute, dead", compute_a_dead_value, CT_NOT_STORED, NULL, kOneKey},
    {"ct_compute, too large", compute_a_large_value, CT_ERR_TOO_LARGE, NULL, kOneKey},
    {"ct_compute, removed", compute_removal, CT_MISS, NULL, kOneKey},
    {"ct_delete", delete_it, CT_MISS, NULL, kOneKey},
    {"ct_delete_if", delete_if_same, CT_MISS, NULL, kAbsentKey},
    {"ct_pop", pop, CT_MISS, NULL, kOneKey},
    {"ct_clear", clear, CT_OK, NULL, kEveryKey},
    {"ct_remove_if, all", remove_all, CT_OK, NULL, kEveryKey},
    {"ct_remove_if, none", remove_none, CT_OK, NULL, kEveryKey},
    {"ct_set_lifetime(0)", end_lifetime, CT_MISS, NULL, kOneKey},
    {"ct_resize(0)", resize_to_none, CT_OK, NULL, kEveryKey},
};
const size_t kInvalidationCount = COUNT_OF(kInvalidations);

/* ---- Other calls ---------------------------------------------------------------------------- */

static ct_status get(ct_cache *cache, const char *key) {
  return ct_get(cache, key, strlen(key), NULL);
}

static ct_status peek(ct_cache *cache, const char *key) {
  return ct_peek(cache, key, strlen(key), NULL);
}

static ct_status set_too_long(ct_cache *cache, const char *key) {
  const size_t size = sizeof(size_t) < 8 ? 1 : (size_t)UINT32_MAX + 1;
  return sizeof(size_t) < 8 ? CT_ERR_TOO_LARGE : ct_set(cache, key, strlen(key), kWritten, size);
}

static ct_status set_invalid(ct_cache *cache, const char *key) {
  return set_with(cache, key, entry_with(.flags = CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT));
}

static ct_status set_another(ct_cache *cache, const char *key) {
  (void)key;
  return set(cache, "another");
}

static ct_status delete_another(ct_cache *cache, const char *key) {
  set_another(cache, key);
  return delete_it(cache, "another");
}

static ct_status lengthen_lifetime(ct_cache *cache, const char *key) {
  return ct_set_lifetime(cache, key, strlen(key), CT_NEVER);
}

static ct_status popitem(ct_cache *cache, const char *key) {
  (void)key;
  return ct_popitem(cache, NULL, NULL);
}

static ct_status expire(ct_cache *cache, const char *key) {
  (void)key;
  ct_expire(cache, CT_NOW, NULL, NULL);
  return CT_OK;
}

static ct_status resize(ct_cache *cache, const char *key) {
  (void)key;
  return ct_resize(cache, ct_maxsize(cache));
}

static ct_status reset_stats(ct_cache *cache, const char *key) {
  (void)key;
  return ct_cache_stats_reset(cache);
}

const key_call kOtherCalls[] = {
    {"ct_get", get, CT_MISS, NULL, kOneKey},
    {"ct_peek", peek, CT_MISS, NULL, kOneKey},
    {"ct_set, too long", set_too_long, CT_ERR_TOO_LARGE, NULL, kOneKey},
    {"ct_set_with, invalid", set_invalid, CT_ERR_INVALID, NULL, kOneKey},
    {"ct_set of another", set_another, CT_OK, NULL, kOneKey},
    {"ct_delete of another", delete_another, CT_OK, NULL, kOneKey},
    {"ct_compute, discarded", compute_and_discard, CT_NOT_STORED, NULL, kOneKey},
    {"ct_compute, left", compute_nothing, CT_NOT_STORED, NULL, kOneKey},
    {"ct_compute, failed", compute_a_failure, CT_ERR_IO, NULL, kOneKey},
    {"ct_set_lifetime", lengthen_lifetime, CT_MISS, NULL, kOneKey},
    {"ct_popitem", popitem, CT_MISS, NULL, kOneKey},
    {"ct_expire", expire, CT_OK, NULL, kOneKey},
    {"ct_resize", resize, CT_OK, NULL, kOneKey},
    {"ct_cache_stats_reset", reset_stats, CT_OK, NULL, kOneKey},
};
const size_t kOtherCallCount = COUNT_OF(kOtherCalls);
