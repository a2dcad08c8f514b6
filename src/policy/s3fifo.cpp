// SPDX-License-Identifier: MIT
// S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi, "FIFO Queues are All You Need for Cache Eviction", SOSP
// 2023): three queues by age.
//
//   small   New keys enter here. It holds a tenth of the weight. An entry that was used twice here
//           goes on to main; an entry that was not leaves the cache.
//   main    A hand goes round, and spares an entry once for each use.
//   ghosts  The hashes of keys that left from small. Such a key enters main when it comes back.
//
// The tenth is of the weight that is in the shard at present, as a shard has no limit of its own.
#include <algorithm>

#include "policy/ghosts.hpp"
#include "policy/hand.hpp"

namespace ct {
namespace {

class S3Fifo : public Policy {
 public:
  static constexpr Uses kUses = Uses::kUseBits;
  static constexpr uint8_t kMostUses = 3;
  static constexpr size_t kBytesBeside = Ghosts::kBytesEach * 9 / 10;

  explicit S3Fifo(const PolicyContext &context)
      : context_(context), small_(context.store()), main_(context_), ghosts_(context.memory) {}

  void insert(Ref ref, uint64_t hash, Now &) override {
    const bool returns = ghosts_.remove(hash);
    ghosts_.go_on();
    context_.entries.count_work(ghosts_.take_work());
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
    context_.index.place_of(hash, ref).slot.count_use(kMostUses);
  }
  void reweigh(Ref ref, uint64_t before, Now &) override {
    weight_of(ref) += context_.weight(ref) - before;
  }

  void remove(Ref ref, uint64_t hash, bool displaced) override {
    size_--;
    weight_of(ref) -= context_.weight(ref);
    if (is_main(ref)) {
      main_.remove(ref);
      return;
    }
    small_.remove(ref);
    if (!displaced) return;
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
    size_ = small_weight_ = main_weight_ = 0;
  }

  // A cache that never evicts needs no room for ghosts. Without memory there are fewer ghosts.
  Ref victim(const uint64_t *coming) override {
    if (coming != nullptr) ghosts_.reserve(ghosts_of(size_), counts_memory(context_.options));
    if (takes_small()) {
      for (uint32_t left = kLooksAtOnce; !small_.empty(); left--) {
        if (left == 0) return kAskAgain;
        const Ref oldest = small_.back();
        const Slot slot = context_.place(oldest).slot;
        if (slot.use_bits() < kUsesForMain) return oldest;
        slot.set_use_bits(0);
        promote(oldest);
      }
    }
    const Ref stopped = main_.stop(kMostUses);
    return stopped != kNone ? stopped : small_.back();
  }

  Ref next_victim() const override { return takes_small() ? small_.next_back() : main_.next(); }
  void prefetch(uint64_t hash) const override { ghosts_.prefetch(hash); }

  // Rank 0 is the small queue. The ranks of the main queue follow, by use bits.
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
  // In a small queue of one entry, no entry would have the time to be used twice.
  static constexpr uint64_t kLeastShare = 2;
  static constexpr uint8_t kMain = 64;
  static_assert((kMain & kPolicyFlags) != 0, "the flag is the policy's own");

  static uint64_t ghosts_of(uint64_t entries) { return std::max<uint64_t>(entries * 9 / 10, 1); }
  bool takes_small() const {
    const uint64_t share = std::max((small_weight_ + main_weight_) / 10, kLeastShare);
    return main_.empty() || small_weight_ >= share;
  }
  bool is_main(Ref ref) const { return (context_.store().at(ref)->flags & kMain) != 0; }
  // Returns the weight of the queue that the entry is in.
  uint64_t &weight_of(Ref ref) { return is_main(ref) ? main_weight_ : small_weight_; }

  void enter_main(Ref ref) {
    context_.store().at(ref)->flags |= kMain;
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
  uint64_t size_ = 0;
  uint64_t small_weight_ = 0;
  uint64_t main_weight_ = 0;
};

}  // namespace

const PolicyKind kS3FifoKind = kind_of<S3Fifo>();

}  // namespace ct
