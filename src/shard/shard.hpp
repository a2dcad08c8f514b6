// SPDX-License-Identifier: MIT
// A shard: one lock over entries by key, an expiry and a policy, kept in agreement.
//
// While the lock is free:
//   - the index, the policy and the entries that are not dead are the same set;
//   - of these, the entries with a deadline are in the expiry;
//   - a dead entry is kept for its pins, or because the call that removed it still has to tell the
//     listener of it, and for no other reason.
//
// The parts of a shard know nothing of shards: entries by key (table/entry_map), expiry, policy,
// uses (use_recorder), pins, flights, its share of the limit, counters. The shard itself is the
// lock, and the order in which a call changes these parts. What takes several calls, or many keys,
// is an object of its own: a store (ShardStore), a walk (ShardWalk), a batch (ShardBatch).
//
// The policy lies behind the shard in memory, then the negatives, if the cache keeps any, and then
// the shard's demand, if there are several shards. No callback runs under the lock but the timer,
// `choice`, the allocator and a policy of the caller's. If anyone is to be told of entries that
// leave, they are collected in a Departed, and the cache does so afterwards.
#ifndef CT_SHARD_HPP
#define CT_SHARD_HPP

#include <cachetools.h>

#include <cstdint>
#include <new>

#include "base/annotations.hpp"
#include "base/clock.hpp"
#include "base/memory.hpp"
#include "policy/policy.hpp"
#include "shard/budget.hpp"
#include "shard/counters.hpp"
#include "shard/curve.hpp"
#include "shard/departed.hpp"
#include "shard/flight.hpp"
#include "shard/negatives.hpp"
#include "shard/optimistic_reader.hpp"
#include "shard/owner.hpp"
#include "shard/pins.hpp"
#include "shard/request.hpp"
#include "shard/shard_lock.hpp"
#include "shard/shards.hpp"
#include "shard/share.hpp"
#include "shard/use_recorder.hpp"
#include "table/entry_map.hpp"
#include "table/expiry.hpp"

namespace ct {

// What the cache gives to a new shard.
struct ShardContext {
  const PolicyKind &kind;
  Owner &owner;
  Memory &memory;
  const Layout &layout;
  const ct_options &options;  // in force
  const Clock &clock;
  Budget &budget;
  LoadCounters &loads;
  Tags &tags;
  Shards &shards;
  NegativeRoom *negatives;  // nullptr: none are kept
  void *common;             // of the policies
  uint32_t number;
};

// How a caller joins the load of a key.
struct Joining {
  Thread loader;     // the thread that will load, or 0 for no thread in particular
  bool forces;       // load, even if there is a value
  bool waits_first;  // wait for a renewal that runs, rather than take a stale value
};

class alignas(64) Shard {
 public:
  Shard(const Shard &) = delete;
  Shard &operator=(const Shard &) = delete;

  // ---- Life (shard.cpp) ---------------------------------------------------------------------

  // Makes a shard at `where`, which has room for bytes_of(kind).
  static Shard *make(void *where, const ShardContext &context) noexcept {
    return new (where) Shard(context);
  }
  static size_t bytes_of(const PolicyKind &kind, const ct_options &options) {
    return bytes_before_negatives(kind) + (options.negative_ttl != 0 ? kNegativesBytes : 0) +
           (options.shards > 1 ? sizeof(Demand) : 0);
  }
  // Returns false if there was no memory for the shard.
  bool ready();
  // Ends the shard, except for what pinned values need, and for the entries in `gone`, whose values
  // are still to be dropped. Each pin refers to the cache from then on.
  void close(Departed &gone);
  void destroy() { this->~Shard(); }

  Owner &owner() const { return owner_; }
  uint32_t number() const { return number_; }
  bool is_ordered() const { return ordered_; }
  bool has_frequency() const { return has_frequency_; }
  // Returns about how many entries there are. Needs no lock.
  uint64_t entries() const { return unlocked().size(); }
  // As those of Share.
  uint32_t demand() const { return unlocked().demand(); }
  uint32_t given() const { return unlocked().given(); }
  uint64_t size();
  void prefetch(uint64_t hash) const { unlocked().prefetch(hash); }
  // Takes over a new limit, which leaves the shard `part` of the weight that it holds.
  void resize(uint64_t maxsize, double part);
  // Gives back memory that the present entries do not need.
  void trim();

