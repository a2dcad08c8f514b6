// SPDX-License-Identifier: MIT
// What the benchmarks drive: a cache of byte strings behind an interface that all kinds share. Each
// kind is an adapter in a file of its own in caches/; those of other libraries are compiled where
// the library is found.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// Keys are 16 bytes, since RocksDB's HyperClockCache takes no others.
struct Key {
  uint64_t words[2];

  /// Spreads ids, so that neighbours have nothing in common and no key is zero.
  static Key of(uint64_t id) {
    const uint64_t spread = (id ^ id >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return {{spread ^ spread >> 32, id + UINT64_C(0x9e3779b97f4a7c15)}};
  }

  const char *data() const { return reinterpret_cast<const char *>(words); }
  static constexpr size_t size() { return sizeof(words); }
  operator std::string_view() const { return {data(), size()}; }
  bool operator==(const Key &other) const {
    return words[0] == other.words[0] && words[1] == other.words[1];
  }
};

using Batch = std::array<Key, 16>;

/// The hash for adapters whose library brings none.
inline uint64_t hash_of(std::string_view key) {
  uint64_t words[2];
  __builtin_memcpy(words, key.data(), sizeof(words));
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(words[0] ^ UINT64_C(0xa0761d6478bd642f)) *
                       (words[1] ^ UINT64_C(0xe7037ed1a0b428db));
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

/// How a cache is made.
struct Setup {
  uint64_t entries;  ///< the most that it may hold
  size_t value_size;
  unsigned shards;
  bool ttl;  ///< every entry gets a lifetime, which does not end meanwhile

  bool operator==(const Setup &other) const {
    return entries == other.entries && value_size == other.value_size && shards == other.shards &&
           ttl == other.ttl;
  }
};

class Cache {
 public:
  virtual ~Cache() = default;

  /// Copies the whole value out. Returns false if there is none.
  virtual bool get(const Key &key, char *value) = 0;
  virtual void set(const Key &key, const char *value) = 0;
  virtual void remove(const Key &key) = 0;

  /// Returns the number of hits. A cache without such a call is asked for one key after the other.
  virtual size_t get_batch(const Batch &keys, char *values, size_t value_size) {
    size_t hits = 0;
    for (const Key &key : keys) {
      hits += get(key, values);
      values += value_size;
    }
    return hits;
  }
};

enum class Role {
  kFloor,  ///< no cache: a table without order and lock, the least that a lookup can cost
  kOwn,    ///< libcachetools, by policy
  kPeer,
};

struct Kind {
  std::string name;
  Role role;
  bool threads;  ///< any number of threads at once
  bool ttl;
  std::vector<unsigned> shards;  ///< the numbers to choose from, or the only one, roughly
  std::unique_ptr<Cache> (*make)(const Kind &kind, const Setup &setup);
};

using Kinds = std::vector<Kind>;

template <class Adapter>
std::unique_ptr<Cache> make(const Kind &, const Setup &setup) {
  return std::make_unique<Adapter>(setup);
}

/// All kinds that were compiled in: floors, libcachetools with every policy that it knows, peers.
const Kinds &kinds();
/// Returns NULL if no kind has that name.
const Kind *find_kind(std::string_view name);

// Each in its own file.
void add_table(Kinds &kinds);
void add_flat_hash_map(Kinds &kinds);
void add_cachetools(Kinds &kinds);
void add_rocksdb(Kinds &kinds);
void add_leveldb(Kinds &kinds);
void add_multi_index(Kinds &kinds);
void add_onetbb(Kinds &kinds);
void add_tkrzw(Kinds &kinds);
void add_rust(Kinds &kinds);

}  // namespace bench
