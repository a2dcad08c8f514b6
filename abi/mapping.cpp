// SPDX-License-Identifier: MIT
// The mapping: calls for one key, and for many.
#include "boundary.hpp"

namespace {

// Returns CT_OK if the pair may be stored, else CT_ERR_INVALID or CT_ERR_TOO_LARGE.
ct_status check_pair(const ct_cache *cache, const void *key, size_t key_size, const void *value,
                     size_t value_size) {
  const ct_status status = ct::check_key(cache, key, key_size);
  return status == CT_OK ? ct::check_bytes(value, value_size) : status;
}

// Copies the value of a key of any length. It is a function of its own, so that ct_get_copy has all
// it needs in registers.
[[gnu::noinline]] ct_status get_copy_of_any_size(ct_cache *cache, const void *key, size_t key_size,
                                                 void *buffer, size_t capacity, size_t *size) {
  return ct::unwrap(cache)->get_copy(ct::bytes(key, key_size), buffer, capacity, size);
}

// Does the same for arguments that are rare or wrong: a NULL, or a key that is too long.
[[gnu::noinline]] ct_status get_copy_unusual(ct_cache *cache, const void *key, size_t key_size,
                                             void *buffer, size_t capacity, size_t *size) {
  size_t ignored;
  if (size == nullptr) size = &ignored;
  *size = 0;
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  if (buffer == nullptr && capacity > 0) return CT_ERR_INVALID;
  return get_copy_of_any_size(cache, key, key_size, buffer, capacity, size);
}

}  // namespace

// ---- Reading ----------------------------------------------------------------------------------

ct_status ct_get(ct_cache *cache, const void *key, size_t key_size, ct_value *out) {
  ct::zero(out);
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  return ct::unwrap(cache)->get(ct::bytes(key, key_size), out);
}

ct_status ct_get_copy(ct_cache *cache, const void *key, size_t key_size, void *buffer,
                      size_t capacity, size_t *size) {
  if (cache != nullptr && key != nullptr && buffer != nullptr && size != nullptr) {
    const char *bytes = static_cast<const char *>(key);
    // The whole get is compiled once for each of these lengths. At a constant length, the hash and
    // the comparison of keys are a few instructions (hash_key).
    switch (key_size) {
      case 8:
        return ct::unwrap(cache)->get_copy({bytes, 8}, buffer, capacity, size);
      case 16:
        return ct::unwrap(cache)->get_copy({bytes, 16}, buffer, capacity, size);
      default:
        if (ct::is_too_long(key_size)) break;
        return get_copy_of_any_size(cache, key, key_size, buffer, capacity, size);
    }
  }
  return get_copy_unusual(cache, key, key_size, buffer, capacity, size);
}

ct_status ct_peek(ct_cache *cache, const void *key, size_t key_size, ct_value *out) {
  ct::zero(out);
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  return ct::unwrap(cache)->peek(ct::bytes(key, key_size), out);
}

bool ct_contains(ct_cache *cache, const void *key, size_t key_size) {
  return ct_peek(cache, key, key_size, nullptr) == CT_OK;
}

void ct_entry_info_init(ct_entry_info *info, size_t struct_size) {
  ct::init_struct(info, struct_size, ct_entry_info CT_ENTRY_INFO_INIT);
}

ct_status ct_inspect(ct_cache *cache, const void *key, size_t key_size, ct_entry_info *out) {
  if (!ct::can_write(out)) return CT_ERR_INVALID;
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  ct_status status = ct::check_key(cache, key, key_size);
  if (status == CT_OK) status = ct::unwrap(cache)->inspect(ct::bytes(key, key_size), &info);
  ct::write_struct(info, out);
  return status;
}

// ---- Writing ----------------------------------------------------------------------------------

const char *ct_entry_options_problem(const ct_cache *cache, const ct_entry_options *options) {
  if (cache == nullptr) return "cache: it is NULL.";
  return options == nullptr ? nullptr : ct::unwrap(cache)->problem(*options);
}

void ct_entry_options_init(ct_entry_options *options, size_t struct_size) {
  ct::init_struct(options, struct_size, ct_entry_options CT_ENTRY_OPTIONS_INIT);
}

ct_status ct_set(ct_cache *cache, const void *key, size_t key_size, const void *value,
                 size_t value_size) {
  return ct_set_with(cache, key, key_size, value, value_size, nullptr);
}

ct_status ct_set_ttl(ct_cache *cache, const void *key, size_t key_size, const void *value,
                     size_t value_size, uint64_t ttl) {
  ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
  entry.flags = CT_ENTRY_TTL;
  entry.ttl = ttl;
  return ct_set_with(cache, key, key_size, value, value_size, &entry);
}

ct_status ct_set_with(ct_cache *cache, const void *key, size_t key_size, const void *value,
                      size_t value_size, const ct_entry_options *options) {
  const ct_status status = check_pair(cache, key, key_size, value, value_size);
  if (status != CT_OK) return status;
  ct_entry_options copy;
  const ct_entry_options *entry = ct::unwrap(cache)->check(options, &copy);
  if (entry == nullptr) return CT_ERR_INVALID;
  return ct::unwrap(cache)->set(ct::bytes(key, key_size), ct::bytes(value, value_size), *entry);
}