  void add_stats(ct_stats *stats);
  void reset_stats();
  void count_read(bool is_hit);
  // These tell the miss-ratio curve, if there is one, of a read that is counted elsewhere
  // (shard_curve.cpp). The first one is told of a look that is no use.
  [[gnu::cold]] void tell_peek(const Probe &probe, bool is_hit);
  // Tells of entries from position *from of the index on, as of stores. Sets *from to where it
  // stopped: Index::kEnd at the end. Looks at about kAtOnce entries.
  [[gnu::cold]] void tell_entries(uint64_t *from);
  void tell_miss(uint64_t hash) const {
    Curve *curve = owner_.curve();
    if (__builtin_expect(curve != nullptr, 0)) curve->miss(hash);
  }

#ifdef CT_VALIDATE
  // Returns the invariant that is broken, or NULL. The cache must be at rest.
  const char *problem();
  void measure_searches(uint64_t *total, uint64_t *longest);
  uint64_t weight() {
    Locked locked(*this);
    return share_.weight();
  }
  void add_negatives(uint64_t *count, uint64_t *weight) {
    Locked locked(*this);
    if (!has_negatives()) return;
    *count += negatives_->count();
    *weight += negatives_->weight();
  }
  // Returns how many tags its entries hold together.
  uint64_t tags() {
    Locked locked(*this);
    return map_.entries.slots();
  }
  void limit_chunks(uint32_t count) {
    Locked locked(*this);
    map_.entries.store().limit_chunks(count);
  }
  // Makes a small shard do what otherwise only a large one does. Must be called before the shard is
  // used.
  void act_large(uint8_t opens_at) {
    Locked locked(*this);
    large_ = opens_at;
    opens_at_ = reads_unlocked_ ? large_ : UINT32_MAX;
    map_.entries.store().act_large();
  }
  void take_work(uint64_t *holds, uint64_t *most) { unlocked().take_work(holds, most); }
#endif

  // ---- Reading (shard_read.cpp) -------------------------------------------------------------

  // Hands out the value, as a use. counts_miss: whether a miss is counted.
  ct_status get(const Probe &probe, Now &now, ct_value *out, bool counts_miss);
  // Copies the value, as a use. *size is 0 unless the status is CT_OK or CT_ERR_BUFFER.
  ct_status get_copy(const Probe &probe, char *buffer, size_t capacity, size_t *size);
  // Neither of these is a use, and neither counts a hit or miss. peek: out may be NULL.
  ct_status peek(const Probe &probe, Now &now, ct_value *out);
  [[gnu::cold]] ct_status inspect(const Probe &probe, Now &now, ct_entry_info *out);

  // ---- Storing (shard_set.cpp; ShardStore for all that is not as usual) ---------------------

  // Stores the pair if all is as usual, in a cache that may do so. Returns false, having changed
  // nothing, if not.
  template <bool kMortal>
  bool set_as_usual(const UsualSet &set, Now &now);

  // Adds to a counter in its place, if all is as usual. Returns false, having changed nothing, if
  // not (shard_add.cpp).
  bool add_as_usual(const Probe &probe, int64_t delta, Now &now, int64_t *sum);

  // ---- Removing (shard_remove.cpp) ----------------------------------------------------------

  // Removes the key's entry. Returns CT_MISS if there is none, or if it was gone already. out may be
  // NULL.
  ct_status remove(const Probe &probe, Now &now, Departed &gone, ct_value *out);
  // Removes the key's entry if the condition, one of the two with `seen`, holds. Returns CT_OK;
  // CT_MISS if there was none; or CT_EXISTS if the condition does not hold.
  ct_status remove_seen(const Probe &probe, Condition condition, const Entry *seen, Now &now,
                        Departed &gone);
  // Removes a pinned entry, stale or not, unless it has left already.
  bool remove_matched(const Probe &probe, Entry *matched, Now &now, Departed &gone);
  // Returns false if it has let others at the lock, and is to be called again.
  bool popitem(Now &now, Departed &gone, ct_value *key, ct_value *value, ct_status *status);

