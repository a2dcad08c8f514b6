/* SPDX-License-Identifier: MIT */
/* Calls that invalidate what may be on its way to a key, and calls that do not. */
#ifndef KEY_CALLS_H
#define KEY_CALLS_H

#include <cachetools.h>
#include <stddef.h>

/* What a call is about: the key, the key if it is absent, or every key. */
typedef enum scope { kOneKey, kAbsentKey, kEveryKey } scope;

typedef struct key_call {
  const char *name;
  /* Of a zero-terminated key. */
  ct_status (*run)(ct_cache *cache, const char *key);
  ct_status answer;   /* if the key is absent */
  const char *leaves; /* what is there then; NULL: nothing */
  scope scope;
} key_call;

/* Each overtakes a load of the key that runs. */
extern const key_call kInvalidations[];
extern const size_t kInvalidationCount;

/* None of these does. */
extern const key_call kOtherCalls[];
extern const size_t kOtherCallCount;

#endif
