/* SPDX-License-Identifier: MIT */
/* Policies of the caller: which functions of ct_policy_ops are called, and what happens if they
 * fail. */
#include "fixture.h"

/* ---- A policy that keeps a journal ---------------------------------------------------------- */

enum { kMaxIds = 64, kDeadId = 999999 };

/* A policy, first in, first out, that writes down each call: "insert a 1, hit a, remove a".
 * Callbacks may not assert, so it also writes down what must not happen. */
typedef struct journal {
  fixture f; /* first: the other callbacks take it for a fixture */
  char text[4096];
  char name[kMaxIds]; /* the key's first letter, by id; 0: no entry has this id */
  uint64_t age[kMaxIds];
  uint64_t inserted;
  unsigned live;
  unsigned victims;      /* how often a victim was asked for */
  unsigned good_victims; /* if failing is set: how many are good; those after them are dead_id */
  bool failing;
  uint32_t dead_id;
  bool with_time; /* also write down the time */
  bool broken;
} journal;

__attribute__((format(printf, 2, 3))) static void note(journal *it, const char *format, ...) {
  size_t used = strlen(it->text);
  if (used > 0) used += (size_t)snprintf(it->text + used, sizeof it->text - used, ", ");
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(it->text + used, sizeof it->text - used, format, arguments);
  va_end(arguments);
}

static void note_time(journal *it, uint64_t now) {
  const size_t used = strlen(it->text);
  if (it->with_time) {
    snprintf(it->text + used, sizeof it->text - used, " @%llu", (unsigned long long)now);
  }
}

static bool is_live(const journal *it, uint32_t id) {
  return id < kMaxIds && it->name[id] != 0;
}

static void journal_insert(void *state, uint32_t id, uint64_t weight, const void *key,
                           size_t key_size, uint64_t now) {
  journal *it = state;
  if (id >= kMaxIds || is_live(it, id) || key_size != 1) {
    it->broken = true;
    return;
  }
  it->name[id] = *(const char *)key;
  it->age[id] = it->inserted++;
  it->live++;
  note(it, "insert %c %llu", it->name[id], (unsigned long long)weight);
  note_time(it, now);
}

static void journal_update(void *state, uint32_t id, uint64_t weight, const void *key,
                           size_t key_size, uint64_t now) {
  journal *it = state;
  if (!is_live(it, id) || key_size != 1 || it->name[id] != *(const char *)key) {
    it->broken = true;
    return;
  }
  note(it, "update %c %llu", it->name[id], (unsigned long long)weight);
  note_time(it, now);
}

static void journal_reweigh(void *state, uint32_t id, uint64_t weight) {
  journal *it = state;
  if (!is_live(it, id)) {
    it->broken = true;
    return;
  }
  note(it, "reweigh %c %llu", it->name[id], (unsigned long long)weight);
}

static void journal_hit(void *state, uint32_t id, uint64_t now) {
  journal *it = state;
  if (!is_live(it, id)) {
    it->broken = true;
    return;
  }
  note(it, "hit %c", it->name[id]);
  note_time(it, now);
}

static void journal_remove(void *state, uint32_t id) {
  journal *it = state;
  if (!is_live(it, id)) {
    it->broken = true;
    return;
  }
  note(it, "remove %c", it->name[id]);
  it->name[id] = 0;
  it->live--;
}

static void journal_clear(void *state) {
  journal *it = state;
  note(it, "clear");
  memset(it->name, 0, sizeof it->name);
  it->live = 0;
}

static void journal_resize(void *state, uint64_t maxsize) {
  note(state, "resize %llu", (unsigned long long)maxsize);
}

static uint32_t journal_victim(void *state) {
  journal *it = state;
  if (it->live == 0) it->broken = true;
  it->victims++;
  if (it->failing) {
    if (it->good_victims == 0) return it->dead_id;
    it->good_victims--;
  }
  uint32_t oldest = kDeadId;
  for (uint32_t id = 0; id < kMaxIds; id++) {
    if (is_live(it, id) && (oldest == kDeadId || it->age[id] < it->age[oldest])) oldest = id;
  }
  return oldest;
}

