#include "xapid/rrd/archive.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lib/mem.h"

enum { FIRST_ROOM = 15, HEARTBEAT = 12, SET_BACK = 3600 / RRD_STEP };

static const char magic[12] = "xapid rrd 1\n";

const struct rrd_shape rrd_shapes[RRD_ARCHIVES] = {{1, 120}, {12, 120}, {720, 168}, {17280, 366}};

struct rrd *rrd_new(enum rrd_owner owner, const char *uuid)
{
    struct rrd *r = mem_zalloc(sizeof *r);
    r->owner = owner;
    snprintf(r->uuid, sizeof r->uuid, "%s", uuid);
    return r;
}

static void drop_rows(struct rrd_source *s)
{
    for (unsigned a = 0; a < RRD_ARCHIVES; a++) {
        free(s->rows[a]);
        s->rows[a] = NULL;
    }
}

void rrd_free(struct rrd *r)
{
    if (r && r->refs > 0) {
        r->refs--;
        return;
    }
    for (unsigned i = 0; r && i < r->n_sources; i++)
        drop_rows(&r->sources[i]);
    if (r)
        free(r->sources);
    free(r);
}

struct rrd_source *rrd_find(const struct rrd *r, const char *name)
{
    for (unsigned i = 0; i < r->n_sources; i++)
        if (strcmp(r->sources[i].name, name) == 0)
            return &r->sources[i];
    return NULL;
}

/* ---- rings ---- */

static void forget_from(float *rows, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        rows[i] = NAN;
}

static void make_rows(const struct rrd *r, struct rrd_source *s)
{
    for (unsigned a = 0; a < RRD_ARCHIVES; a++) {
        if (r->ring[a].room == 0)
            continue;
        s->rows[a] = mem_zalloc(r->ring[a].room * sizeof(float));
        forget_from(s->rows[a], 0, r->ring[a].room);
    }
}

/* Rings are filled from their beginning and go round once they are as large as they may be. */
static void make_room(struct rrd *r, unsigned a)
{
    unsigned old = r->ring[a].room, room = old ? old * 2 : FIRST_ROOM;
    if (r->ring[a].n < old || old == rrd_shapes[a].rows)
        return;
    r->ring[a].room = room < rrd_shapes[a].rows ? room : rrd_shapes[a].rows;
    for (unsigned i = 0; i < r->n_sources; i++) {
        struct rrd_source *s = &r->sources[i];
        if (!s->kept)
            continue;
        s->rows[a] = mem_resize(s->rows[a], r->ring[a].room * sizeof(float));
        forget_from(s->rows[a], old, r->ring[a].room);
    }
}

/* A row of which less than half is known is not known. */
static float close_row(struct rrd_source *s, unsigned a)
{
    unsigned known = s->row[a].known, unknown = s->row[a].unknown;
    double sum = s->row[a].sum;
    memset(&s->row[a], 0, sizeof s->row[a]);
    return known > 0 && known >= unknown ? (float)(sum / known) : NAN;
}

static void end_row(struct rrd *r, unsigned a)
{
    make_room(r, a);
    bool full = r->ring[a].n == rrd_shapes[a].rows;
    unsigned at = full ? r->ring[a].next : r->ring[a].n;
    for (unsigned i = 0; i < r->n_sources; i++) {
        float value = close_row(&r->sources[i], a);
        if (r->sources[i].kept)
            r->sources[i].rows[a][at] = value;
    }
    if (full)
        r->ring[a].next = (at + 1) % rrd_shapes[a].rows;
    else
        r->ring[a].n++;
}

/* Steps up to this one pass with each source's value, or as unknown. */
static void pass(struct rrd *r, unsigned a, int64_t from, int64_t to, bool known)
{
    int64_t pdps = rrd_shapes[a].pdps, all = pdps * rrd_shapes[a].rows;
    if (to - from > all + pdps) /* nothing would be left of what was before */
        from = to / pdps * pdps - all;
    while (from < to) {
        int64_t end = (from / pdps + 1) * pdps, n = (end < to ? end : to) - from;
        for (unsigned i = 0; i < r->n_sources; i++) {
            struct rrd_source *s = &r->sources[i];
            bool is_known = known && !isnan(s->value);
            s->row[a].known += is_known ? (unsigned)n : 0;
            s->row[a].unknown += is_known ? 0 : (unsigned)n;
            s->row[a].sum += is_known ? s->value * (double)n : 0;
        }
        from += n;
        if (from == end)
            end_row(r, a);
    }
}

