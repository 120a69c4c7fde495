/* Reading a database from XML as it comes in, with libxml2's push parser. */
#include <stdarg.h>
#include <string.h>
#include <talloc.h>
#include <libxml/parser.h>
#include "db/store.h"
#include "lib/mem.h"
#include "model/errors.gen.h"
#include "xapid/pool_db/dump.h"
#include "xapid/pool_db/xml_text.h"

/* Where in the document: inside how many elements, and of which kind. */
enum place { OUTSIDE, DATABASE, MANIFEST, PAIR, TABLE, ROW };

/* So many rows share a transaction. */
enum { ROWS_MAX = 256 };

struct dump_reader {
    xmlParserCtxtPtr parser;
    struct db *db;
    struct txn *txn;
    enum place place;
    const struct model_class *table; /* that is open; NULL: one that the model does not know */
    bool whole, has_version;
    unsigned rows_in_txn;
    void *mem; /* of the row at hand */
    struct err *error;
};

/* ---- failing ---- */

static void __attribute__((format(printf, 2, 3))) fail(struct dump_reader *r, const char *fmt, ...)
{
    CLEANUP_TALLOC char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    text = talloc_vasprintf(NULL, fmt, ap);
    va_end(ap);
    err_internal(r->error, "the database in XML cannot be read, line %d: %s", xmlSAX2GetLineNumber(r->parser),
                 text);
    xmlStopParser(r->parser);
}

static bool failed(const struct dump_reader *r)
{
    return err_is_set(r->error);
}

/* ---- attributes ---- */

/* As libxml2 gives them: five pointers each. */
struct attributes {
    const xmlChar **list;
    int n;
};

static const char *attribute_name(const struct attributes *a, int i)
{
    return (const char *)a->list[i * 5];
}

static char *attribute_value(struct dump_reader *r, const struct attributes *a, int i)
{
    const char *begin = (const char *)a->list[i * 5 + 3], *end = (const char *)a->list[i * 5 + 4];
    char *text = xml_text_read(r->mem, begin, (size_t)(end - begin));
    if (!text)
        fail(r, "the value of %s is no text", attribute_name(a, i));
    return text;
}

/* NULL with a failure when it is not there. */
static char *wanted_attribute(struct dump_reader *r, const struct attributes *a, const char *name)
{
    for (int i = 0; i < a->n; i++)
        if (strcmp(attribute_name(a, i), name) == 0)
            return attribute_value(r, a, i);
    fail(r, "the attribute %s is missing", name);
    return NULL;
}

/* ---- elements ---- */

static void open_pair(struct dump_reader *r, const struct attributes *a)
{
    const char *key = wanted_attribute(r, a, "key");
    const char *value = key ? wanted_attribute(r, a, "value") : NULL;
    union value version;
    if (!value || strcmp(key, "schema_version") != 0)
        return;
    if (!value_from_text(r->mem, &model_type_int, value, &version) || version.i < 1) {
        fail(r, "the schema version is no version");
        return;
    }
    r->has_version = true;
    if (version.i > SCHEMA_VERSION) {
        err_restore_incompatible_version(r->error);
        xmlStopParser(r->parser);
    }
}

static void open_table(struct dump_reader *r, const struct attributes *a)
{
    const char *name = wanted_attribute(r, a, "name");
    if (!name)
        return;
    r->table = model_class_by_name(name);
    if (r->table && !(r->table->stored && r->table->persistent))
        r->table = NULL;
    if (!r->has_version)
        fail(r, "there is no manifest with a schema version before the tables");
}

static void set_field(struct dump_reader *r, const struct row *row, const char *name, const char *text)
{
    const struct model_field *f = model_field_by_name(r->table, name);
    union value v;
    if (!f || !field_has_column(r->table, f))
        return;
    if (f->type->kind == KIND_STRING)
        v.s = text;
    else if (!value_from_text(r->mem, f->type, text, &v)) {
        fail(r, "%s.%s has a value that is no %s", r->table->name, name, f->type->name);
        return;
    }
    db_set(r->txn, row, (unsigned)(f - r->table->fields), v);
}

static void commit(struct dump_reader *r)
{
    if (r->txn)
        (void)db_commit(r->txn, r->error);
    r->txn = NULL;
    r->rows_in_txn = 0;
}

static const struct row *make_row(struct dump_reader *r, const char *text)
{
    struct ref ref;
    if (!ref_parse(text, &ref) || ref_is_null(ref))
        fail(r, "a row of %s has no reference, but '%.60s'", r->table->name, text);
    else if (db_get(r->db, r->table->id, ref))
        fail(r, "there are two rows of %s with the reference %s", r->table->name, text);
    else {
        if (!r->txn)
            r->txn = db_begin(r->db);
        r->rows_in_txn++;
        return db_create(r->txn, r->table->id, ref);
    }
    return NULL;
}

