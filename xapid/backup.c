#include "xapid/backup.h"
#include <errno.h>
#include <malloc.h>
#include <talloc.h>
#include "db/backup.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"

/* How often the clock is looked at, at most. */
enum { LOOK_MS = 60 * 1000 };

static char *folder_of(void *ctx, const struct xapid_options *o)
{
    return o->backup_dir ? talloc_strdup(ctx, o->backup_dir)
                         : talloc_asprintf(ctx, "%s/backups", o->state_dir);
}

/* ---- on a worker ---- */

struct job {
    char *database, *folder;
    struct backup_bounds bounds;
    struct err error;
};

static int run_job(void *arg)
{
    struct job *job = arg;
    int r = backup_add(job->database, job->folder, job->bounds, &job->error);
    malloc_trim(0); /* SQLite's view of schema and pages, which nobody needs for hours */
    return r;
}

/* ---- the fiber ---- */

/* A clock that was set back counts as due. */
static bool is_due(const struct xapid_options *o)
{
    CLEANUP_TALLOC char *folder = folder_of(NULL, o);
    int64_t newest = backup_newest_time(folder), now = clock_wall();
    return o->backup_interval > 0 && (now - newest >= o->backup_interval || newest > now);
}

int co_backup_now(const struct xapid *x, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct xapid_options *o = &x->options;
    struct job job = {.database = talloc_asprintf(mem, "%s/xapid.db", o->state_dir),
                      .folder = folder_of(mem, o),
                      .bounds = {(unsigned)o->backup_number, (uint64_t)o->backup_max_mib << 20}};
    int r = co_run_worker(run_job, &job, "a backup of the database");
    err_move(e, &job.error);
    return r;
}

/* Tell of a failure once, not every minute. */
static void co_try(const struct xapid *x, bool *failed)
{
    CLEANUP_ERR struct err e = {0};
    int r = co_backup_now(x, &e);
    if (r < 0 && !*failed && err_is_set(&e))
        log_error("the database could not be backed up: %s", e.params[0]);
    else if (r == 0 && *failed)
        log_info("the database is backed up again");
    *failed = r < 0;
}

static int64_t pause_ms(const struct xapid_options *o)
{
    int64_t interval = (int64_t)o->backup_interval * 1000;
    return interval > 0 && interval < LOOK_MS ? interval : LOOK_MS;
}

static void co_back_up_again_and_again(void *arg)
{
    const struct xapid *x = arg;
    bool failed = false;
    while (co_sleep_until(clock_in_ms(pause_ms(&x->options)), "the next backup of the database") !=
           -ECANCELED)
        if (is_due(&x->options) && !db_is_short_of_space(x->db))
            co_try(x, &failed);
}

void backup_start(struct xapid *x)
{
    fiber_spawn("backup", co_back_up_again_and_again, x);
}

void backup_advise(const struct xapid_options *o, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    char *good = backup_newest_good(mem, folder_of(mem, o));
    CLEANUP_ERR struct err more = {0};
    if (!good)
        return;
    err_internal(&more,
                 "%s. The newest good backup is %s; to go back to it: xapid --state-dir %s --restore-db %s",
                 e->params[0], good, o->state_dir, good);
    err_clear(e);
    err_move(e, &more);
}
