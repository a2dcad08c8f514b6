// SPDX-License-Identifier: MIT
#include "lru.hpp"

#include "../policy_shard.hpp"
#include "kinds.hpp"

namespace ct {

const PolicyKind kLruKind = kind_of<Lru>();

}  // namespace ct
