// SPDX-License-Identifier: MIT
// Pins: values that are handed out, and stay where they are until they are released. The shard's lock
// guards all of it.
//
// An entry counts its own pins, up to kManyPins; what goes beyond is counted beside it. A ct_value
// names its shard and how far its bytes are from the entry's beginning, so that its entry is found
// without a search.
#ifndef CT_PINS_HPP
#define CT_PINS_HPP

#include <cachetools.h>

#include <cassert>
#include <cstdint>

#include "base/array.hpp"
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

  // How many there are, of all entries.
  uint64_t count() const { return count_; }
  bool has_many() const { return !many_.empty(); }

  // Returns false if there is no memory to count it. An entry's first pin needs none.
  bool pin(Entry *e) {
    if (e->pins == kManyPins) return pin_beyond(e);
    ++e->pins;
    count_++;
    return true;
  }
  void unpin(Entry *e) {
    assert(e->pins > 0 && count_ > 0);
    count_--;
    if (e->pins == kManyPins && unpin_beyond(e)) return;
    --e->pins;
  }

  // Pins e, and makes a value of bytes, its key or value. Returns false as pin does.
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
  // Without the lock, too: the value is pinned.
  static Entry *entry_of(const Store &store, const ct_value &value) {
    const uint64_t distance = value.pin & kFar;
    if (distance == kFar) return store.at(Layout::way_back(value.data));
    return reinterpret_cast<Entry *>(
        reinterpret_cast<uintptr_t>(static_cast<const char *>(value.data) - distance * 8));
  }

 private:
  // An entry with kManyPins, and how many pins it has beyond.
  struct Many {
    Entry *entry;
    uint64_t more;
  };

  [[gnu::noinline, gnu::cold]] bool pin_beyond(Entry *e);
  // Returns false if it has none beyond.
  [[gnu::noinline, gnu::cold]] bool unpin_beyond(Entry *e);

  uint64_t count_ = 0;
  Array<Many> many_;
};

}  // namespace ct

#endif
