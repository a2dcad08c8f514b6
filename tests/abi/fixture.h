/* SPDX-License-Identifier: MIT */
/* What the tests in this folder share: a cache on a clock that moves by hand, with a listener that
 * logs every event, and short forms of frequent calls.
 *
 * One user_data serves all callbacks of a cache, so one struct holds what they all need.
 * Callbacks assert nothing, as a failing assertion would unwind through the library. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "support.h"

typedef struct fixture {
  manual_clock clock; /* first, so that manual_clock_read accepts the whole */
  uint64_t readings;  /* calls of count_readings */
  ct_cache *cache;
  size_t told;    /* events */
  char log[4096]; /* "EVICTED a=1, EXPIRED b=2" */
} fixture;

static inline const char *cause_name(int32_t cause) {
  static const char *const names[] = {"EVICTED", "EXPIRED", "REPLACED", "REMOVED", "CLEARED"};
  return cause >= 0 && cause <= 4 ? names[cause] : "UNKNOWN";
}

/* A listener, and a visitor of ct_expire. */
static inline void log_event(void *user_data, const ct_event *event) {
  fixture *self = user_data;
  size_t used = strlen(self->log);
  snprintf(self->log + used, sizeof(self->log) - used, "%s%s %.*s=%.*s", used == 0 ? "" : ", ",
           cause_name(event->cause), (int)event->key.size, (const char *)event->key.data,
           (int)event->value.size, (const char *)event->value.data);
  self->told++;
}

/* A timer that counts its calls. */
static inline uint64_t count_readings(void *user_data) {
  fixture *self = user_data;
  self->readings++;
  return manual_clock_read(&self->clock);
}

/* Asserts what was logged since the last time, and clears the log. */
#define assert_told(fixture_, expected)               \
  do {                                                \
    assert_string_equal((expected), (fixture_)->log); \
    (fixture_)->log[0] = '\0';                        \
    (fixture_)->told = 0;                             \
  } while (0)

/* A test of one cache, which open makes in the fixture f, as in
 * FIXTURE_TEST(set_stores, open_lru(f, 3)) { ... f->cache ... }. The cache is freed at the end. */
#define FIXTURE_TEST(name, open) TEST_IN(fixture, f, name, open, fixture_close(f))

/* Options with the fixture's clock and log; they make a cache with fixture_open. */
static inline ct_options fixture_options(fixture *self, ct_policy policy, uint64_t maxsize) {
  memset(self, 0, sizeof(*self));
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = maxsize;
  if (maxsize == 0) options.flags = CT_FLAG_KEEP_NOTHING;
  options.user_data = self;
  options.timer = manual_clock_read;
  options.listener = log_event;
  return options;
}

static inline void fixture_open(fixture *self, const ct_options *options) {
  self->cache = new_cache(options);
}

static inline void fixture_open_with(fixture *self, ct_options options) {
  memset(self, 0, sizeof(*self));
  options.user_data = self;
  if (options.timer == NULL) options.timer = manual_clock_read;
  if (options.listener == NULL) options.listener = log_event;
  fixture_open(self, &options);
}

/* Opens a cache with the options named, as cache_of does, and with the fixture's clock and log,
 * as in open_fixture(f, .maxsize = 8, .ttl = 10). */
#define open_fixture(fixture_, ...) \
  fixture_open_with((fixture_), (ct_options){.struct_size = sizeof(ct_options), __VA_ARGS__})

static inline void open_policy(fixture *self, ct_policy policy, uint64_t maxsize) {
  const ct_options options = fixture_options(self, policy, maxsize);
  fixture_open(self, &options);
}

static inline void open_lru(fixture *self, uint64_t maxsize) {
  open_policy(self, CT_POLICY_LRU, maxsize);
}

static inline void fixture_close(fixture *self) {
  ct_cache_free(self->cache);
  self->cache = NULL;
}

static inline void set_now(fixture *self, uint64_t now) {
  self->clock.now = now;
}

