// SPDX-License-Identifier: MIT
// A shard: one lock over entries by key, an expiry and a policy, kept in agreement.
//
// While the lock is free:
//   - the index, the policy and the entries that are not dead are the same set;
//   - of these, the ones with a deadline are in the expiry;
//   - a dead entry is kept for its pins or because the call that removed it still has to tell of it,
//     and then for nothing else.
//
// What a shard is made of knows nothing of shards: entries by key (table/entry_map), uses
// (use_recorder), pins, flights, its share of the limit, counters. What is left here is the lock, and
// the order in which a call changes them.
//
// The policy lies behind the shard in memory. No callback but timer, choice, a policy of the
// caller's and the allocator runs under the lock: what leaves is collected in a Departed, and told
// by the cache afterwards.
#ifndef CT_SHARD_HPP
#define CT_SHARD_HPP

#include <cachetools.h>

#include <cstdint>
#include <new>

#include "base/annotations.hpp"
#include "base/array.hpp"
#include "base/clock.hpp"
#include "base/memory.hpp"
#include "policy/policy.hpp"
#include "shard/budget.hpp"
#include "shard/counters.hpp"
#include "shard/departed.hpp"
#include "shard/flight.hpp"
#include "shard/order_walk.hpp"
#include "shard/owner.hpp"
#include "shard/pins.hpp"
#include "shard/record.hpp"
#include "shard/request.hpp"
#include "shard/shard_lock.hpp"
#include "shard/shards.hpp"
#include "shard/share.hpp"
#include "shard/use_recorder.hpp"
#include "table/entry_map.hpp"
#include "table/expiry.hpp"

namespace ct {

// A key of many, and what was found of it.
struct Asked {
  Probe probe;
  Found found;
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

class alignas(64) Shard {
 public:
  Shard(const Shard &) = delete;
  Shard &operator=(const Shard &) = delete;

  // ---- Life (shard.cpp) ---------------------------------------------------------------------

  // At where, with room for bytes_of(kind).
  static Shard *make(void *where, const ShardContext &context) noexcept {
    return new (where) Shard(context);
  }
  static size_t bytes_of(const PolicyKind &kind) {
    return sizeof(Shard) + ((kind.bytes + 63) & ~size_t{63});
  }
  // False: there was no memory for it.
  bool ready();
  // Ends all but what pinned values need, and what is in gone for its drop. Each pin refers to the
  // cache from then on.
  void close(Departed &gone);
  void destroy() { this->~Shard(); }

  Owner &owner() const { return owner_; }
  uint32_t number() const { return number_; }
  bool is_ordered() const { return ordered_; }
  bool has_frequency() const { return has_frequency_; }
  // Without the lock, about.
  uint64_t entries() const { return map_.index.size(); }
  uint64_t size();
  void prefetch(uint64_t hash) const { map_.index.prefetch(hash); }
  // The limit is another one, of which the shard's part is that part of what it holds.
  void resize(uint64_t maxsize, double part);
  // Gives back memory that is not needed for what is there now.
  void trim();

  void add_stats(ct_stats *stats);
  void reset_stats();
  void count_reads(uint64_t hits, uint64_t misses);

#ifdef CT_VALIDATE
  // NULL, or the invariant that is broken. For a cache at rest.
  const char *problem();
  void measure_searches(uint64_t *total, uint64_t *longest);
  uint64_t weight() {
    Locked locked(*this);
    return share_.weight();
  }
  void limit_chunks(uint32_t count) { map_.entries.store().limit_chunks(count); }
  // So that a small shard does what else only a large one does. Before it is used.
  void act_large() {
    logged_from_ = 3;
    map_.entries.store().act_large();
  }
  void take_work(uint64_t *holds, uint64_t *most) { map_.entries.take_work(holds, most); }
#endif

  // ---- Reading (shard_read.cpp) -------------------------------------------------------------

  // A use. count_miss: whether a miss is counted.
  ct_status get(const Probe &probe, Now &now, ct_value *out, bool count_miss);
  // A use. *size is written with CT_OK and CT_ERR_BUFFER.
  ct_status get_copy(const Probe &probe, char *buffer, size_t capacity, size_t *size);
  // No use, nothing counted; out may be NULL.
  ct_status peek(const Probe &probe, Now &now, ct_value *out);
  ct_status inspect(const Probe &probe, Now &now, ct_entry_info *out);

  // ---- Reading many keys (shard_batch.cpp) --------------------------------------------------

