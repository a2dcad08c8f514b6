/* SPDX-License-Identifier: MIT */
/* Values that were handed out stay as they are until they are released, whatever happens to the
 * entry or to the cache. Then their memory goes back, and drop is called once. */
#include <pthread.h>

#include "fixture.h"

enum { kMebibyte = 1 << 20 };

/* A cache whose memory and drops are counted. */
typedef struct counted {
  test_allocator allocator;
  ct_cache *cache;
  _Atomic uint64_t drops;
  _Atomic uint64_t dropped_bytes;
  pthread_t dropper; /* the thread of the last drop */
  char dropped;      /* the first byte of the value dropped last */
} counted;

static void count_drop(void *user_data, const void *value, size_t value_size) {
  counted *self = user_data;
  self->drops++;
  self->dropped_bytes += value_size;
  self->dropper = pthread_self();
  self->dropped = value_size > 0 ? *(const char *)value : '\0';
}

static void open_with(counted *self, ct_options options) {
  memset(self, 0, sizeof(*self));
  test_allocator_init(&self->allocator);
  options.allocator = &self->allocator.hooks;
  options.user_data = self;
  options.drop = count_drop;
  self->cache = new_cache(&options);
}

static void open_counted(counted *self, uint64_t maxsize) {
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = maxsize;
  open_with(self, options);
}

static void close_counted(counted *self) {
  ct_cache_free(self->cache);
  assert_int_equal(0, self->allocator.blocks);
}

#define COUNTED_TEST(name, maxsize) \
  TEST_IN(counted, c, name, open_counted(c, maxsize), close_counted(c))

static ct_value get_pinned(ct_cache *cache, const char *key) {
  ct_value value = poisoned_value();
  assert_status(CT_OK, ct_get(cache, key, strlen(key), &value));
  return value;
}

/* Fills a value with bytes that depend on the number and change along the value. */
static void fill(unsigned char *bytes, size_t size, uint64_t number) {
  for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(number + i * 7 + i / 251);
}

static void assert_filled(const ct_value *value, size_t size, uint64_t number) {
  assert_non_null(value->data);
  assert_int_equal(size, value->size);
  unsigned char *expected = malloc(size + 1);
  fill(expected, size, number);
  assert_memory_equal(expected, value->data, size);
  free(expected);
}

/* Fills the cache with other entries, so that memory that was freed too early is used again. */
static void churn(ct_cache *cache, int count) {
  unsigned char junk[512];
  memset(junk, 0xee, sizeof(junk));
  for (int i = 0; i < count; i++)
    assert_status(CT_OK, set_number(cache, 1000000 + (uint64_t)i, junk, (size_t)i % sizeof(junk)));
}

/* ---- What a pinned value outlives ----------------------------------------------------------- */

COUNTED_TEST(value_outlives_eviction, 4) {
  assert_status(CT_OK, set_text(c->cache, "a", "pinned"));
  ct_value value = get_pinned(c->cache, "a");
  churn(c->cache, 500);
  assert_text_quietly(c->cache, "a", NULL);
  assert_value("pinned", value);
  ct_value_release(&value);
}

COUNTED_TEST(value_outlives_replacement, 4) {
  assert_status(CT_OK, set_text(c->cache, "a", "old"));
  ct_value old = get_pinned(c->cache, "a");
  /* The new values have the same size, then a smaller and a larger one. */
  assert_status(CT_OK, set_text(c->cache, "a", "new"));
  assert_value("old", old);
  assert_status(CT_OK, set_text(c->cache, "a", "-"));
  assert_value("old", old);
  assert_status(CT_OK, set_text(c->cache, "a", "much longer than it was before"));
  assert_value("old", old);
  ct_value latest = get_pinned(c->cache, "a");
  churn(c->cache, 500);
  assert_value("old", old);
  assert_value("much longer than it was before", latest);
  ct_value_release(&old);
  assert_value("much longer than it was before", latest);
  ct_value_release(&latest);
}

COUNTED_TEST(value_outlives_delete, 4) {
  assert_status(CT_OK, set_text(c->cache, "a", "pinned"));
  ct_value value = get_pinned(c->cache, "a");
  assert_status(CT_OK, delete_text(c->cache, "a"));
  churn(c->cache, 500);
  assert_value("pinned", value);
  ct_value_release(&value);
}

COUNTED_TEST(value_outlives_clear, 4) {
  assert_status(CT_OK, set_text(c->cache, "a", "pinned"));
  ct_value value = get_pinned(c->cache, "a");
  assert_status(CT_OK, ct_clear(c->cache));
  churn(c->cache, 500);
  assert_value("pinned", value);
  assert_status(CT_OK, ct_clear(c->cache));
  assert_value("pinned", value);
  ct_value_release(&value);
}

