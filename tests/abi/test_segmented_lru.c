/* SPDX-License-Identifier: MIT */
/* Segmented LRU as a policy of the caller's, beside a naive model of it: whatever happens, both
 * must hold the same entries and report the same departures in the same order. */
#include "fixture.h"

/* ---- The policy ----------------------------------------------------------------------------- */

/* New entries are on probation. An entry that is used there becomes protected. If the protected
 * entries exceed four fifths of maxsize, the least recently used of them goes back on probation.
 * The victim is the least recently used entry on probation or, if there is none, the least
 * recently used protected one. */

enum segment { PROBATION, PROTECTED };

static uint64_t protected_limit(uint64_t maxsize) {
  return maxsize / 5 * 4;
}

/* One node for each id. Nodes 0 and 1 are the heads of the segments' rings, so ids are shifted
 * by two. */
typedef struct slru_node {
  uint32_t prev; /* less recently used */
  uint32_t next;
  enum segment segment;
} slru_node;

typedef struct slru {
  slru_node *nodes;
  size_t capacity;
  uint64_t size[2];
  uint64_t limit; /* of the protected */
} slru;

static void slru_reset(slru *it) {
  for (uint32_t head = PROBATION; head <= PROTECTED; head++) {
    it->nodes[head] = (slru_node){head, head, (enum segment)head};
    it->size[head] = 0;
  }
}

static void slru_unlink(slru *it, uint32_t node) {
  const slru_node *old = &it->nodes[node];
  it->nodes[old->prev].next = old->next;
  it->nodes[old->next].prev = old->prev;
  it->size[old->segment]--;
}

static void slru_append(slru *it, uint32_t node, enum segment segment) {
  const uint32_t last = it->nodes[segment].prev;
  it->nodes[node] = (slru_node){last, (uint32_t)segment, segment};
  it->nodes[last].next = node;
  it->nodes[segment].prev = node;
  it->size[segment]++;
}

static void slru_demote(slru *it) {
  while (it->size[PROTECTED] > it->limit) {
    const uint32_t coldest = it->nodes[PROTECTED].next;
    slru_unlink(it, coldest);
    slru_append(it, coldest, PROBATION);
  }
}

static void *slru_new(void *user_data, uint64_t maxsize) {
  (void)user_data;
  slru *it = malloc(sizeof *it);
  if (it == NULL) return NULL;
  *it = (slru){.capacity = 16, .limit = protected_limit(maxsize)};
  it->nodes = malloc(it->capacity * sizeof it->nodes[0]);
  if (it->nodes == NULL) {
    free(it);
    return NULL;
  }
  slru_reset(it);
  return it;
}

static void slru_free(void *state) {
  free(((slru *)state)->nodes);
  free(state);
}

static void slru_insert(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                        uint64_t now) {
  (void)weight, (void)key, (void)key_size, (void)now;
  slru *it = state;
  const uint32_t node = id + 2;
  if (node >= it->capacity) {
    it->capacity = 2 * (size_t)node;
    it->nodes = realloc(it->nodes, it->capacity * sizeof it->nodes[0]);
    if (it->nodes == NULL) abort();
  }
  slru_append(it, node, PROBATION);
}

static void slru_hit(void *state, uint32_t id, uint64_t now) {
  (void)now;
  slru *it = state;
  slru_unlink(it, id + 2);
  slru_append(it, id + 2, PROTECTED);
  slru_demote(it);
}

static void slru_update(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                        uint64_t now) {
  (void)weight, (void)key, (void)key_size;
  slru_hit(state, id, now);
}

static void slru_remove(void *state, uint32_t id) {
  slru_unlink(state, id + 2);
}

static void slru_clear(void *state) {
  slru_reset(state);
}

static void slru_resize(void *state, uint64_t maxsize) {
  slru *it = state;
  it->limit = protected_limit(maxsize);
  slru_demote(it);
}

static uint32_t slru_victim(void *state) {
  const slru *it = state;
  return it->nodes[it->size[PROBATION] > 0 ? PROBATION : PROTECTED].next - 2;
}

static const ct_policy_ops kSlruOps = {
    .struct_size = sizeof(ct_policy_ops),
    .state_new = slru_new,
    .state_free = slru_free,
    .on_insert = slru_insert,
    .on_update = slru_update,
    .on_hit = slru_hit,
    .on_remove = slru_remove,
    .on_clear = slru_clear,
    .on_resize = slru_resize,
    .victim = slru_victim,
};

/* ---- The model ------------------------------------------------------------------------------ */

/* The same, naively: two arrays of keys, the least recently used first, and a log of departures. */

enum { kModelKeys = 100 };

typedef struct slru_model {
  unsigned keys[2][kModelKeys];
  unsigned size[2];
  uint64_t maxsize;
  char log[4096];
} slru_model;

static bool model_find(const slru_model *model, unsigned key, enum segment *segment,
                       unsigned *place) {
  for (unsigned in = PROBATION; in <= PROTECTED; in++) {
    for (unsigned i = 0; i < model->size[in]; i++) {
      if (model->keys[in][i] != key) continue;
      *segment = (enum segment)in;
      *place = i;
      return true;
    }
  }
  return false;
}

static bool model_take(slru_model *model, unsigned key) {
  enum segment segment;
  unsigned place;
  if (!model_find(model, key, &segment, &place)) return false;
  unsigned *keys = model->keys[segment];
  memmove(keys + place, keys + place + 1, (model->size[segment] - place - 1) * sizeof *keys);
  model->size[segment]--;
  return true;
}

