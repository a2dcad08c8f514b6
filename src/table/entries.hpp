// SPDX-License-Identifier: MIT
// The entries of a shard. Each is a block of the store and, if key and value are large, an
// allocation apart. The class knows nothing of caches, and its owner locks.
#ifndef CT_ENTRIES_HPP
#define CT_ENTRIES_HPP

#include <cachetools.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/hash.hpp"
#include "base/memory.hpp"
#include "table/entry.hpp"
#include "table/store.hpp"
#include "table/tags.hpp"

namespace ct {

// A key and its hash, on their way through the library.
struct Probe {
  Bytes key;
  uint64_t hash;
};

// A copy of a large key and value in an allocation of their own, until an entry owns it.
class ApartCopy {
 public:
  explicit ApartCopy(Memory &memory) noexcept : memory_(memory) {}
  ~ApartCopy() { memory_.release(data_, bytes_, 8); }
  ApartCopy(const ApartCopy &) = delete;
  ApartCopy &operator=(const ApartCopy &) = delete;

  // Returns false if there is no memory.
  bool make(Bytes key, Bytes value) noexcept {
    assert(data_ == nullptr);
    bytes_ = Layout::apart_bytes(key.size, value.size);
    data_ = static_cast<char *>(memory_.allocate_written(bytes_, 8));
    if (data_ == nullptr) return false;
    char *to = data_ + 8;
    if (value.size > 0) std::memcpy(to, value.data, value.size);
    to += round_up_8(value.size) + 8;
    if (key.size > 0) std::memcpy(to, key.data, key.size);
    return true;
  }
  char *give() noexcept { return std::exchange(data_, nullptr); }

 private:
  Memory &memory_;
  char *data_ = nullptr;
  size_t bytes_ = 0;
};

class Entries {
 public:
  Entries(Memory &memory, const Layout &layout, const ct_options &options, Tags &tags,
          bool tight) noexcept
      : layout_(layout),
        seed_(options.seed),
        weight_kind_(options.weight_kind),
        tags_(tags),
        store_(memory, layout_, tight) {}
  Entries(const Entries &) = delete;
  Entries &operator=(const Entries &) = delete;

  const Layout &layout() const { return layout_; }
  Store &store() { return store_; }
  const Store &store() const { return store_; }
  // Returns whether an entry, dead ones included, owns more than its block: an allocation apart, or
  // tags.
  bool own_more() const { return owned_ != 0; }

  // May be called without the owner's lock for an entry that cannot go meanwhile.
  Entry *at(Ref ref) const { return store_.at(ref); }

  Bytes key(const Entry *e) const { return layout_.key(e); }
  Bytes key(Ref ref) const { return key(at(ref)); }
  Bytes value(const Entry *e) const { return layout_.value(e); }
  bool has_key(Ref ref, Bytes key) const { return layout_.has_key(at(ref), key.data, key.size); }
  uint64_t hash_of(Bytes key) const { return hash_key(key.data, key.size, seed_); }
  uint64_t hash_of(Ref ref) const { return hash_of(key(ref)); }
  uint64_t deadline(const Entry *e) const { return layout_.deadline(e); }
  // Returns whether one of the entry's tags was invalidated.
  bool is_invalidated(const Entry *e) const {
    return __builtin_expect((e->flags & kTags) != 0, 0) && has_invalid_tag(e);
  }
  Tags &tags() const { return tags_; }

#ifdef CT_VALIDATE
  // Returns how many tags all blocks hold together.
  uint64_t slots() const { return slots_; }
  // begin_work is called when the owner has taken its lock, count_work for each entry that it works
  // on, and for what a policy keeps of as many keys.
  void begin_work() const {
    holds_.fetch_add(1, std::memory_order_relaxed);
    work_.store(0, std::memory_order_relaxed);
  }
  void count_work(uint64_t entries = 1) const {
    const uint64_t work = work_.fetch_add(entries, std::memory_order_relaxed) + entries;
    if (work > most_work_.load(std::memory_order_relaxed)) {
      most_work_.store(work, std::memory_order_relaxed);
    }
  }
  // Reports since the previous call: adds how often the lock was taken to *holds, and raises *most
  // to the largest number of entries worked on while the lock was held once.
  void take_work(uint64_t *holds, uint64_t *most) const {
    *holds += holds_.exchange(0);
    *most = std::max(*most, most_work_.exchange(0));
  }
#else
  void begin_work() const {}
  void count_work(uint64_t = 1) const {}
#endif

