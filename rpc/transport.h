#ifndef RPC_TRANSPORT_H
#define RPC_TRANSPORT_H
/*
 * A non-blocking stream socket, with or without TLS. The plain functions never yield and say with -EAGAIN
 * which events to wait for; the co_ ones wait in a fiber. SIGPIPE must be ignored (transport_init does it).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <openssl/ssl.h>

struct transport {
    int fd; /* -1 once closed */
    SSL *ssl;
};

/* Take fd over. context NULL: plain; otherwise TLS, as the server or the client of the handshake. */
void transport_init(struct transport *t, int fd, SSL_CTX *context, bool server);

/* 0, or -EAGAIN with *ret_wants set to the events to wait for, or -EPROTO. */
int transport_handshake(struct transport *t, int *ret_wants);

/* Count (> 0); reading: 0 at the end of the stream; -EAGAIN with *ret_wants; or -errno. */
ssize_t transport_read(struct transport *t, void *bytes, size_t n, int *ret_wants);
ssize_t transport_write(struct transport *t, const void *bytes, size_t n, int *ret_wants);

/* Could a read give something without waiting for the socket? */
bool transport_has_buffered(const struct transport *t);

/* Tell the peer that nothing more will come; what it sends can still be read. */
void transport_end_output(struct transport *t);
void transport_close(struct transport *t);

int co_transport_handshake(struct transport *t, int64_t deadline);
ssize_t co_transport_read(struct transport *t, void *bytes, size_t n, int64_t deadline);
int co_transport_write(struct transport *t, const void *bytes, size_t n, int64_t deadline);

#endif
