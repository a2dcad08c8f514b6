// SPDX-License-Identifier: MIT
// Iterators. Their memory comes from the cache's allocator.
#include <new>

#include "boundary.hpp"

namespace {

ct::Iter *unwrap(ct_iter *iter) {
  auto *own = ct::object_of<ct::Iter>(iter);
  own->cache().mark().use();
  return own;
}

void free_iter(ct::Iter *iter) {
  ct::Memory &memory = iter->cache().memory();
  iter->~Iter();
  memory.release(iter, sizeof(ct::Iter), alignof(ct::Iter));
}

}  // namespace

ct_status ct_iter_new(ct_cache *cache, int32_t order, ct_iter **out) {
  if (out == nullptr) return CT_ERR_INVALID;
  *out = nullptr;
  if (cache == nullptr || order < CT_ORDER_ANY || order > CT_ORDER_HOTTEST) return CT_ERR_INVALID;
  ct::Cache &own = *ct::unwrap(cache);
  if (order != CT_ORDER_ANY && !own.shards()[0].is_ordered()) return CT_ERR_UNSUPPORTED;
  void *where = own.memory().allocate(sizeof(ct::Iter), alignof(ct::Iter));
  if (where == nullptr) return CT_ERR_NOMEM;
  auto *iter = new (where) ct::Iter(own);
  if (order != CT_ORDER_ANY && iter->take_order(order == CT_ORDER_HOTTEST) != CT_OK) {
    free_iter(iter);
    return CT_ERR_NOMEM;
  }
  *out = reinterpret_cast<ct_iter *>(iter);
  return CT_OK;
}

ct_status ct_iter_next(ct_iter *iter, ct_bytes *key, ct_bytes *value) {
  if (key != nullptr) *key = {};
  if (value != nullptr) *value = {};
  if (iter == nullptr) return CT_ERR_INVALID;
  ct::Iter *own = unwrap(iter);
  ct::Now now(own->cache().clock());
  ct::Bytes own_key, own_value;
  const ct_status status = own->next(now, &own_key, &own_value);
  if (status != CT_OK) return status;
  if (key != nullptr) *key = {own_key.data, own_key.size};
  if (value != nullptr) *value = {own_value.data, own_value.size};
  return CT_OK;
}

void ct_iter_free(ct_iter *iter) {
  if (iter == nullptr) return;
  auto *own = reinterpret_cast<ct::Iter *>(iter);
  own->mark().take_back();
  free_iter(own);
}
