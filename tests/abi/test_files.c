/* SPDX-License-Identifier: MIT */
/* Snapshots in files, as every system has them. test_snapshot_faults has what is so on Linux: rights,
 * links, FIFOs and sockets, full disks. */
#include "support.h"

#ifdef _WIN32
#include <windows.h>
static const char kDevice[] = "NUL";
#else
static const char kDevice[] = "/dev/null";
#endif

/* In the folder where the test runs. */
static const char kFile[] = "test_files.snapshot";
static const char kFar[] = "test_files \xC3\x9F \xE5\xBF\xAB.snapshot";

static ct_cache *numbered_cache(uint64_t entries) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
  for (uint64_t key = 0; key < entries; key++)
    assert_status(CT_OK, ct_set(cache, &key, sizeof key, &key, sizeof key));
  return cache;
}

static void save(const char *path, uint64_t entries) {
  ct_cache *cache = numbered_cache(entries);
  assert_status(CT_OK, ct_snapshot_save_file(cache, path));
  ct_cache_free(cache);
}

static void assert_file_has(const char *path, uint64_t entries) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
  assert_status(CT_OK, ct_snapshot_load_file(cache, path));
  assert_int_equal(entries, ct_len(cache));
  for (uint64_t key = 0; key < entries; key++) {
    uint64_t value;
    size_t size;
    assert_status(CT_OK, ct_get_copy(cache, &key, sizeof key, &value, sizeof value, &size));
    assert_int_equal(key, value);
  }
  ct_cache_free(cache);
}

TEST(new_file_takes_the_place_of_the_old_one) {
  save(kFile, 3000);
  assert_file_has(kFile, 3000);
  save(kFile, 20);
  assert_file_has(kFile, 20);
  assert_int_equal(0, remove(kFile));
}

TEST(path_may_name_the_folder) {
  char path[64];
  snprintf(path, sizeof path, "./%s", kFile);
  save(path, 10);
  assert_file_has(kFile, 10);
#ifdef _WIN32
  snprintf(path, sizeof path, ".\\%s", kFile);
  save(path, 11);
  assert_file_has(kFile, 11);
#endif
  assert_int_equal(0, remove(kFile));
}

TEST(path_is_in_utf_8) {
  save(kFar, 5);
  assert_file_has(kFar, 5);
#ifdef _WIN32
  assert_true(DeleteFileW(L"test_files \u00DF \u5FEB.snapshot"));
  ct_cache *cache = numbered_cache(1);
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, "\xFF"));
  assert_status(CT_ERR_IO, ct_snapshot_load_file(cache, "\xFF"));
  ct_cache_free(cache);
#else
  assert_int_equal(0, remove(kFar));
#endif
}

TEST(what_is_no_file_is_not_replaced) {
  ct_cache *cache = numbered_cache(3);
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, kDevice));
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, "."));
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, ""));
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, "no_such_folder/snapshot"));
  assert_status(CT_ERR_IO, ct_snapshot_load_file(cache, "no_such_file"));
  assert_status(CT_ERR_IO, ct_snapshot_load_file(cache, "."));
  assert_status(CT_ERR_CORRUPT, ct_snapshot_load_file(cache, kDevice)); /* which is empty */
  assert_int_equal(3, ct_len(cache));
  ct_cache_free(cache);
}

TEST(file_that_is_cut_off_is_corrupt) {
  save(kFile, 50);
  unsigned char bytes[8192];
  FILE *file = fopen(kFile, "rb");
  assert_non_null(file);
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  assert_in_range(size, 500, sizeof bytes - 1);
  fclose(file);
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
  for (size_t kept = 0; kept < size; kept += 97) {
    file = fopen(kFile, "wb");
    assert_non_null(file);
    assert_int_equal(kept, fwrite(bytes, 1, kept, file));
    assert_int_equal(0, fclose(file));
    assert_status(CT_ERR_CORRUPT, ct_snapshot_load_file(cache, kFile));
    assert_int_equal(0, ct_len(cache));
  }
  ct_cache_free(cache);
  assert_int_equal(0, remove(kFile));
}
