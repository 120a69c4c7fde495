/* Hosts of a pool on the port of ordinary clients: who is let in, and as whom. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/clock.h"
#include "pool/peer.h"
#include "rpc/client_connect.h"
#include "tests/in_fiber.h"

#define POOL "11111111-2222-4333-8444-555555555555"
#define OTHER_POOL "99999999-2222-4333-8444-555555555555"
#define SERVER "aaaaaaaa-2222-4333-8444-555555555555"
#define MEMBER "bbbbbbbb-2222-4333-8444-555555555555"
#define ADDRESS "127.0.24.9"

static char dir[64];
static struct err error;

/* ---- a pool of two hosts, a stranger, and the server of one of the hosts ---- */

static struct authority *own, *member, *stranger;
static struct peer_pool server_pool, client_pool;
static struct http_server *server;
static struct tls_server *tls;
static uint16_t port;
static int64_t server_heard, client_heard;
static char heard_from[UUID_TEXT_SIZE];
static bool server_follows;

static const char *folder(const char *name)
{
    static char path[3][100];
    static unsigned n;
    char *p = path[n++ % 3];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    ck_assert_int_eq(access(p, F_OK) == 0 || mkdir(p, 0700) == 0, 1);
    return p;
}

static struct authority *open_at(const char *name, const char *pool, const char *host)
{
    struct authority *a = NULL;
    ck_assert_int_eq(authority_open(folder(name), pool, host, &a, &error), 0);
    return a;
}

static void join(void)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct authority_files f = authority_export(own);
    char *key, *request, *cert;

    ck_assert_int_eq(authority_request(mem, POOL, MEMBER, &key, &request, &error), 0);
    ck_assert_int_eq(authority_sign(own, mem, request, MEMBER, &cert, &error), 0);
    f.key = key;
    f.cert = cert;
    ck_assert_int_eq(authority_install(folder("member"), POOL, MEMBER, &f, NULL, &error), 0);
    member = open_at("member", POOL, MEMBER);
}

static bool on_server_newer(struct peer_pool *p, int64_t term, const char *host_uuid)
{
    server_heard = term;
    snprintf(heard_from, sizeof heard_from, "%s", host_uuid);
    if (server_follows)
        p->term = term;
    return server_follows;
}

static bool on_client_newer(struct peer_pool *p, int64_t term, const char *host_uuid)
{
    client_heard = term;
    snprintf(heard_from, sizeof heard_from, "%s", host_uuid);
    return false;
}

static bool who_now(struct http_request *r, struct http_reply *reply, void *arg)
{
    const char *host = peer_identify(r);
    buf_add_str(&reply->body, host ? host : "nobody");
    return true;
}

static bool checked_now(struct http_request *r, struct http_reply *reply, void *arg)
{
    const char *host = peer_check(&server_pool, r, reply);
    if (host)
        buf_add_str(&reply->body, host);
    return true;
}

static void co_stream(struct http_request *r, struct http_stream *s, void *arg)
{
    if (co_peer_check_stream(&server_pool, r, s))
        co_stream_write(s, "HTTP/1.1 200 OK\r\n\r\nhello", 24, CLOCK_NEVER);
}

static const struct http_route routes[] = {
    {"GET", "/who", .now = who_now},
    {"POST", "/checked", .now = checked_now},
    {"CONNECT", "/stream", .co_raw = co_stream},
    {NULL},
};

