/* SPDX-License-Identifier: MIT */
/* TLS: with a certificate that is trusted, and made out to the host; not with another one, nor with a
 * server that does not speak it. */
#include <stdarg.h>
#include <unistd.h>

#include "fixture.h"

static char folder[64];

static void run(const char *format, ...) {
  char command[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(command, sizeof command, format, arguments);
  va_end(arguments);
  assert_int_equal(0, system(command));
}

static void make_certificate(const char *name) {
  run("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=%s -addext subjectAltName=%s "
      "-keyout %s/key -out %s/certificate 2>/dev/null",
      "test", name, folder, folder);
}

static void trust_the_certificate(void) {
  char trusted[128];
  snprintf(trusted, sizeof trusted, "%s/certificate", folder);
  setenv("SSL_CERT_FILE", trusted, 1);
}

static void start(server *it) {
  char arguments[256];
  const int port = free_port();
  snprintf(
      arguments, sizeof arguments,
      "--tls-port %d --tls-cert-file %s/certificate --tls-key-file %s/key --tls-auth-clients no",
      port, folder, folder);
  snprintf(arguments + strlen(arguments), sizeof arguments - strlen(arguments),
           " --tls-ca-cert-dir %s", folder);
  server_start(it, arguments);
  it->port = port;
}

static char reason[256];
static _Atomic int offline;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void listens(void *unused, const ct_redis_event *event) {
  (void)unused;
  if (event->kind != CT_REDIS_OFFLINE) return;
  pthread_mutex_lock(&lock);
  snprintf(reason, sizeof reason, "%.*s", (int)event->text.size, (const char *)event->text.data);
  pthread_mutex_unlock(&lock);
  offline++;
}

static void open_by_tls(tier *it, const server *at, uint32_t flags) {
  ct_redis_options options;
  tier_options(it, at->port, 1000, &options);
  snprintf(it->url, sizeof it->url, "rediss://127.0.0.1:%d", at->port);
  options.flags = flags;
  options.listener = listens;
  tier_open(it, &options);
}

static void use(tier *it) {
  assert_int_equal(CT_OK, ct_redis_wait(it->redis, CT_SECONDS(10)));
  const size_t size = 3000000;
  char *large = malloc(size);
  for (size_t i = 0; i < size; i++) large[i] = (char)(i * 7 + i / 251);
  EXPECT(CT_OK, ct_redis_set(it->redis, "large", 5, large, size, 0));
  EXPECT(CT_OK, ct_redis_set(it->redis, "small", 5, "value", 5, 0));
  ct_clear(it->near);
  ct_value value;
  EXPECT(CT_OK, ct_redis_get(it->redis, "large", 5, &value));
  assert_int_equal(size, value.size);
  assert_memory_equal(large, value.data, size);
  ct_value_release(&value);
  free(large);
  reads(it, "small", "value");
  EXPECT(CT_OK, ct_redis_sync(it->redis));
  assert_int_equal(0, tier_stats(it).disconnects);
}

TEST(tls_works_where_the_certificate_is_trusted) {
  snprintf(folder, sizeof folder, "/tmp/ct-redis-tls-XXXXXX");
  assert_non_null(mkdtemp(folder));
  make_certificate("IP:127.0.0.1");
  trust_the_certificate();
  server redis;
  start(&redis);
  for (uint32_t flags = 0; flags <= CT_REDIS_NO_THREAD; flags++) {
    tier it;
    open_by_tls(&it, &redis, flags);
    use(&it);
    tier_close(&it);
  }
  setenv("SSL_CERT_FILE", "/dev/null", 1);
  tier it;
  offline = 0;
  open_by_tls(&it, &redis, 0);
  while (offline == 0) sleep_ms(5);
  pthread_mutex_lock(&lock);
  assert_string_equal("certificate verify failed", reason);
  pthread_mutex_unlock(&lock);
  tier_close(&it);
  server_stop(&redis);
}

/* In the first message of the server, in its certificate, and after it. */
TEST(a_connection_that_is_cut_while_it_begins_is_begun_again) {
  trust_the_certificate();
  server redis;
  start(&redis);
  const int64_t cuts[] = {1, 4, 100, 1000, 1400, 1600};
  for (size_t i = 0; i < COUNT_OF(cuts); i++) {
    proxy between;
    proxy_start(&between, redis.port);
    between.cut_to_client = cuts[i];
    tier it;
    offline = 0;
    open_by_tls(&it, &(server){.port = between.port}, 0);
    while (offline == 0) sleep_ms(1);
    assert_true(between.to_client == (uint64_t)cuts[i]);
    between.cut_to_client = -1;
    use(&it);
    tier_close(&it);
    proxy_stop(&between);
  }
  server_stop(&redis);
}

TEST(a_server_without_tls_is_given_up) {
  server plain;
  server_start(&plain, "");
  tier it;
  offline = 0;
  open_by_tls(&it, &plain, 0);
  while (offline == 0) sleep_ms(1);
  pthread_mutex_lock(&lock);
  assert_string_not_equal("", reason);
  pthread_mutex_unlock(&lock);
  EXPECT(CT_ERR_IO, ct_redis_get(it.redis, "k", 1, NULL));
  assert_int_equal(0, tier_stats(&it).connects);
  tier_close(&it);
  server_stop(&plain);
}

TEST(a_certificate_for_another_host_is_refused) {
  make_certificate("DNS:elsewhere");
  trust_the_certificate();
  server redis;
  start(&redis);
  tier it;
  offline = 0;
  open_by_tls(&it, &redis, 0);
  while (offline == 0) sleep_ms(5);
  pthread_mutex_lock(&lock);
  assert_string_equal("certificate verify failed", reason);
  pthread_mutex_unlock(&lock);
  tier_close(&it);
  server_stop(&redis);
  run("rm -r %s", folder);
}
