#include "xapid/transfer/raw_vdi.h"
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "sm/changes.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/open.h"
#include "xapid/storage/vdi.h"
#include "xapid/transfer/disk_format.h"
#include "xapid/transfer/transfer.h"

enum { REFUSAL_MS = 60 * 1000 };

/* The format that the query asks for; NULL: the client was told that there is none of this name. */
static const struct disk_format *co_format(struct http_request *r, struct http_stream *s)
{
    const struct disk_format *f = disk_format_by_name(http_query(r, "format"));

    if (!f || http_query(r, "chunked")) {
        (void)co_stream_send_error(r, s, 404, "This format is not known here", clock_in_ms(REFUSAL_MS));
        return NULL;
    }
    return f;
}

/* The VDI that the query names. */
static struct ref find_vdi(struct transfer *t, struct err *e)
{
    struct ref vdi = transfer_object(t, CLASS_VDI, "vdi", NULL, e);

    if (ref_is_null(vdi) && !err_is_set(e))
        err_handle_invalid(e, "VDI", "");
    return vdi;
}

/* ---- export ---- */

/* A disk on its way out, and the one that the differences are to. */
struct leaving {
    struct transfer *transfer;
    const struct disk_format *format;
    struct op op, base_op;
    struct open_vdi disk, base;
    struct disk_sending sending;
};

static int check_size(const struct vdi *vdi, const struct disk_format *f, struct err *e)
{
    char most[32];

    if (f->max_size == 0 || vdi->virtual_size <= f->max_size)
        return 0;
    snprintf(most, sizeof most, "%lld", (long long)f->max_size);
    return err_vdi_too_large(e, REF_TEXT(vdi->row.ref), most);
}

/* Hold a VDI still and open it. */
static int co_take(struct leaving *l, struct ref ref, struct op *op, struct open_vdi *open,
                   const char **ret_uuid, unsigned flags, struct err *e)
{
    struct call *c = &l->transfer->call;

    if (co_op_begin(c, CLASS_VDI, ref, VDI_OPERATIONS_COPY, op, e) < 0)
        return -1;
    const struct vdi *vdi = db_vdi(c->db, ref);
    *ret_uuid = talloc_strdup(c->mem, vdi->uuid);
    return check_size(vdi, l->format, e) < 0 ? -1 : co_vdi_open(c->x, c->mem, ref, flags, open, e);
}

static int co_find_differences(struct leaving *l, struct ref base, struct err *e)
{
    struct changes_side of = {l->disk.disk, &l->disk.at}, from;

    if (co_take(l, base, &l->base_op, &l->base, &l->sending.parent, DISK_DEPTHS, e) < 0)
        return -1;
    if (agent_is_remote(l->disk.sr.agent) || agent_is_remote(l->base.sr.agent))
        return err_sr_operation_not_supported(e,
                                              REF_TEXT(l->disk.sr.ref)); /* their chains are looked at here */
    from = (struct changes_side){l->base.disk, &l->base.at};
    return co_disk_changes(&of, &from, l->format->shift, &l->sending.map, e);
}

static int co_send_disk(struct leaving *l, struct err *e)
{
    const char *name =
        talloc_asprintf(l->transfer->request->mem, "%s.%s", l->sending.uuid, l->format->suffix);

    if (co_transfer_answer(l->transfer, l->format->content_type, l->format->length(&l->sending), name, e) < 0)
        return -1;
    return l->format->co_send(&l->sending, e);
}

static int co_export(struct leaving *l, struct err *e)
{
    struct transfer *t = l->transfer;
    struct ref ref = find_vdi(t, e), base = REF_NULL;

    if (!err_is_set(e))
        base = transfer_object(t, CLASS_VDI, "base", NULL, e);
    if (err_is_set(e))
        return -1;
    if (!ref_is_null(base) && !l->format->can_differ)
        return err_invalid_value(e, "base", "this format cannot hold differences");
    unsigned flags = ref_is_null(base) ? DISK_READ : DISK_DEPTHS;
    if (co_take(l, ref, &l->op, &l->disk, &l->sending.uuid, flags, e) < 0)
        return -1;
    l->sending.disk = l->disk.disk;
    int rc = ref_is_null(base) ? co_disk_map(l->disk.disk, l->format->shift, &l->sending.map, e)
                               : co_find_differences(l, base, e);
    return rc < 0 ? -1 : co_send_disk(l, e);
}

