#include "rpc/encode.h"
#include <endian.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "rpc/escape.h"

/* ---- what stands around each value ---- */

/* Literals are stored by a move or two: their length is known here. */
#define PUT(e, literal)                                                                   \
    do {                                                                                  \
        memcpy(buf_room((e)->out, sizeof(literal) - 1), "" literal, sizeof(literal) - 1); \
        (e)->out->len += sizeof(literal) - 1;                                             \
    } while (0)

static inline void json_value(struct enc *e)
{
    if (e->comma)
        buf_add_char(e->out, ',');
    e->comma = true;
}

/* Digits and punctuation that need no escaping, as an XML-RPC string or a JSON string. */
static void put_text(struct enc *e, const char *s, size_t n)
{
    if (e->format == ENC_XML) {
        char *start = buf_room(e->out, n + 15), *to = start;
        to = mempcpy(to, "<value>", 7);
        to = mempcpy(to, s, n);
        to = mempcpy(to, "</value>", 8);
        e->out->len += (size_t)(to - start);
        return;
    }
    json_value(e);
    buf_add_char(e->out, '"');
    buf_add(e->out, s, n);
    buf_add_char(e->out, '"');
}

/* The decimal digits of i at the end of text; returns where they begin. */
static char *int_digits(int64_t i, char text[24])
{
    uint64_t u = i < 0 ? -(uint64_t)i : (uint64_t)i;
    char *at = text + 24;
    do
        *--at = (char)('0' + u % 10);
    while ((u /= 10) > 0);
    if (i < 0)
        *--at = '-';
    return at;
}

/* ---- values ---- */

void enc_string(struct enc *e, const char *s)
{
    size_t n = s != NULL ? strlen(s) : 0;
    if (e->format == ENC_XML) {
        PUT(e, "<value>");
        escape_xml(e->out, s, n);
        PUT(e, "</value>");
        return;
    }
    json_value(e);
    buf_add_char(e->out, '"');
    escape_json(e->out, s, n);
    buf_add_char(e->out, '"');
}

void enc_int(struct enc *e, int64_t i)
{
    char text[24], *at = int_digits(i, text);
    size_t n = (size_t)(text + sizeof(text) - at);
    if (e->format == ENC_XML) {
        put_text(e, at, n);
    } else {
        json_value(e);
        buf_add(e->out, at, n);
    }
}

void enc_int32(struct enc *e, int32_t i)
{
    if (e->format == ENC_JSON) {
        enc_int(e, i);
        return;
    }
    PUT(e, "<value><i4>");
    buf_add_int(e->out, i);
    PUT(e, "</i4></value>");
}

/* As printf's %.16g writes it; whole numbers, the common case, without its help. */
static size_t float_text(double f, char text[32], const char **ret)
{
    if (f == trunc(f) && fabs(f) < 1e15 && !(f == 0 && signbit(f))) {
        char digits[24], *at = int_digits((int64_t)f, digits);
        size_t n = (size_t)(digits + sizeof(digits) - at);
        memcpy(text, at, n);
        *ret = text;
        return n;
    }
    *ret = text;
    return (size_t)snprintf(text, 32, "%.16g", f);
}

void enc_float(struct enc *e, double f)
{
    char text[32];
    const char *at = text;
    /* A negative NaN would print its sign. */
    size_t n = float_text(isnan(f) ? (double)NAN : f, text, &at);
    if (e->format == ENC_XML) {
        PUT(e, "<value><double>");
        buf_add(e->out, at, n);
        PUT(e, "</double></value>");
        return;
    }
    json_value(e);
    if (isfinite(f))
        buf_add(e->out, at, n);
    else
        PUT(e, "null");
}

void enc_bool(struct enc *e, bool b)
{
    if (e->format == ENC_XML) {
        if (b)
            PUT(e, "<value><boolean>1</boolean></value>");
        else
            PUT(e, "<value><boolean>0</boolean></value>");
        return;
    }
    json_value(e);
    if (b)
        PUT(e, "true");
    else
        PUT(e, "false");
}

static char *put_two(char *to, unsigned n)
{
    *to++ = (char)('0' + n / 10);
    *to++ = (char)('0' + n % 10);
    return to;
}

