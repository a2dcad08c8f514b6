// SPDX-License-Identifier: MIT
// A cache owns the shards, and picks the shard of a key by its hash. It keeps the one limit on
// weight of all shards, calls the callbacks that run unlocked, and tells the listener of entries
// that left.
//
// Cache and shards are one block of memory. It lives as long as the handle or a pin on any value
// does: ct_cache_free frees everything but what pinned values need.
#ifndef CT_CACHE_HPP
#define CT_CACHE_HPP

#include <cachetools.h>

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/clock.hpp"
#include "base/handle.hpp"
#include "base/hash.hpp"
#include "base/memory.hpp"
#include "base/options.hpp"
#include "cache/check_options.hpp"
#include "shard/budget.hpp"
#include "shard/curve.hpp"
#include "shard/record.hpp"
#include "shard/shard.hpp"
#include "shard/shard_batch.hpp"
#include "shard/waits.hpp"

namespace ct {

class Result;

// Keys that lie one behind the other: key i ends at ends[i].
struct KeyList {
  const char *data;
  const size_t *ends;
  size_t count;

  Bytes operator[](size_t i) const {
    const size_t begin = i == 0 ? 0 : ends[i - 1];
    return {data + begin, ends[i] - begin};
  }
};

// A loader of many keys.
struct BulkLoader {
  ct_load_many_fn load;
  void *user_data;
};

class alignas(64) Cache : public Owner {
 public:
  // The options have been checked. Returns CT_OK or CT_ERR_NOMEM.
  [[gnu::cold]] static ct_status make(const CheckedOptions &options, Cache **out);
  // Needs exclusive access.
  void free();

  // ---- Reading ------------------------------------------------------------------------------

  ct_status get(Bytes key, ct_value *out) {
    const Probe probe = probe_of(key);
    Now now(clock_);
    return shard_of(probe).get(probe, now, out, true);
  }
  // *size is 0 unless the status is CT_OK or CT_ERR_BUFFER.
  [[gnu::always_inline]] ct_status get_copy(Bytes key, void *buffer, size_t capacity,
                                            size_t *size) {
    const Probe probe = probe_of(key);
    Shard &shard = shards_[hash_shard(probe.hash, shards_.count)];
    return shard.get_copy(probe, static_cast<char *>(buffer), capacity, size);
  }
  ct_status peek(Bytes key, ct_value *out) {
    const Probe probe = probe_of(key);
    Now now(clock_);
    return shard_of(probe).peek(probe, now, out);
  }
  ct_status inspect(Bytes key, ct_entry_info *out) {
    const Probe probe = probe_of(key);
    Now now(clock_);
    return shard_of(probe).inspect(probe, now, out);
  }
  ct_status get_many(const ct_bytes *keys, size_t count, ct_value *values, ct_status *statuses);
  ct_status get_many_copy(const char *keys, const size_t *key_ends, size_t count, char *buffer,
                          size_t capacity, size_t *value_ends, ct_status *statuses);

  // ---- Writing ------------------------------------------------------------------------------

  // Returns a copy of the given options in *copy, or the default options if none are given. Returns
  // nullptr if they are not allowed.
  const ct_entry_options *check(const ct_entry_options *given, ct_entry_options *copy) const {
    if (given == nullptr) return &kNoEntryOptions;
    return check_entry_options(*given, options_, copy) == nullptr ? copy : nullptr;
  }
  // Says what is wrong with them; nullptr if nothing is.
  const char *problem(const ct_entry_options &given) const {
    ct_entry_options copy;
    return check_entry_options(given, options_, &copy);
  }
  // The entry options have been checked.
  ct_status set(Bytes key, Bytes value, const ct_entry_options &entry) {
    const Probe probe = probe_of(key);
    Now now(clock_);
    const bool may_be_usual = stores_as_usual_ && fits_inside(key, value);
    if (may_be_usual && entry.flags == 0 && !always_lifetime_) {
      if (shard_of(probe).set_as_usual<false>({probe, value, CT_NEVER}, now)) return CT_OK;
    } else if (may_be_usual && set_mortal(probe, value, entry, now)) {
      return CT_OK;
    }
    return set(probe, value, entry, now);
  }
  ct_status setdefault(Bytes key, Bytes value, ct_value *out);
  ct_status set_many(const char *data, const size_t *ends, size_t count,
                     const ct_entry_options &entry, ct_status *statuses);
  ct_status add(Bytes key, int64_t delta, int64_t initial, const ct_entry_options &entry,
                int64_t *sum);
  ct_status set_deadline(Bytes key, uint64_t ttl);
  ct_status remove(Bytes key, ct_value *out);
  ct_status remove_same(Bytes key, const ct_value &same);
  ct_status popitem(ct_value *key, ct_value *value);
  [[gnu::cold]] void clear();
  [[gnu::cold]] uint64_t remove_if(ct_match_fn match, void *user_data);
  // Removes the entries that invalidated tags have left behind so far, and tells of them.
  void sweep();
  // Returns whether an entry has ever been given a tag.
  bool are_tags_used() const { return tags_.are_used(); }
  void invalidate_tag(Bytes name) { tags_.invalidate(name); }
  [[gnu::cold]] ct_status resize(uint64_t maxsize);
  uint64_t expire(uint64_t now, ct_visit_fn visit, void *user_data);

