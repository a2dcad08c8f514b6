/* SPDX-License-Identifier: MIT */
/* A cache in front of a web server: it asks whether a page has changed (ETag) before it fetches the
 * page again, and serves the old page while the server is down. */
#include <cachetools.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Stands for a server that is reached over the network. */
static struct {
  int version; /* of its page */
  int sent;    /* bodies */
  int down;
} server = {.version = 1};

/* Fills in the ETag and the body. Returns 200, 304 (not modified), 404, or 0: no answer. */
static int http_get(const char *path, const char *if_none_match, char etag[8], char body[32]) {
  if (server.down) return 0;
  if (strcmp(path, "/news") != 0) return 404;
  snprintf(etag, 8, "v%d", server.version);
  if (strcmp(etag, if_none_match) == 0) return 304;
  server.sent++;
  snprintf(body, 32, "news number %d", server.version);
  return 200;
}

/* A page as it is kept. */
typedef struct page {
  char etag[8];
  char body[32];
} page;

static ct_status fetch(void *user_data, const void *path, size_t size, ct_result *result) {
  char text[64];
  page fresh = {"", ""};
  ct_bytes old;
  (void)user_data;
  snprintf(text, sizeof text, "%.*s", (int)size, (const char *)path);
  const int has_old = ct_result_old(result, &old) == CT_OK;
  switch (http_get(text, has_old ? ((const page *)old.data)->etag : "", fresh.etag, fresh.body)) {
    case 200:
      return ct_result_set(result, &fresh, sizeof fresh);
    case 304:
      ct_result_not_modified(result);
      return CT_OK;
    case 404:
      return CT_MISS;
    default:
      return CT_ERR_IO;
  }
}

static uint64_t now; /* instead of a clock, so that this program need not wait */

static uint64_t read_now(void *user_data) {
  (void)user_data;
  return now;
}

static void show(ct_cache *cache, uint64_t seconds, const char *path) {
  ct_value value;
  now = CT_SECONDS(seconds);
  const ct_status status = ct_get_or_load(cache, path, strlen(path), fetch, NULL, &value);
  printf("%3" PRIu64 " s: %-6s %-9s %-14s (%d sent)\n", seconds, path, ct_status_name(status),
         value.data != NULL ? ((const page *)value.data)->body : "", server.sent);
  ct_value_release(&value);
}

int main(void) {
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 1000;
  options.timer = read_now;
  options.ttl = CT_SECONDS(60);
  options.stale = CT_SECONDS(600);
  options.negative_ttl = CT_SECONDS(10);
  ct_cache *cache;
  if (ct_cache_new_with(&options, &cache) != CT_OK) return 1;

  show(cache, 0, "/news");
  show(cache, 30, "/news"); /* from the cache */
  show(cache, 70, "/news"); /* the server says that it has not changed */
  server.version = 2;
  show(cache, 140, "/news");
  server.down = 1;
  show(cache, 210, "/news"); /* the old page, as nothing newer is to be had */
  server.down = 0;
  show(cache, 220, "/newz");
  server.down = 1;
  show(cache, 225, "/newz"); /* it is remembered that there is no such page */
  ct_cache_free(cache);
  return 0;
}
