#include "tests/db/random_value.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/clock.h"

static uint64_t next(struct dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint32_t dice_roll(struct dice *d, uint32_t n)
{
    return (uint32_t)(next(d) % n);
}

struct ref dice_ref(struct dice *d)
{
    return (struct ref){.hi = 0xabcdef, .lo = 1 + dice_roll(d, DICE_REFS)};
}

static const char *random_text(struct dice *d, void *ctx)
{
    static const char *const pieces[] = {"a",
                                         "B7",
                                         " ",
                                         "\"",
                                         "\\",
                                         "'",
                                         "\n",
                                         "\x01",
                                         "\x1f",
                                         "\x7f",
                                         "<&>",
                                         "{}",
                                         "[1,2]",
                                         "\xc3\xa9",
                                         "%s",
                                         "%00",
                                         "NULL",
                                         "--",
                                         ";",
                                         "\\u0000",
                                         "\t",
                                         "\r\n",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         "0",
                                         "OpaqueRef:NULL"};
    CLEANUP_BUF struct buf b = {0};
    uint32_t n = dice_roll(d, 4) == 0 ? 0 : dice_roll(d, 30);

    for (uint32_t i = 0; i < n; i++)
        buf_add_str(&b, pieces[dice_roll(d, sizeof pieces / sizeof pieces[0])]);
    return talloc_strdup(ctx, buf_cstr(&b));
}

static int64_t random_int(struct dice *d)
{
    static const int64_t edges[] = {0, 1, -1, INT64_MAX, INT64_MIN, 1LL << 53, INT32_MAX, INT32_MIN};

    if (dice_roll(d, 3) == 0)
        return edges[dice_roll(d, sizeof edges / sizeof edges[0])];
    return (int64_t)next(d) >> dice_roll(d, 60);
}

static double random_float(struct dice *d)
{
    static const double edges[] = {0, 1, -1.5, 1e300, -1e-300, 0.1, INFINITY};

    if (dice_roll(d, 2) == 0)
        return edges[dice_roll(d, sizeof edges / sizeof edges[0])];
    return (double)(int64_t)next(d) / 1e9;
}

typedef union value roll(struct dice *d, void *ctx, const struct model_type *t, bool unique);
static roll random_of;

static union value random_set(struct dice *d, void *ctx, const struct model_type *t, bool unique)
{
    uint32_t n = dice_roll(d, 6);
    struct set *s = talloc_zero_size(ctx, sizeof *s + n * sizeof s->v[0]);

    s->n = n;
    for (uint32_t i = 0; i < n; i++)
        s->v[i] = random_of(d, s, t->elem, unique);
    return (union value){.set = s};
}

static union value random_map(struct dice *d, void *ctx, const struct model_type *t, bool unique)
{
    uint32_t n = dice_roll(d, 6);
    struct map *m = talloc_zero_size(ctx, sizeof *m + n * sizeof m->e[0]);

    m->n = n;
    for (uint32_t i = 0; i < n; i++) {
        m->e[i].k = random_of(d, m, t->key, unique);
        m->e[i].v = random_of(d, m, t->elem, unique);
    }
    map_sort(t, m);
    return (union value){.map = m};
}

static union value random_of(struct dice *d, void *ctx, const struct model_type *t, bool unique)
{
    switch (t->kind) {
    case KIND_STRING:
        return (union value){.s = unique || dice_roll(d, 2)
                                      ? random_text(d, ctx)
                                      : talloc_asprintf(ctx, "name %u", dice_roll(d, 5))};
    case KIND_INT:
        return (union value){.i = random_int(d)};
    case KIND_DATETIME:
        return (union value){.i = dice_roll(d, UINT32_MAX)};
    case KIND_ENUM:
        return (union value){.i = dice_roll(d, t->enums->n)};
    case KIND_FLOAT:
        return (union value){.f = random_float(d)};
    case KIND_BOOL:
        return (union value){.b = dice_roll(d, 2)};
    case KIND_REF:
        return (union value){.r = dice_roll(d, 4) == 0 ? REF_NULL : unique ? ref_new() : dice_ref(d)};
    case KIND_SET:
        return random_set(d, ctx, t, unique);
    case KIND_MAP:
        return random_map(d, ctx, t, unique);
    default:
        return (union value){0};
    }
}

union value dice_value(struct dice *d, void *ctx, const struct model_type *t)
{
    return random_of(d, ctx, t, false);
}

union value dice_unique_value(struct dice *d, void *ctx, const struct model_type *t)
{
    return random_of(d, ctx, t, true);
}

uint64_t test_seed(void)
{
    const char *text = getenv("TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)clock_now() ^ (uint64_t)getpid();

    printf("TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}
