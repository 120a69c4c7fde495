#ifndef HV_HV_H
#define HV_HV_H
/*
 * A hypervisor as the agent sees it. Drivers: hv/qemu (one QEMU process a VM, QMP), hv/sim (scripted, for
 * scale and fault tests), later Xen. A driver knows guests by uuid and complete specifications; it never
 * reads the database.
 *
 * Guests survive the daemon: each has STATE/vm/<uuid>/ with its sockets, its console log and the
 * specification it was started from, and co_hv_adopt finds them again.
 *
 * Calls for one VM are serialised by the caller (current_operations). Errors are API errors ready for the
 * client.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "model/value.h"

#define HV_MEMORY_STEP ((int64_t)128 << 20) /* bytes: guests take memory that comes later in blocks */

/* Where VM.NVRAM keeps the UEFI variables: in a form of QEMU's own, unlike XenServer's EFI-variables. */
#define HV_NVRAM_KEY "OVMF-variables"

enum hv_boot { HV_BOOT_KERNEL, HV_BOOT_BIOS, HV_BOOT_UEFI };
enum hv_disk_bus { HV_BUS_VIRTIO, HV_BUS_IDE };

struct hv_disk {
    char uuid[UUID_TEXT_SIZE]; /* of the VBD */
    unsigned userdevice;       /* 0 is the first disk */
    bool cdrom, readonly;
    enum hv_disk_bus bus;
    const char *path;         /* NULL: an empty CD drive */
    const char *format;       /* "raw", "qcow2" */
    const char *const *bases; /* the files that it is based on, ended by NULL; NULL: none */
};

enum hv_nic_backend { HV_NIC_TAP, HV_NIC_USER };

struct hv_nic {
    char uuid[UUID_TEXT_SIZE]; /* of the VIF */
    unsigned device;
    const char *mac; /* "aa:bb:cc:dd:ee:ff" */
    unsigned mtu;
    enum hv_nic_backend backend;
    const char *ifname; /* HV_NIC_TAP: an existing tap device */
};

struct hv_vm_spec {
    char uuid[UUID_TEXT_SIZE];
    const char *name;
    int64_t domid;
    int64_t memory, memory_max; /* bytes: what it begins with and may get; memory_max 0: no more */
    unsigned vcpus, vcpus_max;
    enum hv_boot boot;
    const char *kernel, *ramdisk, *cmdline; /* HV_BOOT_KERNEL: files on this host */
    const char *boot_order;                 /* HV_BOOT_BIOS: letters of HVM_boot_params:order, "cdn" */
    const char *nvram; /* HV_BOOT_UEFI: the text of the last HV_REPORT_NVRAM; NULL: none yet */
    bool start_paused;
    const char *shape; /* with a state: the machine that it fits (co_shape); NULL: as an older daemon would
                          have built it from the rest of this */
    int state_fd; /* above 0: a pipe with what co_save wrote; the guest goes on from there once it is unpaused
                   */
    const char *cpu_features; /* what it may see of a processor that is the host's own: words of CPUID in
                                 hexadecimal, joined by hyphens, as in XenAPI's cpu_info; NULL: all */
    const struct map *platform, *bios_strings, *xenstore_data,
        *vcpus_params; /* text to text, as in the VM's record */
    unsigned n_disks, n_nics;
    const struct hv_disk *disks;
    const struct hv_nic *nics;
};

/* Bytes of memory that its machine begins with. */
static inline int64_t hv_memory_of(const struct hv_vm_spec *s)
{
    return s->memory_max > s->memory ? s->memory_max : s->memory;
}

/* INVALID_VALUE for a memory_static_max that is no multiple of HV_MEMORY_STEP away (platform.c). */
int hv_memory_refuse_step(int64_t max, struct err *e);

enum hv_device_kind { HV_DEVICE_DISK, HV_DEVICE_NIC };
enum hv_presence { HV_ABSENT, HV_EMPTY, HV_PRESENT }; /* empty: a CD drive without medium */

enum hv_state { HV_STATE_GONE, HV_STATE_RUNNING, HV_STATE_PAUSED };

/* Where a guest is on its way from one host to another. It is kept with the guest, so that a daemon which
 * finds one that is up knows it, too. */
enum hv_passage_state {
    HV_PASSAGE_NONE,
    HV_PASSAGE_ARRIVING, /* not accepted here yet, so it stands still: co_move_accept or co_stop */
    HV_PASSAGE_LEAVING,  /* of this host still, running or not: co_move_finish or co_move_cancel */
    HV_PASSAGE_LEFT,     /* whole at the destination, stands still here: co_stop or co_move_cancel */
};

