#ifndef XE_BULK_H
#define XE_BULK_H
/*
 * Files from and to the server over HTTP, each under a task that says how it went. target is path and query;
 * session and task are added. A progress bar is shown when progress= asks for it, and unless it says
 * otherwise when stderr is a terminal.
 */
#include "xe/client.h"

/* Save what GET target gives as a new file; name "": stdout. On failure, a signal included, the file goes.
 * Errors: FAIL_TEXT for a file that is there already or cannot be written; those of the task. */
int co_download(struct xe *x, const char *target, const char *name, struct err *e);

/* PUT the file. The task's result, unwrapped, or NULL. Errors as above. */
const char *co_upload(struct xe *x, const char *target, const char *name, struct err *e);

/* "key=value" added to a target, encoded as it must be; value NULL adds nothing. On x->ctx. */
char *bulk_target(struct xe *x, const char *target, const char *key, const char *value);

#endif
