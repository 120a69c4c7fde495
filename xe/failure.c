#include "xe/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include "lib/buf.h"

/* FAIL_TEXT with a formatted text. */
int fail_text(struct err *e, const char *fmt, ...)
{
    CLEANUP_BUF struct buf text = {0};
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    return err_set(e, FAIL_TEXT, 1, buf_cstr(&text));
}

/* End with this exit code, silently. */
int fail_exit(struct err *e, int code)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", code);
    return err_set(e, FAIL_EXIT, 1, text);
}