  // How many entries a call works on before it lets others at the lock.
  static constexpr uint64_t kAtOnce = kLooksAtOnce;
  // How many homes of the index it visits, which matters in a table with few entries.
  static constexpr uint64_t kHomesAtOnce = 64;
  // Removes entries that are due, then evicts down to `down_to` entries, until `room` holds `need`.
  // Removes kAtOnce entries at most.
  ct_status evict_for(uint64_t need, uint64_t down_to, Reservation &room, Now &now, Departed &gone);
  // Evicts until the shard has done its part for a lower limit, or the debt is paid: kAtOnce
  // entries at most. Sets *progress if there was something to do.
  ct_status pay_debt(Now &now, Departed &gone, bool *progress);
  // The same for the debt that rounding has left: evicts one entry, whatever the shard's part was.
  ct_status pay_rest(Now &now, Departed &gone, bool *progress);
  // Removes entries that are due, kAtOnce at most, and adds their number to *count. Returns whether
  // more may be due.
  bool expire(Now &now, Departed &gone, uint64_t *count);
  // Removes entries of which a tag was invalidated, up to the invalidation of this number. Looks at
  // about kAtOnce entries. Returns whether it is to be called again.
  bool sweep(uint64_t invalidation, Departed &gone);
  // Removes entries from position *from of the index on. Sets *from to where it stopped:
  // Index::kEnd at the end. Removes about kAtOnce entries at most, unless it can drop all entries
  // at once.
  [[gnu::cold]] void clear_some(uint64_t *from, Now &now, Departed &gone);
  // Releases a chunk that a clear has left. Returns whether there may be more.
  [[gnu::cold]] bool release_dropped();

  // ---- Loading (shard_load.cpp) -------------------------------------------------------------

  // Hands out the value, as a use: CT_OK, or CT_STALE if it is past its deadline. With CT_RENEW the
  // caller also has the lease of the load that renews it. If there is no value, holds the load of
  // the key: CT_LEASED if the caller has its lease, CT_BUSY if it is to wait.
  ct_status join(const Probe &probe, Now &now, const Joining &joining, ct_value *out, Hold *hold);
  // Holds the turn to compute the key. Returns as join does.
  ct_status take_turn(const Probe &probe, Thread thread, Hold *hold);
  // The caller has taken the lease over from another one, and loads even if there is a value: that
  // value, if any, is what it renews.
  void find_old(Flight &flight, Now &now);
  // Returns what has come of a flight that the caller holds and waits for.
  Landing check_in(Flight &flight, Thread loader, bool falls_back, ct_value *out,
                   Waiter *waiter = nullptr);
  // These end the hold of a caller, as the functions of Flights do.
  void leave(Flight &flight, Answers &answers);
  void give_up_lease(Flight &flight, Answers &answers);
  void fail_lease(Flight &flight, ct_status failure, Answers &answers);
  // Cancels a waiter that waits; it still holds its flight. Returns false if it does not wait any
  // more. *over: nothing refers to it now.
  bool cancel(Waiter &waiter, bool *over);
  // The waiter was told. Returns whether nothing refers to it now.
  bool end_wait(Waiter &waiter);
  // A load that was to renew `old` has failed, or has found that there is no value any more: then
  // the old value leaves. Returns how the old value may be handed out all the same: CT_OK,
  // CT_STALE, or CT_MISS if it may not. The lease is still to be ended.
  [[gnu::cold]] ct_status fail_to_renew(const Flight &flight, Entry *old, ct_status failure,
                                        Now &now, Departed &gone);
  // A load has found that `old` is still as it should be: its lifetime begins anew. Returns CT_OK
  // if it has, and CT_NOT_STORED if it has not; then the load has landed, and its value is handed
  // out. Returns CT_MISS if the entry has left, and is to be stored anew; but not in a cache with a
  // `drop`, which is called for the one that has left. Returns CT_EXISTS if the entry needs a place
  // for a lifetime first.
  ct_status keep(Flight &flight, Entry *old, uint64_t deadline, Now &now, Departed &gone,
                 ct_value *out);
  // Returns whether a pinned entry has a weight that does not follow from its bytes.
  bool has_own_weight(const Entry *pinned, uint64_t *weight) const {
    if ((pinned->flags & kWeight) == 0) return false;
    *weight = unlocked().weight_of(pinned);
    return true;
  }
  // Makes an empty list hold the tags of an entry that is pinned.
  void hold_tags_of(const Entry *pinned, TagList *list) { unlocked().hold_tags_of(pinned, list); }
  // Invalidates the key, or all keys: overtakes their loads, and forgets their negatives.
  void invalidate(const Probe &probe);
  void invalidate_all();
  // Returns whether it may be remembered that the load has found no value: not if it was overtaken.
  bool may_remember(const Flight &flight, Now &now);
  // Remembers that, if it still may. Takes over the negative, which weighs what `room` holds.
  // Returns false if it has not.
  bool remember(const Flight &flight, Negative *negative, Reservation &room, Now &now);
  // Lets the oldest negative go into `room`. Returns false if there is none.
  bool forget_oldest(Reservation &room);
  // Lets negatives go that are over, kAtOnce at most. Returns whether more may be over.
  bool tidy_negatives(Now &now);

