#include "db/committer.h"
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include "lib/clock.h"

/* How long the thread looks for the next run before it sleeps. */
#define THREAD_LOOKS_NS 50000

/* Looking was in vain when a run takes longer than this (a slow disk), or when the one who looks is
 * preempted: then others need the processors, and looking makes the scheduler take this process for a greedy
 * one. After that both sides sleep for a while, longer each time. */
#define LOOK_NS 300000
#define RESPITE_MIN_NS 100000000LL
#define RESPITE_MAX_NS 10000000000LL

static bool is_set(const unsigned *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void set(unsigned *flag, unsigned value)
{
    __atomic_store_n(flag, value, __ATOMIC_RELEASE);
}

/* Looking for another thread only helps where that one can run meanwhile. */
static bool may_look(void)
{
    static long n_cpus;

    if (n_cpus == 0)
        n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return n_cpus > 1;
}

/* ---- the thread ---- */

static void pause_cpu(void)
{
#if defined __x86_64__
    for (int i = 0; i < 16; i++)
        __builtin_ia32_pause();
#endif
}

static void look_for_work(struct committer *c)
{
    int64_t until = clock_now() + THREAD_LOOKS_NS;

    while (!is_set(&c->asked) && !is_set(&c->stopped) && clock_now() < until)
        pause_cpu();
}

static void sleep_until_work(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    while (!is_set(&c->asked) && !is_set(&c->stopped)) {
        c->asleep = true;
        pthread_cond_wait(&c->wake, &c->lock);
        c->asleep = false;
    }
    pthread_mutex_unlock(&c->lock);
}

static void *thread_main(void *arg)
{
    struct committer *c = arg;

    for (;;) {
        if (is_set(&c->look))
            look_for_work(c);
        sleep_until_work(c);
        if (is_set(&c->stopped))
            return NULL;
        set(&c->asked, 0);
        c->run(c->arg);
        set(&c->done, 1);
        ev_async_send(loop_get(), &c->finished);
    }
}

/* Threads inherit the mask: with every signal blocked they all go to the loop's thread. */
static int thread_start(struct committer *c)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&c->thread, NULL, thread_main, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    c->started = r == 0;
    return -r;
}

/* ---- the loop's side ---- */

static bool was_preempted(struct committer *c)
{
    struct rusage usage;
    bool more;

    getrusage(RUSAGE_THREAD, &usage);
    more = usage.ru_nivcsw != c->preempted;
    c->preempted = usage.ru_nivcsw;
    return more;
}

/* Learn from a run whether to look for the next one. */
static void learn(struct committer *c)
{
    int64_t now = clock_now();

    if (!is_set(&c->look)) {
        if (now >= c->look_again && may_look() && !was_preempted(c))
            set(&c->look, 1);
    } else if (now - c->began > LOOK_NS || was_preempted(c)) {
        set(&c->look, 0);
        c->look_again = now + c->respite;
        c->respite = c->respite * 2 < RESPITE_MAX_NS ? c->respite * 2 : RESPITE_MAX_NS;
    } else if (c->respite > RESPITE_MIN_NS) {
        c->respite -= c->respite / 256;
    }
}

static void note_end(struct committer *c)
{
    if (!is_set(&c->done))
        return;
    set(&c->done, 0);
    ev_idle_stop(loop_get(), &c->looking);
    learn(c);
    fiber_cond_signal(&c->ended);
}

static void finished_cb(struct ev_loop *loop, ev_async *w, int revents)
{
    note_end(w->data);
}

/* Called again and again while the loop has nothing else to do. */
static void looking_cb(struct ev_loop *loop, ev_idle *w, int revents)
{
    struct committer *c = w->data;

    note_end(c);
    if (ev_is_active(w) && clock_now() - c->began > LOOK_NS)
        ev_idle_stop(loop, w);
}

void committer_init(struct committer *c, void (*run)(void *arg), void *arg)
{
    *c = (struct committer){.run = run, .arg = arg, .respite = RESPITE_MIN_NS};
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    fiber_cond_init(&c->ended);
    ev_async_init(&c->finished, finished_cb);
    ev_idle_init(&c->looking, looking_cb);
    c->finished.data = c;
    c->looking.data = c;
}

static void ask(struct committer *c, unsigned *flag)
{
    pthread_mutex_lock(&c->lock);
    set(flag, 1);
    if (c->asleep)
        pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

int co_committer_run(struct committer *c)
{
    int r = c->started ? 0 : thread_start(c);

    if (r < 0)
        return r;
    c->began = clock_now();
    if (!ev_is_active(&c->finished))
        ev_async_start(loop_get(), &c->finished);
    if (is_set(&c->look))
        ev_idle_start(loop_get(), &c->looking);
    ask(c, &c->asked);
    fiber_mask_cancel();
    co_cond_wait(&c->ended, CLOCK_NEVER, "a database commit");
    fiber_unmask_cancel();
    if (is_set(&c->stopped))
        return -ECANCELED;
    /* While nothing runs, the watcher must not keep the loop alive. */
    ev_async_stop(loop_get(), &c->finished);
    return 0;
}

void committer_stop(struct committer *c)
{
    ask(c, &c->stopped);
    if (c->started)
        pthread_join(c->thread, NULL);
    ev_async_stop(loop_get(), &c->finished);
    ev_idle_stop(loop_get(), &c->looking);
    fiber_cond_broadcast(&c->ended);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
}
