/* SPDX-License-Identifier: MIT */
/* Connects the library's callbacks with the functions that exports.go exports. */
#include "callbacks.h"

#include <stdlib.h>
#include <string.h>

#include "_cgo_export.h"

static uint64_t timer(void *callbacks) { return ctGoTimer((uintptr_t)callbacks); }

static uint64_t ttu(void *callbacks, const void *key, size_t key_size, const void *value,
                    size_t value_size, uint64_t now) {
  return ctGoTimeToUse((uintptr_t)callbacks, (void *)key, key_size, (void *)value, value_size, now);
}

static uint64_t weigher(void *callbacks, const void *key, size_t key_size, const void *value,
                        size_t value_size) {
  return ctGoWeigh((uintptr_t)callbacks, (void *)key, key_size, (void *)value, value_size);
}

static uint64_t choice(void *callbacks, uint64_t count) {
  return ctGoChoose((uintptr_t)callbacks, count);
}

static void listener(void *callbacks, const ct_event *event) {
  ctGoListen((uintptr_t)callbacks, (ct_event *)event);
}

_Thread_local ct_go_dropped *ct_go_dropping;

static void drop(void *callbacks, const void *value, size_t value_size) {
  ct_go_dropped *it = ct_go_dropping;
  const size_t room = sizeof it->numbers / sizeof it->numbers[0];
  if (it != NULL && it->callbacks == (uintptr_t)callbacks && it->count < room) {
    it->numbers[it->count++] = *(const uint64_t *)value;
    return;
  }
  ctGoDrop((uintptr_t)callbacks, (void *)value, value_size);
}

static void *allocate(void *callbacks, size_t size, size_t align) {
  return ctGoAlloc((uintptr_t)callbacks, size, align);
}

static void release(void *callbacks, void *ptr, size_t size, size_t align) {
  ctGoFree((uintptr_t)callbacks, ptr, size, align);
}

static void *state_new(void *callbacks, uint64_t maxsize) {
  return (void *)ctGoEvictorNew((uintptr_t)callbacks, maxsize);
}

static void state_free(void *state) { ctGoEvictorFree((uintptr_t)state); }

static void on_insert(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                      uint64_t now) {
  ctGoEvictorInsert((uintptr_t)state, id, weight, (void *)key, key_size, now);
}

static void on_update(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                      uint64_t now) {
  ctGoEvictorUpdate((uintptr_t)state, id, weight, (void *)key, key_size, now);
}

static void on_hit(void *state, uint32_t id, uint64_t now) {
  ctGoEvictorHit((uintptr_t)state, id, now);
}

static void on_remove(void *state, uint32_t id) { ctGoEvictorRemove((uintptr_t)state, id); }

static void on_resize(void *state, uint64_t maxsize) {
  ctGoEvictorResize((uintptr_t)state, maxsize);
}

static uint32_t victim(void *state) { return ctGoEvictorVictim((uintptr_t)state); }

/* Options with callbacks, and the structs that they point to. */
typedef struct full_options {
  ct_options options;
  ct_policy_ops ops;
  ct_allocator allocator;
} full_options;

static void fill(full_options *it, const ct_options *plain, uint32_t set, uintptr_t callbacks) {
  it->options = *plain;
  it->options.user_data = (void *)callbacks;
  if (set & CT_GO_TIMER) it->options.timer = timer;
  if (set & CT_GO_TTU) it->options.ttu = ttu;
  if (set & CT_GO_WEIGHER) it->options.weigher = weigher;
  if (set & CT_GO_CHOICE) it->options.choice = choice;
  if (set & CT_GO_LISTENER) it->options.listener = listener;
  if (set & CT_GO_DROP) it->options.drop = drop;
  if (set & CT_GO_CUSTOM) {
    ct_policy_ops_init(&it->ops, sizeof it->ops);
    it->ops.state_new = state_new;
    it->ops.state_free = state_free;
    it->ops.on_insert = on_insert;
    it->ops.on_update = on_update;
    it->ops.on_hit = on_hit;
    it->ops.on_remove = on_remove;
    it->ops.on_resize = on_resize;
    it->ops.victim = victim;
    it->options.custom = &it->ops;
  }
  if (set & CT_GO_ALLOCATOR) {
    ct_allocator_init(&it->allocator, sizeof it->allocator);
    it->allocator.alloc = allocate;
    it->allocator.free = release;
    it->allocator.ctx = (void *)callbacks;
    it->options.allocator = &it->allocator;
  }
}

void *ct_go_options_lend(ct_entry_options *options, bool has_same, ct_value same, const void *tags,
                         const size_t *ends, size_t count) {
  typedef struct lent {
    ct_value same;
    ct_bytes tags[9];
    char bytes[];
  } lent;
  if (count > 9) count = 9;
  const size_t size = count == 0 ? 0 : ends[count - 1];
  lent *it = malloc(sizeof *it + size);
  if (it == NULL) {
    options->flags |= CT_ENTRY_TAGS;
    options->tag_count = 9;
    return NULL;
  }
  if (has_same) {
    it->same = same;
    options->same = &it->same;
  }
  if (size != 0) memcpy(it->bytes, tags, size);
  for (size_t i = 0, begin = 0; i < count; begin = ends[i++]) {
    it->tags[i].data = it->bytes + begin;
    it->tags[i].size = ends[i] - begin;
  }
  if (count != 0) {
    options->flags |= CT_ENTRY_TAGS;
    options->tags = it->tags;
    options->tag_count = count;
  }
  return it;
}

