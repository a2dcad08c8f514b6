/* SPDX-License-Identifier: MIT */
/* The contract: every policy supports lifetimes, and an expired entry is gone for every reader. */
#include "contract.h"

static bool has_lifetimes(const subject *s) {
  return s->config.policy == CT_POLICY_TTL || s->config.policy == CT_POLICY_TLRU;
}

static void open_ttl(subject *s, uint64_t ttl) {
  ct_options options = options_of(s);
  give_lifetime(s, &options, ttl);
  open_with(s, options);
}

static ct_status put_ttl(subject *s, unsigned i, uint64_t ttl) {
  return ct_set_ttl(s->cache, key_of(i).text, kKeySize, "val-life", kValueSize, ttl);
}

static ct_status put_deadline(subject *s, unsigned i, uint64_t deadline) {
  ct_entry_options options = entry_with(.flags = CT_ENTRY_DEADLINE, .deadline = deadline);
  return ct_set_with(s->cache, key_of(i).text, kKeySize, "val-life", kValueSize, &options);
}

static ct_status use(subject *s, unsigned i) {
  return ct_get(s->cache, key_of(i).text, kKeySize, NULL);
}

/* ---- Time to live --------------------------------------------------------------------------- */

CONTRACT(entry_lives_until_its_deadline) {
  open_ttl(s, 10);
  set_now(s, 100);
  put_range(s, 0, 3);
  set_now(s, 109);
  assert_int_equal(3, count_there(s, 0, 3));
  assert_status(CT_OK, use(s, 0));
  set_now(s, 110);
  assert_int_equal(0, count_there(s, 0, 3));
  assert_status(CT_MISS, use(s, 0));
}

CONTRACT(expired_entry_is_a_miss_everywhere) {
  open_ttl(s, 10);
  put_range(s, 0, 1);
  set_now(s, 10);
  const number_key key = key_of(0);
  ct_value value = poisoned_value();
  assert_status(CT_MISS, ct_get(s->cache, key.text, kKeySize, &value));
  assert_holds_nothing(value);
  value = poisoned_value();
  assert_status(CT_MISS, ct_peek(s->cache, key.text, kKeySize, &value));
  assert_holds_nothing(value);
  char buffer[kValueSize];
  size_t size = 77;
  assert_status(CT_MISS, ct_get_copy(s->cache, key.text, kKeySize, buffer, kValueSize, &size));
  assert_int_equal(0, size);
  const ct_bytes keys[] = {{key.text, kKeySize}};
  ct_status status = CT_END;
  assert_status(CT_OK, ct_get_many(s->cache, keys, 1, &value, &status));
  assert_status(CT_MISS, status);
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  assert_status(CT_MISS, ct_inspect(s->cache, key.text, kKeySize, &info));
  assert_status(CT_MISS, ct_set_lifetime(s->cache, key.text, kKeySize, 100));
  ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_PRESENT);
  assert_status(CT_MISS, ct_set_with(s->cache, key.text, kKeySize, "x", 1, &options));
  assert_status(CT_MISS, ct_pop(s->cache, key.text, kKeySize, &value));
  assert_status(CT_MISS, ct_delete(s->cache, key.text, kKeySize));
  assert_status(CT_MISS, ct_popitem(s->cache, NULL, NULL));
  assert_int_equal(0, ct_len(s->cache));
  assert_int_equal(0, ct_currsize(s->cache));
  assert_int_equal(1, expired(s));
  assert_int_equal(1, departed(s));
  assert_int_equal(3, stats_of(s->cache).misses);
  assert_int_equal(1, stats_of(s->cache).expirations);
}

CONTRACT(get_renews_no_ttl) {
  open_ttl(s, 10);
  put_range(s, 0, 1);
  for (uint64_t now = 1; now < 10; now++) {
    set_now(s, now);
    assert_status(CT_OK, use(s, 0));
    assert_status(CT_OK, ct_setdefault(s->cache, key_of(0).text, kKeySize, "x", 1, NULL));
  }
  set_now(s, 10);
  assert_status(CT_MISS, use(s, 0));
}

CONTRACT(set_renews_the_ttl) {
  open_ttl(s, 10);
  put_range(s, 0, 2);
  set_now(s, 6);
  assert_status(CT_OK, put(s, 0));
  set_now(s, 15);
  assert_true(is_there(s, 0));
  assert_false(is_there(s, 1));
  set_now(s, 16);
  assert_false(is_there(s, 0));
}

