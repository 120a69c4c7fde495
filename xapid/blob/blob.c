#include "xapid/blob/blob.h"
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/log.h"
#include "xapid/reftext.h"

char *blob_path(void *ctx, const struct xapid *x, const char *uuid)
{
    return talloc_asprintf(ctx, "%s/blobs/%s", x->options.state_dir, uuid);
}

const struct blob *blob_record(struct txn *t, const char *name, const char *mime_type, bool public)
{
    const struct blob *blob = blob_create(t);

    blob_set_name_label(t, blob, name);
    blob_set_mime_type(t, blob, mime_type[0] ? mime_type : "application/octet-stream");
    blob_set_public(t, blob, public);
    blob_set_last_updated(t, blob, clock_wall());
    return blob;
}

static void remove_orphans(struct xapid *x, DIR *folder)
{
    for (struct dirent *d; (d = readdir(folder));) {
        CLEANUP_TALLOC char *path = blob_path(NULL, x, d->d_name);
        if (d->d_name[0] != '.' && !db_get_by_uuid(x->db, CLASS_BLOB, d->d_name) && unlink(path) < 0)
            log_warning("removing %s: %m", path);
    }
}

void blobs_settle(struct xapid *x)
{
    CLEANUP_TALLOC char *path = blob_path(NULL, x, "");
    CLEANUP_ERR struct err e = {0};
    DIR *folder = opendir(path);

    if (!folder)
        return;
    remove_orphans(x, folder);
    closedir(folder);
    struct txn *t = db_begin(x->db);
    DB_FOREACH_BLOB (x->db, blob) {
        CLEANUP_TALLOC char *file = blob_path(NULL, x, blob->uuid);
        struct stat st = {0};
        blob_set_size(t, blob, stat(file, &st) == 0 ? st.st_size : 0);
    }
    if (db_commit(t, &e) < 0)
        log_warning("the sizes of blobs: %s", e.code);
}
