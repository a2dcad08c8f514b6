/* SPDX-License-Identifier: MIT */
/* Loading, computing and memoizing without memory: each allocation of a call fails in turn. The
 * call must then say so and hand nothing back, the cache must hold what it held, and the same
 * call must succeed as soon as there is memory. In the end, all memory must have come back. */
#include "fixture.h"

enum { kLarge = 20000, kMost = 40 };

static const char kZeros[kLarge];

/* A call, and what it is to meet. */
typedef struct scene scene;
struct scene {
  ct_status (*call)(const scene *self, fixture *f, ct_value *out);
  size_t value_size;
  uint32_t result;     /* kDiscard and the like */
  ct_status expected;  /* with memory */
  bool present;        /* the key is there before */
  uint64_t ttl;        /* of the cache */
  uint32_t memo_flags; /* CT_MEMO_... */
};

enum { kDiscard = 1, kTooHeavy = 2, kDead = 4, kTimed = 8 };

static ct_status hand_back(const scene *self, ct_result *result) {
  if ((self->result & kDiscard) != 0) ct_result_discard(result);
  if ((self->result & kTooHeavy) != 0) ct_result_weight(result, 10000);
  if ((self->result & kDead) != 0) ct_result_ttl(result, 0);
  if ((self->result & kTimed) != 0) ct_result_ttl(result, 100);
  ct_result_set(result, kZeros, self->value_size);
  return CT_OK;
}

static ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)key, (void)key_size;
  return hand_back(user_data, result);
}

static ct_status get_or_load(const scene *self, fixture *f, ct_value *out) {
  return ct_get_or_load(f->cache, "new", 3, load, (void *)(uintptr_t)self, out);
}

static ct_status lease_and_fulfil(const scene *self, fixture *f, ct_value *out) {
  ct_lease *lease = (ct_lease *)f;
  ct_status status = ct_get_or_lease(f->cache, "new", 3, 0, out, &lease);
  if (status != CT_LEASED) return lease == NULL ? status : CT_ERR_INTERNAL;
  return ct_lease_fulfil(lease, kZeros, self->value_size, NULL, out);
}

static ct_status lease_and_fulfil_overtaken(const scene *self, fixture *f, ct_value *out) {
  ct_lease *lease = NULL;
  ct_status status = ct_get_or_lease(f->cache, "new", 3, 0, out, &lease);
  if (status != CT_LEASED) return status;
  delete_text(f->cache, "new");
  return ct_lease_fulfil(lease, kZeros, self->value_size, NULL, out);
}

static ct_status compute_value(void *user_data, const void *key, size_t key_size,
                               const ct_bytes *old, ct_result *result) {
  (void)key, (void)key_size, (void)old;
  return hand_back(user_data, result);
}

static ct_status compute(const scene *self, fixture *f, ct_value *out) {
  return ct_compute(f->cache, "new", 3, compute_value, (void *)(uintptr_t)self, out);
}

static ct_status set(const scene *self, fixture *f, ct_value *out) {
  (void)out;
  return ct_set(f->cache, "new", 3, kZeros, self->value_size);
}

static ct_status setdefault(const scene *self, fixture *f, ct_value *out) {
  return ct_setdefault(f->cache, "new", 3, kZeros, self->value_size, out);
}

/* Opens a full cache of that many entries; the oldest would be evicted next. */
static void open_full(fixture *f, test_allocator *allocator, const scene *scene, uint64_t count) {
  test_allocator_init(allocator);
  open_fixture(f, .maxsize = count == 0 ? 1 : count, .allocator = &allocator->hooks,
               .ttl = scene->ttl, .seed = 1);
  for (uint64_t i = 0; i < count; i++) set_number(f->cache, i, &i, sizeof(i));
  if (scene->present) set_text(f->cache, "new", "old");
  f->log[0] = '\0';
}

