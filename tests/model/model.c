/* SPDX-License-Identifier: MIT */
/* See model.h. */
#include "model.h"

#include <string.h>

void model_init(model *m, ct_policy policy, uint64_t maxsize, uint64_t tti) {
  memset(m, 0, sizeof *m);
  m->policy = policy;
  m->maxsize = maxsize;
  m->tti = tti;
  queues_init(&m->queues, policy);
}

uint64_t model_sum(uint64_t a, uint64_t b) {
  return b > CT_NEVER - a ? CT_NEVER : a + b;
}

uint64_t model_deadline(const model *m, int key) {
  const model_entry *entry = &m->entries[key];
  return entry->age_deadline < entry->idle_deadline ? entry->age_deadline : entry->idle_deadline;
}

bool model_is_live(const model *m, int key) {
  return m->entries[key].present && model_deadline(m, key) > m->now;
}

int model_live_count(const model *m) {
  int live = 0;
  for (int i = 0; i < m->count; i++) live += model_is_live(m, m->order[i]);
  return live;
}

uint64_t model_leaves_at(const model *m, int key) {
  return model_sum(model_deadline(m, key), m->stale);
}

bool model_is_kept(const model *m, int key) {
  return m->entries[key].present && model_leaves_at(m, key) > m->now;
}

int model_kept_count(const model *m) {
  int kept = 0;
  for (int i = 0; i < m->count; i++) kept += model_is_kept(m, m->order[i]);
  return kept;
}

uint64_t model_kept_weight(const model *m) {
  uint64_t weight = 0;
  for (int i = 0; i < m->count; i++)
    if (model_is_kept(m, m->order[i])) weight += m->entries[m->order[i]].weight;
  return weight;
}

static void weigh(const model *m, queues *q) {
  for (int key = 0; key < MODEL_KEYS; key++) q->weights[key] = m->entries[key].weight;
}

int model_victim(const model *m) {
  if (queues_know(m->policy) && m->count > 0) {
    queues copy = m->queues;
    weigh(m, &copy);
    return queues_victim(&copy);
  }
  for (int i = 0; i < m->count; i++)
    if (model_is_kept(m, m->order[i])) return m->order[i];
  return -1;
}

int model_find_due(const model *m, uint64_t now) {
  for (int i = 0; i < m->count; i++)
    if (model_leaves_at(m, m->order[i]) <= now) return m->order[i];
  return -1;
}

static int position(const model *m, int key) {
  for (int i = 0; i < m->count; i++)
    if (m->order[i] == key) return i;
  return -1;
}

static void put(model *m, int key, int at) {
  memmove(&m->order[at + 1], &m->order[at], (size_t)(m->count - at) * sizeof m->order[0]);
  m->order[at] = key;
  m->count++;
}

static void take(model *m, int key) {
  int at = position(m, key);
  m->count--;
  if (m->policy == CT_POLICY_RR)
    m->order[at] = m->order[m->count];
  else
    memmove(&m->order[at], &m->order[at + 1], (size_t)(m->count - at) * sizeof m->order[0]);
}

/* Where a key belongs that was just inserted, used or moved. */
static int newest_position(const model *m, int key) {
  if (m->policy == CT_POLICY_MRU) return 0;
  int at = m->count;
  if (m->policy == CT_POLICY_LFU)
    while (at > 0 && m->entries[m->order[at - 1]].frequency > m->entries[key].frequency) at--;
  return at;
}

static void move(model *m, int key) {
  take(m, key);
  put(m, key, newest_position(m, key));
}

/* Updates the order of a policy with queues. */
static void list(model *m) {
  m->count = queues_list(&m->queues, m->order);
}

static void use(model *m, int key) {
  if (!queues_know(m->policy)) {
    move(m, key);
    return;
  }
  queues_use(&m->queues, key);
  list(m);
}

