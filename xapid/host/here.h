#ifndef XAPID_HOST_HERE_H
#define XAPID_HOST_HERE_H
/*
 * Messages that act on the machine under the daemon: only for the host that was called.
 */
#include "xapid/call.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

/* 0, or -1 with HANDLE_INVALID, or HOST_OFFLINE for another host of the pool. Never yields. */
static inline int host_is_here(struct call *c, struct ref host, struct err *e)
{
    if (!call_row(c, CLASS_HOST, host, e))
        return -1;
    return ref_equal(host, c->x->host) ? 0 : err_host_offline(e, REF_TEXT(host));
}

#endif
