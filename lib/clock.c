#include "lib/clock.h"
#include <time.h>

#define NS_PER_MS 1000000
#define NS_PER_S 1000000000

int64_t clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t clock_in_ms(int64_t ms)
{
    int64_t ns, deadline;

    if (__builtin_mul_overflow(ms, NS_PER_MS, &ns))
        return ms > 0 ? CLOCK_NEVER : 0;
    if (__builtin_add_overflow(clock_now(), ns, &deadline))
        return CLOCK_NEVER;
    return deadline;
}

int64_t clock_wall(void)
{
    return time(NULL);
}
