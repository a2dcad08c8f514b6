/* SPDX-License-Identifier: MIT */
/* See run_state.h. Operations that store. */
#include "run_state.h"

void overtake(run *r, int key) {
  for (int i = 0; i < r->lease_count; i++)
    if (key < 0 || r->leases[i].key == key) r->leases[i].overtaken = true;
  for (int i = 0; i < kWaits; i++)
    if (key < 0 || r->waits[i].key == key) r->waits[i].overtaken = true;
  model_forget_negative(&r->model, key);
}

uint64_t age_deadline(const run *r, const request *q) {
  const uint64_t now = r->model.now;
  if ((q->flags & CT_ENTRY_KEEP_TTL) != 0 && model_is_live(&r->model, q->key))
    return r->model.entries[q->key].age_deadline;
  if ((q->flags & CT_ENTRY_TTL) != 0) return model_sum(now, q->ttl);
  if ((q->flags & CT_ENTRY_DEADLINE) != 0) return q->deadline;
  if (r->options.ttu != NULL) return deadline_of(prefix_of(q->stamp, q->size), q->size, now);
  return r->options.ttl != 0 ? model_sum(now, r->options.ttl) : CT_NEVER;
}

uint64_t most_jitter(const run *r, const request *q) {
  const bool keeps = (q->flags & CT_ENTRY_KEEP_TTL) != 0 && model_is_live(&r->model, q->key);
  const bool given = (q->flags & (CT_ENTRY_TTL | CT_ENTRY_DEADLINE)) != 0;
  return keeps || given || r->options.ttu != NULL ? 0 : r->options.jitter;
}

static uint64_t request_weight(const run *r, const request *q) {
  if ((q->flags & CT_ENTRY_WEIGHT) != 0) return q->weight;
  if (r->options.weigher != NULL) return weight_of(r, prefix_of(q->stamp, q->size), q->size);
  if (r->options.weight_kind == CT_WEIGHT_VALUE) return q->size;
  return r->options.weight_kind == CT_WEIGHT_COUNT ? 1 : 0;
}

uint64_t most_memory(uint64_t bytes) {
  enum { kApartBytes = 16 * 1024, kGrain = 1024 };
  return bytes + bytes / 25 + 256 + (bytes > kApartBytes ? kGrain : 0);
}

static bool is_too_large(const run *r, const request *q, uint64_t weight, ct_status answer) {
  if (!weighs_memory(r)) return weight > r->model.maxsize;
  const uint64_t bytes = key_size(r, q->key) + q->size;
  if (answer == CT_ERR_TOO_LARGE)
    check(r, most_memory(bytes) > r->model.maxsize);
  else
    check(r, bytes <= r->model.maxsize);
  return answer == CT_ERR_TOO_LARGE;
}

ct_status follow_store(run *r, const request *q, ct_status answer) {
  model *m = &r->model;
  r->conditions = q->flags;
  r->answer = answer;
  reclaim(r);
  if (model_is_kept(m, q->key) && !model_is_live(m, q->key) && !q->renews)
    leave(r, q->key, CT_CAUSE_EXPIRED);
  const bool live = model_is_live(m, q->key) || (q->renews && model_is_kept(m, q->key));
  if (live && (q->flags & CT_ENTRY_IF_ABSENT) != 0) return CT_EXISTS;
  const bool compares = (q->flags & CT_ENTRY_IF_SAME) != 0;
  if (live && compares && !has_value(r, q->key, q->seen)) return CT_EXISTS;
  overtake(r, q->key); /* even if it is refused */
  if (!live && (q->flags & CT_ENTRY_IF_PRESENT) != 0) return CT_MISS;
  if (!live && compares && q->seen->value.pin != 0) return CT_MISS;
  const uint64_t deadline = age_deadline(r, q);
  const uint64_t jitter = most_jitter(r, q);
  if (deadline <= m->now) {
    if (live) leave(r, q->key, cause_for(r, q->key, CT_CAUSE_REMOVED));
    m->stats.rejections++;
    return CT_NOT_STORED;
  }
  const uint64_t weight = request_weight(r, q);
  if (is_too_large(r, q, weight, answer)) {
    if (live && q->renews) leave(r, q->key, cause_for(r, q->key, CT_CAUSE_REMOVED));
    m->stats.rejections++;
    return CT_ERR_TOO_LARGE;
  }
  make_room(r, q->key, weight);
  reclaim(r);
  if (m->entries[q->key].present && !model_is_kept(m, q->key)) {
    check(r, !listens(r)); /* a listener would have been told */
    leave(r, q->key, CT_CAUSE_EXPIRED);
  }
  if (m->entries[q->key].present) {
    const bool expired = !model_is_live(m, q->key);
    replace(r, q->key, cause_for(r, q->key, CT_CAUSE_REPLACED));
    model_update(m, q->key, q->stamp, q->size, weight, deadline);
    if (expired) {
      m->stats.updates--;
      m->stats.inserts++;
      m->stats.expirations++;
    }
  } else {
    model_insert(m, q->key, q->stamp, q->size, weight, deadline);
  }
  m->entries[q->key].jitter = jitter;
  m->entries[q->key].tags = r->copies[q->stamp].tags = q->tags;
  r->copies[q->stamp].weight = weight;
  r->copies[q->stamp].stored = r->copies[q->stamp].cached = true;
  r->copies[q->stamp].stores++;
  reclaim(r);
  follow_stored(r, q->key, q->stamp);
  return CT_OK;
}

