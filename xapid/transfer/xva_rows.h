#ifndef XAPID_TRANSFER_XVA_ROWS_H
#define XAPID_TRANSFER_XVA_ROWS_H
/*
 * The rows that an XVA's records become: VMs with drives, NICs and the networks that are missing, all of it
 * in one transaction or nothing. Never yields.
 *
 * uuids and addresses: with restore those of the archive (a VM whose uuid is taken is refused, a device whose
 * uuid is taken gets a new one); otherwise new ones, made from a new mac_seed.
 */
#include "xapid/call.h"
#include "xapid/transfer/xva_receive.h"

struct xva_rules {
    bool restore;
    bool force;    /* leave out drives whose disk cannot be found; let two VMs have the same mac_seed */
    bool metadata; /* disks are those that are here already */
    bool dry_run;
    struct ref sr; /* of new disks, where they do not say themselves */
    /* What is still to be done in the same transaction, before it is committed; or NULL. Then networks are
     * its affair too: NICs are on none until it says where. Never yields. */
    int (*finish)(struct txn *t, struct arriving *a, void *arg, struct err *e);
    void *arg;
};

/* Everything that can be known to be wrong before a disk has come. Errors: IMPORT_ERROR…, DUPLICATE_VM,
 * DUPLICATE_MAC_SEED, MEMORY_CONSTRAINT_VIOLATION. */
int xva_check(struct call *c, const struct xva *x, const struct xva_rules *rules, struct err *e);

/* Make the rows; records of VMs, drives and NICs have their references afterwards. Disks that have arrived
 * get rows too; records of other disks have the reference of what is here already. */
int xva_make_rows(struct call *c, struct arriving *a, const struct xva_rules *rules, struct err *e);

#endif
