/* SPDX-License-Identifier: MIT */
/* What goes wrong from outside: memory that runs out, and callbacks that are hostile.
 *
 * Memory: every operation is done on every kind of cache with its first, second, third … allocation
 * failing, each time on a cache made anew, until it passes without one. Whenever it answers
 * CT_ERR_NOMEM the cache must be what it was, and the same call must succeed once there is memory.
 *
 * Callbacks: they call back into the cache, answer differently each time, and tell impossible
 * times. The cache must stay whole. */
#include <unistd.h>

#include "snapshots.h"
#include "support.h"

enum {
  kFilled = 24,     /* entries stored before an operation, if the cache has room for them */
  kSmall = 40,      /* bytes of a value */
  kApart = 20000,   /* of one above 16 KiB */
  kLarge = 100000,  /* of one above 64 KiB */
  kLongKey = 70000, /* of a key above 64 KiB */
  kDeepest = 3,     /* calls within callbacks within calls */
  kKeys = 32        /* of a mixed run */
};

static unsigned char bytes[kLarge];
/* What begins at n has n in its first byte. */
static unsigned char ramp[kKeys + kLarge];

/* ---- Kinds of cache ------------------------------------------------------------------------- */

typedef struct kind {
  const char *name;
  ct_policy policy;
  ct_weight_kind weight_kind;
  uint64_t maxsize;
  uint32_t shards;
  uint64_t ttl, tti;
  bool has_ttu, has_weigher, has_listener, has_drop;
} kind;

static const kind kKinds[] = {
    {"LRU, full", CT_POLICY_LRU, .maxsize = 16, .has_listener = true},
    {"LRU, unbounded", CT_POLICY_LRU, .maxsize = CT_UNBOUNDED},
    {"LRU, memory", CT_POLICY_LRU, CT_WEIGHT_MEMORY, 300000, .has_listener = true},
    {"LRU, idle", CT_POLICY_LRU, .maxsize = 16, .tti = 50, .has_listener = true, .has_drop = true},
    {"LRU, 16 shards", CT_POLICY_LRU, .maxsize = 16, .shards = 16, .has_listener = true},
    {"FIFO, full", CT_POLICY_FIFO, .maxsize = 16, .has_listener = true, .has_drop = true},
    {"FIFO, values", CT_POLICY_FIFO, CT_WEIGHT_VALUE, 120000, .shards = 4, .has_listener = true},
    {"LFU, full", CT_POLICY_LFU, .maxsize = 16, .has_listener = true},
    {"LFU, weighed", CT_POLICY_LFU, .maxsize = 40, .has_weigher = true, .has_listener = true},
    {"LFU, unbounded", CT_POLICY_LFU, .maxsize = CT_UNBOUNDED, .has_drop = true},
    {"RR, full", CT_POLICY_RR, .maxsize = 16, .has_listener = true},
    {"RR, unbounded", CT_POLICY_RR, .maxsize = CT_UNBOUNDED},
    {"TTL, full", CT_POLICY_TTL, .maxsize = 16, .ttl = 100, .has_listener = true},
    {"TTL, 4 shards", CT_POLICY_TTL, .maxsize = 16, .shards = 4, .ttl = 100, .has_listener = true},
    {"TLRU, weighed", CT_POLICY_TLRU, .maxsize = 40, .has_ttu = true, .has_weigher = true},
    {"ANY, unbounded", CT_POLICY_ANY, .maxsize = CT_UNBOUNDED, .has_listener = true},
    {"MRU, full", CT_POLICY_MRU, .maxsize = 16, .has_drop = true},
    {"CLOCK, full", CT_POLICY_CLOCK, .maxsize = 16, .has_listener = true},
    {"SIEVE, weighed", CT_POLICY_SIEVE, .maxsize = 40, .has_weigher = true, .has_drop = true},
    {"S3FIFO, full", CT_POLICY_S3FIFO, .maxsize = 16, .has_listener = true},
    {"S3FIFO, 4 shards", CT_POLICY_S3FIFO, .maxsize = 16, .shards = 4, .has_listener = true},
    {"ARC, full", CT_POLICY_ARC, .maxsize = 16, .has_listener = true},
    {"ARC, values", CT_POLICY_ARC, CT_WEIGHT_VALUE, 120000, .has_listener = true},
    {"WTINYLFU, full", CT_POLICY_WTINYLFU, .maxsize = 16, .has_listener = true},
    {"WTINYLFU, weighed", CT_POLICY_WTINYLFU, .maxsize = 40, .has_weigher = true},
    {"WTINYLFU, unbounded", CT_POLICY_WTINYLFU, .maxsize = CT_UNBOUNDED, .shards = 4},
    {"CUSTOM, full", CT_POLICY_CUSTOM, .maxsize = 16, .has_listener = true},
    {"CUSTOM, 4 shards", CT_POLICY_CUSTOM, .maxsize = CT_UNBOUNDED, .shards = 4},
};

enum { kKindCount = COUNT_OF(kKinds) };

typedef struct fixture {
  const kind *kind;
  ct_options options;
  test_allocator allocator;
  manual_clock clock;
  ct_cache *cache;
  uint64_t events, drops;
} fixture;