  // ---- Pinned values (shard_pins.cpp) -------------------------------------------------------

  static Shard &of_pin(uint64_t pin) { return Pins::shard_of(pin); }
  Entry *entry_of(const ct_value &value) const { return unlocked().entry_of(value); }
  // Returns what a condition of this shard compares: the entry of a pinned value, or nullptr if
  // nothing is held. The value may be another shard's or another cache's.
  const Entry *seen_by(const ct_value &value) const;
  ct_status repin(const ct_value &value, ct_value *out);
  void release(ct_value *value);
  void release(Entry *entry);

  // Needs no lock, since the entry is pinned.
  Bytes value_of(const Entry *pinned) const { return unlocked().value(pinned); }
  // The following functions are for entries that have left, until let_go.
  Entry *at(Ref ref) const { return unlocked().at(ref); }
  uint64_t deadline(const Entry *e) const { return unlocked().deadline(e); }
  ct_event event_of(const Entry *e, int32_t cause) const;
  void let_go(Ref ref, Entry *entry);

 private:
  friend class ShardBatch;
  friend class ShardStore;
  friend class ShardWalk;

  // A capability of the analysis alone. It stands for this: the policy has been told of all uses.
  struct CT_CAPABILITY("the policy's knowledge") Knowledge {};

  // Holds the lock for a scope.
  class CT_SCOPED_CAPABILITY Locked {
   public:
    explicit Locked(Shard &shard) noexcept CT_ACQUIRE(shard.lock_) : shard_(shard) {
      shard_.lock_.lock();
      shard_.map_.entries.begin_work();
    }
    ~Locked() CT_RELEASE() { shard_.lock_.unlock(); }
    Locked(const Locked &) = delete;
    Locked &operator=(const Locked &) = delete;

   private:
    Shard &shard_;
  };
  // The same, and tells the policy of all uses first. Calls to which the order matters need it.
  class CT_SCOPED_CAPABILITY Settled {
   public:
    explicit Settled(Shard &shard) noexcept CT_ACQUIRE(shard.lock_, shard.settled_)
        : locked_(shard) {
      shard.uses_.settle();
    }
    ~Settled() CT_RELEASE() = default;

   private:
    Locked locked_;
  };

  static constexpr size_t kNegativesBytes = (sizeof(Negatives) + 63) & ~size_t{63};
  static size_t bytes_before_negatives(const PolicyKind &kind) {
    return sizeof(Shard) + ((kind.bytes + 63) & ~size_t{63});
  }

  // kPaused: the expiry or the policy returned kAskAgain. kBroken: the policy named no victim.
  enum class Eviction : uint8_t { kDone, kPaused, kBroken };

  explicit Shard(const ShardContext &context) noexcept;
  ~Shard();

  // Unchecked: the reader offers only what may be done without the lock.
  [[gnu::always_inline]] OptimisticReader unlocked() const CT_UNCHECKED {
    return OptimisticReader(map_, uses_, share_);
  }
  // Passes on a function that needs the lock to one that calls it before it returns.
  // Unchecked: the analysis does not see that the caller holds the lock until then.
  template <class Function>
  auto under_lock(Function function) const CT_REQUIRES(lock_) {
    return [function](auto... arguments) CT_UNCHECKED { return function(arguments...); };
  }

  bool keeps_stats() const { return keeps_stats_; }
  uint64_t hash_of(Ref ref) const CT_REQUIRES(lock_) { return hash_of(at(ref)); }
  uint64_t hash_of(const Entry *e) const CT_REQUIRES(lock_) {
    map_.entries.count_work();
    return map_.entries.hash_of(map_.entries.key(e));
  }
  auto hasher() const CT_REQUIRES(lock_) {
    return under_lock([this](Ref ref) CT_REQUIRES(lock_) { return hash_of(ref); });
  }
  // The same, and counts the entries that it is asked about: a visit also asks about neighbours.
  auto hasher(uint64_t *asked) const CT_REQUIRES(lock_) {
    return under_lock([this, asked](Ref ref) CT_REQUIRES(lock_) {
      ++*asked;
      return hash_of(ref);
    });
  }
  // Changes whenever places in the order may have changed; a rank may change without.
  uint64_t order_version() const CT_REQUIRES(lock_) {
    return uses_.changes() + map_.index.version();
  }

