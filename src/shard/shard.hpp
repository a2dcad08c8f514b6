// SPDX-License-Identifier: MIT
// A shard: one lock over an index, a store, an expiry and a policy, kept in agreement.
//
// While the lock is free:
//   - the index, the policy and the entries that are not dead are the same set;
//   - of these, the ones with a deadline are in the expiry;
//   - a dead entry is kept for its pins or because the call that removed it still has to tell of it,
//     and then for nothing else.
//
// The policy lies behind the shard in memory. No callback but timer, choice, a policy of the
// caller's and the allocator runs under the lock: what leaves is collected in a Departed, and told
// by the cache afterwards.
#ifndef CT_SHARD_HPP
#define CT_SHARD_HPP

#include <cachetools.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>

#include "base/array.hpp"
#include "base/clock.hpp"
#include "base/hash.hpp"
#include "base/lock.hpp"
#include "base/memory.hpp"
#include "base/options.hpp"
#include "policy/policy.hpp"
#include "shard/budget.hpp"
#include "shard/flight.hpp"
#include "shard/owner.hpp"
#include "shard/read_log.hpp"
#include "table/due_tree.hpp"
#include "table/entry.hpp"
#include "table/expiry.hpp"
#include "table/index.hpp"
#include "table/store.hpp"

namespace ct {

class Departed;
class Shard;

// A key on its way through the house.
struct Probe {
  Bytes key;
  uint64_t hash;
};

// Outcomes that never leave the house: of what was to happen only if nothing had changed, and of a
// look without the lock at what only its owner may touch.
constexpr ct_status kChanged = static_cast<ct_status>(-100);
constexpr ct_status kUnsuited = static_cast<ct_status>(-101);

// A value about to be stored. Owns the allocation for a large one until an entry does.
struct StoreRequest {
  explicit StoreRequest(Memory &memory) noexcept : memory(memory) {}
  ~StoreRequest() {
    if (apart != nullptr) memory.release(apart, Layout::apart_bytes(probe.key.size, value.size), 8);
  }
  StoreRequest(const StoreRequest &) = delete;
  StoreRequest &operator=(const StoreRequest &) = delete;

  // Copies key and value into an allocation of their own; false: no memory.
  bool set_apart() {
    apart =
        static_cast<char *>(memory.allocate(Layout::apart_bytes(probe.key.size, value.size), 8));
    if (apart == nullptr) return false;
    char *to = apart + 8;
    if (value.size > 0) std::memcpy(to, value.data, value.size);
    to += round_up_8(value.size) + 8;
    if (probe.key.size > 0) std::memcpy(to, probe.key.data, probe.key.size);
    return true;
  }

  Memory &memory;
  Probe probe = {};
  Bytes value = {};
  uint64_t weight = 0;
  uint64_t deadline = CT_NEVER;  // from the write on
  uint64_t idle = CT_NEVER;      // until the first use, if that is less than the cache's tti
  uint32_t conditions = 0;       // CT_ENTRY_IF_ABSENT, CT_ENTRY_IF_PRESENT
  uint8_t flags = 0;             // of the entry
  bool dead = false;             // on arrival
  bool too_large = false;        // weighs more than maxsize
  bool takes = false;            // what is there, if anything is
  bool as_read = false;          // counts as a read
  bool hands_back = false;       // what is not kept, even if it is too large
  bool discarded = false;        // handed back, not kept
  bool checked = false;          // only if what is there is `seen`: else kChanged
  const Entry *seen = nullptr;   // pinned; nullptr: nothing
  Flight *flight = nullptr;      // that it ends, if that was not overtaken
  char *apart = nullptr;         // filled, if flags say so
  Ref ref = kNone;               // the block, once there is one
  bool lacks_reference = false;  // for the block that was asked for last
  uint64_t need = 0;             // the room that the shard did not make
  uint32_t payer = kAnyShard;    // which shard is to make it: its own after a pause; another
  uint64_t payer_keeps = 0;      // by what is due, and by evicting down to so many entries

