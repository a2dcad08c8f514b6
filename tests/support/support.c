/* SPDX-License-Identifier: MIT */
/* See support.h. */
#define _DEFAULT_SOURCE /* posix_memalign, mmap */
#include "support.h"

#include <time.h>
#ifdef _WIN32
#include <malloc.h>
#include <windows.h>
#else
#include <sys/mman.h>
#endif

#ifdef _WIN32
static int posix_memalign(void **out, size_t align, size_t size) {
  *out = _aligned_malloc(size, align);
  return *out == NULL;
}
#define free_aligned _aligned_free
#else
#define free_aligned free
#endif

/* ---- Tests that register themselves ---------------------------------------------------------- */

enum { kMostTests = 1024 };
static struct CMUnitTest registered[kMostTests];
static size_t registered_count;

void register_test(const struct CMUnitTest *test) {
  if (registered_count == kMostTests) abort();
  registered[registered_count++] = *test;
}

int run_registered_tests(void) {
  /* CMocka tells the number of tests by the array's size. */
  struct CMUnitTest tests[registered_count];
  memcpy(tests, registered, sizeof(tests));
  return cmocka_run_group_tests(tests, NULL, NULL);
}

__attribute__((weak)) int main(void) {
  return run_registered_tests();
}

/* ---- Statuses ------------------------------------------------------------------------------- */

const ct_status kFailures[kFailureCount] = {
    CT_ERR_INVALID,        CT_ERR_NOMEM,     CT_ERR_TOO_LARGE, CT_ERR_BUFFER,
    CT_ERR_RECURSION,      CT_ERR_CORRUPT,   CT_ERR_IO,        CT_ERR_INTERNAL,
    CT_ERR_UNSUPPORTED,    CT_ERR_CALLBACK,  (ct_status)1000,  (ct_status)1001,
    (ct_status)2000000000, (ct_status)-1000, (ct_status)-1001, (ct_status)-2000000000,
};

const ct_status kReserved[kReservedCount] = {
    CT_EXISTS,      CT_LEASED,       CT_END,          (ct_status)100, (ct_status)999,
    (ct_status)-11, (ct_status)-100, (ct_status)-999, CT_BUSY,
};

/* ---- Clock ---------------------------------------------------------------------------------- */

uint64_t manual_clock_read(void *clock) {
  return atomic_load_explicit(&((manual_clock *)clock)->now, memory_order_relaxed);
}

/* ---- Allocator ------------------------------------------------------------------------------ */

/* Lies right before the memory that is handed out, so that free can check its arguments. */
typedef struct block_header {
  void *base; /* what the system's allocator gave */
  size_t size;
  size_t align;
  uint64_t state;
} block_header;

enum { kJunk = 0xa5 };

static const uint64_t kLive = 0x6c69766520626c6b;
static const uint64_t kFreed = 0x6672656564626c6b;

/* A broken promise about memory ends the program: it may be found on any thread and inside a
 * critical section, where no CMocka assertion may unwind. */
static void require(bool condition, const char *what, size_t size, size_t align) {
  if (condition) return;
  fprintf(stderr, "test_allocator: %s (size %zu, align %zu)\n", what, size, align);
  abort();
}

static void *allocate(void *ctx, size_t size, size_t align) {
  test_allocator *it = ctx;
  require(align != 0 && (align & (align - 1)) == 0, "alignment is no power of two", size, align);

  const int64_t call = atomic_fetch_add(&it->calls, 1);
  const int64_t fail_at = atomic_load(&it->fail_at);
  if (fail_at >= 0 && (call == fail_at || (it->fail_on && call > fail_at))) {
    atomic_fetch_add(&it->failed, 1);
    return NULL;
  }

  const size_t alignment = align > _Alignof(max_align_t) ? align : _Alignof(max_align_t);
  const size_t offset = (sizeof(block_header) + alignment - 1) / alignment * alignment;
  void *base = NULL;
  if (size > SIZE_MAX - offset || posix_memalign(&base, alignment, offset + size) != 0) return NULL;

  char *memory = (char *)base + offset;
  const block_header header = {base, size, align, kLive};
  memcpy(memory - sizeof header, &header, sizeof header);
  memset(memory, kJunk, size);
  atomic_fetch_add(&it->blocks, 1);
  const int64_t bytes = atomic_fetch_add(&it->bytes, (int64_t)size) + (int64_t)size;
  int64_t peak = atomic_load(&it->peak);
  while (bytes > peak && !atomic_compare_exchange_weak(&it->peak, &peak, bytes)) continue;
  return memory;
}

