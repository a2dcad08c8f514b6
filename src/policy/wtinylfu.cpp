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
// proportion to the weight of the list that was hit.
//
// A working set that is not used any more would stay in protected: only hits in probation demote
// its entries, and the keys of the next working set, used in turn, leave probation before they are
// used again. So time is divided into rounds. A round ends when known keys have missed one and a
// half times as often as there are entries. An entry of protected that was not used for a whole
// round is stale. A stale entry is the next rival, before the entries of probation. And if the
// older half of the window had few hits in a round, the window shrinks to its least share, to make
// room for the keys that miss.
//
// All shares are of the weight that is in the shard at present. An entry's flags name the list that
// it is in. The weight of each list is known.
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
    const bool known = sketch_.estimate(hash) >= kKnown;
    sketch_.add(hash);
    count_++;
    add(ref, known ? kProbation : kYoung);
    if (known && pressed_) pass_time(kMissTime);
    // While there is room for all, an entry that leaves the window need not compete.
    for (uint32_t i = 0; i < kMostMoves && !pressed_ && window_weight() > window_target(); i++) {
      move(window_end().back(), kProbation);
    }
    full_ = pressed_;
    pressed_ = false;
    balance_window();
  }

  void used(const Ref *refs, uint32_t count) override {
    lists_[kYoung].prefetch_neighbours(refs, count);
    for (uint32_t i = 0; i < count; i++) use(refs[i], context_.hash(refs[i]));
  }
  void update(Ref ref, uint64_t hash, uint64_t before, Now &now) override {
    reweigh(ref, before, now);
    use(ref, hash);
  }

  void reweigh(Ref ref, uint64_t before, Now &) override {
    weights_[region_of(ref)] += context_.weight(ref) - before;
  }

  void remove(Ref ref, uint64_t, bool) override {
    count_--;
    unlink(ref);
  }
  void moved(Ref ref, Ref to) override {
    lists_[region_of(to)].moved(to);
    if (before_round_ == ref) before_round_ = to;
    if (stale_ == ref) stale_ = to;
  }

  void clear() override {
    for (List &list : lists_) list.clear();
    for (uint64_t &weight : weights_) weight = 0;
    sketch_.clear();
    count_ = in_window_ = 0;
    share_ = kFirstShare;
    before_round_ = stale_ = kNone;
    round_time_ = old_hits_ = 0;
    full_ = pressed_ = false;
  }

  Ref victim() override {
    pressed_ = true;
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
    uint64_t window = 0;
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
        window += is_window(region);
        weight += context_.weight(ref);
        return region_of(ref) == region ? nullptr : "wtinylfu: an entry is in another's list";
      });
      if (problem != nullptr) return problem;
      if (weight != weights_[region]) return "wtinylfu: it has misweighed a list";
    }
    return count == count_ && window == in_window_ ? nullptr : "wtinylfu: it has miscounted";
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
  static constexpr double kStep = 0.2;
  static constexpr double kMostRatio = 16;
  static constexpr double kProtectedShare = 0.8;
  // A call moves at most this many entries from list to list, whatever they weigh. The next calls
  // go on.
  static constexpr uint32_t kMostMoves = 8;
  // The time that passes with each miss of a known key and with each use, and the length of a round
  // for each entry. If rounds were shorter, a loop over twice as many keys as there is room for
  // would make all of protected stale.
  static constexpr uint64_t kMissTime = 16;
  static constexpr uint64_t kUseTime = 1;
  static constexpr uint64_t kRoundTime = 24;
  // A window gives way if its older half has fewer hits than this in a round, for each entry of the
  // window. With twice this number, a shard's window would go by chance.
  static constexpr double kLeastHits = 0.25;
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

  void add(Ref ref, Region region) {
    Entry *e = entry(ref);
    e->flags = static_cast<uint8_t>((e->flags & ~kPolicyFlags) | (region << kRegionShift));
    lists_[region].push_front(ref);
    weights_[region] += context_.weight(ref);
    in_window_ += is_window(region);
  }
  void unlink(Ref ref) {
    const Region region = region_of(ref);
    if (region == kProtected) leave_place(ref);
    lists_[region].remove(ref);
    weights_[region] -= context_.weight(ref);
    in_window_ -= is_window(region);
  }
  void move(Ref ref, Region region) {
    context_.entries.count_work();
    unlink(ref);
    add(ref, region);
  }

  void use(Ref ref, uint64_t hash) {
    sketch_.prefetch(hash);
    const Region region = region_of(ref);
    pass_time(kUseTime);
    if (region == kProtected) leave_place(ref);
    if (region == kYoung || region == kProtected) {
      lists_[region].move_to_front(ref);
    } else if (region == kOld) {
      old_hits_++;
      adapt(kOld, kProbation);
      move(ref, kYoung);
      balance_window();
    } else {
      adapt(kProbation, kOld);
      move(ref, kProtected);
      balance_main();
    }
    sketch_.add(hash);
  }

  static bool is_window(Region region) { return region == kYoung || region == kOld; }
  uint64_t window_weight() const { return weights_[kYoung] + weights_[kOld]; }
  uint64_t main_weight() const { return weights_[kProbation] + weights_[kProtected]; }
  uint64_t window_target() const {
    return static_cast<uint64_t>(share_ * static_cast<double>(window_weight() + main_weight()));
  }
  const List &window_end() const { return lists_[lists_[kOld].empty() ? kYoung : kOld]; }
  const List &main_end() const {
    const bool probation = stale_ == kNone && !lists_[kProbation].empty();
    return lists_[probation ? kProbation : kProtected];
  }

  void balance_window() {
    for (uint32_t i = 0; i < kMostMoves && weights_[kYoung] > weights_[kOld]; i++) {
      move(lists_[kYoung].back(), kOld);
    }
  }
  void balance_main() {
    const auto limit = static_cast<uint64_t>(kProtectedShare * static_cast<double>(main_weight()));
    for (uint32_t i = 0; i < kMostMoves && weights_[kProtected] > limit; i++) {
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

  void pass_time(uint64_t time) {
    round_time_ += time;
    if (round_time_ >= kRoundTime * count_) end_round();
  }
  void end_round() {
    stale_ = before_round_;
    before_round_ = lists_[kProtected].front();
    const double least = static_cast<double>(in_window_) * kLeastHits;
    if (full_ && static_cast<double>(old_hits_) < least) share_ = kLeastShare;
    round_time_ = old_hits_ = 0;
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
  uint64_t in_window_ = 0;      // entries
  uint64_t expected_ = 0;       // entries of a full shard; 0: not known
  double share_ = kFirstShare;  // of the window
  // Marks in protected, or kNone if there is no such entry. From before_round_ to the back, no
  // entry was used since this round began. From stale_ to the back, no entry was used for at least
  // a whole round.
  Ref before_round_ = kNone;
  Ref stale_ = kNone;
  uint64_t round_time_ = 0;  // time that has passed in this round
  uint64_t old_hits_ = 0;    // hits in old in this round
  bool full_ = false;        // room had to be made for the last newcomer
  bool pressed_ = false;     // room has been made for the next one
  Random random_;
};

}  // namespace

const PolicyKind kWTinyLfuKind = kind_of<WTinyLfu>();

}  // namespace ct
