/* SPDX-License-Identifier: MIT */
#include "counted_heap.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local bool inside;
counted_heap heap = {.fail_at = -1};

static bool refuses(void) {
  if (!inside) return false;
  const int64_t call = heap.calls++;
  const bool fails =
      heap.fail_at >= 0 && (call == heap.fail_at || (heap.fail_on && call > heap.fail_at));
  heap.failed += fails;
  if (fails) errno = ENOMEM;
  return fails;
}

static void *counted(void *ptr) {
  if (inside && ptr != NULL) heap.blocks++;
  return ptr;
}

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *ptr);

void *malloc(size_t size) {
  return refuses() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
  return refuses() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *ptr, size_t size) {
  if (refuses()) return NULL;
  void *moved = __libc_realloc(ptr, size);
  return ptr == NULL ? counted(moved) : moved;
}

void *aligned_alloc(size_t align, size_t size) {
  return refuses() ? NULL : counted(__libc_memalign(align, size));
}

void *memalign(size_t align, size_t size) {
  return aligned_alloc(align, size);
}

int posix_memalign(void **out, size_t align, size_t size) {
  void *ptr = aligned_alloc(align, size);
  if (ptr == NULL) return ENOMEM;
  *out = ptr;
  return 0;
}

void free(void *ptr) {
  if (inside && ptr != NULL) heap.blocks--;
  __libc_free(ptr);
}

void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  if (refuses()) return MAP_FAILED;
#ifdef SYS_mmap2
  void *ptr = (void *)syscall(SYS_mmap2, address, size, protection, flags, file, offset / 4096);
#else
  void *ptr = (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
#endif
  if (inside && ptr != MAP_FAILED) heap.mapped += (int64_t)size;
  return ptr;
}

int munmap(void *address, size_t size) {
  if (inside) heap.mapped -= (int64_t)size;
  return (int)syscall(SYS_munmap, address, size);
}
