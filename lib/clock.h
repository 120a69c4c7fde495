#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H
/*
 * Time. Deadlines everywhere are absolute CLOCK_MONOTONIC nanoseconds in an int64_t; dates that users see are
 * seconds since 1970 UTC in an int64_t. Never yields.
 */
#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

/* Monotonic nanoseconds now (read from the kernel, not cached by the loop). */
int64_t clock_now(void);

/* The deadline that lies `ms` milliseconds from now. */
int64_t clock_in_ms(int64_t ms);

/* Wall-clock seconds since 1970 UTC. */
int64_t clock_wall(void);

#endif
