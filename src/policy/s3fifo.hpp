// SPDX-License-Identifier: MIT
// S3-FIFO: three queues by age. Newcomers enter the small one, a tenth of the weight. Who was used
// twice there goes on to the main one, in which the hand spares whoever was used; who was not leaves,
// and is remembered as a ghost. Whose ghost is known enters the main queue at once (Yang, Zhang, Qiu,
// Yue, Rashmi, "FIFO Queues are All You Need for Cache Eviction", SOSP 2023).
//
// What a tenth is counts by what is there, as a shard has no limit of its own.
#ifndef CT_POLICY_S3FIFO_HPP
#define CT_POLICY_S3FIFO_HPP

#include <algorithm>

#include "ghosts.hpp"
#include "hand.hpp"

namespace ct {

class S3Fifo : public Policy {
 public:
  static constexpr Uses kUses = Uses::kMarked;
  static constexpr uint8_t kMostUses = 3;
  static constexpr size_t kBytesBeside = Ghosts::kBytesEach * 9 / 10;

  explicit S3Fifo(const PolicyContext &context)
      : context_(context), small_(context.store), main_(context_), ghosts_(context.memory) {}

  void insert(Ref ref, uint64_t hash, Now &) override {
    const bool returns = ghosts_.remove(hash);
    size_++;
    if (returns) {
      enter_main(ref);
    } else {
      small_.push_front(ref);
      small_weight_ += context_.weight(ref);
    }
  }
  void update(Ref ref, uint64_t hash, uint64_t before, Now &now) override {
    reweigh(ref, before, now);
    context_.index.place_of(hash, ref).count_use(kMostUses);
  }
  void reweigh(Ref ref, uint64_t before, Now &) override {
    weight_of(ref) += context_.weight(ref) - before;
  }

  void remove(Ref ref, uint64_t hash, ct_cause cause) override {
    const bool makes_room = cause == CT_CAUSE_EVICTED && ref == going_;
    going_ = kNone;
    size_--;
    weight_of(ref) -= context_.weight(ref);
    if (is_main(ref)) {
      main_.remove(ref);
      return;
    }
    small_.remove(ref);
    if (!makes_room) return;
    while (ghosts_.size() >= ghosts_of(size_)) ghosts_.drop_oldest();
    ghosts_.add(hash);
  }

  void moved(Ref from, Ref to) override {
    if (is_main(to)) {
      main_.moved(from, to);
    } else {
      small_.moved(to);
    }
  }
  void clear() override {
    small_.clear();
    main_.clear();
    ghosts_.clear();
    going_ = kNone;
    size_ = small_weight_ = main_weight_ = 0;
  }

  Ref victim() override {
    if (takes_small()) {
      for (uint32_t left = kLooksAtOnce; !small_.empty(); left--) {
        if (left == 0) return kAskAgain;
        const Ref oldest = small_.back();
        const Place place = context_.place(oldest);
        if (place.mark() < kUsesForMain) return oldest;
        place.set_mark(0);
        promote(oldest);
      }
    }
    const Ref stopped = main_.stop(kMostUses);
    return stopped != kNone ? stopped : small_.back();
  }

  // Whoever goes for a key becomes a ghost. A cache that never evicts needs no room for them, and
  // without memory there are fewer.
  Ref victim_for(uint64_t) override {
    ghosts_.reserve(ghosts_of(size_), counts_memory(context_.options));
    return going_ = victim();
  }

  Ref next_victim() const override { return takes_small() ? small_.next_back() : main_.next(); }
  void prefetch(uint64_t hash) const override { ghosts_.prefetch(hash); }

  // The small queue's, then the main one's, each in its order.
  bool step(Walk &walk, uint32_t *rank) const override {
    if (walk.part == 0) {
      walk.ref = small_.after(walk.ref);
      *rank = 0;
      if (walk.ref != kNone) return true;
      walk.part = 1;
    }
    if (!main_.step(walk, 1, rank)) return false;
    ++*rank;
    return true;
  }

#ifdef CT_VALIDATE
  const char *problem() const override {
    uint64_t size = 0;
    uint64_t small_weight = 0;
    const char *problem = small_.problem([&](Ref ref) {
      size++;
      small_weight += context_.weight(ref);
      return is_main(ref) ? "s3fifo: an entry of the main queue is in the small one" : nullptr;
    });
    if (problem != nullptr) return problem;
    uint64_t main_weight = 0;
    problem = main_.problem(kMostUses, [&](Ref ref) {
      size++;
      main_weight += context_.weight(ref);
      return is_main(ref) ? nullptr : "s3fifo: an entry of the small queue is in the main one";
    });
    if (problem != nullptr) return problem;
    if (size != size_) return "s3fifo: it has miscounted";
    if (small_weight != small_weight_) return "s3fifo: it has misweighed the small queue";
    if (main_weight != main_weight_) return "s3fifo: it has misweighed the main queue";
    return ghosts_.problem();
  }
#endif

 private:
  static constexpr uint32_t kUsesForMain = 2;
  // With one entry nobody would have the time to be used twice.
  static constexpr uint64_t kLeastShare = 2;
  static constexpr uint8_t kMain = 64;
  static_assert((kMain & kPolicyFlags) != 0, "the policy's own");

  static uint64_t ghosts_of(uint64_t entries) { return std::max<uint64_t>(entries * 9 / 10, 1); }
  bool takes_small() const {
    const uint64_t share = std::max((small_weight_ + main_weight_) / 10, kLeastShare);
    return main_.empty() || small_weight_ >= share;
  }
  bool is_main(Ref ref) const { return (context_.store.at(ref)->flags & kMain) != 0; }
  // Of the queue that it is in.
  uint64_t &weight_of(Ref ref) { return is_main(ref) ? main_weight_ : small_weight_; }

  void enter_main(Ref ref) {
    context_.store.at(ref)->flags |= kMain;
    main_.insert_behind(ref);
    main_weight_ += context_.weight(ref);
  }
  void promote(Ref ref) {
    small_weight_ -= context_.weight(ref);
    small_.remove(ref);
    enter_main(ref);
  }

  PolicyContext context_;
  List small_;
  Hand main_;
  Ghosts ghosts_;
  Ref going_ = kNone;
  uint64_t size_ = 0;
  uint64_t small_weight_ = 0;
  uint64_t main_weight_ = 0;
};

}  // namespace ct

#endif
