// SPDX-License-Identifier: MIT
// libcachetools through its C ABI, with every policy that the library knows when this runs.
#include <cachetools.h>

#include <stdexcept>

#include "../cache.hpp"

namespace bench {
namespace {

constexpr char kPrefix[] = "cachetools-";
constexpr char kUnlocked[] = "-unlocked";
constexpr uint64_t kHour = UINT64_C(3600000000000);

uint64_t in_an_hour(void *, const void *, size_t, const void *, size_t, uint64_t now) {
  return now + kHour;
}

void require(ct_status status) {
  if (status != CT_OK) throw std::runtime_error(ct_status_message(status));
}

class Cachetools final : public Cache {
 public:
  Cachetools(const Kind &kind, const Setup &setup) : value_size_(setup.value_size) {
    std::string name = kind.name.substr(sizeof(kPrefix) - 1);
    const bool unlocked = !kind.threads;
    if (unlocked) name.resize(name.size() - (sizeof(kUnlocked) - 1));
    ct_policy policy;
    require(ct_policy_from_name(name.c_str(), &policy));
    ct_options options = CT_OPTIONS_INIT;
    options.policy = policy;
    options.maxsize = setup.entries;
    options.shards = setup.shards;
    options.flags = unlocked ? CT_FLAG_SINGLE_THREADED : 0;
    options.seed = 1;
    if (setup.ttl || policy == CT_POLICY_TTL) options.ttl = kHour;
    if (policy == CT_POLICY_TLRU) options.ttu = in_an_hour;
    require(ct_cache_new_with(&options, &cache_));
  }

  ~Cachetools() override { ct_cache_free(cache_); }
  Cachetools(const Cachetools &) = delete;
  Cachetools &operator=(const Cachetools &) = delete;

  bool get(const Key &key, char *value) override {
    size_t size;
    return ct_get_copy(cache_, key.data(), key.size(), value, value_size_, &size) == CT_OK;
  }

  void set(const Key &key, const char *value) override {
    require(ct_set(cache_, key.data(), key.size(), value, value_size_));
  }

  void remove(const Key &key) override { ct_delete(cache_, key.data(), key.size()); }

  size_t get_batch(const Batch &keys, char *values, size_t value_size) override {
    constexpr size_t kCount = std::tuple_size<Batch>::value;
    std::array<size_t, kCount> key_ends;
    std::array<size_t, kCount> value_ends;
    std::array<ct_status, kCount> statuses;
    for (size_t i = 0; i < kCount; i++) key_ends[i] = (i + 1) * Key::size();
    require(ct_get_many_copy(cache_, keys.data(), key_ends.data(), kCount, values,
                             kCount * value_size, value_ends.data(), statuses.data()));
    size_t hits = 0;
    for (const ct_status status : statuses) hits += status == CT_OK;
    return hits;
  }

 private:
  const size_t value_size_;
  ct_cache *cache_;
};

std::unique_ptr<Cache> make_cachetools(const Kind &kind, const Setup &setup) {
  return std::make_unique<Cachetools>(kind, setup);
}

}  // namespace

void add_cachetools(Kinds &kinds) {
  for (const char *name : {"LRU", "SIEVE", "WTINYLFU"})
    kinds.push_back({kPrefix + std::string(name) + kUnlocked,
                     Role::kOwn,
                     false,
                     true,
                     {1, 16},
                     make_cachetools});
  for (int policy = 0; policy < CT_POLICY_CUSTOM; policy++) {
    const char *name = ct_policy_name(static_cast<ct_policy>(policy));
    if (name == nullptr) continue;
    kinds.push_back(
        {kPrefix + std::string(name), Role::kOwn, true, true, {1, 16}, make_cachetools});
  }
}

}  // namespace bench
