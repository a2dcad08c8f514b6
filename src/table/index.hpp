// SPDX-License-Identifier: MIT
// A hash table like F14's, which finds references by hash. It knows nothing of caches: its owner
// locks, compares keys, and can tell the hash of a reference.
//
// A table is an array of buckets. A bucket is one cache line with 12 tags and 12 references. The
// home of a hash is its position, as a fraction of 2^32, times the number of buckets. If its home
// is full, a reference moves on to the next bucket. Each bucket counts the references that passed
// over it, and a search ends at a bucket that none has passed.
//
// Each reference has two use bits in its bucket, for CLOCK, SIEVE and S3-FIFO. A use that only
// raises them touches no other cache line, and needs no lock. If the slot has just been given to
// another entry, the use raises that entry's bits instead; use bits are hints.
//
// The index grows by incremental rehashing. When more room is needed, it allocates another table,
// and each insertion moves the references of a few homes there, from left to right, as in linear
// hashing. A home grows with the position, in either table. So references whose home in the old
// table is left of the cursor are in the new table, and the others in the old one. When the cursor
// comes to the end, the old table goes. The index shrinks in the same way. Both tables together are
// held by hardly more than the larger one (base/table_edge.hpp).
//
// The number of all references decides how large a table is. That is right only if they are spread
// evenly, at any time: if one part were dense while another is empty, the dense part would be one
// long run of full buckets. Hashes are even. But a walk that removes what it meets, or that brings
// it into another index under the same hashes, has an order. So walks go over the index in that of
// the van der Corput sequence (1935), which at any time has been to every part alike: to the middle
// before the quarters, and to these before the eighths.
#ifndef CT_INDEX_HPP
#define CT_INDEX_HPP

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstdint>
#include <cstring>

#include "base/array.hpp"
#include "base/hash.hpp"
#include "base/memory.hpp"
#include "base/table_edge.hpp"
#include "table/entry.hpp"

namespace ct {

constexpr uint32_t kSlots = 12;

struct Place;

struct alignas(64) Bucket {
  Cell<uint8_t> tags[kSlots];  // 0: empty slot
  Cell<uint8_t> passed;        // references that went on to later buckets; 255: or more, for ever
  Cell<uint8_t> all_use_bits[kSlots / 4];
  Cell<Ref> refs[kSlots];

  // Returns one bit for each slot that has the tag.
  uint32_t match(uint8_t tag) const { return match_cells(tags, kSlots, tag); }

  // Returns the first slot that has the tag. If none has, the place has kNone, and any slot of the
  // bucket.
  Place first(uint8_t tag);

  // Returns `passed` and the use bits, read at once, from the lowest bits on.
  uint32_t rest() const {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return __atomic_load_n(reinterpret_cast<const HalfWord *>(&passed), __ATOMIC_RELAXED);
#else
    return __builtin_bswap32(
        __atomic_load_n(reinterpret_cast<const HalfWord *>(&passed), __ATOMIC_RELAXED));
#endif
  }

  void set_use_bits(uint32_t slot, uint32_t use_bits) {
    const uint32_t shift = slot % 4 * 2;
    const uint32_t others = all_use_bits[slot / 4] & ~(3u << shift);
    all_use_bits[slot / 4] = static_cast<uint8_t>(others | use_bits << shift);
  }
};
static_assert(sizeof(Bucket) == 64, "one cache line");
static_assert(offsetof(Bucket, refs) == kLineCells,
              "cells that are loaded with the tags are its own");

// A slot of a bucket, named by the cell that holds its reference. As buckets are aligned, the
// cell's address also tells the bucket and the number of the slot.
struct Slot {
  Cell<Ref> *cell;

