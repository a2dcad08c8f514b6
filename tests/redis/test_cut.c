/* SPDX-License-Identifier: MIT */
/* A session of 50 commands, whose connection is cut after each byte in either direction, in turn.
 * Whatever is cut: each call returns what it may; a write that returned CT_OK is on the server; one
 * that did not, is deleted there by the next connection; near is what the server has. */
#include <inttypes.h>
#include <stdatomic.h>

#include "fixture.h"

enum { kCommands = 50, kKeys = 5, kThreads = 24 };

static server redis;

typedef struct session {
  proxy between;
  tier it;
  peer client;
  char prefix[32];
  char values[kKeys][16]; /* on the server, as far as is known; empty: nothing */
  bool unknown[kKeys];    /* until the next connection has deleted it */
  bool was_cut;
  unsigned offline;
} session;

static ct_status load_text(void *self, const void *key, size_t key_size, ct_result *result) {
  (void)key;
  (void)key_size;
  return ct_result_set(result, self, strlen(self));
}

/* A value that is read must be the one that is there, unless a write was cut off. */
static void check_read(const session *it, int key, ct_status status, ct_value *value) {
  if (status == CT_OK && !it->unknown[key]) {
    assert_int_equal(strlen(it->values[key]), value->size);
    assert_memory_equal(it->values[key], value->data, value->size);
  } else if (status == CT_MISS && !it->unknown[key]) {
    assert_string_equal("", it->values[key]);
  } else if (status != CT_OK && status != CT_MISS) {
    assert_int_equal(CT_ERR_IO, status);
  }
  ct_value_release(value);
}

static void note_write(session *it, int key, ct_status status, const char *text) {
  if (status == CT_OK) {
    strcpy(it->values[key], text);
    it->unknown[key] = false;
    return;
  }
  assert_int_equal(CT_ERR_IO, status);
  it->values[key][0] = '\0'; /* later */
  it->unknown[key] = true;
}

/* What is loaded offline, or is not stored because the connection is cut, is not on the server. */
static void load(session *it, int key, const char *name, char *text) {
  ct_value value;
  const ct_status status = ct_redis_get_or_load(it->it.redis, name, 1, 0, load_text, text, &value);
  assert_int_equal(CT_OK, status);
  const bool is_new = value.size == strlen(text) && memcmp(value.data, text, value.size) == 0;
  if (!is_new && !it->unknown[key]) {
    assert_int_equal(strlen(it->values[key]), value.size);
    assert_memory_equal(it->values[key], value.data, value.size);
  }
  if (is_new) it->unknown[key] = true; /* stored, or not; the end tells */
  ct_value_release(&value);
}

static void command(session *it, int i) {
  const int key = i * 7 % kKeys;
  const char name[] = {(char)('a' + key), '\0'};
  char text[16];
  snprintf(text, sizeof text, "v%d", i);
  ct_value value = CT_VALUE_INIT;
  switch (i % 5) {
    case 0:
    case 1:
      note_write(it, key, ct_redis_set(it->it.redis, name, 1, text, strlen(text), 0), text);
      break;
    case 2: {
      const ct_status status = ct_redis_get(it->it.redis, name, 1, &value);
      check_read(it, key, status, &value);
      break;
    }
    case 3:
      load(it, key, name, text);
      break;
    default:
      if (i % 10 == 4) {
        note_write(it, key, ct_redis_delete(it->it.redis, name, 1), "");
      } else {
        const ct_bytes keys[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}, {"e", 1}};
        ct_value values[kKeys];
        ct_status statuses[kKeys];
        const ct_status status = ct_redis_get_many(it->it.redis, keys, kKeys, values, statuses);
        assert_int_equal(CT_OK, status);
        for (int k = 0; k < kKeys; k++) check_read(it, k, statuses[k], &values[k]);
      }
  }
}

