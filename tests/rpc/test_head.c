/* Heads of requests and replies, targets, URLs. */
#include <errno.h>
#include <stdlib.h>
#include "rpc/http_head.h"
#include "rpc/url.h"
#include "tests/in_fiber.h"

static void *ctx;

static void setup(void)
{
    ctx = talloc_new(NULL);
}

static void teardown(void)
{
    talloc_free(ctx);
}

static int parse(const char *text, struct http_head *h)
{
    size_t scanned = 0, n = http_head_find(text, strlen(text), &scanned);
    ck_assert_uint_gt(n, 0);
    return http_head_parse_request(ctx, text, n, h);
}

static int parse_only(const char *text)
{
    struct http_head h;
    return parse(text, &h);
}

#define assert_bad(text) ck_assert_int_eq(parse_only(text), -EBADMSG)

START_TEST(a_head_is_taken_apart)
{
    struct http_head h;
    ck_assert_int_eq(parse("POST /a?b=c HTTP/1.1\r\nHost:  x \r\nX-A:\r\nContent-Length: 12\r\n\r\n", &h), 0);
    ck_assert_str_eq(h.method, "POST");
    ck_assert_str_eq(h.target, "/a?b=c");
    ck_assert(!h.http_1_0 && h.keep_alive && !h.has_transfer_encoding);
    ck_assert_int_eq(h.content_length, 12);
    ck_assert_uint_eq(h.n_headers, 3);
    ck_assert_str_eq(http_head_get(&h, "host"), "x");
    ck_assert_str_eq(http_head_get(&h, "x-a"), "");
    ck_assert_ptr_null(http_head_get(&h, "x-b"));
}
END_TEST

START_TEST(bare_line_feeds_end_lines_too)
{
    struct http_head h;
    ck_assert_int_eq(parse("GET / HTTP/1.0\nA: b\n\nrest", &h), 0);
    ck_assert_uint_eq(h.n_headers, 1);
}
END_TEST

START_TEST(the_connection_is_kept_or_not)
{
    struct http_head h;
    ck_assert_int_eq(parse("GET / HTTP/1.0\r\n\r\n", &h), 0);
    ck_assert(h.http_1_0 && !h.keep_alive && h.content_length == -1);
    ck_assert_int_eq(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &h), 0);
    ck_assert(h.keep_alive);
    ck_assert_int_eq(parse("GET / HTTP/1.1\r\nConnection: Upgrade, Close\r\n\r\n", &h), 0);
    ck_assert(!h.keep_alive);
    ck_assert_int_eq(parse("GET / HTTP/1.1\r\nConnection: closed\r\n\r\n", &h), 0);
    ck_assert(h.keep_alive);
}
END_TEST

