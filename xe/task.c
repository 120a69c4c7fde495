#include "xe/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "xe/failure.h"

#define EVENT_SECONDS 30.0
#define PROGRESS_COLUMNS 70

/* One line of progress on stderr. */
static void show_progress(double done, unsigned *spin)
{
    static const char hashes[PROGRESS_COLUMNS + 1] =
        "######################################################################";
    int columns = (int)(done * PROGRESS_COLUMNS);

    if (columns < 0 || columns > PROGRESS_COLUMNS)
        columns = columns < 0 ? 0 : PROGRESS_COLUMNS;
    fprintf(stderr, "\r %3d%% %c %.*s", (int)(done * 100), "|/-\\"[(*spin)++ % 4], columns, hashes);
    fflush(stderr);
}

/* The error that a failed task holds. */
static int take_error(struct xe *x, const struct wire *task, struct err *e)
{
    const struct wire *info = wire_member(task, "error_info");

    if (!info || info->kind != WIRE_ARRAY || info->n == 0)
        return err_set(e, "INTERNAL_ERROR", 1, "the task failed and does not say why");
    err_set(e, wire_text(x, &info->items[0]), 0);
    for (uint32_t i = 1; i < info->n; i++)
        err_add_param(e, wire_text(x, &info->items[i]));
    return -1;
}

/* "<value>text</value>" is text. */
static const char *unwrap(struct xe *x, const char *result)
{
    static const char open[] = "<value>", close[] = "</value>";
    size_t n = strlen(result), around = sizeof(open) + sizeof(close) - 2;

    if (n < around || strncmp(result, open, sizeof(open) - 1) != 0)
        return result;
    return talloc_strndup(x->ctx, result + sizeof(open) - 1, n - around);
}

/* Look at a task's record: *ret_done says whether it has ended; then *ret_result is its result unless e is
 * set. */
static void look_at(struct xe *x, const char *ref, const struct wire *task, bool *ret_done,
                    const char **ret_result, struct err *e)
{
    const char *status = member_text(x, task, "status");

    *ret_done = true;
    if (strcmp(status, "success") == 0)
        *ret_result = unwrap(x, member_text(x, task, "result"));
    else if (strcmp(status, "failure") == 0)
        take_error(x, task, e);
    else if (strcmp(status, "cancelled") == 0)
        err_set(e, "TASK_CANCELLED", 1, ref);
    else
        *ret_done = false;
}

/* Follow events about the task until it has ended. */
static const char *co_follow(struct xe *x, const char *ref, bool progress, struct err *e)
{
    const char *token = "", *result = NULL, *subscription = talloc_asprintf(x->ctx, "task/%s", ref);
    const struct wire *classes = wire_text_set(x, &subscription, 1), *batch, *events;
    unsigned spin = 0;
    bool done = false;

    while (!done) {
        if (!(batch = co_call(x, e, "event.from", "wsf", classes, token, EVENT_SECONDS)))
            return NULL;
        token = member_text(x, batch, "token");
        events = wire_member(batch, "events");
        for (uint32_t i = 0; events && events->kind == WIRE_ARRAY && i < events->n && !done; i++) {
            const struct wire *event = &events->items[i], *task = wire_member(event, "snapshot");

            if (strcmp(member_text(x, event, "ref"), ref) != 0)
                continue;
            if (!task) {
                err_set(e, "HANDLE_INVALID", 2, "task", ref);
                return NULL;
            }
            if (progress)
                show_progress(strtod(member_text(x, task, "progress"), NULL), &spin);
            look_at(x, ref, task, &done, &result, e);
        }
    }
    if (progress)
        fputc('\n', stderr);
    return result;
}

static const char *co_wait(struct xe *x, const char *task, bool progress, struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    const char *result;

    if (!task)
        return NULL;
    result = co_follow(x, task, progress, e);
    if (!err_is(e, FAIL_CONTACT))
        co_call(x, &ignored, "task.destroy", "s", task);
    return result;
}

const char *co_task_wait(struct xe *x, const char *task, struct err *e)
{
    return co_wait(x, task, args_get(x->args, "progress") != NULL, e);
}

const char *co_task_wait_quietly(struct xe *x, const char *task, struct err *e)
{
    return co_wait(x, task, false, e);
}
