/* SPDX-License-Identifier: MIT */
/* What the calls return, and what they leave near and on the server. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static server redis;
static peer other;

typedef struct online {
  tier it;
} online;

static void begin(void) {
  if (redis.pid == 0) {
    server_start(&redis, "");
    assert_true(peer_connect(&other, redis.port));
  }
  assert_string_equal("+OK", ASK(&other, "FLUSHALL"));
}

#define ONLINE_TEST(name)             \
  static void check_##name(tier *it); \
  TEST(name) {                        \
    begin();                          \
    tier storage;                     \
    tier_begin(&storage, redis.port); \
    check_##name(&storage);           \
    tier_close(&storage);             \
  }                                   \
  static void check_##name(tier *it)

/* The push of this overtakes a load that begins before it is read, even if that load asks later. Who
 * looks into near afterwards calls ct_redis_sync first. */
static void other_sets(const char *key, const char *value) {
  char room[256];
  const ct_bytes words[] = {{"SET", 3}, {key, strlen(key)}, stored(value, room)};
  assert_string_equal("+OK", peer_ask_bytes(&other, 3, words));
}

static void other_sees(const char *key, const char *value) {
  char room[256];
  const ct_bytes expected = stored(value, room);
  assert_non_null(ASK(&other, "GET", key));
  assert_int_equal('$', other.reply[0]);
  assert_int_equal(expected.size + 1, other.size);
  assert_memory_equal(expected.data, other.reply + 1, expected.size);
}

ONLINE_TEST(what_is_set_is_near_and_on_the_server) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "value", 5, 0));
  has_near(it, "k", "value");
  other_sees("t:k", "value");
  assert_string_equal(":-1", ASK(&other, "PTTL", "t:k"));
  reads(it, "k", "value");
}

ONLINE_TEST(what_is_absent_is_a_miss) {
  ct_value value = {"", 1, 1};
  EXPECT(CT_MISS, ct_redis_get(it->redis, "k", 1, &value));
  assert_null(value.data);
  lacks_near(it, "k");
  assert_int_equal(1, tier_stats(it).server_misses);
}

ONLINE_TEST(what_another_program_stores_is_read_and_stays_near) {
  other_sets("t:k", "one");
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  reads(it, "k", "one");
  has_near(it, "k", "one");
  const uint64_t asked = tier_stats(it).server_hits;
  reads(it, "k", "one");
  assert_int_equal(asked, tier_stats(it).server_hits);
}

ONLINE_TEST(what_another_program_writes_leaves_near) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "one", 3, 0));
  other_sets("t:k", "two");
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  lacks_near(it, "k");
  reads(it, "k", "two");
  assert_string_equal(":1", ASK(&other, "DEL", "t:k"));
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  EXPECT(CT_MISS, ct_redis_get(it->redis, "k", 1, NULL));
}

TEST(without_a_prefix_every_key_counts) {
  begin();
  tier it;
  ct_redis_options options;
  tier_options(&it, redis.port, 100, &options);
  options.prefix = NULL;
  options.prefix_size = 0;
  tier_open(&it, &options);
  EXPECT(CT_OK, ct_redis_wait(it.redis, CT_SECONDS(10)));
  EXPECT(CT_OK, ct_redis_set(it.redis, "k", 1, "one", 3, 0));
  other_sees("k", "one");
  other_sets("k", "two");
  EXPECT(CT_OK, ct_redis_sync(it.redis));
  lacks_near(&it, "k");
  tier_close(&it);
}

ONLINE_TEST(deleting_reaches_both) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "one", 3, 0));
  EXPECT(CT_OK, ct_redis_delete(it->redis, "k", 1));
  lacks_near(it, "k");
  assert_string_equal("_", ASK(&other, "GET", "t:k"));
  EXPECT(CT_OK, ct_redis_delete(it->redis, "k", 1));
}

ONLINE_TEST(empty_and_binary_keys_and_values_work) {
  EXPECT(CT_OK, ct_redis_set(it->redis, NULL, 0, NULL, 0, 0));
  reads(it, "", "");
  EXPECT(CT_OK, ct_redis_set(it->redis, "\0\r\n\xff", 4, "\0\n", 2, 0));
  ct_clear(it->near);
  ct_value value;
  EXPECT(CT_OK, ct_redis_get(it->redis, "\0\r\n\xff", 4, &value));
  assert_int_equal(2, value.size);
  assert_memory_equal("\0\n", value.data, 2);
  ct_value_release(&value);
}

ONLINE_TEST(a_large_value_goes_through) {
  const size_t size = 5000000;
  char *large = malloc(size);
  assert_non_null(large);
  for (size_t i = 0; i < size; i++) large[i] = (char)(i * 7 + i / 251);
  EXPECT(CT_OK, ct_redis_set(it->redis, "large", 5, large, size, 0));
  ct_clear(it->near);
  ct_value value;
  EXPECT(CT_OK, ct_redis_get(it->redis, "large", 5, &value));
  assert_int_equal(size, value.size);
  assert_memory_equal(large, value.data, size);
  ct_value_release(&value);
  EXPECT(CT_ERR_TOO_LARGE, ct_redis_set(it->redis, "large", 5, large, (16u << 20) + 1, 0));
  free(large);
}