static void assert_as_before(fixture *f, const scene *scene, uint64_t count) {
  assert_told(f, "");
  assert_int_equal(count == 0 ? scene->present : count, ct_len(f->cache));
  assert_int_equal(count == 0 ? scene->present : count, ct_currsize(f->cache));
  for (uint64_t i = scene->present; i < count; i++)
    assert_true(ct_contains(f->cache, &i, sizeof(i)));
  assert_text_quietly(f->cache, "new", scene->present ? "old" : NULL);
}

static int64_t faults; /* so far */

static void assert_survives_faults(const scene *scene) {
  for (uint64_t count = 0; count <= kMost; count++) {
    for (int64_t fault = 0;; fault++) {
      fixture f;
      test_allocator allocator;
      open_full(&f, &allocator, scene, count);
      allocator.fail_at = allocator.calls + fault;
      ct_value out = poisoned_value();
      ct_status status = scene->call(scene, &f, &out);
      const bool failed = allocator.failed != 0;
      allocator.fail_at = -1;
      /* Some allocations can be done without: then something stays larger than it must be. */
      if (failed && status != scene->expected) {
        assert_status(CT_ERR_NOMEM, status);
        assert_holds_nothing(out);
        assert_as_before(&f, scene, count);
        out = poisoned_value();
        status = scene->call(scene, &f, &out);
      }
      assert_status(scene->expected, status);
      assert_int_equal(scene->value_size, out.size);
      ct_value_release(&out);
      const uint64_t entries = ct_len(f.cache);
      const ct_stats stats = stats_of(f.cache);
      assert_int_equal(stats.inserts,
                       entries + stats.evictions + stats.expirations + stats.removals);
      if (scene->call != compute) assert_int_equal(stats.misses, stats.loads + stats.load_failures);
      fixture_close(&f);
      assert_int_equal(0, allocator.blocks);
      assert_int_equal(0, allocator.bytes);
      if (!failed) break;
      faults++;
    }
  }
}

TEST(loader_survives_faults) {
  const int64_t before = faults;
  static const scene scenes[] = {
      {.value_size = 0},
      {.value_size = 10},
      {.value_size = 300},
      {.value_size = kLarge},
      {.value_size = 10, .ttl = 50},
      {.value_size = 10, .result = kTimed},
      {.value_size = 10, .result = kDiscard},
      {.value_size = kLarge, .result = kDiscard},
      {.value_size = 10, .result = kTooHeavy},
      {.value_size = kLarge, .result = kTooHeavy},
      {.value_size = 10, .result = kDead},
      {.value_size = kLarge, .result = kDead},
  };
  for (size_t i = 0; i < COUNT_OF(scenes); i++) {
    scene scene = scenes[i];
    scene.call = get_or_load;
    assert_survives_faults(&scene);
  }
  assert_true(faults > before + 20); /* else it tested nothing */
}

TEST(lease_survives_faults) {
  const int64_t before = faults;
  static const size_t sizes[] = {0, 10, 300, kLarge};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    assert_survives_faults(&(scene){.call = lease_and_fulfil, .value_size = sizes[i]});
    assert_survives_faults(&(scene){.call = lease_and_fulfil, .value_size = sizes[i], .ttl = 9});
    assert_survives_faults(&(scene){
        .call = lease_and_fulfil_overtaken, .value_size = sizes[i], .expected = CT_NOT_STORED});
  }
  assert_true(faults > before + 20); /* else it tested nothing */
}

/* ---- Renewals ------------------------------------------------------------------------------- */

/* How the old value is loaded anew. */
typedef struct renewal {
  bool keeps;    /* it is not modified */
  bool evicts;   /* it leaves before, for want of room */
  bool forces;   /* CT_LOAD_FORCE */
  bool by_lease; /* not by a loader */
  size_t size;   /* of the old value, and of the new one */
  fixture *f;
} renewal;

static void evict_old(const renewal *self) {
  if (self->evicts) ct_set_ttl(self->f->cache, "other", 5, "2", 1, CT_NEVER);
}

static ct_status renew(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)key, (void)key_size;
  const renewal *self = user_data;
  evict_old(self);
  if (self->keeps)
    ct_result_not_modified(result);
  else
    ct_result_set(result, kZeros, self->size);
  return CT_OK;
}

