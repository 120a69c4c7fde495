/* XML-RPC requests and replies: what is accepted, and what hostile senders get. */
#include <errno.h>
#include <stdlib.h>
#include "tests/in_fiber.h"
#include "tests/rpc/story.h"

static void *ctx;
static struct buf text;

static void setup(void)
{
    ctx = talloc_new(NULL);
}

static void teardown(void)
{
    talloc_free(ctx);
    buf_free(&text);
}

static const char *read_call(const char *body, size_t len)
{
    struct rpc_request r;
    const char *reason = NULL;
    int result = rpc_request_parse_xml(ctx, body, len, &r, &reason);
    if (result == 0)
        return story_of_request(&text, &r);
    ck_assert_int_eq(result, -EBADMSG);
    ck_assert_ptr_nonnull(reason);
    ck_assert_uint_gt(strlen(reason), 0);
    buf_reset(&text);
    buf_printf(&text, "refused: %s", reason);
    return buf_cstr(&text);
}

static const char *read_value(const char *value)
{
    CLEANUP_BUF struct buf b = {0};
    buf_printf(&b,
               "<?xml "
               "version='1.0'?><methodCall><methodName>m</methodName><params><param>%s</param></params></"
               "methodCall>",
               value);
    return read_call(b.data, b.len);
}

#define assert_value(xml, story) ck_assert_str_eq(read_value(xml), "m(" story ")")
#define assert_refused(xml) ck_assert_msg(strncmp(read_value(xml), "refused", 7) == 0, "%s", read_value(xml))
#define assert_bad(body, n) \
    ck_assert_msg(strncmp(read_call(body, n), "refused", 7) == 0, "%s", read_call(body, n))

START_TEST(every_scalar_form_is_read)
{
    assert_value("<value>bare</value>", "'bare'");
    assert_value("<value><string>typed</string></value>", "'typed'");
    assert_value("<value/>", "''");
    assert_value("<value></value>", "''");
    assert_value("<value><string/></value>", "''");
    assert_value("<value> kept </value>", "' kept '");
    assert_value("<value><int>5</int></value>", "5");
    assert_value("<value><i4>-5</i4></value>", "-5");
    assert_value("<value><i8>9223372036854775807</i8></value>", "9223372036854775807");
    assert_value("<value><i8>-9223372036854775808</i8></value>", "-9223372036854775808");
    assert_value("<value><int> +7\n</int></value>", "7");
    assert_value("<value><double>1.5</double></value>", "1.50000");
    assert_value("<value><double>-1e3</double></value>", "-1000.00");
    assert_value("<value><boolean>1</boolean></value>", "true");
    assert_value("<value><boolean>0</boolean></value>", "false");
    assert_value("<value><nil/></value>", "nil");
    assert_value("<value xmlns:ex='http://ws.apache.org/xmlrpc/namespaces/extensions'><ex:nil/></value>",
                 "nil");
    assert_value("<value><dateTime.iso8601>20260821T02:00:23Z</dateTime.iso8601></value>",
                 "'20260821T02:00:23Z'");
}
END_TEST

START_TEST(text_is_unescaped)
{
    assert_value("<value>&lt;a&gt; &amp; &quot;b&quot; &apos;</value>", "'<a> & \"b\" ''");
    assert_value("<value>&#65;&#x42;&#228;</value>", "'AB\xc3\xa4'");
    assert_value("<value><![CDATA[<raw>]]></value>", "'<raw>'");
    assert_value("<value>a<!-- no -->b</value>", "'ab'");
    assert_value("<value>\xe2\x82\xac \xf0\x9f\x98\x80</value>", "'\xe2\x82\xac \xf0\x9f\x98\x80'");
}
END_TEST

START_TEST(composites_are_read)
{
    assert_value("<value><array><data></data></array></value>", "[]");
    assert_value("<value><array><data/></array></value>", "[]");
    assert_value("<value><array><data><value>a</value><value><int>1</int></value></data></array></value>",
                 "['a', 1]");
    assert_value("<value><struct/></value>", "{}");
    assert_value(
        "<value><struct><member><name>k</name><value>v</value></member>"
        "<member><name>&lt;2&gt;</name><value><array><data><value><struct/></value></data></array></value>"
        "</member></struct></value>",
        "{k: 'v', <2>: [{}]}");
}
END_TEST

