/* SPDX-License-Identifier: MIT */
/* What the programs of check_clients.sh share. */
#ifndef CLIENT_H
#define CLIENT_H

#include <cachetools.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf(stderr, "line %d: it is false that %s\n", __LINE__, #condition); \
      exit(1);                                                                 \
    }                                                                          \
  } while (0)

/* The function knows from its argument what size this program knows, and keeps to it. */
#define CHECK_INIT(type, macro)                             \
  do {                                                      \
    const type expected = macro;                            \
    struct {                                                \
      type known;                                           \
      uint64_t behind;                                      \
    } it = {.behind = 0x0123456789abcdef};                  \
    memset(&it.known, 0xa5, sizeof(type));                  \
    type##_init(&it.known, sizeof(type));                   \
    CHECK(memcmp(&expected, &it.known, sizeof(type)) == 0); \
    CHECK(it.behind == 0x0123456789abcdef);                 \
  } while (0)

static inline bool is_text(const void *data, size_t size, const char *text) {
  return size == strlen(text) && memcmp(text, data, size) == 0;
}

/* Returns whether the value is that text, and releases it. */
static inline bool take(ct_value *value, const char *text) {
  const bool is_it = value->pin != 0 && is_text(value->data, value->size, text);
  ct_value_release(value);
  return is_it && value->data == NULL && value->size == 0 && value->pin == 0;
}

#endif
