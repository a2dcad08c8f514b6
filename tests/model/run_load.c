/* SPDX-License-Identifier: MIT */
/* See run_state.h. Leases, loading and computing. */
#include "run_state.h"

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

plan draw_plan(run *r, request q, const unsigned char *bytes) {
  plan p = {.run = r, .q = q, .bytes = bytes, .sets = true};
  if (one_in(r, 3)) draw_conditions(r, &p.q);
  p.q.flags &= ~(CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT);
  give_tags(r, &p.q);
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
  if ((q->flags & CT_ENTRY_KEEP_TTL) != 0) ct_result_keep_ttl(result);
  for (int i = 0; i < kTags; i++)
    if ((q->tags >> i & 1) != 0) ct_result_tag(result, kTagNames[i].data, kTagNames[i].size);
  if (p->discards) ct_result_discard(result);
  if (ct_result_set(result, p->bytes, q->size) != CT_OK) complain(r, "a result was refused");
  return p->answer;
}

/* An entry that is due may still be there. Then it matters what takes it. */
static void settle_due(run *r) {
  const int reads = r->timer_reads;
  if (model_find_due(&r->model, r->model.now) >= 0) check_len(r);
  r->timer_reads = reads;
}

static bool match_none(void *user_data, const void *key, size_t key_length, const void *value,
                       size_t size) {
  (void)user_data, (void)key, (void)key_length, (void)value, (void)size;
  return false;
}

ct_status follow_plan_to_load(plan *p, const void *key, size_t size, ct_result *result) {
  run *r = p->run;
  const ct_status answer = follow_plan(p, key, size, result);
  ct_bytes old;
  if (ct_result_old(result, &old) != (p->renews ? CT_OK : CT_MISS))
    complain(r, "a loader was told wrongly whether it renews a value");
  else if (p->renews && (old.size != r->copies[p->stamp].size || old.data == NULL ||
                         !is_value(old.data, p->stamp, old.size)))
    complain(r, "a loader was shown another value");
  if (p->keeps) ct_result_not_modified(result);
  if (p->renews) settle_due(r);
  return answer;
}

void invalidate_all(run *r) {
  const int reads = r->timer_reads;
  ct_remove_if(r->cache, match_none, NULL);
  overtake(r, -1);
  r->timer_reads = reads;
}

