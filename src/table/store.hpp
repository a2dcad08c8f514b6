// SPDX-License-Identifier: MIT
// An allocator for entries. It cuts blocks of any multiple of 8 bytes from chunks, and joins them
// again when they are free. It knows nothing of caches, and its owner locks.
//
// Blocks lie in a chunk one after the other, and each begins with an Entry. The user of a block
// knows its size and hands it back on release. A free block has its size behind its links, and once
// more in its last four bytes. No two neighbouring blocks are free; kPrevFree tells a block that
// the block before it is. So a used block costs nothing beside the entry in it.
//
// One block that was released is kept as it is for the next request of its size: where entries are
// of one size, each takes over the block of the victim that made room for the one before. It counts
// as used, but no chunk is kept for it alone.
//
// Free blocks are kept in bins by size (size_class.hpp), as in TLSF, and found by good fit: a
// request looks at a few blocks of its own bin, then takes any block of the next bin that has one.
//
// The store grows by a chunk when no free block fits a request. The other chunks are not touched.
// The size of the new chunk is
//   - an eighth of what the store holds, from 1 to 32 KiB, so that a small cache is small;
//   - a sixty-fourth of that, up to 16 MiB, if this is more, so that little room lies idle;
//   - if the limit is on memory, a sixty-fourth from the beginning; and if blocks then have mixed
//     sizes, a power of two, so that the memory of a chunk that went fits another one.
// A chunk that becomes free goes back to Memory, except for one of moderate size. When all blocks
// are dropped at once, their chunks lose their numbers, and go back one by one: that takes the
// system longer than a lock should be held.
//
// A chunk has a number, the upper bits of its references. A number is
//   in use   its chunk has blocks in use, or is the one free chunk that is kept;
//   gone     its chunk went back, and another chunk may take the number;
//   spare    its chunk is free, but cannot go back, because readers without the lock may look at
//            it: the chunk is used again, or set aside until the end if only its number is needed.
// There are only so many numbers: references limit the store to 24 to 31 GiB. When none is left
// (is_full), the owner makes entries leave, as at any other limit, and moves the others together
// until a chunk goes. A new chunk of any size can take the number of a chunk that went; while
// readers may follow the number, the new chunk is made as long as that one was. So an empty store
// lacks no number.
//
// Free room in a chunk may fit no request: after the sizes of blocks have changed, up to all
// chunks may be half empty. So when too much lies free, the sparsest chunk is compacted, a few
// blocks at a time. Nothing is allocated in this chunk any more, its owner moves its blocks
// elsewhere from left to right, and in the end it goes back. If a block has to stay, the chunk is
// opened again, just as slowly. Free blocks of a chunk that is being compacted are loose, that is,
// in no bin. Right of the cursor, only those are loose that a request has come upon. compaction.hpp
// tells the passes over the chunk.
#ifndef CT_STORE_HPP
#define CT_STORE_HPP

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/memory.hpp"
#include "base/size_class.hpp"
#include "table/compaction.hpp"
#include "table/entry.hpp"

namespace ct {

class Store {
  // The address that reference 0 would have if a chunk's references went down to there. So the
  // address of a block is its chunk's origin and the reference, in units: no offset is cut out.
  // Addresses wrap.
  using Origin = Cell<uintptr_t>;

  struct Chunk {
    uint32_t
        units;  // of a chunk that has gone: at least that many still are where its origin leads
    uint32_t used_units;  // or kGone, or kSpare

    bool is_in_use() const { return used_units < kSpare; }
  };

 public:
  // References of a shard reach no further than this number of chunks.
  static constexpr uint32_t kMaxChunks = kFirstSentinel >> 21;

  // tight: memory is counted, so that little may lie free.
  Store(Memory &memory, const Layout &layout, bool tight) noexcept
      : memory_(memory), layout_(layout), tight_(tight) {
    set_bearable();
  }
  // Called before chunks are first read without the lock. Readers may then follow a reference into
  // a chunk that has gone: there is memory at its address while the cache lives, and a chunk that
  // takes over a number is no shorter than the one before.
  void keep() { keeps_ = true; }
  ~Store();
  Store(const Store &) = delete;
  Store &operator=(const Store &) = delete;

  // May be called without the owner's lock for a block that cannot go meanwhile.
  Entry *at(Ref ref) const { return view().at(ref); }

  // Does the same for several blocks, until the owner allocates the next one.
  class View {
   public:
    Entry *at(Ref ref) const {
      return reinterpret_cast<Entry *>(origins_[ref >> kOffsetBits].acquire() +
                                       static_cast<uintptr_t>(ref) * kUnit);
    }

   private:
    friend class Store;
    explicit View(const Origin *origins) : origins_(origins) {}

