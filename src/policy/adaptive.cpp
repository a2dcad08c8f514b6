// SPDX-License-Identifier: MIT
// ADAPTIVE learns when entries come back, and keeps those that are worth their room.
//
// Other policies guess: LRU that what was used lately is used soon, LFU that what was used often is
// used again. Here the guess is made of what was seen. Entries that look alike form a class: those
// with about the same gap between their last two uses, and with about as many uses (Past). For each
// class, the cache knows the hazard: of the entries that were not used for a while, which share is
// used next. From the hazard follows the index, the number of hits that an entry promises for each
// unit of time that it is kept (hazards.hpp tells how both are found). The entry with the least
// index leaves, or with the least index for its weight and cost, where these differ.
//
// What is known of patterns follows without a special case. Where the hazard falls with age, the
// order is LRU's. Keys that come once leave early, as their class shows no returns. In a loop over
// too many keys, an entry that is nearly due is worth more than one that was just used.
//
//   slots     An array of all entries with what is known of each: the time of the last use, and the
//             past. An entry's number in the array stands in its `prev`.
//   ghosts    The same of entries that were evicted. A ghost that comes back teaches how long an
//             entry should have been kept, and the new entry goes on with its past.
//   hazards   The tables, which all shards have in common.
//
// To find the least index exactly, all entries would have to be looked at. A hand goes over the
// slots, and each victim is the least of the next kWindow entries, of the newest, and of three
// runners-up of last time. So every entry is judged once in a round, by its age then.
//
// Time is counted in the shard's requests, as far as it learns of them: misses that nothing is
// stored for are not known. A tick is a thousandth of the shard's capacity, the number of entries
// that it holds when it is full, or one request. So a time of 16 bits goes for 64 capacities. What
// has not been used for longer than kOldest is brought back to that age when the hand passes.
#include <algorithm>
#include <cstring>

#include "base/long_array.hpp"
#include "policy/hazards.hpp"
#include "policy/past_ghosts.hpp"
#include "policy/policy.hpp"

namespace ct {
namespace {

class Adaptive : public Policy {
 public:
  using Common = SharedHazards;
  static constexpr bool kOrdered = false;
  static constexpr bool kHasFrequency = true;
  static constexpr Uses kUses = Uses::kBatched;

 private:
  // What is known of an entry: the tick of its last use, its past, and its load, which is its weight
  // for its cost, in steps of four to a doubling. All that is its state, the upper half of a word;
  // the lower half is its reference.
  class Slot {
   public:
    Slot(Ref ref, uint16_t tick, Past past, uint32_t load)
        : word_(ref | uint64_t{tick | past.bits() << kPast | load << kLoad} << 32) {}

    // Where the parts of a state begin.
    static constexpr uint32_t kPast = 16;
    static constexpr uint32_t kLoad = kPast + Past::kBits;

    uint64_t word() const { return word_; }
    Ref ref() const { return static_cast<Ref>(word_); }
    uint32_t state() const { return static_cast<uint32_t>(word_ >> 32); }
    uint16_t tick() const { return static_cast<uint16_t>(state()); }
    Past past() const { return Past(state() >> kPast & Past::kMask); }
    uint32_t load() const { return state() >> kLoad; }

   private:
    uint64_t word_;
  };
  static_assert(sizeof(Slot) == 8, "a window is four cache lines");

 public:
  static constexpr size_t kBytesBeside = sizeof(Slot) + PastGhosts::kBytesForEach;

  explicit Adaptive(const PolicyContext &context)
      : context_(context),
        common_(*static_cast<SharedHazards *>(context.common)),
        slots_(context.memory),
        ghosts_(context.memory),
        tight_(counts_memory(context.options)) {
    Adaptive::resize(context.options.maxsize);
  }
  ~Adaptive() { forget(); }

