/* SPDX-License-Identifier: MIT */
/* A program that its user never builds again, as ../abi/client.c: check_clients.sh compiles it with
 * the headers of an earlier release, and runs it with the libraries of today. It starts the server
 * that CT_REDIS_SERVER names, at a socket in the folder where it runs.
 *
 * Functions that came after 0.1 are called only if the header has them: #if CT_VERSION_MINOR >=
 * 2. */
#include "client.h"

#include <cachetools-redis.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char url[128];
static pid_t server;

static void start_server(void) {
  char folder[100];
  CHECK(getcwd(folder, sizeof folder) != NULL);
  snprintf(url, sizeof url, "unix://%s/socket", folder);
  const char *program = getenv("CT_REDIS_SERVER");
  CHECK(program != NULL);
  server = fork();
  if (server == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CHECK(freopen("/dev/null", "w", stdout) != NULL);
    execl(program, program, "--port", "0", "--unixsocket", "socket", "--save", "", "--loglevel",
          "warning", (char *)NULL);
    _exit(127);
  }
  CHECK(server > 0);
}

static void stop_server(void) {
  CHECK(kill(server, SIGKILL) == 0 && waitpid(server, NULL, 0) == server);
}

/* ---- Tiers ---- */

typedef struct tier {
  ct_cache *near;
  ct_redis *redis;
  char log[256]; /* "3 key " for each event of kind 3 */
} tier;

/* On the thread of the tier. So the log is read once the tier is closed. */
static void listen(void *user_data, const ct_redis_event *event) {
  tier *self = user_data;
  const size_t used = strlen(self->log);
  snprintf(self->log + used, sizeof self->log - used, "%d %.*s ", (int)event->kind,
           (int)event->key.size, (const char *)event->key.data);
}

static ct_redis_options options_for(tier *self) {
  memset(self, 0, sizeof *self);
  self->near = ct_cache_new(CT_POLICY_LRU, 100);
  ct_redis_options options = CT_REDIS_OPTIONS_INIT;
  options.url = url;
  options.near = self->near;
  options.prefix = "t:, and more";
  options.prefix_size = 2;
  options.max_stale = CT_SECONDS(10);
  options.user_data = self;
  options.listener = listen;
  return options;
}

static void open_with(tier *self, const ct_redis_options *options) {
  CHECK(ct_redis_problem(options) == NULL);
  CHECK(ct_redis_open(options, &self->redis) == CT_OK && self->redis != NULL);
  CHECK(ct_redis_wait(self->redis, CT_SECONDS(10)) == CT_OK);
}

static void open_tier(tier *self) {
  const ct_redis_options options = options_for(self);
  open_with(self, &options);
}

static void drop_tier(tier *self) {
  ct_redis_close(self->redis);
  ct_cache_free(self->near);
}

static void close_tier(tier *self, const char *expected) {
  drop_tier(self);
  if (strcmp(expected, self->log) != 0) fprintf(stderr, "told: \"%s\"\n", self->log);
  CHECK(strcmp(expected, self->log) == 0);
}

/* Those that come later are told nothing of a server that is not there yet. */
static void wait_for_server(void) {
  tier first;
  open_tier(&first);
  drop_tier(&first);
}

static bool reads(tier *self, const char *key, const char *text) {
  ct_value value;
  CHECK(ct_redis_sync(self->redis) == CT_OK);
  return ct_redis_get(self->redis, key, strlen(key), &value) == CT_OK && take(&value, text);
}

/* Whether what is near has so many seconds left, or up to 5 less. */
static bool lasts(tier *self, const char *key, uint64_t seconds) {
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  CHECK(ct_inspect(self->near, key, strlen(key), &info) == CT_OK);
  return info.remaining <= CT_SECONDS(seconds) && info.remaining > CT_SECONDS(seconds - 5);
}

/* ---- Fixed data ---- */

static void check_initializers(void) {
  CHECK_INIT(ct_redis_options, CT_REDIS_OPTIONS_INIT);
  CHECK_INIT(ct_redis_counters, CT_REDIS_COUNTERS_INIT);
}

static bool is_problem(const ct_redis_options *options, const char *field) {
  const char *problem = ct_redis_problem(options);
  ct_redis *redis;
  CHECK(ct_redis_open(options, &redis) == CT_ERR_INVALID && redis == NULL);
  return problem != NULL && strncmp(field, problem, strlen(field)) == 0;
}

/* Each field with a value that only the others may have. */
static void check_problems(void) {
#define IS_PROBLEM(field, value, text)             \
  do {                                             \
    ct_redis_options wrong = options_for(&unused); \
    wrong.field = value;                           \
    CHECK(is_problem(&wrong, text));               \
    ct_cache_free(unused.near);                    \
  } while (0)
  tier unused;
  IS_PROBLEM(struct_size, 1, "struct_size ");
  IS_PROBLEM(flags, 4, "flags ");
  IS_PROBLEM(reserved, 4, "reserved ");
  IS_PROBLEM(url, "t:", "url ");
  IS_PROBLEM(prefix, NULL, "prefix ");
  IS_PROBLEM(prefix_size, 65536, "prefix_size ");
  IS_PROBLEM(ttl, 999999, "ttl, ");
  IS_PROBLEM(near_ttl, 999999, "ttl, near_ttl ");
  IS_PROBLEM(offline_ttl, 999999, "ttl, near_ttl or offline_ttl ");
  IS_PROBLEM(max_stale, 49999999, "max_stale ");
  IS_PROBLEM(lease, 999999, "lease ");
  IS_PROBLEM(max_value, (256u << 20) + 1, "max_value ");
  IS_PROBLEM(max_pending, 16u << 20, "max_pending ");
}

