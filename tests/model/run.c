/* SPDX-License-Identifier: MIT */
/* See run.h.
 *
 * A run draws a configuration, makes a cache, and compares every answer, event, drop and counter of
 * some hundred operations with the model's. If there is one shard and the model knows the order, it
 * predicts the victims. With more shards, or with WTINYLFU, whose order it does not know, the
 * listener says which entries went, and the model checks that they were allowed to.
 *
 * The cache decides when expired entries are reclaimed: the model follows the listener, and
 * insists only where the header does. Without a listener it asks ct_len where it has to be sure. */
#include "run_state.h"

/* ---- Statistics and pins -------------------------------------------------------------------- */

static void check_stats(run *r) {
  if (!listens(r)) check_len(r);
  const ct_stats *expected = &r->model.stats;
  ct_stats zeros = CT_STATS_INIT;
  if ((r->options.flags & CT_FLAG_NO_STATS) != 0) expected = &zeros;
  ct_stats stats = CT_STATS_INIT;
  check_equal(r, CT_OK, ct_cache_stats(r->cache, &stats));
  check_equal(r, expected->hits, stats.hits);
  check_equal(r, expected->misses, stats.misses);
  check_equal(r, expected->inserts, stats.inserts);
  check_equal(r, expected->updates, stats.updates);
  check_equal(r, expected->evictions, stats.evictions);
  check_equal(r, expected->evicted_weight, stats.evicted_weight);
  check_equal(r, expected->expirations, stats.expirations);
  check_equal(r, expected->removals, stats.removals);
  check_equal(r, expected->rejections, stats.rejections);
  check_equal(r, expected->loads, stats.loads);
  check_equal(r, expected->load_failures, stats.load_failures);
  check_equal(r, expected->load_ticks, stats.load_ticks);
  uint64_t loads = 0;
  for (int i = 0; i < 12; i++) loads += stats.load_buckets[i];
  check_equal(r, expected->loads, loads);
  check_equal(r, expected->stale_served, stats.stale_served);
  check_equal(r, expected->renewals, stats.renewals);
  check_equal(r, expected->renewal_failures, stats.renewal_failures);
  check_equal(r, expected->negative_hits, stats.negative_hits);
  check_equal(r, expected->waits, stats.waits);
  check_equal(r, expected->shared_failures, stats.shared_failures);
  /* A walk pins what it is about to show. */
  uint64_t held = (uint64_t)r->held_count;
  for (int i = 0; i < r->lease_count; i++) held += r->leases[i].renews;
  check(r, r->walk.iter == NULL ? stats.pinned == held : stats.pinned >= held);
}

static void do_stats(run *r) {
  r->operation = "ct_cache_stats";
  r->writes = true;
  check_stats(r);
  if (!one_in(r, 5)) return;
  check_equal(r, CT_OK, ct_cache_stats_reset(r->cache));
  memset(&r->model.stats, 0, sizeof r->model.stats);
  check_stats(r);
}

static void do_release(run *r) {
  r->operation = "ct_value_release";
  if (r->held_count == 0) return;
  const int at = (int)below(r, (uint64_t)r->held_count);
  if (!one_in(r, 3) || r->held_count >= kHeld) {
    release_held(r, at);
    return;
  }
  r->operation = "ct_value_ref";
  held_value second = r->held[at];
  memset(&second.value, 0xee, sizeof second.value);
  check_equal(r, CT_OK, ct_value_ref(&r->held[at].value, &second.value));
  check(r, second.value.data == r->held[at].value.data);
  check_equal(r, r->held[at].value.size, second.value.size);
  pin(r, second.stamp);
  r->held[r->held_count++] = second;
}

/* ---- Steps ---------------------------------------------------------------------------------- */

/* Without a listener a drop may be the first sign that an expired entry was reclaimed. */
static void follow_drop(run *r, uint64_t stamp) {
  for (int i = 0; i < r->model.count; i++) {
    const int key = r->model.order[i];
    if (r->model.entries[key].stamp != stamp || model_is_live(&r->model, key)) continue;
    leave(r, key, CT_CAUSE_EXPIRED);
    return;
  }
}

static void check_drops(run *r) {
  for (int i = 0; i < r->drop_count; i++) {
    copy *c = &r->copies[r->drops[i]];
    if (!listens(r)) follow_drop(r, r->drops[i]);
    check(r, c->due);
    check(r, !c->dropped);
    c->dropped = true;
    r->large_dropped++;
  }
  r->drop_count = 0;
  if (r->options.drop == NULL || r->walk.iter != NULL) return;
  check_equal(r, r->large_due, r->large_dropped);
  if (!listens(r) && model_find_due(&r->model, r->model.now) >= 0) return;
  for (int i = 0; i < 8; i++) check_equal(r, r->small_due[i], r->small_dropped[i]);
}