/* What a start or an adoption found out. */
struct hv_vm_facts {
    enum hv_state state;
    int64_t domid;
    int64_t start_time; /* seconds since 1970 UTC */
    bool vnc, serial;   /* consoles it has */
    bool held; /* it stands still only because the daemon was at work with it (co_hold, co_save, a restore) */
    bool crashed;       /* it stands still because its system has panicked */
    int64_t memory_max; /* bytes that its machine has, its balloon's included; 0: not known */
    enum hv_passage_state passage;
};

/* How a guest is to move; the driver chooses what of it makes sense where it runs. */
struct hv_passage_options {
    int64_t bandwidth;    /* bytes a second; 0: as fast as it goes */
    unsigned downtime_ms; /* what the guest may notice, where its memory moves while it runs: kept even if it
                             is never over then; 0: the driver's, which it raises, until the guest has to
                             stand still */
    unsigned channels;    /* connections for its memory; 0 or 1: one */
    bool compress;        /* its memory */
    bool auto_converge;   /* slow it down if it changes its memory faster than that can be moved */
    bool post_copy;       /* let it run at the destination before its memory is there: a shorter gap, but what
                             fails from co_move_finish to co_move_drain ends the guest */
};

/* With which somebody from outside the pool is let in: PEM texts. */
struct hv_credentials {
    const char *authority, *certificate, *key;
};

/* A guest's way from one host to another, as both ends must know it. */
struct hv_passage {
    char source[UUID_TEXT_SIZE], destination[UUID_TEXT_SIZE]; /* hosts, named as in their certificates */
    const char *address;             /* of the destination: IPv4 or IPv6, without brackets */
    unsigned memory_port, disk_port; /* as co_receive told them */
    unsigned n_mirrors;
    const unsigned
        *mirrors; /* userdevices of the disks whose content moves; the others are on storage of both */
    const struct hv_credentials *credentials; /* of the source, when the destination is of another pool; then
                                                 `source` is the name in them. NULL: those of the own pool */
    struct hv_passage_options options;
};

/* A guest that is awaited. */
struct hv_reception {
    struct hv_vm_facts facts;
    unsigned memory_port, disk_port; /* disk_port 0: there are no mirrors */
};

/* What a guest said through its agent; all on the report's memory. */
struct hv_guest_info {
    const struct map
        *addresses; /* "0/ip" "10.0.2.15", "0/ipv4/0", "0/ipv6/0" …, as in VM_guest_metrics.networks */
    const struct map *os; /* as in VM_guest_metrics.os_version; NULL when not known yet */
    const char *agent_version;
    const char *hostname;
};

enum hv_stop_reason {
    HV_STOP_GUEST_SHUTDOWN, /* the guest switched itself off */
    HV_STOP_GUEST_REBOOT,   /* the guest asked for a reboot and the driver could not do it in place */
    HV_STOP_GUEST_CRASH,    /* it had reported a panic, and was not ended by co_stop */
    HV_STOP_KILLED,         /* its process ended without being asked to */
    HV_STOP_REQUESTED,      /* by co_hv_stop */
};

enum hv_report_kind {
    HV_REPORT_STOPPED,
    HV_REPORT_REBOOTED,
    HV_REPORT_GUEST_INFO,
    HV_REPORT_PAUSED, /* not while it is held */
    HV_REPORT_RESUMED,
    HV_REPORT_CLOCK,   /* the guest has set its hardware clock */
    HV_REPORT_CRASHED, /* its system has panicked: it stands still, for co_dump, co_stop, co_reset, co_unpause
                        */
    HV_REPORT_NVRAM,   /* it has ended and leaves these UEFI variables; before HV_REPORT_STOPPED */
    HV_REPORT_MEMORY   /* it has given memory back or taken it */
};

struct hv_report {
    enum hv_report_kind kind;
    char uuid[UUID_TEXT_SIZE];
    enum hv_stop_reason reason;       /* HV_REPORT_STOPPED */
    const struct hv_guest_info *info; /* HV_REPORT_GUEST_INFO */
    int64_t timeoffset;               /* HV_REPORT_CLOCK: seconds that it is ahead of UTC */
    const char *nvram;                /* HV_REPORT_NVRAM: printable text */
    int64_t memory;                   /* HV_REPORT_MEMORY: bytes it has */
};