  void expect(uint64_t maxsize) CT_REQUIRES(lock_);
  [[gnu::noinline, gnu::cold]] void expect_by_weight() CT_REQUIRES(lock_);
  [[gnu::noinline, gnu::cold]] void open() CT_REQUIRES(lock_);
  void close_entries(Departed &gone);
#ifdef CT_VALIDATE
  const char *problem_of_entries() CT_REQUIRES(lock_);
#endif

  // ---- Reading ------------------------------------------------------------------------------

  // Called without the lock. Each returns what the read returns, so that it can be its last call.
  ct_status note_hit(Slot slot);
  // "Elsewhere": in a stripe of the log that the thread does not own.
  [[gnu::noinline]] ct_status note_hit_elsewhere(Slot slot);
  [[gnu::noinline]] ct_status note_hit_unless_due(Slot slot, uint64_t deadline, size_t *size);
  [[gnu::noinline]] ct_status record_late(ReadLog::Stripe &own, Slot slot);
  ct_status note_miss(const char *key, size_t key_size);
  ct_status note_miss();
  [[gnu::noinline]] ct_status note_miss_elsewhere();
  ReadLog::Stripe &stripe_of_any();
  [[gnu::noinline]] ct_status get_copy_again(const char *key, size_t key_size, char *buffer,
                                             size_t capacity, size_t *size);
  bool copy_found(const Found &found, char *buffer, size_t *size, uint64_t *deadline) const;
  ct_status get_copy_under_lock(const Probe &probe, Now &now, char *buffer, size_t capacity,
                                size_t *size);
  ct_status get_locked(const Probe &probe, Now &now, ct_value *out, bool counts_miss)
      CT_REQUIRES(lock_);
  // Hands out a value and counts a hit. Returns false if there is no memory for the pin.
  bool hand_out_hit(Place place, uint64_t hash, Now &now, ct_value *out) CT_REQUIRES(lock_);
  bool hand_out(Entry *e, Bytes bytes, ct_value *out) CT_REQUIRES(lock_) {
    return pins_.hand_out(this, e, bytes, out);
  }
  void count_use(Place place, uint64_t hash, Now &now) CT_REQUIRES(lock_);
  void count_miss(uint64_t hash) CT_REQUIRES(lock_) {
    counters_.miss();
    tell_miss(hash);
  }
  void renew_idle(Entry *e, Now &now) CT_REQUIRES(lock_);
  // Returns the entry that a pinned one is now: itself, unless it has moved to another block.
  const Entry *home_of(const Entry *e) const CT_REQUIRES(lock_) {
    return e->is_not_dropped() && e->next != kNone ? at(e->next) : e;
  }
  Entry *home_of(Entry *e) const CT_REQUIRES(lock_) {
    return const_cast<Entry *>(home_of(static_cast<const Entry *>(e)));
  }
  // Returns where a pinned entry is now; kNone if it has left or is gone. stale_too: not if it is
  // only gone.
  Ref current(Entry *e, bool stale_too, Now &now) const CT_REQUIRES(lock_);
  // Returns CT_OK if a condition that asks for what was seen holds, else the status of a write.
  // live: the entry that is present, or kNone.
  ct_status compare(Condition condition, const Entry *seen, Ref live) const CT_REQUIRES(lock_);

  // ---- The miss-ratio curve (shard_curve.cpp) -----------------------------------------------

  // These tell it what has come of a key. Hits and deadlines are told only of entries that are
  // sampled: then there is a curve.
  void tell_stored(Entry *e, uint64_t hash) const CT_REQUIRES(lock_) {
    if (__builtin_expect(owner_.curve() != nullptr, 0)) tell_curve_stored(e, hash);
  }
  void tell_removed(uint64_t hash) const {
    Curve *curve = owner_.curve();
    if (__builtin_expect(curve != nullptr, 0)) curve->remove(hash);
  }
  [[gnu::noinline, gnu::cold]] ct_status tell_and_note_miss(const char *key, size_t key_size);
  [[gnu::noinline, gnu::cold]] void tell_curve_stored(Entry *e, uint64_t hash) const
      CT_REQUIRES(lock_);
  [[gnu::cold]] void tell_hit(const Entry *e, uint64_t hash) const CT_REQUIRES(lock_);
  [[gnu::noinline, gnu::cold]] void tell_hit(const Found &found, const Probe &probe) const;
  // The same for a read of the entry, or of a key that has none.
  [[gnu::cold]] void tell_read_of(Ref ref, uint64_t hash) const CT_REQUIRES(lock_);
  void tell_deadline(const Entry *e, uint64_t hash) const CT_REQUIRES(lock_) {
    if (__builtin_expect((e->flags & kSampled) != 0, 0)) tell_curve_deadline(e, hash);
  }
  [[gnu::cold]] void tell_curve_deadline(const Entry *e, uint64_t hash) const CT_REQUIRES(lock_);
  // Does what a use asks for beside being recorded.
  [[gnu::noinline, gnu::cold]] void attend(Entry *e, uint64_t hash, Now &now) CT_REQUIRES(lock_);

