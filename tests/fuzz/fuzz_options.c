/* SPDX-License-Identifier: MIT */
/* Fills the structs of options with arbitrary bytes, in arbitrary sizes, and makes caches and memos
 * with them.
 *
 * Checked: the library refuses what the header rules out, and nothing else. A cache that was
 * made has the options that it was given, hands its callbacks their user_data, answers a few
 * calls with statuses that the header names, and gives back all of its memory. The callbacks
 * answer anything. What a loader answers comes out of its call, and who waits without a thread is
 * told exactly once. Each struct lies in a block of its own size, so that a sanitizer sees what is
 * read or written beyond. */
#define _POSIX_C_SOURCE 200809L /* posix_memalign, strcasecmp */
#include <cachetools.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "choices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { kMaxStruct = 4096, kMaxCalls = 100, kLarge = 3000 };

/* What runs, and what its callbacks are to see. */
static struct {
  choices source;
  ct_options asked; /* of the cache, as they were understood */
  ct_policy_ops custom;
  bool may_lack_memory;
  long blocks; /* of the allocator */
} it;

static void require_at(int line, bool condition, const char *what) {
  if (condition) return;
  fprintf(stderr, "fuzz_options: not so in line %d: %s\n", line, what);
  abort();
}

#define require(condition) require_at(__LINE__, condition, #condition)

/* ---- Choices -------------------------------------------------------------------------------- */

static uint64_t below(uint64_t n) {
  return choice_below(&it.source, n);
}

/* False once the choices are over. */
static bool one_in(uint64_t n) {
  return below(n) == n - 1;
}

/* Draws a number, often a small one or one near the largest. */
static uint64_t draw_number(void) {
  const uint64_t number = below(256);
  if (number < 100) return number;
  if (number < 110) return UINT64_MAX - (number - 100);
  if (number < 200) return (uint64_t)1 << (number % 64);
  return choice(&it.source);
}

static int32_t draw_int(uint64_t known) {
  return (int32_t)(one_in(16) ? draw_number() : below(known));
}

static void *draw_pointer(void *something) {
  return one_in(8) ? NULL : something;
}

/* Makes a block with a struct of size bytes, whose struct_size may be wrong. *is_right tells
 * whether the library has to take it: it may be longer if zeros follow. */
static void *draw_struct(const void *from, size_t size, bool *is_right) {
  size_t claimed = size;
  size_t bytes = size;
  bool zeros = true;
  const uint64_t kind = below(32);
  if (kind == 31) claimed = bytes = below(size);
  if (kind == 30 || kind == 29) claimed = bytes = size + 1 + below(kMaxStruct - size);
  if (kind == 28) {
    claimed = bytes = size + 1 + below(64);
    zeros = false;
  }
  if (kind == 27) claimed = kMaxStruct + 1 + (size_t)(choice(&it.source) >> 1);
  if (bytes < sizeof claimed) bytes = sizeof claimed;
  unsigned char *block = calloc(bytes, 1);
  if (block == NULL) abort();
  memcpy(block, from, bytes < size ? bytes : size);
  if (!zeros) block[bytes - 1] = 1;
  memcpy(block, &claimed, sizeof claimed);
  *is_right = claimed >= size && claimed <= kMaxStruct && zeros;
  return block;
}

/* ---- Callbacks ------------------------------------------------------------------------------ */

static char someone;

static void *on_alloc(void *ctx, size_t size, size_t align) {
  require(ctx == &it && align != 0 && (align & (align - 1)) == 0);
  if (one_in(32)) return NULL;
  void *block = NULL;
  if (posix_memalign(&block, align < sizeof(void *) ? sizeof(void *) : align, size) != 0)
    return NULL;
  it.blocks++;
  return block;
}

static void on_free(void *ctx, void *ptr, size_t size, size_t align) {
  (void)size;
  (void)align;
  require(ctx == &it && ptr != NULL);
  it.blocks--;
  free(ptr);
}

static void require_user(const void *user_data) {
  require(user_data == it.asked.user_data);
}

static uint64_t on_timer(void *user_data) {
  require_user(user_data);
  return draw_number();
}

static uint64_t on_ttu(void *user_data, const void *key, size_t key_size, const void *value,
                       size_t value_size, uint64_t now) {
  (void)key_size;
  (void)value_size;
  require_user(user_data);
  require(key != NULL && value != NULL);
  return one_in(4) ? draw_number() : now + 1 + below(9);
}

static uint64_t on_weigh(void *user_data, const void *key, size_t key_size, const void *value,
                         size_t value_size) {
  (void)key_size;
  (void)value_size;
  require_user(user_data);
  require(key != NULL && value != NULL);
  return draw_number();
}

static uint64_t on_choice(void *user_data, uint64_t count) {
  require_user(user_data);
  require(count > 0);
  return draw_number();
}

static void on_event(void *user_data, const ct_event *event) {
  require_user(user_data);
  require(event->key.data != NULL && event->value.data != NULL && event->reserved == 0);
  require(event->cause >= CT_CAUSE_EVICTED && event->cause <= CT_CAUSE_CLEARED);
}

static void on_drop(void *user_data, const void *value, size_t value_size) {
  (void)value_size;
  require_user(user_data);
  require(value != NULL);
}

