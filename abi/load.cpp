// SPDX-License-Identifier: MIT
// Single flight: leases, loaders, compute, and the results of their callbacks.
#include <utility>

#include "boundary.hpp"
#include "cache/result.hpp"

namespace {

ct::Result *unwrap(ct_result *result) { return reinterpret_cast<ct::Result *>(result); }
const ct::Result *unwrap(const ct_result *result) {
  return reinterpret_cast<const ct::Result *>(result);
}
ct::Flight *unwrap(ct_lease *lease) {
  auto *flight = reinterpret_cast<ct::Flight *>(lease);
  if (ct::kDebugHandles && !flight->leased) {
    ct::abort_for("a ct_lease", "was used after it was fulfilled or abandoned");
  }
  return flight;
}

// A lease that a call consumes. Unless it has ended otherwise, it is given up.
class EndingLease {
 public:
  explicit EndingLease(ct_lease *lease)
      : flight_(*unwrap(lease)),
        shard_(*flight_.shard),
        old_(std::exchange(flight_.old, nullptr)) {}
  ~EndingLease() {
    if (!ended_) cache().give_up(flight_);
    if (old_ != nullptr) shard_.release(old_);
  }
  EndingLease(const EndingLease &) = delete;
  EndingLease &operator=(const EndingLease &) = delete;

  ct::Cache &cache() const { return static_cast<ct::Cache &>(shard_.owner()); }
  ct::Flight &flight() const { return flight_; }
  ct::Entry *old() const { return old_; }
  // Returns nullptr if the options are not allowed. Conditions are not, nor is the lifetime of
  // another value: the lease itself says what is there.
  const ct_entry_options *check(const ct_entry_options *options, ct_entry_options *copy) const {
    const ct_entry_options *entry = cache().check(options, copy);
    constexpr uint32_t kRefused = ct::kConditions | CT_ENTRY_KEEP_TTL;
    return entry != nullptr && (entry->flags & kRefused) == 0 ? entry : nullptr;
  }
  ct_status ended(ct_status status) {
    ended_ = status >= 0;
    return status;
  }

 private:
  ct::Flight &flight_;
  ct::Shard &shard_;
  ct::Entry *const old_;
  bool ended_ = false;
};

}  // namespace

ct_status ct_result_set(ct_result *result, const void *data, size_t size) {
  if (result == nullptr) return CT_ERR_INVALID;
  const ct_status status = ct::check_bytes(data, size);
  if (status == CT_OK) return unwrap(result)->set(ct::bytes(data, size));
  unwrap(result)->fail(status);
  return status;
}

void ct_result_ttl(ct_result *result, uint64_t ttl) {
  if (result == nullptr) return;
  ct_entry_options &entry = unwrap(result)->entry();
  entry.flags = (entry.flags & ~CT_ENTRY_DEADLINE) | CT_ENTRY_TTL;
  entry.ttl = ttl;
  entry.deadline = 0;
}

void ct_result_deadline(ct_result *result, uint64_t deadline) {
  if (result == nullptr) return;
  ct_entry_options &entry = unwrap(result)->entry();
  entry.flags = (entry.flags & ~CT_ENTRY_TTL) | CT_ENTRY_DEADLINE;
  entry.deadline = deadline;
  entry.ttl = 0;
}

void ct_result_weight(ct_result *result, uint64_t weight) {
  if (result == nullptr) return;
  ct_entry_options &entry = unwrap(result)->entry();
  entry.flags |= CT_ENTRY_WEIGHT;
  entry.weight = weight;
}

void ct_result_keep_ttl(ct_result *result) {
  if (result != nullptr) unwrap(result)->entry().flags |= CT_ENTRY_KEEP_TTL;
}

void ct_result_tag(ct_result *result, const void *tag, size_t tag_size) {
  if (result == nullptr) return;
  const ct_status status = ct::check_bytes(tag, tag_size);
  if (status == CT_OK) {
    unwrap(result)->tag(ct::bytes(tag, tag_size));
  } else {
    unwrap(result)->fail_tags(status);
  }
}

void ct_result_discard(ct_result *result) {
  if (result != nullptr) unwrap(result)->discard();
}