  Bucket *bucket() const {
    return reinterpret_cast<Bucket *>(reinterpret_cast<uintptr_t>(cell) & ~(sizeof(Bucket) - 1));
  }
  uint32_t number() const { return static_cast<uint32_t>(cell - bucket()->refs); }
  [[gnu::always_inline]] uint32_t use_bits() const {
    // The cell is 16 + 4 * number() bytes into its bucket, so this is 8 + 2 * number(): the slot's
    // place behind `passed`.
    const auto shift = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(cell) / 2 % 32);
    return bucket()->rest() >> shift & 3u;
  }
  void set_use_bits(uint32_t use_bits) const { bucket()->set_use_bits(number(), use_bits); }
  // Counts one more use, up to most. Often there is nothing to count, and then nothing is written.
  void count_use(uint32_t most) const {
    const uint32_t uses = use_bits();
    if (uses < most) set_use_bits(uses + 1);
  }
};

// Where a reference stands in the index, until that changes.
struct Place {
  Ref ref;  // kNone: not there; then the slot has no meaning, except in Bucket::first
  Slot slot;
};

[[gnu::always_inline]] inline Place Bucket::first(uint8_t tag) {
  const uint32_t found = match(tag);
  Cell<Ref> *cell = &refs[found == 0 ? 0 : __builtin_ctz(found)];
  return {found == 0 ? kNone : cell->acquire(), {cell}};
}

class Index {
 public:
  // tight: memory is counted, so that a table must not be much too large for long.
  explicit Index(Memory &memory, bool tight = false) noexcept
      : memory_(memory), tight_(tight), kept_(memory) {
    show_current();
  }
  // Called before tables are first read without the lock. Outgrown tables then stay mapped while
  // the index lives; their pages go back, and their addresses do not. Returns false if there is no
  // memory; tables must not be read without the lock then.
  bool keep() noexcept { return keeps_ = kept_.reserve(2); }
  // Shows the table to readers who only know shown_home. The index must be kept, and everything
  // else that they look at be ready.
  void show() noexcept {
    WriteSection section(*this);
    shows_.store(true, std::memory_order_release);
    show_current();
  }
  // May be called without the owner's lock.
  bool is_shown() const { return shows_.load(std::memory_order_acquire); }
  ~Index();
  Index(const Index &) = delete;
  Index &operator=(const Index &) = delete;

  // The bytes of a table that one entry takes at the usual load. That is a little more than at the
  // best load, since a table grows by steps.
  static constexpr size_t kBytesAnEntry = 10;

  // May be called without the owner's lock; the number is approximate then.
  uint64_t size() const { return size_; }
  // Returns whether a table is being replaced.
  bool migrating() const { return old_.data() != nullptr; }
  // Returns whether reserve will have to allocate a larger table.
  bool grows_for(uint64_t count) const { return size_ + count > comfortable(current_.size()); }
  static constexpr uint32_t kMostExpected = UINT32_MAX / 8 * 7;
  // Tells the index about how many entries there will be at most, so that the table is then no
  // larger than necessary. 0: unknown.
  void expect(uint32_t entries) { expected_ = entries; }

  // Returns the place of the reference with this hash for which is_it(ref) is true.
  template <class IsIt>
  Place find(uint64_t hash, IsIt is_it) const;
  // Returns the place of a reference that is in the index.
  Place place_of(uint64_t hash, Ref ref) const {
    const Place place = find(hash, [ref](Ref other) { return other == ref; });
    assert(place.ref == ref && place.slot.cell != nullptr);
    return place;
  }

