// SPDX-License-Identifier: MIT
#include "policy/ghosts.hpp"

namespace ct {

bool Ghosts::reserve(uint64_t count, bool tight) noexcept {
  if (moving()) move_some();
  const uint64_t needed = buckets_for(count);
  const uint64_t capacity = table_.capacity();
  // A table is too large if four times as many ghosts would fit.
  const bool excessive = table_.count > 8 && needed < table_.count &&
                         (tight ? capacity / 3 * 2 : capacity / 4) > count;
  if (count <= capacity && !excessive) return true;
  if (count < size_ || moving()) return false;
  // It grows by at least an eighth, so that it does not grow again at once.
  return replace_table(
      excessive ? needed : std::max<uint64_t>(needed, table_.count + table_.count / 8), tight);
}

// Returns a table of zeros, which stand for ghosts that left long ago. The table has no buckets if
// there is no memory.
Ghosts::Table Ghosts::allocate(uint64_t buckets) noexcept {
  Table table;
  if (buckets > kMaxBuckets) return table;
  void *memory = memory_.allocate_zeroed(bytes_of(buckets), alignof(Bucket));
  if (memory == nullptr) return table;
  table.buckets = static_cast<Bucket *>(memory);
  table.count = static_cast<uint32_t>(buckets);
  table.of_tick = reinterpret_cast<Count *>(table.buckets + table.count);
  table.ticks = ticks_of(buckets);
  if (is_exact(buckets)) return table;
  while (table.shift < kMaxShift && table.capacity() >> table.shift > kTicks / 4) table.shift++;
  return table;
}

void Ghosts::release(Table &table) noexcept {
  memory_.release(table.buckets, bytes_of(table.count), alignof(Bucket));
  table = Table();
}

// Begins to replace the table by one of another size. Returns false if there is no memory.
bool Ghosts::replace_table(uint64_t buckets, bool at_once) noexcept {
  const Table table = allocate(buckets);
  if (table.buckets == nullptr) return false;
  old_ = table_;
  table_ = table;
  since_ = table_.now;
  moved_ = 0;
  recount();
  at_once = at_once || old_.count <= kExactBuckets || size_ == 0;
  while (moving() && at_once) move_some();
  return true;
}

// Counts the ghosts of the old table, none of which has moved, by the ticks of the new one.
void Ghosts::recount() {
  const uint64_t arrivals = uint64_t{old_.ages} << old_.shift;
  const uint64_t ages = (arrivals + (1u << table_.shift) - 1) >> table_.shift;
  table_.ages = static_cast<Tick>(std::min<uint64_t>(ages, table_.ticks));
  table_.fresh = 1u << table_.shift;
  size_ = 0;
  for (Tick age = 0; age < old_.ages; age++) {
    const Tick tick = static_cast<Tick>(old_.now - age);
    Tick came = tick;
    if (!translate(old_, &came)) break;
    Count &counted = table_.counted(came);
    const uint32_t count = uint32_t{counted} + old_.counted(tick);
    if (count > kMostOfTick) {
      size_ -= counted;
      counted = 0;
      table_.ages = table_.age(came);
      break;
    }
    size_ += count - counted;
    counted = static_cast<Count>(count);
  }
}

// Moves the ghosts of the next buckets from the old table to the new one.
void Ghosts::move_some() {
  const uint32_t end = moved_ + std::min(kBucketsAStep, old_.count - moved_);
  for (uint32_t count = 0; moved_ < end && count < kGhostsAStep; moved_++) {
    Bucket &bucket = old_.buckets[moved_];
    for (uint32_t i = 0; i < kSlots; i++) {
      Tick came = bucket.came[i];
      if (!translate(old_, &came)) continue;
      bucket.came[i] = old_.long_ago();
      forget(came);
      put(bucket.positions[i], came);
      count++;
    }
  }
  const bool all_have_left = size_ == 0 || table_.age(since_) >= table_.ages;
  if (moved_ == old_.count || all_have_left) release(old_);
}

// Translates a ghost's tick from the ticks of its table to those of the new table. Returns false if
// the ghost has left.
bool Ghosts::translate(const Table &table, Tick *came) const {
  if (!table.is_there(*came)) return false;
  if (&table == &table_) return true;
  const uint64_t then = uint64_t{table.age(*came)} << table.shift >> table_.shift;
  const uint64_t age = table_.age(since_) + then;
  *came = static_cast<Tick>(table_.now - age);
  return age < table_.ages;
}

void Ghosts::add(uint64_t hash) {
  if (table_.count == 0) return;
  while (size_ >= table_.capacity()) drop_oldest();
  if (table_.ages == 0 || table_.fresh >> table_.shift != 0) begin_tick();
  table_.fresh++;
  put(hash_position(hash), table_.now);
}

void Ghosts::begin_tick() {
  if (table_.ages == table_.ticks) drop_tick();
  table_.now++;
  table_.ages++;
  table_.fresh = 0;
  table_.sweep();
}

bool Ghosts::remove(uint64_t hash) {
  if (size_ == 0) return false;
  const uint32_t position = hash_position(hash);
  return erase(table_, position) || (moving() && erase(old_, position));
}

bool Ghosts::erase(const Table &table, uint32_t position) {
  for (Bucket *bucket : table.homes_of(position)) {
    bool found = false;
    for (uint32_t other : bucket->positions) found |= other == position;
    for (uint32_t i = 0; found && i < kSlots; i++) {
      Tick came = bucket->came[i];
      if (bucket->positions[i] != position || !translate(table, &came)) continue;
      bucket->came[i] = table.long_ago();
      forget(came);
      return true;
    }
  }
  return false;
}

void Ghosts::drop_oldest() {
  const uint64_t size = size_;
  while (size != 0 && size_ == size) drop_tick();
}

void Ghosts::drop_tick() {
  Count &oldest = table_.counted(static_cast<Tick>(table_.now - --table_.ages));
  size_ -= oldest;
  oldest = 0;
}

void Ghosts::clear() noexcept {
  release(table_);
  release(old_);
  size_ = 0;
}

// Puts a ghost into the less crowded of its two buckets, in place of a ghost that has left, or of
// the oldest.
void Ghosts::put(uint32_t position, Tick came) {
  const Homes homes = table_.homes_of(position);
  const uint32_t first = table_.crowd(*homes[0]);
  const uint32_t second = table_.crowd(*homes[1]);
  Bucket &bucket = *homes[first <= second ? 0 : 1];
  uint32_t i = 0;
  if (std::min(first, second) == kSlots) {
    i = table_.oldest(bucket);
    forget(bucket.came[i]);
  } else {
    while (table_.is_there(bucket.came[i])) i++;
  }
  bucket.positions[i] = position;
  bucket.came[i] = came;
  table_.counted(came)++;
  size_++;
}

// Counts one ghost less in that tick.
void Ghosts::forget(Tick came) {
  table_.counted(came)--;
  size_--;
}

// Returns the number of ghosts in the bucket that have not left.
uint32_t Ghosts::Table::crowd(const Bucket &bucket) const {
  Tick count = 0;
  for (Tick came : bucket.came) count = static_cast<Tick>(count + is_there(came));
  return count;
}

uint32_t Ghosts::Table::oldest(const Bucket &bucket) const {
  uint32_t oldest = 0;
  for (uint32_t i = 1; i < kSlots; i++) {
    if (age(bucket.came[i]) > age(bucket.came[oldest])) oldest = i;
  }
  return oldest;
}

// In this tick's share of the buckets, gives the age kLongAgo to the ghosts that have left.
void Ghosts::Table::sweep() {
  const uint64_t turn = now % kTicksASweep;
  const uint64_t end = (turn + 1) * count / kTicksASweep;
  for (uint64_t b = turn * count / kTicksASweep; b < end; b++) {
    for (Tick &came : buckets[b].came) {
      if (!is_there(came)) came = long_ago();
    }
  }
}

#ifdef CT_VALIDATE
const char *Ghosts::problem() const {
  uint64_t known = 0;
  for (const Table *table : {&table_, &old_}) {
    for (uint32_t b = 0; b < table->count; b++) {
      for (uint32_t i = 0; i < kSlots; i++) {
        Tick came = table->buckets[b].came[i];
        if (!translate(*table, &came)) continue;
        known++;
        if (table == &old_ && b < moved_) return "ghosts: one stayed in a bucket that was moved";
        const Homes homes = table->homes_of(table->buckets[b].positions[i]);
        if (homes[0] != &table->buckets[b] && homes[1] != &table->buckets[b])
          return "ghosts: one is not where its hash leads";
      }
    }
  }
  uint64_t counted = 0;
  for (Tick age = 0; age < table_.ages; age++)
    counted += table_.counted(static_cast<Tick>(table_.now - age));
  if (table_.ages > table_.ticks) return "ghosts: the queue reaches back too far";
  if (counted != size_) return "ghosts: those of all ticks are not as many as there are";
  if (known != size_) return "ghosts: the tables do not hold as many as there are";
  if (size_ > table_.capacity()) return "ghosts: there are more than there is room for";
  return nullptr;
}
#endif

}  // namespace ct
