#ifndef XAPID_VM_CRASH_H
#define XAPID_VM_CRASH_H
/*
 * Crash dumps: the memory of a guest that has panicked, as a core file (ELF) at the beginning of a VDI of
 * type crashdump. The last CRASH_DUMPS_KEPT of a VM are kept.
 */
#include "xapid/call.h"

#define CRASH_DUMPS_KEPT 3

/* Write the memory of a VM's guest, which stands still, to a new VDI on the crash-dump SR of its host, else
 * the pool's. The caller holds an operation on the VM. Errors: VM_NO_CRASHDUMP_SR [VM]; those of storage and
 * of the agent. */
int co_crash_dump(struct call *c, struct ref vm, struct err *e);

#endif