ONLINE_TEST(a_copy_needs_room) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "value", 5, 0));
  char buffer[8];
  size_t size;
  for (int i = 0; i < 2; i++) {
    EXPECT(CT_ERR_BUFFER, ct_redis_get_copy(it->redis, "k", 1, buffer, 4, &size));
    assert_int_equal(5, size);
    EXPECT(CT_OK, ct_redis_get_copy(it->redis, "k", 1, buffer, 5, &size));
    assert_memory_equal("value", buffer, 5);
    EXPECT(CT_ERR_BUFFER, ct_redis_get_copy(it->redis, "k", 1, NULL, 0, NULL));
    ct_clear(it->near);
  }
  EXPECT(CT_MISS, ct_redis_get_copy(it->redis, "none", 4, buffer, 8, &size));
  assert_int_equal(0, size);
}

ONLINE_TEST(lifetimes_reach_server_and_near) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "one", 3, CT_SECONDS(100)));
  const long left = strtol(ASK(&other, "PTTL", "t:k") + 1, NULL, 10);
  assert_in_range(left, 99000, 100000);
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  EXPECT(CT_OK, ct_inspect(it->near, "k", 1, &info));
  assert_in_range(info.remaining, CT_SECONDS(99), CT_SECONDS(100));
  assert_string_equal(":1", ASK(&other, "PEXPIRE", "t:k", "50000"));
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  reads(it, "k", "one");
  EXPECT(CT_OK, ct_inspect(it->near, "k", 1, &info));
  assert_in_range(info.remaining, CT_SECONDS(49), CT_SECONDS(50));
}

static void open_with_near(tier *it, const ct_options *near, uint64_t ttl) {
  ct_redis_options options;
  tier_options(it, redis.port, 100, &options);
  ct_cache_free(it->near);
  EXPECT(CT_OK, ct_cache_new_with(near, &it->near));
  options.near = it->near;
  options.ttl = ttl;
  tier_open(it, &options);
  EXPECT(CT_OK, ct_redis_wait(it->redis, CT_SECONDS(10)));
}

TEST(a_value_past_its_lifetime_serves_when_its_load_fails) {
  begin();
  tier its[2];
  ct_options near = CT_OPTIONS_INIT;
  near.maxsize = 100;
  near.stale = CT_SECONDS(100);
  near.retry = CT_MILLISECONDS(1);
  for (int i = 0; i < 2; i++) open_with_near(&its[i], &near, CT_MILLISECONDS(40));
  EXPECT(CT_OK, ct_redis_set(its[0].redis, "k", 1, "old", 3, 0));
  EXPECT(CT_OK, ct_redis_sync(its[1].redis));
  reads(&its[1], "k", "old");
  assert_in_range(strtol(ASK(&other, "PTTL", "t:k") + 1, NULL, 10), 99000, 100040);
  sleep_ms(60);
  for (int i = 0; i < 2; i++) {
    EXPECT(CT_MISS, ct_redis_get(its[i].redis, "k", 1, NULL));
    source from = {.status = CT_ERR_IO};
    ct_value value;
    EXPECT(CT_STALE,
           ct_redis_get_or_load(its[i].redis, "k", 1, 0, load_from_source, &from, &value));
    assert_memory_equal("old", value.data, 3);
    ct_value_release(&value);
    assert_int_equal(1, from.calls);
  }
  sleep_ms(20);
  /* One brings a new value, which takes the old one from the other. */
  source from = {.text = "new"};
  EXPECT(CT_OK,
         ct_redis_get_or_load(its[0].redis, "k", 1, CT_SECONDS(50), load_from_source, &from, NULL));
  assert_int_equal(1, tier_stats(&its[0]).fills);
  EXPECT(CT_OK, ct_redis_sync(its[1].redis));
  reads(&its[1], "k", "new");
  for (int i = 0; i < 2; i++) tier_close(&its[i]);
}

TEST(the_jitter_of_near_is_taken_off_the_lifetime) {
  begin();
  tier it;
  ct_options near = CT_OPTIONS_INIT;
  near.maxsize = 100;
  near.ttl = CT_SECONDS(1000);
  near.jitter = CT_SECONDS(500);
  open_with_near(&it, &near, CT_SECONDS(1000));
  long least = 1000000, most = 0;
  for (int i = 0; i < 50; i++) {
    char key[8], full[16];
    snprintf(key, sizeof key, "%d", i);
    snprintf(full, sizeof full, "t:%d", i);
    EXPECT(CT_OK, ct_redis_set(it.redis, key, strlen(key), "v", 1, 0));
    const long left = strtol(ASK(&other, "PTTL", full) + 1, NULL, 10);
    least = left < least ? left : least;
    most = left > most ? left : most;
  }
  assert_in_range(least, 499000, 700000);
  assert_in_range(most, 800000, 1000000);
  EXPECT(CT_OK, ct_redis_set(it.redis, "k", 1, "v", 1, CT_SECONDS(1000)));
  assert_in_range(strtol(ASK(&other, "PTTL", "t:k") + 1, NULL, 10), 999000, 1000000);
  tier_close(&it);
}