static uint64_t read_clock(void *user_data) {
  return manual_clock_read(&((fixture *)user_data)->clock);
}

/* A value that begins with a D is dead on arrival. */
static uint64_t ttu(void *user_data, const void *key, size_t key_size, const void *value,
                    size_t value_size, uint64_t now) {
  (void)user_data;
  (void)key;
  (void)key_size;
  return value_size > 0 && *(const char *)value == 'D' ? now : now + 100;
}

static uint64_t weigh(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  (void)user_data;
  (void)key;
  (void)key_size;
  (void)value;
  return 1 + value_size % 5;
}

static void count_event(void *user_data, const ct_event *event) {
  (void)event;
  ((fixture *)user_data)->events++;
}

static void count_drop(void *user_data, const void *value, size_t value_size) {
  (void)value;
  (void)value_size;
  ((fixture *)user_data)->drops++;
}

static void prepare(fixture *f, const kind *k) {
  memset(f, 0, sizeof *f);
  f->kind = k;
  atomic_store(&f->clock.now, 1000);
  test_allocator_init(&f->allocator);
  ct_options *o = &f->options;
  ct_options_init(o, sizeof *o);
  o->policy = (int32_t)k->policy;
  o->weight_kind = (int32_t)k->weight_kind;
  o->maxsize = k->maxsize;
  o->shards = k->shards;
  o->ttl = k->ttl;
  o->tti = k->tti;
  o->seed = 1;
  o->user_data = f;
  o->timer = read_clock;
  if (k->has_ttu) o->ttu = ttu;
  if (k->has_weigher) o->weigher = weigh;
  if (k->has_listener) o->listener = count_event;
  if (k->has_drop) o->drop = count_drop;
  if (k->policy == CT_POLICY_CUSTOM) o->custom = &kQueue;
  o->allocator = &f->allocator.hooks;
}

typedef struct name {
  char text[8];
  size_t size;
} name;

static name name_of(int number) {
  name n;
  n.size = (size_t)snprintf(n.text, sizeof n.text, "key%d", number);
  return n;
}

static void fill(fixture *f, int count) {
  for (int i = 0; i < count; i++) {
    const name key = name_of(i);
    assert_status(CT_OK, ct_set(f->cache, key.text, key.size, bytes + i, (size_t)(kSmall + i % 9)));
  }
  /* So that recency and frequency differ from the order of insertion. */
  for (int i = 0; i < count; i += 3) {
    const name key = name_of(i);
    ct_get(f->cache, key.text, key.size, NULL);
  }
}

static void make(fixture *f, const kind *k, int count) {
  prepare(f, k);
  assert_status(CT_OK, ct_cache_new_with(&f->options, &f->cache));
  fill(f, count);
}

static void unmake(fixture *f) {
  ct_cache_free(f->cache);
  assert_int_equal(0, f->allocator.blocks);
  assert_int_equal(0, f->allocator.bytes);
}

/* ---- What a cache holds --------------------------------------------------------------------- */

typedef struct holdings {
  uint64_t len, currsize, events, drops;
  ct_stats stats;
  size_t size;
  char *held; /* keys, values and what ct_inspect tells, coldest first if there is an order */
} holdings;

static void append(holdings *s, const void *data, size_t size) {
  s->held = realloc(s->held, s->size + size + 1);
  assert_non_null(s->held);
  memcpy(s->held + s->size, data, size);
  s->size += size;
}

static bool has_order(const fixture *f) {
  return f->kind->policy != CT_POLICY_RR && f->kind->policy != CT_POLICY_CUSTOM;
}

static holdings take_down(fixture *f) {
  holdings s = {.stats = CT_STATS_INIT};
  s.len = ct_len(f->cache);
  s.currsize = ct_currsize(f->cache);
  s.events = f->events;
  s.drops = f->drops;
  assert_status(CT_OK, ct_cache_stats(f->cache, &s.stats));
  ct_iter *iter;
  assert_status(CT_OK,
                ct_iter_new(f->cache, has_order(f) ? CT_ORDER_COLDEST : CT_ORDER_ANY, &iter));
  uint64_t count = 0;
  for (ct_bytes key, value; ct_iter_next(iter, &key, &value) == CT_OK; count++) {
    ct_entry_info info = CT_ENTRY_INFO_INIT;
    assert_status(CT_OK, ct_inspect(f->cache, key.data, key.size, &info));
    append(&s, &info, sizeof info);
    append(&s, key.data, key.size);
    append(&s, value.data, value.size);
  }
  ct_iter_free(iter);
  assert_int_equal(s.len, count);
  return s;
}

/* Without an order the index decides, and it may have grown for nothing. */
static void assert_unchanged(fixture *f, const holdings *before) {
  holdings after = take_down(f);
  assert_int_equal(before->len, after.len);
  assert_int_equal(before->currsize, after.currsize);
  assert_int_equal(before->events, after.events);
  assert_int_equal(before->drops, after.drops);
  /* Whether a ct_setdefault that failed counts its miss is left open. */
  after.stats.misses = before->stats.misses;
  assert_memory_equal(&before->stats, &after.stats, sizeof after.stats);
  assert_int_equal(before->size, after.size);
  if (has_order(f) && before->size > 0) assert_memory_equal(before->held, after.held, after.size);
  free(after.held);
}