  // ---- Storing ------------------------------------------------------------------------------

  bool is_calm(Now &now) const CT_REQUIRES(lock_);
  bool fits_block_of(const Entry *e, uint8_t flags, const UsualSet &set) const CT_REQUIRES(lock_);
  template <bool kMortal>
  bool overwrite_as_usual(Ref ref, const UsualSet &set, Now &now) CT_REQUIRES(lock_, settled_);
  template <bool kMortal>
  bool replace_victim(const UsualSet &set, Now &now) CT_REQUIRES(lock_, settled_);
  bool is_alike(const Entry *e, uint8_t flags, const UsualSet &set) const CT_REQUIRES(lock_);
  Ref block_beside(const Entry *e, Ref victim, uint8_t flags, const UsualSet &set)
      CT_REQUIRES(lock_);
  Entry *end_victim(Ref victim, Ref ref, uint8_t flags, const UsualSet &set) CT_REQUIRES(lock_);

  // These three are for a request that inherits (shard_add.cpp).
  // old: the entry that it would replace, or kNone. Returns false if that is no counter, though it
  // should be.
  bool inherit(StoreRequest &request, Ref old) const CT_REQUIRES(lock_);
  // Makes the block of a sum, as make_block does.
  Ref make_sum(StoreRequest &request) CT_REQUIRES(lock_);
  // Makes the block of an earlier attempt that of the sum as it is now. Returns false if that needs
  // another block.
  bool renew_sum(StoreRequest &request) const CT_REQUIRES(lock_);

  // Writes the lifetime of an entry that has one and is not in the expiry. idle: the lifetime until
  // the first use, if less than the cache's tti.
  void begin_life(Entry *e, uint64_t deadline, uint64_t idle, Now &now) CT_REQUIRES(lock_);
  bool has_deadline(uint64_t deadline) const { return deadline != CT_NEVER || idles_; }

  // ---- Entries that change their block (shard_move.cpp, shard_inline.hpp) ---------------------

  void change_place(Ref from, Ref to, uint64_t hash) CT_REQUIRES(lock_);
  bool move(Ref from) CT_REQUIRES(lock_);
  bool compact(size_t bytes) CT_REQUIRES(lock_);
  // Compacts as much as is due before an entry of about this many bytes comes.
  [[gnu::noinline, gnu::cold]] void compact_for(size_t bytes) CT_REQUIRES(lock_);

  // ---- Removing -----------------------------------------------------------------------------

  uint64_t leave(Ref ref, uint64_t hash, ct_cause cause, Departed &gone)
      CT_REQUIRES(lock_, settled_);
  uint64_t leave_now(Ref ref, uint64_t hash, ct_cause cause, Departed &gone, bool displaced)
      CT_REQUIRES(lock_, settled_);
  void bury(Ref ref, ct_cause cause, Departed &gone) CT_REQUIRES(lock_);
  void bury_quietly(Ref ref) CT_REQUIRES(lock_);
  ct_status pop(Ref ref, Departed &gone, ct_value *key, ct_value *value)
      CT_REQUIRES(lock_, settled_);
  Eviction evict(const StoreRequest *request, Ref *watched, Now &now, Departed &gone,
                 uint64_t *weight) CT_REQUIRES(lock_, settled_);
  void prefetch_next_victim() const CT_REQUIRES(lock_);
  Ref first_due(Now &now) CT_REQUIRES(lock_);
  [[gnu::noinline]] bool expire_due(Now &now, Departed &gone, uint64_t *count)
      CT_REQUIRES(lock_, settled_);
  // Pays a little of a debt, after a store.
  [[gnu::noinline, gnu::cold]] void pay_a_little(Now &now, Departed &gone)
      CT_REQUIRES(lock_, settled_);
  [[gnu::noinline, gnu::cold]] ct_status pay_debt_locked(uint64_t entries, Now &now, Departed &gone,
                                                         bool *progress)
      CT_REQUIRES(lock_, settled_);
  // Returns whether an invalidated entry may be here. A pass over the index that began after an
  // invalidation finds all that it has reached: no entry comes later whose tags are invalid already.
  bool needs_sweep() const CT_REQUIRES(lock_) {
    const Tags &tags = map_.entries.tags();
    return tags.has_unswept() && tags.sweep_of(number_).done != tags.sweeps();
  }
  // Goes on with a pass, by about this many entries.
  [[gnu::noinline, gnu::cold]] void sweep_some(uint64_t looks, Departed &gone)
      CT_REQUIRES(lock_, settled_);
  [[gnu::cold]] void clear_at_once(bool wholesale, Now &now, Departed &gone)
      CT_REQUIRES(lock_, settled_);

