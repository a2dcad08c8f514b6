// SPDX-License-Identifier: MIT
// Memory for entries: blocks of any multiple of 8 bytes, cut from chunks and joined again when they
// are free. Knows no cache; whoever owns it locks.
//
// Blocks lie in a chunk one after the other, each beginning with an Entry. A used block's size is
// known to its user, who hands it back; a free block has its size behind its links and once more in
// its last four bytes. No two neighbouring blocks are free; a block knows by kPrevFree whether the
// one before it is. So a used block costs nothing beside the entry in it.
//
// Free blocks are kept in bins by size (size_class.hpp). A request looks at a few blocks of its own
// bin, then takes any of the next bin that has one: TLSF's good fit.
//
// A chunk is an eighth of what the store holds then, from 1 to 32 KiB, so that a small cache is small;
// later a sixty-fourth, so that little room lies idle, up to 16 MiB. Where memory is what is limited,
// it is a sixty-fourth from the beginning; and if blocks are of mixed sizes, a power of two, so that
// the memory of one that went fits another. A chunk that becomes free goes back to Memory, but for one
// of moderate size.
//
// References reach as far as there are numbers of chunks: 24 to 31 GiB. Who has none left (is_full)
// makes entries leave, as at any other limit, and the others move together until a chunk goes. Any
// chunk that goes leaves its number to one of any size: so when none is in use, none is lacking.
//
// What lies free in other chunks may fit nobody: after the sizes of blocks have changed, up to all
// of them are half empty. So when too much does, the sparsest chunk is compacted, a few blocks at a
// time: nothing is put into it any more, its owner moves what is in it elsewhere, from the left to
// the right, and in the end it goes back. If a block has to stay, the chunk is opened again, as
// slowly. Free blocks of a chunk that is being compacted are loose, that is in no bin; but right of
// the cursor only those that a request has come upon.
#ifndef CT_STORE_HPP
#define CT_STORE_HPP

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/memory.hpp"
#include "base/size_class.hpp"
#include "table/entry.hpp"

namespace ct {

class Store {
 public:
  // A shard's references go no further.
  static constexpr uint32_t kMaxChunks = kFirstSentinel >> 21;

  // tight: its memory is counted, so that little may lie free.
  Store(Memory &memory, const Layout &layout, bool tight) noexcept
      : memory_(memory), layout_(layout), tight_(tight) {
    set_bearable();
  }
  // From now on chunks are read without the lock, also those that have gone: where they were there is
  // memory while the cache lives, and a chunk that has the number of another is no shorter.
  void keep() { keeps_ = true; }
  ~Store();
  Store(const Store &) = delete;
  Store &operator=(const Store &) = delete;

  // Without the owner's lock too, for a block that cannot go meanwhile.
  Entry *at(Ref ref) const {
    return reinterpret_cast<Entry *>(chunks()[ref >> kOffsetBits].base.acquire() +
                                     static_cast<size_t>(ref & kOffsetMask) * kUnit);
  }

  // Whether all of it is in a core's own cache, if it is in use: then nothing need be fetched ahead.
  bool is_near() const { return held_units_ < kNearBytes / kUnit; }

  // What may lie free beside so many bytes in use, of a store that is tight.
  static constexpr uint64_t free_share(uint64_t bytes) { return bytes / 32; }

