/* Wire values to typed values: what clients may send for each type, and which error they get otherwise. */
#include <stdlib.h>
#include "rpc/wire.h"
#include "tests/in_fiber.h"

static void *ctx;
static struct err error;
static union value v;

static void setup(void)
{
    ctx = talloc_new(NULL);
}

static void teardown(void)
{
    talloc_free(ctx);
    err_clear(&error);
}

static bool convert(const struct model_type *t, struct wire w)
{
    err_clear(&error);
    return wire_to_value(ctx, t, &w, "field", &v, &error) == 0;
}

static const char *const colours[] = {"Red", "Green"};
static const struct model_enum colour = {.name = "colour", .n = 2, .values = colours};
static const struct model_type enum_type = {.kind = KIND_ENUM, .enums = &colour};
static const struct model_type ref_type = {.kind = KIND_REF, .cls = CLASS_VM};

#define STRING(text) ((struct wire){.kind = WIRE_STRING, .s = (text)})
#define DOUBLE(number) ((struct wire){.kind = WIRE_DOUBLE, .f = (number)})
#define INT(number) ((struct wire){.kind = WIRE_INT, .i = (number)})
#define assert_type_error(t, w)                           \
    do {                                                  \
        ck_assert(!convert(t, w));                        \
        ck_assert_str_eq(error.code, "FIELD_TYPE_ERROR"); \
        ck_assert_str_eq(error.params[0], "field");       \
    } while (0)
#define assert_bad_value(t, w, text)                   \
    do {                                               \
        ck_assert(!convert(t, w));                     \
        ck_assert_str_eq(error.code, "INVALID_VALUE"); \
        ck_assert_str_eq(error.params[0], "field");    \
        ck_assert_str_eq(error.params[1], text);       \
    } while (0)

START_TEST(ints_come_as_numbers_or_text)
{
    ck_assert(convert(&model_type_int, INT(-5)) && v.i == -5);
    ck_assert(convert(&model_type_int, STRING("9223372036854775807")) && v.i == INT64_MAX);
    ck_assert(convert(&model_type_int, STRING("-9223372036854775808")) && v.i == INT64_MIN);
    ck_assert(convert(&model_type_int, DOUBLE(4)) && v.i == 4);
    assert_bad_value(&model_type_int, STRING("9223372036854775808"), "9223372036854775808");
    assert_bad_value(&model_type_int, STRING("x"), "x");
    assert_bad_value(&model_type_int, STRING(""), "");
    assert_type_error(&model_type_int, DOUBLE(4.5));
    assert_type_error(&model_type_int, DOUBLE(1e300));
    assert_type_error(&model_type_int, ((struct wire){.kind = WIRE_ARRAY}));
}
END_TEST

START_TEST(floats_come_as_any_number_or_text)
{
    ck_assert(convert(&model_type_float, DOUBLE(1.5)) && v.f == 1.5);
    ck_assert(convert(&model_type_float, INT(2)) && v.f == 2);
    ck_assert(convert(&model_type_float, STRING("2.25")) && v.f == 2.25);
    assert_bad_value(&model_type_float, STRING("1e999"), "1e999");
    assert_bad_value(&model_type_float, STRING("0x10"), "0x10");
    assert_type_error(&model_type_float, wire_bool(true));
}
END_TEST

START_TEST(bools)
{
    ck_assert(convert(&model_type_bool, wire_bool(true)) && v.b);
    ck_assert(convert(&model_type_bool, STRING("false")) && !v.b);
    assert_bad_value(&model_type_bool, STRING("yes"), "yes");
    assert_type_error(&model_type_bool, INT(2));
}
END_TEST

START_TEST(strings_dates_and_enums)
{
    ck_assert(convert(&model_type_string, STRING("t")) && strcmp(v.s, "t") == 0);
    assert_type_error(&model_type_string, INT(1));
    assert_type_error(&model_type_string, ((struct wire){.kind = WIRE_NIL}));
    ck_assert(convert(&model_type_datetime, STRING("20260821T02:00:23Z")) && v.i == 1787277623);
    assert_bad_value(&model_type_datetime, STRING("soon"), "soon");
    ck_assert(convert(&enum_type, STRING("Green")) && v.i == 1);
    assert_bad_value(&enum_type, STRING("green"), "green");
}
END_TEST

