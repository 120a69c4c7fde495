#ifndef XAPID_TRANSFER_XVA_RECORDS_H
#define XAPID_TRANSFER_XVA_RECORDS_H
/*
 * ova.xml on its way out (protocol.md section 8.3): the rows that make up VMs, each with references to the
 * others rewritten to "Ref:<number>" and those to anything else to null. Never yields.
 */
#include "lib/buf.h"
#include "xapid/call.h"

struct xva_object {
    enum model_class_id cls;
    struct ref ref;
};

struct xva_set {
    struct db *db;
    struct buf objects;  /* struct xva_object, sorted by reference once complete; the index is the number */
    const char *without; /* kinds of devices to leave out, comma-separated ("vif,vbd"), or NULL */
    bool keep_power;     /* show drives and NICs as attached as they are */
    bool images;         /* take in what suspended VMs have their memory on */
};

#define XVA_NULL -1

/* Take in a VM with its devices, their disks and networks, and with its snapshots if wanted. */
void xva_set_add_vm(struct xva_set *s, const struct vm *vm, bool snapshots);
/* No more VMs. */
void xva_set_complete(struct xva_set *s);
void xva_set_free(struct xva_set *s);

/* The number of a row; XVA_NULL when it is not in the set. */
int xva_set_number(const struct xva_set *s, struct ref ref);

/* The whole document. */
void xva_set_write(const struct xva_set *s, const struct xapid *x, struct buf *out);

#endif
