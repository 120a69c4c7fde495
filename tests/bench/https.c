#include "tests/bench/https.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/bench/bench.h"

#define PIECE (64 * 1024)
#define HEAD_MAX 8192

/* What one read brought. */
static char piece[PIECE];

static SSL_CTX *context(void)
{
    static SSL_CTX *ctx;

    if (!ctx) {
        ctx = SSL_CTX_new(TLS_client_method());
        if (!ctx)
            die("no TLS context");
        SSL_CTX_set_read_ahead(ctx, 1);
    }
    return ctx;
}

void https_open(struct https *h, const char *address, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;

    must(inet_pton(AF_INET, address, &a.sin_addr) == 1, address);
    h->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(h->fd >= 0 && connect(h->fd, (struct sockaddr *)&a, sizeof a) == 0, address);
    setsockopt(h->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    h->ssl = SSL_new(context());
    if (!h->ssl || SSL_set_fd(h->ssl, h->fd) != 1 || SSL_connect(h->ssl) != 1)
        die("TLS with %s port %u: %s", address, port, ERR_reason_error_string(ERR_get_error()));
}

void https_close(struct https *h)
{
    SSL_shutdown(h->ssl);
    SSL_free(h->ssl);
    close(h->fd);
}

void https_request(struct buf *out, const char *path, const char *type, const char *body, size_t length)
{
    buf_printf(out, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
               path, type, length);
    buf_add(out, body, length);
}

void https_send(struct https *h, const struct buf *request)
{
    if (SSL_write(h->ssl, request->data, (int)request->len) != (int)request->len)
        die("a request could not be sent");
}

static size_t read_some(struct https *h, char *to, size_t room)
{
    int n = SSL_read(h->ssl, to, (int)room);

    if (n <= 0)
        die("a connection ended before its reply did");
    return (size_t)n;
}

static size_t content_length(const char *head)
{
    const char *at = strcasestr(head, "\r\ncontent-length:");

    if (strncmp(head, "HTTP/1.1 200", 12) != 0 || !at)
        die("an unexpected reply: %.200s", head);
    return strtoull(at + strlen("\r\ncontent-length:"), NULL, 10);
}

/* Read up to the end of the head; the length of the head, and of all that was read. */
static size_t read_head(struct https *h, size_t *ret_n)
{
    size_t n = 0;
    char *end = NULL;

    while (!end) {
        if (n >= HEAD_MAX)
            die("a reply's head has no end");
        n += read_some(h, piece + n, PIECE - 1 - n);
        piece[n] = '\0';
        end = strstr(piece, "\r\n\r\n");
    }
    *ret_n = n;
    return (size_t)(end - piece) + 4;
}

size_t https_receive(struct https *h, struct buf *keep)
{
    size_t n, head = read_head(h, &n), length = content_length(piece), got = n - head;

    if (keep)
        buf_add(keep, piece + head, got);
    while (got < length) {
        n = read_some(h, piece, sizeof piece);
        if (keep)
            buf_add(keep, piece, n);
        got += n;
    }
    return length;
}
