/* SPDX-License-Identifier: MIT */
/* A system that does less than it is asked to: it has no random numbers, signals interrupt its
 * calls, and it writes in pieces. This program replaces the system's functions, for the library
 * too. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support.h"

static bool unkind;
static int interrupted; /* calls */

/* Returns true for every second call while the system is unkind. */
static bool interrupts(void) {
  static int calls;
  if (!unkind || calls++ % 2 == 1) return false;
  interrupted++;
  errno = EINTR;
  return true;
}

int getentropy(void *buffer, size_t size) {
  if (unkind) {
    errno = ENOSYS;
    return -1;
  }
  return syscall(SYS_getrandom, buffer, size, 0) == (long)size ? 0 : -1;
}

ssize_t write(int file, const void *data, size_t size) {
  if (interrupts()) return -1;
  return syscall(SYS_write, file, data, unkind ? (size + 1) / 2 : size);
}

ssize_t read(int file, void *buffer, size_t size) {
  if (interrupts()) return -1;
  return syscall(SYS_read, file, buffer, unkind ? (size + 1) / 2 : size);
}

int fsync(int file) {
  return interrupts() ? -1 : (int)syscall(SYS_fsync, file);
}

static int be_kind(void **state) {
  (void)state;
  unkind = false;
  return 0;
}

static uint64_t seed_of(ct_cache *cache) {
  ct_options options = CT_OPTIONS_INIT;
  assert_status(CT_OK, ct_cache_options(cache, &options));
  return options.seed;
}

TEST_WITH(without_random_numbers_seeds_differ_all_the_same, NULL, be_kind) {
  unkind = true;
  ct_cache *first = ct_cache_new(CT_POLICY_RR, 10);
  ct_cache *second = ct_cache_new(CT_POLICY_RR, 10);
  assert_true(seed_of(first) != 0);
  assert_true(seed_of(second) != 0);
  assert_true(seed_of(first) != seed_of(second));
  ct_cache_free(first);
  ct_cache_free(second);
}

TEST_WITH(interrupted_snapshot_is_complete, NULL, be_kind) {
  char folder[] = "/tmp/cachetools-XXXXXX";
  assert_non_null(mkdtemp(folder));
  char path[64];
  snprintf(path, sizeof path, "%s/snapshot", folder);
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
  for (uint64_t key = 0; key < 20000; key++)
    assert_status(CT_OK, ct_set(from, &key, sizeof key, &key, sizeof key));
  unkind = true;
  interrupted = 0;
  assert_status(CT_OK, ct_snapshot_save_file(from, path));
  assert_true(interrupted > 2);
  ct_cache *to = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
  interrupted = 0;
  assert_status(CT_OK, ct_snapshot_load_file(to, path));
  assert_true(interrupted > 1);
  assert_int_equal(20000, ct_len(to));
  ct_cache_free(from);
  ct_cache_free(to);
  assert_int_equal(0, unlink(path));
  assert_int_equal(0, rmdir(folder));
}