/* Called from the loop or a driver's fiber; must not yield; the report is gone when it returns. */
typedef void hv_report_fn(const struct hv_report *r, void *arg);

/* How far a long operation is, 0 to 1; must not yield. */
typedef void hv_progress_fn(double done, void *arg);

/* Buttons and keys of a guest's machine. */
enum hv_trigger {
    HV_TRIGGER_NMI,
    HV_TRIGGER_POWER,
    HV_TRIGGER_SLEEP,
    HV_TRIGGER_WAKE,
    HV_TRIGGER_SYSRQ /* with a letter or a digit */
};

/* What a guest has used since its start. */
enum { HV_USAGE_PROCESSORS = 64, HV_USAGE_DISKS = 32 };
struct hv_usage {
    unsigned n_processors, n_disks;
    double processor[HV_USAGE_PROCESSORS]; /* seconds at work */
    struct hv_disk_usage {
        unsigned userdevice;
        double read_bytes, written_bytes, reads, writes;
    } disk[HV_USAGE_DISKS];
};

/* A program to be run inside a guest. */
struct hv_command {
    const char *path;              /* NULL: none; the guest is to tell of itself now, if it has news */
    const char *argument;          /* its only one, or NULL */
    const struct map *environment; /* besides what it has there; or NULL */
    const char *input;             /* for its standard input, or NULL */
};
struct hv_command_result {
    int64_t status;        /* exit code, or 128 + signal */
    const char *out, *err; /* UTF-8; some hundred KiB at most */
};

struct hv; /* a driver's state; its first member is its table */
struct hv_driver {
    const char *name;

    /* Bring the guest up, to its first instruction (or paused before it). On failure nothing is left behind.
     */
    int (*co_start)(struct hv *hv, const struct hv_vm_spec *spec, struct hv_vm_facts *ret, struct err *e);
    int (*co_pause)(struct hv *hv, const char *uuid, struct err *e);
    int (*co_unpause)(struct hv *hv, const char *uuid, struct err *e);

    /* Ask the guest to shut down or reboot and wait until it did: through its agent, else by ACPI.
     * VM_LACKS_FEATURE when it cannot be asked, VM_SHUTDOWN_TIMEOUT when it does not obey before the
     * deadline. */
    int (*co_shutdown)(struct hv *hv, const char *uuid, int64_t deadline, struct err *e);
    int (*co_reboot)(struct hv *hv, const char *uuid, int64_t deadline, struct err *e);

    /* End the guest now; reaped and cleaned up when this returns. Succeeds when it is gone already. */
    int (*co_stop)(struct hv *hv, const char *uuid, struct err *e);
    int (*co_reset)(struct hv *hv, const char *uuid, struct err *e);

    /* Press it, in a running guest; what the guest makes of it is its own affair. OPERATION_NOT_ALLOWED when
     * its machine does not have it, or not now. */
    int (*co_trigger)(struct hv *hv, const char *uuid, enum hv_trigger trigger, char key, struct err *e);

    /* Have the guest's agent run a program to its end; one at a time in a guest. The result is on ctx. One
     * that does not end before the deadline, or when this is cancelled, goes on in the guest.
     * VM_LACKS_FEATURE without an agent; XENAPI_MISSING_PLUGIN when there is no such program;
     * OPERATION_NOT_ALLOWED when the agent does not run it, or not in time. NULL: no guest has one. */
    int (*co_command)(struct hv *hv, const char *uuid, const struct hv_command *c, int64_t deadline,
                      void *ctx, struct hv_command_result *ret, struct err *e);

    /* Devices of a guest that is up (else VM_BAD_POWER_STATE). A change that fails may have happened all the
     * same, when only its answer was lost: co_look tells. */

    /* Give the guest a disk (HV_BUS_VIRTIO) or a NIC. VM_LACKS_FEATURE when it cannot be given any;
     * OPERATION_NOT_ALLOWED when it has no room for it. */
    int (*co_plug_disk)(struct hv *hv, const char *uuid, const struct hv_disk *d, struct err *e);
    int (*co_plug_nic)(struct hv *hv, const char *uuid, const struct hv_nic *n, struct err *e);

    /* Ask the guest to let go of a device and wait until it did; succeeds when it has none. The guest may do
     * so still after DEVICE_DETACH_TIMEOUT. DEVICE_DETACH_REJECTED when it refuses. force: take it from a
     * guest that has not let go of it by then, or refuses, as if it were torn out of the machine: it may lose
     * what it has not written yet, and may believe that it has the device still. */
    int (*co_unplug)(struct hv *hv, const char *uuid, enum hv_device_kind kind, unsigned number, bool force,
                     int64_t deadline, struct err *e);

