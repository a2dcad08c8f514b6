// SPDX-License-Identifier: MIT
// Finds references by hash. Knows no cache: whoever owns it locks, compares keys, and can tell the
// hash of a reference.
//
// A table is an array of buckets of one cache line, 12 tags and 12 references each. A hash's home
// is its position times the number of buckets; from a full home a reference moves on to the next
// bucket, and each bucket counts those that passed over it: a search ends where nobody did.
//
// The home grows with the position. So a table can be replaced a few buckets at a time, from left
// to right: what has its home left of the cursor is in the new table, the rest in the old one.
#ifndef CT_INDEX_HPP
#define CT_INDEX_HPP

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "entry.hpp"
#include "hash.hpp"
#include "memory.hpp"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ct {

constexpr uint32_t kSlots = 12;

struct alignas(64) Bucket {
  uint8_t tags[kSlots];  // 0: empty
  uint8_t passed;        // how many went on to later buckets; 255: that many or more, for ever
  uint8_t reserved[3];
  Ref refs[kSlots];

  // One bit for each slot that has the tag.
  uint32_t match(uint8_t tag) const {
#if defined(__SSE2__)
    const __m128i line = _mm_load_si128(reinterpret_cast<const __m128i *>(tags));
    const __m128i same = _mm_cmpeq_epi8(line, _mm_set1_epi8(static_cast<char>(tag)));
    return static_cast<uint32_t>(_mm_movemask_epi8(same)) & ((1u << kSlots) - 1);
#else
    uint32_t bits = 0;
    for (uint32_t i = 0; i < kSlots; i++) bits |= static_cast<uint32_t>(tags[i] == tag) << i;
    return bits;
#endif
  }
};
static_assert(sizeof(Bucket) == 64, "one cache line");

class Index {
 public:
  explicit Index(Memory &memory) noexcept : memory_(memory) {}
  ~Index() { clear(); }
  Index(const Index &) = delete;
  Index &operator=(const Index &) = delete;

  uint64_t size() const { return size_; }
  // About how many entries there will be at most, so that the table is then no larger than it need
  // be; 0: unknown.
  void expect(uint64_t entries) { expected_ = entries; }

  // The reference with that hash for which is_it(ref) is true, else kNone.
  template <class IsIt>
  Ref find(uint64_t hash, IsIt is_it) const;

  // Makes room for that many more, so that as many inserts cannot fail; false: no memory.
  // hash_of(ref) is the hash that a reference was inserted with.
  template <class HashOf>
  bool reserve(uint64_t count, HashOf hash_of) noexcept;

  // Not there yet; there must be room.
  void insert(uint64_t hash, Ref ref);
  // There.
  void erase(uint64_t hash, Ref ref);
  void replace(uint64_t hash, Ref from, Ref to);
  void clear() noexcept;

  // Visits every reference whose position is at least from and below the answer, which is greater
  // than from; positions end at kEnd. Whatever changes between two calls, an entry that is there
  // throughout is visited once by calls that hand on the answer.
  static constexpr uint64_t kEnd = uint64_t{1} << 32;
  template <class HashOf, class Visit>
  uint64_t visit_from(uint64_t from, HashOf hash_of, Visit visit) const;

  template <class Visit>
  void visit_all(Visit visit) const;

  // Without the owner's lock.
  void prefetch(uint64_t hash) const {
    const Bucket *buckets = current_.buckets.load(std::memory_order_relaxed);
    const uint32_t count = current_.count.load(std::memory_order_relaxed);
    __builtin_prefetch(buckets + home_of(hash_position(hash), count));
  }

#ifdef CT_VALIDATE
  // NULL, or the invariant that is broken.
  template <class HashOf>
  const char *problem(HashOf hash_of) const;
#endif

 private:
  // Read without the lock by prefetch, hence atomic.
  struct Table {
    std::atomic<Bucket *> buckets{nullptr};
    std::atomic<uint32_t> count{0};

    Bucket *data() const { return buckets.load(std::memory_order_relaxed); }
    uint32_t size() const { return count.load(std::memory_order_relaxed); }
    void set(Bucket *data, uint32_t size) {
      buckets.store(data, std::memory_order_relaxed);
      count.store(size, std::memory_order_relaxed);
    }
    uint32_t next(uint32_t bucket) const { return bucket + 1 == size() ? 0 : bucket + 1; }
  };

  // At 70 % an insert costs little more than in an empty table; at 80 % twice as much, beyond that
  // it collapses. Only if there is no memory is a table filled beyond that.
  static uint64_t comfortable(uint64_t buckets) { return buckets * kSlots * 7 / 10; }
  static uint64_t bearable(uint64_t buckets) { return buckets * kSlots * 9 / 10; }
  static constexpr uint32_t kMaxBuckets = 1u << 29;
  // Enough to be through with a table before the next one is due, if that has 5 % more buckets.
  static constexpr uint32_t kBucketsAStep = 4;

  static uint32_t home_of(uint32_t position, uint32_t buckets) {
    return static_cast<uint32_t>((static_cast<uint64_t>(position) * buckets) >> 32);
  }
  // The first position whose home it is.
  static uint64_t first_position(uint64_t home, uint32_t buckets) {
    return ((home << 32) + buckets - 1) / buckets;
  }

