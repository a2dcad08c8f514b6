/* SPDX-License-Identifier: MIT */
/* Reads and sets take different paths. A cache with an allocator of the caller's is always read
 * under its lock; another cache is read without it, once it is large enough. A cache that has no
 * listener and counts its entries does most sets in one pass; one that has a listener never does.
 * Twins that differ in nothing else get the same random calls, and must answer, evict and count
 * alike. */
#include "fixture.h"

enum {
  kSteps = 12000,
  kFilling = 1500, /* of the steps: in these, little is read */
  kBatch = 40,
  kKeyRoom = 20000,
  kValueRoom = 24000,
  kLargeStride = 97, /* one key in so many is large, or may have a large value */
};

/* What the second cache has, and the first one lacks. */
typedef enum difference { kAllocator, kListener } difference;

typedef struct twins {
  manual_clock clock; /* first, for manual_clock_read */
  ct_cache *caches[2];
  test_allocator allocator;
  uint64_t keys;
  uint64_t maxsize;
  bool timed;
  bool ordered;
  uint64_t random;
  uint64_t heard[2]; /* checksums of what the listener was told */
  int told;          /* which twin is called */
  bool in_order;     /* whether the order of events counts */
} twins;

static unsigned char key_bytes[kKeyRoom];
static char value_bytes[kValueRoom];

static uint64_t below(twins *t, uint64_t n) {
  return test_random_below(&t->random, n);
}

static ct_cache *turn_to(twins *t, int which) {
  t->told = which;
  return t->caches[which];
}

static uint64_t mix_bytes(uint64_t sum, const void *data, size_t size) {
  const unsigned char *bytes = data;
  for (size_t i = 0; i < size; i++) sum = (sum ^ bytes[i]) * UINT64_C(0x100000001B3);
  return sum ^ size;
}

static void hear(void *user_data, const ct_event *event) {
  twins *t = user_data;
  uint64_t sum = t->in_order ? t->heard[t->told] : 0;
  sum = mix_bytes(sum, event->key.data, event->key.size < 16 ? event->key.size : 16);
  sum = mix_bytes(sum, event->value.data, event->value.size < 16 ? event->value.size : 16);
  sum = mix_bytes(sum, &event->cause, sizeof(event->cause));
  t->heard[t->told] = t->in_order ? sum : t->heard[t->told] + sum;
}

static void hear_nothing(void *user_data, const ct_event *event) {
  (void)user_data, (void)event;
}

/* The ttu of TLRU. */
static uint64_t some_deadline(void *user_data, const void *key, size_t key_size, const void *value,
                              size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)value;
  return (key_size + value_size) % 5 == 0 ? CT_NEVER : now + 40 * (value_size % 64);
}

/* Each key has one length. The number is at its end, so that long keys differ there. */
static size_t write_key(unsigned char *to, uint64_t number) {
  static const uint16_t large[] = {255, 256, 257, 504, 505, 1024, 16000, 17000};
  static const uint16_t small[] = {8, 8, 16, 4, 7, 9, 24, 31, 33};
  if (number == 0) return 0;
  const size_t size =
      number % kLargeStride == 0 ? large[number / kLargeStride % 8] : small[number % 9];
  memset(to, (int)(number % 3), size);
  const uint32_t bytes = (uint32_t)number;
  memcpy(to + size - sizeof(bytes), &bytes, sizeof(bytes));
  return size;
}

static size_t some_size(twins *t) {
  static const uint16_t large[] = {1023, 1024, 1025, 1032, 5000, 16384, 20000};
  if (below(t, 60) == 0) return large[below(t, 7)];
  return below(t, 8) == 0 ? 0 : below(t, 3) == 0 ? below(t, 300) : below(t, 40);
}

/* Draws a key, often one that is there. */
static uint64_t some_key(twins *t) {
  const uint64_t all = below(t, t->keys);
  return below(t, 3) == 0 ? all : below(t, all + 1);
}

