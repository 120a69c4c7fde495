#include "xe/out.h"

#include <stdarg.h>
#include <string.h>
#include "lib/mem.h"

/* Add a row to the record being made. */
void table_row(struct table *t, const char *label, const char *value)
{
    if (t->n_rows == t->cap_rows) {
        t->cap_rows = t->cap_rows ? 2 * t->cap_rows : 64;
        t->rows = mem_resize(t->rows, t->cap_rows * sizeof(t->rows[0]));
    }
    t->rows[t->n_rows++] = (struct table_row){label, value};
}

/* End the record being made. */
void table_end_record(struct table *t)
{
    if (t->n_records == t->cap_records) {
        t->cap_records = t->cap_records ? 2 * t->cap_records : 16;
        t->ends = mem_resize(t->ends, t->cap_records * sizeof(t->ends[0]));
    }
    t->ends[t->n_records++] = t->n_rows;
}

/* Release the arrays, not the texts. */
void table_free(struct table *t)
{
    free(t->rows);
    free(t->ends);
    *t = (struct table){0};
}

/* Four more than the longest label. */
static int label_width(const struct table_row *rows, unsigned n)
{
    size_t longest = 0;

    for (unsigned i = 0; i < n; i++)
        if (strlen(rows[i].label) > longest)
            longest = strlen(rows[i].label);
    return (int)longest + 4;
}

static void write_record(FILE *file, const struct table_row *rows, unsigned n)
{
    int width = label_width(rows, n);

    for (unsigned i = 0; i < n; i++)
        fprintf(file, i == 0 ? "%-*s: %s\n" : "%*s: %s\n", width, rows[i].label, rows[i].value);
    fputs("\n\n", file);
}

static void add_escaped(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == ',' || *text == '\\')
            buf_add_char(b, '\\');
        buf_add_char(b, *text);
    }
}

/* Put block before what is there. */
static void put_first(struct out *o, struct buf *block)
{
    if (block->len > 0 && o->line.len > 0)
        buf_add_char(block, ',');
    buf_add(block, o->line.data, o->line.len);
    buf_free(&o->line);
    o->line = *block;
}

static void table_minimal(struct out *o, const struct table *t)
{
    struct buf block = {0};
    unsigned start = 0;

    for (unsigned i = 0; i < t->n_records; start = t->ends[i++]) {
        if (t->ends[i] == start) {
            buf_reset(&block);
            break;
        }
        if (i > 0)
            buf_add_char(&block, ',');
        add_escaped(&block, t->rows[start].value);
    }
    put_first(o, &block);
}

/* One block of records. */
void out_table(struct out *o, const struct table *t)
{
    unsigned start = 0;

    if (o->minimal) {
        table_minimal(o, t);
        return;
    }
    for (unsigned i = 0; i < t->n_records; start = t->ends[i++])
        write_record(o->file, t->rows + start, t->ends[i] - start);
}

/* A list of n items. */
void out_list(struct out *o, const char *const *items, unsigned n)
{
    struct buf block = {0};

    for (unsigned i = 0; i < n; i++) {
        if (!o->minimal) {
            fprintf(o->file, "%s\n", items[i]);
            continue;
        }
        if (i > 0)
            buf_add_char(&block, ',');
        add_escaped(&block, items[i]);
    }
    if (o->minimal)
        put_first(o, &block);
}

/* A list of one. */
void out_item(struct out *o, const char *item)
{
    out_list(o, &item, 1);
}

/* A line of plain text. */
void out_text(struct out *o, const char *text)
{
    if (!o->minimal)
        fprintf(o->file, "%s\n", text);
}

/* Bytes for stdout in either form. */
void out_direct(struct out *o, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(o->file, fmt, ap);
    va_end(ap);
}

/* Write what is pending. */
bool out_finish(struct out *o)
{
    if (o->minimal) {
        buf_add_char(&o->line, '\n');
        fwrite(o->line.data, 1, o->line.len, o->file);
    }
    buf_free(&o->line);
    return fflush(o->file) == 0 && !ferror(o->file);
}