CONTRACT(set_over_expired_entry_is_an_insert) {
  open_ttl(s, 10);
  put_range(s, 0, 1);
  set_now(s, 10);
  ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_ABSENT);
  assert_status(CT_OK, ct_set_with(s->cache, key_of(0).text, kKeySize, "val-0000", 8, &options));
  assert_units(s, 0, 1);
  assert_int_equal(2, stats_of(s->cache).inserts);
  assert_int_equal(0, stats_of(s->cache).updates);
  assert_int_equal(1, expired(s));
  assert_int_equal(1, departed(s));
}

CONTRACT(popitem_never_returns_an_expired_entry) {
  open_ttl(s, 10);
  put_range(s, 0, 20);
  set_now(s, 5);
  put_range(s, 20, 30);
  set_now(s, 10);
  for (unsigned i = 0; i < 10; i++) {
    ct_value key = CT_VALUE_INIT;
    assert_status(CT_OK, ct_popitem(s->cache, &key, NULL));
    assert_int_equal('2', ((const char *)key.data)[6]);
    ct_value_release(&key);
    assert_int_equal(20, expired(s)); /* in every shard, before the first live one went */
  }
  assert_status(CT_MISS, ct_popitem(s->cache, NULL, NULL));
  assert_int_equal(0, ct_len(s->cache));
  assert_int_equal(20, expired(s));
  assert_int_equal(10, evicted(s));
}

CONTRACT(clear_tells_expired_from_cleared) {
  open_ttl(s, 10);
  put_range(s, 0, 20);
  set_now(s, 9);
  /* Stored at 9, before the others expire at 10. */
  put_range(s, 20, 30);
  set_now(s, 10);
  assert_status(CT_OK, ct_clear(s->cache));
  assert_int_equal(20, expired(s));
  assert_told(s, CT_CAUSE_CLEARED, 10);
  assert_int_equal(20, stats_of(s->cache).expirations);
  assert_int_equal(10, stats_of(s->cache).removals);
}

static bool match_any(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  (void)key, (void)key_size, (void)value, (void)value_size;
  ++*(unsigned *)user_data;
  return false;
}

CONTRACT(walks_pass_expired_entries_by) {
  open_ttl(s, 10);
  put_range(s, 0, 30);
  set_now(s, 5);
  put_range(s, 30, 50);
  set_now(s, 10);
  const int32_t orders[] = {CT_ORDER_ANY, CT_ORDER_COLDEST, CT_ORDER_HOTTEST};
  const bool ordered = s->config.policy != CT_POLICY_RR && s->config.policy != CT_POLICY_ADAPTIVE &&
                       s->config.policy != CT_POLICY_CUSTOM;
  for (unsigned i = 0; i < (ordered ? 3 : 1); i++) {
    ct_iter *iter = NULL;
    assert_status(CT_OK, ct_iter_new(s->cache, orders[i], &iter));
    unsigned passed = 0;
    ct_bytes key;
    while (ct_iter_next(iter, &key, NULL) == CT_OK) {
      assert_in_range(((const char *)key.data)[6], '3', '4');
      passed++;
    }
    ct_iter_free(iter);
    assert_int_equal(20, passed);
  }
  unsigned shown = 0;
  assert_int_equal(0, ct_remove_if(s->cache, match_any, &shown));
  assert_int_equal(20, shown);
}

CONTRACT(walk_passes_by_what_expires_meanwhile) {
  open_ttl(s, 10);
  put_range(s, 0, 5);
  set_now(s, 5);
  put_range(s, 5, 10);
  ct_iter *iter = NULL;
  assert_status(CT_OK, ct_iter_new(s->cache, CT_ORDER_ANY, &iter));
  set_now(s, 10);
  unsigned passed = 0;
  ct_bytes key;
  while (ct_iter_next(iter, &key, NULL) == CT_OK) {
    assert_in_range(((const char *)key.data)[7], '5', '9');
    passed++;
  }
  ct_iter_free(iter);
  assert_int_equal(5, passed);
}

/* ---- Time to idle --------------------------------------------------------------------------- */

static void open_tti(subject *s, uint64_t tti) {
  ct_options options = options_of(s);
  options.tti = tti;
  open_with(s, options);
}

