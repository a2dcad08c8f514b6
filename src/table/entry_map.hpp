// SPDX-License-Identifier: MIT
// Entries by key: an index, and the entries that its references lead to. The class knows nothing of
// caches, and its owner locks. A writer changes index and entries as a seqlock's writer does
// (index.hpp), because readers may look without the lock.
//
// There are three ways to look up a key:
//   - find, for writers, who hold the lock;
//   - seek_home, for readers with the lock or without it: it looks only into the first slot of the
//     key's home bucket that has the key's tag, where nearly every key is. It finds no entry that
//     has tags or is sampled;
//   - seek, for readers without the lock, once seek_home was not enough. It looks everywhere.
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
  kHit,    // Found tells where the value is. Without the lock, that and the copied value are valid
           // only if `holds` returns true afterwards.
  kMiss,   // The key is not there.
  kRetry,  // Something changed meanwhile, or the key may be elsewhere.
  kNeedsLock,  // The value is better looked at under the lock, or, if that is held, pinned.
};

struct Found {
  Place place;
  const char *key;    // as of the version, as all that follows
  const char *value;  // nullptr if the value is better pinned
  uint32_t size;
  uint32_t version;
  uint8_t flags;    // of the entry
  bool is_lasting;  // the place stays mapped, so uses may be noted there without the lock

  bool is_mortal() const { return (flags & kLifetime) != 0; }
  bool has_tags() const { return (flags & kTags) != 0; }
  bool is_sampled() const { return (flags & kSampled) != 0; }
};

struct EntryMap {
  // Up to this size, copying a value costs less than pinning it and locking once more.
  static constexpr size_t kCopiedInside = 1024;
  // The values of keys up to this size are never far from the header (kFar).
  static constexpr size_t kNearKeyBytes = 256;

  EntryMap(Memory &memory, const Layout &layout, const ct_options &options, Tags &tags,
           bool tight) noexcept
      : index(memory, tight), entries(memory, layout, options, tags, tight) {}

  // Returns whether an entry is no longer to be seen: it is past its deadline, or was invalidated.
  bool is_gone(const Entry *e, Now &now) const {
    if ((e->flags & (kLifetime | kTags)) == 0) return false;
    if (entries.is_invalidated(e)) return true;
    const uint64_t at = entries.deadline(e);
    return at != CT_NEVER && now() >= at;
  }

  // Returns the key's place, gone or not.
  Place find(const Probe &probe) const;
  // The same, for what most calls go through.
  [[gnu::always_inline]] Place find_inline(const Probe &probe) const {
    return index.find(probe.hash, [&](Ref ref) { return entries.has_key(ref, probe.key); });
  }
  // Does the same, but the place has kNone if the entry is gone.
  [[gnu::always_inline]] Place find_live(const Probe &probe, Now &now) const {
    Place place = find_inline(probe);
    if (place.ref != kNone && is_gone(entries.at(place.ref), now)) place.ref = kNone;
    return place;
  }

  template <Access kAccess>
  [[gnu::always_inline]] Seek seek_home(const Probe &probe, Found *found) const;
  // Looks only at the first slot of the home that has the tag, which is already known.
  template <Access kAccess>
  [[gnu::always_inline]] Seek seek_at(Place place, const Probe &probe, uint32_t version,
                                      Found *found) const;
  Seek seek(const Probe &probe, Found *found) const;
  // Returns the deadline of an entry that is mortal. Without the lock, it is valid as the value is.
  template <Access kAccess>
  uint64_t deadline(const Found &found) const {
    if (kAccess == Access::kLocked) return entries.deadline(entries.at(found.place.ref));
    return entries.layout().lifetime_before(found.key)->write.acquire();
  }
  // Sets weight and deadline of an entry that seek has found. They are valid as the value is.
  void terms(const Found &found, size_t key_size, uint64_t *weight, uint64_t *deadline) const;
  // Returns whether an entry that seek has found was invalidated. It is valid as the value is.
  bool is_invalidated(const Found &found) const;
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
  [[gnu::always_inline]] Seek absent_or_retry(const Bucket *home, uint32_t version) const;
  template <Access kAccess, bool kSeeksAll = false>
  [[gnu::always_inline]] Seek examine(Ref ref, const Probe &probe, uint32_t version,
                                      Found *found) const;
};