START_TEST(white_space_between_elements_does_not_matter)
{
    assert_value(
        "\n <value>\n <array> <data>\n <value>\n<int>1</int> </value>\n </data> </array>\n </value> ", "[1]");
    assert_value(
        "<value> <struct> <member> <name>k</name> <value> <string>v</string> </value> </member> </struct> "
        "</value>",
        "{k: 'v'}");
}
END_TEST

START_TEST(a_call_may_have_no_parameters)
{
    const char *none = "<methodCall><methodName> system.listMethods\n</methodName></methodCall>";
    ck_assert_str_eq(read_call(none, strlen(none)), "system.listMethods()");
    none = "<methodCall><methodName>m</methodName><params/></methodCall>";
    ck_assert_str_eq(read_call(none, strlen(none)), "m()");
}
END_TEST

START_TEST(other_encodings_are_converted_or_refused)
{
    const char *latin =
        "<?xml version='1.0' encoding='ISO-8859-1'?><methodCall><methodName>m</methodName><params><param>"
        "<value>\xe4</value></param></params></methodCall>";
    ck_assert_str_eq(read_call(latin, strlen(latin)), "m('\xc3\xa4')");
    const char *utf7 =
        "<?xml version='1.0' encoding='UTF-7'?><methodCall><methodName>m</methodName></methodCall>";
    assert_bad(utf7, strlen(utf7));
}
END_TEST

START_TEST(a_string_that_is_no_utf8_is_marked_and_the_rest_is_kept)
{
    assert_value("<value>a\xff\xfe"
                 "b</value>",
                 "!'a\xef\xb7\x90\xef\xb7\x90"
                 "b'");
    assert_value("<value><array><data><value>good</value><value>\xc0\x80</value></data></array></value>",
                 "['good', !'\xef\xb7\x90\xef\xb7\x90']");
    assert_value("<value><struct><member><name>\xed\xa0\x80</name><value><int>1</int></value></member></"
                 "struct></value>",
                 "{\xef\xb7\x90\xef\xb7\x90\xef\xb7\x90: !'\xef\xb7\x90\xef\xb7\x90\xef\xb7\x90'}");
    assert_value("<value>\xef\xb7\x90</value>", "'\xef\xb7\x90'");
}
END_TEST

START_TEST(numbers_that_are_none_are_refused)
{
    assert_refused("<value><int></int></value>");
    assert_refused("<value><int>1x</int></value>");
    assert_refused("<value><int>0x10</int></value>");
    assert_refused("<value><i8>9223372036854775808</i8></value>");
    assert_refused("<value><i8>-9223372036854775809</i8></value>");
    assert_refused("<value><int>99999999999999999999999999999999999999999999999999</int></value>");
    assert_refused("<value><double>1e999</double></value>");
    assert_refused("<value><double>1.5.5</double></value>");
    assert_refused("<value><boolean>2</boolean></value>");
}
END_TEST

START_TEST(elements_out_of_place_are_refused)
{
    assert_refused("<value><base64>AAAA</base64></value>");
    assert_refused("<value><int>1</int><int>2</int></value>");
    assert_refused("<value>1</value><value>2</value>");
    assert_refused("<int>1</int>");
    assert_refused("<value><value>1</value></value>");
    assert_refused("<value><struct><member><value>1</value></member></struct></value>");
    assert_refused("<value><struct><member><name>k</name></member></struct></value>");
    assert_refused("<value><struct><value>1</value></struct></value>");
    assert_refused("<value><array><value>1</value></array></value>");
    assert_refused("");
    assert_bad("<methodResponse/>", 17);
    assert_bad("<methodCall></methodCall>", 25);
    assert_bad("<html><body>hello</body></html>", 31);
}
END_TEST

/* n times open, then close. */
static void nest(struct buf *b, unsigned n, const char *open, const char *close)
{
    for (unsigned i = 0; i < n; i++)
        buf_add_str(b, open);
    for (unsigned i = 0; i < n && close != NULL; i++)
        buf_add_str(b, close);
    buf_cstr(b);
}

#define OPEN_ARRAY "<value><array><data>"
#define CLOSE_ARRAY "</data></array></value>"

