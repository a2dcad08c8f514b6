/* SPDX-License-Identifier: MIT */
/* System calls that are not made: none by a hit near, and none for the server while there is none. The
 * kernel watches. Sanitizers and Valgrind make system calls of their own, so this is not for them. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static ct_status load_nothing(void *unused, const void *key, size_t key_size, ct_result *result) {
  (void)unused;
  (void)key;
  (void)key_size;
  (void)result;
  return CT_ERR_CALLBACK;
}

/* In a child, as the kernel kills whoever makes another call than read, write or exit. */
TEST(a_hit_near_makes_no_system_call) {
  server redis;
  server_start(&redis, "");
  tier it;
  ct_redis_options options;
  tier_options(&it, redis.port, 100, &options);
  options.max_stale = CT_SECONDS(100);
  tier_open(&it, &options);
  EXPECT(CT_OK, ct_redis_wait(it.redis, CT_SECONDS(10)));
  EXPECT(CT_OK, ct_redis_set(it.redis, "k", 1, "value", 5, CT_SECONDS(100)));
  reads(&it, "k", "value");
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    bool good = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0;
    for (int i = 0; i < 1000; i++) {
      ct_value value;
      good &= ct_redis_get(it.redis, "k", 1, &value) == CT_OK;
      ct_value_release(&value);
      good &= ct_redis_get_or_load(it.redis, "k", 1, 0, load_nothing, NULL, &value) == CT_OK;
      ct_value_release(&value);
      char copy[5];
      good &= ct_redis_get_copy(it.redis, "k", 1, copy, sizeof copy, NULL) == CT_OK;
    }
    syscall(SYS_exit, good ? 0 : 1);
  }
  int status;
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_int_equal(0, status);
  tier_close(&it);
  server_stop(&redis);
}

static _Atomic int forbidden; /* the last call that was */

static void note(int signal, siginfo_t *info, void *unused) {
  (void)signal;
  (void)unused;
  forbidden = info->si_syscall;
}

/* Has this thread's calls noted that reach for a server. */
static void forbid_network(void) {
  const unsigned numbers[] = {SYS_socket,     SYS_connect,     SYS_sendto,   SYS_sendmsg,
                              SYS_write,      SYS_writev,      SYS_recvfrom, SYS_recvmsg,
                              SYS_epoll_ctl,  SYS_epoll_pwait,
#ifdef SYS_epoll_wait
                              SYS_epoll_wait,
#endif
                              SYS_ppoll};
  enum { kCalls = sizeof numbers / sizeof *numbers };
  struct sock_filter code[kCalls + 3];
  code[0] =
      (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (unsigned i = 0; i < kCalls; i++) {
    code[i + 1] =
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], kCalls - i, 0);
  }
  code[kCalls + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  code[kCalls + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
  const struct sock_fprog program = {kCalls + 3, code};
  assert_int_equal(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  assert_int_equal(0, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

typedef struct caller {
  tier it;
  ct_status loaded, got, set, deleted, many;
} caller;

static void *call_offline(void *self) {
  caller *c = self;
  ct_redis *tier = c->it.redis;
  source from = {.text = "loaded"};
  forbid_network();
  for (int i = 0; i < 100; i++) {
    c->loaded = ct_redis_get_or_load(tier, &i, sizeof i, 0, load_from_source, &from, NULL);
    c->got = ct_redis_get(tier, "absent", 6, NULL);
    c->set = ct_redis_set(tier, &i, sizeof i, "value", 5, 0);
    c->deleted = ct_redis_delete(tier, &i, sizeof i);
    const ct_bytes key = {"absent", 6};
    ct_value value;
    EXPECT(CT_OK, ct_redis_get_many(tier, &key, 1, &value, &c->many));
  }
  return NULL;
}

TEST(calls_without_a_server_make_no_system_call_for_it) {
  const struct sigaction noted = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
  assert_int_equal(0, sigaction(SIGSYS, &noted, NULL));
  caller c;
  ct_redis_options options;
  tier_options(&c.it, 1, 1000, &options); /* nobody listens there */
  tier_open(&c.it, &options);
  while (ct_redis_get(c.it.redis, "absent", 6, NULL) != CT_ERR_IO) sleep_ms(1);
  pthread_t thread;
  assert_int_equal(0, pthread_create(&thread, NULL, call_offline, &c));
  assert_int_equal(0, pthread_join(thread, NULL));
  assert_int_equal(0, forbidden);
  assert_int_equal(CT_OK, c.loaded);
  assert_int_equal(CT_ERR_IO, c.got);
  assert_int_equal(CT_ERR_IO, c.set);
  assert_int_equal(CT_ERR_IO, c.deleted);
  assert_int_equal(CT_ERR_IO, c.many);
  assert_int_equal(100, tier_stats(&c.it).offline_loads);
  tier_close(&c.it);
}
