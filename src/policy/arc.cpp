// SPDX-License-Identifier: MIT
// ARC (Megiddo, Modha, "ARC: A Self-Tuning, Low Overhead Replacement Cache", FAST 2003). It keeps
// two lists, with the least recently used entry at the back. T1 holds the entries that were used
// once since they came, and T2 those that were used again. B1 and B2 are the ghosts of the keys
// that were evicted from T1 and T2. A key that comes back from B1 shows that T1 should have been
// larger; a key that comes back from B2 shows that T2 should. From this ARC learns p, the target
// for the size of T1. The victim is taken from the list that is beyond its share.
//
// Sizes are numbers of entries, whatever these weigh. c is the number of entries when room was last
// made. The paper's invariants hold after each insert that had to make room:
//   T1 + B1 <= c, and T1 + T2 + B1 + B2 <= 2 c.
#include <algorithm>

#include "policy/ghosts.hpp"
#include "policy/policy.hpp"
#include "table/list.hpp"

namespace ct {
namespace {

class Arc : public Policy {
 public:
  static constexpr Uses kUses = Uses::kBatched;
  static constexpr size_t kBytesBeside = 2 * Ghosts::kBytesEach;

  explicit Arc(const PolicyContext &context)
      : entries_(context.entries),
        store_(context.store()),
        once_(context.store()),
        again_(context.store()),
        once_gone_(context.memory),
        again_gone_(context.memory),
        tight_(counts_memory(context.options)) {}

  void insert(Ref ref, uint64_t hash, Now &) override {
    // The key is known, too, if its entry was evicted to make room for its own update.
    const bool known = (hash == coming_ && from_ != kNew) || remove_ghost(hash) != kNew;
    from_ = kNew;
    count_++;
    once_gone_.go_on();
    again_gone_.go_on();
    entries_.count_work(once_gone_.take_work() + again_gone_.take_work());
    if (known) {
      join_again(ref);
    } else {
      once_.push_front(ref);
      once_count_++;
    }
  }

  void used(const Ref *refs, uint32_t count) override {
    once_.prefetch_neighbours(refs, count);
    for (uint32_t i = 0; i < count; i++) use(refs[i]);
  }
  void update(Ref ref, uint64_t, uint64_t, Now &) override { use(ref); }

  void remove(Ref ref, uint64_t hash, bool displaced) override {
    if (displaced) become_ghost(ref, hash);
    count_--;
    if (is_again(ref)) {
      again_.remove(ref);
    } else {
      once_.remove(ref);
      once_count_--;
    }
  }

  void moved(Ref, Ref to) override { (is_again(to) ? again_ : once_).moved(to); }

  void clear() override {
    once_.clear();
    again_.clear();
    once_gone_.clear();
    again_gone_.clear();
    once_count_ = count_ = c_ = 0;
    target_ = 0;
    from_ = kNew;
  }

  // In the paper's order: a key that comes back adapts p, then the victim is chosen.
  Ref victim(const uint64_t *coming) override {
    if (coming != nullptr) {
      if (*coming != coming_ || from_ == kNew) adapt(*coming);
      once_gone_.reserve(count_, tight_);
      again_gone_.reserve(count_, tight_);
    }
    return takes_once(once_count_, count_ - once_count_) ? once_.back() : again_.back();
  }

  Ref next_victim() const override {
    return takes_once(once_count_, count_ - once_count_) ? once_.next_back() : again_.next_back();
  }
  void prefetch(uint64_t hash) const override {
    once_gone_.prefetch(hash);
    again_gone_.prefetch(hash);
  }

