/* SPDX-License-Identifier: MIT */
/* The contract: what a snapshot takes from a cache, it brings into another of the same kind. */
#include "contract.h"
#include "snapshots.h"

/* Saves s->cache, then opens another in its place. */
static tape save_and_reopen(subject *s, ct_options options) {
  tape t = {0};
  assert_status(CT_OK, save_tape(s->cache, &t));
  open_with(s, options);
  s->uncounted = true; /* loading counts nothing */
  return t;
}

static void load_whole(subject *s, tape *t) {
  const uint64_t told = departed(s);
  assert_status(CT_OK, load_tape(s->cache, t));
  assert_int_equal(told, departed(s));
  assert_int_equal(0, stats_of(s->cache).inserts);
  tape_free(t);
}

CONTRACT(loaded_entries_are_those_that_were_saved) {
  enum { kEntries = 100 };
  open_unbounded(s);
  for (unsigned i = 0; i < kEntries; i++) assert_status(CT_OK, put_units(s, i, 1 + i % 40));
  const uint64_t weight = ct_currsize(s->cache);
  tape t = save_and_reopen(s, options_of(s));
  load_whole(s, &t);
  assert_int_equal(kEntries, ct_len(s->cache));
  assert_int_equal(weight, ct_currsize(s->cache));
  for (unsigned i = 0; i < kEntries; i++) assert_units(s, i, 1 + i % 40);
}

CONTRACT(loaded_entries_fill_the_cache_and_no_more) {
  open_unbounded(s);
  put_range(s, 0, 200);
  ct_options options = options_of(s);
  options.maxsize = 50 * weight_of(s, options, 1);
  tape t = save_and_reopen(s, options);
  load_whole(s, &t);
  assert_int_equal(50, ct_len(s->cache));
  assert_int_equal(ct_maxsize(s->cache), ct_currsize(s->cache));
  assert_told(s, CT_CAUSE_EVICTED, 0);
  for (unsigned i = 200; i < 300; i++) {
    assert_status(CT_OK, put(s, i));
    assert_int_equal(50, ct_len(s->cache));
  }
  assert_int_equal(100, evicted(s));
}

CONTRACT(present_entries_stay_and_loaded_ones_fill_the_rest) {
  open_unbounded(s);
  put_range(s, 0, 100);
  ct_options options = options_of(s);
  options.maxsize = 60 * weight_of(s, options, 1);
  tape t = save_and_reopen(s, options);
  put_range(s, 90, 130);
  assert_status(CT_OK, load_tape(s->cache, &t));
  tape_free(&t);
  assert_int_equal(40, count_there(s, 90, 130));
  assert_int_equal(60, ct_len(s->cache));
  assert_int_equal(0, departed(s));
}

CONTRACT(lifetimes_go_on_after_loading) {
  ct_options options = options_of(s);
  give_lifetime(s, &options, 100);
  open_with(s, options);
  put_range(s, 0, 50);
  set_now(s, 60);
  put_range(s, 50, 100);
  set_now(s, 80);
  tape t = save_and_reopen(s, options);
  set_now(s, 1000);
  load_whole(s, &t);
  assert_int_equal(100, ct_len(s->cache));
  assert_int_equal(20, inspect(s, 0).remaining);
  assert_int_equal(80, inspect(s, 99).remaining);
  set_now(s, 1020);
  assert_int_equal(50, ct_len(s->cache));
  assert_int_equal(50, expired(s));
  set_now(s, 1080);
  assert_int_equal(0, ct_len(s->cache));
}

CONTRACT(damaged_snapshot_changes_nothing) {
  open_unbounded(s);
  put_range(s, 0, 20);
  tape t = {0};
  assert_status(CT_OK, save_tape(s->cache, &t));
  assert_status(CT_OK, ct_clear(s->cache));
  put_range(s, 30, 33);
  const ct_stats before = stats_of(s->cache);
  for (size_t at = 0; at < t.size; at += 1 + at / 9) {
    t.bytes[at] ^= 0x40;
    assert_status(CT_ERR_CORRUPT, load_tape(s->cache, &t));
    t.bytes[at] ^= 0x40;
  }
  assert_same_stats(s, before);
  assert_int_equal(3, ct_len(s->cache));
  assert_int_equal(3, count_there(s, 0, 100));
  tape_free(&t);
}