CONTRACT(idle_entry_expires) {
  open_tti(s, 5);
  set_now(s, 100);
  put_range(s, 0, 1);
  set_now(s, 104);
  assert_true(is_there(s, 0));
  set_now(s, 105);
  assert_false(is_there(s, 0));
  assert_status(CT_MISS, use(s, 0));
  assert_int_equal(0, ct_len(s->cache));
  assert_int_equal(1, expired(s));
}

CONTRACT(every_use_renews_the_tti) {
  open_tti(s, 5);
  put_range(s, 0, 1);
  const number_key key = key_of(0);
  uint64_t now = 0;
  for (unsigned round = 0; round < 10; round++) {
    set_now(s, now += 4);
    assert_status(CT_OK, use(s, 0));
    set_now(s, now += 4);
    char buffer[kValueSize];
    assert_status(CT_OK, ct_get_copy(s->cache, key.text, kKeySize, buffer, kValueSize, NULL));
    set_now(s, now += 4);
    assert_status(CT_OK, ct_setdefault(s->cache, key.text, kKeySize, "x", 1, NULL));
    set_now(s, now += 4);
    const ct_bytes keys[] = {{key.text, kKeySize}};
    ct_value value = CT_VALUE_INIT;
    ct_status status;
    assert_status(CT_OK, ct_get_many(s->cache, keys, 1, &value, &status));
    assert_status(CT_OK, status);
    ct_value_release(&value);
    set_now(s, now += 4);
    assert_status(CT_OK, put(s, 0));
  }
  set_now(s, now + 5);
  assert_status(CT_MISS, use(s, 0));
}

CONTRACT(quiet_reads_renew_no_tti) {
  open_tti(s, 5);
  put_range(s, 0, 1);
  set_now(s, 4);
  assert_units(s, 0, 1);
  assert_true(is_there(s, 0));
  assert_int_equal(1, inspect(s, 0).remaining);
  size_t size;
  assert_status(CT_ERR_BUFFER, ct_get_copy(s->cache, key_of(0).text, kKeySize, NULL, 0, &size));
  ct_iter *iter = NULL;
  assert_status(CT_OK, ct_iter_new(s->cache, CT_ORDER_ANY, &iter));
  assert_status(CT_OK, ct_iter_next(iter, NULL, NULL));
  ct_iter_free(iter);
  unsigned shown = 0;
  assert_int_equal(0, ct_remove_if(s->cache, match_any, &shown));
  assert_int_equal(1, shown);
  set_now(s, 5);
  assert_false(is_there(s, 0));
}

CONTRACT(use_at_an_earlier_time_shortens_nothing) {
  open_tti(s, 5);
  set_now(s, 10);
  put_range(s, 0, 1);
  set_now(s, 8);
  assert_status(CT_OK, use(s, 0));
  assert_int_equal(15, inspect(s, 0).deadline);
  set_now(s, 14);
  assert_status(CT_OK, use(s, 0));
  assert_int_equal(19, inspect(s, 0).deadline);
}

CONTRACT(the_earlier_of_ttl_and_tti_counts) {
  ct_options options = options_of(s);
  give_lifetime(s, &options, 10);
  options.tti = 4;
  open_with(s, options);
  put_range(s, 0, 2);
  assert_int_equal(4, inspect(s, 0).deadline);
  for (uint64_t now = 3; now < 10; now += 3) {
    set_now(s, now);
    assert_status(CT_OK, use(s, 0));
  }
  assert_false(is_there(s, 1));
  assert_int_equal(10, inspect(s, 0).deadline);
  assert_int_equal(1, inspect(s, 0).remaining);
  set_now(s, 10);
  assert_false(is_there(s, 0));
}

/* ---- Time to use ---------------------------------------------------------------------------- */

/* What the ttu callback below is shown, and what it answers. */
typedef struct ttu_probe {
  subject subject; /* first: the other callbacks take it for a subject */
  uint64_t answer;
  unsigned asked;
  bool shown_well;
} ttu_probe;

static uint64_t answer_ttu(void *user_data, const void *key, size_t key_size, const void *value,
                           size_t value_size, uint64_t now) {
  ttu_probe *probe = user_data;
  probe->asked++;
  probe->shown_well = key_size == kKeySize && memcmp(key, "key-0007", kKeySize) == 0 &&
                      value_size == kValueSize && memcmp(value, "val-0007", kValueSize) == 0 &&
                      now == 50;
  return probe->answer;
}

