// SPDX-License-Identifier: MIT
// What an entry looks like in memory: one block of the store, with its parts one after the other.
//
//   Entry      16 bytes   links, lengths, pins, flags
//   hook       0 or 8     what the policy keeps in each entry beyond the links
//   weight     0 or 8     kWeight: a weight that is not derived from the lengths
//   lifetime   0, 16, 24  kLifetime: deadlines and links of the expiry
//   key        padded to 8
//   way back   0 or 8     the block's own reference, if the value begins too far from the header
//   value      padded to 8 if tags follow
//   tags       8 each     kTags: up to 8 of them
//
// A key and value of more than kApartBytes together lie apart, in an allocation of their own
// (kApart). Then an Apart stands in their place, and each of the two has a way back before it in
// the allocation.
//
// A pin, the number in a ct_value, must lead from a value back to its entry and to its shard when
// nothing else is known. A pin is the shard's address, which is a multiple of 64, plus the distance
// from header to value in units of 8 bytes. If kFar stands there instead of a distance, the way
// back is in the 8 bytes before the value.
#ifndef CT_ENTRY_HPP
#define CT_ENTRY_HPP

#include <cachetools.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/cell.hpp"
#include "base/clock.hpp"

namespace ct {

// A reference names a block of the store by chunk number and offset, in units of 8 bytes. 0 is no
// block.
using Ref = uint32_t;
constexpr Ref kNone = 0;

// References from here on are never blocks: lists use them as sentinels.
constexpr Ref kFirstSentinel = 0xFFE00000u;

// A function that was asked for the next entry returns this in place of an entry if it has looked
// at about kLooksAtOnce entries without finding one. It goes on when it is asked again, after
// others have had their turn at the lock.
constexpr Ref kAskAgain = kFirstSentinel;
constexpr uint32_t kLooksAtOnce = 256;

constexpr size_t kApartBytes = 16 * 1024;
constexpr uint64_t kFar = 63;

// A free block holds an Entry, and the block's size once more behind that.
constexpr size_t kMinBlockBytes = 24;

// Values of Entry::flags. Flags change only under the shard's lock. Once an entry is dead, only
// kTelling still changes.
enum : uint8_t {
  kDead = 1,      // has left the cache; stays for its pins, or until its removal has been told
  kTags = 2,      // has tags
  kLifetime = 4,  // has a Lifetime
  kWeight = 8,    // has a weight of its own
  kApart = 16,    // has an Apart
  kSampled = 32,  // the cache's miss-ratio curve wants to know of its uses
};
// These flags belong to the policy while the entry is in the cache.
constexpr uint8_t kPolicyFlags = 64 | 128;
// These say nothing about where the entry's parts are.
constexpr uint8_t kNoteFlags = kPolicyFlags | kSampled;
// The same bits of a dead entry.
enum : uint8_t {
  kTelling = 64,  // in the hands of the call that removed it
  kNoDrop = 128,  // `drop` is not called, as the value lives on elsewhere or was never kept
};

// Values of Entry::block, which belongs to the store.
enum : uint8_t {
  kFree = 1,      // free block
  kPrevFree = 2,  // the block before it in memory is free
  kLoose = 4,     // free block that is in no bin
};

struct Entry {
  // In a living entry these links belong to the policy. In an entry that is dead and kTelling, prev
  // is the next entry of the chain, and next holds that entry's shard and this entry's cause. In
  // any other dead entry, prev is the entry's own reference. If that has kNoDrop, next is the block
  // in which the value lives on, or kNone if it was never kept.
  Cell<Ref> prev;
  Cell<Ref> next;
  Cell<uint16_t> key_size;  // 0xFFFF if apart
  Cell<uint8_t> flags;
  Cell<uint8_t> block;
  Cell<uint16_t> value_size;  // 0 if apart
  Cell<uint16_t> pins;        // kManyPins: that many, plus those that the shard counts

  bool is_dead() const { return (flags & kDead) != 0; }
  bool is_telling() const { return is_dead() && (flags & kTelling) != 0; }
  // Returns whether the value has moved to another block, or was never kept.
  bool is_not_dropped() const { return is_dead() && (flags & kNoDrop) != 0; }
  // Ends the life of an entry that is in no structure any more. more: kNoDrop or 0.
  void die(uint8_t more = 0) {
    flags = static_cast<uint8_t>((flags & ~kPolicyFlags) | kDead | more);
  }
};
static_assert(sizeof(Entry) == 16, "the header of every entry");
static_assert(kApartBytes + 256 < 0xFFFF,
              "lengths of inline keys and values, and of blocks, fit 16 bits");

// The second half of an Entry, as one read.
struct Head {
  uint16_t key_size;
  uint8_t flags;
  uint8_t block;
  uint16_t value_size;
  uint16_t pins;

