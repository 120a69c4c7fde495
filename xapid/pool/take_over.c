#include "xapid/pool/take_over.h"
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "xapid/network/network.h"
#include "xapid/reftext.h"

/* Rows that are another's parts come after those. */
static const enum model_class_id brought[] = {
    CLASS_HOST,         CLASS_HOST_METRICS, CLASS_HOST_CPU,   CLASS_PIF,
    CLASS_PIF_METRICS,  CLASS_SR,           CLASS_PBD,        CLASS_VDI,
    CLASS_VM_APPLIANCE, CLASS_VM,           CLASS_VM_METRICS, CLASS_VM_GUEST_METRICS,
    CLASS_VBD,          CLASS_VBD_METRICS,  CLASS_VIF,        CLASS_VIF_METRICS,
};
enum { N_BROUGHT = sizeof brought / sizeof brought[0] };

struct take_over {
    struct txn *t;
    struct db *from, *to;
    void *mem;
    struct map *networks; /* reference there to reference here, as texts */
};

/* ---- which rows ---- */

static bool is_brought_vm(struct db *from, struct ref vm)
{
    const struct vm *row = db_vm(from, vm);

    return row && !row->is_default_template;
}

static bool is_part_of_vm(struct db *from, unsigned field, struct ref part)
{
    const struct row *vm = db_first_referrer(from, CLASS_VM, field, part);

    return vm && is_brought_vm(from, vm->ref);
}

static bool is_brought(struct db *from, const struct row *row)
{
    switch (row->cls) {
    case CLASS_VM:
        return is_brought_vm(from, row->ref);
    case CLASS_VBD:
        return is_brought_vm(from, ((const struct vbd *)row)->VM);
    case CLASS_VIF:
        return is_brought_vm(from, ((const struct vif *)row)->VM);
    case CLASS_VM_METRICS:
        return is_part_of_vm(from, VM_F_METRICS, row->ref);
    case CLASS_VM_GUEST_METRICS:
        return is_part_of_vm(from, VM_F_GUEST_METRICS, row->ref);
    default:
        return true;
    }
}

/* ---- networks ---- */

static const struct network *find_network(struct db *db, const char *name)
{
    DB_FOREACH_NETWORK (db, network)
        if (strcmp(text_of(network->name_label), text_of(name)) == 0)
            return network;
    return NULL;
}

static const struct network *add_network(struct take_over *o, const struct network *there)
{
    char bridge[16];
    const struct network *n = (const struct network *)db_get(o->to, CLASS_NETWORK, there->row.ref);

    if (!n)
        n = (const struct network *)db_create(o->t, CLASS_NETWORK, there->row.ref);
    network_choose_bridge(o->to, n->row.ref, bridge);
    network_set_uuid(o->t, n, there->uuid);
    network_set_name_label(o->t, n, there->name_label);
    network_set_name_description(o->t, n, there->name_description);
    network_set_mtu(o->t, n, there->MTU);
    network_set_other_config(o->t, n, there->other_config);
    network_set_tags(o->t, n, there->tags);
    network_set_bridge(o->t, n, bridge);
    return n;
}

static void map_networks(struct take_over *o)
{
    DB_FOREACH_NETWORK (o->from, there) {
        const struct network *here = find_network(o->to, there->name_label);

        if (!here)
            here = add_network(o, there);
        o->networks = map_with(o->mem, o->networks, talloc_strdup(o->mem, REF_TEXT(there->row.ref)),
                               talloc_strdup(o->mem, REF_TEXT(here->row.ref)));
    }
}

/* ---- values ---- */

/* The reference as it is here; null when what it points at has not come along. */
static struct ref ref_here(struct take_over *o, enum model_class_id cls, struct ref ref)
{
    const char *network = cls == CLASS_NETWORK ? map_get(o->networks, REF_TEXT(ref)) : NULL;
    struct ref here = ref;

    if (network)
        (void)ref_parse(network, &here);
    return db_get(o->to, cls, here) ? here : REF_NULL;
}

static const struct set *refs_here(struct take_over *o, enum model_class_id cls, const struct set *refs)
{
    const struct set *here = NULL;

    for (uint32_t i = 0; i < set_count(refs); i++) {
        struct ref r = ref_here(o, cls, refs->v[i].r);
        if (!ref_is_null(r))
            here = set_with_ref(o->mem, here, r);
    }
    return here;
}

/* Maps from or to references name things of the moment: operations, positions in use. */
static bool is_map_of_refs(const struct model_type *t)
{
    return t->kind == KIND_MAP && (t->key->kind == KIND_REF || t->elem->kind == KIND_REF);
}

static union value value_here(struct take_over *o, const struct model_field *f, union value v)
{
    if (f->type->kind == KIND_REF)
        return (union value){.r = ref_here(o, f->type->cls, v.r)};
    if (f->type->kind == KIND_SET && f->type->elem->kind == KIND_REF)
        return (union value){.set = refs_here(o, f->type->elem->cls, v.set)};
    if (is_map_of_refs(f->type) || strcmp(f->name, "current_operations") == 0)
        return (union value){0};
    return v;
}

static void copy_fields(struct take_over *o, const struct row *there, const struct row *here)
{
    const struct model_class *c = &model_classes[there->cls];

    for (unsigned i = 0; i < c->n_fields; i++) {
        const struct model_field *f = &c->fields[i];
        if (!f->derived && !f->removed)
            db_set(o->t, here, i, value_here(o, f, db_field(o->from, o->mem, there, f)));
    }
}

/* ---- all ---- */

static void make_rows(struct take_over *o, enum model_class_id cls)
{
    DB_FOREACH (o->from, cls, row)
        if (is_brought(o->from, row) && !db_get(o->to, cls, row->ref))
            db_create(o->t, cls, row->ref);
}

static void fill_rows(struct take_over *o, enum model_class_id cls)
{
    DB_FOREACH (o->from, cls, row)
        if (is_brought(o->from, row))
            copy_fields(o, row, db_get(o->to, cls, row->ref));
}

/* Until the host itself is heard of. */
static void note_absent(struct take_over *o)
{
    DB_FOREACH_PBD (o->from, pbd)
        pbd_set_currently_attached(o->t, db_pbd(o->to, pbd->row.ref), false);
    DB_FOREACH_HOST_METRICS (o->from, m)
        host_metrics_set_live(o->t, db_host_metrics(o->to, m->row.ref), false);
}

void take_over_rows(struct txn *t, struct db *from)
{
    struct take_over o = {.t = t, .from = from, .to = txn_db(t), .mem = talloc_new(NULL)};

    map_networks(&o);
    for (unsigned i = 0; i < N_BROUGHT; i++)
        make_rows(&o, brought[i]);
    for (unsigned i = 0; i < N_BROUGHT; i++)
        fill_rows(&o, brought[i]);
    note_absent(&o);
    talloc_free(o.mem);
}
