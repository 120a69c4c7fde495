#ifndef XAPID_POOL_HELLO_H
#define XAPID_POOL_HELLO_H
/*
 * A member's greeting, with which each of its connections begins: what the coordinator needs to write the
 * host's rows and to put right what it believes of its guests. JSON, by the tables of pool/codec.h.
 */
#include "lib/buf.h"
#include "pool/agent_types.h"
#include "xapid/host/machine_facts.h"

struct hello {
    int64_t generation; /* of its copy of the database; 0: it has none that could be gone on with */
    struct host_machine_facts machine;
    unsigned n_guests;
    const struct agent_guest *guests;
};

/* This host's, appended to out. */
int co_hello_write(struct xapid *x, uint64_t generation, struct buf *out, struct err *e);

/* On mem. Errors: INTERNAL_ERROR. Never yields. */
int hello_read(void *mem, const char *bytes, size_t n, struct hello *ret, struct err *e);

/* The part of it that may change while the connection lasts: this host's, appended to out (0 or -errno), and
 * the way back. Never yield. */
int machine_write(struct xapid *x, struct buf *out);
int machine_read(void *mem, const char *bytes, size_t n, struct host_machine_facts *ret, struct err *e);

#endif
