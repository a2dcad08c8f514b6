/* SPDX-License-Identifier: MIT */
/* Loads and unloads the shared library, whose path is the argument, while the program runs. The
 * program is not linked to it. */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
/* CMocka needs those above. */
#include <cachetools.h>
#include <cmocka.h>

enum { kThreads = 4, kLoads = 100 };

static const ct_policy kPolicies[] = {
    CT_POLICY_LRU,    CT_POLICY_FIFO,     CT_POLICY_LFU,   CT_POLICY_RR,
    CT_POLICY_ANY,    CT_POLICY_MRU,      CT_POLICY_CLOCK, CT_POLICY_SIEVE,
    CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU, CT_POLICY_ARC,   CT_POLICY_ADAPTIVE,
};
enum { kPolicyCount = sizeof kPolicies / sizeof kPolicies[0] };

static const char *library;

/* The functions are found by name, as in programs that load the library. */
typedef struct functions {
  ct_cache *(*cache_new)(ct_policy, uint64_t);
  void (*cache_free)(ct_cache *);
  ct_status (*set)(ct_cache *, const void *, size_t, const void *, size_t);
  ct_status (*get_copy)(ct_cache *, const void *, size_t, void *, size_t, size_t *);
  ct_status (*get_or_load)(ct_cache *, const void *, size_t, ct_loader_fn, void *, ct_value *);
  void (*value_release)(ct_value *);
  ct_status (*result_set)(ct_result *, const void *, size_t);
} functions;

typedef struct session {
  functions f;
  ct_cache *cache;
  pthread_barrier_t used;     /* the library is no longer needed */
  pthread_barrier_t unloaded; /* the library is gone; the threads end after that */
} session;

/* Finds a function of any type. */
static void find(void *handle, const char *name, void *out) {
  void *found = dlsym(handle, name);
  if (found == NULL) fail_msg("%s is not there", name);
  memcpy(out, &found, sizeof found);
}

static functions find_all(void *handle) {
  functions f;
  find(handle, "ct_cache_new", &f.cache_new);
  find(handle, "ct_cache_free", &f.cache_free);
  find(handle, "ct_set", &f.set);
  find(handle, "ct_get_copy", &f.get_copy);
  find(handle, "ct_get_or_load", &f.get_or_load);
  find(handle, "ct_value_release", &f.value_release);
  find(handle, "ct_result_set", &f.result_set);
  return f;
}

static ct_status load_by(void *user_data, const void *key, size_t key_size, ct_result *result) {
  const functions *f = user_data;
  return f->result_set(result, key, key_size);
}

static void *use_session(void *data) {
  session *it = data;
  functions *f = &it->f;
  bool good = true;
  for (uint32_t i = 0; i < 2000; i++) {
    const uint32_t key = i % 700;
    uint32_t copy;
    ct_value value = CT_VALUE_INIT;
    if (i % 3 == 0) good = good && f->set(it->cache, &key, sizeof key, &key, sizeof key) == CT_OK;
    good = good && f->get_or_load(it->cache, &key, sizeof key, load_by, f, &value) == CT_OK &&
           memcmp(value.data, &key, sizeof key) == 0;
    f->value_release(&value);
    f->get_copy(it->cache, &key, sizeof key, &copy, sizeof copy, NULL);
  }
  pthread_barrier_wait(&it->used);
  pthread_barrier_wait(&it->unloaded);
  return good ? it : NULL;
}

static void load_use_unload(int number) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) fail_msg("%s", dlerror());
  session it = {.f = find_all(handle)};
  it.cache = it.f.cache_new(kPolicies[number % kPolicyCount], 500);
  assert_non_null(it.cache);
  pthread_barrier_init(&it.used, NULL, kThreads + 1);
  pthread_barrier_init(&it.unloaded, NULL, kThreads + 1);
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; i++)
    assert_int_equal(0, pthread_create(&threads[i], NULL, use_session, &it));
  pthread_barrier_wait(&it.used);
  it.f.cache_free(it.cache);
  assert_int_equal(0, dlclose(handle));
  /* If anything had been left behind, the library would still be there. */
  assert_null(dlopen(library, RTLD_NOW | RTLD_NOLOAD));
  pthread_barrier_wait(&it.unloaded);
  for (int i = 0; i < kThreads; i++) {
    void *result;
    assert_int_equal(0, pthread_join(threads[i], &result));
    assert_non_null(result);
  }
  pthread_barrier_destroy(&it.used);
  pthread_barrier_destroy(&it.unloaded);
}

/* Bytes that the process has allocated, if the C library tells. glibc also counts what it caches
 * for each thread, and the arena that it adds when threads wait for each other. So
 * tests/meson.build makes it cache nothing, and keep to one arena. */
static size_t allocated(void) {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
  return mallinfo2().uordblks;
#else
  return 0;
#endif
}

/* Threads that have used the library may outlive it. */
static void test_library_can_be_loaded_and_unloaded_again_and_again(void **state) {
  (void)state;
  for (int i = 0; i < kLoads / 2; i++) load_use_unload(i);
  const size_t before = allocated();
  for (int i = kLoads / 2; i < kLoads; i++) load_use_unload(i);
  assert_int_equal(before, allocated());
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_library_can_be_loaded_and_unloaded_again_and_again),
  };
  if (argc != 2) return 2;
  library = argv[1];
  return cmocka_run_group_tests(tests, NULL, NULL);
}
