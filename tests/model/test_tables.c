/* The generated tables: complete, sorted, sound, and described throughout. */
#include "tests/model/suite.h"

#include <ctype.h>
#include <string.h>
#include "model/args.gen.h"
#include "model/model.h"
#include "model/rows.gen.h"

#define FOREACH_FIELD(c, f)                                                    \
    for (int c##_i = 0; c##_i < CLASS_COUNT; c##_i++)                          \
        for (const struct model_class *c = &model_classes[c##_i]; c; c = NULL) \
            for (const struct model_field *f = c->fields; f < c->fields + c->n_fields; f++)
#define FOREACH_MESSAGE(m) \
    for (const struct model_message *m = model_messages; m < model_messages + model_message_count; m++)

/* The reference model's own counts. Beyond it stand the hidden messages and the internal fields. */
#define PUBLIC_CLASSES 72
#define PUBLIC_FIELDS 922
#define PUBLIC_MESSAGES 2007
#define ERROR_CODES 634

START_TEST(the_model_is_complete)
{
    unsigned fields = 0, messages = 0;
    ck_assert_int_eq(CLASS_COUNT, PUBLIC_CLASSES);
    FOREACH_FIELD (c, f)
        fields += !f->internal;
    FOREACH_MESSAGE (m)
        messages += !m->hidden;
    ck_assert_uint_eq(fields, PUBLIC_FIELDS);
    ck_assert_uint_eq(messages, PUBLIC_MESSAGES);
    ck_assert_uint_eq(model_error_count, ERROR_CODES);
}
END_TEST

START_TEST(every_name_is_found_and_no_other)
{
    for (int i = 0; i < CLASS_COUNT; i++) {
        ck_assert_ptr_eq(model_class_by_name(model_classes[i].name), &model_classes[i]);
        ck_assert_ptr_eq(model_class_by_event_name(model_classes[i].event_name), &model_classes[i]);
        ck_assert_int_eq(model_classes[i].id, i);
    }
    FOREACH_FIELD (c, f)
        ck_assert_ptr_eq(model_field_by_name(c, f->name), f);
    FOREACH_MESSAGE (m)
        ck_assert_ptr_eq(model_message_by_name(m->full_name), m);
    for (unsigned i = 0; i < model_error_count; i++)
        ck_assert_ptr_eq(model_error_by_code(model_errors[i].code), &model_errors[i]);
    static const char *const unknown[] = {"",         ".",         "_",      "vm",  "VM.",
                                          "VM.Start", "VM.start2", ".start", "zzz", "\xff"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        ck_assert_ptr_null(model_class_by_name(unknown[i]));
        ck_assert_ptr_null(model_message_by_name(unknown[i]));
        ck_assert_ptr_null(model_error_by_code(unknown[i]));
        ck_assert_ptr_null(model_field_by_name(&model_classes[CLASS_VM], unknown[i]));
        ck_assert_ptr_null(model_field_by_name(&model_classes[CLASS_AUTH], unknown[i]));
    }
}
END_TEST

START_TEST(a_message_may_be_called_with_an_underscore)
{
    FOREACH_MESSAGE (m) {
        char name[256];
        snprintf(name, sizeof(name), "%s", m->full_name);
        *strchr(name, '.') = '_';
        ck_assert_ptr_eq(model_message_by_name(name), m);
    }
    static char huge[100000];
    memset(huge, '_', sizeof(huge));
    huge[sizeof(huge) - 1] = '\0';
    ck_assert_ptr_null(model_message_by_name(huge));
}
END_TEST

START_TEST(class_names_of_events_ignore_case)
{
    ck_assert_ptr_eq(model_class_by_event_name("vm_GUEST_metrics"), &model_classes[CLASS_VM_GUEST_METRICS]);
    ck_assert_ptr_null(model_class_by_event_name("vm_guest"));
    ck_assert_ptr_null(model_class_by_event_name(""));
}
END_TEST

static void assert_described(const char *what, const char *doc)
{
    ck_assert_msg(doc && doc[0] && !isspace((unsigned char)doc[0]), "%s has no description", what);
}

START_TEST(everything_is_described)
{
    for (int i = 0; i < CLASS_COUNT; i++)
        assert_described(model_classes[i].name, model_classes[i].doc);
    FOREACH_FIELD (c, f) {
        assert_described(f->name, f->doc);
        for (unsigned i = 0; f->type->enums && i < f->type->enums->n; i++)
            assert_described(f->type->enums->values[i], f->type->enums->docs[i]);
    }
    FOREACH_MESSAGE (m) {
        assert_described(m->full_name, m->doc);
        for (unsigned i = 0; i < m->n_params; i++)
            assert_described(m->full_name, m->params[i].doc);
    }
    for (unsigned i = 0; i < model_error_count; i++)
        assert_described(model_errors[i].code, model_errors[i].doc);
}
END_TEST

static bool refers_to(const struct model_type *t, enum model_class_id cls)
{
    if (t->kind == KIND_SET)
        t = t->elem;
    return t->kind == KIND_REF && t->cls == cls;
}

START_TEST(every_relation_leads_to_a_stored_field_that_leads_back)
{
    unsigned derived = 0;
    FOREACH_FIELD (c, f) {
        if (!f->derived)
            continue;
        const struct model_field *source = &model_classes[f->of_class].fields[f->of_field];
        ck_assert_msg(!source->derived && !source->removed, "%s.%s", c->name, f->name);
        ck_assert(refers_to(source->type, c->id));
        ck_assert(refers_to(f->type, f->of_class));
        derived++;
    }
    ck_assert_uint_gt(derived, 50);
    const struct model_field *vifs = &model_classes[CLASS_VM].fields[VM_F_VIFS];
    ck_assert(vifs->derived);
    ck_assert_int_eq(vifs->of_class, CLASS_VIF);
    ck_assert_uint_eq(vifs->of_field, VIF_F_VM);
}
END_TEST

static size_t size_in_row(const struct model_type *t)
{
    switch (t->kind) {
    case KIND_BOOL:
        return sizeof(bool);
    case KIND_ENUM:
        return sizeof(enum vm_power_state);
    case KIND_REF:
        return sizeof(struct ref);
    default:
        return 8;
    }
}

START_TEST(stored_fields_share_no_byte_of_their_row)
{
    static char used[4096];
    for (int i = 0; i < CLASS_COUNT; i++) {
        const struct model_class *c = &model_classes[i];
        memset(used, 0, sizeof(used));
        ck_assert_uint_le(c->row_size, sizeof(used));
        for (unsigned k = 0; c->stored && k < c->n_fields; k++) {
            const struct model_field *f = &c->fields[k];
            if (f->derived || f->removed)
                continue;
            size_t n = size_in_row(f->type);
            ck_assert_uint_ge(f->offset, sizeof(struct row));
            ck_assert_uint_le(f->offset + n, c->row_size);
            ck_assert_msg(!memchr(used + f->offset, 1, n), "%s.%s", c->name, f->name);
            memset(used + f->offset, 1, n);
        }
    }
}
END_TEST

START_TEST(rows_have_no_holes)
{
    FOREACH_FIELD (c, f)
        if (c->stored && !f->derived && !f->removed)
            ck_assert_uint_eq(f->offset % size_in_row(f->type) % 8, 0);
    ck_assert_uint_eq(offsetof(struct vm, power_state) % 4, 0);
    ck_assert_uint_gt(offsetof(struct vm, is_a_template), offsetof(struct vm, power_state));
}
END_TEST

START_TEST(what_does_not_outlive_a_restart_is_marked)
{
    ck_assert(!model_classes[CLASS_SESSION].persistent && model_classes[CLASS_SESSION].stored);
    ck_assert(!model_classes[CLASS_TASK].persistent);
    ck_assert(!model_classes[CLASS_EVENT].stored);
    ck_assert(model_classes[CLASS_VM].persistent);
    FOREACH_FIELD (c, f) {
        if (strcmp(f->name, "allowed_operations") == 0 || strcmp(f->name, "current_operations") == 0)
            ck_assert(!f->persistent);
        if (!c->persistent || f->derived || f->removed)
            ck_assert(!f->persistent);
    }
    ck_assert(!model_classes[CLASS_VM_METRICS].fields[VM_METRICS_F_MEMORY_ACTUAL].persistent);
    ck_assert(model_classes[CLASS_VM_METRICS].fields[VM_METRICS_F_START_TIME].persistent);
    ck_assert(model_classes[CLASS_VM].fields[VM_F_POWER_STATE].persistent);
}
END_TEST

START_TEST(roles_are_nested)
{
    FOREACH_MESSAGE (m) {
        unsigned nested = m->roles & (ROLE_READ_ONLY * 2 - 1);
        ck_assert_msg((nested & (nested + 1)) == 0, "%s", m->full_name);
    }
    ck_assert_uint_eq(model_message_by_name("VM.start")->roles, ROLE_POOL_ADMIN | ROLE_POOL_OPERATOR |
                                                                    ROLE_VM_POWER_ADMIN | ROLE_VM_ADMIN |
                                                                    ROLE_VM_OPERATOR);
    ck_assert_uint_eq(model_message_by_name("host.set_sched_gran")->roles, 0);
    ck_assert(model_message_by_name("session.login_with_password")->roles & ROLE_ANYONE);
    ck_assert(!model_message_by_name("session.login_with_password")->takes_session);
    ck_assert(model_message_by_name("session.logout")->takes_session);
    ck_assert(!(model_message_by_name("secret.get_value")->roles & ROLE_READ_ONLY));
}
END_TEST

START_TEST(only_messages_that_want_a_handler_may_be_gaps)
{
    FOREACH_MESSAGE (m) {
        bool life = m->verb == VERB_CREATE || m->verb == VERB_DESTROY;
        if (m->gap || m->handler)
            ck_assert_msg(m->verb == VERB_EXPLICIT || life, "%s", m->full_name);
        if (m->verb == VERB_EXPLICIT && !m->removed)
            ck_assert_msg(m->gap || m->handler, "%s", m->full_name);
        ck_assert(!(m->gap && m->handler));
    }
}
END_TEST

START_TEST(arguments_lie_inside_their_struct)
{
    FOREACH_MESSAGE (m) {
        const struct model_param *params = m->n_members ? m->members : m->params;
        unsigned n = m->n_members ? m->n_members : m->n_params;
        ck_assert_uint_le(m->n_required, m->n_params);
        for (unsigned i = 0; m->args_size && i < n; i++)
            ck_assert_uint_le(params[i].offset + size_in_row(params[i].type), m->args_size);
        if (m->handler || m->gap)
            ck_assert_uint_gt(m->args_size, 0);
    }
    const struct model_message *start = model_message_by_name("VM.start");
    ck_assert_uint_eq(start->params[2].offset, offsetof(struct vm_start_args, force));
    ck_assert_uint_eq(start->n_required, 3);
}
END_TEST

START_TEST(defaults_of_parameters_can_be_read)
{
    unsigned optional = 0;
    FOREACH_MESSAGE (m)
        for (unsigned i = 0; i < m->n_params + m->n_members; i++) {
            const struct model_param *p = i < m->n_params ? &m->params[i] : &m->members[i - m->n_params];
            union value v;
            ck_assert_int_eq(p->required, p->default_text == NULL);
            optional += !p->required;
            if (!p->required)
                ck_assert_msg(value_from_text(mem, p->type, p->default_text, &v), "%s %s: %s", m->full_name,
                              p->name, p->default_text);
        }
    ck_assert_uint_gt(optional, 50);
    ck_assert_str_eq(model_message_by_name("session.login_with_password")->params[2].default_text, "1.1");
}
END_TEST

START_TEST(errors_that_messages_name_exist)
{
    FOREACH_MESSAGE (m)
        for (const char *const *code = m->errors; *code; code++)
            ck_assert_msg(model_error_by_code(*code) != NULL, "%s", *code);
}
END_TEST

START_TEST(getters_are_never_asynchronous)
{
    FOREACH_MESSAGE (m)
        if (m->verb == VERB_GET_FIELD || m->verb >= VERB_GET_RECORD)
            ck_assert(!m->has_async);
    ck_assert(model_message_by_name("VM.start")->has_async);
    ck_assert(model_message_by_name("VM.create")->has_async);
    ck_assert(!model_message_by_name("event.from")->has_async);
}
END_TEST

START_TEST(a_fresh_subject_is_a_pool_admin)
{
    const struct set *roles = model_classes[CLASS_SUBJECT].fields[SUBJECT_F_ROLES].initial.set;
    struct ref admin;
    ck_assert_uint_eq(set_count(roles), 1);
    ck_assert(ref_parse("OpaqueRef:0165f154-ba3e-034e-6b27-5d271af109ba", &admin));
    ck_assert(set_has_ref(roles, admin));
    ck_assert_int_eq(model_classes[CLASS_VM].fields[VM_F_HVM_SHADOW_MULTIPLIER].initial.f, 1);
}
END_TEST

START_TEST(enum_values_are_found_by_their_spelling)
{
    ck_assert_int_eq(model_enum_index(&model_enum_vm_power_state, "Running"), VM_POWER_STATE_RUNNING);
    ck_assert_int_eq(model_enum_index(&model_enum_bond_mode, "balance-slb"), BOND_MODE_BALANCE_SLB);
    ck_assert_int_eq(model_enum_index(&model_enum_vm_power_state, "running"), -1);
    ck_assert_int_eq(model_enum_index(&model_enum_vm_power_state, ""), -1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_model_is_complete,
        every_name_is_found_and_no_other,
        a_message_may_be_called_with_an_underscore,
        class_names_of_events_ignore_case,
        everything_is_described,
        every_relation_leads_to_a_stored_field_that_leads_back,
        stored_fields_share_no_byte_of_their_row,
        rows_have_no_holes,
        what_does_not_outlive_a_restart_is_marked,
        roles_are_nested,
        only_messages_that_want_a_handler_may_be_gaps,
        arguments_lie_inside_their_struct,
        defaults_of_parameters_can_be_read,
        errors_that_messages_name_exist,
        getters_are_never_asynchronous,
        a_fresh_subject_is_a_pool_admin,
        enum_values_are_found_by_their_spelling,
        NULL,
    };
    return suite_run("tables", tests);
}