COUNTED_TEST(value_outlives_resize, 4) {
  assert_status(CT_OK, set_text(c->cache, "a", "pinned"));
  ct_value value = get_pinned(c->cache, "a");
  assert_status(CT_OK, ct_resize(c->cache, 0));
  assert_int_equal(0, ct_len(c->cache));
  assert_status(CT_OK, ct_resize(c->cache, 4));
  churn(c->cache, 500);
  assert_value("pinned", value);
  ct_value_release(&value);
}

FIXTURE_TEST(value_outlives_expiry,
             open_fixture(f, .policy = CT_POLICY_TTL, .maxsize = 4, .ttl = 5)) {
  assert_status(CT_OK, set_text(f->cache, "a", "pinned"));
  ct_value value = get_pinned(f->cache, "a");
  set_now(f, 5);
  assert_int_equal(1, ct_expire(f->cache, CT_NOW, NULL, NULL));
  churn(f->cache, 500);
  assert_value("pinned", value);
  ct_value_release(&value);
}

TEST(value_outlives_cache) {
  counted c;
  open_counted(&c, 4);
  assert_status(CT_OK, set_text(c.cache, "a", "pinned"));
  ct_value value = get_pinned(c.cache, "a");
  ct_cache_free(c.cache);
  assert_value("pinned", value);
  assert_true(c.allocator.blocks > 0);
  assert_int_equal(0, c.drops);
  ct_value_release(&value);
  assert_int_equal(0, c.allocator.blocks);
  assert_int_equal(1, c.drops);
}

TEST(departed_value_outlives_cache) {
  counted c;
  open_counted(&c, 4);
  assert_status(CT_OK, set_text(c.cache, "a", "first"));
  ct_value first = get_pinned(c.cache, "a");
  assert_status(CT_OK, set_text(c.cache, "a", "second"));
  ct_value second = get_pinned(c.cache, "a");
  assert_status(CT_OK, delete_text(c.cache, "a"));
  ct_cache_free(c.cache);
  assert_value("first", first);
  assert_value("second", second);
  ct_value_release(&second);
  assert_value("first", first);
  assert_true(c.allocator.blocks > 0);
  ct_value_release(&first);
  assert_int_equal(0, c.allocator.blocks);
  assert_int_equal(2, c.drops);
}

static void *release_on_thread(void *value) {
  ct_value_release(value);
  return NULL;
}

static void release_elsewhere(ct_value *value) {
  pthread_t thread;
  assert_int_equal(0, pthread_create(&thread, NULL, release_on_thread, value));
  assert_int_equal(0, pthread_join(thread, NULL));
}

TEST(value_outlives_cache_and_is_released_on_another_thread) {
  counted c;
  open_counted(&c, 4);
  assert_status(CT_OK, set_text(c.cache, "a", "pinned"));
  ct_value value = get_pinned(c.cache, "a");
  ct_cache_free(c.cache);
  release_elsewhere(&value);
  assert_holds_nothing(value);
  assert_int_equal(0, c.allocator.blocks);
  assert_int_equal(1, c.drops);
}

TEST(value_of_single_threaded_cache_outlives_it) {
  counted c;
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 4;
  options.flags = CT_FLAG_SINGLE_THREADED;
  open_with(&c, options);
  assert_status(CT_OK, set_text(c.cache, "a", "pinned"));
  ct_value value = get_pinned(c.cache, "a");
  ct_cache_free(c.cache);
  assert_value("pinned", value);
  ct_value_release(&value);
  assert_int_equal(0, c.allocator.blocks);
}

TEST(many_values_outlive_cache_in_any_order_of_release) {
  enum { kCount = 2000 };
  static ct_value values[kCount];
  static size_t sizes[kCount];
  uint64_t random = test_seed();
  counted c;
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = kCount;
  options.shards = 8;
  open_with(&c, options);
  static unsigned char bytes[40000];
  for (uint64_t key = 0; key < kCount; key++) {
    sizes[key] = test_random_below(&random, key % 50 == 0 ? sizeof(bytes) : 300);
    fill(bytes, sizes[key], key);
    assert_status(CT_OK, set_number(c.cache, key, bytes, sizes[key]));
    assert_status(CT_OK, ct_get(c.cache, &key, sizeof(key), &values[key]));
    /* Some of them leave at once. */
    if (key % 3 == 0) assert_status(CT_OK, ct_delete(c.cache, &key, sizeof(key)));
  }
  ct_cache_free(c.cache);
  size_t order[kCount];
  for (size_t i = 0; i < kCount; i++) order[i] = i;
  for (size_t left = kCount; left > 0; left--) {
    size_t at = test_random_below(&random, left);
    size_t key = order[at];
    order[at] = order[left - 1];
    assert_true(c.allocator.blocks > 0);
    assert_int_equal(kCount - left, c.drops);
    assert_filled(&values[key], sizes[key], key);
    ct_value_release(&values[key]);
  }
  assert_int_equal(kCount, c.drops);
  assert_int_equal(0, c.allocator.blocks);
}

/* ---- Pins ----------------------------------------------------------------------------------- */

