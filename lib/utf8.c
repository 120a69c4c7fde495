#include "lib/utf8.h"
#include <stdint.h>
#include <string.h>

/* Characters of a length begin at the first number and have the bits of mask equal to lead in their first
 * byte. */
static const struct {
    unsigned char mask, lead;
    uint32_t first;
} forms[] = {
    [1] = {0x80, 0x00, 0},
    [2] = {0xe0, 0xc0, 0x80},
    [3] = {0xf0, 0xe0, 0x800},
    [4] = {0xf8, 0xf0, 0x10000},
};

static size_t length_of(unsigned char lead)
{
    for (size_t n = 1; n <= 4; n++) {
        if ((lead & forms[n].mask) == forms[n].lead)
            return n;
    }
    return 0;
}

size_t utf8_next(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t length = n > 0 ? length_of(p[0]) : 0;
    uint32_t c;

    if (length <= 1)
        return length;
    if (length > n)
        return 0;
    c = p[0] & (unsigned char)~forms[length].mask;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < forms[length].first || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    return length;
}

/* How many of n bytes come before the first that is not ASCII, to the eight. */
static size_t plain_bytes(const char *s, size_t n)
{
    size_t i = 0;
    uint64_t word;

    for (; i + sizeof word <= n; i += sizeof word) {
        memcpy(&word, s + i, sizeof word);
        if (word & 0x8080808080808080)
            break;
    }
    return i;
}

bool utf8_valid(const char *s, size_t n)
{
    while (n > 0) {
        size_t plain = plain_bytes(s, n), length;

        s += plain;
        n -= plain;
        if (n == 0)
            break;
        length = utf8_next(s, n);

        if (length == 0)
            return false;
        s += length;
        n -= length;
    }
    return true;
}
