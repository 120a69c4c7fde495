/* The encoder of replies, byte for byte; and read back by xmlrpc-c and jansson, which know nothing of it. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <xmlrpc-c/base.h>
#include "rpc/encode.h"
#include "tests/in_fiber.h"

static struct buf out;

static void teardown(void)
{
    buf_free(&out);
}

static struct enc start(enum enc_format format)
{
    buf_reset(&out);
    return (struct enc){.out = &out, .format = format};
}

/* Both forms of what `call` writes to e. */
#define assert_both(call, xml, json)            \
    do {                                        \
        struct enc e = start(ENC_XML);          \
        call;                                   \
        ck_assert_str_eq(buf_cstr(&out), xml);  \
        e = start(ENC_JSON);                    \
        call;                                   \
        ck_assert_str_eq(buf_cstr(&out), json); \
    } while (0)

START_TEST(scalars)
{
    struct ref r = {0x0123456789abcdef, 0xfedcba9876543210};
    assert_both(enc_string(&e, "text"), "<value>text</value>", "\"text\"");
    assert_both(enc_string(&e, NULL), "<value></value>", "\"\"");
    assert_both(enc_int(&e, 0), "<value>0</value>", "0");
    assert_both(enc_int(&e, INT64_MIN), "<value>-9223372036854775808</value>", "-9223372036854775808");
    assert_both(enc_int(&e, INT64_MAX), "<value>9223372036854775807</value>", "9223372036854775807");
    assert_both(enc_int32(&e, -7), "<value><i4>-7</i4></value>", "-7");
    assert_both(enc_bool(&e, true), "<value><boolean>1</boolean></value>", "true");
    assert_both(enc_bool(&e, false), "<value><boolean>0</boolean></value>", "false");
    assert_both(enc_void(&e), "<value></value>", "\"\"");
    assert_both(enc_nil(&e), "<value><nil/></value>", "null");
    assert_both(enc_datetime(&e, 1787277623),
                "<value><dateTime.iso8601>20260821T02:00:23Z</dateTime.iso8601></value>",
                "\"20260821T02:00:23Z\"");
    assert_both(enc_ref(&e, REF_NULL), "<value>OpaqueRef:NULL</value>", "\"OpaqueRef:NULL\"");
    assert_both(enc_ref(&e, r), "<value>OpaqueRef:01234567-89ab-cdef-fedc-ba9876543210</value>",
                "\"OpaqueRef:01234567-89ab-cdef-fedc-ba9876543210\"");
}
END_TEST

START_TEST(references_read_as_the_model_writes_them)
{
    for (int i = 0; i < 100; i++) {
        struct ref r = ref_new();
        char text[REF_TEXT_SIZE];
        struct enc e = start(ENC_JSON);
        enc_ref(&e, r);
        ref_format(r, text);
        ck_assert_int_eq(strncmp(buf_cstr(&out) + 1, text, strlen(text)), 0);
        ck_assert_uint_eq(out.len, strlen(text) + 2);
    }
}
END_TEST

START_TEST(dates_read_as_the_model_writes_them)
{
    for (int64_t t = -5; t < 253402300805; t = t < 100 ? t + 1 : t + 86399 * 29 + t % 7) {
        char text[DATETIME_TEXT_SIZE];
        struct enc e = start(ENC_JSON);
        enc_datetime(&e, t);
        datetime_format(t, text);
        ck_assert_msg(strncmp(buf_cstr(&out) + 1, text, strlen(text)) == 0, "%s %s", buf_cstr(&out), text);
    }
}
END_TEST

#define DOUBLE(text) "<value><double>" text "</double></value>"

START_TEST(floats)
{
    assert_both(enc_float(&e, 0), DOUBLE("0"), "0");
    assert_both(enc_float(&e, -0.0), DOUBLE("-0"), "-0");
    assert_both(enc_float(&e, 3), DOUBLE("3"), "3");
    assert_both(enc_float(&e, -12345678901234), DOUBLE("-12345678901234"), "-12345678901234");
    assert_both(enc_float(&e, 0.5), DOUBLE("0.5"), "0.5");
    assert_both(enc_float(&e, 0.1), DOUBLE("0.1"), "0.1");
    assert_both(enc_float(&e, 1e22), DOUBLE("1e+22"), "1e+22");
    assert_both(enc_float(&e, -1.5e-300), DOUBLE("-1.5e-300"), "-1.5e-300");
    assert_both(enc_float(&e, NAN), DOUBLE("nan"), "null");
    assert_both(enc_float(&e, -(double)NAN), DOUBLE("nan"), "null");
    assert_both(enc_float(&e, INFINITY), DOUBLE("inf"), "null");
    assert_both(enc_float(&e, -INFINITY), DOUBLE("-inf"), "null");
}
END_TEST

