/* SPDX-License-Identifier: MIT */
/* See kinds.h. */
#include "kinds.h"

unsigned char bytes[kLarge];
unsigned char ramp[kKeys + kLarge];

/* ---- Kinds of cache ------------------------------------------------------------------------- */

const kind kKinds[] = {
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
    {"ADAPTIVE, full", CT_POLICY_ADAPTIVE, .maxsize = 16, .has_listener = true},
    {"ADAPTIVE, weighed", CT_POLICY_ADAPTIVE, .maxsize = 40, .has_weigher = true},
    {"WTINYLFU, full", CT_POLICY_WTINYLFU, .maxsize = 16, .has_listener = true},
    {"WTINYLFU, weighed", CT_POLICY_WTINYLFU, .maxsize = 40, .has_weigher = true},
    {"WTINYLFU, unbounded", CT_POLICY_WTINYLFU, .maxsize = CT_UNBOUNDED, .shards = 4},
    {"CUSTOM, full", CT_POLICY_CUSTOM, .maxsize = 16, .has_listener = true},
    {"CUSTOM, 4 shards", CT_POLICY_CUSTOM, .maxsize = CT_UNBOUNDED, .shards = 4},
};

static uint64_t read_clock(void *user_data) {
  return manual_clock_read(&((fixture *)user_data)->clock);
}

uint64_t ttu(void *user_data, const void *key, size_t key_size, const void *value,
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

void prepare(fixture *f, const kind *k) {
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

name name_of(int number) {
  name n;
  n.size = (size_t)snprintf(n.text, sizeof n.text, "key%d", number);
  return n;
}

void fill(fixture *f, int count) {
  for (int i = 0; i < count; i++) {
    const name key = name_of(i);
    assert_status(CT_OK, ct_set(f->cache, key.text, key.size, bytes + i, (size_t)(kSmall + i % 9)));
  }
  /* Some are used, so that recency and frequency differ from the order of insertion. */
  for (int i = 0; i < count; i += 3) {
    const name key = name_of(i);
    ct_get(f->cache, key.text, key.size, NULL);
  }
}

void make(fixture *f, const kind *k, int count) {
  prepare(f, k);
  assert_status(CT_OK, ct_cache_new_with(&f->options, &f->cache));
  fill(f, count);
}

void unmake(fixture *f) {
  ct_cache_free(f->cache);
  assert_int_equal(0, f->allocator.blocks);
  assert_int_equal(0, f->allocator.bytes);
}

/* ---- What a cache holds --------------------------------------------------------------------- */

static void append(holdings *s, const void *data, size_t size) {
  s->held = realloc(s->held, s->size + size + 1);
  assert_non_null(s->held);
  memcpy(s->held + s->size, data, size);
  s->size += size;
}

static bool has_order(const fixture *f) {
  return f->kind->policy != CT_POLICY_RR && f->kind->policy != CT_POLICY_ADAPTIVE &&
         f->kind->policy != CT_POLICY_CUSTOM;
}

holdings take_down(fixture *f) {
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

void assert_unchanged(fixture *f, const holdings *before) {
  holdings after = take_down(f);
  assert_int_equal(before->len, after.len);
  assert_int_equal(before->currsize, after.currsize);
  assert_int_equal(before->events, after.events);
  assert_int_equal(before->drops, after.drops);
  /* The header leaves open whether a ct_setdefault that failed counts its miss. */
  after.stats.misses = before->stats.misses;
  assert_memory_equal(&before->stats, &after.stats, sizeof after.stats);
  assert_int_equal(before->size, after.size);
  if (has_order(f) && before->size > 0) assert_memory_equal(before->held, after.held, after.size);
  free(after.held);
}

/* ---- Anything at all ------------------------------------------------------------------------ */

bool match_odd(void *user_data, const void *key, size_t key_size, const void *value,
               size_t value_size) {
  (void)user_data;
  (void)value;
  (void)value_size;
  return key_size > 0 && ((const char *)key)[key_size - 1] % 2 != 0;
}

void do_anything(ct_cache *cache, uint64_t *random) {
  const int number = (int)test_random_below(random, kKeys);
  const name key = name_of(number);
  const unsigned char *value = ramp + number;
  const size_t size =
      1 + test_random_below(random, test_random_below(random, 12) == 0 ? kLarge : 200);
  ct_value out = CT_VALUE_INIT, second = CT_VALUE_INIT;
  ct_entry_options options = entry_with(.same = &out);
  switch (test_random_below(random, 23)) {
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
      options.flags = CT_ENTRY_IF_SAME | (number % 2 == 0 ? CT_ENTRY_KEEP_TTL : 0);
      ct_get(cache, key.text, key.size, &out);
      ct_set_with(cache, key.text, key.size, value, size, &options);
      break;
    case 12:
      ct_peek(cache, key.text, key.size, &out);
      if (number % 2 == 0) ct_set_lifetime(cache, key.text, key.size, 50);
      ct_delete_if(cache, key.text, key.size, &out);
      break;
    case 13: /* The first byte stays what it is. */
      options = entry_with(.flags = CT_ENTRY_TTL, .ttl = 50);
      ct_add(cache, key.text, key.size, 256, *value, number % 2 == 0 ? &options : NULL, NULL);
      break;
    case 14:
    case 15:
    case 16:
    case 17:
      ct_get(cache, key.text, key.size, &out);
      break;
    default:
      ct_set(cache, key.text, key.size, value, size);
  }
  ct_value_release(&second);
  ct_value_release(&out);
}

void assert_whole(ct_cache *cache) {
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

/* ---- The program ---------------------------------------------------------------------------- */

int main(void) {
  uint64_t random = 1;
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (unsigned char)('a' + test_random(&random) % 26);
  for (size_t i = 0; i < sizeof ramp; i++) ramp[i] = (unsigned char)i;
  return run_registered_tests();
}