TEST(near_lives_no_longer_than_near_ttl) {
  begin();
  tier it;
  ct_redis_options options;
  tier_options(&it, redis.port, 100, &options);
  options.near_ttl = CT_SECONDS(20);
  options.ttl = CT_SECONDS(1000);
  tier_open(&it, &options);
  EXPECT(CT_OK, ct_redis_wait(it.redis, CT_SECONDS(10)));
  EXPECT(CT_OK, ct_redis_set(it.redis, "k", 1, "one", 3, 0));
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  for (int i = 0; i < 2; i++) {
    EXPECT(CT_OK, ct_inspect(it.near, "k", 1, &info));
    assert_in_range(info.remaining, CT_SECONDS(19), CT_SECONDS(20));
    ct_clear(it.near);
    reads(&it, "k", "one");
  }
  assert_in_range(strtol(ASK(&other, "PTTL", "t:k") + 1, NULL, 10), 999000, 1000000);
  tier_close(&it);
}

ONLINE_TEST(an_unknown_trailer_is_a_miss_and_stays) {
  assert_string_equal("+OK", ASK(&other, "SET", "t:k", "bare"));
  EXPECT(CT_MISS, ct_redis_get(it->redis, "k", 1, NULL));
  source from = {.text = "loaded"};
  ct_value value;
  EXPECT(CT_OK, ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, &value));
  assert_memory_equal("loaded", value.data, 6);
  ct_value_release(&value);
  lacks_near(it, "k");
  assert_string_equal("$bare", ASK(&other, "GET", "t:k"));
  assert_int_equal(2, tier_stats(it).unknown_trailers);
}

ONLINE_TEST(a_key_of_another_type_is_unsupported) {
  assert_string_equal(":1", ASK(&other, "LPUSH", "t:k", "x"));
  EXPECT(CT_ERR_UNSUPPORTED, ct_redis_get(it->redis, "k", 1, NULL));
  source from = {.text = "loaded"};
  EXPECT(CT_ERR_UNSUPPORTED,
         ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, NULL));
  assert_int_equal(0, from.calls);
}

ONLINE_TEST(many_keys_take_one_round_trip) {
  for (int i = 0; i < 50; i++) {
    char key[8];
    snprintf(key, sizeof key, "t:%d", i);
    other_sets(key, key + 2);
  }
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  enum { kKeys = 60 };
  ct_bytes keys[kKeys];
  char names[kKeys][8];
  ct_value values[kKeys];
  ct_status statuses[kKeys];
  for (int i = 0; i < kKeys; i++) {
    snprintf(names[i], sizeof names[i], "%d", i == 59 ? 7 : i);
    keys[i] = (ct_bytes){names[i], strlen(names[i])};
  }
  for (int round = 0; round < 2; round++) {
    EXPECT(CT_OK, ct_redis_get_many(it->redis, keys, kKeys, values, statuses));
    for (int i = 0; i < kKeys; i++) {
      assert_int_equal(i < 50 || i == 59 ? CT_OK : CT_MISS, statuses[i]);
      if (statuses[i] == CT_OK) assert_memory_equal(names[i], values[i].data, values[i].size);
      ct_value_release(&values[i]);
    }
  }
  assert_int_equal(50, ct_len(it->near));
  EXPECT(CT_OK, ct_redis_get_many(it->redis, NULL, 0, NULL, NULL));
}

/* ---- Round trips ----------------------------------------------------------------------------- */

typedef struct counted {
  proxy between;
  tier it;
} counted;

static void counted_open(counted *c) {
  begin();
  proxy_start(&c->between, redis.port);
  ct_redis_options options;
  tier_options(&c->it, c->between.port, 1000, &options);
  options.max_stale = CT_SECONDS(400); /* no pings meanwhile */
  ct_cache_free(c->it.near);
  ct_options near = CT_OPTIONS_INIT;
  near.maxsize = 1000;
  near.stale = CT_SECONDS(100);
  near.retry = CT_MILLISECONDS(1);
  EXPECT(CT_OK, ct_cache_new_with(&near, &c->it.near));
  options.near = c->it.near;
  tier_open(&c->it, &options);
  EXPECT(CT_OK, ct_redis_wait(c->it.redis, CT_SECONDS(10)));
  /* The second time that the client speaks is the first ping. */
  while (c->between.round_trips < 2) sleep_ms(1);
  EXPECT(CT_OK, ct_redis_sync(c->it.redis)); /* it is answered */
}

static void counted_close(counted *c) {
  tier_close(&c->it);
  proxy_stop(&c->between);
}

#define EXPECT_ROUND_TRIPS(count, call)                       \
  do {                                                        \
    const uint64_t before = c->between.round_trips;           \
    call;                                                     \
    assert_int_equal(count, c->between.round_trips - before); \
  } while (0)