static void set_up(void)
{
    strcpy(dir, "/tmp/xapid-peer.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    own = open_at("own", POOL, SERVER);
    stranger = open_at("stranger", POOL, MEMBER);
    join();
    server_pool = (struct peer_pool){.uuid = POOL, .term = 5, .newer = on_server_newer};
    client_pool = (struct peer_pool){.uuid = POOL, .term = 5, .newer = on_client_newer};
    server = http_server_new(routes, NULL, NULL);
    ck_assert_int_eq(tls_server_open(folder("tls"), "test-host", ADDRESS, &tls, &error), 0);
    peer_serve(tls, own);
    ck_assert_int_eq(http_server_listen_tcp(server, ADDRESS, 0, tls, &port, &error), 0);
}

static void tear_down(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
    http_server_free(server);
    tls_server_free(tls);
    authority_free(own);
    authority_free(member);
    authority_free(stranger);
    err_clear(&error);
}

static void co_run(void *arg)
{
    ((void (*)(void))(uintptr_t)arg)();
    co_http_server_stop(server, clock_in_ms(60000));
}

static void in_fiber(void (*co_test)(void))
{
    run_in_fiber(co_run, (void *)(uintptr_t)co_test);
}

/* ---- calls ---- */

/* The body of the reply, or "" when there was no contact (then error is set). */
static const char *co_ask(struct rpc_client *c, const char *method, const char *path, unsigned *ret_status)
{
    static struct buf body;
    buf_reset(&body);
    err_clear(&error);
    *ret_status = 0;
    (void)co_http_exchange(c, method, path, NULL, NULL, 0, 1000, ret_status, &body, &error);
    return buf_cstr(&body);
}

static void co_ck_answer(struct rpc_client *c, const char *method, const char *path, unsigned status,
                         const char *answer)
{
    unsigned got;
    const char *body = co_ask(c, method, path, &got);
    ck_assert_uint_eq(got, status);
    ck_assert_str_eq(body, answer);
}

static void co_ck_no_contact(struct rpc_client *c)
{
    unsigned status;
    co_ask(c, "GET", "/who", &status);
    ck_assert(err_is_set(&error));
    rpc_client_free(c);
}

static struct rpc_client *client(const struct authority *a, const char *host)
{
    return peer_client_new(a, &client_pool, ADDRESS, port, host);
}

/* ---- who is let in ---- */

static void co_known(void)
{
    struct rpc_client *c = client(member, SERVER), *any = client(member, NULL), *self = client(own, SERVER);

    co_ck_answer(c, "GET", "/who", 200, MEMBER);
    co_ck_answer(c, "POST", "/checked", 200, MEMBER);
    co_ck_answer(any, "GET", "/who", 200, MEMBER);
    co_ck_answer(self, "POST", "/checked", 200, SERVER);
    /* The ordinary certificate may change meanwhile. */
    ck_assert_int_eq(tls_server_reload(tls, &error), 0);
    rpc_client_free(any);
    any = client(member, NULL);
    co_ck_answer(any, "POST", "/checked", 200, MEMBER);
    rpc_client_free(any);
    rpc_client_free(c);
    rpc_client_free(self);
}
START_TEST(a_host_of_the_pool_is_known_by_its_certificate)
{
    in_fiber(co_known);
}
END_TEST

static void co_strangers(void)
{
    SSL_CTX *nobody = SSL_CTX_new(TLS_client_method());
    struct rpc_client_options o = {
        .host = ADDRESS, .port = port, .tls = true, .tls_context = nobody, .server_name = PEER_SERVER_NAME};

    co_ck_no_contact(client(stranger, NULL)); /* of the same names, but from another authority */
    co_ck_no_contact(client(member, MEMBER)); /* it is somebody else who answers */
    co_ck_no_contact(rpc_client_new(&o));     /* shows no certificate */
    SSL_CTX_set_max_proto_version(nobody, TLS1_2_VERSION);
    co_ck_no_contact(rpc_client_new(&o));
    /* One that trusts nothing but shows a stranger's certificate. */
    SSL_CTX_set_verify(authority_client_context(stranger), SSL_VERIFY_NONE, NULL);
    co_ck_no_contact(client(stranger, NULL));
    SSL_CTX_free(nobody);
}
START_TEST(nobody_else_is_let_in_by_that_name)
{
    in_fiber(co_strangers);
}
END_TEST

static int on_asked(SSL *ssl, X509 **ret_cert, EVP_PKEY **ret_key)
{
    ck_abort_msg("an ordinary client was asked for a certificate");
    return 0;
}

static void co_ordinary(void)
{
    static const char *const names[] = {NULL, "peer.xapid.example", "peer.xapi", "localhost"};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_client_cert_cb(context, on_asked);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        struct rpc_client_options o = {
            .host = ADDRESS, .port = port, .tls = true, .tls_context = context, .server_name = names[i]};
        struct rpc_client *c = rpc_client_new(&o);
        co_ck_answer(c, "GET", "/who", 200, "nobody");
        co_ck_answer(c, "POST", "/checked", 403, "no-peer\n");
        rpc_client_free(c);
    }
    SSL_CTX_free(context);
}
START_TEST(ordinary_clients_are_not_asked_and_are_no_peers)
{
    in_fiber(co_ordinary);
}
END_TEST

