#ifndef XAPID_VM_CROSSING_ARRIVAL_H
#define XAPID_VM_CROSSING_ARRIVAL_H
/*
 * A VM that comes from another pool, as rows and disks: what crossing_receive.c makes first. What the source
 * says is checked here.
 */
#include <jansson.h>
#include "hv/hv.h"
#include "xapid/call.h"
#include "xapid/transfer/xva_rows.h"

struct arrival {
    struct call *c;
    const json_t *told; /* what the source began with; the caller keeps it */
    char id[UUID_TEXT_SIZE];
    const char *name; /* the VM's reference at the source, for errors */
    const char *url;  /* of the answer that host.migrate_receive gave */
    bool copy, up, paused, suspended;
    struct ref host;
    struct map *options;
    struct arriving rows;     /* its disks: rows.disks, with sr_handles in places */
    struct sr_handle *places; /* of each disk */
    bool *mirrored;
    struct xva_rules rules;
    struct ref vm; /* its row, once it is made */
};

/* Errors: INVALID_VALUE for what cannot be understood, HANDLE_INVALID, VDI_NOT_IN_MAP, VIF_NOT_IN_MAP,
 * SR_DOES_NOT_SUPPORT_MIGRATION, VM_REQUIRES_SR, those of xva_read and xva_check. Never yields. */
int arrival_read(struct arrival *a, struct call *c, const json_t *told, struct err *e);

/* Would it fit, if the rows were made? Errors: those of placement. Never yields. */
int arrival_check(struct arrival *a, struct err *e);

/* Make disks and rows; a->vm. On failure nothing is left. */
int co_arrival_make(struct arrival *a, struct err *e);

/* Which disk has this name in ova.xml; -1: none. */
int arrival_disk(const struct arrival *a, const char *id);

/* In the transaction that decides: what it is from now on, but for a guest. */
void arrival_record(struct txn *t, const struct arrival *a);

/* It is not, after all. */
void arrival_record_return(struct txn *t, const struct arrival *a);

#endif
