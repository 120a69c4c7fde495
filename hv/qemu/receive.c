/* A guest arrives from another host: the destination's part. The source's is in move.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "hv/qemu/migration.h"
#include "hv/qemu/move.h"
#include "hv/qemu/start.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "model/errors.gen.h"

#define ARRIVE_MS 60000 /* for the end of what the source calls complete */
#define FATE_MS 5000    /* for QEMU to end or to be connected anew */
#define LOOK_MS 10
#define LISTENER "memory" /* the name of its socket in QEMU */

/* ---- receive ---- */

static int co_set_parameters(struct qemu_vm *vm, const struct hv_passage *p, struct err *e)
{
    json_t *parameters = qemu_passage_parameters(p);
    int r = co_qemu_set_capabilities(vm, qemu_passage_capabilities(p) | CAP_LATE, e);

    json_object_set_new(parameters, "tls-creds", json_string(QEMU_CREDS_IN));
    json_object_set_new(parameters, "tls-authz", json_string(QEMU_AUTHZ_IN));
    if (r == 0)
        return co_qemu_ask(vm, "migrate-set-parameters", parameters, NULL, e);
    json_decref(parameters);
    return r;
}

/* QEMU 7.2 reads "fd:" behind "tcp:" as it does in other places; newer ones do not. */
static int co_listen_for_it(struct qemu_vm *vm, const char *address, unsigned *ret_port, struct err *e)
{
    CLEANUP_FD int fd = qemu_listen(address, ret_port);
    int r = co_qemu_pass_socket(vm, fd, LISTENER, address, e);

    return r < 0
               ? r
               : co_qemu_ask(vm, "migrate-incoming", json_pack("{s:s}", "uri", "tcp:fd:" LISTENER), NULL, e);
}

static unsigned port_in(const json_t *answer)
{
    const json_t *address = json_array_get(json_object_get(answer, "socket-address"), 0);
    const char *port = json_string_value(json_object_get(address, "port"));

    return port ? (unsigned)atoi(port) : 0;
}

/* At a port of QEMU's choice: all is as well, but the handshake takes longer. */
static int co_let_listen(struct qemu_vm *vm, const char *address, unsigned *ret_port, struct err *e)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    json_t *answer = NULL;
    int r = co_qemu_ask(vm, "migrate-incoming", json_pack("{s:s}", "uri", qemu_tcp_uri(ctx, address, 0)),
                        NULL, e);

    if (r == 0)
        r = co_qemu_ask(vm, "query-migrate", NULL, &answer, e);
    *ret_port = port_in(answer);
    json_decref(answer);
    if (r == 0 && *ret_port == 0) {
        err_internal(e, "QEMU does not say where it awaits %s", vm->uuid);
        return -EPROTO;
    }
    return r;
}

static int co_listen(struct qemu_vm *vm, const struct hv_passage *p, unsigned *ret_port, struct err *e)
{
    CLEANUP_ERR struct err refusal = {0};
    CLEANUP_ERR struct err none = {0};
    int r = co_listen_for_it(vm, p->address, ret_port, &refusal);

    if (r == -EREMOTEIO) {
        co_qemu_ask(vm, "closefd", json_pack("{s:s}", "fdname", LISTENER), NULL, &none);
        return co_let_listen(vm, p->address, ret_port, e);
    }
    err_move(e, &refusal);
    return r;
}

static int co_await_guest(struct qemu_vm *vm, const struct hv_vm_spec *spec, const void *arg, struct err *e)
{
    const struct hv_passage *p = arg;
    struct qemu_passage passage = {.state = HV_PASSAGE_ARRIVING, .stays_paused = spec->start_paused};
    int r = co_qemu_trust_source(vm, p->source, e);

    memcpy(passage.source, p->source, sizeof passage.source);
    memcpy(passage.destination, p->destination, sizeof passage.destination);
    if (r == 0)
        r = co_set_parameters(vm, p, e);
    if (r == 0)
        r = co_qemu_export_disks(vm, p, &passage.disk_port, e);
    if (r == 0)
        r = co_listen(vm, p, &passage.memory_port, e);
    return r < 0 ? r : qemu_vm_set_passage(vm, &passage, e);
}