  // Tables that are small beside the entries begin to learn before anything has to leave.
  bool reserve(uint64_t count) override {
    if (slots_.size() >= kEarly) get_tables();
    return slots_.reserve(count);
  }
  void insert(Ref ref, uint64_t hash, Now &) override {
    pass_time();
    Past past;
    PastGhosts::Ghost ghost;
    if (ghosts_.take(hash, &ghost)) {
      const uint16_t age = age_of(ghost);
      hazards_->count_return(ghost.past, age);
      news_++;
      past = ghost.past.after(gap_of(age));
    }
    add(ref, past, tick_);
  }
  void restore(Ref ref, uint64_t, uint64_t keepsake, Now &) override {
    if (!Keepsake::is_rich(keepsake)) return add(ref, Past::of_uses(keepsake), tick_);
    const auto age = static_cast<float>(keepsake >> kKeptAge & UINT16_MAX) / kTicks;
    const float ticks = std::min<float>(age / tick_capacities_, kOldest);
    const Past past(keepsake >> kKeptPast & Past::kMask);
    const uint32_t rounded = (static_cast<uint32_t>(2 * ticks) + 1) / 2;
    add(ref, past, static_cast<uint16_t>(tick_ - rounded));
    lower_load(slots_.back(), static_cast<int32_t>(keepsake >> kKeptCost & (2 * kOneLoad - 1)));
  }
  void used(const Ref *refs, uint32_t count) override {
    if (!context_.store().fits_near_core()) {
      for (uint32_t i = 0; i < count; i++) __builtin_prefetch(&slots_[number_of(refs[i])], 1);
    }
    const Store::View entries = context_.store().view();
    uint32_t part = part_;
    uint16_t tick = tick_;
    for (uint32_t i = 0; i < count; i++) {
      const bool is_over = ++part >= unit_;
      tick = static_cast<uint16_t>(tick + is_over);
      if (is_over) part = 0;
      use_at(slots_[entries.at(refs[i])->prev], tick);
    }
    part_ = part;
    tick_ = tick;
    requests_ += count;
    news_ += count;
  }
  void update(Ref ref, uint64_t, uint64_t, Now &) override {
    Slot &slot = slots_[number_of(ref)];
    slot = Slot(ref, slot.tick(), slot.past(), weigh(context_.weight(ref), 1));
    use(slot);
  }
  void price(Ref ref, uint64_t cost) override {
    Slot &slot = slots_[number_of(ref)];
    slot = Slot(ref, slot.tick(), slot.past(), weigh(context_.weight(ref), cost));
  }
  // The cost stays.
  void reweigh(Ref ref, uint64_t before, Now &) override {
    const auto steps_before = static_cast<int32_t>(steps_of(before, 1));
    lower_load(slots_[number_of(ref)],
               steps_before - static_cast<int32_t>(steps_of(context_.weight(ref), 1)));
  }

  void remove(Ref ref, uint64_t hash, bool displaced) override {
    const uint32_t number = number_of(ref);
    const Slot slot = slots_[number];
    slots_[number] = slots_.back();
    number_of(slots_[number].ref()) = number;
    slots_.pop();
    if (displaced) {
      become_ghost(slot, hash);
    } else if (hazards_ != nullptr) {
      hazards_->count_loss(slot.past(), age_of(slot));
    }
  }
  void moved(Ref, Ref to) override {
    Slot &slot = slots_[number_of(to)];
    slot = Slot(to, slot.tick(), slot.past(), slot.load());
  }
  void clear() override {
    slots_.clear();
    forget();
    tick_ = 0;
    part_ = hand_ = 0;
    requests_ = news_ = 0;
    std::fill_n(runners_up_, kRunnersUp, 0);
  }
  // Expects that every entry weighs one, until there is another.
  void resize(uint64_t maxsize) override {
    bounded_ = maxsize != CT_UNBOUNDED;
    if (knows_capacity()) set_capacity(maxsize / shards());
  }

  // A cache that never evicts needs neither tables nor ghosts, and learns nothing.
  Ref victim(const uint64_t *coming) override {
    if (slots_.empty()) return kNone;
    if (coming != nullptr && get_tables()) {
      if (ghosts_.slots() == 0 || tight_) ghosts_.fit(slots_.size(), tight_);
      learn();
    }
    return slots_[choose()].ref();
  }
  // Prefetches the next window, too.
  Ref next_victim() const override {
    const uint32_t size = slots_.size();
    for (uint32_t i = hand_; i < std::min(hand_ + kWindow, size); i += kSlotsALine)
      __builtin_prefetch(&slots_[i]);
    return runners_up_[0] < size ? slots_[runners_up_[0]].ref() : kNone;
  }
  void prefetch(uint64_t hash) const override { ghosts_.prefetch(hash); }
  // The rank, the cost, the age in thousandths of a capacity, the past, and the count of the past.
  uint64_t keepsake(Ref ref) const override {
    const uint32_t number = number_of(ref);
    const Slot &slot = slots_[number];
    const float age = static_cast<float>(age_of(slot)) * tick_capacities_ * kTicks;
    return Keepsake::kRich | uint64_t{judge(number) >> kRank} << kKeptRank |
           uint64_t{steps_of(context_.weight(ref), 1) - slot.load()} << kKeptCost |
           static_cast<uint64_t>(std::min<float>(age + 0.5F, UINT16_MAX)) << kKeptAge |
           uint64_t{slot.past().bits()} << kKeptPast | (slot.past().count() + 1);
  }
  bool step(Walk &, uint32_t *) const override { return false; }

#ifdef CT_VALIDATE
  const char *problem() const override {
    for (uint32_t i = 0; i < slots_.size(); i++) {
      if (number_of(slots_[i].ref()) != i) return "adaptive: an entry does not know its number";
      if (slots_[i].load() != kOneLoad && !weighs_)
        return "adaptive: it does not know that entries weigh";
    }
    return ghosts_.problem();
  }
#endif

