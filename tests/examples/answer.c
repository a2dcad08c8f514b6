/* SPDX-License-Identifier: MIT */
#include <cachetools.h>
#include <stdio.h>

int main(void) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 1000);
  if (cache == NULL) return 1;

  ct_set(cache, "answer", 6, "forty-two", 9);

  ct_value value;
  if (ct_get(cache, "answer", 6, &value) == CT_OK)
    printf("%.*s\n", (int)value.size, (const char *)value.data);
  ct_value_release(&value);

  ct_cache_free(cache);
  return 0;
}