int co_qemu_receive(struct hv *hv, const struct hv_vm_spec *spec, const struct hv_passage *p,
                    struct hv_reception *ret, struct err *e)
{
    const struct qemu_beginning how = {.incoming = true, .co_begin = co_await_guest, .arg = p};
    struct qemu_hv *q = (struct qemu_hv *)(void *)hv;
    const struct qemu_vm *vm = qemu_vm_find(q, spec->uuid);
    struct hv_vm_facts facts;

    if (!vm || vm->passage.state != HV_PASSAGE_ARRIVING) {
        if (co_qemu_bring_up(q, spec, &how, &facts, e) < 0)
            return qemu_move_failed(e, spec->uuid, p->source, p->destination);
        vm = qemu_vm_find(q, spec->uuid);
    }
    qemu_vm_facts(vm, &facts);
    *ret = (struct hv_reception){facts, vm->passage.memory_port, vm->passage.disk_port};
    return 0;
}

/* ---- switch and accept ---- */

static int check_arriving(const struct qemu_vm *vm, struct err *e)
{
    if (vm->passage.state == HV_PASSAGE_ARRIVING)
        return 0;
    err_internal(e, "%s is not arriving", vm->uuid);
    return -EINVAL;
}

/* QEMU refuses this only when it has no such server any more. */
static int co_close_disks(struct qemu_vm *vm, void *arg, struct err *e)
{
    CLEANUP_ERR struct err none = {0};
    int r = check_arriving(vm, e);

    if (r < 0 || vm->passage.disk_port == 0)
        return r;
    r = co_qemu_ask(vm, "nbd-server-stop", NULL, NULL, &none);
    if (r == -EREMOTEIO)
        return 0;
    err_move(e, &none);
    return r;
}

/* That the connection ended says nothing of the guest yet. QEMU has ended too, or it is connected anew: the
 * next attempt must not take a guest that has ended for one that never ran. */
static void co_learn_fate(const struct qemu_vm *vm)
{
    int64_t deadline = clock_in_ms(FATE_MS);

    while (!vm->gone && !qmp_is_ready(vm->qmp) && clock_now() < deadline)
        if (co_sleep_until(clock_in_ms(LOOK_MS), "whether QEMU of %s has ended", vm->uuid) < 0)
            return;
}

/* It is accepted once the mark is gone: if we end before it runs, a daemon that comes after us lets it go on.
 */
static int co_let_in(struct qemu_vm *vm, bool *ret_ran, struct err *e)
{
    int r = vm->passage.stays_paused ? 0 : qemu_vm_hold(vm);

    if (r < 0) {
        err_errno(e, r, "the mark of %s", vm->uuid);
        return r;
    }
    r = qemu_vm_set_passage(vm, &(struct qemu_passage){0}, e);
    *ret_ran = r == 0 && vm->held;
    if (*ret_ran)
        r = co_qemu_ask(vm, "cont", NULL, NULL, e);
    if (*ret_ran && r < 0 && r != -EREMOTEIO)
        co_learn_fate(vm);
    if (r == 0 && !vm->gone)
        qemu_vm_release(vm);
    return r;
}

static int co_accept(struct qemu_vm *vm, void *arg, struct err *e)
{
    const struct qemu_move_wait here = {
        MOVE_BIT(MOVE_DONE) | MOVE_BIT(MOVE_POST_COPY), clock_in_ms(ARRIVE_MS), -1, NULL, NULL, 0, NULL};
    int r;

    if (vm->passage.state == HV_PASSAGE_NONE && !vm->held)
        return 0;
    if (vm->passage.state == HV_PASSAGE_NONE)
        return co_let_in(vm, arg, e);
    r = check_arriving(vm, e);
    if (r == 0)
        r = co_qemu_wait_move(vm, &here, e);
    return r < 0 ? r : co_let_in(vm, arg, e);
}

int co_qemu_move_switch(struct hv *hv, const char *uuid, struct err *e)
{
    return co_qemu_move_step(hv, uuid, co_close_disks, NULL, e);
}

int co_qemu_move_accept(struct hv *hv, const char *uuid, struct err *e)
{
    bool ran = false;
    int rc = co_qemu_move_step(hv, uuid, co_accept, &ran, e);

    if (rc < 0 && ran && err_is(e, "VM_BAD_POWER_STATE")) {
        err_clear(e);
        err_vm_halted(e, uuid);
    }
    return rc;
}
