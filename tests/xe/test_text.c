/* What xe prints and the small texts it reads: tables, --minimal, words, provisioning XML, URLs. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "tests/in_fiber.h"
#include "xe/cmd/provision.h"
#include "xe/out.h"
#include "xe/record.h"

static void *ctx;
static struct out out;
static char *written;
static size_t size;

static void open_out(void)
{
    ctx = talloc_new(NULL);
    out = (struct out){.file = open_memstream(&written, &size)};
}

static void close_out(void)
{
    talloc_free(ctx);
    fclose(out.file);
    free(written);
}

static void ck_written(const char *expected)
{
    ck_assert(out_finish(&out));
    ck_assert_str_eq(written, expected);
}

/* One block: each record is its values, ended by NULL; two NULLs end the block. Labels are l0, l1 … */
static void print_block(const char *const *values)
{
    static const char *const labels[] = {"l0", "longer", "l2"};
    CLEANUP_TABLE struct table t = {0};

    for (; *values; values++) {
        for (unsigned i = 0; *values; i++)
            table_row(&t, labels[i], *values++);
        table_end_record(&t);
    }
    out_table(&out, &t);
}
#define BLOCK(...) print_block((const char *const[]){__VA_ARGS__, NULL, NULL})

START_TEST(columns_are_four_wider_than_the_longest_label)
{
    BLOCK("a", "b", NULL, "c");
    ck_written("l0        : a\n    longer: b\n\n\nl0    : c\n\n\n");
}
END_TEST

START_TEST(a_minimal_block_is_the_first_value_of_each_record)
{
    out.minimal = true;
    BLOCK("a", "b", NULL, "c");
    ck_written("a,c\n");
}
END_TEST

START_TEST(minimal_blocks_come_last_first)
{
    static const char *const items[] = {"x", "y"};

    out.minimal = true;
    BLOCK("a", NULL, "b");
    out_text(&out, "dropped");
    out_list(&out, items, 2);
    BLOCK("c");
    ck_written("c,x,y,a,b\n");
}
END_TEST

START_TEST(minimal_values_escape_commas_and_backslashes)
{
    out.minimal = true;
    out_item(&out, ",a\\,b");
    ck_written("\\,a\\\\\\,b\n");
}
END_TEST

START_TEST(minimal_prints_a_line_even_for_nothing)
{
    out.minimal = true;
    ck_written("\n");
}
END_TEST

START_TEST(a_record_without_rows_suppresses_its_block)
{
    CLEANUP_TABLE struct table t = {0};

    out.minimal = true;
    table_row(&t, "l", "a");
    table_end_record(&t);
    table_end_record(&t);
    out_table(&out, &t);
    out_item(&out, "b");
    ck_written("b\n");
}
END_TEST

START_TEST(direct_text_is_the_same_in_both_forms)
{
    out.minimal = true;
    out_direct(&out, "%s\n", "a,b");
    ck_written("a,b\n\n");
}
END_TEST

START_TEST(words_translate_both_ways_and_leave_others_alone)
{
    static const struct rec_word words[] = {{"soft_reboot", "Soft reboot"}, {NULL, NULL}};

    ck_assert_str_eq(rec_word_to_shell(words, "soft_reboot"), "Soft reboot");
    ck_assert_str_eq(rec_word_to_shell(words, "new"), "new");
    ck_assert_str_eq(rec_word_to_shell(NULL, "new"), "new");
    ck_assert_str_eq(rec_word_to_wire(words, "SOFT REBOOT"), "soft_reboot");
    ck_assert_str_eq(rec_word_to_wire(words, "SOFT_REBOOT"), "soft_reboot");
    ck_assert_str_eq(rec_word_to_wire(words, "new"), "new");
}
END_TEST

START_TEST(every_class_table_is_whole)
{
    for (unsigned i = 0; i < rec_class_count; i++) {
        const struct rec_class *c = &rec_classes[i];

        ck_assert_ptr_eq(rec_class_by_name(c->name), c);
        ck_assert_str_eq(c->params[0].name, "uuid");
        for (unsigned j = 0; j < c->n_params; j++) {
            const struct rec_param *p = &c->params[j];

            ck_assert_ptr_eq(rec_param_by_name(c, p->name), p);
            ck_assert_msg(p->show || p->call || p->path, "%s %s has no source", c->name, p->name);
            ck_assert_msg(!p->add == !p->remove, "%s %s", c->name, p->name);
        }
    }
    ck_assert_ptr_null(rec_class_by_name("nonsense"));
}
END_TEST

START_TEST(provisioned_disks_go_to_the_sr)
{
    ck_assert_str_eq(
        provision_with_sr(ctx, "<provision><disk device=\"0\" sr=\"\" type='x'/><disk/></provision>", "S"),
        "<provision><disk sr=\"S\" device=\"0\" type='x'/><disk sr=\"S\"/></provision>");
    ck_assert_str_eq(provision_with_sr(ctx, "<disk\n sr='old'>", "S"), "<disk sr=\"S\"\n>");
    ck_assert(provision_wants_disks("<p><disk device=\"0\"/></p>"));
    ck_assert(!provision_wants_disks("<provision/>"));
    ck_assert(!provision_wants_disks("<disks/>"));
}
END_TEST

START_TEST(broken_provisioning_does_no_harm)
{
    static const char *const broken[] = {"",
                                         "<disk",
                                         "<disk ",
                                         "<disk sr=",
                                         "<disk sr=\"",
                                         "<disk sr=\"x",
                                         "<disk sr='\">",
                                         "<<disk>",
                                         "<disk<disk sr=\"a\""};

    for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        ck_assert_ptr_nonnull(provision_with_sr(ctx, broken[i], "S"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("xe texts");
    TCase *t = tcase_create("texts");

    tcase_add_checked_fixture(t, open_out, close_out);
    tcase_add_test(t, columns_are_four_wider_than_the_longest_label);
    tcase_add_test(t, a_minimal_block_is_the_first_value_of_each_record);
    tcase_add_test(t, minimal_blocks_come_last_first);
    tcase_add_test(t, minimal_values_escape_commas_and_backslashes);
    tcase_add_test(t, minimal_prints_a_line_even_for_nothing);
    tcase_add_test(t, a_record_without_rows_suppresses_its_block);
    tcase_add_test(t, direct_text_is_the_same_in_both_forms);
    tcase_add_test(t, words_translate_both_ways_and_leave_others_alone);
    tcase_add_test(t, every_class_table_is_whole);
    tcase_add_test(t, provisioned_disks_go_to_the_sr);
    tcase_add_test(t, broken_provisioning_does_no_harm);
    suite_add_tcase(s, t);
    return run_suite(s);
}
