#ifndef XAPID_VM_VM_H
#define XAPID_VM_VM_H
/*
 * What several VM operations share. In the caller's transaction; never yields.
 */
#include "xapid/call.h"

/* Has it a guest, running or paused? vm may be NULL. */
static inline bool vm_is_up(const struct vm *vm)
{
    return vm && (vm->power_state == VM_POWER_STATE_RUNNING || vm->power_state == VM_POWER_STATE_PAUSED);
}

/* A fresh VM.other_config:mac_seed, which the addresses of its VIFs are made from. */
void vm_give_mac_seed(struct txn *t, const struct vm *vm);

/* The VM's row and all that exist only for it; disks and snapshots stay, of nothing then. */
void vm_delete_rows(struct txn *t, const struct vm *vm);

/* VCPUs_max and VCPUs_at_startup together. Errors: INVALID_VALUE. */
int vcpus_check(int64_t max, int64_t at_startup, struct err *e);

#endif
