#ifndef XAPID_VM_MOVE_DISKS_H
#define XAPID_VM_MOVE_DISKS_H
/*
 * The disks whose content goes to other storage when their VM moves. A new disk is made for each; once its
 * content is there the rows change over to it in one transaction, and the old disk goes.
 */
#include "xapid/call.h"
#include "xapid/storage/vdi.h"
#include "xapid/op.h"

struct moving_disk {
    struct ref vbd;        /* the drive that has it; null: none */
    struct ref source, sr; /* the disk, and the SR that it goes to */
    unsigned userdevice;
    bool mirrored;       /* while its guest writes to it */
    struct op op;        /* on the disk */
    struct sr_handle to; /* the new one */
    struct sm_vdi sm;
    struct ref made; /* its row */
    struct vdi_doomed old;
    bool doomed, gone;       /* noted to be removed; its row is */
    const union value *kept; /* what the row of the old one said, by field */
};

struct moving_disks {
    struct xapid *x;
    struct moving_disk *v; /* on the caller's context, and stays where it is */
    unsigned n;
};

/* Which disks move when the VM goes to the host, by a map from VDIs to SRs; NULL: none may, and only those
 * count that a guest has attached. Else all of the VM's, and its memory image. Never yields. Errors, for what
 * the host does not reach: VDI_NOT_IN_MAP, or VM_REQUIRES_SR without a map; for what cannot move:
 * SR_DOES_NOT_SUPPORT_MIGRATION, VDI_CBT_ENABLED, VDI_IN_USE, VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION.
 */
int move_disks_plan(struct xapid *x, void *ctx, const struct vm *vm, struct ref host, const struct map *map,
                    struct moving_disks *ret, struct err *e);

/* May the disk go to the SR, apart from who reaches them? */
int move_disk_check(struct xapid *x, const struct vdi *vdi, struct ref sr, struct err *e);

/* The same of the disk alone, and of the SR alone. */
int move_disk_check_leaving(struct xapid *x, const struct vdi *vdi, struct err *e);
int move_disk_check_sr(struct xapid *x, struct ref sr, struct err *e);

/* Hold the disks, and note that the old ones are to go; move_disks_release afterwards, also when this has
 * failed. */
int co_move_disks_hold(struct call *c, struct moving_disks *d, struct err *e);
void move_disks_release(struct moving_disks *d);

/* Make the new disks on the host, those that will be mirrored empty; or all with the content of the old ones.
 */
int co_move_disks_make(struct call *c, struct moving_disks *d, struct ref host, struct undo *u,
                       struct err *e);
int co_move_disks_copy(struct call *c, struct moving_disks *d, struct undo *u, struct err *e);

/* Change the rows over, in the caller's transaction; move_disks_recorded once it is committed. */
void move_disks_record(struct txn *t, struct moving_disks *d);
void move_disks_recorded(struct moving_disks *d);

/* Change them back to the old disks, which are as they were: before anything has written to the new ones, and
 * before the burial. Likewise; what the old rows say is kept before they change over, on ctx. Undoing what
 * made the new ones is the caller's. */
void move_disks_keep(void *ctx, struct moving_disks *d);
void move_disks_take_back(struct txn *t, struct moving_disks *d);
void move_disks_taken_back(struct moving_disks *d);

/* Remove the old disks, whatever becomes of the caller. */
void co_move_disks_bury(struct moving_disks *d);

#endif
