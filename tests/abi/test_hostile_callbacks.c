/* SPDX-License-Identifier: MIT */
/* Hostile callbacks: they call back into the cache, free what the call does not use, answer
 * differently each time, and report impossible times. The cache must stay whole. */
#include "kinds.h"

/* ---- Callbacks that call back --------------------------------------------------------------- */

enum caller { kFromListener, kFromWeigher, kFromTtu, kFromMatch, kFromVisit, kFromDrop, kCallers };

typedef struct hostile {
  manual_clock clock;
  ct_cache *cache;
  enum caller caller; /* the callback that calls back */
  int depth;
  uint64_t random;
  uint64_t calls;
  uint64_t causes[5];
  uint64_t drops;
  bool freeing; /* the cache is being freed, so callbacks no longer call back */
  bool told_after_free;
} hostile;

static void call_back(hostile *h, enum caller caller) {
  if (h->caller != caller || h->depth == kDeepest || h->freeing || h->cache == NULL) return;
  h->depth++;
  h->calls++;
  if (test_random_below(&h->random, 10) == 0)
    ct_resize(h->cache, 1 + test_random_below(&h->random, 40));
  else
    do_anything(h->cache, &h->random);
  h->depth--;
}

static uint64_t hostile_timer(void *user_data) {
  return manual_clock_read(&((hostile *)user_data)->clock);
}

static void hostile_listener(void *user_data, const ct_event *event) {
  hostile *h = user_data;
  h->causes[event->cause]++;
  if (h->freeing) h->told_after_free = true;
  call_back(h, kFromListener);
}

static uint64_t hostile_weigher(void *user_data, const void *key, size_t key_size,
                                const void *value, size_t value_size) {
  (void)key;
  (void)key_size;
  (void)value;
  call_back(user_data, kFromWeigher);
  return value_size % 4;
}

static uint64_t hostile_ttu(void *user_data, const void *key, size_t key_size, const void *value,
                            size_t value_size, uint64_t now) {
  (void)key;
  (void)key_size;
  (void)value;
  call_back(user_data, kFromTtu);
  return value_size % 7 == 0 ? now : value_size % 3 == 0 ? CT_NEVER : now + value_size % 40;
}

static void hostile_drop(void *user_data, const void *value, size_t value_size) {
  (void)value;
  (void)value_size;
  hostile *h = user_data;
  h->drops++;
  call_back(h, kFromDrop);
}

static bool hostile_match(void *user_data, const void *key, size_t key_size, const void *value,
                          size_t value_size) {
  hostile *h = user_data;
  const bool matches = match_odd(NULL, key, key_size, value, value_size);
  call_back(h, kFromMatch);
  return matches;
}

static void hostile_visit(void *user_data, const ct_event *event) {
  hostile *h = user_data;
  if (event->cause != CT_CAUSE_EXPIRED) h->causes[0] = UINT64_MAX / 2;
  call_back(h, kFromVisit);
}

static void assert_told_of_all(const hostile *h) {
  ct_stats stats = CT_STATS_INIT;
  ct_len(h->cache);
  assert_status(CT_OK, ct_cache_stats(h->cache, &stats));
  assert_int_equal(stats.evictions, h->causes[CT_CAUSE_EVICTED]);
  assert_int_equal(stats.expirations, h->causes[CT_CAUSE_EXPIRED]);
  assert_int_equal(stats.updates, h->causes[CT_CAUSE_REPLACED]);
  assert_int_equal(stats.removals, h->causes[CT_CAUSE_REMOVED] + h->causes[CT_CAUSE_CLEARED]);
}

/* Options of a small cache of that kind; the caller adds the callbacks. */
static ct_options options_of_kind(const kind *k, test_allocator *allocator) {
  ct_options o = CT_OPTIONS_INIT;
  o.policy = (int32_t)k->policy;
  o.maxsize = 12;
  o.shards = k->shards;
  o.ttl = k->ttl;
  o.tti = k->tti;
  o.seed = 1;
  o.allocator = &allocator->hooks;
  if (k->policy == CT_POLICY_CUSTOM) o.custom = &kQueue;
  return o;
}

