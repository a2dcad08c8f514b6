/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void sleep_ms(uint64_t ms) {
  const struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
  nanosleep(&time, NULL);
}

/* ---- Servers ------------------------------------------------------------------------------- */

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in address = {0};
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int listen_on(int port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const struct sockaddr_in address = loopback(port);
  assert_int_equal(0, bind(descriptor, (const struct sockaddr *)&address, sizeof address));
  assert_int_equal(0, listen(descriptor, 128));
  return descriptor;
}

static int port_of(int descriptor) {
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  getsockname(descriptor, (struct sockaddr *)&address, &size);
  return ntohs(address.sin_port);
}

int free_port(void) {
  const int descriptor = listen_on(0);
  const int port = port_of(descriptor);
  close(descriptor);
  return port;
}

static bool answers(int port, const char *password) {
  peer it;
  if (!peer_connect(&it, port)) return false;
  const char *reply = *password != '\0' ? ASK(&it, "AUTH", password) : ASK(&it, "PING");
  const bool good = reply != NULL && reply[0] == '+';
  peer_close(&it);
  return good;
}

static void launch(server *it) {
  const char *program = getenv("CT_REDIS_SERVER");
  assert_non_null(program);
  const pid_t parent = getpid();
  it->pid = fork();
  assert_true(it->pid >= 0);
  if (it->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    char port[16];
    snprintf(port, sizeof port, "%d", it->port);
    char words[256];
    snprintf(words, sizeof words, "%s", it->arguments);
    const char *arguments[40] = {program,   "--port", port,           "--bind", "127.0.0.1",
                                 "--save",  "",       "--appendonly", "no",     "--loglevel",
                                 "warning", "--dir",  it->folder};
    size_t count = 13;
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
      arguments[count++] = word;
    }
    freopen("/dev/null", "w", stdout);
    execv(program, (char **)(uintptr_t)arguments);
    _exit(127);
  }
}

void server_restart(server *it) {
  for (int attempt = 0; attempt < 100; attempt++) {
    if (attempt % 20 == 0) {
      if (attempt > 0) server_kill(it);
      launch(it);
    }
    for (int i = 0; i < 10; i++) {
      if (answers(it->port, it->password)) return;
      sleep_ms(10);
    }
  }
  fail_msg("the server does not answer");
}

void server_start(server *it, const char *arguments) {
  memset(it, 0, sizeof *it);
  snprintf(it->arguments, sizeof it->arguments, "%s", arguments);
  const char *password = strstr(arguments, "--requirepass ");
  if (password != NULL) sscanf(password, "--requirepass %31s", it->password);
  snprintf(it->folder, sizeof it->folder, "/tmp/ct-redis-XXXXXX");
  assert_non_null(mkdtemp(it->folder));
  it->port = free_port();
  server_restart(it);
}

void server_kill(server *it) {
  if (it->pid <= 0) return;
  kill(it->pid, SIGKILL);
  waitpid(it->pid, NULL, 0);
  it->pid = 0;
}

static void remove_folder(const char *path) {
  DIR *folder = opendir(path);
  assert_non_null(folder);
  for (const struct dirent *file; (file = readdir(folder)) != NULL;) {
    if (file->d_name[0] != '.') unlinkat(dirfd(folder), file->d_name, 0);
  }
  closedir(folder);
  assert_int_equal(0, rmdir(path));
}

void server_stop(server *it) {
  server_kill(it);
  remove_folder(it->folder);
}
void server_freeze(server *it) {
  kill(it->pid, SIGSTOP);
}
void server_thaw(server *it) {
  kill(it->pid, SIGCONT);
}

bool server_has_ifeq(server *it) {
  peer client;
  assert_true(peer_connect(&client, it->port));
  const char *reply = ASK(&client, "SET", "absent", "value", "IFEQ", "other");
  assert_non_null(reply);
  const bool has = reply[0] != '-';
  peer_close(&client);
  return has;
}

/* ---- Another program ----------------------------------------------------------------------- */

static int connect_to(int port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const struct sockaddr_in address = loopback(port);
  if (connect(descriptor, (const struct sockaddr *)&address, sizeof address) != 0) {
    close(descriptor);
    return -1;
  }
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return descriptor;
}

bool peer_connect(peer *it, int port) {
  it->begin = it->end = 0;
  it->socket = connect_to(port);
  return it->socket >= 0;
}

void peer_close(peer *it) {
  close(it->socket);
}

