#include "xapid/transfer/blob.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "xapid/blob/blob.h"
#include "xapid/transfer/transfer.h"

enum { PIECE = 256 * 1024 };

static struct ref find_blob(struct transfer *t, struct err *e)
{
    struct ref blob = transfer_object(t, CLASS_BLOB, "ref", "uuid", e);

    if (ref_is_null(blob) && !err_is_set(e))
        err_handle_invalid(e, "blob", "");
    return blob;
}

/* ---- work on files, on a worker ---- */

struct file_job {
    const char *path, *folder, *temporary;
    int fd;
    char *bytes;
    size_t n;
    int64_t size;
};

/* One that was never uploaded is empty. */
static int open_file(void *arg)
{
    struct file_job *j = arg;
    struct stat st;

    j->fd = open(j->path, O_RDONLY | O_CLOEXEC);
    if (j->fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(j->fd, &st) < 0)
        return -errno;
    j->size = st.st_size;
    return 0;
}

static int read_file(void *arg)
{
    struct file_job *j = arg;
    ssize_t n = read(j->fd, j->bytes, PIECE);

    return n < 0 ? -errno : (int)n;
}

static int make_file(void *arg)
{
    struct file_job *j = arg;

    if (mkdir(j->folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    j->fd = open(j->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return j->fd < 0 ? -errno : 0;
}

static int write_file(void *arg)
{
    struct file_job *j = arg;

    return fd_write_all(j->fd, j->bytes, j->n);
}

/* Have the whole upload stand under the blob's name, durably. */
static int publish_file(void *arg)
{
    struct file_job *j = arg;
    CLEANUP_FD int folder = open(j->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0 || fsync(j->fd) < 0 || rename(j->temporary, j->path) < 0 || fsync(folder) < 0)
        return -errno;
    return 0;
}

/* ---- GET ---- */

static int co_send_file(struct transfer *t, struct file_job *j, struct err *e)
{
    CLEANUP_FREE char *bytes = mem_zalloc(PIECE);
    int n = 0;

    j->bytes = bytes;
    while (j->fd >= 0 && (n = co_run_worker(read_file, j, "a blob's content")) > 0)
        if (co_transfer_write(t, bytes, (size_t)n, e) < 0)
            return -1;
    return n < 0 ? err_errno(e, n, "reading a blob") : 0;
}

static int co_get(struct transfer *t, struct ref ref, struct err *e)
{
    void *mem = t->request->mem;
    const struct blob *blob = (const struct blob *)call_row(&t->call, CLASS_BLOB, ref, e);
    struct file_job j = {.fd = -1};

    if (!blob)
        return -1;
    const char *type = talloc_strdup(mem, blob->mime_type);
    j.path = blob_path(mem, t->call.x, blob->uuid);
    int rc = co_run_worker(open_file, &j, "a blob's content");
    CLEANUP_FD int fd = j.fd;
    (void)fd; /* the job reads and writes it; here it is closed */
    if (rc < 0)
        return err_errno(e, rc, "opening a blob");
    return co_transfer_answer(t, type, j.size, NULL, e) < 0 ? -1 : co_send_file(t, &j, e);
}

/* Is it a blob that anybody may read, and asked for by somebody who does not say who he is? A task is
 * somebody's.
 */
static bool is_anonymous(struct http_request *r, struct xapid *x)
{
    struct transfer probe = {.request = r, .call = {.x = x, .db = x->db, .mem = r->mem}};
    CLEANUP_ERR struct err ignored = {0};
    const struct blob *blob = db_blob(x->db, find_blob(&probe, &ignored));

    return blob && blob->public && !http_query(r, "task_id");
}

void co_blob_get(struct http_request *r, struct http_stream *s, void *x)
{
    CLEANUP_ERR struct err e = {0};
    struct transfer t;

    if (!co_transfer_begin(&t, r, s, x, is_anonymous(r, x) ? NULL : "blob.get_record", "Download of a blob"))
        return;
    struct ref blob = find_blob(&t, &e);
    if (!err_is_set(&e))
        (void)co_get(&t, blob, &e);
    co_transfer_end(&t, &e);
}

/* ---- PUT ---- */

/* Keep the body; the number of bytes in j->size. */
static int co_keep(struct transfer *t, struct file_job *j, struct err *e)
{
    CLEANUP_FREE char *bytes = mem_zalloc(PIECE);
    ssize_t n;
    int rc = 0;

    j->bytes = bytes;
    while (rc == 0 && (n = co_transfer_read(t, bytes, PIECE, e)) > 0) {
        j->n = (size_t)n;
        rc = co_run_worker(write_file, j, "a blob's content");
        j->size += n;
    }
    if (rc == 0 && n == 0)
        rc = co_run_worker(publish_file, j, "a blob's content");
    return rc < 0 ? err_errno(e, rc, "writing a blob") : err_is_set(e) ? -1 : 0;
}

static int record_size(struct transfer *t, struct ref ref, int64_t size, struct err *e)
{
    const struct blob *blob = (const struct blob *)call_row(&t->call, CLASS_BLOB, ref, e);

    if (!blob)
        return -1;
    struct txn *txn = db_begin(t->call.db);
    blob_set_size(txn, blob, size);
    blob_set_last_updated(txn, blob, clock_wall());
    return db_commit(txn, e);
}

static int co_put(struct transfer *t, struct ref ref, struct err *e)
{
    void *mem = t->request->mem;
    const struct blob *blob = (const struct blob *)call_row(&t->call, CLASS_BLOB, ref, e);
    struct file_job j = {.fd = -1};
    char unique[UUID_TEXT_SIZE];

    if (!blob)
        return -1;
    if (t->body_left == TRANSFER_UNKNOWN)
        return err_invalid_value(e, "content-length", "the size of a blob must be told");
    uuid_new(unique);
    j.folder = blob_path(mem, t->call.x, "");
    j.path = blob_path(mem, t->call.x, blob->uuid);
    j.temporary = talloc_asprintf(mem, "%s.%s", j.path, unique);
    int rc = co_run_worker(make_file, &j, "a blob's content");
    CLEANUP_FD int fd = j.fd;
    (void)fd; /* the job reads and writes it; here it is closed */
    if (rc < 0)
        return err_errno(e, rc, "making a blob's file");
    if (co_transfer_answer(t, NULL, -1, NULL, e) < 0 || co_keep(t, &j, e) < 0 ||
        record_size(t, ref, j.size, e) < 0) {
        unlink(j.temporary);
        return -1;
    }
    return 0;
}

void co_blob_put(struct http_request *r, struct http_stream *s, void *x)
{
    CLEANUP_ERR struct err e = {0};
    struct transfer t;

    if (!co_transfer_begin(&t, r, s, x, "blob.create", "Upload of a blob"))
        return;
    struct ref blob = find_blob(&t, &e);
    if (!err_is_set(&e))
        (void)co_put(&t, blob, &e);
    co_transfer_end(&t, &e);
}
