// SPDX-License-Identifier: MIT
// Random replacement: an array of all entries. When an entry leaves, the last entry of the array
// takes its place. An entry's number in the array stands in its `prev`.
#include "base/long_array.hpp"
#include "base/random.hpp"
#include "policy/policy.hpp"

namespace ct {
namespace {

class Rr : public Policy {
 public:
  static constexpr bool kOrdered = false;
  static constexpr Uses kUses = Uses::kIgnored;
  static constexpr size_t kBytesBeside = sizeof(Ref);

  explicit Rr(const PolicyContext &context)
      : store_(context.store()),
        refs_(context.memory),
        choice_(context.options.choice),
        user_data_(context.options.user_data),
        random_(context.seed) {}

  bool reserve(uint64_t count) override { return refs_.reserve(count); }
  void insert(Ref ref, uint64_t, Now &) override {
    store_.at(ref)->prev = refs_.size();
    refs_.push(ref);
  }
  void update(Ref, uint64_t, uint64_t, Now &) override {}
  void remove(Ref ref, uint64_t, bool) override {
    const uint32_t number = store_.at(ref)->prev;
    refs_[number] = refs_.back();
    store_.at(refs_[number])->prev = number;
    refs_.pop();
  }
  void moved(Ref, Ref to) override { refs_[store_.at(to)->prev] = to; }
  void clear() override { refs_.clear(); }
  Ref victim(const uint64_t *) override {
    if (refs_.empty()) return kNone;
    const uint64_t count = refs_.size();
    return refs_[static_cast<uint32_t>((choice_ ? choice_(user_data_, count) : random_()) % count)];
  }
  bool step(Walk &, uint32_t *) const override { return false; }

#ifdef CT_VALIDATE
  const char *problem() const override {
    for (uint32_t i = 0; i < refs_.size(); i++) {
      if (store_.at(refs_[i])->prev != i) return "rr: an entry does not know its number";
    }
    return nullptr;
  }
#endif

 private:
  const Store &store_;
  LongArray<Ref> refs_;
  ct_choice_fn choice_;
  void *user_data_;
  Random random_;
};

}  // namespace

const PolicyKind kRrKind = kind_of<Rr>();

}  // namespace ct