  // The shard itself has nothing left.
  static constexpr uint32_t kAnyShard = UINT32_MAX;
  // None: what has left is to be told first, since its blocks are wanted.
  static constexpr uint32_t kTellFirst = UINT32_MAX - 1;
};

// Where a value was seen, and when.
struct Sighted {
  Place place;
  const char *value;  // at that version; nullptr: it is better pinned
  size_t size;
  uint32_t version;
  bool lasting;  // the place can be looked at without the lock, whoever's it is then
};

// A key of many, and what was seen of it.
struct Look {
  Probe probe;
  Sighted seen;
};

// An entry outside of any cache: what a snapshot keeps of it.
struct Record {
  Bytes key;
  Bytes value;
  uint64_t uses;    // if its policy counts them, else 0
  uint64_t ttl;     // what remains of the lifetime from the write on; 0: over, CT_NEVER: has none
  uint64_t idle;    // what remains of the one from the last use on; likewise
  uint64_t weight;  // if it has one of its own
  bool weighed;     // it has
};

// What a snapshot keeps of an entry's place in the order.
struct Ranked {
  uint64_t id;  // of the key: Shard::id_of
  uint32_t rank;
};

// An entry that is pinned, and its place in the order.
struct Ordered {
  Entry *entry;
  uint32_t rank;
  uint32_t number;  // in its rank
};

// A walk over the order of a shard that lets others work in between. It goes on behind a place that
// it remembers: an entry and the one that followed it, both pinned. It remembers some, since others
// may use or remove these meanwhile. When all have changed the walk is over, and what it did not meet
// counts as hotter.
struct OrderWalk {
  static constexpr uint32_t kPlaces = 4;
  static constexpr uint64_t kStepsBack[kPlaces] = {0, 8, 64, 192};

  struct Place {
    Policy::Walk at;
    Policy::Walk next;
    Entry *entry = nullptr;
    Entry *next_entry = nullptr;
  };

  // steps_left: of this stretch.
  void remember(uint64_t steps_left, const Policy::Walk &at, const Policy::Walk &next) {
    for (uint32_t i = 0; i < kPlaces; i++) {
      if (kStepsBack[i] == steps_left) places[i] = {at, next, nullptr, nullptr};
    }
  }

  Place places[kPlaces];  // the latest first
  uint64_t left = 0;      // at most, so that it ends whatever others do meanwhile
  uint64_t version = 0;   // of the order
  bool has_begun = false;
  bool is_disturbed = false;  // the order has changed since
};

// An entry that a walk has pinned.
struct Held {
  Shard *shard;
  Entry *entry;
};

// The shards of a cache, one behind the other.
struct Shards {
  char *first = nullptr;
  size_t stride = 0;
  uint32_t count = 0;
  DueTree due_tree;

  Shard &operator[](uint32_t number) const {
    return *reinterpret_cast<Shard *>(first + number * stride);
  }
};

// What a shard is given by its cache.
struct ShardContext {
  const PolicyKind &kind;
  Owner &owner;
  Memory &memory;
  const Layout &layout;
  const ct_options &options;  // in force
  const Clock &clock;
  Budget &budget;
  Shards &shards;
  uint32_t number;
};

// Entries of one or more shards that have left, in order, on their way to be told. A chain through
// the entries: what leaves needs no memory.
class Departed {
 public:
  // watched: they are told even if the cache has neither listener nor drop.
  explicit Departed(const Shards &shards, bool watched = false) noexcept
      : shards_(shards), watched_(watched) {}
  Departed(const Departed &) = delete;
  Departed &operator=(const Departed &) = delete;

  bool empty() const { return head_.ref == kNone; }
  bool watched() const { return watched_; }
  // Under the lock of shard.
  void add(Shard &shard, Ref ref, ct_cause cause);
  // By deadline; equal ones stay in order.
  void sort();
  // Tells listener and visit (either may be NULL) of each, and lets it go. Holding no lock.
  void tell(ct_listener_fn listener, void *user_data, ct_visit_fn visit, void *visit_data);

 private:
  struct Place {
    uint32_t shard;
    Ref ref;
  };
  Entry *at(Place place) const;
  uint64_t deadline(Place place) const;
  static Place next(const Entry *e) { return {e->next & 0xFFFF, e->prev}; }
  static void set_next(Entry *e, Place place) {
    e->prev = place.ref;
    e->next = (e->next & ~0xFFFFu) | place.shard;
  }
  static int32_t cause(const Entry *e) { return static_cast<int32_t>(e->next >> 16); }
  Place merge(Place a, Place b);

