#include "tests/hv/moving.h"
#include <stdio.h>
#include <string.h>
#include "lib/fault.h"

void moving_init(struct moving *m, struct fixture *from, struct fixture *to, const struct hv_vm_spec *spec)
{
    *m = (struct moving){.from = from, .to = to, .spec = *spec, .passage.address = "127.0.0.1"};
    memcpy(m->passage.source, from->host, sizeof m->passage.source);
    memcpy(m->passage.destination, to->host, sizeof m->passage.destination);
}

static void note_progress(double done, void *arg)
{
    struct moving *m = arg;

    REQUIRE(done >= 0 && done <= 1);
    m->progress = done;
}

int co_moving_step(struct moving *m, enum moving_step step, struct err *e)
{
    struct hv *from = m->from->hv, *to = m->to->hv;
    const char *uuid = m->spec.uuid;

    switch (step) {
    case STEP_RECEIVE:
        if (to->driver->co_receive(to, &m->spec, &m->passage, &m->reception, e) < 0)
            return -1;
        m->passage.memory_port = m->reception.memory_port;
        m->passage.disk_port = m->reception.disk_port;
        return 0;
    case STEP_PREPARE:
        return from->driver->co_move_prepare(from, uuid, &m->passage, note_progress, m, e);
    case STEP_SWITCH:
        return to->driver->co_move_switch(to, uuid, e);
    case STEP_FINISH:
        return from->driver->co_move_finish(from, uuid, e);
    case STEP_ACCEPT:
        m->decided = true;
        return to->driver->co_move_accept(to, uuid, e);
    case STEP_DRAIN:
        return from->driver->co_move_drain(from, uuid, note_progress, m, e);
    case STEP_STOP:
        return from->driver->co_stop(from, uuid, e);
    }
    return -1;
}

static void co_must(int r, struct err *e)
{
    if (r < 0)
        fprintf(stderr, "settling: %s %s\n", e->code, e->n_params ? e->params[e->n_params - 1] : "");
    REQUIRE(r == 0);
}

void co_moving_settle(struct moving *m)
{
    CLEANUP_ERR struct err e = {0};
    struct hv *from = m->from->hv, *to = m->to->hv;

    fault_disarm();
    if (m->decided) {
        for (unsigned step = STEP_ACCEPT; step < MOVING_STEPS; step++)
            if (step != STEP_DRAIN || from->driver->state(from, m->spec.uuid) != HV_STATE_GONE)
                co_must(co_moving_step(m, step, &e), &e);
    } else {
        co_must(to->driver->co_stop(to, m->spec.uuid, &e), &e);
        co_must(from->driver->co_move_cancel(from, m->spec.uuid, &e), &e);
    }
}

int co_moving_run(struct moving *m, struct err *e)
{
    for (unsigned step = 0; step < MOVING_STEPS; step++) {
        if (co_moving_step(m, step, e) < 0) {
            co_moving_settle(m);
            return m->decided ? 0 : -1;
        }
    }
    return 0;
}
