#include "db/batch.h"
#include <stdlib.h>
#include <talloc.h>
#include "db/cell.h"
#include "lib/mem.h"

struct batch *batch_new(void)
{
    return mem_zalloc(sizeof(struct batch));
}

void batch_free(struct batch *b)
{
    buf_free(&b->data);
    free(b);
}

static void add_text(struct buf *out, const char *text)
{
    uint32_t n = (uint32_t)strlen(text);

    buf_add(out, &n, sizeof n);
    buf_add(out, text, n);
}

static void add_json(struct buf *out, const struct model_type *t, union value v)
{
    void *mem;

    if (!v.set) {
        add_text(out, t->kind == KIND_SET ? "[]" : "{}");
        return;
    }
    mem = talloc_new(NULL);
    add_text(out, value_to_text(mem, t, v));
    talloc_free(mem);
}

static void add_value(struct buf *out, const struct model_type *t, union value v)
{
    int64_t i;

    switch (t->kind) {
    case KIND_STRING:
        add_text(out, v.s);
        break;
    case KIND_SET:
    case KIND_MAP:
        add_json(out, t, v);
        break;
    case KIND_FLOAT:
        buf_add(out, &v.f, sizeof v.f);
        break;
    case KIND_REF:
        buf_add(out, &v.r, sizeof v.r);
        break;
    default:
        i = t->kind == KIND_BOOL ? v.b : v.i;
        buf_add(out, &i, sizeof i);
        break;
    }
}

void batch_add(struct batch *b, enum batch_op op, const struct row *row, const struct field_mask *fields)
{
    const struct model_class *c = &model_classes[row->cls];
    struct batch_change change;

    memset(&change, 0, sizeof change);
    change.op = op;
    change.cls = row->cls;
    change.ref = row->ref;
    change.created = row->created;
    change.modified = row->modified;
    if (op != BATCH_DELETE)
        change.fields = *fields;
    buf_add(&b->data, &change, sizeof change);
    for (unsigned i = 0; i < c->n_fields; i++) {
        if (field_mask_has(&change.fields, i))
            add_value(&b->data, c->fields[i].type, cell_load(row, &c->fields[i]));
    }
    b->n_changes++;
}

void batch_read(const struct batch *b, struct batch_reader *r)
{
    batch_read_bytes(b->data.data, b->data.len, r);
}

void batch_read_bytes(const char *data, size_t n, struct batch_reader *r)
{
    *r = (struct batch_reader){.at = data, .end = n > 0 ? data + n : data}; /* no data at all: NULL */
}

static bool has(struct batch_reader *r, size_t n)
{
    if (!r->bad && (size_t)(r->end - r->at) >= n)
        return true;
    r->at = r->end;
    r->bad = true;
    return false;
}

static void get(struct batch_reader *r, void *ret, size_t n)
{
    if (!has(r, n)) {
        memset(ret, 0, n);
        return;
    }
    memcpy(ret, r->at, n);
    r->at += n;
}

static void get_text(struct batch_reader *r, struct batch_value *ret)
{
    get(r, &ret->length, sizeof ret->length);
    if (!has(r, ret->length))
        ret->length = 0;
    ret->text = r->at;
    r->at += ret->length;
}

bool batch_next(struct batch_reader *r, struct batch_change *ret)
{
    if (r->at == r->end)
        return false;
    get(r, ret, sizeof *ret);
    return !r->bad;
}

void batch_next_value(struct batch_reader *r, enum model_kind kind, struct batch_value *ret)
{
    switch (kind) {
    case KIND_STRING:
    case KIND_SET:
    case KIND_MAP:
        get_text(r, ret);
        break;
    case KIND_FLOAT:
        get(r, &ret->f, sizeof ret->f);
        break;
    case KIND_REF:
        get(r, &ret->ref, sizeof ret->ref);
        break;
    default:
        get(r, &ret->i, sizeof ret->i);
        break;
    }
}
