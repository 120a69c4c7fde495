#include "xapid/transfer/tar.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Where the fields are. */
enum {
    MODE = 100,
    UID = 108,
    GID = 116,
    SIZE = 124,
    MTIME = 136,
    SUM = 148,
    TYPE = 156,
    MAGIC = 257,
    PREFIX = 345
};
enum { NAME_LENGTH = 100, NUMBER_LENGTH = 12, PREFIX_LENGTH = 155 };

/* The sum of all bytes, those of the sum itself counted as spaces. */
static unsigned sum_of(const unsigned char *block)
{
    unsigned sum = 0;

    for (int i = 0; i < TAR_BLOCK; i++)
        sum += i >= SUM && i < SUM + 8 ? ' ' : block[i];
    return sum;
}

/* Octal where it fits, else GNU's form: a high bit and the number in binary. */
static void put_number(unsigned char *at, int64_t n)
{
    char text[32];

    if (n < (int64_t)1 << 33) {
        snprintf(text, sizeof text, "%011" PRIo64, n);
        memcpy(at, text, NUMBER_LENGTH);
        return;
    }
    for (int i = NUMBER_LENGTH - 1; i > 0; i--, n >>= 8)
        at[i] = (unsigned char)n;
    at[0] = 0x80;
}

void tar_header(unsigned char out[TAR_BLOCK], const char *name, int64_t size, int64_t when)
{
    char text[16];

    memset(out, 0, TAR_BLOCK);
    memcpy(out, name, strnlen(name, NAME_LENGTH));
    memcpy(out + MODE, "0000644", 8);
    memcpy(out + UID, "0000000", 8);
    memcpy(out + GID, "0000000", 8);
    put_number(out + SIZE, size);
    put_number(out + MTIME, when);
    out[TYPE] = '0';
    memcpy(out + MAGIC, "ustar\00000", 8);
    snprintf(text, sizeof text, "%06o", sum_of(out));
    memcpy(out + SUM, text, 7);
    out[SUM + 7] = ' ';
}

/* Octal digits between spaces, ended by a space, a NUL or the field's end. */
static bool get_octal(const unsigned char *at, int length, int64_t *ret)
{
    int i = 0, digits = 0;

    for (*ret = 0; i < length && at[i] == ' '; i++)
        ;
    for (; i < length && at[i] >= '0' && at[i] <= '7'; i++, digits++)
        *ret = *ret << 3 | (at[i] - '0');
    return digits > 0 && digits <= 20 && (i == length || at[i] == ' ' || at[i] == '\0');
}

static bool get_size(const unsigned char *at, int64_t *ret)
{
    if (at[0] != 0x80)
        return get_octal(at, NUMBER_LENGTH, ret);
    for (int i = 1; i < 5; i++)
        if (at[i] != 0)
            return false;
    *ret = 0;
    for (int i = 5; i < NUMBER_LENGTH; i++)
        *ret = *ret << 8 | at[i];
    return true;
}

static void get_name(const unsigned char *in, char *name)
{
    bool has_prefix = memcmp(in + MAGIC, "ustar\0", 6) == 0 && in[PREFIX];

    if (has_prefix)
        snprintf(name, TAR_NAME_MAX + 1, "%.*s/%.*s", PREFIX_LENGTH, (const char *)in + PREFIX, NAME_LENGTH,
                 (const char *)in);
    else
        snprintf(name, TAR_NAME_MAX + 1, "%.*s", NAME_LENGTH, (const char *)in);
}

static bool is_zero(const unsigned char *in)
{
    for (int i = 0; i < TAR_BLOCK; i++)
        if (in[i])
            return false;
    return true;
}

int tar_read_header(const unsigned char in[TAR_BLOCK], struct tar_entry *ret)
{
    int64_t sum;

    if (is_zero(in))
        return 0;
    if (!get_octal(in + SUM, 8, &sum) || sum != (int64_t)sum_of(in) || !get_size(in + SIZE, &ret->size))
        return -1;
    ret->type = in[TYPE] ? (char)in[TYPE] : '0';
    get_name(in, ret->name);
    return 1;
}
