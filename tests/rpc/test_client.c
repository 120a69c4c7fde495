/* The client, against our own server and against scripted ones that do not behave. */
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <talloc.h>
#include "lib/clock.h"
#include "rpc/client.h"
#include "rpc/encode.h"
#include "rpc/http.h"
#include "rpc/request.h"
#include "rpc/tls.h"
#include "tests/in_fiber.h"

#define ADDRESS "127.0.24.3"

static char dir[] = "/tmp/xapid-client.XXXXXX";
static char pem[64], socket_path[64];
static void *ctx;
static struct err error;

/* ---- our server ---- */

static struct http_server *server;
static struct tls_server *tls;
static uint16_t tls_port, plain_port;

static bool rpc_now(struct http_request *q, struct http_reply *reply, void *arg)
{
    struct rpc_request r;
    const char *reason;
    struct enc e = {.out = &reply->body, .format = ENC_XML};
    ck_assert_int_eq(rpc_request_parse_xml(q->mem, q->body, q->body_len, &r, &reason), 0);
    ck_assert_str_eq(http_header(q, "content-type"), "text/xml");
    ck_assert_str_eq(http_header(q, "user-agent"), "test/1");
    if (strcmp(r.method, "fail") == 0) {
        CLEANUP_ERR struct err failure = {0};
        err_set(&failure, "HANDLE_INVALID", 2, "VM", "x");
        enc_reply_failure(&e, &r, &failure);
        return true;
    }
    enc_reply_begin(&e, &r);
    enc_array_begin(&e);
    for (uint32_t i = 0; i < r.n_params; i++)
        enc_wire(&e, &r.params[i]);
    enc_array_end(&e);
    enc_reply_end(&e, &r);
    return true;
}

static void co_big(struct http_request *q, struct http_reply *reply, void *arg)
{
    memset(buf_reserve(&reply->body, 3000000), 'b', 3000000);
    reply->body.len = 3000000;
}

static bool echo_now(struct http_request *q, struct http_reply *reply, void *arg)
{
    buf_add(&reply->body, q->body, q->body_len);
    return true;
}

static void co_raw_echo(struct http_request *q, struct http_stream *s, void *arg)
{
    char bytes[500];
    ssize_t n;
    co_stream_write(s, "HTTP/1.1 200 OK\r\n\r\nhello", 24, CLOCK_NEVER);
    while ((n = co_stream_read(s, bytes, sizeof(bytes), CLOCK_NEVER)) > 0)
        co_stream_write(s, bytes, (size_t)n, CLOCK_NEVER);
}

static const struct http_route routes[] = {
    {"POST", "/RPC2", .now = rpc_now},
    {"GET", "/big", .co_handle = co_big},
    {"PUT", "/echo", .now = echo_now},
    {"POST", "/echo", .now = echo_now},
    {"CONNECT", "/console", .co_raw = co_raw_echo},
    {NULL},
};

static void server_start(void)
{
    server = http_server_new(routes, NULL, NULL);
    ck_assert_int_eq(tls_server_open(dir, "test-host", ADDRESS, &tls, &error), 0);
    ck_assert_int_eq(http_server_listen_tcp(server, ADDRESS, 0, tls, &tls_port, &error), 0);
    ck_assert_int_eq(http_server_listen_tcp(server, ADDRESS, 0, NULL, &plain_port, &error), 0);
    ck_assert_int_eq(http_server_listen_unix(server, socket_path, &error), 0);
}

static void co_server_stop(void)
{
    co_http_server_stop(server, clock_in_ms(60000));
    http_server_free(server);
    tls_server_free(tls);
}

/* ---- scripted servers ---- */

/* One entry a connection: what is sent after each request on it, ended by NULL; then it is closed. A NULL
 * answer in the first place: closed without any. */
struct script {
    const char *answers[4];
};

static struct scripted {
    int fd;
    uint16_t port;
    const struct script *scripts;
    unsigned connections, requests;
} scripted;

static bool co_read_request(int fd)
{
    char bytes[2048] = "";
    size_t n = 0;
    while (strstr(bytes, "\r\n\r\n") == NULL) {
        co_wait_fd(fd, EV_READ, CLOCK_NEVER, "a request");
        ssize_t r = recv(fd, bytes + n, sizeof(bytes) - n - 1, MSG_DONTWAIT);
        if (r <= 0)
            return false;
        n += (size_t)r;
        bytes[n] = '\0';
    }
    return true;
}