/* A policy without a state_new of its own gets user_data. */
static void require_state(const void *state) {
  require(state == (it.custom.state_new != NULL ? (void *)&someone : it.asked.user_data));
}

static void *custom_new(void *user_data, uint64_t maxsize) {
  (void)maxsize;
  require_user(user_data);
  if (!one_in(64)) return &someone;
  it.may_lack_memory = true;
  return NULL;
}

static void custom_free(void *state) {
  require_state(state);
}

static void custom_store(void *state, uint32_t id, uint64_t weight, const void *key,
                         size_t key_size, uint64_t now) {
  (void)id;
  (void)weight;
  (void)key_size;
  (void)now;
  require_state(state);
  require(key != NULL);
}

static void custom_reweigh(void *state, uint32_t id, uint64_t weight) {
  (void)id;
  (void)weight;
  require_state(state);
}

static void custom_hit(void *state, uint32_t id, uint64_t now) {
  (void)id;
  (void)now;
  require_state(state);
}

static void custom_remove(void *state, uint32_t id) {
  (void)id;
  require_state(state);
}

static void custom_clear(void *state) {
  require_state(state);
}

static void custom_resize(void *state, uint64_t maxsize) {
  (void)maxsize;
  require_state(state);
}

static uint32_t custom_victim(void *state) {
  require_state(state);
  return (uint32_t)(one_in(4) ? draw_number() : below(8));
}

/* ---- Options of a cache --------------------------------------------------------------------- */

/* Blocks that are kept as long as a call needs them. */
typedef struct drawn {
  ct_options *options;
  ct_policy_ops *custom;
  ct_allocator *allocator;
  bool is_right;
} drawn;

static ct_policy_ops *draw_custom(bool *is_right) {
  ct_policy_ops ops = CT_POLICY_OPS_INIT;
  if (!one_in(4)) ops.state_new = custom_new;
  if (!one_in(4)) ops.state_free = custom_free;
  if (!one_in(16)) ops.on_insert = custom_store;
  if (!one_in(4)) ops.on_update = custom_store;
  if (!one_in(4)) ops.on_hit = custom_hit;
  if (!one_in(16)) ops.on_remove = custom_remove;
  if (!one_in(4)) ops.on_clear = custom_clear;
  if (!one_in(4)) ops.on_resize = custom_resize;
  if (!one_in(16)) ops.victim = custom_victim;
  if (!one_in(4)) ops.on_reweigh = custom_reweigh;
  ct_policy_ops *block = draw_struct(&ops, sizeof ops, is_right);
  if (ops.on_insert == NULL || ops.on_remove == NULL || ops.victim == NULL) *is_right = false;
  it.custom = ops;
  return block;
}

static ct_allocator *draw_allocator(bool *is_right) {
  ct_allocator allocator = {sizeof allocator, on_alloc, on_free, &it};
  if (one_in(16)) allocator.alloc = NULL;
  if (one_in(16)) allocator.free = NULL;
  ct_allocator *block = draw_struct(&allocator, sizeof allocator, is_right);
  if (allocator.alloc == NULL || allocator.free == NULL) *is_right = false;
  return block;
}

static bool is_policy(int32_t policy) {
  return (policy >= CT_POLICY_LRU && policy <= CT_POLICY_ADAPTIVE) || policy == CT_POLICY_CUSTOM;
}

static const uint32_t kKnownFlags = CT_FLAG_SINGLE_THREADED | CT_FLAG_NO_STATS |
                                    CT_FLAG_PRECISE_CLOCK | CT_FLAG_KEEP_NOTHING |
                                    CT_FLAG_DROP_LOADED | CT_FLAG_COST_BY_TIME | CT_FLAG_CURVE;

/* What is to be below ttl mostly is. */
static uint64_t draw_below_ttl(const ct_options *o) {
  return one_in(8) ? draw_number() : below(o->ttl == 0 || o->ttl > 200 ? 200 : o->ttl);
}

static void draw_freshness(ct_options *o) {
  if (one_in(2)) o->refresh_ahead = draw_below_ttl(o);
  if (one_in(2)) o->stale = draw_number();
  if (one_in(2)) o->retry = draw_number();
  if (one_in(2)) o->negative_ttl = draw_number();
  if (one_in(4)) o->jitter = draw_below_ttl(o);
}

/* The shortest time that the cache can measure. */
static uint64_t shortest(const ct_options *o) {
  return o->timer == NULL && (o->flags & CT_FLAG_PRECISE_CLOCK) == 0 ? 1000000 : 1;
}

static bool can_measure(const ct_options *o) {
  const uint64_t times[] = {o->ttl,   o->tti,          o->refresh_ahead, o->stale,
                            o->retry, o->negative_ttl, o->jitter};
  for (size_t i = 0; i < sizeof times / sizeof *times; i++)
    if (times[i] != 0 && times[i] < shortest(o)) return false;
  return true;
}

static bool may_be_fresh(const ct_options *o) {
  if (o->ttl != 0 && o->refresh_ahead >= o->ttl) return false;
  if (o->jitter != 0 && (o->jitter >= o->ttl || o->refresh_ahead >= o->ttl - o->jitter))
    return false;
  return o->stale == 0 || o->retry != 0 || o->ttl != 0 || o->refresh_ahead != 0;
}