/* ---- Operations ----------------------------------------------------------------------------- */

static const char kNew[] = "new";

static void assert_empty(const ct_value *value) {
  assert_null(value->data);
  assert_int_equal(0, value->size);
  assert_int_equal(0, value->pin);
}

static ct_status set_bytes(fixture *f, const char *key, size_t key_size, size_t value_size) {
  return ct_set(f->cache, key, key_size, bytes, value_size);
}

static ct_status set_new(fixture *f) {
  return set_bytes(f, kNew, 3, kSmall);
}

static ct_status set_new_apart(fixture *f) {
  return set_bytes(f, kNew, 3, kApart);
}

static ct_status set_new_large(fixture *f) {
  return set_bytes(f, kNew, 3, kLarge);
}

static ct_status set_long_key(fixture *f) {
  return set_bytes(f, (const char *)bytes, kLongKey, kSmall);
}

static ct_status set_present(fixture *f) {
  return set_bytes(f, "key1", 4, kSmall);
}

static ct_status set_present_longer(fixture *f) {
  return set_bytes(f, "key3", 4, 5000);
}

static ct_status set_present_large(fixture *f) {
  return set_bytes(f, "key3", 4, kLarge);
}

static ct_status set_ttl(fixture *f) {
  return ct_set_ttl(f->cache, kNew, 3, bytes, kSmall, 5);
}

static ct_status set_ttl_present(fixture *f) {
  return ct_set_ttl(f->cache, "key2", 4, bytes, kSmall + 2, 5);
}

static ct_status set_with(fixture *f) {
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  options.flags = CT_ENTRY_DEADLINE | CT_ENTRY_IF_ABSENT;
  options.deadline = 2000;
  if (f->kind->weight_kind != CT_WEIGHT_MEMORY) {
    options.flags |= CT_ENTRY_WEIGHT;
    options.weight = 3;
  }
  return ct_set_with(f->cache, kNew, 3, bytes, kSmall, &options);
}

static ct_status set_many(fixture *f) {
  const size_t ends[] = {10, 50};
  ct_status one = CT_END;
  const ct_status status = ct_set_many(f->cache, bytes, ends, 1, NULL, &one);
  assert_status(status, one);
  return status;
}

static ct_status setdefault_of(fixture *f, const char *key, const void *value, size_t size) {
  ct_value out;
  memset(&out, 0xee, sizeof out);
  const ct_status status = ct_setdefault(f->cache, key, strlen(key), value, size, &out);
  if (status < 0)
    assert_empty(&out);
  else
    assert_non_null(out.data);
  ct_value_release(&out);
  return status;
}

static ct_status setdefault_new(fixture *f) {
  return setdefault_of(f, kNew, bytes, kSmall);
}

static ct_status setdefault_new_large(fixture *f) {
  return setdefault_of(f, kNew, bytes, kLarge);
}

/* Only with ttu is it dead; the value is handed back all the same. */
static ct_status setdefault_dead(fixture *f) {
  return setdefault_of(f, kNew, "Dead", 4);
}

static ct_status setdefault_dead_large(fixture *f) {
  static char dead[kLarge] = "D";
  return setdefault_of(f, kNew, dead, sizeof dead);
}

/* A few keys need no memory. */
static ct_status get_many_copy(fixture *f) {
  enum { kMany = 200 };
  char keys[4 * kMany];
  size_t ends[kMany];
  size_t value_ends[kMany];
  ct_status statuses[kMany];
  static char buffer[kMany * 512];
  for (size_t i = 0; i < kMany; i++) {
    memcpy(keys + 4 * i, i % 3 == 0 ? "key1" : i % 3 == 1 ? "none" : "key3", 4);
    ends[i] = 4 * (i + 1);
  }
  return ct_get_many_copy(f->cache, keys, ends, kMany, buffer, sizeof buffer, value_ends, statuses);
}

static ct_status set_lifetime(fixture *f) {
  return ct_set_lifetime(f->cache, "key3", 4, 500);
}

static ct_status iterate(fixture *f, int32_t order) {
  ct_iter *iter = (ct_iter *)f;
  ct_status status = ct_iter_new(f->cache, order, &iter);
  if (status != CT_OK) {
    assert_null(iter);
    return status;
  }
  ct_bytes key, value;
  while ((status = ct_iter_next(iter, &key, &value)) == CT_OK) {
  }
  assert_null(key.data);
  assert_null(value.data);
  ct_iter_free(iter);
  return status;
}

static ct_status iterate_any(fixture *f) {
  return iterate(f, CT_ORDER_ANY);
}

static ct_status iterate_coldest(fixture *f) {
  return iterate(f, CT_ORDER_COLDEST);
}

static bool match_none(void *user_data, const void *key, size_t key_size, const void *value,
                       size_t value_size) {
  (void)user_data;
  (void)key;
  (void)key_size;
  (void)value;
  (void)value_size;
  return false;
}

/* It tells of no failure, but it has to bear one. */
static ct_status remove_none(fixture *f) {
  assert_int_equal(0, ct_remove_if(f->cache, match_none, NULL));
  return f->allocator.failed == 0 ? CT_OK : CT_ERR_NOMEM;
}