TEST_IN(counted, c, each_call_takes_the_least_round_trips, counted_open(c), counted_close(c)) {
  ct_redis *tier = c->it.redis;
  source from = {.text = "loaded"};
  EXPECT_ROUND_TRIPS(1, EXPECT(CT_OK, ct_redis_set(tier, "a", 1, "one", 3, 0)));
  EXPECT_ROUND_TRIPS(0, reads(&c->it, "a", "one"));
  EXPECT_ROUND_TRIPS(
      0, EXPECT(CT_OK, ct_redis_get_or_load(tier, "a", 1, 0, load_from_source, &from, NULL)));
  EXPECT_ROUND_TRIPS(1, EXPECT(CT_MISS, ct_redis_get(tier, "b", 1, NULL)));
  EXPECT_ROUND_TRIPS(2, EXPECT(CT_OK, ct_redis_get_or_load(tier, "b", 1, CT_MILLISECONDS(30),
                                                           load_from_source, &from, NULL)));
  EXPECT(CT_OK, ct_redis_sync(tier)); /* what a script wrote is pushed to its caller */
  sleep_ms(60);                       /* past the lifetime of the value */
  EXPECT_ROUND_TRIPS(
      2, EXPECT(CT_OK, ct_redis_get_or_load(tier, "b", 1, 0, load_from_source, &from, NULL)));
  assert_int_equal(2, from.calls);
  EXPECT(CT_OK, ct_redis_sync(tier));
  ct_clear(c->it.near);
  EXPECT_ROUND_TRIPS(
      1, EXPECT(CT_OK, ct_redis_get_or_load(tier, "b", 1, 0, load_from_source, &from, NULL)));
  const ct_bytes keys[] = {{"a", 1}, {"b", 1}, {"c", 1}};
  ct_value values[3];
  ct_status statuses[3];
  ct_clear(c->it.near);
  EXPECT_ROUND_TRIPS(1, EXPECT(CT_OK, ct_redis_get_many(tier, keys, 3, values, statuses)));
  for (int i = 0; i < 3; i++) ct_value_release(&values[i]);
  EXPECT_ROUND_TRIPS(1, EXPECT(CT_OK, ct_redis_delete(tier, "a", 1)));
  assert_int_equal(2, from.calls);
}

/* ---- Loading --------------------------------------------------------------------------------- */

ONLINE_TEST(a_load_is_stored_on_the_server) {
  source from = {.text = "loaded"};
  for (int i = 0; i < 3; i++) {
    ct_value value;
    EXPECT(CT_OK,
           ct_redis_get_or_load(it->redis, "k", 1, CT_SECONDS(9), load_from_source, &from, &value));
    assert_int_equal(6, value.size);
    assert_memory_equal("loaded", value.data, 6);
    ct_value_release(&value);
  }
  assert_int_equal(1, from.calls);
  other_sees("t:k", "loaded");
  assert_in_range(strtol(ASK(&other, "PTTL", "t:k") + 1, NULL, 10), 8000, 9000);
  assert_int_equal(1, tier_stats(it).fills);
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  if (server_has_ifeq(&redis)) has_near(it, "k", "loaded");
}

ONLINE_TEST(a_value_on_the_server_is_not_loaded) {
  other_sets("t:k", "there");
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  source from = {.text = "loaded"};
  ct_value value;
  EXPECT(CT_OK, ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, &value));
  assert_memory_equal("there", value.data, 5);
  ct_value_release(&value);
  assert_int_equal(0, from.calls);
  has_near(it, "k", "there");
}

static void deletes_the_key(source *it) {
  (void)it;
  assert_string_equal(":1", ASK(&other, "DEL", "t:k")); /* the lease */
}

ONLINE_TEST(a_deletion_during_the_load_refuses_its_value) {
  source from = {.text = "old", .during = deletes_the_key};
  ct_value value;
  EXPECT(CT_OK, ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, &value));
  assert_memory_equal("old", value.data, 3);
  ct_value_release(&value);
  assert_string_equal("_", ASK(&other, "GET", "t:k"));
  lacks_near(it, "k");
  assert_int_equal(1, tier_stats(it).fills_refused);
}

static void sets_the_key(source *it) {
  (void)it;
  other_sets("t:k", "newer");
}

ONLINE_TEST(a_write_during_the_load_wins) {
  source from = {.text = "old", .during = sets_the_key};
  EXPECT(CT_OK, ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, NULL));
  reads(it, "k", "newer");
}

ONLINE_TEST(a_failed_load_gives_the_lease_back) {
  source from = {.status = (ct_status)1234};
  EXPECT(1234, ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, NULL));
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  assert_string_equal("_", ASK(&other, "GET", "t:k"));
  from = (source){.status = CT_MISS};
  EXPECT(CT_MISS, ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, NULL));
  EXPECT(CT_MISS, ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, NULL));
  assert_int_equal(2, from.calls);
}

static void begin_negative(tier *it) {
  ct_redis_options options;
  tier_options(it, redis.port, 100, &options);
  ct_cache_free(it->near);
  ct_options near = CT_OPTIONS_INIT;
  near.maxsize = 100;
  near.negative_ttl = CT_SECONDS(30);
  EXPECT(CT_OK, ct_cache_new_with(&near, &it->near));
  options.near = it->near;
  tier_open(it, &options);
  EXPECT(CT_OK, ct_redis_wait(it->redis, CT_SECONDS(10)));
}

TEST(that_there_is_no_value_is_remembered_on_the_server) {
  begin();
  tier its[2];
  for (int i = 0; i < 2; i++) begin_negative(&its[i]);
  source from = {.status = CT_MISS};
  for (int i = 0; i < 4; i++) {
    EXPECT(CT_MISS,
           ct_redis_get_or_load(its[i / 2].redis, "k", 1, 0, load_from_source, &from, NULL));
  }
  EXPECT(CT_MISS, ct_redis_get(its[1].redis, "k", 1, NULL));
  assert_int_equal(1, from.calls);
  assert_in_range(strtol(ASK(&other, "PTTL", "t:k") + 1, NULL, 10), 29000, 30000);
  /* A write ends it everywhere. */
  EXPECT(CT_OK, ct_redis_set(its[0].redis, "k", 1, "new", 3, 0));
  EXPECT(CT_OK, ct_redis_sync(its[1].redis));
  reads(&its[1], "k", "new");
  reads(&its[0], "k", "new");
  for (int i = 0; i < 2; i++) tier_close(&its[i]);
}

