#include "xapid/pool_db/dump.h"
#include <talloc.h>
#include "config.h"
#include "db/feed.h"
#include "db/store.h"
#include "lib/mem.h"
#include "xapid/pool_db/xml_text.h"

enum { PIECE = 32 * 1024 };

struct dump {
    struct batch *batch;
    struct batch_reader reader;
    const struct model_class *table; /* that is open; NULL: none yet */
    bool begun, ended;
};

struct dump *dump_new(struct db *db)
{
    struct dump *d = mem_zalloc(sizeof *d);
    d->batch = feed_snapshot(db);
    batch_read(d->batch, &d->reader);
    return d;
}

void dump_free(struct dump *d)
{
    batch_free(d->batch);
    free(d);
}

uint64_t dump_generation(const struct dump *d)
{
    return d->batch->generation;
}

static void add_head(struct dump *d, struct buf *out)
{
    buf_printf(out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<database>\n<manifest>"
               "<pair key=\"schema_version\" value=\"%d\"/><pair key=\"generation\" value=\"%llu\"/>"
               "<pair key=\"made_by\" value=\"%s\"/></manifest>\n",
               SCHEMA_VERSION, (unsigned long long)d->batch->generation, PACKAGE_STRING);
    d->begun = true;
}

static void open_table(struct dump *d, const struct model_class *c, struct buf *out)
{
    if (c == d->table)
        return;
    if (d->table)
        buf_add_lit(out, "</table>\n");
    if (c)
        buf_printf(out, "<table name=\"%s\">\n", c->name);
    d->table = c;
}

static void add_value(void *mem, struct buf *out, const struct model_type *t, const struct batch_value *v)
{
    union value value = {.i = v->i};
    if (t->kind == KIND_STRING || t->kind == KIND_SET || t->kind == KIND_MAP) {
        xml_text_add(out, v->text, v->length);
        return;
    }
    if (t->kind == KIND_REF)
        value.r = v->ref;
    else if (t->kind == KIND_FLOAT)
        value.f = v->f;
    else if (t->kind == KIND_BOOL)
        value.b = v->i != 0;
    const char *text = value_to_text(mem, t, value);
    xml_text_add(out, text, strlen(text));
}

/* Values that the file does not keep are read past. */
static void add_fields(struct dump *d, const struct model_class *c, const struct batch_change *row,
                       struct buf *out)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    for (unsigned i = 0; i < c->n_fields; i++) {
        struct batch_value v;
        if (!field_mask_has(&row->fields, i))
            continue;
        batch_next_value(&d->reader, c->fields[i].type->kind, &v);
        if (!field_has_column(c, &c->fields[i]))
            continue;
        buf_printf(out, " %s=\"", c->fields[i].name);
        add_value(mem, out, c->fields[i].type, &v);
        buf_add_char(out, '"');
    }
}

static void add_row(struct dump *d, const struct batch_change *row, struct buf *out)
{
    const struct model_class *c = &model_classes[row->cls];
    char ref[REF_TEXT_SIZE];
    if (!c->persistent) {
        CLEANUP_BUF struct buf unused = {0};
        add_fields(d, c, row, &unused);
        return;
    }
    open_table(d, c, out);
    ref_format(row->ref, ref);
    buf_printf(out, "<row ref=\"%s\"", ref);
    add_fields(d, c, row, out);
    buf_add_lit(out, "/>\n");
}

bool dump_next(struct dump *d, struct buf *out)
{
    size_t full = out->len + PIECE;
    struct batch_change row;
    if (d->ended)
        return false;
    if (!d->begun)
        add_head(d, out);
    while (out->len < full && !d->ended) {
        if (batch_next(&d->reader, &row)) {
            add_row(d, &row, out);
            continue;
        }
        open_table(d, NULL, out);
        buf_add_lit(out, "</database>\n");
        d->ended = true;
    }
    return true;
}
