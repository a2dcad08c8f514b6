// SPDX-License-Identifier: MIT
#include "table/store.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ct {

uint32_t Store::bin_of(uint32_t units) {
  if (units < kExactBins) return units;
  const uint32_t log = 31 - static_cast<uint32_t>(__builtin_clz(units));
  return kExactBins + (log - 4) * 8 + ((units >> (log - 3)) & 7);
}

// The first bin in which every block has at least that many units.
uint32_t Store::bin_from(uint32_t units) {
  if (units < kExactBins) return units;
  const uint32_t log = 31 - static_cast<uint32_t>(__builtin_clz(units));
  return bin_of(units + (1u << (log - 3)) - 1);
}

void Store::link_free(Ref ref, uint32_t units) {
  Entry *e = at(ref);
  const bool loose = ref >> kOffsetBits == vacated_;
  e->prev = kNone;
  e->next = kNone;
  write_units(e, units);
  e->pins = 0;
  e->flags = 0;
  e->block = loose ? kFree | kLoose : kFree;
  after(e, units)->block |= kPrevFree;
  if (loose) return;
  const uint32_t bin = bin_of(units);
  e->next = bins_->heads[bin];
  if (e->next != kNone) at(e->next)->prev = ref;
  bins_->heads[bin] = ref;
  bins_->in_use[bin / 64] |= uint64_t{1} << (bin % 64);
}

void Store::unlink_free(Ref ref) {
  Entry *e = at(ref);
  const uint32_t units = free_units(e);
  after(e, units)->block &= static_cast<uint8_t>(~kPrevFree);
  if ((e->block & kLoose) != 0) return;
  if (e->next != kNone) at(e->next)->prev = e->prev;
  if (e->prev != kNone) {
    at(e->prev)->next = e->next;
  } else {
    const uint32_t bin = bin_of(units);
    bins_->heads[bin] = e->next;
    if (e->next == kNone) bins_->in_use[bin / 64] &= ~(uint64_t{1} << (bin % 64));
  }
}

Ref Store::find(uint32_t units) const {
  if (bins_ == nullptr) return kNone;
  Ref ref = bins_->heads[bin_of(units)];
  for (int i = 0; i < kTries && ref != kNone; i++) {
    Entry *e = at(ref);
    if (fits(free_units(e), units)) return ref;
    ref = e->next;
  }
  const uint32_t bin = bin_from(units + kMinUnits);
  if (bin >= kBins) return kNone;
  uint64_t word = bins_->in_use[bin / 64] & (~uint64_t{0} << (bin % 64));
  for (uint32_t i = bin / 64; i < kBinWords; word = ++i < kBinWords ? bins_->in_use[i] : 0) {
    if (word != 0) return bins_->heads[i * 64 + static_cast<uint32_t>(__builtin_ctzll(word))];
  }
  return kNone;
}

[[gnu::flatten]] Ref Store::allocate(size_t bytes, bool grows) noexcept {
  const uint32_t units = static_cast<uint32_t>(bytes / kUnit);
  Ref ref = find(units);
  if (ref >> kOffsetBits == vacated_) ref = find_elsewhere(ref, units);
  if (ref == kNone && grows) ref = grow(units);
  if (ref == kNone) return kNone;
  Entry *e = at(ref);
  const uint32_t have = free_units(e);
  unlink_free(ref);
  if (have != units) link_free(ref + units, have - units);
  const uint32_t number = ref >> kOffsetBits;
  chunks()[number].used_units += units;
  used_units_ += units;
  if (number == idle_chunk_) idle_chunk_ = kMaxChunks;
  zero(e);
  return ref;
}

[[gnu::flatten]] void Store::release(Ref ref, size_t bytes) noexcept {
  uint32_t units = static_cast<uint32_t>(bytes / kUnit);
  const uint32_t number = ref >> kOffsetBits;
  Chunk &chunk = chunks()[number];
  chunk.used_units -= units;
  used_units_ -= units;
  Entry *e = at(ref);
  Entry *next = after(e, units);
  if ((next->block & kFree) != 0) {
    const uint32_t next_units = free_units(next);
    unlink_free(ref + units);
    units += next_units;
  }
  if ((e->block & kPrevFree) != 0) {
    const uint32_t before = units_before(e);
    ref -= before;
    unlink_free(ref);
    units += before;
  }
  link_free(ref, units);
  // The cursor stands at the beginning of a block.
  if (cursor_ - ref < units) cursor_ = ref;
  if (chunk.used_units == 0) retire(number);
}

