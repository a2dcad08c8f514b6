// SPDX-License-Identifier: MIT
#include "shard/use_recorder.hpp"

namespace ct {

void UseRecorder::tell() {
  const auto tell = [this](const Ref *refs, uint32_t count) {
    changes_++;
    policy_->used(refs, count);
  };
  if (waiting_count_ != 0) tell(waiting_, waiting_count_);
  waiting_count_ = 0;
  log_.tell_uses(tell);
}

}  // namespace ct
