#ifndef XAPID_TRANSFER_VHD_RECEIVE_H
#define XAPID_TRANSFER_VHD_RECEIVE_H
#include "xapid/transfer/disk_format.h"

/* Write what a dynamic VHD holds, and zeros elsewhere; of a differencing one only the sectors that it has,
 * over what the disk holds. The file is read from front to back. Errors: VDI_IO_ERROR for a file that is
 * damaged, cut, larger than the disk or of another kind. */
int co_vhd_receive(struct transfer *t, const struct open_vdi *target, struct err *e);

#endif
