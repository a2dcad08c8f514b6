// SPDX-License-Identifier: MIT
// A count-min sketch (Cormode, Muthukrishnan, "An Improved Data Stream Summary", 2005): about how
// often each key was used lately, in 6.4 bytes for each entry of the cache. It has the conservative
// update of Estan and Varghese ("New Directions in Traffic Measurement and Accounting", 2002), and
// ages as TinyLFU does: now and then it halves the counters, a block at a time, so that no call
// pays for all.
//
// A key's two counters lie in one block of 64 bytes, so that counting costs one cache miss. A
// counter has 3 bits. A key that is used more than 7 times between two halvings stays anyway; and
// the more counters there are, the fewer keys share one.
//
// When the sketch changes its size, each use fills a few blocks of the new table with what the old
// one knows, from the lowest hashes on (incremental rehashing). Hashes below the cursor are counted
// in the new table, and the others still in the old one. Both tables together are held by as much
// as the larger one takes (table_edge.hpp).
#ifndef CT_POLICY_SKETCH_HPP
#define CT_POLICY_SKETCH_HPP

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/cell.hpp"
#include "base/memory.hpp"
#include "base/table_edge.hpp"

namespace ct {

class Sketch {
 public:
  static constexpr uint32_t kMaxCount = 7;
  // Bytes for each entry, on average, as the sketch grows by doubling.
  static constexpr size_t kBytesAnEntry = 10;

  // tight: the cache's limit is on memory.
  Sketch(Memory &memory, bool tight) noexcept : memory_(memory), tight_(tight) {}
  ~Sketch() { clear(); }
  Sketch(const Sketch &) = delete;
  Sketch &operator=(const Sketch &) = delete;

  // Begins to grow if the sketch is too small for this number of entries and there is memory.
  // expected is the largest number of entries, or 0 if that is not known.
  void reserve(uint64_t entries, uint64_t expected) noexcept {
    if (entries > bearable_) grow(entries, expected);
  }

  // Begins to shrink to half the size if the sketch is tight, half the size is enough for this
  // number of entries, and there is memory.
  void fit(uint64_t entries) noexcept {
    if (tight_ && count_ > kPageBlocks && entries < count_ / 2 * kEntriesABlock && !resizing()) {
      resize((uint64_t{count_} + 1) / 2);
    }
  }

  // Counts a use. Returns the estimate from before it.
  uint32_t add(uint64_t hash) {
    if (resizing()) return add_and_take_over(hash);
    if (blocks_ == nullptr) return 0;
    const uint64_t mixed = mix(hash);
    const uint32_t before = blocks_[part_of(mixed, count_)].add(mixed);
    if (before != kMaxCount && ++uses_ == kUsesAHalving) age();
    return before;
  }

  uint32_t estimate(uint64_t hash) const {
    if (blocks_ == nullptr) return 0;
    const uint64_t mixed = mix(hash);
    return block_of(mixed).least(mixed);
  }

  // Always inlined: gcc would take the function for one without an effect, and leave the call out.
  [[gnu::always_inline]] void prefetch(uint64_t hash) const {
    if (count_ != 0) __builtin_prefetch(&block_of(mix(hash)), 1);
  }

  // Forgets everything, and gives the memory back.
  void clear() noexcept {
    release(blocks_, count_);
    release(old_, old_count_);
    blocks_ = old_ = nullptr;
    count_ = old_count_ = cursor_ = uses_ = halved_ = 0;
    bearable_ = 0;
  }

#ifdef CT_VALIDATE
  // Returns how many blocks have been filled since the previous call.
  uint64_t take_work() { return std::exchange(work_, 0); }
#else
  uint64_t take_work() { return 0; }
#endif

 private:
  static constexpr uint64_t kEntriesABlock = 10;
  // With this number the counters remember about six uses of each entry, and as many uses of keys
  // that are not there.
  static constexpr uint32_t kUsesAHalving = 6 * kEntriesABlock;
  static constexpr uint64_t kMinBlocks = 4;    // in fewer, some counters have far too many keys
  static constexpr uint64_t kPageBlocks = 64;  // so few fill a page at most, and move at once
  static constexpr uint32_t kBlocksAStep = 4;
  static constexpr uint64_t kMaxBlocks = std::min<uint64_t>(uint64_t{1} << 31, SIZE_MAX / 128);

