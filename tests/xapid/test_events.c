/* Tokens, filters, and what becomes an event. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "tests/in_fiber.h"
#include "xapid/event/batch.h"
#include "xapid/event/filter.h"
#include "xapid/event/token.h"

static struct db *db;
static void *ctx;

static void set_up(void)
{
    struct err e = {0};
    ctx = talloc_new(NULL);
    ck_assert_int_eq(db_open(NULL, &db, &e), 0);
}

static void tear_down(void)
{
    db_close(db);
    talloc_free(ctx);
}

static void commit(struct txn *t)
{
    struct err e = {0};
    ck_assert_int_eq(db_commit(t, &e), 0);
}

static struct ref make_vm(const char *name)
{
    struct txn *t = db_begin(db);
    const struct vm *vm = vm_create(t);
    vm_set_name_label(t, vm, name);
    struct ref ref = vm->row.ref;
    commit(t);
    return ref;
}

static void rename_vm(struct ref ref, const char *name)
{
    struct txn *t = db_begin(db);
    vm_set_name_label(t, db_vm(db, ref), name);
    commit(t);
}

static void delete_vm(struct ref ref)
{
    struct txn *t = db_begin(db);
    db_delete(t, db_get(db, CLASS_VM, ref));
    commit(t);
}

static struct event_filter filter(const char *text, unsigned roles)
{
    CLEANUP_ERR struct err e = {0};
    struct event_filter f;
    ck_assert_int_eq(event_filter_parse(ctx, set_of_strings(ctx, 1, text), roles, &f, &e), 0);
    return f;
}

START_TEST(tokens_are_read_as_written)
{
    CLEANUP_ERR struct err e = {0};
    char text[EVENT_TOKEN_SIZE];
    uint64_t n;
    event_token_format(1234567, text);
    ck_assert_str_eq(text, "00000000000001234567,00000000000001234567");
    ck_assert_int_eq(event_token_parse(text, &n, &e), 0);
    ck_assert_uint_eq(n, 1234567);
    ck_assert_int_eq(event_token_parse("", &n, &e), 0);
    ck_assert_uint_eq(n, 0);
    event_token_format(UINT64_MAX, text);
    ck_assert_int_eq(event_token_parse(text, &n, &e), 0);
    ck_assert_uint_eq(n, UINT64_MAX);
}
END_TEST

START_TEST(what_is_no_token_is_refused)
{
    static const char *const bad[] = {" ",
                                      "x",
                                      ",",
                                      "1",
                                      "1,",
                                      ",1",
                                      "1,2,3",
                                      "-1,2",
                                      "1, 2",
                                      "1,2 ",
                                      "0x1,2",
                                      "1,+2",
                                      "18446744073709551616,1",
                                      "000000000000000000001,1",
                                      "\xff,\xff",
                                      "1\n,1"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CLEANUP_ERR struct err e = {0};
        uint64_t n;
        ck_assert_msg(event_token_parse(bad[i], &n, &e) == -1, "accepted: %s", bad[i]);
        ck_assert_str_eq(e.code, "EVENT_FROM_TOKEN_PARSE_FAILURE");
        ck_assert_str_eq(e.params[0], bad[i]);
    }
}
END_TEST

START_TEST(filters_know_classes_objects_and_everything)
{
    struct ref vm = ref_new(), other = ref_new();
    char text[REF_TEXT_SIZE];
    ref_format(vm, text);
    struct event_filter all = filter("*", ROLE_POOL_ADMIN), vms = filter("Vm", ROLE_POOL_ADMIN);
    struct event_filter one = filter(talloc_asprintf(ctx, "VM/%s", text), ROLE_POOL_ADMIN);
    struct event_filter none = filter("nosuchclass", ROLE_POOL_ADMIN);
    ck_assert(event_filter_wants(&all, CLASS_VM, vm));
    ck_assert(event_filter_wants(&all, CLASS_POOL, vm));
    ck_assert(event_filter_wants(&vms, CLASS_VM, vm));
    ck_assert(!event_filter_wants(&vms, CLASS_POOL, vm));
    ck_assert(event_filter_wants(&one, CLASS_VM, vm));
    ck_assert(!event_filter_wants(&one, CLASS_VM, other));
    ck_assert(!event_filter_wants(&one, CLASS_VBD, vm));
    ck_assert(!event_filter_wants(&none, CLASS_VM, vm));
    struct event_filter tasks = filter("task", ROLE_POOL_ADMIN);
    ck_assert(event_filter_is_task_only(&tasks));
    ck_assert(!event_filter_is_task_only(&all));
}
END_TEST

START_TEST(sessions_make_no_events_and_secrets_only_for_those_who_may_read_them)
{
    struct event_filter admin = filter("*", ROLE_POOL_ADMIN), reader = filter("*", ROLE_READ_ONLY);
    ck_assert(!event_filter_wants(&admin, CLASS_SESSION, ref_new()));
    ck_assert(event_filter_wants(&admin, CLASS_SECRET, ref_new()));
    ck_assert(!event_filter_wants(&reader, CLASS_SECRET, ref_new()));
    ck_assert(event_filter_wants(&reader, CLASS_VM, ref_new()));
}
END_TEST

START_TEST(a_filter_with_too_many_parts_is_refused)
{
    CLEANUP_ERR struct err e = {0};
    struct event_filter f;
    ck_assert_int_eq(event_filter_parse(ctx, set_of_strings(ctx, 2, "vm", "vm/a/b"), ROLE_POOL_ADMIN, &f, &e),
                     -1);
    ck_assert_str_eq(e.code, "EVENT_SUBSCRIPTION_PARSE_FAILURE");
    ck_assert_str_eq(e.params[0], "vm/a/b");
}
END_TEST

/* The events since a generation as "add vm name;mod vm name;del vm" text. */
static const char *story(const char *wanted, uint64_t since)
{
    struct event_filter f = filter(wanted, ROLE_POOL_ADMIN);
    struct event_batch *b = event_collect(ctx, db, &f, since);
    CLEANUP_BUF struct buf out = {0};
    struct enc enc = {.out = &out, .format = ENC_JSON};
    uint64_t id = 1;
    event_batch_write(b, &enc, "0.0", &id);
    ck_assert_int_eq(event_batch_is_empty(b), id == 1);
    ck_assert_int_eq(event_is_due(db, &f, since), id != 1);
    char *text = talloc_strdup(ctx, ""), *at = talloc_strdup(ctx, buf_cstr(&out));
    while ((at = strstr(at, "\"operation\":\""))) {
        at += strlen("\"operation\":\"");
        text = talloc_asprintf_append(text, "%.3s", at);
        char *next = strstr(at, "\"operation\":\""), *name = strstr(at, "\"name_label\":\"");
        if (name && (!next || name < next))
            text = talloc_asprintf_append(text, " %.1s", name + strlen("\"name_label\":\""));
        text = talloc_strdup_append(text, ";");
    }
    return text;
}

