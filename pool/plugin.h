#ifndef POOL_PLUGIN_H
#define POOL_PLUGIN_H
/*
 * Plugins: programs of the administrator's that answer one XML-RPC call each. A plugin gets the methodCall as
 * its only argument, calls back over the local socket with the session in it where it wants to, and prints a
 * methodResponse (protocol of host.call_plugin). xmlrpc-c writes the call and reads the response.
 */
#include "lib/err.h"
#include "model/value.h"

struct plugin_call {
    const char *dir;        /* where plugins are */
    const char *name;       /* a file in dir */
    const char *fn;         /* method name */
    const char *session;    /* reference given to the plugin */
    const struct map *args; /* text to text */
    const char *input;      /* its standard input; NULL: none */
    int timeout_ms;         /* 0: an hour */
};

bool plugin_is_there(const char *dir, const char *name);

/* Run the plugin to its end; *ret is its result as text on ctx. Cancelling kills it. May yield. Errors:
 * XENAPI_MISSING_PLUGIN; XENAPI_PLUGIN_FAILURE for an exit code, a fault or output that is no response; else
 * the error that the plugin answered. */
int co_plugin_run(const struct plugin_call *call, void *ctx, const char **ret, struct err *e);

#endif
