#ifndef XAPID_HOST_LOG_H
#define XAPID_HOST_LOG_H
#include "lib/buf.h"

/* Append the end of the daemon's own log, wherever it goes: a file, or systemd's journal. 0 or -errno;
 * -ENODATA when it goes to where nothing can be read from. */
int co_host_log_read(struct buf *out);

#endif
