#ifndef POOL_EXTENSION_H
#define POOL_EXTENSION_H
/*
 * Extensions: programs of the administrator's that each answer one call. An extension gets a JSON-RPC request
 * on its standard input, with --jsonrpc as its only argument, and prints the response (protocol of
 * host.call_extension).
 */
#include <stdbool.h>
#include "lib/err.h"

bool extension_is_there(const char *dir, const char *name);

/* Run the extension that `call` names, a JSON-RPC request or the name alone. *ret is its result on ctx: text
 * as it is, anything else as JSON. Cancelling kills it. May yield. Errors: INVALID_VALUE for text that is no
 * call; MESSAGE_METHOD_UNKNOWN; INTERNAL_ERROR for an exit code or output that is no response;
 * EXTENSION_PROTOCOL_FAILURE for an error that is not a code and its parameters; else the error that the
 * extension answered. */
int co_extension_run(const char *dir, const char *call, void *ctx, const char **ret, struct err *e);

#endif
