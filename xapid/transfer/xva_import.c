/* PUT /import and /import_metadata. Disks come first, as storage that no row names yet (and that the next
 * start of the daemon removes, should this one be killed); the rows follow in one transaction. */
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/handlers.gen.h"
#include "xapid/transfer/filter.h"
#include "xapid/transfer/web.h"
#include "xapid/transfer/xva.h"
#include "xapid/transfer/xva_receive.h"
#include "xapid/transfer/xva_rows.h"

/* ---- the archive's beginning ---- */

/* Compressed archives say so in their first bytes. */
static int co_open_filter(struct transfer *t, struct err *e)
{
    static const char *const zstd[] = {"zstd", "-d", "-c", "-q", NULL};
    static const char *const gzip[] = {"gzip", "-d", "-c", "-q", NULL};
    ssize_t n = co_transfer_peek(t, 4, e);

    if (n < 0)
        return -1;
    if (n == 4 && memcmp(t->ahead.data, "\x28\xb5\x2f\xfd", 4) == 0)
        return co_filter_open(t, zstd, false, e);
    if (n == 4 && memcmp(t->ahead.data, "\x1f\x8b", 2) == 0)
        return co_filter_open(t, gzip, false, e);
    return 0;
}

static int co_read_records(struct arriving *a, struct err *e)
{
    struct transfer *t = a->tar.transfer;
    int rc = co_tar_next(&a->tar, e);

    if (rc < 0)
        return -1;
    if (rc == 0)
        return err_import_error_premature_eof(e);
    if (strcmp(a->tar.entry.name, XVA_RECORDS) != 0)
        return err_import_error_unexpected_file(e, XVA_RECORDS, "something else");
    if (a->tar.entry.size > XVA_RECORDS_MAX)
        return err_import_error(e, "ova.xml is too large");
    char *bytes = talloc_size(t->request->mem, (size_t)a->tar.entry.size + 1);
    ssize_t n = co_tar_read(&a->tar, bytes, (size_t)a->tar.entry.size, e);
    return n < 0 ? -1 : xva_read(t->request->mem, bytes, (size_t)n, &a->xva, e);
}

/* ---- disks ---- */

static void list_disks(struct arriving *a)
{
    a->disks = talloc_zero_array(a->tar.transfer->request->mem, struct arriving_disk, a->xva.n + 1);
    XVA_FOREACH(&a->xva, r, VDI)
    if (r->is_disk)
        a->disks[a->n++].record = r;
}

static int co_make_disks(struct arriving *a, struct undo *u, struct err *e)
{
    struct call *c = &a->tar.transfer->call;

    for (unsigned i = 0; i < a->n; i++) {
        struct vdi_making_args how = {.how = VDI_MAKE_NEW};
        if (!xva_number(a->disks[i].record, "virtual_size", &how.size) ||
            co_vdi_make(c->x, &a->sr, c->mem, &how, u, &a->disks[i].sm, e) < 0)
            return -1;
        a->total += a->disks[i].sm.virtual_size;
    }
    return 0;
}

static int co_import_disks(struct arriving *a, const struct xva_rules *rules, struct undo *u, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct call *c = &a->tar.transfer->call;

    list_disks(a);
    if (a->n > 0 && (co_op_begin(c, CLASS_SR, rules->sr, STORAGE_OPERATIONS_VDI_CREATE, &op, e) < 0 ||
                     sr_open(c->x, c->mem, rules->sr, &a->sr, e) < 0 || co_make_disks(a, u, e) < 0))
        return -1;
    return co_xva_receive(a, e) < 0 ? -1 : xva_make_rows(c, a, rules, e);
}

