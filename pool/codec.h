#ifndef POOL_CODEC_H
#define POOL_CODEC_H
/*
 * Structs as JSON objects and back, by tables that say where their members are: one encoder and one decoder
 * for all that goes between the hosts of a pool. A text, map or pointer that is NULL is left out; everything
 * else has to be there. Members that a table does not know are passed over, so that a newer host may say
 * more. Never yields.
 *
 * What is decoded comes from the network: its size, depth and kinds are checked, text is UTF-8 without NUL.
 */
#include <jansson.h>
#include <stddef.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "model/value.h"

enum {
    CODEC_MAX_ITEMS = 65536, /* of an array or map */
    CODEC_MAX_VALUES = 1000000,
    CODEC_MAX_DEPTH = 12
};

enum codec_kind {
    CODEC_BOOL,         /* bool */
    CODEC_INT,          /* int64_t */
    CODEC_INT_OR_NONE,  /* the same; 0 where an older host does not say it */
    CODEC_UNSIGNED,     /* unsigned */
    CODEC_ENUM,         /* an enum from 0 on; names, ended by NULL */
    CODEC_UUID,         /* char[UUID_TEXT_SIZE] */
    CODEC_UUID_OR_NONE, /* the same; "" too */
    CODEC_CHARS,        /* char[size] */
    CODEC_TEXT,         /* const char *, or NULL */
    CODEC_MAP,          /* const struct map *, text to text, or NULL */
    CODEC_STRUCT,       /* a struct of type, in place */
    CODEC_POINTER,      /* const struct *, or NULL */
    CODEC_ARRAY         /* const struct *, as many as the unsigned at count says; NULL for none */
};

struct codec_type;
struct codec_field {
    const char *name;
    enum codec_kind kind;
    size_t offset, size, count;
    const struct codec_type *type;
    const char *const *names;
};

struct codec_type {
    size_t size;
    const struct codec_field *fields; /* ended by one without name */
};

/* The tables are written with these: S the struct, M its member, named as it is. */
#define CODEC_FIELD(S, M, K, ...)                                      \
    {                                                                  \
        .name = #M, .kind = (K), .offset = offsetof(S, M), __VA_ARGS__ \
    }
#define CODEC_FIELD_BOOL(S, M) CODEC_FIELD(S, M, CODEC_BOOL)
#define CODEC_FIELD_INT(S, M) CODEC_FIELD(S, M, CODEC_INT)
#define CODEC_FIELD_INT_OR_NONE(S, M) CODEC_FIELD(S, M, CODEC_INT_OR_NONE)
#define CODEC_FIELD_UNSIGNED(S, M) CODEC_FIELD(S, M, CODEC_UNSIGNED)
#define CODEC_FIELD_ENUM(S, M, NAMES) CODEC_FIELD(S, M, CODEC_ENUM, .names = (NAMES))
#define CODEC_FIELD_UUID(S, M) CODEC_FIELD(S, M, CODEC_UUID)
#define CODEC_FIELD_UUID_OR_NONE(S, M) CODEC_FIELD(S, M, CODEC_UUID_OR_NONE)
#define CODEC_FIELD_CHARS(S, M) CODEC_FIELD(S, M, CODEC_CHARS, .size = sizeof((S *)NULL)->M)
#define CODEC_FIELD_TEXT(S, M) CODEC_FIELD(S, M, CODEC_TEXT)
#define CODEC_FIELD_MAP(S, M) CODEC_FIELD(S, M, CODEC_MAP)
#define CODEC_FIELD_STRUCT(S, M, T) CODEC_FIELD(S, M, CODEC_STRUCT, .type = (T))
#define CODEC_FIELD_POINTER(S, M, T) CODEC_FIELD(S, M, CODEC_POINTER, .type = (T))
#define CODEC_FIELD_ARRAY(S, M, N, T) CODEC_FIELD(S, M, CODEC_ARRAY, .type = (T), .count = offsetof(S, N))

#define CODEC_TYPE(S, FIELDS)                 \
    {                                         \
        .size = sizeof(S), .fields = (FIELDS) \
    }

/* A new reference; NULL when some text is no UTF-8. */
json_t *codec_encode(const struct codec_type *t, const void *value);

/* The struct, of t->size bytes, is filled; what it points to is on ctx. INTERNAL_ERROR names the member that
 * is wrong; *ret is then undefined, without anything to be freed but ctx. */
int codec_decode(const struct codec_type *t, const json_t *j, void *ctx, void *ret, struct err *e);

/* An error as a list: its code and parameters. A new reference. */
json_t *codec_encode_error(const struct err *e);
/* Fill e from such a list, unless it is set already; INTERNAL_ERROR for what is none. Always -1. */
int codec_decode_error(const json_t *list, struct err *e);

/* JSON text within the bounds above to a new reference; NULL with INTERNAL_ERROR. */
json_t *codec_parse(const char *text, size_t n, struct err *e);
/* Append j, which is released, as text. */
void codec_write(struct buf *out, json_t *j);

#endif
