/* SPDX-License-Identifier: MIT */
/* See run_state.h. Waiting without a thread, and loading many keys in one call. */
#include "run_state.h"

/* ---- What callbacks are told ---------------------------------------------------------------- */

static void on_done(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  open_wait *w = user_data;
  run *r = w->run;
  w->calls++;
  w->status = status;
  w->got = lease;
  w->has_value = value != NULL;
  if (value != NULL) {
    if (value->data == NULL || value->pin == 0) complain(r, "a callback was told no value");
    w->size = value->size;
    w->prefix = read_prefix(r, value->data, value->size);
  }
  if (w->cancels && ct_wait_cancel(w->handle)) complain(r, "a callback has cancelled itself");
}

static void add_lease(run *r, open_lease l) {
  ct_bytes bytes;
  ct_lease_key(l.lease, &bytes);
  check(r, bytes.data != NULL);
  check_equal(r, l.key, key_number(r, bytes.data, bytes.size));
  r->leases[r->lease_count++] = l;
}

/* The callback must have been told that. stamp: of the value; 0: none. */
static void end_wait(run *r, open_wait *w, ct_status status, uint64_t stamp) {
  check_equal(r, 1, w->calls);
  check_equal(r, status, w->status);
  check(r, w->has_value == (stamp != 0));
  if (stamp != 0) {
    check_equal(r, r->copies[stamp].size, w->size);
    check_equal(r, prefix_of(stamp, w->size), w->prefix);
  }
  check(r, (w->got != NULL) == (status == CT_LEASED || status == CT_RENEW));
  if (w->handle != NULL && !w->cancels) check(r, !ct_wait_cancel(w->handle));
  w->open = false;
}

/* Returns the one who came next to the load of that lease, or NULL. */
static open_wait *next_wait(run *r, const ct_lease *lease, uint64_t after) {
  open_wait *next = NULL;
  for (int i = 0; i < kWaits; i++) {
    open_wait *w = &r->waits[i];
    if (!w->open || w->lease != lease || w->number <= after) continue;
    if (next == NULL || w->number < next->number) next = w;
  }
  return next;
}

static void count_answer(run *r, ct_status status) {
  ct_stats *stats = &r->model.stats;
  if (status == CT_OK) {
    stats->hits++;
    stats->waits++;
  } else {
    stats->misses++;
    stats->shared_failures++;
  }
}

void follow_answer(run *r, const ct_lease *lease, ct_status status, uint64_t stamp) {
  for (open_wait *w; (w = next_wait(r, lease, 0)) != NULL;) {
    count_answer(r, status);
    end_wait(r, w, status, stamp);
  }
}

void follow_stored(run *r, int key, uint64_t stamp) {
  for (int i = 0; i < kWaits; i++) {
    open_wait *w = &r->waits[i];
    if (!w->open || w->key != key || !w->overtaken) continue;
    count_answer(r, CT_OK);
    end_wait(r, w, CT_OK, stamp);
  }
}

/* Looks again, as the load that it waited for was overtaken, and given up. */
static void start_anew(run *r, open_wait *w) {
  const service s = find_service(r, w->key, w->forces);
  const ct_status status = lease_status(&s);
  follow_service(r, w->key, &s);
  if (status == CT_BUSY) {
    for (int i = 0; i < r->lease_count; i++)
      if (r->leases[i].key == w->key && !r->leases[i].overtaken) w->lease = r->leases[i].lease;
    w->overtaken = false;
    w->number = ++r->wait_number;
    return;
  }
  end_wait(r, w, status, s.serves ? s.stamp : 0);
  if (!s.loads) return;
  add_lease(r, (open_lease){.lease = w->got,
                            .key = w->key,
                            .started = r->model.now,
                            .renews = s.renews,
                            .forced = !s.serves,
                            .stamp = s.stamp});
}

/* Who loads even if there is a value renews that. */
static void take_over(run *r, const open_wait *w) {
  open_lease l = {.lease = w->got, .key = w->key, .started = r->model.now};
  l.renews = l.forced = w->forces && model_is_kept(&r->model, w->key);
  l.stamp = r->model.entries[w->key].stamp;
  if (l.renews) pin(r, l.stamp);
  add_lease(r, l);
}

