/* SPDX-License-Identifier: MIT */
#include <cachetools.h>
#include <stdio.h>

static const char *price = "2.50"; /* stands for a database */

static ct_status render(void *user_data, const void *url, size_t url_size, ct_result *result) {
  (void)user_data;
  char page[64];
  const int size =
      snprintf(page, sizeof page, "%.*s: tea costs %s", (int)url_size, (const char *)url, price);
  ct_result_tag(result, "product:17", 10);
  return ct_result_set(result, page, (size_t)size);
}

static void show(ct_cache *cache, const char *url) {
  ct_value page;
  if (ct_get_or_load(cache, url, 5, render, NULL, &page) != CT_OK) return;
  printf("%.*s\n", (int)page.size, (const char *)page.data);
  ct_value_release(&page);
}

int main(void) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10000);
  if (cache == NULL) return 1;
  show(cache, "/tea/");
  show(cache, "/all/");
  price = "2.80";
  show(cache, "/tea/"); /* as it was */
  ct_invalidate_tag(cache, "product:17", 10, 0);
  show(cache, "/tea/");
  show(cache, "/all/");
  ct_cache_free(cache);
  return 0;
}
