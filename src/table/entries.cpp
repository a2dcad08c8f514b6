// SPDX-License-Identifier: MIT
#include "table/entries.hpp"

namespace ct {

uint64_t Entries::weigh_bytes(const Entry *e) const {
  return weigh(e->flags, key(e).size, value(e).size, layout_.tag_count(e));
}

// No tag holds a slot until one is written into it.
void Entries::make_slots(Entry *e, uint32_t tags) {
  TagSlot *slots = layout_.tags(e);
  for (uint32_t i = 0; i < tags; i++) slots[i] = tag_slot(0, i == 0 ? tags : 0);
  count_slots(tags);
}

void Entries::free_more(Entry *e) noexcept {
  if ((e->flags & kTags) != 0) {
    tags_.release(layout_.tags(e));
    count_slots(uint64_t{0} - layout_.tag_count(e));
  }
  if ((e->flags & kApart) == 0) return;
  const Apart *apart = layout_.apart(e);
  const size_t bytes = Layout::apart_bytes(apart->key_size, apart->value_size);
  store_.memory().release(apart->data, bytes, 8);
  owned_--;
}

Ref Entries::copy(const Entry *from, uint8_t flags, ApartCopy &apart) noexcept {
  const Bytes key = layout_.key(from);
  const Bytes value = layout_.value(from);
  const Ref ref = make(flags, key.size, value.size, layout_.tag_count(from), apart);
  if (ref == kNone) return kNone;
  Entry *to = at(ref);
  if ((flags & kTags) != 0) tags_.hold_again(layout_.tags(from), layout_.tags(to));
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

bool Entries::has_invalid_tag(const Entry *e) const { return tags_.has_invalid(layout_.tags(e)); }

}  // namespace ct
