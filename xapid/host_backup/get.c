#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "config.h"
#include "db/backup.h"
#include "lib/fd.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/host/elsewhere.h"
#include "xapid/host_backup/archive.h"
#include "xapid/host_backup/host_backup.h"
#include "xapid/pool/peers.h"
#include "xapid/transfer/send_tar.h"

#define TYPE "application/x-tar"
#define FILE_NAME "host-backup.tar"
enum { CONFIG_MAX = 1 << 20, MAX_ARGUMENTS = 32 };

const char *const archive_parts[] = {"passwd", "management", "tls", "pool", "blobs", NULL};

/* ---- what is made for the archive, on a worker ---- */

struct gathering {
    const char *state_dir, *folder, *config;
    struct buf manifest;
    struct err error;
};

static int write_manifest(const struct gathering *g)
{
    CLEANUP_BUF struct buf path = {0};

    buf_printf(&path, "%s/" ARCHIVE_MANIFEST, g->folder);
    return fd_replace_file(buf_cstr(&path), g->manifest.data, g->manifest.len);
}

static int copy_config(const struct gathering *g)
{
    CLEANUP_BUF struct buf path = {0}, text = {0};
    FILE *f = fopen(g->config, "re");

    if (!f)
        return -errno;
    text.len = fread(buf_reserve(&text, CONFIG_MAX + 1), 1, CONFIG_MAX + 1, f);
    fclose(f);
    buf_printf(&path, "%s/" ARCHIVE_CONFIG, g->folder);
    return text.len > CONFIG_MAX ? -EFBIG : fd_replace_file(buf_cstr(&path), text.data, text.len);
}

static int gather(void *arg)
{
    struct gathering *g = arg;
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    int r = write_manifest(g);

    if (r == 0 && g->config)
        r = copy_config(g);
    if (r < 0)
        return err_errno(&g->error, r, "gathering what the host needs");
    return backup_copy(talloc_asprintf(mem, "%s/xapid.db", g->state_dir),
                       talloc_asprintf(mem, "%s/" ARCHIVE_DATABASE, g->folder), &g->error);
}

static int remove_folder(void *arg)
{
    return fd_remove_tree(arg);
}

/* ---- the archive ---- */

static bool is_there(const char *folder, const char *name)
{
    CLEANUP_BUF struct buf path = {0};

    buf_printf(&path, "%s/%s", folder, name);
    return access(buf_cstr(&path), F_OK) == 0;
}

/* The names in STATE/pool that are links are made again when it is put back; hidden files are half written.
 */
static int co_send(struct transfer *t, const struct gathering *g, struct err *e)
{
    const char *argv[MAX_ARGUMENTS] = {"tar",
                                       "-c",
                                       "--format=gnu",
                                       "--owner=0",
                                       "--group=0",
                                       "--numeric-owner",
                                       "--mode=u=rwX,go=",
                                       "--exclude=pool/client-*",
                                       "--exclude=.[!.]*",
                                       "-C",
                                       g->folder,
                                       ARCHIVE_MANIFEST,
                                       ARCHIVE_DATABASE};
    unsigned n = 13;

    if (g->config)
        argv[n++] = ARCHIVE_CONFIG;
    argv[n++] = "-C";
    argv[n++] = g->state_dir;
    for (const char *const *part = archive_parts; *part; part++)
        if (is_there(g->state_dir, *part))
            argv[n++] = *part;
    return co_transfer_send_tar(t, argv, TYPE, FILE_NAME, e);
}

static int co_send_own(struct transfer *t, struct err *e)
{
    struct xapid *x = t->call.x;
    char *folder = talloc_asprintf(t->call.mem, "%s/host-backup-XXXXXX", x->options.state_dir);
    struct gathering g = {.state_dir = x->options.state_dir, .config = x->options.config};

    if (!mkdtemp(folder))
        return err_errno(e, -errno, "making %s", folder);
    g.folder = folder;
    buf_printf(&g.manifest, "format = %d\nmade_by = %s\nhost = %s\npool = %s\n", ARCHIVE_FORMAT,
               PACKAGE_STRING, x->membership.host, x->membership.pool);
    int r = co_run_worker(gather, &g, "gathering what the host needs");
    err_move(e, &g.error);
    if (r == 0)
        r = co_send(t, &g, e);
    else if (!err_is_set(e))
        err_errno(e, r, "gathering what the host needs");
    buf_free(&g.manifest);
    fiber_mask_cancel();
    (void)co_run_worker(remove_folder, folder, "removing the copy for a backup");
    fiber_unmask_cancel();
    return r;
}

void co_host_backup_get(struct http_request *r, struct http_stream *s, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct transfer t;
    struct ref host;

    if (!co_transfer_begin(&t, r, s, arg, "http/get_host_backup", "Backup of a host"))
        return;
    if (elsewhere_host(&t, &host, &e) == 0)
        (void)(ref_equal(host, t.call.x->host) ? co_send_own(&t, &e)
                                               : co_elsewhere_send(&t, host, TYPE, FILE_NAME, &e));
    co_transfer_end(&t, &e);
}

void co_peer_host_backup_get(struct http_request *r, struct http_stream *s, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct transfer t;

    if (!co_peers_admit_stream(arg, r, s) || !peers_is_trusted(arg, r))
        return;
    (void)co_transfer_begin(&t, r, s, arg, NULL, NULL);
    if (co_send_own(&t, &e) < 0)
        log_warning("a backup for the coordinator: %s", err_text(r->mem, &e));
    co_transfer_end(&t, &e);
}