void ct_result_fail(ct_result *result, ct_status status) {
  if (result == nullptr) return;
  const bool may_fail = status == CT_BUSY || ct::Result::judge_failure(status) == status;
  unwrap(result)->fail(may_fail ? status : CT_ERR_INVALID);
}

void ct_result_not_modified(ct_result *result) {
  if (result != nullptr) unwrap(result)->keep_old();
}

ct_status ct_result_old(const ct_result *result, ct_bytes *out) {
  if (out == nullptr) return CT_ERR_INVALID;
  *out = {};
  if (result == nullptr) return CT_ERR_INVALID;
  const ct::Bytes *old = unwrap(result)->old();
  if (old == nullptr) return CT_MISS;
  *out = {old->data, old->size};
  return CT_OK;
}

ct_status ct_result_value(const ct_result *result, ct_bytes *out) {
  if (out == nullptr) return CT_ERR_INVALID;
  *out = {};
  if (result == nullptr) return CT_ERR_INVALID;
  if (!unwrap(result)->has_value()) return CT_MISS;
  const ct::Bytes value = unwrap(result)->value();
  *out = {value.data, value.size};
  return CT_OK;
}

void ct_load_options_init(ct_load_options *options, size_t struct_size) {
  ct::init_struct(options, struct_size, ct_load_options CT_LOAD_OPTIONS_INIT);
}

namespace {

// Returns false if the options are not allowed.
bool read_load_options(const ct_load_options *options, ct_load_options *read) {
  if (options != nullptr && !ct::read_struct(options, read)) return false;
  return (read->flags & ~CT_LOAD_FORCE) == 0 && read->reserved == 0;
}

bool read_patience(const ct_load_options *options, ct::Cache::Patience *patience) {
  ct_load_options read = CT_LOAD_OPTIONS_INIT;
  if (!read_load_options(options, &read)) return false;
  if (read.timeout_ns != 0) patience->wait_ns = read.timeout_ns;
  patience->stale_ns = read.stale_after_ns;
  patience->forces = (read.flags & CT_LOAD_FORCE) != 0;
  return true;
}

}  // namespace

// Of its own, since a hit has no time to read options that are not there.
ct_status ct_get_or_load(ct_cache *cache, const void *key, size_t key_size, ct_loader_fn load,
                         void *user_data, ct_value *out) {
  ct::zero(out);
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  if (load == nullptr) return CT_ERR_INVALID;
  return ct::unwrap(cache)->get_or_load(ct::bytes(key, key_size), {}, load, user_data, out);
}

ct_status ct_get_or_load_with(ct_cache *cache, const void *key, size_t key_size, ct_loader_fn load,
                              void *user_data, const ct_load_options *options, ct_value *out) {
  ct::zero(out);
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  ct::Cache::Patience patience;
  if (load == nullptr || !read_patience(options, &patience)) return CT_ERR_INVALID;
  return ct::unwrap(cache)->get_or_load(ct::bytes(key, key_size), patience, load, user_data, out);
}

ct_status ct_get_or_load_many(ct_cache *cache, const void *keys, const size_t *key_ends,
                              size_t count, ct_load_many_fn load, void *user_data,
                              const ct_load_options *options, ct_value *values,
                              ct_status *statuses) {
  ct::zero_all(values, count);
  ct::zero_all(statuses, count);
  if (cache == nullptr || load == nullptr) return CT_ERR_INVALID;
  if (count > 0 && (key_ends == nullptr || statuses == nullptr)) return CT_ERR_INVALID;
  if (ct::is_too_long(count)) return CT_ERR_TOO_LARGE;
  const ct_status status = ct::check_ends(keys, key_ends, count);
  if (status != CT_OK) return status;
  ct::Cache::Patience patience;
  if (!read_patience(options, &patience)) return CT_ERR_INVALID;
  const ct::KeyList list = {keys == nullptr ? "" : static_cast<const char *>(keys), key_ends,
                            count};
  return ct::unwrap(cache)->get_or_load_many(list, {load, user_data}, patience, values, statuses);
}