static const ct_policy_ops kJournalOps = {
    .struct_size = sizeof(ct_policy_ops),
    .on_insert = journal_insert,
    .on_update = journal_update,
    .on_hit = journal_hit,
    .on_remove = journal_remove,
    .on_clear = journal_clear,
    .on_resize = journal_resize,
    .victim = journal_victim,
    .on_reweigh = journal_reweigh,
};

static ct_options journal_options(journal *it, uint64_t maxsize) {
  memset(it, 0, sizeof *it);
  ct_options options = fixture_options(&it->f, CT_POLICY_CUSTOM, maxsize);
  options.user_data = it; /* and the state, as there is no state_new */
  options.custom = &kJournalOps;
  return options;
}

static ct_cache *open_journal(journal *it, uint64_t maxsize) {
  const ct_options options = journal_options(it, maxsize);
  fixture_open(&it->f, &options);
  return it->f.cache;
}

static void close_journal(journal *it) {
  fixture_close(&it->f);
  assert_false(it->broken);
}

#define JOURNAL_TEST(name, maxsize) \
  TEST_IN(journal, it, name, open_journal(it, maxsize), close_journal(it))

/* Asserts what was written down since the last time, and clears the journal. */
static void assert_journal(journal *it, const char *expected) {
  assert_string_equal(expected, it->text);
  assert_false(it->broken);
  it->text[0] = '\0';
}

static void fill_journal(journal *it, const char *keys) {
  for (; *keys != '\0'; keys++) assert_status(CT_OK, ct_set(it->f.cache, keys, 1, "1", 1));
  it->text[0] = '\0';
}

/* ---- Which calls are made ------------------------------------------------------------------- */

JOURNAL_TEST(set_inserts_or_updates, 9) {
  ct_cache *const cache = it->f.cache;
  assert_status(CT_OK, set_text(cache, "a", "1"));
  assert_journal(it, "insert a 1");
  assert_status(CT_OK, set_text(cache, "a", "2"));
  assert_journal(it, "update a 1");
  assert_status(CT_OK, set_text_weight(cache, "a", "3", 4));
  assert_journal(it, "update a 4");
  assert_status(CT_OK, set_text_weight(cache, "b", "1", 0));
  assert_journal(it, "insert b 0");
  const size_t ends[] = {1, 2, 3, 4};
  assert_status(CT_OK, ct_set_many(cache, "b2c1", ends, 2, NULL, NULL));
  assert_journal(it, "update b 1, insert c 1");
}

/* Gives an entry its first lifetime, in a cache of that weight_kind, then a second one. Returns
 * what the entry weighs then. */
static uint64_t give_lifetime(journal *it, int32_t weight_kind, const ct_policy_ops *ops) {
  ct_options options = journal_options(it, 4000);
  options.weight_kind = weight_kind;
  options.custom = ops;
  fixture_open(&it->f, &options);
  fill_journal(it, "ab");
  set_now(&it->f, 7);
  it->with_time = true;
  assert_status(CT_OK, ct_set_lifetime(it->f.cache, "a", 1, 10));
  assert_status(CT_OK, ct_set_lifetime(it->f.cache, "a", 1, 20));
  return info_of(it->f.cache, "a").weight;
}

/* Room for a lifetime is memory, so it counts where memory is weighed. */
TEST(first_lifetime_that_weighs_is_told) {
  journal it;
  char expected[40];
  ct_policy_ops ops = kJournalOps;
  uint64_t weight = give_lifetime(&it, CT_WEIGHT_MEMORY, &ops);
  assert_int_equal(weight, ct_currsize(it.f.cache) - info_of(it.f.cache, "b").weight);
  assert_true(weight > info_of(it.f.cache, "b").weight);
  snprintf(expected, sizeof expected, "reweigh a %llu", (unsigned long long)weight);
  assert_journal(&it, expected);
  close_journal(&it);

  ops.on_reweigh = NULL;
  weight = give_lifetime(&it, CT_WEIGHT_MEMORY, &ops);
  snprintf(expected, sizeof expected, "update a %llu @7", (unsigned long long)weight);
  assert_journal(&it, expected);
  close_journal(&it);

  ops.on_update = NULL;
  give_lifetime(&it, CT_WEIGHT_MEMORY, &ops);
  assert_journal(&it, "");
  close_journal(&it);
}