static uint64_t misses_near(tier *it) {
  ct_stats stats = CT_STATS_INIT;
  ct_cache_stats(it->near, &stats);
  return stats.misses;
}

TEST(a_read_that_finds_nothing_near_counts_as_two_misses_there) {
  begin();
  tier it;
  begin_negative(&it);
  EXPECT(CT_OK, ct_redis_sync(it.redis)); /* so that near is fresh */
  source from = {.status = CT_MISS};
  EXPECT(CT_MISS, ct_redis_get(it.redis, "k", 1, NULL));
  assert_int_equal(2, misses_near(&it));
  EXPECT(CT_MISS, ct_redis_get_or_load(it.redis, "k", 1, 0, load_from_source, &from, NULL));
  assert_int_equal(4, misses_near(&it));
  /* Now it is remembered. */
  const uint64_t asked = tier_stats(&it).server_misses;
  EXPECT(CT_MISS, ct_redis_get(it.redis, "k", 1, NULL));
  EXPECT(CT_MISS, ct_redis_get_or_load(it.redis, "k", 1, 0, load_from_source, &from, NULL));
  assert_int_equal(8, misses_near(&it));
  const ct_bytes many = {"k", 1};
  ct_value value;
  ct_status status;
  EXPECT(CT_OK, ct_redis_get_many(it.redis, &many, 1, &value, &status));
  assert_int_equal(CT_MISS, status);
  assert_int_equal(9, misses_near(&it));
  assert_int_equal(asked, tier_stats(&it).server_misses);
  assert_int_equal(1, from.calls);
  tier_close(&it);
}

static ct_status load_recursively(void *self, const void *key, size_t key_size, ct_result *result) {
  tier *it = self;
  EXPECT(CT_ERR_RECURSION,
         ct_redis_get_or_load(it->redis, key, key_size, 0, load_recursively, it, NULL));
  source from = {.text = "inner"};
  EXPECT(CT_OK, ct_redis_get_or_load(it->redis, "inner", 5, 0, load_from_source, &from, NULL));
  return ct_result_set(result, "outer", 5);
}

ONLINE_TEST(a_loader_may_load_other_keys) {
  EXPECT(CT_OK, ct_redis_get_or_load(it->redis, "k", 1, 0, load_recursively, it, NULL));
  other_sees("t:k", "outer");
  other_sees("t:inner", "inner");
}

static void expect_many(tier *it, ct_status first, ct_status second) {
  const ct_bytes keys[] = {{"k", 1}, {"j", 1}};
  ct_value values[2];
  ct_status statuses[2];
  EXPECT(CT_OK, ct_redis_get_many(it->redis, keys, 2, values, statuses));
  assert_int_equal(first, statuses[0]);
  assert_int_equal(second, statuses[1]);
  for (int i = 0; i < 2; i++) ct_value_release(&values[i]);
}

static void read_many(source *it) {
  expect_many(it->more, CT_MISS, CT_OK);
}

ONLINE_TEST(many_keys_do_not_wait_for_a_load_and_leave_its_lease) {
  other_sets("t:j", "there");
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  source from = {.text = "loaded", .during = read_many, .more = it};
  EXPECT(CT_OK, ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, NULL));
  assert_int_equal(1, tier_stats(it).fills);
  other_sees("t:k", "loaded");
  expect_many(it, CT_OK, CT_OK);
}

/* ---- Waiting for the lease of another ------------------------------------------------------------ */

static void other_leases(const char *key) {
  const ct_bytes words[] = {{"SET", 3},
                            {key, strlen(key)},
                            {"0123456789abcdef\2\0\0\0\0\0\1\xC7", 24},
                            {"PX", 2},
                            {"60000", 5}};
  assert_string_equal("+OK", peer_ask_bytes(&other, 5, words));
}

static void *load_k(void *self) {
  tier *it = self;
  source from = {.text = "loaded"};
  ct_value value;
  const ct_status status =
      ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, &value);
  char *read = calloc(1, 16);
  snprintf(read, 16, "%d %.*s", (int)status, (int)value.size, (const char *)value.data);
  ct_value_release(&value);
  return read;
}

static void expect_wakes(tier *it, void (*act)(tier *), const char *expected) {
  other_leases("t:k");
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  const uint64_t waits = tier_stats(it).lease_waits;
  const uint64_t begun = now_ns();
  pthread_t waiter;
  assert_int_equal(0, pthread_create(&waiter, NULL, load_k, it));
  while (tier_stats(it).lease_waits == waits) sleep_ms(1);
  act(it);
  void *read;
  pthread_join(waiter, &read);
  assert_string_equal(expected, read);
  free(read);
  assert_true(now_ns() - begun < CT_SECONDS(4)); /* timeout is 5 s */
}

static void sets_k(tier *it) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "mine", 4, 0));
}

static void deletes_k(tier *it) {
  EXPECT(CT_OK, ct_redis_delete(it->redis, "k", 1));
}

