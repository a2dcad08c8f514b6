/* SPDX-License-Identifier: MIT */
/* Loads arbitrary bytes as a snapshot.
 *
 * The first byte draws a cache, the second says how the rest is read. 0: as it is. Otherwise it is
 * content that is put into frames of at most that many bytes, whose checksums are right, so that
 * the code behind the checksums is reached. The content's flags decide the version. Half of the
 * caches have the default timer, which stands still here, and load with CT_SNAPSHOT_AGED. The wall
 * clock is the system's, as the fuzzer needs it too.
 *
 * Checked: a load that fails leaves the cache as it was; one that succeeds keeps to the limit
 * and to what was there; and what was loaded can be saved and loaded again. */
#define _GNU_SOURCE /* syscall */
#include <cachetools.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "snapshots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { kLimit = 7, kPresent = 2 };

static void require(bool condition, const char *what) {
  if (condition) return;
  fprintf(stderr, "fuzz_snapshot: %s\n", what);
  abort();
}

static const uint64_t kNow = UINT64_C(1) << 40;

static uint64_t now(void *user_data) {
  (void)user_data;
  return kNow;
}

/* Replaces libc's. */
int clock_gettime(clockid_t id, struct timespec *out) {
  if (id == CLOCK_REALTIME) return (int)syscall(SYS_clock_gettime, id, out);
  *out = (struct timespec){(time_t)(kNow / 1000000000), (long)(kNow % 1000000000)};
  return 0;
}

static ct_options draw_options(uint8_t byte) {
  static const ct_policy kPolicies[] = {CT_POLICY_LRU,   CT_POLICY_LFU,    CT_POLICY_MRU,
                                        CT_POLICY_SIEVE, CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU,
                                        CT_POLICY_ARC,   CT_POLICY_RR,     CT_POLICY_ADAPTIVE};
  ct_options options = CT_OPTIONS_INIT;
  options.policy = kPolicies[byte % 8];
  options.shards = (byte & 8) != 0 ? 4 : 1;
  options.maxsize = (byte & 16) != 0 ? kLimit : CT_UNBOUNDED;
  options.weight_kind = (byte & 64) != 0 ? CT_WEIGHT_MEMORY : CT_WEIGHT_COUNT;
  if (options.weight_kind == CT_WEIGHT_MEMORY && options.maxsize == kLimit) options.maxsize = 1000;
  options.seed = 1;
  options.timer = (byte & 128) != 0 ? NULL : now;
  if ((byte & 32) != 0) options.tti = options.timer == NULL ? CT_MILLISECONDS(1) : 1000;
  return options;
}

static ct_cache *make_cache(const ct_options *options) {
  ct_cache *cache;
  require(ct_cache_new_with(options, &cache) == CT_OK, "no memory");
  return cache;
}

static void require_present(ct_cache *cache) {
  require(ct_contains(cache, "", 0) && ct_contains(cache, "k", 1), "an entry has gone");
}

static void put_present(ct_cache *cache) {
  require(ct_set(cache, "", 0, "empty", 5) == CT_OK, "no memory");
  require(ct_set(cache, "k", 1, "", 0) == CT_OK, "no memory");
}

static ct_bytes peek(ct_cache *cache, ct_bytes key, ct_value *value) {
  require(ct_peek(cache, key.data, key.size, value) == CT_OK, "an entry was lost on the way");
  return (ct_bytes){value->data, value->size};
}

/* Checks that a copy, which no format has been between, has the same tags. */
static void require_same_tags(ct_cache *cache, ct_cache *loaded) {
  static const ct_bytes kTags[] = {{NULL, 0}, {"t", 1}, {"red", 3}};
  ct_cache *copy;
  require(ct_cache_copy(cache, &copy) == CT_OK, "it cannot be copied");
  for (size_t i = 0; i < sizeof kTags / sizeof kTags[0]; i++) {
    require(ct_invalidate_tag(copy, kTags[i].data, kTags[i].size, 0) == CT_OK &&
                ct_invalidate_tag(loaded, kTags[i].data, kTags[i].size, 0) == CT_OK,
            "no memory");
    require(ct_len(copy) == ct_len(loaded), "other tags");
  }
  ct_cache_free(copy);
}