  // A block of bytes, a multiple of 8 from kMinBlockBytes on, with an Entry of zeros; kNone: no
  // memory.
  Ref allocate(size_t bytes) noexcept { return allocate(bytes, true); }
  // The same for what has to make way. It is not worth another chunk, unless memory is counted: then
  // blocks lie closer in that.
  Ref allocate_elsewhere(size_t bytes) noexcept { return allocate(bytes, tight_); }
  void release(Ref ref, size_t bytes) noexcept;
  // Whether too much lies free, or a chunk is being compacted: then whoever has allocated should call
  // compact.
  bool is_sparse() const { return held_units_ - used_units_ > bearable_free() || cursor_ != kNone; }
  // Whether a block was refused because references do not go further. Then entries have to leave until
  // one can be allocated, and the others to move together.
  bool is_full() const { return full_; }
  Memory &memory() const { return memory_; }
  // Goes on with compacting chunks, as far as is due for an allocation of that size. blocks: about how
  // many are in use. move(ref) moves an entry to another block, which it allocates, and releases the
  // old one; false: it has to stay. Answers whether there may be more to gain.
  template <class Move>
  bool compact(size_t bytes, uint64_t blocks, Move move) {
    uint32_t left = work_for(bytes / kUnit);
    for (uint32_t i = 0; left != 0 && i < kMostBlocks; i++) {
      if (cursor_ == kNone && !begin_compaction(blocks)) return false;
      const uint32_t units = pass_block();
      if (units == 0) continue;
      const Ref ref = cursor_ - units;
      if (!move(ref)) stayed_ = true;
      left -= std::min(left, units);
    }
    return is_sparse();
  }
  // Until it is told otherwise no more may lie free than if it were tight.
  void set_thrifty(bool thrifty) noexcept;
  // Gives everything back at once.
  void clear() noexcept;

#ifdef CT_VALIDATE
  // While it is empty. At most kMaxChunks.
  void limit_chunks(uint32_t count) { max_chunks_ = count; }
  // So that it has some chunks while it is small.
  void act_large() { tight_bytes_ = 512; }
  // NULL, or the invariant that is broken. used: what the owner knows to be in use, in bytes; all:
  // whether that is all.
  const char *problem(uint64_t used, bool all) const;
#endif

 private:
  static constexpr size_t kUnit = 8;
  static constexpr uint32_t kMinUnits = kMinBlockBytes / kUnit;
  static constexpr uint32_t kOffsetBits = 21;
  static constexpr uint32_t kOffsetMask = (1u << kOffsetBits) - 1;
  static_assert(kMaxChunks == kFirstSentinel >> kOffsetBits, "sentinels are no blocks");
  static constexpr uint32_t kNoChunk = UINT32_MAX;
  // Instead of what is used of a chunk.
  static constexpr uint32_t kGone = UINT32_MAX;       // its number is free for another
  static constexpr uint32_t kSpare = UINT32_MAX - 1;  // it, or its number, waits to be used again
  // The first units of a chunk are left out, so that no block is kNone, and blocks of 32, 64 or 96
  // bytes touch no more cache lines than they must; the last two are an Entry that is never free.
  static constexpr size_t kChunkAlign = 64;
  static constexpr uint32_t kFirstUnit = kChunkAlign / kUnit;
  static constexpr uint32_t kEndUnits = 2;
  static constexpr size_t kMinChunkBytes = 1024;
  static constexpr size_t kPageBytes = 4096;
  static constexpr size_t kNearBytes = 512 * 1024;
  static constexpr size_t kMaxChunkBytes = kUnit << kOffsetBits;
  // While chunks are an eighth of what is held, they are no larger.
  static constexpr size_t kMaxEighth = 32 * 1024;

  static constexpr uint32_t kBins = classes_below(kOffsetBits + 1);
  static constexpr uint32_t kBinWords = (kBins + 63) / 64;
  static constexpr size_t kSizeOffset = offsetof(Entry, key_size);
  // So much of what is held may lie free.
  static constexpr uint32_t kParts = 256;
  static constexpr uint8_t kTightParts = 6;
  static constexpr uint8_t kLooseParts = 64;
  static constexpr uint8_t kThriftyParts = 16;
  static constexpr uint8_t kFullParts = 1;
  // A tight chunk is larger by so many blocks at most, if that fills it better.
  static constexpr size_t kFittedBlocks = 8;
  static constexpr double kWellFilled = 63.0 / 64;
  // How many blocks of a request's own bin are looked at.
  static constexpr int kTries = 8;
  // How many blocks of the chunk that is being compacted a request takes out of their bins.
  static constexpr int kLoosened = 32;
  // How many blocks compact looks at in one go, at most.
  static constexpr uint32_t kMostBlocks = 512;
  static constexpr uint32_t kMostUnits = 64 * 1024 / kUnit;

  struct Chunk {
    Cell<char *> base;
    uint32_t units;       // of one that has gone: at least so many there are where base leads
    uint32_t used_units;  // or kGone, or kSpare

    bool is_in_use() const { return used_units < kSpare; }
  };

  // At the beginning of a chunk that has lost its number, where no block is.
  struct Aside {
    Aside *next;
    size_t bytes;
  };
  static_assert(sizeof(Aside) <= kChunkAlign, "it lies before the first block");

  struct Bins {
    uint64_t in_use[kBinWords];  // a bit for each that has a block
    Ref heads[kBins];
  };

