#ifndef TESTS_BENCH_LARGE_REPLY_H
#define TESTS_BENCH_LARGE_REPLY_H
/* The time that a large reply takes, against a server that writes the same bytes from memory. */
#include "tests/bench/api.h"

/* what: of the figure; format and size are added. The reply must have at least so many bytes. goal: of the
 * ratio, 0 for none. */
void large_reply_report(struct api *a, const struct buf *request, enum api_format format, const char *what,
                        size_t at_least, double goal);

#endif