TEST(lifetime_that_weighs_nothing_is_not_told) {
  static const int32_t kKinds[] = {CT_WEIGHT_COUNT, CT_WEIGHT_VALUE};
  for (size_t i = 0; i < 2; i++) {
    journal it;
    assert_int_equal(1, give_lifetime(&it, kKinds[i], &kJournalOps));
    assert_journal(&it, "");
    close_journal(&it);
  }
}

JOURNAL_TEST(each_use_is_one_hit, 9) {
  ct_cache *const cache = it->f.cache;
  fill_journal(it, "ab");
  assert_status(CT_OK, use_text(cache, "a"));
  assert_journal(it, "hit a");
  char buffer[4];
  assert_status(CT_OK, ct_get_copy(cache, "b", 1, buffer, sizeof buffer, NULL));
  assert_journal(it, "hit b");
  assert_status(CT_OK, ct_setdefault(cache, "a", 1, "x", 1, NULL));
  assert_journal(it, "hit a");
  assert_status(CT_OK, ct_setdefault(cache, "c", 1, "x", 1, NULL));
  assert_journal(it, "insert c 1");
  const ct_bytes keys[] = {{"b", 1}, {"x", 1}, {"a", 1}, {"b", 1}};
  ct_value values[4];
  ct_status statuses[4];
  assert_status(CT_OK, ct_get_many(cache, keys, 4, values, statuses));
  for (unsigned i = 0; i < 4; i++) ct_value_release(&values[i]);
  assert_journal(it, "hit b, hit a, hit b");
  const size_t ends[] = {1, 2};
  size_t value_ends[2];
  assert_status(
      CT_OK, ct_get_many_copy(cache, "ca", ends, 2, buffer, sizeof buffer, value_ends, statuses));
  assert_journal(it, "hit c, hit a");
}

JOURNAL_TEST(quiet_calls_and_failures_reach_no_policy, 9) {
  ct_cache *const cache = it->f.cache;
  fill_journal(it, "ab");
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  assert_status(CT_MISS, use_text(cache, "x"));
  assert_status(CT_OK, ct_peek(cache, "a", 1, NULL));
  assert_true(has_text(cache, "a"));
  (void)info_of(cache, "a");
  assert_status(CT_ERR_BUFFER, ct_get_copy(cache, "a", 1, NULL, 0, NULL));
  assert_status(CT_OK, ct_set_lifetime(cache, "a", 1, CT_NEVER));
  options.flags = CT_ENTRY_IF_ABSENT;
  assert_status(CT_EXISTS, set_text_with(cache, "a", "2", &options));
  options.flags = CT_ENTRY_IF_PRESENT;
  assert_status(CT_MISS, set_text_with(cache, "x", "2", &options));
  assert_status(CT_ERR_TOO_LARGE, set_text_weight(cache, "a", "2", 10));
  assert_status(CT_NOT_STORED, set_text_ttl(cache, "x", "2", 0));
  assert_status(CT_MISS, delete_text(cache, "x"));
  ct_iter *iter = NULL;
  assert_status(CT_OK, ct_iter_new(cache, CT_ORDER_ANY, &iter));
  while (ct_iter_next(iter, NULL, NULL) == CT_OK) {
  }
  ct_iter_free(iter);
  assert_int_equal(2, ct_len(cache));
  assert_journal(it, "");
  assert_int_equal(0, it->victims);
}

static bool match_b(void *user_data, const void *key, size_t key_size, const void *value,
                    size_t value_size) {
  (void)user_data, (void)key_size, (void)value, (void)value_size;
  return *(const char *)key == 'b';
}