static ct_status get_copy(fixture *f) {
  char buffer[kSmall + 9];
  return ct_get_copy(f->cache, "key1", 4, buffer, sizeof buffer, NULL);
}

static ct_status get_and_ref(fixture *f) {
  ct_value value, second;
  const ct_status status = ct_get(f->cache, "key2", 4, &value);
  assert_status(CT_OK, ct_value_ref(&value, &second));
  ct_value_release(&value);
  ct_value_release(&second);
  return status;
}

static ct_status get_many(fixture *f) {
  const ct_bytes keys[] = {{"key1", 4}, {"none", 4}};
  ct_value values[2];
  ct_status statuses[2];
  const ct_status status = ct_get_many(f->cache, keys, 2, values, statuses);
  for (int i = 0; i < 2; i++) ct_value_release(&values[i]);
  return status;
}

static ct_status peek(fixture *f) {
  ct_value value;
  const ct_status status = ct_peek(f->cache, "key2", 4, &value);
  ct_value_release(&value);
  return status;
}

static ct_status look(fixture *f) {
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  ct_stats stats = CT_STATS_INIT;
  ct_contains(f->cache, "key1", 4);
  ct_len(f->cache);
  ct_currsize(f->cache);
  ct_memory(f->cache);
  ct_cache_stats(f->cache, &stats);
  return ct_inspect(f->cache, "key2", 4, &info);
}

static ct_status pop(fixture *f) {
  ct_value value;
  const ct_status status = ct_pop(f->cache, "key2", 4, &value);
  ct_value_release(&value);
  return status;
}

static ct_status popitem(fixture *f) {
  ct_value key, value;
  const ct_status status = ct_popitem(f->cache, &key, &value);
  ct_value_release(&key);
  ct_value_release(&value);
  return status;
}

static ct_status write_nowhere(void *user_data, const void *data, size_t size) {
  (void)user_data;
  (void)data;
  (void)size;
  return CT_OK;
}

static ct_status save(fixture *f) {
  return ct_snapshot_save(f->cache, write_nowhere, NULL);
}

/* Of a cache without an allocator to fail, made once: entries of all sorts, some of them present. */
static tape *snapshot_to_load(void) {
  static tape t;
  if (t.size > 0) return &t;
  ct_cache *cache = ct_cache_new(CT_POLICY_LFU, CT_UNBOUNDED);
  for (int i = 0; i < 60; i++) {
    const name key = name_of(i * 2);
    const size_t size = i == 50 ? kLarge : i == 55 ? kApart : (size_t)(kSmall + i);
    assert_status(CT_OK, ct_set_ttl(cache, key.text, key.size, bytes, size,
                                    i % 3 == 0 ? UINT64_C(1) << 60 : CT_NEVER));
    for (int j = 0; j < i % 7; j++) ct_get(cache, key.text, key.size, NULL);
  }
  assert_status(CT_OK, save_tape(cache, &t));
  ct_cache_free(cache);
  return &t;
}

static ct_status load(fixture *f) {
  return load_tape(f->cache, snapshot_to_load());
}

static const char *snapshot_path(void) {
  static char path[64];
  snprintf(path, sizeof path, "/tmp/cachetools-faults-%d", (int)getpid());
  return path;
}

static ct_status save_file(fixture *f) {
  const ct_status status = ct_snapshot_save_file(f->cache, snapshot_path());
  assert_int_equal(status == CT_OK ? 0 : -1, unlink(snapshot_path()));
  return status;
}

static ct_status load_file(fixture *f) {
  FILE *file = fopen(snapshot_path(), "wb");
  assert_non_null(file);
  const tape *t = snapshot_to_load();
  assert_int_equal(t->size, fwrite(t->bytes, 1, t->size, file));
  fclose(file);
  const ct_status status = ct_snapshot_load_file(f->cache, snapshot_path());
  unlink(snapshot_path());
  return status;
}

static ct_status delete_one(fixture *f) {
  return ct_delete(f->cache, "key2", 4);
}

static ct_status resize(fixture *f) {
  const ct_status status = ct_resize(f->cache, 7);
  ct_resize(f->cache, CT_UNBOUNDED);
  return status;
}

static ct_status expire(fixture *f) {
  ct_expire(f->cache, CT_NEVER - 1, NULL, NULL);
  return CT_OK;
}

static ct_status clear(fixture *f) {
  return ct_clear(f->cache);
}

static ct_status dead_on_arrival(fixture *f) {
  return ct_set_ttl(f->cache, "key2", 4, bytes, kSmall, 0);
}

typedef struct operation {
  const char *name;
  ct_status (*run)(fixture *f);
  bool allocates; /* on some kind of cache; else never */
} operation;

