#include "pool/agent.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hv/shape.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "model/errors.gen.h"
#include "pool/agent_state.h"
#include "pool/attachments.h"
#include "pool/image.h"
#include "pool/remote.h"
#include "sm/qcow2.h"

#define BASES_MAX 256

int co_agent_open(const struct agent_options *o, struct agent **ret, struct agent_host_facts *facts,
                  struct err *e)
{
    struct hv_options hv_options = {.state_dir = o->state_dir,
                                    .report = o->report,
                                    .report_arg = o->report_arg,
                                    .guest_user = o->guest_user};
    struct agent *a = talloc_zero(NULL, struct agent);
    bool sim = strcmp(o->hypervisor, "sim") == 0;
    int rc;

    a->state_dir = talloc_strdup(a, o->state_dir);
    a->machine_root = talloc_strdup(a, o->machine_root ? o->machine_root : "");
    if (!sim && strcmp(o->hypervisor, "qemu") != 0)
        rc = err_internal(e, "no such hypervisor: %s", o->hypervisor);
    else
        rc = co_net_open(o->state_dir, &facts->net, e);
    if (sim)
        facts->net.root = false;
    a->user_networking = !facts->net.root;
    if (rc == 0)
        rc = sim ? co_hv_sim_open(&hv_options, o->sim_script, &a->hv, &facts->hv, e)
                 : co_hv_qemu_open(&hv_options, &a->hv, &facts->hv, e);
    if (rc < 0) {
        talloc_free(a);
        return -1;
    }
    *ret = a;
    return 0;
}

void agent_set_peers(struct agent *a, const struct authority *authority, struct peer_pool *pool)
{
    a->authority = authority;
    a->peers = pool;
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    if (a->remote)
        remote_free(a->remote);
    else
        a->hv->driver->free(a->hv);
    talloc_free(a);
}

/* The image that another is based on; "" when there is none. */
static const char *base_of(void *ctx, const char *path)
{
    struct qcow2_info info = {0};
    const char *slash = strrchr(path, '/');

    if (qcow2_read_info(path, &info) < 0 || info.backing[0] == '/' || info.backing[0] == '\0')
        return talloc_strdup(ctx, info.backing);
    return talloc_asprintf(ctx, "%.*s/%s", slash ? (int)(slash - path) : 1, slash ? path : ".", info.backing);
}

/* All of them, ended by NULL; a chain without an end is cut. */
static const char *const *bases_of(void *ctx, const char *path)
{
    const char **bases = talloc_zero_array(ctx, const char *, BASES_MAX + 1);

    for (unsigned i = 0; i < BASES_MAX; i++) {
        const char *base = base_of(ctx, i > 0 ? bases[i - 1] : path);
        if (!base[0])
            break;
        bases[i] = base;
    }
    return bases;
}

int co_agent_attach_disk(const struct agent_disk *d, void *mem, struct hv_disk *ret, struct err *e)
{
    struct sm_attachment at = {0};

    if (d->sr.type) {
        const struct sm_driver *driver = sm_driver_by_type(d->sr.type);
        if (!driver)
            return err_set(e, "SR_UNKNOWN_DRIVER", 1, d->sr.type);
        if (driver->co_vdi_attach(&d->sr, mem, d->location, !d->readonly, &at, e) < 0)
            return -1;
    }
    *ret = (struct hv_disk){.userdevice = d->userdevice,
                            .cdrom = d->cdrom,
                            .readonly = d->readonly,
                            .bus = d->bus,
                            .path = at.path,
                            .format = at.format,
                            .bases =
                                at.format && strcmp(at.format, "qcow2") == 0 ? bases_of(mem, at.path) : NULL};
    memcpy(ret->uuid, d->vbd_uuid, sizeof ret->uuid);
    return 0;
}

int co_agent_attach_nic(struct agent *a, const struct agent_nic *n, void *mem, struct hv_nic *ret,
                        struct err *e)
{
    char *ifname = talloc_zero_array(mem, char, 16);

