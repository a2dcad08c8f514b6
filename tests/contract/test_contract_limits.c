/* SPDX-License-Identifier: MIT */
/* The contract: a cache never weighs more than maxsize, and uses all of it, in every shard. */
#include "contract.h"

/* ---- Full caches ---------------------------------------------------------------------------- */

CONTRACT(full_cache_holds_exactly_what_fits) {
  open_room(s, options_of(s), 50);
  put_range(s, 0, 50);
  assert_int_equal(0, departed(s));
  assert_int_equal(50, count_there(s, 0, 50));
  assert_int_equal(50, ct_len(s->cache));
  assert_int_equal(ct_maxsize(s->cache), ct_currsize(s->cache));
}

CONTRACT(set_in_full_cache_evicts_one) {
  open_room(s, options_of(s), 50);
  put_range(s, 0, 50);
  for (unsigned i = 50; i < 150; i++) {
    assert_status(CT_OK, put(s, i));
    assert_true(is_there(s, i));
    assert_int_equal(50, ct_len(s->cache));
    assert_int_equal(i - 49, evicted(s));
  }
  assert_int_equal(50, count_there(s, 0, 150));
  assert_int_equal(ct_maxsize(s->cache), ct_currsize(s->cache));
}

CONTRACT(cache_with_room_for_one_holds_the_last) {
  open_room(s, options_of(s), 1);
  for (unsigned i = 0; i < 40; i++) {
    assert_status(CT_OK, put(s, i));
    assert_units(s, i, 1);
    assert_int_equal(1, ct_len(s->cache));
  }
}

CONTRACT(setdefault_makes_room) {
  open_room(s, options_of(s), 10);
  put_range(s, 0, 10);
  for (unsigned i = 10; i < 40; i++) {
    const number_key key = key_of(i);
    ct_value value = poisoned_value();
    assert_status(CT_OK, ct_setdefault(s->cache, key.text, kKeySize, "12345678", 8, &value));
    assert_memory_equal("12345678", value.data, 8);
    ct_value_release(&value);
    assert_true(is_there(s, i));
    assert_int_equal(10, ct_len(s->cache));
  }
}

CONTRACT(set_many_beyond_the_limit_keeps_what_fits) {
  enum { kPairs = 100, kPairSize = kKeySize + kValueSize };
  open_room(s, options_of(s), 10);
  char data[kPairs * kPairSize + 1];
  size_t ends[2 * kPairs];
  for (unsigned i = 0; i < kPairs; i++) {
    snprintf(data + i * kPairSize, kPairSize + 1, "key-%04uval-%04u", i, i);
    ends[2 * i] = i * kPairSize + kKeySize;
    ends[2 * i + 1] = (i + 1) * kPairSize;
  }
  ct_status statuses[kPairs];
  assert_status(CT_OK, ct_set_many(s->cache, data, ends, kPairs, NULL, statuses));
  for (unsigned i = 0; i < kPairs; i++) assert_status(CT_OK, statuses[i]);
  assert_int_equal(10, ct_len(s->cache));
  assert_int_equal(10, count_there(s, 0, kPairs));
  assert_units(s, kPairs - 1, 1);
  assert_int_equal(90, evicted(s));
}

CONTRACT(pinned_values_do_not_count) {
  open_room(s, options_of(s), 4);
  ct_value values[40];
  for (unsigned i = 0; i < 40; i++) {
    assert_status(CT_OK, put(s, i));
    assert_status(CT_OK, ct_get(s->cache, key_of(i).text, kKeySize, &values[i]));
    assert_in_range(ct_currsize(s->cache), 0, ct_maxsize(s->cache));
  }
  assert_int_equal(4, ct_len(s->cache));
  assert_int_equal(36, evicted(s));
  for (unsigned i = 0; i < 40; i++) {
    assert_int_equal('0' + i % 10, ((const char *)values[i].data)[7]);
    ct_value_release(&values[i]);
  }
}

/* ---- Heavy and weightless entries ----------------------------------------------------------- */

CONTRACT(entry_as_heavy_as_maxsize_is_kept) {
  enum { kHeavy = 20 };
  ct_options options = options_of(s);
  options.maxsize = weight_of(s, options, kHeavy);
  open_with(s, options);
  for (unsigned round = 0; round < 20; round++) {
    for (unsigned i = 0; i < kHeavy; i++) assert_status(CT_OK, put(s, i));
    assert_status(CT_OK, put_units(s, 100 + round, kHeavy));
    assert_units(s, 100 + round, kHeavy);
    assert_int_equal(1, ct_len(s->cache));
    assert_int_equal(options.maxsize, ct_currsize(s->cache));
  }
}