  // ---- Loading, pins ------------------------------------------------------------------------

  void invalidate_key(const Probe &probe) CT_REQUIRES(lock_) {
    if (!flights_.empty()) flights_.overtake(probe);
    if (has_negatives()) budget_.give(negatives_->forget(probe));
  }
  void invalidate_keys() CT_REQUIRES(lock_) {
    flights_.overtake_all();
    if (has_negatives()) negatives_->forget_all();
  }
  bool has_negatives() const CT_REQUIRES(lock_) {
    return negatives_ != nullptr && !negatives_->empty();
  }
  bool is_remembered(const Probe &probe, Now &now) CT_REQUIRES(lock_) {
    return has_negatives() && negatives_->has(probe, now);
  }
  // Returns whether an entry that is not due is gone all the same: past its deadline, or invalidated.
  bool is_gone_early(const Entry *e, Now &now) const CT_REQUIRES(lock_) {
    return (options_.stale != 0 || (e->flags & kTags) != 0) && map_.is_gone(e, now);
  }
  // Returns whether an entry that is gone may still be served.
  bool is_served_stale(Entry *e, Now &now) const CT_REQUIRES(lock_) {
    const Layout &layout = map_.entries.layout();
    // What is gone without being invalidated has a lifetime.
    return layout.stale != 0 && !map_.entries.is_invalidated(e) &&
           now() < layout.leaves_at(*layout.lifetime(e));
  }
  // Returns whether loading calls may be given the entry.
  bool may_serve(Entry *e, Now &now) const CT_REQUIRES(lock_) {
    return !map_.is_gone(e, now) || is_served_stale(e, now);
  }
  // Returns why an entry leaves that leaves anyway: it was removed if a tag was invalidated, and it
  // has expired if it is past its deadline.
  ct_cause cause_of(const Entry *e, ct_cause cause, Now &now) const CT_REQUIRES(lock_) {
    if (!map_.is_gone(e, now)) return cause;
    return cause_of_due(e);
  }
  // The same for an entry that leaves because it is due.
  ct_cause cause_of_due(const Entry *e) const CT_REQUIRES(lock_) {
    return map_.entries.is_invalidated(e) ? CT_CAUSE_REMOVED : CT_CAUSE_EXPIRED;
  }
  bool has_found_none(const Flight &flight, Now &now) CT_REQUIRES(lock_);
  bool wants_renewal(Entry *e, bool stale, Now &now) const CT_REQUIRES(lock_);
  bool hand_out_stale(Place place, uint64_t hash, Now &now, ct_value *out) CT_REQUIRES(lock_);
  template <class End>
  void end_hold(Flight &flight, End end);
  // The value has been stored, by other means than a load that is not overtaken.
  void release_waiting(uint64_t hash, Entry *e, Answers &answers) CT_REQUIRES(lock_);
  bool let_loose(Entry *e, bool last) CT_REQUIRES(lock_);
  void free_dead(Entry *e) CT_REQUIRES(lock_);
  [[gnu::noinline]] void drop(Ref ref, Entry *e);
  bool drop_now(Entry *e);

  // How often a read looks without the lock before it takes the lock.
  static constexpr int kAttempts = 3;
  // A shard of this many entries can spare the memory for a read log of several stripes, and for
  // outgrown tables and chunks that are kept for reads without the lock.
  static constexpr uint8_t kLarge = 128;

  ShardLock lock_;
  Knowledge settled_;

  // Constant.
  const bool keeps_stats_;
  const bool reads_unlocked_;  // values are copied without the lock, once the shard is open
  const bool weighs_one_;      // every entry weighs 1
  const bool quiet_;           // neither listener nor drop
  const bool ordered_;
  const bool has_frequency_;
  const bool idles_;  // lifetimes also end a while after the last use
  const uint32_t number_;
  const ct_options &options_;  // the cache's
  const Clock &clock_;
  Budget &budget_;
  Owner &owner_;
  void (*const destroy_policy_)(Policy *);

