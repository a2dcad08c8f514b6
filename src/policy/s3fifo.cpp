// SPDX-License-Identifier: MIT
#include "s3fifo.hpp"

#include "kinds.hpp"

namespace ct {

const PolicyKind kS3FifoKind = kind_of<S3Fifo>();

}  // namespace ct
