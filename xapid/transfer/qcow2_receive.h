#ifndef XAPID_TRANSFER_QCOW2_RECEIVE_H
#define XAPID_TRANSFER_QCOW2_RECEIVE_H
#include "xapid/transfer/disk_format.h"

/* Write what a qcow2 file holds, compressed or not. Its tables may lie anywhere, so the file is kept, as long
 * as this takes, as a nameless one beside the disk. Errors: VDI_IO_ERROR for one that is damaged, cut, larger
 * than the disk, or that rests on another file. */
int co_qcow2_receive(struct transfer *t, const struct open_vdi *target, struct err *e);

#endif
