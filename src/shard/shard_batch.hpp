// SPDX-License-Identifier: MIT
// Reads of many keys of one shard in one go.
#ifndef CT_SHARD_BATCH_HPP
#define CT_SHARD_BATCH_HPP

#include <cachetools.h>

#include <cstddef>
#include <cstdint>

#include "shard/shard.hpp"

namespace ct {

// A key of a call that reads many keys, and what was found for it.
struct Asked {
  Probe probe;
  Found found;
};

class ShardBatch {
 public:
  explicit ShardBatch(Shard &shard) noexcept : shard_(shard) {}

  // Does what get does for several keys of this shard, under one lock.
  ct_status get_some(Asked *keys, uint32_t count, Now &now, ct_value *values, ct_status *statuses);
  // Finds values and their sizes. This does not count as a use yet.
  void find_some(Asked *keys, uint32_t count, Now &now, ct_status *statuses);
  // Copies the values that were found, one behind the other. Returns false if a key no longer has a
  // value of the size that was found.
  bool copy_some(const Asked *keys, uint32_t count, Now &now, char *buffer,
                 const ct_status *statuses);
  // Counts the hits, misses and uses of what was found and copied.
  void use_some(const Asked *keys, uint32_t count, Now &now, const ct_status *statuses);

 private:
  bool approach(Asked *keys, uint32_t count, uint32_t version) const;
  template <Access kAccess>
  uint32_t find_run(Asked *keys, uint32_t count, Now &now, ct_status *statuses) const;
  ct_status find_under_lock(const Probe &probe, Now &now, Found *found);
  uint32_t copy_run(const Asked *keys, uint32_t count, char *buffer, const ct_status *statuses,
                    size_t *copied) const;
  bool copy_pinned(const Probe &probe, Now &now, char *buffer, size_t size);
  uint32_t use_run(const Asked *keys, uint32_t count, Now &now, const ct_status *statuses);

  Shard &shard_;
};

}  // namespace ct

#endif