 private:
  static constexpr uint32_t kWindow = 24;
  static constexpr uint32_t kRunnersUp = 3;
  static constexpr uint32_t kSlotsALine = 64 / sizeof(Slot);
  // Up to this many entries, all are looked at.
  static constexpr uint32_t kAll = kWindow + 4;
  static constexpr uint32_t kTicks = 1024;  // of a capacity, at least, if there are as many entries
  static constexpr uint16_t kOldest = 1u << 15;
  static constexpr uint32_t kTooOld = 3u << 14;  // a youth with none of these bits
  // The tables are told of requests when these are so many, and as many as that part of the entries.
  static constexpr uint64_t kGranule = 16;
  static constexpr uint64_t kGranules = 64;
  // From this many entries on, the tables are made before anything has to leave.
  static constexpr uint32_t kEarly = 1024;
  // The buckets of ghosts that are sampled with each window.
  static constexpr uint32_t kGhostBuckets = kWindow / PastGhosts::kSlots;

  // A load of 1, and the bits of 1 in the same steps.
  static constexpr int32_t kOneLoad = 256;
  static constexpr int32_t kOneBits = 127 << 2;
  // Where the parts of a keepsake begin.
  static constexpr uint32_t kKeptRank = 41;
  static constexpr uint32_t kKeptCost = 32;
  static constexpr uint32_t kKeptAge = 16;
  static constexpr uint32_t kKeptPast = 8;
  static_assert(kKeptRank + 16 < 62, "a keepsake has room for them");

  Cell<Ref> &number_of(Ref ref) const { return context_.store().at(ref)->prev; }
  // Returns the steps of an entry's load, kOneLoad if it weighs as much as it costs.
  uint32_t weigh(uint64_t weight, uint64_t cost) {
    const uint32_t load = steps_of(weight, cost);
    weighs_ |= load != kOneLoad;
    return load;
  }
  void lower_load(Slot &slot, int32_t steps) {
    const int32_t load = std::clamp(static_cast<int32_t>(slot.load()) - steps, 0, 2 * kOneLoad - 1);
    slot = Slot(slot.ref(), slot.tick(), slot.past(), static_cast<uint32_t>(load));
    weighs_ |= load != kOneLoad;
  }
  static uint32_t steps_of(uint64_t weight, uint64_t cost) {
    const float load = static_cast<float>(std::max<uint64_t>(1, weight)) / static_cast<float>(cost);
    const int32_t steps = static_cast<int32_t>(float_bits(load) >> 21) - kOneBits + kOneLoad;
    return static_cast<uint32_t>(std::clamp(steps, 0, 2 * kOneLoad - 1));
  }
  void add(Ref ref, Past past, uint16_t tick) {
    number_of(ref) = slots_.size();
    slots_.push(Slot(ref, tick, past, weigh(context_.weight(ref), 1)));
    if (!knows_capacity()) fit_capacity(2);
  }
  void forget() {
    ghosts_.clear();
    if (hazards_ != nullptr) common_.release(hazards_);
    hazards_ = nullptr;
  }

  bool get_tables() {
    if (hazards_ == nullptr) hazards_ = common_.acquire(entries_of_all());
    return hazards_ != nullptr;
  }
  // Goes over to the finest tables, if it has others.
  void renew_tables() {
    Hazards *before = hazards_;
    hazards_ = common_.acquire(entries_of_all());
    common_.release(before);
  }
  void become_ghost(const Slot &slot, uint64_t hash) {
    if (hazards_ == nullptr) return;
    const auto lose = [this](const PastGhosts::Ghost &ghost) {
      hazards_->count_loss(ghost.past, age_of(ghost));
    };
    ghosts_.sweep(ghost_time(tick_), lose);
    ghosts_.add(hash, {slot.past(), ghost_time(slot.tick())}, lose);
  }

