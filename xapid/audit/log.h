#ifndef XAPID_AUDIT_LOG_H
#define XAPID_AUDIT_LOG_H
/*
 * The files of the audit log: DIR/audit.log, and older ones as audit.log.1 (the youngest) and up. When a file
 * would grow beyond its bound it becomes audit.log.1 and the oldest goes, so that all of them stay below
 * bound times count.
 *
 * A line is with the kernel before the answer it is about leaves: a daemon that is killed loses none. It is
 * on disk a second later at most, by one fdatasync for all lines of that second: what a power failure may
 * cost is that second's lines. The changes themselves are durable by then (db/); waiting for the disk a
 * second time for each of them would double what a change costs.
 */
#include <stddef.h>
#include "lib/err.h"

struct audit_log;

enum { AUDIT_FILES_MAX = 32 };

/* Open or make DIR/audit.log (mode 0600). files: how many are kept, the one written to included. */
int audit_log_open(const char *dir, size_t bytes_per_file, unsigned files, struct audit_log **ret,
                   struct err *e);

/* Write n bytes, a line with its newline, whole or not at all. What cannot be written (a full disk) is lost
 * and said in the daemon's log, once until it works again. Never yields. */
void audit_log_append(struct audit_log *a, const char *line, size_t n);

/* Descriptors of the files there are, oldest first; they go on to show the same files whatever is rotated
 * meanwhile. The caller closes them. How many. */
unsigned audit_log_open_files(struct audit_log *a, int ret_fds[AUDIT_FILES_MAX]);

/* Everything to disk, and close. For the end of the daemon: blocks. */
void audit_log_free(struct audit_log *a);

#endif
