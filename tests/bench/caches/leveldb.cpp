// SPDX-License-Identifier: MIT
// LevelDB's LRU cache, which always has 16 shards. It keeps pointers, so each value is a block from
// malloc, which the cache gives back.
#include <leveldb/cache.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "../cache.hpp"

namespace bench {
namespace {

void free_value(const leveldb::Slice &, void *value) {
  free(value);
}

class LevelDb final : public Cache {
 public:
  explicit LevelDb(const Setup &setup)
      : value_size_(setup.value_size), cache_(leveldb::NewLRUCache(setup.entries)) {}

  bool get(const Key &key, char *value) override {
    auto *handle = cache_->Lookup(leveldb::Slice(key.data(), key.size()));
    if (handle == nullptr) return false;
    memcpy(value, cache_->Value(handle), value_size_);
    cache_->Release(handle);
    return true;
  }

  void set(const Key &key, const char *value) override {
    void *copy = malloc(value_size_);
    if (copy == nullptr) throw std::bad_alloc();
    memcpy(copy, value, value_size_);
    const leveldb::Slice name(key.data(), key.size());
    cache_->Release(cache_->Insert(name, copy, 1, free_value));
  }

  void remove(const Key &key) override { cache_->Erase(leveldb::Slice(key.data(), key.size())); }

 private:
  const size_t value_size_;
  const std::unique_ptr<leveldb::Cache> cache_;
};

}  // namespace

void add_leveldb(Kinds &kinds) {
  kinds.push_back({"leveldb-LRU", Role::kPeer, true, false, {16}, make<LevelDb>});
}

}  // namespace bench
