/* SPDX-License-Identifier: MIT */
/* Statistics as text for Prometheus: the exact text of a known cache; that a parser of the format,
 * and promtool where it is installed, accept it; names, failing writers, wrong arguments. This
 * program replaces the clocks, so that it is known how long loads take. */
#include <locale.h>
#include <time.h>

#include "fixture.h"

static uint64_t real_time = 1000000000;

int clock_gettime(clockid_t id, struct timespec *out) {
  (void)id;
  *out = (struct timespec){(time_t)(real_time / 1000000000), (long)(real_time % 1000000000)};
  return 0;
}

/* ---- What is written ------------------------------------------------------------------------ */

enum { kMostText = 64 * 1024, kMostAtOnce = 1024 };

typedef struct text {
  char bytes[kMostText];
  size_t size;
  int calls;
  int fail_at; /* the call that fails, from 1 on; 0: none */
  ct_status answer;
} text;

static ct_status take(void *user_data, const void *data, size_t size) {
  text *self = user_data;
  assert_in_range(size, 1, kMostAtOnce);
  assert_true(self->fail_at == 0 || self->calls < self->fail_at);
  self->calls++;
  if (self->calls == self->fail_at) return self->answer;
  assert_in_range(self->size + size, 0, kMostText - 1);
  memcpy(self->bytes + self->size, data, size);
  self->size += size;
  return CT_OK;
}

static text *write_text(ct_cache *const *caches, const char *const *names, size_t count) {
  text *it = calloc(1, sizeof(*it));
  assert_non_null(it);
  assert_status(CT_OK, ct_stats_write(caches, names, count, take, it));
  return it;
}

/* ---- A parser of the format ----------------------------------------------------------------- */

typedef struct sample {
  char metric[80];
  char cache[80]; /* as it was before it was escaped */
  char limit[32]; /* "le", if it is there */
  char value[32];
} sample;

typedef struct samples {
  sample all[2000];
  size_t count;
} samples;

static bool is_name(char c) {
  return c == '_' || (c >= 'a' && c <= 'z');
}

static const char *parse_name(const char *at, char *to) {
  const char *const end = at + 79;
  while (is_name(*at) && at != end) *to++ = *at++;
  *to = '\0';
  return at;
}

static const char *parse_label(const char *at, char *name, char *value) {
  at = parse_name(at, name);
  assert_memory_equal("=\"", at, 2);
  at += 2;
  for (; *at != '"'; at++) {
    assert_true(*at != '\n' && *at != '\0');
    if (*at != '\\') {
      *value++ = *at;
      continue;
    }
    at++;
    assert_true(*at == '\\' || *at == '"' || *at == 'n');
    *value++ = *at == 'n' ? '\n' : *at;
  }
  *value = '\0';
  return at + 1;
}

static const char *parse_sample(const char *at, sample *to) {
  memset(to, 0, sizeof(*to));
  at = parse_name(at, to->metric);
  assert_int_equal('{', *at++);
  char label[80];
  at = parse_label(at, label, to->cache);
  assert_string_equal("cache", label);
  if (*at == ',') {
    at = parse_label(at + 1, label, to->limit);
    assert_string_equal("le", label);
  }
  assert_memory_equal("} ", at, 2);
  at += 2;
  size_t length = strcspn(at, "\n");
  assert_in_range(length, 1, sizeof(to->value) - 1);
  assert_int_equal(length, strspn(at, "0123456789."));
  memcpy(to->value, at, length);
  return at + length + 1;
}

/* Each metric has a HELP and a TYPE, then its samples, and does not come again. */
static samples *parse(const char *at) {
  samples *it = calloc(1, sizeof(*it));
  assert_non_null(it);
  char seen[100][80];
  size_t seen_count = 0;
  while (*at != '\0') {
    char name[80], again[80];
    assert_memory_equal("# HELP ", at, 7);
    at = parse_name(at + 7, name);
    at = strchr(at, '\n') + 1;
    assert_memory_equal("# TYPE ", at, 7);
    at = parse_name(at + 7, again);
    assert_string_equal(name, again);
    const bool is_histogram = strncmp(at, " histogram\n", 11) == 0;
    const bool is_counter = strncmp(at, " counter\n", 9) == 0;
    assert_true(is_histogram || is_counter || strncmp(at, " gauge\n", 7) == 0);
    const size_t length = strlen(name);
    assert_int_equal(is_counter, length > 6 && strcmp(name + length - 6, "_total") == 0);
    for (size_t i = 0; i < seen_count; i++) assert_string_not_equal(seen[i], name);
    memcpy(seen[seen_count++], name, sizeof(name));
    at = strchr(at, '\n') + 1;
    const size_t before = it->count;
    while (*at != '#' && *at != '\0') {
      sample *next = &it->all[it->count++];
      at = parse_sample(at, next);
      assert_memory_equal(name, next->metric, length);
      assert_true(is_histogram || next->metric[length] == '\0');
    }
    assert_true(it->count > before);
  }
  return it;
}

