// SPDX-License-Identifier: MIT
// RocksDB's block caches: LRUCache and HyperClockCache. They keep pointers, so each value is a
// block from malloc, which the cache gives back.
#include <rocksdb/cache.h>
#if __has_include(<rocksdb/advanced_cache.h>)
#include <rocksdb/advanced_cache.h>
#define BENCH_ROCKSDB_HELPERS  // since version 8
#endif

#include <cstdlib>
#include <cstring>
#include <new>

#include "../cache.hpp"

namespace bench {
namespace {

#ifdef BENCH_ROCKSDB_HELPERS
void free_value(void *value, rocksdb::MemoryAllocator *) {
  free(value);
}
#else
void free_value(const rocksdb::Slice &, void *value) {
  free(value);
}
#endif

unsigned bits_of(unsigned shards) {
  return static_cast<unsigned>(__builtin_ctz(shards));
}

class RocksDb : public Cache {
 public:
  bool get(const Key &key, char *value) override {
    auto *handle = cache_->Lookup(rocksdb::Slice(key.data(), key.size()));
    if (handle == nullptr) return false;
    memcpy(value, cache_->Value(handle), value_size_);
    cache_->Release(handle);
    return true;
  }

  void set(const Key &key, const char *value) override {
    void *copy = malloc(value_size_);
    if (copy == nullptr) throw std::bad_alloc();
    memcpy(copy, value, value_size_);
#ifdef BENCH_ROCKSDB_HELPERS
    static const rocksdb::Cache::CacheItemHelper helper(rocksdb::CacheEntryRole::kMisc, free_value);
    const auto status = cache_->Insert(rocksdb::Slice(key.data(), key.size()), copy, &helper, 1);
#else
    const auto status = cache_->Insert(rocksdb::Slice(key.data(), key.size()), copy, 1, free_value);
#endif
    if (!status.ok()) throw std::bad_alloc();
  }

  void remove(const Key &key) override {
    cache_->Erase(rocksdb::Slice(key.data(), key.size()));
  }

 protected:
  explicit RocksDb(const Setup &setup) : value_size_(setup.value_size) {}

  std::shared_ptr<rocksdb::Cache> cache_;

 private:
  const size_t value_size_;
};

class RocksDbLru final : public RocksDb {
 public:
  explicit RocksDbLru(const Setup &setup) : RocksDb(setup) {
    rocksdb::LRUCacheOptions options;
    options.capacity = setup.entries;
    options.num_shard_bits = static_cast<int>(bits_of(setup.shards));
    options.high_pri_pool_ratio = 0;  // one list, from end to end
    options.metadata_charge_policy = rocksdb::kDontChargeCacheMetadata;
    cache_ = rocksdb::NewLRUCache(options);
  }
};

class RocksDbHyperClock final : public RocksDb {
 public:
  explicit RocksDbHyperClock(const Setup &setup) : RocksDb(setup) {
    rocksdb::HyperClockCacheOptions options(setup.entries, 1,
                                            static_cast<int>(bits_of(setup.shards)));
    options.metadata_charge_policy = rocksdb::kDontChargeCacheMetadata;
    cache_ = options.MakeSharedCache();
  }
};

}  // namespace

void add_rocksdb(Kinds &kinds) {
  kinds.push_back({"rocksdb-LRU", Role::kPeer, true, false, {1, 16}, make<RocksDbLru>});
  kinds.push_back(
      {"rocksdb-HyperClock", Role::kPeer, true, false, {1, 16}, make<RocksDbHyperClock>});
}

}  // namespace bench
