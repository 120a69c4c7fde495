/* The expression language of get_all_records_where. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "tests/in_fiber.h"
#include "xapid/where.h"

static struct db *db;
static void *ctx;
static struct ref vm;

static void set_up(void)
{
    struct err e = {0};
    ctx = talloc_new(NULL);
    ck_assert_int_eq(db_open(NULL, &db, &e), 0);
    struct txn *t = db_begin(db);
    const struct vm *row = vm_create(t);
    vm_set_name_label(t, row, "web");
    vm_set_is_a_template(t, row, true);
    vm_set_power_state(t, row, VM_POWER_STATE_HALTED);
    vm_set_vcpus_max(t, row, 4);
    vm = row->row.ref;
    ck_assert_int_eq(db_commit(t, &e), 0);
}

static void tear_down(void)
{
    db_close(db);
    talloc_free(ctx);
}

/* 1, 0, or -1 when the text does not parse. */
static int eval(const char *text)
{
    CLEANUP_ERR struct err e = {0};
    struct where *w;
    if (where_parse(ctx, &model_classes[CLASS_VM], text, &w, &e) < 0) {
        ck_assert_str_eq(e.code, "INVALID_VALUE");
        ck_assert_uint_eq(e.n_params, 2);
        return -1;
    }
    return where_matches(w, db, db_get(db, CLASS_VM, vm));
}

START_TEST(constants_and_fields_compare_as_text)
{
    ck_assert_int_eq(eval("true"), 1);
    ck_assert_int_eq(eval(" false "), 0);
    ck_assert_int_eq(eval("field \"name_label\" = \"web\""), 1);
    ck_assert_int_eq(eval("field \"name__label\"=\"web\""), 1);
    ck_assert_int_eq(eval("\"web\" = field \"name_label\""), 1);
    ck_assert_int_eq(eval("field \"is_a_template\" = \"true\""), 1);
    ck_assert_int_eq(eval("field \"power_state\" = \"Halted\""), 1);
    ck_assert_int_eq(eval("field \"power_state\" = \"Running\""), 0);
    ck_assert_int_eq(eval("field \"VCPUs_max\" = \"4\""), 1);
    ck_assert_int_eq(eval("field \"affinity\" = \"OpaqueRef:NULL\""), 1);
    ck_assert_int_eq(eval("\"a\" = \"a\""), 1);
    ck_assert_int_eq(eval("field 'name_label' = 'web'"), 1);
}
END_TEST

START_TEST(the_row_s_own_reference_can_be_asked_for)
{
    char ref[REF_TEXT_SIZE];
    ref_format(vm, ref);
    ck_assert_int_eq(eval(talloc_asprintf(ctx, "field \"_ref\" = \"%s\"", ref)), 1);
    ck_assert_int_eq(eval("field \"_ref\" = \"OpaqueRef:NULL\""), 0);
}
END_TEST

START_TEST(and_and_or_bind_alike_and_to_the_left)
{
    ck_assert_int_eq(eval("true or false and false"), 0);
    ck_assert_int_eq(eval("true or (false and false)"), 1);
    ck_assert_int_eq(eval("false and false or true"), 1);
    ck_assert_int_eq(eval("not false and false"), 0);
    ck_assert_int_eq(eval("not (false and false)"), 1);
    ck_assert_int_eq(eval("not not true"), 1);
    ck_assert_int_eq(eval("not field \"name_label\" = \"x\" and true"), 1);
}
END_TEST

START_TEST(what_is_no_expression_is_refused)
{
    static const char *const bad[] = {
        "",
        " ",
        "(",
        ")",
        "true true",
        "true and",
        "and",
        "not",
        "field",
        "field \"name_label\"",
        "field \"nosuch\" = \"a\"",
        "\"a\"",
        "\"a\" =",
        "\"a",
        "= \"a\"",
        "truefalse",
        "(true",
        "true)",
        "field name_label = \"a\"",
        "field \"removed__\" = \"a\"",
        "\"a\" == \"a\"",
        "\xff\xfe",
        "field \"\xff\" = \"\"",
    };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(eval(bad[i]) == -1, "accepted: %s", bad[i]);
}
END_TEST

START_TEST(deep_and_long_expressions_do_no_harm)
{
    char *deep = talloc_array(ctx, char, 50001);
    memset(deep, '(', 50000);
    deep[50000] = '\0';
    ck_assert_int_eq(eval(deep), -1);
    char *chain = talloc_strdup(ctx, "false");
    for (int i = 0; i < 5000; i++)
        chain = talloc_strdup_append_buffer(chain, " or true");
    ck_assert_int_eq(eval(chain), 1);
    char *nots = talloc_strdup(ctx, "");
    for (int i = 0; i < 10000; i++)
        nots = talloc_strdup_append_buffer(nots, "not ");
    ck_assert_int_eq(eval(nots), -1);
    char *huge = talloc_array(ctx, char, 1024 * 1024);
    memset(huge, ' ', 1024 * 1024 - 1);
    huge[1024 * 1024 - 1] = '\0';
    ck_assert_int_eq(eval(huge), -1);
}
END_TEST

START_TEST(every_prefix_of_an_expression_is_answered)
{
    const char *whole = "not (field \"name_label\" = \"web\" and true) or field \"uuid\" = \"x\"";
    for (size_t n = 0; n < strlen(whole); n++)
        eval(talloc_strndup(ctx, whole, n));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("where");
    TCase *c = tcase_create("expressions");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, constants_and_fields_compare_as_text);
    tcase_add_test(c, the_row_s_own_reference_can_be_asked_for);
    tcase_add_test(c, and_and_or_bind_alike_and_to_the_left);
    tcase_add_test(c, what_is_no_expression_is_refused);
    tcase_add_test(c, deep_and_long_expressions_do_no_harm);
    tcase_add_test(c, every_prefix_of_an_expression_is_answered);
    suite_add_tcase(s, c);
    return run_suite(s);
}