static void co_scripted(void *arg)
{
    for (const struct script *s = scripted.scripts; s->answers[0] != NULL; s++) {
        if (co_wait_fd(scripted.fd, EV_READ, CLOCK_NEVER, "a connection") < 0)
            break;
        CLEANUP_FD int fd = accept(scripted.fd, NULL, NULL);
        scripted.connections++;
        for (unsigned i = 0; s->answers[i] != NULL && co_read_request(fd); i++) {
            scripted.requests++;
            if (send(fd, s->answers[i], strlen(s->answers[i]), MSG_NOSIGNAL) < 0)
                break; /* the client had enough */
        }
    }
    close(scripted.fd);
}

static struct fiber *script_start(const struct script *scripts)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof(a);
    inet_pton(AF_INET, ADDRESS, &a.sin_addr);
    scripted = (struct scripted){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .scripts = scripts};
    ck_assert_int_eq(bind(scripted.fd, (struct sockaddr *)&a, size), 0);
    ck_assert_int_eq(listen(scripted.fd, 5), 0);
    getsockname(scripted.fd, (struct sockaddr *)&a, &size);
    scripted.port = ntohs(a.sin_port);
    return fiber_ref(fiber_spawn("scripted", co_scripted, NULL));
}

static void co_script_end(struct fiber *f)
{
    fiber_cancel(f);
    co_fiber_join(f, CLOCK_NEVER);
    fiber_unref(f);
}

static struct rpc_client *scripted_client(void)
{
    struct rpc_client_options o = {.host = ADDRESS, .port = scripted.port};
    return rpc_client_new(&o);
}

/* The reply's body, or the error's text in brackets. */
static const char *co_get(struct rpc_client *c, const char *target)
{
    CLEANUP_BUF struct buf body = {0};
    unsigned status = 0;
    err_clear(&error);
    if (co_http_exchange(c, "GET", target, NULL, NULL, 0, 100, &status, &body, &error) < 0)
        return talloc_asprintf(ctx, "[%s]", error.params[0]);
    return talloc_asprintf(ctx, "%u %s", status, buf_cstr(&body));
}

#define assert_get(c, expected) ck_assert_str_eq(co_get(c, "/"), expected)
#define assert_get_fails(c, reason)                                                \
    do {                                                                           \
        const char *got_ = co_get(c, "/");                                         \
        ck_assert_msg(got_[0] == '[' && strstr(got_, reason) != NULL, "%s", got_); \
    } while (0)

/* ---- tests: our server ---- */

static struct rpc_client_options options_for(const char *kind)
{
    struct rpc_client_options o = {.host = ADDRESS, .user_agent = "test/1"};
    if (strcmp(kind, "unix") == 0)
        o.unix_path = socket_path;
    o.tls = strcmp(kind, "tls") == 0;
    o.port = o.tls ? tls_port : plain_port;
    return o;
}

static void co_calls(void *arg)
{
    static const char *const kinds[] = {"tls", "plain", "unix"};
    server_start();
    for (int i = 0; i < 3; i++) {
        struct rpc_client_options o = options_for(kinds[i]);
        struct rpc_client *c = rpc_client_new(&o);
        struct wire params[] = {wire_string("a<\xc3\xa4"), wire_int(-7), wire_bool(true), wire_double(0.5)},
                    result;
        int number = -1;
        for (int round = 0; round < 3; round++) {
            ck_assert_int_eq(co_rpc_call(c, ctx, "echo", params, 4, &result, &number, &error), 0);
            ck_assert_int_eq(number, 0);
            ck_assert_uint_eq(result.n, 4);
            ck_assert_str_eq(result.items[0].s, "a<\xc3\xa4");
            ck_assert_str_eq(result.items[1].s, "-7");
            ck_assert_int_eq(result.items[2].i, 1);
            ck_assert_double_eq(result.items[3].f, 0.5);
            ck_assert_int_eq(co_rpc_call(c, ctx, "fail", NULL, 0, &result, &number, &error), -1);
            ck_assert_str_eq(error.code, "HANDLE_INVALID");
            ck_assert_int_eq(number, 0);
            err_clear(&error);
        }
        rpc_client_free(c);
    }
    co_server_stop();
}

START_TEST(calls_over_tls_plain_and_unix)
{
    run_in_fiber(co_calls, NULL);
}
END_TEST

