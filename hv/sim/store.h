#ifndef HV_SIM_STORE_H
#define HV_SIM_STORE_H
/*
 * The simulated guests that outlive a daemon: STATE/sim, a text file that is appended to and written anew
 * when it is opened. Leaf code; blocks shortly.
 *   + <uuid> <domid> <start time> <R or P> <1 when it has a screen> <1 when it hears the power button>
 * <devices> = <uuid> <R or P>
 *   - <uuid>
 */
#include <stdbool.h>
#include <stdint.h>
#include "model/value.h"

struct sim_record {
    char uuid[UUID_TEXT_SIZE];
    int64_t domid, start_time;
    bool paused, vnc, acpi;
    uint64_t devices; /* bit n: it has a network device n */
};

struct sim_store;

/* Open STATE/sim and call add for each guest in it, in the order of their starts. 0 or -errno. */
int sim_store_open(const char *state_dir, void (*add)(const struct sim_record *r, void *arg), void *arg,
                   struct sim_store **ret);
void sim_store_close(struct sim_store *s);

int sim_store_add(struct sim_store *s, const struct sim_record *r);
int sim_store_set_paused(struct sim_store *s, const char *uuid, bool paused);
int sim_store_remove(struct sim_store *s, const char *uuid);

#endif
