// SPDX-License-Identifier: MIT
// What a policy is: it keeps the entries of one shard in some order, and says which goes next.
//
// A policy is a class with these members; the shard is a template over it, so that none of them is
// called indirectly. References are to entries that are in the cache. Links in the header and the
// hook (Layout::hook) are the policy's while the entry is, and so are the flags of kPolicyFlags.
//
//   static constexpr size_t kHookBytes;    // 0 or 8: what it keeps in each entry beside the links
//   static constexpr bool kOrdered;        // has coldest_first
//   explicit P(const PolicyContext &);
//   bool ready() const;                    // false: no memory for its state
//   bool reserve(uint64_t count);          // room for that many more entries; false: no memory
//   void insert(Ref, uint64_t hash, Now &);     // never fails, after reserve
//   void update(Ref, uint64_t hash, Now &);     // stored again under the same key
//   void hit(Ref, uint64_t hash, Now &);        // used
//   void reweigh(Ref, uint64_t before);         // weighed that until now; an update may follow
//   void remove(Ref, uint64_t hash, ct_cause);  // leaves
//   void moved(Ref from, Ref to);          // the entry's block has moved, its header copied
//   void clear();                          // all leave
//   void resize(uint64_t maxsize);         // of all shards
//   Ref victim();                          // who goes next, if anyone is there; kNone: it knows none;
//                                          // what it chose may still not go
//   uint64_t frequency(Ref) const;         // how often used; 0 if it does not count
//   template <class Visit> void coldest_first(Visit) const;
#ifndef CT_POLICY_HPP
#define CT_POLICY_HPP

#include <cachetools.h>

#include <cstddef>
#include <cstdint>

#include "clock.hpp"
#include "entry.hpp"
#include "hash.hpp"
#include "memory.hpp"
#include "store.hpp"

namespace ct {

class Shard;
struct ShardContext;

// What a policy is given.
struct PolicyContext {
  Memory &memory;
  const Store &store;
  const Layout &layout;
  const ct_options &options;  // in force; maxsize of all shards
  uint64_t seed;              // another one for each shard
  // The weight of an entry that is in the cache; shard is the policy's own.
  uint64_t (*weight_of)(const Shard *shard, Ref ref);
  const Shard *shard;

  uint64_t weight(Ref ref) const { return weight_of(shard, ref); }
  uint64_t hash(Ref ref) const {
    const Bytes key = layout.key(store.at(ref));
    return hash_key(key.data, key.size, options.seed);
  }
};

// How to make the shards of a policy.
struct PolicyKind {
  size_t hook_bytes;
  size_t shard_bytes;
  Shard *(*make_shard)(void *where, const ShardContext &context);
};

// nullptr: no such policy.
const PolicyKind *policy_kind(int32_t policy);
const char *policy_name(int32_t policy);

// The first policy of that name, in any case; -1: none.
int32_t policy_by_name(const char *name);

// What most policies do not do.
struct PolicyDefaults {
  static constexpr size_t kHookBytes = 0;
  static constexpr bool kOrdered = true;
  bool ready() const { return true; }
  bool reserve(uint64_t) { return true; }
  void resize(uint64_t) {}
  void reweigh(Ref, uint64_t) {}
  uint64_t frequency(Ref) const { return 0; }
};

}  // namespace ct

#endif
