#ifndef XAPID_VM_CROSSING_H
#define XAPID_VM_CROSSING_H
/*
 * VMs that go to another pool. The coordinators of the two speak with each other (crossing_talk.h), each acts
 * through the agents of its own hosts (pool/agent.h).
 *
 * The source is let in by the session that host.migrate_receive's answer holds, at the server whose
 * certificate that answer tells. It asks for a certificate under the crossing's own name (pool/visitor.h),
 * with which its hosts send disks, and its QEMU memory, to the hosts of the other pool.
 *
 * The destination decides. It makes rows and disks first (VM.crossing is "arriving": what a start of the
 * daemon finds so, it removes), takes in what comes, and on "commit" records the VM as its own, and the
 * crossing in pool.crossings, in one transaction. A connection that ends before that ends the attempt. The
 * source notes in VM.crossing whom to ask before it sends anything; from then on only an answer tells where
 * the VM belongs: decided, or never to be. Until there is one its guest neither goes on by itself nor is
 * ended, also after a restart. When the source has done away with its own, it puts the note into its own
 * pool.crossings until the destination has heard of that and has forgotten the crossing. Both forget it by
 * themselves when the source's certificate is over.
 */
#include <jansson.h>
#include "hv/hv.h"
#include "rpc/http.h"
#include "xapid/call.h"
#include "xapid/vm/whole.h"

/* host.migrate_receive's answer, as another pool gave it. */
struct crossing_target {
    struct ref host;                          /* its reference there */
    const char *master, *url, *session, *pin; /* pin: the certificate's SHA-256 fingerprint */
    uint16_t port;
};

struct vm_crossing {
    struct ref vm;
    struct crossing_target to;
    const struct map *disks, *nics; /* VDI → SR, VIF → network of the other pool */
    const struct map *options;
    bool copy; /* of a VM that is halted, which stays */
};

/* Read the answer. Errors: INVALID_VALUE. */
int crossing_target_read(struct call *c, const struct map *dest, struct crossing_target *ret, struct err *e);

/* Could the VM cross now? The other pool is asked, too. */
int co_vm_cross_check(struct call *c, const struct vm_crossing *m, struct err *e);

/* The caller holds the operation on the VM. *ret: its reference in the other pool. Errors: VDI_NOT_IN_MAP,
 * VIF_NOT_IN_MAP, VDI_IN_USE, those of the other pool, VM_MIGRATE_FAILED. */
int co_vm_cross(struct call *c, const struct vm_crossing *m, struct ref *ret, struct err *e);

/* ---- what goes ---- */

struct crossing_disk {
    struct ref vdi, sr;
    bool mirrored; /* while the guest writes to it */
    unsigned userdevice;
};
struct crossing_nic {
    struct ref vif, network;
};
struct crossing_plan {
    struct vm_whole whole;
    unsigned n_disks, n_nics;
    struct crossing_disk *disks;
    struct crossing_nic *nics;
};

/* On ctx. Never yields. Snapshots' disks go where those go that they are snapshots of, their NICs where the
 * VM's go that are on the same network, memory images with the first disk, unless the maps say otherwise. */
int crossing_make_plan(struct xapid *x, void *ctx, const struct vm_crossing *m, struct crossing_plan *ret,
                       struct err *e);

/* ---- where it belongs ---- */

enum crossing_outcome { CROSSING_UNKNOWN, CROSSING_COMMITTED, CROSSING_ABORTED };

/* Whom to ask, as VM.crossing keeps it. */
struct crossing_note {
    const char *id, *address, *other_address;
    uint16_t port;
    struct hv_credentials credentials;
};
char *crossing_note_write(void *ctx, const struct crossing_note *n);

/* Is the VM on its way to another pool, as far as is recorded? */
bool crossing_is_leaving(const struct vm *vm);

/* Ask until there is an answer, the deadline, or the fiber is cancelled. *ret: the VM there. */
enum crossing_outcome co_crossing_outcome(const struct crossing_note *n, int64_t deadline, struct ref *ret);
/* Tell the other pool, in a fiber of its own, that it may forget the crossing; then forget it here. */
void crossing_done_later(struct xapid *x, const struct crossing_note *n);

/* Take it out of pool.crossings; durable. */
int co_crossing_forget(struct xapid *x, const char *id, struct err *e);

/* May another pool have to ask this one, which has a VM of it or is getting it? Never yields. */
bool crossings_are_open(struct xapid *x);

/* The destination's word in pool.crossings, on ctx; and the VM's reference in it, null: there is none. */
char *crossing_decided_write(void *ctx, struct ref vm);
struct ref crossing_decided_read(const char *text);

/* What a VM's own pool does once it knows: its guest is ended and all of it removed, or it goes on. The
 * caller holds the operation. */
int co_crossing_left(struct xapid *x, struct ref vm, bool post_copy, struct err *e);
int co_crossing_stays(struct xapid *x, struct ref vm, struct err *e);

/* Find out in a fiber of its own what became of a VM that is leaving, for as long as it takes. It holds
 * VM.migrate_send of the VM; ended by hand (VM.hard_shutdown, or VM.power_state_reset by
 * crossing_give_up) the VM counts as this pool's. */
void crossing_settle_later(struct xapid *x, struct ref vm);
void crossing_give_up(struct xapid *x, struct ref vm);

/* At the coordinator's start, before it serves: what was arriving is removed, what was leaving is asked for.
 */
void co_crossings_settle(struct xapid *x);

/* ---- the destination ---- */

/* CONNECT /crossing; POST /crossing/outcome and /crossing/done, for visitors. */
co_http_raw_handler co_crossing_serve;
co_http_handler co_crossing_outcome_post, co_crossing_done_post;

#endif