void follow_giving_up(run *r, const open_lease *l) {
  open_wait *w = next_wait(r, l->lease, 0);
  if (w == NULL) return;
  if (!l->overtaken) {
    r->model.stats.misses++;
    end_wait(r, w, CT_LEASED, 0);
    check(r, w->got == l->lease);
    take_over(r, w);
    return;
  }
  /* The load that they wait for from now on may have the same address. */
  const uint64_t last = r->wait_number;
  for (uint64_t at = 0; w != NULL && w->number <= last; w = next_wait(r, l->lease, at)) {
    at = w->number;
    start_anew(r, w);
  }
}

void check_waits(run *r) {
  for (int i = 0; i < kWaits; i++) check(r, !r->waits[i].open || r->waits[i].calls == 0);
}

/* ---- Waiting -------------------------------------------------------------------------------- */

static open_wait *find_wait(run *r, bool open) {
  const int from = (int)below(r, kWaits);
  for (int i = 0; i < kWaits; i++) {
    open_wait *w = &r->waits[(from + i) % kWaits];
    if (w->open == open && (!open || (w->handle != NULL && !w->cancels))) return w;
  }
  return NULL;
}

static void cancel_wait(run *r) {
  r->operation = "ct_wait_cancel";
  open_wait *w = find_wait(r, true);
  if (w == NULL) return;
  r->key = w->key;
  check(r, ct_wait_cancel(w->handle));
  check_equal(r, 0, w->calls);
  w->open = false;
}

static void begin_wait(run *r, open_wait *w) {
  r->operation = "ct_get_or_lease_async";
  int key = draw_key(r);
  if (r->lease_count > 0 && !one_in(r, 3))
    key = r->key = r->leases[below(r, (uint64_t)r->lease_count)].key;
  const bool has_handle = !one_in(r, 4);
  /* Mostly where there is a value, which a lease that is taken over renews. */
  const uint64_t share = model_is_kept(&r->model, key) ? 4 : 1;
  *w = (open_wait){.run = r, .key = key, .forces = below(r, 6) < share};
  w->cancels = has_handle && one_in(r, 3);
  ct_load_options options = CT_LOAD_OPTIONS_INIT;
  options.flags = w->forces ? CT_LOAD_FORCE : 0;
  const service s = find_service(r, key, w->forces);
  if (s.loads && r->lease_count >= kLeases) return;
  follow_service(r, key, &s);
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  open_lease l = {.key = key, .started = r->model.now, .renews = s.renews, .forced = !s.serves};
  l.stamp = s.stamp;
  w->handle = (ct_wait *)r;
  const ct_status status =
      ct_get_or_lease_async(r->cache, key_data(r, key), key_size(r, key), &options, on_done, w, out,
                            &l.lease, has_handle ? &w->handle : NULL);
  check_equal(r, s.busy ? CT_PENDING : lease_status(&s), status);
  check_equal(r, 0, w->calls);
  check(r, s.loads == (l.lease != NULL));
  check(r, !has_handle || s.busy == (w->handle != NULL));
  if (!has_handle) w->handle = NULL;
  if (out != NULL && s.serves) receive_entry(r, out, key);
  if (out != NULL && !s.serves) check_nothing(r, out);
  if (s.loads) add_lease(r, l);
  if (!s.busy) return;
  w->open = true;
  w->number = ++r->wait_number;
  for (int i = 0; i < r->lease_count; i++)
    if (r->leases[i].key == key && !r->leases[i].overtaken) w->lease = r->leases[i].lease;
}

void do_wait(run *r) {
  open_wait *w = one_in(r, 4) ? NULL : find_wait(r, false);
  if (w == NULL)
    cancel_wait(r);
  else
    begin_wait(r, w);
  r->timer_reads = 0; /* loads are timed in any cache */
}

/* ---- Many keys ------------------------------------------------------------------------------ */