/* ---- Reading and writing ---- */

static void check_values(void) {
  tier one, other;
  ct_redis_options options = options_for(&one);
  options.ttl = CT_SECONDS(1000);
  options.near_ttl = CT_SECONDS(20);
  options.max_value = 10;
  open_with(&one, &options);
  open_tier(&other);

  CHECK(ct_redis_set(one.redis, "key", 3, "value", 5, CT_SECONDS(50)) == CT_OK);
  CHECK(reads(&other, "key", "value") && lasts(&one, "key", 20) && lasts(&other, "key", 50));
  CHECK(ct_redis_set(one.redis, "key", 3, "lasts long", 10, 0) == CT_OK);
  CHECK(reads(&other, "key", "lasts long") && lasts(&other, "key", 1000));
  CHECK(ct_redis_set(one.redis, "key", 3, "longer than", 11, 0) == CT_ERR_TOO_LARGE);

  char buffer[12] = "";
  size_t size = 0;
  CHECK(ct_redis_get_copy(other.redis, "key", 3, buffer, sizeof buffer, &size) == CT_OK);
  CHECK(is_text(buffer, size, "lasts long"));
  CHECK(ct_redis_get_copy(other.redis, "key", 3, buffer, 9, &size) == CT_ERR_BUFFER && size == 10);

  CHECK(ct_redis_set(one.redis, "a", 1, "11", 2, 0) == CT_OK);
  CHECK(ct_redis_set(one.redis, "bb", 2, "2", 1, 0) == CT_OK);
  const ct_bytes keys[] = {{"bb", 2}, {"no", 2}, {"a", 1}};
  ct_value values[3];
  ct_status statuses[3];
  CHECK(ct_redis_sync(other.redis) == CT_OK);
  CHECK(ct_redis_get_many(other.redis, keys, 3, values, statuses) == CT_OK);
  CHECK(statuses[0] == CT_OK && statuses[1] == CT_MISS && statuses[2] == CT_OK);
  CHECK(take(&values[0], "2") && values[1].data == NULL && take(&values[2], "11"));

  ct_value value;
  CHECK(ct_redis_delete(one.redis, "a", 1) == CT_OK && ct_redis_sync(other.redis) == CT_OK);
  CHECK(ct_redis_get(other.redis, "a", 1, &value) == CT_MISS && value.data == NULL);
  CHECK(ct_redis_is_fresh(other.redis) && !ct_redis_is_fresh(NULL));
  CHECK(ct_redis_fd(one.redis) == -1 && ct_redis_step(one.redis) == CT_ERR_UNSUPPORTED);
  close_tier(&one, "0  1  ");
  close_tier(&other, "0  1  ");
}

/* A tier without a prefix, and values without a trailer. */
static void check_keys_of_the_server(void) {
  tier one, all;
  open_tier(&one);
  ct_redis_options options = options_for(&all);
  options.prefix_size = 0;
  open_with(&all, &options);
  CHECK(ct_redis_set(one.redis, "key", 3, "value", 5, 0) == CT_OK && reads(&all, "t:key", "value"));
  close_tier(&all, "0  1  ");

  options = options_for(&all);
  options.flags = CT_REDIS_RAW;
  open_with(&all, &options);
  CHECK(ct_redis_set(all.redis, "bare", 4, "bytes", 5, 0) == CT_OK);
  CHECK(!reads(&one, "bare", "bytes") && reads(&all, "bare", "bytes"));
  ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
  CHECK(ct_redis_stats(one.redis, &counters) == CT_OK);
  CHECK(counters.unknown_trailers == 1 && counters.overflows == 0);
  close_tier(&all, "0  1  ");
  close_tier(&one, "0  3 bare 1  ");
}

/* ---- Loading ---- */

typedef struct source {
  const char *text;
  size_t calls;
  tier *waits;  /* for the lease of this load, in vain */
  tier *writes; /* the key meanwhile */
} source;

static ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  source *self = user_data;
  CHECK(is_text(key, key_size, "key"));
  self->calls++;
  if (self->waits != NULL) {
    source own = {.text = "own"};
    ct_value value;
    CHECK(ct_redis_sync(self->waits->redis) == CT_OK); /* else the lease's push may begin it anew */
    CHECK(ct_redis_get_or_load(self->waits->redis, "key", 3, 0, load, &own, &value) == CT_OK);
    CHECK(own.calls == 1 && take(&value, "own"));
  }
  if (self->writes != NULL) {
    CHECK(ct_redis_set(self->writes->redis, "key", 3, "written", 7, 0) == CT_OK);
  }
  return ct_result_set(result, self->text, strlen(self->text));
}

