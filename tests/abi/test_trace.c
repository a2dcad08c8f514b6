/* SPDX-License-Identifier: MIT */
/* Replays recorded requests, and compares the miss ratios with those of another implementation:
 * one test for each row of reference_miss_ratio.csv whose policy the library has. The files lie
 * in traces/ of CT_TEST_DATA, or in CT_TRACES. Their README.md describes the formats. */
#include <lzma.h>

#include "support.h"

enum { kMaxCells = 1000 };

/* Policies as the file calls them. Where a paper leaves something open, as for S3-FIFO, two
 * implementations may differ more. */
typedef struct reference {
  const char *label;
  const char *name; /* as the library calls it */
  double tolerance;
} reference;

static const reference references[] = {
    {"FIFO", "FIFO", 0.001},   {"LRU", "LRU", 0.001}, {"Clock", "CLOCK", 0.001},
    {"SIEVE", "SIEVE", 0.001}, {"ARC", "ARC", 0.001}, {"S3-FIFO", "S3FIFO", 0.005},
};

/* A row of the file. */
typedef struct cell {
  char trace[64];
  const reference *reference;
  ct_policy policy;
  uint64_t entries;
  double miss_ratio;
  char test_name[128];
} cell;

static char folder[1024];

/* Unpacks a trace into numbers, which the caller frees. */
static uint64_t *read_trace(const char *name, size_t *count) {
  char path[sizeof(folder) + 80];
  snprintf(path, sizeof(path), "%s/%s.u64.xz", folder, name);
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail_msg("cannot open %s", path);

  lzma_stream stream = LZMA_STREAM_INIT;
  assert_int_equal(LZMA_OK, lzma_stream_decoder(&stream, UINT64_MAX, 0));
  uint8_t packed[1 << 16];
  size_t capacity = 1 << 16;
  size_t size = 0;
  uint8_t *unpacked = NULL;
  lzma_ret status = LZMA_OK;
  while (status == LZMA_OK) {
    if (stream.avail_in == 0) {
      stream.next_in = packed;
      stream.avail_in = fread(packed, 1, sizeof(packed), file);
    }
    if (unpacked == NULL || size == capacity) {
      capacity *= 2;
      unpacked = realloc(unpacked, capacity);
      assert_non_null(unpacked);
    }
    stream.next_out = unpacked + size;
    stream.avail_out = capacity - size;
    status = lzma_code(&stream, feof(file) ? LZMA_FINISH : LZMA_RUN);
    size = capacity - stream.avail_out;
  }
  assert_int_equal(LZMA_STREAM_END, status);
  lzma_end(&stream);
  fclose(file);

  assert_int_equal(0, size % sizeof(uint64_t));
  *count = size / sizeof(uint64_t);
  return (uint64_t *)unpacked;
}

static double replay(const cell *cell, ct_policy policy, uint64_t seed, const uint64_t *keys,
                     size_t count) {
  ct_cache *cache = cache_of(.policy = policy, .maxsize = cell->entries, .seed = seed);

  for (size_t i = 0; i < count; i++) {
    const void *key = &keys[i];
    if (ct_get(cache, key, sizeof(keys[i]), NULL) == CT_OK) continue;
    assert_status(CT_OK, ct_set(cache, key, sizeof(keys[i]), NULL, 0));
  }

  const ct_stats stats = stats_of(cache);
  assert_int_equal(count, stats.hits + stats.misses);
  assert_int_equal(cell->entries, ct_len(cache));
  ct_cache_free(cache);
  return (double)stats.misses / (double)count;
}

static void test_miss_ratio_equals_reference(void **state) {
  const cell *cell = *state;
  size_t count;
  uint64_t *keys = read_trace(cell->trace, &count);
  const double miss_ratio = replay(cell, cell->policy, 0, keys, count);
  free(keys);

  printf("# %-14s %-7s %6llu entries: %.6f, reference %.6f\n", cell->trace, cell->reference->label,
         (unsigned long long)cell->entries, miss_ratio, cell->miss_ratio);
  fflush(stdout);
  assert_true(miss_ratio >= cell->miss_ratio - cell->reference->tolerance);
  assert_true(miss_ratio <= cell->miss_ratio + cell->reference->tolerance);
}

