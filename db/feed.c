#include "db/feed.h"
#include <jansson.h>
#include <stdlib.h>
#include "db/db_private.h"
#include "lib/mem.h"

struct feed {
    struct batch_list kept; /* one a generation, without gaps */
    size_t bytes, max_bytes;
};

/* ---- what was committed lately ---- */

static void drop_first(struct feed *f)
{
    struct batch *b = STAILQ_FIRST(&f->kept);

    STAILQ_REMOVE_HEAD(&f->kept, link);
    f->bytes -= b->data.cap + sizeof *b;
    batch_free(b);
}

static void drop_excess(struct feed *f)
{
    while (f->bytes > f->max_bytes && !STAILQ_EMPTY(&f->kept))
        drop_first(f);
}

void db_feed_start(struct db *db, size_t max_bytes)
{
    if (!db->feed) {
        db->feed = mem_zalloc(sizeof *db->feed);
        STAILQ_INIT(&db->feed->kept);
    }
    db->feed->max_bytes = max_bytes;
    drop_excess(db->feed);
}

void db_feed_stop(struct db *db)
{
    if (!db->feed)
        return;
    while (!STAILQ_EMPTY(&db->feed->kept))
        drop_first(db->feed);
    free(db->feed);
    db->feed = NULL;
}

void feed_put(struct feed *f, struct batch *b)
{
    STAILQ_INSERT_TAIL(&f->kept, b, link);
    f->bytes += b->data.cap + sizeof *b;
    drop_excess(f);
}

const struct batch *feed_next(const struct db *db, uint64_t generation, bool *ret_lost)
{
    const struct batch *b = db->feed ? STAILQ_FIRST(&db->feed->kept) : NULL;

    *ret_lost = generation > db->generation ||
                (generation < db->generation && (!b || b->generation > generation + 1));
    if (*ret_lost)
        return NULL;
    while (b && b->generation <= generation)
        b = STAILQ_NEXT(b, link);
    return b;
}

/* ---- everything ---- */

struct batch *feed_snapshot(struct db *db)
{
    struct batch *b = batch_new();

    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        for (const struct row *row = model_classes[cls].stored ? db_first(db, cls) : NULL; row;
             row = db_next(row))
            batch_add(b, BATCH_INSERT, row, &db->classes[cls].cells);
    }
    b->generation = db->generation;
    return b;
}

/* ---- what the numbers mean ---- */

static json_t *names_of(const struct model_enum *e)
{
    json_t *names = json_array();

    for (unsigned i = 0; i < e->n; i++)
        json_array_append_new(names, json_string(e->values[i]));
    return names;
}

/* [name, type, kind] and, for an enum, its values. */
static json_t *describe_field(const struct model_field *f)
{
    json_t *field = json_pack("[s, s, i]", f->name, f->type->name, (int)f->type->kind);

    if (f->type->kind == KIND_ENUM)
        json_array_append_new(field, names_of(f->type->enums));
    return field;
}

static json_t *describe_class(const struct model_class *c)
{
    json_t *fields = json_array();

    for (unsigned i = 0; i < c->n_fields; i++)
        json_array_append_new(fields, describe_field(&c->fields[i]));
    return json_pack("[s, o]", c->name, fields);
}

void feed_describe(struct buf *out)
{
    json_t *classes = json_array();
    char *text;

    for (unsigned cls = 0; cls < CLASS_COUNT; cls++)
        json_array_append_new(classes, describe_class(&model_classes[cls]));
    text = json_dumps(classes, JSON_COMPACT);
    if (!text)
        mem_abort();
    buf_add_str(out, text);
    free(text);
    json_decref(classes);
}
