/* Values as the text the database stores: round trips of every kind, and hostile text. */
#include "tests/model/suite.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#include "model/model.h"
#include "model/value.h"

/* The type of a field of the real model, "VM.power_state". */
static const struct model_type *type_of(const char *cls, const char *field)
{
    const struct model_field *f = model_field_by_name(model_class_by_name(cls), field);
    ck_assert_ptr_nonnull(f);
    return f->type;
}

static void assert_round_trip(const struct model_type *t, union value v, const char *expected)
{
    const char *text = value_to_text(mem, t, v);
    union value back;
    ck_assert_str_eq(text, expected);
    ck_assert_msg(value_from_text(mem, t, text, &back), "%s was not read as %s", text, t->name);
    ck_assert_msg(value_equal(t, v, back), "%s changed on its way", text);
}

/* text is read and, written again, is expected. */
static void assert_reads(const struct model_type *t, const char *text, const char *expected)
{
    union value v;
    ck_assert_msg(value_from_text(mem, t, text, &v), "%s was not read as %s", text, t->name);
    ck_assert_str_eq(value_to_text(mem, t, v), expected);
}

static void assert_refused(const struct model_type *t, const char *text)
{
    union value v;
    ck_assert_msg(!value_from_text(mem, t, text, &v), "'%s' was read as %s", text, t->name);
}

START_TEST(scalars_survive_their_text)
{
    assert_round_trip(&model_type_string, (union value){.s = "a \"b\" \n \xc3\xa9"}, "a \"b\" \n \xc3\xa9");
    assert_round_trip(&model_type_string, (union value){.s = NULL}, "");
    assert_round_trip(&model_type_int, (union value){.i = INT64_MIN}, "-9223372036854775808");
    assert_round_trip(&model_type_int, (union value){.i = INT64_MAX}, "9223372036854775807");
    assert_round_trip(&model_type_bool, (union value){.b = true}, "true");
    assert_round_trip(&model_type_bool, (union value){.b = false}, "false");
    assert_round_trip(&model_type_datetime, (union value){.i = 0}, "19700101T00:00:00Z");
    assert_round_trip(type_of("VM", "power_state"), (union value){.i = VM_POWER_STATE_RUNNING}, "Running");
    assert_round_trip(type_of("VM", "affinity"), (union value){.r = {1, 2}},
                      "OpaqueRef:00000000-0000-0001-0000-000000000002");
    assert_round_trip(type_of("VM", "affinity"), (union value){.r = REF_NULL}, "OpaqueRef:NULL");
}
END_TEST

START_TEST(floats_survive_their_text_exactly)
{
    assert_round_trip(&model_type_float, (union value){.f = 0.1}, "0.1");
    assert_round_trip(&model_type_float, (union value){.f = 1}, "1");
    assert_round_trip(&model_type_float, (union value){.f = 0.1 + 0.2}, "0.30000000000000004");
    assert_round_trip(&model_type_float, (union value){.f = 5e-324}, "4.94065645841247e-324");
    assert_round_trip(&model_type_float, (union value){.f = INFINITY}, "inf");
    assert_round_trip(&model_type_float, (union value){.f = NAN}, "nan");
}
END_TEST

START_TEST(sets_and_maps_survive_as_json)
{
    assert_round_trip(&model_type_string_set, (union value){.set = NULL}, "[]");
    assert_round_trip(&model_type_string_set,
                      (union value){.set = set_of_strings(mem, 2, "b", "a\"\\\n\x01")},
                      "[\"b\",\"a\\\"\\\\\\u000a\\u0001\"]");
    assert_round_trip(&model_type_string_map, (union value){.map = NULL}, "{}");
    assert_round_trip(&model_type_string_map,
                      (union value){.map = map_with(mem, map_with(mem, NULL, "z", ""), "\xc3\xa9", "1")},
                      "{\"z\":\"\",\"\xc3\xa9\":\"1\"}");
}
END_TEST

START_TEST(sets_and_maps_of_other_kinds_survive_too)
{
    assert_reads(type_of("VM", "groups"), "[\"OpaqueRef:NULL\"]", "[\"OpaqueRef:NULL\"]");
    assert_reads(type_of("VIF", "trunks"), "[3, \"4\"]", "[3,4]");
    assert_reads(type_of("VM", "allowed_operations"), "[\"start\",\"clone\"]", "[\"start\",\"clone\"]");
    assert_reads(type_of("VM_metrics", "VCPUs_CPU"), "{\"10\":1,\"9\":\"2\"}", "{\"9\":2,\"10\":1}");
    assert_reads(type_of("VM_metrics", "VCPUs_utilisation"), "{\"0\":\"nan\",\"1\":0.5,\"2\":1}",
                 "{\"0\":\"nan\",\"1\":0.5,\"2\":1}");
    assert_reads(type_of("VM_metrics", "VCPUs_flags"), "{\"0\":[\"a\"],\"1\":[]}",
                 "{\"0\":[\"a\"],\"1\":[]}");
    assert_reads(type_of("VM", "blocked_operations"), "{\"start\":\"no\"}", "{\"start\":\"no\"}");
    struct model_type bools = {.kind = KIND_SET, .name = "bool set", .elem = &model_type_bool};
    assert_reads(&bools, "[true,false,\"true\"]", "[true,false,true]");
}
END_TEST