static void finish_step(run *r) {
  if (r->complaint != NULL) mismatch(r, __FILE__, __LINE__, r->complaint);
  check_waits(r);
  if (r->writes) reclaim(r);
  check_equal(r, r->heard.count, r->heard.taken);
  check_equal(r, r->choice_count, r->choice_taken);
  check_drops(r);
  if (r->options.policy == CT_POLICY_CUSTOM) check_custom_weights(r);
  for (int i = 0; i < r->model.count; i++)
    check_equal(r, 0, r->model.entries[r->model.order[i]].jitter);
  if (r->model.count < 24 || r->step % 16 == 0) {
    const char *problem = ct_validate(r->cache);
    if (problem != NULL) mismatch(r, __FILE__, __LINE__, problem);
  }
  r->heard.count = r->heard.taken = r->visited.count = r->choice_count = r->choice_taken = 0;
}

typedef struct operation {
  void (*run)(run *r);
  int share;
  bool writes;
  int reads; /* of the timer, at most; -1: several calls */
} operation;

/* The store comes first. What only runs with loads do comes last, so that the other runs stay
 * what they were. */
static const operation kOperations[] = {
    {do_set, 30, true, 1},
    {do_setdefault, 6, true, 1},
    {do_set_many, 4, true, 1},
    {do_invalid, 1, false, 1},
    {do_get, 16, false, 1},
    {do_get_copy, 5, false, 1},
    {do_peek, 3, false, 1},
    {do_contains, 2, false, 1},
    {do_inspect, 4, false, 1},
    {do_get_many, 3, false, 1},
    {do_get_many_copy, 3, false, 1},
    {do_delete, 6, true, 1},
    {do_popitem, 3, true, 1},
    {do_clear, 1, true, 1},
    {do_remove_if, 1, true, 1},
    {do_size, 4, true, -1},
    {do_resize, 1, true, 1},
    {do_expire, 2, true, 1},
    {do_tick, 9, false, 1},
    {do_iterate, 1, false, -1},
    {do_walk, 6, false, 1},
    {do_snapshot, 1, false, -1},
    {do_stats, 2, false, -1},
    {do_release, 4, false, 0},
    {do_copy, 1, false, -1},
    {do_set_lifetime, 4, false, 1},
    {do_get_or_load, 12, false, 2},
    {do_compute, 12, false, -1},
    {do_lease, 16, false, 2},
    {do_set_seen, 12, true, 1},
    {do_delete_if, 4, true, 1},
    {do_add, 12, true, 1},
    {do_wait, 16, false, -1},
    {do_load_many, 6, false, -1},
    {do_invalidate_tag, 2, true, -1},
};

enum { kOperationCount = COUNT_OF(kOperations), kLoadingCount = 9 };

static void do_step(run *r) {
  const int count = r->setup.loads ? kOperationCount : kOperationCount - kLoadingCount;
  int shares = 0;
  for (int i = 0; i < count; i++) shares += kOperations[i].share;
  int drawn = (int)below(r, (uint64_t)shares);
  const operation *o = kOperations;
  while (drawn >= o->share) drawn -= o++->share;
  if (r->stores_next) o = kOperations;
  if (o->run == do_set_lifetime && r->setup.timeless) return;
  r->writes = o->writes;
  r->key = -1;
  r->conditions = 0;
  r->answer = CT_OK;
  r->timer_reads = 0;
  o->run(r);
  const int allowed = o->reads >= 0 && !reads_freely(r) ? o->reads : INT32_MAX;
  if (o->run != do_tick) check(r, r->timer_reads <= allowed);
  if (r->setup.timeless && r->options.policy != CT_POLICY_CUSTOM) check_equal(r, 0, r->timer_reads);
  finish_step(r);
}

/* Drains the cache or not, frees it while values are pinned, then releases those. */
static void finish(run *r) {
  r->writes = true;
  if (r->walk.iter != NULL) end_walk(r);
  while (r->lease_count > 0) {
    end_lease(r, r->lease_count - 1);
    finish_step(r);
  }
  r->operation = "the last ct_len";
  check_len(r);
  finish_step(r);
  check_stats(r);
  if (r->options.policy == CT_POLICY_CUSTOM) check_custom_policy(r);
  if (one_in(r, 2)) {
    while (r->model.count > 0) {
      do_popitem(r);
      finish_step(r);
    }
    do_popitem(r);
    finish_step(r);
  }
  r->operation = "ct_cache_free";
  ct_cache_free(r->cache);
  check_equal(r, 0, r->heard.count); /* ct_cache_free tells the listener nothing */
  for (int i = 0; i < r->model.count; i++) {
    const uint64_t stamp = r->model.entries[r->model.order[i]].stamp;
    r->copies[stamp].cached = false;
    settle_copy(r, stamp);
  }
  check_drops(r);
  while (r->held_count > 0) {
    release_held(r, (int)below(r, (uint64_t)r->held_count));
    check_drops(r);
  }
  if (r->complaint != NULL) mismatch(r, __FILE__, __LINE__, r->complaint);
  if (r->setup.allocator) check_equal(r, 0, r->allocator.blocks);
}

void run_model(ct_policy policy, choices from) {
  static run r;
  fill_pattern();
  begin(&r, from, policy);
  for (r.step = 0; r.step < RUN_STEPS && !choices_are_over(&r.source); r.step++) do_step(&r);
  finish(&r);
}
