// SPDX-License-Identifier: MIT
#include "ghosts.hpp"

#include <utility>

namespace ct {

bool Ghosts::reserve(uint64_t count, bool tight) noexcept {
  const uint64_t needed = buckets_for(count);
  // Too much is what four times as many would need.
  const bool excessive = count_ > 8 && needed < count_ &&
                         (tight ? capacity() / 3 * 2 : capacity() / 4) > count;
  if (count <= capacity() && !excessive) return true;
  if (count < size_) return false;
  // A table that grows again and again, grows by an eighth.
  return resize(excessive ? needed : std::max<uint64_t>(needed, count_ + count_ / 8));
}

bool Ghosts::resize(uint64_t buckets) noexcept {
  Ghosts other(memory_);
  if (!other.allocate(buckets)) return false;
  other.copy(*this);
  std::swap(buckets_, other.buckets_);
  std::swap(count_, other.count_);
  of_tick_ = other.of_tick_;
  ticks_ = other.ticks_;
  shift_ = other.shift_;
  size_ = other.size_;
  fresh_ = other.fresh_;
  now_ = other.now_;
  ages_ = other.ages_;
  return true;
}

bool Ghosts::allocate(uint64_t buckets) noexcept {
  if (buckets > kMaxBuckets) return false;
  void *memory = memory_.allocate_zeroed(bytes_of(buckets), alignof(Bucket));
  if (memory == nullptr) return false;
  buckets_ = static_cast<Bucket *>(memory);
  count_ = static_cast<uint32_t>(buckets);
  of_tick_ = reinterpret_cast<Count *>(buckets_ + count_);
  ticks_ = ticks_of(buckets);
  while (!is_exact(buckets) && shift_ < kMaxShift && capacity() >> shift_ > kTicks / 4) shift_++;
  return true;
}

// This one is empty: all zeros, which is long ago.
void Ghosts::copy(const Ghosts &other) {
  const uint64_t arrivals = uint64_t{other.ages_} << other.shift_;
  const uint64_t ages = (arrivals + (1u << shift_) - 1) >> shift_;
  ages_ = static_cast<Tick>(std::min<uint64_t>(ages, ticks_));
  fresh_ = 1u << shift_;
  for (uint32_t b = 0; b < other.count_; b++) {
    const Bucket &bucket = other.buckets_[b];
    for (uint32_t i = 0; i < kSlots; i++) {
      if (!other.is_there(bucket.came[i])) continue;
      const uint64_t age = uint64_t{other.age(bucket.came[i])} << other.shift_ >> shift_;
      const Tick came = static_cast<Tick>(now_ - age);
      if (age < ages_ && of_tick(came) < kMostOfTick) put(bucket.positions[i], came);
    }
  }
}

void Ghosts::add(uint64_t hash) {
  if (count_ == 0) return;
  while (size_ >= capacity()) drop_oldest();
  if (ages_ == 0 || fresh_ >> shift_ != 0) begin_tick();
  fresh_++;
  put(hash_position(hash), now_);
}

void Ghosts::begin_tick() {
  if (ages_ == ticks_) drop_tick();
  now_++;
  ages_++;
  fresh_ = 0;
  sweep();
}

bool Ghosts::remove(uint64_t hash) {
  if (size_ == 0) return false;
  const uint32_t position = hash_position(hash);
  const Homes homes = homes_of(position);
  return take(*homes.first, position) || take(*homes.second, position);
}

bool Ghosts::take(Bucket &bucket, uint32_t position) {
  bool found = false;
  for (uint32_t other : bucket.positions) found |= other == position;
  for (uint32_t i = 0; found && i < kSlots; i++) {
    if (bucket.positions[i] != position || !is_there(bucket.came[i])) continue;
    of_tick(bucket.came[i])--;
    size_--;
    bucket.came[i] = static_cast<Tick>(now_ - kLongAgo);
    return true;
  }
  return false;
}

void Ghosts::drop_oldest() {
  const uint64_t size = size_;
  while (size != 0 && size_ == size) drop_tick();
}

void Ghosts::drop_tick() {
  Count &oldest = of_tick(static_cast<Tick>(now_ - --ages_));
  size_ -= oldest;
  oldest = 0;
}

void Ghosts::clear() noexcept {
  if (buckets_ == nullptr) return;
  memory_.release(buckets_, bytes_of(count_), alignof(Bucket));
  buckets_ = nullptr;
  count_ = 0;
  size_ = 0;
  ages_ = 0;
}

// In the less crowded of its buckets, instead of one who has left, or else of the oldest.
void Ghosts::put(uint32_t position, Tick came) {
  const Homes homes = homes_of(position);
  const uint32_t first = crowd(*homes.first);
  const uint32_t second = crowd(*homes.second);
  Bucket &bucket = first <= second ? *homes.first : *homes.second;
  uint32_t i = 0;
  if (std::min(first, second) == kSlots) {
    i = oldest(bucket);
    of_tick(bucket.came[i])--;
    size_--;
  } else {
    while (is_there(bucket.came[i])) i++;
  }
  bucket.positions[i] = position;
  bucket.came[i] = came;
  of_tick(came)++;
  size_++;
}

// How many are there.
uint32_t Ghosts::crowd(const Bucket &bucket) const {
  Tick count = 0;
  for (Tick came : bucket.came) count = static_cast<Tick>(count + is_there(came));
  return count;
}

uint32_t Ghosts::oldest(const Bucket &bucket) const {
  uint32_t oldest = 0;
  for (uint32_t i = 1; i < kSlots; i++) {
    if (age(bucket.came[i]) > age(bucket.came[oldest])) oldest = i;
  }
  return oldest;
}

// Who has left one of this tick's share of the buckets has left it for long.
void Ghosts::sweep() {
  const uint64_t turn = now_ % kTicksASweep;
  const uint64_t end = (turn + 1) * count_ / kTicksASweep;
  for (uint64_t b = turn * count_ / kTicksASweep; b < end; b++) {
    for (Tick &came : buckets_[b].came) {
      if (!is_there(came)) came = static_cast<Tick>(now_ - kLongAgo);
    }
  }
}

#ifdef CT_VALIDATE
const char *Ghosts::problem() const {
  uint64_t known = 0;
  for (uint32_t b = 0; b < count_; b++) {
    for (uint32_t i = 0; i < kSlots; i++) {
      if (!is_there(buckets_[b].came[i])) continue;
      known++;
      const Homes homes = homes_of(buckets_[b].positions[i]);
      if (homes.first != &buckets_[b] && homes.second != &buckets_[b])
        return "ghosts: one is not where its hash leads";
    }
  }
  uint64_t counted = 0;
  for (uint32_t age = 0; age < ages_; age++) counted += of_tick(static_cast<Tick>(now_ - age));
  if (ages_ > ticks_) return "ghosts: the queue reaches back too far";
  if (counted != size_) return "ghosts: those of all ticks are not as many as there are";
  if (known != size_) return "ghosts: the table does not hold as many as there are";
  if (size_ > capacity()) return "ghosts: there are more than there is room for";
  return nullptr;
}
#endif

}  // namespace ct
