#include "xapid/vm/crossing_arrival.h"
#include <string.h>
#include <talloc.h>
#include "xapid/host/host_agent.h"
#include "xapid/reftext.h"
#include "xapid/storage/vdi.h"
#include "xapid/vm/move.h"
#include "xapid/vm/move_disks.h"
#include "xapid/vm/placement.h"
#include "xapid/vm/record.h"

#define ARRIVING "arriving"

/* ---- what is told ---- */

static int not_understood(struct err *e, const char *what)
{
    return err_invalid_value(e, "crossing", what);
}

static const char *told_text(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));

    return text ? text : "";
}

static struct ref told_ref(const json_t *j, const char *key)
{
    struct ref ref;

    return ref_parse(told_text(j, key), &ref) ? ref : REF_NULL;
}

static int read_state(struct arrival *a, struct err *e)
{
    const char *state = told_text(a->told, "state");

    a->paused = strcmp(state, "paused") == 0;
    a->up = a->paused || strcmp(state, "running") == 0;
    a->suspended = strcmp(state, "suspended") == 0;
    return a->up || a->suspended || strcmp(state, "halted") == 0 ? 0 : not_understood(e, "state");
}

static void read_options(struct arrival *a)
{
    const json_t *options = json_object_get(a->told, "options"), *value;
    struct map *m = NULL;
    const char *key;

    json_object_foreach ((json_t *)(uintptr_t)options, key, value)
        if (json_string_value(value))
            m = map_with(a->c->mem, m, talloc_strdup(a->c->mem, key),
                         talloc_strdup(a->c->mem, json_string_value(value)));
    a->options = m;
}

/* ---- its rows ---- */

/* Memory images count as disks here. */
static void mark_images(const struct xva *x)
{
    XVA_FOREACH(x, vm, VM)
    {
        struct xva_record *image = xva_named(x, vm, "suspend_VDI", CLASS_VDI);
        if (image && xva_is_imported(vm))
            image->is_disk = true;
    }
}

static int read_rows(struct arrival *a, struct err *e)
{
    const json_t *text = json_object_get(a->told, "records");

    if (!json_is_string(text) || json_string_length(text) > XVA_RECORDS_MAX)
        return not_understood(e, "records");
    if (xva_read(a->c->mem, json_string_value(text), json_string_length(text), &a->rows.xva, e) < 0)
        return -1;
    mark_images(&a->rows.xva);
    const struct xva_record *vm = xva_find(&a->rows.xva, CLASS_VM, told_text(a->told, "vm"));
    return vm && xva_is_imported(vm) ? 0 : not_understood(e, "vm");
}

static int read_disk(struct arrival *a, const json_t *told, struct err *e)
{
    struct xva_record *r = xva_find(&a->rows.xva, CLASS_VDI, told_text(told, "id"));
    struct arriving_disk *d = &a->rows.disks[a->rows.n];

    if (!r || !r->is_disk || arrival_disk(a, r->id) >= 0)
        return not_understood(e, "disks");
    *d = (struct arriving_disk){.record = r, .sr = told_ref(told, "sr")};
    a->mirrored[a->rows.n++] = json_is_true(json_object_get(told, "mirrored"));
    const struct sr *sr = (const struct sr *)call_row(a->c, CLASS_SR, d->sr, e);
    if (!sr || move_disk_check_sr(a->c->x, d->sr, e) < 0)
        return -1;
    if (a->up && !sr_is_attached_at(a->c->db, d->sr, a->host))
        return err_vm_requires_sr(e, a->name, REF_TEXT(d->sr));
    return sr_is_attached(a->c->db, sr) ? 0 : err_sr_has_no_pbds(e, REF_TEXT(d->sr));
}