/* What the loader of many keys is to do. Keys are known by their places in the call. */
typedef struct many {
  run *run;
  size_t count;
  size_t firsts[kBatch]; /* the place of the same key, if it was there before */
  plan plans[kBatch];
  service services[kBatch];
  bool fails[kBatch]; /* by ct_result_fail */
  int32_t failures[kBatch];
  size_t asked; /* keys of the first call; 0: none */
  ct_status answer;
  bool invalidates;
  uint64_t ticks;
  int calls;
} many;

static plan *plan_of(many *m, const ct_bytes *key) {
  const int number = key_number(m->run, key->data, key->size);
  for (size_t i = 0; i < m->count; i++)
    if (m->firsts[i] == i && m->plans[i].q.key == number) return &m->plans[i];
  return NULL;
}

static ct_status on_load_many(void *user_data, const ct_bytes *keys, size_t count,
                              ct_result *const *results) {
  many *m = user_data;
  run *r = m->run;
  const bool first = m->calls++ == 0 && m->asked > 0;
  if (count != (first ? m->asked : 1)) complain(r, "a loader was asked for too many keys or few");
  if (first) {
    r->clock = model_sum(r->clock, m->ticks);
    follow_clock(r);
  }
  const plan *before = NULL;
  for (size_t i = 0; i < count; i++) {
    plan *p = plan_of(m, &keys[i]);
    if (p == NULL || (before != NULL && p <= before)) {
      complain(r, "a loader was asked for another key, or in another order");
      return CT_MISS;
    }
    before = p;
    const size_t place = (size_t)(p - m->plans);
    ct_bytes old;
    if (!first) p->renews = ct_result_old(results[i], &old) == CT_OK;
    follow_plan_to_load(p, keys[i].data, keys[i].size, results[i]);
    if (m->fails[place]) ct_result_fail(results[i], (ct_status)m->failures[place]);
    p->invalidates = first && m->invalidates;
  }
  if (!first) return CT_OK;
  if (m->invalidates) invalidate_all(r);
  return m->answer;
}

static void draw_many(many *m) {
  run *r = m->run;
  static const struct {
    int32_t answer, told;
  } kFailures[] = {{CT_MISS, CT_MISS},
                   {CT_BUSY, CT_BUSY},
                   {CT_ERR_IO, CT_ERR_IO},
                   {1000, 1000},
                   {CT_EXISTS, CT_ERR_INVALID},
                   {CT_OK, CT_ERR_INVALID},
                   {CT_ERR_RECURSION, CT_ERR_RECURSION}};
  static const ct_status kAnswers[] = {CT_MISS, CT_BUSY, CT_ERR_IO, (ct_status)-1000};
  m->answer = one_in(r, 6) ? kAnswers[below(r, COUNT_OF(kAnswers))] : CT_OK;
  m->invalidates = one_in(r, 8);
  m->ticks = one_in(r, 4) ? below(r, 20) : 0;
  m->count = 1 + below(r, kBatch);
  const uint64_t few = r->setup.keys < 5 || one_in(r, 3) ? (uint64_t)r->setup.keys : 5;
  const bool unclear = stores_are_unclear(r);
  for (size_t i = 0; i < m->count; i++) {
    int key = (int)below(r, few);
    if (r->lease_count > 0 && one_in(r, 3)) key = r->leases[below(r, (uint64_t)r->lease_count)].key;
    if (unclear && i > 0) key = m->plans[0].q.key;
    for (m->firsts[i] = 0; m->firsts[i] < i; m->firsts[i]++)
      if (m->plans[m->firsts[i]].q.key == key) break;
    unsigned char *bytes = buffer + i * (size_t)kLargestValue;
    m->plans[i] = (plan){.q.key = key};
    if (m->firsts[i] != i) continue;
    plan *p = &m->plans[i];
    *p = draw_plan(r, request_for(r, key, bytes), bytes);
    p->ticks = 0;
    p->sets = !one_in(r, 6);
    p->told = p->sets ? CT_OK : CT_MISS;
    m->fails[i] = one_in(r, 6);
    if (!m->fails[i]) continue;
    const uint64_t drawn = below(r, COUNT_OF(kFailures));
    m->failures[i] = kFailures[drawn].answer;
    p->told = (ct_status)kFailures[drawn].told;
  }
}

