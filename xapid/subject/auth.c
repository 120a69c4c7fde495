/* Asking about users and groups: the host's own (directory.h). */
#include <errno.h>
#include <stdio.h>
#include <talloc.h>
#include "model/args.gen.h"
#include "xapid/call.h"
#include "xapid/handlers.gen.h"
#include "xapid/subject/directory.h"

static int not_found(struct err *e, int r)
{
    return r == -ENOENT ? err_subject_cannot_be_resolved(e) : err_errno(e, r, "looking up a user");
}

int co_auth_get_subject_identifier(struct call *c, const struct auth_get_subject_identifier_args *a,
                                   union value *ret, struct err *e)
{
    struct directory_entry d;
    int r = co_directory_by_name(c->x, a->subject_name, &d);
    if (r < 0)
        return not_found(e, r);
    ret->s = talloc_strdup(c->mem, d.identifier);
    return 0;
}

static const struct map *with_number(void *ctx, const struct map *m, const char *key, id_t id)
{
    return map_with(ctx, m, key, talloc_asprintf(ctx, "%u", (unsigned)id));
}

/* What directories know of accounts, as clients look for it in a subject's other_config. */
static const struct map *information(void *ctx, const struct directory_entry *d, bool is_system)
{
    const char *name = talloc_strdup(ctx, d->name), *full = talloc_strdup(ctx, d->full_name);
    const struct map *m = map_with(ctx, NULL, "subject-name", name);
    m = map_with(ctx, m, "subject-sid", talloc_strdup(ctx, d->identifier));
    m = map_with(ctx, m, "subject-is-group", d->is_group ? "true" : "false");
    if (is_system)
        m = with_number(ctx, m, "subject-gid", d->gid);
    if (d->is_group)
        return m;
    m = map_with(ctx, m, "subject-displayname", *full ? full : name);
    m = map_with(ctx, m, "subject-gecos", full);
    m = map_with(ctx, m, "subject-upn", name);
    m = map_with(ctx, m, "subject-account-disabled", "false");
    m = map_with(ctx, m, "subject-account-expired", "false");
    m = map_with(ctx, m, "subject-account-locked", "false");
    m = map_with(ctx, m, "subject-password-expired", "false");
    return is_system ? with_number(ctx, m, "subject-uid", d->id) : m;
}

int co_auth_get_subject_information_from_identifier(
    struct call *c, const struct auth_get_subject_information_from_identifier_args *a, union value *ret,
    struct err *e)
{
    struct directory_entry d;
    int r = co_directory_by_identifier(c->x, a->subject_identifier, &d);
    if (r < 0)
        return not_found(e, r);
    ret->map = information(c->mem, &d, directory_is_system(c->x));
    return 0;
}

int co_auth_get_group_membership(struct call *c, const struct auth_get_group_membership_args *a,
                                 union value *ret, struct err *e)
{
    struct directory_entry d;
    int r = co_directory_by_identifier(c->x, a->subject_identifier, &d);
    if (r < 0)
        return not_found(e, r);
    ret->set = directory_groups(c->mem, &d);
    return 0;
}
