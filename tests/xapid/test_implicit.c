/* The interpreter of implicit messages, on a row of every class and over both encodings. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "rpc/client.h"
#include "tests/in_fiber.h"
#include "xapid/request.h"
#include "xapid/server.h"
#include "xapid/session/session.h"

static struct xapid x;
static void *ctx;
static const char *session;

static const char *text_of(struct ref r)
{
    char *text = talloc_array(ctx, char, REF_TEXT_SIZE);
    ref_format(r, text);
    return text;
}

static void set_up(void)
{
    struct err e = {0};
    struct ref ref;
    ctx = talloc_new(NULL);
    ck_assert_int_eq(db_open(NULL, &x.db, &e), 0);
    struct session_new s = {.user = "root", .sid = "", .originator = "test", .superuser = true};
    ck_assert_int_eq(session_open(&x, &s, &ref, &e), 0);
    session = text_of(ref);
}

static void tear_down(void)
{
    db_close(x.db);
    talloc_free(ctx);
}

/* Call a message with the session and n parameters; the value written, or NULL with e filled. */
static const char *call(enum rpc_protocol protocol, const char *method, const struct wire *params, uint32_t n,
                        struct err *e)
{
    struct wire *all = talloc_zero_array(ctx, struct wire, n + 1);
    struct request *q = talloc_zero(ctx, struct request);
    CLEANUP_BUF struct buf out = {0};
    struct enc enc = {.out = &out, .format = protocol == RPC_XML ? ENC_XML : ENC_JSON};
    all[0] = wire_string(session);
    for (uint32_t i = 0; i < n; i++)
        all[i + 1] = params[i];
    q->rpc = (struct rpc_request){.protocol = protocol, .method = method, .n_params = n + 1, .params = all};
    q->call = (struct call){.x = &x, .db = x.db, .mem = q};
    if (request_check(q, e) < 0)
        return NULL;
    ck_assert(!request_may_wait(q));
    if (request_run_now(q, &enc, e) < 0)
        return NULL;
    return talloc_strdup(ctx, buf_cstr(&out));
}

/* The value over JSON; fails the test when the call fails. The caller drops it. */
static json_t *json_call(const char *method, const struct wire *params, uint32_t n)
{
    CLEANUP_ERR struct err e = {0};
    const char *text = call(RPC_JSON_2, method, params, n, &e);
    ck_assert_msg(text != NULL, "%s: %s %s", method, e.code, e.n_params ? e.params[0] : "");
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_msg(v != NULL, "%s wrote no JSON: %s", method, text);
    return v;
}

/* The value over XML-RPC, read back. */
static struct wire xml_call(const char *method, const struct wire *params, uint32_t n)
{
    CLEANUP_ERR struct err e = {0};
    struct wire v;
    const char *text = call(RPC_XML, method, params, n, &e);
    ck_assert_msg(text != NULL, "%s: %s %s", method, e.code, e.n_params ? e.params[0] : "");
    const char *reply = talloc_asprintf(
        ctx,
        "<?xml version=\"1.0\"?><methodResponse><params><param><value><struct><member><name>Status</name>"
        "<value>Success</value></member><member><name>Value</name>%s</member></struct></value></param></"
        "params>"
        "</methodResponse>",
        text);
    ck_assert_msg(rpc_reply_parse_xml(ctx, reply, strlen(reply), &v, &e) == 0, "%s wrote no XML-RPC: %s",
                  method, text);
    return v;
}

static const char *fail_code(const char *method, const struct wire *params, uint32_t n)
{
    CLEANUP_ERR struct err e = {0};
    ck_assert_ptr_null(call(RPC_XML, method, params, n, &e));
    return talloc_strdup(ctx, e.code);
}

static struct ref make_row(enum model_class_id cls)
{
    struct err e = {0};
    struct txn *t = db_begin(x.db);
    struct ref ref = db_create(t, cls, REF_NULL)->ref;
    ck_assert_int_eq(db_commit(t, &e), 0);
    return ref;
}