// One free chunk is kept, if it is not large beside what is in use: so a cache that wavers about
// the edge of a chunk does not ask for it again and again.
void Store::retire(uint32_t number) {
  if (cursor_ >> kOffsetBits == number) cursor_ = kNone;
  if (number == vacated_) {
    vacated_ = kMaxChunks;
    let_chunk_go(number);
    return;
  }
  if (idle_chunk_ != kMaxChunks) let_chunk_go(idle_chunk_);
  idle_chunk_ = kMaxChunks;
  if (used_units_ / 4 >= chunks()[number].units) {
    idle_chunk_ = number;
  } else {
    let_chunk_go(number);
  }
}

// A free block, in a new chunk, from which that many units can be cut; kNone: no memory.
Ref Store::grow(uint32_t units) {
  const size_t bytes = next_chunk_bytes(units);
  if (bytes > kMaxChunkBytes) return kNone;
  uint32_t number = find_idle(bytes, units, tight_ ? filled(bytes, units) - kBearablyFilled : 0);
  if (number == kMaxChunks) number = add_chunk(bytes);
  if (number == kMaxChunks && tight_) number = find_idle(needed_units(units) * kUnit, units, 0);
  if (number == kMaxChunks) return kNone;
  Chunk &chunk = chunks()[number];
  chunk.used_units = 0;
  held_units_ += chunk.units;
  newest_ = number;

  const Ref first = first_of(number);
  const Ref end = end_of(number);
  zero(at(end));
  link_free(first, end - first);
  return first;
}

// For a block of that many units, and others like it.
size_t Store::next_chunk_bytes(uint32_t units) const {
  const size_t needed = needed_units(units) * kUnit;
  const uint64_t held = held_units_ * kUnit;
  const size_t share =
      static_cast<size_t>(std::min<uint64_t>(held / (tight_ ? 64 : 8), kMaxChunkBytes));
  if (!tight_) {
    const size_t bytes = std::max({share, kMinChunkBytes, needed});
    const size_t step = bytes < kPageBytes ? kMinChunkBytes : kPageBytes;
    return (bytes + step - 1) & ~(step - 1);
  }
  // At the end of each chunk something may be lost that is smaller than a block, and most of one
  // chunk may lie free.
  const double even = std::sqrt(static_cast<double>(held) * static_cast<double>(units * kUnit)) / 2;
  const size_t least = std::max({share, static_cast<size_t>(even), needed});
  size_t best = (least + kTightBytes - 1) / kTightBytes * kTightBytes;
  const size_t most = std::min(best + kFittedBlocks * units * kUnit, kMaxChunkBytes);
  for (size_t bytes = best + kTightBytes; bytes <= most; bytes += kTightBytes) {
    if (filled(best, units) >= kWellFilled) break;
    if (filled(bytes, units) > filled(best, units)) best = bytes;
  }
  return best;
}

// The part of such a chunk that blocks of that many units can take.
double Store::filled(size_t bytes, uint32_t units) {
  const auto room = static_cast<uint32_t>(bytes / kUnit) - kFirstUnit - kEndUnits;
  const uint32_t rest = room % units;
  const uint32_t lost = rest == 0 || rest >= kMinUnits ? rest : rest + units;
  return static_cast<double>(room - lost) * kUnit / static_cast<double>(bytes);
}

// The smallest idle chunk of at least that many bytes, or half as many where little may lie free, of
// which blocks of that many units can take that part; kMaxChunks: there is none.
uint32_t Store::find_idle(size_t bytes, uint32_t units, double least_filled) const {
  if (tight_) bytes = std::max(bytes / 2, needed_units(units) * kUnit);
  uint32_t best = kMaxChunks;
  for (uint32_t i = 0; keeps_ && i < chunk_count_; i++) {
    const Chunk &chunk = chunks()[i];
    if (chunk.base == nullptr || chunk.used_units != kIdle || chunk_bytes(chunk) < bytes) continue;
    if (best != kMaxChunks && chunk.units >= chunks()[best].units) continue;
    if (filled(chunk_bytes(chunk), units) >= least_filled) best = i;
  }
  if (best != kMaxChunks) {
    const Chunk &chunk = chunks()[best];
    memory_.reuse(chunk.base, chunk_bytes(chunk), kChunkAlign);
  }
  return best;
}