const char *ct_go_options_problem(const ct_options *plain, uint32_t set) {
  full_options full;
  fill(&full, plain, set, 0);
  return ct_options_problem(&full.options);
}

ct_status ct_go_cache_new(const ct_options *plain, uint32_t set, uintptr_t callbacks,
                          ct_cache **out) {
  full_options full;
  fill(&full, plain, set, callbacks);
  return ct_cache_new_with(&full.options, out);
}

static bool match(void *call, const void *key, size_t key_size, const void *value,
                  size_t value_size) {
  return ctGoMatch((uintptr_t)call, (void *)key, key_size, (void *)value, value_size);
}

uint64_t ct_go_remove_if(ct_cache *cache, uintptr_t call) {
  return ct_remove_if(cache, match, (void *)call);
}

static void visit(void *call, const ct_event *event) {
  ctGoVisit((uintptr_t)call, (ct_event *)event);
}

uint64_t ct_go_expire(ct_cache *cache, uintptr_t call) {
  return ct_expire(cache, CT_NOW, call == 0 ? NULL : visit, (void *)call);
}

static ct_status write_some(void *call, const void *data, size_t size) {
  return ctGoWrite((uintptr_t)call, (void *)data, size);
}

ct_status ct_go_snapshot_save(ct_cache *cache, uintptr_t call) {
  return ct_snapshot_save(cache, write_some, (void *)call);
}

ct_status ct_go_stats_write(ct_cache *const *caches, const char *const *names, size_t count,
                            uintptr_t call) {
  return ct_stats_write(caches, names, count, write_some, (void *)call);
}

static ct_status read_some(void *call, void *buffer, size_t capacity, size_t *got) {
  return ctGoRead((uintptr_t)call, buffer, capacity, got);
}

ct_status ct_go_snapshot_load(ct_cache *cache, uintptr_t call, uint32_t flags) {
  return ct_snapshot_load_with(cache, read_some, (void *)call, flags);
}

ct_status ct_go_load(void *call, const void *key, size_t key_size, ct_result *result) {
  return ctGoLoad((uintptr_t)call, (void *)key, key_size, result);
}

ct_go_value ct_go_get_or_load(ct_cache *cache, const char *key, size_t key_size, uintptr_t call,
                              const ct_load_options *options) {
  ct_go_value out;
  out.status = ct_get_or_load_with(cache, key, key_size, ct_go_load, (void *)call, options,
                                   &out.value);
  return out;
}

static ct_status load_many(void *call, const ct_bytes *keys, size_t count,
                           ct_result *const *results) {
  return ctGoLoadMany((uintptr_t)call, (ct_bytes *)keys, count, (ct_result **)results);
}

ct_status ct_go_get_or_load_many(ct_cache *cache, const void *keys, const size_t *key_ends,
                                 size_t count, uintptr_t call, ct_value *values,
                                 ct_status *statuses) {
  ct_load_options options = CT_LOAD_OPTIONS_INIT;
  options.timeout_ns = 1;
  return ct_get_or_load_many(cache, keys, key_ends, count, load_many, (void *)call, &options,
                             values, statuses);
}

void ct_go_done(void *waiter, ct_status status, const ct_value *value, ct_lease *lease) {
  ct_go_number out = {.status = status, .lease = lease};
  if (value != NULL) out.number = *(const uint64_t *)value->data;
  ctGoDone((uintptr_t)waiter, out);
}

static ct_status compute(void *call, const void *key, size_t key_size, const ct_bytes *old,
                         ct_result *result) {
  (void)key, (void)key_size;
  return ctGoCompute((uintptr_t)call, (ct_bytes *)old, result);
}

ct_go_value ct_go_compute(ct_cache *cache, const char *key, size_t key_size, uintptr_t call) {
  ct_go_value out;
  out.status = ct_compute(cache, key, key_size, compute, (void *)call, &out.value);
  return out;
}

static ct_status memo_fn(void *functions, void *self, const void *call, ct_result *result) {
  (void)self;
  return ctGoMemoFn((uintptr_t)functions, (uintptr_t)call, result);
}

static ct_status memo_key(void *functions, void *self, const void *call, ct_key *key) {
  (void)self;
  return ctGoMemoKey((uintptr_t)functions, (uintptr_t)call, key);
}

ct_status ct_go_memo_new(const ct_options *plain, uint32_t set, uintptr_t callbacks,
                         ct_cache *shared, const char *prefix, size_t prefix_size,
                         uintptr_t functions, ct_memo **out) {
  full_options full;
  fill(&full, plain, set, callbacks);
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.user_data = (void *)functions;
  options.fn = memo_fn;
  options.key = memo_key;
  options.cache = shared;
  options.own = shared == NULL ? &full.options : NULL;
  options.prefix = prefix;
  options.prefix_size = prefix_size;
  return ct_memo_new(&options, out);
}

ct_go_value ct_go_memo_call(ct_memo *memo, uintptr_t call) {
  ct_go_value out;
  out.status = ct_memo_call(memo, NULL, (void *)call, &out.value);
  return out;
}

ct_status ct_go_memo_key(ct_memo *memo, uintptr_t call, ct_key *key) {
  return ct_memo_key(memo, NULL, (void *)call, key);
}

ct_status ct_go_memo_invalidate(ct_memo *memo, uintptr_t call) {
  return ct_memo_invalidate(memo, NULL, (void *)call);
}
