#ifndef HV_QEMU_QEMU_H
#define HV_QEMU_QEMU_H
/*
 * The QEMU driver's own state, shared by its files (driver.c, start.c, operations.c, suspend.c,
 * move.c, receive.c, adopt.c, vm.c …); private to this folder and its tests.
 *
 * A struct qemu_vm stands in the table from the start of its start until its process has ended and its folder
 * is gone. Operations hold a reference across waits and look at `gone` after each.
 */
#include <ev.h>
#include "hv/hv.h"
#include "hv/qemu/cgroup.h"
#include "hv/qemu/cmdline.h"
#include "hv/qemu/guest_agent.h"
#include "hv/qemu/process.h"
#include "hv/qemu/qmp.h"
#include "lib/fiber.h"

/* A guest's passage, as hv_passage_state has it; also in its folder. */
struct qemu_passage {
    enum hv_passage_state state;
    bool stays_paused; /* also when its passage is over */
    char source[UUID_TEXT_SIZE], destination[UUID_TEXT_SIZE];
    unsigned memory_port, disk_port; /* of one that is arriving */
};

/* Who QEMUs run as (hv/qemu/access.h); count 0: as we do. */
struct qemu_user {
    uid_t first;
    unsigned count;
    gid_t group, kvm; /* kvm 0: there is no such group */
};

struct qemu_hv {
    struct hv hv;
    struct qemu_user user;
    char *pool_dir; /* with the certificates that other hosts know this one by */
    char *program, *accelerator;
    struct qemu_cmdline_host host; /* of these two */
    int vms_fd;                    /* STATE/vm */
    struct cgroups cgroups;
    hv_report_fn *report;
    void *report_arg;
    TAILQ_HEAD(qemu_vms, qemu_vm) vms;
    ev_timer tidy; /* keeps the logs from growing for ever */
};

struct qemu_vm {
    TAILQ_ENTRY(qemu_vm) link;
    struct qemu_hv *hv;
    unsigned refs;
    char uuid[UUID_TEXT_SIZE];
    int64_t domid, start_time;
    int64_t timeoffset; /* of its clock at the start, seconds */
    bool vnc, acpi;
    struct agent_nic_name *nics;
    unsigned n_nics;
    enum hv_nic_model nic_model;
    struct qemu_layout layout;
    bool nics_boot; /* they have boot ROMs */
    int64_t memory; /* bytes that its machine has, as the control plane was told; 0: not known */
    json_t *shape;  /* what its QEMU was built from (hv/qemu/shape.h); NULL: an older daemon did it */
    TAILQ_HEAD(, qemu_unplug) unplugs; /* hv/qemu/devices.h */

    uid_t uid;      /* who it runs as; 0: as we do */
    json_t *grants; /* what that user was given (hv/qemu/access.c) */
    int dir_fd;
    bool spawned;   /* process is in use */
    bool committed; /* its start is complete: what becomes of it is reported */
    bool gone;      /* ended, cleaned up, out of the table */
    enum hv_state state;
    bool state_known; /* QEMU has told it on this connection */
    bool stop_requested;
    const char *shutdown_reason; /* as in QMP's SHUTDOWN event, one of the known ones; NULL before it */
    bool commanded;              /* a program runs in it (command.c) */
    bool panicked;               /* its system has, and nothing has happened to it since */
    struct qemu_passage passage;
    unsigned moves;            /* news of a state that is being written or read */
    unsigned passes;           /* over its memory, as QEMU has last told of a move */
    bool held;                 /* as in hv_vm_facts */
    unsigned resets;           /* by the guest itself */
    int64_t last_reset;        /* by anybody, clock_now() */
    struct fiber_cond changed; /* any of the above */

    struct process process;
    struct qmp *qmp; /* NULL between connections */
    struct qmp_call status_call, chardev_call, balloon_call;
    unsigned reconnects;
    ev_timer reconnect;
    struct guest_agent *agent;
};

/* ---- vm.c ---- */

struct qemu_vm *qemu_vm_new(struct qemu_hv *hv, const char *uuid);
struct qemu_vm *qemu_vm_find(struct qemu_hv *hv, const char *uuid);
struct qemu_vm *qemu_vm_ref(struct qemu_vm *vm);
void qemu_vm_unref(struct qemu_vm *vm);

/* Take it out of the table and drop its descriptors and watchers; the process, if it lives, goes on. */
void qemu_vm_detach(struct qemu_vm *vm);

