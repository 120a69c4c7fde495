#ifndef TESTS_HV_MOVING_H
#define TESTS_HV_MOVING_H
/*
 * A coordinator of moves for the tests of any driver: asks two hosts for the steps in their order, repeats
 * what has to happen, and goes back before the decision.
 */
#include "tests/hv/fixture.h"

struct moving {
    struct fixture *from, *to;
    struct hv_vm_spec spec;
    struct hv_passage passage;
    struct hv_reception reception;
    bool decided;    /* the destination's from here on */
    bool lost;       /* when it was settled whose guest it is, that one had ended */
    double progress; /* the last one told */
};

enum moving_step { STEP_RECEIVE, STEP_PREPARE, STEP_SWITCH, STEP_FINISH, STEP_ACCEPT, STEP_DRAIN, STEP_STOP };
#define MOVING_STEPS (STEP_STOP + 1)

/* Host uuids, loopback address; no mirrors. The specification is the caller's. */
void moving_init(struct moving *m, struct fixture *from, struct fixture *to, const struct hv_vm_spec *spec);

/* Give both hosts certificates of one pool. */
void moving_certify(const struct moving *m);

/* arg: a struct moving. */
void moving_note_progress(double done, void *arg);

int co_moving_step(struct moving *m, enum moving_step step, struct err *e);

/* All steps. When one fails: before the decision back to the source, after it on to the end, with faults off.
 * 0 when the guest has moved, -1 when it is where it was and *e says why. */
int co_moving_run(struct moving *m, struct err *e);

/* Back from wherever it is before the decision, or on from wherever it is after it, again and again until
 * that succeeds or there is no such guest. */
void co_moving_settle(struct moving *m);

#endif