static void check_loading(void) {
  tier one, other;
  open_tier(&one);
  ct_redis_options options = options_for(&other);
  options.timeout = CT_SECONDS(1);
  options.lease = CT_SECONDS(100);
  open_with(&other, &options);

  source from = {.text = "loaded", .waits = &other};
  ct_value value;
  CHECK(ct_redis_delete(one.redis, "key", 3) == CT_OK);
  CHECK(ct_redis_get_or_load(one.redis, "key", 3, CT_SECONDS(30), load, &from, &value) == CT_OK);
  CHECK(from.calls == 1 && take(&value, "loaded"));
  CHECK(reads(&other, "key", "loaded") && lasts(&other, "key", 30));

  CHECK(ct_redis_delete(one.redis, "key", 3) == CT_OK);
  from = (source){.text = "late", .writes = &other};
  CHECK(ct_redis_get_or_load(one.redis, "key", 3, 0, load, &from, &value) == CT_OK);
  CHECK(from.calls == 1 && take(&value, "late") && reads(&one, "key", "written"));

  ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
  CHECK(ct_redis_stats(one.redis, &counters) == CT_OK);
  CHECK(counters.loads == 2 && counters.fills == 1 && counters.fills_refused == 1);
  CHECK(counters.unkept_loads == 0 && counters.lease_waits == 0 && counters.writes == 2);
  CHECK(ct_redis_stats(other.redis, &counters) == CT_OK);
  CHECK(counters.loads == 1 && counters.fills == 0 && counters.fills_refused == 0);
  CHECK(counters.unkept_loads == 1 && counters.lease_waits == 1 && counters.writes == 1);
  close_tier(&one, "0  1  ");
  close_tier(&other, "0  1  ");
}

/* ---- Without a thread ---- */

static void check_event_loop(void) {
  tier one;
  ct_redis_options options = options_for(&one);
  options.flags = CT_REDIS_NO_THREAD;
  CHECK(ct_redis_open(&options, &one.redis) == CT_OK);
  ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
  while (counters.online == 0) {
    struct pollfd set = {.fd = ct_redis_fd(one.redis), .events = POLLIN};
    CHECK(poll(&set, 1, 10000) == 1 && (set.revents & POLLIN) != 0);
    CHECK(ct_redis_step(one.redis) == CT_OK);
    CHECK(ct_redis_stats(one.redis, &counters) == CT_OK);
  }
  close_tier(&one, "0  1  ");
}

/* ---- What happened, until the server is lost ---- */

static void check_counters(void) {
  tier one, other;
  ct_redis_options options = options_for(&one);
  options.offline_ttl = CT_SECONDS(40);
  open_with(&one, &options);
  open_tier(&other);
  for (int i = 0; i < 5; i++) {
    const char key = (char)('0' + i);
    CHECK(ct_redis_set(other.redis, &key, 1, "value", 5, 0) == CT_OK);
  }
  for (int i = 0; i < 3; i++) CHECK(!reads(&one, "none", ""));
  CHECK(reads(&one, "0", "value") && reads(&one, "1", "value"));

  ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
  CHECK(ct_redis_stats(one.redis, &counters) == CT_OK);
  CHECK(counters.server_hits == 2 && counters.server_misses == 3 && counters.invalidations == 5);
  CHECK(counters.connects == 1 && counters.disconnects == 0 && counters.online == 1);
  CHECK(counters.loads == 0 && counters.writes == 0 && counters.flushes == 0);
  CHECK(counters.timeouts == 0 && counters.unknown_trailers == 0 && counters.overflows == 0);
  CHECK(counters.remembered == 0 && counters.proof_age_ns < CT_SECONDS(10));

  stop_server();
  CHECK(ct_redis_set(one.redis, "0", 1, "lost", 4, 0) == CT_ERR_IO);
  CHECK(ct_redis_delete(one.redis, "1", 1) == CT_ERR_IO);
  source from = {.text = "loaded"};
  CHECK(ct_redis_get_or_load(one.redis, "key", 3, CT_SECONDS(70), load, &from, NULL) == CT_OK);
  CHECK(from.calls == 1 && lasts(&one, "key", 40));
  CHECK(ct_redis_wait(one.redis, CT_MILLISECONDS(1)) == CT_BUSY);
  CHECK(ct_redis_stats(one.redis, &counters) == CT_OK);
  CHECK(counters.loads == 1 && counters.offline_loads == 1 && counters.disconnects == 1);
  CHECK(counters.remembered == 2 && counters.online == 0 && counters.proof_age_ns == CT_NEVER);
  CHECK(counters.writes == 0 && counters.connects == 1 && counters.pending_bytes == 0);
  drop_tier(&other);
  drop_tier(&one);
}

int main(void) {
  start_server();
  wait_for_server();
  check_initializers();
  check_problems();
  check_values();
  check_keys_of_the_server();
  check_loading();
  check_event_loop();
  check_counters();
  return 0;
}
