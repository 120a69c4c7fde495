#ifndef XAPID_IMPLICIT_H
#define XAPID_IMPLICIT_H
/*
 * The interpreter of the implicit messages (getters, setters, get_record, create …): 1,456 messages, one
 * piece of code over the field table. A class that needs more says so in its model file: a create or destroy
 * with a handler of its own, a setter as an explicit message. Never yields.
 */
#include "rpc/encode.h"
#include "rpc/wire.h"
#include "xapid/call.h"

/* Run c->message, an implicit one, with its parameters after the session, and write its result. What it wrote
 * is to be dropped when it fails. */
int implicit_run(struct call *c, const struct wire *params, struct enc *out, struct err *e);

/* The record of a row, as get_record and event snapshots show it. */
void implicit_write_record(struct enc *out, struct db *db, const struct row *row);

/* A struct of reference to record of the rows of a class that `wanted` takes (NULL: all). */
void implicit_write_records(struct enc *out, struct db *db, enum model_class_id cls,
                            bool (*wanted)(struct db *db, const struct row *row, const void *arg),
                            const void *arg);

/* The records that satisfy an expression, of c->message's class. */
int implicit_get_all_records_where(struct call *c, const char *expr, struct enc *out, struct err *e);

#endif
