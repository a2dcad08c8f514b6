/* SPDX-License-Identifier: MIT */
/* Makes the calls that arbitrary bytes choose, and compares each answer with the reference model's.
 * This is the model test of tests/model with a fuzzer in place of random numbers.
 *
 * The first byte chooses the policy. Then come the choices of a run (tests/model/run.h), in its
 * order. */
#include <cachetools.h>
#include <stdlib.h>

#include "run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void run_failed(void) {
  abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const ct_policy kPolicies[] = {
      CT_POLICY_LRU,    CT_POLICY_FIFO,     CT_POLICY_LFU, CT_POLICY_RR,       CT_POLICY_TTL,
      CT_POLICY_TLRU,   CT_POLICY_ANY,      CT_POLICY_MRU, CT_POLICY_CLOCK,    CT_POLICY_SIEVE,
      CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU, CT_POLICY_ARC, CT_POLICY_ADAPTIVE, CT_POLICY_CUSTOM,
  };
  choices from = choices_from_bytes(data, size);
  const ct_policy policy = kPolicies[choice_below(&from, sizeof kPolicies / sizeof kPolicies[0])];
  run_model(policy, from);
  return 0;
}