  // ---- Reading without the lock ---------------------------------------------------------------
  // This is a seqlock (Boehm, "Can seqlocks get along with programming language memory models?",
  // 2012). Its counter is the version, which is even at rest and odd while a write section is open.
  //
  // A writer holds the owner's lock. It makes the version odd, changes tables and blocks, and
  // makes the version even again. Every store to a table or a block releases, and so does the store
  // that ends the section.
  //
  // A reader loads the version with acquire. Then it loads what it looks for, each load with
  // acquire. Then it loads the version again. If that is the same even number, all loads found what
  // was there at one time:
  //   - nothing older: the first load acquired the end of the write section before;
  //   - nothing newer: a newer store comes after the store that made the version odd, and
  //     releases. A load that found the newer store acquired both, so that the last load cannot
  //     find the number before.
  // Therefore the last load may be relaxed, and so may the store of the odd number. There are no
  // fences.
  //
  // A block that has left the index may be used again at once, without a write section, because the
  // version under which readers found the block has ended. But a late reader takes any bytes of the
  // block for the bytes that it looks for. Therefore all stores to blocks release, including the
  // sizes of free blocks and the links of policies. Outside of a write section, a writer may store
  // to an entry that can be found only what readers do not look at: links, pins and the flags of
  // policies. Use bits are hints.
  //
  // An insertion needs no write section. The tag is stored last, and a reader that acquires the tag
  // knows the rest of the entry. A change of nothing but a deadline needs none either, because a
  // deadline is one word.
  //
  // Until the last load a reader believes nothing that it has read, and goes only where there is
  // memory. It also compares the version before it follows a table, because address and size may
  // belong to two tables, and before it uses the lengths of an entry. Tables and chunks remain
  // mapped. If the system takes their pages back, their zeros count as released: the kernel takes a
  // lock to remove a page, and again to bring one. So a reference that a reader finds is kNone, or
  // was once in use. Addresses of chunks are not atomic, but they are stored before the first
  // reference into the chunk, which the reader has acquired.
  //
  // Processors of x86-64 acquire at every load and release at every store. They do so for each byte
  // of the loads and stores of 16 bytes, too, which compilers are told to keep in order (cell.hpp).
  //
  // tests/model/test_seqlock.cpp tries all this in a model of weakly ordered memory, and fails if
  // any of these orders is left out.

  uint32_t version() const {
    // Within a write section, returns the number from before it. That number comes again after 2^31
    // sections: a reader would be fooled that sleeps for exactly as many.
    return version_.load(std::memory_order_acquire) & ~1u;
  }
  bool unchanged_since(uint32_t version) const {
    return version_.load(std::memory_order_relaxed) == version;
  }
  // A table to look into. After look, unchanged_since tells whether it was the version's table.
  struct Sight {
    Bucket *buckets;  // nullptr if there is no table
    uint32_t count;
    uint64_t hash;

    template <class IsIt>
    Place find(IsIt is_it) const {
      return buckets == nullptr ? Place{kNone, {nullptr}} : scan(buckets, count, hash, is_it);
    }
  };
  Sight look(uint64_t hash) const {
    const Table &table = table_of(hash_position(hash));
    return {table.data(), table.size(), hash};
  }
  // Returns the first bucket that a search would look into. While there are two tables or none, and
  // before `show`, that is `elsewhere`. Only if the version is still the same is there a bucket.
  [[gnu::always_inline]] Bucket *shown_home(uint64_t hash) const {
    const uint32_t count = shown_.size();
    return shown_.data() + home_of(hash_position(hash), count);
  }
  // A bucket that is empty, but that others have passed: a search has to go on elsewhere.
  static const Bucket &elsewhere() { return kElsewhere; }
  // Does as shown_home whether or not the table is shown, but returns nullptr while there are two tables
  // or none.
  [[gnu::always_inline]] Bucket *home(uint64_t hash) const {
    Bucket *buckets = current_.data();
    return old_.data() != nullptr || buckets == nullptr
               ? nullptr
               : buckets + home_of(hash_position(hash), current_.size());
  }

  // The version is odd while a WriteSection exists. A writer needs one to change what references
  // stand for. The index opens write sections for its own changes.
  class WriteSection {
   public:
    explicit WriteSection(Index &index) noexcept : index_(index) {
      if (index_.open_sections_++ == 0) index_.next_version(std::memory_order_relaxed);
    }
    ~WriteSection() {
      if (--index_.open_sections_ == 0) index_.next_version(std::memory_order_release);
    }
    WriteSection(const WriteSection &) = delete;
    WriteSection &operator=(const WriteSection &) = delete;