static uint32_t shown_fields(const struct model_class *c)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < c->n_fields; i++)
        n += !c->fields[i].removed && !c->fields[i].internal;
    return n;
}

/* ---- reading ---- */

static void read_one(const struct model_message *m, const struct row *row)
{
    const struct model_class *c = &model_classes[m->cls];
    struct wire self = wire_string(text_of(row->ref));
    json_t *j = json_call(m->full_name, &self, 1);
    struct wire w = xml_call(m->full_name, &self, 1);
    if (m->verb == VERB_GET_RECORD) {
        ck_assert_uint_eq(json_object_size(j), shown_fields(c));
        ck_assert_uint_eq(w.n, shown_fields(c));
    }
    json_decref(j);
}

static void read_all(const struct model_message *m, const struct row *row)
{
    struct wire expr = wire_string("true");
    uint32_t n = m->verb == VERB_GET_ALL_RECORDS_WHERE ? 1 : 0;
    json_t *j = json_call(m->full_name, &expr, n);
    ck_assert_uint_eq(json_is_array(j) ? json_array_size(j) : json_object_size(j), db_count(x.db, m->cls));
    ck_assert_uint_eq(xml_call(m->full_name, &expr, n).n, db_count(x.db, m->cls));
    json_decref(j);
}

static void read_by_uuid(const struct model_message *m, const struct row *row)
{
    const struct model_class *c = &model_classes[m->cls];
    struct wire uuid = wire_string(db_field(x.db, ctx, row, &c->fields[c->uuid_field]).s);
    ck_assert_str_eq(xml_call(m->full_name, &uuid, 1).s, text_of(row->ref));
    struct wire wrong = wire_string("nosuch");
    ck_assert_str_eq(fail_code(m->full_name, &wrong, 1), "UUID_INVALID");
}

static void read_by_name(const struct model_message *m, const struct row *row)
{
    struct wire name = wire_string("no such name");
    ck_assert_uint_eq(xml_call(m->full_name, &name, 1).n, 0);
}

static void read_message(const struct model_message *m, const struct row *row)
{
    switch (m->verb) {
    case VERB_GET_FIELD:
    case VERB_GET_RECORD:
        read_one(m, row);
        break;
    case VERB_GET_ALL:
    case VERB_GET_ALL_RECORDS:
    case VERB_GET_ALL_RECORDS_WHERE:
        read_all(m, row);
        break;
    case VERB_GET_BY_UUID:
        read_by_uuid(m, row);
        break;
    case VERB_GET_BY_NAME_LABEL:
        read_by_name(m, row);
        break;
    default:
        break;
    }
}

START_TEST(every_getter_of_every_class_answers_over_both_encodings)
{
    unsigned n = 0;
    struct ref rows[CLASS_COUNT] = {0};
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++)
        if (model_classes[cls].stored)
            rows[cls] = make_row(cls);
    for (unsigned i = 0; i < model_message_count; i++) {
        const struct model_message *m = &model_messages[i];
        if (m->removed || m->verb == VERB_EXPLICIT || !model_classes[m->cls].stored)
            continue;
        read_message(m, db_get(x.db, m->cls, rows[m->cls]));
        n++;
    }
    ck_assert_uint_gt(n, 1300);
}
END_TEST

START_TEST(a_getter_of_a_row_that_is_gone_says_so)
{
    for (unsigned i = 0; i < model_message_count; i++) {
        const struct model_message *m = &model_messages[i];
        bool one = m->verb == VERB_GET_FIELD || m->verb == VERB_GET_RECORD;
        if (m->removed || !one || !model_classes[m->cls].stored)
            continue;
        struct wire self = wire_string(text_of(ref_new())), junk = wire_string("Ref:1 \xc3\xa9<&"),
                    null = wire_string("");
        ck_assert_str_eq(fail_code(m->full_name, &self, 1), "HANDLE_INVALID");
        ck_assert_str_eq(fail_code(m->full_name, &junk, 1), "HANDLE_INVALID");
        ck_assert_str_eq(fail_code(m->full_name, &null, 1), "HANDLE_INVALID");
    }
}
END_TEST