START_TEST(lengths_are_digits_and_agree)
{
    struct http_head h;
    assert_bad("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n");
    assert_bad("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n");
    assert_bad("POST / HTTP/1.1\r\nContent-Length: 1 2\r\n\r\n");
    assert_bad("POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n");
    assert_bad("POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n");
    assert_bad("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n");
    assert_bad("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n");
    assert_bad("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
    ck_assert_int_eq(parse("PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", &h), 0);
    ck_assert_int_eq(parse("PUT / HTTP/1.1\r\nContent-Length: 1125899906842624\r\n\r\n", &h), 0);
    ck_assert_int_eq(h.content_length, 1125899906842624);
    ck_assert_int_eq(parse("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", &h), 0);
    ck_assert(h.has_transfer_encoding);
}
END_TEST

START_TEST(what_is_not_a_head_is_refused)
{
    struct http_head h;
    assert_bad("GET\r\n\r\n");
    assert_bad("GET /\r\n\r\n");
    assert_bad("GET  HTTP/1.1\r\n\r\n");
    assert_bad("GE T / HTTP/1.1\r\n\r\n");
    assert_bad("GET / FTP/1.1\r\n\r\n");
    assert_bad("G\xc3\xa4T / HTTP/1.1\r\n\r\n");
    assert_bad("GET /\x01 HTTP/1.1\r\n\r\n");
    assert_bad("GET / HTTP/1.1\r\nno colon\r\n\r\n");
    assert_bad("GET / HTTP/1.1\r\n: empty\r\n\r\n");
    assert_bad("GET / HTTP/1.1\r\nA : b\r\n\r\n");
    assert_bad("GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n");
    assert_bad("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n");
    assert_bad("GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n");
    ck_assert_int_eq(parse("GET / HTTP/2.0\r\n\r\n", &h), -EPROTONOSUPPORT);
    static const char nul[] = "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n";
    ck_assert_int_eq(http_head_parse_request(ctx, nul, sizeof(nul) - 1, &h), -EBADMSG);
}
END_TEST

START_TEST(the_end_is_found_wherever_the_bytes_are_cut)
{
    static const char head[] = "POST / HTTP/1.1\r\nA: b\nC: d\r\n\r\nbody\n\n";
    const size_t length = sizeof(head) - 1 - 6;
    for (size_t step = 1; step < 8; step++) {
        size_t scanned = 0, found = 0;
        for (size_t n = 0; n < sizeof(head) - 1 && found == 0; n += step) {
            found = http_head_find(head, n, &scanned);
            ck_assert(found == 0 || n >= length);
        }
        if (found == 0)
            found = http_head_find(head, sizeof(head) - 1, &scanned);
        ck_assert_uint_eq(found, length);
    }
}
END_TEST

START_TEST(a_head_cut_anywhere_or_changed_is_read_or_refused)
{
    static const char head[] =
        "POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nCookie: a=b\r\n\r\n";
    static const char bytes[] = "\0\r\n: \x7f%?&";
    for (size_t at = 0; at < sizeof(head) - 1; at++) {
        for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
            char *copy = malloc(sizeof(head) - 1);
            struct http_head h;
            struct http_request r = {.mem = ctx};
            memcpy(copy, head, sizeof(head) - 1);
            copy[at] = bytes[i];
            size_t scanned = 0, n = http_head_find(copy, sizeof(head) - 1, &scanned);
            if (n > 0 && http_head_parse_request(ctx, copy, n, &h) == 0)
                http_target_parse(ctx, h.target, &r);
            free(copy);
        }
    }
}
END_TEST

static struct http_request target(const char *text, int expected)
{
    struct http_request r = {.mem = ctx};
    ck_assert_int_eq(http_target_parse(ctx, text, &r), expected);
    return r;
}

START_TEST(targets_are_decoded)
{
    struct http_request r = target("/a%20b+c?session_id=OpaqueRef%3A1&x=a,b&x=c+d&flag&=v&&e=#frag", 0);
    ck_assert_str_eq(r.path, "/a b+c");
    ck_assert_uint_eq(r.n_query, 6);
    ck_assert_str_eq(http_query(&r, "session_id"), "OpaqueRef:1");
    ck_assert_str_eq(http_query(&r, "x"), "a,b");
    ck_assert_str_eq(r.query[2].value, "c d");
    ck_assert_str_eq(http_query(&r, "flag"), "");
    ck_assert_str_eq(http_query(&r, "e"), "");
    ck_assert_ptr_null(http_query(&r, "none"));
    ck_assert_str_eq(target("http://host:80/p?q=1", 0).path, "/p");
    ck_assert_str_eq(target("https://host", 0).path, "/");
    ck_assert_str_eq(target("*", 0).path, "*");
    ck_assert_str_eq(target("/%ff", 0).path, "/\xff");
}
END_TEST

START_TEST(malformed_escapes_are_refused)
{
    target("/%", -EBADMSG);
    target("/%2", -EBADMSG);
    target("/%zz", -EBADMSG);
    target("/%00", -EBADMSG);
    target("/?a=%00", -EBADMSG);
    target("/?%=a", -EBADMSG);
    target("/?a=%4", -EBADMSG);
}
END_TEST

START_TEST(cookies_are_found_and_decoded)
{
    struct http_pair headers[] = {{"cookie", "a=1; session_id=OpaqueRef%3A2 &b=%zz"}, {"cookie", "later=x"}};
    struct http_request r = {.mem = ctx, .n_headers = 2, .headers = headers};
    ck_assert_str_eq(http_cookie(&r, "a"), "1");
    ck_assert_str_eq(http_cookie(&r, "session_id"), "OpaqueRef:2");
    ck_assert_str_eq(http_cookie(&r, "later"), "x");
    ck_assert_ptr_null(http_cookie(&r, "b"));
    ck_assert_ptr_null(http_cookie(&r, "session"));
}
END_TEST

