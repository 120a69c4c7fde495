/*
 * The daemon's start, after the agent is open:
 *   1. folders of the default storage
 *   2. rows: host, pool, networks, storage, templates; nothing is in progress, all allowed_operations worked
 * out
 *   3. the host's SRs are attached, and disks that were being made or removed are settled
 *   4. guests that are alive are taken over, VMs whose guest is gone become halted
 * Only then anything is served.
 */
#include "xapid/blob/blob.h"
#include "xapid/host/bootstrap.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "lib/log.h"
#include "xapid/certificate/server.h"
#include "xapid/certificate/trusted.h"
#include "xapid/host/faults.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/sr.h"
#include "xapid/storage/vdi.h"
#include "xapid/vm/lifecycle.h"

static int make_folder(const char *state_dir, const char *name, struct err *e)
{
    CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%s/%s", state_dir, name);

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_errno(e, -errno, "making %s", path);
    return 0;
}

static int make_rows(struct xapid *x, const char *state_dir, struct err *e)
{
    struct txn *t = db_begin(x->db);

    repair_rows(t);
    host_rows(t, x);
    server_certificate_row(t, x);
    trusted_rows(t, x);
    pool_rows(t, x);
    network_rows(t, x);
    storage_rows(t, x, state_dir);
    template_rows(t, x, state_dir);
    op_refresh_all(t);
    return db_commit(t, e);
}

/* An SR that cannot be attached now is shown as such and leaves the rest alone. */
static void co_attach_srs(struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct set *pbds = db_referrers(x->db, mem, CLASS_PBD, PBD_F_HOST, x->host);

    for (uint32_t i = 0; i < set_count(pbds); i++) {
        CLEANUP_ERR struct err e = {0};
        struct ref sr = db_pbd(x->db, pbds->v[i].r)->SR;
        struct sr_handle h;
        if (co_pbd_attach(x, pbds->v[i].r, &e) < 0 || sr_open(x, mem, sr, &h, &e) < 0 ||
            co_sr_refresh(x, &h, &e) < 0)
            log_warning("attaching the SR of a PBD: %s", err_text(mem, &e));
    }
}

/* CD images come and go as files, so each start looks. */
static void co_scan_isos(struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct set *srs = NULL;

    DB_FOREACH_SR (x->db, sr)
        if (strcmp(text_of(sr->content_type), "iso") == 0 && sr_is_attached(x->db, sr))
            srs = set_with_ref(mem, srs, sr->row.ref);
    for (uint32_t i = 0; i < set_count(srs); i++) {
        CLEANUP_ERR struct err e = {0};
        struct sr_handle h;
        if (sr_open(x, mem, srs->v[i].r, &h, &e) < 0 || co_sr_rescan(x, &h, &e) < 0)
            log_warning("scanning an SR: %s", err_text(mem, &e));
    }
}

int co_host_bootstrap(struct xapid *x, struct err *e)
{
    CLEANUP_FREE char *state_dir = realpath(x->options.state_dir, NULL);

    if (!state_dir)
        return err_errno(e, -errno, "%s", x->options.state_dir);
    if (make_folder(state_dir, "sr", e) < 0 || make_folder(state_dir, "iso", e) < 0)
        return -1;
    if (make_rows(x, state_dir, e) < 0)
        return -1;
    co_attach_srs(x);
    co_vdi_settle_notes(x);
    blobs_settle(x);
    co_scan_isos(x);
    return co_host_adopt(x, e) < 0 ? -1 : faults_start(x, e);
}

void host_on_report(const struct hv_report *r, void *arg)
{
    lifecycle_on_report(arg, r);
}