    /* Make the guest's disk larger, image and all. NULL: no guest has its images open. */
    int (*co_resize)(struct hv *hv, const char *uuid, unsigned userdevice, int64_t size, struct err *e);

    /* Lay a medium into a CD drive, which is emptied first. */
    int (*co_insert)(struct hv *hv, const char *uuid, const struct hv_disk *medium, struct err *e);
    /* Take it out, even from a guest that has locked the drive. Succeeds when it is empty. */
    int (*co_eject)(struct hv *hv, const char *uuid, unsigned userdevice, struct err *e);

    /* What is there at userdevice or network device `number`. Clears away what a change that was cut short
     * left half made. */
    int (*co_look)(struct hv *hv, const char *uuid, enum hv_device_kind kind, unsigned number,
                   enum hv_presence *ret, struct err *e);

    /* Give a guest that is up n processors (0: leave it those it has) and its share of the host's, as
     * VCPUs_params says (hv/schedule.h). *ret_now: how many it has now, also when this fails; untouched when
     * not known. VM_LACKS_FEATURE when it cannot be asked, OPERATION_NOT_ALLOWED when it gives none back. */
    int (*co_set_processors)(struct hv *hv, const char *uuid, unsigned n, const struct map *params,
                             unsigned *ret_now, struct err *e);

    /* Ask a guest that is up to do with this much memory, at most what its machine has. It follows in its own
     * time, if it has a driver for it: HV_REPORT_MEMORY tells. */
    int (*co_set_memory)(struct hv *hv, const char *uuid, int64_t bytes, struct err *e);

    /* Give the machine of a guest that runs more memory, `max` bytes in all, of which the guest is to have
     * `target`. May be repeated: nothing is added when it has that much. INVALID_VALUE when what is missing
     * is no multiple of HV_MEMORY_STEP; VM_LACKS_FEATURE and OPERATION_NOT_ALLOWED when it cannot be given
     * any more or does not take it. After another failure it may have it all the same. */
    int (*co_grow_memory)(struct hv *hv, const char *uuid, int64_t max, int64_t target, struct err *e);

    /* Make a running guest stand still for a moment: no report tells of it, and co_unpause ends it. */
    int (*co_hold)(struct hv *hv, const char *uuid, struct err *e);

    /* The file that the guest writes a disk to has become the base of another, which now stands at path and
     * is still empty: go over to that one. Nothing when the guest writes there already. The guest must stand
     * still.
     */
    int (*co_follow_disk)(struct hv *hv, const char *uuid, unsigned userdevice, const char *path,
                          const char *base, struct err *e);

    /* Write the memory of a guest that has crashed to a pipe as a core file (ELF), which debuggers read. The
     * pipe as with co_save; the guest stands still before and after. */
    int (*co_dump)(struct hv *hv, const char *uuid, int fd, hv_progress_fn *progress, void *arg,
                   struct err *e);

    /* A disk of a guest that is up goes to other storage of this host: copy it to another image, which is
     * empty and as large, and write to both from then on; 0 once both are alike. A second call tells whether
     * they still are. After a failure, or when it is cancelled, the guest writes to its disk only.
     */
    int (*co_mirror_disk)(struct hv *hv, const char *uuid, const struct hv_disk *copy,
                          hv_progress_fn *progress, void *arg, struct err *e);

    /* The guest goes on with this one of the two, and writes to the other no more; it must stand still, which
     * it does with both alike, if this is the copy. May be repeated; nothing when no other is written to. */
    int (*co_settle_disk)(struct hv *hv, const char *uuid, const struct hv_disk *disk, struct err *e);

    /* Make the guest stand still and write its whole state to a pipe (the caller's descriptor; the end of the
     * data is seen there once the caller has closed its own, too). When this returns 0 the guest still stands
     * still, until co_unpause, or co_stop ends it; when it fails, or is cancelled, the guest goes on as
     * before (one that was held is held on).
     */
    int (*co_save)(struct hv *hv, const char *uuid, int fd, hv_progress_fn *progress, void *arg,
                   struct err *e);

    /* The shape of a guest that is up (hv/shape.h), on ctx, for the specification of the machine that is to
     * take its state; co_save writes it in front of the state, and who reads that reads it first. *ret is
     * NULL when none is needed, or nothing is known. A driver may lack this. */
    int (*co_shape)(struct hv *hv, const char *uuid, void *ctx, const char **ret, struct err *e);

