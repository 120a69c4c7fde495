#ifndef XAPID_OP_H
#define XAPID_OP_H
/*
 * Declared operations: current_operations of an object, held across waits, and the rules of what is allowed
 * when (protocol.md section 9.2). One rule function a class answers both "what is allowed?"
 * (allowed_operations, kept right by the database's commit hook) and "why not?" (the error of a refused
 * call).
 */
#include "xapid/call.h"

struct op {
    struct db *db; /* NULL: not held */
    enum model_class_id cls;
    struct ref ref;
    struct ref task;
};

/* Check that operation (an index of the class's operations enum) is allowed on ref now and mark it in
 * progress. When another operation is in the way, waits for that to end (protocol.md 9.2: retries up to 2
 * hours), then checks again; anything else fails at once with the rule's error. */
int co_op_begin(struct call *c, enum model_class_id cls, struct ref ref, int operation, struct op *ret,
                struct err *e);

/* Take the mark away. For CLEANUP(op_end); safe when not held. Never yields. */
void op_end(struct op *op);
#define CLEANUP_OP CLEANUP(op_end)

/* The rule alone: 0 when operation is allowed on the row as it is now, else -1 with the reason. */
int op_check(struct db *db, const struct row *row, int operation, struct err *e);

/* Recompute allowed_operations of whatever depends on the rows touched in t (the database's commit hook). */
void op_commit_hook(struct txn *t, void *arg);

#endif
