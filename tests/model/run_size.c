/* SPDX-License-Identifier: MIT */
/* See run_state.h. Sizes and time. */
#include "run_state.h"

/* Events of one kind come in the order of deadlines, in any number of shards. */
static void check_order_of_deadlines(run *r) {
  uint64_t last = 0;
  for (int i = r->heard.taken; i < r->heard.count; i++) {
    const int key = r->heard.events[i].key;
    check(r, r->model.entries[key].present);
    const uint64_t deadline = model_deadline(&r->model, key);
    check(r, deadline >= last);
    last = deadline;
  }
}

void check_len(run *r) {
  const uint64_t len = ct_len(r->cache);
  check_order_of_deadlines(r);
  reclaim_all(r);
  check_equal(r, r->model.count, len);
}

void do_size(run *r) {
  r->operation = "ct_len or ct_currsize";
  if (one_in(r, 2)) {
    check_len(r);
    return;
  }
  const uint64_t currsize = ct_currsize(r->cache);
  check_order_of_deadlines(r);
  reclaim_all(r);
  check_equal(r, model_kept_weight(&r->model) + model_negative_weight(&r->model), currsize);
  check(r, currsize <= r->model.maxsize);
  check_equal(r, r->model.maxsize, ct_maxsize(r->cache));
  check(r, ct_memory(r->cache) > 0);
  if (r->setup.allocator) check(r, ct_memory(r->cache) <= (uint64_t)r->allocator.bytes);
}

void do_resize(run *r) {
  r->operation = "ct_resize";
  const uint64_t maxsize = draw_maxsize(r);
  const bool lowers = maxsize < r->model.maxsize;
  r->model.maxsize = maxsize;
  check_equal(r, CT_OK, ct_resize(r->cache, maxsize));
  check_equal(r, maxsize, ct_maxsize(r->cache));
  if (maxsize == 0) overtake(r, -1);
  while (lowers && model_negative_weight(&r->model) > maxsize / 16)
    model_forget_oldest_negative(&r->model);
  reclaim(r);
  make_room(r, -1, 0);
  reclaim(r);
}

void do_set_lifetime(run *r) {
  static const uint64_t kTerms[] = {0, 1, 3, 10, 50, 1000, CT_NEVER - 1, CT_NEVER};
  r->operation = "ct_set_lifetime";
  const int key = draw_key(r);
  const uint64_t ttl = kTerms[below(r, 8)];
  const ct_status status = ct_set_lifetime(r->cache, key_data(r, key), key_size(r, key), ttl);
  if (ttl == 0) overtake(r, key);
  /* Where memory is weighed, room for a deadline counts too. */
  r->writes = ttl == 0 || weighs_memory(r);
  if (ttl != 0 && weighs_memory(r) && model_is_live(&r->model, key)) {
    reclaim(r);
    make_room(r, key, 0);
    if (status == CT_ERR_TOO_LARGE) {
      check(r, most_memory(key_size(r, key) + r->model.entries[key].size) > r->model.maxsize);
      return;
    }
  }
  if (!model_is_live(&r->model, key)) {
    if (ttl == 0 && model_is_kept(&r->model, key)) leave(r, key, CT_CAUSE_EXPIRED);
    check_equal(r, CT_MISS, status);
    return;
  }
  check_equal(r, CT_OK, status);
  r->model.entries[key].age_deadline = model_sum(r->model.now, ttl);
  if (ttl == 0) r->walk.must[key] = 0;
  if (ttl == 0 && model_is_kept(&r->model, key)) leave(r, key, CT_CAUSE_EXPIRED);
  learn(r, key);
}

void do_expire(run *r) {
  r->operation = "ct_expire";
  model *m = &r->model;
  uint64_t until = CT_NOW;
  if (one_in(r, 2)) {
    const uint64_t kUntil[] = {0, m->now - below(r, m->now < 20 ? m->now + 1 : 20),
                               model_sum(m->now, below(r, 30)), CT_NEVER - 1};
    until = kUntil[below(r, 4)];
    if (until == CT_NOW) until--;
  }
  /* Without a listener nobody knows which entries have gone already. */
  const bool unsure = !listens(r) && until != CT_NOW;
  if (unsure) check_len(r);
  const bool visits = one_in(r, 2);
  r->timer_reads = 0;
  const uint64_t count = ct_expire(r->cache, until, visits ? on_visit : NULL, r);

  if (until == CT_NOW) until = m->now;
  for (int key = 0; key < MODEL_KEYS; key++)
    if (m->negatives[key].deadline <= until) model_forget_negative(m, key);
  if (listens(r)) check_equal(r, count, r->heard.count);
  if (visits) check_equal(r, count, r->visited.count);
  if (visits && listens(r))
    for (int i = 0; i < r->visited.count; i++)
      check(r, memcmp(&r->visited.events[i], &r->heard.events[i], sizeof(event)) == 0);
  check_order_of_deadlines(r);
  uint64_t gone = 0;
  for (int key; (key = listens(r) && next_event(r) != NULL ? next_event(r)->key
                                                           : model_find_due(m, until)) >= 0;
       gone++) {
    check(r, m->entries[key].present && model_leaves_at(m, key) <= until);
    leave(r, key, CT_CAUSE_EXPIRED);
  }
  if (listens(r) || unsure)
    check_equal(r, gone, count);
  else
    check(r, count <= gone);
}

void follow_clock(run *r) {
  r->model.now = r->clock == CT_NEVER ? CT_NEVER - 1 : r->clock;
  /* The walk need not show entries that have expired on its way. */
  for (int key = 0; key < r->setup.keys; key++)
    if (r->walk.must[key] != 0 && !model_is_live(&r->model, key)) r->walk.must[key] = 0;
}

void do_tick(run *r) {
  r->operation = "a tick";
  r->writes = true;
  if (r->setup.backwards && one_in(r, 10)) {
    /* An expired entry may come back unless it was reclaimed; without a listener, ct_len makes
     * sure that it was. */
    if (!listens(r)) check_len(r);
    const uint64_t back = one_in(r, 4) ? r->clock : below(r, 30);
    r->clock -= back < r->clock ? back : r->clock;
  } else {
    const bool leaps = one_in(r, 12);
    r->stores_next = leaps && one_in(r, 2);
    r->clock = model_sum(r->clock, leaps ? below(r, 300) : below(r, 4));
  }
  follow_clock(r);
}
