#include "xapid/role/role.h"
#include <openssl/evp.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "xapid/role/permission.h"

struct standard_role {
    enum model_role bit;
    const char *uuid, *name, *description;
};

static const struct standard_role standard_roles[] = {
    {ROLE_POOL_ADMIN, "0165f154-ba3e-034e-6b27-5d271af109ba", "pool-admin", "May do everything"},
    {ROLE_POOL_OPERATOR, "b9ce9791-0604-50cd-0649-09b3284c7dfd", "pool-operator",
     "May manage hosts, storage, networks and the pool, but neither users nor roles"},
    {ROLE_VM_POWER_ADMIN, "7955168d-7bec-10ed-105f-c6a7e6e63249", "vm-power-admin",
     "May manage virtual machines, also where that touches hosts: migration, memory, consoles"},
    {ROLE_VM_ADMIN, "aaa00ab5-7340-bfbc-0d1b-7cf342639a6e", "vm-admin",
     "May make, change and delete virtual machines"},
    {ROLE_VM_OPERATOR, "fb8d4ff9-310c-a959-0613-54101535d3d5", "vm-operator",
     "May start, stop and use virtual machines, but neither make nor delete them"},
    {ROLE_READ_ONLY, "7233b8e3-eacb-d7da-2c95-f2e581cdbf4e", "read-only",
     "May look at everything and change nothing"},
};
enum { N_STANDARD = sizeof standard_roles / sizeof standard_roles[0] };

static struct ref ref_of_uuid(const char *uuid)
{
    char text[REF_TEXT_SIZE] = "OpaqueRef:";
    struct ref ref = REF_NULL;
    strncat(text, uuid, UUID_TEXT_SIZE - 1);
    ref_parse(text, &ref);
    return ref;
}

unsigned role_mask(struct db *db, const struct set *roles)
{
    unsigned mask = 0;
    for (uint32_t i = 0; i < set_count(roles); i++)
        for (unsigned k = 0; k < N_STANDARD; k++)
            if (ref_equal(roles->v[i].r, ref_of_uuid(standard_roles[k].uuid)))
                mask |= standard_roles[k].bit;
    return mask;
}

unsigned role_bit(struct ref role)
{
    for (unsigned k = 0; k < N_STANDARD; k++)
        if (ref_equal(role, ref_of_uuid(standard_roles[k].uuid)))
            return standard_roles[k].bit;
    return 0;
}

struct ref role_permission_ref(const char *permission)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    struct ref ref = REF_NULL;
    char key[256] = "permission ";
    strncat(key, permission, sizeof key - strlen(key) - 1);
    EVP_Digest(key, strlen(key), hash, NULL, EVP_sha256(), NULL);
    memcpy(&ref, hash, sizeof ref);
    return ref;
}

/* A row with this reference, made when it is not there. */
static const struct role *ensure(struct txn *t, struct ref ref, const char *name, const char *description)
{
    const struct role *role = db_role(txn_db(t), ref);
    if (!role)
        role = (const struct role *)db_create(t, CLASS_ROLE, ref);
    char text[REF_TEXT_SIZE];
    ref_format(ref, text);
    role_set_uuid(t, role, text + strlen("OpaqueRef:"));
    role_set_name_label(t, role, name);
    role_set_name_description(t, role, description);
    return role;
}

static void ensure_permission(struct txn *t, const struct model_message *m)
{
    CLEANUP_TALLOC const char *name = role_permission_name(NULL, m);
    struct ref ref = role_permission_ref(name);
    if (db_role(txn_db(t), ref))
        return;
    ensure(t, ref, name, "A permission");
}

int role_bootstrap(struct db *db, struct err *e)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    struct txn *t = db_begin(db);
    for (unsigned k = 0; k < N_STANDARD; k++) {
        const struct standard_role *r = &standard_roles[k];
        const struct role *row = ensure(t, ref_of_uuid(r->uuid), r->name, r->description);
        role_set_subroles(t, row, role_permissions(ctx, r->bit));
    }
    for (unsigned i = 0; i < model_message_count; i++)
        if (role_message_has_permission(&model_messages[i]))
            ensure_permission(t, &model_messages[i]);
    return db_commit(t, e);
}
