// SPDX-License-Identifier: MIT
// What a cache has learned of when its entries come back: the tables of ADAPTIVE (adaptive.cpp says
// what they are for). All shards of a cache count into one set of tables.
//
// Entries of one class were last used at about the same distance, and about as often (Past). For
// each class and each age since the last use, the tables count
//
//   returns  uses at that age,
//   losses   entries that were given up at that age: nobody will know when they come back,
//   waiting  entries and ghosts that have this age now: a sample of them, taken for each lesson.
//
// The hazard is the share of those that reach an age and come back at it (Kaplan, Meier,
// "Nonparametric Estimation from Incomplete Observations", 1958). What was lost or still waits is
// censored: it counts for the ages that it has reached, and for none beyond. Where a class has
// little to show, its hazard is drawn towards that of its gap, this towards that of all entries,
// and this towards a constant (shrinkage, as in James and Stein).
//
// The index of an age is the most returns to be had per unit of time, over all times for which the
// entry might be kept from now on: the Gittins index (Gittins, "Bandit Processes and Dynamic
// Allocation Indices", 1979). Where the hazard falls, it is the hazard, and the order is LRU's.
// Before a peak it rises.
//
// A lesson makes the index anew, and lets old counts fade. It goes on by a step at each miss, each
// of kClassesAStep classes at most; one thread at a time takes a step, and others pass it by.
// Counts are added without a lock. Of two that are added at the same time, one may be lost.
//
// The tables take 71 kB, of which a small cache does with a half or less (Scale).
#ifndef CT_HAZARDS_HPP
#define CT_HAZARDS_HPP

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "base/lock.hpp"
#include "base/memory.hpp"

namespace ct {

// Returns the bits of a number that is not negative. They are in the order of the numbers.
inline uint32_t float_bits(float number) {
  uint32_t bits;
  std::memcpy(&bits, &number, sizeof bits);
  return bits;
}

// What an entry's uses so far tell of the next: the gap between its last two uses, in steps of
// powers of two around the cache's capacity, and how often it was used. It is 7 bits: the gap, and
// the count, up to kMostCount. Without the lowest bits they are the number of the class.
class Past {
 public:
  static constexpr uint32_t kBits = 7;
  static constexpr uint32_t kMask = (1u << kBits) - 1;
  static constexpr uint32_t kGaps = 16;   // 0: there is none yet, at a first visit
  static constexpr uint32_t kLevels = 4;  // of counts; classes of a gap, at full scale
  static constexpr uint32_t kClasses = kGaps * kLevels;

  constexpr Past() = default;
  explicit constexpr Past(uint64_t bits) : bits_(static_cast<uint8_t>(bits)) {}
  // Returns the past of an entry of which only the number of its uses is known.
  static Past of_uses(uint64_t uses) {
    const uint64_t again = uses - (uses != 0);
    return Past(again < kMostCount ? again : uint64_t{kMostCount});
  }

  // Returns the past after one more use. gap: the bits of the gap in units of some length, plus the
  // scale of that length. The bits of a number are about its logarithm, so that makes a product.
  Past after(int32_t gap) const {
    const int32_t octave = gap >> 23;
    const auto step = static_cast<uint32_t>(octave < 1 ? 1 : octave > kLongest ? kLongest : octave);
    return Past(step << kGapShift | (count() + (count() < kMostCount)));
  }
  // unit: the length in capacities, at most 1.
  static int32_t scale_of(float unit) {
    return static_cast<int32_t>(float_bits(unit)) - ((127 + kFirstOctave) << 23);
  }
  uint32_t bits() const { return bits_; }
  uint32_t count() const { return bits_ & ((1u << kGapShift) - 1); }

 private:
  static constexpr uint32_t kGapShift = 3;
  static constexpr uint32_t kMostCount = 6;
  static constexpr int32_t kLongest = kGaps - 1;
  // The exponent of a float that is less than 2^-8. Shorter gaps count as that.
  static constexpr int32_t kFirstOctave = 127 - 9;

  uint8_t bits_ = 0;
};

class alignas(64) Hazards {
 public:
  using Rank = uint16_t;
  // The index has kFine steps of age, eight to a doubling. Counts have half as many at full scale.
  static constexpr uint32_t kFine = 136;
  static constexpr uint32_t kAges = kFine / 2;
  // A step of a lesson works on the classes of one gap, or on a sample of entries.
  static constexpr uint32_t kClassesAStep = Past::kLevels;

