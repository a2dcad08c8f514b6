// SPDX-License-Identifier: MIT
// W-TinyLFU (Einziger, Friedman, Manes, "TinyLFU: A Highly Efficient Cache Admission Policy",
// 2017). New entries enter a window. An entry that leaves the window is the candidate, and the
// entry that would have to go for it is the rival. The candidate stays only if it was used more
// often than the rival. A sketch remembers how often a key was used, also when its entry is long
// gone.
//
//   window      LRU, in two lists, young and old, so that hits in the older half can be told
//   probation   entries that left the window, and those that leave protected; the rival is its back
//   protected   entries that were used in probation; up to 4/5 of the main region, which is both
//
// A new entry whose key the sketch knows well need not prove itself in the window. It enters
// probation at once, as in S3-FIFO a key enters main that is found among the ghosts (s3fifo.cpp).
//
// The share of the window adapts as in hill climbing (Einziger, Eytan, Friedman, Manes, "Adaptive
// Software Cache Management", 2018), but by the slope. Trials tell little, because a short sample
// is mostly noise. Space is worth most where hits are densest at the cold end. So a hit in the
// older half of the window widens the window, and a hit in probation narrows it, each in inverse
// proportion to the weight of the list that was hit. A known key that misses narrows it too, as a
// ghost that is hit moves the border in ARC: the main region was too small to keep the key.
//
// A working set that is not used any more would stay in protected: only hits in probation demote
// its entries, and the keys of the next working set, used in turn, leave probation before they are
// used again. So time is divided into rounds. A round ends when the known keys that have missed
// weigh 1.7 times as much as all entries. An entry of protected that was not used for a
// whole round is stale. A stale entry is the next rival, before the entries of probation.
//
// All shares are of the weight that is in the shard at present. An entry's flags name the list that
// it is in. The weight of each list is known. A heavy victim leaves room for many light newcomers.
// None of them evicts anything, but they take the victim's place and count as if they did.
#include <algorithm>

#include "base/random.hpp"
#include "policy/policy.hpp"
#include "policy/sketch.hpp"
#include "table/list.hpp"

namespace ct {
namespace {

class WTinyLfu : public Policy {
 public:
  static constexpr Uses kUses = Uses::kBatched;
  static constexpr size_t kBytesBeside = Sketch::kBytesAnEntry;

  explicit WTinyLfu(const PolicyContext &context)
      : context_(context),
        sketch_(context.memory, counts_memory(context.options)),
        random_(context.seed) {
    WTinyLfu::resize(context.options.maxsize);
  }

  bool reserve(uint64_t count) override {
    sketch_.reserve(count_ + count, expected_);
    sketch_.fit(count_ + count);
    context_.entries.count_work(sketch_.take_work());
    return true;
  }
  // Expects an even part of the limit for this shard, if entries are counted.
  void resize(uint64_t maxsize) override {
    const ct_options &options = context_.options;
    const bool counted = options.weigher == nullptr && options.weight_kind == CT_WEIGHT_COUNT;
    expected_ = counted ? maxsize / std::max<uint32_t>(1, options.shards) : 0;
  }

  void insert(Ref ref, uint64_t hash, Now &) override {
    const bool known = sketch_.add(hash) >= kKnown;
    count_++;
    const uint64_t weight = context_.weight(ref);
    link(ref, known ? kProbation : kYoung, weight);
    full_ = vacated_ != 0;
    vacated_ -= std::min(vacated_, weight);
    if (known) {
      if (full_) miss(weight);
    } else {
      if (!evicted_) fit_window(ref);
      balance_window();
    }
    balance_main();
    evicted_ = false;
  }

  void used(const Ref *refs, uint32_t count) override {
    uint64_t hashes[kUsesAtOnce];
    for (uint32_t i = 0; i < count; i++) hashes[i] = context_.hash(refs[i]);
    if (!context_.store().fits_near_core()) {
      for (uint32_t i = 0; i < count; i++) sketch_.prefetch(hashes[i]);
      lists_[kYoung].prefetch_neighbours(refs, count);  // any list would do the same
    }
    use(refs, hashes, count);
  }
  void update(Ref ref, uint64_t hash, uint64_t before, Now &now) override {
    reweigh(ref, before, now);
    use(&ref, &hash, 1);
  }