/* ---- ADAPTIVE ------------------------------------------------------------------------------- */

static cell cells[kMaxCells];
static size_t cell_count;

/* Returns the share of FIFO's misses that ADAPTIVE spares, as a mean of some seeds. */
static double spared(const cell *fifo) {
  enum { kSeeds = 5 };
  size_t count;
  uint64_t *keys = read_trace(fifo->trace, &count);
  double misses = 0;
  for (uint64_t seed = 1; seed <= kSeeds; seed++)
    misses += replay(fifo, CT_POLICY_ADAPTIVE, seed, keys, count) / kSeeds;
  free(keys);
  return 1 - misses / fifo->miss_ratio;
}

/* There is no other implementation to compare with, but it must be better than FIFO everywhere,
 * and by as much as is known to be possible. */
TEST(adaptive_spares_a_ninth_of_the_misses_of_fifo) {
  double sum = 0;
  size_t count = 0;
  for (size_t i = 0; i < cell_count; i++) {
    const cell *it = &cells[i];
    if (it->policy != CT_POLICY_FIFO) continue;
    const double own = spared(it);
    printf("# %-14s %6llu entries: ADAPTIVE spares %.4f of FIFO's misses\n", it->trace,
           (unsigned long long)it->entries, own);
    fflush(stdout);
    assert_true(own > -0.005);
    sum += own;
    count++;
  }
  printf("# on average %.4f\n", sum / (double)count);
  assert_true(sum / (double)count > 0.113);
}

/* ---- Sizes ---------------------------------------------------------------------------------- */

/* A key's size, drawn by the key: all from 1 to 1,023, small ones more often. */
static uint64_t size_of(uint64_t key) {
  uint64_t state = key;
  const uint64_t bits = 1 + test_random_below(&state, 10);
  return 1 + test_random_below(&state, ((uint64_t)1 << bits) - 1);
}

/* The yardstick for entries that differ in size: GDSF (Cherkasova, "Improving WWW Proxies
 * Performance with Greedy-Dual-Size-Frequency Caching Policy", 1998). An entry's priority is its
 * number of uses for its size, plus the priority of the last victim. The lowest leaves. */
static double gdsf_misses(const uint64_t *keys, size_t count, uint64_t room) {
  uint64_t key_count = 0;
  for (size_t i = 0; i < count; i++)
    if (keys[i] >= key_count) key_count = keys[i] + 1;
  double *priorities = calloc(key_count, sizeof *priorities);
  uint64_t *uses = calloc(key_count, sizeof *uses); /* 0: not there */
  uint64_t *there = calloc(key_count, sizeof *there);
  assert_true(priorities != NULL && uses != NULL && there != NULL);
  double last = 0;
  uint64_t used = 0, size = 0, misses = 0;
  for (size_t i = 0; i < count; i++) {
    const uint64_t key = keys[i];
    if (uses[key]++ == 0) {
      misses++;
      for (; used + size_of(key) > room; size--) {
        uint64_t least = 0;
        for (uint64_t k = 1; k < size; k++)
          if (priorities[there[k]] < priorities[there[least]]) least = k;
        const uint64_t victim = there[least];
        last = priorities[victim];
        uses[victim] = 0;
        used -= size_of(victim);
        there[least] = there[size - 1];
      }
      used += size_of(key);
      there[size++] = key;
    }
    priorities[key] = last + (double)uses[key] / (double)size_of(key);
  }
  free(priorities);
  free(uses);
  free(there);
  return (double)misses / (double)count;
}

