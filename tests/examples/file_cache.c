/* SPDX-License-Identifier: MIT */
/* Reads files through a cache that holds at most 1000 bytes of them. A larger file is handed
 * over all the same, and read again the next time. */
#include <cachetools.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Statuses of the program's own. Compilers want a cast, as ct_status is another enum. */
enum file_status { NAME_TOO_LONG = -1000 };

static int reads;

static ct_status read_file(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)user_data;
  char name[64];
  if (key_size >= sizeof name) return (ct_status)NAME_TOO_LONG;
  snprintf(name, sizeof name, "%.*s", (int)key_size, (const char *)key);
  FILE *file = fopen(name, "rb");
  if (file == NULL) return CT_MISS;
  char content[4096];
  const size_t size = fread(content, 1, sizeof content, file);
  const bool failed = ferror(file) != 0;
  fclose(file);
  reads++;
  return failed ? CT_ERR_IO : ct_result_set(result, content, size);
}

static void show(ct_cache *cache, const char *name) {
  ct_value content;
  const ct_status status = ct_get_or_load(cache, name, strlen(name), read_file, NULL, &content);
  if (status == CT_OK)
    printf("%-10s %4zu bytes; ", name, content.size);
  else if (status == (ct_status)NAME_TOO_LONG)
    printf("%.6s... is too long; ", name);
  else
    printf("%-10s %s; ", name, ct_status_name(status));
  printf("%d reads, %" PRIu64 " bytes kept\n", reads, ct_currsize(cache));
  ct_value_release(&content);
}

static void write_file(const char *name, size_t size) {
  FILE *file = fopen(name, "wb");
  if (file == NULL) exit(EXIT_FAILURE);
  for (size_t i = 0; i < size; i++) fputc('.', file);
  fclose(file);
}

int main(void) {
  write_file("small.tmp", 400);
  write_file("medium.tmp", 500);
  write_file("other.tmp", 300);
  write_file("large.tmp", 2000);

  ct_options options = CT_OPTIONS_INIT;
  options.weight_kind = CT_WEIGHT_VALUE;
  options.maxsize = 1000;
  ct_cache *cache;
  if (ct_cache_new_with(&options, &cache) != CT_OK) return EXIT_FAILURE;

  show(cache, "small.tmp");
  show(cache, "medium.tmp");
  show(cache, "small.tmp");
  show(cache, "other.tmp"); /* medium.tmp makes room */
  show(cache, "small.tmp");
  show(cache, "large.tmp");
  show(cache, "large.tmp");
  show(cache, "no.tmp");
  show(cache, "longer-than-any-name-that-this-program-is-prepared-to-open-at-all.tmp");
  ct_cache_free(cache);

  remove("small.tmp");
  remove("medium.tmp");
  remove("other.tmp");
  remove("large.tmp");
  return EXIT_SUCCESS;
}
