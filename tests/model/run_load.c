/* SPDX-License-Identifier: MIT */
/* See run_state.h. Leases, loading and computing. */
#include "run_state.h"

/* What a loader or compute is to do. */
typedef struct plan {
  run *run;
  request q; /* what it hands back, if it does */
  bool sets;
  bool discards;
  bool invalidates; /* its own key, by a call that does nothing else */
  bool sets_both;   /* a lifetime and a deadline, of which the last counts */
  ct_status answer; /* the callback's */
  ct_status told;   /* what the call makes of it; CT_OK: it goes on to store */
  uint64_t ticks;   /* that the first call takes */
  int calls;
} plan;

static void draw_failure(plan *p) {
  static const struct {
    int32_t answer, told;
  } kFailures[] = {
      {CT_ERR_IO, CT_ERR_IO}, {CT_ERR_NOMEM, CT_ERR_NOMEM}, {-1000, -1000},
      {1000, 1000},           {CT_EXISTS, CT_ERR_CALLBACK}, {CT_OK, CT_ERR_CALLBACK},
  };
  const uint64_t drawn = below(p->run, COUNT_OF(kFailures));
  p->answer = (ct_status)kFailures[drawn].answer;
  p->told = (ct_status)kFailures[drawn].told;
  p->sets = p->answer != CT_OK && one_in(p->run, 2);
}

/* A plan to store a value; the caller may draw more. */
static plan draw_plan(run *r) {
  plan p = {.run = r, .q = new_request(r, buffer), .sets = true};
  if (one_in(r, 3)) draw_conditions(r, &p.q);
  p.q.flags &= ~(CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT);
  p.discards = one_in(r, 8);
  p.sets_both = one_in(r, 4);
  p.ticks = one_in(r, 4) ? below(r, 20) : 0;
  return p;
}

static ct_status follow_plan(plan *p, const void *key, size_t size, ct_result *result) {
  run *r = p->run;
  const request *q = &p->q;
  if (key == NULL || key_number(r, key, size) != q->key)
    complain(r, "a loader was asked for another key");
  if (p->calls++ == 0) {
    r->clock = model_sum(r->clock, p->ticks);
    follow_clock(r);
  }
  if (!p->sets) return p->answer;
  if ((q->flags & CT_ENTRY_TTL) != 0) {
    if (p->sets_both) ct_result_deadline(result, 1);
    ct_result_ttl(result, q->ttl);
  }
  if ((q->flags & CT_ENTRY_DEADLINE) != 0) {
    if (p->sets_both) ct_result_ttl(result, 77);
    ct_result_deadline(result, q->deadline);
  }
  if ((q->flags & CT_ENTRY_WEIGHT) != 0) ct_result_weight(result, q->weight);
  if (p->discards) ct_result_discard(result);
  if (ct_result_set(result, buffer, q->size) != CT_OK) complain(r, "a result was refused");
  return p->answer;
}

static bool match_none(void *user_data, const void *key, size_t key_length, const void *value,
                       size_t size) {
  (void)user_data, (void)key, (void)key_length, (void)value, (void)size;
  return false;
}

static ct_status on_load(void *user_data, const void *key, size_t size, ct_result *result) {
  plan *p = user_data;
  run *r = p->run;
  const ct_status answer = follow_plan(p, key, size, result);
  if (!p->invalidates) return answer;
  const int reads = r->timer_reads;
  if (p->q.stamp % 2 == 0)
    ct_remove_if(r->cache, match_none, NULL);
  else if (ct_set_lifetime(r->cache, key, size, 0) != CT_MISS)
    complain(r, "what is being loaded has a lifetime");
  overtake(r, p->q.stamp % 2 == 0 ? -1 : p->q.key);
  r->timer_reads = reads;
  return answer;
}