/* Returns the value of the only such sample, or NULL. */
static const char *find(const samples *of, const char *metric, const char *cache,
                        const char *limit) {
  const char *found = NULL;
  for (size_t i = 0; i < of->count; i++) {
    const sample *it = &of->all[i];
    if (strcmp(it->metric, metric) != 0 || strcmp(it->cache, cache) != 0) continue;
    if (strcmp(it->limit, limit) != 0) continue;
    assert_null(found);
    found = it->value;
  }
  return found;
}

static bool has_promtool(void) {
  return system("command -v promtool >/dev/null 2>&1") == 0;
}

static void assert_promtool_accepts(const text *it) {
  if (!has_promtool()) {
    print_message("# There is no promtool here.\n");
    return;
  }
  FILE *pipe = popen("promtool check metrics >&2", "w");
  assert_non_null(pipe);
  assert_int_equal(it->size, fwrite(it->bytes, 1, it->size, pipe));
  assert_int_equal(0, pclose(pipe));
}

/* ---- Caches --------------------------------------------------------------------------------- */

static ct_status load_for(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)key, (void)key_size;
  real_time += *(const uint64_t *)user_data;
  return ct_result_set(result, "1", 1);
}

static void load_in(ct_cache *cache, const char *key, uint64_t ns) {
  assert_status(CT_OK, ct_get_or_load(cache, key, strlen(key), load_for, &ns, NULL));
}

