#include "xapid/event/batch.h"
#include <inttypes.h>
#include <stdio.h>
#include <talloc.h>
#include "xapid/implicit.h"

enum event_operation_kind { ADD, MOD, DEL, N_OPERATIONS };

struct event {
    enum model_class_id cls;
    struct ref ref;
    const struct row *row;
};

struct event_list {
    struct event *v;
    uint32_t n, cap;
};

struct event_batch {
    struct db *db;
    const struct event_filter *filter;
    uint64_t since;
    struct event_list messages[N_OPERATIONS], others[N_OPERATIONS];
};

static void append(struct event_batch *b, struct event_list *list, const struct db_change *c)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        list->v = talloc_realloc(b, list->v, struct event, list->cap);
    }
    list->v[list->n++] = (struct event){c->cls, c->ref, c->row};
}

/* What a client whose last look was at `since` must hear of a change; N_OPERATIONS: nothing. */
static enum event_operation_kind operation(const struct db_change *c, uint64_t since)
{
    if (c->created > since)
        return c->row ? ADD : N_OPERATIONS;
    return c->row ? MOD : DEL;
}

static void visit(const struct db_change *c, void *arg)
{
    struct event_batch *b = arg;
    enum event_operation_kind op = operation(c, b->since);
    if (op == N_OPERATIONS || !event_filter_wants(b->filter, c->cls, c->ref))
        return;
    append(b, c->cls == CLASS_MESSAGE ? &b->messages[op] : &b->others[op], c);
}

struct event_batch *event_collect(void *ctx, struct db *db, const struct event_filter *f, uint64_t since)
{
    struct event_batch *b = talloc_zero(ctx, struct event_batch);
    b->db = db;
    b->filter = f;
    b->since = since;
    db_changes_since(db, since, visit, b);
    return b;
}

bool event_batch_is_empty(const struct event_batch *b)
{
    uint32_t n = 0;
    for (unsigned op = 0; op < N_OPERATIONS; op++)
        n += b->messages[op].n + b->others[op].n;
    return n == 0;
}

struct due {
    const struct event_filter *filter;
    uint64_t since;
    bool found;
};

static void visit_due(const struct db_change *c, void *arg)
{
    struct due *d = arg;
    d->found |= operation(c, d->since) != N_OPERATIONS && event_filter_wants(d->filter, c->cls, c->ref);
}

bool event_is_due(struct db *db, const struct event_filter *f, uint64_t since)
{
    struct due d = {f, since, false};
    db_changes_since(db, since, visit_due, &d);
    return d.found;
}

static void write_event(struct enc *out, struct db *db, const struct event *ev, enum event_operation_kind op,
                        const char *timestamp, uint64_t id)
{
    static const char *const names[] = {"add", "mod", "del"};
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, id);
    enc_struct_begin(out);
    enc_member(out, "id");
    enc_string(out, text);
    enc_member(out, "timestamp");
    enc_string(out, timestamp);
    enc_member(out, "class");
    enc_string(out, model_classes[ev->cls].event_name);
    enc_member(out, "operation");
    enc_string(out, names[op]);
    enc_member(out, "ref");
    enc_ref(out, ev->ref);
    if (ev->row) {
        enc_member(out, "snapshot");
        implicit_write_record(out, db, ev->row);
    }
    enc_struct_end(out);
}

void event_batch_write(struct event_batch *b, struct enc *out, const char *timestamp, uint64_t *next_id)
{
    enc_array_begin(out);
    for (unsigned i = 0; i < 2 * N_OPERATIONS; i++) {
        enum event_operation_kind op = i % N_OPERATIONS;
        const struct event_list *list = i < N_OPERATIONS ? &b->messages[op] : &b->others[op];
        for (uint32_t k = 0; k < list->n; k++)
            write_event(out, b->db, &list->v[k], op, timestamp, (*next_id)++);
    }
    enc_array_end(out);
}
