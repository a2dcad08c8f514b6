/* SPDX-License-Identifier: MIT */
/* See run_state.h. Configurations. */
#include "run_state.h"

uint64_t draw_maxsize(run *r) {
  static const uint64_t kHuge[] = {(1ull << 63) - 1, 1ull << 63, (1ull << 63) + 1, UINT64_MAX - 1,
                                   CT_UNBOUNDED};
  const uint64_t crowd = (uint64_t)r->setup.crowd;
  if (r->setup.huge) return kHuge[below(r, 5)];
  if (one_in(r, 25)) return 0;
  if (one_in(r, 12)) return CT_UNBOUNDED;
  if (r->options.weigher != NULL) return 1 + below(r, crowd * 4);
  if (r->options.weight_kind == CT_WEIGHT_VALUE) return 1 + below(r, crowd * 50);
  if (r->options.weight_kind == CT_WEIGHT_MEMORY) return 1 + below(r, crowd * 150);
  return 1 + below(r, crowd);
}

static void draw_weights(run *r) {
  static const uint64_t kHuge[] = {
      0, 1, 1000, 1ull << 62, (1ull << 63) - 1, 1ull << 63, UINT64_MAX - 1, UINT64_MAX};
  for (int i = 0; i < 8; i++) r->weights[i] = r->setup.huge ? kHuge[i] : below(r, 9);
}

static void draw_lifetimes(run *r, ct_policy policy) {
  ct_options *o = &r->options;
  r->setup.timeless = one_in(r, 4) && policy != CT_POLICY_TTL && policy != CT_POLICY_TLRU;
  if (r->setup.timeless) return;
  if (policy == CT_POLICY_TTL || one_in(r, 3)) o->ttl = 1 + below(r, one_in(r, 2) ? 10 : 100);
  if (one_in(r, 4)) o->tti = 1 + below(r, one_in(r, 2) ? 10 : 100);
  if (policy == CT_POLICY_TLRU || one_in(r, 5)) o->ttu = on_ttu;
  r->setup.backwards = one_in(r, 3);
  if (one_in(r, 3)) r->clock = below(r, 1ull << 40);
  if (one_in(r, 10)) r->clock = CT_NEVER - below(r, 400);
}

/* Draws from bits of the seed, so that runs without it stay what they were. What expires stays for
 * a while. */
static void draw_freshness(run *r) {
  ct_options *o = &r->options;
  if (!r->setup.loads || r->setup.timeless || (o->seed >> 32 & 3) == 0) return;
  if ((o->seed >> 34 & 3) != 0)
    o->stale = 1 + (o->seed >> 36 & ((o->seed >> 43 & 3) == 0 ? 127 : 15));
  if (o->stale != 0 && (o->seed >> 45 & 15) == 0) o->stale = CT_NEVER - o->stale;
  if ((o->seed >> 49 & 1) != 0)
    o->refresh_ahead = o->ttl != 0 ? (o->seed >> 50 & 127) % o->ttl : o->seed >> 50 & 31;
  if ((o->ttl == 0 && o->refresh_ahead == 0) || (o->seed >> 57 & 1) != 0)
    o->retry = 1 + (o->seed >> 58 & 7);
}

/* Draws from bits of the seed, too. An idle lifetime that may be the shorter one would hide what
 * jitter has taken off the other. */
static void draw_jitter(run *r) {
  ct_options *o = &r->options;
  if (!r->setup.loads || r->setup.timeless || o->ttl == 0 || (o->seed >> 8 & 1) == 0) return;
  if (o->tti == 0 || o->tti >= o->ttl)
    o->jitter = (o->seed >> 9 & 127) % (o->ttl - o->refresh_ahead);
}

/* Draws from bits of the seed, too. The model knows neither shards nor what memory weighs, nor, if
 * the clock goes back, what is over but still there. */
static void draw_negatives(run *r) {
  ct_options *o = &r->options;
  if (!r->setup.loads || r->setup.timeless || r->setup.backwards || r->setup.huge) return;
  if (o->shards > 1 || weighs_memory(r) || (o->seed >> 24 & 1) == 0) return;
  o->negative_ttl = (o->seed >> 25 & 3) == 0 ? CT_NEVER : 1 + (o->seed >> 26 & 31);
}

