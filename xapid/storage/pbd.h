#ifndef XAPID_STORAGE_PBD_H
#define XAPID_STORAGE_PBD_H
#include "xapid/call.h"

/* A new PBD, not plugged. */
struct ref pbd_record(struct txn *t, struct ref sr, struct ref host, const struct map *device_config);

#endif