  const Shards &shards_;
  const bool watched_;
  Place head_ = {0, kNone};
  Place tail_ = {0, kNone};
};

class alignas(64) Shard {
 public:
  Shard(const Shard &) = delete;
  Shard &operator=(const Shard &) = delete;

  // At where, with room for bytes_of(kind).
  static Shard *make(void *where, const ShardContext &context) noexcept {
    return new (where) Shard(context);
  }
  static size_t bytes_of(const PolicyKind &kind) {
    return sizeof(Shard) + ((kind.bytes + 63) & ~size_t{63});
  }

  bool ready() const { return policy_->ready(); }

  // A use. count_miss: whether a miss is counted.
  ct_status get(const Probe &probe, Now &now, ct_value *out, bool count_miss);
  // A use, else a load to hold: CT_LEASED if its lease is the caller's, CT_BUSY to wait.
  ct_status join(const Probe &probe, Now &now, Thread loader, ct_value *out, Hold *hold);
  // The turn of those who compute the key, to hold: as join.
  ct_status take_turn(const Probe &probe, Thread thread, Hold *hold);
  // A use. *size is written with CT_OK and CT_ERR_BUFFER.
  ct_status get_copy(const Probe &probe, char *buffer, size_t capacity, size_t *size);

  // Of some keys of this shard, in one go: as get.
  ct_status get_some(Look *looks, uint32_t count, Now &now, ct_value *values, ct_status *statuses);
  // Finds values, and how long they are: no uses yet.
  void sight_some(Look *looks, uint32_t count, Now &now, ct_status *statuses);
  // Copies those that were seen, one behind the other; false: one is not there any more as it was.
  bool copy_some(const Look *looks, uint32_t count, Now &now, char *buffer,
                 const ct_status *statuses);
  // Then these are the uses.
  void use_some(const Look *looks, uint32_t count, Now &now, const ct_status *statuses);
  // False: request.payer is to make room, request.need of it; call again then. That may be this one.
  bool store(StoreRequest &request, Reservation &room, Now &now, Departed &gone, ct_value *out,
             ct_status *status);
  // Another deadline for an entry; request has a key and that deadline. As store.
  bool set_deadline(StoreRequest &request, Reservation &room, Now &now, Departed &gone,
                    ct_status *status);
  // Under CT_CAUSE_REMOVED. out may be NULL.
  ct_status remove(const Probe &probe, Now &now, Departed &gone, ct_value *out);
  // Entries that a call works on before it lets others at the lock.
  static constexpr uint64_t kAtOnce = kLooksAtOnce;
  // What was seen of a key: an entry that is pinned, or nullptr, nothing. False: that is not so any
  // more.
  bool remove_seen(const Probe &probe, Entry *seen, Now &now, Departed &gone);
  // CT_BUSY: let others in, then call again.
  ct_status popitem(Now &now, Departed &gone, ct_value *key, ct_value *value);
  // Removes what is due, then evicts down to that many entries, until room holds need: kAtOnce at the
  // most.
  ct_status evict_for(uint64_t need, uint64_t down_to, Reservation &room, Now &now, Departed &gone);
  // Evicts until the shard has done its share for a lower limit, or nothing is owed any more: kAtOnce
  // at the most. *progress is set if there was something to do.
  ct_status pay_debt(Now &now, Departed &gone, bool *progress);
  // The same for what rounding has left: one entry, whatever its share was.
  ct_status pay_rest(Now &now, Departed &gone, bool *progress);
  // Removes what is due, kAtOnce at the most, and adds how many to *count; answers whether there may be
  // more.
  bool expire(Now &now, Departed &gone, uint64_t *count);
  // Removes entries from a position of the index on; sets *from to where it ended, Index::kEnd at the
  // end. At most about kAtOnce, unless it can drop all as they are.
  void clear_some(uint64_t *from, Now &now, Departed &gone);
  // The limit is another one, of which the shard's part is that part of what it holds.
  void resize(uint64_t maxsize, double part);
  // Gives back memory that is not needed for what is there now.
  void trim();
  ct_status inspect(const Probe &probe, Now &now, ct_entry_info *out);
  bool is_ordered() const { return ordered_; }
  // Ends all but what pinned values need, and what is in gone for its drop. Each pin refers to the
  // cache from then on.
  void close(Departed &gone);
  void destroy() { this->~Shard(); }
#ifdef CT_VALIDATE
  // NULL, or the invariant that is broken. For a cache at rest.
  const char *problem();
  void measure_searches(uint64_t *total, uint64_t *longest);
  uint64_t weight() const { return weight_; }
  void limit_chunks(uint32_t count) { store_.limit_chunks(count); }
  // Since the last time: how often the lock was taken, and most entries that were worked on under it.
  void take_work(uint64_t *holds, uint64_t *most) {
    *holds += holds_.exchange(0);
    *most = std::max(*most, most_work_.exchange(0));
  }
#endif

