#include "rpc/transport.h"
#include <errno.h>
#include <ev.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/err.h>
#include "lib/fiber.h"
#include "lib/mem.h"

/* How much one fiber may copy before the others get a turn. */
enum { TURN_BYTES = 256 * 1024 };

void transport_init(struct transport *t, int fd, SSL_CTX *context, bool server)
{
    static bool ignored;
    *t = (struct transport){.fd = fd};
    if (!ignored)
        signal(SIGPIPE, SIG_IGN);
    ignored = true;
    if (context == NULL)
        return;
    t->ssl = SSL_new(context);
    if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1)
        mem_abort();
    SSL_set_mode(t->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_read_ahead(t->ssl, 1);
    if (server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
}

/* What a call of OpenSSL that returned r <= 0 means. */
static ssize_t ssl_result(SSL *ssl, int r, int *ret_wants)
{
    int saved = errno;
    switch (SSL_get_error(ssl, r)) {
    case SSL_ERROR_WANT_READ:
        *ret_wants = EV_READ;
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        *ret_wants = EV_WRITE;
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return saved != 0 ? -saved : -ECONNRESET;
    default:
        return -EPROTO;
    }
}

int transport_handshake(struct transport *t, int *ret_wants)
{
    if (t->ssl == NULL)
        return 0;
    ERR_clear_error();
    errno = 0;
    int r = SSL_do_handshake(t->ssl);
    if (r == 1)
        return 0;
    ssize_t result = ssl_result(t->ssl, r, ret_wants);
    return result == -EAGAIN ? -EAGAIN : -EPROTO;
}

ssize_t transport_read(struct transport *t, void *bytes, size_t n, int *ret_wants)
{
    if (t->ssl != NULL) {
        ERR_clear_error();
        errno = 0;
        int r = SSL_read(t->ssl, bytes, n > INT_MAX ? INT_MAX : (int)n);
        return r > 0 ? r : ssl_result(t->ssl, r, ret_wants);
    }
    ssize_t r = recv(t->fd, bytes, n, 0);
    *ret_wants = EV_READ;
    if (r < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    return r;
}

ssize_t transport_write(struct transport *t, const void *bytes, size_t n, int *ret_wants)
{
    if (t->ssl != NULL) {
        ERR_clear_error();
        errno = 0;
        int r = SSL_write(t->ssl, bytes, n > INT_MAX ? INT_MAX : (int)n);
        if (r > 0)
            return r;
        ssize_t result = ssl_result(t->ssl, r, ret_wants);
        return result == 0 ? -EPIPE : result;
    }
    ssize_t r = send(t->fd, bytes, n, MSG_NOSIGNAL);
    *ret_wants = EV_WRITE;
    if (r < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    return r;
}

bool transport_has_buffered(const struct transport *t)
{
    return t->ssl != NULL && SSL_has_pending(t->ssl);
}

void transport_end_output(struct transport *t)
{
    if (t->ssl != NULL && SSL_is_init_finished(t->ssl)) {
        ERR_clear_error();
        SSL_shutdown(t->ssl);
    }
    shutdown(t->fd, SHUT_WR);
}

void transport_close(struct transport *t)
{
    if (t->ssl != NULL)
        SSL_free(t->ssl);
    if (t->fd >= 0)
        close(t->fd);
    *t = (struct transport){.fd = -1};
}

int co_transport_handshake(struct transport *t, int64_t deadline)
{
    int wants = 0, r;
    while ((r = transport_handshake(t, &wants)) == -EAGAIN) {
        r = co_wait_fd(t->fd, wants, deadline, "a TLS handshake");
        if (r < 0)
            return r;
    }
    return r;
}

/* Bytes that are always there must not keep the loop from its other work. */
static int co_take_turns(size_t n)
{
    static size_t since;
    since += n;
    if (since < TURN_BYTES)
        return 0;
    since = 0;
    return co_yield();
}

ssize_t co_transport_read(struct transport *t, void *bytes, size_t n, int64_t deadline)
{
    int wants = 0;
    ssize_t r;
    while ((r = transport_read(t, bytes, n, &wants)) == -EAGAIN) {
        int w = co_wait_fd(t->fd, wants, deadline, "bytes from a peer");
        if (w < 0)
            return w;
    }
    if (r > 0 && co_take_turns((size_t)r) < 0)
        return -ECANCELED;
    return r;
}

int co_transport_write(struct transport *t, const void *bytes, size_t n, int64_t deadline)
{
    const char *at = bytes;
    while (n > 0) {
        int wants = 0;
        ssize_t r = transport_write(t, at, n, &wants);
        int w = r == -EAGAIN ? co_wait_fd(t->fd, wants, deadline, "a peer to take bytes")
                : r > 0      ? co_take_turns((size_t)r)
                             : (int)r;
        if (w < 0)
            return w;
        if (r > 0) {
            at += r;
            n -= (size_t)r;
        }
    }
    return 0;
}
