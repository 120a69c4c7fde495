#ifndef POOL_AGENT_H
#define POOL_AGENT_H
/*
 * The seam between the control plane and the agent of a host. The control plane plans on the database, gives
 * the agent a complete specification and gets facts back; the agent (this file's implementation, over hv/,
 * sm/, net/) never reads the database. The agent of the own host is called directly, that of
 * another takes the same structs over mutual TLS (pool/remote.h, pool/agent_serve.h).
 *
 * Each call leaves nothing behind when it fails. What a guest holds is noted on disk first
 * (pool/attachments.h).
 */
#include "hv/hv.h"
#include "net/net.h"
#include "sm/sm.h"

/* A disk of a VM to start: an SR's disk that the agent attaches first. */
struct agent_disk {
    char vbd_uuid[UUID_TEXT_SIZE];
    unsigned userdevice;
    bool cdrom, readonly;
    enum hv_disk_bus bus;
    struct sm_sr sr; /* of the disk; type NULL: an empty drive */
    const char *location;
};

struct agent_nic {
    char vif_uuid[UUID_TEXT_SIZE];
    unsigned device;
    const char *mac;
    unsigned mtu;
    struct net_network network;
    struct net_filter filter; /* its mac is the NIC's */
};

/* A disk that holds the state of a guest. */
struct agent_image {
    char vdi_uuid[UUID_TEXT_SIZE];
    struct sm_sr sr; /* type NULL: there is none */
    const char *location;
};

struct agent_vm_spec {
    struct hv_vm_spec vm; /* its disks and nics are filled by the agent */
    unsigned n_disks, n_nics;
    const struct agent_disk *disks;
    const struct agent_nic *nics;
    struct agent_image image; /* the guest is restored from it and stands still until it is unpaused */
};

struct agent;

struct agent_options {
    const char *state_dir;
    const char *hypervisor; /* "qemu", "sim" */
    const char *sim_script;
    const char *guest_user;   /* of hv_options */
    const char *machine_root; /* before the paths of the system's files; NULL: they are the system's own */
    hv_report_fn *report;
    void *report_arg;
};
struct agent_host_facts {
    struct hv_host_facts hv;
    struct net_facts net;
};

int co_agent_open(const struct agent_options *o, struct agent **ret, struct agent_host_facts *facts,
                  struct err *e);
void agent_free(struct agent *a);

/* What this host's agent shows other hosts, once it is known; by reference. */
struct authority;
struct peer_pool;
void agent_set_peers(struct agent *a, const struct authority *authority, struct peer_pool *pool);

/* ---- the agent of another host ---- */

struct agent_remote_options {
    const struct authority *authority; /* these two by reference; see pool/peer.h */
    struct peer_pool *pool;
    const char *address;
    uint16_t port;
    const char *host_uuid;
    const char *host_ref; /* as text, for errors */
};

/* Calls go over mutual TLS, several at a time over as many connections; none is made before the first call.
 *
 * Errors, besides those of the call itself: HOST_OFFLINE [host] when the host was not reached, or refused to
 * listen: then nothing was done. CANNOT_CONTACT_HOST [host] when contact was lost while it was at work: then
 * whether it was done is unknown, and agent_outcome_unknown tells.
 *
 * When the caller's fiber is cancelled the other host is told, undoes what it does as this one would, and its
 * answer is waited for, up to a minute. Free it when no call is in progress. */
struct agent *agent_remote_new(const struct agent_remote_options *o);
bool agent_is_remote(const struct agent *a);
bool agent_outcome_unknown(const struct err *e);

int co_agent_vm_start(struct agent *a, const struct agent_vm_spec *spec, struct hv_vm_facts *ret,
                      struct err *e);

/* After the guest has ended by itself: detach its disks, remove its taps. Also done by stop. Idempotent. */
int co_agent_vm_clean(struct agent *a, const char *uuid, struct err *e);
int co_agent_vm_stop(struct agent *a, const char *uuid, struct err *e);
int co_agent_vm_shutdown(struct agent *a, const char *uuid, int64_t deadline, struct err *e);
int co_agent_vm_reboot(struct agent *a, const char *uuid, int64_t deadline, struct err *e);
int co_agent_vm_reset(struct agent *a, const char *uuid, struct err *e);
int co_agent_vm_pause(struct agent *a, const char *uuid, struct err *e);
int co_agent_vm_unpause(struct agent *a, const char *uuid, struct err *e);
int co_agent_vm_set_processors(struct agent *a, const char *uuid, unsigned n, const struct map *params,
                               unsigned *ret_now, struct err *e);
int co_agent_vm_trigger(struct agent *a, const char *uuid, enum hv_trigger trigger, char key, struct err *e);
/* As co_command of hv/hv.h; the result is on ctx. */
int co_agent_vm_command(struct agent *a, const char *uuid, const struct hv_command *c, int64_t deadline,
                        void *ctx, struct hv_command_result *ret, struct err *e);