// kMaxChunks: no memory.
uint32_t Store::add_chunk(size_t bytes) {
  if (bins_ == nullptr) {
    bins_ = static_cast<Bins *>(memory_.allocate_zeroed(sizeof(Bins), alignof(Bins)));
    if (bins_ == nullptr) return kMaxChunks;
  }
  uint32_t number = 0;
  while (number < chunk_count_ && chunks()[number].base != nullptr) number++;
  if (number == chunk_count_ && !add_chunk_slot()) return kMaxChunks;
  char *base = static_cast<char *>(memory_.allocate(bytes, kChunkAlign));
  if (base == nullptr) return kMaxChunks;
  chunk_count_ = std::max(chunk_count_, number + 1);
  chunks()[number] = {base, static_cast<uint32_t>(bytes / kUnit), 0};
  return number;
}

bool Store::add_chunk_slot() {
  if (chunk_count_ < chunk_capacity_) return true;
  if (chunk_count_ == kMaxChunks) return false;
  const uint32_t capacity = std::min(kMaxChunks, std::max(4u, chunk_capacity_ * 2));
  auto *table = static_cast<Chunk *>(memory_.allocate(table_bytes(capacity), alignof(Chunk)));
  if (table == nullptr) return false;
  if (chunk_count_ > 0) std::memcpy(table, chunks(), chunk_count_ * sizeof(Chunk));
  table[capacity] = {reinterpret_cast<char *>(chunks()), chunk_capacity_, 0};
  chunks_.store(table, std::memory_order_release);
  chunk_capacity_ = capacity;
  return true;
}

void Store::release_tables() {
  for (Chunk *table = chunks(); table != nullptr;) {
    const Chunk predecessor = table[chunk_capacity_];
    memory_.release(table, table_bytes(chunk_capacity_), alignof(Chunk));
    table = reinterpret_cast<Chunk *>(predecessor.base);
    chunk_capacity_ = predecessor.units;
  }
  chunks_.store(nullptr, std::memory_order_relaxed);
}

// A chunk that is one free block is held no more.
void Store::let_chunk_go(uint32_t number) {
  Chunk &chunk = chunks()[number];
  unlink_free(first_of(number));
  held_units_ -= chunk.units;
  if (keeps_) {
    memory_.idle(chunk.base, chunk_bytes(chunk), kChunkAlign);
    chunk.used_units = kIdle;
    return;
  }
  release_chunk(number);
  while (chunk_count_ > 0 && chunks()[chunk_count_ - 1].base == nullptr) chunk_count_--;
}

// ---- Vacating chunks --------------------------------------------------------------------------

// A block elsewhere than in the chunk that is being vacated, unless much of it is in the way.
Ref Store::find_elsewhere(Ref ref, uint32_t units) {
  for (int i = 0; i < kLoosened && ref != kNone && ref >> kOffsetBits == vacated_; i++) {
    loosen(ref);
    ref = find(units);
  }
  return ref;
}

void Store::loosen(Ref ref) {
  unlink_free(ref);
  Entry *e = at(ref);
  link_free(ref, free_units(e));
}

// How many units to move for an allocation of that many: the more, the more lies free.
uint32_t Store::work_for(uint64_t units) {
  if (pause_units_ > units) {
    pause_units_ -= units;
    return 0;
  }
  pause_units_ = 0;
  const uint64_t free = held_units_ - used_units_;
  const uint64_t bearable = bearable_free();
  const uint64_t excess = free > bearable ? (free - bearable) * 4 / (bearable + 1) : 0;
  const uint64_t due = std::min<uint64_t>(units, kMostUnits) << std::min<uint64_t>(excess + 1, 5);
  return static_cast<uint32_t>(std::min<uint64_t>(due, kMostUnits));
}

