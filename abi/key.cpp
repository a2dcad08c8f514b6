// SPDX-License-Identifier: MIT
// Key builders.
#include "memo/key.hpp"

#include <new>

#include "boundary.hpp"

namespace {

ct::Key *unwrap(ct_key *key) { return ct::object_of<ct::Key>(key); }

// Returns whether the bytes may be read and added. If not, the key remembers the status.
bool check(ct_key *key, const void *data, size_t size) {
  if (key == nullptr) return false;
  const ct_status status = ct::check_bytes(data, size);
  if (status == CT_OK) return true;
  unwrap(key)->fail(status, status == CT_ERR_TOO_LARGE ? "size: it is 2^32 or more."
                                                       : "data: it is NULL, but has a size.");
  return false;
}

}  // namespace

ct_key *ct_key_new(uint32_t flags) {
  if ((flags & ~CT_KEY_TYPED) != 0) return nullptr;
  ct::Memory memory(nullptr);
  void *where = memory.allocate(sizeof(ct::Key), alignof(ct::Key));
  if (where == nullptr) return nullptr;
  return reinterpret_cast<ct_key *>(new (where) ct::Key(memory, (flags & CT_KEY_TYPED) != 0));
}

void ct_key_reset(ct_key *key) {
  if (key != nullptr) unwrap(key)->reset();
}

void ct_key_free(ct_key *key) {
  if (key == nullptr) return;
  auto *own = reinterpret_cast<ct::Key *>(key);
  own->mark().take_back();
  own->~Key();
  ct::Memory(nullptr).release(key, sizeof(ct::Key), alignof(ct::Key));
}

void ct_key_null(ct_key *key) {
  if (key != nullptr) unwrap(key)->add_null();
}

void ct_key_bool(ct_key *key, bool value) {
  if (key != nullptr) unwrap(key)->add_bool(value);
}

void ct_key_int(ct_key *key, int64_t value) {
  if (key != nullptr) unwrap(key)->add_int(value);
}

void ct_key_uint(ct_key *key, uint64_t value) {
  if (key != nullptr) unwrap(key)->add_uint(value);
}

void ct_key_double(ct_key *key, double value) {
  if (key != nullptr) unwrap(key)->add_double(value);
}

void ct_key_text(ct_key *key, const char *text, size_t size) {
  if (check(key, text, size)) unwrap(key)->add_text({text, size});
}

void ct_key_bytes(ct_key *key, const void *data, size_t size) {
  if (check(key, data, size)) unwrap(key)->add_bytes(ct::bytes(data, size));
}

void ct_key_tuple_begin(ct_key *key) {
  if (key != nullptr) unwrap(key)->begin_tuple();
}

void ct_key_tuple_end(ct_key *key) {
  if (key != nullptr) unwrap(key)->end_tuple();
}

void ct_key_name(ct_key *key, const char *name, size_t size) {
  if (check(key, name, size)) unwrap(key)->add_name({name, size});
}

ct_status ct_key_data(ct_key *key, const void **data, size_t *size) {
  if (data != nullptr) *data = nullptr;
  if (size != nullptr) *size = 0;
  if (key == nullptr || data == nullptr || size == nullptr) return CT_ERR_INVALID;
  ct::Bytes bytes;
  const ct_status status = unwrap(key)->data(&bytes);
  if (status != CT_OK) return status;
  *data = bytes.data;
  *size = bytes.size;
  return CT_OK;
}

const char *ct_key_problem(const ct_key *key) {
  return key == nullptr ? "key: it is NULL." : unwrap(const_cast<ct_key *>(key))->problem();
}
