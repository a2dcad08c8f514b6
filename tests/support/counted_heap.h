/* SPDX-License-Identifier: MIT */
/* A malloc family, mmap and munmap of the program's own. They count what the library takes and gives
 * back, fail on demand, and otherwise call glibc's. Sanitizers and Valgrind also replace these
 * functions, without a word, so programs with this are not for them. */
#ifndef COUNTED_HEAP_H
#define COUNTED_HEAP_H

#include <stdbool.h>
#include <stdint.h>

/* Whether this thread is in the library. What others take is not counted. */
extern _Thread_local bool inside;

typedef struct counted_heap {
  int64_t calls;   /* for memory */
  int64_t failed;  /* of these */
  int64_t fail_at; /* the call that fails; -1: none */
  bool fail_on;    /* whether those after it fail, too */
  int64_t blocks;  /* taken and not given back */
  int64_t mapped;  /* the same, but bytes that were mapped */
} counted_heap;

extern counted_heap heap;

#endif
