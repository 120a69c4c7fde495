#ifndef XAPID_TRANSFER_SEND_TAR_H
#define XAPID_TRANSFER_SEND_TAR_H
#include "xapid/transfer/transfer.h"

/* Send what argv, a command line of GNU tar, writes to its standard output, as a reply of that type. Errors:
 * those of the transfer, INTERNAL_ERROR. */
int co_transfer_send_tar(struct transfer *t, const char *const *argv, const char *type, const char *name,
                         struct err *e);

/* Put such an archive to a web server (xapid/transfer/web.h): the call's progress tells how far it is;
 * http_proxy of the options is the proxy to go through. There is no vendor's server to send it to by default.
 * Errors: INVALID_VALUE, SYSTEM_STATUS_RETRIEVAL_FAILED with what went wrong. */
int co_upload_tar(struct call *c, const char *const *argv, const char *url, const struct map *options,
                  struct err *e);

#endif