// Chooses a chunk; false: nothing is to be gained for now.
bool Store::begin_vacating(uint64_t blocks) {
  if (held_units_ - used_units_ <= bearable_free()) return false;
  const uint32_t number = sparsest(blocks == 0 ? 0 : 2 * used_units_ / blocks);
  stuck_ = kMaxChunks;
  if (number == kMaxChunks) {
    // If it is not full by then, it is as others.
    newest_ = kMaxChunks;
    pause_units_ = bearable_free() / 2;
    return false;
  }
  vacated_ = number;
  cursor_ = first_of(number);
  stayed_ = false;
  return true;
}

// Of those from which something is to be gained, and which are not just being filled. Two blocks may
// lie free in any because they do not fit: that is usual.
uint32_t Store::sparsest(uint64_t usual) const {
  uint32_t best = kMaxChunks;
  double least = tight_ ? 15.0 / 16 : 0.5;
  for (uint32_t i = 0; i < chunk_count_; i++) {
    const Chunk &chunk = chunks()[i];
    if (chunk.base == nullptr || chunk.used_units == kIdle || chunk.used_units == 0) continue;
    if (i == newest_ || i == stuck_ || chunk.units - chunk.used_units <= usual) continue;
    const double filled = static_cast<double>(chunk.used_units) / chunk.units;
    if (filled >= least) continue;
    least = filled;
    best = i;
  }
  return best;
}

// Goes on to the next block; answers the size of the one passed, if it is in use and is to be moved.
uint32_t Store::pass_block() {
  const uint32_t number = cursor_ >> kOffsetBits;
  if (cursor_ == end_of(number)) {
    end_pass();
    return 0;
  }
  Entry *e = at(cursor_);
  const bool free = (e->block & kFree) != 0;
  const uint32_t units =
      free ? free_units(e) : static_cast<uint32_t>(layout_.block_bytes(e) / kUnit);
  if (free) loosen(cursor_);
  cursor_ += units;
  return free || vacated_ == kMaxChunks ? 0 : units;
}

// What is still there has to stay, or came behind the cursor. In the first case the chunk is opened
// again: its free blocks go into their bins.
void Store::end_pass() {
  const uint32_t number = cursor_ >> kOffsetBits;
  if (vacated_ == kMaxChunks) {
    cursor_ = kNone;
    pause_units_ = bearable_free() / 2;
    return;
  }
  cursor_ = first_of(number);
  if (stayed_) {
    stuck_ = number;
    vacated_ = kMaxChunks;
  }
  stayed_ = true;
}

// ---- Giving back ------------------------------------------------------------------------------

void Store::trim() noexcept {
  if (bins_ == nullptr) return;
  for (uint32_t bin = bin_of(kTrimmedBytes / kUnit); bin < kBins; bin++) {
    for (Ref ref = bins_->heads[bin]; ref != kNone; ref = at(ref)->next) {
      const Chunk &chunk = chunks()[ref >> kOffsetBits];
      if (memory_.discard_bytes(chunk_bytes(chunk), kChunkAlign) == 0) continue;
      // What the store keeps in a free block stands at its ends.
      const size_t begin = (ref & kOffsetMask) * kUnit;
      const size_t end = begin + free_units(at(ref)) * kUnit;
      const size_t first = (begin + kMinBlockBytes + kLargestPage - 1) & ~(kLargestPage - 1);
      const size_t last = (end - sizeof(uint32_t)) & ~(kLargestPage - 1);
      if (first < last) memory_.discard(chunk.base + first, last - first);
    }
  }
}

void Store::release_chunk(uint32_t number) {
  Chunk &chunk = chunks()[number];
  memory_.release(chunk.base, chunk_bytes(chunk), kChunkAlign);
  chunk = {};
}

void Store::clear() noexcept {
  for (uint32_t i = 0; i < chunk_count_; i++) {
    Chunk &chunk = chunks()[i];
    if (chunk.base == nullptr || chunk.used_units == kIdle) continue;
    if (keeps_) {
      memory_.idle(chunk.base, chunk_bytes(chunk), kChunkAlign);
      chunk.used_units = kIdle;
    } else {
      release_chunk(i);
    }
  }
  if (!keeps_) {
    release_tables();
    chunk_count_ = 0;
  }
  held_units_ = used_units_ = 0;
  idle_chunk_ = newest_ = vacated_ = stuck_ = kMaxChunks;
  cursor_ = kNone;
  if (bins_ != nullptr) *bins_ = {};
}