static void co_let_go(struct leaving *l)
{
    disk_map_free(&l->sending.map);
    co_vdi_close(&l->disk);
    co_vdi_close(&l->base);
    op_end(&l->op);
    op_end(&l->base_op);
}

void co_export_raw_vdi(struct http_request *r, struct http_stream *s, void *x)
{
    struct leaving l = {.format = co_format(r, s)};
    CLEANUP_ERR struct err e = {0};
    struct transfer t;

    if (!l.format || !co_transfer_begin(&t, r, s, x, "VDI.copy", "Export of a disk"))
        return;
    l.transfer = l.sending.transfer = &t;
    (void)co_export(&l, &e);
    co_let_go(&l);
    co_transfer_end(&t, &e);
}

/* ---- import ---- */

/* Take the body into a disk that exists. */
static int co_import_into(struct transfer *t, const struct disk_format *f, struct ref ref, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct open_vdi o = {0};

    /* The target stands still as for a removal. */
    if (co_op_begin(&t->call, CLASS_VDI, ref, VDI_OPERATIONS_DESTROY, &op, e) < 0)
        return -1;
    if (db_vdi(t->call.db, ref)->read_only)
        return err_vdi_readonly(e, REF_TEXT(ref));
    if (co_vdi_open(t->call.x, t->request->mem, ref, DISK_WRITE, &o, e) < 0)
        return -1;
    int rc = co_transfer_answer(t, NULL, -1, NULL, e);
    if (rc == 0)
        rc = f->co_receive(t, &o, e);
    co_vdi_close(&o);
    return rc;
}

/* Make a disk as large as the body on an SR for it. */
static int co_make_target(struct transfer *t, const struct disk_format *f, struct ref sr, struct ref *ret,
                          struct err *e)
{
    struct vdi_create_args a = {.name_label = "Imported disk",
                                .name_description = "",
                                .SR = sr,
                                .virtual_size = t->body_left,
                                .type = VDI_TYPE_USER};
    union value made = {0};

    if (f != &disk_format_raw || t->body_left == TRANSFER_UNKNOWN)
        return err_invalid_value(e, "format",
                                 "only a raw disk of known length can be imported into a new VDI");
    if (co_vdi_create(&t->call, &a, &made, e) < 0)
        return -1;
    *ret = made.r;
    return 0;
}

static int co_import_new(struct transfer *t, const struct disk_format *f, struct ref sr, struct ref *ret,
                         struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};

    if (co_make_target(t, f, sr, ret, e) < 0)
        return -1;
    int rc = co_import_into(t, f, *ret, e);
    if (rc < 0) {
        fiber_mask_cancel();
        (void)co_vdi_remove(t->call.x, *ret, &ignored);
        fiber_unmask_cancel();
    }
    return rc;
}

static int co_import_disk(struct transfer *t, const struct disk_format *f, struct err *e)
{
    struct ref sr = transfer_object(t, CLASS_SR, "sr_id", "sr_uuid", e), vdi;
    int rc;

    if (err_is_set(e))
        return -1;
    if (transfer_is_probe(t))
        return co_transfer_answer(t, NULL, 0, NULL, e);
    if (!ref_is_null(sr) && !http_query(t->request, "vdi"))
        rc = co_import_new(t, f, sr, &vdi, e);
    else {
        vdi = find_vdi(t, e);
        rc = err_is_set(e) ? -1 : co_import_into(t, f, vdi, e);
    }
    if (rc == 0)
        transfer_result(t, vdi);
    return rc;
}

void co_import_raw_vdi(struct http_request *r, struct http_stream *s, void *x)
{
    const struct disk_format *f = co_format(r, s);
    CLEANUP_ERR struct err e = {0};
    struct transfer t;

    if (!f || !co_transfer_begin(&t, r, s, x, "VDI.create", "Import of a disk"))
        return;
    if (http_header(r, "transfer-encoding"))
        err_import_error_cannot_handle_chunked(&e);
    else
        (void)co_import_disk(&t, f, &e);
    co_transfer_end(&t, &e);
}
