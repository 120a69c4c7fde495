/* References, uuids and dates: the scalars with a text form of their own. */
#include "model/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define REF_PREFIX "OpaqueRef:"
#define UUID_LEN (UUID_TEXT_SIZE - 1)

/* The value of a hexadecimal digit, or -1. */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Read exactly one uuid that ends the text. */
static bool parse_uuid(const char *text, struct ref *ret)
{
    uint64_t half[2] = {0, 0};
    unsigned digits = 0;
    for (unsigned i = 0; i < UUID_LEN; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return false;
            continue;
        }
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        half[digits / 16] = half[digits / 16] << 4 | (unsigned)digit;
        digits++;
    }
    if (text[UUID_LEN])
        return false;
    *ret = (struct ref){half[0], half[1]};
    return true;
}

static void format_uuid(struct ref r, char text[UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    char *p = text;
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *p++ = '-';
        uint64_t half = i < 16 ? r.hi : r.lo;
        *p++ = digits[half >> (60 - 4 * (i % 16)) & 15];
    }
    *p = '\0';
}

/* A fresh random reference; aborts when the kernel has no randomness to give. */
struct ref ref_new(void)
{
    struct ref r;
    size_t done = 0;
    while (done < sizeof(r)) {
        ssize_t n = getrandom((char *)&r + done, sizeof(r) - done, 0);
        if (n < 0 && errno != EINTR)
            abort();
        if (n > 0)
            done += (size_t)n;
    }
    r.hi = (r.hi & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    r.lo = (r.lo & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    return r;
}

/* Read a reference or null; false leaves *ret alone. */
bool ref_parse(const char *text, struct ref *ret)
{
    if (strcmp(text, "") == 0 || strcmp(text, REF_PREFIX "NULL") == 0) {
        *ret = REF_NULL;
        return true;
    }
    size_t prefix = strlen(REF_PREFIX);
    return strncmp(text, REF_PREFIX, prefix) == 0 && parse_uuid(text + prefix, ret);
}

/* Write "OpaqueRef:<uuid>", or "OpaqueRef:NULL" for the null reference. */
void ref_format(struct ref r, char text[REF_TEXT_SIZE])
{
    size_t prefix = strlen(REF_PREFIX);
    memcpy(text, REF_PREFIX "NULL", sizeof(REF_PREFIX "NULL"));
    if (!ref_is_null(r))
        format_uuid(r, text + prefix);
}

/* A fresh random uuid as text. */
void uuid_new(char text[UUID_TEXT_SIZE])
{
    format_uuid(ref_new(), text);
}

/* True for 36 characters of the usual form, in either case. */
bool uuid_is_valid(const char *text)
{
    struct ref unused;
    return parse_uuid(text, &unused);
}

/* The first and last seconds that four digits of a year can name. */
#define DATETIME_MIN (-INT64_C(62167219200))
#define DATETIME_MAX INT64_C(253402300799)

/* Write a date; seconds beyond the years 0000 to 9999 show as the nearest that fits. */
void datetime_format(int64_t seconds, char text[DATETIME_TEXT_SIZE])
{
    if (seconds < DATETIME_MIN)
        seconds = DATETIME_MIN;
    if (seconds > DATETIME_MAX)
        seconds = DATETIME_MAX;
    time_t t = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&t, &tm))
        abort();
    char wide[128];
    snprintf(wide, sizeof(wide), "%04d%02d%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(text, wide, DATETIME_TEXT_SIZE - 1);
    text[DATETIME_TEXT_SIZE - 1] = '\0';
}

/* Read exactly n decimal digits and move on; -1 when there are not as many. */
static int take_digits(const char **text, unsigned n)
{
    int value = 0;
    for (unsigned i = 0; i < n; i++) {
        char c = (*text)[i];
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    *text += n;
    return value;
}

static bool take_char(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* What may follow the seconds: a fraction, then Z or nothing (times without a zone are UTC). */
static bool is_datetime_end(const char *text)
{
    if (take_char(&text, '.')) {
        if (take_digits(&text, 1) < 0)
            return false;
        while (take_digits(&text, 1) >= 0)
            ;
    }
    take_char(&text, 'Z');
    return *text == '\0';
}

/* Read a date; false, leaving *ret alone, when text is not one. */
bool datetime_parse(const char *text, int64_t *ret)
{
    int year = take_digits(&text, 4);
    bool dashed = year >= 0 && take_char(&text, '-');
    int month = year >= 0 ? take_digits(&text, 2) : -1;
    if (month < 1 || month > 12 || (dashed && !take_char(&text, '-')))
        return false;
    int day = take_digits(&text, 2);
    if (day < 1 || day > days_in_month(year, month) || !take_char(&text, 'T'))
        return false;
    int hour = take_digits(&text, 2);
    if (hour < 0 || hour > 23 || !take_char(&text, ':'))
        return false;
    int minute = take_digits(&text, 2);
    if (minute < 0 || minute > 59 || !take_char(&text, ':'))
        return false;
    int second = take_digits(&text, 2);
    if (second < 0 || second > 60 || !is_datetime_end(text))
        return false;
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};
    *ret = timegm(&tm);
    return true;
}
