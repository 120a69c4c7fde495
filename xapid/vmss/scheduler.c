#include "xapid/vmss/scheduler.h"
#include <errno.h>
#include <stdlib.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "xapid/role/role.h"
#include "xapid/vmss/run.h"
#include "xapid/vmss/timetable.h"

enum { LOOK_MS = 20 * 1000, MAKE_UP_S = 15 * 60 };

static bool is_due(const struct vmss *s, int64_t from, int64_t to)
{
    int64_t turn = timetable_last_turn(s->frequency, s->schedule, to);
    return s->enabled && turn > from && turn > s->last_run_time;
}

const struct set *vmss_due(void *ctx, struct db *db, int64_t from, int64_t to)
{
    uint32_t n = 0;
    struct ref *refs = talloc_array(ctx, struct ref, db_count(db, CLASS_VMSS) + 1);

    DB_FOREACH (db, CLASS_VMSS, row)
        if (is_due((const struct vmss *)row, from, to))
            refs[n++] = row->ref;
    return set_of_refs(ctx, refs, n);
}

/* ---- a turn, in a fiber of its own so that others are not kept waiting ---- */

struct turn {
    struct xapid *x;
    struct ref vmss;
};

static void co_turn(void *arg)
{
    struct turn *turn = arg;
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_BUF struct buf summary = {0};
    CLEANUP_ERR struct err e = {0};
    struct call c = {.x = turn->x, .db = turn->x->db, .mem = mem, .roles = ROLE_ALL, .task = ref_new()};

    if (co_vmss_run(&c, turn->vmss, &summary, &e) < 0)
        log_warning("a snapshot schedule: %s", err_text(mem, &e));
    else
        log_info("a snapshot schedule had its turn: %s", buf_cstr(&summary));
    free(turn);
}

static void look(struct xapid *x, int64_t from, int64_t to)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    const struct set *due = vmss_due(ctx, x->db, from, to);

    for (uint32_t i = 0; i < set_count(due); i++) {
        struct turn *turn = mem_zalloc(sizeof *turn);
        *turn = (struct turn){x, due->v[i].r};
        fiber_spawn("snapshot schedule", co_turn, turn);
    }
}

static void co_schedule(void *arg)
{
    struct xapid *x = arg;
    int64_t seen = clock_wall() - MAKE_UP_S;

    do {
        int64_t now = clock_wall();
        look(x, seen, now);
        seen = now;
    } while (co_sleep_until(clock_in_ms(LOOK_MS), "the next look at snapshot schedules") != -ECANCELED);
}

void vmss_scheduler_start(struct xapid *x)
{
    fiber_spawn("snapshot schedules", co_schedule, x);
}
