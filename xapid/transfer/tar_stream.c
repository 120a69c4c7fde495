#include "xapid/transfer/tar_stream.h"
#include <string.h>
#include "model/errors.gen.h"

enum { SKIP_MAX = 1 << 20 }; /* bytes of an entry that is passed over */

ssize_t co_tar_read(struct tar_stream *s, void *bytes, size_t n, struct err *e)
{
    size_t want = s->left < (int64_t)n ? (size_t)s->left : n;
    ssize_t r = co_transfer_read(s->transfer, bytes, want, e);

    if (r >= 0 && (size_t)r < want)
        return err_import_error_premature_eof(e);
    s->left -= r > 0 ? r : 0;
    return r;
}

/* Pass over what is left of the entry and its padding. */
static int co_finish_entry(struct tar_stream *s, struct err *e)
{
    char scrap[TAR_BLOCK];
    ssize_t n = 0;

    s->left += s->entry.size >= 0 ? tar_padding(s->entry.size) : 0;
    while (s->left > 0 && n >= 0)
        n = co_tar_read(s, scrap, sizeof scrap, e);
    return n < 0 ? -1 : 0;
}

int co_tar_next(struct tar_stream *s, struct err *e)
{
    unsigned char block[TAR_BLOCK];

    for (;;) {
        if (co_finish_entry(s, e) < 0)
            return -1;
        s->entry = (struct tar_entry){0};
        ssize_t n = co_transfer_read(s->transfer, block, sizeof block, e);
        if (n <= 0)
            return n < 0 ? -1 : 0;
        if (n < TAR_BLOCK)
            return err_import_error_premature_eof(e);
        int rc = tar_read_header(block, &s->entry);
        if (rc <= 0) {
            s->entry = (struct tar_entry){0};
            s->complete = rc == 0;
            return rc < 0 ? err_import_error(e, "The upload is no tar archive, or damaged") : 0;
        }
        s->left = s->entry.size;
        if (s->entry.type == '0' || s->every_entry)
            return 1;
        if (s->left > SKIP_MAX)
            return err_import_error(e, "The archive holds something that is no plain file");
    }
}