/* Connect to the monitor of a QEMU that listens (or will, once it runs). */
int qemu_vm_connect(struct qemu_vm *vm);

/* The end of its process. */
void qemu_vm_process_ended(struct process *p, void *arg);

/* Wait until QEMU has said in which state the guest is. -ECONNRESET when QEMU ended or the connection broke.
 */
int co_qemu_vm_wait_known(struct qemu_vm *vm, int64_t deadline);

/* Tell of the UEFI variables in a guest's folder, if it has some. */
void qemu_report_nvram(struct qemu_hv *hv, const char *uuid, int dir_fd);

/* Report what a query-balloon has answered. */
void qemu_report_memory(struct qemu_vm *vm, const json_t *value);

/* What is known of it. */
void qemu_vm_facts(const struct qemu_vm *vm, struct hv_vm_facts *ret);

/* ---- passage.c ---- */

/* Is a guest in this state of its passage this host's: not arriving, not left? */
bool qemu_passage_is_here(const struct qemu_passage *p);

/* Read the mark in a guest's folder; without one there is no passage. */
void qemu_passage_load(int dir_fd, struct qemu_passage *ret);

/* Note it in the folder first, then in vm. 0 or -errno with *e filled. */
int qemu_vm_set_passage(struct qemu_vm *vm, const struct qemu_passage *p, struct err *e);

/* ---- spec.c: what a later daemon must know ---- */

int qemu_spec_save(const struct qemu_vm *vm);
int qemu_spec_load(struct qemu_vm *vm);

/* Of a guest's folder, whatever became of the guest: who it ran as, and what that user was given. */
uid_t qemu_spec_grants(int dir_fd, json_t **ret_grants);

/* ---- processors.c ---- */

/* Give the guest its share of the host's processors; what cannot be had is logged. */
void qemu_enter_cgroup(struct qemu_vm *vm, const struct hv_schedule *s);

/* How many places of a query-hotpluggable-cpus are filled; -1 when an empty one lies between them. */
int qemu_count_processors(const json_t *slots);

/* Let its processors run where s says, anywhere when it says nothing. */
int co_qemu_pin(struct qemu_vm *vm, const struct hv_schedule *s, struct err *e);

/* ---- nics.c ---- */

/* A descriptor of a tap that there is, or -errno. */
int qemu_open_tap(const char *ifname);

/* ---- memory.c ---- */

/* Leave the guest this many bytes; 0 or -1 with *e filled. */
int co_qemu_balloon(struct qemu_vm *vm, int64_t bytes, struct err *e);

/* Room for memory that comes while a new guest runs: as much as the host has, up to 256 GiB, where the
 * addresses of the guest's processors reach that far; none if its record wants none. */
void qemu_memory_plan(struct qemu_layout *l, const struct hv_vm_spec *s, const struct hv_platform *p,
                      const char *accelerator);

/* What came later and is there, into l. 0 or -errno with *e filled. */
int co_qemu_ask_dimms(struct qemu_vm *vm, struct qemu_layout *l, struct err *e);

/* Bytes that its machine has with these; 0: not known. */
int64_t qemu_memory_of(const struct qemu_vm *vm, const struct qemu_layout *l);

/* Learn what the machine of a guest that was found has. */
void co_qemu_hear_memory(struct qemu_vm *vm);

/* ---- the driver's functions ---- */

int co_qemu_start(struct hv *hv, const struct hv_vm_spec *spec, struct hv_vm_facts *ret, struct err *e);
int co_qemu_pause(struct hv *hv, const char *uuid, struct err *e);
int co_qemu_unpause(struct hv *hv, const char *uuid, struct err *e);
int co_qemu_shutdown(struct hv *hv, const char *uuid, int64_t deadline, struct err *e);
int co_qemu_reboot(struct hv *hv, const char *uuid, int64_t deadline, struct err *e);
int co_qemu_stop(struct hv *hv, const char *uuid, struct err *e);
int co_qemu_reset(struct hv *hv, const char *uuid, struct err *e);
int co_qemu_command(struct hv *hv, const char *uuid, const struct hv_command *c, int64_t deadline, void *ctx,
                    struct hv_command_result *ret, struct err *e);
int co_qemu_trigger(struct hv *hv, const char *uuid, enum hv_trigger trigger, char key, struct err *e);
int co_qemu_set_processors(struct hv *hv, const char *uuid, unsigned n, const struct map *params,
                           unsigned *ret_now, struct err *e);