static void other_sets_k(tier *it) {
  (void)it;
  other_sets("t:k", "theirs");
}

ONLINE_TEST(who_waits_for_a_lease_is_woken_by_any_write) {
  expect_wakes(it, other_sets_k, "0 theirs");
  expect_wakes(it, sets_k, "0 mine");
  expect_wakes(it, deletes_k, "0 loaded");
}

TEST(raw_values_are_bare) {
  begin();
  tier it;
  ct_redis_options options;
  tier_options(&it, redis.port, 100, &options);
  options.flags = CT_REDIS_RAW;
  tier_open(&it, &options);
  EXPECT(CT_OK, ct_redis_wait(it.redis, CT_SECONDS(10)));
  assert_string_equal("+OK", ASK(&other, "SET", "t:k", "bare"));
  reads(&it, "k", "bare");
  EXPECT(CT_OK, ct_redis_set(it.redis, "j", 1, "mine", 4, 0));
  assert_string_equal("$mine", ASK(&other, "GET", "t:j"));
  source from = {.text = "loaded"};
  EXPECT(CT_OK, ct_redis_get_or_load(it.redis, "l", 1, 0, load_from_source, &from, NULL));
  assert_string_equal("$loaded", ASK(&other, "GET", "t:l"));
  has_near(&it, "l", "loaded");
  assert_string_equal("+OK", ASK(&other, "SET", "t:l", "changed"));
  EXPECT(CT_OK, ct_redis_sync(it.redis));
  reads(&it, "l", "changed");
  tier_close(&it);
}

/* ---- What the server does by itself ------------------------------------------------------------ */

ONLINE_TEST(flushing_empties_near) {
  for (int i = 0; i < 2; i++) {
    EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "one", 3, 0));
    assert_string_equal("+OK", ASK(&other, i == 0 ? "FLUSHALL" : "FLUSHDB"));
    EXPECT(CT_OK, ct_redis_sync(it->redis));
    assert_int_equal(0, ct_len(it->near));
  }
  assert_int_equal(2, tier_stats(it).flushes);
}

ONLINE_TEST(expiry_empties_near) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "one", 3, 0));
  assert_string_equal(":1", ASK(&other, "PEXPIRE", "t:k", "1"));
  sleep_ms(5);
  assert_string_equal("_", ASK(&other, "GET", "t:k"));
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  assert_int_equal(0, ct_len(it->near));
}

ONLINE_TEST(eviction_empties_near) {
  char value[10000];
  memset(value, 'v', sizeof value);
  for (int i = 0; i < 100; i++) {
    char key[16];
    const int size = snprintf(key, sizeof key, "%d", i);
    EXPECT(CT_OK, ct_redis_set(it->redis, key, (size_t)size, value, sizeof value, 0));
  }
  assert_int_equal(100, ct_len(it->near));
  assert_string_equal("+OK", ASK(&other, "CONFIG", "SET", "maxmemory-policy", "allkeys-random"));
  assert_string_equal("+OK", ASK(&other, "CONFIG", "SET", "maxmemory", "1"));
  ASK(&other, "SET", "elsewhere", "x"); /* evicts all, then is refused */
  assert_string_equal("+OK", ASK(&other, "CONFIG", "SET", "maxmemory", "0"));
  const long left = strtol(ASK(&other, "DBSIZE") + 1, NULL, 10);
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  assert_int_equal(left, ct_len(it->near));
  assert_true(left < 100);
  assert_string_equal("+OK", ASK(&other, "CONFIG", "SET", "maxmemory-policy", "noeviction"));
}

ONLINE_TEST(a_server_without_memory_refuses_writes_and_not_loads) {
  assert_string_equal("+OK", ASK(&other, "CONFIG", "SET", "maxmemory", "1"));
  EXPECT(CT_ERR_NOMEM, ct_redis_set(it->redis, "k", 1, "one", 3, 0));
  source from = {.text = "loaded"};
  EXPECT(CT_OK, ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, NULL));
  assert_int_equal(1, from.calls);
  lacks_near(it, "k");
  EXPECT(CT_OK, ct_redis_delete(it->redis, "k", 1));
  assert_string_equal("+OK", ASK(&other, "CONFIG", "SET", "maxmemory", "0"));
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "one", 3, 0));
}

/* ---- Without a thread --------------------------------------------------------------------------- */

TEST(without_a_thread_calls_serve_themselves) {
  begin();
  tier it;
  ct_redis_options options;
  tier_options(&it, redis.port, 100, &options);
  ct_cache_free(it.near);
  ct_options near = CT_OPTIONS_INIT;
  near.maxsize = 100;
  near.flags = CT_FLAG_SINGLE_THREADED;
  EXPECT(CT_OK, ct_cache_new_with(&near, &it.near));
  options.near = it.near;
  assert_non_null(ct_redis_problem(&options));
  options.flags = CT_REDIS_NO_THREAD;
  tier_open(&it, &options);
  EXPECT(CT_OK, ct_redis_wait(it.redis, CT_SECONDS(10)));
  EXPECT(CT_OK, ct_redis_set(it.redis, "k", 1, "one", 3, 0));
  reads(&it, "k", "one");
  source from = {.text = "loaded"};
  EXPECT(CT_OK, ct_redis_get_or_load(it.redis, "l", 1, 0, load_from_source, &from, NULL));
  other_sees("t:l", "loaded");
  tier_close(&it);
}

