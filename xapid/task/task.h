#ifndef XAPID_TASK_TASK_H
#define XAPID_TASK_TASK_H
/*
 * Tasks: rows of class task (in memory only), and the fibers that work on them. A task's result is the
 * compact XML-RPC fragment of the value, whatever the client speaks.
 */
#include "xapid/request.h"
#include "xapid/server.h"

/* Make a pending task of the caller's. Errors: TOO_MANY_PENDING_TASKS when 2,000 are pending, 1,500 for
 * callers below the pool operator. Never yields. */
int task_open(struct call *c, const char *label, const char *description, bool cancellable, struct ref *ret,
              struct err *e);

/* Take over a pending task of the caller's that he made for this call: it can be cancelled from now on.
 * Errors: HANDLE_INVALID, RBAC_PERMISSION_DENIED, OPERATION_NOT_ALLOWED. Never yields. */
int task_adopt(struct call *c, struct ref task, struct err *e);

/* Complete a pending task: as failed when error is filled, as cancelled when its code is TASK_CANCELLED, else
 * with success and result (XML, may be ""). Nothing when the task is gone or complete already; a task whose
 * destruction was asked for goes away. Never yields. */
void task_complete(struct db *db, struct ref task, const char *result, const struct err *error);

/* The part of it that is the same however a task ends; in a transaction. */
void task_end(struct txn *t, const struct task *task, enum task_status_type status);

bool task_is_pending(const struct task *task);

/* Run a checked request (whose memory moves to the task) in a fiber of its own and answer the task. Never
 * yields. */
int task_start_async(struct request *q, struct ref *ret, struct err *e);

/* Let task.cancel reach the running fiber until task_unregister: for work that came by its task in other ways
 * than Async. */
struct task_worker;
struct task_worker *task_register(struct ref task);
void task_unregister(struct task_worker *w);

/* Ask the fiber that works on the task to unwind; false when none does. */
bool task_cancel_worker(struct ref task);

/* Wait until nothing works on a task any more. 0 or -errno. */
int co_task_wait_all(int64_t deadline);

/* Cancel all and wait until they have unwound or the deadline is over. */
void co_task_stop_all(int64_t deadline);

/* May the caller change this task? Its own user's, or any for a pool operator. */
int task_check_owner(struct call *c, const struct task *task, struct err *e);

/* Forget what has been complete for more than an hour, and the oldest beyond the limit. */
void task_collect(struct db *db, int64_t now);

#endif