    if (!a->user_networking &&
        (co_net_network_up(&n->network, e) < 0 ||
         co_net_tap_create(n->network.bridge, n->vif_uuid, n->mtu, &n->filter, ifname, e) < 0))
        return -1;
    *ret = (struct hv_nic){.device = n->device,
                           .mac = n->mac,
                           .mtu = n->mtu,
                           .ifname = ifname,
                           .backend = ifname[0] ? HV_NIC_TAP : HV_NIC_USER};
    memcpy(ret->uuid, n->vif_uuid, sizeof ret->uuid);
    return 0;
}

int co_agent_attach_all(struct agent *a, const struct agent_vm_spec *spec, void *mem, struct hv_vm_spec *ret,
                        struct err *e)
{
    struct hv_disk *disks = talloc_zero_array(mem, struct hv_disk, spec->n_disks + 1);
    struct hv_nic *nics = talloc_zero_array(mem, struct hv_nic, spec->n_nics + 1);

    for (unsigned i = 0; i < spec->n_disks; i++)
        if (co_agent_attach_disk(&spec->disks[i], mem, &disks[i], e) < 0)
            return -1;
    for (unsigned i = 0; i < spec->n_nics; i++)
        if (co_agent_attach_nic(a, &spec->nics[i], mem, &nics[i], e) < 0)
            return -1;
    *ret = spec->vm;
    ret->disks = disks;
    ret->n_disks = spec->n_disks;
    ret->nics = nics;
    ret->n_nics = spec->n_nics;
    return 0;
}

/* Note what the guest will hold, attach it and start the guest; the caller cleans up when this fails. */
static int co_attach_and_start(struct agent *a, const struct agent_vm_spec *spec, void *mem,
                               struct hv_vm_facts *ret, struct err *e)
{
    int rc = attachments_note(a->state_dir, spec);
    struct hv_vm_spec vm;

    if (rc < 0)
        return err_errno(e, rc, "%s/agent", a->state_dir);
    if (co_agent_attach_all(a, spec, mem, &vm, e) < 0)
        return -1;
    return a->hv->driver->co_start(a->hv, &vm, ret, e);
}

/* Of the devices that the VM has now, those that its guest had. */
static void fit_devices(struct agent_vm_spec *spec, void *mem)
{
    struct agent_disk *disks = talloc_zero_array(mem, struct agent_disk, spec->n_disks + 1);
    struct agent_nic *nics = talloc_zero_array(mem, struct agent_nic, spec->n_nics + 1);
    unsigned n_disks = 0, n_nics = 0;

    for (unsigned i = 0; i < spec->n_disks; i++)
        if (hv_shape_has(spec->vm.shape, HV_DEVICE_DISK, spec->disks[i].userdevice))
            disks[n_disks++] = spec->disks[i];
    for (unsigned i = 0; i < spec->n_nics; i++)
        if (hv_shape_has(spec->vm.shape, HV_DEVICE_NIC, spec->nics[i].device))
            nics[n_nics++] = spec->nics[i];
    spec->disks = disks;
    spec->n_disks = n_disks;
    spec->nics = nics;
    spec->n_nics = n_nics;
}

/* Start the guest from what its image holds. */
static int co_restore(struct agent *a, const struct agent_vm_spec *spec, void *mem, struct hv_vm_facts *ret,
                      struct err *e)
{
    struct agent_vm_spec fitted = *spec;
    struct image image;
    int rc;

    if (co_image_open(a->state_dir, &spec->image, SM_STREAM_READ, &image, &fitted.vm.state_fd, e) < 0)
        return -1;
    CLEANUP_ERR struct err failure = {0};
    rc = co_hv_shape_read(fitted.vm.state_fd, mem, &fitted.vm.shape, &failure);
    if (rc == 0) {
        fit_devices(&fitted, mem);
        rc = co_attach_and_start(a, &fitted, mem, ret, &failure);
    }
    co_image_abandon(&image, rc < 0 ? e : NULL);
    err_move(e, &failure);
    return rc;
}

/* Give back what a guest that has ended still holds. Runs to its end even in a cancelled fiber. */
int co_local_vm_clean(struct agent *a, const char *uuid, struct err *e)
{
    fiber_mask_cancel();
    int rc = co_attachments_release(a->state_dir, uuid, e);
    fiber_unmask_cancel();
    return rc;
}

void co_agent_clean_failed(struct agent *a, const char *uuid)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};

    if (co_local_vm_clean(a, uuid, &e) < 0)
        log_warning("cleaning up after a failed start of VM %s: %s", uuid, err_text(mem, &e));
}