static int co_import_full(struct arriving *a, const struct xva_rules *rules, struct err *e)
{
    struct undo undo = {0};

    if (co_import_disks(a, rules, &undo, e) < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    for (unsigned i = 0; i < a->n; i++)
        co_vdi_made(a->tar.transfer->call.x, a->disks[i].sm.uuid);
    return 0;
}

/* The disk here that stands for one of the archive: the one that vdi:<old uuid>=<uuid or reference> names, or
 * else the one of the same uuid. */
static struct ref find_disk(struct transfer *t, const struct xva_record *r, struct err *e)
{
    const char *uuid = xva_text(r, "uuid");
    struct ref other =
        transfer_object(t, CLASS_VDI, talloc_asprintf(t->request->mem, "vdi:%s", uuid), NULL, e);

    if (!ref_is_null(other) || err_is_set(e))
        return other;
    const struct row *row = db_get_by_uuid(t->call.db, CLASS_VDI, uuid);
    return row ? row->ref : REF_NULL;
}

static int import_records(struct arriving *a, const struct xva_rules *rules, struct err *e)
{
    XVA_FOREACH(&a->xva, r, VDI)
    if (r->is_disk)
        r->ref = find_disk(a->tar.transfer, r, e);
    return err_is_set(e) ? -1 : xva_make_rows(&a->tar.transfer->call, a, rules, e);
}

/* ---- the requests ---- */

/* The VMs, as the array of references that is the task's result. */
static void tell_vms(struct transfer *t, const struct xva *x, bool none)
{
    char *out = talloc_strdup(t->request->mem, "<value><array><data>");

    XVA_FOREACH(x, r, VM)
    if (!none && !ref_is_null(r->ref))
        out = talloc_asprintf_append(out, "<value>%s</value>", REF_TEXT(r->ref));
    t->result = talloc_asprintf_append(out, "</data></array></value>");
}

/* That SR, or for null the pool's default. */
static int choose_sr(struct transfer *t, struct ref sr, struct ref *ret, struct err *e)
{
    if (err_is_set(e))
        return -1;
    if (ref_is_null(sr))
        sr = db_pool(t->call.db, t->call.x->pool)->default_SR;
    const struct sr *row = db_sr(t->call.db, sr);
    if (!row)
        return err_default_sr_not_found(e, REF_TEXT(sr));
    if (strcmp(text_of(row->content_type), "iso") == 0)
        return err_sr_operation_not_supported(e, REF_TEXT(sr));
    *ret = sr;
    return 0;
}

static int co_take_archive(struct arriving *a, const struct xva_rules *rules, struct err *e)
{
    struct transfer *t = a->tar.transfer;

    if (co_open_filter(t, e) < 0 || co_read_records(a, e) < 0 || xva_check(&t->call, &a->xva, rules, e) < 0)
        return -1;
    return rules->metadata ? import_records(a, rules, e) : co_import_full(a, rules, e);
}

static int co_import_archive(struct transfer *t, struct xva_rules *rules, struct err *e)
{
    struct arriving a = {.tar.transfer = t};

    if (http_header(t->request, "transfer-encoding"))
        return err_import_error_cannot_handle_chunked(e);
    if (!rules->metadata &&
        choose_sr(t, transfer_object(t, CLASS_SR, "sr_id", "sr_uuid", e), &rules->sr, e) < 0)
        return -1;
    /* Clients wait for this before they send anything. */
    if (co_transfer_answer(t, NULL, transfer_is_probe(t) ? 0 : -1, NULL, e) < 0)
        return -1;
    if (transfer_is_probe(t))
        return 0;
    if (co_take_archive(&a, rules, e) < 0)
        return -1;
    tell_vms(t, &a.xva, rules->dry_run);
    return 0;
}

static void co_import_request(struct http_request *r, struct http_stream *s, struct xapid *x, bool metadata)
{
    CLEANUP_ERR struct err e = {0};
    struct xva_rules rules = {.metadata = metadata};
    struct transfer t;

    if (!co_transfer_begin(&t, r, s, x, "VM.create", metadata ? "Import of VMs' metadata" : "Import of VMs"))
        return;
    rules.restore = transfer_flag(&t, "restore");
    rules.force = transfer_flag(&t, "force");
    rules.dry_run = metadata && transfer_flag(&t, "dry_run");
    (void)co_import_archive(&t, &rules, &e);
    co_transfer_end(&t, &e);
}

void co_import(struct http_request *r, struct http_stream *s, void *x)
{
    co_import_request(r, s, x, false);
}

void co_import_metadata(struct http_request *r, struct http_stream *s, void *x)
{
    co_import_request(r, s, x, true);
}

/* ---- from a server ---- */

static struct set *set_of_vms(void *ctx, const struct xva *x)
{
    struct set *vms = set_of_refs(ctx, NULL, 0);

    XVA_FOREACH(x, r, VM)
    if (!ref_is_null(r->ref))
        vms = set_with_ref(ctx, vms, r->ref);
    return vms;
}

static int co_open_web(struct transfer *t, const char *url, struct err *e)
{
    CLEANUP_ERR struct err why = {0};

    if (co_web_get(t->call.x, t->call.mem, url, &t->web, &why) == 0)
        return 0;
    if (err_is(&why, "INTERNAL_ERROR"))
        return err_import_error(e, why.params[0]);
    err_move(e, &why);
    return -1;
}

static int co_import_from(struct transfer *t, const struct vm_import_args *a, union value *ret, struct err *e)
{
    struct xva_rules rules = {.restore = a->full_restore, .force = a->force};
    struct arriving arriving = {.tar.transfer = t};

    if (choose_sr(t, a->sr, &rules.sr, e) < 0 || co_open_web(t, a->url, e) < 0)
        return -1;
    int64_t length = web_length(t->web);
    t->body_left = length >= 0 ? length : TRANSFER_UNKNOWN;
    int r = co_take_archive(&arriving, &rules, e);
    if (r == 0)
        ret->set = set_of_vms(t->call.mem, &arriving.xva);
    return r;
}

int co_vm_import(struct call *c, const struct vm_import_args *a, union value *ret, struct err *e)
{
    struct http_request none = {.mem = c->mem};
    struct transfer t = {.request = &none, .call = *c, .result = ""};
    int r = co_import_from(&t, a, ret, e);

    co_filter_close(&t);
    buf_free(&t.ahead);
    web_close(t.web);
    return r;
}
