/* The grammar of arguments and the client's options. */
#include <check.h>
#include <inttypes.h>
#include <string.h>
#include <talloc.h>
#include "tests/in_fiber.h"
#include "xe/args.h"
#include "xe/failure.h"
#include "xe/options.h"

#define PARSE(a, e, ...) parse(a, e, (const char *const[]){__VA_ARGS__, NULL})

static void *ctx;

static void make_ctx(void)
{
    ctx = talloc_new(NULL);
}

static void free_ctx(void)
{
    talloc_free(ctx);
}

static int parse(struct args *a, struct err *e, const char *const *words)
{
    unsigned n = 0;

    while (words[n])
        n++;
    return args_parse(ctx, words, n, a, e);
}

START_TEST(a_word_is_split_at_its_first_equals_sign)
{
    CLEANUP_ERR struct err e = {0};
    struct args a;

    ck_assert_int_eq(PARSE(&a, &e, "vm-param-set", "other-config:k=a=b=c"), 0);
    ck_assert_str_eq(a.command, "vm-param-set");
    ck_assert_str_eq(args_get(&a, "other-config:k"), "a=b=c");
    ck_assert_ptr_null(args_get(&a, "other-config"));
}
END_TEST

START_TEST(a_switch_is_true_and_a_bare_word_is_empty)
{
    CLEANUP_ERR struct err e = {0};
    struct args a;

    ck_assert_int_eq(PARSE(&a, &e, "help", "--force", "vm-list", "--force=true", "--"), 0);
    ck_assert_str_eq(args_get(&a, "force"), "true");
    ck_assert_str_eq(args_get(&a, "vm-list"), "");
    ck_assert_str_eq(args_get(&a, "force=true"), "true");
    ck_assert_str_eq(args_get(&a, ""), "true");
}
END_TEST

START_TEST(only_known_short_options_are_taken)
{
    CLEANUP_ERR struct err e = {0}, unknown = {0}, lonely = {0};
    struct args a;

    ck_assert_int_eq(PARSE(&a, &e, "vm-list", "-u", "me", "-pw", "x=y"), 0);
    ck_assert_str_eq(args_get(&a, "username"), "me");
    ck_assert_str_eq(args_get(&a, "password"), "x=y");
    ck_assert_int_eq(PARSE(&a, &unknown, "vm-list", "-x", "y"), -1);
    ck_assert(err_is(&unknown, FAIL_SYNTAX));
    ck_assert_int_eq(PARSE(&a, &lonely, "vm-list", "-u"), -1);
    ck_assert(err_is(&lonely, FAIL_SYNTAX));
}
END_TEST

START_TEST(a_command_has_no_equals_sign)
{
    CLEANUP_ERR struct err e = {0}, none = {0};
    struct args a;

    ck_assert_int_eq(PARSE(&a, &e, "a=b", "vm-list"), -1);
    ck_assert(err_is(&e, FAIL_SYNTAX));
    ck_assert_int_eq(args_parse(ctx, NULL, 0, &a, &none), -1);
    ck_assert(err_is(&none, FAIL_SYNTAX));
}
END_TEST

START_TEST(minimal_is_true_or_false)
{
    CLEANUP_ERR struct err e = {0}, bad = {0};
    struct args a;

    ck_assert_int_eq(PARSE(&a, &e, "vm-list", "--minimal"), 0);
    ck_assert(a.minimal);
    ck_assert_int_eq(PARSE(&a, &e, "vm-list", "minimal=false"), 0);
    ck_assert(!a.minimal);
    ck_assert_int_eq(PARSE(&a, &bad, "vm-list", "minimal=yes"), -1);
    ck_assert(err_is(&bad, FAIL_TEXT));
}
END_TEST

START_TEST(the_first_of_equal_keys_counts)
{
    CLEANUP_ERR struct err e = {0};
    struct args a;

    ck_assert_int_eq(PARSE(&a, &e, "c", "k=1", "k=2"), 0);
    ck_assert_str_eq(args_get(&a, "k"), "1");
    ck_assert_str_eq(args_get_or(&a, "other", "3"), "3");
}
END_TEST

START_TEST(a_map_takes_any_character_after_its_name)
{
    CLEANUP_ERR struct err e = {0};
    struct args a;
    unsigned n;
    struct arg *map;

    ck_assert_int_eq(PARSE(&a, &e, "c", "device-config:target=1", "device-config-port=2", "device-config=3",
                           "device-config:=4", "device=5", "device-configtarget=6"),
                     0);
    map = args_get_map(ctx, &a, "device-config", &n);
    ck_assert_uint_eq(n, 3);
    ck_assert_str_eq(map[0].key, "target");
    ck_assert_str_eq(map[1].key, "port");
    ck_assert_str_eq(map[1].value, "2");
    ck_assert_str_eq(map[2].key, "arget");
}
END_TEST

START_TEST(truth_has_ten_spellings)
{
    static const char *const yes[] = {"true", "T", "yes", "Y", "1"}, *const no[] = {"FALSE", "f", "No", "n",
                                                                                    "0"};
    bool b;

    for (int i = 0; i < 5; i++) {
        ck_assert(text_to_bool(yes[i], &b) && b);
        ck_assert(text_to_bool(no[i], &b) && !b);
    }
    ck_assert(!text_to_bool("", &b));
    ck_assert(!text_to_bool("maybe", &b));
}
END_TEST

