/* SPDX-License-Identifier: MIT */
/* Faults that were found by other means than the tests, one test each; the comment says what went
 * wrong. */
#include "fixture.h"

static void clear_in_visit(void *user_data, const ct_event *event) {
  char text[8];
  memcpy(text, event->value.data, event->value.size);
  assert_status(CT_OK, ct_clear(user_data));
  assert_memory_equal(text, event->value.data, event->value.size);
}

/* In a cache with neither listener nor drop, ct_clear freed all memory of the store at once,
 * even that of entries that ct_expire was still to show. */
TEST(clear_in_a_visit_leaves_what_is_still_to_be_shown) {
  manual_clock clock = {0};
  ct_cache *cache = cache_of(.maxsize = 100, .timer = manual_clock_read, .user_data = &clock);
  for (char key = 'a'; key < 'f'; key++)
    assert_status(CT_OK, ct_set_ttl(cache, &key, 1, "value", 5, 10));
  clock.now = 10;
  assert_int_equal(5, ct_expire(cache, CT_NOW, clear_in_visit, cache));
  assert_int_equal(0, ct_len(cache));
  ct_cache_free(cache);
}

typedef struct holder {
  ct_value held;
  int drops;
} holder;

static void release_held(void *user_data, const void *value, size_t value_size) {
  (void)value, (void)value_size;
  holder *self = user_data;
  self->drops++;
  ct_value_release(&self->held);
}

/* ct_cache_free called drop under the shard's lock, so drop could not release a value of the
 * same cache. */
TEST(drop_releases_a_value_of_the_cache_that_is_being_freed) {
  holder self = {.held = CT_VALUE_INIT};
  ct_cache *cache = cache_of(.maxsize = 10, .drop = release_held, .user_data = &self);
  assert_status(CT_OK, set_text(cache, "holder", "1"));
  assert_status(CT_OK, set_text(cache, "held", "2"));
  assert_status(CT_OK, ct_get(cache, "held", 4, &self.held));
  ct_cache_free(cache);
  assert_int_equal(2, self.drops);
}

/* The library read as far beyond the known part of a struct as the struct's size said, however
 * large that was. */
TEST(absurd_struct_size_is_refused_unread) {
  ct_options options = CT_OPTIONS_INIT;
  options.struct_size = SIZE_MAX;
  assert_non_null(ct_options_problem(&options));
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 1);
  ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
  entry.struct_size = 4097;
  assert_status(CT_ERR_INVALID, ct_set_with(cache, "k", 1, "v", 1, &entry));
  ct_stats stats = CT_STATS_INIT;
  stats.struct_size = SIZE_MAX / 2;
  assert_status(CT_ERR_INVALID, ct_cache_stats(cache, &stats));
  ct_cache_free(cache);
}

static bool set_lifetime_and_match(void *user_data, const void *key, size_t key_size,
                                   const void *value, size_t value_size) {
  (void)value, (void)value_size;
  assert_status(CT_OK, ct_set_lifetime(user_data, key, key_size, 1000000000));
  return true;
}

/* A first lifetime moves the entry, and ct_remove_if took that for a write. */
TEST(remove_if_removes_what_was_given_a_lifetime_meanwhile) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  for (char key = 'a'; key < 'f'; key++) assert_status(CT_OK, ct_set(cache, &key, 1, "v", 1));
  assert_int_equal(5, ct_remove_if(cache, set_lifetime_and_match, cache));
  assert_int_equal(0, ct_len(cache));
  ct_cache_free(cache);
}

static void append_key(void *user_data, const ct_event *event) {
  strncat(user_data, event->key.data, event->key.size);
}

/* An entry that was filed while the clock had gone back came due first, even if a use had since
 * moved its deadline beyond those of others. */
TEST(uses_and_a_clock_that_went_back_leave_entries_due_in_order) {
  manual_clock clock = {1000};
  ct_cache *cache =
      cache_of(.maxsize = 10, .tti = 100, .timer = manual_clock_read, .user_data = &clock);
  assert_status(CT_OK, set_text(cache, "a", "filed at 1100"));
  clock.now = 1050;
  assert_int_equal(1, ct_len(cache));
  assert_status(CT_OK, set_text(cache, "b", "filed at 1150"));
  clock.now = 900;
  assert_status(CT_OK, set_text(cache, "c", "filed at 1000, in the past"));
  clock.now = 990;
  assert_status(CT_OK, ct_get(cache, "c", 1, NULL));
  clock.now = 1089;
  assert_status(CT_OK, ct_get(cache, "c", 1, NULL));
  char order[8] = "";
  clock.now = 2000;
  assert_int_equal(3, ct_expire(cache, CT_NOW, append_key, order));
  assert_string_equal("abc", order);
  ct_cache_free(cache);
}