Store::~Store() {
  for (uint32_t i = 0; i < chunk_count_; i++) {
    const Chunk &chunk = chunks()[i];
    if (chunk.used_units == kIdle) memory_.reuse(chunk.base, chunk_bytes(chunk), kChunkAlign);
    release_chunk(i);
  }
  release_tables();
  memory_.release(bins_, sizeof(Bins), alignof(Bins));
}

#ifdef CT_VALIDATE
const char *Store::problem(uint64_t used, bool all) const {
  uint64_t held_units = 0;
  uint64_t used_units = 0;
  uint64_t binned_units = 0;
  for (uint32_t i = 0; i < chunk_count_; i++) {
    const Chunk &chunk = chunks()[i];
    if (chunk.base == nullptr || chunk.used_units == kIdle) continue;
    held_units += chunk.units;
    used_units += chunk.used_units;
    if (chunk.used_units == 0 && i != idle_chunk_) return "store: a free chunk is kept";
    if (const char *problem = problem_of_chunk(i, &binned_units)) return problem;
  }
  if (held_units != held_units_) return "store: it holds not what its chunks have";
  if (used_units != used_units_) return "store: its use is not that of its chunks";
  const uint64_t known = used / kUnit;
  if (all ? known != used_units_ : known > used_units_) return "store: blocks were lost";
  if (vacated_ != kMaxChunks && (cursor_ == kNone || cursor_ >> kOffsetBits != vacated_)) {
    return "store: the cursor is not in the chunk that is being vacated";
  }

  for (uint32_t bin = 0; bins_ != nullptr && bin < kBins; bin++) {
    const bool in_use = (bins_->in_use[bin / 64] >> (bin % 64) & 1) != 0;
    if (in_use != (bins_->heads[bin] != kNone)) return "store: a bin's bit is wrong";
    Ref before = kNone;
    for (Ref ref = bins_->heads[bin]; ref != kNone; ref = at(ref)->next) {
      Entry *e = at(ref);
      const uint32_t units = free_units(e);
      if (e->block != kFree) return "store: a block in a bin is not just free";
      if (e->prev != before) return "store: a bin's links are broken";
      if (bin_of(units) != bin) return "store: a free block is in the wrong bin";
      binned_units -= units;
      before = ref;
    }
  }
  return binned_units == 0 ? nullptr : "store: free room is in no bin";
}

// Adds what should be in bins.
const char *Store::problem_of_chunk(uint32_t number, uint64_t *binned_units) const {
  const bool open = number != vacated_;
  bool met_cursor = cursor_ == kNone || cursor_ >> kOffsetBits != number;
  const bool reopened = open && !met_cursor;
  uint32_t used_units = 0;
  bool after_free = false;
  Ref ref = first_of(number);
  while (ref < end_of(number)) {
    met_cursor = met_cursor || ref == cursor_;
    Entry *e = at(ref);
    const bool free = (e->block & kFree) != 0;
    const bool loose = (e->block & kLoose) != 0;
    if (((e->block & kPrevFree) != 0) != after_free) {
      return "store: a block does not know what the one before it is";
    }
    if (free && after_free) return "store: two free blocks are neighbours";
    if (loose && (!free || (open && !reopened)))
      return "store: a block is loose that should not be";
    if (loose && reopened && ref < cursor_) return "store: the cursor has left a loose block";
    if (free && !loose && !open && ref < cursor_)
      return "store: the cursor has left a block in a bin";
    const uint32_t units =
        free ? free_units(e) : static_cast<uint32_t>(layout_.block_bytes(e) / kUnit);
    if (units < kMinUnits || units > end_of(number) - ref)
      return "store: a block has a strange size";
    if (free && units_before(after(e, units)) != units) return "store: a free block's sizes differ";
    if (free && !loose) *binned_units += units;
    if (!free) used_units += units;
    after_free = free;
    ref += units;
  }
  if (((at(ref)->block & kPrevFree) != 0) != after_free)
    return "store: the end does not know what is before it";
  if (!met_cursor && cursor_ != ref) return "store: the cursor is not at a block";
  return used_units == chunks()[number].used_units
             ? nullptr
             : "store: a chunk's use is not that of its blocks";
}
#endif

}  // namespace ct