CONTRACT(ttu_gives_the_deadline) {
  ttu_probe probe = {.subject = *s};
  s = &probe.subject;
  test_allocator_init(&s->allocator);
  ct_options options = options_of(s);
  options.ttl = 3; /* overruled by ttu */
  options.ttu = answer_ttu;
  options.user_data = &probe;
  open_with(s, options);
  set_now(s, 50);

  probe.answer = 60;
  assert_status(CT_OK, put(s, 7));
  assert_int_equal(1, probe.asked);
  assert_true(probe.shown_well);
  assert_int_equal(60, inspect(s, 7).deadline);
  probe.answer = CT_NEVER;
  assert_status(CT_OK, put(s, 7));
  assert_true(inspect(s, 7).deadline == CT_NEVER);
  assert_status(CT_OK, put_ttl(s, 7, 4));
  assert_int_equal(2, probe.asked);
  assert_int_equal(54, inspect(s, 7).deadline);

  probe.answer = 50;
  assert_status(CT_NOT_STORED, put(s, 7));
  assert_false(is_there(s, 7));
  probe.answer = 0;
  assert_status(CT_NOT_STORED, put(s, 7));
  assert_int_equal(0, ct_len(s->cache));
  close_subject(s);
  assert_int_equal(0, s->allocator.blocks);
}

/* ---- Lifetimes of single entries ------------------------------------------------------------ */

CONTRACT(set_ttl_overrules_the_cache) {
  open_ttl(s, 10);
  assert_status(CT_OK, put_ttl(s, 0, 3));
  assert_status(CT_OK, put_ttl(s, 1, 20));
  assert_status(CT_OK, put_ttl(s, 2, CT_NEVER));
  assert_status(CT_OK, put(s, 3));
  set_now(s, 3);
  assert_int_equal(0, is_there(s, 0));
  set_now(s, 10);
  assert_int_equal(0, is_there(s, 3));
  set_now(s, 19);
  assert_int_equal(1, is_there(s, 1));
  set_now(s, CT_NEVER - 1);
  assert_int_equal(0, is_there(s, 1));
  assert_int_equal(1, is_there(s, 2));
}

CONTRACT(deadline_of_an_entry_is_absolute) {
  open_unbounded(s);
  set_now(s, 100);
  assert_status(CT_OK, put_deadline(s, 0, 120));
  assert_int_equal(120, inspect(s, 0).deadline);
  assert_int_equal(20, inspect(s, 0).remaining);
  assert_status(CT_OK, put_deadline(s, 1, CT_NEVER));
  assert_true(inspect(s, 1).deadline == CT_NEVER);
  assert_true(inspect(s, 1).remaining == CT_NEVER);
  set_now(s, 120);
  assert_false(is_there(s, 0));
  assert_true(is_there(s, 1));
}

CONTRACT(dead_on_arrival_removes_what_it_would_replace) {
  open_room(s, options_of(s), 8);
  set_now(s, 100);
  put_range(s, 0, 2);
  assert_status(CT_NOT_STORED, put_ttl(s, 0, 0));
  assert_status(CT_NOT_STORED, put_deadline(s, 1, 100));
  assert_status(CT_NOT_STORED, put_deadline(s, 2, 99));
  assert_int_equal(0, ct_len(s->cache));
  assert_int_equal(2, departed(s));
  const ct_stats stats = stats_of(s->cache);
  assert_int_equal(3, stats.rejections);
  assert_int_equal(2, stats.removals);
  assert_int_equal(2, stats.inserts);
  assert_int_equal(0, stats.updates);
}

CONTRACT(dead_on_arrival_is_judged_before_weight_and_evicts_nothing) {
  open_room(s, options_of(s), 8);
  put_range(s, 0, 8);
  const size_t size = (size_t)ct_maxsize(s->cache) + 1;
  char *large = calloc(size, 1);
  ct_entry_options options = entry_with(.flags = CT_ENTRY_TTL);
  if (s->config.weighing == BY_COUNT) {
    options.flags |= CT_ENTRY_WEIGHT;
    options.weight = ct_maxsize(s->cache) + 1;
  }
  assert_status(CT_NOT_STORED, ct_set_with(s->cache, "absent", 6, large, size, &options));
  assert_int_equal(8, count_there(s, 0, 8));
  assert_int_equal(0, departed(s));
  assert_status(CT_NOT_STORED,
                ct_set_with(s->cache, key_of(3).text, kKeySize, large, size, &options));
  assert_false(is_there(s, 3));
  assert_int_equal(7, ct_len(s->cache));
  free(large);
}

