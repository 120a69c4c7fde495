/* References, uuids, dates, sets, maps, comparing, copying. */
#include "tests/model/suite.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#include "model/model.h"
#include "model/value.h"

#define A_UUID "01234567-89ab-cdef-0123-456789abcdef"

START_TEST(a_reference_survives_its_text)
{
    char text[REF_TEXT_SIZE];
    struct ref r = ref_new(), back;
    ref_format(r, text);
    ck_assert(ref_parse(text, &back));
    ck_assert(ref_equal(r, back));
    ck_assert(ref_parse("OpaqueRef:" A_UUID, &back));
    ck_assert_uint_eq(back.hi, UINT64_C(0x0123456789abcdef));
    ck_assert_uint_eq(back.lo, UINT64_C(0x0123456789abcdef));
    ref_format(back, text);
    ck_assert_str_eq(text, "OpaqueRef:" A_UUID);
}
END_TEST

START_TEST(the_null_reference_has_two_spellings_and_writes_one)
{
    char text[REF_TEXT_SIZE];
    struct ref r = {1, 1};
    ck_assert(ref_parse("", &r));
    ck_assert(ref_is_null(r));
    r = (struct ref){1, 1};
    ck_assert(ref_parse("OpaqueRef:NULL", &r));
    ck_assert(ref_is_null(r));
    ref_format(r, text);
    ck_assert_str_eq(text, "OpaqueRef:NULL");
}
END_TEST

START_TEST(what_is_no_reference_is_refused_and_changes_nothing)
{
    static const char *const bad[] = {"O",
                                      "OpaqueRef:",
                                      "OpaqueRef:null",
                                      "OpaqueRef:NULL ",
                                      "opaqueref:" A_UUID,
                                      A_UUID,
                                      "OpaqueRef:" A_UUID "0",
                                      "OpaqueRef:" A_UUID "\n",
                                      "OpaqueRef:01234567-89ab-cdef-0123-456789abcde",
                                      "OpaqueRef:01234567-89ab-cdef-0123-456789abcdeg",
                                      "OpaqueRef:0123456789ab-cdef-0123-456789abcdef-",
                                      "OpaqueRef:01234567 89ab cdef 0123 456789abcdef",
                                      "OpaqueRef:\xff\xfe",
                                      "OpaqueRef:%s%s%s%n",
                                      "NULL"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ref r = {7, 9};
        ck_assert_msg(!ref_parse(bad[i], &r), "'%s' was read", bad[i]);
        ck_assert(ref_equal(r, (struct ref){7, 9}));
    }
}
END_TEST

START_TEST(a_huge_text_is_no_reference)
{
    size_t n = 1 << 20;
    char *text = talloc_size(mem, n + 1);
    memset(text, 'a', n);
    text[n] = '\0';
    memcpy(text, "OpaqueRef:", 10);
    struct ref r;
    ck_assert(!ref_parse(text, &r));
    ck_assert(!uuid_is_valid(text));
}
END_TEST

START_TEST(fresh_references_differ_and_are_version_four)
{
    struct ref a = ref_new(), b = ref_new();
    char text[UUID_TEXT_SIZE];
    ck_assert(!ref_equal(a, b));
    for (int i = 0; i < 100; i++) {
        uuid_new(text);
        ck_assert(uuid_is_valid(text));
        ck_assert_int_eq(text[14], '4');
        ck_assert_ptr_nonnull(strchr("89ab", text[19]));
    }
}
END_TEST

START_TEST(a_uuid_is_valid_in_either_case_and_no_other_form)
{
    ck_assert(uuid_is_valid(A_UUID));
    ck_assert(uuid_is_valid("01234567-89AB-CDEF-0123-456789ABCDEF"));
    ck_assert(!uuid_is_valid(""));
    ck_assert(!uuid_is_valid("0123456789abcdef0123456789abcdef"));
    ck_assert(!uuid_is_valid("{" A_UUID "}"));
    ck_assert(!uuid_is_valid("-------------------------------------"));
    ck_assert(!uuid_is_valid("0x234567-89ab-cdef-0123-456789abcdef"));
}
END_TEST

