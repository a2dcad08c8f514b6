/* SPDX-License-Identifier: MIT */
/* The listener is told of every entry that leaves: once, with its cause, in order, and free to call
 * back into the cache. */
#include "fixture.h"

/* ---- Causes --------------------------------------------------------------------------------- */

FIXTURE_TEST(set_tells_evicted_victims_in_order, open_policy(f, CT_POLICY_LRU, 3)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  set_text(f->cache, "c", "3");
  assert_told(f, "");
  assert_status(CT_OK, set_text_weight(f->cache, "d", "4", 2));
  assert_told(f, "EVICTED a=1, EVICTED b=2");
}

FIXTURE_TEST(setdefault_tells_evicted_victims, open_policy(f, CT_POLICY_LRU, 1)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, ct_setdefault(f->cache, "b", 1, "2", 1, NULL));
  assert_told(f, "EVICTED a=1");
}

FIXTURE_TEST(popitem_tells_evicted, open_policy(f, CT_POLICY_LRU, 3)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, ct_popitem(f->cache, NULL, NULL));
  assert_told(f, "EVICTED a=1");
}

FIXTURE_TEST(resize_tells_evicted_in_order, open_policy(f, CT_POLICY_LRU, 4)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  set_text(f->cache, "c", "3");
  use_text(f->cache, "a");
  assert_status(CT_OK, ct_resize(f->cache, 1));
  assert_told(f, "EVICTED b=2, EVICTED c=3");
}

FIXTURE_TEST(set_tells_replaced, open_policy(f, CT_POLICY_LRU, 3)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "a", "2");
  assert_told(f, "REPLACED a=1");
  set_text(f->cache, "a", "2");
  assert_told(f, "REPLACED a=2");
}

FIXTURE_TEST(delete_tells_removed, open_policy(f, CT_POLICY_LRU, 3)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, delete_text(f->cache, "a"));
  assert_told(f, "REMOVED a=1");
  assert_status(CT_MISS, delete_text(f->cache, "a"));
  assert_told(f, "");
}

FIXTURE_TEST(pop_tells_removed, open_policy(f, CT_POLICY_LRU, 3)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, ct_pop(f->cache, "a", 1, NULL));
  assert_told(f, "REMOVED a=1");
}

static bool key_is_a(void *user_data, const void *key, size_t key_size, const void *value,
                     size_t value_size) {
  (void)user_data, (void)value, (void)value_size;
  return key_size == 1 && *(const char *)key == 'a';
}

FIXTURE_TEST(remove_if_tells_removed, open_policy(f, CT_POLICY_LRU, 3)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  assert_int_equal(1, ct_remove_if(f->cache, key_is_a, NULL));
  assert_told(f, "REMOVED a=1");
}

FIXTURE_TEST(clear_tells_cleared, open_policy(f, CT_POLICY_LRU, 3)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, ct_clear(f->cache));
  assert_told(f, "CLEARED a=1");
  assert_status(CT_OK, ct_clear(f->cache));
  assert_told(f, "");
}

FIXTURE_TEST(expire_tells_expired_in_order_of_deadline, open_policy(f, CT_POLICY_LRU, 8)) {
  set_text_deadline(f->cache, "a", "1", 30);
  set_text_deadline(f->cache, "b", "2", 10);
  set_text_deadline(f->cache, "c", "3", 20);
  set_text_deadline(f->cache, "d", "4", 40);
  set_now(f, 30);
  assert_int_equal(3, ct_expire(f->cache, CT_NOW, NULL, NULL));
  assert_told(f, "EXPIRED b=2, EXPIRED c=3, EXPIRED a=1");
}

FIXTURE_TEST(len_and_currsize_tell_expired, open_policy(f, CT_POLICY_LRU, 8)) {
  set_text_ttl(f->cache, "a", "1", 5);
  set_text_ttl(f->cache, "b", "2", 6);
  set_now(f, 5);
  assert_int_equal(1, ct_len(f->cache));
  assert_told(f, "EXPIRED a=1");
  set_now(f, 6);
  assert_int_equal(0, ct_currsize(f->cache));
  assert_told(f, "EXPIRED b=2");
}

