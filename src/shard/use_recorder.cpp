// SPDX-License-Identifier: MIT
#include "shard/use_recorder.hpp"

namespace ct {

void UseRecorder::tell() {
  log_.tell_uses([this](const Ref *refs, uint32_t count) {
    changes_++;
    policy_->used(refs, count);
  });
}

}  // namespace ct