static drawn draw_options(void) {
  drawn d = {0};
  bool struct_is_right = true, custom_is_right = true, allocator_is_right = true;
  ct_options o = CT_OPTIONS_INIT;
  o.policy = draw_int(CT_POLICY_ADAPTIVE + 2);
  if (o.policy == CT_POLICY_ADAPTIVE + 1) o.policy = CT_POLICY_CUSTOM;
  o.weight_kind = draw_int(3);
  o.maxsize = draw_number();
  o.shards = (uint32_t)(one_in(8) ? draw_number() : below(2) << below(4));
  o.flags = (uint32_t)(one_in(16) ? draw_number() : below(64) & kKnownFlags);
  if (one_in(8)) o.flags |= CT_FLAG_CURVE;
  if (one_in(2)) o.ttl = draw_number();
  if (one_in(4)) o.tti = draw_number();
  if (one_in(2)) o.seed = draw_number();
  o.user_data = draw_pointer(&someone);
  if (!one_in(4)) o.timer = on_timer;
  if (one_in(3)) o.ttu = on_ttu;
  if (one_in(4)) o.weigher = on_weigh;
  if (one_in(2)) o.choice = on_choice;
  if (one_in(2)) o.listener = on_event;
  if (one_in(2)) o.drop = on_drop;
  if (o.policy == CT_POLICY_CUSTOM ? !one_in(8) : one_in(16))
    o.custom = d.custom = draw_custom(&custom_is_right);
  if (one_in(2)) o.allocator = d.allocator = draw_allocator(&allocator_is_right);
  if (one_in(2)) draw_freshness(&o);
  d.options = draw_struct(&o, sizeof o, &struct_is_right);
  it.asked = o;
  it.may_lack_memory = o.allocator != NULL;

  d.is_right = struct_is_right && allocator_is_right && is_policy(o.policy) &&
               o.weight_kind >= CT_WEIGHT_COUNT && o.weight_kind <= CT_WEIGHT_MEMORY &&
               (o.shards & (o.shards - 1)) == 0 && o.shards <= 4096 &&
               (o.flags & ~kKnownFlags) == 0;
  if (o.maxsize == 0 && (o.flags & CT_FLAG_KEEP_NOTHING) == 0) d.is_right = false;
  if ((o.flags & CT_FLAG_CURVE) != 0 &&
      ((o.flags & CT_FLAG_NO_STATS) != 0 || o.policy == CT_POLICY_CUSTOM))
    d.is_right = false;
  if (!may_be_fresh(&o) || !can_measure(&o)) d.is_right = false;
  if (o.policy == CT_POLICY_TTL && o.ttl == 0) d.is_right = false;
  if (o.policy == CT_POLICY_TLRU && o.ttu == NULL) d.is_right = false;
  if (o.policy == CT_POLICY_CUSTOM && (o.custom == NULL || !custom_is_right)) d.is_right = false;
  return d;
}

static void free_drawn(const drawn *d) {
  free(d->options);
  free(d->custom);
  free(d->allocator);
}

/* ---- Calls ---------------------------------------------------------------------------------- */

/* Checks that the header names the status for any call that this program makes. */
static void require_status(ct_status status) {
  require(status != CT_STALE || it.asked.stale != 0);
  if (status >= CT_OK && status <= CT_PENDING) return;
  if (status == CT_ERR_NOMEM && it.may_lack_memory) return;
  if (status == CT_ERR_CALLBACK && it.asked.policy == CT_POLICY_CUSTOM) return;
  require(status == CT_ERR_TOO_LARGE || status == CT_ERR_BUFFER || status == CT_ERR_UNSUPPORTED);
}

static char bytes[kLarge];

static size_t draw_size(void) {
  return one_in(16) ? kLarge : below(40);
}

static ct_bytes draw_key(void) {
  return (ct_bytes){bytes, below(5)};
}

static const uint32_t kConditions = CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT | CT_ENTRY_IF_SAME;

/* Draws the options of an entry. *is_right tells whether a store may get them. */
static ct_entry_options *draw_entry(bool *is_right) {
  enum { kMostTags = 8 };
  static const ct_value nothing = CT_VALUE_INIT;
  static const ct_bytes tags[kMostTags + 1] = {{NULL, 0}, {"a", 1}, {"b", 1}, {"a", 1}};
  ct_entry_options e = CT_ENTRY_OPTIONS_INIT;
  e.flags = (uint32_t)(one_in(16) ? draw_number() : below(512));
  if (one_in(16)) e.reserved = (uint32_t)draw_number();
  if ((e.flags & CT_ENTRY_TTL) != 0 || one_in(16)) e.ttl = draw_number();
  if ((e.flags & CT_ENTRY_DEADLINE) != 0 || one_in(16)) e.deadline = draw_number();
  if ((e.flags & CT_ENTRY_WEIGHT) != 0 || one_in(16)) e.weight = draw_number();
  if ((e.flags & CT_ENTRY_IF_SAME) != 0 && e.ttl != 77) e.same = &nothing;
  if ((e.flags & CT_ENTRY_COST) != 0 || one_in(16)) e.cost = draw_number();
  if ((e.flags & CT_ENTRY_TAGS) != 0 || one_in(16)) e.tag_count = below(kMostTags + 2);
  if (e.tag_count != 0 && !one_in(16)) e.tags = tags;
  ct_entry_options *block = draw_struct(&e, sizeof e, is_right);
  const uint32_t lifetime = CT_ENTRY_TTL | CT_ENTRY_DEADLINE;
  const uint32_t conditions = e.flags & kConditions;
  const bool by_memory = it.asked.weight_kind == CT_WEIGHT_MEMORY && it.asked.weigher == NULL;
  if (e.flags >= 512 || ((e.flags & CT_ENTRY_COST) != 0) != (e.cost != 0) || e.reserved != 0 ||
      (e.flags & lifetime) == lifetime || (conditions & (conditions - 1)) != 0 ||
      ((e.flags & CT_ENTRY_IF_SAME) != 0) != (e.same != NULL) ||
      (e.tag_count != 0 && ((e.flags & CT_ENTRY_TAGS) == 0 || e.tags == NULL)) ||
      e.tag_count > kMostTags || (by_memory && (e.flags & CT_ENTRY_WEIGHT) != 0) ||
      (e.ttl != 0 && (e.flags & CT_ENTRY_TTL) == 0) ||
      (e.deadline != 0 && (e.flags & CT_ENTRY_DEADLINE) == 0) ||
      (e.weight != 0 && (e.flags & CT_ENTRY_WEIGHT) == 0))
    *is_right = false;
  return block;
}