static void draw_setup(run *r, ct_policy policy) {
  setup *s = &r->setup;
  ct_options *o = &r->options;
  ct_options_init(o, sizeof *o);
  o->policy = (int32_t)policy;
  o->user_data = r;
  o->timer = on_timer;
  o->seed = choice(&r->source) | 1;
  s->loads = (o->seed >> 30 & 3) == 3; /* but never in the runs that test_model.c remembers */
  s->crowd = (int)(one_in(r, 3) ? 1 + below(r, 180) : 1 + below(r, 14));
  s->keys = 2 + (int)below(r, (uint64_t)s->crowd * 2 + 4);
  if (s->keys > MODEL_KEYS) s->keys = MODEL_KEYS;
  s->bulky = one_in(r, 12);
  s->long_keys = one_in(r, 20);

  s->spare = policy == CT_POLICY_CUSTOM && one_in(r, 3);
  if (policy == CT_POLICY_CUSTOM) o->custom = s->spare ? &kSpareOps : &kFullOps;
  if (policy == CT_POLICY_RR) o->choice = on_choice;
  if (one_in(r, 3) && !s->spare) o->shards = one_in(r, 2) ? 4 : 16;
  if (one_in(r, 3)) o->flags |= CT_FLAG_SINGLE_THREADED;
  if (one_in(r, 20)) o->flags |= CT_FLAG_NO_STATS;
  const bool may_tell = (o->flags & CT_FLAG_NO_STATS) == 0 && policy != CT_POLICY_CUSTOM;
  if (s->loads && may_tell && (o->seed >> 32 & 3) == 3) o->flags |= CT_FLAG_CURVE;

  const uint64_t kind = below(r, 8);
  if (kind == 0) o->weight_kind = CT_WEIGHT_VALUE;
  if (kind == 1) o->weight_kind = CT_WEIGHT_MEMORY;
  if (kind == 2 || kind == 3) {
    o->weigher = on_weigh;
    s->huge = one_in(r, 4);
  }
  draw_weights(r);
  o->maxsize = draw_maxsize(r);
  if (o->maxsize == 0) o->flags |= CT_FLAG_KEEP_NOTHING;
  draw_lifetimes(r, policy);
  draw_freshness(r);
  draw_jitter(r);
  draw_negatives(r);

  /* Where victims cannot be predicted, the listener has to name them. With queues, it matters
   * when an expired entry was reclaimed. */
  const bool predictable = o->shards <= 1 && o->weight_kind != CT_WEIGHT_MEMORY &&
                           policy != CT_POLICY_RR && policy != CT_POLICY_WTINYLFU &&
                           policy != CT_POLICY_ADAPTIVE &&
                           (r->setup.timeless || !queues_know(policy));
  if (!predictable || !one_in(r, 4)) o->listener = on_event;
  if (one_in(r, 2)) o->drop = on_drop;
  s->allocator = one_in(r, 4);
  if (s->allocator) {
    test_allocator_init(&r->allocator);
    o->allocator = &r->allocator.hooks;
  }
}

/* Gives the cache its first tag, by a store that changes nothing: the key is absent. From now on runs
 * are counted, and the model knows exactly what an invalidation outdates. */
static void give_first_tag(run *r) {
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  options.flags = CT_ENTRY_IF_PRESENT | CT_ENTRY_TAGS;
  options.tags = kTagNames;
  options.tag_count = 1;
  if (r->options.ttu != NULL) {
    options.flags |= CT_ENTRY_TTL;
    options.ttl = CT_NEVER;
  }
  if (r->options.weigher != NULL) options.flags |= CT_ENTRY_WEIGHT;
  check_equal(r, CT_MISS, ct_set_with(r->cache, NULL, 0, NULL, 0, &options));
}

void begin(run *r, choices from, ct_policy policy) {
  memset(r, 0, offsetof(run, copies));
  memset(&r->held_count, 0, sizeof *r - offsetof(run, held_count));
  r->number = from.random;
  r->source = from;
  r->operation = "ct_cache_new_with";
  draw_setup(r, policy);

  model *m = &r->model;
  if (policy == CT_POLICY_CUSTOM) policy = r->setup.spare ? CT_POLICY_ANY : CT_POLICY_FIFO;
  model_init(m, policy, r->options.maxsize, r->options.tti);
  m->stale = r->options.stale;
  m->now = r->clock == CT_NEVER ? CT_NEVER - 1 : r->clock;

  r->shared_state.run = r;
  if (r->setup.spare) r->states[r->state_count++] = &r->shared_state;
  check_equal(r, CT_OK, ct_cache_new_with(&r->options, &r->cache));
  if (r->number % 4 != 0) ct_act_large(r->cache);
  if (r->setup.loads) give_first_tag(r);
  /* The cache has copied all that it needs of its options. */
  r->options.allocator = NULL;
}