  // ---- Loading (load.cpp) -------------------------------------------------------------------

  // How long a loading call waits for others, in nanoseconds of real time.
  struct Patience {
    uint64_t wait_ns = UINT64_MAX;  // if there is no value
    uint64_t stale_ns = 0;          // if there is a stale one
    bool forces = false;            // as if there were no value
    bool only_looks = false;        // CT_BUSY if there is anything to wait for
    uint64_t begun = 0;             // when waiting has begun; 0: not yet
  };
  // Returns CT_OK or CT_STALE with a value; CT_LEASED with the lease of *flight; CT_RENEW with
  // both; CT_BUSY, or a failure.
  // loader: the thread that will load, which is this one, or 0 for no thread in particular.
  ct_status join(Bytes key, Patience &patience, Thread loader, ct_value *out, Flight **flight);
  // These end a lease. old: what its load was to renew, pinned, if anything. The first two return
  // CT_OK or CT_NOT_STORED; or a failure, and then the lease is still to be ended. The last one
  // returns how the old value may be handed out all the same: CT_OK, CT_STALE, or CT_MISS if it may
  // not.
  ct_status fulfil(Flight &flight, Bytes value, const ct_entry_options &entry, bool discarded,
                   Entry *old, ct_value *out);
  ct_status keep(Flight &flight, const ct_entry_options &entry, Entry *old, ct_value *out);
  ct_status end_in_failure(Flight &flight, ct_status failure, Entry *old);
  void give_up(Flight &flight);
  // As join, for a caller that waits without a thread: CT_PENDING instead of CT_BUSY. *wait is set
  // before `done` can run. wait may be NULL.
  ct_status join_async(Bytes key, bool forces, ct_done_fn done, void *user_data, ct_value *out,
                       Flight **flight, ct_wait **wait);
  // Returns whether the waiter will not be told any more.
  bool cancel(Waiter &waiter);
  ct_status get_or_load(Bytes key, Patience patience, ct_loader_fn load, void *user_data,
                        ct_value *out);
  // Each key gets a status. values may be NULL.
  ct_status get_or_load_many(const KeyList &keys, const BulkLoader &loader,
                             const Patience &patience, ct_value *values, ct_status *statuses);
  // keep_first is for a value that was made without a lease, by a run that the caller begins before
  // that, and ends after it.
  TagRun begin_run() { return tags_.begin_run(); }
  void end_run(const TagRun &run) { tags_.end_run(run); }
  ct_status keep_first(Bytes key, const Result &result, const TagRun &run, bool keep,
                       ct_value *out);
  ct_status compute(Bytes key, ct_compute_fn compute, void *user_data, ct_value *out);

  // ---- Snapshots (restore.cpp) --------------------------------------------------------------

  // An entry that may be restored.
  struct Restored {
    Record record;
    Ref ref;  // the block that was staged for it; kNone at first
  };
  // Restores the entries whose keys are not there: from the last entry backwards, as many as there
  // is room for. Lifetimes go on from `now`, a reading of the precise clock. Returns CT_OK, or
  // CT_ERR_NOMEM if it has restored none.
  ct_status restore(Restored *const *coldest_first, uint32_t count, Now &now);
  // How the cache weighs entries: a ct_weight_kind, or kWeigher. Weights mean the same only in
  // caches for which this is the same.
  static constexpr uint32_t kWeigher = 3;
  uint32_t weighing() const {
    return options_.weigher != nullptr ? kWeigher : static_cast<uint32_t>(options_.weight_kind);
  }

  // ---- Telling ------------------------------------------------------------------------------

