/* VMs and appliances out of a database that another pool has put on a disk. */
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"

/* The disk that database:vdi-uuid= names. */
static const char *co_database(struct xe *x, struct err *e)
{
    unsigned n;
    struct arg *members = args_get_map(x->ctx, x->args, "database", &n);
    for (unsigned i = 0; i < n; i++)
        if (strcmp(members[i].key, "vdi-uuid") == 0)
            return co_by_uuid(x, "VDI", members[i].value, e);
    fail_text(e, "database:vdi-uuid= has to name the disk that the database is on");
    return NULL;
}

/* Call with the session of the database, in which the object is. force NULL: the message has no such
 * parameter. */
static int co_ask(struct xe *x, const char *cls, const char *method, const bool *force, struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    const char *vdi = co_database(x, e), *own = x->session;
    const char *foreign = vdi ? co_call_text(x, e, "VDI.open_database", "s", vdi) : NULL;
    int rc = -1;
    if (!foreign)
        return -1;
    x->session = foreign;
    const char *ref = co_arg_ref(x, "uuid", cls, e);
    if (ref)
        rc = force ? co_call_void(x, e, method, "ssb", ref, own, *force)
                   : co_call_void(x, e, method, "ss", ref, own);
    co_call_void(x, &ignored, "session.logout", "");
    x->session = own;
    return rc;
}

static int co_recover(struct xe *x, const char *cls, const char *method, struct err *e)
{
    bool force;
    return args_get_bool(x->args, "force", false, &force, e) < 0 ? -1 : co_ask(x, cls, method, &force, e);
}

static int co_vm_recover(struct xe *x, struct err *e)
{
    return co_recover(x, "VM", "VM.recover", e);
}

const struct command cmd_vm_recover = {
    .name = "vm-recover",
    .required = "uuid",
    .optional = "database:,force",
    .help = "Bring a VM back out of the database on the disk that database:vdi-uuid= names.",
    .run = co_vm_recover,
};

static int co_appliance_recover(struct xe *x, struct err *e)
{
    return co_recover(x, "VM_appliance", "VM_appliance.recover", e);
}

const struct command cmd_appliance_recover = {
    .name = "appliance-recover",
    .required = "uuid",
    .optional = "database:,force",
    .help = "Bring an appliance back out of the database on the disk that database:vdi-uuid= names.",
    .run = co_appliance_recover,
};

static int co_vm_assert_can_be_recovered(struct xe *x, struct err *e)
{
    return co_ask(x, "VM", "VM.assert_can_be_recovered", NULL, e);
}

const struct command cmd_vm_assert_can_be_recovered = {
    .name = "vm-assert-can-be-recovered",
    .required = "uuid",
    .optional = "database:",
    .help = "Check that the storage is there for vm-recover.",
    .run = co_vm_assert_can_be_recovered,
};

static int co_appliance_assert_can_be_recovered(struct xe *x, struct err *e)
{
    return co_ask(x, "VM_appliance", "VM_appliance.assert_can_be_recovered", NULL, e);
}

const struct command cmd_appliance_assert_can_be_recovered = {
    .name = "appliance-assert-can-be-recovered",
    .required = "uuid",
    .optional = "database:",
    .help = "Check that the storage is there for appliance-recover.",
    .run = co_appliance_assert_can_be_recovered,
};
