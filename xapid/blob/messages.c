/* blob.create, blob.destroy, and create_new_blob of the classes that have attachments. */
#include <talloc.h>
#include <unistd.h>
#include "xapid/blob/blob.h"
#include "xapid/handlers.gen.h"
#include "xapid/reftext.h"

int co_blob_create(struct call *c, const struct blob_create_args *a, union value *ret, struct err *e)
{
    struct txn *t = db_begin(c->db);

    ret->r = blob_record(t, "", a->mime_type, a->public)->row.ref;
    return db_commit(t, e);
}

/* The map of attachments is a set of blobs by name; a reference to a blob that is gone is dropped with it. */
static void forget_name(struct txn *t, const struct row *row, unsigned field, const struct map *blobs,
                        struct ref blob)
{
    CLEANUP_TALLOC struct map *kept =
        talloc_zero_size(NULL, sizeof *kept + (map_count(blobs) + 1) * sizeof kept->e[0]);

    for (uint32_t i = 0; i < map_count(blobs); i++)
        if (!ref_equal(blobs->e[i].v.r, blob))
            kept->e[kept->n++] = blobs->e[i];
    if (kept->n < map_count(blobs))
        db_set(t, row, field, (union value){.map = kept});
}

static void forget_everywhere(struct txn *t, struct ref blob)
{
    struct db *db = txn_db(t);

    DB_FOREACH_VM (db, vm)
        forget_name(t, &vm->row, VM_F_BLOBS, vm->blobs, blob);
    DB_FOREACH_POOL (db, pool)
        forget_name(t, &pool->row, POOL_F_BLOBS, pool->blobs, blob);
    DB_FOREACH_HOST (db, host)
        forget_name(t, &host->row, HOST_F_BLOBS, host->blobs, blob);
    DB_FOREACH_NETWORK (db, network)
        forget_name(t, &network->row, NETWORK_F_BLOBS, network->blobs, blob);
    DB_FOREACH_SR (db, sr)
        forget_name(t, &sr->row, SR_F_BLOBS, sr->blobs, blob);
}

int co_blob_destroy(struct call *c, const struct blob_destroy_args *a, struct err *e)
{
    const struct blob *blob = (const struct blob *)call_row(c, CLASS_BLOB, a->self, e);

    if (!blob)
        return -1;
    const char *path = blob_path(c->mem, c->x, blob->uuid);
    struct txn *t = db_begin(c->db);
    forget_everywhere(t, a->self);
    db_delete(t, &blob->row);
    if (db_commit(t, e) < 0)
        return -1;
    /* One that stays is removed at the next start. */
    unlink(path);
    return 0;
}

/* ---- attachments ---- */

struct attaching {
    enum model_class_id cls;
    unsigned field; /* the map of blobs */
    struct ref owner;
    const char *name, *mime_type;
    bool public;
};

static int attach(struct call *c, const struct attaching *a, struct ref *ret, struct err *e)
{
    const struct row *row = call_row(c, a->cls, a->owner, e);
    const struct model_field *f = &model_classes[a->cls].fields[a->field];

    if (!row)
        return -1;
    const struct map *old = db_field(c->db, c->mem, row, f).map;
    struct map *blobs = talloc_zero_size(c->mem, sizeof *blobs + (map_count(old) + 1) * sizeof blobs->e[0]);
    for (uint32_t i = 0; i < map_count(old); i++) {
        if (strcmp(text_of(old->e[i].k.s), a->name) == 0)
            return err_map_duplicate_key(e, model_classes[a->cls].name, f->name, REF_TEXT(a->owner), a->name);
        blobs->e[blobs->n++] = old->e[i];
    }
    struct txn *t = db_begin(c->db);
    *ret = blob_record(t, a->name, a->mime_type, a->public)->row.ref;
    blobs->e[blobs->n++] = (struct map_entry){.k.s = a->name, .v.r = *ret};
    map_sort(f->type, blobs);
    db_set(t, row, a->field, (union value){.map = blobs});
    return db_commit(t, e);
}

int co_vm_create_new_blob(struct call *c, const struct vm_create_new_blob_args *a, union value *ret,
                          struct err *e)
{
    struct attaching all = {CLASS_VM, VM_F_BLOBS, a->vm, a->name, a->mime_type, a->public};
    return attach(c, &all, &ret->r, e);
}

int co_pool_create_new_blob(struct call *c, const struct pool_create_new_blob_args *a, union value *ret,
                            struct err *e)
{
    struct attaching all = {CLASS_POOL, POOL_F_BLOBS, a->pool, a->name, a->mime_type, a->public};
    return attach(c, &all, &ret->r, e);
}

int co_host_create_new_blob(struct call *c, const struct host_create_new_blob_args *a, union value *ret,
                            struct err *e)
{
    struct attaching all = {CLASS_HOST, HOST_F_BLOBS, a->host, a->name, a->mime_type, a->public};
    return attach(c, &all, &ret->r, e);
}

int co_network_create_new_blob(struct call *c, const struct network_create_new_blob_args *a, union value *ret,
                               struct err *e)
{
    struct attaching all = {CLASS_NETWORK, NETWORK_F_BLOBS, a->network, a->name, a->mime_type, a->public};
    return attach(c, &all, &ret->r, e);
}

int co_sr_create_new_blob(struct call *c, const struct sr_create_new_blob_args *a, union value *ret,
                          struct err *e)
{
    struct attaching all = {CLASS_SR, SR_F_BLOBS, a->sr, a->name, a->mime_type, a->public};
    return attach(c, &all, &ret->r, e);
}