  void prefetch(uint64_t hash) const { index_.prefetch(hash); }
  // Without the lock, about.
  uint64_t entries() const { return index_.size(); }
  uint32_t number() const { return number_; }

  // For who holds a flight and waits: CT_OK, *out is its value; CT_LEASED, the lease is the
  // caller's now; CT_BUSY; kChanged, it was overtaken and given up; CT_ERR_NOMEM.
  ct_status check_in(Flight &flight, Thread loader, ct_value *out);
  // Holds a flight no more.
  void unhold(Flight &flight) { leave_flight(flight, false); }
  // Gives a lease up, and with it the hold.
  void give_up_lease(Flight &flight) { leave_flight(flight, true); }
  // What is being loaded for the key, or for any, comes too late.
  void overtake(const Probe &probe);
  void overtake_all();
  Owner &owner() const { return owner_; }

  // Ends a store that did not come about.
  void abandon(StoreRequest &request);

  // No use, nothing counted; out may be NULL.
  ct_status peek(const Probe &probe, Now &now, ct_value *out);
  void count_reads(uint64_t hits, uint64_t misses);
  uint64_t size();
  void add_stats(ct_stats *stats);
  void reset_stats();

  // Pins the entries of a stretch of positions from `from` on and appends them; sets *from to where
  // it ended, Index::kEnd at the end.
  ct_status list_some(uint64_t *from, Array<Held> &out);
  // Key and value of a pinned entry, if it is neither dead nor expired.
  bool view(Entry *entry, Now &now, Bytes *key, Bytes *value);

  static Shard &of_pin(uint64_t pin) {
    return *reinterpret_cast<Shard *>(static_cast<uintptr_t>(pin & ~kFar));
  }
  Entry *entry_of(const ct_value &value) const;
  ct_status repin(const ct_value &value, ct_value *out);
  void release(ct_value *value);
  void release(Entry *entry);

  // ---- Walks and snapshots (shard_walk.cpp) -------------------------------------------------

  bool has_frequency() const { return has_frequency_; }
  static uint64_t id_of(Bytes key) { return hash_key(key.data, key.size, 0); }
  // Sets out on a walk over the order.
  OrderWalk begin_walk();
  // Pushes the next kAtOnce, for which there is room, or what is left. CT_OK or CT_ERR_NOMEM.
  ct_status list_ranks(OrderWalk &walk, Array<Ranked> &out);
  // The same with the entries themselves, pinned.
  ct_status list_order(OrderWalk &walk, Array<Ordered> &out);
  void end_walk(OrderWalk &walk);
  // Of an entry that is pinned; false: it has expired.
  bool describe(Entry *entry, Now &now, Record *out);
  // Fills a block for a key that is not there, so that it can be admitted: request.ref. It may be there
  // already: CT_EXISTS.
  ct_status stage(StoreRequest &request, Reservation &room, Now &now, Departed &gone);
  // Lets it in unless the key has come meanwhile. Its room is reserved. Tells and counts nothing.
  void admit(Ref ref, uint64_t uses, Reservation &room, Now &now);
  // Or this.
  void dismiss(Ref ref);

  // After the entry was told.
  void let_go(Ref ref, Entry *entry);

  Entry *at(Ref ref) const { return store_.at(ref); }
  uint64_t deadline(Entry *e) const { return layout_.deadline(e); }
  ct_event event_of(Entry *e, int32_t cause) const;