static void co_bodies(void *arg)
{
    server_start();
    struct rpc_client_options o = options_for("tls");
    struct rpc_client *c = rpc_client_new(&o);
    CLEANUP_BUF struct buf sent = {0};
    CLEANUP_BUF struct buf got = {0};
    unsigned status;
    for (unsigned i = 0; i < 500000; i++)
        buf_printf(&sent, "%u,", i);
    ck_assert_int_eq(
        co_http_exchange(c, "PUT", "/echo", NULL, sent.data, sent.len, sent.len, &status, &got, &error), 0);
    ck_assert_uint_eq(got.len, sent.len);
    ck_assert_mem_eq(got.data, sent.data, sent.len);
    buf_reset(&got);
    ck_assert_int_eq(co_http_exchange(c, "GET", "/big", NULL, NULL, 0, 2999999, &status, &got, &error), -1);
    ck_assert_ptr_nonnull(strstr(error.params[0], "Message too long"));
    err_clear(&error);
    buf_reset(&got);
    ck_assert_int_eq(co_http_exchange(c, "GET", "/big", NULL, NULL, 0, 3000000, &status, &got, &error), 0);
    ck_assert_uint_eq(got.len, 3000000);
    buf_reset(&got);
    ck_assert_int_eq(co_http_exchange(c, "GET", "/none", NULL, NULL, 0, 1000, &status, &got, &error), 0);
    ck_assert_uint_eq(status, 403);
    rpc_client_free(c);
    co_server_stop();
}

START_TEST(large_bodies_and_bounds)
{
    run_in_fiber(co_bodies, NULL);
}
END_TEST

static void co_streams(void *arg)
{
    static const char *const kinds[] = {"tls", "plain", "unix"};
    server_start();
    for (int i = 0; i < 3; i++) {
        struct rpc_client_options o = options_for(kinds[i]);
        struct rpc_client *c = rpc_client_new(&o);
        struct client_stream *s;
        unsigned status;
        char bytes[64];
        size_t n = 0;
        ck_assert_int_eq(
            co_client_stream_open(c, "CONNECT", "/console?ref=1", "cookie: a=b\r\n", &s, &status, &error), 0);
        ck_assert_uint_eq(status, 200);
        ck_assert_int_ge(client_stream_fd(s), 0);
        ck_assert_int_eq(co_client_stream_write(s, "bytes", 5, CLOCK_NEVER), 0);
        while (n < 10) {
            ssize_t r = co_client_stream_read(s, bytes + n, 3, CLOCK_NEVER);
            ck_assert_int_gt(r, 0);
            n += (size_t)r;
        }
        ck_assert_mem_eq(bytes, "hellobytes", 10);
        ck_assert_int_eq(co_client_stream_read(s, bytes, 3, clock_in_ms(20)), -ETIMEDOUT);
        client_stream_close(s);
        ck_assert_int_eq(co_client_stream_open(c, "CONNECT", "/none", NULL, &s, &status, &error), 0);
        ck_assert_uint_eq(status, 403);
        client_stream_close(s);
        rpc_client_free(c);
    }
    co_server_stop();
}

START_TEST(streams_over_tls_plain_and_unix)
{
    run_in_fiber(co_streams, NULL);
}
END_TEST

static void co_verify(void *arg)
{
    server_start();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    struct rpc_client_options o = options_for("tls");
    unsigned status;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    o.tls_context = context;
    struct rpc_client *c = rpc_client_new(&o);
    CLEANUP_BUF struct buf body = {0};
    ck_assert_int_eq(co_http_exchange(c, "POST", "/echo", NULL, "x", 1, 10, &status, &body, &error), -1);
    ck_assert_ptr_nonnull(strstr(error.params[0], "is not believed"));
    err_clear(&error);
    ck_assert_int_eq(SSL_CTX_load_verify_locations(context, pem, NULL), 1);
    ck_assert_int_eq(co_http_exchange(c, "POST", "/echo", NULL, "x", 1, 10, &status, &body, &error), 0);
    rpc_client_free(c);
    /* The right certificate, but not of the host that was asked for. */
    uint16_t port;
    ck_assert_int_eq(http_server_listen_tcp(server, "127.0.24.4", 0, tls, &port, &error), 0);
    o.host = "127.0.24.4";
    o.port = port;
    c = rpc_client_new(&o);
    ck_assert_int_eq(co_http_exchange(c, "POST", "/echo", NULL, "x", 1, 10, &status, &body, &error), -1);
    err_clear(&error);
    rpc_client_free(c);
    SSL_CTX_free(context);
    co_server_stop();
}

START_TEST(a_verifying_context_checks_certificate_and_name)
{
    run_in_fiber(co_verify, NULL);
}
END_TEST