static ct_status on_compute(void *user_data, const void *key, size_t size, const ct_bytes *old,
                            ct_result *result) {
  plan *p = user_data;
  run *r = p->run;
  /* This key has its turn already, and nobody else here has the turn of another key. */
  if (ct_compute(r->cache, key, size, on_compute, p, NULL) != CT_ERR_RECURSION)
    complain(r, "a key was computed within its compute");
  const model_entry *entry = &r->model.entries[p->q.key];
  if (model_is_live(&r->model, p->q.key) != (old != NULL))
    complain(r, "compute was told wrongly whether there is a value");
  else if (old != NULL && (old->size != entry->size || old->data == NULL ||
                           !is_value(old->data, entry->stamp, entry->size)))
    complain(r, "compute was shown another value");
  return follow_plan(p, key, size, result);
}

static bool is_leased(const run *r, int key) {
  for (int i = 0; i < r->lease_count; i++)
    if (r->leases[i].key == key && !r->leases[i].overtaken) return true;
  return false;
}

static void count_load(run *r, uint64_t started) {
  r->model.stats.loads++;
  if (r->model.now > started) r->model.stats.load_ticks += r->model.now - started;
}

/* Like follow_store, for a call that does not distinguish too large from dead. */
static ct_status follow_load(run *r, const request *q, bool kept) {
  const ct_status status = follow_store(r, q, kept ? CT_OK : CT_ERR_TOO_LARGE);
  return status == CT_ERR_TOO_LARGE ? CT_NOT_STORED : status;
}

void do_get_or_load(run *r) {
  r->operation = "ct_get_or_load";
  plan p = draw_plan(r);
  if (one_in(r, 6)) {
    draw_failure(&p);
  } else if (one_in(r, 6)) {
    p.answer = p.told = one_in(r, 2) ? CT_MISS : CT_BUSY;
  }
  const int key = p.q.key;
  p.invalidates = p.q.stamp % 16 < 2; /* no choice of its own, so that others stay what they were */
  const uint64_t started = r->model.now;
  const bool found = model_is_live(&r->model, key);
  const bool busy = !found && is_leased(r, key);
  /* The call would wait for ever. */
  if (busy && (r->options.flags & CT_FLAG_SINGLE_THREADED) == 0) return;
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  const ct_status status =
      ct_get_or_load(r->cache, key_data(r, key), key_size(r, key), on_load, &p, out);
  check_equal(r, found || busy ? 0 : 1, p.calls);
  check(r, r->timer_reads <= 1 + p.calls);
  if (p.calls != 0) r->timer_reads = 0; /* loads are timed in any cache */
  if (busy) {
    check_equal(r, CT_BUSY, status);
    if (out != NULL) check_nothing(r, out);
    return;
  }
  if (follow_read(r, key) == CT_OK) {
    check_equal(r, CT_OK, status);
    if (out != NULL) receive_entry(r, out, key);
    return;
  }
  check_equal(r, p.told, status);
  if (p.told != CT_OK) {
    r->model.stats.load_failures++;
    if (out != NULL) check_nothing(r, out);
    return;
  }
  r->writes = true;
  count_load(r, started);
  if (!p.discards && !p.invalidates) {
    follow_load(r, &p.q, ct_contains(r->cache, key_data(r, key), key_size(r, key)));
    learn_weight(r, key);
  }
  if (out != NULL) receive(r, out, p.q.stamp, NULL, p.q.size);
}

void do_compute(run *r) {
  r->operation = "ct_compute";
  plan p = draw_plan(r);
  const uint64_t drawn = below(r, 8);
  if (drawn == 0) draw_failure(&p);
  if (drawn == 1) p.answer = p.told = CT_NOT_STORED;
  if (drawn == 2 || drawn == 3) p.answer = p.told = CT_MISS;
  const int key = p.q.key;
  model *m = &r->model;
  bool found = model_is_live(m, key);
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  const ct_status status =
      ct_compute(r->cache, key_data(r, key), key_size(r, key), on_compute, &p, out);
  /* The entry that was to be changed may have expired meanwhile. */
  const bool again = found && !model_is_live(m, key) && (p.told == CT_OK || p.told == CT_MISS);
  check_equal(r, again ? 2 : 1, p.calls);
  check(r, r->timer_reads <= 2 * p.calls);
  if (again) found = false;
  r->writes = again || p.told == CT_OK;
  if (p.told == CT_MISS) overtake(r, key);

  ct_status expected = p.told;
  if (p.told == CT_OK && p.discards) {
    expected = CT_NOT_STORED;
  } else if (p.told == CT_OK) {
    expected = follow_store(r, &p.q, status);
    learn_weight(r, key);
  } else if (p.told == CT_MISS && found) {
    leave(r, key, CT_CAUSE_REMOVED);
  }
  check_equal(r, expected, status);
  if (expected == CT_OK || expected == CT_MISS || expected == CT_NOT_STORED) {
    m->stats.hits += found;
    m->stats.misses += !found;
  }
  if (out == NULL) return;
  if (expected == CT_OK || (expected == CT_NOT_STORED && p.told == CT_OK))
    receive(r, out, p.q.stamp, NULL, p.q.size);
  else if (expected == CT_NOT_STORED && found)
    receive_entry(r, out, key);
  else
    check_nothing(r, out);
}

