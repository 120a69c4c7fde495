#ifndef TESTS_DB_SAMPLE_VMS_H
#define TESTS_DB_SAMPLE_VMS_H
/* Virtual machines such as a pool has them, for measuring. */
#include "db/db.h"

/* VM number i with metrics, guest metrics, one disk (VDI, VBD, metrics), one NIC (VIF, metrics) and a
 * console. */
struct ref sample_vm(struct txn *t, unsigned i, struct ref host, struct ref sr, struct ref network);

#endif