static const char kKnownText[] =
    "# HELP cachetools_hits_total Keys read and found.\n"
    "# TYPE cachetools_hits_total counter\n"
    "cachetools_hits_total{cache=\"users\"} 1\n"
    "# HELP cachetools_misses_total Keys read, absent or expired.\n"
    "# TYPE cachetools_misses_total counter\n"
    "cachetools_misses_total{cache=\"users\"} 3\n"
    "# HELP cachetools_inserts_total Entries stored under a key that was absent or expired.\n"
    "# TYPE cachetools_inserts_total counter\n"
    "cachetools_inserts_total{cache=\"users\"} 4\n"
    "# HELP cachetools_updates_total Entries stored in place of a live one.\n"
    "# TYPE cachetools_updates_total counter\n"
    "cachetools_updates_total{cache=\"users\"} 1\n"
    "# HELP cachetools_evictions_total Entries that left for want of room.\n"
    "# TYPE cachetools_evictions_total counter\n"
    "cachetools_evictions_total{cache=\"users\"} 1\n"
    "# HELP cachetools_evicted_weight_total Weight of the entries that left for want of room.\n"
    "# TYPE cachetools_evicted_weight_total counter\n"
    "cachetools_evicted_weight_total{cache=\"users\"} 1\n"
    "# HELP cachetools_expirations_total Entries that left past their deadline.\n"
    "# TYPE cachetools_expirations_total counter\n"
    "cachetools_expirations_total{cache=\"users\"} 0\n"
    "# HELP cachetools_removals_total Entries deleted, popped or cleared, or replaced by a dead "
    "one.\n"
    "# TYPE cachetools_removals_total counter\n"
    "cachetools_removals_total{cache=\"users\"} 0\n"
    "# HELP cachetools_rejections_total Stores refused: too large, or dead on arrival.\n"
    "# TYPE cachetools_rejections_total counter\n"
    "cachetools_rejections_total{cache=\"users\"} 0\n"
    "# HELP cachetools_load_failures_total Loads that brought no value.\n"
    "# TYPE cachetools_load_failures_total counter\n"
    "cachetools_load_failures_total{cache=\"users\"} 0\n"
    "# HELP cachetools_waits_total Values received from another caller's load.\n"
    "# TYPE cachetools_waits_total counter\n"
    "cachetools_waits_total{cache=\"users\"} 0\n"
    "# HELP cachetools_shared_failures_total Failures received from another caller's load.\n"
    "# TYPE cachetools_shared_failures_total counter\n"
    "cachetools_shared_failures_total{cache=\"users\"} 0\n"
    "# HELP cachetools_stale_served_total Values handed out past their deadline.\n"
    "# TYPE cachetools_stale_served_total counter\n"
    "cachetools_stale_served_total{cache=\"users\"} 0\n"
    "# HELP cachetools_renewals_total Loads begun to renew a value.\n"
    "# TYPE cachetools_renewals_total counter\n"
    "cachetools_renewals_total{cache=\"users\"} 0\n"
    "# HELP cachetools_renewal_failures_total Renewals that failed and left the old value.\n"
    "# TYPE cachetools_renewal_failures_total counter\n"
    "cachetools_renewal_failures_total{cache=\"users\"} 0\n"
    "# HELP cachetools_negative_hits_total Loading calls that were told of a remembered miss.\n"
    "# TYPE cachetools_negative_hits_total counter\n"
    "cachetools_negative_hits_total{cache=\"users\"} 0\n"
    "# HELP cachetools_entries Entries held.\n"
    "# TYPE cachetools_entries gauge\n"
    "cachetools_entries{cache=\"users\"} 3\n"
    "# HELP cachetools_currsize Weight of what is held.\n"
    "# TYPE cachetools_currsize gauge\n"
    "cachetools_currsize{cache=\"users\"} 3\n"
    "# HELP cachetools_maxsize Limit on the weight.\n"
    "# TYPE cachetools_maxsize gauge\n"
    "cachetools_maxsize{cache=\"users\"} 3\n"
    "# HELP cachetools_memory_bytes Memory held in all.\n"
    "# TYPE cachetools_memory_bytes gauge\n"
    "cachetools_memory_bytes{cache=\"users\"} %llu\n"
    "# HELP cachetools_pinned Values that callers have not released.\n"
    "# TYPE cachetools_pinned gauge\n"
    "cachetools_pinned{cache=\"users\"} 1\n"
    "# HELP cachetools_load_duration_seconds How long loads took, from lease to fulfilment.\n"
    "# TYPE cachetools_load_duration_seconds histogram\n"
    "cachetools_load_duration_seconds_bucket{cache=\"users\",le=\"0.000001\"} 1\n"
    "cachetools_load_duration_seconds_bucket{cache=\"users\",le=\"0.000004\"} 1\n"
    "cachetools_load_duration_seconds_bucket{cache=\"users\",le=\"0.000016\"} 1\n"
    "cachetools_load_duration_seconds_bucket{cache=\"users\",le=\"0.000064\"} 1\n"
    "cachetools_load_duration_seconds_bucket{cache=\"users\",le=\"0.000256\"} 1\n"
    "cachetools_load_duration_seconds_bucket{cache=\"users\",le=\"0.001024\"} 2\n"
    "cachetools_load_duration_seconds_bucket{cache=\"users\",le=\"0.004096\"} 2\n"
    "cachetools_load_duration_seconds_bucket{cache=\"users\",le=\"0.016384\"} 2\n"
    "cachetools_load_duration_seconds_bucket{cache=\"users\",le=\"0.065536\"} 2\n"
    "cachetools_load_duration_seconds_bucket{cache=\"users\",le=\"0.262144\"} 2\n"
    "cachetools_load_duration_seconds_bucket{cache=\"users\",le=\"1.048576\"} 2\n"
    "cachetools_load_duration_seconds_bucket{cache=\"users\",le=\"+Inf\"} 3\n"
    "cachetools_load_duration_seconds_sum{cache=\"users\"} 20.00100005\n"
    "cachetools_load_duration_seconds_count{cache=\"users\"} 3\n";

/* A cache of which all is known, with a timer of its own or without. */
static ct_cache *open_known(ct_timer_fn timer, ct_value *pinned) {
  ct_cache *cache = cache_of(.maxsize = 3, .timer = timer);
  load_in(cache, "a", 50);
  load_in(cache, "b", 1000000);
  load_in(cache, "c", 20000000000u);
  set_text(cache, "a", "2");
  set_text(cache, "d", "3");
  assert_status(CT_OK, ct_get(cache, "d", 1, pinned));
  return cache;
}

