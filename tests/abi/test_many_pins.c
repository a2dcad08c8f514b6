/* SPDX-License-Identifier: MIT */
/* More than 65,000 pins on one entry: each further pin takes memory, which may run out. */
#include "kinds.h"

enum { kManyPins = 70000 };

static ct_value many_pins[kManyPins];

/* Pins an entry until this needs memory, as every allocation fails from now on. Returns the
 * number of pins. */
static int pin_without_memory(fixture *f) {
  f->allocator.fail_at = f->allocator.calls;
  f->allocator.fail_on = true;
  int pins = 0;
  while (pins < kManyPins && ct_peek(f->cache, "key1", 4, &many_pins[pins]) == CT_OK) pins++;
  assert_true(pins > 65000);
  return pins;
}

/* Asserts that each reading call whose pin would need memory fails and leaves no trace. */
static void assert_reads_fail_without_memory(fixture *f, const ct_value *pinned) {
  ct_value value;
  ct_stats before = CT_STATS_INIT, after = CT_STATS_INIT;
  ct_cache_stats(f->cache, &before);
  assert_status(CT_ERR_NOMEM, ct_get(f->cache, "key1", 4, &value));
  assert_holds_nothing(value);
  assert_status(CT_ERR_NOMEM, ct_pop(f->cache, "key1", 4, &value));
  assert_holds_nothing(value);
  assert_status(CT_ERR_NOMEM, ct_value_ref(pinned, &value));
  assert_holds_nothing(value);
  assert_status(CT_ERR_NOMEM, ct_setdefault(f->cache, "key1", 4, "x", 1, &value));
  assert_holds_nothing(value);
  ct_value key;
  assert_status(CT_ERR_NOMEM, ct_popitem(f->cache, &key, &value));
  assert_holds_nothing(key);
  assert_holds_nothing(value);
  ct_iter *iter;
  assert_status(CT_ERR_NOMEM, ct_iter_new(f->cache, CT_ORDER_COLDEST, &iter));
  assert_null(iter);

  ct_value values[2];
  ct_status statuses[2] = {CT_END, CT_END};
  const ct_bytes missing_first[] = {{"none", 4}, {"key1", 4}};
  assert_status(CT_ERR_NOMEM, ct_get_many(f->cache, missing_first, 2, values, statuses));
  assert_holds_nothing(values[0]);
  assert_holds_nothing(values[1]);
  assert_status(CT_OK, statuses[0]);

  /* Calls that need no pin succeed. */
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

/* Any allocation of a walk may fail, also the one for the pin, which comes late. */
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
  assert_holds_nothing(key);
  assert_holds_nothing(value);
  assert_int_equal(0, f.events);
  f.allocator.fail_at = -1;
  while (pins > 0) ct_value_release(&many_pins[--pins]);
  /* The failed call has left no pin, so the block goes with the entry. */
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
    assert_holds_nothing(many_pins[pins]);
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