  // Consists of cells, because the memory may have been a chunk that late readers still look at.
  struct alignas(64) Block {
    // Each word has 21 counters, from the lowest bits on. A key's first counter is in the lower
    // four words, its second in the upper four.
    Cell<uint64_t> words[8];

    // The bits that select the word are among those that select the counter in it; but that goes by
    // the upper bits of the 16, so the two are as good as independent.
    static uint32_t word(uint32_t i, uint64_t mixed) {
      return 4 * i + (static_cast<uint32_t>(mixed >> (16 * i + 7)) & 3);
    }
    static uint32_t shift(uint32_t i, uint64_t mixed) {
      return uint32_t{static_cast<uint16_t>(mixed >> (16 * i))} * 21 / 65536 * 3;
    }
    static uint32_t count(uint64_t word, uint32_t shift) {
      return static_cast<uint32_t>(word >> shift) & kMaxCount;
    }
    uint32_t least(uint64_t mixed) const {
      return std::min(count(words[word(0, mixed)], shift(0, mixed)),
                      count(words[word(1, mixed)], shift(1, mixed)));
    }
    // Raises the lower of the key's counters, or both if they are equal. Returns what it was.
    uint32_t add(uint64_t mixed) {
      Cell<uint64_t> &first = words[word(0, mixed)];
      Cell<uint64_t> &second = words[word(1, mixed)];
      const uint32_t at_first = shift(0, mixed);
      const uint32_t at_second = shift(1, mixed);
      const uint32_t counts[] = {count(first, at_first), count(second, at_second)};
      const uint32_t before = std::min(counts[0], counts[1]);
      if (before == kMaxCount) return before;
      if (counts[0] == before) first += uint64_t{1} << at_first;
      if (counts[1] == before) second += uint64_t{1} << at_second;
      return before;
    }
    void halve() {
      for (Cell<uint64_t> &word : words) word = (word >> 1) & 0x36DB6DB6DB6DB6DB;
    }
    // Raises each counter to the other block's, if that is larger.
    void merge(const Block &other) {
      for (uint32_t i = 0; i < 8; i++) {
        uint64_t larger = 0;
        for (uint32_t bits = 0; bits < 63; bits += 3) {
          const uint64_t mask = uint64_t{kMaxCount} << bits;
          larger |= std::max(words[i] & mask, other.words[i] & mask);
        }
        words[i] = larger;
      }
    }
  };
  static_assert(sizeof(Block) == 64, "a cache line");

  // The upper half selects the block, and the lower half the counters. The hash itself will not do,
  // because the hashes of one shard have bits in common.
  static uint64_t mix(uint64_t hash) { return hash * 0x9E3779B97F4A7C15u; }
  static uint64_t part_of(uint64_t mixed, uint32_t blocks) {
    return ((mixed >> 32) * blocks) >> 32;
  }
  Block &block_of(uint64_t mixed) const {
    const uint64_t block = part_of(mixed, count_);
    assert(block < cursor_ || old_ != nullptr);
    return block < cursor_ ? blocks_[block] : old_[part_of(mixed, old_count_)];
  }

  [[gnu::noinline]] void age() {
    uses_ = 0;
    if (++halved_ >= count_) halved_ = 0;
    blocks_[halved_].halve();
  }
  // The sketch changes its size within so few uses that no counter need age meanwhile.
  [[gnu::noinline, gnu::cold]] uint32_t add_and_take_over(uint64_t hash) {
    take_over();
    const uint64_t mixed = mix(hash);
    return block_of(mixed).add(mixed);
  }

  // Returns the number of blocks for this number of entries.
  //
  // The leading bits of a hash must lead to what is known of its key. If each size is twice the
  // size before, all keys of a block were in one block before. Otherwise some blocks merge what two
  // blocks knew, and believe it of all their keys. So the sizes are halvings of the size that is
  // enough in the end.
  uint64_t count_for(uint64_t entries, uint64_t expected) const {
    if (entries > expected) {
      return std::max(entries / kEntriesABlock + 1, 2 * static_cast<uint64_t>(count_));
    }
    const uint64_t last = expected / kEntriesABlock + 1;
    uint64_t count = last;
    for (uint32_t halvings = 1; count >= kPageBlocks; halvings++) {
      const uint64_t half = ((last - 1) >> halvings) + 1;
      if (half * kEntriesABlock < entries) break;
      count = half;
    }
    return count;
  }

