/* SPDX-License-Identifier: MIT */
/* A program that is restarted begins with a warm cache: when it ends, it saves a snapshot, and
 * when it starts, it loads the snapshot, except for entries that have expired meanwhile. The
 * first start finds no snapshot, and begins with an empty cache. */
#include <cachetools.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int questions; /* asked of a slow service */

static ct_status ask_service(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)user_data;
  questions++;
  char answer[64];
  const int size =
      snprintf(answer, sizeof answer, "all about %.*s", (int)key_size, (const char *)key);
  ct_result_ttl(result, CT_HOURS(1)); /* for an hour, even while the program is off */
  return ct_result_set(result, answer, (size_t)size);
}

/* One life of the program, from start to end. */
static void live(const char *name, uint64_t maxsize, const char *path) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, maxsize);
  if (cache == NULL) exit(EXIT_FAILURE);
  const ct_status loaded = ct_snapshot_load_file_with(cache, path, CT_SNAPSHOT_AGED);
  printf("%s: %s, %" PRIu64 " entries\n", name, ct_status_name(loaded), ct_len(cache));

  static const char *const kTopics[] = {"ants", "bees", "cats", "dogs", "bees", "dogs"};
  questions = 0;
  for (size_t i = 0; i < sizeof kTopics / sizeof kTopics[0]; i++) {
    ct_value answer;
    if (ct_get_or_load(cache, kTopics[i], strlen(kTopics[i]), ask_service, NULL, &answer) != CT_OK)
      exit(EXIT_FAILURE);
    ct_value_release(&answer);
  }
  printf("%s: %d questions asked\n", name, questions);

  if (ct_snapshot_save_file(cache, path) != CT_OK) exit(EXIT_FAILURE);
  ct_cache_free(cache);
}

int main(void) {
  const char *path = "warm_restart.snapshot";
  remove(path);
  live("first start", 100, path);
  live("restart", 100, path);
  live("restart, smaller", 3, path); /* begins with the three hottest */

  /* A damaged file does no harm. */
  FILE *file = fopen(path, "r+b");
  if (file == NULL) return EXIT_FAILURE;
  fseek(file, 30, SEEK_SET);
  fputc('?', file);
  fclose(file);
  live("after damage", 100, path);
  remove(path);
  return EXIT_SUCCESS;
}
