/* GET /export and /export_metadata. */
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/open.h"
#include "xapid/transfer/filter.h"
#include "xapid/transfer/tar.h"
#include "xapid/transfer/xva.h"
#include "xapid/transfer/xva_data.h"
#include "xapid/transfer/xva_records.h"

enum { REFUSAL_MS = 60 * 1000, DIRECTORY_SIZE = 24 };

static struct ref find_vm(struct transfer *t, struct err *e)
{
    struct ref vm = transfer_object(t, CLASS_VM, "ref", "uuid", e);

    if (ref_is_null(vm) && !err_is_set(e))
        err_handle_invalid(e, "VM", "");
    return vm;
}

/* ---- the disks ---- */

struct leaving_disk {
    char directory[DIRECTORY_SIZE];
    struct ref vdi;
    struct op op;
    int64_t size;
};

struct leaving {
    struct transfer *transfer;
    struct op op; /* on the VM */
    struct xva_set set;
    struct buf records;
    unsigned n;
    struct leaving_disk *disks;
    int64_t total; /* bytes of them */
};

static int by_directory(const void *a, const void *b)
{
    return strcmp(((const struct leaving_disk *)a)->directory, ((const struct leaving_disk *)b)->directory);
}

static void list_disks(struct leaving *l, struct ref vm)
{
    struct call *c = &l->transfer->call;
    const struct set *vbds = db_referrers(c->db, c->mem, CLASS_VBD, VBD_F_VM, vm);

    l->disks = talloc_zero_array(c->mem, struct leaving_disk, set_count(vbds) + 1);
    for (uint32_t i = 0; i < set_count(vbds); i++) {
        const struct vbd *vbd = db_vbd(c->db, vbds->v[i].r);
        const struct vdi *vdi = db_vdi(c->db, vbd->VDI);
        if (vbd->type != VBD_TYPE_DISK || !vdi)
            continue;
        struct leaving_disk *d = &l->disks[l->n++];
        d->vdi = vbd->VDI;
        d->size = vdi->virtual_size;
        l->total += d->size;
        snprintf(d->directory, sizeof d->directory, "Ref:%d", xva_set_number(&l->set, vbd->VDI));
    }
    qsort(l->disks, l->n, sizeof *l->disks, by_directory);
}

/* Hold the disks still; a disk on two drives is sent once. */
static int co_hold_disks(struct leaving *l, struct err *e)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < l->n; i++)
        if (kept == 0 || !ref_equal(l->disks[i].vdi, l->disks[kept - 1].vdi))
            l->disks[kept++] = l->disks[i];
    l->n = kept;
    for (unsigned i = 0; i < l->n; i++)
        if (co_op_begin(&l->transfer->call, CLASS_VDI, l->disks[i].vdi, VDI_OPERATIONS_COPY, &l->disks[i].op,
                        e) < 0)
            return -1;
    return 0;
}

static void let_go(struct leaving *l)
{
    for (unsigned i = 0; i < l->n; i++)
        op_end(&l->disks[i].op);
    op_end(&l->op);
    xva_set_free(&l->set);
    buf_free(&l->records);
}

static int co_send_disks(struct leaving *l, struct err *e)
{
    struct transfer *t = l->transfer;
    int64_t done = 0;
    int rc = 0;

    for (unsigned i = 0; i < l->n && rc == 0; i++) {
        struct open_vdi o = {0};
        rc = co_vdi_open(t->call.x, t->request->mem, l->disks[i].vdi, DISK_READ, &o, e);
        if (rc == 0)
            rc = co_xva_send_disk(t, l->disks[i].directory, o.disk, &done, l->total, e);
        co_vdi_close(&o);
    }
    return rc;
}

/* ---- /export ---- */

static const char *const gzip[] = {"gzip", "-c", "-1", NULL};
static const char *const zstd[] = {"zstd", "-c", "-q", "-3", NULL};

/* The program that use_compression asks for; NULL: none. */
static int compressor(const struct http_request *r, const char *const **ret, struct err *e)
{
    const char *text = http_query(r, "use_compression");

    *ret = NULL;
    if (!text || strcmp(text, "false") == 0)
        return 0;
    if (strcmp(text, "true") == 0 || strcmp(text, "gzip") == 0)
        *ret = gzip;
    else if (strcmp(text, "zstd") == 0)
        *ret = zstd;
    return *ret ? 0 : err_invalid_value(e, "use_compression", text);
}

