#include <talloc.h>
#include "model/args.gen.h"
#include "xapid/handlers.gen.h"
#include "xapid/task/task.h"

/* The task that the caller may change. */
static const struct task *own_task(struct call *c, struct ref ref, struct err *e)
{
    const struct row *row = call_row(c, CLASS_TASK, ref, e);
    if (!row || task_check_owner(c, (const struct task *)row, e) < 0)
        return NULL;
    return (const struct task *)row;
}

int co_task_create(struct call *c, const struct task_create_args *a, union value *ret, struct err *e)
{
    return task_open(c, a->label, a->description, false, &ret->r, e);
}

/* Write that an operation on the task itself is under way. */
static int set_current_operation(struct call *c, const struct task *task, int operation, struct err *e)
{
    char *key = talloc_array(c->mem, char, REF_TEXT_SIZE);
    ref_format(task->row.ref, key);
    struct map *m = talloc_zero_size(c->mem, sizeof *m + sizeof m->e[0]);
    m->n = 1;
    m->e[0] = (struct map_entry){.k = {.s = key}, .v = {.i = operation}};
    struct txn *t = db_begin(c->db);
    task_set_current_operations(t, task, m);
    return db_commit(t, e);
}

int co_task_destroy(struct call *c, const struct task_destroy_args *a, struct err *e)
{
    const struct task *task = own_task(c, a->self, e);
    if (!task)
        return -1;
    if (task_is_pending(task))
        return set_current_operation(c, task, TASK_ALLOWED_OPERATIONS_DESTROY, e);
    struct txn *t = db_begin(c->db);
    db_delete(t, &task->row);
    return db_commit(t, e);
}

int co_task_cancel(struct call *c, const struct task_cancel_args *a, struct err *e)
{
    const struct task *task = own_task(c, a->task, e);
    if (!task)
        return -1;
    if (!task_is_pending(task))
        return 0;
    if (map_count(task->current_operations) == 0 &&
        set_current_operation(c, task, TASK_ALLOWED_OPERATIONS_CANCEL, e) < 0)
        return -1;
    task_cancel_worker(a->task);
    return 0;
}

/* A status that ends the task also does what completing it by its worker does. */
int co_task_set_status(struct call *c, const struct task_set_status_args *a, struct err *e)
{
    const struct task *task = own_task(c, a->self, e);
    if (!task)
        return -1;
    bool ends = a->value != TASK_STATUS_TYPE_PENDING && a->value != TASK_STATUS_TYPE_CANCELLING;
    struct txn *t = db_begin(c->db);
    if (ends && task_is_pending(task))
        task_end(t, task, a->value);
    else
        task_set_status(t, task, a->value);
    return db_commit(t, e);
}

int co_task_set_progress(struct call *c, const struct task_set_progress_args *a, struct err *e)
{
    const struct task *task = own_task(c, a->self, e);
    if (!task)
        return -1;
    struct txn *t = db_begin(c->db);
    task_set_progress(t, task, a->value);
    return db_commit(t, e);
}

int co_task_set_result(struct call *c, const struct task_set_result_args *a, struct err *e)
{
    const struct task *task = own_task(c, a->self, e);
    if (!task)
        return -1;
    struct txn *t = db_begin(c->db);
    task_set_result(t, task, a->value);
    return db_commit(t, e);
}

int co_task_set_error_info(struct call *c, const struct task_set_error_info_args *a, struct err *e)
{
    const struct task *task = own_task(c, a->self, e);
    if (!task)
        return -1;
    struct txn *t = db_begin(c->db);
    task_set_error_info(t, task, a->value);
    return db_commit(t, e);
}
