#ifndef XAPID_RPC_H
#define XAPID_RPC_H
/*
 * RPC over HTTP: the handlers of POST /, /jsonrpc and their like. arg is the struct xapid.
 */
#include "rpc/http.h"

/* Answer at once what needs no waiting; else false, and the other is to be called in a fiber. */
bool rpc_xml_now(struct http_request *r, struct http_reply *reply, void *arg);
bool rpc_json_now(struct http_request *r, struct http_reply *reply, void *arg);
void co_rpc(struct http_request *r, struct http_reply *reply, void *arg);

/* Name the calls in log lines. */
void rpc_init_log(void);

/* In place of an answer that tells of what could not be written: OUT_OF_SPACE, or INTERNAL_ERROR with why. */
void rpc_withheld(struct http_request *r, struct http_reply *reply, void *x);

#endif