static void open_row(struct dump_reader *r, const struct attributes *a)
{
    const char *ref = r->table ? wanted_attribute(r, a, "ref") : NULL;
    const struct row *row = ref ? make_row(r, ref) : NULL;
    for (int i = 0; row && i < a->n && !failed(r); i++) {
        const char *text = attribute_value(r, a, i);
        if (text && strcmp(attribute_name(a, i), "ref") != 0)
            set_field(r, row, attribute_name(a, i), text);
    }
}

static const struct {
    const char *name;
    enum place in, place;
    void (*open)(struct dump_reader *r, const struct attributes *a);
} elements[] = {
    {"database", OUTSIDE, DATABASE, NULL}, {"manifest", DATABASE, MANIFEST, NULL},
    {"pair", MANIFEST, PAIR, open_pair},   {"table", DATABASE, TABLE, open_table},
    {"row", TABLE, ROW, open_row},
};
enum { N_ELEMENTS = sizeof elements / sizeof *elements };

/* ---- the parser's callbacks ---- */

static void on_open(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                    int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
                    const xmlChar **attributes)
{
    struct dump_reader *r = data;
    const struct attributes a = {attributes, n_attributes};
    if (failed(r))
        return;
    for (unsigned i = 0; i < N_ELEMENTS; i++) {
        if (elements[i].in != r->place || strcmp((const char *)name, elements[i].name) != 0)
            continue;
        r->place = elements[i].place;
        if (elements[i].open)
            elements[i].open(r, &a);
        talloc_free_children(r->mem);
        return;
    }
    fail(r, "there is no place for an element '%.60s' here", (const char *)name);
}

static void on_close(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct dump_reader *r = data;
    if (failed(r))
        return;
    for (unsigned i = 0; i < N_ELEMENTS; i++)
        if (elements[i].place == r->place) {
            r->whole = r->place == DATABASE;
            r->place = elements[i].in;
            break;
        }
    if (r->rows_in_txn >= ROWS_MAX)
        commit(r);
}

static void on_text(void *data, const xmlChar *s, int n)
{
    struct dump_reader *r = data;
    for (int i = 0; i < n && !failed(r); i++)
        if (!strchr(" \t\r\n", s[i]) || !s[i])
            fail(r, "there is no place for text here");
}

static void on_doctype(void *data, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    fail(data, "a document type is not allowed");
}

static void on_entity(void *data, const xmlChar *name)
{
    fail(data, "entities are not allowed");
}

static xmlEntityPtr no_entity(void *data, const xmlChar *name)
{
    return xmlGetPredefinedEntity(name);
}

static void on_error(void *data, xmlErrorPtr error)
{
    struct dump_reader *r = data;
    if (error->level == XML_ERR_FATAL && !failed(r))
        err_internal(r->error, "the database in XML cannot be read, line %d: %.*s", error->line,
                     (int)strcspn(error->message, "\n"), error->message);
}

static xmlSAXHandler callbacks = {
    .initialized = XML_SAX2_MAGIC,
    .internalSubset = on_doctype,
    .getEntity = no_entity,
    .reference = on_entity,
    .startElementNs = on_open,
    .endElementNs = on_close,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_text,
    .serror = on_error,
};

/* ---- life ---- */

struct dump_reader *dump_reader_new(struct db *db)
{
    struct dump_reader *r = mem_zalloc(sizeof *r);
    r->db = db;
    r->mem = talloc_new(NULL);
    r->parser = xmlCreatePushParserCtxt(&callbacks, r, NULL, 0, NULL);
    if (!r->parser)
        mem_abort();
    /* NOENT: without it an ampersand in an attribute would come as a character reference. There are no
     * entities but XML's own (no_entity). */
    xmlCtxtUseOptions(r->parser, XML_PARSE_NOENT | XML_PARSE_NONET | XML_PARSE_NOWARNING);
    return r;
}

void dump_reader_free(struct dump_reader *r)
{
    xmlFreeParserCtxt(r->parser);
    talloc_free(r->mem);
    free(r);
}

static int parse(struct dump_reader *r, const char *bytes, size_t n, bool last, struct err *e)
{
    r->error = e;
    int rc = xmlParseChunk(r->parser, bytes, (int)n, last);
    if (failed(r) && r->txn) {
        db_abort(r->txn);
        r->txn = NULL;
    }
    commit(r);
    if (rc != 0 && !failed(r))
        err_internal(e, "the database in XML is not well formed");
    return failed(r) ? -1 : 0;
}

int dump_reader_feed(struct dump_reader *r, const char *bytes, size_t n, struct err *e)
{
    return parse(r, bytes, n, false, e);
}

int dump_reader_end(struct dump_reader *r, struct err *e)
{
    if (parse(r, "", 0, true, e) < 0)
        return -1;
    return r->whole ? 0 : err_internal(e, "the database in XML ends too early");
}
