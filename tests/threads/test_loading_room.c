/* SPDX-License-Identifier: MIT */
/* Values that are loaded while other threads take their room or their key away. */
#include "stage.h"

enum { kLargeValue = 20000 };

/* A value too long to lie in its entry looks for room in another shard. Meanwhile its load is
 * overtaken, or the limit sinks below its weight, and the value is handed back after all. It was
 * once handed back from a block that was already in other use. */
typedef struct pressure {
  ct_cache *cache;
  pthread_t thread;
  _Atomic bool *over;
  int way;
} pressure;

static void *press(void *user_data) {
  pressure *self = user_data;
  static const char zeros[kLargeValue];
  for (uint64_t i = 0; !atomic_load(self->over); i++) {
    const uint64_t key = i % 8;
    if (self->way == 0) {
      ct_delete(self->cache, &key, sizeof(key));
    } else if (self->way == 1) {
      ct_resize(self->cache, i % 2 == 0 ? kLargeValue - 1 : kLargeValue * 2);
    } else {
      ct_set(self->cache, &key, sizeof(key), zeros, sizeof(zeros));
    }
  }
  return NULL;
}

TEST(value_is_handed_back_after_room_was_sought_elsewhere) {
  static const char zeros[kLargeValue];
  ct_options options = CT_OPTIONS_INIT;
  options.weight_kind = CT_WEIGHT_VALUE;
  options.maxsize = kLargeValue * 2;
  options.shards = 4;
  test_allocator allocator;
  test_allocator_init(&allocator);
  options.allocator = &allocator.hooks;
  ct_cache *cache = NULL;
  assert_status(CT_OK, ct_cache_new_with(&options, &cache));
  _Atomic bool over = false;
  pressure presses[3];
  for (int i = 0; i < 3; i++) {
    presses[i] = (pressure){.cache = cache, .over = &over, .way = i};
    assert_int_equal(0, pthread_create(&presses[i].thread, NULL, press, &presses[i]));
  }
  uint64_t wrong = 0;
  for (int i = 0; i < rounds(5000); i++) {
    const uint64_t key = (uint64_t)i % 8;
    ct_lease *lease = NULL;
    ct_value value = CT_VALUE_INIT;
    const ct_status status = ct_get_or_lease(cache, &key, sizeof(key), 0, &value, &lease);
    if (status == CT_LEASED) {
      const ct_status kept = ct_lease_fulfil(lease, zeros, sizeof(zeros), NULL, &value);
      wrong += kept != CT_OK && kept != CT_NOT_STORED;
    }
    wrong += value.size != kLargeValue || memcmp(zeros, value.data, kLargeValue) != 0;
    ct_value_release(&value);
  }
  over = true;
  for (int i = 0; i < 3; i++) pthread_join(presses[i].thread, NULL);
  assert_int_equal(0, wrong);
  ct_cache_free(cache);
  assert_int_equal(0, allocator.blocks);
}

/* The same, but not by chance: another thread deletes the key while another shard is asked for a
 * victim. */
enum { kRivals = 16 };

typedef struct rivalry {
  ct_cache *cache;
  unsigned states; /* that were made; each shard's is a char of names */
  char names[2];
  const void *home[kRivals]; /* the state of a key's shard */
  uint32_t id;               /* of the last entry */
  uint64_t loading;          /* a key */
  ct_status deleting;        /* the answer to its deletion */
} rivalry;

static rivalry rivals;

static void *name_shard(void *user_data, uint64_t maxsize) {
  (void)user_data, (void)maxsize;
  return &rivals.names[rivals.states++ % 2];
}

static void note_home(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                      uint64_t now) {
  (void)weight, (void)key_size, (void)now;
  uint64_t number;
  memcpy(&number, key, sizeof(number));
  rivals.home[number] = state;
  rivals.id = id;
}

static void ignore_removal(void *state, uint32_t id) {
  (void)state, (void)id;
}

static void *delete_loading(void *unused) {
  (void)unused;
  rivals.deleting = ct_delete(rivals.cache, &rivals.loading, sizeof(rivals.loading));
  return NULL;
}

/* This thread holds only the lock of the victim's shard. */
static uint32_t choose_after_delete(void *state) {
  (void)state;
  pthread_t thread;
  if (pthread_create(&thread, NULL, delete_loading, NULL) == 0) pthread_join(thread, NULL);
  return rivals.id;
}