START_TEST(nesting_is_bounded)
{
    CLEANUP_BUF struct buf b = {0};
    nest(&b, 64, OPEN_ARRAY, CLOSE_ARRAY);
    ck_assert_int_eq(strncmp(read_value(b.data), "m([[[[", 6), 0);
    buf_reset(&b);
    nest(&b, 65, OPEN_ARRAY, CLOSE_ARRAY);
    assert_refused(b.data);
    buf_reset(&b);
    nest(&b, 100000, OPEN_ARRAY, CLOSE_ARRAY);
    assert_refused(b.data);
    buf_reset(&b);
    nest(&b, 100000, "<value>", NULL);
    assert_refused(b.data);
    buf_reset(&b);
    nest(&b, 100000, "<a>", NULL);
    assert_bad(b.data, b.len);
}
END_TEST

START_TEST(the_number_of_values_is_bounded)
{
    CLEANUP_BUF struct buf b = {0};
    buf_add_lit(&b, OPEN_ARRAY);
    for (unsigned i = 0; i < RPC_MAX_REQUEST_VALUES; i++)
        buf_add_lit(&b, "<value/>");
    buf_add_lit(&b, CLOSE_ARRAY);
    assert_refused(buf_cstr(&b));
}
END_TEST

#define BOMB                                                                                                 \
    "<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>" \
    "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]><methodCall><methodName>&c;</methodName></methodCall>"

START_TEST(nothing_expands)
{
    static const char *const bombs[] = {
        BOMB,
        "<!DOCTYPE m SYSTEM 'file:///etc/passwd'><methodCall><methodName>m</methodName></methodCall>",
        "<!DOCTYPE m [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><methodCall><methodName>&x;</methodName>",
        "<!DOCTYPE m><methodCall><methodName>m</methodName></methodCall>",
        "<methodCall><methodName>&unknown;</methodName></methodCall>",
        "<methodCall a='&unknown;'><methodName>m</methodName></methodCall>",
    };
    for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++)
        assert_bad(bombs[i], strlen(bombs[i]));
}
END_TEST

START_TEST(nul_and_control_characters_are_refused)
{
    static const char nul[] = "<methodCall><methodName>m\0m</methodName></methodCall>";
    assert_bad(nul, sizeof(nul) - 1);
    assert_refused("<value>&#0;</value>");
    assert_refused("<value>&#8;</value>");
    assert_refused("<value>\x01</value>");
    assert_bad("\0\0\0\0", 4);
    assert_bad("", 0);
    assert_bad("\xff\xfe<\0m\0", 6);
}
END_TEST

static const char sample[] = "<?xml "
                             "version=\"1.0\"?>\n<methodCall><methodName>VM.get_record</"
                             "methodName><params><param><value><string>OpaqueRef:"
                             "0001</string></value></param><param><value><struct><member><name>a&amp;b</"
                             "name><value><array><data><value><int>5"
                             "</int></value><value><![CDATA[x]]></value></data></array></value></member></"
                             "struct></value></param></params>"
                             "</methodCall>";

START_TEST(a_request_cut_anywhere_is_refused)
{
    const char *whole = "VM.get_record('OpaqueRef:0001', {a&b: [5, 'x']})";
    ck_assert_str_eq(read_call(sample, sizeof(sample) - 1), whole);
    for (size_t n = 0; n < sizeof(sample) - 1; n++) {
        char *cut = malloc(n + 1); /* of its exact size, for the sanitizer */
        memcpy(cut, sample, n);
        assert_bad(cut, n);
        free(cut);
        if (n % 50 == 0)
            ck_assert_str_eq(read_call(sample, sizeof(sample) - 1), whole);
    }
}
END_TEST

START_TEST(a_request_with_any_byte_changed_is_read_or_refused)
{
    static const char bytes[] = "\0<>&\"\xff/x1 ";
    for (size_t at = 0; at < sizeof(sample) - 1; at++) {
        for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
            char changed[sizeof(sample)];
            memcpy(changed, sample, sizeof(sample));
            changed[at] = bytes[i];
            read_call(changed, sizeof(sample) - 1);
        }
    }
}
END_TEST

START_TEST(names_invented_by_senders_do_not_pile_up)
{
    for (unsigned i = 0; i < 5000; i++) {
        char body[200];
        snprintf(body, sizeof(body), "<methodCall xmlns:n%u='u%u'><methodName>m</methodName></methodCall>", i,
                 i);
        ck_assert_str_eq(read_call(body, strlen(body)), "m()");
    }
}
END_TEST

/* ---- replies ---- */