static const operation kOperations[] = {
    {"ct_set", set_new, true},
    {"ct_set above 16 KiB", set_new_apart, true},
    {"ct_set above 64 KiB", set_new_large, true},
    {"ct_set with a long key", set_long_key, true},
    {"ct_set in place of another", set_present, true},
    {"ct_set in place of a shorter one", set_present_longer, true},
    {"ct_set of a large one in place of a small one", set_present_large, true},
    {"ct_set_ttl", set_ttl, true},
    {"ct_set_ttl in place of another", set_ttl_present, true},
    {"ct_set_with", set_with, true},
    {"ct_set_many", set_many, true},
    {"ct_setdefault", setdefault_new, true},
    {"ct_setdefault above 64 KiB", setdefault_new_large, true},
    {"ct_setdefault dead on arrival", setdefault_dead, true},
    {"ct_setdefault dead on arrival, above 64 KiB", setdefault_dead_large, true},
    {"ct_get_many_copy", get_many_copy, true},
    {"ct_set_lifetime", set_lifetime, true},
    {"ct_iter in any order", iterate_any, true},
    {"ct_iter, coldest first", iterate_coldest, true},
    {"ct_remove_if", remove_none, true},
    {"ct_snapshot_save", save, true},
    {"ct_snapshot_load", load, true},
    {"ct_snapshot_save_file", save_file, true},
    {"ct_snapshot_load_file", load_file, true},
    {"ct_get_copy", get_copy, false},
    {"ct_get and ct_value_ref", get_and_ref, false},
    {"ct_get_many", get_many, false},
    {"ct_peek", peek, false},
    {"ct_inspect and others", look, false},
    {"ct_pop", pop, false},
    {"ct_popitem", popitem, false},
    {"ct_delete", delete_one, false},
    {"ct_resize", resize, false},
    {"ct_expire", expire, false},
    {"ct_clear", clear, false},
    {"ct_set_ttl dead on arrival", dead_on_arrival, true},
};

enum { kOperationCount = COUNT_OF(kOperations) };

/* ---- The k-th allocation fails -------------------------------------------------------------- */

/* Answers whether some allocation of the operation mattered. */
static bool fail_each_allocation(const operation *o, const kind *k, int count) {
  bool mattered = false;
  for (int64_t fail = 0;; fail++) {
    fixture f;
    make(&f, k, count);
    holdings before = take_down(&f);
    const int64_t calls = f.allocator.calls;
    f.allocator.fail_at = calls + fail;
    const ct_status status = o->run(&f);
    f.allocator.fail_at = -1;
    const bool failed = f.allocator.failed != 0;
    f.allocator.failed = 0;
    if (!o->allocates && f.allocator.calls != calls)
      fail_msg("%s allocates, on %s with %d entries", o->name, k->name, count);
    if (status == CT_ERR_NOMEM) {
      mattered = true;
      assert_unchanged(&f, &before);
      if (o->run(&f) < 0) fail_msg("%s fails with memory too, on %s", o->name, k->name);
    } else if (status < 0 && status != CT_ERR_TOO_LARGE && status != CT_ERR_UNSUPPORTED) {
      fail_msg("%s answers %s, on %s", o->name, ct_status_name(status), k->name);
    }
    free(before.held);
    unmake(&f);
    if (!failed) return mattered;
  }
}

TEST(call_without_memory_changes_nothing) {
  static const int kCounts[] = {0, 4, kFilled};
  for (int i = 0; i < kOperationCount; i++) {
    int mattered = 0;
    for (int k = 0; k < kKindCount; k++) {
      for (int c = 0; c < 3; c++) {
        /* What is done to a present entry needs one. */
        if (kCounts[c] == 0 && kOperations[i].run == get_and_ref) continue;
        mattered += fail_each_allocation(&kOperations[i], &kKinds[k], kCounts[c]);
      }
    }
    if (kOperations[i].allocates && kOperations[i].run != dead_on_arrival && mattered == 0)
      fail_msg("%s never lacked memory: the test tests nothing", kOperations[i].name);
    if (!kOperations[i].allocates) assert_int_equal(0, mattered);
  }
}

/* Somewhere on the way the index grows, chunks are added, and whatever a policy keeps grows. */
TEST(insert_without_memory_changes_nothing_at_any_size) {
  static const operation kSet = {"ct_set", set_new, true};
  for (int k = 0; k < kKindCount; k++) {
    if (kKinds[k].maxsize != CT_UNBOUNDED) continue;
    int mattered = 0;
    for (int count = 0; count < 120; count++)
      mattered += fail_each_allocation(&kSet, &kKinds[k], count);
    assert_true(mattered >= 2);
  }
}

TEST(cache_new_without_memory_leaves_nothing) {
  for (int k = 0; k < kKindCount; k++) {
    int failures = 0;
    for (int64_t fail = 0;; fail++) {
      fixture f;
      prepare(&f, &kKinds[k]);
      f.allocator.fail_at = fail;
      f.cache = (ct_cache *)&f;
      const ct_status status = ct_cache_new_with(&f.options, &f.cache);
      if (status == CT_OK) {
        unmake(&f);
        assert_int_equal(0, f.allocator.failed);
        break;
      }
      assert_status(CT_ERR_NOMEM, status);
      assert_null(f.cache);
      assert_int_equal(0, f.allocator.blocks);
      failures++;
    }
    assert_true(failures > 0);
  }
}

static int states_left;

static void *queue_new_or_not(void *user_data, uint64_t maxsize) {
  return states_left-- > 0 ? kQueue.state_new(user_data, maxsize) : NULL;
}

