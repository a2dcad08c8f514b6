/* SPDX-License-Identifier: MIT */
/* What the tests of libcachetools-redis share: a server of their own on a free port of the loopback
 * address, which ends with the test; a plain client, as any other program; a proxy that misbehaves on
 * demand; a tier with its near cache. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <cachetools-redis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/types.h>

#include "support.h"

uint64_t now_ns(void);
void sleep_ms(uint64_t ms);

/* ---- Servers ------------------------------------------------------------------------------- */

typedef struct server {
  pid_t pid;
  int port;
  char arguments[256];
  char password[32];
  char folder[40]; /* its own; gone when it is stopped */
} server;

/* Starts the program that CT_REDIS_SERVER names, and waits until it answers. Arguments are separated
 * by blanks; empty: none. */
void server_start(server *it, const char *arguments);
/* The same again, on the same port. */
void server_restart(server *it);
void server_kill(server *it); /* kill -9 */
void server_stop(server *it); /* for good */
void server_freeze(server *it);
void server_thaw(server *it);
/* Whether it knows SET ... IFEQ. */
bool server_has_ifeq(server *it);

int free_port(void);

/* ---- Another program ----------------------------------------------------------------------- */

/* A blocking connection. */
typedef struct peer {
  int socket;
  char reply[65536]; /* the first character says the type; nil is "_"; of an array, how many */
  size_t size;       /* of the reply, without a zero at its end */
  size_t begin, end; /* of what was read */
  char buffer[65536];
} peer;

bool peer_connect(peer *it, int port);
void peer_close(peer *it);
/* Sends a command of so many words, and returns the reply; NULL if the connection is gone. */
const char *peer_ask(peer *it, size_t count, const char *const *words);
const char *peer_ask_bytes(peer *it, size_t count, const ct_bytes *words);
#define ASK(it, ...)                                                   \
  peer_ask(it, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
           (const char *[]){__VA_ARGS__})
/* Connects, asks, compares and closes. */
#define ASK_ONCE(server, expected, ...)               \
  do {                                                \
    peer once;                                        \
    assert_true(peer_connect(&once, (server)->port)); \
    const char *answer = ASK(&once, __VA_ARGS__);     \
    assert_non_null(answer);                          \
    assert_string_equal(answer, expected);            \
    peer_close(&once);                                \
  } while (0)

/* What this library stores for a value. */
ct_bytes stored(const char *value, char *room);

/* ---- A proxy ------------------------------------------------------------------------------- */

typedef enum proxy_mode {
  kPass,
  kFreeze,    /* accepts, and forwards nothing */
  kHalfClose, /* has ended the server's half of new and open connections, and forwards the other */
  kReset,     /* resets open connections, and new ones */
  kRefuse,    /* closes open connections, and new ones */
} proxy_mode;

typedef struct proxy {
  int port;
  int server_port;
  int listener;
  pthread_t thread;
  _Atomic int mode;
  _Atomic uint64_t delay_us;     /* before each piece */
  _Atomic int64_t cut_to_server; /* after so many bytes, both ends are closed; -1: never */
  _Atomic int64_t cut_to_client;
  _Atomic uint64_t to_server; /* bytes forwarded so far */
  _Atomic uint64_t to_client;
  _Atomic uint64_t connections;
  _Atomic uint64_t round_trips; /* times that the client spoke since the server did */
  bool is_asking;
  _Atomic bool stop;
} proxy;

void proxy_start(proxy *it, int server_port);
void proxy_stop(proxy *it);

/* ---- A tier -------------------------------------------------------------------------------- */

typedef struct tier {
  ct_cache *near;
  ct_redis *redis;
  char url[128];
} tier;

/* Fills in options for a server on that port, with the prefix "t:" and an LRU cache of so many
 * entries. What they are to say otherwise is set before tier_open. */
void tier_options(tier *it, int port, uint64_t entries, ct_redis_options *options);
void tier_open(tier *it, const ct_redis_options *options);
void tier_close(tier *it);
/* Both, with the defaults, and waits until it is online. */
void tier_begin(tier *it, int port);

ct_redis_counters tier_stats(tier *it);

/* What CALL returns must be this. */
#define EXPECT(status, call) assert_int_equal(status, call)
void reads(tier *it, const char *key, const char *value);
void has_near(tier *it, const char *key, const char *value);
void lacks_near(tier *it, const char *key);

/* A loader that counts its calls and returns `status` or the value `text`. */
typedef struct source {
  const char *text;
  ct_status status;
  _Atomic int calls;
  uint64_t delay_ms;
  void (*during)(struct source *it);
  void *more;
} source;
ct_status load_from_source(void *it, const void *key, size_t key_size, ct_result *result);

#endif