   private:
    Index &index_;
  };

  // Makes room for count more entries, so that as many inserts cannot fail. Returns false if there
  // is no memory. hash_of(ref) is the hash with which a reference was inserted.
  template <class HashOf>
  bool reserve(uint64_t count, HashOf hash_of) noexcept;

  // Goes on, by a few homes, with replacing a table that is far too large for its entries and count
  // more. reserve does the same little by little. Returns false when nothing is left to do.
  template <class HashOf>
  bool shrink(uint64_t count, HashOf hash_of) noexcept;

  // The reference must not be in the index yet, and there must be room.
  void insert(uint64_t hash, Ref ref);
  // The reference must be in the index.
  void erase(uint64_t hash, Ref ref);
  void replace(uint64_t hash, Ref from, Ref to);
  void clear() noexcept;

  // ---- Walks ----------------------------------------------------------------------------------
  // A walk takes positions by cells, each a few homes of the table that was there when it began. It
  // takes the cells in the order of the van der Corput sequence, and the positions of a cell from
  // left to right. So at any time, two stretches of as many cells have lost or gained as much by
  // the walk, but for two cells. If the table has grown since the walk began, cells are longer.

  // Calls visit(ref, hash) for every reference in the next stretch of a walk, at most a home. Walks
  // begin at 0, and end at kEnd. If each call begins at what the previous one returned, an entry
  // that is there throughout is visited exactly once, whatever changes between the calls.
  static constexpr uint64_t kEnd = UINT64_MAX;
  template <class HashOf, class Visit>
  uint64_t visit_from(uint64_t from, HashOf hash_of, Visit visit) const;

  template <class Visit>
  void visit_all(Visit visit) const;

  // May be called without the owner's lock. Then table and size may not belong together, and the
  // address to no bucket.
  void prefetch(uint64_t hash) const {
    const auto table = reinterpret_cast<uintptr_t>(current_.data());
    const size_t offset = table_bytes(home_of(hash_position(hash), current_.size()));
    __builtin_prefetch(reinterpret_cast<const void *>(table + offset));
  }

#ifdef CT_VALIDATE
  // Returns nullptr, or the invariant that is broken.
  template <class HashOf>
  const char *problem(HashOf hash_of) const;
  // Adds to *total how many buckets must be searched to find every entry once. Raises *longest to
  // the length of the longest search, for an entry that is there or not.
  template <class HashOf>
  void measure_searches(HashOf hash_of, uint64_t *total, uint64_t *longest) const;
#endif

 private:
  struct Table {
    Cell<Bucket *> buckets{nullptr};
    Cell<uint32_t> count{0};

    Bucket *data() const { return buckets.acquire(); }
    uint32_t size() const { return count.acquire(); }
    void set(Bucket *data, uint32_t size) {
      buckets = data;
      count = size;
    }
    uint32_t next(uint32_t bucket) const { return bucket + 1 == size() ? 0 : bucket + 1; }
    Bucket *next(Bucket *bucket) const {
      return bucket + 1 == data() + size() ? data() : bucket + 1;
    }
  };

  struct Kept {
    Bucket *buckets;
    uint32_t count;
  };

  void next_version(std::memory_order order) noexcept {
    version_.store(version_.load(std::memory_order_relaxed) + 1, order);
  }

