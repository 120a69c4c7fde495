#include "lib/undo.h"
#include <stdlib.h>
#include <string.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"

struct undo_step {
    struct undo_step *older;
    char *what;
    int (*co_fn)(void *arg);
    _Alignas(max_align_t) char arg[];
};

void undo_push(struct undo *u, const char *what, int (*co_fn)(void *arg), const void *arg, size_t size)
{
    struct undo_step *step = mem_zalloc(sizeof *step + size);

    step->what = mem_strdup(what);
    step->co_fn = co_fn;
    if (size > 0)
        memcpy(step->arg, arg, size);
    step->older = u->newest;
    u->newest = step;
}

/* Take the newest step off the list; the caller releases it. */
static struct undo_step *undo_pop(struct undo *u)
{
    struct undo_step *step = u->newest;

    if (step)
        u->newest = step->older;
    return step;
}

static void undo_step_free(struct undo_step *step)
{
    free(step->what);
    free(step);
}

void co_undo_run(struct undo *u)
{
    struct undo_step *step;

    fiber_mask_cancel();
    while ((step = undo_pop(u))) {
        int r = step->co_fn(step->arg);

        if (r < 0)
            log_error("undo: %s: %s", step->what, strerror(-r));
        undo_step_free(step);
    }
    fiber_unmask_cancel();
}

void undo_disarm(struct undo *u)
{
    struct undo_step *step;

    while ((step = undo_pop(u)))
        undo_step_free(step);
}
