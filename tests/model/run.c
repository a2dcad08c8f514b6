/* SPDX-License-Identifier: MIT */
/* See run.h.
 *
 * A run draws a configuration, makes a cache, and compares every answer, event, drop and counter of
 * some hundred operations with the model's. Which victims go is predicted where the order is exact,
 * with one shard; with more, or with WTINYLFU, whose order the model does not know, the listener
 * says who went, and the model checks that it was allowed.
 * When expired entries are reclaimed is the cache's affair: the model follows the listener, and
 * only insists where the header does. Without a listener it asks ct_len where it has to be sure. */
#include "run.h"

#include <inttypes.h>

#include "internal.h"
#include "model.h"
#include "snapshots.h"
#include "support.h"

enum {
  kBatch = 6,         /* keys of a get_many and the like */
  kEvents = 2048,     /* that one call may cause */
  kHeld = 48,         /* pinned values */
  kLeases = 6,        /* not ended yet */
  kStates = 16,       /* of a custom policy: one a shard */
  kPattern = 1 << 18, /* bytes that values are cut from */
  kShifts = 1024,     /* where they may begin */
  kLargestValue = kPattern - kShifts,
  kLargestKey = 70000,
  kStamps = RUN_STEPS * kBatch + kLeases + 1
};

typedef struct event {
  int key;
  uint64_t prefix; /* the first bytes of the value, which tell its stamp */
  size_t size;
  uint64_t weight;
  int32_t cause;
} event;

typedef struct event_log {
  event events[kEvents];
  int count;
  int taken;
} event_log;

/* A value, from the store that brought it to its drop. */
typedef struct copy {
  size_t size;
  bool stored; /* it has been in the cache */
  bool cached; /* it is */
  bool due;    /* it left, and no pin is left */
  bool dropped;
  int pins;
  uint64_t deadline; /* when it left */
  bool walked;       /* the walk has shown it */
  bool listed;       /* the walk may show it */
} copy;

typedef struct held_value {
  ct_value value;
  uint64_t stamp;
  const void *key; /* NULL unless it is that key of the entry, which it pins too */
} held_value;

typedef struct open_lease {
  ct_lease *lease;
  int key;
  uint64_t started;
  bool overtaken; /* its key was written since */
} open_lease;

/* A policy of the caller's: what was stored first goes first. */
typedef struct custom_state {
  struct run *run;
  uint32_t ids[MODEL_KEYS];
  uint64_t weights[MODEL_KEYS];
  int count;
} custom_state;

/* How a run is set up, beside its ct_options. */
typedef struct setup {
  bool timeless;  /* no entry gets a lifetime */
  bool backwards; /* the clock may */
  bool spare;     /* the custom policy has no optional functions */
  bool huge;      /* weights near 2^63 and 2^64 */
  bool bulky;     /* some values are large */
  bool long_keys; /* some keys are */
  bool allocator; /* memory comes from the test's */
  bool loads;     /* values are loaded and computed, too */
  int keys;
  int crowd; /* about how many entries shall fit */
} setup;

/* An iterator that is open from step to step. */
typedef struct walk {
  ct_iter *iter;
  int32_t order;
  uint64_t must[MODEL_KEYS]; /* the stamp that has to be seen; 0: none */
  uint64_t coldest[MODEL_KEYS];
  int count; /* in coldest */
  int at;    /* where in coldest the last one was */
} walk;

typedef struct run {
  custom_state shared_state; /* first: a policy without state_new is handed user_data */
  custom_state *states[kStates];
  int state_count;
  uint64_t custom_uses;

  uint64_t number; /* it was drawn from; 0: bytes */
  choices source;
  setup setup;
  ct_options options;
  test_allocator allocator;
  uint64_t weights[8];
  uint64_t clock;
  ct_cache *cache;
  model model;
  uint64_t uses;

  uint64_t stamps; /* given out */
  copy copies[kStamps];
  held_value held[kHeld];
  int held_count;
  open_lease leases[kLeases];
  int lease_count;
  walk walk;

  /* What the callbacks saw of the call that is running. */
  event_log heard;
  event_log visited;
  struct {
    uint64_t count, answer;
  } choices[kEvents];
  int choice_count, choice_taken;
  uint64_t drops[kEvents]; /* stamps */
  int drop_count;
  int timer_reads;
  int match_modulus, match_rest;
  int asked[MODEL_KEYS]; /* times that match was */
  const char *complaint;

  /* Copies whose drop was due, and that were dropped; small ones cannot be told apart. */
  uint64_t small_due[8], small_dropped[8];
  uint64_t large_due, large_dropped;

  int step;
  const char *operation;
  int key;
  uint32_t conditions; /* of a store: CT_ENTRY_... */
  ct_status answer;    /* to it */
  bool writes;         /* the operation may reclaim */
  bool stores_next;    /* the next one shall be a store, which finds much to reclaim */
} run;

static unsigned char pattern[kPattern];
static unsigned char key_bytes[MODEL_KEYS][64];
static unsigned char long_key[kLargestKey];

/* ---- Failing -------------------------------------------------------------------------------- */

static void mismatch(const run *r, int line, const char *what) {
  const ct_options *o = &r->options;
  print_error(
      "model: %s (line %d)\n"
      "  step %d, %s of key %d, conditions %#x: %s\n"
      "  policy %s, shards %u, flags %#x, maxsize %#" PRIx64 ", weight kind %d%s%s, ttl %" PRIu64
      ", tti %" PRIu64
      "%s%s%s%s%s%s, keys %d\n"
      "  now %" PRIu64 ", entries %d, heard %d events, %d taken\n",
      what, line, r->step, r->operation, r->key, r->conditions, ct_status_name(r->answer),
      ct_policy_name((ct_policy)o->policy), o->shards, o->flags, o->maxsize, o->weight_kind,
      o->weigher != NULL ? ", weigher" : "", r->setup.huge ? " with huge weights" : "", o->ttl,
      o->tti, o->ttu != NULL ? ", ttu" : "", o->listener != NULL ? ", listener" : "",
      o->drop != NULL ? ", drop" : "", r->setup.allocator ? ", allocator" : "",
      r->setup.timeless ? ", timeless" : "", r->setup.spare ? ", spare" : "", r->setup.keys,
      r->model.now, r->model.count, r->heard.count, r->heard.taken);
  if (r->number != 0) print_error("  again: CT_MODEL_RUN=%" PRIu64 "\n", r->number);
  for (int i = 0; i < r->heard.count && i < 20; i++)
    print_error("  event: key %d, value %" PRIu64 " of %zu bytes, weight %" PRIu64 ", cause %d\n",
                r->heard.events[i].key, r->heard.events[i].prefix, r->heard.events[i].size,
                r->heard.events[i].weight, r->heard.events[i].cause);
  run_failed();
}

#define check(r, condition) ((condition) ? (void)0 : mismatch(r, __LINE__, #condition))

static void check_same(const run *r, int line, const char *what, uint64_t expected,
                       uint64_t actual) {
  if (expected == actual) return;
  char text[300];
  snprintf(text, sizeof text, "%s is %" PRId64 " (%#" PRIx64 "), not %" PRId64 " (%#" PRIx64 ")",
           what, (int64_t)actual, actual, (int64_t)expected, expected);
  mismatch(r, line, text);
}

