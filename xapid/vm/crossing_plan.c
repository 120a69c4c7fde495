/* What of a VM goes where in the other pool. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "xapid/host/host_agent.h"
#include "xapid/reftext.h"
#include "xapid/storage/device.h"
#include "xapid/storage/sr.h"
#include "xapid/vm/crossing.h"
#include "xapid/vm/move_disks.h"
#include "xapid/vm/move_options.h"
#include "xapid/vm/vm.h"

/* ---- the answer of host.migrate_receive ---- */

/* The value of a key in a URL's query, on ctx; NULL: none. */
static const char *query_of(void *ctx, const char *url, const char *key)
{
    size_t n = strlen(key);

    for (const char *at = strchr(url, '?'); at; at = strchr(at + 1, '&'))
        if (strncmp(at + 1, key, n) == 0 && at[1 + n] == '=')
            return talloc_strndup(ctx, at + n + 2, strcspn(at + n + 2, "&"));
    return NULL;
}

/* The host in "http://host", without brackets. */
static const char *host_of(void *ctx, const char *url)
{
    const char *at = strstr(url, "://");

    at = at ? at + 3 : url;
    return *at == '[' ? talloc_strndup(ctx, at + 1, strcspn(at + 1, "]"))
                      : talloc_strndup(ctx, at, strcspn(at, ":/"));
}

static const char *wanted(const struct map *dest, const char *key, struct err *e)
{
    const char *text = map_get(dest, key);

    if (!text || !*text)
        err_invalid_value(e, "dest", key);
    return text && *text ? text : NULL;
}

int crossing_target_read(struct call *c, const struct map *dest, struct crossing_target *ret, struct err *e)
{
    const char *host = wanted(dest, "host", e), *master = host ? wanted(dest, "master", e) : NULL;

    ret->session = master ? wanted(dest, "session_id", e) : NULL;
    ret->url = ret->session ? wanted(dest, "xenops", e) : NULL;
    if (!ret->url)
        return -1;
    const char *port = query_of(c->mem, ret->url, "port");
    ret->master = host_of(c->mem, master);
    ret->pin = query_of(c->mem, ret->url, "certificate");
    ret->port = port ? (uint16_t)atoi(port) : c->x->port;
    if (!ref_parse(host, &ret->host) || !ret->master[0] || !ret->pin || ret->port == 0)
        return err_invalid_value(e, "dest", "not what a host of xapid's answers");
    return 0;
}

/* ---- disks ---- */

static struct ref look_up(const struct map *m, struct ref key)
{
    for (uint32_t i = 0; i < map_count(m); i++)
        if (ref_equal(m->e[i].k.r, key))
            return m->e[i].v.r;
    return REF_NULL;
}

/* The VM's own drive, as its guest has it now; NULL: it has not. */
static const struct vbd *attached_drive(struct db *db, const struct vm *vm, struct ref vdi)
{
    FOREACH_REFERRER (db, vbd, vbd, VBD, VDI, vdi)
        if (ref_equal(vbd->VM, vm->row.ref) && vbd->currently_attached)
            return vbd;
    return NULL;
}

static bool is_image(struct db *db, struct ref vdi)
{
    return db_first_referrer(db, CLASS_VM, VM_F_SUSPEND_VDI, vdi) != NULL;
}

static struct ref destination_of(struct db *db, const struct vm_crossing *m, const struct vdi *vdi)
{
    struct ref sr = look_up(m->disks, vdi->row.ref);

    for (unsigned depth = 0; ref_is_null(sr) && vdi && vdi->is_a_snapshot && depth < 32; depth++) {
        sr = look_up(m->disks, vdi->snapshot_of);
        vdi = db_vdi(db, vdi->snapshot_of);
    }
    if (ref_is_null(sr) && vdi && is_image(db, vdi->row.ref) && map_count(m->disks) > 0)
        sr = m->disks->e[0].v.r;
    return sr;
}