    /* A move to another host, in steps that its coordinator asks for in this order, at the source (S) and at
     * the destination (D): D co_receive          a guest that waits for its state; disks that are mirrored
     * are open for writing S co_move_prepare     disks and memory are over but for the last changes; the
     * guest stands still D co_move_switch      the mirrored disks are the guest's own S co_move_finish all of
     * it is over (the coordinator makes up its mind durably: from here on it goes forward only) D
     * co_move_accept      the guest runs S co_move_drain       after post_copy only: its memory is over S
     * co_stop Before that decision the way back is co_stop at D, then co_move_cancel at S: the guest goes on
     * as before. A daemon that dies at any step leaves a guest whose facts tell its passage. Until the
     * control plane has settled that, only co_stop and the functions here may be called for it. Nothing is
     * reported of a guest that is arriving, or has left.
     *
     * Each may be called again when its answer was lost: what is done is not done twice. Errors:
     * VM_MIGRATE_FAILED, with the hosts as the passage names them; VM_BAD_POWER_STATE when there is no such
     * guest (any more). Memory and disks go over TLS; each side verifies that the other is the host named in
     * the passage, with the certificates in state_dir/pool (laid out as QEMU has it: ca-cert.pem,
     * server-cert.pem, server-key.pem, client-cert.pem, client-key.pem), or those of the passage. */

    /* Make ready for a guest with the specification that it has at the source: the same devices at the same
     * places. start_paused: it was paused there. On failure nothing is left behind. */
    int (*co_receive)(struct hv *hv, const struct hv_vm_spec *spec, const struct hv_passage *p,
                      struct hv_reception *ret, struct err *e);

    /* When it fails or is cancelled the guest goes on as before. A guest that an older daemon started is
     * refused when its devices or processors were changed since. */
    int (*co_move_prepare)(struct hv *hv, const char *uuid, const struct hv_passage *p,
                           hv_progress_fn *progress, void *arg, struct err *e);
    int (*co_move_switch)(struct hv *hv, const char *uuid, struct err *e);

    /* When it fails the guest is leaving still, and may have gone on by itself: co_move_cancel. */
    int (*co_move_finish)(struct hv *hv, const char *uuid, struct err *e);

    /* VM_HALTED when the guest has ended after it may have begun to run. */
    int (*co_move_accept)(struct hv *hv, const char *uuid, struct err *e);
    int (*co_move_drain)(struct hv *hv, const char *uuid, hv_progress_fn *progress, void *arg, struct err *e);
    int (*co_move_cancel)(struct hv *hv, const char *uuid, struct err *e);

    /* Find the guests that are alive from before; visit is called for each. Those whose process is gone are
     * cleaned up and not visited. */
    int (*co_adopt)(struct hv *hv, void (*visit)(const char *uuid, const struct hv_vm_facts *f, void *arg),
                    void *arg, struct err *e);

    /* What a guest that is up has used so far; NULL: it is not known. */
    int (*co_usage)(struct hv *hv, const char *uuid, struct hv_usage *ret, struct err *e);

    enum hv_state (*state)(struct hv *hv, const char *uuid);

    /* A connected descriptor of the guest's console ("vnc" or "serial"), or -errno. Keep reading from it: a
     * guest waits for a serial console whose reader does not. The serial console has one reader at a time. */
    int (*co_console)(struct hv *hv, const char *uuid, const char *kind);

    /* Let go of everything without ending guests. */
    void (*free)(struct hv *hv);
};
struct hv {
    const struct hv_driver *driver;
};

struct hv_options {
    const char *state_dir; /* guests live in state_dir/vm/<uuid>/ */
    hv_report_fn *report;
    void *report_arg;
    const char *guest_user; /* who hypervisor processes run as where root starts them; NULL or "": as root */
};

/* What the host offers, found by trying it out. */
struct hv_host_facts {
    const char *accelerator; /* "kvm", "tcg", "sim" */
    const char *version;     /* "7.2.22" */
    char cpu_vendor[16], cpu_model[64];
    unsigned cpus;
    int64_t memory_total, memory_free; /* bytes */
};

int co_hv_qemu_open(const struct hv_options *o, struct hv **ret, struct hv_host_facts *facts, struct err *e);

/* script: NULL or a text of timing and faults (hv/sim/README.md). */
int co_hv_sim_open(const struct hv_options *o, const char *script, struct hv **ret,
                   struct hv_host_facts *facts, struct err *e);

#endif