/* ---- writing ---- */

/* Set the field to what it is, as a client would that had read it, and read it again. */
static void write_back(const struct model_message *m, struct ref ref)
{
    const struct model_field *f = &model_classes[m->cls].fields[m->field];
    const char *getter = talloc_asprintf(ctx, "%s.get_%s", model_classes[m->cls].name, f->name);
    struct wire self = wire_string(text_of(ref));
    struct wire before = xml_call(getter, &self, 1);
    struct wire params[2] = {self, before};
    uint64_t generation = db_generation(x.db);
    xml_call(m->full_name, params, 2);
    ck_assert_msg(db_generation(x.db) == generation, "%s: writing the same value made a change",
                  m->full_name);
    ck_assert(xml_call(getter, &self, 1).kind == before.kind);
}

START_TEST(every_setter_takes_what_its_getter_gave)
{
    unsigned n = 0;
    struct ref rows[CLASS_COUNT] = {0};
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++)
        if (model_classes[cls].stored)
            rows[cls] = make_row(cls);
    for (unsigned i = 0; i < model_message_count; i++) {
        const struct model_message *m = &model_messages[i];
        if (m->removed || m->verb != VERB_SET_FIELD)
            continue;
        write_back(m, rows[m->cls]);
        n++;
    }
    ck_assert_uint_gt(n, 80);
}
END_TEST

/* A value to put into a map or set of this element type; for references a row that exists. */
static struct wire some_value(const struct model_type *t, struct ref ref)
{
    switch (t->kind) {
    case KIND_INT:
        return wire_string("7");
    case KIND_REF:
        return wire_string(text_of(t->cls == CLASS_COUNT ? ref : make_row(t->cls)));
    case KIND_ENUM:
        return wire_string(t->enums->values[0]);
    default:
        return wire_string("k<&>\xc3\xa9");
    }
}

START_TEST(every_map_takes_a_key_once_and_loses_it_quietly)
{
    unsigned n = 0;
    for (unsigned i = 0; i < model_message_count; i++) {
        const struct model_message *m = &model_messages[i];
        if (m->removed || m->verb != VERB_ADD_TO_MAP)
            continue;
        const struct model_field *f = &model_classes[m->cls].fields[m->field];
        const char *cls = model_classes[m->cls].name;
        const char *getter = talloc_asprintf(ctx, "%s.get_%s", cls, f->name);
        const char *remover = talloc_asprintf(ctx, "%s.remove_from_%s", cls, f->name);
        struct ref ref = make_row(m->cls);
        struct wire params[3] = {wire_string(text_of(ref)), some_value(f->type->key, ref),
                                 some_value(f->type->elem, ref)};
        uint32_t before = xml_call(getter, params, 1).n;
        xml_call(m->full_name, params, 3);
        ck_assert_uint_eq(xml_call(getter, params, 1).n, before + 1);
        ck_assert_str_eq(fail_code(m->full_name, params, 3), "MAP_DUPLICATE_KEY");
        const struct model_message *r = model_message_by_name(remover);
        if (r && r->verb == VERB_REMOVE_FROM_MAP) {
            xml_call(remover, params, 2);
            ck_assert_uint_eq(xml_call(getter, params, 1).n, before);
            xml_call(remover, params, 2);
        }
        n++;
    }
    ck_assert_uint_gt(n, 30);
}
END_TEST

START_TEST(every_set_takes_an_element_once)
{
    unsigned n = 0;
    for (unsigned i = 0; i < model_message_count; i++) {
        const struct model_message *m = &model_messages[i];
        if (m->removed || m->verb != VERB_ADD_TO_SET)
            continue;
        const struct model_field *f = &model_classes[m->cls].fields[m->field];
        const char *getter = talloc_asprintf(ctx, "%s.get_%s", model_classes[m->cls].name, f->name);
        const char *remover = talloc_asprintf(ctx, "%s.remove_%s", model_classes[m->cls].name, f->name);
        struct ref ref = make_row(m->cls);
        struct wire params[2] = {wire_string(text_of(ref)), some_value(f->type->elem, ref)};
        xml_call(m->full_name, params, 2);
        xml_call(m->full_name, params, 2);
        ck_assert_uint_eq(xml_call(getter, params, 1).n, 1);
        xml_call(remover, params, 2);
        ck_assert_uint_eq(xml_call(getter, params, 1).n, 0);
        n++;
    }
    ck_assert_uint_gt(n, 3);
}
END_TEST