static ct_status on_load(void *user_data, const void *key, size_t size, ct_result *result) {
  plan *p = user_data;
  run *r = p->run;
  const ct_status answer = follow_plan_to_load(p, key, size, result);
  if (!p->invalidates) return answer;
  if (p->q.stamp % 2 == 0) {
    invalidate_all(r);
    return answer;
  }
  const int reads = r->timer_reads;
  const int own = p->q.key;
  const ct_status found = p->renews && model_is_live(&r->model, own) ? CT_OK : CT_MISS;
  if (ct_set_lifetime(r->cache, key, size, 0) != found)
    complain(r, "what is being loaded has another lifetime");
  else if (p->renews && model_is_kept(&r->model, own))
    leave(r, own, CT_CAUSE_EXPIRED);
  overtake(r, own);
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

bool may_keep(const run *r) {
  return r->options.stale != 0 || r->options.refresh_ahead != 0;
}

service find_service(const run *r, int key, bool forces) {
  const model *m = &r->model;
  const ct_options *o = &r->options;
  const model_entry *entry = &m->entries[key];
  const bool kept = model_is_kept(m, key);
  const bool leased = is_leased(r, key);
  service s = {.stamp = entry->stamp, .size = entry->size};
  s.serves = kept && !forces;
  s.stale = s.serves && !model_is_live(m, key);
  const bool soon = s.stale || entry->age_deadline < model_sum(m->now, o->refresh_ahead);
  const bool wanted = !s.serves || (may_keep(r) && soon && m->now >= entry->retry_at);
  s.remembered = !s.serves && !forces && model_remembers(m, key);
  s.loads = wanted && !leased && !s.remembered;
  s.busy = !s.serves && !s.remembered && leased;
  s.renews = s.loads && kept;
  return s;
}

ct_status lease_status(const service *s) {
  if (s->serves) return s->loads ? CT_RENEW : s->stale ? CT_STALE : CT_OK;
  return s->remembered ? CT_MISS : s->busy ? CT_BUSY : CT_LEASED;
}

void follow_service(run *r, int key, const service *s) {
  ct_stats *stats = &r->model.stats;
  if (s->renews) pin(r, s->stamp);
  if (!s->serves) {
    if (!s->remembered) model_forget_negative(&r->model, key);
    stats->misses += s->loads || s->remembered;
    stats->negative_hits += s->remembered;
    return;
  }
  stats->hits++;
  stats->stale_served += s->stale;
  stats->renewals += s->renews;
  r->uses++;
  if (s->stale)
    model_use_stale(&r->model, key);
  else
    model_use(&r->model, key);
}

static bool has_old(const run *r, int key, uint64_t stamp) {
  return r->model.entries[key].present && r->model.entries[key].stamp == stamp;
}

/* A load of the key that is not overtaken has found nothing. */
static void remember(run *r, int key) {
  model *m = &r->model;
  const ct_options *o = &r->options;
  if (o->negative_ttl == 0) return;
  const uint64_t size = key_size(r, key) == 0 ? 1 : key_size(r, key);
  const bool by_key = o->weigher == NULL && o->weight_kind == CT_WEIGHT_VALUE;
  const uint64_t weight = by_key ? size : 1;
  if (weight > m->maxsize) return;
  while (model_negative_weight(m) != 0 && model_negative_weight(m) + weight > m->maxsize / 16)
    model_forget_oldest_negative(m);
  make_room(r, -1, weight);
  const uint64_t ttl = o->negative_ttl;
  model_remember(m, key, ttl == CT_NEVER ? CT_NEVER : model_sum(m->now, ttl), weight);
}

/* A load of the key that is not overtaken has failed, or has found nothing. */
static void follow_failure(run *r, int key, uint64_t stamp, ct_status failure, bool serves) {
  const ct_options *o = &r->options;
  if (failure == CT_MISS) {
    if (has_old(r, key, stamp)) leave(r, key, cause_for(r, key, CT_CAUSE_REMOVED));
    return;
  }
  r->model.stats.renewal_failures += serves;
  const uint64_t whole = o->ttl != 0 ? o->ttl : o->refresh_ahead;
  const uint64_t retry = o->retry != 0 ? o->retry : whole >= 20 ? whole / 10 : 1;
  if (has_old(r, key, stamp)) r->model.entries[key].retry_at = model_sum(r->model.now, retry);
}

/* The old value is as it should be. Returns what ct_lease_keep must answer. */
static ct_status follow_keep(run *r, request q, uint64_t stamp, bool overtaken) {
  model *m = &r->model;
  model_entry *entry = &m->entries[q.key];
  if (overtaken) return CT_NOT_STORED;
  q.stamp = stamp;
  q.size = r->copies[stamp].size;
  q.tags = r->copies[stamp].tags;
  if (!weighs_memory(r)) {
    q.flags |= CT_ENTRY_WEIGHT;
    q.weight = r->copies[stamp].weight;
  }
  const uint64_t deadline = age_deadline(r, &q);
  const uint64_t jitter = most_jitter(r, &q);
  if (!has_old(r, q.key, stamp)) {
    if (r->options.drop != NULL) {
      m->stats.rejections += deadline <= m->now;
      return CT_NOT_STORED;
    }
    r->copies[stamp].walked = false;
    const ct_status status =
        follow_load(r, &q, ct_contains(r->cache, key_data(r, q.key), key_size(r, q.key)));
    learn(r, q.key);
    return status;
  }
  if (deadline <= m->now) {
    leave(r, q.key, cause_for(r, q.key, CT_CAUSE_REMOVED));
    m->stats.rejections++;
    return CT_NOT_STORED;
  }
  entry->age_deadline = deadline;
  entry->jitter = jitter;
  entry->idle_deadline = m->tti == 0 ? CT_NEVER : model_sum(m->now, m->tti);
  entry->retry_at = 0;
  return CT_OK;
}

uint64_t follow_led_load(run *r, plan *p, const service *s, uint64_t started, ct_status status,
                         ct_value *out) {
  model *m = &r->model;
  const int key = p->q.key;
  const bool has_old_place = s->renews && has_old(r, key, s->stamp);
  /* Of the old value, even if it has been evicted meanwhile. */
  const bool lasts = model_leaves_at(m, key) > m->now;
  const bool live = model_deadline(m, key) > m->now;
  uint64_t stamp = p->keeps ? s->stamp : p->q.stamp;
  if (p->told != CT_OK) {
    r->writes = r->writes || p->told == CT_MISS || p->invalidates;
    m->stats.load_failures++;
    const bool own = p->told == CT_BUSY || p->told == CT_ERR_RECURSION; /* not shared */
    const bool counts = s->renews && !p->invalidates && !own;
    if (counts) follow_failure(r, key, s->stamp, p->told, s->serves);
    if (p->told == CT_MISS && !p->invalidates) remember(r, key);
    const bool serves = counts && s->serves && p->told != CT_MISS && lasts;
    check_equal(r, !serves ? p->told : live ? CT_OK : CT_STALE, status);
    stamp = serves ? s->stamp : 0;
  } else {
    check_equal(r, CT_OK, status);
    r->writes = true;
    count_load(r, started);
    if (p->keeps) {
      follow_keep(r, p->q, s->stamp, p->invalidates);
      learn(r, key);
    } else if (!p->discards && !p->invalidates) {
      p->q.renews = has_old_place;
      follow_load(r, &p->q, ct_contains(r->cache, key_data(r, key), key_size(r, key)));
      learn(r, key);
    } else if (!p->invalidates) {
      reclaim(r);
      if (s->renews && has_old(r, key, s->stamp))
        leave(r, key, cause_for(r, key, CT_CAUSE_REMOVED));
    }
  }
  if (out != NULL && stamp != 0) receive(r, out, stamp, NULL, r->copies[stamp].size);
  if (out != NULL && stamp == 0) check_nothing(r, out);
  if (s->renews) unpin(r, s->stamp);
  return stamp;
}

void do_get_or_load(run *r) {
  r->operation = "ct_get_or_load";
  plan p = draw_plan(r, new_request(r, buffer), buffer);
  if (one_in(r, 6)) {
    draw_failure(&p);
  } else if (one_in(r, 6)) {
    p.answer = p.told = one_in(r, 2) ? CT_MISS : CT_BUSY;
  }
  const int key = p.q.key;
  /* No choices of their own, so that others stay what they were. */
  p.invalidates = p.q.stamp % 16 < 2;
  ct_load_options options = CT_LOAD_OPTIONS_INIT;
  options.flags = p.q.stamp % 16 == 2 ? CT_LOAD_FORCE : 0;
  if (p.q.stamp % 7 == 0) options.timeout_ns = 1;
  const service s = find_service(r, key, options.flags != 0);
  p.renews = s.renews;
  p.stamp = s.stamp;
  p.keeps = p.told == CT_OK && may_keep(r) && p.q.stamp % 3 == 0;
  if (p.keeps && !s.renews) p.told = CT_ERR_CALLBACK;
  if (p.told == CT_OK && p.q.stamp % 31 == 0) {
    p.q.flags |= CT_ENTRY_KEEP_TTL;
    p.told = CT_ERR_CALLBACK;
  }
  const uint64_t started = r->model.now;
  /* The call would wait for ever. */
  if (s.busy && options.timeout_ns == 0 && (r->options.flags & CT_FLAG_SINGLE_THREADED) == 0)
    return;
  follow_service(r, key, &s);
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  const ct_status status =
      ct_get_or_load_with(r->cache, key_data(r, key), key_size(r, key), on_load, &p, &options, out);
  check_equal(r, s.loads ? 1 : 0, p.calls);
  const int more = (s.renews ? 1 : 0) + (r->options.negative_ttl != 0 ? 1 : 0);
  check(r, r->timer_reads <= 1 + p.calls + more || reads_freely(r));
  if (p.calls != 0) r->timer_reads = 0; /* loads are timed in any cache */
  if (s.busy) {
    check_equal(r, CT_BUSY, status);
    if (out != NULL) check_nothing(r, out);
    return;
  }
  if (s.remembered) {
    check_equal(r, CT_MISS, status);
    if (out != NULL) check_nothing(r, out);
    return;
  }
  if (!s.loads) {
    check_equal(r, s.stale ? CT_STALE : CT_OK, status);
    if (out != NULL) receive_entry(r, out, key);
    return;
  }
  follow_led_load(r, &p, &s, started, status, out);
}

void do_compute(run *r) {
  r->operation = "ct_compute";
  plan p = draw_plan(r, new_request(r, buffer), buffer);
  const uint64_t drawn = below(r, 8);
  if (drawn == 0) draw_failure(&p);
  if (drawn == 1) p.answer = p.told = CT_NOT_STORED;
  if (drawn == 2 || drawn == 3) p.answer = p.told = CT_MISS;
  if (p.q.stamp % 3 == 0) p.q.flags |= CT_ENTRY_KEEP_TTL; /* again no choice of its own */
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
  check(r, r->timer_reads <= 2 * p.calls || reads_freely(r));
  if (again) found = false;
  r->writes = again || p.told == CT_OK;
  if (p.told == CT_MISS) overtake(r, key);
  r->writes = r->writes || p.told == CT_MISS;

  ct_status expected = p.told;
  if (p.told == CT_OK && p.discards) {
    expected = CT_NOT_STORED;
  } else if (p.told == CT_OK) {
    expected = follow_store(r, &p.q, status);
    learn(r, key);
  } else if (p.told == CT_MISS && found) {
    leave(r, key, CT_CAUSE_REMOVED);
  } else if (p.told == CT_MISS && model_is_kept(m, key)) {
    leave(r, key, CT_CAUSE_EXPIRED);
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

/* Whether the old value was invalidated since the lease was taken. */
static bool is_invalidated(const run *r, const open_lease *l) {
  return (r->copies[l->stamp].tags & l->outdated) != 0;
}

static void end_lease_by(run *r, const open_lease *l) {
  const bool keeps = l->renews && may_keep(r) && one_in(r, 4);
  if (!keeps && one_in(r, 4)) {
    static const int32_t kFailures[] = {CT_MISS, CT_MISS, CT_ERR_IO, 1000, CT_BUSY};
    const bool fails = one_in(r, 2);
    r->operation = fails ? "ct_lease_fail" : "ct_lease_abandon";
    r->model.stats.load_failures++;
    if (!fails) {
      ct_lease_abandon(l->lease);
      follow_giving_up(r, l);
      return;
    }
    const ct_status failure = (ct_status)kFailures[r->stamps % COUNT_OF(kFailures)];
    ct_lease_fail(l->lease, failure);
    if (l->renews && !l->overtaken && !is_invalidated(r, l))
      follow_failure(r, l->key, l->stamp, failure, !l->forced);
    if (failure == CT_MISS && !l->overtaken) remember(r, l->key);
    follow_answer(r, l->lease, failure == CT_BUSY ? CT_ERR_INVALID : failure, 0);
    r->writes = r->writes || failure == CT_MISS;
    return;
  }
  r->operation = keeps ? "ct_lease_keep" : "ct_lease_fulfil";
  request q = request_for(r, l->key, buffer);
  const bool plain = one_in(r, 2);
  if (!plain) draw_conditions(r, &q);
  /* Conditions are refused. */
  const uint32_t conditions = CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT;
  if (!one_in(r, 4)) q.flags &= ~conditions;
  if (!plain && !keeps) give_tags(r, &q);
  const ct_entry_options options = entry_options(&q);
  ct_value value;
  ct_value *out = keeps || one_in(r, 4) ? NULL : &value;
  const ct_status status =
      keeps ? ct_lease_keep(l->lease, plain ? NULL : &options)
            : ct_lease_fulfil(l->lease, buffer, q.size, plain ? NULL : &options, out);
  if ((q.flags & conditions) != 0) {
    check_equal(r, CT_ERR_INVALID, status);
    r->model.stats.load_failures++;
    if (out != NULL) check_nothing(r, out);
    follow_giving_up(r, l);
    return;
  }
  r->writes = true;
  count_load(r, l->started);
  /* Who waits may have come after a tag of the value was invalidated. */
  const bool outdated = keeps ? is_invalidated(r, l) : (q.tags & l->outdated) != 0;
  if (!outdated) follow_answer(r, l->lease, CT_OK, keeps ? l->stamp : q.stamp);
  ct_status expected = CT_NOT_STORED;
  if (keeps) {
    expected = follow_keep(r, q, l->stamp, l->overtaken || is_invalidated(r, l));
  } else if (!l->overtaken && (q.tags & l->outdated) == 0) {
    q.renews = l->renews && has_old(r, l->key, l->stamp);
    expected = follow_load(r, &q, status == CT_OK);
  }
  check_equal(r, expected, status);
  learn(r, q.key);
  if (out != NULL) receive(r, out, q.stamp, NULL, q.size);
  if (!outdated) return;
  open_lease ended = *l;
  ended.overtaken = true;
  follow_giving_up(r, &ended);
}

void end_lease(run *r, int at) {
  const open_lease l = r->leases[at];
  r->leases[at] = r->leases[--r->lease_count];
  r->key = l.key;
  if (l.renews) settle_due(r);
  end_lease_by(r, &l);
  if (l.renews) unpin(r, l.stamp);
}

static void take_lease(run *r) {
  r->operation = "ct_get_or_lease";
  const int key = draw_key(r);
  const bool single = (r->options.flags & CT_FLAG_SINGLE_THREADED) != 0;
  const uint64_t wait = !one_in(r, 8) ? 0 : single ? UINT64_MAX : 1;
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  const service s = find_service(r, key, false);
  follow_service(r, key, &s);
  open_lease l = {.key = key, .started = r->model.now, .renews = s.renews, .stamp = s.stamp};
  const ct_status status =
      ct_get_or_lease(r->cache, key_data(r, key), key_size(r, key), wait, out, &l.lease);
  check_equal(r, lease_status(&s), status);
  if (out != NULL && s.serves) receive_entry(r, out, key);
  if (out != NULL && !s.serves) check_nothing(r, out);
  check(r, s.loads == (l.lease != NULL));
  if (!s.loads) return;
  ct_bytes bytes;
  ct_lease_key(l.lease, &bytes);
  check(r, bytes.data != NULL);
  check_equal(r, key, key_number(r, bytes.data, bytes.size));
  r->leases[r->lease_count++] = l;
  if (one_in(r, 4)) end_lease(r, r->lease_count - 1);
}

void do_lease(run *r) {
  if (r->lease_count >= kLeases || (r->lease_count > 0 && one_in(r, 3)))
    end_lease(r, (int)below(r, (uint64_t)r->lease_count));
  else
    take_lease(r);
  /* Those who wait may get the lease, or start anew. */
  check(r, r->timer_reads <= 3 + 2 * kWaits || reads_freely(r));
  r->timer_reads = 0; /* loads are timed in any cache */
}
