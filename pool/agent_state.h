#ifndef POOL_AGENT_STATE_H
#define POOL_AGENT_STATE_H
/* The agent's own state, shared by its files; private to this folder. */
#include "pool/agent.h"

struct remote;
struct ticket; /* disk_stream.c */

/* Of this host, or of another, whose agent does it all. */
struct agent {
    struct remote *remote; /* NULL: of this host */
    struct hv *hv;
    char *state_dir;
    char *machine_root; /* before the paths of the system's files; "" */
    bool user_networking;
    const struct authority *authority; /* NULL: other hosts cannot be reached yet */
    struct peer_pool *peers;
    struct ticket *tickets;
};

/* Attach one disk; bring a NIC's network up and give it a tap, or user networking. Each describes it to the
 * hypervisor; what *ret points at is on mem. */
int co_agent_attach_disk(const struct agent_disk *d, void *mem, struct hv_disk *ret, struct err *e);

int co_agent_attach_nic(struct agent *a, const struct agent_nic *n, void *mem, struct hv_nic *ret,
                        struct err *e);

/* Attach everything that a guest is to have, and describe the guest to the hypervisor. The caller gives all
 * back when this fails. */
int co_agent_attach_all(struct agent *a, const struct agent_vm_spec *spec, void *mem, struct hv_vm_spec *ret,
                        struct err *e);

/* Give back what a guest holds that could not be brought up; a failure is logged. */
void co_agent_clean_failed(struct agent *a, const char *uuid);

/* devices.c: finish or undo what was being changed of a guest's devices when a daemon died. */
int co_agent_settle_devices(struct agent *a, const char *vm_uuid, struct err *e);

/* ---- what pool/agent.h has, on this host ---- */

struct agent_device *local_vm_devices(struct agent *a, void *ctx, const char *vm_uuid, unsigned *ret_n);
enum hv_state local_vm_state(struct agent *a, const char *uuid);
int co_local_change_nic(struct agent *a, const char *vm_uuid, const struct agent_nic *n, struct err *e);
int co_local_eject(struct agent *a, const char *vm_uuid, const struct agent_disk *drive, struct err *e);
int co_local_insert(struct agent *a, const char *vm_uuid, const struct agent_disk *medium, struct err *e);
int co_local_machine_get(struct agent *a, void *ctx, enum agent_setting what, struct map **ret,
                         struct err *e);
int co_local_machine_set(struct agent *a, enum agent_setting what, const struct map *values, struct err *e);
int co_local_plug_disk(struct agent *a, const char *vm_uuid, const struct agent_disk *d, struct err *e);
int co_local_plug_nic(struct agent *a, const char *vm_uuid, const struct agent_nic *n, struct err *e);
int co_local_resize(struct agent *a, const char *vm_uuid, const struct agent_disk *d, int64_t size,
                    struct err *e);
int co_local_sr_attach(struct agent *a, const struct sm_sr *sr, struct err *e);
int co_local_sr_create(struct agent *a, const struct sm_sr *sr, int64_t physical_size, struct err *e);
int co_local_sr_destroy(struct agent *a, const struct sm_sr *sr, struct err *e);
int co_local_sr_detach(struct agent *a, const struct sm_sr *sr, struct err *e);
int co_local_sr_scan(struct agent *a, const struct sm_sr *sr, void *ctx, struct sm_vdi **ret, unsigned *ret_n,
                     struct err *e);
int co_local_sr_stat(struct agent *a, const struct sm_sr *sr, struct sm_sr_stat *ret, struct err *e);
int co_local_unplug(struct agent *a, const char *vm_uuid, enum hv_device_kind kind, const char *device_uuid,
                    unsigned number, bool force, int64_t deadline, struct err *e);
int co_local_vdi_await(struct agent *a, const struct agent_place *to, void *ctx, const char **ret_ticket,
                       struct err *e);
int co_local_vdi_clone(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                       const char *new_uuid, struct sm_vdi *ret, struct err *e);
int co_local_vdi_copy(struct agent *a, const struct agent_place *from, const struct agent_place *to,
                      struct err *e);
