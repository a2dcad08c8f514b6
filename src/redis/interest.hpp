// SPDX-License-Identifier: MIT
// Which keys are being loaded, so that a push of one of them wakes those who wait for another's
// lease. A call is in the table from before its first command goes out until what it brought is
// near: so the table also tells whether another load of the same key may still store something.
// Guarded by the tier's lock.
#ifndef CT_REDIS_INTEREST_HPP
#define CT_REDIS_INTEREST_HPP

#include "redis/bytes.hpp"
#include "redis/lock.hpp"

namespace ct::redis {

struct Interest {
  explicit Interest(Bytes key) : key(key) {}

  const Bytes key;
  uint64_t pushes = 0;  // how often the server said that the key was written
  Interest *next = nullptr;
  Condition changed;
};

class InterestTable {
 public:
  bool empty() const { return size_ == 0; }

  void add(Interest &interest) {
    Interest *&chain = chain_of(interest.key);
    interest.next = chain;
    chain = &interest;
    size_++;
  }

  void remove(Interest &interest) {
    Interest **at = &chain_of(interest.key);
    while (*at != &interest) at = &(*at)->next;
    *at = interest.next;
    size_--;
  }

  size_t count(Bytes key) {
    size_t count = 0;
    for (Interest *it = chain_of(key); it != nullptr; it = it->next) count += it->key == key;
    return count;
  }

  void pushed(Bytes key) {
    for (Interest *it = chain_of(key); it != nullptr; it = it->next) {
      if (it->key == key) tell(*it);
    }
  }

  void pushed_all() {
    for (Interest *chain : chains_) {
      for (; chain != nullptr; chain = chain->next) tell(*chain);
    }
  }

 private:
  static constexpr size_t kChains = 256;

  static void tell(Interest &interest) {
    interest.pushes++;
    interest.changed.tell_all();
  }

  // FNV-1a. There are at most as many interests as threads that load.
  Interest *&chain_of(Bytes key) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < key.size; i++) {
      hash = (hash ^ static_cast<uint8_t>(key.data[i])) * 1099511628211u;
    }
    return chains_[(hash >> 32) % kChains];
  }

  Interest *chains_[kChains] = {};
  size_t size_ = 0;
};

}  // namespace ct::redis

#endif
