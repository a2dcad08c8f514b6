/* SPDX-License-Identifier: MIT */
/* What the calls do while the server cannot be reached, and what is left of it afterwards. */
#include <inttypes.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

static server redis;
static proxy between;
static peer other;

typedef struct seen {
  _Atomic int events[4];
  pthread_mutex_t lock;
  char why[256];
} seen;

static void seen_begin(seen *it) {
  memset(it, 0, sizeof *it);
  pthread_mutex_init(&it->lock, NULL);
}

static void listens(void *self, const ct_redis_event *event) {
  seen *it = self;
  it->events[event->kind]++;
  if (event->kind != CT_REDIS_OFFLINE) return;
  pthread_mutex_lock(&it->lock);
  snprintf(it->why, sizeof it->why, "%.*s", (int)event->text.size, (const char *)event->text.data);
  pthread_mutex_unlock(&it->lock);
}

/* The last reason for being offline. */
static void expect_why(seen *it, const char *part) {
  pthread_mutex_lock(&it->lock);
  const bool is_there = strstr(it->why, part) != NULL;
  if (!is_there) print_message("# %s\n", it->why);
  pthread_mutex_unlock(&it->lock);
  assert_true(is_there);
}

static void wait_offline(tier *it) {
  const uint64_t end = now_ns() + CT_SECONDS(10);
  while (tier_stats(it).online != 0 && now_ns() < end) sleep_ms(1);
  assert_int_equal(0, tier_stats(it).online);
  /* Near has forgotten when calls are let in again. */
  assert_int_equal(CT_ERR_IO, ct_redis_get(it->redis, "never there", 11, NULL));
}

static void wait_online(tier *it) {
  assert_int_equal(CT_OK, ct_redis_wait(it->redis, CT_SECONDS(10)));
}

static void begin(tier *it, seen *events, uint64_t stale) {
  if (redis.pid == 0) {
    server_start(&redis, "");
    assert_true(peer_connect(&other, redis.port));
    proxy_start(&between, redis.port);
  }
  assert_string_equal("+OK", ASK(&other, "FLUSHALL"));
  between.mode = kPass;
  seen_begin(events);
  ct_redis_options options;
  tier_options(it, between.port, 100, &options);
  if (stale > 0) {
    ct_cache_free(it->near);
    ct_options near = CT_OPTIONS_INIT;
    near.maxsize = 100;
    near.stale = stale;
    near.flags = CT_FLAG_PRECISE_CLOCK; /* which allows the next */
    near.retry = 1;
    EXPECT(CT_OK, ct_cache_new_with(&near, &it->near));
    options.near = it->near;
  }
  options.listener = listens;
  options.user_data = events;
  tier_open(it, &options);
  wait_online(it);
}

#define OFFLINE_TEST(name, stale)                   \
  static void check_##name(tier *it, seen *events); \
  TEST(name) {                                      \
    tier it;                                        \
    seen events;                                    \
    begin(&it, &events, stale);                     \
    check_##name(&it, &events);                     \
    tier_close(&it);                                \
  }                                                 \
  static void check_##name(tier *it, __attribute__((unused)) seen *events)

static void cut_off(tier *it) {
  between.mode = kRefuse;
  wait_offline(it);
}

static void come_back(tier *it) {
  between.mode = kPass;
  wait_online(it);
  EXPECT(CT_OK, ct_redis_sync(it->redis));
}

OFFLINE_TEST(near_forgets_when_the_connection_is_lost, 0) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "one", 3, 0));
  cut_off(it);
  assert_false(ct_redis_is_fresh(it->redis));
  assert_int_equal(0, ct_len(it->near));
  EXPECT(CT_ERR_IO, ct_redis_get(it->redis, "k", 1, NULL));
  EXPECT(CT_ERR_IO, ct_redis_sync(it->redis));
  EXPECT(CT_BUSY, ct_redis_wait(it->redis, CT_MILLISECONDS(1)));
  assert_true(events->events[CT_REDIS_OFFLINE] > 0);
  come_back(it);
  reads(it, "k", "one");
}

OFFLINE_TEST(loads_go_on_and_stay_near_for_a_while, 0) {
  cut_off(it);
  source from = {.text = "loaded"};
  for (int i = 0; i < 3; i++) {
    EXPECT(CT_OK, ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, NULL));
    reads(it, "k", "loaded");
  }
  assert_int_equal(1, from.calls);
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  EXPECT(CT_OK, ct_inspect(it->near, "k", 1, &info));
  assert_in_range(info.remaining, 1, CT_MILLISECONDS(1010));
  come_back(it);
  assert_int_equal(0, ct_len(it->near));
  assert_string_equal("_", ASK(&other, "GET", "t:k"));
}

