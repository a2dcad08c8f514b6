/* SPDX-License-Identifier: MIT */
/* See run_state.h. The model follows what leaves the cache and what comes out of it. */
#include "run_state.h"

bool listens(const run *r) {
  return r->options.listener != NULL;
}

bool is_exact(const run *r) {
  return r->options.shards <= 1 && r->options.policy != CT_POLICY_WTINYLFU &&
         r->options.policy != CT_POLICY_ADAPTIVE;
}

const event *next_event(const run *r) {
  return r->heard.taken < r->heard.count ? &r->heard.events[r->heard.taken] : NULL;
}

static bool next_is(const run *r, ct_cause cause) {
  const event *e = next_event(r);
  return e != NULL && e->cause == (int32_t)cause;
}

void settle_copy(run *r, uint64_t stamp) {
  copy *c = &r->copies[stamp];
  if (!c->stored || c->cached || c->pins != 0 || c->due) return;
  c->due = true;
  if (c->size < 8)
    r->small_due[c->size]++;
  else
    r->large_due++;
}

void replace(run *r, int key, ct_cause cause) {
  model_entry *entry = &r->model.entries[key];
  copy *c = &r->copies[entry->stamp];
  if (listens(r)) {
    const event *e = next_event(r);
    check(r, e != NULL);
    check_equal(r, key, e->key);
    check_equal(r, cause, e->cause);
    check_equal(r, entry->size, e->size);
    check_equal(r, prefix_of(entry->stamp, entry->size), e->prefix);
    if (weighs_memory(r) && entry->weight == 0) entry->weight = e->weight;
    check_equal(r, entry->weight, e->weight);
    r->heard.taken++;
  }
  c->cached = false;
  c->deadline = model_deadline(&r->model, key);
  r->walk.must[key] = 0;
  settle_copy(r, entry->stamp);
}

void leave(run *r, int key, ct_cause cause) {
  replace(r, key, cause);
  model_leave(&r->model, key, cause);
}

ct_cause cause_for(const run *r, int key, ct_cause cause) {
  return model_is_live(&r->model, key) ? cause : CT_CAUSE_EXPIRED;
}

void leave_as_victim(run *r, int key) {
  const ct_cause cause = cause_for(r, key, CT_CAUSE_EVICTED);
  replace(r, key, cause);
  model_evict(&r->model, key, cause);
}

/* Entries that are stale leave only by calls that say so. */
void reclaim(run *r) {
  while (next_is(r, CT_CAUSE_EXPIRED)) {
    const int key = next_event(r)->key;
    check(r, r->model.entries[key].present);
    check(r, model_deadline(&r->model, key) <= r->model.now);
    if (model_is_kept(&r->model, key)) return;
    leave(r, key, CT_CAUSE_EXPIRED);
  }
}

void reclaim_all(run *r) {
  reclaim(r);
  for (int key; (key = model_find_due(&r->model, r->model.now)) >= 0;) {
    check(r, !listens(r)); /* a listener would have been told */
    leave(r, key, CT_CAUSE_EXPIRED);
  }
}

static void take_choice(run *r, uint64_t *count, uint64_t *answer) {
  check(r, r->choice_taken < r->choice_count);
  *count = r->choices[r->choice_taken].count;
  *answer = r->choices[r->choice_taken++].answer;
}

int find_victim(run *r) {
  const model *m = &r->model;
  int victim = model_victim(m);
  check(r, victim >= 0);
  if (!is_exact(r)) {
    check(r, next_event(r) != NULL);
    victim = next_event(r)->key;
    check(r, model_is_kept(m, victim));
  }
  if (m->policy == CT_POLICY_RR) {
    uint64_t count, answer;
    take_choice(r, &count, &answer);
    check(r, count > 0 && count <= (uint64_t)m->count);
    if (is_exact(r)) {
      check_equal(r, m->count, count);
      victim = m->order[answer % count];
    }
  }
  return victim;
}

/* Entries that are due go first, wherever they are. */
static void evict(run *r) {
  reclaim_all(r);
  leave_as_victim(r, find_victim(r));
}