int co_local_vdi_create(struct agent *a, const struct sm_sr *sr, void *ctx, const char *uuid, int64_t size,
                        const struct map *sm_config, struct sm_vdi *ret, struct err *e);
int co_local_vdi_destroy(struct agent *a, const struct sm_sr *sr, const char *location, struct err *e);
int co_local_vdi_resize(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                        int64_t size, struct sm_vdi *ret, struct err *e);
int co_local_vdi_send(struct agent *a, const struct agent_place *from, const struct agent_target *to,
                      hv_progress_fn *progress, void *arg, struct err *e);
int co_local_vdi_revert(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                        const char *snapshot, struct sm_vdi *ret, struct err *e);
int co_local_vdi_snapshot(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                          const char *new_uuid, struct sm_vdi *ret, struct err *e);
int co_local_vm_clean(struct agent *a, const char *uuid, struct err *e);
int co_local_vm_console(struct agent *a, const char *uuid, const char *kind);
int co_local_vm_dump(struct agent *a, const char *uuid, const struct agent_image *to,
                     hv_progress_fn *progress, void *arg, struct err *e);
int co_local_vm_follow(struct agent *a, const char *uuid, const struct agent_disk *disk, struct err *e);
int co_local_vm_hold(struct agent *a, const char *uuid, struct err *e);
int co_local_vm_mirror_disk(struct agent *a, const char *uuid, const struct agent_disk *copy,
                            hv_progress_fn *progress, void *arg, struct err *e);
int co_local_vm_settle_disk(struct agent *a, const char *uuid, const struct agent_disk *disk, struct err *e);
int co_local_vm_move_accept(struct agent *a, const char *uuid, struct err *e);
int co_local_vm_move_cancel(struct agent *a, const char *uuid, struct err *e);
int co_local_vm_move_drain(struct agent *a, const char *uuid, hv_progress_fn *progress, void *arg,
                           struct err *e);
int co_local_vm_move_finish(struct agent *a, const char *uuid, struct err *e);
int co_local_vm_move_prepare(struct agent *a, const char *uuid, const struct hv_passage *p,
                             hv_progress_fn *progress, void *arg, struct err *e);
int co_local_vm_move_switch(struct agent *a, const char *uuid, struct err *e);
int co_local_vm_pause(struct agent *a, const char *uuid, struct err *e);
int co_local_vm_reboot(struct agent *a, const char *uuid, int64_t deadline, struct err *e);
int co_local_vm_receive(struct agent *a, const struct agent_vm_spec *spec, const struct hv_passage *p,
                        struct hv_reception *ret, struct err *e);
int co_local_vm_reset(struct agent *a, const char *uuid, struct err *e);
int co_local_vm_save(struct agent *a, const char *uuid, const struct agent_image *to,
                     hv_progress_fn *progress, void *arg, struct err *e);
int co_local_vm_command(struct agent *a, const char *uuid, const struct hv_command *c, int64_t deadline,
                        void *ctx, struct hv_command_result *ret, struct err *e);
int co_local_vm_set_memory(struct agent *a, const char *uuid, int64_t bytes, struct err *e);
int co_local_vm_grow_memory(struct agent *a, const char *uuid, int64_t max, int64_t target, struct err *e);
int co_local_vm_set_processors(struct agent *a, const char *uuid, unsigned n, const struct map *params,
                               unsigned *ret_now, struct err *e);
int co_local_vm_shape(struct agent *a, const char *uuid, void *ctx, const char **ret, struct err *e);
int co_local_vm_shutdown(struct agent *a, const char *uuid, int64_t deadline, struct err *e);
int co_local_vm_start(struct agent *a, const struct agent_vm_spec *spec, struct hv_vm_facts *ret,
                      struct err *e);
int co_local_vm_stop(struct agent *a, const char *uuid, struct err *e);
int co_local_vm_trigger(struct agent *a, const char *uuid, enum hv_trigger trigger, char key, struct err *e);
int co_local_vm_unpause(struct agent *a, const char *uuid, struct err *e);

#endif