static void assert_equal_stats(twins *t) {
  ct_stats a = stats_of(t->caches[0]);
  ct_stats b = stats_of(t->caches[1]);
  assert_memory_equal(&b, &a, sizeof(a));
}

static void assert_equal_orders(twins *t) {
  uint64_t sizes[2];
  for (int i = 0; i < 2; i++) sizes[i] = ct_len(turn_to(t, i));
  assert_int_equal(sizes[1], sizes[0]);
  assert_int_equal(ct_currsize(t->caches[1]), ct_currsize(t->caches[0]));
  if (!t->ordered) return;
  ct_iter *iters[2];
  const int32_t order = below(t, 2) == 0 ? CT_ORDER_COLDEST : CT_ORDER_HOTTEST;
  for (int i = 0; i < 2; i++) assert_status(CT_OK, ct_iter_new(t->caches[i], order, &iters[i]));
  for (ct_status status = CT_OK; status == CT_OK;) {
    ct_bytes keys[2], values[2];
    status = ct_iter_next(iters[0], &keys[0], &values[0]);
    assert_status(status, ct_iter_next(iters[1], &keys[1], &values[1]));
    if (status != CT_OK) break;
    assert_int_equal(keys[1].size, keys[0].size);
    assert_memory_equal(keys[1].data, keys[0].data, keys[0].size);
    assert_int_equal(values[1].size, values[0].size);
    assert_memory_equal(values[1].data, values[0].data, values[0].size);
  }
  for (int i = 0; i < 2; i++) ct_iter_free(iters[i]);
}

static void assert_equal_contents(twins *t) {
  for (uint64_t number = 0; number < t->keys; number++) {
    const size_t key_size = write_key(key_bytes, number);
    assert_int_equal(ct_contains(t->caches[1], key_bytes, key_size),
                     ct_contains(t->caches[0], key_bytes, key_size));
  }
}

static void assert_equal_values(ct_value *values) {
  assert_int_equal(values[1].size, values[0].size);
  assert_int_equal(values[1].data != NULL, values[0].data != NULL);
  if (values[0].size > 0) assert_memory_equal(values[1].data, values[0].data, values[0].size);
  for (int i = 0; i < 2; i++) ct_value_release(&values[i]);
}

static void copy_one(twins *t, size_t key_size) {
  static char buffers[2][kValueRoom];
  static const uint16_t capacities[] = {0, 1, 20, 100, 1023, 1024, 1025, kValueRoom - 1};
  const size_t capacity = below(t, 3) == 0 ? capacities[below(t, 8)] : kValueRoom - 1;
  ct_status statuses[2];
  size_t sizes[2];
  for (int i = 0; i < 2; i++) {
    memset(buffers[i], '#', sizeof(buffers[i]));
    void *buffer = capacity == 0 && key_size % 2 == 0 ? NULL : buffers[i];
    statuses[i] = ct_get_copy(t->caches[i], key_bytes, key_size, buffer, capacity, &sizes[i]);
  }
  assert_status(statuses[1], statuses[0]);
  assert_int_equal(sizes[1], sizes[0]);
  if (statuses[0] != CT_MISS) assert_memory_equal(buffers[1], buffers[0], kValueRoom);
  assert_int_equal('#', buffers[0][capacity]);
}

static void read_many(twins *t, bool copies) {
  static unsigned char data[kBatch * 2000];
  static char buffers[2][kBatch * 600];
  ct_bytes keys[kBatch];
  size_t key_ends[kBatch];
  const size_t count = below(t, kBatch + 1);
  size_t used = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t number = some_key(t);
    size_t size = write_key(key_bytes, number);
    if (size > 2000) size = write_key(key_bytes, number + 1);
    memcpy(data + used, key_bytes, size);
    keys[i] = (ct_bytes){data + used, size};
    key_ends[i] = used += size;
  }
  const size_t capacity = below(t, 4) == 0 ? below(t, 1000) : sizeof(buffers[0]) - 1;
  ct_status statuses[2][kBatch];
  ct_value values[2][kBatch];
  size_t ends[2][kBatch];
  ct_status results[2];
  for (int i = 0; i < 2; i++) {
    if (copies) memset(buffers[i], '#', sizeof(buffers[i]));
    results[i] = copies ? ct_get_many_copy(t->caches[i], data, key_ends, count, buffers[i],
                                           capacity, ends[i], statuses[i])
                        : ct_get_many(t->caches[i], keys, count, values[i], statuses[i]);
  }
  assert_status(results[1], results[0]);
  for (size_t i = 0; i < count; i++) {
    assert_status(statuses[1][i], statuses[0][i]);
    if (copies) {
      assert_int_equal(ends[1][i], ends[0][i]);
    } else {
      ct_value both[2] = {values[0][i], values[1][i]};
      assert_equal_values(both);
    }
  }
  if (copies) assert_memory_equal(buffers[1], buffers[0], sizeof(buffers[0]));
}

