/* SPDX-License-Identifier: MIT */
/* See run_state.h. Snapshots and copies. */
#include "run_state.h"

/* Options of any cache that can take in the entries, and gives no lifetimes of its own. */
static ct_options snapshot_options(run *r) {
  static const ct_policy kTargets[] = {
      CT_POLICY_LRU,    CT_POLICY_FIFO,     CT_POLICY_LFU,   CT_POLICY_RR,
      CT_POLICY_ANY,    CT_POLICY_MRU,      CT_POLICY_CLOCK, CT_POLICY_SIEVE,
      CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU, CT_POLICY_ARC,   CT_POLICY_ADAPTIVE,
  };
  ct_options options = CT_OPTIONS_INIT;
  options.policy = kTargets[below(r, COUNT_OF(kTargets))];
  options.weight_kind = r->options.weight_kind;
  options.weigher = r->options.weigher;
  options.user_data = r;
  options.timer = on_timer;
  options.tti = r->options.tti;
  options.shards = one_in(r, 3) ? 4 : 1;
  options.maxsize = one_in(r, 2) ? CT_UNBOUNDED : below(r, r->options.maxsize / 2 + 2);
  if (options.maxsize == 0) options.flags = CT_FLAG_KEEP_NOTHING;
  return options;
}

static uint64_t deadline_when_loaded(const run *r, const model_entry *entry) {
  uint64_t idle = entry->idle_deadline;
  const uint64_t most = model_sum(r->model.now, r->options.tti);
  if (r->options.tti != 0 && idle > most) idle = most;
  return idle < entry->age_deadline ? idle : entry->age_deadline;
}

static void check_loaded(run *r, ct_cache *cache, int key) {
  const model_entry *entry = &r->model.entries[r->key = key];
  ct_value value;
  check_equal(r, CT_OK, ct_peek(cache, key_data(r, key), key_size(r, key), &value));
  check_equal(r, entry->size, value.size);
  check(r, is_value(value.data, entry->stamp, entry->size));
  ct_value_release(&value);
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  check_equal(r, CT_OK, ct_inspect(cache, key_data(r, key), key_size(r, key), &info));
  if (!weighs_memory(r)) check_equal(r, entry->weight, info.weight);
  check_equal(r, deadline_when_loaded(r, entry), info.deadline);
}

/* Checks which entries were kept, if this can be known: from the hottest on, each for which
 * there is room. */
static void check_kept(run *r, ct_cache *cache) {
  uint64_t room = ct_maxsize(cache);
  for (int i = r->model.count - 1; i >= 0; i--) {
    const int key = r->model.order[i];
    if (!model_is_live(&r->model, key)) continue;
    const uint64_t weight = r->model.entries[key].weight;
    r->key = key;
    check_equal(r, weight <= room, ct_contains(cache, key_data(r, key), key_size(r, key)));
    if (weight <= room) room -= weight;
  }
}

static void check_loaded_order(run *r, ct_cache *cache) {
  uint64_t live[MODEL_KEYS];
  int count = list_live(r, live);
  ct_iter *iter;
  check_equal(r, CT_OK, ct_iter_new(cache, CT_ORDER_COLDEST, &iter));
  int at = 0;
  for (ct_bytes key, value; ct_iter_next(iter, &key, &value) == CT_OK; at++) {
    const int number = r->key = key_number(r, key.data, key.size);
    while (at < count && live[at] != r->model.entries[number].stamp) {
      /* This entry was not kept. */
      count--;
      memmove(&live[at], &live[at + 1], sizeof live[0] * (size_t)(count - at));
      check(r, ct_maxsize(cache) != CT_UNBOUNDED);
    }
    check(r, at < count);
    check_equal(r, live[at], r->model.entries[number].stamp);
  }
  ct_iter_free(iter);
}

/* all: every live entry must be there. */
static void check_contents(run *r, ct_cache *cache, bool all) {
  const char *problem = ct_validate(cache);
  if (problem != NULL) mismatch(r, __FILE__, __LINE__, problem);
  for (int i = 0; i < r->model.count; i++) {
    const int key = r->model.order[i];
    const bool live = model_is_live(&r->model, key);
    const bool kept = ct_contains(cache, key_data(r, key), key_size(r, key));
    check(r, live || !kept);
    if (all) check_equal(r, live, kept);
    if (kept) check_loaded(r, cache, key);
  }
}