static int read_reply(const char *body, struct wire *ret, struct err *e)
{
    return rpc_reply_parse_xml(ctx, body, strlen(body), ret, e);
}

#define REPLY(value) "<methodResponse><params><param>" value "</param></params></methodResponse>"
#define MEMBER(name, value) "<member><name>" name "</name>" value "</member>"

START_TEST(a_success_reply_gives_its_value)
{
    CLEANUP_ERR struct err e = {0};
    struct wire w;
    ck_assert_int_eq(read_reply(REPLY("<value><struct>" MEMBER("Status", "<value>Success</value>")
                                          MEMBER("Value", "<value>Running</value>") "</struct></value>"),
                                &w, &e),
                     0);
    ck_assert_str_eq(w.s, "Running");
    ck_assert_int_eq(read_reply(REPLY("<value><array><data><value>a</value></data></array></value>"), &w, &e),
                     0);
    ck_assert_int_eq(w.kind, WIRE_ARRAY);
}
END_TEST

START_TEST(a_failure_reply_gives_its_error)
{
    CLEANUP_ERR struct err e = {0};
    struct wire w;
    ck_assert_int_eq(read_reply(REPLY("<value><struct>" MEMBER("Status", "<value>Failure</value>") MEMBER(
                                    "ErrorDescription",
                                    "<value><array><data><value>HANDLE_INVALID</value><value>VM</value>"
                                    "<value>x</value></data></array></value>") "</struct></value>"),
                                &w, &e),
                     -1);
    ck_assert_str_eq(e.code, "HANDLE_INVALID");
    ck_assert_uint_eq(e.n_params, 2);
    ck_assert_str_eq(e.params[1], "x");
}
END_TEST

START_TEST(replies_that_are_none_are_errors)
{
    static const char *const bad[] = {
        "",
        "<methodResponse/>",
        "<methodCall><methodName>m</methodName></methodCall>",
        "<html/>",
        "<methodResponse><params></params></methodResponse>",
        REPLY("<value><struct>" MEMBER("Status", "<value>Failure</value>") "</struct></value>"),
        "<methodResponse><fault><value><struct>" MEMBER("faultString",
                                                        "<value>no</value>") "</struct></value></fault>"
                                                                             "</methodResponse>",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CLEANUP_ERR struct err e = {0};
        struct wire w;
        ck_assert_int_eq(read_reply(bad[i], &w, &e), -1);
        ck_assert(err_is(&e, "INTERNAL_ERROR"));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("xml");
    TCase *requests = tcase_create("requests"), *hostile = tcase_create("hostile"),
          *replies = tcase_create("replies");
    tcase_add_checked_fixture(requests, setup, teardown);
    tcase_add_checked_fixture(hostile, setup, teardown);
    tcase_add_checked_fixture(replies, setup, teardown);
    tcase_set_timeout(hostile, TEST_HANG_GUARD_S);
    tcase_add_test(requests, every_scalar_form_is_read);
    tcase_add_test(requests, text_is_unescaped);
    tcase_add_test(requests, composites_are_read);
    tcase_add_test(requests, white_space_between_elements_does_not_matter);
    tcase_add_test(requests, a_call_may_have_no_parameters);
    tcase_add_test(requests, other_encodings_are_converted_or_refused);
    tcase_add_test(requests, a_string_that_is_no_utf8_is_marked_and_the_rest_is_kept);
    tcase_add_test(hostile, numbers_that_are_none_are_refused);
    tcase_add_test(hostile, elements_out_of_place_are_refused);
    tcase_add_test(hostile, nesting_is_bounded);
    tcase_add_test(hostile, the_number_of_values_is_bounded);
    tcase_add_test(hostile, nothing_expands);
    tcase_add_test(hostile, nul_and_control_characters_are_refused);
    tcase_add_test(hostile, a_request_cut_anywhere_is_refused);
    tcase_add_test(hostile, a_request_with_any_byte_changed_is_read_or_refused);
    tcase_add_test(hostile, names_invented_by_senders_do_not_pile_up);
    tcase_add_test(replies, a_success_reply_gives_its_value);
    tcase_add_test(replies, a_failure_reply_gives_its_error);
    tcase_add_test(replies, replies_that_are_none_are_errors);
    suite_add_tcase(s, requests);
    suite_add_tcase(s, hostile);
    suite_add_tcase(s, replies);
    return run_suite(s);
}
