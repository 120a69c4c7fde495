#include "rpc/request.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include <libxml/parser.h>
#include "lib/mem.h"
#include "lib/utf8.h"
#include "rpc/xml_tree.h"

/* The parser is kept from call to call, since making one costs more than reading a small request. */
static xmlParserCtxtPtr parser;

enum { DICTIONARY_KEPT = 2000 };

struct reader {
    xmlParserCtxtPtr parser;
    struct xml_tree tree;
};

static void stop_if_failed(struct reader *r)
{
    if (r->tree.reason != NULL)
        xmlStopParser(r->parser);
}

static void on_open(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                    int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
                    const xmlChar **attributes)
{
    struct reader *r = data;
    if (r->tree.reason == NULL)
        xml_tree_open(&r->tree, (const char *)name);
    stop_if_failed(r);
}

static void on_close(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct reader *r = data;
    if (r->tree.reason == NULL)
        xml_tree_close(&r->tree);
    stop_if_failed(r);
}

static void on_text(void *data, const xmlChar *s, int n)
{
    struct reader *r = data;
    if (r->tree.reason == NULL)
        xml_tree_text(&r->tree, (const char *)s, (size_t)n);
}

static void on_doctype(void *data, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    struct reader *r = data;
    xml_tree_fail(&r->tree, "a document type is not allowed");
    stop_if_failed(r);
}

static void on_entity(void *data, const xmlChar *name)
{
    struct reader *r = data;
    xml_tree_fail(&r->tree, "entities are not allowed");
    stop_if_failed(r);
}

/* An entity that is not one of XML's own five: unknown, whatever the document says. */
static xmlEntityPtr no_entity(void *data, const xmlChar *name)
{
    return xmlGetPredefinedEntity(name);
}

static void on_error(void *data, xmlErrorPtr error)
{
    struct reader *r = data;
    if (error->level == XML_ERR_FATAL)
        xml_tree_fail(&r->tree, "line %d: %.*s", error->line, (int)strcspn(error->message, "\n"),
                      error->message);
}

