#ifndef XAPID_HOST_BACKUP_ARCHIVE_H
#define XAPID_HOST_BACKUP_ARCHIVE_H
/*
 * The archive of a host (protocol.md section 8: /host_backup, /host_restore): tar, with
 *
 *     manifest      lines "key = value": format, made_by, host, pool
 *     xapid.db      the database at one moment, a single file
 *     xapid.conf    the configuration file, where the daemon was started with one
 *     passwd, management, tls/, pool/, blobs/    as in STATE (ARCHITECTURE.md)
 *
 * On its way back it is STATE/host-restore.new until it is whole and good, then STATE/host-restore until a
 * start has put it in place; what it replaces is kept in STATE/before-host-restore-<time>.
 */
#include "lib/err.h"
#include "xapid/server.h"
#include "xapid/transfer/transfer.h"

enum { ARCHIVE_FORMAT = 1 };
#define ARCHIVE_MANIFEST "manifest"
#define ARCHIVE_DATABASE "xapid.db"
#define ARCHIVE_CONFIG "xapid.conf"
#define ARCHIVE_RECEIVED "host-restore.new"
#define ARCHIVE_READY "host-restore"

/* What is taken from STATE as it is, ended by NULL: files and folders. */
extern const char *const archive_parts[];

/* Take the body as the new folder's content. Errors: IMPORT_ERROR, IMPORT_ERROR_PREMATURE_EOF,
 * RESTORE_SCRIPT_FAILED with what is wrong; the folder is to be removed then. */
int co_archive_receive(struct transfer *t, const char *folder, struct err *e);

/* Is it a host that can be started? RESTORE_SCRIPT_FAILED with what is wrong. Both log, so they are the
 * loop's, which archive_check holds up for as long as a start needs to load the database. ret_host: whose it
 * is. */
int archive_check(const char *folder, char ret_host[UUID_TEXT_SIZE], struct err *e);
int archive_check_settings(const struct xapid_options *o, const char *folder, struct err *e);

#endif