  // Entries that passed over a bucket stay where they are when the bucket has room again. So in a
  // table that loses as many entries as it gains, a search for an absent key looks into 1.3 buckets
  // on average at this load, into 2 at 70 %, and into 7 at 80 %. A table is filled beyond this load
  // only if there is no memory.
  static uint64_t comfortable(uint64_t buckets) { return buckets * kSlots * 5 / 8; }
  static uint64_t buckets_for(uint64_t entries) { return entries * 8 / (kSlots * 5) + 1; }
  static uint64_t bearable(uint64_t buckets) { return buckets * kSlots * 9 / 10; }
  // With fewer entries than sparse, a table may be too large: a quarter of it would then be
  // comfortable, or three quarters if memory is counted.
  uint64_t sparse(uint64_t buckets) const { return buckets * kSlots * (tight_ ? 3 : 1) / 8; }
  uint64_t shrunk(uint64_t buckets) const { return tight_ ? buckets / 4 * 3 : buckets / 4; }
  static constexpr uint32_t kMaxBuckets = 1u << 29;
  // Enough to move a whole table before the next one is due, if that has 5 % more buckets.
  static constexpr uint32_t kHomesAStep = 4;
  // The step if the old table is nearly empty.
  static constexpr uint32_t kSparseHomesAStep = 16;
  // What an insertion for which many entries were evicted moves beside the step, at most. It is
  // also the step of a call that does nothing but replace a table, and lets others at the lock in
  // between.
  static constexpr uint32_t kHomesAtOnce = 32;
  // A table of a page is too small to be worth shrinking; if memory is counted, a quarter of a page
  // is.
  static constexpr uint32_t kSmallTable = 64;
  static constexpr uint32_t kTinyTable = 16;

  static uint32_t home_of(uint32_t position, uint32_t buckets) {
    return static_cast<uint32_t>((static_cast<uint64_t>(position) * buckets) >> 32);
  }
  // Returns the first position that has this home.
  static uint64_t first_position(uint64_t home, uint32_t buckets) {
    return ((home << 32) + buckets - 1) / buckets;
  }

  // Where a walk stands: in its upper half, how many bits of a position tell the cell; in its lower
  // half, how many positions it has been to.
  struct Walk {
    // A cell has at least half as many homes, so that few of them lie in two cells.
    static constexpr uint32_t kHomesACell = 4;

    uint32_t cell_bits;
    uint32_t walked;

    Walk(uint64_t from, uint64_t buckets)
        : cell_bits(static_cast<uint32_t>(from >> 32)), walked(static_cast<uint32_t>(from)) {
      if (from != 0) return;
      while (buckets >> cell_bits >= kHomesACell) cell_bits++;
    }
    // All bits of a position that are not its cell's.
    uint32_t rest() const { return UINT32_MAX >> cell_bits; }
    uint32_t position() const {
      const uint64_t cell = reversed(walked & ~rest());
      return static_cast<uint32_t>(cell << (32 - cell_bits)) | (walked & rest());
    }
    uint64_t end_of_cell() const { return uint64_t{position() | rest()} + 1; }
    // Returns where the walk stands after as many positions more.
    uint64_t after(uint64_t count) const {
      const uint64_t sum = walked + count;
      return sum >> 32 != 0 ? kEnd : uint64_t{cell_bits} << 32 | sum;
    }

   private:
    static uint32_t reversed(uint32_t bits) {
      bits = (bits >> 1 & 0x55555555) | (bits & 0x55555555) << 1;
      bits = (bits >> 2 & 0x33333333) | (bits & 0x33333333) << 2;
      bits = (bits >> 4 & 0x0F0F0F0F) | (bits & 0x0F0F0F0F) << 4;
      return __builtin_bswap32(bits);
    }
  };

  // Returns the table in charge of a position.
  const Table &table_of(uint32_t position) const {
    return migrating() && home_of(position, old_.size()) >= cursor_.acquire() ? old_ : current_;
  }
  Table &table_of(uint32_t position) {
    return const_cast<Table &>(static_cast<const Index *>(this)->table_of(position));
  }