CONTRACT(set_too_large_changes_nothing) {
  open_room(s, options_of(s), 5);
  put_range(s, 0, 5);
  const uint64_t size = ct_currsize(s->cache);
  assert_status(CT_ERR_TOO_LARGE, put_oversized(s, 2));
  assert_status(CT_ERR_TOO_LARGE, put_oversized(s, 100));
  for (unsigned i = 0; i < 5; i++) assert_units(s, i, 1);
  assert_false(is_there(s, 100));
  assert_int_equal(size, ct_currsize(s->cache));
  assert_int_equal(0, departed(s));
  assert_int_equal(2, stats_of(s->cache).rejections);
  assert_int_equal(0, stats_of(s->cache).updates);
}

CONTRACT(setdefault_too_large_changes_nothing) {
  if (s->config.weighing == BY_COUNT) return; /* no value weighs more than 1 there */
  open_room(s, options_of(s), 5);
  put_range(s, 0, 5);
  const size_t size = (size_t)ct_maxsize(s->cache) + 1;
  char *large = calloc(size, 1);
  ct_value value = poisoned_value();
  assert_status(CT_ERR_TOO_LARGE, ct_setdefault(s->cache, "absent", 6, large, size, &value));
  assert_holds_nothing(value);
  assert_int_equal(5, count_there(s, 0, 5));
  assert_int_equal(1, stats_of(s->cache).rejections);
  assert_int_equal(1, stats_of(s->cache).misses);
  const number_key key = key_of(1);
  assert_status(CT_OK, ct_setdefault(s->cache, key.text, kKeySize, large, size, NULL));
  assert_units(s, 1, 1);
  free(large);
}

CONTRACT(growing_update_evicts_for_the_growth_alone) {
  enum { kRoom = 20, kGrown = 6 };
  const ct_options options = options_of(s);
  const uint64_t light = weight_of(s, options, 1), heavy = weight_of(s, options, kGrown);
  for (unsigned grown = 0; grown < kRoom; grown++) {
    open_room(s, options, kRoom);
    put_range(s, 0, kRoom);
    assert_status(CT_OK, put_units(s, grown, kGrown));
    assert_units(s, grown, kGrown);
    const uint64_t others = (kRoom * light - heavy) / light;
    assert_int_equal(others + 1, ct_len(s->cache));
    assert_int_equal(others * light + heavy, ct_currsize(s->cache));
    /* Its old value was replaced, or went as a victim before. */
    assert_int_equal(kRoom - others, departed(s));
    assert_in_range(stats_of(s->cache).updates, 0, 1);
  }
}

CONTRACT(shrinking_update_gives_room_back) {
  const ct_options unbounded = options_of(s);
  const uint64_t light = weight_of(s, unbounded, 1), heavy = weight_of(s, unbounded, 5);
  ct_options options = unbounded;
  options.maxsize = heavy + 5 * light;
  open_with(s, options);
  assert_status(CT_OK, put_units(s, 0, 5));
  put_range(s, 1, 6);
  assert_int_equal(options.maxsize, ct_currsize(s->cache));
  assert_status(CT_OK, put(s, 0));
  assert_int_equal(6 * light, ct_currsize(s->cache));

  const unsigned more = (unsigned)((heavy - light) / light);
  put_range(s, 6, 6 + more);
  assert_int_equal(0, evicted(s));
  assert_int_equal(6 + more, count_there(s, 0, 6 + more));
  assert_status(CT_OK, put(s, 6 + more));
  assert_int_equal(1, evicted(s));
}

static bool can_be_weightless(const subject *s) {
  return s->config.weighing != BY_MEMORY;
}

static ct_status put_weightless(subject *s, const char *key) {
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  if (s->config.weighing == BY_COUNT) options.flags = CT_ENTRY_WEIGHT;
  return ct_set_with(s->cache, key, strlen(key), NULL, 0, &options);
}

