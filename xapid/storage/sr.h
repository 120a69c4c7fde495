#ifndef XAPID_STORAGE_SR_H
#define XAPID_STORAGE_SR_H
/*
 * Storage repositories as the operations see them: which driver, how to reach it, what the rows say
 * afterwards.
 */
#include "sm/sm.h"
#include "xapid/call.h"
#include "xapid/server.h"

/* Does the SR's driver have a capability ("VDI_CLONE")? */
bool sr_can(const struct sr *sr, const char *capability);

/* Has any host attached it? */
bool sr_is_attached(struct db *db, const struct sr *sr);

/* Has this host attached it? */
bool sr_is_attached_at(struct db *db, struct ref sr, struct ref host);

/* An SR as the driver on a host takes it, text and maps copied to ctx so that it may be kept over waits.
 * device_config is that of the host's PBD. */
struct sr_handle {
    struct sm_sr sm;
    const struct sm_driver *driver; /* what it can do; acting goes through the agent */
    struct agent *agent;            /* of the host */
    struct ref ref, host;
};

/* On a host that has it attached: this one rather than another. Errors: SR_UNKNOWN_DRIVER; SR_HAS_NO_PBDS;
 * HOST_OFFLINE when those that could reach it are not there. */
int sr_open(struct xapid *x, void *ctx, struct ref sr, struct sr_handle *ret, struct err *e);

/* On that host, attached or not. Errors: SR_UNKNOWN_DRIVER; SR_HAS_NO_PBDS when the host has none;
 * HOST_OFFLINE. */
int sr_open_at(struct xapid *x, void *ctx, struct ref sr, struct ref host, struct sr_handle *ret,
               struct err *e);

/* Both on one host that has both attached; when there is none, each on one that has it. Errors: those of
 * sr_open. */
int sr_open_both(struct xapid *x, void *ctx, struct ref one, struct ref other, struct sr_handle *ret_one,
                 struct sr_handle *ret_other, struct err *e);

/* The PBD that ties the SR to a host; NULL when there is none. */
const struct pbd *pbd_of_host(struct db *db, struct ref sr, struct ref host);

const struct map *copy_text_map(void *ctx, const struct map *m);

/* Ask the driver how full it is and write that to the SR's row. */
int co_sr_refresh(struct xapid *x, const struct sr_handle *h, struct err *e);

/* Make the VDI rows those that the driver finds: new ones appear, those without storage go. */
int co_sr_rescan(struct xapid *x, const struct sr_handle *h, struct err *e);

/* Drop an SR's row and those of its PBDs and disks; mem is for a moment's use. */
void sr_forget_rows(struct txn *t, void *mem, struct ref sr);

/* Attach the SR of a PBD on its host and note it; idempotent. The part of PBD.plug that bootstrap needs too.
 */
int co_pbd_attach(struct xapid *x, struct ref pbd, struct err *e);

#endif
