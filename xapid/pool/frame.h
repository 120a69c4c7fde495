#ifndef XAPID_POOL_FRAME_H
#define XAPID_POOL_FRAME_H
/*
 * What a member and its coordinator say to each other on the member's long connection (CONNECT /peer/feed):
 * frames of a kind, a generation and a body. 17 bytes of head: kind, then the body's length and the
 * generation, little-endian.
 */
#include <stdint.h>
#include <sys/types.h>
#include "lib/buf.h"

enum frame_kind {
    /* from the member */
    FRAME_HELLO = 'h',   /* JSON: who it is, what it has, what its machine is (xapid/pool/hello.h) */
    FRAME_DURABLE = 'd', /* its copy has the generation on its disk */
    FRAME_REPORT = 'r',  /* JSON: something a guest of its did */
    FRAME_FACTS = 'f',   /* JSON: what its machine is, which has changed */
    /* from the coordinator */
    FRAME_REFUSED = 'x',  /* JSON: [code, parameter …]; the connection ends */
    FRAME_MODEL = 'm',    /* what the following ones mean: feed_describe */
    FRAME_SNAPSHOT = 's', /* all of the database at the generation */
    FRAME_BATCH = 'b',    /* the commit that made the generation */
    /* from either, when there was nothing else to say */
    FRAME_ALIVE = 'a',
};

/* How often either says something, where silence_ms ends the connection. */
static inline int frame_alive_ms(int silence_ms)
{
    return silence_ms / 8;
}

struct frame {
    enum frame_kind kind;
    uint64_t generation;
    struct buf body; /* the caller's, to be freed */
};

/* One end of the connection, whichever kind of stream it is. */
struct frame_end {
    void *stream;
    ssize_t (*co_read)(void *stream, void *bytes, size_t n, int64_t deadline);
    int (*co_write)(void *stream, const void *bytes, size_t n, int64_t deadline);
};

/* Append a frame to what is to be written. */
void frame_put(struct buf *out, enum frame_kind kind, uint64_t generation, const void *body, size_t n);

/* The same but for the body, whose n bytes are for the caller to write after it. */
void frame_put_head(struct buf *out, enum frame_kind kind, uint64_t generation, size_t n);

/* The next frame. 0; -ETIMEDOUT when nothing comes for silence_ms (it may be asked again), -ETIME when a
 * frame stops halfway for as long, -ECONNRESET at the stream's end, -EMSGSIZE for a body beyond max, -EPROTO
 * for a kind that is none, or another -errno. */
int co_frame_read(const struct frame_end *end, size_t max, int silence_ms, struct frame *ret);

#endif