int co_agent_vm_set_memory(struct agent *a, const char *uuid, int64_t bytes, struct err *e);
int co_agent_vm_grow_memory(struct agent *a, const char *uuid, int64_t max, int64_t target, struct err *e);

/* A snapshot of disks that a guest writes to: hold the guest (until co_agent_vm_unpause), snapshot them, and
 * let the guest follow each. */
int co_agent_vm_hold(struct agent *a, const char *uuid, struct err *e);
int co_agent_vm_follow(struct agent *a, const char *uuid, const struct agent_disk *disk, struct err *e);

/* A disk of a guest that goes to other storage: copy it and write to both from then on, hold the guest and
 * ask again whether both are alike, settle on one of them; as hv/hv.h has it. disk: the drive with the copy,
 * or with the disk it is to go on with. Settling an agent that knows of no copy does nothing. */
int co_agent_vm_mirror_disk(struct agent *a, const char *uuid, const struct agent_disk *copy,
                            hv_progress_fn *progress, void *arg, struct err *e);
int co_agent_vm_settle_disk(struct agent *a, const char *uuid, const struct agent_disk *disk, struct err *e);

/* Make the guest stand still and write its state to a disk, durably. Afterwards the guest still stands still,
 * for co_agent_vm_stop or co_agent_vm_unpause; after a failure it goes on as before
 * (one that was held is held on). */
int co_agent_vm_save(struct agent *a, const char *uuid, const struct agent_image *to,
                     hv_progress_fn *progress, void *arg, struct err *e);
/* Write the memory of a guest that has crashed to a disk, as hv/hv.h has it; durable likewise. */
int co_agent_vm_dump(struct agent *a, const char *uuid, const struct agent_image *to,
                     hv_progress_fn *progress, void *arg, struct err *e);
int co_agent_vm_state(struct agent *a, const char *uuid, enum hv_state *ret, struct err *e);
/* A connected descriptor, or -errno. */
int co_agent_vm_console(struct agent *a, const char *uuid, const char *kind);

/* ---- devices of a guest that is up ---- */

/* Give it a disk or a NIC, ask it to let go of one (force: take it all the same): as hv/hv.h has it, the disk
 * attached and the tap made, or given back. */
int co_agent_plug_disk(struct agent *a, const char *vm_uuid, const struct agent_disk *d, struct err *e);
int co_agent_plug_nic(struct agent *a, const char *vm_uuid, const struct agent_nic *n, struct err *e);

/* A NIC that the guest has: make its network and its filter be these. Nothing when the guest does not have
 * it. */
int co_agent_change_nic(struct agent *a, const char *vm_uuid, const struct agent_nic *n, struct err *e);
int co_agent_unplug(struct agent *a, const char *vm_uuid, enum hv_device_kind kind, const char *device_uuid,
                    unsigned number, bool force, int64_t deadline, struct err *e);

/* Make a disk of the guest larger: its image, by whoever has it open. */
int co_agent_resize(struct agent *a, const char *vm_uuid, const struct agent_disk *d, int64_t size,
                    struct err *e);

/* Lay a medium into a CD drive; take it out. */
int co_agent_insert(struct agent *a, const char *vm_uuid, const struct agent_disk *medium, struct err *e);
int co_agent_eject(struct agent *a, const char *vm_uuid, const struct agent_disk *drive, struct err *e);

/* A drive or NIC that a guest has. */
struct agent_device {
    char uuid[UUID_TEXT_SIZE];      /* of the VBD or VIF */
    const char *sr_uuid, *location; /* of the disk in the drive; NULL: none */
    bool copying;                   /* the disk, to another one: co_agent_vm_settle_disk */
};

/* All that the guest has, on ctx; NULL when the host holds nothing for it. */
int co_agent_vm_devices(struct agent *a, void *ctx, const char *vm_uuid, struct agent_device **ret,
                        unsigned *ret_n, struct err *e);

/* ---- a guest that moves from one host to another: the steps of hv/hv.h, asked of two agents in turn ---- */

/* What the destination's specification needs (hv_vm_spec.shape), on ctx; NULL when that knows no such thing.
 */
int co_agent_vm_shape(struct agent *a, const char *uuid, void *ctx, const char **ret, struct err *e);

/* At the destination: attach what the guest is to have and await it. */
int co_agent_vm_receive(struct agent *a, const struct agent_vm_spec *spec, const struct hv_passage *p,
                        struct hv_reception *ret, struct err *e);
int co_agent_vm_move_switch(struct agent *a, const char *uuid, struct err *e);
int co_agent_vm_move_accept(struct agent *a, const char *uuid, struct err *e);

/* At the source; co_agent_vm_stop ends it there. */
int co_agent_vm_move_prepare(struct agent *a, const char *uuid, const struct hv_passage *p,
                             hv_progress_fn *progress, void *arg, struct err *e);
int co_agent_vm_move_finish(struct agent *a, const char *uuid, struct err *e);
int co_agent_vm_move_drain(struct agent *a, const char *uuid, hv_progress_fn *progress, void *arg,
                           struct err *e);
