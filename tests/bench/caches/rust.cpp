// SPDX-License-Identifier: MIT
// Caches written in Rust: quick_cache and moka, which are for threads, and lru with a mutex. The
// crate in rust/ brings them behind these functions.
#include <new>

#include "../cache.hpp"

extern "C" {
struct Peer;
Peer *peer_new(const char *name, size_t name_size, size_t entries, size_t shards, bool ttl);
void peer_free(Peer *peer);
bool peer_get(const Peer *peer, const char *key, size_t key_size, char *value, size_t value_size);
void peer_set(const Peer *peer, const char *key, size_t key_size, const char *value,
              size_t value_size);
void peer_remove(const Peer *peer, const char *key, size_t key_size);
}

namespace bench {
namespace {

class Rust final : public Cache {
 public:
  Rust(const Kind &kind, const Setup &setup)
      : value_size_(setup.value_size),
        peer_(
            peer_new(kind.name.data(), kind.name.size(), setup.entries, setup.shards, setup.ttl)) {
    if (peer_ == nullptr) throw std::bad_alloc();
  }

  ~Rust() override { peer_free(peer_); }
  Rust(const Rust &) = delete;
  Rust &operator=(const Rust &) = delete;

  bool get(const Key &key, char *value) override {
    return peer_get(peer_, key.data(), key.size(), value, value_size_);
  }

  void set(const Key &key, const char *value) override {
    peer_set(peer_, key.data(), key.size(), value, value_size_);
  }

  void remove(const Key &key) override { peer_remove(peer_, key.data(), key.size()); }

 private:
  const size_t value_size_;
  Peer *const peer_;
};

std::unique_ptr<Cache> make_rust(const Kind &kind, const Setup &setup) {
  return std::make_unique<Rust>(kind, setup);
}

}  // namespace

void add_rust(Kinds &kinds) {
  kinds.push_back({"quick_cache", Role::kPeer, true, false, {1, 16}, make_rust});
  kinds.push_back({"moka", Role::kPeer, true, true, {1}, make_rust});
  kinds.push_back({"lru", Role::kPeer, true, false, {1}, make_rust});
}

}  // namespace bench
