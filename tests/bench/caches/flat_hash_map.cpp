// SPDX-License-Identifier: MIT
// Abseil's flat_hash_map: a floor of strings. Without an order, a new key in a full map drops
// whichever entry the map names first.
#include <absl/container/flat_hash_map.h>

#include <cstring>

#include "../cache.hpp"

namespace bench {
namespace {

struct Hash {
  using is_transparent = void;
  size_t operator()(std::string_view key) const { return hash_of(key); }
};

struct Equal {
  using is_transparent = void;
  bool operator()(std::string_view one, std::string_view other) const { return one == other; }
};

class FlatHashMap final : public Cache {
 public:
  explicit FlatHashMap(const Setup &setup)
      : entries_(setup.entries), value_size_(setup.value_size) {
    map_.reserve(setup.entries + 1);
  }

  bool get(const Key &key, char *value) override {
    const auto found = map_.find(std::string_view(key));
    if (found == map_.end()) return false;
    memcpy(value, found->second.data(), value_size_);
    return true;
  }

  void set(const Key &key, const char *value) override {
    const auto [place, is_new] = map_.try_emplace(std::string_view(key));
    place->second.assign(value, value_size_);
    if (is_new && map_.size() > entries_) drop_other_than(place);
  }

  void remove(const Key &key) override { map_.erase(std::string_view(key)); }

 private:
  using Map = absl::flat_hash_map<std::string, std::string, Hash, Equal>;

  /// Drops the entry behind the newcomer. A search from the beginning would meet ever more empty
  /// slots.
  void drop_other_than(Map::iterator place) {
    auto victim = std::next(place);
    if (victim == map_.end()) victim = map_.begin();
    map_.erase(victim);
  }

  const size_t entries_;
  const size_t value_size_;
  Map map_;
};

}  // namespace

void add_flat_hash_map(Kinds &kinds) {
  kinds.push_back({"flat_hash_map", Role::kFloor, false, false, {1}, make<FlatHashMap>});
}

}  // namespace bench
