// SPDX-License-Identifier: MIT
// LRU as one writes it with Boost.MultiIndex: a hash index and a list over the same entries, and a
// mutex around both.
#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/member.hpp>
#include <boost/multi_index/sequenced_index.hpp>
#include <boost/multi_index_container.hpp>
#include <cstring>
#include <mutex>

#include "../cache.hpp"

namespace bench {
namespace {

struct Entry {
  std::string key;
  std::string value;
};

struct Hash {
  size_t operator()(std::string_view key) const { return hash_of(key); }
};

struct Equal {
  bool operator()(std::string_view one, std::string_view other) const { return one == other; }
};

namespace mi = boost::multi_index;
using Entries = mi::multi_index_container<
    Entry,
    mi::indexed_by<mi::sequenced<>,
                   mi::hashed_unique<mi::member<Entry, std::string, &Entry::key>, Hash, Equal>>>;

class MultiIndex final : public Cache {
 public:
  explicit MultiIndex(const Setup &setup)
      : limit_(setup.entries), value_size_(setup.value_size), index_(entries_.get<1>()) {
    index_.reserve(setup.entries + 1);
  }

  bool get(const Key &key, char *value) override {
    const std::lock_guard<std::mutex> guard(mutex_);
    const auto found = index_.find(std::string_view(key), Hash(), Equal());
    if (found == index_.end()) return false;
    entries_.relocate(entries_.begin(), entries_.project<0>(found));
    memcpy(value, found->value.data(), value_size_);
    return true;
  }

  void set(const Key &key, const char *value) override {
    Entry entry{std::string(std::string_view(key)), std::string(value, value_size_)};
    const std::lock_guard<std::mutex> guard(mutex_);
    const auto [place, is_new] = entries_.push_front(std::move(entry));
    if (!is_new) {
      entries_.modify(place, [&](Entry &old) { old.value.assign(value, value_size_); });
      entries_.relocate(entries_.begin(), place);
    } else if (entries_.size() > limit_) {
      entries_.pop_back();
    }
  }

  void remove(const Key &key) override {
    const std::lock_guard<std::mutex> guard(mutex_);
    const auto found = index_.find(std::string_view(key), Hash(), Equal());
    if (found != index_.end()) index_.erase(found);
  }

 private:
  const size_t limit_;
  const size_t value_size_;
  Entries entries_;
  Entries::nth_index<1>::type &index_;
  std::mutex mutex_;
};

}  // namespace

void add_multi_index(Kinds &kinds) {
  kinds.push_back({"multi_index-LRU", Role::kPeer, true, false, {1}, make<MultiIndex>});
}

}  // namespace bench