  void reweigh(Ref ref, uint64_t before, Now &) override {
    weights_[region_of(ref)] += context_.weight(ref) - before;
  }

  void remove(Ref ref, uint64_t, bool) override {
    count_--;
    const uint64_t weight = unlink(ref);
    if (ref == victim_) {
      victim_ = kNone;
      vacated_ = weight;
      evicted_ = true;
    }
  }
  void moved(Ref ref, Ref to) override {
    lists_[region_of(to)].moved(to);
    if (before_round_ == ref) before_round_ = to;
    if (stale_ == ref) stale_ = to;
    if (victim_ == ref) victim_ = to;
  }

  void clear() override {
    for (List &list : lists_) list.clear();
    for (uint64_t &weight : weights_) weight = 0;
    sketch_.clear();
    count_ = vacated_ = round_time_ = 0;
    share_ = kFirstShare;
    before_round_ = stale_ = victim_ = kNone;
    full_ = evicted_ = false;
  }

  Ref victim(const uint64_t *) override {
    victim_ = choose();
    return victim_;
  }

  // Prefetches the candidate and the rival, as either may be the next victim, and the back of
  // young, which will move to old.
  Ref next_victim() const override {
    lists_[kYoung].next_back();
    const Ref rival = main_end().next_back();
    const Ref candidate = window_end().next_back();
    if (candidate == kNone || rival == kNone) return candidate == kNone ? rival : candidate;
    const uint64_t hash = context_.hash(rival);
    context_.index.prefetch(hash);
    prefetch(hash);
    return candidate;
  }
  void prefetch(uint64_t hash) const override { sketch_.prefetch(hash); }

  uint64_t frequency(Ref ref) const override { return sketch_.estimate(context_.hash(ref)); }

  // Walks nearly in the order in which entries would leave if none were used. In truth the counts
  // decide each time whether an entry of the window or one of probation goes first.
  bool step(Walk &walk, uint32_t *rank) const override {
    constexpr Region kOrder[] = {kProtected, kProbation, kOld, kYoung, kProtected};
    constexpr uint32_t kStale = 0;
    constexpr uint32_t kNotStale = 4;
    *rank = 0;
    for (; walk.part <= kNotStale; walk.part++) {
      if (walk.part == kStale && walk.ref == stale_) {
        walk.ref = kNone;
        continue;
      }
      if (walk.part == kNotStale && walk.ref == kNone) walk.ref = stale_;
      walk.ref = lists_[kOrder[walk.part]].after(walk.ref);
      if (walk.ref != kNone) return true;
    }
    return false;
  }

#ifdef CT_VALIDATE
  const char *problem() const override {
    uint64_t count = 0;
    bool victim_there = victim_ == kNone;
    bool stale_passed = stale_ == kNone;
    bool round_passed = before_round_ == kNone;
    for (Ref ref = lists_[kProtected].back(); ref != kNone; ref = lists_[kProtected].after(ref)) {
      if (ref == stale_) stale_passed = true;
      if (ref != before_round_) continue;
      round_passed = true;
      if (!stale_passed) return "wtinylfu: what is stale was used in this round";
    }
    if (!stale_passed || !round_passed) return "wtinylfu: a mark has left protected";
    for (const Region region : {kYoung, kOld, kProbation, kProtected}) {
      uint64_t weight = 0;
      const char *problem = lists_[region].problem([&](Ref ref) {
        count++;
        victim_there |= ref == victim_;
        weight += context_.weight(ref);
        return region_of(ref) == region ? nullptr : "wtinylfu: an entry is in another's list";
      });
      if (problem != nullptr) return problem;
      if (weight != weights_[region]) return "wtinylfu: it has misweighed a list";
    }
    if (!victim_there) return "wtinylfu: the last victim has left unnoticed";
    return count == count_ ? nullptr : "wtinylfu: it has miscounted";
  }
#endif

 private:
  // The list of an entry, as it stands in its policy flags.
  enum Region : uint8_t { kYoung, kOld, kProbation, kProtected, kRegions };
  static constexpr int kRegionShift = 6;
  static_assert((kProtected << kRegionShift) == kPolicyFlags, "two bits of the flags");

