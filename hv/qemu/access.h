#ifndef HV_QEMU_ACCESS_H
#define HV_QEMU_ACCESS_H
/*
 * Who a QEMU runs as, and what it may open. Where root runs the daemon a QEMU has a user of its own: with a
 * range of subordinate users (subuid(5)) of the one that is set each guest has one to itself, else all share
 * that one. It has no file of its own: folders on the way to a guest's disks are opened to the user's group
 * for passing through, and disks, their bases, kernels and, for a move, certificates to the guest's user, by
 * access lists (hv/qemu/acl.h). What is opened is written down in the guest's folder first (spec.json), and
 * closed when the guest has let go of it, or has ended. Monitors, consoles, logs and taps come as
 * descriptors.
 *
 * In its folder a QEMU may make files only until it answers, when its guest has not run yet: from then on
 * nothing in there is what it has put there since.
 */
#include "hv/qemu/qemu.h"

#define ACCESS_KERNEL (-1) /* in the place of a userdevice */

/* Find the user; without that name, or if we are not root, there is none, and *ret is all zero. -ENOENT when
 * there is no such user. */
int qemu_user_find(const char *name, struct qemu_user *ret);

/* The range of a name in the text of subuid(5); false when it has none. */
bool qemu_user_range(const char *text, const char *name, uid_t *ret_first, unsigned *ret_count);

/* Who a guest that is being started runs as; 0: as we do. */
uid_t qemu_user_pick(const struct qemu_hv *hv, int64_t domid);

/* Let the guest open a disk and what it is based on, or kernels; 0 or -errno with *e filled. Nothing where it
 * runs as we do. */
int qemu_access_disk(struct qemu_vm *vm, const struct hv_disk *d, struct err *e);
int qemu_access_all(struct qemu_vm *vm, const struct hv_vm_spec *spec, struct err *e);

/* Its disk has become the read-only base of the file at path (snapshot.c). */
int qemu_access_follow(struct qemu_vm *vm, unsigned userdevice, const char *path, const char *base,
                       struct err *e);

/* It has no use for what is in that drive any more. A failure is logged. */
void qemu_access_revoke(struct qemu_vm *vm, int userdevice);

/* All of a guest that has ended, as its folder says. */
void qemu_access_revoke_all(struct qemu_hv *hv, const char *uuid, int dir_fd);

/* The certificates for a move in a folder, its own or another, for the moment in which it reads them. */
int qemu_access_certificates(struct qemu_vm *vm, const char *dir, bool open, struct err *e);

/* Its folder, while it makes its files there; and again ours. 0 or -errno. */
int qemu_access_folder(const struct qemu_vm *vm, bool open);

#endif