CONTRACT(weightless_entries_need_no_room) {
  if (!can_be_weightless(s)) return;
  open_room(s, options_of(s), 4);
  put_range(s, 0, 4);
  assert_status(CT_OK, put_weightless(s, "a"));
  assert_status(CT_OK, put_weightless(s, "b"));
  assert_int_equal(0, evicted(s));
  assert_int_equal(6, ct_len(s->cache));
  assert_int_equal(ct_maxsize(s->cache), ct_currsize(s->cache));
}

CONTRACT(maxsize_0_keeps_only_what_weighs_nothing) {
  ct_options options = options_of(s);
  options.maxsize = 0;
  options.flags |= CT_FLAG_KEEP_NOTHING;
  open_with(s, options);
  assert_status(CT_ERR_TOO_LARGE, put(s, 0));
  assert_false(is_there(s, 0));
  if (can_be_weightless(s)) {
    for (char key[] = "a"; key[0] <= 'z'; key[0]++) assert_status(CT_OK, put_weightless(s, key));
    assert_int_equal(26, ct_len(s->cache));
    assert_true(has_text(s->cache, "m"));
    assert_int_equal(0, evicted(s));
  } else {
    assert_status(CT_ERR_TOO_LARGE, put_weightless(s, "a"));
    assert_int_equal(0, ct_len(s->cache));
  }
  assert_int_equal(0, ct_currsize(s->cache));
  assert_int_equal(0, ct_maxsize(s->cache));
}

CONTRACT(entry_options_give_the_weight) {
  open_unbounded(s);
  ct_entry_options options = entry_with(.flags = CT_ENTRY_WEIGHT, .weight = 12345);
  const ct_status status = ct_set_with(s->cache, "k", 1, "value", 5, &options);
  if (s->config.weighing == BY_MEMORY) {
    assert_status(CT_ERR_INVALID, status);
    assert_int_equal(0, ct_len(s->cache));
    return;
  }
  assert_status(CT_OK, status);
  assert_int_equal(12345, ct_currsize(s->cache));
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  assert_status(CT_OK, ct_inspect(s->cache, "k", 1, &info));
  assert_int_equal(12345, info.weight);
}

CONTRACT(weights_at_the_end_of_the_range_do_not_overflow) {
  if (s->config.weighing == BY_MEMORY) return; /* weights cannot be given there */
  ct_options options = options_of(s);
  options.maxsize = CT_UNBOUNDED - 1;
  open_with(s, options);
  ct_entry_options entry = entry_with(.flags = CT_ENTRY_WEIGHT, .weight = UINT64_MAX - 3);
  assert_status(CT_OK, ct_set_with(s->cache, "a", 1, "v", 1, &entry));
  assert_true(ct_currsize(s->cache) == UINT64_MAX - 3);
  entry.weight = 2;
  assert_status(CT_OK, ct_set_with(s->cache, "b", 1, "v", 1, &entry));
  assert_true(ct_currsize(s->cache) == UINT64_MAX - 1);
  assert_int_equal(0, evicted(s));
  entry.weight = UINT64_MAX;
  assert_status(CT_ERR_TOO_LARGE, ct_set_with(s->cache, "c", 1, "v", 1, &entry));
  entry.weight = UINT64_MAX - 1;
  assert_status(CT_OK, ct_set_with(s->cache, "c", 1, "v", 1, &entry));
  assert_int_equal(2, evicted(s));
  assert_int_equal(1, ct_len(s->cache));
  assert_true(ct_currsize(s->cache) == UINT64_MAX - 1);
}

/* ---- Resizing ------------------------------------------------------------------------------- */

CONTRACT(resize_evicts_down_to_the_new_limit) {
  open_room(s, options_of(s), 40);
  const uint64_t unit = ct_maxsize(s->cache) / 40;
  put_range(s, 0, 40);
  assert_status(CT_OK, ct_resize(s->cache, 10 * unit + unit - 1));
  assert_int_equal(30, evicted(s));
  assert_int_equal(10, ct_len(s->cache));
  assert_int_equal(10, count_there(s, 0, 40));
  assert_int_equal(10 * unit, ct_currsize(s->cache));
  assert_int_equal(10 * unit + unit - 1, ct_maxsize(s->cache));
  ct_options told = CT_OPTIONS_INIT;
  assert_status(CT_OK, ct_cache_options(s->cache, &told));
  assert_int_equal(10 * unit + unit - 1, told.maxsize);
  assert_status(CT_OK, put(s, 50));
  assert_int_equal(10, ct_len(s->cache));
}

