#ifndef XAPID_CALL_H
#define XAPID_CALL_H
/*
 * One API call in progress: what every handler gets. Owned by dispatch (xapid/dispatch.c); handlers use it
 * from the call's own fiber until they return.
 */
#include "db/db.h"
#include "db/setters.gen.h"
#include "lib/err.h"
#include "model/errors.gen.h"
#include "model/model.h"

struct xapid;

struct call {
    struct xapid *x;
    struct db *db;
    void *mem; /* talloc context for arguments, results and temporaries; freed after the answer is encoded */
    const struct model_message *message;
    struct ref session;  /* REF_NULL for calls without one */
    unsigned roles;      /* mask of enum model_role that the caller holds */
    struct ref task;     /* names this call in current_operations; a row of class task only when has_task */
    bool has_task;       /* Async, or an HTTP handler with a task: progress and cancelling are visible */
    bool local_root;     /* came over the unix socket */
    const char *address; /* the client's; "" over the unix socket */
    bool session_is_own; /* made for this request only (xapid/http_auth.h) */
};

/* Set the task's progress (0..1); nothing without a task. */
void call_progress(struct call *c, double done);

/* Look up the row that a handler was called on. NULL with HANDLE_INVALID in e. */
const struct row *call_row(struct call *c, enum model_class_id cls, struct ref ref, struct err *e);

#endif