static ct_status call_to_renew(renewal *self, ct_value *out) {
  ct_cache *cache = self->f->cache;
  if (!self->by_lease) {
    ct_load_options options = CT_LOAD_OPTIONS_INIT;
    options.flags = self->forces ? CT_LOAD_FORCE : 0;
    return ct_get_or_load_with(cache, "new", 3, renew, self, &options, out);
  }
  ct_lease *lease;
  const ct_status status = ct_get_or_lease(cache, "new", 3, 0, out, &lease);
  if (lease == NULL) return status;
  evict_old(self);
  if (self->keeps && status == CT_RENEW) return ct_lease_keep(lease, NULL);
  ct_value_release(out);
  return ct_lease_fulfil(lease, kZeros, self->size, NULL, out);
}

static void assert_renewal_survives_faults(renewal *self) {
  for (int64_t fault = 0;; fault++) {
    fixture f;
    test_allocator allocator;
    test_allocator_init(&allocator);
    open_fixture(&f, .maxsize = 1, .ttl = 100, .stale = 50, .retry = 1,
                 .allocator = &allocator.hooks);
    self->f = &f;
    assert_status(CT_OK, ct_set(f.cache, "new", 3, kZeros, self->size));
    f.clock.now = 100;
    allocator.fail_at = allocator.calls + fault;
    ct_value out = CT_VALUE_INIT;
    const ct_status status = call_to_renew(self, &out);
    const bool failed = allocator.failed != 0;
    allocator.fail_at = -1;
    if (!failed || status == CT_OK) {
      assert_status(CT_OK, status);
    } else if (status == CT_ERR_NOMEM) {
      assert_true(self->forces || self->by_lease);
    } else {
      assert_status(CT_STALE, status);
    }
    if (out.pin != 0) assert_int_equal(self->size, out.size);
    assert_true(status == CT_ERR_NOMEM || out.pin != 0);
    ct_value_release(&out);
    assert_int_equal(0, stats_of(f.cache).pinned);
    /* The lease has ended, and all goes on. */
    f.clock.now++;
    if (status != CT_OK) {
      renewal again = {.size = self->size, .f = &f, .by_lease = self->by_lease, .forces = true};
      assert_status(CT_OK, call_to_renew(&again, &out));
      ct_value_release(&out);
    }
    const ct_stats stats = stats_of(f.cache);
    assert_int_equal(stats.inserts, ct_len(f.cache) + stats.evictions + stats.expirations);
    assert_int_equal(stats.misses + stats.renewals, stats.loads + stats.load_failures);
    fixture_close(&f);
    assert_int_equal(0, allocator.blocks);
    if (!failed) break;
    faults++;
  }
}

TEST(renewal_survives_faults) {
  const int64_t before = faults;
  static const size_t sizes[] = {10, 300, kLarge};
  for (int way = 0; way < 8; way++) {
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
      renewal r = {.keeps = (way & 1) != 0, .evicts = (way & 2) != 0, .size = sizes[i]};
      r.by_lease = (way & 4) != 0;
      assert_renewal_survives_faults(&r);
      if (r.by_lease) continue;
      r = (renewal){.keeps = (way & 1) != 0, .evicts = (way & 2) != 0, .size = sizes[i]};
      r.forces = true;
      assert_renewal_survives_faults(&r);
    }
  }
  assert_true(faults > before + 20); /* else it tested nothing */
}

TEST(compute_survives_faults) {
  const int64_t before = faults;
  static const size_t sizes[] = {0, 10, 300, kLarge};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    for (int present = 0; present < 2; present++) {
      scene scene = {.call = compute, .value_size = sizes[i], .present = present};
      assert_survives_faults(&scene);
      scene.result = kTimed;
      assert_survives_faults(&scene);
      scene.expected = CT_NOT_STORED;
      scene.result = kDiscard;
      assert_survives_faults(&scene);
      scene.result = kDead;
      assert_survives_faults(&scene);
    }
  }
  assert_true(faults > before + 20); /* else it tested nothing */
}

