#ifndef MODEL_VALUE_H
#define MODEL_VALUE_H
/*
 * Typed values: what rows, arguments and results are made of. A value carries no type of its own; a struct
 * model_type (model/model.h) always travels beside it.
 *
 * Sets and maps are immutable once built and shared freely; maps are sorted by key (bytewise for text,
 * numerically for numbers). Values built here live on a talloc context (a request's memory); the values
 * inside rows belong to the row (see db/db.h) and stay valid until the row changes, so never across a yield.
 * A NULL string, set or map counts as the empty one. Text is UTF-8. Never yields; aborts when memory runs
 * out.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A reference: the 128 bits of its uuid; all zero is the null reference. */
struct ref {
    uint64_t hi, lo;
};
#define REF_NULL ((struct ref){0, 0})
#define REF_TEXT_SIZE sizeof("OpaqueRef:01234567-89ab-cdef-0123-456789abcdef")
#define UUID_TEXT_SIZE sizeof("01234567-89ab-cdef-0123-456789abcdef")

static inline bool ref_is_null(struct ref r)
{
    return (r.hi | r.lo) == 0;
}
static inline bool ref_equal(struct ref a, struct ref b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

/* A fresh random (version 4) reference, from the kernel's generator: also good as a session secret. */
struct ref ref_new(void);

/* Read "OpaqueRef:<uuid>", "OpaqueRef:NULL" or "" (null). False when text is none of these. */
bool ref_parse(const char *text, struct ref *ret);
void ref_format(struct ref r, char text[REF_TEXT_SIZE]);

/* A fresh random uuid as text. */
void uuid_new(char text[UUID_TEXT_SIZE]);
bool uuid_is_valid(const char *text);

union value {
    const char *s;         /* string */
    int64_t i;             /* int; enum (index into its values); datetime (seconds since 1970 UTC) */
    double f;              /* float */
    bool b;                /* bool */
    struct ref r;          /* reference */
    const struct set *set; /* set of anything */
    const struct map *map; /* map from string, int, enum or reference to anything */
};

struct set {
    uint32_t n;
    union value v[];
};

struct map_entry {
    union value k, v;
};

struct map {
    uint32_t n;
    struct map_entry e[];
};

static inline uint32_t set_count(const struct set *s)
{
    return s ? s->n : 0;
}
static inline uint32_t map_count(const struct map *m)
{
    return m ? m->n : 0;
}

/* ---- sets and maps of text, the common case; results are new and on ctx ---- */
struct set *set_of_strings(void *ctx, unsigned n, ...);
bool set_has_string(const struct set *s, const char *text);
struct set *set_with_string(void *ctx, const struct set *s, const char *text);
struct set *set_without_string(void *ctx, const struct set *s, const char *text);

/* NULL when the key is absent. */
const char *map_get(const struct map *m, const char *key);
struct map *map_with(void *ctx, const struct map *m, const char *key, const char *text);
struct map *map_without(void *ctx, const struct map *m, const char *key);

/* ---- sets of references ---- */
bool set_has_ref(const struct set *s, struct ref r);
struct set *set_of_refs(void *ctx, const struct ref *refs, uint32_t n);
struct set *set_with_ref(void *ctx, const struct set *s, struct ref r);
struct set *set_without_ref(void *ctx, const struct set *s, struct ref r);

/* ---- of any type ---- */
struct model_type;
/* <0, 0, >0; the order that maps are sorted by. */
int value_compare(const struct model_type *t, union value a, union value b);
bool value_equal(const struct model_type *t, union value a, union value b);

/* A deep copy on ctx. */
union value value_copy(void *ctx, const struct model_type *t, union value v);

/* The form in which the database and get_all_records_where see it ("true", "5", enum name, reference text);
 * maps and sets as JSON. On ctx. */
const char *value_to_text(void *ctx, const struct model_type *t, union value v);

/* The reverse; false when text is not of the type. */
bool value_from_text(void *ctx, const struct model_type *t, const char *text, union value *ret);

/* Sort m->e by key and drop later duplicates, as every map must be before it is used. */
void map_sort(const struct model_type *t, struct map *m);

/* "20261121T08:39:52Z". */
#define DATETIME_TEXT_SIZE sizeof("20261121T08:39:52Z")
void datetime_format(int64_t seconds, char text[DATETIME_TEXT_SIZE]);
/* Reads the dashed form too, and fractions of a second (dropped). */
bool datetime_parse(const char *text, int64_t *ret);

#endif