static inline ct_status set_text_ttl(ct_cache *cache, const char *key, const char *value,
                                     uint64_t ttl) {
  return ct_set_ttl(cache, key, strlen(key), value, strlen(value), ttl);
}

static inline ct_status set_text_with(ct_cache *cache, const char *key, const char *value,
                                      const ct_entry_options *options) {
  return ct_set_with(cache, key, strlen(key), value, strlen(value), options);
}

static inline ct_status set_text_weight(ct_cache *cache, const char *key, const char *value,
                                        uint64_t weight) {
  ct_entry_options options = entry_with(.flags = CT_ENTRY_WEIGHT, .weight = weight);
  return set_text_with(cache, key, value, &options);
}

static inline ct_status set_text_deadline(ct_cache *cache, const char *key, const char *value,
                                          uint64_t deadline) {
  ct_entry_options options = entry_with(.flags = CT_ENTRY_DEADLINE, .deadline = deadline);
  return set_text_with(cache, key, value, &options);
}

static inline ct_status delete_text(ct_cache *cache, const char *key) {
  return ct_delete(cache, key, strlen(key));
}

/* Uses an entry without reading its value. */
static inline ct_status use_text(ct_cache *cache, const char *key) {
  return ct_get(cache, key, strlen(key), NULL);
}

/* Entries whose key is the eight bytes of a number. */
static inline ct_status set_number(ct_cache *cache, uint64_t key, const void *value,
                                   size_t value_size) {
  return ct_set(cache, &key, sizeof(key), value, value_size);
}

/* A weigher: the weight is the eight bytes of the value. */
static inline uint64_t weigh_by_value(void *user_data, const void *key, size_t key_size,
                                      const void *value, size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value_size;
  uint64_t weight;
  memcpy(&weight, value, sizeof(weight));
  return weight;
}

static inline ct_status set_weighed(ct_cache *cache, uint64_t key, uint64_t weight) {
  return set_number(cache, key, &weight, sizeof(weight));
}

static inline ct_entry_info info_of(ct_cache *cache, const char *key) {
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  assert_status(CT_OK, ct_inspect(cache, key, strlen(key), &info));
  return info;
}

static inline uint64_t bucketed_loads(const ct_stats *stats) {
  uint64_t loads = 0;
  for (size_t i = 0; i < COUNT_OF(stats->load_buckets); i++) loads += stats->load_buckets[i];
  return loads;
}

/* Asserts the counters named; all others must be 0. Each load is in one bucket. */
#define assert_counted(cache, ...)                                             \
  do {                                                                         \
    const ct_stats expected_ = {.struct_size = sizeof(ct_stats), __VA_ARGS__}; \
    assert_stats(&expected_, (cache), __LINE__);                               \
  } while (0)

static inline void assert_stats(const ct_stats *expected, const ct_cache *cache, int line) {
  static const char *const names[] = {"hits",         "misses",        "inserts",
                                      "updates",      "evictions",     "evicted_weight",
                                      "expirations",  "removals",      "rejections",
                                      "loads",        "load_failures", "load_ticks",
                                      "waits",        "pinned",        "shared_failures",
                                      "stale_served", "renewals",      "renewal_failures",
                                      "negative_hits"};
  ct_stats actual = stats_of(cache);
  const uint64_t *want = &expected->hits;
  const uint64_t *have = &actual.hits;
  for (size_t i = 0; i < COUNT_OF(names); i++)
    if (want[i] != have[i])
      fail_msg("line %d: %s: %llu, not %llu", line, names[i], (unsigned long long)have[i],
               (unsigned long long)want[i]);
  assert_int_equal(actual.loads, bucketed_loads(&actual));
}

/* A ttu by which every entry is dead on arrival. */
static inline uint64_t dead_on_arrival(void *user_data, const void *key, size_t key_size,
                                       const void *value, size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return now;
}

enum { kTail = 16 };

/* A struct of a later release, whose fields at the end this library does not know. */
#define NEWER(type)            \
  struct {                     \
    type known;                \
    unsigned char tail[kTail]; \
  }

#endif
