/* SPDX-License-Identifier: MIT */
/* Tests with several processes: they share memory, and meet at a barrier. */
#ifndef CREW_H
#define CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

enum { kMostWorkers = 16 };

typedef struct crew {
  pthread_barrier_t barrier; /* of the workers and their parent */
  int count;
  pid_t pids[kMostWorkers];
} crew;

/* Memory that children share, zeros. */
void *shared_memory(size_t size);
/* Starts so many processes, each of which runs work(number, shared) and ends. A check that fails
 * there makes crew_end fail. */
void crew_start(crew *it, int count, void (*work)(int number, void *shared), void *shared);
void crew_meet(crew *it);
/* Waits for all; those that were killed by SIGKILL on purpose do not count. */
void crew_end(crew *it);

#endif
