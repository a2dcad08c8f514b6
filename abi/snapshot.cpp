// SPDX-License-Identifier: MIT
// Snapshots.
#include "snapshot/snapshot.hpp"

#include "boundary.hpp"

namespace {

bool are_known(uint32_t flags) { return (flags & ~CT_SNAPSHOT_AGED) == 0; }

}  // namespace

ct_status ct_snapshot_save(ct_cache *cache, ct_write_fn write, void *user_data) {
  if (cache == nullptr || write == nullptr) return CT_ERR_INVALID;
  return ct::Snapshot::save(*ct::unwrap(cache), write, user_data);
}

ct_status ct_snapshot_load(ct_cache *cache, ct_read_fn read, void *user_data) {
  return ct_snapshot_load_with(cache, read, user_data, 0);
}

ct_status ct_snapshot_load_with(ct_cache *cache, ct_read_fn read, void *user_data, uint32_t flags) {
  if (cache == nullptr || read == nullptr || !are_known(flags)) return CT_ERR_INVALID;
  return ct::Snapshot::load(*ct::unwrap(cache), read, user_data, flags, false);
}

ct_status ct_snapshot_save_file(ct_cache *cache, const char *path) {
  if (cache == nullptr || path == nullptr) return CT_ERR_INVALID;
  return ct::Snapshot::save_file(*ct::unwrap(cache), path);
}

ct_status ct_snapshot_load_file(ct_cache *cache, const char *path) {
  return ct_snapshot_load_file_with(cache, path, 0);
}

ct_status ct_snapshot_load_file_with(ct_cache *cache, const char *path, uint32_t flags) {
  if (cache == nullptr || path == nullptr || !are_known(flags)) return CT_ERR_INVALID;
  return ct::Snapshot::load_file(*ct::unwrap(cache), path, flags);
}