static void run_hostile(const kind *k, enum caller caller, uint64_t seed) {
  hostile h = {.caller = caller, .random = seed};
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_options o = options_of_kind(k, &allocator);
  o.user_data = &h;
  o.timer = hostile_timer;
  o.ttu = hostile_ttu;
  o.weigher = hostile_weigher;
  o.listener = hostile_listener;
  o.drop = hostile_drop;
  assert_status(CT_OK, ct_cache_new_with(&o, &h.cache));
  for (int i = 0; i < 300; i++) {
    do_anything(h.cache, &h.random);
    if (i % 10 == 0) ct_remove_if(h.cache, hostile_match, &h);
    if (i % 10 == 5) ct_expire(h.cache, h.clock.now + 20, hostile_visit, &h);
    atomic_fetch_add(&h.clock.now, test_random_below(&h.random, 4));
    if (i % 50 == 0) ct_resize(h.cache, 1 + test_random_below(&h.random, 40));
  }
  assert_true(h.calls > 0);
  h.caller = kCallers;
  assert_whole(h.cache);
  assert_told_of_all(&h);
  h.freeing = true;
  const ct_stats stats = stats_of(h.cache);
  ct_cache_free(h.cache);
  assert_false(h.told_after_free);
  assert_int_equal(stats.inserts + stats.updates, h.drops);
  assert_int_equal(0, allocator.blocks);
}

static void run_hostile_everywhere(enum caller caller) {
  const uint64_t seed = test_seed();
  for (int k = 0; k < kKindCount; k++)
    for (uint64_t i = 0; i < 5; i++) run_hostile(&kKinds[k], caller, seed + i);
}

TEST(listener_may_do_anything) {
  run_hostile_everywhere(kFromListener);
}

TEST(weigher_may_do_anything) {
  run_hostile_everywhere(kFromWeigher);
}

TEST(ttu_may_do_anything) {
  run_hostile_everywhere(kFromTtu);
}

TEST(match_may_do_anything) {
  run_hostile_everywhere(kFromMatch);
}

TEST(visit_may_do_anything) {
  run_hostile_everywhere(kFromVisit);
}

TEST(drop_may_do_anything) {
  run_hostile_everywhere(kFromDrop);
}

/* ---- Callbacks that free what the call does not use ----------------------------------------- */

/* Objects that may be freed at any time: those of a cache, and another cache. */
typedef struct belongings {
  ct_value values[4]; /* of entries that may be leaving just now */
  ct_iter *iter;      /* in the middle of its walk */
  ct_lease *lease;
  ct_memo *memo; /* with results in the same cache */
  ct_cache *other;
} belongings;

typedef struct destroyer {
  belongings it;
  ct_cache *cache;
  enum caller caller; /* the callback that frees them */
  uint64_t ended;
  uint64_t now;
} destroyer;

static ct_status remember(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self, (void)args;
  return ct_result_set(result, bytes, kSmall);
}

static ct_status key_of_nothing(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self, (void)args;
  ct_key_null(key);
  return CT_OK;
}

static void acquire(destroyer *d) {
  belongings *it = &d->it;
  for (int i = 0; i < 4; i++) {
    const name key = name_of(i);
    ct_get(d->cache, key.text, key.size, &it->values[i]);
  }
  assert_status(CT_OK, ct_iter_new(d->cache, CT_ORDER_ANY, &it->iter));
  ct_iter_next(it->iter, NULL, NULL);
  assert_status(CT_LEASED, ct_get_or_lease(d->cache, "leased", 6, 0, NULL, &it->lease));
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.fn = remember;
  options.key = key_of_nothing;
  options.cache = d->cache;
  assert_status(CT_OK, ct_memo_new(&options, &it->memo));
  it->other = ct_cache_new(CT_POLICY_LRU, 10);
  assert_non_null(it->other);
  set_text(it->other, "key", "value");
}

