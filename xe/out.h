#ifndef XE_OUT_H
#define XE_OUT_H
/*
 * What a command says on stdout, in the two forms scripts rely on: ordinary, or --minimal (one line of
 * comma-separated values, blocks in reverse order, written by out_finish). Direct text is the same in both.
 * Never yields.
 */
#include <stdbool.h>
#include <stdio.h>
#include "lib/buf.h"

struct out {
    FILE *file;
    bool minimal;
    struct buf line; /* the minimal line so far */
};

/* Records of labelled values, laid out in columns. Labels and values must live until the table is written. */
struct table_row {
    const char *label;
    const char *value;
};
struct table {
    unsigned n_rows, cap_rows, n_records, cap_records;
    struct table_row *rows;
    unsigned *ends; /* of record i: index of the row after its last */
};

/* Add a row to the record being made. */
void table_row(struct table *t, const char *label, const char *value);
/* End the record being made; also when it has no rows. */
void table_end_record(struct table *t);
void table_free(struct table *t);
#define CLEANUP_TABLE CLEANUP(table_free)

/* One block of records. Minimal: the first value of each; nothing when a record has no rows. */
void out_table(struct out *o, const struct table *t);

/* A list of n items, a line each. Minimal: the items. */
void out_list(struct out *o, const char *const *items, unsigned n);
void out_item(struct out *o, const char *item);

/* A line of plain text. Minimal: nothing. */
void out_text(struct out *o, const char *text);

/* Bytes for stdout in either form. */
void out_direct(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Write what is pending. False when stdout could not take everything. */
bool out_finish(struct out *o);

#endif
