// SPDX-License-Identifier: MIT
// One request to store, as its shard carries it out: allocate first, commit after. It may take
// several calls, between which the cache makes room in other shards or lets others at the lock.
// Read request.hpp, shard.hpp and budget.hpp first.
#ifndef CT_SHARD_STORE_HPP
#define CT_SHARD_STORE_HPP

#include <cachetools.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "shard/budget.hpp"
#include "shard/request.hpp"
#include "shard/shard.hpp"

namespace ct {

class ShardStore {
 public:
  // `room` is for the weight that the request adds. Entries that leave go into `gone`.
  ShardStore(Shard &shard, StoreRequest &request, Reservation &room, Now &now,
             Departed &gone) noexcept
      : shard_(shard), request_(request), room_(room), now_(now), gone_(gone) {}

  Next store(ct_value *out);
  // Gives an entry another deadline. The request has a key and that deadline.
  Next set_deadline();
  // Ends a request that cannot be carried out.
  void abandon();

  // ---- Restoring entries of a snapshot (shard_restore.cpp) ----------------------------------

  // Fills a block for a key that is absent, so that the entry can be admitted. Returns
  // CT_NOT_STORED if the key is there, or if no reference is left.
  ct_status stage();
  // Admits the entry that was staged in request.ref, unless its key has come meanwhile. `room`
  // holds its weight. No listener is told and nothing is counted.
  void admit(uint64_t uses);

 private:
  // What comes of the request, judged by the entry that is there.
  enum class Verdict : uint8_t {
    kStore,
    kExists,    // An entry is there, and is in its way.
    kAbsent,    // No entry is there, and there should be one.
    kHandOut,   // The entry that is there is handed out.
    kHandBack,  // The value is handed back and not kept.
    kDead,      // The value is dead on arrival, and the entry that is there leaves.
    kTooLarge,
  };

  EntryMap &map() const CT_REQUIRES(shard_.lock_) { return shard_.map_; }
  // Returns whether it is the value that the request's load renews. Past its deadline, that one
  // stays until the new value takes its place.
  bool is_renewed(Ref old) const CT_REQUIRES(shard_.lock_) {
    return request_.renews != nullptr && shard_.home_of(request_.renews) == shard_.at(old);
  }
  [[gnu::noinline]] void remove(Ref old) CT_REQUIRES(shard_.lock_, shard_.settled_);
  bool has_deadline() const { return shard_.has_deadline(request_.deadline); }

  // How many bytes the entry brings, in its block or apart.
  size_t bytes_to_come() const CT_REQUIRES(shard_.lock_) {
    const Bytes key = request_.probe.key;
    const Bytes value = request_.value;
    return std::max(map().entries.layout().block_bytes(request_.flags, key.size, value.size,
                                                       request_.carried->count()),
                    key.size + value.size);
  }
  // Returns whether one of the request's tags was invalidated since the value began to be made.
  bool is_outdated() const { return request_.outdated || request_.carried->has_invalid(); }

  bool is_overtaken() const CT_REQUIRES(shard_.lock_) {
    return request_.flight != nullptr &&
           (shard_.flights_.is_overtaken(*request_.flight) || is_outdated());
  }
  // Takes a step that few stores take, on a copy: no function gets the address of this object then
  // (shard_store.cpp).
  // Unchecked: the analysis takes the copy's shard for another one.
  template <class Result, class... Arguments>
  Result on_copy(Result (ShardStore::*step)(Arguments...), Arguments... arguments)
      CT_REQUIRES(shard_.lock_, shard_.settled_) CT_UNCHECKED {
    ShardStore copy(*this);
    return (copy.*step)(arguments...);
  }
  Next run(ct_value *out);
  Next store_locked(ct_value *out) CT_REQUIRES(shard_.lock_, shard_.settled_);
  Verdict judge(Ref old) const CT_REQUIRES(shard_.lock_);
  [[gnu::noinline]] ct_status turn_down(Verdict verdict, Ref old, ct_value *out)
      CT_REQUIRES(shard_.lock_, shard_.settled_);
  void reject() CT_REQUIRES(shard_.lock_);
  bool give_back(ct_value *out) CT_REQUIRES(shard_.lock_);
  void invalidate() CT_REQUIRES(shard_.lock_) { shard_.invalidate_key(request_.probe); }
  void land(const ct_value &value, bool outdated) CT_REQUIRES(shard_.lock_);

  bool prepare() CT_REQUIRES(shard_.lock_);
  bool reserve(uint64_t count, bool has_deadline) CT_REQUIRES(shard_.lock_);
  Ref make_block() CT_REQUIRES(shard_.lock_);
  void release_block() CT_REQUIRES(shard_.lock_);

  void tidy() CT_REQUIRES(shard_.lock_, shard_.settled_);
  void tidy_negatives() CT_REQUIRES(shard_.lock_);
  Next make_room(Ref *own) CT_REQUIRES(shard_.lock_, shard_.settled_);
  [[gnu::noinline, gnu::cold]] bool take_gift() CT_REQUIRES(shard_.lock_);
  [[gnu::noinline]] Next evict_for_block(Ref own) CT_REQUIRES(shard_.lock_, shard_.settled_);
  void forget_own();

  void fill(Ref ref) CT_REQUIRES(shard_.lock_);
  bool overwrite(Ref ref) CT_REQUIRES(shard_.lock_);
  void price(Ref ref) CT_REQUIRES(shard_.lock_);
  Entry *commit(Ref old) CT_REQUIRES(shard_.lock_);
  void finish() CT_REQUIRES(shard_.lock_, shard_.settled_);

  Next set_deadline_locked() CT_REQUIRES(shard_.lock_, shard_.settled_);
  Next extend(Ref ref) CT_REQUIRES(shard_.lock_, shard_.settled_);
  void bury_copy(Ref ref, Entry *e, Ref to) CT_REQUIRES(shard_.lock_);

  Shard &shard_;
  StoreRequest &request_;
  Reservation &room_;
  Now &now_;
  Departed &gone_;
};

}  // namespace ct

#endif
