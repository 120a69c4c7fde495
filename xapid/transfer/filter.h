#ifndef XAPID_TRANSFER_FILTER_H
#define XAPID_TRANSFER_FILTER_H
/*
 * A program between a transfer and its client: gzip or zstd, in a process of its own, so that neither the
 * work nor what a hostile stream does to it is the daemon's. A fiber of its own carries between the client
 * and the program; transfer.c carries on the other side of it.
 */
#include "xapid/transfer/transfer.h"

struct filter;

/* Have what co_transfer_write is given from now on (sending), or what co_transfer_read gives, pass through
 * argv.
 */
int co_filter_open(struct transfer *t, const char *const *argv, bool sending, struct err *e);

int co_filter_write(struct filter *f, const void *bytes, size_t n, struct err *e);
/* 0 at the end, which a program that failed makes an error. */
ssize_t co_filter_read(struct filter *f, void *bytes, size_t n, struct err *e);

/* Sending: all has been written; wait until the client has it. */
int co_filter_finish(struct transfer *t, struct err *e);

/* End what is left of it; not to be cancelled. Safe without one. */
void co_filter_close(struct transfer *t);

#endif
