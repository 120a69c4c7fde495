#include "xapid/rrd/text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lib/cleanup.h"
#include "lib/fiber.h"
#include "lib/mem.h"

static const char *const owners[] = {"host", "vm"};

void rrd_format_number(char text[RRD_NUMBER_SIZE], double value)
{
    if (isnan(value))
        strcpy(text, "NaN");
    else if (isinf(value))
        strcpy(text, value > 0 ? "Infinity" : "-Infinity");
    else if (value == 0)
        strcpy(text, "0.0");
    else
        snprintf(text, RRD_NUMBER_SIZE, "%.15g", value);
}

/* ---- writing in either language: names are plain, numbers are text ---- */

struct text {
    struct buf *out;
    bool json;
    bool begun; /* JSON: something stands before in this object or array */
};

static void separate(struct text *t)
{
    if (t->json && t->begun)
        buf_add_char(t->out, ',');
    t->begun = true;
}

/* An element; in JSON a member of this name (NULL: an item of an array) that `opening` begins. */
static void open_element(struct text *t, const char *element, const char *member, char opening)
{
    separate(t);
    if (!t->json)
        buf_printf(t->out, "<%s>", element);
    else if (member)
        buf_printf(t->out, "\"%s\":%c", member, opening);
    else
        buf_add_char(t->out, opening);
    t->begun = false;
}

static void close_element(struct text *t, const char *element, char closing)
{
    if (t->json)
        buf_add_char(t->out, closing);
    else
        buf_printf(t->out, "</%s>", element);
    t->begun = true;
}

static void add_text(struct text *t, const char *name, bool is_item, const char *value)
{
    separate(t);
    if (!t->json)
        buf_printf(t->out, "<%s>%s</%s>", name, value, name);
    else if (is_item)
        buf_printf(t->out, "\"%s\"", value);
    else
        buf_printf(t->out, "\"%s\":\"%s\"", name, value);
}

static void add_value(struct text *t, const char *name, bool is_item, double value)
{
    char number[RRD_NUMBER_SIZE];
    rrd_format_number(number, value);
    add_text(t, name, is_item, number);
}

static void add_int(struct text *t, const char *name, int64_t value)
{
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)value);
    add_text(t, name, false, number);
}

/* ---- updates ---- */

/* The finest archive that has rows of the interval and reaches back to the start. */
static unsigned choose(int64_t start, int64_t interval, int64_t now)
{
    for (unsigned a = 0; a < RRD_ARCHIVES; a++) {
        int64_t row = (int64_t)rrd_shapes[a].pdps * RRD_STEP;
        if (row >= interval && start >= now - row * rrd_shapes[a].rows)
            return a;
    }
    return RRD_ARCHIVES - 1;
}

/* What is told: sources by number, since others may come while it is told. */
struct column {
    const struct rrd *rrd;
    unsigned source;
};

enum { VALUES_A_SLICE = 20000 };

static unsigned list_columns(struct rrd *const *rrds, unsigned n, struct column **ret)
{
    unsigned most = 1, columns = 0;
    for (unsigned i = 0; i < n; i++)
        most += rrds[i]->n_sources;
    *ret = mem_zalloc(most * sizeof **ret);
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < rrds[i]->n_sources; k++)
            if (rrds[i]->sources[k].kept)
                (*ret)[columns++] = (struct column){rrds[i], k};
    return columns;
}

static void add_legend(struct text *t, const struct column *columns, unsigned n)
{
    open_element(t, "legend", "legend", '[');
    for (unsigned i = 0; i < n; i++) {
        const struct rrd *r = columns[i].rrd;
        char entry[RRD_NAME_SIZE + 80];
        snprintf(entry, sizeof entry, "AVERAGE:%s:%s:%s", owners[r->owner], r->uuid,
                 r->sources[columns[i].source].name);
        add_text(t, "entry", true, entry);
    }
    close_element(t, "legend", ']');
}

static void add_row(struct text *t, const struct column *columns, unsigned n, unsigned archive, int64_t at)
{
    open_element(t, "row", NULL, '{');
    add_int(t, "t", at);
    if (t->json)
        open_element(t, "values", "values", '[');
    for (unsigned i = 0; i < n; i++) {
        const struct rrd *r = columns[i].rrd;
        add_value(t, "v", true, rrd_row(r, &r->sources[columns[i].source], archive, at));
    }
    if (t->json)
        close_element(t, "values", ']');
    close_element(t, "row", '}');
}

/* The first row after the start, of those that an archive can have. */
static int64_t first_row(int64_t start, int64_t step, int64_t end, unsigned rows)
{
    int64_t first = start > 0 ? (start + step - 1) / step * step : 0;
    int64_t oldest = end - step * (rows - 1);
    return first > oldest ? first : oldest;
}

