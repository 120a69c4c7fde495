/*
 * Devices of a guest that is up. Each change is noted as under way first; whatever then goes wrong, in the
 * change or with the daemon, the hypervisor is asked what the guest has, and the note follows that. So a
 * change whose answer was lost has succeeded when the guest shows it.
 */
#include <errno.h>
#include <string.h>
#include "lib/fault.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "pool/agent_state.h"
#include "pool/attachments.h"

struct agent_device *local_vm_devices(struct agent *a, void *ctx, const char *vm_uuid, unsigned *ret_n)
{
    struct attachment *noted = attachments_read(ctx, a->state_dir, vm_uuid, ret_n);
    struct agent_device *devices;

    if (!noted)
        return NULL;
    devices = talloc_zero_array(ctx, struct agent_device, *ret_n + 1);
    for (unsigned i = 0; i < *ret_n; i++) {
        memcpy(devices[i].uuid, noted[i].uuid, sizeof devices[i].uuid);
        devices[i].sr_uuid = noted[i].sr_uuid;
        devices[i].location = noted[i].location;
        devices[i].copying = noted[i].copying;
    }
    return devices;
}

/* Make the note say what the guest has. */
static int co_follow(struct agent *a, const char *vm_uuid, const char *device_uuid, enum hv_presence presence,
                     struct err *e)
{
    int r;

    if (presence != HV_PRESENT)
        return co_attachments_release_device(a->state_dir, vm_uuid, device_uuid, presence == HV_EMPTY, e);
    r = attachments_set_changing(a->state_dir, vm_uuid, device_uuid, false);
    return r < 0 ? err_errno(e, r, "the note of guest %s", vm_uuid) : 0;
}

/* ---- what a daemon that died left ---- */