/*
 * As datetime_format writes it, for the dates that are met; gmtime and snprintf would be the slowest part of
 * a record. Days are counted from 1 March of year 0, so that the leap day ends a year: 400 years are 146097
 * days, and five months 153 from there on.
 */
static void datetime_text(int64_t seconds, char text[DATETIME_TEXT_SIZE])
{
    if (seconds < 0 || seconds >= 253402300800) {
        datetime_format(seconds, text);
        return;
    }
    unsigned days = (unsigned)(seconds / 86400) + 719468, second = (unsigned)(seconds % 86400);
    unsigned era = days / 146097, day = days % 146097;
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    unsigned month = (5 * day + 2) / 153;
    day = day - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9;
    year += 400 * era + (month <= 2);
    char *to = put_two(put_two(put_two(put_two(text, year / 100), year % 100), month), day);
    *to++ = 'T';
    to = put_two(to, second / 3600);
    *to++ = ':';
    to = put_two(to, second / 60 % 60);
    *to++ = ':';
    to = put_two(to, second % 60);
    *to++ = 'Z';
    *to = '\0';
}

void enc_datetime(struct enc *e, int64_t seconds)
{
    char text[DATETIME_TEXT_SIZE];
    datetime_text(seconds, text);
    if (e->format == ENC_JSON) {
        put_text(e, text, sizeof(text) - 1);
        return;
    }
    PUT(e, "<value><dateTime.iso8601>");
    buf_add(e->out, text, sizeof(text) - 1);
    PUT(e, "</dateTime.iso8601></value>");
}

/* Eight hexadecimal digits: one nibble a byte, then all made letters at once. */
static void hex_digits(uint32_t v, char *to)
{
    uint64_t n = v;
    n = (n | n << 16) & 0x0000ffff0000ffff;
    n = (n | n << 8) & 0x00ff00ff00ff00ff;
    n = (n | n << 4) & 0x0f0f0f0f0f0f0f0f;
    uint64_t letters = ((n + 0x0606060606060606) >> 4) & 0x0101010101010101;
    n = htobe64(n + 0x3030303030303030 + letters * ('a' - '0' - 10));
    memcpy(to, &n, sizeof(n));
}

/* The text of a reference at `to`, where REF_TEXT_SIZE bytes are free; returns its length. */
static size_t ref_text(struct ref r, char *to)
{
    char digits[32];
    if (ref_is_null(r)) {
        memcpy(to, "OpaqueRef:NULL", 14);
        return 14;
    }
    hex_digits((uint32_t)(r.hi >> 32), digits);
    hex_digits((uint32_t)r.hi, digits + 8);
    hex_digits((uint32_t)(r.lo >> 32), digits + 16);
    hex_digits((uint32_t)r.lo, digits + 24);
    memcpy(to, "OpaqueRef:xxxxxxxx-xxxx-xxxx-xxxx-", 34);
    memcpy(to + 10, digits, 8);
    memcpy(to + 19, digits + 8, 4);
    memcpy(to + 24, digits + 12, 4);
    memcpy(to + 29, digits + 16, 4);
    memcpy(to + 34, digits + 20, 12);
    return REF_TEXT_SIZE - 1;
}

void enc_ref(struct enc *e, struct ref r)
{
    char text[REF_TEXT_SIZE];
    put_text(e, text, ref_text(r, text));
}

void enc_void(struct enc *e)
{
    put_text(e, "", 0);
}

void enc_nil(struct enc *e)
{
    if (e->format == ENC_XML) {
        PUT(e, "<value><nil/></value>");
        return;
    }
    json_value(e);
    PUT(e, "null");
}

/* ---- composites ---- */

void enc_array_begin(struct enc *e)
{
    if (e->format == ENC_XML) {
        PUT(e, "<value><array><data>");
        return;
    }
    json_value(e);
    buf_add_char(e->out, '[');
    e->comma = false;
}

void enc_array_end(struct enc *e)
{
    if (e->format == ENC_XML)
        PUT(e, "</data></array></value>");
    else
        buf_add_char(e->out, ']');
    e->comma = true;
}

void enc_struct_begin(struct enc *e)
{
    if (e->format == ENC_XML) {
        PUT(e, "<value><struct>");
    } else {
        json_value(e);
        buf_add_char(e->out, '{');
    }
    e->comma = false;
}