/* Whether the event is about an entry that left for want of room. What a renewal replaces leaves
 * last. As a victim it is never the last one: once its weight is gone, the new value needs room for
 * as much more. */
static bool next_is_victim(const run *r, int key) {
  const event *e = next_event(r);
  if (e == NULL || !model_is_kept(&r->model, e->key)) return false;
  if (e->cause == CT_CAUSE_EVICTED) return true;
  const bool last = r->heard.taken + 1 == r->heard.count;
  return e->cause == CT_CAUSE_EXPIRED && !(e->key == key && last);
}

void make_room(run *r, int key, uint64_t weight) {
  model *m = &r->model;
  model_make_room_for(m, key);
  if (weighs_memory(r)) {
    while (next_is_victim(r, key)) evict(r);
  } else {
    for (;;) {
      const uint64_t old = key >= 0 && model_is_kept(m, key) ? m->entries[key].weight : 0;
      const uint64_t others = model_kept_weight(m) - old + model_negative_weight(m);
      if (others <= m->maxsize && weight <= m->maxsize - others) break;
      if (model_kept_count(m) > 0)
        evict(r);
      else
        check(r, model_forget_oldest_negative(m));
    }
  }
  model_make_room_for(m, -1);
}

uint64_t inspected_weight(const run *r, int key) {
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  if (ct_inspect(r->cache, key_data(r, key), key_size(r, key), &info) != CT_OK) return 0;
  return info.weight;
}

void pin(run *r, uint64_t stamp) {
  r->copies[stamp].pins++;
}

void unpin(run *r, uint64_t stamp) {
  r->copies[stamp].pins--;
  settle_copy(r, stamp);
}

static bool is_held_value(const run *r, const held_value *held) {
  if (held->key != NULL) return memcmp(held->value.data, held->key, held->value.size) == 0;
  return held->value.size == r->copies[held->stamp].size &&
         is_value(held->value.data, held->stamp, held->value.size);
}

void release_held(run *r, int at) {
  held_value held = r->held[at];
  r->held[at] = r->held[--r->held_count];
  check(r, is_held_value(r, &held));
  ct_value_release(&held.value);
  check(r, held.value.data == NULL && held.value.size == 0 && held.value.pin == 0);
  unpin(r, held.stamp);
}

void receive(run *r, ct_value *value, uint64_t stamp, const void *key, size_t size) {
  const held_value held = {*value, stamp, key, r->copies[stamp].stores};
  check(r, value->data != NULL && value->pin != 0);
  check_equal(r, size, value->size);
  check(r, key != NULL || (uintptr_t)value->data % 8 == 0);
  check(r, is_held_value(r, &held));
  pin(r, stamp);
  r->held[r->held_count++] = held;
  if (!one_in(r, 4)) release_held(r, r->held_count - 1);
  if (r->held_count > kHeld) release_held(r, (int)below(r, (uint64_t)r->held_count));
}

void receive_entry(run *r, ct_value *value, int key) {
  const model_entry *entry = &r->model.entries[key];
  receive(r, value, entry->stamp, NULL, entry->size);
}

void receive_key(run *r, ct_value *value, int key, uint64_t stamp) {
  receive(r, value, stamp, key == 0 ? "" : key_data(r, key), key_size(r, key));
}

const held_value *draw_seen(run *r, int *key) {
  static const held_value nothing;
  *key = draw_key(r);
  if (r->held_count == 0 || one_in(r, 6)) return &nothing;
  const held_value *seen = &r->held[below(r, (uint64_t)r->held_count)];
  if (one_in(r, 4)) return seen;
  for (int i = 0; i < r->model.count; i++)
    if (r->model.entries[r->model.order[i]].stamp == seen->stamp) *key = r->model.order[i];
  return seen;
}

bool has_value(const run *r, int key, const held_value *seen) {
  return model_is_live(&r->model, key) && seen->value.pin != 0 &&
         r->model.entries[key].stamp == seen->stamp &&
         r->copies[seen->stamp].stores == seen->stores;
}

void check_nothing(const run *r, const ct_value *value) {
  check(r, value->data == NULL && value->size == 0 && value->pin == 0);
}
