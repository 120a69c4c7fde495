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

/* Has a host attached it? */
bool sr_is_attached(struct db *db, const struct sr *sr);

/* An SR as its driver takes it, text and maps copied to ctx so that it may be kept over waits. device_config
 * is that of this host's PBD. Errors: SR_UNKNOWN_DRIVER; SR_HAS_NO_PBDS when this host has none. */
struct sr_handle {
    struct sm_sr sm;
    const struct sm_driver *driver;
    struct ref ref;
};
int sr_open(struct xapid *x, void *ctx, struct ref sr, struct sr_handle *ret, struct err *e);

/* The PBD that ties the SR to a host; NULL when there is none. */
const struct pbd *pbd_of_host(struct db *db, struct ref sr, struct ref host);

const struct map *copy_text_map(void *ctx, const struct map *m);

/* Ask the driver how full it is and write that to the SR's row. */
int co_sr_refresh(struct xapid *x, const struct sr_handle *h, struct err *e);

/* Make the VDI rows those that the driver finds: new ones appear, those without storage go. */
int co_sr_rescan(struct xapid *x, const struct sr_handle *h, struct err *e);

/* Attach the SR of a PBD on this host and note it; idempotent. The part of PBD.plug that bootstrap needs too.
 */
int co_pbd_attach(struct xapid *x, struct ref pbd, struct err *e);

#endif