  // Of some keys of this shard, in one go: as get.
  ct_status get_some(Asked *keys, uint32_t count, Now &now, ct_value *values, ct_status *statuses);
  // Finds values, and how long they are: no uses yet.
  void find_some(Asked *keys, uint32_t count, Now &now, ct_status *statuses);
  // Copies those that were found, one behind the other; false: one is not there any more as it was.
  bool copy_some(const Asked *keys, uint32_t count, Now &now, char *buffer,
                 const ct_status *statuses);
  // Then these are the uses.
  void use_some(const Asked *keys, uint32_t count, Now &now, const ct_status *statuses);

  // ---- Storing (shard_store.cpp) ------------------------------------------------------------

  Next store(StoreRequest &request, Reservation &room, Now &now, Departed &gone, ct_value *out);
  // Another deadline for an entry; the request has a key and that deadline.
  Next set_deadline(StoreRequest &request, Reservation &room, Now &now, Departed &gone);
  // Ends a store that did not come about.
  void abandon(StoreRequest &request);

  // ---- Removing (shard_remove.cpp) ----------------------------------------------------------

  // Under CT_CAUSE_REMOVED. out may be NULL.
  ct_status remove(const Probe &probe, Now &now, Departed &gone, ct_value *out);
  // What was seen of a key: an entry that is pinned, or nullptr, nothing. False: that is not so any
  // more.
  bool remove_seen(const Probe &probe, Entry *seen, Now &now, Departed &gone);
  // CT_BUSY: let others in, then call again.
  ct_status popitem(Now &now, Departed &gone, ct_value *key, ct_value *value);

  // Entries that a call works on before it lets others at the lock.
  static constexpr uint64_t kAtOnce = kLooksAtOnce;
  // Removes what is due, then evicts down to that many entries, until room holds need: kAtOnce at the
  // most.
  ct_status evict_for(uint64_t need, uint64_t down_to, Reservation &room, Now &now, Departed &gone);
  // Evicts until the shard has done its part for a lower limit, or nothing is owed any more: kAtOnce
  // at the most. *progress is set if there was something to do.
  ct_status pay_debt(Now &now, Departed &gone, bool *progress);
  // The same for what rounding has left: one entry, whatever its part was.
  ct_status pay_rest(Now &now, Departed &gone, bool *progress);
  // Removes what is due, kAtOnce at the most, and adds how many to *count. Returns whether there may
  // be more.
  bool expire(Now &now, Departed &gone, uint64_t *count);
  // Removes entries from a position of the index on; sets *from to where it ended, Index::kEnd at the
  // end. At most about kAtOnce, unless it can drop all as they are.
  void clear_some(uint64_t *from, Now &now, Departed &gone);

  // ---- Loading (shard_load.cpp) -------------------------------------------------------------

  // A use, else a load to hold: CT_LEASED if its lease is the caller's, CT_BUSY to wait.
  ct_status join(const Probe &probe, Now &now, Thread loader, ct_value *out, Hold *hold);
  // The turn of those who compute the key, to hold: as join.
  ct_status take_turn(const Probe &probe, Thread thread, Hold *hold);
  // For who holds a flight and waits.
  Landing check_in(Flight &flight, Thread loader, ct_value *out);
  // Holds a flight no more.
  void unhold(Flight &flight) { leave_flight(flight, false); }
  // Gives a lease up, and with it the hold.
  void give_up_lease(Flight &flight) { leave_flight(flight, true); }
  // What is being loaded for the key, or for any, comes too late.
  void overtake(const Probe &probe);
  void overtake_all();

  // ---- Pinned values (shard_pins.cpp) -------------------------------------------------------

  static Shard &of_pin(uint64_t pin) { return Pins::shard_of(pin); }
  Entry *entry_of(const ct_value &value) const {
    return Pins::entry_of(map_.entries.store(), value);
  }
  ct_status repin(const ct_value &value, ct_value *out);
  void release(ct_value *value);
  void release(Entry *entry);

  // Of an entry that has left, until it is let go.
  Entry *at(Ref ref) const { return map_.entries.at(ref); }
  uint64_t deadline(const Entry *e) const { return map_.entries.deadline(e); }
  ct_event event_of(const Entry *e, int32_t cause) const;
  void let_go(Ref ref, Entry *entry);

  // ---- Walks and snapshots (shard_walk.cpp) -------------------------------------------------

