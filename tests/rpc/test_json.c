/* JSON-RPC 1.0 and 2.0 requests: what is accepted, and what hostile senders get. */
#include <errno.h>
#include <stdlib.h>
#include "tests/in_fiber.h"
#include "tests/rpc/story.h"

static void *ctx;
static struct buf text;
static struct rpc_request request;

static void setup(void)
{
    ctx = talloc_new(NULL);
}

static void teardown(void)
{
    talloc_free(ctx);
    buf_free(&text);
}

static const char *read_bytes(const char *body, size_t len)
{
    const char *reason = NULL;
    int result = rpc_request_parse_json(ctx, body, len, &request, &reason);
    if (result == 0)
        return story_of_request(&text, &request);
    ck_assert_int_eq(result, -EBADMSG);
    ck_assert_ptr_nonnull(reason);
    return "refused";
}

static const char *read_call(const char *body)
{
    return read_bytes(body, strlen(body));
}

#define assert_call(body, story) ck_assert_str_eq(read_call(body), story)
#define assert_refused(body) ck_assert_str_eq(read_call(body), "refused")
#define PARAMS(p) "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1,\"params\":" p "}"

START_TEST(a_2_0_request_is_read)
{
    assert_call(PARAMS("[\"a\", 1, -2.5, true, false, null, [], {}, [1, [2]], {\"k\": {\"l\": \"v\"}}]"),
                "m('a', 1, -2.50000, true, false, nil, [], {}, [1, [2]], {k: {l: 'v'}})");
    ck_assert_int_eq(request.protocol, RPC_JSON_2);
    ck_assert_str_eq(request.json_id, "1");
}
END_TEST

START_TEST(a_2_0_request_may_lack_params_or_name_them)
{
    assert_call("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1}", "m()");
    assert_call(PARAMS("{\"a\": 1}"), "m({a: 1})");
    assert_refused(PARAMS("5"));
    assert_refused(PARAMS("null"));
}
END_TEST

START_TEST(a_1_0_request_needs_an_array_of_params)
{
    assert_call("{\"method\":\"m\",\"id\":\"x\",\"params\":[\"a\"]}", "m('a')");
    ck_assert_int_eq(request.protocol, RPC_JSON_1);
    ck_assert_str_eq(request.json_id, "\"x\"");
    assert_refused("{\"method\":\"m\",\"id\":1}");
    assert_refused("{\"method\":\"m\",\"id\":1,\"params\":{\"a\":1}}");
}
END_TEST

START_TEST(the_id_is_a_number_or_a_string)
{
    assert_call("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":\"q\\\"\\u00e4\"}", "m()");
    ck_assert_str_eq(request.json_id, "\"q\\\"\xc3\xa4\"");
    assert_call("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":-9223372036854775808}", "m()");
    ck_assert_str_eq(request.json_id, "-9223372036854775808");
    assert_refused("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":null}");
    assert_refused("{\"jsonrpc\":\"2.0\",\"method\":\"m\"}");
    assert_refused("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1.5}");
    assert_refused("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":[]}");
}
END_TEST

START_TEST(other_versions_and_shapes_are_refused)
{
    assert_refused("{\"jsonrpc\":\"1.5\",\"method\":\"m\",\"id\":1}");
    assert_refused("{\"jsonrpc\":2.0,\"method\":\"m\",\"id\":1}");
    assert_refused("{\"jsonrpc\":\"2.0\",\"method\":5,\"id\":1}");
    assert_refused("{\"jsonrpc\":\"2.0\",\"id\":1}");
    assert_refused("[{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1}]");
    assert_refused("\"m\"");
    assert_refused("");
    assert_refused("{}");
    assert_refused(PARAMS("[]") "x");
}
END_TEST

START_TEST(bad_text_and_numbers_are_refused)
{
    assert_refused(PARAMS("[\"\xff\"]"));
    assert_refused(PARAMS("[\"\\ud800\"]"));
    assert_refused(PARAMS("[\"\\u0000\"]"));
    assert_refused(PARAMS("[\"\x01\"]"));
    assert_refused(PARAMS("[99999999999999999999999]"));
    assert_refused(PARAMS("[1e999]"));
    assert_refused(PARAMS("[NaN]"));
    assert_refused(PARAMS("[01]"));
    ck_assert_str_eq(read_bytes("{\"method\":\"m\0\"}", 15), "refused");
}
END_TEST

static void nest(struct buf *b, unsigned n)
{
    buf_reset(b);
    buf_add_lit(b, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1,\"params\":[");
    for (unsigned i = 0; i < n; i++)
        buf_add_char(b, '[');
    for (unsigned i = 0; i < n; i++)
        buf_add_char(b, ']');
    buf_add_lit(b, "]}");
}

START_TEST(nesting_and_number_of_values_are_bounded)
{
    CLEANUP_BUF struct buf b = {0};
    nest(&b, 64);
    ck_assert_str_ne(read_bytes(b.data, b.len), "refused");
    nest(&b, 65);
    ck_assert_str_eq(read_bytes(b.data, b.len), "refused");
    nest(&b, 100000);
    ck_assert_str_eq(read_bytes(b.data, b.len), "refused");
    buf_reset(&b);
    buf_add_lit(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1,\"params\":[0");
    for (unsigned i = 0; i < RPC_MAX_REQUEST_VALUES; i++)
        buf_add_lit(&b, ",0");
    buf_add_lit(&b, "]}");
    ck_assert_str_eq(read_bytes(b.data, b.len), "refused");
}
END_TEST

START_TEST(brackets_within_strings_do_not_count)
{
    CLEANUP_BUF struct buf b = {0};
    buf_add_lit(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1,\"params\":[\"\\\"");
    for (unsigned i = 0; i < 1000; i++)
        buf_add_char(&b, '[');
    buf_add_lit(&b, "\\\\\"]}");
    ck_assert_str_ne(read_bytes(b.data, b.len), "refused");
}
END_TEST

static const char sample[] =
    "{\"jsonrpc\":\"2.0\",\"method\":\"VM.start\",\"id\":7,\"params\":[\"OpaqueRef:1\",{\"a\\n"
    "\":[1,2.5,true]}]}";

START_TEST(a_request_cut_or_changed_anywhere_is_read_or_refused)
{
    static const char bytes[] = "\0{}[]\"\\\xff,1e";
    ck_assert_str_eq(read_call(sample), "VM.start('OpaqueRef:1', {a\n: [1, 2.50000, true]})");
    for (size_t n = 0; n < sizeof(sample) - 1; n++) {
        char *cut = malloc(n + 1);
        memcpy(cut, sample, n);
        ck_assert_str_eq(read_bytes(cut, n), "refused");
        free(cut);
        for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
            char changed[sizeof(sample)];
            memcpy(changed, sample, sizeof(sample));
            changed[n] = bytes[i];
            read_bytes(changed, sizeof(sample) - 1);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *t = tcase_create("requests");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, a_2_0_request_is_read);
    tcase_add_test(t, a_2_0_request_may_lack_params_or_name_them);
    tcase_add_test(t, a_1_0_request_needs_an_array_of_params);
    tcase_add_test(t, the_id_is_a_number_or_a_string);
    tcase_add_test(t, other_versions_and_shapes_are_refused);
    tcase_add_test(t, bad_text_and_numbers_are_refused);
    tcase_add_test(t, nesting_and_number_of_values_are_bounded);
    tcase_add_test(t, brackets_within_strings_do_not_count);
    tcase_add_test(t, a_request_cut_or_changed_anywhere_is_read_or_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