static unsigned place(const struct rrd *r, unsigned a, unsigned age)
{
    unsigned rows = rrd_shapes[a].rows;
    return r->ring[a].n < rows ? r->ring[a].n - 1 - age : (r->ring[a].next + rows - 1 - age) % rows;
}

int64_t rrd_last_row(const struct rrd *r, unsigned a)
{
    int64_t row = (int64_t)rrd_shapes[a].pdps;
    return r->step / row * row * RRD_STEP;
}

double rrd_row(const struct rrd *r, const struct rrd_source *s, unsigned a, int64_t seconds)
{
    int64_t age = (rrd_last_row(r, a) - seconds) / ((int64_t)rrd_shapes[a].pdps * RRD_STEP);
    bool there = seconds <= rrd_last_row(r, a) && age < r->ring[a].n;
    return there && s->kept ? (double)s->rows[a][place(r, a, (unsigned)age)] : NAN;
}

void rrd_keep(struct rrd *r, struct rrd_source *s, bool keep)
{
    drop_rows(s);
    memset(s->row, 0, sizeof s->row);
    s->kept = keep;
    if (keep)
        make_rows(r, s);
}

/* ---- updates ---- */

void rrd_begin(struct rrd *r)
{
    for (unsigned i = 0; i < r->n_sources; i++)
        r->sources[i].put = false;
}

static struct rrd_source *add_source(struct rrd *r, const char *name)
{
    if (r->n_sources == RRD_SOURCES_MAX || strlen(name) >= RRD_NAME_SIZE)
        return NULL;
    r->sources = mem_resize(r->sources, (r->n_sources + 1) * sizeof *r->sources);
    struct rrd_source *s = &r->sources[r->n_sources++];
    *s = (struct rrd_source){.kept = true, .counter = NAN, .value = NAN};
    strcpy(s->name, name);
    make_rows(r, s);
    return s;
}

void rrd_put(struct rrd *r, const char *name, enum rrd_kind kind, double min, double max, double value)
{
    struct rrd_source *s = rrd_find(r, name);
    if (!s && !(s = add_source(r, name)))
        return;
    s->kind = kind;
    s->min = min;
    s->max = max;
    s->raw = value;
    s->put = true;
}

/* The value of now; elapsed 0: nothing is known of before. */
static double value_now(struct rrd_source *s, double elapsed)
{
    double before = s->counter, value = s->raw;
    s->counter = s->put ? s->raw : NAN;
    if (s->put && s->kind == RRD_DERIVE)
        value = elapsed > 0 && s->raw >= before ? (s->raw - before) / elapsed : NAN;
    if (s->put && s->kind == RRD_DERIVE && value > s->max) /* the moments of reading are not exact */
        value = value < s->max * 1.5 ? s->max : NAN;
    return s->put && value >= s->min && value <= s->max ? value : NAN;
}

static void begin_anew(struct rrd *r)
{
    for (unsigned i = 0; i < r->n_sources; i++) {
        drop_rows(&r->sources[i]);
        memset(r->sources[i].row, 0, sizeof r->sources[i].row);
    }
    memset(r->ring, 0, sizeof r->ring);
    r->step = 0;
}

void rrd_end(struct rrd *r, int64_t seconds, int64_t now)
{
    int64_t step = seconds / RRD_STEP;
    if (r->step - step > SET_BACK)
        begin_anew(r);
    if (step <= r->step)
        return;
    int64_t last = r->step ? r->step : step - 1;
    bool beats = r->stamp != 0 && step - last <= HEARTBEAT;
    double elapsed = beats ? (double)(now - r->stamp) / 1e9 : 0;
    for (unsigned i = 0; i < r->n_sources; i++)
        r->sources[i].value = value_now(&r->sources[i], elapsed);
    for (unsigned a = 0; a < RRD_ARCHIVES; a++) {
        if (!beats)
            pass(r, a, last, step - 1, false);
        pass(r, a, beats ? last : step - 1, step, true);
    }
    r->step = step;
    r->stamp = now;
}

/* ---- files ---- */

struct head {
    char magic[sizeof magic];
    uint32_t owner;
    char uuid[UUID_TEXT_SIZE];
    int64_t step;
    uint32_t n_sources, n[RRD_ARCHIVES];
};

struct source_head {
    char name[RRD_NAME_SIZE];
    uint32_t kind, kept;
    double min, max;
    struct {
        double sum;
        uint32_t known, unknown;
    } row[RRD_ARCHIVES];
};

