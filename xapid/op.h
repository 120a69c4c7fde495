#ifndef XAPID_OP_H
#define XAPID_OP_H
/*
 * Declared operations: current_operations of an object, held across waits, and the rules of what is allowed
 * when (protocol.md section 9.2). One rule function a class (xapid/op_rules.h) answers both "what is
 * allowed?" (allowed_operations, kept right by the database's commit hook) and "why not?" (the error of a
 * refused call).
 *
 * A call that takes several takes them in the order VM, VBD or VIF, VDI, SR, so that no two wait for each
 * other.
 */
#include <sys/queue.h>
#include "xapid/call.h"

struct fiber;

struct op {
    struct db *db; /* NULL: not held */
    enum model_class_id cls;
    struct ref ref;
    struct ref task;
    int operation;
    struct fiber *fiber; /* who holds it */
    TAILQ_ENTRY(op) link;
};

/* Check that operation (an index of the class's operations enum) is allowed on ref now and mark it in
 * progress. When another operation is in the way, waits for that to end (protocol.md 9.2: up to 2 hours),
 * then checks again; one of the caller's own in the way, and anything else, fails at once with the rule's
 * error. ret must stay where it is while it is held. */
int co_op_begin(struct call *c, enum model_class_id cls, struct ref ref, int operation, struct op *ret,
                struct err *e);

/* Mark without asking the rules: for what happens by itself (a guest that ended) and for parts of an
 * operation whose whole was checked. A fresh name stands for the task when task is null. Never yields. */
void op_mark(struct db *db, enum model_class_id cls, struct ref ref, int operation, struct ref task,
             struct op *ret);

/* Take the mark away. For CLEANUP(op_end); safe when not held. Never yields. */
void op_end(struct op *op);
#define CLEANUP_OP CLEANUP(op_end)

/* Wait until no operation of `mask` (1 << operation) but `own` (may be NULL) is held on the object. 0 or
 * -errno. */
int co_op_wait_others(enum model_class_id cls, struct ref ref, uint64_t mask, const struct op *own);

/* Cancel the fibers that hold operations of mask on the object, but not own's. */
void op_cancel_others(enum model_class_id cls, struct ref ref, uint64_t mask, const struct op *own);

/* The rule alone: 0 when operation is allowed on the row as it is now, else -1 with the reason (e may be
 * NULL). */
int op_check(struct db *db, const struct row *row, int operation, struct err *e);

/* Recompute allowed_operations of whatever depends on the rows touched in t (the database's commit hook). */
void op_commit_hook(struct txn *t, void *arg);

/* Recompute the row's allowed_operations, which nothing remembers over a restart. */
void op_refresh(struct txn *t, const struct row *row);

/* At the daemon's start: nothing is in progress, and allowed_operations of every row are worked out. */
void op_refresh_all(struct txn *t);

#endif