int co_rrd_write_updates(struct buf *out, bool json, struct rrd *const *rrds, unsigned n, int64_t start,
                         int64_t interval, int64_t now)
{
    CLEANUP_FREE struct column *columns = NULL;
    struct text t = {.out = out, .json = json};
    unsigned a = choose(start, interval, now), n_columns = list_columns(rrds, n, &columns), told = 0;
    int64_t step = (int64_t)rrd_shapes[a].pdps * RRD_STEP, end = 0;
    int r = 0;
    for (unsigned i = 0; i < n; i++)
        end = rrd_last_row(rrds[i], a) > end ? rrd_last_row(rrds[i], a) : end;
    int64_t first = first_row(start, step, end, rrd_shapes[a].rows);
    int64_t rows = end >= first && end > 0 ? (end - first) / step + 1 : 0;
    open_element(&t, "xport", NULL, '{');
    open_element(&t, "meta", "meta", '{');
    add_int(&t, "start", first);
    add_int(&t, "step", step);
    add_int(&t, "end", end);
    add_int(&t, "rows", rows);
    add_int(&t, "columns", n_columns);
    add_legend(&t, columns, n_columns);
    close_element(&t, "meta", '}');
    open_element(&t, "data", "data", '[');
    for (unsigned i = 0; i < n; i++)
        rrds[i]->refs++;
    for (int64_t i = 0; i < rows && r == 0; i++) {
        add_row(&t, columns, n_columns, a, end - i * step);
        if ((told += n_columns) > VALUES_A_SLICE) {
            told = 0;
            r = co_yield();
        }
    }
    for (unsigned i = 0; i < n; i++)
        rrd_free(rrds[i]);
    close_element(&t, "data", ']');
    close_element(&t, "xport", '}');
    return r;
}

/* ---- all of it ---- */

static void add_sources(struct text *t, const struct rrd *r)
{
    if (t->json)
        open_element(t, "ds", "ds", '[');
    for (unsigned i = 0; i < r->n_sources; i++) {
        const struct rrd_source *s = &r->sources[i];
        if (!s->kept)
            continue;
        open_element(t, "ds", NULL, '{');
        add_text(t, "name", false, s->name);
        add_text(t, "type", false, s->kind == RRD_DERIVE ? "DERIVE" : "GAUGE");
        add_value(t, "minimal_heartbeat", false, 300);
        add_value(t, "min", false, s->min);
        add_value(t, "max", false, s->max);
        add_value(t, "last_ds", false, s->counter);
        add_value(t, "value", false, s->value);
        add_int(t, "unknown_sec", 0);
        close_element(t, "ds", '}');
    }
    if (t->json)
        close_element(t, "ds", ']');
}

static void add_preparation(struct text *t, const struct rrd *r, unsigned a)
{
    open_element(t, "cdp_prep", "cdp_prep", '[');
    for (unsigned i = 0; i < r->n_sources; i++) {
        const struct rrd_source *s = &r->sources[i];
        if (!s->kept)
            continue;
        open_element(t, "ds", NULL, '{');
        add_value(t, "primary_value", false, s->value);
        add_value(t, "secondary_value", false, 0);
        add_value(t, "value", false, s->row[a].sum);
        add_int(t, "unknown_datapoints", s->row[a].unknown);
        close_element(t, "ds", '}');
    }
    close_element(t, "cdp_prep", ']');
}

static void add_database(struct text *t, const struct rrd *r, unsigned a)
{
    int64_t step = (int64_t)rrd_shapes[a].pdps * RRD_STEP;
    open_element(t, "database", "database", '[');
    for (unsigned age = rrd_shapes[a].rows; age > 0; age--) {
        open_element(t, "row", NULL, '[');
        for (unsigned i = 0; i < r->n_sources; i++)
            if (r->sources[i].kept)
                add_value(t, "v", true,
                          rrd_row(r, &r->sources[i], a, rrd_last_row(r, a) - (int64_t)(age - 1) * step));
        close_element(t, "row", ']');
    }
    close_element(t, "database", ']');
}

static void add_archive(struct text *t, const struct rrd *r, unsigned a)
{
    open_element(t, "rra", NULL, '{');
    add_text(t, "cf", false, "AVERAGE");
    add_int(t, "pdp_per_row", rrd_shapes[a].pdps);
    open_element(t, "params", "params", '{');
    add_value(t, "xff", false, 0.5);
    close_element(t, "params", '}');
    add_preparation(t, r, a);
    add_database(t, r, a);
    close_element(t, "rra", '}');
}

void rrd_write_whole(struct buf *out, bool json, const struct rrd *r)
{
    struct text t = {.out = out, .json = json};
    open_element(&t, "rrd", NULL, '{');
    add_text(&t, "version", false, "0003");
    add_int(&t, "step", RRD_STEP);
    add_int(&t, "lastupdate", r->step * RRD_STEP);
    add_sources(&t, r);
    if (json)
        open_element(&t, "rra", "rra", '[');
    for (unsigned a = 0; a < RRD_ARCHIVES; a++)
        add_archive(&t, r, a);
    if (json)
        close_element(&t, "rra", ']');
    close_element(&t, "rrd", '}');
}
