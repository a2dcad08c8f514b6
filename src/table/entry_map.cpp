// SPDX-License-Identifier: MIT
#include "table/entry_map.hpp"

namespace ct {

Place EntryMap::find(const Probe &probe) const { return find_inline(probe); }

Seek EntryMap::seek(const Probe &probe, Found *found) const {
  if (probe.key.size > kNearKeyBytes) return Seek::kNeedsLock;
  const uint32_t version = index.version();
  const Index::Sight sight = index.look(probe.hash);
  if (!index.unchanged_since(version)) return Seek::kRetry;
  Seek result = Seek::kMiss;
  found->place = sight.find([&](Ref ref) {
    // The reference is kNone if its table has just been put away. There need not be memory at
    // kNone.
    result = ref == kNone ? Seek::kRetry
                          : examine<Access::kOptimistic, true>(ref, probe, version, found);
    return result != Seek::kMiss;
  });
  if (result == Seek::kMiss && !index.unchanged_since(version)) return Seek::kRetry;
  found->version = version;
  found->is_lasting = true;
  return result;
}

// Tags are left out of the weight in bytes: they lie behind what is certain.
void EntryMap::terms(const Found &found, size_t key_size, uint64_t *weight,
                     uint64_t *deadline) const {
  const Layout &layout = entries.layout();
  const char *own_weight = found.key - (found.is_mortal() ? layout.lifetime_bytes : 0) - 8;
  *weight = (found.flags & kWeight) != 0
                ? reinterpret_cast<const Cell<uint64_t> *>(own_weight)->acquire()
                : entries.weigh(found.flags & kLifetime, key_size, found.size, 0);
  *deadline = found.is_mortal() ? layout.lifetime_before(found.key)->write.acquire() : CT_NEVER;
}

// The tags are looked at before the caller finds out whether the entry was still there meanwhile. So
// long as it is, its tags keep their records. That is asked here, too, once it is known how many
// they are, because this says how far to read.
bool EntryMap::is_invalidated(const Found &found) const {
  if (!found.has_tags()) return false;
  const auto *slots = reinterpret_cast<const TagSlot *>(found.value + round_up_8(found.size));
  const uint32_t count = tag_count(slots[0].acquire());
  if (!holds(found)) return false;
  for (uint32_t i = 0; i < count; i++) {
    if (!entries.tags().is_valid(tag_number(slots[i].acquire()))) return true;
  }
  return false;
}

}  // namespace ct
