/* SPDX-License-Identifier: MIT */
/* Exchange rates: each is fetched once, and good for ten minutes. Here the clock is moved by
 * hand; without a timer, a cache takes the system's clock, in nanoseconds. */
#include <cachetools.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct pair {
  const char *from;
  const char *to;
} pair;

static uint64_t minute;

static uint64_t read_clock(void *user_data) {
  (void)user_data;
  return minute;
}

static ct_status fetch_rate(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self;
  const pair *it = args;
  printf("  asking the bank for %s to %s\n", it->from, it->to);
  if (strcmp(it->to, "XXX") == 0) return CT_MISS; /* no such currency: not remembered */
  const double rate = 1.25 + 0.01 * (double)minute;
  return ct_result_set(result, &rate, sizeof rate);
}

static ct_status add_pair(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  const pair *it = args;
  ct_key_text(key, it->from, strlen(it->from));
  ct_key_text(key, it->to, strlen(it->to));
  return CT_OK;
}

static void show_rate(ct_memo *rates, const char *from, const char *to) {
  const pair asked = {from, to};
  ct_value value;
  const ct_status status = ct_memo_call(rates, NULL, &asked, &value);
  if (status == CT_OK) {
    double rate;
    memcpy(&rate, value.data, sizeof rate);
    printf("minute %2d: %s to %s is %.2f\n", (int)minute, from, to, rate);
  } else {
    printf("minute %2d: %s to %s: %s\n", (int)minute, from, to, ct_status_name(status));
  }
  ct_value_release(&value);
}

int main(void) {
  ct_options own = CT_OPTIONS_INIT;
  own.maxsize = 1000;
  own.ttl = 10;
  own.timer = read_clock;
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.fn = fetch_rate;
  options.key = add_pair;
  options.own = &own;
  ct_memo *rates;
  if (ct_memo_new(&options, &rates) != CT_OK) return EXIT_FAILURE;

  show_rate(rates, "EUR", "USD");
  minute = 9;
  show_rate(rates, "EUR", "USD");
  minute = 10;
  show_rate(rates, "EUR", "USD");
  show_rate(rates, "EUR", "XXX");
  ct_memo_free(rates);
  return EXIT_SUCCESS;
}