FIXTURE_TEST(set_tells_expired_before_it_would_evict, open_policy(f, CT_POLICY_LRU, 2)) {
  set_text(f->cache, "a", "1");
  set_text_ttl(f->cache, "b", "2", 5);
  set_now(f, 5);
  assert_status(CT_OK, set_text(f->cache, "c", "3"));
  assert_told(f, "EXPIRED b=2");
  assert_text(f->cache, "a", "1");
}

FIXTURE_TEST(set_lifetime_of_zero_tells_expired, open_policy(f, CT_POLICY_LRU, 3)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, ct_set_lifetime(f->cache, "a", 1, 0));
  assert_told(f, "EXPIRED a=1");
  assert_int_equal(0, ct_len(f->cache));
  assert_told(f, "");
}

FIXTURE_TEST(set_lifetime_tells_nothing_of_an_entry_that_stays, open_policy(f, CT_POLICY_LRU, 3)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, ct_set_lifetime(f->cache, "a", 1, 10));
  assert_status(CT_OK, ct_set_lifetime(f->cache, "a", 1, CT_NEVER));
  assert_told(f, "");
}

TEST(free_tells_nothing) {
  fixture f;
  open_policy(&f, CT_POLICY_LRU, 3);
  set_text(f.cache, "a", "1");
  set_text_ttl(f.cache, "b", "2", 5);
  set_now(&f, 5);
  fixture_close(&f);
  assert_told(&f, "");
}

FIXTURE_TEST(reading_tells_nothing_of_expired_entries, open_policy(f, CT_POLICY_LRU, 3)) {
  set_text_ttl(f->cache, "a", "1", 5);
  set_now(f, 5);
  assert_text(f->cache, "a", NULL);
  assert_text_quietly(f->cache, "a", NULL);
  assert_false(has_text(f->cache, "a"));
  assert_told(f, "");
}

/* ---- Past its deadline, whatever removes it ------------------------------------------------- */

/* One entry that has expired and may still be there. */
static void open_expired(fixture *f) {
  open_policy(f, CT_POLICY_LRU, 2);
  assert_status(CT_OK, set_text_ttl(f->cache, "a", "1", 5));
  set_now(f, 5);
}

static void assert_told_expired_once(fixture *f) {
  ct_expire(f->cache, CT_NOW, NULL, NULL);
  assert_told(f, "EXPIRED a=1");
  fixture_close(f);
}

TEST(delete_of_expired_is_miss_and_tells_expired) {
  fixture f;
  open_expired(&f);
  assert_status(CT_MISS, delete_text(f.cache, "a"));
  assert_told_expired_once(&f);
}

TEST(pop_of_expired_is_miss_and_tells_expired) {
  fixture f;
  open_expired(&f);
  ct_value value = poisoned_value();
  assert_status(CT_MISS, ct_pop(f.cache, "a", 1, &value));
  assert_holds_nothing(value);
  assert_told_expired_once(&f);
}

TEST(popitem_of_expired_is_miss_and_tells_expired) {
  fixture f;
  open_expired(&f);
  assert_status(CT_MISS, ct_popitem(f.cache, NULL, NULL));
  assert_told_expired_once(&f);
}

FIXTURE_TEST(clear_tells_expired_and_cleared_apart, open_expired(f)) {
  set_now(f, 4);
  assert_status(CT_OK, set_text(f->cache, "b", "2"));
  set_now(f, 5);
  assert_status(CT_OK, ct_clear(f->cache));
  assert_int_equal(2, f->told);
  assert_non_null(strstr(f->log, "EXPIRED a=1"));
  assert_non_null(strstr(f->log, "CLEARED b=2"));
}

TEST(resize_tells_expired) {
  fixture f;
  open_expired(&f);
  assert_status(CT_OK, ct_resize(f.cache, 0));
  assert_told_expired_once(&f);
}