TEST(cache_new_without_policy_state_leaves_nothing) {
  for (int states = 0; states < 4; states++) {
    fixture f;
    prepare(&f, &kKinds[kKindCount - 1]);
    ct_policy_ops ops = kQueue;
    ops.state_new = queue_new_or_not;
    f.options.custom = &ops;
    states_left = states;
    assert_status(CT_ERR_NOMEM, ct_cache_new_with(&f.options, &f.cache));
    assert_null(f.cache);
    assert_int_equal(0, f.allocator.blocks);
  }
}

/* Each pair stands alone: those without memory are as they were, the others are stored. */
TEST(set_many_without_memory_stores_the_others) {
  bool some = false;
  for (int64_t fail = 0;; fail++) {
    fixture f;
    make(&f, &kKinds[1], 3);
    /* key0, a large value; key1, a small one; key9, a large one. */
    static unsigned char data[12 + 2 * kLarge + kSmall];
    const size_t sizes[] = {4, kLarge, 4, kSmall, 4, kLarge};
    size_t ends[6];
    size_t end = 0;
    for (int i = 0; i < 6; i++) ends[i] = end += sizes[i];
    memset(data, 'v', sizeof data);
    memcpy(data, "key0", 4);
    memcpy(data + ends[1], "key1", 4);
    memcpy(data + ends[3], "key9", 4);
    f.allocator.fail_at = f.allocator.calls + fail;
    ct_status statuses[3];
    const ct_status status = ct_set_many(f.cache, data, ends, 3, NULL, statuses);
    f.allocator.fail_at = -1;
    bool any = false;
    for (int i = 0; i < 3; i++) {
      const bool stored = statuses[i] == CT_OK;
      if (!stored) assert_status(CT_ERR_NOMEM, statuses[i]);
      any = any || !stored;
      ct_value value;
      const ct_status found = ct_peek(f.cache, data + (i == 0 ? 0 : ends[2 * i - 1]), 4, &value);
      assert_status(stored || i < 2 ? CT_OK : CT_MISS, found);
      if (stored) assert_int_equal(sizes[2 * i + 1], value.size);
      if (!stored && i < 2) assert_int_equal(kSmall + i, value.size);
      if (found == CT_OK) assert_int_equal(stored, *(const char *)value.data == 'v');
      ct_value_release(&value);
    }
    assert_status(any ? CT_ERR_NOMEM : CT_OK, status);
    some = some || any;
    const bool failed = f.allocator.failed != 0;
    unmake(&f);
    if (!failed) break;
  }
  assert_true(some);
}

/* With one failing allocation after the other, an iteration passes over nothing. */
TEST(iter_next_without_memory_can_be_asked_again) {
  for (int k = 0; k < kKindCount; k++) {
    fixture f;
    make(&f, &kKinds[k], kFilled);
    ct_iter *iter;
    assert_status(CT_OK, ct_iter_new(f.cache, CT_ORDER_ANY, &iter));
    uint64_t seen = 0;
    for (;;) {
      f.allocator.fail_at = f.allocator.calls;
      ct_bytes key, value;
      ct_status status = ct_iter_next(iter, &key, &value);
      f.allocator.fail_at = -1;
      if (status == CT_ERR_NOMEM) status = ct_iter_next(iter, &key, &value);
      if (status == CT_END) break;
      assert_status(CT_OK, status);
      seen++;
    }
    ct_iter_free(iter);
    assert_int_equal(ct_len(f.cache), seen);
    unmake(&f);
  }
}

/* ---- More than 65,000 pins on one entry ----------------------------------------------------- */

enum { kManyPins = 70000 };

static ct_value many_pins[kManyPins];

/* From then on every allocation fails. Answers how many pins there are. */
static int pin_without_memory(fixture *f) {
  f->allocator.fail_at = f->allocator.calls;
  f->allocator.fail_on = true;
  int pins = 0;
  while (pins < kManyPins && ct_peek(f->cache, "key1", 4, &many_pins[pins]) == CT_OK) pins++;
  assert_true(pins > 65000);
  return pins;
}

/* Every reading call that would need memory for its pin fails without a trace. */
static void assert_reads_fail_without_memory(fixture *f, const ct_value *pinned) {
  ct_value value;
  ct_stats before = CT_STATS_INIT, after = CT_STATS_INIT;
  ct_cache_stats(f->cache, &before);
  assert_status(CT_ERR_NOMEM, ct_get(f->cache, "key1", 4, &value));
  assert_empty(&value);
  assert_status(CT_ERR_NOMEM, ct_pop(f->cache, "key1", 4, &value));
  assert_empty(&value);
  assert_status(CT_ERR_NOMEM, ct_value_ref(pinned, &value));
  assert_empty(&value);
  assert_status(CT_ERR_NOMEM, ct_setdefault(f->cache, "key1", 4, "x", 1, &value));
  assert_empty(&value);
  ct_value key;
  assert_status(CT_ERR_NOMEM, ct_popitem(f->cache, &key, &value));
  assert_empty(&key);
  assert_empty(&value);
  ct_iter *iter;
  assert_status(CT_ERR_NOMEM, ct_iter_new(f->cache, CT_ORDER_COLDEST, &iter));
  assert_null(iter);

  ct_value values[2];
  ct_status statuses[2] = {CT_END, CT_END};
  const ct_bytes missing_first[] = {{"none", 4}, {"key1", 4}};
  assert_status(CT_ERR_NOMEM, ct_get_many(f->cache, missing_first, 2, values, statuses));
  assert_empty(&values[0]);
  assert_empty(&values[1]);
  assert_status(CT_OK, statuses[0]);

  /* What needs no pin goes on. */
  char buffer[64];
  size_t size;
  assert_status(CT_OK, ct_get_copy(f->cache, "key1", 4, buffer, sizeof buffer, &size));
  assert_int_equal(kSmall + 1, size);
  assert_status(CT_OK, ct_get(f->cache, "key1", 4, NULL));
  ct_cache_stats(f->cache, &after);
  assert_int_equal(before.hits + 2, after.hits);
  assert_int_equal(1, ct_len(f->cache));
  assert_int_equal(0, f->events);
}