TEST(near_is_fresh_until_nothing_proves_it_any_more) {
  begin();
  tier it;
  ct_redis_options options;
  tier_options(&it, redis.port, 100, &options);
  options.flags = CT_REDIS_NO_THREAD;
  options.max_stale = CT_MILLISECONDS(500);
  tier_open(&it, &options);
  assert_false(ct_redis_is_fresh(it.redis));
  EXPECT(CT_OK, ct_redis_wait(it.redis, CT_SECONDS(10)));
  for (int i = 0; i < 2; i++) {
    const uint64_t begun = now_ns();
    EXPECT(CT_OK, ct_redis_sync(it.redis));
    while (ct_redis_is_fresh(it.redis)) {
      assert_true(now_ns() < begun + CT_SECONDS(10));
    }
  }
  EXPECT(CT_OK, ct_redis_set(it.redis, "k", 1, "one", 3, 0));
  assert_true(ct_redis_is_fresh(it.redis));
  tier_close(&it);
}

TEST(an_event_loop_is_told_when_to_step) {
  begin();
  tier it;
  ct_redis_options options;
  tier_options(&it, redis.port, 100, &options);
  options.flags = CT_REDIS_NO_THREAD;
  tier_open(&it, &options);
  struct pollfd loop = {ct_redis_fd(it.redis), POLLIN, 0};
  assert_true(loop.fd >= 0);
  while (tier_stats(&it).online == 0) {
    assert_int_equal(1, poll(&loop, 1, 10000));
    EXPECT(CT_OK, ct_redis_step(it.redis));
  }
  EXPECT(CT_OK, ct_redis_set(it.redis, "k", 1, "one", 3, 0));
  other_sets("t:k", "two");
  while (ct_contains(it.near, "k", 1)) {
    assert_int_equal(1, poll(&loop, 1, 10000));
    EXPECT(CT_OK, ct_redis_step(it.redis));
  }
  /* While the loop steps when it is told to, the proof stays young. */
  const uint64_t end = now_ns() + CT_MILLISECONDS(1500);
  while (now_ns() < end) {
    poll(&loop, 1, 100);
    EXPECT(CT_OK, ct_redis_step(it.redis));
    assert_true(tier_stats(&it).proof_age_ns < CT_SECONDS(1));
  }
  tier_close(&it);
}

ONLINE_TEST(with_a_thread_there_is_nothing_to_step) {
  assert_int_equal(-1, ct_redis_fd(it->redis));
  EXPECT(CT_ERR_UNSUPPORTED, ct_redis_step(it->redis));
}

/* ---- Fork ----------------------------------------------------------------------------------------- */

ONLINE_TEST(a_child_can_only_close) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "one", 3, 0));
  const pid_t child = fork();
  if (child == 0) {
    int good = ct_redis_get(it->redis, "k", 1, NULL) == CT_OK; /* near, for max_stale */
    good &= ct_redis_get(it->redis, "j", 1, NULL) == CT_ERR_UNSUPPORTED;
    good &= ct_redis_set(it->redis, "k", 1, "two", 3, 0) == CT_ERR_UNSUPPORTED;
    good &= ct_redis_sync(it->redis) == CT_ERR_UNSUPPORTED;
    ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
    good &= ct_redis_stats(it->redis, &counters) == CT_ERR_UNSUPPORTED;
    source from = {.text = "loaded"};
    good &= ct_redis_get_or_load(it->redis, "l", 1, 0, load_from_source, &from, NULL) ==
            CT_ERR_UNSUPPORTED;
    sleep_ms(1100);
    good &= ct_redis_get(it->redis, "k", 1, NULL) == CT_ERR_UNSUPPORTED;
    ct_redis_close(it->redis);
    /* Not by _exit, at which Valgrind takes what is the parent's for leaked. */
    execlp(good ? "true" : "false", "", (char *)NULL);
    _exit(2);
  }
  int status;
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_int_equal(0, status);
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  reads(it, "k", "one");
  assert_int_equal(0, tier_stats(it).disconnects);
}

