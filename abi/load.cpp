// SPDX-License-Identifier: MIT
// Single flight: leases, loaders, compute, and the results of their callbacks.
#include "boundary.hpp"
#include "cache/result.hpp"

namespace {

ct::Result *unwrap(ct_result *result) { return reinterpret_cast<ct::Result *>(result); }
ct::Flight *unwrap(ct_lease *lease) {
  auto *flight = reinterpret_cast<ct::Flight *>(lease);
  if (ct::kDebugHandles && !flight->leased) {
    ct::abort_for("a ct_lease", "was used after it was fulfilled or abandoned");
  }
  return flight;
}

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

void ct_result_discard(ct_result *result) {
  if (result != nullptr) unwrap(result)->discard();
}

ct_status ct_get_or_load(ct_cache *cache, const void *key, size_t key_size, ct_loader_fn load,
                         void *user_data, ct_value *out) {
  ct::zero(out);
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  if (load == nullptr) return CT_ERR_INVALID;
  return ct::unwrap(cache)->get_or_load(ct::bytes(key, key_size), load, user_data, out);
}

ct_status ct_get_or_lease(ct_cache *cache, const void *key, size_t key_size, uint64_t wait_ns,
                          ct_value *out, ct_lease **lease) {
  ct::zero(out);
  if (lease == nullptr) return CT_ERR_INVALID;
  *lease = nullptr;
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  ct::Flight *flight = nullptr;
  const ct_status joined =
      ct::unwrap(cache)->join(ct::bytes(key, key_size), wait_ns, 0, out, &flight);
  *lease = reinterpret_cast<ct_lease *>(flight);
  return joined;
}

ct_status ct_lease_fulfil(ct_lease *lease, const void *value, size_t value_size,
                          const ct_entry_options *options, ct_value *out) {
  ct::zero(out);
  if (lease == nullptr) return CT_ERR_INVALID;
  ct::Flight &flight = *unwrap(lease);
  auto &cache = static_cast<ct::Cache &>(flight.shard->owner());
  ct_entry_options copy;
  const ct_entry_options *entry = cache.check(options, &copy);
  ct_status status = ct::check_bytes(value, value_size);
  if (status == CT_OK && entry == nullptr) status = CT_ERR_INVALID;
  // Conditions are refused: the lease itself says that the key is absent.
  constexpr uint32_t kConditions = CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT;
  if (status == CT_OK && (entry->flags & kConditions) != 0) status = CT_ERR_INVALID;
  if (status == CT_OK) {
    status = cache.fulfil(flight, ct::bytes(value, value_size), *entry, false, out);
  }
  if (status < 0) flight.shard->give_up_lease(flight);
  return status;
}

void ct_lease_fail(ct_lease *lease, ct_status status) {
  if (lease == nullptr) return;
  ct::Flight &flight = *unwrap(lease);
  const bool may_fail = ct::Result::judge_failure(status) == status;
  static_cast<ct::Cache &>(flight.shard->owner())
      .end_in_failure(flight, may_fail ? status : CT_ERR_INVALID);
}

void ct_lease_abandon(ct_lease *lease) {
  if (lease != nullptr) unwrap(lease)->shard->give_up_lease(*unwrap(lease));
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