  uint64_t size();
  uint64_t currsize();
  uint64_t maxsize() const { return budget_.maxsize(); }
  uint64_t held() const { return own_held() + (curve_ != nullptr ? curve_->held() : 0); }
  // Without what the curve's miniatures hold.
  uint64_t own_held() const { return memory_.held(); }
  bool remembers_misses() const { return options_.negative_ttl != 0; }
  bool keeps_stats() const { return (options_.flags & CT_FLAG_NO_STATS) == 0; }
  // These tell of all entries, also of those that have expired and were not removed yet. Beside
  // running calls, the number is not exact.
  uint64_t entries() const;
  uint64_t weight() const { return budget_.in_use(); }
  // How long all loads took together, in nanoseconds.
  uint64_t load_ns() const { return loads_.total_ns(); }
  // Returns the options in force.
  ct_options options() const;
  [[gnu::cold]] void stats(ct_stats *out);
  void reset_stats();
  bool keeps_curve() const { return curve_ != nullptr; }
  // Sets the miss ratio at each multiple of the size. Returns CT_MISS if one is not known, and NaN.
  [[gnu::cold]] ct_status miss_ratios(const double *scales, size_t count, double *ratios);
  const Clock &clock() const { return clock_; }
  const Mark<Handle::kCache> &mark() const { return mark_; }
  const Shards &shards() const { return shards_; }
  Memory &memory() { return memory_; }
#ifdef CT_VALIDATE
  // Returns the invariant that is broken, or NULL. The cache must be at rest.
  const char *problem();
#endif

 private:
  friend class ManyLoads;

  // A load that this caller leads.
  struct Loading {
    Flight *flight;
    Entry *old;    // what it renews, pinned, if anything
    bool has_old;  // the old value was handed out already
  };
  [[gnu::noinline]] ct_status load_in(Flight &flight, ct_status joined, Bytes key,
                                      ct_loader_fn load, void *user_data, ct_value *out);
  static Loading begin_loading(Flight &flight, ct_status joined) {
    return {&flight, std::exchange(flight.old, nullptr), joined == CT_RENEW};
  }
  static Bytes old_value(const Loading &loading) {
    if (loading.old == nullptr) return {nullptr, 0};
    return loading.flight->shard->value_of(loading.old);
  }
  ct_status end_loading(const Loading &loading, Result &result, ct_status answered, ct_value *out);

  [[gnu::cold]] Cache(const Memory &memory, const CheckedOptions &options) noexcept;
  ~Cache() = default;
  friend class Owner;
  Cache(const Cache &) = delete;
  Cache &operator=(const Cache &) = delete;

  [[gnu::always_inline]] Probe probe_of(Bytes key) const {
    return {key, hash_key(key.data, key.size, options_.seed)};
  }
  Shard &shard_of(const Probe &probe) {
    Shard &shard = shards_[hash_shard(probe.hash, shards_.count)];
    shard.prefetch(probe.hash);
    return shard;
  }
  bool is_single_threaded() const { return (options_.flags & CT_FLAG_SINGLE_THREADED) != 0; }

