// SPDX-License-Identifier: MIT
// What a policy is: it keeps the entries of one shard in some order, and says which goes next.
//
// References are to entries that are in the cache. Links in the header and the hook (Layout::hook)
// are the policy's while the entry is, and so are the flags of kPolicyFlags.
#ifndef CT_POLICY_HPP
#define CT_POLICY_HPP

#include <cachetools.h>

#include <cstddef>
#include <cstdint>
#include <new>

#include "clock.hpp"
#include "entry.hpp"
#include "hash.hpp"
#include "index.hpp"
#include "memory.hpp"
#include "options.hpp"
#include "store.hpp"

namespace ct {

class Shard;

// What a policy is given.
struct PolicyContext {
  Memory &memory;
  const Store &store;
  const Index &index;
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
  // Where its mark is.
  Place place(Ref ref) const { return index.place_of(hash(ref), ref); }
};

// How a policy learns of uses.
enum class Uses : uint8_t {
  kIgnored,   // not at all
  kMarked,    // from the entries' marks
  kGathered,  // by used(), of some at once, each thread's in order, before it is asked anything
  kTold,      // by hit(), at once
};

class Policy {
 public:
  // How far a walk over the order has come.
  struct Walk {
    uint32_t part = 0;    // of the entries, which a policy may keep in several
    Ref ref = kNone;      // in that part; kNone: before the first
    uint64_t passed = 0;  // in that part, if the policy needs it
  };

  // Policies that differ hide these: see PolicyKind.
  static constexpr size_t kHookBytes = 0;
  static constexpr size_t kBytesBeside = 0;
  static constexpr bool kOrdered = true;
  static constexpr Uses kUses = Uses::kTold;
  static constexpr uint8_t kMostUses = 0;
  static constexpr uint32_t kRanks = 5;
  static constexpr bool kCounts = false;
  static constexpr bool kTakesNewest = false;

  Policy(const Policy &) = delete;
  Policy &operator=(const Policy &) = delete;

  // False: no memory for its state.
  virtual bool ready() const { return true; }
  // Room for that many more entries, so that as many inserts cannot fail; false: no memory.
  virtual bool reserve(uint64_t) { return true; }
  virtual void insert(Ref ref, uint64_t hash, Now &now) = 0;
  // The same for one that was used that often in another cache.
  virtual void restore(Ref ref, uint64_t hash, uint64_t uses, Now &now) {
    (void)uses;
    insert(ref, hash, now);
  }
  // Stored again under the same key. It weighed that until now.
  virtual void update(Ref ref, uint64_t hash, uint64_t before, Now &now) = 0;
  virtual void hit(Ref, uint64_t hash, Now &) { (void)hash; }
  virtual void used(const Ref *, uint32_t count) { (void)count; }
  // Weighs something else, for no use and no update. It weighed that until now.
  virtual void reweigh(Ref, uint64_t before, Now &) { (void)before; }
  virtual void remove(Ref ref, uint64_t hash, ct_cause cause) = 0;
  // The entry's block has moved, its links, hook and flags copied.
  virtual void moved(Ref from, Ref to) = 0;
  // All leave.
  virtual void clear() = 0;
  // The limit of all shards.
  virtual void resize(uint64_t) {}
  // Who goes next, if anyone is there; kNone: it knows none; or kAskAgain. Whom it names may still stay.
  virtual Ref victim() = 0;
  // The same, to make room for that key, which is inserted then unless it is there. It may be asked
  // for several. Only here may a policy learn from who goes, and allocate for it.
  virtual Ref victim_for(uint64_t hash) {
    (void)hash;
    return victim();
  }
  // Who will probably go after the last victim, to be fetched ahead; kNone: not known.
  virtual Ref next_victim() const { return kNone; }
  // That key will probably be inserted or leave next: what is kept of it can be fetched ahead.
  virtual void prefetch(uint64_t hash) const { (void)hash; }
  // How often used; 0 if it does not count.
  virtual uint64_t frequency(Ref) const { return 0; }
  // Goes on to the next entry; false: there is none. If it is ordered, a walk meets all entries
  // once, unless the order changes meanwhile. They would go by rank, which is below kRanks, and in
  // one rank as they are met. Marks may change.
  virtual bool step(Walk &walk, uint32_t *rank) const = 0;
#ifdef CT_VALIDATE
  // NULL, or the invariant that is broken.
  virtual const char *problem() const { return nullptr; }
#endif

 protected:
  Policy() = default;
  ~Policy() = default;
};

// How to make a policy, and what the house has to know of it.
struct PolicyKind {
  size_t hook_bytes;    // 0 or 8: what it keeps in each entry beside the links
  size_t bytes_beside;  // about what it keeps of each entry elsewhere
  bool ordered;         // knows who goes first, second and so on
  bool counts;          // goes by frequency, which can be restored
  bool takes_newest;    // who came last goes first
  Uses uses;
  uint8_t most_uses;  // that a mark counts
  size_t bytes;
  Policy *(*make)(void *where, const PolicyContext &context);
  void (*destroy)(Policy *policy);
};

template <class P>
constexpr PolicyKind kind_of() {
  return {
      P::kHookBytes,
      P::kBytesBeside,
      P::kOrdered,
      P::kCounts,
      P::kTakesNewest,
      P::kUses,
      P::kMostUses,
      sizeof(P),
      [](void *where, const PolicyContext &context) -> Policy * { return new (where) P(context); },
      [](Policy *policy) { static_cast<P *>(policy)->P::~P(); }};
}

// nullptr: no such policy.
const PolicyKind *policy_kind(int32_t policy);
const char *policy_name(int32_t policy);

// The first policy of that name, in any case; -1: none.
int32_t policy_by_name(const char *name);

}  // namespace ct

#endif
