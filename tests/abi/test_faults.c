/* SPDX-License-Identifier: MIT */
/* Memory that runs out. Every operation is done on every kind of cache while its first, second,
 * third … allocation fails, each time on a new cache, until it passes without a failure.
 * Whenever it returns CT_ERR_NOMEM, the cache must be as it was, and the same call must succeed
 * once there is memory. */
#include <unistd.h>

#include "kinds.h"
#include "snapshots.h"

/* ---- Operations ----------------------------------------------------------------------------- */

static const char kNew[] = "new";

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
  ct_entry_options options =
      entry_with(.flags = CT_ENTRY_DEADLINE | CT_ENTRY_IF_ABSENT, .deadline = 2000);
  if (f->kind->weight_kind != CT_WEIGHT_MEMORY) {
    options.flags |= CT_ENTRY_WEIGHT;
    options.weight = 3;
  }
  return ct_set_with(f->cache, kNew, 3, bytes, kSmall, &options);
}

/* Once it has failed, the key has the same value still. */
static ct_status set_same(fixture *f) {
  ct_value seen = CT_VALUE_INIT;
  ct_peek(f->cache, "key3", 4, &seen);
  const ct_entry_options options =
      entry_with(.flags = CT_ENTRY_IF_SAME | CT_ENTRY_KEEP_TTL, .same = &seen);
  const ct_status status = ct_set_with(f->cache, "key3", 4, bytes, kLarge, &options);
  ct_value_release(&seen);
  return status;
}

static ct_status set_keeping_ttl(fixture *f) {
  const ct_entry_options options = entry_with(.flags = CT_ENTRY_KEEP_TTL);
  return ct_set_with(f->cache, "key2", 4, bytes, kSmall + 2, &options);
}

static ct_status add_new(fixture *f) {
  return ct_add(f->cache, kNew, 3, 1, 0, NULL, NULL);
}

static ct_status add_long_key(fixture *f) {
  return ct_add(f->cache, bytes, kLongKey, 1, 0, NULL, NULL);
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
    assert_holds_nothing(out);
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

/* The value is dead only in caches with a ttu. It is handed back in any case. */
static ct_status setdefault_dead(fixture *f) {
  return setdefault_of(f, kNew, "Dead", 4);
}

static ct_status setdefault_dead_large(fixture *f) {
  static char dead[kLarge] = "D";
  return setdefault_of(f, kNew, dead, sizeof dead);
}

/* There are many keys, as a few need no memory. */
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

/* ct_remove_if reports no failure, but has to survive one. */
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

/* A snapshot of a cache without a failing allocator, made once. It holds entries of all sorts,
 * some of which the loading cache has already. */
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

static ct_status delete_same(fixture *f) {
  ct_value seen = CT_VALUE_INIT;
  ct_peek(f->cache, "key2", 4, &seen);
  const ct_status status = ct_delete_if(f->cache, "key2", 4, &seen);
  ct_value_release(&seen);
  return status;
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
  bool allocates; /* on some kind of cache; if false, on none */
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
    {"ct_set_with(IF_SAME)", set_same, true},
    {"ct_set_with(KEEP_TTL)", set_keeping_ttl, true},
    {"ct_add", add_new, true},
    {"ct_add with a long key", add_long_key, true},
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
    {"ct_delete_if", delete_same, false},
    {"ct_resize", resize, false},
    {"ct_expire", expire, false},
    {"ct_clear", clear, false},
    {"ct_set_ttl dead on arrival", dead_on_arrival, true},
};

enum { kOperationCount = COUNT_OF(kOperations) };

/* ---- The k-th allocation fails -------------------------------------------------------------- */

/* Returns whether the failure of some allocation mattered. */
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
        /* get_and_ref needs a present entry. */
        if (kCounts[c] == 0 && kOperations[i].run == get_and_ref) continue;
        mattered += fail_each_allocation(&kOperations[i], &kKinds[k], kCounts[c]);
      }
    }
    if (kOperations[i].allocates && kOperations[i].run != dead_on_arrival && mattered == 0)
      fail_msg("%s never lacked memory: the test tests nothing", kOperations[i].name);
    if (!kOperations[i].allocates) assert_int_equal(0, mattered);
  }
}

/* On the way, the index, the store and the policy's tables grow. */
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

/* Each pair is stored or not by itself: those without memory are as they were, the others are
 * stored. */
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

/* An iteration leaves no entry out, even if one allocation after the other fails. */
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

/* ---- Memory that is there ------------------------------------------------------------------- */

/* When no more memory can be had, a smaller entry takes the room of one that was deleted. */
TEST(room_of_a_deleted_entry_serves_a_smaller_one) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_options o = CT_OPTIONS_INIT;
  o.maxsize = 1000;
  o.shards = 1;
  o.allocator = &allocator.hooks;
  ct_cache *cache;
  assert_status(CT_OK, ct_cache_new_with(&o, &cache));
  static const char value[200];
  uint64_t keys = 0;
  for (; keys < 20; keys++) assert_status(CT_OK, ct_set(cache, &keys, 8, value, sizeof value));
  allocator.fail_on = true;
  allocator.fail_at = allocator.calls;
  /* No room is left for any entry. */
  for (size_t size = sizeof value;; size /= 2) {
    while (ct_set(cache, &keys, 8, value, size) == CT_OK) keys++;
    if (size == 0) break;
  }
  const uint64_t first = 0;
  assert_status(CT_OK, ct_delete(cache, &first, 8));
  assert_status(CT_OK, ct_set(cache, &keys, 8, value, sizeof value / 2));
  allocator.fail_at = -1;
  assert_int_equal(keys, ct_len(cache));
  ct_cache_free(cache);
  assert_int_equal(0, allocator.blocks);
}

/* ---- Mixed runs ----------------------------------------------------------------------------- */

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
