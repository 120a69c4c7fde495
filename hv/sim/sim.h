#ifndef HV_SIM_SIM_H
#define HV_SIM_SIM_H
/*
 * The simulator's own state, shared by its files (sim.c, move.c, console.c); private to this folder.
 */
#include <ev.h>
#include <sys/queue.h>
#include "hv/hv.h"
#include "hv/sim/script.h"
#include "hv/sim/store.h"

#define SIM_BUCKETS 4096

/* A simulated guest. In the table from the start of its start; operations look it up again after each wait.
 */
struct sim_vm {
    LIST_ENTRY(sim_vm) in_bucket;
    TAILQ_ENTRY(sim_vm) link;
    struct sim_hv *hv;
    struct sim_record record;
    bool committed;
    bool lives; /* what it does by itself has begun */
    bool agent; /* it has told its addresses */
    ev_timer agent_timer, life_timer;
};

/* The other end of a console that somebody looks at: says hello, then echoes. */
struct sim_console {
    LIST_ENTRY(sim_console) link;
    ev_io reader;
};

struct sim_hv {
    struct hv hv;
    struct sim_script script;
    struct sim_store *store;
    hv_report_fn *report;
    void *report_arg;
    TAILQ_HEAD(, sim_vm) vms; /* in the order of their starts */
    LIST_HEAD(, sim_vm) buckets[SIM_BUCKETS];
    LIST_HEAD(, sim_console) consoles;
};

static inline struct sim_hv *sim_of(struct hv *hv)
{
    return (struct sim_hv *)(void *)hv;
}

/* A guest whose start is complete; NULL when there is none. */
struct sim_vm *sim_find_started(struct sim_hv *s, const char *uuid);
void sim_facts(const struct sim_vm *vm, struct hv_vm_facts *ret);

/* Is it this host's: not arriving, not left? */
bool sim_is_here(const struct sim_vm *vm);

/* What the guest does by itself: once for each guest that is here, at its start or when it is taken over. */
void sim_begin_life(struct sim_vm *vm);
void sim_end_life(struct sim_vm *vm);

int sim_fail_halted(struct err *e, const char *uuid);

/* Take the time that the script gives an operation, and meet its fate. uuid: for the texts. */
int co_sim_meet_fate(struct sim_hv *s, enum sim_op op, const char *uuid, int64_t deadline, struct err *e);

/* A guest of this specification; how: the state it begins in. */
int co_sim_bring_up(struct sim_hv *s, const struct hv_vm_spec *spec, const struct sim_record *how,
                    enum sim_op op, struct hv_vm_facts *ret, struct err *e);

/* ---- console.c ---- */

int co_sim_console(struct hv *hv, const char *uuid, const char *kind);
void sim_close_consoles(struct sim_hv *s);

/* ---- move.c ---- */

int co_sim_receive(struct hv *hv, const struct hv_vm_spec *spec, const struct hv_passage *p,
                   struct hv_reception *ret, struct err *e);
int co_sim_move_prepare(struct hv *hv, const char *uuid, const struct hv_passage *p, hv_progress_fn *progress,
                        void *arg, struct err *e);
int co_sim_move_switch(struct hv *hv, const char *uuid, struct err *e);
int co_sim_move_finish(struct hv *hv, const char *uuid, struct err *e);
int co_sim_move_accept(struct hv *hv, const char *uuid, struct err *e);
int co_sim_move_drain(struct hv *hv, const char *uuid, hv_progress_fn *progress, void *arg, struct err *e);
int co_sim_move_cancel(struct hv *hv, const char *uuid, struct err *e);
int co_sim_mirror_disk(struct hv *hv, const char *uuid, const struct hv_disk *copy, hv_progress_fn *progress,
                       void *arg, struct err *e);
int co_sim_settle_disk(struct hv *hv, const char *uuid, const struct hv_disk *disk, struct err *e);

#endif
