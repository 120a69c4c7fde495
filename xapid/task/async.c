#include <sys/queue.h>
#include <talloc.h>
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "xapid/task/task.h"

/* A fiber at work on a task. */
struct task_worker {
    struct ref task;
    struct fiber *fiber;
    struct request *request; /* Async only */
    LIST_ENTRY(task_worker) link;
};

static LIST_HEAD(, task_worker) workers = LIST_HEAD_INITIALIZER(workers);
static struct fiber_cond worker_ended = FIBER_COND_INIT(worker_ended);

static struct task_worker *add_worker(struct ref task)
{
    struct task_worker *w = mem_zalloc(sizeof *w);
    w->task = task;
    LIST_INSERT_HEAD(&workers, w, link);
    return w;
}

struct task_worker *task_register(struct ref task)
{
    struct task_worker *w = add_worker(task);
    w->fiber = fiber_ref(fiber_self());
    return w;
}

void task_unregister(struct task_worker *w)
{
    LIST_REMOVE(w, link);
    fiber_unref(w->fiber);
    free(w);
    fiber_cond_broadcast(&worker_ended);
}

bool task_cancel_worker(struct ref task)
{
    struct task_worker *w;
    LIST_FOREACH (w, &workers, link) {
        if (ref_equal(w->task, task)) {
            fiber_cancel(w->fiber);
            return true;
        }
    }
    return false;
}

int co_task_wait_all(int64_t deadline)
{
    int r = 0;
    while (r == 0 && !LIST_EMPTY(&workers))
        r = co_cond_wait(&worker_ended, deadline, "tasks to end");
    return r;
}

void co_task_stop_all(int64_t deadline)
{
    struct task_worker *w;
    LIST_FOREACH (w, &workers, link)
        fiber_cancel(w->fiber);
    (void)co_task_wait_all(deadline);
}

/* What a cancelled task says, whatever error its unwinding came up with. */
static void set_cancelled(struct err *e, struct ref task)
{
    char text[REF_TEXT_SIZE];
    ref_format(task, text);
    err_clear(e);
    err_task_cancelled(e, text);
}

/* The fiber of an Async call. */
static void co_run(void *arg)
{
    struct task_worker *w = arg;
    struct request *q = w->request;
    CLEANUP_BUF struct buf out = {0};
    CLEANUP_ERR struct err e = {0};
    struct enc enc = {.out = &out, .format = ENC_XML};
    fiber_set_context(fiber_self(), &q->call);
    if (co_request_run(q, &enc, &e) < 0 && fiber_cancelled(fiber_self()))
        set_cancelled(&e, q->call.task);
    task_complete(q->call.db, q->call.task, buf_cstr(&out), &e);
    fiber_set_context(fiber_self(), NULL);
    task_unregister(w);
    talloc_free(q);
}

int task_start_async(struct request *q, struct ref *ret, struct err *e)
{
    struct call *c = &q->call;
    if (task_open(c, q->rpc.method, "", true, &c->task, e) < 0)
        return -1;
    c->has_task = true;
    *ret = c->task;
    struct task_worker *w = add_worker(c->task);
    w->request = talloc_steal(NULL, q);
    w->fiber = fiber_ref(fiber_spawn(q->rpc.method, co_run, w));
    return 0;
}