CONTRACT(resize_up_makes_room) {
  open_room(s, options_of(s), 5);
  const uint64_t unit = ct_maxsize(s->cache) / 5;
  put_range(s, 0, 5);
  assert_status(CT_OK, ct_resize(s->cache, 30 * unit));
  put_range(s, 5, 30);
  assert_int_equal(0, evicted(s));
  assert_int_equal(30, count_there(s, 0, 30));
  assert_status(CT_OK, put(s, 30));
  assert_int_equal(30, ct_len(s->cache));
  assert_status(CT_OK, ct_resize(s->cache, CT_UNBOUNDED));
  put_range(s, 100, 400);
  assert_int_equal(330, ct_len(s->cache));
  assert_status(CT_OK, ct_resize(s->cache, 7 * unit));
  assert_int_equal(7, ct_len(s->cache));
}

CONTRACT(resize_to_0_empties_the_cache) {
  open_room(s, options_of(s), 20);
  const uint64_t unit = ct_maxsize(s->cache) / 20;
  put_range(s, 0, 20);
  assert_status(CT_OK, ct_resize(s->cache, 0));
  assert_int_equal(0, ct_len(s->cache));
  assert_int_equal(20, evicted(s));
  assert_status(CT_ERR_TOO_LARGE, put(s, 1));
  assert_status(CT_OK, ct_resize(s->cache, unit));
  assert_status(CT_OK, put(s, 1));
  assert_status(CT_OK, put(s, 2));
  assert_int_equal(1, ct_len(s->cache));
}

/* ---- Over a long time ----------------------------------------------------------------------- */

CONTRACT(random_writes_never_exceed_the_limit) {
  enum { kKeys = 60 };
  uint64_t random = s->seed;
  open_room(s, options_of(s), 30);
  const uint64_t unit = ct_maxsize(s->cache) / 30;
  for (unsigned step = 0; step < 1000; step++) {
    const unsigned i = (unsigned)test_random_below(&random, kKeys);
    const unsigned units = 1 + (unsigned)test_random_below(&random, 10);
    const number_key key = key_of(i);
    switch (test_random_below(&random, 8)) {
      case 0:
        (void)ct_delete(s->cache, key.text, kKeySize);
        break;
      case 1:
        (void)ct_get(s->cache, key.text, kKeySize, NULL);
        break;
      case 2:
        assert_status(CT_OK, ct_setdefault(s->cache, key.text, kKeySize, "12345678", 8, NULL));
        break;
      case 3:
        (void)ct_popitem(s->cache, NULL, NULL);
        break;
      case 4:
        assert_status(CT_OK, ct_resize(s->cache, (10 + units * 3) * unit));
        break;
      default:
        assert_status(CT_OK, put_units(s, i, units));
        assert_true(is_there(s, i));
        break;
    }
    assert_in_range(ct_currsize(s->cache), 0, ct_maxsize(s->cache));
    assert_int_equal(ct_len(s->cache), count_there(s, 0, kKeys));
  }
}

CONTRACT(ten_thousand_random_entries_are_there_or_were_evicted) {
  enum { kEntries = 10000, kLongest = 64 };
  uint64_t random = s->seed;
  char bytes[kLongest];
  for (unsigned i = 0; i < kLongest; i++) bytes[i] = (char)test_random(&random);

  open_room(s, options_of(s), 500);
  uint32_t value_sizes[kEntries];
  for (uint32_t i = 0; i < kEntries; i++) {
    value_sizes[i] = (uint32_t)test_random_below(&random, kLongest);
    assert_status(CT_OK, ct_set(s->cache, &i, sizeof i, bytes, value_sizes[i]));
    assert_in_range(ct_currsize(s->cache), 0, ct_maxsize(s->cache));
  }
  uint64_t there = 0;
  for (uint32_t i = 0; i < kEntries; i++) {
    ct_value value = CT_VALUE_INIT;
    const bool found = ct_peek(s->cache, &i, sizeof i, &value) == CT_OK;
    assert_int_equal(found, ct_contains(s->cache, &i, sizeof i));
    if (!found) continue;
    there++;
    assert_int_equal(value_sizes[i], value.size);
    assert_memory_equal(bytes, value.data, value.size);
    ct_value_release(&value);
  }
  assert_int_equal(there, ct_len(s->cache));
  assert_int_equal(kEntries - there, evicted(s));
  assert_in_range(there, 1, kEntries - 1);
}