/* The entries that carry a tag carry it in the other cache, too, and no others do. */
static void check_loaded_tags(run *r, ct_cache *cache) {
  bool kept[MODEL_KEYS];
  for (int key = 0; key < r->setup.keys; key++)
    kept[key] = ct_contains(cache, key_data(r, key), key_size(r, key));
  const int tag = (int)(r->stamps % kTags);
  ct_invalidate_tag(cache, kTagNames[tag].data, kTagNames[tag].size, 0);
  for (int key = 0; key < r->setup.keys; key++) {
    const bool tagged = (r->model.entries[key].tags >> tag & 1) != 0;
    check_equal(r, kept[key] && !tagged, ct_contains(cache, key_data(r, key), key_size(r, key)));
  }
}

void do_snapshot(run *r) {
  r->operation = "a snapshot";
  const ct_options options = snapshot_options(r);
  tape t = {0};
  check_equal(r, CT_OK, save_tape(r->cache, &t));
  ct_cache *cache;
  check_equal(r, CT_OK, ct_cache_new_with(&options, &cache));
  if (r->number % 4 != 0) ct_act_large(cache);
  /* Ticks of this timer cannot be dated. */
  check_equal(r, CT_ERR_UNSUPPORTED, load_tape_with(cache, &t, CT_SNAPSHOT_AGED));
  check_equal(r, 0, ct_len(cache));
  check_equal(r, CT_OK, load_tape_with(cache, &t, 0));
  check_equal(r, t.size, t.at);
  tape_free(&t);
  check_contents(r, cache, options.maxsize == CT_UNBOUNDED);
  if (is_exact(r) && has_order(r)) {
    if (!weighs_memory(r)) check_kept(r, cache);
    if (options.shards == 1 && options.policy != CT_POLICY_RR &&
        options.policy != CT_POLICY_ADAPTIVE)
      check_loaded_order(r, cache);
  }
  check_loaded_tags(r, cache);
  ct_cache_free(cache);
}

static void check_same_options(run *r, ct_cache *cache) {
  ct_options options = CT_OPTIONS_INIT, copied = CT_OPTIONS_INIT;
  check_equal(r, CT_OK, ct_cache_options(r->cache, &options));
  check_equal(r, CT_OK, ct_cache_options(cache, &copied));
  check(r, (options.custom == NULL) == (copied.custom == NULL));
  check(r, (options.allocator == NULL) == (copied.allocator == NULL));
  copied.custom = options.custom; /* each has structs of its own */
  copied.allocator = options.allocator;
  check(r, memcmp(&options, &copied, sizeof options) == 0);
}

void do_copy(run *r) {
  r->operation = "a copy";
  const int states = r->state_count; /* of the policy, for the cache's own shards */
  ct_cache *cache = (ct_cache *)r;
  const ct_status status = ct_cache_copy(r->cache, &cache);
  /* Neither values that are dropped nor the policy's only state can be in two caches. */
  const bool unsupported = r->options.drop != NULL || r->setup.spare;
  check_equal(r, unsupported ? CT_ERR_UNSUPPORTED : CT_OK, status);
  check(r, (status == CT_OK) == (cache != NULL));
  if (cache == NULL) return;
  check_same_options(r, cache);
  ct_stats stats = CT_STATS_INIT;
  const ct_stats none = CT_STATS_INIT;
  check_equal(r, CT_OK, ct_cache_stats(cache, &stats));
  check(r, memcmp(&none, &stats, sizeof stats) == 0);
  check_contents(r, cache, true);
  uint64_t weight = 0;
  for (int i = 0; i < r->model.count; i++) {
    const int key = r->model.order[i];
    if (model_is_live(&r->model, key)) weight += r->model.entries[key].weight;
  }
  if (!weighs_memory(r)) check_equal(r, weight, ct_currsize(cache));
  if (is_exact(r) && has_order(r) && r->options.shards <= 1) check_loaded_order(r, cache);
  check_loaded_tags(r, cache);
  ct_cache_free(cache);
  check_equal(r, 0, r->heard.count);
  r->state_count = states;
}
