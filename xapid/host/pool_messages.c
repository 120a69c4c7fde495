/* What a pool answers without doing anything to its hosts. */
#include <string.h>
#include <talloc.h>
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/session/passwd.h"

static int set(struct call *c, struct ref pool, unsigned field, union value v, struct err *e)
{
    return call_set_field(c, CLASS_POOL, pool, field, v, e);
}

int co_pool_get_license_state(struct call *c, const struct pool_get_license_state_args *a, union value *ret,
                              struct err *e)
{
    ret->map = map_with(c->mem, map_with(c->mem, NULL, "edition", "free"), "expiry", "never");
    return call_row(c, CLASS_POOL, a->self, e) ? 0 : -1;
}

int co_pool_apply_edition(struct call *c, const struct pool_apply_edition_args *a, struct err *e)
{
    if (a->edition[0] && strcmp(a->edition, "free") != 0)
        return err_invalid_edition(e, a->edition);
    return call_row(c, CLASS_POOL, a->self, e) ? 0 : -1;
}

int co_pool_set_telemetry_next_collection(struct call *c,
                                          const struct pool_set_telemetry_next_collection_args *a,
                                          struct err *e)
{
    return set(c, a->self, POOL_F_TELEMETRY_NEXT_COLLECTION, (union value){.i = a->value}, e);
}

int co_pool_get_guest_secureboot_readiness(struct call *c,
                                           const struct pool_get_guest_secureboot_readiness_args *a,
                                           union value *ret, struct err *e)
{
    ret->i = POOL_GUEST_SECUREBOOT_READINESS_NOT_READY;
    return call_row(c, CLASS_POOL, a->self, e) ? 0 : -1;
}

/* Never more than a host of its own accord has (passwd_worker.c). */
int co_pool_set_local_auth_max_threads(struct call *c, const struct pool_set_local_auth_max_threads_args *a,
                                       struct err *e)
{
    if (a->value < 1)
        return err_value_not_supported(e, "local_auth_max_threads",
                                       talloc_asprintf(c->mem, "%lld", (long long)a->value), "at least 1");
    if (set(c, a->self, POOL_F_LOCAL_AUTH_MAX_THREADS, (union value){.i = a->value}, e) < 0)
        return -1;
    passwd_worker_limit(a->value);
    return 0;
}

int co_pool_reset_telemetry_uuid(struct call *c, const struct pool_reset_telemetry_uuid_args *a,
                                 struct err *e)
{
    const struct pool *pool = (const struct pool *)call_row(c, CLASS_POOL, a->self, e);
    char uuid[UUID_TEXT_SIZE];

    if (!pool)
        return -1;
    const struct secret *old = db_secret(c->db, pool->telemetry_uuid);
    uuid_new(uuid);
    struct txn *t = db_begin(c->db);
    const struct secret *secret = secret_create(t);
    secret_set_value(t, secret, uuid);
    pool_set_telemetry_uuid(t, pool, secret->row.ref);
    if (old)
        db_delete(t, &old->row);
    return db_commit(t, e);
}