START_TEST(every_initial_value_of_the_model_survives)
{
    for (int c = 0; c < CLASS_COUNT; c++)
        for (unsigned i = 0; i < model_classes[c].n_fields; i++) {
            const struct model_field *f = &model_classes[c].fields[i];
            if (f->type->kind == KIND_RECORD || f->type->kind == KIND_OPTION)
                continue;
            const char *text = value_to_text(mem, f->type, f->initial);
            union value back;
            ck_assert_msg(value_from_text(mem, f->type, text, &back), "%s.%s: %s", model_classes[c].name,
                          f->name, text);
            ck_assert(value_equal(f->type, f->initial, back));
        }
}
END_TEST

START_TEST(text_of_another_type_is_refused)
{
    static const char *const no_ints[] = {"",    " 1",  "1 ", "1.0", "0x10", "9223372036854775808",
                                          "one", "--1", "-",  "1\n"};
    static const char *const no_floats[] = {"", " 1", "1 ", "one", "1.2.3", "1,5"};
    for (size_t i = 0; i < sizeof(no_ints) / sizeof(no_ints[0]); i++)
        assert_refused(&model_type_int, no_ints[i]);
    for (size_t i = 0; i < sizeof(no_floats) / sizeof(no_floats[0]); i++)
        assert_refused(&model_type_float, no_floats[i]);
    assert_refused(&model_type_bool, "True");
    assert_refused(&model_type_bool, "1");
    assert_refused(&model_type_bool, "");
    assert_refused(&model_type_datetime, "yesterday");
    assert_refused(type_of("VM", "power_state"), "running");
    assert_refused(type_of("VM", "power_state"), "");
    assert_refused(type_of("VM", "affinity"), "OpaqueRef:none");
    assert_refused(&model_type_void, "");
}
END_TEST

START_TEST(json_of_another_shape_is_refused)
{
    static const char *const no_sets[] = {
        "",       "[",    "[\"a\"",    "{}",         "\"a\"",         "[1]", "[\"a\",]", "null",     "[[]]",
        "[null]", "[{}]", "[\"a\"] x", "[\"\xff\"]", "[\"\\u0000\"]", "[,]", "[\"a]",    "[\"\\x\"]"};
    static const char *const no_maps[] = {"",
                                          "{",
                                          "[]",
                                          "{\"a\":1}",
                                          "{\"a\":null}",
                                          "{\"a\"}",
                                          "{a:\"b\"}",
                                          "{\"a\":\"b\"",
                                          "{\"a\":[]}",
                                          "{1:\"b\"}",
                                          "{\"\xff\":\"\"}"};
    for (size_t i = 0; i < sizeof(no_sets) / sizeof(no_sets[0]); i++)
        assert_refused(&model_type_string_set, no_sets[i]);
    for (size_t i = 0; i < sizeof(no_maps) / sizeof(no_maps[0]); i++)
        assert_refused(&model_type_string_map, no_maps[i]);
    assert_refused(type_of("VM_metrics", "VCPUs_CPU"), "{\"x\":1}");
    assert_refused(type_of("VM_metrics", "VCPUs_CPU"), "{\"1\":1.5}");
    assert_refused(type_of("VM_metrics", "VCPUs_CPU"), "{\"1\":99999999999999999999}");
    assert_refused(type_of("VM", "allowed_operations"), "[\"fly\"]");
}
END_TEST

START_TEST(nesting_without_end_is_refused)
{
    size_t depth = 200000;
    char *text = talloc_size(mem, depth + 1);
    memset(text, '[', depth);
    text[depth] = '\0';
    assert_refused(&model_type_string_set, text);
    assert_refused(&model_type_string_map, text);
}
END_TEST

START_TEST(large_sets_survive)
{
    struct set *s = talloc_zero_size(mem, sizeof(*s) + 50000 * sizeof(s->v[0]));
    union value back;
    s->n = 50000;
    for (uint32_t i = 0; i < s->n; i++)
        s->v[i].s = "member";
    const char *text = value_to_text(mem, &model_type_string_set, (union value){.set = s});
    ck_assert(value_from_text(mem, &model_type_string_set, text, &back));
    ck_assert(value_equal(&model_type_string_set, back, (union value){.set = s}));
}
END_TEST

START_TEST(an_enum_out_of_range_has_no_text)
{
    const struct model_type *t = type_of("VM", "power_state");
    ck_assert_str_eq(value_to_text(mem, t, (union value){.i = 99}), "");
    ck_assert_str_eq(value_to_text(mem, t, (union value){.i = -1}), "");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        scalars_survive_their_text,
        floats_survive_their_text_exactly,
        sets_and_maps_survive_as_json,
        sets_and_maps_of_other_kinds_survive_too,
        every_initial_value_of_the_model_survives,
        text_of_another_type_is_refused,
        json_of_another_shape_is_refused,
        nesting_without_end_is_refused,
        large_sets_survive,
        an_enum_out_of_range_has_no_text,
        NULL,
    };
    return suite_run("text form", tests);
}
