// SPDX-License-Identifier: MIT
#include "lfu.hpp"

#include "../policy_shard.hpp"
#include "kinds.hpp"

namespace ct {

const PolicyKind kLfuKind = kind_of<Lfu>();

}  // namespace ct
