#ifndef XAPID_AUDIT_TEXT_H
#define XAPID_AUDIT_TEXT_H
/*
 * Parameters of a call as the audit log shows them: ('name' 'value' '' '') for values, ('name' 'label' 'uuid'
 * 'reference') for objects, ('name' ((…)) '' '') for what has members. Long ones are cut. Secrets show as
 * '<hidden>': they are told by the name of the parameter, member or key, and PEM keys wherever they stand.
 * Never yields.
 */
#include "db/db.h"
#include "lib/buf.h"
#include "rpc/http.h"
#include "rpc/wire.h"

/* 'text', with quotes, backslashes and what no terminal should see escaped; at most max bytes of it. */
void audit_add_quoted(struct buf *b, const char *text, size_t max);

/* The parameters after the session, in their parentheses. */
void audit_add_params(struct buf *b, struct db *db, const struct model_message *m, const struct wire *params,
                      uint32_t n);

/* What an HTTP request concerns (a row or NULL) and its query, in their parentheses, without session and
 * task.
 */
void audit_add_query(struct buf *b, const struct row *self, const struct http_request *r);

/* Does a parameter, member or key of this name hold a secret? */
bool audit_is_secret(const char *name);

#endif
