/* SPDX-License-Identifier: MIT */
/* No read returns a value that was replaced more than max_stale before it began, whatever happens to
 * the server, the network or this process. A worker process reads through a proxy; a writer in the
 * parent goes straight to the server, and notes when each value was replaced. */
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "crew.h"
#include "fixture.h"

enum { kReaders = 3, kKeys = 4, kMostVersions = 1 << 17 };
static const uint64_t kMaxStale = CT_MILLISECONDS(300);

typedef struct history {
  crew workers;
  _Atomic int port; /* 0: there is no proxy yet */
  _Atomic bool stops, loads, is_up;
  _Atomic uint64_t reads, near_reads, failures, misses, worst, late;
  _Atomic uint64_t version;                 /* that the writer has given last, of all keys */
  _Atomic uint64_t current[kKeys];          /* the source: what a loader would bring */
  _Atomic uint64_t replaced[kMostVersions]; /* when the writer was told so; 0: not yet */
  _Atomic uint64_t connects, offline_loads;
} history;

static server redis;
static proxy between;
static history *shared;

/* ---- The reader --------------------------------------------------------------------------------- */

static ct_status load_current(void *self, const void *key, size_t key_size, ct_result *result) {
  (void)self;
  (void)key_size;
  char text[32];
  const int size = sprintf(text, "%" PRIu64, (uint64_t)shared->current[*(const char *)key - '0']);
  return ct_result_set(result, text, (size_t)size);
}

static void judge(const ct_value *value, uint64_t begun) {
  const uint64_t version = strtoull(value->data, NULL, 10);
  assert_true(version < kMostVersions);
  shared->reads++;
  const uint64_t replaced = shared->replaced[version];
  if (replaced == 0 || replaced >= begun) return;
  const uint64_t age = begun - replaced;
  if (age > shared->worst) shared->worst = age;
  if (age > kMaxStale) shared->late++;
}

static void *read_on(void *self) {
  ct_redis *tier = self;
  for (unsigned i = 0; !shared->stops; i++) {
    const char key = (char)('0' + i % kKeys);
    ct_value value;
    const uint64_t begun = now_ns();
    const ct_status status =
        shared->loads ? ct_redis_get_or_load(tier, &key, 1, 0, load_current, NULL, &value)
                      : ct_redis_get(tier, &key, 1, &value);
    if (status == CT_OK) {
      judge(&value, begun);
    } else if (status == CT_MISS) {
      shared->misses++;
    } else {
      assert_int_equal(CT_ERR_IO, status);
      shared->failures++;
    }
    ct_value_release(&value);
    const struct timespec pause = {0, 50000};
    nanosleep(&pause, NULL);
  }
  return NULL;
}

static void read_in_process(int number, void *memory) {
  (void)number;
  (void)memory;
  while (shared->port == 0) sleep_ms(1);
  tier it;
  ct_redis_options options;
  tier_options(&it, shared->port, 1000, &options);
  options.max_stale = kMaxStale;
  tier_open(&it, &options);
  assert_int_equal(CT_OK, ct_redis_wait(it.redis, CT_SECONDS(10)));
  crew_meet(&shared->workers);
  pthread_t threads[kReaders];
  for (int i = 0; i < kReaders; i++) pthread_create(&threads[i], NULL, read_on, it.redis);
  for (int i = 0; i < kReaders; i++) pthread_join(threads[i], NULL);
  /* In the end the server is there again. */
  assert_int_equal(CT_OK, ct_redis_wait(it.redis, CT_SECONDS(10)));
  assert_int_equal(CT_OK, ct_redis_sync(it.redis));
  const ct_redis_counters counters = tier_stats(&it);
  shared->connects = counters.connects;
  shared->offline_loads = counters.offline_loads;
  tier_close(&it);
}

/* ---- The writer --------------------------------------------------------------------------------- */

