// SPDX-License-Identifier: MIT
// Memoized functions.
#include "memo/memo.hpp"

#include "boundary.hpp"

namespace {

ct::Memo *unwrap(ct_memo *memo) { return ct::object_of<ct::Memo>(memo); }

}  // namespace

void ct_memo_options_init(ct_memo_options *options, size_t struct_size) {
  ct::init_struct(options, struct_size, ct_memo_options CT_MEMO_OPTIONS_INIT);
}

void ct_memo_own_default(ct_options *options, size_t struct_size) {
  ct_options usual = CT_OPTIONS_INIT;
  usual.policy = CT_POLICY_LRU;
  usual.maxsize = 128;
  ct::init_struct(options, struct_size, usual);
}

void ct_cache_info_init(ct_cache_info *info, size_t struct_size) {
  ct::init_struct(info, struct_size, ct_cache_info CT_CACHE_INFO_INIT);
}

const char *ct_memo_problem(const ct_memo_options *options) {
  ct_memo_options read;
  ct::CheckedOptions own;
  return ct::Memo::check(options, &read, &own);
}

ct_status ct_memo_new(const ct_memo_options *options, ct_memo **out) {
  if (out == nullptr) return CT_ERR_INVALID;
  *out = nullptr;
  ct::Memo *memo;
  const ct_status status = ct::Memo::make(options, &memo);
  if (status == CT_OK) *out = reinterpret_cast<ct_memo *>(memo);
  return status;
}

void ct_memo_free(ct_memo *memo) {
  if (memo != nullptr) reinterpret_cast<ct::Memo *>(memo)->free();
}

ct_status ct_memo_call(ct_memo *memo, void *self, const void *args, ct_value *out) {
  ct::zero(out);
  return memo == nullptr ? CT_ERR_INVALID : unwrap(memo)->call(self, args, out);
}

ct_status ct_memo_key(ct_memo *memo, void *self, const void *args, ct_key *key) {
  if (memo == nullptr || key == nullptr) return CT_ERR_INVALID;
  return unwrap(memo)->fill_key(self, args, *ct::object_of<ct::Key>(key));
}

ct_cache *ct_memo_cache(ct_memo *memo, void *self) {
  return memo == nullptr ? nullptr : ct::wrap(unwrap(memo)->cache(self));
}

ct_status ct_memo_invalidate(ct_memo *memo, void *self, const void *args) {
  return memo == nullptr ? CT_ERR_INVALID : unwrap(memo)->invalidate(self, args);
}

ct_status ct_memo_info(ct_memo *memo, void *self, ct_cache_info *out) {
  if (!ct::can_write(out)) return CT_ERR_INVALID;
  ct_cache_info info = CT_CACHE_INFO_INIT;
  const ct_status status = memo == nullptr ? CT_ERR_INVALID : unwrap(memo)->info(self, &info);
  ct::write_struct(info, out);
  return status;
}

ct_status ct_memo_clear(ct_memo *memo, void *self) {
  return memo == nullptr ? CT_ERR_INVALID : unwrap(memo)->clear(self);
}

void ct_memo_forget(ct_memo *memo, void *self) {
  if (memo != nullptr) unwrap(memo)->forget(self);
}
