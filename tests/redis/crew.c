/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

void *shared_memory(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(MAP_FAILED, memory);
  return memory;
}

void crew_start(crew *it, int count, void (*work)(int number, void *shared), void *shared) {
  it->count = count;
  pthread_barrierattr_t attributes;
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  assert_int_equal(0, pthread_barrier_init(&it->barrier, &attributes, (unsigned)count + 1));
  fflush(NULL);
  for (int i = 0; i < count; i++) {
    const pid_t parent = getpid();
    const pid_t child = fork(); /* the crew may be in memory that the child shares */
    assert_true(child >= 0);
    if (child > 0) {
      it->pids[i] = child;
      continue;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) work(i, shared);
    fflush(NULL);
    _exit(0);
  }
}

void crew_meet(crew *it) {
  pthread_barrier_wait(&it->barrier);
}

void crew_end(crew *it) {
  for (int i = 0; i < it->count; i++) {
    int status;
    assert_int_equal(it->pids[i], waitpid(it->pids[i], &status, 0));
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) continue;
    if (status != 0) fail_msg("worker %d ended with status %d", i, status);
  }
}
