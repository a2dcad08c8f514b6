// SPDX-License-Identifier: MIT
#include "table/store.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <new>

namespace ct {

void Store::link_free(Ref ref, uint32_t units) {
  Entry *e = at(ref);
  const bool loose = compaction_.empties(ref >> kOffsetBits);
  e->prev = kNone;
  e->next = kNone;
  write_units(e, units);
  e->flags = 0;
  e->block = loose ? kFree | kLoose : kFree;
  after(e, units)->block |= kPrevFree;
  if (loose) return;
  const uint32_t bin = class_of(units);
  e->next = bins_->heads[bin];
  if (e->next != kNone) at(e->next)->prev = ref;
  bins_->heads[bin] = ref;
  bins_->in_use[bin / 64] |= uint64_t{1} << (bin % 64);
}

void Store::unlink_free(Ref ref) {
  Entry *e = at(ref);
  assert((e->block & kFree) != 0);
  const uint32_t units = free_units(e);
  after(e, units)->block &= static_cast<uint8_t>(~kPrevFree);
  if ((e->block & kLoose) != 0) return;
  if (e->next != kNone) at(e->next)->prev = e->prev;
  if (e->prev != kNone) {
    at(e->prev)->next = e->next;
  } else {
    const uint32_t bin = class_of(units);
    bins_->heads[bin] = e->next;
    if (e->next == kNone) bins_->in_use[bin / 64] &= ~(uint64_t{1} << (bin % 64));
  }
}

Ref Store::find(uint32_t units) const {
  if (bins_ == nullptr) return kNone;
  Ref ref = bins_->heads[class_of(units)];
  for (int i = 0; i < kTries && ref != kNone; i++) {
    Entry *e = at(ref);
    if (fits(free_units(e), units)) return ref;
    ref = e->next;
  }
  const uint32_t bin = class_from(units + kMinUnits);
  if (bin >= kBins) return kNone;
  uint64_t word = bins_->in_use[bin / 64] & (~uint64_t{0} << (bin % 64));
  for (uint32_t i = bin / 64; i < kBinWords; word = ++i < kBinWords ? bins_->in_use[i] : 0) {
    if (word != 0) return bins_->heads[i * 64 + static_cast<uint32_t>(__builtin_ctzll(word))];
  }
  return kNone;
}

// The kept block may have room for a request of another size.
Ref Store::find_without_reusable(uint32_t units) {
  give_up_reusable();
  return find(units);
}

[[gnu::flatten]] Ref Store::allocate(size_t bytes, bool grows) noexcept {
  assert(bytes >= kMinBlockBytes && bytes % kUnit == 0);
  const uint32_t units = static_cast<uint32_t>(bytes / kUnit);
  Ref ref = find(units);
  if (ref == kNone && reusable_ != kNone) ref = find_without_reusable(units);
  if (compaction_.empties(ref >> kOffsetBits)) ref = find_elsewhere(ref, units);
  if (ref == kNone && grows) ref = grow(units);
  if (ref == kNone) return kNone;
  Entry *e = at(ref);
  const uint32_t have = free_units(e);
  unlink_free(ref);
  if (have != units) link_free(ref + units, have - units);
  const uint32_t number = ref >> kOffsetBits;
  chunks()[number].used_units += units;
  used_units_ += units;
  if (number == idle_chunk_) idle_chunk_ = kNoChunk;
  zero(e);
  return ref;
}

[[gnu::flatten]] void Store::free_block(Ref ref, size_t bytes) noexcept {
  uint32_t units = static_cast<uint32_t>(bytes / kUnit);
  const uint32_t number = ref >> kOffsetBits;
  Chunk &chunk = chunks()[number];
  Entry *e = at(ref);
  assert((e->block & kFree) == 0);
  assert(chunk.is_in_use() && units <= chunk.used_units && units <= used_units_);
  chunk.used_units -= units;
  used_units_ -= units;
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
  compaction_.join(ref, units);
  if (chunk.used_units == 0) retire(number);
}

// Frees a block, and the kept block if it would be the last of the same chunk.
void Store::free_beside_reusable(Ref ref, size_t bytes) noexcept {
  free_block(ref, bytes);
  const bool same_chunk = reusable_ >> kOffsetBits == ref >> kOffsetBits;
  if (same_chunk && is_last(reusable_, reusable_bytes_)) give_up_reusable();
}

// Keeps one free chunk if it is not large beside what is in use, so that a cache whose size wavers
// around the edge of a chunk does not allocate that chunk again and again.
void Store::retire(uint32_t number) {
  const bool has_cursor = compaction_.cursor() >> kOffsetBits == number;
  if (compaction_.end(number, has_cursor)) {
    let_chunk_go(number);
    return;
  }
  if (idle_chunk_ != kNoChunk) let_chunk_go(idle_chunk_);
  idle_chunk_ = kNoChunk;
  if (used_units_ / 4 >= chunks()[number].units) {
    idle_chunk_ = number;
  } else {
    let_chunk_go(number);
  }
}

// ---- Growing: another chunk -------------------------------------------------------------------

// Returns a free block in a new chunk, from which a block of this size can be cut. Returns kNone if
// there is no memory, or if the store is full.
Ref Store::grow(uint32_t units) {
  const size_t bytes = next_chunk_bytes(units);
  grown_for_[1] = grown_for_[0];
  grown_for_[0] = units;
  if (bytes > kMaxChunkBytes) return kNone;
  uint32_t number = take_spare(bytes);
  if (number == kNoChunk) number = add_chunk(bytes, chunk_bytes_for(needed_bytes(units)));
  return number == kNoChunk ? kNone : open(number);
}

// Takes a chunk into use. Returns its only block, which is free.
Ref Store::open(uint32_t number) {
  Chunk &chunk = chunks()[number];
  chunk.used_units = 0;
  held_units_ += chunk.units;
  held_chunks_++;
  lost_units_ = 0;
  if (chunk_bytes(chunk) <= tight_bytes_) {
    const uint32_t edges = kFirstUnit + kEndUnits;
    lost_units_ = static_cast<uint16_t>(edges + (chunk.units - edges) % grown_for_[0]);
  }
  set_bearable();
  newest_ = number;
  const Ref first = first_of(number);
  const Ref end = end_of(number);
  zero(at(end));
  link_free(first, end - first);
  return first;
}

// Returns the size of a chunk for a block of this size and others like it.
size_t Store::next_chunk_bytes(uint32_t units) const {
  const uint64_t held = held_units_ * kUnit;
  const auto share = static_cast<size_t>(std::min<uint64_t>(held / 64, kMaxChunkBytes));
  const size_t least = std::max(share, needed_bytes(units));
  if (!tight_) {
    const auto eighth = static_cast<size_t>(std::min<uint64_t>(held / 8, kMaxEighth));
    return chunk_bytes_for(std::max({least, eighth, kMinChunkBytes}));
  }
  // At its end each chunk may lose less than a block, and most of one chunk may lie free. This size
  // balances the two.
  const double even = std::sqrt(static_cast<double>(held) * static_cast<double>(units * kUnit)) / 2;
  const size_t best = std::max(least, static_cast<size_t>(even));
  if (best > kHugePageBytes) return chunk_bytes_for(best);
  const bool mixed = units != grown_for_[0] || units != grown_for_[1];
  return mixed ? mixed_chunk_bytes(best, needed_bytes(units)) : even_chunk_bytes(best, units);
}

// Returns a size for blocks of mixed sizes: a power of two, so that another chunk fits where one
// was.
size_t Store::mixed_chunk_bytes(size_t best, size_t needed) const {
  size_t bytes = tight_bytes_;
  while (bytes < needed || bytes * 3 / 2 < best) bytes *= 2;
  return bytes;
}

// Returns a size for blocks of one size, which leave little of the chunk over.
size_t Store::even_chunk_bytes(size_t least, uint32_t units) const {
  size_t best = (least + tight_bytes_ - 1) / tight_bytes_ * tight_bytes_;
  const size_t most = std::min(best + kFittedBlocks * units * kUnit, kHugePageBytes);
  for (size_t bytes = best + tight_bytes_; bytes <= most; bytes += tight_bytes_) {
    if (filled(best, units) >= kWellFilled) break;
    if (filled(bytes, units) > filled(best, units)) best = bytes;
  }
  return best;
}

// Rounds up to whole pages or, beyond the size of a huge page, to whole huge pages.
size_t Store::chunk_bytes_for(size_t bytes) {
  const size_t step = bytes > kHugePageBytes ? kHugePageBytes
                      : bytes > kPageBytes   ? kPageBytes
                                             : kMinChunkBytes;
  return (bytes + step - 1) / step * step;
}

// Returns the part of a chunk of bytes that blocks of this size can take.
double Store::filled(size_t bytes, uint32_t units) {
  const auto room = static_cast<uint32_t>(bytes / kUnit) - kFirstUnit - kEndUnits;
  const uint32_t rest = room % units;
  const uint32_t lost = rest == 0 || rest >= kMinUnits ? rest : rest + units;
  return static_cast<double>(room - lost) * kUnit / static_cast<double>(bytes);
}

// Returns the smallest spare chunk that has at least bytes, or kNoChunk if there is none.
uint32_t Store::take_spare(size_t bytes) {
  if (spares_ == 0) return kNoChunk;
  const uint32_t number = smallest(kSpare, static_cast<uint32_t>(bytes / kUnit));
  if (number != kNoChunk) spares_--;
  return number;
}

// Adds a chunk of bytes, or of least bytes if there is no memory for more. Returns kNoChunk if
// there is no memory for least either, or no number.
uint32_t Store::add_chunk(size_t bytes, size_t least) {
  if (bins_ == nullptr) {
    bins_ = static_cast<Bins *>(memory_.allocate_zeroed(sizeof(Bins), alignof(Bins)));
    if (bins_ == nullptr) return kNoChunk;
  }
  const uint32_t number = find_number(static_cast<uint32_t>(bytes / kUnit));
  if (number == kNoChunk) return kNoChunk;
  const size_t reach = number < chunk_count_ ? chunk_bytes(chunks()[number]) : 0;
  bytes = std::max(bytes, reach);
  void *base = memory_.allocate(bytes, kChunkAlign, Memory::kChunk);
  if (base == nullptr && reach <= least && least < bytes) {
    bytes = least;
    base = memory_.allocate(bytes, kChunkAlign, Memory::kChunk);
  }
  if (base == nullptr) return kNoChunk;
  if (number == chunk_count_) {
    chunk_count_++;
  } else if (chunks()[number].used_units == kSpare) {
    set_aside(number);
  }
  origins()[number] = reinterpret_cast<uintptr_t>(base) - offset_of(number);
  chunks()[number].units = static_cast<uint32_t>(bytes / kUnit);
  return number;
}

// Returns a number for a chunk of this size, given that no spare chunk is as large. In this order:
// that of the largest chunk that has gone and was no larger; a new number; that of a spare chunk,
// which is set aside; that of the smallest chunk that has gone and was larger, as the new chunk
// then has to be. Returns kNoChunk if there is no number, or no memory.
uint32_t Store::find_number(uint32_t units) {
  uint32_t number = largest_gone(units);
  if (number != kNoChunk) return number;
  if (chunk_count_ < max_chunks_) return reserve_number() ? chunk_count_ : kNoChunk;
  number = smallest(kSpare, 0);
  if (number != kNoChunk) return number;
  number = smallest(kGone, units);
  set_full(number == kNoChunk);
  return number;
}

// Returns the smallest chunk of at least these units that is kSpare or kGone, or kNoChunk.
uint32_t Store::smallest(uint32_t state, uint32_t units) const {
  uint32_t best = kNoChunk;
  for (uint32_t i = 0; i < chunk_count_; i++) {
    const Chunk &chunk = chunks()[i];
    if (chunk.used_units != state || chunk.units < units) continue;
    if (best == kNoChunk || chunk.units < chunks()[best].units) best = i;
  }
  return best;
}

// Returns the largest chunk of at most these units that has gone, or kNoChunk.
uint32_t Store::largest_gone(uint32_t units) const {
  uint32_t best = kNoChunk;
  for (uint32_t i = 0; i < chunk_count_; i++) {
    const Chunk &chunk = chunks()[i];
    if (chunk.used_units != kGone || chunk.units > units) continue;
    if (best == kNoChunk || chunk.units > chunks()[best].units) best = i;
  }
  return best;
}

// Keeps a spare chunk where it is until the end, because a longer chunk takes its number. Only
// chunks that are not paged are spare, so this happens to a number only a few times.
void Store::set_aside(uint32_t number) {
  numberless_ = new (base_of(number)) Numberless{numberless_, chunk_bytes(chunks()[number]), false};
  spares_--;
}

bool Store::reserve_number() {
  if (chunk_count_ < chunk_capacity_) return true;
  const uint32_t capacity = std::min<uint32_t>(max_chunks_, std::max(8u, chunk_capacity_ * 2));
  void *memory = memory_.allocate(table_bytes(capacity), alignof(Origin));
  if (memory == nullptr) return false;
  auto *table = static_cast<Origin *>(memory);
  Chunk *chunks = behind(table, capacity);
  std::copy(origins(), origins() + chunk_count_, table);
  std::copy(this->chunks(), this->chunks() + chunk_count_, chunks);
  table[capacity] = reinterpret_cast<uintptr_t>(origins());
  chunks[capacity] = {chunk_capacity_, 0};
  chunk_capacity_ = capacity;
  origins_.store(table, std::memory_order_release);
  return true;
}

void Store::release_tables() {
  for (Origin *table = origins(); table != nullptr;) {
    auto *predecessor = reinterpret_cast<Origin *>(uintptr_t{table[chunk_capacity_]});
    const uint32_t capacity = chunks()[chunk_capacity_].units;
    memory_.release(table, table_bytes(chunk_capacity_), alignof(Origin));
    chunk_capacity_ = capacity;
    origins_.store(table = predecessor, std::memory_order_relaxed);
  }
}

// ---- Letting chunks go ------------------------------------------------------------------------

// Releases a chunk that consists of one free block. The chunk is not held any more.
void Store::let_chunk_go(uint32_t number) {
  unlink_free(first_of(number));
  held_units_ -= chunks()[number].units;
  held_chunks_--;
  set_full(false);
  if (spare(number)) return;
  memory_.release(base_of(number), chunk_bytes(chunks()[number]), kChunkAlign, Memory::kChunk);
  forget(number);
}

// Makes a chunk spare and returns true, if it cannot be released: chunks are kept, and this one is
// not paged, so that its memory would not stay mapped.
bool Store::spare(uint32_t number) {
  Chunk &chunk = chunks()[number];
  if (!keeps_ || is_paged(chunk)) return false;
  chunk.used_units = kSpare;
  spares_++;
  return true;
}

// Frees the number of a chunk.
void Store::forget(uint32_t number) {
  Chunk &chunk = chunks()[number];
  chunk.used_units = kGone;
  if (keeps_) return;
  chunk.units = 0;
  while (chunk_count_ > 0 && chunks()[chunk_count_ - 1].used_units == kGone) chunk_count_--;
}

void Store::set_full(bool full) {
  full_ = full;
  set_bearable();
}

void Store::set_thrifty(bool thrifty) noexcept {
  thrifty_ = thrifty;
  set_bearable();
}

// A store of few blocks cannot be kept as full as others unless its blocks are moved all the time. So
// kFewBlocks more may lie free where blocks have mixed sizes, which is little in other stores. Where
// they have one size, moving them gains nothing of what each chunk of a page loses at its ends;
// larger chunks lose little.
void Store::set_bearable() {
  const uint8_t parts = full_      ? kFullParts
                        : tight_   ? kTightParts
                        : thrifty_ ? kThriftyParts
                                   : kLooseParts;
  bearable_units_ = static_cast<uint32_t>(held_units_ * parts / kParts);
  if (!tight_ || full_) return;
  const bool mixed = grown_for_[0] != grown_for_[1];
  bearable_units_ +=
      mixed ? kFewBlocks * std::max(grown_for_[0], grown_for_[1]) : held_chunks_ * lost_units_;
}

// ---- Compacting chunks ------------------------------------------------------------------------

// Takes free blocks of the chunk that is being compacted out of their bins until a block of another
// chunk is found, or until kLoosened of them were in the way.
Ref Store::find_elsewhere(Ref ref, uint32_t units) {
  for (int i = 0; i < kLoosened && ref != kNone && compaction_.empties(ref >> kOffsetBits); i++) {
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

// Returns how many units to move for an allocation of this size. The more lies free, the more are
// moved.
uint32_t Store::work_for(uint64_t units) {
  if (compaction_.pauses(units)) return 0;
  const uint64_t free = held_units_ - used_units_;
  const uint64_t bearable = bearable_units_;
  const uint64_t excess = free > bearable ? (free - bearable) * 4 / (bearable + 1) : 0;
  const uint64_t due = std::min<uint64_t>(units, kMostUnits) << std::min<uint64_t>(excess + 1, 5);
  return static_cast<uint32_t>(std::min<uint64_t>(due, kMostUnits));
}

// Chooses a chunk to compact. Returns false if nothing is to be gained for now.
bool Store::begin_compaction(uint64_t blocks) {
  if (held_units_ - used_units_ <= bearable_units_) return false;
  const uint32_t number = sparsest(blocks == 0 ? 0 : 2 * used_units_ / blocks);
  compaction_.forget_stuck();
  if (number == kNoChunk) {
    // If the newest chunk is not full by the next attempt, it is treated like any other.
    newest_ = kNoChunk;
    compaction_.pause(bearable_units_ / 2);
    return false;
  }
  compaction_.begin(number, first_of(number));
  return true;
}

// Returns the sparsest of the chunks that are worth compacting and are not just being filled, or
// kNoChunk if there is none. usual is the size of two average blocks: in any chunk as much may lie
// free because no block fits there.
uint32_t Store::sparsest(uint64_t usual) const {
  uint32_t best = kNoChunk;
  double least = full_ ? 1 : tight_ || thrifty_ ? 15.0 / 16 : 0.5;
  for (uint32_t i = 0; i < chunk_count_; i++) {
    const Chunk &chunk = chunks()[i];
    if (!chunk.is_in_use() || chunk.used_units == 0) continue;
    if (i == newest_ || compaction_.is_stuck(i) || chunk.units - chunk.used_units <= usual)
      continue;
    const double filled = static_cast<double>(chunk.used_units) / chunk.units;
    if (filled >= least) continue;
    least = filled;
    best = i;
  }
  return best;
}

// Moves the cursor to the next block. Returns the size of the block that was passed if that block
// is in use and has to be moved, otherwise 0.
uint32_t Store::pass_block() {
  const Ref cursor = compaction_.cursor();
  const uint32_t number = cursor >> kOffsetBits;
  if (cursor == end_of(number)) {
    compaction_.end_pass(number, first_of(number));
    if (compaction_.is_idle()) compaction_.pause(bearable_units_ / 2);
    return 0;
  }
  Entry *e = at(cursor);
  const bool free = (e->block & kFree) != 0;
  const uint32_t units =
      free ? free_units(e) : static_cast<uint32_t>(layout_.block_bytes(e) / kUnit);
  if (free) loosen(cursor);
  compaction_.pass(units);
  return free || !compaction_.is_emptying() ? 0 : units;
}

// ---- Giving back ------------------------------------------------------------------------------

void Store::clear() noexcept {
  for (uint32_t i = chunk_count_; i > 0; i--) {
    const uint32_t number = i - 1;
    const Chunk &chunk = chunks()[number];
    if (!chunk.is_in_use() || spare(number)) continue;
    numberless_ = new (base_of(number)) Numberless{numberless_, chunk_bytes(chunk), true};
    forget(number);
  }
  set_full(false);
  if (!keeps_) release_tables();
  held_units_ = used_units_ = bearable_units_ = held_chunks_ = 0;
  idle_chunk_ = newest_ = kNoChunk;
  reusable_ = kNone;
  compaction_.clear();
  if (bins_ != nullptr) *bins_ = {};
}

Store::~Store() {
  for (uint32_t i = 0; i < chunk_count_; i++) {
    const Chunk &chunk = chunks()[i];
    if (chunk.used_units == kGone) continue;
    memory_.release(base_of(i), chunk_bytes(chunk), kChunkAlign, Memory::kChunk);
  }
  while (numberless_ != nullptr) {
    release_dropped(std::exchange(numberless_, numberless_->next), memory_);
  }
  release_tables();
  memory_.release(bins_, sizeof(Bins), alignof(Bins));
}

#ifdef CT_VALIDATE
const char *Store::problem(uint64_t used, bool all) const {
  uint64_t held_units = 0;
  uint64_t used_units = 0;
  uint64_t binned_units = 0;
  uint32_t spares = 0;
  uint32_t in_use = 0;
  for (uint32_t i = 0; i < chunk_count_; i++) {
    const Chunk &chunk = chunks()[i];
    spares += chunk.used_units == kSpare;
    in_use += chunk.is_in_use();
    if (!chunk.is_in_use()) continue;
    held_units += chunk.units;
    used_units += chunk.used_units;
    if (chunk.used_units == 0 && i != idle_chunk_) return "store: a free chunk is kept";
    if (const char *problem = problem_of_chunk(i, &binned_units)) return problem;
  }
  if (spares != spares_) return "store: it has miscounted spare chunks";
  if (full_ && in_use != max_chunks_) return "store: it is full, with a number left";
  if (in_use != held_chunks_) return "store: it has miscounted its chunks";
  if (held_units != held_units_) return "store: it holds not what its chunks have";
  if (used_units != used_units_) return "store: its use is not that of its chunks";
  const uint64_t known = (used + (reusable_ == kNone ? 0 : reusable_bytes_)) / kUnit;
  if (reusable_ != kNone) {
    if ((at(reusable_)->block & kFree) != 0) return "store: the reusable block is free";
    if (is_last(reusable_, reusable_bytes_)) return "store: a chunk is kept for the reusable block";
  }
  if (all ? known != used_units_ : known > used_units_) return "store: blocks were lost";
  const bool has_cursor = !compaction_.is_idle();
  if (compaction_.is_emptying() &&
      (!has_cursor || !compaction_.empties(compaction_.cursor() >> kOffsetBits))) {
    return "store: the cursor is not in the chunk that is being compacted";
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
      if (class_of(units) != bin) return "store: a free block is in the wrong bin";
      binned_units -= units;
      before = ref;
    }
  }
  return binned_units == 0 ? nullptr : "store: free room is in no bin";
}

// Adds to *binned_units what should be in bins.
const char *Store::problem_of_chunk(uint32_t number, uint64_t *binned_units) const {
  const Ref cursor = compaction_.cursor();
  const bool open = !compaction_.empties(number);
  bool met_cursor = cursor == kNone || cursor >> kOffsetBits != number;
  const bool reopened = open && !met_cursor;
  uint32_t used_units = 0;
  bool after_free = false;
  Ref ref = first_of(number);
  while (ref < end_of(number)) {
    met_cursor = met_cursor || ref == cursor;
    Entry *e = at(ref);
    const bool free = (e->block & kFree) != 0;
    const bool loose = (e->block & kLoose) != 0;
    if (((e->block & kPrevFree) != 0) != after_free) {
      return "store: a block does not know what the one before it is";
    }
    if (free && after_free) return "store: two free blocks are neighbours";
    if (loose && (!free || (open && !reopened)))
      return "store: a block is loose that should not be";
    if (loose && reopened && ref < cursor) return "store: the cursor has left a loose block";
    if (free && !loose && !open && ref < cursor)
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
  if (!met_cursor && cursor != ref) return "store: the cursor is not at a block";
  return used_units == chunks()[number].used_units
             ? nullptr
             : "store: a chunk's use is not that of its blocks";
}
#endif

}  // namespace ct