START_TEST(changes_of_an_object_become_one_event)
{
    make_vm("a");
    struct ref b = make_vm("b"), c = make_vm("c");
    uint64_t token = db_generation(db);
    ck_assert_str_eq(story("vm", token), "");
    ck_assert_str_eq(story("vm", 0), "add a;add b;add c;");
    rename_vm(b, "x");
    rename_vm(b, "y");
    delete_vm(c);
    struct ref d = make_vm("d");
    rename_vm(d, "e");
    ck_assert_str_eq(story("vm", token), "add e;mod y;del;");
    ck_assert_str_eq(story("pool", token), "");
}
END_TEST

START_TEST(what_was_made_and_deleted_meanwhile_is_not_told)
{
    uint64_t token = db_generation(db);
    delete_vm(make_vm("a"));
    ck_assert_str_eq(story("*", token), "");
    ck_assert_str_eq(story("*", 0), "");
}
END_TEST

START_TEST(messages_come_first)
{
    make_vm("a");
    struct txn *t = db_begin(db);
    message_set_name(t, message_create(t), "N");
    commit(t);
    struct event_filter f = filter("*", ROLE_POOL_ADMIN);
    CLEANUP_BUF struct buf out = {0};
    struct enc enc = {.out = &out, .format = ENC_JSON};
    uint64_t id = 1;
    event_batch_write(event_collect(ctx, db, &f, 0), &enc, "0.0", &id);
    const char *text = buf_cstr(&out), *message = strstr(text, "\"class\":\"message\""),
               *v = strstr(text, "\"class\":\"vm\"");
    ck_assert_ptr_nonnull(message);
    ck_assert_ptr_nonnull(v);
    ck_assert(message < v);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("events");
    TCase *c = tcase_create("events");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, tokens_are_read_as_written);
    tcase_add_test(c, what_is_no_token_is_refused);
    tcase_add_test(c, filters_know_classes_objects_and_everything);
    tcase_add_test(c, sessions_make_no_events_and_secrets_only_for_those_who_may_read_them);
    tcase_add_test(c, a_filter_with_too_many_parts_is_refused);
    tcase_add_test(c, changes_of_an_object_become_one_event);
    tcase_add_test(c, what_was_made_and_deleted_meanwhile_is_not_told);
    tcase_add_test(c, messages_come_first);
    suite_add_tcase(s, c);
    return run_suite(s);
}
