/* SPDX-License-Identifier: MIT */
/* Random operations beside the reference model, with every policy: see run.h.
 *
 * CT_MODEL_STEPS operations are done in all. A failure prints the number of its run;
 * CT_MODEL_RUN=<number> in the environment repeats that run. */
#include "run.h"
#include "support.h"

enum { kPolicies = 15 };

static uint64_t seed;

/* Runs that once failed. They are older than loading, which run_setup.c draws only where it changes
 * none of them. */
static const uint64_t remembered[] = {
    /* ARC: a key made room for its own lifetime, and was itself evicted for it. Then another key
     * came, whose ghost the model took for the one that had made room. */
    UINT64_C(12968892172977705321),
    /* An entry of 7.5 KB was too large for a cache of 7.8 KB, because of its share of free room.
     * The model allowed for a header only. */
    UINT64_C(8506616750395643111),
};

void run_failed(void) {
  fail();
}

static uint64_t from_environment(const char *name, uint64_t otherwise) {
  const char *given = getenv(name);
  return given != NULL ? strtoull(given, NULL, 0) : otherwise;
}

static void run_policy(ct_policy policy) {
  const uint64_t only = from_environment("CT_MODEL_RUN", 0);
  if (only != 0) {
    run_model(policy, choices_from_number(only));
    return;
  }
  for (size_t i = 0; i < COUNT_OF(remembered); i++)
    run_model(policy, choices_from_number(remembered[i]));
  const uint64_t steps = from_environment("CT_MODEL_STEPS", 200000) / kPolicies;
  uint64_t state = seed + (uint64_t)policy;
  for (uint64_t done = 0; done <= steps; done += RUN_STEPS)
    run_model(policy, choices_from_number(test_random(&state) | 1));
}

#define MODEL_TEST(name, policy)   \
  TEST(name##_agrees_with_model) { \
    run_policy(policy);            \
  }

MODEL_TEST(lru, CT_POLICY_LRU)
MODEL_TEST(fifo, CT_POLICY_FIFO)
MODEL_TEST(lfu, CT_POLICY_LFU)
MODEL_TEST(rr, CT_POLICY_RR)
MODEL_TEST(ttl, CT_POLICY_TTL)
MODEL_TEST(tlru, CT_POLICY_TLRU)
MODEL_TEST(any, CT_POLICY_ANY)
MODEL_TEST(mru, CT_POLICY_MRU)
MODEL_TEST(clock, CT_POLICY_CLOCK)
MODEL_TEST(sieve, CT_POLICY_SIEVE)
MODEL_TEST(s3fifo, CT_POLICY_S3FIFO)
MODEL_TEST(arc, CT_POLICY_ARC)
MODEL_TEST(wtinylfu, CT_POLICY_WTINYLFU)
MODEL_TEST(adaptive, CT_POLICY_ADAPTIVE)
MODEL_TEST(custom, CT_POLICY_CUSTOM)

int main(void) {
  seed = test_seed();
  return run_registered_tests();
}