  // ---- Time ---------------------------------------------------------------------------------

  void set_capacity(uint64_t entries) {
    capacity_ = std::max<uint64_t>(1, entries);
    unit_ = static_cast<uint32_t>(
        std::min<uint64_t>(std::max<uint64_t>(1, capacity_ / kTicks), UINT32_MAX));
    tick_capacities_ = static_cast<float>(unit_) / static_cast<float>(capacity_);
    gap_scale_ = Past::scale_of(tick_capacities_);
    ghost_shift_ = 0;
    while (capacity_ / unit_ >> ghost_shift_ >= kTicks / 2) ghost_shift_++;
  }
  bool knows_capacity() const { return bounded_ && !weighs_; }
  uint32_t shards() const { return std::max<uint32_t>(1, context_.options.shards); }
  // Returns about how many entries all shards have when they are full.
  uint64_t entries_of_all() const {
    const uint64_t own =
        knows_capacity() ? std::min<uint64_t>(capacity_, UINT32_MAX) : slots_.size();
    return own * shards();
  }
  // Otherwise, the capacity is how many entries there are. It follows when it is wrong by more than
  // this factor.
  void fit_capacity(float most) {
    const auto size = static_cast<float>(slots_.size());
    const auto capacity = static_cast<float>(capacity_);
    if (size > most * capacity || size * most < capacity) set_capacity(slots_.size());
  }
  void pass_time() {
    requests_++;
    if (++part_ < unit_) return;
    part_ = 0;
    tick_++;
  }
  uint16_t age_of(const Slot &slot) const { return static_cast<uint16_t>(tick_ - slot.tick()); }
  int32_t gap_of(uint16_t age) const {
    return static_cast<int32_t>(float_bits(static_cast<float>(age + 1))) + gap_scale_;
  }
  // Ghosts know the time less exactly, and for as long.
  uint16_t ghost_time(uint16_t tick) const {
    return static_cast<uint16_t>((tick >> ghost_shift_) & ((1u << PastGhosts::kTimeBits) - 1));
  }
  uint16_t age_of(const PastGhosts::Ghost &ghost) const {
    constexpr uint32_t kMask = (1u << PastGhosts::kTimeBits) - 1;
    return static_cast<uint16_t>(((ghost_time(tick_) - ghost.time) & kMask) << ghost_shift_);
  }

  void use(Slot &slot) {
    pass_time();
    use_at(slot, tick_);
  }
  // The slot's entry is used at this tick.
  [[gnu::always_inline]] void use_at(Slot &slot, uint16_t tick) {
    const auto age = static_cast<uint16_t>(tick - slot.tick());
    if (age == 0) return;
    const Past past = slot.past();
    if (hazards_ != nullptr) hazards_->count_return(past, age);
    slot = Slot(slot.ref(), tick, past.after(gap_of(age)), slot.load());
  }

  // ---- Learning -----------------------------------------------------------------------------

  void learn() {
    if (requests_ >= kGranule && requests_ >= slots_.size() / kGranules) pass_on();
    if (hazards_->is_learning()) hazards_->go_on([this] { return sample(); });
  }
  // Tells the tables of the requests since the last time.
  [[gnu::noinline]] void pass_on() {
    hazards_->pass(requests_, news_);
    requests_ = news_ = 0;
    if (!hazards_->is_due()) return;
    renew_tables();
    hazards_->begin(slots_.size() * uint64_t{shards()});
    sampled_ = 0;
    ghosts_.fit(slots_.size(), tight_);
    if (!knows_capacity()) fit_capacity(1.25F);
  }
  // Counts the next of the windows, which are as far apart as a sample of the wanted size allows.
  uint64_t sample() {
    const uint32_t windows = (slots_.size() + kWindow - 1) / kWindow;
    const uint32_t stride = std::max<uint32_t>(1, windows / 128);
    const uint64_t at = sampled_++;
    const uint32_t begin = static_cast<uint32_t>(at * stride % windows * kWindow);
    const uint32_t end = std::min(begin + kWindow, slots_.size());
    for (uint32_t i = begin; i < end; i++)
      hazards_->count_waiting(slots_[i].past(), age_of(slots_[i]), 1);
    const float scale = static_cast<float>(ghosts_.slots()) / static_cast<float>(slots_.size()) *
                        static_cast<float>(end - begin) / kWindow;
    for (uint32_t i = 0; i < kGhostBuckets; i++) {
      ghosts_.visit((at * kGhostBuckets + i) * stride, [&](const PastGhosts::Ghost &ghost) {
        hazards_->count_waiting(ghost.past, age_of(ghost), scale);
      });
    }
    return end - begin;
  }

