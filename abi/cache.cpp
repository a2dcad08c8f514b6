// SPDX-License-Identifier: MIT
// A cache as a whole: make, free, sizes, options, expiry, statistics.
#include <cmath>

#include "base/utf8.hpp"
#include "boundary.hpp"
#include "cache/exposition.hpp"
#include "snapshot/snapshot.hpp"

void ct_options_init(ct_options *options, size_t struct_size) {
  ct::init_struct(options, struct_size, ct_options CT_OPTIONS_INIT);
}

void ct_allocator_init(ct_allocator *allocator, size_t struct_size) {
  ct::init_struct(allocator, struct_size, ct_allocator CT_ALLOCATOR_INIT);
}

void ct_policy_ops_init(ct_policy_ops *ops, size_t struct_size) {
  ct::init_struct(ops, struct_size, ct_policy_ops CT_POLICY_OPS_INIT);
}

const char *ct_options_problem(const ct_options *options) {
  ct::CheckedOptions checked;
  return ct::check_options(options, &checked);
}

ct_cache *ct_cache_new(ct_policy policy, uint64_t maxsize) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = ct::number_of(policy);
  options.maxsize = maxsize;
  options.flags = CT_FLAG_KEEP_NOTHING;  // if maxsize is 0, it was said to be
  ct_cache *cache;
  ct_cache_new_with(&options, &cache);
  return cache;
}

ct_status ct_cache_new_with(const ct_options *options, ct_cache **out) {
  if (out == nullptr) return CT_ERR_INVALID;
  *out = nullptr;
  ct::CheckedOptions checked;
  if (ct::check_options(options, &checked) != nullptr) return CT_ERR_INVALID;
  ct::Cache *cache;
  const ct_status status = ct::Cache::make(checked, &cache);
  if (status == CT_OK) *out = ct::wrap(cache);
  return status;
}

ct_status ct_cache_copy(ct_cache *cache, ct_cache **out) {
  if (out == nullptr) return CT_ERR_INVALID;
  *out = nullptr;
  if (cache == nullptr) return CT_ERR_INVALID;
  ct::Cache *copy;
  const ct_status status = ct::Snapshot::copy(*ct::unwrap(cache), &copy);
  if (status == CT_OK) *out = ct::wrap(copy);
  return status;
}

ct_status ct_cache_options(const ct_cache *cache, ct_options *out) {
  if (!ct::can_write(out)) return CT_ERR_INVALID;
  ct::write_struct(cache == nullptr ? ct_options{} : ct::unwrap(cache)->options(), out);
  return cache == nullptr ? CT_ERR_INVALID : CT_OK;
}

void ct_cache_free(ct_cache *cache) {
  if (cache != nullptr) reinterpret_cast<ct::Cache *>(cache)->free();
}

uint64_t ct_len(ct_cache *cache) { return cache == nullptr ? 0 : ct::unwrap(cache)->size(); }

uint64_t ct_currsize(ct_cache *cache) {
  return cache == nullptr ? 0 : ct::unwrap(cache)->currsize();
}

uint64_t ct_maxsize(const ct_cache *cache) {
  return cache == nullptr ? 0 : ct::unwrap(cache)->maxsize();
}

uint64_t ct_memory(const ct_cache *cache) {
  return cache == nullptr ? 0 : ct::unwrap(cache)->held();
}

ct_status ct_resize(ct_cache *cache, uint64_t maxsize) {
  return cache == nullptr ? CT_ERR_INVALID : ct::unwrap(cache)->resize(maxsize);
}

uint64_t ct_expire(ct_cache *cache, uint64_t now, ct_visit_fn visit, void *user_data) {
  return cache == nullptr ? 0 : ct::unwrap(cache)->expire(now, visit, user_data);
}

void ct_stats_init(ct_stats *stats, size_t struct_size) {
  ct::init_struct(stats, struct_size, ct_stats CT_STATS_INIT);
}

ct_status ct_cache_stats(const ct_cache *cache, ct_stats *out) {
  if (!ct::can_write(out)) return CT_ERR_INVALID;
  ct_stats stats = CT_STATS_INIT;
  // Reading the counters takes the shards' locks, which no caller can observe.
  if (cache != nullptr) ct::unwrap(const_cast<ct_cache *>(cache))->stats(&stats);
  ct::write_struct(stats, out);
  return cache == nullptr ? CT_ERR_INVALID : CT_OK;
}

ct_status ct_cache_stats_reset(ct_cache *cache) {
  if (cache == nullptr) return CT_ERR_INVALID;
  ct::unwrap(cache)->reset_stats();
  return CT_OK;
}

ct_status ct_cache_curve(ct_cache *cache, const double *scales, size_t count, double *miss_ratios) {
  if (count != 0 && (scales == nullptr || miss_ratios == nullptr)) return CT_ERR_INVALID;
  bool are_scales = true;
  for (size_t i = 0; i < count; i++) {
    are_scales = are_scales && std::isfinite(scales[i]) && scales[i] > 0;
  }
  if (cache != nullptr && are_scales && ct::unwrap(cache)->keeps_curve()) {
    return ct::unwrap(cache)->miss_ratios(scales, count, miss_ratios);
  }
  for (size_t i = 0; i < count; i++) miss_ratios[i] = NAN;
  return cache != nullptr && are_scales ? CT_ERR_UNSUPPORTED : CT_ERR_INVALID;
}

ct_status ct_stats_write(ct_cache *const *caches, const char *const *names, size_t count,
                         ct_write_fn write, void *user_data) {
  if (write == nullptr || (count > 0 && (caches == nullptr || names == nullptr))) {
    return CT_ERR_INVALID;
  }
  for (size_t i = 0; i < count; i++) {
    if (caches[i] == nullptr || names[i] == nullptr) return CT_ERR_INVALID;
    if (!ct::is_utf8(names[i], std::strlen(names[i]))) return CT_ERR_INVALID;
    ct::unwrap(caches[i]);
  }
  return ct::Exposition(caches, names, count, write, user_data).write();
}
