/* SPDX-License-Identifier: MIT */
/* Repositories whose look-ups are memoized as methods: each has a cache of its own, forgets a
 * product that it saves, and tells how full its cache is. */
#include <cachetools.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct repository {
  const char *name;
  ct_cache *products;
  int prices[10]; /* the table that stands for a database */
} repository;

static ct_memo *find;

static ct_status query(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data;
  const repository *it = self;
  const int id = *(const int *)args;
  printf("  %s: select price from products where id = %d\n", it->name, id);
  return ct_result_set(result, &it->prices[id], sizeof it->prices[id]);
}

static ct_status add_id(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  ct_key_int(key, *(const int *)args);
  return CT_OK;
}

static ct_cache *products_of(void *user_data, void *self) {
  (void)user_data;
  return ((repository *)self)->products;
}

static void repository_open(repository *it, const char *name) {
  memset(it, 0, sizeof *it);
  it->name = name;
  it->products = ct_cache_new(CT_POLICY_LRU, 100);
  if (it->products == NULL) exit(EXIT_FAILURE);
  for (int i = 0; i < 10; i++) it->prices[i] = 100 * i;
}

static void repository_close(repository *it) {
  ct_memo_forget(find, it);
  ct_cache_free(it->products);
}

static void repository_save(repository *it, int id, int price) {
  it->prices[id] = price;
  ct_memo_invalidate(find, it, &id);
}

static void show(repository *it, int id) {
  ct_value value;
  int price = 0;
  if (ct_memo_call(find, it, &id, &value) == CT_OK) memcpy(&price, value.data, sizeof price);
  ct_value_release(&value);
  printf("%s: product %d costs %d\n", it->name, id, price);
}

static void show_size(repository *it) {
  ct_cache_info info = CT_CACHE_INFO_INIT;
  if (ct_memo_info(find, it, &info) != CT_OK) exit(EXIT_FAILURE);
  printf("%s: %" PRIu64 " of %" PRIu64 " products kept, %" PRIu64 " hits, %" PRIu64 " misses\n",
         it->name, info.currsize, info.maxsize, info.hits, info.misses);
}

int main(void) {
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.fn = query;
  options.key = add_id;
  options.cache_of = products_of;
  if (ct_memo_new(&options, &find) != CT_OK) return EXIT_FAILURE;
  repository shop;
  repository outlet;
  repository_open(&shop, "shop");
  repository_open(&outlet, "outlet");

  show(&shop, 3);
  show(&shop, 3);
  show(&shop, 4);
  show(&outlet, 3);
  repository_save(&shop, 3, 249);
  show(&shop, 3);
  show(&outlet, 3);
  show_size(&shop);
  show_size(&outlet);

  repository_close(&shop);
  repository_close(&outlet);
  ct_memo_free(find);
  return EXIT_SUCCESS;
}
