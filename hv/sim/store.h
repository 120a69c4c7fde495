#ifndef HV_SIM_STORE_H
#define HV_SIM_STORE_H
/*
 * The simulated guests that outlive a daemon: STATE/sim, a text file that is appended to and written anew
 * when it is opened. Leaf code; blocks shortly.
 *   + <uuid> <domid> <start time> <state> <1 when it has a screen> <1 when it hears the power button>
 *     <network devices>
 *   = <uuid> <state>
 *   m <uuid> <bytes of memory that it has>
 *   * <uuid> <disk, medium or nic> <number> <1 when it has one>
 *   - <uuid>
 * A state is R (runs), P (paused), C (crashed), H (held), A (arriving), L (leaving) or G (gone to another
 * host); a, l, g when it was paused before that.
 */
#include <stdbool.h>
#include <stdint.h>
#include "hv/hv.h"
#include "model/value.h"

#define SIM_DISKS 256

enum sim_device { SIM_DISK, SIM_MEDIUM, SIM_NIC };

struct sim_record {
    char uuid[UUID_TEXT_SIZE];
    int64_t domid, start_time, memory;
    bool paused, crashed, held, vnc, acpi;
    enum hv_passage_state passage;
    bool stays_paused; /* also once its passage is over */
    uint64_t devices;  /* bit n: it has a network device n */
    uint64_t disks[SIM_DISKS / 64],
        media[SIM_DISKS / 64]; /* likewise; media: those of them with a disk in it */
};

/* What the guest has at a place; numbers beyond the last are never there. */
bool sim_record_has(const struct sim_record *r, enum sim_device kind, unsigned number);
void sim_record_set(struct sim_record *r, enum sim_device kind, unsigned number, bool there);

struct sim_store;

/* Open STATE/sim and call add for each guest in it, in the order of their starts. 0 or -errno. */
int sim_store_open(const char *state_dir, void (*add)(const struct sim_record *r, void *arg), void *arg,
                   struct sim_store **ret);
void sim_store_close(struct sim_store *s);

int sim_store_add(struct sim_store *s, const struct sim_record *r);
int sim_store_set_state(struct sim_store *s, const struct sim_record *r);
int sim_store_set_memory(struct sim_store *s, const struct sim_record *r);
int sim_store_set_device(struct sim_store *s, const char *uuid, enum sim_device kind, unsigned number,
                         bool there);
int sim_store_remove(struct sim_store *s, const char *uuid);

#endif