START_TEST(a_date_survives_its_text)
{
    static const int64_t seconds[] = {0, 1, -1, 951782399, 951868800, 1795250392, 253402300799, -62167219200};
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        char text[DATETIME_TEXT_SIZE];
        int64_t back;
        datetime_format(seconds[i], text);
        ck_assert_uint_eq(strlen(text), DATETIME_TEXT_SIZE - 1);
        ck_assert_msg(datetime_parse(text, &back), "%s", text);
        ck_assert_int_eq(back, seconds[i]);
    }
}
END_TEST

START_TEST(a_date_has_several_spellings)
{
    static const char *const same[] = {"20261121T08:39:52Z",     "20261121T08:39:52",
                                       "2026-11-21T08:39:52Z",   "20261121T08:39:52.123Z",
                                       "2026-11-21T08:39:52.9Z", "2026-11-21T08:39:52"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        int64_t t;
        ck_assert_msg(datetime_parse(same[i], &t), "%s", same[i]);
        ck_assert_int_eq(t, 1795250392);
    }
}
END_TEST

START_TEST(what_is_no_date_is_refused)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "20261121",
                                      "20261121T",
                                      "20261121T08:39",
                                      "20261121T08:39:5",
                                      "20261121T08:39:52.",
                                      "20261121T08:39:52.Z",
                                      "20261121T08:39:52ZZ",
                                      "20261121T08:39:52Z ",
                                      " 20261121T08:39:52Z",
                                      "20261321T08:39:52Z",
                                      "20260021T08:39:52Z",
                                      "20260230T08:39:52Z",
                                      "20250229T08:39:52Z",
                                      "20261100T08:39:52Z",
                                      "20261121T24:39:52Z",
                                      "20261121T08:60:52Z",
                                      "20261121T08:39:61Z",
                                      "2026-1121T08:39:52Z",
                                      "202611-21T08:39:52Z",
                                      "-0261121T08:39:52Z",
                                      "\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa6",
                                      "20261121T08.39.52Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t t = 42;
        ck_assert_msg(!datetime_parse(bad[i], &t), "'%s' was read", bad[i]);
        ck_assert_int_eq(t, 42);
    }
}
END_TEST

START_TEST(dates_out_of_reach_show_as_the_nearest_that_fits)
{
    char text[DATETIME_TEXT_SIZE];
    datetime_format(INT64_MAX, text);
    ck_assert_str_eq(text, "99991231T23:59:59Z");
    datetime_format(INT64_MIN, text);
    ck_assert_str_eq(text, "00000101T00:00:00Z");
}
END_TEST

START_TEST(null_counts_as_the_empty_set_and_map)
{
    ck_assert_uint_eq(set_count(NULL), 0);
    ck_assert_uint_eq(map_count(NULL), 0);
    ck_assert(!set_has_string(NULL, "x"));
    ck_assert(!set_has_ref(NULL, ref_new()));
    ck_assert_ptr_null(map_get(NULL, "x"));
    ck_assert_uint_eq(set_count(set_without_string(mem, NULL, "x")), 0);
    ck_assert_uint_eq(map_count(map_without(mem, NULL, "x")), 0);
    ck_assert_uint_eq(set_count(set_with_string(mem, NULL, "x")), 1);
    ck_assert_str_eq(map_get(map_with(mem, NULL, "k", "v"), "k"), "v");
}
END_TEST

START_TEST(a_set_of_strings_gains_and_loses_members)
{
    struct set *s = set_of_strings(mem, 2, "a", "b");
    struct set *more = set_with_string(mem, s, "c");
    ck_assert_uint_eq(set_count(more), 3);
    ck_assert_uint_eq(set_count(s), 2);
    ck_assert(set_has_string(more, "c"));
    ck_assert_uint_eq(set_count(set_with_string(mem, more, "a")), 3);
    struct set *less = set_without_string(mem, more, "b");
    ck_assert_uint_eq(set_count(less), 2);
    ck_assert(!set_has_string(less, "b"));
    ck_assert_str_eq(less->v[0].s, "a");
    ck_assert_str_eq(less->v[1].s, "c");
}
END_TEST

START_TEST(a_new_set_shares_nothing_with_the_old_one)
{
    void *old = talloc_new(NULL);
    struct set *s = set_of_strings(old, 1, "kept");
    struct set *copy = set_with_string(mem, s, "too");
    talloc_free(old);
    ck_assert_str_eq(copy->v[0].s, "kept");
    ck_assert_str_eq(copy->v[1].s, "too");
}
END_TEST

