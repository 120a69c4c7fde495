#ifndef LIB_FAULT_H
#define LIB_FAULT_H
/*
 * The fault sweep's hook: every fallible step of an operation (a wait, a QMP command, a storage or network
 * action, a database step) passes one counted point. A test arms the n-th point; it then fails as it could
 * fail in life. Never armed in a daemon unless --fault-at is given (tests of recovery use that with action
 * "kill"). Costs one compare.
 *
 * An armed FAULT_WAIT makes the co_ wait answer -EIO without having waited (co_run_worker: without running
 * the work; co_wait_child: without reaping). An armed FAULT_CANCEL, which each wait passes as well, cancels
 * the fiber, so the wait answers -ECANCELED. Points passed while cancellation is masked are the way back
 * (undo) and are not counted.
 */
#include <stdbool.h>

enum fault_kind {
    FAULT_WAIT = 1,
    FAULT_QMP = 2,
    FAULT_STORAGE = 4,
    FAULT_NETWORK = 8,
    FAULT_DB = 16,
    FAULT_CANCEL = 32
};

extern unsigned fault_armed_kinds; /* 0 when disarmed */

/* Count a point of this kind; -EIO when it is the armed one (for FAULT_CANCEL the running fiber is
 * cancelled). */
int fault_point_slow(enum fault_kind kind, const char *what);
static inline int fault_point(enum fault_kind kind, const char *what)
{
    return fault_armed_kinds & kind ? fault_point_slow(kind, what) : 0;
}

/* Fail the n-th (from 1) point of these kinds from now on, once. */
void fault_arm(unsigned kinds, unsigned n);
void fault_disarm(void);

/* Arm from the text of --fault-at: kinds joined by "+", the count, and optionally ":kill" to die there by
 * SIGKILL, as in "qmp+db:3:kill". Kinds: wait qmp storage network db cancel. Answers -EINVAL on any other
 * text. */
int fault_arm_text(const char *text);

/* Did the armed point fire? */
bool fault_fired(void);

#endif
