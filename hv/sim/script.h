#ifndef HV_SIM_SCRIPT_H
#define HV_SIM_SCRIPT_H
/*
 * The script of the simulator: timing and faults per operation (README.md has the language). Pure, never
 * yields.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"

enum sim_op {
    SIM_START,
    SIM_PAUSE,
    SIM_UNPAUSE,
    SIM_SHUTDOWN,
    SIM_REBOOT,
    SIM_STOP,
    SIM_RESET,
    SIM_TRIGGER,
    SIM_PROCESSORS,
    SIM_MEMORY,
    SIM_GROW,
    SIM_SAVE,
    SIM_DUMP,
    SIM_FOLLOW,
    SIM_MIRROR,
    SIM_SETTLE,
    SIM_RECEIVE,
    SIM_MOVE,
    SIM_SWITCH,
    SIM_FINISH,
    SIM_ACCEPT,
    SIM_DRAIN,
    SIM_CANCEL,
    SIM_ADOPT,
    SIM_PLUG,
    SIM_UNPLUG,
    SIM_INSERT,
    SIM_EJECT,
    SIM_LOOK,
    SIM_AGENT, /* from the start until the guest tells its addresses */
    SIM_LIFE,  /* from the start until it ends by itself */
    SIM_OP_COUNT,
};

enum sim_end { SIM_END_SHUTDOWN, SIM_END_REBOOT, SIM_END_CRASH, SIM_END_KILLED };

/* Which of the calls of an operation, counted from 1, something happens to. */
struct sim_when {
    bool always;
    uint32_t every; /* 0: not by this */
    uint32_t n;     /* of nth */
    uint32_t nth[16];
};

struct sim_rule {
    int64_t delay_min, delay_max; /* ns */
    struct sim_when fail, hang, off, happens;
    char error[64]; /* the code that a failure answers */
    enum sim_end end;
    uint32_t calls; /* so far */
};

struct sim_script {
    uint64_t random; /* state of the generator */
    unsigned cpus;
    int64_t memory; /* bytes */
    struct sim_rule rules[SIM_OP_COUNT];
};

/* text NULL: no delays, no faults, agents answer at once. INTERNAL_ERROR with the line's number. */
int sim_script_parse(struct sim_script *s, const char *text, struct err *e);

const char *sim_op_name(enum sim_op op);

/* What the next call of an operation meets. */
struct sim_fate {
    int64_t delay; /* ns */
    bool fail, hang, off, happens;
};
struct sim_fate sim_script_next(struct sim_script *s, enum sim_op op);

/* Was the latest call one that the word `off` names? */
bool sim_script_is_off(const struct sim_script *s, enum sim_op op);

#endif
