#include "xapid/task/task.h"
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/log.h"

enum { KEEP_COMPLETE = 65 * 60, KEEP_PENDING = 24 * 3600, KEEP_COUNT = 200 };
/* The last quarter is for those who may cancel the others' tasks. */
enum { PENDING_LIMIT = 2000, PENDING_LIMIT_OTHERS = 1500 };
enum { COLLECT_EARLY = 10000 };

bool task_is_pending(const struct task *task)
{
    return task->status == TASK_STATUS_TYPE_PENDING || task->status == TASK_STATUS_TYPE_CANCELLING;
}

static const struct set *cancel_only(void *ctx)
{
    struct set *s = talloc_zero_size(ctx, sizeof *s + sizeof s->v[0]);
    s->n = 1;
    s->v[0].i = TASK_ALLOWED_OPERATIONS_CANCEL;
    return s;
}

/* A storm of tasks must not fill the memory before the housekeeping comes round. */
static int make_room(struct call *c, struct err *e)
{
    bool operator= c->roles &(ROLE_POOL_ADMIN | ROLE_POOL_OPERATOR);
    unsigned pending = 0;
    if (db_count(c->db, CLASS_TASK) >= COLLECT_EARLY)
        task_collect(c->db, clock_wall());
    DB_FOREACH_TASK (c->db, task)
        pending += task_is_pending(task);
    if (pending < (operator? PENDING_LIMIT : PENDING_LIMIT_OTHERS))
        return 0;
    return err_too_many_pending_tasks(e);
}

int task_open(struct call *c, const char *label, const char *description, bool cancellable, struct ref *ret,
              struct err *e)
{
    if (make_room(c, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    const struct task *task = task_create(t);
    struct ref ref = task->row.ref;
    task_set_name_label(t, task, label);
    task_set_name_description(t, task, description);
    task_set_created(t, task, clock_wall());
    task_set_status(t, task, TASK_STATUS_TYPE_PENDING);
    task_set_resident_on(t, task, c->x->host);
    task_set_type(t, task, "<none/>");
    task_set_session(t, task, c->session);
    if (cancellable)
        task_set_allowed_operations(t, task, cancel_only(c->mem));
    if (db_commit(t, e) < 0)
        return -1;
    *ret = ref;
    return 0;
}

/* Has task.destroy been called while the task was pending? */
static bool is_to_be_destroyed(const struct task *task)
{
    for (uint32_t i = 0; i < map_count(task->current_operations); i++)
        if (task->current_operations->e[i].v.i == TASK_ALLOWED_OPERATIONS_DESTROY)
            return true;
    return false;
}

/* error_info: the code and its parameters. */
static const struct set *error_info(void *ctx, const struct err *error)
{
    struct set *s = talloc_zero_size(ctx, sizeof *s + (error->n_params + 1) * sizeof s->v[0]);
    s->n = error->n_params + 1;
    s->v[0].s = error->code;
    for (unsigned i = 0; i < error->n_params; i++)
        s->v[i + 1].s = error->params[i];
    return s;
}

static enum task_status_type outcome(const struct err *error)
{
    if (!error || !err_is_set(error))
        return TASK_STATUS_TYPE_SUCCESS;
    return err_is(error, "TASK_CANCELLED") ? TASK_STATUS_TYPE_CANCELLED : TASK_STATUS_TYPE_FAILURE;
}

void task_end(struct txn *t, const struct task *task, enum task_status_type status)
{
    if (is_to_be_destroyed(task)) {
        db_delete(t, &task->row);
        return;
    }
    task_set_progress(t, task, 1.0);
    task_set_finished(t, task, clock_wall());
    task_set_allowed_operations(t, task, NULL);
    task_set_current_operations(t, task, NULL);
    task_set_status(t, task, status);
}

static int record_end(struct db *db, const struct task *task, const char *result, const struct err *error,
                      struct err *e)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    enum task_status_type status = outcome(error);
    struct txn *t = db_begin(db);
    if (status == TASK_STATUS_TYPE_SUCCESS)
        task_set_result(t, task, result);
    else
        task_set_error_info(t, task, error_info(ctx, error));
    task_end(t, task, status);
    return db_commit(t, e);
}

void task_complete(struct db *db, struct ref ref, const char *result, const struct err *error)
{
    CLEANUP_ERR struct err e = {0};
    const struct task *task = db_task(db, ref);
    if (!task || !task_is_pending(task))
        return;
    /* Whoever waits for it would wait for ever. */
    if (record_end(db, task, result, error, &e) < 0 && record_end(db, task, result, error, &e) < 0)
        log_error("a task's end was not recorded: %s", e.code);
}

int task_check_owner(struct call *c, const struct task *task, struct err *e)
{
    if (c->roles & (ROLE_POOL_ADMIN | ROLE_POOL_OPERATOR))
        return 0;
    const struct session *mine = db_session(c->db, c->session), *theirs = db_session(c->db, task->session);
    const char *my_sid = mine && mine->auth_user_sid ? mine->auth_user_sid : "";
    if (theirs && theirs->auth_user_sid && *my_sid && strcmp(my_sid, theirs->auth_user_sid) == 0)
        return 0;
    return err_rbac_permission_denied(e, "task.cancel/any", "The task is another user's");
}

int task_adopt(struct call *c, struct ref ref, struct err *e)
{
    const struct task *task = (const struct task *)call_row(c, CLASS_TASK, ref, e);
    if (!task || task_check_owner(c, task, e) < 0)
        return -1;
    if (!task_is_pending(task) || map_count(task->current_operations) > 0)
        return err_operation_not_allowed(e, "The task is at its end already");
    struct txn *t = db_begin(c->db);
    task_set_allowed_operations(t, task, cancel_only(c->mem));
    return db_commit(t, e);
}

void task_collect(struct db *db, int64_t now)
{
    CLEANUP_ERR struct err ignored = {0};
    unsigned complete = 0;
    DB_FOREACH_TASK (db, task)
        complete += !task_is_pending(task);
    struct txn *t = db_begin(db);
    const struct task *next;
    for (const struct task *task = (const struct task *)db_first(db, CLASS_TASK); task; task = next) {
        next = task_next(task);
        bool pending = task_is_pending(task);
        bool old = pending ? now - task->created > KEEP_PENDING : now - task->finished > KEEP_COMPLETE;
        if (!old && (pending || complete <= KEEP_COUNT))
            continue;
        complete -= !pending;
        db_delete(t, &task->row);
    }
    (void)db_commit(t, &ignored);
}
