/* SPDX-License-Identifier: MIT */
/* Two functions about users share one cache, apart by their prefixes. Many threads ask, and each
 * renames one user and invalidates what was known of it: nobody sees an old name afterwards. */
#include <cachetools.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kUsers = 8, kRounds = 1000 };

static atomic_int versions[kUsers]; /* stands for a database */
static ct_memo *names;
static ct_memo *emails;

static ct_status load(void *user_data, void *self, const void *args, ct_result *result) {
  (void)self;
  const int id = *(const int *)args;
  char text[64];
  const int size = snprintf(text, sizeof text, user_data, id, atomic_load(&versions[id]));
  return ct_result_set(result, text, (size_t)size);
}

static ct_status add_id(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  ct_key_int(key, *(const int *)args);
  return CT_OK;
}

static bool answers(ct_memo *memo, int id, const char *expected) {
  ct_value value;
  const bool right = ct_memo_call(memo, NULL, &id, &value) == CT_OK &&
                     value.size == strlen(expected) &&
                     memcmp(value.data, expected, value.size) == 0;
  ct_value_release(&value);
  return right;
}

/* Renames one user, again and again, and looks the others up meanwhile. */
static void *serve(void *user_data) {
  int *id = user_data;
  int stale = 0;
  for (int version = 1; version <= kRounds; version++) {
    atomic_store(&versions[*id], version);
    ct_memo_invalidate(names, NULL, id);
    ct_memo_invalidate(emails, NULL, id);
    char expected[64];
    snprintf(expected, sizeof expected, "user %d.%d", *id, version);
    stale += !answers(names, *id, expected);
    snprintf(expected, sizeof expected, "%d.%d@example.com", *id, version);
    stale += !answers(emails, *id, expected);
    for (int other = 0; other < kUsers; other++) ct_memo_call(names, NULL, &other, NULL);
  }
  *id = stale;
  return NULL;
}

static ct_memo *memoize(ct_cache *cache, const char *prefix, const char *format) {
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.fn = load;
  options.key = add_id;
  options.user_data = (void *)format;
  options.cache = cache;
  options.prefix = prefix;
  options.prefix_size = strlen(prefix);
  ct_memo *memo;
  if (ct_memo_new(&options, &memo) != CT_OK) exit(EXIT_FAILURE);
  return memo;
}

int main(void) {
  ct_cache *users = ct_cache_new(CT_POLICY_LRU, 1000);
  if (users == NULL) return EXIT_FAILURE;
  names = memoize(users, "name", "user %d.%d");
  emails = memoize(users, "email", "%d.%d@example.com");

  pthread_t threads[kUsers];
  int ids[kUsers];
  for (int i = 0; i < kUsers; i++) {
    ids[i] = i;
    if (pthread_create(&threads[i], NULL, serve, &ids[i]) != 0) return EXIT_FAILURE;
  }
  int stale = 0;
  for (int i = 0; i < kUsers; i++) {
    pthread_join(threads[i], NULL);
    stale += ids[i];
  }
  printf("%d users renamed %d times each, %d stale answers\n", kUsers, kRounds, stale);
  printf("user 5: %s\n", answers(names, 5, "user 5.1000") ? "up to date" : "stale");
  printf("%d results kept\n", (int)ct_len(users));

  ct_memo_free(names);
  ct_memo_free(emails);
  ct_cache_free(users);
  return EXIT_SUCCESS;
}
