/* SPDX-License-Identifier: MIT */
/* A client of a weather service. The key is the city in lower case and the units. Each report
 * says how long it is good for, and a list of cities is fetched ahead. */
#include <cachetools.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct request {
  const char *city;
  const char *units;
} request;

static uint64_t minute;
static int requests;

static uint64_t read_clock(void *user_data) {
  (void)user_data;
  return minute;
}

static ct_status fetch(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self;
  const request *it = args;
  requests++;
  const bool metric = strcmp(it->units, "metric") == 0;
  char report[100];
  const int size =
      snprintf(report, sizeof report, "%s as of minute %d", metric ? "21 C" : "70 F", (int)minute);
  ct_result_ttl(result, metric ? 30 : 60); /* the service says how long */
  return ct_result_set(result, report, (size_t)size);
}

static ct_status add_request(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  const request *it = args;
  char city[100];
  const size_t size = strlen(it->city);
  if (size > sizeof city) return CT_ERR_INVALID;
  for (size_t i = 0; i < size; i++) city[i] = (char)tolower((unsigned char)it->city[i]);
  ct_key_text(key, city, size);
  ct_key_name(key, "units", 5);
  ct_key_text(key, it->units, strlen(it->units));
  return CT_OK;
}

static void show(ct_memo *weather, const char *city, const char *units) {
  const request asked = {city, units};
  ct_value value;
  if (ct_memo_call(weather, NULL, &asked, &value) == CT_OK)
    printf("%s, %s: %.*s\n", city, units, (int)value.size, (const char *)value.data);
  ct_value_release(&value);
}

static void prefetch(ct_memo *weather, const request *list, size_t count) {
  for (size_t i = 0; i < count; i++) ct_memo_call(weather, NULL, &list[i], NULL);
}

int main(void) {
  ct_options own = CT_OPTIONS_INIT;
  own.maxsize = 500;
  own.timer = read_clock;
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.fn = fetch;
  options.key = add_request;
  options.own = &own;
  ct_memo *weather;
  if (ct_memo_new(&options, &weather) != CT_OK) return EXIT_FAILURE;

  const request list[] = {{"Oslo", "metric"}, {"Lima", "metric"}, {"OSLO", "metric"}};
  prefetch(weather, list, sizeof list / sizeof list[0]);
  printf("%d requests for a list of 3\n", requests);
  minute = 20;
  show(weather, "oslo", "metric");
  show(weather, "Lima", "imperial");
  minute = 45;
  show(weather, "Oslo", "metric");
  show(weather, "Lima", "imperial");
  printf("%d requests in all\n", requests);
  ct_memo_free(weather);
  return EXIT_SUCCESS;
}