  // By the cache's weight kind.
  static uint64_t weigh(int32_t kind, const Layout &layout, uint8_t flags, size_t key_size,
                        size_t value_size);

 private:
  enum class Room { kMade, kElsewhere, kBroken };
  // kPaused: what is asked for the next one said kAskAgain.
  enum class Eviction { kDone, kPaused, kBroken };

  // Up to here copying costs less than pinning, and locking once more.
  static constexpr size_t kCopiedInside = 1024;
  // The values of shorter keys are never far.
  static constexpr size_t kNearKeyBytes = 256;

  // Entries with kManyPins, and how many pins they have beyond.
  struct ManyPins {
    Entry *entry;
    uint64_t more;
  };

  explicit Shard(const ShardContext &context) noexcept;
  ~Shard() = default;

  template <bool kLocked>
  ct_status examine(Ref ref, const Probe &probe, uint32_t version, Sighted *seen,
                    const Lifetime **life) const;
  template <bool kLocked, bool kCopies, class NowOf>
  ct_status confirm(Place place, const Probe &probe, uint32_t version, NowOf &now, char *buffer,
                    size_t capacity, Sighted *seen) const;
  template <bool kLocked, class NowOf>
  ct_status look_home(const Probe &probe, NowOf &now, char *buffer, size_t capacity,
                      Sighted *seen) const;
  ct_status look(const Probe &probe, Now &now, char *buffer, size_t capacity, Sighted *seen) const;
  [[gnu::noinline]] ct_status get_copy_again(const char *key, size_t key_size, uint64_t hash,
                                             char *buffer, size_t capacity, size_t *size);
  void note_hit(Place place);
  void note_miss() {
    if (keeps_stats_ == 0) return;
    ReadLog::Stripe &own = log_.own();
    own.add(own.misses, 1);
  }
  ct_status get_copy_locked(const Probe &probe, Now &now, char *buffer, size_t capacity,
                            size_t *size);
  ct_status sight(const Probe &probe, Now &now, Sighted *seen);
  bool copy_again(const Probe &probe, Now &now, char *buffer, size_t size);
  bool approach(Look *looks, uint32_t count, uint32_t version) const;
  template <bool kLocked>
  void sight_run(Look *looks, uint32_t count, Now &now, ct_status *statuses) const;
  uint32_t copy_run(const Look *looks, uint32_t count, char *buffer, const ct_status *statuses,
                    size_t *copied);
  uint32_t use_run(const Look *looks, uint32_t count, Now &now, const ct_status *statuses);
  Lock *lock() {
    begin_work();
    return shared_ ? &lock_ : nullptr;
  }
  // At the end of a slice of a longer call: without it the thread would take the lock again before one
  // that it has woken.
  void let_others_in() {
    if (shared_) lock_.let_line_pass();
  }
#ifdef CT_VALIDATE
  void begin_work() {
    holds_.fetch_add(1, std::memory_order_relaxed);
    work_.store(0, std::memory_order_relaxed);
  }
  void work_on_entry() const {
    const uint64_t work = work_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (work > most_work_.load(std::memory_order_relaxed)) {
      most_work_.store(work, std::memory_order_relaxed);
    }
  }
#else
  void begin_work() {}
  void work_on_entry() const {}
#endif
  uint64_t hash_of(Ref ref) const {
    work_on_entry();
    const Bytes key = layout_.key(store_.at(ref));
    return hash_key(key.data, key.size, seed_);
  }
  auto hasher() const {
    return [this](Ref ref) { return hash_of(ref); };
  }
  [[gnu::always_inline]] Place find(const Probe &probe) const {
    return index_.find(probe.hash, [&](Ref ref) {
      return layout_.has_key(store_.at(ref), probe.key.data, probe.key.size);
    });
  }
  bool is_expired(Entry *e, Now &now) const {
    const uint64_t at = layout_.deadline(e);
    return at != CT_NEVER && now() >= at;
  }
  // kNone also for one that is expired.
  [[gnu::always_inline]] Place find_live(const Probe &probe, Now &now) const {
    Place place = find(probe);
    if (place.ref != kNone && is_expired(store_.at(place.ref), now)) place.ref = kNone;
    return place;
  }
  // What a walk has pinned, if it is still there and not expired.
  Ref current(Entry *e, Now &now) const;
  bool due_elsewhere(StoreRequest &request, Now &now) const;
  bool is_smaller_than_next(StoreRequest &request);
  ct_status pay_debt_inside(uint64_t entries, Now &now, Departed &gone, bool *progress);
  [[gnu::noinline, gnu::cold]] void pay_a_little(Now &now, Departed &gone);
  Ref first_due(Now &now);
  uint64_t weight_of(Entry *e) const;
  ct_status get_inside(const Probe &probe, Now &now, ct_value *out, bool count_miss);
  void count_use(Place place, uint64_t hash, Now &now);
  void gather_use(Place place);
  void gather_use_unlocked(ReadLog::Stripe &own, Place place);
  void tell_uses();
  // Before anything that the order matters to.
  // Another one as soon as the order may be another.
  uint64_t order_version() const { return order_changes_ + index_.version(); }
  void settle_uses() {
    if (uses_ == Uses::kBatched) tell_uses();
  }
  bool resume(const OrderWalk &walk, Policy::Walk *at) const;
  bool pin_places(OrderWalk &walk);
  template <class Visit>
  ct_status walk_some(OrderWalk &walk, Visit visit);
  bool hand_over(const Place &place, uint64_t hash, bool use, Now &now, ct_value *out);