static ct_cache *cache_of_rivals(uint64_t maxsize, uint64_t entries) {
  ct_policy_ops ops = CT_POLICY_OPS_INIT;
  ops.state_new = name_shard;
  ops.on_insert = note_home;
  ops.on_remove = ignore_removal;
  ops.victim = choose_after_delete;
  rivals.states = 0;
  ct_cache *cache = cache_of(.policy = CT_POLICY_CUSTOM, .custom = &ops, .maxsize = maxsize,
                             .shards = 2, .seed = 1);
  for (uint64_t key = 0; key < entries; key++)
    assert_status(CT_OK, ct_set(cache, &key, sizeof(key), "other", 5));
  return cache;
}

TEST(value_deleted_while_room_is_made_is_handed_back) {
  ct_cache_free(cache_of_rivals(kRivals, kRivals));
  rivals.loading = 1;
  while (rivals.home[rivals.loading] == rivals.home[0]) rivals.loading++;
  rivals.cache = cache_of_rivals(1, 1);
  rivals.deleting = CT_END;
  const uint64_t *key = &rivals.loading;
  ct_value value;
  ct_lease *lease;
  assert_status(CT_LEASED, ct_get_or_lease(rivals.cache, key, sizeof(*key), 0, &value, &lease));
  assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "value", 5, NULL, &value));
  assert_status(CT_MISS, rivals.deleting);
  assert_int_equal(5, value.size);
  assert_memory_equal("value", value.data, 5);
  ct_value_release(&value);
  assert_int_equal(0, ct_len(rivals.cache));
  ct_cache_free(rivals.cache);
}

/* ---- Negatives ------------------------------------------------------------------------------ */

/* A load finds no value. While memory is being allocated to remember that, the limit sinks below
 * what it weighs. ct_resize once waited for that weight for ever. */
enum { kLongKey = 1000, kMaxsize = 2000, kLowered = 500 };

typedef struct shrinking {
  ct_cache *cache;
  test_allocator allocator;
  int loads;
  _Atomic bool holds;   /* the next allocation for the key waits */
  _Atomic bool held;    /* it does */
  _Atomic bool resized; /* but for the weight that is reserved */
} shrinking;

static void *allocate_late(void *ctx, size_t size, size_t align) {
  shrinking *self = ctx;
  if (size > kLongKey && atomic_exchange(&self->holds, false)) {
    self->held = true;
    while (!self->resized) sched_yield();
  }
  return self->allocator.hooks.alloc(&self->allocator, size, align);
}

static void free_as_ever(void *ctx, void *ptr, size_t size, size_t align) {
  shrinking *self = ctx;
  self->allocator.hooks.free(&self->allocator, ptr, size, align);
}

static ct_status find_none(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)key, (void)key_size, (void)result;
  shrinking *self = user_data;
  self->holds = self->loads++ == 0;
  return CT_MISS;
}

static void *load_long_key(void *user_data) {
  shrinking *self = user_data;
  static const char key[kLongKey];
  const ct_status status = ct_get_or_load(self->cache, key, sizeof(key), find_none, self, NULL);
  return status == CT_MISS ? self : NULL;
}

static void *lower_limit(void *user_data) {
  shrinking *self = user_data;
  return ct_resize(self->cache, kLowered) == CT_OK ? self : NULL;
}

TEST(nothing_is_remembered_that_a_lower_limit_has_no_room_for) {
  shrinking self = {.loads = 0};
  pthread_t threads[2];
  void *results[2];
  test_allocator_init(&self.allocator);
  ct_allocator allocator = CT_ALLOCATOR_INIT;
  allocator.alloc = allocate_late;
  allocator.free = free_as_ever;
  allocator.ctx = &self;
  ct_options options = CT_OPTIONS_INIT;
  options.weight_kind = CT_WEIGHT_VALUE;
  options.maxsize = kMaxsize;
  options.negative_ttl = CT_NEVER;
  options.allocator = &allocator;
  assert_status(CT_OK, ct_cache_new_with(&options, &self.cache));
  for (uint64_t i = 0; i < 10; i++) ct_set(self.cache, &i, sizeof(i), "..........", 10);

  assert_int_equal(0, pthread_create(&threads[0], NULL, load_long_key, &self));
  while (!self.held) sched_yield();
  assert_int_equal(0, pthread_create(&threads[1], NULL, lower_limit, &self));
  while (ct_len(self.cache) != 0) sched_yield();
  self.resized = true;
  for (int i = 0; i < 2; i++) {
    assert_int_equal(0, pthread_join(threads[i], &results[i]));
    assert_ptr_equal(&self, results[i]);
  }
  assert_int_equal(0, ct_currsize(self.cache));
  assert_non_null(load_long_key(&self));
  assert_int_equal(2, self.loads);
  ct_cache_free(self.cache);
  assert_int_equal(0, self.allocator.blocks);
}
