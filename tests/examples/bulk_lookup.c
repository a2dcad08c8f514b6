/* SPDX-License-Identifier: MIT */
/* Looks many keys up, and loads those that are absent by one query. */
#include <cachetools.h>
#include <stdio.h>
#include <string.h>

/* Stands for a database. */
static const struct {
  const char *id, *name;
} kUsers[] = {{"1", "Ada"}, {"2", "Brian"}, {"4", "Dennis"}, {"5", "Edsger"}};

/* What is done with a result of a user that is not found is nothing: there is no such user. */
static ct_status query(void *user_data, const ct_bytes *keys, size_t count,
                       ct_result *const *results) {
  (void)user_data;
  printf("SELECT id, name FROM users WHERE id IN (");
  for (size_t i = 0; i < count; i++) {
    printf("%s%.*s", i == 0 ? "" : ", ", (int)keys[i].size, (const char *)keys[i].data);
    for (size_t u = 0; u < sizeof kUsers / sizeof kUsers[0]; u++) {
      if (strlen(kUsers[u].id) == keys[i].size &&
          memcmp(kUsers[u].id, keys[i].data, keys[i].size) == 0)
        ct_result_set(results[i], kUsers[u].name, strlen(kUsers[u].name));
    }
  }
  printf(")\n");
  return CT_OK;
}

/* The keys are single digits, so key i ends at i + 1. */
static void show(ct_cache *cache, const char *ids) {
  enum { kMost = 8 };
  static const size_t kEnds[kMost] = {1, 2, 3, 4, 5, 6, 7, 8};
  ct_value names[kMost];
  ct_status statuses[kMost];
  const size_t count = strlen(ids);
  const ct_status status =
      ct_get_or_load_many(cache, ids, kEnds, count, query, NULL, NULL, names, statuses);
  if (status != CT_OK) printf("%s\n", ct_status_name(status));
  for (size_t i = 0; i < count; i++) {
    printf("%c: %.*s\n", ids[i], statuses[i] == CT_OK ? (int)names[i].size : 1,
           statuses[i] == CT_OK ? (const char *)names[i].data : "-");
    ct_value_release(&names[i]);
  }
}

int main(void) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 1000);
  if (cache == NULL) return 1;
  show(cache, "12");
  show(cache, "31245");
  ct_cache_free(cache);
  return 0;
}
