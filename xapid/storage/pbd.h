#ifndef XAPID_STORAGE_PBD_H
#define XAPID_STORAGE_PBD_H
#include "xapid/call.h"

/* A new PBD, not plugged. */
struct ref pbd_record(struct txn *t, struct ref sr, struct ref host, const struct map *device_config);

/* Two SRs in one place would remove each other's files: may an SR (null: a new one) of this type, shared or
 * not, be where device_config says, on this host? SR_DEVICE_IN_USE. Never yields. */
int pbd_check_place(struct db *db, struct ref sr, const char *type, bool shared, struct ref host,
                    const struct map *device_config, struct err *e);

#endif