/* A write that has no memory for its value is a write all the same: a load that runs meanwhile
 * is not kept. */
static void assert_overtakes_without_memory(const scene *scene) {
  for (int64_t fault = 0;; fault++) {
    fixture f;
    test_allocator allocator;
    open_full(&f, &allocator, scene, 0);
    ct_lease *lease = NULL;
    assert_status(CT_LEASED, ct_get_or_lease(f.cache, "new", 3, 0, NULL, &lease));
    allocator.fail_at = allocator.calls + fault;
    ct_value out = CT_VALUE_INIT;
    const ct_status status = scene->call(scene, &f, &out);
    const bool failed = allocator.failed != 0;
    allocator.fail_at = -1;
    ct_value_release(&out);
    assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "old", 3, NULL, NULL));
    if (failed && status != CT_OK) {
      assert_status(CT_ERR_NOMEM, status);
      assert_text_quietly(f.cache, "new", NULL);
    }
    fixture_close(&f);
    assert_int_equal(0, allocator.blocks);
    if (failed) continue;
    assert_status(CT_OK, status);
    assert_true(fault > 0);
    break;
  }
}

TEST(write_without_memory_overtakes) {
  static const size_t sizes[] = {10, kLarge};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    assert_overtakes_without_memory(&(scene){.call = set, .value_size = sizes[i]});
    assert_overtakes_without_memory(&(scene){.call = setdefault, .value_size = sizes[i]});
  }
}

TEST(compute_beyond_maxsize_survives_faults) {
  fixture f;
  test_allocator allocator;
  const scene scene = {.value_size = kLarge, .result = kTooHeavy, .present = true};
  for (int64_t fault = 0;; fault++) {
    open_full(&f, &allocator, &scene, 4);
    allocator.fail_at = allocator.calls + fault;
    const ct_status status = compute(&scene, &f, NULL);
    const bool failed = allocator.failed != 0;
    assert_status(failed ? CT_ERR_NOMEM : CT_ERR_TOO_LARGE, status);
    assert_as_before(&f, &scene, 4);
    fixture_close(&f);
    assert_int_equal(0, allocator.blocks);
    if (failed) continue;
    assert_true(fault > 0);
    break;
  }
}

/* ---- Memoized functions --------------------------------------------------------------------- */

static ct_status answer(void *user_data, void *self, const void *args, ct_result *result) {
  (void)self, (void)args;
  return hand_back(user_data, result);
}

/* A key that outgrows its builder several times. */
static ct_status key_of_args(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  ct_key_bytes(key, kZeros, *(const size_t *)args);
  ct_key_bytes(key, kZeros, *(const size_t *)args);
  return CT_OK;
}

static const ct_memo_options kMemo = CT_MEMO_OPTIONS_INIT;

TEST(memo_new_survives_faults) {
  for (int64_t fault = 0;; fault++) {
    test_allocator allocator;
    test_allocator_init(&allocator);
    allocator.fail_at = fault;
    ct_options own = CT_OPTIONS_INIT;
    ct_memo_own_default(&own, sizeof(own));
    own.allocator = &allocator.hooks;
    own.shards = 4;
    ct_memo_options options = kMemo;
    options.fn = answer;
    options.key = key_of_args;
    options.own = &own;
    options.prefix = kZeros;
    options.prefix_size = 1000;
    ct_memo *memo = (ct_memo *)&options;
    const ct_status status = ct_memo_new(&options, &memo);
    if (allocator.failed == 0) {
      assert_status(CT_OK, status);
      ct_memo_free(memo);
      assert_int_equal(0, allocator.blocks);
      assert_true(fault > 1);
      break;
    }
    assert_status(CT_ERR_NOMEM, status);
    assert_null(memo);
    assert_int_equal(0, allocator.blocks);
  }
}