static void write_one(twins *t, size_t key_size) {
  const size_t size = some_size(t);
  memset(value_bytes, (int)below(t, 256), size);
  if (size > 0) value_bytes[size - 1] = (char)below(t, 256);
  const uint64_t how = below(t, 12);
  const uint64_t ttl = t->timed ? 1 + below(t, 5000) : CT_NEVER;
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  options.flags = how == 0   ? CT_ENTRY_IF_ABSENT
                  : how == 1 ? CT_ENTRY_IF_PRESENT
                  : how < 4  ? CT_ENTRY_TTL
                             : 0;
  options.ttl = ttl;
  ct_status statuses[2];
  ct_value values[2] = {CT_VALUE_INIT, CT_VALUE_INIT};
  for (int i = 0; i < 2; i++) {
    ct_cache *cache = turn_to(t, i);
    statuses[i] = how == 4
                      ? ct_setdefault(cache, key_bytes, key_size, value_bytes, size, &values[i])
                  : how == 5 ? ct_set_lifetime(cache, key_bytes, key_size, ttl)
                             : ct_set_with(cache, key_bytes, key_size, value_bytes, size, &options);
  }
  assert_status(statuses[1], statuses[0]);
  assert_equal_values(values);
}

static void look_closely(twins *t, size_t key_size) {
  ct_status statuses[2];
  ct_entry_info infos[2] = {CT_ENTRY_INFO_INIT, CT_ENTRY_INFO_INIT};
  for (int i = 0; i < 2; i++)
    statuses[i] = ct_inspect(t->caches[i], key_bytes, key_size, &infos[i]);
  assert_status(statuses[1], statuses[0]);
  assert_memory_equal(&infos[1], &infos[0], sizeof(infos[0]));
}

static void take_one(twins *t, size_t key_size, bool any) {
  ct_value keys[2] = {CT_VALUE_INIT, CT_VALUE_INIT};
  ct_value values[2] = {CT_VALUE_INIT, CT_VALUE_INIT};
  ct_status statuses[2];
  for (int i = 0; i < 2; i++) {
    ct_cache *cache = turn_to(t, i);
    statuses[i] = any ? ct_popitem(cache, &keys[i], &values[i])
                      : ct_pop(cache, key_bytes, key_size, &values[i]);
  }
  assert_status(statuses[1], statuses[0]);
  assert_equal_values(keys);
  assert_equal_values(values);
}

static void resize(twins *t) {
  const uint64_t maxsize = below(t, 3) == 0 ? t->maxsize / (1 + below(t, 16)) : t->maxsize;
  for (int i = 0; i < 2; i++) assert_status(CT_OK, ct_resize(turn_to(t, i), maxsize));
}

static void clear(twins *t) {
  t->in_order = false;
  for (int i = 0; i < 2; i++) assert_status(CT_OK, ct_clear(turn_to(t, i)));
  t->in_order = true;
}

static void pin_one(twins *t, size_t key_size, bool uses) {
  ct_value values[2];
  ct_status statuses[2];
  for (int i = 0; i < 2; i++)
    statuses[i] = (uses ? ct_get : ct_peek)(t->caches[i], key_bytes, key_size, &values[i]);
  assert_status(statuses[1], statuses[0]);
  assert_equal_values(values);
}