static void model_append(slru_model *model, unsigned key, enum segment segment) {
  model->keys[segment][model->size[segment]++] = key;
}

static void model_demote(slru_model *model) {
  while (model->size[PROTECTED] > protected_limit(model->maxsize)) {
    const unsigned coldest = model->keys[PROTECTED][0];
    model_take(model, coldest);
    model_append(model, coldest, PROBATION);
  }
}

static void model_tell(slru_model *model, const char *cause, unsigned key) {
  const size_t used = strlen(model->log);
  snprintf(model->log + used, sizeof model->log - used, "%s%s %u=v", used == 0 ? "" : ", ", cause,
           key);
}

static bool model_use(slru_model *model, unsigned key) {
  if (!model_take(model, key)) return false;
  model_append(model, key, PROTECTED);
  model_demote(model);
  return true;
}

static bool model_evict(slru_model *model) {
  const enum segment from = model->size[PROBATION] > 0 ? PROBATION : PROTECTED;
  if (model->size[from] == 0) return false;
  const unsigned victim = model->keys[from][0];
  model_take(model, victim);
  model_tell(model, "EVICTED", victim);
  return true;
}

static unsigned model_len(const slru_model *model) {
  return model->size[PROBATION] + model->size[PROTECTED];
}

static void model_insert(slru_model *model, unsigned key) {
  while (model_len(model) >= model->maxsize) model_evict(model);
  model_append(model, key, PROBATION);
}

static void model_resize(slru_model *model, uint64_t maxsize) {
  model->maxsize = maxsize;
  model_demote(model);
  while (model_len(model) > maxsize) model_evict(model);
}

/* ---- Policy and model side by side ---------------------------------------------------------- */

/* Does one random operation on both. */
static void step_both(ct_cache *cache, slru_model *model, uint64_t *random) {
  /* The smaller of two random numbers, so that some keys are used often. */
  const uint64_t one = test_random_below(random, kModelKeys);
  const uint64_t two = test_random_below(random, kModelKeys);
  const unsigned number = (unsigned)(one < two ? one : two);
  char key[8];
  snprintf(key, sizeof key, "%u", number);
  switch (test_random_below(random, 100)) {
    case 0:
      assert_status(model_evict(model) ? CT_OK : CT_MISS, ct_popitem(cache, NULL, NULL));
      return;
    case 1: {
      const uint64_t maxsize = 1 + test_random_below(random, 60);
      model_resize(model, maxsize);
      assert_status(CT_OK, ct_resize(cache, maxsize));
      return;
    }
    case 2:
    case 3:
    case 4: {
      const bool found = model_take(model, number);
      if (found) model_tell(model, "REMOVED", number);
      assert_status(found ? CT_OK : CT_MISS, delete_text(cache, key));
      return;
    }
    default:
      break;
  }
  switch (test_random_below(random, 4)) {
    case 0:
      if (model_use(model, number)) {
        model_tell(model, "REPLACED", number);
      } else {
        model_insert(model, number);
      }
      assert_status(CT_OK, set_text(cache, key, "v"));
      return;
    case 1:
      if (!model_use(model, number)) model_insert(model, number);
      assert_status(CT_OK, ct_setdefault(cache, key, strlen(key), "v", 1, NULL));
      return;
    default:
      assert_status(model_use(model, number) ? CT_OK : CT_MISS, use_text(cache, key));
      return;
  }
}

static void run_both(fixture *f, slru_model *model, unsigned steps, uint64_t *random) {
  for (unsigned step = 0; step < steps; step++) {
    step_both(f->cache, model, random);
    assert_told(f, model->log);
    model->log[0] = '\0';
    assert_int_equal(model_len(model), ct_len(f->cache));
  }
}

TEST(segmented_lru_acts_as_its_model) {
  uint64_t random = test_seed();
  for (unsigned round = 0; round < 10; round++) {
    fixture f;
    open_fixture(&f, .policy = CT_POLICY_CUSTOM, .maxsize = 30, .custom = &kSlruOps);
    slru_model model = {.maxsize = 30};
    run_both(&f, &model, 5000, &random);
    if (round % 2 == 0) {
      assert_status(CT_OK, ct_clear(f.cache));
      assert_int_equal(model_len(&model), f.told);
      model.size[PROBATION] = model.size[PROTECTED] = 0;
      f.log[0] = '\0';
      run_both(&f, &model, 500, &random);
    }
    while (model_evict(&model)) assert_status(CT_OK, ct_popitem(f.cache, NULL, NULL));
    assert_status(CT_MISS, ct_popitem(f.cache, NULL, NULL));
    assert_told(&f, model.log);
    fixture_close(&f);
  }
}

TEST(segmented_lru_keeps_hot_keys_through_a_scan) {
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_CUSTOM, 100);
  options.custom = &kSlruOps;
  options.listener = NULL;
  fixture_open(&f, &options);
  for (unsigned round = 0; round < 2; round++) {
    for (uint64_t key = 0; key < 50; key++) {
      assert_status(CT_OK, ct_setdefault(f.cache, &key, sizeof key, "v", 1, NULL));
    }
  }
  for (uint64_t key = 1000; key < 3000; key++) {
    assert_status(CT_OK, set_number(f.cache, key, "v", 1));
  }
  for (uint64_t key = 0; key < 50; key++) assert_true(ct_contains(f.cache, &key, sizeof key));
  assert_int_equal(100, ct_len(f.cache));
  fixture_close(&f);
}
