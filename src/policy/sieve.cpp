// SPDX-License-Identifier: MIT
#include "sieve.hpp"

#include "kinds.hpp"

namespace ct {

const PolicyKind kSieveKind = kind_of<Sieve>();

}  // namespace ct
