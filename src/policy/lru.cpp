// SPDX-License-Identifier: MIT
// LRU, and the orders that differ from it by a line: FIFO, ANY and MRU. TTL and TLRU are LRU, too.
// Each of them is a list of all entries.
#include "policy/policy.hpp"
#include "table/list.hpp"

namespace ct {
namespace {

// The entry that was used or stored last is at the front; the victim is at the back.
class Lru : public Policy {
 public:
  static constexpr Uses kUses = Uses::kBatched;

  explicit Lru(const PolicyContext &context) : list_(context.store()) {}

  void insert(Ref ref, uint64_t, Now &) override { list_.push_front(ref); }
  void update(Ref ref, uint64_t, uint64_t, Now &) override { list_.move_to_front(ref); }
  void used(const Ref *refs, uint32_t count) override { list_.move_to_front(refs, count); }
  void remove(Ref ref, uint64_t, bool) override { list_.remove(ref); }
  void moved(Ref, Ref to) override { list_.moved(to); }
  void clear() override { list_.clear(); }
  Ref victim(const uint64_t *) override { return list_.back(); }
  Ref next_victim() const override { return list_.next_back(); }

  bool step(Walk &walk, uint32_t *rank) const override {
    walk.ref = list_.after(walk.ref);
    *rank = 0;
    return walk.ref != kNone;
  }

#ifdef CT_VALIDATE
  const char *problem() const override {
    return list_.problem([](Ref) { return nullptr; });
  }
#endif

 protected:
  List list_;
};

// First in, first out. A use moves nothing; an update moves the entry to the front.
class Fifo : public Lru {
 public:
  static constexpr Uses kUses = Uses::kIgnored;
  using Lru::Lru;
};

// First inserted, first out. Neither a use nor an update moves an entry.
class Any : public Fifo {
 public:
  using Fifo::Fifo;
  void update(Ref, uint64_t, uint64_t, Now &) override {}
};

// The order of LRU from its other end: the entry that was used last leaves first.
class Mru : public Lru {
 public:
  static constexpr bool kTakesNewest = true;

  using Lru::Lru;
  Ref victim(const uint64_t *) override { return list_.front(); }
  Ref next_victim() const override { return list_.front(); }

  bool step(Walk &walk, uint32_t *rank) const override {
    walk.ref = walk.ref == kNone ? list_.front() : list_.towards_back(walk.ref);
    *rank = 0;
    return walk.ref != kNone;
  }
};

}  // namespace

const PolicyKind kLruKind = kind_of<Lru>();
const PolicyKind kTtlKind = kind_of<Lru>(Needs::kTtl);
const PolicyKind kTlruKind = kind_of<Lru>(Needs::kTtu);
const PolicyKind kFifoKind = kind_of<Fifo>();
const PolicyKind kAnyKind = kind_of<Any>();
const PolicyKind kMruKind = kind_of<Mru>();

}  // namespace ct