/* The child has the socket, too, so closing it does not end the epoll set's interest in it. */
TEST(a_child_that_keeps_the_connection_does_not_disturb_its_parent) {
  begin();
  tier it;
  ct_redis_options options;
  tier_options(&it, redis.port, 100, &options);
  options.flags = CT_REDIS_NO_THREAD;
  tier_open(&it, &options);
  EXPECT(CT_OK, ct_redis_wait(it.redis, CT_SECONDS(10)));
  const pid_t child = fork();
  if (child == 0) {
    alarm(60); /* should the test fail */
    pause();
    _exit(0);
  }
  ASK(&other, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  const uint64_t end = now_ns() + CT_SECONDS(10);
  while (tier_stats(&it).connects < 2 && now_ns() < end) {
    struct pollfd loop = {ct_redis_fd(it.redis), POLLIN, 0};
    poll(&loop, 1, 100);
    EXPECT(CT_OK, ct_redis_step(it.redis));
  }
  assert_int_equal(2, tier_stats(&it).connects);
  /* No event but those of the new connection, with its pings. */
  int events = 0;
  const uint64_t quiet = now_ns() + CT_MILLISECONDS(600);
  while (now_ns() < quiet) {
    struct pollfd loop = {ct_redis_fd(it.redis), POLLIN, 0};
    events += poll(&loop, 1, 100);
    EXPECT(CT_OK, ct_redis_step(it.redis));
  }
  assert_in_range(events, 0, 50);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  tier_close(&it);
}

/* ---- Callbacks on the tier's thread ----------------------------------------------------------------- */

typedef struct caller_back {
  tier it;
  _Atomic int events[4];
  _Atomic int calls;
  _Atomic int recursions;
} caller_back;

static void call_back(void *self) {
  caller_back *its = self;
  its->calls++;
  if (its->it.redis == NULL) return;
  its->recursions += ct_redis_set(its->it.redis, "x", 1, "y", 1, 0) == CT_ERR_RECURSION;
  its->recursions += ct_redis_get(its->it.redis, "absent", 6, NULL) == CT_ERR_RECURSION;
  its->recursions += ct_redis_sync(its->it.redis) == CT_ERR_RECURSION;
  its->recursions += ct_redis_wait(its->it.redis, 1) == CT_ERR_RECURSION;
  source from = {.text = "loaded"};
  its->recursions += ct_redis_get_or_load(its->it.redis, "absent", 6, 0, load_from_source, &from,
                                          NULL) == CT_ERR_RECURSION;
}

static void near_listens(void *self, const ct_event *event) {
  (void)event;
  call_back(self);
}

static void tier_listens(void *self, const ct_redis_event *event) {
  caller_back *its = self;
  its->events[event->kind]++;
}

TEST(callbacks_on_the_own_thread_cannot_wait) {
  begin();
  caller_back its = {0};
  ct_redis_options options;
  tier_options(&its.it, redis.port, 100, &options);
  ct_cache_free(its.it.near);
  ct_options near = CT_OPTIONS_INIT;
  near.maxsize = 100;
  near.listener = near_listens;
  near.user_data = &its;
  EXPECT(CT_OK, ct_cache_new_with(&near, &its.it.near));
  options.near = its.it.near;
  options.listener = tier_listens;
  options.user_data = &its;
  tier_open(&its.it, &options);
  EXPECT(CT_OK, ct_redis_wait(its.it.redis, CT_SECONDS(10)));
  EXPECT(CT_OK, ct_redis_set(its.it.redis, "k", 1, "one", 3, 0));
  assert_int_equal(0, its.calls);
  other_sets("t:k", "two");
  EXPECT(CT_OK, ct_redis_sync(its.it.redis));
  assert_int_equal(1, its.calls);
  assert_int_equal(5, its.recursions);
  assert_string_equal("+OK", ASK(&other, "SET", "t:k", "bare"));
  EXPECT(CT_MISS, ct_redis_get(its.it.redis, "k", 1, NULL));
  assert_int_equal(1, its.events[CT_REDIS_ONLINE]);
  assert_int_equal(1, its.events[CT_REDIS_UNKNOWN_TRAILER]);
  tier_close(&its.it);
  assert_int_equal(1, its.events[CT_REDIS_OFFLINE]);
}

/* ---- What may be asked wrongly ---------------------------------------------------------------------- */

ONLINE_TEST(bad_arguments_are_refused) {
  ct_value value;
  ct_bytes no_key = {NULL, 1};
  ct_status statuses[1];
  EXPECT(CT_ERR_INVALID, ct_redis_get(NULL, "k", 1, &value));
  EXPECT(CT_ERR_INVALID, ct_redis_get(it->redis, NULL, 1, &value));
  EXPECT(CT_ERR_TOO_LARGE, ct_redis_get(it->redis, "k", (size_t)1 << 32, &value));
  EXPECT(CT_ERR_INVALID, ct_redis_get_copy(it->redis, "k", 1, NULL, 1, NULL));
  EXPECT(CT_ERR_INVALID, ct_redis_get_many(it->redis, NULL, 1, &value, statuses));
  EXPECT(CT_ERR_INVALID, ct_redis_get_many(it->redis, &no_key, 1, &value, statuses));
  EXPECT(CT_ERR_INVALID, ct_redis_get_or_load(it->redis, "k", 1, 0, NULL, NULL, &value));
  EXPECT(CT_ERR_INVALID, ct_redis_set(it->redis, "k", 1, NULL, 1, 0));
  EXPECT(CT_ERR_TOO_LARGE, ct_redis_set(it->redis, "k", 1, "v", (size_t)1 << 32, 0));
  EXPECT(CT_ERR_INVALID, ct_redis_delete(NULL, "k", 1));
  EXPECT(CT_ERR_INVALID, ct_redis_sync(NULL));
  EXPECT(CT_ERR_INVALID, ct_redis_wait(NULL, 0));
  assert_false(ct_redis_is_fresh(NULL));
  EXPECT(CT_ERR_INVALID, ct_redis_step(NULL));
  assert_int_equal(-1, ct_redis_fd(NULL));
  EXPECT(CT_ERR_INVALID, ct_redis_stats(it->redis, NULL));
  ct_redis_counters counters = {0};
  EXPECT(CT_ERR_INVALID, ct_redis_stats(it->redis, &counters));
  ct_redis_close(NULL);
}

TEST(the_server_is_stopped) {
  peer_close(&other);
  server_stop(&redis);
}
