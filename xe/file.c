#include "xe/file.h"

#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/buf.h"
#include "xe/failure.h"

enum {
    MAX_FILE = 32 * 1024 * 1024,
    READ_SIZE = 64 * 1024,
};

/* The content of a file. */
const char *file_read_text(void *ctx, const char *path, struct err *e)
{
    CLEANUP_BUF struct buf content = {0};
    FILE *f = fopen(path, "re");
    size_t n = 1;

    while (f && n > 0 && content.len <= MAX_FILE) {
        n = fread(buf_reserve(&content, READ_SIZE), 1, READ_SIZE, f);
        content.len += n;
    }
    if (!f || ferror(f) || content.len > MAX_FILE)
        fail_text(e, "Cannot read %s", path);
    else if (content.len > 0 && memchr(content.data, '\0', content.len))
        fail_text(e, "%s is not a text", path);
    if (f)
        fclose(f);
    return err_is_set(e) ? NULL : talloc_strndup(ctx, content.len > 0 ? content.data : "", content.len);
}
