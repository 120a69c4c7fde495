#include "tests/hv/moving.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fault.h"

#define SETTLE_MS 20000
#define AGAIN_MS 5

void moving_init(struct moving *m, struct fixture *from, struct fixture *to, const struct hv_vm_spec *spec)
{
    *m = (struct moving){.from = from, .to = to, .spec = *spec, .passage.address = "127.0.0.1"};
    memcpy(m->passage.source, from->host, sizeof m->passage.source);
    memcpy(m->passage.destination, to->host, sizeof m->passage.destination);
}

static void certify(const char *ca, const char *pool, const struct fixture *f)
{
    const char *source = getenv("XAPID_SRC");
    char command[600];

    snprintf(command, sizeof command, "sh '%s/tests/hv/pool_certificates.sh' '%s' %s '%s' %s",
             source ? source : ".", ca, pool, f->dir, f->host);
    REQUIRE(system(command) == 0);
}

void moving_certify(const struct moving *m)
{
    char ca[100], pool[UUID_TEXT_SIZE];

    uuid_new(pool);
    snprintf(ca, sizeof ca, "%s/ca", m->from->dir);
    certify(ca, pool, m->from);
    certify(ca, pool, m->to);
}

void moving_note_progress(double done, void *arg)
{
    struct moving *m = arg;

    REQUIRE(done >= 0 && done <= 1);
    m->progress = done;
}

static int co_receive(struct moving *m, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct hv *from = m->from->hv, *to = m->to->hv;

    if (from->driver->co_shape && from->driver->co_shape(from, m->spec.uuid, mem, &m->spec.shape, e) < 0)
        return -1;
    int r = to->driver->co_receive(to, &m->spec, &m->passage, &m->reception, e);
    m->spec.shape = NULL;
    if (r < 0)
        return -1;
    m->passage.memory_port = m->reception.memory_port;
    m->passage.disk_port = m->reception.disk_port;
    return 0;
}

int co_moving_step(struct moving *m, enum moving_step step, struct err *e)
{
    struct hv *from = m->from->hv, *to = m->to->hv;
    const char *uuid = m->spec.uuid;

    switch (step) {
    case STEP_RECEIVE:
        return co_receive(m, e);
    case STEP_PREPARE:
        return from->driver->co_move_prepare(from, uuid, &m->passage, moving_note_progress, m, e);
    case STEP_SWITCH:
        return to->driver->co_move_switch(to, uuid, e);
    case STEP_FINISH:
        return from->driver->co_move_finish(from, uuid, e);
    case STEP_ACCEPT:
        m->decided = true;
        return to->driver->co_move_accept(to, uuid, e);
    case STEP_DRAIN:
        return from->driver->co_move_drain(from, uuid, moving_note_progress, m, e);
    case STEP_STOP:
        return from->driver->co_stop(from, uuid, e);
    }
    return -1;
}

static int co_cancel(struct moving *m, struct err *e)
{
    return m->from->hv->driver->co_move_cancel(m->from->hv, m->spec.uuid, e);
}

static int co_stop_arriving(struct moving *m, struct err *e)
{
    return m->to->hv->driver->co_stop(m->to->hv, m->spec.uuid, e);
}

static int co_accept(struct moving *m, struct err *e)
{
    return co_moving_step(m, STEP_ACCEPT, e);
}

static int co_stop_left(struct moving *m, struct err *e)
{
    return co_moving_step(m, STEP_STOP, e);
}

/* A connection to a QEMU may have to come back first. */
static void co_insist(struct moving *m, int (*co_do)(struct moving *m, struct err *e))
{
    int64_t deadline = clock_in_ms(SETTLE_MS);

    for (;;) {
        CLEANUP_ERR struct err e = {0};

        if (co_do(m, &e) == 0)
            return;
        if (err_is(&e, "VM_BAD_POWER_STATE") || err_is(&e, "VM_HALTED")) {
            m->lost = true;
            return;
        }
        if (clock_now() > deadline)
            fprintf(stderr, "settling: %s %s\n", e.code, e.n_params ? e.params[e.n_params - 1] : "");
        REQUIRE(clock_now() <= deadline);
        REQUIRE(co_sleep_until(clock_in_ms(AGAIN_MS), "another attempt") == 0);
    }
}

void co_moving_settle(struct moving *m)
{
    fault_disarm();
    if (m->decided) {
        co_insist(m, co_accept);
        co_insist(m, co_stop_left);
    } else {
        co_insist(m, co_stop_arriving);
        co_insist(m, co_cancel);
    }
}

int co_moving_run(struct moving *m, struct err *e)
{
    for (unsigned step = 0; step < MOVING_STEPS; step++) {
        if (co_moving_step(m, step, e) < 0) {
            fiber_mask_cancel();
            co_moving_settle(m);
            fiber_unmask_cancel();
            return m->decided ? 0 : -1;
        }
    }
    return 0;
}