static void require_judged(bool is_right, ct_status status) {
  if (is_right)
    require_status(status);
  else
    require(status == CT_ERR_INVALID);
}

static void store_with(ct_cache *cache) {
  bool is_right;
  ct_entry_options *entry = draw_entry(&is_right);
  const ct_bytes key = draw_key();
  if (one_in(4)) {
    const size_t ends[4] = {1, 9, 11, 11};
    ct_status statuses[2];
    if (is_right && (entry->flags & CT_ENTRY_IF_SAME) != 0) is_right = false;
    require_judged(is_right, ct_set_many(cache, bytes, ends, 2, entry, statuses));
  } else {
    require((ct_entry_options_problem(cache, entry) == NULL) == is_right);
    require_judged(is_right, ct_set_with(cache, key.data, key.size, bytes, draw_size(), entry));
  }
  free(entry);
}

/* ---- Loads ---------------------------------------------------------------------------------- */

/* Ends a lease in one of the four ways. */
static void end_lease(ct_lease *lease, bool may_keep) {
  static const int32_t kFailures[] = {CT_MISS, CT_ERR_IO, 1000, CT_ERR_RECURSION, CT_OK};
  ct_value value = CT_VALUE_INIT;
  bool is_right;
  ct_entry_options *entry = draw_entry(&is_right);
  if (is_right && (entry->flags & (kConditions | CT_ENTRY_KEEP_TTL)) != 0) is_right = false;
  switch (below(5)) {
    case 0:
      ct_lease_abandon(lease);
      break;
    case 1:
      ct_lease_fail(lease, (ct_status)kFailures[below(sizeof kFailures / sizeof *kFailures)]);
      break;
    case 2: {
      if (is_right && (entry->flags & CT_ENTRY_TAGS) != 0) is_right = false;
      const ct_status status = ct_lease_keep(lease, entry);
      if (!may_keep || status != CT_ERR_INVALID) require_judged(is_right && may_keep, status);
      break;
    }
    default:
      require_judged(is_right, ct_lease_fulfil(lease, bytes, draw_size(), entry, &value));
      break;
  }
  ct_value_release(&value);
  free(entry);
}

static void lease(ct_cache *cache) {
  const ct_bytes key = draw_key();
  ct_value value;
  ct_lease *lease;
  const ct_status status = ct_get_or_lease(cache, key.data, key.size, 0, &value, &lease);
  require_status(status);
  require((lease != NULL) == (status == CT_LEASED || status == CT_RENEW));
  require(status != CT_BUSY && status != CT_PENDING);
  ct_value_release(&value);
  if (lease != NULL) end_lease(lease, status == CT_RENEW);
}

/* Draws how to load. *is_right tells whether a call may get it. It may wait for as long as it likes:
 * nobody else loads. */
static ct_load_options *draw_load(bool *is_right) {
  ct_load_options o = CT_LOAD_OPTIONS_INIT;
  o.flags = (uint32_t)(one_in(16) ? draw_number() : below(2));
  if (one_in(16)) o.reserved = (uint32_t)draw_number();
  if (one_in(4)) o.timeout_ns = draw_number();
  if (one_in(4)) o.stale_after_ns = draw_number();
  ct_load_options *block = draw_struct(&o, sizeof o, is_right);
  if (o.flags > CT_LOAD_FORCE || o.reserved != 0) *is_right = false;
  return block;
}

/* What a loader was asked, and what is to come of it. */
typedef struct loader {
  int calls;
  ct_status told; /* to the caller */
} loader;

/* Hands back anything for one key, or nothing. Returns what its caller is to be told, if the loader
 * answers CT_OK. nothing: what becomes of a result that nothing is done with. */
