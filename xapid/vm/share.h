#ifndef XAPID_VM_SHARE_H
#define XAPID_VM_SHARE_H
/*
 * How the memory of a host is shared by its guests: the arithmetic. Reads rows, never yields; bytes.
 *
 * A guest holds what it has been told to have (VM.memory_target), or more while it has not followed yet. One
 * with a dynamic range can be shrunk to memory_dynamic_min; all of them, with one that is to start, get the
 * same share of their ranges.
 */
#include <sys/queue.h>
#include "xapid/call.h"

/* What a host needs beside the guest's own memory. */
int64_t vm_memory_overhead(const struct vm *vm);

/* What the VM's guest has been told to have, or is to be started with: memory_dynamic_max if nothing else. */
int64_t vm_memory_given(const struct vm *vm);

/* What its guest holds. */
int64_t vm_memory_held(struct db *db, const struct vm *vm);

/* What a host must have for it at least, overhead included: one that starts begins with memory_dynamic_min if
 * need be, one that exists keeps what it holds. */
int64_t vm_memory_needed(struct db *db, const struct vm *vm);

/* What its guest should have now; `share` as host_memory_share says. */
int64_t vm_memory_due(struct db *db, const struct vm *vm, double share);

/* What could be had on a host if its guests were shrunk as far as they may; `but` (may be NULL) is left out.
 * What is being started there counts as taken. */
int64_t host_free_memory(struct db *db, struct ref host, const struct vm *but);

/* What nobody holds there now; negative while more is promised than there is. */
int64_t host_idle_memory(struct db *db, struct ref host, const struct vm *but);

/* The part of its dynamic range (0 to 1) that each guest there can have, with `more`, which is to start there
 * (or NULL). */
double host_memory_share(struct db *db, struct ref host, const struct vm *more);

/* Memory of a host that is promised while what it is for is not recorded yet; on its taker's stack. */
struct memory_promise {
    struct ref host;
    int64_t bytes;
    SLIST_ENTRY(memory_promise) link;
};
void host_memory_promise(struct memory_promise *p, struct ref host, int64_t bytes);
void host_memory_release(struct memory_promise *p);

/* HOST_NOT_ENOUGH_FREE_MEMORY; nothing is less than 0. */
int memory_refuse(int64_t needed, int64_t available, struct err *e);

#endif