static void assert_memo_survives_faults(const scene *scene, size_t key_size) {
  for (int64_t fault = 0;; fault++) {
    test_allocator allocator;
    test_allocator_init(&allocator);
    ct_options own = CT_OPTIONS_INIT;
    ct_memo_own_default(&own, sizeof(own));
    own.allocator = &allocator.hooks;
    ct_memo_options options = kMemo;
    options.flags = scene->memo_flags;
    options.user_data = (void *)(uintptr_t)scene;
    options.fn = answer;
    options.key = key_of_args;
    options.own = &own;
    ct_memo *memo = NULL;
    assert_status(CT_OK, ct_memo_new(&options, &memo));
    allocator.fail_at = allocator.calls + fault;
    ct_value out = poisoned_value();
    ct_status status = ct_memo_call(memo, &own, &key_size, &out);
    const bool failed = allocator.failed != 0;
    allocator.fail_at = -1;
    if (failed) {
      assert_status(CT_ERR_NOMEM, status);
      assert_holds_nothing(out);
      assert_int_equal(0, ct_len(ct_memo_cache(memo, NULL)));
      out = poisoned_value();
      status = ct_memo_call(memo, &own, &key_size, &out);
    }
    assert_status(CT_OK, status);
    assert_int_equal(scene->value_size, out.size);
    ct_value_release(&out);

    /* A hit, by an object that is new to the memo. */
    const int64_t before = allocator.calls;
    assert_status(CT_OK, ct_memo_call(memo, memo, &key_size, NULL));
    const int64_t count = allocator.calls - before;
    for (int64_t i = 0; i < count; i++) {
      ct_memo_forget(memo, memo);
      allocator.failed = 0;
      allocator.fail_at = allocator.calls + i;
      out = poisoned_value();
      status = ct_memo_call(memo, memo, &key_size, &out);
      allocator.fail_at = -1;
      assert_status(allocator.failed == 0 ? CT_OK : CT_ERR_NOMEM, status);
      if (status != CT_OK) assert_holds_nothing(out);
      ct_value_release(&out);
    }
    assert_status(CT_OK, ct_memo_invalidate(memo, &own, &key_size));
    ct_memo_free(memo);
    assert_int_equal(0, allocator.blocks);
    assert_int_equal(0, allocator.bytes);
    if (failed) continue;
    assert_true(fault > 0);
    break;
  }
}

TEST(memo_call_survives_faults) {
  static const uint32_t flags[] = {0, CT_MEMO_RACE};
  static const size_t key_sizes[] = {8, 300, 5000};
  static const size_t value_sizes[] = {8, 300, kLarge};
  for (size_t i = 0; i < COUNT_OF(flags); i++)
    for (size_t k = 0; k < COUNT_OF(key_sizes); k++)
      for (size_t v = 0; v < COUNT_OF(value_sizes); v++)
        assert_memo_survives_faults(&(scene){.value_size = value_sizes[v], .memo_flags = flags[i]},
                                    key_sizes[k]);
}

TEST(memo_invalidate_survives_faults) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_options own = CT_OPTIONS_INIT;
  ct_memo_own_default(&own, sizeof(own));
  own.allocator = &allocator.hooks;
  const scene scene = {.value_size = 8};
  ct_memo_options options = kMemo;
  options.user_data = (void *)(uintptr_t)&scene;
  options.fn = answer;
  options.key = key_of_args;
  options.own = &own;
  ct_memo *memo = NULL;
  assert_status(CT_OK, ct_memo_new(&options, &memo));
  const size_t key_size = 5000;
  assert_status(CT_OK, ct_memo_call(memo, NULL, &key_size, NULL));
  allocator.fail_at = allocator.calls;
  assert_status(CT_ERR_NOMEM, ct_memo_invalidate(memo, NULL, &key_size));
  assert_int_equal(1, ct_len(ct_memo_cache(memo, NULL)));
  allocator.fail_at = -1;
  assert_status(CT_OK, ct_memo_invalidate(memo, NULL, &key_size));
  ct_memo_free(memo);
  assert_int_equal(0, allocator.blocks);
}