FIXTURE_TEST(writing_over_expired_is_an_insert, open_expired(f)) {
  assert_status(CT_OK, set_text(f->cache, "a", "2"));
  assert_told(f, "EXPIRED a=1");
  ct_stats stats = stats_of(f->cache);
  assert_int_equal(2, stats.inserts);
  assert_int_equal(0, stats.updates);
  assert_int_equal(1, stats.expirations);
}

FIXTURE_TEST(setdefault_over_expired_is_an_insert, open_expired(f)) {
  ct_value value = poisoned_value();
  assert_status(CT_OK, ct_setdefault(f->cache, "a", 1, "2", 1, &value));
  assert_value("2", value);
  ct_value_release(&value);
  assert_told(f, "EXPIRED a=1");
  assert_int_equal(2, stats_of(f->cache).inserts);
}

FIXTURE_TEST(set_if_absent_over_expired_is_an_insert, open_expired(f)) {
  ct_entry_options absent = entry_with(.flags = CT_ENTRY_IF_ABSENT);
  assert_status(CT_OK, set_text_with(f->cache, "a", "2", &absent));
  assert_told(f, "EXPIRED a=1");
}

TEST(set_if_present_over_expired_is_miss) {
  fixture f;
  open_expired(&f);
  ct_entry_options present = entry_with(.flags = CT_ENTRY_IF_PRESENT);
  assert_status(CT_MISS, set_text_with(f.cache, "a", "2", &present));
  assert_text(f.cache, "a", NULL);
  assert_told_expired_once(&f);
}

TEST(dead_on_arrival_over_expired_tells_expired) {
  fixture f;
  open_expired(&f);
  assert_status(CT_NOT_STORED, set_text_ttl(f.cache, "a", "2", 0));
  assert_told_expired_once(&f);
}

/* ---- Growth and death ----------------------------------------------------------------------- */

FIXTURE_TEST(growing_entry_evicts_others_then_is_replaced, open_policy(f, CT_POLICY_LRU, 4)) {
  set_text(f->cache, "b", "2");
  set_text(f->cache, "c", "3");
  set_text_weight(f->cache, "a", "1", 2);
  assert_status(CT_OK, set_text_weight(f->cache, "a", "-", 3));
  assert_told(f, "EVICTED b=2, REPLACED a=1");
}

FIXTURE_TEST(growing_entry_that_is_its_own_victim_is_evicted_then_inserted,
             open_policy(f, CT_POLICY_LRU, 4)) {
  set_text_weight(f->cache, "a", "1", 1);
  set_text_weight(f->cache, "b", "2", 3);
  assert_status(CT_OK, set_text_weight(f->cache, "a", "-", 2));
  /* When the old a has left, there is room for 1, but the new one weighs 2. */
  assert_told(f, "EVICTED a=1, EVICTED b=2");
  assert_text(f->cache, "a", "-");
  ct_stats stats = stats_of(f->cache);
  assert_int_equal(3, stats.inserts);
  assert_int_equal(0, stats.updates);
  assert_int_equal(2, stats.evictions);
  assert_int_equal(4, stats.evicted_weight);
}

FIXTURE_TEST(dead_on_arrival_tells_removed_of_what_it_replaces, open_policy(f, CT_POLICY_LRU, 2)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  assert_status(CT_NOT_STORED, set_text_ttl(f->cache, "a", "-", 0));
  assert_told(f, "REMOVED a=1");
  assert_text(f->cache, "a", NULL);
  assert_text(f->cache, "b", "2");
}

FIXTURE_TEST(dead_on_arrival_that_replaces_nothing_tells_nothing,
             open_policy(f, CT_POLICY_LRU, 1)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_NOT_STORED, set_text_ttl(f->cache, "b", "2", 0));
  assert_told(f, "");
  assert_text(f->cache, "a", "1");
}