/* Follows the answer to a key. Returns the stamp of the value that came out, or 0. Until the call is over, the value is pinned for the key's copies. */
static uint64_t follow_one(run *r, plan *p, const service *s, uint64_t started, ct_status status,
                           ct_value *out) {
  uint64_t stamp = s->serves ? s->stamp : 0;
  r->key = p->q.key;
  if (s->renews) pin(r, s->stamp); /* it may be what comes out */
  if (s->loads) {
    stamp = follow_led_load(r, p, s, started, status, out);
  } else {
    check_equal(r, lease_status(s), status);
    if (out != NULL && s->serves) receive(r, out, s->stamp, NULL, s->size);
    if (out != NULL && !s->serves) check_nothing(r, out);
  }
  if (stamp != 0) pin(r, stamp);
  if (s->renews) unpin(r, s->stamp);
  return stamp;
}

void do_load_many(run *r) {
  static unsigned char keys[kBatch * kLargestKey];
  size_t ends[kBatch];
  ct_status statuses[kBatch];
  ct_value values[kBatch];
  uint64_t stamps[kBatch] = {0};
  int stages[kBatch];          /* in which a key gets its answer */
  bool held[kBatch] = {false}; /* what was there is pinned while the loader runs */
  r->operation = "ct_get_or_load_many";
  many m = {.run = r};
  draw_many(&m);
  ct_load_options options = CT_LOAD_OPTIONS_INIT;
  const bool forces = one_in(r, 8);
  if (forces) options.flags = CT_LOAD_FORCE;
  ct_value *const out = one_in(r, 4) ? NULL : values;
  for (size_t i = 0, end = 0; i < m.count; i++) {
    plan *p = &m.plans[i];
    const size_t size = key_size(r, p->q.key);
    if (size > 0) memcpy(keys + end, key_data(r, p->q.key), size);
    ends[i] = end += size;
    if (m.firsts[i] != i) continue;
    const service s = m.services[i] = find_service(r, p->q.key, forces);
    follow_service(r, p->q.key, &s);
    held[i] = out != NULL && s.serves && !s.loads;
    if (held[i]) pin(r, s.stamp);
    stages[i] = s.loads ? 1 : s.busy ? 2 : 0;
    m.asked += s.loads;
    p->renews = s.renews;
    p->stamp = s.stamp;
    p->keeps = s.renews && may_keep(r) && p->told == CT_OK && one_in(r, 3);
    if (s.loads && m.answer != CT_OK) p->told = m.answer;
    if (p->told != CT_OK) p->keeps = false;
    if (s.busy || one_in(r, 4)) options.timeout_ns = 1;
  }
  const uint64_t started = r->model.now;
  check_equal(r, CT_OK,
              ct_get_or_load_many(r->cache, keys, ends, m.count, on_load_many, &m, &options, out,
                                  statuses));
  if (r->complaint != NULL) return;
  /* The keys that were there, then those that the loader was asked for, and then those that others
   * are loading, or were. */
  for (int stage = 0; stage < 3; stage++) {
    for (size_t i = 0; i < m.count; i++) {
      plan *p = &m.plans[i];
      service *s = &m.services[i];
      if (m.firsts[i] != i || stages[i] != stage) continue;
      if (stage == 2) {
        *s = find_service(r, p->q.key, forces);
        follow_service(r, p->q.key, s);
      }
      stamps[i] = follow_one(r, p, s, stage == 2 ? r->model.now : started, statuses[i],
                             out == NULL ? NULL : &values[i]);
    }
  }
  for (size_t i = 0; i < m.count; i++) {
    const size_t first = m.firsts[i];
    if (first == i) {
      check_equal(r, m.services[i].loads ? 1 : 0, m.plans[i].calls);
      continue;
    }
    check_equal(r, statuses[first], statuses[i]);
    if (out != NULL && stamps[first] != 0)
      receive(r, &values[i], stamps[first], NULL, r->copies[stamps[first]].size);
    else if (out != NULL)
      check_nothing(r, &values[i]);
  }
  for (size_t i = 0; i < m.count; i++) {
    if (stamps[i] != 0) unpin(r, stamps[i]);
    if (held[i]) unpin(r, stamps[i]);
  }
  r->timer_reads = 0; /* loads are timed in any cache */
}