static void co_no_contact(void *arg)
{
    struct rpc_client_options o = {.host = ADDRESS, .port = 1};
    struct wire result;
    int number = 0;
    struct rpc_client *c = rpc_client_new(&o);
    ck_assert_int_eq(co_rpc_call(c, ctx, "m", NULL, 0, &result, &number, &error), -1);
    ck_assert_int_eq(number, ECONNREFUSED);
    ck_assert_str_eq(error.code, "INTERNAL_ERROR");
    ck_assert_str_eq(error.params[0], "cannot contact " ADDRESS " port 1: Connection refused");
    err_clear(&error);
    rpc_client_free(c);
    o.unix_path = "/nonexistent/socket";
    c = rpc_client_new(&o);
    ck_assert_int_eq(co_rpc_call(c, ctx, "m", NULL, 0, &result, &number, &error), -1);
    ck_assert_int_eq(number, ENOENT);
    err_clear(&error);
    rpc_client_free(c);
    o = (struct rpc_client_options){.host = "no such host", .port = 1};
    c = rpc_client_new(&o);
    ck_assert_int_eq(co_rpc_call(c, ctx, "m", NULL, 0, &result, &number, &error), -1);
    ck_assert_int_ne(number, 0);
    rpc_client_free(c);
}

START_TEST(no_contact_is_told_with_its_errno)
{
    run_in_fiber(co_no_contact, NULL);
}
END_TEST

/* A server that takes nothing: nobody accepts, and there is room for a few MB only. */
static void co_be_ignored(void *arg)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof(a);
    CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static const char piece[65536];
    struct client_stream *s;
    int64_t late = clock_in_ms(15000);
    int r = 0;
    inet_pton(AF_INET, ADDRESS, &a.sin_addr);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, size), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    getsockname(fd, (struct sockaddr *)&a, &size);
    struct rpc_client_options o = {.host = ADDRESS, .port = ntohs(a.sin_port), .dead_after_ms = 100};
    struct rpc_client *c = rpc_client_new(&o);
    ck_assert_int_eq(co_client_stream_begin(c, "x", 1, &s, &error), 0);
    for (unsigned i = 0; i < 10000 && r == 0; i++)
        r = co_client_stream_write(s, piece, sizeof piece, clock_in_ms(20000));
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_int_lt(clock_now(), late); /* by its limit, not by the write's */
    client_stream_close(s);
    rpc_client_free(c);
}

START_TEST(a_host_that_confirms_nothing_is_dead)
{
    run_in_fiber(co_be_ignored, NULL);
}
END_TEST

/* ---- tests: scripted servers ---- */

#define OK(body) "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" body

static void co_keep(void *arg)
{
    static const struct script scripts[] = {{{OK("aa"), OK("bb"), NULL}}, {{OK("cc"), NULL}}, {{NULL}}};
    struct fiber *f = script_start(scripts);
    struct rpc_client *c = scripted_client();
    assert_get(c, "200 aa");
    assert_get(c, "200 bb");
    ck_assert_uint_eq(scripted.connections, 1);
    assert_get(c, "200 cc");
    ck_assert_uint_eq(scripted.connections, 2);
    rpc_client_free(c);
    co_script_end(f);
}

START_TEST(connections_are_kept_and_made_again_when_closed)
{
    run_in_fiber(co_keep, NULL);
}
END_TEST

static void co_repeat(void *arg)
{
    /* An empty answer: the connection ends after the request was read, before any byte of a reply. */
    static const struct script scripts[] = {
        {{OK("aa"), "", NULL}}, {{OK("bb"), "", NULL}}, {{"", NULL}}, {{NULL}}};
    struct fiber *f = script_start(scripts);
    struct rpc_client *c = scripted_client();
    assert_get(c, "200 aa");
    assert_get(c, "200 bb");
    ck_assert_uint_eq(scripted.requests, 3);
    assert_get_fails(c, "reset");
    ck_assert_uint_eq(scripted.requests, 5);
    rpc_client_free(c);
    co_script_end(f);
}

START_TEST(a_request_is_repeated_once_when_a_kept_connection_had_ended)
{
    run_in_fiber(co_repeat, NULL);
}
END_TEST

static void co_half_reply(void *arg)
{
    static const struct script scripts[] = {
        {{OK("aa"), "HTTP/1.1 200 OK\r\nContent-Le", NULL}}, {{OK("no"), NULL}}, {{NULL}}};
    struct fiber *f = script_start(scripts);
    struct rpc_client *c = scripted_client();
    assert_get(c, "200 aa");
    assert_get_fails(c, "reset");
    ck_assert_uint_eq(scripted.requests, 2);
    rpc_client_free(c);
    co_script_end(f);
}