START_TEST(a_set_of_references_gains_and_loses_members)
{
    struct ref refs[] = {ref_new(), ref_new()}, other = ref_new();
    struct set *s = set_of_refs(mem, refs, 2);
    ck_assert(set_has_ref(s, refs[1]));
    ck_assert(!set_has_ref(s, other));
    ck_assert_uint_eq(set_count(set_with_ref(mem, s, refs[0])), 2);
    ck_assert(set_has_ref(set_with_ref(mem, s, other), other));
    struct set *less = set_without_ref(mem, s, refs[0]);
    ck_assert_uint_eq(set_count(less), 1);
    ck_assert(ref_equal(less->v[0].r, refs[1]));
}
END_TEST

START_TEST(a_map_stays_sorted_and_finds_every_key)
{
    static const char *const keys[] = {"m", "c", "x", "", "a", "z", "b"};
    const struct map *m = NULL;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        m = map_with(mem, m, keys[i], keys[i]);
    ck_assert_uint_eq(map_count(m), 7);
    for (uint32_t i = 1; i < m->n; i++)
        ck_assert_int_lt(strcmp(m->e[i - 1].k.s, m->e[i].k.s), 0);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        ck_assert_str_eq(map_get(m, keys[i]), keys[i]);
    ck_assert_ptr_null(map_get(m, "bb"));
    ck_assert_ptr_null(map_get(m, "zz"));
}
END_TEST

START_TEST(setting_a_key_again_replaces_its_text)
{
    const struct map *m = map_with(mem, map_with(mem, NULL, "a", "1"), "b", "2");
    m = map_with(mem, m, "a", "3");
    ck_assert_uint_eq(map_count(m), 2);
    ck_assert_str_eq(map_get(m, "a"), "3");
    ck_assert_str_eq(map_get(m, "b"), "2");
}
END_TEST

START_TEST(taking_a_key_out_leaves_the_others)
{
    const struct map *m = NULL;
    for (const char *key = "abc"; *key; key++)
        m = map_with(mem, m, (char[]){*key, 0}, "v");
    ck_assert_uint_eq(map_count(map_without(mem, m, "d")), 3);
    for (const char *key = "abc"; *key; key++) {
        struct map *less = map_without(mem, m, (char[]){*key, 0});
        ck_assert_uint_eq(map_count(less), 2);
        for (const char *other = "abc"; *other; other++)
            ck_assert_int_eq(map_get(less, (char[]){*other, 0}) != NULL, other != key);
    }
}
END_TEST

START_TEST(sorting_a_map_keeps_the_first_of_equal_keys)
{
    struct map *m = talloc_zero_size(mem, sizeof(*m) + 2000 * sizeof(m->e[0]));
    static char keys[2000][8];
    m->n = 2000;
    for (unsigned i = 0; i < m->n; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%u", i * 7919 % 1000);
        m->e[i] = (struct map_entry){.k.s = keys[i], .v.s = i < 1000 ? "first" : "second"};
    }
    map_sort(&model_type_string_map, m);
    ck_assert_uint_eq(m->n, 1000);
    for (uint32_t i = 0; i < m->n; i++) {
        ck_assert_str_eq(m->e[i].v.s, "first");
        if (i > 0)
            ck_assert_int_lt(strcmp(m->e[i - 1].k.s, m->e[i].k.s), 0);
    }
}
END_TEST

START_TEST(maps_with_number_keys_sort_by_number)
{
    struct model_type t = {.kind = KIND_MAP, .key = &model_type_int, .elem = &model_type_int};
    struct map *m = talloc_zero_size(mem, sizeof(*m) + 3 * sizeof(m->e[0]));
    m->n = 3;
    m->e[0].k.i = 10;
    m->e[1].k.i = 9;
    m->e[2].k.i = -100;
    map_sort(&t, m);
    ck_assert_int_eq(m->e[0].k.i, -100);
    ck_assert_int_eq(m->e[1].k.i, 9);
    ck_assert_int_eq(m->e[2].k.i, 10);
}
END_TEST