#define check_equal(r, expected, actual) \
  check_same(r, __LINE__, #actual, (uint64_t)(expected), (uint64_t)(actual))

/* From a callback, which must not unwind. */
static void complain(run *r, const char *what) {
  if (r->complaint == NULL) r->complaint = what;
}

/* ---- Chance --------------------------------------------------------------------------------- */

static uint64_t below(run *r, uint64_t n) {
  return choice_below(&r->source, n);
}

static bool one_in(run *r, uint64_t n) {
  return below(r, n) == 0;
}

/* ---- Keys and values ------------------------------------------------------------------------ */

/* A key is its number in two bytes and some more; number 0 is empty, the last one may be long. */
static size_t key_size(const run *r, int key) {
  if (key == 0) return 0;
  if (r->setup.long_keys && key == r->setup.keys - 1) return kLargestKey;
  return 2 + (size_t)key * 7 % 30;
}

static const void *key_data(const run *r, int key) {
  if (key == 0) return NULL;
  return key_size(r, key) == kLargestKey ? long_key : key_bytes[key];
}

/* -1: these bytes are no key of the test. */
static int key_number(const run *r, const void *data, size_t size) {
  if (size == 0) return 0;
  if (size == kLargestKey) return memcmp(data, long_key, size) == 0 ? r->setup.keys - 1 : -1;
  const unsigned char *bytes = data;
  if (size < 2) return -1;
  const int key = bytes[0] | bytes[1] << 8;
  if (key >= r->setup.keys || key_size(r, key) != size) return -1;
  return memcmp(data, key_bytes[key], size) == 0 ? key : -1;
}

static uint64_t prefix_of(uint64_t stamp, size_t size) {
  return size >= 8 ? stamp : stamp & ((1ull << (8 * size)) - 1);
}

/* A value is its stamp, as far as it goes, and then a stretch of the pattern. */
static void fill_value(unsigned char *to, uint64_t stamp, size_t size) {
  memcpy(to, &stamp, size < 8 ? size : 8);
  if (size > 8) memcpy(to + 8, pattern + stamp % kShifts, size - 8);
}

static bool is_value(const void *data, uint64_t stamp, size_t size) {
  if (memcmp(data, &stamp, size < 8 ? size : 8) != 0) return false;
  return size <= 8 || memcmp((const char *)data + 8, pattern + stamp % kShifts, size - 8) == 0;
}

/* Checks all of a value that a callback was shown, and tells its prefix. */
static uint64_t read_prefix(run *r, const void *data, size_t size) {
  uint64_t prefix = 0;
  if (size == 0) return prefix;
  memcpy(&prefix, data, size < 8 ? size : 8);
  if (!is_value(data, prefix, size)) complain(r, "a callback was shown a strange value");
  if (size >= 8 && (prefix > r->stamps || r->copies[prefix].size != size))
    complain(r, "a callback was shown a value that was never stored");
  return prefix;
}

static size_t draw_size(run *r) {
  if (r->setup.bulky && one_in(r, 20)) return below(r, one_in(r, 6) ? kLargestValue : 20000);
  return one_in(r, 10) ? below(r, 8) : 8 + below(r, 50);
}

static uint64_t new_stamp(run *r, size_t size) {
  const uint64_t stamp = ++r->stamps;
  memset(&r->copies[stamp], 0, sizeof r->copies[stamp]);
  r->copies[stamp].size = size;
  return stamp;
}

/* ---- Callbacks ------------------------------------------------------------------------------ */

static uint64_t mixed(uint64_t prefix, size_t size) {
  return (prefix * 0x9e3779b97f4a7c15 ^ size) >> 7;
}

static uint64_t weight_of(const run *r, uint64_t prefix, size_t size) {
  return r->weights[mixed(prefix, size) % 8];
}

static uint64_t deadline_of(uint64_t prefix, size_t size, uint64_t now) {
  static const uint64_t kTerms[] = {0, 1, 2, 5, 10, 20, 50, 200};
  const uint64_t choice = mixed(prefix, size) % 24;
  if (choice == 0) return 0;
  if (choice == 1) return now - (now != 0);
  if (choice <= 5) return CT_NEVER;
  return model_sum(now, kTerms[choice % 8]);
}

static uint64_t on_timer(void *user_data) {
  run *r = user_data;
  r->timer_reads++;
  return r->clock;
}

static uint64_t on_ttu(void *user_data, const void *key, size_t key_length, const void *value,
                       size_t size, uint64_t now) {
  run *r = user_data;
  if (key_number(r, key, key_length) < 0) complain(r, "ttu was asked about a strange key");
  if (now != r->model.now) complain(r, "ttu was told another time");
  return deadline_of(read_prefix(r, value, size), size, now);
}

static uint64_t on_weigh(void *user_data, const void *key, size_t key_length, const void *value,
                         size_t size) {
  run *r = user_data;
  if (key_number(r, key, key_length) < 0) complain(r, "weigher was asked about a strange key");
  return weight_of(r, read_prefix(r, value, size), size);
}

static uint64_t on_choice(void *user_data, uint64_t count) {
  run *r = user_data;
  const uint64_t answer = choice(&r->source);
  if (r->choice_count == kEvents) {
    complain(r, "choice was asked too often");
    return answer;
  }
  r->choices[r->choice_count].count = count;
  r->choices[r->choice_count++].answer = answer;
  return answer;
}

static void note(run *r, event_log *log, const ct_event *e) {
  if (log->count == kEvents) {
    complain(r, "too many events");
    return;
  }
  event *to = &log->events[log->count++];
  to->key = key_number(r, e->key.data, e->key.size);
  to->prefix = read_prefix(r, e->value.data, e->value.size);
  to->size = e->value.size;
  to->weight = e->weight;
  to->cause = e->cause;
  if (to->key < 0) complain(r, "an event has a strange key");
  if (e->key.data == NULL || e->value.data == NULL) complain(r, "an event has no address");
  if (e->reserved != 0) complain(r, "an event's reserved field is not 0");
}

static void on_event(void *user_data, const ct_event *e) {
  run *r = user_data;
  note(r, &r->heard, e);
}

static void on_visit(void *user_data, const ct_event *e) {
  run *r = user_data;
  note(r, &r->visited, e);
}

static void on_drop(void *user_data, const void *value, size_t size) {
  run *r = user_data;
  const uint64_t prefix = read_prefix(r, value, size);
  if (value == NULL) complain(r, "drop was given no address");
  if (size < 8)
    r->small_dropped[size]++;
  else if (r->drop_count == kEvents)
    complain(r, "too many drops");
  else
    r->drops[r->drop_count++] = prefix;
}

static bool matches(const run *r, int key, uint64_t prefix) {
  return (key + (int)(prefix % 1000)) % r->match_modulus == r->match_rest;
}

static bool on_match(void *user_data, const void *key, size_t key_length, const void *value,
                     size_t size) {
  run *r = user_data;
  const int number = key_number(r, key, key_length);
  const uint64_t prefix = read_prefix(r, value, size);
  if (number < 0 || !model_is_live(&r->model, number) || key == NULL || value == NULL) {
    complain(r, "match was asked about what is not there");
    return false;
  }
  if (prefix_of(r->model.entries[number].stamp, size) != prefix)
    complain(r, "match was shown another value");
  r->asked[number]++;
  return matches(r, number, prefix);
}

static bool weighs_memory(const run *r) {
  return r->options.weight_kind == CT_WEIGHT_MEMORY && r->options.weigher == NULL;
}

/* ---- The custom policy ---------------------------------------------------------------------- */

static int custom_find(const custom_state *state, uint32_t id) {
  for (int i = 0; i < state->count; i++)
    if (state->ids[i] == id) return i;
  return -1;
}

static void custom_erase(custom_state *state, int at) {
  state->count--;
  memmove(&state->ids[at], &state->ids[at + 1], (size_t)(state->count - at) * sizeof state->ids[0]);
  memmove(&state->weights[at], &state->weights[at + 1],
          (size_t)(state->count - at) * sizeof state->weights[0]);
}

static void custom_append(custom_state *state, uint32_t id, uint64_t weight) {
  state->ids[state->count] = id;
  state->weights[state->count++] = weight;
}

/* In a cache without lifetimes the timer is not read, and there is no time to tell. */
static void custom_check(custom_state *state, const void *key, size_t size, uint64_t now) {
  run *r = state->run;
  if (key != NULL && key_number(r, key, size) < 0) complain(r, "the policy was told a strange key");
  if (!r->setup.timeless && now != r->model.now) complain(r, "the policy was told another time");
}

static void *custom_new(void *user_data, uint64_t maxsize) {
  run *r = user_data;
  custom_state *state = calloc(1, sizeof *state);
  if (state == NULL) return NULL;
  state->run = r;
  if (maxsize != r->options.maxsize) complain(r, "the policy was told another maxsize");
  r->states[r->state_count++] = state;
  return state;
}

static void custom_insert(void *data, uint32_t id, uint64_t weight, const void *key, size_t size,
                          uint64_t now) {
  custom_state *state = data;
  custom_check(state, key, size, now);
  if (custom_find(state, id) >= 0 || state->count == MODEL_KEYS)
    complain(state->run, "the policy was given an id that is in use");
  else
    custom_append(state, id, weight);
}

static void custom_update(void *data, uint32_t id, uint64_t weight, const void *key, size_t size,
                          uint64_t now) {
  custom_state *state = data;
  custom_check(state, key, size, now);
  const int at = custom_find(state, id);
  if (at < 0) {
    complain(state->run, "the policy was told of an update of an unknown id");
    return;
  }
  custom_erase(state, at);
  custom_append(state, id, weight);
}

static void custom_reweigh(void *data, uint32_t id, uint64_t weight) {
  custom_state *state = data;
  const int at = custom_find(state, id);
  if (at < 0)
    complain(state->run, "the policy was told the weight of an unknown id");
  else
    state->weights[at] = weight;
}

static void custom_hit(void *data, uint32_t id, uint64_t now) {
  custom_state *state = data;
  custom_check(state, NULL, 0, now);
  if (custom_find(state, id) < 0)
    complain(state->run, "the policy was told of a use of an unknown id");
  state->run->custom_uses++;
}

static void custom_remove(void *data, uint32_t id) {
  custom_state *state = data;
  const int at = custom_find(state, id);
  if (at < 0)
    complain(state->run, "the policy was told that an unknown id left");
  else
    custom_erase(state, at);
}

static void custom_clear(void *data) {
  custom_state *state = data;
  state->count = 0;
}

static void custom_resize(void *data, uint64_t maxsize) {
  custom_state *state = data;
  if (maxsize != state->run->model.maxsize)
    complain(state->run, "the policy was told another limit");
}

static uint32_t custom_victim(void *data) {
  custom_state *state = data;
  if (state->count == 0) complain(state->run, "an empty policy was asked for a victim");
  return state->ids[0];
}

static const ct_policy_ops kFullOps = {
    sizeof(ct_policy_ops), custom_new,   free,          custom_insert, custom_update, custom_hit,
    custom_remove,         custom_clear, custom_resize, custom_victim, custom_reweigh};

static const ct_policy_ops kSpareOps = {
    sizeof(ct_policy_ops), NULL, NULL, custom_insert, NULL, NULL,
    custom_remove,         NULL, NULL, custom_victim, NULL};

/* A policy that is told of updates and weights knows what each entry weighs. */
static void check_custom_weights(run *r) {
  if (r->setup.spare) return;
  uint64_t weight = 0;
  for (int s = 0; s < r->state_count; s++)
    for (int i = 0; i < r->states[s]->count; i++) weight += r->states[s]->weights[i];
  check_equal(r, ct_weight(r->cache), weight);
}

static void check_custom_policy(run *r) {
  int count = 0;
  for (int s = 0; s < r->state_count; s++) count += r->states[s]->count;
  check_equal(r, ct_len(r->cache), count);
  if (!r->setup.spare) check_equal(r, r->uses, r->custom_uses);
}

/* ---- Configurations ------------------------------------------------------------------------- */

static uint64_t draw_maxsize(run *r) {
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

static void draw_setup(run *r, ct_policy policy) {
  setup *s = &r->setup;
  ct_options *o = &r->options;
  ct_options_init(o, sizeof *o);
  o->policy = (int32_t)policy;
  o->user_data = r;
  o->timer = on_timer;
  o->seed = choice(&r->source) | 1;
  s->loads = (o->seed >> 30 & 3) == 3; /* not in what is remembered from before */
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

  const uint64_t kind = below(r, 8);
  if (kind == 0) o->weight_kind = CT_WEIGHT_VALUE;
  if (kind == 1) o->weight_kind = CT_WEIGHT_MEMORY;
  if (kind == 2 || kind == 3) {
    o->weigher = on_weigh;
    s->huge = one_in(r, 4);
  }
  draw_weights(r);
  o->maxsize = draw_maxsize(r);
  draw_lifetimes(r, policy);

  /* Where victims cannot be predicted the listener has to name them. With queues it matters when an
   * expired entry was reclaimed. */
  const bool predictable = o->shards <= 1 && o->weight_kind != CT_WEIGHT_MEMORY &&
                           policy != CT_POLICY_RR && policy != CT_POLICY_WTINYLFU &&
                           (r->setup.timeless || !queues_know(policy));
  if (!predictable || !one_in(r, 4)) o->listener = on_event;
  if (one_in(r, 2)) o->drop = on_drop;
  s->allocator = one_in(r, 4);
  if (s->allocator) {
    test_allocator_init(&r->allocator);
    o->allocator = &r->allocator.hooks;
  }
}

static void begin(run *r, choices from, ct_policy policy) {
  memset(r, 0, offsetof(run, copies));
  memset(&r->held_count, 0, sizeof *r - offsetof(run, held_count));
  r->number = from.random;
  r->source = from;
  r->operation = "ct_cache_new_with";
  draw_setup(r, policy);

  model *m = &r->model;
  if (policy == CT_POLICY_CUSTOM) policy = r->setup.spare ? CT_POLICY_ANY : CT_POLICY_FIFO;
  model_init(m, policy, r->options.maxsize, r->options.tti);
  m->now = r->clock == CT_NEVER ? CT_NEVER - 1 : r->clock;

  r->shared_state.run = r;
  if (r->setup.spare) r->states[r->state_count++] = &r->shared_state;
  check_equal(r, CT_OK, ct_cache_new_with(&r->options, &r->cache));
  if (r->number % 4 != 0) ct_act_large(r->cache);
  /* All that the cache needs of its options it has copied. */
  r->options.allocator = NULL;
}

/* ---- Following the cache -------------------------------------------------------------------- */

static bool listens(const run *r) {
  return r->options.listener != NULL;
}

/* The model knows in what order entries would go. */
static bool is_exact(const run *r) {
  return r->options.shards <= 1 && r->options.policy != CT_POLICY_WTINYLFU;
}

static const event *next_event(const run *r) {
  return r->heard.taken < r->heard.count ? &r->heard.events[r->heard.taken] : NULL;
}

static bool next_is(const run *r, ct_cause cause) {
  const event *e = next_event(r);
  return e != NULL && e->cause == (int32_t)cause;
}

static void settle_copy(run *r, uint64_t stamp) {
  copy *c = &r->copies[stamp];
  if (!c->stored || c->cached || c->pins != 0 || c->due) return;
  c->due = true;
  if (c->size < 8)
    r->small_due[c->size]++;
  else
    r->large_due++;
}

/* An entry leaves; the listener must have said so. */
static void leave(run *r, int key, ct_cause cause) {
  model_entry *entry = &r->model.entries[key];
  copy *c = &r->copies[entry->stamp];
  if (listens(r)) {
    const event *e = next_event(r);
    check(r, e != NULL);
    check_equal(r, key, e->key);
    check_equal(r, cause, e->cause);
    check_equal(r, entry->size, e->size);
    check_equal(r, prefix_of(entry->stamp, entry->size), e->prefix);
    if (weighs_memory(r) && entry->weight == 0) entry->weight = e->weight;
    check_equal(r, entry->weight, e->weight);
    r->heard.taken++;
  }
  c->cached = false;
  c->deadline = model_deadline(&r->model, key);
  r->walk.must[key] = 0;
  settle_copy(r, entry->stamp);
  if (cause != CT_CAUSE_REPLACED) model_leave(&r->model, key, cause);
}

/* Follows what the cache says has expired. */
static void reclaim(run *r) {
  while (next_is(r, CT_CAUSE_EXPIRED)) {
    const int key = next_event(r)->key;
    check(r, r->model.entries[key].present);
    check(r, model_deadline(&r->model, key) <= r->model.now);
    leave(r, key, CT_CAUSE_EXPIRED);
  }
}

/* Nothing that is due may be left. */
static void reclaim_all(run *r) {
  reclaim(r);
  for (int key; (key = model_find_due(&r->model, r->model.now)) >= 0;) {
    check(r, !listens(r)); /* else the cache would have said that it left */
    leave(r, key, CT_CAUSE_EXPIRED);
  }
}

static void take_choice(run *r, uint64_t *count, uint64_t *answer) {
  check(r, r->choice_taken < r->choice_count);
  *count = r->choices[r->choice_taken].count;
  *answer = r->choices[r->choice_taken++].answer;
}

/* The policy's victim: predicted with one shard, else who the cache says it was. */
static int find_victim(run *r) {
  const model *m = &r->model;
  int victim = model_victim(m);
  check(r, victim >= 0);
  if (!is_exact(r)) {
    check(r, next_is(r, CT_CAUSE_EVICTED));
    victim = next_event(r)->key;
    check(r, model_is_live(m, victim));
  }
  if (m->policy == CT_POLICY_RR) {
    uint64_t count, answer;
    take_choice(r, &count, &answer);
    check(r, count > 0 && count <= (uint64_t)m->count);
    if (is_exact(r)) {
      check_equal(r, m->count, count);
      victim = m->order[answer % count];
    }
  }
  return victim;
}

/* Expired entries come first, wherever they are. */
static void evict(run *r) {
  reclaim_all(r);
  leave(r, find_victim(r), CT_CAUSE_EVICTED);
}

/* Evictions for an entry of that weight under that key (or -1), which may itself be a victim. */
static void make_room(run *r, int key, uint64_t weight) {
  model *m = &r->model;
  model_make_room_for(m, key);
  if (weighs_memory(r)) {
    while (next_is(r, CT_CAUSE_EVICTED)) evict(r);
  } else {
    for (;;) {
      const uint64_t old = key >= 0 && model_is_live(m, key) ? m->entries[key].weight : 0;
      const uint64_t others = model_live_weight(m) - old;
      if (others <= m->maxsize && weight <= m->maxsize - others) break;
      evict(r);
    }
  }
  model_make_room_for(m, -1);
}

static uint64_t inspected_weight(const run *r, int key) {
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  if (ct_inspect(r->cache, key_data(r, key), key_size(r, key), &info) != CT_OK) return 0;
  return info.weight;
}

static void pin(run *r, uint64_t stamp) {
  r->copies[stamp].pins++;
}

static void unpin(run *r, uint64_t stamp) {
  r->copies[stamp].pins--;
  settle_copy(r, stamp);
}

static bool is_held_value(const run *r, const held_value *held) {
  if (held->key != NULL) return memcmp(held->value.data, held->key, held->value.size) == 0;
  return held->value.size == r->copies[held->stamp].size &&
         is_value(held->value.data, held->stamp, held->value.size);
}

static void release_held(run *r, int at) {
  held_value held = r->held[at];
  r->held[at] = r->held[--r->held_count];
  check(r, is_held_value(r, &held));
  ct_value_release(&held.value);
  check(r, held.value.data == NULL && held.value.size == 0 && held.value.pin == 0);
  unpin(r, held.stamp);
}

/* A value came out: checks it, and keeps it for a while or gives it back. */
static void receive(run *r, ct_value *value, uint64_t stamp, const void *key, size_t size) {
  const held_value held = {*value, stamp, key};
  check(r, value->data != NULL && value->pin != 0);
  check_equal(r, size, value->size);
  check(r, key != NULL || (uintptr_t)value->data % 8 == 0);
  check(r, is_held_value(r, &held));
  pin(r, stamp);
  r->held[r->held_count++] = held;
  if (r->held_count == kHeld || !one_in(r, 4)) release_held(r, r->held_count - 1);
  if (r->held_count > kHeld - kBatch) release_held(r, (int)below(r, (uint64_t)r->held_count));
}

static void receive_entry(run *r, ct_value *value, int key) {
  const model_entry *entry = &r->model.entries[key];
  receive(r, value, entry->stamp, NULL, entry->size);
}

static void receive_key(run *r, ct_value *value, int key, uint64_t stamp) {
  receive(r, value, stamp, key == 0 ? "" : key_data(r, key), key_size(r, key));
}

static void check_nothing(const run *r, const ct_value *value) {
  check(r, value->data == NULL && value->size == 0 && value->pin == 0);
}

/* ---- Storing -------------------------------------------------------------------------------- */

/* That key, or with -1 every one, is invalidated: what is being loaded for it comes too late. */
static void overtake(run *r, int key) {
  for (int i = 0; i < r->lease_count; i++)
    if (key < 0 || r->leases[i].key == key) r->leases[i].overtaken = true;
}

typedef struct request {
  int key;
  uint64_t stamp;
  size_t size;
  uint32_t flags;
  uint64_t ttl, deadline, weight;
} request;

static uint64_t age_deadline(const run *r, const request *q) {
  const uint64_t now = r->model.now;
  if ((q->flags & CT_ENTRY_TTL) != 0) return model_sum(now, q->ttl);
  if ((q->flags & CT_ENTRY_DEADLINE) != 0) return q->deadline;
  if (r->options.ttu != NULL) return deadline_of(prefix_of(q->stamp, q->size), q->size, now);
  return r->options.ttl != 0 ? model_sum(now, r->options.ttl) : CT_NEVER;
}

static uint64_t request_weight(const run *r, const request *q) {
  if ((q->flags & CT_ENTRY_WEIGHT) != 0) return q->weight;
  if (r->options.weigher != NULL) return weight_of(r, prefix_of(q->stamp, q->size), q->size);
  if (r->options.weight_kind == CT_WEIGHT_VALUE) return q->size;
  return r->options.weight_kind == CT_WEIGHT_COUNT ? 1 : 0;
}

/* What an entry weighs at most where memory is weighed, with so many bytes of key and value: a block
 * also weighs a thirty-second of itself, for room that lies free, so that it grows with them. */
static uint64_t most_memory(uint64_t bytes) {
  return bytes + bytes / 32 + 256;
}

static bool is_too_large(const run *r, const request *q, uint64_t weight, ct_status answer) {
  if (!weighs_memory(r)) return weight > r->model.maxsize;
  const uint64_t bytes = key_size(r, q->key) + q->size;
  if (answer == CT_ERR_TOO_LARGE)
    check(r, most_memory(bytes) > r->model.maxsize);
  else
    check(r, bytes <= r->model.maxsize);
  return answer == CT_ERR_TOO_LARGE;
}

/* What a store must answer, having done it to the model. */
static ct_status follow_store(run *r, const request *q, ct_status answer) {
  model *m = &r->model;
  r->conditions = q->flags;
  r->answer = answer;
  reclaim(r);
  const bool live = model_is_live(m, q->key);
  if (live && (q->flags & CT_ENTRY_IF_ABSENT) != 0) return CT_EXISTS;
  overtake(r, q->key); /* also if it is refused */
  if (!live && (q->flags & CT_ENTRY_IF_PRESENT) != 0) return CT_MISS;
  const uint64_t deadline = age_deadline(r, q);
  if (deadline <= m->now) {
    if (live) leave(r, q->key, CT_CAUSE_REMOVED);
    m->stats.rejections++;
    return CT_NOT_STORED;
  }
  const uint64_t weight = request_weight(r, q);
  if (is_too_large(r, q, weight, answer)) {
    m->stats.rejections++;
    return CT_ERR_TOO_LARGE;
  }
  make_room(r, q->key, weight);
  reclaim(r);
  if (m->entries[q->key].present && !model_is_live(m, q->key)) {
    check(r, !listens(r)); /* else the cache would have said that it left */
    leave(r, q->key, CT_CAUSE_EXPIRED);
  }
  if (m->entries[q->key].present) {
    leave(r, q->key, CT_CAUSE_REPLACED);
    model_update(m, q->key, q->stamp, q->size, weight, deadline);
  } else {
    model_insert(m, q->key, q->stamp, q->size, weight, deadline);
  }
  r->copies[q->stamp].stored = r->copies[q->stamp].cached = true;
  reclaim(r);
  return CT_OK;
}

/* The weight that only the cache knows. */
static void learn_weight(run *r, int key) {
  if (weighs_memory(r) && model_is_live(&r->model, key))
    r->model.entries[key].weight = inspected_weight(r, key);
}

static bool takes_weights(const run *r) {
  return r->options.weight_kind != CT_WEIGHT_MEMORY;
}

static void draw_conditions(run *r, request *q) {
  static const uint64_t kTerms[] = {0, 1, 2, 5, 20, 100, 1000, CT_NEVER - 1, CT_NEVER};
  const model *m = &r->model;
  if (!r->setup.timeless && one_in(r, 4)) {
    q->flags |= CT_ENTRY_TTL;
    q->ttl = kTerms[below(r, 9)];
  } else if (!r->setup.timeless && one_in(r, 4)) {
    q->flags |= CT_ENTRY_DEADLINE;
    q->deadline = one_in(r, 8) ? below(r, m->now + 1) : model_sum(m->now, kTerms[below(r, 9)]);
  }
  if (takes_weights(r) && one_in(r, 4)) {
    q->flags |= CT_ENTRY_WEIGHT;
    q->weight = r->weights[below(r, 8)];
    if (one_in(r, 3)) q->weight = one_in(r, 3) ? m->maxsize : below(r, m->maxsize / 2 + 1);
    if (one_in(r, 20)) q->weight = m->maxsize + (m->maxsize != UINT64_MAX);
  }
  if (one_in(r, 5))
    q->flags |= CT_ENTRY_IF_ABSENT;
  else if (one_in(r, 5))
    q->flags |= CT_ENTRY_IF_PRESENT;
}

static ct_entry_options entry_options(const request *q) {
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  options.flags = q->flags;
  /* Fields without their flag must not matter. */
  options.ttl = (q->flags & CT_ENTRY_TTL) != 0 ? q->ttl : 77;
  options.deadline = (q->flags & CT_ENTRY_DEADLINE) != 0 ? q->deadline : 1;
  options.weight = (q->flags & CT_ENTRY_WEIGHT) != 0 ? q->weight : UINT64_MAX;
  return options;
}

static request request_for(run *r, int key, unsigned char *buffer) {
  request q = {.key = key, .size = draw_size(r)};
  q.stamp = new_stamp(r, q.size);
  fill_value(buffer, q.stamp, q.size);
  r->key = q.key;
  return q;
}

static request new_request(run *r, unsigned char *buffer) {
  return request_for(r, (int)below(r, (uint64_t)r->setup.keys), buffer);
}

static unsigned char buffer[kBatch * (kLargestKey + kLargestValue)];

static void do_set(run *r) {
  request q = new_request(r, buffer);
  const void *key = key_data(r, q.key);
  const size_t size = key_size(r, q.key);
  const void *value = q.size == 0 && one_in(r, 2) ? NULL : buffer;
  const bool needs_all = r->stores_next && takes_weights(r) && one_in(r, 2);
  r->stores_next = false;
  ct_status status;
  if (needs_all || one_in(r, 3)) {
    if (needs_all) {
      q.flags = CT_ENTRY_WEIGHT;
      q.weight = r->model.maxsize;
    } else {
      draw_conditions(r, &q);
    }
    const ct_entry_options options = entry_options(&q);
    r->operation = "ct_set_with";
    status = ct_set_with(r->cache, key, size, value, q.size, &options);
  } else if (!r->setup.timeless && one_in(r, 4)) {
    q.flags = CT_ENTRY_TTL;
    q.ttl = one_in(r, 10) ? CT_NEVER : below(r, 40);
    r->operation = "ct_set_ttl";
    status = ct_set_ttl(r->cache, key, size, value, q.size, q.ttl);
  } else {
    r->operation = "ct_set";
    status = ct_set(r->cache, key, size, value, q.size);
  }
  check_equal(r, follow_store(r, &q, status), status);
  learn_weight(r, q.key);
}

static void do_setdefault(run *r) {
  r->operation = "ct_setdefault";
  const request q = new_request(r, buffer);
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  const ct_status status =
      ct_setdefault(r->cache, key_data(r, q.key), key_size(r, q.key), buffer, q.size, out);
  reclaim(r);
  ct_status expected = CT_OK;
  const bool found = model_is_live(&r->model, q.key);
  if (found) {
    r->model.stats.hits++;
    r->uses++;
    model_use(&r->model, q.key);
  } else {
    r->model.stats.misses++;
    expected = follow_store(r, &q, status);
  }
  check_equal(r, expected, status);
  if (!found) learn_weight(r, q.key);
  if (out == NULL) return;
  if (found)
    receive_entry(r, out, q.key);
  else if (status == CT_OK || status == CT_NOT_STORED)
    receive(r, out, q.stamp, NULL, q.size);
  else
    check_nothing(r, out);
}

static void do_set_many(run *r) {
  r->operation = "ct_set_many";
  /* Which pair an event belongs to cannot always be told: whose victim it was without knowing the
   * weights, and between which two insertions, by which RR numbers, an entry expired. */
  const bool unclear = weighs_memory(r) || (r->model.policy == CT_POLICY_RR && !r->setup.timeless);
  const size_t count = below(r, unclear ? 2 : kBatch + 1);
  request requests[kBatch];
  size_t ends[2 * kBatch];
  ct_status statuses[kBatch];
  size_t end = 0;
  for (size_t i = 0; i < count; i++) {
    /* The value goes behind the key. */
    requests[i] = (request){.key = (int)below(r, (uint64_t)r->setup.keys), .size = draw_size(r)};
    request *q = &requests[i];
    q->stamp = new_stamp(r, q->size);
    if (q->key != 0) memcpy(buffer + end, key_data(r, q->key), key_size(r, q->key));
    end = ends[2 * i] = end + key_size(r, q->key);
    fill_value(buffer + end, q->stamp, q->size);
    end = ends[2 * i + 1] = end + q->size;
  }
  request shared = {0};
  const bool plain = one_in(r, 2);
  if (!plain) draw_conditions(r, &shared);
  const ct_entry_options options = entry_options(&shared);
  ct_status *told = one_in(r, 4) && !weighs_memory(r) ? NULL : statuses;
  const ct_status status =
      ct_set_many(r->cache, buffer, ends, count, plain ? NULL : &options, told);

  ct_status expected = CT_OK;
  for (size_t i = 0; i < count; i++) {
    request q = requests[i];
    r->key = q.key;
    q.flags = shared.flags;
    q.ttl = shared.ttl;
    q.deadline = shared.deadline;
    q.weight = shared.weight;
    const ct_status one = follow_store(r, &q, told == NULL ? CT_OK : statuses[i]);
    if (told != NULL) check_equal(r, one, statuses[i]);
    if (one < 0 && expected == CT_OK) expected = one;
  }
  check_equal(r, expected, status);
  for (size_t i = 0; i < count; i++) learn_weight(r, requests[i].key);
}

/* Whatever is refused as invalid leaves no trace. */
static void do_invalid(run *r) {
  r->operation = "an invalid call";
  const request q = new_request(r, buffer);
  const void *key = key_data(r, q.key);
  const size_t size = key_size(r, q.key);
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  const uint32_t kFlags[] = {CT_ENTRY_TTL | CT_ENTRY_DEADLINE,
                             CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT, 0x20, 0x80000000};
  options.flags = kFlags[below(r, 4)];
  options.ttl = options.deadline = CT_NEVER;
  check_equal(r, CT_ERR_INVALID, ct_set_with(r->cache, key, size, buffer, q.size, &options));
  ct_value value;
  memset(&value, 0xee, sizeof value);
  check_equal(r, CT_ERR_INVALID, ct_get(r->cache, NULL, 1, &value));
  check_nothing(r, &value);
  memset(&value, 0xee, sizeof value);
  check_equal(r, CT_ERR_INVALID, ct_setdefault(r->cache, "k", 1, NULL, 3, &value));
  check_nothing(r, &value);
  if (weighs_memory(r)) {
    options.flags = CT_ENTRY_WEIGHT;
    check_equal(r, CT_ERR_INVALID, ct_set_with(r->cache, key, size, buffer, q.size, &options));
  }
}

/* ---- Reading -------------------------------------------------------------------------------- */

static int draw_key(run *r) {
  return r->key = (int)below(r, (uint64_t)r->setup.keys);
}

/* What a read must answer, having counted it and used the entry. */
static ct_status follow_read(run *r, int key) {
  if (!model_is_live(&r->model, key)) {
    r->model.stats.misses++;
    return CT_MISS;
  }
  r->model.stats.hits++;
  r->uses++;
  model_use(&r->model, key);
  return CT_OK;
}

static void do_get(run *r) {
  r->operation = "ct_get";
  const int key = draw_key(r);
  ct_value value;
  ct_value *out = one_in(r, 8) ? NULL : &value;
  const ct_status status = ct_get(r->cache, key_data(r, key), key_size(r, key), out);
  check_equal(r, follow_read(r, key), status);
  if (out != NULL && status == CT_OK) receive_entry(r, out, key);
  if (out != NULL && status != CT_OK) check_nothing(r, out);
}

static void do_get_copy(run *r) {
  r->operation = "ct_get_copy";
  const int key = draw_key(r);
  const model_entry *entry = &r->model.entries[key];
  const bool live = model_is_live(&r->model, key);
  const bool small = live && entry->size > 0 && one_in(r, 3);
  const size_t capacity = small  ? below(r, entry->size)
                          : live ? entry->size + below(r, 3)
                                 : below(r, 99);
  memset(buffer, 0x5a, 64);
  size_t size = 999;
  const ct_status status = ct_get_copy(r->cache, key_data(r, key), key_size(r, key),
                                       capacity == 0 ? NULL : buffer, capacity, &size);
  if (small) {
    check_equal(r, CT_ERR_BUFFER, status);
    check_equal(r, entry->size, size);
    check(r, buffer[0] == 0x5a);
    return;
  }
  check_equal(r, follow_read(r, key), status);
  check_equal(r, live ? entry->size : 0, size);
  check(r, !live || is_value(buffer, entry->stamp, size));
}

static void do_peek(run *r) {
  r->operation = "ct_peek";
  const int key = draw_key(r);
  ct_value value;
  const ct_status status = ct_peek(r->cache, key_data(r, key), key_size(r, key), &value);
  check_equal(r, model_is_live(&r->model, key) ? CT_OK : CT_MISS, status);
  if (status == CT_OK)
    receive_entry(r, &value, key);
  else
    check_nothing(r, &value);
}

static void do_contains(run *r) {
  r->operation = "ct_contains";
  const int key = draw_key(r);
  check_equal(r, model_is_live(&r->model, key),
              ct_contains(r->cache, key_data(r, key), key_size(r, key)));
}

static void do_inspect(run *r) {
  r->operation = "ct_inspect";
  const int key = draw_key(r);
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  const ct_status status = ct_inspect(r->cache, key_data(r, key), key_size(r, key), &info);
  if (!model_is_live(&r->model, key)) {
    check_equal(r, CT_MISS, status);
    check_equal(r, 0,
                info.weight | info.deadline | info.remaining | info.frequency | info.key_size |
                    info.value_size);
    return;
  }
  const model_entry *entry = &r->model.entries[key];
  const uint64_t deadline = model_deadline(&r->model, key);
  check_equal(r, CT_OK, status);
  check_equal(r, entry->weight, info.weight);
  check_equal(r, deadline, info.deadline);
  check_equal(r, deadline == CT_NEVER ? CT_NEVER : deadline - r->model.now, info.remaining);
  /* Of what hashes alike WTINYLFU counts the sum. */
  if (r->model.policy != CT_POLICY_WTINYLFU) check_equal(r, entry->frequency, info.frequency);
  check_equal(r, key_size(r, key), info.key_size);
  check_equal(r, entry->size, info.value_size);
}

static void do_get_many(run *r) {
  r->operation = "ct_get_many";
  const size_t count = below(r, kBatch + 1);
  int drawn[kBatch];
  ct_bytes keys[kBatch];
  ct_value values[kBatch];
  ct_status statuses[kBatch];
  for (size_t i = 0; i < count; i++) {
    drawn[i] = draw_key(r);
    keys[i] = (ct_bytes){key_data(r, drawn[i]), key_size(r, drawn[i])};
  }
  check_equal(r, CT_OK, ct_get_many(r->cache, keys, count, values, statuses));
  for (size_t i = 0; i < count; i++) {
    r->key = drawn[i];
    check_equal(r, follow_read(r, drawn[i]), statuses[i]);
    if (statuses[i] == CT_OK)
      receive_entry(r, &values[i], drawn[i]);
    else
      check_nothing(r, &values[i]);
  }
}

static void do_get_many_copy(run *r) {
  r->operation = "ct_get_many_copy";
  const size_t count = below(r, kBatch + 1);
  static unsigned char keys[kBatch * kLargestKey];
  int drawn[kBatch];
  size_t key_ends[kBatch], value_ends[kBatch], expected_ends[kBatch];
  ct_status statuses[kBatch];
  size_t key_end = 0, needed = 0;
  for (size_t i = 0; i < count; i++) {
    const int key = drawn[i] = draw_key(r);
    if (key != 0) memcpy(keys + key_end, key_data(r, key), key_size(r, key));
    key_end = key_ends[i] = key_end + key_size(r, key);
    if (model_is_live(&r->model, key)) needed += r->model.entries[key].size;
    expected_ends[i] = needed;
  }
  const bool small = needed > 0 && one_in(r, 3);
  const size_t capacity = small ? below(r, needed) : needed + below(r, 3);
  memset(buffer, 0x5a, 64);
  const ct_status status =
      ct_get_many_copy(r->cache, keys, key_ends, count, buffer, capacity, value_ends, statuses);
  check_equal(r, small ? CT_ERR_BUFFER : CT_OK, status);
  for (size_t i = 0; i < count; i++) check_equal(r, expected_ends[i], value_ends[i]);
  if (small) {
    check(r, buffer[0] == 0x5a);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    const model_entry *entry = &r->model.entries[drawn[i]];
    r->key = drawn[i];
    check_equal(r, follow_read(r, drawn[i]), statuses[i]);
    if (statuses[i] != CT_OK) continue;
    const size_t at = i == 0 ? 0 : value_ends[i - 1];
    check(r, is_value(buffer + at, entry->stamp, entry->size));
  }
}

/* ---- Removing ------------------------------------------------------------------------------- */

static void do_delete(run *r) {
  const int key = draw_key(r);
  ct_value value;
  ct_value *out = one_in(r, 3) ? NULL : &value;
  const bool pops = one_in(r, 2);
  r->operation = pops ? "ct_pop" : "ct_delete";
  const ct_status status = pops ? ct_pop(r->cache, key_data(r, key), key_size(r, key), out)
                                : ct_delete(r->cache, key_data(r, key), key_size(r, key));
  overtake(r, key);
  reclaim(r);
  if (!model_is_live(&r->model, key)) {
    check_equal(r, CT_MISS, status);
    if (pops && out != NULL) check_nothing(r, out);
    return;
  }
  check_equal(r, CT_OK, status);
  /* The pin came before the departure. */
  const model_entry entry = r->model.entries[key];
  const bool received = pops && out != NULL;
  if (received) pin(r, entry.stamp);
  leave(r, key, CT_CAUSE_REMOVED);
  if (!received) return;
  receive(r, out, entry.stamp, NULL, entry.size);
  unpin(r, entry.stamp);
}

static void do_popitem(run *r) {
  r->operation = "ct_popitem";
  ct_value key, value;
  ct_value *key_out = one_in(r, 4) ? NULL : &key;
  ct_value *value_out = one_in(r, 4) ? NULL : &value;
  const ct_status status = ct_popitem(r->cache, key_out, value_out);
  reclaim(r);
  if (model_live_count(&r->model) == 0) {
    check_equal(r, CT_MISS, status);
    if (key_out != NULL) check_nothing(r, key_out);
    if (value_out != NULL) check_nothing(r, value_out);
    return;
  }
  check_equal(r, CT_OK, status);
  const int victim = r->key = find_victim(r);
  const model_entry entry = r->model.entries[victim];
  /* The pins came before the departure. */
  pin(r, entry.stamp);
  leave(r, victim, CT_CAUSE_EVICTED);
  if (key_out != NULL) receive_key(r, key_out, victim, entry.stamp);
  if (value_out != NULL) receive(r, value_out, entry.stamp, NULL, entry.size);
  unpin(r, entry.stamp);
}

static void do_clear(run *r) {
  r->operation = "ct_clear";
  model *m = &r->model;
  check_equal(r, CT_OK, ct_clear(r->cache));
  overtake(r, -1);
  if (listens(r)) {
    for (const event *e; (e = next_event(r)) != NULL;) {
      check(r, m->entries[e->key].present);
      leave(r, e->key, model_is_live(m, e->key) ? CT_CAUSE_CLEARED : CT_CAUSE_EXPIRED);
    }
  } else {
    while (m->count > 0)
      leave(r, m->order[0], model_is_live(m, m->order[0]) ? CT_CAUSE_CLEARED : CT_CAUSE_EXPIRED);
  }
  check_equal(r, 0, m->count);
  model_forget(m);
}

static void do_remove_if(run *r) {
  r->operation = "ct_remove_if";
  model *m = &r->model;
  r->match_modulus = 1 + (int)below(r, 6);
  r->match_rest = (int)below(r, (uint64_t)r->match_modulus);
  memset(r->asked, 0, sizeof r->asked);
  const uint64_t removed = ct_remove_if(r->cache, on_match, r);
  overtake(r, -1);

  int due[MODEL_KEYS];
  uint64_t count = 0;
  for (int i = 0; i < m->count; i++) {
    const int key = m->order[i];
    const model_entry *entry = &m->entries[key];
    check_equal(r, model_is_live(m, key) ? 1 : 0, r->asked[key]);
    if (model_is_live(m, key) && matches(r, key, prefix_of(entry->stamp, entry->size)))
      due[count++] = key;
  }
  check_equal(r, count, removed);
  for (uint64_t i = 0; i < count; i++) {
    reclaim(r);
    const int key = listens(r) && next_event(r) != NULL ? next_event(r)->key : due[i];
    check(r, m->entries[key].present);
    check(r, matches(r, key, prefix_of(m->entries[key].stamp, m->entries[key].size)));
    leave(r, key, CT_CAUSE_REMOVED);
  }
}

/* ---- Size and time -------------------------------------------------------------------------- */

/* Events of one kind come in order of deadline, shard or no shard. */
static void check_order_of_deadlines(run *r) {
  uint64_t last = 0;
  for (int i = r->heard.taken; i < r->heard.count; i++) {
    const int key = r->heard.events[i].key;
    check(r, r->model.entries[key].present);
    const uint64_t deadline = model_deadline(&r->model, key);
    check(r, deadline >= last);
    last = deadline;
  }
}

static void check_len(run *r) {
  const uint64_t len = ct_len(r->cache);
  check_order_of_deadlines(r);
  reclaim_all(r);
  check_equal(r, r->model.count, len);
}

static void do_size(run *r) {
  r->operation = "ct_len or ct_currsize";
  if (one_in(r, 2)) {
    check_len(r);
    return;
  }
  const uint64_t currsize = ct_currsize(r->cache);
  check_order_of_deadlines(r);
  reclaim_all(r);
  check_equal(r, model_live_weight(&r->model), currsize);
  check(r, currsize <= r->model.maxsize);
  check_equal(r, r->model.maxsize, ct_maxsize(r->cache));
  check(r, ct_memory(r->cache) > 0);
  if (r->setup.allocator) check(r, ct_memory(r->cache) <= (uint64_t)r->allocator.bytes);
}

static void do_resize(run *r) {
  r->operation = "ct_resize";
  const uint64_t maxsize = draw_maxsize(r);
  r->model.maxsize = maxsize;
  check_equal(r, CT_OK, ct_resize(r->cache, maxsize));
  check_equal(r, maxsize, ct_maxsize(r->cache));
  if (maxsize == 0) overtake(r, -1);
  reclaim(r);
  make_room(r, -1, 0);
  reclaim(r);
}

static void do_set_lifetime(run *r) {
  static const uint64_t kTerms[] = {0, 1, 3, 10, 50, 1000, CT_NEVER - 1, CT_NEVER};
  r->operation = "ct_set_lifetime";
  const int key = draw_key(r);
  const uint64_t ttl = kTerms[below(r, 8)];
  const ct_status status = ct_set_lifetime(r->cache, key_data(r, key), key_size(r, key), ttl);
  if (ttl == 0) overtake(r, key);
  /* Room for a deadline is memory too, where that is what counts. */
  r->writes = ttl == 0 || weighs_memory(r);
  if (ttl != 0 && weighs_memory(r) && model_is_live(&r->model, key)) {
    reclaim(r);
    make_room(r, key, 0);
    if (status == CT_ERR_TOO_LARGE) {
      check(r, most_memory(key_size(r, key) + r->model.entries[key].size) > r->model.maxsize);
      return;
    }
  }
  if (!model_is_live(&r->model, key)) {
    check_equal(r, CT_MISS, status);
    return;
  }
  check_equal(r, CT_OK, status);
  r->model.entries[key].age_deadline = model_sum(r->model.now, ttl);
  if (ttl == 0) r->walk.must[key] = 0;
  learn_weight(r, key);
}

static void do_expire(run *r) {
  r->operation = "ct_expire";
  model *m = &r->model;
  uint64_t until = CT_NOW;
  if (one_in(r, 2)) {
    const uint64_t kUntil[] = {0, m->now - below(r, m->now < 20 ? m->now + 1 : 20),
                               model_sum(m->now, below(r, 30)), CT_NEVER - 1};
    until = kUntil[below(r, 4)];
    if (until == CT_NOW) until--;
  }
  /* Without a listener nobody knows which entries have gone already. */
  const bool unsure = !listens(r) && until != CT_NOW;
  if (unsure) check_len(r);
  const bool visits = one_in(r, 2);
  r->timer_reads = 0;
  const uint64_t count = ct_expire(r->cache, until, visits ? on_visit : NULL, r);

  if (until == CT_NOW) until = m->now;
  if (listens(r)) check_equal(r, count, r->heard.count);
  if (visits) check_equal(r, count, r->visited.count);
  if (visits && listens(r))
    for (int i = 0; i < r->visited.count; i++)
      check(r, memcmp(&r->visited.events[i], &r->heard.events[i], sizeof(event)) == 0);
  check_order_of_deadlines(r);
  uint64_t gone = 0;
  for (int key; (key = listens(r) && next_event(r) != NULL ? next_event(r)->key
                                                           : model_find_due(m, until)) >= 0;
       gone++) {
    check(r, m->entries[key].present && model_deadline(m, key) <= until);
    leave(r, key, CT_CAUSE_EXPIRED);
  }
  if (listens(r) || unsure)
    check_equal(r, gone, count);
  else
    check(r, count <= gone);
}

static void follow_clock(run *r) {
  r->model.now = r->clock == CT_NEVER ? CT_NEVER - 1 : r->clock;
  /* The walk need not show what has expired on its way. */
  for (int key = 0; key < r->setup.keys; key++)
    if (r->walk.must[key] != 0 && !model_is_live(&r->model, key)) r->walk.must[key] = 0;
}

static void do_tick(run *r) {
  r->operation = "a tick";
  r->writes = true;
  if (r->setup.backwards && one_in(r, 10)) {
    /* What has expired may come back, unless it is gone: without a listener it has to be. */
    if (!listens(r)) check_len(r);
    const uint64_t back = one_in(r, 4) ? r->clock : below(r, 30);
    r->clock -= back < r->clock ? back : r->clock;
  } else {
    const bool leaps = one_in(r, 12);
    r->stores_next = leaps && one_in(r, 2);
    r->clock = model_sum(r->clock, leaps ? below(r, 300) : below(r, 4));
  }
  follow_clock(r);
}

/* ---- Loading and computing ------------------------------------------------------------------ */

/* What a loader or compute is to do. */
typedef struct plan {
  run *run;
  request q; /* what it hands back, if it does */
  bool sets;
  bool discards;
  bool invalidates; /* what it loads, by a call that does nothing else */
  bool sets_both;   /* a lifetime and a deadline, of which the last counts */
  ct_status answer; /* the callback's */
  ct_status told;   /* what the call makes of it; CT_OK: it goes on to store */
  uint64_t ticks;   /* that the first call takes */
  int calls;
} plan;

static void draw_failure(plan *p) {
  static const struct {
    int32_t answer, told;
  } kFailures[] = {
      {CT_ERR_IO, CT_ERR_IO}, {CT_ERR_NOMEM, CT_ERR_NOMEM}, {-1000, -1000},
      {1000, 1000},           {CT_EXISTS, CT_ERR_INVALID},  {CT_OK, CT_ERR_INVALID},
  };
  const uint64_t drawn = below(p->run, sizeof kFailures / sizeof kFailures[0]);
  p->answer = (ct_status)kFailures[drawn].answer;
  p->told = (ct_status)kFailures[drawn].told;
  p->sets = p->answer != CT_OK && one_in(p->run, 2);
}

/* To store a value, until more is drawn. */
static plan draw_plan(run *r) {
  plan p = {.run = r, .q = new_request(r, buffer), .sets = true};
  if (one_in(r, 3)) draw_conditions(r, &p.q);
  p.q.flags &= ~(CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT);
  p.discards = one_in(r, 8);
  p.sets_both = one_in(r, 4);
  p.ticks = one_in(r, 4) ? below(r, 20) : 0;
  return p;
}

static ct_status follow_plan(plan *p, const void *key, size_t size, ct_result *result) {
  run *r = p->run;
  const request *q = &p->q;
  if (key == NULL || key_number(r, key, size) != q->key)
    complain(r, "a loader was asked for another key");
  if (p->calls++ == 0) {
    r->clock = model_sum(r->clock, p->ticks);
    follow_clock(r);
  }
  if (!p->sets) return p->answer;
  if ((q->flags & CT_ENTRY_TTL) != 0) {
    if (p->sets_both) ct_result_deadline(result, 1);
    ct_result_ttl(result, q->ttl);
  }
  if ((q->flags & CT_ENTRY_DEADLINE) != 0) {
    if (p->sets_both) ct_result_ttl(result, 77);
    ct_result_deadline(result, q->deadline);
  }
  if ((q->flags & CT_ENTRY_WEIGHT) != 0) ct_result_weight(result, q->weight);
  if (p->discards) ct_result_discard(result);
  if (ct_result_set(result, buffer, q->size) != CT_OK) complain(r, "a result was refused");
  return p->answer;
}

static bool match_none(void *user_data, const void *key, size_t key_length, const void *value,
                       size_t size) {
  (void)user_data, (void)key, (void)key_length, (void)value, (void)size;
  return false;
}

static ct_status on_load(void *user_data, const void *key, size_t size, ct_result *result) {
  plan *p = user_data;
  run *r = p->run;
  const ct_status answer = follow_plan(p, key, size, result);
  if (!p->invalidates) return answer;
  const int reads = r->timer_reads;
  if (p->q.stamp % 2 == 0)
    ct_remove_if(r->cache, match_none, NULL);
  else if (ct_set_lifetime(r->cache, key, size, 0) != CT_MISS)
    complain(r, "what is being loaded has a lifetime");
  overtake(r, p->q.stamp % 2 == 0 ? -1 : p->q.key);
  r->timer_reads = reads;
  return answer;
}

static ct_status on_compute(void *user_data, const void *key, size_t size, const ct_bytes *old,
                            ct_result *result) {
  plan *p = user_data;
  run *r = p->run;
  /* A key has one turn at a time; that of another is nobody's here. */
  if (ct_compute(r->cache, key, size, on_compute, p, NULL) != CT_ERR_RECURSION)
    complain(r, "a key was computed within its compute");
  const model_entry *entry = &r->model.entries[p->q.key];
  if (model_is_live(&r->model, p->q.key) != (old != NULL))
    complain(r, "compute was told wrongly whether there is a value");
  else if (old != NULL && (old->size != entry->size || old->data == NULL ||
                           !is_value(old->data, entry->stamp, entry->size)))
    complain(r, "compute was shown another value");
  return follow_plan(p, key, size, result);
}

static bool is_leased(const run *r, int key) {
  for (int i = 0; i < r->lease_count; i++)
    if (r->leases[i].key == key && !r->leases[i].overtaken) return true;
  return false;
}

static void count_load(run *r, uint64_t started) {
  r->model.stats.loads++;
  if (r->model.now > started) r->model.stats.load_ticks += r->model.now - started;
}

/* As follow_store, for a call that does not tell what is too large from what is dead. */
static ct_status follow_load(run *r, const request *q, bool kept) {
  const ct_status status = follow_store(r, q, kept ? CT_OK : CT_ERR_TOO_LARGE);
  return status == CT_ERR_TOO_LARGE ? CT_NOT_STORED : status;
}

static void do_get_or_load(run *r) {
  r->operation = "ct_get_or_load";
  plan p = draw_plan(r);
  if (one_in(r, 6)) {
    draw_failure(&p);
  } else if (one_in(r, 6)) {
    p.answer = p.told = CT_MISS;
  }
  const int key = p.q.key;
  p.invalidates = p.q.stamp % 16 < 2; /* no choice of its own, so that others stay what they were */
  const uint64_t started = r->model.now;
  const bool found = model_is_live(&r->model, key);
  const bool busy = !found && is_leased(r, key);
  /* It would wait for ever. */
  if (busy && (r->options.flags & CT_FLAG_SINGLE_THREADED) == 0) return;
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  const ct_status status =
      ct_get_or_load(r->cache, key_data(r, key), key_size(r, key), on_load, &p, out);
  check_equal(r, found || busy ? 0 : 1, p.calls);
  check(r, r->timer_reads <= 1 + p.calls);
  if (p.calls != 0) r->timer_reads = 0; /* loads are timed in any cache */
  if (busy) {
    check_equal(r, CT_BUSY, status);
    if (out != NULL) check_nothing(r, out);
    return;
  }
  if (follow_read(r, key) == CT_OK) {
    check_equal(r, CT_OK, status);
    if (out != NULL) receive_entry(r, out, key);
    return;
  }
  check_equal(r, p.told, status);
  if (p.told != CT_OK) {
    r->model.stats.load_failures++;
    if (out != NULL) check_nothing(r, out);
    return;
  }
  r->writes = true;
  count_load(r, started);
  if (!p.discards && !p.invalidates) {
    follow_load(r, &p.q, ct_contains(r->cache, key_data(r, key), key_size(r, key)));
    learn_weight(r, key);
  }
  if (out != NULL) receive(r, out, p.q.stamp, NULL, p.q.size);
}

static void do_compute(run *r) {
  r->operation = "ct_compute";
  plan p = draw_plan(r);
  const uint64_t drawn = below(r, 8);
  if (drawn == 0) draw_failure(&p);
  if (drawn == 1) p.answer = p.told = CT_NOT_STORED;
  if (drawn == 2 || drawn == 3) p.answer = p.told = CT_MISS;
  const int key = p.q.key;
  model *m = &r->model;
  bool found = model_is_live(m, key);
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  const ct_status status =
      ct_compute(r->cache, key_data(r, key), key_size(r, key), on_compute, &p, out);
  /* What was to be changed may have expired meanwhile. */
  const bool again = found && !model_is_live(m, key) && (p.told == CT_OK || p.told == CT_MISS);
  check_equal(r, again ? 2 : 1, p.calls);
  check(r, r->timer_reads <= 2 * p.calls);
  if (again) found = false;
  r->writes = again || p.told == CT_OK;
  if (p.told == CT_MISS) overtake(r, key);

  ct_status expected = p.told;
  if (p.told == CT_OK && p.discards) {
    expected = CT_NOT_STORED;
  } else if (p.told == CT_OK) {
    expected = follow_store(r, &p.q, status);
    learn_weight(r, key);
  } else if (p.told == CT_MISS && found) {
    leave(r, key, CT_CAUSE_REMOVED);
  }
  check_equal(r, expected, status);
  if (expected == CT_OK || expected == CT_MISS || expected == CT_NOT_STORED) {
    m->stats.hits += found;
    m->stats.misses += !found;
  }
  if (out == NULL) return;
  if (expected == CT_OK || (expected == CT_NOT_STORED && p.told == CT_OK))
    receive(r, out, p.q.stamp, NULL, p.q.size);
  else if (expected == CT_NOT_STORED && found)
    receive_entry(r, out, key);
  else
    check_nothing(r, out);
}

/* Fulfils a lease or gives it up. */
static void end_lease(run *r, int at) {
  const open_lease l = r->leases[at];
  r->leases[at] = r->leases[--r->lease_count];
  r->key = l.key;
  if (one_in(r, 4)) {
    r->operation = "ct_lease_abandon";
    ct_lease_abandon(l.lease);
    r->model.stats.load_failures++;
    return;
  }
  r->operation = "ct_lease_fulfil";
  request q = request_for(r, l.key, buffer);
  const bool plain = one_in(r, 2);
  if (!plain) draw_conditions(r, &q);
  /* Conditions are refused. */
  const uint32_t conditions = CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT;
  if (!one_in(r, 4)) q.flags &= ~conditions;
  const ct_entry_options options = entry_options(&q);
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  const ct_status status = ct_lease_fulfil(l.lease, buffer, q.size, plain ? NULL : &options, out);
  if ((q.flags & conditions) != 0) {
    check_equal(r, CT_ERR_INVALID, status);
    r->model.stats.load_failures++;
    if (out != NULL) check_nothing(r, out);
    return;
  }
  r->writes = true;
  count_load(r, l.started);
  const ct_status expected = l.overtaken ? CT_NOT_STORED : follow_load(r, &q, status == CT_OK);
  check_equal(r, expected, status);
  learn_weight(r, q.key);
  if (out != NULL) receive(r, out, q.stamp, NULL, q.size);
}

static void take_lease(run *r) {
  r->operation = "ct_get_or_lease";
  const int key = draw_key(r);
  const bool single = (r->options.flags & CT_FLAG_SINGLE_THREADED) != 0;
  const uint64_t wait = !one_in(r, 8) ? 0 : single ? UINT64_MAX : 1;
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  open_lease l = {.key = key, .started = r->model.now};
  const ct_status status =
      ct_get_or_lease(r->cache, key_data(r, key), key_size(r, key), wait, out, &l.lease);
  const bool busy = !model_is_live(&r->model, key) && is_leased(r, key);
  if (!busy && follow_read(r, key) == CT_OK) {
    check_equal(r, CT_OK, status);
    check(r, l.lease == NULL);
    if (out != NULL) receive_entry(r, out, key);
    return;
  }
  if (out != NULL) check_nothing(r, out);
  check_equal(r, busy ? CT_BUSY : CT_LEASED, status);
  check(r, busy == (l.lease == NULL));
  if (busy) return;
  ct_bytes bytes;
  ct_lease_key(l.lease, &bytes);
  check(r, bytes.data != NULL);
  check_equal(r, key, key_number(r, bytes.data, bytes.size));
  r->leases[r->lease_count++] = l;
  if (one_in(r, 4)) end_lease(r, r->lease_count - 1);
}

static void do_lease(run *r) {
  if (r->lease_count == kLeases || (r->lease_count > 0 && one_in(r, 3)))
    end_lease(r, (int)below(r, (uint64_t)r->lease_count));
  else
    take_lease(r);
  check(r, r->timer_reads <= 2 || weighs_memory(r));
  r->timer_reads = 0; /* loads are timed in any cache */
}

/* ---- Iteration ------------------------------------------------------------------------------ */

/* The live entries' stamps, coldest first. */
static int list_live(const run *r, uint64_t *stamps) {
  int count = 0;
  for (int i = 0; i < r->model.count; i++)
    if (model_is_live(&r->model, r->model.order[i]))
      stamps[count++] = r->model.entries[r->model.order[i]].stamp;
  return count;
}

/* With shards the order is a few ascending stretches of the one order, one a shard. */
static void check_stretches(run *r, const uint64_t *shown, int count) {
  /* There is no one order of these. */
  if (queues_know(r->model.policy) || r->model.policy == CT_POLICY_WTINYLFU) return;
  uint64_t live[MODEL_KEYS];
  const int live_count = list_live(r, live);
  int last = -1, stretches = 1;
  for (int i = 0; i < count; i++) {
    int at = 0;
    while (at < live_count && live[at] != shown[i]) at++;
    stretches += at < last;
    last = at;
  }
  check(r, stretches <= (int)r->options.shards);
}

static int iterate(run *r, int32_t order, uint64_t *shown) {
  ct_iter *iter;
  check_equal(r, CT_OK, ct_iter_new(r->cache, order, &iter));
  int count = 0;
  bool seen[MODEL_KEYS] = {false};
  for (;;) {
    ct_bytes key, value;
    r->timer_reads = 0;
    const ct_status status = ct_iter_next(iter, &key, &value);
    check(r, r->timer_reads <= 1);
    if (status == CT_END) break;
    check_equal(r, CT_OK, status);
    const int number = r->key = key_number(r, key.data, key.size);
    check(r, number >= 0 && model_is_live(&r->model, number) && !seen[number]);
    seen[number] = true;
    const model_entry *entry = &r->model.entries[number];
    check_equal(r, entry->size, value.size);
    check(r, value.data != NULL && is_value(value.data, entry->stamp, entry->size));
    shown[count++] = entry->stamp;
  }
  ct_bytes key = {"", 1};
  check_equal(r, CT_END, ct_iter_next(iter, &key, NULL));
  check(r, key.data == NULL && key.size == 0);
  ct_iter_free(iter);
  check_equal(r, model_live_count(&r->model), count);
  return count;
}

static bool has_order(const run *r) {
  return r->options.policy != CT_POLICY_RR && r->options.policy != CT_POLICY_CUSTOM;
}

static void do_iterate(run *r) {
  r->operation = "an iteration";
  uint64_t coldest[MODEL_KEYS], hottest[MODEL_KEYS], live[MODEL_KEYS] = {0};
  iterate(r, CT_ORDER_ANY, live);
  if (!has_order(r)) {
    ct_iter *iter = (ct_iter *)r;
    check_equal(r, CT_ERR_UNSUPPORTED,
                ct_iter_new(r->cache, one_in(r, 2) ? CT_ORDER_COLDEST : CT_ORDER_HOTTEST, &iter));
    check(r, iter == NULL);
    return;
  }
  const int count = iterate(r, CT_ORDER_COLDEST, coldest);
  iterate(r, CT_ORDER_HOTTEST, hottest);
  for (int i = 0; i < count; i++) check_equal(r, coldest[i], hottest[count - 1 - i]);
  if (is_exact(r)) {
    list_live(r, live);
    for (int i = 0; i < count; i++) check_equal(r, live[i], coldest[i]);
  } else {
    check_stretches(r, coldest, count);
  }
}

/* ---- Snapshots ------------------------------------------------------------------------------ */

/* Anything that can take the entries in, and gives each a lifetime only if it has one. */
static ct_options snapshot_options(run *r) {
  static const ct_policy kTargets[] = {
      CT_POLICY_LRU,    CT_POLICY_FIFO,     CT_POLICY_LFU,   CT_POLICY_RR,
      CT_POLICY_ANY,    CT_POLICY_MRU,      CT_POLICY_CLOCK, CT_POLICY_SIEVE,
      CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU, CT_POLICY_ARC,
  };
  ct_options options = CT_OPTIONS_INIT;
  options.policy = kTargets[below(r, sizeof kTargets / sizeof kTargets[0])];
  options.weight_kind = r->options.weight_kind;
  options.weigher = r->options.weigher;
  options.user_data = r;
  options.timer = on_timer;
  options.tti = r->options.tti;
  options.shards = one_in(r, 3) ? 4 : 1;
  options.maxsize = one_in(r, 2) ? CT_UNBOUNDED : below(r, r->options.maxsize / 2 + 2);
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

/* What must have been kept, if it can be known: from the hottest on, each for which there is room. */
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
  const int count = list_live(r, live);
  ct_iter *iter;
  check_equal(r, CT_OK, ct_iter_new(cache, CT_ORDER_COLDEST, &iter));
  int at = 0;
  for (ct_bytes key, value; ct_iter_next(iter, &key, &value) == CT_OK; at++) {
    const int number = r->key = key_number(r, key.data, key.size);
    while (at < count && live[at] != r->model.entries[number].stamp) {
      /* It was not kept. */
      memmove(&live[at], &live[at + 1], sizeof live[0] * (size_t)(MODEL_KEYS - 1 - at));
      check(r, ct_maxsize(cache) != CT_UNBOUNDED);
    }
    check_equal(r, live[at], r->model.entries[number].stamp);
  }
  ct_iter_free(iter);
}

/* Into another cache, which the model then describes as well. */
static void do_snapshot(run *r) {
  r->operation = "a snapshot";
  const ct_options options = snapshot_options(r);
  tape t = {0};
  check_equal(r, CT_OK, save_tape(r->cache, &t));
  ct_cache *cache;
  check_equal(r, CT_OK, ct_cache_new_with(&options, &cache));
  if (r->number % 4 != 0) ct_act_large(cache);
  /* Ticks of this timer have no date. */
  check_equal(r, CT_ERR_UNSUPPORTED, load_tape_with(cache, &t, CT_SNAPSHOT_AGED));
  check_equal(r, 0, ct_len(cache));
  check_equal(r, CT_OK, load_tape_with(cache, &t, 0));
  check_equal(r, t.size, t.at);
  tape_free(&t);
  const char *problem = ct_validate(cache);
  if (problem != NULL) mismatch(r, __LINE__, problem);
  for (int i = 0; i < r->model.count; i++) {
    const int key = r->model.order[i];
    const bool live = model_is_live(&r->model, key);
    const bool kept = ct_contains(cache, key_data(r, key), key_size(r, key));
    check(r, live || !kept);
    if (options.maxsize == CT_UNBOUNDED) check_equal(r, live, kept);
    if (kept) check_loaded(r, cache, key);
  }
  if (is_exact(r) && has_order(r)) {
    if (!weighs_memory(r)) check_kept(r, cache);
    if (options.shards == 1 && options.policy != CT_POLICY_RR) check_loaded_order(r, cache);
  }
  ct_cache_free(cache);
}

/* ---- A walk from step to step --------------------------------------------------------------- */

static void begin_walk(run *r) {
  walk *w = &r->walk;
  w->order = has_order(r) ? (int32_t)below(r, 3) : CT_ORDER_ANY;
  check_equal(r, CT_OK, ct_iter_new(r->cache, w->order, &w->iter));
  for (uint64_t i = 1; i <= r->stamps; i++) r->copies[i].walked = r->copies[i].listed = false;
  for (int key = 0; key < r->setup.keys; key++) {
    const bool live = model_is_live(&r->model, key);
    w->must[key] = live ? r->model.entries[key].stamp : 0;
    if (r->model.entries[key].present) r->copies[r->model.entries[key].stamp].listed = true;
  }
  w->count = 0;
  for (int i = 0; i < r->model.count; i++)
    w->coldest[w->count++] = r->model.entries[r->model.order[i]].stamp;
  w->at = w->order == CT_ORDER_HOTTEST ? w->count : -1;
}

static void end_walk(run *r) {
  ct_iter_free(r->walk.iter);
  memset(&r->walk, 0, sizeof r->walk);
}

static void check_walk_order(run *r, uint64_t stamp) {
  walk *w = &r->walk;
  check(r, r->copies[stamp].listed);
  if (!is_exact(r)) return;
  int at = 0;
  while (w->coldest[at] != stamp) at++;
  check(r, w->order == CT_ORDER_COLDEST ? at > w->at : at < w->at);
  w->at = at;
}

/* A copy too small to tell which it is must be one that is live. */
static uint64_t walked_stamp(run *r, int key, const ct_bytes *value) {
  uint64_t stamp = 0;
  memcpy(&stamp, value->data, value->size < 8 ? value->size : 8);
  if (value->size >= 8) return stamp;
  const model_entry *entry = &r->model.entries[key];
  const bool same =
      entry->present && entry->size == value->size && prefix_of(entry->stamp, entry->size) == stamp;
  return same ? entry->stamp : 0;
}

static void do_walk(run *r) {
  r->operation = "a walk";
  walk *w = &r->walk;
  r->writes = true; /* no: but a drop may come from here */
  if (w->iter == NULL) {
    begin_walk(r);
    return;
  }
  if (one_in(r, 30)) {
    end_walk(r);
    return;
  }
  ct_bytes key, value;
  const ct_status status = ct_iter_next(w->iter, &key, &value);
  if (status == CT_END) {
    for (int i = 0; i < r->setup.keys; i++) check_equal(r, 0, w->must[i]);
    end_walk(r);
    return;
  }
  check_equal(r, CT_OK, status);
  const int number = r->key = key_number(r, key.data, key.size);
  check(r, number >= 0);
  const uint64_t stamp = walked_stamp(r, number, &value);
  if (stamp == 0) return;
  check(r, stamp <= r->stamps && r->copies[stamp].stored && !r->copies[stamp].walked);
  check(r, r->copies[stamp].size == value.size && is_value(value.data, stamp, value.size));
  const uint64_t deadline =
      r->copies[stamp].cached ? model_deadline(&r->model, number) : r->copies[stamp].deadline;
  check(r, deadline > r->model.now);
  if (w->order != CT_ORDER_ANY) check_walk_order(r, stamp);
  r->copies[stamp].walked = true;
  if (w->must[number] == stamp) w->must[number] = 0;
}

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
  check_equal(r, 0, stats.waits);
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
  if (!one_in(r, 3) || r->held_count == kHeld) {
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
  if (r->complaint != NULL) mismatch(r, __LINE__, r->complaint);
  if (r->writes) reclaim(r);
  check_equal(r, r->heard.count, r->heard.taken);
  check_equal(r, r->choice_count, r->choice_taken);
  check_drops(r);
  if (r->options.policy == CT_POLICY_CUSTOM) check_custom_weights(r);
  if (r->model.count < 24 || r->step % 16 == 0) {
    const char *problem = ct_validate(r->cache);
    if (problem != NULL) mismatch(r, __LINE__, problem);
  }
  r->heard.count = r->heard.taken = r->visited.count = r->choice_count = r->choice_taken = 0;
}

typedef struct operation {
  void (*run)(run *r);
  int share;
  bool writes;
  int reads; /* of the timer, at most; -1: several calls */
} operation;

/* A store comes first, and last what only runs do that load: others stay as they were before. */
static const operation kOperations[] = {
    {do_set, 30, true, 1},          {do_setdefault, 6, true, 1},     {do_set_many, 4, true, 1},
    {do_invalid, 1, false, 1},      {do_get, 16, false, 1},          {do_get_copy, 5, false, 1},
    {do_peek, 3, false, 1},         {do_contains, 2, false, 1},      {do_inspect, 4, false, 1},
    {do_get_many, 3, false, 1},     {do_get_many_copy, 3, false, 1}, {do_delete, 6, true, 1},
    {do_popitem, 3, true, 1},       {do_clear, 1, true, 1},          {do_remove_if, 1, true, 1},
    {do_size, 4, true, -1},         {do_resize, 1, true, 1},         {do_expire, 2, true, 1},
    {do_tick, 9, false, 1},         {do_iterate, 1, false, -1},      {do_walk, 6, false, 1},
    {do_snapshot, 1, false, -1},    {do_stats, 2, false, -1},        {do_release, 4, false, 0},
    {do_set_lifetime, 4, false, 1}, {do_get_or_load, 12, false, 2},  {do_compute, 12, false, -1},
    {do_lease, 16, false, 2},
};

enum { kOperationCount = sizeof kOperations / sizeof kOperations[0], kLoadingCount = 3 };

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
  /* Weights are looked up by a call of the test's own. */
  const int allowed = o->reads >= 0 && !weighs_memory(r) ? o->reads : INT32_MAX;
  if (o->run != do_tick) check(r, r->timer_reads <= allowed);
  if (r->setup.timeless && r->options.policy != CT_POLICY_CUSTOM) check_equal(r, 0, r->timer_reads);
  finish_step(r);
}

/* Drains the cache or not, then frees it with values pinned, and releases those. */
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
  if (r->complaint != NULL) mismatch(r, __LINE__, r->complaint);
  if (r->setup.allocator) check_equal(r, 0, r->allocator.blocks);
}

static void fill_pattern(void) {
  static bool filled = false;
  if (filled) return;
  filled = true;
  uint64_t state = 1;
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (unsigned char)test_random(&state);
  memcpy(long_key, pattern, sizeof long_key);
  for (int key = 0; key < MODEL_KEYS; key++) {
    memcpy(key_bytes[key], pattern + key, sizeof key_bytes[key]);
    key_bytes[key][0] = (unsigned char)key;
    key_bytes[key][1] = (unsigned char)(key >> 8);
  }
}

void run_model(ct_policy policy, choices from) {
  static run r;
  fill_pattern();
  begin(&r, from, policy);
  for (r.step = 0; r.step < RUN_STEPS && !choices_are_over(&r.source); r.step++) do_step(&r);
  finish(&r);
}