static uint64_t tell_nothing(void *user_data) {
  (void)user_data;
  return 0;
}

static void assert_known_text(ct_timer_fn timer) {
  ct_value pinned;
  ct_cache *cache = open_known(timer, &pinned);
  const char *name = "users";
  text *it = write_text(&cache, &name, 1);
  char *expected = malloc(kMostText);
  assert_non_null(expected);
  snprintf(expected, kMostText, kKnownText, (unsigned long long)ct_memory(cache));
  assert_string_equal(expected, it->bytes);
  free(expected);
  free(it);
  ct_value_release(&pinned);
  ct_cache_free(cache);
}

TEST(text_of_a_known_cache) {
  assert_known_text(NULL);
}

TEST(loads_are_told_in_seconds_whatever_the_timer_is) {
  assert_known_text(tell_nothing);
}

TEST(locale_does_not_matter) {
  static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"};
  for (size_t i = 0; i < COUNT_OF(locales); i++) {
    if (setlocale(LC_ALL, locales[i]) == NULL) continue;
    print_message("# %s\n", locales[i]);
    assert_known_text(NULL);
  }
  setlocale(LC_ALL, "C");
}

TEST(samples_of_all_caches_stand_together) {
  ct_value pinned;
  ct_cache *caches[] = {open_known(NULL, &pinned),
                        cache_of(.maxsize = CT_UNBOUNDED, .shards = 4, .policy = CT_POLICY_LFU)};
  set_text(caches[1], "x", "1");
  use_text(caches[1], "y");
  const char *names[] = {"users", "pages"};
  text *it = write_text(caches, names, 2);
  samples *all = parse(it->bytes);
  assert_string_equal("3", find(all, "cachetools_misses_total", "users", ""));
  assert_string_equal("1", find(all, "cachetools_misses_total", "pages", ""));
  assert_string_equal("18446744073709551615", find(all, "cachetools_maxsize", "pages", ""));
  assert_string_equal("1", find(all, "cachetools_entries", "pages", ""));
  assert_string_equal("0", find(all, "cachetools_load_duration_seconds_sum", "pages", ""));
  const char *loads = "cachetools_load_duration_seconds_bucket";
  assert_string_equal("2", find(all, loads, "users", "1.048576"));
  assert_string_equal("3", find(all, loads, "users", "+Inf"));
  assert_promtool_accepts(it);
  free(all);
  free(it);
  ct_value_release(&pinned);
  for (int i = 0; i < 2; i++) ct_cache_free(caches[i]);
}

