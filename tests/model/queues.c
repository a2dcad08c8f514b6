/* SPDX-License-Identifier: MIT */
/* See queues.h. */
#include "queues.h"

#include <string.h>

enum { kT1, kT2, kB1, kB2 };
enum { kSmall, kMain, kGhosts };

static int find(const queue *it, int key) {
  for (int i = 0; i < it->count; i++)
    if (it->keys[i] == key) return i;
  return -1;
}

static void append(queue *it, int key) {
  it->keys[it->count++] = key;
}

static void take_at(queue *it, int at) {
  it->count--;
  memmove(&it->keys[at], &it->keys[at + 1], (size_t)(it->count - at) * sizeof it->keys[0]);
}

static bool take(queue *it, int key) {
  const int at = find(it, key);
  if (at >= 0) take_at(it, at);
  return at >= 0;
}

static int take_oldest(queue *it) {
  const int key = it->keys[0];
  take_at(it, 0);
  return key;
}

static void append_ghost(queues *q, int to, int key) {
  queue *ghosts = &q->queue[to];
  append(ghosts, key);
  q->came_before[key] = q->came[to]++;
  while (q->came[to] - q->came_before[ghosts->keys[0]] > QUEUES_GHOSTS_LAST) take_oldest(ghosts);
}

/* ---- CLOCK ---------------------------------------------------------------------------------- */

/* A key that is spared is the last that the hand comes to again. */
static int evict_clock(queues *q, queue *ring) {
  for (;;) {
    const int key = take_oldest(ring);
    if (q->uses[key] == 0) return key;
    q->uses[key]--;
    append(ring, key);
  }
}

/* ---- SIEVE ---------------------------------------------------------------------------------- */

static void move_hand(queues *q) {
  const int next = find(&q->queue[0], q->hand) + 1;
  q->hand = next < q->queue[0].count ? q->queue[0].keys[next] : -1;
}

static int evict_sieve(queues *q) {
  for (;;) {
    if (q->hand < 0) q->hand = q->queue[0].keys[0];
    const int key = q->hand;
    move_hand(q);
    if (q->uses[key] == 0) {
      take(&q->queue[0], key);
      return key;
    }
    q->uses[key]--;
  }
}

/* ---- S3FIFO --------------------------------------------------------------------------------- */

static uint64_t weight_of(const queues *q, const queue *it) {
  uint64_t weight = 0;
  for (int i = 0; i < it->count; i++) weight += q->weights[it->keys[i]];
  return weight;
}

/* The victim is from the small queue if that weighs its share, which is a tenth but at least 2. */
static int evict_s3fifo(queues *q) {
  queue *small = &q->queue[kSmall], *main = &q->queue[kMain], *ghosts = &q->queue[kGhosts];
  const uint64_t all = weight_of(q, small) + weight_of(q, main);
  const uint64_t share = all / 10 < 2 ? 2 : all / 10;
  if (main->count == 0 || weight_of(q, small) >= share) {
    while (small->count > 0) {
      const int key = take_oldest(small);
      if (q->uses[key] >= 2) {
        q->uses[key] = 0;
        append(main, key);
        continue;
      }
      if (q->coming < 0) return key;
      const int left = small->count + main->count;
      const int room = left * 9 / 10 < 1 ? 1 : left * 9 / 10;
      while (ghosts->count >= room) take_oldest(ghosts);
      append_ghost(q, kGhosts, key);
      return key;
    }
  }
  return evict_clock(q, main);
}

/* ---- ARC ------------------------------------------------------------------------------------ */

static double at_least_1(double ratio) {
  return ratio < 1 ? 1 : ratio;
}

/* A ghost that is about to come back is no longer a ghost. */
static void adapt_arc(queues *q, int key) {
  const double b1 = q->queue[kB1].count, b2 = q->queue[kB2].count;
  if (q->adapted_to == key && q->returns != 0) return;
  q->adapted_to = key;
  q->returns = 0;
  if (take(&q->queue[kB1], key)) {
    q->returns = kB1;
    q->target += at_least_1(b2 / b1);
    if (q->target > q->full) q->target = q->full;
  } else if (take(&q->queue[kB2], key)) {
    q->returns = kB2;
    q->target -= at_least_1(b1 / b2);
    if (q->target < 0) q->target = 0;
  }
}

