// SPDX-License-Identifier: MIT
// Tkrzw's CacheDBM: LRU in parts, each with a mutex. The number of parts is fixed.
#include <tkrzw_dbm_cache.h>

#include <cstring>

#include "../cache.hpp"

namespace bench {
namespace {

class Tkrzw final : public Cache {
 public:
  explicit Tkrzw(const Setup &setup)
      : value_size_(setup.value_size), dbm_(static_cast<int64_t>(setup.entries)) {}

  bool get(const Key &key, char *value) override {
    static thread_local std::string copy;  // so that its memory is used again
    if (dbm_.Get(key, &copy) != tkrzw::Status::SUCCESS) return false;
    memcpy(value, copy.data(), value_size_);
    return true;
  }

  void set(const Key &key, const char *value) override {
    dbm_.Set(key, std::string_view(value, value_size_));
  }

  void remove(const Key &key) override { dbm_.Remove(key); }

 private:
  const size_t value_size_;
  tkrzw::CacheDBM dbm_;
};

}  // namespace

void add_tkrzw(Kinds &kinds) {
  kinds.push_back({"tkrzw-CacheDBM", Role::kPeer, true, false, {16}, make<Tkrzw>});
}

}  // namespace bench