CONTRACT(condition_is_judged_before_lifetime) {
  open_unbounded(s);
  put_range(s, 0, 1);
  ct_entry_options options = entry_with(.flags = CT_ENTRY_TTL | CT_ENTRY_IF_ABSENT);
  assert_status(CT_EXISTS, ct_set_with(s->cache, key_of(0).text, kKeySize, "x", 1, &options));
  assert_units(s, 0, 1);
  options.flags = CT_ENTRY_TTL | CT_ENTRY_IF_PRESENT;
  assert_status(CT_MISS, ct_set_with(s->cache, "absent", 6, "x", 1, &options));
  assert_status(CT_NOT_STORED, ct_set_with(s->cache, key_of(0).text, kKeySize, "x", 1, &options));
  assert_int_equal(0, ct_len(s->cache));
}

CONTRACT(setdefault_dead_on_arrival_hands_the_value_back) {
  ttu_probe probe = {.subject = *s, .answer = 0};
  s = &probe.subject;
  test_allocator_init(&s->allocator);
  ct_options options = options_of(s);
  options.ttu = answer_ttu;
  options.user_data = &probe;
  open_with(s, options);
  set_now(s, 50);
  ct_value value = poisoned_value();
  assert_status(CT_NOT_STORED, ct_setdefault(s->cache, "k", 1, "given", 5, &value));
  assert_int_equal(5, value.size);
  assert_memory_equal("given", value.data, 5);
  ct_value_release(&value);
  assert_int_equal(0, ct_len(s->cache));
  assert_int_equal(1, stats_of(s->cache).misses);
  assert_int_equal(1, stats_of(s->cache).rejections);
  close_subject(s);
  assert_int_equal(0, s->allocator.blocks);
}

CONTRACT(sums_beyond_the_end_of_time_never_expire) {
  ct_options options = options_of(s);
  give_lifetime(s, &options, CT_NEVER - 50);
  options.tti = CT_NEVER - 50;
  open_with(s, options);
  set_now(s, 100);
  assert_status(CT_OK, put_ttl(s, 0, CT_NEVER - 1));
  assert_status(CT_OK, put(s, 1));
  assert_status(CT_OK, put(s, 2));
  assert_status(CT_OK, ct_set_lifetime(s->cache, key_of(2).text, kKeySize, CT_NEVER - 99));
  for (unsigned i = 0; i < 3; i++) {
    assert_true(inspect(s, i).deadline == CT_NEVER);
    assert_true(inspect(s, i).remaining == CT_NEVER);
  }
  set_now(s, CT_NEVER);
  assert_int_equal(3, count_there(s, 0, 3));
  assert_int_equal(3, ct_len(s->cache));
}

/* ---- Changing lifetimes --------------------------------------------------------------------- */

CONTRACT(set_lifetime_counts_from_now) {
  open_ttl(s, 10);
  put_range(s, 0, 3);
  set_now(s, 5);
  assert_status(CT_OK, ct_set_lifetime(s->cache, key_of(0).text, kKeySize, 20));
  assert_status(CT_OK, ct_set_lifetime(s->cache, key_of(1).text, kKeySize, 2));
  assert_status(CT_OK, ct_set_lifetime(s->cache, key_of(2).text, kKeySize, CT_NEVER));
  assert_int_equal(25, inspect(s, 0).deadline);
  assert_int_equal(7, inspect(s, 1).deadline);
  assert_true(inspect(s, 2).deadline == CT_NEVER);
  set_now(s, 24);
  assert_true(is_there(s, 0));
  assert_false(is_there(s, 1));
  set_now(s, 25);
  assert_int_equal(1, ct_len(s->cache));
  assert_true(is_there(s, 2));
  assert_status(CT_MISS, ct_set_lifetime(s->cache, "absent", 6, 5));
}

CONTRACT(set_lifetime_0_expires_now) {
  open_unbounded(s);
  put_range(s, 0, 4);
  for (unsigned i = 0; i < 4; i += 2) {
    assert_status(CT_OK, ct_set_lifetime(s->cache, key_of(i).text, kKeySize, 0));
    assert_false(is_there(s, i));
    assert_int_equal(i / 2 + 1, expired(s));
  }
  assert_int_equal(2, ct_len(s->cache));
  assert_int_equal(2, departed(s));
  assert_int_equal(2, stats_of(s->cache).expirations);
}

