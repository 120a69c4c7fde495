#ifndef XE_LIST_H
#define XE_LIST_H
/*
 * Records printed with the parameters that the user chose.
 */
#include "xe/fetch.h"

/* Print records, each with the parameters that params names (NULL: the class's default list; "all").
 * Expensive ones have their value only when expensive. Errors: no contact. */
int co_print_records(struct xe *x, const struct records *rs, const char *const *params, bool expensive,
                     struct err *e);

/* The pieces of a comma-separated argument as a NULL-terminated list, or otherwise when it is absent. */
const char *const *arg_names(struct xe *x, const char *key, const char *const *otherwise);

#endif