static void end(belongings *it) {
  for (int i = 0; i < 4; i++) ct_value_release(&it->values[i]);
  ct_iter_free(it->iter);
  ct_lease_abandon(it->lease);
  ct_memo_free(it->memo);
  ct_cache_free(it->other);
  memset(it, 0, sizeof *it);
}

static void end_from(destroyer *d, enum caller caller) {
  if (d->caller != caller || d->it.other == NULL) return;
  belongings it = d->it;
  memset(&d->it, 0, sizeof d->it);
  end(&it);
  d->ended++;
}

static uint64_t destroyer_timer(void *user_data) {
  return ((destroyer *)user_data)->now;
}

static void destroyer_listener(void *user_data, const ct_event *event) {
  (void)event;
  end_from(user_data, kFromListener);
}

static uint64_t destroyer_weigher(void *user_data, const void *key, size_t key_size,
                                  const void *value, size_t value_size) {
  (void)key, (void)key_size, (void)value, (void)value_size;
  end_from(user_data, kFromWeigher);
  return 1;
}

static uint64_t destroyer_ttu(void *user_data, const void *key, size_t key_size, const void *value,
                              size_t value_size, uint64_t now) {
  (void)key, (void)key_size, (void)value, (void)value_size;
  end_from(user_data, kFromTtu);
  return now + 10;
}

static bool destroyer_match(void *user_data, const void *key, size_t key_size, const void *value,
                            size_t value_size) {
  end_from(user_data, kFromMatch);
  return match_odd(NULL, key, key_size, value, value_size);
}

static void destroyer_visit(void *user_data, const ct_event *event) {
  (void)event;
  end_from(user_data, kFromVisit);
}

static void destroyer_drop(void *user_data, const void *value, size_t value_size) {
  (void)value, (void)value_size;
  end_from(user_data, kFromDrop);
}

static void run_destroyer(const kind *k, enum caller caller) {
  destroyer d = {.caller = caller, .now = 1000};
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_options o = options_of_kind(k, &allocator);
  o.user_data = &d;
  o.timer = destroyer_timer;
  o.ttu = destroyer_ttu;
  o.weigher = destroyer_weigher;
  o.listener = destroyer_listener;
  o.drop = destroyer_drop;
  assert_status(CT_OK, ct_cache_new_with(&o, &d.cache));
  for (int i = 0; i < 60; i++) {
    acquire(&d);
    for (int j = 0; j < 6; j++) {
      const int number = (i + j) % kKeys;
      const name key = name_of(number);
      ct_set(d.cache, key.text, key.size, ramp + number, (size_t)kSmall);
    }
    ct_remove_if(d.cache, destroyer_match, &d);
    ct_expire(d.cache, d.now + 20, destroyer_visit, &d);
    end(&d.it);
    d.now += 3;
  }
  assert_true(d.ended > 10);
  assert_whole(d.cache);
  ct_cache_free(d.cache);
  assert_int_equal(0, allocator.blocks);
}

TEST(callbacks_may_end_values_walks_leases_memos_and_other_caches) {
  for (int k = 0; k < kKindCount; k++)
    for (enum caller caller = 0; caller < kCallers; caller++) run_destroyer(&kKinds[k], caller);
}

/* ---- Callbacks that contradict themselves --------------------------------------------------- */

typedef struct fickle {
  uint64_t random;
  ct_cache *cache;
  bool steady; /* the timer stands still */
  uint64_t time;
} fickle;

/* A weight that is small, 0, or above any limit. */
static uint64_t fickle_weigher(void *user_data, const void *key, size_t key_size, const void *value,
                               size_t value_size) {
  (void)key;
  (void)key_size;
  (void)value;
  (void)value_size;
  fickle *f = user_data;
  static const uint64_t kWeights[] = {0, 1, 2, 5, 20, 1000, 1ull << 63, UINT64_MAX};
  return kWeights[test_random_below(&f->random, 8)];
}

