/* SR.create: new storage on a host; SR.introduce: a row for storage that exists; SR.make, the old form. */
#include <string.h>
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/pbd.h"
#include "xapid/storage/share.h"
#include "xapid/storage/sr.h"

struct new_sr {
    struct ref host;
    const struct map *device_config, *sm_config;
    int64_t physical_size;
    const char *uuid, *name_label, *name_description, *type, *content_type;
    bool shared;
};

static const struct sr *record_sr(struct txn *t, const struct new_sr *n)
{
    const struct sr *sr = sr_create(t);
    const struct sm_driver *driver = sm_driver_by_type(n->type);

    if (n->uuid)
        sr_set_uuid(t, sr, n->uuid);
    sr_set_name_label(t, sr, n->name_label);
    sr_set_name_description(t, sr, n->name_description);
    sr_set_type(t, sr, n->type);
    sr_set_content_type(t, sr, n->content_type[0] || !driver ? n->content_type : driver->content_type);
    sr_set_shared(t, sr, n->shared);
    sr_set_sm_config(t, sr, n->sm_config);
    return sr;
}

struct ref pbd_record(struct txn *t, struct ref sr, struct ref host, const struct map *device_config)
{
    const struct pbd *pbd = pbd_create(t);

    pbd_set_sr(t, pbd, sr);
    pbd_set_host(t, pbd, host);
    pbd_set_device_config(t, pbd, device_config);
    return pbd->row.ref;
}

/* Make the storage itself and attach it. */
static int co_make_storage(struct call *c, const struct new_sr *n, const char *uuid, struct err *e)
{
    struct sm_sr sm = {.type = n->type, .device_config = n->device_config, .sm_config = n->sm_config};
    const struct sm_driver *driver = sm_driver_by_type(n->type);

    memcpy(sm.uuid, uuid, sizeof sm.uuid);
    if (!driver)
        return err_sr_unknown_driver(e, n->type);
    if (!driver->co_sr_create)
        return err_set(e, "SR_BACKEND_FAILURE_95", 3, "", "SRs of this type cannot be created", "");
    struct agent *agent = host_agent(c->x, n->host, e);
    return agent ? co_agent_sr_create(agent, &sm, n->physical_size, e) : -1;
}

static int record_both(struct call *c, const struct new_sr *n, struct ref *ret_sr, struct ref *ret_pbd,
                       struct err *e)
{
    struct txn *t = db_begin(c->db);

    *ret_sr = record_sr(t, n)->row.ref;
    *ret_pbd = pbd_record(t, *ret_sr, n->host, n->device_config);
    return db_commit(t, e);
}

/* After a failure: neither SR nor PBD. */
static void forget_both(struct call *c, struct ref sr, struct ref pbd)
{
    CLEANUP_ERR struct err ignored = {0};
    struct txn *t = db_begin(c->db);

    if (db_pbd(c->db, pbd))
        db_delete(t, db_get(c->db, CLASS_PBD, pbd));
    if (db_sr(c->db, sr))
        db_delete(t, db_get(c->db, CLASS_SR, sr));
    (void)db_commit(t, &ignored);
}

static int co_create(struct call *c, struct new_sr *n, struct ref *ret, struct err *e)
{
    char uuid[UUID_TEXT_SIZE];
    struct sr_handle h;
    struct ref pbd;

    if (ref_is_null(n->host))
        n->host = c->x->host;
    if (!call_row(c, CLASS_HOST, n->host, e) ||
        pbd_check_place(c->db, REF_NULL, n->type, n->shared, n->host, n->device_config, e) < 0)
        return -1;
    uuid_new(uuid);
    n->uuid = uuid;
    if (co_make_storage(c, n, uuid, e) < 0 || record_both(c, n, ret, &pbd, e) < 0)
        return -1;
    if (co_pbd_attach(c->x, pbd, e) < 0 || sr_open_at(c->x, c->mem, *ret, n->host, &h, e) < 0 ||
        co_sr_rescan(c->x, &h, e) < 0) {
        forget_both(c, *ret, pbd);
        return -1;
    }
    return n->shared ? co_share_new_sr(c->x, *ret, e) : 0;
}

int co_sr_create(struct call *c, const struct sr_create_args *a, union value *ret, struct err *e)
{
    struct new_sr n = {.host = a->host,
                       .device_config = a->device_config,
                       .sm_config = a->sm_config,
                       .physical_size = a->physical_size,
                       .name_label = a->name_label,
                       .name_description = a->name_description,
                       .type = a->type,
                       .content_type = a->content_type,
                       .shared = a->shared};
    return co_create(c, &n, &ret->r, e);
}

int co_sr_make(struct call *c, const struct sr_make_args *a, union value *ret, struct err *e)
{
    struct new_sr n = {.host = a->host,
                       .device_config = a->device_config,
                       .sm_config = a->sm_config,
                       .physical_size = a->physical_size,
                       .name_label = a->name_label,
                       .name_description = a->name_description,
                       .type = a->type,
                       .content_type = a->content_type};
    struct ref sr;

    if (co_create(c, &n, &sr, e) < 0)
        return -1;
    ret->s = talloc_strdup(c->mem, db_sr(c->db, sr)->uuid);
    return 0;
}

int co_sr_introduce(struct call *c, const struct sr_introduce_args *a, union value *ret, struct err *e)
{
    struct new_sr n = {.uuid = a->uuid[0] ? a->uuid : NULL,
                       .sm_config = a->sm_config,
                       .name_label = a->name_label,
                       .name_description = a->name_description,
                       .type = a->type,
                       .content_type = a->content_type,
                       .shared = a->shared};

    if (!sm_driver_by_type(a->type))
        return err_sr_unknown_driver(e, a->type);
    if (n.uuid && !uuid_is_valid(n.uuid))
        return err_uuid_invalid(e, "SR", n.uuid);
    if (n.uuid && db_get_by_uuid(c->db, CLASS_SR, n.uuid))
        return err_sr_uuid_exists(e, n.uuid);
    struct txn *t = db_begin(c->db);
    ret->r = record_sr(t, &n)->row.ref;
    return db_commit(t, e);
}