static void check_end(session *it) {
  for (int key = 0; key < kKeys; key++) {
    const char name[] = {(char)('a' + key), '\0'};
    char full[64], room[64];
    snprintf(full, sizeof full, "%s%s", it->prefix, name);
    assert_non_null(ASK(&it->client, "GET", full));
    const ct_bytes expected = stored(it->values[key], room);
    if (!it->unknown[key]) {
      if (it->values[key][0] == '\0') {
        assert_string_equal("_", it->client.reply);
      } else {
        assert_int_equal(expected.size + 1, it->client.size);
        assert_memory_equal(expected.data, it->client.reply + 1, expected.size);
      }
    }
    ct_value near;
    if (ct_peek(it->it.near, name, 1, &near) != CT_OK) continue;
    assert_int_equal(near.size + 9, it->client.size);
    assert_memory_equal(near.data, it->client.reply + 1, near.size);
    ct_value_release(&near);
  }
}

/* Returns the bytes that went each way. */
static void run_session(session *it, const char *prefix, int64_t to_server, int64_t to_client,
                        uint64_t *bytes) {
  memset(it, 0, sizeof *it);
  snprintf(it->prefix, sizeof it->prefix, "%s", prefix);
  proxy_start(&it->between, redis.port);
  it->between.cut_to_server = to_server;
  it->between.cut_to_client = to_client;
  assert_true(peer_connect(&it->client, redis.port));
  ct_redis_options options;
  tier_options(&it->it, it->between.port, 100, &options);
  options.prefix = it->prefix;
  options.prefix_size = strlen(it->prefix);
  options.timeout = CT_SECONDS(20);
  options.max_stale = CT_SECONDS(20);
  tier_open(&it->it, &options);
  const bool cuts = to_server >= 0 || to_client >= 0;
  for (int i = 0; i < kCommands; i++) {
    if (i == 0 && !cuts) assert_int_equal(CT_OK, ct_redis_wait(it->it.redis, CT_SECONDS(10)));
    /* The first connection is cut, be it before it is online; the next ones are not. */
    while (i == 0 && cuts && it->between.connections < 2 &&
           ct_redis_wait(it->it.redis, CT_MILLISECONDS(1)) == CT_BUSY) {
    }
    if (it->between.connections > 1) it->between.cut_to_server = it->between.cut_to_client = -1;
    command(it, i);
  }
  bytes[0] = it->between.to_server;
  bytes[1] = it->between.to_client;
  it->between.cut_to_server = it->between.cut_to_client = -1;
  assert_int_equal(CT_OK, ct_redis_wait(it->it.redis, CT_SECONDS(20)));
  assert_int_equal(CT_OK, ct_redis_sync(it->it.redis));
  /* What was remembered is deleted before anything else. */
  for (int key = 0; key < kKeys; key++) {
    if (it->unknown[key] && it->values[key][0] == '\0') it->offline++;
  }
  assert_int_equal(0, tier_stats(&it->it).remembered);
  check_end(it);
  if (cuts) it->was_cut = tier_stats(&it->it).connects > 1 || it->between.connections > 1;
  peer_close(&it->client);
  tier_close(&it->it);
  proxy_stop(&it->between);
}

typedef struct sweep {
  _Atomic int64_t next;
  int64_t to_server, to_client;
  _Atomic uint64_t cut;
} sweep;

static void *run_sessions(void *self) {
  sweep *it = self;
  session *storage = malloc(sizeof *storage);
  for (int64_t i; (i = it->next++) < it->to_server + it->to_client;) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%05" PRId64 ":", i);
    uint64_t bytes[2];
    const bool is_to_server = i < it->to_server;
    run_session(storage, prefix, is_to_server ? i : -1, is_to_server ? -1 : i - it->to_server,
                bytes);
    it->cut += storage->was_cut;
  }
  free(storage);
  return NULL;
}

TEST(a_session_is_cut_after_each_byte) {
  server_start(&redis, "--maxclients 1000");
  session *whole = malloc(sizeof *whole);
  uint64_t bytes[2];
  run_session(whole, "whole:", -1, -1, bytes);
  free(whole);
  sweep all = {0, (int64_t)bytes[0], (int64_t)bytes[1], 0};
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; i++) pthread_create(&threads[i], NULL, run_sessions, &all);
  for (int i = 0; i < kThreads; i++) pthread_join(threads[i], NULL);
  print_message("# %" PRIu64 " bytes to the server, %" PRIu64 " to the client, %" PRIu64 " cut\n",
                bytes[0], bytes[1], (uint64_t)all.cut);
  assert_true(all.cut >= (bytes[0] + bytes[1]) * 9 / 10);
  server_stop(&redis);
}
