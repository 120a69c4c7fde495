#ifndef XAPID_WHERE_H
#define XAPID_WHERE_H
/*
 * The expressions of get_all_records_where (protocol.md section 4): true, false, V = V, not, and, or,
 * parentheses; V is "literal" or field "name". `and` and `or` bind alike and to the left, `not` binds
 * tighter. Values compare as the database's text. Never yields.
 */
#include "db/db.h"
#include "lib/err.h"

struct where;

/* Parse text for rows of a class, on ctx. Errors: INVALID_VALUE [expr, reason]. */
int where_parse(void *ctx, const struct model_class *cls, const char *text, struct where **ret,
                struct err *e);

/* Does the row satisfy the expression? Temporaries are freed before it returns. */
bool where_matches(const struct where *w, struct db *db, const struct row *row);

#endif
