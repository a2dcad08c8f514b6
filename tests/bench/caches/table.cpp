// SPDX-License-Identifier: MIT
// The floor: a table with open addressing, in one piece of memory that is touched beforehand. It
// keeps no order and takes no lock; a new key in a full table drops one next to it.
#include <sys/mman.h>

#include <cstring>
#include <new>

#include "../cache.hpp"

namespace bench {
namespace {

// Linear probing. Removal shifts back the keys that follow, so that no tombstones are needed
// (Knuth, The Art of Computer Programming, volume 3, 6.4, algorithm R). A key of zeros is an empty
// slot.
class Table final : public Cache {
 public:
  explicit Table(const Setup &setup)
      : entries_(setup.entries),
        value_size_(setup.value_size),
        slot_size_(sizeof(Key) + setup.value_size),
        slots_(setup.entries * 2 + 2),
        bytes_(slots_ * slot_size_) {
    void *memory =
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<char *>(memory);
    memset(memory_, 0, bytes_);
  }

  ~Table() override { munmap(memory_, bytes_); }
  Table(const Table &) = delete;
  Table &operator=(const Table &) = delete;

  bool get(const Key &key, char *value) override {
    const size_t slot = find(key);
    if (is_empty(slot)) return false;
    memcpy(value, value_at(slot), value_size_);
    return true;
  }

  void set(const Key &key, const char *value) override {
    size_t slot = find(key);
    if (is_empty(slot)) {
      if (count_ == entries_) slot = make_room(key, slot);
      memcpy(at(slot), key.data(), sizeof(Key));
      count_++;
    }
    memcpy(value_at(slot), value, value_size_);
  }

  void remove(const Key &key) override {
    const size_t slot = find(key);
    if (!is_empty(slot)) remove_at(slot);
  }

 private:
  char *at(size_t slot) const { return memory_ + slot * slot_size_; }
  char *value_at(size_t slot) const { return at(slot) + sizeof(Key); }
  size_t after(size_t slot) const { return slot + 1 == slots_ ? 0 : slot + 1; }

  Key key_at(size_t slot) const {
    Key key;
    memcpy(&key, at(slot), sizeof(Key));
    return key;
  }

  bool is_empty(size_t slot) const { return key_at(slot) == Key{{0, 0}}; }

  size_t home_of(const Key &key) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<size_t>((static_cast<Wide>(hash_of(key)) * slots_) >> 64);
  }

  /// Where the key is, or would be stored.
  size_t find(const Key &key) const {
    size_t slot = home_of(key);
    for (;;) {
      const Key other = key_at(slot);
      if (other == key || other == Key{{0, 0}}) return slot;
      slot = after(slot);
    }
  }

  /// Drops the key in the new key's first place or, if that is empty, the next one. Returns where
  /// the new key may go.
  size_t make_room(const Key &key, size_t empty_slot) {
    const size_t home = home_of(key);
    if (home != empty_slot) {
      count_--;
      return home;
    }
    size_t victim = home;
    do victim = after(victim);
    while (is_empty(victim));
    remove_at(victim);
    return home;
  }

  void remove_at(size_t hole) {
    for (size_t slot = after(hole); !is_empty(slot); slot = after(slot)) {
      const size_t home = home_of(key_at(slot));
      const bool stays = hole <= slot ? hole < home && home <= slot : hole < home || home <= slot;
      if (stays) continue;
      memcpy(at(hole), at(slot), slot_size_);
      hole = slot;
    }
    memset(at(hole), 0, sizeof(Key));
    count_--;
  }

  const size_t entries_;
  const size_t value_size_;
  const size_t slot_size_;
  const size_t slots_;
  const size_t bytes_;
  char *memory_;
  size_t count_ = 0;
};

}  // namespace

void add_table(Kinds &kinds) {
  kinds.push_back({"table", Role::kFloor, false, false, {1}, make<Table>});
}

}  // namespace bench