static ct_status discard_large(void *user_data, const void *key, size_t key_size,
                               const ct_bytes *old, ct_result *result) {
  (void)user_data, (void)key, (void)key_size, (void)old;
  static const char large[20000];
  ct_result_discard(result);
  return ct_result_set(result, large, sizeof(large));
}

/* A large value that was both too heavy and discarded was handed back before it had been copied. */
TEST(large_value_that_is_discarded_is_handed_back) {
  ct_cache *cache = cache_of(.maxsize = 1000, .weight_kind = CT_WEIGHT_VALUE);
  ct_value out = CT_VALUE_INIT;
  assert_status(CT_NOT_STORED, ct_compute(cache, "k", 1, discard_large, NULL, &out));
  assert_int_equal(20000, out.size);
  ct_value_release(&out);
  assert_status(CT_NOT_STORED, ct_compute(cache, "k", 1, discard_large, NULL, NULL));
  ct_cache_free(cache);
}

/* For a key of no bytes, NULL went into memcmp if the entry's value was large. */
TEST(empty_key_of_a_large_value_is_found_in_a_batch) {
  static const char large[20000];
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 8);
  assert_status(CT_OK, ct_set(cache, NULL, 0, large, sizeof(large)));
  const ct_bytes key = {NULL, 0};
  ct_value value;
  ct_status status;
  assert_status(CT_OK, ct_get_many(cache, &key, 1, &value, &status));
  assert_int_equal(sizeof(large), value.size);
  ct_value_release(&value);
  ct_cache_free(cache);
}

typedef struct recursion {
  ct_cache *cache;
  int depth;
} recursion;

static ct_status delete_and_load_again(void *user_data, const void *key, size_t key_size,
                                       ct_result *result) {
  recursion *self = user_data;
  assert_int_equal(1, ++self->depth);
  assert_status(CT_MISS, ct_delete(self->cache, key, key_size));
  assert_status(CT_ERR_RECURSION,
                ct_get_or_load(self->cache, key, key_size, delete_and_load_again, self, NULL));
  return ct_result_set(result, "v", 1);
}

/* A loader that deleted its own key could load the key again, without end. */
TEST(recursion_is_noticed_after_the_flight_was_overtaken) {
  recursion self = {.cache = ct_cache_new(CT_POLICY_LRU, 8)};
  assert_status(CT_OK, ct_get_or_load(self.cache, "k", 1, delete_and_load_again, &self, NULL));
  ct_cache_free(self.cache);
}

typedef struct aging {
  fixture f;
  int calls;
} aging;

static ct_status outlive_and_remove(void *user_data, const void *key, size_t key_size,
                                    const ct_bytes *old, ct_result *result) {
  (void)key, (void)key_size, (void)result;
  aging *self = user_data;
  self->calls++;
  assert_true((old != NULL) == (self->calls == 1));
  self->f.clock.now += 10;
  return CT_MISS;
}

/* An entry that expired while a compute ran was removed as if it had not expired. */
TEST(entry_that_expires_while_compute_runs_is_not_removed_by_it) {
  aging self = {.calls = 0};
  open_fixture(&self.f, .maxsize = 8, .ttl = 10);
  assert_status(CT_OK, set_text(self.f.cache, "k", "v"));
  assert_status(CT_MISS, ct_compute(self.f.cache, "k", 1, outlive_and_remove, &self, NULL));
  assert_int_equal(2, self.calls);
  assert_int_equal(0, ct_len(self.f.cache));
  assert_told(&self.f, "EXPIRED k=v");
  fixture_close(&self.f);
}

static ct_status fail_after_bad_text(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self, (void)args;
  ct_key_text(key, "\xff", 1);
  return (ct_status)1005;
}

static ct_status never_called(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self, (void)args, (void)result;
  fail();
  return CT_OK;
}

/* A mistake in the key hid the status of the function that had made it. */
TEST(status_of_a_key_function_comes_before_the_keys_own) {
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.fn = never_called;
  options.key = fail_after_bad_text;
  ct_memo *memo = NULL;
  assert_status(CT_OK, ct_memo_new(&options, &memo));
  assert_int_equal(1005, ct_memo_call(memo, NULL, NULL, NULL));
  ct_memo_free(memo);
}

/* ---- Entries that have moved to a block with a place for a lifetime ------------------------- */

/* A value that had moved was told from another one by its bytes. */
typedef struct mover {
  ct_cache *cache;
  bool stores; /* the same bytes once more, which are another value */
  ct_status answer;
  int calls;
} mover;

