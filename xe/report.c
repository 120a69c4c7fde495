#include "xe/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "model/model.h"
#include "xe/client.h"
#include "xe/command.h"
#include "xe/failure.h"

#define UNKNOWN_PARAM "<unknown>"
#define HINT "For usage run: 'xe help'\n"

/* Classes tried for a reference whose class nothing tells. */
static const char *const usual_classes[] = {"VM",  "VDI",     "host", "SR",  "VBD",
                                            "VIF", "network", "PIF",  "PBD", "task"};

/* The record behind a reference of class, or NULL. */
static const struct wire *co_record(struct xe *x, const char *cls, const char *ref)
{
    CLEANUP_ERR struct err e = {0};

    return co_call(x, &e, talloc_asprintf(x->ctx, "%s.get_record", cls), "s", ref);
}

/* The class that a parameter's name ("vm", "source host") or the text before it ("VM") tells, or NULL. */
static const char *guess_class(const char *name, const char *before)
{
    const struct model_class *c = model_class_by_event_name(name);

    if (!c && before)
        c = model_class_by_event_name(before);
    return c && c->stored ? c->name : NULL;
}

/* A reference as "uuid (name)"; other texts, and references to nothing, as they are. */
static const char *co_describe(struct xe *x, const char *name, const char *before, const char *text)
{
    const char *cls = guess_class(name, before), *label;
    const struct wire *record = NULL;

    if (strncmp(text, "OpaqueRef:", 10) != 0 || ref_is_none(text) || !x->session)
        return text;
    if (cls)
        record = co_record(x, cls, text);
    for (unsigned i = 0; !cls && !record && i < sizeof(usual_classes) / sizeof(usual_classes[0]); i++)
        record = co_record(x, usual_classes[i], text);
    if (!record)
        return text;
    label = wire_member_string(record, "name_label");
    return label ? talloc_asprintf(x->ctx, "%s (%s)", member_text(x, record, "uuid"), label)
                 : member_text(x, record, "uuid");
}

/* An error that the datamodel explains: its sentence, then a line for each parameter. */
static void co_report_known(struct xe *x, const struct model_error *m, const struct err *e)
{
    unsigned n = e->n_params > m->n_params ? e->n_params : m->n_params;

    fprintf(stderr, "%s\n", m->doc);
    for (unsigned i = 0; i < n; i++) {
        const char *name = i < m->n_params ? m->params[i] : "<extra>";
        const char *text = UNKNOWN_PARAM;

        if (i < e->n_params)
            text = co_describe(x, name, i > 0 ? e->params[i - 1] : NULL, e->params[i]);
        fprintf(stderr, "%s: %s\n", name, text);
    }
}

static void report_code(const char *code, char *const *params, unsigned n)
{
    fprintf(stderr, "Error code: %s\nError parameters: ", code);
    for (unsigned i = 0; i < n; i++)
        fprintf(stderr, "%s%s", i > 0 ? ", " : "", params[i]);
    fputc('\n', stderr);
}

static const struct {
    const char *code;
    const char *format; /* %s: the first parameter */
} own[] = {
    {FAIL_TEXT, "Error: %s\n"},
    {FAIL_SYNTAX, "Syntax error: \n" HINT},
    {FAIL_COMMAND, "Unknown command: %s\n" HINT},
    {FAIL_REQUIRED, "Required parameter not found: %s\n" HINT},
    {FAIL_LOGIN, "Authentication failed\n" HINT},
    {FAIL_NO_USER, "Username/password must be specified\n" HINT},
    {FAIL_CONTACT, "Error: %s\n"},
    {FAIL_PARAM, "Error code: Missing parameter\nError parameters: %s\n"},
};

/* One of xe's own errors as text on ctx, or NULL. */
static char *own_text(void *ctx, const struct err *e)
{
    const char *param = e->n_params > 0 ? e->params[0] : "";

    for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        const char *mark = strstr(own[i].format, "%s");

        if (!err_is(e, own[i].code))
            continue;
        if (!mark)
            return talloc_strdup(ctx, own[i].format);
        return talloc_asprintf(ctx, "%.*s%s%s", (int)(mark - own[i].format), own[i].format, param, mark + 2);
    }
    return NULL;
}

/* Show e. */
int co_report(struct xe *x, const struct err *e)
{
    const struct model_error *known = model_error_by_code(e->code);
    const char *text = own_text(x->ctx, e);

    fflush(x->out.file);
    if (err_is(e, FAIL_EXIT))
        return atoi(e->params[0]);
    if (text)
        fputs(text, stderr);
    else if (known && *known->doc)
        co_report_known(x, known, e);
    else
        report_code(e->code, e->params, e->n_params);
    if (args_get(x->args, "trace"))
        fprintf(stderr, "Raised %s\n", err_text(x->ctx, e));
    return 1;
}

/* e as one line. */
const char *report_line(struct xe *x, const struct err *e)
{
    if (err_is(e, FAIL_TEXT) || err_is(e, FAIL_CONTACT))
        return talloc_strdup(x->ctx, e->params[0]);
    return err_text(x->ctx, e);
}
