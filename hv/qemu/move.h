#ifndef HV_QEMU_MOVE_H
#define HV_QEMU_MOVE_H
/*
 * A guest's way to another host, as the driver's files on it share it: move.c (the source), receive.c (the
 * destination), mirror.c (disks), sockets.c, credentials.c (who may); private to this folder and its tests. 0
 * or -errno with *e filled.
 */
#include "hv/qemu/devices.h"
#include "hv/qemu/qemu.h"

/* ---- move.c ---- */

/* A destination that takes nothing for so long is given up: the guest may stand still, or wait for its disk,
 * meanwhile. */
#define QEMU_STALL_MS 8000

/* May memory be copied beside the running guest? Else the guest has to stand still first.
 *
 * Under TCG a QEMU before 9.0 loses writes without a word: it looks up which pages were written to in a log
 * that a guest's later writes to the same page no longer reach, since the translated code keeps its way round
 * it. A guest that writes 50 MB/s never survived that here, and QEMU called each move completed. Mended by
 * "physmem: Factor cpu_physical_memory_dirty_bits_cleared() out" of March 2024. KVM keeps its own log. */
bool qemu_moves_beside(bool kvm, int64_t qemu_major);

/* What both sides have to be told alike, as enum qemu_capability's bits. */
unsigned qemu_passage_capabilities(const struct hv_passage *p);

/* Likewise as parameters of migrate-set-parameters; a new object. */
json_t *qemu_passage_parameters(const struct hv_passage *p);

/* Put what went wrong inside into VM_MIGRATE_FAILED, and answer -1. */
int qemu_move_failed(struct err *e, const char *uuid, const char *source, const char *destination);

/* One step of a guest that is on its way; 0 or -1. */
int co_qemu_move_step(struct hv *hv, const char *uuid, co_qemu_change *co_do, void *arg, struct err *e);

/* "tcp:ADDRESS:PORT", in brackets when it is IPv6; on ctx. */
char *qemu_tcp_uri(void *ctx, const char *address, unsigned port);

/* ---- credentials.c: objects of QEMU ---- */

#define QEMU_CREDS_IN "peer-in"    /* with which the destination answers */
#define QEMU_CREDS_OUT "peer-out"  /* with which the source asks */
#define QEMU_AUTHZ_IN "peer-authz" /* whom the destination answers */

int co_qemu_trust_source(struct qemu_vm *vm, const char *host, struct err *e);
int co_qemu_trust_destination(struct qemu_vm *vm, const struct hv_passage *p, struct err *e);

/* ---- sockets.c ---- */

/* A socket that listens at a free port of this address, or one that is connected; or -errno. */
int qemu_listen(const char *address, unsigned *ret_port);
int co_qemu_connect(const char *address, unsigned port);

/* Let QEMU have it, under a name; fd may be what those two failed with. It remains the caller's, too. */
int co_qemu_pass_socket(struct qemu_vm *vm, int fd, const char *name, const char *address, struct err *e);

/* ---- mirror.c ---- */

/* The destination: let the source write the disks that are mirrored. */
int co_qemu_export_disks(struct qemu_vm *vm, const struct hv_passage *p, unsigned *ret_port, struct err *e);

/* The source: begin to copy the disks, what the guest writes meanwhile included; wait until the copies are as
 * the disks, and stay so; leave the copies as they are now, once the guest stands still. */
int co_qemu_begin_mirrors(struct qemu_vm *vm, const struct hv_passage *p, struct err *e);
int co_qemu_wait_mirrors(struct qemu_vm *vm, const struct hv_passage *p, hv_progress_fn *progress, void *arg,
                         struct err *e);
int co_qemu_complete_mirrors(struct qemu_vm *vm, const struct hv_passage *p, struct err *e);

/* Give up whatever mirrors there are, in whatever state. */
int co_qemu_abandon_mirrors(struct qemu_vm *vm, struct err *e);

/* Is one under way? 1, 0 or -errno. */
int co_qemu_has_mirrors(struct qemu_vm *vm, struct err *e);

#endif
