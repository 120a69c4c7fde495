#include "xapid/host/status.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "rpc/encode.h"
#include "xapid/event/filter.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/elsewhere.h"
#include "xapid/host/here.h"
#include "xapid/host/log.h"
#include "xapid/implicit.h"
#include "xapid/pool/peers.h"
#include "xapid/transfer/web.h"
#include "xapid/transfer/send_tar.h"

enum { IDLE_MS = 5 * 60 * 1000, ROWS_A_SLICE = 200 };

/* ---- what there is ---- */

static const struct entry {
    const char *key, *type, *file;
    unsigned max_bytes;
    const char *pii;
    int (*co_write)(struct call *c, struct buf *out);
} entries[];

static const char *capabilities(void *ctx)
{
    char *text = talloc_strdup(ctx, "<system-status-capabilities>");
    for (const struct entry *n = entries; n->key; n++)
        text = talloc_asprintf_append(
            text,
            "<capability content-type=\"%s\" default-checked=\"yes\" key=\"%s\" "
            "max-size=\"%u\" max-time=\"60\" min-size=\"0\" min-time=\"0\" pii=\"%s\"/>",
            n->type, n->key, n->max_bytes, n->pii);
    return talloc_strdup_append(text, "</system-status-capabilities>");
}

int co_host_get_system_status_capabilities(struct call *c,
                                           const struct host_get_system_status_capabilities_args *a,
                                           union value *ret, struct err *e)
{
    ret->s = capabilities(c->mem);
    return host_is_here(c, a->host, e);
}

static int co_write_log(struct call *c, struct buf *out)
{
    return co_host_log_read(out);
}

static int co_write_kernel_log(struct call *c, struct buf *out)
{
    CLEANUP_ERR struct err e = {0};
    union value text;
    if (co_host_dmesg(c, &(struct host_dmesg_args){.host = c->x->host}, &text, &e) < 0)
        return -ENODATA;
    buf_add_str(out, text.s);
    return 0;
}

/* Rows may come and go between two slices. */
static int co_write_class(struct call *c, enum model_class_id cls, struct enc *enc)
{
    CLEANUP_FREE struct ref *refs = mem_zalloc((db_count(c->db, cls) + 1) * sizeof *refs);
    unsigned n = 0;
    int r = 0;
    DB_FOREACH (c->db, cls, row)
        refs[n++] = row->ref;
    enc_struct_begin(enc);
    for (unsigned i = 0; i < n && r == 0; i++) {
        const struct row *row = db_get(c->db, cls, refs[i]);
        if (row) {
            enc_member_ref(enc, refs[i]);
            implicit_write_record(enc, c->db, row);
        }
        r = i % ROWS_A_SLICE == 0 ? co_yield() : 0;
    }
    enc_struct_end(enc);
    return r;
}

/* Every record that others may see; secrets are none of those. */
static int co_write_database(struct call *c, struct buf *out)
{
    struct enc enc = {.out = out, .format = ENC_JSON};
    int r = 0;
    enc_struct_begin(&enc);
    for (unsigned cls = 0; cls < CLASS_COUNT && r == 0; cls++) {
        if (!event_class_is_visible(cls) || cls == CLASS_SECRET)
            continue;
        enc_member(&enc, model_classes[cls].name);
        r = co_write_class(c, cls, &enc);
    }
    enc_struct_end(&enc);
    return r;
}

static const struct entry entries[] = {
    {"xapid-logs", "text/plain", NULL, 96 << 20, "maybe", NULL}, /* the folder of logs */
    {"xapid-log", "text/plain", "xapid.log", 1 << 20, "maybe", co_write_log},
    {"xapid-database", "application/json", "database.json", 64 << 20, "yes", co_write_database},
    {"kernel-log", "text/plain", "kernel.log", 1 << 20, "maybe", co_write_kernel_log},
    {0}};

/* ---- files for the archive, in a folder of their own ---- */

struct file_job {
    const char *folder, *name;
    const struct buf *text;
};

static int write_file(void *arg)
{
    const struct file_job *j = arg;
    CLEANUP_BUF struct buf path = {0};
    buf_printf(&path, "%s/%s", j->folder, j->name);
    FILE *f = fopen(buf_cstr(&path), "wxe");
    if (!f)
        return -errno;
    bool good = fwrite(j->text->data, 1, j->text->len, f) == j->text->len;
    return fclose(f) == 0 && good ? 0 : -EIO;
}

static int remove_folder(void *arg)
{
    return fd_remove_tree(arg);
}

static bool is_wanted(const char *wanted, const char *key)
{
    size_t n = strlen(key);
    for (const char *p = wanted; p && *p; p += strcspn(p, ","), p += *p == ',')
        if (strncmp(p, key, n) == 0 && (p[n] == ',' || p[n] == '\0'))
            return true;
    return !wanted || !*wanted;
}

/* What cannot be had is left out. */
static int co_gather(struct call *c, const char *folder, const char *wanted)
{
    int r = 0;
    for (const struct entry *n = entries; n->key && r >= 0; n++) {
        CLEANUP_BUF struct buf text = {0};
        if (!n->co_write || !is_wanted(wanted, n->key) || n->co_write(c, &text) < 0)
            continue;
        r = co_run_worker(write_file, &(struct file_job){folder, n->file, &text}, "writing a status file");
    }
    return r;
}