static bool write_rows(const struct rrd *r, const struct rrd_source *s, FILE *f)
{
    bool good = true;
    for (unsigned a = 0; a < RRD_ARCHIVES; a++)
        for (unsigned i = r->ring[a].n; i > 0 && s->kept && good; i--)
            good = fwrite(&s->rows[a][place(r, a, i - 1)], sizeof(float), 1, f) == 1;
    return good;
}

static bool write_source(const struct rrd *r, const struct rrd_source *s, FILE *f)
{
    struct source_head h;
    memset(&h, 0, sizeof h);
    memcpy(h.name, s->name, sizeof h.name);
    h.kind = s->kind;
    h.kept = s->kept;
    h.min = s->min;
    h.max = s->max;
    for (unsigned a = 0; a < RRD_ARCHIVES; a++) {
        h.row[a].sum = s->row[a].sum;
        h.row[a].known = s->row[a].known;
        h.row[a].unknown = s->row[a].unknown;
    }
    return fwrite(&h, sizeof h, 1, f) == 1 && write_rows(r, s, f);
}

bool rrd_write(const struct rrd *r, FILE *f)
{
    struct head h;
    memset(&h, 0, sizeof h);
    memcpy(h.magic, magic, sizeof h.magic);
    h.owner = r->owner;
    memcpy(h.uuid, r->uuid, sizeof h.uuid);
    h.step = r->step;
    h.n_sources = r->n_sources;
    for (unsigned a = 0; a < RRD_ARCHIVES; a++)
        h.n[a] = r->ring[a].n;
    bool good = fwrite(&h, sizeof h, 1, f) == 1;
    for (unsigned i = 0; i < r->n_sources && good; i++)
        good = write_source(r, &r->sources[i], f);
    return good;
}

static bool is_sound_head(const struct head *h)
{
    bool good = memcmp(h->magic, magic, sizeof h->magic) == 0 && h->owner <= RRD_VM &&
                h->uuid[UUID_TEXT_SIZE - 1] == '\0' && uuid_is_valid(h->uuid) && h->step > 0 &&
                h->step < INT32_MAX && h->n_sources <= RRD_SOURCES_MAX;
    for (unsigned a = 0; a < RRD_ARCHIVES; a++)
        good = good && h->n[a] <= rrd_shapes[a].rows;
    return good;
}

static bool is_sound_source(const struct source_head *h)
{
    bool good = h->name[0] && memchr(h->name, '\0', sizeof h->name) && h->kind <= RRD_DERIVE &&
                h->kept <= 1 && !isnan(h->min) && !isnan(h->max);
    for (const char *p = h->name; good && *p; p++)
        good = isalnum((unsigned char)*p) || strchr("_-.", *p);
    for (unsigned a = 0; a < RRD_ARCHIVES; a++)
        good = good && isfinite(h->row[a].sum) && h->row[a].known <= rrd_shapes[a].pdps &&
               h->row[a].unknown <= rrd_shapes[a].pdps;
    return good;
}

static bool read_source(struct rrd *r, FILE *f)
{
    struct source_head h;
    if (fread(&h, sizeof h, 1, f) != 1 || !is_sound_source(&h) || rrd_find(r, h.name))
        return false;
    struct rrd_source *s = add_source(r, h.name);
    s->kind = (enum rrd_kind)h.kind;
    s->min = h.min;
    s->max = h.max;
    if (!h.kept)
        rrd_keep(r, s, false);
    bool good = true;
    for (unsigned a = 0; a < RRD_ARCHIVES; a++) {
        s->row[a].sum = h.row[a].sum;
        s->row[a].known = h.row[a].known;
        s->row[a].unknown = h.row[a].unknown;
        unsigned n = h.kept ? r->ring[a].n : 0;
        good = good && fread(s->rows[a], sizeof(float), n, f) == n;
    }
    return good;
}

struct rrd *rrd_read(FILE *f)
{
    struct head h;
    if (fread(&h, sizeof h, 1, f) != 1 || !is_sound_head(&h))
        return NULL;
    struct rrd *r = rrd_new((enum rrd_owner)h.owner, h.uuid);
    bool good = true;
    r->step = h.step;
    for (unsigned a = 0; a < RRD_ARCHIVES; a++)
        r->ring[a].n = r->ring[a].room = h.n[a];
    for (unsigned i = 0; i < h.n_sources && good; i++)
        good = read_source(r, f);
    if (good)
        return r;
    rrd_free(r);
    return NULL;
}
