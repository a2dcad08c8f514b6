// SPDX-License-Identifier: MIT
// Ghosts that remember their past (hazards.hpp): 32 bits each of a part of the key's hash, of what
// the entry's uses told, and of when it was last used. A key that is not there is found by mistake
// in one of 500 look-ups, which costs a wrong guess.
//
// A ghost has its place in one bucket of eight, half a cache line. Where the bucket is full, one of
// them leaves. A sweep goes over the buckets, one for each two ghosts that are added, and drops those
// that are so old that their time comes round again.
//
// When the number of entries changes by much, the ghosts are given up, and begin anew. Ghosts are
// optional: without memory there are none.
#ifndef CT_PAST_GHOSTS_HPP
#define CT_PAST_GHOSTS_HPP

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/hash.hpp"
#include "base/memory.hpp"
#include "policy/hazards.hpp"

namespace ct {

class PastGhosts {
 public:
  static constexpr uint32_t kSlots = 8;    // in a bucket
  static constexpr uint32_t kForEach = 3;  // ghosts, for each entry
  static constexpr size_t kBytesForEach = kForEach * sizeof(uint32_t);

  // A ghost's time is a number of kTimeBits bits. It is old after half of the time that these count.
  static constexpr uint32_t kTimeBits = 13;
  struct Ghost {
    Past past;
    uint16_t time;
  };

  explicit PastGhosts(Memory &memory) noexcept : memory_(memory) {}
  ~PastGhosts() { clear(); }
  PastGhosts(const PastGhosts &) = delete;
  PastGhosts &operator=(const PastGhosts &) = delete;

  // Makes room for the ghosts of that many entries, unless there is room for about as many: half or
  // twice, or if tight, a sixteenth less or more.
  void fit(uint64_t entries, bool tight) noexcept {
    const uint64_t buckets = entries * kForEach / kSlots + 1;
    const uint64_t spare = tight ? buckets / 16 : buckets / 2;
    if (count_ < buckets - spare || count_ > buckets + (tight ? spare : buckets)) make(buckets);
  }
  void clear() noexcept {
    memory_.release(buckets_, bytes_of(count_), alignof(Bucket));
    buckets_ = nullptr;
    count_ = swept_ = added_ = 0;
  }
  uint64_t slots() const { return uint64_t{count_} * kSlots; }

  void prefetch(uint64_t hash) const {
    if (count_ != 0) __builtin_prefetch(bucket_of(hash), 1);
  }
  // Takes the key's ghost out. Returns false if there is none.
  bool take(uint64_t hash, Ghost *out) {
    if (count_ == 0) return false;
    Bucket &bucket = *bucket_of(hash);
    const uint32_t mark = mark_of(hash);
    if (!bucket.may_hold(mark)) return false;
    for (uint32_t &slot : bucket.slots) {
      if ((slot & kMarkMask) != mark) continue;
      *out = ghost_of(slot);
      slot = 0;
      return true;
    }
    return false;
  }
  // Adds a ghost. If its bucket is full, another one leaves: lost(ghost).
  template <class Lost>
  void add(uint64_t hash, const Ghost &ghost, Lost lost) {
    if (count_ == 0) return;
    Bucket &bucket = *bucket_of(hash);
    // Which of eight it is comes down to chance, as buckets are filled in no order.
    uint32_t *place = &bucket.slots[added_ % kSlots];
    if (bucket.may_hold(0))
      place = std::find_if(bucket.slots, bucket.slots + kSlots - 1,
                           [](uint32_t slot) { return slot == 0; });
    if (*place != 0) lost(ghost_of(*place));
    *place = mark_of(hash) | ghost.past.bits() << kMarkBits | uint32_t{ghost.time} << kTime;
    added_++;
  }
  // Drops old ghosts, bucket after bucket, one for each kAddedASweep ghosts that are added:
  // lost(ghost).
  template <class Lost>
  void sweep(uint16_t now, Lost lost) {
    if (count_ == 0 || added_ % kAddedASweep != 0) return;
    swept_ = swept_ + 1 < count_ ? swept_ + 1 : 0;
    Bucket &bucket = buckets_[swept_];
    if (!bucket.has_old(now)) return;
    for (uint32_t &slot : bucket.slots) {
      if (slot == 0 || !is_old(slot, now)) continue;
      lost(ghost_of(slot));
      slot = 0;
    }
  }
  // Calls visit(ghost) for each in a bucket. `number` counts buckets round and round.
  template <class Visit>
  void visit(uint64_t number, Visit visit) const {
    if (count_ == 0) return;
    for (const uint32_t &slot : buckets_[number % count_].slots) {
      if (slot != 0) visit(ghost_of(slot));
    }
  }

#ifdef CT_VALIDATE
  // Returns nullptr, or the invariant that is broken.
  const char *problem() const {
    for (uint32_t i = 0; i < count_; i++) {
      for (const uint32_t &slot : buckets_[i].slots) {
        if (slot != 0 && (slot & kMarkMask) == 0) return "ghosts: one has no mark";
      }
    }
    return nullptr;
  }
#endif