  // How many buckets the next table has.
  uint32_t size_of(uint64_t buckets) const;
  uint32_t next_size(uint64_t needed) const;
  uint32_t smallest_size(uint64_t needed) const;
  // The steps of replacing a table, in this order.
  [[gnu::noinline, gnu::cold]] bool begin_growth(uint64_t needed) noexcept;
  [[gnu::noinline, gnu::cold]] bool begin_shrinking(uint64_t needed) noexcept;
  bool replace_table(uint32_t size) noexcept;
  uint32_t homes_to_move() noexcept;
  template <class HashOf>
  [[gnu::noinline, gnu::cold]] void migrate(uint32_t homes, HashOf hash_of);
  template <class HashOf>
  void move_home(uint32_t home, HashOf hash_of);
  void use_up_to(size_t end) noexcept;
  void use_for(uint32_t homes) noexcept;
  void discard_moved() noexcept;
  template <class IsIt>
  static Place scan(Bucket *buckets, uint32_t count, uint64_t hash, IsIt is_it);
  static void put(Table &table, uint64_t hash, Ref ref, uint32_t use_bits);
  static void erase_at(const Table &table, Bucket *home, Place place);
  static size_t table_bytes(uint32_t buckets) { return size_t{buckets} * sizeof(Bucket); }
  void release(Bucket *buckets, uint32_t count) noexcept;
  void show_current() noexcept;

  static const Bucket kElsewhere;
  void put_away(Table &table) noexcept;
  Table reuse_kept(uint32_t count) noexcept;

  Memory &memory_;
  const bool tight_;
  bool keeps_ = false;
  std::atomic<bool> shows_{false};
  uint32_t open_sections_ = 0;        // open write sections, one within the other
  std::atomic<uint32_t> version_{0};  // odd while a write section is open
  uint32_t expected_ = 0;
  Cell<uint32_t> size_{0};
  Cell<uint32_t> cursor_{0};  // homes left of the cursor have moved from old_ to current_
  uint32_t step_ = 0;         // how many homes an insertion moves
  uint32_t size_then_ = 0;    // size_ when homes were last moved
  TableEdge filled_;          // of current_
  TableEdge emptied_;         // of old_
  Table current_;
  Table old_;         // the table that is being replaced, while migrating
  Table shown_;       // what readers look into first
  Array<Kept> kept_;  // tables that were put away, with room for those in use
};

template <class IsIt>
[[gnu::always_inline]] inline Place Index::scan(Bucket *buckets, uint32_t count, uint64_t hash,
                                                IsIt is_it) {
  const uint8_t tag = hash_tag(hash);
  Bucket *bucket = buckets + home_of(hash_position(hash), count);
  for (uint32_t left = count;;) {
    for (uint32_t bits = bucket->match(tag); bits != 0; bits &= bits - 1) {
      Cell<Ref> *cell = &bucket->refs[__builtin_ctz(bits)];
      const Ref ref = cell->acquire();
      if (is_it(ref)) return {ref, {cell}};
    }
    if (bucket->passed.acquire() == 0 || --left == 0) return {kNone, {nullptr}};
    if (++bucket == buckets + count) bucket = buckets;
  }
}

template <class IsIt>
[[gnu::always_inline]] inline Place Index::find(uint64_t hash, IsIt is_it) const {
  return look(hash).find(is_it);
}

template <class HashOf>
bool Index::reserve(uint64_t count, HashOf hash_of) noexcept {
  if (migrating()) migrate(homes_to_move(), hash_of);
  const uint64_t needed = size_ + count;
  if (needed <= comfortable(current_.size())) {
    if (needed < sparse(current_.size()) && !migrating()) begin_shrinking(needed);
    return true;
  }
  // A table that is still being filled can overflow only if many inserts wait with reserved room.
  if (migrating()) migrate(old_.size(), hash_of);
  return begin_growth(needed) || needed <= bearable(current_.size());
}

template <class HashOf>
bool Index::shrink(uint64_t count, HashOf hash_of) noexcept {
  if (!migrating() && !begin_shrinking(size_ + count)) return false;
  migrate(kHomesAtOnce, hash_of);
  return true;
}