  // If nothing else happened, T1 would leave down to its share, then T2, then the rest of T1.
  bool step(Walk &walk, uint32_t *rank) const override {
    if (walk.part == 0) {
      walk.ref = once_.after(walk.ref);
      if (walk.ref != kNone) {
        const uint64_t left = once_count_ - std::min(once_count_, walk.passed++);
        *rank = takes_once(left, count_ - once_count_) ? 0 : 2;
        return true;
      }
      walk.part = 1;
    }
    walk.ref = again_.after(walk.ref);
    *rank = 1;
    return walk.ref != kNone;
  }

#ifdef CT_VALIDATE
  const char *problem() const override {
    uint64_t once = 0;
    const char *problem = once_.problem([&](Ref ref) {
      once++;
      return is_again(ref) ? "arc: an entry of T2 is in T1" : nullptr;
    });
    if (problem != nullptr) return problem;
    uint64_t again = 0;
    problem = again_.problem([&](Ref ref) {
      again++;
      return is_again(ref) ? nullptr : "arc: an entry of T1 is in T2";
    });
    if (problem != nullptr) return problem;
    if (once != once_count_ || once + again != count_) return "arc: it has miscounted";
    if (once_gone_.size() + again_gone_.size() > c_) return "arc: there are too many ghosts";
    problem = once_gone_.problem();
    return problem != nullptr ? problem : again_gone_.problem();
  }
#endif

 private:
  static constexpr uint8_t kAgain = 64;  // of kPolicyFlags: the entry is in T2
  // The ghosts that a key was among when it came.
  enum Origin : uint8_t { kNew, kB1, kB2 };

  bool is_again(Ref ref) const { return (store_.at(ref)->flags & kAgain) != 0; }

  void use(Ref ref) {
    if (is_again(ref)) {
      again_.move_to_front(ref);
    } else {
      once_.remove(ref);
      once_count_--;
      join_again(ref);
    }
  }

  void join_again(Ref ref) {
    store_.at(ref)->flags |= kAgain;
    again_.push_front(ref);
  }

  // Returns whether the next victim is taken from T1: REPLACE in the paper.
  bool takes_once(uint64_t once, uint64_t again) const {
    if (once == 0 || again == 0) return again == 0;
    const auto size = static_cast<double>(once);
    return size > target_ || (size == target_ && from_ == kB2);
  }

  // Returns the ghosts that the key was among.
  Origin remove_ghost(uint64_t hash) {
    if (once_gone_.remove(hash)) return kB1;
    return again_gone_.remove(hash) ? kB2 : kNew;
  }

  void adapt(uint64_t hash) {
    const auto b1 = static_cast<double>(once_gone_.size());
    const auto b2 = static_cast<double>(again_gone_.size());
    coming_ = hash;
    from_ = remove_ghost(hash);
    if (from_ == kB1) {
      target_ = std::min(target_ + std::max(b2 / b1, 1.0), static_cast<double>(c_));
    } else if (from_ == kB2) {
      target_ = std::max(target_ - std::max(b1 / b2, 1.0), 0.0);
    }
  }

  // Makes a ghost of an entry that is about to leave. Drops the ghosts that would be too many. The
  // entry's own ghost may be among these.
  void become_ghost(Ref ref, uint64_t hash) {
    c_ = count_;
    target_ = std::min(target_, static_cast<double>(c_));
    // A new key will be in T1. A key that comes back is no ghost any more, and will be in T2.
    const uint64_t coming = from_ == kNew ? 1 : 0;
    while (once_count_ + once_gone_.size() + coming > c_ && once_gone_.size() != 0) {
      once_gone_.drop_oldest();
    }
    const bool remembered = once_count_ + once_gone_.size() + coming <= c_;
    while (once_gone_.size() + again_gone_.size() + (remembered ? 1 : 0) > c_) {
      (again_gone_.size() != 0 ? again_gone_ : once_gone_).drop_oldest();
    }
    if (remembered) (is_again(ref) ? again_gone_ : once_gone_).add(hash);
  }

  const Entries &entries_;
  const Store &store_;
  List once_;          // T1
  List again_;         // T2
  Ghosts once_gone_;   // B1
  Ghosts again_gone_;  // B2
  const bool tight_;   // the limit is on memory
  uint64_t once_count_ = 0;
  uint64_t count_ = 0;  // entries in both lists
  uint64_t c_ = 0;
  double target_ = 0;  // p
  // The key for which room is being made, and the ghosts among which it was found.
  uint64_t coming_ = 0;
  Origin from_ = kNew;
};

}  // namespace

const PolicyKind kArcKind = kind_of<Arc>();

}  // namespace ct
