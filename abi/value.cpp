// SPDX-License-Identifier: MIT
// Pinned values.
#include "boundary.hpp"

void ct_value_release(ct_value *value) {
  if (value == nullptr || value->pin == 0) return;
  ct::Shard::of_pin(value->pin).release(value);
}

ct_status ct_value_ref(const ct_value *value, ct_value *out) {
  if (out == nullptr || out == value) return CT_ERR_INVALID;
  *out = ct_value CT_VALUE_INIT;
  if (value == nullptr) return CT_ERR_INVALID;
  return value->pin == 0 ? CT_OK : ct::Shard::of_pin(value->pin).repin(*value, out);
}
