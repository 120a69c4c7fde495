#ifndef RPC_PLAIN_H
#define RPC_PLAIN_H
/*
 * The plain HTTP port, served by libmicrohttpd on the libev loop. It has no sessions and carries no secrets:
 * GET and HEAD are redirected to https (`location` is the third header line, as clients of XenAPI expect),
 * GET /metrics is answered where the daemon wants it to be, everything else gets 403. Connections, heads and
 * silence are bounded. Never yields.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"

struct plain_server;

struct plain_options {
    int fd;              /* listening; stays the caller's */
    const char *address; /* numeric; kept by reference, as is metrics_arg */
    uint16_t https_port;
    /* Append the page for GET /metrics (Prometheus text format); false (or NULL): there is none. Must not
     * yield. */
    bool (*metrics)(struct buf *page, void *arg);
    void *metrics_arg;
};

/* Serve. Errors: INTERNAL_ERROR with the address. */
int plain_server_open(const struct plain_options *o, struct plain_server **ret, struct err *e);

/* Closes its connections at once. NULL is allowed. */
void plain_server_free(struct plain_server *p);

#endif
