#include "hv/qemu/jobs.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "hv/qemu/migration.h"
#include "lib/clock.h"

#define END_MS 30000

static bool begins_so(const char *name, const char *prefix)
{
    return name && strncmp(name, prefix, strlen(prefix)) == 0;
}

/* ---- how far they are ---- */

static void count_job(struct qemu_jobs *j, const char *prefix, const json_t *job)
{
    const char *status = json_string_value(json_object_get(job, "status"));
    const char *why = json_string_value(json_object_get(job, "error"));

    if (!begins_so(json_string_value(json_object_get(job, "id")), prefix) || !status)
        return;
    j->n++;
    j->n_ready += strcmp(status, "ready") == 0;
    j->n_concluded += strcmp(status, "concluded") == 0;
    j->done += json_number_value(json_object_get(job, "current-progress"));
    j->total += json_number_value(json_object_get(job, "total-progress"));
    if (why)
        snprintf(j->why, sizeof j->why, "%s", why);
}

int co_qemu_look_at_jobs(struct qemu_vm *vm, const char *prefix, struct qemu_jobs *ret, struct err *e)
{
    json_t *list = NULL, *job;
    int r = co_qemu_ask(vm, "query-jobs", NULL, &list, e);
    size_t i;

    *ret = (struct qemu_jobs){0};
    json_array_foreach (list, i, job)
        count_job(ret, prefix, job);
    json_decref(list);
    return r;
}

int co_qemu_wait_jobs(struct qemu_vm *vm, const char *prefix, unsigned n, bool concluded, int64_t deadline,
                      hv_progress_fn *progress, void *arg, struct err *e)
{
    for (;;) {
        unsigned moves = vm->moves;
        struct qemu_jobs j;
        int r = co_qemu_look_at_jobs(vm, prefix, &j, e);

        if (r == 0 && (j.n < n || (!concluded && (j.why[0] || j.n_concluded > 0)))) {
            err_internal(e, "a disk of %s cannot be copied: %s", vm->uuid,
                         j.why[0] ? j.why : "its mirror has ended");
            r = -EREMOTEIO;
        }
        if (r < 0 || (concluded ? j.n_concluded : j.n_ready) == j.n)
            return r;
        if (progress && j.total > 0 && j.done <= j.total)
            progress(j.done / j.total, arg);
        r = co_qemu_wait_news(vm, moves, deadline);
        if (r < 0) {
            err_errno(e, r, "the disks of %s", vm->uuid);
            return r;
        }
    }
}

/* ---- ending them ---- */

int co_qemu_drop_node(struct qemu_vm *vm, const char *name, struct err *e)
{
    return co_qemu_ask(vm, "blockdev-del", json_pack("{s:s}", "node-name", name), NULL, e);
}

int co_qemu_end_job(struct qemu_vm *vm, const char *name, bool force, struct err *e)
{
    return co_qemu_ask(vm, "block-job-cancel", json_pack("{s:s, s:b}", "device", name, "force", force), NULL,
                       e);
}

int co_qemu_dismiss_job(struct qemu_vm *vm, const char *name, struct err *e)
{
    return co_qemu_ask(vm, "job-dismiss", json_pack("{s:s}", "id", name), NULL, e);
}

int co_qemu_each_found(struct qemu_vm *vm, const char *query, json_t *arguments, const char *key,
                       const char *prefix, int (*co_do)(struct qemu_vm *vm, const char *name, struct err *e),
                       struct err *e)
{
    json_t *list = NULL, *entry;
    int r = co_qemu_ask(vm, query, arguments, &list, e);
    size_t i;

    json_array_foreach (list, i, entry) {
        const char *name = json_string_value(json_object_get(entry, key));
        CLEANUP_ERR struct err refusal = {0};

        if (r < 0 || !begins_so(name, prefix))
            continue;
        r = co_do(vm, name, &refusal);
        if (r == -EREMOTEIO)
            r = 0;
        else if (r < 0)
            err_move(e, &refusal);
    }
    json_decref(list);
    return r;
}

static int co_break_off(struct qemu_vm *vm, const char *name, struct err *e)
{
    return co_qemu_end_job(vm, name, true, e);
}

int co_qemu_abandon_jobs(struct qemu_vm *vm, const char *prefix, struct err *e)
{
    int r = co_qemu_each_found(vm, "query-jobs", NULL, "id", prefix, co_break_off, e);

    if (r == 0)
        r = co_qemu_wait_jobs(vm, prefix, 0, true, clock_in_ms(END_MS), NULL, NULL, e);
    return r < 0 ? r : co_qemu_each_found(vm, "query-jobs", NULL, "id", prefix, co_qemu_dismiss_job, e);
}
