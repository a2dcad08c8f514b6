/* SPDX-License-Identifier: MIT */
/* demo SERVER SECONDS FOLDER: what demo.sh shows. Each key's value is the number of its version. A
 * read is stale if the next version was acknowledged to the writer more than max_stale before it
 * began. */
#include <arpa/inet.h>
#include <cachetools-redis.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kReaders = 3, kKeys = 10000, kVersions = 64 };
static const uint64_t kMaxStale = CT_MILLISECONDS(500);

typedef struct tally {
  _Atomic uint64_t reads, near, server, loads, offline, connects, stale, oldest, oldest_ever,
      failed;
} tally;

typedef struct shared {
  _Atomic bool stops;
  _Atomic uint32_t version[kKeys];                 /* the source */
  _Atomic uint64_t acknowledged[kKeys][kVersions]; /* when, of each of the last versions */
  _Atomic uint64_t writes, refused, deletes;
  tally tallies[kReaders];
} shared;

static shared *all;
static int port;
static double chances[kKeys];

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void pause_us(long us) {
  const struct timespec time = {us / 1000000, us % 1000000 * 1000};
  nanosleep(&time, NULL);
}

/* ---- Keys ----------------------------------------------------------------------------------- */

/* Zipf's law: the key of rank r is asked for in proportion to 1 / r. */
static void prepare_keys(void) {
  double sum = 0;
  for (int i = 0; i < kKeys; i++) chances[i] = sum += 1 / pow(i + 1, 0.99);
  for (int i = 0; i < kKeys; i++) chances[i] /= sum;
}

static uint32_t draw_key(unsigned *seed) {
  const double drawn = (double)rand_r(seed) / RAND_MAX;
  uint32_t low = 0, high = kKeys - 1;
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (chances[middle] < drawn) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* ---- Processes ------------------------------------------------------------------------------ */

static ct_redis *open_tier(ct_cache *near) {
  char url[64];
  snprintf(url, sizeof url, "redis://127.0.0.1:%d", port);
  ct_redis_options options = CT_REDIS_OPTIONS_INIT;
  options.url = url;
  options.near = near;
  options.prefix = "demo:";
  options.prefix_size = 5;
  options.ttl = CT_MINUTES(1);
  options.max_stale = kMaxStale;
  ct_redis *tier;
  if (ct_redis_open(&options, &tier) != CT_OK) exit(1);
  ct_redis_wait(tier, CT_SECONDS(5));
  return tier;
}

static ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)user_data;
  (void)key_size;
  uint32_t number;
  memcpy(&number, key, sizeof number);
  const uint32_t version = all->version[number];
  return ct_result_set(result, &version, sizeof version);
}

static void judge(tally *mine, uint32_t key, uint32_t version, uint64_t begun) {
  const uint64_t replaced = all->acknowledged[key][(version + 1) % kVersions];
  if (all->version[key] - version >= kVersions || all->version[key] == version) return;
  if (replaced == 0 || replaced >= begun) return;
  const uint64_t age = begun - replaced;
  if (age > mine->oldest) mine->oldest = age;
  if (age > mine->oldest_ever) mine->oldest_ever = age;
  mine->stale += age > kMaxStale;
}

static void read_on(int number) {
  tally *mine = &all->tallies[number];
  ct_cache *near = ct_cache_new(CT_POLICY_WTINYLFU, 3000);
  ct_redis *tier = open_tier(near);
  unsigned seed = (unsigned)number + 1;
  for (uint64_t i = 0; !all->stops; i++) {
    const uint32_t key = draw_key(&seed);
    ct_value value;
    const uint64_t begun = now_ns();
    const ct_status status = ct_redis_get_or_load(tier, &key, sizeof key, 0, load, NULL, &value);
    if (status == CT_OK) {
      uint32_t version;
      memcpy(&version, value.data, sizeof version);
      judge(mine, key, version, begun);
      mine->reads++;
    } else {
      mine->failed++;
    }
    ct_value_release(&value);
    if (i % 64 != 0) continue;
    ct_stats hits = CT_STATS_INIT;
    ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
    ct_cache_stats(near, &hits);
    ct_redis_stats(tier, &counters);
    mine->near = hits.hits;
    mine->server = counters.server_hits;
    mine->loads = counters.loads;
    mine->offline = counters.offline_loads;
    mine->connects = counters.connects;
    pause_us(500);
  }
  ct_redis_close(tier);
  ct_cache_free(near);
}

/* Changes the source, then tells the tier. */
static void write_on(int number) {
  (void)number;
  ct_cache *near = ct_cache_new(CT_POLICY_LRU, 100);
  ct_redis *tier = open_tier(near);
  unsigned seed = 12345;
  while (!all->stops) {
    const uint32_t key = draw_key(&seed);
    const uint32_t version = all->version[key] + 1;
    all->acknowledged[key][version % kVersions] = 0;
    all->version[key] = version;
    if (ct_redis_set(tier, &key, sizeof key, &version, sizeof version, 0) == CT_OK) {
      all->acknowledged[key][version % kVersions] = now_ns();
      all->writes++;
    } else {
      all->refused++;
    }
    pause_us(1000);
  }
  ct_redis_close(tier);
  ct_cache_free(near);
}

