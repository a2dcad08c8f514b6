/* SPDX-License-Identifier: MIT */
/* Which options are refused, and with which words; no server is needed. */
#include "fixture.h"

typedef struct given {
  ct_cache *near;
  ct_redis_options options;
} given;

static void begin(given *it) {
  it->near = ct_cache_new(CT_POLICY_LRU, 10);
  ct_redis_options_init(&it->options, sizeof it->options);
  it->options.url = "redis://localhost";
  it->options.near = it->near;
}

static void end(given *it) {
  ct_cache_free(it->near);
}

#define OPTIONS_TEST(name) TEST_IN(given, it, name, begin(it), end(it))

static void refused(const given *it, const char *word) {
  const char *problem = ct_redis_problem(&it->options);
  assert_non_null(problem);
  if (strstr(problem, word) == NULL) fail_msg("\"%s\" does not name %s", problem, word);
  ct_redis *tier;
  assert_int_equal(CT_ERR_INVALID, ct_redis_open(&it->options, &tier));
  assert_null(tier);
}

OPTIONS_TEST(the_initializer_and_its_function_agree) {
  const ct_redis_options options = CT_REDIS_OPTIONS_INIT;
  ct_redis_options_init(&it->options, sizeof it->options);
  assert_memory_equal(&options, &it->options, sizeof options);
  const ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
  ct_redis_counters same;
  ct_redis_counters_init(&same, sizeof same);
  assert_memory_equal(&counters, &same, sizeof counters);
  ct_redis_options_init(NULL, 8);
  ct_redis_counters_init(NULL, 8);
}

OPTIONS_TEST(urls_are_read) {
  static const char *const good[] = {
      "redis://h",      "redis://h:1",        "redis://h:65535/15", "redis://u:p@h",
      "redis://:p@h/0", "redis://p@h",        "redis://[::1]:6379", "redis://[::1]",
      "rediss://h",     "unix:///tmp/socket", "unix:///s?db=3",     "redis://%75:%40@h",
      "redis://h/",     "redis://u:p:q@h",    "redis://u:@h",
  };
  for (size_t i = 0; i < COUNT_OF(good); i++) {
    it->options.url = good[i];
    const char *problem = ct_redis_problem(&it->options);
    if (problem != NULL) fail_msg("%s: %s", good[i], problem);
  }
  static const char *const bad[] = {
      "",
      "redis",
      "http://h",
      "redis://",
      "redis://:6379",
      "redis://h:x",
      "redis://h:",
      "redis://h:65536",
      "redis://h:0",
      "unix:///"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaa", /* sun_path has 108 bytes */
      "redis://h/x",
      "redis://[::1",
      "redis://[::1]x",
      "unix://",
      "unix://x",
      "unix:///s?d=1",
      "redis://%4@h",
      "redis://%00@h",
      "redis://%zz@h",
      "REDIS://h",
      "redis://u:p@",
      "redis://h/1000001",
      "redis://h:6379:1",
  };
  for (size_t i = 0; i < COUNT_OF(bad); i++) {
    if (strcmp(bad[i], "redis://h:") == 0) continue; /* the default port */
    it->options.url = bad[i];
    if (ct_redis_problem(&it->options) == NULL) fail_msg("%s", bad[i]);
    refused(it, "url");
  }
  it->options.url = NULL;
  refused(it, "url");
}

OPTIONS_TEST(each_field_is_checked) {
  it->options.struct_size--;
  refused(it, "struct_size");
  it->options.struct_size = 5000;
  refused(it, "struct_size");
  it->options.struct_size = sizeof it->options;
  it->options.flags = 4;
  refused(it, "flags");
  it->options.flags = 0;
  it->options.reserved = 1;
  refused(it, "reserved");
  it->options.reserved = 0;
  it->options.prefix_size = 1;
  refused(it, "prefix");
  it->options.prefix = "p";
  it->options.prefix_size = 65536;
  refused(it, "prefix_size");
  it->options.prefix_size = 1;
  it->options.max_stale = CT_MILLISECONDS(49);
  refused(it, "max_stale");
  it->options.max_stale = CT_MILLISECONDS(50);
  uint64_t *const lifetimes[] = {&it->options.ttl, &it->options.near_ttl, &it->options.offline_ttl};
  for (size_t i = 0; i < COUNT_OF(lifetimes); i++) {
    *lifetimes[i] = 60; /* for a minute */
    refused(it, "ttl");
    *lifetimes[i] = CT_MILLISECONDS(1);
    assert_null(ct_redis_problem(&it->options));
    *lifetimes[i] = 0;
  }
  it->options.lease = 999999;
  refused(it, "lease");
  it->options.lease = 0;
  it->options.max_value = (256u << 20) + 1;
  refused(it, "max_value");
  it->options.max_value = 1000;
  it->options.max_pending = 1512; /* the prefix has one byte */
  refused(it, "max_pending");
  it->options.max_pending++;
  assert_null(ct_redis_problem(&it->options));
  it->options.max_pending = 16u << 20; /* max_value by default */
  it->options.max_value = 0;
  refused(it, "max_pending");
  it->options.max_pending = 0;
  assert_null(ct_redis_problem(&it->options));
  it->options.near = NULL;
  refused(it, "near");
  assert_non_null(ct_redis_problem(NULL));
  ct_redis *tier;
  assert_int_equal(CT_ERR_INVALID, ct_redis_open(NULL, &tier));
  assert_int_equal(CT_ERR_INVALID, ct_redis_open(&it->options, NULL));
}

OPTIONS_TEST(a_longer_struct_of_zeros_is_read) {
  struct {
    ct_redis_options options;
    uint64_t more;
  } newer = {it->options, 0};
  newer.options.struct_size = sizeof newer;
  assert_null(ct_redis_problem(&newer.options));
  newer.more = 1;
  assert_non_null(ct_redis_problem(&newer.options));
}

static void refuses_near(given *it, const ct_options *options) {
  ct_cache *near;
  assert_int_equal(CT_OK, ct_cache_new_with(options, &near));
  it->options.near = near;
  refused(it, "near");
  ct_cache_free(near);
}

OPTIONS_TEST(some_caches_cannot_be_near) {
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 10;
  options.flags = CT_FLAG_SINGLE_THREADED;
  refuses_near(it, &options);
  options.flags = 0;
  manual_clock clock = {0};
  options.timer = manual_clock_read;
  options.user_data = &clock;
  refuses_near(it, &options);
  options.timer = NULL;
  options.ttl = CT_SECONDS(100);
  options.refresh_ahead = CT_SECONDS(10);
  refuses_near(it, &options);
}
