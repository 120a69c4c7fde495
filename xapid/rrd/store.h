#ifndef XAPID_RRD_STORE_H
#define XAPID_RRD_STORE_H
/*
 * The archives of this host and of the guests it has, in memory; in STATE/rrd/now, written now and then and
 * when the daemon ends; and those of VMs that have no guest in STATE/rrd/<uuid>. Files that cannot be read
 * count as none: history is no reason not to start.
 */
#include "xapid/rrd/archive.h"
#include "xapid/server.h"

/* NULL when nothing is watched by this uuid now. Never yields. */
struct rrd *rrd_store_find(const char *uuid);

/* The archive of what is watched from now on: there already, out of its file, or new. */
struct rrd *co_rrd_store_get(struct xapid *x, enum rrd_owner owner, const char *uuid);

/* What the file of something not watched holds; the caller's. NULL: nothing. */
struct rrd *co_rrd_store_load(struct xapid *x, const char *uuid);

/* Each archive there is, in the order of uuids; the array is good until the next yield. */
struct rrd *const *rrd_store_all(unsigned *ret_n);

/* Write it to a file of its own; 0 or -errno. */
int co_rrd_store_save(struct xapid *x, const struct rrd *r);

/* Write all that is watched to STATE/rrd/now, and watch again what is in there. */
int co_rrd_store_save_all(struct xapid *x);
void co_rrd_store_load_all(struct xapid *x);

/* Watch it no longer. */
void rrd_store_drop(const char *uuid);

/* Remove the files of what the database does not have any more. */
void co_rrd_store_sweep(struct xapid *x);

/* At the end of the process: write all. Blocks. */
void rrd_store_end(struct xapid *x);

#endif