/* Another program deletes keys: the readers load them anew. */
static void delete_by_cli(int number) {
  (void)number;
  unsigned seed = 777;
  while (!all->stops) {
    const uint32_t key = draw_key(&seed);
    char command[256];
    snprintf(command, sizeof command,
             "printf 'demo:\\%03o\\%03o\\%03o\\%03o' | redis-cli -p %d -x DEL >/dev/null 2>&1",
             key & 255, key >> 8 & 255, key >> 16 & 255, key >> 24, port);
    all->deletes += system(command) == 0;
    pause_us(50000);
  }
}

static pid_t start(void (*work)(int), int number) {
  const pid_t parent = getpid();
  fflush(stdout);
  const pid_t child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == parent) work(number);
  exit(0);
}

/* ---- The server ------------------------------------------------------------------------------ */

static int find_port(void) {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {0};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(descriptor, (struct sockaddr *)&address, size) != 0) return 0;
  getsockname(descriptor, (struct sockaddr *)&address, &size);
  close(descriptor);
  return ntohs(address.sin_port);
}

static const char *server_program, *server_folder;

static void serve(int number) {
  (void)number;
  char text[16];
  snprintf(text, sizeof text, "%d", port);
  if (freopen("/dev/null", "w", stdout) == NULL) _exit(1);
  execl(server_program, server_program, "--port", text, "--bind", "127.0.0.1", "--save", "",
        "--dir", server_folder, (char *)NULL);
  _exit(127);
}

/* ---- What is shown ----------------------------------------------------------------------------- */

typedef struct sums {
  uint64_t reads, near, server, loads, stale, oldest;
} sums;

static sums add_up(void) {
  sums sum = {0};
  for (int i = 0; i < kReaders; i++) {
    tally *it = &all->tallies[i];
    sum.reads += it->reads;
    sum.near += it->near;
    sum.server += it->server;
    sum.loads += it->loads;
    sum.stale += it->stale;
    if (it->oldest > sum.oldest) sum.oldest = it->oldest;
    it->oldest = 0;
  }
  return sum;
}

static void show_table(void) {
  printf("\n%-10s %9s %7s %9s %7s %9s %8s %6s %10s %7s\n", "process", "reads", "near", "on server",
         "loads", "(offline)", "connects", "stale", "oldest", "failed");
  for (int i = 0; i < kReaders; i++) {
    tally *it = &all->tallies[i];
    printf("reader %-3d %9" PRIu64 " %6.1f%% %9" PRIu64 " %7" PRIu64 " %9" PRIu64 " %8" PRIu64
           " %6" PRIu64 " %7.1f ms %7" PRIu64 "\n",
           i + 1, it->reads, 100.0 * (double)it->near / (double)(it->reads + 1), it->server,
           it->loads, it->offline, it->connects, it->stale, (double)it->oldest_ever / 1e6,
           it->failed);
  }
  printf(
      "writer: %" PRIu64 " acknowledged, %" PRIu64
      " while the server was away; redis-cli deleted %" PRIu64
      " keys\n"
      "oldest: how long before a read its value had been replaced, at most; max_stale is %.0f ms\n",
      all->writes, all->refused, all->deletes, (double)kMaxStale / 1e6);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  server_program = argv[1];
  server_folder = argv[3];
  const int seconds = atoi(argv[2]);
  all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED || (port = find_port()) == 0) return 1;
  prepare_keys();
  pid_t server = start(serve, 0);
  pause_us(300000);
  pid_t children[kReaders + 2];
  for (int i = 0; i < kReaders; i++) children[i] = start(read_on, i);
  children[kReaders] = start(write_on, 0);
  children[kReaders + 1] = start(delete_by_cli, 0);

  printf("second   reads near   on server   loads   stale   oldest\n");
  sums before = {0};
  for (int second = 1; second <= seconds; second++) {
    pause_us(1000000);
    const sums sum = add_up();
    printf("%6d %12" PRIu64 " %11" PRIu64 " %7" PRIu64 " %7" PRIu64 " %5.1f ms", second,
           sum.near - before.near, sum.server - before.server, sum.loads - before.loads,
           sum.stale - before.stale, (double)sum.oldest / 1e6);
    before = sum;
    if (second == seconds / 3) {
      kill(server, SIGKILL);
      waitpid(server, NULL, 0);
      printf("   kill -9 of the server");
    } else if (second == seconds / 3 + 2) {
      server = start(serve, 0);
      printf("   the server is started again");
    }
    printf("\n");
    fflush(stdout);
  }
  all->stops = true;
  for (int i = 0; i < kReaders + 2; i++) waitpid(children[i], NULL, 0);
  kill(server, SIGKILL);
  waitpid(server, NULL, 0);
  const sums end = add_up();
  show_table();
  return end.stale == 0 ? 0 : 1;
}
