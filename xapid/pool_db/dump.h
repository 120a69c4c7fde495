#ifndef XAPID_POOL_DB_DUMP_H
#define XAPID_POOL_DB_DUMP_H
/*
 * The database as XML: what GET /pool/xmldbdump sends and PUT takes.
 *
 *   <database>
 *     <manifest><pair key="schema_version" value="1"/><pair key="generation" value="4711"/>...</manifest>
 *     <table name="VM"><row ref="OpaqueRef:..." uuid="..." name_label="..." .../>...</table>...
 *   </database>
 *
 * Tables and attributes are the model's classes and persistent fields, values the database's texts: sets and
 * maps as JSON, references as OpaqueRef:..., in the form of xml_text.h. Never yields.
 */
#include "db/db.h"
#include "lib/buf.h"

struct dump;

/* One moment's state. To be freed. */
struct dump *dump_new(struct db *db);
void dump_free(struct dump *d);
uint64_t dump_generation(const struct dump *d);

/* Add the next piece, some ten KiB; false after the last one. */
bool dump_next(struct dump *d, struct buf *out);

/* ---- reading one ---- */

struct dump_reader;

/* Rows are made in db, which is empty; a transaction is open only within a call. */
struct dump_reader *dump_reader_new(struct db *db);
void dump_reader_free(struct dump_reader *r);

/* The next bytes of it, however they are cut. Errors: RESTORE_INCOMPATIBLE_VERSION for a newer program's,
 * else INTERNAL_ERROR with what is wrong and where. After one the reader is good for freeing only. Tables and
 * fields that the model does not know are left out. */
int dump_reader_feed(struct dump_reader *r, const char *bytes, size_t n, struct err *e);

/* That was all: is it a whole database? */
int dump_reader_end(struct dump_reader *r, struct err *e);

#endif