    const Origin *origins_;
  };
  View view() const { return View(origins()); }

  // Returns whether all of the store fits in a core's own cache. If the store is in use, nothing
  // need then be prefetched.
  bool fits_near_core() const { return held_units_ < kNearBytes / kUnit; }

  // Returns how many bytes may lie free beside these bytes in use, in a tight store and in the page
  // heap that its chunks come from.
  static constexpr uint64_t free_share(uint64_t bytes) { return bytes / 25; }

  // Returns a block with an Entry of zeros, or kNone if there is no memory. bytes is a multiple of
  // 8 and at least kMinBlockBytes.
  Ref allocate(size_t bytes) noexcept {
    return reusable_ != kNone && reusable_bytes_ == bytes ? take_reusable() : allocate(bytes, true);
  }
  // Does the same for an entry that has to make way. Such an entry is not worth another chunk,
  // unless memory is counted, because blocks lie closer together in the new chunk.
  Ref allocate_elsewhere(size_t bytes) noexcept { return allocate(bytes, tight_); }
  void release(Ref ref, size_t bytes) noexcept {
    if (reusable_ != kNone || !compaction_.is_idle() || is_last(ref, bytes))
      return free_beside_reusable(ref, bytes);
    reusable_ = ref;
    reusable_bytes_ = static_cast<uint16_t>(bytes);
  }
  // Returns whether too much lies free, or a chunk is being compacted. The owner should then call
  // compact after each allocation.
  bool is_sparse() const {
    return held_units_ - used_units_ > bearable_units_ || !compaction_.is_idle();
  }
  // Returns whether a block was refused because references reach no further. Then entries have to
  // leave, and the others to move together, until a block can be allocated.
  bool is_full() const { return full_; }
  Memory &memory() const { return memory_; }
  // Goes on with compacting chunks, as far as is due for an allocation of bytes. blocks: about how
  // many are in use. move(ref) moves an entry to another block, which it allocates, and releases
  // the old block. move returns false if the entry has to stay. compact returns whether there may
  // be more to gain.
  template <class Move>
  bool compact(size_t bytes, uint64_t blocks, Move move) {
    give_up_reusable();
    uint32_t left = work_for(bytes / kUnit);
    for (uint32_t i = 0; left != 0 && i < kMostBlocks; i++) {
      if (compaction_.is_idle() && !begin_compaction(blocks)) return false;
      const uint32_t units = pass_block();
      if (units == 0) continue;
      const Ref ref = compaction_.cursor() - units;
      if (!move(ref)) compaction_.stay();
      left -= std::min(left, units);
    }
    return is_sparse();
  }
  // While a store is thrifty, less may lie free than usual, nearly as little as in a tight store.
  void set_thrifty(bool thrifty) noexcept;
  // Drops all blocks at once. Their chunks go back by release_all_dropped, or by take_dropped and
  // release_dropped.
  void clear() noexcept;
  // A chunk that has lost its number. What is known of it lies before its first block.
  struct Numberless {
    Numberless *next;
    size_t bytes;
    bool dropped;  // else readers may look at it, and it stays until the end
  };
  // Returns a chunk that was dropped, or nullptr if there is none left.
  Numberless *take_dropped() noexcept {
    Numberless **at = &numberless_;
    while (*at != nullptr && !(*at)->dropped) at = &(*at)->next;
    return *at == nullptr ? nullptr : std::exchange(*at, (*at)->next);
  }
  // Needs no lock.
  static void release_dropped(Numberless *chunk, Memory &memory) noexcept {
    memory.release(chunk, chunk->bytes, kChunkAlign, Memory::kChunk);
  }
  void release_all_dropped() noexcept {
    while (Numberless *chunk = take_dropped()) release_dropped(chunk, memory_);
  }

#ifdef CT_VALIDATE
  // Called while the store is empty. count is at most kMaxChunks.
  void limit_chunks(uint32_t count) { max_chunks_ = static_cast<uint16_t>(count); }
  // Makes chunks small, so that a small store has several of them.
  void act_large() { tight_bytes_ = 512; }
  // Returns nullptr, or the invariant that is broken. used: bytes that the owner knows to be in
  // use. all: whether no others are in use.
  const char *problem(uint64_t used, bool all) const;
#endif