  // Returns whether the entry is of the usual form, without weight, lifetime and tags, and has a key
  // of this size; and nobody asks for its uses. It is one comparison for all that.
  bool is_plain(size_t size) const {
    const Head wanted = {static_cast<uint16_t>(size), 0, 0, 0, 0};
    const Head mask = {0xFFFF, kLifetime | kWeight | kTags | kSampled, 0, 0, 0};
    return (form() & mask.form()) == wanted.form() && size <= 0xFFFF;
  }
  // Returns whether nobody holds the entry, and it has these lengths and flags, but for what is
  // only noted in flags.
  bool is_free_with(uint8_t wanted_flags, size_t key_length, size_t value_length) const {
    const Head wanted = {static_cast<uint16_t>(key_length), wanted_flags, 0,
                         static_cast<uint16_t>(value_length), 0};
    const Head mask = {0xFFFF, static_cast<uint8_t>(~kNoteFlags), 0, 0xFFFF, 0xFFFF};
    return ((whole() ^ wanted.whole()) & mask.whole()) == 0;
  }
  uint64_t whole() const {
    uint64_t whole;
    std::memcpy(&whole, this, sizeof whole);
    return whole;
  }
  // The first half as a number.
  uint32_t form() const {
    uint32_t form;
    std::memcpy(&form, this, sizeof form);
    return form;
  }
  static Head of(const Entry *e) {
    Head head;
    char *bytes = reinterpret_cast<char *>(&head);
    const Word *words = reinterpret_cast<const Word *>(&e->key_size);
    for (size_t i = 0; i < sizeof head / sizeof(Word); i++) {
      write_word(bytes + i * sizeof(Word), load_word(&words[i]));
    }
    // cppcheck-suppress uninitvar; all of its words have been written
    return head;
  }
};
static_assert(sizeof(Head) == 8, "half an Entry");

constexpr uint16_t kManyPins = 0xFFFF;
constexpr uint16_t kApartKeySize = 0xFFFF;

// Deadlines in ticks; CT_NEVER means none. `idle` exists only in caches with a tti.
struct Lifetime {
  Cell<uint64_t> write;  // counted from the write
  Cell<Ref> prev;        // links of the expiry; prev is kNone if the entry is not linked
  Cell<Ref> next;
  Cell<uint64_t> idle;  // counted from the last use; there if the cache has a tti
};
constexpr uint8_t kLifetimeBytes = offsetof(Lifetime, idle);

struct Apart {
  Cell<char *> data;  // way back, value padded to 8, way back, key
  Cell<uint32_t> key_size;
  Cell<uint32_t> value_size;
#if UINTPTR_MAX == UINT32_MAX
  Cell<uint32_t> padding;
#endif
};
static_assert(sizeof(Apart) == 16, "blocks are multiples of 8 bytes");

// One of an entry's tags: the number of its record (tags.hpp) in the lower half. In the upper half
// of the first of them stands how many they are.
using TagSlot = Cell<uint64_t>;
constexpr uint32_t kMostTags = 8;
inline uint64_t tag_slot(uint32_t number, uint32_t count) { return uint64_t{count} << 32 | number; }
inline uint32_t tag_number(uint64_t slot) { return static_cast<uint32_t>(slot); }
inline uint32_t tag_count(uint64_t slot) { return static_cast<uint32_t>(slot >> 32); }

constexpr size_t round_up_8(size_t n) { return (n + 7) & ~static_cast<size_t>(7); }

struct Bytes {
  const char *data;
  size_t size;
};

// What the entries of one cache have in common, and therefore how to find an entry's parts.
struct Layout {
  // hook: 0 or 8. beside: bytes that index and policy keep for each entry. idle: whether lifetimes
  // have an idle deadline. unlocked: whether entries are also read without the lock. renewed:
  // whether values are loaded anew while they are there. stale: how long an entry stays after its
  // deadline.
  Layout(size_t hook, size_t beside, bool idle, bool unlocked, bool renewed = false,
         uint64_t stale = 0) noexcept
      : hook_bytes(static_cast<uint8_t>(hook)),
        bytes_beside(static_cast<uint8_t>(beside)),
        lifetime_bytes(static_cast<uint8_t>(kLifetimeBytes + (idle ? 8 : 0) + (renewed ? 8 : 0))),
        read_unlocked(unlocked),
        keeps_idle(idle),
        keeps_retry(renewed),
        stale(stale) {
    for (size_t i = 0; i < 4; i++) {
      const size_t lifetime = (i & 1) != 0 ? lifetime_bytes : 0;
      const size_t weight = (i & 2) != 0 ? 8 : 0;
      key_offsets[i] = static_cast<uint8_t>(weight_offset() + weight + lifetime);
    }
  }