 private:
  static constexpr uint32_t kAddedASweep = 2;  // ghosts that are added for each bucket swept
  static constexpr uint32_t kMarkBits = 12;
  static constexpr uint32_t kMarkMask = (1u << kMarkBits) - 1;
  static constexpr uint32_t kTime = kMarkBits + Past::kBits;  // where a slot's time begins
  static_assert(kTime + kTimeBits == 32, "a ghost is a number");

  // The bit of a ghost's age that says that it is old.
  static constexpr uint32_t kOld = 1u << (kTimeBits - 1);
  static bool is_old(uint32_t slot, uint16_t now) { return ((now - (slot >> kTime)) & kOld) != 0; }

  struct alignas(32) Bucket {
    uint32_t slots[kSlots];  // 0: free

    // Compilers do not make vectors of plain loops that do the following.

    // Returns whether a slot has this mark.
    bool may_hold(uint32_t mark) const {
      const Pair all = pair();
      return any(((all.first & kMarkMask) == mark) | ((all.second & kMarkMask) == mark));
    }
    // Returns whether a ghost is old.
    bool has_old(uint16_t now) const {
      const Pair all = pair();
      const auto first = ((now - (all.first >> kTime)) & kOld) != 0;
      const auto second = ((now - (all.second >> kTime)) & kOld) != 0;
      return any((first & (all.first != 0)) | (second & (all.second != 0)));
    }

   private:
    typedef uint32_t Four [[gnu::vector_size(16)]];
    struct Pair {
      Four first, second;
    };
    Pair pair() const {
      Pair all;
      std::memcpy(&all, slots, sizeof all);
      return all;
    }
    template <class Lanes>
    static bool any(const Lanes &lanes) {
      uint64_t halves[2];
      std::memcpy(halves, &lanes, sizeof halves);
      return (halves[0] | halves[1]) != 0;
    }
  };

  static size_t bytes_of(uint64_t buckets) { return static_cast<size_t>(buckets) * sizeof(Bucket); }
  // Bits of the hash that the index does not use.
  static uint32_t mark_of(uint64_t hash) {
    const uint32_t mark = static_cast<uint32_t>(hash >> 20) & kMarkMask;
    return mark + (mark == 0);
  }
  Bucket *bucket_of(uint64_t hash) const {
    return &buckets_[uint64_t{hash_position(hash)} * count_ >> 32];
  }
  static Ghost ghost_of(uint32_t slot) {
    return {Past(slot >> kMarkBits & Past::kMask), static_cast<uint16_t>(slot >> kTime)};
  }

  void make(uint64_t buckets) noexcept {
    clear();
    const auto count = static_cast<uint32_t>(std::min<uint64_t>(buckets, UINT32_MAX / kSlots));
    buckets_ = static_cast<Bucket *>(memory_.allocate_zeroed(bytes_of(count), alignof(Bucket)));
    if (buckets_ != nullptr) count_ = count;
  }

  Memory &memory_;
  Bucket *buckets_ = nullptr;
  uint32_t count_ = 0;
  uint32_t swept_ = 0;
  uint32_t added_ = 0;  // so far, round and round
};

}  // namespace ct

#endif