static const xmlSAXHandler callbacks = {
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

/* Only what libxml2 decodes by itself: anything else would load converters in the middle of a request. */
static bool encoding_allowed(const char *body, size_t len)
{
    static const char *const allowed[] = {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1"};
    const char *end = len >= 5 && memcmp(body, "<?xml", 5) == 0 ? memmem(body, len, "?>", 2) : NULL;
    if (end == NULL)
        return true;
    const char *at = memmem(body, (size_t)(end - body), "encoding", 8);
    if (at == NULL)
        return true;
    at += 8;
    while (at < end && strchr(" \t\r\n=\"'", *at) != NULL)
        at++;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        size_t n = strlen(allowed[i]);
        if ((size_t)(end - at) > n && strncasecmp(at, allowed[i], n) == 0 && strchr("\"'", at[n]) != NULL)
            return true;
    }
    return false;
}

static bool is_latin1(const char *body, size_t len)
{
    const char *end = len >= 5 && memcmp(body, "<?xml", 5) == 0 ? memmem(body, len, "?>", 2) : NULL;
    if (end == NULL)
        return false;
    for (const char *at = body; at + 6 < end; at++)
        if (strncasecmp(at, "8859-1", 6) == 0 || strncasecmp(at, "latin1", 6) == 0)
            return true;
    return false;
}

/* How many bytes from the start are whole and valid characters. */
static size_t valid_prefix(const char *s, size_t n)
{
    size_t at = 0, length = 1;
    while (at < n && length > 0) {
        uint64_t eight;
        while (n - at >= sizeof(eight)) {
            memcpy(&eight, s + at, sizeof(eight));
            if (eight & 0x8080808080808080u)
                break;
            at += sizeof(eight);
        }
        length = utf8_next(s + at, n - at);
        at += length;
    }
    return at;
}

/* Put a mark where the bytes are no UTF-8, so that the parameter they stand in can be named. */
static void mend(struct buf *out, const char *body, size_t len)
{
    while (len > 0) {
        size_t good = valid_prefix(body, len);
        buf_add(out, body, good);
        if (good == len)
            break;
        buf_add_lit(out, XML_BAD_MARK);
        body += good + 1;
        len -= good + 1;
    }
}

static xmlParserCtxtPtr parser_take(void)
{
    xmlParserCtxtPtr p = parser;
    parser = NULL;
    if (p == NULL) {
        p = xmlNewParserCtxt();
        if (p == NULL)
            mem_abort();
    }
    return p;
}

/* Names that senders invent stay in the parser's dictionary: drop it when it has grown or the document was
 * bad. */
static void parser_give_back(xmlParserCtxtPtr p, bool healthy)
{
    if (healthy && parser == NULL && xmlDictSize(p->dict) < DICTIONARY_KEPT)
        parser = p;
    else
        xmlFreeParserCtxt(p);
}

static void run(struct reader *r, const char *body, size_t len)
{
    int options = XML_PARSE_NONET | XML_PARSE_NOWARNING | XML_PARSE_HUGE;
    r->parser = parser_take();
    *r->parser->sax = callbacks;
    void *own_data = r->parser->userData;
    r->parser->userData = r;
    xmlDocPtr doc = xmlCtxtReadMemory(r->parser, body, (int)len, NULL, NULL, options);
    if (doc != NULL)
        xmlFreeDoc(doc);
    bool healthy = r->parser->wellFormed && r->tree.reason == NULL;
    if (!healthy)
        xml_tree_fail(&r->tree, "the document is not well formed");
    r->parser->userData = own_data;
    parser_give_back(r->parser, healthy);
}

/* Read a document into r->tree; the tree's reason says what was wrong. */
static void read_document(struct reader *r, void *ctx, const char *body, size_t len, uint32_t max_values)
{
    CLEANUP_BUF struct buf mended = {0};
    xml_tree_init(&r->tree, ctx, max_values);
    if (len > INT32_MAX / 4) {
        xml_tree_fail(&r->tree, "the document is too large");
        return;
    }
    if (!encoding_allowed(body, len)) {
        xml_tree_fail(&r->tree, "the document's encoding is not supported");
        return;
    }
    if (valid_prefix(body, len) < len && !is_latin1(body, len)) {
        r->tree.bad_text = true;
        mend(&mended, body, len);
        body = mended.data;
        len = mended.len;
    }
    run(r, body, len);
}

int rpc_request_parse_xml(void *ctx, const char *body, size_t len, struct rpc_request *ret,
                          const char **ret_reason)
{
    struct reader *r = mem_resize(NULL, sizeof(*r));
    read_document(r, ctx, body, len, RPC_MAX_REQUEST_VALUES);
    if (r->tree.reason == NULL && (r->tree.root != XML_METHOD_CALL || r->tree.method == NULL))
        xml_tree_fail(&r->tree, "not a methodCall");
    const char *reason = r->tree.reason;
    if (reason == NULL)
        *ret = (struct rpc_request){.protocol = RPC_XML,
                                    .method = r->tree.method,
                                    .n_params = r->tree.n_params,
                                    .params = r->tree.params};
    xml_tree_fini(&r->tree);
    free(r);
    if (reason == NULL)
        return 0;
    *ret_reason = reason;
    return -EBADMSG;
}

/* ErrorDescription [CODE, parameter …] of a failure reply. */
static int failure_from_wire(const struct wire *w, struct err *e)
{
    const struct wire *description = wire_member(w, "ErrorDescription");
    if (description == NULL || description->kind != WIRE_ARRAY || description->n == 0 ||
        description->items[0].kind != WIRE_STRING)
        return err_internal(e, "the peer sent a failure without a code");
    if (err_is_set(e))
        return -1;
    err_set(e, description->items[0].s, 0);
    for (uint32_t i = 1; i < description->n; i++)
        err_add_param(e, description->items[i].kind == WIRE_STRING ? description->items[i].s : "");
    return -1;
}

static int reply_from_tree(const struct xml_tree *t, struct wire *ret, struct err *e)
{
    if (t->reason != NULL)
        return err_internal(e, "the peer's reply cannot be read: %s", t->reason);
    if (t->root != XML_METHOD_RESPONSE || t->n_params != 1)
        return err_internal(e, "the peer's reply is not a methodResponse");
    const struct wire *w = &t->params[0];
    if (t->fault) {
        const char *text = wire_member_string(w, "faultString");
        return err_internal(e, "the peer answered with a fault: %s", text ? text : "");
    }
    const char *status = wire_member_string(w, "Status");
    if (status == NULL) {
        *ret = *w;
        return 0;
    }
    if (strcmp(status, "Success") != 0)
        return failure_from_wire(w, e);
    const struct wire *value = wire_member(w, "Value");
    *ret = value != NULL ? *value : (struct wire){.kind = WIRE_STRING, .s = ""};
    return 0;
}

int rpc_reply_parse_xml(void *ctx, const char *body, size_t len, struct wire *ret, struct err *e)
{
    struct reader *r = mem_resize(NULL, sizeof(*r));
    read_document(r, ctx, body, len, RPC_MAX_REPLY_VALUES);
    int result = reply_from_tree(&r->tree, ret, e);
    xml_tree_fini(&r->tree);
    free(r);
    return result;
}

/* Past an XML declaration, if there is one. */
static size_t declaration(const char *body, size_t len)
{
    const char *end = len > 5 && memcmp(body, "<?xml", 5) == 0 ? memmem(body, len, "?>", 2) : NULL;
    return end != NULL ? (size_t)(end + 2 - body) : 0;
}

int rpc_value_parse_xml(void *ctx, const char *body, size_t len, uint32_t max_values, struct wire *ret,
                        const char **ret_reason)
{
    /* The reader knows whole messages only, and so counts one too many or none when more stands there. */
    struct reader *r = mem_resize(NULL, sizeof(*r));
    CLEANUP_BUF struct buf whole = {0};
    size_t skip = declaration(body, len);
    buf_add_lit(&whole, "<methodResponse><params><param>");
    buf_add(&whole, body + skip, len - skip);
    buf_add_lit(&whole, "</param></params></methodResponse>");
    read_document(r, ctx, whole.data, whole.len, max_values);
    if (r->tree.reason == NULL && r->tree.n_params != 1)
        xml_tree_fail(&r->tree, "not one value");
    const char *reason = r->tree.reason;
    if (reason == NULL)
        *ret = r->tree.params[0];
    xml_tree_fini(&r->tree);
    free(r);
    if (reason == NULL)
        return 0;
    *ret_reason = reason;
    return -EBADMSG;
}