COUNTED_TEST(release_zeroes_the_value, 4) {
  assert_status(CT_OK, set_text(c->cache, "a", "1"));
  ct_value value = get_pinned(c->cache, "a");
  assert_true(value.pin != 0);
  ct_value_release(&value);
  assert_holds_nothing(value);
}

COUNTED_TEST(release_again_does_nothing, 4) {
  assert_status(CT_OK, set_text(c->cache, "a", "1"));
  ct_value kept = get_pinned(c->cache, "a");
  ct_value value = get_pinned(c->cache, "a");
  ct_value_release(&value);
  ct_value_release(&value);
  ct_value_release(&value);
  assert_status(CT_OK, delete_text(c->cache, "a"));
  churn(c->cache, 100);
  assert_value("1", kept);
  ct_value_release(&kept);
}

COUNTED_TEST(released_entry_is_still_there, 4) {
  assert_status(CT_OK, set_text(c->cache, "a", "1"));
  ct_value value = get_pinned(c->cache, "a");
  ct_value_release(&value);
  assert_int_equal(0, c->drops);
  assert_text(c->cache, "a", "1");
}

COUNTED_TEST(ref_is_independent_of_the_first_pin, 4) {
  assert_status(CT_OK, set_text(c->cache, "a", "1"));
  ct_value first = get_pinned(c->cache, "a");
  ct_value second = poisoned_value();
  ct_value third = poisoned_value();
  assert_status(CT_OK, ct_value_ref(&first, &second));
  assert_status(CT_OK, ct_value_ref(&second, &third));
  assert_status(CT_OK, delete_text(c->cache, "a"));
  ct_value_release(&first);
  assert_int_equal(0, c->drops);
  assert_value("1", second);
  ct_value_release(&second);
  assert_int_equal(0, c->drops);
  churn(c->cache, 100);
  assert_value("1", third);
  uint64_t others = c->drops;
  ct_value_release(&third);
  assert_int_equal(others + 1, c->drops);
}

TEST(ref_of_nothing_holds_nothing) {
  ct_value nothing = CT_VALUE_INIT;
  ct_value second = poisoned_value();
  assert_status(CT_OK, ct_value_ref(&nothing, &second));
  assert_holds_nothing(second);
  ct_value_release(&second);
}

TEST(ref_after_the_cache_is_gone) {
  counted c;
  open_counted(&c, 4);
  assert_status(CT_OK, set_text(c.cache, "a", "1"));
  ct_value first = get_pinned(c.cache, "a");
  ct_cache_free(c.cache);
  ct_value second = poisoned_value();
  assert_status(CT_OK, ct_value_ref(&first, &second));
  ct_value_release(&first);
  assert_true(c.allocator.blocks > 0);
  assert_value("1", second);
  ct_value_release(&second);
  assert_int_equal(0, c.allocator.blocks);
  assert_int_equal(1, c.drops);
}

enum { kManyPins = 100000 };

COUNTED_TEST(hundred_thousand_pins_on_one_entry, 4) {
  static ct_value values[kManyPins];
  assert_status(CT_OK, set_text(c->cache, "a", "popular"));
  values[0] = get_pinned(c->cache, "a");
  for (size_t i = 1; i < kManyPins; i++) {
    if (i % 2 == 0)
      values[i] = get_pinned(c->cache, "a");
    else
      assert_status(CT_OK, ct_value_ref(&values[i - 1], &values[i]));
  }
  assert_status(CT_OK, delete_text(c->cache, "a"));
  for (size_t i = 0; i < kManyPins; i++) {
    assert_int_equal(0, c->drops);
    /* From both ends in turn. */
    ct_value *value = &values[i % 2 == 0 ? i / 2 : kManyPins - 1 - i / 2];
    assert_value("popular", *value);
    ct_value_release(value);
  }
  assert_int_equal(1, c->drops);
}

COUNTED_TEST(hundred_thousand_pins_come_and_go_in_waves, 4) {
  static ct_value values[kManyPins];
  assert_status(CT_OK, set_text(c->cache, "a", "popular"));
  for (int wave = 0; wave < 3; wave++) {
    for (size_t i = 0; i < kManyPins; i++) values[i] = get_pinned(c->cache, "a");
    for (size_t i = 0; i < kManyPins; i++) ct_value_release(&values[i]);
    assert_int_equal(0, c->drops);
  }
  assert_text(c->cache, "a", "popular");
  assert_status(CT_OK, delete_text(c->cache, "a"));
  assert_int_equal(1, c->drops);
}

TEST(hundred_thousand_pins_outlive_cache) {
  static ct_value values[kManyPins];
  counted c;
  open_counted(&c, 4);
  assert_status(CT_OK, set_text(c.cache, "a", "popular"));
  for (size_t i = 0; i < kManyPins; i++) values[i] = get_pinned(c.cache, "a");
  ct_cache_free(c.cache);
  for (size_t i = 0; i < kManyPins; i++) {
    assert_int_equal(0, c.drops);
    assert_true(c.allocator.blocks > 0);
    ct_value_release(&values[i]);
  }
  assert_int_equal(1, c.drops);
  assert_int_equal(0, c.allocator.blocks);
}

