#include "lib/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "lib/mem.h"

#define ERR_MESSAGE_MAX 1024

int err_set(struct err *e, const char *code, unsigned n, ...)
{
    va_list ap;

    if (err_is_set(e))
        return -1;
    e->code = mem_strdup(code);
    va_start(ap, n);
    for (unsigned i = 0; i < n; i++)
        err_add_param(e, va_arg(ap, const char *));
    va_end(ap);
    return -1;
}

int err_internal(struct err *e, const char *fmt, ...)
{
    char message[ERR_MESSAGE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return err_set(e, "INTERNAL_ERROR", 1, message);
}

int err_errno(struct err *e, int negative_errno, const char *fmt, ...)
{
    char message[ERR_MESSAGE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return err_internal(e, "%s: %s", message, strerror(-negative_errno));
}

void err_add_param(struct err *e, const char *param)
{
    e->params = mem_resize(e->params, (e->n_params + 1) * sizeof *e->params);
    e->params[e->n_params++] = mem_strdup(param);
}

bool err_is(const struct err *e, const char *code)
{
    return e->code && strcmp(e->code, code) == 0;
}

void err_move(struct err *to, struct err *from)
{
    if (err_is_set(to)) {
        err_clear(from);
        return;
    }
    *to = *from;
    *from = (struct err){0};
}

void err_copy(struct err *to, const struct err *from)
{
    if (!err_is_set(from))
        return;
    to->code = mem_strdup(from->code);
    for (unsigned i = 0; i < from->n_params; i++)
        err_add_param(to, from->params[i]);
}

void err_clear(struct err *e)
{
    for (unsigned i = 0; i < e->n_params; i++)
        free(e->params[i]);
    free(e->params);
    free(e->code);
    *e = (struct err){0};
}

char *err_text(void *ctx, const struct err *e)
{
    char *text = talloc_asprintf(ctx, "%s: [", e->code ? e->code : "no error");

    for (unsigned i = 0; text && i < e->n_params; i++)
        text = talloc_asprintf_append_buffer(text, "%s%s", i == 0 ? " " : "; ", e->params[i]);
    if (text)
        text = talloc_strdup_append_buffer(text, " ]");
    if (!text)
        mem_abort();
    return text;
}
