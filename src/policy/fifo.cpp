// SPDX-License-Identifier: MIT
#include "fifo.hpp"

#include "kinds.hpp"

namespace ct {

const PolicyKind kFifoKind = kind_of<Fifo>();

}  // namespace ct