CONTRACT(set_lifetime_is_no_use_and_leaves_tti) {
  ct_options options = options_of(s);
  options.tti = 5;
  open_with(s, options);
  put_range(s, 0, 1);
  const uint64_t frequency = inspect(s, 0).frequency;
  const ct_stats before = stats_of(s->cache);
  set_now(s, 3);
  assert_status(CT_OK, ct_set_lifetime(s->cache, key_of(0).text, kKeySize, CT_NEVER));
  assert_same_stats(s, before);
  assert_int_equal(frequency, inspect(s, 0).frequency);
  assert_int_equal(5, inspect(s, 0).deadline);
  assert_status(CT_OK, use(s, 0));
  assert_int_equal(8, inspect(s, 0).deadline);
}

CONTRACT(first_lifetime_in_a_cache_keeps_values_and_pins) {
  open_unbounded(s);
  put_range(s, 0, 20);
  ct_value pinned = CT_VALUE_INIT;
  assert_status(CT_OK, ct_peek(s->cache, key_of(3).text, kKeySize, &pinned));
  for (unsigned i = 0; i < 20; i++) {
    assert_status(CT_OK, ct_set_lifetime(s->cache, key_of(i).text, kKeySize, 10 + i));
    assert_units(s, i, 1);
  }
  assert_int_equal(0, departed(s));
  assert_dropped(s, 0);
  assert_memory_equal("val-0003", pinned.data, kValueSize);
  set_now(s, 20);
  assert_int_equal(9, ct_len(s->cache));
  assert_dropped(s, 10);
  assert_memory_equal("val-0003", pinned.data, kValueSize);
  ct_value_release(&pinned);
  assert_dropped(s, 11);
}

CONTRACT(set_lifetime_in_full_cache_keeps_the_limit) {
  open_room(s, options_of(s), 10);
  put_range(s, 0, 10);
  for (unsigned i = 0; i < 10; i++) {
    /* A deadline takes memory. Where memory is weighed, entries are evicted for it, perhaps this
     * one. */
    const ct_status status = ct_set_lifetime(s->cache, key_of(i).text, kKeySize, 50);
    assert_true(status == CT_OK || status == CT_MISS);
    assert_int_equal(status == CT_OK, is_there(s, i));
    if (status == CT_OK) assert_int_equal(50, inspect(s, i).deadline);
    if (s->config.weighing != BY_MEMORY) assert_status(CT_OK, status);
    assert_in_range(ct_currsize(s->cache), 0, ct_maxsize(s->cache));
  }
}

/* ---- Reclaiming ----------------------------------------------------------------------------- */

CONTRACT(expired_entries_go_before_live_ones_in_any_shard) {
  ct_options options = options_of(s);
  give_lifetime(s, &options, 10);
  open_room(s, options, 40);
  put_range(s, 0, 10);
  set_now(s, 5);
  put_range(s, 10, 40);
  set_now(s, 10);
  put_range(s, 40, 50);
  assert_int_equal(0, evicted(s));
  assert_int_equal(10, expired(s));
  assert_int_equal(40, count_there(s, 10, 50));
  assert_status(CT_OK, put(s, 50));
  assert_int_equal(1, evicted(s));
  assert_int_equal(40, ct_len(s->cache));
}

CONTRACT(heavy_writes_take_their_room_from_expired_entries_first) {
  enum { kHeavy = 20 };
  ct_options options = options_of(s);
  give_lifetime(s, &options, 10);
  for (unsigned key = 45; key <= 60; key += 15) { /* one that is there, then a new one */
    open_room(s, options, 50);
    put_range(s, 0, 40);
    set_now(s, 5);
    put_range(s, 40, 50);
    set_now(s, 10);
    assert_status(CT_OK, put_units(s, key, kHeavy));
    assert_units(s, key, kHeavy);
    assert_int_equal(0, evicted(s));
    assert_int_equal(key == 45 ? 1 : 0, stats_of(s->cache).updates);
    assert_int_equal(10, count_there(s, 40, 50));
    set_now(s, 0);
  }
}