/* Neither that of use nor a saturated sum lies before it (run_setup.c). */
static void learn_deadline(run *r, int key) {
  model_entry *entry = &r->model.entries[key];
  const int reads = r->timer_reads;
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  const ct_status status = ct_inspect(r->cache, key_data(r, key), key_size(r, key), &info);
  r->timer_reads = reads;
  if (status != CT_OK) return; /* what is to be followed yet has removed it */
  check(r, info.deadline <= entry->age_deadline);
  check(r, info.deadline >= model_sum(r->model.now, r->options.ttl - entry->jitter));
  entry->age_deadline = info.deadline;
  entry->jitter = 0;
}

void learn(run *r, int key) {
  if (!model_is_live(&r->model, key)) return;
  model_entry *entry = &r->model.entries[key];
  if (weighs_memory(r)) entry->weight = inspected_weight(r, key);
  if (entry->jitter != 0) learn_deadline(r, key);
}

static bool takes_weights(const run *r) {
  return r->options.weight_kind != CT_WEIGHT_MEMORY;
}

void draw_conditions(run *r, request *q) {
  static const uint64_t kTerms[] = {0, 1, 2, 5, 20, 100, 1000, CT_NEVER - 1, CT_NEVER};
  const model *m = &r->model;
  if (!r->setup.timeless && one_in(r, 4)) {
    q->flags |= CT_ENTRY_TTL;
    q->ttl = kTerms[below(r, 9)];
  } else if (!r->setup.timeless && one_in(r, 4)) {
    q->flags |= CT_ENTRY_DEADLINE;
    q->deadline = one_in(r, 8) ? below(r, m->now + 1) : model_sum(m->now, kTerms[below(r, 9)]);
  }
  if (takes_weights(r) && one_in(r, 4)) {
    q->flags |= CT_ENTRY_WEIGHT;
    q->weight = r->weights[below(r, 8)];
    if (one_in(r, 3)) q->weight = one_in(r, 3) ? m->maxsize : below(r, m->maxsize / 2 + 1);
    if (one_in(r, 20)) q->weight = m->maxsize + (m->maxsize != UINT64_MAX);
  }
  if (one_in(r, 5))
    q->flags |= CT_ENTRY_IF_ABSENT;
  else if (one_in(r, 5))
    q->flags |= CT_ENTRY_IF_PRESENT;
}

const ct_bytes kTagNames[kTags] = {{"red", 3}, {NULL, 0}, {"a\0b", 3}};

void give_tags(const run *r, request *q) {
  if (r->setup.loads && q->stamp % 3 == 0) q->tags = (unsigned)(q->stamp / 3 % (1 << kTags));
}

ct_entry_options entry_options(const request *q) {
  static ct_bytes tags[2 * kTags];
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  options.flags = q->flags;
  if ((q->flags & CT_ENTRY_TTL) != 0) options.ttl = q->ttl;
  if ((q->flags & CT_ENTRY_DEADLINE) != 0) options.deadline = q->deadline;
  if ((q->flags & CT_ENTRY_WEIGHT) != 0) options.weight = q->weight;
  if ((q->flags & CT_ENTRY_IF_SAME) != 0) options.same = &q->seen->value;
  if (q->tags == 0) return options;
  options.flags |= CT_ENTRY_TAGS;
  options.tags = tags;
  /* Each twice. */
  for (int i = 0; i < 2 * kTags; i++)
    if ((q->tags >> i % kTags & 1) != 0) tags[options.tag_count++] = kTagNames[i % kTags];
  return options;
}

request request_for(run *r, int key, unsigned char *buffer) {
  request q = {.key = key, .size = draw_size(r)};
  q.stamp = new_stamp(r, q.size);
  fill_value(buffer, q.stamp, q.size);
  r->key = q.key;
  return q;
}

request new_request(run *r, unsigned char *buffer) {
  return request_for(r, (int)below(r, (uint64_t)r->setup.keys), buffer);
}

unsigned char buffer[kBatch * (kLargestKey + kLargestValue)];