static void release(void *ctx, void *ptr, size_t size, size_t align) {
  test_allocator *it = ctx;
  require(ptr != NULL, "NULL was freed", size, align);

  char *memory = ptr;
  block_header header;
  memcpy(&header, memory - sizeof header, sizeof header);
  require(header.state != kFreed, "block was freed twice", size, align);
  require(header.state == kLive, "block was never allocated, or was overrun", size, align);
  require(header.size == size, "block was allocated with another size", header.size, header.align);
  require(header.align == align, "block was allocated with another alignment", header.size,
          header.align);

  header.state = kFreed;
  memcpy(memory - sizeof header, &header, sizeof header);
  memset(memory, kJunk, size);
  atomic_fetch_sub(&it->blocks, 1);
  atomic_fetch_sub(&it->bytes, (int64_t)size);
  free_aligned(header.base);
}

void test_allocator_init(test_allocator *allocator) {
  memset(allocator, 0, sizeof *allocator);
  allocator->hooks.struct_size = sizeof allocator->hooks;
  allocator->hooks.alloc = allocate;
  allocator->hooks.free = release;
  allocator->hooks.ctx = allocator;
  atomic_init(&allocator->fail_at, -1);
}

/* ---- A policy of the caller's --------------------------------------------------------------- */

typedef struct queue {
  uint32_t ids[4096];
  int count;
} queue;

static void *queue_new(void *user_data, uint64_t maxsize) {
  (void)user_data;
  (void)maxsize;
  return calloc(1, sizeof(queue));
}

static void queue_insert(void *state, uint32_t id, uint64_t weight, const void *key,
                         size_t key_size, uint64_t now) {
  (void)weight;
  (void)key;
  (void)key_size;
  (void)now;
  queue *q = state;
  q->ids[q->count++] = id;
}

static void queue_remove(void *state, uint32_t id) {
  queue *q = state;
  int at = 0;
  while (q->ids[at] != id) at++;
  q->count--;
  memmove(&q->ids[at], &q->ids[at + 1], (size_t)(q->count - at) * sizeof q->ids[0]);
}

static uint32_t queue_victim(void *state) {
  return ((queue *)state)->ids[0];
}

const ct_policy_ops kQueue = {
    .struct_size = sizeof(ct_policy_ops),
    .state_new = queue_new,
    .state_free = free,
    .on_insert = queue_insert,
    .on_remove = queue_remove,
    .victim = queue_victim,
};

/* ---- Random numbers ------------------------------------------------------------------------- */

uint64_t test_seed(void) {
  const char *given = getenv("CT_SEED");
  const uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
  /* A comment, if the output is read as TAP. */
  printf("# CT_SEED=%llu\n", (unsigned long long)seed);
  fflush(stdout);
  return seed;
}

uint64_t test_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

uint64_t test_random_below(uint64_t *state, uint64_t n) {
  return test_random(state) % n;
}

/* ---- Memory of the process ------------------------------------------------------------------ */

double resident_bytes(void) {
  char line[256];
  double kibibytes = 0;
  FILE *file = fopen("/proc/self/smaps_rollup", "r");
  assert_non_null(file);
  while (fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, "Anonymous:", 10) == 0) kibibytes = strtod(line + 10, NULL);
  fclose(file);
  return kibibytes * 1024;
}

/* ---- Caches and values ---------------------------------------------------------------------- */

ct_cache *new_cache(const ct_options *options) {
  ct_cache *cache = NULL;
  assert_status(CT_OK, ct_cache_new_with(options, &cache));
  assert_non_null(cache);
  return cache;
}

ct_stats stats_of(const ct_cache *cache) {
  ct_stats stats = CT_STATS_INIT;
  assert_status(CT_OK, ct_cache_stats(cache, &stats));
  return stats;
}

ct_value poisoned_value(void) {
  return (ct_value){(const void *)(uintptr_t)8, 77, 77};
}

const void *unreadable(void) {
  static void *page;
  if (page == NULL) {
#ifdef _WIN32
    page = VirtualAlloc(NULL, 4096, MEM_RESERVE, PAGE_NOACCESS);
    assert_non_null(page);
#else
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(MAP_FAILED, page);
#endif
  }
  return page;
}

/* ---- Texts ---------------------------------------------------------------------------------- */

ct_status set_text(ct_cache *cache, const char *key, const char *value) {
  return ct_set(cache, key, strlen(key), value, strlen(value));
}

bool has_text(ct_cache *cache, const char *key) {
  return ct_contains(cache, key, strlen(key));
}

static void assert_found(ct_status status, ct_value *value, const char *key, const char *expected) {
  if (expected == NULL) {
    if (status != CT_MISS) print_error("key %s is there\n", key);
    assert_status(CT_MISS, status);
    assert_holds_nothing(*value);
  } else {
    if (status != CT_OK) print_error("key %s is not there\n", key);
    assert_status(CT_OK, status);
    assert_value(expected, *value);
  }
  ct_value_release(value);
}

void assert_text(ct_cache *cache, const char *key, const char *value) {
  ct_value found = CT_VALUE_INIT;
  assert_found(ct_get(cache, key, strlen(key), &found), &found, key, value);
}

void assert_text_quietly(ct_cache *cache, const char *key, const char *value) {
  ct_value found = CT_VALUE_INIT;
  assert_found(ct_peek(cache, key, strlen(key), &found), &found, key, value);
}
