/* The worker pool: co_run_worker of lib/fiber.h. */
#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <signal.h>
#include "lib/fiber.h"
#include "lib/fiber_private.h"

#define WORKERS_MAX 4
#define WORKER_STACK_SIZE (1024 * 1024)

/* On the waiting fiber's stack. */
struct job {
    TAILQ_ENTRY(job) link;
    int (*fn)(void *arg);
    void *arg;
    struct fiber *fiber;
    int result;
    enum { JOB_QUEUED, JOB_BEGUN, JOB_DONE } state; /* under the lock until the fiber is woken */
};

TAILQ_HEAD(job_list, job);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct job_list queued = TAILQ_HEAD_INITIALIZER(queued); /* under the lock, as the next four */
static struct job_list done = TAILQ_HEAD_INITIALIZER(done);
static unsigned n_queued;
static unsigned n_threads;
static unsigned n_idle;

static ev_async finished; /* the workers' way back into the loop */
static unsigned n_jobs;   /* of the loop's thread: while there are any the loop must not end */

/* Under the lock. */
static void queue_remove(struct job *job)
{
    TAILQ_REMOVE(&queued, job, link);
    n_queued--;
}

static void *worker_main(void *unused)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        struct job *job = TAILQ_FIRST(&queued);

        if (!job) {
            n_idle++;
            pthread_cond_wait(&work, &lock);
            n_idle--;
            continue;
        }
        queue_remove(job);
        job->state = JOB_BEGUN;
        pthread_mutex_unlock(&lock);
        job->result = job->fn(job->arg);
        pthread_mutex_lock(&lock);
        job->state = JOB_DONE;
        TAILQ_INSERT_TAIL(&done, job, link);
        ev_async_send(loop_get(), &finished);
    }
    return NULL;
}

static void finished_cb(struct ev_loop *loop, ev_async *w, int revents)
{
    struct job_list batch = TAILQ_HEAD_INITIALIZER(batch);
    struct job *job;

    pthread_mutex_lock(&lock);
    TAILQ_CONCAT(&batch, &done, link);
    pthread_mutex_unlock(&lock);
    while ((job = TAILQ_FIRST(&batch))) {
        TAILQ_REMOVE(&batch, job, link);
        fiber_wake(job->fiber, 0);
    }
}

/* Threads inherit the mask: with every signal blocked they all go to the loop's thread. */
static int thread_start(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, WORKER_STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&thread, &attr, worker_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -r;
}

/* Under the lock. Answers -errno only when there is no thread at all to do the work. */
static int threads_ensure(void)
{
    int r;

    /* An idle thread that was woken for a job counts as idle until it has taken it. */
    if (n_idle > n_queued || n_threads == WORKERS_MAX)
        return 0;
    r = thread_start();
    if (r == 0)
        n_threads++;
    return n_threads > 0 ? 0 : r;
}

static int job_submit(struct job *job)
{
    int r;

    pthread_mutex_lock(&lock);
    r = threads_ensure();
    if (r == 0) {
        TAILQ_INSERT_TAIL(&queued, job, link);
        n_queued++;
        pthread_cond_signal(&work);
    }
    pthread_mutex_unlock(&lock);
    return r;
}

/* Take a job back that no thread has begun. */
static bool job_withdraw(struct job *job)
{
    bool withdrawn;

    pthread_mutex_lock(&lock);
    withdrawn = job->state == JOB_QUEUED;
    if (withdrawn)
        queue_remove(job);
    pthread_mutex_unlock(&lock);
    return withdrawn;
}

/* The watcher counts for the loop only while a fiber waits for a worker. */
static void jobs_count(int change)
{
    struct ev_loop *loop = loop_get();

    if (!ev_is_active(&finished)) {
        ev_async_init(&finished, finished_cb);
        ev_async_start(loop, &finished);
        ev_unref(loop);
    }
    if (n_jobs == 0)
        ev_ref(loop);
    n_jobs += (unsigned)change;
    if (n_jobs == 0)
        ev_unref(loop);
}

static int co_job_wait(struct job *job)
{
    int r = co_fiber_park();

    if (r == -ECANCELED && job_withdraw(job))
        return r;
    if (r == -ECANCELED) {
        fiber_mask_cancel();
        co_fiber_park();
        fiber_unmask_cancel();
    }
    return job->result;
}

int co_run_worker(int (*fn)(void *arg), void *arg, const char *what, ...)
{
    struct job job = {.fn = fn, .arg = arg, .fiber = fiber_self()};
    va_list ap;
    int r;

    va_start(ap, what);
    r = fiber_wait_begin(what, ap);
    va_end(ap);
    if (r < 0)
        return r;
    jobs_count(1);
    r = job_submit(&job);
    if (r == 0)
        r = co_job_wait(&job);
    jobs_count(-1);
    return r;
}
