/* SPDX-License-Identifier: MIT */
/* The monotonic clocks of this whole process, libraries included, moved by hand: the program's
 * clock_gettime, clock_getres and nanosleep stand in front of those of libc. The coarse clock is as
 * far behind as it may be. Conditions still wait by the real clock. */
#ifndef PROCESS_CLOCK_H
#define PROCESS_CLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In nanoseconds. */
extern uint64_t process_clock;

#ifdef __cplusplus
}
#endif

#endif