// Moves the references of the next homes from the old table to the current one.
template <class HashOf>
void Index::migrate(uint32_t homes, HashOf hash_of) {
  WriteSection section(*this);
  const auto end =
      static_cast<uint32_t>(std::min<uint64_t>(old_.size(), uint64_t{cursor_} + homes));
  use_for(end);
  for (; cursor_ < end; ++cursor_) move_home(cursor_, hash_of);
  if (cursor_ == old_.size()) {
    put_away(old_);
    show_current();
  } else {
    discard_moved();
  }
}

// The references of a home are in its bucket and in those behind it, up to the first that none has
// passed.
template <class HashOf>
void Index::move_home(uint32_t home, HashOf hash_of) {
  uint32_t b = home;
  for (uint32_t left = old_.size();;) {
    Bucket &bucket = old_.data()[b];
    // Taking a reference out lowers the counts on its way, so the count is read first.
    const bool goes_on = bucket.passed != 0;
    for (uint32_t i = 0; i < kSlots; i++) {
      if (bucket.tags[i] == 0) continue;
      const Ref ref = bucket.refs[i];
      const uint64_t hash = hash_of(ref);
      if (home_of(hash_position(hash), old_.size()) != home) continue;
      const Place place = {ref, {&bucket.refs[i]}};
      const uint32_t use_bits = place.slot.use_bits();
      erase_at(old_, old_.data() + home, place);
      put(current_, hash, ref, use_bits);
    }
    if (!goes_on || --left == 0) return;
    b = old_.next(b);
  }
}

template <class HashOf, class Visit>
uint64_t Index::visit_from(uint64_t from, HashOf hash_of, Visit visit) const {
  if (size_ == 0) return kEnd;
  const Walk walk(from, std::max(current_.size(), old_.size()));
  const uint32_t begin = walk.position();
  const Table &table = table_of(begin);
  const uint32_t home = home_of(begin, table.size());
  uint64_t end = std::min(first_position(uint64_t{home} + 1, table.size()), walk.end_of_cell());
  if (migrating() && &table == &current_) {
    end = std::min(end, first_position(cursor_, old_.size()));
  }
  const uint64_t next = walk.after(end - begin);
  if (next != kEnd) {
    __builtin_prefetch(table.data() + home_of(Walk(next, 0).position(), table.size()));
  }
  const Bucket *buckets = table.data();
  uint32_t b = home;
  for (uint32_t left = table.size();; b = table.next(b)) {
    for (uint32_t i = 0; i < kSlots; i++) {
      if (buckets[b].tags[i] == 0) continue;
      const Ref ref = buckets[b].refs[i];
      const uint64_t hash = hash_of(ref);
      const uint32_t position = hash_position(hash);
      if (position >= begin && position < end) visit(ref, hash);
    }
    if (buckets[b].passed == 0 || --left == 0) return next;
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
    if (place_of(hash, ref).ref != ref) {
      problem = "index: an entry is not found by its hash";
    }
  });
  if (count != size_) return "index: its size is not the number of its entries";
  if (migrating() && cursor_ >= old_.size()) return "index: a table outlives its migration";
  return problem;
}

template <class HashOf>
void Index::measure_searches(HashOf hash_of, uint64_t *total, uint64_t *longest) const {
  for (const Table *table : {&old_, &current_}) {
    const Bucket *buckets = table->data();
    for (uint32_t home = 0; home < table->size(); home++) {
      uint64_t buckets_searched = 1;
      for (uint32_t b = home; buckets[b].passed != 0 && buckets_searched < table->size();
           b = table->next(b)) {
        buckets_searched++;
      }
      *longest = std::max(*longest, buckets_searched);
    }
  }
  visit_all([&](Ref ref) {
    const uint64_t hash = hash_of(ref);
    const Table &table = table_of(hash_position(hash));
    const auto found = static_cast<uint32_t>(place_of(hash, ref).slot.bucket() - table.data());
    const uint32_t home = home_of(hash_position(hash), table.size());
    *total += (found >= home ? found - home : found + table.size() - home) + 1;
  });
}
#endif

}  // namespace ct

#endif
