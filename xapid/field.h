#ifndef XAPID_FIELD_H
#define XAPID_FIELD_H
/*
 * For setters and constructors that have a handler of their own since they check something first. Never
 * yields.
 */
#include "xapid/call.h"

/* Write one field of a row in a transaction of its own. HANDLE_INVALID when the row is gone. */
int call_set_field(struct call *c, enum model_class_id cls, struct ref ref, unsigned field, union value v,
                   struct err *e);

/* Write to a new row of c->message's class what the constructor's caller gave (args is its argument struct).
 */
void call_set_members(struct call *c, struct txn *t, const struct row *row, const void *args);

/* The value that a row's or argument struct's member of this type at `at` has. */
union value value_at(const struct model_type *type, const void *at);

/* Read a map of text that is to gain (text not NULL) or lose a key, for one row's field. */
int call_change_map(struct call *c, enum model_class_id cls, struct ref ref, unsigned field, const char *key,
                    const char *text, struct err *e);

#endif