int co_local_vm_start(struct agent *a, const struct agent_vm_spec *spec, struct hv_vm_facts *ret,
                      struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);

    if ((spec->image.sr.type ? co_restore(a, spec, mem, ret, e)
                             : co_attach_and_start(a, spec, mem, ret, e)) == 0)
        return 0;
    co_agent_clean_failed(a, spec->vm.uuid);
    return -1;
}

int co_local_vm_stop(struct agent *a, const char *uuid, struct err *e)
{
    if (a->hv->driver->co_stop(a->hv, uuid, e) < 0)
        return -1;
    return co_local_vm_clean(a, uuid, e);
}

int co_local_vm_shutdown(struct agent *a, const char *uuid, int64_t deadline, struct err *e)
{
    if (a->hv->driver->co_shutdown(a->hv, uuid, deadline, e) < 0)
        return -1;
    return co_local_vm_clean(a, uuid, e);
}

int co_local_vm_reboot(struct agent *a, const char *uuid, int64_t deadline, struct err *e)
{
    return a->hv->driver->co_reboot(a->hv, uuid, deadline, e);
}

int co_local_vm_reset(struct agent *a, const char *uuid, struct err *e)
{
    return a->hv->driver->co_reset(a->hv, uuid, e);
}

int co_local_vm_pause(struct agent *a, const char *uuid, struct err *e)
{
    return a->hv->driver->co_pause(a->hv, uuid, e);
}

int co_local_vm_unpause(struct agent *a, const char *uuid, struct err *e)
{
    return a->hv->driver->co_unpause(a->hv, uuid, e);
}

int co_local_vm_set_processors(struct agent *a, const char *uuid, unsigned n, const struct map *params,
                               unsigned *ret_now, struct err *e)
{
    return a->hv->driver->co_set_processors(a->hv, uuid, n, params, ret_now, e);
}

int co_local_vm_trigger(struct agent *a, const char *uuid, enum hv_trigger trigger, char key, struct err *e)
{
    return a->hv->driver->co_trigger(a->hv, uuid, trigger, key, e);
}

int co_local_vm_command(struct agent *a, const char *uuid, const struct hv_command *c, int64_t deadline,
                        void *ctx, struct hv_command_result *ret, struct err *e)
{
    if (!a->hv->driver->co_command)
        return err_vm_lacks_feature(e, uuid);
    return a->hv->driver->co_command(a->hv, uuid, c, deadline, ctx, ret, e);
}

int co_local_vm_set_memory(struct agent *a, const char *uuid, int64_t bytes, struct err *e)
{
    return a->hv->driver->co_set_memory(a->hv, uuid, bytes, e);
}

int co_local_vm_grow_memory(struct agent *a, const char *uuid, int64_t max, int64_t target, struct err *e)
{
    return a->hv->driver->co_grow_memory(a->hv, uuid, max, target, e);
}

int co_local_vm_hold(struct agent *a, const char *uuid, struct err *e)
{
    return a->hv->driver->co_hold(a->hv, uuid, e);
}

int co_local_vm_follow(struct agent *a, const char *uuid, const struct agent_disk *disk, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct sm_driver *driver = sm_driver_by_type(disk->sr.type);
    struct sm_attachment at;

    if (!driver)
        return err_set(e, "SR_UNKNOWN_DRIVER", 1, disk->sr.type);
    if (driver->co_vdi_attach(&disk->sr, mem, disk->location, !disk->readonly, &at, e) < 0)
        return -1;
    const char *base = base_of(mem, at.path);
    return a->hv->driver->co_follow_disk(a->hv, uuid, disk->userdevice, at.path, base, e);
}

/* A guest that stood still only for an operation that failed. */
static void co_go_on(struct agent *a, const char *uuid)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    if (a->hv->driver->co_unpause(a->hv, uuid, &e) < 0)
        log_warning("guest %s stands still: %s", uuid, err_text(mem, &e));
    fiber_unmask_cancel();
}

