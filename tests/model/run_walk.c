/* SPDX-License-Identifier: MIT */
/* See run_state.h. Iteration. */
#include "run_state.h"

/* ---- Iteration ------------------------------------------------------------------------------ */

int list_live(const run *r, uint64_t *stamps) {
  int count = 0;
  for (int i = 0; i < r->model.count; i++)
    if (model_is_live(&r->model, r->model.order[i]))
      stamps[count++] = r->model.entries[r->model.order[i]].stamp;
  return count;
}

/* The order of several shards is a few ascending stretches of the one order, one for each shard. */
static void check_stretches(run *r, const uint64_t *shown, int count) {
  /* These policies have no such order. */
  if (queues_know(r->model.policy) || r->model.policy == CT_POLICY_WTINYLFU) return;
  uint64_t live[MODEL_KEYS];
  const int live_count = list_live(r, live);
  int last = -1, stretches = 1;
  for (int i = 0; i < count; i++) {
    int at = 0;
    while (at < live_count && live[at] != shown[i]) at++;
    stretches += at < last;
    last = at;
  }
  check(r, stretches <= (int)r->options.shards);
}

static int iterate(run *r, int32_t order, uint64_t *shown) {
  ct_iter *iter;
  check_equal(r, CT_OK, ct_iter_new(r->cache, order, &iter));
  int count = 0;
  bool seen[MODEL_KEYS] = {false};
  for (;;) {
    ct_bytes key, value;
    r->timer_reads = 0;
    const ct_status status = ct_iter_next(iter, &key, &value);
    check(r, r->timer_reads <= 1 || reads_freely(r));
    if (status == CT_END) break;
    check_equal(r, CT_OK, status);
    const int number = r->key = key_number(r, key.data, key.size);
    check(r, number >= 0 && model_is_live(&r->model, number) && !seen[number]);
    seen[number] = true;
    const model_entry *entry = &r->model.entries[number];
    check_equal(r, entry->size, value.size);
    check(r, value.data != NULL && is_value(value.data, entry->stamp, entry->size));
    shown[count++] = entry->stamp;
  }
  ct_bytes key = {"", 1};
  check_equal(r, CT_END, ct_iter_next(iter, &key, NULL));
  check(r, key.data == NULL && key.size == 0);
  ct_iter_free(iter);
  check_equal(r, model_live_count(&r->model), count);
  return count;
}

bool has_order(const run *r) {
  return r->options.policy != CT_POLICY_RR && r->options.policy != CT_POLICY_ADAPTIVE &&
         r->options.policy != CT_POLICY_CUSTOM;
}

void do_iterate(run *r) {
  r->operation = "an iteration";
  uint64_t coldest[MODEL_KEYS], hottest[MODEL_KEYS], live[MODEL_KEYS] = {0};
  iterate(r, CT_ORDER_ANY, live);
  if (!has_order(r)) {
    ct_iter *iter = (ct_iter *)r;
    check_equal(r, CT_ERR_UNSUPPORTED,
                ct_iter_new(r->cache, one_in(r, 2) ? CT_ORDER_COLDEST : CT_ORDER_HOTTEST, &iter));
    check(r, iter == NULL);
    return;
  }
  const int count = iterate(r, CT_ORDER_COLDEST, coldest);
  iterate(r, CT_ORDER_HOTTEST, hottest);
  for (int i = 0; i < count; i++) check_equal(r, coldest[i], hottest[count - 1 - i]);
  if (is_exact(r)) {
    list_live(r, live);
    for (int i = 0; i < count; i++) check_equal(r, live[i], coldest[i]);
  } else {
    check_stretches(r, coldest, count);
  }
}

/* ---- A walk from step to step --------------------------------------------------------------- */

static void begin_walk(run *r) {
  walk *w = &r->walk;
  w->order = has_order(r) ? (int32_t)below(r, 3) : CT_ORDER_ANY;
  check_equal(r, CT_OK, ct_iter_new(r->cache, w->order, &w->iter));
  for (uint64_t i = 1; i <= r->stamps; i++) r->copies[i].walked = r->copies[i].listed = false;
  for (int key = 0; key < r->setup.keys; key++) {
    const bool live = model_is_live(&r->model, key);
    w->must[key] = live ? r->model.entries[key].stamp : 0;
    if (r->model.entries[key].present) r->copies[r->model.entries[key].stamp].listed = true;
  }
  w->count = 0;
  for (int i = 0; i < r->model.count; i++)
    w->coldest[w->count++] = r->model.entries[r->model.order[i]].stamp;
  w->at = w->order == CT_ORDER_HOTTEST ? w->count : -1;
}

void end_walk(run *r) {
  ct_iter_free(r->walk.iter);
  memset(&r->walk, 0, sizeof r->walk);
}

static void check_walk_order(run *r, uint64_t stamp) {
  walk *w = &r->walk;
  check(r, r->copies[stamp].listed);
  if (!is_exact(r)) return;
  int at = 0;
  while (w->coldest[at] != stamp) at++;
  check(r, w->order == CT_ORDER_COLDEST ? at > w->at : at < w->at);
  w->at = at;
}

/* If the copy is too small to tell which it is, it must be one that is live. */
static uint64_t walked_stamp(run *r, int key, const ct_bytes *value) {
  uint64_t stamp = 0;
  memcpy(&stamp, value->data, value->size < 8 ? value->size : 8);
  stamp = from_front(stamp, value->size);
  if (value->size >= 8) return stamp;
  const model_entry *entry = &r->model.entries[key];
  const bool same =
      entry->present && entry->size == value->size && prefix_of(entry->stamp, entry->size) == stamp;
  return same ? entry->stamp : 0;
}

void do_walk(run *r) {
  r->operation = "a walk";
  walk *w = &r->walk;
  r->writes = true; /* it writes nothing, but a drop may come from here */
  if (w->iter == NULL) {
    begin_walk(r);
    return;
  }
  if (one_in(r, 30)) {
    end_walk(r);
    return;
  }
  ct_bytes key, value;
  const ct_status status = ct_iter_next(w->iter, &key, &value);
  if (status == CT_END) {
    for (int i = 0; i < r->setup.keys; i++) check_equal(r, 0, w->must[i]);
    end_walk(r);
    return;
  }
  check_equal(r, CT_OK, status);
  const int number = r->key = key_number(r, key.data, key.size);
  check(r, number >= 0);
  const uint64_t stamp = walked_stamp(r, number, &value);
  if (stamp == 0) return;
  check(r, stamp <= r->stamps && r->copies[stamp].stored && !r->copies[stamp].walked);
  check(r, r->copies[stamp].size == value.size && is_value(value.data, stamp, value.size));
  const uint64_t deadline =
      r->copies[stamp].cached ? model_deadline(&r->model, number) : r->copies[stamp].deadline;
  check(r, deadline > r->model.now);
  if (w->order != CT_ORDER_ANY) check_walk_order(r, stamp);
  r->copies[stamp].walked = true;
  if (w->must[number] == stamp) w->must[number] = 0;
}
