#ifndef XAPID_ARGS_H
#define XAPID_ARGS_H
/*
 * Parameters off the wire into a message's generated argument struct (model/args.gen.h). Never yields.
 */
#include "lib/err.h"
#include "model/model.h"
#include "rpc/wire.h"

/* The argument struct on ctx, absent optional parameters at their defaults; NULL with e filled when a
 * parameter is not of its type. */
void *args_decode(void *ctx, const struct model_message *m, const struct wire *params, uint32_t n,
                  struct err *e);

#endif
