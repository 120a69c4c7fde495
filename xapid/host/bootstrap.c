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
#include "xapid/host/crash_dumps.h"
#include "xapid/host/faults.h"
#include "xapid/host/upgrade.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/sr.h"
#include "xapid/storage/vdi.h"
#include "xapid/vm/lifecycle.h"
#include "xapid/vm/squeeze.h"

static int make_folder(const char *state_dir, const char *name, struct err *e)
{
    CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%s/%s", state_dir, name);

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_errno(e, -errno, "making %s", path);
    return 0;
}

/* This host's, and what it says of itself now. */
static void own_rows(struct txn *t, struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct host_machine_facts facts;

    host_machine_facts(x, mem, &facts);
    x->host = pool_own_host(x);
    if (ref_is_null(x->host))
        x->host = host_row_create(t, &facts)->row.ref;
    host_refresh_rows(t, x->host, &facts);
}

void host_refresh_rows(struct txn *t, struct ref host, const struct host_machine_facts *f)
{
    host_rows(t, db_host(txn_db(t), host), f);
    pool_level_processors(t);
    upgrade_note(t);
    host_describe_rows(t, host, f);
    storage_detached(t, host);
}

void host_describe_rows(struct txn *t, struct ref host, const struct host_machine_facts *f)
{
    const struct pool *pool = (const struct pool *)db_first(txn_db(t), CLASS_POOL);
    bool verifies = pool && pool->tls_verification_enabled && !f->verification_off;

    host_set_address(t, db_host(txn_db(t), host), f->address);
    host_set_tls_verification_enabled(t, db_host(txn_db(t), host), verifies);
    network_rows(t, host, f);
    server_certificate_row(t, host, text_of(f->server_certificate));
}

static int make_rows(struct xapid *x, const char *state_dir, struct err *e)
{
    struct txn *t = db_begin(x->db);

    repair_rows(t);
    own_rows(t, x);
    crash_dump_rows(t, x);
    trusted_rows(t, x);
    pool_rows(t, x);
    absent_rows(t, x);
    storage_rows(t, x, state_dir);
    template_rows(t, x, state_dir);
    op_refresh_all(t);
    return db_commit(t, e);
}

/* CD images come and go as files, so each start looks. */
static int co_look_at_sr(struct xapid *x, const struct sr_handle *h, struct err *e)
{
    const struct sr *sr = db_sr(x->db, h->ref);
    bool isos = sr && strcmp(text_of(sr->content_type), "iso") == 0;

    return isos ? co_sr_rescan(x, h, e) : co_sr_refresh(x, h, e);
}

static int co_attach_pbd(struct xapid *x, void *mem, struct ref ref, struct err *e)
{
    const struct pbd *pbd = db_pbd(x->db, ref);
    struct sr_handle h;

    if (!pbd)
        return 0;
    struct ref sr = pbd->SR, host = pbd->host;
    if (co_pbd_attach(x, ref, e) < 0 || sr_open_at(x, mem, sr, host, &h, e) < 0)
        return -1;
    return co_look_at_sr(x, &h, e);
}

void co_host_attach_storage(struct xapid *x, struct ref host)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct set *pbds = db_referrers(x->db, mem, CLASS_PBD, PBD_F_HOST, host);

    for (uint32_t i = 0; i < set_count(pbds); i++) {
        CLEANUP_ERR struct err e = {0};
        if (co_attach_pbd(x, mem, pbds->v[i].r, &e) < 0)
            log_warning("attaching the SR of a PBD: %s", err_text(mem, &e));
    }
    co_vdi_settle_notes(x);
}

static void add_guest(const char *uuid, const struct hv_vm_facts *f, void *arg)
{
    host_guests_add(arg, uuid, f);
}

/* The guests of this host. */
static int co_adopt(struct xapid *x, struct err *e)
{
    CLEANUP_TALLOC struct host_guests *guests = talloc_zero(NULL, struct host_guests);

    if (co_agent_adopt(x->agent, add_guest, guests, e) < 0)
        return -1;
    squeeze_begin(x);
    return co_host_adopt(x, x->host, guests, e);
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
    co_host_attach_storage(x, x->host);
    blobs_settle(x);
    return co_adopt(x, e) < 0 ? -1 : faults_start(x, e);
}

void host_on_report(const struct hv_report *r, void *arg)
{
    struct xapid *x = arg;
    lifecycle_on_report(x, x->host, r);
}