// Tells whether ref is the key's entry. Returns kHit, and fills *found, if it is; kMiss if the
// entry belongs to another key; kNeedsLock if the entry has to be looked at under the lock; kRetry
// if the index has changed meanwhile, or if the entry has tags or is sampled, unless kSeeksAll.
//
// The fewer instructions this takes, the more of the next look-up runs in the shadow of this one's
// cache misses. Without the lock nothing that this function reads is certain before the version has
// been loaded again. Until then it only goes where there is memory.
template <Access kAccess, bool kSeeksAll>
[[gnu::always_inline]] inline Seek EntryMap::examine(Ref ref, const Probe &probe, uint32_t version,
                                                     Found *found) const {
  const Layout &layout = entries.layout();
  const size_t key_size = probe.key.size;
  const Entry *entry = entries.at(ref);
  // The exact address of the value is known only once the header has arrived. That the value is
  // near is known at once.
  __builtin_prefetch(Layout::at(entry, 64));
  const Head head = Head::of(entry);
  size_t key_offset = layout.key_offset(0);
  if (__builtin_expect(!head.is_plain(key_size), 0)) {
    // An entry that lies apart may have the key.
    if (head.key_size != key_size) {
      return head.key_size == kApartKeySize ? Seek::kNeedsLock : Seek::kMiss;
    }
    if (!kSeeksAll && (head.flags & (kTags | kSampled)) != 0) return Seek::kRetry;
    key_offset = layout.key_offset(head.flags);
  }
  // From here on the lengths are known to be those of this entry.
  if (!unchanged_since<kAccess>(version)) return Seek::kRetry;
  const char *key = Layout::at(entry, key_offset);
  if (!equal_cells(key, probe.key.data, key_size)) return Seek::kMiss;
  if (kAccess == Access::kLocked && head.value_size > kCopiedInside) return Seek::kNeedsLock;
  found->key = key;
  found->value = key + round_up_8(key_size);
  found->size = head.value_size;
  found->flags = head.flags;
  return Seek::kHit;
}

// Tells whether the key of a search that found nothing in its home is absent.
template <Access kAccess>
[[gnu::always_inline]] inline Seek EntryMap::absent_or_retry(const Bucket *home,
                                                             uint32_t version) const {
  const bool is_absent = home->passed.acquire() == 0;
  return is_absent && unchanged_since<kAccess>(version) ? Seek::kMiss : Seek::kRetry;
}

template <Access kAccess>
[[gnu::always_inline]] inline Seek EntryMap::seek_at(Place place, const Probe &probe,
                                                     uint32_t version, Found *found) const {
  if (place.ref == kNone) return absent_or_retry<kAccess>(place.slot.bucket(), version);
  const Seek seek = examine<kAccess>(place.ref, probe, version, found);
  found->place.ref = place.ref;
  found->place.slot = place.slot;
  found->version = version;
  found->is_lasting = kAccess == Access::kOptimistic;
  return seek == Seek::kMiss ? Seek::kRetry : seek;
}

template <Access kAccess>
[[gnu::always_inline]] inline Seek EntryMap::seek_home(const Probe &probe, Found *found) const {
  constexpr bool kOptimistic = kAccess == Access::kOptimistic;
  if (probe.key.size > kNearKeyBytes) return Seek::kNeedsLock;
  const uint32_t version = index.version();
  Bucket *home = kOptimistic ? index.shown_home(probe.hash) : index.home(probe.hash);
  if (kOptimistic ? !index.unchanged_since(version) : home == nullptr) return Seek::kRetry;
  return seek_at<kAccess>(home->first(hash_tag(probe.hash)), probe, version, found);
}

}  // namespace ct

#endif
