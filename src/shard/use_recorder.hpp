// SPDX-License-Identifier: MIT
// How a policy learns of uses (enum class Uses): not at all, by use bits of the index, each at once,
// or some at a time (BP-Wrapper). Batched uses wait in the read log once there is one, before that in
// an array.
//
// All is under the shard's lock, but for what says that it is not.
#ifndef CT_USE_RECORDER_HPP
#define CT_USE_RECORDER_HPP

#include <cstdint>

#include "base/clock.hpp"
#include "base/memory.hpp"
#include "policy/policy.hpp"
#include "shard/read_log.hpp"
#include "table/index.hpp"

namespace ct {

class UseRecorder {
 public:
  UseRecorder(const PolicyKind &kind, Memory &memory, bool shared) noexcept
      : uses_(kind.uses), most_uses_(kind.most_uses), log_(memory, shared) {}
  UseRecorder(const UseRecorder &) = delete;
  UseRecorder &operator=(const UseRecorder &) = delete;

  void attach(Policy *policy) { policy_ = policy; }
  void open_log() { log_.open(); }
  // Without the lock.
  bool has_log() const { return log_.is_open(); }
  ReadLog &log() { return log_; }

  // Without the lock, once there is a log. Returns false if the stripe is full: then record_in is to
  // be called.
  [[gnu::always_inline]] bool try_record(ReadLog::Stripe &own, Place place) {
    place.count_use(most_uses_);
    return uses_ != Uses::kBatched || own.use(place);
  }
  void record_in(ReadLog::Stripe &own, Place place) {
    tell();
    log_.use(own);
    own.use(place);
  }
  void record(Place place, uint64_t hash, Now &now) {
    switch (uses_) {
      case Uses::kIgnored:
        break;
      case Uses::kUseBits:
        place.count_use(most_uses_);
        break;
      case Uses::kBatched:
        record_batched(place);
        break;
      case Uses::kImmediate:
        changes_++;
        policy_->hit(place.ref, hash, now);
        break;
    }
  }
  // Tells the policy of all uses so far.
  void settle() {
    if (uses_ == Uses::kBatched) tell();
  }
  // Whether no use waits outside of the log; those in the log may always be joined by others.
  bool is_settled() const { return waiting_count_ == 0; }

  // How often the order has changed by uses and insertions, of which the index does not tell.
  uint64_t changes() const { return changes_; }
  void order_changed() { changes_++; }

 private:
  // A thread's uses are in one place, so that they stay in order: its stripe once there is one.
  void record_batched(Place place) {
    if (!log_.is_open()) {
      if (waiting_count_ == ReadLog::kUses) tell();
      waiting_[waiting_count_++] = place.ref;
      return;
    }
    ReadLog::Stripe &own = log_.own();
    if (!own.use(place)) record_in(own, place);
  }
  void tell();

  const Uses uses_;
  const uint8_t most_uses_;
  Policy *policy_ = nullptr;
  ReadLog log_;
  uint64_t changes_ = 0;
  uint32_t waiting_count_ = 0;
  Ref waiting_[ReadLog::kUses];
};

}  // namespace ct

#endif