  bool pin(Entry *e);
  void unpin(Entry *e);
  bool let_loose(Entry *e, bool last);
  [[gnu::noinline, gnu::cold]] bool drop_last(Entry *e);
  bool hand_out(Entry *e, Bytes bytes, ct_value *out);
  [[gnu::noinline, gnu::cold]] bool give_back(StoreRequest &request, ct_value *out);

  bool has_deadline(const StoreRequest &request) const {
    return request.deadline != CT_NEVER || tti_ != 0;
  }
  Ref make_block(StoreRequest &request);
  void release_block(StoreRequest &request);
  void fill(Ref ref, const StoreRequest &request, Now &now);
  void renew_idle(Entry *e, Now &now);
  Ref copy_entry(const Entry *from, uint8_t flags, StoreRequest &request);
  void bury(Ref ref, ct_cause cause, Departed &gone);
  void bury_copy(Ref ref, Entry *e);

  bool judge(StoreRequest &request, Ref old, Reservation &room, Now &now, Departed &gone,
             ct_value *out, ct_status *status);
  bool refuse(StoreRequest &request, Ref old, Reservation &room, Departed &gone, ct_value *out,
              ct_status *status);
  [[gnu::noinline, gnu::cold]] void reject(const StoreRequest &request);
  bool reserve(uint64_t count, bool has_deadline);
  bool reserve_deadline() { return expiry_.reserve(); }
  bool prepare(StoreRequest &request);
  [[gnu::noinline, gnu::cold]] void open_log();
  Room make_room(StoreRequest &request, Ref *own, Reservation &room, Now &now, Departed &gone);
  bool overwrite(StoreRequest &request, Ref ref, Reservation &room, Now &now);
  Entry *commit(StoreRequest &request, Ref old, Reservation &room, Now &now, Departed &gone);
  void change_place(Ref from, Ref to, uint64_t hash);
  bool move(Ref from);
  [[gnu::noinline, gnu::cold]] void compact_for(const StoreRequest &request);
  bool compact(size_t bytes);
  void settle(Reservation &room, uint64_t before, uint64_t after);
  bool extend(StoreRequest &request, Ref ref, Reservation &room, Now &now, Departed &gone,
              ct_status *status);
  bool finish(StoreRequest &request, Reservation &room, ct_status status, Now &now, Departed &gone);