static void fill(model *m, int key, uint64_t stamp, size_t size, uint64_t weight,
                 uint64_t age_deadline) {
  model_entry *entry = &m->entries[key];
  entry->present = true;
  entry->stamp = stamp;
  entry->size = size;
  entry->weight = weight;
  entry->age_deadline = age_deadline;
  entry->retry_at = 0;
  entry->jitter = 0;
  entry->idle_deadline = m->tti == 0 ? CT_NEVER : model_sum(m->now, m->tti);
}

void model_make_room_for(model *m, int key) {
  m->queues.coming = key;
}

void model_insert(model *m, int key, uint64_t stamp, size_t size, uint64_t weight,
                  uint64_t age_deadline) {
  fill(m, key, stamp, size, weight, age_deadline);
  m->entries[key].frequency = m->policy == CT_POLICY_LFU ? 1 : 0;
  if (queues_know(m->policy)) {
    queues_insert(&m->queues, key);
    list(m);
  } else {
    put(m, key, newest_position(m, key));
  }
  m->stats.inserts++;
}

void model_update(model *m, int key, uint64_t stamp, size_t size, uint64_t weight,
                  uint64_t age_deadline) {
  fill(m, key, stamp, size, weight, age_deadline);
  if (m->policy == CT_POLICY_LFU) m->entries[key].frequency++;
  if (m->policy != CT_POLICY_ANY && m->policy != CT_POLICY_RR) use(m, key);
  m->stats.updates++;
}

void model_use(model *m, int key) {
  const uint64_t idle = model_sum(m->now, m->tti);
  if (m->tti != 0 && m->entries[key].idle_deadline < idle) m->entries[key].idle_deadline = idle;
  model_use_stale(m, key);
}

void model_use_stale(model *m, int key) {
  if (m->policy == CT_POLICY_LFU) m->entries[key].frequency++;
  if (m->policy != CT_POLICY_ANY && m->policy != CT_POLICY_RR && m->policy != CT_POLICY_FIFO)
    use(m, key);
}

static void end_entry(model *m, int key, ct_cause cause, bool by_policy) {
  model_entry *entry = &m->entries[key];
  if (!queues_know(m->policy)) {
    take(m, key);
  } else {
    /* With several shards, each has queues of its own, and only the cache knows which entry
     * goes. */
    if (by_policy && model_victim(m) == key) {
      weigh(m, &m->queues);
      queues_evict(&m->queues);
    } else
      queues_remove(&m->queues, key);
    list(m);
  }
  entry->present = false;
  if (cause == CT_CAUSE_EVICTED) {
    m->stats.evictions++;
    m->stats.evicted_weight += entry->weight;
  } else if (cause == CT_CAUSE_EXPIRED) {
    m->stats.expirations++;
  } else {
    m->stats.removals++;
  }
}

void model_leave(model *m, int key, ct_cause cause) {
  end_entry(m, key, cause, false);
}

void model_evict(model *m, int key, ct_cause cause) {
  end_entry(m, key, cause, true);
}

bool model_remembers(const model *m, int key) {
  const model_negative *negative = &m->negatives[key];
  if (negative->number == 0) return false;
  return negative->deadline == CT_NEVER || m->now < negative->deadline;
}

uint64_t model_negative_weight(const model *m) {
  uint64_t weight = 0;
  for (int key = 0; key < MODEL_KEYS; key++)
    if (model_remembers(m, key)) weight += m->negatives[key].weight;
  return weight;
}

void model_remember(model *m, int key, uint64_t deadline, uint64_t weight) {
  m->negatives[key] = (model_negative){++m->remembered, deadline, weight};
}

void model_forget_negative(model *m, int key) {
  for (int k = 0; k < MODEL_KEYS; k++)
    if (key < 0 || key == k) m->negatives[k].number = 0;
}

bool model_forget_oldest_negative(model *m) {
  int oldest = -1;
  for (int key = 0; key < MODEL_KEYS; key++) {
    if (!model_remembers(m, key)) continue;
    if (oldest < 0 || m->negatives[key].number < m->negatives[oldest].number) oldest = key;
  }
  if (oldest >= 0) model_forget_negative(m, oldest);
  return oldest >= 0;
}

void model_forget(model *m) {
  queues_init(&m->queues, m->policy);
}