static int read_disks(struct arrival *a, struct err *e)
{
    const json_t *list = json_object_get(a->told, "disks");
    size_t n = json_array_size(list);

    a->rows.disks = talloc_zero_array(a->c->mem, struct arriving_disk, n + 1);
    a->places = talloc_zero_array(a->c->mem, struct sr_handle, n + 1);
    a->mirrored = talloc_zero_array(a->c->mem, bool, n + 1);
    for (size_t i = 0; i < n; i++)
        if (read_disk(a, json_array_get(list, i), e) < 0)
            return -1;
    XVA_FOREACH(&a->rows.xva, r, VDI)
    if (r->is_disk && arrival_disk(a, r->id) < 0)
        return err_vdi_not_in_map(e, r->id);
    return 0;
}

/* Where a NIC goes; null: nowhere. */
static struct ref network_for(const struct arrival *a, const char *id)
{
    const json_t *list = json_object_get(a->told, "nics"), *nic;
    size_t i;

    json_array_foreach (list, i, nic)
        if (strcmp(told_text(nic, "id"), id) == 0)
            return told_ref(nic, "network");
    return REF_NULL;
}

static int check_networks(struct arrival *a, struct err *e)
{
    XVA_FOREACH(&a->rows.xva, r, VIF)
    {
        struct ref network = network_for(a, r->id);
        if (ref_is_null(network))
            return err_vif_not_in_map(e, r->id);
        if (!call_row(a->c, CLASS_NETWORK, network, e))
            return -1;
    }
    return 0;
}

int arrival_disk(const struct arrival *a, const char *id)
{
    for (unsigned i = 0; i < a->rows.n; i++)
        if (strcmp(a->rows.disks[i].record->id, id) == 0)
            return (int)i;
    return -1;
}

static int check_version(const struct arrival *a, struct err *e)
{
    const char *source = told_text(a->told, "hypervisor_version");

    return a->up && !move_version_fits(a->c->x, source, a->host)
               ? err_vm_host_incompatible_version_migrate(e, REF_TEXT(a->host), a->name)
               : 0;
}

/* ---- in the transaction that makes the rows ---- */

static const struct vm *row_of(const struct arrival *a, const struct xva_record *r)
{
    return db_vm(a->c->db, r->ref);
}

static void place_nics(struct txn *t, const struct arrival *a)
{
    XVA_FOREACH(&a->rows.xva, r, VIF)
    {
        const struct vif *vif = db_vif(a->c->db, r->ref);
        if (!vif)
            continue;
        vif_set_network(t, vif, network_for(a, r->id));
        vif_set_currently_attached(t, vif,
                                   a->up && ref_equal(vif->VM, a->vm) && xva_flag(r, "currently_attached"));
    }
}

/* A guest that is up, or will be again as it was, misses a CD that is not here. */
static int place_drives(struct txn *t, const struct arrival *a, struct err *e)
{
    XVA_FOREACH(&a->rows.xva, r, VBD)
    {
        const struct vbd *vbd = db_vbd(a->c->db, r->ref);
        const struct xva_record *vdi = xva_named(&a->rows.xva, r, "VDI", CLASS_VDI);
        if (!vbd)
            continue;
        bool of_guest = a->up && ref_equal(vbd->VM, a->vm) && xva_flag(r, "currently_attached");
        if (of_guest && vdi && ref_is_null(vbd->VDI))
            return err_vdi_not_in_map(e, xva_text(vdi, "uuid"));
        vbd_set_currently_attached(t, vbd, of_guest);
    }
    return 0;
}

static void place_images(struct txn *t, const struct arrival *a)
{
    XVA_FOREACH(&a->rows.xva, r, VM)
    {
        const struct vm *vm = row_of(a, r);
        const struct xva_record *image = xva_named(&a->rows.xva, r, "suspend_VDI", CLASS_VDI);
        if (!vm || !image || ref_is_null(image->ref))
            continue;
        vm_set_suspend_vdi(t, vm, image->ref);
        if (!ref_equal(vm->row.ref, a->vm) && strcmp(xva_text(r, "power_state"), "Suspended") == 0)
            vm_record_suspended(t, vm);
    }
}