START_TEST(values_compare_by_their_type)
{
    const struct model_type *string = &model_type_string, *number = &model_type_int;
    ck_assert_int_lt(value_compare(string, (union value){.s = "10"}, (union value){.s = "9"}), 0);
    ck_assert_int_gt(value_compare(number, (union value){.i = 10}, (union value){.i = 9}), 0);
    ck_assert_int_lt(value_compare(number, (union value){.i = INT64_MIN}, (union value){.i = INT64_MAX}), 0);
    ck_assert(value_equal(string, (union value){.s = NULL}, (union value){.s = ""}));
    ck_assert_int_lt(value_compare(&model_type_bool, (union value){.b = false}, (union value){.b = true}), 0);
    struct model_type ref = {.kind = KIND_REF};
    ck_assert_int_gt(value_compare(&ref, (union value){.r = {1, 0}}, (union value){.r = {0, 9}}), 0);
    ck_assert_int_lt(value_compare(&ref, (union value){.r = {1, 0}}, (union value){.r = {1, 9}}), 0);
}
END_TEST

START_TEST(not_a_number_equals_itself)
{
    const struct model_type *t = &model_type_float;
    ck_assert(value_equal(t, (union value){.f = NAN}, (union value){.f = NAN}));
    ck_assert_int_lt(value_compare(t, (union value){.f = NAN}, (union value){.f = -INFINITY}), 0);
    ck_assert_int_gt(value_compare(t, (union value){.f = 0}, (union value){.f = NAN}), 0);
    ck_assert(value_equal(t, (union value){.f = -0.0}, (union value){.f = 0.0}));
}
END_TEST

START_TEST(sets_and_maps_compare_member_by_member)
{
    union value ab = {.set = set_of_strings(mem, 2, "a", "b")},
                abc = {.set = set_of_strings(mem, 3, "a", "b", "c")},
                b = {.set = set_of_strings(mem, 1, "b")}, none = {.set = NULL};
    ck_assert_int_lt(value_compare(&model_type_string_set, ab, abc), 0);
    ck_assert_int_gt(value_compare(&model_type_string_set, b, abc), 0);
    ck_assert_int_lt(value_compare(&model_type_string_set, none, b), 0);
    union value m1 = {.map = map_with(mem, NULL, "k", "1")}, m2 = {.map = map_with(mem, NULL, "k", "2")};
    ck_assert(!value_equal(&model_type_string_map, m1, m2));
    ck_assert(value_equal(&model_type_string_map, m1, (union value){.map = map_with(mem, NULL, "k", "1")}));
}
END_TEST

START_TEST(a_copy_is_deep_and_one_block)
{
    struct model_type nested = {.kind = KIND_SET, .elem = &model_type_string_map};
    void *old = talloc_new(NULL);
    struct set *s = talloc_zero_size(old, sizeof(*s) + 2 * sizeof(s->v[0]));
    s->n = 2;
    s->v[0].map = map_with(old, map_with(old, NULL, "key", "some longer text"), "k", "");
    union value copy = value_copy(mem, &nested, (union value){.set = s});
    ck_assert(value_equal(&nested, copy, (union value){.set = s}));
    talloc_free(old);
    ck_assert_str_eq(map_get(copy.set->v[0].map, "key"), "some longer text");
    ck_assert_ptr_null(copy.set->v[1].map);
    ck_assert_uint_eq(talloc_total_blocks(mem), 2);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_reference_survives_its_text,
        the_null_reference_has_two_spellings_and_writes_one,
        what_is_no_reference_is_refused_and_changes_nothing,
        a_huge_text_is_no_reference,
        fresh_references_differ_and_are_version_four,
        a_uuid_is_valid_in_either_case_and_no_other_form,
        a_date_survives_its_text,
        a_date_has_several_spellings,
        what_is_no_date_is_refused,
        dates_out_of_reach_show_as_the_nearest_that_fits,
        null_counts_as_the_empty_set_and_map,
        a_set_of_strings_gains_and_loses_members,
        a_new_set_shares_nothing_with_the_old_one,
        a_set_of_references_gains_and_loses_members,
        a_map_stays_sorted_and_finds_every_key,
        setting_a_key_again_replaces_its_text,
        taking_a_key_out_leaves_the_others,
        sorting_a_map_keeps_the_first_of_equal_keys,
        maps_with_number_keys_sort_by_number,
        values_compare_by_their_type,
        not_a_number_equals_itself,
        sets_and_maps_compare_member_by_member,
        a_copy_is_deep_and_one_block,
        NULL,
    };
    return suite_run("values", tests);
}