/* Whichever of a walk's allocations fails, that of the pin included, which comes late. */
static void assert_walks_fail_or_see_it(fixture *f, int32_t order) {
  const int64_t pinned_blocks = f->allocator.blocks;
  bool done = false;
  for (int64_t k = 0; !done; k++) {
    f->allocator.fail_at = f->allocator.calls + k;
    ct_iter *iter;
    ct_bytes key = {NULL, 0}, value;
    ct_status status = ct_iter_new(f->cache, order, &iter);
    if (status == CT_OK) status = ct_iter_next(iter, &key, &value);
    done = status == CT_OK;
    assert_true(done || status == CT_ERR_NOMEM);
    assert_true(done || key.data == NULL);
    f->allocator.fail_at = -1;
    ct_iter_free(iter);
    assert_true(f->allocator.blocks - pinned_blocks <= 1); /* where many pins are counted */
  }
}

TEST(walk_beyond_65000_pins_without_memory_pins_nothing) {
  for (int32_t order = CT_ORDER_ANY; order <= CT_ORDER_HOTTEST; order++) {
    fixture f;
    make(&f, &kKinds[0], 2);
    int pins = pin_without_memory(&f);
    f.allocator.fail_on = false;
    assert_walks_fail_or_see_it(&f, order);
    while (pins > 0) ct_value_release(&many_pins[--pins]);
    unmake(&f);
  }
}

TEST(popitem_that_can_pin_only_the_key_removes_nothing) {
  fixture f;
  make(&f, &kKinds[0], 2);
  assert_status(CT_OK, ct_delete(f.cache, "key0", 4));
  f.events = 0;
  int pins = pin_without_memory(&f);
  ct_value_release(&many_pins[--pins]);
  ct_value key = {bytes, 1, 1}, value = {bytes, 1, 1};
  assert_status(CT_ERR_NOMEM, ct_popitem(f.cache, &key, &value));
  assert_empty(&key);
  assert_empty(&value);
  assert_int_equal(0, f.events);
  f.allocator.fail_at = -1;
  while (pins > 0) ct_value_release(&many_pins[--pins]);
  /* No pin of the failed call is left: the entry's block goes with it. */
  const uint64_t before = ct_memory(f.cache);
  assert_status(CT_OK, ct_popitem(f.cache, NULL, NULL));
  assert_int_equal(1, f.events);
  assert_true(ct_memory(f.cache) <= before);
  unmake(&f);
}

TEST(pin_beyond_65000_without_memory_changes_nothing) {
  fixture f;
  make(&f, &kKinds[0], 2);
  assert_status(CT_OK, ct_delete(f.cache, "key0", 4));
  f.events = 0;
  int pins = pin_without_memory(&f);
  if (pins < kManyPins) {
    assert_empty(&many_pins[pins]);
    assert_reads_fail_without_memory(&f, &many_pins[0]);
  }
  f.allocator.fail_at = -1;
  for (; pins < kManyPins; pins++)
    assert_status(CT_OK, ct_peek(f.cache, "key1", 4, &many_pins[pins]));
  ct_value last;
  assert_status(CT_OK, ct_pop(f.cache, "key1", 4, &last));
  assert_int_equal(1, f.events);
  for (int i = 0; i < kManyPins; i++) {
    assert_int_equal(kSmall + 1, many_pins[i].size);
    assert_memory_equal(bytes + 1, many_pins[i].data, kSmall + 1);
    ct_value_release(&many_pins[i]);
  }
  assert_memory_equal(bytes + 1, last.data, kSmall + 1);
  ct_value_release(&last);
  unmake(&f);
}

/* ---- Mixed runs ----------------------------------------------------------------------------- */

static bool match_odd(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  (void)user_data;
  (void)value;
  (void)value_size;
  return key_size > 0 && ((const char *)key)[key_size - 1] % 2 != 0;
}