static ct_status fill(ct_result *result, ct_status nothing) {
  ct_bytes old;
  const bool has_old = ct_result_old(result, &old) == CT_OK;
  require(has_old == (old.data != NULL));
  ct_status told = nothing;
  if (!one_in(8)) told = ct_result_set(result, bytes, draw_size());
  if (one_in(8)) ct_result_ttl(result, draw_number());
  if (one_in(8)) ct_result_deadline(result, draw_number());
  if (one_in(8)) ct_result_discard(result);
  if (one_in(8)) ct_result_tag(result, "a", 1);
  const bool weighs = one_in(8);
  if (weighs) ct_result_weight(result, draw_number());
  const bool keeps = one_in(8);
  if (keeps) ct_result_keep_ttl(result);
  if (one_in(8)) {
    ct_result_not_modified(result);
    told = has_old ? CT_OK : CT_ERR_CALLBACK;
  }
  const bool by_memory = it.asked.weight_kind == CT_WEIGHT_MEMORY && it.asked.weigher == NULL;
  if (told == CT_OK && (keeps || (weighs && by_memory))) told = CT_ERR_CALLBACK;
  return told;
}

/* Draws what a loader answers. *told becomes what its caller is told. */
static ct_status draw_answer(ct_status *told) {
  static const int32_t kAnswers[] = {CT_MISS,   CT_BUSY,   CT_ERR_IO,       1000,
                                     INT32_MIN, INT32_MAX, CT_ERR_CALLBACK, CT_ERR_RECURSION};
  if (!one_in(4)) return CT_OK;
  if (one_in(4)) {
    *told = CT_ERR_CALLBACK; /* as these are not for a loader */
    return (ct_status)(one_in(2) ? CT_EXISTS + (int32_t)below(2) : 100 + (int32_t)below(900));
  }
  return *told = (ct_status)kAnswers[below(sizeof kAnswers / sizeof *kAnswers)];
}

static ct_status on_load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  loader *self = user_data;
  require(key != NULL && key_size < 5 && self->calls++ == 0);
  self->told = fill(result, CT_ERR_CALLBACK);
  return draw_answer(&self->told);
}

static bool has_value(ct_status status) {
  return status == CT_OK || status == CT_STALE;
}

/* Whether a call may return that status whose key is loaded with that end. A value that is there
 * already may serve instead of a failure. */
static bool may_answer(ct_status status, ct_status told) {
  if (status == told) return true;
  const bool lacks_memory = it.may_lack_memory;
  const bool is_misled = it.asked.policy == CT_POLICY_CUSTOM; /* by a victim that is none */
  if (status == CT_ERR_NOMEM) return lacks_memory;
  if (status == CT_ERR_CALLBACK) return is_misled;
  if (!has_value(status) || told == CT_MISS) return false;
  if (told == CT_BUSY || told == CT_ERR_RECURSION) return false; /* no failures of the value */
  return told != CT_OK || lacks_memory || is_misled;
}

static void load_with(ct_cache *cache, ct_bytes key, const ct_load_options *options, bool is_right,
                      bool may_be_busy) {
  loader self = {0};
  ct_value value;
  const ct_status status =
      ct_get_or_load_with(cache, key.data, key.size, on_load, &self, options, &value);
  if (!is_right)
    require(status == CT_ERR_INVALID && self.calls == 0);
  else if (self.calls != 0)
    require(may_answer(status, self.told));
  else
    require(has_value(status) || status == CT_MISS || (status == CT_BUSY && may_be_busy) ||
            (status == CT_ERR_NOMEM && it.may_lack_memory));
  require(has_value(status) == (value.data != NULL));
  require(status != CT_STALE || it.asked.stale != 0);
  ct_value_release(&value);
}

static void load(ct_cache *cache) {
  bool is_right = true;
  ct_load_options *options = one_in(4) ? NULL : draw_load(&is_right);
  load_with(cache, draw_key(), options, is_right, false);
  free(options);
}

/* What a loader of many keys was asked. A key is known by its size. */
enum { kKeySizes = 5 };

typedef struct many {
  int calls;
  bool asked[kKeySizes];
  ct_status told[kKeySizes];
} many;

static ct_status on_load_many(void *user_data, const ct_bytes *keys, size_t count,
                              ct_result *const *results) {
  static const int32_t kFailures[] = {CT_MISS, CT_BUSY, CT_ERR_IO, 1000};
  many *self = user_data;
  require(count > 0 && count <= kKeySizes && self->calls++ == 0);
  for (size_t i = 0; i < count; i++) {
    require(keys[i].size < kKeySizes && !self->asked[keys[i].size]);
    ct_status *told = &self->told[keys[i].size];
    self->asked[keys[i].size] = true;
    *told = fill(results[i], CT_MISS);
    if (!one_in(8)) continue;
    *told = (ct_status)kFailures[below(sizeof kFailures / sizeof *kFailures)];
    ct_result_fail(results[i], *told);
  }
  ct_status told = CT_OK;
  const ct_status answer = draw_answer(&told);
  for (size_t i = 0; i < count && told != CT_OK; i++) self->told[keys[i].size] = told;
  return answer;
}

