#include "xapid/where.h"
#include <ctype.h>
#include <talloc.h>
#include "lib/cleanup.h"
#include "model/errors.gen.h"

enum where_kind { WHERE_TRUE, WHERE_FALSE, WHERE_EQUAL, WHERE_NOT, WHERE_AND, WHERE_OR };

enum { WHERE_MAX_DEPTH = 100, WHERE_MAX_TEXT = 64 * 1024 };

struct where_operand {
    const struct model_field *field; /* NULL: a literal, unless ref */
    bool ref;                        /* the row's own reference */
    const char *literal;
};

struct where {
    enum where_kind kind;
    struct where *a, *b;
    struct where_operand left, right;
};

struct parser {
    void *ctx;
    const struct model_class *cls;
    const char *text, *at;
    unsigned depth;
    const char *reason;
};

/* Remember the first thing that is wrong; always NULL. */
static void *fail(struct parser *p, const char *reason)
{
    if (!p->reason)
        p->reason = reason;
    return NULL;
}

static void skip_space(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

/* Take the word or sign when it comes next. */
static bool accept(struct parser *p, const char *token)
{
    skip_space(p);
    size_t n = strlen(token);
    if (strncmp(p->at, token, n) != 0)
        return false;
    bool word = isalpha((unsigned char)*token);
    if (word && (isalnum((unsigned char)p->at[n]) || p->at[n] == '_'))
        return false;
    p->at += n;
    return true;
}

static struct where *node(struct parser *p, enum where_kind kind, struct where *a, struct where *b)
{
    struct where *w = talloc_zero(p->ctx, struct where);
    *w = (struct where){.kind = kind, .a = a, .b = b};
    return w;
}

/* "text" between double or single quotes, without escapes. */
static const char *parse_quoted(struct parser *p)
{
    skip_space(p);
    char quote = *p->at;
    if (quote != '"' && quote != '\'')
        return fail(p, "a quoted text is expected");
    const char *start = p->at + 1;
    const char *end = strchr(start, quote);
    if (!end)
        return fail(p, "a quoted text does not end");
    p->at = end + 1;
    return talloc_strndup(p->ctx, start, end - start);
}

/* The field of this name; the double underscore that some scripts write between name-space and name counts as
 * one. */
static const struct model_field *find_field(struct parser *p, const char *name)
{
    const struct model_field *f = model_field_by_name(p->cls, name);
    const char *twice = strstr(name, "__");
    if (!f && twice)
        f = model_field_by_name(p->cls,
                                talloc_asprintf(p->ctx, "%.*s%s", (int)(twice - name), name, twice + 1));
    if (!f || f->removed || f->internal)
        return fail(p, "the class has no such field");
    return f;
}

static bool parse_operand(struct parser *p, struct where_operand *ret)
{
    *ret = (struct where_operand){0};
    bool is_field = accept(p, "field");
    const char *text = parse_quoted(p);
    if (!text)
        return false;
    if (!is_field)
        ret->literal = text;
    else if (strcmp(text, "_ref") == 0 || strcmp(text, "ref") == 0)
        ret->ref = true;
    else
        ret->field = find_field(p, text);
    return !p->reason;
}

static struct where *parse_expression(struct parser *p);

static struct where *parse_parenthesis(struct parser *p)
{
    struct where *w = parse_expression(p);
    if (w && !accept(p, ")"))
        return fail(p, "a closing parenthesis is missing");
    return w;
}

static struct where *parse_equality(struct parser *p)
{
    struct where *w = node(p, WHERE_EQUAL, NULL, NULL);
    if (!parse_operand(p, &w->left))
        return NULL;
    if (!accept(p, "="))
        return fail(p, "= is expected");
    return parse_operand(p, &w->right) ? w : NULL;
}

static struct where *parse_term(struct parser *p)
{
    if (p->depth++ >= WHERE_MAX_DEPTH)
        return fail(p, "the expression is nested too deeply");
    struct where *w = NULL;
    if (accept(p, "not")) {
        struct where *inner = parse_term(p);
        w = inner ? node(p, WHERE_NOT, inner, NULL) : NULL;
    } else if (accept(p, "(")) {
        w = parse_parenthesis(p);
    } else if (accept(p, "true")) {
        w = node(p, WHERE_TRUE, NULL, NULL);
    } else if (accept(p, "false")) {
        w = node(p, WHERE_FALSE, NULL, NULL);
    } else {
        w = parse_equality(p);
    }
    p->depth--;
    return w;
}

static struct where *parse_expression(struct parser *p)
{
    struct where *w = parse_term(p);
    while (w) {
        enum where_kind kind = WHERE_AND;
        if (accept(p, "or"))
            kind = WHERE_OR;
        else if (!accept(p, "and"))
            break;
        struct where *right = parse_term(p);
        w = right ? node(p, kind, w, right) : NULL;
    }
    return w;
}

int where_parse(void *ctx, const struct model_class *cls, const char *text, struct where **ret, struct err *e)
{
    if (strlen(text) > WHERE_MAX_TEXT)
        return err_invalid_value(e, "expr", "the expression is too long");
    struct parser p = {.ctx = ctx, .cls = cls, .text = text, .at = text};
    struct where *w = parse_expression(&p);
    skip_space(&p);
    if (w && *p.at)
        w = fail(&p, "there is text after the expression");
    if (!w)
        return err_invalid_value(e, text, p.reason);
    *ret = w;
    return 0;
}

static const char *operand_text(void *ctx, const struct where_operand *o, struct db *db,
                                const struct row *row)
{
    if (o->ref) {
        char *text = talloc_array(ctx, char, REF_TEXT_SIZE);
        ref_format(row->ref, text);
        return text;
    }
    return o->field ? value_to_text(ctx, o->field->type, db_field(db, ctx, row, o->field)) : o->literal;
}

static bool equal(void *ctx, const struct where *w, struct db *db, const struct row *row)
{
    return strcmp(operand_text(ctx, &w->left, db, row), operand_text(ctx, &w->right, db, row)) == 0;
}

/* A chain of and/or is a left-leaning list that may be long: walk it down in a loop, deciding from the
 * innermost on, rather than by recursion. */
static bool matches(void *ctx, const struct where *w, struct db *db, const struct row *row);

static bool matches_chain(void *ctx, const struct where *w, struct db *db, const struct row *row)
{
    unsigned n = 0;
    for (const struct where *at = w; at->kind == WHERE_AND || at->kind == WHERE_OR; at = at->a)
        n++;
    const struct where **chain = talloc_array(ctx, const struct where *, n);
    const struct where *at = w;
    for (unsigned i = n; i > 0; i--, at = at->a)
        chain[i - 1] = at;
    bool value = matches(ctx, at, db, row);
    for (unsigned i = 0; i < n; i++) {
        bool decided = chain[i]->kind == WHERE_AND ? !value : value;
        if (!decided)
            value = matches(ctx, chain[i]->b, db, row);
    }
    return value;
}

static bool matches(void *ctx, const struct where *w, struct db *db, const struct row *row)
{
    switch (w->kind) {
    case WHERE_TRUE:
        return true;
    case WHERE_FALSE:
        return false;
    case WHERE_EQUAL:
        return equal(ctx, w, db, row);
    case WHERE_NOT:
        return !matches(ctx, w->a, db, row);
    case WHERE_AND:
    case WHERE_OR:
        return matches_chain(ctx, w, db, row);
    }
    return false;
}

bool where_matches(const struct where *w, struct db *db, const struct row *row)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    return matches(ctx, w, db, row);
}