  // Also read without the lock: see unlocked().
  EntryMap map_ CT_GUARDED_BY(lock_);
  UseRecorder uses_ CT_GUARDED_BY(lock_);

  // Guarded by the lock.
  Policy *policy_ CT_PT_GUARDED_BY(lock_) = nullptr;  // behind the shard, until close
  Counters counters_ CT_GUARDED_BY(lock_);
  Expiry expiry_ CT_GUARDED_BY(lock_);
  Share share_ CT_GUARDED_BY(lock_);
  Pins pins_ CT_GUARDED_BY(lock_);
  Flights flights_ CT_GUARDED_BY(lock_);
  Negatives *const negatives_ CT_PT_GUARDED_BY(lock_);  // nullptr if none are kept
  uint32_t telling_ CT_GUARDED_BY(lock_) = 0;           // dead entries that are still to be told of
  uint32_t waiting_ CT_GUARDED_BY(lock_) = 0;  // requests that have a block and wait for room
  bool closed_ CT_GUARDED_BY(lock_) = false;   // ct_cache_free was called
  uint8_t large_ CT_GUARDED_BY(lock_) = kLarge;
  const bool attends_;                                   // uses are more than counted and recorded
  uint32_t opens_at_ CT_GUARDED_BY(lock_) = UINT32_MAX;  // the number of entries at which to open
};

[[gnu::always_inline]] inline ct_status Shard::note_hit(Slot slot) {
  Probes(&owner_).probe_hit();
  const OptimisticReader reader = unlocked();
  ReadLog::Stripe *own = reader.owned_stripe();
  if (own == nullptr) return note_hit_elsewhere(slot);
  if (keeps_stats()) ReadLog::Stripe::add(own->hits);
  return reader.try_record(*own, slot) ? CT_OK : record_late(*own, slot);
}

// Only a curve asks for the hash, which is found out anew: get_copy has no room to keep it.
[[gnu::always_inline]] inline ct_status Shard::note_miss(const char *key, size_t key_size) {
  if (__builtin_expect(owner_.curve() != nullptr, 0)) return tell_and_note_miss(key, key_size);
  return note_miss();
}

[[gnu::always_inline]] inline ct_status Shard::note_miss() {
  Probes(&owner_).probe_miss();
  if (!keeps_stats()) return CT_MISS;
  ReadLog::Stripe *own = unlocked().owned_stripe();
  if (own == nullptr) return note_miss_elsewhere();
  ReadLog::Stripe::add(own->misses);
  return CT_MISS;
}

// Copies a value that was found without the lock, and sets its size and the entry's deadline.
// Returns false if something has changed meanwhile: then none of the three is to be believed.
[[gnu::always_inline]] inline bool Shard::copy_found(const Found &found, char *buffer, size_t *size,
                                                     uint64_t *deadline) const {
  *size = found.size;
  load_bytes(buffer, found.value, found.size);
  *deadline = found.is_mortal() ? unlocked().deadline<Access::kOptimistic>(found) : CT_NEVER;
  return unlocked().holds(found);
}

// Looks without the lock, and only where nearly every key is (EntryMap::seek_home). That finds
// nothing before the shard is open, so nobody asks here whether it is. Whatever is rare is a last
// call with the same arguments, so that the rest has all it needs in registers. There is none left
// for the hash, so get_copy_again finds it out anew.
[[gnu::always_inline]] inline ct_status Shard::get_copy(const Probe &probe, char *buffer,
                                                        size_t capacity, size_t *size) {
  Found found = {};  // costs nothing; at -O1, gcc would believe that it may be read unset
  const Seek seek = unlocked().seek_home<Access::kOptimistic>(probe, &found);
  uint64_t deadline;
  if (seek == Seek::kHit && found.size <= capacity && copy_found(found, buffer, size, &deadline)) {
    const Slot slot = {found.place.slot.cell};
    if (deadline != CT_NEVER) return note_hit_unless_due(slot, deadline, size);
    return note_hit(slot);
  }
  if (seek == Seek::kMiss) {
    *size = 0;
    return note_miss(probe.key.data, probe.key.size);
  }
  return get_copy_again(probe.key.data, probe.key.size, buffer, capacity, size);
}

}  // namespace ct

#endif