  // Pins the entries of a stretch of positions from `from` on and appends them; sets *from to where
  // it ended, Index::kEnd at the end.
  ct_status list_some(uint64_t *from, Array<Held> &out);
  // Key and value of a pinned entry, if it is neither dead nor expired.
  bool view(Entry *entry, Now &now, Bytes *key, Bytes *value);
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

 private:
  // Nothing holds it but for the analysis: the policy has been told of all uses.
  struct CT_CAPABILITY("the policy's knowledge") Knowledge {};

  // Holds the lock for a scope. Unchecked, as ShardLock's own functions are.
  class CT_SCOPED_CAPABILITY Locked {
   public:
    explicit Locked(Shard &shard) noexcept CT_ACQUIRE(shard.lock_) CT_UNCHECKED : shard_(shard) {
      shard_.lock_.lock();
      shard_.map_.entries.begin_work();
    }
    ~Locked() CT_RELEASE() CT_UNCHECKED { shard_.lock_.unlock(); }
    Locked(const Locked &) = delete;
    Locked &operator=(const Locked &) = delete;

   private:
    Shard &shard_;
  };
  // The same, and tells the policy of all uses first: what the order matters to needs it.
  class CT_SCOPED_CAPABILITY Settled {
   public:
    explicit Settled(Shard &shard) noexcept CT_ACQUIRE(shard.lock_, shard.settled_) CT_UNCHECKED
        : shard_(shard) {
      shard_.lock_.lock();
      shard_.map_.entries.begin_work();
      shard_.uses_.settle();
    }
    ~Settled() CT_RELEASE() CT_UNCHECKED { shard_.lock_.unlock(); }
    Settled(const Settled &) = delete;
    Settled &operator=(const Settled &) = delete;

   private:
    Shard &shard_;
  };

  // What comes of a store request, judged by what is there.
  enum class Verdict : uint8_t {
    kStore,
    kExists,    // What is there is in its way.
    kAbsent,    // Nothing is there, and something should be.
    kHandOut,   // What is there is the answer.
    kHandBack,  // The value is not to be kept.
    kDead,      // It would be dead on arrival: what is there goes.
    kTooLarge,
  };
  // kPaused: what is asked for the next one said kAskAgain.
  enum class Eviction : uint8_t { kDone, kPaused, kBroken };

  explicit Shard(const ShardContext &context) noexcept;
  ~Shard() = default;

  bool keeps_stats() const { return keeps_stats_; }
  uint64_t hash_of(Ref ref) const {
    map_.entries.count_work();
    return map_.entries.hash_of(ref);
  }
  auto hasher() const {
    return [this](Ref ref) { return hash_of(ref); };
  }
  // The order may be another one as soon as this is.
  uint64_t order_version() const CT_REQUIRES(lock_) {
    return uses_.changes() + map_.index.version();
  }

  void expect(uint64_t maxsize) CT_REQUIRES(lock_);
  [[gnu::noinline, gnu::cold]] void expect_by_weight() CT_REQUIRES(lock_);
  void close_entries(Departed &gone);
#ifdef CT_VALIDATE
  const char *problem_of_entries() CT_REQUIRES(lock_);
#endif

  // ---- Reading ------------------------------------------------------------------------------

  // Without the lock.
  void note_hit(Place place);
  void note_miss();
  [[gnu::noinline]] void record_late(ReadLog::Stripe &own, Place place);
  [[gnu::noinline]] ct_status get_copy_again(const char *key, size_t key_size, uint64_t hash,
                                             char *buffer, size_t capacity, size_t *size);
  ct_status get_copy_under_lock(const Probe &probe, Now &now, char *buffer, size_t capacity,
                                size_t *size);
  ct_status get_locked(const Probe &probe, Now &now, ct_value *out, bool count_miss)
      CT_REQUIRES(lock_);
  // Pins what is there, and counts a hit. False: no memory for the pin.
  bool hand_out_hit(Place place, uint64_t hash, Now &now, ct_value *out) CT_REQUIRES(lock_);
  bool hand_out(Entry *e, Bytes bytes, ct_value *out) CT_REQUIRES(lock_) {
    return pins_.hand_out(this, e, bytes, out);
  }
  void count_use(Place place, uint64_t hash, Now &now) CT_REQUIRES(lock_);
  void renew_idle(Entry *e, Now &now) CT_REQUIRES(lock_);
  // Of what a walk has pinned: where it is, if it is still there and not expired.
  Ref current(Entry *e, Now &now) const CT_REQUIRES(lock_);

