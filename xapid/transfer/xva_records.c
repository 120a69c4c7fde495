#include "xapid/transfer/xva_records.h"
#include <stdio.h>
#include <stdlib.h>
#include <talloc.h>
#include "lib/clock.h"
#include "rpc/encode.h"
#include "xapid/reftext.h"
#include "xapid/server.h"
#include "xapid/transfer/xva.h"

/* ---- which rows ---- */

static const struct xva_object *objects(const struct xva_set *s, size_t *ret_n)
{
    *ret_n = s->objects.len / sizeof(struct xva_object);
    return (const struct xva_object *)(const void *)s->objects.data;
}

static void add(struct xva_set *s, enum model_class_id cls, struct ref ref)
{
    struct xva_object o = {cls, ref};

    if (!ref_is_null(ref) && db_get(s->db, cls, ref))
        buf_add(&s->objects, &o, sizeof o);
}

/* Is this kind of device to be left out? */
static bool is_excluded(const struct xva_set *s, const char *kind)
{
    size_t n = strlen(kind);

    for (const char *at = s->without; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, kind, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

static void add_drive(struct xva_set *s, const struct vbd *vbd)
{
    const struct vdi *vdi = db_vdi(s->db, vbd->VDI);

    add(s, CLASS_VBD, vbd->row.ref);
    if (vdi) {
        add(s, CLASS_VDI, vdi->row.ref);
        add(s, CLASS_SR, vdi->SR);
    }
}

void xva_set_add_vm(struct xva_set *s, const struct vm *vm, bool snapshots)
{
    struct ref ref = vm->row.ref;

    add(s, CLASS_VM, ref);
    add(s, CLASS_VM_METRICS, vm->metrics);
    add(s, CLASS_VM_GUEST_METRICS, vm->guest_metrics);
    add(s, CLASS_HOST, vm->affinity);
    add(s, CLASS_HOST, vm->resident_on);
    if (s->images)
        add(s, CLASS_VDI, vm->suspend_VDI);
    if (!is_excluded(s, "vbd"))
        FOREACH_REFERRER (s->db, vbd, vbd, VBD, VM, ref)
            add_drive(s, vbd);
    if (!is_excluded(s, "vif"))
        FOREACH_REFERRER (s->db, vif, vif, VIF, VM, ref) {
            add(s, CLASS_VIF, vif->row.ref);
            add(s, CLASS_NETWORK, vif->network);
        }
    if (snapshots)
        FOREACH_REFERRER (s->db, vm, snapshot, VM, SNAPSHOT_OF, ref)
            xva_set_add_vm(s, snapshot, false);
}

static int by_ref(const void *a, const void *b)
{
    const struct xva_object *x = a, *y = b;

    if (x->ref.hi != y->ref.hi)
        return x->ref.hi < y->ref.hi ? -1 : 1;
    return x->ref.lo < y->ref.lo ? -1 : x->ref.lo > y->ref.lo;
}

void xva_set_complete(struct xva_set *s)
{
    struct xva_object *o = (struct xva_object *)(void *)s->objects.data;
    size_t n = s->objects.len / sizeof *o, kept = 0;

    if (n == 0)
        return;
    qsort(o, n, sizeof *o, by_ref);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || by_ref(&o[kept - 1], &o[i]) != 0)
            o[kept++] = o[i];
    s->objects.len = kept * sizeof *o;
}

void xva_set_free(struct xva_set *s)
{
    buf_free(&s->objects);
}

int xva_set_number(const struct xva_set *s, struct ref ref)
{
    struct xva_object key = {.ref = ref};
    size_t n;
    const struct xva_object *all = objects(s, &n);
    const struct xva_object *found = n > 0 ? bsearch(&key, all, n, sizeof key, by_ref) : NULL;

    return found ? (int)(found - all) : XVA_NULL;
}

/* ---- the document ---- */

static void write_ref(const struct xva_set *s, struct enc *e, struct ref ref)
{
    char text[24];
    int number = xva_set_number(s, ref);

    snprintf(text, sizeof text, "Ref:%d", number);
    enc_string(e, number == XVA_NULL ? "OpaqueRef:NULL" : text);
}

/* A set of references: those to rows that come along. */
static void write_refs(const struct xva_set *s, struct enc *e, const struct set *refs)
{
    enc_array_begin(e);
    for (uint32_t i = 0; i < set_count(refs); i++)
        if (xva_set_number(s, refs->v[i].r) != XVA_NULL)
            write_ref(s, e, refs->v[i].r);
    enc_array_end(e);
}

static void write_map_of_refs(const struct xva_set *s, struct enc *e, const struct model_type *t,
                              const struct map *m)
{
    enc_struct_begin(e);
    for (uint32_t i = 0; i < map_count(m) && t->key->kind == KIND_STRING; i++)
        if (xva_set_number(s, m->e[i].v.r) != XVA_NULL) {
            enc_member_text(e, text_of(m->e[i].k.s));
            write_ref(s, e, m->e[i].v.r);
        }
    enc_struct_end(e);
}

static bool is_operations(const struct model_field *f)
{
    return strcmp(f->name, "allowed_operations") == 0 || strcmp(f->name, "current_operations") == 0;
}

static void write_field(const struct xva_set *s, struct enc *e, const struct row *row,
                        const struct model_field *f)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct model_type *t = f->type;
    union value v = is_operations(f) ? (union value){0} : db_field(s->db, mem, row, f);

    if (strcmp(f->name, "currently_attached") == 0 && !s->keep_power)
        v.b = false;
    if (t->kind == KIND_REF)
        write_ref(s, e, v.r);
    else if (t->kind == KIND_SET && t->elem->kind == KIND_REF)
        write_refs(s, e, v.set);
    else if (t->kind == KIND_MAP && (t->elem->kind == KIND_REF || t->key->kind == KIND_REF))
        write_map_of_refs(s, e, t, v.map);
    else
        enc_value(e, t, v);
}

