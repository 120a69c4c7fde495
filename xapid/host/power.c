/* host.shutdown and host.reboot: the machine itself. */
#include <string.h>
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "xapid/handlers.gen.h"
#include "xapid/reftext.h"
#include "xapid/server.h"
#include "xapid/op.h"
#include "xapid/pool/at_host.h"

enum { COMMAND_MS = 60 * 1000 };

static int check_empty(struct call *c, struct ref host, struct err *e)
{
    FOREACH_REFERRER (c->db, vm, vm, VM, RESIDENT_ON, host)
        if (!vm->is_control_domain)
            return err_host_in_use(e, REF_TEXT(host), "VM", REF_TEXT(vm->row.ref));
    return 0;
}

static int co_run(struct call *c, const char *what, struct err *e)
{
    const char *own = c->x->options.power_command;
    const char *const given[] = {own, what, NULL};
    const char *const systemd[] = {"systemctl", strcmp(what, "shutdown") == 0 ? "poweroff" : "reboot", NULL};
    struct proc_result result = {0};
    int r = co_proc_run(own ? given : systemd, &result, clock_in_ms(COMMAND_MS));
    int status = result.status;
    CLEANUP_BUF struct buf said = result.err;
    result.err = (struct buf){0};
    proc_result_free(&result);
    if (r < 0)
        return err_errno(e, r, "the command for %s", what);
    return status == 0 ? 0
                       : err_internal(e, "the command for %s failed with status %d: %s", what, status,
                                      buf_cstr(&said));
}

static int co_power(struct call *c, struct ref host, int operation, const char *what, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    if (!call_row(c, CLASS_HOST, host, e))
        return -1;
    if (c->x->membership.member) /* the coordinator has checked and asks for the rest */
        return co_run(c, what, e);
    if (co_op_begin(c, CLASS_HOST, host, operation, &op, e) < 0 || check_empty(c, host, e) < 0)
        return -1;
    if (!ref_equal(host, c->x->host))
        return co_at_host_call(c, host, c->message->full_name, e);
    log_info("%s of this host", what);
    return co_run(c, what, e);
}

int co_host_shutdown(struct call *c, const struct host_shutdown_args *a, struct err *e)
{
    return co_power(c, a->host, HOST_ALLOWED_OPERATIONS_SHUTDOWN, "shutdown", e);
}

int co_host_reboot(struct call *c, const struct host_reboot_args *a, struct err *e)
{
    return co_power(c, a->host, HOST_ALLOWED_OPERATIONS_REBOOT, "reboot", e);
}