  // ---- Choosing -----------------------------------------------------------------------------

  // Slots are judged four at a time. A judgement is a number that is the lower, the less an entry is
  // worth: its rank, and behind it how young the entry is. So of entries that are worth the same,
  // the one leaves first that was used longest ago; without memory for what is learned, that is of
  // all. Judgements are below 2^31, as there is no cheap comparison of larger numbers.
  typedef uint32_t Four [[gnu::vector_size(16)]];
  typedef int32_t FourSigned [[gnu::vector_size(16)]];
  typedef float FourFloats [[gnu::vector_size(16)]];
  typedef uint16_t Halves [[gnu::vector_size(16)]];  // of four: kLow, kHigh, kLow + 2 ...
  static constexpr uint32_t kRank = 16;
  // Two words with a slot each. The states of four are the upper halves of two such, and what
  // number each lane then has.
  typedef uint64_t Two [[gnu::vector_size(16)]];
  static constexpr uint64_t kUpper = ~uint64_t{UINT32_MAX};
  static constexpr bool kLittle = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
  static constexpr int kLow = kLittle ? 0 : 1;
  static constexpr int kHigh = 1 - kLow;
  static constexpr Four kLanes = kLittle ? Four{0, 2, 1, 3} : Four{2, 0, 3, 1};

  // What judgements are made by: the tables, and how the number of a class follows from a past.
  struct Judge {
    explicit Judge(const Hazards *tables) : hazards(tables) {
      const uint32_t shift = tables == nullptr ? 0 : tables->scale().level_shift();
      mask = Four{} + ((Past::kClasses - 1) >> shift << shift);
      factor = Halves{} + static_cast<uint16_t>(Hazards::kFine >> shift);
    }

    const Hazards *hazards;
    Four mask;
    Halves factor;
  };
  // Turns states into judgements. This and what it calls work in place: without SSE, a vector that
  // is returned is an ABI of its own, of which compilers warn.
  template <bool kWeighs>
  [[gnu::always_inline]] void judge(Four *states, const Judge &by) const {
    const Four ages = (uint32_t{tick_} - *states) & UINT16_MAX;
    Four judgements = ages ^ UINT16_MAX;
    if (by.hazards != nullptr) {
      Four places = ages;
      make_fine(&places);
      // Processors multiply halves at once, and wholes by many steps.
      const Four numbers = *states >> (Slot::kPast + 1) & by.mask;
      places += reinterpret_cast<Four>(reinterpret_cast<Halves>(numbers) * by.factor);
      const auto from = reinterpret_cast<Halves>(places);
      auto to = reinterpret_cast<Halves>(judgements);
      to[kHigh] = by.hazards->rank_at(from[kLow]);
      to[kHigh + 2] = by.hazards->rank_at(from[kLow + 2]);
      to[kHigh + 4] = by.hazards->rank_at(from[kLow + 4]);
      to[kHigh + 6] = by.hazards->rank_at(from[kLow + 6]);
      judgements = reinterpret_cast<Four>(to);
    }
    if (kWeighs) divide_by_load(&judgements, *states);
    *states = judgements;
  }
  // Divides the ranks. The quotients may be above and below 1, so that they stay below 2^15.
  static void divide_by_load(Four *judgements, const Four &states) {
    constexpr Four kYouth = {UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX};
    const Four steps = (states >> Slot::kLoad) + (kOneBits - kOneLoad);
    const auto load = reinterpret_cast<FourFloats>(steps << 21);
    const auto index = reinterpret_cast<FourFloats>((*judgements >> kRank) << Hazards::kRankShift);
    const Four ranks = reinterpret_cast<Four>(index / load) >> (Hazards::kRankShift + 1);
    *judgements = ranks << kRank | (*judgements & kYouth);
  }
  // Does what Hazards::fine does.
  static void make_fine(Four *ages) {
    const auto after = __builtin_convertvector(reinterpret_cast<FourSigned>(*ages + 1), FourFloats);
    *ages = (reinterpret_cast<Four>(after) >> Hazards::kFineShift) - Hazards::kFineZero;
  }
  uint32_t judge(uint32_t number) const {
    const uint32_t state = slots_[number].state();
    Four all = {state, state, state, state};
    const Judge by(hazards_);
    weighs_ ? judge<true>(&all, by) : judge<false>(&all, by);
    return all[0];
  }
  uint32_t state_of(uint32_t number) const {
    return slots_[number < slots_.size() ? number : 0].state();
  }

