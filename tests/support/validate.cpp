// SPDX-License-Identifier: MIT
// Part of the static build for tests only.
#include "../../abi/boundary.hpp"
#include "internal.h"

const char *ct_validate(ct_cache *cache) {
  return ct::unwrap(cache)->problem();
}

void ct_take_work(ct_cache *cache, uint64_t *holds, uint64_t *most) {
  *holds = *most = 0;
  const ct::Shards &shards = ct::unwrap(cache)->shards();
  for (uint32_t i = 0; i < shards.count; i++) shards[i].take_work(holds, most);
}

uint64_t ct_due_tree_looks(ct_cache *cache) {
  return ct::unwrap(cache)->shards().due_tree.looks();
}

uint64_t ct_weight(ct_cache *cache) {
  uint64_t weight = 0;
  const ct::Shards &shards = ct::unwrap(cache)->shards();
  for (uint32_t i = 0; i < shards.count; i++) weight += shards[i].weight();
  return weight;
}

void ct_limit_chunks(ct_cache *cache, uint32_t count) {
  const ct::Shards &shards = ct::unwrap(cache)->shards();
  for (uint32_t i = 0; i < shards.count; i++) shards[i].limit_chunks(count);
}

void ct_measure_searches(ct_cache *cache, uint64_t *total, uint64_t *longest) {
  *total = *longest = 0;
  const ct::Shards &shards = ct::unwrap(cache)->shards();
  for (uint32_t i = 0; i < shards.count; i++) shards[i].measure_searches(total, longest);
}

void ct_act_large(ct_cache *cache) {
  const ct::Shards &shards = ct::unwrap(cache)->shards();
  for (uint32_t i = 0; i < shards.count; i++) shards[i].act_large(3);
}