static uint64_t fickle_timer(void *user_data) {
  fickle *f = user_data;
  static const uint64_t kTimes[] = {0, 1, 1000, 1ull << 32, 1ull << 63, UINT64_MAX - 1, UINT64_MAX};
  if (f->steady) return f->time;
  if (test_random_below(&f->random, 3) == 0) f->time = kTimes[test_random_below(&f->random, 7)];
  return f->time += test_random_below(&f->random, 50);
}

static uint64_t fickle_ttu(void *user_data, const void *key, size_t key_size, const void *value,
                           size_t value_size, uint64_t now) {
  (void)key;
  (void)key_size;
  (void)value;
  (void)value_size;
  fickle *f = user_data;
  const uint64_t kDeadlines[] = {0, now / 2, now, now + 1, now + 30, CT_NEVER - 1, CT_NEVER};
  return kDeadlines[test_random_below(&f->random, 7)];
}

static void run_fickle(const kind *k, bool weighs, bool times, uint64_t seed) {
  fickle f = {.random = seed, .steady = !times, .time = 1000};
  ct_options o = CT_OPTIONS_INIT;
  o.policy = (int32_t)k->policy;
  o.maxsize = seed % 2 == 0 ? 30 : CT_UNBOUNDED;
  o.shards = k->shards;
  o.ttl = k->ttl;
  o.tti = times ? k->tti : 0;
  o.seed = 1;
  o.user_data = &f;
  o.timer = fickle_timer;
  o.weigher = weighs ? fickle_weigher : NULL;
  o.ttu = times ? fickle_ttu : k->has_ttu ? ttu : NULL;
  if (k->policy == CT_POLICY_CUSTOM) o.custom = &kQueue;
  assert_status(CT_OK, ct_cache_new_with(&o, &f.cache));
  for (int i = 0; i < 400; i++) {
    f.steady = !times || i % 20 == 0;
    do_anything(f.cache, &f.random);
    if (i % 20 == 0) assert_whole(f.cache);
  }
  f.steady = true;
  assert_whole(f.cache);
  /* Whatever the clock said, entries that never expire are there, and entries that are due go. */
  ct_expire(f.cache, CT_NEVER - 1, NULL, NULL);
  ct_iter *iter;
  assert_status(CT_OK, ct_iter_new(f.cache, CT_ORDER_ANY, &iter));
  for (ct_bytes key; ct_iter_next(iter, &key, NULL) == CT_OK;) {
    ct_entry_info info = CT_ENTRY_INFO_INIT;
    assert_status(CT_OK, ct_inspect(f.cache, key.data, key.size, &info));
    assert_true(info.deadline == CT_NEVER);
    assert_true(info.remaining == CT_NEVER);
  }
  ct_iter_free(iter);
  ct_cache_free(f.cache);
}

TEST(weigher_may_answer_differently_each_time) {
  const uint64_t seed = test_seed();
  for (int k = 0; k < kKindCount; k++)
    for (uint64_t i = 0; i < 6; i++) run_fickle(&kKinds[k], true, false, seed + i);
}

static bool dead_ids;

static uint32_t dead_or_queue_victim(void *state) {
  return dead_ids ? 1000000 : kQueue.victim(state);
}

