#ifndef DB_CELL_H
#define DB_CELL_H
/*
 * The typed cells of a row: values at the offsets the model gives. Text, sets and maps are immutable, counted
 * and, where that can pay, shared between all rows of a database that hold an equal one (platform maps,
 * allowed operations, bios strings and the like are the same in thousands of rows). Each is one block of
 * memory with everything it contains inside it. Empty sets and maps are NULL; empty text is "". Of the loop's
 * thread only. Never yields; aborts when memory runs out.
 */
#include <stdbool.h>
#include "db/table.h"
#include "model/model.h"
#include "model/row.h"

/* The shared blocks of one database. */
struct cell_pool {
    struct table shared;
    uint64_t n_blocks; /* alive, shared or not */
};

union value cell_load(const struct row *row, const struct model_field *f);

/* Overwrite the cell; what was in it is the caller's to drop. v must be owned (cell_own). */
void cell_store(struct row *row, const struct model_field *f, union value v);

/* A reference of one's own to a value equal to v, whose memory is somebody else's. share: look for an equal
 * block. */
union value cell_own(struct cell_pool *pool, const struct model_type *t, union value v, bool share);

/* One more reference to a value that is in a cell already. */
void cell_ref(const struct model_type *t, union value v);
void cell_drop(struct cell_pool *pool, const struct model_type *t, union value v);

/* Does the cell own memory at all? */
static inline bool cell_is_counted(const struct model_type *t)
{
    return t->kind == KIND_STRING || t->kind == KIND_SET || t->kind == KIND_MAP;
}

/* Does the field stand in the row? Derived and removed ones do not. */
static inline bool field_has_cell(const struct model_field *f)
{
    return !f->derived && !f->removed && f->type->kind != KIND_VOID && f->type->kind != KIND_RECORD &&
           f->type->kind != KIND_OPTION;
}

void cell_pool_fini(struct cell_pool *pool);

#endif
