// SPDX-License-Identifier: MIT
// An eviction policy: it keeps the entries of one shard in an order of its own, and names the one
// that should leave next. Each policy is a file in policy/; policy.cpp lists them.
//
// A policy refers to entries that are in the cache. In each of them, the links of the header, the
// hook (Layout::hook) and the flags of kPolicyFlags are the policy's.
#ifndef CT_POLICY_HPP
#define CT_POLICY_HPP

#include <cachetools.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include "base/clock.hpp"
#include "base/hash.hpp"
#include "base/memory.hpp"
#include "base/options.hpp"
#include "table/entries.hpp"
#include "table/entry.hpp"
#include "table/index.hpp"

namespace ct {

// What a policy works with. All of it lives longer than the policy.
struct PolicyContext {
  Memory &memory;
  const Entries &entries;
  const Index &index;
  const ct_options &options;  // As they are in force; maxsize is that of all shards.
  uint64_t seed;              // Each shard has another one.
  void *common;               // The policy's Common, of all shards.

  Entry *at(Ref ref) const { return entries.at(ref); }
  const Layout &layout() const { return entries.layout(); }
  const Store &store() const { return entries.store(); }
  uint64_t weight(Ref ref) const { return entries.weight_of(at(ref)); }
  uint64_t hash(Ref ref) const { return entries.hash_of(ref); }
  // Where the entry's use bits are.
  Place place(Ref ref) const { return index.place_of(hash(ref), ref); }
};

// How a policy learns that an entry was used.
enum class Uses : uint8_t {
  kIgnored,    // It does not.
  kUseBits,    // It reads the entry's use bits in the index, which a use raises.
  kBatched,    // used() tells it some uses at once, each thread's in order, before any other call.
  kImmediate,  // hit() tells it each use at once. So reads take the lock.
};

// What a policy asks of the options beside its own name.
enum class Needs : uint8_t { kNothing, kTtl, kTtu, kOps };

// What the policies of a cache's shards have in common, by default: nothing.
struct NothingCommon {
  explicit NothingCommon(Memory &) noexcept {}
};

// What a snapshot keeps of an entry's uses, less than 2^63. The higher it is, the later the entry
// would leave. It is how often the entry was used; or it has kRich, and is the policy's own, except
// that its lowest byte is how often the entry was used, as far as the policy knows.
struct Keepsake {
  static constexpr uint64_t kRich = uint64_t{1} << 62;
  static bool is_rich(uint64_t keepsake) { return (keepsake & kRich) != 0; }
  static uint64_t uses(uint64_t keepsake) { return is_rich(keepsake) ? keepsake & 0xFF : keepsake; }
};

// The calls are made under the shard's lock. Only ready and reserve may fail.
class Policy {
 public:
  // The place of a walk over the order.
  struct Walk {
    uint32_t part = 0;    // A policy may keep its entries in several parts.
    Ref ref = kNone;      // The last entry of that part that was met, or kNone.
    uint64_t passed = 0;  // How many entries of that part were met, if the policy needs it.
  };

  // Defaults. A policy hides those that do not hold for it, and states kUses. PolicyKind explains
  // them.
  using Common = NothingCommon;
  static constexpr size_t kHookBytes = 0;
  static constexpr size_t kBytesBeside = 0;
  static constexpr bool kOrdered = true;
  static constexpr uint8_t kMostUses = 0;
  static constexpr bool kHasFrequency = false;
  static constexpr bool kTakesNewest = false;
  // The number of ranks that step can return, for any policy.
  static constexpr uint32_t kRanks = 5;
  // `used` is told of at most this many uses.
  static constexpr uint32_t kUsesAtOnce = 16;

  Policy(const Policy &) = delete;
  Policy &operator=(const Policy &) = delete;

