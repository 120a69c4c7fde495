#ifndef DB_INDEX_H
#define DB_INDEX_H
/*
 * The indexes of a database: rows by reference, by uuid, by name-label, and by every reference that their
 * stored fields hold (one or a set). All are kept up to date change by change. Rows with the same name or
 * pointing at the same target form a group: an array sorted by order of creation, so that it can be walked
 * while it changes and an undone deletion returns to its place. The null reference is not indexed. Never
 * yields.
 */
#include "db/table.h"
#include "model/model.h"
#include "model/row.h"

struct index {
    struct table by_ref, by_uuid, groups;
};

/* Enter or take out a row as a whole. */
void index_add_row(struct index *x, struct row *row);
void index_remove_row(struct index *x, struct row *row);

/* The same for one field: take out before its cell changes, enter afterwards. Nothing for fields without an
 * index. */
void index_add_field(struct index *x, struct row *row, const struct model_field *f);
void index_remove_field(struct index *x, struct row *row, const struct model_field *f);

struct row *index_by_ref(const struct index *x, enum model_class_id cls, struct ref ref);

/* Of several rows with this uuid the one created first. */
struct row *index_by_uuid(const struct index *x, enum model_class_id cls, const char *uuid);

/* The rows of a group, in order of creation; *ret_n of them, NULL for none. Valid until the index changes. */
struct row *const *index_by_name(const struct index *x, enum model_class_id cls, const char *name,
                                 uint32_t *ret_n);
struct row *const *index_by_target(const struct index *x, enum model_class_id cls, unsigned field,
                                   struct ref target, uint32_t *ret_n);

/* Where in a sorted array the first row created at order or later stands. */
uint32_t index_position(struct row *const *rows, uint32_t n, uint32_t order);

void index_fini(struct index *x);

#endif
