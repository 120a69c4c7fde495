#include "xapid/carry.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <talloc.h>
#include <unistd.h>

static const enum model_class_id carried[] = {CLASS_SESSION, CLASS_TASK};
enum { N_CARRIED = sizeof carried / sizeof carried[0] };

/* ---- writing ---- */

static json_t *fields_of(void *mem, struct db *db, const struct row *row)
{
    const struct model_class *c = &model_classes[row->cls];
    json_t *fields = json_object();
    for (unsigned i = 0; i < c->n_fields; i++) {
        const struct model_field *f = &c->fields[i];
        if (!f->derived && !f->removed)
            json_object_set_new(fields, f->name,
                                json_string(value_to_text(mem, f->type, db_field(db, mem, row, f))));
    }
    return fields;
}

/* [[reference, {field: value}], …] */
static json_t *rows_of(struct db *db, enum model_class_id cls)
{
    json_t *rows = json_array();
    DB_FOREACH (db, cls, row) {
        CLEANUP_TALLOC void *mem = talloc_new(NULL);
        char ref[REF_TEXT_SIZE];
        ref_format(row->ref, ref);
        json_array_append_new(rows, json_pack("[s, o]", ref, fields_of(mem, db, row)));
    }
    return rows;
}

int carry_write(struct db *db)
{
    CLEANUP_FD int fd = memfd_create("xapid-sessions", MFD_CLOEXEC);
    json_t *all = json_object();
    for (unsigned i = 0; i < N_CARRIED; i++)
        json_object_set_new(all, model_classes[carried[i]].name, rows_of(db, carried[i]));
    int r = fd < 0 ? -errno : json_dumpfd(all, fd, JSON_COMPACT) < 0 ? -EIO : 0;
    json_decref(all);
    return r < 0 ? r : TAKE_FD(fd);
}

/* ---- reading ---- */

static void take_field(void *mem, struct txn *t, const struct row *row, const char *name, const char *text)
{
    const struct model_class *c = &model_classes[row->cls];
    const struct model_field *f = model_field_by_name(c, name);
    union value v;
    if (f && !f->derived && !f->removed && text && value_from_text(mem, f->type, text, &v))
        db_set(t, row, (unsigned)(f - c->fields), v);
}

static void take_row(struct txn *t, enum model_class_id cls, json_t *pair)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *text = json_string_value(json_array_get(pair, 0)), *name;
    json_t *fields = json_array_get(pair, 1), *value;
    struct ref ref;
    if (!text || !ref_parse(text, &ref) || ref_is_null(ref) || db_get(txn_db(t), cls, ref))
        return;
    const struct row *row = db_create(t, cls, ref);
    json_object_foreach (fields, name, value)
        take_field(mem, t, row, name, json_string_value(value));
}

static int take_all(struct db *db, json_t *all, struct err *e)
{
    struct txn *t = db_begin(db);
    for (unsigned i = 0; i < N_CARRIED; i++) {
        json_t *rows = json_object_get(all, model_classes[carried[i]].name);
        for (size_t k = 0; k < json_array_size(rows); k++)
            take_row(t, carried[i], json_array_get(rows, k));
    }
    return db_commit(t, e);
}

int carry_read(struct db *db, int fd, struct err *e)
{
    json_error_t error;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_errno(e, -errno, "reading the sessions");
    json_t *all = json_loadfd(fd, 0, &error);
    if (!all)
        return err_internal(e, "the sessions cannot be read: %s", error.text);
    int r = take_all(db, all, e);
    json_decref(all);
    return r;
}
