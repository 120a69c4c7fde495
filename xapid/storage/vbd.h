#ifndef XAPID_STORAGE_VBD_H
#define XAPID_STORAGE_VBD_H
#include "xapid/call.h"

/* Does a drive of the VM other than `except` (may be NULL) have this number? */
bool vbd_device_is_taken(struct db *db, struct ref vm, int number, const struct vbd *except);

#endif
