#ifndef XAPID_VM_GUEST_INFO_H
#define XAPID_VM_GUEST_INFO_H
#include "hv/hv.h"
#include "xapid/call.h"
#include "xapid/server.h"

/* What a guest said about itself goes to its VM_guest_metrics, made on the first word. Never yields. */
void guest_info_record(struct xapid *x, const struct vm *vm, const struct hv_guest_info *info);

#endif