TEST(policy_that_names_dead_ids_costs_no_memory) {
  fixture f;
  prepare(&f, &kKinds[kKindCount - 2]);
  ct_policy_ops ops = kQueue;
  ops.victim = dead_or_queue_victim;
  f.options.custom = &ops;
  assert_status(CT_OK, ct_cache_new_with(&f.options, &f.cache));
  dead_ids = false;
  fill(&f, kFilled);
  dead_ids = true;
  holdings before = take_down(&f);
  uint64_t memory = 0;
  for (int i = 0; i < 1000; i++) {
    const size_t size = i % 3 == 0 ? kApart : 1000;
    assert_status(CT_ERR_CALLBACK, ct_set(f.cache, "new", 3, bytes, size));
    assert_status(CT_ERR_CALLBACK, ct_popitem(f.cache, NULL, NULL));
    if (i == 10) memory = ct_memory(f.cache);
  }
  assert_int_equal(memory, ct_memory(f.cache));
  assert_unchanged(&f, &before);
  dead_ids = false;
  assert_status(CT_OK, ct_set(f.cache, "new", 3, bytes, kSmall));
  free(before.held);
  unmake(&f);
}

TEST(timer_and_ttu_may_tell_any_time) {
  const uint64_t seed = test_seed();
  for (int k = 0; k < kKindCount; k++)
    for (uint64_t i = 0; i < 6; i++) run_fickle(&kKinds[k], i % 3 == 0, true, seed + i);
}

static uint64_t constant_timer(void *user_data) {
  return *(uint64_t *)user_data;
}

static uint64_t ttu_of_value(void *user_data, const void *key, size_t key_size, const void *value,
                             size_t value_size, uint64_t now) {
  (void)user_data;
  (void)key;
  (void)key_size;
  (void)value_size;
  (void)now;
  uint64_t deadline;
  memcpy(&deadline, value, sizeof deadline);
  return deadline;
}

TEST(ttu_of_the_past_is_not_stored_and_of_never_does_not_expire) {
  uint64_t now = 1000;
  ct_options o = CT_OPTIONS_INIT;
  o.policy = CT_POLICY_TLRU;
  o.maxsize = 10;
  o.user_data = &now;
  o.timer = constant_timer;
  o.ttu = ttu_of_value;
  ct_cache *cache;
  assert_status(CT_OK, ct_cache_new_with(&o, &cache));
  const uint64_t kDead[] = {0, 1, 999, 1000};
  for (int i = 0; i < 4; i++)
    assert_status(CT_NOT_STORED, ct_set(cache, "k", 1, &kDead[i], sizeof kDead[i]));
  const uint64_t kAlive[] = {1001, CT_NEVER - 1, CT_NEVER};
  for (int i = 0; i < 3; i++)
    assert_status(CT_OK, ct_set(cache, &i, sizeof i, &kAlive[i], sizeof kAlive[i]));
  assert_int_equal(3, ct_len(cache));
  now = 1001;
  assert_int_equal(2, ct_len(cache));
  /* The last reading that there is counts as one tick earlier. */
  now = UINT64_MAX;
  assert_int_equal(1, ct_len(cache));
  const int last = 2;
  assert_true(ct_contains(cache, &last, sizeof last));
  assert_status(CT_NOT_STORED, ct_set(cache, "k", 1, &kAlive[1], sizeof kAlive[1]));
  ct_cache_free(cache);
}

TEST(clock_that_went_back_shows_what_it_had_hidden) {
  uint64_t now = 1000;
  ct_options o = CT_OPTIONS_INIT;
  o.maxsize = 10;
  o.ttl = 100;
  o.user_data = &now;
  o.timer = constant_timer;
  ct_cache *cache;
  assert_status(CT_OK, ct_cache_new_with(&o, &cache));
  assert_status(CT_OK, set_text(cache, "a", "1"));
  now = UINT64_MAX;
  assert_false(has_text(cache, "a"));
  assert_text(cache, "a", NULL);
  now = 0;
  assert_text(cache, "a", "1");
  assert_status(CT_OK, set_text(cache, "b", "2"));
  assert_int_equal(2, ct_len(cache));
  now = 100;
  assert_text(cache, "a", "1");
  assert_text(cache, "b", NULL);
  assert_int_equal(1, ct_len(cache));
  ct_cache_free(cache);
}