FIXTURE_TEST(too_large_tells_nothing, open_policy(f, CT_POLICY_LRU, 2)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  assert_status(CT_ERR_TOO_LARGE, set_text_weight(f->cache, "a", "-", 3));
  assert_status(CT_ERR_TOO_LARGE, set_text_weight(f->cache, "c", "-", 3));
  assert_told(f, "");
  assert_text(f->cache, "a", "1");
  assert_text(f->cache, "b", "2");
}

/* ---- What an event says --------------------------------------------------------------------- */

typedef struct last_event {
  ct_event event; /* without its bytes */
  size_t told;
} last_event;

static void keep_event(void *user_data, const ct_event *event) {
  last_event *self = user_data;
  self->event = *event;
  self->told++;
}

static ct_cache *new_listening_cache(last_event *last, int32_t weight_kind) {
  memset(last, 0, sizeof(*last));
  return cache_of(.maxsize = 100000, .weight_kind = weight_kind, .user_data = last,
                  .listener = keep_event);
}

TEST(event_tells_the_weight_given) {
  last_event last;
  ct_cache *cache = new_listening_cache(&last, CT_WEIGHT_COUNT);
  set_text_weight(cache, "a", "1", 42);
  set_text_weight(cache, "a", "2", 7);
  assert_int_equal(42, last.event.weight);
  delete_text(cache, "a");
  assert_int_equal(7, last.event.weight);
  assert_int_equal(0, last.event.reserved);
  ct_cache_free(cache);
}

TEST(event_tells_the_weight_of_the_value) {
  last_event last;
  ct_cache *cache = new_listening_cache(&last, CT_WEIGHT_VALUE);
  set_text(cache, "a", "12345");
  delete_text(cache, "a");
  assert_int_equal(5, last.event.weight);
  ct_cache_free(cache);
}

TEST(event_tells_the_weight_in_memory) {
  last_event last;
  ct_cache *cache = new_listening_cache(&last, CT_WEIGHT_MEMORY);
  set_text(cache, "a", "12345");
  uint64_t weight = info_of(cache, "a").weight;
  assert_true(weight >= 6);
  delete_text(cache, "a");
  assert_int_equal(weight, last.event.weight);
  ct_cache_free(cache);
}

typedef struct summed {
  uint64_t sum;
  bool null;
} summed;

static void sum_bytes(void *user_data, const ct_event *event) {
  summed *self = user_data;
  self->null |= event->key.data == NULL || event->value.data == NULL;
  for (size_t i = 0; i < event->key.size; i++)
    self->sum += ((const unsigned char *)event->key.data)[i];
  for (size_t i = 0; i < event->value.size; i++)
    self->sum += ((const unsigned char *)event->value.data)[i];
}

TEST(event_lends_large_bytes) {
  enum { kKeySize = 100000, kValueSize = 1 << 20 };
  summed summed = {0};
  ct_cache *cache = cache_of(.maxsize = 1, .user_data = &summed, .listener = sum_bytes);
  char *bytes = malloc(kValueSize);
  memset(bytes, 3, kValueSize);
  assert_status(CT_OK, ct_set(cache, bytes, kKeySize, bytes, kValueSize));
  assert_status(CT_OK, set_text(cache, "", ""));
  assert_int_equal(3 * (kKeySize + kValueSize), summed.sum);
  free(bytes);
  ct_cache_free(cache);
}

TEST(event_lends_empty_bytes_that_are_not_null) {
  summed summed = {0};
  ct_cache *cache = cache_of(.maxsize = 1, .user_data = &summed, .listener = sum_bytes);
  assert_status(CT_OK, ct_set(cache, NULL, 0, NULL, 0));
  assert_status(CT_OK, ct_delete(cache, NULL, 0));
  assert_false(summed.null);
  ct_cache_free(cache);
}

/* ---- Calling back --------------------------------------------------------------------------- */

/* The listener logs the event, then takes the next step of a script in the same cache. */
typedef struct scripted {
  fixture f; /* first, so that the fixture's functions accept the whole */
  void (*steps[8])(ct_cache *cache);
  size_t at;
} scripted;