/* ---- Where the bytes lie -------------------------------------------------------------------- */

COUNTED_TEST(value_is_aligned_to_eight, CT_UNBOUNDED) {
  unsigned char key[100] = {0};
  static unsigned char bytes[20000];
  for (size_t key_size = 0; key_size < sizeof(key); key_size++) {
    size_t size = key_size * 7 % 65;
    if (key_size % 20 == 19) size = sizeof(bytes) - key_size;
    fill(bytes, size, key_size);
    assert_status(CT_OK, ct_set(c->cache, key, key_size, bytes, size));
    ct_value value = poisoned_value();
    assert_status(CT_OK, ct_get(c->cache, key, key_size, &value));
    assert_int_equal(0, (uintptr_t)value.data % 8);
    assert_filled(&value, size, key_size);
    ct_value_release(&value);
  }
  ct_value key_popped = poisoned_value();
  ct_value value = poisoned_value();
  for (size_t i = 0; i < sizeof(key); i++) {
    assert_status(CT_OK, ct_popitem(c->cache, &key_popped, &value));
    assert_int_equal(0, (uintptr_t)key_popped.data % 8);
    assert_int_equal(0, (uintptr_t)value.data % 8);
    ct_value_release(&key_popped);
    ct_value_release(&value);
  }
}

COUNTED_TEST(empty_value_is_not_null, 4) {
  assert_status(CT_OK, ct_set(c->cache, NULL, 0, NULL, 0));
  ct_value value = poisoned_value();
  assert_status(CT_OK, ct_get(c->cache, NULL, 0, &value));
  assert_value("", value);
  ct_value_release(&value);
  assert_status(CT_OK, ct_peek(c->cache, "", 0, &value));
  assert_value("", value);
  ct_value_release(&value);
  assert_status(CT_OK, ct_setdefault(c->cache, "b", 1, NULL, 0, &value));
  assert_value("", value);
  ct_value_release(&value);
  assert_status(CT_OK, ct_pop(c->cache, "b", 1, &value));
  assert_value("", value);
  ct_value_release(&value);
  ct_value key = poisoned_value();
  assert_status(CT_OK, ct_popitem(c->cache, &key, &value));
  assert_value("", key);
  assert_value("", value);
  ct_value_release(&key);
  ct_value_release(&value);
  assert_int_equal(2, c->drops);
}

TEST(large_value_and_key_are_kept_whole) {
  counted c;
  open_counted(&c, 4);
  unsigned char *bytes = malloc(kMebibyte);
  unsigned char *key = malloc(kMebibyte);
  fill(bytes, kMebibyte, 1);
  fill(key, kMebibyte, 2);
  assert_status(CT_OK, ct_set(c.cache, key, kMebibyte, bytes, kMebibyte));
  assert_status(CT_OK, ct_set(c.cache, key, kMebibyte - 1, "short", 5));
  ct_value value = poisoned_value();
  assert_status(CT_OK, ct_get(c.cache, key, kMebibyte, &value));
  ct_value popped_key = poisoned_value();
  ct_value popped_value = poisoned_value();
  assert_status(CT_OK, ct_popitem(c.cache, &popped_key, &popped_value));
  assert_filled(&popped_key, kMebibyte - 1, 2);
  assert_value("short", popped_value);
  ct_value_release(&popped_key);
  ct_value_release(&popped_value);
  assert_status(CT_OK, ct_popitem(c.cache, &popped_key, &popped_value));
  ct_cache_free(c.cache);
  assert_filled(&value, kMebibyte, 1);
  ct_value_release(&value);
  assert_filled(&popped_key, kMebibyte, 2);
  ct_value_release(&popped_key);
  assert_filled(&popped_value, kMebibyte, 1);
  ct_value_release(&popped_value);
  assert_int_equal(0, c.allocator.blocks);
  free(bytes);
  free(key);
}

TEST(value_of_every_size_is_kept_whole) {
  /* Each size has a cache of its own, since memory may lie otherwise in a cache that was used
   * before. Some sizes once did not find the room that had just been made for them. */
  enum { kLargest = 20000 };
  static unsigned char bytes[kLargest];
  fill(bytes, kLargest, 1);
  for (size_t size = 0; size <= kLargest; size++) {
    ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 2);
    assert_status(CT_OK, set_number(cache, 1, bytes, size));
    assert_status(CT_OK, set_number(cache, 2, bytes, kLargest - size));
    ct_value first = poisoned_value();
    ct_value second = poisoned_value();
    uint64_t key = 1;
    assert_status(CT_OK, ct_get(cache, &key, sizeof(key), &first));
    key = 2;
    assert_status(CT_OK, ct_get(cache, &key, sizeof(key), &second));
    assert_int_equal(size, first.size);
    assert_memory_equal(bytes, first.data, size);
    assert_int_equal(kLargest - size, second.size);
    assert_memory_equal(bytes, second.data, kLargest - size);
    ct_value_release(&first);
    ct_value_release(&second);
    ct_cache_free(cache);
  }
}

