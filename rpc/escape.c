#include "rpc/escape.h"
#include <stdbool.h>
#include "lib/utf8.h"

#define EACH(x) (0x0101010101010101u * (x))

/* 0x80 in each byte of v that equals c; bytes of 0x80 and up must have been excluded. */
static uint64_t equal_bytes(uint64_t v, unsigned char c)
{
    return ((v ^ EACH(c)) + EACH(0x7f)) ^ EACH(0x80);
}

/* Nonzero when a byte is below 0x20, 0x80 or above. */
static uint64_t odd_bytes(uint64_t v)
{
    return (v | (v - EACH(0x20))) & EACH(0x80);
}

static bool xml_clean(uint64_t v)
{
    if (odd_bytes(v) != 0)
        return false;
    return ((equal_bytes(v, '<') | equal_bytes(v, '>') | equal_bytes(v, '&') | equal_bytes(v, '"')) &
            EACH(0x80)) == 0;
}

static bool json_clean(uint64_t v)
{
    if (odd_bytes(v) != 0)
        return false;
    return ((equal_bytes(v, '"') | equal_bytes(v, '\\')) & EACH(0x80)) == 0;
}

/* Copy eight bytes at a time while they are clean; room for n + 8 bytes must be there. Returns how many went.
 */
#define COPY_CLEAN(to, s, n, clean)                                           \
    ({                                                                        \
        size_t done_ = 0;                                                     \
        uint64_t eight_;                                                      \
        while ((n)-done_ >= sizeof(eight_)) {                                 \
            memcpy(&eight_, (s) + done_, sizeof(eight_));                     \
            if (!clean(eight_))                                               \
                break;                                                        \
            memcpy((to) + done_, &eight_, sizeof(eight_));                    \
            done_ += sizeof(eight_);                                          \
        }                                                                     \
        /* The last few bytes, together with some already copied. */          \
        if ((n) >= sizeof(eight_) && (n)-done_ < sizeof(eight_)) {            \
            memcpy(&eight_, (s) + (n) - sizeof(eight_), sizeof(eight_));      \
            if (clean(eight_)) {                                              \
                memcpy((to) + (n) - sizeof(eight_), &eight_, sizeof(eight_)); \
                done_ = (n);                                                  \
            }                                                                 \
        }                                                                     \
        done_;                                                                \
    })

struct replacement {
    unsigned char length; /* 0: the byte is copied as it is */
    char text[7];
};

static const struct replacement xml_table[128] = {
    ['<'] = {4, "&lt;"},   ['>'] = {4, "&gt;"},   ['&'] = {5, "&amp;"},
    ['"'] = {6, "&quot;"}, ['\r'] = {5, "&#13;"},
};
static const struct replacement json_table[128] = {
    ['"'] = {2, "\\\""}, ['\\'] = {2, "\\\\"}, ['\t'] = {2, "\\t"}, ['\n'] = {2, "\\n"}, ['\r'] = {2, "\\r"},
};

/* The first character at s, of this length, is one of the two that are Unicode but not in XML 1.0 (its
 * production Char): U+FFFE and U+FFFF. */
static bool is_no_xml(const char *s, size_t length)
{
    return length == 3 && memcmp(s, "\xef\xbf", 2) == 0 && (unsigned char)s[2] >= 0xbe;
}

/* One character at s (n > 0), written to `to`, at most 6 bytes. Returns the new end; *ret_used is what it
 * took. */
static char *put_char(char *to, const struct replacement *table, const char *s, size_t n, unsigned *ret_used)
{
    unsigned char c = (unsigned char)*s;
    *ret_used = 1;
    if (c < 0x80) {
        const struct replacement *r = &table[c];
        if (r->length > 0) {
            memcpy(to, r->text, sizeof(r->text));
            return to + r->length;
        }
        *to = (char)c;
        return to + (c >= 0x20 || c == '\t' || c == '\n' || c == '\r');
    }
    size_t length = utf8_next(s, n);
    bool good = length > 0 && !(table == xml_table && is_no_xml(s, length));
    if (length > 0)
        *ret_used = (unsigned)length;
    memcpy(to, good ? s : "\xef\xbf\xbd", good ? length : 3);
    return to + (good ? length : 3);
}

enum { LOOK = 8, EXPANSION = 6 };

/* Go byte by byte through the next few. Returns how many went, never splitting a character. */
static size_t put_careful(struct buf *out, const struct replacement *table, const char *s, size_t n)
{
    size_t used = 0, limit = n < LOOK ? n : LOOK;
    char *start = buf_room(out, (LOOK + 1) * EXPANSION), *to = start;
    while (used < limit) {
        unsigned took;
        to = put_char(to, table, s + used, n - used, &took);
        used += took;
    }
    out->len += (size_t)(to - start);
    return used;
}

#define ESCAPE(out, s, n, clean, table)                              \
    while (n > 0) {                                                  \
        size_t done = COPY_CLEAN(buf_room(out, n + 8), s, n, clean); \
        out->len += done;                                            \
        s += done;                                                   \
        n -= done;                                                   \
        done = put_careful(out, table, s, n);                        \
        s += done;                                                   \
        n -= done;                                                   \
    }

void escape_xml(struct buf *out, const char *s, size_t n)
{
    ESCAPE(out, s, n, xml_clean, xml_table)
}

void escape_json(struct buf *out, const char *s, size_t n)
{
    ESCAPE(out, s, n, json_clean, json_table)
}