START_TEST(a_request_is_not_repeated_once_a_reply_began)
{
    run_in_fiber(co_half_reply, NULL);
}
END_TEST

static void co_shapes(void *arg)
{
    static const struct script scripts[] = {
        {{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\naa", NULL}},
        {{"HTTP/1.0 200 OK\r\n\r\nuntil the end", NULL}},
        {{"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", NULL}},
        {{"HTTP/1.1 204 No Content\r\n\r\n", NULL}},
        {{NULL}},
    };
    static const char *const expected[] = {"200 aa", "200 until the end", "302 ", "204 "};
    struct fiber *f = script_start(scripts);
    for (int i = 0; i < 4; i++) {
        struct rpc_client *c = scripted_client();
        assert_get(c, expected[i]);
        rpc_client_free(c);
    }
    co_script_end(f);
}

START_TEST(replies_of_other_shapes_are_read)
{
    run_in_fiber(co_shapes, NULL);
}
END_TEST

static void co_bad(void *arg)
{
    static char huge[100000];
    memset(huge, 'x', sizeof(huge) - 1);
    memcpy(huge, "HTTP/1.1 200 OK\r\nX: ", 20);
    const struct script scripts[] = {
        {{"SSH-2.0-OpenSSH\r\n\r\n", NULL}},
        {{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", NULL}},
        {{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", NULL}},
        {{"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", NULL}},
        {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NULL}},
        {{huge, NULL}},
        {{"HTTP/1.1 200 "
          "OK\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
          "2345678901234567890123456789",
          NULL}},
        {{NULL}},
    };
    struct fiber *f = script_start(scripts);
    for (int i = 0; i < 7; i++) {
        struct rpc_client *c = scripted_client();
        assert_get_fails(c, "cannot contact");
        rpc_client_free(c);
    }
    co_script_end(f);
}

START_TEST(malformed_and_boundless_replies_are_errors)
{
    run_in_fiber(co_bad, NULL);
}
END_TEST

static void co_get_for_ever(void *arg)
{
    assert_get_fails(arg, "cancel");
}

static void co_patience(void *arg)
{
    struct rpc_client_options o = {.host = ADDRESS, .reply_timeout_ms = 30};
    struct fiber *f = script_start(
        (const struct script[]){{{"HTTP/1.1 200", "", NULL}}, {{"HTTP/1.1 200", "", NULL}}, {{NULL}}});
    o.port = scripted.port;
    struct rpc_client *c = rpc_client_new(&o);
    assert_get_fails(c, "timed out");
    rpc_client_free(c);
    c = scripted_client();
    struct fiber *waiting = fiber_ref(fiber_spawn("waiting", co_get_for_ever, c));
    while (scripted.requests < 2)
        ck_assert_int_eq(co_yield(), 0);
    fiber_cancel(waiting);
    ck_assert_int_eq(co_fiber_join(waiting, CLOCK_NEVER), 0);
    fiber_unref(waiting);
    rpc_client_free(c);
    co_script_end(f);
}

START_TEST(waiting_ends_with_the_time_allowed_or_with_cancellation)
{
    run_in_fiber(co_patience, NULL);
}
END_TEST

/* ---- */

static void setup(void)
{
    ctx = talloc_new(NULL);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(pem, sizeof(pem), "%s/server.pem", dir);
    snprintf(socket_path, sizeof(socket_path), "%s/socket", dir);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void teardown(void)
{
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
    err_clear(&error);
    talloc_free(ctx);
}

int main(void)
{
    Suite *s = suite_create("client");
    TCase *t = tcase_create("client");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, calls_over_tls_plain_and_unix);
    tcase_add_test(t, large_bodies_and_bounds);
    tcase_add_test(t, streams_over_tls_plain_and_unix);
    tcase_add_test(t, a_verifying_context_checks_certificate_and_name);
    tcase_add_test(t, no_contact_is_told_with_its_errno);
    tcase_add_test(t, connections_are_kept_and_made_again_when_closed);
    tcase_add_test(t, a_request_is_repeated_once_when_a_kept_connection_had_ended);
    tcase_add_test(t, a_request_is_not_repeated_once_a_reply_began);
    tcase_add_test(t, a_host_that_confirms_nothing_is_dead);
    tcase_add_test(t, replies_of_other_shapes_are_read);
    tcase_add_test(t, malformed_and_boundless_replies_are_errors);
    tcase_add_test(t, waiting_ends_with_the_time_allowed_or_with_cancellation);
    suite_add_tcase(s, t);
    return run_suite(s);
}
