/* Users and groups who may use the pool, their sessions, and what they did. */
#include <stdint.h>
#include <string.h>
#include "xe/bulk.h"
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"

static int co_subject_add(struct xe *x, struct err *e)
{
    struct wire *record = wire_empty_struct(x);
    const char *identifier =
        co_call_text(x, e, "auth.get_subject_identifier", "s", args_get(x->args, "subject-name"));
    const struct wire *about =
        identifier ? co_call(x, e, "auth.get_subject_information_from_identifier", "s", identifier) : NULL;

    if (!about)
        return -1;
    wire_add_member(x, record, "subject_identifier", wire_string(identifier));
    wire_add_member(x, record, "other_config", *about);
    return co_print_uuid(x, "subject", co_call_text(x, e, "subject.create", "w", record), e);
}

const struct command cmd_subject_add = {
    .name = "subject-add",
    .required = "subject-name",
    .help = "Let a user or group that the host knows use the pool, once it has a role; prints the uuid.",
    .run = co_subject_add,
};

static const char *co_role_by_name(struct xe *x, const char *name, struct err *e)
{
    const struct wire *roles = co_call(x, e, "role.get_by_name_label", "s", name);

    if (roles && roles->kind == WIRE_ARRAY && roles->n > 0)
        return wire_text(x, &roles->items[0]);
    if (roles)
        fail_text(e, "There is no role '%s'", name);
    return NULL;
}

/* The role that role-uuid= or role-name= names. */
static const char *co_role(struct xe *x, struct err *e)
{
    const char *uuid = args_get(x->args, "role-uuid"), *name = args_get(x->args, "role-name");

    if (!uuid == !name) {
        fail_text(e, "Name one role: by role-name or by role-uuid");
        return NULL;
    }
    return uuid ? co_by_uuid(x, "role", uuid, e) : co_role_by_name(x, name, e);
}

static int co_change_role(struct xe *x, const char *method, struct err *e)
{
    const char *role = co_role(x, e), *subject = role ? co_arg_ref(x, "uuid", "subject", e) : NULL;

    return subject ? co_call_void(x, e, method, "ss", subject, role) : -1;
}

static int co_subject_role_add(struct xe *x, struct err *e)
{
    return co_change_role(x, "subject.add_to_roles", e);
}

const struct command cmd_subject_role_add = {
    .name = "subject-role-add",
    .required = "uuid",
    .optional = "role-name,role-uuid",
    .help = "Give a subject a role.",
    .run = co_subject_role_add,
};

static int co_subject_role_remove(struct xe *x, struct err *e)
{
    return co_change_role(x, "subject.remove_from_roles", e);
}

const struct command cmd_subject_role_remove = {
    .name = "subject-role-remove",
    .required = "uuid",
    .optional = "role-name,role-uuid",
    .help = "Take a role from a subject.",
    .run = co_subject_role_remove,
};

static int co_session_subject_identifier_logout_all(struct xe *x, struct err *e)
{
    const struct wire *all = co_call(x, e, "session.get_all_subject_identifiers", "");
    uint32_t n = all && all->kind == WIRE_ARRAY ? all->n : 0;

    for (uint32_t i = 0; i < n; i++)
        if (co_call_void(x, e, "session.logout_subject_identifier", "s", wire_text(x, &all->items[i])) < 0)
            return -1;
    return all ? 0 : -1;
}

const struct command cmd_session_subject_identifier_logout_all = {
    .name = "session-subject-identifier-logout-all",
    .help = "End the sessions of all users with subjects; root's go on.",
    .run = co_session_subject_identifier_logout_all,
};

static int co_audit_log_get(struct xe *x, struct err *e)
{
    char *target = bulk_target(x, "/audit_log", "since", args_get(x->args, "since"));

    return co_download(x, target, args_get(x->args, "filename"), e);
}

const struct command cmd_audit_log_get = {
    .name = "audit-log-get",
    .required = "filename",
    .optional = "since,progress",
    .help =
        "Save the log of who did what, all of it or from since= a time (ISO 8601) on, as a local file. An "
        "empty filename= stands for the standard output.",
    .run = co_audit_log_get,
};