START_TEST(references)
{
    struct ref r = ref_new();
    char text[REF_TEXT_SIZE];
    ref_format(r, text);
    ck_assert(convert(&ref_type, STRING(text)) && ref_equal(v.r, r));
    ck_assert(convert(&ref_type, STRING("")) && ref_is_null(v.r));
    ck_assert(convert(&ref_type, STRING("OpaqueRef:NULL")) && ref_is_null(v.r));
    ck_assert(!convert(&ref_type, STRING("Ref:5")));
    ck_assert_str_eq(error.code, "HANDLE_INVALID");
    ck_assert_str_eq(error.params[0], "VM");
    ck_assert_str_eq(error.params[1], "Ref:5");
}
END_TEST

START_TEST(text_that_is_no_utf8_is_an_invalid_value_for_every_type)
{
    struct wire w = {.kind = WIRE_NOT_UTF8, .s = "a?b"};
    assert_bad_value(&model_type_string, w, "a?b");
    assert_bad_value(&model_type_int, w, "a?b");
    assert_bad_value(&model_type_string_set, ((struct wire){.kind = WIRE_ARRAY, .n = 1, .items = &w}), "a?b");
}
END_TEST

START_TEST(sets_keep_their_order)
{
    struct wire items[] = {STRING("b"), STRING("a"), STRING("b")};
    ck_assert(convert(&model_type_string_set, (struct wire){.kind = WIRE_ARRAY, .n = 3, .items = items}));
    ck_assert_uint_eq(v.set->n, 3);
    ck_assert_str_eq(v.set->v[0].s, "b");
    items[1] = INT(3);
    assert_type_error(&model_type_string_set, ((struct wire){.kind = WIRE_ARRAY, .n = 3, .items = items}));
    assert_type_error(&model_type_string_set, STRING(""));
}
END_TEST

START_TEST(maps_are_sorted_and_their_keys_typed)
{
    const struct model_type by_int = {.kind = KIND_MAP, .key = &model_type_int, .elem = &model_type_string};
    const struct model_type by_ref = {.kind = KIND_MAP, .key = &ref_type, .elem = &ref_type};
    const struct model_type by_enum = {.kind = KIND_MAP, .key = &enum_type, .elem = &model_type_int};
    struct wire_member members[] = {{"10", STRING("ten")}, {"9", STRING("nine")}, {"10", STRING("later")}};
    ck_assert(convert(&by_int, (struct wire){.kind = WIRE_STRUCT, .n = 3, .members = members}));
    ck_assert_uint_eq(v.map->n, 2);
    ck_assert_int_eq(v.map->e[0].k.i, 9);
    ck_assert_str_eq(v.map->e[1].v.s, "ten");
    assert_bad_value(&by_enum, ((struct wire){.kind = WIRE_STRUCT, .n = 1, .members = members}), "10");
    ck_assert(!convert(&by_ref, (struct wire){.kind = WIRE_STRUCT, .n = 1, .members = members}));
    ck_assert_str_eq(error.code, "HANDLE_INVALID");
    ck_assert(convert(&by_ref, (struct wire){.kind = WIRE_ARRAY}) && v.map->n == 0);
}
END_TEST

START_TEST(records_are_left_to_the_caller)
{
    const struct model_type record = {.kind = KIND_RECORD, .cls = CLASS_VM};
    struct wire_member members[] = {{"name_label", STRING("x")}};
    struct wire w = {.kind = WIRE_STRUCT, .n = 1, .members = members};
    ck_assert(convert(&record, w) && v.map == NULL);
    ck_assert_str_eq(wire_member_string(&w, "name_label"), "x");
    ck_assert_ptr_null(wire_member(&w, "other"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wire");
    TCase *t = tcase_create("wire");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, ints_come_as_numbers_or_text);
    tcase_add_test(t, floats_come_as_any_number_or_text);
    tcase_add_test(t, bools);
    tcase_add_test(t, strings_dates_and_enums);
    tcase_add_test(t, references);
    tcase_add_test(t, text_that_is_no_utf8_is_an_invalid_value_for_every_type);
    tcase_add_test(t, sets_keep_their_order);
    tcase_add_test(t, maps_are_sorted_and_their_keys_typed);
    tcase_add_test(t, records_are_left_to_the_caller);
    suite_add_tcase(s, t);
    return run_suite(s);
}
