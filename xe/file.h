#ifndef XE_FILE_H
#define XE_FILE_H
/*
 * Small files that a command sends as text. Never yields.
 */
#include "lib/err.h"

/* The content of a file, on ctx, or NULL. Errors: FAIL_TEXT when it cannot be read, is larger than 32 MiB or
 * holds a NUL byte. */
const char *file_read_text(void *ctx, const char *path, struct err *e);

#endif