  // The window's share. It is never 0 and never 1, so that hits at both cold ends can be compared.
  static constexpr double kFirstShare = 0.2;
  static constexpr double kLeastShare = 0.01;
  static constexpr double kMostShare = 0.8;
  // A hit moves the border by kStep entries if both cold ends weigh the same. If the end that was
  // hit is lighter, the border moves by up to kMostRatio times as many.
  static constexpr double kStep = 0.3;
  static constexpr double kMostRatio = 16;
  // A miss of a known key moves the border by this many times its weight. With 0.03, the window was
  // seen to keep, for the sake of a few hits, the room that a working set lacked.
  static constexpr double kMissStep = kStep / 4;
  static constexpr uint64_t kProtectedRatio = 4;  // protected to probation, at most
  // A call moves at most this many entries from list to list, whatever they weigh. The next calls
  // go on.
  static constexpr uint32_t kMostMoves = 8;
  // The time that passes with each miss of a known key of average weight and with each use, and the
  // length of a round for each entry. If rounds were shorter, a loop over twice as many keys as
  // there is room for would make all of protected stale.
  static constexpr uint64_t kMissTime = 14;
  static constexpr uint64_t kUseTime = 1;
  static constexpr uint64_t kRoundTime = 24;
  // A key with this count has come back; a key with a lower count may only share counters with
  // others.
  static constexpr uint32_t kKnown = 2;
  // Of the candidates with at least this count, one in kJitter wins whatever its rival's count is.
  // Otherwise an attacker who makes keys collide could keep a rival for ever.
  static constexpr uint32_t kJitterFrom = 5;
  static constexpr uint64_t kJitter = 128;

  Entry *entry(Ref ref) const { return context_.store().at(ref); }
  Region region_of(Ref ref) const {
    return static_cast<Region>((entry(ref)->flags & kPolicyFlags) >> kRegionShift);
  }

  void link(Ref ref, Region region, uint64_t weight) {
    Entry *e = entry(ref);
    e->flags = static_cast<uint8_t>((e->flags & ~kPolicyFlags) | (region << kRegionShift));
    lists_[region].push_front(ref);
    weights_[region] += weight;
  }
  // Returns the entry's weight.
  uint64_t unlink(Ref ref) {
    const Region region = region_of(ref);
    if (region == kProtected) leave_place(ref);
    lists_[region].remove(ref);
    const uint64_t weight = context_.weight(ref);
    weights_[region] -= weight;
    return weight;
  }
  void move(Ref ref, Region region) {
    context_.entries.count_work();
    link(ref, region, unlink(ref));
  }

  [[gnu::noinline]] void use(const Ref *refs, const uint64_t *hashes, uint32_t count) {
    pass_time(count * kUseTime);
    for (uint32_t i = 0; i < count; i++) {
      const Ref ref = refs[i];
      const Region region = region_of(ref);
      if (region == kProtected) leave_place(ref);
      if (region == kYoung || region == kProtected) {
        lists_[region].move_to_front(ref);
      } else {
        promote(ref, region);
      }
      sketch_.add(hashes[i]);
    }
  }
  [[gnu::noinline]] void promote(Ref ref, Region region) {
    if (region == kOld) {
      adapt(kOld, kProbation);
      move(ref, kYoung);
      balance_window();
    } else {
      adapt(kProbation, kOld);
      move(ref, kProtected);
      balance_main();
    }
  }

  uint64_t window_weight() const { return weights_[kYoung] + weights_[kOld]; }
  uint64_t main_weight() const { return weights_[kProbation] + weights_[kProtected]; }
  uint64_t weight() const { return window_weight() + main_weight(); }
  uint64_t window_target() const {
    return static_cast<uint64_t>(share_ * static_cast<double>(weight()));
  }
  const List &window_end() const { return lists_[lists_[kOld].empty() ? kYoung : kOld]; }
  const List &main_end() const {
    const bool probation = stale_ == kNone && !lists_[kProbation].empty();
    return lists_[probation ? kProbation : kProtected];
  }

  Ref choose() {
    const Ref rival = main_end().back();
    Ref candidate = window_end().back();
    if (candidate == kNone || rival == kNone) return candidate == kNone ? rival : candidate;
    const uint64_t target = window_target();
    if (window_weight() < target) return rival;
    // If the window is too large even without the candidate, the candidate moves on without a
    // contest, and the next one competes.
    if (window_weight() - context_.weight(candidate) > target) {
      move(candidate, kProbation);
      candidate = window_end().back();
    }
    if (!admits(candidate, rival)) return candidate;
    move(candidate, kProbation);
    return rival;
  }