  uint8_t hook_bytes;
  uint8_t bytes_beside;    // kept by index and policy for each entry, beside its block
  uint8_t lifetime_bytes;  // of entries that have a lifetime
  bool read_unlocked;      // entries are also read without the lock
  bool keeps_idle;         // lifetimes have an idle deadline
  bool keeps_retry;        // lifetimes have a time before which no renewal is tried
  uint8_t key_offsets[4];  // indexed by kLifetime and kWeight
  uint64_t stale;          // in ticks: how long an entry stays after its deadline

  static char *at(Entry *e, size_t offset) { return reinterpret_cast<char *>(e) + offset; }
  static const char *at(const Entry *e, size_t offset) {
    return reinterpret_cast<const char *>(e) + offset;
  }

  size_t weight_offset() const { return sizeof(Entry) + hook_bytes; }
  size_t lifetime_offset(uint8_t flags) const {
    return weight_offset() + ((flags & kWeight) != 0 ? 8 : 0);
  }
  size_t key_offset(uint8_t flags) const {
    static_assert(kLifetime == 4 && kWeight == 8, "they number the offsets");
    return key_offsets[flags / kLifetime % 4];
  }
  size_t value_offset(uint8_t flags, size_t key_size) const {
    const size_t offset = key_offset(flags) + round_up_8(key_size);
    return __builtin_expect(offset < kFar * 8, 1) ? offset : offset + 8;
  }

  // Returns the size of the block in the store, for an entry with that many tags: none without
  // kTags.
  size_t block_bytes(uint8_t flags, size_t key_size, size_t value_size, uint32_t tags) const {
    if ((flags & (kApart | kTags)) != 0)
      return tags_offset(flags, key_size, value_size) + tags * sizeof(TagSlot);
    return plain_block_bytes(flags, key_size, value_size);
  }
  size_t block_bytes(const Entry *e) const {
    if ((e->flags & (kApart | kTags)) != 0)
      return tags_offset(e->flags, e->key_size, e->value_size) + tag_count(e) * sizeof(TagSlot);
    return plain_block_bytes(e->flags, e->key_size, e->value_size);
  }
  // For an entry that does not lie apart and has no tags.
  size_t plain_block_bytes(uint8_t flags, size_t key_size, size_t value_size) const {
    const size_t bytes = round_up_8(value_offset(flags, key_size) + value_size);
    return bytes < kMinBlockBytes ? kMinBlockBytes : bytes;
  }
  // Returns where what follows key and value begins.
  size_t tags_offset(uint8_t flags, size_t key_size, size_t value_size) const {
    if ((flags & kApart) != 0) return key_offset(flags) + sizeof(Apart);
    return round_up_8(value_offset(flags, key_size) + value_size);
  }
  // Returns the size of the allocation apart.
  static size_t apart_bytes(size_t key_size, size_t value_size) {
    return 8 + round_up_8(value_size) + 8 + key_size;
  }

  template <class T>
  T *hook(Entry *e) const {
    static_assert(sizeof(T) <= 8, "hooks are 8 bytes");
    return reinterpret_cast<T *>(at(e, sizeof(Entry)));
  }
  Cell<uint64_t> *weight(Entry *e) const {
    return reinterpret_cast<Cell<uint64_t> *>(at(e, weight_offset()));
  }
  const Cell<uint64_t> *weight(const Entry *e) const {
    return reinterpret_cast<const Cell<uint64_t> *>(at(e, weight_offset()));
  }
  Lifetime *lifetime(Entry *e) const {
    return reinterpret_cast<Lifetime *>(at(e, lifetime_offset(e->flags)));
  }
  const Lifetime *lifetime(const Entry *e, uint8_t flags) const {
    return reinterpret_cast<const Lifetime *>(at(e, lifetime_offset(flags)));
  }
  // For an entry that has a lifetime and does not lie apart.
  const Lifetime *lifetime_before(const char *key) const {
    return reinterpret_cast<const Lifetime *>(key - lifetime_bytes);
  }
  Apart *apart(Entry *e) const { return reinterpret_cast<Apart *>(at(e, key_offset(e->flags))); }
  const Apart *apart(const Entry *e) const {
    return reinterpret_cast<const Apart *>(at(e, key_offset(e->flags)));
  }