/* A value under one of kKeys keys begins with the key's number; the rest does not matter. */
static void do_anything(ct_cache *cache, uint64_t *random) {
  const int number = (int)test_random_below(random, kKeys);
  const name key = name_of(number);
  const unsigned char *value = ramp + number;
  const size_t size =
      1 + test_random_below(random, test_random_below(random, 12) == 0 ? kLarge : 200);
  ct_value out = CT_VALUE_INIT, second = CT_VALUE_INIT;
  switch (test_random_below(random, 20)) {
    case 0:
      ct_set_ttl(cache, key.text, key.size, value, size, test_random_below(random, 60));
      break;
    case 1:
      ct_setdefault(cache, key.text, key.size, value, size, &out);
      break;
    case 2:
      ct_pop(cache, key.text, key.size, &out);
      break;
    case 3:
      ct_delete(cache, key.text, key.size);
      break;
    case 4:
      ct_popitem(cache, &second, &out);
      break;
    case 5:
      if (test_random_below(random, 8) == 0) ct_clear(cache);
      break;
    case 6:
      if (test_random_below(random, 4) == 0) ct_remove_if(cache, match_odd, NULL);
      break;
    case 7:
      ct_set_lifetime(cache, key.text, key.size, test_random_below(random, 60));
      break;
    case 8:
      ct_expire(cache, CT_NOW, NULL, NULL);
      break;
    case 9:
      ct_len(cache);
      break;
    case 10: {
      ct_iter *iter;
      ct_bytes seen, found;
      if (ct_iter_new(cache, (int32_t)test_random_below(random, 3), &iter) < 0) break;
      while (ct_iter_next(iter, &seen, &found) == CT_OK) {
      }
      ct_iter_free(iter);
      break;
    }
    case 11:
    case 12:
    case 13:
    case 14:
      ct_get(cache, key.text, key.size, &out);
      break;
    default:
      ct_set(cache, key.text, key.size, value, size);
  }
  ct_value_release(&second);
  ct_value_release(&out);
}

/* What must hold of any cache at rest that do_anything was done to. */
static void assert_whole(ct_cache *cache) {
  const uint64_t len = ct_len(cache);
  const uint64_t currsize = ct_currsize(cache);
  const ct_stats stats = stats_of(cache);
  assert_int_equal(stats.inserts, len + stats.evictions + stats.expirations + stats.removals);
  assert_true(currsize <= ct_maxsize(cache));
  ct_iter *iter;
  assert_status(CT_OK, ct_iter_new(cache, CT_ORDER_ANY, &iter));
  uint64_t count = 0, weight = 0;
  for (ct_bytes key, value; ct_iter_next(iter, &key, &value) == CT_OK; count++) {
    ct_entry_info info = CT_ENTRY_INFO_INIT;
    assert_status(CT_OK, ct_inspect(cache, key.data, key.size, &info));
    weight += info.weight;
    assert_int_equal(key.size, info.key_size);
    assert_int_equal(value.size, info.value_size);
    char expected[8];
    const int size =
        snprintf(expected, sizeof expected, "key%d", *(const unsigned char *)value.data);
    assert_int_equal(size, key.size);
    assert_memory_equal(expected, key.data, key.size);
  }
  ct_iter_free(iter);
  assert_int_equal(len, count);
  assert_int_equal(currsize, weight);
}

TEST(run_without_memory_stays_whole) {
  uint64_t random = test_seed();
  for (int k = 0; k < kKindCount; k++) {
    fixture f;
    make(&f, &kKinds[k], 0);
    for (int spell = 0; spell < 12; spell++) {
      f.allocator.fail_on = spell % 2 == 0;
      f.allocator.fail_at = f.allocator.calls + (int64_t)test_random_below(&random, 40);
      for (int i = 0; i < 150; i++) {
        do_anything(f.cache, &random);
        atomic_fetch_add(&f.clock.now, test_random_below(&random, 3));
        if (!f.allocator.fail_on) f.allocator.fail_at = f.allocator.calls + 1;
      }
      f.allocator.fail_at = -1;
      assert_whole(f.cache);
    }
    assert_true(f.allocator.failed > 0);
    unmake(&f);
  }
}

/* ---- Callbacks that call back --------------------------------------------------------------- */

enum caller { kFromListener, kFromWeigher, kFromTtu, kFromMatch, kFromVisit, kFromDrop, kCallers };

typedef struct hostile {
  manual_clock clock;
  ct_cache *cache;
  enum caller caller; /* who calls back */
  int depth;
  uint64_t random;
  uint64_t calls;
  uint64_t causes[5];
  uint64_t drops;
  bool freeing; /* from here on drop must keep still */
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

/* A small cache of that kind; the callbacks are still to come. */
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

/* ---- Callbacks that end what is not in use by the call -------------------------------------- */

/* Whatever of a cache may be ended at any time, and another cache. */
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
  enum caller caller; /* who ends them */
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
  bool steady; /* the timer keeps still */
  uint64_t time;
} fickle;

/* Small, none, or more than any limit. */
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
  /* Whatever the clock said: what never expires is there, what is due goes. */
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
    assert_status(CT_ERR_INTERNAL, ct_set(f.cache, kNew, 3, bytes, size));
    assert_status(CT_ERR_INTERNAL, ct_popitem(f.cache, NULL, NULL));
    if (i == 10) memory = ct_memory(f.cache);
  }
  assert_int_equal(memory, ct_memory(f.cache));
  assert_unchanged(&f, &before);
  dead_ids = false;
  assert_status(CT_OK, ct_set(f.cache, kNew, 3, bytes, kSmall));
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
  /* The last reading there is: taken to be one tick earlier. */
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

int main(void) {
  uint64_t random = 1;
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (unsigned char)('a' + test_random(&random) % 26);
  for (size_t i = 0; i < sizeof ramp; i++) ramp[i] = (unsigned char)i;
  return run_registered_tests();
}
