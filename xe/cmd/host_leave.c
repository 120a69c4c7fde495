/* Hosts that leave: forgotten, declared dead, ejected from the pool. Each asks first. */
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"

/* Say what is about to happen and ask, unless --force was given. */
static int warn_and_confirm(struct xe *x, const char *warning, struct err *e)
{
    bool force;

    if (args_get_bool(x->args, "force", false, &force, e) < 0)
        return -1;
    if (force)
        return 0;
    out_direct(&x->out, "%s\n", warning);
    return confirm(x, e);
}

static int co_host_forget(struct xe *x, struct err *e)
{
    const char *host = co_arg_ref(x, "uuid", "host", e);

    if (!host || warn_and_confirm(
                     x,
                     "WARNING: the pool forgets this host and what it alone stored. Only a new installation "
                     "lets it join again.",
                     e) < 0)
        return -1;
    return co_call_void(x, e, "host.destroy", "s", host);
}

const struct command cmd_host_forget = {
    .name = "host-forget",
    .required = "uuid",
    .optional = "force",
    .help = "Erase a host that will not come back, after asking; --force does not ask.",
    .run = co_host_forget,
};

static int co_host_declare_dead(struct xe *x, struct err *e)
{
    const char *host = co_arg_ref(x, "uuid", "host", e);

    if (!host ||
        warn_and_confirm(
            x,
            "WARNING: be sure that this host is off. If its VMs still run and are started elsewhere, "
            "their disks will be damaged.",
            e) < 0)
        return -1;
    return co_call_void(x, e, "host.declare_dead", "s", host);
}

const struct command cmd_host_declare_dead = {
    .name = "host-declare-dead",
    .required = "uuid",
    .optional = "force",
    .help = "Say that a host which cannot be reached is off, after asking; --force does not ask.",
    .run = co_host_declare_dead,
};

/* Print the disks of an SR. */
static int co_print_disks(struct xe *x, const char *sr, struct err *e)
{
    const struct wire *vdis = co_call(x, e, "SR.get_VDIs", "s", sr);

    for (uint32_t i = 0; vdis && vdis->kind == WIRE_ARRAY && i < vdis->n; i++) {
        const struct wire *vdi = co_call(x, e, "VDI.get_record", "s", wire_text(x, &vdis->items[i]));

        if (!vdi)
            return -1;
        out_direct(&x->out, "VDI: %s (%s)\n", member_text(x, vdi, "uuid"), member_text(x, vdi, "name_label"));
    }
    return vdis ? 0 : -1;
}

/* Print the disks in SRs that no other host reaches: they go with the host. */
static int co_print_lost_disks(struct xe *x, const char *host, struct err *e)
{
    const struct wire *pbds = co_call(x, e, "host.get_PBDs", "s", host);

    for (uint32_t i = 0; pbds && pbds->kind == WIRE_ARRAY && i < pbds->n; i++) {
        const char *sr = co_field(x, "PBD", "SR", wire_text(x, &pbds->items[i]), e);
        const struct wire *ways = sr ? co_call(x, e, "SR.get_PBDs", "s", sr) : NULL;

        if (!ways || (ways->n == 1 && co_print_disks(x, sr, e) < 0))
            return -1;
    }
    return pbds ? 0 : -1;
}

static int co_pool_eject(struct xe *x, struct err *e)
{
    const char *host = co_arg_ref(x, "host-uuid", "host", e);
    bool force;

    if (!host || args_get_bool(x->args, "force", false, &force, e) < 0)
        return -1;
    if (!force) {
        out_direct(&x->out, "WARNING: ejecting a host installs it anew and erases its local storage. "
                            "These disks will be lost:\n");
        if (co_print_lost_disks(x, host, e) < 0 || confirm(x, e) < 0)
            return -1;
    }
    return co_call_void(x, e, "pool.eject", "s", host);
}

const struct command cmd_pool_eject = {
    .name = "pool-eject",
    .required = "host-uuid",
    .optional = "force",
    .help = "Send a host out of the pool and erase its local storage, after asking; --force does not ask.",
    .run = co_pool_eject,
};
