// SPDX-License-Identifier: MIT
#include "table/entries.hpp"

namespace ct {

uint64_t Entries::weigh_bytes(const Entry *e) const {
  return weigh(e->flags, key(e).size, value(e).size);
}

Ref Entries::copy(const Entry *from, uint8_t flags, ApartCopy &apart) noexcept {
  const Bytes key = layout_.key(from);
  const Bytes value = layout_.value(from);
  const Ref ref = make(flags, key.size, value.size, apart);
  if (ref == kNone) return kNone;
  Entry *to = at(ref);
  if ((flags & kWeight) != 0) *layout_.weight(to) = *layout_.weight(from);
  fill(to, key, value);
  return ref;
}

Ref Entries::copy_elsewhere(const Entry *from) noexcept {
  const size_t bytes = layout_.block_bytes(from);
  const Ref ref = store_.allocate_elsewhere(bytes);
  if (ref == kNone) return kNone;
  Entry *to = at(ref);
  to->key_size = from->key_size;
  to->value_size = from->value_size;
  to->flags = from->flags;
  layout_.fill({Layout::at(to, sizeof *to), 0},
               {Layout::at(from, sizeof *from), bytes - sizeof *from});
  layout_.write_ways_back(to, ref);
  return ref;
}

}  // namespace ct