ct_status ct_add(ct_cache *cache, const void *key, size_t key_size, int64_t delta, int64_t initial,
                 const ct_entry_options *options, int64_t *out) {
  int64_t ignored;
  if (out == nullptr) out = &ignored;
  *out = 0;
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  ct_entry_options copy;
  const ct_entry_options *entry = ct::unwrap(cache)->check(options, &copy);
  constexpr uint32_t kRefused = CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_SAME | CT_ENTRY_KEEP_TTL;
  if (entry == nullptr || (entry->flags & kRefused) != 0) return CT_ERR_INVALID;
  return ct::unwrap(cache)->add(ct::bytes(key, key_size), delta, initial, *entry, out);
}

ct_status ct_setdefault(ct_cache *cache, const void *key, size_t key_size, const void *value,
                        size_t value_size, ct_value *out) {
  ct::zero(out);
  const ct_status status = check_pair(cache, key, key_size, value, value_size);
  if (status != CT_OK) return status;
  return ct::unwrap(cache)->setdefault(ct::bytes(key, key_size), ct::bytes(value, value_size), out);
}

ct_status ct_pop(ct_cache *cache, const void *key, size_t key_size, ct_value *out) {
  ct::zero(out);
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  return ct::unwrap(cache)->remove(ct::bytes(key, key_size), out);
}

ct_status ct_delete(ct_cache *cache, const void *key, size_t key_size) {
  return ct_pop(cache, key, key_size, nullptr);
}

ct_status ct_delete_if(ct_cache *cache, const void *key, size_t key_size, const ct_value *same) {
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  if (same == nullptr) return CT_ERR_INVALID;
  return ct::unwrap(cache)->remove_same(ct::bytes(key, key_size), *same);
}

ct_status ct_popitem(ct_cache *cache, ct_value *key, ct_value *value) {
  ct::zero(key);
  ct::zero(value);
  if (cache == nullptr) return CT_ERR_INVALID;
  return ct::unwrap(cache)->popitem(key, value);
}

ct_status ct_clear(ct_cache *cache) {
  if (cache == nullptr) return CT_ERR_INVALID;
  ct::unwrap(cache)->clear();
  return CT_OK;
}

uint64_t ct_remove_if(ct_cache *cache, ct_match_fn match, void *user_data) {
  if (cache == nullptr || match == nullptr) return 0;
  return ct::unwrap(cache)->remove_if(match, user_data);
}

ct_status ct_invalidate_tag(ct_cache *cache, const void *tag, size_t tag_size, uint32_t flags) {
  const ct_status status = ct::check_key(cache, tag, tag_size);
  if (status != CT_OK) return status;
  if (flags != 0) return CT_ERR_INVALID;
  ct::unwrap(cache)->invalidate_tag(ct::bytes(tag, tag_size));
  return CT_OK;
}

ct_status ct_set_lifetime(ct_cache *cache, const void *key, size_t key_size, uint64_t ttl) {
  const ct_status status = ct::check_key(cache, key, key_size);
  if (status != CT_OK) return status;
  return ct::unwrap(cache)->set_deadline(ct::bytes(key, key_size), ttl);
}

// ---- Many at once -----------------------------------------------------------------------------

ct_status ct_get_many(ct_cache *cache, const ct_bytes *keys, size_t count, ct_value *values,
                      ct_status *statuses) {
  ct::zero_all(values, count);
  ct::zero_all(statuses, count);
  if (cache == nullptr) return CT_ERR_INVALID;
  if (count > 0 && (keys == nullptr || values == nullptr || statuses == nullptr)) {
    return CT_ERR_INVALID;
  }
  for (size_t i = 0; i < count; i++) {
    const ct_status status = ct::check_bytes(keys[i].data, keys[i].size);
    if (status != CT_OK) return status;
  }
  return ct::unwrap(cache)->get_many(keys, count, values, statuses);
}

ct_status ct_get_many_copy(ct_cache *cache, const void *keys, const size_t *key_ends, size_t count,
                           void *buffer, size_t capacity, size_t *value_ends, ct_status *statuses) {
  ct::zero_all(value_ends, count);
  ct::zero_all(statuses, count);
  if (cache == nullptr || (buffer == nullptr && capacity > 0)) return CT_ERR_INVALID;
  if (count > 0 && (key_ends == nullptr || value_ends == nullptr || statuses == nullptr)) {
    return CT_ERR_INVALID;
  }
  ct_status status = ct::check_ends(keys, key_ends, count);
  if (status != CT_OK) return status;
  status =
      ct::unwrap(cache)->get_many_copy(static_cast<const char *>(keys), key_ends, count,
                                       static_cast<char *>(buffer), capacity, value_ends, statuses);
  if (status < 0) ct::zero_all(statuses, count);
  if (status < 0 && status != CT_ERR_BUFFER) ct::zero_all(value_ends, count);
  return status;
}

ct_status ct_set_many(ct_cache *cache, const void *data, const size_t *ends, size_t count,
                      const ct_entry_options *options, ct_status *statuses) {
  ct::zero_all(statuses, count);
  if (cache == nullptr || (count > 0 && ends == nullptr) || count > SIZE_MAX / 2) {
    return CT_ERR_INVALID;
  }
  // A pair that is too long fails alone: the core returns its status.
  const ct_status status = ct::check_ends(data, ends, 2 * count);
  if (status != CT_OK && status != CT_ERR_TOO_LARGE) return status;
  ct_entry_options copy;
  const ct_entry_options *entry = ct::unwrap(cache)->check(options, &copy);
  // One value cannot be that of several keys.
  if (entry == nullptr || (entry->flags & CT_ENTRY_IF_SAME) != 0) return CT_ERR_INVALID;
  return ct::unwrap(cache)->set_many(ct::bytes(data, 0).data, ends, count, *entry, statuses);
}