  bool approach(Asked *keys, uint32_t count, uint32_t version) const;
  template <Access kAccess>
  uint32_t find_run(Asked *keys, uint32_t count, Now &now, ct_status *statuses) const;
  ct_status find_under_lock(const Probe &probe, Now &now, Found *found);
  uint32_t copy_run(const Asked *keys, uint32_t count, char *buffer, const ct_status *statuses,
                    size_t *copied) const;
  bool copy_pinned(const Probe &probe, Now &now, char *buffer, size_t size);
  uint32_t use_run(const Asked *keys, uint32_t count, Now &now, const ct_status *statuses);

  // ---- Storing ------------------------------------------------------------------------------

  Next store_locked(StoreRequest &request, Reservation &room, Now &now, Departed &gone,
                    ct_value *out) CT_REQUIRES(lock_, settled_);
  Next set_deadline_locked(StoreRequest &request, Reservation &room, Now &now, Departed &gone)
      CT_REQUIRES(lock_, settled_);
  Verdict judge(const StoreRequest &request, Ref old) const CT_REQUIRES(lock_);
  [[gnu::noinline, gnu::cold]] ct_status turn_down(Verdict verdict, StoreRequest &request, Ref old,
                                                   Reservation &room, Now &now, Departed &gone,
                                                   ct_value *out) CT_REQUIRES(lock_, settled_);
  void reject(const StoreRequest &request) CT_REQUIRES(lock_);
  bool give_back(StoreRequest &request, ct_value *out) CT_REQUIRES(lock_);
  void overtake_load(const Probe &probe) CT_REQUIRES(lock_) {
    if (!flights_.empty()) flights_.overtake(probe);
  }
  void land(StoreRequest &request, const ct_value &value, Now &now) CT_REQUIRES(lock_);
  bool overwrite(StoreRequest &request, Ref ref, Reservation &room, Now &now) CT_REQUIRES(lock_);
  bool has_deadline(const StoreRequest &request) const {
    return request.deadline != CT_NEVER || tti_ != 0;
  }
  bool prepare(StoreRequest &request) CT_REQUIRES(lock_);
  bool reserve(uint64_t count, bool has_deadline) CT_REQUIRES(lock_);
  [[gnu::noinline, gnu::cold]] void open_log() CT_REQUIRES(lock_);
  Ref make_block(StoreRequest &request) CT_REQUIRES(lock_);
  void release_block(StoreRequest &request) CT_REQUIRES(lock_);
  Next make_room(StoreRequest &request, Ref *own, Reservation &room, Now &now, Departed &gone)
      CT_REQUIRES(lock_, settled_);
  Next evict_for_block(StoreRequest &request, Ref own, Reservation &room, Now &now, Departed &gone)
      CT_REQUIRES(lock_, settled_);
  static void forget_own(StoreRequest &request);
  void fill(Ref ref, const StoreRequest &request, Now &now) CT_REQUIRES(lock_);
  Entry *commit(StoreRequest &request, Ref old, Reservation &room, Now &now, Departed &gone)
      CT_REQUIRES(lock_);
  Next extend(StoreRequest &request, Ref ref, Reservation &room, Now &now, Departed &gone)
      CT_REQUIRES(lock_, settled_);
  void finish(StoreRequest &request, Reservation &room, Now &now, Departed &gone)
      CT_REQUIRES(lock_, settled_);
  [[gnu::noinline, gnu::cold]] void pay_a_little(Now &now, Departed &gone)
      CT_REQUIRES(lock_, settled_);

  // Entries that change their block.
  void change_place(Ref from, Ref to, uint64_t hash) CT_REQUIRES(lock_);
  bool move(Ref from) CT_REQUIRES(lock_);
  [[gnu::noinline, gnu::cold]] void compact_for(const StoreRequest &request) CT_REQUIRES(lock_);
  bool compact(size_t bytes) CT_REQUIRES(lock_);

  // ---- Removing -----------------------------------------------------------------------------