/* ---- the archive ---- */

static int co_send_logs(struct transfer *t, struct err *e)
{
    const char *const argv[] = {"tar", "-C", t->call.x->options.state_dir, "-cz", "log", NULL};

    return co_transfer_send_tar(t, argv, "application/gzip", "logs.tar.gz", e);
}

void co_host_logs_get(struct http_request *r, struct http_stream *s, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct transfer t;
    struct ref host;
    if (!co_transfer_begin(&t, r, s, arg, "host.syslog_reconfigure", "host_logs_download"))
        return;
    if (elsewhere_host(&t, &host, &e) == 0)
        (void)(ref_equal(host, t.call.x->host)
                   ? co_send_logs(&t, &e)
                   : co_elsewhere_send(&t, host, "application/gzip", "logs.tar.gz", &e));
    co_transfer_end(&t, &e);
}

static const struct output {
    const char *name, *type, *file, *flag;
} outputs[] = {{"tar.bz2", "application/x-bzip2", "status.tar.bz2", "-cj"},
               {"tar", "application/x-tar", "status.tar", "-c"},
               {0}};

static const struct output *find_output(const char *name)
{
    for (const struct output *o = outputs; o->name; o++)
        if (!name || strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

static int co_send_status(struct transfer *t, const char *wanted, const struct output *o, struct err *e)
{
    const char *state_dir = t->call.x->options.state_dir;
    char *folder = talloc_asprintf(t->call.mem, "%s/status-XXXXXX", state_dir);
    if (!mkdtemp(folder))
        return err_errno(e, -errno, "making %s", folder);
    int r = co_gather(&t->call, folder, wanted);
    const char *logs = is_wanted(wanted, "xapid-logs") ? "log" : NULL;
    const char *const argv[] = {"tar", o->flag, "-C", folder, ".", logs ? "-C" : NULL, state_dir, logs, NULL};
    if (r < 0)
        err_errno(e, r, "gathering the status");
    else
        r = co_transfer_send_tar(t, argv, o->type, o->file, e);
    fiber_mask_cancel();
    (void)co_run_worker(remove_folder, folder, "removing status files");
    fiber_unmask_cancel();
    return r;
}

/* ---- to a server ---- */

int co_host_bugreport_upload(struct call *c, const struct host_bugreport_upload_args *a, struct err *e)
{
    char *folder = talloc_asprintf(c->mem, "%s/status-XXXXXX", c->x->options.state_dir);

    if (host_is_here(c, a->host, e) < 0)
        return -1;
    if (!web_is_url(c->mem, a->url)) /* before all the work */
        return err_invalid_value(e, "url", a->url);
    if (!mkdtemp(folder))
        return err_errno(e, -errno, "making %s", folder);
    const char *const argv[] = {"tar", "-cj", "-C", folder, ".", "-C", c->x->options.state_dir, "log", NULL};
    int r = co_gather(c, folder, NULL);
    if (r < 0)
        err_errno(e, r, "gathering the status");
    else
        r = co_upload_tar(c, argv, a->url, a->options, e);
    fiber_mask_cancel();
    (void)co_run_worker(remove_folder, folder, "removing status files");
    fiber_unmask_cancel();
    return r;
}

/* ---- what there is, over HTTP ---- */

static int co_send_capabilities(struct transfer *t, struct err *e)
{
    const char *text = capabilities(t->request->mem);

    if (co_transfer_answer(t, "text/xml", (int64_t)strlen(text), NULL, e) < 0)
        return -1;
    return co_transfer_write(t, text, strlen(text), e);
}

void co_system_status_get(struct http_request *r, struct http_stream *s, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct transfer t;
    struct ref host;
    const struct output *o = find_output(http_query(r, "output"));
    if (!o) {
        (void)co_stream_send_error(r, s, 400, "output is tar or tar.bz2", clock_in_ms(IDLE_MS));
        return;
    }
    if (!co_transfer_begin(&t, r, s, arg, "host.syslog_reconfigure", "system_status"))
        return;
    if (http_query(r, "list"))
        (void)co_send_capabilities(&t, &e);
    else if (elsewhere_host(&t, &host, &e) == 0)
        (void)(ref_equal(host, t.call.x->host) ? co_send_status(&t, http_query(r, "entries"), o, &e)
                                               : co_elsewhere_send(&t, host, o->type, o->file, &e));
    co_transfer_end(&t, &e);
}

/* ---- for the coordinator, which has let the caller in ---- */

void co_peer_archive_get(struct http_request *r, struct http_stream *s, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct transfer t;
    const struct output *o = find_output(http_query(r, "output"));
    if (!co_peers_admit_stream(arg, r, s) || !peers_is_trusted(arg, r) || !o)
        return;
    (void)co_transfer_begin(&t, r, s, arg, NULL, NULL);
    (void)(strcmp(r->path, "/peer/host_logs_download") == 0
               ? co_send_logs(&t, &e)
               : co_send_status(&t, http_query(r, "entries"), o, &e));
    if (err_is_set(&e))
        log_warning("an archive for the coordinator: %s", err_text(r->mem, &e));
    co_transfer_end(&t, &e);
}