JOURNAL_TEST(every_single_departure_is_one_remove, 9) {
  ct_cache *const cache = it->f.cache;
  fill_journal(it, "abcdefg");
  assert_status(CT_OK, delete_text(cache, "c"));
  assert_journal(it, "remove c");
  assert_status(CT_OK, ct_pop(cache, "d", 1, NULL));
  assert_journal(it, "remove d");
  assert_status(CT_OK, ct_popitem(cache, NULL, NULL));
  assert_journal(it, "remove a");
  assert_int_equal(1, ct_remove_if(cache, match_b, NULL));
  assert_journal(it, "remove b");
  assert_status(CT_NOT_STORED, set_text_ttl(cache, "e", "2", 0));
  assert_journal(it, "remove e");
  assert_status(CT_OK, ct_set_lifetime(cache, "f", 1, 0));
  assert_journal(it, "remove f");
}

JOURNAL_TEST(room_is_made_before_the_insert, 3) {
  ct_cache *const cache = it->f.cache;
  fill_journal(it, "abc");
  assert_status(CT_OK, set_text_weight(cache, "d", "1", 2));
  assert_journal(it, "remove a, remove b, insert d 2");
  assert_told(&it->f, "EVICTED a=1, EVICTED b=1");
  assert_status(CT_OK, set_text_weight(cache, "d", "2", 3));
  assert_journal(it, "remove c, update d 3");
  assert_told(&it->f, "EVICTED c=1, REPLACED d=1");
}

JOURNAL_TEST(growing_entry_chosen_as_victim_is_removed_then_inserted, 3) {
  ct_cache *const cache = it->f.cache;
  fill_journal(it, "abc");
  assert_status(CT_OK, set_text_weight(cache, "a", "2", 2));
  assert_journal(it, "remove a, remove b, insert a 2");
  assert_told(&it->f, "EVICTED a=1, EVICTED b=1");
  assert_int_equal(2, ct_len(cache));
}

JOURNAL_TEST(expired_entries_leave_without_asking_for_a_victim, 3) {
  ct_cache *const cache = it->f.cache;
  fill_journal(it, "a");
  assert_status(CT_OK, set_text_ttl(cache, "b", "1", 5));
  assert_status(CT_OK, set_text_ttl(cache, "c", "1", 5));
  set_now(&it->f, 5);
  it->text[0] = '\0';
  assert_status(CT_OK, set_text(cache, "d", "1"));
  assert_status(CT_OK, set_text(cache, "e", "1"));
  assert_int_equal(0, it->victims);
  assert_int_equal(3, it->live);
  assert_int_equal(3, ct_len(cache));
}

JOURNAL_TEST(write_over_an_expired_entry_is_remove_and_insert, 3) {
  ct_cache *const cache = it->f.cache;
  assert_status(CT_OK, set_text_ttl(cache, "a", "1", 5));
  set_now(&it->f, 5);
  it->text[0] = '\0';
  assert_status(CT_OK, set_text(cache, "a", "2"));
  assert_journal(it, "remove a, insert a 1");
}

TEST(calls_are_given_the_time) {
  journal it;
  ct_options options = journal_options(&it, 3);
  options.ttl = 100;
  it.with_time = true;
  fixture_open(&it.f, &options);
  set_now(&it.f, 7);
  assert_status(CT_OK, set_text(it.f.cache, "a", "1"));
  set_now(&it.f, 8);
  assert_status(CT_OK, use_text(it.f.cache, "a"));
  set_now(&it.f, 9);
  assert_status(CT_OK, set_text(it.f.cache, "a", "2"));
  assert_journal(&it, "insert a 1 @7, hit a @8, update a 1 @9");
  close_journal(&it);
}

JOURNAL_TEST(clear_is_told_at_once, 9) {
  ct_cache *const cache = it->f.cache;
  fill_journal(it, "abc");
  assert_status(CT_OK, ct_clear(cache));
  assert_journal(it, "clear");
  fill_journal(it, "ca");
  assert_int_equal(2, it->live);
  assert_status(CT_OK, ct_popitem(cache, NULL, NULL));
  assert_journal(it, "remove c");
}

