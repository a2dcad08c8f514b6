/* SPDX-License-Identifier: MIT */
/* Memory that runs out, at each allocation of a session in turn. Each call fails or does what it
 * should; when there is memory again, so does everything; nothing is lost. */
#include "counted_heap.h"
#include "fixture.h"

/* ---- A session ---------------------------------------------------------------------------------- */

static bool may(ct_status status, ct_status wanted) {
  return status == wanted || status == CT_ERR_NOMEM || status == CT_ERR_IO;
}

static ct_status load(void *unused, const void *key, size_t key_size, ct_result *result) {
  (void)unused;
  (void)key;
  (void)key_size;
  return ct_result_set(result, "loaded", 6);
}

static bool reads_right(ct_status status, ct_value *value, const char *text) {
  const bool right = status != CT_OK ||
                     (value->size == strlen(text) && memcmp(value->data, text, value->size) == 0);
  ct_value_release(value);
  return right && may(status, CT_OK);
}

/* Returns the line of a call that was wrong, or 0. Without a thread, so that the order of allocations is known. */
#define CHECK(is_wrong)                             \
  do {                                              \
    if ((is_wrong) && wrong == 0) wrong = __LINE__; \
  } while (0)

static int use(ct_redis *tier) {
  ct_value value;
  int wrong = 0;
  CHECK(!may(ct_redis_set(tier, "a", 1, "value", 5, CT_SECONDS(100)), CT_OK));
  ct_status status = ct_redis_get(tier, "a", 1, &value);
  CHECK(status != CT_MISS && !reads_right(status, &value, "value")); /* if it was not stored */
  status = ct_redis_get_or_load(tier, "b", 1, 0, load, NULL, &value);
  CHECK(!reads_right(status, &value, "loaded"));
  const ct_bytes keys[] = {{"a", 1}, {"c", 1}, {"d", 1}};
  ct_value values[3];
  ct_status statuses[3];
  CHECK(!may(ct_redis_get_many(tier, keys, 3, values, statuses), CT_OK));
  for (int i = 0; i < 3; i++) {
    CHECK(statuses[i] != CT_OK && !may(statuses[i], CT_MISS));
    ct_value_release(&values[i]);
  }
  CHECK(!may(ct_redis_delete(tier, "a", 1), CT_OK));
  CHECK(!may(ct_redis_sync(tier), CT_OK));
  return wrong;
}

static ct_status session(ct_redis_options *options, int *out) {
  ct_redis *tier;
  options->near = ct_cache_new(CT_POLICY_LRU, 100);
  if (options->near == NULL) return CT_ERR_NOMEM;
  const ct_status opened = ct_redis_open(options, &tier);
  if (opened != CT_OK) {
    ct_cache_free(options->near);
    return opened;
  }
  int wrong = ct_redis_wait(tier, CT_SECONDS(10)) != CT_OK ? __LINE__ : 0;
  const int used = use(tier);
  if (wrong == 0) wrong = used;

  /* There is memory again. */
  const int64_t failed_at = heap.fail_at;
  heap.fail_at = -1;
  CHECK(ct_redis_wait(tier, CT_SECONDS(10)) != CT_OK);
  CHECK(ct_redis_set(tier, "a", 1, "again", 5, 0) != CT_OK);
  ct_value value;
  CHECK(ct_redis_get(tier, "a", 1, &value) != CT_OK);
  ct_value_release(&value);
  CHECK(ct_redis_delete(tier, "a", 1) != CT_OK);
  CHECK(ct_redis_delete(tier, "b", 1) != CT_OK);
  CHECK(ct_redis_sync(tier) != CT_OK);
  heap.fail_at = failed_at;
  *out = wrong;
  ct_redis_close(tier);
  ct_cache_free(options->near);
  return CT_OK;
}

TEST(each_allocation_of_a_session_may_fail) {
  server redis;
  server_start(&redis, "");
  tier it;
  ct_redis_options options;
  tier_options(&it, redis.port, 100, &options);
  options.flags = CT_REDIS_NO_THREAD;
  options.max_stale = CT_SECONDS(20);
  int64_t total = 0;
  int refused = 0;
  for (heap.fail_at = -1; heap.fail_at < total; heap.fail_at++) {
    int wrong = 0;
    heap.calls = 0;
    heap.blocks = 0;
    inside = true;
    const ct_status status = session(&options, &wrong);
    inside = false;
    if (heap.fail_at < 0) total = heap.calls;
    if (wrong != 0) fail_msg("line %d: wrong when allocation %d failed", wrong, (int)heap.fail_at);
    assert_true(status == CT_OK || status == CT_ERR_NOMEM);
    refused += status != CT_OK;
    /* The first session also makes what libc keeps. */
    if (heap.fail_at >= 0 && heap.blocks != 0)
      fail_msg("%d blocks are lost at %d", (int)heap.blocks, (int)heap.fail_at);
  }
  print_message("# %d allocations, %d of them to open\n", (int)total, refused);
  assert_true(total > 20);
  assert_true(refused > 0);
  ct_cache_free(it.near);
  server_stop(&redis);
}