  // Makes the window no larger than its share, but keeps the newcomer. As there was room for the
  // newcomer, nothing has to leave, and none competes.
  void fit_window(Ref newcomer) {
    const uint64_t target = window_target();
    for (uint32_t i = 0; i < kMostMoves && window_weight() > target; i++) {
      const Ref oldest = window_end().back();
      if (oldest == newcomer) return;
      move(oldest, kProbation);
    }
  }
  void balance_window() {
    for (uint32_t i = 0; i < kMostMoves && weights_[kYoung] > weights_[kOld]; i++) {
      move(lists_[kYoung].back(), kOld);
    }
  }
  bool is_too_protected() const {
    const uint64_t weight = weights_[kProtected];
    return weight != 0 && (weight - 1) / kProtectedRatio >= weights_[kProbation];
  }
  void balance_main() {
    for (uint32_t i = 0; i < kMostMoves && is_too_protected(); i++) {
      move(lists_[kProtected].back(), kProbation);
    }
  }

  // Moves the border for a hit at one of the cold ends; other is the other end. Does nothing while
  // the cache is not full.
  void adapt(Region hit, Region other) {
    if (!full_) return;
    const double own = static_cast<double>(weights_[hit]);
    const double rest = static_cast<double>(weights_[other]);
    const double ratio = rest > own ? std::min(kMostRatio, rest / std::max(own, 1.0)) : 1;
    const double step = kStep * ratio / static_cast<double>(count_);
    share_ =
        hit == kOld ? std::min(kMostShare, share_ + step) : std::max(kLeastShare, share_ - step);
  }

  // A known key has missed while the cache was full. Its new entry has this weight.
  void miss(uint64_t weight) {
    if (weight == 0) return;  // There was room for it.
    const double part = static_cast<double>(weight) / static_cast<double>(this->weight());
    share_ = std::max(kLeastShare, share_ - kMissStep * part);
    pass_time(static_cast<uint64_t>(kMissTime * part * static_cast<double>(count_)));
  }
  void pass_time(uint64_t time) {
    round_time_ += time;
    if (round_time_ >= kRoundTime * count_) end_round();
  }
  void end_round() {
    stale_ = before_round_;
    before_round_ = lists_[kProtected].front();
    round_time_ = 0;
  }
  // ref leaves its place in protected. A mark on ref passes to the next entry towards the back.
  void leave_place(Ref ref) {
    if (before_round_ == ref) before_round_ = lists_[kProtected].towards_back(ref);
    if (stale_ == ref) stale_ = lists_[kProtected].towards_back(ref);
  }

  bool admits(Ref candidate, Ref rival) {
    const uint32_t own = sketch_.estimate(context_.hash(candidate));
    if (own > sketch_.estimate(context_.hash(rival))) return true;
    return own >= kJitterFrom && random_() % kJitter == 0;
  }

  PolicyContext context_;
  List lists_[kRegions] = {List(context_.store()), List(context_.store()), List(context_.store()),
                           List(context_.store())};
  uint64_t weights_[kRegions] = {};
  Sketch sketch_;
  uint64_t count_ = 0;
  uint64_t expected_ = 0;       // entries of a full shard; 0: not known
  double share_ = kFirstShare;  // of the window
  // Marks in protected, or kNone if there is no such entry. From before_round_ to the back, no
  // entry was used since this round began. From stale_ to the back, no entry was used for at least
  // a whole round.
  Ref before_round_ = kNone;
  Ref stale_ = kNone;
  uint64_t round_time_ = 0;  // time that has passed in this round
  uint64_t vacated_ = 0;     // room of the last victim that newcomers have not taken yet
  Ref victim_ = kNone;       // the last victim, until it leaves
  bool full_ = false;        // the last newcomer took the place of a victim
  bool evicted_ = false;     // a victim has left since then
  Random random_;
};

}  // namespace

const PolicyKind kWTinyLfuKind = kind_of<WTinyLfu>();

}  // namespace ct