  static Cell<uint32_t> *units_at(const Entry *e, size_t offset) {
    return reinterpret_cast<Cell<uint32_t> *>(Layout::at(const_cast<Entry *>(e), offset));
  }
  static Entry *after(Entry *e, uint32_t units) {
    return reinterpret_cast<Entry *>(Layout::at(e, units * kUnit));
  }
  // Of a free block.
  static uint32_t free_units(const Entry *e) { return *units_at(e, kSizeOffset); }
  // Of the free block before e.
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

  Chunk *chunks() const { return chunks_.load(std::memory_order_acquire); }
  Ref allocate(size_t bytes, bool grows) noexcept;
  Ref find(uint32_t units) const;
  void link_free(Ref ref, uint32_t units);
  void unlink_free(Ref ref);
  [[gnu::noinline, gnu::cold]] Ref grow(uint32_t units);
  static double filled(size_t bytes, uint32_t units);
  uint32_t find_spare(size_t bytes);
  uint32_t find_number(uint32_t units);
  void set_aside(uint32_t number);
  static uint32_t needed_units(uint32_t units) {
    return kFirstUnit + units + kMinUnits + kEndUnits;
  }
  size_t next_chunk_bytes(uint32_t units, bool mixed) const;
  static size_t chunk_bytes_for(size_t bytes);
  [[gnu::noinline, gnu::cold]] Ref find_elsewhere(Ref ref, uint32_t units);
  void loosen(Ref ref);
  uint64_t bearable_free() const { return held_units_ * bearable_parts_ / kParts; }
  void set_bearable();
  void set_full(bool full);
  uint32_t work_for(uint64_t units);
  bool begin_compaction(uint64_t blocks);
  uint32_t sparsest(uint64_t usual) const;
  uint32_t pass_block();
  void end_pass();
  Ref first_of(uint32_t number) const { return (number << kOffsetBits) + kFirstUnit; }
  Ref end_of(uint32_t number) const {
    return (number << kOffsetBits) + chunks()[number].units - kEndUnits;
  }
  uint32_t add_chunk(size_t bytes, size_t least);
  bool reserve_number();
  [[gnu::noinline, gnu::cold]] void retire(uint32_t number);
  void let_chunk_go(uint32_t number);
  void release_chunk(uint32_t number);
  void release_tables();
#ifdef CT_VALIDATE
  const char *problem_of_chunk(uint32_t number, uint64_t *binned_units) const;
#endif
  static size_t chunk_bytes(const Chunk &chunk) { return chunk.units * kUnit; }
  bool is_paged(const Chunk &chunk) const {
    return memory_.is_paged(chunk_bytes(chunk), Memory::kChunk);
  }
  static size_t table_bytes(uint32_t capacity) { return (capacity + 1) * sizeof(Chunk); }

  Memory &memory_;
  const Layout &layout_;
  const bool tight_;
  bool keeps_ = false;
  bool thrifty_ = false;
  bool full_ = false;  // a chunk was lacking for want of a number, and each is in use since
  uint8_t bearable_parts_;
  // Tight chunks are multiples of it, so that all of them can go back.
  uint16_t tight_bytes_ = kPageBytes;
  // Tables that were outgrown are kept, each behind the last chunk of its successor, because at()
  // may be reading one.
  std::atomic<Chunk *> chunks_{nullptr};
  uint32_t chunk_count_ = 0;
  uint32_t chunk_capacity_ = 0;
  uint32_t max_chunks_ = kMaxChunks;
  uint32_t spares_ = 0;
  Aside *aside_ = nullptr;  // the last chunk that has lost its number
  uint64_t held_units_ = 0;
  uint64_t used_units_ = 0;
  uint32_t grown_for_[2] = {};      // units of the blocks that the newest chunks were taken for
  uint32_t idle_chunk_ = kNoChunk;  // the one free chunk that is kept; kNoChunk: none
  uint32_t newest_ = kNoChunk;      // the chunk that was taken last
  uint32_t compacted_ = kNoChunk;   // the chunk that is being compacted; kNoChunk: none
  Ref cursor_ = kNone;   // the next block of it, or of the one that is opened again; kNone: neither
  bool stayed_ = false;  // a block, on the way
  uint32_t stuck_ = kNoChunk;  // the chunk that could not be emptied
  uint64_t pause_units_ = 0;   // to be allocated before another attempt
  Bins *bins_ = nullptr;       // once there was a chunk
};

}  // namespace ct

#endif