static void write_object(const struct xva_set *s, struct enc *e, const struct xva_object *o)
{
    const struct model_class *cls = &model_classes[o->cls];
    const struct row *row = db_get(s->db, o->cls, o->ref);

    enc_struct_begin(e);
    enc_member(e, "class");
    enc_string(e, cls->name);
    enc_member(e, "id");
    write_ref(s, e, o->ref);
    enc_member(e, "snapshot");
    enc_struct_begin(e);
    for (unsigned i = 0; i < cls->n_fields; i++)
        if (!cls->fields[i].removed && !cls->fields[i].internal) {
            enc_member(e, cls->fields[i].name);
            write_field(s, e, row, &cls->fields[i]);
        }
    enc_struct_end(e);
    enc_struct_end(e);
}

static void write_text(struct enc *e, const char *name, const char *text)
{
    enc_member(e, name);
    enc_string(e, text_of(text));
}

static void write_version(struct enc *e, const struct xapid *x)
{
    const struct host *host = db_host(x->db, x->host);
    char date[DATETIME_TEXT_SIZE], number[16];

    datetime_format(clock_wall(), date);
    enc_struct_begin(e);
    write_text(e, "hostname", host->hostname);
    write_text(e, "date", date);
    write_text(e, "product_version", map_get(host->software_version, "product_version"));
    write_text(e, "product_brand", map_get(host->software_version, "product_brand"));
    write_text(e, "build_number", map_get(host->software_version, "build_number"));
    snprintf(number, sizeof number, "%lld", (long long)host->API_version_major);
    write_text(e, "xapi_major", number);
    snprintf(number, sizeof number, "%lld", (long long)host->API_version_minor);
    write_text(e, "xapi_minor", number);
    snprintf(number, sizeof number, "%d", XVA_VERSION);
    write_text(e, "export_vsn", number);
    enc_struct_end(e);
}

void xva_set_write(const struct xva_set *s, const struct xapid *x, struct buf *out)
{
    struct enc e = {.out = out, .format = ENC_XML};
    size_t n;
    const struct xva_object *all = objects(s, &n);

    buf_add_lit(out, "<?xml version='1.0'?>");
    enc_struct_begin(&e);
    enc_member(&e, "version");
    write_version(&e, x);
    enc_member(&e, "objects");
    enc_array_begin(&e);
    for (size_t i = 0; i < n; i++)
        write_object(s, &e, &all[i]);
    enc_array_end(&e);
    enc_struct_end(&e);
}