static void log_and_step(void *user_data, const ct_event *event) {
  scripted *self = user_data;
  log_event(&self->f, event);
  if (self->at < COUNT_OF(self->steps) && self->steps[self->at] != NULL)
    self->steps[self->at++](self->f.cache);
}

static void open_scripted(scripted *s, uint64_t maxsize) {
  memset(s, 0, sizeof(*s));
  ct_options options = fixture_options(&s->f, CT_POLICY_LRU, maxsize);
  options.listener = log_and_step;
  fixture_open(&s->f, &options);
}

#define SCRIPTED_TEST(name, maxsize) \
  TEST_IN(scripted, s, name, open_scripted(s, maxsize), fixture_close(&s->f))

static void delete_c(ct_cache *cache) {
  delete_text(cache, "c");
}
static void pop_d(ct_cache *cache) {
  ct_pop(cache, "d", 1, NULL);
}
static void set_x(ct_cache *cache) {
  set_text(cache, "x", "9");
}
static void clear_all(ct_cache *cache) {
  ct_clear(cache);
}

SCRIPTED_TEST(events_caused_in_a_listener_come_first, 4) {
  set_text(s->f.cache, "a", "1");
  set_text(s->f.cache, "b", "2");
  set_text(s->f.cache, "c", "3");
  set_text(s->f.cache, "d", "4");
  s->steps[0] = delete_c;
  s->steps[1] = pop_d;
  /* This evicts a and b. Told of a, the listener deletes c; told of c, it pops d. */
  assert_status(CT_OK, set_text_weight(s->f.cache, "e", "5", 2));
  assert_told(&s->f, "EVICTED a=1, REMOVED c=3, REMOVED d=4, EVICTED b=2");
  assert_text(s->f.cache, "e", "5");
  assert_int_equal(1, ct_len(s->f.cache));
}

SCRIPTED_TEST(listener_may_set, 2) {
  set_text(s->f.cache, "a", "1");
  set_text(s->f.cache, "b", "2");
  s->steps[0] = set_x;
  assert_status(CT_OK, set_text(s->f.cache, "c", "3"));
  /* Whichever was stored first, the newest two stay, and each that left was reported. */
  assert_int_equal(2, ct_len(s->f.cache));
  assert_text(s->f.cache, "a", NULL);
  assert_text(s->f.cache, "b", NULL);
  assert_text(s->f.cache, "c", "3");
  assert_text(s->f.cache, "x", "9");
  assert_told(&s->f, "EVICTED a=1, EVICTED b=2");
}

SCRIPTED_TEST(listener_may_clear, 2) {
  set_text(s->f.cache, "a", "1");
  set_text(s->f.cache, "b", "2");
  s->steps[0] = clear_all;
  assert_status(CT_OK, delete_text(s->f.cache, "a"));
  assert_told(&s->f, "REMOVED a=1, CLEARED b=2");
  assert_int_equal(0, ct_len(s->f.cache));
}

SCRIPTED_TEST(listener_may_set_the_key_that_leaves, 2) {
  set_text(s->f.cache, "x", "1");
  s->steps[0] = set_x;
  assert_status(CT_OK, delete_text(s->f.cache, "x"));
  assert_told(&s->f, "REMOVED x=1");
  assert_text(s->f.cache, "x", "9");
}

SCRIPTED_TEST(listener_may_clear_while_clear_tells, 100) {
  for (char key = 'A'; key < 'A' + 50; key++) {
    const char text[] = {key, '\0'};
    set_text(s->f.cache, text, "1");
  }
  for (size_t i = 0; i < 8; i++) s->steps[i] = i % 2 == 0 ? clear_all : set_x;
  assert_status(CT_OK, ct_clear(s->f.cache));
  ct_clear(s->f.cache);
  ct_stats stats = stats_of(s->f.cache);
  assert_int_equal(stats.inserts + stats.updates, s->f.told);
}