 private:
  static constexpr size_t kUnit = 8;
  static constexpr uint32_t kMinUnits = kMinBlockBytes / kUnit;
  static constexpr uint32_t kOffsetBits = 21;
  static_assert(kMaxChunks == kFirstSentinel >> kOffsetBits, "sentinels are no blocks");
  static constexpr uint32_t kNoChunk = Compaction::kNoChunk;
  // Values of used_units that mean that the chunk is not in use.
  static constexpr uint32_t kGone = UINT32_MAX;       // the number is free for another chunk
  static constexpr uint32_t kSpare = UINT32_MAX - 1;  // the chunk or its number waits to be reused
  // The first units of a chunk are left out, so that no block is kNone, and blocks of 32, 64 or 96
  // bytes touch no more cache lines than they must. The last two units are an Entry that is never
  // free.
  static constexpr size_t kChunkAlign = 64;
  static constexpr uint32_t kFirstUnit = kChunkAlign / kUnit;
  static constexpr uint32_t kEndUnits = 2;
  static constexpr size_t kMinChunkBytes = 1024;
  static constexpr size_t kPageBytes = 4096;
  static constexpr size_t kNearBytes = 512 * 1024;
  static constexpr size_t kMaxChunkBytes = kUnit << kOffsetBits;
  // A chunk that is an eighth of what is held is no larger than this.
  static constexpr size_t kMaxEighth = 32 * 1024;

  static constexpr uint32_t kBins = classes_below(kOffsetBits + 1);
  static constexpr uint32_t kBinWords = (kBins + 63) / 64;
  static constexpr size_t kSizeOffset = offsetof(Entry, value_size);
  // How much of what is held may lie free, in parts of kParts.
  static constexpr uint32_t kParts = 256;
  static constexpr uint8_t kTightParts = 6;
  static constexpr uint8_t kLooseParts = 64;
  static constexpr uint8_t kThriftyParts = 16;
  static constexpr uint8_t kFullParts = 1;
  // How many blocks more may lie free in a tight store of mixed blocks. Where values of up to 20 kB
  // filled a mebibyte, seven times as much was moved without these.
  static constexpr uint32_t kFewBlocks = 6;
  // A tight chunk may be larger by at most this many blocks, if blocks then fill it better.
  static constexpr size_t kFittedBlocks = 8;
  static constexpr double kWellFilled = 63.0 / 64;
  // How many blocks of its own bin a request looks at.
  static constexpr int kTries = 8;
  // How many blocks of the chunk that is being compacted a request takes out of their bins.
  static constexpr int kLoosened = 32;
  // How many blocks one call of compact looks at, at most.
  static constexpr uint32_t kMostBlocks = kLooksAtOnce;
  static constexpr uint32_t kMostUnits = 64 * 1024 / kUnit;

  static_assert(sizeof(Numberless) <= kChunkAlign, "it lies before the first block");

  struct Bins {
    uint64_t in_use[kBinWords];  // a bit for each bin that has a block
    Ref heads[kBins];
  };

  static Cell<uint32_t> *units_at(const Entry *e, size_t offset) {
    return reinterpret_cast<Cell<uint32_t> *>(Layout::at(const_cast<Entry *>(e), offset));
  }
  static Entry *after(Entry *e, uint32_t units) {
    return reinterpret_cast<Entry *>(Layout::at(e, units * kUnit));
  }
  // Returns the size of a free block.
  static uint32_t free_units(const Entry *e) { return *units_at(e, kSizeOffset); }
  // Returns the size of the free block before e.
  static uint32_t units_before(const Entry *e) { return *(units_at(e, 0) - 1); }
  static void write_units(Entry *e, uint32_t units) {
    *units_at(e, kSizeOffset) = units;
    *(units_at(after(e, units), 0) - 1) = units;
  }
  static void zero(Entry *e) {
    for (size_t at = 0; at < sizeof *e; at += sizeof(Word)) {
      store_word(words(Layout::at(e, at)), 0);
    }
  }
  static bool fits(uint32_t have, uint32_t need) {
    return have == need || have >= need + kMinUnits;
  }