/* A member's end tag is due once its value is written: the next member or the end of the struct brings it. */
void enc_struct_end(struct enc *e)
{
    if (e->format == ENC_JSON)
        buf_add_char(e->out, '}');
    else if (e->comma)
        PUT(e, "</member></struct></value>");
    else
        PUT(e, "</struct></value>");
    e->comma = true;
}

static void member_begin(struct enc *e)
{
    if (e->format == ENC_XML) {
        if (e->comma)
            PUT(e, "</member><member><name>");
        else
            PUT(e, "<member><name>");
        return;
    }
    json_value(e);
    buf_add_char(e->out, '"');
}

static void member_named(struct enc *e)
{
    if (e->format == ENC_XML)
        PUT(e, "</name>");
    else
        PUT(e, "\":");
    e->comma = e->format == ENC_XML;
}

void enc_member(struct enc *e, const char *name)
{
    size_t n = strlen(name);
    if (e->format == ENC_JSON) {
        member_begin(e);
        buf_add(e->out, name, n);
        member_named(e);
        return;
    }
    char *start = buf_room(e->out, n + 31), *to = start;
    if (e->comma)
        to = mempcpy(to, "</member>", 9);
    to = mempcpy(to, "<member><name>", 14);
    to = mempcpy(to, name, n);
    to = mempcpy(to, "</name>", 7);
    e->out->len += (size_t)(to - start);
    e->comma = true;
}

void enc_member_ref(struct enc *e, struct ref r)
{
    member_begin(e);
    e->out->len += ref_text(r, buf_room(e->out, REF_TEXT_SIZE));
    member_named(e);
}

void enc_member_text(struct enc *e, const char *key)
{
    const char *s = key != NULL ? key : "";
    member_begin(e);
    if (e->format == ENC_XML)
        escape_xml(e->out, s, strlen(s));
    else
        escape_json(e->out, s, strlen(s));
    member_named(e);
}

/* ---- typed values ---- */

static const char *enum_text(const struct model_type *t, int64_t i)
{
    return i >= 0 && i < t->enums->n ? t->enums->values[i] : "";
}

static void enc_map_key(struct enc *e, const struct model_type *t, union value k)
{
    char text[24];
    switch (t->kind) {
    case KIND_REF:
        enc_member_ref(e, k.r);
        break;
    case KIND_ENUM:
        enc_member_text(e, enum_text(t, k.i));
        break;
    case KIND_STRING:
        enc_member_text(e, k.s);
        break;
    default:
        snprintf(text, sizeof(text), "%lld", (long long)k.i);
        enc_member_text(e, text);
        break;
    }
}

static void enc_set(struct enc *e, const struct model_type *t, const struct set *set)
{
    enc_array_begin(e);
    for (uint32_t i = 0; i < set_count(set); i++)
        enc_value(e, t->elem, set->v[i]);
    enc_array_end(e);
}

static void enc_map(struct enc *e, const struct model_type *t, const struct map *map)
{
    enc_struct_begin(e);
    for (uint32_t i = 0; i < map_count(map); i++) {
        enc_map_key(e, t->key, map->e[i].k);
        enc_value(e, t->elem, map->e[i].v);
    }
    enc_struct_end(e);
}

void enc_value(struct enc *e, const struct model_type *t, union value v)
{
    switch (t->kind) {
    case KIND_STRING:
        enc_string(e, v.s);
        break;
    case KIND_INT:
        enc_int(e, v.i);
        break;
    case KIND_FLOAT:
        enc_float(e, v.f);
        break;
    case KIND_BOOL:
        enc_bool(e, v.b);
        break;
    case KIND_DATETIME:
        enc_datetime(e, v.i);
        break;
    case KIND_ENUM:
        enc_string(e, enum_text(t, v.i));
        break;
    case KIND_REF:
        enc_ref(e, v.r);
        break;
    case KIND_SET:
        enc_set(e, t, v.set);
        break;
    case KIND_MAP:
        enc_map(e, t, v.map);
        break;
    case KIND_VOID:
    case KIND_RECORD:
    case KIND_OPTION:
        enc_void(e);
        break;
    }
}