OFFLINE_TEST(a_stale_value_serves_when_its_renewal_fails, CT_SECONDS(100)) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "old", 3, 0));
  cut_off(it);
  EXPECT(CT_ERR_IO, ct_redis_get(it->redis, "k", 1, NULL));
  source from = {.status = CT_ERR_IO};
  ct_value value;
  EXPECT(CT_STALE, ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, &value));
  assert_memory_equal("old", value.data, 3);
  ct_value_release(&value);
  from = (source){.text = "new"};
  sleep_ms(20); /* retry, by the coarse clock */
  EXPECT(CT_OK, ct_redis_get_or_load(it->redis, "k", 1, 0, load_from_source, &from, &value));
  assert_memory_equal("new", value.data, 3);
  ct_value_release(&value);
  come_back(it);
  reads(it, "k", "old"); /* that is what the server has */
}

OFFLINE_TEST(what_is_written_offline_is_deleted_later, 0) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "a", 1, "old", 3, 0));
  EXPECT(CT_OK, ct_redis_set(it->redis, "b", 1, "old", 3, 0));
  EXPECT(CT_OK, ct_redis_set(it->redis, "c", 1, "old", 3, 0));
  cut_off(it);
  EXPECT(CT_ERR_IO, ct_redis_set(it->redis, "a", 1, "new", 3, 0));
  EXPECT(CT_ERR_IO, ct_redis_delete(it->redis, "b", 1));
  EXPECT(CT_ERR_IO, ct_redis_delete(it->redis, "b", 1));
  assert_int_equal(2, tier_stats(it).remembered);
  come_back(it);
  assert_string_equal("_", ASK(&other, "GET", "t:a"));
  assert_string_equal("_", ASK(&other, "GET", "t:b"));
  reads(it, "c", "old");
  assert_int_equal(0, tier_stats(it).remembered);
}

OFFLINE_TEST(more_than_can_be_remembered_is_told, 0) {
  cut_off(it);
  for (int i = 0; i < 10007; i++) {
    EXPECT(CT_ERR_IO, ct_redis_delete(it->redis, &i, sizeof i));
  }
  assert_int_equal(10000, tier_stats(it).remembered);
  assert_int_equal(7, tier_stats(it).overflows);
  assert_int_equal(7, events->events[CT_REDIS_OVERFLOW]);
  come_back(it);
  assert_int_equal(0, tier_stats(it).remembered);
}

OFFLINE_TEST(a_write_that_is_cut_off_is_deleted_later, 0) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "old", 3, 0));
  between.mode = kFreeze;
  EXPECT(CT_ERR_IO, ct_redis_set(it->redis, "k", 1, "new", 3, 0)); /* after max_stale */
  lacks_near(it, "k");
  come_back(it);
  assert_string_equal("_", ASK(&other, "GET", "t:k"));
}

TEST(a_write_that_takes_too_long_is_applied_in_its_turn) {
  tier it;
  seen events;
  begin(&it, &events, 0);
  tier_close(&it);
  ct_redis_options options;
  tier_options(&it, between.port, 100, &options);
  options.timeout = CT_MILLISECONDS(100);
  options.max_stale = CT_SECONDS(20);
  tier_open(&it, &options);
  wait_online(&it);
  EXPECT(CT_OK, ct_redis_set(it.redis, "k", 1, "old", 3, 0));
  between.mode = kFreeze;
  EXPECT(CT_ERR_IO, ct_redis_set(it.redis, "k", 1, "new", 3, 0));
  lacks_near(&it, "k");
  EXPECT(CT_ERR_IO, ct_redis_get(it.redis, "j", 1, NULL));
  /* A load beyond timeout goes on without the server, and its lease is given back. */
  source from = {.text = "loaded"};
  EXPECT(CT_OK, ct_redis_get_or_load(it.redis, "l", 1, 0, load_from_source, &from, NULL));
  lacks_near(&it, "l");
  assert_int_equal(3, tier_stats(&it).timeouts);
  between.mode = kPass;
  const uint64_t end = now_ns() + CT_SECONDS(10);
  while (ct_redis_sync(it.redis) != CT_OK && now_ns() < end) {
  }
  reads(&it, "k", "new");
  EXPECT(CT_OK, ct_redis_sync(it.redis));
  assert_string_equal("_", ASK(&other, "GET", "t:l"));
  assert_int_equal(0, tier_stats(&it).disconnects);
  tier_close(&it);
}

TEST(bytes_that_wait_are_bounded) {
  tier it;
  seen events;
  begin(&it, &events, 0);
  tier_close(&it);
  ct_redis_options options;
  tier_options(&it, between.port, 100, &options);
  options.timeout = CT_MILLISECONDS(10);
  options.max_stale = CT_SECONDS(20);
  options.max_pending = 1 << 20;
  options.max_value = 1 << 19;
  tier_open(&it, &options);
  wait_online(&it);
  between.mode = kFreeze;
  char *large = calloc(1, 200000);
  ct_status status = CT_ERR_IO;
  for (int i = 0; i < 200 && status == CT_ERR_IO; i++) {
    status = ct_redis_set(it.redis, "k", 1, large, 200000, 0);
  }
  assert_int_equal(CT_BUSY, status);
  assert_true(tier_stats(&it).pending_bytes <= 1 << 20);
  EXPECT(CT_ERR_TOO_LARGE, ct_redis_set(it.redis, "k", 1, large, (1 << 19) + 1, 0));
  free(large);
  between.mode = kPass;
  tier_close(&it);
}