static int finish(struct txn *t, struct arriving *rows, void *arg, struct err *e)
{
    struct arrival *a = arg;
    const struct xva_record *r = xva_find(&rows->xva, CLASS_VM, told_text(a->told, "vm"));
    const struct vm *vm = row_of(a, r);

    if (!vm)
        return not_understood(e, "vm");
    a->vm = vm->row.ref;
    vm_set_crossing(t, vm, ARRIVING);
    place_nics(t, a);
    place_images(t, a);
    if (!a->rules.dry_run && place_drives(t, a, e) < 0)
        return -1;
    return a->up ? placement_check_arrival(a->c->x, vm, a->host, e) : 0;
}

/* ---- all of it ---- */

static int read_all(struct arrival *a, struct err *e)
{
    const char *id = told_text(a->told, "id");

    if (!uuid_is_valid(id))
        return not_understood(e, "id");
    memcpy(a->id, id, sizeof a->id);
    a->name = talloc_strdup(a->c->mem, told_text(a->told, "name"));
    a->url = talloc_strdup(a->c->mem, told_text(a->told, "url"));
    a->copy = json_is_true(json_object_get(a->told, "copy"));
    a->host = told_ref(a->told, "host");
    read_options(a);
    return read_state(a, e) < 0 || !call_row(a->c, CLASS_HOST, a->host, e) ? -1 : 0;
}

int arrival_read(struct arrival *a, struct call *c, const json_t *told, struct err *e)
{
    const char *force;

    *a = (struct arrival){.c = c, .told = told};
    if (read_all(a, e) < 0 || read_rows(a, e) < 0 || read_disks(a, e) < 0 || check_networks(a, e) < 0)
        return -1;
    force = map_get(a->options, "force");
    a->rules = (struct xva_rules){
        .restore = !a->copy, .force = force && strcmp(force, "true") == 0, .finish = finish, .arg = a};
    return check_version(a, e) < 0 ? -1 : xva_check(c, &a->rows.xva, &a->rules, e);
}

int arrival_check(struct arrival *a, struct err *e)
{
    struct xva_rules rules = a->rules;
    struct arriving rows = {.xva = a->rows.xva};

    a->rules.dry_run = rules.dry_run = rules.force = true; /* its drives have no disks */
    return xva_make_rows(a->c, &rows, &rules, e);
}

/* On the host that it goes to, if that has the SR. */
static int co_make_disk(struct arrival *a, unsigned i, struct undo *u, struct err *e)
{
    struct vdi_making_args how = {.how = VDI_MAKE_NEW};
    struct arriving_disk *d = &a->rows.disks[i];
    struct sr_handle *h = &a->places[i];
    struct xapid *x = a->c->x;
    int rc = sr_is_attached_at(x->db, d->sr, a->host) ? sr_open_at(x, a->c->mem, d->sr, a->host, h, e)
                                                      : sr_open(x, a->c->mem, d->sr, h, e);

    if (rc < 0 || !xva_number(d->record, "virtual_size", &how.size) || how.size <= 0)
        return rc < 0 ? -1 : not_understood(e, "virtual_size");
    return co_vdi_make(x, h, a->c->mem, &how, u, &d->sm, e);
}

int co_arrival_make(struct arrival *a, struct err *e)
{
    struct undo undo = {0};
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < a->rows.n; i++)
        rc = co_make_disk(a, i, &undo, e);
    if (rc == 0)
        rc = xva_make_rows(a->c, &a->rows, &a->rules, e);
    if (rc < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    for (unsigned i = 0; i < a->rows.n; i++)
        co_vdi_made(a->c->x, a->rows.disks[i].sm.uuid);
    return 0;
}

void arrival_record(struct txn *t, const struct arrival *a)
{
    const struct vm *vm = db_vm(a->c->db, a->vm);

    if (a->suspended)
        vm_record_suspended(t, vm);
    vm_set_crossing(t, vm, "");
}

void arrival_record_return(struct txn *t, const struct arrival *a)
{
    vm_set_crossing(t, db_vm(a->c->db, a->vm), ARRIVING);
}