int co_qemu_set_memory(struct hv *hv, const char *uuid, int64_t bytes, struct err *e);
int co_qemu_grow_memory(struct hv *hv, const char *uuid, int64_t max, int64_t target, struct err *e);
int co_qemu_usage(struct hv *hv, const char *uuid, struct hv_usage *ret, struct err *e);
int co_qemu_hold(struct hv *hv, const char *uuid, struct err *e);
int co_qemu_follow_disk(struct hv *hv, const char *uuid, unsigned userdevice, const char *path,
                        const char *base, struct err *e);
int co_qemu_mirror_disk(struct hv *hv, const char *uuid, const struct hv_disk *copy, hv_progress_fn *progress,
                        void *arg, struct err *e);
int co_qemu_settle_disk(struct hv *hv, const char *uuid, const struct hv_disk *disk, struct err *e);
/* Before a device or a processor is added or taken away: of a guest that an older daemon started nobody will
 * know what its state fits, so that is noted. */
int qemu_vm_note_changed(struct qemu_vm *vm, struct err *e);
int co_qemu_save(struct hv *hv, const char *uuid, int fd, hv_progress_fn *progress, void *arg, struct err *e);
int co_qemu_dump(struct hv *hv, const char *uuid, int fd, hv_progress_fn *progress, void *arg, struct err *e);
int co_qemu_receive(struct hv *hv, const struct hv_vm_spec *spec, const struct hv_passage *p,
                    struct hv_reception *ret, struct err *e);
int co_qemu_move_prepare(struct hv *hv, const char *uuid, const struct hv_passage *p,
                         hv_progress_fn *progress, void *arg, struct err *e);
int co_qemu_move_switch(struct hv *hv, const char *uuid, struct err *e);
int co_qemu_move_finish(struct hv *hv, const char *uuid, struct err *e);
int co_qemu_move_accept(struct hv *hv, const char *uuid, struct err *e);
int co_qemu_move_drain(struct hv *hv, const char *uuid, hv_progress_fn *progress, void *arg, struct err *e);
int co_qemu_move_cancel(struct hv *hv, const char *uuid, struct err *e);
int co_qemu_adopt(struct hv *hv, void (*visit)(const char *uuid, const struct hv_vm_facts *f, void *arg),
                  void *arg, struct err *e);

/* devices.c, drives.c, nics.c */
int co_qemu_plug_disk(struct hv *hv, const char *uuid, const struct hv_disk *d, struct err *e);
int co_qemu_plug_nic(struct hv *hv, const char *uuid, const struct hv_nic *n, struct err *e);
int co_qemu_unplug(struct hv *hv, const char *uuid, enum hv_device_kind kind, unsigned number, bool force,
                   int64_t deadline, struct err *e);
int co_qemu_resize(struct hv *hv, const char *uuid, unsigned userdevice, int64_t size, struct err *e);
int co_qemu_insert(struct hv *hv, const char *uuid, const struct hv_disk *medium, struct err *e);
int co_qemu_eject(struct hv *hv, const char *uuid, unsigned userdevice, struct err *e);
int co_qemu_look(struct hv *hv, const char *uuid, enum hv_device_kind kind, unsigned number,
                 enum hv_presence *ret, struct err *e);

/* suspend.c: read the guest's state from a pipe into a QEMU that waits for it. -errno with *e filled. */
int co_qemu_load(struct qemu_vm *vm, int fd, struct err *e);

/* suspend.c: give QEMU our pipe under the name "state"; take back one that was not used. */
int co_qemu_hand_over(struct qemu_vm *vm, int fd, struct err *e);
int co_qemu_take_back(struct qemu_vm *vm, struct err *e);

/* suspend.c: note that the guest stands still on our account, or no longer. */
int qemu_vm_hold(struct qemu_vm *vm);
void qemu_vm_release(struct qemu_vm *vm);

/* suspend.c: let a guest that is held go on, in whatever fiber. */
void co_qemu_let_go(struct qemu_vm *vm);

/* suspend.c: end a writing of its state that may be under way. */
int co_qemu_cancel_save(struct qemu_vm *vm, struct err *e);

/* adopt.c: end a QEMU that stands in no table and remove its folder. */
int co_qemu_sweep(struct qemu_hv *hv, const char *uuid);

/* driver.c, for tests: open without a probe, with a program that plays QEMU. */
int qemu_open_with(const struct hv_options *o, const struct qemu_cmdline_host *host, struct hv **ret);

#endif
