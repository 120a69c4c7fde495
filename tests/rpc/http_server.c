/*
 * A server for tests/rpc/http_test.py: every kind of handler, and limits from the command line.
 *
 *   http_server DIR ADDRESS [name=value ...]     names: the members of struct http_limits, hsts
 *
 * Prints "ready tls=PORT plain=PORT redirect=PORT", serves DIR/socket too, and obeys lines on standard input:
 * "durable N", "release", "reload", "stop MS" (then prints "stopped fibers=N" and ends).
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "rpc/http.h"
#include "rpc/plain.h"
#include "rpc/tls.h"
#include "rpc/x509.h"

static struct http_server *server;
static struct tls_server *tls;
static uint64_t durable_gen;
static struct fiber_cond changed = FIBER_COND_INIT(changed);
static bool released;
static unsigned long long uploaded;
static unsigned waiting;

/* ---- ordinary handlers ---- */

static bool echo_now(struct http_request *r, struct http_reply *reply, void *arg)
{
    reply->content_type = "text/xml";
    buf_add(&reply->body, r->body, r->body_len);
    return true;
}

static bool describe_now(struct http_request *r, struct http_reply *reply, void *arg)
{
    const char *cookie = http_cookie(r, "session_id");
    buf_printf(&reply->body, "%s %s raw=%s 1.0=%d tls=%d root=%d peer=%s local=%s\n", r->method, r->path,
               r->raw_target, r->http_1_0, r->tls, r->local_root, r->peer_address, r->local_address);
    for (unsigned i = 0; i < r->n_query; i++)
        buf_printf(&reply->body, "query %s=%s\n", r->query[i].name, r->query[i].value);
    for (unsigned i = 0; i < r->n_headers; i++)
        buf_printf(&reply->body, "header %s=%s\n", r->headers[i].name, r->headers[i].value);
    buf_printf(&reply->body, "cookie %s\n", cookie ? cookie : "-");
    reply->content_type = "text/plain";
    return true;
}

static bool decline_now(struct http_request *r, struct http_reply *reply, void *arg)
{
    r->handler_data = talloc_strdup(r->mem, "seen ");
    return false;
}

static void co_echo(struct http_request *r, struct http_reply *reply, void *arg)
{
    co_yield();
    reply->content_type = "text/plain";
    http_reply_add_header(reply, "x-evil", "a\r\nx-injected: b");
    http_reply_add_header(reply, "task-id", "OpaqueRef:task");
    http_reply_allow_origin(reply);
    buf_add_str(&reply->body, r->handler_data ? r->handler_data : "");
    buf_add(&reply->body, r->body, r->body_len);
}

static void co_bulk(struct http_request *r, struct http_reply *reply, void *arg)
{
    size_t n = strtoul(http_query(r, "n"), NULL, 10);
    memset(buf_reserve(&reply->body, n), 'x', n);
    reply->body.len = n;
}

static void co_wait_release(struct http_request *r, struct http_reply *reply, void *arg)
{
    int result = 0;
    waiting++;
    while (!released && result >= 0)
        result = co_cond_wait(&changed, CLOCK_NEVER, "the test's word");
    waiting--;
    buf_printf(&reply->body, "%s", result < 0 ? "cancelled" : "released");
}

static bool durable_now(struct http_request *r, struct http_reply *reply, void *arg)
{
    reply->durable_gen = strtoul(http_query(r, "gen"), NULL, 10);
    buf_add_lit(&reply->body, "done");
    return http_query(r, "fiber") == NULL;
}

static void co_durable(struct http_request *r, struct http_reply *reply, void *arg)
{
    durable_now(r, reply, arg);
}

static bool state_now(struct http_request *r, struct http_reply *reply, void *arg)
{
    buf_printf(&reply->body, "uploaded=%llu waiting=%u fibers=%u", uploaded, waiting, fiber_count());
    return true;
}

static bool fail_now(struct http_request *r, struct http_reply *reply, void *arg)
{
    http_reply_error(r, reply, (unsigned)atoi(http_query(r, "status")), "CODE: [ <p1>; p2 ]");
    return true;
}

