#ifndef XAPID_TRANSFER_XVA_READ_H
#define XAPID_TRANSFER_XVA_READ_H
/*
 * ova.xml on its way in: its objects by id. Everything is on the caller's ctx. Never yields.
 */
#include "rpc/wire.h"

enum { XVA_RECORDS_MAX = 16 << 20 }; /* bytes of ova.xml at most */

struct xva_record {
    const char *id; /* "Ref:7" */
    enum model_class_id cls;
    const struct wire *snapshot; /* a struct */
    struct ref ref;              /* of the row that it has become or stands for; REF_NULL: none */
    bool is_disk;                /* a VDI that a Disk drive of an imported VM holds */
};

struct xva {
    int version; /* export_vsn */
    unsigned n;
    struct xva_record *records; /* sorted by id; of the classes that are known here */
};

/* Errors: IMPORT_ERROR with what is wrong; IMPORT_INCOMPATIBLE_VERSION. */
int xva_read(void *ctx, const char *bytes, size_t n, struct xva *ret, struct err *e);

/* NULL when there is none, or none of this class. */
struct xva_record *xva_find(const struct xva *x, enum model_class_id cls, const char *id);

/* The record of class that a member of r names, or NULL. */
struct xva_record *xva_named(const struct xva *x, const struct xva_record *r, const char *member,
                             enum model_class_id cls);

/* Control domains stay where they are. */
bool xva_is_imported(const struct xva_record *vm);
bool xva_is_disk_drive(const struct xva_record *vbd);

/* A member of the record as text; "" when it is absent or no text. */
const char *xva_text(const struct xva_record *r, const char *member);
bool xva_flag(const struct xva_record *r, const char *member);
bool xva_number(const struct xva_record *r, const char *member, int64_t *ret);

/* Each record of a class. */
#define XVA_FOREACH(x, r, class)                                              \
    for (struct xva_record *r = (x)->records; r < (x)->records + (x)->n; r++) \
        if (r->cls == CLASS_##class)

#endif
