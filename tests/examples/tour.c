/* SPDX-License-Identifier: MIT */
/* A short tour of the library, beyond get and set. Each part makes a cache, does something with it,
 * and says in plain words what happened. */
#include <cachetools.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Keys and values are bytes; here they are texts ----------------------------------------- */

static void put(ct_cache *cache, const char *key, const char *value) {
  printf("  set %s = \"%s\"\n", key, value);
  const ct_status status = ct_set(cache, key, strlen(key), value, strlen(value));
  if (status != CT_OK)
    printf("    refused: %s (%s)\n", ct_status_name(status), ct_status_message(status));
}

static void look_up(ct_cache *cache, const char *key) {
  ct_value value;
  if (ct_get(cache, key, strlen(key), &value) == CT_OK)
    printf("  get %s: \"%.*s\"\n", key, (int)value.size, (const char *)value.data);
  else
    printf("  get %s: not there\n", key);
  ct_value_release(&value);
}

static ct_cache *make(const ct_options *options) {
  ct_cache *cache;
  if (ct_cache_new_with(options, &cache) == CT_OK) return cache;

  const char *problem = ct_options_problem(options);
  fprintf(stderr, "no cache: %s\n", problem != NULL ? problem : "no memory");
  exit(EXIT_FAILURE);
}

/* ---- Expiry --------------------------------------------------------------------------------- */

/* A cache reads the system's clock unless it is given a timer. This one counts days, by hand. */
static uint64_t today(void *user_data) {
  const uint64_t *day = user_data;
  return *day;
}

static void say_what_went(void *user_data, const ct_event *event) {
  (void)user_data;
  printf("  gone: %.*s\n", (int)event->key.size, (const char *)event->key.data);
}

static void show_expiry(void) {
  puts("Expiry: entries live for 3 days, or as long as each is told to.");
  uint64_t day = 0;
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 100;
  options.ttl = 3;
  options.timer = today;
  options.user_data = &day;
  ct_cache *cache = make(&options);

  put(cache, "bread", "fresh");
  ct_set_ttl(cache, "honey", 5, "sweet", 5, 1000);
  puts("  set honey = \"sweet\", for 1000 days");

  day = 2;
  puts("  two days later:");
  look_up(cache, "bread");

  day = 3;
  puts("  three days later:");
  look_up(cache, "bread");
  look_up(cache, "honey");
  ct_expire(cache, CT_NOW, say_what_went, NULL);
  ct_cache_free(cache);
}

/* ---- Eviction events ------------------------------------------------------------------------ */

static void tell(void *user_data, const ct_event *event) {
  static const char *const causes[] = {"evicted", "expired", "replaced", "removed", "cleared"};
  unsigned *count = user_data;
  ++*count;
  printf("    told: %.*s was %s\n", (int)event->key.size, (const char *)event->key.data,
         causes[event->cause]);
}

static void show_events(void) {
  puts("Events: a listener is told of every entry that leaves, and why. LRU, room for 2.");
  unsigned told = 0;
  ct_options options = CT_OPTIONS_INIT;
  options.policy = CT_POLICY_LRU;
  options.maxsize = 2;
  options.listener = tell;
  options.user_data = &told;
  ct_cache *cache = make(&options);

  put(cache, "ann", "1");
  put(cache, "bob", "2");
  look_up(cache, "ann");
  puts("  now bob is the least recently used");
  put(cache, "cat", "3");
  put(cache, "cat", "4");
  puts("  delete ann");
  ct_delete(cache, "ann", 3);
  puts("  clear");
  ct_clear(cache);
  printf("  %u entries left in all\n", told);
  ct_cache_free(cache);
}

/* ---- Weights -------------------------------------------------------------------------------- */

static void show_weights(void) {
  puts("Weights: this cache holds 10 bytes of values, however many entries that is.");
  ct_options options = CT_OPTIONS_INIT;
  options.weight_kind = CT_WEIGHT_VALUE;
  options.maxsize = 10;
  ct_cache *cache = make(&options);

  put(cache, "a", "1234");
  put(cache, "b", "123456");
  printf("  %" PRIu64 " entries, %" PRIu64 " of %" PRIu64 " bytes\n", ct_len(cache),
         ct_currsize(cache), ct_maxsize(cache));
  put(cache, "c", "12");
  puts("  a was the least recently used, and made room:");
  look_up(cache, "a");
  printf("  %" PRIu64 " entries, %" PRIu64 " of %" PRIu64 " bytes\n", ct_len(cache),
         ct_currsize(cache), ct_maxsize(cache));
  put(cache, "d", "12345678901");
  ct_cache_free(cache);
}

/* ---- Taking entries out --------------------------------------------------------------------- */

static void show_pop(void) {
  puts("Taking out: pop takes the entry of a key, popitem the one that would be evicted next.");
  ct_cache *cache = ct_cache_new(CT_POLICY_FIFO, 10);
  if (cache == NULL) exit(EXIT_FAILURE);
  put(cache, "first", "1");
  put(cache, "second", "2");
  put(cache, "third", "3");

  ct_value key;
  ct_value value;
  if (ct_pop(cache, "second", 6, &value) == CT_OK)
    printf("  pop second: \"%.*s\"\n", (int)value.size, (const char *)value.data);
  ct_value_release(&value);

  while (ct_popitem(cache, &key, &value) == CT_OK) {
    printf("  popitem: %.*s = \"%.*s\"\n", (int)key.size, (const char *)key.data, (int)value.size,
           (const char *)value.data);
    ct_value_release(&key);
    ct_value_release(&value);
  }
  puts("  popitem: the cache is empty");
  ct_cache_free(cache);
}

/* ---- Pins ----------------------------------------------------------------------------------- */

static void show_pins(void) {
  puts("Pins: what was read stays valid until it is released, whatever happens to the entry.");
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  if (cache == NULL) exit(EXIT_FAILURE);
  put(cache, "poem", "roses are red");

  ct_value value;
  if (ct_get(cache, "poem", 4, &value) != CT_OK) exit(EXIT_FAILURE);
  put(cache, "poem", "violets are blue");
  look_up(cache, "poem");
  ct_cache_free(cache);
  printf("  replaced, and the cache is freed; still held: \"%.*s\"\n", (int)value.size,
         (const char *)value.data);
  ct_value_release(&value);
}

int main(void) {
  show_expiry();
  puts("");
  show_events();
  puts("");
  show_weights();
  puts("");
  show_pop();
  puts("");
  show_pins();
  return EXIT_SUCCESS;
}