ct_status ct_get_or_lease(ct_cache *cache, const void *key, size_t key_size, uint64_t wait_ns,
                          ct_value *out, ct_lease **lease) {
  ct::zero(out);
  if (lease == nullptr) return CT_ERR_INVALID;
  *lease = nullptr;
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  ct::Cache::Patience patience;
  patience.wait_ns = wait_ns;
  ct::Flight *flight = nullptr;
  const ct_status joined =
      ct::unwrap(cache)->join(ct::bytes(key, key_size), patience, 0, out, &flight);
  *lease = reinterpret_cast<ct_lease *>(flight);
  return joined;
}

ct_status ct_get_or_lease_async(ct_cache *cache, const void *key, size_t key_size,
                                const ct_load_options *options, ct_done_fn done, void *user_data,
                                ct_value *out, ct_lease **lease, ct_wait **wait) {
  ct::zero(out);
  if (lease != nullptr) *lease = nullptr;
  if (wait != nullptr) *wait = nullptr;
  if (lease == nullptr || done == nullptr) return CT_ERR_INVALID;
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  ct_load_options read = CT_LOAD_OPTIONS_INIT;
  if (!read_load_options(options, &read)) return CT_ERR_INVALID;
  if (read.timeout_ns != 0 || read.stale_after_ns != 0) return CT_ERR_INVALID;
  ct::Flight *flight = nullptr;
  const ct_status joined =
      ct::unwrap(cache)->join_async(ct::bytes(key, key_size), (read.flags & CT_LOAD_FORCE) != 0,
                                    done, user_data, out, &flight, wait);
  *lease = reinterpret_cast<ct_lease *>(flight);
  return joined;
}

bool ct_wait_cancel(ct_wait *wait) {
  if (wait == nullptr) return false;
  auto &waiter = *reinterpret_cast<ct::Waiter *>(wait);
  return static_cast<ct::Cache &>(waiter.shard->owner()).cancel(waiter);
}

ct_status ct_lease_fulfil(ct_lease *lease, const void *value, size_t value_size,
                          const ct_entry_options *options, ct_value *out) {
  ct::zero(out);
  if (lease == nullptr) return CT_ERR_INVALID;
  EndingLease ending(lease);
  ct_entry_options copy;
  const ct_entry_options *entry = ending.check(options, &copy);
  const ct_status status = ct::check_bytes(value, value_size);
  if (status != CT_OK) return status;
  if (entry == nullptr) return CT_ERR_INVALID;
  return ending.ended(ending.cache().fulfil(ending.flight(), ct::bytes(value, value_size), *entry,
                                            false, ending.old(), out));
}

ct_status ct_lease_keep(ct_lease *lease, const ct_entry_options *options) {
  if (lease == nullptr) return CT_ERR_INVALID;
  EndingLease ending(lease);
  ct_entry_options copy;
  const ct_entry_options *entry = ending.check(options, &copy);
  if (entry == nullptr || ending.old() == nullptr) return CT_ERR_INVALID;
  // The value keeps those that it has.
  if ((entry->flags & CT_ENTRY_TAGS) != 0) return CT_ERR_INVALID;
  return ending.ended(ending.cache().keep(ending.flight(), *entry, ending.old(), nullptr));
}

void ct_lease_fail(ct_lease *lease, ct_status status) {
  if (lease == nullptr) return;
  EndingLease ending(lease);
  const bool may_fail = ct::Result::judge_failure(status) == status;
  ending.cache().end_in_failure(ending.flight(), may_fail ? status : CT_ERR_INVALID, ending.old());
  ending.ended(CT_OK);
}

void ct_lease_abandon(ct_lease *lease) {
  if (lease != nullptr) EndingLease ending(lease);
}

void ct_lease_key(const ct_lease *lease, ct_bytes *out) {
  if (out == nullptr) return;
  *out = {};
  if (lease == nullptr) return;
  const ct::Bytes key = unwrap(const_cast<ct_lease *>(lease))->key();
  *out = {key.data, key.size};
}

ct_status ct_compute(ct_cache *cache, const void *key, size_t key_size, ct_compute_fn compute,
                     void *user_data, ct_value *out) {
  ct::zero(out);
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  if (compute == nullptr) return CT_ERR_INVALID;
  return ct::unwrap(cache)->compute(ct::bytes(key, key_size), compute, user_data, out);
}
