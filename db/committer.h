#ifndef DB_COMMITTER_H
#define DB_COMMITTER_H
/*
 * The thread that runs SQLite's commits. It is the database's own and not one of the worker pool's, so that
 * answers never stand behind a slow job there, and so that handing over can be quick: where commits are
 * short, both sides look for each other for some microseconds before they sleep, which saves two wake-ups a
 * commit. One run at a time. All functions belong to the loop's thread.
 */
#include <ev.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "lib/fiber.h"

struct committer {
    void (*run)(void *arg); /* on the thread */
    void *arg;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    unsigned asked, done, stopped; /* atomic, as the next: both threads look at them */
    unsigned look;                 /* do not sleep at once */
    bool asleep;                   /* under the lock */
    int64_t began;
    int64_t look_again, respite; /* when looking was in vain: from when on to try it anew, after how long */
    long preempted;              /* how often the loop's thread was, at the last look */
    ev_async finished;
    ev_idle looking;
    struct fiber_cond ended;
};

void committer_init(struct committer *c, void (*run)(void *arg), void *arg);

/* Have run(arg) called once on the thread and wait for its end: 0, or -errno when there is no thread. Ends
 * early, with -ECANCELED, only by committer_stop. */
int co_committer_run(struct committer *c);

/* Let a run that has begun come to its end, then end the thread; one that has not begun is dropped. Blocks.
 */
void committer_stop(struct committer *c);

#endif