START_TEST(whole_floats_are_written_as_printf_would)
{
    for (double f = 1; f < 1e18; f = f * 3 + 1) {
        char text[64];
        struct enc e = start(ENC_JSON);
        enc_float(&e, f);
        snprintf(text, sizeof(text), "%.16g", f);
        ck_assert_str_eq(buf_cstr(&out), text);
    }
}
END_TEST

START_TEST(special_characters)
{
    assert_both(enc_string(&e, "<a href=\"x\">&'</a>"),
                "<value>&lt;a href=&quot;x&quot;&gt;&amp;'&lt;/a&gt;</value>",
                "\"<a href=\\\"x\\\">&'</a>\"");
    assert_both(enc_string(&e, "a\tb\nc"), "<value>a\tb\nc</value>", "\"a\\tb\\nc\"");
    assert_both(enc_string(&e, "a\rb"), "<value>a&#13;b</value>", "\"a\\rb\"");
    assert_both(enc_string(&e, "a\x01\x08\x1f"
                               "b\x7f"),
                "<value>ab\x7f</value>", "\"ab\x7f\"");
    assert_both(enc_string(&e, "back\\slash"), "<value>back\\slash</value>", "\"back\\\\slash\"");
    assert_both(enc_string(&e, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
                "<value>\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80</value>",
                "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}
END_TEST

#define LOST "\xef\xbf\xbd"

START_TEST(what_is_no_utf8_is_replaced)
{
    assert_both(enc_string(&e, "a\xff"
                               "b"),
                "<value>a" LOST "b</value>", "\"a" LOST "b\"");
    assert_both(enc_string(&e, "\xc3"), "<value>" LOST "</value>", "\"" LOST "\"");
    assert_both(enc_string(&e, "\xed\xa0\x80"), "<value>" LOST LOST LOST "</value>",
                "\"" LOST LOST LOST "\"");
    assert_both(enc_string(&e, "\xe2\x82"), "<value>" LOST LOST "</value>", "\"" LOST LOST "\"");
}
END_TEST

/* A client's XML parser refuses the whole reply for one of these. */
START_TEST(what_xml_lacks_is_replaced_there_and_stays_in_json)
{
    assert_both(enc_string(&e, "a\xef\xbf\xbe"
                               "b"),
                "<value>a" LOST "b</value>",
                "\"a\xef\xbf\xbe"
                "b\"");
    assert_both(enc_string(&e, "\xef\xbf\xbf"), "<value>" LOST "</value>", "\"\xef\xbf\xbf\"");
    /* their neighbours, and a character past the first plane that ends alike */
    assert_both(enc_string(&e, "\xef\xbf\xbd\xef\xbe\xbf\xf0\x9f\xbf\xbf"),
                "<value>\xef\xbf\xbd\xef\xbe\xbf\xf0\x9f\xbf\xbf</value>",
                "\"\xef\xbf\xbd\xef\xbe\xbf\xf0\x9f\xbf\xbf\"");
}
END_TEST

/* Every special character at every place of strings of every short length, against a plain loop. */
START_TEST(each_place_of_a_string_is_escaped_alike)
{
    static const char *const specials[] = {
        "<", "&", "\"", "\x01", "\xff", "\xc3\xa4", "\xf0\x9f\x98\x80", "\xef\xbf\xbf", "\n", "x"};
    static const char *const escaped[] = {"&lt;", "&amp;", "&quot;", "", LOST, "\xc3\xa4", "\xf0\x9f\x98\x80",
                                          LOST,   "\n",    "x"};
    for (size_t length = 0; length < 40; length++) {
        for (size_t at = 0; at <= length; at++) {
            for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
                char in[64], expected[96];
                int n = (int)length, before = (int)at;
                const char *fill = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN";
                snprintf(in, sizeof(in), "%.*s%s%.*s", before, fill, specials[i], n - before, fill + before);
                snprintf(expected, sizeof(expected), "<value>%.*s%s%.*s</value>", before, fill, escaped[i],
                         n - before, fill + before);
                struct enc e = start(ENC_XML);
                enc_string(&e, in);
                ck_assert_str_eq(buf_cstr(&out), expected);
            }
        }
    }
}
END_TEST

static void write_nested(struct enc *e)
{
    enc_array_begin(e);
    enc_int(e, 1);
    enc_struct_begin(e);
    enc_member(e, "empty");
    enc_struct_begin(e);
    enc_struct_end(e);
    enc_member(e, "list");
    enc_array_begin(e);
    enc_array_end(e);
    enc_member_text(e, "<\"k\">");
    enc_string(e, "v");
    enc_member_ref(e, REF_NULL);
    enc_bool(e, true);
    enc_struct_end(e);
    enc_string(e, "last");
    enc_array_end(e);
}

#define M(name, value) "<member><name>" name "</name>" value "</member>"

START_TEST(composites)
{
    assert_both(
        write_nested(&e),
        "<value><array><data><value>1</value><value><struct>" M("empty", "<value><struct></struct></value>")
            M("list", "<value><array><data></data></array></value>") M("&lt;&quot;k&quot;&gt;",
                                                                       "<value>v</value>")
                M("OpaqueRef:NULL", "<value><boolean>1</boolean></value>") "</struct></value><value>last</"
                                                                           "value></data></array></value>",
        "[1,{\"empty\":{},\"list\":[],\"<\\\"k\\\">\":\"v\",\"OpaqueRef:NULL\":true},\"last\"]");
}
END_TEST

START_TEST(typed_values)
{
    static const char *const colours[] = {"Red", "Green"};
    static const struct model_enum colour = {.name = "colour", .n = 2, .values = colours};
    struct model_type enum_type = {.kind = KIND_ENUM, .enums = &colour};
    struct model_type ref_type = {.kind = KIND_REF, .cls = CLASS_VM};
    struct model_type by_enum = {.kind = KIND_MAP, .key = &enum_type, .elem = &model_type_int};
    struct model_type by_ref = {.kind = KIND_MAP, .key = &ref_type, .elem = &model_type_string_set};
    struct model_type by_int = {.kind = KIND_MAP, .key = &model_type_int, .elem = &model_type_float};
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    struct map *m = talloc_zero_size(ctx, sizeof(struct map) + sizeof(struct map_entry));
    m->n = 1;
    union value v = {.map = m};
    m->e[0] = (struct map_entry){.k = {.i = 1}, .v = {.i = 5}};
    assert_both(enc_value(&e, &by_enum, v),
                "<value><struct>" M("Green", "<value>5</value>") "</struct></value>", "{\"Green\":5}");
    m->e[0] = (struct map_entry){.k = {.r = REF_NULL}, .v = {.set = set_of_strings(ctx, 2, "a", "b")}};
    assert_both(enc_value(&e, &by_ref, v),
                "<value><struct>" M("OpaqueRef:NULL",
                                    "<value><array><data><value>a</value><value>b</value></data>"
                                    "</array></value>") "</struct></value>",
                "{\"OpaqueRef:NULL\":[\"a\",\"b\"]}");
    m->e[0] = (struct map_entry){.k = {.i = -3}, .v = {.f = 0.25}};
    assert_both(enc_value(&e, &by_int, v), "<value><struct>" M("-3", DOUBLE("0.25")) "</struct></value>",
                "{\"-3\":0.25}");
    v.map = NULL;
    assert_both(enc_value(&e, &by_int, v), "<value><struct></struct></value>", "{}");
    v.i = 0;
    assert_both(enc_value(&e, &enum_type, v), "<value>Red</value>", "\"Red\"");
}
END_TEST

/* ---- envelopes ---- */

static const char *reply(enum rpc_protocol protocol, const char *method, const struct err *error)
{
    struct rpc_request r = {.protocol = protocol, .method = method, .json_id = "7"};
    struct enc e = start(protocol == RPC_XML ? ENC_XML : ENC_JSON);
    if (error != NULL) {
        enc_reply_failure(&e, &r, error);
        return buf_cstr(&out);
    }
    enc_reply_begin(&e, &r);
    enc_string(&e, "x");
    enc_reply_end(&e, &r);
    return buf_cstr(&out);
}

#define REPLY(value) \
    "<?xml version=\"1.0\"?><methodResponse><params><param>" value "</param></params></methodResponse>"

START_TEST(success_envelopes)
{
    ck_assert_str_eq(reply(RPC_XML, "VM.start", NULL),
                     REPLY("<value><struct>" M("Status", "<value>Success</value>")
                               M("Value", "<value>x</value>") "</struct></value>"));
    ck_assert_str_eq(reply(RPC_XML, "system.listMethods", NULL), REPLY("<value>x</value>"));
    ck_assert_str_eq(reply(RPC_JSON_1, "m", NULL), "{\"result\":\"x\",\"error\":null,\"id\":7}");
    ck_assert_str_eq(reply(RPC_JSON_2, "m", NULL), "{\"jsonrpc\":\"2.0\",\"result\":\"x\",\"id\":7}");
}
END_TEST

START_TEST(failure_envelopes)
{
    CLEANUP_ERR struct err error = {0};
    err_set(&error, "HANDLE_INVALID", 2, "VM", "<x>");
    ck_assert_str_eq(reply(RPC_XML, "m", &error),
                     REPLY("<value><struct>" M("Status", "<value>Failure</value>")
                               M("ErrorDescription",
                                 "<value><array><data><value>HANDLE_INVALID</value><value>VM</value>"
                                 "<value>&lt;x&gt;</value></data></array></value>") "</struct></value>"));
    ck_assert_str_eq(reply(RPC_JSON_1, "m", &error),
                     "{\"result\":null,\"error\":[\"HANDLE_INVALID\",\"VM\",\"<x>\"],\"id\":7}");
    ck_assert_str_eq(reply(RPC_JSON_2, "m", &error), "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":"
                                                     "\"HANDLE_INVALID\",\"data\":[\"VM\",\"<x>\"]},"
                                                     "\"id\":7}");
}
END_TEST

START_TEST(a_call_that_we_make_is_read_back_by_our_decoder)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    struct wire item = wire_int(5), params[3] = {wire_string("a<b"),
                                                 {.kind = WIRE_ARRAY, .n = 1, .items = &item},
                                                 wire_bool(true)};
    struct rpc_request r;
    const char *reason;
    struct enc e = start(ENC_XML);
    enc_call_begin(&e, "VM.start");
    for (int i = 0; i < 3; i++) {
        enc_param_begin(&e);
        enc_wire(&e, &params[i]);
        enc_param_end(&e);
    }
    enc_call_end(&e);
    ck_assert_int_eq(rpc_request_parse_xml(ctx, out.data, out.len, &r, &reason), 0);
    ck_assert_str_eq(r.method, "VM.start");
    ck_assert_str_eq(r.params[0].s, "a<b");
    ck_assert_str_eq(r.params[1].items[0].s, "5");
    ck_assert_int_eq(r.params[2].i, 1);
}
END_TEST

START_TEST(xmlrpc_c_reads_our_replies)
{
    struct rpc_request r = {.protocol = RPC_XML, .method = "m"};
    struct enc e = start(ENC_XML);
    xmlrpc_env env;
    int fault;
    const char *fault_text;
    xmlrpc_value *result, *value, *second, *key;
    enc_reply_begin(&e, &r);
    write_nested(&e);
    enc_reply_end(&e, &r);
    xmlrpc_env_init(&env);
    xmlrpc_parse_response2(&env, out.data, out.len, &result, &fault, &fault_text);
    ck_assert_msg(!env.fault_occurred, "%s", env.fault_string);
    xmlrpc_struct_find_value(&env, result, "Value", &value);
    ck_assert_int_eq(xmlrpc_array_size(&env, value), 3);
    xmlrpc_array_read_item(&env, value, 1, &second);
    ck_assert_int_eq(xmlrpc_struct_size(&env, second), 4);
    xmlrpc_struct_find_value(&env, second, "<\"k\">", &key);
    ck_assert_ptr_nonnull(key);
    xmlrpc_DECREF(key);
    xmlrpc_DECREF(second);
    xmlrpc_DECREF(value);
    xmlrpc_DECREF(result);
    xmlrpc_env_clean(&env);
}
END_TEST

START_TEST(jansson_reads_our_replies)
{
    struct enc e = start(ENC_JSON);
    json_error_t error;
    write_nested(&e);
    json_t *j = json_loadb(out.data, out.len, 0, &error);
    ck_assert_msg(j != NULL, "%s", error.text);
    ck_assert_uint_eq(json_object_size(json_array_get(j, 1)), 4);
    json_decref(j);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("encode");
    TCase *t = tcase_create("encode");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_test(t, scalars);
    tcase_add_test(t, references_read_as_the_model_writes_them);
    tcase_add_test(t, dates_read_as_the_model_writes_them);
    tcase_add_test(t, floats);
    tcase_add_test(t, whole_floats_are_written_as_printf_would);
    tcase_add_test(t, special_characters);
    tcase_add_test(t, what_is_no_utf8_is_replaced);
    tcase_add_test(t, what_xml_lacks_is_replaced_there_and_stays_in_json);
    tcase_add_test(t, each_place_of_a_string_is_escaped_alike);
    tcase_add_test(t, composites);
    tcase_add_test(t, typed_values);
    tcase_add_test(t, success_envelopes);
    tcase_add_test(t, failure_envelopes);
    tcase_add_test(t, a_call_that_we_make_is_read_back_by_our_decoder);
    tcase_add_test(t, xmlrpc_c_reads_our_replies);
    tcase_add_test(t, jansson_reads_our_replies);
    suite_add_tcase(s, t);
    return run_suite(s);
}
