#include "xapid/console/websocket.h"
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <openssl/evp.h>

enum opcode { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

bool websocket_accept_key(const char *key, char answer[32])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[64 + 37];

    if (strlen(key) > 64 || strlen(key) < 16)
        return false;
    snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL) != 1)
        return false;
    EVP_EncodeBlock((unsigned char *)answer, digest, 20);
    return true;
}

static void add_frame(struct buf *out, enum opcode opcode, const void *bytes, size_t n)
{
    buf_add_char(out, (char)(0x80 | opcode));
    if (n < 126) {
        buf_add_char(out, (char)n);
    } else if (n < 65536) {
        buf_add_char(out, 126);
        buf_add_char(out, (char)(n >> 8));
        buf_add_char(out, (char)n);
    } else {
        buf_add_char(out, 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_add_char(out, (char)((uint64_t)n >> shift));
    }
    buf_add(out, bytes, n);
}

void websocket_frame(struct buf *out, const void *bytes, size_t n)
{
    add_frame(out, BINARY, bytes, n);
}

void websocket_close(struct buf *out, unsigned status)
{
    const unsigned char bytes[] = {(unsigned char)(status >> 8), (unsigned char)status};

    add_frame(out, CLOSE, bytes, sizeof bytes);
}

struct frame {
    bool final;
    unsigned opcode;
    size_t header, n;
    unsigned char mask[4];
};

/* The frame at the start of in: 1 when it is whole, 0 when more is needed, -EPROTO. */
static int read_header(const struct buf *in, struct frame *f)
{
    const unsigned char *p = (const unsigned char *)in->data;
    uint64_t n;
    size_t at = 2;

    if (in->len < 2)
        return 0;
    *f = (struct frame){.final = p[0] & 0x80, .opcode = p[0] & 0x0f};
    if ((p[0] & 0x70) || !(p[1] & 0x80)) /* extensions were not agreed on; clients always mask */
        return -EPROTO;
    n = p[1] & 0x7f;
    size_t extra = n == 126 ? 2 : n == 127 ? 8 : 0;
    if (in->len < at + extra + 4)
        return 0;
    if (extra)
        for (n = 0; extra > 0; extra--)
            n = n << 8 | p[at++];
    if (n > WEBSOCKET_FRAME_MAX || (f->opcode >= CLOSE && (n > 125 || !f->final)))
        return -EPROTO;
    memcpy(f->mask, p + at, 4);
    f->header = at + 4;
    f->n = (size_t)n;
    return in->len >= f->header + f->n;
}

static int take_frame(const struct frame *f, char *bytes, struct buf *data, struct buf *reply)
{
    for (size_t i = 0; i < f->n; i++)
        bytes[i] = (char)(bytes[i] ^ f->mask[i % 4]);
    switch (f->opcode) {
    case CONTINUATION:
    case TEXT:
    case BINARY:
        buf_add(data, bytes, f->n);
        return 0;
    case PING:
        add_frame(reply, PONG, bytes, f->n);
        return 0;
    case PONG:
        return 0;
    case CLOSE:
        add_frame(reply, CLOSE, bytes, f->n >= 2 ? 2 : 0);
        return 1;
    default:
        return -EPROTO;
    }
}

int websocket_feed(struct buf *in, struct buf *data, struct buf *reply)
{
    struct frame f;
    int rc;

    while ((rc = read_header(in, &f)) > 0) {
        rc = take_frame(&f, in->data + f.header, data, reply);
        buf_consume(in, f.header + f.n);
        if (rc != 0)
            return rc;
    }
    return rc;
}
