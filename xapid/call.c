#include "xapid/call.h"

void call_progress(struct call *c, double done)
{
    const struct task *task = c->has_task ? db_task(c->db, c->task) : NULL;
    if (!task || (done < 1 && done - task->progress < 0.01 && done >= task->progress))
        return;
    CLEANUP_ERR struct err ignored = {0};
    struct txn *t = db_begin(c->db);
    task_set_progress(t, task, done);
    (void)db_commit(t, &ignored);
}

const struct row *call_row(struct call *c, enum model_class_id cls, struct ref ref, struct err *e)
{
    const struct row *row = db_get(c->db, cls, ref);
    if (row)
        return row;
    char text[REF_TEXT_SIZE];
    ref_format(ref, text);
    err_handle_invalid(e, model_classes[cls].name, text);
    return NULL;
}