/* The listener stores an entry for each that leaves, until there are enough. */
typedef struct chained {
  ct_cache *cache;
  uint64_t next;
  uint64_t told;
  uint64_t depth;
  uint64_t deepest;
  uint64_t oversize;
} chained;

static void set_another(void *user_data, const ct_event *event) {
  (void)event;
  chained *self = user_data;
  self->told++;
  if (++self->depth > self->deepest) self->deepest = self->depth;
  if (self->next < 500) {
    uint64_t key = self->next++;
    set_number(self->cache, key, "v", 1);
  }
  if (ct_currsize(self->cache) > ct_maxsize(self->cache)) self->oversize++;
  self->depth--;
}

TEST(listener_that_evicts_again_recurses) {
  chained c = {0};
  c.cache = cache_of(.maxsize = 10, .shards = 2, .user_data = &c, .listener = set_another);
  c.next = 20;
  for (uint64_t key = 0; key < 11; key++) set_number(c.cache, key, "v", 1);
  assert_int_equal(500, c.next);
  assert_true(c.deepest >= 480);
  assert_int_equal(0, c.oversize);
  ct_stats stats = stats_of(c.cache);
  assert_int_equal(stats.evictions, c.told);
  assert_int_equal(stats.inserts, 491);
  assert_int_equal(10, ct_len(c.cache));
  ct_cache_free(c.cache);
}

/* ---- Visitors ------------------------------------------------------------------------------- */

TEST(expire_shows_visitor_and_listener_each_entry) {
  fixture f;
  fixture visited;
  memset(&visited, 0, sizeof(visited));
  open_fixture(&f, .maxsize = 100, .shards = 16);
  /* The entries are spread over the shards, and stored in another order than that of their
   * deadlines. */
  for (uint64_t i = 0; i < 20; i++) {
    char key[2] = {(char)('a' + i), '\0'};
    assert_status(CT_OK, set_text_deadline(f.cache, key, "v", 100 + i * 7 % 20));
  }
  char expected[512] = "";
  for (uint64_t deadline = 0; deadline < 15; deadline++) {
    for (uint64_t i = 0; i < 20; i++) {
      size_t used = strlen(expected);
      if (i * 7 % 20 == deadline)
        snprintf(expected + used, sizeof(expected) - used, "%sEXPIRED %c=v", used > 0 ? ", " : "",
                 (char)('a' + i));
    }
  }
  assert_int_equal(15, ct_expire(f.cache, 114, log_event, &visited));
  assert_told(&visited, expected);
  assert_told(&f, expected);
  assert_int_equal(5, ct_len(f.cache));
  fixture_close(&f);
}

TEST(expire_shows_visitor_weights) {
  last_event last;
  ct_cache *cache = new_listening_cache(&last, CT_WEIGHT_VALUE);
  last_event visited = {0};
  assert_status(CT_OK, set_text_deadline(cache, "a", "1234", (uint64_t)1 << 62));
  assert_int_equal(1, ct_expire(cache, (uint64_t)1 << 62, keep_event, &visited));
  assert_int_equal(1, visited.told);
  assert_int_equal(4, visited.event.weight);
  assert_int_equal(CT_CAUSE_EXPIRED, visited.event.cause);
  assert_int_equal(1, last.told);
  ct_cache_free(cache);
}

static fixture *visitors_cache;

static void visit_and_delete(void *user_data, const ct_event *event) {
  log_event(user_data, event);
  delete_text(visitors_cache->cache, "b");
}

TEST(visitor_may_call_the_cache) {
  fixture f;
  fixture visited;
  memset(&visited, 0, sizeof(visited));
  open_policy(&f, CT_POLICY_LRU, 8);
  visitors_cache = &f;
  set_text_deadline(f.cache, "a", "1", 10);
  set_text(f.cache, "b", "2");
  set_text_deadline(f.cache, "c", "3", 11);
  set_now(&f, 20);
  assert_int_equal(2, ct_expire(f.cache, CT_NOW, visit_and_delete, &visited));
  assert_told(&visited, "EXPIRED a=1, EXPIRED c=3");
  assert_int_equal(3, f.told);
  assert_int_equal(0, ct_len(f.cache));
  fixture_close(&f);
}

