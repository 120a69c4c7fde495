#ifndef RPC_XML_TREE_H
#define RPC_XML_TREE_H
/*
 * An XML-RPC document as wire values, built from the elements as libxml2 reports them. Only rpc/xml_read.c
 * drives it. The first thing that is wrong is kept as `reason` and ends the document. Never yields.
 */
#include "rpc/arena.h"
#include "rpc/wire.h"
#include "lib/buf.h"

enum xml_element {
    XML_NONE,
    XML_METHOD_CALL,
    XML_METHOD_RESPONSE,
    XML_METHOD_NAME,
    XML_PARAMS,
    XML_PARAM,
    XML_FAULT,
    XML_VALUE,
    XML_ARRAY,
    XML_DATA,
    XML_STRUCT,
    XML_MEMBER,
    XML_NAME,
    XML_STRING,
    XML_INT,
    XML_DOUBLE,
    XML_BOOLEAN,
    XML_DATETIME,
    XML_NIL,
};

enum { XML_MAX_FRAMES = 288 };

struct xml_frame {
    enum xml_element element;
    bool filled;      /* VALUE: its type was seen; MEMBER: its value; PARAM, FAULT: likewise */
    uint32_t first;   /* where this frame's values begin on the stack */
    const char *name; /* MEMBER: once read */
};

struct xml_tree {
    struct arena arena;
    const char *reason; /* on the arena's context; NULL while all is well */
    bool bad_text;      /* the document was mended where it was no UTF-8: see xml_tree_mend */
    bool fault;
    enum xml_element root;
    const char *method;
    uint32_t n_params;
    struct wire *params;
    uint32_t max_values, count;
    unsigned depth, value_depth;
    struct xml_frame frames[XML_MAX_FRAMES];
    struct buf text;
    struct wire_member *stack; /* finished values waiting for their container, malloc'd */
    uint32_t n_stack, cap_stack;
};

void xml_tree_init(struct xml_tree *t, void *ctx, uint32_t max_values);
void xml_tree_fini(struct xml_tree *t);

void xml_tree_open(struct xml_tree *t, const char *name);
void xml_tree_text(struct xml_tree *t, const char *s, size_t n);
void xml_tree_close(struct xml_tree *t);

/* Stands for bytes that were no UTF-8: the noncharacter U+FDD0. */
#define XML_BAD_MARK "\xef\xb7\x90"

void xml_tree_fail(struct xml_tree *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