static void load_many(ct_cache *cache) {
  enum { kMost = 6 };
  many self = {0};
  size_t ends[kMost];
  size_t sizes[kMost];
  ct_value values[kMost];
  ct_status statuses[kMost];
  ct_value *const out = one_in(4) ? NULL : values;
  const size_t count = below(kMost + 1);
  for (size_t i = 0, end = 0; i < count; i++) ends[i] = end += sizes[i] = below(kKeySizes);
  bool is_right = true;
  ct_load_options *options = one_in(4) ? NULL : draw_load(&is_right);
  const ct_status status =
      ct_get_or_load_many(cache, bytes, ends, count, on_load_many, &self, options, out, statuses);
  free(options);
  if (is_right)
    require(status == CT_OK || (status == CT_ERR_NOMEM && it.may_lack_memory));
  else
    require(status == CT_ERR_INVALID);
  if (status != CT_OK) require(self.calls == 0);
  for (size_t i = 0; i < count; i++) {
    if (status != CT_OK)
      require(statuses[i] == CT_OK);
    else if (self.asked[sizes[i]])
      require(may_answer(statuses[i], self.told[sizes[i]]));
    else
      require(has_value(statuses[i]) || statuses[i] == CT_MISS ||
              (statuses[i] == CT_ERR_NOMEM && it.may_lack_memory));
    if (out == NULL) continue;
    require((status == CT_OK && has_value(statuses[i])) == (out[i].data != NULL));
    ct_value_release(&out[i]);
  }
}

/* ---- Waiting without a thread --------------------------------------------------------------- */

typedef struct waiter {
  ct_wait *wait;
  int calls;
} waiter;

static void on_done(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  waiter *self = user_data;
  self->calls++;
  require(status != CT_BUSY && status != CT_PENDING);
  require((lease != NULL) == (status == CT_LEASED || status == CT_RENEW));
  require((value != NULL) == (has_value(status) || status == CT_RENEW));
  require(value == NULL || (value->data != NULL && value->pin != 0));
  if (lease != NULL) end_lease(lease, true);
}

/* Returns what the call returned. */
static ct_status wait_for(ct_cache *cache, ct_bytes key, bool forces, waiter *self,
                          ct_lease **lease) {
  ct_load_options options = CT_LOAD_OPTIONS_INIT;
  options.flags = forces ? CT_LOAD_FORCE : 0;
  ct_value value;
  const ct_status status = ct_get_or_lease_async(cache, key.data, key.size, &options, on_done, self,
                                                 &value, lease, &self->wait);
  require_status(status);
  require(status != CT_BUSY && self->calls == 0);
  require((self->wait != NULL) == (status == CT_PENDING));
  require((*lease != NULL) == (status == CT_LEASED || status == CT_RENEW));
  require((value.data != NULL) == (has_value(status) || status == CT_RENEW));
  ct_value_release(&value);
  return status;
}

/* Some wait for a lease, which then ends: then each of them was told, unless it was cancelled. */
static void lease_async(ct_cache *cache) {
  enum { kWaiters = 3 };
  waiter waiters[kWaiters] = {{0}};
  ct_lease *lease, *other;
  bool is_right;
  const ct_bytes key = draw_key();
  ct_load_options *options = draw_load(&is_right);
  if (one_in(2) && is_right) options->timeout_ns = options->stale_after_ns = 0;
  if (is_right && (options->timeout_ns != 0 || options->stale_after_ns != 0)) is_right = false;
  const ct_status status = ct_get_or_lease_async(cache, key.data, key.size, options, on_done,
                                                 waiters, NULL, &lease, NULL);
  free(options);
  require_judged(is_right, status);
  require((lease != NULL) == (status == CT_LEASED || status == CT_RENEW));
  require(status != CT_PENDING && status != CT_BUSY);
  if (lease == NULL) return;
  for (int i = 0; i < kWaiters; i++) {
    const ct_status waits = wait_for(cache, key, one_in(2), &waiters[i], &other);
    if (other != NULL) end_lease(other, true);
    require(other == NULL || waits != CT_PENDING);
  }
  if (one_in(4)) {
    ct_load_options soon = CT_LOAD_OPTIONS_INIT;
    soon.timeout_ns = 1;
    load_with(cache, key, &soon, true, true);
  }
  bool is_told[kWaiters];
  for (int i = 0; i < kWaiters; i++) {
    is_told[i] = waiters[i].wait != NULL;
    if (!is_told[i] || !one_in(4)) continue;
    if (ct_wait_cancel(waiters[i].wait))
      is_told[i] = false;
    else
      require(waiters[i].calls == 1);
    waiters[i].wait = NULL;
  }
  end_lease(lease, true);
  for (int i = 0; i < kWaiters; i++) {
    require(waiters[i].calls == (is_told[i] ? 1 : 0));
    require(!ct_wait_cancel(waiters[i].wait));
  }
}

/* Makes the calls that fill structs. They may write nothing beyond the size of the struct, and
 * what lies beyond the part that the library knows must stay zeros. */
static void ask(ct_cache *cache) {
  bool is_right;
  const ct_bytes key = draw_key();
  if (one_in(3)) {
    ct_entry_info *info = draw_struct(&(ct_entry_info){0}, sizeof *info, &is_right);
    require_judged(is_right, ct_inspect(cache, key.data, key.size, info));
    free(info);
  } else if (one_in(2)) {
    ct_stats *stats = draw_struct(&(ct_stats){0}, sizeof *stats, &is_right);
    require_judged(is_right, ct_cache_stats(cache, stats));
    free(stats);
  } else {
    ct_options *options = draw_struct(&(ct_options){0}, sizeof *options, &is_right);
    require_judged(is_right, ct_cache_options(cache, options));
    free(options);
  }
}