  // Returns the weight, by a ct_weight_kind, of an entry that has no weight of its own.
  static uint64_t weigh(int32_t kind, const Layout &layout, uint8_t flags, size_t key_size,
                        size_t value_size, uint32_t tags) {
    if (kind == CT_WEIGHT_COUNT) return 1;
    if (kind == CT_WEIGHT_VALUE) return value_size;
    const size_t block = layout.block_bytes(flags, key_size, value_size, tags);
    const uint64_t inside = block + Store::free_share(block) + layout.bytes_beside;
    if ((flags & kApart) == 0) return inside;
    return inside + PageHeaps::weigh(Layout::apart_bytes(key_size, value_size));
  }
  uint64_t weigh(uint8_t flags, size_t key_size, size_t value_size, uint32_t tags) const {
    return weigh(weight_kind_, layout_, flags, key_size, value_size, tags);
  }
  uint64_t weight_of(const Entry *e) const {
    if ((e->flags & kWeight) != 0) return *layout_.weight(e);
    return weight_kind_ == CT_WEIGHT_COUNT ? 1 : weigh_bytes(e);
  }

  // Makes a block with these flags, lengths and number of tags. Its content is still to be written;
  // a block with kApart takes over the copy instead. Returns kNone if there is no memory, or if no
  // reference is left because the store is full.
  Ref make(uint8_t flags, size_t key_size, size_t value_size, uint32_t tags,
           ApartCopy &apart) noexcept {
    const Ref ref = store_.allocate(layout_.block_bytes(flags, key_size, value_size, tags));
    if (ref == kNone) return kNone;
    Entry *e = at(ref);
    e->flags = flags;
    if ((flags & kApart) != 0) {
      e->key_size = kApartKeySize;
      Apart *own = layout_.apart(e);
      own->data = apart.give();
      own->key_size = static_cast<uint32_t>(key_size);
      own->value_size = static_cast<uint32_t>(value_size);
      owned_++;
    } else {
      e->key_size = static_cast<uint16_t>(key_size);
      e->value_size = static_cast<uint16_t>(value_size);
    }
    layout_.write_ways_back(e, ref);
    if ((flags & kTags) != 0) make_slots(e, tags);
    return ref;
  }
  // Writes key and value into a block that make has made.
  void fill(Entry *e, Bytes key, Bytes value) const {
    if ((e->flags & kApart) != 0) return;
    layout_.fill(layout_.key(e), key);
    layout_.fill(layout_.value(e), value);
  }

  // Writes another entry into a block whose entry has left: not apart, and as large.
  void refill(Ref ref, Entry *e, uint8_t flags, Bytes key, Bytes value) {
    e->key_size = static_cast<uint16_t>(key.size);
    e->flags = flags;
    e->value_size = static_cast<uint16_t>(value.size);
    layout_.write_ways_back(e, ref);
    fill(e, key, value);
  }
  // Does the same for an entry with the same lengths, and flags but for what is only noted there.
  void refill_alike(Entry *e, uint8_t flags, Bytes key, Bytes value) {
    e->flags = flags;
    layout_.fill({Layout::at(e, layout_.key_offset(flags)), key.size}, key);
    layout_.fill({Layout::at(e, layout_.value_offset(flags, key.size)), value.size}, value);
  }

  // Copies an entry to a block with other flags. Links, hook and lifetime are not copied. apart is
  // a copy of what lies apart, if anything does. Returns kNone as make does.
  Ref copy(const Entry *from, uint8_t flags, ApartCopy &apart) noexcept;
  // Copies an entry to a block elsewhere in the store, without its links and hook. Returns kNone if
  // there is no such block.
  Ref copy_elsewhere(const Entry *from) noexcept;
  // Frees only the block, because what else it owned belongs to another entry now.
  void free_moved(Ref ref, const Entry *e) { store_.release(ref, layout_.block_bytes(e)); }
  void free(Ref ref, Entry *e) {
    if ((e->flags & (kApart | kTags)) != 0) free_more(e);
    store_.release(ref, layout_.block_bytes(e));
  }
  // Frees a dead entry, whose reference stands in prev.
  void free_dead(Entry *e) {
    assert(e->is_dead() && e->pins == 0);
    free(e->prev, e);
  }

 private:
  [[gnu::noinline, gnu::cold]] bool has_invalid_tag(const Entry *e) const;
  uint64_t weigh_bytes(const Entry *e) const;
  void make_slots(Entry *e, uint32_t tags);
  void count_slots(uint64_t more) {
    owned_ += more;
#ifdef CT_VALIDATE
    slots_ += more;
#endif
  }
  [[gnu::noinline]] void free_more(Entry *e) noexcept;

  const Layout layout_;
  const uint64_t seed_;
  const int32_t weight_kind_;
  Tags &tags_;
  Store store_;
  uint64_t owned_ = 0;  // allocations apart, and tags, of all entries
#ifdef CT_VALIDATE
  uint64_t slots_ = 0;  // tags of all entries
  mutable std::atomic<uint64_t> holds_{0};
  mutable std::atomic<uint64_t> work_{0};
  mutable std::atomic<uint64_t> most_work_{0};
#endif
};

}  // namespace ct

#endif