/* Checks that a snapshot brings all entries, unchanged, into another cache without a limit. */
static void require_copies(ct_cache *cache, ct_options options) {
  tape t = {0};
  require(save_tape(cache, &t) == CT_OK, "it cannot be saved");
  options.maxsize = CT_UNBOUNDED;
  ct_cache *copy = make_cache(&options);
  require(load_tape(copy, &t) == CT_OK, "what was saved is refused");
  require(ct_len(cache) == ct_len(copy), "another number of entries");
  const bool is_ordered =
      options.shards == 1 && options.policy != CT_POLICY_RR && options.policy != CT_POLICY_ADAPTIVE;
  ct_iter *one;
  ct_iter *other = NULL;
  const int32_t order = is_ordered ? CT_ORDER_COLDEST : CT_ORDER_ANY;
  require(ct_iter_new(cache, order, &one) == CT_OK, "no memory");
  if (is_ordered) require(ct_iter_new(copy, order, &other) == CT_OK, "no memory");
  for (ct_bytes key, value, same; ct_iter_next(one, &key, &value) == CT_OK;) {
    ct_value found;
    const ct_bytes copied = peek(copy, key, &found);
    require(copied.size == value.size, "another size");
    require(value.size == 0 || memcmp(copied.data, value.data, value.size) == 0, "other bytes");
    ct_value_release(&found);
    if (!is_ordered) continue;
    require(ct_iter_next(other, &same, NULL) == CT_OK && same.size == key.size &&
                (key.size == 0 || memcmp(same.data, key.data, key.size) == 0),
            "another order");
  }
  ct_iter_free(one);
  ct_iter_free(other);
  require_same_tags(cache, copy);
  ct_cache_free(copy);
  tape_free(&t);
}

static void use_and_empty(ct_cache *cache) {
  for (int i = 0; i < 20; i++) {
    const char key = (char)('a' + i % 7);
    ct_get(cache, &key, 1, NULL);
    ct_get(cache, "k", 1, NULL);
    ct_set(cache, &key, 1, &key, 1);
  }
  require(ct_currsize(cache) <= ct_maxsize(cache), "the limit is exceeded later");
  while (ct_popitem(cache, NULL, NULL) == CT_OK) continue;
  require(ct_len(cache) == 0 && ct_currsize(cache) == 0, "it cannot be emptied");
}

/* The version that the flags of content speak of. */
static const unsigned char *prefix_of(const uint8_t *content, size_t size) {
  const uint8_t flags = size > 1 ? content[1] : 0;
  if ((flags & 4) != 0) return kTaggedPrefix;
  return (flags & 2) != 0 ? kDatedPrefix : kSnapshotPrefix;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  const ct_options options = draw_options(data[0]);
  tape t = {0};
  if (data[1] == 0)
    tape_write(&t, data + 2, size - 2);
  else
    put_frames(&t, prefix_of(data + 2, size - 2), data + 2, size - 2, data[1]);
  ct_cache *cache = make_cache(&options);
  put_present(cache);
  const uint64_t weight = ct_currsize(cache);

  const uint32_t flags = options.timer == NULL ? CT_SNAPSHOT_AGED : 0;
  const ct_status status = load_tape_with(cache, &t, flags);
  require(
      status == CT_OK || status == CT_ERR_CORRUPT || (status == CT_ERR_UNSUPPORTED && flags != 0),
      "an answer that is none of these");
  require_present(cache);
  require(ct_currsize(cache) <= ct_maxsize(cache), "the limit is exceeded");
  if (status == CT_OK) {
    require_copies(cache, options);
  } else {
    require(ct_len(cache) == kPresent && ct_currsize(cache) == weight, "the cache has changed");
  }
  ct_stats stats = CT_STATS_INIT;
  require(ct_cache_stats(cache, &stats) == CT_OK && stats.inserts == kPresent &&
              stats.evictions + stats.removals + stats.rejections + stats.updates == 0,
          "something was counted");
  use_and_empty(cache);
  ct_cache_free(cache);
  tape_free(&t);
  return 0;
}