static void co_restful(struct http_request *r, struct http_reply *reply, void *arg)
{
    reply->status = 204;
}

/* ---- raw handlers ---- */

static void co_raw_echo(struct http_request *r, struct http_stream *s, void *arg)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\n\r\n";
    char bytes[1000];
    ssize_t n = co_stream_write(s, ok, sizeof(ok) - 1, CLOCK_NEVER);
    while (n >= 0 && (n = co_stream_read(s, bytes, sizeof(bytes), CLOCK_NEVER)) > 0)
        n = co_stream_write(s, bytes, (size_t)n, CLOCK_NEVER) < 0 ? -1 : n;
}

static void co_upload(struct http_request *r, struct http_stream *s, void *arg)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    static char bytes[8192];
    ssize_t n;
    uploaded = 0;
    co_stream_write(s, ok, sizeof(ok) - 1, CLOCK_NEVER);
    while ((n = co_stream_read(s, bytes, sizeof(bytes), CLOCK_NEVER)) > 0)
        uploaded += (unsigned long long)n;
}

static void co_far_end(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char bytes[100];
    ssize_t n;
    while (co_wait_fd(fd, EV_READ, CLOCK_NEVER, "the near end") > 0 &&
           (n = read(fd, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            bytes[i] = (char)(bytes[i] >= 'a' && bytes[i] <= 'z' ? bytes[i] - 32 : bytes[i]);
        if (write(fd, bytes, (size_t)n) < 0)
            break;
    }
    close(fd);
}

static void co_splice_handler(struct http_request *r, struct http_stream *s, void *arg)
{
    int pair[2];
    const char *idle = http_query(r, "idle");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
    fiber_spawn("far end", co_far_end, (void *)(intptr_t)pair[1]);
    int result = co_stream_splice(s, pair[0], idle ? atoi(idle) : 0);
    char text[32];
    snprintf(text, sizeof(text), "[%d]", result);
    co_stream_write(s, text, strlen(text), CLOCK_NEVER);
    close(pair[0]);
}

static const struct http_route routes[] = {
    {"POST", "/", .now = echo_now},
    {"POST", "/describe", .now = describe_now},
    {"GET", "/describe", .now = describe_now},
    {"POST", "/fiber", .co_handle = co_echo},
    {"POST", "/fiber/declined", .now = decline_now, .co_handle = co_echo},
    {"GET", "/bulk", .co_handle = co_bulk},
    {"GET", "/wait", .co_handle = co_wait_release},
    {"GET", "/durable", .now = durable_now, .co_handle = co_durable},
    {"GET", "/state", .now = state_now},
    {"GET", "/fail", .now = fail_now},
    {"GET", "/nothing", .co_handle = co_restful},
    {"OPTIONS", "/", .now = http_options_now},
    {"CONNECT", "/console", .co_raw = co_raw_echo},
    {"PUT", "/upload", .co_raw = co_upload},
    {"GET", "/splice", .co_raw = co_splice_handler},
    {NULL},
};

/* ---- orders ---- */

static bool is_durable(uint64_t gen, void *arg)
{
    return gen <= durable_gen;
}

static int co_until_durable(uint64_t gen, void *arg)
{
    int r = 0;
    waiting++;
    while (r >= 0 && !is_durable(gen, arg))
        r = co_cond_wait(&changed, CLOCK_NEVER, "durability");
    waiting--;
    return gen == 666 ? -EIO : r;
}

static int stop_ms;

static void co_stop(void *arg)
{
    co_http_server_stop(server, clock_in_ms(stop_ms));
    /* Those of the orders and this one are left. */
    printf("stopped fibers=%u\n", fiber_count() - 2);
    fflush(stdout);
    loop_stop();
}

static void obey(const char *line)
{
    struct err e = {0};
    if (sscanf(line, "durable %lu", &durable_gen) == 1 || strncmp(line, "release", 7) == 0) {
        released = released || line[0] == 'r';
        fiber_cond_broadcast(&changed);
    } else if (strncmp(line, "reload", 6) == 0) {
        printf("reloaded %d\n", tls_server_reload(tls, &e));
        err_clear(&e);
    } else if (strncmp(line, "stop", 4) == 0) {
        printf("stopping\n");
        stop_ms = atoi(line + 4);
        fiber_spawn("stop", co_stop, NULL);
    }
    fflush(stdout);
}

static void co_take_orders(void *arg)
{
    char bytes[256];
    size_t n = 0;
    for (;;) {
        co_wait_fd(0, EV_READ, CLOCK_NEVER, "orders");
        ssize_t r = read(0, bytes + n, sizeof(bytes) - n - 1);
        if (r <= 0)
            exit(1); /* the test is gone */
        n += (size_t)r;
        bytes[n] = '\0';
        for (char *end; (end = strchr(bytes, '\n')) != NULL;) {
            *end = '\0';
            obey(bytes);
            n -= (size_t)(end + 1 - bytes);
            memmove(bytes, end + 1, n + 1);
        }
    }
}

static int64_t hsts = -1;

static void set_limit(struct http_limits *l, const char *name, long value)
{
    if (strcmp(name, "max_header") == 0)
        l->max_header = (size_t)value;
    else if (strcmp(name, "max_body") == 0)
        l->max_body = (size_t)value;
    else if (strcmp(name, "max_bodies") == 0)
        l->max_bodies = (size_t)value;
    else if (strcmp(name, "header_timeout_ms") == 0)
        l->header_timeout_ms = (int)value;
    else if (strcmp(name, "idle_timeout_ms") == 0)
        l->idle_timeout_ms = (int)value;
    else if (strcmp(name, "max_connections") == 0)
        l->max_connections = (unsigned)value;
    else if (strcmp(name, "max_connections_per_address") == 0)
        l->max_connections_per_address = (unsigned)value;
    else if (strcmp(name, "descriptors") == 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)value, (rlim_t)value});
    else if (strcmp(name, "hsts") == 0)
        hsts = value;
}