  // Returns false if there was no memory for its state.
  virtual bool ready() const { return true; }
  // Makes room for this many more entries, so that as many inserts cannot fail. Returns false if
  // there is no memory.
  virtual bool reserve(uint64_t) { return true; }
  // The entry is new in the cache.
  virtual void insert(Ref ref, uint64_t hash, Now &now) = 0;
  // The entry is new here, and comes with the keepsake of another cache.
  virtual void restore(Ref ref, uint64_t hash, uint64_t keepsake, Now &now) {
    (void)keepsake;
    insert(ref, hash, now);
  }
  // The entry's key was stored again. The entry weighed `before` until now.
  virtual void update(Ref ref, uint64_t hash, uint64_t before, Now &now) = 0;
  // The entry was used; only with Uses::kImmediate.
  virtual void hit(Ref, uint64_t hash, Now &) { (void)hash; }
  // The entries were used, in this order; only with Uses::kBatched.
  virtual void used(const Ref *, uint32_t count) { (void)count; }
  // The entry's weight changed without a use or an update. The entry weighed `before` until now.
  virtual void reweigh(Ref, uint64_t before, Now &) { (void)before; }
  // The entry, which was just inserted or updated, costs more than 1 to bring back.
  virtual void price(Ref, uint64_t cost) { (void)cost; }
  // The entry leaves the cache. displaced: victim named the entry, which makes room for the key
  // that was given there.
  virtual void remove(Ref ref, uint64_t hash, bool displaced) = 0;
  // The entry's block has moved. Its links, hook and flags were copied. If its value is another one
  // too, update or reweigh follows, and the entry's weight is the new one already.
  virtual void moved(Ref from, Ref to) = 0;
  // All entries leave, and nothing is remembered of them.
  virtual void clear() = 0;
  // Returns whether clear takes no step for each entry.
  virtual bool clears_at_once() const { return true; }
  // The limit of all shards together is this now.
  virtual void resize(uint64_t) {}
  // Names the entry that should leave next. Returns kNone if the policy knows no entry, or
  // kAskAgain to pause, so that other calls get the lock. The entry may still stay.
  //
  // coming: the hash of the key that the entry makes room for, or nullptr if there is none. Only if
  // there is one may a policy learn from the choice, and allocate. There may be several such calls
  // for one key, and the key may still not come.
  virtual Ref victim(const uint64_t *coming) = 0;
  // Names the entry that will probably follow the last victim, so that it can be prefetched.
  // Returns kNone if that is not known.
  virtual Ref next_victim() const { return kNone; }
  // A key with that hash will probably come or leave next. Prefetches what the policy keeps of it.
  virtual void prefetch(uint64_t hash) const { (void)hash; }
  // Returns how often the entry was used, or 0 if the policy does not count uses.
  virtual uint64_t frequency(Ref) const { return 0; }
  // Returns what a snapshot keeps of the entry's uses: see Keepsake.
  virtual uint64_t keepsake(Ref ref) const { return frequency(ref); }
  // Goes on to the next entry. Returns false if there is none. If the policy is ordered, a walk
  // meets each entry once, unless the order changes meanwhile. Entries would leave by rank, the
  // lowest first, and those of one rank in the order in which they are met.
  virtual bool step(Walk &walk, uint32_t *rank) const = 0;
#ifdef CT_VALIDATE
  // Returns nullptr, or the invariant that is broken.
  virtual const char *problem() const { return nullptr; }
#endif

 protected:
  Policy() = default;
  ~Policy() = default;
};

// How a policy is made, and what the rest of the library has to know of it.
struct PolicyKind {
  Needs needs;
  size_t hook_bytes;    // What it keeps in each entry beside the links: 0 or 8.
  size_t bytes_beside;  // About what it keeps of each entry elsewhere.
  bool ordered;         // It can tell which entry leaves first, second and so on. Else there are no
                        // walks in order, and snapshots keep none.
  bool has_frequency;   // It goes by frequency, or what else a keepsake tells.
  bool takes_newest;    // The entry that came last leaves first.
  Uses uses;
  uint8_t most_uses;  // The highest value of its use bits.
  size_t bytes;
  Policy *(*make)(void *where, const PolicyContext &context);
  void (*destroy)(Policy *policy);
  size_t common_bytes;  // Of what the policies of all shards have in common.
  void (*make_common)(void *where, Memory &memory);
};

template <class P>
constexpr PolicyKind kind_of(Needs needs = Needs::kNothing) {
  return {
      needs,
      P::kHookBytes,
      P::kBytesBeside,
      P::kOrdered,
      P::kHasFrequency,
      P::kTakesNewest,
      P::kUses,
      P::kMostUses,
      sizeof(P),
      [](void *where, const PolicyContext &context) -> Policy * { return new (where) P(context); },
      [](Policy *policy) { static_cast<P *>(policy)->P::~P(); },
      std::is_empty<typename P::Common>::value ? 0 : sizeof(typename P::Common),
      [](void *where, Memory &memory) { new (where) typename P::Common(memory); }};
}

// There is one kind for each constant of ct_policy, defined beside its class in policy/.
extern const PolicyKind kLruKind, kFifoKind, kLfuKind, kRrKind, kTtlKind, kTlruKind, kAnyKind,
    kMruKind, kClockKind, kSieveKind, kS3FifoKind, kWTinyLfuKind, kArcKind, kAdaptiveKind,
    kCustomKind;

// Both return nullptr if there is no such policy.
const PolicyKind *policy_kind(int32_t policy);
const char *policy_name(int32_t policy);

// Returns the first policy of that name, in upper or lower case, or -1 if there is none.
int32_t policy_by_name(const char *name);

}  // namespace ct

#endif
