// SPDX-License-Identifier: MIT
// Entries by key: an index, and the entries that its references lead to. The class knows nothing of
// caches, and its owner locks. A writer changes index and entries as a seqlock's writer does
// (index.hpp), because readers may look without the lock.
//
// There are three ways to look up a key:
//   - find, for writers, who hold the lock;
//   - seek_first, for readers with the lock or without it: it looks at the one place where nearly
//     every key is, the first entry of its tag in its home bucket;
//   - seek, for readers without the lock, once seek_first was not enough. It looks everywhere.
#ifndef CT_ENTRY_MAP_HPP
#define CT_ENTRY_MAP_HPP

#include <cachetools.h>

#include <cstddef>
#include <cstdint>

#include "base/cell.hpp"
#include "base/clock.hpp"
#include "base/memory.hpp"
#include "table/entries.hpp"
#include "table/entry.hpp"
#include "table/index.hpp"

namespace ct {

// How a look-up is protected: by the owner's lock, or by the version of the index.
enum class Access { kLocked, kOptimistic };

// The result of a look-up.
enum class Seek : uint8_t {
  kHit,    // Found tells where the value is, and how long it lives. Without the lock, all of that
           // is valid only if `holds` returns true after the value was copied.
  kMiss,   // The key is not there.
  kRetry,  // Something changed meanwhile, or the key is not where it is looked for first.
  kNeedsLock,  // The value is better looked at under the lock, or pinned.
};

struct Found {
  Place place;
  const char *value;  // as of the version; nullptr if the value is better pinned
  size_t size;
  uint64_t deadline;
  uint32_t version;
  bool is_lasting;  // the place may be looked at without the lock, even if it is another's then
};

struct EntryMap {
  // Up to this size, copying a value costs less than pinning it and locking once more.
  static constexpr size_t kCopiedInside = 1024;
  // The values of keys up to this size are never far from the header (kFar).
  static constexpr size_t kNearKeyBytes = 256;

  EntryMap(Memory &memory, const Layout &layout, const ct_options &options, bool tight) noexcept
      : index(memory, tight), entries(memory, layout, options, tight) {}

  bool is_expired(const Entry *e, Now &now) const {
    const uint64_t at = entries.deadline(e);
    return at != CT_NEVER && now() >= at;
  }

  // Returns the key's place, expired or not.
  [[gnu::always_inline]] Place find(const Probe &probe) const {
    return index.find(probe.hash, [&](Ref ref) { return entries.has_key(ref, probe.key); });
  }
  // Does the same, but the place has kNone if the entry has expired.
  [[gnu::always_inline]] Place find_live(const Probe &probe, Now &now) const {
    Place place = find(probe);
    if (place.ref != kNone && is_expired(entries.at(place.ref), now)) place.ref = kNone;
    return place;
  }

  template <Access kAccess>
  [[gnu::always_inline]] Seek seek_first(const Probe &probe, Found *found) const;
  // Does the same where the first place is already known.
  template <Access kAccess>
  [[gnu::always_inline]] Seek seek_at(Place place, const Probe &probe, uint32_t version,
                                      Found *found) const;
  Seek seek(const Probe &probe, Found *found) const;
  template <class NowOf>
  static bool is_over(const Found &found, NowOf &now) {
    return found.deadline != CT_NEVER && now() >= found.deadline;
  }
  // Returns whether that which was found, and copied since then, was really there.
  bool holds(const Found &found) const { return index.unchanged_since(found.version); }

  Index index;
  Entries entries;

 private:
  template <Access kAccess>
  bool unchanged_since(uint32_t version) const {
    return kAccess == Access::kLocked || index.unchanged_since(version);
  }
  template <Access kAccess>
  [[gnu::always_inline]] Seek examine(Ref ref, const Probe &probe, uint32_t version,
                                      Found *found) const;
};

// Tells whether ref is the key's entry. Returns kHit, and fills *found, if it is; kMiss if the
// entry belongs to another key; kNeedsLock if the entry has to be looked at under the lock; kRetry
// if the index has changed meanwhile.
//
// The fewer instructions this takes, the more of the next look-up runs in the shadow of this one's
// cache misses. Without the lock nothing that this function reads is certain before the version has
// been loaded again. Until then it only goes where there is memory.
template <Access kAccess>
[[gnu::always_inline]] inline Seek EntryMap::examine(Ref ref, const Probe &probe, uint32_t version,
                                                     Found *found) const {
  const Layout &layout = entries.layout();
  const size_t key_size = probe.key.size;
  const Entry *entry = entries.at(ref);
  // The exact address of the value is known only once the header has arrived. That the value is
  // near is known at once.
  __builtin_prefetch(Layout::at(entry, 64));
  const Head head = Head::of(entry);
  // An entry that lies apart may have the key.
  if (head.key_size != key_size) {
    return head.key_size == kApartKeySize ? Seek::kNeedsLock : Seek::kMiss;
  }
  // From here on the lengths are known to be those of this entry.
  if (!unchanged_since<kAccess>(version)) return Seek::kRetry;
  const char *key = Layout::at(entry, layout.key_offset(head.flags));
  if (!equal_cells(key, probe.key.data, key_size)) return Seek::kMiss;
  if (head.value_size > kCopiedInside) return Seek::kNeedsLock;
  found->value = key + round_up_8(key_size);
  found->size = head.value_size;
  if ((head.flags & kLifetime) == 0) {
    found->deadline = CT_NEVER;
  } else if (kAccess == Access::kLocked) {
    found->deadline = layout.deadline(entry);
  } else {
    found->deadline = layout.lifetime(entry, head.flags)->write.acquire();
  }
  return Seek::kHit;
}

template <Access kAccess>
[[gnu::always_inline]] inline Seek EntryMap::seek_at(Place place, const Probe &probe,
                                                     uint32_t version, Found *found) const {
  if (place.ref == kNone) {
    const bool is_absent = place.bucket->passed.acquire() == 0;
    return is_absent && unchanged_since<kAccess>(version) ? Seek::kMiss : Seek::kRetry;
  }
  if (examine<kAccess>(place.ref, probe, version, found) != Seek::kHit) return Seek::kRetry;
  found->place = place;
  found->version = version;
  found->is_lasting = kAccess == Access::kOptimistic;
  return Seek::kHit;
}

template <Access kAccess>
[[gnu::always_inline]] inline Seek EntryMap::seek_first(const Probe &probe, Found *found) const {
  if (probe.key.size > kNearKeyBytes) return Seek::kNeedsLock;
  const uint32_t version = index.version();
  Bucket *home = index.home(probe.hash);
  if (home == nullptr || !unchanged_since<kAccess>(version)) return Seek::kRetry;
  return seek_at<kAccess>(home->first(hash_tag(probe.hash)), probe, version, found);
}

}  // namespace ct

#endif