static bool write_metrics(struct buf *page, void *arg)
{
    buf_add_str(page, "answer 42\n");
    return true;
}

static struct plain_server *redirector;

static int open_redirector(const char *address, uint16_t tls_port, uint16_t *ret_port, struct err *e)
{
    int fd = http_open_tcp(address, 0, ret_port);
    struct plain_options o = {.fd = fd, .address = address, .https_port = tls_port, .metrics = write_metrics};
    int r = fd < 0 ? err_errno(e, fd, "cannot listen on %s", address) : plain_server_open(&o, &redirector, e);
    if (fd >= 0)
        close(fd);
    return r;
}

int main(int argc, char **argv)
{
    struct http_limits limits = http_default_limits;
    uint16_t tls_port, plain_port, redirect_port;
    struct err e = {0};
    char path[200];
    for (int i = 3; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        *value++ = '\0';
        set_limit(&limits, argv[i], atol(value));
    }
    snprintf(path, sizeof(path), "%s/tls", argv[1]);
    server = http_server_new(routes, &limits, NULL);
    http_server_set_durability(server, is_durable, co_until_durable, NULL);
    http_server_set_hsts(server, hsts);
    if (tls_server_open(path, "test-host", argv[2], &tls, &e) < 0 ||
        http_server_listen_tcp(server, argv[2], 0, tls, &tls_port, &e) < 0 ||
        http_server_listen_tcp(server, argv[2], 0, NULL, &plain_port, &e) < 0 ||
        open_redirector(argv[2], tls_port, &redirect_port, &e) < 0)
        goto failed;
    snprintf(path, sizeof(path), "%s/socket", argv[1]);
    if (http_server_listen_unix(server, path, &e) < 0)
        goto failed;
    printf("ready tls=%u plain=%u redirect=%u\n", tls_port, plain_port, redirect_port);
    struct x509_facts facts;
    x509_facts(tls_server_certificate(tls), &facts);
    printf("fingerprint %s\n", facts.sha256);
    fflush(stdout);
    fiber_spawn("orders", co_take_orders, NULL);
    loop_run();
    plain_server_free(redirector);
    http_server_free(server);
    tls_server_free(tls);
    return 0;
failed:
    fprintf(stderr, "%s\n", err_text(NULL, &e));
    return 1;
}
