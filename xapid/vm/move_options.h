#ifndef XAPID_VM_MOVE_OPTIONS_H
#define XAPID_VM_MOVE_OPTIONS_H
/*
 * How a guest is to move, as options of VM.pool_migrate and VM.migrate_send say: "compress", "auto_converge"
 * and "post_copy" are booleans, "bandwidth" is bytes a second, "downtime" milliseconds, "channels" a number
 * of connections. Others ("live", "force" ...) mean nothing here.
 */
#include "hv/hv.h"
#include "lib/err.h"
#include "model/value.h"

/* Errors: INVALID_VALUE [option, text]. */
int move_options_read(const struct map *options, struct hv_passage_options *ret, struct err *e);

#endif