/* The value must be acknowledged before the one that it replaces counts as replaced. */
static void *write_on(void *unused) {
  (void)unused;
  peer *client = malloc(sizeof *client);
  bool connected = false;
  for (unsigned i = 0; !shared->stops; i++) {
    if (!connected && !(connected = peer_connect(client, redis.port))) {
      sleep_ms(10);
      continue;
    }
    const unsigned key = i % kKeys;
    const uint64_t version = ++shared->version;
    assert_true(version < kMostVersions);
    char name[] = {'t', ':', (char)('0' + key), '\0'};
    char text[32], room[64];
    sprintf(text, "%" PRIu64, version);
    const uint64_t before = shared->current[key];
    shared->current[key] = version; /* the source comes first */
    const ct_bytes words[] = {{"SET", 3}, {name, 3}, stored(text, room)};
    const char *reply = peer_ask_bytes(client, 3, words);
    if (reply == NULL) {
      peer_close(client);
      connected = false;
      shared->current[key] = before; /* it did not happen, as far as anybody was told */
      continue;
    }
    assert_string_equal("+OK", reply);
    shared->replaced[before] = now_ns();
    sleep_ms(1);
  }
  if (connected) peer_close(client);
  free(client);
  return NULL;
}

static void watch(const char *what, bool loads, void (*disturb)(void)) {
  server_start(&redis, "");
  shared = shared_memory(sizeof *shared);
  shared->loads = loads;
  /* Before there are threads, for ThreadSanitizer. */
  crew_start(&shared->workers, 1, read_in_process, shared);
  proxy_start(&between, redis.port);
  shared->port = between.port;
  crew_meet(&shared->workers);
  pthread_t writer;
  pthread_create(&writer, NULL, write_on, NULL);
  sleep_ms(300);
  const uint64_t before = shared->reads;
  assert_true(before > 0);
  disturb();
  sleep_ms(400);
  const uint64_t during = shared->reads;
  const uint64_t end = now_ns() + CT_SECONDS(10);
  while (shared->reads <= during && now_ns() < end) sleep_ms(10);
  assert_true(shared->reads > during); /* it has recovered */
  sleep_ms(200);
  shared->stops = true;
  pthread_join(writer, NULL);
  crew_end(&shared->workers);
  print_message("# %s: %" PRIu64 " reads, oldest %.1f ms, %" PRIu64 " too old, %" PRIu64
                " failed, %" PRIu64 " connections, %" PRIu64 " loads offline\n",
                what, (uint64_t)shared->reads, (double)shared->worst / 1e6, (uint64_t)shared->late,
                (uint64_t)shared->failures, (uint64_t)shared->connects,
                (uint64_t)shared->offline_loads);
  assert_int_equal(0, shared->late);
  proxy_stop(&between);
  server_stop(&redis);
}

/* ---- Disturbances ------------------------------------------------------------------------------- */

static void nothing(void) {}

static void freezes_the_network(void) {
  between.mode = kFreeze;
  sleep_ms(1500);
  between.mode = kPass;
}

static void delays_the_network(void) {
  between.delay_us = 100000;
  sleep_ms(1500);
  between.delay_us = 0;
}

static void resets(void) {
  for (int i = 0; i < 3; i++) {
    between.mode = kReset;
    sleep_ms(200);
    between.mode = kPass;
    sleep_ms(300);
  }
}

static void half_closes(void) {
  between.mode = kHalfClose;
  sleep_ms(1000);
  between.mode = kPass;
}

static void stops_the_server(void) {
  server_freeze(&redis);
  sleep_ms(5000);
  server_thaw(&redis);
}

static void kills_the_server(void) {
  server_kill(&redis);
  sleep_ms(1000);
  server_restart(&redis);
}

static void stops_the_reader(void) {
  for (int i = 0; i < 2; i++) {
    kill(shared->workers.pids[0], SIGSTOP);
    sleep_ms(1000);
    kill(shared->workers.pids[0], SIGCONT);
    sleep_ms(500);
  }
}

static void kills_connections(void) {
  for (int i = 0; i < 5; i++) {
    peer client;
    assert_true(peer_connect(&client, redis.port));
    ASK(&client, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    peer_close(&client);
    sleep_ms(200);
  }
}

#define STALENESS_TEST(disturbance)                     \
  TEST(no_read_is_too_old_while_it_##disturbance) {     \
    watch(#disturbance, false, disturbance);            \
  }                                                     \
  TEST(no_load_is_too_old_while_it_##disturbance) {     \
    watch(#disturbance ", loading", true, disturbance); \
  }

STALENESS_TEST(nothing)
STALENESS_TEST(freezes_the_network)
STALENESS_TEST(delays_the_network)
STALENESS_TEST(resets)
STALENESS_TEST(half_closes)
STALENESS_TEST(stops_the_server)
STALENESS_TEST(kills_the_server)
STALENESS_TEST(stops_the_reader)
STALENESS_TEST(kills_connections)