TEST(keys_of_many_sizes_are_told_apart) {
  /* Each key is a prefix of all longer keys. */
  static const size_t around[] = {0, 16384, 65535, 131072};
  enum { kSpread = 600, kLongest = 131072 + kSpread };
  static unsigned char bytes[kLongest];
  counted c;
  open_counted(&c, CT_UNBOUNDED);
  for (int pass = 0; pass < 2; pass++) {
    for (size_t i = 0; i < COUNT_OF(around); i++) {
      size_t from = around[i] < kSpread ? 0 : around[i] - kSpread / 10;
      for (size_t size = from; size < around[i] + kSpread; size += i == 0 ? 1 : 7) {
        if (pass == 0) {
          assert_status(CT_OK, ct_set(c.cache, bytes, size, &size, sizeof(size)));
        } else {
          ct_value value = poisoned_value();
          assert_status(CT_OK, ct_get(c.cache, bytes, size, &value));
          assert_memory_equal(&size, value.data, sizeof(size));
          assert_status(CT_OK, ct_delete(c.cache, bytes, size));
          uint64_t others = c.drops;
          ct_value_release(&value);
          assert_int_equal(others + 1, c.drops);
        }
      }
    }
  }
  assert_int_equal(0, ct_len(c.cache));
  ct_cache_free(c.cache);
  assert_int_equal(0, c.allocator.blocks);
}

COUNTED_TEST(pinned_value_may_be_stored_again, 4) {
  assert_status(CT_OK, set_text(c->cache, "a", "from one to the other"));
  ct_value value = get_pinned(c->cache, "a");
  assert_status(CT_OK, ct_set(c->cache, "b", 1, value.data, value.size));
  assert_status(CT_OK, ct_set(c->cache, "a", 1, value.data, value.size));
  assert_status(CT_OK, ct_set(c->cache, value.data, value.size, value.data, value.size));
  ct_value_release(&value);
  assert_text(c->cache, "a", "from one to the other");
  assert_text(c->cache, "b", "from one to the other");
  assert_text(c->cache, "from one to the other", "from one to the other");
}

/* ---- What is handed over -------------------------------------------------------------------- */

TEST(popped_value_is_the_callers) {
  counted c;
  open_counted(&c, 4);
  assert_status(CT_OK, set_text(c.cache, "a", "handed over"));
  ct_value value = poisoned_value();
  assert_status(CT_OK, ct_pop(c.cache, "a", 1, &value));
  assert_int_equal(0, c.drops);
  ct_cache_free(c.cache);
  assert_value("handed over", value);
  assert_int_equal(0, c.drops);
  ct_value_release(&value);
  assert_int_equal(1, c.drops);
  assert_int_equal(0, c.allocator.blocks);
}

TEST(popped_value_that_nobody_wants_is_dropped) {
  counted c;
  open_counted(&c, 4);
  assert_status(CT_OK, set_text(c.cache, "a", "1"));
  assert_status(CT_OK, set_text(c.cache, "b", "2"));
  assert_status(CT_OK, ct_pop(c.cache, "a", 1, NULL));
  assert_int_equal(1, c.drops);
  assert_status(CT_OK, ct_popitem(c.cache, NULL, NULL));
  assert_int_equal(2, c.drops);
  ct_cache_free(c.cache);
  assert_int_equal(2, c.drops);
}

TEST(popitem_hands_key_and_value_over) {
  counted c;
  open_counted(&c, 4);
  assert_status(CT_OK, set_text(c.cache, "the key", "the value"));
  ct_value key = poisoned_value();
  ct_value value = poisoned_value();
  assert_status(CT_OK, ct_popitem(c.cache, &key, &value));
  assert_value("the key", key);
  assert_value("the value", value);
  ct_cache_free(c.cache);
  ct_value_release(&value);
  assert_value("the key", key);
  assert_true(c.allocator.blocks > 0);
  ct_value_release(&key);
  assert_int_equal(0, c.allocator.blocks);
  /* The value was dropped, the key was not. */
  assert_int_equal(1, c.drops);
  assert_int_equal(strlen("the value"), c.dropped_bytes);
}

COUNTED_TEST(popitem_hands_one_of_both_over, 4) {
  assert_status(CT_OK, set_text(c->cache, "a", "1"));
  assert_status(CT_OK, set_text(c->cache, "b", "2"));
  ct_value key = poisoned_value();
  ct_value value = poisoned_value();
  assert_status(CT_OK, ct_popitem(c->cache, &key, NULL));
  assert_value("a", key);
  assert_status(CT_OK, ct_popitem(c->cache, NULL, &value));
  assert_value("2", value);
  ct_value_release(&key);
  ct_value_release(&value);
  assert_int_equal(2, c->drops);
}

