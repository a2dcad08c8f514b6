/* SPDX-License-Identifier: MIT */
/* See run_state.h. Operations that remove. */
#include "run_state.h"

void do_delete(run *r) {
  const int key = draw_key(r);
  ct_value value;
  ct_value *out = one_in(r, 3) ? NULL : &value;
  const bool pops = one_in(r, 2);
  r->operation = pops ? "ct_pop" : "ct_delete";
  const ct_status status = pops ? ct_pop(r->cache, key_data(r, key), key_size(r, key), out)
                                : ct_delete(r->cache, key_data(r, key), key_size(r, key));
  overtake(r, key);
  reclaim(r);
  if (!model_is_live(&r->model, key)) {
    if (model_is_kept(&r->model, key)) leave(r, key, CT_CAUSE_EXPIRED);
    check_equal(r, CT_MISS, status);
    if (pops && out != NULL) check_nothing(r, out);
    return;
  }
  check_equal(r, CT_OK, status);
  /* The pin came before the departure. */
  const model_entry entry = r->model.entries[key];
  const bool received = pops && out != NULL;
  if (received) pin(r, entry.stamp);
  leave(r, key, CT_CAUSE_REMOVED);
  if (!received) return;
  receive(r, out, entry.stamp, NULL, entry.size);
  unpin(r, entry.stamp);
}

void do_delete_if(run *r) {
  r->operation = "ct_delete_if";
  int key;
  const held_value *seen = draw_seen(r, &key);
  r->key = key;
  const ct_status status = ct_delete_if(r->cache, key_data(r, key), key_size(r, key), &seen->value);
  const bool live = model_is_live(&r->model, key);
  const bool same = has_value(r, key, seen);
  check_equal(r, same ? CT_OK : live ? CT_EXISTS : CT_MISS, status);
  reclaim(r);
  if (live && !same) return;
  overtake(r, key);
  if (live || model_is_kept(&r->model, key)) leave(r, key, cause_for(r, key, CT_CAUSE_REMOVED));
}

/* The entries are gone at once, and nobody is told before they are swept. Then each leaves once. */
void do_invalidate_tag(run *r) {
  r->operation = "ct_invalidate_tag";
  check_len(r);
  const int tag = (int)below(r, kTags);
  const int heard = r->heard.count;
  check_equal(r, CT_OK, ct_invalidate_tag(r->cache, kTagNames[tag].data, kTagNames[tag].size, 0));
  check_equal(r, heard, r->heard.count);
  for (int i = 0; i < r->lease_count; i++) r->leases[i].outdated |= 1u << tag;
  int left = 0;
  for (int key = 0; key < r->setup.keys; key++) {
    const bool invalid =
        r->model.entries[key].present && (r->model.entries[key].tags >> tag & 1) != 0;
    const bool there = ct_contains(r->cache, key_data(r, key), key_size(r, key));
    check_equal(r, model_is_live(&r->model, key) && !invalid, there);
    left += invalid;
  }
  if (one_in(r, 2))
    ct_currsize(r->cache);
  else
    check_equal(r, 0, ct_expire(r->cache, CT_NOW, NULL, NULL));
  for (int key = -1; left > 0; left--) {
    if (listens(r)) {
      check(r, next_event(r) != NULL);
      key = next_event(r)->key;
    } else {
      do key++;
      while (!r->model.entries[key].present || (r->model.entries[key].tags >> tag & 1) == 0);
    }
    check(r, r->model.entries[key].present && (r->model.entries[key].tags >> tag & 1) != 0);
    leave(r, key, CT_CAUSE_REMOVED);
  }
  check_len(r);
}

void do_popitem(run *r) {
  r->operation = "ct_popitem";
  ct_value key, value;
  ct_value *key_out = one_in(r, 4) ? NULL : &key;
  ct_value *value_out = one_in(r, 4) ? NULL : &value;
  const ct_status status = ct_popitem(r->cache, key_out, value_out);
  reclaim(r);
  int victim = -1;
  while (model_kept_count(&r->model) > 0) {
    victim = r->key = find_victim(r);
    if (model_is_live(&r->model, victim)) break;
    leave_as_victim(r, victim);
    victim = -1;
  }
  if (victim < 0) {
    check_equal(r, CT_MISS, status);
    if (key_out != NULL) check_nothing(r, key_out);
    if (value_out != NULL) check_nothing(r, value_out);
    return;
  }
  check_equal(r, CT_OK, status);
  const model_entry entry = r->model.entries[victim];
  /* The pins came before the departure. */
  pin(r, entry.stamp);
  leave_as_victim(r, victim);
  if (key_out != NULL) receive_key(r, key_out, victim, entry.stamp);
  if (value_out != NULL) receive(r, value_out, entry.stamp, NULL, entry.size);
  unpin(r, entry.stamp);
}

void do_clear(run *r) {
  r->operation = "ct_clear";
  model *m = &r->model;
  check_equal(r, CT_OK, ct_clear(r->cache));
  overtake(r, -1);
  if (listens(r)) {
    for (const event *e; (e = next_event(r)) != NULL;) {
      check(r, m->entries[e->key].present);
      leave(r, e->key, cause_for(r, e->key, CT_CAUSE_CLEARED));
    }
  } else {
    while (m->count > 0) leave(r, m->order[0], cause_for(r, m->order[0], CT_CAUSE_CLEARED));
  }
  check_equal(r, 0, m->count);
  model_forget(m);
}

void do_remove_if(run *r) {
  r->operation = "ct_remove_if";
  model *m = &r->model;
  r->match_modulus = 1 + (int)below(r, 6);
  r->match_rest = (int)below(r, (uint64_t)r->match_modulus);
  memset(r->asked, 0, sizeof r->asked);
  const uint64_t removed = ct_remove_if(r->cache, on_match, r);
  overtake(r, -1);

  int due[MODEL_KEYS];
  uint64_t count = 0;
  for (int i = 0; i < m->count; i++) {
    const int key = m->order[i];
    const model_entry *entry = &m->entries[key];
    check_equal(r, model_is_kept(m, key) ? 1 : 0, r->asked[key]);
    if (model_is_kept(m, key) && matches(r, key, prefix_of(entry->stamp, entry->size)))
      due[count++] = key;
  }
  check_equal(r, count, removed);
  for (uint64_t i = 0; i < count; i++) {
    reclaim(r);
    const int key = listens(r) && next_event(r) != NULL ? next_event(r)->key : due[i];
    check(r, m->entries[key].present);
    check(r, matches(r, key, prefix_of(m->entries[key].stamp, m->entries[key].size)));
    leave(r, key, cause_for(r, key, CT_CAUSE_REMOVED));
  }
}
