/* SPDX-License-Identifier: MIT */
/* See choices.h. */
#include "choices.h"

#include "support.h"

choices choices_from_number(uint64_t number) {
  return (choices){.random = number};
}

choices choices_from_bytes(const uint8_t *data, size_t size) {
  static const uint8_t none[1];
  if (size == 0) data = none;
  return (choices){.at = data, .end = data + size};
}

/* Takes as many bytes as most has, little-endian. */
static uint64_t take(choices *from, uint64_t most) {
  uint64_t number = 0;
  for (int shift = 0; shift < 64 && most >> shift != 0; shift += 8)
    if (from->at < from->end) number |= (uint64_t)*from->at++ << shift;
  return number;
}

uint64_t choice(choices *from) {
  return from->at == NULL ? test_random(&from->random) : take(from, UINT64_MAX);
}

uint64_t choice_below(choices *from, uint64_t n) {
  return (from->at == NULL ? test_random(&from->random) : take(from, n - 1)) % n;
}

bool choices_are_over(const choices *from) {
  return from->at != NULL && from->at == from->end;
}