TEST(setdefault_pins_what_it_stored) {
  counted c;
  open_counted(&c, 4);
  ct_value value = poisoned_value();
  assert_status(CT_OK, ct_setdefault(c.cache, "a", 1, "given", 5, &value));
  assert_status(CT_OK, set_text(c.cache, "a", "other"));
  ct_cache_free(c.cache);
  assert_value("given", value);
  ct_value_release(&value);
  assert_int_equal(0, c.allocator.blocks);
  assert_int_equal(2, c.drops);
}

/* ---- Drop ----------------------------------------------------------------------------------- */

TEST(drop_is_called_for_each_value_that_leaves) {
  counted c;
  open_counted(&c, 2);
  assert_status(CT_OK, set_text(c.cache, "a", "1"));
  assert_status(CT_OK, set_text(c.cache, "b", "2"));
  assert_int_equal(0, c.drops);
  assert_status(CT_OK, set_text(c.cache, "c", "3"));
  assert_int_equal(1, c.drops);
  assert_int_equal('1', c.dropped);
  assert_status(CT_OK, set_text(c.cache, "b", "4"));
  assert_int_equal(2, c.drops);
  assert_int_equal('2', c.dropped);
  assert_status(CT_OK, delete_text(c.cache, "b"));
  assert_int_equal(3, c.drops);
  assert_int_equal('4', c.dropped);
  assert_status(CT_OK, ct_clear(c.cache));
  assert_int_equal(4, c.drops);
  assert_int_equal('3', c.dropped);
  ct_cache_free(c.cache);
  assert_int_equal(4, c.drops);
}

TEST(drop_is_called_for_all_by_free) {
  counted c;
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = CT_UNBOUNDED;
  options.shards = 4;
  open_with(&c, options);
  for (uint64_t key = 0; key < 1000; key++)
    assert_status(CT_OK, set_number(c.cache, key, "value", 5));
  ct_cache_free(c.cache);
  assert_int_equal(1000, c.drops);
  assert_int_equal(5000, c.dropped_bytes);
  assert_int_equal(0, c.allocator.blocks);
}

TEST(drop_waits_for_the_last_pin) {
  counted c;
  open_counted(&c, 4);
  assert_status(CT_OK, set_text(c.cache, "a", "1"));
  ct_value first = get_pinned(c.cache, "a");
  ct_value second = get_pinned(c.cache, "a");
  assert_status(CT_OK, delete_text(c.cache, "a"));
  assert_int_equal(0, c.drops);
  ct_value_release(&first);
  assert_int_equal(0, c.drops);
  ct_value_release(&second);
  assert_int_equal(1, c.drops);
  assert_int_equal('1', c.dropped);
  ct_cache_free(c.cache);
  assert_int_equal(1, c.drops);
}

COUNTED_TEST(drop_runs_on_the_releasing_thread, 4) {
  assert_status(CT_OK, set_text(c->cache, "a", "1"));
  ct_value value = get_pinned(c->cache, "a");
  assert_status(CT_OK, delete_text(c->cache, "a"));
  pthread_t thread;
  assert_int_equal(0, pthread_create(&thread, NULL, release_on_thread, &value));
  assert_int_equal(0, pthread_join(thread, NULL));
  assert_int_equal(1, c->drops);
  assert_true(pthread_equal(thread, c->dropper));
  assert_false(pthread_equal(pthread_self(), c->dropper));
}

TEST(drop_is_called_once_for_a_value_given_another_lifetime) {
  counted c;
  open_counted(&c, 4);
  /* In a cache without lifetimes, the first one makes the library copy the entry. */
  assert_status(CT_OK, set_text(c.cache, "a", "1"));
  assert_status(CT_OK, ct_set_lifetime(c.cache, "a", 1, (uint64_t)1 << 60));
  assert_int_equal(0, c.drops);
  assert_status(CT_OK, delete_text(c.cache, "a"));
  assert_int_equal(1, c.drops);
  ct_cache_free(c.cache);
  assert_int_equal(1, c.drops);
}

TEST(drop_is_called_once_for_a_pinned_value_given_another_lifetime) {
  counted c;
  open_counted(&c, 4);
  assert_status(CT_OK, set_text(c.cache, "a", "1"));
  ct_value before = get_pinned(c.cache, "a");
  assert_status(CT_OK, ct_set_lifetime(c.cache, "a", 1, (uint64_t)1 << 60));
  ct_value after = get_pinned(c.cache, "a");
  assert_status(CT_OK, delete_text(c.cache, "a"));
  ct_value_release(&after);
  assert_int_equal(0, c.drops);
  assert_value("1", before);
  ct_value_release(&before);
  assert_int_equal(1, c.drops);
  ct_cache_free(c.cache);
  assert_int_equal(1, c.drops);
  assert_int_equal(0, c.allocator.blocks);
}

