// SPDX-License-Identifier: MIT
// LRU over oneTBB's concurrent_hash_map: lookups share the map, and the list that keeps the order
// has a mutex. A hit that finds the mutex taken leaves the order as it is.
#include <oneapi/tbb/concurrent_hash_map.h>

#include <cstring>
#include <mutex>

#include "../cache.hpp"

namespace bench {
namespace {

/// A link of a ring. Unlinked while both are NULL.
struct Link {
  Link *before = nullptr;
  Link *after = nullptr;
};

struct Value : Link {
  const std::string *key = nullptr;  ///< in the map, beside this
  std::string bytes;
};

struct HashCompare {
  using is_transparent = void;
  size_t hash(std::string_view key) const { return hash_of(key); }
  bool equal(std::string_view one, std::string_view other) const { return one == other; }
};

// An accessor locks its entry; the mutex is taken after it, never before. Linked entries are in the
// map; the thread that unlinks an entry erases it.
class OneTbb final : public Cache {
 public:
  explicit OneTbb(const Setup &setup) : limit_(setup.entries), value_size_(setup.value_size) {
    map_.rehash(setup.entries);
    ring_.before = ring_.after = &ring_;
  }

  bool get(const Key &key, char *value) override {
    Map::const_accessor entry;
    if (!map_.find(entry, std::string_view(key))) return false;
    memcpy(value, entry->second.bytes.data(), value_size_);
    const std::unique_lock<std::mutex> guard(mutex_, std::try_to_lock);
    // Only links are written, which the mutex guards.
    if (guard.owns_lock()) move_to_front(const_cast<Value &>(entry->second));
    return true;
  }

  void set(const Key &key, const char *value) override {
    std::string victim;
    {
      Map::accessor entry;
      const bool is_new = map_.insert(entry, std::string(std::string_view(key)));
      entry->second.bytes.assign(value, value_size_);
      entry->second.key = &entry->first;
      const std::lock_guard<std::mutex> guard(mutex_);
      if (!is_new) {
        move_to_front(entry->second);
      } else {
        link_front(entry->second);
        if (++count_ > limit_) {
          Value &coldest = *static_cast<Value *>(ring_.before);
          victim = *coldest.key;
          unlink(coldest);
        }
      }
    }
    if (!victim.empty()) map_.erase(victim);
  }

  void remove(const Key &key) override {
    Map::accessor entry;
    if (!map_.find(entry, std::string_view(key))) return;
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      if (entry->second.after == nullptr) return;
      unlink(entry->second);
    }
    map_.erase(entry);
  }

 private:
  using Map = tbb::concurrent_hash_map<std::string, Value, HashCompare>;

  void link_front(Value &value) {
    value.before = &ring_;
    value.after = ring_.after;
    ring_.after->before = &value;
    ring_.after = &value;
  }

  void unlink(Value &value) {
    value.before->after = value.after;
    value.after->before = value.before;
    value.before = value.after = nullptr;
    count_--;
  }

  void move_to_front(Value &value) {
    if (value.after == nullptr || ring_.after == &value) return;
    unlink(value);
    link_front(value);
    count_++;
  }

  const size_t limit_;
  const size_t value_size_;
  Map map_;
  std::mutex mutex_;
  Link ring_;
  size_t count_ = 0;
};

}  // namespace

void add_onetbb(Kinds &kinds) {
  kinds.push_back({"onetbb-LRU", Role::kPeer, true, false, {1}, make<OneTbb>});
}

}  // namespace bench