void end_lease(run *r, int at) {
  const open_lease l = r->leases[at];
  r->leases[at] = r->leases[--r->lease_count];
  r->key = l.key;
  if (one_in(r, 4)) {
    const bool fails = one_in(r, 2);
    r->operation = fails ? "ct_lease_fail" : "ct_lease_abandon";
    if (fails)
      ct_lease_fail(l.lease, CT_MISS);
    else
      ct_lease_abandon(l.lease);
    r->model.stats.load_failures++;
    return;
  }
  r->operation = "ct_lease_fulfil";
  request q = request_for(r, l.key, buffer);
  const bool plain = one_in(r, 2);
  if (!plain) draw_conditions(r, &q);
  /* Conditions are refused. */
  const uint32_t conditions = CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT;
  if (!one_in(r, 4)) q.flags &= ~conditions;
  const ct_entry_options options = entry_options(&q);
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  const ct_status status = ct_lease_fulfil(l.lease, buffer, q.size, plain ? NULL : &options, out);
  if ((q.flags & conditions) != 0) {
    check_equal(r, CT_ERR_INVALID, status);
    r->model.stats.load_failures++;
    if (out != NULL) check_nothing(r, out);
    return;
  }
  r->writes = true;
  count_load(r, l.started);
  const ct_status expected = l.overtaken ? CT_NOT_STORED : follow_load(r, &q, status == CT_OK);
  check_equal(r, expected, status);
  learn_weight(r, q.key);
  if (out != NULL) receive(r, out, q.stamp, NULL, q.size);
}

static void take_lease(run *r) {
  r->operation = "ct_get_or_lease";
  const int key = draw_key(r);
  const bool single = (r->options.flags & CT_FLAG_SINGLE_THREADED) != 0;
  const uint64_t wait = !one_in(r, 8) ? 0 : single ? UINT64_MAX : 1;
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  open_lease l = {.key = key, .started = r->model.now};
  const ct_status status =
      ct_get_or_lease(r->cache, key_data(r, key), key_size(r, key), wait, out, &l.lease);
  const bool busy = !model_is_live(&r->model, key) && is_leased(r, key);
  if (!busy && follow_read(r, key) == CT_OK) {
    check_equal(r, CT_OK, status);
    check(r, l.lease == NULL);
    if (out != NULL) receive_entry(r, out, key);
    return;
  }
  if (out != NULL) check_nothing(r, out);
  check_equal(r, busy ? CT_BUSY : CT_LEASED, status);
  check(r, busy == (l.lease == NULL));
  if (busy) return;
  ct_bytes bytes;
  ct_lease_key(l.lease, &bytes);
  check(r, bytes.data != NULL);
  check_equal(r, key, key_number(r, bytes.data, bytes.size));
  r->leases[r->lease_count++] = l;
  if (one_in(r, 4)) end_lease(r, r->lease_count - 1);
}

void do_lease(run *r) {
  if (r->lease_count == kLeases || (r->lease_count > 0 && one_in(r, 3)))
    end_lease(r, (int)below(r, (uint64_t)r->lease_count));
  else
    take_lease(r);
  check(r, r->timer_reads <= 2 || weighs_memory(r));
  r->timer_reads = 0; /* loads are timed in any cache */
}
