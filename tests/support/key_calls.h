/* SPDX-License-Identifier: MIT */
/* Calls that invalidate a value that is being loaded, and calls that do not. */
#ifndef KEY_CALLS_H
#define KEY_CALLS_H

#include <cachetools.h>
#include <stddef.h>

/* What a call invalidates: the key, the key if it is absent, or every key. */
typedef enum scope { kOneKey, kAbsentKey, kEveryKey } scope;

typedef struct key_call {
  const char *name;
  /* Makes the call; the key ends with a zero. */
  ct_status (*run)(ct_cache *cache, const char *key);
  ct_status answer;   /* if the key is absent */
  const char *leaves; /* what is there then; NULL: nothing */
  scope scope;
} key_call;

/* Each of these overtakes a running load of the key. */
extern const key_call kInvalidations[];
extern const size_t kInvalidationCount;

/* None of these does. */
extern const key_call kOtherCalls[];
extern const size_t kOtherCallCount;

#endif
