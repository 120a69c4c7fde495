#include "xapid/transfer/xva_read.h"
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "model/errors.gen.h"
#include "rpc/request.h"
#include "xapid/transfer/xva.h"

enum { MAX_VALUES = 500 * 1000 };

static bool class_by_name(const char *name, enum model_class_id *ret)
{
    static const enum model_class_id known[] = {CLASS_VM,      CLASS_VBD, CLASS_VDI, CLASS_VIF,
                                                CLASS_NETWORK, CLASS_SR,  CLASS_HOST};

    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, model_classes[known[i]].name) == 0) {
            *ret = known[i];
            return true;
        }
    return false;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct xva_record *)a)->id, ((const struct xva_record *)b)->id);
}

/* Take in one object; those of classes that are not known here are left out. */
static int take_object(struct xva *x, const struct wire *w, struct err *e)
{
    const char *name = wire_member_string(w, "class"), *id = wire_member_string(w, "id");
    const struct wire *snapshot = wire_member(w, "snapshot");
    enum model_class_id cls;

    if (!name || !id || !id[0] || !snapshot || snapshot->kind != WIRE_STRUCT)
        return err_import_error(e, "An object of ova.xml lacks its class, id or snapshot");
    if (class_by_name(name, &cls))
        x->records[x->n++] = (struct xva_record){.id = id, .cls = cls, .snapshot = snapshot};
    return 0;
}

static int take_objects(void *ctx, const struct wire *objects, struct xva *x, struct err *e)
{
    if (!objects || objects->kind != WIRE_ARRAY)
        return err_import_error(e, "ova.xml has no objects");
    x->records = talloc_array(ctx, struct xva_record, objects->n + 1);
    for (uint32_t i = 0; i < objects->n; i++)
        if (take_object(x, &objects->items[i], e) < 0)
            return -1;
    qsort(x->records, x->n, sizeof *x->records, by_id);
    for (unsigned i = 1; i < x->n; i++)
        if (by_id(&x->records[i - 1], &x->records[i]) == 0)
            return err_import_error(e, "Two objects of ova.xml have the same id");
    return 0;
}

static void mark_disks(const struct xva *x)
{
    XVA_FOREACH(x, vbd, VBD)
    {
        const struct xva_record *vm = xva_named(x, vbd, "VM", CLASS_VM);
        struct xva_record *vdi = xva_named(x, vbd, "VDI", CLASS_VDI);
        if (vm && vdi && xva_is_imported(vm) && xva_is_disk_drive(vbd))
            vdi->is_disk = true;
    }
}

int xva_read(void *ctx, const char *bytes, size_t n, struct xva *ret, struct err *e)
{
    const char *reason, *version;
    struct wire w;

    *ret = (struct xva){0};
    if (rpc_value_parse_xml(ctx, bytes, n, MAX_VALUES, &w, &reason) < 0)
        return err_import_error(e, talloc_asprintf(ctx, "ova.xml cannot be read: %s", reason));
    const struct wire *about = w.kind == WIRE_STRUCT ? wire_member(&w, "version") : NULL;
    if (!about || about->kind != WIRE_STRUCT)
        return err_import_error(e, "ova.xml does not tell its version");
    version = wire_member_string(about, "export_vsn");
    ret->version = version ? atoi(version) : 0;
    if (ret->version < 0 || ret->version > XVA_VERSION)
        return err_import_incompatible_version(e);
    if (take_objects(ctx, wire_member(&w, "objects"), ret, e) < 0)
        return -1;
    mark_disks(ret);
    return 0;
}

struct xva_record *xva_find(const struct xva *x, enum model_class_id cls, const char *id)
{
    struct xva_record key = {.id = id};
    struct xva_record *r = x->n > 0 ? bsearch(&key, x->records, x->n, sizeof key, by_id) : NULL;

    return r && r->cls == cls ? r : NULL;
}

struct xva_record *xva_named(const struct xva *x, const struct xva_record *r, const char *member,
                             enum model_class_id cls)
{
    return xva_find(x, cls, xva_text(r, member));
}

bool xva_is_imported(const struct xva_record *vm)
{
    return !xva_flag(vm, "is_control_domain");
}

bool xva_is_disk_drive(const struct xva_record *vbd)
{
    return strcmp(xva_text(vbd, "type"), "Disk") == 0;
}

const char *xva_text(const struct xva_record *r, const char *member)
{
    const char *text = wire_member_string(r->snapshot, member);

    return text ? text : "";
}

bool xva_flag(const struct xva_record *r, const char *member)
{
    const struct wire *w = wire_member(r->snapshot, member);

    return w && (w->kind == WIRE_BOOL || w->kind == WIRE_INT) && w->i;
}

bool xva_number(const struct xva_record *r, const char *member, int64_t *ret)
{
    const struct wire *w = wire_member(r->snapshot, member);
    CLEANUP_ERR struct err ignored = {0};
    union value v;

    if (!w || wire_to_value(NULL, &model_type_int, w, member, &v, &ignored) < 0)
        return false;
    *ret = v.i;
    return true;
}
