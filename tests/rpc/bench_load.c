#include "tests/rpc/bench_load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "lib/clock.h"

enum { MAX_CONNECTIONS = 64, WARM_UP_MS = 300 };

#define BODY                                                                                                \
    "<?xml version=\"1.0\"?><methodCall><methodName>VM.get_power_state</methodName><params><param><value>"  \
    "<string>OpaqueRef:01234567-89ab-cdef-0123-456789abcdef</string></value></param><param><value><string>" \
    "OpaqueRef:01234567-89ab-cdef-0123-456789abcdef</string></value></param></params></methodCall>"
static char request[1024];

struct client {
    int fd;
    SSL *ssl;
    char reply[4096];
    size_t have;
};

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    abort();
}

static void client_open(struct client *c, SSL_CTX *context, const char *address, uint16_t port, int epoll)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, address, &a.sin_addr);
    while (connect(c->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        if (errno != ECONNREFUSED) /* the server is still starting */
            die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->ssl = SSL_new(context);
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_read_ahead(c->ssl, 1);
    if (SSL_connect(c->ssl) != 1)
        die("handshake");
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void client_send(struct client *c)
{
    int n = (int)strlen(request);
    c->have = 0;
    if (SSL_write(c->ssl, request, n) != n)
        die("write");
}

/* Is the reply whole? */
static bool client_whole(struct client *c)
{
    c->reply[c->have] = '\0';
    const char *end = strstr(c->reply, "\r\n\r\n"), *length = strcasestr(c->reply, "content-length:");
    if (end == NULL || length == NULL)
        return false;
    if (strncmp(c->reply, "HTTP/1.1 200", 12) != 0)
        die("a reply is not 200");
    return c->have >= (size_t)(end + 4 - c->reply) + (size_t)atol(length + 15);
}

/* Read; when the reply is whole send the next request. Returns how many replies came. */
static unsigned client_ready(struct client *c)
{
    int n = SSL_read(c->ssl, c->reply + c->have, (int)(sizeof(c->reply) - c->have - 1));
    if (n <= 0) {
        if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
            die("read");
        return 0;
    }
    c->have += (size_t)n;
    if (!client_whole(c))
        return SSL_has_pending(c->ssl) ? client_ready(c) : 0;
    client_send(c);
    return 1;
}

static unsigned long run_until(int epoll, int64_t deadline)
{
    unsigned long replies = 0;
    struct epoll_event events[MAX_CONNECTIONS];
    while (clock_now() < deadline) {
        int n = epoll_wait(epoll, events, MAX_CONNECTIONS, 100);
        for (int i = 0; i < n; i++)
            replies += client_ready(events[i].data.ptr);
    }
    return replies;
}

double load_run(const char *address, uint16_t port, unsigned n, int ms)
{
    static struct client clients[MAX_CONNECTIONS];
    int epoll = epoll_create1(0);
    snprintf(request, sizeof(request),
             "POST /RPC2 HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nContent-Type: "
             "text/xml\r\nContent-Length: %zu\r\n"
             "\r\n%s",
             address, strlen(BODY), BODY);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    for (unsigned i = 0; i < n; i++) {
        client_open(&clients[i], context, address, port, epoll);
        client_send(&clients[i]);
    }
    run_until(epoll, clock_in_ms(WARM_UP_MS));
    int64_t began = clock_now();
    unsigned long replies = run_until(epoll, clock_in_ms(ms));
    double seconds = (double)(clock_now() - began) / 1e9;
    for (unsigned i = 0; i < n; i++) {
        SSL_free(clients[i].ssl);
        close(clients[i].fd);
    }
    SSL_CTX_free(context);
    close(epoll);
    return (double)replies / seconds;
}
