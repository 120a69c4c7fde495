/*
 * Calls a second over kept-alive TLS connections: our server, answering at once and from a fiber, against a
 * trivial libmicrohttpd server with its own GnuTLS, and against libmicrohttpd behind our TLS. Same request,
 * reply and key.
 *
 *   bench_http [SECONDS a figure, default 2]
 */
#include <arpa/inet.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>
#include "lib/fiber.h"
#include "rpc/http.h"
#include "rpc/tls.h"
#include "tests/rpc/bench_load.h"
#include "tests/rpc/bench_pair.h"

#define ADDRESS "127.0.24.9"

enum { REPLY_SIZE = 500 };

static char reply_text[REPLY_SIZE + 1];
static char dir[] = "/tmp/xapid-bench.XXXXXX";
static struct err error;

/* ---- ours ---- */

static bool answer_now(struct http_request *r, struct http_reply *reply, void *arg)
{
    reply->content_type = "text/xml";
    buf_add(&reply->body, reply_text, REPLY_SIZE);
    return true;
}

static void co_answer(struct http_request *r, struct http_reply *reply, void *arg)
{
    answer_now(r, reply, arg);
}

static const struct http_route now_routes[] = {{"POST", "/", .now = answer_now}, {NULL}};
static const struct http_route fiber_routes[] = {{"POST", "/", .co_handle = co_answer}, {NULL}};

static struct tls_server *open_tls(void)
{
    struct tls_server *tls;
    if (tls_server_open(dir, "bench", ADDRESS, &tls, &error) < 0)
        abort();
    return tls;
}

static uint16_t serve_routes(const struct http_route *routes)
{
    uint16_t port;
    struct http_server *s = http_server_new(routes, NULL, NULL);
    if (http_server_listen_tcp(s, ADDRESS, 0, open_tls(), &port, &error) < 0)
        abort();
    return port;
}

static uint16_t start_now(void)
{
    return serve_routes(now_routes);
}

static uint16_t start_fiber(void)
{
    return serve_routes(fiber_routes);
}

/* ---- libmicrohttpd ---- */

static struct MHD_Response *mhd_reply;

static enum MHD_Result mhd_answer(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **state)
{
    static int seen;
    if (*state == NULL) {
        *state = &seen;
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(c, MHD_HTTP_OK, mhd_reply);
}

static void make_mhd_reply(void)
{
    mhd_reply = MHD_create_response_from_buffer(REPLY_SIZE, reply_text, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(mhd_reply, "Content-Type", "text/xml");
}

static char *read_pem(void)
{
    static char text[8192];
    char path[64];
    tls_server_free(open_tls());
    snprintf(path, sizeof(path), "%s/server.pem", dir);
    FILE *f = fopen(path, "r");
    if (f == NULL || fread(text, 1, sizeof(text) - 1, f) == 0)
        abort();
    fclose(f);
    return text;
}

static uint16_t start_mhd(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    const char *pem = read_pem();
    inet_pton(AF_INET, ADDRESS, &a.sin_addr);
    make_mhd_reply();
    struct MHD_Daemon *d = MHD_start_daemon(
        MHD_USE_TLS | MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, mhd_answer, NULL, MHD_OPTION_SOCK_ADDR,
        &a, MHD_OPTION_HTTPS_MEM_KEY, pem, MHD_OPTION_HTTPS_MEM_CERT, pem, MHD_OPTION_END);
    if (d == NULL)
        abort();
    return MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port;
}

static struct tls_server *pair_tls;

static void pair_accept(struct ev_loop *loop, ev_io *w, int revents)
{
    int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        pair_take(fd, tls_server_context(pair_tls));
}

static uint16_t start_pair(void)
{
    static ev_io io;
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof(a);
    inet_pton(AF_INET, ADDRESS, &a.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(fd, (struct sockaddr *)&a, size) < 0 || listen(fd, 100) < 0)
        abort();
    getsockname(fd, (struct sockaddr *)&a, &size);
    pair_tls = open_tls();
    make_mhd_reply();
    pair_start(mhd_answer);
    ev_io_init(&io, pair_accept, fd, EV_READ);
    ev_io_start(loop_get(), &io);
    return ntohs(a.sin_port);
}

/* ---- measuring ---- */

static const struct contender {
    const char *name;
    uint16_t (*start)(void);
    bool own_thread;
} contenders[] = {
    {"libmicrohttpd with GnuTLS", start_mhd, true},
    {"ours, answered at once", start_now, false},
    {"ours, from a fiber", start_fiber, false},
    {"libmicrohttpd behind a socket pair", start_pair, false},
};
enum { CONTENDERS = sizeof(contenders) / sizeof(contenders[0]), ROUNDS = 3 };

static pid_t server_spawn(const struct contender *c, uint16_t *ret_port)
{
    int fds[2];
    if (pipe(fds) < 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        uint16_t port = c->start();
        if (write(fds[1], &port, sizeof(port)) < 0)
            abort();
        if (c->own_thread)
            for (;;)
                pause();
        loop_run();
        exit(0);
    }
    if (read(fds[0], ret_port, sizeof(*ret_port)) != sizeof(*ret_port))
        abort();
    close(fds[0]);
    close(fds[1]);
    return pid;
}

static double measure(const struct contender *c, unsigned connections, int ms)
{
    uint16_t port;
    pid_t pid = server_spawn(c, &port);
    double rate = load_run(ADDRESS, port, connections, ms);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return rate;
}

static int compare(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return d < 0 ? -1 : d > 0;
}

/* Rounds are interleaved, so that a disturbance of the machine meets all alike; medians are told. */
static void measure_all(unsigned connections, int ms)
{
    double rates[CONTENDERS][ROUNDS];
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < CONTENDERS; i++)
            rates[i][round] = measure(&contenders[i], connections, ms);
    for (int i = 0; i < CONTENDERS; i++)
        qsort(rates[i], ROUNDS, sizeof(double), compare);
    for (int i = 0; i < CONTENDERS; i++)
        printf("%-36s %2u connections  %8.0f calls/s  [%.0f-%.0f]  %.2f x\n", contenders[i].name, connections,
               rates[i][ROUNDS / 2], rates[i][0], rates[i][ROUNDS - 1],
               rates[i][ROUNDS / 2] / rates[0][ROUNDS / 2]);
}

int main(int argc, char **argv)
{
    char path[64];
    int ms = argc > 1 ? atoi(argv[1]) * 1000 : 2000;
    memset(reply_text, 'x', REPLY_SIZE);
    if (mkdtemp(dir) == NULL)
        return 1;
    tls_server_free(open_tls());
    measure_all(1, ms);
    measure_all(16, ms);
    snprintf(path, sizeof(path), "%s/server.pem", dir);
    unlink(path);
    rmdir(dir);
    return 0;
}