static void walk(ct_cache *cache) {
  const int32_t order = draw_int(3);
  ct_iter *iter;
  const ct_status status = ct_iter_new(cache, order, &iter);
  require_judged(order >= CT_ORDER_ANY && order <= CT_ORDER_HOTTEST, status);
  require((iter != NULL) == (status == CT_OK));
  for (ct_bytes key, value; iter != NULL && ct_iter_next(iter, &key, &value) == CT_OK;)
    require(key.data != NULL && value.data != NULL);
  ct_iter_free(iter);
}

static void call(ct_cache *cache) {
  const ct_bytes key = draw_key();
  ct_value value = CT_VALUE_INIT;
  ct_value other = CT_VALUE_INIT;
  char buffer[64];
  switch (below(20)) {
    case 0:
      require_status(ct_get(cache, key.data, key.size, &value));
      break;
    case 1:
      require_status(ct_get_copy(cache, key.data, key.size, buffer, below(64), NULL));
      break;
    case 2:
      require_status(ct_delete(cache, key.data, key.size));
      break;
    case 3:
      require_status(ct_pop(cache, key.data, key.size, &value));
      break;
    case 4:
      require_status(ct_popitem(cache, &value, &other));
      break;
    case 5:
      require_status(ct_resize(cache, draw_number()));
      break;
    case 6:
      require(ct_currsize(cache) <= ct_maxsize(cache) || it.asked.policy == CT_POLICY_CUSTOM);
      require(ct_len(cache) <= 5 + 2);
      break;
    case 7:
      walk(cache);
      break;
    case 8:
      ask(cache);
      break;
    case 9:
      require_status(ct_set_lifetime(cache, key.data, key.size, draw_number()));
      break;
    case 10:
      ct_expire(cache, draw_number(), one_in(2) ? on_event : NULL, it.asked.user_data);
      break;
    case 11:
      require_status(ct_setdefault(cache, key.data, key.size, bytes, draw_size(), &value));
      break;
    case 12:
      lease(cache);
      break;
    case 13:
      store_with(cache);
      break;
    case 14:
      load(cache);
      break;
    case 15:
      load_many(cache);
      break;
    case 16:
      lease_async(cache);
      break;
    default:
      require_status(ct_set(cache, key.data, key.size, bytes, draw_size()));
      break;
  }
  ct_value_release(&value);
  ct_value_release(&other);
}

static void use(ct_cache *cache) {
  for (int i = 0; i < kMaxCalls && !choices_are_over(&it.source); i++) call(cache);
}

/* ---- Caches and memos ----------------------------------------------------------------------- */

/* A tenth of the lifetime if that can be measured, unless it was asked for. */
static uint64_t retry_of(const ct_options *o) {
  if (o->retry != 0 || (o->refresh_ahead == 0 && o->stale == 0)) return o->retry;
  const uint64_t whole = o->ttl != 0 ? o->ttl : o->refresh_ahead;
  return whole / 10 < shortest(o) ? shortest(o) : whole / 10;
}

static void require_in_force(ct_cache *cache) {
  ct_options o = CT_OPTIONS_INIT;
  require(ct_cache_options(cache, &o) == CT_OK);
  const ct_options *asked = &it.asked;
  require(o.policy == asked->policy && o.weight_kind == asked->weight_kind);
  require(o.maxsize == asked->maxsize && o.shards == (asked->shards == 0 ? 1 : asked->shards));
  require((o.flags | CT_FLAG_KEEP_NOTHING) == (asked->flags | CT_FLAG_KEEP_NOTHING));
  require(((o.flags & CT_FLAG_KEEP_NOTHING) != 0) == (o.maxsize == 0));
  require(o.ttl == asked->ttl && o.tti == asked->tti);
  require(o.refresh_ahead == asked->refresh_ahead && o.stale == asked->stale);
  require(o.negative_ttl == asked->negative_ttl && o.jitter == asked->jitter);
  require(o.retry == retry_of(asked));
  require(o.seed == asked->seed || asked->seed == 0);
  require(o.user_data == asked->user_data && o.timer == asked->timer && o.ttu == asked->ttu);
  require(o.weigher == asked->weigher && o.choice == asked->choice);
  require(o.listener == asked->listener && o.drop == asked->drop);
  require((o.allocator != NULL) == (asked->allocator != NULL));
}

/* Frees the options before the cache is used. */
static ct_cache *make_cache(void) {
  const drawn d = draw_options();
  require((ct_options_problem(d.options) == NULL) == d.is_right);
  ct_cache *cache = (ct_cache *)&it;
  const ct_status status = ct_cache_new_with(d.options, &cache);
  require_judged(d.is_right, status);
  require((cache != NULL) == (status == CT_OK));
  free_drawn(&d);
  if (cache != NULL) require_in_force(cache);
  return cache;
}

static ct_status fill_key(void *user_data, void *self, const void *args, ct_key *key) {
  (void)args;
  require(user_data == &it && self == &someone);
  ct_key_uint(key, below(4));
  return one_in(8) ? (ct_status)draw_int(9) : CT_OK;
}

static ct_status compute(void *user_data, void *self, const void *args, ct_result *result) {
  (void)args;
  require(user_data == &it && self == &someone);
  if (one_in(8)) ct_result_ttl(result, draw_number());
  if (one_in(8)) ct_result_discard(result);
  if (!one_in(8)) ct_result_set(result, bytes, draw_size());
  return one_in(8) ? (ct_status)draw_int(9) : CT_OK;
}

