/* SPDX-License-Identifier: MIT */
/* Where a test takes its choices from: random numbers, or the bytes of a fuzzer. */
#ifndef CHOICES_H
#define CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct choices {
  uint64_t random;   /* of test_random, unless there are bytes */
  const uint8_t *at; /* NULL: there are none */
  const uint8_t *end;
} choices;

choices choices_from_number(uint64_t number);
/* Takes choices from bytes; zeros follow the last one. */
choices choices_from_bytes(const uint8_t *data, size_t size);

/* Any number. Takes 8 bytes. */
uint64_t choice(choices *from);
/* A number below n, which is not 0. Takes as many bytes as n - 1 has. */
uint64_t choice_below(choices *from, uint64_t n);
/* Whether all bytes have been taken; random numbers never are. */
bool choices_are_over(const choices *from);

#endif
