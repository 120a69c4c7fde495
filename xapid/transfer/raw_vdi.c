#include "xapid/transfer/raw_vdi.h"
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
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

static int co_send_disk(struct disk_sending *s, const struct disk_format *f, struct err *e)
{
    const char *name = talloc_asprintf(s->transfer->request->mem, "%s.%s", s->uuid, f->suffix);

    if (co_disk_map(s->disk, f->shift, &s->map, e) < 0)
        return -1;
    int rc = co_transfer_answer(s->transfer, f->content_type, f->length(s), name, e);
    if (rc == 0)
        rc = f->co_send(s, e);
    disk_map_free(&s->map);
    return rc;
}

static int check_size(const struct vdi *vdi, const struct disk_format *f, struct err *e)
{
    char most[32];

    if (f->max_size == 0 || vdi->virtual_size <= f->max_size)
        return 0;
    snprintf(most, sizeof most, "%lld", (long long)f->max_size);
    return err_vdi_too_large(e, REF_TEXT(vdi->row.ref), most);
}

static int co_export(struct transfer *t, const struct disk_format *f, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct ref ref = find_vdi(t, e);
    struct open_vdi o = {0};

    if (err_is_set(e) || co_op_begin(&t->call, CLASS_VDI, ref, VDI_OPERATIONS_COPY, &op, e) < 0)
        return -1;
    const struct vdi *vdi = db_vdi(t->call.db, ref);
    struct disk_sending s = {.transfer = t, .uuid = talloc_strdup(t->request->mem, vdi->uuid)};
    if (check_size(vdi, f, e) < 0 || co_vdi_open(t->call.x, t->request->mem, ref, false, &o, e) < 0)
        return -1;
    s.disk = o.disk;
    int rc = co_send_disk(&s, f, e);
    co_vdi_close(&o);
    return rc;
}

void co_export_raw_vdi(struct http_request *r, struct http_stream *s, void *x)
{
    const struct disk_format *f = co_format(r, s);
    CLEANUP_ERR struct err e = {0};
    struct transfer t;

    if (!f || !co_transfer_begin(&t, r, s, x, "VDI.copy", "Export of a disk"))
        return;
    if (http_query(r, "base"))
        err_set(&e, "NOT_IMPLEMENTED", 1, "export_raw_vdi with base");
    else
        (void)co_export(&t, f, &e);
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
    if (co_vdi_open(t->call.x, t->request->mem, ref, true, &o, e) < 0)
        return -1;
    int rc = co_transfer_answer(t, NULL, -1, NULL, e);
    if (rc == 0)
        rc = f->co_receive(t, o.disk, e);
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