static ct_cache *shared;

static ct_cache *cache_of(void *user_data, void *self) {
  require(user_data == &it && self == &someone);
  return one_in(16) ? NULL : shared;
}

static void use_memo(ct_memo *memo) {
  for (int i = 0; i < kMaxCalls && !choices_are_over(&it.source); i++) {
    ct_value value;
    bool is_right;
    ct_cache_info *info = draw_struct(&(ct_cache_info){0}, sizeof *info, &is_right);
    switch (below(8)) {
      case 0:
        ct_memo_invalidate(memo, &someone, NULL);
        break;
      case 1: {
        const ct_status status = ct_memo_info(memo, &someone, info);
        require(is_right || status == CT_ERR_INVALID);
        break;
      }
      case 2:
        ct_memo_clear(memo, &someone);
        break;
      case 3:
        ct_memo_forget(memo, &someone);
        break;
      default: {
        const ct_status status = ct_memo_call(memo, &someone, NULL, &value);
        require(has_value(status) == (value.data != NULL));
        ct_value_release(&value);
        break;
      }
    }
    free(info);
  }
}

static void make_memo(void) {
  drawn own = {.is_right = true};
  ct_memo_options o = CT_MEMO_OPTIONS_INIT;
  o.flags = (uint32_t)(one_in(16) ? draw_number() : below(4));
  if (one_in(16)) o.reserved = (uint32_t)draw_number();
  o.user_data = &it;
  if (!one_in(16)) o.fn = compute;
  if (!one_in(16)) o.key = fill_key;
  o.prefix = draw_pointer(bytes);
  o.prefix_size = one_in(16) ? (size_t)draw_number() : below(20);
  if (o.prefix != NULL && o.prefix_size > kLarge && o.prefix_size <= UINT32_MAX)
    o.prefix_size = kLarge;
  const uint64_t kind = below(8);
  it.asked = (ct_options)CT_OPTIONS_INIT;
  shared = kind < 2 || one_in(8) ? make_cache() : NULL;
  if (kind == 0 || one_in(16)) o.cache = shared;
  if (kind == 1 || one_in(16)) o.cache_of = cache_of;
  if (kind >= 4 && shared == NULL) {
    own = draw_options();
    o.own = own.options;
  }
  bool is_right;
  ct_memo_options *options = draw_struct(&o, sizeof o, &is_right);
  if (o.flags >= 4 || o.reserved != 0 || o.fn == NULL || o.key == NULL || !own.is_right ||
      (o.cache != NULL) + (o.cache_of != NULL) + (o.own != NULL) > 1 ||
      o.prefix_size > UINT32_MAX || (o.prefix == NULL && o.prefix_size > 0))
    is_right = false;
  require((ct_memo_problem(options) == NULL) == is_right);
  ct_memo *memo = (ct_memo *)&it;
  const ct_status status = ct_memo_new(options, &memo);
  require_judged(is_right, status);
  require((memo != NULL) == (status == CT_OK));
  free(options);
  free_drawn(&own);
  if (memo != NULL) use_memo(memo);
  ct_memo_free(memo);
  ct_cache_free(shared);
}

/* ---- What needs no cache -------------------------------------------------------------------- */

/* The functions that set structs up, for any size. */
static void init_structs(void) {
  const size_t size = 1 + below(kMaxStruct);
  void *block = malloc(size);
  if (block == NULL) abort();
  switch (below(9)) {
    case 0:
      ct_options_init(block, size);
      break;
    case 1:
      ct_allocator_init(block, size);
      break;
    case 2:
      ct_policy_ops_init(block, size);
      break;
    case 3:
      ct_entry_options_init(block, size);
      break;
    case 4:
      ct_entry_info_init(block, size);
      break;
    case 5:
      ct_stats_init(block, size);
      break;
    case 6:
      ct_memo_options_init(block, size);
      break;
    case 7:
      ct_cache_info_init(block, size);
      break;
    default:
      ct_memo_own_default(block, size);
      break;
  }
  free(block);
}

static void ask_names(void) {
  char name[16] = "";
  for (size_t i = 0; i < sizeof name - 1; i++) name[i] = (char)below(128);
  if (one_in(2)) strcpy(name, ct_policy_name((ct_policy)below(CT_POLICY_ADAPTIVE + 1)));
  ct_policy policy;
  if (ct_policy_from_name(name, &policy) == CT_OK)
    require(strcasecmp(ct_policy_name(policy), name) == 0);
  const int32_t number = draw_int(20);
  require((ct_policy_name((ct_policy)number) != NULL) == is_policy(number));
  require(ct_status_name((ct_status)~number) != NULL);
  require(ct_status_message((ct_status)~number) != NULL);
  ct_key *key = ct_key_new((uint32_t)number);
  require((key != NULL) == (number == 0 || number == CT_KEY_TYPED));
  ct_key_free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  memset(&it, 0, sizeof it);
  it.source = choices_from_bytes(data, size);
  switch (below(8)) {
    case 0:
      init_structs();
      ask_names();
      break;
    case 1:
    case 2:
      make_memo();
      break;
    default: {
      ct_cache *cache = make_cache();
      if (cache != NULL) use(cache);
      ct_cache_free(cache);
      break;
    }
  }
  require(it.blocks == 0);
  return 0;
}