static ct_status move_then_answer(void *user_data, const void *key, size_t key_size,
                                  const ct_bytes *old, ct_result *result) {
  mover *self = user_data;
  (void)old;
  ct_result_set(result, "2", 1);
  if (self->calls++ != 0) return self->answer;
  ct_set_lifetime(self->cache, key, key_size, CT_SECONDS(60));
  if (self->stores) ct_set(self->cache, key, key_size, "1", 1);
  return self->answer;
}

TEST(compute_knows_the_value_that_it_saw_after_a_move) {
  static const ct_status answers[] = {CT_OK, CT_MISS};
  for (int stores = 0; stores < 2; stores++) {
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
      mover self = {cache_of(.maxsize = 8), stores != 0, answers[i], 0};
      set_text(self.cache, "a", "1");
      assert_status(answers[i], ct_compute(self.cache, "a", 1, move_then_answer, &self, NULL));
      assert_int_equal(stores + 1, self.calls);
      ct_cache_free(self.cache);
    }
  }
}

static bool move_and_match(void *user_data, const void *key, size_t key_size, const void *value,
                           size_t value_size) {
  (void)value, (void)value_size;
  ct_set_lifetime(user_data, key, key_size, CT_SECONDS(60));
  if (*(const char *)key == 'b') set_text(user_data, "b", "1");
  return true;
}

TEST(remove_if_leaves_the_same_bytes_that_were_stored_after_a_move) {
  ct_cache *cache = cache_of(.maxsize = 8);
  set_text(cache, "a", "1");
  set_text(cache, "b", "1");
  assert_int_equal(1, ct_remove_if(cache, move_and_match, cache));
  assert_text(cache, "a", NULL);
  assert_text(cache, "b", "1");
  ct_cache_free(cache);
}

static ct_status move_and_discard(void *user_data, const void *key, size_t key_size,
                                  ct_result *result) {
  ct_set_lifetime(user_data, key, key_size, CT_SECONDS(60));
  ct_result_discard(result);
  return ct_result_set(result, "2", 1);
}

/* A forced load whose value was not kept left the old value where it had moved to. */
TEST(load_removes_a_value_that_has_moved_meanwhile) {
  ct_cache *cache = cache_of(.maxsize = 8);
  set_text(cache, "a", "1");
  ct_load_options forces = CT_LOAD_OPTIONS_INIT;
  forces.flags = CT_LOAD_FORCE;
  assert_status(CT_OK, ct_get_or_load_with(cache, "a", 1, move_and_discard, cache, &forces, NULL));
  assert_text(cache, "a", NULL);
  ct_cache_free(cache);
}

enum { kSaved = 200 };

typedef struct saver {
  ct_cache *cache;
  unsigned char *bytes;
  size_t size, at;
} saver;

static ct_status keep_bytes(void *user_data, const void *data, size_t size) {
  saver *self = user_data;
  /* Some entries have been written by now, but not the last one. */
  const bool is_first_frame = self->size < 1000 && size > 1000;
  if (is_first_frame) {
    for (uint64_t key = 0; key < kSaved; key++)
      ct_set_lifetime(self->cache, &key, sizeof key, CT_SECONDS(60));
  }
  self->bytes = realloc(self->bytes, self->size + size);
  memcpy(self->bytes + self->size, data, size);
  self->size += size;
  return CT_OK;
}

static ct_status give_bytes(void *user_data, void *data, size_t capacity, size_t *size) {
  saver *self = user_data;
  *size = self->size - self->at < capacity ? self->size - self->at : capacity;
  memcpy(data, self->bytes + self->at, *size);
  self->at += *size;
  return CT_OK;
}

/* An entry that moved while a snapshot was saved was saved without its lifetime. */
TEST(snapshot_has_the_lifetime_of_an_entry_that_has_moved_meanwhile) {
  static const char value[2000];
  saver self = {.cache = cache_of(.maxsize = 1000)};
  for (uint64_t key = 0; key < kSaved; key++)
    ct_set(self.cache, &key, sizeof key, value, sizeof value);
  assert_status(CT_OK, ct_snapshot_save(self.cache, keep_bytes, &self));
  ct_cache_free(self.cache);
  ct_cache *loaded = cache_of(.maxsize = 1000);
  assert_status(CT_OK, ct_snapshot_load(loaded, give_bytes, &self));
  int immortal = 0;
  for (uint64_t key = 0; key < kSaved; key++) {
    ct_entry_info info = CT_ENTRY_INFO_INIT;
    assert_status(CT_OK, ct_inspect(loaded, &key, sizeof key, &info));
    immortal += info.deadline == CT_NEVER;
  }
  /* Those of the first frame were saved before they had one. */
  assert_in_range(immortal, 1, (1 << 16) / sizeof value + 1);
  ct_cache_free(loaded);
  free(self.bytes);
}