START_TEST(heads_of_replies)
{
    struct http_head h;
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    ck_assert_int_eq(http_head_parse_reply(ctx, ok, sizeof(ok) - 1, &h), 0);
    ck_assert_uint_eq(h.status, 200);
    ck_assert_int_eq(h.content_length, 3);
    static const char *const bad[] = {"HTTP/1.1\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
                                      "HTTP/1.1 2000 OK\r\n\r\n", "ICY 200 OK\r\n\r\n", "200 OK\r\n\r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_lt(http_head_parse_reply(ctx, bad[i], strlen(bad[i]), &h), 0);
}
END_TEST

/* ---- URLs ---- */

START_TEST(urls_have_a_host_a_port_and_a_path)
{
    struct url u;

    ck_assert(url_parse(ctx, "https://127.0.0.11:8443/console?uuid=x", &u));
    ck_assert(u.tls);
    ck_assert_str_eq(u.host, "127.0.0.11");
    ck_assert_uint_eq(u.port, 8443);
    ck_assert_str_eq(u.target, "/console?uuid=x");
    ck_assert(url_parse(ctx, "http://[::1]?a=b", &u));
    ck_assert(!u.tls);
    ck_assert_str_eq(u.host, "::1");
    ck_assert_uint_eq(u.port, 80);
    ck_assert_str_eq(u.target, "/?a=b");
    ck_assert(url_parse(ctx, "https://h", &u) && u.port == 443 && strcmp(u.target, "/") == 0);
    ck_assert(!u.credentials);
    ck_assert(url_parse(ctx, "http://me:p%40ss@[::2]:8080/x?y#z", &u));
    ck_assert_str_eq(u.credentials, "me:p@ss");
    ck_assert_str_eq(u.host, "::2");
    ck_assert_str_eq(u.target, "/x?y");
}
END_TEST

START_TEST(redirections_lead_from_a_url_to_another)
{
    static const char *const ways[][2] = {{"http://other/y", "http://other/y"},
                                          {"//other/y", "https://other/y"},
                                          {"/y?u=http://v", "https://[::1]:44/y?u=http://v"},
                                          {"y", "https://[::1]:44/a/y"},
                                          {"ftp://x", NULL},
                                          {"javascript:x", NULL},
                                          {"", NULL}};
    struct url u;

    ck_assert(url_parse(ctx, "https://[::1]:44/a/b?c=/d", &u));
    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        const char *to = url_resolve(ctx, &u, ways[i][0]);
        ck_assert_pstr_eq(to, ways[i][1]);
    }
}
END_TEST

START_TEST(other_urls_are_refused)
{
    static const char *const bad[] = {"",
                                      "ftp://h/",
                                      "https://",
                                      "https:///x",
                                      "https://h:/x",
                                      "https://h:0/",
                                      "https://h:65536/",
                                      "https://h:99999999999/",
                                      "https://[::1/x",
                                      "https://[::1]x/",
                                      "http://h /",
                                      "http://h/a b",
                                      "http://h/\r\nX: y",
                                      "http://a%zz@h/",
                                      "http://a@b@h/",
                                      "https://h:12a/"};
    struct url u;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!url_parse(ctx, bad[i], &u), "%s", bad[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("head");
    TCase *t = tcase_create("head");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, a_head_is_taken_apart);
    tcase_add_test(t, bare_line_feeds_end_lines_too);
    tcase_add_test(t, the_connection_is_kept_or_not);
    tcase_add_test(t, lengths_are_digits_and_agree);
    tcase_add_test(t, what_is_not_a_head_is_refused);
    tcase_add_test(t, the_end_is_found_wherever_the_bytes_are_cut);
    tcase_add_test(t, a_head_cut_anywhere_or_changed_is_read_or_refused);
    tcase_add_test(t, targets_are_decoded);
    tcase_add_test(t, malformed_escapes_are_refused);
    tcase_add_test(t, cookies_are_found_and_decoded);
    tcase_add_test(t, heads_of_replies);
    tcase_add_test(t, urls_have_a_host_a_port_and_a_path);
    tcase_add_test(t, other_urls_are_refused);
    tcase_add_test(t, redirections_lead_from_a_url_to_another);
    suite_add_tcase(s, t);
    return run_suite(s);
}
