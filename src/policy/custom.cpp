// SPDX-License-Identifier: MIT
// The caller's own policy. It knows entries by ids. An id is a place in an array, which holds the
// entry's reference, or the next free id. An entry's id stands in its `prev`.
#include "base/long_array.hpp"
#include "policy/policy.hpp"

namespace ct {
namespace {

class Custom : public Policy {
 public:
  static constexpr Uses kUses = Uses::kImmediate;
  static constexpr bool kOrdered = false;
  static constexpr size_t kBytesBeside = sizeof(Ref) * 2;

  explicit Custom(const PolicyContext &context)
      : context_(context), ops_(*context.options.custom), ids_(context.memory) {
    state_ = ops_.state_new != nullptr
                 ? ops_.state_new(context.options.user_data, context.options.maxsize)
                 : context.options.user_data;
    ready_ = ops_.state_new == nullptr || state_ != nullptr;
  }
  ~Custom() {
    if (ready_ && ops_.state_free != nullptr) ops_.state_free(state_);
  }
  Custom(const Custom &) = delete;
  Custom &operator=(const Custom &) = delete;

  bool ready() const override { return ready_; }
  bool reserve(uint64_t count) override { return ids_.reserve(count); }

  void insert(Ref ref, uint64_t, Now &now) override {
    uint32_t id = free_;
    if (id != kNoId) {
      free_ = ids_[id].next_free;
    } else {
      id = ids_.size();
      ids_.push({});
    }
    ids_[id] = {ref, kNoId};
    entry(ref)->prev = id;
    const Bytes key = context_.layout().key(entry(ref));
    ops_.on_insert(state_, id, context_.weight(ref), key.data, key.size, now());
  }
  void update(Ref ref, uint64_t, uint64_t, Now &now) override { tell_update(ref, now); }
  void reweigh(Ref ref, uint64_t, Now &now) override {
    if (ops_.on_reweigh == nullptr) return tell_update(ref, now);
    ops_.on_reweigh(state_, entry(ref)->prev, context_.weight(ref));
  }
  void hit(Ref ref, uint64_t, Now &now) override {
    if (ops_.on_hit != nullptr) ops_.on_hit(state_, entry(ref)->prev, now());
  }
  void remove(Ref ref, uint64_t, bool) override {
    const uint32_t id = entry(ref)->prev;
    ops_.on_remove(state_, id);
    ids_[id] = {kNone, free_};
    free_ = id;
  }
  void moved(Ref, Ref to) override { ids_[entry(to)->prev].ref = to; }
  void clear() override {
    if (ops_.on_clear != nullptr) {
      ops_.on_clear(state_);
    } else {
      for (uint32_t id = 0; id < ids_.size(); id++) {
        if (ids_[id].ref != kNone) ops_.on_remove(state_, id);
      }
    }
    ids_.clear();
    free_ = kNoId;
  }
  bool clears_at_once() const override { return ops_.on_clear != nullptr; }
  void resize(uint64_t maxsize) override {
    if (ops_.on_resize != nullptr) ops_.on_resize(state_, maxsize);
  }
  Ref victim(const uint64_t *) override {
    const uint32_t id = ops_.victim(state_);
    return id < ids_.size() ? ids_[id].ref : kNone;
  }
  bool step(Walk &, uint32_t *) const override { return false; }

 private:
  static constexpr uint32_t kNoId = UINT32_MAX;

  struct Id {
    Ref ref;  // kNone if the id is free
    uint32_t next_free;
  };

  Entry *entry(Ref ref) const { return context_.store().at(ref); }
  void tell_update(Ref ref, Now &now) {
    if (ops_.on_update == nullptr) return;
    const Bytes key = context_.layout().key(entry(ref));
    ops_.on_update(state_, entry(ref)->prev, context_.weight(ref), key.data, key.size, now());
  }

  PolicyContext context_;
  const ct_policy_ops &ops_;  // in the cache's own options
  LongArray<Id> ids_;
  uint32_t free_ = kNoId;
  void *state_;
  bool ready_;
};

}  // namespace

const PolicyKind kCustomKind = kind_of<Custom>(Needs::kOps);

}  // namespace ct
