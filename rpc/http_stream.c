#include <string.h>
#include "rpc/http_private.h"
#include "rpc/splice.h"

ssize_t co_stream_read(struct http_stream *s, void *bytes, size_t size, int64_t deadline)
{
    struct buf *in = &s->conn->in;
    if (in->len == 0)
        return co_transport_read(&s->conn->transport, bytes, size, deadline);
    size_t n = in->len < size ? in->len : size;
    memcpy(bytes, in->data, n);
    buf_consume(in, n);
    return (ssize_t)n;
}

int co_stream_write(struct http_stream *s, const void *bytes, size_t n, int64_t deadline)
{
    return co_transport_write(&s->conn->transport, bytes, n, deadline);
}

bool stream_has_buffered(const struct http_stream *s)
{
    return s->conn->in.len > 0 || transport_has_buffered(&s->conn->transport);
}

int stream_fd(const struct http_stream *s)
{
    return s->conn->transport.fd;
}

int co_stream_splice(struct http_stream *s, int fd, int64_t idle_ms)
{
    return co_splice(&s->conn->transport, &s->conn->in, fd, idle_ms);
}