CONTRACT(resize_takes_expired_entries_first) {
  ct_options options = options_of(s);
  give_lifetime(s, &options, 10);
  open_room(s, options, 40);
  const uint64_t unit = ct_maxsize(s->cache) / 40;
  put_range(s, 0, 30);
  set_now(s, 5);
  put_range(s, 30, 40);
  set_now(s, 10);
  assert_status(CT_OK, ct_resize(s->cache, 10 * unit));
  assert_int_equal(0, evicted(s));
  assert_int_equal(10, count_there(s, 30, 40));
}

CONTRACT(no_eviction_leaves_an_expired_entry_behind) {
  uint64_t random = s->seed;
  open_room(s, options_of(s), 40);
  uint64_t now = 0;
  for (unsigned step = 0; step < 2000; step++) {
    set_now(s, now += test_random_below(&random, 3));
    const uint64_t before = evicted(s);
    const unsigned i = (unsigned)test_random_below(&random, 120);
    switch (test_random_below(&random, 4)) {
      case 0:
        assert_status(CT_OK, put(s, i));
        break;
      case 1:
        assert_status(CT_OK, put_units(s, i, 1 + (unsigned)test_random_below(&random, 4)));
        break;
      default:
        assert_status(CT_OK, put_ttl(s, i, 1 + test_random_below(&random, 60)));
        break;
    }
    if (evicted(s) != before) {
      assert_int_equal(0, ct_expire(s->cache, CT_NOW, NULL, NULL));
    }
  }
  assert_true(evicted(s) > 0);
  assert_true(expired(s) > 0);
}

typedef struct departures {
  uint64_t count;
  uint64_t last; /* the deadline of the last entry, as its value tells */
  bool in_order;
  bool well_formed;
} departures;

static void see_departure(void *user_data, const ct_event *event) {
  departures *seen = user_data;
  uint64_t deadline = 0;
  const bool sized = event->key.size == kKeySize && event->value.size == sizeof deadline;
  if (sized) memcpy(&deadline, event->value.data, sizeof deadline);
  seen->well_formed = seen->well_formed && sized && event->cause == CT_CAUSE_EXPIRED;
  seen->in_order = seen->in_order && seen->last <= deadline;
  seen->last = deadline;
  seen->count++;
}

CONTRACT(expire_removes_what_is_due_in_order_of_deadline) {
  enum { kCount = 200 };
  open_unbounded(s);
  for (unsigned i = 0; i < kCount; i++) {
    const uint64_t deadline = 1 + (uint64_t)i * 7919 % kCount;
    assert_status(CT_OK, ct_set_ttl(s->cache, key_of(i).text, kKeySize, &deadline, sizeof deadline,
                                    deadline));
  }
  departures seen = {.in_order = true, .well_formed = true};
  assert_int_equal(50, ct_expire(s->cache, 50, see_departure, &seen));
  assert_int_equal(50, seen.count);
  assert_true(seen.in_order);
  assert_true(seen.well_formed);
  assert_int_equal(50, seen.last);
  assert_int_equal(50, expired(s));
  assert_int_equal(0, ct_expire(s->cache, CT_NOW, see_departure, &seen));
  set_now(s, 120);
  assert_int_equal(70, ct_expire(s->cache, CT_NOW, see_departure, &seen));
  assert_true(seen.in_order);
  assert_int_equal(120, seen.last);
  assert_int_equal(80, ct_len(s->cache));
  assert_int_equal(120, stats_of(s->cache).expirations);
  assert_int_equal(80, ct_expire(s->cache, CT_NEVER - 1, NULL, NULL));
  assert_int_equal(0, ct_len(s->cache));
}

CONTRACT(len_and_currsize_reclaim_what_is_due) {
  open_ttl(s, 10);
  put_range(s, 0, 20);
  set_now(s, 10);
  assert_int_equal(0, ct_currsize(s->cache));
  assert_int_equal(20, expired(s));
  assert_dropped(s, 20);
  put_range(s, 0, 20);
  set_now(s, 20);
  assert_int_equal(0, ct_len(s->cache));
  assert_int_equal(40, expired(s));
}

/* ---- The timer ------------------------------------------------------------------------------ */