  uint64_t leave(Ref ref, uint64_t hash, ct_cause cause, Departed &gone, bool displaced = false);
  Eviction evict(const StoreRequest *request, Ref *watched, Now &now, Departed &gone,
                 uint64_t *weight);
  bool evict_for_block(StoreRequest &request, Ref own, Reservation &room, Now &now, Departed &gone);
  static void forget_own(StoreRequest &request);
  void prefetch_next_victim() const;
  bool expire_due(Now &now, Departed &gone, uint64_t *count);
  void tidy(Reservation &room, Now &now, Departed &gone);
  void free_dead(Entry *e);
  void free_block(Ref ref, Entry *e);
  // Its value, pinned, is now in *value; the lease is consumed.
  [[gnu::noinline, gnu::cold]] void land(Flight &flight, const ct_value &value, Now &now);
  void leave_flight(Flight &flight, bool had_lease);
  void overtake_load(const Probe &probe) {
    if (!flights_.empty()) flights_.overtake(probe.key, probe.hash);
  }
  void count_departure(ct_cause cause, uint64_t weight);
  void expect(uint64_t maxsize);
  [[gnu::noinline, gnu::cold]] void expect_by_weight();
  void close_entries(Departed &gone);
  void clear_at_once(bool drops, Departed &gone);
#ifdef CT_VALIDATE
  const char *problem_of_entries();
#endif

  // Without the lock, before it is taken.
  static constexpr int kAttempts = 3;
  // A shard of so many entries can spare the room for a log of reads, and for what they may look at.
  // Where invariants are checked, small ones are to have it, too.
#ifdef CT_VALIDATE
  static constexpr uint64_t kLogged = 3;
#else
  static constexpr uint64_t kLogged = 128;
#endif

  struct Counters {
    uint64_t hits, misses, inserts, updates, evictions, evicted_weight, expirations, removals,
        rejections, loads, load_failures, load_ticks, waits;
  };