/* ---- making ---- */

static struct wire record(uint32_t n, struct wire_member *members)
{
    return (struct wire){.kind = WIRE_STRUCT, .n = n, .members = members};
}

START_TEST(create_takes_a_record_and_fills_in_defaults)
{
    struct wire_member members[] = {{"value", wire_string("hidden")}, {"unknown", wire_string("x")}};
    struct wire args = record(2, members);
    struct wire ref = xml_call("secret.create", &args, 1);
    ck_assert_str_eq(xml_call("secret.get_value", &ref, 1).s, "hidden");
    ck_assert_uint_eq(xml_call("secret.get_other_config", &ref, 1).n, 0);
    xml_call("secret.destroy", &ref, 1);
    ck_assert_str_eq(fail_code("secret.get_value", &ref, 1), "HANDLE_INVALID");
}
END_TEST

START_TEST(create_refuses_what_is_missing_or_of_another_type)
{
    struct wire empty = record(0, NULL), text = wire_string("x");
    ck_assert_str_eq(fail_code("secret.create", &empty, 1), "INTERNAL_ERROR");
    ck_assert_str_eq(fail_code("secret.create", &text, 1), "FIELD_TYPE_ERROR");
    struct wire_member members[] = {{"value", record(0, NULL)}};
    struct wire wrong = record(1, members);
    ck_assert_str_eq(fail_code("secret.create", &wrong, 1), "FIELD_TYPE_ERROR");
}
END_TEST

START_TEST(a_reference_to_nothing_is_refused)
{
    struct ref pool = make_row(CLASS_POOL);
    struct wire params[2] = {wire_string(text_of(pool)), wire_string(text_of(ref_new()))};
    ck_assert_str_eq(fail_code("pool.set_default_SR", params, 2), "HANDLE_INVALID");
    params[1] = wire_string("OpaqueRef:NULL");
    xml_call("pool.set_default_SR", params, 2);
}
END_TEST

/* ---- the checks before a message runs ---- */

START_TEST(argument_counts_are_checked_before_the_session)
{
    CLEANUP_ERR struct err e = {0};
    session = "OpaqueRef:nobody";
    ck_assert_ptr_null(call(RPC_XML, "VM.get_record", NULL, 0, &e));
    ck_assert_str_eq(e.code, "MESSAGE_PARAMETER_COUNT_MISMATCH");
    ck_assert_str_eq(e.params[0], "VM.get_record");
    ck_assert_str_eq(e.params[1], "1");
    ck_assert_str_eq(e.params[2], "0");
    struct wire two[2] = {wire_string("a"), wire_string("b")};
    ck_assert_str_eq(fail_code("VM.get_record", two, 2), "MESSAGE_PARAMETER_COUNT_MISMATCH");
    ck_assert_str_eq(fail_code("VM.get_record", two, 1), "SESSION_INVALID");
}
END_TEST

START_TEST(unknown_and_removed_messages_say_so)
{
    CLEANUP_ERR struct err e = {0};
    ck_assert_ptr_null(call(RPC_XML, "VM.fly", NULL, 0, &e));
    ck_assert_str_eq(e.code, "MESSAGE_METHOD_UNKNOWN");
    ck_assert_str_eq(e.params[0], "VM.fly");
    ck_assert_str_eq(fail_code("vm.get_all", NULL, 0), "MESSAGE_METHOD_UNKNOWN");
    ck_assert_str_eq(fail_code("", NULL, 0), "MESSAGE_METHOD_UNKNOWN");
    ck_assert_str_eq(fail_code("Async.VM.get_all", NULL, 0), "Fault");
    xml_call("VM_get_all", NULL, 0);
    session = "OpaqueRef:nobody";
    ck_assert_str_eq(fail_code("VM.fly", NULL, 0), "SESSION_INVALID");
}
END_TEST

