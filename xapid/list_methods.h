#ifndef XAPID_LIST_METHODS_H
#define XAPID_LIST_METHODS_H
#include "rpc/encode.h"

/* Write the reply of system.listMethods: the names of all messages, over XML-RPC as a bare array without the
 * usual envelope. Never yields. */
void list_methods(struct enc *out, const struct rpc_request *r);

#endif
