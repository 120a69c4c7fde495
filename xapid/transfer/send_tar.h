#ifndef XAPID_TRANSFER_SEND_TAR_H
#define XAPID_TRANSFER_SEND_TAR_H
#include "xapid/transfer/transfer.h"

/* Send what argv, a command line of GNU tar, writes to its standard output, as a reply of that type. Errors:
 * those of the transfer, INTERNAL_ERROR. */
int co_transfer_send_tar(struct transfer *t, const char *const *argv, const char *type, const char *name,
                         struct err *e);

#endif
