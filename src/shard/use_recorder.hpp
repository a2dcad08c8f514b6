// SPDX-License-Identifier: MIT
// Lets a policy know of uses, in the way that it asks for (enum class Uses): not at all, by use
// bits of the index, each use at once, or some uses at a time (BP-Wrapper). Batched uses wait in
// the read log.
//
// All functions need the shard's lock, except those that say otherwise.
#ifndef CT_USE_RECORDER_HPP
#define CT_USE_RECORDER_HPP

#include <cstdint>

#include "base/clock.hpp"
#include "base/memory.hpp"
#include "policy/policy.hpp"
#include "shard/read_log.hpp"
#include "table/index.hpp"

namespace ct {

static_assert(ReadLog::kUses <= Policy::kUsesAtOnce, "a policy is told of a stripe at a time");

class UseRecorder {
 public:
  UseRecorder(const PolicyKind &kind, Memory &memory, bool shared) noexcept
      : uses_(kind.uses), most_uses_(kind.most_uses), log_(memory, shared) {}
  UseRecorder(const UseRecorder &) = delete;
  UseRecorder &operator=(const UseRecorder &) = delete;

  void attach(Policy *policy) { policy_ = policy; }
  ReadLog &log() { return log_; }
  const ReadLog &log() const { return log_; }
  // Needs no lock.
  [[gnu::always_inline]] ReadLog::Stripe *owned_stripe() const { return log_.owned_by_caller(); }
  ReadLog::Stripe &stripe_of_caller() const { return log_.stripe_of_caller(); }

  // Needs no lock. Returns false if the use needs more than a store: then finish_record, or else
  // record_in, must be called. With use bits, nothing is left to do once they are at their most,
  // which is 0 if the policy ignores uses. A policy that is told of each use immediately has no
  // reads without the lock.
  [[gnu::always_inline]] bool try_record(ReadLog::Stripe &own, Slot slot) const {
    if (uses_ == Uses::kBatched) return own.log(slot);
    return slot.use_bits() >= most_uses_;
  }
  // Needs no lock. Raises the use bits. Returns false if the use is batched, and so the stripe is
  // full: then record_in must be called.
  bool finish_record(Slot slot) const {
    if (uses_ == Uses::kBatched) return false;
    slot.count_use(most_uses_);
    return true;
  }
  // Tells the policy of all uses, and then logs this one, in a stripe that was full.
  void record_in(ReadLog::Stripe &own, Slot slot) {
    tell();
    log_.enlist(own);
    own.log(slot);
  }
  void record(Place place, uint64_t hash, Now &now) {
    switch (uses_) {
      case Uses::kIgnored:
        break;
      case Uses::kUseBits:
        place.slot.count_use(most_uses_);
        break;
      case Uses::kBatched:
        record_batched(place.slot);
        break;
      case Uses::kImmediate:
        changes_++;
        policy_->hit(place.ref, hash, now);
        break;
    }
  }
  // Tells the policy of all uses so far.
  void settle() {
    if (uses_ == Uses::kBatched && log_.is_in_use()) tell();
  }
  // How often uses and insertions have changed the order. The version of the index does not show
  // these.
  uint64_t changes() const { return changes_; }
  void order_changed() { changes_++; }

 private:
  void record_batched(Slot slot) {
    ReadLog::Stripe &own = log_.stripe_of_caller();
    if (!own.log(slot)) record_in(own, slot);
  }
  void tell();

  const Uses uses_;
  const uint8_t most_uses_;
  Policy *policy_ = nullptr;
  ReadLog log_;
  uint64_t changes_ = 0;
};

}  // namespace ct

#endif
