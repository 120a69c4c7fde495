#ifndef POOL_MEMBERSHIP_H
#define POOL_MEMBERSHIP_H
/*
 * What a host knows of its place in the pool before it can ask anybody: STATE/pool/membership, lines of
 * "key = value". It decides what the daemon is at its next start. The functions block for a moment; they
 * never yield.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "model/value.h"

#define MEMBERSHIP_ADDRESS_SIZE 64

struct membership {
    bool member;               /* of a pool whose coordinator is another host */
    bool leaving;              /* it was told to be a pool of its own again, and has not got there yet */
    char pool[UUID_TEXT_SIZE]; /* "" when there is no file: a pool of its own that nobody has joined */
    char host[UUID_TEXT_SIZE]; /* this host */
    uint64_t term;             /* grows with each change of the coordinator; a host whose term is older may
                                  not act on the pool (membership_next_term) */
    char coordinator[MEMBERSHIP_ADDRESS_SIZE]; /* of a member: its coordinator's address */
};

/* Can a coordinator be named by this? A numeric address, IPv4 or IPv6. */
bool membership_is_address(const char *text);

/* The term that this host begins when it takes the lead: later than m->term, and another than any that
 * another host would begin, so that of two that do so apart one gives way. The upper half counts, the lower
 * one tells hosts apart. */
uint64_t membership_next_term(const struct membership *m);

/* Read the file; *ret is all zero when there is none. Errors: INTERNAL_ERROR for one that is not understood.
 */
int membership_read(const char *state_dir, struct membership *ret, struct err *e);

/* The file's text, appended to out. */
void membership_format(const struct membership *m, struct buf *out);

/* Replace it at once and durably. Errors: INTERNAL_ERROR for one that membership_read would not understand: a
 * daemon could not start with it. */
int membership_write(const char *state_dir, const struct membership *m, struct err *e);

/* Become a pool of its own again: nothing is left of STATE/pool. */
int membership_remove(const char *state_dir, struct err *e);

#endif
