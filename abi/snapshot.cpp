// SPDX-License-Identifier: MIT
// Snapshots.
#include "../src/snapshot.hpp"

#include "boundary.hpp"

ct_status ct_snapshot_save(ct_cache *cache, ct_write_fn write, void *user_data) {
  if (cache == nullptr || write == nullptr) return CT_ERR_INVALID;
  return ct::Snapshot::save(*ct::unwrap(cache), write, user_data);
}

ct_status ct_snapshot_load(ct_cache *cache, ct_read_fn read, void *user_data) {
  if (cache == nullptr || read == nullptr) return CT_ERR_INVALID;
  return ct::Snapshot::load(*ct::unwrap(cache), read, user_data, false);
}

ct_status ct_snapshot_save_file(ct_cache *cache, const char *path) {
  if (cache == nullptr || path == nullptr) return CT_ERR_INVALID;
  return ct::Snapshot::save_file(*ct::unwrap(cache), path);
}

ct_status ct_snapshot_load_file(ct_cache *cache, const char *path) {
  if (cache == nullptr || path == nullptr) return CT_ERR_INVALID;
  return ct::Snapshot::load_file(*ct::unwrap(cache), path);
}