TEST(clear_without_on_clear_removes_each) {
  journal it;
  ct_options options = journal_options(&it, 9);
  ct_policy_ops ops = kJournalOps;
  ops.on_clear = NULL;
  options.custom = &ops;
  fixture_open(&it.f, &options);
  memset(&ops, 0, sizeof ops); /* it was copied */
  fill_journal(&it, "abcd");
  assert_status(CT_OK, delete_text(it.f.cache, "b"));
  assert_status(CT_OK, ct_clear(it.f.cache));
  assert_int_equal(0, it.live);
  fill_journal(&it, "xyz");
  assert_int_equal(3, it.live);
  close_journal(&it);
}

JOURNAL_TEST(resize_is_told_before_victims_go, 9) {
  ct_cache *const cache = it->f.cache;
  fill_journal(it, "abcd");
  assert_status(CT_OK, ct_resize(cache, 2));
  assert_journal(it, "resize 2, remove a, remove b");
  assert_status(CT_OK, ct_resize(cache, CT_UNBOUNDED));
  assert_journal(it, "resize 18446744073709551615");
}

TEST(optional_calls_may_be_missing) {
  journal it;
  ct_options options = journal_options(&it, 3);
  const ct_policy_ops ops = {.struct_size = sizeof ops,
                             .on_insert = journal_insert,
                             .on_remove = journal_remove,
                             .victim = journal_victim};
  options.custom = &ops;
  fixture_open(&it.f, &options);
  fill_journal(&it, "abcda");
  assert_status(CT_OK, use_text(it.f.cache, "a"));
  assert_status(CT_OK, set_text(it.f.cache, "a", "2"));
  assert_status(CT_OK, ct_resize(it.f.cache, 2));
  assert_status(CT_OK, ct_clear(it.f.cache));
  assert_int_equal(0, it.live);
  close_journal(&it);
}

TEST(missing_required_calls_are_invalid) {
  for (unsigned missing = 0; missing < 4; missing++) {
    journal it;
    ct_options options = journal_options(&it, 3);
    ct_policy_ops ops = kJournalOps;
    if (missing == 0) ops.on_insert = NULL;
    if (missing == 1) ops.on_remove = NULL;
    if (missing == 2) ops.victim = NULL;
    options.custom = missing == 3 ? NULL : &ops;
    ct_cache *cache = (ct_cache *)&it;
    assert_non_null(ct_options_problem(&options));
    assert_non_null(strstr(ct_options_problem(&options), "custom"));
    assert_status(CT_ERR_INVALID, ct_cache_new_with(&options, &cache));
    assert_null(cache);
  }
  assert_null(ct_cache_new(CT_POLICY_CUSTOM, 3));
}

JOURNAL_TEST(order_of_a_custom_policy_cannot_be_walked, 3) {
  ct_cache *const cache = it->f.cache;
  fill_journal(it, "abc");
  for (int32_t order = CT_ORDER_COLDEST; order <= CT_ORDER_HOTTEST; order++) {
    ct_iter *iter = (ct_iter *)it;
    assert_status(CT_ERR_UNSUPPORTED, ct_iter_new(cache, order, &iter));
    assert_null(iter);
  }
}

JOURNAL_TEST(ids_are_small_and_used_again_only_after_leaving, 10) {
  ct_cache *const cache = it->f.cache;
  uint64_t random = test_seed();
  for (unsigned step = 0; step < 5000; step++) {
    const char key[] = {(char)('a' + test_random_below(&random, 26)), '\0'};
    switch (test_random_below(&random, 64)) {
      case 0:
        assert_status(CT_OK, ct_clear(cache));
        break;
      case 1:
      case 2:
      case 3:
        (void)delete_text(cache, key);
        break;
      default:
        assert_status(CT_OK, set_text_weight(cache, key, "1", 1 + test_random_below(&random, 2)));
        break;
    }
    it->text[0] = '\0';
    it->f.log[0] = '\0';
    /* An id of 64 or more, or one still in use, would have broken the journal. */
    assert_false(it->broken);
    assert_int_equal(it->live, ct_len(cache));
  }
}

/* ---- States --------------------------------------------------------------------------------- */