void do_set(run *r) {
  request q = new_request(r, buffer);
  const void *key = key_data(r, q.key);
  const size_t size = key_size(r, q.key);
  const void *value = q.size == 0 && one_in(r, 2) ? NULL : buffer;
  const bool needs_all = r->stores_next && takes_weights(r) && one_in(r, 2);
  r->stores_next = false;
  ct_status status;
  if (needs_all || one_in(r, 3)) {
    if (needs_all) {
      q.flags = CT_ENTRY_WEIGHT;
      q.weight = r->model.maxsize;
    } else {
      draw_conditions(r, &q);
    }
    give_tags(r, &q);
    const ct_entry_options options = entry_options(&q);
    r->operation = "ct_set_with";
    status = ct_set_with(r->cache, key, size, value, q.size, &options);
  } else if (!r->setup.timeless && one_in(r, 4)) {
    q.flags = CT_ENTRY_TTL;
    q.ttl = one_in(r, 10) ? CT_NEVER : below(r, 40);
    r->operation = "ct_set_ttl";
    status = ct_set_ttl(r->cache, key, size, value, q.size, q.ttl);
  } else {
    r->operation = "ct_set";
    status = ct_set(r->cache, key, size, value, q.size);
  }
  check_equal(r, follow_store(r, &q, status), status);
  learn(r, q.key);
}

void do_setdefault(run *r) {
  r->operation = "ct_setdefault";
  const request q = new_request(r, buffer);
  ct_value value;
  ct_value *out = one_in(r, 4) ? NULL : &value;
  const ct_status status =
      ct_setdefault(r->cache, key_data(r, q.key), key_size(r, q.key), buffer, q.size, out);
  reclaim(r);
  ct_status expected = CT_OK;
  const bool found = model_is_live(&r->model, q.key);
  if (found) {
    r->model.stats.hits++;
    r->uses++;
    model_use(&r->model, q.key);
  } else {
    r->model.stats.misses++;
    expected = follow_store(r, &q, status);
  }
  check_equal(r, expected, status);
  if (!found) learn(r, q.key);
  if (out == NULL) return;
  if (found)
    receive_entry(r, out, q.key);
  else if (status == CT_OK || status == CT_NOT_STORED)
    receive(r, out, q.stamp, NULL, q.size);
  else
    check_nothing(r, out);
}

/* Stores on condition that the value is still one that was seen, or for the old value's lifetime,
 * or both. */
void do_set_seen(run *r) {
  r->operation = "ct_set_with(IF_SAME or KEEP_TTL)";
  int key;
  const held_value *seen = draw_seen(r, &key);
  request q = request_for(r, key, buffer);
  if (one_in(r, 2)) draw_conditions(r, &q);
  const uint32_t conditions = CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT;
  if (!one_in(r, 3)) {
    q.flags = (q.flags & ~conditions) | CT_ENTRY_IF_SAME;
    q.seen = seen;
  }
  if (q.seen == NULL || one_in(r, 2)) q.flags |= CT_ENTRY_KEEP_TTL;
  const ct_entry_options options = entry_options(&q);
  const ct_status status =
      ct_set_with(r->cache, key_data(r, key), key_size(r, key), buffer, q.size, &options);
  check_equal(r, follow_store(r, &q, status), status);
  learn(r, key);
}

/* A value of 8 bytes is its stamp, so that what is added leads to the next one. */
void do_add(run *r) {
  r->operation = "ct_add";
  model *m = &r->model;
  int key = draw_key(r);
  /* Mostly a key that is absent or counts. */
  for (int i = 0; i < 8 && model_is_live(m, key) && m->entries[key].size != 8; i++)
    key = draw_key(r);
  r->key = key;
  request q = {.key = key, .size = 8, .stamp = new_stamp(r, 8)};
  if (one_in(r, 2)) draw_conditions(r, &q);
  q.flags &= ~CT_ENTRY_IF_ABSENT;
  give_tags(r, &q);
  const ct_entry_options options = entry_options(&q);
  const bool found = model_is_live(m, key);
  const bool counts = !found || m->entries[key].size == 8;
  int64_t initial = (int64_t)choice(&r->source);
  uint64_t delta = choice(&r->source) >> 1;
  if (found && counts) delta = q.stamp - m->entries[key].stamp;
  if (!found) initial = (int64_t)(q.stamp - delta);
  int64_t sum = 77;
  int64_t *out = one_in(r, 4) ? NULL : &sum;
  const ct_status status = ct_add(r->cache, key_data(r, key), key_size(r, key), (int64_t)delta,
                                  initial, options.flags == 0 ? NULL : &options, out);
  ct_status expected = CT_ERR_UNSUPPORTED;
  if (!counts) {
    reclaim(r);
  } else {
    if (found) q.flags |= CT_ENTRY_KEEP_TTL;
    if (found) q.tags = m->entries[key].tags;
    if (found && !weighs_memory(r)) {
      q.flags |= CT_ENTRY_WEIGHT;
      q.weight = m->entries[key].weight;
    }
    expected = follow_store(r, &q, status);
    if (expected >= 0) {
      m->stats.hits += found;
      m->stats.misses += !found;
    }
    learn(r, key);
  }
  check_equal(r, expected, status);
  const bool tells = expected == CT_OK || expected == CT_NOT_STORED;
  if (out != NULL) check_equal(r, tells ? q.stamp : 0, sum);
}