/* A guest that cannot be asked keeps what it may have. */
int co_agent_settle_devices(struct agent *a, const char *vm_uuid, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    unsigned n;
    struct attachment *noted = attachments_read(mem, a->state_dir, vm_uuid, &n);

    for (unsigned i = 0; i < n; i++) {
        CLEANUP_ERR struct err silent = {0};
        enum hv_presence presence;

        if (!noted[i].changing)
            continue;
        if (a->hv->driver->co_look(a->hv, vm_uuid, noted[i].kind, noted[i].number, &presence, &silent) < 0)
            log_warning("guest %s does not tell what it has: %s", vm_uuid, err_text(mem, &silent));
        else if (co_follow(a, vm_uuid, noted[i].uuid, presence, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- the end of a change ---- */

struct change {
    struct agent *a;
    const char *vm_uuid, *device_uuid;
    enum hv_device_kind kind;
    unsigned number;
    enum hv_presence wanted;
    /* What may have been attached. */
    const struct agent_disk *disk;
    const struct agent_nic *nic;
};

/* Give back what was attached for a guest that has ended: its end did that for what was noted, but perhaps
 * before this was attached. */
static void co_give_back(const struct change *c, struct err *e)
{
    const struct agent_disk *d = c->disk;

    co_attachments_release_device(c->a->state_dir, c->vm_uuid, c->device_uuid, false, e);
    if (d && d->sr.type && sm_driver_by_type(d->sr.type))
        sm_driver_by_type(d->sr.type)->co_vdi_detach(&d->sr, d->location, e);
    if (c->nic)
        co_net_tap_destroy(c->nic->vif_uuid, e);
}

/* What became of a change that failed, as the guest shows it: was it done all the same? */
static bool co_was_done(const struct change *c)
{
    CLEANUP_ERR struct err e = {0};
    enum hv_presence presence = HV_ABSENT;
    struct hv *hv = c->a->hv;
    bool gone = hv->driver->state(hv, c->vm_uuid) == HV_STATE_GONE;

    if (!gone && hv->driver->co_look(hv, c->vm_uuid, c->kind, c->number, &presence, &e) < 0)
        gone = hv->driver->state(hv, c->vm_uuid) == HV_STATE_GONE;
    else if (!gone)
        co_follow(c->a, c->vm_uuid, c->device_uuid, presence, &e);
    if (gone) {
        err_clear(&e);
        co_give_back(c, &e);
    }
    if (err_is_set(&e))
        log_warning("a device of guest %s: %s", c->vm_uuid, e.code);
    return !gone && !err_is_set(&e) && presence == c->wanted;
}

/* rc: of the change; its error, when it has one, goes to e. */
static int co_end(const struct change *c, int rc, struct err *failure, struct err *e)
{
    bool done;

    fiber_mask_cancel();
    if (rc == 0)
        done = co_follow(c->a, c->vm_uuid, c->device_uuid, c->wanted, failure) == 0;
    else
        done = co_was_done(c);
    fiber_unmask_cancel();
    if (!done)
        err_move(e, failure);
    return done ? 0 : -1;
}

/* ---- CD drives ---- */

static int co_attach_and_insert(struct agent *a, const char *vm_uuid, const struct agent_disk *medium,
                                struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct hv_disk disk;

    return co_agent_attach_disk(medium, mem, &disk, e) < 0
               ? -1
               : a->hv->driver->co_insert(a->hv, vm_uuid, &disk, e);
}

int co_local_insert(struct agent *a, const char *vm_uuid, const struct agent_disk *medium, struct err *e)
{
    struct change c = {a,      vm_uuid, medium->vbd_uuid, HV_DEVICE_DISK, medium->userdevice, HV_PRESENT,
                       medium, NULL};
    CLEANUP_ERR struct err failure = {0};
    int r = attachments_note_disk(a->state_dir, vm_uuid, medium);

    if (r < 0)
        return err_errno(e, r, "the note of guest %s", vm_uuid);
    r = co_attach_and_insert(a, vm_uuid, medium, &failure);
    return co_end(&c, r, &failure, e);
}

int co_local_eject(struct agent *a, const char *vm_uuid, const struct agent_disk *drive, struct err *e)
{
    struct change c = {a, vm_uuid, drive->vbd_uuid, HV_DEVICE_DISK, drive->userdevice, HV_EMPTY, NULL, NULL};
    CLEANUP_ERR struct err failure = {0};
    int r = attachments_set_changing(a->state_dir, vm_uuid, drive->vbd_uuid, true);

    if (r < 0)
        return err_errno(e, r, "the note of guest %s", vm_uuid);
    r = a->hv->driver->co_eject(a->hv, vm_uuid, drive->userdevice, &failure);
    return co_end(&c, r, &failure, e);
}

/* ---- disks and NICs ---- */

static int co_attach_and_plug_disk(struct agent *a, const char *vm_uuid, const struct agent_disk *d,
                                   struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct hv_disk disk;

    return co_agent_attach_disk(d, mem, &disk, e) < 0 ? -1
                                                      : a->hv->driver->co_plug_disk(a->hv, vm_uuid, &disk, e);
}

int co_local_plug_disk(struct agent *a, const char *vm_uuid, const struct agent_disk *d, struct err *e)
{
    struct change c = {a, vm_uuid, d->vbd_uuid, HV_DEVICE_DISK, d->userdevice, HV_PRESENT, d, NULL};
    CLEANUP_ERR struct err failure = {0};
    int r = attachments_note_disk(a->state_dir, vm_uuid, d);

    if (r < 0)
        return err_errno(e, r, "the note of guest %s", vm_uuid);
    r = co_attach_and_plug_disk(a, vm_uuid, d, &failure);
    return co_end(&c, r, &failure, e);
}

static int co_attach_and_plug_nic(struct agent *a, const char *vm_uuid, const struct agent_nic *n,
                                  struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct hv_nic nic;

    return co_agent_attach_nic(a, n, mem, &nic, e) < 0 ? -1
                                                       : a->hv->driver->co_plug_nic(a->hv, vm_uuid, &nic, e);
}

int co_local_plug_nic(struct agent *a, const char *vm_uuid, const struct agent_nic *n, struct err *e)
{
    struct change c = {a, vm_uuid, n->vif_uuid, HV_DEVICE_NIC, n->device, HV_PRESENT, NULL, n};
    CLEANUP_ERR struct err failure = {0};
    int r = attachments_note_nic(a->state_dir, vm_uuid, n);

    if (r < 0)
        return err_errno(e, r, "the note of guest %s", vm_uuid);
    r = co_attach_and_plug_nic(a, vm_uuid, n, &failure);
    return co_end(&c, r, &failure, e);
}

/* Only what is outside the guest changes, so nothing is noted: what a daemon that dies leaves half done, its
 * coordinator asks for again. */
int co_local_change_nic(struct agent *a, const char *vm_uuid, const struct agent_nic *n, struct err *e)
{
    int r = fault_point(FAULT_NETWORK, "change nic");

    if (r < 0)
        return err_errno(e, r, "NIC %u of guest %s", n->device, vm_uuid);
    if (a->user_networking)
        return 0;
    if (co_net_network_up(&n->network, e) < 0)
        return -1;
    return co_net_tap_change(n->network.bridge, n->vif_uuid, &n->filter, e);
}

int co_local_unplug(struct agent *a, const char *vm_uuid, enum hv_device_kind kind, const char *device_uuid,
                    unsigned number, bool force, int64_t deadline, struct err *e)
{
    struct change c = {a, vm_uuid, device_uuid, kind, number, HV_ABSENT, NULL, NULL};
    CLEANUP_ERR struct err failure = {0};
    int r = attachments_set_changing(a->state_dir, vm_uuid, device_uuid, true);

    if (r == -ENOENT) /* it was taken before, and only the record of that failed */
        return 0;
    if (r < 0)
        return err_errno(e, r, "the note of guest %s", vm_uuid);
    r = a->hv->driver->co_unplug(a->hv, vm_uuid, kind, number, force, deadline, &failure);
    return co_end(&c, r, &failure, e);
}

int co_local_resize(struct agent *a, const char *vm_uuid, const struct agent_disk *d, int64_t size,
                    struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct sm_driver *driver = sm_driver_by_type(d->sr.type);
    struct sm_vdi ignored;

    if (a->hv->driver->co_resize)
        return a->hv->driver->co_resize(a->hv, vm_uuid, d->userdevice, size, e);
    return driver ? driver->co_vdi_resize(&d->sr, mem, d->location, size, &ignored, e)
                  : err_set(e, "SR_UNKNOWN_DRIVER", 1, d->sr.type);
}