int co_local_vm_save(struct agent *a, const char *uuid, const struct agent_image *to,
                     hv_progress_fn *progress, void *arg, struct err *e)
{
    CLEANUP_ERR struct err failure = {0};
    bool was_running = local_vm_state(a, uuid) == HV_STATE_RUNNING;
    struct image image;
    int fd, rc;

    if (co_image_open(a->state_dir, to, SM_STREAM_REPLACE, &image, &fd, e) < 0)
        return -1;
    rc = a->hv->driver->co_save(a->hv, uuid, fd, progress, arg, &failure);
    if (rc < 0) {
        co_image_abandon(&image, e); /* an SR that is full explains more than a broken pipe */
        err_move(e, &failure);
        return -1;
    }
    rc = co_image_finish(&image, e);
    if (rc < 0 && was_running)
        co_go_on(a, uuid);
    return rc;
}

int co_local_vm_dump(struct agent *a, const char *uuid, const struct agent_image *to,
                     hv_progress_fn *progress, void *arg, struct err *e)
{
    CLEANUP_ERR struct err failure = {0};
    struct image image;
    int fd;

    if (co_image_open(a->state_dir, to, SM_STREAM_WRITE, &image, &fd, e) < 0)
        return -1;
    if (a->hv->driver->co_dump(a->hv, uuid, fd, progress, arg, &failure) == 0)
        return co_image_finish(&image, e);
    co_image_abandon(&image, e); /* an SR that is full explains more than a broken pipe */
    err_move(e, &failure);
    return -1;
}

enum hv_state local_vm_state(struct agent *a, const char *uuid)
{
    return a->hv->driver->state(a->hv, uuid);
}

int co_local_vm_console(struct agent *a, const char *uuid, const char *kind)
{
    return a->hv->driver->co_console(a->hv, uuid, kind);
}

/* Append the uuids of the VIFs noted for a guest to *vifs (an array on mem of *n). */
static void add_vifs(struct agent *a, void *mem, const char *uuid, const char ***vifs, unsigned *n)
{
    unsigned n_devices;
    struct attachment *devices = attachments_read(mem, a->state_dir, uuid, &n_devices);

    for (unsigned i = 0; i < n_devices; i++) {
        if (devices[i].kind != HV_DEVICE_NIC)
            continue;
        *vifs = talloc_realloc(mem, *vifs, const char *, *n + 1);
        (*vifs)[(*n)++] = devices[i].uuid;
    }
}

/* Release what guests that are gone left, finish what was being done to the others, and remove taps that no
 * note explains. */
static int co_sweep(struct agent *a, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    unsigned n_guests, n_vifs = 0;
    const char **guests = attachments_guests(mem, a->state_dir, &n_guests);
    const char **vifs = talloc_array(mem, const char *, 0);

    for (unsigned i = 0; i < n_guests; i++) {
        int rc = local_vm_state(a, guests[i]) != HV_STATE_GONE
                     ? co_agent_settle_devices(a, guests[i], e)
                     : co_attachments_release(a->state_dir, guests[i], e);
        if (rc < 0)
            return -1;
        add_vifs(a, mem, guests[i], &vifs, &n_vifs);
    }
    return a->user_networking ? 0 : co_net_sweep(vifs, n_vifs, e);
}

int co_agent_adopt(struct agent *a, void (*visit)(const char *uuid, const struct hv_vm_facts *f, void *arg),
                   void *arg, struct err *e)
{
    if (a->hv->driver->co_adopt(a->hv, visit, arg, e) < 0)
        return -1;
    return co_sweep(a, e);
}

int co_agent_vm_list(struct agent *a, void (*visit)(const char *uuid, const struct hv_vm_facts *f, void *arg),
                     void *arg, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct hv_vm_facts gone = {.state = HV_STATE_GONE};
    unsigned n;

    if (a->hv->driver->co_adopt(a->hv, visit, arg, e) < 0)
        return -1;
    const char **noted = attachments_guests(mem, a->state_dir, &n);
    for (unsigned i = 0; i < n; i++)
        if (local_vm_state(a, noted[i]) == HV_STATE_GONE)
            visit(noted[i], &gone, arg);
    return 0;
}

int co_agent_vm_usage(struct agent *a, const char *uuid, struct hv_usage *ret, struct err *e)
{
    if (a->remote || !a->hv->driver->co_usage)
        return err_internal(e, "what guest %s uses is not known here", uuid);
    return a->hv->driver->co_usage(a->hv, uuid, ret, e);
}
