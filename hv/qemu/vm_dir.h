#ifndef HV_QEMU_VM_DIR_H
#define HV_QEMU_VM_DIR_H
/*
 * The folder of a running guest, STATE/vm/<uuid>/:
 *   spec.json    what a later daemon must know of it; written whole before QEMU is executed
 *   process      QEMU's line of /proc/<pid>/stat, locked as long as QEMU lives (hv/qemu/process.h)
 *   started      when the start was complete, seconds since 1970; without it the start was cut short
 *   held         the guest stands still on the daemon's account: a daemon that comes after it lets it go on
 *   passage      it is on its way from here to another host or the other way round (hv/qemu/passage.h)
 *   qmp.sock agent.sock serial.sock vnc.sock, console.log, qemu.log
 * Leaf code on small local files: blocks shortly, never yields. 0 or -errno.
 */
#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>
#include "model/value.h"

#define VM_DIR_SPEC "spec.json"
#define VM_DIR_PROCESS "process"
#define VM_DIR_STARTED "started"
#define VM_DIR_HELD "held"
#define VM_DIR_PASSAGE "passage"
#define VM_DIR_CHANGED "changed" /* it has other devices or processors than at its start */
#define VM_DIR_QMP "qmp.sock"
#define VM_DIR_AGENT "agent.sock"
#define VM_DIR_SERIAL "serial.sock"
#define VM_DIR_VNC "vnc.sock"
#define VM_DIR_CONSOLE_LOG "console.log"
#define VM_DIR_QEMU_LOG "qemu.log"

/* STATE/vm, made when missing; a descriptor. */
int vm_dirs_open(const char *state_dir);

/* Make the guest's folder (-EEXIST when there is one) and open it. */
int vm_dir_create(int vms_fd, const char *uuid);
int vm_dir_open(int vms_fd, const char *uuid);

/* Remove the folder and all in it. Succeeds when there is none. */
int vm_dir_remove(int vms_fd, const char *uuid);

/* A listening unix socket of this name; and a connection to one. Both non-blocking. Not bound by the length
 * of the folder's path. */
int vm_dir_listen(int dir_fd, const char *name);
int vm_dir_connect(int dir_fd, const char *name);

/* Write a file whole: it is there complete or not at all. */
int vm_dir_write(int dir_fd, const char *name, const char *text);
int vm_dir_write_json(int dir_fd, const char *name, const json_t *value);

/* At most max bytes of a file, NUL-terminated, to free(); NULL when it cannot be read. */
char *vm_dir_read(int dir_fd, const char *name, size_t max);

/* Keep a file that its writer appends to from growing beyond about max bytes: move its content to <name>.1.
 */
void vm_dir_trim_log(int dir_fd, const char *name, off_t max);

/* The last line of QEMU's log, which says why it ended; "" when it said nothing. To free(). */
char *vm_dir_last_words(int dir_fd);

#endif