START_TEST(sizes_have_units_of_1024)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"0", 0},
                {"512", 512},
                {"1 b", 1},
                {"7bytes", 7},
                {"2k", 2048},
                {"2 KiB", 2048},
                {"3MB", 3 << 20},
                {"1GiB", 1 << 30},
                {"1t", INT64_C(1) << 40},
                {"4 tib", INT64_C(4) << 40},
                {"9223372036854775807", INT64_MAX}};
    static const char *const bad[] = {"",
                                      "-1",
                                      "-1GiB",
                                      "1.5GiB",
                                      "GiB",
                                      "1 PiB",
                                      "1  k",
                                      "1k ",
                                      " 1",
                                      "1 ",
                                      "0x10",
                                      "+1",
                                      "9223372036854775808",
                                      "9007199254740992k",
                                      "99999999999999t"};
    int64_t n;

    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(text_to_size(good[i].text, &n), "%s", good[i].text);
        ck_assert_int_eq(n, good[i].bytes);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!text_to_size(bad[i], &n), "%s", bad[i]);
}
END_TEST

START_TEST(whole_numbers_fill_the_text)
{
    int64_t n;

    ck_assert(text_to_int("-9223372036854775808", &n) && n == INT64_MIN);
    ck_assert(text_to_int("007", &n) && n == 7);
    ck_assert(!text_to_int("", &n) && !text_to_int("-", &n) && !text_to_int("1x", &n) &&
              !text_to_int(" 1", &n));
    ck_assert(!text_to_int("9223372036854775808", &n));
}
END_TEST

START_TEST(lists_are_split_without_empty_pieces)
{
    unsigned n;
    const char **pieces = text_split(ctx, ",a,,bc,", ',', &n);

    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(pieces[0], "a");
    ck_assert_str_eq(pieces[1], "bc");
    ck_assert_ptr_null(pieces[2]);
    text_split(ctx, "", ',', &n);
    ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(extra_arguments_are_split_at_commas_and_lose_their_backslashes)
{
    char **words = options_split_extra(ctx, "server=h,name=a\\,b,,pa\\th=x\\\\y,--nossl\\");

    ck_assert_str_eq(words[0], "server=h");
    ck_assert_str_eq(words[1], "name=a,b");
    ck_assert_str_eq(words[2], "path=xy");
    ck_assert_str_eq(words[3], "--nossl");
    ck_assert_ptr_null(words[4]);
}
END_TEST

static enum options_result read_options(struct xe_options *o, const struct xe_environment *env, unsigned n,
                                        const char *const *words)
{
    FILE *null = fopen("/dev/null", "w");
    enum options_result r = options_read(ctx, words, n, env, null, o);

    fclose(null);
    return r;
}

START_TEST(options_are_taken_out_wherever_they_stand)
{
    static const char *const words[] = {"vm-list", "-s", "[::1]",   "a=b", "port=8443",
                                        "-u",      "me", "--nossl", "-pw"};
    struct xe_environment env = {0};
    struct xe_options o;

    ck_assert_int_eq(read_options(&o, &env, 9, words), OPTIONS_RUN);
    ck_assert_str_eq(o.server, "::1");
    ck_assert_int_eq(o.port, 8443);
    ck_assert_str_eq(o.user, "me");
    ck_assert_str_eq(o.password, "null");
    ck_assert(o.nossl);
    ck_assert_uint_eq(o.n_args, 3);
    ck_assert_str_eq(o.args[2], "-pw");
}
END_TEST

START_TEST(a_trace_of_the_environment_is_weaker_than_one_on_the_line)
{
    static const char *const words[] = {"vm-list", "traceparent=line"};
    struct xe_environment env = {.extra_args = "traceparent=extra,x=y", .traceparent = "environment"};
    struct xe_options o;

    ck_assert_int_eq(read_options(&o, &env, 1, words), OPTIONS_RUN);
    ck_assert_str_eq(o.traceparent, "environment");
    ck_assert_int_eq(read_options(&o, &env, 2, words), OPTIONS_RUN);
    ck_assert_str_eq(o.traceparent, "line");
    ck_assert_str_eq(o.args[1], "x=y");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("xe arguments");
    TCase *t = tcase_create("arguments");

    tcase_add_checked_fixture(t, make_ctx, free_ctx);
    tcase_add_test(t, a_word_is_split_at_its_first_equals_sign);
    tcase_add_test(t, a_switch_is_true_and_a_bare_word_is_empty);
    tcase_add_test(t, only_known_short_options_are_taken);
    tcase_add_test(t, a_command_has_no_equals_sign);
    tcase_add_test(t, minimal_is_true_or_false);
    tcase_add_test(t, the_first_of_equal_keys_counts);
    tcase_add_test(t, a_map_takes_any_character_after_its_name);
    tcase_add_test(t, truth_has_ten_spellings);
    tcase_add_test(t, sizes_have_units_of_1024);
    tcase_add_test(t, whole_numbers_fill_the_text);
    tcase_add_test(t, lists_are_split_without_empty_pieces);
    tcase_add_test(t, extra_arguments_are_split_at_commas_and_lose_their_backslashes);
    tcase_add_test(t, options_are_taken_out_wherever_they_stand);
    tcase_add_test(t, a_trace_of_the_environment_is_weaker_than_one_on_the_line);
    suite_add_tcase(s, t);
    return run_suite(s);
}