  Origin *origins() const { return origins_.load(std::memory_order_acquire); }
  // The chunks' other half, which only the owner looks at, lies behind the origins.
  Chunk *chunks() const { return behind(origins(), chunk_capacity_); }
  static Chunk *behind(Origin *origins, uint32_t capacity) {
    const auto begin = reinterpret_cast<uintptr_t>(origins);
    return reinterpret_cast<Chunk *>(begin + (capacity + 1) * sizeof(Origin));
  }
  static uintptr_t offset_of(uint32_t number) {
    return static_cast<uintptr_t>(number) * kMaxChunkBytes;
  }
  void *base_of(uint32_t number) const {
    return reinterpret_cast<void *>(origins()[number] + offset_of(number));
  }
  Ref allocate(size_t bytes, bool grows) noexcept;
  void free_block(Ref ref, size_t bytes) noexcept;
  void free_beside_reusable(Ref ref, size_t bytes) noexcept;
  // Returns whether this is the only block in use of its chunk.
  bool is_last(Ref ref, size_t bytes) const {
    return chunks()[ref >> kOffsetBits].used_units == bytes / kUnit;
  }
  Ref take_reusable() {
    const Ref ref = reusable_;
    reusable_ = kNone;
    Entry *e = at(ref);
    const uint8_t block = e->block;  // the block before it may be free
    zero(e);
    e->block = block;
    return ref;
  }
  void give_up_reusable() {
    if (reusable_ != kNone) free_block(std::exchange(reusable_, kNone), reusable_bytes_);
  }
  Ref find(uint32_t units) const;
  [[gnu::noinline, gnu::cold]] Ref find_without_reusable(uint32_t units);
  void link_free(Ref ref, uint32_t units);
  void unlink_free(Ref ref);
  // Growing: the size of the next chunk, a number for it, its memory, and its only block.
  [[gnu::noinline, gnu::cold]] Ref grow(uint32_t units);
  static size_t needed_bytes(uint32_t units) {
    return (kFirstUnit + units + kMinUnits + kEndUnits) * kUnit;
  }
  size_t next_chunk_bytes(uint32_t units) const;
  size_t mixed_chunk_bytes(size_t best, size_t needed) const;
  size_t even_chunk_bytes(size_t least, uint32_t units) const;
  static double filled(size_t bytes, uint32_t units);
  static size_t chunk_bytes_for(size_t bytes);
  uint32_t take_spare(size_t bytes);
  uint32_t add_chunk(size_t bytes, size_t least);
  uint32_t find_number(uint32_t units);
  uint32_t smallest(uint32_t state, uint32_t units) const;
  uint32_t largest_gone(uint32_t units) const;
  bool reserve_number();
  void set_aside(uint32_t number);
  Ref open(uint32_t number);
  [[gnu::noinline, gnu::cold]] Ref find_elsewhere(Ref ref, uint32_t units);
  void loosen(Ref ref);
  [[gnu::noinline, gnu::cold]] void set_bearable();
  void set_full(bool full);
  uint32_t work_for(uint64_t units);
  bool begin_compaction(uint64_t blocks);
  uint32_t sparsest(uint64_t usual) const;
  uint32_t pass_block();
  Ref first_of(uint32_t number) const { return (number << kOffsetBits) + kFirstUnit; }
  Ref end_of(uint32_t number) const {
    return (number << kOffsetBits) + chunks()[number].units - kEndUnits;
  }
  [[gnu::noinline, gnu::cold]] void retire(uint32_t number);
  void let_chunk_go(uint32_t number);
  bool spare(uint32_t number);
  void forget(uint32_t number);
  void release_tables();
#ifdef CT_VALIDATE
  const char *problem_of_chunk(uint32_t number, uint64_t *binned_units) const;
#endif
  static size_t chunk_bytes(const Chunk &chunk) { return chunk.units * kUnit; }
  bool is_paged(const Chunk &chunk) const {
    return memory_.is_paged(chunk_bytes(chunk), Memory::kChunk);
  }
  static size_t table_bytes(uint32_t capacity) {
    return (capacity + 1) * (sizeof(Origin) + sizeof(Chunk));
  }

  Memory &memory_;
  const Layout &layout_;
  const bool tight_;
  bool keeps_ = false;
  bool thrifty_ = false;
  bool full_ = false;  // no number was left for a chunk, and all numbers have been in use since
  // Tight chunks are multiples of this, so that all of their pages can go back.
  uint16_t tight_bytes_ = kPageBytes;
  uint16_t reusable_bytes_ = 0;
  // Outgrown tables are kept, because at() may be reading one. Each is linked behind the last chunk
  // of its successor: its address as an origin, its capacity as units.
  std::atomic<Origin *> origins_{nullptr};
  uint32_t chunk_count_ = 0;
  uint32_t chunk_capacity_ = 0;
  uint16_t max_chunks_ = kMaxChunks;
  uint16_t held_chunks_ = 0;
  uint16_t spares_ = 0;
  uint16_t lost_units_ =
      0;  // of a chunk like the newest, if that is a page, and blocks have one size
  Numberless *numberless_ = nullptr;  // the newest first
  uint64_t held_units_ = 0;
  uint64_t used_units_ = 0;
  uint32_t bearable_units_ = 0;     // how much may lie free
  uint32_t grown_for_[2] = {};      // units of the blocks for which the newest chunks were taken
  uint32_t idle_chunk_ = kNoChunk;  // the free chunk that is kept, or kNoChunk
  uint32_t newest_ = kNoChunk;      // the chunk that was taken last
  Ref reusable_ = kNone;            // a released block that is kept; not free
  Compaction compaction_;
  Bins *bins_ = nullptr;  // nullptr before the first chunk
};

}  // namespace ct

#endif