/* Counts states, and fails to make the one numbered fail_at. */
typedef struct states {
  unsigned made;
  unsigned freed;
  unsigned fail_at;
  uint64_t maxsize;
} states;

typedef struct numbered_state {
  states *of;
  uint32_t last; /* the id inserted last, which serves as the victim */
} numbered_state;

static void *numbered_new(void *user_data, uint64_t maxsize) {
  states *all = user_data;
  all->maxsize = maxsize;
  if (all->made == all->fail_at) return NULL;
  numbered_state *state = malloc(sizeof *state);
  if (state == NULL) abort();
  *state = (numbered_state){all, 0};
  all->made++;
  return state;
}

static void numbered_free(void *state) {
  ((numbered_state *)state)->of->freed++;
  free(state);
}

static void numbered_insert(void *state, uint32_t id, uint64_t weight, const void *key,
                            size_t key_size, uint64_t now) {
  (void)weight, (void)key, (void)key_size, (void)now;
  ((numbered_state *)state)->last = id;
}

static void numbered_remove(void *state, uint32_t id) {
  (void)state, (void)id;
}

static uint32_t numbered_victim(void *state) {
  return ((numbered_state *)state)->last;
}

static const ct_policy_ops kNumberedOps = {
    .struct_size = sizeof(ct_policy_ops),
    .state_new = numbered_new,
    .state_free = numbered_free,
    .on_insert = numbered_insert,
    .on_remove = numbered_remove,
    .victim = numbered_victim,
};

static ct_options numbered_options(states *all, test_allocator *allocator, uint32_t shards) {
  *all = (states){.fail_at = UINT32_MAX};
  test_allocator_init(allocator);
  ct_options options = CT_OPTIONS_INIT;
  options.policy = CT_POLICY_CUSTOM;
  options.maxsize = 100;
  options.shards = shards;
  options.user_data = all;
  options.custom = &kNumberedOps;
  options.allocator = &allocator->hooks;
  return options;
}

TEST(each_shard_has_a_state) {
  for (uint32_t shards = 1; shards <= 16; shards *= 4) {
    states all;
    test_allocator allocator;
    const ct_options options = numbered_options(&all, &allocator, shards);
    ct_cache *cache = new_cache(&options);
    assert_int_equal(shards, all.made);
    assert_int_equal(100, all.maxsize);
    for (uint64_t i = 0; i < 100; i++) assert_status(CT_OK, set_number(cache, i, "1", 1));
    assert_status(CT_OK, ct_clear(cache));
    assert_int_equal(0, all.freed);
    ct_cache_free(cache);
    assert_int_equal(shards, all.made);
    assert_int_equal(shards, all.freed);
    assert_int_equal(0, allocator.blocks);
  }
}

TEST(state_that_cannot_be_made_is_no_memory) {
  for (unsigned fail_at = 0; fail_at < 4; fail_at++) {
    states all;
    test_allocator allocator;
    const ct_options options = numbered_options(&all, &allocator, 4);
    all.fail_at = fail_at;
    ct_cache *cache = (ct_cache *)&all;
    assert_status(CT_ERR_NOMEM, ct_cache_new_with(&options, &cache));
    assert_null(cache);
    assert_int_equal(fail_at, all.made);
    assert_int_equal(fail_at, all.freed);
    assert_int_equal(0, allocator.blocks);
  }
}

/* ---- Victims that are dead ------------------------------------------------------------------ */

static void open_failing(journal *it, unsigned good_victims) {
  open_journal(it, 4);
  fill_journal(it, "abcd");
  it->failing = true;
  it->good_victims = good_victims;
  it->dead_id = kDeadId;
}

#define FAILING_TEST(name, good_victims) \
  TEST_IN(journal, it, name, open_failing(it, good_victims), close_journal(it))

static void mend(journal *it) {
  it->failing = false;
}