/* The key that makes room becomes a ghost, if its list has room for one beside the newcomer. */
static int evict_arc(queues *q) {
  const bool learns = q->coming >= 0;
  if (learns) adapt_arc(q, q->coming);
  const queue *t1 = &q->queue[kT1], *t2 = &q->queue[kT2];
  queue *b1 = &q->queue[kB1], *b2 = &q->queue[kB2];
  const int c = t1->count + t2->count;
  if (learns) q->full = c;
  if (learns && q->target > c) q->target = c;

  const bool over = t1->count > q->target || (t1->count == q->target && q->returns == kB2);
  const int from = t2->count == 0 || (t1->count > 0 && over) ? kT1 : kT2;
  const int newcomer = q->returns == 0 ? 1 : 0; /* to T1 */
  if (!learns) return take_oldest(&q->queue[from]);
  while (t1->count + b1->count + newcomer > c && b1->count > 0) take_oldest(b1);
  const bool remembered = t1->count + b1->count + newcomer <= c;
  while (c + b1->count + b2->count + remembered > 2 * c) take_oldest(b2->count > 0 ? b2 : b1);

  const int key = take_oldest(&q->queue[from]);
  if (remembered) append_ghost(q, from == kT1 ? kB1 : kB2, key);
  return key;
}

/* ---- All ------------------------------------------------------------------------------------ */

/* How many of the queues hold keys that are in the cache. */
static int resident_queues(const queues *q) {
  return q->policy == CT_POLICY_S3FIFO || q->policy == CT_POLICY_ARC ? 2 : 1;
}

bool queues_know(ct_policy policy) {
  return policy == CT_POLICY_CLOCK || policy == CT_POLICY_SIEVE || policy == CT_POLICY_S3FIFO ||
         policy == CT_POLICY_ARC;
}

void queues_init(queues *q, ct_policy policy) {
  memset(q, 0, sizeof *q);
  q->policy = policy;
  q->hand = q->coming = q->adapted_to = -1;
}

void queues_insert(queues *q, int key) {
  int to = 0;
  q->uses[key] = 0;
  if (q->policy == CT_POLICY_S3FIFO) to = take(&q->queue[kGhosts], key) ? kMain : kSmall;
  if (q->policy == CT_POLICY_ARC) {
    /* A key that made room for itself may still be a ghost. And the key that room was made for
     * need not come: a lifetime may need room for an entry that is then evicted itself. */
    const bool came_back = q->adapted_to == key && q->returns != 0;
    const bool known = came_back || take(&q->queue[kB1], key) || take(&q->queue[kB2], key);
    to = known ? kT2 : kT1;
    q->returns = 0;
  }
  append(&q->queue[to], key);
}

void queues_use(queues *q, int key) {
  const int most = q->policy == CT_POLICY_S3FIFO ? 3 : 1;
  if (q->uses[key] < most) q->uses[key]++;
  if (q->policy != CT_POLICY_ARC) return;
  if (!take(&q->queue[kT1], key)) take(&q->queue[kT2], key);
  append(&q->queue[kT2], key);
}

int queues_evict(queues *q) {
  switch (q->policy) {
    case CT_POLICY_CLOCK:
      return evict_clock(q, &q->queue[0]);
    case CT_POLICY_SIEVE:
      return evict_sieve(q);
    case CT_POLICY_S3FIFO:
      return evict_s3fifo(q);
    default:
      return evict_arc(q);
  }
}

void queues_remove(queues *q, int key) {
  if (q->hand == key) move_hand(q);
  if (!take(&q->queue[0], key) && resident_queues(q) == 2) take(&q->queue[1], key);
}

int queues_victim(const queues *q) {
  queues copy = *q;
  return queues_evict(&copy);
}

int queues_list(const queues *q, int *keys) {
  queues copy = *q;
  copy.coming = -1;
  int count = 0;
  if (q->policy == CT_POLICY_S3FIFO) {
    while (copy.queue[kSmall].count > 0) keys[count++] = take_oldest(&copy.queue[kSmall]);
    while (copy.queue[kMain].count > 0) keys[count++] = evict_clock(&copy, &copy.queue[kMain]);
    return count;
  }
  const int all = q->queue[0].count + (resident_queues(q) == 2 ? q->queue[1].count : 0);
  while (count < all) keys[count++] = queues_evict(&copy);
  return count;
}