/* One connection by hand: a session may be given; the one it leaves is returned. */
static SSL_SESSION *co_visit(SSL_CTX *context, const char *name, SSL_SESSION *session, bool *ret_served,
                             bool *ret_reused)
{
    static const char ask[] = "GET /who HTTP/1.1\r\nhost: x\r\n\r\n";
    struct rpc_client_options o = {
        .host = ADDRESS, .port = port, .tls = true, .tls_context = context, .server_name = name};
    struct transport t;
    const char *distrust;
    char bytes[2000];

    *ret_served = *ret_reused = false;
    if (co_client_connect(&o, session, clock_in_ms(10000), &t, &distrust) < 0)
        return NULL;
    *ret_reused = SSL_session_reused(t.ssl);
    if (co_transport_write(&t, ask, sizeof ask - 1, clock_in_ms(10000)) == 0)
        *ret_served = co_transport_read(&t, bytes, sizeof bytes, clock_in_ms(10000)) > 0;
    SSL_SESSION *left = SSL_get1_session(t.ssl);
    transport_end_output(&t); /* else OpenSSL takes the session for a bad one */
    transport_close(&t);
    return left;
}

static void co_resume(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    bool served, reused;
    SSL_SESSION *first = co_visit(context, NULL, NULL, &served, &reused);

    ck_assert(served && !reused && SSL_SESSION_is_resumable(first));
    SSL_SESSION *second = co_visit(context, NULL, first, &served, &reused);
    ck_assert(served && reused);
    SSL_SESSION *third = co_visit(context, PEER_SERVER_NAME, second, &served, &reused);
    ck_assert(!served && !reused);
    SSL_SESSION *fourth =
        co_visit(authority_client_context(member), PEER_SERVER_NAME, NULL, &served, &reused);
    ck_assert(served && !SSL_SESSION_is_resumable(fourth));
    SSL_SESSION_free(first);
    SSL_SESSION_free(second);
    SSL_SESSION_free(third);
    SSL_SESSION_free(fourth);
    SSL_CTX_free(context);
}
START_TEST(the_session_of_an_ordinary_client_is_no_way_in)
{
    in_fiber(co_resume);
}
END_TEST

/* ---- pools and terms ---- */

static void co_ck_refusal(struct rpc_client *c, const char *why)
{
    struct buf body = {0};
    unsigned status;

    buf_add_str(&body, co_ask(c, "POST", "/checked", &status));
    ck_assert_uint_eq(status, 403);
    ck_assert_int_lt(peer_check_reply(&client_pool, SERVER, status, &body, &error), 0);
    ck_assert_ptr_nonnull(strstr(error.params[0], why));
    buf_free(&body);
}

static void co_terms(void)
{
    struct rpc_client *c = client(member, SERVER);

    client_pool.term = 4;
    co_ck_refusal(c, "old-term 5");
    ck_assert_int_eq(client_heard, 5);
    ck_assert_str_eq(heard_from, SERVER);
    ck_assert_int_eq(server_heard, 0);
    client_pool.term = 6;
    co_ck_refusal(c, "behind");
    ck_assert_int_eq(server_heard, 6);
    ck_assert_str_eq(heard_from, MEMBER);
    server_follows = true;
    co_ck_answer(c, "POST", "/checked", 200, MEMBER);
    ck_assert_int_eq(server_pool.term, 6);
    rpc_client_free(c);
}
START_TEST(who_is_out_of_date_learns_it)
{
    in_fiber(co_terms);
}
END_TEST