  // All below is guarded by lock_ unless it is const.
  Lock lock_;
  const bool shared_;          // locks are taken
  const uint8_t keeps_stats_;  // 1: statistics are kept
  bool closed_ = false;        // by ct_cache_free
  const uint32_t number_;
  const Uses uses_;           // of the policy
  const uint8_t most_uses_;   // that its use bits count to
  const bool unlocked_;       // values are copied without the lock, once the log is open
  Policy *policy_ = nullptr;  // behind the shard, until close
  ReadLog log_;
  uint32_t used_count_ = 0;
  uint64_t order_changes_ = 0;  // by uses and insertions, of which the index does not tell
  Ref used_[ReadLog::kUses];  // while the log is not open: uses that the policy was not told of yet
  const Layout layout_;
  const uint64_t seed_;
  const Clock &clock_;
  Index index_;
  Store store_;
  Counters counters_ = {};
  Expiry expiry_;
  Flights flights_;
  const uint64_t tti_;
  const int32_t weight_kind_;
  const bool weighs_one_;  // every entry weighs 1
  uint64_t weight_ = 0;    // of all entries
  uint64_t part_ = 0;      // of it that a lower limit leaves; meaningless unless there is a debt
  uint32_t looks_ = 0;     // how many stores more look whether another shard should pay
  uint32_t looked_at_;     // at which shard last
  uint32_t waiting_ = 0;   // requests that have a block and wait for room
  uint64_t pinned_ = 0;    // pins in all
  uint64_t telling_ = 0;   // dead entries that are still to be told
  uint64_t apart_ = 0;     // entries with an Apart, dead ones included
  const ct_drop_fn drop_;
  void *const user_data_;
  const bool quiet_;  // neither listener nor drop
  const Shards &shards_;
  Budget &budget_;
  Memory &memory_;
  Owner &owner_;
  Array<ManyPins> many_pins_;
  const bool ordered_;
  const bool has_frequency_;  // uses, exactly
  void (*const destroy_policy_)(Policy *);
#ifdef CT_VALIDATE
  std::atomic<uint64_t> holds_{0};
  mutable std::atomic<uint64_t> work_{0};
  mutable std::atomic<uint64_t> most_work_{0};
#endif
};

// Whether ref is to the entry of that key: CT_OK, with where its value is and of what size, and with
// *life set to its lifetime, NULL if it has none; CT_MISS, it is another's; kUnsuited, it may be,
// but is better pinned, or better looked at under the lock; kChanged.
//
// The fewer instructions, the more of the next look-up runs in the shadow of this one's cache misses.
// Without the lock nothing that it sees is certain before the version is asked for again; until then
// it only goes where there is memory.
template <bool kLocked>
[[gnu::always_inline]] inline ct_status Shard::examine(Ref ref, const Probe &probe,
                                                       uint32_t version, Sighted *seen,
                                                       const Lifetime **life) const {
  const size_t key_size = probe.key.size;
  const Entry *entry = store_.at(ref);
  // Where the value is can be known when the header is there; that it is not far, at once.
  __builtin_prefetch(Layout::at(entry, 64));
  const Head head = Head::of(entry);
  // What lies apart may be it.
  if (head.key_size != key_size) return head.key_size == kApartKeySize ? kUnsuited : CT_MISS;
  // From here on its lengths are known to be its own.
  if (!kLocked && !index_.unchanged_since(version)) return kChanged;
  const char *key = Layout::at(entry, layout_.key_offset(head.flags));
  if (!equal_cells(key, probe.key.data, key_size)) return CT_MISS;
  if (head.value_size > kCopiedInside) return kUnsuited;
  seen->value = key + round_up_8(key_size);
  seen->size = head.value_size;
  *life = (head.flags & kLifetime) != 0 ? layout_.lifetime(entry, head.flags) : nullptr;
  return CT_OK;
}

// What is at the first place to look at, for what is nearly always so, else kChanged or kUnsuited: as
// look.
template <bool kLocked, bool kCopies, class NowOf>
[[gnu::always_inline]] inline ct_status Shard::confirm(Place place, const Probe &probe,
                                                       uint32_t version, NowOf &now, char *buffer,
                                                       size_t capacity, Sighted *seen) const {
  const auto unchanged_since = [&] { return kLocked || index_.unchanged_since(version); };
  if (place.ref == kNone) {
    return place.bucket->passed.acquire() == 0 && unchanged_since() ? CT_MISS : kChanged;
  }
  const Lifetime *life;
  const ct_status status = examine<kLocked>(place.ref, probe, version, seen, &life);
  if (status != CT_OK) return kChanged;
  if (seen->size > capacity) return kUnsuited;
  if (kCopies) load_bytes(buffer, seen->value, seen->size);
  const uint64_t deadline = life == nullptr ? CT_NEVER : life->write.acquire();
  if (!unchanged_since()) return kChanged;
  if (deadline != CT_NEVER && now() >= deadline) return CT_MISS;
  seen->place = place;
  seen->version = version;
  seen->lasting = !kLocked;
  return CT_OK;
}

// Finds a value and copies it, for what is nearly always so, else kChanged or kUnsuited: in a table
// that is not being replaced, the first entry of that tag in its home.
template <bool kLocked, class NowOf>
[[gnu::always_inline]] inline ct_status Shard::look_home(const Probe &probe, NowOf &now,
                                                         char *buffer, size_t capacity,
                                                         Sighted *seen) const {
  if (probe.key.size > kNearKeyBytes || (kLocked && tti_ != 0)) return kUnsuited;
  const uint32_t version = index_.version();
  Bucket *home = index_.home(probe.hash);
  if (home == nullptr || (!kLocked && !index_.unchanged_since(version))) return kChanged;
  return confirm<kLocked, true>(home->first(hash_tag(probe.hash)), probe, version, now, buffer,
                                capacity, seen);
}

[[gnu::always_inline]] inline void Shard::note_hit(Place place) {
  ReadLog::Stripe &own = log_.own();
  place.count_use(most_uses_);
  if (keeps_stats_ != 0) own.add(own.hits, 1);
  if (uses_ == Uses::kBatched && !own.use(place)) gather_use_unlocked(own, place);
}

[[gnu::always_inline]] inline ct_status Shard::get_copy(const Probe &probe, char *buffer,
                                                        size_t capacity, size_t *size) {
  if (log_.is_open()) {
    const auto now = [&] { return clock_.read(); };
    Sighted seen;
    const ct_status status = look_home<false>(probe, now, buffer, capacity, &seen);
    if (status == CT_OK) {
      *size = seen.size;
      note_hit(seen.place);
      return CT_OK;
    }
    if (status == CT_MISS) {
      note_miss();
      return CT_MISS;
    }
  }
  return get_copy_again(probe.key.data, probe.key.size, probe.hash, buffer, capacity, size);
}

}  // namespace ct

#endif