  uint32_t choose() {
    if (slots_.size() <= kAll) return choose_of_all();
    return weighs_ ? choose_in_window<true>() : choose_in_window<false>();
  }
  // Keeps the lowest of each of four lanes, which begin with the newest entry and the runners-up.
  // The lowest of all is the victim, and the others are the next runners-up.
  template <bool kWeighs>
  uint32_t choose_in_window() {
    const uint32_t size = slots_.size();
    const uint32_t begin = std::min(hand_, (size - kWindow) & ~3u);
    hand_ = begin + kWindow + 4 <= size ? begin + kWindow : 0;
    const Judge by(hazards_);
    Four numbers = {runners_up_[0], runners_up_[1], runners_up_[2], size - 1};
    Four lowest = {state_of(numbers[0]), state_of(numbers[1]), state_of(numbers[2]),
                   state_of(numbers[3])};
    judge<kWeighs>(&lowest, by);
    FourSigned too_old = {};
    Four here = kLanes + begin;
    for (uint32_t at = begin; at < begin + kWindow;) {
      const uint32_t end = std::min(begin + kWindow, LongArray<Slot>::end_of_run(at));
      for (const Slot *slots = &slots_[at]; at < end; at += 4, slots += 4) {
        const Two first = {slots[0].word(), slots[1].word()};
        const Two second = {slots[2].word(), slots[3].word()};
        Four judgements = reinterpret_cast<Four>(first >> 32 | (second & kUpper));
        judge<kWeighs>(&judgements, by);
        const auto lower = reinterpret_cast<Four>(reinterpret_cast<FourSigned>(judgements) <
                                                  reinterpret_cast<FourSigned>(lowest));
        lowest = (judgements & lower) | (lowest & ~lower);
        numbers = (here & lower) | (numbers & ~lower);
        too_old |= (judgements & kTooOld) == 0;
        here += 4;
      }
    }
    if ((too_old[0] | too_old[1] | too_old[2] | too_old[3]) != 0) keep_age(begin);
    uint32_t judged[4], chosen[4];
    std::memcpy(judged, &lowest, sizeof judged);
    std::memcpy(chosen, &numbers, sizeof chosen);
    const auto least = static_cast<uint32_t>(std::min_element(judged, judged + 4) - judged);
    const uint32_t victim = chosen[least];
    for (uint32_t i = 0; i < kRunnersUp; i++) runners_up_[i] = chosen[i + (i >= least)];
    return victim < size ? victim : 0;
  }
  uint32_t choose_of_all() const {
    uint32_t victim = 0;
    for (uint32_t i = 1; i < slots_.size(); i++)
      if (judge(i) < judge(victim)) victim = i;
    return victim;
  }
  // Brings what is far older than kOldest back to that age.
  [[gnu::noinline, gnu::cold]] void keep_age(uint32_t begin) {
    for (uint32_t i = begin; i < begin + kWindow; i++) {
      const Slot &slot = slots_[i];
      const auto tick = static_cast<uint16_t>(tick_ - kOldest);
      if (age_of(slot) > kOldest) slots_[i] = Slot(slot.ref(), tick, slot.past(), slot.load());
    }
  }

  PolicyContext context_;
  SharedHazards &common_;
  Hazards *hazards_ = nullptr;  // nullptr: nothing had to leave yet, or there is no memory
  LongArray<Slot> slots_;
  PastGhosts ghosts_;
  const bool tight_;     // memory is the limit
  bool bounded_ = true;  // there is a limit
  bool weighs_ = false;  // the load of an entry was not 1
  uint16_t tick_ = 0;
  uint8_t ghost_shift_ = 0;    // from ticks to the time of ghosts
  uint32_t part_ = 0;          // requests in this tick
  uint32_t unit_ = 1;          // requests of a tick
  uint64_t capacity_ = 1;      // entries
  float tick_capacities_ = 1;  // a tick's share of the capacity, in requests
  int32_t gap_scale_ = 0;      // the same, for Past::after
  uint64_t requests_ = 0;      // since the tables were told
  uint64_t news_ = 0;          // returns since then
  uint64_t sampled_ = 0;       // windows, for this lesson
  uint32_t hand_ = 0;          // the next window's first slot
  uint32_t runners_up_[kRunnersUp] = {};
};

}  // namespace

const PolicyKind kAdaptiveKind = kind_of<Adaptive>();

}  // namespace ct