static void co_pools(void)
{
    struct rpc_client *c = client(member, SERVER);

    co_ck_answer(c, "POST", "/checked", 200, MEMBER);
    strcpy(client_pool.uuid, OTHER_POOL);
    co_ck_refusal(c, "other-pool");
    /* The server has gone to another pool; the connection is from before. */
    strcpy(server_pool.uuid, OTHER_POOL);
    co_ck_refusal(c, "no-peer");
    rpc_client_free(c);
}
START_TEST(another_pool_is_refused)
{
    in_fiber(co_pools);
}
END_TEST

static void co_header(struct rpc_client_options *o, const char *headers)
{
    unsigned status;
    o->headers = headers;
    struct rpc_client *c = rpc_client_new(o);
    co_ask(c, "POST", "/checked", &status);
    ck_assert_uint_eq(status, 403);
    rpc_client_free(c);
}

static void co_headers(void)
{
    struct rpc_client_options o = {.host = ADDRESS,
                                   .port = port,
                                   .tls = true,
                                   .tls_context = authority_client_context(member),
                                   .server_name = PEER_SERVER_NAME};
    co_header(&o, NULL);
    co_header(&o, "xapid-pool: " POOL "\r\n");
    co_header(&o, "xapid-term: 5\r\n");
    co_header(&o, "xapid-pool: " POOL "\r\nxapid-term: -5\r\n");
    co_header(&o, "xapid-pool: " POOL "\r\nxapid-term: 5x\r\n");
    co_header(&o, "xapid-pool: " POOL "\r\nxapid-term: 99999999999999999999\r\n");
    ck_assert_int_eq(server_heard, 0);
}
START_TEST(requests_without_sound_headers_are_refused)
{
    in_fiber(co_headers);
}
END_TEST

static void co_streams(void)
{
    struct rpc_client *c = client(member, SERVER);
    struct client_stream *s;
    char bytes[64] = "";
    unsigned status;

    ck_assert_int_eq(co_client_stream_open(c, "CONNECT", "/stream", NULL, &s, &status, &error), 0);
    ck_assert_uint_eq(status, 200);
    ck_assert_int_gt(co_client_stream_read(s, bytes, sizeof bytes - 1, clock_in_ms(10000)), 0);
    ck_assert_str_eq(bytes, "hello");
    client_stream_close(s);
    client_pool.term = 3;
    ck_assert_int_eq(co_client_stream_open(c, "CONNECT", "/stream", NULL, &s, &status, &error), 0);
    ck_assert_uint_eq(status, 403);
    ck_assert_int_gt(co_client_stream_read(s, bytes, sizeof bytes - 1, clock_in_ms(10000)), 0);
    ck_assert_int_eq(strncmp(bytes, "old-term 5\n", 11), 0);
    client_stream_close(s);
    rpc_client_free(c);
}
START_TEST(streams_are_checked_too)
{
    in_fiber(co_streams);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("peer");
    TCase *t = tcase_create("peer");
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_host_of_the_pool_is_known_by_its_certificate);
    tcase_add_test(t, nobody_else_is_let_in_by_that_name);
    tcase_add_test(t, ordinary_clients_are_not_asked_and_are_no_peers);
    tcase_add_test(t, the_session_of_an_ordinary_client_is_no_way_in);
    tcase_add_test(t, who_is_out_of_date_learns_it);
    tcase_add_test(t, another_pool_is_refused);
    tcase_add_test(t, requests_without_sound_headers_are_refused);
    tcase_add_test(t, streams_are_checked_too);
    suite_add_tcase(s, t);
    return run_suite(s);
}