TEST(drop_is_not_called_for_a_refused_value) {
  counted c;
  open_counted(&c, 4);
  assert_status(CT_OK, set_text(c.cache, "a", "1"));
  assert_status(CT_ERR_TOO_LARGE, set_text_weight(c.cache, "a", "2", 5));
  ct_entry_options absent = entry_with(.flags = CT_ENTRY_IF_ABSENT);
  assert_status(CT_EXISTS, set_text_with(c.cache, "a", "3", &absent));
  assert_status(CT_NOT_STORED, set_text_ttl(c.cache, "b", "4", 0));
  assert_status(CT_OK, ct_setdefault(c.cache, "a", 1, "5", 1, NULL));
  assert_int_equal(0, c.drops);
  ct_cache_free(c.cache);
  assert_int_equal(1, c.drops);
  assert_int_equal('1', c.dropped);
}

static ct_cache *reentered;
static int reentries;

static void drop_and_set(void *user_data, const void *value, size_t value_size) {
  (void)user_data, (void)value, (void)value_size;
  if (++reentries < 20) ct_set(reentered, "a", 1, "again", 5);
}

TEST(drop_may_call_the_cache) {
  reentered = cache_of(.maxsize = 4, .drop = drop_and_set);
  reentries = 0;
  assert_status(CT_OK, set_text(reentered, "a", "1"));
  assert_status(CT_OK, set_text(reentered, "a", "2"));
  assert_int_equal(20, reentries);
  assert_text(reentered, "a", "again");
  ct_value value = get_pinned(reentered, "a");
  assert_status(CT_OK, delete_text(reentered, "a"));
  ct_value_release(&value);
  assert_int_equal(21, reentries);
  ct_cache_free(reentered);
}

/* ---- Memory --------------------------------------------------------------------------------- */

COUNTED_TEST(memory_counts_departed_values_until_released, 4) {
  unsigned char *bytes = malloc(kMebibyte);
  fill(bytes, kMebibyte, 1);
  assert_status(CT_OK, ct_set(c->cache, "a", 1, bytes, kMebibyte));
  free(bytes);
  assert_true(ct_memory(c->cache) >= kMebibyte);
  ct_value value = get_pinned(c->cache, "a");
  assert_status(CT_OK, delete_text(c->cache, "a"));
  assert_int_equal(0, ct_len(c->cache));
  assert_true(ct_memory(c->cache) >= kMebibyte);
  assert_true(c->allocator.bytes >= kMebibyte);
  ct_value_release(&value);
  assert_true(ct_memory(c->cache) < kMebibyte / 8);
  assert_true(c->allocator.bytes < kMebibyte / 8);
}

COUNTED_TEST(memory_of_many_small_departed_values_goes_back, CT_UNBOUNDED) {
  enum { kCount = 20000 };
  static ct_value values[kCount];
  unsigned char bytes[200] = {0};
  for (uint64_t key = 0; key < kCount; key++) {
    assert_status(CT_OK, set_number(c->cache, key, bytes, sizeof(bytes)));
    assert_status(CT_OK, ct_get(c->cache, &key, sizeof(key), &values[key]));
  }
  assert_status(CT_OK, ct_clear(c->cache));
  assert_true(ct_memory(c->cache) >= kCount * sizeof(bytes));
  for (size_t i = 0; i < kCount; i++) ct_value_release(&values[i]);
  assert_true(ct_memory(c->cache) < kCount * sizeof(bytes) / 8);
}

/* Keeps what it is told of. */
static void keep_value(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  assert_status(CT_OK, status);
  assert_null(lease);
  assert_status(CT_OK, ct_value_ref(value, user_data));
}

/* Has a load bring a value, which is not kept, as the key is deleted meanwhile, to its own caller and
 * to one that waits. Returns how many drops there are before the latter has released it. */
static uint64_t drops_of_a_loaded_value(counted *c) {
  ct_lease *lease, *none;
  ct_value own = poisoned_value(), waited = poisoned_value();
  assert_status(CT_LEASED, ct_get_or_lease(c->cache, "a", 1, 0, NULL, &lease));
  assert_status(CT_PENDING, ct_get_or_lease_async(c->cache, "a", 1, NULL, keep_value, &waited, NULL,
                                                  &none, NULL));
  assert_status(CT_MISS, delete_text(c->cache, "a"));
  assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "1", 1, NULL, &own));
  assert_value("1", waited);
  ct_value_release(&own);
  const uint64_t drops = c->drops;
  churn(c->cache, 100);
  assert_value("1", waited);
  assert_status(CT_OK, ct_clear(c->cache));
  c->drops = 0;
  ct_value_release(&waited);
  return drops;
}

