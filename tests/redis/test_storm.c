/* SPDX-License-Identifier: MIT */
/* A million keys are invalidated at once, while other keys are read near. */
#include <inttypes.h>

#include "fixture.h"

enum { kKeys = 1000000, kAtOnce = 1000, kSteady = 1000, kMostSamples = 1 << 22 };

static server redis;
static tier it;
static _Atomic bool stops;
static uint32_t *samples;
static size_t sample_count;

static void *read_near(void *unused) {
  (void)unused;
  for (unsigned i = 0; !stops && sample_count < kMostSamples; i++) {
    char key[16];
    const int size = sprintf(key, "s%u", i % kSteady);
    ct_value value;
    const uint64_t begun = now_ns();
    const ct_status status = ct_redis_get(it.redis, key, (size_t)size, &value);
    const uint64_t taken = now_ns() - begun;
    assert_int_equal(CT_OK, status);
    ct_value_release(&value);
    samples[sample_count++] = taken > UINT32_MAX ? UINT32_MAX : (uint32_t)taken;
  }
  return NULL;
}

static int compare(const void *a, const void *b) {
  const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

/* Also brings them near. */
static void read_all(void) {
  ct_bytes *keys = calloc(kAtOnce, sizeof *keys);
  char(*names)[16] = calloc(kAtOnce, sizeof *names);
  ct_value *values = calloc(kAtOnce, sizeof *values);
  ct_status *statuses = calloc(kAtOnce, sizeof *statuses);
  for (int begin = 0; begin < kKeys; begin += kAtOnce) {
    for (int i = 0; i < kAtOnce; i++) {
      keys[i] = (ct_bytes){names[i], (size_t)sprintf(names[i], "%d", begin + i)};
    }
    EXPECT(CT_OK, ct_redis_get_many(it.redis, keys, kAtOnce, values, statuses));
    for (int i = 0; i < kAtOnce; i++) {
      EXPECT(CT_OK, statuses[i]);
      ct_value_release(&values[i]);
    }
  }
  free(keys);
  free(names);
  free(values);
  free(statuses);
}

TEST(a_million_keys_are_invalidated_at_once) {
  server_start(&redis, "");
  ct_redis_options options;
  tier_options(&it, redis.port, 2 * kKeys, &options);
  options.max_stale = CT_SECONDS(60); /* the script takes its time */
  options.timeout = CT_SECONDS(60);
  tier_open(&it, &options);
  EXPECT(CT_OK, ct_redis_wait(it.redis, CT_SECONDS(10)));
  peer client;
  assert_true(peer_connect(&client, redis.port));
  const char *fill =
      "for i=tonumber(ARGV[1]),tonumber(ARGV[2]) do redis.call('set','t:'..i,"
      "'value'..string.char(0,0,0,0,0,0,1,199)) end return 1";
  for (int i = 0; i < kKeys; i += 10000) {
    char first[16], last[16];
    sprintf(first, "%d", i);
    sprintf(last, "%d", i + 9999);
    assert_string_equal(":1", ASK(&client, "EVAL", fill, "0", first, last));
  }
  EXPECT(CT_OK, ct_redis_sync(it.redis));
  read_all();
  EXPECT(CT_OK, ct_redis_sync(it.redis));
  for (int i = 0; i < kSteady; i++) {
    char key[16];
    const int size = sprintf(key, "s%d", i);
    EXPECT(CT_OK, ct_redis_set(it.redis, key, (size_t)size, "value", 5, 0));
  }
  assert_int_equal(kKeys + kSteady, ct_len(it.near));

  samples = malloc(kMostSamples * sizeof *samples);
  pthread_t reader;
  pthread_create(&reader, NULL, read_near, NULL);
  const uint64_t before = tier_stats(&it).invalidations;
  const uint64_t begun = now_ns();
  const char *drop = "for i=0,tonumber(ARGV[1])-1 do redis.call('del','t:'..i) end return 1";
  assert_string_equal(":1", ASK(&client, "EVAL", drop, "0", "1000000"));
  const uint64_t deleted = now_ns();
  EXPECT(CT_OK, ct_redis_sync(it.redis));
  const uint64_t seen = now_ns();
  stops = true;
  pthread_join(reader, NULL);
  assert_int_equal(kSteady, ct_len(it.near));
  const ct_redis_counters counters = tier_stats(&it);
  assert_int_equal(kKeys, counters.invalidations - before);
  assert_int_equal(0, counters.disconnects);
  qsort(samples, sample_count, sizeof *samples, compare);
  print_message(
      "# the server deleted for %.0f ms, near followed after %.0f ms: %.0f ns a key; "
      "%zu near hits meanwhile, p99 %" PRIu32 " ns, p99.9 %" PRIu32 " ns\n",
      (double)(deleted - begun) / 1e6, (double)(seen - deleted) / 1e6,
      (double)(seen - deleted) / kKeys, sample_count, samples[sample_count * 99 / 100],
      samples[sample_count * 999 / 1000]);
  free(samples);
  peer_close(&client);
  tier_close(&it);
  server_stop(&redis);
}