static bool send_all(int descriptor, const char *data, size_t size) {
  while (size > 0) {
    const ssize_t sent = send(descriptor, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    data += sent;
    size -= (size_t)sent;
  }
  return true;
}

static int next_byte(peer *it) {
  if (it->begin == it->end) {
    ssize_t size;
    do size = recv(it->socket, it->buffer, sizeof it->buffer, 0);
    while (size < 0 && errno == EINTR);
    if (size <= 0) return -1;
    it->begin = 0;
    it->end = (size_t)size;
  }
  return (unsigned char)it->buffer[it->begin++];
}

static bool read_line(peer *it, char *line, size_t capacity) {
  size_t size = 0;
  for (;;) {
    const int c = next_byte(it);
    if (c < 0) return false;
    if (c == '\n') break;
    if (c != '\r' && size + 1 < capacity) line[size++] = (char)c;
  }
  line[size] = '\0';
  return true;
}

static const char *read_reply(peer *it) {
  char line[1024];
  if (!read_line(it, line, sizeof line)) return NULL;
  it->size = strlen(line);
  memcpy(it->reply, line, it->size + 1);
  if (line[0] == '$') {
    const long size = strtol(line + 1, NULL, 10);
    if (size < 0) return strcpy(it->reply, "_");
    it->reply[0] = '$';
    for (long i = 0; i < size + 2; i++) {
      const int c = next_byte(it);
      if (c < 0) return NULL;
      if (i < size && (size_t)i + 2 < sizeof it->reply) it->reply[i + 1] = (char)c;
    }
    it->size = (size_t)size + 1;
    it->reply[it->size] = '\0';
  } else if (line[0] == '*') {
    const long count = strtol(line + 1, NULL, 10);
    char whole[64];
    snprintf(whole, sizeof whole, "%s", line);
    for (long i = 0; i < count; i++) {
      if (read_reply(it) == NULL) return NULL;
    }
    strcpy(it->reply, whole);
  }
  return it->reply;
}

const char *peer_ask_bytes(peer *it, size_t count, const ct_bytes *words) {
  char head[32];
  int size = snprintf(head, sizeof head, "*%zu\r\n", count);
  if (!send_all(it->socket, head, (size_t)size)) return NULL;
  for (size_t i = 0; i < count; i++) {
    size = snprintf(head, sizeof head, "$%zu\r\n", words[i].size);
    if (!send_all(it->socket, head, (size_t)size) ||
        !send_all(it->socket, words[i].data, words[i].size) || !send_all(it->socket, "\r\n", 2)) {
      return NULL;
    }
  }
  return read_reply(it);
}

const char *peer_ask(peer *it, size_t count, const char *const *words) {
  ct_bytes bytes[16];
  for (size_t i = 0; i < count; i++) bytes[i] = (ct_bytes){words[i], strlen(words[i])};
  return peer_ask_bytes(it, count, bytes);
}

ct_bytes stored(const char *value, char *room) {
  const size_t size = strlen(value);
  memcpy(room, value, size);
  memcpy(room + size, "\0\0\0\0\0\0\1\xC7", 8);
  return (ct_bytes){room, size + 8};
}

/* ---- A proxy ------------------------------------------------------------------------------- */

enum { kMaxLinks = 64 };

typedef struct link_pair {
  int client, server;
  bool half_closed;
} link_pair;

static void cut(link_pair *pair, bool by_reset) {
  const struct linger at_once = {1, 0};
  if (by_reset) setsockopt(pair->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(pair->client);
  close(pair->server);
  pair->client = pair->server = -1;
}

/* Forwards what is there. Returns false if the connection has come to its end. */
static bool forward(proxy *it, int from, int to, _Atomic uint64_t *done, _Atomic int64_t *limit) {
  char data[16384];
  size_t most = sizeof data;
  const int64_t most_ever = *limit;
  if (most_ever >= 0) {
    const uint64_t left = (uint64_t)most_ever > *done ? (uint64_t)most_ever - *done : 0;
    if (left == 0) return false;
    if (left < most) most = left;
  }
  const ssize_t size = recv(from, data, most, MSG_DONTWAIT);
  if (size == 0) return false;
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  const uint64_t delay = it->delay_us;
  if (delay > 0) {
    const struct timespec time = {(time_t)(delay / 1000000), (long)(delay % 1000000) * 1000};
    nanosleep(&time, NULL);
  }
  if (!send_all(to, data, (size_t)size)) return false;
  *done += (uint64_t)size;
  return !(most_ever >= 0 && *done >= (uint64_t)most_ever);
}

static void accept_one(proxy *it, link_pair *pairs) {
  const int client = accept(it->listener, NULL, NULL);
  if (client < 0) return;
  it->connections++;
  const int on = 1;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  link_pair pair = {client, -1, false};
  if (it->mode == kReset || it->mode == kRefuse ||
      (pair.server = connect_to(it->server_port)) < 0) {
    cut(&pair, it->mode == kReset);
    return;
  }
  for (int i = 0; i < kMaxLinks; i++) {
    if (pairs[i].client < 0) {
      pairs[i] = pair;
      return;
    }
  }
  cut(&pair, false);
}

static void *run_proxy(void *self) {
  proxy *it = self;
  link_pair pairs[kMaxLinks];
  for (int i = 0; i < kMaxLinks; i++) pairs[i] = (link_pair){-1, -1, false};
  while (!it->stop) {
    struct pollfd set[1 + 2 * kMaxLinks];
    set[0] = (struct pollfd){it->listener, POLLIN, 0};
    const bool forwards = it->mode == kPass || it->mode == kHalfClose;
    for (int i = 0; i < kMaxLinks; i++) {
      link_pair *pair = &pairs[i];
      if (pair->client >= 0 && (it->mode == kReset || it->mode == kRefuse)) {
        cut(pair, it->mode == kReset);
      }
      if (pair->client >= 0 && it->mode == kHalfClose && !pair->half_closed) {
        shutdown(pair->client, SHUT_WR);
        pair->half_closed = true;
      }
      set[1 + 2 * i] = (struct pollfd){forwards ? pair->client : -1, POLLIN, 0};
      set[2 + 2 * i] =
          (struct pollfd){forwards && !pair->half_closed ? pair->server : -1, POLLIN, 0};
    }
    if (poll(set, 1 + 2 * kMaxLinks, 2) <= 0) continue;
    for (int i = 0; i < kMaxLinks; i++) {
      link_pair *pair = &pairs[i];
      if (pair->client < 0) continue;
      bool good = true;
      if (set[1 + 2 * i].revents != 0) {
        if (!it->is_asking) it->round_trips++;
        it->is_asking = true;
        good = forward(it, pair->client, pair->server, &it->to_server, &it->cut_to_server);
      }
      if (good && set[2 + 2 * i].revents != 0) {
        it->is_asking = false;
        good = forward(it, pair->server, pair->client, &it->to_client, &it->cut_to_client);
      }
      if (!good) cut(pair, false);
    }
    if (set[0].revents != 0) accept_one(it, pairs);
  }
  for (int i = 0; i < kMaxLinks; i++) {
    if (pairs[i].client >= 0) cut(&pairs[i], false);
  }
  return NULL;
}

void proxy_start(proxy *it, int server_port) {
  memset(it, 0, sizeof *it);
  it->server_port = server_port;
  it->cut_to_server = it->cut_to_client = -1;
  it->listener = listen_on(0);
  it->port = port_of(it->listener);
  assert_int_equal(0, pthread_create(&it->thread, NULL, run_proxy, it));
}

void proxy_stop(proxy *it) {
  it->stop = true;
  pthread_join(it->thread, NULL);
  close(it->listener);
}

/* ---- A tier -------------------------------------------------------------------------------- */

void tier_options(tier *it, int port, uint64_t entries, ct_redis_options *options) {
  memset(it, 0, sizeof *it);
  snprintf(it->url, sizeof it->url, "redis://127.0.0.1:%d", port);
  it->near = ct_cache_new(CT_POLICY_LRU, entries);
  assert_non_null(it->near);
  ct_redis_options_init(options, sizeof *options);
  options->url = it->url;
  options->near = it->near;
  options->prefix = "t:";
  options->prefix_size = 2;
}

void tier_open(tier *it, const ct_redis_options *options) {
  const char *problem = ct_redis_problem(options);
  if (problem != NULL) fail_msg("%s", problem);
  assert_int_equal(CT_OK, ct_redis_open(options, &it->redis));
}

void tier_close(tier *it) {
  ct_redis_close(it->redis);
  assert_int_equal(0, ct_len(it->near));
  ct_cache_free(it->near);
}

void tier_begin(tier *it, int port) {
  ct_redis_options options;
  tier_options(it, port, 100000, &options);
  tier_open(it, &options);
  assert_int_equal(CT_OK, ct_redis_wait(it->redis, CT_SECONDS(10)));
}

ct_redis_counters tier_stats(tier *it) {
  ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
  assert_int_equal(CT_OK, ct_redis_stats(it->redis, &counters));
  return counters;
}

static void expect_bytes(const ct_value *value, const char *text) {
  assert_int_equal(strlen(text), value->size);
  assert_memory_equal(text, value->data, value->size);
}

void reads(tier *it, const char *key, const char *text) {
  ct_value value;
  assert_int_equal(CT_OK, ct_redis_get(it->redis, key, strlen(key), &value));
  expect_bytes(&value, text);
  ct_value_release(&value);
}

void has_near(tier *it, const char *key, const char *text) {
  ct_value value;
  assert_int_equal(CT_OK, ct_peek(it->near, key, strlen(key), &value));
  expect_bytes(&value, text);
  ct_value_release(&value);
}

void lacks_near(tier *it, const char *key) {
  assert_int_equal(CT_MISS, ct_peek(it->near, key, strlen(key), NULL));
}

ct_status load_from_source(void *self, const void *key, size_t key_size, ct_result *result) {
  (void)key;
  (void)key_size;
  source *it = self;
  it->calls++;
  if (it->during != NULL) it->during(it);
  if (it->delay_ms > 0) sleep_ms(it->delay_ms);
  if (it->status != CT_OK) return it->status;
  return ct_result_set(result, it->text, strlen(it->text));
}