int co_agent_vm_move_cancel(struct agent *a, const char *uuid, struct err *e);

/* The guests that are alive now and, as gone, those that have left something here. */
int co_agent_vm_list(struct agent *a, void (*visit)(const char *uuid, const struct hv_vm_facts *f, void *arg),
                     void *arg, struct err *e);

/* ---- storage: as sm/sm.h has it, by the driver of the SR's type (SR_UNKNOWN_DRIVER) ---- */

/* SR_OPERATION_NOT_SUPPORTED [uuid] for what the driver has no function for, as below. */
int co_agent_sr_create(struct agent *a, const struct sm_sr *sr, int64_t physical_size, struct err *e);
int co_agent_sr_attach(struct agent *a, const struct sm_sr *sr, struct err *e);
int co_agent_sr_detach(struct agent *a, const struct sm_sr *sr, struct err *e);
int co_agent_sr_destroy(struct agent *a, const struct sm_sr *sr, struct err *e);
int co_agent_sr_stat(struct agent *a, const struct sm_sr *sr, struct sm_sr_stat *ret, struct err *e);
int co_agent_sr_scan(struct agent *a, const struct sm_sr *sr, void *ctx, struct sm_vdi **ret, unsigned *ret_n,
                     struct err *e);
int co_agent_vdi_create(struct agent *a, const struct sm_sr *sr, void *ctx, const char *uuid, int64_t size,
                        const struct map *sm_config, struct sm_vdi *ret, struct err *e);
int co_agent_vdi_destroy(struct agent *a, const struct sm_sr *sr, const char *location, struct err *e);
int co_agent_vdi_clone(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                       const char *new_uuid, struct sm_vdi *ret, struct err *e);
int co_agent_vdi_snapshot(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                          const char *new_uuid, struct sm_vdi *ret, struct err *e);
/* location and snapshot are on the same SR. */
int co_agent_vdi_revert(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                        const char *snapshot, struct sm_vdi *ret, struct err *e);
int co_agent_vdi_resize(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                        int64_t size, struct sm_vdi *ret, struct err *e);

/* Overwrite one disk with what another holds; the agent's host reaches both. */
struct agent_place {
    struct sm_sr sr;
    const char *location;
};
int co_agent_vdi_copy(struct agent *a, const struct agent_place *from, const struct agent_place *to,
                      struct err *e);

/* The same between two hosts: the one that is to have the content gives a ticket, good once and for a minute;
 * the other one sends it what its disk holds (pool/disk_stream.h). */
struct agent_target {
    const char *address;
    unsigned port;
    char host[UUID_TEXT_SIZE];
    const char *ticket;
    const struct hv_credentials *credentials; /* for a host of another pool; or NULL */
};
int co_agent_vdi_await(struct agent *a, const struct agent_place *to, void *ctx, const char **ret_ticket,
                       struct err *e);
int co_agent_vdi_send(struct agent *a, const struct agent_place *from, const struct agent_target *to,
                      hv_progress_fn *progress, void *arg, struct err *e);

/* What a guest of this host has used; -1 where the driver does not know. Not asked of other hosts, which
 * watch their guests themselves. */
int co_agent_vm_usage(struct agent *a, const char *uuid, struct hv_usage *ret, struct err *e);

/* ---- settings of the machine under the agent ---- */

/* What each takes, as a map of text. */
enum agent_setting {
    AGENT_SETTING_CLOCK,           /* "seconds": since 1970 UTC */
    AGENT_SETTING_CONSOLE_TIMEOUT, /* "seconds" that a shell at the machine's console may idle; 0: any */
    AGENT_SETTING_DEBUG_KEYS,      /* "keys": letters of the kernel's that make it tell something */
    AGENT_SETTING_NTP,             /* "mode": a name of enum host_ntp_mode; "servers": with spaces between */
    AGENT_SETTING_SSH,             /* "enabled": "true" or "false" */
    AGENT_SETTING_SSH_FALLBACK,    /* "enabled": is SSH to open when the daemon fails */
    AGENT_SETTING_SYSLOG, /* "destination": a host to send the log to; "": none; "level": of the daemon's log,
                             which is opened anew; "": as the settings say */
    AGENT_SETTING_TIMEZONE, /* "name" */
};

/* INVALID_VALUE, VALUE_NOT_SUPPORTED; INVALID_NTP_CONFIG, OPERATION_NOT_ALLOWED for what is not installed. */
int co_agent_machine_set(struct agent *a, enum agent_setting what, const struct map *values, struct err *e);

/* What is so now, on ctx: SSH and TIMEZONE as above, empty when it is not known; NTP: each server's state, as
 * host.get_ntp_servers_status has it; nothing of the others. */
int co_agent_machine_get(struct agent *a, void *ctx, enum agent_setting what, const struct map **ret,
                         struct err *e);

/* Guests alive from before the daemon's start; what belongs to none of them is swept away. */
int co_agent_adopt(struct agent *a, void (*visit)(const char *uuid, const struct hv_vm_facts *f, void *arg),
                   void *arg, struct err *e);

#endif
