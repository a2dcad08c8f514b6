/* SPDX-License-Identifier: MIT */
/* See run_state.h. Operations that read. */
#include "run_state.h"

ct_status follow_read(run *r, int key) {
  if (!model_is_live(&r->model, key)) {
    r->model.stats.misses++;
    return CT_MISS;
  }
  r->model.stats.hits++;
  r->uses++;
  model_use(&r->model, key);
  return CT_OK;
}

void do_get(run *r) {
  r->operation = "ct_get";
  const int key = draw_key(r);
  ct_value value;
  ct_value *out = one_in(r, 8) ? NULL : &value;
  const ct_status status = ct_get(r->cache, key_data(r, key), key_size(r, key), out);
  check_equal(r, follow_read(r, key), status);
  if (out != NULL && status == CT_OK) receive_entry(r, out, key);
  if (out != NULL && status != CT_OK) check_nothing(r, out);
}

void do_get_copy(run *r) {
  r->operation = "ct_get_copy";
  const int key = draw_key(r);
  const model_entry *entry = &r->model.entries[key];
  const bool live = model_is_live(&r->model, key);
  const bool small = live && entry->size > 0 && one_in(r, 3);
  const size_t capacity = small  ? below(r, entry->size)
                          : live ? entry->size + below(r, 3)
                                 : below(r, 99);
  memset(buffer, 0x5a, 64);
  size_t size = 999;
  const ct_status status = ct_get_copy(r->cache, key_data(r, key), key_size(r, key),
                                       capacity == 0 ? NULL : buffer, capacity, &size);
  if (small) {
    check_equal(r, CT_ERR_BUFFER, status);
    check_equal(r, entry->size, size);
    check(r, buffer[0] == 0x5a);
    return;
  }
  check_equal(r, follow_read(r, key), status);
  check_equal(r, live ? entry->size : 0, size);
  check(r, !live || is_value(buffer, entry->stamp, size));
}

void do_peek(run *r) {
  r->operation = "ct_peek";
  const int key = draw_key(r);
  ct_value value;
  const ct_status status = ct_peek(r->cache, key_data(r, key), key_size(r, key), &value);
  check_equal(r, model_is_live(&r->model, key) ? CT_OK : CT_MISS, status);
  if (status == CT_OK)
    receive_entry(r, &value, key);
  else
    check_nothing(r, &value);
}

void do_contains(run *r) {
  r->operation = "ct_contains";
  const int key = draw_key(r);
  check_equal(r, model_is_live(&r->model, key),
              ct_contains(r->cache, key_data(r, key), key_size(r, key)));
}

void do_inspect(run *r) {
  r->operation = "ct_inspect";
  const int key = draw_key(r);
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  const ct_status status = ct_inspect(r->cache, key_data(r, key), key_size(r, key), &info);
  if (!model_is_live(&r->model, key)) {
    check_equal(r, CT_MISS, status);
    check_equal(r, 0,
                info.weight | info.deadline | info.remaining | info.frequency | info.key_size |
                    info.value_size);
    return;
  }
  const model_entry *entry = &r->model.entries[key];
  const uint64_t deadline = model_deadline(&r->model, key);
  check_equal(r, CT_OK, status);
  check_equal(r, entry->weight, info.weight);
  check_equal(r, deadline, info.deadline);
  check_equal(r, deadline == CT_NEVER ? CT_NEVER : deadline - r->model.now, info.remaining);
  /* W-TinyLFU counts together what hashes alike. */
  if (r->model.policy != CT_POLICY_WTINYLFU) check_equal(r, entry->frequency, info.frequency);
  check_equal(r, key_size(r, key), info.key_size);
  check_equal(r, entry->size, info.value_size);
}

void do_get_many(run *r) {
  r->operation = "ct_get_many";
  const size_t count = below(r, kBatch + 1);
  int drawn[kBatch];
  ct_bytes keys[kBatch];
  ct_value values[kBatch];
  ct_status statuses[kBatch];
  for (size_t i = 0; i < count; i++) {
    drawn[i] = draw_key(r);
    keys[i] = (ct_bytes){key_data(r, drawn[i]), key_size(r, drawn[i])};
  }
  check_equal(r, CT_OK, ct_get_many(r->cache, keys, count, values, statuses));
  for (size_t i = 0; i < count; i++) {
    r->key = drawn[i];
    check_equal(r, follow_read(r, drawn[i]), statuses[i]);
    if (statuses[i] == CT_OK)
      receive_entry(r, &values[i], drawn[i]);
    else
      check_nothing(r, &values[i]);
  }
}

void do_get_many_copy(run *r) {
  r->operation = "ct_get_many_copy";
  const size_t count = below(r, kBatch + 1);
  static unsigned char keys[kBatch * kLargestKey];
  int drawn[kBatch];
  size_t key_ends[kBatch], value_ends[kBatch], expected_ends[kBatch];
  ct_status statuses[kBatch];
  size_t key_end = 0, needed = 0;
  for (size_t i = 0; i < count; i++) {
    const int key = drawn[i] = draw_key(r);
    if (key != 0) memcpy(keys + key_end, key_data(r, key), key_size(r, key));
    key_end = key_ends[i] = key_end + key_size(r, key);
    if (model_is_live(&r->model, key)) needed += r->model.entries[key].size;
    expected_ends[i] = needed;
  }
  const bool small = needed > 0 && one_in(r, 3);
  const size_t capacity = small ? below(r, needed) : needed + below(r, 3);
  memset(buffer, 0x5a, 64);
  const ct_status status =
      ct_get_many_copy(r->cache, keys, key_ends, count, buffer, capacity, value_ends, statuses);
  check_equal(r, small ? CT_ERR_BUFFER : CT_OK, status);
  for (size_t i = 0; i < count; i++) check_equal(r, expected_ends[i], value_ends[i]);
  if (small) {
    check(r, buffer[0] == 0x5a);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    const model_entry *entry = &r->model.entries[drawn[i]];
    r->key = drawn[i];
    check_equal(r, follow_read(r, drawn[i]), statuses[i]);
    if (statuses[i] != CT_OK) continue;
    const size_t at = i == 0 ? 0 : value_ends[i - 1];
    check(r, is_value(buffer + at, entry->stamp, entry->size));
  }
}