/* Nobody could tell when a value that several had got was to be freed. */
TEST(a_loaded_value_that_is_not_kept_is_dropped_if_the_cache_is_to_drop_it) {
  counted c;
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 8;
  options.flags = CT_FLAG_DROP_LOADED;
  open_with(&c, options);
  assert_int_equal(0, drops_of_a_loaded_value(&c));
  assert_int_equal(1, c.drops);
  assert_int_equal('1', c.dropped);

  /* Also if nobody asks for it, or the cache is freed before. */
  ct_lease *lease;
  const ct_entry_options dead = {.struct_size = sizeof dead, .flags = CT_ENTRY_TTL};
  assert_status(CT_LEASED, ct_get_or_lease(c.cache, "b", 1, 0, NULL, &lease));
  assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "2", 1, &dead, NULL));
  assert_int_equal(2, c.drops);
  ct_value held;
  assert_status(CT_LEASED, ct_get_or_lease(c.cache, "b", 1, 0, NULL, &lease));
  assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "3", 1, &dead, &held));
  assert_status(CT_NOT_STORED, ct_set_with(c.cache, "b", 1, "not loaded", 10, &dead));
  ct_cache_free(c.cache);
  assert_int_equal(2, c.drops);
  ct_value_release(&held);
  assert_int_equal(3, c.drops);
  assert_int_equal('3', c.dropped);
  assert_int_equal(0, c.allocator.blocks);
}

COUNTED_TEST(a_loaded_value_that_is_not_kept_is_handed_back_otherwise, 8) {
  assert_int_equal(0, drops_of_a_loaded_value(c));
  assert_int_equal(0, c->drops);
}

/* Whoever stores a trailer behind each value hands on what is before it. */
COUNTED_TEST(the_size_of_a_value_may_be_lowered, 10) {
  for (size_t size = 0; size <= 40000; size += 20000) { /* the large ones lie apart */
    static char bytes[40008];
    assert_status(CT_OK, ct_set(c->cache, "k", 1, bytes, size + 8));
    ct_value value;
    ct_value second;
    assert_status(CT_OK, ct_get(c->cache, "k", 1, &value));
    value.size -= 8;
    assert_status(CT_OK, ct_value_ref(&value, &second));
    assert_int_equal(size, second.size);
    second.size = 0;
    assert_status(CT_OK, ct_delete_if(c->cache, "k", 1, &second));
    ct_value_release(&value);
    ct_value_release(&second);
    ct_stats stats = CT_STATS_INIT;
    assert_status(CT_OK, ct_cache_stats(c->cache, &stats));
    assert_int_equal(0, stats.pinned);
  }
  assert_int_equal(3, c->drops);
}

TEST(free_leaves_nothing_behind) {
  for (uint32_t shards = 1; shards <= 16; shards *= 4) {
    counted c;
    ct_options options = CT_OPTIONS_INIT;
    options.maxsize = 500;
    options.shards = shards;
    open_with(&c, options);
    churn(c.cache, 3000);
    assert_true(c.allocator.blocks > 0);
    ct_cache_free(c.cache);
    assert_int_equal(0, c.allocator.blocks);
    assert_int_equal(0, c.allocator.bytes);
    assert_int_equal(3000, c.drops);
  }
}

/* ---- Chains --------------------------------------------------------------------------------- */

enum { kChain = 100000 };

typedef struct chain {
  ct_cache *cache;
  ct_value
      *values; /* each is held by the one before; NULL: each key is deleted by the one before */
  uint32_t drops;
  int depth;
  int deepest;
} chain;

/* Lets go of the next value of the chain. */
static void drop_next(void *user_data, const void *value, size_t value_size) {
  chain *self = user_data;
  uint32_t number;
  assert_int_equal(sizeof number, value_size);
  memcpy(&number, value, sizeof number);
  self->drops++;
  self->depth++;
  if (self->depth > self->deepest) self->deepest = self->depth;
  number++;
  if (number < kChain && self->values != NULL) ct_value_release(&self->values[number]);
  if (number < kChain && self->values == NULL)
    assert_status(CT_OK, ct_delete(self->cache, &number, sizeof number));
  self->depth--;
}

/* A value that holds the next one let go of it while its own drop ran, and the stack had an end. */
TEST(chain_of_values_is_dropped_one_after_the_other) {
  for (int ends = 0; ends < 3; ends++) {
    chain self = {0};
    self.cache =
        cache_of(.maxsize = CT_UNBOUNDED, .shards = 16, .drop = drop_next, .user_data = &self);
    if (ends != 2) self.values = calloc(kChain, sizeof *self.values);
    for (uint32_t i = 0; i < kChain; i++) {
      assert_status(CT_OK, ct_set(self.cache, &i, sizeof i, &i, sizeof i));
      if (ends != 2) assert_status(CT_OK, ct_get(self.cache, &i, sizeof i, &self.values[i]));
    }
    const uint32_t first = 0;
    if (ends == 0) ct_clear(self.cache);
    if (ends == 1) ct_cache_free(self.cache);
    if (ends == 2) assert_status(CT_OK, ct_delete(self.cache, &first, sizeof first));
    if (ends != 2) {
      assert_int_equal(0, self.drops);
      ct_value_release(&self.values[0]);
    }
    assert_int_equal(kChain, self.drops);
    assert_int_equal(1, self.deepest);
    if (ends != 1) ct_cache_free(self.cache);
    free(self.values);
  }
}
