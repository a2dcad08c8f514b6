/* SPDX-License-Identifier: MIT */
/* Ten thousand requests wait on one thread, in an event loop. Each key is loaded once. */
#include <cachetools.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { kRequests = 10000, kKeys = 100 };

static ct_cache *cache;
static int wakes_loop;      /* an eventfd that the loop polls */
static atomic_int answered; /* requests */
static atomic_int failed;

/* Runs on the thread that ends the load, so it only wakes the loop. */
static void done(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  const uint64_t one = 1;
  (void)user_data, (void)value;
  ct_lease_fail(lease, CT_ERR_IO); /* no load is given up here */
  if (status != CT_OK) atomic_fetch_add(&failed, 1);
  atomic_fetch_add(&answered, 1);
  if (write(wakes_loop, &one, sizeof one) != sizeof one) abort();
}

/* Stands for a backend: answers what it was asked for, one load after the other. */
static void *load(void *user_data) {
  ct_lease **leases = user_data;
  for (int i = 0; i < kKeys; i++) {
    ct_bytes key;
    ct_lease_key(leases[i], &key);
    ct_lease_fulfil(leases[i], key.data, key.size, NULL, NULL);
  }
  return NULL;
}

int main(void) {
  static ct_lease *leases[kKeys];
  int hits = 0, loads = 0, waits = 0;
  cache = ct_cache_new(CT_POLICY_LRU, 1000);
  wakes_loop = eventfd(0, 0);
  const int loop = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  if (cache == NULL || epoll_ctl(loop, EPOLL_CTL_ADD, wakes_loop, &event) != 0) return 1;

  for (int i = 0; i < kRequests; i++) {
    const int key = i % kKeys;
    ct_lease *lease;
    switch (ct_get_or_lease_async(cache, &key, sizeof key, NULL, done, NULL, NULL, &lease, NULL)) {
      case CT_OK:
        hits++;
        break;
      case CT_LEASED: /* this request is the one that has the key loaded */
        leases[loads++] = lease;
        break;
      case CT_PENDING:
        waits++;
        break;
      default:
        return 1;
    }
  }
  printf("%d loads, %d requests wait, %d hits\n", loads, waits, hits);

  pthread_t backend;
  if (pthread_create(&backend, NULL, load, leases) != 0) return 1;
  while (atomic_load(&answered) < waits) {
    uint64_t count;
    if (epoll_wait(loop, &event, 1, -1) != 1) return 1;
    if (read(wakes_loop, &count, sizeof count) != sizeof count) return 1;
  }
  pthread_join(backend, NULL);
  printf("%d answered, %d failed\n", answered, failed);
  ct_cache_free(cache);
  close(loop);
  close(wakes_loop);
  return 0;
}