TEST(a_value_that_takes_longer_than_max_stale_to_send_arrives) {
  tier it;
  seen events;
  begin(&it, &events, 0);
  tier_close(&it);
  proxy slow;
  proxy_start(&slow, redis.port);
  const int room = 65536; /* so that what is on its way waits here */
  setsockopt(slow.listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  ct_redis_options options;
  tier_options(&it, slow.port, 100, &options);
  options.timeout = CT_SECONDS(60);
  tier_open(&it, &options);
  wait_online(&it);
  const size_t size = 12000000;
  char *large = calloc(1, size);
  slow.delay_us = 5000; /* for each 16 KiB: 3.6 s, and max_stale is 1 s */
  const uint64_t begun = now_ns();
  EXPECT(CT_OK, ct_redis_set(it.redis, "k", 1, large, size, 0));
  assert_true(now_ns() - begun > CT_SECONDS(3));
  slow.delay_us = 0;
  EXPECT(CT_OK, ct_redis_sync(it.redis));
  assert_int_equal(0, tier_stats(&it).disconnects);
  free(large);
  tier_close(&it);
  proxy_stop(&slow);
}

/* The deadline of each step of the handshake. */
TEST(a_server_that_accepts_and_says_nothing_is_given_up) {
  tier it;
  seen events;
  begin(&it, &events, 0);
  tier_close(&it);
  seen_begin(&events);
  between.mode = kFreeze;
  ct_redis_options options;
  tier_options(&it, between.port, 100, &options);
  options.timeout = CT_MILLISECONDS(100);
  options.listener = listens;
  options.user_data = &events;
  tier_open(&it, &options);
  while (events.events[CT_REDIS_OFFLINE] < 2) sleep_ms(5);
  expect_why(&events, "the server does not answer");
  between.mode = kPass;
  wait_online(&it);
  tier_close(&it);
}

TEST(a_password_is_needed_and_given) {
  server guarded;
  server_start(&guarded, "--requirepass secret");
  tier it;
  seen events;
  seen_begin(&events);
  ct_redis_options options;
  tier_options(&it, guarded.port, 100, &options);
  options.listener = listens;
  options.user_data = &events;
  tier_open(&it, &options);
  while (events.events[CT_REDIS_OFFLINE] == 0) sleep_ms(5);
  expect_why(&events, "NOAUTH");
  ct_redis_close(it.redis);
  snprintf(it.url, sizeof it.url, "redis://default:secret@127.0.0.1:%d/3", guarded.port);
  tier_open(&it, &options);
  wait_online(&it);
  EXPECT(CT_OK, ct_redis_set(it.redis, "k", 1, "one", 3, 0));
  tier_close(&it);
  server_stop(&guarded);
}

TEST(a_local_socket_works) {
  server local;
  server_start(&local, "--unixsocket socket"); /* in its folder */
  tier it;
  ct_redis_options options;
  tier_options(&it, local.port, 100, &options);
  snprintf(it.url, sizeof it.url, "unix://%s/socket?db=1", local.folder);
  tier_open(&it, &options);
  wait_online(&it);
  EXPECT(CT_OK, ct_redis_set(it.redis, "k", 1, "one", 3, 0));
  ct_clear(it.near);
  reads(&it, "k", "one");
  tier_close(&it);
  server_stop(&local);
}

/* A primary that has become a replica is left, for another one may be behind its name by now. */
OFFLINE_TEST(a_read_only_server_is_left, 0) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "one", 3, 0));
  server primary;
  server_start(&primary, "");
  char port[16];
  snprintf(port, sizeof port, "%d", primary.port);
  assert_string_equal("+OK", ASK(&other, "REPLICAOF", "127.0.0.1", port));
  EXPECT(CT_ERR_IO, ct_redis_set(it->redis, "k", 1, "two", 3, 0));
  wait_offline(it);
  expect_why(events, "READONLY");
  assert_string_equal("+OK", ASK(&other, "REPLICAOF", "NO", "ONE"));
  come_back(it);
  assert_string_equal("_", ASK(&other, "GET", "t:k"));
  server_stop(&primary);
}

/* Nobody writes; the reads alone would go on for ever. */
OFFLINE_TEST(a_read_only_server_is_left_by_readers, 0) {
  EXPECT(CT_OK, ct_redis_set(it->redis, "k", 1, "one", 3, 0));
  server primary;
  server_start(&primary, "");
  char port[16];
  snprintf(port, sizeof port, "%d", primary.port);
  assert_string_equal("+OK", ASK(&other, "REPLICAOF", "127.0.0.1", port));
  const uint64_t end = now_ns() + CT_SECONDS(10);
  while (tier_stats(it).disconnects == 0 && now_ns() < end) {
    ct_redis_get(it->redis, "absent", 6, NULL); /* asks the server each time */
  }
  assert_int_equal(1, tier_stats(it).disconnects);
  assert_string_equal("+OK", ASK(&other, "REPLICAOF", "NO", "ONE"));
  come_back(it);
  server_stop(&primary);
}

TEST(everything_is_stopped) {
  peer_close(&other);
  proxy_stop(&between);
  server_stop(&redis);
}