TEST(names_are_escaped) {
  static const char *const names[] = {
      "", "a\"b\\c\nd", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x8d\xb0", "\\n", "{cache=\"x\"} 1", "\t\r"};
  ct_cache *caches[COUNT_OF(names)];
  for (size_t i = 0; i < COUNT_OF(names); i++) {
    caches[i] = cache_of(.maxsize = 3);
    for (size_t entry = 0; entry < i; entry++) use_text(caches[i], "x");
  }
  text *it = write_text(caches, names, COUNT_OF(names));
  samples *all = parse(it->bytes);
  for (size_t i = 0; i < COUNT_OF(names); i++) {
    const char expected[] = {(char)('0' + i), '\0'};
    assert_string_equal(expected, find(all, "cachetools_misses_total", names[i], ""));
    ct_cache_free(caches[i]);
  }
  assert_promtool_accepts(it);
  free(all);
  free(it);
}

TEST(cache_without_statistics_has_gauges_only) {
  ct_cache *caches[] = {cache_of(.maxsize = 3, .flags = CT_FLAG_NO_STATS), cache_of(.maxsize = 3)};
  set_text(caches[0], "a", "1");
  const char *names[] = {"silent", "counted"};
  for (size_t count = 1; count <= 2; count++) {
    text *it = write_text(caches, names, count);
    samples *all = parse(it->bytes);
    assert_string_equal("1", find(all, "cachetools_entries", "silent", ""));
    assert_null(find(all, "cachetools_hits_total", "silent", ""));
    assert_null(find(all, "cachetools_load_duration_seconds_count", "silent", ""));
    assert_int_equal(count == 2, find(all, "cachetools_hits_total", "counted", "") != NULL);
    assert_promtool_accepts(it);
    free(all);
    free(it);
  }
  for (int i = 0; i < 2; i++) ct_cache_free(caches[i]);
}

FIXTURE_TEST(nothing_is_removed_used_or_counted, open_lru(f, 8)) {
  set_text_ttl(f->cache, "a", "1", 5);
  set_now(f, 5);
  const char *name = "a";
  text *it = write_text(&f->cache, &name, 1);
  samples *all = parse(it->bytes);
  assert_string_equal("1", find(all, "cachetools_entries", "a", ""));
  assert_string_equal("1", find(all, "cachetools_currsize", "a", ""));
  assert_told(f, "");
  assert_counted(f->cache, .inserts = 1);
  free(all);
  free(it);
}

TEST(largest_count_is_written_in_full) {
  ct_cache *cache = cache_of(.maxsize = CT_UNBOUNDED);
  set_text_weight(cache, "a", "1", UINT64_MAX);
  assert_status(CT_OK, ct_popitem(cache, NULL, NULL));
  const char *name = "a";
  text *it = write_text(&cache, &name, 1);
  samples *all = parse(it->bytes);
  assert_string_equal("18446744073709551615",
                      find(all, "cachetools_evicted_weight_total", "a", ""));
  assert_promtool_accepts(it);
  free(all);
  free(it);
  ct_cache_free(cache);
}

/* ---- Failures ------------------------------------------------------------------------------- */

static ct_status write_failing(ct_cache *cache, int fail_at, ct_status answer, int *calls) {
  text *it = calloc(1, sizeof(*it));
  assert_non_null(it);
  it->fail_at = fail_at;
  it->answer = answer;
  const char *name = "a";
  const ct_status status = ct_stats_write(&cache, &name, 1, take, it);
  *calls = it->calls;
  free(it);
  return status;
}

TEST(failure_of_the_writer_ends_the_call) {
  ct_cache *cache = cache_of(.maxsize = 3);
  int calls;
  assert_status(CT_OK, write_failing(cache, 0, CT_OK, &calls));
  assert_true(calls > 3);
  for (int fail_at = calls; fail_at > 0; fail_at--) {
    int made;
    for (size_t i = 0; i < COUNT_OF(kFailures); i++) {
      assert_status(kFailures[i], write_failing(cache, fail_at, kFailures[i], &made));
      assert_int_equal(fail_at, made);
    }
    for (size_t i = 0; i < COUNT_OF(kReserved); i++) {
      assert_status(CT_ERR_CALLBACK, write_failing(cache, fail_at, kReserved[i], &made));
      assert_int_equal(fail_at, made);
    }
    assert_status(CT_ERR_CALLBACK, write_failing(cache, fail_at, CT_MISS, &made));
  }
  ct_cache_free(cache);
}

static ct_status never(void *user_data, const void *data, size_t size) {
  (void)user_data, (void)data, (void)size;
  fail_msg("nothing is to be written");
  return CT_OK;
}

TEST(wrong_arguments_write_nothing) {
  ct_cache *cache = cache_of(.maxsize = 3);
  ct_cache *caches[] = {cache, NULL};
  const char *names[] = {"a", NULL};
  assert_status(CT_ERR_INVALID, ct_stats_write(caches, names, 1, NULL, NULL));
  assert_status(CT_ERR_INVALID, ct_stats_write(NULL, names, 1, never, NULL));
  assert_status(CT_ERR_INVALID, ct_stats_write(caches, NULL, 1, never, NULL));
  assert_status(CT_ERR_INVALID, ct_stats_write(caches, names, 2, never, NULL));
  caches[1] = cache;
  assert_status(CT_ERR_INVALID, ct_stats_write(caches, names, 2, never, NULL));
  static const char *const wrong[] = {"\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80"};
  for (size_t i = 0; i < COUNT_OF(wrong); i++) {
    names[1] = wrong[i];
    assert_status(CT_ERR_INVALID, ct_stats_write(caches, names, 2, never, NULL));
  }
  ct_cache_free(cache);
}

TEST(no_caches_are_no_text) {
  assert_status(CT_OK, ct_stats_write(NULL, NULL, 0, never, NULL));
}
