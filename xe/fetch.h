#ifndef XE_FETCH_H
#define XE_FETCH_H
/*
 * Records of a class from the server, and filters over their displayed values.
 */
#include "xe/record.h"
#include "xe/show.h"

struct records {
    unsigned n;
    struct record *r; /* on x->ctx */
};

/* Records of the class that where (an expression of get_all_records_where) and the class's own rule let
 * through. */
int co_fetch(struct xe *x, const struct rec_class *c, const char *where, struct records *ret, struct err *e);

/* One record by uuid. Errors: UUID_INVALID. */
int co_fetch_uuid(struct xe *x, const struct rec_class *c, const char *uuid, struct record *ret,
                  struct err *e);

/* Keep the records whose parameter name (also map:key, map-key, set:contains) is shown as value. Errors:
 * FAIL_TEXT for an unknown name, when there are records to test. */
int co_filter(struct xe *x, struct records *rs, const char *name, const char *value, struct err *e);

/* True when name could be a filter on the class. */
bool filter_is_known(const struct rec_class *c, const char *name);

#endif