static double weighed_misses(ct_policy policy, const uint64_t *keys, size_t count, uint64_t room) {
  ct_cache *cache = cache_of(.policy = policy, .maxsize = room, .seed = 7);
  ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
  entry.flags = CT_ENTRY_WEIGHT;
  uint64_t misses = 0;
  for (size_t i = 0; i < count; i++) {
    if (ct_get(cache, &keys[i], sizeof keys[i], NULL) == CT_OK) continue;
    misses++;
    entry.weight = size_of(keys[i]);
    assert_status(CT_OK, ct_set_with(cache, &keys[i], sizeof keys[i], NULL, 0, &entry));
  }
  ct_cache_free(cache);
  return (double)misses / (double)count;
}

TEST(adaptive_is_nearer_to_gdsf_than_to_lru_where_sizes_differ) {
  size_t count;
  uint64_t *keys = read_trace(cells[0].trace, &count);
  if (count > 100000) count = 100000;
  for (uint64_t room = 4000; room <= 256000; room *= 4) {
    const double gdsf = gdsf_misses(keys, count, room);
    const double lru = weighed_misses(CT_POLICY_LRU, keys, count, room);
    const double own = weighed_misses(CT_POLICY_ADAPTIVE, keys, count, room);
    printf("# %s, %llu bytes: LRU %.4f, GDSF %.4f, ADAPTIVE %.4f\n", cells[0].trace,
           (unsigned long long)room, lru, gdsf, own);
    fflush(stdout);
    assert_true(own < gdsf * 1.1);
    assert_true(own < (gdsf + lru) / 2);
  }
  free(keys);
}

/* ---- Rows ----------------------------------------------------------------------------------- */

/* Returns NULL if the policy is not compared. */
static const reference *find_reference(const char *label) {
  for (size_t i = 0; i < COUNT_OF(references); i++)
    if (strcmp(references[i].label, label) == 0) return &references[i];
  return NULL;
}

/* Reads the rows of those policies that are compared. Returns how many there are. */
static size_t read_cells(void) {
  char path[sizeof(folder) + 80];
  snprintf(path, sizeof(path), "%s/reference_miss_ratio.csv", folder);
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    fprintf(stderr, "cannot open %s\n", path);
    exit(1);
  }
  size_t count = 0;
  char line[256];
  while (count < kMaxCells && fgets(line, sizeof(line), file) != NULL) {
    cell *it = &cells[count];
    char label[32];
    unsigned long long entries;
    if (sscanf(line, "%63[^,],%*[^,],%llu,%31[^,],%lf", it->trace, &entries, label,
               &it->miss_ratio) != 4)
      continue; /* the header */
    it->reference = find_reference(label);
    if (it->reference == NULL) continue;
    if (ct_policy_from_name(it->reference->name, &it->policy) != CT_OK) continue;
    it->entries = entries;
    char name[sizeof it->test_name];
    snprintf(name, sizeof name, "test_%s_%s_of_%llu_misses_as_the_reference", it->trace,
             it->reference->name, entries);
    memcpy(it->test_name, name, sizeof name);
    count++;
  }
  fclose(file);
  return count;
}

int main(void) {
  const char *data = getenv("CT_TEST_DATA");
  const char *traces = getenv("CT_TRACES");
  if (data == NULL && traces == NULL) {
    fprintf(stderr, "neither CT_TEST_DATA nor CT_TRACES is set\n");
    return 1;
  }
  snprintf(folder, sizeof(folder), "%s%s", traces != NULL ? traces : data,
           traces != NULL ? "" : "/traces");

  cell_count = read_cells();
  if (cell_count == 0) {
    fprintf(stderr, "no row to compare in %s\n", folder);
    return 1;
  }
  for (size_t i = 0; i < cell_count; i++) {
    const struct CMUnitTest test = {.name = cells[i].test_name,
                                    .test_func = test_miss_ratio_equals_reference,
                                    .initial_state = &cells[i]};
    register_test(&test);
  }
  return run_registered_tests();
}
