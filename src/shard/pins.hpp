// SPDX-License-Identifier: MIT
// Pins. A pin keeps a value that was handed out in its place, until the value is released. The
// shard's lock guards all pins.
//
// An entry counts its own pins, up to kManyPins. Pins beyond that are counted here. A ct_value
// names its shard and the distance of its bytes from the beginning of the entry, so that the entry
// is found without a search.
#ifndef CT_PINS_HPP
#define CT_PINS_HPP

#include <cachetools.h>

#include <cassert>
#include <cstdint>

#include "base/array.hpp"
#include "base/handle.hpp"
#include "base/memory.hpp"
#include "table/entry.hpp"
#include "table/store.hpp"

namespace ct {

class Shard;

class Pins {
 public:
  explicit Pins(Memory &memory) noexcept : many_(memory) {}
  Pins(const Pins &) = delete;
  Pins &operator=(const Pins &) = delete;

  // How many pins there are, of all entries.
  uint64_t count() const { return count_; }
  bool has_many() const { return !many_.empty(); }

  // Returns false if there is no memory to count the pin. An entry's first pin needs no memory.
  bool pin(Entry *e) {
    if (e->pins == kManyPins) return pin_beyond(e);
    ++e->pins;
    count_++;
    return true;
  }
  void unpin(Entry *e) {
    if (kDebugHandles && e->pins == 0) abort_for("a ct_value", "was released twice");
    assert(e->pins > 0 && count_ > 0);
    count_--;
    if (e->pins == kManyPins && unpin_beyond(e)) return;
    --e->pins;
  }

  // Keeps a block for a value that was handed out of another block, until let_go_of. This is no
  // ct_value, so count() leaves it out. The block is new, so this needs no memory.
  void keep(Entry *e) {
    pin(e);
    count_--;
    kept_++;
  }
  void let_go_of(Entry *e) {
    count_++;
    kept_--;
    unpin(e);
  }
  uint64_t kept() const { return kept_; }

  // Pins e, and makes a value of `bytes`, which are its key or value. Returns false if there is no
  // memory to count the pin.
  bool hand_out(const Shard *shard, Entry *e, Bytes bytes, ct_value *out) {
    if (!pin(e)) return false;
    out->data = bytes.data;
    out->size = bytes.size;
    out->pin = reinterpret_cast<uintptr_t>(shard) | Layout::pin_distance(e, bytes.data);
    return true;
  }
  static Shard &shard_of(uint64_t pin) {
    return *reinterpret_cast<Shard *>(static_cast<uintptr_t>(pin & ~kFar));
  }
  // Needs no lock, since the value is pinned.
  static Entry *entry_of(const Store &store, const ct_value &value) {
    const uint64_t distance = value.pin & kFar;
    if (distance == kFar) return store.at(Layout::way_back(value.data));
    return reinterpret_cast<Entry *>(
        reinterpret_cast<uintptr_t>(static_cast<const char *>(value.data) - distance * 8));
  }

 private:
  // An entry that counts kManyPins, and how many pins it has beyond these.
  struct Many {
    Entry *entry;
    uint64_t more;
  };

  [[gnu::noinline, gnu::cold]] bool pin_beyond(Entry *e);
  // Returns false if the entry has no pins beyond kManyPins.
  [[gnu::noinline, gnu::cold]] bool unpin_beyond(Entry *e);

  uint64_t count_ = 0;
  uint64_t kept_ = 0;
  Array<Many> many_;
};

}  // namespace ct

#endif
