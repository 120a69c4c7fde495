#ifndef RPC_REQUEST_H
#define RPC_REQUEST_H
/*
 * RPC requests: bytes to method name and parameters. XML-RPC is read with libxml2's SAX interface (xmlrpc-c
 * brings an old expat of its own that expands entities and cannot count values), JSON-RPC 1.0 and 2.0 with
 * jansson. Results live on ctx. Never yields.
 *
 * Bounds, whatever the sender does: values nest at most RPC_MAX_DEPTH deep; a request holds at most
 * RPC_MAX_REQUEST_VALUES of them, a reply RPC_MAX_REPLY_VALUES; a document type is refused, so nothing
 * expands. The size of the body is the caller's to bound.
 */
#include <stddef.h>
#include "rpc/wire.h"

enum { RPC_MAX_DEPTH = 64, RPC_MAX_REQUEST_VALUES = 100000, RPC_MAX_REPLY_VALUES = 16000000 };

enum rpc_protocol { RPC_XML, RPC_JSON_1, RPC_JSON_2 };

struct rpc_request {
    enum rpc_protocol protocol;
    const char *method;
    uint32_t n_params;
    const struct wire *params;
    const char *json_id; /* the id as JSON text, to be echoed */
};

/* 0, or -EBADMSG (answer HTTP 500 with *ret_reason, which is on ctx). */
int rpc_request_parse_xml(void *ctx, const char *body, size_t len, struct rpc_request *ret,
                          const char **ret_reason);
int rpc_request_parse_json(void *ctx, const char *body, size_t len, struct rpc_request *ret,
                           const char **ret_reason);

/* A document that is one value. 0, or -EBADMSG with *ret_reason. */
int rpc_value_parse_xml(void *ctx, const char *body, size_t len, uint32_t max_values, struct wire *ret,
                        const char **ret_reason);

/* A reply read by a client. On a failure reply fills e with the server's code and parameters and returns -1.
 */
int rpc_reply_parse_xml(void *ctx, const char *body, size_t len, struct wire *ret, struct err *e);

#endif