static void do_something(twins *t, bool fills) {
  const size_t key_size = write_key(key_bytes, some_key(t));
  const uint64_t what = fills ? 500 + below(t, 480) : below(t, 1000);
  if (what < 300) {
    copy_one(t, key_size);
  } else if (what < 380) {
    pin_one(t, key_size, true);
  } else if (what < 420) {
    pin_one(t, key_size, false);
  } else if (what < 460) {
    read_many(t, true);
  } else if (what < 480) {
    read_many(t, false);
  } else if (what < 500) {
    look_closely(t, key_size);
  } else if (what < 940) {
    write_one(t, key_size);
  } else if (what < 960) {
    take_one(t, key_size, false);
  } else if (what < 970) {
    take_one(t, key_size, true);
  } else if (what < 990) {
    /* The clock also goes back. */
    t->clock.now += t->timed ? below(t, 400) : 0;
    if (t->timed && below(t, 5) == 0) t->clock.now -= below(t, 1000);
  } else if (what < 994) {
    assert_equal_orders(t);
  } else if (what < 997) {
    assert_equal_stats(t);
  } else if (what == 997 && below(t, 4) == 0) {
    clear(t);
  } else if (what == 998) {
    resize(t);
  } else if (what == 999) {
    for (int i = 0; i < 2; i++) assert_status(CT_OK, ct_cache_stats_reset(t->caches[i]));
  }
}

static void run(ct_policy policy, difference difference, uint64_t *seed) {
  static twins t;
  memset(&t, 0, sizeof(t));
  t.random = test_random(seed);
  test_allocator_init(&t.allocator);
  t.clock.now = 100000;
  t.in_order = true;
  t.timed = policy == CT_POLICY_TTL || policy == CT_POLICY_TLRU || below(&t, 2) == 0;
  t.ordered = policy != CT_POLICY_RR && policy != CT_POLICY_ADAPTIVE;

  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.user_data = &t;
  options.seed = test_random(&t.random) | 1;
  options.shards = below(&t, 4) == 0 ? 4 : 1;
  const uint64_t entries = 200 + below(&t, 1800);
  options.weight_kind = below(&t, 3) == 0 ? CT_WEIGHT_MEMORY : CT_WEIGHT_COUNT;
  options.maxsize = options.weight_kind == CT_WEIGHT_COUNT ? entries : entries * 120;
  if (t.timed) options.timer = manual_clock_read;
  if (policy == CT_POLICY_TTL || (t.timed && below(&t, 3) == 0)) options.ttl = 3000;
  if (policy == CT_POLICY_TLRU) options.ttu = some_deadline;
  if (below(&t, 6) == 0) options.flags |= CT_FLAG_NO_STATS;
  if (difference == kAllocator && below(&t, 3) == 0) options.listener = hear;
  t.maxsize = options.maxsize;
  t.keys = entries * 2;
  assert_status(CT_OK, ct_cache_new_with(&options, &t.caches[0]));
  if (difference == kAllocator) options.allocator = &t.allocator.hooks;
  if (difference == kListener) options.listener = hear_nothing;
  assert_status(CT_OK, ct_cache_new_with(&options, &t.caches[1]));

  for (int i = 0; i < kSteps; i++) do_something(&t, i < kFilling);
  assert_equal_orders(&t);
  assert_equal_contents(&t);
  assert_equal_stats(&t);
  assert_int_equal(t.heard[1], t.heard[0]);
  for (int i = 0; i < 2; i++) ct_cache_free(t.caches[i]);
  assert_int_equal(0, t.allocator.blocks);
}

static void run_policies(difference difference) {
  uint64_t seed = test_seed();
  for (int32_t policy = CT_POLICY_LRU; policy <= CT_POLICY_ADAPTIVE; policy++)
    run(policy, difference, &seed);
}

TEST(reads_without_lock_are_as_those_under_it) {
  run_policies(kAllocator);
}

TEST(sets_in_one_pass_are_as_all_others) {
  run_policies(kListener);
}