/* ---- Exactly once --------------------------------------------------------------------------- */

enum { kRandomSteps = 30000 };

/* Values are numbers, and none is used twice. */
typedef struct ledger {
  manual_clock clock;
  unsigned char told[kRandomSteps];
  uint64_t by_cause[5];
  uint64_t wrong;
} ledger;

static void write_down(void *user_data, const ct_event *event) {
  ledger *self = user_data;
  uint64_t number;
  memcpy(&number, event->value.data, sizeof(number));
  if (number >= kRandomSteps || event->cause < 0 || event->cause > 4) {
    self->wrong++;
    return;
  }
  self->told[number]++;
  self->by_cause[event->cause]++;
}

TEST(every_value_is_told_exactly_once) {
  static const ct_policy policies[] = {CT_POLICY_LRU,   CT_POLICY_FIFO,    CT_POLICY_LFU,
                                       CT_POLICY_RR,    CT_POLICY_ANY,     CT_POLICY_MRU,
                                       CT_POLICY_CLOCK, CT_POLICY_SIEVE,   CT_POLICY_S3FIFO,
                                       CT_POLICY_ARC,   CT_POLICY_ADAPTIVE};
  uint64_t random = test_seed();
  for (size_t p = 0; p < COUNT_OF(policies); p++) {
    static ledger l;
    static bool stored[kRandomSteps];
    memset(&l, 0, sizeof(l));
    memset(stored, 0, sizeof(stored));
    ct_cache *cache =
        cache_of(.policy = policies[p], .maxsize = 100, .shards = p % 2 == 0 ? 1 : 4, .tti = 300,
                 .user_data = &l, .timer = manual_clock_read, .listener = write_down);
    for (uint64_t number = 0; number < kRandomSteps; number++) {
      uint64_t key = test_random_below(&random, 200);
      l.clock.now += test_random_below(&random, 4);
      ct_entry_options entry = entry_with(.flags = CT_ENTRY_TTL | CT_ENTRY_WEIGHT,
                                          .ttl = test_random_below(&random, 500),
                                          .weight = test_random_below(&random, 6));
      switch (test_random_below(&random, 20)) {
        case 0:
          ct_delete(cache, &key, sizeof(key));
          break;
        case 1:
          ct_pop(cache, &key, sizeof(key), NULL);
          break;
        case 2:
          ct_popitem(cache, NULL, NULL);
          break;
        case 3:
          ct_set_lifetime(cache, &key, sizeof(key), entry.ttl);
          break;
        case 4:
          ct_get(cache, &key, sizeof(key), NULL);
          break;
        case 5:
          ct_expire(cache, CT_NOW, NULL, NULL);
          break;
        case 6:
          if (test_random_below(&random, 100) == 0) ct_clear(cache);
          break;
        case 7:
          ct_resize(cache, 50 + test_random_below(&random, 100));
          break;
        default:
          stored[number] =
              ct_set_with(cache, &key, sizeof(key), &number, sizeof(number), &entry) == CT_OK;
      }
    }
    ct_clear(cache);
    assert_int_equal(0, l.wrong);
    for (size_t number = 0; number < kRandomSteps; number++)
      assert_int_equal(stored[number], l.told[number]);
    ct_stats stats = stats_of(cache);
    assert_int_equal(stats.evictions, l.by_cause[CT_CAUSE_EVICTED]);
    assert_int_equal(stats.expirations, l.by_cause[CT_CAUSE_EXPIRED]);
    assert_int_equal(stats.updates, l.by_cause[CT_CAUSE_REPLACED]);
    assert_int_equal(stats.removals, l.by_cause[CT_CAUSE_REMOVED] + l.by_cause[CT_CAUSE_CLEARED]);
    ct_cache_free(cache);
  }
}