START_TEST(a_weak_role_may_read_but_not_write)
{
    struct err e = {0};
    struct ref subject, ref;
    struct txn *t = db_begin(x.db);
    const struct subject *s = subject_create(t);
    subject = s->row.ref;
    struct ref reader;
    ref_parse("OpaqueRef:7233b8e3-eacb-d7da-2c95-f2e581cdbf4e", &reader);
    subject_set_roles(t, s, set_of_refs(ctx, &reader, 1));
    ck_assert_int_eq(db_commit(t, &e), 0);
    struct session_new new = {
        .user = "eve", .sid = "eve", .originator = "", .subjects = set_of_refs(ctx, &subject, 1)};
    ck_assert_int_eq(session_open(&x, &new, &ref, &e), 0);
    session = text_of(ref);
    struct wire params[2] = {wire_string(text_of(make_row(CLASS_POOL))), wire_string("n")};
    xml_call("pool.get_record", params, 1);
    ck_assert_str_eq(fail_code("pool.set_name_label", params, 2), "RBAC_PERMISSION_DENIED");
    ck_assert_str_eq(fail_code("secret.get_all_records", NULL, 0), "RBAC_PERMISSION_DENIED");
    struct wire expr = wire_string("true");
    ck_assert_str_eq(fail_code("secret.get_all_records_where", &expr, 1), "RBAC_PERMISSION_DENIED");
}
END_TEST

START_TEST(sessions_beyond_the_limit_end_the_longest_unused)
{
    struct err e = {0};
    struct ref first, ref;
    struct session_new new = {.user = "root", .sid = "", .originator = "many", .superuser = true};
    ck_assert_int_eq(session_open(&x, &new, &first, &e), 0);
    for (int i = 1; i < 500; i++)
        ck_assert_int_eq(session_open(&x, &new, &ref, &e), 0);
    ck_assert(session_exists(x.db, first));
    ck_assert_int_eq(session_open(&x, &new, &ref, &e), 0);
    ck_assert(!session_exists(x.db, first));
    ck_assert(session_exists(x.db, ref));
    ck_assert_uint_eq(db_count(x.db, CLASS_SESSION), 501);
}
END_TEST

START_TEST(a_session_nobody_uses_for_a_day_ends)
{
    struct ref ref;
    ref_parse(session, &ref);
    int64_t used = db_session(x.db, ref)->last_active;
    session_expire(&x, used + 24 * 3600);
    ck_assert(session_exists(x.db, ref));
    session_expire(&x, used + 24 * 3600 + 1);
    ck_assert(!session_exists(x.db, ref));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("implicit");
    TCase *c = tcase_create("interpreter");
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, every_getter_of_every_class_answers_over_both_encodings);
    tcase_add_test(c, a_getter_of_a_row_that_is_gone_says_so);
    tcase_add_test(c, every_setter_takes_what_its_getter_gave);
    tcase_add_test(c, every_map_takes_a_key_once_and_loses_it_quietly);
    tcase_add_test(c, every_set_takes_an_element_once);
    tcase_add_test(c, create_takes_a_record_and_fills_in_defaults);
    tcase_add_test(c, create_refuses_what_is_missing_or_of_another_type);
    tcase_add_test(c, a_reference_to_nothing_is_refused);
    tcase_add_test(c, argument_counts_are_checked_before_the_session);
    tcase_add_test(c, unknown_and_removed_messages_say_so);
    tcase_add_test(c, a_weak_role_may_read_but_not_write);
    tcase_add_test(c, sessions_beyond_the_limit_end_the_longest_unused);
    tcase_add_test(c, a_session_nobody_uses_for_a_day_ends);
    suite_add_tcase(s, c);
    return run_suite(s);
}
