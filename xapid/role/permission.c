#include "xapid/role/permission.h"
#include <talloc.h>
#include "lib/cleanup.h"

bool role_message_has_permission(const struct model_message *m)
{
    return !m->removed && m->takes_session && m->roles != 0;
}

const char *role_permission_name(void *ctx, const struct model_message *m)
{
    char *name = talloc_strdup(ctx, m->full_name);
    for (char *p = name; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p += 'a' - 'A';
    return name;
}

static bool grants(unsigned roles, const struct model_message *m)
{
    return role_message_has_permission(m) && (m->roles & roles);
}

const struct set *role_permission_names(void *ctx, unsigned roles)
{
    struct set *s = talloc_zero_size(ctx, sizeof *s + model_message_count * sizeof s->v[0]);
    for (unsigned i = 0; i < model_message_count; i++)
        if (grants(roles, &model_messages[i]))
            s->v[s->n++].s = role_permission_name(ctx, &model_messages[i]);
    return s;
}

const struct set *role_permissions(void *ctx, unsigned roles)
{
    struct set *s = talloc_zero_size(ctx, sizeof *s + model_message_count * sizeof s->v[0]);
    for (unsigned i = 0; i < model_message_count; i++)
        if (grants(roles, &model_messages[i])) {
            CLEANUP_TALLOC const char *name = role_permission_name(NULL, &model_messages[i]);
            s->v[s->n++].r = role_permission_ref(name);
        }
    return s;
}