  // How finely counts tell entries apart. Small caches do with half as many levels of uses, and
  // very small ones with half as many steps of age. These would cost larger caches hits, as the
  // lengths of loops blur.
  class Scale {
   public:
    static Scale of(uint64_t entries) {
      return Scale(entries >= kFullEntries ? 0 : entries >= kFineEntries ? 1 : 2);
    }
    // Returns whether these are fine enough for so many entries, or half as many.
    bool serves(uint64_t entries) const { return number_ <= of(entries / 2).number_; }
    // 0: the full one, 1: of fewer levels, 2: of fewer ages, too
    static constexpr uint32_t kCount = 3;
    uint32_t number() const { return number_; }

    uint32_t levels() const { return Past::kLevels >> level_shift_; }
    uint32_t classes() const { return Past::kClasses >> level_shift_; }
    // How many steps of counts there are, and how many cells their row takes: whole groups of four.
    uint32_t ages() const { return kAges >> age_shift_; }
    uint32_t row() const { return row_; }
    uint32_t level_shift() const { return level_shift_; }
    uint32_t age_shift() const { return age_shift_; }

   private:
    static constexpr uint64_t kFullEntries = 600;
    static constexpr uint64_t kFineEntries = 100;

    explicit Scale(uint32_t number)
        : number_(number),
          level_shift_(number != 0),
          age_shift_(number == 2),
          row_((ages() + 3) & ~3u) {}

    uint32_t number_;
    uint32_t level_shift_;
    uint32_t age_shift_;
    uint32_t row_;
  };

  [[gnu::cold]] explicit Hazards(Scale scale);
  // The object is to be made in so many bytes.
  static size_t bytes_of(Scale scale) {
    return sizeof(Hazards) +
           scale.classes() * (kFine * sizeof(Rank) + 3 * scale.row() * sizeof(Count));
  }
  Hazards(const Hazards &) = delete;
  Hazards &operator=(const Hazards &) = delete;

  Scale scale() const { return scale_; }
  uint32_t number_of(Past past) const { return past.bits() >> (1 + scale_.level_shift()); }
  // Returns the step of an age in ticks: the bits of the next number that are worth an eighth of a
  // doubling and more.
  static uint32_t fine(uint16_t age) {
    return (float_bits(static_cast<float>(age + 1)) >> kFineShift) - kFineZero;
  }
  static constexpr uint32_t kFineShift = 20;
  static constexpr uint32_t kFineZero = 127u << 3;

  // Returns the index, as a number that compares like it: the upper half of its bits, without the
  // sign. It is below 2^15. place: the class's number times kFine, plus the step of the age.
  Rank rank_at(uint32_t place) const { return ranks_[place].load(std::memory_order_relaxed); }
  static Rank to_rank(float index) {
    return static_cast<Rank>(float_bits(index < kMostIndex ? index : kMostIndex) >> kRankShift);
  }
  static constexpr uint32_t kRankShift = 15;

  void count_return(Past past, uint16_t age) { add(returns_[place_of(past, age)], 1); }
  void count_loss(Past past, uint16_t age) { add(losses_[place_of(past, age)], 1); }
  void count_waiting(Past past, uint16_t age, float weight) {
    add(waiting_[place_of(past, age)], weight);
  }

  // A shard has seen so many requests more, and so many returns among them.
  void pass(uint64_t requests, uint64_t returns) {
    requests_.fetch_add(requests, std::memory_order_relaxed);
    news_.fetch_add(returns, std::memory_order_relaxed);
  }
  // Returns whether the next lesson should begin.
  bool is_due() const {
    const uint64_t requests = requests_.load(std::memory_order_relaxed);
    const uint64_t due = due_.load(std::memory_order_relaxed);
    return requests >= due &&
           (news_.load(std::memory_order_relaxed) >= kNews || requests >= due * kPutOff);
  }
  // Begins a lesson, unless one goes on or none is due, in a cache of that many entries.
  [[gnu::cold]] void begin(uint64_t entries);
  bool is_learning() const { return learning_.load(std::memory_order_relaxed); }
  // Goes on by a step. sample() is to count a sample of those that wait, and to return how many
  // entries, without ghosts, it has looked at.
  template <class Sample>
  void go_on(Sample sample) {
    if (busy_.exchange(true, std::memory_order_acquire)) return;
    if (is_learning()) {
      if (sampled_ < wanted_) {
        sampled_ += sample();
      } else {
        take_step();
      }
    }
    busy_.store(false, std::memory_order_release);
  }
  // Returns how many classes all steps so far have worked on.
  uint64_t work() const { return work_; }