  void grow(uint64_t entries, uint64_t expected) noexcept {
    // Uses come faster than entries. So the change of size ends long before another one is due; and
    // if it does not, the sketch grows a little later.
    if (resizing()) return;
    const uint64_t count = std::min(kMaxBlocks, std::max(kMinBlocks, count_for(entries, expected)));
    // If there is no memory now, the sketch tries again when even this size would be too small.
    // Until then estimates get coarser.
    if (count <= count_ || !resize(count)) bearable_ = bearable(count);
  }

  // Returns how many entries the sketch bears before it grows again.
  static uint64_t bearable(uint64_t count) { return count * kEntriesABlock * 9 / 8; }

  bool resizing() const { return cursor_ != count_; }

  // Begins to change the size. Returns false if there is no memory. No other change may be under
  // way.
  bool resize(uint64_t count) noexcept {
    void *memory = memory_.allocate_untouched(bytes_of(count), alignof(Block));
    if (memory == nullptr) return false;
    // All counters must be halved equally often.
    if (count_ != 0) halved_ = static_cast<uint32_t>(halved_ * count / count_);
    old_ = blocks_;
    old_count_ = count_;
    blocks_ = static_cast<Block *>(memory);
    count_ = static_cast<uint32_t>(count);
    cursor_ = 0;
    bearable_ = bearable(count);
    filled_.begin();
    emptied_.begin();
    if (old_ == nullptr) begin_with_zeros();
    while (resizing() && count_ <= kPageBlocks) take_over();
    return true;
  }

  // The first table is small, because it is made for the first entries.
  void begin_with_zeros() noexcept {
    filled_.use_up_to(memory_, blocks_, bytes_of(count_), bytes_of(count_));
    for (uint32_t b = 0; b < count_; b++) {
      for (Cell<uint64_t> &word : blocks_[b].words) word = 0;
    }
    cursor_ = count_;
  }

  // Fills the next new blocks, each with what the old blocks of the same hashes knew.
  [[gnu::noinline, gnu::cold]] void take_over() noexcept {
    const uint64_t before = old_count_;
    const uint32_t end = cursor_ + std::min(kBlocksAStep, count_ - cursor_);
    filled_.use_up_to(memory_, blocks_, bytes_of(count_), bytes_of(end));
    for (; cursor_ < end; cursor_++) {
      const uint64_t first = cursor_ * before / count_;
      const uint64_t last = ((cursor_ + 1) * before - 1) / count_;
      blocks_[cursor_] = old_[first];
      for (uint64_t b = first + 1; b <= last; b++) blocks_[cursor_].merge(old_[b]);
#ifdef CT_VALIDATE
      work_++;
#endif
    }
    if (resizing()) {
      emptied_.discard_up_to(memory_, old_, bytes_of(before), bytes_of(cursor_ * before / count_));
      return;
    }
    release(old_, old_count_);
    old_ = nullptr;
    old_count_ = 0;
  }

  static size_t bytes_of(uint64_t blocks) { return static_cast<size_t>(blocks) * sizeof(Block); }
  void release(Block *blocks, uint32_t count) noexcept {
    memory_.release(blocks, bytes_of(count), alignof(Block), Memory::kTable);
  }

  Memory &memory_;
  const bool tight_;
  Block *blocks_ = nullptr;  // nullptr if there was no memory for any
  uint32_t count_ = 0;
  Block *old_ = nullptr;  // while the sketch changes its size
  uint32_t old_count_ = 0;
  uint32_t cursor_ = 0;    // new blocks below this are filled
  TableEdge filled_;       // of blocks_
  TableEdge emptied_;      // of old_
  uint64_t bearable_ = 0;  // with more entries the sketch should grow
  uint32_t uses_ = 0;      // counted since the last block was halved
  uint32_t halved_ = 0;    // the last block that was halved
#ifdef CT_VALIDATE
  uint64_t work_ = 0;
#endif
};

}  // namespace ct

#endif