/* Without the weights, it is unknown which store had this victim. RR's numbers depend on the
 * insertions between which an entry expired, and so does SIEVE's hand: from the newest entry it goes
 * on to the one that comes next, or begins anew. */
bool stores_are_unclear(const run *r) {
  const ct_policy policy = r->model.policy;
  const bool counts_insertions = policy == CT_POLICY_RR || policy == CT_POLICY_SIEVE;
  return weighs_memory(r) || (counts_insertions && !r->setup.timeless);
}

void do_set_many(run *r) {
  r->operation = "ct_set_many";
  const size_t count = below(r, stores_are_unclear(r) ? 2 : kBatch + 1);
  request requests[kBatch];
  size_t ends[2 * kBatch];
  ct_status statuses[kBatch];
  size_t end = 0;
  for (size_t i = 0; i < count; i++) {
    /* The value goes behind the key. */
    requests[i] = (request){.key = (int)below(r, (uint64_t)r->setup.keys), .size = draw_size(r)};
    request *q = &requests[i];
    q->stamp = new_stamp(r, q->size);
    if (q->key != 0) memcpy(buffer + end, key_data(r, q->key), key_size(r, q->key));
    end = ends[2 * i] = end + key_size(r, q->key);
    fill_value(buffer + end, q->stamp, q->size);
    end = ends[2 * i + 1] = end + q->size;
  }
  request shared = {0};
  const bool plain = one_in(r, 2);
  if (!plain) draw_conditions(r, &shared);
  shared.stamp = r->stamps;
  if (!plain) give_tags(r, &shared);
  const ct_entry_options options = entry_options(&shared);
  ct_status *told = one_in(r, 4) && !weighs_memory(r) ? NULL : statuses;
  const ct_status status =
      ct_set_many(r->cache, buffer, ends, count, plain ? NULL : &options, told);

  ct_status expected = CT_OK;
  for (size_t i = 0; i < count; i++) {
    request q = requests[i];
    r->key = q.key;
    q.flags = shared.flags;
    q.ttl = shared.ttl;
    q.deadline = shared.deadline;
    q.weight = shared.weight;
    q.tags = shared.tags;
    const ct_status one = follow_store(r, &q, told == NULL ? CT_OK : statuses[i]);
    if (told != NULL) check_equal(r, one, statuses[i]);
    if (one < 0 && expected == CT_OK) expected = one;
  }
  check_equal(r, expected, status);
  for (size_t i = 0; i < count; i++) learn(r, requests[i].key);
}

void do_invalid(run *r) {
  r->operation = "an invalid call";
  const request q = new_request(r, buffer);
  const void *key = key_data(r, q.key);
  const size_t size = key_size(r, q.key);
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  const uint32_t kFlags[] = {CT_ENTRY_TTL | CT_ENTRY_DEADLINE,
                             CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT, CT_ENTRY_IF_SAME,
                             0x80000000};
  options.flags = kFlags[below(r, 4)];
  if ((options.flags & CT_ENTRY_TTL) != 0) options.ttl = options.deadline = CT_NEVER;
  check_equal(r, CT_ERR_INVALID, ct_set_with(r->cache, key, size, buffer, q.size, &options));
  /* A field whose flag was forgotten. */
  options = (ct_entry_options)CT_ENTRY_OPTIONS_INIT;
  uint64_t *const kFields[] = {&options.ttl, &options.deadline, &options.weight};
  *kFields[below(r, 3)] = 1 + below(r, CT_NEVER);
  check_equal(r, CT_ERR_INVALID, ct_set_with(r->cache, key, size, buffer, q.size, &options));
  ct_value value;
  memset(&value, 0xee, sizeof value);
  check_equal(r, CT_ERR_INVALID, ct_get(r->cache, NULL, 1, &value));
  check_nothing(r, &value);
  memset(&value, 0xee, sizeof value);
  check_equal(r, CT_ERR_INVALID, ct_setdefault(r->cache, "k", 1, NULL, 3, &value));
  check_nothing(r, &value);
  if (weighs_memory(r)) {
    options = (ct_entry_options)CT_ENTRY_OPTIONS_INIT;
    options.flags = CT_ENTRY_WEIGHT;
    check_equal(r, CT_ERR_INVALID, ct_set_with(r->cache, key, size, buffer, q.size, &options));
  }
}