 private:
  friend class SharedHazards;
  using Count = std::atomic<float>;
  using Row = float[kAges];  // of which the scale leaves the first few
  // Sums of returns, and of what was lost or waits.
  struct Sums {
    Row returns;
    Row others;
  };

  static constexpr float kMostIndex = 1.99F;  // no entry is used more than once in a tick
  static constexpr uint64_t kMostSampled = 4096;
  // A lesson is due every half of the cache's capacity, but not more often than kLeastLesson
  // requests. The first ones come after kFirstLesson requests, twice as many, and so on. A lesson
  // is put off, up to kPutOff times as long, until there are kNews returns to learn from.
  static constexpr uint64_t kFirstLesson = 64;
  static constexpr uint64_t kLeastLesson = 1024;
  static constexpr uint64_t kPutOff = 4;
  static constexpr uint64_t kNews = 64;
  // After so many capacities, or kLeastHalfLife requests, what was counted counts half.
  static constexpr float kHalfLife = 40;
  static constexpr float kLeastHalfLife = 2000;
  // Beyond this, counts fade faster: adding one would soon be lost in rounding, at 2^24.
  static constexpr float kMostCounted = 1u << 23;
  static constexpr float kPrior = 0.08F;  // the hazard of an age of which nothing is known
  // How many entries' worth of doubt there is: what is known of the next larger set of classes
  // counts as so many entries.
  static constexpr float kDoubtOfAll = 20;
  static constexpr float kDoubt = 8;
  static constexpr float kLeast = 0.05F;  // at some age at least, if anything is known of a class

  static void add(Count &count, float n) {
    count.store(count.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint32_t place_of(Past past, uint16_t age) const {
    return number_of(past) * scale_.row() + (fine(age) >> (1 + scale_.age_shift()));
  }
  void load_row(Row &to, const Count *table, uint32_t number) const;
  void store_row(Count *table, uint32_t number, const Row &from) const;
  void estimate(const Sums &sums, float doubt, const Row &prior, Row &hazards) const;
  void rank_ages(const Row &hazards, Rank *ranks) const;
  void take_step();
  bool add_class(uint32_t number, Sums &sums) const;
  void rank_gap(uint32_t gap);
  void set_ranks(uint32_t number, const Rank *ranks);
  void fade(uint32_t number);

  const Scale scale_;
  // Tables behind this object, with a row for each class. They are cells, of which whole rows are
  // read and written as such.
  std::atomic<Rank> *const ranks_;
  Count *const returns_;
  Count *const losses_;
  Count *const waiting_;

  std::atomic<uint64_t> requests_{0};  // since the last lesson began
  std::atomic<uint64_t> news_{0};      // returns since then
  std::atomic<uint64_t> due_{kFirstLesson};
  std::atomic<bool> learning_{false};
  std::atomic<bool> busy_{false};  // a thread takes a step; the rest is its own
  uint64_t entries_ = 0;           // of all shards
  uint64_t wanted_ = 0;            // how many of them the sample is to have
  uint64_t sampled_ = 0;
  uint32_t step_ = 0;  // first the gaps in turn are summed up, then ranked
  float fade_ = 1;
  float most_ = 0;      // the largest count that the last lesson has met
  uint64_t known_ = 0;  // a bit for each class of which anything was counted
  Sums all_;
  Row of_all_;           // the hazards of all entries together
  Rank unknown_[kFine];  // the ranks of a class of which nothing is known
  uint64_t work_ = 0;
  uint32_t users_ = 0;  // guarded by the lock of SharedHazards
};

// The tables of a cache, made when its first shard needs them, and gone with the last one's need.
// When there are far more entries than before, shards go over to finer tables, each in its own
// time, and begin to learn anew. They stay there when the entries become fewer: what they know is
// worth more than the memory.
class SharedHazards {
 public:
  explicit SharedHazards(Memory &memory) noexcept : memory_(memory) {}
  SharedHazards(const SharedHazards &) = delete;
  SharedHazards &operator=(const SharedHazards &) = delete;

  // Returns tables for so many entries of all shards, until release: the finest that there are, or
  // new ones if these do not serve. Returns nullptr if there is no memory, but never to who has
  // some.
  [[gnu::cold]] Hazards *acquire(uint64_t entries) noexcept;
  [[gnu::cold]] void release(Hazards *tables) noexcept;

 private:
  Memory &memory_;
  Lock lock_;
  // By the number of their scale.
  std::array<Hazards *, Hazards::Scale::kCount> tables_ CT_GUARDED_BY(lock_) = {};
};

}  // namespace ct

#endif