CONTRACT(timer_going_backwards_brings_entries_back) {
  open_ttl(s, 10);
  set_now(s, 100);
  put_range(s, 0, 5);
  set_now(s, 200);
  assert_int_equal(0, count_there(s, 0, 5));
  assert_status(CT_MISS, use(s, 0));
  set_now(s, 105);
  assert_int_equal(5, count_there(s, 0, 5));
  set_now(s, 20);
  assert_status(CT_OK, put(s, 5));
  assert_int_equal(30, inspect(s, 5).deadline);
  assert_int_equal(6, ct_len(s->cache));
  set_now(s, 30);
  assert_int_equal(5, ct_len(s->cache));
  assert_int_equal(5, count_there(s, 0, 5));
}

CONTRACT(timer_at_its_end_expires_no_entry_without_deadline) {
  open_unbounded(s);
  assert_status(CT_OK, put_ttl(s, 0, CT_NEVER));
  assert_status(CT_OK, put_ttl(s, 1, 10));
  set_now(s, CT_NEVER);
  assert_true(is_there(s, 0));
  assert_false(is_there(s, 1));
  assert_int_equal(1, ct_len(s->cache));
}

/* Makes every call of the mapping once and asserts how often each may read the timer. */
static void assert_readings(subject *s, uint64_t most) {
  const number_key key = key_of(0);
  const ct_bytes keys[] = {{key.text, kKeySize}, {"absent", 6}, {key.text, kKeySize}};
  const size_t ends[] = {1, 2, 3, 4};
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  ct_value values[3] = {CT_VALUE_INIT, CT_VALUE_INIT, CT_VALUE_INIT};
  ct_status statuses[3];
  size_t value_ends[2];
  char buffer[64];
  unsigned shown = 0;
  ct_iter *iter = NULL;

#define READS(call)                                     \
  do {                                                  \
    s->readings = 0;                                    \
    (void)(call);                                       \
    if (s->readings > most) print_error("%s\n", #call); \
    assert_in_range(s->readings, 0, most);              \
  } while (0)

  READS(put(s, 0));
  READS(ct_set_with(s->cache, key.text, kKeySize, "v", 1, &options));
  READS(ct_setdefault(s->cache, key.text, kKeySize, "v", 1, NULL));
  READS(ct_setdefault(s->cache, "new", 3, "v", 1, NULL));
  READS(ct_set_many(s->cache, "avbw", ends, 2, NULL, statuses));
  READS(ct_get(s->cache, key.text, kKeySize, NULL));
  READS(ct_peek(s->cache, key.text, kKeySize, NULL));
  READS(ct_contains(s->cache, key.text, kKeySize));
  READS(ct_get_copy(s->cache, key.text, kKeySize, buffer, sizeof buffer, NULL));
  READS(ct_get_many(s->cache, keys, 3, values, statuses));
  for (unsigned i = 0; i < 3; i++) ct_value_release(&values[i]);
  READS(ct_get_many_copy(s->cache, "ab", ends, 2, buffer, sizeof buffer, value_ends, statuses));
  READS(ct_inspect(s->cache, key.text, kKeySize, &info));
  READS(ct_len(s->cache));
  READS(ct_currsize(s->cache));
  READS(ct_resize(s->cache, ct_maxsize(s->cache)));
  READS(ct_remove_if(s->cache, match_any, &shown));
  READS(ct_iter_new(s->cache, CT_ORDER_ANY, &iter));
  READS(ct_iter_next(iter, NULL, NULL));
  ct_iter_free(iter);
  READS(ct_pop(s->cache, key.text, kKeySize, NULL));
  READS(ct_delete(s->cache, "a", 1));
  READS(ct_popitem(s->cache, NULL, NULL));
  READS(ct_expire(s->cache, CT_NOW, NULL, NULL));
  READS(ct_clear(s->cache));
#undef READS
}

CONTRACT(timer_is_read_at_most_once_a_call) {
  ct_options options = options_of(s);
  give_lifetime(s, &options, 10);
  options.tti = 5;
  open_room(s, options, 10);
  put_range(s, 0, 20);
  assert_readings(s, 1);
  s->readings = 0;
  put_range(s, 0, 1);
  assert_int_equal(1, s->readings);
}

CONTRACT(timer_is_not_read_without_lifetimes) {
  if (has_lifetimes(s)) return;                     /* those policies always have some */
  if (s->config.policy == CT_POLICY_CUSTOM) return; /* on_insert and others get the time */
  open_room(s, options_of(s), 10);
  put_range(s, 0, 20);
  assert_readings(s, 0);
}