  bool migrating() const { return old_.data() != nullptr; }
  // The table in charge of a position.
  const Table &table_of(uint32_t position) const {
    return migrating() && home_of(position, old_.size()) >= cursor_ ? old_ : current_;
  }
  Table &table_of(uint32_t position) {
    return const_cast<Table &>(static_cast<const Index *>(this)->table_of(position));
  }

  uint32_t next_size(uint64_t needed) const;
  bool begin_growth(uint64_t needed) noexcept;
  template <class HashOf>
  void migrate(uint32_t buckets, HashOf hash_of);
  static void put(Table &table, uint64_t hash, Ref ref);
  static void take(Table &table, uint32_t home, uint32_t bucket, uint32_t slot);
  template <class Found>
  static bool locate(const Table &table, uint64_t hash, Ref ref, Found found);
  void release(Table &table) noexcept;

  Memory &memory_;
  uint64_t expected_ = 0;
  uint64_t size_ = 0;
  Table current_;
  Table old_;            // while migrating
  uint32_t cursor_ = 0;  // homes left of it have moved from old_ to current_
};

template <class IsIt>
Ref Index::find(uint64_t hash, IsIt is_it) const {
  if (size_ == 0) return kNone;
  const uint32_t position = hash_position(hash);
  const Table &table = table_of(position);
  const uint8_t tag = hash_tag(hash);
  const Bucket *buckets = table.data();
  uint32_t b = home_of(position, table.size());
  for (uint32_t left = table.size();; b = table.next(b)) {
    const Bucket &bucket = buckets[b];
    for (uint32_t bits = bucket.match(tag); bits != 0; bits &= bits - 1) {
      const Ref ref = bucket.refs[__builtin_ctz(bits)];
      if (is_it(ref)) return ref;
    }
    if (bucket.passed == 0 || --left == 0) return kNone;
  }
}

template <class HashOf>
bool Index::reserve(uint64_t count, HashOf hash_of) noexcept {
  if (migrating()) migrate(kBucketsAStep, hash_of);
  const uint64_t needed = size_ + count;
  if (needed <= comfortable(current_.size())) return true;
  // A table that is still being filled can overflow only if many wait with reserved room.
  if (migrating()) migrate(old_.size(), hash_of);
  return begin_growth(needed) || needed <= bearable(current_.size());
}

// Moves the entries of the next few homes from the old table to the current one.
template <class HashOf>
void Index::migrate(uint32_t buckets, HashOf hash_of) {
  Bucket *from = old_.data();
  const uint32_t end = static_cast<uint32_t>(
      std::min<uint64_t>(old_.size(), static_cast<uint64_t>(cursor_) + buckets));
  for (; cursor_ < end; cursor_++) {
    uint32_t b = cursor_;
    for (uint32_t left = old_.size();;) {
      // Taking an entry out lowers the counts on its way, so how far to go is asked first.
      const bool goes_on = from[b].passed != 0;
      for (uint32_t i = 0; i < kSlots; i++) {
        if (from[b].tags[i] == 0) continue;
        const Ref ref = from[b].refs[i];
        const uint64_t hash = hash_of(ref);
        if (home_of(hash_position(hash), old_.size()) != cursor_) continue;
        take(old_, cursor_, b, i);
        put(current_, hash, ref);
      }
      if (!goes_on || --left == 0) break;
      b = old_.next(b);
    }
  }
  if (cursor_ == old_.size()) release(old_);
}

template <class HashOf, class Visit>
uint64_t Index::visit_from(uint64_t from, HashOf hash_of, Visit visit) const {
  if (size_ == 0) return kEnd;
  const Table &table = table_of(static_cast<uint32_t>(from));
  const uint32_t home = home_of(static_cast<uint32_t>(from), table.size());
  uint64_t end = home + 1 == table.size() ? kEnd : first_position(home + 1, table.size());
  if (migrating() && &table == &current_) {
    end = std::min(end, first_position(cursor_, old_.size()));
  }
  const Bucket *buckets = table.data();
  uint32_t b = home;
  for (uint32_t left = table.size();; b = table.next(b)) {
    for (uint32_t i = 0; i < kSlots; i++) {
      if (buckets[b].tags[i] == 0) continue;
      const uint32_t position = hash_position(hash_of(buckets[b].refs[i]));
      if (position >= from && position < end) visit(buckets[b].refs[i]);
    }
    if (buckets[b].passed == 0 || --left == 0) return end;
  }
}

template <class Visit>
void Index::visit_all(Visit visit) const {
  for (const Table *table : {&old_, &current_}) {
    for (uint32_t b = 0; b < table->size(); b++) {
      const Bucket &bucket = table->data()[b];
      for (uint32_t i = 0; i < kSlots; i++) {
        if (bucket.tags[i] != 0) visit(bucket.refs[i]);
      }
    }
  }
}

#ifdef CT_VALIDATE
template <class HashOf>
const char *Index::problem(HashOf hash_of) const {
  uint64_t count = 0;
  const char *problem = nullptr;
  visit_all([&](Ref ref) {
    count++;
    const uint64_t hash = hash_of(ref);
    if (find(hash, [ref](Ref other) { return other == ref; }) != ref) {
      problem = "index: an entry is not found by its hash";
    }
  });
  if (count != size_) return "index: its size is not the number of its entries";
  if (migrating() && cursor_ >= old_.size()) return "index: a table outlives its migration";
  return problem;
}
#endif

}  // namespace ct

#endif