  ct_status set(const Probe &probe, Bytes value, const ct_entry_options &entry, Now &now);
  [[gnu::noinline, gnu::cold]] ct_status set_keeping_ttl(const Probe &probe, Bytes value,
                                                         const ct_entry_options &entry, Now &now);
  ct_status set_inheriting(const Probe &probe, Bytes value, const ct_entry_options &entry,
                           Now &now);
  ct_status store_heir(const Probe &probe, Bytes value, const ct_entry_options &entry, Now &now,
                       Inheritance &inheritance);
  ct_status store_sum(const Probe &probe, const ct_entry_options &entry, Now &now,
                      Inheritance &counter);
  ct_status fulfil(StoreRequest &request, Flight &flight, Bytes value,
                   const ct_entry_options &entry, ct_value *out);
  Landing await(const Hold &hold, uint64_t until, Thread loader, ct_value *out);
  ct_status make_request(const Probe &probe, Bytes value, const ct_entry_options &entry, Now &now,
                         StoreRequest *request);
  [[gnu::noinline]] void give_condition(const ct_entry_options &entry, StoreRequest *request);
  [[gnu::noinline, gnu::cold]] ct_status make_heir(const ct_entry_options &entry, Now &now,
                                                   StoreRequest *request);
  ct_status copy_apart(StoreRequest *request);
  static bool fits_inside(Bytes key, Bytes value) { return key.size + value.size <= kApartBytes; }
  void begin_request(const Probe &probe, Bytes value, StoreRequest *request);
  uint64_t deadline_of(const Probe &probe, Bytes value, const ct_entry_options &entry,
                       Now &now) const;
  uint64_t jitter(const Probe &probe, Now &now) const;
  bool set_mortal(const Probe &probe, Bytes value, const ct_entry_options &entry, Now &now);
  void give_deadline(uint64_t deadline, Now &now, StoreRequest *request);
  ct_status lack_memory(const StoreRequest &request);
  bool hold_tags(const ct_bytes *tags, size_t count, StoreRequest *request);
  void weigh(bool given, uint64_t weight, StoreRequest *request);
  void begin_restored(const Record &record, Now &now, StoreRequest *request);
  void ask_weight(Record &record, Now &now);
  ct_status stage(Restored &entry, uint64_t *reserved, Reservation &room, Now &now, Departed &gone);
  ct_status store(StoreRequest &request, Now &now, Departed &gone, ct_value *out);
  ct_status store(StoreRequest &request, Now &now, ct_value *out);
  ct_status give_lifetime(const Flight &flight, const Entry *old, uint64_t deadline, Now &now,
                          Departed &gone);
  ct_status end_load(Flight &flight, Result &result, ct_status answered, Entry *old, ct_value *out);
  bool compute_in_turn(const Probe &probe, ct_compute_fn compute, void *user_data, ct_value *out,
                       ct_status *status);
  bool compute_once(const Probe &probe, ct_compute_fn compute, void *user_data, const TagRun &run,
                    ct_value *old, Departed &gone, ct_value *out, ct_status *status);
  ct_status store_computed(const Probe &probe, Result &result, const TagRun &run, const Entry *seen,
                           Departed &gone, ct_value *out);
  template <class KeyOf>
  void look_ahead(size_t count, KeyOf key_of, Asked *asked);
  template <class Visit>
  void visit_runs(const Asked *asked, size_t count, Visit visit);
  ct_status copy_pinned(Asked *asked, size_t count, Now &now, char *buffer, size_t capacity,
                        size_t *value_ends, ct_status *statuses);
  template <class Attempt>
  ct_status with_room(StoreRequest &request, Now &now, Departed &gone, Attempt attempt);
  template <class Attempt>
  [[gnu::noinline, gnu::cold]] void make_room(Next next, StoreRequest &request, Reservation &room,
                                              Now &now, Departed &gone, Attempt attempt);
  [[gnu::noinline, gnu::cold]] ct_status gather(const Shard &own, uint64_t need, Reservation &room,
                                                Now &now, Departed &gone);
  ct_status pay_debt(Now &now, Departed &gone);
  uint64_t expire_all(Now &now, Departed &gone);
  [[gnu::cold]] void resize_curve(uint64_t maxsize);
  [[gnu::cold]] Curve::Totals totals();
  // What lies behind the shards, or nullptr if nothing is remembered.
  NegativeRoom *negatives() const;
  uint64_t negative_weight() const { return options_.negative_ttl == 0 ? 0 : negatives()->held(); }
  void remember_miss(Flight &flight, Departed &gone);
  bool take_negative_room(const Shard &own, uint64_t weight, Reservation &room);
  void tidy_negatives(Now &now);
  void sweep(Departed &gone);
  void tell(Departed &gone) {
    if (!gone.empty()) gone.tell(options_.listener, options_.user_data, nullptr, nullptr);
    if (!gone.answers().empty()) answer(gone.answers());
  }
  [[gnu::noinline, gnu::cold]] void answer(Answers &answers);
  void answer(Waiter &waiter, Answers &answers);
  ct_status join_at_once(const Probe &probe, bool forces, Waiter *waiter, ct_value *out,
                         Flight **flight, Answers &answers);
  void destroy(Waiter &waiter);

  PageHeaps heaps_;
  Memory memory_;
  ct_options options_;  // except for maxsize, which is in the budget
  Layout layout_;
  Clock clock_;
  LoadCounters loads_;
  Tags tags_;
  Shards shards_;
  // Every entry gets a place for a deadline: most will have one; or, with a `drop`, a value must
  // not be copied to a block that has such a place.
  const bool always_lifetime_;
  const bool stores_as_usual_;  // Shard::set_as_usual may be tried
  Waits waits_;
  Mark<Handle::kCache> mark_;
  std::atomic<uint32_t> turn_{0};  // the shard whose turn it is to give an entry to popitem
  Budget budget_;
};

}  // namespace ct

#endif