static int co_send_archive(struct leaving *l, struct err *e)
{
    struct transfer *t = l->transfer;

    if (co_xva_send_file(t, XVA_RECORDS, l->records.data, l->records.len, e) < 0 || co_send_disks(l, e) < 0 ||
        co_xva_send_end(t, e) < 0)
        return -1;
    return co_filter_finish(t, e);
}

static int co_export_vm(struct leaving *l, struct err *e)
{
    struct transfer *t = l->transfer;
    struct ref ref = find_vm(t, e);
    const char *const *program;

    if (err_is_set(e) || compressor(t->request, &program, e) < 0 ||
        co_op_begin(&t->call, CLASS_VM, ref, VM_OPERATIONS_EXPORT, &l->op, e) < 0)
        return -1;
    l->set.keep_power = transfer_flag(t, "preserve_power_state");
    xva_set_add_vm(&l->set, db_vm(t->call.db, ref), false);
    xva_set_complete(&l->set);
    list_disks(l, ref);
    if (co_hold_disks(l, e) < 0)
        return -1;
    xva_set_write(&l->set, t->call.x, &l->records);
    if (co_transfer_answer(t, "application/octet-stream", -1, "export.xva", e) < 0 ||
        (program && co_filter_open(t, program, true, e) < 0))
        return -1;
    return co_send_archive(l, e);
}

void co_export(struct http_request *r, struct http_stream *s, void *x)
{
    CLEANUP_ERR struct err e = {0};
    struct leaving l = {0};
    struct transfer t;

    if (!co_transfer_begin(&t, r, s, x, "VM.copy", "Export of a VM"))
        return;
    l.transfer = &t;
    l.set.db = t.call.db;
    (void)co_export_vm(&l, &e);
    let_go(&l);
    co_transfer_end(&t, &e);
}

/* ---- /export_metadata ---- */

static bool flag_or(const struct transfer *t, const char *key, bool otherwise)
{
    return http_query(t->request, key) ? transfer_flag(t, key) : otherwise;
}

/* One VM, or all but default templates. */
static int collect(struct leaving *l, struct err *e)
{
    struct transfer *t = l->transfer;
    bool snapshots = flag_or(t, "export_snapshots", true), dom0 = flag_or(t, "include_dom0", true);

    if (!transfer_flag(t, "all")) {
        struct ref ref = find_vm(t, e);
        if (err_is_set(e) ||
            op_check(t->call.db, call_row(&t->call, CLASS_VM, ref, e), VM_OPERATIONS_METADATA_EXPORT, e) < 0)
            return -1;
        xva_set_add_vm(&l->set, db_vm(t->call.db, ref), snapshots);
        return 0;
    }
    DB_FOREACH_VM (t->call.db, vm)
        if (!vm->is_default_template && (dom0 || !vm->is_control_domain) && (snapshots || !vm->is_a_snapshot))
            xva_set_add_vm(&l->set, vm, false);
    return 0;
}

static int co_send_metadata(struct leaving *l, struct err *e)
{
    struct transfer *t = l->transfer;

    l->set.without = http_query(t->request, "excluded_device_types");
    if (collect(l, e) < 0)
        return -1;
    xva_set_complete(&l->set);
    xva_set_write(&l->set, t->call.x, &l->records);
    int64_t n = (int64_t)l->records.len, length = 3 * TAR_BLOCK + n + tar_padding(n);
    if (co_transfer_answer(t, "application/octet-stream", length, "export.xva", e) < 0 ||
        co_xva_send_file(t, XVA_RECORDS, l->records.data, l->records.len, e) < 0)
        return -1;
    return co_xva_send_end(t, e);
}

void co_export_metadata(struct http_request *r, struct http_stream *s, void *x)
{
    CLEANUP_ERR struct err e = {0};
    struct leaving l = {0};
    struct transfer t;

    if (!co_transfer_begin(&t, r, s, x, "VM.get_record", "Export of VMs' metadata"))
        return;
    l.transfer = &t;
    l.set.db = t.call.db;
    (void)co_send_metadata(&l, &e);
    let_go(&l);
    co_transfer_end(&t, &e);
}
