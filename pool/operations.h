#ifndef POOL_OPERATIONS_H
#define POOL_OPERATIONS_H
/*
 * What an agent can be asked to do, each with the tables of its arguments and result: the one list from which
 * the own host's agent is called, that of another host is asked, and those questions are answered. Private to
 * this folder.
 *
 * Times are given as what is left of them, since each host has its own clock.
 */
#include "pool/agent_state.h"
#include "pool/agent_types.h"

enum agent_operation_id {
    AGENT_MACHINE_GET,
    AGENT_MACHINE_SET,
    AGENT_SR_ATTACH,
    AGENT_SR_CREATE,
    AGENT_SR_DESTROY,
    AGENT_SR_DETACH,
    AGENT_SR_SCAN,
    AGENT_SR_STAT,
    AGENT_VDI_AWAIT,
    AGENT_VDI_CLONE,
    AGENT_VDI_COPY,
    AGENT_VDI_CREATE,
    AGENT_VDI_DESTROY,
    AGENT_VDI_RESIZE,
    AGENT_VDI_SEND,
    AGENT_VDI_REVERT,
    AGENT_VDI_SNAPSHOT,
    AGENT_VM_CHANGE_NIC,
    AGENT_VM_CLEAN,
    AGENT_VM_COMMAND,
    AGENT_VM_DEVICES,
    AGENT_VM_DUMP,
    AGENT_VM_EJECT,
    AGENT_VM_FOLLOW,
    AGENT_VM_GROW_MEMORY,
    AGENT_VM_HOLD,
    AGENT_VM_INSERT,
    AGENT_VM_MIRROR_DISK,
    AGENT_VM_MOVE_ACCEPT,
    AGENT_VM_MOVE_CANCEL,
    AGENT_VM_MOVE_DRAIN,
    AGENT_VM_MOVE_FINISH,
    AGENT_VM_MOVE_PREPARE,
    AGENT_VM_MOVE_SWITCH,
    AGENT_VM_PAUSE,
    AGENT_VM_PLUG_DISK,
    AGENT_VM_PLUG_NIC,
    AGENT_VM_REBOOT,
    AGENT_VM_RECEIVE,
    AGENT_VM_RESET,
    AGENT_VM_RESIZE,
    AGENT_VM_SAVE,
    AGENT_VM_SET_MEMORY,
    AGENT_VM_SET_PROCESSORS,
    AGENT_VM_SHAPE,
    AGENT_VM_SETTLE_DISK,
    AGENT_VM_SHUTDOWN,
    AGENT_VM_START,
    AGENT_VM_STATE,
    AGENT_VM_STOP,
    AGENT_VM_TRIGGER,
    AGENT_VM_UNPAUSE,
    AGENT_VM_UNPLUG,
    AGENT_OPERATIONS
};

struct guest_args {
    char uuid[UUID_TEXT_SIZE];
};
struct guest_timed_args {
    char uuid[UUID_TEXT_SIZE];
    int64_t timeout_ms; /* -1: none */
};
struct processors_args {
    char uuid[UUID_TEXT_SIZE];
    unsigned n;
    const struct map *params;
};
struct trigger_args {
    char uuid[UUID_TEXT_SIZE];
    enum hv_trigger trigger;
    char key[2];
};
struct command_args {
    char uuid[UUID_TEXT_SIZE];
    struct hv_command command;
    int64_t timeout_ms; /* -1: none */
};
struct memory_args {
    char uuid[UUID_TEXT_SIZE];
    int64_t bytes;
};
struct growth_args {
    char uuid[UUID_TEXT_SIZE];
    int64_t max, target;
};
struct disk_args {
    char uuid[UUID_TEXT_SIZE];
    struct agent_disk disk;
    int64_t size; /* for RESIZE */
};
struct nic_args {
    char uuid[UUID_TEXT_SIZE];
    struct agent_nic nic;
};
struct unplug_args {
    char uuid[UUID_TEXT_SIZE], device_uuid[UUID_TEXT_SIZE];
    enum hv_device_kind kind;
    unsigned number;
    bool force;
    int64_t timeout_ms;
};
struct save_args {
    char uuid[UUID_TEXT_SIZE];
    struct agent_image image;
};
struct sr_args {
    struct sm_sr sr;
    int64_t physical_size; /* for CREATE */
};
struct vdi_args {
    struct sm_sr sr;
    const char *location;          /* of the one there is; NULL for CREATE */
    char new_uuid[UUID_TEXT_SIZE]; /* for CREATE, CLONE, SNAPSHOT; else "" */
    int64_t size;                  /* for CREATE, RESIZE */
    const struct map *sm_config;   /* for CREATE */
};
struct machine_args {
    enum agent_setting what;
    const struct map *values; /* for SET */
};
struct revert_args {
    struct sm_sr sr;
    const char *location, *snapshot;
};
struct copy_args {
    struct agent_place from, to;
};

struct disk_send_args {
    struct agent_place from;
    struct agent_target to;
};
struct ticket_result {
    const char *ticket;
};

struct receive_args {
    struct agent_vm_spec spec;
    struct hv_passage passage;
};
struct prepare_args {
    char uuid[UUID_TEXT_SIZE];
    struct hv_passage passage;
};

struct state_result {
    enum hv_state state;
};
struct shape_result {
    const char *shape;
};
struct processors_result {
    bool known;
    unsigned now;
};
struct devices_result {
    bool known; /* false: the host holds nothing for the guest */
    unsigned n;
    struct agent_device *devices;
};
struct machine_result {
    const struct map *values;
};
struct vdis_result {
    unsigned n;
    struct sm_vdi *vdis;
};

/* One thing asked of an agent. */
struct agent_call {
    const void *args;
    void *result;             /* NULL for operations without one; may be filled when it fails, too */
    void *ctx;                /* for what the result points to */
    hv_progress_fn *progress; /* NULL: nobody asks how far a long operation is */
    void *progress_arg;
};

struct agent_operation {
    const char *name;
    const struct codec_type *args, *result;                                    /* result NULL: it has none */
    int (*co_run)(struct agent *a, const struct agent_call *c, struct err *e); /* on this host */
};

extern const struct agent_operation agent_operations[AGENT_OPERATIONS];

/* NULL when there is none. */
const struct agent_operation *agent_operation_by_name(const char *name);

/* Here or there, as a is. */
int co_agent_do(struct agent *a, enum agent_operation_id id, const struct agent_call *c, struct err *e);

#endif
