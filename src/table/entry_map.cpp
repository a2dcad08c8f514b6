// SPDX-License-Identifier: MIT
#include "table/entry_map.hpp"

namespace ct {

Seek EntryMap::seek(const Probe &probe, Found *found) const {
  if (probe.key.size > kNearKeyBytes) return Seek::kNeedsLock;
  const uint32_t version = index.version();
  const Index::Sight sight = index.look(probe.hash);
  if (!index.unchanged_since(version)) return Seek::kRetry;
  Seek result = Seek::kMiss;
  found->place = sight.find([&](Ref ref) {
    // The reference is kNone if its table has just been put away. There need not be memory at
    // kNone.
    result = ref == kNone ? Seek::kRetry : examine<Access::kOptimistic>(ref, probe, version, found);
    return result != Seek::kMiss;
  });
  if (result == Seek::kMiss && !index.unchanged_since(version)) return Seek::kRetry;
  found->version = version;
  found->is_lasting = true;
  return result;
}

}  // namespace ct