  // For an entry that has tags.
  TagSlot *tags(Entry *e) const {
    return const_cast<TagSlot *>(tags(static_cast<const Entry *>(e)));
  }
  const TagSlot *tags(const Entry *e) const {
    const size_t offset = tags_offset(e->flags, e->key_size, e->value_size);
    return reinterpret_cast<const TagSlot *>(at(e, offset));
  }
  uint32_t tag_count(const Entry *e) const {
    return (e->flags & kTags) != 0 ? ct::tag_count(*tags(e)) : 0;
  }

  Bytes key(const Entry *e) const {
    if ((e->flags & kApart) == 0) return {at(e, key_offset(e->flags)), e->key_size};
    const Apart *a = apart(e);
    return {a->data + 8 + round_up_8(a->value_size) + 8, a->key_size};
  }
  Bytes value(const Entry *e) const {
    if ((e->flags & kApart) == 0)
      return {at(e, value_offset(e->flags, e->key_size)), e->value_size};
    const Apart *a = apart(e);
    return {a->data + 8, a->value_size};
  }
  [[gnu::always_inline]] bool has_key(const Entry *e, const char *key_data, size_t key_size) const {
    const Head head = Head::of(e);
    if (head.key_size == key_size && key_size != kApartKeySize) {
      return equal_cells(at(e, key_offset(head.flags)), key_data, key_size);
    }
    if ((head.flags & kApart) == 0) return false;
    const Bytes own = key(e);
    if (own.size != key_size) return false;
    return key_size == 0 || std::memcmp(own.data, key_data, key_size) == 0;
  }

  uint64_t deadline(const Entry *e) const {
    if ((e->flags & kLifetime) == 0) return CT_NEVER;
    return deadline(*lifetime(e, e->flags));
  }
  // Returns the one that counts from the write.
  uint64_t write_deadline(const Entry *e) const {
    return (e->flags & kLifetime) != 0 ? uint64_t{lifetime(e, e->flags)->write} : CT_NEVER;
  }
  uint64_t deadline(const Lifetime &life) const {
    const uint64_t write = life.write;
    if (!keeps_idle) return write;
    const uint64_t idle = life.idle;
    return idle < write ? idle : write;
  }
  // Returns when an entry is due to leave: at its deadline, or later if it is served stale.
  uint64_t leaves_at(const Lifetime &life) const { return saturating_add(deadline(life), stale); }
  // Before this time no renewal of the value is tried. For caches that renew values.
  Cell<uint64_t> *retry_at(Lifetime *life) const {
    return reinterpret_cast<Cell<uint64_t> *>(reinterpret_cast<char *>(life) + lifetime_bytes - 8);
  }

  // Copies key or value into a block.
  void fill(const Bytes &to, const Bytes &from) const {
    if (from.size == 0) return;
    char *cells = const_cast<char *>(to.data);
    if (read_unlocked) {
      store_bytes(cells, from.data, from.size);
    } else {
      std::memcpy(cells, from.data, from.size);
    }
  }

  // Writes the way back if there is one. The key and value are still to be written.
  void write_ways_back(Entry *e, Ref self) const {
    const uint64_t word = self;
    if ((e->flags & kApart) != 0) {
      const Apart *a = apart(e);
      std::memcpy(a->data, &word, 8);
      std::memcpy(a->data + 8 + round_up_8(a->value_size), &word, 8);
    } else {
      const size_t offset = key_offset(e->flags) + round_up_8(e->key_size);
      if (offset >= kFar * 8) *reinterpret_cast<Cell<uint64_t> *>(at(e, offset)) = word;
    }
  }
  static Ref way_back(const void *data) {
    uint64_t word;
    std::memcpy(&word, static_cast<const char *>(data) - 8, 8);
    return static_cast<Ref>(word);
  }
  // Returns the distance part of a pin on data, which is the key or value of e.
  static uint64_t pin_distance(const Entry *e, const char *data) {
    if ((e->flags & kApart) != 0) return kFar;
    const uint64_t distance = static_cast<uint64_t>(data - reinterpret_cast<const char *>(e)) / 8;
    return distance < kFar ? distance : kFar;
  }
};

}  // namespace ct

#endif