  uint64_t leave(Ref ref, uint64_t hash, ct_cause cause, Departed &gone)
      CT_REQUIRES(lock_, settled_);
  uint64_t leave_now(Ref ref, uint64_t hash, ct_cause cause, Departed &gone, bool displaced)
      CT_REQUIRES(lock_, settled_);
  void bury(Ref ref, ct_cause cause, Departed &gone) CT_REQUIRES(lock_);
  void bury_copy(Ref ref, Entry *e) CT_REQUIRES(lock_);
  Eviction evict(const StoreRequest *request, Ref *watched, Now &now, Departed &gone,
                 uint64_t *weight) CT_REQUIRES(lock_, settled_);
  void prefetch_next_victim() const CT_REQUIRES(lock_);
  Ref first_due(Now &now) CT_REQUIRES(lock_);
  [[gnu::noinline]] bool expire_due(Now &now, Departed &gone, uint64_t *count)
      CT_REQUIRES(lock_, settled_);
  void tidy(Reservation &room, Now &now, Departed &gone) CT_REQUIRES(lock_, settled_);
  [[gnu::noinline]] ct_status pay_debt_locked(uint64_t entries, Now &now, Departed &gone,
                                              bool *progress) CT_REQUIRES(lock_, settled_);
  void clear_at_once(bool wholesale, Departed &gone) CT_REQUIRES(lock_, settled_);

  // ---- Loading, pins, walks -----------------------------------------------------------------

  void leave_flight(Flight &flight, bool had_lease);
  bool let_loose(Entry *e, bool last) CT_REQUIRES(lock_);
  [[gnu::noinline, gnu::cold]] bool drop_last(Entry *e);
  bool resume(const OrderWalk &walk, Policy::Walk *at) const CT_REQUIRES(lock_, settled_);
  bool pin_places(OrderWalk &walk) CT_REQUIRES(lock_);
  template <class Visit>
  ct_status walk_some(OrderWalk &walk, Visit visit);

  // Look-ups without the lock, before it is taken.
  static constexpr int kAttempts = 3;
  // A shard of so many entries can spare the room for a log of reads, and for what they may look at.
  static constexpr uint8_t kLogged = 128;

  ShardLock lock_;
  Knowledge settled_;

  // Constant.
  const bool keeps_stats_;
  const bool reads_unlocked_;  // values are copied without the lock, once the log is open
  const bool weighs_one_;      // every entry weighs 1
  const bool quiet_;           // neither listener nor drop
  const bool ordered_;
  const bool has_frequency_;
  uint8_t logged_from_ = kLogged;
  const uint32_t number_;
  const uint64_t tti_;
  const ct_drop_fn drop_;
  void *const user_data_;
  const Clock &clock_;
  Budget &budget_;
  Owner &owner_;
  void (*const destroy_policy_)(Policy *);

  // Changed under the lock, and read without it: as entry_map.hpp and read_log.hpp tell.
  EntryMap map_;
  UseRecorder uses_;

  // Guarded by the lock.
  Policy *policy_ CT_PT_GUARDED_BY(lock_) = nullptr;  // behind the shard, until close
  Counters counters_ CT_GUARDED_BY(lock_);
  Expiry expiry_ CT_GUARDED_BY(lock_);
  Share share_ CT_GUARDED_BY(lock_);
  Pins pins_ CT_GUARDED_BY(lock_);
  Flights flights_ CT_GUARDED_BY(lock_);
  uint64_t telling_ CT_GUARDED_BY(lock_) = 0;  // dead entries that are still to be told
  uint32_t waiting_ CT_GUARDED_BY(lock_) = 0;  // requests that have a block and wait for room
  bool closed_ CT_GUARDED_BY(lock_) = false;   // by ct_cache_free
};

[[gnu::always_inline]] inline void Shard::note_hit(Place place) {
  ReadLog::Stripe &own = uses_.log().own();
  if (keeps_stats()) own.add(own.hits, 1);
  if (!uses_.try_record(own, place)) record_late(own, place);
}

inline void Shard::note_miss() {
  if (!keeps_stats()) return;
  ReadLog::Stripe &own = uses_.log().own();
  own.add(own.misses, 1);
}

[[gnu::always_inline]] inline ct_status Shard::get_copy(const Probe &probe, char *buffer,
                                                        size_t capacity, size_t *size) {
  if (uses_.has_log()) {
    Found found;
    const Seek seek = map_.seek_first<Access::kOptimistic>(probe, &found);
    if (seek == Seek::kHit && found.size <= capacity) {
      load_bytes(buffer, found.value, found.size);
      if (map_.holds(found)) {
        if (found.deadline == CT_NEVER || clock_.read() < found.deadline) {
          *size = found.size;
          note_hit(found.place);
          return CT_OK;
        }
        note_miss();
        return CT_MISS;
      }
    } else if (seek == Seek::kMiss) {
      note_miss();
      return CT_MISS;
    }
  }
  return get_copy_again(probe.key.data, probe.key.size, probe.hash, buffer, capacity, size);
}

}  // namespace ct

#endif