FAILING_TEST(set_with_a_dead_victim_fails_after_earlier_victims, 2) {
  assert_status(CT_ERR_CALLBACK, set_text_weight(it->f.cache, "e", "1", 3));
  assert_journal(it, "remove a, remove b");
  assert_told(&it->f, "EVICTED a=1, EVICTED b=1");
  assert_false(has_text(it->f.cache, "e"));
  assert_int_equal(2, ct_len(it->f.cache));
  assert_int_equal(2, ct_currsize(it->f.cache));
  assert_text_quietly(it->f.cache, "c", "1");

  mend(it);
  assert_status(CT_OK, set_text_weight(it->f.cache, "e", "1", 3));
  assert_told(&it->f, "EVICTED c=1");
  assert_int_equal(2, ct_len(it->f.cache));
}

FAILING_TEST(update_with_a_dead_victim_keeps_the_old_value, 1) {
  assert_status(CT_ERR_CALLBACK, set_text_weight(it->f.cache, "c", "2", 3));
  assert_told(&it->f, "EVICTED a=1");
  assert_text_quietly(it->f.cache, "c", "1");
  assert_int_equal(3, ct_currsize(it->f.cache));
  mend(it);
  assert_status(CT_OK, set_text_weight(it->f.cache, "c", "2", 3));
  assert_told(&it->f, "EVICTED b=1, REPLACED c=1");
}

FAILING_TEST(setdefault_with_a_dead_victim_hands_nothing_out, 0) {
  ct_value value = poisoned_value();
  assert_status(CT_ERR_CALLBACK, ct_setdefault(it->f.cache, "e", 1, "1", 1, &value));
  assert_holds_nothing(value);
  assert_told(&it->f, "");
  assert_int_equal(4, ct_len(it->f.cache));
}

FAILING_TEST(popitem_with_a_dead_victim_removes_nothing, 1) {
  assert_status(CT_OK, ct_popitem(it->f.cache, NULL, NULL));
  assert_told(&it->f, "EVICTED a=1");
  ct_value key = poisoned_value(), value = poisoned_value();
  assert_status(CT_ERR_CALLBACK, ct_popitem(it->f.cache, &key, &value));
  assert_holds_nothing(key);
  assert_holds_nothing(value);
  assert_told(&it->f, "");
  assert_int_equal(3, ct_len(it->f.cache));
}

FAILING_TEST(resize_with_a_dead_victim_sets_the_limit, 1) {
  assert_status(CT_ERR_CALLBACK, ct_resize(it->f.cache, 2));
  assert_told(&it->f, "EVICTED a=1");
  assert_int_equal(2, ct_maxsize(it->f.cache));
  mend(it);
  assert_status(CT_OK, set_text(it->f.cache, "e", "1"));
  assert_told(&it->f, "EVICTED b=1, EVICTED c=1");
  assert_int_equal(2, ct_len(it->f.cache));
  assert_int_equal(2, ct_currsize(it->f.cache));
}

FAILING_TEST(id_of_an_entry_that_left_is_dead, 0) {
  uint32_t id = 0;
  while (it->name[id] != 'b') id++;
  assert_status(CT_OK, delete_text(it->f.cache, "b"));
  it->dead_id = id;
  assert_told(&it->f, "REMOVED b=1");
  assert_status(CT_ERR_CALLBACK, ct_popitem(it->f.cache, NULL, NULL));
  assert_status(CT_ERR_CALLBACK, set_text_weight(it->f.cache, "e", "1", 2));
  assert_told(&it->f, "");
  assert_int_equal(3, ct_len(it->f.cache));
}

TEST(dead_victim_of_another_shard_fails_the_set) {
  journal it;
  ct_options options = journal_options(&it, 1);
  options.shards = 2;
  fixture_open(&it.f, &options);
  it.failing = true;
  it.dead_id = kDeadId;
  assert_status(CT_OK, set_text(it.f.cache, "a", "1"));
  /* Half of these keys belong to the empty shard, which has to ask the other shard for a victim. */
  for (char key = 'b'; key <= 'z'; key++)
    assert_status(CT_ERR_CALLBACK, ct_set(it.f.cache, &key, 1, "2", 1));
  assert_told(&it.f, "");
  assert_text_quietly(it.f.cache, "a", "1");
  assert_int_equal(1, ct_currsize(it.f.cache));
  close_journal(&it);
}