static int plan_disk(struct xapid *x, const struct vm_crossing *m, const struct vm *vm, struct ref ref,
                     struct crossing_plan *p, struct err *e)
{
    const struct vdi *vdi = db_vdi(x->db, ref);
    const struct vbd *drive = vm_is_up(vm) ? attached_drive(x->db, vm, ref) : NULL;
    struct crossing_disk d = {.vdi = ref, .sr = destination_of(x->db, m, vdi)};

    if (ref_is_null(d.sr))
        return err_vdi_not_in_map(e, REF_TEXT(ref));
    if (move_disk_check_leaving(x, vdi, e) < 0)
        return -1;
    if (!m->copy && vm_whole_shares(x->db, &p->whole, ref))
        return err_vdi_in_use(e, REF_TEXT(ref), "migrate_send");
    if (drive) {
        d.mirrored = drive->mode == VBD_MODE_RW;
        d.userdevice = (unsigned)device_number(drive->userdevice);
    }
    p->disks[p->n_disks++] = d;
    return 0;
}

/* ---- NICs ---- */

/* Where a NIC of the VM on this network goes, if all is said. */
static struct ref network_like(struct db *db, const struct vm_crossing *m, struct ref network)
{
    FOREACH_REFERRER (db, vif, vif, VIF, VM, m->vm) {
        struct ref to = look_up(m->nics, vif->row.ref);
        if (ref_equal(vif->network, network) && !ref_is_null(to))
            return to;
    }
    return REF_NULL;
}

static int plan_nics(struct xapid *x, void *ctx, const struct vm_crossing *m, struct ref vm,
                     struct crossing_plan *p, struct err *e)
{
    FOREACH_REFERRER (x->db, vif, vif, VIF, VM, vm) {
        struct crossing_nic nic = {.vif = vif->row.ref, .network = look_up(m->nics, vif->row.ref)};
        if (ref_is_null(nic.network) && !ref_equal(vm, m->vm))
            nic.network = network_like(x->db, m, vif->network);
        if (ref_is_null(nic.network))
            return err_vif_not_in_map(e, REF_TEXT(vif->row.ref));
        p->nics = talloc_realloc(ctx, p->nics, struct crossing_nic, p->n_nics + 1);
        p->nics[p->n_nics++] = nic;
    }
    return 0;
}

/* ---- all of it ---- */

/* The maps are about things of this pool. */
static int check_keys(struct xapid *x, const struct vm_crossing *m, struct err *e)
{
    for (uint32_t i = 0; i < map_count(m->disks); i++)
        if (!db_vdi(x->db, m->disks->e[i].k.r))
            return err_handle_invalid(e, "VDI", REF_TEXT(m->disks->e[i].k.r));
    for (uint32_t i = 0; i < map_count(m->nics); i++)
        if (!db_vif(x->db, m->nics->e[i].k.r))
            return err_handle_invalid(e, "VIF", REF_TEXT(m->nics->e[i].k.r));
    return 0;
}

int crossing_make_plan(struct xapid *x, void *ctx, const struct vm_crossing *m, struct crossing_plan *ret,
                       struct err *e)
{
    const struct vm *vm = db_vm(x->db, m->vm);
    struct hv_passage_options options;

    *ret = (struct crossing_plan){0};
    if (!vm)
        return err_handle_invalid(e, "VM", REF_TEXT(m->vm));
    if (check_keys(x, m, e) < 0 || move_options_read(m->options, &options, e) < 0)
        return -1;
    vm_whole_list(x->db, ctx, vm, !m->copy, &ret->whole);
    ret->disks = talloc_zero_array(ctx, struct crossing_disk, ret->whole.n_disks + 1);
    for (unsigned i = 0; i < ret->whole.n_disks; i++)
        if (plan_disk(x, m, vm, ret->whole.disks[i], ret, e) < 0)
            return -1;
    for (unsigned i = 0; i < ret->whole.n_vms; i++)
        if (plan_nics(x, ctx, m, ret->whole.vms[i], ret, e) < 0)
            return -1;
    return 0;
}
